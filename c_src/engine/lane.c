/* SPDX-License-Identifier: MIT */
/* The table of lanes; see pair.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/pair.h"

struct es_lane *es_lane_find(const struct es_pairs *pairs, es_ref from, uint64_t to)
{
    for (uint32_t at = es_lane_home(pairs, from, to);; at = (at + 1) & pairs->mask) {
        struct es_lane *lane = &pairs->lanes[at];
        if (lane->from == from && lane->to == to)
            return lane;
        if (lane->from == 0)
            return NULL;
    }
}

static struct es_lane *new_lanes(uint32_t size)
{
    struct es_lane *lanes;
    if (posix_memalign((void **)&lanes, 64, size * sizeof *lanes) != 0)
        return NULL;
    memset(lanes, 0, size * sizeof *lanes);
    return lanes;
}

static struct es_lane *place(const struct es_pairs *pairs, es_ref from, uint64_t to)
{
    uint32_t at = es_lane_home(pairs, from, to);
    while (pairs->lanes[at].from)
        at = (at + 1) & pairs->mask;
    return &pairs->lanes[at];
}

static int grow(struct es_pairs *pairs)
{
    struct es_lane *before = pairs->lanes, *lanes = new_lanes((pairs->mask + 1) * 2);
    uint32_t n = pairs->mask + 1;
    if (!lanes)
        return -ENOMEM;
    pairs->lanes = lanes;
    pairs->mask = n * 2 - 1;
    for (uint32_t i = 0; i < n; i++)
        if (before[i].from)
            *place(pairs, before[i].from, before[i].to) = before[i];
    free(before);
    return 0;
}

struct es_lane *es_lane_add(struct es_pairs *pairs, es_ref from, uint64_t to)
{
    if (pairs->used > pairs->mask / 8 * 5 && grow(pairs) < 0)
        return NULL;
    struct es_lane *lane = place(pairs, from, to);
    *lane = (struct es_lane){.from = from,
                             .to = to,
                             .next = ES_TABLE_NONE,
                             .last = ES_TABLE_NONE,
                             .epoch = pairs->epoch,
                             .doubt = ES_TABLE_NONE};
    pairs->used++;
    return lane;
}

void es_lane_remove(struct es_pairs *pairs, struct es_lane *lane)
{
    while (lane->first.seq)
        es_lane_pop(pairs, lane);
    es_lane_certain(pairs, lane);
    uint32_t at = (uint32_t)(lane - pairs->lanes);
    for (uint32_t next = (at + 1) & pairs->mask; pairs->lanes[next].from; next = (next + 1) & pairs->mask) {
        uint32_t from = es_lane_home(pairs, pairs->lanes[next].from, pairs->lanes[next].to);
        if (((next - from) & pairs->mask) >= ((next - at) & pairs->mask)) {
            pairs->lanes[at] = pairs->lanes[next];
            at = next;
        }
    }
    pairs->lanes[at].from = 0;
    pairs->used--;
}

/* ---- what waits in a lane ------------------------------------------------------------------------------------------- */

static uint32_t new_node(struct es_pairs *pairs)
{
    uint32_t node = pairs->free_node;
    if (node != ES_TABLE_NONE) {
        pairs->free_node = pairs->nodes[node].next;
        return node;
    }
    if (pairs->n_nodes == pairs->nodes_room) {
        uint32_t room = pairs->nodes_room ? pairs->nodes_room * 2 : 1024;
        struct es_lane_node *nodes = realloc(pairs->nodes, room * sizeof *nodes);
        if (!nodes)
            return ES_TABLE_NONE;
        pairs->nodes = nodes;
        pairs->nodes_room = room;
    }
    return pairs->n_nodes++;
}

int es_lane_push(struct es_pairs *pairs, struct es_lane *lane, const struct es_sent *sent)
{
    if (lane->first.seq == 0) {
        lane->first = *sent;
        return 0;
    }
    uint32_t node = new_node(pairs);
    if (node == ES_TABLE_NONE)
        return -ENOMEM;
    pairs->nodes[node] = (struct es_lane_node){.sent = *sent, .next = ES_TABLE_NONE};
    if (lane->next == ES_TABLE_NONE)
        lane->next = node;
    else
        pairs->nodes[lane->last].next = node;
    lane->last = node;
    pairs->nodes_used++;
    return 0;
}

void es_lane_pop(struct es_pairs *pairs, struct es_lane *lane)
{
    uint32_t node = lane->next;
    if (node == ES_TABLE_NONE) {
        lane->first.seq = 0;
        return;
    }
    lane->first = pairs->nodes[node].sent;
    lane->next = pairs->nodes[node].next;
    if (lane->next == ES_TABLE_NONE)
        lane->last = ES_TABLE_NONE;
    pairs->nodes[node].next = pairs->free_node;
    pairs->free_node = node;
    pairs->nodes_used--;
}

/* ---- doubt --------------------------------------------------------------------------------------------------------- */

struct es_lane_doubt *es_lane_doubt(struct es_pairs *pairs, struct es_lane *lane)
{
    if (lane->doubt != ES_TABLE_NONE)
        return &pairs->doubts[lane->doubt];
    uint32_t at = pairs->free_doubt;
    if (at != ES_TABLE_NONE) {
        pairs->free_doubt = pairs->doubts[at].next_free;
    } else {
        if (pairs->n_doubts == pairs->doubts_room) {
            uint32_t room = pairs->doubts_room ? pairs->doubts_room * 2 : 256;
            struct es_lane_doubt *doubts = realloc(pairs->doubts, room * sizeof *doubts);
            if (!doubts)
                return NULL;
            pairs->doubts = doubts;
            pairs->doubts_room = room;
        }
        at = pairs->n_doubts++;
    }
    pairs->doubts[at] = (struct es_lane_doubt){.since = INT64_MIN, .touched = INT64_MIN};
    lane->doubt = at;
    return &pairs->doubts[at];
}

int es_lane_suspect(struct es_pairs *pairs, struct es_lane *lane, int64_t time)
{
    struct es_lane_doubt *doubt = es_lane_doubt(pairs, lane);
    if (!doubt)
        return es_fail(-ENOMEM, "no memory for messages under way");
    lane->epoch = pairs->epoch - 1;
    *doubt = (struct es_lane_doubt){.since = time, .touched = time};
    return 0;
}

void es_lane_certain(struct es_pairs *pairs, struct es_lane *lane)
{
    lane->epoch = pairs->epoch;
    if (lane->doubt == ES_TABLE_NONE)
        return;
    pairs->doubts[lane->doubt].next_free = pairs->free_doubt;
    pairs->free_doubt = lane->doubt;
    lane->doubt = ES_TABLE_NONE;
}

/* ---- making room --------------------------------------------------------------------------------------------------- */

static struct es_proc *sender_of(const struct es_pairs *pairs, const struct es_lane *lane)
{
    return es_proc_find(pairs->processes, lane->from);
}

static bool is_content(const struct es_lane *lane) { return lane->to >> 60 == 0xf; }

/* Nothing in it will arrive any more: sent to the dead, or in doubt and quiet. */
static bool is_hopeless(const struct es_pairs *pairs, const struct es_lane *lane, int64_t now)
{
    if (lane->first.seq == 0)
        return lane->doubt == ES_TABLE_NONE || pairs->doubts[lane->doubt].touched < es_before(now, ES_QUIET_NS);
    if (is_content(lane))
        return false;
    const struct es_proc *receiver = es_proc_find(pairs->processes, lane->to);
    return receiver ? (receiver->flags & ES_P_DEAD) != 0 : lane->first.time < es_before(now, ES_QUIET_NS);
}

static void drop_hopeless(struct es_pairs *pairs, int64_t now)
{
    for (uint32_t i = 0; i <= pairs->mask;) {
        struct es_lane *lane = &pairs->lanes[i];
        if (lane->from == 0 || !is_hopeless(pairs, lane, now)) {
            i++;
            continue;
        }
        while (lane->first.seq) {
            pairs->undelivered++;
            es_lane_pop(pairs, lane);
        }
        es_lane_remove(pairs, lane); /* another may have moved to this place */
    }
}

#define STEPS 64u

struct ages {
    uint64_t least, most, step, counts[STEPS], all;
};

static int note_range(const struct es_lane *lane, const struct es_sent *sent, void *context)
{
    struct ages *ages = context;
    (void)lane;
    ages->least = sent->seq < ages->least ? sent->seq : ages->least;
    ages->most = sent->seq > ages->most ? sent->seq : ages->most;
    ages->all++;
    return 0;
}

static int note_age(const struct es_lane *lane, const struct es_sent *sent, void *context)
{
    struct ages *ages = context;
    (void)lane;
    ages->counts[(sent->seq - ages->least) / ages->step]++;
    return 0;
}

/* A sequence number before which at least an eighth of all that waits lies. */
static uint64_t oldest_eighth(const struct es_pairs *pairs)
{
    struct ages ages = {.least = UINT64_MAX};
    es_pairs_each(pairs, note_range, &ages);
    if (ages.all == 0)
        return 0;
    ages.step = (ages.most - ages.least) / STEPS + 1;
    es_pairs_each(pairs, note_age, &ages);
    uint64_t bound = ages.least, sum = 0;
    for (uint32_t i = 0; i < STEPS && sum * 8 < ages.all; i++) {
        sum += ages.counts[i];
        bound = ages.least + (i + 1) * ages.step;
    }
    return bound;
}

static void evict(struct es_pairs *pairs)
{
    uint64_t bound = oldest_eighth(pairs);
    for (uint32_t i = 0; i <= pairs->mask;) {
        struct es_lane *lane = &pairs->lanes[i];
        if (lane->from == 0 || lane->first.seq >= bound) {
            i++;
            continue;
        }
        struct es_proc *sender = sender_of(pairs, lane);
        if (sender && lane->first.seq)
            sender->flags |= ES_P_EVICTED;
        while (lane->first.seq && lane->first.seq < bound) {
            pairs->evicted++;
            if (sender && is_content(lane) && sender->contents > 0)
                sender->contents--;
            es_lane_pop(pairs, lane);
        }
        if (lane->first.seq)
            i++;
        else
            es_lane_remove(pairs, lane);
    }
}

void es_lanes_sweep(struct es_pairs *pairs, int64_t now)
{
    drop_hopeless(pairs, now);
    while (pairs->used > ES_LANES_MAX / 4 * 3 || pairs->nodes_used > ES_NODES_MAX / 4 * 3)
        evict(pairs);
    if (pairs->used > pairs->mask / 2)
        grow(pairs); /* or this would come again at once; where it fails, es_lane_add() tells */
}
