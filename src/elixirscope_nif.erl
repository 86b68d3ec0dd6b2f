%% SPDX-License-Identifier: MIT
%% The tracer and what the agent needs of it, in C (c_src/capture). Nothing is loaded with the module itself: load/1 does it, so that a
%% library that can't be loaded is an answer and not the end of somebody's boot.
-module(elixirscope_nif).

-export([load/1, open/1, close/0, clock/0, emit/3, module/2, source/2, exclude/1, enable/1, limits/1, stats/0, beat/0, done/0]).
-export([enabled/3, trace/5]).
-export([open_arena/1, close_arena/0]).
-export([probe_enter/1, probe_enter/2, probe_enter/3, probe_enter/4, probe_enter/5, probe_enter/6, probe_enter/7, probe_enter_list/2]).
-export([probe_return/2, probe_tail/1, probe_line/1, probe_try/1, probe_caught/4, probe_taken/2]).
-export([probe_values/2, probe_values/3, probe_values/4, probe_values/5, probe_values/6, probe_values/7, probe_values_list/2]).

%% Path is that of the library, with or without its suffix.
load(Path) ->
    Name = filename:rootname(unicode:characters_to_list(Path), ".so"),
    case erlang:load_nif(Name, 0) of
        ok -> ok;
        {error, {_Reason, Text}} -> {error, unicode:characters_to_binary(Text)}
    end.

%% Maps the arena and writes the first clock record. {error, already} where a session is open.
open(Path) ->
    case open_arena(Path) of
        ok -> _ = clock(), ok;
        {error, _} = Error -> Error
    end.

%% To be called when nothing is traced any more. {error, busy}: a thread is still in the tracer; call again.
close() -> close_arena().

%% The tracer, called by the emulator. These run where the library is not loaded: nothing is recorded then.
enabled(trace_status, _State, _Tracee) -> remove;
enabled(_Tag, _State, _Tracee) -> discard.

trace(_Tag, _State, _Tracee, _Term, _Options) -> ok.

%% What woven code calls, by way of elixirscope_probe: c_src/capture/probe.h. It never fails.
probe_enter(_) -> ok.
probe_enter(_, _) -> ok.
probe_enter(_, _, _) -> ok.
probe_enter(_, _, _, _) -> ok.
probe_enter(_, _, _, _, _) -> ok.
probe_enter(_, _, _, _, _, _) -> ok.
probe_enter(_, _, _, _, _, _, _) -> ok.
probe_enter_list(_, _) -> ok.
probe_return(_, _) -> ok.
probe_tail(_) -> ok.
probe_line(_) -> ok.
probe_values(_, _) -> ok.
probe_values(_, _, _) -> ok.
probe_values(_, _, _, _) -> ok.
probe_values(_, _, _, _, _) -> ok.
probe_values(_, _, _, _, _, _) -> ok.
probe_values(_, _, _, _, _, _, _) -> ok.
probe_values_list(_, _) -> ok.
probe_try(_) -> 0.
probe_caught(_, _, _, _) -> ok.
probe_taken(_, _) -> ok.

open_arena(_Path) -> not_loaded().
close_arena() -> not_loaded().
clock() -> not_loaded().
emit(_Kind, _Pid, _Term) -> not_loaded().
module(_Module, _Behaviours) -> not_loaded().
source(_Key, _Source) -> not_loaded().
exclude(_Pids) -> not_loaded().
enable(_On) -> not_loaded().
limits(_Limits) -> not_loaded().
stats() -> not_loaded().
beat() -> not_loaded().
done() -> not_loaded().

not_loaded() -> erlang:nif_error(not_loaded).
