/* SPDX-License-Identifier: MIT */
/* Inside of the reader, shared by reader*.c. */
#ifndef ES_STORE_READER_INNER_H
#define ES_STORE_READER_INNER_H

#include "store/kept.h"
#include "store/map.h"
#include "store/rows.h"
#include "store/stored_states.h"

#define ES_CACHED_BLOCKS 4

struct es_cached {
    struct es_block block; /* first: what callers hold */
    struct es_block_info info;
    struct es_decoded decoded;
    unsigned fields, refs;
    uint64_t used; /* when last */
    bool kept;     /* in the cache: not freed by the last unref */
};

/* Processes with states of a block, and the block they were read from: a mini-block may be part of another by now. */
struct es_state_owners {
    struct es_owners owners;
    uint64_t from;
};

/* Versions of a block. */
struct es_state_block {
    struct es_block_info info; /* of the block they were read from; events 0: none */
    uint64_t id, used;         /* id as the index had it */
    struct es_stored_states states;
};
#define ES_STATE_BLOCKS 4u

struct es_state_chunk {
    uint64_t id, used; /* of the block, 0: none */
    unsigned chunk;
    struct es_buf bytes;
};
#define ES_STATE_CHUNKS 64u

struct es_reader_states {
    struct es_map place; /* block id, as the index had it, to index in owners */
    struct es_state_owners *owners;
    size_t n, room, bytes;
    struct es_state_block blocks[ES_STATE_BLOCKS];
    struct es_state_chunk chunks[ES_STATE_CHUNKS];
    size_t chunk_bytes;
    struct es_unfold unfold; /* the version put together last */
    uint64_t single;         /* the block of which one process's versions were read last */
    uint64_t clock;
};

struct es_reader_run {
    struct es_run_event *events;
    size_t n, room;
    struct es_run_place place;
    es_ref pid;             /* ES_REF_NONE: none */
    uint64_t id, first_seq; /* of the stored block, */
    uint32_t block_events;  /* all that says that it is the same */
};

/* The state events of a process in a block that were read last: who looks for a version asks for its bytes then. */
struct es_reader_own {
    struct es_own_states at;
    struct es_own_state *states;
    size_t room;
    es_ref pid;             /* ES_REF_NONE: none */
    uint64_t id, first_seq; /* of the stored block, */
    uint32_t block_events;  /* all that says that it is the same */
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

    struct es_keeping keeping;
    struct es_reader_run run; /* decoded last */
    struct es_reader_own own;
    struct es_reader_states states;
    uint8_t *keyframe;
    struct {
        sqlite3_stmt *meta, *column, *define, *begin, *end, *around;
    } sql;
};

int es_reader_note_damaged(struct es_recording *recording, uint64_t block);
/* Two columns of text as "first\0second\0…", in strictly rising order of the first. */
int es_reader_pairs(struct es_recording *recording, const char *sql, struct es_buf *rows);
void es_reader_drop_tables(struct es_recording *recording);
/* Stored columns of a block as of one moment; recording->stored.info says which block they are of: mini-blocks are merged. */
int es_reader_load(struct es_recording *recording, const struct es_block_info *info, uint64_t set);
/* Index of the last block that begins at or before `seq`; the number of blocks where there is none. */
size_t es_reader_block_before(struct es_recording *recording, uint64_t seq);
/* Reads all versions of a block once. */
int es_reader_verify_states(struct es_recording *recording, size_t block);
/* Processes with states of a block; its versions and the processes they are of, which are from the same. Valid until others are asked for. */
struct es_versions_of {
    const struct es_state_block *block;
    struct es_owners owners;
};
int es_reader_owners(struct es_recording *recording, const struct es_block_info *info, struct es_state_owners *ret);
int es_reader_versions(struct es_recording *recording, const struct es_block_info *info, struct es_versions_of *ret);
/* Appends the version of a row. -EAGAIN: the block is part of another by now. */
int es_reader_put_together(struct es_recording *recording, const struct es_state_block *block, uint32_t row,
                           struct es_buf *bytes);
/* NULL: it has none there. */
const struct es_state_owner *es_reader_find_owner(const struct es_owners *owners, es_ref pid);
void es_reader_states_fini(struct es_reader_states *states);

#endif
