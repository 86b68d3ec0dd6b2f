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
#define SIZE_MAX_BYTES 15u

static const struct es_row *row_of(const struct es_encoder *e, uint32_t i)
{
    return &e->rows[es_encode_u32(&e->states)[i]];
}

/* ---- what is stored of each version -------------------------------------------------------------------------------------- */

/* How a version is stored in this block. */
struct stored {
    uint8_t form;
    uint32_t len;
    uint32_t lender; /* state event whose version it is a patch of, of another process; ES_NO_VERSION: none */
    uint32_t made;   /* where its bytes are in e->made, ES_NO_VERSION: in the batch */
};

static struct stored *stored_of(const struct es_encoder *e, uint32_t i)
{
    return (struct stored *)(void *)e->stored.bytes + i;
}

static const struct es_version *version_of(const struct es_encoder *e, uint32_t i)
{
    return es_chains_version(&e->batch->chains, row_of(e, i)->payload);
}

static uint32_t root_of(const struct es_chains *chains, uint32_t version)
{
    while (es_chains_version(chains, version)->form != ES_VERSION_WHOLE)
        version = es_chains_version(chains, version)->before;
    return version;
}

/* The version that it is a patch of stands before the range: here it must be put together. Of those that come from the same whole one the
 * first is stored whole, the others as patches of that. */
static int store_again(struct es_encoder *e, uint32_t i, struct stored *stored)
{
    struct es_chains *chains = &e->batch->chains;
    uint32_t root = root_of(chains, row_of(e, i)->payload), lender = ES_NO_VERSION;
    struct es_span bytes;
    int r = es_chains_read(chains, &e->batch->payload, row_of(e, i)->payload, &bytes);
    if (r < 0 || es_buf_reserve(&e->made, bytes.len + 1) < 0)
        return -ENOMEM;
    *stored = (struct stored){ES_VERSION_WHOLE, (uint32_t)bytes.len, ES_NO_VERSION, (uint32_t)e->made.len};
    if (es_map_get(&e->again, root + 1, &lender) && e->borrowed + bytes.len <= ES_CHAIN_BORROWED) {
        const struct stored *lent = stored_of(e, lender);
        struct es_patch patch = {.bytes = e->made.bytes + e->made.len, .room = bytes.len / 2};
        r = es_patch_make(&chains->patcher, (struct es_span){e->made.bytes + lent->made, lent->len}, bytes, &patch);
        if (r == 0) {
            stored->form = patch.in_place ? ES_VERSION_PATCH : ES_VERSION_SPLICE;
            stored->len = (uint32_t)patch.len;
            stored->lender = lender;
            e->borrowed += bytes.len;
        }
        if (r < 0 && r != -E2BIG)
            return r;
    }
    if (stored->form == ES_VERSION_WHOLE)
        memcpy(e->made.bytes + e->made.len, bytes.bytes, bytes.len);
    e->made.len += stored->len;
    return lender == ES_NO_VERSION ? es_map_put(&e->again, root + 1, i) : 0;
}

static int store_one(struct es_encoder *e, uint32_t i, struct stored *stored)
{
    const struct es_chains *chains = &e->batch->chains;
    *stored = (struct stored){ES_VERSION_NONE, 0, ES_NO_VERSION, ES_NO_VERSION};
    if (row_of(e, i)->payload_len == 0)
        return 0;
    const struct es_version *v = version_of(e, i);
    if (v->form != ES_VERSION_WHOLE && es_chains_version(chains, v->before)->event < e->range.from)
        return store_again(e, i, stored);
    stored->form = v->form;
    stored->len = v->len;
    if (es_chains_borrows(chains, v)) {
        stored->lender = es_encode_u32(&e->state_of)[v->before];
        e->borrowed += v->full;
    }
    return 0;
}

/* -E2BIG: put together, they are more than a block may hold; that can only be in a part of a batch. */
static int store_all(struct es_encoder *e)
{
    uint64_t all = 0;
    int r = 0;
    e->stored.len = e->state_of.len = e->made.len = 0;
    e->borrowed = 0;
    es_map_clear(&e->again);
    if (es_buf_reserve(&e->stored, (size_t)e->n_states * sizeof(struct stored) + 1) < 0 ||
        es_buf_reserve(&e->state_of, ((size_t)e->batch->chains.n + 1) * sizeof(uint32_t)) < 0)
        return -ENOMEM;
    for (uint32_t i = 0; i < e->n_states; i++)
        if (row_of(e, i)->payload_len)
            es_encode_u32(&e->state_of)[row_of(e, i)->payload] = i;
    for (uint32_t i = 0; r == 0 && i < e->n_states; i++) {
        r = store_one(e, i, stored_of(e, i));
        all += stored_of(e, i)->len;
        if (r == 0 && all > ES_BLOCK_PAYLOAD)
            r = -E2BIG;
    }
    return r;
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
        *versions++ = (uint8_t)(stored_of(e, i)->form | given << 2 | es_state_flags_pack(row->flags) << 4);
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
        const struct stored *stored = stored_of(e, i);
        if (stored->form == ES_VERSION_NONE)
            continue;
        at = es_put_varint(at, stored->len);
        if (stored->lender != ES_NO_VERSION)
            at = es_put_varint(es_put_varint(at, row->payload_len), es_zigzag((int64_t)stored->lender - i));
        else if (stored->form == ES_VERSION_SPLICE)
            at = es_put_varint(at, es_zigzag(row->payload_len - before));
        before = row->payload_len;
    }
    column_end(e, ES_C_SIZES, at);
    return 0;
}

int es_encode_versions(struct es_encoder *e)
{
    int r = store_all(e);
    if (r == 0 && (put_owners(e) < 0 || put_versions(e) < 0 || put_sizes(e) < 0))
        r = -ENOMEM;
    return r;
}

/* ---- chunks -------------------------------------------------------------------------------------------------------- */

static int add_bytes(struct es_encoder *e, uint32_t i)
{
    const struct stored *stored = stored_of(e, i);
    const uint8_t *bytes =
        stored->made == ES_NO_VERSION ? e->batch->payload.bytes + version_of(e, i)->at : e->made.bytes + stored->made;
    return es_buf_add(&e->chunk_raw, bytes, stored->len);
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
        all += stored_of(e, i)->len;
    /* All but the last are at least that long, so that there is a number for each. */
    size_t least = all / (ES_CHUNKS - 1) + 1;
    unsigned number = 0;
    int r = 0;
    e->chunk_raw.len = 0;
    for (uint32_t i = 0; r == 0 && i < e->n_states; i++) {
        const struct stored *stored = stored_of(e, i);
        bool begins = stored->form == ES_VERSION_WHOLE || stored->lender != ES_NO_VERSION;
        if (begins && e->chunk_raw.len >= (least > CHUNK_LEAST ? least : CHUNK_LEAST))
            r = end_chunk(e, number++, image);
        if (r == 0 && stored->form != ES_VERSION_NONE)
            r = add_bytes(e, i);
    }
    return r == 0 && e->chunk_raw.len > 0 ? end_chunk(e, number, image) : r;
}
