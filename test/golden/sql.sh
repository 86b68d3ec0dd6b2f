# SQL on a recording of examples/shop: the questions of docs/sql.md give rows; filters, ranges, order and groups agree with what
# python counts over `events --json`; formats, refusals, the prompt.
. "$(dirname "$0")/lib.sh"
command -v mix >/dev/null || skip "no mix"
(cd "$source_dir/examples/shop" && mix compile >/dev/null) || fail "examples/shop does not compile"
cd "$source_dir/examples/shop" || fail "no examples/shop"
"$scope" record --overwrite -o "$work/shop.scope" --level full -- mix shop.load --seconds 3 --customers 10 --fault crash_on_bad_input >"$work/recorder.log" 2>&1 || fail "record"
cd "$work" || exit 1
"$scope" events "$work/shop.scope" --json >"$work/events.jsonl" || fail "events"
"$scope" info "$work/shop.scope" --json >"$work/info.json" || fail "info"

python3 - "$scope" "$work" "$source_dir/docs/sql.md" <<'PY' || fail "answers"
import collections, csv, io, json, random, re, subprocess, sys
scope, work, page = sys.argv[1:]
film = f"{work}/shop.scope"
events = [json.loads(line) for line in open(f"{work}/events.jsonl")]
info = json.load(open(f"{work}/info.json"))
seed = random.randrange(1 << 30); print("seed", seed); random.seed(seed)

def ask(query, *options):
    got = subprocess.run([scope, "sql", film, "--format", "json", *options, query], capture_output=True, text=True)
    assert got.returncode == 0, (query, got.stderr)
    return [json.loads(line) for line in got.stdout.splitlines()]

# The page: its questions give rows, its tables are those that there are.
text = open(page).read()
questions = re.findall(r"```sql( optional)?\n(.*?)```", text, re.S)
assert len([q for q in questions]) >= 20, len(questions)
for optional, query in questions:
    assert ask(query) or optional, query
for name in set(re.findall(r"^### (\w+)$", text, re.M)):
    columns = [row["name"] for row in ask(f"SELECT name FROM pragma_table_xinfo('{name}')")]
    section = text.split(f"### {name}\n")[1].split("\n### ")[0].split("\n## ")[0]
    told = re.findall(r"^\| `(\w+)` \|", section, re.M)
    assert told == columns, (name, told, columns)

# Counts, against info and against the events.
by = collections.Counter(e["kind"] for e in events)
assert {r["kind"]: r["n"] for r in ask("SELECT kind, count(*) n FROM events GROUP BY kind")} == by == info["events"]["by_kind"]
assert {r["value"]: r["events"] for r in ask("SELECT * FROM histogram('kind')")} == by
for column in "pid name module function peer".split():
    want = collections.Counter(e[column] for e in events)
    assert {r["value"]: r["events"] for r in ask(f"SELECT * FROM histogram('{column}')")} == want, column
    assert {r[column]: r["n"] for r in ask(f"SELECT {column}, count(*) n FROM events GROUP BY {column}")} == want, column
assert ask("SELECT count(*) n FROM processes")[0]["n"] == info["processes"]
assert sum(r["events"] for r in ask("SELECT events FROM timeline(50)")) == len(events)
sends = {e["seq"]: e for e in events if e["kind"] in ("send", "send_dead")}
messages = ask("SELECT seq, deliver_seq, latency, sender, receiver FROM messages")
delivered = {e["seq"]: e for e in events if e["kind"] == "deliver"}
assert sorted(m["deliver_seq"] for m in messages if m["deliver_seq"]) == sorted(delivered)
assert sorted(m["seq"] for m in messages if m["seq"]) == sorted(sends)
for m in messages:
    if m["seq"] and m["deliver_seq"]:
        assert delivered[m["deliver_seq"]]["cause"] == m["seq"] and m["latency"] == delivered[m["deliver_seq"]]["time"] - sends[m["seq"]]["time"], m
    elif m["deliver_seq"]:
        assert delivered[m["deliver_seq"]]["cause"] not in sends, m
ends = {e["seq"]: e for e in events if e["kind"] in ("return", "exception")}
# Spans are those of `calls`, edges those of `dag`: one truth.
def lines(*arguments):
    return subprocess.run([scope, *arguments], capture_output=True, text=True, check=True).stdout
clocks = "total self running runnable waiting gc".split()
spans = {s["seq"]: s for s in ask(f"SELECT seq, end_seq, time, parent, depth, outcome, {', '.join(clocks)} FROM spans")}
told = [json.loads(line) for line in lines("calls", film, "--json").splitlines()]
assert len(told) == len(spans) == len([e for e in events if e["kind"] == "call"])
for c in told:
    s = spans[c["call"]]
    assert (s["outcome"] or "unknown") == c["how"] and all(s[k] == c[k] for k in clocks) and s["time"] == c["begin"], (s, c)
for s in spans.values():
    if s["outcome"] in ("return", "exception"):
        end = ends[s["end_seq"]]
        assert s["total"] == end["time"] - s["time"] and s["outcome"] == end["kind"] and end["parent"] in (s["seq"], None), (s, end)
    if s["running"] is not None and s["total"] is not None:
        assert s["running"] + s["runnable"] + s["waiting"] == s["total"], s
flame = {r["stack"]: r for r in ask("SELECT * FROM flame()")}
assert sum(r["self"] for r in flame.values()) == sum(max(s["self"] or 0, 0) for s in spans.values() if s["outcome"] in ("return", "exception", "exit"))
for kind in "temporal interaction state code data performance causality".split():
    dag = json.loads(lines("dag", film, kind, "--limit", "1M"))
    seqs = [n["seq"] for n in dag["nodes"]]
    want = sorted((seqs[e["from"]], seqs[e["to"]], e["kind"], int(bool(e["possibly"]))) for e in dag["edges"])
    got = sorted((r["source"], r["target"], r["kind"], r["possibly"]) for r in ask(f"SELECT source, target, kind, possibly FROM edges('{kind}', 1000000)"))
    assert got == want and got, kind
versions = {}
for r in ask("SELECT seq, pid, version, changed FROM states ORDER BY seq"):
    versions[r["pid"]] = versions.get(r["pid"], 0) + r["changed"]
    assert r["version"] == (versions[r["pid"]] or None), r
busy = max(versions, key=versions.get)
history = [json.loads(line) for line in lines("state", film, busy, "--history", "--json").splitlines()]
assert {v["seq"]: v["version"] for v in history} == {r["seq"]: r["version"] for r in ask(f"SELECT seq, version FROM states WHERE pid = '{busy}' AND changed")}
changed = [e["seq"] for e in events if e["kind"] == "state" and "state_same" not in e.get("flags", [])]
assert [r["seq"] for r in ask("SELECT seq FROM state_changes ORDER BY seq")] == changed
# Random questions.
fields = "seq time kind pid name peer module function arity cause payload".split()
def random_condition():
    e = random.choice(events)
    other = random.choice(events)
    kinds = [random.choice(events)["kind"] for _ in range(3)]
    quoted = lambda v: "'" + v.replace("'", "''") + "'"
    choices = [(f"seq <= {e['seq']}", lambda x: x["seq"] <= e["seq"]), (f"seq > {e['seq']}", lambda x: x["seq"] > e["seq"]),
               (f"time >= {e['time']}", lambda x: x["time"] >= e["time"]), (f"time < {e['time']}", lambda x: x["time"] < e["time"]),
               (f"kind = '{e['kind']}'", lambda x: x["kind"] == e["kind"]), (f"kind IN {tuple(kinds)}", lambda x: x["kind"] in kinds)]
    for field in ("pid", "name", "module", "function"):
        if e[field] is not None:
            choices.append((f"{field} = {quoted(e[field])}", lambda x, field=field: x[field] == e[field]))
    if e["pid"] and other["pid"]:
        choices.append((f"pid IN ('{e['pid']}', '{other['pid']}')", lambda x: x["pid"] in (e["pid"], other["pid"])))
    return random.choice(choices)
for _ in range(60):
    conditions = [random_condition() for _ in range(random.randrange(4))]
    where = " AND ".join(["1"] + [c for c, _ in conditions])
    found = [e for e in events if all(test(e) for _, test in conditions)]
    limit, skip, down = random.randrange(40), random.choice([0, 0, random.randrange(3000)]), random.random() < 0.5
    got = ask(f"SELECT {', '.join(fields)} FROM events WHERE {where} ORDER BY seq {'DESC' if down else ''} LIMIT {limit} OFFSET {skip}")
    want = [{f: e[f] for f in fields} for e in (found[::-1] if down else found)[skip:skip + limit]]
    assert got == want, (where, limit, skip, down, got[:1], want[:1])
    group = random.choice("kind pid name module function arity".split())
    got = {r["v"]: (r["n"], r["last"]) for r in ask(f"SELECT {group} v, count(*) n, max(seq) last FROM events WHERE {where} GROUP BY {group}")}
    count = {r["v"]: r["n"] for r in ask(f"SELECT {group} v, count(*) n FROM events WHERE {where} GROUP BY {group}")}
    want = {}
    for e in found:
        want[e[group]] = (want.get(e[group], (0, 0))[0] + 1, e["seq"])
    assert got == want and count == {v: n for v, (n, _) in want.items()}, (where, group)

# Formats.
plain = subprocess.run([scope, "sql", film, "--format", "csv", "SELECT seq, payload, 'a,\"b\"' q, '' e, NULL n FROM events WHERE payload IS NOT NULL LIMIT 20"], capture_output=True, check=True).stdout.decode()
rows = list(csv.reader(io.StringIO(plain, newline="")))
assert rows[0] == ["seq", "payload", "q", "e", "n"] and len(rows) == 21 and "\r\n" in plain
with_payload = [e for e in events if e["payload"] is not None][:20]
assert [r[1] for r in rows[1:]] == [e["payload"] for e in with_payload] and rows[1][2:] == ['a,"b"', "", ""]
(erlang,) = ask("SELECT payload FROM events('erlang') WHERE kind = 'exit' ORDER BY seq LIMIT 1")
assert erlang == ask("SELECT payload FROM events WHERE kind = 'exit' ORDER BY seq LIMIT 1", "--notation", "erlang")[0]
print(len(events), "events,", len(questions), "questions of the page, 60 random ones")
PY

# Refusals: nothing is written, every answer says what to do.
sum=$(cksum <"$work/shop.scope")
refuse() { # CODE PATTERN ARGUMENT...
  local code=$1 pattern=$2 got
  shift 2
  "$scope" sql "$@" >"$work/out" 2>&1 </dev/null
  got=$?
  [ $got = "$code" ] || fail "$*: exit $got, expected $code: $(cat "$work/out")"
  grep -qE "$pattern" "$work/out" || fail "$*: says '$(cat "$work/out")', not /$pattern/"
}
refuse 1 'may only read' "$work/shop.scope" "DELETE FROM events"
refuse 1 'may only read' "$work/shop.scope" "ATTACH '$work/new.db' AS n"
refuse 1 'may only read' "$work/shop.scope" "VACUUM INTO '$work/new.db'"
refuse 1 'may only read' "$work/shop.scope" "SELECT load_extension('x')"
refuse 1 'Did you mean events' "$work/shop.scope" "SELECT * FROM event"
refuse 1 'at column 8.*' "$work/shop.scope" "SELECT knid FROM events"
refuse 1 'longer than it may' --timeout 100ms "$work/shop.scope" "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT max(x) FROM c"
refuse 2 'format' --format xml "$work/shop.scope" "SELECT 1"
refuse 2 'one recording' --limit 5
refuse 1 'o such file' "$work/absent.scope" "SELECT 1"
refuse 0 '^1 row' --limit 1 "$work/shop.scope" "SELECT seq FROM events"
[ -e "$work/new.db" ] && fail "a query made a file"
expect "the recording" "$(cksum <"$work/shop.scope")" "$sum"
echo "SELECT 1 AS one; SELECT 2 AS two" >"$work/two.sql"
expect "--file" "$("$scope" sql "$work/shop.scope" --file "$work/two.sql" --format json | tr '\n' ' ')" '{"one":1} {"two":2} '
expect "standard input" "$(echo 'SELECT 3 AS three;' | "$scope" sql "$work/shop.scope" --format json)" '{"three":3}'
"$scope" sql "$work/shop.scope" "SELECT * FROM events" 2>/dev/null | head -n 1 >/dev/null || fail "a closed pipe"

# A query that runs is stopped by Ctrl-C.
"$scope" sql --timeout 2m "$work/shop.scope" "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT max(x) FROM c" 2>"$work/out" &
query=$!
wait_until 10 grep -qE '^SigCgt:.*[2367abef]$' "/proc/$query/status" && kill -INT $query
wait $query
grep -q interrupted "$work/out" || fail "Ctrl-C: $(cat "$work/out")"

# The prompt, on a terminal.
ELIXIRSCOPE_HISTORY="$work/history" python3 - "$scope" "$work/shop.scope" <<'PY' || fail "the prompt"
import os, pty, re, select, signal, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.environ.update(TERM="xterm", NO_COLOR="1", COLUMNS="120")
    os.execv(sys.argv[1], [sys.argv[1], "sql", sys.argv[2], "--timeout", "2m"])
seen = ""
def until(pattern, seconds=30):
    global seen
    end = time.time() + seconds
    while not re.search(pattern, seen):
        ready, _, _ = select.select([fd], [], [], max(0, end - time.time()))
        assert ready, (pattern, seen)
        try: data = os.read(fd, 4096)
        except OSError: data = b""
        assert data, (pattern, seen)
        seen += data.decode(errors="replace")
    seen = seen[re.search(pattern, seen).end():]
def say(text): os.write(fd, text.encode())
until(r"sql> ")
say(".tables\n"); until(r"state_changes"); until(r"sql> ")
say(".schema losses\n"); until(r"end_time"); until(r"sql> ")
say("SELECT 40 +\n"); until(r"\.\.\.> ")
say("2 AS answer;\n"); until(r"\b42\b"); until(r"1 row"); until(r"sql> ")
say("SELECT count(*) AS n FROM state_ch\t;\n"); until(r"1 row"); until(r"sql> ")
say("SELECT seq FROM events WHERE kind = 'spawne\t' LIMIT 1;\n"); until(r"1 row"); until(r"sql> ")
say("SELECT nonsense FROM events;\n"); until(r"no such column"); until(r"sql> ")
say(".format json\n"); until(r"sql> "); say("SELECT 7 AS seven;\n"); until(r'\{"seven":7\}'); until(r"sql> ")
say("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT max(x) FROM c;\n"); until(r"FROM c;[\r\n]+"); say("\x03"); until(r"interrupted"); until(r"sql> ")
say("SELECT 'half"); say("\x03"); until(r"sql> ")
say("SELECT 8 AS eight;\n"); until(r'\{"eight":8\}'); until(r"sql> ")
say("\x1b[A"); until(r"eight"); say("\n"); until(r'\{"eight":8\}'); until(r"sql> ")
say(".nonsense\n"); until(r"no \.nonsense"); until(r"sql> ")
say(".quit\n")
_, status = os.waitpid(pid, 0)
assert os.waitstatus_to_exitcode(status) == 0, status
PY
grep -q "eight" "$work/history" || fail "no history was kept"
expect "the history's mode" "$(stat -c %a "$work/history")" 600
pass
