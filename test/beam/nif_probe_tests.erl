%% SPDX-License-Identifier: MIT
%% Probes in a real VM: what each writes, what it leaves out and how it says so; and that nothing it may be called with does any harm.
-module(nif_probe_tests).
-include_lib("eunit/include/eunit.hrl").

-import(nif_session, [record/1, record/2, trace/2, wait/1, term/1, ref/1, of_kind/2, of_pid/2]).

-define(T(Test), {timeout, 240, {atom_to_list(?FUNCTION_NAME), fun() -> Test end}}).
-define(SITE(Names), {es_site, (?LINE bsl 8) bor length(Names), ?MODULE, walk, 2, ?LINE, 0, Names}).
-define(SITE, ?SITE([])).

%% Fun in a process of its own, with the probes on: the records that are of it.
probed(Fun) -> probed(#{}, Fun).
probed(Options, Fun) ->
    Self = self(),
    ok = elixirscope_probes:on(),
    Records = record(Options, fun() ->
        Pid = spawn(fun() -> receive go -> Fun() end end),
        Pid ! go,
        normal = wait(Pid),
        Self ! {pid, Pid}
    end),
    ok = elixirscope_probes:off(),
    receive {pid, Pid} -> of_pid(Pid, Records) end.

site(#{site := {other, Term}}) -> binary_to_term(<<131, Term/binary>>).
flags(Records) -> [lists:delete(none, F) || {_, #{flags := F}} <- Records].

%% ---- what is written

every_probe_test_() -> ?T(begin
    Self = self(),
    Deep = {a, [<<"text">>, #{k => 1.5}], Self},
    Site = ?SITE(['A', 'B']),
    Records = probed(fun() ->
        [ok = apply(elixirscope_probe, enter, [?SITE | lists:sublist([1, a, [], Deep, -7, <<>>], N)]) || N <- lists:seq(0, 6)],
        ok = elixirscope_probe:enter_list(?SITE, [1, 2, 3, 4, 5, 6, 7, Deep]),
        ok = elixirscope_probe:return(?SITE, Deep),
        ok = elixirscope_probe:return(?SITE, 17),
        ok = elixirscope_probe:tail(?SITE),
        ok = elixirscope_probe:line(Site),
        [ok = apply(elixirscope_probe, values, [Site | lists:sublist([a, Deep, 3, 4, 5, 6], N)]) || N <- lists:seq(1, 6)],
        ok = elixirscope_probe:values_list(Site, [a, Deep]),
        Token = elixirscope_probe:try_(Site),
        true = is_integer(Token) andalso Token > 0,
        ok = elixirscope_probe:caught(Site, Token, error, {bad, Deep}),
        ok = elixirscope_probe:taken(Site, Deep),
        Self ! {token, Token}
    end),
    Token = receive {token, T} -> T end,
    {Calls, [Return, Small, Tail, Line | Rest]} = lists:split(8, Records),
    ?assertEqual([lists:sublist([1, a, [], Deep, -7, <<>>], N) || N <- lists:seq(0, 6)] ++ [[1, 2, 3, 4, 5, 6, 7, Deep]], [term(R) || {call, R} <- Calls]),
    ?assertMatch({{return, _}, {return, _}, {tail, #{payload := none}}, {line, #{payload := none}}}, {Return, Small, Tail, Line}),
    ?assertEqual([Deep, 17], [term(R) || {return, R} <- [Return, Small]]),
    {Values, [{line, List}, {'try', Try}, {caught, Caught}, {taken, Taken}]} = lists:split(6, Rest),
    ?assertEqual([lists:sublist([a, Deep, 3, 4, 5, 6], N) || N <- lists:seq(1, 6)], [term(R) || {line, R} <- Values]),
    ?assertEqual([a, Deep], term(List)),
    ?assertEqual({Token, Token, {error, {bad, Deep}}}, {maps:get(corr, Try), maps:get(corr, Caught), term(Caught)}),
    ?assertEqual([[woven]], lists:usort(flags(Calls ++ [Return, Small]))),
    ?assertEqual([[], [no_payload], [], []], flags([Tail, Line, {'try', Try}, {caught, Caught}])),
    [?assertEqual({ref(?MODULE), ref(walk), 2}, {maps:get(module, R), maps:get(function, R), maps:get(arity, R)}) || {_, R} <- Records],
    [?assertEqual(Site, site(R)) || R <- [List, Try, Caught, Taken | [R || {line, R} <- [Line | Values]]]],
    ?assertEqual(lists:sort([maps:get(stamp, R) || {_, R} <- Records]), [maps:get(stamp, R) || {_, R} <- Records])
end).

%% A receive tells the same content as the delivery does.
taken_test_() -> ?T(begin
    Messages = [hello, {order, 17, #{name => <<"x">>}}, [1, 2, 3], lists:seq(1, 1000), {self(), {self(), make_ref()}, {call, ?MODULE, x}}, {self(), {self(), make_ref()}, {sync_notify, x}}],
    ok = elixirscope_probes:on(),
    Self = self(),
    Records = record(fun() ->
        nif_session:receive_pattern(),
        Pid = spawn(fun() -> receive go -> ok end, [receive M -> elixirscope_probe:taken(?SITE, M) end || _ <- Messages] end),
        trace(Pid, ['receive']),
        Pid ! go,
        spawn(fun() -> [Pid ! M || M <- Messages] end), % what this process sends is not recorded
        wait(Pid),
        Self ! {pid, Pid}
    end),
    ok = elixirscope_probes:off(),
    Pid = receive {pid, P} -> P end,
    Delivered = [maps:get(hash, R) || {deliver, R} <- of_pid(Pid, Records)],
    ?assertEqual(Delivered, [maps:get(hash, R) || {taken, R} <- of_pid(Pid, Records)]),
    ?assertEqual(length(Messages), length(lists:usort(Delivered)))
end).

%% ---- what is left out

secrets_test_() -> ?T(begin
    Redacted = {'$cut', redacted, 0, 0, 0, <<>>},
    Records = probed(#{rules => ["key:password", "key:token"]}, fun() ->
        elixirscope_probe:values(?SITE(['Password', 'B']), <<"open sesame">>, 2),
        elixirscope_probe:values(?SITE(['A', token, 'C']), {1}, <<"open sesame">>, {3}),
        elixirscope_probe:values(?SITE([a, token]), 1, 77777),
        elixirscope_probe:values(?SITE([token]), 77777),
        elixirscope_probe:values_list(?SITE([a, b, token]), [1, 2, <<"open sesame">>]),
        elixirscope_probe:enter(?SITE, {password, <<"open sesame">>}, 1),
        elixirscope_probe:return(?SITE, #{token => 77777})
    end),
    ?assertEqual([[Redacted, 2], [{1}, Redacted, {3}], [1, Redacted], [Redacted], [1, 2, Redacted], [{password, Redacted}, 1], #{token => Redacted}],
                 [term(R) || {_, R} <- Records]),
    [?assert(lists:member(redacted, F)) || F <- flags(Records)]
end).

budgets_test_() -> ?T(begin
    Large = lists:duplicate(1000, <<"some text">>),
    Run = fun() ->
        elixirscope_probe:enter(?SITE, 1, Large, 2),
        elixirscope_probe:values(?SITE(['A', 'B', 'C']), {a, Large}, Large, 3),
        elixirscope_probe:return(?SITE, Large),
        elixirscope_probe:caught(?SITE, 5, error, Large)
    end,
    Cut = probed(#{limits => #{payload_bytes => 200}}, Run),
    ?assertEqual([call, line, return, caught], [K || {K, _} <- Cut]),
    [?assert(lists:member(cut, F)) || F <- flags(Cut)],
    [?assert(Size < 2000) || {_, #{size := Size}} <- Cut],
    [?assertNotEqual(malformed, P) || {_, #{payload := P}} <- Cut],
    None = probed(#{limits => #{payload_bytes => 0}}, Run),
    [?assertEqual(none, P) || {_, #{payload := P}} <- None],
    [?assert(lists:member(no_payload, F)) || F <- flags(None)],
    Work = probed(#{limits => #{work => 1, max_elements => 2, max_depth => 1}}, Run),
    ?assertEqual([call, line, return, caught], [K || {K, _} <- Work])
end).

off_test_() -> ?T(begin
    Run = fun() ->
        ok = elixirscope_probe:enter(?SITE, 1, 2),
        0 = elixirscope_probe:try_(?SITE),
        ok = elixirscope_probe:taken(?SITE, x)
    end,
    ?assertEqual([], probed(#{enabled => false}, Run)),
    ?assertEqual([], probed(#{limits => #{sample => 0}}, Run)),
    ok = elixirscope_probes:on(),
    Run(), % no session
    ok = elixirscope_probes:on(),
    ?assert(elixirscope_probes:is_on()),
    ok = elixirscope_probes:off(),
    ok = elixirscope_probes:off(),
    ?assertNot(elixirscope_probes:is_on()),
    Run()
end).

excluded_test_() -> ?T(begin
    Records = probed(fun() ->
        elixirscope_probe:line(?SITE),
        ok = elixirscope_nif:exclude([self()]),
        [elixirscope_probe:line(?SITE) || _ <- lists:seq(1, 3)],
        elixirscope_probe:enter(?SITE, 1)
    end),
    ?assertMatch([{line, _}], Records)
end).

%% ---- what may be given

broken_test_() -> ?T(begin
    Site = ?SITE(['A']),
    Broken = [x, 1, <<>>, [], [Site], {}, #{a => Site}, self(), make_ref(), 1.5, fun() -> ok end, {es_site}, setelement(1, Site, site)] ++
        [setelement(I, Site, X) || {I, Xs} <- [{2, [-1, 1 bsl 56, 1 bsl 70, a, <<>>]}, {3, [1, <<"m">>, {m}]}, {4, [1, []]}, {5, [-1, 256, a, 1 bsl 70]},
                                               {6, [-1, 1 bsl 40, a]}, {7, [-1, 1 bsl 20, a]}, {8, [a, 1, ['A' | b], [1], [<<"A">>], lists:duplicate(1000, 'A')]}], X <- Xs] ++
        [erlang:append_element(Site, 1), list_to_tuple(lists:duplicate(1000, x))],
    All = fun(S) ->
        [ok, ok, ok, ok, ok, ok, ok, 0, ok, ok] =
            [elixirscope_probe:enter(S, 1, 2), elixirscope_probe:enter_list(S, [1]), elixirscope_probe:return(S, 1), elixirscope_probe:tail(S), elixirscope_probe:line(S),
             elixirscope_probe:values(S, 1), elixirscope_probe:values_list(S, [1]), elixirscope_probe:try_(S), elixirscope_probe:caught(S, 0, error, x), elixirscope_probe:taken(S, x)]
    end,
    ?assertEqual([], probed(fun() -> lists:foreach(All, Broken) end))
end).

wrong_types_test_() -> ?T(begin
    Site = ?SITE(['A', 'B']),
    Records = probed(fun() ->
        [ok = elixirscope_probe:enter_list(Site, X) || X <- [a, 1, [1 | 2], {}, #{}]],
        [ok = elixirscope_probe:values_list(Site, X) || X <- [a, 1, [1 | 2], {}, lists:duplicate(300, z)]],
        [ok = elixirscope_probe:caught(Site, T, C, R) || {T, C, R} <- [{a, error, x}, {1 bsl 70, {error, lists:seq(1, 1000)}, x}, {-1, [], []}]],
        ok = elixirscope_probe:values(Site, 1, 2, 3, 4) % more than names
    end),
    ?assertEqual([call, call, call, call, call, line, line, line, line, line, caught, caught, caught, line], [K || {K, _} <- Records]),
    ?assertEqual([0, 0], [maps:get(corr, R) || {caught, R} <- lists:sublist(Records, 11, 2)])
end).

%% The same key for other functions and other variables: each is told as what it says of itself.
twins_test_() -> ?T(begin
    One = {es_site, 1, ?MODULE, one, 1, 10, 0, []},
    Two = {es_site, 1, nif_tests, two, 2, 20, 1, ['A']},
    Records = probed(fun() -> [begin elixirscope_probe:enter(S, 1), elixirscope_probe:line(S) end || S <- [One, Two, One]] end),
    ?assertEqual([ref(one), ref(one), ref(two), ref(two), ref(one), ref(one)], [maps:get(function, R) || {_, R} <- Records])
end).

%% ---- where it is tight

full_ring_test_() -> ?T(begin
    N = 20000,
    ok = elixirscope_probes:on(),
    Arena = nif_session:open(#{schedulers => 1, others => 1, bytes => 262144, other_bytes => 262144}),
    Run = fun(I) ->
        ok = elixirscope_probe:enter(?SITE, I, a),
        ok = elixirscope_probe:values(?SITE(['A']), I),
        _ = elixirscope_probe:try_(?SITE),
        ok = elixirscope_probe:taken(?SITE, I)
    end,
    wait(spawn_opt(fun() -> lists:foreach(Run, lists:seq(1, N)) end, [{scheduler, 1}])),
    #{events := Events, lost := Lost} = elixirscope_nif:stats(),
    Records = nif_session:dump(Arena),
    ok = elixirscope_probes:off(),
    ?assertEqual(4 * N + 1, Events + Lost), % and the clock
    ?assert(Lost > 0),
    Kept = [R || {K, R} <- Records, lists:member(K, [call, line, 'try', taken])],
    ?assertEqual(Events - 1, length(Kept)),
    [?assertNotMatch(#{function := {atom, not_defined}}, R) || R <- Kept],
    nif_session:close(Arena),
    ok = file:delete(Arena)
end).

%% A session ends while others are in a probe.
close_under_load_test_() -> ?T(begin
    ok = elixirscope_probes:on(),
    Pids = [spawn_link(fun() -> load(?SITE, ?SITE(['A', 'B'])) end) || _ <- lists:seq(1, 8)],
    [begin
        Arena = nif_session:open(#{bytes => 1048576}),
        erlang:yield(),
        nif_session:close(Arena),
        ok = file:delete(Arena)
     end || _ <- lists:seq(1, 30)],
    [begin ok = elixirscope_probes:off(), ok = elixirscope_probes:on() end || _ <- lists:seq(1, 20)],
    [?assert(is_process_alive(Pid)) || Pid <- Pids],
    [begin unlink(Pid), exit(Pid, kill) end || Pid <- Pids],
    ok = elixirscope_probes:off()
end).

load(Site, Values) ->
    ok = elixirscope_probe:enter(Site, 1, {some, [<<"term">>]}),
    ok = elixirscope_probe:values(Values, 1, #{a => b}),
    Token = elixirscope_probe:try_(Site),
    ok = elixirscope_probe:caught(Site, Token, error, badarg),
    ok = elixirscope_probe:return(Site, ok),
    load(Site, Values).
