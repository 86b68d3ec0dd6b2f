%% SPDX-License-Identifier: MIT
%% The processes that were there before the recording: who they are, in slices, by questions that are cheap
%% for them. Runs in a process of its own, for some questions wait until a busy process answers.
-module(elixirscope_census).
-export([start/1, initial_call/1, find/1, init/1]).

-define(ITEMS, [
    registered_name, initial_call, current_function, status, memory, message_queue_len, group_leader,
    trap_exit, parent
]).
-define(SMALL, 1048576).     % bytes of a process whose dictionary may be copied
-define(LINKS_MAX, 64).      % monitors as well
-define(CHILDREN_LINKS, 1000). % a supervisor with more links is not asked for its children
-define(SUPERVISORS_MAX, 500).
-define(ASK_MS, 100).
-define(ASK_ALL_MS, 1000).
-define(FULL, 50).           % percent of the ring from which the census waits for the engine
-define(WAIT_MS, 10).
-define(WAITS_MAX, 1000).

%% Starts it; it begins with {go, Ours, Slice} and ends with {census, self(), #{processes, lost, ns}} to the
%% agent.
-spec start(pid()) -> pid().
start(Agent) ->
    spawn(?MODULE, init, [Agent]).

-spec init(pid()) -> ok.
init(Agent) ->
    Ref = erlang:monitor(process, Agent),
    receive
        {go, Ours, Slice} ->
            Begin = elixirscope_vm:now_ns(),
            Count = everybody(Ours, Slice),
            Agent ! {census, self(), Count#{ns => elixirscope_vm:now_ns() - Begin}},
            ok;
        {'DOWN', Ref, process, Agent, _} ->
            ok
    end.

everybody(Ours, Slice) ->
    Keyed = elixirscope_vm:keyed_dictionary(),
    Acc0 = #{processes => 0, lost => 0, supervisors => [], waits => 0},
    {Acc, _} = elixirscope_trace:walk(fun(Pid, Acc) -> one(Pid, Keyed, Acc) end, Acc0, Ours, Slice),
    Deadline = elixirscope_vm:now_ns() + ?ASK_ALL_MS * 1000000,
    Supervisors = lists:reverse(maps:get(supervisors, Acc)),
    maps:without(
        [supervisors, waits],
        lists:foldl(fun(Entry, A) -> supervisor(Entry, Deadline, A) end, Acc, Supervisors)
    ).

one(Pid, Keyed, #{supervisors := Supervisors} = Acc) ->
    case facts(Pid, Keyed) of
        undefined ->
            Acc;
        {_, {supervisor, _, _}, _} = Entry when length(Supervisors) < ?SUPERVISORS_MAX ->
            Acc#{supervisors := [{Pid, Entry} | Supervisors]};
        Entry ->
            emit(Pid, Entry, Acc)
    end.

%% ---- facts ----

facts(Pid, Keyed) ->
    case erlang:process_info(Pid, ?ITEMS) of
        undefined -> undefined;
        Items -> facts(Pid, Keyed, maps:from_list(Items))
    end.

facts(Pid, Keyed, #{memory := Memory, parent := Parent} = Items) ->
    {Links, Monitors, Words} = more(Pid, Keyed, Memory),
    Facts = monitors(Monitors, links(Links, maps:without([initial_call, parent, registered_name], Items))),
    Name = maps:filter(fun(_, Value) -> Value =/= [] end, maps:with([registered_name], Items)),
    {
        case is_pid(Parent) of true -> Parent; false -> undefined end,
        initial(Words, Items),
        renamed(maps:merge(maps:merge(Facts, Name), maps:with(['$ancestors', '$process_label'], Words)))
    }.

%% What a behaviour or task says of itself goes before what the VM knows.
initial(#{'$initial_call' := {M, F, A}}, _) when is_atom(M), is_atom(F), is_integer(A) -> {M, F, A};
initial(_, #{initial_call := MFA}) -> MFA.

%% Links, monitors and words of the dictionary: on old emulators only whole, hence of small processes alone.
more(Pid, Keyed, Memory) ->
    Items =
        case Keyed of
            true ->
                [{dictionary, '$initial_call'}, {dictionary, '$ancestors'}, {dictionary, '$process_label'}];
            false when Memory =< ?SMALL -> [dictionary];
            false -> []
        end,
    case erlang:process_info(Pid, [Item || Memory =< 8 * ?SMALL, Item <- [links, monitors]] ++ Items) of
        undefined ->
            {[], unknown, #{}};
        Found ->
            {proplists:get_value(links, Found, unknown), proplists:get_value(monitors, Found, unknown), words(Found)}
    end.

words(Found) ->
    Whole = proplists:get_value(dictionary, Found, []),
    Words = [Word || {Key, _} = Word <- Whole, is_atom(Key)] ++ [
        {Key, Value}
     || {{dictionary, Key}, Value} <- Found, Value =/= undefined
    ],
    maps:with(['$initial_call', '$ancestors', '$process_label'], maps:from_list(Words)).

links(unknown, Facts) -> Facts;
links(Links, Facts) -> Facts#{links => lists:sublist(Links, ?LINKS_MAX), link_count => length(Links)}.

%% Each once, however often it is monitored; a process of this node that was monitored by its name, by that.
monitors(unknown, Facts) ->
    Facts;
monitors(Monitors, Facts) ->
    Items = lists:usort([monitored(Item) || {_, Item} <- Monitors]),
    Facts#{monitors => lists:sublist(Items, ?LINKS_MAX), monitor_count => length(Items)}.

monitored({Name, Node}) when Node =:= node() -> Name;
monitored(Item) -> Item.

renamed(Facts) ->
    maps:fold(
        fun
            ('$ancestors', Ancestors, To) -> To#{ancestors => bounded(Ancestors)};
            ('$process_label', Label, To) -> To#{label => Label};
            (Key, Value, To) -> To#{Key => Value}
        end,
        #{},
        Facts
    ).

bounded(List) ->
    try lists:sublist(List, 16) catch error:_ -> [] end.

%% What a process was started with, as its behaviour says.
-spec initial_call(pid()) -> mfa() | undefined.
initial_call(Pid) ->
    case facts(Pid, elixirscope_vm:keyed_dictionary()) of
        undefined -> undefined;
        {_, Initial, _} -> Initial
    end.

%% The process that a pid: or name: spec means, now.
-spec find(map()) -> pid() | none.
find(#{kind := pid, text := Text}) ->
    try list_to_pid(binary_to_list(Text)) of
        Pid when node(Pid) =:= node() ->
            case is_process_alive(Pid) of
                true -> Pid;
                false -> none
            end;
        _ ->
            none
    catch
        error:badarg -> none
    end;
find(#{kind := name, text := Text}) ->
    Names = [Name || Binary <- [Text, <<"Elixir.", Text/binary>>], {ok, Name} <- [existing(Binary)]],
    case [Pid || Name <- Names, Pid <- [whereis(Name)], is_pid(Pid)] of
        [Pid | _] -> Pid;
        [] -> none
    end.

existing(Binary) ->
    try {ok, binary_to_existing_atom(Binary, utf8)} catch error:_ -> none end.

%% ---- supervisors ----

%% Asked only when they have nothing else to do, and each for a tenth of a second at most.
supervisor({Pid, {Parent, Initial, Facts}}, Deadline, Acc) ->
    Idle = erlang:process_info(Pid, message_queue_len) =:= {message_queue_len, 0},
    Few = maps:get(link_count, Facts, infinity) =< ?CHILDREN_LINKS,
    case Idle andalso Few andalso elixirscope_vm:now_ns() < Deadline andalso children(Pid) of
        {ok, Children} -> emit(Pid, {Parent, Initial, Facts#{children => Children}}, Acc);
        _ -> emit(Pid, {Parent, Initial, Facts}, Acc)
    end.

%% The answer comes to our own pid, not to an alias: it is known there, and not recorded. One that comes late
%% meets a process that is gone.
children(Pid) ->
    Ref = erlang:monitor(process, Pid),
    Pid ! {'$gen_call', {self(), Ref}, which_children},
    Answer =
        receive
            {Ref, Children} when is_list(Children) -> {ok, known(Children)};
            {Ref, _} -> none;
            {'DOWN', Ref, process, Pid, _} -> none
        after ?ASK_MS -> none
        end,
    _ = erlang:demonitor(Ref, [flush]),
    Answer.

known(Children) ->
    [{Id, Child, Type} || {Id, Child, Type, _} <- Children].

%% ---- into the recording ----

%% The census is much at once: it waits while the ring is half full, rather than push out what happens now.
emit(Pid, Term, #{processes := N} = Acc0) ->
    Acc = case N rem 100 of 99 -> wait(Acc0); _ -> Acc0 end,
    case elixirscope_nif:emit(census, Pid, Term) of
        ok -> Acc#{processes := N + 1};
        lost -> again(Pid, Term, Acc)
    end.

again(Pid, Term, #{processes := N, lost := Lost} = Acc0) ->
    Acc = wait(Acc0),
    case elixirscope_nif:emit(census, Pid, Term) of
        ok -> Acc#{processes := N + 1};
        lost -> Acc#{lost := Lost + 1}
    end.

wait(#{waits := Waits} = Acc) when Waits >= ?WAITS_MAX ->
    Acc;
wait(#{waits := Waits} = Acc) ->
    case elixirscope_nif:stats() of
        #{full := Full} when Full > ?FULL ->
            receive after ?WAIT_MS -> ok end,
            wait(Acc#{waits := Waits + 1});
        _ ->
            Acc
    end.
