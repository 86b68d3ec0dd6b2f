# Shared memory that forbids executing, as containers have it: the shared object goes elsewhere and is removed from there.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip "needs root to mount a file system"
mkdir "$work/shm" "$work/tmp" "$work/tmp_noexec"
mount -t tmpfs -o noexec,size=64m none "$work/shm" 2>/dev/null || skip "file systems cannot be mounted here"
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; umount "$work/shm" "$work/tmp_noexec" 2>/dev/null; rm -rf "$work"' EXIT
export ELIXIRSCOPE_SHM=$work/shm
TMPDIR=$work/tmp "$scope" record -o "$work/a.scope" -- erl -noshell -eval 'halt(7).' 2>"$work/recorder.log"
expect "exit code" $? 7
[ "$(json "$work/a.scope" "['events']['total']")" -gt 30 ] || fail "nothing was recorded"
expect "left in TMPDIR" "$(ls "$work/tmp")" ""
expect "left in shared memory" "$(ls "$work/shm")" ""
mount -t tmpfs -o noexec,size=8m none "$work/tmp_noexec"
TMPDIR=$work/tmp_noexec "$scope" record -o "$work/b.scope" -- touch "$work/started" 2>"$work/recorder.log"
expect "exit code without any place" $? 1
grep -q 'mounted with noexec' "$work/recorder.log" || fail "it does not say why"
[ -e "$work/started" ] && fail "the command was started all the same"
expect "left in shared memory" "$(ls "$work/shm")" ""
pass
