/* SPDX-License-Identifier: MIT */
/* What a thread remembers of words it has met: that its ring has their definition, and whether a rule makes them the name of a secret.
 * A fixed table of sets of four, the latest first; what falls out is found out again. */
#ifndef ES_CAPTURE_SEEN_H
#define ES_CAPTURE_SEEN_H

#include "capture/session.h"

enum es_seen_class {
    ES_SEEN_ATOM,   /* atom by word; value: 1 */
    ES_SEEN_OTHER,  /* other reference by es_ref_value; value: 1 */
    ES_SEEN_KEY,    /* atom by word; value: 1 where it names a secret, else 0 */
    ES_SEEN_STRUCT, /* atom by word; value: 1 where a struct of this name is secret */
};

static inline uint64_t es_seen_key(enum es_seen_class class, uint64_t value)
{
    return value << 4 | (uint64_t) class << 2 | 2;
}

static inline uint64_t *es_seen_set(struct es_thread *t, uint64_t key)
{
    _Static_assert(ES_SEEN_SETS == 1 << 10, "ten bits of the hash");
    return t->seen[(key * UINT64_C(0x9e3779b97f4a7c15)) >> 54];
}

/* The value, or -1 where it is not known. */
static inline int es_seen_find(struct es_thread *t, uint64_t key)
{
    const uint64_t *set = es_seen_set(t, key);
    for (int i = 0; i < 4; i++)
        if ((set[i] | 1) == (key | 1))
            return (int)(set[i] & 1);
    return -1;
}

static inline void es_seen_add(struct es_thread *t, uint64_t key, bool value)
{
    uint64_t *set = es_seen_set(t, key);
    set[3] = set[2];
    set[2] = set[1];
    set[1] = set[0];
    set[0] = key | value;
}

static inline void es_seen_forget(struct es_thread *t, uint64_t key)
{
    uint64_t *set = es_seen_set(t, key);
    for (int i = 0; i < 4; i++)
        if ((set[i] | 1) == (key | 1))
            set[i] = 0;
}

#endif
