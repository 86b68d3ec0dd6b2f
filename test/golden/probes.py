"""What the recording says of woven code, compared with the program's own log. Usage: probes.py FOLDER"""
import collections
import json
import re
import sys

work = sys.argv[1]


def load(name):
    return [json.loads(line) for line in open(f"{work}/{name}.jsonl")]


# ---- the truth: a stack for each process, moved by what it wrote down

truth, stacks, lines, taken, caught = {}, collections.defaultdict(list), collections.defaultdict(list), collections.defaultdict(list), []
for text in open(f"{work}/truth.log"):
    pid, what, rest = re.match(r"(<[0-9.]+>) \{(\w+),(.*)\}$", text).groups()
    stack = stacks[pid]

    def end(how):
        truth[stack.pop()]["how"] = how

    if what == "enter":
        id, function = rest.split(",")
        truth[int(id)] = dict(pid=pid, function=function, parent=stack[-1] if stack else None, how=None)
        stack.append(int(id))
    elif what in ("return", "tail"):
        assert stack[-1] == int(rest), (text, stack)
        end(what)
    elif what == "caught":
        id, class_, reason = rest.split(",", 2)
        while stack[-1] != int(id):
            end("unwound")
        caught.append((pid, int(id), f"{{{class_},{reason}}}"))
    elif what == "back":
        while stack[-1] != int(rest):
            end("unwound")
    elif what == "line":
        line, values = rest.split(",", 1)
        lines[pid].append((int(line), stack[-1], values))
    elif what == "taken":
        taken[pid].append(rest)
for stack in stacks.values():
    while stack:
        truth[stack.pop()]["how"] = "exit"

# ---- calls

calls, events = load("calls"), load("events")
by_seq = {e["seq"]: e for e in events}
walks = [c for c in calls if c["function"] != "serve"]
ids = {c["call"]: int(re.match(r"\[(\d+),", by_seq[c["call"]]["payload"]).group(1)) for c in walks}
found = {ids[c["call"]]: c for c in walks}
assert len(found) == len(walks), "a call twice"
assert set(found) == set(truth), ("calls differ", sorted(set(found) ^ set(truth))[:10])
wrong = [(t, found[id]) for id, t in truth.items() if (found[id]["pid"], found[id]["function"], found[id]["how"]) != (t["pid"], t["function"], t["how"])]
assert not wrong, (len(wrong), wrong[:3])
wrong = [(id, t, found[id]) for id, t in truth.items() if (ids[found[id]["parent"]] if found[id]["parent"] else None) != t["parent"]]
assert not wrong, ("parents", len(wrong), wrong[:3])
for c in walks:
    assert by_seq[c["call"]]["woven"] is True and "woven" in by_seq[c["call"]]["flags"], c
    if c["how"] in ("return", "tail"):
        e = by_seq[c["end"]]
        assert (e["kind"], e["function"], e["parent"]) == (c["how"], c["function"], c["call"]), (c, e)
serves = [c for c in calls if c["function"] == "serve"]
assert collections.Counter(c["how"] for c in serves)["return"] == 8 and {c["how"] for c in serves} == {"return", "tail"}, "serve"

# ---- lines, with the call they are in


def variables(text):
    return re.sub(r"\s", "", text).replace("'", "")


seen = collections.defaultdict(list)
for e in events:
    if e["kind"] == "line":
        pairs = ",".join(f"{name}=>{value}" for name, value in e.get("vars", {}).items())
        seen[e["pid"]].append((e["line"], ids[e["parent"]], variables(f"#{{{pairs}}}")))
assert {p: [(l, i, variables(v)) for l, i, v in ls] for p, ls in lines.items()} == dict(seen), "lines differ"

# ---- what was caught

catches = [(e["pid"], ids[e["parent"]], variables(e["payload"])) for e in events if e["kind"] == "caught"]
assert sorted(catches) == sorted((p, i, variables(r)) for p, i, r in caught), "caught"

# ---- messages: of equal ones the oldest that was not taken

waiting = collections.defaultdict(list)
takes = collections.defaultdict(list)
for e in events:
    if e["kind"] == "deliver" and e["pid"] in taken:
        waiting[e["pid"]].append(e)
    elif e["kind"] == "taken":
        message = taken[e["pid"]][len(takes[e["pid"]])]
        takes[e["pid"]].append(e)
        first = next(d for d in waiting[e["pid"]] if variables(d["payload"]) == variables(message))
        waiting[e["pid"]].remove(first)
        assert e["cause_state"] == "paired" and e["cause"] == first["seq"], (e, first)
assert {p: len(t) for p, t in takes.items()} == {p: len(t) for p, t in taken.items()}, "taken"
assert not any(waiting.values()), "left over"

handled = {q["handled_seq"]: q for q in load("queued")}
for e in events:
    if e["kind"] == "taken":
        q = handled[e["seq"]]
        assert (q["deliver_seq"], q["queued"]) == (e["cause"], e["time"] - by_seq[e["cause"]]["time"]), (e, q)

# ---- the same in SQL, and in a part of the recording

hits = collections.Counter(l for ls in lines.values() for l, _, _ in ls)
assert {r["line"]: r["hits"] for r in load("hits")} == hits and all(r["clause"] is None and r["module"] == "probed" for r in load("hits")), "lines"
assert {r["seq"]: r["line"] for r in load("placed")} == {e["seq"]: e["line"] for e in events if "line" in e}, "events.line"


def shown(e):
    return [e.get(k) for k in ("time", "kind", "pid", "function", "payload", "line", "vars", "woven")]


half = [e for e in load("half") if e.get("woven")]
assert half and [shown(e) for e in half] == [shown(e) for e in events if e.get("woven")][: len(half)], "cut"

hows = collections.Counter(t["how"] for t in truth.values())
print(len(truth), "calls equal:", dict(hows), sum(map(len, lines.values())), "lines,", len(caught), "caught,", sum(map(len, taken.values())), "messages")
assert all(hows[h] > 0 for h in ("return", "tail", "unwound", "exit"))
