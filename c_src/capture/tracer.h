/* SPDX-License-Identifier: MIT */
/* The two functions the emulator calls of a tracer (erl_tracer), and what makes them ready. */
#ifndef ES_CAPTURE_TRACER_H
#define ES_CAPTURE_TRACER_H

#include <erl_nif.h>

/* Builds the table of trace tags; es_atoms_load() comes first. */
void es_tracer_load(ErlNifEnv *env);

ERL_NIF_TERM es_tracer_enabled(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]);
ERL_NIF_TERM es_tracer_trace(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]);

#endif
