%% SPDX-License-Identifier: MIT
%% Woven and brought back while weave_load calls it. It makes no funs.
-module(weave_target).
-export([sum/1, risky/1, ask/2, server/0]).

sum(N) -> sum(N, 0).

sum(0, Total) -> Total;
sum(N, Total) -> sum(N - 1, Total + N).

risky(N) ->
    try odd(N) of
        Value -> {ok, Value}
    catch
        throw:{even, Value} -> {even, Value}
    after
        put(risky, N)
    end.

odd(N) when N rem 2 =:= 1 -> N;
odd(N) -> throw({even, N}).

ask(Server, N) ->
    Ref = make_ref(),
    Server ! {ask, self(), Ref, N},
    receive {Ref, Answer} -> Answer end.

server() ->
    receive
        {ask, From, Ref, N} ->
            From ! {Ref, sum(N)},
            ?MODULE:server();
        stop ->
            ok
    end.
