/* SPDX-License-Identifier: MIT */
/* Which terms name a secret, by the session's rules (redact.h). */
#ifndef ES_CAPTURE_SECRET_H
#define ES_CAPTURE_SECRET_H

#include "capture/draft.h"
#include "capture/type.h"

bool es_secret_atom(struct es_draft *d, ERL_NIF_TERM atom);
bool es_secret_other(struct es_draft *d, ERL_NIF_TERM key);
bool es_secret_struct_slowly(struct es_draft *d, ERL_NIF_TERM map);

/* Whether what stands under this key (an atom, a binary or a charlist: of a map, or first of a pair) is a secret. */
ES_INLINE bool es_secret_key(struct es_draft *d, ERL_NIF_TERM key)
{
    if (d->s->redact.lengths[ES_REDACT_KEY] == 0)
        return false;
    if (ES_UNLIKELY(!es_words_known) || !es_word_is_atom(key))
        return es_secret_other(d, key);
    unsigned known = es_seen_find(d->t, es_seen_key(ES_SEEN_ATOM, key));
    return ES_UNLIKELY(!(known & ES_SEEN_PLAIN)) && es_secret_atom(d, key);
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
