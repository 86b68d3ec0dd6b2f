/* SPDX-License-Identifier: MIT */
/* Terms that name somebody, as 64-bit references (wire/event.h). */
#ifndef ES_CAPTURE_REFS_H
#define ES_CAPTURE_REFS_H

#include "capture/draft.h"

es_ref es_ref_of_pid_slowly(ErlNifEnv *env, struct es_thread *t, ERL_NIF_TERM term);

/* The reference of a local pid or port; 0 where the term is something else. */
static inline es_ref es_ref_of_local(ErlNifEnv *env, struct es_thread *t, ERL_NIF_TERM term)
{
    _Static_assert(ES_PID_SETS == 1 << 11, "eleven bits of the hash");
    const struct es_known_pid *set = t->pids[(term * UINT64_C(0x9e3779b97f4a7c15)) >> 53];
    if (ES_LIKELY(set[0].word == term))
        return set[0].ref;
    if (set[1].word == term)
        return set[1].ref;
    return es_ref_of_pid_slowly(env, t, term);
}

/* An atom, to be defined with the event. 0 for other terms. */
static inline es_ref es_ref_of_atom(struct es_draft *d, ERL_NIF_TERM atom)
{
    es_ref ref = es_ref_make(ES_REF_ATOM, atom);
    uint64_t key = es_seen_key(ES_SEEN_ATOM, atom);
    if (ES_LIKELY(es_seen_find(d->t, key) & ES_SEEN_DEFINED))
        return ref;
    return enif_is_atom(d->env, atom) && es_draft_define(d, ref, atom, key) ? ref : 0;
}

/* Any addressee or peer: pid, port, registered name, {Name, Node}, alias; 0 for other terms. */
es_ref es_ref_of_peer(struct es_draft *d, ERL_NIF_TERM term);

/* Another node, which is all that is known of who sent a message from there; 0 for what is none. Its definition is its name. */
es_ref es_ref_of_node(struct es_draft *d, ERL_NIF_TERM node);

/* A number that a reference has in all copies of it: what pairs a call with its reply. Never 0. */
uint64_t es_ref_number(ERL_NIF_TERM ref);

#endif
