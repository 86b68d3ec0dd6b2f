%% SPDX-License-Identifier: MIT
%% Workloads that keep their own truth: they number their messages and write down what they did, so that a recording can be compared
%% with what happened and not with what we believe.
-module(truth).
-export([count/1, flood/1, burst/1, terms/1, secrets/1, many/1, echo/0, busy/1, pid_file/1]).

%% ---- helpers

arg([A]) when is_atom(A) -> atom_to_list(A);
arg([A]) -> A.

pid_file(Name) ->
    ok = file:write_file(Name ++ ".tmp", os:getpid()),
    ok = file:rename(Name ++ ".tmp", Name).

sink() -> receive _ -> sink() end.

echo() -> receive {From, M} -> From ! {self(), M}, echo() end.

%% Sends {n, 1}, {n, 2}, ... for ever and writes the last number sent into FILE, in place. What the file says was sent, was sent.
count(Args) ->
    File = arg(Args),
    Sink = spawn(fun sink/0),
    register(sink, Sink),
    {ok, Fd} = file:open(File, [raw, write, read, binary]),
    ok = file:pwrite(Fd, 0, <<0:64>>),
    pid_file(File ++ ".pid"),
    count(Fd, Sink, 1).

count(Fd, Sink, N) ->
    Sink ! {n, N},
    ok = file:pwrite(Fd, 0, <<N:64>>),
    count(Fd, Sink, N + 1).

%% Four senders at a steady rate of messages with 200 bytes each, until FILE.stop appears; then writes how many each has sent into FILE.
%% Each message is {SenderIndex, Number, Filling}. Also writes the longest pause between two messages of a sender, in microseconds.
flood(Args) ->
    File = arg(Args),
    Sinks = list_to_tuple([spawn(fun sink/0) || _ <- lists:seq(1, 4)]),
    pid_file(File ++ ".pid"),
    Stop = File ++ ".stop",
    Self = self(),
    Filling = binary:copy(<<"x">>, 200),
    Pids = [spawn_link(fun() -> Self ! {done, I, flood(I, element(I, Sinks), Filling, 0, Stop, erlang:monotonic_time(microsecond), 0)} end)
            || I <- [1, 2, 3, 4]],
    Counts = [receive {done, I, Result} -> {I, Result} end || {I, _} <- lists:zip([1, 2, 3, 4], Pids)],
    Lines = [io_lib:format("~b ~b ~b~n", [I, N, Pause]) || {I, {N, Pause}} <- Counts],
    ok = file:write_file(File, Lines),
    halt(0).

%% 50 messages, then a millisecond of rest: about 20 MB/s into the rings with four senders.
flood(I, Sink, Filling, N, Stop, Last, Pause) ->
    [Sink ! {I, K, Filling} || K <- lists:seq(N + 1, N + 50)],
    receive after 1 -> ok end,
    Now = erlang:monotonic_time(microsecond),
    Pause1 = max(Pause, Now - Last),
    case (N div 50) rem 50 =:= 0 andalso filelib:is_file(Stop) of
        true -> {N + 50, Pause1};
        false -> flood(I, Sink, Filling, N + 50, Stop, Now, Pause1)
    end.

%% A burst of sends without receives that a small ring cannot take, and its truth: "sent K" in FILE. Waits for FILE.go before and for
%% FILE.end after it. Also spawns and ends processes in the middle, for the critical kinds.
burst(Args) ->
    File = arg(Args),
    Sink = spawn(fun sink/0),
    pid_file(File ++ ".pid"),
    wait_for(File ++ ".go"),
    T0 = erlang:monotonic_time(microsecond),
    [Sink ! {n, K, <<0:2048>>} || K <- lists:seq(1, 300000)],
    T1 = erlang:monotonic_time(microsecond),
    Spawned = [element(1, spawn_monitor(fun() -> ok end)) || _ <- lists:seq(1, 500)],
    [receive {'DOWN', _, process, P, normal} -> ok end || P <- Spawned],
    ok = file:write_file(File, io_lib:format("sent 300000~nspawned 500~nmicroseconds ~b~n", [T1 - T0])),
    wait_for(File ++ ".end"),
    halt(0).

wait_for(File) ->
    case filelib:is_file(File) of
        true -> ok;
        false -> receive after 20 -> wait_for(File) end
    end.

%% One term of every type as a message to a process; the same terms are written to FILE as a list, in order.
terms(Args) ->
    File = arg(Args),
    Sink = spawn(fun sink/0),
    {ok, Port} = {ok, hd(erlang:ports())},
    External = binary_to_term(<<131, 88, 119, 9, "other@far", 0, 0, 0, 77, 0, 0, 0, 3, 0, 0, 0, 5>>),
    Deep = lists:foldl(fun(I, A) -> {I, [A]} end, nil, lists:seq(1, 12)),
    Terms =
        [0, 1, -1, 255, 256, -2147483649, 1 bsl 59, -(1 bsl 59), (1 bsl 63) - 1, -(1 bsl 63), 1 bsl 64, -(1 bsl 200), 123456789012345678901234567890,
         0.0, -0.5, 1.0e300, 3.141592653589793,
         '', a, 'with space', list_to_atom([1087, 1088, 1080, 1074, 1077, 1090]), true, undefined, 'Elixir.Shop.Cart', list_to_atom(lists:duplicate(200, $a)),
         [], [1], [1, 2 | 3], [a | b], "string", [1000, 2000], lists:seq(1, 50), [[], [[]]],
         {}, {1}, {a, {b, {c}}}, list_to_tuple(lists:seq(1, 40)),
         <<>>, <<1>>, <<"text">>, <<1:3>>, <<255, 3:7>>, binary:part(<<0, 1, 2, 3>>, 1, 2),
         #{}, #{a => 1}, #{1 => #{2 => #{3 => []}}}, maps:from_list([{I, I * I} || I <- lists:seq(1, 60)]),
         self(), External, Port, make_ref(), fun lists:map/2, fun erlang:self/0, Deep],
    ok = file:write_file(File, term_to_binary(Terms)),
    lists:foldl(fun(T, I) -> Sink ! {term, I, T}, I + 1 end, 0, Terms),
    halt_when_empty(Sink).

halt_when_empty(Pid) ->
    case process_info(Pid, message_queue_len) of
        {message_queue_len, 0} -> halt(0);
        _ -> receive after 10 -> halt_when_empty(Pid) end
    end.

%% Sends, keeps as state, logs and crashes with secrets under names that the default rules redact. The secret text is FILE's content.
secrets(Args) ->
    {ok, Secret} = prim_file:read_file(arg(Args)), % by itself: a file server would send what it read
    Sink = spawn(fun sink/0),
    Sink ! #{password => Secret, user => <<"public-user">>},
    Sink ! #{<<"Authorization">> => Secret, <<"accept">> => <<"public-accept">>},
    Sink ! [{token, Secret}, {size, 3}],
    Sink ! {headers, [{<<"authorization">>, Secret}, {<<"host">>, <<"public-host">>}]},
    Sink ! #{deep => [#{api_key => Secret}, {secret, binary_to_list(Secret)}]},
    Sink ! #{'__struct__' => 'Elixir.Shop.Card', number => Secret},
    Sink ! #{password => binary_to_atom(<<Secret/binary, "_atom">>, utf8)},
    halt_when_empty(Sink).

%% N sleeping processes; writes the process identifier file when they are there, ends at FILE.end.
many(Args) ->
    File = arg(Args),
    N = list_to_integer(os:getenv("ES_PROCESSES", "200000")),
    [spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, N)],
    pid_file(File ++ ".pid"),
    wait_for(File ++ ".end"),
    halt(0).

%% Pairs that call each other all the time, until FILE.end.
busy(Args) ->
    File = arg(Args),
    [spawn(fun() -> busy_pair(spawn_link(fun echo/0), 0) end) || _ <- lists:seq(1, 4)],
    pid_file(File ++ ".pid"),
    wait_for(File ++ ".end"),
    halt(0).

busy_pair(Echo, N) ->
    Echo ! {self(), N},
    receive {Echo, N} -> ok end,
    N rem 100 =:= 0 andalso receive after 1 -> ok end,
    busy_pair(Echo, N + 1).
