/* SPDX-License-Identifier: MIT */
#include "query/timeline_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define ROOM_KEPT (1u << 20) /* runs */

/* ---- kinds --------------------------------------------------------------------------------------------------------- */

/* The strongest first: what went wrong, ends and beginnings, what the recorder says of itself, then the everyday. */
static const uint8_t by_strength[] = {
    ES_K_CRASH,
    ES_K_LOG,
    ES_K_EXCEPTION,
    ES_K_EXIT,
    ES_K_GAP,
    ES_K_NODE_DOWN,
    ES_K_MARK,
    ES_K_NOTICE,
    ES_K_BUDGET,
    ES_K_NODE_UP,
    ES_K_SPAWN,
    ES_K_SPAWNED,
    ES_K_CENSUS,
    ES_K_REGISTER,
    ES_K_UNREGISTER,
    ES_K_LINK,
    ES_K_UNLINK,
    ES_K_GETTING_LINKED,
    ES_K_GETTING_UNLINKED,
    ES_K_SEND_DEAD,
    ES_K_LONG_GC,
    ES_K_LARGE_HEAP,
    ES_K_LONG_SCHEDULE,
    ES_K_BUSY_DIST_PORT,
    ES_K_BUSY_PORT,
    ES_K_TIMEOUT,
    ES_K_STATE,
    ES_K_CALL,
    ES_K_RETURN,
    ES_K_DELIVER,
    ES_K_SEND,
    ES_K_MEMORY,
    ES_K_GC_MAJOR_START,
    ES_K_GC_MAJOR_END,
    ES_K_GC_MINOR_START,
    ES_K_GC_MINOR_END,
    ES_K_IN,
    ES_K_OUT,
};
#define N_RANKS (sizeof by_strength)

static const uint8_t families[ES_FAM_MAX] = {
    [ES_FAM_PROCESS] = ES_TL_PROCESS,
    [ES_FAM_MESSAGE] = ES_TL_MESSAGE,
    [ES_FAM_CALL] = ES_TL_CALL,
    [ES_FAM_STATE] = ES_TL_STATE,
    [ES_FAM_SCHEDULING] = ES_TL_SCHEDULING,
    [ES_FAM_MEMORY] = ES_TL_MEMORY,
    [ES_FAM_NODE] = ES_TL_OTHER,
    [ES_FAM_ERROR] = ES_TL_ERROR,
    [ES_FAM_USER] = ES_TL_OTHER,
    [ES_FAM_RECORDER] = ES_TL_OTHER,
    [ES_FAM_LINE] = ES_TL_CALL,
    [ES_FAM_INTERNAL] = ES_TL_OTHER,
};

static uint8_t doing_of(unsigned kind)
{
    switch (kind) {
    case ES_K_IN: return ES_DO_ON | ES_DO_SCHEDULED;
    case ES_K_OUT: return ES_DO_OFF | ES_DO_SCHEDULED;
    case ES_K_GC_MINOR_START:
    case ES_K_GC_MAJOR_START: return ES_DO_GC | ES_DO_COLLECTED;
    case ES_K_GC_MINOR_END:
    case ES_K_GC_MAJOR_END: return ES_DO_GC_NONE | ES_DO_COLLECTED;
    case ES_K_EXIT: return ES_DO_GONE | ES_DO_GC_GONE;
    default: return 0;
    }
}

static struct es_rank rank_of(unsigned kind, unsigned family)
{
    struct es_rank rank = {(uint8_t)kind, (uint8_t)family, doing_of(kind), {0}};
    rank.member[family / 4] = UINT64_C(1) << (family % 4 * 16);
    return rank;
}

const struct es_rank *es_ranks(void)
{
    static _Thread_local struct es_rank ranks[ES_RANKS];
    for (unsigned i = 0; !ranks[0].family && i < N_RANKS; i++)
        ranks[N_RANKS - i] = rank_of(by_strength[i], families[es_kind_table[by_strength[i]].family]);
    ranks[0] = rank_of(ES_K_NONE, ES_TL_OTHER);
    return ranks;
}

/* Ranks of all kinds; 0 of those without one. */
static void make_numbers(uint8_t ret_ranks[ES_KIND_MAX])
{
    memset(ret_ranks, 0, ES_KIND_MAX);
    for (unsigned i = 0; i < N_RANKS; i++)
        ret_ranks[by_strength[i]] = (uint8_t)(N_RANKS - i);
}

/* ---- the lanes of a block ------------------------------------------------------------------------------------------ */

void es_lanes_drop(struct es_lane_index *index, struct es_lane_block *block)
{
    index->bytes -= block->bytes;
    free(block->lanes);
    for (struct es_lane_chunk *chunk = block->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        es_slabs_give(&index->slabs, chunk);
    }
    *block =
        (struct es_lane_block){.first_seq = block->first_seq, .last_seq = block->last_seq, .damaged = block->damaged};
}

static struct es_lane_part *lane_place(const struct es_lane_block *block, es_ref pid)
{
    uint32_t mask = block->room - 1, at = (uint32_t)((pid * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & mask;
    while (block->lanes[at].known && block->lanes[at].pid != pid)
        at = (at + 1) & mask;
    return &block->lanes[at];
}

const struct es_lane_part *es_lanes_find(const struct es_lane_block *block, es_ref pid)
{
    const struct es_lane_part *lane = block->room ? lane_place(block, pid) : NULL;
    return lane && lane->n > 0 ? lane : NULL;
}

bool es_lanes_known(const struct es_lane_block *block, es_ref pid)
{
    return block->room && lane_place(block, pid)->known;
}

static int make_room(struct es_lane_index *index, struct es_lane_block *block, size_t more)
{
    uint32_t room = 16;
    while (room < 2 * (block->n_lanes + more))
        room *= 2;
    if (room <= block->room)
        return 0;
    struct es_lane_block bigger = {.lanes = calloc(room, sizeof *bigger.lanes), .room = room};
    if (!bigger.lanes)
        return es_fail(-ENOMEM, "no memory for a timeline");
    for (uint32_t i = 0; i < block->room; i++)
        if (block->lanes[i].known)
            *lane_place(&bigger, block->lanes[i].pid) = block->lanes[i];
    block->bytes += (room - block->room) * sizeof *block->lanes;
    index->bytes += (room - block->room) * sizeof *block->lanes;
    free(block->lanes);
    block->lanes = bigger.lanes;
    block->room = room;
    return 0;
}

/* Bits of the families of 16 events are gathered in registers, four families each, from the last event on. */
static void sum_leaf(const struct es_lane_part *lane, uint32_t number, const struct es_rank *ranks)
{
    const uint8_t *events = lane->ranks + number * ES_LEAF_EVENTS;
    uint32_t n = lane->n - number * ES_LEAF_EVENTS;
    uint64_t low = 0, high = 0;
    uint8_t strongest = 0, does = 0;
    n = n < ES_LEAF_EVENTS ? n : ES_LEAF_EVENTS;
    for (uint32_t i = n; i > 0; i--) {
        uint8_t event = events[i - 1];
        const struct es_rank *rank = &ranks[event];
        low = low << 1 | rank->member[0];
        high = high << 1 | rank->member[1];
        does |= rank->doing;
        strongest = event > strongest ? event : strongest;
    }
    struct es_tip tip = {.last = n ? es_lane_time(lane, number * ES_LEAF_EVENTS + n - 1) : UINT64_MAX,
                         .rank = strongest};
    for (uint32_t i = 0; does && i < n; i++)
        tip.doing = es_doing_then(tip.doing, ranks[events[i]].doing);
    lane->tips[number] = tip;
    for (unsigned f = 0; f < ES_TL_FAMILIES; f++)
        lane->leaves[number].members[f] = (uint16_t)((f < 4 ? low : high) >> (f % 4 * 16));
}

static void sum_lane(struct es_lane_part *lane)
{
    const struct es_rank *ranks = es_ranks();
    es_counts before = {0};
    for (uint32_t i = 0; !lane->leaves && i < lane->n; i++) {
        lane->rank = lane->ranks[i] > lane->rank ? lane->ranks[i] : lane->rank;
        lane->doing = es_doing_then(lane->doing, ranks[lane->ranks[i]].doing);
    }
    for (uint32_t number = 0; lane->leaves && number <= lane->n / ES_LEAF_EVENTS; number++) {
        struct es_leaf *leaf = &lane->leaves[number];
        sum_leaf(lane, number, ranks);
        memcpy(leaf->before, &before, sizeof before);
        before += es_counts_ones(es_counts_load(leaf->members));
        lane->rank = lane->tips[number].rank > lane->rank ? lane->tips[number].rank : lane->rank;
        lane->doing = es_doing_then(lane->doing, lane->tips[number].doing);
    }
}

static size_t padded(size_t events) { return (events + ES_LEAF_EVENTS - 1) / ES_LEAF_EVENTS * ES_LEAF_EVENTS; }
static size_t leaves_of(size_t events) { return events < ES_LEAF_EVENTS ? 0 : events / ES_LEAF_EVENTS + 1; }

static void fill_lane(struct es_lane_part *lane, const struct es_block_lanes *read, uint32_t from)
{
    uint8_t numbers[ES_KIND_MAX];
    uint32_t n = lane->n;
    size_t time = lane->wide ? sizeof(uint64_t) : sizeof(uint32_t);
    make_numbers(numbers);
    memcpy(lane->times, (const uint8_t *)read->times + from * time, n * time);
    memset((uint8_t *)lane->times + n * time, 0xff, (padded(n) - n) * time);
    memcpy(lane->places, read->places + from, n * sizeof *lane->places);
    const uint8_t *kinds = read->kinds + from;
    uint8_t *ranks = lane->ranks;
    for (uint32_t k = 0; k < n; k++)
        ranks[k] = numbers[kinds[k]];
    if (!leaves_of(n))
        lane->leaves = NULL;
    sum_lane(lane);
}

int es_lanes_take(struct es_lane_index *index, struct es_lane_block *block, size_t n_pids,
                  const struct es_block_lanes *read, struct es_lane_part *ret_all)
{
    size_t events = 0, leaves = 0;
    for (size_t i = 0; i < n_pids; i++) {
        size_t n = read->starts[i + 1] - read->starts[i];
        events += padded(n);
        leaves += leaves_of(n);
    }
    size_t time = read->wide ? sizeof(uint64_t) : sizeof(uint32_t);
    size_t bytes = sizeof(struct es_lane_chunk) + leaves * (sizeof(struct es_tip) + sizeof(struct es_leaf)) +
                   events * (time + sizeof *read->places + 1);
    struct es_lane_chunk *chunk = es_slabs_take(&index->slabs, bytes);
    if (!chunk || make_room(index, block, n_pids) < 0) {
        if (chunk)
            es_slabs_give(&index->slabs, chunk);
        return es_fail(-ENOMEM, "no memory for a timeline");
    }
    chunk->next = block->chunks;
    block->chunks = chunk;
    block->bytes += bytes;
    index->bytes += bytes;
    struct es_lane_part all = {.known = true, .wide = read->wide, .tips = (struct es_tip *)(void *)(chunk + 1)};
    all.times = all.tips + leaves;
    all.leaves = (struct es_leaf *)(void *)((uint8_t *)all.times + events * time);
    all.places = (uint16_t *)(void *)(all.leaves + leaves);
    all.ranks = (uint8_t *)(all.places + events);
    *ret_all = all;
    return 0;
}

void es_lanes_fill(struct es_lane_block *block, struct es_lane_pids pids, const struct es_block_lanes *read,
                   struct es_lane_part all)
{
    size_t time = read->wide ? sizeof(uint64_t) : sizeof(uint32_t);
    for (size_t i = 0; i < pids.n; i++) {
        uint32_t n = read->starts[i + 1] - read->starts[i];
        struct es_lane_part *lane = lane_place(block, pids.pids[i]);
        *lane = all;
        lane->pid = pids.pids[i];
        lane->n = n;
        fill_lane(lane, read, read->starts[i]);
        all.times = (uint8_t *)all.times + padded(n) * time;
        all.tips += leaves_of(n);
        all.leaves += leaves_of(n);
        all.places += padded(n);
        all.ranks += padded(n);
        block->n_lanes++;
    }
}

/* ---- looking up ---------------------------------------------------------------------------------------------------- */

/* Of the 16 times, how many are earlier: four at a time. */
typedef uint32_t four __attribute__((vector_size(16)));
static inline uint32_t count_narrow(const uint32_t *times, uint32_t time)
{
    four sum = {0}, some, all = {time, time, time, time};
    for (unsigned k = 0; k < ES_LEAF_EVENTS; k += 4) {
        memcpy(&some, times + k, sizeof some);
        sum -= (four)(some < all);
    }
    return sum[0] + sum[1] + sum[2] + sum[3];
}

static inline uint32_t count_wide(const uint64_t *times, uint64_t time)
{
    uint32_t n = 0;
    for (unsigned k = 0; k < ES_LEAF_EVENTS; k++)
        n += times[k] < time;
    return n;
}

/* The first leaf from `from` on that does not end before the time; farther and farther, and back. */
static inline uint32_t find_leaf(const struct es_lane_part *lane, uint32_t from, uint64_t time)
{
    const struct es_tip *tips = lane->tips;
    uint32_t full = lane->n / ES_LEAF_EVENTS, low = from, high, step = 4;
    for (high = from + step; low < full && low < high; low++)
        if (tips[low].last >= time)
            return low;
    while (high < full && tips[high].last < time) {
        low = high + 1;
        high += step;
        step *= 2;
    }
    high = high < full ? high : full;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (tips[middle].last < time)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t es_lane_until(const struct es_lane_part *lane, uint32_t i, uint64_t time)
{
    uint32_t n = lane->leaves ? find_leaf(lane, i / ES_LEAF_EVENTS, time) * ES_LEAF_EVENTS : 0;
    if (n >= lane->n || (!lane->wide && time > UINT32_MAX))
        return lane->n;
    n += lane->wide ? count_wide((const uint64_t *)lane->times + n, time)
                    : count_narrow((const uint32_t *)lane->times + n, (uint32_t)time);
    return n < lane->n ? n : lane->n;
}

/* ---- all blocks ---------------------------------------------------------------------------------------------------- */

bool es_lanes_fit(struct es_lane_index *index, uint64_t clock)
{
    while (index->bytes > index->limit) {
        struct es_lane_block *oldest = NULL;
        for (size_t i = 0; i < index->n; i++) {
            struct es_lane_block *block = &index->blocks[i];
            if (block->bytes && block->used < clock && (!oldest || block->used < oldest->used))
                oldest = block;
        }
        if (!oldest)
            return false;
        es_lanes_drop(index, oldest);
    }
    return true;
}

static void free_answer(struct es_lane_index *index)
{
    struct es_timeline *answer = &index->answer;
    free(answer->first);
    free(answer->at);
    free(answer->width);
    free(answer->counts);
    free(answer->seq);
    free(answer->strongest);
    free(answer->flags);
    free(answer->holes);
    free(index->lane_of);
    *answer = (struct es_timeline){0};
    index->lane_of = NULL;
    index->room = 0;
}

void es_lanes_reset(struct es_lane_index *index)
{
    if (index->room > ROOM_KEPT)
        free_answer(index);
    index->answer.n_runs = index->answer.n_holes = 0;
}

void es_lanes_free(struct es_lane_index *index)
{
    if (!index)
        return;
    for (size_t i = 0; i < index->n; i++)
        es_lanes_drop(index, &index->blocks[i]);
    for (size_t i = 0; i < ES_LANE_THREADS; i++)
        es_lane_reader_free(index->readers[i]);
    free(index->blocks);
    es_slabs_fini(&index->slabs);
    free_answer(index);
    free(index);
}

static bool is_aligned(const struct es_lane_index *index, const struct es_block_info *infos, size_t n)
{
    bool same = index->n == n;
    for (size_t i = 0; same && i < n; i++)
        same = index->blocks[i].first_seq == infos[i].first_seq && index->blocks[i].last_seq == infos[i].last_seq;
    return same;
}

int es_lanes_align(struct es_query *query)
{
    const struct es_block_info *infos = NULL;
    size_t n = es_recording_blocks(query->recording, &infos), old = 0;
    if (!query->lanes && (query->lanes = calloc(1, sizeof *query->lanes)))
        query->lanes->limit = ES_LANES_BYTES;
    struct es_lane_index *index = query->lanes;
    if (index && is_aligned(index, infos, n))
        return 0;
    struct es_lane_block *blocks = index ? calloc(n + 1, sizeof *blocks) : NULL;
    if (!blocks)
        return es_fail(-ENOMEM, "no memory for a timeline of %zu blocks", n);
    for (size_t i = 0; i < n; i++) {
        while (old < index->n && index->blocks[old].first_seq < infos[i].first_seq)
            es_lanes_drop(index, &index->blocks[old++]);
        bool same = old < index->n && index->blocks[old].first_seq == infos[i].first_seq &&
                    index->blocks[old].last_seq == infos[i].last_seq;
        if (same)
            blocks[i] = index->blocks[old++];
        else
            blocks[i] = (struct es_lane_block){.first_seq = infos[i].first_seq, .last_seq = infos[i].last_seq};
    }
    while (old < index->n)
        es_lanes_drop(index, &index->blocks[old++]);
    free(index->blocks);
    index->blocks = blocks;
    index->n = n;
    return 0;
}
