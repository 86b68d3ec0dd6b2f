%% SPDX-License-Identifier: MIT
%% Does things in a known order and writes down what it did: additions to a counter, one at a time; a server that is held up in a
%% callback while messages pile up; a crash; terms that no terminal should get to see. FILE gets lines "what value".
-module(replayed).
-behaviour(gen_server).
-export([main/1, init/1, handle_call/3, handle_cast/2, handle_info/2]).

main([Name]) ->
    rand:seed(exsss, list_to_integer(os:getenv("ES_SEED", "1"))),
    receive after 1500 -> ok end, % the tracer looks for new modules
    Values = [rand:uniform(1000) || _ <- lists:seq(1, 60)],
    {ok, Counter} = gen_server:start({local, counter}, ?MODULE, #{n => 0, last => none}, []),
    [ok = gen_server:call(counter, {add, V}) || V <- Values],
    {ok, Busy} = gen_server:start({local, busy}, ?MODULE, #{notes => []}, []),
    Caller = hold(Busy),
    hostile(),
    Reference = monitor(process, Counter),
    gen_server:cast(counter, {crash, on_purpose}),
    receive {'DOWN', Reference, _, _, _} -> ok end,
    Lines = [["counter ", pid_to_list(Counter)], ["busy ", pid_to_list(Busy)], ["caller ", pid_to_list(Caller)], ["main ", pid_to_list(self())],
             ["values ", lists:join(" ", [integer_to_list(V) || V <- Values])]],
    ok = file:write_file(atom_to_list(Name), [[L, "\n"] || L <- Lines]),
    receive after 300 -> halt(0) end.

%% While `busy` is in a callback for the caller, five notes arrive.
hold(Busy) ->
    Self = self(),
    Caller = spawn(fun() -> held = gen_server:call(Busy, {hold, Self}), Self ! {self(), done}, receive stop -> ok end end),
    receive {Busy, held} -> ok end,
    [gen_server:cast(Busy, {note, I}) || I <- lists:seq(1, 5)],
    Busy ! go,
    receive {Caller, done} -> ok end,
    [5, 4, 3, 2, 1] = gen_server:call(Busy, notes),
    Caller.

hostile() ->
    Self = self(),
    Sink = spawn(fun() -> Self ! {self(), ready}, receive stop -> ok end end),
    receive {Sink, ready} -> ok end,
    register('a\e]0;name\a', Sink),
    [Sink ! T || T <- [<<"\e]0;title\a\e[31mred\e[2J">>, list_to_atom("atom \e[2J"), "list \e[31m\b\r", <<255, 254, 27, 91, 50, 74>>,
                       <<"日本語 wide"/utf8>>, <<"e", 769/utf8, 769/utf8, 769/utf8, "combining">>, <<8238/utf8, "turned">>, <<"\x9b2J">>]],
    Sink ! stop.

init(State) -> {ok, State}.
handle_call({add, V}, _From, #{n := N} = S) -> {reply, ok, S#{n := N + V, last := V}};
handle_call({hold, Pid}, _From, S) -> Pid ! {self(), held}, receive go -> {reply, held, S} end;
handle_call(notes, _From, #{notes := Notes} = S) -> {reply, Notes, S}.
handle_cast({note, I}, #{notes := Notes} = S) -> {noreply, S#{notes := [I | Notes]}};
handle_cast({crash, Why}, _) -> error(Why).
handle_info(_, S) -> {noreply, S}.
