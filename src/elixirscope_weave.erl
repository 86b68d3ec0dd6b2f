%% SPDX-License-Identifier: MIT
%% Weaving: probes put into the abstract code of a module, Erlang's or Elixir's, at build time or from a compiled module.
%% docs/weaving.md says what is woven and what is left alone.
-module(elixirscope_weave).

-export([parse_transform/2, forms/2, beam/2]).

-export_type([options/0]).

%% depth (calls): what is told. functions (all): which functions.
-type options() :: #{depth => elixirscope_weave_site:depth(), functions => all | [{atom(), arity()}]}.

-define(WOVEN, elixirscope_woven).

%% ---- entries ----

%% For erlc and rebar3: {parse_transform, elixirscope_weave}, with {elixirscope_weave, Options} beside it if wanted.
-spec parse_transform([tuple()], [term()]) -> [tuple()].
parse_transform(Forms, CompileOptions) -> forms(Forms, maps:from_list(lists:append(asked(CompileOptions)))).

asked(CompileOptions) -> [as_list(Options) || {elixirscope_weave, Options} <- CompileOptions].

as_list(Options) when is_map(Options) -> maps:to_list(Options);
as_list(Options) -> Options.

%% The woven forms of a module. What is woven already, and our own modules, are given back as they are.
-spec forms([tuple()], options()) -> [tuple()].
forms(Forms, Options) ->
    Depth = maps:get(depth, Options, calls),
    true = lists:member(Depth, [calls, lines, values]),
    case [M || {attribute, _, module, M} <- Forms] of
        [Module] -> woven(lists:keymember(?WOVEN, 3, Forms) orelse is_ours(Module), Module, Depth, maps:get(functions, Options, all), Forms);
        _ -> Forms
    end.

%% A compiled module (its bytes, or the name of its file), woven and compiled with the options that it was compiled with. Its
%% debug_info is that of the module before: it can be woven anew.
-spec beam(binary() | file:filename(), options()) -> {ok, module(), binary()} | {error, term()}.
beam(Beam, Options) ->
    case beam_lib:chunks(Beam, [debug_info]) of
        {ok, {Module, [{debug_info, {debug_info_v1, Backend, Data} = Info}]}} ->
            case code_of(Backend, Module, Data) of
                {ok, Forms} -> compiled(Module, forms(Forms, Options), Info);
                {error, _} -> {error, {no_debug_info, Module}}
            end;
        {ok, {Module, _}} -> {error, {no_debug_info, Module}};
        {error, beam_lib, Reason} -> {error, Reason}
    end.

code_of(Backend, Module, Data) ->
    try Backend:debug_info(erlang_v1, Module, Data, []) of
        {ok, Forms} when is_list(Forms) -> {ok, Forms};
        _ -> {error, none}
    catch
        error:_ -> {error, none} % the language is not on this node
    end.

compiled(Module, Forms, {_, Backend, Data}) ->
    Options = [{debug_info, {Backend, Data}}, binary, return_errors, no_spawn_compiler_process | kept(options_of(Backend, Data))],
    case compile:noenv_forms(Forms, Options) of
        {ok, Module, Binary} -> {ok, Module, Binary};
        {ok, Module, Binary, _} -> {ok, Module, Binary};
        {error, Errors, _} -> {error, {compile, Module, Errors}}
    end.

options_of(erl_abstract_code, {_, Options}) -> Options;
options_of(elixir_erl, {elixir_v1, #{compile_opts := Options}, _}) -> [no_auto_import | Options];
options_of(elixir_erl, _) -> [no_auto_import];
options_of(_, _) -> [].

%% Options that change what the code is; not those that say what is printed, where it goes, or who transforms it.
kept(Options) -> [O || O <- Options, keeps(O)].

keeps(Option) when is_tuple(Option) -> lists:member(element(1, Option), [inline, inline_size, no_auto_import, feature, source, compile_info]);
keeps(Option) when is_atom(Option) ->
    lists:member(Option, [inline, inline_list_funcs, no_auto_import, deterministic, nowarn_obsolete_guard, r23, r24, r25, r26, r27, r28]);
keeps(_) -> false.

%% ---- functions ----

woven(true, _, _, _, Forms) -> Forms;
woven(false, Module, Depth, Functions, Forms) ->
    Locals = maps:from_keys([{F, A} || {function, _, F, A, _} <- Forms] ++ imported(Forms), true),
    Woven = [form(Form, Functions, {Module, Depth, Locals}) || Form <- Forms],
    marked(Woven, Depth).

is_ours(Module) -> lists:prefix("elixirscope_", atom_to_list(Module)).

imported(Forms) -> lists:append([Names || {attribute, _, import, {_, Names}} <- Forms]).

marked([{attribute, Anno, module, _} = Form | Forms], Depth) -> [Form, {attribute, Anno, ?WOVEN, Depth} | Forms];
marked([Form | Forms], Depth) -> [Form | marked(Forms, Depth)].

form({function, Anno, Name, Arity, Clauses} = Form, Functions, {Module, Depth, Locals}) ->
    case is_asked(Functions, Name, Arity) andalso is_safe(Anno, Name, Clauses) of
        true ->
            St = elixirscope_weave_site:new(Module, Depth, Locals, {Name, Arity, Anno}),
            {Clauses1, _} = elixirscope_weave_expr:function(Clauses, St),
            {function, Anno, Name, Arity, Clauses1};
        false -> Form
    end;
form(Form, _, _) -> Form.

is_asked(all, _, _) -> true;
is_asked(Functions, Name, Arity) -> lists:member({Name, Arity}, Functions).

%% Left alone: what no source has, what runs in a compiler, and what a NIF takes the place of.
is_safe(Anno, Name, Clauses) ->
    not erl_anno:generated(Anno) andalso not is_reserved(atom_to_list(Name)) andalso not is_stub(Clauses).

is_reserved("MACRO-" ++ _) -> true;
is_reserved(Name) -> lists:member(Name, ["__info__", "__struct__", "__impl__", "__protocol__", "module_info", "behaviour_info"]).

is_stub(Clauses) ->
    lists:all(
        fun
            ({clause, _, _, _, [{call, _, {remote, _, {atom, _, erlang}, {atom, _, nif_error}}, _}]}) -> true;
            (_) -> false
        end, Clauses).
