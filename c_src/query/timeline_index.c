/* SPDX-License-Identifier: MIT */
#include "query/timeline_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define TIME_BITS 48

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
    [ES_FAM_PROCESS] = ES_TL_PROCESS, [ES_FAM_MESSAGE] = ES_TL_MESSAGE,       [ES_FAM_CALL] = ES_TL_CALL,
    [ES_FAM_STATE] = ES_TL_STATE,     [ES_FAM_SCHEDULING] = ES_TL_SCHEDULING, [ES_FAM_MEMORY] = ES_TL_MEMORY,
    [ES_FAM_NODE] = ES_TL_OTHER,      [ES_FAM_ERROR] = ES_TL_ERROR,           [ES_FAM_USER] = ES_TL_OTHER,
    [ES_FAM_RECORDER] = ES_TL_OTHER,  [ES_FAM_INTERNAL] = ES_TL_OTHER,
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

const struct es_kind_sum *es_kind_sums(void)
{
    static _Thread_local struct es_kind_sum sums[ES_KIND_MAX];
    if (sums[0].counts)
        return sums;
    for (unsigned kind = 0; kind < ES_KIND_MAX; kind++)
        sums[kind] = (struct es_kind_sum){.counts = UINT64_C(1) << (8 * families[es_kind_table[kind].family]),
                                          .doing = doing_of(kind)};
    for (unsigned i = 0; i < N_RANKS; i++)
        sums[by_strength[i]].rank = (uint8_t)(N_RANKS - i);
    return sums;
}

unsigned es_kind_of_rank(unsigned rank) { return rank > 0 && rank <= N_RANKS ? by_strength[N_RANKS - rank] : 0; }

/* ---- the tree of a block ------------------------------------------------------------------------------------------- */

static void drop(struct es_lane_index *index, struct es_lane_block *block)
{
    index->bytes -= block->bytes;
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): a block that was dropped has no bytes, and is not the oldest again */
    free(block->pids);
    free(block->starts);
    free(block->times.wide);
    free(block->places);
    free(block->kinds);
    free(block->nodes);
    *block = (struct es_lane_block){
        .first_seq = block->first_seq, .last_seq = block->last_seq, .damaged = block->damaged, .ready = block->damaged};
}

static size_t nodes_of(size_t events) { return events / ES_LEAF_EVENTS + events / ES_BRANCH_EVENTS; }

static int make_room(struct es_lane_block *block, const struct es_block_lanes *lanes)
{
    size_t nodes = 0, time = block->wide ? sizeof(uint64_t) : sizeof(uint32_t);
    for (size_t i = 0; i < lanes->n_pids; i++)
        nodes += nodes_of(lanes->pids[i].events);
    block->pids = malloc((lanes->n_pids + 1) * sizeof *block->pids);
    block->starts = malloc((lanes->n_pids + 1) * sizeof *block->starts);
    block->times.wide = malloc((lanes->n + 1) * time);
    block->places = malloc((lanes->n + 1) * sizeof *block->places);
    block->nodes = malloc((nodes + 1) * sizeof *block->nodes);
    block->bytes = (lanes->n_pids + 1) * (sizeof *block->pids + sizeof *block->starts) +
                   (nodes + 1) * sizeof *block->nodes + (lanes->n + 1) * (time + sizeof *block->places + 1);
    return block->pids && block->starts && block->times.wide && block->places && block->nodes
               ? 0
               : es_fail(-ENOMEM, "no memory for a timeline");
}

static void sum_events(const struct es_lane_block *block, size_t from, size_t n, struct es_lane_node *ret)
{
    const struct es_kind_sum *sums = es_kind_sums();
    uint64_t counts = 0;
    unsigned rank = 0;
    uint8_t doing = 0;
    for (size_t i = from; i < from + n; i++) {
        const struct es_kind_sum *sum = &sums[block->kinds[i]];
        counts += sum->counts;
        rank = sum->rank > rank ? sum->rank : rank;
        doing = es_doing_then(doing, sum->doing);
    }
    *ret = (struct es_lane_node){counts, es_lane_time(block, from + n - 1) & ((UINT64_C(1) << TIME_BITS) - 1),
                                 (uint8_t)rank, doing};
}

/* Events `from` to `from + n`, of one process. */
static void sum_lane(struct es_lane_block *block, size_t from, size_t n, struct es_lane_node *nodes)
{
    size_t leaves = n / ES_LEAF_EVENTS;
    for (size_t i = 0; i < leaves; i++)
        sum_events(block, from + i * ES_LEAF_EVENTS, ES_LEAF_EVENTS, &nodes[i]);
    for (size_t i = 0; i < n / ES_BRANCH_EVENTS; i++)
        sum_events(block, from + i * ES_BRANCH_EVENTS, ES_BRANCH_EVENTS, &nodes[leaves + i]);
}

static void fill(struct es_lane_block *block, struct es_block_lanes *lanes)
{
    uint32_t event = 0, node = 0;
    for (size_t i = 0; i < lanes->n; i++) {
        uint64_t since = (uint64_t)lanes->times[i] - (uint64_t)block->base;
        if (block->wide)
            block->times.wide[i] = since;
        else
            block->times.narrow[i] = (uint32_t)since;
        block->places[i] = (uint16_t)lanes->places[i];
    }
    block->kinds = lanes->kinds;
    lanes->kinds = NULL;
    for (size_t i = 0; i < lanes->n_pids; i++) {
        block->pids[i] = lanes->pids[i].pid;
        block->starts[i] = (struct es_lane_start){event, node};
        sum_lane(block, event, lanes->pids[i].events, &block->nodes[node]);
        event += lanes->pids[i].events;
        node += (uint32_t)nodes_of(lanes->pids[i].events);
    }
    block->starts[lanes->n_pids] = (struct es_lane_start){event, node};
    block->n = lanes->n;
    block->n_pids = lanes->n_pids;
}

/* Times of a file that lies may go backwards: they are since the earliest. */
static int build(struct es_lane_block *block, struct es_block_lanes *lanes)
{
    int64_t first = lanes->n ? lanes->times[0] : 0, last = first;
    for (size_t i = 1; i < lanes->n; i++) {
        first = lanes->times[i] < first ? lanes->times[i] : first;
        last = lanes->times[i] > last ? lanes->times[i] : last;
    }
    uint64_t span = (uint64_t)last - (uint64_t)first;
    if (span >= UINT64_C(1) << TIME_BITS)
        return es_fail(-EBADMSG, "a block spans more than three days");
    block->base = first;
    block->wide = span > UINT32_MAX;
    int rc = make_room(block, lanes);
    if (rc == 0)
        fill(block, lanes);
    return rc;
}

int es_lanes_need(struct es_query *query, size_t at)
{
    struct es_lane_index *index = query->lanes;
    struct es_lane_block *block = &index->blocks[at];
    struct es_block_lanes lanes = {0};
    block->used = ++index->clock;
    if (block->ready)
        return 0;
    int rc = es_recording_block_lanes(query->recording, at, &lanes);
    if (rc == 0)
        rc = build(block, &lanes);
    es_block_lanes_fini(&lanes);
    index->bytes += block->bytes;
    if (rc == 0 || rc == -EBADMSG || rc == -ENOENT) { /* damaged, or dropped since */
        block->damaged = rc < 0;
        block->ready = true;
        if (rc < 0)
            es_error_clear();
        return 0;
    }
    drop(index, block);
    return rc;
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
        drop(index, oldest);
    }
    return true;
}

static void drop_all(struct es_lane_index *index)
{
    for (size_t i = 0; i < index->n; i++)
        drop(index, &index->blocks[i]);
    free(index->blocks);
}

void es_lanes_free(struct es_lane_index *index)
{
    if (index)
        drop_all(index);
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
            drop(index, &index->blocks[old++]);
        bool same = old < index->n && index->blocks[old].first_seq == infos[i].first_seq &&
                    index->blocks[old].last_seq == infos[i].last_seq;
        if (same)
            blocks[i] = index->blocks[old++];
        else
            blocks[i] = (struct es_lane_block){.first_seq = infos[i].first_seq, .last_seq = infos[i].last_seq};
    }
    while (old < index->n)
        drop(index, &index->blocks[old++]);
    free(index->blocks);
    index->blocks = blocks;
    index->n = n;
    return 0;
}
