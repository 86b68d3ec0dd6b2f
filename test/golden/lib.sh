# Shared by the tests beside this file. A test sources it, works in $work, and ends with `pass`, `fail REASON` or `skip REASON`.
set -uo pipefail
source_dir=${ES_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
scope=${ELIXIRSCOPE:-$source_dir/build/elixirscope}
work=$(mktemp -d "${TMPDIR:-/tmp}/elixirscope-test.XXXXXX")
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
erlc -o "$work" "$source_dir"/test/workload/truth.erl || exit 1

pass() { echo "passed"; exit 0; }
fail() { echo "FAILED: $*"; [ -e "$work/recorder.log" ] && { echo "--- the recorder said:"; tail -n 30 "$work/recorder.log"; }; exit 1; }
skip() { echo "$*"; exit 77; }
expect() { # WHAT ACTUAL EXPECTED
  [ "$2" = "$3" ] || fail "$1: got '$2', expected '$3'"
}
# Waits until a command succeeds, at most N seconds.
wait_until() { # N COMMAND...
  local rounds=$(($1 * 20))
  shift
  until "$@" >/dev/null 2>&1; do
    rounds=$((rounds - 1))
    [ $rounds -gt 0 ] || return 1
    sleep 0.05
  done
}
# Starts a workload under the recorder in the background: start NAME [RECORD OPTION]...; its files are $work/NAME*.
start() {
  local name=$1
  shift
  "$scope" record --overwrite -o "$work/$name.scope" "$@" -- erl -noshell -pa "$work" -s truth "$name" "$work/$name" >"$work/recorder.log" 2>&1 &
  recorder=$!
  wait_until 30 test -s "$work/$name.pid" || fail "the workload $name did not start"
  vm=$(cat "$work/$name.pid")
}
json() { "$scope" info --json "$1" | python3 -c "import json,sys; d=json.load(sys.stdin); print(d$2)"; }
# Process id of the engine that serves the recorder.
engine_of() { for p in $(pgrep -P "$1"); do [ "$(readlink /proc/"$p"/exe)" = "$(readlink -f "$scope")" ] && { echo "$p"; return; }; done; }
# Session directories that were not there when the test began.
list_sessions() { ls -d /dev/shm/elixirscope-"$(id -u)"/*/ 2>/dev/null | sort; }
sessions_before=$(list_sessions)
session_dirs() { comm -13 <(echo "$sessions_before") <(list_sessions) | grep -c .; }
