%% SPDX-License-Identifier: MIT
%% A session of the NIF for a test: makes an arena, opens it, traces, and reads back what was written.
-module(nif_session).
-export([start/0, record/1, record/2, open/1, close/1, dump/1, drain/1, trace/2, receive_pattern/0, wait/1, term/1, ref/1, of_kind/2, of_pid/2, atom/1]).

%% Loads the library, once.
start() ->
    case erlang:get({?MODULE, loaded}) of
        undefined -> ok = elixirscope_nif:load(list_to_binary(os:getenv("NIF_LIBRARY"))), erlang:put({?MODULE, loaded}, true), ok;
        true -> ok
    end.

%% Runs Fun in a session of its own; the records, in order a ring.
record(Fun) -> record(#{}, Fun).

record(Options, Fun) ->
    Arena = open(Options),
    try Fun()
    after
        quiet(),
        close(Arena)
    end,
    Records = dump(Arena),
    ok = file:delete(Arena),
    Records.

%% schedulers, others: rings; bytes, other_bytes: of each; rules: for secrets, as ring_dump takes them; limits; enabled.
open(Options) ->
    start(),
    Arena = filename:join(os:getenv("NIF_WORK"), "arena." ++ integer_to_list(erlang:unique_integer([positive]))),
    Number = fun(Key, Default) -> " " ++ integer_to_list(maps:get(Key, Options, Default)) end,
    "" = os:cmd(ring_dump() ++ " create " ++ Arena ++ Number(schedulers, erlang:system_info(schedulers)) ++ Number(others, 8) ++
                Number(bytes, 16777216) ++ Number(other_bytes, 1048576) ++ [[" ", R] || R <- maps:get(rules, Options, [])] ++ " 2>&1"),
    case elixirscope_nif:open(list_to_binary(Arena)) of
        ok -> ok;
        {error, already} -> quiet(), close(left_by_a_failed_test), ok = elixirscope_nif:open(list_to_binary(Arena))
    end,
    ok = elixirscope_nif:exclude([]),
    ok = elixirscope_nif:limits(maps:get(limits, Options, #{})),
    ok = elixirscope_nif:enable(maps:get(enabled, Options, true)),
    Arena.

%% Takes all tracing out and lets what is under way end.
quiet() ->
    erlang:trace(all, false, [all]),
    erlang:trace_pattern({'_', '_', '_'}, false, [local]),
    erlang:trace_pattern(send, true, []),
    erlang:trace_pattern('receive', true, []),
    Ref = erlang:trace_delivered(all),
    receive {trace_delivered, all, Ref} -> ok end.

close(_Arena) ->
    _ = elixirscope_nif:done(),
    close_until(1000).

close_until(N) when N > 0 ->
    case elixirscope_nif:close() of
        ok -> ok;
        {error, busy} -> erlang:yield(), close_until(N - 1)
    end.

dump(Arena) ->
    Text = os:cmd(ring_dump() ++ " dump " ++ Arena ++ " > " ++ Arena ++ ".txt"),
    "" = Text,
    {ok, Records} = file:consult(Arena ++ ".txt"),
    ok = file:delete(Arena ++ ".txt"),
    [] = [R || {malformed, _} = R <- Records] ++ [R || {_, #{payload := malformed}} = R <- Records],
    Records.

%% Reads all there is and makes room.
drain(Arena) -> os:cmd(ring_dump() ++ " drain " ++ Arena ++ " < /dev/null").

ring_dump() -> filename:join(os:getenv("NIF_WORK"), "ring_dump").

trace(Pid, Flags) -> erlang:trace(Pid, true, [{tracer, elixirscope_nif, []} | Flags]).

receive_pattern() -> erlang:trace_pattern('receive', [{['$1', '$2', '_'], [], [{message, {{'$1', '$2'}}}]}], []).

%% Waits for the end of a process that the caller monitors or not.
wait(Pid) ->
    Ref = monitor(process, Pid),
    receive {'DOWN', Ref, _, _, Reason} -> Reason end.

%% The payload as a term.
term(#{payload := none}) -> none;
term(#{payload := Etf}) -> binary_to_term(Etf).

%% How ring_dump shows a process, port or atom.
ref(Pid) when is_pid(Pid) ->
    [_, Number, Serial] = string:tokens(pid_to_list(Pid), "<.>"),
    {pid, list_to_integer(Number), list_to_integer(Serial)};
ref(Port) when is_port(Port) ->
    [_, Number] = string:tokens(erlang:port_to_list(Port) -- "#Port<>", "."),
    {port, list_to_integer(Number)};
ref(Atom) when is_atom(Atom) -> {atom, atom_to_binary(Atom, utf8)}.

atom({atom, Text}) -> binary_to_atom(Text, utf8).

of_kind(Kind, Records) -> [R || {K, R} <- Records, K =:= Kind].
of_pid(Pid, Records) -> Ref = ref(Pid), [{K, R} || {K, #{pid := P} = R} <- Records, P =:= Ref].
