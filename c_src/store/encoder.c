/* SPDX-License-Identifier: MIT */
/* The encoder's memory, and payloads, which are too large to be gathered before they are compressed. */
#include <errno.h>

#include "store/encode.h"

#define LEVEL_QUICK 1
#define LEVEL_WHOLE 3
#define CHUNK (1u << 20) /* of payloads given to zstd at once */
#define AHEAD 16u        /* rows: so early are their payloads asked for, which lie in order of time */
#define KEEP (1u << 20)  /* of each array from block to block */

struct es_encoder *es_encoder_new(void)
{
    struct es_encoder *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->zstd = ZSTD_createCCtx();
    e->rows = aligned_alloc(sizeof *e->rows, ES_BLOCK_EVENTS * sizeof *e->rows);
    if (es_compressor_init(&e->compressor) == 0 && e->zstd && e->rows && es_buf_reserve(&e->chunk, CHUNK) == 0)
        return e;
    es_encoder_free(e);
    return NULL;
}

void es_encoder_free(struct es_encoder *e)
{
    if (!e)
        return;
    es_compressor_fini(&e->compressor);
    ZSTD_freeCCtx(e->zstd);
    free(e->rows);
    for (size_t i = 0; i < ES_COLUMNS; i++)
        es_buf_fini(&e->raw[i]);
    struct es_buf *bufs[] = {&e->sort,  &e->sort_other, &e->ref_number, &e->fun_number, &e->counts, &e->starts,
                             &e->chunk, &e->states,     &e->state_of,   &e->stored,     &e->made,   &e->chunk_raw};
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++)
        es_buf_fini(bufs[i]);
    es_map_fini(&e->again);
    free(e);
}

void es_encode_trim(struct es_encoder *e)
{
    for (size_t i = 0; i < ES_COLUMNS; i++)
        if (e->raw[i].room > KEEP)
            es_buf_fini(&e->raw[i]);
    struct es_buf *bufs[] = {&e->sort,   &e->sort_other, &e->ref_number, &e->fun_number, &e->counts,   &e->starts,
                             &e->states, &e->state_of,   &e->stored,     &e->made,       &e->chunk_raw};
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++)
        if (bufs[i]->room > KEEP)
            es_buf_fini(bufs[i]);
}

static bool has_payload(const struct es_row *row) { return row->payload_len && row->kind != ES_K_STATE; }

/* What was gathered so far into the stream; `end` finishes it. */
static int feed(struct es_encoder *e, ZSTD_outBuffer *out, const void *bytes, size_t len, bool end)
{
    ZSTD_inBuffer in = {bytes, len, 0};
    size_t left;
    do {
        left = ZSTD_compressStream2(e->zstd, out, &in, end ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left))
            return -ENOMEM;
    } while (in.pos < in.size || (end && left > 0));
    return 0;
}

static int compress(struct es_encoder *e, struct es_image *image, struct es_column *c)
{
    ZSTD_outBuffer out = {image->bytes.bytes + c->at, ZSTD_compressBound(c->raw_len), 0};
    ZSTD_CCtx_reset(e->zstd, ZSTD_reset_session_and_parameters);
    ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_compressionLevel,
                           e->range.mini || e->range.quick ? LEVEL_QUICK : LEVEL_WHOLE);
    ZSTD_CCtx_setPledgedSrcSize(e->zstd, c->raw_len);
    int r = 0;
    size_t len = 0;
    for (uint32_t k = 0; r == 0 && k < image->events; k++) {
        const struct es_row *row = &e->rows[k];
        if (k + AHEAD < image->events)
            __builtin_prefetch(e->batch->payload.bytes + row[AHEAD].payload);
        if (!has_payload(row))
            continue;
        if (len + row->payload_len > CHUNK) {
            r = feed(e, &out, e->chunk.bytes, len, false);
            len = 0;
        }
        const uint8_t *bytes = e->batch->payload.bytes + row->payload;
        if (row->payload_len > CHUNK) {
            r = r < 0 ? r : feed(e, &out, bytes, row->payload_len, false);
        } else {
            memcpy(e->chunk.bytes + len, bytes, row->payload_len);
            len += row->payload_len;
        }
    }
    if (r == 0)
        r = feed(e, &out, e->chunk.bytes, len, true);
    c->len = (uint32_t)out.pos;
    return r;
}

static void copy(struct es_encoder *e, struct es_image *image, struct es_column *c)
{
    uint8_t *at = image->bytes.bytes + c->at;
    for (uint32_t k = 0; k < image->events; k++) {
        const struct es_row *row = &e->rows[k];
        if (!has_payload(row))
            continue;
        memcpy(at, e->batch->payload.bytes + row->payload, row->payload_len);
        at += row->payload_len;
    }
    c->codec = ES_CODEC_RAW;
    c->len = c->raw_len;
}

int es_encode_payloads(struct es_encoder *e, struct es_image *image)
{
    size_t raw_len = e->payload_len;
    if (raw_len == 0)
        return 0;
    if (es_buf_reserve(&image->bytes, ZSTD_compressBound(raw_len)) < 0)
        return -ENOMEM;
    struct es_column *c = &image->columns[image->n_columns++];
    *c = (struct es_column){
        .id = ES_C_PAYLOADS, .codec = ES_CODEC_ZSTD, .raw_len = (uint32_t)raw_len, .at = image->bytes.len};
    int r = compress(e, image, c);
    if (r < 0)
        return r;
    if (c->len >= c->raw_len - c->raw_len / 32)
        copy(e, image, c);
    image->bytes.len += c->len;
    return 0;
}
