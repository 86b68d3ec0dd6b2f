# Signals: SIGTERM to the recorder reaches the command, Ctrl-C is the command's own affair, an engine that keeps dying is given up.
. "$(dirname "$0")/lib.sh"
# Sessions of its own, apart from those of other tests and of whoever works here.
ELIXIRSCOPE_SHM=$(mktemp -d /dev/shm/es-test-XXXXXX) && export ELIXIRSCOPE_SHM
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work" "$ELIXIRSCOPE_SHM"' EXIT
engine_of() { pgrep -P "$1" -x elixirscope-eng; }
session_dirs() { ls -d "$ELIXIRSCOPE_SHM"/*/*/ 2>/dev/null | wc -l; }
cd "$work" || exit 1
vm='io:format("up~n"), file:write_file("'$work'/up", "x"), receive after infinity -> ok end.'
begin() {
  rm -f up
  "$scope" record --overwrite -o t.scope "$@" -- erl -noshell -eval "$vm" >"$work/recorder.log" 2>&1 &
  recorder=$!
  wait_until 30 test -s up || fail "the VM does not start"
}

begin
kill -TERM $recorder
wait $recorder
expect "exit code after SIGTERM" $? 0
"$scope" events t.scope --kind exit --json | grep -q shutdown || fail "the orderly end of the VM is not recorded"
expect "end" "$(json t.scope "['closed']")" True

begin
vm_pid=$(pgrep -P $recorder | while read -r p; do case "$(tr '\0' ' ' </proc/$p/cmdline)" in *beam*) echo "$p" ;; esac; done)
kill -9 "$vm_pid"
wait $recorder
expect "exit code after kill -9 of the VM" $? 137
grep -q 'killed by signal 9' "$work/recorder.log" || fail "it does not say so"

begin
for _ in $(seq 60); do
  engine=$(engine_of $recorder)
  [ -n "$engine" ] && kill -9 "$engine"
  grep -q 'the engine died 20 times' "$work/recorder.log" && break
  sleep 0.05
done
grep -q 'the engine died 20 times' "$work/recorder.log" || fail "the engine is started for ever"
kill -TERM $recorder
wait $recorder
expect "exit code after a failed engine" $? 1
expect "sessions to recover" "$(session_dirs)" 1
"$scope" recover | grep -q saved || fail "the unfinished recording cannot be finished"
expect "closed" "$(json t.scope "['closed']")" True

cat >terminal.py <<'X'
import os, pty, select, sys, time
# terminal.py LIMIT EXPECT INPUT [EXPECT INPUT]... -- COMMAND: types INPUT each time EXPECT was printed
cut = sys.argv.index("--")
words, command = sys.argv[2:cut], sys.argv[cut + 1:]
steps = [(words[i].encode(), words[i + 1].encode().decode("unicode_escape").encode()) for i in range(0, len(words), 2)]
pid, fd = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
seen, whole, until = b"", b"", time.time() + float(sys.argv[1])
while time.time() < until:
    if select.select([fd], [], [], 0.1)[0]:
        try:
            data = os.read(fd, 4096)
        except OSError:
            break
        if not data:
            break
        seen += data
        whole += data
    if steps and steps[0][0] in seen:
        os.write(fd, steps[0][1])
        seen = b""
        steps.pop(0)
else:
    os.kill(pid, 9)
    sys.exit("too late: " + repr(whole))
sys.stdout.buffer.write(whole)
sys.exit("not all was typed: " + repr(steps) if steps else os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
X
python3 terminal.py 60 '1>' 'timer:sleep(3000), 40+2.\r' '42' '\x03' 'istribution' 'c\r' 'c' '50+5.\r' '55' 'halt(8).\r' -- "$scope" record --overwrite -o c.scope -- erl >out
expect "Ctrl-C, continue, halt(8)" $? 8
python3 terminal.py 60 '1>' 'timer:sleep(3000), 40+2.\r' '42' '\x03' 'istribution' 'a\r' -- "$scope" record --overwrite -o a.scope -- erl >out
expect "Ctrl-C, abort" $? 0
[ "$(json a.scope "['events']['total']")" -gt 60 ] || fail "the aborted shell is not recorded"
expect "session directories left" "$(session_dirs)" 0
pass
