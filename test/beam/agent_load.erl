%% SPDX-License-Identifier: MIT
%% Loads for tests of the agent, in the recorded VM.
-module(agent_load).
-export([run/1, spawner/1, spawned/1]).

%% Calls a server without end.
run(Server) ->
    _ = agent_target:add(Server, key, 1),
    run(Server).

%% Spawns N processes that stay, then answers who they are.
spawner(N) ->
    answer([spawn(agent_target, idle, [x]) || _ <- lists:seq(1, N), pause()]).

pause() ->
    erlang:yield().

answer(Pids) ->
    receive {who, From} -> From ! {these, Pids}, answer(Pids) end.

spawned(Spawner) ->
    Spawner ! {who, self()},
    receive {these, Pids} -> Pids end.
