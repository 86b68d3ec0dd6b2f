/* SPDX-License-Identifier: MIT */
/* Events and words to the engine that the agent makes itself, from Erlang. */
#ifndef ES_CAPTURE_EMIT_H
#define ES_CAPTURE_EMIT_H

#include <erl_nif.h>

void es_emit_load(ErlNifEnv *env); /* makes the names of kinds */

ERL_NIF_TERM es_emit_nif(ErlNifEnv *env, int argc,
                         const ERL_NIF_TERM argv[]); /* emit(Kind, Pid | undefined, Term) -> ok | lost */
ERL_NIF_TERM es_module_nif(ErlNifEnv *env, int argc,
                           const ERL_NIF_TERM argv[]); /* module(Module, [Behaviour]) -> ok | lost */
ERL_NIF_TERM es_source_nif(ErlNifEnv *env, int argc,
                           const ERL_NIF_TERM argv[]); /* source(Key, Source) -> ok | lost; Key has 56 bits */
ERL_NIF_TERM es_clock_nif(ErlNifEnv *env, int argc,
                          const ERL_NIF_TERM argv[]); /* clock() -> {MonoNs, ErrorNs} | lost */

#endif
