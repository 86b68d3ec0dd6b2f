%% SPDX-License-Identifier: MIT
%% One module woven, loaded, and taken back. Loads only by a soft purge and erlang:load_module/2: what loads through the
%% code server purges hard, and kills processes that run old code. A module has two versions at most, so that where
%% the one from before is still in use, the next has to wait.
-module(elixirscope_loom).
-export([weave/4, weave_code/2, abstract/2, restore/3, restore_all/1, found/1, makes_funs/1, is_current/2, force/2, depth/1, original/1, name/1]).
-export_type([depth/0, woven/0]).

-type depth() :: calls | lines | values.
%% original: the object code from before; md5: of what was loaded; funs: does it make funs, which tables may hold where no
%% purge sees them; force: is it taken back nevertheless.
-type woven() :: #{depth := depth(), original := binary(), md5 := binary(), funs := boolean(), force := boolean()}.

-define(PIDS, 5).         % named at most …
-define(LOOKED_AT, 20000). % … of so many that are asked

%% ---- in ----

%% Before says what was woven already. Note is called with what will be, before it is loaded.
-spec weave(module(), depth(), woven() | none, fun((woven()) -> ok)) -> {ok, woven()} | {error, binary()}.
weave(Module, Depth, Before, Note) ->
    try
        ok = may_be_woven(Module),
        case before(Module, Before) of
            #{depth := Depth} = Woven ->
                ok = Note(Woven),
                {ok, Woven};
            Other ->
                weave_now(Module, Depth, Other, Note)
        end
    catch
        throw:{refused, Why} -> {error, unicode:characters_to_binary(Why)};
        _:Why:Stack -> {error, failed(Why, Stack)}
    end.

weave_now(Module, Depth, Before, Note) ->
    Original = running(Module, Before),
    Code = woven(Module, Original, Depth),
    Woven = #{depth => Depth, original => Original, md5 => code:module_md5(Code), funs => has_funs(Original), force => false},
    Free = is_free(Module, Woven, found([Woven || erlang:check_old_code(Module)])),
    _ = Free =:= ok orelse refuse(element(2, Free)),
    ok = Note(Woven),
    load(Module, Code),
    {ok, Woven}.

%% It may have been woven by a recording before that could not bring it back: then what is on disk, woven the same way, is what runs.
before(Module, none) ->
    case {lists:keyfind(elixirscope_woven, 1, erlang:get_module_info(Module, attributes)), code:get_object_code(Module)} of
        {{_, [Depth]}, {Module, Original, _}} ->
            Md5 = module_md5(Module),
            case code:module_md5(Original) =/= Md5 andalso code:module_md5(woven(Module, Original, Depth)) of
                Md5 -> #{depth => Depth, original => Original, md5 => Md5, funs => has_funs(Original), force => false};
                _ -> none
            end;
        _ ->
            none
    end;
before(_, Before) ->
    Before.

%% Object code, woven; it is not loaded.
-spec weave_code(binary(), depth()) -> {ok, binary()} | {error, binary()}.
weave_code(Original, Depth) ->
    try
        {ok, {Module, _}} = beam_lib:chunks(Original, []),
        {ok, woven(Module, Original, Depth)}
    catch
        throw:{refused, Why} -> {error, unicode:characters_to_binary(Why)};
        _:Why:Stack -> {error, failed(Why, Stack)}
    end.

%% With what is not code as it was: documentation, where it was compiled from.
woven(Module, Original, Depth) ->
    ok = may_be_compiled(Module, Original),
    case elixirscope_weave:beam(Original, #{depth => Depth}) of
        {ok, Module, Code} -> with_the_rest(Original, Code);
        {error, {compile, _, Errors}} -> refuse(io_lib:format("it does not compile woven: ~0tP", [Errors, 20]));
        {error, Why} -> refuse(io_lib:format("it cannot be woven: ~0tP", [Why, 20]))
    end.

with_the_rest(Original, Code) ->
    {ok, Module, Before} = beam_lib:all_chunks(Original),
    {ok, Module, After} = beam_lib:all_chunks(Code),
    Own = ["CInf", "Dbgi"], % so that it can be woven again, and a protocol be consolidated
    Kept = [Chunk || {Id, _} = Chunk <- Before, lists:member(Id, Own) orelse not lists:keymember(Id, 1, After)],
    {ok, Woven} = beam_lib:build_module([Chunk || {Id, _} = Chunk <- After, not lists:keymember(Id, 1, Kept)] ++ Kept),
    Woven.

failed(Why, Stack) ->
    Where = [{M, F, L} || {M, F, _, L} <- lists:sublist(Stack, 2)],
    unicode:characters_to_binary(io_lib:format("weaving failed: ~0tP", [{Why, Where}, 20])).

-spec refuse(unicode:chardata()) -> no_return().
refuse(Why) -> throw({refused, Why}).

may_be_woven(Module) ->
    Ours = lists:prefix("elixirscope", atom_to_list(Module)),
    _ = Ours andalso refuse("it is ElixirScope's own"),
    _ = code:which(Module) =:= preloaded andalso refuse("it belongs to the emulator"),
    _ = code:which(Module) =:= cover_compiled andalso refuse("it is compiled for coverage"),
    _ = code:is_sticky(Module) andalso refuse("it belongs to Erlang itself and is sticky"),
    _ = code:ensure_loaded(compile) =:= {module, compile} orelse refuse("this node has no compiler"),
    ok.

%% The object code that runs: what lies on disk may be another by now.
running(Module, #{original := Original} = Before) ->
    case is_current(Module, Before) of
        true -> Original;
        false -> running(Module, none)
    end;
running(Module, none) ->
    case code:get_object_code(Module) of
        {Module, Binary, File} ->
            _ = code:module_md5(Binary) =:= module_md5(Module) orelse refuse(["what runs is not what is in ", File]),
            Binary;
        error ->
            refuse("its object code is not found")
    end.

module_md5(Module) -> erlang:get_module_info(Module, md5).

may_be_compiled(Module, Binary) ->
    case abstract(Module, Binary) of
        {ok, Forms} -> _ = [refuse("it has an on_load function") || {attribute, _, on_load, _} <- Forms], ok;
        error -> refuse("it has no debug_info")
    end.

%% Its abstract code, as Erlang's compiler and Elixir's keep it.
-spec abstract(module(), binary()) -> {ok, [tuple()]} | error.
abstract(Module, Binary) ->
    case beam_lib:chunks(Binary, [debug_info]) of
        {ok, {Module, [{debug_info, {debug_info_v1, Backend, Data}}]}} ->
            _ = code:ensure_loaded(Backend),
            try Backend:debug_info(erlang_v1, Module, Data, []) of
                {ok, Forms} -> {ok, Forms};
                {error, _} -> error
            catch
                error:undef -> error
            end;
        _ ->
            error
    end.

has_funs(Binary) ->
    case beam_lib:chunks(Binary, ["FunT"], [allow_missing_chunks]) of
        {ok, {_, [{"FunT", <<N:32, _/binary>>}]}} -> N > 0;
        _ -> false
    end.

%% The version from before, where there is one: purged, if nobody runs it and no table has a fun of it.
is_free(Module, #{force := Force}, Found) ->
    Old = erlang:check_old_code(Module),
    Held = case Old andalso not Force of true -> elixirscope_tables:holds(Module, module_md5(Module), Found); false -> none end,
    case Held =:= none andalso code:soft_purge(Module) of
        true -> ok;
        false when Held =:= none -> {held, ["processes still run its code from before: ", pids(Module)]};
        false -> {held, ["a fun of its code from before may be called: ", Held]}
    end.

%% What tables hold, where that may matter for these.
-spec found([woven()]) -> elixirscope_tables:found().
found(Woven) ->
    case lists:any(fun makes_funs/1, Woven) of
        true -> elixirscope_tables:scan();
        false -> #{funs => #{}, unknown => []}
    end.

-spec makes_funs(woven()) -> boolean().
makes_funs(#{funs := Funs, force := Force}) -> Funs andalso not Force.

load(Module, Code) ->
    case erlang:load_module(Module, Code) of
        {module, Module} -> ok;
        {error, Why} -> refuse(io_lib:format("it cannot be loaded: ~0tp", [Why]))
    end.

%% ---- out ----

%% What was current before is current again. Held: the code from before weaving is in use, or may be.
-spec restore(module(), woven(), elixirscope_tables:found()) -> ok | {held, unicode:chardata()}.
restore(Module, #{original := Original, funs := Funs} = Woven, Found) ->
    Relevant = case Funs of true -> Found; false -> found([]) end,
    case is_current(Module, Woven) andalso is_free(Module, Woven, Relevant) of
        false -> ok; % somebody else's by now
        ok -> try load(Module, Original) catch throw:{refused, Why} -> {held, Why} end;
        Held -> Held
    end.

%% All of them, at the end. Sentences of those that stay.
-spec restore_all(#{module() => woven()}) -> [binary()].
restore_all(All) ->
    Found = found(maps:values(All)),
    [
        unicode:characters_to_binary(["the module ", name(Module), " is still woven: ", Why])
     || {Module, Woven} <- maps:to_list(All),
        {held, Why} <- [try restore(Module, Woven, Found) catch _:_ -> {held, "bringing it back failed"} end]
    ].

-spec is_current(module(), woven()) -> boolean().
is_current(Module, #{md5 := Md5}) ->
    erlang:module_loaded(Module) andalso module_md5(Module) =:= Md5.

-spec force(boolean(), woven()) -> woven().
force(Force, Woven) -> Woven#{force := Force}.

-spec original(woven()) -> binary().
original(#{original := Original}) -> Original.

-spec depth(woven()) -> depth().
depth(#{depth := Depth}) -> Depth.

%% Some of the processes that run, or hold on to, its code from before.
-spec in_the_way(module()) -> [pid()].
in_the_way(Module) ->
    in_the_way(Module, erlang:processes(), ?LOOKED_AT, ?PIDS).

in_the_way(_, [], _, _) -> [];
in_the_way(_, _, 0, _) -> [];
in_the_way(_, _, _, 0) -> [];
in_the_way(Module, [Pid | Pids], Look, Find) ->
    case Pid =/= self() andalso try erlang:check_process_code(Pid, Module, [{allow_gc, false}]) catch error:_ -> false end of
        true -> [Pid | in_the_way(Module, Pids, Look - 1, Find - 1)];
        _ -> in_the_way(Module, Pids, Look - 1, Find)
    end.

pids(Module) ->
    case in_the_way(Module) of
        [] -> "those that did are gone by now, or many more were to be asked";
        Pids -> lists:join(", ", [pid_to_list(Pid) || Pid <- Pids])
    end.

%% As its language writes it.
-spec name(module()) -> string().
name(Module) ->
    case atom_to_list(Module) of
        "Elixir." ++ Name -> Name;
        Name -> Name
    end.
