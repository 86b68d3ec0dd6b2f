%% SPDX-License-Identifier: MIT
%% Makes funs, one of which weave_load keeps in a table.
-module(weave_funs).
-export([adder/1, all/1]).

adder(N) -> fun(M) -> plus(N, M) end.

all(List) -> lists:map(adder(1), List).

plus(A, B) -> A + B.
