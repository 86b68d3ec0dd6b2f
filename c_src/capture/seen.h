/* SPDX-License-Identifier: MIT */
/* What a thread remembers of words it has met: that its ring has their definition, and whether a rule makes them the name of a secret.
 * A fixed table of sets of four, the latest first; what falls out is found out again. */
#ifndef ES_CAPTURE_SEEN_H
#define ES_CAPTURE_SEEN_H

#include "capture/session.h"

enum es_seen_class {
    ES_SEEN_ATOM,   /* atom by word */
    ES_SEEN_OTHER,  /* other reference by es_ref_value */
    ES_SEEN_SECRET, /* atom by word, the name of a secret */
    ES_SEEN_STRUCT, /* atom by word, as a struct's name */
};

enum es_seen_flag {
    ES_SEEN_DEFINED = 1, /* atoms and other references: the ring has its definition */
    ES_SEEN_PLAIN = 2,   /* atoms and structs: does not name a secret */
    ES_SEEN_YES = 1,     /* secrets and structs: names one */
};

static inline uint64_t es_seen_key(enum es_seen_class class, uint64_t value)
{
    return value << 4 | (uint64_t) class << 2;
}

static inline uint64_t *es_seen_set(struct es_thread *t, uint64_t key)
{
    _Static_assert(ES_SEEN_SETS == 1 << 10, "ten bits of the hash");
    return t->seen[(key * UINT64_C(0x9e3779b97f4a7c15)) >> 54];
}

/* The place of the key in its set, or NULL. Free places are 0: no flags. */
static inline uint64_t *es_seen_at(struct es_thread *t, uint64_t key)
{
    uint64_t *set = es_seen_set(t, key);
    for (int i = 0; i < 4; i++)
        if (set[i] - key < 4)
            return &set[i];
    return NULL;
}

/* The flags where the key is not in the first place. */
unsigned es_seen_find_behind(const uint64_t *set, uint64_t key);

/* The flags: 0 where nothing is known. */
static inline unsigned es_seen_find(struct es_thread *t, uint64_t key)
{
    const uint64_t *set = es_seen_set(t, key);
    return ES_LIKELY(set[0] - key < 4) ? (unsigned)(set[0] & 3) : es_seen_find_behind(set, key);
}

static inline void es_seen_add(struct es_thread *t, uint64_t key, enum es_seen_flag flag)
{
    uint64_t *known = es_seen_at(t, key), *set = es_seen_set(t, key);
    if (known) {
        *known |= flag;
        return;
    }
    set[3] = set[2];
    set[2] = set[1];
    set[1] = set[0];
    set[0] = key | flag;
}

static inline void es_seen_forget(struct es_thread *t, uint64_t key)
{
    uint64_t *known = es_seen_at(t, key);
    if (known)
        *known = 0;
}

#endif
