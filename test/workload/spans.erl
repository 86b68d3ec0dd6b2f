%% SPDX-License-Identifier: MIT
%% Calls that write down when they begin and how they end, whatever is recorded of them: recursion, tail calls, exceptions that are
%% caught here or above or nowhere, exits in the middle of a call. Lines of the log: Pid Number What Id Function.
-module(spans).
-export([main/1]).

main([Seed, File]) ->
    ets:new(spans_log, [named_table, public, ordered_set]),
    ets:insert(spans_log, {id, 0}),
    S = list_to_integer(atom_to_list(Seed)),
    traced(),
    [worker(S, N) || N <- lists:seq(1, 120)],
    {ok, Fd} = file:open(atom_to_list(File), [write]),
    [io:format(Fd, "~s ~b ~s ~b ~s~n", [P, N, W, I, F]) || {{P, N}, W, I, F} <- ets:tab2list(spans_log)],
    ok = file:close(Fd),
    halt(0).

%% The functions of a module are traced a moment after it was loaded: until then a call of this one is not seen.
traced() ->
    Functions = [{?MODULE, F, 2} || F <- [walk, other, third]],
    case [F || F <- Functions, is_traced(F)] of
        Functions -> ok;
        _ -> receive after 1 -> traced() end
    end.

is_traced(F) ->
    Sessions = case erlang:function_exported(trace, session_info, 1) of
        true -> apply(trace, session_info, [all]);
        false -> []
    end,
    lists:any(fun(Traced) -> Traced =:= {traced, local} orelse Traced =:= {traced, global} end,
              [erlang:trace_info(F, traced) | [apply(trace, info, [S, F, traced]) || S <- Sessions]]).

worker(S, N) ->
    Killed = N rem 6 =:= 0,
    {Pid, Ref} = spawn_monitor(fun() ->
        rand:seed(exsss, {S, N, 7}),
        put(kill, Killed),
        put(left, 60),
        [function() || _ <- lists:seq(1, 1 + rand:uniform(4))],
        log(done, 0, none)
    end),
    Killed andalso wait_and_kill(Pid, Ref),
    receive {'DOWN', Ref, _, _, _} -> ok end.

%% The worker says that it stands in the middle of a call, or ends before.
wait_and_kill(Pid, Ref) ->
    Pid ! {tell, self()},
    receive
        {waits, Pid} -> exit(Pid, kill);
        {'DOWN', Ref, A, B, C} -> self() ! {'DOWN', Ref, A, B, C}
    end.

log(What, Id, Function) ->
    N = ets:update_counter(spans_log, id, 1),
    ets:insert(spans_log, {{pid_to_list(self()), N}, What, Id, Function}).

new_id() -> ets:update_counter(spans_log, id, 1).

function() ->
    case rand:uniform(3) of
        1 -> walk(new_id(), 0);
        2 -> other(new_id(), 0);
        3 -> third(new_id(), 0)
    end.

walk(Id, Depth) ->
    log(enter, Id, walk),
    step(Id, Depth),
    case rand:uniform(4) of
        1 when Depth < 12 ->
            log(tail, Id, walk),
            other(new_id(), Depth + 1);
        2 when Depth < 12 ->
            log(tail, Id, walk),
            walk(new_id(), Depth + 1);
        _ ->
            log(return, Id, walk),
            ok
    end.

other(Id, Depth) ->
    log(enter, Id, other),
    try step(Id, Depth)
    catch _:_ -> log(caught, Id, other)
    end,
    log(return, Id, other),
    Depth.

third(Id, Depth) ->
    log(enter, Id, third),
    [step(Id, Depth) || _ <- [1, 2]],
    log(tail, Id, third),
    walk(new_id(), Depth + 1).

step(Id, Depth) ->
    put(left, get(left) - 1),
    case rand:uniform(14) of
        1 -> throw(thrown);
        2 -> error(wrong);
        3 -> exit(gone);
        4 -> maybe_wait(Id);
        _ -> descend(get(left) > 0 andalso Depth < 30, Depth)
    end.

maybe_wait(Id) ->
    case get(kill) of
        true ->
            receive {tell, Main} -> log(waits, Id, none), Main ! {waits, self()} end,
            receive never -> ok end;
        false ->
            ok
    end.

descend(false, _) -> ok;
descend(true, Depth) ->
    case rand:uniform(3) of
        1 -> walk(new_id(), Depth + 1);
        2 -> other(new_id(), Depth + 1);
        3 -> third(new_id(), Depth + 1)
    end,
    ok.
