/* SPDX-License-Identifier: MIT */
/* Lists: keyword lists and the like by their keys, others by the elements that stay. */
#include <stdlib.h>

#include "term/align.h"
#include "term/diff_make.h"
#include "term/print.h"

struct items {
    uint32_t n, *nodes;
    uint64_t *ids; /* by which they are told from each other: the key's hash, or the whole one's */
};

static bool read_items(const struct es_tree *tree, uint32_t list, bool keyed, struct items *ret)
{
    ret->n = tree->nodes[list].count;
    ret->nodes = malloc((size_t)(ret->n ? ret->n : 1) * sizeof *ret->nodes);
    ret->ids = malloc((size_t)(ret->n ? ret->n : 1) * sizeof *ret->ids);
    uint32_t child = list + 1;
    for (uint32_t i = 0; ret->nodes && ret->ids && i < ret->n; i++) {
        ret->nodes[i] = child;
        ret->ids[i] = tree->nodes[keyed ? child + 1 : child].hash;
        child = tree->nodes[child].next;
    }
    return ret->nodes && ret->ids;
}

static void free_items(struct items *items)
{
    free(items->nodes);
    free(items->ids);
}

/* ---- aligned lists ------------------------------------------------------------------------------------------------- */

struct lists {
    struct es_diffing *d;
    uint32_t step;
    bool keyed;
    struct items a, b;
};

/* An element of both, or of one of them: ES_ALIGN_NONE. */
static void add_item(struct lists *l, uint32_t i, uint32_t j)
{
    bool of_old = j == ES_ALIGN_NONE;
    uint32_t a = i == ES_ALIGN_NONE ? ES_NO_NODE : l->a.nodes[i], b = of_old ? ES_NO_NODE : l->b.nodes[j];
    struct es_step step = {
        .parent = l->step, .kind = ES_STEP_INDEX, .index = of_old ? i : j, .of_old = of_old, .key = ES_NO_NODE};
    if (l->keyed) { /* the pair's value */
        step.kind = ES_STEP_KEY;
        step.key = (of_old ? a : b) + 1;
        a = a == ES_NO_NODE ? a : l->d->from->nodes[a + 1].next;
        b = b == ES_NO_NODE ? b : l->d->to->nodes[b + 1].next;
    }
    es_diffing_add(l->d, &(struct es_pair){.a = a, .b = b}, &step);
}

/* Between two elements that stay: what was removed and inserted in the same place are taken for changes of each other,
 * one by one, but for pairs whose keys differ. */
static void add_block(struct lists *l, uint32_t i, uint32_t i_end, uint32_t j, uint32_t j_end)
{
    while (!l->keyed && i < i_end && j < j_end)
        add_item(l, i++, j++);
    while (i < i_end)
        add_item(l, i++, ES_ALIGN_NONE);
    while (j < j_end)
        add_item(l, ES_ALIGN_NONE, j++);
}

static void add_aligned(struct lists *l, const uint32_t *match)
{
    uint32_t i = 0, j = 0;
    for (uint32_t at = 0; at < l->a.n; at++) {
        if (match[at] == ES_ALIGN_NONE)
            continue;
        add_block(l, i, at, j, match[at]);
        add_item(l, at, match[at]);
        i = at + 1;
        j = match[at] + 1;
    }
    add_block(l, i, l->a.n, j, l->b.n);
}

static bool align(struct es_diffing *d, const struct es_pair *pair, bool keyed)
{
    struct lists l = {.d = d, .step = pair->step, .keyed = keyed};
    bool a = read_items(d->from, pair->a, keyed, &l.a), b = read_items(d->to, pair->b, keyed, &l.b);
    uint32_t *match = a && b ? malloc((size_t)(l.a.n + 1) * sizeof *match) : NULL;
    struct es_sequence from = {l.a.ids, l.a.n}, to = {l.b.ids, l.b.n};
    bool done = match && es_align(&from, &to, match) == 0;
    if (done)
        add_aligned(&l, match);
    free(match);
    free_items(&l.a);
    free_items(&l.b);
    return done;
}

/* ---- lists with a tail --------------------------------------------------------------------------------------------- */

/* Element by element: "this one was that" is true whatever the rest was. */
static void compare_by_place(struct es_diffing *d, const struct es_pair *pair)
{
    const struct es_node *x = &d->from->nodes[pair->a], *y = &d->to->nodes[pair->b];
    uint32_t a = pair->a + 1, b = pair->b + 1, most = x->count > y->count ? x->count : y->count;
    for (uint32_t i = 0; i < most; i++) {
        bool in_a = i < x->count, in_b = i < y->count;
        struct es_pair child = {.a = in_a ? a : ES_NO_NODE, .b = in_b ? b : ES_NO_NODE};
        struct es_step step = {
            .parent = pair->step, .kind = ES_STEP_INDEX, .index = i, .of_old = !in_b, .key = ES_NO_NODE};
        bool hidden = (!in_a && x->flags & ES_NODE_REST) || (!in_b && y->flags & ES_NODE_REST);
        if (!hidden) /* it may be in what was cut of the other */
            es_diffing_add(d, &child, &step);
        a = in_a ? d->from->nodes[a].next : a;
        b = in_b ? d->to->nodes[b].next : b;
    }
}

static bool compare_tails(struct es_diffing *d, const struct es_pair *pair)
{
    const struct es_node *x = &d->from->nodes[pair->a], *y = &d->to->nodes[pair->b];
    struct es_pair tails = {.step = pair->step, .a = es_tree_rest(d->from, pair->a), .b = es_tree_rest(d->to, pair->b)};
    struct es_step step = {.parent = pair->step, .kind = ES_STEP_TAIL, .key = ES_NO_NODE};
    if (!((x->flags | y->flags) & ES_NODE_REST) && (tails.a == ES_NO_NODE || tails.b == ES_NO_NODE))
        return false;
    compare_by_place(d, pair);
    if ((x->flags | y->flags) & ES_NODE_REST)
        es_diffing_change(d, ES_CHANGE_UNKNOWN, &tails);
    else
        es_diffing_add(d, &tails, &step);
    return true;
}

/* Shown as text, so compared as one. */
static bool is_text(const struct es_tree *tree, uint32_t list)
{
    const struct es_node *n = &tree->nodes[list];
    uint32_t child = list + 1;
    for (uint32_t i = 0; i < n->count; i++) {
        struct es_token token = es_tree_token(tree, child);
        if (token.type != ES_TOK_INT || token.integer < 0 || token.integer > 0x10ffff ||
            !es_charlist_printable((uint32_t)token.integer, true))
            return false;
        child = tree->nodes[child].next;
    }
    return n->count > 0;
}

bool es_diff_lists(struct es_diffing *d, const struct es_pair *pair)
{
    const struct es_node *x = &d->from->nodes[pair->a], *y = &d->to->nodes[pair->b];
    if ((x->flags | y->flags) & (ES_NODE_REST | ES_NODE_IMPROPER))
        return compare_tails(d, pair);
    if (is_text(d->from, pair->a) && is_text(d->to, pair->b))
        return false;
    bool keyed = (x->flags & ES_NODE_KEYED || x->count == 0) && (y->flags & ES_NODE_KEYED || y->count == 0);
    if (!align(d, pair, keyed))
        d->failed = true;
    return true;
}
