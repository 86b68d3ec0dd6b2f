/* SPDX-License-Identifier: MIT */
/* The site of a probe, a literal of the woven module: {es_site, Key, Module, Function, Arity, Line, Clause, Names}. It is read where it
 * lies. Whoever calls a probe may give anything. */
#ifndef ES_CAPTURE_SITE_H
#define ES_CAPTURE_SITE_H

#include "capture/atoms.h"
#include "capture/heap.h"
#include "capture/refs.h"

struct es_site {
    ERL_NIF_TERM term, module, function, names;
    es_ref ref;
    uint64_t mark;
    uint16_t arity;
};

#define ES_SITE_ELEMENTS 8

/* Key in the thread's table: with it the ring has the definitions of both atoms, and, for events that show it, of the site. */
static inline uint64_t es_site_key(const struct es_site *site, bool shown)
{
    return es_seen_key(ES_SEEN_OTHER, (site->mark + shown) & ES_REF_VALUE_MASK);
}

/* What is looked at where a site is met for the first time: lines are numbers, names are atoms, and not too many. */
bool es_site_is_whole(ErlNifEnv *env, const struct es_site *site);

static inline bool es_site_is_atom(ErlNifEnv *env, ERL_NIF_TERM term)
{
    return ES_LIKELY(es_words_known) ? es_word_is_atom(term) : enif_is_atom(env, term);
}

/* False where the term is no site. */
ES_INLINE bool es_site_read(ErlNifEnv *env, ERL_NIF_TERM term, struct es_site *ret)
{
    int n;
    int64_t key, arity;
    const ERL_NIF_TERM *e;
    if (ES_UNLIKELY(!es_get_tuple(env, term, &n, &e)) || n != ES_SITE_ELEMENTS || e[0] != es_am.es_site ||
        !es_get_int64(env, e[1], &key) || key < 0 || key >> 56 || !es_site_is_atom(env, e[2]) ||
        !es_site_is_atom(env, e[3]) || !es_get_int64(env, e[4], &arity) || arity < 0 || arity > 255)
        return false;
    uint64_t mark = (uint64_t)key ^ e[2] * UINT64_C(0x9fb21c651e98df25) ^ e[3] * UINT64_C(0xd6e8feb86659fd93);
    ret->term = term;
    ret->module = e[2];
    ret->function = e[3];
    ret->names = e[7];
    ret->ref = es_ref_make(ES_REF_OTHER, (uint64_t)key);
    ret->mark = mark;
    ret->arity = (uint16_t)arity;
    return true;
}

#endif
