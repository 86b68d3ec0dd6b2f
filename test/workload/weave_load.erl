%% SPDX-License-Identifier: MIT
%% Calls weave_target, weave_parked and weave_funs from many processes, and counts each answer that is not the one that arithmetic gives.
%% Files in the folder it is started with: `go` lets the parked process go on, `facts` asks for a line in `facts.N`, `stop` ends it.
-module(weave_load).
-export([main/1, client/3]).

-define(CLIENTS, 8).

main([Folder]) ->
    {module, _} = code:ensure_loaded(weave_parked),
    ets:new(weave_funs, [named_table, public]),
    ets:insert(weave_funs, {adder, weave_funs:adder(10)}),
    Counts = counters:new(2, []),
    persistent_term:put(weave_load, Counts),
    Server = spawn(weave_target, server, []),
    Parked = spawn_monitor(fun() -> exit({value, weave_parked:wait()}) end),
    Clients = [spawn_monitor(?MODULE, client, [Server, Counts, N]) || N <- lists:seq(1, ?CLIENTS)],
    file:write_file(filename:join(Folder, "up"), os:getpid()),
    control(Folder, 1, #{server => Server, parked => Parked, clients => Clients, counts => Counts, ended => []}).

control(Folder, N, #{counts := Counts, ended := Ended, parked := {Parked, _}} = St) ->
    Is = fun(Name) -> File = filename:join(Folder, Name), filelib:is_file(File) andalso file:delete(File) =:= ok end,
    _ = Is("go") andalso (Parked ! go),
    case Is("facts") of
        true ->
            Name = filename:join(Folder, "facts." ++ integer_to_list(N)),
            Facts = [counters:get(Counts, 1), counters:get(Counts, 2), erlang:system_info(atom_count), erlang:memory(code)],
            ok = file:write_file(Name ++ ".new", io_lib:format("~w ~w ~w ~w ~0p~n", Facts ++ [Ended])),
            ok = file:rename(Name ++ ".new", Name),
            control(Folder, N + 1, St);
        false ->
            case Is("stop") of
                true -> halt(0);
                false ->
                    receive
                        {'DOWN', _, process, Pid, Why} when Pid =:= Parked -> control(Folder, N, St#{ended := [{parked, Why} | Ended]});
                        {'DOWN', _, process, _, Why} -> control(Folder, N, St#{ended := [Why | Ended]})
                    after 10 -> control(Folder, N, St)
                    end
            end
    end.

client(Server, Counts, N) ->
    Right = [
        weave_target:sum(N) =:= N * (N + 1) div 2,
        weave_target:risky(N) =:= case N rem 2 of 1 -> {ok, N}; 0 -> {even, N} end,
        weave_target:ask(Server, N) =:= N * (N + 1) div 2,
        weave_parked:twice(N) =:= 2 * N,
        (ets:lookup_element(weave_funs, adder, 2))(N) =:= N + 10,
        weave_funs:all([N, 1]) =:= [N + 1, 2]
    ],
    counters:add(Counts, 1, length(Right)),
    _ = lists:member(false, Right) andalso counters:add(Counts, 2, 1),
    receive after 1 -> ok end,
    ?MODULE:client(Server, Counts, N rem 1000 + 1).
