/* SPDX-License-Identifier: MIT */
/* The walk through a live term: in place, without recursion, each step paid from the budgets. When one is used up, every open list,
 * tuple and map is ended with a cut that says what is missing. */
#include "capture/walk.h"

#include "capture/leaf.h"
#include "capture/put.h"
#include "capture/secret.h"
#include "capture/type.h"

enum frame_kind { FRAME_TUPLE, FRAME_LIST, FRAME_MAP };

#define FRAME_END (2 * ES_CUT_BYTES + 2) /* bytes that ending one frame may take */
#define BYTES_MAX (512u << 10)           /* of one payload, whatever the settings say: records end at 1 MiB */
#define MEMO_FROM 8192u                  /* payloads from this budget on may meet a term very often */
#define SMALL_MAP 32 /* larger maps are trees, and finding the next pair in one takes as long as some terms */
#define PAIR_WORK 20

/* ---- budgets ------------------------------------------------------------------------------------------------------- */

static inline uint32_t at_most(uint64_t value, uint64_t max) { return (uint32_t)(value < max ? value : max); }

struct es_budget es_budget_now(const struct es_draft *d, bool state)
{
    const struct es_limits *limits = &d->s->arena.head->limits;
    uint32_t bytes = atomic_load_explicit(state ? &limits->state_bytes : &limits->payload_bytes, memory_order_relaxed);
    uint64_t elements = atomic_load_explicit(&limits->max_elements, memory_order_relaxed);
    uint64_t work = atomic_load_explicit(&limits->work, memory_order_relaxed);
    elements = elements < 2 ? 2 : elements; /* pairs are judged whole */
    return (struct es_budget){
        .bytes = at_most(bytes, at_most(d->t->ring->size / 8, BYTES_MAX)),
        .depth = at_most(atomic_load_explicit(&limits->max_depth, memory_order_relaxed), ES_DEPTH_MAX),
        .elements = at_most(state ? elements * 16 : elements, UINT32_MAX),
        .work = at_most(state ? work * 64 : work, UINT32_MAX),
    };
}

uint32_t es_walk_room(const struct es_budget *budget)
{
    return budget->bytes ? budget->bytes + ES_LEAF_MAX + (budget->depth + 1) * FRAME_END : 0;
}

static inline bool used_up(const struct es_walk *w) { return w->d->at >= w->soft || w->work == 0; }
static inline void pay(struct es_walk *w, uint32_t work) { w->work -= work < w->work ? work : w->work; }

/* ---- frames -------------------------------------------------------------------------------------------------------- */

static inline struct es_frame *top(struct es_walk *w) { return &w->d->t->frames[w->depth - 1]; }

static inline struct es_frame *push(struct es_walk *w, enum frame_kind kind, ERL_NIF_TERM term)
{
    struct es_frame *f = &w->d->t->frames[w->depth++];
    f->kind = (uint8_t)kind;
    f->at_value = f->secret = false;
    f->height = 1;
    f->done = 0;
    f->cuts = w->cuts;
    f->rest = 0;
    f->start = w->d->at;
    f->self = term;
    return f;
}

static inline struct es_memo *memo_of(struct es_walk *w, ERL_NIF_TERM term)
{
    _Static_assert(ES_MEMO_MAX == 1 << 9, "nine bits of the hash");
    return &w->d->t->memo[(term * UINT64_C(0x9e3779b97f4a7c15)) >> 55];
}

/* The end of a frame whose term has been written. */
static void pop(struct es_walk *w, struct es_frame *f)
{
    w->depth--;
    if (ES_LIKELY(!w->memo))
        return;
    if (w->depth > 0 && top(w)->height <= f->height)
        top(w)->height = (uint16_t)(f->height + 1);
    uint32_t len = (uint32_t)(w->d->at - f->start);
    if (f->cuts == w->cuts && len >= 16)
        *memo_of(w, f->self) = (struct es_memo){f->self, f->start, len, w->memo, f->height};
}

/* A term that is in the record already is copied: the same word is the same term as long as the call lasts. So terms that are small in
 * memory and huge when written out are paid by the byte. */
static bool copied(struct es_walk *w, ERL_NIF_TERM term)
{
    const struct es_memo *memo = memo_of(w, term);
    if (memo->walk != w->memo || memo->term != term || w->depth + memo->height > w->max_depth ||
        memo->len > w->soft - w->d->at)
        return false;
    w->d->at = es_put_bytes(w->d->at, memo->start, memo->len);
    if (w->depth > 0 && top(w)->height <= memo->height)
        top(w)->height = (uint16_t)(memo->height + 1);
    w->hash_cut |= w->hash.left > 0;
    return true;
}

/* Leaves room for a count that is known later. */
static inline void put_count_later(struct es_walk *w, struct es_frame *f, uint8_t tag)
{
    w->d->at = es_put_u8(w->d->at, tag);
    f->count = w->d->at;
    w->d->at += 4;
}

/* What is missing of a list, as far as counting goes. */
static void cut_list(struct es_walk *w, ERL_NIF_TERM list)
{
    ERL_NIF_TERM head;
    uint64_t n = 0;
    while (w->cells > 0 && enif_get_list_cell(w->d->env, list, &head, &list)) {
        w->cells--;
        n++;
    }
    es_leaf_cut(w, ES_CUT_LIST, n, enif_is_empty_list(w->d->env, list) ? 0 : ES_CUT_AT_LEAST);
}

/* ---- opening: true where terms inside come next -------------------------------------------------------------------- */

static bool open_tuple(struct es_walk *w, ERL_NIF_TERM term)
{
    struct es_draft *d = w->d;
    int arity = 0;
    const ERL_NIF_TERM *elements = NULL;
    enif_get_tuple(d->env, term, &arity, &elements);
    es_hash_add(&w->hash, ES_HASH_TUPLE, (uint64_t)arity);
    if (ES_UNLIKELY(w->depth >= w->max_depth)) {
        es_leaf_cut(w, ES_CUT_TUPLE, (uint64_t)arity, 0);
        return false;
    }
    struct es_frame *f = push(w, FRAME_TUPLE, term);
    d->at = es_put_tuple(d->at, (uint32_t)arity);
    f->elements = elements;
    f->left = (uint32_t)arity;
    f->secret = arity == 2 && es_secret_key(d, elements[0], es_type_of(d->env, elements[0]));
    if (ES_UNLIKELY(f->left > w->max_elements)) {
        f->rest = f->left - w->max_elements;
        f->left = w->max_elements;
    }
    return true;
}

static bool open_map(struct es_walk *w, ERL_NIF_TERM term)
{
    struct es_draft *d = w->d;
    if (es_secret_struct(d, term)) {
        es_hash_add(&w->hash, ES_HASH_SECRET, 0);
        es_leaf_redacted(w);
        return false;
    }
    size_t size = 0;
    enif_get_map_size(d->env, term, &size);
    es_hash_add(&w->hash, ES_HASH_MAP, size);
    if (ES_UNLIKELY(w->depth >= w->max_depth)) {
        es_leaf_cut(w, ES_CUT_MAP, size, 0);
        return false;
    }
    struct es_frame *f = push(w, FRAME_MAP, term);
    if (size == 0 || !enif_map_iterator_create(d->env, term, &f->pairs, ERL_NIF_MAP_ITERATOR_FIRST)) {
        w->depth--;
        d->at = es_put_be32(es_put_u8(d->at, ES_T_MAP), 0);
        return false;
    }
    f->left = at_most(size, w->max_elements);
    f->rest = size - f->left;
    put_count_later(w, f, ES_T_MAP);
    return true;
}

static void hash_string(struct es_walk *w, const uint8_t *bytes, uint32_t n)
{
    es_hash_add(&w->hash, ES_HASH_LIST, 0);
    for (uint32_t i = 0; i < n && w->hash.left > 0; i++) {
        es_hash_next(&w->hash);
        es_hash_add(&w->hash, ES_HASH_INTEGER, bytes[i]);
    }
    es_hash_next(&w->hash);
    es_hash_add(&w->hash, ES_HASH_NIL, 0);
}

/* A proper list of bytes is written as such, one byte an element. False, and nothing written, where the list is none. */
static bool put_string(struct es_walk *w, ERL_NIF_TERM list)
{
    struct es_draft *d = w->d;
    uint8_t *at = d->at + 3;
    uint32_t n = 0;
    int byte;
    ERL_NIF_TERM head;
    for (; enif_get_list_cell(d->env, list, &head, &list); n++) {
        if (n == w->max_elements || at >= w->soft || n >= w->work || !enif_get_int(d->env, head, &byte) || byte < 0 ||
            byte > 255)
            return false;
        *at++ = (uint8_t)byte;
    }
    if (n > UINT16_MAX || !enif_is_empty_list(d->env, list))
        return false;
    hash_string(w, d->at + 3, n);
    d->at[0] = ES_T_STRING;
    d->at[1] = (uint8_t)(n >> 8);
    d->at[2] = (uint8_t)n;
    d->at = at;
    pay(w, n);
    return true;
}

static bool open_list(struct es_walk *w, ERL_NIF_TERM term)
{
    if (enif_is_empty_list(w->d->env, term)) {
        es_hash_add(&w->hash, ES_HASH_NIL, 0);
        w->d->at = es_put_u8(w->d->at, ES_T_NIL);
        return false;
    }
    if (w->depth > 0 && put_string(w, term)) /* a whole payload stays a list: arguments are one */
        return false;
    es_hash_add(&w->hash, ES_HASH_LIST, 0);
    if (ES_UNLIKELY(w->depth >= w->max_depth)) {
        cut_list(w, term);
        return false;
    }
    struct es_frame *f = push(w, FRAME_LIST, term);
    f->term = term;
    f->left = w->max_elements;
    put_count_later(w, f, ES_T_LIST);
    return true;
}

static inline bool open_typed(struct es_walk *w, ERL_NIF_TERM term, ErlNifTermType type)
{
    w->work--;
    es_hash_next(&w->hash);
    switch (type) {
    case ERL_NIF_TERM_TYPE_ATOM: es_leaf_atom(w, term); return false;
    case ERL_NIF_TERM_TYPE_INTEGER: es_leaf_integer(w, term); return false;
    case ERL_NIF_TERM_TYPE_BITSTRING: es_leaf_bits(w, term); return false;
    case ERL_NIF_TERM_TYPE_TUPLE:
    case ERL_NIF_TERM_TYPE_LIST:
    case ERL_NIF_TERM_TYPE_MAP:
        if (w->memo && copied(w, term))
            return false;
        return type == ERL_NIF_TERM_TYPE_TUPLE  ? open_tuple(w, term)
               : type == ERL_NIF_TERM_TYPE_LIST ? open_list(w, term)
                                                : open_map(w, term);
    case ERL_NIF_TERM_TYPE_PID: es_leaf_pid(w, term); return false;
    case ERL_NIF_TERM_TYPE_REFERENCE: es_leaf_ref(w, term); return false;
    case ERL_NIF_TERM_TYPE_FLOAT: es_leaf_float(w, term); return false;
    case ERL_NIF_TERM_TYPE_FUN: es_leaf_fun(w, term); return false;
    case ERL_NIF_TERM_TYPE_PORT: es_leaf_port(w, term); return false;
    default: /* of an emulator that knows more types than we do */
        es_hash_add(&w->hash, ES_HASH_OTHER, 0);
        es_leaf_cut(w, ES_CUT_ANY, 0, 0);
        return false;
    }
}

static inline bool open_term(struct es_walk *w, ERL_NIF_TERM term)
{
    return open_typed(w, term, es_type_of(w->d->env, term));
}

/* ---- going on: until a term with terms inside comes, the frame ends, or a budget does -------------------------------- */

static void run_tuple(struct es_walk *w, struct es_frame *f)
{
    while (f->left > 0) {
        if (ES_UNLIKELY(used_up(w)))
            return;
        ERL_NIF_TERM element = *f->elements++;
        if (ES_UNLIKELY(--f->left == 0 && f->secret))
            es_leaf_redacted(w);
        else if (open_term(w, element))
            return;
    }
    if (ES_UNLIKELY(f->rest))
        es_leaf_cut(w, ES_CUT_TUPLE, f->rest, ES_CUT_REST);
    pop(w, f);
}

static void end_list(struct es_walk *w, struct es_frame *f)
{
    es_put_be32(f->count, f->done);
    es_hash_next(&w->hash);
    es_hash_add(&w->hash, ES_HASH_NIL, 0);
    w->d->at = es_put_u8(w->d->at, ES_T_NIL);
    pop(w, f);
}

/* Its tail is a term as others are; what is remembered of the list would lack it. */
static void end_improper_list(struct es_walk *w, struct es_frame *f)
{
    es_put_be32(f->count, f->done);
    w->depth--;
    open_term(w, f->term);
}

static void run_list(struct es_walk *w, struct es_frame *f)
{
    ERL_NIF_TERM head;
    while (!used_up(w)) {
        ERL_NIF_TERM rest = f->term;
        if (ES_UNLIKELY(!enif_get_list_cell(w->d->env, rest, &head, &f->term))) {
            if (ES_LIKELY(enif_is_empty_list(w->d->env, rest)))
                end_list(w, f);
            else
                end_improper_list(w, f);
            return;
        }
        if (ES_UNLIKELY(f->left == 0)) {
            es_put_be32(f->count, f->done);
            cut_list(w, rest);
            pop(w, f);
            return;
        }
        f->left--;
        f->done++;
        if (open_term(w, head))
            return;
    }
}

static void end_map(struct es_walk *w, struct es_frame *f)
{
    uint64_t rest = f->rest + f->left;
    es_put_be32(f->count, f->done + (rest > 0));
    if (rest) {
        es_leaf_cut(w, ES_CUT_MAP, rest, 0);
        w->d->at = es_put_u8(w->d->at, ES_T_NIL);
    }
    enif_map_iterator_destroy(w->d->env, &f->pairs);
    pop(w, f);
}

static void run_map(struct es_walk *w, struct es_frame *f)
{
    ERL_NIF_TERM key;
    while (!used_up(w)) {
        if (f->at_value) {
            f->at_value = false;
            if (ES_UNLIKELY(f->secret))
                es_leaf_redacted(w);
            else if (open_term(w, f->term))
                return;
            continue;
        }
        if (f->left == 0 || !enif_map_iterator_get_pair(w->d->env, &f->pairs, &key, &f->term)) {
            end_map(w, f);
            return;
        }
        enif_map_iterator_next(w->d->env, &f->pairs);
        f->left--;
        if (f->done++ >= SMALL_MAP)
            pay(w, PAIR_WORK);
        f->at_value = true;
        if (ES_UNLIKELY(w->work == 0))
            w->work = 1; /* for the key: a pair without one can't be written */
        ErlNifTermType type = es_type_of(w->d->env, key);
        f->secret = es_secret_key(w->d, key, type);
        if (open_typed(w, key, type))
            return;
    }
}

/* ---- ending early -------------------------------------------------------------------------------------------------- */

static void abandon_list(struct es_walk *w, struct es_frame *f)
{
    es_put_be32(f->count, f->done);
    if (enif_is_empty_list(w->d->env, f->term))
        w->d->at = es_put_u8(w->d->at, ES_T_NIL);
    else
        cut_list(w, f->term);
    w->depth--;
}

static void abandon_tuple(struct es_walk *w, struct es_frame *f)
{
    uint64_t rest = f->rest + f->left;
    if (rest == 1 && f->secret)
        es_leaf_redacted(w);
    else if (rest)
        es_leaf_cut(w, ES_CUT_TUPLE, rest, ES_CUT_REST);
    w->depth--;
}

static void abandon_map(struct es_walk *w, struct es_frame *f)
{
    if (f->at_value && f->secret)
        es_leaf_redacted(w);
    else if (f->at_value)
        es_leaf_cut(w, ES_CUT_ANY, 0, 0);
    end_map(w, f);
}

static void abandon(struct es_walk *w)
{
    w->memo = 0;
    w->hash_cut |= w->hash.left > 0;
    while (w->depth > 0) {
        struct es_frame *f = top(w);
        if (f->kind == FRAME_TUPLE)
            abandon_tuple(w, f);
        else if (f->kind == FRAME_LIST)
            abandon_list(w, f);
        else
            abandon_map(w, f);
    }
}

/* ---- the walk ------------------------------------------------------------------------------------------------------ */

static void walk(struct es_walk *w, ERL_NIF_TERM term, const struct es_budget *budget)
{
    struct es_draft *d = w->d;
    w->soft = d->at + budget->bytes;
    w->max_depth = budget->depth;
    w->max_elements = budget->elements;
    w->work = budget->work ? budget->work : 1;
    w->cells = budget->work;
    if (budget->bytes >= MEMO_FROM)
        w->memo = ++d->t->walks ? d->t->walks : ++d->t->walks;
    open_term(w, term);
    while (w->depth > 0) {
        struct es_frame *f = top(w);
        if (ES_UNLIKELY(used_up(w)))
            abandon(w);
        else if (f->kind == FRAME_TUPLE)
            run_tuple(w, f);
        else if (f->kind == FRAME_LIST)
            run_list(w, f);
        else
            run_map(w, f);
    }
    d->record->flags = (uint8_t)(d->record->flags | (w->cuts ? ES_R_CUT : 0) | (w->redacted ? ES_R_REDACTED : 0));
}

void es_walk(struct es_draft *d, ERL_NIF_TERM term, const struct es_budget *budget)
{
    struct es_walk w = {.d = d};
    walk(&w, term, budget);
}

uint64_t es_walk_hash(struct es_draft *d, ERL_NIF_TERM term, const struct es_budget *budget)
{
    struct es_walk w = {.d = d, .hash = ES_HASH_BEGIN};
    walk(&w, term, budget);
    return w.hash_cut ? es_hash_term(d, term) : es_hash_end(&w.hash);
}
