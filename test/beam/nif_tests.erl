%% SPDX-License-Identifier: MIT
%% The NIF in a real VM: which events it writes, with which fields; what it leaves out and how it says so; and that nothing done to the
%% traced program or to the NIF itself ends the VM.
-module(nif_tests).
-include_lib("eunit/include/eunit.hrl").
-export([called/1, called/2, raises/1, handle_call/2]).

-import(nif_session, [record/1, record/2, trace/2, wait/1, term/1, ref/1, of_kind/2, of_pid/2]).

-define(T(Test), {timeout, 240, {atom_to_list(?FUNCTION_NAME), fun() -> Test end}}).

called(X) -> X.
called(X, _) -> X.
raises(X) -> error(X).
handle_call(X, _) -> X.

%% ---- every family, with its fields ---------------------------------------------------------------------------------

processes_test_() -> ?T(begin
    Self = self(),
    {ok, Other} = {ok, spawn(fun() -> receive stop -> ok end end)},
    Records = record(fun() ->
        Pid = spawn(fun() ->
            receive go -> ok end,
            register(nif_tests_name, self()),
            unregister(nif_tests_name),
            link(Other),
            unlink(Other),
            Child = spawn(?MODULE, called, [<<"an argument">>, 2]),
            Self ! {child, Child},
            exit({reason, #{a => 1}})
        end),
        trace(Pid, [procs, set_on_spawn]),
        Pid ! go,
        wait(Pid),
        Child = receive {child, C} -> C end,
        wait(Child),
        Self ! {pids, Pid, Child}
    end),
    {Pid, Child} = receive {pids, P, C} -> {P, C} end,
    Kinds = [{K, R} || {K, R} <- of_pid(Pid, Records)],
    ?assertEqual([register, unregister, link, unlink, spawn, exit], [K || {K, _} <- Kinds]),
    [#{peer := Name}, #{peer := Name}, #{peer := Linked}, #{peer := Linked}, Spawn, Exit] = [R || {_, R} <- Kinds],
    ?assertEqual(ref(nif_tests_name), Name),
    ?assertEqual(ref(Other), Linked),
    ?assertMatch(#{arity := 2}, Spawn),
    ?assertEqual({ref(Child), ref(?MODULE), ref(called)}, {maps:get(peer, Spawn), maps:get(module, Spawn), maps:get(function, Spawn)}),
    ?assertEqual([<<"an argument">>, 2], term(Spawn)),
    ?assertEqual({reason, #{a => 1}}, term(Exit)),
    [{spawned, Spawned}, {exit, _}] = of_pid(Child, Records),
    ?assertEqual({ref(Pid), ref(?MODULE), ref(called), 2},
                 {maps:get(peer, Spawned), maps:get(module, Spawned), maps:get(function, Spawned), maps:get(arity, Spawned)}),
    Other ! stop
end).

links_from_others_test_() -> ?T(begin
    Self = self(),
    Records = record(fun() ->
        Pid = spawn(fun() -> receive stop -> ok end end),
        trace(Pid, [procs]),
        Linker = spawn(fun() -> link(Pid), unlink(Pid), Pid ! stop end),
        wait(Pid),
        Self ! {pids, Pid, Linker}
    end),
    {Pid, Linker} = receive {pids, P, L} -> {P, L} end,
    ?assertMatch([{getting_linked, _}, {getting_unlinked, _}, {exit, _}], of_pid(Pid, Records)),
    ?assertEqual([ref(Linker), ref(Linker)], [maps:get(peer, R) || {K, R} <- of_pid(Pid, Records), K =/= exit])
end).

messages_test_() -> ?T(begin
    Self = self(),
    Dead = spawn(fun() -> ok end),
    wait(Dead),
    Echo = spawn(fun() -> receive {From, M} -> From ! {echo, M} end end),
    register(nif_tests_server, Echo),
    Records = record(fun() ->
        nif_session:receive_pattern(),
        Pid = spawn(fun() ->
            receive go -> ok end,
            nif_tests_server ! {self(), [1, two, <<"three">>]},
            receive {echo, _} -> ok end,
            Dead ! hello,
            {nif_tests_nobody, node()} ! hello,
            self() ! self,
            receive self -> ok end,
            receive never -> ok after 1 -> ok end
        end),
        trace(Pid, [send, 'receive']),
        trace(Echo, [send, 'receive']),
        Pid ! go,
        wait(Pid),
        Self ! {pid, Pid}
    end),
    Pid = receive {pid, P} -> P end,
    [{send, Named}, {deliver, Echoed}, {send_dead, ToDead}, {send, ToNode}, {send, ToSelf}, {deliver, FromSelf}, {timeout, _}] =
        of_pid(Pid, Records),
    ?assertEqual({ref(nif_tests_server), {Pid, [1, two, <<"three">>]}}, {maps:get(peer, Named), term(Named)}),
    ?assertEqual(ref(Dead), maps:get(peer, ToDead)),
    {other, Name} = maps:get(peer, ToNode),
    ?assertEqual({nif_tests_nobody, node()}, binary_to_term(<<131, Name/binary>>)),
    [{deliver, Request}, {send, Reply}] = of_pid(Echo, Records),
    ?assertEqual(ref(Pid), maps:get(peer, Request)),
    [?assertEqual(maps:get(hash, S), maps:get(hash, D)) || {S, D} <- [{Named, Request}, {Reply, Echoed}, {ToSelf, FromSelf}]],
    ?assertEqual(3, length(lists:usort([maps:get(hash, R) || R <- [Named, Reply, ToSelf]]))),
    ?assertEqual({ref(Pid), {echo, [1, two, <<"three">>]}}, {maps:get(peer, Reply), term(Reply)}),
    ?assertEqual([], [R || #{flags := F} = R <- [Named, Reply], lists:member(no_payload, F)]),
    ?assertEqual(2, length([R || #{flags := F} = R <- [Request, Echoed], lists:member(no_payload, F)]))
end).

%% A request, its reply and the monitor between them have one number; others have none.
correlation_test_() -> ?T(begin
    Self = self(),
    Server = spawn(fun Loop() ->
        receive
            {'$gen_call', From, stop} -> gen_reply(From, ok);
            {'$gen_call', From, X} -> gen_reply(From, X), Loop()
        end
    end),
    Records = record(fun() ->
        nif_session:receive_pattern(),
        Pid = spawn(fun() ->
            receive go -> ok end,
            {ok, one} = gen:call(Server, '$gen_call', one),
            {ok, two} = gen:call(Server, '$gen_call', two),
            Monitor = monitor(process, Server),
            Server ! {'$gen_call', {self(), Monitor}, stop},
            receive {Monitor, ok} -> ok end,
            receive {'DOWN', Monitor, _, _, _} -> ok end,
            Timer = erlang:start_timer(1, self(), text),
            receive {timeout, Timer, text} -> ok end
        end),
        trace(Pid, [send, 'receive']),
        trace(Server, [send, 'receive']),
        Pid ! go,
        wait(Pid),
        Self ! {pid, Pid}
    end),
    Pid = receive {pid, P} -> P end,
    Numbers = [{K, maps:get(corr, R)} || {K, R} <- of_pid(Pid, Records)],
    ?assertMatch([{send, A}, {deliver, A}, {send, B}, {deliver, B}, {send, C}, {deliver, C}, {deliver, C}, {deliver, D}]
                 when A =/= 0 andalso B =/= 0 andalso C =/= 0 andalso D =/= 0 andalso A =/= B andalso B =/= C andalso C =/= D, Numbers),
    [{send, A}, {deliver, A}, {send, B}, {deliver, B} | _] = Numbers,
    ?assertMatch([{deliver, A}, {send, A}, {deliver, B}, {send, B} | _], [{K, maps:get(corr, R)} || {K, R} <- of_pid(Server, Records)])
end).

gen_reply({To, [alias | Alias] = Tag}, Reply) -> Alias ! {Tag, Reply}, To;
gen_reply({To, Tag}, Reply) -> To ! {Tag, Reply}.

calls_test_() -> ?T(begin
    Self = self(),
    State = lists:seq(1000, 2000),
    Records = record(#{limits => #{payload_bytes => 300}}, fun() ->
        erlang:trace_pattern({?MODULE, called, 1}, true, []),
        erlang:trace_pattern({?MODULE, called, 2}, [{'_', [], [{exception_trace}]}], []),
        erlang:trace_pattern({?MODULE, raises, 1}, [{'_', [], [{exception_trace}]}], []),
        erlang:trace_pattern({?MODULE, handle_call, 2}, [{['$1', '_'], [], [{message, {{es_callback, ['$1', '$state']}}}, {exception_trace}]}], []),
        Pid = spawn(fun() ->
            receive go -> ok end,
            ?MODULE:called([a, b]),
            ?MODULE:called(value, State),
            try ?MODULE:raises(oops) catch error:_ -> ok end,
            ?MODULE:handle_call({reply, ok, State}, State),
            ?MODULE:handle_call(get, State)
        end),
        trace(Pid, [call]),
        Pid ! go,
        wait(Pid),
        Self ! {pid, Pid}
    end),
    Pid = receive {pid, P} -> P end,
    All = [{call, Plain}, {call, Big}, {return, Value}, {call, _}, {exception, Raised}, {call, Callback}, {return, New}, {call, Get}, {return, _}] = of_pid(Pid, Records),
    ?assertEqual([ref(?MODULE)], lists:usort([maps:get(module, R) || {_, R} <- All])),
    ?assertEqual({ref(called), 1, [[a, b]]}, {maps:get(function, Plain), maps:get(arity, Plain), term(Plain)}),
    ?assertMatch([value, [1000, 1001 | _]], term(Big)),
    ?assertEqual([cut, none], maps:get(flags, Big)),
    ?assertEqual({2, value}, {maps:get(arity, Value), term(Value)}),
    ?assertEqual({error, oops}, term(Raised)),
    [{reply, ok, Cut} | {'$cut', list, 0, 1, 0, <<>>}] = term(Callback),
    ?assertEqual(State, uncut(Cut)),
    ?assertEqual([get, '$state'], term(Get)),
    ?assertEqual([cut, callback, none], maps:get(flags, Callback)),
    ?assertEqual({[callback, none], {reply, ok, State}}, {maps:get(flags, New), term(New)})
end).

%% The list as it was before its end was cut.
uncut([H | T]) -> [H | uncut(T)];
uncut({'$cut', list, 0, N, _, _}) -> lists:seq(2001 - N, 2000).

arity_only_test_() -> ?T(begin
    Self = self(),
    Records = record(fun() ->
        erlang:trace_pattern({?MODULE, called, 2}, true, []),
        Pid = spawn(fun() -> receive go -> ok end, ?MODULE:called(a, b) end),
        trace(Pid, [call, arity]),
        Pid ! go,
        wait(Pid),
        Self ! {pid, Pid}
    end),
    Pid = receive {pid, P} -> P end,
    [{call, Call}] = of_pid(Pid, Records),
    ?assertMatch(#{arity := 2, payload := none, flags := [no_payload, none]}, Call)
end).

scheduling_and_memory_test_() -> ?T(begin
    Self = self(),
    Records = record(fun() ->
        Pid = spawn(fun() ->
            receive go -> ok end,
            erlang:garbage_collect(self(), [{type, minor}]),
            erlang:garbage_collect(),
            receive after 1 -> ok end
        end),
        trace(Pid, [running, garbage_collection]),
        Pid ! go,
        wait(Pid),
        Self ! {pid, Pid}
    end),
    Pid = receive {pid, P} -> P end,
    Mine = of_pid(Pid, Records),
    Kinds = [K || {K, _} <- Mine],
    [?assert(lists:member(K, Kinds)) || K <- [in, out, gc_minor_start, gc_minor_end, gc_major_start, gc_major_end]],
    [?assertMatch(#{num := [Heap, Block | _]} when Block > 0 andalso Block >= Heap, R) || {gc_major_end, R} <- Mine],
    ?assert(lists:any(fun({K, #{module := M}}) -> K =:= in andalso M =:= ref(?MODULE); (_) -> false end, Mine))
end).

agent_made_test_() -> ?T(begin
    Self = self(),
    [Port | _] = erlang:ports(),
    Text = binary:copy(<<"0123456789">>, 150),
    Records = record(#{limits => #{payload_bytes => 64}}, fun() ->
        ok = elixirscope_nif:emit(census, Self, {Self, {?MODULE, called, 1}, #{name => x}}),
        ok = elixirscope_nif:emit(census, Self, {undefined, undefined, #{}}),
        ok = elixirscope_nif:emit(busy_port, Self, {Port, #{a => 1}}),
        ok = elixirscope_nif:emit(mark, undefined, {Text, [I || I <- lists:seq(1, 1000)]}),
        ok = elixirscope_nif:emit(vm, undefined, #{otp => <<"25">>}),
        ok = elixirscope_nif:module(?MODULE, [gen_server, nif_behaviour]),
        ?assertError(badarg, elixirscope_nif:emit(send, Self, x)),
        ?assertError(badarg, elixirscope_nif:emit(census, Self, x)),
        {Mono, Error} = elixirscope_nif:clock(),
        Self ! {clock, Mono, Error, erlang:monotonic_time(nanosecond)}
    end),
    [Census, Unknown] = of_kind(census, Records),
    ?assertEqual({ref(Self), ref(Self), ref(?MODULE), ref(called), 1, #{name => x}},
                 {maps:get(pid, Census), maps:get(peer, Census), maps:get(module, Census), maps:get(function, Census), maps:get(arity, Census), term(Census)}),
    ?assertMatch(#{peer := none, module := none, function := none}, Unknown),
    [Busy] = of_kind(busy_port, Records),
    ?assertEqual({ref(Port), #{a => 1}}, {maps:get(peer, Busy), term(Busy)}),
    [Mark] = of_kind(mark, Records),
    ?assertEqual({none, {Text, lists:seq(1, 1000)}}, {maps:get(pid, Mark), term(Mark)}),
    ?assertEqual([#{otp => <<"25">>}], [term(R) || R <- of_kind(vm, Records)]),
    ?assertEqual([{ref(?MODULE), [gen_server, nif_behaviour]}], [{maps:get(peer, R), term(R)} || R <- of_kind(module, Records)]),
    {Mono, Error, Later} = receive {clock, M, E, L} -> {M, E, L} end,
    [_, #{num := [N, Wall, Error | _]}] = of_kind(clock, Records),
    <<Signed:64/signed>> = <<N:64>>,
    ?assertEqual(Mono, Signed),
    ?assert(Mono =< Later),
    ?assert(abs(Wall - erlang:system_time(nanosecond)) < 60 * 1000000000)
end).

%% ---- terms ---------------------------------------------------------------------------------------------------------

%% Whatever goes in comes out, where it is within the budgets.
terms_test_() -> ?T(begin
    Terms = terms() ++ [random_term(N rem 5) || N <- lists:seq(1, 400)],
    Records = record(fun() ->
        ?assertEqual(list_to_atom(os:getenv("NIF_TERMS", "read")), maps:get(terms, elixirscope_nif:stats())),
        [ok = elixirscope_nif:emit(mark, undefined, {N, T}) || {N, T} <- lists:zip(lists:seq(1, length(Terms)), Terms)]
    end),
    Marks = of_kind(mark, Records),
    ?assertEqual(length(Terms), length(Marks)),
    [?assertEqual({[none], N, T}, {maps:get(flags, R), element(1, term(R)), element(2, term(R))})
     || {N, T, R} <- lists:zip3(lists:seq(1, length(Terms)), Terms, Marks)]
end).

terms() ->
    <<_:3, Unaligned:20/binary, _:5>> = <<0:3, "twenty bytes of text", 0:5>>,
    <<_:8, Part:10/binary, _/binary>> = binary:copy(<<"x0123456789">>, 20),
    ExternalPid = binary_to_term(<<131, 88, 119, 5, "a@b.c", 5:32, 6:32, 7:32>>),
    ExternalRef = binary_to_term(<<131, 90, 3:16, 119, 5, "a@b.c", 7:32, 1:32, 2:32, 3:32>>),
    ExternalPort = binary_to_term(<<131, 120, 119, 5, "a@b.c", 99:64, 7:32>>),
    [0, 1, 255, 256, -1, 16#7fffffff, -16#80000000, 16#80000000, (1 bsl 59) - 1, 1 bsl 59, -(1 bsl 60), (1 bsl 63) - 1, -(1 bsl 63), 1 bsl 63,
     (1 bsl 64) - 1, 1 bsl 64, -(1 bsl 64), 1 bsl 700, -(1 bsl 2000), 0.0, -0.0, 1.5, -1.0e300, true, '', 'an atom', list_to_atom([252, 246]),
     binary_to_atom(<<"日本語"/utf8>>, utf8), list_to_atom(lists:duplicate(255, $a)), binary_to_atom(<< <<"ß"/utf8>> || _ <- lists:seq(1, 255) >>, utf8),
     [], "text", [255, 256], [0], "tail" ++ improper, [a | b], [1, 2 | 3], [[], [[]]], lists:seq(1, 300), {}, {a}, list_to_tuple(lists:seq(1, 255)),
     list_to_tuple(lists:seq(1, 256)), #{}, #{a => b}, #{1 => 2, "k" => <<"v">>, {x} => #{}}, maps:from_list([{I, I * I} || I <- lists:seq(1, 100)]),
     maps:from_list([{{key, I}, [I]} || I <- lists:seq(1, 33)]), <<>>, <<"binary">>, binary:copy(<<7>>, 64), binary:copy(<<7>>, 65), binary:copy(<<7>>, 1000),
     Unaligned, Part, <<5:3>>, <<1:1, 0:99>>, <<"abc", 1:7>>, self(), make_ref(), monitor(process, self()), hd(erlang:ports()),
     fun lists:map/2, fun erlang:'+'/2, fun 'Elixir.Some.Module':'odd name!'/3, ExternalPid, ExternalRef, ExternalPort, #{ExternalPid => [ExternalRef]}].

random_term(0) -> lists:nth(rand:uniform(8), [rand:uniform(300), rand:normal(), some_atom, <<"bin">>, make_ref(), self(), [], -rand:uniform(1 bsl 70)]);
random_term(Depth) ->
    Inside = [random_term(rand:uniform(Depth) - 1) || _ <- lists:seq(1, rand:uniform(5))],
    case rand:uniform(4) of
        1 -> Inside;
        2 -> list_to_tuple(Inside);
        3 -> maps:from_list([{T, T} || T <- Inside]);
        4 -> Inside ++ improper
    end.

%% What a term was cut to says what is missing.
cuts_test_() -> ?T(begin
    Limits = #{payload_bytes => 16384, max_elements => 10, max_depth => 6, work => 100000},
    Long = lists:seq(1000, 1999),
    Closed = lists:seq(1, 10000),
    Cases = [{Long, fun(T) -> {First, {'$cut', list, 0, 990, _, _}} = split(T), First =:= lists:sublist(Long, 10) end},
             {list_to_tuple(Long), fun(T) -> element(11, T) =:= {'$cut', tuple, 2, 990, 0, <<>>} andalso element(10, T) =:= 1009 end},
             {maps:from_list([{I, I} || I <- Long]), fun(T) -> maps:size(T) =:= 11 andalso [C || {'$cut', map, 0, 990, 0, <<>>} = C <- maps:keys(T)] =/= [] end},
             {maps:from_list([{I, I} || I <- lists:seq(1, 20)]), fun(T) -> [C || {'$cut', map, 0, 10, 0, <<>>} = C <- maps:keys(T)] =/= [] end},
             {Long ++ improper, fun(T) -> {_, {'$cut', list, 1, 990, _, _}} = split(T), true end},
             {{x, {x, {x, {x, {x, {a, b, c}}}}}}, fun({x, {x, {x, {x, {x, {'$cut', tuple, 0, 3, 0, <<>>}}}}}}) -> true end},
             {{x, {x, {x, {x, {x, [a, b]}}}}}, fun({x, {x, {x, {x, {x, {'$cut', list, 0, 2, 0, <<>>}}}}}}) -> true end},
             {{x, {x, {x, {x, {x, #{a => b}}}}}}, fun({x, {x, {x, {x, {x, {'$cut', map, 0, 1, 0, <<>>}}}}}}) -> true end},
             {binary:copy(<<"0123456789">>, 5000), fun({'$cut', binary, 0, 50000, H, Prefix}) -> H =/= 0 andalso byte_size(Prefix) =:= 4096 - 2 end},
             {1 bsl 100000, fun({'$cut', integer, 0, 0, 0, <<>>}) -> true end},
             {-(1 bsl 100000), fun({'$cut', integer, 0, 0, 0, <<>>}) -> true end},
             {<<0:80001>>, fun({'$cut', bitstring, 0, 0, 0, <<>>}) -> true end},
             {fun() -> Closed end, fun({'$cut', 'fun', 0, 0, 0, <<"#Fun<nif_tests.", _/binary>>}) -> true end}],
    {module, _} = code:ensure_loaded(?MODULE),
    Records = record(#{limits => Limits}, fun() ->
        erlang:trace_pattern({?MODULE, called, 1}, true, []),
        Pid = spawn(fun() -> receive go -> ok end, [?MODULE:called(T) || {T, _} <- Cases] end),
        trace(Pid, [call]),
        Pid ! go,
        wait(Pid)
    end),
    Calls = of_kind(call, Records),
    ?assertEqual(length(Cases), length(Calls)),
    [begin
        ?assertEqual([cut, none], maps:get(flags, R)),
        [T] = term(R),
        ?assert(Check(T))
     end || {{_, Check}, R} <- lists:zip(Cases, Calls)]
end).

split(List) -> split(List, []).
split([H | T], First) -> split(T, [H | First]);
split(Cut, First) -> {lists:reverse(First), Cut}.

%% However large a term is, the record keeps to the budget; a term that is small in memory and huge when written out is no different.
budget_test_() -> ?T([begin
    Records = record(#{limits => #{payload_bytes => Bytes, state_bytes => 2 * Bytes}}, fun() ->
        erlang:trace_pattern({?MODULE, called, 2}, [{'_', [], [{exception_trace}]}], []),
        Pid = spawn(fun() -> receive go -> [?MODULE:called({noreply, T}, 1) || T <- large_terms()] end end),
        trace(Pid, [call]),
        Pid ! go,
        wait(Pid)
    end),
    Calls = of_kind(call, Records),
    Returns = of_kind(return, Records),
    ?assertEqual({8, 8}, {length(Calls), length(Returns)}),
    [?assert(maps:get(size, R) =< Bytes + 4096) || R <- Calls],
    [?assert(maps:get(size, R) =< 2 * Bytes + 4096) || R <- Returns],
    [?assertEqual([cut, none], maps:get(flags, R)) || R <- Calls],
    [?assertEqual([cut, callback, none], maps:get(flags, R)) || R <- Returns],
    [_ = term(R) || R <- Calls ++ Returns]
end || Bytes <- [8, 64, 1024, 20000]]).

%% Made where they are used: sharing does not survive a message or a spawn.
large_terms() ->
    [lists:duplicate(5000, {some_atom, 1.5}), maps:from_list([{I, {I}} || I <- lists:seq(1, 5000)]), list_to_tuple(lists:seq(1, 20000)),
     nested(200), [binary:copy(<<"b">>, 100) || _ <- lists:seq(1, 1000)], shared(40), {shared(20), shared(30)}, lists:seq(1, 500000)].

nested(0) -> [];
nested(N) -> {N, [nested(N - 1)]}.
shared(0) -> leaf;
shared(N) -> T = shared(N - 1), [T, T].

%% What is copied within a record because it was met before is the same as what is written out.
sharing_test_() -> ?T(begin
    Records = record(#{limits => #{state_bytes => 100000, max_depth => 64}}, fun() ->
        erlang:trace_pattern({?MODULE, called, 2}, [{'_', [], [{exception_trace}]}], []),
        Pid = spawn(fun() -> receive go -> ?MODULE:called({ok, shared_term()}, 1) end end),
        trace(Pid, [call]),
        Pid ! go,
        wait(Pid)
    end),
    ?assertEqual([{[callback, none], {ok, shared_term()}}], [{maps:get(flags, R), term(R)} || R <- of_kind(return, Records)])
end).

shared_term() ->
    Map = #{name => <<"the same">>, list => [1, 2, {three, "text"}], pid => undefined},
    Pair = {Map, [Map | Map]},
    [shared(8), Pair, #{Map => Pair, Pair => Map}, [Pair, Pair | Pair], {Map, Pair, shared(3)}, Pair].
