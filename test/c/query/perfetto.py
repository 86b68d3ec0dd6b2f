# SPDX-License-Identifier: MIT
"""What a viewer relies on in a Perfetto export: spans of a thread nest, arrows begin and end at spans, threads have names."""
import collections
import json
import sys

trace = json.load(open(sys.argv[1], encoding="utf-8"))
events = trace["traceEvents"]
threads, names, flows, opened = collections.defaultdict(list), {}, collections.defaultdict(list), collections.Counter()
for e in events:
    where = (e["pid"], e["tid"])
    if e["ph"] == "M":
        names[where if e["name"] == "thread_name" else e["pid"]] = e["args"]["name"]
        continue
    assert e["ts"] >= 0, e
    time = round(e["ts"] * 1000)
    if e["ph"] == "X":
        assert e["dur"] > 0 and e["name"] and e["args"]["seq"] > 0, e
        threads[where].append((time, time + round(e["dur"] * 1000), e["name"]))
    elif e["ph"] in "sf":
        flows[e["id"]].append((e["ph"], where, time))
        assert e["ph"] == "s" or e["bp"] == "e", e
    elif e["ph"] in "BE":
        opened[where] += 1 if e["ph"] == "B" else -1
        assert opened[where] >= 0, e
    elif e["ph"] in "be":
        assert e["id"], e
    else:
        assert e["ph"] == "i" and e["s"] in "tg", e
tids = collections.defaultdict(set)
for e in events:
    tids[e["tid"]].add(e["pid"])
assert all(len(pids) == 1 for pids in tids.values()), "viewers look threads up by their number alone"
assert not {0, 1, 2} & set(tids), "numbers with a meaning of their own"
for where, spans in threads.items():
    assert where in names, f"{where} has no name"
    stack = []
    for begin, end, name in sorted(spans, key=lambda s: (s[0], -s[1])):
        while stack and stack[-1][1] <= begin:
            stack.pop()
        assert not stack or end <= stack[-1][1], f"{name} of {where} ends behind {stack[-1][2]}"
        stack.append((begin, end, name))
for ident, ends in flows.items():
    assert [p for p, _, _ in ends].count("s") == 1, (ident, ends)
    for _, where, time in ends:
        assert any(b <= time < e for b, e, _ in threads[where]), f"arrow {ident} hangs in the air"
    assert all(time >= ends[0][2] for _, _, time in ends), (ident, ends)
for name in sorted(f"{n}" for k, n in names.items()):
    print("name", name)
for phase in "XiBEsfbe":
    print(phase, sum(e["ph"] == phase for e in events))
for where in sorted(threads):
    print(names[where] + ":", ", ".join(f"{n} {e - b}" for b, e, n in sorted(threads[where])))
