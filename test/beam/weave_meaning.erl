%% SPDX-License-Identifier: MIT
%% Whether woven code means what it meant: the compiler itself, and what it uses of the standard library, are woven and loaded into this
%% VM; what they then make of modules must be, byte for byte, what they made before.
-module(weave_meaning).
-export([run/2]).


%% run(Depth, Modules): compiles Modules, weaves, compiles them again. Gives {Woven, WithoutCode, Failed, Different}.
run(Depth, Modules) ->
    {module, _} = code:ensure_loaded(elixirscope_probe), % the code server could not load what it calls itself
    Before = [made(M) || M <- Modules],
    Woven = [weave(File, Depth) || File <- files()],
    Probes = counters:new(1, []),
    persistent_term:put(weave_meaning, Probes),
    [true = code:unstick_mod(M) || {ok, M, _} <- Woven, M =/= M orelse code:is_sticky(M)],
    [load(M, Code) || {ok, M, Code} <- Woven],
    After = [made(M) || M <- Modules],
    Different = [M || {M, A, B} <- lists:zip3(Modules, Before, After), A =/= B],
    {length([x || {ok, _, _} <- Woven]), length([x || none <- Woven]), [F || {failed, _} = F <- Woven], Different}.

load(Module, Code) ->
    _ = code:purge(Module),
    {module, Module} = erlang:load_module(Module, Code).

files() ->
    filelib:wildcard(code:lib_dir(compiler) ++ "/ebin/*.beam") ++
        [code:lib_dir(stdlib) ++ "/ebin/" ++ Name ++ ".beam" || Name <- [
            "array", "base64", "digraph", "digraph_utils", "erl_bits", "erl_expand_records", "erl_lint", "erl_parse", "erl_pp", "erl_scan",
            "gb_sets", "gb_trees", "io_lib_pretty", "maps", "orddict", "ordsets", "proplists", "queue", "sets", "sofs", "string", "unicode_util"
        ]].

weave(File, Depth) ->
    case elixirscope_weave:beam(File, #{depth => Depth}) of
        {ok, Module, Code} -> {ok, Module, Code};
        {error, {no_debug_info, _}} -> none;
        Other -> {failed, {File, Other}}
    end.

made(Module) ->
    {ok, {Module, [{debug_info, {debug_info_v1, Backend, Data}}]}} = beam_lib:chunks(code:lib_dir(stdlib) ++ "/ebin/" ++ atom_to_list(Module) ++ ".beam", [debug_info]),
    {ok, Forms} = Backend:debug_info(erlang_v1, Module, Data, []),
    {ok, Module, Code} = compile:noenv_forms(Forms, [binary, deterministic, no_spawn_compiler_process, return_errors]),
    erlang:md5(Code).
