# Limits end a recording and not the command; a flight recorder keeps what came before its trigger, and says so where none came.
. "$(dirname "$0")/lib.sh"
# Sessions of its own, apart from those of other tests and of whoever works here.
ELIXIRSCOPE_SHM=$(mktemp -d /dev/shm/es-test-XXXXXX) && export ELIXIRSCOPE_SHM
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work" "$ELIXIRSCOPE_SHM"' EXIT
session_dirs() { ls -d "$ELIXIRSCOPE_SHM"/*/*/ 2>/dev/null | wc -l; }
cd "$work" || exit 1
vm='F = fun F(N) -> self() ! {n, N}, receive {n, N} -> ok end, case filelib:is_file("'$work'/end") of true -> halt(0); false -> receive after 1 -> F(N + 1) end end end, F(1).'
begin() {
  rm -f end t.scope*
  "$scope" record --overwrite -o t.scope --json "$@" -- erl -noshell -eval "$vm" 2>"$work/recorder.log" &
  recorder=$!
  pid_of() { vm_pid=$(pgrep -P $recorder -f erl | head -n 1); [ -n "$vm_pid" ]; }
  wait_until 10 pid_of
}
ended() { [ "$(json t.scope "['closed']" 2>/dev/null)" = True ]; }
result() { python3 -c "import json,sys; print(json.loads(open('$work/recorder.log').readlines()[-1])$1)"; }
finish() {
  wait_until 30 ended || fail "the recording did not end: $*"
  kill -0 "$vm_pid" || fail "the VM ended with the recording: $*"
  touch end
  wait $recorder
  expect "exit code: $*" $? 0
}

begin --limit events=5000
finish events
expect "end" "$(result "['end']")" "a limit was reached"
[ "$(result "['events']")" -le 5000 ] || fail "more than 5000 events"
begin --limit time=1s
finish time
expect "end" "$(result "['end']")" "a limit was reached"
begin --limit rate=100/s
finish rate
expect "end" "$(result "['end']")" "a limit was reached"
begin --limit size=200k
finish size

begin --keep 60s --on mark
sleep 1
wait_until 30 "$scope" mark now || fail "mark"
finish mark
expect "triggered" "$(result "['triggered']")" True
"$scope" events t.scope --kind mark --json | grep -q now || fail "the mark is not there"

begin --on crash
sleep 1
touch end
wait $recorder
expect "triggered" "$(result "['triggered']")" False
[ "$(result "['events']")" -gt 100 ] || fail "without a trigger the recording was thrown away"

begin --trace calls:erlang:no_such_function --trace name:nobody
sleep 1
touch end
wait $recorder || fail "specs that match nothing are no failure"
grep -q 'matches nothing' "$work/recorder.log" || fail "it does not say that a spec matches nothing: $(cat "$work/recorder.log")"
expect "session directories left" "$(session_dirs)" 0
pass
