# `state` at random times against what processes wrote down of themselves: 50 servers and state machines, 10,000 changes, with
# crashes, restarts, sys:replace_state, hibernation, code changes and states of 200 kB. ES_SEED repeats a run.
. "$(dirname "$0")/lib.sh"
seed=${ES_SEED:-$RANDOM$RANDOM}
echo "ES_SEED=$seed"
erlc -o "$work" "$source_dir"/test/workload/states*.erl || exit 1

# Answers as lines: PID TIME KNOWN, tab, the text, tab, the tagged JSON turned into Erlang.
cat >"$work/lines.py" <<'PY'
import base64, json, sys
def atom(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
def erl(t):
    if t is None or t is True or t is False:
        return {None: "nil", True: "true", False: "false"}[t]
    if isinstance(t, int):
        return str(t)
    if isinstance(t, str):
        return "<<" + ",".join(map(str, t.encode())) + ">>"
    if isinstance(t, list):
        return "[" + ",".join(map(erl, t)) + "]"
    kind = t["t"]
    if kind == "atom":
        return atom(t["v"])
    if kind == "integer":
        return t["v"]
    if kind == "float":
        return repr(t["v"]) if "e" not in repr(t["v"]) or "." in repr(t["v"]) else repr(t["v"]).replace("e", ".0e")
    if kind == "binary":
        return "<<" + ",".join(map(str, base64.b64decode(t["v"]))) + ">>"
    if kind == "bitstring":
        b, bits = base64.b64decode(t["v"]), t["bits"]
        return "<<" + ",".join([str(x) for x in b[:-1]] + ["%d:%d" % (b[-1] >> (8 - bits % 8), bits % 8)]) + ">>"
    if kind == "tuple":
        return "{" + ",".join(map(erl, t["v"])) + "}"
    if kind == "map":
        return "#{" + ",".join(erl(k) + "=>" + erl(v) for k, v in t["v"]) + "}"
    if kind == "improper":
        return "[" + ",".join(map(erl, t["v"])) + "|" + erl(t["tail"]) + "]"
    raise ValueError("a term of type " + kind)
for line in sys.stdin:
    a = json.loads(line)
    if "error" in a:
        print("%s %s captured\t{error,no_answer}\t%s" % (a["process"], a["at"], "[" + ",".join(map(str, a["error"].encode())) + "]"))
        continue
    whole = a["known"] == "captured"
    print("%s %d %s\t%s\t%s" % (a["pid"], a["time"], a["known"], a["state"] if whole else "", erl(a["term"]) if whole else ""))
PY

compare() { # NAME MODE CHANGES RECORD_OPTION...
  local name=$1 mode=$2 changes=$3
  shift 3
  ES_SEED=$seed ES_CHANGES=$changes "$scope" record --overwrite -o "$work/$name.scope" "$@" -- \
    erl -noshell -pa "$work" -s states main "$work/$name" >"$work/recorder.log" 2>&1 || fail "record $name"
  erl -noshell -pa "$work" -eval "states:questions([\"$work/$name\", \"2000\", \"$seed\", \"$work/$name.asked\"])." || fail "questions"
  "$scope" state --notation erlang --at - "$work/$name.scope" <"$work/$name.asked" >"$work/$name.json" || fail "state"
  expect "answers" "$(wc -l <"$work/$name.json")" 2000
  python3 "$work/lines.py" <"$work/$name.json" >"$work/$name.lines" || fail "answers are no tagged JSON"
  erl -noshell -pa "$work" -eval "states:check([\"$work/$name\", \"$work/$name.lines\", \"$mode\"])." || fail "$name: states differ"
}
compare unlimited all 10000 --state unlimited
compare budget some 3000

# What was replaced from outside is a version that says so.
one=$work/unlimited.scope
replaced=$("$scope" events --json --kind state "$one" | grep -c '"function":"system_replace_state"')
[ "$replaced" -gt 50 ] || fail "only $replaced replaced states"
pass
