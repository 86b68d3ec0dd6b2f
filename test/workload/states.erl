%% SPDX-License-Identifier: MIT
%% Servers and state machines under a supervisor whose states change in every way there is; each process writes down its own
%% state, and the one that drives them between which times each change was made. `check` compares answers with that.
-module(states).
-export([main/1, questions/1, check/1]).
-behaviour(supervisor).
-export([start_link/2, init/1]).

-define(KEYS, [a, b, 'odd key', <<"text key">>, 7, {tuple, key}, [list, key], 1.5]).

%% FILE with the number of changes and the seed in the environment.
main([Name]) ->
    File = atom_to_list(Name),
    Changes = list_to_integer(os:getenv("ES_CHANGES", "10000")),
    Seed = list_to_integer(os:getenv("ES_SEED", "1")),
    rand:seed(exsss, Seed),
    [{module, M} = code:ensure_loaded(M) || M <- [states_server, states_machine, gen_statem, sys]],
    receive after 1500 -> ok end, % the tracer looks for new modules
    ets:new(last, [named_table, public]),
    {ok, Supervisor} = supervisor:start_link({local, states_sup}, ?MODULE, []),
    unlink(Supervisor),
    Names = [list_to_atom("s" ++ integer_to_list(I)) || I <- lists:seq(1, 50)],
    Started = [start_child(I, N) || {I, N} <- lists:zip(lists:seq(1, 50), Names)],
    Log = drive(Changes, list_to_tuple(Names), lists:append(Started)),
    ok = file:write_file(File, term_to_binary(lists:reverse(Log))),
    receive after 300 -> ok end,
    halt(0).

init([]) ->
    {ok, {#{strategy => one_for_one, intensity => 1000000, period => 1}, []}}.

start_link(Module, Name) -> Module:start_link(Name).

now_ns() -> erlang:monotonic_time(nanosecond).

start_child(I, Name) ->
    Module = case I rem 2 of 0 -> states_server; 1 -> states_machine end,
    T0 = now_ns(),
    {ok, Pid} = supervisor:start_child(states_sup, #{id => Name, start => {?MODULE, start_link, [Module, Name]}}),
    [entry(Pid, T0)].

%% What the process wrote down of itself.
entry(Pid, T0) ->
    T1 = now_ns(),
    [{Pid, State}] = ets:lookup(last, Pid),
    {list_to_binary(pid_to_list(Pid)), T0, T1, State}.

drive(0, _, Log) -> Log;
drive(N, Names, Log) ->
    Name = element(rand:uniform(tuple_size(Names)), Names),
    Pid = whereis(Name),
    T0 = now_ns(),
    drive(N - 1, Names, change(rand:uniform(200), Name, Pid, T0) ++ Log).

change(1, Name, Pid, _) -> crash(Name, Pid, fun() -> catch gen_server:call(Pid, crash) end);
change(2, Name, Pid, _) -> crash(Name, Pid, fun() -> exit(Pid, kill) end);
change(3, Name, Pid, _) -> crash(Name, Pid, fun() -> catch gen_server:call(Pid, stop) end);
change(R, _, Pid, T0) when R < 14 ->
    New = random_state(3),
    sys:replace_state(Pid, fun(Old) -> S = replaced(Old, New), ets:insert(last, {self(), S}), S end),
    [entry(Pid, T0)];
change(R, _, Pid, T0) when R < 18 -> % nothing is replaced where it fails
    sys:replace_state(Pid, fun(Old) -> Old end),
    [entry(Pid, T0)];
change(R, _, Pid, T0) when R < 22 ->
    sys:suspend(Pid),
    ok = sys:change_code(Pid, states_server, v1, random_state(2)),
    sys:resume(Pid),
    [entry(Pid, T0)];
change(R, _, Pid, T0) when R < 26 ->
    Huge = huge(rand:uniform(4)),
    ok = gen_server:call(Pid, {set, Huge}),
    First = entry(Pid, T0),
    T2 = now_ns(),
    ok = gen_server:call(Pid, {set, random_state(2)}),
    [entry(Pid, T2), First];
change(R, _, Pid, T0) when R < 60 ->
    gen_server:cast(Pid, {put, random_key(), random_term(3)}),
    ok = gen_server:call(Pid, look),
    [entry(Pid, T0)];
change(R, _, Pid, T0) when R < 90 ->
    Pid ! {put, random_key(), random_term(2)},
    ok = gen_server:call(Pid, look),
    [entry(Pid, T0)];
change(R, _, Pid, T0) when R < 110 ->
    ok = gen_server:call(Pid, {hibernate, random_key(), rand:uniform(1000)}),
    [entry(Pid, T0)];
change(R, _, Pid, T0) when R < 120 -> % goes on in handle_continue, or an event of its own
    ok = gen_server:call(Pid, {later, random_key(), random_term(1)}),
    ok = gen_server:call(Pid, look),
    [entry(Pid, T0)];
change(R, _, Pid, T0) when R < 130 ->
    ok = gen_server:call(Pid, look),
    [entry(Pid, T0)];
change(_, _, Pid, T0) ->
    ok = gen_server:call(Pid, {put, random_key(), random_term(3)}),
    [entry(Pid, T0)].

replaced({Name, Data}, New) when is_atom(Name), is_map(Data) -> {other(Name), New};
replaced(_, New) -> New.

other(idle) -> busy;
other(_) -> idle.

%% The successor has written down its first state before it has the name.
crash(Name, Pid, Fun) ->
    T0 = now_ns(),
    Monitor = monitor(process, Pid),
    Fun(),
    receive {'DOWN', Monitor, _, _, _} -> ok end,
    New = successor(Name, Pid),
    ok = gen_server:call(New, look),
    [entry(New, T0), entry(Pid, T0)].

successor(Name, Old) ->
    case whereis(Name) of
        Pid when is_pid(Pid), Pid =/= Old -> Pid;
        _ -> receive after 1 -> successor(Name, Old) end
    end.

random_key() -> lists:nth(rand:uniform(length(?KEYS)), ?KEYS).

random_state(Depth) -> maps:from_list([{K, random_term(Depth)} || K <- ?KEYS, rand:uniform(2) =:= 1]).

random_term(0) ->
    case rand:uniform(9) of
        1 -> rand:uniform(1000);
        2 -> -rand:uniform(1 bsl 62);
        3 -> 1 bsl (60 + rand:uniform(100));
        4 -> rand:uniform();
        5 -> lists:nth(rand:uniform(5), [ok, nil, true, 'Elixir.Shop.Cart', 'an atom']);
        6 -> rand:bytes(rand:uniform(20));
        7 -> <<"text ", (integer_to_binary(rand:uniform(1000)))/binary>>;
        8 -> "a string";
        9 -> <<5:3>>
    end;
random_term(Depth) ->
    N = rand:uniform(4) - 1,
    case rand:uniform(6) of
        1 -> [random_term(Depth - 1) || _ <- lists:seq(1, N)];
        2 -> list_to_tuple([random_term(Depth - 1) || _ <- lists:seq(1, N)]);
        3 -> maps:from_list([{I, random_term(Depth - 1)} || I <- lists:seq(1, N)]);
        4 -> [{key, random_term(Depth - 1)}, {other, random_term(Depth - 1)}];
        5 -> [1, 2 | random_term(0)];
        6 -> random_term(0)
    end.

huge(1) -> #{big => rand:bytes(200000)};
huge(2) -> #{list => [{I, rand:uniform(1000000)} || I <- lists:seq(1, 12000)]};
huge(3) -> maps:from_list([{<<"key ", (integer_to_binary(I))/binary>>, rand:uniform(1 bsl 40)} || I <- lists:seq(1, 6000)]);
huge(4) -> lists:foldl(fun(I, A) -> #{i => I, deeper => A, more => lists:seq(1, 900)} end, #{}, lists:seq(1, 60)).

%% ---- questions and answers ----

read(File) ->
    {ok, Bytes} = file:read_file(File),
    lists:foldl(
        fun({Pid, T0, T1, State}, All) -> maps:update_with(Pid, fun(L) -> [{T0, T1, State} | L] end, [{T0, T1, State}], All) end,
        #{}, lists:reverse(binary_to_term(Bytes))
    ).

%% [Truth, Number, Seed, To]: lines "PID TIME" at times when nobody was changing that process.
questions([Truth, Number, Seed, To]) ->
    rand:seed(exsss, list_to_integer(Seed)),
    All = read(Truth),
    Pids = list_to_tuple(maps:keys(All)),
    Ends = [T1 || L <- maps:values(All), {_, T1, _} <- L],
    ok = file:write_file(To, questions(list_to_integer(Number), Pids, All, {lists:min(Ends), lists:max(Ends)})),
    halt(0).

questions(0, _, _, _) -> [];
questions(N, Pids, All, {From, Until} = Span) ->
    Pid = element(rand:uniform(tuple_size(Pids)), Pids),
    T = From + rand:uniform(Until - From),
    case state_at(maps:get(Pid, All), T) of
        {ok, _} -> [[Pid, " ", integer_to_list(T), "\n"] | questions(N - 1, Pids, All, Span)];
        none -> questions(N, Pids, All, Span)
    end.

%% Its changes, the first one first. A tenth of a millisecond around a change is left out: clocks of two kinds meet.
state_at(Changes, T) -> state_at(Changes, T, none).
state_at([{T0, T1, _} | _], T, _) when T > T0 - 100000, T < T1 + 100000 -> none;
state_at([{_, T1, State} | Rest], T, _) when T1 < T -> state_at(Rest, T, {ok, State});
state_at(_, _, Found) -> Found.

%% [Truth, Answers, Mode]: each answer is "PID TIME KNOWN" tab state tab term, both as Erlang text. Mode all: each must be captured.
check([Truth, Answers, Mode]) ->
    All = read(Truth),
    {ok, Bytes} = file:read_file(Answers),
    Lines = binary:split(Bytes, <<"\n">>, [global, trim]),
    Results = [answer(All, Line) || Line <- Lines],
    [io:format("wrong: ~ts~n", [string:slice(Line, 0, 300)]) || {wrong, Line} <- lists:sublist([R || {wrong, _} = R <- Results], 5)],
    Count = fun(What) -> length([R || R <- Results, element(1, R) =:= What]) end,
    io:format("~b asked, ~b right, ~b wrong, ~b not captured whole (~b of these at least not contradicted)~n",
        [length(Lines), Count(right), Count(wrong), Count(unknown), Count(unknown)]),
    Enough = case Mode of "all" -> Count(right) =:= length(Lines); _ -> Count(right) > length(Lines) div 4 end,
    halt(case Lines =/= [] andalso Count(wrong) =:= 0 andalso Enough of true -> 0; false -> 1 end).

answer(All, Line) ->
    [Head, State, Term] = binary:split(Line, <<"\t">>, [global]),
    [Pid, Time, Known] = binary:split(Head, <<" ">>, [global]),
    {ok, True} = state_at(maps:get(Pid, All), binary_to_integer(Time)),
    case Known of
        <<"captured">> ->
            case parse(State) =:= True andalso parse(Term) =:= True of
                true -> {right, Line};
                false -> {wrong, Line}
            end;
        _ -> {unknown, Line}
    end.

parse(Text) ->
    {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(<<Text/binary, ".">>)),
    {ok, Term} = erl_parse:parse_term(Tokens),
    Term.
