%% SPDX-License-Identifier: MIT
%% For tests of the agent: a recorder that only listens, and a VM to record, reached over its standard input
%% and output so that no distribution is in the way. The arena and the NIF are the real ones.
-module(agent_vm).
-export([session/0, session/1, boot/1, boot/2, attach/2, attach/3, plain/0, plain/1, stop_vm/1, close/1]).
-export([
    hello/1, open/2, open/3, send/2, expect/2, expect/3, frames/1, hang_up/1, listen_again/1, do/4, records/1,
    of_kind/2, term/1
]).
-export([until/1, ebin/0]).

-define(WAIT, 20000).

ebin() -> os:getenv("AGENT_EBIN").
nif() -> os:getenv("AGENT_NIF").
dump() -> os:getenv("RING_DUMP").

%% A session directory with socket and arena. drain: something reads the rings, as the engine would.
session() ->
    session(#{}).

session(Options) ->
    Dir = filename:join(os:getenv("AGENT_WORK"), "s" ++ integer_to_list(erlang:unique_integer([positive]))),
    ok = file:make_dir(Dir),
    ok = file:change_mode(Dir, 8#700),
    Arena = filename:join(Dir, "arena"),
    Bytes = integer_to_list(maps:get(ring, Options, 4194304)),
    "" = os:cmd(lists:join(" ", [dump(), "create", Arena, "4", "16", Bytes, "262144"])),
    Drain =
        case maps:get(drain, Options, false) of
            true -> open_port({spawn_executable, dump()}, [{args, ["drain", Arena]}, exit_status]);
            false -> none
        end,
    listen(#{dir => Dir, arena => Arena, drain => Drain, socket => none}).

listen(#{dir := Dir} = Session) ->
    Path = filename:join(Dir, "agent.sock"),
    _ = file:delete(Path),
    {ok, Listener} = gen_tcp:listen(
        0, [{ifaddr, {local, Path}}, binary, {packet, 4}, {active, false}, {backlog, 5}]
    ),
    Session#{listener => Listener}.

close(#{listener := Listener, socket := Socket, drain := Drain, dir := Dir}) ->
    _ = [gen_tcp:close(S) || S <- [Socket, Listener], is_port(S)],
    _ = [port_close(Drain) || is_port(Drain)],
    file:del_dir_r(Dir).

%% ---- the VM ----

%% A VM that starts with the agent in it, as `record` does it.
boot(Session) ->
    boot(Session, []).

boot(#{dir := Dir}, Environment) ->
    Code = "try code:load_file(elixirscope_agent), elixirscope_agent:boot() catch _:_ -> ok end",
    Eval = lists:append(["-pa \"", ebin(), "\" -eval \"", Code, "\""]),
    vm([{"ERL_AFLAGS", Eval}, {"ELIXIRSCOPE_SESSION", Dir}, {"ELIXIRSCOPE_NIF", nif()} | Environment], []).

plain() ->
    plain([]).

plain(Arguments) ->
    vm([], Arguments).

vm(Environment, Arguments) ->
    Here = filename:dirname(code:which(?MODULE)),
    {ok, Peer, _} = peer:start(#{
        connection => standard_io,
        env => Environment,
        args => ["-pa", Here, "+S", "2" | Arguments],
        wait_boot => ?WAIT,
        shutdown => close
    }),
    Peer.

stop_vm(Peer) ->
    peer:stop(Peer).

%% Brings the modules in as a C node does, and starts the agent.
attach(Session, Peer) ->
    attach(Session, Peer, #{}).

attach(#{dir := Dir}, Peer, Options) ->
    Modules = [
        list_to_atom(filename:rootname(filename:basename(F)))
     || F <- filelib:wildcard(ebin() ++ "/elixirscope*.beam"),
        filename:basename(F) =/= "elixirscope_probe.beam" % not the agent's: woven code calls it
    ],
    case maps:get(load, Options, true) of
        true ->
            [{module, M} = do(Peer, code, load_binary, [M, "elixirscope", beam(M)]) || M <- Modules];
        false ->
            ok
    end,
    do(Peer, elixirscope_agent, start, [
        maps:merge(
            #{
                socket => iolist_to_binary([Dir, "/agent.sock"]),
                dir => list_to_binary(ebin()),
                nif => list_to_binary(nif()),
                start => attach,
                wait_ms => 0
            },
            maps:without([load], Options)
        )
    ]).

beam(Module) ->
    {ok, Beam} = file:read_file(filename:join(ebin(), atom_to_list(Module) ++ ".beam")),
    Beam.

do(Peer, Module, Function, Arguments) ->
    peer:call(Peer, Module, Function, Arguments, 60000).

%% ---- the recorder ----

hello(#{listener := Listener} = Session) ->
    {ok, Socket} = gen_tcp:accept(Listener, ?WAIT),
    Connected = Session#{socket := Socket},
    {Connected, expect(Connected, hello)}.

open(Session, Config) ->
    open(Session, Config, #{}).

open(#{arena := Arena} = Session, Config, More) ->
    Defaults = #{
        level => minimal, specs => [], time_limit_ms => 0, budget => 0.0, nif => list_to_binary(nif()),
        children => false, arm_slice => 100
    },
    send(Session, {open, list_to_binary(Arena), maps:merge(maps:merge(Defaults, Config), More)}),
    expect(Session, armed).

send(#{socket := Socket}, Term) ->
    ok = gen_tcp:send(Socket, term_to_binary(Term)).

%% The contents of the next frame of this tag; others are passed over.
expect(Session, Tag) ->
    expect(Session, Tag, fun(_) -> true end).

expect(#{socket := Socket} = Session, Tag, Fits) ->
    {ok, Frame} = gen_tcp:recv(Socket, 0, ?WAIT),
    {Got, What} = binary_to_term(Frame),
    case Got =:= Tag andalso Fits(What) of
        true -> What;
        false -> expect(Session, Tag, Fits)
    end.

%% All frames until the agent closes.
frames(#{socket := Socket} = Session) ->
    case gen_tcp:recv(Socket, 0, ?WAIT) of
        {ok, Frame} -> [binary_to_term(Frame) | frames(Session)];
        {error, closed} -> []
    end.

hang_up(#{socket := Socket, listener := Listener} = Session) ->
    ok = gen_tcp:close(Socket),
    ok = gen_tcp:close(Listener),
    Session#{socket := none}.

listen_again(Session) ->
    listen(Session).

%% ---- what was written ----

%% [{Kind, Fields}] of all rings; payloads are terms.
records(#{arena := Arena}) ->
    Port = open_port({spawn_executable, dump()}, [{args, ["dump", Arena]}, binary, exit_status]),
    Text = all(Port, []),
    {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Text)),
    by_time([plain_record(R) || R <- parse(Tokens)]).

by_time(Records) ->
    [R || {_, R} <- lists:sort([{maps:get(stamp, Fields, 0), R} || {_, Fields} = R <- Records])].

all(Port, Acc) ->
    receive
        {Port, {data, Data}} -> all(Port, [Acc, Data]);
        {Port, {exit_status, 0}} -> iolist_to_binary(Acc)
    end.

parse([]) ->
    [];
parse(Tokens) ->
    {One, [Dot | Rest]} = lists:splitwith(fun(Token) -> element(1, Token) =/= dot end, Tokens),
    {ok, Exprs} = erl_parse:parse_exprs(One ++ [Dot]),
    {value, Value, _} = erl_eval:exprs(Exprs, []),
    [Value | parse(Rest)].

plain_record({Kind, Fields}) ->
    {Kind, maps:map(fun plain_field/2, Fields)};
plain_record(Other) ->
    Other.

%% A tuple that was cut has fewer elements than its arity says: no term for binary_to_term/1.
plain_field(payload, Bytes) when is_binary(Bytes) ->
    try binary_to_term(Bytes) catch error:badarg -> {cut, Bytes} end;
plain_field(_, {atom, Text}) when is_binary(Text) -> binary_to_atom(Text, utf8);
plain_field(_, Value) -> Value.

of_kind(Kind, Records) ->
    [Fields || {K, Fields} <- Records, K =:= Kind].

%% A pid as records have it.
term(Pid) when is_pid(Pid) ->
    [_, Number, Serial] = string:lexemes(pid_to_list(Pid), "<>."),
    {pid, list_to_integer(Number), list_to_integer(Serial)}.

%% Asks until it is so.
until(Fun) ->
    until(Fun, 400).

until(Fun, 0) ->
    error({never, Fun});
until(Fun, N) ->
    case Fun() of
        true -> ok;
        _ -> timer:sleep(50), until(Fun, N - 1)
    end.
