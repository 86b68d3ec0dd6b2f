/* SPDX-License-Identifier: MIT */
/* Ways of compressing; see compress.h. Measured in docs/format.md. */
#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_c_literalCompressionMode; where the library does not know it, that way is never the best */
#include "store/compress.h"

#include <errno.h>

#define TRY_EVERY 16u /* blocks */

struct setting {
    ZSTD_cParameter parameter;
    int value;
};
#define SETTINGS 6u
static const struct setting settings[ES_WAYS][SETTINGS] = {
    /* as good as never a match: a table of 64 places for seven bytes, and only looked at each 4096 bytes */
    [ES_WAY_CODES] = {{ZSTD_c_compressionLevel, 1},
                      {ZSTD_c_strategy, ZSTD_fast},
                      {ZSTD_c_hashLog, 6},
                      {ZSTD_c_minMatch, 7},
                      {ZSTD_c_targetLength, 4096},
                      {ZSTD_c_literalCompressionMode, ZSTD_lcm_huffman}},
    [ES_WAY_FAST] = {{ZSTD_c_compressionLevel, 1}},
    [ES_WAY_THOROUGH] = {{ZSTD_c_compressionLevel, 3}},
};

int es_compressor_init(struct es_compressor *c)
{
    *c = (struct es_compressor){0};
    for (unsigned id = 0; id < ES_COMPRESS_COLUMNS; id++)
        c->column[id].way = ES_WAY_FAST;
    for (unsigned way = 0; way < ES_WAYS; way++) {
        c->zstd[way] = ZSTD_createCCtx();
        if (!c->zstd[way]) {
            es_compressor_fini(c);
            return -ENOMEM;
        }
        for (unsigned i = 0; i < SETTINGS && settings[way][i].parameter; i++)
            ZSTD_CCtx_setParameter(c->zstd[way], settings[way][i].parameter, settings[way][i].value);
    }
    return 0;
}

void es_compressor_fini(struct es_compressor *c)
{
    for (unsigned way = 0; way < ES_WAYS; way++)
        ZSTD_freeCCtx(c->zstd[way]);
    *c = (struct es_compressor){0};
}

struct raw {
    const void *bytes;
    size_t len;
};

static size_t compress(struct es_compressor *c, enum es_way way, struct raw raw, uint8_t *to)
{
    size_t len = ZSTD_compress2(c->zstd[way], to, ZSTD_compressBound(raw.len), raw.bytes, raw.len);
    return !ZSTD_isError(len) && len < raw.len - raw.len / 32 ? len : raw.len;
}

/* A way that costs more must be better by a 64th. */
static size_t try_all(struct es_compressor *c, enum es_way *ret_way, struct raw raw, uint8_t *to)
{
    size_t len[ES_WAYS];
    enum es_way best = ES_WAY_CODES;
    for (enum es_way way = 0; way < ES_WAYS; way++) {
        len[way] = compress(c, way, raw, to);
        if (len[way] < len[best] - len[best] / 64)
            best = way;
    }
    *ret_way = best;
    return best == ES_WAYS - 1 ? len[best] : compress(c, best, raw, to);
}

size_t es_compress(struct es_compressor *c, unsigned column, const void *bytes, size_t len, uint8_t *to, bool mini)
{
    struct raw raw = {bytes, len};
    enum es_way way = (enum es_way)c->column[column].way;
    if (mini)
        return compress(c, way == ES_WAY_THOROUGH ? ES_WAY_FAST : way, raw, to);
    if (c->column[column].left-- > 0)
        return compress(c, way, raw, to);
    size_t compressed = try_all(c, &way, raw, to);
    c->column[column].way = (uint8_t)way;
    c->column[column].left = TRY_EVERY - 1;
    return compressed;
}
