/* SPDX-License-Identifier: MIT */
/* Levels of detail of the blocks of a recording: for each block, its events in order of process (11 bytes at most, mostly 7), and above
 * them, for each process, a tree in index space: a leaf sums 16 events, a branch 8 leaves. Made when a window first touches a
 * block, kept within a bound of memory; the blocks not used for longest go first. */
#ifndef ES_QUERY_TIMELINE_INDEX_H
#define ES_QUERY_TIMELINE_INDEX_H

#include "query/inner.h"

#define ES_LEAF_EVENTS 16u
#define ES_BRANCH_EVENTS 128u /* all of one family still fit the byte of a sum */
#define ES_LANES_BYTES ((size_t)160 << 20)

/* What the scheduler and the collector did last, and whether they did anything. */
enum es_doing {
    ES_DO_OFF = 1, /* bits 0, 1: 0 unknown, off, on, gone */
    ES_DO_ON = 2,
    ES_DO_GONE = 3,
    ES_DO_MASK = 3,
    ES_DO_GC_NONE = 4, /* bits 2, 3 */
    ES_DO_GC = 8,
    ES_DO_GC_GONE = 12,
    ES_DO_GC_MASK = 12,
    ES_DO_SCHEDULED = 16,
    ES_DO_COLLECTED = 32,
};
static inline uint8_t es_doing_then(uint8_t before, uint8_t after)
{
    unsigned run = after & ES_DO_MASK ? after & ES_DO_MASK : before & ES_DO_MASK;
    unsigned gc = after & ES_DO_GC_MASK ? after & ES_DO_GC_MASK : before & ES_DO_GC_MASK;
    return (uint8_t)(run | gc | ((before | after) & (ES_DO_SCHEDULED | ES_DO_COLLECTED)));
}

/* A kind as what a sum adds up. */
struct es_kind_sum {
    uint64_t counts; /* a byte a family of enum es_timeline_family */
    uint8_t rank;    /* the stronger the higher, from 1 */
    uint8_t doing;
};
const struct es_kind_sum *es_kind_sums(void); /* [ES_KIND_MAX] */
unsigned es_kind_of_rank(unsigned rank);

struct es_lane_node {
    uint64_t counts;
    uint64_t last : 48; /* time of its last event, ns since the block's base */
    uint64_t rank : 8, doing : 8;
};
_Static_assert(sizeof(struct es_lane_node) == 16, "nodes are small");

struct es_lane_block {
    uint64_t first_seq, last_seq, used;
    size_t bytes;
    bool ready, damaged, wide;
    int64_t base; /* times are since then */
    size_t n, n_pids;
    es_ref *pids;
    struct es_lane_start {
        uint32_t event, node;
    } * starts; /* n_pids + 1: a process's events, and nodes: its leaves, then its branches */
    union {
        uint32_t *narrow;
        uint64_t *wide;
    } times;
    uint16_t *places;
    uint8_t *kinds;
    struct es_lane_node *nodes;
};

struct es_lane_index {
    struct es_lane_block *blocks; /* as the recording's index of blocks */
    size_t n, bytes, limit;
    uint64_t clock;
};

/* Makes the blocks those the recording has now; what is known of blocks that are still there is kept. */
int es_lanes_align(struct es_query *query);
/* Reads a block where it is not known. A damaged one is noted, that is no error. */
int es_lanes_need(struct es_query *query, size_t block);
/* Forgets blocks that were not used since `clock`, the oldest first, until the rest fits. False where it does not. */
bool es_lanes_fit(struct es_lane_index *index, uint64_t clock);
void es_lanes_free(struct es_lane_index *index);

static inline uint64_t es_lane_time(const struct es_lane_block *block, size_t event)
{
    return block->wide ? block->times.wide[event] : block->times.narrow[event];
}

#endif
