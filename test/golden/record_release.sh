# A mix release: recorded from before its applications start, its boot script replaced for this start only, restart and daemon included.
. "$(dirname "$0")/lib.sh"
# Sessions of its own, apart from those of other tests and of whoever works here.
ELIXIRSCOPE_SHM=$(mktemp -d /dev/shm/es-test-XXXXXX) && export ELIXIRSCOPE_SHM
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work" "$ELIXIRSCOPE_SHM"' EXIT
session_dirs() { ls -d "$ELIXIRSCOPE_SHM"/*/*/ 2>/dev/null | wc -l; }
cd "$work" || exit 1
command -v mix >/dev/null || skip "mix is not installed"
mix new --sup "a_app" >/dev/null && cd a_app || fail "mix new"
sed -i 's/children = \[/children = [{Agent, fn -> :the_first_state end}/' lib/a_app/application.ex
export RELEASE_NODE="a_app_$$" RELEASE_COOKIE=test
mix release --quiet >/dev/null 2>"$work/recorder.log" || fail "mix release"
app=_build/dev/rel/a_app/bin/a_app
ask() { $app rpc "$1" 2>>"$work/recorder.log"; }
up() { [ "$(ask 'IO.puts(:up)')" = up ]; }

"$scope" record -o start.scope -- $app start >"$work/recorder.log" 2>&1 &
recorder=$!
wait_until 60 up || fail "the release does not start"
expect "what the release sees" "$(ask 'IO.inspect({System.get_env("ERL_AFLAGS"), System.get_env("ELIXIRSCOPE_SESSION"), Enum.filter(:code.get_path(), &(to_string(&1) =~ "shm"))})')" '{nil, nil, []}'
$app stop >/dev/null
wait $recorder
expect "exit code" $? 0
"$scope" events start.scope --kind state --json --notation erlang | grep -q the_first_state || fail "the application's start is not recorded"
"$scope" events start.scope --kind register --json | grep -q AApp.Supervisor || fail "its supervisor is not recorded"

"$scope" record -o daemon.scope -- $app daemon >"$work/recorder.log" 2>&1 &
recorder=$!
wait_until 60 up || fail "the daemon does not start"
wait_until 10 grep -q 'goes on' "$work/recorder.log" || fail "it does not say that the daemon is recorded"
kill -TERM $recorder
wait $recorder
expect "exit code" $? 0
expect "sessions that keep the boot script" "$(session_dirs)" 1
ask 'Process.register(spawn(fn -> Process.sleep(:infinity) end), :before_restart)'
restarted() { [ "$(ask 'IO.puts(Process.whereis(:before_restart) == nil)')" = true ]; }
$app restart >/dev/null
wait_until 60 restarted || fail "the daemon does not come up after init:restart()"
expect "the agent after a restart" "$(ask 'IO.inspect(:code.is_loaded(:elixirscope_agent))')" false
$app stop >/dev/null
removed() { "$scope" recover >/dev/null && [ "$(session_dirs)" = 0 ]; }
wait_until 20 removed || fail "the boot script stays behind"
pass
