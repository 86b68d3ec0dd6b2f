/* SPDX-License-Identifier: MIT */
/* Inside of the writer, shared by store*.c. */
#ifndef ES_STORE_STORE_INNER_H
#define ES_STORE_STORE_INNER_H

#include "store/checkpoint.h"
#include "store/facts.h"
#include "store/rows.h"
#include "store/stored_states.h"
#include "store/store.h"

#define ES_MINIS_MAX 128u

/* A mini-block: events [from, to) of the open block, in the file already. */
struct es_mini {
    uint64_t id;
    uint32_t from, to;
};

/* A whole block that waits for its commit. */
struct es_sealed {
    struct es_image image;
    uint64_t group;
};

struct es_group {
    uint64_t id, first_seq;
    int64_t first_time;
};

struct es_store {
    sqlite3 *db;
    struct es_store_options options;
    char *path;
    struct es_checkpoint checkpoint;
    struct es_rows rows;
    struct es_facts facts;
    struct es_encoder *encoder;

    struct es_batch batch; /* the open block */
    uint32_t committed;    /* events of it that are in the file, as minis */
    size_t committed_payload;
    struct es_mini minis[ES_MINIS_MAX];
    uint32_t n_minis;
    uint64_t old_first, old_last; /* ids of minis that sealed blocks replace; 0 = none */
    struct es_image mini;         /* encoded at each commit */
    struct es_sealed *sealed;
    size_t n_sealed, sealed_room, sealed_bytes;

    uint64_t next_seq, committed_seq, next_block;
    int64_t last_time;
    struct es_group group; /* the current one */
    uint64_t group_bytes;
    struct es_buf groups; /* rows that wait: struct es_group, raw length, length, compressed keyframe; … */

    uint64_t position_hash; /* of the last committed one, watermark left out */
    bool closed;            /* the file says so */
    bool hurry;
    int log_pages; /* in the write-ahead log after the last commit */
    struct {
        sqlite3_stmt *begin, *commit, *group, *ring, *position, *used_pages, *oldest;
    } sql;
};

int es_store_seal(struct es_store *store); /* the open block becomes a whole one */
/* Rebuilds the open block from the mini-blocks at the end. Where one of them is damaged they stay as they are, as blocks of their own. */
int es_store_restore(struct es_store *store);
int es_store_retain(struct es_store *store); /* drops old groups; inside a transaction */
uint64_t es_group_hash(uint64_t id, const void *bytes, size_t len);
void es_store_free(struct es_store *store); /* closes without committing */

#endif
