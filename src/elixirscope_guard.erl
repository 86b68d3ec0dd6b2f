%% SPDX-License-Identifier: MIT
%% The guardian, and the way out. A ledger says what was done to this VM, written before it is done; clean/1
%% undoes all of it and then asks the VM itself. The agent calls it to stop; where the agent is killed, the
%% guardian process does.
-module(elixirscope_guard).
-export([start/2, note/3, done/1, clean/1, init/2]).
-export_type([ledger/0]).

%% trace: of elixirscope_trace; patterns: all ever set; receive: its specification; loads, loads_to: the trace
%% of loads and its tracer; helpers: other processes of ours; logger, nif: are they in; socket: path; env:
%% variables we set and what they were; woven: modules and what they were; keep: the modules are the node's own.
-type ledger() :: map().

-spec start(pid(), ledger()) -> pid().
start(Agent, Ledger) ->
    spawn(?MODULE, init, [Agent, Ledger]).

%% Writes into the ledger and tells the guardian. Call it before the deed.
-spec note(Key :: atom(), Value :: term(), ledger()) -> ledger().
note(Key, Value, Ledger) ->
    _ = [Guard ! {note, Key, Value} || Guard <- [maps:get(guard, Ledger, none)], is_pid(Guard)],
    enter(Key, Value, Ledger).

enter(patterns, Patterns, Ledger) ->
    Ledger#{patterns => maps:merge(maps:get(patterns, Ledger, #{}), Patterns)};
enter(woven, Changes, Ledger) ->
    All = maps:merge(maps:get(woven, Ledger, #{}), Changes),
    Ledger#{woven => maps:filter(fun(_, Woven) -> Woven =/= none end, All)};
enter(Key, Value, Ledger) ->
    Ledger#{Key => Value}.

%% The guardian is not needed any more. Returns when it is gone.
-spec done(pid()) -> ok.
done(Guard) ->
    Ref = erlang:monitor(process, Guard),
    Guard ! {done, self()},
    receive {'DOWN', Ref, process, Guard, _} -> ok after 2000 -> exit(Guard, kill), ok end.

-spec init(pid(), ledger()) -> ok.
init(Agent, Ledger) ->
    process_flag(trap_exit, true),
    group_leader(whereis(init), self()),
    try register(elixirscope_guard, self()) catch error:badarg -> true end,
    Ref = erlang:monitor(process, Agent),
    %% One that was started again was born with the flags of new processes.
    _ = [elixirscope_trace:off(Trace, self()) || #{trace := Trace} <- [Ledger]],
    watch(Agent, Ref, Ledger#{guard => self()}).

watch(Agent, Ref, Ledger) ->
    receive
        {note, Key, Value} -> watch(Agent, Ref, enter(Key, Value, Ledger));
        {done, Agent} -> ok;
        {'DOWN', Ref, process, Agent, Reason} -> alone(Reason, Ledger);
        _ -> watch(Agent, Ref, Ledger)
    end.

%% The agent is gone and nobody has disarmed.
alone(Reason, Ledger) ->
    Text = iolist_to_binary([
        "the agent ended (", elixirscope_vm:text(Reason), "): everything was taken out"
    ]),
    _ = try elixirscope_nif:emit(notice, undefined, {agent_died, Text}) catch error:_ -> lost end,
    Left = clean(Ledger),
    elixirscope_link:farewell(
        maps:get(socket, Ledger, undefined),
        {stopped, #{clean => Left =:= [], left => Left, why => agent_died}}
    ),
    _ = maps:get(keep, Ledger) orelse elixirscope_code:leave(self()),
    ok.

%% ---- the way out ----

%% Undoes what the ledger says. Gives what is left nevertheless, as sentences: [] is clean. May be called
%% again.
-spec clean(ledger()) -> [binary()].
clean(Ledger) ->
    Trace = maps:get(trace, Ledger, none),
    step(fun() -> elixirscope_nif:enable(false) end),
    step(fun() -> elixirscope_arm:disarm(Ledger) end),
    step(fun() -> maps:get(logger, Ledger, false) andalso elixirscope_logger:remove() end),
    step(fun() -> lists:foreach(fun end_process/1, maps:get(helpers, Ledger, [])) end),
    Quiet = probes_off(),
    Woven = step(fun() -> elixirscope_loom:restore_all(maps:get(woven, Ledger, #{})) end),
    step(fun() -> lists:foreach(fun restore/1, maps:get(env, Ledger, [])) end),
    Closed = close_nif(maps:get(nif, Ledger, false), 100),
    Keep = maps:get(keep, Ledger),
    Unloaded = Keep orelse Closed andalso Quiet andalso elixirscope_code:unload_nif(),
    step(fun() -> Keep orelse elixirscope_code:delete(early()) end),
    [<<"the NIF is still in use">> || not Closed] ++ sentences(Woven) ++ left(Trace, Ledger, Unloaded).

sentences(failed) -> [];
sentences(Sentences) -> Sentences.

%% The modules that are not needed any more when everything is out; the others say so and go last.
early() ->
    elixirscope_code:modules() --
        [
            elixirscope_agent, elixirscope_code, elixirscope_guard, elixirscope_link, elixirscope_probes,
            elixirscope_trace, elixirscope_vm
        ].

%% Woven code must not be left with probes that call functions of a module that is gone.
probes_off() ->
    not erlang:module_loaded(elixirscope_probes) orelse elixirscope_probes:off() =:= ok.

%% One failure must not keep the rest in.
step(Fun) ->
    try Fun() catch _:_ -> failed end.

end_process(Pid) ->
    Ref = erlang:monitor(process, Pid),
    exit(Pid, kill),
    receive {'DOWN', Ref, process, Pid, _} -> ok after 2000 -> ok end.

restore({Name, false}) -> os:unsetenv(Name);
restore({Name, Value}) -> os:putenv(Name, Value).

%% The NIF refuses while a thread is inside. Afterwards such a thread still has to return from our code before
%% its module goes.
close_nif(false, _) ->
    true;
close_nif(true, 0) ->
    false;
close_nif(true, Tries) ->
    try {elixirscope_nif:done(), elixirscope_nif:close()} of
        {_, ok} ->
            receive after 20 -> true end;
        {_, {error, _}} ->
            receive after 10 -> ok end,
            close_nif(true, Tries - 1)
    catch
        error:_ -> true % it never was loaded, or is gone already
    end.

%% ---- what is left ----

left(none, Ledger, Unloaded) ->
    left_over(Ledger, Unloaded);
left(Trace, Ledger, Unloaded) ->
    elixirscope_trace:left(Trace, maps:get(patterns, Ledger, #{})) ++ left_over(Ledger, Unloaded).

left_over(Ledger, Unloaded) ->
    Receive = maps:get('receive', Ledger, none),
    Agent = maps:get(agent, Ledger, none),
    Handlers = try logger:get_handler_ids() catch _:_ -> [] end,
    Monitor = erlang:system_monitor(),
    Helpers = maps:get(helpers, Ledger, []),
    [
        <<"the trace specification of 'receive' is still ours">>
     || elixirscope_trace:receive_is_set(legacy, Receive)
    ] ++
        [<<"loads are still traced">> || is_pid(Agent), elixirscope_trace:loads_is_on(Agent)] ++
        [<<"the logger handler is still there">> || lists:member(elixirscope, Handlers)] ++
        [
            <<"the system monitor is still ours">>
         || is_tuple(Monitor), lists:member(element(1, Monitor), Helpers)
        ] ++
        [<<"a process of ours is still there">> || Pid <- Helpers, is_process_alive(Pid)] ++
        [<<"the NIF is still loaded">> || not Unloaded] ++
        [
            iolist_to_binary(["the module ", atom_to_list(Module), " is still loaded"])
         || not maps:get(keep, Ledger), Module <- early() -- [elixirscope_nif], erlang:module_loaded(Module)
        ].
