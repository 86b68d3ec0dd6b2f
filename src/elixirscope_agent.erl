%% SPDX-License-Identifier: MIT
%% The agent: the process in the user's VM that owns the recording of this node. It greets the recorder, arms
%% when told to, looks after what it armed each second, and takes everything out again at the end.
%% docs/protocol.md has the words it speaks.
-module(elixirscope_agent).
-export([boot/0, start/1, ask/2, init/2]).

-define(BOOT_WAIT_MS, 5000).
-define(CONNECT_MS, 2000).
-define(OPEN_MS, 5000).
-define(TAKE_OVER_MS, 2000).
-define(RETRY_MS, 100).
-define(TICK_MS, 1000).
-define(POLL_MS, 500).
-define(POLL_BLIND_MS, 50).  % where loads cannot be traced
-define(CENSUS_MS, 500).     % what arming waits for the census; it goes on by itself
-define(SILENT_MS, 5000).    % an engine that was not heard of for so long is worth a notice
-define(HEAP_MAX, 67108864). % words: a runaway agent is ended, and the guardian disarms

-record(st, {
    options :: map(),
    since = elixirscope_vm:now_ns(),
    starter = none :: none | reference(), % waits in start/1
    ledger :: elixirscope_guard:ledger(), % until arm holds it
    guard :: {pid(), reference()},
    census :: pid(),
    watch :: pid(),
    weaver :: pid(),
    socket :: undefined | port(),
    arena = <<>> :: binary(),
    config = #{} :: map(),
    arm = none :: none | elixirscope_arm:arm(),
    armed = #{} :: map(),                 % as it was told
    budget :: undefined | elixirscope_budget:budget(),
    silent = false :: boolean(),
    gone = none :: none | integer()       % when the recorder's end of the socket closed
}).

%% ---- entries: called by the VM's boot process, by rpc, by the user's program ----

%% For -eval and boot scripts: reads our environment, takes it away, and starts. Whatever fails, the user's
%% boot goes on.
-spec boot() -> ok.
boot() ->
    try boot_with(unicode:characters_to_binary(filename:dirname(code:which(?MODULE)))) catch _:_ -> ok end,
    ok.

boot_with(Dir) ->
    Names = [
        "ELIXIRSCOPE_SESSION", "ELIXIRSCOPE_NIF", "ELIXIRSCOPE_AFLAGS_BEFORE", "ELIXIRSCOPE_START",
        "ERL_AFLAGS"
    ],
    Found = [{Name, os:getenv(Name)} || Name <- Names],
    _ = [os:unsetenv(Name) || Name <- Names],
    [{_, Session}, {_, _}, {_, Before} | _] = Found,
    _ = Before =:= false orelse os:putenv("ERL_AFLAGS", Before),
    ok = load(Dir),
    elixirscope_code:forget_path(Dir),
    case Session of
        false -> elixirscope_code:leave(spawn(erlang, self, []));
        _ -> start(from_boot(Dir, Found))
    end.

from_boot(Dir, [{_, Session}, {_, Nif}, {_, _}, {_, Start}, {_, _}] = Found) ->
    #{
        socket => iolist_to_binary([unicode:characters_to_binary(Session), "/agent.sock"]),
        dir => Dir,
        nif => unicode:characters_to_binary(Nif),
        start => case Start of "boot" -> boot; _ -> eval end,
        wait_ms => ?BOOT_WAIT_MS,
        environment => [{Name, Value} || {Name, Value} <- Found, Value =/= false]
    }.

%% Starts the agent and waits, for wait_ms at most, until it is armed. Never raises.
-spec start(map()) -> ok | {error, binary()}.
start(Options) ->
    try
        ok = load(maps:get(dir, Options, undefined)),
        case ask(status, 500) of
            {error, not_running} -> launch(Options);
            #{session := Session} -> {error, <<"this node is recorded already by session ", Session/binary>>};
            _ -> {error, <<"this node is recorded already">>}
        end
    catch
        _:{badmatch, {error, Text}} when is_binary(Text) -> {error, Text};
        _:Why -> {error, iolist_to_binary(io_lib:format("the agent cannot start: ~0tP", [Why, 12]))}
    end.

load(Dir) ->
    case code:ensure_loaded(elixirscope_code) of
        {module, _} -> ok;
        _ -> code:load_abs(unicode:characters_to_list(filename:join(Dir, "elixirscope_code")))
    end,
    elixirscope_code:load(Dir).

launch(Options) ->
    Alias = erlang:alias([reply]),
    {Agent, Ref} = spawn_monitor(?MODULE, init, [Options, Alias]),
    Result =
        receive
            {Alias, Answer} -> Answer;
            {'DOWN', Ref, process, Agent, _} -> {error, <<"the agent ended before it was armed">>}
        after maps:get(wait_ms, Options, ?BOOT_WAIT_MS) -> ok
        end,
    _ = erlang:unalias(Alias),
    _ = erlang:demonitor(Ref, [flush]),
    receive {Alias, Late} -> Late after 0 -> Result end.

-spec ask(status | stop, timeout()) -> term() | {error, not_running}.
ask(What, Timeout) ->
    case whereis(?MODULE) of
        undefined ->
            {error, not_running};
        Agent ->
            Ref = erlang:monitor(process, Agent, [{alias, reply_demonitor}]),
            Agent ! {ask, Ref, What},
            receive
                {Ref, Answer} -> Answer;
                {'DOWN', Ref, process, Agent, _} -> {error, not_running}
            after Timeout ->
                _ = erlang:demonitor(Ref, [flush]),
                receive {Ref, Answer} -> Answer after 0 -> {error, timeout} end
            end
    end.

%% ---- life ----

-spec init(map(), reference()) -> ok.
init(Options, Alias) ->
    try register(?MODULE, self()) of
        true -> run(Options, Alias)
    catch
        error:badarg -> Alias ! {Alias, {error, <<"this node is recorded already">>}}, ok
    end.

run(Options, Alias) ->
    process_flag(trap_exit, true),
    process_flag(message_queue_data, off_heap),
    process_flag(max_heap_size, #{size => ?HEAP_MAX, kill => true, error_logger => false}),
    group_leader(whereis(init), self()),
    Keep = elixirscope_code:is_theirs(maps:get(dir, Options, undefined)),
    Ledger = #{agent => self(), socket => maps:get(socket, Options), keep => Keep},
    Guard = elixirscope_guard:start(self(), Ledger),
    {Census, Watch} = {elixirscope_census:start(self()), elixirscope_watch:start(self())},
    Weaver = elixirscope_weaver:start(self()),
    _ = erlang:monitor(process, Weaver),
    St = #st{
        options = Options,
        starter = Alias,
        guard = {Guard, erlang:monitor(process, Guard)},
        census = Census,
        watch = Watch,
        weaver = Weaver,
        ledger = elixirscope_guard:note(helpers, [Census, Watch, Weaver], Ledger#{guard => Guard})
    },
    try meet(St) catch Class:Reason:Stack -> failed(Class, Reason, Stack, St) end.

%% A fault of ours is not the user's: it is told to the recorder, and everything goes.
failed(Class, Reason, Stack, St) ->
    Where = [{M, F, L} || {M, F, _, L} <- lists:sublist(Stack, 3)],
    Text = iolist_to_binary(io_lib:format("the agent failed: ~0tP", [{Class, Reason, Where}, 40])),
    _ = elixirscope_link:send(St#st.socket, {error, Text}),
    exit({agent_failed, Text}).

meet(#st{options = #{socket := Path}} = St) ->
    case elixirscope_link:connect(Path, ?CONNECT_MS) of
        {ok, Socket} -> greeted(hello(St#st{socket = Socket}));
        {error, Why} ->
            leave({error, <<"the recorder cannot be reached: ", (elixirscope_vm:text(Why))/binary>>}, St)
    end.

hello(#st{options = Options, socket = Socket, arena = Arena} = St) ->
    Facts = (elixirscope_vm:facts())#{protocol => 1, start => maps:get(start, Options, attach)},
    _ = elixirscope_link:send(Socket, {hello, case Arena of <<>> -> Facts; _ -> Facts#{arena => Arena} end}),
    St.

greeted(#st{socket = Socket} = St) ->
    receive
        {tcp, Socket, _} = Frame ->
            case elixirscope_link:read(Frame) of
                {ok, {open, Arena, Config}} when is_binary(Arena), is_map(Config) -> open(Arena, Config, St);
                {ok, {refuse, Text}} when is_binary(Text) -> leave({error, Text}, St);
                _ -> greeted(St)
            end;
        {tcp_closed, Socket} -> leave({error, <<"the recorder closed the connection">>}, St);
        {tcp_error, Socket, _} -> leave({error, <<"the recorder closed the connection">>}, St)
    after ?OPEN_MS -> leave({error, <<"the recorder does not answer">>}, St)
    end.

%% Nothing was switched on: go without a word to anybody but the starter.
leave(Result, #st{guard = {Guard, _}, ledger = Ledger, socket = Socket} = St) ->
    _ = elixirscope_guard:clean(Ledger),
    elixirscope_guard:done(Guard),
    elixirscope_link:close(Socket),
    _ = maps:get(keep, Ledger) orelse elixirscope_code:leave(self()),
    _ = answer(Result, St),
    ok.

answer(_, #st{starter = none} = St) ->
    St;
answer(Result, #st{starter = Alias} = St) ->
    Alias ! {Alias, Result},
    St#st{starter = none}.

%% ---- opening ----

open(Arena, Config, #st{options = Options, ledger = Ledger} = St) ->
    Nif = filename:rootname(maps:get(nif, Options, maps:get(nif, Config, <<>>)), <<".so">>),
    Noted = St#st{ledger = elixirscope_guard:note(nif, true, Ledger), arena = Arena, config = Config},
    case load_nif(Nif) of
        ok ->
            case elixirscope_nif:open(Arena) of
                ok -> opened(Noted);
                {error, Why} ->
                    cannot(["the session's memory cannot be mapped: ", elixirscope_vm:text(Why)], Noted)
            end;
        {error, Text} ->
            cannot(["the NIF cannot be loaded: ", elixirscope_vm:text(Text)], Noted)
    end.

%% It is loaded already where the node keeps our modules.
load_nif(Nif) ->
    try elixirscope_nif:stats() of
        _ -> ok
    catch
        error:_ -> try elixirscope_nif:load(Nif) catch error:Why -> {error, Why} end
    end.

cannot(Text, #st{socket = Socket} = St) ->
    Error = unicode:characters_to_binary(Text),
    _ = elixirscope_link:send(Socket, {error, Error}),
    leave({error, Error}, St).

opened(
    #st{config = Config, guard = {Guard, _}, census = Census, watch = Watch, weaver = Weaver, ledger = Ledger0} = St
) ->
    elixirscope_nif:exclude([self(), Guard, Census, Watch, Weaver]),
    elixirscope_nif:limits(#{deliver_payload => 1}),
    elixirscope_nif:enable(true),
    elixirscope_nif:clock(),
    _ = elixirscope_nif:emit(vm, undefined, elixirscope_vm:facts()),
    _ = erlang:send_after(2, self(), {calibrate, 2}),
    Ledger1 = elixirscope_guard:note(logger, true, Ledger0),
    _ = elixirscope_logger:add(),
    Watch ! {go, lists:member(maps:get(level, Config, minimal), [balanced, full])},
    Ledger = children(maps:get(children, Config, false), maps:get(environment, St#st.options, []), Ledger1),
    {Arm, Report} = elixirscope_arm:arm(Config, Ledger),
    Census ! {go, [self(), Guard, Census, Watch, Weaver], maps:get(arm_slice, Config, 100)},
    weave(maps:get(weave, Config, []), maps:get(depth, Config, calls), St),
    _ = maps:get(time_limit_ms, Config, 0) > 0 andalso erlang:send_after(
        maps:get(time_limit_ms, Config), self(), time_limit
    ),
    armed(Report, St#st{arm = Arm, budget = budget(Config)}).

weave([], _, #st{weaver = Weaver}) -> Weaver ! loaded, ok;
weave(Names, Depth, #st{weaver = Weaver}) -> Weaver ! loaded, Weaver ! {weave, Names, Depth}, ok.

budget(Config) ->
    elixirscope_budget:new(maps:get(budget, Config, 0.0), erlang:system_info(schedulers_online)).

%% Programs that this VM starts find our environment again, where they are to be recorded too.
children(true, Environment, Ledger) ->
    Noted = elixirscope_guard:note(env, [{Name, os:getenv(Name)} || {Name, _} <- Environment], Ledger),
    _ = [os:putenv(Name, Value) || {Name, Value} <- Environment],
    Noted;
children(_, _, Ledger) ->
    Ledger.

armed(#{notices := Notices} = Report, #st{arm = Arm, socket = Socket} = St0) ->
    Counted = first(census, St0#st.census, ?CENSUS_MS),
    Watched = first(watch, St0#st.watch, ?CENSUS_MS),
    All = Notices ++ counted(Counted) ++ case Watched of late -> []; _ -> Watched end,
    deliver_payload(Arm),
    _ = [elixirscope_nif:emit(notice, undefined, Notice) || Notice <- All],
    Told = Report#{notices := [Text || {_, Text} <- All]},
    _ = elixirscope_link:send(Socket, {armed, Told}),
    St = answer(ok, St0#st{armed = Told}),
    self() ! tick,
    self() ! poll,
    %% a module that was loaded is in use at once; walks are done at normal priority
    process_flag(priority, high),
    loop(St).

%% A message's payload is in its send, where all sends are traced.
deliver_payload(Arm) ->
    elixirscope_nif:limits(
        #{deliver_payload => case elixirscope_arm:whole(Arm) of true -> 0; false -> 1 end}
    ).

first(Tag, Pid, Timeout) ->
    receive {Tag, Pid, What} -> What after Timeout -> late end.

counted(#{lost := Lost}) when Lost > 0 ->
    [{
        census,
        iolist_to_binary([integer_to_list(Lost), " processes are missing in the census: the ring was full"])
    }];
counted(_) ->
    [].

%% ---- the loop ----

loop(#st{socket = Socket, guard = {Guard, GuardRef}, census = Census, watch = Watch, weaver = Weaver} = St) ->
    receive
        {tcp, Socket, _} = Frame -> told(elixirscope_link:read(Frame), St);
        {tcp_closed, Socket} -> loop(recorder_gone(St));
        {tcp_error, Socket, _} -> loop(recorder_gone(St));
        reconnect -> reconnect(St);
        tick -> loop(tick(St));
        poll -> loop(poll(St));
        {calibrate, Ms} -> loop(calibrate(Ms, St));
        {trace_ts, _, return_from, _, _, _} -> loop(loaded(St));
        {trace, _, return_from, _, _} -> loop(loaded(St));
        {trace, _, send, {code_server, _}, _} -> loop(loaded(St));
        {census, Census, Count} -> loop(notices(counted(Count), St));
        {watch, Watch, Notices} -> loop(notices(Notices, St));
        {weaver, Weaver, {weaving, _} = HowFar} -> _ = elixirscope_link:send(Socket, HowFar), loop(St);
        {weaver, Weaver, Notices} -> loop(notices(Notices, St));
        {weaver, Weaver, Ref, {note, Module, Woven}} -> loop(noted(Ref, Module, Woven, St));
        {ask, Ref, What} -> asked(What, Ref, St);
        time_limit -> stop(time_limit, St);
        {'DOWN', GuardRef, process, Guard, _} -> loop(guard(St));
        {'DOWN', _, process, Weaver, Why} ->
            Text = iolist_to_binary(["weaving failed, and goes on no more: ", elixirscope_vm:text(Why)]),
            loop(notice({weaving, Text}, St));
        _ -> loop(St)
    end.

told({ok, {mark, Label, Meta}}, St) ->
    _ = elixirscope_nif:emit(mark, undefined, {Label, Meta}),
    loop(St);
told({ok, {ping, N}}, #st{socket = Socket} = St) ->
    _ = elixirscope_link:send(Socket, {pong, N}),
    loop(St);
told({ok, {weave, Names, Depth}}, St) when is_list(Names) ->
    weave(Names, Depth, St),
    loop(St);
told({ok, {unweave, Which, Force}}, #st{weaver = Weaver} = St) ->
    Weaver ! {unweave, Which, Force =:= true},
    loop(St);
told({ok, {stop, Reason}}, St) ->
    stop(Reason, St);
told({ok, {open, Arena, _}}, #st{arena = Arena, socket = Socket, armed = Armed} = St) ->
    _ = elixirscope_link:send(Socket, {armed, Armed}),
    loop(St#st{gone = none});
told({ok, {open, _, _}}, #st{socket = Socket} = St) ->
    _ = elixirscope_link:send(
        Socket, {error, <<"this node is recorded into another session's memory already">>}
    ),
    loop(St);
told({ok, {refuse, _}}, #st{gone = Gone} = St) when Gone =/= none ->
    stop(recorder_gone, St);
told(_, St) ->
    loop(St).

asked(status, Ref, St) ->
    Ref ! {Ref, status(St)},
    loop(St);
asked(stop, Ref, St) ->
    stop(asked, St),
    Ref ! {Ref, ok},
    ok.

status(
    #st{
        options = #{socket := Path}, config = Config, arm = Arm, armed = Armed, budget = Budget,
        since = Since, gone = Gone
    }
) ->
    maps:merge(maps:with([events, lost], elixirscope_nif:stats()), #{
        session => filename:dirname(Path),
        level => maps:get(level, Config, minimal),
        processes => maps:get(processes, Armed, 0),
        functions => map_size(maps:get(patterns, Arm)),
        percent_of_cpu => maps:get(percent, Budget),
        budget_step => elixirscope_budget:step(Budget),
        recorder => case Gone of none -> there; _ -> gone end,
        since_ms => (elixirscope_vm:now_ns() - Since) div 1000000
    }).

%% In the ledger before it is loaded.
noted(Ref, Module, Woven, #st{arm = Arm, weaver = Weaver} = St) ->
    Ledger = elixirscope_guard:note(woven, #{Module => Woven}, elixirscope_arm:ledger(Arm)),
    Weaver ! {noted, Ref},
    St#st{arm = Arm#{ledger := Ledger}}.

notices(Notices, St) ->
    lists:foldl(fun notice/2, St, Notices).

notice({What, Text}, #st{socket = Socket} = St) ->
    _ = elixirscope_nif:emit(notice, undefined, {What, Text}),
    _ = elixirscope_link:send(Socket, {notice, Text}),
    St.

%% ---- by the clock ----

%% The first second decides how well time is known: calibrated at doubling distances.
calibrate(Ms, St) ->
    elixirscope_nif:clock(),
    _ = 2 * Ms =< ?TICK_MS andalso erlang:send_after(2 * Ms, self(), {calibrate, 2 * Ms}),
    St.

tick(#st{arm = Arm0, config = Config} = St0) ->
    _ = erlang:send_after(?TICK_MS, self(), tick),
    elixirscope_nif:clock(),
    {Arm, Notices} = elixirscope_arm:check(Arm0),
    deliver_payload(Arm),
    _ = maps:get(level, Config, minimal) =:= full andalso elixirscope_nif:emit(
        memory, undefined, maps:from_list(erlang:memory())
    ),
    heard(spend(notices(Notices, St0#st{arm = Arm}))).

poll(#st{arm = #{loads := Loads} = Arm0} = St) ->
    _ = erlang:send_after(case Loads of off -> ?POLL_BLIND_MS; _ -> ?POLL_MS end, self(), poll),
    {Arm, Notices} = elixirscope_arm:poll(Arm0),
    notices(Notices, St#st{arm = Arm}).

%% Loads come in bursts; one look sees all of them.
loaded(#st{arm = Arm0, weaver = Weaver} = St) ->
    drop_loads(),
    Weaver ! loaded,
    {Arm, Notices} = elixirscope_arm:loaded(Arm0),
    notices(Notices, St#st{arm = Arm}).

drop_loads() ->
    receive
        {trace_ts, _, return_from, _, _, _} -> drop_loads();
        {trace, _, return_from, _, _} -> drop_loads();
        {trace, _, send, {code_server, _}, _} -> drop_loads()
    after 0 -> ok
    end.

heard(#st{silent = Silent} = St) ->
    case elixirscope_nif:beat() of
        Age when is_integer(Age), Age > ?SILENT_MS, not Silent ->
            Text = <<"the engine is silent since five seconds: events are lost once the rings are full">>,
            notice({engine_silent, Text}, St#st{silent = true});
        Age when is_integer(Age), Age < ?TICK_MS, Silent ->
            St#st{silent = false};
        _ ->
            St
    end.

%% ---- the budget ----

spend(#st{budget = Budget0} = St) ->
    {Direction, Percent, Budget} = elixirscope_budget:measure(
        {elixirscope_vm:now_ns(), elixirscope_nif:stats()}, Budget0
    ),
    case Direction of
        stay -> St#st{budget = Budget};
        _ -> spent(Direction, Percent, St#st{budget = Budget})
    end.

spent(Direction, Percent, #st{budget = Budget, config = Config, arm = Arm0} = St) ->
    Step = elixirscope_budget:step(Budget),
    Base = maps:merge(
        #{payload_bytes => 1024, state_bytes => 65536, sample => 65536},
        maps:with([payload_bytes, state_bytes, sample], Config)
    ),
    elixirscope_nif:limits(elixirscope_budget:limits(Step, Base)),
    Arm = thin(Direction, Step, Arm0),
    What = elixirscope_budget:what(Step),
    _ = elixirscope_nif:emit(budget, undefined, {Step, What, Percent}),
    Text = io_lib:format(
        "recording took ~.2f % of the CPU (the budget is ~.2f %): recorded is now ~ts",
        [Percent, maps:get(target, Budget), What]
    ),
    _ = elixirscope_link:send(St#st.socket, {notice, unicode:characters_to_binary(Text)}),
    St#st{arm = Arm}.

thin(less, 5, Arm) -> elixirscope_arm:thin({named, false}, Arm);
thin(less, 6, Arm) -> elixirscope_arm:thin({flags, false}, Arm);
thin(more, 5, Arm) -> elixirscope_arm:thin({flags, true}, Arm);
thin(more, 4, Arm) -> elixirscope_arm:thin({named, true}, Arm);
thin(_, _, Arm) -> Arm.

%% ---- when others die ----

%% A new recorder may take over and listen where the old one did.
recorder_gone(#st{socket = Socket, gone = Gone} = St) ->
    elixirscope_link:close(Socket),
    _ = erlang:send_after(?RETRY_MS, self(), reconnect),
    St#st{socket = undefined, gone = case Gone of none -> elixirscope_vm:now_ns(); _ -> Gone end}.

reconnect(#st{gone = none} = St) ->
    loop(St);
reconnect(#st{gone = Gone, socket = Socket, options = #{socket := Path}} = St) ->
    case elixirscope_vm:now_ns() - Gone > ?TAKE_OVER_MS * 1000000 of
        true ->
            stop(recorder_gone, St);
        false ->
            _ = erlang:send_after(?RETRY_MS, self(), reconnect),
            loop(case Socket of undefined -> try_again(Path, St); _ -> St end)
    end.

try_again(Path, St) ->
    case elixirscope_link:connect(Path, ?RETRY_MS) of
        {ok, Socket} -> hello(St#st{socket = Socket});
        {error, _} -> St
    end.

guard(#st{arm = Arm} = St) ->
    Ledger = elixirscope_arm:ledger(Arm),
    Guard = elixirscope_guard:start(self(), Ledger),
    elixirscope_nif:exclude([Guard]),
    notice(
        {guard_died, <<"the guardian process was killed and started again">>},
        St#st{guard = {Guard, erlang:monitor(process, Guard)}, arm = Arm#{ledger := Ledger#{guard => Guard}}}
    ).

%% ---- the end ----

%% From here on only modules that clean/1 leaves are called.
stop(Why, #st{guard = {Guard, _}, socket = Socket, arm = Arm}) ->
    Ledger = elixirscope_arm:ledger(Arm),
    Left = elixirscope_guard:clean(Ledger),
    elixirscope_guard:done(Guard),
    Reason = case is_atom(Why) of true -> Why; false -> asked end,
    _ = elixirscope_link:send(Socket, {stopped, #{clean => Left =:= [], left => Left, why => Reason}}),
    elixirscope_link:close(Socket),
    _ = maps:get(keep, Ledger) orelse elixirscope_code:leave(self()),
    ok.
