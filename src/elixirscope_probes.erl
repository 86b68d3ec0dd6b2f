%% SPDX-License-Identifier: MIT
%% Switches the probes of woven code on and off: there are two versions of the module elixirscope_probe, and one of them is loaded.
-module(elixirscope_probes).
-export([on/0, off/0, is_on/0, forms/0, write/1]).

-define(FILE_ON, "elixirscope_probe.on").
-define(TRIES, 40).
-define(PAUSE_MS, 50).

%% Probes record from now on. {error, old_code}: a process is still in the version before the one that is loaded; nothing was changed.
-spec on() -> ok | {error, old_code | no_compiler | term()}.
on() ->
    case is_on() of
        true -> ok;
        false -> with_beam(fun load/1, beam_on())
    end.

%% Probes do nothing any more. Where elixirscope_probe was never loaded there is nothing to do.
-spec off() -> ok | {error, old_code | no_compiler | term()}.
off() ->
    case is_on() of
        false -> ok;
        true -> with_beam(fun load/1, beam_off())
    end.

-spec is_on() -> boolean().
is_on() -> erlang:module_loaded(elixirscope_probe) andalso proplists:is_defined(es_on, elixirscope_probe:module_info(attributes)).

with_beam(Do, {ok, Beam}) -> Do(Beam);
with_beam(_, Error) -> Error.

%% A node has two versions of a module at most. Never the hard purge: it kills processes.
load(Beam) -> load(Beam, ?TRIES).

load(_, 0) -> {error, old_code};
load(Beam, Tries) ->
    case code:soft_purge(elixirscope_probe) andalso erlang:load_module(elixirscope_probe, Beam) of
        {module, elixirscope_probe} ->
            _ = code:soft_purge(elixirscope_probe),
            ok;
        {error, Reason} when Reason =/= not_purged -> {error, Reason};
        _ ->
            receive after ?PAUSE_MS -> ok end,
            load(Beam, Tries - 1)
    end.

%% ---- the two versions: from their files; made here where there are none and the node has a compiler

beam_on() -> beam(?FILE_ON, fun(Name) -> [probe(Name, Arity, call(Name, Arity)) || Arity <- arities(Name)] end, [{es_on, []}]).
beam_off() -> beam("elixirscope_probe.beam", fun(Name) -> [probe(Name, Arity, off_answer(Name)) || Arity <- arities(Name)] end, []).

beam(File, Functions, Attributes) ->
    case file:read_file(filename:join(folder(), File)) of
        {ok, Beam} -> {ok, Beam};
        {error, _} -> compile(forms(Functions, Attributes))
    end.

folder() ->
    case code:is_loaded(?MODULE) of
        {file, Path} when is_list(Path) -> filename:dirname(Path);
        _ -> "/nonexistent" % sent, not read from a file
    end.

compile(Forms) ->
    case code:ensure_loaded(compile) of
        {module, compile} ->
            {ok, elixirscope_probe, Beam} = compile:forms(Forms, [deterministic]),
            {ok, Beam};
        {error, _} -> {error, no_compiler}
    end.

%% Writes the version that records into a folder, for nodes that have no compiler.
-spec write(file:filename()) -> ok | {error, term()}.
write(Dir) ->
    {ok, Beam} = compile(forms()),
    file:write_file(filename:join(Dir, ?FILE_ON), Beam).

%% ---- the version that records: each function a tail call of the NIF's

-spec forms() -> [erl_parse:abstract_form()].
forms() -> forms(fun(Name) -> [probe(Name, Arity, call(Name, Arity)) || Arity <- arities(Name)] end, [{es_on, []}]).

forms(Functions, Attributes) ->
    Exports = [{Name, Arity} || Name <- names(), Arity <- arities(Name)],
    [{attribute, 1, module, elixirscope_probe}, {attribute, 1, export, Exports}] ++
        [{attribute, 1, Name, Value} || {Name, Value} <- Attributes] ++ lists:flatmap(Functions, names()).

names() -> [enter, enter_list, return, tail, line, values, values_list, try_, caught, taken].

arities(enter) -> lists:seq(1, 7);
arities(values) -> lists:seq(2, 7);
arities(Name) when Name =:= tail; Name =:= line; Name =:= try_ -> [1];
arities(caught) -> [4];
arities(_) -> [2].

probe(Name, Arity, Body) -> {function, 1, Name, Arity, [{clause, 1, variables(Arity), [], [Body]}]}.

variables(Arity) -> [{var, 1, list_to_atom("V" ++ integer_to_list(I))} || I <- lists:seq(1, Arity)].

call(Name, Arity) ->
    {call, 1, {remote, 1, {atom, 1, elixirscope_nif}, {atom, 1, nif_name(Name)}}, variables(Arity)}.

nif_name(try_) -> probe_try;
nif_name(Name) -> list_to_atom("probe_" ++ atom_to_list(Name)).

off_answer(try_) -> {integer, 1, 0};
off_answer(_) -> {atom, 1, ok}.
