%% SPDX-License-Identifier: MIT
%% A state machine with timeouts of all kinds, see correlate. What is set with a time is one call of erlang:start_timer, in the order in which
%% it is written down; a time of 0 is none.
-module(correlate_timer).
-behaviour(gen_statem).
-export([init/1, callback_mode/0, on/3, off/3]).

callback_mode() -> state_functions.

init(_) -> {ok, on, 0}.

on(Type, Event, Data) -> handle(Type, Event, Data, off).
off(Type, Event, Data) -> handle(Type, Event, Data, on).

handle(cast, {n, N, {set, Kind, Ms}}, Data, _) ->
    correlate:log("handled", N, "cast"),
    {keep_state, Data + 1, [action(Kind, Ms)]};
handle(cast, {n, N, turn}, Data, Other) -> % a timeout of the state is over
    correlate:log("handled", N, "cast"),
    {next_state, Other, Data + 1};
handle(cast, {n, N, {both, Ms}}, Data, _) ->
    correlate:log("handled", N, "cast"),
    {keep_state, Data + 1, [action(state_timeout, Ms), action({timeout, a}, Ms)]};
handle(cast, {n, N, {start, Ms}}, Data, _) ->
    correlate:log("handled", N, "cast"),
    M = correlate:next(),
    correlate:log("timer", M, "start"),
    erlang:start_timer(Ms, self(), {n, M}),
    {keep_state, Data + 1};
handle({call, From}, stop, _, _) ->
    correlate:write(),
    {stop_and_reply, normal, [{reply, From, ok}]};
handle(info, {timeout, _, {n, N}}, Data, _) ->
    correlate:log("handled", N, "start"),
    {keep_state, Data + 1};
handle(Kind, {n, N}, Data, _) ->
    correlate:log("fired", N, text(Kind)),
    {keep_state, Data + 1}.

action(Kind, Ms) ->
    M = correlate:next(),
    correlate:log("set", M, [text(Kind), " ", integer_to_list(Ms)]),
    {Kind, Ms, {n, M}}.

text(Kind) -> io_lib:format("~w", [Kind]).
