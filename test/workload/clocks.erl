%% SPDX-License-Identifier: MIT
%% Calls whose time is known within bounds: they count, sleep, wait for a message and collect garbage, on one scheduler that another process
%% wants as well. What that one writes down says when it was running, so that nobody else was.
-module(clocks).
-export([main/1, outer/2, count/2, sleep/2, ask/2, garbage/2]).

main([File]) ->
    1 = erlang:system_info(schedulers_online),
    traced(),
    Self = self(),
    Answerer = spawn(fun answerer/0),
    Over = atomics:new(1, []),
    spawn(fun() -> Self ! {slices, rival(Over, now_ns(), now_ns(), [])} end),
    Worker = spawn(fun() -> Self ! {truth, [?MODULE:outer(N, Answerer) || N <- lists:seq(1, 6)]} end),
    Truth = receive {truth, T} -> T end,
    atomics:put(Over, 1, 1),
    Slices = receive {slices, S} -> S end,
    ok = file:write_file(atom_to_list(File),
        [[io_lib:format("worker ~s~n", [pid_to_list(Worker)])],
         [io_lib:format("call ~s ~b ~b ~b~n", [F, B, E, Ms]) || Calls <- Truth, {F, B, E, Ms} <- Calls],
         [io_lib:format("rival ~b ~b~n", [B, E]) || {B, E} <- Slices]]),
    halt(0).

now_ns() -> erlang:monotonic_time(nanosecond).

timed(F, Ms, Fun) ->
    Begin = now_ns(),
    Fun(),
    {F, Begin, now_ns(), Ms}.

%% The functions of a module are traced a moment after it was loaded.
traced() ->
    case [F || F <- [outer, count, sleep, ask, garbage], not is_traced({?MODULE, F, 2})] of
        [] -> ok;
        _ -> receive after 1 -> traced() end
    end.
is_traced(F) ->
    Sessions = case erlang:function_exported(trace, session_info, 1) of
        true -> apply(trace, session_info, [all]);
        false -> []
    end,
    lists:any(fun(Traced) -> Traced =:= {traced, local} orelse Traced =:= {traced, global} end,
              [erlang:trace_info(F, traced) | [traced_in(S, F) || S <- Sessions]]).

%% The emulator's own session has no reference; erlang:trace_info/2 tells of it.
traced_in(Session, F) ->
    try apply(trace, info, [Session, F, traced]) catch error:badarg -> {traced, false} end.

outer(N, Answerer) ->
    Counted = timed(count, 0, fun() -> ?MODULE:count(3000000, 0) end),
    Slept = timed(sleep, 5 + N, fun() -> ?MODULE:sleep(5 + N, 0) end),
    Asked = timed(ask, 8, fun() -> ?MODULE:ask(Answerer, 8) end),
    Collected = timed(garbage, 0, fun() -> ?MODULE:garbage(20000, []) end),
    [Counted, Slept, Asked, Collected].

count(N, S) -> count_down(N, S).
count_down(0, S) -> S;
count_down(N, S) -> count_down(N - 1, S bxor N).

sleep(Ms, Nothing) -> receive after Ms -> Nothing end.

ask(Answerer, Ms) -> Answerer ! {self(), Ms}, receive {Answerer, done} -> done end.
answerer() -> receive {From, Ms} -> receive after Ms -> From ! {self(), done}, answerer() end end.

garbage(N, _) ->
    L = [{I, lists:seq(1, 20)} || I <- lists:seq(1, N)],
    erlang:garbage_collect(),
    length(L).

%% Reads the clock without a pause: where two readings are near each other it was running all the time in between.
rival(Over, Since, Last, Slices) ->
    Now = now_ns(),
    case {atomics:get(Over, 1), Now - Last < 50000} of
        {1, _} -> [{Since, Last} | Slices];
        {0, true} -> rival(Over, Since, Now, Slices);
        {0, false} -> rival(Over, Now, Now, [{Since, Last} | Slices])
    end.
