# The source of a module that erlc wove: hits of its lines against arithmetic, at the end and at a moment; what is said of others.
. "$(dirname "$0")/lib.sh"
[ -n "${ELIXIRSCOPE_BUILD:-}" ] || skip "the agent's modules are in the build folder, which is not named"
cd "$work" || exit 1
cat >billed.erl <<'EOF'
-module(billed).
-export([main/0, bill/2]).
main() ->
    case elixirscope_probes:is_on() of
        true -> [bill(N, N rem 3) || N <- lists:seq(1, 60)], halt();
        false -> receive after 5 -> main() end
    end.
bill(_, 0) ->
    free;
bill(N, Kind) ->
    Total = N * Kind,
    case Total > 50 of
        true ->
            Rest = Total - 50,
            Rest * 2;
        false ->
            Total
    end.
EOF
erlc +debug_info -pa "$ELIXIRSCOPE_BUILD/ebin" "+{parse_transform, elixirscope_weave}" "+{elixirscope_weave, [{depth, values}]}" billed.erl || fail "erlc with the parse transform"
"$scope" record --overwrite -o b.scope --level minimal -- erl -noshell -pa "$ELIXIRSCOPE_BUILD/ebin" -pa "$work" -s billed main 2>recorder.log || fail "record"
"$scope" source b.scope billed --json >source.json || fail "source"
"$scope" events b.scope --kind line --json >lines.jsonl
python3 - "$scope" <<'PY' || fail "hits"
import json, subprocess, sys
scope = sys.argv[1]
told = json.load(open("source.json"))
assert told["text"] == open("billed.erl").read() and told["path"].endswith("billed.erl"), told["path"]
paid = [(n, n % 3) for n in range(1, 61) if n % 3]
dear = [n * k for n, k in paid if n * k > 50]
text = told["text"].splitlines()
number = lambda part: next(i for i, line in enumerate(text, 1) if part in line)
truth = {number("    free;"): 60 - len(paid), number("Total = N"): len(paid), number("case Total"): len(paid), number("Rest = "): len(dear),
         number("Rest * 2"): len(dear), number("            Total\n".strip("\n")): len(paid) - len(dear)}
hits = {line["line"]: line["hits"] for line in told["lines"]}
for line, n in truth.items():
    assert hits.get(line, 0) == n, (line, text[line - 1], n, hits)
# Half way, and the variables there.
events = [json.loads(line) for line in open("lines.jsonl")]
rests = [e for e in events if e["line"] == number("Rest * 2") or "Rest" in e.get("vars", {})]
assert sorted({int(e["vars"]["Rest"]) for e in rests if "Rest" in e.get("vars", {})}) == sorted({d - 50 for d in dear})
middle = events[len(events) // 2]
there = json.loads(subprocess.run([scope, "source", "b.scope", ":billed", "--seq", str(middle["seq"]), "--json"], capture_output=True, text=True, check=True).stdout)
assert there["here"]["seq"] == middle["seq"] and there["here"]["line"] == middle["line"], (there["here"], middle)
before = sum(e["line"] == number("Total = N") and e.get("clause") == 2 for e in events if e["seq"] <= middle["seq"])
assert {l["line"]: l["hits"] for l in there["lines"]}[number("Total = N")] == before > 0, (there["lines"], before)
PY
"$scope" source b.scope billed | grep -qE '40 *[> ] *[0-9]+ +Total = N \* Kind' || fail "as text: $("$scope" source b.scope billed)"
"$scope" source b.scope nothing >out 2>err; expect "exit code of an unknown module" $? 1
grep -q 'Woven are: billed' err || fail "of an unknown module it says: $(cat err)"
"$scope" source b.scope >out 2>err; expect "exit code without a module" $? 2
"$scope" source b.scope billed --seq 999999 >out 2>err; expect "exit code of an unknown event" $? 1
"$scope" source b.scope billed --at nonsense >out 2>err; expect "exit code of a wrong time" $? 1
# A part of the recording has the source too.
"$scope" cut b.scope --since 10% -o c.scope 2>err || fail "cut: $(cat err)"
[ "$("$scope" source c.scope billed --json | python3 -c 'import json,sys; print(len(json.load(sys.stdin)["text"]))')" = "$(stat -c %s billed.erl)" ] || fail "the part has no source"
pass
