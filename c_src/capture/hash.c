/* SPDX-License-Identifier: MIT */
/* Numbers made from live terms: the content hash that a message has at both of its ends, and the number of its reference. */
#include "capture/walk.h"

#include <string.h>

#include "capture/atoms.h"
#include "capture/refs.h"
#include "capture/secret.h"

/* What a term of each type begins with. */
enum { TAG_ATOM = 1, TAG_INTEGER, TAG_BIG, TAG_FLOAT, TAG_BITS, TAG_FUN, TAG_NAME, TAG_TUPLE, TAG_LIST, TAG_NIL, TAG_MAP, TAG_SECRET, TAG_OTHER };

struct es_hasher {
    struct es_draft *d;
    uint64_t hash;
    uint32_t left;   /* terms that still count */
    uint32_t depth;
    bool unknown;    /* something could not be looked at */
};

_Static_assert(ES_DEPTH_MAX >= ES_HASH_NODES, "a hash can't run out of frames");

static inline void mix(struct es_hasher *h, uint64_t tag, uint64_t value)
{
    h->hash = es_hash_mix(h->hash, value * 16 + tag);
}

/* ---- leaves -------------------------------------------------------------------------------------------------------- */

static void hash_integer(struct es_hasher *h, ERL_NIF_TERM term)
{
    struct es_session *s = h->d->s;
    ErlNifSInt64 value;
    if (enif_get_int64(h->d->env, term, &value))
        mix(h, TAG_INTEGER, (uint64_t)value);
    else if (enif_compare(term, s->big_max) >= 0)
        mix(h, TAG_BIG, 1);
    else if (enif_compare(term, s->big_min) <= 0)
        mix(h, TAG_BIG, 0);
    else
        mix(h, TAG_BIG, enif_hash(ERL_NIF_INTERNAL_HASH, term, 0));
}

static void hash_float(struct es_hasher *h, ERL_NIF_TERM term)
{
    double value = 0;
    uint64_t bits;
    enif_get_double(h->d->env, term, &value);
    memcpy(&bits, &value, sizeof bits);
    mix(h, TAG_FLOAT, bits);
}

/* Its size, its beginning and its end. */
static void hash_bits(struct es_hasher *h, ERL_NIF_TERM term)
{
    ErlNifBinary binary;
    if (!es_binary_may_inspect(h->d)) {
        h->unknown = true;
        return;
    }
    if (!enif_inspect_binary(h->d->env, term, &binary)) {
        mix(h, TAG_BITS, 0);
        return;
    }
    es_binary_inspected(h->d, term, &binary);
    mix(h, TAG_BITS, binary.size);
    if (binary.size <= 128) {
        h->hash = es_hash_bytes(binary.data, binary.size, h->hash);
        return;
    }
    h->hash = es_hash_bytes(binary.data, 64, h->hash);
    h->hash = es_hash_bytes(binary.data + binary.size - 64, 64, h->hash);
}

/* ---- lists, tuples, maps: from the last frame on ------------------------------------------------------------------- */

static struct es_frame *push(struct es_hasher *h, ERL_NIF_TERM term)
{
    struct es_frame *f = &h->d->t->frames[h->depth++];
    f->elements = NULL;
    f->left = 0;
    f->at_value = f->secret = false;
    f->term = term;
    return f;
}

static void hash_tuple(struct es_hasher *h, ERL_NIF_TERM term)
{
    int arity = 0;
    const ERL_NIF_TERM *elements = NULL;
    enif_get_tuple(h->d->env, term, &arity, &elements);
    mix(h, TAG_TUPLE, (uint64_t)arity);
    if (arity == 0)
        return;
    struct es_frame *f = push(h, term);
    f->kind = TAG_TUPLE;
    f->elements = elements;
    f->left = (uint32_t)arity;
    f->secret = arity == 2 && es_secret_key(h->d, elements[0]);
}

static void hash_map(struct es_hasher *h, ERL_NIF_TERM term)
{
    if (es_secret_struct(h->d, term)) {
        mix(h, TAG_SECRET, 0);
        return;
    }
    size_t size = 0;
    enif_get_map_size(h->d->env, term, &size);
    mix(h, TAG_MAP, size);
    if (size == 0)
        return;
    struct es_frame *f = push(h, term);
    f->kind = TAG_MAP;
    if (!enif_map_iterator_create(h->d->env, term, &f->pairs, ERL_NIF_MAP_ITERATOR_FIRST))
        h->depth--;
}

static void hash_list(struct es_hasher *h, ERL_NIF_TERM term)
{
    mix(h, TAG_LIST, 0);
    push(h, term)->kind = TAG_LIST;
}

static inline void visit(struct es_hasher *h, ERL_NIF_TERM term)
{
    h->left--;
    switch (enif_term_type(h->d->env, term)) {
    case ERL_NIF_TERM_TYPE_ATOM:
        mix(h, TAG_ATOM, term);
        return;
    case ERL_NIF_TERM_TYPE_INTEGER:
        hash_integer(h, term);
        return;
    case ERL_NIF_TERM_TYPE_FLOAT:
        hash_float(h, term);
        return;
    case ERL_NIF_TERM_TYPE_BITSTRING:
        hash_bits(h, term);
        return;
    case ERL_NIF_TERM_TYPE_PID:
    case ERL_NIF_TERM_TYPE_PORT:
    case ERL_NIF_TERM_TYPE_REFERENCE:
        mix(h, TAG_NAME, enif_hash(ERL_NIF_INTERNAL_HASH, term, 0));
        return;
    case ERL_NIF_TERM_TYPE_TUPLE:
        hash_tuple(h, term);
        return;
    case ERL_NIF_TERM_TYPE_LIST:
        if (enif_is_empty_list(h->d->env, term))
            mix(h, TAG_NIL, 0);
        else
            hash_list(h, term);
        return;
    case ERL_NIF_TERM_TYPE_MAP:
        hash_map(h, term);
        return;
    case ERL_NIF_TERM_TYPE_FUN:
        mix(h, TAG_FUN, 0);
        return;
    default:
        mix(h, TAG_OTHER, 0);
        return;
    }
}

static void pop(struct es_hasher *h)
{
    struct es_frame *f = &h->d->t->frames[--h->depth];
    if (f->kind == TAG_MAP)
        enif_map_iterator_destroy(h->d->env, &f->pairs);
}

/* The next term of the last frame, or false where the frame ended or a secret was passed. */
static inline bool next_term(struct es_hasher *h, ERL_NIF_TERM *ret_term)
{
    struct es_frame *f = &h->d->t->frames[h->depth - 1];
    if (f->kind == TAG_TUPLE && f->left > 0) {
        bool secret = f->secret && f->left == 1;
        f->left--;
        *ret_term = *f->elements++;
        return !secret;
    }
    if (f->kind == TAG_LIST) {
        ERL_NIF_TERM tail;
        if (enif_get_list_cell(h->d->env, f->term, ret_term, &tail)) {
            f->term = tail;
            return true;
        }
        *ret_term = f->term; /* [] or an improper tail */
        pop(h);
        return true;
    }
    if (f->kind == TAG_MAP && f->at_value) {
        f->at_value = false;
        *ret_term = f->term;
        return !f->secret;
    }
    if (f->kind == TAG_MAP && enif_map_iterator_get_pair(h->d->env, &f->pairs, ret_term, &f->term)) {
        enif_map_iterator_next(h->d->env, &f->pairs);
        f->at_value = true;
        f->secret = es_secret_key(h->d, *ret_term);
        return true;
    }
    pop(h);
    return false;
}

uint64_t es_hash_term(struct es_draft *d, ERL_NIF_TERM term)
{
    struct es_hasher h = { .d = d, .hash = 0x9e3779b97f4a7c15, .left = ES_HASH_NODES };
    visit(&h, term);
    while (h.depth > 0 && h.left > 0)
        if (next_term(&h, &term))
            visit(&h, term);
    while (h.depth > 0)
        pop(&h);
    if (h.unknown)
        return 0;
    return h.hash ? h.hash : 1;
}

/* ---- correlation --------------------------------------------------------------------------------------------------- */

/* A reference, or [alias | Reference] as gen sends it. */
static uint64_t number_of(ErlNifEnv *env, ERL_NIF_TERM term)
{
    ERL_NIF_TERM head, tail;
    if (enif_is_ref(env, term))
        return es_ref_number(term);
    if (enif_get_list_cell(env, term, &head, &tail) && head == es_am.alias && enif_is_ref(env, tail))
        return es_ref_number(tail);
    return 0;
}

/* {'$gen_call', {Pid, Tag}, Request} */
static uint64_t number_of_call(ErlNifEnv *env, ERL_NIF_TERM from)
{
    int arity;
    const ERL_NIF_TERM *pair;
    return enif_get_tuple(env, from, &arity, &pair) && arity == 2 ? number_of(env, pair[1]) : 0;
}

uint64_t es_correlate(ErlNifEnv *env, ERL_NIF_TERM message)
{
    int arity;
    const ERL_NIF_TERM *e;
    if (!enif_get_tuple(env, message, &arity, &e) || arity < 2)
        return 0;
    if (arity == 2) /* {Tag, Reply} */
        return number_of(env, e[0]);
    if (arity == 3 && e[0] == es_am.gen_call)
        return number_of_call(env, e[1]);
    if ((arity == 5 && e[0] == es_am.down) || (arity == 3 && (e[0] == es_am.timeout || e[0] == es_am.io_reply)))
        return number_of(env, e[1]);
    if (arity == 4 && e[0] == es_am.io_request)
        return number_of(env, e[2]);
    return 0;
}
