%% SPDX-License-Identifier: MIT
%% Modules that nobody here wrote: each is woven at each depth and compiled; the woven code must be as it was in what can be counted
%% in its instructions: receive markers (a receive that skips the messages that are older than its reference), and calls that are not
%% ours.
-module(weave_all).
-export([run/2]).

%% run(Directories, Depths): prints a line for a directory, gives the number of modules that failed.
run(Directories, Depths) -> lists:sum([directory(D, Depth) || D <- Directories, Depth <- Depths]).

directory(Directory, Depth) ->
    Files = filelib:wildcard(filename:join(Directory, "*.beam")),
    Results = [module(File, Depth) || File <- Files],
    Failed = [R || {failed, _, _} = R <- Results],
    None = length([none || none <- Results]),
    {Own, Woven, Size0, Size1} = lists:foldl(
        fun
            ({ok, T0, T1, S0, S1}, {A, B, C, D}) -> {A + T0, B + T1, C + S0, D + S1};
            (_, Acc) -> Acc
        end, {0, 0, 0, 0}, Results),
    _ = [io:format("  FAILED ~s~n  ~0tp~n", [F, R]) || {failed, F, R} <- Failed],
    io:format("~-60s ~-6s ~4b modules ~2b without code ~2b failed; compiled in ~6.1f s, woven and compiled in ~6.1f s (x ~4.2f), bytes x ~4.2f~n", [
        Directory, Depth, length(Files), None, length(Failed), Own / 1.0e6, Woven / 1.0e6,
        Woven / max(1, Own), Size1 / max(1, Size0)
    ]),
    length(Failed).

module(File, Depth) ->
    case beam_lib:chunks(File, [debug_info]) of
        {ok, {M, [{debug_info, {debug_info_v1, Backend, Data}}]}} when Backend =/= none ->
            case catch Backend:debug_info(erlang_v1, M, Data, []) of
                {ok, Forms} -> module(File, Depth, {M, Forms});
                _ -> none
            end;
        _ -> none
    end.

module(File, Depth, {Module, Forms}) ->
    T0 = erlang:monotonic_time(microsecond),
    case compile:noenv_forms(Forms, [binary, return_errors, no_auto_import_of(File)]) of
        {ok, Module, Own} ->
            T1 = erlang:monotonic_time(microsecond),
            Result = (catch elixirscope_weave:beam(File, #{depth => Depth})),
            T2 = erlang:monotonic_time(microsecond),
            case Result of
                {ok, Module, Woven} ->
                    case counted(Own) -- counted(Woven) of
                        [] -> {ok, T1 - T0, T2 - T1, code_size(Own), code_size(Woven)};
                        Lost -> {failed, File, {lost, Lost}}
                    end;
                Other -> {failed, File, Other}
            end;
        Other -> {failed, File, {original, Other}}
    end.

%% Elixir's code has no automatic imports.
no_auto_import_of(File) -> case string:find(File, "lixir") of nomatch -> nowarn; _ -> no_auto_import end.

code_size(Beam) -> {ok, {_, [{"Code", Code}]}} = beam_lib:chunks(Beam, ["Code"]), byte_size(Code).

%% What must be in the woven function as it is in the original: its receive markers, and its tail calls (which functions, not how often: the
%% compiler shares equal code). Left out are built-in functions and the compiler's own functions for comprehensions, which give values.
counted(Beam) ->
    {beam_file, _, _, _, _, Functions} = beam_disasm:file(Beam),
    lists:append([
        [{{N, A, marker}, length([I || I <- Code, is_marker(I)])} || lists:any(fun is_marker/1, Code)] ++
        [{{N, A, tail}, T} || T <- lists:usort(tails(Code)), not is_value(T)]
     || {function, N, A, _, Code} <- Functions
    ]).

is_marker(I) when is_tuple(I) -> lists:member(element(1, I), [recv_marker_reserve, recv_marker_bind, recv_marker_use]);
is_marker(_) -> false.

tails([{call_only, _, {_, F, A}} | Code]) -> [{F, A} | tails(Code)];
tails([{call_last, _, {_, F, A}, _} | Code]) -> [{F, A} | tails(Code)];
tails([{call_ext_only, _, {extfunc, M, F, A}} | Code]) -> [{M, F, A} | tails(Code)];
tails([{call_ext_last, _, {extfunc, M, F, A}, _} | Code]) -> [{M, F, A} | tails(Code)];
tails([{apply_last, A, _} | Code]) -> [{apply, A} | tails(Code)];
tails([{call_fun, A}, {deallocate, _}, return | Code]) -> [{a_fun, A} | tails(Code)];
tails([{call_fun2, _, A, _}, {deallocate, _}, return | Code]) -> [{a_fun, A} | tails(Code)];
tails([_ | Code]) -> tails(Code);
tails([]) -> [].

is_value({elixirscope_probe, _, _}) -> true;
is_value({erlang, F, _}) -> not lists:member(F, [apply, hibernate]);
is_value({F, _}) -> hd(atom_to_list(F)) =:= $-;
is_value(_) -> false.
