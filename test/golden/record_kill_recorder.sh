# kill -9 of the recorder: the VM goes on and is as it was, its engine finishes the recording. With the engine killed too, `recover` or the
# next record does.
. "$(dirname "$0")/lib.sh"
# Sessions of its own, apart from those of other tests and of whoever works here.
ELIXIRSCOPE_SHM=$(mktemp -d /dev/shm/es-test-XXXXXX) && export ELIXIRSCOPE_SHM
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work" "$ELIXIRSCOPE_SHM"' EXIT
engine_of() { pgrep -P "$1" -x elixirscope-eng; }
session_dirs() { ls -d "$ELIXIRSCOPE_SHM"/*/*/ 2>/dev/null | wc -l; }
cd "$work" || exit 1
report='[code:is_loaded(M) || M <- [elixirscope_agent, elixirscope_nif, elixirscope_guard]] ++ [element(2, erlang:trace_info(new, flags)), [N || N <- registered(), lists:prefix("elixirscope", atom_to_list(N))], os:getenv("ERL_AFLAGS")]'
cat >vm.sh <<X
exec erl -noshell -eval '
  F = fun F(N) -> self() ! {n, N}, receive {n, N} -> ok end, file:write_file("$work/sent", integer_to_list(N)),
      case filelib:is_file("$work/end") of true -> ok; false -> receive after 2 -> F(N + 1) end end end,
  file:write_file("$work/pid", os:getpid()), F(1), file:write_file("$work/report", io_lib:format("~0p", [$report])), halt().'
X
now_sent() { # the file is being written all the time, and may be empty just now
  local n= i
  for i in $(seq 100); do
    n=$(cat sent 2>/dev/null)
    [ -n "$n" ] && break
  done
  echo "${n:-0}"
}
begin() {
  rm -f sent end report pid
  "$scope" record --overwrite -o "$1.scope" --level messages_only -- sh vm.sh >"$work/recorder.log" 2>&1 &
  recorder=$!
  enough() { [ "$(now_sent)" -gt 200 ]; }
  wait_until 30 test -s sent && wait_until 30 enough || fail "the VM does not work"
  vm=$(cat pid) engine=$(engine_of $recorder)
  [ -n "$engine" ] || fail "there is no engine"
}
holds() { # FILE LEAST
  "$scope" events "$1" --kind send --json --notation erlang >events || fail "events of $1"
  python3 - "$2" <<'PY' || fail "$1 does not hold all that was sent"
import json, re, sys
numbers = [int(m.group(1)) for m in (re.fullmatch(r"\{n,(\d+)\}", json.loads(l)["payload"] or "") for l in open("events")) if m]
assert numbers == list(range(numbers[0], numbers[-1] + 1)), "holes or doubles"
assert numbers[0] <= 5 and numbers[-1] >= int(sys.argv[1]), (numbers[0], numbers[-1], sys.argv[1])
print(len(numbers), "messages")
PY
}
gone() { [ "$(session_dirs)" = 0 ]; }
dead() { # PID...: a process that is killed takes a moment to die; until then its session is no orphan
  local pid
  for pid; do grep -qs '^State:.[^ZX]' "/proc/$pid/status" && return 1; done
  return 0
}

begin recorder
at=$(now_sent)
kill -9 $recorder
wait_until 20 gone || fail "the engine did not finish the recording: $(ls /dev/shm/elixirscope-*/*)"
holds recorder.scope "$at"
expect closed "$(json recorder.scope "['closed']")" True
kill -0 "$vm" || fail "the VM died"
touch end
wait_until 10 test -s report || fail "the VM does not go on"
expect "what is left in the VM" "$(cat report)" '[false,false,false,[],[],false]'

begin both
at=$(now_sent)
kill -9 $recorder "$engine"
wait_until 10 dead $recorder "$engine" || fail "they live on"
expect "sessions to recover" "$("$scope" recover --list --json | grep -c orphaned)" 1
"$scope" recover >out || fail "recover: $(cat out)"
grep -q saved out || fail "recover says: $(cat out)"
holds both.scope "$at"
gone || fail "the session is still there"
expect "nothing more to do" "$("$scope" recover)" "nothing to recover"
touch end
wait_until 10 test -s report || fail "the VM does not go on"
expect "what is left in the VM" "$(cat report)" '[false,false,false,[],[],false]'

begin all
at=$(now_sent)
kill -9 $recorder "$engine" "$vm"
wait_until 10 dead $recorder "$engine" "$vm" || fail "they live on"
"$scope" record -o next.scope -- true 2>err
grep -q "finished $work/all.scope, whose recorder had died" err || fail "the next record says: $(cat err)"
holds all.scope "$at"
gone || fail "the session is still there"
pass
