%% SPDX-License-Identifier: MIT
%% Which functions of a module get which match specification. Nothing is switched here: questions about loaded
%% modules, and answers.
-module(elixirscope_spec).
-export([
    want/1, plan/2, names/2, named/2, named_modules/1, modules_named/1, servers/2, is_other_server/2, behaviours/1, shown_behaviours/1,
    why_none/1, receive_spec/0
]).
-export_type([want/0, plan/0]).

%% states: of whose behaviour modules; names: texts of states: specs; extra: modules of single processes;
%% init_it, servers: are gen_server's own functions watched, the first one, all of them.
-type want() :: #{
    states := none | user | all, names := [binary()], extra := [module()], init_it := boolean(),
    servers := boolean(), specs := [{Text :: binary(), map()}]
}.
-type class() :: callback | returns | calls.
-type plan() :: {
    #{mfa() => {elixirscope_trace:pattern(), class()}}, #{Text :: binary() => Functions :: pos_integer()}
}.

-define(SERVER, [
    {init, 1, none}, {handle_call, 3, 3}, {handle_cast, 2, 2}, {handle_info, 2, 2}, {handle_continue, 2, 2},
    {terminate, 2, 2}, {code_change, 3, 2}
]).
-define(EVENT, [
    {init, 1, none}, {handle_event, 2, 2}, {handle_call, 2, 2}, {handle_info, 2, 2}, {terminate, 2, 2},
    {code_change, 3, 2}
]).
-define(STATEM, [{init, 1, none}, {handle_event, 4, 4}, {terminate, 3, 3}, {code_change, 4, 3}]).
%% {gen_server's function, callback, what it is given besides server and state}
-define(SERVER_CALLS, [
    {try_handle_call, handle_call, ['$2', '$3']}, {try_handle_cast, handle_cast, ['$2']},
    {try_handle_info, handle_info, ['$2']}, {try_handle_continue, handle_continue, ['$2']}
]).
-define(SUPERVISORS, [
    supervisor, supervisor_bridge, 'Elixir.DynamicSupervisor', 'Elixir.PartitionSupervisor'
]).
-define(TIMERS, [{send_after, 3}, {send_after, 4}, {start_timer, 3}, {start_timer, 4}]).
-define(NOT_NAMED, [module_info, '__info__']).

-spec want(map()) -> want().
want(Config) ->
    Specs = [{text(Spec), Spec} || Spec <- maps:get(specs, Config, []), is_map(Spec)],
    #{
        states => states(maps:get(level, Config, minimal)),
        names => [maps:get(module, Spec, <<>>) || {_, #{kind := states} = Spec} <- Specs],
        extra => [],
        init_it => true,
        servers => true,
        specs => [Spec || {_, #{kind := Kind}} = Spec <- Specs, lists:member(Kind, [calls, returns, states])]
    }.

states(states_only) -> user;
states(balanced) -> user;
states(full) -> all;
states(_) -> none.

%% A spec as its user wrote it.
text(#{kind := Kind, module := Module} = Spec) when Kind =:= calls; Kind =:= returns; Kind =:= states ->
    Function =
        case Spec of
            #{function := <<"*">>, arity := -1} -> [];
            #{function := Name, arity := -1} -> [$., Name];
            #{function := Name, arity := Arity} -> [$., Name, $/, integer_to_list(Arity)];
            _ -> []
        end,
    iolist_to_binary([atom_to_list(Kind), $:, Module | Function]);
text(#{kind := Kind} = Spec) ->
    iolist_to_binary([atom_to_list(Kind), $:, maps:get(text, Spec, <<>>)]);
text(_) ->
    <<"?">>.

%% ---- one module ----

-spec plan(module(), want()) -> plan().
plan(Module, Want) ->
    case own(Module) of
        true ->
            {#{}, #{}};
        false ->
            try
                Exports = erlang:get_module_info(Module, exports),
                {Patterns, Counts} = add_timers(
                    Module, Want,
                    add_callbacks(Module, Exports, Want, of_specs(Module, Exports, maps:get(specs, Want)))
                ),
                {maps:merge(Patterns, replaced(Module, Want)), Counts}
            catch
                error:badarg -> {#{}, #{}} % it was unloaded meanwhile
            end
    end.

own(Module) ->
    lists:member(Module, elixirscope_code:modules()).

%% Who sets a timer causes its message. What the user wants of these functions comes first.
add_timers(erlang, #{states := States}, {Patterns, Counts}) when States =/= none ->
    Timers = maps:from_list([
        {{erlang, F, A}, {{global, timer_spec(F)}, callback}}
     || {F, A} <- ?TIMERS, traceable(erlang, {F, A})
    ]),
    {maps:merge(Timers, Patterns), Counts};
add_timers(_, _, Plan) ->
    Plan.

%% The reference that start_timer returns is in the message.
timer_spec(start_timer) -> [{'_', [], [{return_trace}]}];
timer_spec(send_after) -> [].

%% calls first, then returns over it: one function has one match specification.
of_specs(Module, Exports, Specs) ->
    Ours = [
        {Kind, Text, Spec}
     || {Text, #{kind := Kind, module := Name} = Spec} <- Specs, Kind =/= states, named(Module, Name)
    ],
    case Ours of
        [] ->
            {#{}, #{}};
        _ ->
            Functions = erlang:get_module_info(Module, functions),
            lists:foldl(
                fun(Spec, Plan) -> add_spec(Module, Exports, Functions, Spec, Plan) end, {#{}, #{}},
                lists:sort(Ours)
            )
    end.

add_spec(Module, Exports, Functions, {Kind, Text, Spec}, {Patterns, Counts}) ->
    Found = [FA || FA <- Functions, wanted(FA, Spec), traceable(Module, FA)],
    {
        maps:merge(
            Patterns,
            maps:from_list([{{Module, F, A}, named_pattern(Kind, {F, A}, Exports)} || {F, A} <- Found])
        ),
        case Found of
            [] -> Counts;
            _ -> Counts#{Text => length(Found)}
        end
    }.

wanted({F, A}, #{function := Name, arity := Arity}) ->
    (Arity =:= -1 orelse Arity =:= A) andalso
        case Name of
            <<"*">> -> not lists:member(F, ?NOT_NAMED) andalso hd(atom_to_list(F) ++ " ") =/= $-;
            _ -> atom_to_binary(F, utf8) =:= Name
        end.

%% Built-in functions traced by two sessions crashed emulators that have sessions before erts 16.2.
traceable(Module, {F, A}) ->
    elixirscope_vm:load_trace() orelse not erlang:is_builtin(Module, F, A).

%% Calls keep tail calls, so calls from inside the module may be seen too. A return keeps a frame for each
%% open call: an exported function is watched from outside only, where its own recursion stays as it is.
named_pattern(calls, _, _) ->
    {{local, []}, calls};
named_pattern(returns, FA, Exports) ->
    Type =
        case lists:member(FA, Exports) of
            true -> global;
            false -> local
        end,
    {{Type, [{'_', [], [{exception_trace}]}]}, returns}.

add_callbacks(Module, Exports, Want, {Patterns, Counts}) ->
    case kinds(Module, Exports, Want) of
        [] ->
            {Patterns, Counts};
        Kinds ->
            Central = central(Module, Want),
            Watched = [
                {Kind, F, A, State}
             || Kind <- Kinds, {F, A, State} <- callbacks(Kind, Exports), lists:member({F, A}, Exports)
            ],
            Callbacks = maps:from_list([
                {{Module, F, A}, {{global, callback_spec(A, State)}, callback}}
             || {Kind, F, A, State} <- Watched,
                Kind =/= server orelse not lists:member({F, A}, Central)
            ]),
            Texts = state_texts(Module, Want),
            Others = maps:filter(
                fun({_, F, A}, _) -> not lists:member({F, A}, Central -- [{init, 1}]) end, Patterns
            ),
            {
                maps:merge(Others, Callbacks),
                lists:foldl(fun(Text, Cs) -> Cs#{Text => length(Watched)} end, Counts, Texts)
            }
    end.

%% The callbacks of this module that are seen in gen_server itself: they need no pattern, and get none for a
%% calls: spec.
central(Module, #{init_it := InitIt, servers := Servers, states := States}) ->
    Server = lists:member(server, kinds_of(Module)),
    case Servers andalso Server andalso by_origin(Module, [server], States) of
        [server] -> [{init, 1}, {handle_call, 3}, {handle_cast, 2}, {handle_info, 2}, {handle_continue, 2}];
        _ -> [{init, 1} || InitIt, Server]
    end.

state_texts(Module, #{specs := Specs}) ->
    case [Text || {Text, #{kind := states, module := Name}} <- Specs, named(Module, Name)] of
        [] -> [<<"states">>];
        Texts -> Texts
    end.

%% The kinds of behaviour of a module whose states are wanted.
kinds(Module, Exports, #{extra := Extra, names := Names} = Want) ->
    Named = lists:member(Module, Extra) orelse lists:any(fun(Name) -> named(Module, Name) end, Names),
    Kinds = declared_or_like(Module, Exports),
    if
        Kinds =:= [], Named -> guessed(Exports);
        Named -> Kinds;
        Kinds =/= [] -> by_origin(Module, Kinds, maps:get(states, Want));
        true -> []
    end.

by_origin(_, Kinds, all) -> Kinds;
by_origin(_, _, none) -> [];
%% An Agent's state is its user's, though the module is Elixir's.
by_origin('Elixir.Agent.Server', Kinds, user) -> Kinds;
by_origin(Module, Kinds, user) ->
    case elixirscope_vm:origin(Module) of
        user -> Kinds;
        _ -> []
    end.

%% Behaviours of other libraries (p1_server …) have gen_server's callbacks: a module that says that it is some
%% behaviour's, and has them, is taken for one.
declared_or_like(Module, Exports) ->
    case kinds_of(Module) of
        [] ->
            Like = behaviours(Module) =/= [] andalso [
                {init, 1}, {handle_call, 3}, {handle_cast, 2}
            ] -- Exports =:= [],
            [server || Like];
        Kinds ->
            Kinds
    end.

%% What the engine is told of a module.
-spec shown_behaviours(module()) -> [module()].
shown_behaviours(Module) ->
    Behaviours = behaviours(Module),
    Like = Behaviours =/= [] andalso kinds_of(Module) =:= [] andalso
        try declared_or_like(
            Module, erlang:get_module_info(Module, exports)
        ) =:= [server] catch error:badarg ->
            false end,
    Behaviours ++ [gen_server || Like].

kinds_of(Module) ->
    lists:usort(lists:append([kind(B) || B <- behaviours(Module)])).

kind(gen_server) -> [server];
kind('Elixir.GenServer') -> [server];
kind(gen_event) -> [event];
kind('Elixir.GenEvent') -> [event];
kind(gen_statem) -> [statem];
kind(_) -> [].

%% For a module that somebody named and that does not say what it is.
guessed(Exports) ->
    Has = fun(FA) -> lists:member(FA, Exports) end,
    Server = lists:any(Has, [{handle_call, 3}, {handle_cast, 2}, {handle_info, 2}]),
    case {Has({callback_mode, 0}), Has({handle_event, 2}), Server} of
        {true, _, _} -> [statem];
        {_, true, _} -> [event];
        {_, _, true} -> [server];
        _ -> []
    end.

%% {Function, Arity, where the state is among the arguments}
callbacks(server, _) -> ?SERVER;
callbacks(event, _) -> ?EVENT;
callbacks(statem, Exports) ->
    case lists:member({handle_event, 4}, Exports) of
        true -> ?STATEM;
        %% Its states are functions: any exported one with three arguments may be one, told from others by its
        %% first argument.
        false -> [{F, 3, state_function} || {F, 3} <- Exports, F =/= terminate] ++ ?STATEM
    end.

-spec behaviours(module()) -> [module()].
behaviours(Module) ->
    try erlang:get_module_info(Module, attributes) of
        Attributes ->
            [
                B
             || {Key, List} <- Attributes, Key =:= behaviour orelse Key =:= behavior, is_list(List),
                B <- List, is_atom(B)
            ]
    catch
        error:badarg -> []
    end.

%% ---- match specifications ----

%% Arguments go into the event without the state, which the value of the callback before has already brought.
callback_spec(3, state_function) ->
    Tag = {element, 1, '$1'},
    Tagged = {
        'andalso', {is_tuple, '$1'}, {'=:=', {size, '$1'}, 2},
        {'orelse', {'=:=', Tag, call}, {'=:=', Tag, timeout}}
    },
    Types = [{'=:=', '$1', Type} || Type <- [cast, info, internal, timeout, state_timeout, enter]],
    [{['$1', '$2', '$3'], [list_to_tuple(['orelse' | Types] ++ [Tagged])], body(['$1', '$2', '$state'])}];
callback_spec(Arity, State) ->
    Variables = variables(Arity),
    Shown = [
        case N of
            State -> '$state';
            _ -> Variable
        end
     || {N, Variable} <- lists:zip(lists:seq(1, Arity), Variables)
    ],
    [{Variables, [], body(Shown)}].

%% exception_trace includes the return.
body(Shown) ->
    [{exception_trace}, {message, {{es_callback, Shown}}}].

variables(Arity) ->
    lists:sublist(['$1', '$2', '$3', '$4'], Arity).

%% Servers' callbacks, seen where gen_server itself calls them: that module is loaded before any server's own
%% one is, so that not even the first callbacks are missed, and a reload changes nothing. Others: modules
%% whose states are not wanted. All forms that OTP 25 to 29 have.
-spec servers(want(), [module()]) -> [{mfa(), elixirscope_trace:pattern()}].
servers(#{states := none, names := []}, _) ->
    [];
servers(#{states := none, names := Names}, _) ->
    Prefix = lists:any(fun(Name) -> binary:match(Name, <<"*">>) =/= nomatch end, Names),
    Guards =
        case Prefix of
            true -> nobody_of(?SUPERVISORS, '$1');
            false -> [any_of([{'=:=', '$1', Module} || Name <- Names, Module <- both(Name)])]
        end,
    [first_state(Guards), replaced_state(gen_server)];
servers(#{states := States}, Others) ->
    Not = case States of user -> Others ++ ?SUPERVISORS; all -> [] end,
    Guards = [{is_atom, '$1'} | nobody_of(Not, '$1')],
    Dispatch = [{['$1', '$2', '$3', '_'], Guards, body(['$1', '$2', '$3'])}],
    [
        first_state(nobody_of(Not, '$1')), replaced_state(gen_server),
        {{gen_server, try_dispatch, 4}, {local, Dispatch}}
    ] ++
        [
            {{gen_server, Function, length(Args) + 2}, {local, server_spec(Callback, Args, Not)}}
         || {Function, Callback, Args} <- ?SERVER_CALLS
        ].

first_state(Guards) ->
    {{gen_server, init_it, 2}, {local, [{['$1', '$2'], Guards, body(['$1', init, '$2'])}]}}.

%% sys:replace_state/2 on a server: its value begins {ok, NewState}. What it is given besides the fun holds the
%% state, and is left out.
replaced_state(Behaviour) ->
    {{Behaviour, system_replace_state, 2}, {global, [{['$1', '_'], [], body(['$1'])}]}}.

%% The same on a state machine or a manager of event handlers. gen_server's is armed with its other functions.
replaced(Module, #{states := States, names := Names}) when
    Module =:= gen_statem orelse Module =:= gen_event, States =/= none orelse Names =/= []
->
    {MFA, Pattern} = replaced_state(Module),
    #{MFA => {Pattern, callback}};
replaced(_, _) ->
    #{}.

%% The first argument is the module (OTP 25), or a record that holds it (26 to 28: callback_cache; 29:
%% server_data, the state behind it).
server_spec(Callback, Args, Not) ->
    Plain = ['$1' | Args] ++ ['_'],
    Cache = {element, 2, '$1'},
    Data = {element, 5, '$1'},
    [
        {Plain, [{is_atom, '$1'} | nobody_of(Not, '$1')], body(['$1', Callback | Args])},
        {
            Plain, [{'=:=', {element, 1, '$1'}, callback_cache} | nobody_of(Not, Cache)],
            body([Cache, Callback | Args])
        },
        {
            ['$1', '_' | Args], [{'=:=', {element, 1, '$1'}, server_data} | nobody_of(Not, Data)],
            body([Data, Callback | Args])
        }
    ].

%% One look into a map, however many they are: it is made for each callback of every server.
nobody_of([], _) ->
    [];
nobody_of(Modules, Term) ->
    [{'not', {is_map_key, Term, {const, maps:from_list([{Module, []} || Module <- Modules])}}}].

%% A server whose states are not wanted, because it is not the user's.
-spec is_other_server(module(), want()) -> boolean().
is_other_server(Module, #{states := user}) ->
    kinds_of(Module) =:= [server] andalso by_origin(Module, [server], user) =:= [];
is_other_server(_, _) ->
    false.

any_of([One]) -> One;
any_of(Guards) -> list_to_tuple(['orelse' | Guards]).

%% Both atoms a module's name may stand for; they are few, and the user's own.
both(Name) ->
    [binary_to_atom(Name, utf8), binary_to_atom(iolist_to_binary(["Elixir.", Name]), utf8)].

-spec receive_spec() -> [tuple()].
receive_spec() ->
    [{['$1', '$2', '_'], [], [{message, {{'$1', '$2'}}}]}].

%% ---- names ----

%% Does any spec name this module?
-spec names(module(), want()) -> boolean().
names(Module, #{specs := Specs}) ->
    lists:any(fun({_, #{module := Name}}) -> named(Module, Name) end, Specs).

%% Modules that specs name one by one.
-spec named_modules(want()) -> [module()].
named_modules(#{specs := Specs}) ->
    modules_named([Name || {_, #{module := Name}} <- Specs]).

-spec modules_named([binary()]) -> [module()].
modules_named(Names) ->
    [Module || Name <- Names, binary:match(Name, <<"*">>) =:= nomatch, Module <- both(Name)].

%% Does a spec's module name this one? Elixir's names go with and without "Elixir.", a '*' ends a prefix.
-spec named(module(), binary()) -> boolean().
named(Module, Name) ->
    Full = atom_to_binary(Module, utf8),
    case binary:match(Full, <<"Elixir.">>) of
        {0, 7} -> fits(Full, Name) orelse fits(binary:part(Full, 7, byte_size(Full) - 7), Name);
        _ -> fits(Full, Name)
    end.

fits(Full, Name) ->
    Size = byte_size(Name) - 1,
    case Size >= 0 andalso binary:last(Name) =:= $* of
        true -> binary:longest_common_prefix([Full, binary:part(Name, 0, Size)]) =:= Size;
        false -> Full =:= Name
    end.

%% Why a spec matched nothing, in a sentence.
-spec why_none({Text :: binary(), map()}) -> binary().
why_none({Text, #{module := Name} = Spec}) ->
    Why =
        case [Module || Module <- erlang:loaded(), named(Module, Name), not own(Module)] of
            [] -> not_loaded(Name);
            [Module | _] -> not_there(Module, Spec)
        end,
    iolist_to_binary([Text, " matches nothing yet: ", Why]).

not_loaded(Name) ->
    Prefix = binary:match(Name, <<"*">>) =/= nomatch,
    Files = [Before ++ binary_to_list(Name) ++ ".beam" || Before <- ["", "Elixir."]],
    case Prefix orelse lists:any(fun(File) -> code:where_is_file(File) =/= non_existing end, Files) of
        true -> [Name, " is not loaded; it is traced as soon as it is"];
        false -> ["there is no module ", Name, " in the code path"]
    end.

not_there(Module, #{kind := states}) ->
    [atom_to_binary(Module, utf8), " is no gen_server, gen_statem or gen_event"];
not_there(Module, #{function := Name}) ->
    Functions = try erlang:get_module_info(Module, functions) catch error:badarg -> [] end,
    Arities = [integer_to_list(A) || {F, A} <- lists:sort(Functions), atom_to_binary(F, utf8) =:= Name],
    case Arities of
        [] -> [atom_to_binary(Module, utf8), " has no function ", Name];
        _ -> [atom_to_binary(Module, utf8), " has ", Name, " with another arity: ", lists:join(", ", Arities)]
    end.
