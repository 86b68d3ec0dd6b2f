/* SPDX-License-Identifier: MIT */
/* Of each event, without decoding it: its process, the one before and behind it in the same process, its cause, and
 * what it caused. Made block by block from the few columns it needs, the blocks used last are kept (ES_INDEX_BYTES).
 * Acts and deliveries of a process are two rows of events: neither is in the order of the other. */
#ifndef ES_QUERY_INDEX_H
#define ES_QUERY_INDEX_H

#include "query/inner.h"

#define ES_INDEX_BYTES \
    (UINT64_C(256) << 20) /* of 10 M events among 10,000 processes: some 200 MB at most, if all is asked for */

enum es_row { ES_ROW_ACTS, ES_ROW_DELIVERIES };

struct es_indexed {
    uint64_t seq, cause; /* cause 0: none stored */
    es_ref pid;          /* ES_REF_NONE: nothing that a process did */
    uint8_t kind, flags;
};

struct es_effect {
    uint64_t cause, effect;
};

/* A kind that is an act of its process, or reaches it: not what others observed of it. */
#define ES_KINDS_OBSERVED                                                                               \
    (UINT64_C(1) << ES_K_CENSUS | UINT64_C(1) << ES_K_LONG_GC | UINT64_C(1) << ES_K_LARGE_HEAP |        \
     UINT64_C(1) << ES_K_MEMORY | UINT64_C(1) << ES_K_LONG_SCHEDULE | UINT64_C(1) << ES_K_BUSY_PORT |   \
     UINT64_C(1) << ES_K_BUSY_DIST_PORT | UINT64_C(1) << ES_K_NODE_UP | UINT64_C(1) << ES_K_NODE_DOWN | \
     UINT64_C(1) << ES_K_MARK | UINT64_C(1) << ES_K_NOTICE | UINT64_C(1) << ES_K_BUDGET | UINT64_C(1) << ES_K_GAP)
static inline bool es_kind_is_own(unsigned kind) { return !(ES_KINDS_OBSERVED >> kind & 1); }

/* -ENOENT, -EBADMSG where its block is damaged. */
int es_index_event(struct es_query *query, uint64_t seq, struct es_indexed *ret);

/* The last event of the row at or before `seq`, or the first at or behind it; 0: there is none. Blocks without the
 * process are passed over by their tables of processes. Negative errno. */
int es_index_last(struct es_query *query, es_ref pid, enum es_row row, uint64_t seq, uint64_t *ret_seq);
int es_index_first(struct es_query *query, es_ref pid, enum es_row row, uint64_t seq, uint64_t *ret_seq);

/* The same in the block that holds `seq` alone. */
int es_index_last_here(struct es_query *query, es_ref pid, enum es_row row, uint64_t seq, uint64_t *ret_seq);
int es_index_first_here(struct es_query *query, es_ref pid, enum es_row row, uint64_t seq, uint64_t *ret_seq);

/* Effects in this block, by cause. Valid until the next call. */
int es_index_effects(struct es_query *query, size_t block, const struct es_effect **ret_effects, size_t *ret_n);

/* Number of bytes kept; for tests. */
uint64_t es_index_bytes(const struct es_query *query);

void es_index_free(struct es_index *index);

#endif
