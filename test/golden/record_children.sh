# --children: each VM that the first one starts has a recording of its own; without it they stay silent. Several at once do not disturb.
. "$(dirname "$0")/lib.sh"
# Sessions of its own, apart from those of other tests and of whoever works here.
ELIXIRSCOPE_SHM=$(mktemp -d /dev/shm/es-test-XXXXXX) && export ELIXIRSCOPE_SHM
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work" "$ELIXIRSCOPE_SHM"' EXIT
session_dirs() { ls -d "$ELIXIRSCOPE_SHM"/*/*/ 2>/dev/null | wc -l; }
cd "$work" || exit 1
nested='io:format("~s", [os:cmd("erl -noshell -eval \"io:format([36,36]),halt(0).\"")]), halt(0).'
"$scope" record --children --json -o c.scope -- erl -noshell -eval "$nested" >out 2>"$work/recorder.log" || fail "record ended with $?"
expect "the output" "$(cat out)" '$$'
[ "$(json c.scope "['events']['total']")" -gt 30 ] || fail "the first VM is not recorded"
[ "$(json c-2.scope "['events']['total']")" -gt 30 ] || fail "the second VM is not recorded"
expect "lines of JSON" "$(python3 -c 'import json,sys; print([json.loads(l)["file"].rsplit("/")[-1] for l in open(sys.argv[1])])' "$work/recorder.log")" "['c.scope', 'c-2.scope']"

"$scope" record -o one.scope -- erl -noshell -eval "$nested" >out 2>"$work/recorder.log" || fail "record ended with $?"
expect "recordings" "$(ls one*)" one.scope
"$scope" record --overwrite -o one.scope -- sh -c 'erl -noshell -eval "halt()."; erl -noshell -eval "halt()."' 2>"$work/recorder.log" || fail "record ended with $?"
grep -q '1 more Erlang VM was started' "$work/recorder.log" || fail "the second VM is not spoken of"

for i in 1 2 3; do
  "$scope" record -o p$i.scope -- erl -noshell -eval 'receive after 1000 -> halt(0) end.' 2>p$i.log &
done
wait
for i in 1 2 3; do [ "$(json p$i.scope "['events']['total']")" -gt 30 ] || fail "recording $i: $(cat p$i.log)"; done

# A command that leaves its VM behind: the recording goes on with it.
"$scope" record -o left.scope -- sh -c 'setsid erl -noshell -noinput -eval "receive after 1500 -> halt(0) end." </dev/null & exit 0' 2>"$work/recorder.log"
expect "exit code" $? 0
grep -q 'its VM (process [0-9]*) goes on' "$work/recorder.log" || fail "it does not say that it goes on"
[ "$(json left.scope "['events']['total']")" -gt 30 ] || fail "the VM that was left behind is not recorded"
expect "session directories left" "$(session_dirs)" 0
pass
