/* SPDX-License-Identifier: MIT */
/* Columns of the blocks that were asked for last, decompressed, so that single events can be read without decoding their blocks. */
#ifndef ES_STORE_KEPT_H
#define ES_STORE_KEPT_H

#include "store/gaps.h"
#include "store/runs.h"
#include "store/own_states.h"

struct es_recording;

/* What is kept of a block: to find times, the events of a process, or its states. */
enum es_kept_what { ES_KEPT_TIMES, ES_KEPT_RUNS, ES_KEPT_STATES };

struct es_kept {
    uint8_t what;
    struct es_block_info info;   /* as the index had it */
    struct es_block_info stored; /* of the block it was read from: a mini-block may be part of another by now */
    /* With the columns ES_TIME_COLUMNS, ES_RUN_COLUMNS or ES_OWN_STATES_COLUMNS; of references RUNS have also `counts`, and in `places` where the
     * events of each begin in order of process. */
    struct es_decoder decoder;
    struct es_buf memory;             /* of all that */
    struct es_gap_place *places;      /* TIMES: between the gaps, one every ES_KEPT_STEP of them */
    uint32_t chunk_at[ES_CHUNKS + 1]; /* STATES: where chunks begin, as in es_stored_states */
    uint64_t used;
};
#define ES_KEPT_STEP 128u

struct es_keeping {
    struct es_kept **list;
    size_t n, room, bytes;
    size_t bound; /* ES_KEPT_BYTES; tests choose less */
    uint64_t clock;
};

/* Read where it is not kept. Valid until the next call. -EBADMSG, -ENOENT, -ENOMEM. */
int es_kept_get(struct es_recording *recording, const struct es_block_info *info, enum es_kept_what what,
                const struct es_kept **ret_kept);
void es_keeping_fini(struct es_keeping *keeping);

/* The time of an event of the stored block, by its place. */
int64_t es_kept_time(const struct es_kept *kept, uint32_t event);
/* How many events are not later than `time`. */
uint32_t es_kept_until(const struct es_kept *kept, int64_t time);

#endif
