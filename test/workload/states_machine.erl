%% SPDX-License-Identifier: MIT
%% A state machine of the workload `states`: idle and busy in turn, its data is a map.
-module(states_machine).
-behaviour(gen_statem).
-export([start_link/1, init/1, callback_mode/0, idle/3, busy/3, code_change/4]).

start_link(Name) -> gen_statem:start_link({local, Name}, ?MODULE, Name, []).

callback_mode() -> state_functions.

log(Name, Data) -> ets:insert(last, {self(), {Name, Data}}), Data.

init(Name) -> {ok, idle, log(idle, #{name => Name})}.

idle(Type, Event, Data) -> handle(Type, Event, idle, busy, Data).
busy(Type, Event, Data) -> handle(Type, Event, busy, idle, Data).

handle({call, From}, {put, K, V}, _, Other, D) -> {next_state, Other, log(Other, D#{K => V}), [{reply, From, ok}]};
handle({call, From}, {set, New}, Name, _, _) -> {keep_state, log(Name, New), [{reply, From, ok}]};
handle({call, From}, {hibernate, K, V}, Name, _, D) -> {keep_state, log(Name, D#{K => V}), [{reply, From, ok}, hibernate]};
handle({call, From}, {later, K, V}, Name, Other, D) ->
    {next_state, Other, log(Other, D#{K => {waiting, Name}}), [{reply, From, ok}, {next_event, internal, {put, K, V}}]};
handle({call, From}, look, _, _, _) -> {keep_state_and_data, [{reply, From, ok}]};
handle({call, From}, stop, Name, _, D) -> {stop_and_reply, normal, [{reply, From, ok}], log(Name, D#{stopped => true})};
handle({call, _}, crash, _, _, D) -> error({crashed, map_size(D)});
handle(_, {put, K, V}, Name, _, D) -> {keep_state, log(Name, D#{K => V})}.

code_change(_, Name, D, New) -> {ok, Name, log(Name, maps:merge(D, New))}.
