%% SPDX-License-Identifier: MIT
%% A system of many processes for long recordings: servers that pass numbered work on to one another, ask shared stores in
%% between, and now and then start a worker that is watched. All messages are handled by callbacks.
%% Usage: erl -noshell -s servers main SERVERS HOPS
-module(servers).
-behaviour(gen_server).
-export([main/1, init/1, handle_call/3, handle_cast/2, handle_info/2]).
-define(STORES, 100).
-define(IN_FLIGHT, 64).

main([Servers, Hops]) ->
    [N, Left] = [list_to_integer(atom_to_list(A)) || A <- [Servers, Hops]],
    Counter = counters:new(1, []),
    counters:put(Counter, 1, Left),
    Stores = list_to_tuple([start({store, K}) || K <- lists:seq(1, ?STORES)]),
    All = list_to_tuple([start({server, K}) || K <- lists:seq(1, N)]),
    persistent_term:put(?MODULE, {All, Stores, Counter, self()}),
    [gen_server:cast(element(rand:uniform(N), All), {hop, K}) || K <- lists:seq(1, ?IN_FLIGHT)],
    [receive ended -> ok end || _ <- lists:seq(1, ?IN_FLIGHT)],
    halt(0).

start(Who) ->
    {ok, Pid} = gen_server:start(?MODULE, Who, []),
    Pid.

init({Role, K}) ->
    rand:seed(exsss, K),
    {ok, #{role => Role, number => K, seen => 0, last => none}}.

handle_call({ask, Item}, _, #{seen := Seen} = State) ->
    {reply, {ok, Item, Seen}, State#{seen := Seen + 1, last := Item}}.

handle_cast({hop, Item}, #{seen := Seen} = State) ->
    {All, Stores, Counter, Main} = persistent_term:get(?MODULE),
    Answer = rand:uniform(4) =:= 1 andalso gen_server:call(element(rand:uniform(?STORES), Stores), {ask, Item}),
    rand:uniform(50) =:= 1 andalso spawn_monitor(fun() -> exit({done, Item}) end),
    counters:sub(Counter, 1, 1),
    case counters:get(Counter, 1) > 0 of
        true -> gen_server:cast(element(rand:uniform(tuple_size(All)), All), {hop, Item});
        false -> Main ! ended
    end,
    {noreply, State#{seen := Seen + 1, last := Answer}}.

handle_info({'DOWN', _, process, _, {done, Item}}, State) ->
    {noreply, State#{last := {done, Item}}}.
