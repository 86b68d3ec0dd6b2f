# find on a recording of examples/shop: random expressions against what python finds in `events --json`; paths into states against the
# states as tagged JSON; directions, refusals.
. "$(dirname "$0")/lib.sh"
command -v mix >/dev/null || skip "no mix"
(cd "$source_dir/examples/shop" && mix compile >/dev/null) || fail "examples/shop does not compile"
cd "$source_dir/examples/shop" || fail "no examples/shop"
"$scope" record --overwrite -o "$work/shop.scope" --level full -- mix shop.load --seconds 2 --customers 10 --fault crash_on_bad_input >"$work/recorder.log" 2>&1 || fail "record"
cd "$work" || exit 1
"$scope" events "$work/shop.scope" --json >"$work/events.jsonl" || fail "events"
python3 - "$scope" "$work" <<'PY' || fail "answers"
import json, random, re, subprocess, sys
scope, work = sys.argv[1:]
film = f"{work}/shop.scope"
events = [json.loads(line) for line in open(f"{work}/events.jsonl")]
seed = random.randrange(1 << 30); print("seed", seed); random.seed(seed)

def find(expression, *options):
    got = subprocess.run([scope, "find", film, expression, "--json", *options], capture_output=True, text=True)
    assert got.returncode == 0, (expression, got.stderr)
    return [json.loads(line) for line in got.stdout.splitlines()]

def condition():
    e, other = random.choice(events), random.choice(events)
    choices = [(f"seq <= {e['seq']}", lambda x: x["seq"] <= e["seq"]), (f"seq > {e['seq']}", lambda x: x["seq"] > e["seq"]),
               (f"time >= {e['time']}", lambda x: x["time"] >= e["time"]), (f"time < {e['time']}", lambda x: x["time"] < e["time"]),
               (f"kind = {e['kind']}", lambda x: x["kind"] == e["kind"]), (f"kind != {e['kind']}", lambda x: x["kind"] != e["kind"]),
               (f"kind in ({e['kind']}, {other['kind']})", lambda x: x["kind"] in (e["kind"], other["kind"])),
               (f"cause", lambda x: x["cause"] is not None)]
    for field in ("pid", "name", "module", "function", "peer"):
        v = e[field]
        if v is not None and '"' not in v and "'" not in v and "\\" not in v:
            choices += [(f'{field} = "{v}"', lambda x, f=field, v=v: x[f] == v), (f'{field} != "{v}"', lambda x, f=field, v=v: x[f] is not None and x[f] != v)]
            if re.fullmatch(r"[A-Za-z_.]+", v):
                choices.append((f"{field} = {v}", lambda x, f=field, v=v: x[f] == v))
            choices.append((f'{field} ~ "{v[1:5]}"', lambda x, f=field, v=v: x[f] is not None and v[1:5] in x[f]))
    if e["arity"] is not None:
        choices.append((f"arity > {e['arity']}", lambda x: x["arity"] is not None and x["arity"] > e["arity"]))
    p = e["payload"]
    if p and e["kind"] != "state" and re.fullmatch(r"[\w :{,]+", p[1:6]):
        choices.append((f'not kind = state and payload ~ "{p[1:6]}"', lambda x, p=p: x["kind"] != "state" and x["payload"] is not None and p[1:6] in x["payload"]))
    return random.choice(choices)

def expression(depth):
    if depth == 0 or random.random() < 0.3:
        return condition()
    (a, f), (b, g) = expression(depth - 1), expression(depth - 1)
    return random.choice([(f"({a}) and ({b})", lambda x: f(x) and g(x)), (f"({a}) or ({b})", lambda x: f(x) or g(x)), (f"not ({a})", lambda x: not f(x))])

for _ in range(80):
    text, test = expression(3)
    want = [e for e in events if test(e)]
    limit = random.randrange(1, 30)
    assert find(text, "--limit", str(limit)) == want[:limit], text
    assert find(text, "--reverse", "--limit", str(limit)) == want[::-1][:limit], text
    assert find(text, "--next") == want[:1] and find(text, "--prev") == want[-1:], text
    at = random.choice(events)
    assert find(text, "--next", "--from", str(at["time"])) == [e for e in want if e["time"] >= at["time"]][:1], (text, at["time"])
    assert find(text, "--prev", "--from", str(at["time"])) == [e for e in want if e["time"] <= at["time"]][-1:], (text, at["time"])

# Paths: the stock that is left, read out of the printed state by hand; unchanged states repeat the one before.
left, last = {}, {}
for e in events:
    if e["kind"] != "state" or e["name"] != "Shop.Inventory":
        continue
    if "state_same" not in e.get("flags", []):
        m = re.search(r'"assam" => %\{initial: \d+, left: (\d+)', e["payload"] or "")
        last[e["pid"]] = int(m.group(1)) if m else None
    left[e["seq"]] = last.get(e["pid"])
assert len(set(left.values()) - {None}) > 3, "the stock does not change"
middle = sorted(v for v in left.values() if v is not None)[len(left) // 2]
got = [e["seq"] for e in find(f'name = Shop.Inventory and state.stock["assam"].left < {middle}')]
assert got == [seq for seq, v in left.items() if v is not None and v < middle], (middle, got[:5])
redeem = [e["seq"] for e in events if e["kind"] == "call" and e["function"] == "handle_call" and (e["payload"] or "").startswith("[{:redeem, ")]
assert redeem and [e["seq"] for e in find("function = handle_call and kind = call and args[0]{0} = :redeem")] == redeem
print(len(events), "events, 80 random expressions, stock below", middle, "in", len(got))
PY
refuse() { # CODE PATTERN ARGUMENT...
  local code=$1 pattern=$2 got
  shift 2
  "$scope" find "$@" >"$work/out" 2>&1
  got=$?
  [ $got = "$code" ] || fail "$*: exit $got, expected $code: $(cat "$work/out")"
  grep -qE "$pattern" "$work/out" || fail "$*: says '$(cat "$work/out")', not /$pattern/"
}
refuse 2 'at column 1: there is no field knd' "$work/shop.scope" 'knd = 1'
refuse 2 'Fields: seq, time' "$work/shop.scope" 'knd = 1'
refuse 2 'no such kind' "$work/shop.scope" 'kind = sned'
refuse 2 'one expression' "$work/shop.scope"
refuse 1 'outside' "$work/shop.scope" 'kind = send' --from +10h
pass
