/* SPDX-License-Identifier: MIT */
/* From staged events to the columns of a block. */
#include <errno.h>

#include "base/error.h"
#include "store/encode.h"

#define SMALL 48u /* shorter columns are not worth compressing */

/* ---- room ---------------------------------------------------------------------------------------------------------- */

/* Numbers are many bytes of few kinds: there is only room for as many as there are. */
static size_t room_of(const struct es_encoder *e, enum es_column_id id, const struct es_image *image)
{
    size_t events = 0;
    if (id != ES_C_NUMS)
        return es_column_cap(id, e->range.to - e->range.from);
    for (unsigned kind = 0; kind < ES_KIND_MAX; kind++)
        if (es_kind_table[kind].fields & ES_F_NUM)
            events += image->kinds[kind];
    return events * ES_NUMS * ES_VARINT_MAX + 1;
}

static bool is_table(unsigned id) { return id == ES_C_REFS || id == ES_C_COUNTS || id == ES_C_FUNS; }

static struct es_gap_writer gap_writer(const struct es_encoder *e, enum es_column_id first)
{
    return (struct es_gap_writer){e->raw[first].bytes, e->raw[first + 1].bytes, e->raw[first + 2].bytes, 0, 0};
}

static int columns_begin(struct es_encoder *e, const struct es_image *image)
{
    for (enum es_column_id id = ES_C_TIMES; id < ES_C_PAYLOADS; id++) {
        if (is_table(id))
            continue;
        e->raw[id].len = 0;
        if (es_buf_reserve(&e->raw[id], room_of(e, id, image)) < 0)
            return -ENOMEM;
        e->at[id] = e->raw[id].bytes;
    }
    e->n_states = 0;
    if (es_buf_reserve(&e->states, image->kinds[ES_K_STATE] * sizeof(uint32_t)) < 0)
        return -ENOMEM;
    e->times = gap_writer(e, ES_C_TIMES);
    e->causes = gap_writer(e, ES_C_CAUSES);
    return 0;
}

static void gaps_end(struct es_encoder *e, enum es_column_id first, struct es_gap_writer *gaps)
{
    es_gap_end(gaps);
    e->at[first] = gaps->classes;
    e->at[first + 1] = gaps->bits;
    e->at[first + 2] = gaps->rare;
}

static void columns_end(struct es_encoder *e)
{
    gaps_end(e, ES_C_TIMES, &e->times);
    gaps_end(e, ES_C_CAUSES, &e->causes);
    for (unsigned id = ES_C_TIMES; id < ES_C_PAYLOADS; id++)
        if (!is_table(id))
            e->raw[id].len = (size_t)(e->at[id] - e->raw[id].bytes);
}

/* ---- in order of process ------------------------------------------------------------------------------------------- */

static inline void put_varint(struct es_encoder *e, enum es_column_id id, uint64_t value)
{
    e->at[id] = es_put_varint(e->at[id], value);
}

static inline void put_cause(struct es_encoder *e, const struct es_row *row)
{
    *e->at[ES_C_CAUSE_STATES]++ = row->cause_state;
    if (row->cause_state == ES_CAUSE_PAIRED)
        es_gap_put(&e->causes, (int64_t)row->cause);
}

/* 0 as predicted, else number + 1. */
static inline void put_call(struct es_encoder *e, const struct es_row *row)
{
    bool right = es_predict_fun(&e->predict, row->kind) == row->fun;
    put_varint(e, ES_C_CALLS, right ? 0 : (uint64_t)row->fun + 1);
    es_predict_saw_fun(&e->predict, row->kind, row->fun);
}

/* 0 as predicted, 1 as the last receiver, else number + 2. */
static inline void put_peer(struct es_encoder *e, const struct es_row *row)
{
    uint64_t code = (uint64_t)row->peer + 2;
    if (es_predict_peer(&e->predict, row->kind, row->causer) == row->peer)
        code = 0;
    else if (e->predict.receiver == row->peer)
        code = 1;
    put_varint(e, ES_C_PEERS, code);
    es_predict_saw_peer(&e->predict, row->kind, row->peer);
}

static inline enum es_given give(uint64_t value, bool as_predicted)
{
    return value == 0 ? ES_GIVEN_ZERO : as_predicted ? ES_GIVEN_PREDICTED : ES_GIVEN_BYTES;
}

/* What is predicted where there is no cause here is of an earlier row of the same process. */
static inline void put_message(struct es_encoder *e, const struct es_row *row, uint32_t k)
{
    bool caused = row->causer != ES_NOTHING;
    uint32_t hashed = es_predict_hash(&e->predict, row->kind, ES_NOTHING);
    uint32_t correlated = es_predict_corr(&e->predict, ES_NOTHING);
    bool same_hash = caused ? row->same & ES_F_HASH : hashed != ES_NOTHING && e->rows[hashed].hash == row->hash;
    bool same_corr = caused ? row->same & ES_F_CORR : correlated != ES_NOTHING && e->rows[correlated].corr == row->corr;
    enum es_given hash = give(row->hash, same_hash), corr = give(row->corr, same_corr);
    *e->at[ES_C_MESSAGES]++ = (uint8_t)(hash | corr << 2);
    if (hash == ES_GIVEN_BYTES && row->kind != ES_K_STATE)
        e->at[ES_C_HASHES] = es_put_le64(e->at[ES_C_HASHES], row->hash);
    if (corr == ES_GIVEN_BYTES)
        e->at[ES_C_CORRS] = es_put_le64(e->at[ES_C_CORRS], row->corr);
    es_predict_saw_event(&e->predict, row->kind, k);
}

/* Each number as difference to the same one in the process's event before. */
static void put_nums(struct es_encoder *e, const struct es_row *row)
{
    const uint64_t *nums = (const uint64_t *)(const void *)e->batch->words.bytes + row->nums;
    for (unsigned i = 0; i < ES_NUMS; i++) {
        put_varint(e, ES_C_NUMS, es_zigzag((int64_t)(nums[i] - e->nums[i])));
        e->nums[i] = nums[i];
    }
}

static inline void put_row(struct es_encoder *e, uint32_t k)
{
    const struct es_row *row = &e->rows[k];
    unsigned fields = es_kind_table[row->kind].fields;
    uint32_t step = row->index - e->place;
    e->place = row->index;
    *e->at[ES_C_STEPS]++ = (uint8_t)step;
    *e->at[ES_C_STEPS_HIGH]++ = (uint8_t)(step >> 8);
    *e->at[ES_C_KINDS]++ = row->kind;
    *e->at[ES_C_FLAGS]++ = row->flags;
    if (row->flags & ES_E_MOVED)
        put_varint(e, ES_C_MOVED, row->moved);
    if (fields & ES_F_CAUSE)
        put_cause(e, row);
    if (fields & ES_F_FUN)
        put_call(e, row);
    if (fields & ES_PEER_COLUMN)
        put_peer(e, row);
    if (fields & (ES_F_HASH | ES_F_CORR))
        put_message(e, row, k);
    if (fields & ES_F_NUM)
        put_nums(e, row);
    if (row->kind == ES_K_STATE) {
        es_encode_u32(&e->states)[e->n_states++] = k;
    } else if (fields & ES_F_PAYLOAD) {
        put_varint(e, ES_C_LENGTHS, row->payload_len);
        e->payload_len += row->payload_len;
    }
}

static void put_rows(struct es_encoder *e, uint32_t n)
{
    uint32_t pid = ES_NOTHING;
    e->payload_len = 0;
    for (uint32_t k = 0; k < n; k++) {
        if (e->rows[k].pid != pid) {
            pid = e->rows[k].pid;
            es_predict_start(&e->predict);
            e->place = 0;
            memset(e->nums, 0, sizeof e->nums);
        }
        put_row(e, k);
    }
}

/* ---- compressing --------------------------------------------------------------------------------------------------- */

static int compress_column(struct es_encoder *e, enum es_column_id id, struct es_image *image)
{
    const struct es_buf *raw = &e->raw[id];
    if (raw->len == 0)
        return 0;
    struct es_column *c = &image->columns[image->n_columns++];
    *c = (struct es_column){
        .id = (uint8_t)id, .codec = ES_CODEC_RAW, .raw_len = (uint32_t)raw->len, .at = image->bytes.len};
    if (es_buf_reserve(&image->bytes, ZSTD_compressBound(raw->len)) < 0)
        return -ENOMEM;
    uint8_t *to = image->bytes.bytes + image->bytes.len;
    size_t len = raw->len;
    if (memcmp(raw->bytes, raw->bytes + 1, raw->len - 1) == 0) {
        c->codec = ES_CODEC_CONST;
        len = 1;
    } else if (raw->len >= SMALL) {
        len = es_compress(&e->compressor, id, raw->bytes, raw->len, to, e->range.mini);
        c->codec = len < raw->len ? ES_CODEC_ZSTD : ES_CODEC_RAW;
    }
    if (c->codec != ES_CODEC_ZSTD)
        memcpy(to, raw->bytes, len);
    c->len = (uint32_t)len;
    image->bytes.len += len;
    return 0;
}

int es_block_encode(struct es_encoder *e, struct es_batch *batch, struct es_range range, struct es_image *image)
{
    e->batch = batch;
    e->range = range;
    image->first_seq = batch->first_seq + range.from;
    image->events = range.to - range.from;
    image->first_time = batch->events[range.from].time;
    image->last_time = batch->events[range.to - 1].time;
    image->n_columns = 0;
    image->bytes.len = 0;
    if (es_encode_tables(e, image->kinds) < 0 || columns_begin(e, image) < 0)
        return es_fail(-ENOMEM, "no memory to encode a block");
    es_encode_rows(e);
    put_rows(e, image->events);
    columns_end(e);
    int r = es_encode_versions(e);
    for (enum es_column_id id = ES_C_TIMES; r == 0 && id < ES_C_CHUNKS; id++)
        r = id == ES_C_PAYLOADS ? es_encode_payloads(e, image) : compress_column(e, id, image);
    if (r == 0)
        r = es_encode_chunks(e, image);
    es_encode_trim(e);
    return r == -E2BIG ? r : r < 0 ? es_fail(r, "no memory to compress a block") : 0;
}
