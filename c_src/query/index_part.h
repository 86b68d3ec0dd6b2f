/* SPDX-License-Identifier: MIT */
/* A block's events as causality sees them: arrays by event and, made when they are first asked for, lists of events by process,
 * the effects of each event and the edges between processes. Shared by index.c, index_part.c, edges.c, search.c and order.c. */
#ifndef ES_QUERY_INDEX_PART_H
#define ES_QUERY_INDEX_PART_H

#include "query/index.h"

/* Events of one process: a part of `places`, first its acts, then its deliveries. */
struct es_index_part_list {
    es_ref pid; /* ES_REF_NONE: what no process did; its rows are empty */
    uint32_t at, n[2];
};

struct es_index_part {
    uint64_t first, used, bytes;
    size_t block;
    uint32_t n;
    uint16_t *list; /* of each event: index in `lists` */
    uint8_t *kinds, *flags;
    uint32_t *back;                   /* its cause is so many events before it, 0: none */
    struct es_index_part_list *lists; /* by pid; one memory with all of these arrays */
    uint32_t n_lists;
    uint16_t *strange; /* deliveries whose origin is not known, though it should be */
    uint32_t n_strange;
    uint16_t *places; /* of events, by list and row, ascending; NULL: not made yet, as `at` and `n` of the lists */
    struct es_effect *effects; /* NULL: not made yet */
    size_t n_effects;
    struct es_replies *replies; /* replies.h; NULL: not made yet, as the edges (edges.h) */
    struct es_edges *edges;
};

/* An event whose cause is in a block before. */
struct es_late {
    uint64_t cause;
    uint32_t at; /* its place */
    bool delivery;
};
struct es_lates {
    struct es_late *list; /* NULL: not looked for yet */
    size_t n;
};

#define ES_INDEX_THREADS 8u

/* Kept parts, and what is known of the whole recording. */
struct es_index {
    struct es_lane_reader *readers[ES_INDEX_THREADS]; /* of each thread that reads blocks; NULL: not made yet */
    struct es_index_part **parts;                     /* by block; NULL: not kept */
    size_t n_blocks;
    uint64_t bytes, clock;
    struct es_refmap numbers; /* of processes in edges: number + 1 */
    uint32_t n_numbers;
    es_ref *pids_by_number;
    size_t room_pids;
    struct es_pid_count *pids; /* of the block whose table of processes was asked for last */
    size_t n_pids, pids_block;
    uint32_t *strange;        /* by block: deliveries of unknown origin + 1, 0: not counted yet */
    struct es_lates *lates;   /* by block: these are few, and kept */
    struct es_search *search; /* kept from question to question */
};

/* Makes parts of blocks `first` to `first + n` that are not kept, by several threads (index_read.c), or notes their late events alone.
 * What fails is not made, and nothing said of it. */
struct es_index_wish {
    size_t first, n;
    bool lates, edges; /* lates: nothing else */
};
void es_index_read(struct es_query *query, const struct es_index_wish *wish);
/* Keeps a part that was made. */
void es_index_part_keep(struct es_index *index, struct es_index_part *part);

/* The part of a block. It is kept while the next ones are asked for, as long as ES_INDEX_BYTES hold them: the last hundred
 * at least. -ENOENT, -EBADMSG. */
int es_index_part_get(struct es_query *query, size_t block, struct es_index_part **ret_part);
/* A part has grown. */
void es_index_part_count(struct es_query *query, struct es_index_part *part, size_t bytes);

/* Is the process in the block? Where it was not read, its table of processes is. */
bool es_index_may_have(struct es_query *query, size_t block, es_ref pid);
/* The list of a process; NULL: it has none. */
const struct es_index_part_list *es_index_part_find(const struct es_index_part *part, es_ref pid);
/* Makes the lists of events by process, as long as they are not. */
int es_index_part_places(struct es_query *query, struct es_index_part *part);

/* The late events of a block, without making a part of it. -ENOENT, -EBADMSG. Valid as long as the index is. */
int es_index_lates(struct es_query *query, size_t block, const struct es_lates **ret_lates);
/* Notes those of a block that was read. False: no memory. */
bool es_index_lates_note(struct es_index *index, size_t block, const struct es_block_causes *causes, uint64_t first);
bool es_index_lates_take(struct es_index *index, size_t block, const struct es_block_crossing *crossing,
                         uint64_t first);

/* What several threads may do at once. NULL, false: no memory. */
struct es_index_part *es_index_part_make(const struct es_block_causes *causes);
bool es_index_part_make_places(struct es_index_part *part);
bool es_index_part_make_effects(struct es_index_part *part);
void es_index_part_free(struct es_index_part *part);

static inline bool es_index_part_is_own(const struct es_index_part *part, uint32_t i)
{
    return part->lists[part->list[i]].pid != ES_REF_NONE && es_kind_is_own(part->kinds[i]);
}

#endif
