%% SPDX-License-Identifier: MIT
%% A handler of the node's own logger: events of level error and above go into the recording, crash reports
%% with their stack trace. It runs in the process that logs, so it does little, never waits, and never fails.
-module(elixirscope_logger).
-export([add/0, remove/0, log/2]).

-define(TEXT_MAX, 4096).
%% copies of what the recording has better, or what nobody asked for
-define(HEAVY, [state, log, dictionary, messages]).

-spec add() -> ok | {error, term()}.
add() ->
    Config = #{
        level => error,
        filter_default => log,
        filters => [{remote, {fun logger_filters:remote_gl/2, stop}}]
    },
    logger:add_handler(elixirscope, ?MODULE, Config).

-spec remove() -> ok | {error, term()}.
remove() ->
    logger:remove_handler(elixirscope).

-spec log(logger:log_event(), logger:handler_config()) -> ok.
log(Event, _Config) ->
    try
        {Kind, Pid, Payload} = event(Event),
        _ = elixirscope_nif:emit(Kind, Pid, Payload),
        ok
    catch
        _:_ -> ok
    end.

%% A crash: of a process that proc_lib started, of another one as the emulator tells it, or as Elixir's logger
%% has rewritten either.
event(#{msg := {report, #{label := {proc_lib, crash}, report := [Info, _]}}} = Event) ->
    {crash, pid(proplists:get_value(pid, Info), Event), crash_report(Info)};
event(
    #{msg := {_, [Pid, {Reason, Stack}]}, meta := #{error_logger := #{emulator := true}}} = Event
) when is_list(Stack) ->
    {crash, pid(Pid, Event), #{class => error, reason => Reason, stacktrace => Stack}};
event(#{meta := #{crash_reason := {Reason, Stack}}} = Event) when is_list(Stack) ->
    {crash, pid(none, Event), (about(Event))#{class => error, reason => Reason, stacktrace => Stack}};
event(Event) ->
    {log, pid(none, Event), about(Event)}.

pid(Pid, _) when is_pid(Pid) -> Pid;
pid(_, #{meta := #{pid := Pid}}) when is_pid(Pid) -> Pid;
pid(_, _) -> undefined.

crash_report(Info) ->
    {Class, Reason, Stack} = proplists:get_value(error_info, Info),
    Kept = [
        Pair
     || {Key, _} = Pair <- Info,
        lists:member(Key, [initial_call, registered_name, ancestors, message_queue_len, heap_size])
    ],
    (maps:from_list(Kept))#{class => Class, reason => Reason, stacktrace => Stack}.

about(#{level := Level, msg := Message, meta := Meta}) ->
    maps:merge(maps:with([mfa, file, line, domain], Meta), (message(Message))#{level => Level}).

message({string, Text}) ->
    #{text => bounded(io_lib:format("~ts", [Text], [{chars_limit, ?TEXT_MAX}]))};
message({report, Report}) when is_map(Report) ->
    #{report => maps:without(?HEAVY, Report)};
message({report, Report}) ->
    #{report => Report};
message({Format, Arguments}) ->
    #{text => bounded(io_lib:format(Format, Arguments, [{chars_limit, ?TEXT_MAX}]))}.

bounded(Chars) ->
    Text = unicode:characters_to_binary(Chars),
    binary:part(Text, 0, min(byte_size(Text), 4 * ?TEXT_MAX)).
