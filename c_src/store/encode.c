/* SPDX-License-Identifier: MIT */
/* From staged events to the columns of a block. */
#include <errno.h>

#include "base/error.h"
#include "store/encode.h"
#include "store/gaps.h"
#include "store/predict.h"

#define SMALL 48u /* shorter columns are not worth compressing */

/* Room in a column for as many events as the range has. NULL: no memory. */
static uint8_t *column(struct es_encoder *e, enum es_column_id id, size_t bytes_an_event)
{
    e->raw[id].len = 0;
    if (es_buf_reserve(&e->raw[id], (size_t)(e->range.to - e->range.from) * bytes_an_event + 16) < 0)
        return NULL;
    return e->raw[id].bytes;
}
static void column_end(struct es_encoder *e, enum es_column_id id, const uint8_t *at)
{
    e->raw[id].len = (size_t)(at - e->raw[id].bytes);
}

static int put_times(struct es_encoder *e)
{
    struct es_gap_writer gaps = {column(e, ES_C_TIMES, 1), column(e, ES_C_TIME_BITS, 4), column(e, ES_C_TIME_RARE, 10),
                                 0, 0};
    if (!gaps.classes || !gaps.bits || !gaps.rare)
        return -ENOMEM;
    int64_t before = e->batch->events[e->range.from].time;
    for (uint32_t i = e->range.from; i < e->range.to; i++) {
        int64_t time = e->batch->events[i].time;
        es_gap_put(&gaps, (int64_t)((uint64_t)time - (uint64_t)before));
        before = time;
    }
    es_gap_end(&gaps);
    column_end(e, ES_C_TIMES, gaps.classes);
    column_end(e, ES_C_TIME_BITS, gaps.bits);
    column_end(e, ES_C_TIME_RARE, gaps.rare);
    return 0;
}

/* Threads as they are; pids as 0 where it is the last one of that thread, else number + 1. */
static int put_pids(struct es_encoder *e)
{
    uint8_t *threads = column(e, ES_C_THREADS, 3), *pids = column(e, ES_C_PIDS, 5);
    if (!threads || !pids)
        return -ENOMEM;
    const uint32_t *numbers = (const uint32_t *)(void *)e->ref_number.bytes;
    uint32_t last[ES_PREDICT_THREADS];
    memset(last, 0xff, sizeof last);
    for (uint32_t i = e->range.from; i < e->range.to; i++) {
        const struct es_staged *row = &e->batch->events[i];
        uint32_t place = es_predict_thread(row->thread), pid = numbers[row->pid];
        threads = es_put_varint(threads, row->thread);
        pids = es_put_varint(pids, last[place] == pid ? 0 : (uint64_t)pid + 1);
        last[place] = pid;
    }
    column_end(e, ES_C_THREADS, threads);
    column_end(e, ES_C_PIDS, pids);
    return 0;
}

static int put_kinds(struct es_encoder *e, struct es_image *image)
{
    uint8_t *kinds = column(e, ES_C_KINDS, 1), *flags = column(e, ES_C_FLAGS, 1), *moved = column(e, ES_C_MOVED, 5);
    if (!kinds || !flags || !moved)
        return -ENOMEM;
    for (uint32_t k = 0; k < image->events; k++) {
        const struct es_staged *row = &e->rows[k];
        image->kinds[row->kind]++;
        *kinds++ = row->kind;
        *flags++ = row->flags;
        if (row->flags & ES_E_MOVED)
            moved = es_put_varint(moved, row->moved);
    }
    column_end(e, ES_C_KINDS, kinds);
    column_end(e, ES_C_FLAGS, flags);
    column_end(e, ES_C_MOVED, moved);
    return 0;
}

/* Index in the range of an event's cause, if it is there. */
static uint32_t cause_in_range(const struct es_encoder *e, uint32_t k)
{
    uint32_t event = e->order[k];
    return e->rows[k].cause && e->rows[k].cause <= event ? event - (uint32_t)e->rows[k].cause : ES_NOTHING;
}

static int put_causes(struct es_encoder *e, uint32_t n)
{
    uint8_t *states = column(e, ES_C_CAUSE_STATES, 1);
    struct es_gap_writer gaps = {column(e, ES_C_CAUSES, 1), column(e, ES_C_CAUSE_BITS, 4),
                                 column(e, ES_C_CAUSE_RARE, 10), 0, 0};
    if (!states || !gaps.classes || !gaps.bits || !gaps.rare)
        return -ENOMEM;
    for (uint32_t k = 0; k < n; k++) {
        const struct es_staged *row = &e->rows[k];
        if (!(es_kind_table[row->kind].fields & ES_F_CAUSE))
            continue;
        *states++ = row->cause_state;
        if (row->cause_state == ES_CAUSE_PAIRED)
            es_gap_put(&gaps, (int64_t)row->cause);
    }
    es_gap_end(&gaps);
    column_end(e, ES_C_CAUSE_STATES, states);
    column_end(e, ES_C_CAUSES, gaps.classes);
    column_end(e, ES_C_CAUSE_BITS, gaps.bits);
    column_end(e, ES_C_CAUSE_RARE, gaps.rare);
    return 0;
}

/* Functions: 0 as predicted, else number + 1. Peers: 0 as predicted, 1 as the last receiver, else number + 2. */
static int put_calls_and_peers(struct es_encoder *e, uint32_t n)
{
    uint8_t *calls = column(e, ES_C_CALLS, 5), *peers = column(e, ES_C_PEERS, 5);
    if (!calls || !peers)
        return -ENOMEM;
    const uint32_t *numbers = (const uint32_t *)(void *)e->ref_number.bytes;
    struct es_predict p;
    es_predict_start(&p);
    uint32_t pid = ES_NOTHING;
    for (uint32_t k = 0; k < n; k++) {
        const struct es_staged *row = &e->rows[k];
        unsigned fields = es_kind_table[row->kind].fields;
        if (row->pid != pid) {
            pid = row->pid;
            es_predict_start(&p);
        }
        if (fields & ES_F_FUN) {
            calls = es_put_varint(calls, es_predict_fun(&p, row->kind) == row->fun ? 0 : (uint64_t)row->fun + 1);
            es_predict_saw_fun(&p, row->kind, row->fun);
        }
        if (fields & ES_F_PEER) {
            uint32_t cause = cause_in_range(e, k);
            uint32_t causer = cause == ES_NOTHING ? ES_NOTHING : numbers[e->batch->events[e->range.from + cause].pid];
            uint64_t code = (uint64_t)row->peer + 2;
            if (es_predict_peer(&p, row->kind, causer) == row->peer)
                code = 0;
            else if (p.receiver == row->peer)
                code = 1;
            peers = es_put_varint(peers, code);
            es_predict_saw_peer(&p, row->kind, row->peer);
        }
    }
    column_end(e, ES_C_CALLS, calls);
    column_end(e, ES_C_PEERS, peers);
    return 0;
}

static const uint64_t *words_of(const struct es_encoder *e, const struct es_staged *row)
{
    return (const uint64_t *)(const void *)e->batch->words.bytes + row->words;
}

/* The word of field `field` (HASH or CORR) of an event in the range; 0 where its kind has none. */
static uint64_t word_of(const struct es_encoder *e, uint32_t event, unsigned field)
{
    const struct es_staged *row = &e->batch->events[e->range.from + event];
    unsigned fields = es_kind_table[row->kind].fields;
    if (!(fields & field))
        return 0;
    return words_of(e, row)[field == ES_F_CORR && (fields & ES_F_HASH) ? 1 : 0];
}

static enum es_given give(const struct es_encoder *e, uint64_t value, uint32_t source, unsigned field)
{
    if (value == 0)
        return ES_GIVEN_ZERO;
    return source != ES_NOTHING && word_of(e, source, field) == value ? ES_GIVEN_PREDICTED : ES_GIVEN_BYTES;
}

static int put_messages(struct es_encoder *e, uint32_t n)
{
    uint8_t *codes = column(e, ES_C_MESSAGES, 1), *hashes = column(e, ES_C_HASHES, 8),
            *corrs = column(e, ES_C_CORRS, 8);
    if (!codes || !hashes || !corrs)
        return -ENOMEM;
    struct es_predict p;
    es_predict_start(&p);
    uint32_t pid = ES_NOTHING;
    for (uint32_t k = 0; k < n; k++) {
        const struct es_staged *row = &e->rows[k];
        unsigned fields = es_kind_table[row->kind].fields;
        if (!(fields & (ES_F_HASH | ES_F_CORR)))
            continue;
        if (row->pid != pid) {
            pid = row->pid;
            es_predict_start(&p);
        }
        uint32_t cause = cause_in_range(e, k);
        uint64_t hash = word_of(e, e->order[k], ES_F_HASH), corr = word_of(e, e->order[k], ES_F_CORR);
        enum es_given hash_given = give(e, hash, es_predict_hash(&p, row->kind, cause), ES_F_HASH);
        enum es_given corr_given = give(e, corr, es_predict_corr(&p, cause), ES_F_CORR);
        *codes++ = (uint8_t)(hash_given | corr_given << 2);
        if (hash_given == ES_GIVEN_BYTES)
            hashes = es_put_le64(hashes, hash);
        if (corr_given == ES_GIVEN_BYTES)
            corrs = es_put_le64(corrs, corr);
        es_predict_saw_event(&p, row->kind, e->order[k]);
    }
    column_end(e, ES_C_MESSAGES, codes);
    column_end(e, ES_C_HASHES, hashes);
    column_end(e, ES_C_CORRS, corrs);
    return 0;
}

/* Each number as difference to the same one in the process's event before. */
static int put_nums(struct es_encoder *e, const struct es_image *image)
{
    size_t rows = 0;
    for (unsigned kind = 0; kind < ES_KIND_MAX; kind++)
        if (es_kind_table[kind].fields & ES_F_NUM)
            rows += image->kinds[kind];
    e->raw[ES_C_NUMS].len = 0;
    if (rows == 0)
        return 0;
    if (es_buf_reserve(&e->raw[ES_C_NUMS], rows * ES_NUMS * ES_VARINT_MAX) < 0)
        return -ENOMEM;
    uint8_t *at = e->raw[ES_C_NUMS].bytes;
    uint64_t before[ES_NUMS] = {0};
    uint32_t pid = ES_NOTHING;
    for (uint32_t k = 0; k < image->events; k++) {
        const struct es_staged *row = &e->rows[k];
        unsigned fields = es_kind_table[row->kind].fields;
        if (!(fields & ES_F_NUM))
            continue;
        if (row->pid != pid)
            memset(before, 0, sizeof before);
        pid = row->pid;
        const uint64_t *nums = words_of(e, row) + !!(fields & ES_F_HASH) + !!(fields & ES_F_CORR);
        for (unsigned i = 0; i < ES_NUMS; i++) {
            at = es_put_varint(at, es_zigzag((int64_t)(nums[i] - before[i])));
            before[i] = nums[i];
        }
    }
    column_end(e, ES_C_NUMS, at);
    return 0;
}

static int put_lengths(struct es_encoder *e, uint32_t n)
{
    uint8_t *lengths = column(e, ES_C_LENGTHS, 5);
    if (!lengths)
        return -ENOMEM;
    for (uint32_t k = 0; k < n; k++)
        if (es_kind_table[e->rows[k].kind].fields & ES_F_PAYLOAD)
            lengths = es_put_varint(lengths, e->rows[k].payload_len);
    column_end(e, ES_C_LENGTHS, lengths);
    return 0;
}

static int compress_column(struct es_encoder *e, enum es_column_id id, struct es_image *image)
{
    const struct es_buf *raw = &e->raw[id];
    if (raw->len == 0)
        return 0;
    struct es_column *c = &image->columns[image->n_columns++];
    *c = (struct es_column){
        .id = (uint8_t)id, .codec = ES_CODEC_RAW, .raw_len = (uint32_t)raw->len, .at = image->bytes.len};
    size_t bound = ZSTD_compressBound(raw->len);
    if (es_buf_reserve(&image->bytes, bound) < 0)
        return -ENOMEM;
    uint8_t *to = image->bytes.bytes + image->bytes.len;
    size_t len = raw->len;
    if (memcmp(raw->bytes, raw->bytes + 1, raw->len - 1) == 0) {
        c->codec = ES_CODEC_CONST;
        len = 1;
    } else if (raw->len >= SMALL) {
        size_t compressed = ZSTD_compressCCtx(e->zstd, to, bound, raw->bytes, raw->len, e->range.level);
        if (!ZSTD_isError(compressed) && compressed < raw->len - raw->len / 32) {
            c->codec = ES_CODEC_ZSTD;
            len = compressed;
        }
    }
    if (c->codec != ES_CODEC_ZSTD)
        memcpy(to, raw->bytes, len);
    c->len = (uint32_t)len;
    image->bytes.len += len;
    return 0;
}

int es_block_encode(struct es_encoder *e, const struct es_batch *batch, struct es_range range, struct es_image *image)
{
    e->batch = batch;
    e->range = range;
    image->first_seq = batch->first_seq + range.from;
    image->events = range.to - range.from;
    image->first_time = batch->events[range.from].time;
    image->last_time = batch->events[range.to - 1].time;
    image->n_columns = 0;
    image->bytes.len = 0;
    memset(image->kinds, 0, sizeof image->kinds);
    e->raw[ES_C_REFS].len = e->raw[ES_C_FUNS].len = e->raw[ES_C_COUNTS].len = 0;
    if (es_encode_tables(e) < 0 || put_times(e) < 0 || put_pids(e) < 0 || put_kinds(e, image) < 0 ||
        put_causes(e, image->events) < 0 || put_calls_and_peers(e, image->events) < 0 ||
        put_messages(e, image->events) < 0 || put_nums(e, image) < 0 || put_lengths(e, image->events) < 0)
        return es_fail(-ENOMEM, "no memory to encode a block");
    int r = 0;
    for (int id = 1; r == 0 && id < ES_C_PAYLOADS; id++)
        r = compress_column(e, (enum es_column_id)id, image);
    if (r == 0)
        r = es_encode_payloads(e, ES_C_PAYLOADS, image);
    if (r == 0)
        r = es_encode_payloads(e, ES_C_STATES, image);
    es_encode_trim(e);
    return r < 0 ? es_fail(r, "no memory to compress a block") : 0;
}
