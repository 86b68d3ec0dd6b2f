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
"$scope" events "$work/d.scope" --name cart --kind state --json | wc -l | grep -qx '7' || fail "--name cart --kind state"
"$scope" events "$work/d.scope" --reverse --limit 3 --json | head -n 1 | grep -q "\"seq\":$(json "$work/d.scope" "['events']['total']")," || fail "--reverse"
"$scope" export --to perfetto -o "$work/p.json" "$work/d.scope" && python3 -c "import json; d=json.load(open('$work/p.json')); assert len(d['traceEvents'])>10" || fail "perfetto"
pass
