# Two recordings at once of two nodes work; the same node twice is refused with a clear error; after detaching nothing is left.
. "$(dirname "$0")/lib.sh"
command -v epmd >/dev/null || skip "epmd is not installed"
cookie=scopetest$$
for n in one two; do
  erl -noshell -sname "es_${n}_$$" -setcookie "$cookie" -pa "$work" -s truth busy "$work/$n" >"$work/$n.log" 2>&1 &
done
for n in one two; do wait_until 30 test -s "$work/$n.pid" || fail "node $n did not start"; done
host=$(hostname -s)
for n in one two; do
  "$scope" attach "es_${n}_$$@$host" --cookie "$cookie" --level messages_only --for 5s --budget off --overwrite -o "$work/$n.scope" >"$work/attach_$n.log" 2>&1 &
  eval "attach_$n=$!"
done
sleep 2
"$scope" attach "es_one_$$@$host" --cookie "$cookie" --for 1s --overwrite -o "$work/again.scope" >"$work/again.log" 2>&1
expect "exit code of the second recorder of one node" $? 1
grep -qi "already" "$work/again.log" || fail "the refusal does not say why: $(cat "$work/again.log")"
[ -e "$work/again.scope" ] && fail "the refused recorder left a file"
wait "$attach_one" || fail "attach one: $(cat "$work/attach_one.log")"
wait "$attach_two" || fail "attach two: $(cat "$work/attach_two.log")"
for n in one two; do
  expect "losses of $n" "$(json "$work/$n.scope" "['losses']['total']")" 0
  [ "$(json "$work/$n.scope" "['events']['by_kind'].get('deliver', 0)")" -gt 1000 ] || fail "$n holds few deliveries"
  expect "node of $n" "$(json "$work/$n.scope" "['node']")" "es_${n}_$$@$host"
done
cat >"$work/ask.erl" <<'ERL'
-module(ask).
-export([main/1]).
main([Node]) ->
    Flags = rpc:call(Node, erlang, apply, [fun() -> [{P, I} || P <- processes(), I <- [catch erlang:trace_info(P, flags)], I =/= {flags, []}, I =/= undefined] end, []]),
    Left = [{flags, Flags},
            {modules, [M || {M, _} <- rpc:call(Node, code, all_loaded, []), lists:prefix("elixirscope", atom_to_list(M))]},
            {names, [N || N <- rpc:call(Node, erlang, registered, []), lists:prefix("elixirscope", atom_to_list(N))]},
            {handlers, [H || H <- rpc:call(Node, logger, get_handler_ids, []), H =/= default]},
            {monitor, rpc:call(Node, erlang, system_monitor, [])},
            {'receive', rpc:call(Node, erlang, trace_info, ['receive', match_spec])},
            {new, rpc:call(Node, erlang, trace_info, [new, flags])},
            {pattern, rpc:call(Node, erlang, trace_info, [{gen_server, init_it, 2}, traced])},
            {library, re:run(element(2, file:read_file("/proc/" ++ rpc:call(Node, os, getpid, []) ++ "/maps")), "elixirscope")}],
    io:format("~0p~n", [Left]), halt(0).
ERL
erlc -o "$work" "$work/ask.erl" || fail "ask.erl"
for n in one two; do
  left=$(erl -noshell -hidden -sname "es_ask_$$" -setcookie "$cookie" -pa "$work" -s ask main "es_${n}_$$@$host")
  expect "what is left in $n" "$left" "[{flags,[]},{modules,[]},{names,[]},{handlers,[]},{monitor,undefined},{'receive',{match_spec,true}},{new,{flags,[]}},{pattern,{traced,false}},{library,nomatch}]"
  touch "$work/$n.end"
done
expect "session directories left" "$(session_dirs)" 0
pass
