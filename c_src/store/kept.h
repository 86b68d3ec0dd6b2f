/* SPDX-License-Identifier: MIT */
/* Columns of the blocks that were asked for last, decompressed, so that single events can be read without decoding their blocks. */
#ifndef ES_STORE_KEPT_H
#define ES_STORE_KEPT_H

#include "store/decode.h"

struct es_recording;

struct es_kept {
    struct es_block_info info;   /* as the index had it */
    struct es_block_info stored; /* of the block it was read from: a mini-block may be part of another by now */
    struct es_decoder
        decoder; /* with the columns of `set`; `places`: where each reference's events begin in order of process */
    uint64_t set, used;
    size_t bytes;
    bool
        wide; /* ES_TIME_COLUMNS are kept as times since the first event, in decoder.time: of 64 bits each, else of 32 */
};

struct es_keeping {
    struct es_kept **list;
    size_t n, room, bytes;
    uint64_t clock;
};

/* The columns of `set`, read where they are not kept. Valid until the next call. -EBADMSG, -ENOENT, -ENOMEM. */
int es_kept_get(struct es_recording *recording, const struct es_block_info *info, uint64_t set,
                const struct es_kept **ret_kept);
void es_keeping_fini(struct es_keeping *keeping);

#endif
