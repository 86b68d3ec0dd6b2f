# The seven DAGs in every format, with hostile names, and of the shop: without cycles, with the edges that `events` tells of, with the
# value that a workload hands on; and what bad input gets.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1

cat >relay.erl <<'E'
-module(relay).
-behaviour(gen_server).
-export([main/1, init/1, handle_call/3, handle_cast/2, handle_info/2]).
%% A value goes through three processes into a state; its text is what the test looks for.
main([Value]) ->
    process_flag(trap_exit, true),
    {ok, C} = gen_server:start_link({local, 'odd "name" \\ <b> #1; | `%%{x}'}, ?MODULE, none, []),
    {ok, B} = gen_server:start_link({local, second}, ?MODULE, C, []),
    {ok, A} = gen_server:start_link({local, first}, ?MODULE, B, []),
    [N = gen_server:call(A, {ask, N}) || N <- lists:seq(1, 30)],
    gen_server:cast(A, {hand_on, 1, list_to_binary(Value)}),
    wait_for(C),
    halt(0).
wait_for(C) ->
    case gen_server:call(C, held) of
        none -> wait_for(C);
        _ -> ok
    end.
init(Next) -> {ok, {Next, none}}.
handle_call({ask, N}, _, {none, Held}) -> {reply, N, {none, Held}};
handle_call({ask, N}, _, {Next, Held}) -> {reply, gen_server:call(Next, {ask, N}), {Next, Held}};
handle_call(held, _, {Next, Held}) -> {reply, case Held of none -> none; _ -> held end, {Next, Held}}.
handle_cast({hand_on, N, Value}, {none, _}) -> {noreply, {none, #{got => N, kept => Value}}};
handle_cast({hand_on, N, Value}, {Next, Held}) -> gen_server:cast(Next, {hand_on, N + 1, Value}), {noreply, {Next, Held}}.
handle_info(_, State) -> {noreply, State}.
E
value=0123456789-unique-bytes-to-be-followed-X
expect "length of the value" ${#value} 40
erlc relay.erl || exit 1
"$scope" record --overwrite --level full -o relay.scope -- erl -noshell -pa . -run relay main $value >recorder.log 2>&1 || fail "no recording"

cat >check.py <<'E'
# check.py SCOPE FILE: what must hold of every DAG of a recording
import json, re, subprocess, sys
scope, file = sys.argv[1:3]
def run(*args):
    return subprocess.run([scope, *args], check=True, capture_output=True).stdout.decode()
def dag(kind, *args):
    d = json.loads(run("dag", file, kind, *args))
    assert d["kind"] == kind
    degree, after = [0] * len(d["nodes"]), [[] for _ in d["nodes"]]
    for i, node in enumerate(d["nodes"]):
        assert node["id"] == i
    for edge in d["edges"]:
        degree[edge["to"]] += 1
        after[edge["from"]].append(edge["to"])
    todo, sorted_nodes = [i for i, n in enumerate(degree) if n == 0], 0
    while todo:
        sorted_nodes += 1
        for to in after[todo.pop()]:
            degree[to] -= 1
            if degree[to] == 0:
                todo.append(to)
    assert sorted_nodes == len(d["nodes"]), f"{kind} {args}: it has a cycle"
    return d
events = {e["seq"]: e for e in map(json.loads, run("events", file, "--json").splitlines())}
middle = sorted(events)[len(events) // 2]
kinds = "temporal interaction state code data performance causality".split()
quoted = r'"(?:[^"\\]|\\.)*"'
for kind in kinds:
    whole = dag(kind, "--limit", "1M")
    assert whole["left_out"] == {"nodes": 0, "edges": 0, "more": False}, whole["left_out"]
    assert whole["nodes"]
    few = dag(kind, "--limit", "7")
    assert len(few["nodes"]) <= 7
    if kind not in ("interaction", "data"):
        assert len(few["nodes"]) + few["left_out"]["nodes"] == len(whole["nodes"])
    if kind != "data":
        assert len(dag(kind, "--focus", str(middle), "--limit", "9")["nodes"]) <= 9
    dot = run("dag", file, kind, "--format", "dot", "--limit", "400").split("\n")
    assert re.fullmatch(r"digraph \w+ \{", dot[0]) and dot[-2:] == ["}", ""]
    for line in dot[1:-2]:
        assert re.fullmatch(rf"  (rankdir=LR|node \[shape=box\]|label={quoted}|n\d+ \[label={quoted}(, color=red)?\]"
                            rf"|n\d+ -> n\d+ \[label={quoted}(, style=dashed)?(, color=red)?\]);", line), line
    lines = run("dag", file, kind, "--format", "mermaid", "--limit", "400").split("\n")
    assert lines[0] == "flowchart LR" and lines[1].startswith("%% ") and lines[-1] == ""
    text = r'"(?:[^"<>&`%#\\]|#(?:\d+|quot|amp|lt|gt);)*"'
    for line in lines[2:-1]:
        assert re.fullmatch(rf"  (n\d+\[{text}\]|n\d+ (-->|-\.->|==>) \|{text}\| n\d+)", line), line
    assert run("dag", file, kind, "--format", "text", "--limit", "5").startswith(kind + ": ")

whole = dag("causality", "--limit", "1M")
seqs = [n["seq"] for n in whole["nodes"]]
across = {(seqs[e["from"]], seqs[e["to"]]) for e in whole["edges"] if e["kind"] != "program" and not e["possibly"]}
shown = set(seqs)
handled = {e["cause"] for e in events.values()}
causes = {(e["cause"], s) for s, e in events.items() if e["cause"] and s in shown and e["cause"] in shown}
# Who waited for a reply has taken it when it goes on; it has not when it gives up or dies.
goes_on = set("spawn register unregister link unlink send send_dead call return exception state".split())
taken, next_act = set(), {}
for s, e in sorted(events.items(), reverse=True):
    if e["kind"] == "deliver":
        act = next_act.get(e["pid"])
        if "reply" in e.get("flags", []) and s not in handled and act and events[act]["kind"] in goes_on:
            taken.add((s, act))
    elif e["kind"] in goes_on | {"timeout", "exit", "spawned"}:
        next_act[e["pid"]] = s
assert len(taken) > 25
causes |= {(a, b) for a, b in taken if a in shown and b in shown}
assert len(causes) > 100 and across == causes, across ^ causes
for e in whole["edges"]:
    a, b = events[seqs[e["from"]]], events[seqs[e["to"]]]
    if e["kind"] == "program":
        assert a["pid"] == b["pid"] and "deliver" not in (a["kind"], b["kind"])
    if e["possibly"]:
        assert a["kind"] == "deliver" and a["pid"] == b["pid"] and a["seq"] not in handled
states = dag("state", "--limit", "1M")
assert [n["seq"] for n in states["nodes"]] == [s for s, e in events.items() if e["kind"] == "state"]
calls = dag("code", "--limit", "1M")
assert [n["seq"] for n in calls["nodes"]] == [s for s, e in events.items() if e["kind"] == "call"]
assert len(dag("temporal", "--limit", "1M")["nodes"]) == len(events)
started = {(events[e["cause"]]["pid"], e["pid"]) for e in events.values() if e["kind"] == "spawned" and e["cause"]}
deal = dag("interaction", "--limit", "1M")
pids = [n["pid"] for n in deal["nodes"]]
assert started == {(pids[e["from"]], pids[e["to"]]) for e in deal["edges"] if e["kind"] == "spawn"}
E
python3 check.py "$scope" relay.scope || fail "DAGs of the relay"

"$scope" dag relay.scope data --limit 100k >data.json || fail "no data flow"
python3 - "$value" <<'E' || fail "the value is not followed into the state"
import json, sys
d = json.load(open("data.json"))
nodes, after = d["nodes"], {}
for e in d["edges"]:
    after.setdefault(e["from"], []).append(e["to"])
beginning = sys.argv[1][:6]  # a label is cut
# The value goes on by itself, and within the message that carries it: from one to the other within an event.
same_event = {}
for n in nodes:
    same_event.setdefault(n["seq"], []).append(n["id"])
has = [n for n in nodes if sys.argv[1] in n["label"]]
begin = min(has, key=lambda n: n["seq"])
seen, todo = set(), [begin["id"]]
while todo:
    i = todo.pop()
    if i in seen or beginning not in nodes[i]["label"]:
        continue
    seen.add(i)
    todo += after.get(i, []) + same_event[nodes[i]["seq"]]
names = {nodes[i].get("name") for i in seen}
assert begin["event"] == "send", begin
assert {"first", "second"} <= names and any(n and "odd" in n for n in names), names
assert any(nodes[i]["event"] == "state" for i in seen), [nodes[i]["label"] for i in seen]
E

if command -v mix >/dev/null; then
  cp -r "$source_dir/examples/shop" shop && cd shop || exit 1
  mix compile >/dev/null 2>&1 || skip "the shop cannot be compiled here"
  "$scope" record --overwrite --level full -o ../shop.scope -- mix shop.load --seconds 1 --customers 2 --fault crash_on_bad_input >../recorder.log 2>&1 || fail "no recording of the shop"
  cd ..
  python3 check.py "$scope" shop.scope || fail "DAGs of the shop"
fi
if command -v dot >/dev/null; then
  for kind in temporal interaction state code data performance causality; do
    "$scope" dag relay.scope $kind --format dot | dot -Tplain >/dev/null || fail "Graphviz refuses $kind"
  done
fi

refused() { # WHAT CODE WORDS ARGUMENTS...
  local what=$1 code=$2 words=$3
  shift 3
  "$scope" dag "$@" >out 2>err
  expect "exit code: $what" $? "$code"
  grep -q -- "$words" err || fail "$what: $(cat err)"
}
refused "unknown kind" 2 "temporal, interaction, state, code, data, performance, causality" relay.scope tree
refused "no kind" 2 "a kind of DAG" relay.scope
refused "unknown format" 2 "text, json, dot, mermaid" relay.scope data --format svg
refused "no such event" 1 "99999999" relay.scope code --focus 99999999
refused "no number" 2 "number of an event" relay.scope code --focus x
refused "a pid that never lived" 1 "<0.99999.0>" relay.scope code --pid '<0.99999.0>'
refused "a limit of nothing" 2 "from 1 to" relay.scope code --limit 0
refused "no recording" 1 "nothing.scope" nothing.scope code
pass
