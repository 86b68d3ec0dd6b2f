/* SPDX-License-Identifier: MIT */
/* Inside of the reader, shared by reader*.c. */
#ifndef ES_STORE_READER_INNER_H
#define ES_STORE_READER_INNER_H

#include "store/map.h"
#include "store/rows.h"

#define ES_CACHED_BLOCKS 4

struct es_cached {
    struct es_block block; /* first: what callers hold */
    struct es_block_info info;
    struct es_decoded decoded;
    unsigned fields, refs;
    uint64_t used; /* when last */
    bool kept;     /* in the cache: not freed by the last unref */
};

struct es_define {
    uint8_t *bytes;
    size_t len;
};

struct es_recording {
    sqlite3 *db;
    char *path;
    bool was_live; /* at the last look */
    char *meta;    /* answer of the last es_recording_meta */
    char warning[160];

    struct es_block_info *blocks;
    size_t n_blocks, blocks_room, first_mini;
    bool blocks_loaded;
    int64_t data_version, last_id; /* at the last refresh; of the row of the index that was read last */
    uint64_t *damaged;
    size_t n_damaged, damaged_room;
    struct es_cached *cached[ES_CACHED_BLOCKS];
    struct es_decoded spare; /* memory for the next block */
    uint64_t clock;
    struct es_stored_block stored;
    struct es_decoder *decoder;

    struct es_map define_place; /* ref to index + 1 in defines */
    struct es_define *defines;
    size_t n_defines, defines_room;

    struct es_process *processes;
    struct es_name *names;
    struct es_loss *losses;
    size_t n_processes, n_names, n_losses;
    struct es_buf process_bytes, loss_bytes;
    bool processes_loaded, names_loaded, losses_loaded;

    uint8_t *keyframe;
    struct {
        sqlite3_stmt *meta, *column, *define, *begin, *end, *around;
    } sql;
};

int es_reader_note_damaged(struct es_recording *recording, uint64_t block);
/* Two columns of text as "first\0second\0…", in strictly rising order of the first. */
int es_reader_pairs(struct es_recording *recording, const char *sql, struct es_buf *rows);
void es_reader_drop_tables(struct es_recording *recording);

#endif
