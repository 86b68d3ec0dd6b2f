%% SPDX-License-Identifier: MIT
%% A supervisor of one child that crashes when it is told to, see correlate.
-module(correlate_tree).
-behaviour(supervisor).
-export([start/0, init/1]).

start() -> supervisor:start_link(?MODULE, []).

init([]) ->
    {ok, {#{intensity => 100, period => 1}, [#{id => child, start => {correlate, child, [0]}, type => worker}]}}.
