%% SPDX-License-Identifier: MIT
%% Woven code, the probes written by hand, that writes down itself what happens to it: recursion, tail calls, exceptions that are caught at
%% several depths, here or above or nowhere, also through code that is not woven, and receives that choose. A line of the log: Pid {What, …}.
-module(probed).
-export([main/1]).

-define(KEY(Kind), ((?LINE bsl 4) bor Kind)).
-define(SITE(Kind, F, A, Names), {es_site, ?KEY(Kind), ?MODULE, F, A, ?LINE, 0, Names}).
-define(ENTER(F, Id, Depth), elixirscope_probe:enter(?SITE(1, F, 2, []), Id, Depth), log({enter, Id, F})).
-define(RETURN(F, Id, Value), begin log({return, Id}), elixirscope_probe:return(?SITE(2, F, 2, []), Value) end).
-define(TAIL(F, Id), begin log({tail, Id}), elixirscope_probe:tail(?SITE(3, F, 2, [])) end).
-define(LINE_OF(F), begin elixirscope_probe:line(?SITE(4, F, 2, [])), log({line, ?LINE, #{}}) end).
-define(BOUND(F, A, B), begin elixirscope_probe:values(?SITE(5, F, 2, ['A', 'B@1']), A, B), log({line, ?LINE, #{'A' => A, 'B@1' => B}}) end).
-define(TRY(F), elixirscope_probe:try_(?SITE(6, F, 2, []))).
-define(CAUGHT(F, Id, Token, Class, Reason), begin elixirscope_probe:caught(?SITE(7, F, 2, []), Token, Class, Reason), log({caught, Id, Class, Reason}) end).
-define(TAKEN(Message), begin elixirscope_probe:taken(?SITE(8, serve, 2, []), Message), log({taken, Message}) end).

-define(DEEP, 10).

main([File, Seed, Workers]) ->
    ets:new(probed_log, [named_table, public, ordered_set, {write_concurrency, true}]),
    ets:insert(probed_log, {id, 0}),
    ok = elixirscope_probes:on(),
    S = list_to_integer(Seed),
    Refs = [element(2, spawn_monitor(fun() -> worker(S, N) end)) || N <- lists:seq(1, list_to_integer(Workers))],
    [receive {'DOWN', Ref, process, _, _} -> ok end || Ref <- Refs],
    post(S),
    ok = elixirscope_probes:off(),
    walk_unseen(),
    {ok, Fd} = file:open(File, [write]),
    [io:format(Fd, "~w ~0tp~n", [P, W]) || {{P, _}, W} <- ets:tab2list(probed_log)],
    ok = file:close(Fd),
    halt(0).

log(What) ->
    N = ets:update_counter(probed_log, id, 1),
    ets:insert(probed_log, {{self(), N}, What}).

new_id() -> ets:update_counter(probed_log, id, 1).

%% Probes are off: nothing of it is recorded, and nothing of it fails.
walk_unseen() ->
    elixirscope_probe:enter(?SITE(1, walk_unseen, 0, []), 0, 0),
    0 = elixirscope_probe:try_(?SITE(6, walk_unseen, 0, [])).

%% ---- calls and exceptions

worker(S, N) ->
    rand:seed(exsss, {S, N, 7}),
    put(left, 80),
    [step(0) || _ <- lists:seq(1, 1 + rand:uniform(4))],
    ok.

step(Depth) ->
    case rand:uniform(4) of
        1 -> walk(new_id(), Depth);
        2 -> other(new_id(), Depth);
        3 -> catcher(new_id(), Depth);
        4 -> through(new_id(), Depth)
    end.

spent() ->
    Left = get(left),
    put(left, Left - 1),
    Left < 1.

walk(Id, Depth) ->
    ?ENTER(walk, Id, Depth),
    ?LINE_OF(walk),
    A = Id * 2,
    B = [Depth, {a, Id}],
    ?BOUND(walk, A, B),
    Done = Depth > ?DEEP orelse spent(),
    case rand:uniform(7) of
        1 when not Done ->
            Next = new_id(),
            ?TAIL(walk, Id),
            walk(Next, Depth + 1);
        2 when not Done ->
            Next = new_id(),
            ?TAIL(walk, Id),
            other(Next, Depth + 1);
        3 ->
            fail(Id);
        4 when not Done ->
            step(Depth + 1),
            step(Depth + 1),
            ?LINE_OF(walk),
            ?RETURN(walk, Id, twice),
            twice;
        5 when not Done ->
            Value = walk(new_id(), Depth + 1),
            ?RETURN(walk, Id, Value),
            Value;
        _ ->
            ?RETURN(walk, Id, {done, Id}),
            {done, Id}
    end.

other(Id, Depth) ->
    ?ENTER(other, Id, Depth),
    Done = Depth > ?DEEP orelse spent(),
    case rand:uniform(4) of
        1 when not Done ->
            Next = new_id(),
            ?TAIL(other, Id),
            walk(Next, Depth + 1);
        2 when not Done ->
            step(Depth + 1),
            ?RETURN(other, Id, ok),
            ok;
        3 ->
            fail(Id);
        _ ->
            ?RETURN(other, Id, ok),
            ok
    end.

fail(Id) ->
    case rand:uniform(3) of
        1 -> throw({thrown, Id});
        2 -> error({failed, Id});
        3 -> exit({left, Id})
    end.

%% Two tries, one in the other, in one call: what the inner one does not match the outer one may, or somebody above.
catcher(Id, Depth) ->
    ?ENTER(catcher, Id, Depth),
    Outer = ?TRY(catcher),
    Value = try
        Inner = ?TRY(catcher),
        try
            step(Depth + 1)
        catch
            throw:Thrown ->
                ?CAUGHT(catcher, Id, Inner, throw, Thrown),
                again(Id, Depth)
        end
    catch
        error:Failed ->
            ?CAUGHT(catcher, Id, Outer, error, Failed),
            ?LINE_OF(catcher),
            caught
    end,
    ?RETURN(catcher, Id, Value),
    Value.

%% Within the clause of a catch: another one, and a call that may fail.
again(Id, Depth) when Depth < ?DEEP ->
    Token = ?TRY(catcher),
    try step(Depth + 1)
    catch
        exit:Left ->
            ?CAUGHT(catcher, Id, Token, exit, Left),
            left
    end;
again(_, _) -> ok.

%% Woven code that calls woven code by way of code that is not.
through(Id, Depth) ->
    ?ENTER(through, Id, Depth),
    Result = case rand:uniform(3) of
        1 when Depth < ?DEEP -> lists:map(fun(_) -> step(Depth + 1) end, [1, 2]);
        2 when Depth < ?DEEP -> once(get(hidden), Depth);
        _ -> []
    end,
    ?RETURN(through, Id, Result),
    Result.

%% A catch that no probe tells of: that a call in it was unwound is known by the next thing that happens below. Of a function that is open
%% twice then, which of the two goes on is not to be known; so this one is not.
once(undefined, Depth) ->
    put(hidden, true),
    Value = hidden(new_id(), Depth + 1),
    erase(hidden),
    Value;
once(true, _) -> [].

hidden(Id, Depth) ->
    ?ENTER(hidden, Id, Depth),
    lists:foreach(fun(_) -> catch step(Depth + 1) end, [1]),
    log({back, Id}),
    ?LINE_OF(hidden),
    lists:foreach(fun(_) -> catch step(Depth + 1) end, [1]),
    log({back, Id}),
    ?RETURN(hidden, Id, ok),
    ok.

%% ---- messages

post(S) ->
    rand:seed(exsss, {S, 1, 2}),
    Servers = [spawn_monitor(fun() -> serve([], 0) end) || _ <- lists:seq(1, 8)],
    Mails = [{Pid, mail(N)} || N <- lists:seq(1, 400), {Pid, _} <- [lists:nth(rand:uniform(8), Servers)]],
    Posts = [spawn_monitor(fun() -> [Pid ! M || {Pid, M} <- Mine] end) || Mine <- split(Mails)],
    [receive {'DOWN', Ref, process, _, _} -> ok end || {_, Ref} <- Posts],
    [Pid ! stop || {Pid, _} <- Servers],
    [receive {'DOWN', Ref, process, _, _} -> ok end || {_, Ref} <- Servers].

mail(N) ->
    case rand:uniform(4) of
        1 -> tick; % many are equal
        2 -> {urgent, N};
        3 -> {later, N, <<"some text">>};
        4 -> #{number => N}
    end.

split(Mails) -> [[M || {I, M} <- lists:zip(lists:seq(1, length(Mails)), Mails), I rem 3 =:= R] || R <- [0, 1, 2]].

%% Takes what is urgent first, and leaves {later, …} for the end.
serve(Kept, N) ->
    elixirscope_probe:enter(?SITE(1, serve, 2, []), Kept, N),
    receive
        {urgent, _} = M ->
            ?TAKEN(M),
            elixirscope_probe:tail(?SITE(3, serve, 2, [])),
            serve(Kept, N + 1)
    after 0 ->
        receive
            tick ->
                ?TAKEN(tick),
                elixirscope_probe:tail(?SITE(3, serve, 2, [])),
                serve(Kept, N + 1);
            #{number := _} = M ->
                ?TAKEN(M),
                elixirscope_probe:tail(?SITE(3, serve, 2, [])),
                serve(Kept, N + 1);
            stop ->
                ?TAKEN(stop),
                rest(),
                elixirscope_probe:return(?SITE(2, serve, 2, []), N)
        end
    end.

rest() ->
    receive M -> ?TAKEN(M), rest() after 0 -> ok end.
