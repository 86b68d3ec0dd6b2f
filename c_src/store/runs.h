/* SPDX-License-Identifier: MIT */
/* The run of a process in a block: its events one after the other, read from columns in order of process without the others'. */
#ifndef ES_STORE_RUNS_H
#define ES_STORE_RUNS_H

#include "store/decode.h"

#define ES_RUN_COLUMNS                                                                                              \
    (ES_COLUMN_BIT(ES_C_REFS) | ES_COLUMN_BIT(ES_C_COUNTS) | ES_COLUMN_BIT(ES_C_FUNS) | ES_COLUMN_BIT(ES_C_STEPS) | \
     ES_COLUMN_BIT(ES_C_STEPS_HIGH) | ES_COLUMN_BIT(ES_C_KINDS) | ES_COLUMN_BIT(ES_C_FLAGS) |                       \
     ES_COLUMN_BIT(ES_C_CALLS) | ES_COLUMN_BIT(ES_C_PEERS) | ES_COLUMN_BIT(ES_C_CAUSE_STATES) |                     \
     ES_COLUMN_BIT(ES_C_CAUSES) | ES_COLUMN_BIT(ES_C_CAUSE_BITS) | ES_COLUMN_BIT(ES_C_CAUSE_RARE))

/* Where it is in order of process; n 0: the process did nothing in the block. The decoder has ES_RUN_COLUMNS, and `places` says where each
 * reference's events begin. */
struct es_run_place {
    uint32_t first, n;
    uint32_t peers; /* of events before it, once it was decoded */
};
struct es_run_place es_run_find(const struct es_decoder *d, es_ref pid);

/* Its events; room for all of them. -EBADMSG. */
int es_run_decode(const struct es_decoder *d, struct es_run_place *place, struct es_run_event *events);
/* The peer of event `i` of those that were decoded: itself, or an event whose process it is. -EBADMSG. */
struct es_run_peer {
    es_ref ref;
    uint64_t event; /* 0: none */
};
int es_run_peer(const struct es_decoder *d, struct es_run_place place, const struct es_run_event *events, uint32_t i,
                struct es_run_peer *ret_peer);
/* Whose event stands at this place of the block, and of what kind it is. -EBADMSG. */
int es_run_owner(const struct es_decoder *d, uint32_t event, es_ref *ret_pid, uint8_t *ret_kind);

#endif
