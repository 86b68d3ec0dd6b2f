/* SPDX-License-Identifier: MIT */
/* Maps key by key: side by side as long as both have the same keys in the same order, then through a table. */
#include <stdlib.h>
#include <string.h>

#include "term/diff_make.h"

/* Keys of the new map by hash; a slot is a key's node + 1, the first bit says that it was met in the old one. */
struct keys {
    uint32_t *slots;
    size_t mask;
};
#define MET (UINT32_C(1) << 31)

static uint32_t *find(const struct keys *keys, const struct es_tree *tree, uint64_t hash)
{
    size_t i = (size_t)(hash ^ hash >> 32) & keys->mask;
    while (keys->slots[i] && tree->nodes[(keys->slots[i] & ~MET) - 1].hash != hash)
        i = (i + 1) & keys->mask;
    return &keys->slots[i];
}

static bool fill(struct keys *keys, const struct es_tree *tree, uint32_t key, uint32_t n)
{
    size_t room = 4;
    while (room < (size_t)n * 2)
        room *= 2;
    keys->slots = calloc(room, sizeof *keys->slots);
    keys->mask = room - 1;
    for (; keys->slots && n > 0; n--) {
        uint32_t *slot = find(keys, tree, tree->nodes[key].hash);
        if (*slot == 0)
            *slot = key + 1;
        key = tree->nodes[tree->nodes[key].next].next;
    }
    return keys->slots != NULL;
}

static struct es_step step_to(uint32_t parent, uint32_t key, bool of_old)
{
    return (struct es_step){.parent = parent, .kind = ES_STEP_KEY, .key = key, .of_old = of_old};
}

/* The rest of the old map against the table, then what the new one has besides. */
static void compare_rest(struct es_diffing *d, const struct es_pair *pair, struct keys *keys, struct es_pair from,
                         const uint32_t left[2])
{
    bool old_cut = d->from->nodes[pair->a].flags & ES_NODE_REST, new_cut = d->to->nodes[pair->b].flags & ES_NODE_REST;
    uint32_t key = from.a;
    for (uint32_t i = 0; i < left[0]; i++) {
        uint32_t value = d->from->nodes[key].next, *slot = find(keys, d->to, d->from->nodes[key].hash);
        struct es_step step = step_to(pair->step, key, true);
        if (*slot && !(*slot & MET)) {
            step = step_to(pair->step, *slot - 1, false);
            es_diffing_add(d, &(struct es_pair){.a = value, .b = d->to->nodes[*slot - 1].next}, &step);
            *slot |= MET;
        } else {
            es_diffing_add(d, &(struct es_pair){.a = value, .b = ES_NO_NODE, .unknown = new_cut}, &step);
        }
        key = d->from->nodes[value].next;
    }
    key = from.b;
    for (uint32_t i = 0; i < left[1]; i++) {
        uint32_t value = d->to->nodes[key].next;
        struct es_step step = step_to(pair->step, key, false);
        if (!(*find(keys, d->to, d->to->nodes[key].hash) & MET))
            es_diffing_add(d, &(struct es_pair){.a = ES_NO_NODE, .b = value, .unknown = old_cut}, &step);
        key = d->to->nodes[value].next;
    }
}

/* A struct of another module is another thing. */
static bool same_struct(const struct es_diffing *d, const struct es_pair *pair)
{
    bool a_is = d->from->nodes[pair->a].flags & ES_NODE_STRUCT, b_is = d->to->nodes[pair->b].flags & ES_NODE_STRUCT;
    if (!a_is || !b_is)
        return a_is == b_is;
    uint32_t a = es_tree_field(d->from, pair->a, "__struct__"), b = es_tree_field(d->to, pair->b, "__struct__");
    return d->from->nodes[a].hash == d->to->nodes[b].hash;
}

bool es_diff_maps(struct es_diffing *d, const struct es_pair *pair)
{
    const struct es_node *x = &d->from->nodes[pair->a], *y = &d->to->nodes[pair->b];
    uint32_t left[2] = {x->count, y->count};
    struct es_pair at = {.a = pair->a + 1, .b = pair->b + 1};
    if (!same_struct(d, pair))
        return false;
    while (left[0] > 0 && left[1] > 0 && d->from->nodes[at.a].hash == d->to->nodes[at.b].hash) {
        struct es_step step = step_to(pair->step, at.b, false);
        struct es_pair values = {.a = d->from->nodes[at.a].next, .b = d->to->nodes[at.b].next};
        es_diffing_add(d, &values, &step);
        at = (struct es_pair){.a = d->from->nodes[values.a].next, .b = d->to->nodes[values.b].next};
        left[0]--;
        left[1]--;
    }
    struct keys keys = {0};
    if (left[0] + left[1] > 0) {
        if (fill(&keys, d->to, at.b, left[1]))
            compare_rest(d, pair, &keys, at, left);
        else
            d->failed = true;
        free(keys.slots);
    }
    if ((x->flags | y->flags) & ES_NODE_REST)
        es_diffing_change(d, ES_CHANGE_UNKNOWN,
                          &(struct es_pair){.step = pair->step,
                                            .a = es_tree_rest(d->from, pair->a),
                                            .b = es_tree_rest(d->to, pair->b)});
    return true;
}
