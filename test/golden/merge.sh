# Recordings of two nodes that talk to each other become one: every message between them has its send as its cause, nothing is before its cause,
# the clocks are as far apart as the system says, all commands work on the result. Truth: what the nodes wrote down (workload/crossing.erl).
. "$(dirname "$0")/lib.sh"
command -v epmd >/dev/null || skip "epmd is not installed"
erlc -o "$work" "$source_dir/test/workload/crossing.erl" || fail "crossing.erl"
cookie=scopetest$$
host=$(hostname -s)
name_of() { echo "es_$1_$$@$host"; }
for n in one two; do
  other=$([ $n = one ] && echo two || echo one)
  erl -noshell -sname "es_${n}_$$" -setcookie "$cookie" -pa "$work" -s crossing run "$work/$n" "$(name_of $other)" >"$work/$n.log" 2>&1 &
done
for n in one two; do wait_until 30 test -s "$work/$n.pid" || fail "node $n did not start: $(cat "$work/$n.log")"; done
for n in one two; do
  "$scope" attach "$(name_of $n)" --cookie "$cookie" --level full --for 120s --budget off --overwrite -o "$work/$n.scope" >"$work/attach_$n.log" 2>&1 &
  eval "attach_$n=$!"
done
for n in one two; do wait_until 30 grep -q traced "$work/attach_$n.log" || fail "$n is not recorded: $(cat "$work/attach_$n.log")"; done
touch "$work/one.go" "$work/two.go"
for n in one two; do wait_until 60 test -e "$work/$n.done" || fail "node $n did not end: $(cat "$work/$n.log")"; done
kill -TERM "$attach_one" "$attach_two"
for n in one two; do eval "wait \$attach_$n" || fail "attach $n: $(cat "$work/attach_$n.log")"; touch "$work/$n.end"; done
for n in one two; do wait_until 30 test -s "$work/$n.truth" || fail "node $n wrote no truth: $(cat "$work/$n.log")"; cat "$work/$n.log"; done
for n in one two; do expect "losses of $n" "$(json "$work/$n.scope" "['losses']['total']")" 0; done

# The whole, against the truth.
merge() { "$scope" merge --overwrite "$@" >"$work/merge.log" 2>&1 || fail "merge $*: $(cat "$work/merge.log")"; }
merge -o "$work/both.scope" "$work/one.scope" "$work/two.scope"
cat "$work/merge.log"
python3 "$source_dir/test/golden/merge_check.py" "$scope" "$work" "$(name_of one)" "$(name_of two)" || fail "it is not what happened"
"$scope" info --verify "$work/both.scope" >"$work/info.txt" || fail "info --verify: $(cat "$work/info.txt")"
grep -q "$(name_of two)" "$work/info.txt" || fail "info does not name the second node"

# Both nodes run on this machine: the system's clock, by which each knows its own, says how far they are apart.
python3 - "$work" "$scope" <<'PY' || fail "the clocks"
import json, subprocess, sys
work, scope = sys.argv[1:]
info = lambda name: json.loads(subprocess.run([scope, "info", "--json", f"{work}/{name}.scope"], check=True, capture_output=True).stdout)
one, two, both = info("one"), info("two"), info("both")
apart = int(two["meta"]["wall_offset_ns"]) - int(one["meta"]["wall_offset_ns"])
node = both["nodes"][1]
print("the clocks are", apart, "ns apart; found:", node["offset_ns"], "±", node["uncertainty_ns"], "from", node["messages_in"], "+", node["messages_out"])
slack = 200_000  # how well an emulator knows the system's clock
assert node["clock_from"] == "messages" and node["contradictions"] == 0 and node["lines"] == 1, node
assert abs(node["offset_ns"] - apart) <= node["uncertainty_ns"] + slack, node
assert both["events"]["total"] == one["events"]["total"] + two["events"]["total"]
assert both["events"]["by_kind"] == {k: one["events"]["by_kind"].get(k, 0) + two["events"]["by_kind"].get(k, 0) for k in both["events"]["by_kind"]}
assert both["processes"] == one["processes"] + two["processes"]
assert both["causes"]["paired"] > one["causes"]["paired"] + two["causes"]["paired"] + 3000
assert [n["otp"] for n in both["nodes"]] == [one["otp"], two["otp"]] and [n["end_reason"] for n in both["nodes"]] == ["stopped", "stopped"]
PY

# Commands. A server of the second node, called from the first.
b=$work/both.scope
server=$("$scope" ps --json "$b" | python3 -c "
import json,sys
for line in sys.stdin:
    p = json.loads(line)
    if p['name'] == 'server' and p['node'] == '$(name_of two)': print(p['pid'])")
[ -n "$server" ] || fail "ps does not find the server of the second node"
expect "state" "$("$scope" state "$b" "$server" --notation erlang --json | python3 -c "import json,sys; print(json.load(sys.stdin)['state'])")" '#{calls => 200,casts => 200}'
expect "the same, asked for without brackets" "$("$scope" state "$b" "$(echo "$server" | tr -d '<>')" --notation erlang --json | python3 -c "import json,sys; print(json.load(sys.stdin)['state'])")" '#{calls => 200,casts => 200}'
caller=$("$scope" sql "$b" --format json "SELECT peer FROM events WHERE pid = '$server' AND kind = 'deliver' AND peer LIKE '<0.%' AND payload LIKE '%gen_call%' LIMIT 1" | python3 -c "import json,sys; print(json.load(sys.stdin)['peer'])")
"$scope" flow "$b" "$caller" "$server" --json | python3 -c "
import json,sys
f = json.load(sys.stdin)
assert f['count'] == 200 and f['round_trip']['count'] == 100 and f['latency']['count'] == 200 and f['handling']['count'] == 200, f['count']
assert all(m['latency'] > 0 for m in f['messages'])" || fail "flow between the nodes"
call=$("$scope" sql "$b" --format json "SELECT max(seq) AS seq FROM events WHERE pid = '$server' AND kind = 'call' AND function = 'handle_call'" | tr -dc 0-9)
"$scope" why "$b" "$call" | grep -q "<0\..*sends to {server," || fail "why does not lead to the other node: $("$scope" why "$b" "$call")"
sent=$("$scope" sql "$b" --format json "SELECT s.seq AS seq FROM events c JOIN events d ON d.seq = c.cause JOIN events s ON s.seq = d.cause WHERE c.seq = $call" | tr -dc 0-9)
"$scope" order "$b" "$sent" "$call" --json | grep -q '"order": *"before"' || fail "order: $("$scope" order "$b" "$sent" "$call" --json)"
"$scope" leads-to "$b" "$sent" | grep -qF "$server" || fail "leads-to"
"$scope" snapshot "$b" --at -1ms --node "$(name_of two)" --json >"$work/snapshot.json" || fail "snapshot"
grep -q '"name":"server"' "$work/snapshot.json" && ! grep -q '"pid":"<0\.' "$work/snapshot.json" || fail "snapshot of one node"
expect "find" "$("$scope" find "$b" "pid = $server and kind = state and state.calls = 200" --limit 1 | grep -cF "$server")" 1
for view in temporal interaction state code data performance causality; do
  "$scope" dag "$b" $view --format json --limit 500 >"$work/dag.json" || fail "dag $view"
  python3 -c "import json; d = json.load(open('$work/dag.json')); assert d['nodes'], '$view'" || fail "dag $view is empty"
done
"$scope" dag "$b" interaction --pid "$caller" --format json | grep -qF "$server" || fail "the interaction DAG does not lead to the other node"
"$scope" timeline "$b" --json >"$work/timeline.json" && grep -qF "$server" "$work/timeline.json" || fail "timeline"
"$scope" calls "$b" >/dev/null && "$scope" export --to perfetto "$b" >/dev/null && "$scope" export --to etf "$b" >/dev/null || fail "calls, export"
"$scope" cut "$b" --since 30% --until 70% --overwrite -o "$work/part.scope" >/dev/null && "$scope" ps "$work/part.scope" | grep -qF "$(name_of two)" || fail "cut"
"$scope" events "$b" --node "$(name_of two)" --limit 5 --json | grep -q '"pid":"<0\.' && fail "events of one node show the other's"

# The other way round, and with a wrong offset by hand: what was said is believed, and still nothing is before its cause.
merge -o "$work/swapped.scope" "$work/two.scope" "$work/one.scope"
expect "pairs, swapped" "$(json "$work/swapped.scope" "['causes']['paired']")" "$(json "$b" "['causes']['paired']")"
merge -o "$work/given.scope" --offset 100000000 "$work/one.scope" "$work/two.scope"
expect "how a given offset is found" "$(json "$work/given.scope" "['nodes'][1]['clock_from'], d['nodes'][1]['offset_ns']")" "given 100000000"
grep -q "contradict" "$work/merge.log" || fail "a wrong offset is not called one: $(cat "$work/merge.log")"
"$scope" export --to jsonl "$work/given.scope" | python3 -c "
import json,sys
times = {}
last = None
for line in sys.stdin:
    e = json.loads(line)
    times[e['seq']] = e['time']
    assert last is None or e['time'] >= last, e
    assert not e.get('cause') or times[e['cause']] < e['time'], e
    last = e['time']" || fail "the order with a given offset"

# A part whose sends lie before its beginning: the rest is paired as before, nothing is made up.
middle=$("$scope" sql "$b" --format json "SELECT time FROM events WHERE pid LIKE '<0.%' AND kind = 'deliver' AND peer LIKE '<es_two%' LIMIT 1 OFFSET 900" | tr -dc '0-9-')
"$scope" cut "$work/one.scope" --since "$middle" --overwrite -o "$work/late.scope" >/dev/null || fail "cut"
merge -o "$work/late_both.scope" "$work/late.scope" "$work/two.scope"
python3 - "$scope" "$work" <<'PY' || fail "a part of a recording"
import json, subprocess, sys
scope, work = sys.argv[1:]
def pairs(name):
    out = subprocess.run([scope, "export", "--to", "jsonl", f"{work}/{name}.scope"], check=True, capture_output=True).stdout
    events = {e["seq"]: e for e in map(json.loads, out.splitlines())}
    node = lambda e: e["node"]
    key = lambda e: (e["pid"], e["payload"], e["peer"])
    return {(key(e), key(events[e["cause"]])) for e in events.values()
            if e["kind"] == "deliver" and e.get("cause") and events[e["cause"]]["kind"] == "send" and node(events[e["cause"]]) != node(e) and e["payload"] != ":ping"}
whole, part = pairs("both"), pairs("late_both")
print(len(part), "of", len(whole), "pairs in a part")
assert part <= whole and part, list(part - whole)[:3]
PY

# Bad input.
refused() { # TEXT ARGUMENT...
  local text=$1
  shift
  rm -f "$work/refused.scope"
  "$scope" merge -o "$work/refused.scope" "$@" >"$work/refused.log" 2>&1
  expect "exit code of merge $*" $? "${code:-1}"
  grep -q "$text" "$work/refused.log" || fail "merge $* does not say '$text': $(cat "$work/refused.log")"
  ls "$work"/refused.scope* >/dev/null 2>&1 && fail "merge $* left a file"
}
refused "given twice" "$work/one.scope" "$work/one.scope"
cp "$work/one.scope" "$work/copy.scope"
refused "copies of one recording" "$work/one.scope" "$work/copy.scope"
"$scope" cut "$work/one.scope" --since 10% --overwrite -o "$work/cut.scope" >/dev/null
refused "at the same time" "$work/one.scope" "$work/cut.scope"
refused "merged already" "$work/both.scope" "$work/one.scope"
refused "no such file\|No such file" "$work/one.scope" "$work/none.scope"
echo "not a recording" >"$work/text.scope"
refused "not a recording" "$work/one.scope" "$work/text.scope"
code=2 refused "recordings are needed" "$work/one.scope"
code=2 refused "offset" --offset 1 --offset 2 "$work/one.scope" "$work/two.scope"
code=2 refused "nanoseconds" --offset later "$work/one.scope" "$work/two.scope"
"$scope" merge -o "$work/both.scope" "$work/one.scope" "$work/two.scope" >"$work/refused.log" 2>&1
expect "exit code where the result exists" $? 1
"$scope" merge --overwrite -o "$work/one.scope" "$work/one.scope" "$work/two.scope" >"$work/refused.log" 2>&1
expect "exit code where the result is an input" $? 1
"$scope" info "$work/one.scope" >/dev/null || fail "the input was damaged"

# A block that cannot be read is left out, and said to be lost.
cp "$work/two.scope" "$work/broken.scope"
python3 -c "
import sqlite3
db = sqlite3.connect('$work/broken.scope')
db.execute('UPDATE columns SET data = zeroblob(length(data)) WHERE rowid = (SELECT min(rowid) FROM columns)')
db.commit()"
merge -o "$work/damaged.scope" "$work/one.scope" "$work/broken.scope"
expect "damaged blocks" "$(json "$work/damaged.scope" "['nodes'][1]['damaged_blocks']")" 1
[ "$(json "$work/damaged.scope" "['losses']['total']")" -gt 0 ] || fail "damage is not a loss"
"$scope" info --verify "$work/damaged.scope" >/dev/null || fail "the result is damaged too"
pass
