%% SPDX-License-Identifier: MIT
%% The socket to the recorder: frames of one term each, behind four bytes of length.
-module(elixirscope_link).
-export([connect/2, send/2, read/1, close/1, farewell/2]).

-define(FRAME_MAX, 1048576).
-define(LIST_MAX, 200).

%% The driver is named, so that a node whose default is another one does not start a process for us.
-spec connect(binary(), timeout()) -> {ok, port()} | {error, term()}.
connect(Path, Timeout) ->
    Options = [
        {inet_backend, inet}, binary, {packet, 4}, {packet_size, ?FRAME_MAX}, {active, once},
        {send_timeout, 1000}, {send_timeout_close, true}
    ],
    try gen_tcp:connect({local, Path}, 0, Options, Timeout) catch _:Why -> {error, Why} end.

-spec send(port() | undefined, term()) -> ok | {error, term()}.
send(undefined, _) ->
    {error, closed};
send(Socket, Term) ->
    try
        Frame = term_to_binary(Term),
        case byte_size(Frame) =< ?FRAME_MAX of
            true -> gen_tcp:send(Socket, Frame);
            false -> gen_tcp:send(Socket, term_to_binary(shorter(Term)))
        end
    catch
        _:Why -> {error, Why}
    end.

%% What is too much for a frame is cut to its beginning.
shorter({Tag, Facts}) when is_map(Facts) -> {Tag, maps:map(fun(_, Value) -> shorter(Value) end, Facts)};
shorter({Tag, Value}) -> {Tag, shorter(Value)};
shorter(List) when is_list(List), length(List) > ?LIST_MAX ->
    [shorter(Term) || Term <- lists:sublist(List, ?LIST_MAX)];
shorter(Text) when is_binary(Text), byte_size(Text) > 1024 -> binary:part(Text, 0, 1024);
shorter(Term) -> Term.

%% The term of a frame. Call with each {tcp, Socket, Frame}; it asks for the next one.
-spec read({tcp, port(), binary()}) -> {ok, term()} | error.
read({tcp, Socket, Frame}) ->
    _ = inet:setopts(Socket, [{active, once}]),
    try {ok, binary_to_term(Frame)} catch error:badarg -> error end.

-spec close(port() | undefined) -> ok.
close(undefined) -> ok;
close(Socket) -> try gen_tcp:close(Socket) catch _:_ -> ok end.

%% A last word from somebody who has no connection.
-spec farewell(binary() | undefined, term()) -> ok.
farewell(undefined, _) ->
    ok;
farewell(Path, Term) ->
    case connect(Path, 200) of
        {ok, Socket} ->
            _ = send(Socket, Term),
            close(Socket);
        {error, _} ->
            ok
    end.
