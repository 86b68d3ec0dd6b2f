%% SPDX-License-Identifier: MIT
%% What probes cost woven code, beside an empty NIF call in the same run: nanoseconds each, without the loop. The rounds go through all
%% cases in turn. Prints one JSON object a line: case, median, min (nanoseconds), limit where there is one.
-module(probes).
-export([main/0]).

-define(ROUNDS, 15).
-define(N, 10000). % times ten: the loop counts little, and a ring holds what a round writes
-define(SITE, {es_site, 20015998343868, probes, run, 2, 17, 0, []}).
-define(SITE(Names), {es_site, 20015998343869 + length(Names), probes, run, 2, 18, 0, Names}).
-define(TEN(Probe), Probe, Probe, Probe, Probe, Probe, Probe, Probe, Probe, Probe, Probe).

main() ->
    [Arena, Nif, Noop] = [os:getenv(V) || V <- ["ES_BENCH_ARENA", "ES_BENCH_NIF", "ES_BENCH_NOOP"]],
    ok = elixirscope_nif:load(filename:rootname(Nif)),
    ok = elixirscope_nif:open(list_to_binary(Arena)),
    ok = elixirscope_nif:exclude([]),
    ok = elixirscope_nif:enable(true),
    ok = noop_tracer:load(filename:rootname(Noop)),
    Off = measure([loop, off]),
    ok = elixirscope_probes:on(),
    On = measure([loop, nif, enter, return, line, value, values6, binary, binaries6, tuple, tuples6, tail, try_, caught, taken]),
    ok = elixirscope_probes:off(),
    Empty = best(nif, On),
    [report(Case, Times, Empty) || {Case, Times} <- Off ++ On, Case =/= loop],
    elixirscope_nif:enable(false),
    elixirscope_nif:done(),
    halt(0).

%% [{Case, Sorted nanoseconds}], the loop taken off.
measure(Cases) ->
    [round_of(Case) || Case <- Cases],
    Rounds = [[{Case, round_of(Case)} || Case <- Cases] || _ <- lists:seq(1, ?ROUNDS)],
    Loop = lists:min([proplists:get_value(loop, R) || R <- Rounds]),
    [{Case, lists:sort([proplists:get_value(Case, R) - Loop || R <- Rounds])} || Case <- Cases].

best(Case, All) -> hd(proplists:get_value(Case, All)).

report(Case, [Min | _] = Times, Empty) ->
    io:format("{\"case\":\"~s\",\"median\":~.1f,\"min\":~.1f,\"times_empty_nif\":~.2f,\"limit\":~s}~n",
              [Case, lists:nth(?ROUNDS div 2 + 1, Times), Min, Min / Empty, limit(Case)]).

limit(off) -> "15";
limit(Case) when Case =:= enter; Case =:= return -> "60";
limit(line) -> "40";
limit(_) -> "null".

%% One round, by a process of its own, which is recorded.
round_of(Case) ->
    drained(),
    #{lost := Before} = elixirscope_nif:stats(),
    Took = once(Case),
    case elixirscope_nif:stats() of
        #{lost := Before} -> Took;
        _ -> round_of(Case) % a probe that finds no room is quick
    end.

drained() ->
    case elixirscope_nif:stats() of
        #{full := Full} when Full > 2 -> receive after 1 -> drained() end;
        _ -> ok
    end.

once(Case) ->
    Self = self(),
    {_, Ref} = spawn_monitor(fun() ->
        T0 = erlang:monotonic_time(nanosecond),
        run(Case, ?N),
        Self ! {took, erlang:monotonic_time(nanosecond) - T0}
    end),
    Took = receive {took, T} -> T end,
    receive {'DOWN', Ref, _, _, _} -> ok end,
    Took / (?N * 10).

run(_, 0) -> ok;
run(loop, N) -> run(loop, N - 1);
run(nif, N) -> ?TEN(noop_tracer:nothing(?SITE, N, a)), run(nif, N - 1);
run(off, N) -> ?TEN((begin elixirscope_probe:enter(?SITE, N, a), elixirscope_probe:return(?SITE, N) end)), run(off, N - 1);
run(enter, N) -> ?TEN(elixirscope_probe:enter(?SITE, N, a)), run(enter, N - 1);
run(return, N) -> ?TEN(elixirscope_probe:return(?SITE, N)), run(return, N - 1);
run(line, N) -> ?TEN(elixirscope_probe:line(?SITE)), run(line, N - 1);
run(value, N) -> ?TEN(elixirscope_probe:values(?SITE(['A']), N)), run(value, N - 1);
run(values6, N) -> ?TEN(elixirscope_probe:values(?SITE(['A', 'B', 'C', 'D', 'E', 'F']), N, a, 1, 2, b, [])), run(values6, N - 1);
run(binary, N) -> ?TEN(elixirscope_probe:values(?SITE(['A']), <<"a small binary">>)), run(binary, N - 1);
run(binaries6, N) -> ?TEN(elixirscope_probe:values(?SITE(['A', 'B', 'C', 'D', 'E', 'F']), <<"a small binary">>, <<"another one">>, <<"third">>, <<"4">>, <<>>, <<"a small binary">>)), run(binaries6, N - 1);
run(tuple, N) -> ?TEN(elixirscope_probe:values(?SITE(['A']), {ok, 17})), run(tuple, N - 1);
run(tuples6, N) -> ?TEN(elixirscope_probe:values(?SITE(['A', 'B', 'C', 'D', 'E', 'F']), {ok, 17}, {a, b, c}, {1, 2}, {x}, {y, 1}, {ok, 18})), run(tuples6, N - 1);
run(caught, N) -> ?TEN(elixirscope_probe:caught(?SITE, 17, error, {badmatch, N})), run(caught, N - 1);
run(taken, N) -> ?TEN(elixirscope_probe:taken(?SITE, {message, N})), run(taken, N - 1);
run(tail, N) -> ?TEN(elixirscope_probe:tail(?SITE)), run(tail, N - 1);
run(try_, N) -> ?TEN(elixirscope_probe:try_(?SITE)), run(try_, N - 1).
