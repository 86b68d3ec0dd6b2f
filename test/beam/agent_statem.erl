%% SPDX-License-Identifier: MIT
%% A state machine to record: its states are functions, and it has an exported function of three arguments
%% that is none.
-module(agent_statem).
-behaviour(gen_statem).
-export([start/0, push/1, helper/3, init/1, callback_mode/0, off/3, on/3, terminate/3]).

start() -> gen_statem:start(?MODULE, [], []).
push(Machine) -> gen_statem:call(Machine, push).
helper(A, B, C) -> {A, B, C}.

init([]) -> {ok, off, 0}.
callback_mode() -> state_functions.
off({call, From}, push, Count) -> {next_state, on, Count + 1, [{reply, From, on}]}.
on({call, From}, push, Count) ->
    {next_state, off, Count, [{reply, From, {off, agent_statem:helper(1, 2, Count)}}]}.
terminate(_, _, _) -> ok.
