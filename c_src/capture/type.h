/* SPDX-License-Identifier: MIT */
/* What a term is. enif_term_type() ends the emulator where it meets a type that it does not know itself: on OTP 29 a native record. So
 * there is one place that asks it. */
#ifndef ES_CAPTURE_TYPE_H
#define ES_CAPTURE_TYPE_H

#include <stdbool.h>

#include <erl_nif.h>

#define ES_TYPE_OTHER ((ErlNifTermType)0) /* none of erl_nif.h */

/* May this emulator have terms that erl_nif.h does not know? */
extern bool es_type_may_be_other;

void es_type_load(ErlNifEnv *env);
ErlNifTermType es_type_ask(ErlNifEnv *env, ERL_NIF_TERM term);

static inline ErlNifTermType es_type_of(ErlNifEnv *env, ERL_NIF_TERM term)
{
    return es_type_may_be_other ? es_type_ask(env, term) : enif_term_type(env, term);
}

#endif
