# Spans against what the program wrote down of its own calls; sums, tree and folded stacks against the spans.
. "$(dirname "$0")/lib.sh"
erlc -o "$work" "$source_dir"/test/workload/spans.erl || fail "spans.erl"
seed=${SEED:-$RANDOM}
echo "SEED=$seed"
"$scope" record --overwrite -o "$work/s.scope" --trace 'returns:spans:walk/2' --trace 'returns:spans:other/2' --trace 'returns:spans:third/2' -- \
  erl -noshell -pa "$work" -s spans main "$seed" "$work/truth.log" >"$work/recorder.log" 2>&1 || fail "record: $?"
"$scope" calls --json --module spans "$work/s.scope" >"$work/calls.jsonl" || fail "calls"
"$scope" events --json --notation erlang --kind exception "$work/s.scope" >"$work/exceptions.jsonl" || fail "events"
"$scope" calls --json --module spans --slow 100000 "$work/s.scope" >"$work/slow.jsonl" || fail "calls --slow"
"$scope" calls --json --module spans --top "$work/s.scope" >"$work/top.jsonl" || fail "calls --top"
"$scope" calls --json --module spans --tree "$work/s.scope" >"$work/tree.jsonl" || fail "calls --tree"
"$scope" calls --module spans --flame "$work/s.scope" >"$work/flame.txt" || fail "calls --flame"
python3 - "$work" <<'PY' || fail "spans"
import collections, json, re, sys
work = sys.argv[1]
def load(name): return [json.loads(l) for l in open(f"{work}/{name}.jsonl")]
calls, slow, top, tree = load("calls"), load("slow"), load("top"), load("tree")

# The truth: a stack for each process, moved by what it wrote down.
truth, stacks, tails, done, waits = {}, collections.defaultdict(list), set(), set(), set()
for line in open(f"{work}/truth.log"):
    pid, n, what, id, function = line.split()
    stack, id = stacks[pid], int(id)
    def end(how):
        truth[stack.pop()]["how"] = how
    if what == "enter":
        truth[id] = dict(pid=pid, function=function, parent=stack[-1] if stack else None, how=None, order=int(n))
        stack.append(id)
    elif what == "tail":
        tails.add(id)
    elif what == "return":
        assert stack[-1] == id
        end("return")
        while stack and stack[-1] in tails: end("return")
    elif what == "caught":
        while stack[-1] != id: end("exception")
    elif what == "waits": waits.add(pid)
    elif what == "done": done.add(pid)
for pid, stack in stacks.items():
    while stack:
        truth[stack.pop()]["how"] = "exit" if pid in waits else "exception"

arguments = {c["call"]: int(re.match(r"\[(\d+),", c["arguments"]).group(1)) for c in slow}
ends = {e["seq"]: e["payload"] for e in load("exceptions")}
found = {}
for c in calls:
    id = arguments[c["call"]]
    assert id not in found, ("a call twice", c)
    found[id] = c
assert set(found) == set(truth), ("calls differ", sorted(set(found) ^ set(truth))[:10])
for id, t in truth.items():
    c = found[id]
    # A process that is killed in a call: emulators report the signal as an exception of the calls that are watched.
    how = "exit" if c["how"] == "exception" and ends[c["end"]] == "{exit,killed}" else c["how"]
    assert (c["pid"], c["function"], how) == (t["pid"], t["function"], t["how"]), (t, c)
    assert (arguments[c["parent"]] if c["parent"] else None) == t["parent"], ("parent", t, c)
    assert c["total"] is not None and c["total"] >= 0 and c["self"] >= 0, c
    depth, above = 0, t["parent"]
    while above: depth, above = depth + 1, truth[above]["parent"]
    assert c["depth"] == depth, c
children = collections.Counter()
for id, t in truth.items():
    if t["parent"]: children[t["parent"]] += found[id]["total"]
for id, c in found.items(): assert c["self"] == c["total"] - children[id], c
assert [c["total"] for c in slow] == sorted((c["total"] for c in calls), reverse=True)

def outermost(id):
    above = truth[id]["parent"]
    while above:
        if truth[above]["function"] == truth[id]["function"]: return False
        above = truth[above]["parent"]
    return True
for row in top:
    of = [i for i in found if found[i]["function"] == row["function"]]
    times = sorted(found[i]["total"] for i in of)
    assert row["count"] == len(of) and row["self"] == sum(found[i]["self"] for i in of) and row["max"] == times[-1], row
    assert row["total"] == sum(found[i]["total"] for i in of if outermost(i)), row
    exact = times[len(times) - 1 - len(times) // 100]
    assert exact <= row["p99"] <= exact * 1.02 + 1, (exact, row)
paths = collections.defaultdict(list)
def path(id): return (path(truth[id]["parent"]) if truth[id]["parent"] else ()) + (f"spans.{truth[id]['function']}/2",)
for id in found: paths[path(id)].append(found[id])
shown = {tuple(p.lstrip(":") for p in row["path"]): row for row in tree}
assert set(shown) == set(paths), "paths differ"
for p, of in paths.items(): assert (shown[p]["count"], shown[p]["total"]) == (len(of), sum(c["total"] for c in of)), p
flame = {tuple(f.lstrip(":") for f in l.rsplit(" ", 1)[0].split(";")): int(l.rsplit(" ", 1)[1]) for l in open(f"{work}/flame.txt")}
for p, of in paths.items():
    micro = (sum(c["self"] for c in of) + 500) // 1000
    assert flame.get(p, 0) == micro, (p, flame.get(p), micro)
hows = collections.Counter(t["how"] for t in truth.values())
print(len(truth), "calls equal:", dict(hows), len(tails), "tail calls,", max(c["depth"] for c in calls), "deep")
assert all(hows[h] > 0 for h in ("return", "exception", "exit")) and tails
PY
[ "$("$scope" calls "$work/s.scope" --since -0ms --json | wc -l)" = 0 ] || fail "--since the end"
"$scope" calls "$work/s.scope" --slow 0 2>"$work/err"; expect "--slow 0" $? 2
"$scope" calls "$work/s.scope" --top --tree 2>"$work/err"; expect "--top --tree" $? 2
pass
