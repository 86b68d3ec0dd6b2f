/* SPDX-License-Identifier: MIT */
/* The walk through a live term: in place, without recursion, each step paid from the budgets. When one is used up, every open list,
 * tuple and map is ended with a cut that says what is missing. */
#include "capture/walk.h"

#include "capture/atoms.h"
#include "capture/leaf.h"
#include "capture/put.h"
#include "capture/secret.h"

enum es_frame_kind { FRAME_TUPLE, FRAME_LIST, FRAME_MAP };

#define FRAME_END (2 * ES_CUT_BYTES + 2) /* bytes that ending one frame may take */
#define BYTES_MAX (512u << 10)           /* of one payload, whatever the settings say: records end at 1 MiB */

/* ---- budgets ------------------------------------------------------------------------------------------------------- */

static uint32_t at_most(uint64_t value, uint64_t max) { return (uint32_t)(value < max ? value : max); }

struct es_budget es_budget_now(const struct es_draft *d, bool state)
{
    const struct es_limits *limits = &d->s->arena.head->limits;
    uint32_t bytes = atomic_load_explicit(state ? &limits->state_bytes : &limits->payload_bytes, memory_order_relaxed);
    uint64_t elements = atomic_load_explicit(&limits->max_elements, memory_order_relaxed);
    uint64_t work = atomic_load_explicit(&limits->work, memory_order_relaxed);
    return (struct es_budget){
        .bytes = at_most(bytes, at_most(d->t->ring->size / 8, BYTES_MAX)),
        .depth = at_most(atomic_load_explicit(&limits->max_depth, memory_order_relaxed), ES_DEPTH_MAX),
        .elements = elements < 2 ? 2 : at_most(state ? elements * 16 : elements, UINT32_MAX), /* pairs are judged whole */
        .work = at_most(state ? work * 64 : work, UINT32_MAX),
    };
}

uint32_t es_walk_room(const struct es_budget *budget)
{
    return budget->bytes ? budget->bytes + ES_LEAF_MAX + (budget->depth + 1) * FRAME_END : 0;
}

static inline bool used_up(const struct es_walk *w) { return w->d->at >= w->soft || w->work == 0; }

/* ---- frames -------------------------------------------------------------------------------------------------------- */

static inline struct es_frame *top(struct es_walk *w) { return &w->d->t->frames[w->depth - 1]; }
static inline struct es_frame *push(struct es_walk *w, enum es_frame_kind kind)
{
    struct es_frame *f = &w->d->t->frames[w->depth++];
    f->kind = (uint8_t)kind;
    f->at_value = f->secret = false;
    f->done = 0;
    f->rest = 0;
    return f;
}

/* Leaves room for a count that is known later. */
static inline void put_count_later(struct es_walk *w, struct es_frame *f, uint8_t tag)
{
    w->d->at = es_put_u8(w->d->at, tag);
    f->count = w->d->at;
    w->d->at += 4;
}

/* Cells of a list from here on, as far as counting goes; *ret_whole: to its end. */
static uint64_t count_cells(struct es_walk *w, ERL_NIF_TERM list, bool *ret_whole)
{
    ERL_NIF_TERM head;
    uint64_t n = 0;
    while (w->cells > 0 && enif_get_list_cell(w->d->env, list, &head, &list)) {
        w->cells--;
        n++;
    }
    *ret_whole = enif_is_empty_list(w->d->env, list);
    return n;
}

static void cut_list(struct es_walk *w, ERL_NIF_TERM list)
{
    bool whole;
    uint64_t n = count_cells(w, list, &whole);
    es_leaf_cut(w, ES_CUT_LIST, n, whole ? 0 : ES_CUT_AT_LEAST);
}

/* ---- opening ------------------------------------------------------------------------------------------------------- */

static void open_tuple(struct es_walk *w, ERL_NIF_TERM term)
{
    struct es_draft *d = w->d;
    int arity = 0;
    const ERL_NIF_TERM *elements = NULL;
    enif_get_tuple(d->env, term, &arity, &elements);
    if (ES_UNLIKELY(w->depth >= w->max_depth)) {
        es_leaf_cut(w, ES_CUT_TUPLE, (uint64_t)arity, 0);
        return;
    }
    d->at = es_put_tuple(d->at, (uint32_t)arity);
    if (arity == 0)
        return;
    struct es_frame *f = push(w, FRAME_TUPLE);
    f->elements = elements;
    f->left = (uint32_t)arity;
    f->secret = arity == 2 && es_secret_key(d, elements[0]);
    if (ES_UNLIKELY(f->left > w->max_elements)) {
        f->rest = f->left - w->max_elements;
        f->left = w->max_elements;
    }
}

static void open_map(struct es_walk *w, ERL_NIF_TERM term)
{
    struct es_draft *d = w->d;
    size_t size = 0;
    enif_get_map_size(d->env, term, &size);
    if (es_secret_struct(d, term)) {
        es_leaf_redacted(w);
        return;
    }
    if (ES_UNLIKELY(w->depth >= w->max_depth)) {
        es_leaf_cut(w, ES_CUT_MAP, size, 0);
        return;
    }
    struct es_frame *f = push(w, FRAME_MAP);
    if (size == 0 || !enif_map_iterator_create(d->env, term, &f->pairs, ERL_NIF_MAP_ITERATOR_FIRST)) {
        w->depth--;
        d->at = es_put_be32(es_put_u8(d->at, ES_T_MAP), 0);
        return;
    }
    f->left = at_most(size, w->max_elements);
    f->rest = size - f->left;
    put_count_later(w, f, ES_T_MAP);
}

/* A proper list of bytes is written as such, two bytes an element saved. False, and nothing written, where the list is none. */
static bool put_string(struct es_walk *w, ERL_NIF_TERM list)
{
    struct es_draft *d = w->d;
    uint8_t *at = d->at + 3;
    uint32_t n = 0;
    int byte;
    ERL_NIF_TERM head;
    for (; enif_get_list_cell(d->env, list, &head, &list); n++) {
        if (n == w->max_elements || at >= w->soft || n >= w->work || !enif_get_int(d->env, head, &byte) || byte < 0 || byte > 255)
            return false;
        *at++ = (uint8_t)byte;
    }
    if (n > UINT16_MAX || !enif_is_empty_list(d->env, list))
        return false;
    d->at[0] = ES_T_STRING;
    d->at[1] = (uint8_t)(n >> 8);
    d->at[2] = (uint8_t)n;
    d->at = at;
    w->work -= n;
    return true;
}

static void open_list(struct es_walk *w, ERL_NIF_TERM term)
{
    if (enif_is_empty_list(w->d->env, term)) {
        w->d->at = es_put_u8(w->d->at, ES_T_NIL);
        return;
    }
    if (w->depth > 0 && put_string(w, term)) /* arguments stay a list */
        return;
    if (ES_UNLIKELY(w->depth >= w->max_depth)) {
        cut_list(w, term);
        return;
    }
    struct es_frame *f = push(w, FRAME_LIST);
    f->term = term;
    f->left = w->max_elements;
    put_count_later(w, f, ES_T_LIST);
}

static inline void open_term(struct es_walk *w, ERL_NIF_TERM term)
{
    w->work--;
    switch (enif_term_type(w->d->env, term)) {
    case ERL_NIF_TERM_TYPE_ATOM:
        es_leaf_atom(w, term);
        return;
    case ERL_NIF_TERM_TYPE_INTEGER:
        es_leaf_integer(w, term);
        return;
    case ERL_NIF_TERM_TYPE_TUPLE:
        open_tuple(w, term);
        return;
    case ERL_NIF_TERM_TYPE_LIST:
        open_list(w, term);
        return;
    case ERL_NIF_TERM_TYPE_MAP:
        open_map(w, term);
        return;
    case ERL_NIF_TERM_TYPE_BITSTRING:
        es_leaf_bits(w, term);
        return;
    case ERL_NIF_TERM_TYPE_PID:
        es_leaf_pid(w, term);
        return;
    case ERL_NIF_TERM_TYPE_REFERENCE:
        es_leaf_ref(w, term);
        return;
    case ERL_NIF_TERM_TYPE_FLOAT:
        es_leaf_float(w, term);
        return;
    case ERL_NIF_TERM_TYPE_FUN:
        es_leaf_fun(w, term);
        return;
    case ERL_NIF_TERM_TYPE_PORT:
        es_leaf_port(w, term);
        return;
    default: /* of an emulator that knows more types than we do */
        es_leaf_cut(w, ES_CUT_ANY, 0, 0);
        return;
    }
}

/* ---- going on ------------------------------------------------------------------------------------------------------ */

/* The next term inside the top frame in *ret_term, or false where none is to be written now: the frame may have ended. */

static bool next_of_tuple(struct es_walk *w, struct es_frame *f, ERL_NIF_TERM *ret_term)
{
    if (f->left == 0) {
        if (f->rest)
            es_leaf_cut(w, ES_CUT_TUPLE, f->rest, ES_CUT_REST);
        w->depth--;
        return false;
    }
    f->left--;
    if (ES_UNLIKELY(f->secret) && f->left == 0) {
        es_leaf_redacted(w);
        return false;
    }
    *ret_term = *f->elements++;
    return true;
}

static bool next_of_list(struct es_walk *w, struct es_frame *f, ERL_NIF_TERM *ret_term)
{
    ERL_NIF_TERM tail;
    if (ES_LIKELY(enif_get_list_cell(w->d->env, f->term, ret_term, &tail))) {
        if (ES_LIKELY(f->left > 0)) {
            f->term = tail;
            f->left--;
            f->done++;
            return true;
        }
        cut_list(w, f->term);
    } else if (ES_LIKELY(enif_is_empty_list(w->d->env, f->term))) {
        w->d->at = es_put_u8(w->d->at, ES_T_NIL);
    } else { /* improper: the tail is a term like others */
        *ret_term = f->term;
        es_put_be32(f->count, f->done);
        w->depth--;
        return true;
    }
    es_put_be32(f->count, f->done);
    w->depth--;
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
    enif_map_iterator_destroy(w->d->env, &f->pairs);
    w->depth--;
}

static bool next_of_map(struct es_walk *w, struct es_frame *f, ERL_NIF_TERM *ret_term)
{
    if (f->at_value) {
        f->at_value = false;
        *ret_term = f->term;
        if (ES_LIKELY(!f->secret))
            return true;
        es_leaf_redacted(w);
        return false;
    }
    if (f->left == 0 || !enif_map_iterator_get_pair(w->d->env, &f->pairs, ret_term, &f->term)) {
        end_map(w, f);
        return false;
    }
    enif_map_iterator_next(w->d->env, &f->pairs);
    f->left--;
    f->done++;
    f->at_value = true;
    f->secret = es_secret_key(w->d, *ret_term);
    return true;
}

static inline bool next_term(struct es_walk *w, ERL_NIF_TERM *ret_term)
{
    struct es_frame *f = top(w);
    switch (f->kind) {
    case FRAME_TUPLE:
        return next_of_tuple(w, f, ret_term);
    case FRAME_LIST:
        return next_of_list(w, f, ret_term);
    default:
        return next_of_map(w, f, ret_term);
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

void es_walk(struct es_draft *d, ERL_NIF_TERM term, const struct es_budget *budget)
{
    struct es_walk w = {
        .d = d,
        .soft = d->at + budget->bytes,
        .max_depth = budget->depth,
        .max_elements = budget->elements,
        .work = budget->work ? budget->work : 1,
        .cells = budget->work,
    };
    open_term(&w, term);
    while (w.depth > 0) {
        if (ES_UNLIKELY(used_up(&w))) {
            abandon(&w);
            break;
        }
        if (next_term(&w, &term))
            open_term(&w, term);
    }
    d->record->flags = (uint8_t)(d->record->flags | (w.cut ? ES_R_CUT : 0) | (w.redacted ? ES_R_REDACTED : 0));
}
