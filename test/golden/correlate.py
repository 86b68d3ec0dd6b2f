"""Compares a recording with what its processes wrote down (test/workload/correlate.erl). Usage: correlate.py EVENTS.jsonl LOG..."""
import collections, json, re, sys

events, logs = {}, []
for line in open(sys.argv[1]):
    event = json.loads(line)
    events[event["seq"]] = event
for name in sys.argv[2:]:
    logs += [line.split() for line in open(name)]

number_in = re.compile(r"\{n,(\d+)[,}]")
problems, compared = collections.Counter(), collections.Counter()


def problem(what, event=None, more=""):
    problems[what] += 1
    if problems[what] <= 5:
        print(what, json.dumps(event) if event else "", more)


def number(event):
    found = number_in.search(event["payload"] or "") if event else None
    return int(found.group(1)) if found else None


def cause(event):
    return events.get(event["cause"]) if event and event["cause"] else None


for event in events.values():
    before = cause(event)
    if event["cause"] and (before is None or before["time"] >= event["time"] or before["seq"] >= event["seq"]):
        problem("a cause is not before its event", event)

sent = {int(n): (pid, how) for what, pid, n, *how in logs if what in ("sent", "timer")}
timers = {int(n) for what, _, n, *_ in logs if what == "timer"}
watched = {int(n): rest[0] for what, _, n, *rest in logs if what == "watched"}
handled, numbered = collections.defaultdict(list), collections.defaultdict(list)
for what, pid, n, *rest in logs:
    if what == "handled":
        handled[pid].append((int(n), rest[0]))

# Every callback, in order, as its process wrote it down; and behind it the message with this number.
CALLBACKS = {"handle_call", "handle_cast", "handle_info", "handle_event", "open", "closed", "on", "off"}
TIMEOUTS = ("[state_timeout,", "[timeout,", "[{timeout,")
for event in sorted(events.values(), key=lambda e: e["seq"]):
    if event["kind"] != "call" or "callback" not in event.get("flags", []) or event["pid"] not in handled:
        continue
    if event["module"] == "correlate_timer" and event["payload"].startswith(TIMEOUTS):
        continue
    down = re.search(r"\{(?:down|exit),(\d+)\}", event["payload"]) if "'DOWN'" in event["payload"] or "'EXIT'" in event["payload"] else None
    n = int(down.group(1)) if down else number(event)
    if event["function"] in CALLBACKS and n is not None and "{answer," not in event["payload"]:
        numbered[event["pid"]].append((n, event, bool(down)))

for pid, truth in handled.items():
    if [n for n, _ in truth] != [n for n, _, _ in numbered[pid]]:
        problem("not the callbacks that were called", more=f"{pid}: {len(truth)} handled, {len(numbered[pid])} recorded")
for pid, calls in numbered.items():
    for n, call, down in calls:
        delivery = cause(call)
        origin = cause(delivery)
        compared["handled"] += 1
        if delivery is None:
            problem("a callback has no cause", call)
        elif delivery["kind"] != "deliver" or delivery["pid"] != pid:
            problem("a callback's cause is no delivery to it", call, json.dumps(delivery))
        elif origin is None:
            problem("a handled message's delivery has no cause", delivery)
        elif down:
            compared["exit signals"] += 1
            if origin["kind"] != "exit" or origin["pid"] != watched[n]:
                problem("WRONG: the exit of another", call, json.dumps(origin))
        elif n in timers:
            compared["timers"] += 1
            if origin["kind"] != "call" or origin["function"] not in ("send_after", "start_timer") or number(origin) != n or origin["pid"] != sent[n][0]:
                problem("WRONG: the timer of another", call, json.dumps(origin))
        elif origin["kind"] != "send" or number(origin) != n or origin["pid"] != sent[n][0]:
            problem("WRONG: the message of another", call, json.dumps(origin))

# Timeouts of a state machine: of each kind the number of times it was set before says which call of start_timer it was.
started, timed_pids = collections.defaultdict(list), {pid for what, pid, *_ in logs if what == "set"}
for event in sorted(events.values(), key=lambda e: e["seq"]):
    kind = re.fullmatch(r"\[\d+,<[\d.]+>,(state_timeout|timeout|\{timeout,\w+\}),\[\]\]", event["payload"] or "")
    if event["kind"] == "call" and event["function"] == "start_timer" and event["pid"] in timed_pids and kind:
        started[kind.group(1)].append(event)
set_by, zero, fired = {}, set(), []
for what, pid, n, *rest in logs:
    if what == "set" and rest[1] == "0":
        zero.add(int(n))
    elif what == "set":
        set_by[int(n)] = started[rest[0]].pop(0)
    elif what == "fired":
        fired.append(int(n))
timeouts = sorted((e for e in events.values() if e["kind"] == "call" and e["module"] == "correlate_timer" and e["payload"].startswith(TIMEOUTS)), key=lambda e: e["seq"])
if any(started.values()) or [number(e) for e in timeouts] != fired:
    problem("not the timeouts that a state machine had", more=f"{len(fired)} {len(timeouts)}")
for n, call in zip(fired, timeouts):
    delivery = cause(call)
    if n in zero:
        compared["timeouts of no time"] += 1
        if delivery is not None:
            problem("WRONG: a timeout of no time has a cause", call, json.dumps(delivery))
    elif delivery is None and call["cause_state"] == "unknown":
        compared["timeouts of a state machine that may be another's"] += 1
    else:
        compared["timeouts of a state machine"] += 1
        if delivery is None or delivery["kind"] != "deliver" or cause(delivery) is None or cause(delivery)["seq"] != set_by[n]["seq"]:
            problem("WRONG: the timer of another timeout", call, json.dumps(delivery))

# Equal casts of one sender.
sends = sorted(e["seq"] for e in events.values() if e["kind"] == "send" and e["payload"] == "{'$gen_cast',tick}")
ticks = sorted((e for e in events.values() if e["kind"] == "call" and e["function"] == "handle_cast" and e["payload"] == "[tick]"), key=lambda e: e["seq"])
if len(sends) != sum(line[0] == "ticksent" for line in logs) or len(ticks) != sum(line[0] == "ticked" for line in logs):
    problem("not the ticks that were sent", more=f"{len(sends)} {len(ticks)}")
for send, call in zip(sends, ticks):
    compared["ticks"] += 1
    origin = cause(cause(call))
    if origin is None or origin["seq"] != send:
        problem("WRONG: another tick", call, json.dumps(origin))

# Timeouts of servers.
idles = [e for e in events.values() if e["kind"] == "call" and e["module"] == "correlate" and e["function"] == "handle_info" and e["payload"] == "[timeout]"]
if len(idles) != sum(line[0] == "idled" for line in logs):
    problem("not the timeouts that were handled", more=f"{len(idles)}")
for call in idles:
    compared["timeouts"] += 1
    if cause(call) is None or cause(call)["kind"] != "timeout" or cause(call)["pid"] != call["pid"]:
        problem("WRONG: a timeout's cause", call, json.dumps(cause(call)))

# Calls and their answers.
by_corr = collections.defaultdict(list)
for event in events.values():
    if event.get("corr") and event["kind"] in ("send", "deliver"):
        by_corr[event["corr"]].append(event)
requests = {number(e): e for e in events.values() if e["kind"] == "send" and e.get("corr") and (e["payload"] or "").startswith("{'$gen_call'")}
for what, pid, n, *_ in logs:
    if what == "answered":
        compared["answers"] += 1
        request = requests.get(int(n))
        answers = [e for e in by_corr[request["corr"]] if e["kind"] == "deliver" and e["pid"] == pid] if request else []
        origin = cause(answers[0]) if len(answers) == 1 else None
        if origin is None or origin["kind"] != "send" or f"{{answer,{n}}}" not in (origin["payload"] or ""):
            problem("WRONG: an answer", request, json.dumps(origin))
        elif "reply" not in answers[0].get("flags", []):
            problem("an answer that was waited for does not say so", answers[0])

# Deaths.
exits = {e["pid"]: e for e in events.values() if e["kind"] == "exit"}
for what, pid, n, *rest in logs:
    if what == "killed":
        compared["killed"] += 1
        if cause(exits[pid]) is None or cause(exits[pid])["pid"] != rest[0]:
            problem("WRONG: who killed it", exits[pid], rest[0])
    elif what == "alone":
        compared["alone"] += 1
        if exits[pid]["cause"]:
            problem("WRONG: it was killed by nobody", exits[pid])

# A crash, the supervisor's handling of it, and the child that it starts in there.
chains = []
for what, pid, n, *_ in logs:
    if what != "crashed" or "full" not in sys.argv[1]:
        continue
    compared["restarts"] += 1
    told = [e for e in events.values() if e["kind"] == "deliver" and e["cause"] == exits[pid]["seq"]]
    calls = [e for e in events.values() if e["kind"] == "call" and e["function"] == "handle_info" and e["cause"] in {d["seq"] for d in told}]
    spawns = [e for e in events.values() if e["kind"] == "spawn" and calls and e["parent"] == calls[0]["seq"]]
    if not told or len(calls) != 1 or len(spawns) != 1:
        problem("no chain from a crash to the restart", exits[pid], f"{len(told)} told, {len(calls)} handled, {len(spawns)} started")
    else:
        chains.append([spawns[0]["seq"], calls[0]["seq"], told[0]["seq"], exits[pid]["seq"]])

with open(sys.argv[1] + ".chains", "w") as file:
    for chain in chains:
        print(*chain, file=file)

# What no process handled.
states = collections.Counter(e["cause_state"] for e in events.values() if e["kind"] == "deliver" and number(e) is not None)
print("compared:", dict(compared), "of", len(events), "events; numbered deliveries:", dict(states))
print("problems:", dict(problems))
sys.exit(bool(problems) or min(compared[k] for k in ("handled", "timers", "ticks", "answers", "killed", "exit signals")) == 0)
