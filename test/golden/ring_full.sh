# A full ring (the engine is stopped): the application runs on, losses are exact by kind, critical events come first, gaps are told.
. "$(dirname "$0")/lib.sh"
start burst --level messages_only --ring-size 1MB
engine=$(engine_of "$recorder")
[ -n "$engine" ] || fail "there is no engine"
kill -STOP "$engine"
touch "$work/burst.go"
wait_until 60 test -s "$work/burst" || fail "the application did not go on while the engine was stopped"
kill -CONT "$engine"
touch "$work/burst.end"
wait "$recorder"
cat "$work/burst"
"$scope" events "$work/burst.scope" --json --notation erlang >"$work/events.jsonl" || fail events
"$scope" info --json "$work/burst.scope" >"$work/info.json" || fail info
python3 - "$work/events.jsonl" "$work/info.json" <<'PY' || fail "losses are not exact"
import json, re, sys
info = json.load(open(sys.argv[2]))
events = [json.loads(l) for l in open(sys.argv[1])]
sends = [e for e in events if e["kind"] == "send" and (e["payload"] or "").startswith("{n,")]
lost = info["losses"]["by_kind"]
print("lost:", lost, "kept sends:", len(sends))
assert lost.get("send", 0) > 0, "nothing was lost: the ring was too large for this test"
assert len(sends) + lost["send"] >= 300000 and len(sends) + lost["send"] <= 300000 + 2000, (len(sends), lost)
assert info["losses"]["total"] == sum(lost.values())
gaps = [e for e in events if e["kind"] == "gap"]
assert gaps, "no gap event"
spawns = sum(e["kind"] == "spawn" for e in events); exits = sum(e["kind"] == "exit" for e in events)
print("spawns", spawns, "exits", exits, "gaps", len(gaps))
assert spawns + lost.get("spawn", 0) >= 500 and lost.get("spawn", 0) == 0, "critical events were lost although there is a reserve"
PY
pass
