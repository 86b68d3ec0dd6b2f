# `replay`: keys from a script against what the program wrote down of itself; and the drawn screen on a real terminal (tmux).
. "$(dirname "$0")/lib.sh"
seed=${ES_SEED:-$RANDOM$RANDOM}
echo "ES_SEED=$seed"
erlc -o "$work" "$source_dir/test/workload/replayed.erl" || exit 1
ES_SEED=$seed "$scope" record --overwrite -o "$work/r.scope" --level full -- erl -noshell -pa "$work" -s replayed main "$work/truth" >"$work/recorder.log" 2>&1 || fail "record"
truth() { sed -n "s/^$1 //p" "$work/truth"; }
play() { "$scope" replay --json --notation erlang --script "$1" "$work/r.scope" "${@:2}"; }

# Every change of the state, there and back; every message; every event.
adds=$(truth values | wc -w)
play "Home $(printf 's %.0s' $(seq $((adds + 1)))) s $(printf 'S %.0s' $(seq "$adds"))" --pid counter >"$work/states.jsonl" || fail "states"
play "Home $(printf 'm %.0s' $(seq 140))" --pid counter >"$work/messages.jsonl" || fail "messages"
play "$(printf 'n %.0s' $(seq 400)) $(printf 'p %.0s' $(seq 200))" >"$work/steps.jsonl" || fail "steps"
play "Home o $(printf 'n %.0s' $(seq 100)) o . n" --pid counter >"$work/only.jsonl" || fail "only"
"$scope" events --json --notation erlang "$work/r.scope" >"$work/events.jsonl" || fail "events"
python3 - "$work" <<'PY' || fail "steps differ from what happened"
import json, sys
work = sys.argv[1]
def lines(name): return [json.loads(l) for l in open(f"{work}/{name}.jsonl")]
truth = dict(l.rstrip("\n").split(" ", 1) for l in open(f"{work}/truth"))
values = [int(v) for v in truth["values"].split()]
sums = [sum(values[:i]) for i in range(len(values) + 1)]
def state(i): return "#{n => %d,last => %s}" % (sums[i], values[i - 1] if i else "none")
def same(text, i): return text.replace(" ", "") in (state(i).replace(" ", ""), "#{last=>%s,n=>%d}" % (values[i - 1] if i else "none", sums[i]))
home, *steps = lines("states")
assert home["process"]["pid"] == truth["counter"] and home["state"] is None and home["no_state"], home
forward, end, back = steps[:len(values) + 1], steps[len(values) + 1], steps[len(values) + 2:]
for i, s in enumerate(forward):
    assert same(s["state"]["text"], i) and s["state"]["version"] == i + 1 and s["state"]["versions"] == len(values) + 1, (i, s["state"], state(i))
    assert s["event"]["kind"] == "state" and s["seq"] == s["state"]["seq"] and s["process"]["name"] == "counter", s
assert end["seq"] == forward[-1]["seq"] and "no later change" in end["message"], end
assert [s["seq"] for s in back] == [s["seq"] for s in forward[-2::-1]], "back is not the way there"
# Deliveries of the additions come in order, each once, and the state then is that before it.
delivered = [s for s in lines("messages")[1:] if s["event"]["kind"] == "deliver" and "{add," in (s["event"]["payload"] or "")]
seqs = [s["seq"] for s in delivered]
assert len(set(seqs)) == len(values) and [int(s["event"]["payload"].split("{add,")[1].split("}")[0]) for s in delivered[:len(values)]] == values
assert all(same(s["state"]["text"], i) for i, s in enumerate(delivered[:len(values)])), "state at a delivery"
# Events one by one, as `events` has them.
events = lines("events")
steps = lines("steps")
assert [s["seq"] for s in steps] == list(range(2, 402)) + list(range(400, 200, -1)), "n and p"
assert all(s["event"] == events[s["seq"] - 1] for s in steps), "another event"
own = [e["seq"] for e in events if e["pid"] == truth["counter"]]
_, first, *only = lines("only")
walked, (off, let, after) = only[:100], only[100:]
assert [s["seq"] for s in walked] == own[:100] and first["process"]["only"], ([s["seq"] for s in walked][:5], own[:5])
assert after["seq"] == walked[-1]["seq"] + 1 and not let["process"]["held"], after
# What a process was doing: the notes pile up behind the call that holds it.
note = [e["seq"] for e in events if e["kind"] == "deliver" and e["pid"] == truth["busy"] and "{note,5}" in (e["payload"] or "")]
open(f"{work}/note", "w").write(str(note[0]))
exit = [e["seq"] for e in events if e["kind"] == "exit" and e["pid"] == truth["counter"]]
open(f"{work}/exit", "w").write(str(exit[0]))
print(len(values), "states,", len(events), "events")
PY
play "g(#$(cat "$work/note"))" --pid busy >"$work/busy.json" || fail "busy"
play "g($(cat "$work/note"))" --pid "$(truth caller)" >"$work/caller.json" || fail "caller"
play "g($(cat "$work/exit")) c c c c c c [ [ ] w Down Down Enter" >"$work/causes.jsonl" || fail "causes"
play "/(kind = state and name = counter and state.n > 3000) > < g(40%) g(+1ms) g(never) /(kind = ) End n l(busy) Enter" >"$work/find.jsonl" || fail "find"
play "Home Space wait(3s) Space wait(1s) + + - Space wait(200ms)" >"$work/play.jsonl" || fail "play"
python3 - "$work" <<'PY' || fail "what a process did, causes, finding or playing"
import json, sys
work = sys.argv[1]
def lines(name): return [json.loads(l) for l in open(f"{work}/{name}")]
truth = dict(l.rstrip("\n").split(" ", 1) for l in open(f"{work}/truth"))
events = lines("events.jsonl")
(busy,), (caller,) = lines("busy.json"), lines("caller.json")
doing = busy["doing"]
assert doing["mailbox"]["count"] == 5 and doing["mailbox"]["known"] and len(doing["mailbox"]["messages"]) == 5, doing
assert all("{note,%d}" % (i + 1) in events[m - 1]["payload"] for i, m in enumerate(doing["mailbox"]["messages"])), doing
assert [f["function"] for f in doing["stack"]] == ["replayed:handle_call/3"], doing
assert caller["doing"]["waits_for"] == truth["busy"], caller["doing"]
exit, *steps = lines("causes.jsonl")
seen = [s["seq"] for s in steps[:6]]
crash = [e["seq"] for e in events if e["kind"] == "send" and e["pid"] == truth["main"] and "{crash,on_purpose}" in (e["payload"] or "")]
assert crash and crash[0] in seen and all(b <= a for a, b in zip([exit["seq"]] + seen, seen)), (crash, seen, [s["message"] for s in steps])
jumps = [exit["seq"]]
for s in seen:
    jumps += [s] if s != jumps[-1] else []
assert steps[6]["seq"] == jumps[-2] and steps[7]["seq"] == jumps[-3] and steps[8]["seq"] == jumps[-2], (jumps, [s["seq"] for s in steps])
assert steps[9]["view"] == "story" and steps[9]["list"][0] == jumps[-2] and steps[12]["view"] == "events" and steps[12]["seq"] in steps[9]["list"], steps[9:]
hit, more, back, part, early, never, wrong, last, at_end, listed, chosen = lines("find.jsonl")
holds = [e["seq"] for e in events if e["kind"] == "state" and e["pid"] == truth["counter"] and int(e["payload"].split("n => ")[1].split(",")[0].rstrip("}")) > 3000]
assert hit["seq"] == holds[0] and more["seq"] == holds[1] and back["seq"] == holds[0], (hit["seq"], holds[:3])
first, end = events[0]["time"], events[-1]["time"]
def at(time): return max(e["seq"] for e in events if e["time"] <= time)
assert part["seq"] == at(first + (end - first) * 2 // 5) and early["seq"] == at(first + 1000000), (part["seq"], early["seq"])
assert never["failed"] and never["seq"] == early["seq"] and "never" in never["message"], never
assert wrong["failed"] and wrong["seq"] == early["seq"], wrong
assert last["seq"] == events[-1]["seq"] == at_end["seq"] and "ends" in at_end["message"], at_end
assert listed["view"] == "processes" and truth["busy"] in listed["list"] and chosen["process"]["pid"] == truth["busy"] and chosen["process"]["held"]
start, playing, played, paused, still, fast, faster, slower, again, later = lines("play.jsonl")
assert playing["playing"] and start["seq"] < played["seq"] and played["time"] <= first + 3_500_000_000 + 10**10, played
assert not paused["playing"] and still["seq"] == paused["seq"] == played["seq"]
assert (fast["speed"], faster["speed"], slower["speed"]) == (2, 5, 2) and later["seq"] >= again["seq"]
PY

# Wrong usage, and no terminal.
for wrong in "--json $work/r.scope" "--script x $work/r.scope" "--script n( $work/r.scope" "--size 9x9 --script n $work/r.scope" "" "$work/r.scope" "--script n --notation latin $work/r.scope"; do
  # shellcheck disable=SC2086
  "$scope" replay $wrong >"$work/wrong.out" 2>&1 </dev/null
  expect "exit code of replay $wrong" $? 2
done
said=$("$scope" replay "$work/r.scope" 2>&1 </dev/null)
grep -q "elixirscope events" <<<"$said" || fail "without a terminal nothing is said of events: $said"
"$scope" replay --script n --from 0.1.2 "$work/r.scope" >"$work/wrong.out" 2>&1 && fail "a wrong --from"
said=$("$scope" replay --script n --pid nobody "$work/r.scope" 2>&1) && fail "a wrong --pid"
grep -q "no process nobody" <<<"$said" || fail "a wrong --pid: $said"

# A damaged block is a line of its own, and stepped over.
cp "$work/r.scope" "$work/damaged.scope"
sqlite3 "$work/damaged.scope" "UPDATE columns SET data = zeroblob(length(data)) WHERE id / 64 = (SELECT id FROM blocks ORDER BY id LIMIT 1)" || fail "damage"
"$scope" replay --script n --size 120x30 "$work/damaged.scope" >"$work/damaged.txt" || fail "replay of a damaged recording"
grep -q "cannot be read: a damaged block" "$work/damaged.txt" || { cat "$work/damaged.txt"; fail "a damaged block is not told"; }

# What is drawn fits, whatever is in the terms; nothing of it is a control character.
for size in 200x50 120x30 100x30 80x24 72x15 60x20 40x10; do
  "$scope" replay --script '/(kind = register and peer != counter and peer != busy) /(kind = send and text ~ title) 4n' --size $size "$work/r.scope" >"$work/screen.txt" || fail "size $size"
  python3 - "$work/screen.txt" $size <<'PY' || fail "the screen of $size"
import sys, unicodedata
width, height = map(int, sys.argv[2].split("x"))
text = open(sys.argv[1], encoding="utf-8").read()
lines = text.split("\n")[:-1]
assert len(lines) == height, len(lines)
for line in lines:
    assert all(unicodedata.category(c) not in ("Cc", "Cf", "Cs") for c in line), repr(line)
    assert sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line) <= width, line
PY
done

# ---- a real terminal ----
command -v tmux >/dev/null || skip "tmux is not installed"
export LC_ALL=C.UTF-8
tmux_() { tmux -f /dev/null -L "es-test-$$" "$@"; }
trap 'tmux_ kill-server 2>/dev/null; kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
tmux_ new-session -d -x 100 -y 30 "env PS1='ready> ' bash --norc --noprofile" || fail "tmux"
screen() { tmux_ capture-pane -p; }
shows() { grep -qF -- "$1" <<<"$(screen)"; }
see() { wait_until 20 shows "$1" || { screen; fail "the screen does not show: $1"; }; }
keys() { tmux_ send-keys "$@"; }
run() { # COMMAND SCREEN: types a command and waits for what it shows
  keys -l "$1"
  keys Enter
  see "$2"
}
see "ready>"
run "stty -g >$work/stty.before; echo be''gun" begun
tmux_ pipe-pane -o "cat >$work/raw"
run "$scope replay $work/r.scope" "q quit"
keys -l "/kind = state and name = counter and state.n > 3000"
keys Enter
see "State: counter"
see "handle_call({:add,"
[ "$(tmux_ display -p '#{alternate_on}')" = 1 ] || fail "not on the alternate screen"
keys l
see "processes that live now"
keys busy
see "filters: busy"
keys Escape
see "Events"
keys '?'
see "next change of the process"
keys Escape
tmux_ capture-pane -p -e >"$work/coloured"
grep -q $'\e\[3[1-6]' "$work/coloured" || fail "no colours"
keys '/' "kind = register and peer != counter and peer != busy" Enter 20n Escape
see "Events"
for size in "60 20" "140 40" "39 9" "100 30"; do
  tmux_ resize-window -x "${size% *}" -y "${size#* }"
  case $size in "39 9") see "too small" ;; *) see "Events" ;; esac
done
# The terminal is as it was after a key, Ctrl-C, signals and a crash.
player() { pgrep -f "^$scope replay $work/r.scope"; }
gone() { ! player; }
for way in q C-c TERM HUP SEGV; do
  case $way in
    q | C-c) keys $way ;;
    *) kill -$way "$(player)" || fail "no player to kill" ;;
  esac
  wait_until 20 gone || fail "$way does not end it"
  run "stty -g >$work/stty.after; echo af''ter-$way" "after-$way" # what is typed is not what is looked for
  cmp -s "$work/stty.before" "$work/stty.after" || fail "$way left the terminal as $(cat "$work/stty.after"), it was $(cat "$work/stty.before")"
  expect "alternate screen after $way" "$(tmux_ display -p '#{alternate_on}')" 0
  run "$scope replay $work/r.scope" "q quit"
done
keys q
wait_until 20 gone || fail "q does not end it"
run "NO_COLOR=1 $scope replay $work/r.scope" "q quit"
tmux_ capture-pane -p -e >"$work/plain"
grep -q $'\e\[3[1-6]' "$work/plain" && fail "colours in spite of NO_COLOR"
keys q
wait_until 20 gone || fail "q does not end it"
run "TERM=nonsense $scope replay $work/r.scope; echo code-\$?" "code-2"
see "is not known here"
tmux_ pipe-pane
python3 - "$work/raw" <<'PY' || fail "terms reached the terminal"
import sys
raw = open(sys.argv[1], "rb").read()
assert len(raw) > 10000, len(raw)
for bad in (b"\x1b]0;title", b"\x1b]0;name", b"\x1b[31mred", b"\x9b2J", "\u202e".encode()):
    assert bad not in raw, bad
PY

# A live recording is followed, and goes on when it has ended.
"$scope" record --overwrite -o "$work/live.scope" --level messages_only -- erl -noshell -eval '
  F = fun G(P) -> receive stop -> ok after 20 -> P ! tick, G(P) end end,
  P = spawn(fun E() -> receive tick -> E() end end), spawn(fun() -> F(P) end),
  receive after infinity -> ok end.' >"$work/recorder.log" 2>&1 &
recorder=$!
number() { screen | grep -o '#[0-9,]* of' | tr -dc 0-9; }
wait_until 30 test -s "$work/live.scope" || fail "no live recording"
grew() { [ "$(number)" -gt "$1" ] 2>/dev/null; }
wait_until 30 "$scope" replay --script n "$work/live.scope" || fail "a live recording does not open"
run "$scope replay $work/live.scope" "live,"
see "new events; F follows them"
keys F
see "following"
before=$(number)
wait_until 20 grew "$before" || { screen; fail "it does not follow: $(number) after $before"; }
kill "$recorder"
wait "$recorder"
keys Home q
pass
