#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares a merged recording with what two nodes wrote down themselves (test/workload/crossing.erl), and with the recordings it was made of.
Usage: merge_check.py SCOPE WORK ONE TWO: names of the nodes; files WORK/one.*, WORK/two.*, WORK/both.scope."""
import collections, json, re, subprocess, sys

scope, work, one, two = sys.argv[1:]
wrong = []


def events(name):
    out = subprocess.run([scope, "export", "--to", "jsonl", "--notation", "erlang", f"{work}/{name}.scope"], check=True, capture_output=True)
    return [json.loads(line) for line in out.stdout.splitlines() if line.startswith(b'{"seq"')]


def full(pid, node):
    """<0.1.2> of `node`, <other@host.1.2>: node.1.2"""
    at = re.fullmatch(r"<(.*)\.(\d+)\.(\d+)>", pid or "")
    return at and f"{node if at[1] == '0' else at[1]}.{at[2]}.{at[3]}"


def check(what, count, expected):
    if count != expected:
        wrong.append(f"{what}: {count}, expected {expected}")


both = events("both")
by_seq = {e["seq"]: e for e in both}
who = lambda e: full(e["pid"], one)
node_of = lambda e: who(e).rsplit(".", 2)[0] if e["pid"] else None

# Order: nothing before its cause, time never backwards.
last = None
for e in both:
    if last is not None and e["time"] < last:
        wrong.append(f"event {e['seq']} is before the one in front of it")
    last = e["time"]
    if e.get("cause"):
        cause = by_seq[e["cause"]]
        if cause["seq"] >= e["seq"] or cause["time"] >= e["time"]:
            wrong.append(f"event {e['seq']} is not behind its cause {cause['seq']}")

def message(e, first):
    """What the message is, as the workload numbers it; pids without a node are of `first`."""
    text = e.get("payload") or ""
    at = re.match(r"\{(n|named),(<[^>]+>),(\d+)", text)
    if at:
        return "got", f"{full(at[2], first)}/{at[3]}"
    at = re.match(r"\{'\$gen_call',.*\{call,(<[^>]+>),(\d+)\}\}$", text)
    if at:
        return "handled", f"{full(at[1], first)}/{at[2]}"
    at = re.match(r"\{'\$gen_cast',\{cast,(<[^>]+>),(\d+)\}\}$", text)
    if at:
        return "cast", f"{full(at[1], first)}/{at[2]}"
    return None, None


# Each node's events are there, all and in their order (a delivery that waits for a send that was written down late comes later).
told = set()  # sends that the emulator told of: seldom one is missing, when the connection was busy
for name, node in (("one", one), ("two", two)):
    recorded = events(name)
    told |= {message(e, node) for e in recorded if e["kind"] == "send"}
    own = [(e["kind"], full(e["pid"], node)) for e in recorded]
    mine = [(e["kind"], who(e)) for e in both if e["pid"] and node_of(e) == node]
    by_process = lambda list: sorted((x for x in list if x[1]), key=lambda x: x[1])  # stable
    if by_process(own) != by_process(mine):
        wrong.append(f"events of {node} are not as they were recorded: {len(mine)} of {len(own)}")

# Truth.
truth = collections.defaultdict(list)
for name in ("one", "two"):
    for line in open(f"{work}/{name}.truth"):
        what, sender, to, identity = line.split()
        truth[what].append((sender, to, identity))


senders = {(what, identity): sender for what in ("got", "handled", "cast") for sender, to, identity in truth[what]}
paired = collections.Counter()
untold = 0
alike = collections.defaultdict(list)
replies = collections.Counter()
for e in both:
    if e["kind"] != "deliver" or not e["pid"]:
        continue
    what, identity = message(e, one)
    cause = by_seq.get(e.get("cause"))
    if what and identity.rsplit(".", 2)[0] != node_of(e):
        paired[what] += 1
        if (what, identity) not in told:
            untold += 1
            if cause:
                wrong.append(f"delivery {e['seq']} of {identity} has a send that is not there")
        elif not cause:
            wrong.append(f"delivery {e['seq']} of {identity} has no send")
        elif who(cause) != senders[what, identity] or message(cause, one)[1] != identity or cause["kind"] != "send":
            wrong.append(f"delivery {e['seq']} of {identity} has the wrong send {cause['seq']}")
        elif full(e["peer"], one) != who(cause):
            wrong.append(f"delivery {e['seq']} is said to come from {e['peer']}")
    if e.get("payload") == "ping":
        alike[who(e)].append(e)
    at = re.match(r"\{\[alias\|#Ref<.*>\],\{reply,(\d+)\}\}$", e.get("payload") or "")
    if at and cause and node_of(cause) != node_of(e):
        replies[who(e)] += 1
        if message(by_seq[cause["cause"]] if cause.get("cause") else {}, one)[0] or int(at[1]) != replies[who(e)]:
            wrong.append(f"reply {e['seq']} is not the caller's next one")
for what in ("got", "handled", "cast"):
    check(f"messages that were {what}", paired[what], len(truth[what]))
check("replies", sum(replies.values()), len(truth["call"]))

# Messages that are all alike: the n-th that a process got is the n-th that was sent to it.
pings = collections.defaultdict(list)
for e in both:
    if e["kind"] == "send" and e.get("payload") == "ping":
        pings[who(e)].append(e["seq"])
for sender, to, count in truth["pinged"]:
    check(f"pings of {sender}", [e.get("cause") for e in alike[to]], pings[sender])
    check(f"number of pings of {sender}", len(pings[sender]), int(count))

# Exits on the other node.
ended = {(child, parent) for child, parent, identity in truth["ended"]}
seen = set()
for e in both:
    at = re.match(r"\{'(?:EXIT|DOWN)',(?:#Ref<[^>]*>,process,)?(<[^>]+>),\{done,\d+\}\}$", e.get("payload") or "")
    if e["kind"] != "deliver" or not at:
        continue
    child, cause = full(at[1], one), by_seq.get(e.get("cause"))
    if not cause or cause["kind"] != "exit" or who(cause) != child:
        wrong.append(f"the end of {child}, delivery {e['seq']}, has no exit")
    else:
        seen.add((child, who(e)))
check("exits", len(seen), len(ended))

# A callback's message is known across nodes too.
by_cause = {e["cause"]: e for e in both if e["kind"] == "call" and e.get("cause")}
handled = sum(1 for e in both if e["kind"] == "deliver" and message(e, one)[0] in ("handled", "cast") and e["seq"] in by_cause)
check("messages whose callback is known", handled, len(truth["handled"]) + len(truth["cast"]))

print(f"{sum(paired.values())} messages, {sum(replies.values())} replies, {sum(map(len, pings.values()))} alike, {len(seen)} exits, {len(both)} events; {untold} sends were not told of")
if untold > len(told) / 100:
    wrong.append(f"{untold} sends are missing")
for w in wrong[:20]:
    print("WRONG:", w)
sys.exit(1 if wrong else 0)
