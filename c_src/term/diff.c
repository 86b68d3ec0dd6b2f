/* SPDX-License-Identifier: MIT */
/* Two trees side by side, with a stack of pairs that are still to be compared. */
#include "term/diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "term/diff_make.h"

const char *const es_change_op_names[ES_CHANGE_OP_MAX] = {"added", "removed", "changed", "unknown"};

/* Room for one more of `size` bytes. */
static bool grow(void **list, size_t n, size_t *room, size_t size)
{
    if (n < *room)
        return true;
    size_t more = *room ? *room * 2 : 32;
    void *grown = realloc(*list, more * size);
    if (!grown)
        return false;
    *list = grown;
    *room = more;
    return true;
}

static bool push(struct es_pairs_list *stack, const struct es_pair *pair)
{
    if (!grow((void **)&stack->list, stack->n, &stack->room, sizeof *stack->list))
        return false;
    stack->list[stack->n++] = *pair;
    return true;
}

static bool is_same(const struct es_diffing *d, uint32_t a, uint32_t b)
{
    const struct es_node *x = &d->from->nodes[a], *y = &d->to->nodes[b];
    return x->hash == y->hash && x->type == y->type && !((x->flags | y->flags) & ES_NODE_UNSURE);
}

static uint32_t add_step(struct es_diffing *d, const struct es_step *step)
{
    struct es_diff *diff = d->diff;
    size_t room = diff->steps_room;
    if (!grow((void **)&diff->steps, diff->n_steps, &room, sizeof *step)) {
        d->failed = true;
        return ES_NO_STEP;
    }
    diff->steps_room = (uint32_t)room;
    diff->steps[diff->n_steps] = *step;
    return diff->n_steps++;
}

void es_diffing_add(struct es_diffing *d, const struct es_pair *pair, const struct es_step *step)
{
    struct es_pair child = *pair;
    if (d->failed || (child.a != ES_NO_NODE && child.b != ES_NO_NODE && is_same(d, child.a, child.b)))
        return;
    child.step = add_step(d, step);
    if (!d->failed && !push(&d->found, &child))
        d->failed = true;
}

void es_diffing_change(struct es_diffing *d, enum es_change_op op, const struct es_pair *pair)
{
    struct es_diff *diff = d->diff;
    size_t room = diff->changes_room;
    if (!grow((void **)&diff->changes, diff->n_changes, &room, sizeof *diff->changes)) {
        d->failed = true;
        return;
    }
    diff->changes_room = (uint32_t)room;
    diff->changes[diff->n_changes++] =
        (struct es_change){.op = (uint8_t)op, .step = pair->step, .old_node = pair->a, .new_node = pair->b};
}

/* ---- cuts ---------------------------------------------------------------------------------------------------------- */

/* What a cut stands for: type, how much, and whether that is a lower bound. Size 0 is an unknown one. */
struct extent {
    uint8_t type; /* enum es_cut_type */
    bool at_least;
    uint64_t size, hash;
};

static struct extent extent_of(const struct es_tree *tree, uint32_t node)
{
    static const uint8_t types[] = {
        [ES_N_INT] = ES_CUT_INTEGER,   [ES_N_FLOAT] = ES_CUT_TYPE_MAX, [ES_N_ATOM] = ES_CUT_TYPE_MAX,
        [ES_N_BINARY] = ES_CUT_BINARY, [ES_N_TUPLE] = ES_CUT_TUPLE,    [ES_N_LIST] = ES_CUT_LIST,
        [ES_N_MAP] = ES_CUT_MAP,       [ES_N_PID] = ES_CUT_TYPE_MAX,   [ES_N_PORT] = ES_CUT_TYPE_MAX,
        [ES_N_REF] = ES_CUT_TYPE_MAX,  [ES_N_FUN] = ES_CUT_FUN,        [ES_N_EXPORT] = ES_CUT_FUN,
    };
    const struct es_node *n = &tree->nodes[node];
    struct es_token token = es_tree_token(tree, node);
    if (n->type != ES_N_CUT) {
        bool sized = n->type == ES_N_BINARY || n->type == ES_N_LIST || n->type == ES_N_TUPLE || n->type == ES_N_MAP;
        return (struct extent){.type =
                                   token.type == ES_TOK_BINARY && token.bits != 8 ? ES_CUT_BITSTRING : types[n->type],
                               .at_least = n->flags & (ES_NODE_REST | ES_NODE_IMPROPER),
                               .size = sized ? (n->type == ES_N_BINARY ? token.len : n->count) : 0};
    }
    return (struct extent){.type = token.cut.type,
                           .at_least = token.cut.flags & ES_CUT_AT_LEAST,
                           .size = token.cut.size ? token.cut.size + token.cut.prefix_len : 0,
                           .hash = token.cut.hash};
}

static bool says_nothing(const struct extent *e) { return e->type == ES_CUT_ANY || e->type == ES_CUT_REDACTED; }

/* Is it certain that the two differ? */
static bool surely_differ(const struct extent *a, const struct extent *b)
{
    if (says_nothing(a) || says_nothing(b))
        return false;
    if (a->type != b->type)
        return a->type != ES_CUT_STATE && b->type != ES_CUT_STATE;
    if (a->type != ES_CUT_INTEGER && a->size && b->size) {
        if (!a->at_least && !b->at_least && a->size != b->size)
            return true;
        if ((a->at_least && !b->at_least && a->size > b->size) || (b->at_least && !a->at_least && b->size > a->size))
            return true;
    }
    return a->hash && b->hash && a->hash != b->hash;
}

static void compare_cut(struct es_diffing *d, const struct es_pair *pair)
{
    struct extent a = extent_of(d->from, pair->a), b = extent_of(d->to, pair->b);
    es_diffing_change(d, surely_differ(&a, &b) ? ES_CHANGE_CHANGED : ES_CHANGE_UNKNOWN, pair);
}

/* ---- tuples -------------------------------------------------------------------------------------------------------- */

static bool is_composed(const struct es_node *node)
{
    return node->count > 0 && (node->type == ES_N_TUPLE || node->type == ES_N_LIST || node->type == ES_N_MAP);
}

/* One element that stayed, or that may have changed inside, makes it the same tuple. */
static bool have_something_in_common(const struct es_diffing *d, const struct es_pair *pair)
{
    uint32_t a = pair->a + 1, b = pair->b + 1;
    for (uint32_t i = 0; i < d->from->nodes[pair->a].count; i++) {
        const struct es_node *x = &d->from->nodes[a], *y = &d->to->nodes[b];
        if (x->hash == y->hash || (x->type == y->type && is_composed(x) && is_composed(y)) || x->type == ES_N_CUT ||
            y->type == ES_N_CUT)
            return true;
        a = x->next;
        b = y->next;
    }
    return d->from->nodes[pair->a].flags & ES_NODE_REST;
}

static bool compare_tuples(struct es_diffing *d, const struct es_pair *pair)
{
    const struct es_node *x = &d->from->nodes[pair->a], *y = &d->to->nodes[pair->b];
    bool rest = (x->flags | y->flags) & ES_NODE_REST;
    if (!rest && (x->count != y->count || !have_something_in_common(d, pair)))
        return false;
    uint32_t a = pair->a + 1, b = pair->b + 1, n = x->count < y->count ? x->count : y->count;
    for (uint32_t i = 0; i < n; i++) {
        es_diffing_add(d, &(struct es_pair){.a = a, .b = b},
                       &(struct es_step){.parent = pair->step, .kind = ES_STEP_ELEMENT, .index = i});
        a = d->from->nodes[a].next;
        b = d->to->nodes[b].next;
    }
    if (rest)
        es_diffing_change(d, ES_CHANGE_UNKNOWN,
                          &(struct es_pair){.step = pair->step,
                                            .a = es_tree_rest(d->from, pair->a),
                                            .b = es_tree_rest(d->to, pair->b)});
    return true;
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

static void compare(struct es_diffing *d, const struct es_pair *pair)
{
    const struct es_node *x = &d->from->nodes[pair->a], *y = &d->to->nodes[pair->b];
    if (is_same(d, pair->a, pair->b))
        return;
    if (x->type == ES_N_CUT || y->type == ES_N_CUT) {
        compare_cut(d, pair);
        return;
    }
    bool inside = false;
    if (x->type == y->type)
        inside = x->type == ES_N_TUPLE  ? compare_tuples(d, pair)
                 : x->type == ES_N_LIST ? es_diff_lists(d, pair)
                 : x->type == ES_N_MAP  ? es_diff_maps(d, pair)
                                        : false;
    if (!inside)
        es_diffing_change(d, ES_CHANGE_CHANGED, pair);
}

static void take(struct es_diffing *d, const struct es_pair *pair)
{
    if (pair->unknown)
        es_diffing_change(d, ES_CHANGE_UNKNOWN, pair);
    else if (pair->a == ES_NO_NODE)
        es_diffing_change(d, ES_CHANGE_ADDED, pair);
    else if (pair->b == ES_NO_NODE)
        es_diffing_change(d, ES_CHANGE_REMOVED, pair);
    else
        compare(d, pair);
}

static void run(struct es_diffing *d, struct es_pairs_list *stack)
{
    while (stack->n > 0 && !d->failed) {
        struct es_pair pair = stack->list[--stack->n];
        d->found.n = 0;
        take(d, &pair);
        for (size_t i = d->found.n; i-- > 0 && !d->failed;) /* the first is to be taken first */
            d->failed = !push(stack, &d->found.list[i]);
    }
}

int es_diff_make(const struct es_tree *from, const struct es_tree *to, struct es_diff *ret_diff)
{
    struct es_pairs_list stack = {0};
    struct es_pair all = {.step = ES_NO_STEP};
    *ret_diff = (struct es_diff){.from = from, .to = to};
    struct es_diffing d = {.diff = ret_diff, .from = from, .to = to};
    d.failed = !push(&stack, &all);
    run(&d, &stack);
    free(stack.list);
    free(d.found.list);
    if (!d.failed)
        return 0;
    es_diff_fini(ret_diff);
    return -ENOMEM;
}

void es_diff_fini(struct es_diff *diff)
{
    free(diff->changes);
    free(diff->steps);
    *diff = (struct es_diff){0};
}
