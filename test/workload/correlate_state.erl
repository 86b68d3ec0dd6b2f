%% SPDX-License-Identifier: MIT
%% A state machine that postpones what comes while it is closed, see correlate.
-module(correlate_state).
-behaviour(gen_statem).
-export([init/1, callback_mode/0, open/3, closed/3, finish/1]).

callback_mode() -> state_functions.

init(_) -> {ok, open, 0}.

%% Opens it if it is closed, so that all that was postponed is handled, and writes its log.
finish(Machine) ->
    gen_statem:cast(Machine, open),
    ok = gen_statem:call(Machine, stop, infinity).

open(cast, open, _) -> keep_state_and_data;
open(cast, {n, N, turn}, Data) ->
    correlate:log("handled", N, "cast"),
    {next_state, closed, Data + 1};
open({call, From}, {n, N}, Data) ->
    correlate:log("handled", N, "call"),
    {keep_state, Data + 1, [{reply, From, {answer, N}}]};
open({call, From}, stop, _) ->
    correlate:write(),
    {stop_and_reply, normal, [{reply, From, ok}]};
open(Type, {n, N}, Data) ->
    correlate:log("handled", N, atom_to_list(Type)),
    {keep_state, Data + 1}.

closed(cast, open, Data) -> {next_state, open, Data};
closed(cast, {n, N, turn}, Data) ->
    correlate:log("handled", N, "cast"),
    {next_state, open, Data + 1, []};
closed({call, _}, stop, Data) -> {next_state, open, Data, postpone};
closed({call, From}, {n, N}, Data) ->
    correlate:log("handled", N, "call"),
    {next_state, open, Data, [{reply, From, {answer, N}}]}; % a caller waits
closed(Type, {n, N}, _) ->
    correlate:log("handled", N, atom_to_list(Type)),
    case N rem 2 of
        0 -> {keep_state_and_data, [postpone]};
        1 -> {keep_state_and_data, [{postpone, true}]}
    end.
