/* SPDX-License-Identifier: MIT */
/* Which terms name a secret, by the session's rules (redact.h). */
#ifndef ES_CAPTURE_SECRET_H
#define ES_CAPTURE_SECRET_H

#include "capture/draft.h"

bool es_secret_atom(struct es_draft *d, ERL_NIF_TERM atom, enum es_redact_kind kind);
bool es_secret_binary(struct es_draft *d, ERL_NIF_TERM binary);
bool es_secret_charlist(struct es_draft *d, ERL_NIF_TERM list);
bool es_secret_struct_slowly(struct es_draft *d, ERL_NIF_TERM map);

/* Whether what stands under this key (an atom, a binary or a charlist: of a map, or first of a pair) is a secret. */
static inline bool es_secret_key(struct es_draft *d, ERL_NIF_TERM key, ErlNifTermType type)
{
    if (d->s->redact.lengths[ES_REDACT_KEY] == 0)
        return false;
    switch (type) {
    case ERL_NIF_TERM_TYPE_ATOM: {
        int known = es_seen_find(d->t, es_seen_key(ES_SEEN_KEY, key));
        return ES_LIKELY(known >= 0) ? known : es_secret_atom(d, key, ES_REDACT_KEY);
    }
    case ERL_NIF_TERM_TYPE_BITSTRING: return es_secret_binary(d, key);
    case ERL_NIF_TERM_TYPE_LIST: return es_secret_charlist(d, key);
    default: return false;
    }
}

/* Whether a map is a struct that is secret as a whole. */
static inline bool es_secret_struct(struct es_draft *d, ERL_NIF_TERM map)
{
    return d->s->redact.lengths[ES_REDACT_STRUCT] != 0 && es_secret_struct_slowly(d, map);
}

/* Whether whole states matter more than the time they take (`--state unlimited`). */
static inline bool es_takes_its_time(const struct es_draft *d)
{
    return atomic_load_explicit(&d->s->arena.head->limits.work, memory_order_relaxed) >= ES_WORK_UNLIMITED;
}

/* Whether binaries may be looked into: not for a while after the emulator had to copy a large one for us, which it does for those that
 * do not begin at a byte. Nothing tells these apart beforehand. */
static inline bool es_binary_may_inspect(const struct es_draft *d) { return d->stamp >= d->t->slow_until; }

/* To be called after a look at a binary of this size. */
void es_binary_inspected_large(struct es_draft *d, ERL_NIF_TERM term, const ErlNifBinary *binary);
static inline void es_binary_inspected(struct es_draft *d, ERL_NIF_TERM term, const ErlNifBinary *binary)
{
    if (ES_UNLIKELY(binary->size > 16384))
        es_binary_inspected_large(d, term, binary);
}

#endif
