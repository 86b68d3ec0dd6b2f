# Whatever starts a BEAM is recorded from before its own code, keeps its exit code, its flags and its code path, and nothing is left behind.
. "$(dirname "$0")/lib.sh"
# Sessions of its own, apart from those of other tests and of whoever works here.
ELIXIRSCOPE_SHM=$(mktemp -d /dev/shm/es-test-XXXXXX) && export ELIXIRSCOPE_SHM
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work" "$ELIXIRSCOPE_SHM"' EXIT
session_dirs() { ls -d "$ELIXIRSCOPE_SHM"/*/*/ 2>/dev/null | wc -l; }
cd "$work" || exit 1
command -v elixir >/dev/null || skip "elixir is not installed"

recorded() { # NAME EXPECTED-CODE COMMAND...
  local name=$1 expected=$2 code events
  shift 2
  "$scope" record --overwrite -o "$name.scope" -- "$@" >"$name.out" 2>"$work/recorder.log" </dev/null
  code=$?
  expect "exit code of $name" "$code" "$expected"
  events=$(json "$name.scope" "['events']['total']") || fail "$name: no recording"
  [ "$events" -gt 30 ] || fail "$name: only $events events"
  expect "losses of $name" "$(json "$name.scope" "['losses']['total']")" 0
  echo "$name: $events events"
}
own_flags='io:format("~p ~p ~p~n", [os:getenv("ERL_AFLAGS"), os:getenv("ELIXIRSCOPE_SESSION"), [P || P <- code:get_path(), string:find(P, "shm") =/= nomatch]]), halt(3).'

recorded erl 3 erl -noshell -eval "$own_flags"
expect "environment and code path of erl" "$(cat erl.out)" "false false []"
export ERL_AFLAGS='-kernel answer 42'
recorded erl_flags 3 erl -noshell -eval "$own_flags"
expect "the user's own flags" "$(cat erl_flags.out)" '"-kernel answer 42" false []'
recorded erl_flag_value 42 erl -noshell -eval '{ok, N} = application:get_env(kernel, answer), halt(N).'
export ERL_AFLAGS='-extra mine'
recorded erl_extra 0 erl -noshell -eval '"mine" = hd(init:get_plain_arguments()), halt(0).'
unset ERL_AFLAGS

recorded elixir_e 4 elixir -e 'IO.inspect(System.argv()); System.halt(4)' one
cat >script.exs <<'X'
defmodule Counter do
  use GenServer
  def init(n), do: {:ok, n}
  def handle_call({:add, i}, _from, n), do: {:reply, n + i, n + i}
end
{:ok, pid} = GenServer.start_link(Counter, 1)
for i <- 1..4, do: GenServer.call(pid, {:add, i})
IO.inspect({GenServer.call(pid, {:add, 5}), System.argv(), System.get_env("ERL_AFLAGS")})
X
recorded elixir_script 0 elixir script.exs a 'b c'
expect "the script's output" "$(cat elixir_script.out)" '{16, ["a", "b c"], nil}'
"$scope" events elixir_script.scope --kind state --json --notation erlang | grep -q '"payload": *"16"' || fail "the server's last state is not there"

# Its shell begins at once, and could end before the recording begins: it waits until it is traced.
printf 'Enum.find(1..200, fn _ -> Process.sleep(50); :erlang.trace_info(self(), :flags) != {:flags, []} end)\nIO.puts("sum #{40 + 2}")\n' >lines
"$scope" record -o iex.scope -- iex <lines >iex.out 2>"$work/recorder.log" || fail "iex ended with $?"
grep -q 'sum 42' iex.out || fail "iex did not read its input"

printf '%s\n' '#!/usr/bin/env escript' 'main(A) -> io:format("~p~n", [A]), halt(6).' >tool
chmod +x tool
recorded escript 6 ./tool x y
expect "the escript's output" "$(cat escript.out)" '["x","y"]'
printf -- '-module(m).\n-export([f/0]).\nf() -> ok.\n' >m.erl
recorded erlc 0 erlc m.erl
[ -e m.beam ] || fail "erlc made nothing"

mix new --sup mixed >/dev/null && cd mixed || fail "mix new"
recorded mix_run 5 mix run -e 'exit({:shutdown, 5})'
recorded mix_test 0 mix test
grep -Eq '0 failures|Result: 2 passed' mix_test.out || fail "mix test: $(cat mix_test.out)"
cd ..

if command -v rebar3 >/dev/null; then
  mkdir -p barred/src barred/test && cd barred || exit 1
  printf '{deps, []}.\n' >rebar.config
  printf '{application, barred, [{vsn, "1"}, {applications, [kernel, stdlib]}]}.\n' >src/barred.app.src
  printf -- '-module(barred).\n-export([f/1]).\nf(X) -> X + 1.\n' >src/barred.erl
  printf -- '-module(barred_tests).\n-include_lib("eunit/include/eunit.hrl").\nf_test() -> ?assertEqual(2, barred:f(1)).\n' >test/barred_tests.erl
  recorded rebar3_eunit 0 rebar3 eunit
  cd ..
fi

recorded through_sh 9 sh -c 'erl -noshell -eval "halt(9)."'
expect "session directories left" "$(session_dirs)" 0
pass
