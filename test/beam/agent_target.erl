%% SPDX-License-Identifier: MIT
%% Runs in the recorded VM: things to record, and questions to that VM about what is left in it.
-module(agent_target).
-behaviour(gen_server).
-export([
    start/0, start/1, add/3, twice/1, loop/1, apply_local/1, init/1, handle_call/3, handle_cast/2,
    handle_info/2
]).
-export([handle_continue/2, terminate/2]).
-export([
    traces/0, things/0, idle/1, spawn_idle/1, foreign/1, foreign_tracer/1, log_lines/0, count_log/2, log/2
]).
-export([in_vm/1, fail/1]).

%% ---- a server ----

start() -> start([]).
start(Arguments) -> gen_server:start(?MODULE, Arguments, []).
add(Server, Key, N) -> gen_server:call(Server, {add, Key, N}).

init({continue, _} = Arguments) -> {ok, #{arguments => Arguments}, Arguments};
init(Arguments) -> {ok, #{arguments => Arguments, items => #{}}}.
handle_continue(N, State) -> {noreply, State#{continued => N}}.
handle_call({add, Key, N}, _, #{items := Items} = State) ->
    {reply, twice(N), State#{items := Items#{Key => N}}};
handle_call(crash, _, _) -> error(wanted).
handle_cast(_, State) -> {noreply, State}.
handle_info(_, State) -> {noreply, State}.
terminate(_, _) -> ok.

twice(N) -> 2 * N.
%% Calls itself from inside: a pattern must not keep its frames.
loop(0) -> element(2, process_info(self(), stack_size));
loop(N) -> loop(N - 1).
apply_local(N) -> private(N).
private(N) -> N + 1.

%% ---- what is traced ----

%% Every process, function and event with a trace setting of the node's common session.
traces() ->
    #{
        processes => [{P, F} || P <- processes(), {flags, F} <- [erlang:trace_info(P, flags)], F =/= []],
        new => [erlang:trace_info(new_processes, flags), erlang:trace_info(new_processes, tracer)],
        functions => [
            {M, F, A}
         || M <- erlang:loaded(),
            erlang:module_loaded(M),
            {F, A} <- erlang:get_module_info(M, functions),
            Item <- [traced, meta],
            {_, Is} <- [erlang:trace_info({M, F, A}, Item)],
            not lists:member(Is, [false, [], undefined])
        ] ++ [
            finish
         || {meta, Meta} <- [erlang:trace_info({erlang, finish_loading, 1}, meta)],
            not lists:member(Meta, [false, []])
        ],
        'receive' => erlang:trace_info('receive', match_spec),
        send => erlang:trace_info(send, match_spec),
        sessions =>
            case erlang:function_exported(trace, session_info, 1) of
                true -> [S || {Name, _} = S <- apply(trace, session_info, [all]), Name =/= legacy];
                false -> []
            end
    }.

%% Everything else one can leave behind.
things() ->
    #{
        names => lists:sort(registered()),
        ports => length(erlang:ports()),
        tables => length(ets:all()),
        handlers => logger:get_handler_ids(),
        monitor => erlang:system_monitor(),
        modules => [M || M <- erlang:loaded(), ours(M)],
        old => [M || M <- [elixirscope_nif | [M || M <- erlang:loaded(), ours(M)]], erlang:check_old_code(M)],
        path => code:get_path(),
        environment => lists:sort([E || E <- os:getenv(), lists:prefix("E", E)]),
        %% the logger itself keeps a word on a handler that was
        terms => [
            Key
         || {Key, _} <- persistent_term:get(), not (is_tuple(Key) andalso element(1, Key) =:= logger_config)
        ],
        processes => length([P || P <- processes(), is_ours(P)])
    }.

ours(Module) -> lists:prefix("elixirscope", atom_to_list(Module)).

is_ours(Pid) ->
    case process_info(Pid, [current_function, initial_call]) of
        [{_, {M, _, _}}, {_, {I, _, _}}] -> ours(M) orelse ours(I);
        _ -> false
    end.

%% ---- others ----

idle(stop) -> ok;
idle(_) -> receive Message -> idle(Message) end.

spawn_idle(N) ->
    Pids = [spawn(?MODULE, idle, [x]) || _ <- lists:seq(1, N)],
    length(Pids).

%% A process that another tool traces.
foreign(Flags) ->
    Tracer = spawn(?MODULE, idle, [x]),
    Traced = spawn(?MODULE, idle, [x]),
    1 = erlang:trace(Traced, true, [{tracer, Tracer} | Flags]),
    {Traced, Tracer}.

foreign_tracer(Pid) ->
    {erlang:trace_info(Pid, tracer), erlang:trace_info(Pid, flags)}.

%% Errors that were logged: a handler of the test's own.
count_log(Name, Level) ->
    _ = ets:new(Name, [named_table, public, ordered_set, {heir, whereis(init), none}]),
    logger:add_handler(Name, ?MODULE, #{level => Level, config => Name}).

log(Event, #{config := Table}) ->
    ets:insert(Table, {erlang:unique_integer([monotonic]), Event}).

log_lines() ->
    [Event || {_, Event} <- ets:tab2list(seen)].

%% Runs a fun's worth of code in this VM, outside of the calling process.
in_vm({M, F, A}) ->
    spawn(M, F, A).

fail(Reason) ->
    error(Reason),
    ok.
