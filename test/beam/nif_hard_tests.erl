%% SPDX-License-Identifier: MIT
%% What the NIF must not do: tell secrets, record who is not to be recorded, lose without saying so, or hurt the VM, whatever happens to
%% the traced processes, to the library, and to the session under it.
-module(nif_hard_tests).
-include_lib("eunit/include/eunit.hrl").
-export([called/1, called/2, busy/0]).

-import(nif_session, [record/1, record/2, trace/2, wait/1, term/1, ref/1, of_kind/2, of_pid/2]).

-define(T(Test), {timeout, 240, {atom_to_list(?FUNCTION_NAME), fun() -> Test end}}).

called(X) -> X.
called(X, _) -> X.

%% ---- secrets -------------------------------------------------------------------------------------------------------

-define(SECRET, "hunter2-correct-horse").

secrets_test_() -> ?T(begin
    Rules = ["key:password", "key:Authorization", "key:" ++ lists:duplicate(60, $k), "struct:Elixir.My.Card"],
    Arena = nif_session:open(#{rules => Rules, limits => #{deliver_payload => 1}}),
    erlang:trace_pattern({?MODULE, called, 1}, true, []),
    erlang:trace_pattern({?MODULE, called, 2}, [{'_', [], [{exception_trace}]}], []),
    nif_session:receive_pattern(),
    Pid = spawn(fun() ->
        receive go -> ok end,
        [begin
            ?MODULE:called(T),
            ?MODULE:called({noreply, T}, state),
            self() ! T,
            receive T -> ok end
         end || T <- secret_terms(list_to_binary(?SECRET))],
        try ?MODULE:called({noreply, #{password => ?SECRET}}, fun() -> ok end) catch error:_ -> ok end,
        exit({crashed, [{password, list_to_atom(?SECRET)}]})
    end),
    trace(Pid, [call, send, 'receive', procs]),
    Pid ! go,
    wait(Pid),
    ok = elixirscope_nif:emit(crash, Pid, #{state => secret_terms(list_to_binary(?SECRET))}),
    nif_session:close(Arena),
    {ok, Bytes} = file:read_file(Arena),
    [?assertEqual(nomatch, binary:match(Bytes, S)) || S <- [list_to_binary(?SECRET), <<"correct-horse">>]],
    Records = nif_session:dump(Arena),
    N = length(secret_terms(<<>>)),
    ?assertEqual({2 * N + 1, N, N}, {length(of_kind(call, Records)), length(of_kind(send, Records)), length(of_kind(deliver, Records))}),
    %% where a large map was cut, its secret may be in what was left out: the order of its keys is the emulator's
    [?assert(lists:any(fun(F) -> lists:member(F, maps:get(flags, R)) end, [redacted, cut]))
     || {K, R} <- Records, lists:member(K, [call, return, send, exit, crash])],
    ?assert(length([R || {K, R} <- Records, lists:member(K, [call, send]), lists:member(redacted, maps:get(flags, R))]) >= 3 * (N - 2)),
    Redacted = {'$cut', redacted, 0, 0, 0, <<>>},
    [First, Second | _] = [term(R) || R <- of_kind(send, Records)],
    ?assertEqual(#{password => Redacted, user => <<"joe">>}, First),
    ?assertEqual(#{<<"PassWord">> => Redacted, <<"user">> => <<"joe">>}, Second),
    ?assert(lists:member({'Elixir.My.Card', Redacted}, [term(R) || R <- of_kind(send, Records)])),
    ?assertEqual([{crashed, [{password, Redacted}]}], [term(R) || R <- of_kind(exit, Records)]),
    ok = file:delete(Arena)
end).

secret_terms(Secret) ->
    Long = binary:copy(<<"k">>, 60),
    [#{password => Secret, user => <<"joe">>},
     #{<<"PassWord">> => Secret, <<"user">> => <<"joe">>},
     #{'PASSWORD' => #{inner => [Secret, {Secret}]}},
     [{password, Secret}, {<<"AUTHORIZATION">>, Secret}, {"authorization", binary_to_list(Secret)}],
     {password, Secret},
     {password, binary_to_atom(Secret, utf8)},
     #{deep => [[{x, #{password => {Secret, Secret}}}]]},
     #{Long => Secret, binary_to_atom(Long, utf8) => Secret},
     {'Elixir.My.Card', #{'__struct__' => 'Elixir.My.Card', number => Secret, cvc => Secret}},
     [#{'__struct__' => 'Elixir.My.Card', number => Secret}],
     maps:from_list([{password, Secret} | [{I, I} || I <- lists:seq(1, 100)]]),
     maps:from_list([{{password, Secret}, {password, Secret}} | [{I, I} || I <- lists:seq(1, 100)]])].

%% A cut in the middle of a pair does not let its value out, whatever the budget is when it comes.
secrets_at_the_end_test_() -> ?T([begin
    Arena = nif_session:open(#{rules => ["key:password"], limits => #{payload_bytes => Bytes, work => Work}}),
    erlang:trace_pattern({?MODULE, called, 1}, true, []),
    Pid = spawn(fun() ->
        receive go -> ok end,
        Secret = list_to_binary(?SECRET),
        [?MODULE:called(T) || T <- [{{a, b, {password, Secret}}, {password, Secret}}, #{a => {password, Secret}, password => Secret, x => [{password, Secret}]}]]
    end),
    trace(Pid, [call]),
    Pid ! go,
    wait(Pid),
    nif_session:close(Arena),
    {ok, All} = file:read_file(Arena),
    ?assertEqual(nomatch, binary:match(All, <<"hunter">>)),
    ?assertEqual(2, length(of_kind(call, nif_session:dump(Arena)))),
    ok = file:delete(Arena)
end || {Bytes, Work} <- [{B, 1000} || B <- lists:seq(1, 60, 4)] ++ [{1000, W} || W <- lists:seq(1, 12)]]).

%% The hash of a message does not depend on what is secret in it, nor on the budgets; it does on everything else.
hash_test_() -> ?T(begin
    Messages = [#{password => <<"one">>, a => 1}, #{password => <<"two">>, a => 1}, #{password => <<"one">>, a => 2},
                [1, 2, 3], "abc", lists:seq(1, 40), lists:seq(1, 41), {a, [b | c]}, {a, [b, c]}, binary:copy(<<"x">>, 5000), binary:copy(<<"x">>, 5001),
                <<(binary:copy(<<"x">>, 4999))/binary, "y">>, 1.5, -1.5, self(), make_ref(), 1 bsl 70, 1 bsl 71, [[[[[[a, "text"]]]]]]],
    Hashes = [begin
        Records = record(#{rules => ["key:password"], limits => Limits}, fun() ->
            nif_session:receive_pattern(),
            Receiver = spawn(fun Loop() -> receive stop -> ok; _ -> Loop() end end),
            Pid = spawn(fun() -> receive go -> [Receiver ! M || M <- Messages], Receiver ! stop end end),
            trace(Pid, [send]),
            trace(Receiver, ['receive']),
            Pid ! go,
            wait(Receiver)
        end),
        Sent = [maps:get(hash, R) || R <- of_kind(send, Records)],
        ?assertEqual(Sent, [maps:get(hash, R) || R <- of_kind(deliver, Records)]),
        ?assertNot(lists:member(0, Sent)),
        Sent
    end || Limits <- [#{}, #{payload_bytes => 0}, #{payload_bytes => 10}, #{max_elements => 2, max_depth => 2}, #{work => 3}, #{deliver_payload => 1},
                      #{payload_bytes => 100000}, #{state_bytes => 0, payload_bytes => 9000}]],
    [Same] = lists:usort(Hashes),
    [A, A | Others] = Same,
    ?assertEqual(length(Same) - 1, length(lists:usort([A | Others])))
end).

%% ---- who and what is not recorded ----------------------------------------------------------------------------------

excluded_test_() -> ?T(begin
    Hidden = spawn(fun Loop() -> receive {From, X} -> From ! X, Loop() end end),
    Self = self(),
    Records = record(fun() ->
        ok = elixirscope_nif:exclude([Hidden]),
        nif_session:receive_pattern(),
        Pid = spawn(fun() -> receive go -> ok end, Hidden ! {self(), secret}, receive secret -> ok end, link(Hidden), unlink(Hidden), self() ! open, receive open -> ok end end),
        [trace(P, [send, 'receive', procs, call, running]) || P <- [Hidden, Pid]],
        Pid ! go,
        wait(Pid),
        Self ! {pid, Pid}
    end),
    Pid = receive {pid, P} -> P end,
    ?assertEqual([], of_pid(Hidden, Records)),
    ?assertEqual([], [R || {_, #{peer := Peer} = R} <- Records, Peer =:= ref(Hidden)]),
    ?assertEqual([send, deliver, exit], [K || {K, _} <- of_pid(Pid, Records), K =/= in, K =/= out]),
    exit(Hidden, kill)
end).

%% The agent itself: whoever calls exclude.
self_excluded_test_() -> ?T(begin
    Records = record(fun() ->
        nif_session:receive_pattern(),
        Self = self(),
        Pid = spawn(fun() -> receive go -> Self ! x end end),
        trace(Pid, [send, 'receive']),
        Pid ! go,
        receive x -> ok end,
        wait(Pid)
    end),
    ?assertEqual([], of_kind(send, Records) ++ of_kind(deliver, Records))
end).

disabled_test_() -> ?T(begin
    Self = self(),
    Records = record(#{enabled => false}, fun() ->
        Pid = spawn(fun Loop() -> receive X -> self() ! done, receive done -> ok end, Self ! X, Loop() end end),
        trace(Pid, [send]),
        [begin elixirscope_nif:enable(On), Pid ! X, receive X -> ok end end || {On, X} <- [{false, 1}, {true, 2}, {false, 3}]],
        ?assertMatch({tracer, {elixirscope_nif, []}}, erlang:trace_info(Pid, tracer)),
        exit(Pid, kill)
    end),
    ?assertEqual([done], [term(R) || R <- of_kind(send, Records)])
end).

%% What is kept is kept at both ends, a call together with its return; critical events always.
sampled_test_() -> ?T(begin
    N = 400,
    Records = record(#{limits => #{sample => 16384}}, fun() ->
        nif_session:receive_pattern(),
        erlang:trace_pattern({?MODULE, called, 1}, [{'_', [], [{exception_trace}]}], []),
        Receiver = spawn(fun Loop() -> receive stop -> ok; _ -> Loop() end end),
        Pids = [begin
            Pid = spawn(fun() -> receive go -> Receiver ! {message, I}, ?MODULE:called(I) end end),
            trace(Pid, [send, call, procs]),
            Pid
        end || I <- lists:seq(1, N)],
        trace(Receiver, ['receive']),
        [Pid ! go || Pid <- Pids],
        [wait(Pid) || Pid <- Pids],
        Receiver ! stop,
        wait(Receiver)
    end),
    Sends = lists:sort([{P, H} || #{pid := P, hash := H} <- of_kind(send, Records)]),
    Delivers = lists:sort([{P, H} || #{peer := P, hash := H} <- of_kind(deliver, Records), P =/= ref(self())]),
    ?assertEqual(Sends, Delivers),
    ?assert(length(Sends) > N div 16 andalso length(Sends) < N div 2),
    Calls = lists:sort([P || #{pid := P} <- of_kind(call, Records)]),
    ?assertEqual(Calls, lists:sort([P || #{pid := P} <- of_kind(return, Records)])),
    ?assert(length(Calls) > N div 16 andalso length(Calls) < N div 2),
    ?assertEqual(N, length(of_kind(exit, Records)))
end).

%% ---- losses --------------------------------------------------------------------------------------------------------

%% A full ring loses and counts; critical events still find room; what was lost is said before what comes after it.
full_ring_test_() -> ?T(begin
    N = 20000,
    Arena = nif_session:open(#{schedulers => 1, others => 1, bytes => 262144, other_bytes => 262144}),
    Run = fun(Count) ->
        Work = fun() -> receive go -> [begin self() ! {message, I}, receive {message, I} -> ok end end || I <- lists:seq(1, Count)], ok end end,
        Pid = spawn_opt(Work, [{scheduler, 1}]), % one thread, one ring
        trace(Pid, [send, procs]),
        Pid ! go,
        wait(Pid)
    end,
    Run(N),
    #{events := Events, lost := Lost, full := Full} = elixirscope_nif:stats(),
    ?assertEqual(N + 2, Events + Lost), %% and the exit, and the clock
    ?assert(Lost > 0),
    ?assert(Full > 80 andalso Full < 100),
    Before = nif_session:dump(Arena),
    Kept = length(of_kind(send, Before)),
    ?assertEqual({Events - 2, Lost}, {Kept, N - Kept}),
    ?assertEqual(lists:seq(1, Kept), [I || R <- of_kind(send, Before), {message, I} <- [term(R)]]),
    Told = fun(Dump) -> [R || {Kind, _} = R <- Dump, lists:member(Kind, [send, lost, exit])] end, % of whichever ring
    ?assertMatch([{lost, #{payload := [{send, Lost}]}}, {exit, _}], lists:nthtail(Kept, Told(Before))),
    nif_session:drain(Arena),
    Run(1),
    ?assertMatch([{send, _}, {exit, _}], Told(nif_session:dump(Arena))),
    Run(N),
    #{lost := More} = elixirscope_nif:stats(),
    ?assertEqual([[{send, More - Lost}]], [L || #{payload := L} <- of_kind(lost, nif_session:dump(Arena))]),
    nif_session:close(Arena),
    ok = file:delete(Arena)
end).

%% A definition that finds no room takes its event with it, and comes with the next one.
full_of_definitions_test_() -> ?T(begin
    Arena = nif_session:open(#{schedulers => 1, others => 1, bytes => 262144, other_bytes => 262144}),
    Name = fun(I) -> list_to_atom(lists:duplicate(220, $x) ++ integer_to_list(I)) end,
    Run = fun(Numbers) ->
        Pid = spawn(fun() -> receive go -> [self() ! [Name(J) || J <- lists:seq(I, I + 9)] || I <- Numbers], ok end end),
        trace(Pid, [send]),
        Pid ! go,
        wait(Pid)
    end,
    Numbers = lists:seq(10, 3000, 10),
    Run(Numbers),
    First = [term(R) || R <- of_kind(send, nif_session:dump(Arena))],
    ?assert(length(First) < length(Numbers)),
    nif_session:drain(Arena),
    Run(lists:seq(3000, 3100, 10)),
    Second = [term(R) || R <- of_kind(send, nif_session:dump(Arena))],
    ?assertEqual(11, length(Second)),
    [?assertEqual([Name(J) || J <- lists:seq(I, I + 9)], T) || {I, T} <- lists:zip(lists:seq(3000, 3100, 10), Second)],
    [?assertNot(lists:member('$not_defined', T)) || T <- First ++ Second],
    nif_session:close(Arena),
    ok = file:delete(Arena)
end).

%% More new atoms in one event than can be defined with it: the others stand in it as text.
many_atoms_test_() -> ?T(begin
    Atoms = [list_to_atom("many_atoms_" ++ integer_to_list(I)) || I <- lists:seq(1, 1000)],
    Records = record(fun() -> [ok = elixirscope_nif:emit(mark, undefined, Atoms) || _ <- [1, 2]] end),
    ?assertEqual([Atoms, Atoms], [term(R) || R <- of_kind(mark, Records)])
end).

%% Threads without a ring are counted.
no_ring_test_() -> ?T(begin
    Arena = nif_session:open(#{schedulers => 1, others => 0}),
    Pids = [spawn_opt(fun() -> receive go -> ok end, self() ! x, receive x -> ok end end, [{scheduler, S}]) || S <- lists:seq(1, erlang:system_info(schedulers))],
    [trace(P, [send, procs]) || P <- Pids],
    [P ! go || P <- Pids],
    [wait(P) || P <- Pids],
    #{lost := Lost, threads := Threads} = elixirscope_nif:stats(),
    ?assertEqual(1, Threads),
    nif_session:close(Arena),
    Records = nif_session:dump(Arena),
    [#{unclaimed := Unclaimed}] = of_kind(arena, Records),
    ?assertEqual(Lost, Unclaimed),
    ?assertEqual(2 * length(Pids), length(of_kind(send, Records)) + length(of_kind(exit, Records)) + Unclaimed),
    ok = file:delete(Arena)
end).

%% A scheduler's ring carries its id.
scheduler_ids_test_() -> ?T(begin
    Self = self(),
    Records = record(fun() ->
        Pids = [{S, spawn_opt(fun() -> receive go -> self() ! erlang:system_info(scheduler_id) end end, [{scheduler, S}])} || S <- lists:seq(1, erlang:system_info(schedulers_online))],
        [trace(P, [send]) || {_, P} <- Pids],
        [P ! go || {_, P} <- Pids],
        [wait(P) || {_, P} <- Pids],
        Self ! {pids, Pids}
    end),
    Pids = receive {pids, P} -> P end,
    Rings = maps:from_list([{N, T} || #{ring := N, thread := T} <- of_kind(ring, Records)]),
    [begin
        [{send, #{ring := N} = R}] = of_pid(Pid, Records),
        ?assertEqual(term(R), maps:get(N, Rings))
     end || {_, Pid} <- Pids]
end).

%% ---- the session ---------------------------------------------------------------------------------------------------

open_and_close_test_() -> ?T(begin
    nif_session:start(),
    [?assertEqual({error, closed}, F()) || F <- [fun() -> elixirscope_nif:stats() end, fun() -> elixirscope_nif:enable(true) end, fun() -> elixirscope_nif:exclude([]) end,
                                               fun() -> elixirscope_nif:limits(#{}) end, fun() -> elixirscope_nif:beat() end, fun() -> elixirscope_nif:done() end]],
    ?assertEqual(lost, elixirscope_nif:clock()),
    ?assertEqual(lost, elixirscope_nif:emit(mark, undefined, x)),
    ?assertEqual(ok, elixirscope_nif:close()),
    ?assertEqual({error, enoent}, elixirscope_nif:open(<<"/dev/shm/there is no such file">>)),
    ?assertError(badarg, elixirscope_nif:open(<<"a\0b">>)),
    ?assertError(badarg, elixirscope_nif:open("no binary")),
    Empty = filename:join(os:getenv("NIF_WORK"), "empty"),
    ok = file:write_file(Empty, <<0:80000>>),
    ok = file:change_mode(Empty, 8#600),
    ?assertEqual({error, ebadmsg}, elixirscope_nif:open(list_to_binary(Empty))),
    Arena = nif_session:open(#{}),
    ?assertEqual({error, already}, elixirscope_nif:open(list_to_binary(Arena))),
    ?assertEqual(undefined, elixirscope_nif:beat()),
    ?assertError(badarg, elixirscope_nif:exclude([x])),
    ?assertError(badarg, elixirscope_nif:limits([])),
    ?assertMatch(#{events := 1, lost := 0, threads := 1, full := 0}, elixirscope_nif:stats()),
    Pids = [spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, 40)],
    ?assertEqual({error, enospc}, elixirscope_nif:exclude(Pids)),
    [P ! stop || P <- Pids],
    nif_session:close(Arena),
    ?assertMatch([{arena, #{done := 1}} | _], nif_session:dump(Arena)),
    ok = file:delete(Arena)
end).

%% Nothing of a process is lost when it dies in the middle of things.
dying_test_() -> ?T(begin
    N = 3000,
    Self = self(),
    Records = record(#{bytes => 33554432, others => 16}, fun() ->
        nif_session:receive_pattern(),
        Root = spawn(fun() ->
            receive go -> ok end,
            process_flag(trap_exit, true),
            [begin
                Child = spawn_link(fun() -> self() ! self, receive stop -> ok; self -> receive stop -> ok end end end),
                case I rem 4 of
                    0 -> exit(Child, kill);
                    1 -> Child ! stop;
                    2 -> exit(Child, {shutdown, I});
                    3 -> unlink(Child), exit(Child, kill)
                end
             end || I <- lists:seq(1, N)],
            Self ! done,
            receive stop -> ok end
        end),
        trace(Root, [send, 'receive', procs, running, garbage_collection, set_on_spawn]),
        Root ! go,
        receive done -> ok end,
        wait_for_children(Root),
        Root ! stop,
        wait(Root)
    end),
    ?assertEqual([], of_kind(lost, Records)),
    ?assertEqual({N, N, N + 1}, {length(of_kind(spawn, Records)), length(of_kind(spawned, Records)), length(of_kind(exit, Records))})
end).

wait_for_children(Root) ->
    [wait(P) || P <- processes(), P =/= Root, {tracer, {elixirscope_nif, []}} =:= erlang:trace_info(P, tracer)],
    ok.

%% Dirty schedulers run processes, and other threads handle their signals meanwhile.
dirty_test_() -> ?T(begin
    File = filename:join(os:getenv("NIF_WORK"), "file"),
    ok = file:write_file(File, binary:copy(<<"x">>, 100000)),
    Records = record(#{bytes => 33554432, others => 24}, fun() ->
        nif_session:receive_pattern(),
        Pids = [spawn(fun() ->
            receive go -> ok end,
            [begin {ok, _} = prim_file:read_file(File), erlang:garbage_collect(), flush() end || _ <- lists:seq(1, 200)]
        end) || _ <- lists:seq(1, 8)],
        [trace(P, [send, 'receive', procs]) || P <- Pids],
        [P ! go || P <- Pids],
        Talker = spawn(fun() -> process_flag(trap_exit, true), talk(Pids) end),
        [wait(P) || P <- Pids],
        exit(Talker, kill)
    end),
    ?assertEqual(8, length(of_kind(exit, Records))),
    ?assert(length(of_kind(deliver, Records)) > 8)
end).

talk(Pids) ->
    [begin P ! hello, link(P), unlink(P) end || P <- Pids],
    flush(),
    receive after 1 -> ok end,
    talk(Pids).

flush() -> receive _ -> flush() after 0 -> ok end.

%% The session ends and others begin under processes that are traced and busy: they run on, and what is written is whole.
close_under_load_test_() -> ?T(begin
    process_flag(priority, high),
    Pids = [spawn(?MODULE, busy, []) || _ <- lists:seq(1, 4)],
    [begin
        Arena = nif_session:open(#{bytes => 262144, other_bytes => 262144}),
        erlang:trace_pattern({?MODULE, called, 1}, [{'_', [], [{exception_trace}]}], [local]),
        nif_session:receive_pattern(),
        [trace(P, [send, 'receive', call, procs]) || P <- Pids, untraced(P)],
        erlang:yield(),
        receive after I rem 5 -> ok end,
        case I rem 2 of
            0 -> nif_session:close(Arena);
            1 -> elixirscope_nif:enable(false), nif_session:close(Arena)
        end,
        I rem 25 =:= 0 andalso nif_session:dump(Arena),
        ok = file:delete(Arena)
     end || I <- lists:seq(1, 100)],
    ?assertEqual([true], lists:usort([is_process_alive(P) || P <- Pids])),
    [exit(P, kill) || P <- Pids]
end).

untraced(P) -> erlang:trace_info(P, tracer) =:= {tracer, []}.

busy() -> self() ! {x, 1}, receive {x, X} -> called([X]) end, busy().

%% ---- the library ---------------------------------------------------------------------------------------------------

%% Old and new version of the module share the session; processes stay traced all the while.
upgrade_test_() -> ?T(begin
    process_flag(priority, high),
    {Module, Binary, File} = code:get_object_code(elixirscope_nif),
    Arena = nif_session:open(#{bytes => 262144}),
    erlang:trace_pattern({?MODULE, called, 1}, true, [local]),
    Pids = [spawn(?MODULE, busy, []) || _ <- lists:seq(1, 2)],
    [trace(P, [send, call]) || P <- Pids],
    [begin
        code:purge(Module),
        {module, Module} = code:load_binary(Module, File, Binary),
        ok = elixirscope_nif:load(list_to_binary(os:getenv("NIF_LIBRARY"))),
        ok = elixirscope_nif:emit(mark, undefined, I),
        I rem 20 =:= 0 andalso nif_session:drain(Arena),
        [trace(P, [send, call]) || P <- Pids, untraced(P)]
     end || I <- lists:seq(1, 1000)],
    ?assertEqual([true], lists:usort([is_process_alive(P) || P <- Pids])),
    [exit(P, kill) || P <- Pids],
    nif_session:close(Arena),
    _ = nif_session:dump(Arena),
    ok = file:delete(Arena)
end).

%% A copy of the library at another path knows nothing of the open session: it is refused.
other_library_test_() -> ?T(begin
    {Module, Binary, File} = code:get_object_code(elixirscope_nif),
    Copy = filename:join(os:getenv("NIF_WORK"), "copy.so"),
    {ok, _} = file:copy(os:getenv("NIF_LIBRARY"), Copy),
    Arena = nif_session:open(#{}),
    code:purge(Module),
    {module, Module} = code:load_binary(Module, File, Binary),
    ?assertMatch({error, _}, elixirscope_nif:load(list_to_binary(Copy))),
    ?assertEqual(ok, elixirscope_nif:load(list_to_binary(os:getenv("NIF_LIBRARY")))),
    ?assertMatch(#{events := 1}, elixirscope_nif:stats()),
    nif_session:close(Arena),
    code:purge(Module),
    {module, Module} = code:load_binary(Module, File, Binary),
    ?assertEqual(ok, elixirscope_nif:load(list_to_binary(Copy))),
    code:purge(Module),
    ?assertEqual({error, closed}, elixirscope_nif:stats()),
    {module, Module} = code:load_binary(Module, File, Binary),
    ?assertEqual(ok, elixirscope_nif:load(list_to_binary(os:getenv("NIF_LIBRARY")))),
    ok = file:delete(Arena)
end).

%% The module goes while it traces: the processes go on untraced, and the session is over.
unload_test_() -> ?T(begin
    {Module, Binary, File} = code:get_object_code(elixirscope_nif),
    Arena = nif_session:open(#{}),
    Pids = [spawn(?MODULE, busy, []) || _ <- lists:seq(1, 4)],
    [trace(P, [send]) || P <- Pids],
    code:purge(Module),
    true = code:delete(Module),
    code:purge(Module),
    [begin P ! {x, 2}, receive after 1 -> ok end end || P <- Pids],
    ?assertEqual([true], lists:usort([is_process_alive(P) || P <- Pids])),
    [exit(P, kill) || P <- Pids],
    {module, Module} = code:load_binary(Module, File, Binary),
    ?assertEqual(ok, elixirscope_nif:load(list_to_binary(os:getenv("NIF_LIBRARY")))),
    nif_session:close(Arena),
    Second = nif_session:open(#{}),
    nif_session:close(Second),
    [ok = file:delete(A) || A <- [Arena, Second]]
end).
