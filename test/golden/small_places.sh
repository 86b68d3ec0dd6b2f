# Small and full places: a tiny or full shared memory, none at all, a disk that fills while recording. Never a dead VM.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip "needs root to mount small file systems"
mkdir "$work/tiny" "$work/disk" && mount -t tmpfs -o size=64m none "$work/tiny" 2>/dev/null || skip "file systems cannot be mounted here"
mount -t tmpfs -o size=3m none "$work/disk"
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; umount "$work/tiny" "$work/disk" 2>/dev/null; rm -rf "$work"' EXIT
work_for_a_while='S = spawn(fun F() -> receive _ -> F() end end), [S ! {n, I, lists:seq(1, 50)} || I <- lists:seq(1, 100000)], halt(7).'
record() { "$scope" record --overwrite --level messages_only "$@" -- erl -noshell -eval "$work_for_a_while" >"$work/recorder.log" 2>&1; }

ELIXIRSCOPE_SHM=$work/tiny record -o "$work/tiny.scope"
expect "64 MB of shared memory: the command's exit code" $? 7
[ "$(json "$work/tiny.scope" "['events']['by_kind']['send']")" -gt 1000 ] || fail "64 MB of shared memory: few events"

dd if=/dev/zero of="$work/tiny/filler" bs=1M 2>/dev/null
ELIXIRSCOPE_SHM=$work/tiny record -o "$work/full.scope"
code=$?
[ $code = 7 ] || { [ $code = 1 ] && grep -qi 'space\|room' "$work/recorder.log"; } || fail "full shared memory: exit $code: $(cat "$work/recorder.log")"

ELIXIRSCOPE_SHM=$work/absent record -o "$work/absent.scope"
code=$?
[ $code = 7 ] || { [ $code = 1 ] && [ -s "$work/recorder.log" ]; } || fail "no shared memory: exit $code"

record -o "$work/disk/disk.scope"
expect "a full disk: the command's exit code" $? 7
grep -qi 'disk\|space' "$work/recorder.log" || fail "a full disk is not said: $(cat "$work/recorder.log")"
"$scope" info --json "$work/disk/disk.scope" >"$work/info.json" || fail "what was recorded before the disk was full cannot be read"
python3 -c "import json; d=json.load(open('$work/info.json')); assert d['events']['total'] > 0, d" || fail "nothing was kept"
pass
