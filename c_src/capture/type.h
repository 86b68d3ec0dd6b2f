/* SPDX-License-Identifier: MIT */
/* What a term is. enif_term_type() ends the emulator where it meets a type that it does not know itself: on OTP 29 a native record. So
 * there is one place that asks it.
 *
 * Small integers, atoms, [] and list cells can be told by their word alone, without asking. How these words are made is the emulator's
 * own affair: when the library is loaded, words of known terms are compared with what is assumed here. Where one differs, all is asked. */
#ifndef ES_CAPTURE_TYPE_H
#define ES_CAPTURE_TYPE_H

#include <stdbool.h>
#include <stdint.h>

#include <erl_nif.h>

#define ES_TYPE_OTHER ((ErlNifTermType)0) /* none of erl_nif.h */

/* May this emulator have terms that erl_nif.h does not know? */
extern bool es_type_may_be_other;

/* Do this emulator's words look as it is assumed here? */
extern bool es_words_known;

/* []: the same word everywhere. */
extern ERL_NIF_TERM es_nil;

void es_type_load(ErlNifEnv *env);
ErlNifTermType es_type_ask(ErlNifEnv *env, ERL_NIF_TERM term);

#define ES_SMALL_SHIFT 4
static inline bool es_word_is_small(ERL_NIF_TERM term) { return (term & 0xf) == 0xf; }
static inline int64_t es_word_small(ERL_NIF_TERM term) { return (int64_t)term >> ES_SMALL_SHIFT; }
static inline bool es_word_is_atom(ERL_NIF_TERM term) { return (term & 0x3f) == 0x0b; }
static inline bool es_word_is_cell(ERL_NIF_TERM term) { return (term & 0x3) == 0x1; }

static inline ErlNifTermType es_type_of(ErlNifEnv *env, ERL_NIF_TERM term)
{
    if (es_words_known) {
        if (es_word_is_small(term))
            return ERL_NIF_TERM_TYPE_INTEGER;
        if (es_word_is_atom(term))
            return ERL_NIF_TERM_TYPE_ATOM;
        if (es_word_is_cell(term))
            return ERL_NIF_TERM_TYPE_LIST;
    }
    return es_type_may_be_other ? es_type_ask(env, term) : enif_term_type(env, term);
}

static inline bool es_is_nil(ErlNifEnv *env, ERL_NIF_TERM term)
{
    return es_words_known ? term == es_nil : enif_is_empty_list(env, term);
}

static inline bool es_get_int64(ErlNifEnv *env, ERL_NIF_TERM term, int64_t *ret_value)
{
    ErlNifSInt64 value;
    if (es_words_known && es_word_is_small(term)) {
        *ret_value = es_word_small(term);
        return true;
    }
    if (!enif_get_int64(env, term, &value))
        return false;
    *ret_value = value;
    return true;
}

#endif
