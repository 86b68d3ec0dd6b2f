# kill -9 of the VM under load: every event up to the last one published is in the recording.
. "$(dirname "$0")/lib.sh"
start count --level messages_only
sent() { python3 -c "import struct;print(struct.unpack('>Q',open('$work/count','rb').read(8))[0])"; }
enough() { [ "$(sent)" -gt 100000 ]; }
wait_until 60 enough || fail "the workload did not send 100000 messages: $(sent)"
kill -9 "$vm"
wait "$recorder"
sent=$(sent)
"$scope" events "$work/count.scope" --kind send,deliver --json --notation erlang >"$work/events.jsonl" || fail "events"
python3 - "$work/events.jsonl" "$sent" <<'PY' || fail "the recording does not hold what was sent"
import json, re, sys
sends, delivers, order, last = {}, 0, 0, -(1 << 63)
for line in open(sys.argv[1]):
    e = json.loads(line)
    assert e["time"] >= last, ("time runs backwards", e)
    last = e["time"]
    m = re.fullmatch(r"\{n,(\d+)\}", e["payload"] or "")
    if not m: continue
    n = int(m.group(1))
    if e["kind"] == "send":
        assert n not in sends, ("sent twice", n)
        assert n == order + 1, ("out of order", n, order)
        order, sends[n] = n, e["seq"]
    else:
        delivers += 1
        assert e["cause"] == sends[n] < e["seq"], ("wrong cause", e, sends.get(n))
told = int(sys.argv[2])
assert order >= told, f"the workload sent {told}, the recording holds {order}"
print(f"sent at least {told}, recorded {order}, delivered {delivers}")
PY
expect losses "$(json "$work/count.scope" "['losses']['total']")" 0
expect "session directories left" "$(session_dirs)" 0
pass
