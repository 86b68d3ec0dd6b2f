%% SPDX-License-Identifier: MIT
%% The source of modules: where it is, and its text for the recording, so that who gets the recording has its source too.
-module(elixirscope_source).
-export([write/2]).

-define(TEXT_MAX, 400000). % bytes
-define(KEY, 16#ffffffffffffff).

%% Writes it into the recording: of the file that the module was compiled from, or, where that is not to be found, of its
%% abstract code. Code is the module's object code. Lost: there was no room, or no source at all.
-spec write(module(), binary()) -> ok | lost.
write(Module, Code) ->
    case source(Module, Code) of
        {Path, Text} ->
            Source = {es_source, Module, unicode:characters_to_binary(Path), erlang:md5(Text), Text},
            <<_:72, Key:56>> = erlang:md5(term_to_binary({es_source, Module, Text})),
            elixirscope_nif:source(max(1, Key band ?KEY), Source);
        none ->
            lost
    end.

source(Module, Code) ->
    case [Found || Path <- paths(Module, Code), {ok, Text} <- [read(Path)], Found <- [{Path, Text}]] of
        [Found | _] -> Found;
        [] -> abstract(Module, Code)
    end.

read(Path) ->
    case filelib:file_size(Path) =< ?TEXT_MAX andalso file:read_file(Path) of
        {ok, <<_, _/binary>> = Text} -> {ok, Text};
        _ -> none
    end.

%% As it was compiled; as a release has it, beside its ebin.
paths(Module, Code) ->
    Compiled =
        case beam_lib:chunks(Code, [compile_info]) of
            {ok, {_, [{compile_info, Info}]}} -> [Path || {source, Path} <- Info, is_list(Path)];
            _ -> []
        end,
    Beside =
        case code:which(Module) of
            Beam when is_list(Beam), Beam =/= [] ->
                App = filename:dirname(filename:dirname(Beam)),
                Names = [filename:basename(Path) || Path <- Compiled] ++ [atom_to_list(Module) ++ ".erl"],
                [filename:join([App, "src", Name]) || Name <- Names];
            _ ->
                []
        end,
    Compiled ++ Beside.

abstract(Module, Code) ->
    try
        {ok, Forms} = elixirscope_loom:abstract(Module, Code),
        Text = unicode:characters_to_binary([erl_pp:form(Form) || Form <- Forms, element(1, Form) =/= eof]),
        true = byte_size(Text) =< ?TEXT_MAX,
        {"", Text}
    catch
        _:_ -> none
    end.
