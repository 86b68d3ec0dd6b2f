# The seven views as graphs: none has a cycle, edges go forwards, causes are those of the events, a value is followed through processes.
. "$(dirname "$0")/lib.sh"
cat >"$work/carry.erl" <<'ERL'
-module(carry).
-behaviour(gen_server).
-export([main/0, init/1, handle_call/3, handle_cast/2, handle_info/2]).
%% A value that is nowhere else goes through three servers, into the state of the last.
main() ->
    [{ok, _} = gen_server:start_link({local, N}, ?MODULE, To, []) || {N, To} <- [{one, two}, {two, three}, {three, none}]],
    [gen_server:call(one, {ask, N}) || N <- lists:seq(1, 30)],
    gen_server:cast(one, {carry, <<"a value of forty bytes, nowhere else seen">>}),
    receive after 200 -> halt(0) end.
init(To) -> {ok, #{to => To, has => none}}.
handle_call(What, _, #{to := none} = S) -> {reply, What, S};
handle_call(What, _, #{to := To} = S) -> {reply, gen_server:call(To, What), S}.
handle_cast({carry, V}, #{to := none} = S) -> {noreply, S#{has := V}};
handle_cast({carry, _} = C, #{to := To} = S) -> gen_server:cast(To, C), {noreply, S}.
handle_info(_, S) -> {noreply, S}.
ERL
erlc -o "$work" "$work/carry.erl" || fail "erlc"
"$scope" record --overwrite -o "$work/w.scope" --level full -- erl -noshell -pa "$work" -s carry main >"$work/recorder.log" 2>&1 || fail "record: $?"
"$scope" events --json --notation erlang "$work/w.scope" >"$work/events.jsonl" || fail "events"
kinds="temporal interaction state code data performance causality"
for kind in $kinds; do
  for format in json dot mermaid text; do
    "$scope" dag "$work/w.scope" "$kind" --limit 5000 --notation erlang --format $format >"$work/$kind.$format" || fail "dag $kind as $format"
    [ -s "$work/$kind.$format" ] || fail "dag $kind as $format is empty"
  done
  head -c 8 "$work/$kind.dot" | grep -q digraph || fail "$kind.dot is no digraph"
  head -n 1 "$work/$kind.mermaid" | grep -q '^flowchart' || fail "$kind.mermaid is no flowchart"
  if command -v dot >/dev/null; then dot -Tplain "$work/$kind.dot" >/dev/null || fail "graphviz refuses $kind.dot"; fi
done
cat >"$work/check.py" <<'PY'
import json, sys
work = sys.argv[1]
events = {e["seq"]: e for e in map(json.loads, open(f"{work}/events.jsonl"))}
for kind in sys.argv[2:]:
    dag = json.load(open(f"{work}/{kind}.json"))
    assert dag["kind"] == kind and dag["nodes"], kind
    nodes = {n["id"]: n for n in dag["nodes"]}
    after, open_edges = {}, dict.fromkeys(nodes, 0)
    for e in dag["edges"]:
        after.setdefault(e["from"], []).append(e["to"])
        open_edges[e["to"]] += 1
    ready, done = [n for n in nodes if open_edges[n] == 0], 0
    while ready:
        done += 1
        for to in after.get(ready.pop(), []):
            open_edges[to] -= 1
            if open_edges[to] == 0:
                ready.append(to)
    assert done == len(nodes), f"{kind}: a cycle among {len(nodes) - done} nodes"
    print(f"{kind}: {len(nodes)} nodes, {len(dag['edges'])} edges, no cycle")
    if kind == "causality":  # every cause that an event has is an edge, and no message's edge is another
        edges = {(nodes[e["from"]]["seq"], nodes[e["to"]]["seq"]): e for e in dag["edges"]}
        seqs = {n["seq"] for n in nodes.values()}
        causes = {(e["cause"], e["seq"]) for e in events.values() if e["cause"] and e["cause"] in seqs and e["seq"] in seqs}
        assert len(causes) > 100 and causes <= set(edges), f"causes without an edge: {sorted(causes - set(edges))[:5]}"
        wrong = [p for p, e in edges.items() if e["kind"] == "message" and p not in causes]
        assert not wrong, f"messages that are none: {wrong[:5]}"
    if kind == "data":  # the value is met by all three, and last in the state of the third
        met = [n for n in nodes.values() if "nowhere else seen" in n["label"]]
        assert {n.get("name") for n in met} >= {"one", "two", "three"}, met
        assert any(n["event"] == "state" and n.get("name") == "three" for n in met), met
PY
# shellcheck disable=SC2086
python3 "$work/check.py" "$work" $kinds || fail "answers"
"$scope" dag "$work/w.scope" circular >/dev/null 2>"$work/err"; expect "an unknown kind" $? 2
grep -q 'temporal, interaction, state' "$work/err" || fail "an unknown kind does not say which there are: $(cat "$work/err")"
"$scope" dag "$work/w.scope" state --pid '<0.99999.7>' >/dev/null 2>"$work/err"; expect "a pid that never lived" $? 1
"$scope" dag "$work/w.scope" causality --focus 99999999 >/dev/null 2>"$work/err"; expect "a focus outside" $? 1
left=$("$scope" dag "$work/w.scope" temporal --limit 5 --format json | python3 -c 'import json,sys; d=json.load(sys.stdin); print(len(d["nodes"]), d["left_out"]["nodes"] > 100)')
expect "what is left out" "$left" "5 True"
pass
