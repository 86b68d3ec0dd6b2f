# What a span says its process did in it: running, runnable and waiting add up to its time, its own time and that of the spans in it too; who
# counts never waits, and was runnable while a rival on the only scheduler says that it was running; who sleeps waits that long.
. "$(dirname "$0")/lib.sh"
erlc -o "$work" "$source_dir"/test/workload/clocks.erl || fail "clocks.erl"
returns=()
for f in outer count sleep ask garbage; do returns+=(--trace "returns:clocks:$f/2"); done
"$scope" record --overwrite -o "$work/c.scope" --trace scheduling --trace gc --trace messages "${returns[@]}" -- \
  erl +S 1:1 -noshell -pa "$work" -s clocks main "$work/truth.log" >"$work/recorder.log" 2>&1 || { cat "$work/truth.log" 2>/dev/null; fail "record: $?"; }
grep -q 'scheduling is not recorded' "$work/recorder.log" && skip "this emulator's scheduling is not recorded"
"$scope" calls --json --module clocks "$work/c.scope" >"$work/calls.jsonl" || fail "calls"
"$scope" sql "$work/c.scope" --format json "SELECT seq, total, self, running, runnable, waiting, gc FROM spans WHERE module = 'clocks' OR module = ':clocks'" >"$work/spans.jsonl" || fail "spans"
"$scope" calls --json --top --module clocks "$work/c.scope" >"$work/top.jsonl" || fail "calls --top"
python3 - "$work" <<'PY' || fail "clocks"
import collections, json, sys
work = sys.argv[1]
load = lambda name: [json.loads(line) for line in open(f"{work}/{name}.jsonl")]
calls, spans, top = load("calls"), {s["seq"]: s for s in load("spans")}, load("top")
truth, slices, worker = collections.defaultdict(list), [], None
for line in open(f"{work}/truth.log"):
    what, *rest = line.split()
    if what == "worker": worker = rest[0]
    elif what == "call": truth[rest[0]].append(tuple(map(int, rest[1:])))
    else: slices.append(tuple(map(int, rest)))
calls = [c for c in calls if c["pid"] == worker]
assert len(calls) == 30, len(calls)
by_seq = {c["call"]: c for c in calls}
inner, kinds = collections.Counter(), collections.defaultdict(list)
ms, stamp = 10**6, 50_000  # a stamp of the recording may be so much beside the program's own
for c in calls:
    assert c["how"] == "return" and None not in (c["total"], c["self"], c["running"], c["runnable"], c["waiting"]), c
    assert min(c["running"], c["runnable"], c["waiting"], c["self"]) >= 0, c
    assert c["running"] + c["runnable"] + c["waiting"] == c["total"], c
    assert c["gc"] is None or 0 <= c["gc"] <= c["running"], c
    inner[c["parent"]] += c["total"]
    kinds[c["function"]].append(c)
    s = spans[c["call"]]
    assert all(s[k] == c[k] for k in ("total", "self", "running", "runnable", "waiting", "gc")), (s, c)
for c in calls:
    assert c["self"] == c["total"] - inner[c["call"]], c
    if c["function"] != "outer":
        assert by_seq[c["parent"]]["function"] == "outer", c
rivalry = 0
for function, known in truth.items():
    found = sorted(kinds[function], key=lambda c: c["begin"])
    assert len(found) == len(known), (function, len(found), len(known))
    for c, (begin, end, slept) in zip(found, known):
        assert begin - stamp <= c["begin"] and c["begin"] + c["total"] <= end + stamp, (function, c, begin, end)
        # While the rival ran, nobody else did.
        rival = sum(max(0, min(e, c["begin"] + c["total"]) - max(b, c["begin"])) for b, e in slices)
        assert c["running"] <= c["total"] - rival * 0.95 + ms, (function, c, rival)
        if function in ("count", "garbage"):
            assert c["waiting"] == 0, (function, c)
            assert c["runnable"] >= rival * 0.95 - ms, (function, c, rival)
        if function == "count":
            rivalry += rival
            assert c["running"] > 0, c
        if slept:  # not before it was scheduled out did it begin to wait
            assert c["waiting"] + c["running"] >= slept * ms, (function, c, slept)
            assert c["waiting"] > slept * ms // 2, (function, c, slept)
        if function == "garbage" and c["gc"] is not None:
            assert c["gc"] > 0, c
assert rivalry > 0, "the rival never ran while another counted"
for row in top:
    of = kinds[row["function"]]
    assert row["count"] == len(of), row
    for key in ("total", "self", "running", "runnable", "waiting"):
        assert row[key] == sum(c[key] for c in of), (key, row)
print(len(calls), "calls,", len(slices), "slices of the rival;", rivalry // ms, "ms of rivalry; gc", "recorded" if calls[0]["gc"] is not None else "not recorded")
PY
pass
