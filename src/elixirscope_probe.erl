%% SPDX-License-Identifier: MIT
%% What woven code calls, and nothing else: every function answers, none fails, none looks at what it is given. This is the version for
%% a node where nothing is recorded; elixirscope_probes loads the other one, whose functions are those of the NIF.
-module(elixirscope_probe).

-export([enter/1, enter/2, enter/3, enter/4, enter/5, enter/6, enter/7, enter_list/2, return/2, tail/1]).
-export([line/1, values/2, values/3, values/4, values/5, values/6, values/7, values_list/2]).
-export([try_/1, caught/4, taken/2]).

enter(_) -> ok.
enter(_, _) -> ok.
enter(_, _, _) -> ok.
enter(_, _, _, _) -> ok.
enter(_, _, _, _, _) -> ok.
enter(_, _, _, _, _, _) -> ok.
enter(_, _, _, _, _, _, _) -> ok.
enter_list(_, _) -> ok.
return(_, _) -> ok.
tail(_) -> ok.

line(_) -> ok.
values(_, _) -> ok.
values(_, _, _) -> ok.
values(_, _, _, _) -> ok.
values(_, _, _, _, _) -> ok.
values(_, _, _, _, _, _) -> ok.
values(_, _, _, _, _, _, _) -> ok.
values_list(_, _) -> ok.

try_(_) -> 0.
caught(_, _, _, _) -> ok.
taken(_, _) -> ok.
