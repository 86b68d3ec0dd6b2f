# Every handled message's callback has as its cause the delivery of the message that its process says it handled, and that the send that its
# sender says it sent; the same of timers, exits, links, answers. Compared with what the processes themselves wrote down.
. "$(dirname "$0")/lib.sh"
for module in correlate correlate_state correlate_event correlate_timer correlate_tree; do
  erlc -o "$work" "$source_dir/test/workload/$module.erl" || fail "$module.erl"
done
seed=${ES_SEED:-$RANDOM}
echo "seed $seed"

# Ends the engine again and again while the workload is at work: another one takes over.
kill_engines() { # NAME
  local engine
  replaced() { new=$(engine_of "$recorder"); [ -n "$new" ] && [ "$new" != "$engine" ]; }
  wait_until 20 test -e "$work/$1/log.begun" || fail "the workload of $1 did not begin"
  while [ ! -e "$work/$1/log.done" ] && engine=$(engine_of "$recorder") && [ -n "$engine" ]; do
    kill -9 "$engine" && killed=$((killed + 1))
    wait_until 5 replaced || break
    sleep 0.4
  done
}

compare() { # NAME LEVEL SENDERS ROUNDS [killed]
  mkdir "$work/$1"
  killed=0
  "$scope" record --overwrite -o "$work/$1.scope" --level "$2" --ring-size 128MiB -- erl -noshell -pa "$work" -eval \
    "correlate:main([\"$work/$1/log\", \"$3\", \"$4\", \"$seed\"])." >"$work/recorder.log" 2>&1 &
  recorder=$!
  [ $# -gt 4 ] && kill_engines "$1"
  wait "$recorder" || fail "record $1"
  [ $# -le 4 ] || [ $killed -gt 2 ] || fail "only $killed engines were killed"
  [ $# -le 4 ] || echo "$killed engines were killed"
  [ -e "$work/$1/log.done" ] || fail "the workload of $1 did not end"
  rm "$work/$1"/log.{begun,done}
  expect "losses of $1" "$(json "$work/$1.scope" '["losses"]["total"]')" 0
  "$scope" events --json --notation erlang --kind send,send_dead,deliver,timeout,call,exit,spawn "$work/$1.scope" >"$work/$1.jsonl" || fail "events of $1"
  "$scope" info "$work/$1.scope"
  python3 "$source_dir/test/golden/correlate.py" "$work/$1.jsonl" "$work/$1"/log.* || fail "$1: not as it was"
}

compare few balanced 4 400
compare many balanced 64 60
compare full full 16 60
compare killed balanced 8 8000 killed

# Who asks why a child was started gets the crash of the one before, with nothing in between that is only possible.
[ -s "$work/full.jsonl.chains" ] || fail "no restart"
while read -r chain; do
  set -- $chain
  "$scope" why --json "$work/full.scope" "$1" | python3 -c '
import json, sys
told = [json.loads(line) for line in sys.stdin]
must = [int(seq) for seq in sys.argv[1:]]
sys.exit([e["seq"] for e in told[:4]] != must or any(e["possibly"] for e in told[:4]))' "$@" || fail "why $1 does not lead to the crash $4"
done <"$work/full.jsonl.chains"
pass
