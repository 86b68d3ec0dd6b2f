%% SPDX-License-Identifier: MIT
%% A server of the workload `states`: its state is a map.
-module(states_server).
-behaviour(gen_server).
-export([start_link/1, init/1, handle_call/3, handle_cast/2, handle_info/2, handle_continue/2, code_change/3]).

start_link(Name) -> gen_server:start_link({local, Name}, ?MODULE, Name, []).

log(State) -> ets:insert(last, {self(), State}), State.

init(Name) -> {ok, log(#{name => Name})}.

handle_call({put, K, V}, _, S) -> {reply, ok, log(S#{K => V})};
handle_call({set, New}, _, _) -> {reply, ok, log(New)};
handle_call({hibernate, K, V}, _, S) -> {reply, ok, log(S#{K => V}), hibernate};
handle_call({later, K, V}, _, S) -> {reply, ok, log(S#{K => waiting}), {continue, {put, K, V}}};
handle_call(look, _, S) -> {reply, ok, S};
handle_call(stop, _, S) -> {stop, normal, ok, log(S#{stopped => true})};
handle_call(crash, _, S) -> error({crashed, map_size(S)}).

handle_cast({put, K, V}, S) -> {noreply, log(S#{K => V})}.
handle_info({put, K, V}, S) -> {noreply, log(S#{K => V})}.
handle_continue({put, K, V}, S) -> {noreply, log(S#{K => V})}.
code_change(_, S, New) -> {ok, log(maps:merge(S, New))}.
