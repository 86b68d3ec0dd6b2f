/* SPDX-License-Identifier: MIT */
/* States of a block: what the versions are in columns of their own, their bytes in chunks that are compressed one by one, so that one version
 * is read without the rest. In order of process, as all that is not in order of time. */
#include <errno.h>

#include "store/encode.h"
#include "store/stored_states.h"

#define LEVEL_QUICK 1
#define LEVEL_WHOLE 3
#define CHUNK_LEAST (64u << 10) /* a chunk ends at the first whole version behind so many bytes */
#define OWNER_MAX 10u           /* bytes */
#define PLACE_MAX 3u
#define SIZE_MAX_BYTES 10u

static const struct es_row *row_of(const struct es_encoder *e, uint32_t i)
{
    return &e->rows[es_encode_u32(&e->states)[i]];
}

struct stored {
    uint8_t form;
    bool again; /* whole here, while in the batch it is a patch of one before the range */
    uint32_t len;
};

static struct stored stored_of(const struct es_encoder *e, const struct es_row *row)
{
    const struct es_chains *chains = &e->batch->chains;
    if (row->payload_len == 0)
        return (struct stored){.form = ES_VERSION_NONE};
    const struct es_version *v = es_chains_version(chains, row->payload);
    if (v->form != ES_VERSION_WHOLE && es_chains_version(chains, v->before)->event < e->range.from)
        return (struct stored){ES_VERSION_WHOLE, true, v->full};
    return (struct stored){v->form, false, v->len};
}

/* ---- columns ------------------------------------------------------------------------------------------------------- */

static uint8_t *column(struct es_encoder *e, enum es_column_id id, size_t bytes)
{
    e->raw[id].len = 0;
    return es_buf_reserve(&e->raw[id], bytes + 1) < 0 ? NULL : e->raw[id].bytes;
}

static void column_end(struct es_encoder *e, enum es_column_id id, const uint8_t *at)
{
    e->raw[id].len = (size_t)(at - e->raw[id].bytes);
}

static int put_owners(struct es_encoder *e)
{
    uint8_t *at = column(e, ES_C_OWNERS, (size_t)e->n_states * OWNER_MAX);
    if (!at)
        return -ENOMEM;
    for (uint32_t i = 0, before = 0, n = 0; i < e->n_states; i += n) {
        uint32_t pid = row_of(e, i)->pid;
        for (n = 1; i + n < e->n_states && row_of(e, i + n)->pid == pid; n++)
            ;
        at = es_put_varint(es_put_varint(at, pid - before), n);
        before = pid;
    }
    column_end(e, ES_C_OWNERS, at);
    return 0;
}

/* Where the process has a version before, that one is told. */
static const struct es_row *row_before(const struct es_encoder *e, uint32_t i)
{
    return i > 0 && row_of(e, i - 1)->pid == row_of(e, i)->pid ? row_of(e, i - 1) : NULL;
}

static int put_versions(struct es_encoder *e)
{
    uint8_t *versions = column(e, ES_C_VERSIONS, e->n_states),
            *places = column(e, ES_C_PLACES, e->n_states * PLACE_MAX),
            *hashes = column(e, ES_C_STATE_HASHES, e->n_states * sizeof(uint64_t));
    if (!versions || !places || !hashes)
        return -ENOMEM;
    for (uint32_t i = 0; i < e->n_states; i++) {
        const struct es_row *row = row_of(e, i), *before = row_before(e, i);
        unsigned given = row->hash == 0                        ? ES_GIVEN_ZERO
                         : before && before->hash == row->hash ? ES_GIVEN_PREDICTED
                                                               : ES_GIVEN_BYTES;
        *versions++ = (uint8_t)(stored_of(e, row).form | given << 2 | es_state_flags_pack(row->flags) << 4);
        places = es_put_varint(places, row->index - (before ? before->index : 0));
        if (given == ES_GIVEN_BYTES)
            hashes = es_put_le64(hashes, row->hash);
    }
    column_end(e, ES_C_VERSIONS, versions);
    column_end(e, ES_C_PLACES, places);
    column_end(e, ES_C_STATE_HASHES, hashes);
    return 0;
}

static int put_sizes(struct es_encoder *e)
{
    uint8_t *at = column(e, ES_C_SIZES, (size_t)e->n_states * SIZE_MAX_BYTES);
    if (!at)
        return -ENOMEM;
    int64_t before = 0;
    for (uint32_t i = 0; i < e->n_states; i++) {
        const struct es_row *row = row_of(e, i);
        struct stored stored = stored_of(e, row);
        if (stored.form == ES_VERSION_NONE)
            continue;
        at = es_put_varint(at, stored.len);
        if (stored.form == ES_VERSION_SPLICE)
            at = es_put_varint(at, es_zigzag(row->payload_len - before));
        before = row->payload_len;
    }
    column_end(e, ES_C_SIZES, at);
    return 0;
}

int es_encode_versions(struct es_encoder *e)
{
    if (put_owners(e) < 0 || put_versions(e) < 0 || put_sizes(e) < 0)
        return -ENOMEM;
    return 0;
}

/* ---- chunks -------------------------------------------------------------------------------------------------------- */

static int add_bytes(struct es_encoder *e, const struct es_row *row, struct stored stored)
{
    const struct es_version *v = es_chains_version(&e->batch->chains, row->payload);
    struct es_span bytes = {e->batch->payload.bytes + v->at, v->len};
    int r = stored.again ? es_chains_read(&e->batch->chains, &e->batch->payload, row->payload, &bytes) : 0;
    return r < 0 ? r : es_buf_add(&e->chunk_raw, bytes.bytes, bytes.len);
}

static int end_chunk(struct es_encoder *e, unsigned number, struct es_image *image)
{
    const struct es_buf *raw = &e->chunk_raw;
    size_t bound = ZSTD_compressBound(raw->len);
    if (es_buf_reserve(&image->bytes, bound) < 0)
        return -ENOMEM;
    struct es_column *c = &image->columns[image->n_columns++];
    *c = (struct es_column){.id = (uint8_t)(ES_C_CHUNKS + number),
                            .codec = ES_CODEC_ZSTD,
                            .raw_len = (uint32_t)raw->len,
                            .at = image->bytes.len};
    ZSTD_CCtx_reset(e->zstd, ZSTD_reset_session_and_parameters);
    ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_compressionLevel,
                           e->range.mini || e->range.quick ? LEVEL_QUICK : LEVEL_WHOLE);
    uint8_t *to = image->bytes.bytes + image->bytes.len;
    size_t len = ZSTD_compress2(e->zstd, to, bound, raw->bytes, raw->len);
    if (ZSTD_isError(len))
        return -ENOMEM;
    if (len >= raw->len - raw->len / 32) {
        memcpy(to, raw->bytes, raw->len);
        c->codec = ES_CODEC_RAW;
        len = raw->len;
    }
    c->len = (uint32_t)len;
    image->bytes.len += len;
    e->chunk_raw.len = 0;
    return 0;
}

int es_encode_chunks(struct es_encoder *e, struct es_image *image)
{
    size_t all = 0;
    for (uint32_t i = 0; i < e->n_states; i++)
        all += stored_of(e, row_of(e, i)).len;
    /* All but the last are at least that long, so that there is a number for each. */
    size_t least = all / (ES_CHUNKS - 1) + 1;
    unsigned number = 0;
    int r = 0;
    e->chunk_raw.len = 0;
    for (uint32_t i = 0; r == 0 && i < e->n_states; i++) {
        const struct es_row *row = row_of(e, i);
        struct stored stored = stored_of(e, row);
        if (stored.form == ES_VERSION_WHOLE && e->chunk_raw.len >= (least > CHUNK_LEAST ? least : CHUNK_LEAST))
            r = end_chunk(e, number++, image);
        if (r == 0 && stored.form != ES_VERSION_NONE)
            r = add_bytes(e, row, stored);
    }
    return r == 0 && e->chunk_raw.len > 0 ? end_chunk(e, number, image) : r;
}
