# Happens-before against the closure of what the program wrote down: sent, handled or taken as an answer, and in which order each process did so.
. "$(dirname "$0")/lib.sh"
erlc -o "$work" "$source_dir"/test/workload/order.erl || fail "order.erl"
seed=${SEED:-$RANDOM}
echo "SEED=$seed"
"$scope" record --overwrite -o "$work/o.scope" --level balanced -- erl -noshell -pa "$work" -s order main "$seed" "$work/truth.log" >"$work/recorder.log" 2>&1 || fail "record: $?"
"$scope" events --json --notation erlang --kind send,call "$work/o.scope" >"$work/events.jsonl" || fail "events"
python3 - "$work" "$scope" "$seed" <<'PY' || fail "order"
import collections, json, random, re, subprocess, sys
work, scope, seed = sys.argv[1:]
random.seed(int(seed))

# The truth: each process's own order, and from the sending of a number to its handling. Answers are handled by the calls that took them, which are
# no events; an answer to who had given up is taken by a plain receive, of which nothing is known.
lines = [l.split() for l in open(f"{work}/truth.log")]
answers = {int(n) for _, w, n in lines if w in ("taken", "late")}
unsure = {int(n) for _, w, n in lines if w == "late"}
assert len(answers - unsure) > 20 and len(unsure) > 3, (len(answers), len(unsure))
lines = [(p, "handle" if w in ("taken", "late") else w, n) for p, w, n in lines]
nodes, before = [(w, int(n)) for _, w, n in lines], {}
pid_of = {(w, int(n)): p for p, w, n in lines}
following, last, did_before = collections.defaultdict(list), {}, {}
for pid, what, number in lines:
    node = (what, int(number))
    if pid in last:
        following[last[pid]].append(node)
        did_before[node] = last[pid]
    last[pid] = node
    if what == "send": following[node].append(("handle", int(number)))
place = {n: i for i, n in enumerate(nodes)}
def reach(node):
    if node not in before:
        seen, todo = set(), [node]
        while todo:
            for n in following[todo.pop()]:
                if n not in seen and n in place: seen.add(n); todo.append(n)
        before[node] = seen
    return before[node]

# The recording: which event is which line.
seq = {}
for e in map(json.loads, open(f"{work}/events.jsonl")):
    m = re.search(r"\{number,(\d+)[,}]", e["payload"] or "")
    if m and e["kind"] == "send": node = ("send", int(m.group(1)))
    elif m and e["function"] in ("handle_cast", "handle_call"): node = ("handle", int(m.group(1)))
    else: continue
    assert node not in seq and pid_of[node] == e["pid"], (node, e)
    seq[node] = e["seq"]
known = sorted(seq, key=seq.get)
assert len(known) > 0.8 * (len(nodes) - len(answers)) > 300, (len(known), len(nodes))
sent_answers = [n for n in known if n[0] == "send" and n[1] in answers - unsure]
given_up = [(("send", n), did_before[("handle", n)]) for n in unsure]
given_up = [(a, b) for a, b in given_up if a in seq and b in seq and a != b]
sent_late = {seq[("send", n)] for n in unsure if ("send", n) in seq}
answered = {seq[("send", n)] for n in answers - unsure if ("send", n) in seq}

counts = collections.Counter()
def ask(a, b):
    return json.loads(subprocess.check_output([scope, "order", "--json", f"{work}/o.scope", str(seq[a]), str(seq[b])]))
for i in range(1500):
    a = random.choice(known)
    if i % 20 == 0: a = random.choice(sent_answers)
    near = max(0, min(len(known) - 1, known.index(a) + random.randint(-40, 40)))
    b = known[near] if i % 2 else random.choice(known)
    if i % 20 == 10: a, b = random.choice(given_up)
    answer = ask(a, b)
    truth = "same" if a == b else "before" if b in reach(a) else "after" if a in reach(b) else "concurrent"
    order, path = answer["order"], answer["path"]
    counts[truth, order] += 1
    if order in ("before", "after", "concurrent", "same"):
        assert order == truth, (a, b, answer, truth)
    else:
        assert order == "possibly " + truth or truth == "concurrent", (a, b, answer, truth)
    if order != "concurrent" and a != b:
        assert path[0] == min(seq[a], seq[b]) and path[-1] == max(seq[a], seq[b]) and path == sorted(path), answer
    if not sent_late & set(path or []):
        assert order == truth, ("handling is recorded, so that nothing is only possible", a, b, answer, truth)
    elif order.startswith("possibly") and truth == "concurrent":
        counts["given up"] += 1
    if order in ("before", "after") and answered & set(path): counts["through an answer"] += 1
for k, n in sorted(counts.items(), key=str): print(k, n) if isinstance(k, str) else print("truth %-10s answered %-16s %d" % (*k, n))
assert all(any(k[0] == t for k in counts) for t in ("before", "after", "concurrent")) and counts["through an answer"] > 20 and counts["given up"] > 0
PY
expect "how long events were under way" "$(json "$work/o.scope" "['engine']['latency_ns']['events'] > 0 and 0 < d['engine']['latency_ns']['p50'] <= d['engine']['latency_ns']['p99'] <= d['engine']['latency_ns']['max']")" True
"$scope" order "$work/o.scope" 1 999999999 2>"$work/err"; expect "an event that is not there" $? 1
"$scope" order "$work/o.scope" 1 cart 2>"$work/err"; expect "a name" $? 2
pass
