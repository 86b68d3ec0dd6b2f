%% SPDX-License-Identifier: MIT
%% The VM's trace switches under one face: a session of our own where there is one (OTP 27 and later), else
%% the one set of flags and patterns all tools of the node share. There, what is somebody else's is never
%% touched.
-module(elixirscope_trace).
-export([open/0, close/1, on/3, off/2, less/3, mine/2, new/3, new_is_mine/1]).
-export([set/4, clear/3, is_set/2, receive_set/2, receive_clear/2, receive_is_set/2]).
-export([loads_on/2, loads_off/2, loads_is_on/1, delivered/1, left/2, walk/4]).
-export_type([trace/0, pattern/0]).

-define(TRACER, {tracer, elixirscope_nif, []}).
-define(FINISH, {erlang, finish_loading, 1}).
-define(SLICE_NS, 150000).
-define(ROOM_MAX, 16777216). % words

-type trace() :: legacy | {own, term()}.
-type pattern() :: {global | local, Spec :: [tuple()]}.

-spec open() -> trace().
open() ->
    case elixirscope_vm:sessions() of
        true -> {own, apply(trace, session_create, [elixirscope, {elixirscope_nif, []}, []])};
        false -> legacy
    end.

%% Ends a session with all its flags and patterns; nothing to do where there is none.
-spec close(trace()) -> ok.
close(legacy) ->
    ok;
close({own, Session}) ->
    try apply(trace, session_destroy, [Session]) catch error:_ -> true end,
    ok.

%% ---- processes ----

%% Asking first is not only polite: the VM writes an error report for a process that has another tracer.
-spec on(trace(), pid(), [atom()]) -> ok | gone | {foreign, term()}.
on(legacy, Pid, Flags) ->
    case erlang:trace_info(Pid, tracer) of
        {tracer, []} -> legacy_on(Pid, Flags);
        {tracer, {elixirscope_nif, _}} -> legacy_on(Pid, Flags);
        {tracer, Other} -> {foreign, Other};
        undefined -> gone
    end;
on({own, Session}, Pid, Flags) ->
    try apply(trace, process, [Session, Pid, true, Flags]) of
        _ -> ok
    catch
        error:badarg -> gone
    end.

legacy_on(Pid, Flags) ->
    try erlang:trace(Pid, true, [?TRACER | Flags]) of
        _ -> ok
    catch
        error:badarg -> gone
    end.

-spec off(trace(), pid()) -> ok.
off(Trace, Pid) ->
    less(Trace, Pid, [all]).

%% Takes some flags away, where they are ours.
-spec less(trace(), pid(), [atom()]) -> ok.
less(legacy, Pid, Flags) ->
    try mine(legacy, Pid) andalso erlang:trace(Pid, false, Flags) of
        _ -> ok
    catch
        error:badarg -> ok
    end;
less({own, Session}, Pid, Flags) ->
    try apply(trace, process, [Session, Pid, false, Flags]) of
        _ -> ok
    catch
        error:badarg -> ok
    end.

-spec mine(trace(), pid() | new_processes) -> boolean().
mine(Trace, Pid) ->
    try info(Trace, Pid, tracer) of
        {tracer, {elixirscope_nif, _}} -> true;
        _ -> false
    catch
        error:_ -> false
    end.

%% Flags of the processes to come.
-spec new(trace(), boolean(), [atom()]) -> ok | {foreign, term()}.
new(legacy, How, Flags) ->
    case erlang:trace_info(new_processes, tracer) of
        {tracer, {elixirscope_nif, _}} -> legacy_new(How, Flags);
        {tracer, []} when How -> legacy_new(How, Flags);
        {tracer, []} -> ok;
        {tracer, Other} -> {foreign, Other}
    end;
new({own, Session}, How, Flags) ->
    apply(trace, process, [Session, new_processes, How, Flags]),
    ok.

legacy_new(true, Flags) ->
    erlang:trace(new_processes, true, [?TRACER | Flags]),
    ok;
legacy_new(false, Flags) ->
    erlang:trace(new_processes, false, Flags),
    ok.

-spec new_is_mine(trace()) -> boolean().
new_is_mine(Trace) ->
    mine(Trace, new_processes).

info(legacy, What, Item) -> erlang:trace_info(What, Item);
info({own, Session}, What, Item) -> apply(trace, info, [Session, What, Item]).

%% Folds over all processes but a few, and lets others run after every slice: Slice of them, or 150 µs,
%% whichever comes first. Gives the slices' times.
-spec walk(fun((pid(), Acc) -> Acc), Acc, Except :: [pid()], pos_integer()) -> {Acc, [Ns :: integer()]}.
walk(Fun, Acc, Except, Slice) ->
    roomy(fun() -> walk(Fun, Acc, erlang:processes() -- Except, Slice, []) end).

%% With a heap in which a walk needs no garbage collection: copying a list of 200,000 processes takes
%% milliseconds.
roomy(Fun) ->
    Size = process_flag(min_heap_size, min(?ROOM_MAX, 16 * erlang:system_info(process_count))),
    Priority = process_flag(priority, normal),
    erlang:garbage_collect(),
    Result = Fun(),
    process_flag(priority, Priority),
    process_flag(min_heap_size, Size),
    erlang:garbage_collect(),
    Result.

walk(_, Acc, [], _, Times) ->
    {Acc, Times};
walk(Fun, Acc0, Pids, Slice, Times) ->
    Begin = elixirscope_vm:now_ns(),
    {Acc, Rest} = slice(Fun, Acc0, Pids, Slice, Begin + ?SLICE_NS),
    Time = elixirscope_vm:now_ns() - Begin,
    erlang:yield(),
    walk(Fun, Acc, Rest, Slice, [Time | Times]).

slice(_, Acc, [], _, _) ->
    {Acc, []};
slice(_, Acc, Pids, 0, _) ->
    {Acc, Pids};
slice(Fun, Acc, [Pid | Pids], Left, End) ->
    case Left rem 8 =:= 7 andalso elixirscope_vm:now_ns() > End of
        true -> {Acc, [Pid | Pids]};
        false -> slice(Fun, Fun(Pid, Acc), Pids, Left - 1, End)
    end.

%% ---- functions ----

%% Sets a pattern and gives the number of functions it is on now: 0 or 1.
-spec set(trace(), mfa(), pattern(), OursBefore :: boolean()) -> 0 | 1 | foreign.
set(Trace, MFA, {Type, Spec}, OursBefore) ->
    case Trace =/= legacy orelse OursBefore orelse is_set(Trace, MFA) =:= false of
        true -> pattern(Trace, MFA, spec_or_true(Spec), [Type]);
        false -> foreign
    end.

spec_or_true([]) -> true;
spec_or_true(Spec) -> Spec.

pattern(legacy, MFA, Spec, Options) ->
    try erlang:trace_pattern(MFA, Spec, Options) catch error:badarg -> 0 end;
pattern({own, Session}, MFA, Spec, Options) ->
    try apply(trace, function, [Session, MFA, Spec, Options]) catch error:badarg -> 0 end.

%% Takes a pattern away if it still is the one we set.
-spec clear(trace(), mfa(), pattern()) -> ok.
clear(Trace, MFA, {Type, Spec}) ->
    _ = still(Trace, MFA, {Type, Spec}) andalso pattern(Trace, MFA, false, [Type]),
    ok.

still(Trace, MFA, {Type, Spec}) ->
    is_set(Trace, MFA) =:= Type andalso ours(function_info(Trace, MFA, match_spec), Spec).

%% A callback's specification has our mark: it may be the one before the one that the ledger knows.
ours(Spec, Spec) -> true;
ours(Spec, Known) -> is_marked(Spec) andalso is_marked(Known).

is_marked([{_, _, [{exception_trace}, {message, {{es_callback, _}}}]} | _]) -> true;
is_marked(_) -> false.

-spec is_set(trace(), mfa()) -> false | global | local.
is_set(Trace, MFA) ->
    case function_info(Trace, MFA, traced) of
        undefined -> false;
        Traced -> Traced
    end.

function_info(Trace, MFA, Item) ->
    try info(Trace, MFA, Item) of
        {Item, Value} -> Value;
        undefined -> undefined
    catch
        error:_ -> undefined
    end.

%% ---- deliveries ----

-spec receive_set(trace(), [tuple()]) -> ok | foreign.
receive_set(legacy, Spec) ->
    case erlang:trace_info('receive', match_spec) of
        {match_spec, Free} when Free =:= true; Free =:= []; Free =:= Spec ->
            erlang:trace_pattern('receive', Spec, []),
            ok;
        _ ->
            foreign
    end;
receive_set({own, Session}, Spec) ->
    apply(trace, recv, [Session, Spec, []]),
    ok.

-spec receive_clear(trace(), [tuple()]) -> ok.
receive_clear(Trace, Spec) ->
    _ = Trace =:= legacy andalso receive_is_set(Trace, Spec) andalso
        erlang:trace_pattern('receive', true, []),
    ok.

-spec receive_is_set(trace(), [tuple()]) -> boolean().
receive_is_set(Trace, Spec) ->
    try info(Trace, 'receive', match_spec) =:= {match_spec, Spec} catch error:_ -> false end.

%% ---- loads: a message to the calling process for every module that was loaded ----

%% A session traces for one tracer, so the loads get one of their own.
-spec loads_on(trace(), pid()) -> trace() | off.
loads_on(Trace, Tracer) ->
    case elixirscope_vm:load_trace() of
        true -> loads_on_safe(Trace, Tracer);
        false -> answers_on(Tracer)
    end.

loads_on_safe(legacy, Tracer) ->
    case erlang:trace_info(?FINISH, meta) of
        {meta, Free} when Free =:= false; Free =:= [] ->
            case pattern(legacy, ?FINISH, loads_spec(), [{meta, Tracer}]) of
                1 -> legacy;
                _ -> off
            end;
        _ ->
            off
    end;
loads_on_safe({own, _}, Tracer) ->
    Session = apply(trace, session_create, [elixirscope_loads, Tracer, []]),
    case pattern({own, Session}, ?FINISH, loads_spec(), [meta]) of
        1 ->
            {own, Session};
        _ ->
            close({own, Session}),
            off
    end.

loads_spec() ->
    [{'_', [], [{message, false}, {return_trace}]}].

%% Where that function may not be traced: what the code server answers to those who had something loaded.
answers_on(Tracer) ->
    Session = apply(trace, session_create, [elixirscope_loads, Tracer, []]),
    _ = apply(trace, send, [Session, [{['_', {code_server, {module, '_'}}], [], []}], []]),
    try apply(trace, process, [Session, whereis(code_server), true, [send]]) of
        _ -> {own, Session}
    catch
        error:badarg ->
            close({own, Session}),
            off
    end.

-spec loads_off(trace() | off, pid()) -> ok.
loads_off(legacy, Tracer) ->
    _ = loads_is_on(Tracer) andalso pattern(legacy, ?FINISH, false, [meta]),
    ok;
loads_off(off, _) ->
    ok;
loads_off(Own, _) ->
    close(Own).

-spec loads_is_on(pid()) -> boolean().
loads_is_on(Tracer) ->
    erlang:trace_info(?FINISH, meta) =:= {meta, Tracer}.

%% ---- at the end ----

%% Waits, for two seconds at most, until every event of before has reached the tracer.
-spec delivered(trace()) -> ok.
delivered(Trace) ->
    Ref =
        case Trace of
            legacy -> erlang:trace_delivered(all);
            {own, Session} -> try apply(trace, delivered, [Session, all]) catch error:_ -> none end
        end,
    receive
        {trace_delivered, all, Ref} -> ok
    after case Ref of none -> 0; _ -> 2000 end -> ok
    end.

%% What of ours the VM still knows, as sentences. Asked of the VM, not of what we believe. A session's flags
%% and patterns go with it.
-spec left(trace(), #{mfa() => pattern()}) -> [binary()].
left({own, _}, _) ->
    [
        <<"a trace session of ours still exists">>
     || lists:any(fun own_name/1, apply(trace, session_info, [all]))
    ];
left(legacy, Patterns) ->
    {Pids, _} = walk(fun(Pid, N) -> N + count(mine(legacy, Pid)) end, 0, [], 100),
    Functions = length([MFA || {MFA, Pattern} <- maps:to_list(Patterns), still(legacy, MFA, Pattern)]),
    [list_to_binary([integer_to_list(Pids), " processes still have our tracer"]) || Pids > 0] ++
        [list_to_binary([integer_to_list(Functions), " functions have our pattern"]) || Functions > 0] ++
        [<<"new processes still get our tracer">> || new_is_mine(legacy)].

count(true) -> 1;
count(false) -> 0.

own_name({elixirscope, _}) -> true;
own_name({elixirscope_loads, _}) -> true;
own_name(_) -> false.
