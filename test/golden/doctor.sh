# doctor: passes here, as JSON too, and fails with a remedy where something essential is missing.
. "$(dirname "$0")/lib.sh"
# Sessions of its own, apart from those of other tests and of whoever works here.
ELIXIRSCOPE_SHM=$(mktemp -d /dev/shm/es-test-XXXXXX) && export ELIXIRSCOPE_SHM
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work" "$ELIXIRSCOPE_SHM"' EXIT
session_dirs() { ls -d "$ELIXIRSCOPE_SHM"/*/*/ 2>/dev/null | wc -l; }
cd "$work" || exit 1
"$scope" doctor >out || fail "doctor: $(cat out)"
for check in erlang erts elixir agent 'shared memory' memfd memory session clock disk limits yama epmd; do
  grep -qE "^(ok  |warn)  $check " out || fail "no line about $check: $(cat out)"
done
"$scope" doctor --json >json || fail "doctor --json"
python3 -c 'import json; d=json.load(open("json")); assert d["works"] is True and len(d["checks"]) >= 12; assert all(c["health"] in ("ok", "warn") for c in d["checks"])' || fail "JSON: $(cat json)"
mkdir empty path
for program in env dirname; do ln -s "$(command -v $program)" path/$program; done
PATH=$work/path "$scope" doctor >out && fail "it passes without Erlang"
grep -q '^fail  erlang .*not found' out || fail "$(cat out)"
ELIXIRSCOPE_HOME=$work/empty "$scope" doctor >out && fail "it passes without the agent"
grep -q '^fail  agent ' out || fail "$(cat out)"
expect "session directories left" "$(session_dirs)" 0
pass
