%% SPDX-License-Identifier: MIT
%% Servers that send one another numbered messages and write down, in their own order, what they handled and what they sent.
%% Some ask others, who answer with a number, and some do not wait for the answer that they asked for.
%% Lines of the log: Pid handle|send|taken|late Number; taken: with the answer to a call; late: after giving up, and doing other things.
-module(order).
-behaviour(gen_server).
-export([main/1, init/1, handle_call/3, handle_cast/2, handle_info/2]).
-define(SERVERS, 40).
-define(ANSWERERS, 5).

main([Seed, File]) ->
    S = list_to_integer(atom_to_list(Seed)),
    ets:new(order_log, [named_table, public, ordered_set]),
    ets:insert(order_log, [{number, 0}, {left, 0}]),
    Servers = list_to_tuple([element(2, {ok, _} = gen_server:start(?MODULE, {S, N}, [])) || N <- lists:seq(1, ?SERVERS)]),
    Answerers = list_to_tuple([element(2, {ok, _} = gen_server:start(?MODULE, {S, -N}, [])) || N <- lists:seq(1, ?ANSWERERS)]),
    [gen_server:call(P, {know, Servers, Answerers}) || P <- tuple_to_list(Servers)],
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

number() -> ets:update_counter(order_log, number, 1).

send(To, Steps) ->
    Number = number(),
    ets:update_counter(order_log, left, 1),
    log(send, Number),
    gen_server:cast(To, {number, Number, Steps}).

ask(Answerer) ->
    Number = number(),
    log(send, Number),
    {number, Answer} = gen_server:call(Answerer, {number, Number, 0}),
    log(taken, Answer).

%% The answer comes while it waits for something else, or after that.
give_up(Answerer, Server) ->
    Number = number(),
    Ref = make_ref(),
    log(send, Number),
    Answerer ! {'$gen_call', {self(), Ref}, {number, Number, 0}},
    receive {never, Ref} -> ok after 2 -> ok end,
    send(Server, 0),
    receive {Ref, {number, Answer}} -> log(late, Answer) end.

log(What, Number) ->
    N = case get(lines) of undefined -> 1; L -> L + 1 end,
    put(lines, N),
    ets:insert(order_log, {{pid_to_list(self()), N}, What, Number}).

init({S, N}) ->
    rand:seed(exsss, {S, N, 3}),
    {ok, {}}.

handle_call({know, Servers, Answerers}, _, _) -> {reply, ok, {Servers, Answerers}};
handle_call({number, Number, _}, _, State) ->
    log(handle, Number),
    Answer = number(),
    log(send, Answer),
    {reply, {number, Answer}, State}.

handle_cast({number, Number, Steps}, {Servers, Answerers} = State) ->
    log(handle, Number),
    Answerer = element(rand:uniform(?ANSWERERS), Answerers),
    case rand:uniform(20) of
        N when N =< 4 -> ask(Answerer);
        5 -> give_up(Answerer, element(rand:uniform(?SERVERS), Servers));
        _ -> ok
    end,
    [send(element(rand:uniform(?SERVERS), Servers), Steps - 1) || _ <- lists:seq(1, rand:uniform(3) - 1), Steps > 0],
    ets:update_counter(order_log, left, -1),
    {noreply, State}.

handle_info(_, State) -> {noreply, State}.
