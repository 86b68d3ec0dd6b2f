%% SPDX-License-Identifier: MIT
%% A handler of events, see correlate.
-module(correlate_event).
-behaviour(gen_event).
-export([init/1, handle_event/2, handle_call/2, handle_info/2, terminate/2]).

init(Which) -> {ok, Which}.

handle_event({n, N}, Which) ->
    correlate:log("handled", N, "event"),
    {ok, Which}.

handle_call({n, N}, Which) ->
    correlate:log("handled", N, "ask"),
    {ok, ok, Which}.

handle_info({n, N}, Which) ->
    correlate:log("handled", N, "info"),
    {ok, Which}.

%% One log for both.
terminate(_, one) -> ok;
terminate(_, two) -> correlate:write().
