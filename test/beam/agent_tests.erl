%% SPDX-License-Identifier: MIT
%% The agent in real VMs: in, at work, and out again so that the VM itself finds nothing.
-module(agent_tests).
-include_lib("eunit/include/eunit.hrl").
-import(agent_vm, [do/4, expect/2, expect/3, send/2, until/1, of_kind/2]).

all_test_() ->
    Tests = [
        fun boots_and_leaves/0, fun attaches_and_leaves/0, fun boots_without_recorder/0, fun is_refused/0,
        fun twice_is_an_error/0, fun foreign_tracer_is_left_alone/0, fun killed_agent/0,
        fun killed_guardian/0, fun recorder_gone/0, fun taken_over/0, fun time_limit/0, fun loaded_again/0,
        fun loaded_later/0, fun first_callback/0, fun cleared_by_others/0, fun specs/0, fun one_process/0,
        fun states/0, fun machine_states/0, fun messages/0, fun errors/0, fun system_monitor_of_others/0,
        fun census/0, fun budget/0, fun own_words/0, fun children/0, fun own_library/0,
        fun again_and_again/0, fun everything_is_recorded_once/0, fun many_processes/0
    ],
    [{atom_to_list(element(2, erlang:fun_info(Test, name))), {timeout, 120, Test}} || Test <- Tests].

%% A session with a VM started by it, armed.
booted(Config, Test) ->
    with(#{}, fun agent_vm:boot/1, Config, Test).

%% A session with a VM that ran before, armed.
attached(Config, Test) ->
    attached(Config, fun(_) -> ok end, Test).

attached(Config, Before, Test) ->
    Start = fun(Session) ->
        Vm = agent_vm:plain(),
        Before(Vm),
        ok = agent_vm:attach(Session, Vm),
        Vm
    end,
    with(#{}, Start, Config, Test).

with(Options, Start, Config, Test) ->
    Session0 = agent_vm:session(Options),
    Me = self(),
    spawn_link(fun() -> Me ! {vm, Start(Session0)}, timer:sleep(infinity) end),
    {Session, Hello} = agent_vm:hello(Session0),
    Armed = agent_vm:open(Session, Config),
    Vm = receive {vm, Pid} -> Pid end,
    try
        Test(#{session => Session, vm => Vm, hello => Hello, armed => Armed})
    after
        agent_vm:stop_vm(Vm),
        agent_vm:close(Session)
    end.

%% Stops and gives the last frame; the VM's own answers must agree with it.
stop(#{session := Session, vm := Vm}) ->
    send(Session, {stop, test}),
    Stopped = proplists:get_value(stopped, agent_vm:frames(Session)),
    ?assertMatch(#{clean := true, left := [], why := test}, Stopped),
    nothing_left(Vm).

nothing_left(Vm) ->
    until(fun() -> maps:get(modules, do(Vm, agent_target, things, [])) =:= [] end),
    until(fun() -> maps:get(processes, do(Vm, agent_target, things, [])) =:= 0 end),
    until(
        fun() -> [] =:= [
            N
         || N <- maps:get(names, do(Vm, agent_target, things, [])),
            lists:prefix("elixirscope", atom_to_list(N))
        ] end
    ),
    ?assertMatch(
        #{
            processes := [],
            new := [{flags, []}, {tracer, []}],
            functions := [],
            'receive' := {match_spec, true},
            send := {match_spec, true},
            sessions := []
        },
        do(Vm, agent_target, traces, [])
    ),
    Things = do(Vm, agent_target, things, []),
    ?assertMatch(#{monitor := undefined, old := []}, Things),
    ?assertNot(lists:member(elixirscope, maps:get(handlers, Things))),
    ?assertEqual([], [P || P <- maps:get(path, Things), P =:= agent_vm:ebin()]).

%% ---- in and out ----

boots_and_leaves() ->
    booted(#{level => full}, fun(#{hello := Hello, armed := Armed, vm := Vm} = T) ->
        ?assertMatch(#{protocol := 1, start := eval, schedulers := 2, node := <<"nonode@nohost">>}, Hello),
        Otp = list_to_binary(erlang:system_info(otp_release)),
        ?assertMatch(
            #{otp := Otp, os_pid := _, erts := _, elixir := _, command := [_ | _], creation := _}, Hello
        ),
        ?assertMatch(#{processes := N, slices := S, refused := []} when N > 30 andalso S > 0, Armed),
        Things = do(Vm, agent_target, things, []),
        ?assertEqual([], [P || P <- maps:get(path, Things), P =:= agent_vm:ebin()]),
        Names = ["ERL_AFLAGS", "ELIXIRSCOPE_SESSION", "ELIXIRSCOPE_NIF", "ELIXIRSCOPE_AFLAGS_BEFORE"],
        ?assertEqual([], [Name || Name <- Names, do(Vm, os, getenv, [Name]) =/= false]),
        stop(T)
    end).

attaches_and_leaves() ->
    Key = {?MODULE, before},
    Before = fun(Vm) ->
        _ = do(Vm, agent_target, traces, []), % loads what the questions need
        put(Key, do(Vm, agent_target, things, []))
    end,
    Session0 = agent_vm:session(),
    Vm = agent_vm:plain(),
    Before(Vm),
    ok = agent_vm:attach(Session0, Vm),
    {Session, Hello} = agent_vm:hello(Session0),
    ?assertMatch(#{start := attach}, Hello),
    _ = agent_vm:open(Session, #{level => full}),
    ?assertMatch(#{modules := [_ | _]}, do(Vm, agent_target, things, [])),
    stop(#{session => Session, vm => Vm}),
    After = do(Vm, agent_target, things, []),
    ?assertEqual([], maps:to_list(get(Key)) -- maps:to_list(After)),
    agent_vm:stop_vm(Vm),
    agent_vm:close(Session).

%% The user's boot goes on whatever is wrong with us.
boots_without_recorder() ->
    Session = agent_vm:session(),
    Gone = agent_vm:hang_up(Session#{socket := element(2, {ok, _} = gen_tcp:listen(0, []))}),
    Vm = agent_vm:boot(Gone),
    until(fun() -> do(Vm, init, get_status, []) =:= {started, started} end),
    nothing_left(Vm),
    agent_vm:stop_vm(Vm).

is_refused() ->
    Session0 = agent_vm:session(),
    Me = self(),
    spawn_link(fun() -> Me ! {vm, agent_vm:boot(Session0)}, timer:sleep(infinity) end),
    {Session, _} = agent_vm:hello(Session0),
    send(Session, {refuse, <<"the session is taken">>}),
    ?assertEqual([], agent_vm:frames(Session)),
    Vm = receive {vm, Pid} -> Pid end,
    nothing_left(Vm),
    agent_vm:stop_vm(Vm),
    agent_vm:close(Session).

twice_is_an_error() ->
    attached(#{}, fun(#{session := #{dir := Dir} = Session, vm := Vm} = T) ->
        {error, Text} = agent_vm:attach(Session, Vm, #{load => false}),
        ?assertEqual(
            {0, length(Dir)},
            binary:match(binary:part(Text, byte_size(Text), -length(Dir)), list_to_binary(Dir))
        ),
        stop(T)
    end).

killed_agent() ->
    attached(#{level => full}, fun(#{session := Session, vm := Vm}) ->
        true = do(
            Vm, erlang, apply, [fun erlang:exit/2, [do(Vm, erlang, whereis, [elixirscope_agent]), kill]]
        ),
        _ = agent_vm:frames(Session),
        {Guard, Stopped} = last_word(Session),
        ?assertMatch(#{clean := true, left := [], why := agent_died}, Stopped),
        gen_tcp:close(Guard),
        nothing_left(Vm),
        ?assertMatch(
            [_], [N || #{payload := {agent_died, _}} = N <- of_kind(notice, agent_vm:records(Session))]
        )
    end).

last_word(#{listener := Listener} = Session) ->
    {ok, Socket} = gen_tcp:accept(Listener, 20000),
    {Socket, expect(Session#{socket := Socket}, stopped)}.

killed_guardian() ->
    attached(#{}, fun(#{session := Session, vm := Vm} = T) ->
        Guard = do(Vm, erlang, whereis, [elixirscope_guard]),
        true = do(Vm, erlang, exit, [Guard, kill]),
        _ = expect(Session, notice),
        New = do(Vm, erlang, whereis, [elixirscope_guard]),
        ?assert(is_pid(New) andalso New =/= Guard),
        ?assertEqual({flags, []}, do(Vm, erlang, trace_info, [New, flags])),
        stop(T)
    end).

recorder_gone() ->
    attached(#{level => balanced}, fun(#{session := Session, vm := Vm}) ->
        _ = agent_vm:hang_up(Session),
        nothing_left(Vm),
        ?assertMatch([{arena, #{done := 1}} | _], [A || {arena, _} = A <- agent_vm:records(Session)])
    end).

taken_over() ->
    attached(#{level => balanced}, fun(#{session := Session0, vm := Vm, armed := Armed} = T) ->
        {Session, Hello} = agent_vm:hello(agent_vm:listen_again(agent_vm:hang_up(Session0))),
        Arena = list_to_binary(maps:get(arena, Session)),
        ?assertMatch(#{arena := Arena}, Hello),
        ?assertEqual(Armed, agent_vm:open(Session, #{level => balanced})),
        timer:sleep(2500), % longer than it would have waited
        send(Session, {ping, 7}),
        ?assertEqual(7, expect(Session, pong)),
        ?assertMatch(#{recorder := there}, do(Vm, elixirscope, status, [])),
        stop(T#{session := Session})
    end).

time_limit() ->
    attached(#{level => balanced, time_limit_ms => 300}, fun(#{session := Session, vm := Vm}) ->
        ?assertMatch(
            #{clean := true, why := time_limit}, proplists:get_value(stopped, agent_vm:frames(Session))
        ),
        nothing_left(Vm)
    end).

%% ---- others' tracing ----

foreign_tracer_is_left_alone() ->
    Key = {?MODULE, foreign},
    Before = fun(Vm) ->
        ok = do(Vm, agent_target, count_log, [seen, error]),
        put(Key, do(Vm, agent_target, foreign, [[send, procs]]))
    end,
    Session0 = agent_vm:session(),
    Vm = agent_vm:plain(),
    Before(Vm),
    {Traced, Tracer} = get(Key),
    Was = do(Vm, agent_target, foreign_tracer, [Traced]),
    ok = agent_vm:attach(Session0, Vm),
    {Session, _} = agent_vm:hello(Session0),
    #{refused := Refused} = agent_vm:open(Session, #{level => balanced}),
    case sessions() of
        true -> ?assertEqual([], Refused);
        false ->
            ?assertEqual(
                [{list_to_binary(pid_to_list(Traced)), list_to_binary(pid_to_list(Tracer))}], Refused
            )
    end,
    ?assertEqual(Was, do(Vm, agent_target, foreign_tracer, [Traced])),
    send(Session, {stop, test}),
    ?assertMatch(#{clean := true}, proplists:get_value(stopped, agent_vm:frames(Session))),
    ?assertEqual(Was, do(Vm, agent_target, foreign_tracer, [Traced])),
    %% the VM itself complains where a process has two tracers
    ?assertEqual([], do(Vm, agent_target, log_lines, [])),
    agent_vm:stop_vm(Vm),
    agent_vm:close(Session).

sessions() ->
    list_to_integer(erlang:system_info(otp_release)) >= 27.

cleared_by_others() ->
    attached(#{
        level => balanced, specs => [calls(<<"agent_target">>, <<"twice">>, 1)]
    }, fun load_target/1, fun(#{session := Session, vm := Vm} = T) ->
        do(Vm, erlang, trace, [all, false, [all]]),
        do(Vm, erlang, trace_pattern, [{'_', '_', '_'}, false, [local]]),
        case sessions() of
            true ->
                timer:sleep(1500),
                Server = element(2, do(Vm, agent_target, start, [])),
                _ = do(Vm, agent_target, add, [Server, k, 2]),
                ?assertMatch([_ | _], of_kind(call, agent_vm:records(Session)));
            false ->
                Texts = [expect(Session, notice) || _ <- [1, 2, 3]],
                ?assertEqual(
                    [], [Text || Text <- Texts, binary:match(Text, <<"another tool cleared">>) =:= nomatch]
                ),
                ?assertMatch(#{processes := [], new := [{flags, []}, _]}, do(Vm, agent_target, traces, []))
        end,
        stop(T)
    end).

system_monitor_of_others() ->
    Key = {?MODULE, monitor},
    Before = fun(Vm) ->
        Pid = do(Vm, agent_target, in_vm, [{agent_target, idle, [x]}]),
        undefined = do(Vm, erlang, system_monitor, [Pid, [busy_port]]),
        put(Key, {Pid, [busy_port]})
    end,
    Session0 = agent_vm:session(),
    Vm = agent_vm:plain(),
    Before(Vm),
    ok = agent_vm:attach(Session0, Vm),
    {Session, _} = agent_vm:hello(Session0),
    #{notices := Notices} = agent_vm:open(Session, #{level => balanced}),
    ?assertMatch([_], [N || N <- Notices, binary:match(N, <<"system monitor">>) =/= nomatch]),
    send(Session, {stop, test}),
    ?assertMatch(#{clean := true}, proplists:get_value(stopped, agent_vm:frames(Session))),
    ?assertEqual(get(Key), do(Vm, erlang, system_monitor, [])),
    agent_vm:stop_vm(Vm),
    agent_vm:close(Session).

%% ---- modules that come and go ----

load_target(Vm) ->
    [{module, M} = do(Vm, code, ensure_loaded, [M]) || M <- [agent_target, agent_statem]].

loaded_again() ->
    attached(#{level => states_only}, fun load_target/1, fun(#{session := Session, vm := Vm} = T) ->
        {ok, Server} = do(Vm, agent_target, start, []),
        2 = do(Vm, agent_target, add, [Server, a, 1]),
        true = do(Vm, code, soft_purge, [agent_target]),
        {module, _} = do(Vm, code, load_file, [agent_target]),
        Text = expect(Session, notice),
        ?assertMatch({_, _}, binary:match(Text, <<"agent_target">>)),
        4 = do(Vm, agent_target, add, [Server, b, 2]),
        Values = [
            V
         || #{function := try_handle_call, payload := V} <- of_kind(return, agent_vm:records(Session))
        ],
        ?assertMatch([{ok, {reply, 2, #{items := _}}}, {ok, {reply, 4, #{items := #{b := 2}}}}], Values),
        stop(T)
    end).

loaded_later() ->
    Specs = [calls(<<"agent_targ*">>, <<"*">>, -1)],
    attached(#{level => states_only, specs => Specs}, fun(
        #{session := Session, vm := Vm, armed := #{notices := Notices}} = T
    ) ->
        ?assertMatch([_], [N || N <- Notices, binary:match(N, <<"is not loaded">>) =/= nomatch]),
        Functions = fun() -> do(Vm, maps, get, [functions, do(Vm, elixirscope, status, [])]) end,
        Before = Functions(),
        load_target(Vm),
        until(fun() -> Functions() > Before + 5 end),
        {ok, Server} = do(Vm, agent_target, start, []),
        2 = do(Vm, agent_target, add, [Server, a, 1]),
        Records = agent_vm:records(Session),
        ?assertMatch([_ | _], [R || #{function := add} = R <- of_kind(call, Records)]),
        ?assertMatch(
            [_],
            [
                R
             || #{function := try_handle_call, payload := {ok, {reply, 2, _}}} = R <- of_kind(return, Records)
            ]
        ),
        %% a callback is not recorded twice
        ?assertEqual([], [R || #{function := handle_call} = R <- of_kind(call, Records)]),
        stop(T)
    end).

%% The very first callback of a server whose module was not loaded until then.
first_callback() ->
    attached(#{level => states_only}, fun(#{session := Session, vm := Vm} = T) ->
        false = do(Vm, code, is_loaded, [agent_target]),
        {ok, _} = do(Vm, gen_server, start, [agent_target, {continue, 17}, []]),
        Values = fun() -> [V || #{payload := {ok, V}} <- of_kind(return, agent_vm:records(Session))] end,
        until(fun() -> [V || {noreply, #{continued := 17}} = V <- Values()] =/= [] end),
        ?assertMatch([_], [V || {ok, #{arguments := {continue, 17}}, {continue, 17}} = V <- Values()]),
        stop(T)
    end).

%% ---- what is traced ----

calls(Module, Function, Arity) -> spec(calls, Module, Function, Arity).

spec(Kind, Module, Function, Arity) ->
    #{kind => Kind, module => Module, function => Function, arity => Arity, text => <<>>}.

specs() ->
    Specs = [
        calls(<<"agent_target">>, <<"private">>, 1), calls(<<"agent_tar*">>, <<"twice">>, -1),
        spec(
            returns, <<"agent_target">>, <<"apply_local">>, 1
        ), spec(returns, <<"agent_target">>, <<"loop">>, 1),
        calls(<<"agent_target">>, <<"twice">>, 7), calls(<<"agent_target">>, <<"nowhere">>, -1),
        calls(<<"NoSuch.Module">>, <<"*">>, -1), spec(states, <<"lists">>, <<"*">>, -1)
    ],
    attached(#{specs => Specs}, fun load_target/1, fun(#{session := Session, vm := Vm, armed := Armed} = T) ->
        #{matched := Matched, notices := Notices} = Armed,
        ?assertEqual(
            [
                {<<"calls:agent_tar*.twice">>, 1}, {<<"calls:agent_target.private/1">>, 1},
                {<<"returns:agent_target.apply_local/1">>, 1}, {<<"returns:agent_target.loop/1">>, 1}
            ],
            lists:sort(Matched)
        ),
        Said = fun(Words) -> ?assertMatch([_], [N || N <- Notices, binary:match(N, Words) =/= nomatch]) end,
        Said(<<"agent_target has twice with another arity: 1">>),
        Said(<<"agent_target has no function nowhere">>),
        Said(<<"there is no module NoSuch.Module in the code path">>),
        Said(<<"lists is no gen_server, gen_statem or gen_event">>),
        8 = do(Vm, agent_target, apply_local, [7]),
        ?assert(do(Vm, agent_target, loop, [100000]) < 1000), % its own tail calls stay tail calls
        Records = agent_vm:records(Session),
        ?assertMatch(
            [#{payload := [7]}, #{payload := [7]}],
            [R || #{module := agent_target, function := F} = R <- of_kind(call, Records), F =/= loop]
        ),
        ?assertMatch([#{payload := 8}], [R || #{function := apply_local} = R <- of_kind(return, Records)]),
        ?assertMatch([#{arity := 1}], [R || #{function := loop} = R <- of_kind(call, Records)]),
        stop(T)
    end).

%% One process is recorded whole while the others are not, also one that gets its name later.
one_process() ->
    Name = #{kind => name, module => <<>>, function => <<>>, arity => -1, text => <<"the_one">>},
    attached(#{specs => [Name]}, fun load_target/1, fun(
        #{session := Session, vm := Vm, armed := #{notices := Notices}} = T
    ) ->
        ?assertMatch([_], [N || N <- Notices, binary:match(N, <<"the_one">>) =/= nomatch]),
        {ok, One} = do(Vm, agent_target, start, []),
        {ok, Other} = do(Vm, agent_target, start, []),
        true = do(Vm, erlang, register, [the_one, One]),
        until(fun() -> do(Vm, maps, get, [functions, do(Vm, elixirscope, status, [])]) > 0 end),
        2 = do(Vm, agent_target, add, [One, a, 1]),
        2 = do(Vm, agent_target, add, [Other, a, 1]),
        Records = agent_vm:records(Session),
        Pid = agent_vm:term(One),
        ?assertEqual([Pid], lists:usort([P || #{pid := P} <- of_kind(deliver, Records)])),
        ?assertEqual(
            [Pid], lists:usort([P || #{pid := P, function := handle_call} <- of_kind(return, Records)])
        ),
        stop(T)
    end).

states() ->
    attached(#{level => states_only}, fun load_target/1, fun(#{session := Session, vm := Vm} = T) ->
        {ok, Server} = do(Vm, agent_target, start, [#{given => 1}]),
        6 = do(Vm, agent_target, add, [Server, cart, 3]),
        {'EXIT', _} = do(
            Vm, agent_target, in_vm, [{gen_server, call, [Server, crash]}]
        ) =:= ok orelse {'EXIT', x},
        until(fun() -> not do(Vm, erlang, is_process_alive, [Server]) end),
        Records = agent_vm:records(Session),
        Pid = agent_vm:term(Server),
        Mine = [R || {_, #{pid := P}} = R <- Records, P =:= Pid],
        %% the first state from gen_server itself, and only once
        ?assertMatch(
            [#{payload := [agent_target, init, #{given := 1}]}],
            [C || #{function := init_it} = C <- of_kind(call, Mine)]
        ),
        ?assertMatch(
            [#{payload := {ok, {ok, #{arguments := #{given := 1}}}}}],
            [R || #{function := init_it} = R <- of_kind(return, Mine)]
        ),
        ?assertEqual([], [C || #{function := init} = C <- of_kind(call, Mine)]),
        %% arguments without the state, which is in the value
        [#{payload := [agent_target, handle_call, {add, cart, 3}, {_, _}], flags := Flags} | _] =
            [C || #{function := try_handle_call} = C <- of_kind(call, Mine)],
        ?assert(lists:member(callback, Flags)),
        ?assertMatch(
            [
                #{payload := {ok, {reply, 6, #{items := #{cart := 3}}}}},
                #{payload := {'EXIT', error, wanted, _}}
            ],
            [R || #{function := try_handle_call} = R <- of_kind(return, Mine)]
        ),
        ?assertMatch(
            [#{payload := [{wanted, _}, '$state']}],
            [C || #{function := terminate} = C <- of_kind(call, Mine)]
        ),
        %% the engine learns of behaviours, OTP's own states are not recorded at this level
        ?assertMatch(
            [_ | _], [M || #{peer := agent_target, payload := [gen_server]} = M <- of_kind(module, Records)]
        ),
        ?assertEqual(
            [],
            [C || #{module := M} = C <- of_kind(call, Records), M =:= kernel_config orelse M =:= supervisor]
        ),
        stop(T)
    end).

machine_states() ->
    attached(#{level => states_only}, fun load_target/1, fun(#{session := Session, vm := Vm} = T) ->
        {ok, Machine} = do(Vm, agent_statem, start, []),
        on = do(Vm, agent_statem, push, [Machine]),
        {off, {1, 2, 1}} = do(Vm, agent_statem, push, [Machine]),
        Pid = agent_vm:term(Machine),
        Mine = [R || {_, #{pid := P}} = R <- agent_vm:records(Session), P =:= Pid],
        ?assertMatch([#{payload := {ok, off, 0}}], [R || #{function := init} = R <- of_kind(return, Mine)]),
        ?assertMatch(
            [#{payload := [{call, _}, push, '$state']}], [C || #{function := off} = C <- of_kind(call, Mine)]
        ),
        ?assertMatch(
            [#{payload := {next_state, on, 1, _}}], [R || #{function := off} = R <- of_kind(return, Mine)]
        ),
        ?assertMatch(
            [#{payload := {next_state, off, 1, _}}], [R || #{function := on} = R <- of_kind(return, Mine)]
        ),
        ?assertEqual([], [C || #{function := helper} = C <- of_kind(call, Mine)]),
        stop(T)
    end).

messages() ->
    attached(#{level => messages_only}, fun load_target/1, fun(#{session := Session, vm := Vm} = T) ->
        {ok, Server} = do(Vm, agent_target, start, []),
        2 = do(Vm, agent_target, add, [Server, a, 1]),
        Records = agent_vm:records(Session),
        Pid = agent_vm:term(Server),
        [#{pid := From, hash := Hash, payload := {'$gen_call', _, {add, a, 1}}}] =
            [
                S
             || #{peer := P, payload := {'$gen_call', _, {add, a, 1}}} = S <- of_kind(send, Records),
                P =:= Pid
            ],
        [#{peer := Sender, hash := Same}] = [D || #{pid := P} = D <- of_kind(deliver, Records), P =:= Pid],
        ?assertEqual({From, Hash}, {Sender, Same}),
        stop(T)
    end).

errors() ->
    attached(#{}, fun load_target/1, fun(#{session := Session, vm := Vm} = T) ->
        {ok, Server} = do(Vm, agent_target, start, []),
        do(Vm, agent_target, in_vm, [{gen_server, call, [Server, crash]}]),
        Plain = do(Vm, agent_target, in_vm, [{agent_target, fail, [on_purpose]}]),
        ok = do(Vm, logger, error, ["numbers ~p and ~p", [1, 2]]),
        until(fun() -> length(of_kind(crash, agent_vm:records(Session))) >= 2 end),
        Records = agent_vm:records(Session),
        Crashes = of_kind(crash, Records),
        [
            #{
                payload := #{
                    class := error, reason := wanted, stacktrace := [{agent_target, handle_call, 3, _} | _]
                }
            }
        ] =
            [C || #{pid := P} = C <- Crashes, P =:= agent_vm:term(Server)],
        ?assertMatch(
            [#{payload := #{reason := on_purpose, stacktrace := [_ | _]}}],
            [C || #{pid := P} = C <- Crashes, P =:= agent_vm:term(Plain)]
        ),
        Logs = of_kind(log, Records),
        ?assertMatch([_], [L || #{payload := #{text := <<"numbers 1 and 2">>, level := error}} = L <- Logs]),
        ?assertMatch([_], [L || #{payload := #{report := #{label := {gen_server, terminate}}}} = L <- Logs]),
        %% a handler that fails is removed by the logger: this one may not
        ok = do(Vm, logger, error, ["~p ~p", [not_enough]]),
        ?assert(lists:member(elixirscope, do(Vm, logger, get_handler_ids, []))),
        stop(T)
    end).

census() ->
    Key = {?MODULE, server},
    Before = fun(Vm) -> load_target(Vm), put(Key, do(Vm, agent_target, start, [])) end,
    Session0 = agent_vm:session(),
    Vm = agent_vm:plain(),
    Before(Vm),
    {ok, Server} = get(Key),
    ok = agent_vm:attach(Session0, Vm),
    {Session, _} = agent_vm:hello(Session0),
    #{processes := N} = agent_vm:open(Session, #{level => full}),
    Records = agent_vm:records(Session),
    Census = of_kind(census, Records),
    ?assertEqual(N, length(Census)),
    [
        #{module := agent_target, function := init, arity := 1, payload := Facts}
    ] = [C || #{pid := P} = C <- Census, P =:= agent_vm:term(Server)],
    ?assertMatch(
        #{
            memory := _, message_queue_len := 0, status := waiting, links := [], link_count := 0,
            trap_exit := false
        },
        Facts
    ),
    KernelSup = agent_vm:term(do(Vm, erlang, whereis, [kernel_sup])),
    [
        #{
            module := supervisor, function := kernel,
            payload := #{registered_name := kernel_sup, children := Children}
        }
    ] =
        [C || #{pid := P} = C <- Census, P =:= KernelSup],
    ?assert(lists:keymember(code_server, 1, Children)),
    %% asking the supervisors is not part of the recording
    Own = [
        agent_vm:term(P)
     || P <- [do(Vm, erlang, whereis, [Name]) || Name <- [elixirscope_agent, elixirscope_guard]]
    ],
    ?assertEqual([], [R || {Kind, #{pid := P} = R} <- Records, Kind =/= notice, lists:member(P, Own)]),
    stop(#{session => Session, vm => Vm}),
    agent_vm:stop_vm(Vm),
    agent_vm:close(Session).

%% ---- the budget ----

%% Two seconds above the target for a step down, five below half of it for a step up; never past the ends.
budget_decisions_test() ->
    Second = 1000000000,
    Spend = fun({Percent, Expected}, {N, Nanos, Budget0}) ->
        Sum = Nanos + round(Percent * 4 * Second / 100), % four schedulers
        {Direction, Measured, Budget} =
            elixirscope_budget:measure({N * Second, #{events => 0, nanos => Sum}}, Budget0),
        ?assertEqual(Expected, Direction),
        ?assert(abs(Measured - Percent) < 0.001),
        {N + 1, Sum, Budget}
    end,
    {stay, Nothing, First} = elixirscope_budget:measure(
        {0, #{events => 0, nanos => 0}}, elixirscope_budget:new(1, 4)
    ),
    ?assert(Nothing == 0),
    Down = lists:append(lists:duplicate(6, [{2.0, stay}, {2.0, less}])) ++ [{2.0, stay}, {2.0, stay}],
    {_, _, Last} = After = lists:foldl(Spend, {1, 0, First}, Down),
    ?assertEqual(6, elixirscope_budget:step(Last)),
    Between = [{0.4, stay}, {0.4, stay}, {0.4, stay}, {0.4, stay}, {0.7, stay}, {1.5, stay}, {0.7, stay}],
    Up = lists:append(lists:duplicate(6, [{0.1, stay}, {0.1, stay}, {0.1, stay}, {0.1, stay}, {0.1, more}])),
    {_, _, Back} = lists:foldl(Spend, After, Between ++ Up ++ [{0.1, stay} || _ <- lists:seq(1, 9)]),
    ?assertEqual(0, elixirscope_budget:step(Back)),
    %% the floor of the VM counts too: 4,000,000 events of 250 ns are a second
    {stay, 25.0, _} = elixirscope_budget:measure({Second, #{events => 4000000, nanos => 0}}, First),
    %% no target, no steps
    {_, _, Off} = elixirscope_budget:measure({0, #{events => 0, nanos => 0}}, elixirscope_budget:new(0.0, 1)),
    {stay, _, Off1} = elixirscope_budget:measure({Second, #{events => 0, nanos => Second}}, Off),
    {stay, _, _} = elixirscope_budget:measure({2 * Second, #{events => 0, nanos => 2 * Second}}, Off1).

%% No step gives more than what was asked for.
budget_limits_test() ->
    Base = #{payload_bytes => 100, state_bytes => 1000, sample => 65536},
    ?assertEqual(Base, elixirscope_budget:limits(0, Base)),
    ?assertEqual(Base, elixirscope_budget:limits(1, Base)),
    ?assertEqual(Base#{payload_bytes := 0}, elixirscope_budget:limits(2, Base)),
    ?assertMatch(
        #{payload_bytes := 256, state_bytes := 65536},
        elixirscope_budget:limits(1, Base#{payload_bytes := 1024, state_bytes := 65536})
    ),
    ?assertMatch(
        #{state_bytes := 4096, sample := 16384}, elixirscope_budget:limits(3, Base#{state_bytes := 65536})
    ),
    ?assertEqual(#{payload_bytes => 0, state_bytes => 0, sample => 2048}, elixirscope_budget:limits(6, Base)).

budget() ->
    Start = fun(Session) ->
        Vm = agent_vm:plain(),
        load_target(Vm),
        ok = agent_vm:attach(Session, Vm),
        Vm
    end,
    with(#{drain => true}, Start, #{level => balanced, budget => 0.001}, fun(
        #{session := Session, vm := Vm} = T
    ) ->
        {ok, Server} = do(Vm, agent_target, start, []),
        Load = do(Vm, agent_target, in_vm, [{agent_load, run, [Server]}]),
        Notice = fun(Words) -> expect(
            Session, notice, fun(Text) -> binary:match(Text, Words) =/= nomatch end
        ) end,
        _ = Notice(<<"payloads up to 256">>),
        _ = Notice(<<"no payloads">>),
        _ = Notice(<<"one message and call in four">>),
        _ = Notice(<<"one message and call in 32">>),
        _ = Notice(<<"no calls">>),
        _ = Notice(<<"only the life of processes">>),
        ?assertEqual(6, maps:get(budget_step, do(Vm, elixirscope, status, []))),
        case sessions() of
            true -> ok;
            false -> ?assertEqual({flags, [procs]}, do(Vm, erlang, trace_info, [Server, flags]))
        end,
        true = do(Vm, erlang, exit, [Load, kill]),
        _ = Notice(<<"no calls">>),
        case sessions() of
            true -> ok;
            false ->
                ?assertEqual(
                    {flags, [call, procs, 'receive', send]},
                    sorted(do(Vm, erlang, trace_info, [Server, flags]))
                )
        end,
        stop(T)
    end).

sorted({flags, Flags}) -> {flags, lists:sort(Flags)}.

%% ---- the program's own words ----

own_words() ->
    attached(#{level => balanced}, fun(#{session := Session, vm := Vm}) ->
        ok = do(Vm, elixirscope, mark, [<<"checkout">>, #{user => 7}]),
        send(Session, {mark, <<"from outside">>, #{}}),
        send(Session, {ping, 1}),
        1 = expect(Session, pong),
        ?assertMatch(
            [{<<"checkout">>, #{user := 7}}, {<<"from outside">>, _}],
            lists:sort([Payload || #{payload := Payload} <- of_kind(mark, agent_vm:records(Session))])
        ),
        ?assertMatch(
            #{level := balanced, events := _, lost := 0, budget_step := 0}, do(Vm, elixirscope, status, [])
        ),
        ok = do(Vm, elixirscope, stop, []),
        ?assertMatch(#{clean := true, why := asked}, proplists:get_value(stopped, agent_vm:frames(Session))),
        nothing_left(Vm)
    end).

children() ->
    Start = fun(Session) -> agent_vm:boot(
        Session, [{"ELIXIRSCOPE_AFLAGS_BEFORE", "-kernel net_ticktime 60"}]
    ) end,
    with(#{}, Start, #{children => true}, fun(#{session := #{dir := Dir}, vm := Vm} = T) ->
        ?assertEqual(Dir, do(Vm, os, getenv, ["ELIXIRSCOPE_SESSION"])),
        ?assertMatch("-pa" ++ _, do(Vm, os, getenv, ["ERL_AFLAGS"])),
        stop(T),
        ?assertEqual(false, do(Vm, os, getenv, ["ELIXIRSCOPE_SESSION"])),
        ?assertEqual("-kernel net_ticktime 60", do(Vm, os, getenv, ["ERL_AFLAGS"]))
    end).

%% Processes that are born while it arms: each has its beginning, from the census or from its parent.
everything_is_recorded_once() ->
    Session0 = agent_vm:session(#{ring => 67108864}),
    Vm = agent_vm:plain(),
    load_target(Vm),
    Spawner = do(Vm, agent_target, in_vm, [{agent_load, spawner, [2000]}]),
    ok = agent_vm:attach(Session0, Vm),
    {Session, _} = agent_vm:hello(Session0),
    _ = agent_vm:open(Session, #{level => minimal}),
    until(fun() -> do(Vm, erlang, process_info, [Spawner, status]) =:= {status, waiting} end),
    Pids = do(Vm, agent_load, spawned, [Spawner]),
    Records = agent_vm:records(Session),
    Born = maps:from_list([
        {Pid, true}
     || {Kind, #{pid := Pid}} <- Records, Kind =:= census orelse Kind =:= spawned
    ]),
    ?assertEqual([], [Pid || Pid <- Pids, not is_map_key(agent_vm:term(Pid), Born)]),
    stop(#{session => Session, vm => Vm}),
    agent_vm:stop_vm(Vm),
    agent_vm:close(Session).

%% A node that has ElixirScope among its own libraries keeps it.
own_library() ->
    Session0 = agent_vm:session(),
    Vm = agent_vm:plain(["-pz", agent_vm:ebin()]),
    do(Vm, code, ensure_loaded, [elixirscope_agent]),
    ok = agent_vm:attach(Session0, Vm, #{load => false, dir => <<"/nowhere">>}),
    {Session, _} = agent_vm:hello(Session0),
    _ = agent_vm:open(Session, #{level => balanced}),
    send(Session, {stop, test}),
    ?assertMatch(#{clean := true, left := []}, proplists:get_value(stopped, agent_vm:frames(Session))),
    until(fun() -> do(Vm, erlang, whereis, [elixirscope_agent]) =:= undefined end),
    ?assertMatch(#{processes := [], functions := []}, do(Vm, agent_target, traces, [])),
    ?assertEqual({error, not_running}, do(Vm, elixirscope, mark, [x])),
    agent_vm:close(Session),
    Second0 = agent_vm:session(),
    ok = agent_vm:attach(Second0, Vm, #{load => false, dir => <<"/nowhere">>}),
    {Second, _} = agent_vm:hello(Second0),
    _ = agent_vm:open(Second, #{level => balanced}),
    agent_vm:stop_vm(Vm),
    agent_vm:close(Second).

%% In and out of a busy node, stopped and killed by turns: it goes on working.
again_and_again() ->
    Vm = agent_vm:plain(),
    load_target(Vm),
    Servers = [element(2, do(Vm, agent_target, start, [])) || _ <- lists:seq(1, 4)],
    Loads = [do(Vm, agent_target, in_vm, [{agent_load, run, [S]}]) || S <- Servers],
    lists:foreach(fun(N) -> round(N, Vm) end, lists:seq(1, 8)),
    ?assertEqual([true, true, true, true], [do(Vm, erlang, is_process_alive, [L]) || L <- Loads]),
    agent_vm:stop_vm(Vm).

round(N, Vm) ->
    Session0 = agent_vm:session(#{drain => true}),
    until(fun() -> [] =:= maps:get(old, do(Vm, agent_target, things, [])) end),
    ok = agent_vm:attach(Session0, Vm),
    {Session, _} = agent_vm:hello(Session0),
    #{refused := []} = agent_vm:open(Session, #{level => full}),
    case N rem 2 of
        0 ->
            stop(#{session => Session, vm => Vm});
        1 ->
            do(Vm, erlang, exit, [do(Vm, erlang, whereis, [elixirscope_agent]), kill]),
            _ = agent_vm:frames(Session),
            {Guard, Stopped} = last_word(Session),
            ?assertMatch(#{clean := true, left := []}, Stopped),
            gen_tcp:close(Guard),
            nothing_left(Vm)
    end,
    agent_vm:close(Session).

%% A node with many processes, AGENT_MANY of them: all armed, all counted, and nothing left. The log says how
%% long it took.
many_processes() ->
    Many = list_to_integer(os:getenv("AGENT_MANY", "20000")),
    Session0 = agent_vm:session(#{drain => true}),
    Vm = agent_vm:plain(["+P", "1000000"]),
    Many = do(Vm, agent_target, spawn_idle, [Many]),
    ok = agent_vm:attach(Session0, Vm),
    {Session, _} = agent_vm:hello(Session0),
    Armed = #{processes := N} = agent_vm:open(Session, #{level => balanced}),
    ?assert(N >= Many),
    io:format(
        user, "~p~n", [maps:with([processes, slices, longest_slice_ns, p99_slice_ns, total_ns], Armed)]
    ),
    until(fun() -> maps:get(events, do(Vm, elixirscope, status, [])) >= N end), % the census goes on behind it
    {Us, _} = timer:tc(fun() -> stop(#{session => Session, vm => Vm}) end),
    io:format(user, "out again, checked and unloaded: ~p ms~n", [Us div 1000]),
    agent_vm:stop_vm(Vm),
    agent_vm:close(Session).
