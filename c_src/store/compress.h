/* SPDX-License-Identifier: MIT */
/* Which way a column is compressed: what it holds decides, and that rarely changes from block to block. So now and then all ways are tried
 * on a column, and the best is kept for the next blocks. Whatever the way, the bytes are a frame of zstd. */
#ifndef ES_STORE_COMPRESS_H
#define ES_STORE_COMPRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <zstd.h>

#define ES_COMPRESS_COLUMNS 64u

enum es_way { /* in order of cost */
              ES_WAY_CODES, /* only the frequency of bytes counts: times, kinds, numbers of random processes. Repetitions in such columns are
                        chance, and looking for them costs time and bytes */
              ES_WAY_FAST,     /* zstd-1 */
              ES_WAY_THOROUGH, /* zstd-3 */
              ES_WAYS
};

struct es_compressor {
    ZSTD_CCtx *zstd[ES_WAYS];
    struct {
        uint8_t way;  /* enum es_way */
        uint8_t left; /* blocks until all ways are tried again */
    } column[ES_COMPRESS_COLUMNS];
};

int es_compressor_init(struct es_compressor *compressor); /* -ENOMEM */
void es_compressor_fini(struct es_compressor *compressor);

/* Compresses `len` bytes of a column into `to`, which has room for ZSTD_compressBound(len). Returns the length, or `len` where it cannot
 * be made smaller by a 32nd: then the bytes in `to` mean nothing. `mini`: quickly, it is replaced soon. */
size_t es_compress(struct es_compressor *compressor, unsigned column, const void *bytes, size_t len, uint8_t *to,
                   bool mini);

#endif
