# A redacted value's bytes are found nowhere: not in the rings, not in the recording, not in what is printed.
. "$(dirname "$0")/lib.sh"
secret="S3cr3t$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')"
printf '%s' "$secret" >"$work/secret"
"$scope" record --overwrite -o "$work/secrets.scope" --level messages_only --redact-struct Shop.Card -- \
  erl -noshell -pa "$work" -s truth secrets "$work/secret" >"$work/recorder.log" 2>&1 || fail "record"
"$scope" events "$work/secrets.scope" --json >"$work/events.jsonl" || fail "events"
"$scope" export --to etf -o "$work/secrets.etf" "$work/secrets.scope" || fail "export"
grep -q public-user "$work/events.jsonl" && grep -q public-accept "$work/events.jsonl" && grep -q public-host "$work/events.jsonl" || fail "what is public is missing too"
grep -q redacted "$work/events.jsonl" || fail "no event says that it was redacted"
grep -aq "$secret" "$work/events.jsonl" "$work/secrets.etf" && fail "the secret is printed"
cat >"$work/columns.py" <<'PY'
import sqlite3, subprocess, sys
db = sqlite3.connect(sys.argv[1])
secret = sys.argv[2].encode()
for (table,) in db.execute("select name from sqlite_master where type='table'").fetchall():
    for row in db.execute(f"select * from {table}"):
        for value in row:
            value = value if isinstance(value, bytes) else str(value).encode()
            if secret in value: sys.exit(f"found in table {table}")
            if value[:4] == b"\x28\xb5\x2f\xfd":
                plain = subprocess.run(["zstd", "-dc"], input=value, capture_output=True).stdout
                if secret in plain: sys.exit(f"found in a compressed column of table {table}")
PY
python3 "$work/columns.py" "$work/secrets.scope" "$secret" || fail "the secret is in the recording"

# The rings: a second run whose engine is stopped, so that what was written is still there to be searched.
cat >"$work/slow.erl" <<'ERL'
-module(slow).
-export([main/1]).
main([Dir]) -> D = atom_to_list(Dir), truth:pid_file(D ++ "/slow.pid"), wait(D ++ "/slow.go"),
    {ok, S} = prim_file:read_file(D ++ "/secret"), Sink = spawn(fun() -> receive never -> ok end end),
    [Sink ! #{password => S, <<"Authorization">> => S, list => [{token, S}], public => <<"public-ring">>} || _ <- lists:seq(1, 1000)],
    ok = file:write_file(D ++ "/slow.done", "x"), wait(D ++ "/slow.end"), halt(0).
wait(F) -> case filelib:is_file(F) of true -> ok; false -> receive after 20 -> wait(F) end end.
ERL
erlc -o "$work" "$work/slow.erl" || fail "slow.erl"
"$scope" record --overwrite -o "$work/slow.scope" --level messages_only -- erl -noshell -pa "$work" -s slow main "$work" >"$work/recorder.log" 2>&1 &
recorder=$!
wait_until 30 test -s "$work/slow.pid" || fail "slow did not start"
engine=$(engine_of "$recorder")
kill -STOP "$engine"
touch "$work/slow.go"
wait_until 30 test -s "$work/slow.done" || fail "slow did not go on"
arena=$(ls /dev/shm/elixirscope-"$(id -u)"/*/arena) || fail "no arena"
grep -aq public-ring $arena || fail "the rings do not hold what was sent"
grep -aq "$secret" $arena && fail "the secret is in the rings"
kill -CONT "$engine"
touch "$work/slow.end"
wait "$recorder"
pass
