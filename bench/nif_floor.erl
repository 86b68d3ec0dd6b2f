%% SPDX-License-Identifier: MIT
%% What an event costs the program that is traced: nanoseconds an operation without tracing, with a tracer NIF that does nothing
%% (noop_tracer.c), and with ours: the best of some rounds, as others use the machine too. Run by nif_floor.sh; one scheduler, a reader
%% drains the rings on another core.
-module(nif_floor).
-export([main/1, target/1, target/2]).

-define(ROUNDS, 15).

main([Dir, Arena | Names]) ->
    ok = noop_tracer:load(filename:join(Dir, "noop_tracer")),
    ok = elixirscope_nif:load(list_to_binary(filename:join(Dir, "elixirscope_nif.so"))),
    ok = elixirscope_nif:open(list_to_binary(Arena)),
    ok = elixirscope_nif:exclude([]),
    ok = elixirscope_nif:enable(true),
    erlang:trace_pattern({?MODULE, target, 1}, true, [local]),
    erlang:trace_pattern({?MODULE, target, 2}, [{'_', [], [{exception_trace}]}], [local]),
    erlang:trace_pattern('receive', [{['$1', '$2', '_'], [], [{message, {{'$1', '$2'}}}]}], []),
    io:format("~-44s ~9s ~9s ~9s ~7s~n", ["nanoseconds an operation", "untraced", "no-op", "ours", "ratio"]),
    [bench(Case) || Case <- cases(), Names =:= [] orelse lists:any(fun(N) -> string:prefix(element(1, Case), N) =/= nomatch end, Names)],
    io:format("~p~n", [elixirscope_nif:stats()]),
    ok = elixirscope_nif:done(),
    ok = elixirscope_nif:close().

%% {Name, Trace flags, fun(N) that does the operation N times in the traced process, N}
cases() ->
    Map = maps:from_list([{I, I} || I <- lists:seq(1, 1000)]),
    Atoms = maps:from_list([{list_to_atom("key_" ++ integer_to_list(I)), I} || I <- lists:seq(1, 1000)]),
    Texts = maps:from_list([{<<"key_", (integer_to_binary(I))/binary>>, <<"value of ", (integer_to_binary(I))/binary>>} || I <- lists:seq(1, 1000)]),
    State = #{id => 17, name => <<"checkout">>, items => [{sku, I, <<"a product">>, 1.5} || I <- lists:seq(1, 20)], open => true},
    [{"call, no payload (arity)", [call, arity], calls(1), 200000},
     {"call, one small argument", [call], calls(1), 200000},
     {"call, a struct of 4 fields", [call], calls(#{'__struct__' => order, id => 1, name => <<"abc">>, total => 3.5}), 200000},
     {"call, map of 1000 integer keys", [call], calls(Map), 50000},
     {"call, map of 1000 atom keys", [call], calls(Atoms), 50000},
     {"call, map of 1000 binary keys", [call], calls(Texts), 50000},
     {"call, shared term of 2^40 paths", [call], fun(N) -> (calls(shared(40, leaf)))(N) end, 20000},
     {"call, fun", [call], calls(fun() -> Map end), 100000},
     {"call + return, one small argument", [call], returns(1), 200000},
     {"call + return of {noreply, State}, 20 items", [call], returns({noreply, State}), 50000},
     {"call + return of {noreply, Shared}", [call], fun(N) -> (returns({noreply, shared(40, leaf)}))(N) end, 500},
     {"send to oneself, atom", [send], selfsend(ping), 200000},
     {"ping-pong, atoms", [send, 'receive'], pingpong(fun(_) -> ping end), 100000},
     {"ping-pong, binary of 100 bytes", [send, 'receive'], pingpong(fun(_) -> {ping, 1, binary:copy(<<"x">>, 100)} end), 100000},
     {"ping-pong, 100 bytes in 15 terms", [send, 'receive'],
      pingpong(fun(_) -> {order, 17, #{name => <<"some product">>, price => 12.5, tags => [new, sale]}, <<"a customer's name">>} end), 100000},
     {"gen_server call", [send, 'receive'], gencall(), 50000}].

target(_) -> ok.
target(X, _) -> X.

calls(X) -> fun F(0) -> ok; F(N) -> ?MODULE:target(X), F(N - 1) end.
returns(X) -> fun F(0) -> ok; F(N) -> ?MODULE:target(X, 1), F(N - 1) end.
selfsend(X) -> fun F(0) -> ok; F(N) -> self() ! X, receive X -> ok end, F(N - 1) end.

pingpong(Make) ->
    X = Make(0),
    fun(N) ->
        Peer = spawn(fun() -> echo() end),
        ping(N div 2, Peer, X),
        exit(Peer, kill)
    end.
ping(0, _, _) -> ok;
ping(N, Peer, X) -> Peer ! {self(), X}, receive _ -> ok end, ping(N - 1, Peer, X).
echo() -> receive {From, X} -> From ! X, echo() end.

gencall() ->
    fun(N) ->
        Server = spawn(fun() -> serve() end),
        [gen:call(Server, '$gen_call', {get, 1}, infinity) || _ <- lists:seq(1, N div 2)],
        exit(Server, kill)
    end.
serve() -> receive {'$gen_call', From, {get, X}} -> gen:reply(From, {ok, X}), serve() end.

shared(0, T) -> T;
shared(N, T) -> shared(N - 1, [T, T]).

bench({Name, Flags, Fun, N}) ->
    Tracers = [none, {noop_tracer, []}, {elixirscope_nif, []}],
    _ = [run(T, Flags, Fun, N div 4) || T <- Tracers],
    Rounds = [[run(T, Flags, Fun, N) || T <- Tracers] || _ <- lists:seq(1, ?ROUNDS)],
    [None, Noop, Ours] = [lists:min([lists:nth(I, R) || R <- Rounds]) || I <- [1, 2, 3]],
    io:format("~-44s ~9.1f ~9.1f ~9.1f ~7.2f~n", [Name, None, Noop, Ours, Ours / Noop]).

run(Tracer, Flags, Fun, N) ->
    Self = self(),
    Pid = spawn_opt(fun() ->
        receive go -> ok end,
        erlang:garbage_collect(),
        T0 = erlang:monotonic_time(nanosecond),
        Fun(N),
        Self ! {time, self(), (erlang:monotonic_time(nanosecond) - T0) / N}
    end, [{min_heap_size, 100000}]),
    case Tracer of
        none -> ok;
        _ -> 1 = erlang:trace(Pid, true, [set_on_spawn, {tracer, element(1, Tracer), element(2, Tracer)} | Flags])
    end,
    Ref = monitor(process, Pid),
    Pid ! go,
    Time = receive {time, Pid, T} -> T end,
    receive {'DOWN', Ref, _, _, _} -> ok end,
    Time.
