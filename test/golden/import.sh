# Traces that dbg itself wrote, plain and wrapped, become recordings with every event in them.
. "$(dirname "$0")/lib.sh"
cat >"$work/traced.erl" <<'ERL'
-module(traced).
-export([main/1, f/1]).
main([Dir]) ->
    D = atom_to_list(Dir),
    trace(D ++ "/plain.trace", 2000),
    trace({D ++ "/wrapped", wrap, ".trace", 20000, 8}, 500),
    halt(0).
trace(Where, N) ->
    {ok, _} = dbg:tracer(port, dbg:trace_port(file, Where)),
    Sink = spawn(fun Loop() -> receive _ -> Loop() end end),
    Self = self(),
    Worker = spawn(fun() -> receive go -> ok end, [begin f(I), Sink ! {n, I} end || I <- lists:seq(1, N)], Self ! done end),
    {ok, _} = dbg:p(Worker, [call, send, 'receive', procs, timestamp]),
    {ok, _} = dbg:p(Sink, ['receive', timestamp]),
    {ok, _} = dbg:tpl(traced, f, 1, [{'_', [], [{return_trace}]}]),
    Worker ! go,
    receive done -> ok end,
    dbg:flush_trace_port(),
    dbg:stop_clear().
f(X) -> X + 1.
ERL
erlc -o "$work" "$work/traced.erl" || fail "traced.erl"
erl -noshell -pa "$work" -s traced main "$work" || fail "dbg"
"$scope" import "$work/plain.trace" -o "$work/plain.scope" --json || fail "import plain"
wrapped=$(ls "$work"/wrapped*.trace | head -n 1)
"$scope" import "$wrapped" -o "$work/wrapped.scope" --json || fail "import wrapped"
expect "nobody waited for an import" "$(json "$work/plain.scope" "['engine']")" "{'latency_ns': None}"
expect calls "$(json "$work/plain.scope" "['events']['by_kind']['call']")" 2000
expect returns "$(json "$work/plain.scope" "['events']['by_kind']['return']")" 2000
expect deliveries "$(json "$work/plain.scope" "['events']['by_kind']['deliver'] >= 2000")" True
[ "$(json "$work/wrapped.scope" "['events']['total']")" -gt 100 ] || fail "wrapped: few events"
"$scope" events "$work/plain.scope" --kind call --limit 1 --json | grep -q '"function":"f"' || fail "the function is missing"
head -c 1000 /dev/urandom >"$work/noise.trace"
"$scope" import "$work/noise.trace" -o "$work/noise.scope" 2>"$work/err"
expect "exit code for noise" $? 1
[ -e "$work/noise.scope" ] && fail "noise left a recording"
head -c 20001 "$work/plain.trace" >"$work/half.trace"
"$scope" import "$work/half.trace" -o "$work/half.scope" --json | grep -q '"truncated": *true' || fail "a truncated trace is not said to be"
pass
