# What probes in woven code say, against what the program wrote down itself: calls with their ends, tail calls, frames that exceptions
# unwound, lines with their variables, and which delivery each receive took.
. "$(dirname "$0")/lib.sh"
build=$(dirname "$scope")
erlc -o "$work" "$source_dir"/test/workload/probed.erl || fail "probed.erl"
seed=${ES_SEED:-$RANDOM}
echo "seed $seed"
"$scope" record --overwrite -o "$work/p.scope" --level balanced --ring-size 128MiB -- \
  erl -noshell -pa "$work" -eval "probed:main([\"$work/truth.log\", \"$seed\", \"300\"])." >"$work/recorder.log" 2>&1 || fail "record: $?"
expect losses "$(json "$work/p.scope" '["losses"]["total"]')" 0
"$scope" calls --json --module probed "$work/p.scope" >"$work/calls.jsonl" || fail "calls"
"$scope" events --json --notation erlang "$work/p.scope" >"$work/events.jsonl" || fail "events"
"$scope" sql --format json "$work/p.scope" "SELECT module, line, clause, hits FROM lines" >"$work/hits.jsonl" || fail "lines"
"$scope" sql --format json "$work/p.scope" "SELECT deliver_seq, handled_seq, queued FROM messages WHERE handled_seq IS NOT NULL" >"$work/queued.jsonl" || fail "messages"
"$scope" sql --format json "$work/p.scope" "SELECT seq, line FROM events WHERE line IS NOT NULL" >"$work/placed.jsonl" || fail "events.line"
"$scope" cut --overwrite -o "$work/half.scope" --until 50% "$work/p.scope" >/dev/null || fail "cut"
"$scope" events --json --notation erlang "$work/half.scope" >"$work/half.jsonl" || fail "events of a part"
python3 "$source_dir/test/golden/probes.py" "$work" || fail "probes"
pass
