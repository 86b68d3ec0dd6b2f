# The contract for scripts of docs/cli.md: fields, types, formats.
. "$(dirname "$0")/lib.sh"
cat >"$work/demo.erl" <<'ERL'
-module(demo).
-behaviour(gen_server).
-export([main/0, init/1, handle_call/3, handle_cast/2, handle_info/2, add/2]).
main() ->
    {ok, Pid} = gen_server:start({local, cart}, ?MODULE, [], []),
    [ok = gen_server:call(cart, {add, I}) || I <- lists:seq(1, 5)],
    gen_server:cast(cart, same),
    3 = demo:add(1, 2),
    Ref = monitor(process, Pid),
    gen_server:cast(cart, crash),
    receive {'DOWN', Ref, _, _, _} -> ok end,
    spawn(fun() -> exit(bye) end),
    receive after 300 -> halt(0) end.
add(A, B) -> A + B.
init([]) -> {ok, #{items => []}}.
handle_call({add, I}, _From, S = #{items := L}) -> {reply, ok, S#{items := [I | L]}}.
handle_cast(same, S) -> {noreply, S};
handle_cast(crash, _) -> error(boom).
handle_info(_, S) -> {noreply, S}.
ERL
erlc -o "$work" "$work/demo.erl" || fail "demo.erl"
"$scope" record --overwrite -o "$work/d.scope" --level balanced --trace 'returns:demo:add/2' -- erl -noshell -pa "$work" -s demo main >"$work/recorder.log" 2>&1 || fail "record: $?"
for notation in elixir erlang; do "$scope" events "$work/d.scope" --json --notation $notation >"$work/$notation.jsonl" || fail "events"; done
"$scope" info --json "$work/d.scope" >"$work/info.json" || fail "info"
"$scope" ps --json "$work/d.scope" >"$work/ps.jsonl" || fail "ps"
python3 - "$work" <<'PY' || fail "contract"
import json, re, sys
work = sys.argv[1]
erlang = [json.loads(l) for l in open(f"{work}/erlang.jsonl")]
elixir = [json.loads(l) for l in open(f"{work}/elixir.jsonl")]
info = json.load(open(f"{work}/info.json"))
ps = [json.loads(l) for l in open(f"{work}/ps.jsonl")]
fields = "seq time kind pid name peer module function arity cause parent payload".split()
seqs = [e["seq"] for e in erlang]
assert seqs == list(range(1, len(seqs) + 1)), "sequence numbers have holes"
assert all(a["time"] <= b["time"] for a, b in zip(erlang, erlang[1:])), "time runs backwards"
for e in erlang:
    missing = [f for f in fields if f not in e]
    assert not missing, (missing, e)
    assert isinstance(e["time"], int) and isinstance(e["seq"], int)
    assert e["pid"] is None or re.fullmatch(r"<0\.\d+\.\d+>", e["pid"]), e
    assert e["cause"] is None or e["cause"] < e["seq"], ("cause after effect", e)
assert info["events"]["total"] == len(erlang) == sum(info["events"]["by_kind"].values())
assert info["losses"]["total"] == 0 and info["losses"]["by_kind"] == {} and info["otp"] and info["node"] == "nonode@nohost" and info["duration_ns"] > 0
cart = {p["pid"]: p for p in ps if p["name"] == "cart"}
(pid,) = cart
assert cart[pid]["initial_call"], cart
def of(kind, **more): return [e for e in erlang if e["kind"] == kind and all(e[k] == v for k, v in more.items())]
states = [e["payload"] for e in of("state", pid=pid)]
assert states[:6] == [f"#{{items => {s}}}" for s in ("[]", "[1]", "[2,1]", "[3,2,1]", "[4,3,2,1]", "[5,4,3,2,1]")], states
same = of("state", pid=pid)[6]
assert "same" in json.dumps(same["flags"]), same
call, ret = of("call", function="add"), of("return", function="add")
assert call[0]["module"] == "demo" and call[0]["arity"] == 2 and call[0]["payload"] == "[1,2]" and ret[0]["payload"] == "3", (call, ret)
assert of("exception", pid=pid), "no exception"
assert "boom" in of("exit", pid=pid)[0]["payload"]
assert any("boom" in (e["payload"] or "") for e in of("crash") + of("log")), "no crash report"
asks = [e for e in of("send", peer=pid)] + [e for e in of("send", peer="cart")] + [e for e in erlang if e["kind"] == "send" and e.get("peer_name") == "cart"]
handled = of("deliver", pid=pid)
assert len(handled) >= 7 and all(e["cause"] for e in handled if "gen_c" in (e["payload"] or "")), handled[:2]
assert all("$gen" in (e["payload"] or "$gen") for e in handled[:5]), "a delivery shows its message"
x = [e for e in elixir if e["kind"] == "state" and e["pid"] == pid]
assert x[1]["payload"] == "%{items: [1]}", x[1]
assert any(e["kind"] == "census" for e in erlang) and any(e["kind"] == "register" for e in erlang)
for e in of("spawned"): assert e["cause"] and erlang[e["cause"] - 1]["kind"] == "spawn" and erlang[e["cause"] - 1]["peer"] == e["pid"], e
print(len(erlang), "events checked:", info["events"]["by_kind"])
PY
# state: what the program did is known, and the events above are its truth.
for question in "" "--history" "--diff" "--path .items" "--path .items[-1]"; do
  # shellcheck disable=SC2086
  "$scope" state --json --notation erlang $question "$work/d.scope" cart || fail "state $question"
done >"$work/state.jsonl"
second=$(python3 -c "import json; print([e['time'] for e in map(json.loads, open('$work/erlang.jsonl')) if e['kind'] == 'state' and e['name'] == 'cart'][2])")
printf 'cart %s\ncart %s\nnobody %s\n\ncart never\n' "$second" "$((second - 1))" "$second" | "$scope" state --notation erlang --at - "$work/d.scope" >"$work/at.jsonl" || fail "state --at -"
python3 - "$work" <<'PY' || fail "state --json"
import json, sys
work = sys.argv[1]
events = [json.loads(l) for l in open(f"{work}/erlang.jsonl")]
last, *history, diff, items, oldest = [json.loads(l) for l in open(f"{work}/state.jsonl")]
at = [json.loads(l) for l in open(f"{work}/at.jsonl")]
states = [e for e in events if e["kind"] == "state" and e["name"] == "cart"]
pid = states[0]["pid"]
fields = "pid name time version versions since seq known cause set_by state term".split()
assert not [f for f in fields if f not in last], last
assert (last["pid"], last["name"], last["version"], last["versions"], last["known"]) == (pid, "cart", 6, 6, "captured"), last
assert last["state"] == "#{items => [5,4,3,2,1]}" and last["term"] == {"t": "map", "v": [[{"t": "atom", "v": "items"}, [5, 4, 3, 2, 1]]]}, last
assert last["since"] == states[5]["time"] and last["seq"] == states[5]["seq"]
assert last["exited"] == [e["time"] for e in events if e["kind"] == "exit" and e["pid"] == pid][0], last
message = events[last["cause"] - 1]
assert message["kind"] == "deliver" and "{add,5}" in message["payload"] and message["cause"] == last["set_by"]["send"], message
assert last["set_by"]["message"] == "{add,5}" and last["set_by"]["function"] == "demo:handle_call/3" and last["set_by"]["origin"] == "callback", last
assert last["set_by"]["from"] == message["peer"], (last, message)
assert [h["version"] for h in history] == list(range(1, 7)) and [h["seq"] for h in history] == [s["seq"] for s in states[:6]], history
for n, h in enumerate(history[1:], 1):
    assert h["changes"] == [{"path": ".items[0]", "op": "added", "old": None, "new": str(n)}], h
    assert h["set_by"]["message"] == "{add,%d}" % n and h["set_by"]["send"], h
assert history[0]["changes"] is None and history[0]["set_by"]["function"] == "demo:init/1", history[0]
assert (diff["from"], diff["to"]) == (5, 6) and diff["changes"] == history[5]["changes"], diff
assert items["state"] == "[5,4,3,2,1]" and items["set"]["version"] == 6 and items["path"] == ".items", items
assert oldest["state"] == "1" and oldest["set"]["version"] == 2 and not oldest["set"]["first"], oldest
assert at[0]["version"] == 3 and at[0]["state"] == "#{items => [2,1]}" and "exited" not in at[0], at[0]
assert at[1]["version"] == 2 and at[1]["state"] == "#{items => [1]}", at[1]
assert at[2]["process"] == "nobody" and "nobody" in at[2]["error"] and "never" in at[3]["error"], at
assert len(at) == 4, at
PY
"$scope" state "$work/d.scope" cart --diff | grep -qx '+ .items\[0\]: 5' || fail "state --diff: $("$scope" state "$work/d.scope" cart --diff)"
"$scope" state "$work/d.scope" cart | head -n 1 | grep -q 'version 6 of 6, .*set by handle_call({:add, 5}) from <0' || fail "state"
"$scope" state "$work/d.scope" cart --path .nope 2>"$work/nope" && fail "state --path .nope"
grep -q 'the whole is a map with 1 key: .items' "$work/nope" || fail "state --path .nope"
for wrong in "cart --path .[" "nobody" "cart --at +1000s" "cart --path .items[9]"; do
  # shellcheck disable=SC2086
  "$scope" state "$work/d.scope" $wrong >/dev/null 2>&1; expect "exit code of state $wrong" $? 1
done
"$scope" state "$work/d.scope" cart --history --diff >/dev/null 2>&1; expect "exit code of --history --diff" $? 2
"$scope" events "$work/d.scope" --name cart --kind state --json | wc -l | grep -qx '7' || fail "--name cart --kind state"
"$scope" events "$work/d.scope" --reverse --limit 3 --json | head -n 1 | grep -q "\"seq\":$(json "$work/d.scope" "['events']['total']")," || fail "--reverse"
"$scope" export --to perfetto -o "$work/p.json" "$work/d.scope" && python3 -c "import json; d=json.load(open('$work/p.json')); assert len(d['traceEvents'])>10" || fail "perfetto"
pass
