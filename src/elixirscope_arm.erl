%% SPDX-License-Identifier: MIT
%% Trace flags and patterns: switched on at the start, kept up while modules come and go, thinned by the
%% budget, taken away at the end. Works on a map that the agent holds; every deed is in the guardian's ledger
%% before it is done.
-module(elixirscope_arm).
-export([arm/2, loaded/1, poll/1, check/1, thin/2, whole/1, ledger/1, disarm/1]).
-export_type([arm/0, notice/0]).

%% trace: switches; flags: of every process; selected: processes with more; known: modules seen; armed: module
%% => some of its functions with a pattern of ours, one global, one local; others: servers whose states are
%% not wanted, none before the first look; watched: modules that a spec names => checksum; patterns: what is
%% set; named: are calls: and returns: specs on; counts: spec => functions; hints: loads since the last check;
%% untended: switches that are not ours, or no longer; refused: processes that somebody else traces.
-type arm() :: map().
-type notice() :: {What :: atom(), Text :: binary()}.

-define(SAMPLE, 16).
-define(LISTED, 60).
-define(URGENT, [handle_continue, handle_call, handle_cast, handle_info, handle_event]).
-define(SELECTED_FLAGS, [procs, send, 'receive', call]).

%% ---- arming ----

%% New processes first, so that none is born between the walk and the flags.
-spec arm(map(), elixirscope_guard:ledger()) -> {arm(), Report :: map()}.
arm(Config, Ledger) ->
    Begin = elixirscope_vm:now_ns(),
    Trace = elixirscope_trace:open(),
    {Flags, Unsafe} = safe(flags(Config)),
    Arm0 = #{
        ledger => elixirscope_guard:note(trace, Trace, Ledger),
        trace => Trace,
        slice => max(1, maps:get(arm_slice, Config, 100)),
        flags => Flags,
        wanted => Flags,
        selected => #{},
        pending => [Spec || #{kind := Kind} = Spec <- specs(Config), Kind =:= pid orelse Kind =:= name],
        want => elixirscope_spec:want(Config),
        known => #{},
        armed => #{},
        others => none,
        watched => #{},
        patterns => #{},
        named => true,
        counts => #{},
        loads => off,
        hints => 0,
        untended => [],
        refused => []
    },
    {Arm1, New} = new_processes(Arm0),
    {Arm2, Receive} = receive_spec(Arm1),
    Arm3 = loads(Arm2),
    ok = elixirscope_code:early(elixirscope_spec:named_modules(maps:get(want, Arm3))),
    {Arm4, Modules} = modules(Arm3),
    {Arm5, Pending} = select(Arm4),
    {Arm, Times} = processes(Arm5),
    Notices = Unsafe ++ New ++ Receive ++ Modules ++ Pending ++ unmatched(Arm),
    {Arm, report(Arm, Times, elixirscope_vm:now_ns() - Begin, Notices)}.

-spec ledger(arm()) -> elixirscope_guard:ledger().
ledger(#{ledger := Ledger}) -> Ledger.

%% Is every sender on this node traced? Then deliveries need no payload of their own.
-spec whole(arm()) -> boolean().
whole(#{flags := Flags, refused := Refused, untended := Untended}) ->
    lists:member(send, Flags) andalso Refused =:= [] andalso
        not lists:member(new, Untended) andalso not lists:member(processes, Untended).

specs(Config) ->
    [Spec || Spec <- maps:get(specs, Config, []), is_map(Spec), is_map_key(kind, Spec)].

flags(Config) ->
    OfLevel = level_flags(maps:get(level, Config, minimal)),
    lists:usort(OfLevel ++ lists:append([spec_flags(Kind) || #{kind := Kind} <- specs(Config)])).

level_flags(states_only) -> [procs, call];
level_flags(messages_only) -> [procs, send, 'receive'];
level_flags(balanced) -> [procs, send, 'receive', call];
level_flags(full) -> [procs, send, 'receive', call, running, garbage_collection];
level_flags(_) -> [procs].

spec_flags(messages) -> [send, 'receive'];
spec_flags(scheduling) -> [running];
spec_flags(gc) -> [garbage_collection];
spec_flags(Kind) when Kind =:= calls; Kind =:= returns; Kind =:= states -> [call];
spec_flags(_) -> [].

safe(Flags) ->
    Reasons = [{Flag, elixirscope_vm:unsafe(Flag)} || Flag <- Flags],
    {[Flag || {Flag, false} <- Reasons], [{left_off, Why} || {_, Why} <- Reasons, Why =/= false]}.

new_processes(#{trace := Trace, flags := Flags} = Arm) ->
    case elixirscope_trace:new(Trace, true, Flags) of
        ok ->
            {Arm, []};
        {foreign, Tracer} ->
            Text = [
                "new processes are traced by ", elixirscope_vm:text(Tracer),
                " already: processes started from now on are not recorded"
            ],
            {Arm#{untended := [new]}, [notice(foreign_tracer, Text)]}
    end.

receive_spec(
    #{trace := Trace, ledger := Ledger, flags := Flags, pending := Pending, untended := Untended} = Arm
) ->
    Spec = elixirscope_spec:receive_spec(),
    Noted = Arm#{ledger := elixirscope_guard:note('receive', Spec, Ledger)},
    Wanted = lists:member('receive', Flags) orelse Pending =/= [],
    case Wanted andalso elixirscope_trace:receive_set(Trace, Spec) of
        ok ->
            {Noted, []};
        false ->
            {Arm#{untended := ['receive' | Untended]}, []};
        foreign ->
            Text = [
                "another tool has a trace specification for 'receive': it is left alone, ",
                "so deliveries come without their sender"
            ],
            {Arm#{untended := ['receive' | Untended]}, [notice(foreign_tracer, Text)]}
    end.

loads(#{trace := Trace, ledger := Ledger} = Arm) ->
    Before = elixirscope_guard:note(loads, Trace, Ledger),
    Loads = elixirscope_trace:loads_on(Trace, self()),
    Arm#{loads := Loads, ledger := elixirscope_guard:note(loads, Loads, Before)}.

processes(#{trace := Trace, flags := Flags, slice := Slice} = Arm) ->
    On = fun(Pid, {N, Refused}) ->
        case elixirscope_trace:on(Trace, Pid, Flags) of
            ok -> {N + 1, Refused};
            gone -> {N, Refused};
            {foreign, Tracer} -> {N, [{Pid, Tracer} | Refused]}
        end
    end,
    {{Armed, Refused}, Times} = elixirscope_trace:walk(On, {0, []}, ours(Arm), Slice),
    Sample = lists:sublist(
        [Pid || Pid <- [whereis(Name) || Name <- registered()], elixirscope_trace:mine(Trace, Pid)], ?SAMPLE
    ),
    {Arm#{refused := Refused, sample => Sample, processes => Armed}, Times}.

ours(#{ledger := Ledger}) ->
    Pids = [maps:get(agent, Ledger, none), maps:get(guard, Ledger, none) | maps:get(helpers, Ledger, [])],
    [Pid || Pid <- Pids, is_pid(Pid)].

report(#{counts := Counts, refused := Refused, processes := Processes}, Times, Total, Notices) ->
    Sorted = lists:sort(Times),
    #{
        processes => Processes,
        slices => length(Sorted),
        longest_slice_ns => lists:last([0 | Sorted]),
        p99_slice_ns => lists:nth(max(1, length(Sorted) * 99 div 100), Sorted ++ [0]),
        total_ns => Total,
        matched => maps:to_list(Counts),
        refused => [
            {elixirscope_vm:text(Pid), elixirscope_vm:text(Tracer)}
         || {Pid, Tracer} <- lists:sublist(Refused, ?LISTED)
        ],
        notices => Notices
    }.

notice(What, Text) ->
    {What, unicode:characters_to_binary(Text)}.

unmatched(#{want := #{specs := Specs}, counts := Counts}) ->
    [
        notice(no_match, elixirscope_spec:why_none(Spec))
     || {Text, _} = Spec <- Specs, not is_map_key(Text, Counts)
    ].

%% ---- single processes: pid: and name: ----

select(#{pending := []} = Arm) ->
    {Arm, []};
select(#{pending := Pending} = Arm) ->
    Found = [{Spec, elixirscope_census:find(Spec)} || Spec <- Pending],
    Arms = lists:foldl(
        fun({_, Pid}, A) -> select(Pid, A) end, Arm#{pending := [Spec || {Spec, none} <- Found]}, Found
    ),
    Texts = [
        [maps:get(text, Spec, <<>>), " is no process on this node now"]
     || {Spec, none} <- Found, not is_map_key(told, Spec)
    ],
    Told = [Spec#{told => true} || Spec <- maps:get(pending, Arms)],
    {Again, Notices} = modules(Arms#{pending := [Spec || #{kind := name} = Spec <- Told]}),
    {Again, [notice(no_match, Text) || Text <- Texts] ++ Notices}.

select(none, Arm) ->
    Arm;
select(Pid, #{trace := Trace, selected := Selected, want := Want, known := Known} = Arm) ->
    _ = elixirscope_trace:on(Trace, Pid, ?SELECTED_FLAGS),
    Extra =
        case elixirscope_census:initial_call(Pid) of
            {Module, _, _} -> [Module];
            undefined -> []
        end,
    Arm#{
        selected := Selected#{Pid => true},
        want := Want#{extra := Extra ++ maps:get(extra, Want)},
        known := maps:without(Extra, Known)
    }.

%% ---- modules ----

%% The functions of gen_server that call callbacks. An OTP that is not known here, or has them no more, has
%% its servers seen through their own modules.
servers(New, #{want := Want, flags := Flags, others := Others, armed := Armed} = Arm) ->
    Looked = case Others of none -> erlang:loaded(); _ -> New end,
    Calls = lists:member(call, Flags),
    More = [Module || Calls, Module <- Looked, elixirscope_spec:is_other_server(Module, Want)],
    case Calls andalso (Others =:= none orelse More =/= []) of
        true ->
            Left = lists:usort(More ++ case Others of none -> []; _ -> Others end),
            Plan = [
                {MFA, {Pattern, callback}}
             || elixirscope_vm:otp() =< 29, {MFA, Pattern} <- elixirscope_spec:servers(Want, Left)
            ],
            {Set, _} = set(maps:from_list(Plan), Arm),
            Done = [MFA || {MFA, _} <- Plan, is_map_key(MFA, maps:get(patterns, Set))],
            Has = fun(Functions) -> lists:any(fun({_, F, _}) -> lists:member(F, Functions) end, Done) end,
            Set#{
                others := Left,
                want := Want#{
                    init_it := Has([init_it]),
                    servers := Has([try_handle_call]) andalso Has([try_dispatch, try_handle_cast])
                },
                armed := maps:merge(Armed, maps:from_list([{gen_server, Done} || Done =/= []]))
            };
        false ->
            Arm
    end.

%% Looks at the modules that were not seen before.
modules(#{known := Known} = Arm) ->
    Loaded = erlang:loaded(), % also modules that have only old code
    New = [Module || Module <- Loaded, not is_map_key(Module, Known), erlang:module_loaded(Module)],
    {Seen, Foreign} = lists:foldl(fun module/2, {servers(New, Arm), []}, New),
    Kept = case map_size(Known) + length(New) > length(Loaded) of
        true -> maps:filter(fun(Module, _) -> erlang:module_loaded(Module) end, maps:get(known, Seen));
        false -> maps:get(known, Seen)
    end,
    {Seen#{known := Kept}, foreign_patterns(Foreign)}.

module(
    Module,
    {#{want := Want, known := Known, counts := Counts, watched := Watched, armed := Armed} = Arm, Foreign}
) ->
    Behaviours = elixirscope_spec:shown_behaviours(Module),
    _ = Behaviours =/= [] andalso elixirscope_nif:module(Module, Behaviours),
    {Plan, Matched} = elixirscope_spec:plan(Module, Want),
    {Set, Others} = set(Plan, Arm),
    Probes = probes(maps:with(maps:keys(Plan), maps:get(patterns, Set))),
    {
        Set#{
            known := Known#{Module => true},
            counts := maps:fold(
                fun(Text, N, Sum) -> Sum#{Text => N + maps:get(Text, Sum, 0)} end, Counts, Matched
            ),
            armed := maps:merge(Armed, Probes),
            watched := maps:merge(Watched, checksums(Module, elixirscope_spec:names(Module, Want)))
        },
        Others ++ Foreign
    }.

%% Module => what is looked at to see whether its patterns are still there.
probes(Patterns) ->
    Typed = maps:from_list([
        {{Module, Type}, MFA}
     || {{Module, _, _} = MFA, {{Type, _}, _}} <- maps:to_list(Patterns)
    ]),
    maps:fold(
        fun({Module, _}, MFA, Probes) -> Probes#{Module => [MFA | maps:get(Module, Probes, [])]} end, #{},
        Typed
    ).

checksums(Module, true) -> #{Module => checksum(Module)};
checksums(_, false) -> #{}.

checksum(Module) ->
    try erlang:get_module_info(Module, md5) catch error:badarg -> none end.

%% Sets patterns; gives the functions that another tool has one on.
set(Plan0, #{trace := Trace, ledger := Ledger, patterns := Patterns, named := Named} = Arm) ->
    Plan = maps:filter(fun(_, {_, Class}) -> Named orelse Class =:= callback end, Plan0),
    case map_size(Plan) of
        0 ->
            {Arm, []};
        _ ->
            Noted = elixirscope_guard:note(
                patterns, maps:map(fun(_, {Pattern, _}) -> Pattern end, Plan), Ledger
            ),
            Results = [
                {MFA, Entry, elixirscope_trace:set(Trace, MFA, Pattern, is_map_key(MFA, Patterns))}
             || {MFA, {Pattern, _} = Entry} <- urgent_first(maps:to_list(Plan))
            ],
            Done = maps:from_list([{MFA, Entry} || {MFA, Entry, 1} <- Results]),
            {
                Arm#{ledger := Noted, patterns := maps:merge(Patterns, Done)},
                [MFA || {MFA, _, foreign} <- Results]
            }
    end.

%% A process may be on its way into one of these.
urgent_first(Plan) ->
    {Urgent, Rest} = lists:partition(fun({{_, F, _}, _}) -> lists:member(F, ?URGENT) end, Plan),
    Urgent ++ Rest.

foreign_patterns([]) ->
    [];
foreign_patterns(MFAs) ->
    Text = [
        integer_to_list(length(MFAs)),
        " functions carry a trace pattern of another tool and are left alone: ", listed(MFAs)
    ],
    [notice(foreign_tracer, Text)].

listed(Terms) ->
    Texts = [elixirscope_vm:text(Term) || Term <- lists:sublist(Terms, 5)],
    [lists:join(", ", Texts), [", …" || length(Terms) > 5]].

%% ---- while it runs ----

%% Something was loaded. Called for the trace of loads, and by the clock.
-spec loaded(arm()) -> {arm(), [notice()]}.
loaded(#{hints := Hints} = Arm) ->
    changes(Arm#{hints := Hints + 1}).

%% The clock's look, for what the trace of loads does not tell.
-spec poll(arm()) -> {arm(), [notice()]}.
poll(Arm) ->
    changes(Arm).

%% Once a second: are the switches still as we left them?
-spec check(arm()) -> {arm(), [notice()]}.
check(Arm0) ->
    {Arm1, Changes} = changes(Arm0),
    {Arm2, Cleared} = lists:foldl(fun cleared/2, {Arm1#{hints := 0}, []}, [new, processes, 'receive', loads]),
    {Arm, Pending} = select(Arm2),
    {Arm, Changes ++ Cleared ++ Pending}.

%% New modules get their patterns. Patterns that a load dropped are set again; where there was no load,
%% somebody took them away on purpose: that is said, and left so. New ones come first: their processes are at
%% work already.
changes(Arm0) ->
    {Arm1, New} = modules(Arm0),
    {Arm, Notices} = lost(Arm1),
    {Arm, New ++ Notices}.

lost(#{armed := Armed, watched := Watched, trace := Trace, hints := Hints, loads := Loads} = Arm) ->
    Bare = [
        Module
     || {Module, MFAs} <- maps:to_list(Armed),
        not lists:all(fun(MFA) -> elixirscope_trace:is_set(Trace, MFA) =/= false end, MFAs)
    ],
    Hinted = Hints > 0 orelse Loads =:= off,
    Changed = [Module || Hinted, {Module, Sum} <- maps:to_list(Watched), checksum(Module) =/= Sum],
    Lost = [Module || Module <- Bare, Trace =/= legacy orelse Hinted orelse erlang:check_old_code(Module)],
    Taken = [Module || Module <- Bare -- Lost, erlang:module_loaded(Module)],
    Reloaded = lists:usort(Changed ++ Lost),
    case Reloaded ++ Bare of
        [] -> {Arm, []};
        _ -> again(Reloaded, Bare, Taken, Arm)
    end.

again(Reloaded, Bare, Taken, Arm) ->
    Forgotten = lists:foldl(fun forget/2, Arm, Reloaded ++ Bare),
    Known = maps:merge(maps:get(known, Forgotten), maps:from_list([{Module, true} || Module <- Taken])),
    Others = case lists:member(gen_server, Reloaded) of true -> none; false -> maps:get(others, Arm) end,
    {Kept, Notices} = modules(Forgotten#{known := Known, others := Others}),
    {Kept, rearmed(Reloaded -- woven(Arm), Kept) ++ taken(Taken) ++ Notices}.

forget(Module, #{known := Known, armed := Armed, watched := Watched, patterns := Patterns} = Arm) ->
    Arm#{
        known := maps:remove(Module, Known),
        armed := maps:remove(Module, Armed),
        watched := maps:remove(Module, Watched),
        patterns := maps:filter(fun({M, _, _}, _) -> M =/= Module end, Patterns)
    }.

%% Loaded by ourselves.
woven(#{ledger := Ledger}) ->
    maps:keys(maps:get(woven, Ledger, #{})).

rearmed(Reloaded, #{armed := Armed}) ->
    case [Module || Module <- Reloaded, is_map_key(Module, Armed)] of
        [] -> [];
        Modules -> [notice(rearmed, ["loaded again, and traced again: ", listed(Modules)])]
    end.

taken([]) ->
    [];
taken(Modules) ->
    Text = ["another tool cleared the trace patterns of ", listed(Modules), ": they are recorded no longer"],
    [notice(cleared, Text)].

cleared(What, {#{untended := Untended} = Arm, Notices}) ->
    case lists:member(What, Untended) orelse intact(What, Arm) of
        true -> {Arm, Notices};
        false -> {Arm#{untended := [What | Untended]}, [notice(cleared, cleared_text(What)) | Notices]}
    end.

intact(new, #{trace := Trace}) ->
    elixirscope_trace:new_is_mine(Trace);
intact(processes, #{trace := Trace, sample := Sample}) ->
    lists:all(fun(Pid) -> elixirscope_trace:mine(Trace, Pid) orelse not is_process_alive(Pid) end, Sample);
intact('receive', #{trace := Trace}) ->
    elixirscope_trace:receive_is_set(Trace, elixirscope_spec:receive_spec());
intact(loads, #{loads := legacy}) ->
    elixirscope_trace:loads_is_on(self());
intact(loads, _) ->
    true.

cleared_text(new) ->
    "another tool cleared the tracing of new processes: those started from now on are not recorded";
cleared_text(processes) ->
    "another tool cleared the trace flags of processes: what they do is recorded no longer";
cleared_text('receive') ->
    "another tool replaced the trace specification of 'receive': deliveries come without their sender";
cleared_text(loads) ->
    "another tool cleared the trace of loads: modules loaded from now on are seen up to half a second late".

%% ---- the budget ----

%% named: specs of calls and returns go or come back. flags: everything but the life of processes goes or
%% comes back.
-spec thin({named | flags, boolean()}, arm()) -> arm().
thin({named, false}, #{trace := Trace, patterns := Patterns} = Arm) ->
    Named = maps:filter(fun(_, {_, Class}) -> Class =/= callback end, Patterns),
    maps:foreach(fun(MFA, {Pattern, _}) -> elixirscope_trace:clear(Trace, MFA, Pattern) end, Named),
    Kept = maps:without(maps:keys(Named), Patterns),
    Arm#{named := false, patterns := Kept, armed := probes(Kept)};
thin({named, true}, Arm) ->
    {Full, _} = modules(Arm#{named := true, known := #{}, counts := #{}}),
    Full;
thin({flags, false}, #{flags := Flags} = Arm) ->
    Less = lists:usort(Flags ++ ?SELECTED_FLAGS) -- [procs],
    switch(Arm, fun(Trace, Pid) -> elixirscope_trace:less(Trace, Pid, Less) end, [procs]);
thin({flags, true}, #{wanted := Wanted, selected := Selected} = Arm) ->
    On = fun(Trace, Pid) ->
        Flags = case Selected of #{Pid := _} -> Wanted ++ ?SELECTED_FLAGS; _ -> Wanted end,
        elixirscope_trace:on(Trace, Pid, Flags)
    end,
    switch(Arm, On, Wanted).

switch(#{trace := Trace, flags := Before, slice := Slice} = Arm, Fun, Flags) ->
    _ = case Before -- Flags of
        [] -> elixirscope_trace:new(Trace, true, Flags);
        Less -> elixirscope_trace:new(Trace, false, Less)
    end,
    {ok, _} = elixirscope_trace:walk(fun(Pid, ok) -> Fun(Trace, Pid), ok end, ok, ours(Arm), Slice),
    Arm#{flags := Flags}.

%% ---- the end ----

%% Takes away what the ledger says, and only what is ours.
-spec disarm(elixirscope_guard:ledger()) -> ok.
disarm(#{trace := legacy} = Ledger) ->
    elixirscope_trace:new(legacy, false, [all]),
    elixirscope_trace:loads_off(maps:get(loads, Ledger, off), maps:get(agent, Ledger)),
    {ok, _} = elixirscope_trace:walk(fun(Pid, ok) -> elixirscope_trace:off(legacy, Pid) end, ok, [], 100),
    elixirscope_trace:receive_clear(legacy, maps:get('receive', Ledger, none)),
    maps:foreach(
        fun(MFA, Pattern) -> elixirscope_trace:clear(legacy, MFA, Pattern) end,
        maps:get(patterns, Ledger, #{})
    ),
    elixirscope_trace:delivered(legacy);
disarm(#{trace := Trace} = Ledger) ->
    elixirscope_trace:loads_off(maps:get(loads, Ledger, off), maps:get(agent, Ledger)),
    elixirscope_trace:delivered(Trace),
    elixirscope_trace:close(Trace);
disarm(_) ->
    ok.
