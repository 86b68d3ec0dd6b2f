# kill -9 of the engine ten times under 20 MB/s: taken over each time, no event lost, none doubled, the application goes on.
. "$(dirname "$0")/lib.sh"
start flood --level messages_only
for i in $(seq 10); do
  engine=$(engine_of "$recorder")
  [ -n "$engine" ] || fail "there is no engine (round $i)"
  kill -9 "$engine"
  replaced() { new=$(engine_of "$recorder"); [ -n "$new" ] && [ "$new" != "$engine" ]; }
  wait_until 5 replaced || fail "the engine was not replaced (round $i)"
  sleep 0.5
done
touch "$work/flood.stop"
wait "$recorder" || fail "the recorder ended with $?"
cat "$work/flood"
expect losses "$(json "$work/flood.scope" "['losses']['total']")" 0
"$scope" events "$work/flood.scope" --kind send,deliver --json --notation erlang >"$work/events.jsonl" || fail "events"
python3 - "$work/events.jsonl" "$work/flood" <<'PY' || fail "the recording does not hold what was sent"
import re, sys
truth = {int(a): int(b) for a, b, _ in (l.split() for l in open(sys.argv[2]))}
next_number, delivered, seqs, seq_last = {1: 1, 2: 1, 3: 1, 4: 1}, {1: 1, 2: 1, 3: 1, 4: 1}, {}, 0
seq_re, kind_re, pay_re, cause_re = (re.compile(p) for p in (r'"seq":\s*(\d+)', r'"kind":\s*"(\w+)"', r'"payload":\s*"\{(\d),(\d+),', r'"cause":\s*(\d+)'))
for line in open(sys.argv[1]):
    seq = int(seq_re.search(line).group(1))
    assert seq > seq_last, ("sequence", line)
    seq_last = seq
    m = pay_re.search(line)
    if not m: continue
    i, n = int(m.group(1)), int(m.group(2))
    table = next_number if kind_re.search(line).group(1) == "send" else delivered
    assert n == table[i], f"sender {i}: {n} where {table[i]} was due: {line[:200]}"
    table[i] += 1
    if table is next_number: seqs[i, n] = seq
    else:
        cause = cause_re.search(line)
        assert cause and int(cause.group(1)) == seqs.pop((i, n)), f"wrong cause: {line[:300]}"
assert {i: n - 1 for i, n in next_number.items()} == truth, (next_number, truth)
print("sent and recorded:", truth)
PY
pass
