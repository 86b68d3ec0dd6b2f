/* SPDX-License-Identifier: MIT */
/* Probes: what woven code calls, by way of the module elixirscope_probe. A probe records for every process that is not excluded while
 * recording is on: that a module is woven says that it is to be seen. Nothing is asked of the arguments: where a site is none, where no
 * session is open, where the ring is full, the answer is the same. Sampling, budgets and secrets are those of traced calls. */
#ifndef ES_CAPTURE_PROBE_H
#define ES_CAPTURE_PROBE_H

#include <erl_nif.h>

ERL_NIF_TERM es_probe_enter(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]);       /* Site, arguments */
ERL_NIF_TERM es_probe_enter_list(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]);  /* Site, [Argument] */
ERL_NIF_TERM es_probe_return(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]);      /* Site, Value */
ERL_NIF_TERM es_probe_tail(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]);        /* Site */
ERL_NIF_TERM es_probe_line(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]);        /* Site */
ERL_NIF_TERM es_probe_values(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]);      /* Site, values */
ERL_NIF_TERM es_probe_values_list(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]); /* Site, [Value] */
ERL_NIF_TERM es_probe_try(ErlNifEnv *env, int argc,
                          const ERL_NIF_TERM argv[]); /* Site; answers the token, 0: not recorded */
ERL_NIF_TERM es_probe_caught(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]); /* Site, Token, Class, Reason */
ERL_NIF_TERM es_probe_taken(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]);  /* Site, Message */

#endif
