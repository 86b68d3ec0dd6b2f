# A live node is woven and brought back many times under load: every answer right, no process ended, nothing grows, what cannot be
# brought back is named with what is in its way.
. "$(dirname "$0")/lib.sh"
ELIXIRSCOPE_SHM=$(mktemp -d /dev/shm/es-test-XXXXXX) && export ELIXIRSCOPE_SHM
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work" "$ELIXIRSCOPE_SHM"' EXIT
cd "$work" || exit 1
erlc +debug_info "$source_dir"/test/workload/weave_*.erl || exit 1
cookie=es_$$ node=es_weave_$$
erl -noshell -sname $node -setcookie $cookie -run weave_load main "$work" >vm.log 2>&1 &
wait_until 30 test -s up || fail "the node does not start: $(cat vm.log)"
"$scope" attach --cookie $cookie --level minimal -o w.scope $node 2>recorder.log &
recorder=$!
wait_until 20 grep -q 'processes traced' recorder.log || fail "attach: $(cat recorder.log)"

n=0
facts() { # into calls, wrong, atoms, code, ended
  n=$((n + 1))
  touch facts
  wait_until 20 test -s facts.$n || fail "the load does not answer: $(tail -n 5 vm.log)"
  read -r calls wrong atoms code ended <facts.$n
}
weave() { "$scope" weave $node "$@" >out 2>err || fail "weave $*: $(cat out err)"; }
unweave() { "$scope" unweave $node "$@" >out 2>err; }

facts # what that loads is there now
rounds=${ES_WEAVE_ROUNDS:-200}
depths=(calls lines values)
for ((i = 1; i <= rounds; i++)); do
  weave weave_target --depth ${depths[i % 3]}
  unweave weave_target || fail "round $i: $(cat out err)"
  [ $i -eq $((rounds / 2)) ] && facts && atoms_before=$atoms code_before=$code calls_before=$calls
done
facts
echo "$calls answers in $rounds rounds, atoms $atoms_before -> $atoms, code $code_before -> $code bytes"
[ "$calls" -gt $((calls_before + 1000)) ] || fail "the load stands still: $calls_before answers, then $calls"
expect "wrong answers" "$wrong" 0
expect "ended processes" "$ended" "[]"
[ $((atoms - atoms_before)) -le 20 ] || fail "atoms grow: $atoms_before, $atoms"
[ $((code - code_before)) -le 65536 ] || fail "code grows: $code_before, $code"

# A process waits in the code from before.
weave weave_parked --depth values
unweave weave_parked && fail "a module is brought back under a process that runs its code from before"
grep -qE 'weave_parked is still woven: processes still run its code from before: <0\.[0-9]+\.0>' out || fail "it says: $(cat out err)"
touch go
back() { "$scope" unweave $node --all --json 2>/dev/null | grep -q '"held": 0'; }
wait_until 20 back || fail "it does not come back: $(cat out err)"
wait_until 20 grep -q 'weave_parked is as before' recorder.log || fail "that is not told: $(cat recorder.log)"

# A table has a fun of the code from before: it goes on being called.
weave weave_funs --depth calls
unweave weave_funs && fail "a module is brought back though a table has a fun of it"
grep -q 'a fun of its code from before may be called: the table weave_funs' out || fail "it says: $(cat out err)"
weave weave_funs --depth calls # it stays as it is, and is no longer to go

# What cannot be woven.
"$scope" weave $node lists >out 2>err && fail "lists is woven"
grep -q 'lists is not woven: .*sticky' out || fail "of lists it says: $(cat out err)"
"$scope" weave $node elixirscope_agent >out 2>err && fail "the agent is woven"
"$scope" weave $node 'no such' >out 2>err && fail "a name with a space"
"$scope" weave $node '*' >out 2>err; expect "exit code of weave *" $? 2
"$scope" weave $node m --depth all >out 2>err; expect "exit code of a wrong depth" $? 2
"$scope" weave nobody m >out 2>err; expect "exit code of an unknown node" $? 1
"$scope" unweave $node >out 2>err; expect "exit code of unweave without modules" $? 2

facts
calls_before=$calls
expect "wrong answers at the end" "$wrong" 0
expect "ended processes at the end" "$ended" "[{parked,{value,42}}]"
kill -TERM $recorder
wait $recorder
expect "exit code of attach, with one module still woven" $? 1
grep -q 'the module weave_funs is still woven: a fun of its code' recorder.log || fail "it is not told at the end: $(cat recorder.log)"
facts
[ "$calls" -gt "$calls_before" ] || fail "the load stands still after the end"
expect "wrong answers after the end" "$wrong $ended" "0 [{parked,{value,42}}]"
# The next recording takes nothing away that this one's code needs, and brings back what it can.
"$scope" attach --cookie $cookie --level minimal --weave weave_target --for 1s -o next.scope $node 2>recorder.log || fail "attach again: $(cat recorder.log)"
facts
expect "wrong answers after the next recording" "$wrong $ended" "0 [{parked,{value,42}}]"
"$scope" attach --cookie $cookie --level minimal --weave weave_funs --for 1s -o last.scope $node 2>recorder.log && fail "weave_funs comes back though a table has a fun of it"
grep -q '1 module is woven' recorder.log || fail "what is woven still is not taken on: $(cat recorder.log)"
[ "$("$scope" sql last.scope --format csv "SELECT count(*) > 1000 FROM events WHERE kind = 'call' AND module = 'weave_funs'" | tr -d '\r' | tail -n 1)" = 1 ] || fail "its calls are not recorded"
facts
expect "wrong answers after the last recording" "$wrong $ended" "0 [{parked,{value,42}}]"
[ "$("$scope" sql w.scope --format csv "SELECT count(*) > 1000 FROM events WHERE kind = 'call' AND module = 'weave_target'" | tr -d '\r' | tail -n 1)" = 1 ] || fail "its calls are not recorded"
touch stop
pass
