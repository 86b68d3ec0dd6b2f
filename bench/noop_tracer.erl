%% SPDX-License-Identifier: MIT
%% Erlang side of noop_tracer.c: a tracer that does nothing, the floor for bench/nif_floor.escript.
-module(noop_tracer).
-export([load/1, enabled/3, trace/5]).

load(Path) -> erlang:load_nif(Path, 0).

enabled(_Tag, _State, _Tracee) -> discard.

trace(_Tag, _State, _Tracee, _Term, _Opts) -> ok.
