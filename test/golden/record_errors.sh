# Wrong usage and commands that are no BEAM: said clearly, with the right exit code, and no file is left.
. "$(dirname "$0")/lib.sh"
# Sessions of its own, apart from those of other tests and of whoever works here.
ELIXIRSCOPE_SHM=$(mktemp -d /dev/shm/es-test-XXXXXX) && export ELIXIRSCOPE_SHM
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work" "$ELIXIRSCOPE_SHM"' EXIT
session_dirs() { ls -d "$ELIXIRSCOPE_SHM"/*/*/ 2>/dev/null | wc -l; }
cd "$work" && rm -f ./* || exit 1

says() { # EXPECTED-CODE PATTERN ARGUMENT...
  local expected=$1 pattern=$2 code
  shift 2
  "$scope" "$@" >out 2>err </dev/null
  code=$?
  cp err recorder.log
  expect "exit code of '$*'" "$code" "$expected"
  grep -qE -e "$pattern" err || fail "'$*' says: $(cat err)"
  rm -f out err recorder.log
}
says 1 'without starting an Erlang VM: nothing was recorded' record -- true
says 7 'without starting an Erlang VM' record -- sh -c 'exit 7'
says 137 'without starting an Erlang VM' record -- sh -c 'kill -9 $$'
says 1 'no-such-command: command not found' record -- no-such-command
says 1 'cannot be started: Permission denied' record -- /tmp
says 1 'cannot be written' record -o /proc/x.scope -- touch started
says 1 'No such file or directory' record -o /nonexistent/x.scope -- touch started
says 2 'a command is needed' record
says 2 'Try .elixirscope record --help' record --bogus -- true
says 2 'every module' record --trace 'calls:*' -- touch started
says 2 'A SPEC is one of' record --trace callss:x -- touch started
says 2 'one by one' record --trace returns:lists -- touch started
says 2 'no level called' record --level loud -- touch started
says 2 'is not a limit' record --limit foo=1 -- touch started
says 2 'neither a duration' record --keep x -- touch started
says 2 'crash, error and mark' record --on boom -- touch started
says 2 'neither .off. nor a percentage' record --budget 200 -- touch started
says 2 'ring-size lies' record --ring-size 1k -- touch started
[ -e started ] && fail "the command was started all the same"

echo precious >text.scope
says 1 'is there already' record -o text.scope -- touch started
says 1 'is no recording and will not be replaced' record --overwrite -o text.scope -- touch started
expect "the file" "$(cat text.scope)" precious
rm text.scope

says 2 'one node is needed' attach
says 1 'no cookie' attach --cookie-file /nonexistent nobody@localhost
says 1 '(does not know it|no node at all|no port mapper)' attach --cookie x elixirscope_no_such_node@localhost
says 2 'a label is needed' mark
says 1 'no session lives|no live session' mark elixirscope-none label
says 1 'there is no session' recover no-such-session
says 2 'discard needs' recover --discard
for command in record attach recover mark doctor; do
  "$scope" $command --help >out || fail "$command --help"
  for word in Usage: Options: Examples: 'Exit codes:' --json --help; do grep -q -e "$word" out || fail "$command --help has no '$word'"; done
  rm out
done
expect "files left" "$(ls)" ""
expect "session directories left" "$(session_dirs)" 0
pass
