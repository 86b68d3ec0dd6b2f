%% SPDX-License-Identifier: MIT
%% The tracer and what the agent needs of it, in C (c_src/capture). Nothing is loaded with the module itself: load/1 does it, so that a
%% library that can't be loaded is an answer and not the end of somebody's boot.
-module(elixirscope_nif).

-export([load/1, open/1, close/0, clock/0, emit/3, module/2, exclude/1, enable/1, limits/1, stats/0, beat/0, done/0]).
-export([enabled/3, trace/5]).
-export([open_arena/1, close_arena/0]).

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

open_arena(_Path) -> not_loaded().
close_arena() -> not_loaded().
clock() -> not_loaded().
emit(_Kind, _Pid, _Term) -> not_loaded().
module(_Module, _Behaviours) -> not_loaded().
exclude(_Pids) -> not_loaded().
enable(_On) -> not_loaded().
limits(_Limits) -> not_loaded().
stats() -> not_loaded().
beat() -> not_loaded().
done() -> not_loaded().

not_loaded() -> erlang:nif_error(not_loaded).
