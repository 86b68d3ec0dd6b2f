%% SPDX-License-Identifier: MIT
%% A system whose processes number every message and write down what they sent and what they handled, in order. Each line is
%% `WHAT PID NUMBER MORE`; what the recording says must be the same. Its gen_servers are of this module, its other behaviours of
%% correlate_state, correlate_event, correlate_timer and correlate_tree.
-module(correlate).
-behaviour(gen_server).
-export([main/1, log/3, log/4, next/0, write/0, child/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, handle_continue/2]).

%% ---- the log: of each process in its own dictionary, written when it ends

log(What, Number, More) -> log(What, self(), Number, More).
log(What, Pid, Number, More) ->
    put(log, [io_lib:format("~s ~p ~p ~s~n", [What, Pid, Number, More]) | case get(log) of undefined -> []; L -> L end]).

write() ->
    Lines = case get(log) of undefined -> []; L -> lists:reverse(L) end,
    ok = prim_file:write_file(persistent_term:get(log_file) ++ "." ++ integer_to_list(erlang:unique_integer([positive])), Lines).

next() -> erlang:unique_integer([positive, monotonic]).

%% ---- a server: answers, forwards, waits for an answer inside of a callback, sets timers

init({Name, Options}) ->
    case Name of none -> ok; _ -> register(Name, self()) end,
    process_flag(trap_exit, lists:member(trap, Options)),
    {ok, #{n => 0}, {continue, begun}}.

handle_continue(begun, S) -> {noreply, S}.

handle_call(stop, _, S) ->
    write(),
    {stop, normal, ok, S};
handle_call({n, N}, From, S) when N rem 3 =:= 0 -> % answers later
    log("handled", N, "call"),
    self() ! {n, N, {answer, From}},
    {noreply, count(S)};
handle_call({n, N}, _, S) ->
    log("handled", N, "call"),
    {reply, {answer, N}, count(S)}.

handle_cast({n, N}, S) ->
    log("handled", N, "cast"),
    {noreply, count(S)};
handle_cast({n, N, {ask, Pid}}, S) -> % a receive inside of a callback takes a message out of the middle of the mailbox
    log("handled", N, "cast"),
    M = next(),
    log("sent", M, "plain"),
    Pid ! {n, M, self()},
    receive {asked, Answer} -> log("taken", Answer, "plain") end,
    {noreply, count(S)};
handle_cast({n, N, {timer, Ms}}, S) ->
    log("handled", N, "cast"),
    M = next(),
    log("timer", M, "self"),
    erlang:send_after(Ms, self(), {n, M}),
    {noreply, count(S)};
handle_cast({n, N, idle}, S) -> % if nothing comes, handle_info(timeout, _)
    log("handled", N, "cast"),
    {noreply, count(S), 1};
handle_cast({n, N, {watch, Reason}}, S) ->
    log("handled", N, "cast"),
    {Pid, _} = spawn_monitor(fun() -> exit({Reason, N}) end),
    log("watched", N, io_lib:format("~p", [Pid])),
    {noreply, count(S)};
handle_cast({n, N, {die_linked, Reason}}, S) -> % for one that traps exits
    log("handled", N, "cast"),
    Pid = spawn_link(fun() -> exit({Reason, N}) end),
    log("watched", N, io_lib:format("~p", [Pid])),
    {noreply, count(S)};
handle_cast(tick, S) ->
    log("ticked", 0, "cast"),
    {noreply, S}.

handle_info({n, N}, S) ->
    log("handled", N, "info"),
    {noreply, count(S)};
handle_info({timeout, _, {n, N}}, S) ->
    log("handled", N, "start"),
    {noreply, count(S)};
handle_info({n, N, {answer, From}}, S) ->
    gen_server:reply(From, {answer, N}),
    {noreply, S};
handle_info(timeout, S) ->
    log("idled", 0, "info"),
    {noreply, S};
handle_info({'DOWN', _, process, _, {_, N}}, S) ->
    log("handled", N, "down"),
    {noreply, S};
handle_info({'EXIT', _, {_, N}}, S) ->
    log("handled", N, "exit"),
    {noreply, S}.

count(#{n := N} = S) -> S#{n := N + 1}.

%% ---- others

asked() ->
    receive
        {n, M, Pid} ->
            N = next(),
            log("sent", N, "plain"),
            Pid ! {n, N}, % stays in the mailbox
            Pid ! {asked, M},
            asked();
        {stop, From} -> write(), From ! {stopped, self()}
    end.

sender(Seed, Rounds, Targets) ->
    rand:seed(exsss, Seed),
    [send(element(rand:uniform(13), kinds()), Targets) || _ <- lists:seq(1, Rounds)],
    write().

kinds() -> {call, cast, info, info, cast_name, info_name, ask, timer, state, state_call, event, burst, timeouts}.

pick(Tuple) -> element(rand:uniform(tuple_size(Tuple)), Tuple).

note(How) -> N = next(), log("sent", N, How), N.

send(call, #{servers := Servers}) -> call(pick(Servers));
send(cast, #{servers := Servers}) -> gen_server:cast(pick(Servers), {n, note("cast")});
send(info, #{servers := Servers}) -> pick(Servers) ! {n, note("info")};
send(cast_name, _) -> gen_server:cast(pick({named_a, named_b, nobody_here}), {n, note("cast")});
send(info_name, _) -> pick({named_a, named_b}) ! {n, note("info")};
send(ask, #{servers := Servers, asked := Asked}) -> gen_server:cast(pick(Servers), {n, note("cast"), {ask, Asked}});
send(timer, #{servers := Servers}) ->
    case rand:uniform(6) of
        5 -> N = next(), log("timer", N, "other"), erlang:start_timer(rand:uniform(20) - 1, pick(Servers), {n, N});
        6 -> N = next(), log("timer", N, "name"), erlang:start_timer(rand:uniform(20), named_a, {n, N});
        1 -> gen_server:cast(pick(Servers), {n, note("cast"), {timer, rand:uniform(20)}});
        2 -> N = next(), log("timer", N, "other"), erlang:send_after(rand:uniform(20), pick(Servers), {n, N});
        3 -> N = next(), log("timer", N, "name"), erlang:send_after(rand:uniform(20), named_a, {n, N});
        4 -> erlang:cancel_timer(erlang:send_after(5000, pick(Servers), {n, next()}))
    end;
send(state, #{machines := Machines}) ->
    Machine = pick(Machines),
    case rand:uniform(6) of
        1 -> gen_statem:cast(Machine, {n, note("cast"), turn});
        2 -> Machine ! {n, note("info")};
        _ -> gen_statem:cast(Machine, {n, note("cast")})
    end;
send(state_call, #{machines := Machines}) -> call_state(pick(Machines));
send(event, #{events := Events}) ->
    case rand:uniform(5) of
        1 -> Events ! {n, note("info")};
        2 -> gen_event:sync_notify(Events, {n, note("sync")});
        3 -> ok = gen_event:call(Events, correlate_event, {n, note("ask")}, infinity);
        _ -> gen_event:notify(Events, {n, note("notify")})
    end;
send(timeouts, #{timed := Timed}) ->
    Kind = pick({state_timeout, timeout, {timeout, a}, {timeout, b}}),
    case rand:uniform(8) of
        1 -> gen_statem:cast(Timed, {n, note("cast"), turn});
        2 -> gen_statem:cast(Timed, {n, note("cast"), {set, Kind, 0}});
        3 -> gen_statem:cast(Timed, {n, note("cast"), {start, rand:uniform(5)}});
        4 -> gen_statem:cast(Timed, {n, note("cast"), {both, rand:uniform(5)}});
        _ -> gen_statem:cast(Timed, {n, note("cast"), {set, Kind, rand:uniform(5)}})
    end;
send(burst, #{servers := Servers, dead := Dead}) ->
    Server = pick(Servers),
    [gen_server:cast(Server, {n, note("cast")}) || _ <- lists:seq(1, rand:uniform(20))],
    Dead ! {n, note("dead")},
    case rand:uniform(3) of
        1 -> gen_server:cast(Server, {n, note("cast"), {watch, down}});
        2 -> gen_server:cast(Server, {n, note("cast"), {die_linked, exit}});
        3 -> gen_server:cast(Server, {n, note("cast"), idle})
    end.

call(Server) ->
    N = note("call"),
    {answer, N} = gen_server:call(Server, {n, N}, infinity),
    log("answered", N, "call").

call_state(Machine) ->
    N = note("call"),
    {answer, N} = gen_statem:call(Machine, {n, N}, infinity),
    log("answered", N, "call").

%% Casts with equal content from one sender: the first that is handled is the first that was sent.
ticks(Server, Rounds) ->
    [begin log("ticksent", 0, "cast"), gen_server:cast(Server, tick), rand:uniform(3) =:= 1 andalso erlang:yield() end || _ <- lists:seq(1, Rounds)],
    write().

%% A process that dies of the exit of one that it is linked to, one that outlives it, one that dies of itself.
deaths(N) ->
    Victim = spawn(fun() -> receive {wait_for, Pid} -> link(Pid), Pid ! linked, receive never -> ok end end end),
    Trapper = spawn(fun() -> process_flag(trap_exit, true), receive {wait_for, Pid} -> link(Pid), Pid ! linked, receive {'EXIT', Pid, {killer, N}} -> exit({survivor, N}) end end end),
    Killer = spawn(fun() -> receive linked -> ok end, receive linked -> ok end, exit({killer, N}) end),
    Grandchild = spawn(fun() -> link(Victim), receive never -> ok end end),
    Refs = [monitor(process, P) || P <- [Victim, Trapper, Killer, Grandchild]],
    wait_linked(Grandchild, Victim),
    Victim ! {wait_for, Killer},
    Trapper ! {wait_for, Killer},
    [receive {'DOWN', Ref, process, _, _} -> ok end || Ref <- Refs],
    log("killed", Victim, N, io_lib:format("~p", [Killer])),
    log("killed", Grandchild, N, io_lib:format("~p", [Victim])),
    log("alone", Killer, N, ""),
    log("alone", Trapper, N, "").

wait_linked(A, B) ->
    case process_info(A, links) of
        {links, [B]} -> ok;
        _ -> erlang:yield(), wait_linked(A, B)
    end.

child(N) -> {ok, spawn_link(fun() -> receive crash -> exit({crash, N}) end end)}.

%% ---- the whole

main([File, Senders, Rounds, Seed]) ->
    persistent_term:put(log_file, File),
    [_ = code:ensure_loaded(M) || M <- [correlate_state, correlate_event, correlate_timer, correlate_tree, gen_statem, gen_event, supervisor]],
    wait_traced([{gen_server, try_handle_cast, 3}, {correlate_state, open, 3}, {correlate_event, handle_event, 2}, {correlate_timer, on, 3}, {erlang, send_after, 3}, {erlang, start_timer, 4}]),
    ok = file:write_file(File ++ ".begun", "begun\n"),
    run(list_to_integer(Senders), list_to_integer(Rounds), list_to_integer(Seed)),
    ok = file:write_file(File ++ ".done", "done\n"),
    halt(0).

%% The recorder arms modules as they are loaded; what happens before is no matter of this test.
wait_traced(Functions) ->
    case [F || F <- Functions, erlang:trace_info(F, traced) =:= {traced, false}] of
        [] -> ok;
        Left -> receive after 1 -> wait_traced(Left) end
    end.

run(Senders, Rounds, Seed) ->
    Servers = [element(2, {ok, _} = gen_server:start(?MODULE, {Name, [trap]}, [])) || Name <- [none, none, named_a, named_b]],
    Machines = [element(2, {ok, _} = gen_statem:start(correlate_state, Mode, [])) || Mode <- [a, b]],
    {ok, Timed} = gen_statem:start(correlate_timer, [], []),
    {ok, Events} = gen_event:start(),
    ok = gen_event:add_handler(Events, correlate_event, one),
    ok = gen_event:add_handler(Events, {correlate_event, two}, two),
    Dead = spawn(fun() -> ok end),
    Asked = spawn(fun asked/0),
    Targets = #{servers => list_to_tuple(Servers), machines => list_to_tuple(Machines), timed => Timed, events => Events, dead => Dead, asked => Asked},
    Pids = [spawn_monitor(fun() -> sender({Seed, I, 7}, Rounds, Targets) end) || I <- lists:seq(1, Senders)] ++
        [spawn_monitor(fun() -> ticks(hd(Servers), Rounds) end)],
    [deaths(N) || N <- lists:seq(1, 20)],
    tree(),
    [receive {'DOWN', Ref, process, _, normal} -> ok end || {_, Ref} <- Pids],
    receive after 60 -> ok end, % timers that are set may still fire: those that do not are not handled, and in no log
    [correlate_state:finish(M) || M <- Machines],
    ok = gen_statem:call(Timed, stop, infinity),
    Asked ! {stop, self()},
    receive {stopped, Asked} -> ok end,
    [ok = gen_server:call(S, stop, infinity) || S <- Servers],
    gen_event:stop(Events),
    write().

%% A supervisor's child crashes, and is started again because of that.
tree() ->
    {ok, Tree} = correlate_tree:start(),
    [begin
         [{_, Child, _, _}] = supervisor:which_children(Tree),
         log("crashed", Child, N, ""),
         Child ! crash,
         again(Tree, Child)
     end || N <- lists:seq(1, 5)],
    log("tree", Tree, 5, ""),
    unlink(Tree),
    exit(Tree, shutdown).

again(Tree, Child) ->
    case supervisor:which_children(Tree) of
        [{_, Other, _, _}] when is_pid(Other), Other =/= Child -> ok;
        _ -> erlang:yield(), again(Tree, Child)
    end.
