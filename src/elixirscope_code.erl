%% SPDX-License-Identifier: MIT
%% Our own modules in the user's VM: in, and out again without a trace.
-module(elixirscope_code).
-export([modules/0, early/1, load/1, is_theirs/1, forget_path/1, delete/1, unload_nif/0, leave/1]).

-define(TRIES, 40).
-define(PAUSE_MS, 50).

%% All of them; the program that attaches sends these too. Without elixirscope_probe: woven code calls it, and who may still run such
%% code, of this recording or of one before, is not to be known. It stays in a node where something was woven, and does nothing.
-spec modules() -> [module()].
modules() ->
    [
        elixirscope, elixirscope_agent, elixirscope_arm, elixirscope_budget, elixirscope_census,
        elixirscope_code, elixirscope_guard, elixirscope_link, elixirscope_logger, elixirscope_loom,
        elixirscope_nif, elixirscope_probes, elixirscope_source, elixirscope_spec, elixirscope_tables,
        elixirscope_trace, elixirscope_vm, elixirscope_watch, elixirscope_weave, elixirscope_weave_expr,
        elixirscope_weave_site, elixirscope_weaver
    ].

%% Loads modules that the user named, where the VM would load them at their first call anyway: that call is
%% then seen too.
-spec early([module()]) -> ok.
early(Modules) ->
    Interactive = code:get_mode() =:= interactive,
    _ = [
        code:ensure_loaded(Module)
     || Interactive, Module <- Modules, not erlang:module_loaded(Module),
        code:where_is_file(atom_to_list(Module) ++ ".beam") =/= non_existing
    ],
    ok.

%% Loads what is not loaded yet from a folder that need not be in the code path; embedded mode loads nothing
%% by itself.
-spec load(file:filename_all() | undefined) -> ok | {error, binary()}.
load(Dir) ->
    From =
        case is_theirs(Dir) of
            true -> path;
            false -> Dir
        end,
    Missing = [Module || Module <- modules(), not erlang:module_loaded(Module), not loads(From, Module)],
    case Missing of
        [] -> ok;
        [Module | _] -> {error, iolist_to_binary(["the module ", atom_to_list(Module), " cannot be loaded"])}
    end.

loads(undefined, _) -> false;
loads(path, Module) -> code:ensure_loaded(Module) =:= {module, Module};
loads(Dir, Module) ->
    code:load_abs(unicode:characters_to_list([Dir, $/, atom_to_list(Module)])) =:= {module, Module}.

%% Does the node have ElixirScope among its own libraries? Then its modules are not ours to remove. Sent
%% modules have no path.
-spec is_theirs(file:filename_all() | undefined) -> boolean().
is_theirs(Dir) ->
    case code:is_loaded(elixirscope_agent) of
        {file, Path} when is_list(Path) ->
            Folder = filename:dirname(Path),
            Folder =/= "." andalso (Dir =:= undefined orelse Folder =/= unicode:characters_to_list(Dir));
        _ ->
            false
    end.

-spec forget_path(file:filename_all()) -> ok.
forget_path(Dir) ->
    _ = code:del_path(unicode:characters_to_list(Dir)),
    ok.

%% Makes these modules no longer current. Processes that still run in one of them go on undisturbed.
-spec delete([module()]) -> ok.
delete(Modules) ->
    lists:foreach(
        fun(Module) ->
            code:soft_purge(Module) andalso erlang:module_loaded(Module) andalso code:delete(Module)
        end,
        Modules
    ).

%% The shared object goes with the last code of its module.
-spec unload_nif() -> boolean().
unload_nif() ->
    delete([elixirscope_nif]),
    soft_purge(elixirscope_nif, ?TRIES).

%% Never the hard purge: it kills processes, and a user's one may be in our logger handler just now.
soft_purge(_, 0) ->
    false;
soft_purge(Module, Tries) ->
    case code:soft_purge(Module) of
        true ->
            not erlang:module_loaded(Module);
        false ->
            receive after ?PAUSE_MS -> ok end,
            soft_purge(Module, Tries - 1)
    end.

%% Removes all of our code once the process Last has ended. What does it is not in our code: erl_eval. A purge
%% asks every process of the node, so it rests after each one for as long as that took.
-spec leave(pid()) -> ok.
leave(Last) ->
    Text =
        "Ref = erlang:monitor(process, Last), receive {'DOWN', Ref, process, Last, _} -> ok end, "
        "Purge = fun Purge(_, 0) -> false; "
        "            Purge(M, N) -> {Micros, Gone} = timer:tc(code, soft_purge, [M]), "
        "                           receive after Micros div 1000 -> ok end, "
        "                           Gone orelse begin receive after Pause ->
            ok end, Purge(M, N - 1) end end, "
        "[begin code:soft_purge(M), code:delete(M) end || M <- Modules, erlang:module_loaded(M)], "
        "[Purge(M, Tries) || M <- Modules].",
    {ok, Tokens, _} = erl_scan:string(Text),
    {ok, Expressions} = erl_parse:parse_exprs(Tokens),
    Values = [{'Last', Last}, {'Modules', modules()}, {'Tries', ?TRIES}, {'Pause', ?PAUSE_MS}],
    spawn(erl_eval, exprs, [Expressions, Values]),
    ok.
