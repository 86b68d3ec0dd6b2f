# What a timeline counts is what happened: processes send numbered messages in phases and write down when each phase began and ended and
# how many they sent. Windows that hold whole phases, of any width, must sum up to just these; nothing may be shown where nobody did anything.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1
cat >phases.erl <<'E'
-module(phases).
-export([main/1]).
main([File]) ->
    Sink = spawn(fun sink/0),
    Self = self(),
    Pids = [spawn(fun() -> Self ! {self(), phases(I, Sink, 12, [])} end) || I <- lists:seq(1, 8)],
    Lines = [receive {P, Phases} -> [[pid_to_list(P), [io_lib:format(" ~b:~b:~b", [B, E, N]) || {B, E, N} <- Phases], "\n"]] end || P <- Pids],
    ok = file:write_file(File, Lines),
    halt(0).
sink() -> receive _ -> sink() end.
phases(_, _, 0, Done) -> lists:reverse(Done);
phases(I, Sink, K, Done) ->
    N = case {I, K rem 3} of {1, _} -> 30000; {_, 0} -> rand:uniform(2000); _ -> rand:uniform(20) end,
    Begin = erlang:monotonic_time(nanosecond),
    [Sink ! {I, K, M} || M <- lists:seq(1, N)],
    End = erlang:monotonic_time(nanosecond),
    receive after 20 + rand:uniform(20) -> ok end,
    phases(I, Sink, K - 1, [{Begin, End, N} | Done]).
E
erlc phases.erl || exit 1
"$scope" record --overwrite --level messages_only -o phases.scope -- erl -noshell -pa . -run phases main truth >recorder.log 2>&1 || fail "no recording"
cat >check.py <<'E'
import json, os, random, subprocess, sys
scope, file = sys.argv[1:3]
seed = int(os.environ.get("ES_SEED", random.randrange(1 << 30)))
random.seed(seed)
print("seed", seed)
truth = {}
for line in open("truth"):
    pid, *phases = line.split()
    truth[pid] = [tuple(map(int, p.split(":"))) for p in phases]
assert len(truth) == 8 and all(len(p) == 12 for p in truth.values())
def ask(pids, width, since=None, until=None):
    args = [scope, "timeline", file, "--json", "--width", str(width)] + [a for p in pids for a in ("--pid", p)]
    args += [f"--since={since}"] if since is not None else []
    args += [f"--until={until}"] if until is not None else []
    return json.loads(subprocess.run(args, check=True, capture_output=True).stdout)
def messages(lane):
    return sum(r["counts"].get("message", 0) * r["width"] for r in lane["runs"])
# A phase is its sends and the timeout of the pause behind it. The whole recording, all processes: one more message that each sends when it has done.
for width in (1, 2, 97, 2000, 50000):
    t = ask(truth, width)
    assert not t["losses"] and not t["damaged"]
    for lane in t["lanes"]:
        assert messages(lane) == sum(n + 1 for _, _, n in truth[lane["pid"]]) + 1, (width, lane["pid"], messages(lane))
# Windows that begin and end in pauses.
checked = 0
for _ in range(60):
    pid = random.choice(list(truth))
    phases = truth[pid]
    first = random.randrange(1, 11)
    last = random.randrange(first, 11)
    since, until = (phases[first - 1][1] + phases[first][0]) // 2, (phases[last][1] + phases[last + 1][0]) // 2
    t = ask([pid], random.choice((1, 3, 64, 500, 2000, 7919)), since, until)
    assert (t["since"], t["until"]) == (since, until), t
    (lane,) = t["lanes"]
    assert messages(lane) == sum(n + 1 for _, _, n in phases[first:last + 1]), (pid, first, last, t["width"], messages(lane))
    edge = lambda i: since + -(-i * (until - since) // t["width"])
    for run in lane["runs"]:
        if not run["counts"].get("message"):
            continue
        for px in range(run["at"], run["at"] + run["width"]):  # a pause is 20 ms at least; its first 18 are empty
            assert not any(edge(px) > e + 10**6 and edge(px + 1) < e + 19 * 10**6 for _, e, _ in phases), (pid, px, edge(px))
            checked += 1
assert checked > 100
E
python3 check.py "$scope" phases.scope || fail "the timeline is not what happened"
pass
