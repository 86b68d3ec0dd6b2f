%% SPDX-License-Identifier: MIT
%% Erlang side of noop_tracer.c: a tracer that does nothing, the floor for bench/nif_floor.erl, and an empty function for probes.erl.
-module(noop_tracer).
-export([load/1, enabled/3, trace/5, nothing/3]).

load(Path) -> erlang:load_nif(Path, 0).

enabled(_Tag, _State, _Tracee) -> discard.

trace(_Tag, _State, _Tracee, _Term, _Opts) -> ok.

nothing(_, _, _) -> erlang:nif_error(not_loaded).
