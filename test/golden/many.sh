# 200,000 processes: attached to and left again; the recorder says how long the longest slice took.
. "$(dirname "$0")/lib.sh"
command -v epmd >/dev/null || skip "epmd is not installed"
cookie=scopetest$$
ES_PROCESSES=200000 erl +P 500000 -noshell -sname "es_many_$$" -setcookie "$cookie" -pa "$work" -s truth many "$work/many" >"$work/many.log" 2>&1 &
wait_until 60 test -s "$work/many.pid" || fail "the processes did not start"
"$scope" attach "es_many_$$@$(hostname -s)" --cookie "$cookie" --level messages_only --for 4s --overwrite -o "$work/many.scope" --json >"$work/attach.json" 2>"$work/recorder.log" || fail "attach: $(cat "$work/recorder.log")"
cat "$work/attach.json"
[ "$(json "$work/many.scope" "['events']['by_kind'].get('census', 0)")" -ge 200000 ] || fail "the census is not whole: $(json "$work/many.scope" "['events']['by_kind']")"
touch "$work/many.end"
pass
