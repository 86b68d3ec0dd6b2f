# attach: short and long names, what is refused and how, several rounds on one node, and a node that is as it was afterwards.
. "$(dirname "$0")/lib.sh"
# Sessions of its own, apart from those of other tests and of whoever works here.
ELIXIRSCOPE_SHM=$(mktemp -d /dev/shm/es-test-XXXXXX) && export ELIXIRSCOPE_SHM
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work" "$ELIXIRSCOPE_SHM"' EXIT
session_dirs() { ls -d "$ELIXIRSCOPE_SHM"/*/*/ 2>/dev/null | wc -l; }
cd "$work" || exit 1
cookie=cookie_$$ host=$(hostname -s)
printf %s $cookie >cookie && chmod 600 cookie
serve() { # FLAG NAME FILE
  erl -noshell "$1" "$2" -setcookie $cookie -eval '
    F = fun F(N) -> self() ! {n, N}, receive {n, N} -> ok end, receive after 2 -> F(N + 1) end end,
    file:write_file("'"$work/$3"'", os:getpid()), F(1).' >"$3.log" 2>&1 &
  wait_until 30 test -s "$3" || fail "the node $2 does not start"
}
ask() { erl_call -c $cookie -sname "$short" -a "$1"; }
left() { # as the node itself sees it
  erl_call -c $cookie -sname "$short" -e <<'X'
Loaded = [M || {M, _} <- code:all_loaded(), lists:prefix("elixirscope", atom_to_list(M))],
Old = [M || M <- [elixirscope_agent, elixirscope_nif, elixirscope_code, elixirscope_guard], erlang:check_old_code(M)],
Names = [N || N <- registered(), lists:prefix("elixirscope", atom_to_list(N))],
Flags = lists:usort([element(2, I) || P <- processes(), I <- [erlang:trace_info(P, flags)], I =/= undefined]),
{Loaded, Old, Names, Flags, erlang:trace_info(new, flags), erlang:system_monitor(), lists:member(elixirscope, logger:get_handler_ids())}.
X
}
clean='{ok, {[], [], [], [[]], {flags, []}, undefined, false}}'
clean_soon() { [ "$(left)" = "$clean" ]; }
short=es_short_$$ long=es_long_$$@127.0.0.1
serve -sname $short short
serve -name $long long

"$scope" attach --cookie-file cookie --for 1s -o short.scope $short 2>"$work/recorder.log" || fail "attach to a short name: $?"
[ "$(json short.scope "['events']['by_kind']['send']")" -gt 100 ] || fail "its messages are not recorded"
wait_until 10 clean_soon || fail "left in the node: $(left)"
"$scope" attach --cookie $cookie --for 1s --json -o long.scope $long >out 2>"$work/recorder.log" || fail "attach to a long name: $?"
expect "node in the JSON" "$(python3 -c 'import json; d=json.load(open("out")); print(d["vm"]["node"], d["clean"], d["lost"])')" "$long True 0"
for i in 1 2 3; do
  "$scope" attach --cookie $cookie --for 300ms --overwrite -o again.scope $short@"$host" 2>"$work/recorder.log" || fail "round $i: $?"
done
wait_until 10 clean_soon || fail "left in the node: $(left)"

refused() { # PATTERN ARGUMENT...
  local pattern=$1
  shift
  "$scope" attach --overwrite -o refused.scope "$@" >out 2>err
  expect "exit code of attach $*" $? 1
  grep -qE -e "$pattern" err || fail "attach $* says: $(cat err)"
  [ -e refused.scope ] && fail "attach $* left a file"
}
refused 'the cookie is not' --cookie wrong $short
refused 'does not know it; it knows: .*es_short' --cookie $cookie no_such_node
ERL_EPMD_PORT=1 refused 'no port mapper' --cookie $cookie $short

rm "$work/recorder.log" # what the one before said is not this one's start
"$scope" attach --cookie $cookie -o first.scope $short 2>"$work/recorder.log" &
first=$!
wait_until 10 grep -q 'processes traced' "$work/recorder.log" || fail "the first does not start"
refused 'recorded already, by session' --cookie $cookie $short
mkdir "$ELIXIRSCOPE_SHM/other"
ELIXIRSCOPE_SHM=$ELIXIRSCOPE_SHM/other refused 'recorded already, by a session of somebody else' --cookie $cookie $short
rmdir "$ELIXIRSCOPE_SHM/other"
"$scope" mark 'from the shell' || fail "mark"
"$scope" mark $short@"$host" 'by node' || fail "mark by node"
kill -TERM $first
wait $first
expect "exit code after SIGTERM" $? 0
"$scope" events first.scope --kind mark --json | grep -q 'from the shell' || fail "the mark is not there"
wait_until 10 clean_soon || fail "left in the node: $(left)"

# A node that dies while it is recorded.
rm "$work/recorder.log"
"$scope" attach --cookie $cookie -o died.scope $short 2>"$work/recorder.log" &
died=$!
wait_until 10 grep -q 'processes traced' "$work/recorder.log" || fail "it does not start"
kill -9 "$(cat short)"
wait $died
expect "exit code after the node's death" $? 0
expect "losses" "$(json died.scope "['losses']['total']")" 0

# Modules that the emulator does not take as they are: compiled there from their abstract code.
if [ -n "${ELIXIRSCOPE_BUILD:-}" ]; then
  mkdir home && cp -r "$ELIXIRSCOPE_BUILD/ebin" "$ELIXIRSCOPE_BUILD/priv" home/
  erl -noshell -eval '[begin
      {ok, M, Chunks} = beam_lib:all_chunks(F),
      <<Head:8/binary, _:32, Rest/binary>> = proplists:get_value("Code", Chunks),
      {ok, B} = beam_lib:build_module(lists:keyreplace("Code", 1, Chunks, {"Code", <<Head/binary, 9999:32, Rest/binary>>})),
      {error, _} = code:load_binary(M, "x", B), ok = file:write_file(F, B)
    end || F <- filelib:wildcard("home/ebin/elixirscope*.beam")], halt().' >err 2>&1 || fail "the modules cannot be changed: $(cat err)"
  ELIXIRSCOPE_HOME=$work/home "$scope" attach --cookie $cookie --for 500ms -o compiled.scope $long 2>"$work/recorder.log" || fail "attach with modules of another emulator"
  [ "$(json compiled.scope "['events']['by_kind']['send']")" -gt 50 ] || fail "nothing was recorded with them"
fi

# A node of another user: root may, and the rings and the shared object are that user's.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
  mkdir other && chmod 755 "$work" && chmod 711 "$ELIXIRSCOPE_SHM" && chown 65534 other
  HOME=$work/other setpriv --reuid 65534 --clear-groups erl -noshell -sname es_other_$$ -setcookie $cookie -eval 'file:write_file("'"$work"'/other/up", "x"), receive after infinity -> ok end.' >other.log 2>&1 &
  wait_until 30 test -s other/up || fail "the other user's node does not start: $(cat other.log)"
  "$scope" attach --cookie $cookie --for 500ms -o other.scope es_other_$$ 2>"$work/recorder.log" || fail "attach to another user's node"
  [ "$(json other.scope "['events']['total']")" -gt 40 ] || fail "the other user's node is not recorded"
fi
expect "session directories left" "$(session_dirs)" 0
pass
