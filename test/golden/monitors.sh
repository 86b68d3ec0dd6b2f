# Whom a process that was there before the recording monitored: what `snapshot` says of it against what `process_info` said in the node. Monitors
# are made, taken away, made twice, and by name; calls of a server leave none; one that ends by a death is not told after it.
. "$(dirname "$0")/lib.sh"
# Sessions of its own, apart from those of other tests and of whoever works here.
ELIXIRSCOPE_SHM=$(mktemp -d /dev/shm/es-test-XXXXXX) && export ELIXIRSCOPE_SHM
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work" "$ELIXIRSCOPE_SHM"' EXIT
cat >"$work/watch.erl" <<'ERL'
-module(watch).
-behaviour(gen_server).
-export([main/1, init/1, handle_call/3, handle_cast/2]).
init(S) -> {ok, S}.
handle_call(hello, _, S) -> {reply, hello, S}.
handle_cast(_, S) -> {noreply, S}.

main([Dir]) ->
    {ok, Server} = gen_server:start({local, served}, ?MODULE, [], []),
    [A, B, C] = [spawn(fun idle/0) || _ <- [1, 2, 3]],
    register(named, C),
    Port = open_port({spawn, "cat"}, []),
    Monitors = fun(Items) -> fun() -> [erlang:monitor(T, I) || {T, I} <- Items], idle() end end,
    All = [
        spawn(Monitors([{process, A}, {process, B}])),
        spawn(Monitors([{process, A}, {process, A}])),
        spawn(Monitors([{process, named}])),
        spawn(Monitors([{port, Port}])),
        spawn(fun() -> Ref = monitor(process, A), monitor(process, B), demonitor(Ref), idle() end),
        spawn(fun() -> hello = gen_server:call(Server, hello), idle() end),
        spawn(Monitors([{process, spawn(fun idle/0)} || _ <- lists:seq(1, 70)])),
        element(1, spawn_monitor(fun() -> spawn_monitor(fun idle/0), idle() end)),
        spawn(fun() -> {P, _} = spawn_monitor(fun() -> ok end), receive {'DOWN', _, _, P, _} -> idle() end end),
        self()
    ],
    wait(fun() -> lists:all(fun(P) -> P =:= self() orelse process_info(P, current_function) =:= {current_function, {?MODULE, idle, 0}} end, All) end),
    Truth = [{P, lists:usort([item(M) || {_, M} <- element(2, process_info(P, monitors))])} || P <- All],
    write(Dir ++ "/truth.json", ["{\"victim\":", text(A), ",\"monitors\":{", lists:join(",", [[text(P), ":[", lists:join(",", [text(M) || M <- Ms]), "]"] || {P, Ms} <- Truth]), "}}"]),
    write(Dir ++ "/ready", os:getpid()),
    wait(fun() -> filelib:is_regular(Dir ++ "/kill") end),
    exit(A, kill),
    wait(fun() -> not is_process_alive(A) end),
    write(Dir ++ "/after", integer_to_list(erlang:monotonic_time(nanosecond))),
    idle().

idle() -> receive stop -> ok end.
wait(F) -> case F() of true -> ok; false -> receive after 5 -> wait(F) end end.
write(File, Bytes) -> ok = file:write_file(File ++ ".part", Bytes), ok = file:rename(File ++ ".part", File).
item({Name, Node}) when Node =:= node() -> Name;
item(Item) -> Item.
text(P) when is_pid(P) -> ["\"", pid_to_list(P), "\""];
text(P) when is_port(P) -> ["\"", port_to_list(P), "\""];
text(A) -> ["\"", atom_to_list(A), "\""].
ERL
erlc -o "$work" "$work/watch.erl" || fail "watch.erl"
cookie=cookie_$$ node=es_watch_$$
erl -noshell -sname $node -setcookie $cookie -pa "$work" -run watch main "$work" >"$work/node.log" 2>&1 &
wait_until 30 test -s "$work/ready" || fail "the node does not start: $(cat "$work/node.log")"
"$scope" attach --cookie $cookie --level balanced --for 60s -o "$work/m.scope" $node >"$work/recorder.log" 2>&1 &
attach=$!
told() { # everybody of the truth has a census in the recording
  "$scope" events "$work/m.scope" --kind census --json >"$work/census.jsonl" 2>/dev/null || return 1
  python3 -c "
import json
told = {json.loads(l)['pid'] for l in open('$work/census.jsonl')}
raise SystemExit(not set(json.load(open('$work/truth.json'))['monitors']) <= told)"
}
wait_until 30 told || fail "no census"
before=$(tail -n 1 "$work/census.jsonl" | python3 -c "import json; print(json.loads(input())['seq'])")
touch "$work/kill"
wait_until 30 test -s "$work/after" || fail "nobody was killed"
kill -TERM $attach && wait $attach
"$scope" snapshot "$work/m.scope" --event "$before" --json >"$work/before.json" || fail "snapshot"
"$scope" snapshot "$work/m.scope" --at "$(cat "$work/after")" --json >"$work/after.json" || fail "snapshot"
# Between two censuses: a process that was not asked yet lives all the same.
early=$(python3 - "$work" <<'PY'
import json, sys
work = sys.argv[1]
truth = json.load(open(f"{work}/truth.json"))["monitors"]
seq = {}
for line in open(f"{work}/census.jsonl"):
    event = json.loads(line)
    seq.setdefault(event["pid"], event["seq"])
print(*next((seq[p], p, t) for p, ts in truth.items() for t in ts if t in seq and len(ts) <= 64 and seq[t] > seq[p]))
PY
) || fail "nobody is asked before whom it monitors"
read -r seq pid peer <<<"$early"
"$scope" snapshot "$work/m.scope" --event "$seq" --json | python3 -c "
import json, sys
row = next(p for p in json.load(sys.stdin)['processes'] if p['pid'] == '$pid')
raise SystemExit('$peer' not in row['census_monitors'])" || fail "$peer, which is asked later, is missing among those that $pid monitors at $seq"
python3 - "$work" <<'PY' || fail "monitors differ from the truth"
import json, sys
work = sys.argv[1]
truth = json.load(open(f"{work}/truth.json"))
sizes = sorted(len(m) for m in truth["monitors"].values())
assert sizes == [0, 0, 1, 1, 1, 1, 1, 1, 2, 70], sizes
for moment in ("before", "after"):
    rows = {p["pid"]: p for p in json.load(open(f"{work}/{moment}.json"))["processes"]}
    assert (truth["victim"] in rows) == (moment == "before")
    for pid, true in truth["monitors"].items():
        row = rows[pid]
        assert row["monitors"] is None and row["monitors_unknown"], row
        said = row["census_monitors"]
        assert row["census_monitors_whole"] == (len(true) <= 64), (row, true)
        alive = [t for t in true if moment == "before" or t != truth["victim"]]
        if len(true) <= 64:
            assert sorted(said) == sorted(alive), (moment, said, alive)
        else:
            assert len(said) == 64 and set(said) <= set(true), (moment, said)
    print(moment, "agrees on", len(truth["monitors"]), "processes")
PY
pass
