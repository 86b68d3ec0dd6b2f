/* SPDX-License-Identifier: MIT */
/* Numbers made from live terms; see hash.h. */
#include "capture/hash.h"

#include <string.h>

#include "capture/atoms.h"
#include "capture/heap.h"
#include "capture/refs.h"

/* ---- leaves -------------------------------------------------------------------------------------------------------- */

void es_hash_big(struct es_hash *h, const struct es_session *s, ERL_NIF_TERM big)
{
    if (enif_compare(big, s->big_max) >= 0)
        es_hash_add(h, ES_HASH_BIG, 1);
    else if (enif_compare(big, s->big_min) <= 0)
        es_hash_add(h, ES_HASH_BIG, 0);
    else
        es_hash_add(h, ES_HASH_BIG, enif_hash(ERL_NIF_INTERNAL_HASH, big, 0));
}

static inline uint64_t word_at(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

void es_hash_binary(struct es_hash *h, const uint8_t *bytes, size_t size)
{
    es_hash_add(h, ES_HASH_BITS, size);
    if (size >= 8) {
        size_t head = size < 72 ? size - 8 : 64;
        for (size_t at = 0; at < head; at += 8)
            es_hash_add(h, ES_HASH_BITS, word_at(bytes + at));
        for (size_t back = size < 96 ? 8 : 32; back > 0; back -= 8)
            es_hash_add(h, ES_HASH_BITS, word_at(bytes + size - back));
    } else if (size > 0) {
        uint64_t word = 0;
        memcpy(&word, bytes, size);
        es_hash_add(h, ES_HASH_BITS, word);
    }
}

/* ---- correlation --------------------------------------------------------------------------------------------------- */

/* A reference, or [alias | Reference] as gen sends it. */
static uint64_t number_of(ErlNifEnv *env, ERL_NIF_TERM term)
{
    ERL_NIF_TERM head, tail;
    if (enif_is_ref(env, term))
        return es_ref_number(term);
    if (es_get_cell(env, term, &head, &tail) && head == es_am.alias && enif_is_ref(env, tail))
        return es_ref_number(tail);
    return 0;
}

/* {Label, {Pid, Tag}, Request}: the label is '$gen_call', `system`, or of gen_event's calls the pid again. */
static uint64_t number_of_call(ErlNifEnv *env, const ERL_NIF_TERM *call)
{
    int arity;
    const ERL_NIF_TERM *pair;
    bool named = call[0] == es_am.gen_call || call[0] == es_am.system;
    if ((!named && !enif_is_pid(env, call[0])) || !es_get_tuple(env, call[1], &arity, &pair) || arity != 2)
        return 0;
    return named || pair[0] == call[0] ? number_of(env, pair[1]) : 0;
}

uint64_t es_correlate(ErlNifEnv *env, ERL_NIF_TERM message)
{
    int arity;
    const ERL_NIF_TERM *e;
    if (!es_get_tuple(env, message, &arity, &e) || arity < 2)
        return 0;
    if (arity == 2) /* {Tag, Reply} */
        return number_of(env, e[0]);
    if ((arity == 5 && e[0] == es_am.down) || (arity == 3 && (e[0] == es_am.timeout || e[0] == es_am.io_reply)))
        return number_of(env, e[1]);
    if (arity == 3)
        return number_of_call(env, e);
    if (arity == 4 && e[0] == es_am.io_request)
        return number_of(env, e[2]);
    return 0;
}
