/* SPDX-License-Identifier: MIT */
/* Numbers made from live terms; see hash.h. */
#include "capture/hash.h"

#include <string.h>

#include "capture/atoms.h"
#include "capture/refs.h"
#include "capture/secret.h"
#include "capture/type.h"

_Static_assert(ES_DEPTH_MAX >= ES_HASH_NODES, "a hash can't run out of frames");

struct es_hasher {
    struct es_hash h;
    struct es_draft *d;
    uint32_t depth;
};

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

static void hash_integer(struct es_hasher *w, ERL_NIF_TERM term)
{
    ErlNifSInt64 value;
    if (enif_get_int64(w->d->env, term, &value))
        es_hash_add(&w->h, ES_HASH_INTEGER, (uint64_t)value);
    else
        es_hash_big(&w->h, w->d->s, term);
}

static void hash_float(struct es_hasher *w, ERL_NIF_TERM term)
{
    double value = 0;
    uint64_t bits;
    enif_get_double(w->d->env, term, &value);
    memcpy(&bits, &value, sizeof bits);
    es_hash_add(&w->h, ES_HASH_FLOAT, bits);
}

static void hash_bits(struct es_hasher *w, ERL_NIF_TERM term)
{
    ErlNifBinary binary;
    if (!es_binary_may_inspect(w->d)) {
        w->h.unknown = true;
    } else if (enif_inspect_binary(w->d->env, term, &binary)) {
        es_binary_inspected(w->d, term, &binary);
        es_hash_binary(&w->h, binary.data, binary.size);
    } else { /* not whole bytes */
        es_hash_add(&w->h, ES_HASH_BITS, 0);
    }
}

/* ---- lists, tuples, maps ------------------------------------------------------------------------------------------- */

static inline struct es_frame *push(struct es_hasher *w, enum es_hash_tag tag, ERL_NIF_TERM term)
{
    struct es_frame *f = &w->d->t->frames[w->depth++];
    f->kind = (uint8_t)tag;
    f->at_value = f->secret = false;
    f->term = term;
    return f;
}

static void open_tuple(struct es_hasher *w, ERL_NIF_TERM term)
{
    int arity = 0;
    const ERL_NIF_TERM *elements = NULL;
    enif_get_tuple(w->d->env, term, &arity, &elements);
    es_hash_add(&w->h, ES_HASH_TUPLE, (uint64_t)arity);
    if (arity == 0)
        return;
    struct es_frame *f = push(w, ES_HASH_TUPLE, term);
    f->elements = elements;
    f->left = (uint32_t)arity;
    f->secret = arity == 2 && es_secret_key(w->d, elements[0], es_type_of(w->d->env, elements[0]));
}

static void open_map(struct es_hasher *w, ERL_NIF_TERM term)
{
    if (es_secret_struct(w->d, term)) {
        es_hash_add(&w->h, ES_HASH_SECRET, 0);
        return;
    }
    size_t size = 0;
    enif_get_map_size(w->d->env, term, &size);
    es_hash_add(&w->h, ES_HASH_MAP, size);
    if (size > 0 &&
        !enif_map_iterator_create(w->d->env, term, &push(w, ES_HASH_MAP, term)->pairs, ERL_NIF_MAP_ITERATOR_FIRST))
        w->depth--;
}

/* Takes one term into the hash. True where it has terms inside, which come next. */
static inline bool visit_typed(struct es_hasher *w, ERL_NIF_TERM term, ErlNifTermType type)
{
    uint32_t depth = w->depth;
    es_hash_next(&w->h);
    switch (type) {
    case ERL_NIF_TERM_TYPE_ATOM: es_hash_add(&w->h, ES_HASH_ATOM, term); return false;
    case ERL_NIF_TERM_TYPE_INTEGER: hash_integer(w, term); return false;
    case ERL_NIF_TERM_TYPE_BITSTRING: hash_bits(w, term); return false;
    case ERL_NIF_TERM_TYPE_TUPLE: open_tuple(w, term); break;
    case ERL_NIF_TERM_TYPE_LIST:
        if (enif_is_empty_list(w->d->env, term)) {
            es_hash_add(&w->h, ES_HASH_NIL, 0);
        } else {
            es_hash_add(&w->h, ES_HASH_LIST, 0);
            push(w, ES_HASH_LIST, term);
        }
        break;
    case ERL_NIF_TERM_TYPE_MAP: open_map(w, term); break;
    case ERL_NIF_TERM_TYPE_PID:
    case ERL_NIF_TERM_TYPE_PORT:
        es_hash_add(&w->h, ES_HASH_NAME, es_hash_of_name(term, es_ref_of_local(w->d->env, w->d->t, term)));
        return false;
    case ERL_NIF_TERM_TYPE_REFERENCE: es_hash_add(&w->h, ES_HASH_NAME, es_hash_of_name(term, 0)); return false;
    case ERL_NIF_TERM_TYPE_FLOAT: hash_float(w, term); return false;
    case ERL_NIF_TERM_TYPE_FUN: es_hash_add(&w->h, ES_HASH_FUN, 0); return false;
    default: es_hash_add(&w->h, ES_HASH_OTHER, 0); return false;
    }
    return w->depth != depth;
}

static inline bool visit(struct es_hasher *w, ERL_NIF_TERM term)
{
    return visit_typed(w, term, es_type_of(w->d->env, term));
}

/* Each goes on in the last frame until a term with terms inside comes, the frame ends or nothing counts any more. */

static void run_tuple(struct es_hasher *w, struct es_frame *f)
{
    while (f->left > 0 && w->h.left > 0) {
        f->left--;
        ERL_NIF_TERM element = *f->elements++;
        if ((!f->secret || f->left > 0) && visit(w, element))
            return;
    }
    if (f->left == 0)
        w->depth--;
}

static void run_list(struct es_hasher *w, struct es_frame *f)
{
    ERL_NIF_TERM head;
    while (w->h.left > 0) {
        if (!enif_get_list_cell(w->d->env, f->term, &head, &f->term)) {
            w->depth--; /* [] or an improper tail is a term too */
            visit(w, f->term);
            return;
        }
        if (visit(w, head))
            return;
    }
}

static void end_map(struct es_hasher *w, struct es_frame *f)
{
    enif_map_iterator_destroy(w->d->env, &f->pairs);
    w->depth--;
}

static void run_map(struct es_hasher *w, struct es_frame *f)
{
    ERL_NIF_TERM key;
    while (w->h.left > 0) {
        if (f->at_value) {
            f->at_value = false;
            if (!f->secret && visit(w, f->term))
                return;
            continue;
        }
        if (!enif_map_iterator_get_pair(w->d->env, &f->pairs, &key, &f->term)) {
            end_map(w, f);
            return;
        }
        enif_map_iterator_next(w->d->env, &f->pairs);
        f->at_value = true;
        ErlNifTermType type = es_type_of(w->d->env, key);
        f->secret = es_secret_key(w->d, key, type);
        if (visit_typed(w, key, type))
            return;
    }
}

uint64_t es_hash_term(struct es_draft *d, ERL_NIF_TERM term)
{
    struct es_hasher w = {.h = ES_HASH_BEGIN, .d = d};
    visit(&w, term);
    while (w.depth > 0 && w.h.left > 0) {
        struct es_frame *f = &d->t->frames[w.depth - 1];
        if (f->kind == ES_HASH_TUPLE)
            run_tuple(&w, f);
        else if (f->kind == ES_HASH_LIST)
            run_list(&w, f);
        else
            run_map(&w, f);
    }
    while (w.depth > 0) {
        struct es_frame *f = &d->t->frames[w.depth - 1];
        if (f->kind == ES_HASH_MAP)
            end_map(&w, f);
        else
            w.depth--;
    }
    return es_hash_end(&w.h);
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
