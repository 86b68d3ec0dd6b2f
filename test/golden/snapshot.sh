# What `snapshot` says of a moment against what the processes themselves said of it: names, links, mailboxes, who waits for whom, and the
# supervision tree. Everything stands still while the truth is written down, and does something else before and after.
. "$(dirname "$0")/lib.sh"
cat >"$work/still.erl" <<'ERL'
-module(still).
-behaviour(gen_server).
-export([main/1, init/1, handle_call/3, handle_cast/2, handle_info/2, start_link/1, start_sup/2]).

start_link(Name) -> gen_server:start_link({local, Name}, ?MODULE, Name, []).
start_sup(Name, Children) -> supervisor:start_link({local, Name}, ?MODULE, {sup, Children}).

init({sup, Children}) -> {ok, {#{strategy => one_for_one}, Children}};
init(Name) -> {ok, #{name => Name, n => 0}}.
handle_call(block, From, S) -> receive {release, Me} when Me =:= self() -> ok end, {reply, From, S};
handle_call(add, _, S = #{n := N}) -> {reply, ok, S#{n := N + 1}};
handle_call({ask, Other}, _, S) -> {reply, gen_server:call(Other, block, infinity), S}.
handle_cast(_, S) -> {noreply, S}.
handle_info(_, S) -> {noreply, S}.

worker(Name) -> #{id => Name, start => {?MODULE, start_link, [Name]}}.
sup(Name, Children) -> #{id => Name, type => supervisor, start => {?MODULE, start_sup, [Name, Children]}}.

main([File]) ->
    process_flag(trap_exit, true),
    {ok, Top} = start_sup(top_sup, [sup(left_sup, [worker(blocked), worker(asker)]), sup(right_sup, [worker(idle), worker(gone)]),
        worker(single), #{id => filling, start => {?MODULE, start_link, [filling]}, modules => [list_to_atom("m" ++ integer_to_list(I)) || I <- lists:seq(1, 400)]}]),
    [ok = gen_server:call(idle, add) || _ <- lists:seq(1, 7)],
    ok = supervisor:terminate_child(right_sup, gone),
    Twice = spawn_link(fun() -> register(plain, self()), plain() end),
    true = link(whereis(idle)), unlink(whereis(idle)),
    Linker = spawn(fun() -> link(Twice), link(whereis(single)), link(whereis(idle)), unlink(whereis(single)), receive stop -> ok end end),
    Client = spawn(fun() -> gen_server:call(asker, {ask, blocked}, infinity), receive stop -> ok end end),
    wait(fun() -> process_info(whereis(blocked), current_function) =:= {current_function, {?MODULE, handle_call, 3}} end),
    [gen_server:cast(blocked, {later, I}) || I <- lists:seq(1, 5)],
    [plain ! {message, I} || I <- lists:seq(1, 3)],
    Waiter = spawn(fun() -> gen_server:call(blocked, add, infinity) end),
    Everybody = [Top, Linker, Client, Waiter, Twice | [whereis(N) || N <- [left_sup, right_sup, blocked, asker, idle, single, filling]]],
    wait(fun() -> lists:all(fun(P) -> process_info(P, status) =:= {status, waiting} end, Everybody) end),
    wait(fun() -> process_info(whereis(blocked), message_queue_len) =:= {message_queue_len, 6} end),
    Before = erlang:monotonic_time(nanosecond),
    Truth = [fact(P) || P <- Everybody],
    After = erlang:monotonic_time(nanosecond),
    ok = file:write_file(File, json(Before, After, Truth, [{Client, whereis(asker)}, {whereis(asker), whereis(blocked)}, {Waiter, whereis(blocked)}])),
    [P ! {release, P} || P <- [whereis(blocked)]],
    wait(fun() -> is_process_alive(Waiter) =:= false end),
    Linker ! stop, Client ! stop, plain ! stop,
    wait(fun() -> whereis(plain) =:= undefined end),
    halt(0).

plain() -> receive stop -> ok end.

wait(F) -> case F() of true -> ok; false -> receive after 5 -> wait(F) end end.

fact(P) ->
    [{registered_name, Name}, {links, Links}, {message_queue_len, Mail}, {message_queue_data, _}] =
        process_info(P, [registered_name, links, message_queue_len, message_queue_data]),
    {P, Name, [L || L <- Links, is_pid(L)], Mail}.

json(Before, After, Facts, Waits) ->
    ["{\"before\":", integer_to_list(Before), ",\"after\":", integer_to_list(After), ",\"processes\":[", lists:join(",", [one(F) || F <- Facts]),
     "],\"waits\":[", lists:join(",", [["[", pid(A), ",", pid(B), "]"] || {A, B} <- Waits]), "]}"].
one({P, Name, Links, Mail}) ->
    ["{\"pid\":", pid(P), ",\"name\":", case Name of [] -> "null"; _ -> ["\"", atom_to_list(Name), "\""] end,
     ",\"links\":[", lists:join(",", [pid(L) || L <- Links]), "],\"mail\":", integer_to_list(Mail), "}"].
pid(P) -> ["\"", pid_to_list(P), "\""].
ERL
erlc -o "$work" "$work/still.erl" || fail "still.erl"
"$scope" record --overwrite -o "$work/s.scope" --level balanced --trace 'states:still' -- erl -noshell -pa "$work" -run still main "$work/truth.json" >"$work/recorder.log" 2>&1 || fail "record: $?"
read -r before after <<<"$(python3 -c "import json; t=json.load(open('$work/truth.json')); print(t['before'], t['after'])")"
"$scope" snapshot "$work/s.scope" --at "$before" --json --state >"$work/before.json" || fail "snapshot"
"$scope" snapshot "$work/s.scope" --at "$after" --json --state >"$work/after.json" || fail "snapshot"
python3 - "$work" <<'PY' || fail "snapshot differs from the truth"
import json, sys
work = sys.argv[1]
truth = json.load(open(f"{work}/truth.json"))
for moment in ("before", "after"):
    said = json.load(open(f"{work}/{moment}.json"))
    assert said["time"] <= truth[moment] and said["damaged_blocks"] == 0 and said["lost_before"] is None and not said["sampled"], said
    rows = {p["pid"]: p for p in said["processes"]}
    assert len(rows) == len(said["processes"]) == said["alive"]
    names = {p["name"]: p for p in said["processes"] if p["name"]}
    for true in truth["processes"]:
        row = rows[true["pid"]]
        assert row["name"] == true["name"], (row, true)
        assert row["links_whole"] and sorted(row["links"]) == sorted(true["links"]), (row, true)
        box = row["mailbox"]
        if box["known"] and not box["at_most"]:
            assert box["count"] == true["mail"], (row, true)
            assert len(box["messages"]) == true["mail"] and box["older"] == 0, box
        else: # nobody says what it handled: no fewer than there are
            assert box["at_most"] and box["count"] >= true["mail"], (row, true)
    waits = {p["pid"]: p["waiting"] for p in said["processes"] if p["waiting"] and p["pid"] in {t["pid"] for t in truth["processes"]}}
    assert {pid: w["for"] for pid, w in waits.items()} == dict(truth["waits"]), waits
    assert all(w["certain"] and w["since"] <= truth[moment] for w in waits.values()), waits
    assert rows[truth["waits"][0][0]]["status"] == "waiting"
    tree = {name: rows[p["supervisor"]]["name"] if p["supervisor"] else None for name, p in names.items()}
    expected = {"top_sup": None, "left_sup": "top_sup", "right_sup": "top_sup", "single": "top_sup", "filling": "top_sup", "blocked": "left_sup",
                "asker": "left_sup", "idle": "right_sup", "plain": None}
    assert {n: tree[n] for n in expected} == expected, tree
    assert "gone" not in names and all(names[n]["is_supervisor"] == n.endswith("_sup") for n in expected), names
    assert names["idle"]["state"]["text"] == "%{n: 7, name: :idle}" and names["idle"]["state"]["current"], names["idle"]["state"]
    blocked = names["blocked"]["function"]
    assert blocked["by"] in ("call", "scheduled") and (blocked["by"] == "scheduled" or blocked["name"].endswith("handle_call/3")), blocked
    print(moment, len(rows), "processes agree; handling known of", sum(bool(p["mailbox"] and p["mailbox"]["known"]) for p in rows.values()))
PY
# The same at an event as at its time; a tree and a table that name everybody.
seq=$(python3 -c "import json; print(json.load(open('$work/after.json'))['seq'])")
"$scope" snapshot "$work/s.scope" --event "$seq" --json --state >"$work/event.json" && cmp -s "$work/event.json" "$work/after.json" || fail "--event differs from --at"
"$scope" snapshot "$work/s.scope" --at "$after" --tree --notation erlang >"$work/tree.txt" || fail "--tree"
for line in '^top_sup ' '^├─ left_sup ' '^│  ├─ blocked ' '^│  └─ asker .* for <0.*blocked' '^├─ right_sup ' '^│  └─ idle ' '^└─ filling ' '^  plain '; do
  grep -q "$line" "$work/tree.txt" || { cat "$work/tree.txt"; fail "the tree has no line $line"; }
done
"$scope" snapshot "$work/s.scope" --at "$after" --name asker | grep -q 'waiting.*blocked for' || fail "the table does not say who waits"
"$scope" snapshot "$work/s.scope" --tree --name left_sup --at "$after" | tail -n 2 | grep -c '[├└]─' | grep -qx 2 || fail "--tree --name"
# Messages: what the client of the blocked server waited for, until it got it.
client=$(python3 -c "import json; print(json.load(open('$work/truth.json'))['waits'][0][0])")
"$scope" flow "$work/s.scope" "$client" asker --json >"$work/flow.json" || fail "flow"
"$scope" flow "$work/s.scope" blocked asker --both --json >"$work/both.json" || fail "flow --both"
python3 - "$work" <<'PY' || fail "flow"
import json, sys
work = sys.argv[1]
truth = json.load(open(f"{work}/truth.json"))
flow, both = json.load(open(f"{work}/flow.json")), json.load(open(f"{work}/both.json"))
(m,) = flow["messages"]
assert flow["count"] == 1 and m["request"] and not m["dead"] and m["from"] == truth["waits"][0][0] and m["to"] == truth["waits"][0][1], flow
assert m["send"]["time"] < truth["before"] < truth["after"] < m["replied"]["time"] and m["latency"] >= 0, m
assert m["send"]["seq"] < m["deliver"]["seq"] < m["reply"]["seq"] < m["replied"]["seq"]
assert m["round_trip"] == m["replied"]["time"] - m["send"]["time"] == flow["round_trip"]["max"]
ask, answer = both["messages"]
assert ask["request"] and not answer["request"] and ask["to"] == answer["from"] and ask["reply"] == answer["send"] and ask["replied"] == answer["deliver"], both
PY
# Bad input has answers.
complaint() { # PATTERN ARGUMENTS...
  local pattern=$1
  shift
  "$scope" "$@" >"$work/out" 2>&1 && fail "$* succeeded"
  grep -q "$pattern" "$work/out" || { cat "$work/out"; fail "$*: no '$pattern'"; }
}
complaint 'near it: blocked' snapshot "$work/s.scope" --name blockt
complaint 'was not alive' snapshot "$work/s.scope" --name gone --at "$after"
complaint 'outside of the recording' snapshot "$work/s.scope" --at 0
complaint 'not in the recording' snapshot "$work/s.scope" --event 999999999
complaint '\-\-sort is' snapshot "$work/s.scope" --sort size
complaint 'near it' flow "$work/s.scope" blocked 0.9999999.0
complaint 'two processes are needed' flow "$work/s.scope" blocked
pass
