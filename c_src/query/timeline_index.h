/* SPDX-License-Identifier: MIT */
/* Levels of detail of the blocks of a recording: of the processes that were asked for, their events (7 bytes each), and for each 16 of
 * these a leaf with the sums of all events before it, so that any stretch of a process's events costs the same. Read when a window first touches a
 * block, kept within a bound of memory; the blocks not used for longest go first. */
#ifndef ES_QUERY_TIMELINE_INDEX_H
#define ES_QUERY_TIMELINE_INDEX_H

#include <string.h>

#include "query/inner.h"
#include "query/slab.h"

#define ES_LEAF_EVENTS 16u
#define ES_LANES_BYTES ((size_t)160 << 20)
#define ES_LANE_THREADS 4u /* most that read blocks at once */

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

/* Kinds by strength: errors, critical ones, the others; 0 is none. What a rank means: */
struct es_rank {
    uint8_t kind, family, doing; /* family: enum es_timeline_family */
    uint64_t member[2];          /* what such an event as the first of a leaf sets of its members */
};
#define ES_RANKS 64u
const struct es_rank *es_ranks(void); /* [ES_RANKS] */

struct es_leaf {
    uint16_t before[ES_TL_FAMILIES];  /* events of the lane in front of it, by family, modulo 2^16 */
    uint16_t members[ES_TL_FAMILIES]; /* its own: bit i is set where its event i is of the family */
};
struct es_tip {          /* what is looked at of leaves that a stretch only passes */
    uint64_t last;       /* time of its last event */
    uint8_t rank, doing; /* the highest; what they come to */
};

/* A number for each family. */
typedef uint16_t es_counts __attribute__((vector_size(16)));
_Static_assert(sizeof(es_counts) == ES_TL_FAMILIES * sizeof(uint16_t), "a number for each family");
static inline es_counts es_counts_load(const uint16_t *from)
{
    es_counts c;
    memcpy(&c, from, sizeof c);
    return c;
}
static inline es_counts es_counts_ones(es_counts c) /* of each, how many bits are set */
{
    c -= (c >> 1) & 0x5555;
    c = (c & 0x3333) + ((c >> 2) & 0x3333);
    c = (c + (c >> 4)) & 0x0f0f;
    return (c + (c >> 8)) & 0x1f;
}

/* The events of one process in one block. */
struct es_lane_part {
    es_ref pid;
    bool known;  /* else the place in the table is free */
    bool wide;   /* times are 64 bits each, else 32 */
    uint32_t n;  /* 0: none */
    void *times; /* since the block's first event; with room for whole leaves, as the next two */
    uint16_t *places;
    uint8_t *ranks;
    struct es_leaf *leaves; /* n / 16 + 1; NULL where there would be one alone */
    struct es_tip *tips;    /* as many */
    uint8_t rank, doing;    /* of all */
};

struct es_lane_block {
    uint64_t first_seq, last_seq, used;
    size_t bytes;
    bool damaged;
    struct es_lane_part *lanes; /* a hash table */
    uint32_t n_lanes, room;
    struct es_lane_chunk {
        struct es_lane_chunk *next;
    } * chunks; /* where the lanes' events are */
};

struct es_lane_index {
    struct es_lane_block *blocks; /* as the recording's index of blocks */
    size_t n, bytes, limit;
    uint64_t clock;
    struct es_slabs slabs;                           /* of the blocks' events */
    struct es_lane_reader *readers[ES_LANE_THREADS]; /* made when first needed */
    struct es_timeline answer;                       /* the last one, */
    uint32_t *lane_of;                               /* the lane of each of its runs, */
    size_t room;                                     /* and for how many runs there is room */
};

/* Makes the blocks those the recording has now; what is known of blocks that are still there is kept. */
int es_lanes_align(struct es_query *query);
struct es_lane_pids {
    const es_ref *pids;
    size_t n;
};
/* Of blocks that a window touches. */
struct es_lanes_wish {
    struct es_lane_pids pids;
    int64_t since, until;
};
static inline bool es_lanes_touched(const struct es_block_info *block, int64_t since, int64_t until)
{
    return block->last_time >= since && block->first_time < until;
}
/* Reads the lanes that are not known, of the blocks that are touched, from block `from` on, until all are known or memory has become scarce;
 * `ret_to` is the first block that it did not come to. In as many threads as there are processors. A damaged block is noted, that is no error. */
int es_lanes_read(struct es_query *query, const struct es_lanes_wish *wish, size_t from, size_t *ret_to);

/* Memory for lanes that were read, noted in index and block; then the lanes themselves, for which nothing but the block's table and that memory
 * is touched. */
int es_lanes_take(struct es_lane_index *index, struct es_lane_block *block, size_t n_pids,
                  const struct es_block_lanes *read, struct es_lane_part *ret_all);
void es_lanes_fill(struct es_lane_block *block, struct es_lane_pids pids, const struct es_block_lanes *read,
                   struct es_lane_part all);
void es_lanes_drop(struct es_lane_index *index, struct es_lane_block *block);
/* Was the process's part of the block read? */
bool es_lanes_known(const struct es_lane_block *block, es_ref pid);
/* Forgets blocks that were not used since `clock`, the oldest first, until the rest fits. False where it does not. */
bool es_lanes_fit(struct es_lane_index *index, uint64_t clock);
void es_lanes_free(struct es_lane_index *index);
/* Empties the answer; keeps its memory, unless that is much. */
void es_lanes_reset(struct es_lane_index *index);

/* NULL where the process has no event in the block. */
const struct es_lane_part *es_lanes_find(const struct es_lane_block *block, es_ref pid);

/* The first event, from event i on, that is not earlier than `time` ns since the block's first. */
uint32_t es_lane_until(const struct es_lane_part *lane, uint32_t i, uint64_t time);

static inline uint64_t es_lane_time(const struct es_lane_part *lane, uint32_t i)
{
    return lane->wide ? ((const uint64_t *)lane->times)[i] : ((const uint32_t *)lane->times)[i];
}

#endif
