/* SPDX-License-Identifier: MIT */
/* The walk through a live term: in place, without recursion, each step paid from the budgets. When one is used up, every open list,
 * tuple and map is ended with a cut that says what is missing. */
#include "capture/walk.h"

#include "capture/heap.h"
#include "capture/leaf.h"
#include "capture/secret.h"

enum frame_kind { FRAME_TUPLE, FRAME_LIST, FRAME_MAP, FRAME_FLAT, FRAME_TERMS };

#define MEMO_FROM 8192u /* payloads from this budget on may meet a term very often */
#define SMALL_MAP 32    /* larger maps are trees, and finding the next pair in one takes as long as some terms */
#define PAIR_WORK 20
#define SCRATCH_BYTES (32 * ES_HASH_NODES) /* more than that many terms without bytes of their own take */

_Static_assert(ES_DEPTH_MAX >= ES_HASH_NODES, "a hash can't run out of frames");

ES_INLINE void pay(struct es_pen *pen, uint32_t work) { pen->work -= work < pen->work ? work : pen->work; }

/* ---- frames -------------------------------------------------------------------------------------------------------- */

static inline struct es_frame *top(struct es_walk *w) { return &w->d->t->frames[w->depth - 1]; }

ES_INLINE struct es_frame *push(struct es_walk *w, const struct es_pen *pen, enum frame_kind kind, ERL_NIF_TERM term)
{
    struct es_frame *f = &pen->t->frames[w->depth++];
    f->kind = (uint8_t)kind;
    f->at_value = f->secret = false;
    f->done = 0;
    f->rest = 0;
    if (ES_UNLIKELY(w->memo)) {
        f->height = 1;
        f->cuts = w->cuts;
        f->start = pen->at;
        f->self = term;
    }
    return f;
}

static inline struct es_memo *memo_of(struct es_walk *w, ERL_NIF_TERM term)
{
    _Static_assert(ES_MEMO_MAX == 1 << 9, "nine bits of the hash");
    return &w->d->t->memo[(term * UINT64_C(0x9e3779b97f4a7c15)) >> 55];
}

static ES_SELDOM void remember(struct es_walk *w, const struct es_frame *f, const uint8_t *end)
{
    if (w->depth > 0 && top(w)->height <= f->height)
        top(w)->height = (uint16_t)(f->height + 1);
    uint32_t len = (uint32_t)(end - f->start);
    if (f->cuts == w->cuts && len >= 16)
        *memo_of(w, f->self) = (struct es_memo){f->self, f->start, len, w->memo, f->height};
}

/* The end of a frame whose term has been written. */
ES_INLINE void pop(struct es_walk *w, const struct es_pen *pen, const struct es_frame *f)
{
    w->depth--;
    if (ES_UNLIKELY(w->memo))
        remember(w, f, pen->at);
}

/* A term that is in the record already is copied: the same word is the same term as long as the call lasts. So terms that are small in
 * memory and huge when written out are paid by the byte. */
static ES_SELDOM bool copied(struct es_walk *w, ERL_NIF_TERM term)
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
ES_INLINE void put_count_later(struct es_pen *pen, struct es_frame *f, uint8_t tag)
{
    pen->at = es_put_u8(pen->at, tag);
    f->count = pen->at;
    pen->at += 4;
}

/* What is missing of a list, as far as counting goes. */
static ES_SELDOM void cut_list(struct es_walk *w, ERL_NIF_TERM list)
{
    ERL_NIF_TERM head;
    uint64_t n = 0;
    while (w->cells > 0 && es_get_cell(w->d->env, list, &head, &list)) {
        w->cells--;
        n++;
    }
    es_leaf_cut(w, ES_CUT_LIST, n, es_is_nil(w->d->env, list) ? 0 : ES_CUT_AT_LEAST);
}

/* What is seldom is written with the pen given back. */
#define WITHOUT_PEN(w, pen, statement) \
    do {                               \
        es_pen_return(w, pen);         \
        statement;                     \
        *(pen) = es_pen_take(w);       \
    } while (0)

/* ---- opening: the header of a term with terms inside, and the frame of these ----------------------------------------- */

ES_INLINE void open_tuple(struct es_walk *w, struct es_pen *pen, ERL_NIF_TERM term)
{
    int arity = 0;
    const ERL_NIF_TERM *elements = NULL;
    es_get_tuple(pen->env, term, &arity, &elements);
    es_hash_add(&pen->hash, ES_HASH_TUPLE, (uint64_t)arity);
    if (ES_UNLIKELY(w->depth >= w->max_depth)) {
        WITHOUT_PEN(w, pen, es_leaf_cut(w, ES_CUT_TUPLE, (uint64_t)arity, 0));
        return;
    }
    struct es_frame *f = push(w, pen, FRAME_TUPLE, term);
    pen->at = es_put_tuple(pen->at, (uint32_t)arity);
    f->elements = elements;
    f->left = (uint32_t)arity;
    if (arity == 2)
        f->secret = es_secret_key(w->d, elements[0]);
    if (ES_UNLIKELY(f->left > w->max_elements)) {
        f->rest = f->left - w->max_elements;
        f->left = w->max_elements;
    }
}

ES_INLINE void open_map(struct es_walk *w, struct es_pen *pen, ERL_NIF_TERM term)
{
    if (ES_UNLIKELY(es_secret_struct(w->d, term))) {
        es_hash_add(&pen->hash, ES_HASH_SECRET, 0);
        WITHOUT_PEN(w, pen, es_leaf_redacted(w));
        return;
    }
    struct es_flat flat = {0};
    size_t size = 0;
    bool is_flat = es_get_flat(term, &flat);
    if (is_flat)
        size = flat.n;
    else
        enif_get_map_size(pen->env, term, &size);
    es_hash_add(&pen->hash, ES_HASH_MAP, size);
    if (ES_UNLIKELY(w->depth >= w->max_depth)) {
        WITHOUT_PEN(w, pen, es_leaf_cut(w, ES_CUT_MAP, size, 0));
        return;
    }
    struct es_frame *f = push(w, pen, is_flat ? FRAME_FLAT : FRAME_MAP, term);
    if (size == 0 || (!is_flat && !enif_map_iterator_create(pen->env, term, &f->pairs, ERL_NIF_MAP_ITERATOR_FIRST))) {
        w->depth--;
        pen->at = es_put_be32(es_put_u8(pen->at, ES_T_MAP), 0);
        return;
    }
    if (is_flat) {
        f->elements = flat.keys;
        f->values = flat.values;
    }
    f->left = es_at_most(size, w->max_elements);
    f->rest = size - f->left;
    put_count_later(pen, f, ES_T_MAP);
}

static struct es_hash hash_string(struct es_hash hash, const uint8_t *bytes, uint32_t n)
{
    es_hash_add(&hash, ES_HASH_LIST, 0);
    for (uint32_t i = 0; i < n && hash.left > 0; i++)
        es_hash_leaf(&hash, ES_HASH_INTEGER, bytes[i]);
    es_hash_leaf(&hash, ES_HASH_NIL, 0);
    return hash;
}

/* A proper list of bytes is written as such, one byte an element. False, and nothing written, where the list is none. */
ES_INLINE bool put_string(struct es_walk *w, struct es_pen *pen, ERL_NIF_TERM list)
{
    uint8_t *at = pen->at + 3;
    uint32_t n = 0;
    int64_t byte;
    ERL_NIF_TERM head;
    for (; es_get_cell(pen->env, list, &head, &list); n++) {
        if (n == w->max_elements || at >= w->soft || n >= pen->work || !es_get_int64(pen->env, head, &byte) ||
            byte < 0 || byte > 255)
            return false;
        *at++ = (uint8_t)byte;
    }
    if (n > UINT16_MAX || !es_is_nil(pen->env, list))
        return false;
    pen->hash = hash_string(pen->hash, pen->at + 3, n);
    pen->at[0] = ES_T_STRING;
    pen->at[1] = (uint8_t)(n >> 8);
    pen->at[2] = (uint8_t)n;
    pen->at = at;
    pay(pen, n);
    return true;
}

ES_INLINE void open_list(struct es_walk *w, struct es_pen *pen, ERL_NIF_TERM term)
{
    if (es_is_nil(pen->env, term)) {
        es_hash_add(&pen->hash, ES_HASH_NIL, 0);
        pen->at = es_put_u8(pen->at, ES_T_NIL);
        return;
    }
    if (w->depth > 0 && put_string(w, pen, term)) /* a whole payload stays a list: arguments are one */
        return;
    es_hash_add(&pen->hash, ES_HASH_LIST, 0);
    if (ES_UNLIKELY(w->depth >= w->max_depth)) {
        WITHOUT_PEN(w, pen, cut_list(w, term));
        return;
    }
    struct es_frame *f = push(w, pen, FRAME_LIST, term);
    f->term = term;
    f->left = w->max_elements;
    put_count_later(pen, f, ES_T_LIST);
}

static __attribute__((noinline)) void put_leaf(struct es_walk *w, ERL_NIF_TERM term, ErlNifTermType type)
{
    w->work--;
    es_hash_next(&w->hash);
    switch (type) {
    case ERL_NIF_TERM_TYPE_ATOM: es_leaf_atom(w, term); break;
    case ERL_NIF_TERM_TYPE_INTEGER: es_leaf_integer(w, term); break;
    case ERL_NIF_TERM_TYPE_BITSTRING: es_leaf_bits(w, term); break;
    case ERL_NIF_TERM_TYPE_PID: es_leaf_pid(w, term); break;
    case ERL_NIF_TERM_TYPE_REFERENCE: es_leaf_ref(w, term); break;
    case ERL_NIF_TERM_TYPE_FLOAT: es_leaf_float(w, term); break;
    case ERL_NIF_TERM_TYPE_FUN: es_leaf_fun(w, term); break;
    case ERL_NIF_TERM_TYPE_PORT: es_leaf_port(w, term); break;
    default: /* of an emulator that knows more types than we do */
        es_hash_add(&w->hash, ES_HASH_OTHER, 0);
        es_leaf_cut(w, ES_CUT_ANY, 0, 0);
    }
}

/* Writes a leaf, or begins a term with terms inside. */
ES_INLINE void put(struct es_walk *w, struct es_pen *pen, ERL_NIF_TERM term)
{
    if (ES_LIKELY(es_pen_leaf(pen, term)))
        return;
    ErlNifTermType type = es_heap_type_of(pen->env, term);
    if (type != ERL_NIF_TERM_TYPE_TUPLE && type != ERL_NIF_TERM_TYPE_LIST && type != ERL_NIF_TERM_TYPE_MAP) {
        WITHOUT_PEN(w, pen, put_leaf(w, term, type));
        return;
    }
    pen->work--;
    es_hash_next(&pen->hash);
    if (ES_UNLIKELY(w->memo)) {
        bool done;
        WITHOUT_PEN(w, pen, done = copied(w, term));
        if (done)
            return;
    }
    if (type == ERL_NIF_TERM_TYPE_TUPLE)
        open_tuple(w, pen, term);
    else if (type == ERL_NIF_TERM_TYPE_MAP)
        open_map(w, pen, term);
    else
        open_list(w, pen, term);
}

/* ---- going on: the next term of the last frame. False where the frame has ended, or a secret was passed ---------------- */

ES_INLINE bool next_element(struct es_walk *w, struct es_pen *pen, struct es_frame *f, ERL_NIF_TERM *ret_term)
{
    if (ES_LIKELY(f->left > f->secret)) {
        f->left--;
        *ret_term = *f->elements++;
        return true;
    }
    if (ES_UNLIKELY(f->left > 0))
        WITHOUT_PEN(w, pen, es_leaf_redacted(w));
    if (ES_UNLIKELY(f->rest))
        WITHOUT_PEN(w, pen, es_leaf_cut(w, ES_CUT_TUPLE, f->rest, ES_CUT_REST));
    pop(w, pen, f);
    return false;
}

/* The tail of an improper list is a term as others are; what is remembered of the list would lack it. */
ES_INLINE bool end_list(struct es_walk *w, struct es_pen *pen, struct es_frame *f, ERL_NIF_TERM *ret_tail)
{
    es_put_be32(f->count, f->done);
    if (ES_UNLIKELY(!es_is_nil(pen->env, f->term))) {
        w->depth--;
        *ret_tail = f->term;
        return true;
    }
    es_hash_leaf(&pen->hash, ES_HASH_NIL, 0);
    pen->at = es_put_u8(pen->at, ES_T_NIL);
    pop(w, pen, f);
    return false;
}

ES_INLINE bool next_cell(struct es_walk *w, struct es_pen *pen, struct es_frame *f, ERL_NIF_TERM *ret_term)
{
    ERL_NIF_TERM rest;
    if (!es_get_cell(pen->env, f->term, ret_term, &rest))
        return end_list(w, pen, f, ret_term);
    if (ES_LIKELY(f->left > 0)) {
        f->term = rest;
        f->left--;
        f->done++;
        return true;
    }
    es_put_be32(f->count, f->done);
    WITHOUT_PEN(w, pen, cut_list(w, f->term));
    pop(w, pen, f);
    return false;
}

static void end_map(struct es_walk *w, struct es_frame *f)
{
    uint64_t rest = f->rest + f->left;
    es_put_be32(f->count, f->done + (rest > 0));
    if (rest) {
        es_leaf_cut(w, ES_CUT_MAP, rest, 0);
        w->d->at = es_put_u8(w->d->at, ES_T_NIL);
    }
    if (f->kind == FRAME_MAP)
        enif_map_iterator_destroy(w->d->env, &f->pairs);
}

ES_INLINE bool next_value(struct es_walk *w, struct es_pen *pen, struct es_frame *f, ERL_NIF_TERM *ret_term)
{
    f->at_value = false;
    *ret_term = f->term;
    if (ES_UNLIKELY(f->secret))
        WITHOUT_PEN(w, pen, es_leaf_redacted(w));
    return !f->secret;
}

/* The next pair: its key, and the value in f->term. */
ES_INLINE bool next_pair(struct es_pen *pen, struct es_frame *f, ERL_NIF_TERM *ret_key)
{
    if (f->left == 0)
        return false;
    f->left--;
    if (f->kind == FRAME_FLAT) {
        *ret_key = *f->elements++;
        f->term = *f->values++;
        return true;
    }
    if (ES_UNLIKELY(!enif_map_iterator_get_pair(pen->env, &f->pairs, ret_key, &f->term))) {
        f->left++;
        return false;
    }
    enif_map_iterator_next(pen->env, &f->pairs);
    return true;
}

ES_INLINE bool next_key(struct es_walk *w, struct es_pen *pen, struct es_frame *f, ERL_NIF_TERM *ret_term)
{
    ERL_NIF_TERM key;
    if (!next_pair(pen, f, &key)) {
        WITHOUT_PEN(w, pen, end_map(w, f));
        pop(w, pen, f);
        return false;
    }
    if (f->done++ >= SMALL_MAP)
        pay(pen, PAIR_WORK);
    if (ES_UNLIKELY(pen->work == 0))
        pen->work = 1; /* for the key: a pair without one can't be written */
    f->at_value = true;
    f->secret = es_secret_key(w->d, key);
    *ret_term = key;
    return true;
}

/* The next of struct es_terms: `rest` tells which are secret, beginning with it. */
static bool next_of_terms(struct es_walk *w, struct es_pen *pen, struct es_frame *f, ERL_NIF_TERM *ret_term)
{
    if (f->left == 0) {
        pen->at = es_put_u8(pen->at, ES_T_NIL);
        pop(w, pen, f);
        return false;
    }
    bool secret = f->rest & 1;
    f->rest >>= 1;
    f->left--;
    f->done++;
    *ret_term = *f->elements++;
    if (ES_UNLIKELY(secret))
        WITHOUT_PEN(w, pen, es_leaf_redacted(w));
    return !secret;
}

ES_INLINE bool next(struct es_walk *w, struct es_pen *pen, ERL_NIF_TERM *ret_term)
{
    struct es_frame *f = &pen->t->frames[w->depth - 1];
    if (f->kind == FRAME_TUPLE)
        return next_element(w, pen, f, ret_term);
    if (f->kind == FRAME_LIST)
        return next_cell(w, pen, f, ret_term);
    if (ES_UNLIKELY(f->kind == FRAME_TERMS))
        return next_of_terms(w, pen, f, ret_term);
    return f->at_value ? next_value(w, pen, f, ret_term) : next_key(w, pen, f, ret_term);
}

/* ---- ending early -------------------------------------------------------------------------------------------------- */

static void abandon_list(struct es_walk *w, struct es_frame *f)
{
    es_put_be32(f->count, f->done);
    if (es_is_nil(w->d->env, f->term))
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
    w->depth--;
}

static void abandon_terms(struct es_walk *w, struct es_frame *f)
{
    es_put_be32(f->count, f->done);
    if (f->left)
        es_leaf_cut(w, ES_CUT_LIST, f->left, 0);
    else
        w->d->at = es_put_u8(w->d->at, ES_T_NIL);
    w->depth--;
}

static ES_SELDOM void abandon(struct es_walk *w)
{
    w->memo = 0;
    w->hash_cut |= w->hash.left > 0;
    while (w->depth > 0) {
        struct es_frame *f = top(w);
        if (f->kind == FRAME_TUPLE)
            abandon_tuple(w, f);
        else if (f->kind == FRAME_LIST)
            abandon_list(w, f);
        else if (f->kind == FRAME_TERMS)
            abandon_terms(w, f);
        else
            abandon_map(w, f);
    }
}

/* ---- the walk ------------------------------------------------------------------------------------------------------ */

static __attribute__((noinline)) void walk(struct es_walk *w, ERL_NIF_TERM term, const struct es_budget *budget)
{
    w->soft = w->d->at + budget->bytes;
    w->max_depth = budget->depth;
    w->max_elements = budget->elements;
    w->work = budget->work ? budget->work : 1;
    struct es_pen pen = es_pen_take(w);
    for (;;) {
        put(w, &pen, term);
        do {
            if (ES_UNLIKELY(es_pen_used_up(&pen, w)))
                WITHOUT_PEN(w, &pen, abandon(w));
            if (w->depth == 0) {
                es_pen_return(w, &pen);
                return;
            }
        } while (!next(w, &pen, &term));
    }
}

static inline void begin(struct es_walk *w, const struct es_budget *budget)
{
    w->cells = budget->work;
    if (budget->bytes >= MEMO_FROM)
        w->memo = ++w->d->t->walks ? w->d->t->walks : ++w->d->t->walks;
}

static inline void end(const struct es_walk *w)
{
    struct es_record *record = w->d->record;
    record->flags = (uint8_t)(record->flags | (w->cuts ? ES_R_CUT : 0) | (w->redacted ? ES_R_REDACTED : 0));
}

static void write(struct es_walk *w, ERL_NIF_TERM term, const struct es_budget *budget)
{
    begin(w, budget);
    walk(w, term, budget);
    end(w);
}

void es_walk_terms(struct es_draft *d, const struct es_terms *terms, uint8_t *count, const struct es_budget *budget)
{
    struct es_walk w = {.d = d};
    begin(&w, budget);
    uint32_t at = terms->done;
    while (at < terms->n && (terms->secret >> at & 1)) {
        es_leaf_redacted(&w);
        at++;
    }
    if (at == terms->n) {
        d->at = es_put_u8(d->at, ES_T_NIL);
    } else {
        struct es_pen pen = es_pen_take(&w);
        struct es_frame *f = push(&w, &pen, FRAME_TERMS, 0);
        f->elements = terms->at + at + 1;
        f->left = terms->n - at - 1;
        f->done = at + 1;
        f->rest = terms->secret >> at >> 1;
        f->count = count;
        walk(&w, terms->at[at], budget);
    }
    end(&w);
}

static inline uint64_t end_hash(const struct es_walk *w) { return w->hash_unknown ? 0 : es_hash_end(&w->hash); }

void es_walk(struct es_draft *d, ERL_NIF_TERM term, const struct es_budget *budget)
{
    struct es_walk w = {.d = d};
    write(&w, term, budget);
}

uint64_t es_walk_hash(struct es_draft *d, ERL_NIF_TERM term, const struct es_budget *budget)
{
    struct es_walk w = {.d = d, .hash = ES_HASH_BEGIN};
    write(&w, term, budget);
    return w.hash_cut ? es_hash_term(d, term) : end_hash(&w);
}

/* The same walk, so that one code serves both ends of a message and stays in the caches; what it writes is thrown away. Every unit of work
 * is at least one term of the hash, so no budget ends before the hash does. */
static void hash_more(struct es_walk *w, ERL_NIF_TERM term)
{
    static const struct es_budget budget = {
        .bytes = SCRATCH_BYTES, .depth = ES_HASH_NODES, .elements = ES_HASH_NODES, .work = ES_HASH_NODES};
    _Static_assert(SCRATCH_BYTES + ES_LEAF_MAX + (ES_HASH_NODES + 1) * ES_FRAME_END + 8 <= ES_SCRATCH_MAX,
                   "room to end");
    uint8_t *at = w->d->at;
    w->d->at = w->d->t->scratch;
    walk(w, term, &budget);
    w->d->at = at;
}

uint64_t es_hash_term(struct es_draft *d, ERL_NIF_TERM term)
{
    struct es_walk w = {.d = d, .hash_only = true, .hash = ES_HASH_BEGIN};
    hash_more(&w, term);
    return end_hash(&w);
}

uint64_t es_hash_tuple(struct es_draft *d, const ERL_NIF_TERM *elements, uint32_t arity)
{
    struct es_walk w = {.d = d, .hash_only = true, .hash = ES_HASH_BEGIN};
    es_hash_leaf(&w.hash, ES_HASH_TUPLE, arity);
    for (uint32_t i = 0; i < arity; i++)
        hash_more(&w, elements[i]);
    return end_hash(&w);
}
