# Stories of failures: who is told, in which order, by which edges.
. "$(dirname "$0")/lib.sh"
cat >"$work/chain.erl" <<'ERL'
-module(chain).
-behaviour(gen_server).
-export([main/0, start/1, init/1, handle_call/3, handle_cast/2, handle_info/2]).
%% A supervisor restarts `back`, which crashes on what `front` asks it on behalf of a client; `slow` lets `front` wait too long.
main() ->
    {ok, _} = sup:start_link(),
    [{ok, _} = start(N) || N <- [front, slow]],
    gen_server:cast(back, {remember, 7}),
    {Client, Ref} = spawn_monitor(fun() -> register(client, self()), gen_server:call(front, {buy, crashing}) end),
    receive {'DOWN', Ref, _, Client, _} -> ok end,
    gen_server:call(front, {wait, 40}),
    receive after 300 -> halt(0) end.
start(Name) -> gen_server:start_link({local, Name}, ?MODULE, Name, []).
init(Name) -> {ok, #{name => Name, seen => none}}.
handle_call({buy, What}, _, S) -> {reply, catch gen_server:call(back, {take, What}), S};
handle_call({take, crashing}, _, _) -> error(no_such_thing);
handle_call({wait, Ms}, _, S) -> {reply, catch gen_server:call(slow, {sleep, 10 * Ms}, Ms), S};
handle_call({sleep, Ms}, _, S) -> receive never -> ok after Ms -> ok end, {reply, ok, S}.
handle_cast({remember, X}, S) -> {noreply, S#{seen := X}}.
handle_info(_, S) -> {noreply, S}.
ERL
cat >"$work/sup.erl" <<'ERL'
-module(sup).
-behaviour(supervisor).
-export([start_link/0, init/1]).
start_link() -> supervisor:start_link({local, sup}, ?MODULE, []).
init([]) -> {ok, {#{}, [#{id => back, start => {chain, start, [back]}}]}}.
ERL
erlc -o "$work" "$work/chain.erl" "$work/sup.erl" || fail "erlc"
"$scope" record --overwrite -o "$work/w.scope" --level full -- erl -noshell -pa "$work" -s chain main >"$work/recorder.log" 2>&1 || fail "record: $?"
"$scope" why --crash --json --notation erlang "$work/w.scope" >"$work/why.jsonl" || fail "why"
"$scope" why --crash --full --json "$work/w.scope" >"$work/full.jsonl" || fail "why --full"
"$scope" why --crash "$work/w.scope" >"$work/why.txt" || fail "why as text"
"$scope" leads-to --crash --json "$work/w.scope" >"$work/leads.jsonl" || fail "leads-to"
"$scope" events --json --notation erlang "$work/w.scope" >"$work/events.jsonl" || fail "events"
timeout_seq=$("$scope" events --json --name front --kind timeout "$work/w.scope" | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["seq"])') || fail "front has no timeout"
"$scope" why --json --notation erlang "$work/w.scope" "$timeout_seq" >"$work/waits.jsonl" || fail "why SEQ"
python3 - "$work" <<'PY' || fail "stories"
import json, sys
work = sys.argv[1]
def load(name): return [json.loads(l) for l in open(f"{work}/{name}.jsonl")]
why, full, leads, waits, events = map(load, ("why", "full", "leads", "waits", "events"))
by_seq = {e["seq"]: e for e in events}
for name, story, forward in (("why", why, False), ("full", full, False), ("leads", leads, True)):
    seqs = [e["seq"] for e in story]
    assert story[0]["from"] is None and story[0]["edge"] == "none", story[0]
    assert len(seqs) == len(set(seqs)) and seqs == sorted(seqs, reverse=not forward), name
    for e in story[1:]:
        assert e["from"] in seqs and (e["from"] < e["seq"]) == forward and isinstance(e["possibly"], bool), e
        same = by_seq[e["from"]]["pid"] == e["pid"]
        assert same == (e["edge"] not in ("message", "spawn", "exit", "timer")), e
def find(story, **what):
    found = [e for e in story if all(e[k] == v for k, v in what.items())]
    assert found, (what, [(e["kind"], e["name"], e["edge"]) for e in story])
    return found[0]
crash = why[0]
assert crash["kind"] == "exit" and crash["name"] == "back" and "no_such_thing" in crash["payload"], crash
# crash <- exception <- call <- message <- front's send <- front's call <- message <- the client
exception = find(why, kind="exception", name="back", edge="program")
assert exception["from"] == crash["seq"]
call = find(why, kind="call", name="back", function="handle_call", edge="call")
assert call["from"] == exception["seq"]
got = find(why, kind="deliver", name="back", edge="handling")
assert got["from"] == call["seq"] and "{take,crashing}" in got["payload"], got
sent = find(why, kind="send", name="front", edge="message")
assert sent["from"] == got["seq"]
asked = find(why, kind="call", name="front", edge="call")
assert asked["from"] == sent["seq"]
first = find(why, kind="deliver", name="front", edge="handling")
assert first["from"] == asked["seq"] and "{buy,crashing}" in first["payload"]
assert find(why, kind="send", name="client", edge="message")["from"] == first["seq"]
assert not any(e["name"] == "slow" for e in why if e["seq"] > first["seq"]), "a bystander is blamed"
# forwards: the supervisor and the caller hear of it, and a new process is started
assert any(e["kind"] == "deliver" and e["name"] == "sup" and e["edge"] == "exit" for e in leads)
started = find(leads, kind="spawn", name="sup")
born = find(leads, kind="spawned", edge="spawn")
assert born["from"] == started["seq"] and born["pid"] != crash["pid"] and started["peer"] == born["pid"]
# the whole cone holds what the story says, as far as callbacks go
assert {e["seq"] for e in why if e["seq"] >= first["seq"]} <= {e["seq"] for e in full}
# who waited too long, and for whom
busy = find(waits, name="slow", kind="call", edge="waiting")
assert "{sleep,400}" in busy["payload"], busy
find(waits, name="front", kind="send", edge="program")
text = open(f"{work}/why.txt").read()
for word in ("no_such_thing", "handle_call/3", "take, :crashing", "its state", "seen: 7", "afterwards", "sup", "chain.erl:"):
    assert word in text, (word, text)
print(len(why), "moments,", len(full), "events in the cone")
PY
"$scope" why "$work/w.scope" nobody 2>"$work/err"; expect "nobody" $? 1
grep -q "has no process nobody" "$work/err" || fail "nobody: $(cat "$work/err")"
"$scope" why "$work/w.scope" 999999999 2>"$work/err"; expect "an event that is not there" $? 1
"$scope" why "$work/w.scope" 2>"$work/err"; expect "no event" $? 2
"$scope" why --crash --depth 2 --json "$work/w.scope" | python3 -c 'import json,sys; assert max(json.loads(l)["depth"] for l in sys.stdin) == 2' || fail "--depth"
pass
