%% SPDX-License-Identifier: MIT
%% What tracing costs the traced: no tracing, a NIF tracer that does nothing, ElixirScope, a tracer process that throws away, and
%% dbg's file port, side by side in one run. The rounds go through all ways in turn, so that a machine that drifts drifts for all.
%% Prints one JSON object a line: name, case, way, schedulers, median, min, max (nanoseconds an operation), rounds.
-module(peers).
-export([main/0, f/1, echo/1]).

-define(ROUNDS, 7).
-define(LARGE(Case), Case =:= map1000; Case =:= deep1000; Case =:= items1000).

main() ->
    [Arena, Nif, Noop, Dir] = [os:getenv(V) || V <- ["ES_BENCH_ARENA", "ES_BENCH_NIF", "ES_BENCH_NOOP", "ES_BENCH_DIR"]],
    ok = elixirscope_nif:load(filename:rootname(Nif)),
    ok = elixirscope_nif:open(list_to_binary(Arena)),
    ok = elixirscope_nif:enable(true),
    ok = elixirscope_nif:limits(#{deliver_payload => 0}),
    ok = noop_tracer:load(filename:rootname(Noop)),
    Ways = [none, noop, elixirscope, process, dbg],
    [bench(Case, Ways, Dir) || Case <- cases(os:getenv("ES_BENCH_ONLY"))],
    elixirscope_nif:enable(false),
    elixirscope_nif:done(),
    halt(0).

cases(false) -> [call, call_return, message, binary, map1000, deep1000, items1000, spawn_exit];
cases(Names) -> [list_to_existing_atom(Name) || Name <- string:lexemes(Names, ",")].

bench(Case, Ways, Dir) ->
    [round_of(Case, Way, Dir) || Way <- Ways],
    Rounds = [[{Way, round_of(Case, Way, Dir)} || Way <- Ways] || _ <- lists:seq(1, ?ROUNDS)],
    [report(Case, Way, lists:sort([proplists:get_value(Way, R) || R <- Rounds])) || Way <- Ways].

report(Case, Way, Sorted) ->
    io:format("{\"case\":\"~s\",\"way\":\"~s\",\"schedulers\":~b,\"median\":~.1f,\"min\":~.1f,\"max\":~.1f,\"rounds\":~b}~n",
              [Case, Way, erlang:system_info(schedulers_online), lists:nth(?ROUNDS div 2 + 1, Sorted), hd(Sorted), lists:last(Sorted), ?ROUNDS]).

%% One round: nanoseconds an operation, seen by the traced process itself.
round_of(Case, Way, Dir) ->
    Self = self(),
    N = operations(Case, Way),
    Tracer = start(Way, Dir),
    Worker = spawn(fun() -> receive go -> ok end, Self ! {took, work(Case, N)}, receive stop -> ok end end),
    arm(Case, Worker, Tracer),
    garbage_collect(),
    Worker ! go,
    Took = receive {took, T} -> T end,
    disarm(Case, Worker),
    Worker ! stop,
    stop(Way, Tracer),
    Took / N.

%% Copies of large terms pile up before a tracer process, and make it dearer the longer it goes on: 4000 calls are a second or less.
operations(Case, process) when ?LARGE(Case) -> 4000;
operations(Case, dbg) when ?LARGE(Case) -> 1000;
operations(Case, _) when ?LARGE(Case) -> 20000;
operations(spawn_exit, _) -> 20000;
operations(Case, _) when Case =:= message; Case =:= binary -> 40000;
operations(_, _) -> 200000.

%% ---- the work, each operation as small as can be

work(call, N) -> timed(fun() -> calls(N, 1) end);
work(call_return, N) -> timed(fun() -> calls(N, 1) end);
work(map1000, N) ->
    Map = maps:from_list([{I, I} || I <- lists:seq(1, 1000)]),
    timed(fun() -> calls(N, Map) end);
work(deep1000, N) ->
    Map = maps:from_list([{I, {value, I, [a, b]}} || I <- lists:seq(1, 1000)]),
    timed(fun() -> calls(N, Map) end);
work(items1000, N) -> % 208 kB, when it is copied
    Map = maps:from_list([{I, #{id => I, name => <<"customer ", (integer_to_binary(I))/binary>>, tags => [new, I], total => I * 1.5}} || I <- lists:seq(1, 1000)]),
    timed(fun() -> calls(N, Map) end);
work(message, N) -> % 25 terms, 99 bytes as external term
    there_and_back(N, #{id => 12345, name => <<"a customer">>, items => [1, 2, 3], total => 99.5, tag => {order, pending}});
work(binary, N) ->
    there_and_back(N, list_to_binary(lists:duplicate(100, $x)));
work(spawn_exit, N) -> timed(fun() -> spawns(N) end).

there_and_back(N, Message) ->
    Echo = spawn_link(?MODULE, echo, [self()]),
    Took = timed(fun() -> ping(N, Echo, Message) end),
    unlink(Echo),
    exit(Echo, kill),
    Took.

timed(Fun) ->
    T0 = erlang:monotonic_time(nanosecond),
    Fun(),
    erlang:monotonic_time(nanosecond) - T0.

calls(0, _) -> ok;
calls(N, X) -> ?MODULE:f(X), calls(N - 1, X).

f(_) -> ok.

ping(0, _, _) -> ok;
ping(N, Echo, Message) ->
    Echo ! Message,
    receive Message -> ok end,
    ping(N - 1, Echo, Message).

echo(To) -> receive M -> To ! M end, echo(To).

spawns(0) -> ok;
spawns(N) ->
    {_, Ref} = spawn_monitor(erlang, garbage_collect, []),
    receive {'DOWN', Ref, _, _, _} -> ok end,
    spawns(N - 1).

%% ---- the ways

start(none, _) -> none;
start(noop, _) -> {noop_tracer, []};
start(elixirscope, _) -> {elixirscope_nif, []};
start(process, _) -> spawn(fun Discard() -> receive _ -> Discard() end end);
start(dbg, Dir) -> (dbg:trace_port(file, filename:join(Dir, "peers.trace")))().

stop(process, Pid) -> exit(Pid, kill);
stop(dbg, Port) -> catch erlang:port_close(Port);
stop(_, _) -> ok.

arm(_, _, none) -> ok;
arm(Case, Worker, Tracer) ->
    case Case of
        call_return -> erlang:trace_pattern({?MODULE, f, 1}, [{'_', [], [{return_trace}]}], [global]);
        _ when Case =:= message; Case =:= binary -> erlang:trace_pattern('receive', [{['$1', '$2', '_'], [], [{message, {{'$1', '$2'}}}]}], []);
        spawn_exit -> ok;
        _ -> erlang:trace_pattern({?MODULE, f, 1}, true, [global])
    end,
    erlang:trace(Worker, true, flags(Case) ++ [tracer(Tracer)]).

tracer({Module, State}) -> {tracer, Module, State};
tracer(Process) -> {tracer, Process}.

flags(Case) when ?LARGE(Case) -> [call];
flags(Case) when Case =:= message; Case =:= binary -> [send, 'receive', set_on_spawn];
flags(spawn_exit) -> [procs, set_on_spawn];
flags(_) -> [call, arity].

disarm(Case, Worker) ->
    catch erlang:trace(Worker, false, [all]),
    (Case =:= message orelse Case =:= binary) andalso erlang:trace_pattern('receive', true, []),
    erlang:trace_pattern({?MODULE, f, 1}, false, [global]).
