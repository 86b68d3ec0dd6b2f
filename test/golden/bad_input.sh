# Wrong arguments, broken files, places that are full or closed: a clear error each time, the right exit code, nothing left behind.
. "$(dirname "$0")/lib.sh"
refuse() { # CODE PATTERN COMMAND...
  local code=$1 pattern=$2 got
  shift 2
  "$@" >"$work/out" 2>&1
  got=$?
  [ $got = "$code" ] || fail "$*: exit $got, expected $code: $(cat "$work/out")"
  grep -qiE "$pattern" "$work/out" || fail "$*: says '$(cat "$work/out")', not /$pattern/"
}
refuse 2 'usage' "$scope"
refuse 2 "no command 'evnts'" "$scope" evnts
for command in record attach import recover info events ps state find sql export cut save doctor; do
  refuse 0 "^elixirscope $command - " "$scope" $command --help
  refuse 2 '' "$scope" $command --no-such-option
done
refuse 1 'no such file' "$scope" info "$work/absent.scope"
refuse 2 'one recording' "$scope" info
echo "this is text" >"$work/text.scope"
refuse 1 'not a recording' "$scope" info "$work/text.scope"
: >"$work/empty.scope"
refuse 1 'not a recording' "$scope" events "$work/empty.scope"
refuse 1 'not a recording|director' "$scope" info "$work"

refuse 1 'without|not.*(BEAM|Erlang)' "$scope" record -o "$work/true.scope" -- true
[ -e "$work/true.scope" ] && fail "a command that is no BEAM left a recording"
refuse 3 'without|not.*(BEAM|Erlang)' "$scope" record -o "$work/exit3.scope" -- sh -c 'exit 3'
refuse 1 'not found|no such|cannot' "$scope" record -o "$work/x.scope" -- /no/such/program
refuse 2 '' "$scope" record -o "$work/x.scope"
refuse 2 'every call|yes-really' "$scope" record -o "$work/x.scope" --trace 'calls:*' -- true
refuse 2 'trace' "$scope" record -o "$work/x.scope" --trace 'nonsense:1' -- true
refuse 2 'level' "$scope" record -o "$work/x.scope" --level loud -- true
refuse 1 'no such file|director' "$scope" record -o "$work/no/dir/x.scope" -- erl -noshell -eval 'halt().'
echo precious >"$work/precious.scope"
refuse 1 'already|exists' "$scope" record -o "$work/precious.scope" -- erl -noshell -eval 'halt().'
refuse 1 'recording' "$scope" record --overwrite -o "$work/precious.scope" -- erl -noshell -eval 'halt().'
expect "a file that is no recording" "$(cat "$work/precious.scope")" precious
refuse 1 'epmd|port mapper|reach' "$scope" attach nobody_here_$$@localhost --cookie x --for 1s -o "$work/x.scope"

# A real recording, then damaged in many ways.
"$scope" record -o "$work/good.scope" --level full -- erl -noshell -eval 'timer:sleep(300), halt().' >"$work/recorder.log" 2>&1 || fail "record"
total=$(json "$work/good.scope" "['events']['total']")
[ "$total" -gt 50 ] || fail "few events: $total"
"$scope" cut "$work/good.scope" --until 75% -o "$work/cut.scope" >/dev/null || fail cut
refuse 1 'already|exists' "$scope" cut "$work/good.scope" --since 25% -o "$work/cut.scope"
refuse 1 'outside|span|recording' "$scope" events "$work/good.scope" --since +10h
refuse 2 'kind' "$scope" events "$work/good.scope" --kind sned
refuse 1 'no process|not' "$scope" events "$work/good.scope" --name nobody_called_so
python3 - "$work/good.scope" "$work" "$scope" <<'PY' || fail "damaged recordings"
import random, subprocess, sys
good, work, scope = open(sys.argv[1], "rb").read(), sys.argv[2], sys.argv[3]
seed = random.randrange(1 << 30); print("seed", seed); random.seed(seed)
for i in range(60):
    bad = bytearray(good)
    if i % 3 == 0: bad = bad[: random.randrange(len(bad))]
    elif i % 3 == 1:
        for _ in range(1 + i // 3): bad[random.randrange(len(bad))] ^= 1 << random.randrange(8)
    else:
        at = random.randrange(len(bad)); bad[at : at + 4096] = random.randbytes(len(bad[at : at + 4096]))
    path = f"{work}/bad.scope"; open(path, "wb").write(bad)
    for command in (["info", "--json"], ["events", "--json"], ["ps"], ["export", "--to", "perfetto"]):
        done = subprocess.run([scope, *command, path], capture_output=True, timeout=60)
        assert done.returncode in (0, 1), (i, command, done.returncode, done.stderr[-500:])
        assert done.returncode == 0 or done.stderr, (i, command)
PY
chmod a-w "$work/good.scope"; mkdir "$work/ro"; cp "$work/good.scope" "$work/ro/"; chmod a-w "$work/ro"
if [ "$(id -u)" = 0 ]; then reader="setpriv --reuid 65534 --regid 65534 --clear-groups"; chmod 755 "$work"; chmod 644 "$work/ro/good.scope"; else reader=; fi
$reader "$scope" info "$work/ro/good.scope" >"$work/out" 2>&1 || fail "read-only directory: $(cat "$work/out")"
chmod u+w "$work/ro"
expect "session directories left" "$(session_dirs)" 0
pass
