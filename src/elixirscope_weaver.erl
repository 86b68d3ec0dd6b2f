%% SPDX-License-Identifier: MIT
%% Weaving on a live node: modules are woven one after the other, at low priority, and taken back. A process of
%% its own, which the agent tells what to do and which tells the agent what became of it. How a module is loaded
%% and taken back: elixirscope_loom.
-module(elixirscope_weaver).
-export([start/1, init/1]).

-define(LOOK_MS, 1000).
-define(CROWDED, 20).      % processes that wait to run, for each scheduler: more is a node in distress …
-define(CROWDED_LOOKS, 3). % … if it lasts so many looks
-define(SOURCES, 100).     % tried again at one look
-define(RARELY, 30).       % looks: funs that tables hold stay there for long, and looking for them is dear
-define(LINES, 8).         % about single modules
-define(TELL_MS, 100).     % how far it is, while it is at work

-record(st, {
    agent :: pid(),
    ref :: reference(),
    names = [] :: [{binary(), none | elixirscope_loom:depth()}], % the latest first; for modules that are loaded later too
    queue = [] :: [module()],
    woven = #{} :: #{module() => elixirscope_loom:woven()},
    leaving = #{} :: #{module() => elixirscope_loom:woven()}, % to be taken back, and in use still
    refused = #{} :: #{module() => binary()},
    built = #{} :: #{module() => binary()}, % woven when they were compiled: their MD5
    sources = [] :: [{module(), binary()}], % that found no room yet
    probes = off :: off | on | {error, term()},
    done = 0 :: non_neg_integer(),     % since the queue was empty
    wishes = 0 :: non_neg_integer(),
    added = 0 :: non_neg_integer(),    % woven since the last one
    lines = [] :: [binary()],          % about single modules, of the last wish
    told = 0 :: integer(),             % when
    looks = 0 :: non_neg_integer(),
    crowded = 0 :: non_neg_integer()
}).

%% Starts it. It is told {weave, Names, Depth}, {unweave, all | Names, Force}, and loaded; it answers
%% {weaver, self(), Notices}, {weaver, self(), {weaving, HowFar}}, and before each load
%% {weaver, self(), Ref, {note, Module, Woven}}, to which the agent says {noted, Ref}. It ends with the agent.
-spec start(pid()) -> pid().
start(Agent) ->
    spawn(?MODULE, init, [Agent]).

-spec init(pid()) -> ok.
init(Agent) ->
    process_flag(priority, low),
    process_flag(message_queue_data, off_heap),
    group_leader(whereis(init), self()),
    _ = erlang:send_after(?LOOK_MS, self(), look),
    loop(#st{agent = Agent, ref = erlang:monitor(process, Agent)}).

loop(#st{ref = Ref, queue = Queue} = St) ->
    receive
        {weave, Names, Depth} -> loop(wanted(Names, Depth, wish(St)));
        {unweave, Which, Force} -> loop(how_far(unweave(Which, Force, wish(St))));
        loaded -> drop_loaded(), loop(find(built(St)));
        look -> _ = erlang:send_after(?LOOK_MS, self(), look), loop(look(St));
        {'DOWN', Ref, process, _, _} -> ok;
        _ -> loop(St)
    after case Queue of [] -> infinity; _ -> 0 end ->
        loop(next(St))
    end.

%% erlang:loaded/0 has those, too, of which only code from before is left.
loaded() ->
    [Module || Module <- erlang:loaded(), erlang:module_loaded(Module)].

drop_loaded() ->
    receive loaded -> drop_loaded() after 0 -> ok end.

how_far(
    #st{
        agent = Agent, woven = Woven, leaving = Leaving, refused = Refused, queue = Queue, wishes = Wishes, added = Added,
        lines = Lines
    } = St
) ->
    Agent ! {weaver, self(), {weaving, #{
        answered => Wishes, added => Added, waiting => length(Queue), woven => map_size(Woven), refused => map_size(Refused),
        held => map_size(Leaving), lines => lists:reverse(Lines)
    }}},
    St#st{told = elixirscope_vm:now_ns()}.

wish(#st{wishes = Wishes} = St) -> St#st{wishes = Wishes + 1, added = 0, lines = []}.

%% ---- in ----

wanted(Names, Depth, St0) ->
    ok = elixirscope_code:early(elixirscope_spec:modules_named(Names)),
    St1 = stay(Names, St0#st{names = names(Names, Depth, St0), refused = others(Names, St0)}),
    #st{queue = Queue} = St = find(St1),
    Nothing = [
        {weaving, <<"no module is called ", Name/binary, " yet: it is woven when it is loaded">>}
     || Name <- Names, not lists:any(fun(M) -> elixirscope_spec:named(M, Name) end, loaded())
    ],
    Many = [{weaving, text([integer_to_list(length(Queue)), " modules are being woven"])} || length(Queue) > 1],
    how_far(tell(Nothing ++ Many, St)).

%% Who was refused before is tried again where it is named.
others(Names, #st{refused = Refused}) ->
    maps:filter(fun(Module, _) -> not lists:any(fun(Name) -> elixirscope_spec:named(Module, Name) end, Names) end, Refused).

%% What waits to be taken back need not be.
stay(Names, #st{leaving = Leaving, woven = Woven} = St) ->
    Stays = maps:filter(fun(Module, _) -> lists:any(fun(Name) -> elixirscope_spec:named(Module, Name) end, Names) end, Leaving),
    St#st{leaving = maps:without(maps:keys(Stays), Leaving), woven = maps:merge(Woven, Stays)}.

%% Modules that were woven when they were compiled.
built(#st{built = Built, woven = Woven} = St) ->
    New = [
        {Module, erlang:get_module_info(Module, md5)}
     || Module <- loaded(), not is_map_key(Module, Woven),
        lists:keymember(elixirscope_woven, 1, erlang:get_module_info(Module, attributes))
    ] -- maps:to_list(Built),
    lists:foldl(fun built/2, St#st{built = maps:merge(Built, maps:from_list(New))}, New).

built({Module, Md5}, St) ->
    case code:get_object_code(Module) of
        {Module, Code, _} ->
            case code:module_md5(Code) of
                Md5 -> with_probes(source(Module, Code, St));
                _ -> with_probes(St)
            end;
        error ->
            with_probes(St)
    end.

source(Module, Code, #st{sources = Sources} = St) ->
    case elixirscope_source:write(Module, Code) of
        ok -> St;
        lost -> St#st{sources = [{Module, Code} | Sources]}
    end.

with_probes(#st{probes = on} = St) ->
    St;
with_probes(St) ->
    case elixirscope_probes:on() of
        ok -> St#st{probes = on};
        Error when Error =:= St#st.probes -> St;
        {error, Why} = Error ->
            Text = ["woven code is not recorded: ", elixirscope_vm:text(Why)],
            tell([{weaving, text(Text)}], St#st{probes = Error})
    end.

%% What is loaded, has one of the names, and was not looked at yet.
find(#st{names = []} = St) ->
    St;
find(#st{queue = Queue, refused = Refused, leaving = Leaving} = St) ->
    Known = maps:merge(maps:merge(Refused, Leaving), maps:from_list([{Module, true} || Module <- Queue])),
    New = [
        Module
     || Module <- loaded(), not is_map_key(Module, Known),
        not lists:member(wants(Module, St), [none, depth(Module, St)])
    ],
    St#st{queue = Queue ++ lists:sort(New)}.

depth(Module, #st{woven = Woven}) ->
    case Woven of
        #{Module := W} -> elixirscope_loom:depth(W);
        _ -> none
    end.

%% The depth that is wanted; what is woven stays so.
wants(Module, #st{names = Names} = St) ->
    case [Depth || {Name, Depth} <- Names, elixirscope_spec:named(Module, Name)] of
        [Depth | _] -> Depth;
        [] -> depth(Module, St)
    end.

names(Names, Depth, #st{names = Before}) ->
    [{Name, Depth} || Name <- Names] ++ [Named || {Name, _} = Named <- Before, not lists:member(Name, Names)].

%% Probes are there before the first code that calls one.
next(St0) ->
    case with_probes(St0) of
        #st{probes = on} = St -> next_module(St);
        #st{queue = [Module | Queue]} = St -> next_done(refused(Module, "there are no probes", St#st{queue = Queue}))
    end.

next_module(#st{queue = [Module | Queue], woven = Woven} = St0) ->
    Note = fun(W) -> note(Module, W, St0) end,
    St1 = St0#st{queue = Queue},
    next_done(
        case elixirscope_loom:weave(Module, wants(Module, St0), maps:get(Module, Woven, none), Note) of
            {ok, W} ->
                St2 = St1#st{woven = Woven#{Module => W}, done = St1#st.done + 1, added = St1#st.added + 1},
                source(Module, elixirscope_loom:original(W), St2);
            {error, Why} -> refused(Module, Why, St1)
        end
    ).

next_done(#st{queue = []} = St) ->
    how_far(ended(St));
next_done(#st{told = Told} = St) ->
    case elixirscope_vm:now_ns() - Told > ?TELL_MS * 1000000 of
        true -> how_far(St);
        false -> St
    end.

refused(Module, Why, #st{refused = Refused} = St) ->
    line([name(Module), " is not woven: ", Why], St#st{refused = Refused#{Module => Why}}).

line(Text, #st{lines = Lines} = St) when length(Lines) < ?LINES -> St#st{lines = [text(Text) | Lines]};
line(_, St) -> St.

%% The ledger has it before the deed.
note(Module, Woven, #st{agent = Agent, ref = Ref}) ->
    Said = make_ref(),
    Agent ! {weaver, self(), Said, {note, Module, Woven}},
    receive
        {noted, Said} -> ok;
        {'DOWN', Ref, process, _, _} -> exit(normal)
    end.

ended(#st{done = Done, refused = Refused, lines = Lines} = St) ->
    Woven = [{weaving, text([modules(Done), " woven"])} || Done > 0],
    Not = [{weaving, Line} || Line <- lists:reverse(Lines)],
    More = [
        {weaving, text([modules(map_size(Refused)), " not woven in all"])} || map_size(Refused) > length(Lines)
    ],
    tell(Woven ++ Not ++ More, St#st{done = 0}).

modules(1) -> "1 module is";
modules(N) -> [integer_to_list(N), " modules are"].

%% ---- out ----

unweave(all, Force, #st{woven = Woven} = St) ->
    out(maps:keys(Woven), Force, St#st{names = [], queue = []});
unweave(Names, Force, #st{woven = Woven, queue = Queue} = St) ->
    Meant = fun(Module) -> lists:any(fun(Name) -> elixirscope_spec:named(Module, Name) end, Names) end,
    Unknown = [
        {weaving, <<"no woven module is called ", Name/binary>>}
     || Name <- Names, not lists:any(fun(M) -> elixirscope_spec:named(M, Name) end, maps:keys(Woven))
    ],
    tell(Unknown, out(
        lists:filter(Meant, maps:keys(Woven)), Force,
        St#st{names = names(Names, none, St), queue = [Module || Module <- Queue, not Meant(Module)]}
    )).

out(Modules, Force, #st{woven = Woven} = St) ->
    Leave = [{Module, elixirscope_loom:force(Force, maps:get(Module, Woven))} || Module <- Modules],
    Found = elixirscope_loom:found([W || {_, W} <- Leave]),
    {Gone, Left} = lists:foldl(fun(One, {N, S}) -> out_one(One, Found, N, S) end, {0, St}, Leave),
    tell([{weaving, text([modules(Gone), " as before"])} || Gone > 0], Left).

out_one({Module, W}, Found, N, #st{woven = Woven, leaving = Leaving} = St) ->
    case elixirscope_loom:restore(Module, W, Found) of
        ok ->
            _ = note(Module, none, St),
            {N + 1, St#st{woven = maps:remove(Module, Woven)}};
        {held, Why} ->
            Text = [name(Module), " is still woven: ", Why],
            Told = line(Text, tell([{weaving, text(Text)}], St)),
            {N, Told#st{woven = maps:remove(Module, Woven), leaving = Leaving#{Module => W}}}
    end.

%% ---- by the clock ----

look(#st{looks = Looks, sources = Sources} = St0) ->
    St = lists:foldl(fun({Module, Code}, S) -> source(Module, Code, S) end, St0#st{sources = []}, lists:sublist(Sources, ?SOURCES)),
    crowded(again(reloaded(St#st{looks = Looks + 1}))).

%% Modules that could not be taken back when they should.
again(#st{leaving = Leaving, looks = Looks} = St) ->
    Now = maps:filter(
        fun(_, W) -> Looks rem ?RARELY =:= 0 orelse not elixirscope_loom:makes_funs(W) end, Leaving
    ),
    Found = elixirscope_loom:found(maps:values(Now)),
    maps:fold(
        fun(Module, W, #st{leaving = L} = S) ->
            case elixirscope_loom:restore(Module, W, Found) of
                ok ->
                    _ = note(Module, none, S),
                    Left = S#st{leaving = maps:remove(Module, L)},
                    how_far(tell([{weaving, text([name(Module), " is as before"])}], Left));
                _ ->
                    S
            end
        end, St, Now
    ).

%% Somebody else loaded a module that we wove: their code counts, and is woven in its turn.
reloaded(#st{woven = Woven} = St) ->
    Theirs = [Module || {Module, W} <- maps:to_list(Woven), not elixirscope_loom:is_current(Module, W)],
    _ = [note(Module, none, St) || Module <- Theirs],
    Notices = [{weaving, text([name(Module), " was loaded anew by somebody else"])} || Module <- Theirs],
    case Theirs of
        [] -> St;
        _ -> find(tell(Notices, St#st{woven = maps:without(Theirs, Woven)}))
    end.

crowded(#st{woven = Woven} = St) when map_size(Woven) =:= 0 ->
    St#st{crowded = 0};
crowded(#st{crowded = Looks} = St) ->
    case lists:sum(erlang:statistics(run_queue_lengths)) > ?CROWDED * erlang:system_info(schedulers_online) of
        true when Looks + 1 >= ?CROWDED_LOOKS ->
            Text = <<"too many processes wait to run: what was woven is taken back">>,
            unweave(all, false, tell([{weaving, Text}], St#st{crowded = 0}));
        true ->
            St#st{crowded = Looks + 1};
        false ->
            St#st{crowded = 0}
    end.

%% ---- words ----

tell([], St) ->
    St;
tell(Notices, #st{agent = Agent} = St) ->
    Agent ! {weaver, self(), Notices},
    St.

name(Module) -> elixirscope_loom:name(Module).
text(Text) -> unicode:characters_to_binary(Text).
