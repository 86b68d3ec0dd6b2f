%% SPDX-License-Identifier: MIT
%% Two nodes that talk to each other, and write down what they did: `sent FROM TO ID` and `got FROM TO ID`, a line each, in the order of
%% each process. A process is NODE.NUMBER.SERIAL; TO of a send to a name is the name. Usage: crossing run FILE PEER; begins at FILE.go,
%% ends at FILE.end.
-module(crossing).
-behaviour(gen_server).
-export([run/1, child/2, receiver/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(NUMBERED, 300).
-define(SAME, 200).
-define(CALLS, 100).
-define(CHILDREN, 20).

run([File, Peer]) ->
    {A, B, C} = os:timestamp(),
    Seed = {A, B, C},
    rand:seed(exsss, Seed),
    io:format("seed ~p~n", [Seed]),
    register(logger_of_truth, spawn(fun() -> log(atom_to_list(File), []) end)),
    {ok, _} = gen_server:start({local, server}, ?MODULE, [], []),
    [register(list_to_atom("receiver" ++ integer_to_list(I)), spawn(?MODULE, receiver, [0])) || I <- [1, 2, 3]],
    register(sink, spawn(?MODULE, receiver, [0])),
    register(same, spawn(?MODULE, receiver, [0])),
    register(directory, spawn(fun directory/0)),
    ok = file:write_file(atom_to_list(File) ++ ".pid", os:getpid()),
    wait_for(atom_to_list(File) ++ ".go"),
    pong = net_adm:ping(Peer),
    Pids = whereabouts(Peer),
    Jobs = [fun() -> numbered(I, [element(2, lists:keyfind(N, 1, Pids)) || N <- [receiver1, receiver2, receiver3]]) end
            || I <- [1, 2, 3]] ++
        [fun() -> same(element(2, lists:keyfind(same, 1, Pids))) end,
         fun() -> named(Peer) end, fun() -> calls(Peer) end, fun() -> calls(Peer) end, fun() -> children(Peer) end],
    Running = [spawn_monitor(fun() -> rand:seed(exsss), Job() end) || Job <- Jobs],
    [receive {'DOWN', Ref, process, _, Why} -> Why =:= normal orelse io:format("a job failed: ~p~n", [Why]) end || {_, Ref} <- Running],
    pause(3000), % longer than a message may be under way: what has not arrived by then never will
    ok = file:write_file(atom_to_list(File) ++ ".done", ""),
    wait_for(atom_to_list(File) ++ ".end"),
    logger_of_truth ! {write, self()},
    receive written -> halt(0) end.

wait_for(File) -> filelib:is_file(File) orelse begin receive after 20 -> ok end, wait_for(File) end.

%% ---- truth

log(File, Lines) ->
    receive
        {line, Line} -> log(File, [Line | Lines]);
        {write, From} -> ok = file:write_file(File ++ ".truth", lists:reverse(Lines)), From ! written
    end.

who(Pid) when is_pid(Pid) ->
    Size = byte_size(term_to_binary(Pid)) - 12,
    <<_:Size/binary, Number:32, Serial:32, _:32>> = term_to_binary(Pid),
    io_lib:format("~s.~b.~b", [node(Pid), Number, Serial]);
who({Name, _}) -> atom_to_list(Name).

note(What, From, To, Id) -> logger_of_truth ! {line, io_lib:format("~s ~s ~s ~s~n", [What, who(From), who(To), Id])}.

id(Who, K) -> io_lib:format("~s/~b", [who(Who), K]).

%% ---- who is where: pids of the other node's processes

directory() ->
    receive
        {where, From} ->
            From ! {pids, [{N, whereis(N)} || N <- [receiver1, receiver2, receiver3, sink, same]]},
            directory()
    end.

whereabouts(Peer) ->
    {directory, Peer} ! {where, self()},
    receive {pids, Pids} -> Pids end.

%% ---- messages that name themselves, in bursts, to three receivers each

numbered(_, Receivers) ->
    lists:foreach(fun(K) ->
        To = lists:nth(rand:uniform(3), Receivers),
        note("sent", self(), To, id(self(), K)),
        To ! {n, self(), K, maps:from_list([{x, K}, {node(), self()}, {"text", make_ref()}])},
        K rem (1 + rand:uniform(40)) =:= 0 andalso pause(rand:uniform(5))
    end, lists:seq(1, ?NUMBERED)).

pause(Ms) -> receive after Ms -> ok end.

%% Messages without a number are counted by sender.
receiver(Counts) ->
    receive
        {n, From, K, _} -> note("got", From, self(), id(From, K)), receiver(Counts);
        {named, From, K} -> note("got", From, self(), id(From, K)), receiver(Counts);
        ping -> receiver_same(Counts + 1)
    end.

receiver_same(N) ->
    note("same", self(), self(), integer_to_list(N)),
    receiver(N).

%% ---- messages that are all alike

same(To) ->
    lists:foreach(fun(K) ->
        To ! ping,
        K rem 7 =:= 0 andalso pause(rand:uniform(3))
    end, lists:seq(1, ?SAME)),
    note("pinged", self(), To, integer_to_list(?SAME)).

%% ---- to a name, calls and casts

named(Peer) ->
    lists:foreach(fun(K) ->
        note("sent", self(), {sink, Peer}, id(self(), K)),
        {sink, Peer} ! {named, self(), K},
        K rem 10 =:= 0 andalso pause(1)
    end, lists:seq(1, ?NUMBERED)).

calls(Peer) ->
    lists:foreach(fun(K) ->
        note("call", self(), {server, Peer}, id(self(), K)),
        {reply, K} = gen_server:call({server, Peer}, {call, self(), K}),
        gen_server:cast({server, Peer}, {cast, self(), K})
    end, lists:seq(1, ?CALLS)).

init([]) -> {ok, #{calls => 0, casts => 0}}.

handle_call({call, From, K}, _, State = #{calls := N}) ->
    note("handled", From, self(), id(From, K)),
    {reply, {reply, K}, State#{calls := N + 1}}.

handle_cast({cast, From, K}, State = #{casts := N}) ->
    note("cast", From, self(), id(From, K)),
    {noreply, State#{casts := N + 1}}.

handle_info(_, State) -> {noreply, State}.

%% ---- processes started there, linked and monitored

children(Peer) ->
    process_flag(trap_exit, true),
    lists:foreach(fun(K) ->
        Pid = case K rem 2 of
            0 -> spawn_link(Peer, ?MODULE, child, [self(), K]);
            1 -> element(1, spawn_monitor(Peer, ?MODULE, child, [self(), K]))
        end,
        note("spawned", self(), Pid, id(self(), K)),
        receive
            {'EXIT', Pid, {done, K}} -> note("ended", Pid, self(), id(self(), K));
            {'DOWN', _, process, Pid, {done, K}} -> note("ended", Pid, self(), id(self(), K))
        end
    end, lists:seq(1, ?CHILDREN)).

child(_Parent, K) -> exit({done, K}).
