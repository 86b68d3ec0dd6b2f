%% SPDX-License-Identifier: MIT
%% Of this module a process waits in the code from before weaving, until it is told to go on.
-module(weave_parked).
-export([wait/0, twice/1]).

wait() -> receive go -> twice(21) end.

twice(N) -> 2 * N.
