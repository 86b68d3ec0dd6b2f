%% SPDX-License-Identifier: MIT
%% What a program under recording may ask of ElixirScope. All of it is safe to call where nothing is recorded.
-module(elixirscope).
-export([mark/1, mark/2, status/0, stop/0]).

%% Writes a mark into the recording, as an event of the calling process.
-spec mark(term()) -> ok | {error, not_running | lost}.
mark(Label) ->
    mark(Label, #{}).

-spec mark(term(), term()) -> ok | {error, not_running | lost}.
mark(Label, Meta) ->
    try elixirscope_nif:emit(mark, self(), {Label, Meta}) of
        ok -> ok;
        lost -> {error, case whereis(elixirscope_agent) of undefined -> not_running; _ -> lost end}
    catch
        error:_ -> {error, not_running}
    end.

%% What is recorded at the moment: #{session, level, events, lost, percent_of_cpu, budget_step, processes,
%% since_ms}.
-spec status() -> map() | {error, not_running}.
status() ->
    elixirscope_agent:ask(status, 5000).

%% Ends the recording of this node and takes ElixirScope out of it.
-spec stop() -> ok | {error, not_running}.
stop() ->
    elixirscope_agent:ask(stop, 30000).
