%% SPDX-License-Identifier: MIT
%% Servers that send one another numbered messages and write down, in their own order, what they handled and what they sent.
%% Lines of the log: Pid handle|send Number.
-module(order).
-behaviour(gen_server).
-export([main/1, init/1, handle_call/3, handle_cast/2, handle_info/2]).
-define(SERVERS, 40).

main([Seed, File]) ->
    S = list_to_integer(atom_to_list(Seed)),
    ets:new(order_log, [named_table, public, ordered_set]),
    ets:insert(order_log, [{number, 0}, {left, 0}]),
    Servers = list_to_tuple([element(2, {ok, _} = gen_server:start(?MODULE, {S, N}, [])) || N <- lists:seq(1, ?SERVERS)]),
    [gen_server:call(P, {know, Servers}) || P <- tuple_to_list(Servers)],
    [begin
        [send(element(N, Servers), 9) || N <- lists:seq(1, ?SERVERS, 7)],
        wait()
    end || _ <- lists:seq(1, list_to_integer(os:getenv("ES_ROUNDS", "12")))],
    {ok, Fd} = file:open(atom_to_list(File), [write]),
    [io:format(Fd, "~s ~s ~b~n", [P, W, N]) || {{P, _}, W, N} <- ets:tab2list(order_log)],
    ok = file:close(Fd),
    halt(0).

%% Until all that was sent is handled.
wait() ->
    case ets:lookup_element(order_log, left, 2) of
        0 -> ok;
        _ -> receive after 1 -> wait() end
    end.

send(To, Steps) ->
    Number = ets:update_counter(order_log, number, 1),
    ets:update_counter(order_log, left, 1),
    log(send, Number),
    gen_server:cast(To, {number, Number, Steps}).

log(What, Number) ->
    N = case get(lines) of undefined -> 1; L -> L + 1 end,
    put(lines, N),
    ets:insert(order_log, {{pid_to_list(self()), N}, What, Number}).

init({S, N}) ->
    rand:seed(exsss, {S, N, 3}),
    {ok, {}}.

handle_call({know, Servers}, _, _) -> {reply, ok, Servers}.

handle_cast({number, Number, Steps}, Servers) ->
    log(handle, Number),
    [send(element(rand:uniform(?SERVERS), Servers), Steps - 1) || _ <- lists:seq(1, rand:uniform(3) - 1), Steps > 0],
    ets:update_counter(order_log, left, -1),
    {noreply, Servers}.

handle_info(_, Servers) -> {noreply, Servers}.
