/* SPDX-License-Identifier: MIT */
/* The content hash: the same for a message where it is sent and where it is delivered, whatever the budgets. It is made from at most
 * ES_HASH_NODES terms in walking order, by the walk that writes them (walk.h). */
#ifndef ES_CAPTURE_HASH_H
#define ES_CAPTURE_HASH_H

#include "capture/draft.h"

/* What a term of each type begins with. */
enum es_hash_tag {
    ES_HASH_ATOM = 1,
    ES_HASH_INTEGER,
    ES_HASH_BIG,
    ES_HASH_FLOAT,
    ES_HASH_BITS,
    ES_HASH_FUN,
    ES_HASH_NAME,
    ES_HASH_TUPLE,
    ES_HASH_LIST,
    ES_HASH_NIL,
    ES_HASH_MAP,
    ES_HASH_SECRET,
    ES_HASH_OTHER,
};

struct es_hash {
    uint64_t value;
    uint64_t left; /* terms that still count */
    uint64_t
        on; /* 1: the term being looked at counts; whole words: halves of one would be packed and unpacked at each step */
};

#define ES_HASH_BEGIN                                                \
    {                                                                \
        .value = UINT64_C(0x9e3779b97f4a7c15), .left = ES_HASH_NODES \
    }

/* Begins the next term. */
ES_INLINE void es_hash_next(struct es_hash *h)
{
    h->on = h->left > 0;
    h->left -= h->on;
}

/* The multiplications do not wait for each other. */
ES_INLINE void es_hash_add(struct es_hash *h, enum es_hash_tag tag, uint64_t value)
{
    uint64_t word = (value + (uint64_t)tag) * UINT64_C(0x9fb21c651e98df25);
    if (h->on)
        h->value = (h->value << 23 | h->value >> 41) ^ word ^ word >> 32;
}

/* A whole leaf. */
ES_INLINE void es_hash_leaf(struct es_hash *h, enum es_hash_tag tag, uint64_t value)
{
    es_hash_next(h);
    es_hash_add(h, tag, value);
}

/* Never 0. */
static inline uint64_t es_hash_end(const struct es_hash *h)
{
    uint64_t value = es_hash_mix(h->value, ES_HASH_NODES);
    return value ? value : 1;
}

/* The number of a pid, port or reference in a hash. */
static inline uint64_t es_hash_of_name(ERL_NIF_TERM name, es_ref local)
{
    return local ? local : enif_hash(ERL_NIF_INTERNAL_HASH, name, 0);
}

/* An integer of more than 64 bits. */
void es_hash_big(struct es_hash *h, const struct es_session *s, ERL_NIF_TERM big);

/* A binary: its size, its beginning and its end. */
void es_hash_binary(struct es_hash *h, const uint8_t *bytes, size_t size);

/* The number of the reference that pairs this message with its request, reply or monitor; 0: there is none. */
uint64_t es_correlate(ErlNifEnv *env, ERL_NIF_TERM message);

#endif
