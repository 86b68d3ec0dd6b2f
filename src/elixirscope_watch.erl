%% SPDX-License-Identifier: MIT
%% What only a process can be told: the system monitor, and nodes that come and go. A process of its own, so
%% that a flood of such messages does not keep the agent from its work.
-module(elixirscope_watch).
-export([start/1, init/1]).

-define(QUEUE_MAX, 1000).
-define(PAUSE_MS, 1000).
%% ms, ms, words
-define(MONITOR, [{long_gc, 100}, {long_schedule, 100}, {large_heap, 4194304}, busy_port, busy_dist_port]).

%% Starts it; {go, System :: boolean()} makes it begin, it answers {watch, self(), Notices}. It ends with the
%% agent.
-spec start(pid()) -> pid().
start(Agent) ->
    spawn(?MODULE, init, [Agent]).

-spec init(pid()) -> ok.
init(Agent) ->
    process_flag(message_queue_data, off_heap),
    Ref = erlang:monitor(process, Agent),
    receive
        {go, System} ->
            _ = try net_kernel:monitor_nodes(true, [nodedown_reason]) catch _:_ -> error end,
            Agent ! {watch, self(), system(System)},
            loop(Ref);
        {'DOWN', Ref, process, Agent, _} ->
            ok
    end.

%% There is one system monitor a node: somebody's before us stays.
system(false) ->
    [];
system(true) ->
    case erlang:system_monitor() of
        undefined ->
            erlang:system_monitor(self(), ?MONITOR),
            [];
        {Pid, _} ->
            Text = [
                "the system monitor belongs to ", elixirscope_vm:text(Pid),
                ": long garbage collections and schedules, large heaps and busy ports are not recorded"
            ],
            [{foreign_monitor, iolist_to_binary(Text)}]
    end.

loop(Ref) ->
    receive
        {'DOWN', Ref, process, _, _} ->
            ok;
        resume ->
            _ = erlang:system_monitor() =:= undefined andalso erlang:system_monitor(self(), ?MONITOR),
            loop(Ref);
        Message ->
            _ = try tell(Message) catch error:_ -> lost end,
            flood(),
            loop(Ref)
    end.

tell({monitor, Pid, long_gc, Info}) -> elixirscope_nif:emit(long_gc, Pid, maps:from_list(Info));
tell({monitor, Pid, large_heap, Info}) -> elixirscope_nif:emit(large_heap, Pid, maps:from_list(Info));
tell({monitor, Pid, long_schedule, Info}) when is_pid(Pid) ->
    elixirscope_nif:emit(long_schedule, Pid, maps:from_list(Info));
tell({monitor, Port, long_schedule, Info}) ->
    elixirscope_nif:emit(long_schedule, undefined, maps:from_list([{port, Port} | Info]));
tell({monitor, Pid, busy_port, Port}) -> elixirscope_nif:emit(busy_port, Pid, {Port, #{}});
tell({monitor, Pid, busy_dist_port, Port}) -> elixirscope_nif:emit(busy_dist_port, Pid, {Port, #{}});
tell({nodeup, Node, Info}) -> elixirscope_nif:emit(node_up, undefined, {Node, maps:from_list(Info)});
tell({nodedown, Node, Info}) -> elixirscope_nif:emit(node_down, undefined, {Node, maps:from_list(Info)});
tell(_) -> ok.

%% More than can be told: what waits is dropped and counted, and the monitor rests for a second.
flood() ->
    case erlang:process_info(self(), message_queue_len) of
        {message_queue_len, Waiting} when Waiting > ?QUEUE_MAX ->
            rest(),
            Text = [
                integer_to_list(drop(0)), " system monitor messages were dropped: there were too many at once"
            ],
            _ = elixirscope_nif:emit(notice, undefined, {dropped, iolist_to_binary(Text)}),
            _ = erlang:send_after(?PAUSE_MS, self(), resume),
            ok;
        _ ->
            ok
    end.

rest() ->
    case erlang:system_monitor() of
        {Pid, _} when Pid =:= self() -> erlang:system_monitor(undefined), ok;
        _ -> ok
    end.

drop(N) ->
    receive {monitor, _, _, _} -> drop(N + 1) after 0 -> N end.
