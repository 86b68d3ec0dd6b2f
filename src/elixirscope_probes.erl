%% SPDX-License-Identifier: MIT
%% Switches the probes of woven code on and off: there are two versions of the module elixirscope_probe, and one of them is loaded.
-module(elixirscope_probes).
-export([on/0, off/0, is_on/0, write/1]).

-define(FILE_ON, "elixirscope_probe.on").
-define(TRIES, 40).
-define(PAUSE_MS, 50).

%% Probes record from now on. {error, old_code}: a process is still in the version before the one that is loaded; nothing was changed.
-spec on() -> ok | {error, old_code | no_compiler | term()}.
on() ->
    case is_on() orelse beam() of
        true -> ok;
        {ok, Beam} -> load(Beam, ?TRIES);
        Error -> Error
    end.

%% Probes do nothing any more. Where elixirscope_probe was never loaded there is nothing to do.
-spec off() -> ok | {error, old_code | term()}.
off() ->
    case the_other() of
        [Beam] -> load(Beam, ?TRIES);
        [] -> ok
    end.

-spec is_on() -> boolean().
is_on() -> the_other() =/= [].

%% The version that records carries the one that does not: so it can always be taken out.
the_other() ->
    case erlang:module_loaded(elixirscope_probe) of
        true -> proplists:get_value(es_off, elixirscope_probe:module_info(attributes), []);
        false -> []
    end.

%% A node has two versions of a module at most. Never the hard purge: it kills processes.
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

%% ---- the version that records: from its file; made here where there is none and the node has a compiler

-spec beam() -> {ok, binary()} | {error, no_compiler}.
beam() ->
    case file:read_file(filename:join(folder(), ?FILE_ON)) of
        {ok, Beam} -> {ok, Beam};
        {error, _} -> make()
    end.

folder() ->
    case code:is_loaded(?MODULE) of
        {file, Path} when is_list(Path) -> filename:dirname(Path);
        _ -> "/nonexistent" % it was sent
    end.

make() ->
    case code:ensure_loaded(compile) of
        {module, compile} -> {ok, compiled(on, [{es_off, [compiled(off, [])]}])};
        {error, _} -> {error, no_compiler}
    end.

compiled(Version, Attributes) ->
    {ok, elixirscope_probe, Beam} = compile:forms(forms(Version, Attributes), [deterministic]),
    Beam.

%% Writes it into a folder, for nodes that have no compiler.
-spec write(file:filename()) -> ok | {error, term()}.
write(Dir) ->
    {ok, Beam} = make(),
    file:write_file(filename:join(Dir, ?FILE_ON), Beam).

forms(Version, Attributes) ->
    [{attribute, 1, module, elixirscope_probe}, {attribute, 1, export, exports()}] ++
        [{attribute, 1, Name, Value} || {Name, Value} <- Attributes] ++
        [function(Name, Arity, body(Version, Name, Arity)) || {Name, Arity} <- exports()].

exports() ->
    [{enter, Arity} || Arity <- lists:seq(1, 7)] ++ [{values, Arity} || Arity <- lists:seq(2, 7)] ++
        [{enter_list, 2}, {return, 2}, {tail, 1}, {line, 1}, {values_list, 2}, {try_, 1}, {caught, 4}, {taken, 2}].

function(Name, Arity, Body) -> {function, 1, Name, Arity, [{clause, 1, variables(Arity), [], [Body]}]}.

variables(Arity) -> [{var, 1, list_to_atom("_V" ++ integer_to_list(I))} || I <- lists:seq(1, Arity)].

%% A tail call of the NIF's: woven code stays the one that called.
body(on, try_, Arity) -> call(probe_try, Arity);
body(on, Name, Arity) -> call(list_to_atom("probe_" ++ atom_to_list(Name)), Arity);
body(off, try_, _) -> {integer, 1, 0};
body(off, _, _) -> {atom, 1, ok}.

call(Name, Arity) -> {call, 1, {remote, 1, {atom, 1, elixirscope_nif}, {atom, 1, Name}}, variables(Arity)}.
