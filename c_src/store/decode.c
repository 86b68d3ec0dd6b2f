/* SPDX-License-Identifier: MIT */
/* From the columns of a block back to events: what all events have. */
#include <errno.h>

#include "base/error.h"
#include "store/decode.h"
#include "store/gaps.h"

#define COMMON ((uint64_t)1 << ES_C_TIMES | (uint64_t)1 << ES_C_TIME_BITS | (uint64_t)1 << ES_C_TIME_RARE |                \
                (uint64_t)1 << ES_C_THREADS | (uint64_t)1 << ES_C_PIDS | (uint64_t)1 << ES_C_REFS |                        \
                (uint64_t)1 << ES_C_COUNTS | (uint64_t)1 << ES_C_KINDS | (uint64_t)1 << ES_C_FLAGS | (uint64_t)1 << ES_C_MOVED)
#define CAUSES ((uint64_t)1 << ES_C_CAUSE_STATES | (uint64_t)1 << ES_C_CAUSES | (uint64_t)1 << ES_C_CAUSE_BITS |           \
                (uint64_t)1 << ES_C_CAUSE_RARE)

/* Most raw bytes a column can have, by event. */
static const uint8_t max_bytes[ES_COLUMNS] = {
    [ES_C_TIMES] = 1, [ES_C_TIME_BITS] = 4, [ES_C_TIME_RARE] = 10, [ES_C_THREADS] = 3, [ES_C_PIDS] = 5, [ES_C_REFS] = 40,
    [ES_C_COUNTS] = 20, [ES_C_FUNS] = 15, [ES_C_KINDS] = 1, [ES_C_FLAGS] = 1, [ES_C_CALLS] = 5, [ES_C_PEERS] = 5,
    [ES_C_CAUSE_STATES] = 1, [ES_C_CAUSES] = 1, [ES_C_CAUSE_BITS] = 4, [ES_C_CAUSE_RARE] = 10, [ES_C_MESSAGES] = 1,
    [ES_C_HASHES] = 8, [ES_C_CORRS] = 8, [ES_C_NUMS] = 60, [ES_C_MOVED] = 5, [ES_C_LENGTHS] = 5,
};

uint64_t es_block_columns(unsigned fields)
{
    uint64_t set = COMMON;
    if (fields & ES_F_FUN)
        set |= (uint64_t)1 << ES_C_FUNS | (uint64_t)1 << ES_C_CALLS;
    if (fields & ES_F_PEER)
        set |= (uint64_t)1 << ES_C_PEERS | CAUSES;
    if (fields & ES_F_CAUSE)
        set |= CAUSES;
    if (fields & (ES_F_HASH | ES_F_CORR))
        set |= (uint64_t)1 << ES_C_MESSAGES | (uint64_t)1 << ES_C_HASHES | (uint64_t)1 << ES_C_CORRS | CAUSES;
    if (fields & ES_F_NUM)
        set |= (uint64_t)1 << ES_C_NUMS;
    if (fields & (ES_F_PAYLOAD | ES_FIELD_STATES))
        set |= (uint64_t)1 << ES_C_LENGTHS | (uint64_t)1 << ES_C_STATES;
    if (fields & ES_F_PAYLOAD)
        set |= (uint64_t)1 << ES_C_PAYLOADS;
    return set;
}

size_t es_column_cap(unsigned id, uint32_t n)
{
    return id == ES_C_PAYLOADS || id == ES_C_STATES ? ES_BLOCK_PAYLOAD : (size_t)max_bytes[id] * n + 16;
}

int es_decode_column(const struct es_stored *stored, size_t cap, struct es_raw *ret_raw, uint8_t **ret_owned)
{
    if (stored->raw_len > cap)
        return es_fail(-EBADMSG, "a column is too long");
    if (stored->raw_len == 0 || stored->codec == ES_CODEC_RAW) {
        if (stored->raw_len != stored->len)
            return es_fail(-EBADMSG, "the length of a column is wrong");
        *ret_raw = (struct es_raw){stored->data, stored->len};
        return 0;
    }
    uint8_t *bytes = malloc(stored->raw_len);
    if (!bytes)
        return -ENOMEM;
    size_t len = 0;
    if (stored->codec == ES_CODEC_CONST && stored->len == 1) {
        memset(bytes, stored->data[0], stored->raw_len);
        len = stored->raw_len;
    } else if (stored->codec == ES_CODEC_ZSTD) {
        len = ZSTD_decompress(bytes, stored->raw_len, stored->data, stored->len);
    }
    if (len != stored->raw_len) {
        free(bytes);
        return es_fail(-EBADMSG, "a column cannot be decompressed");
    }
    *ret_raw = (struct es_raw){bytes, len};
    *ret_owned = bytes;
    return 0;
}

static void decoder_fini(struct es_decoder *d)
{
    for (size_t i = 0; i < ES_COLUMNS; i++)
        free(d->owned[i]);
    free(d->refs);
    free(d->counts);
    free(d->pids);
    free(d->order);
    free(d->funs);
    free(d->causes);
}

static int decode_refs(struct es_decoder *d)
{
    struct es_reader refs = es_decode_reader(d, ES_C_REFS), counts = es_decode_reader(d, ES_C_COUNTS);
    uint32_t room = (uint32_t)(d->column[ES_C_COUNTS].len);
    d->refs = malloc((room + 1) * sizeof *d->refs);
    d->counts = malloc((room + 1) * sizeof *d->counts);
    if (!d->refs || !d->counts)
        return -ENOMEM;
    uint64_t ref = 0, sum = 0;
    while (es_reader_left(&counts)) {
        uint64_t count = es_decode_varint(&counts);
        uint64_t step = es_decode_varint(&refs);
        ref += step;
        sum += count;
        if (counts.bad || refs.bad || count > d->n || sum > d->n || (step == 0 && d->n_refs > 0))
            return es_fail(-EBADMSG, "the table of references is wrong");
        d->refs[d->n_refs] = ref;
        d->counts[d->n_refs++] = (uint32_t)count;
    }
    if (sum != d->n || es_reader_left(&refs))
        return es_fail(-EBADMSG, "the table of references is incomplete");
    return 0;
}

static int decode_times(struct es_decoder *d)
{
    struct es_gap_reader gaps = {es_decode_reader(d, ES_C_TIMES), es_decode_reader(d, ES_C_TIME_BITS),
                                 es_decode_reader(d, ES_C_TIME_RARE), 0, 0};
    struct es_reader threads = es_decode_reader(d, ES_C_THREADS);
    uint64_t time = (uint64_t)d->info->first_time;
    for (uint32_t i = 0; i < d->n; i++) {
        struct es_event *event = &d->events[i];
        time += (uint64_t)es_gap_get(&gaps);
        *event = (struct es_event){.seq = d->info->first_seq + i, .time = (int64_t)time, .thread = (uint16_t)es_decode_varint(&threads)};
    }
    if (gaps.classes.bad || gaps.bits.bad || gaps.rare.bad || threads.bad || (int64_t)time != d->info->last_time)
        return es_fail(-EBADMSG, "the times are wrong");
    return 0;
}

/* Pids of events, and from them the order of process. */
static int decode_pids(struct es_decoder *d)
{
    struct es_reader pids = es_decode_reader(d, ES_C_PIDS);
    uint32_t last[ES_PREDICT_THREADS];
    memset(last, 0xff, sizeof last);
    d->pids = malloc(d->n * sizeof *d->pids);
    d->order = malloc(d->n * sizeof *d->order);
    uint32_t *at = malloc((d->n_refs + 1) * 2 * sizeof *at), *end = at + d->n_refs + 1;
    if (!d->pids || !d->order || !at) {
        free(at);
        return -ENOMEM;
    }
    for (uint32_t i = 0, sum = 0; i < d->n_refs; i++) {
        at[i] = sum;
        sum += d->counts[i];
        end[i] = sum;
    }
    bool bad = false;
    for (uint32_t i = 0; i < d->n && !bad; i++) {
        uint32_t place = es_predict_thread(d->events[i].thread);
        uint64_t code = es_decode_varint(&pids);
        uint64_t pid = code ? code - 1 : last[place];
        if (pids.bad || pid >= d->n_refs || at[pid] == end[pid]) {
            bad = true;
            break;
        }
        last[place] = d->pids[i] = (uint32_t)pid;
        d->order[at[pid]++] = i;
        d->events[i].pid = d->refs[pid];
    }
    free(at);
    return bad ? es_fail(-EBADMSG, "the processes of events are wrong") : 0;
}

static int decode_kinds(struct es_decoder *d)
{
    struct es_raw kinds = d->column[ES_C_KINDS], flags = d->column[ES_C_FLAGS];
    struct es_reader moved = es_decode_reader(d, ES_C_MOVED);
    if (kinds.len != d->n || flags.len != d->n)
        return es_fail(-EBADMSG, "the kinds of events are wrong");
    for (uint32_t k = 0; k < d->n; k++) {
        struct es_event *event = &d->events[d->order[k]];
        if (kinds.bytes[k] >= ES_KIND_MAX)
            return es_fail(-EBADMSG, "an event has kind %u", kinds.bytes[k]);
        event->kind = kinds.bytes[k];
        event->flags = flags.bytes[k];
        if (event->flags & ES_E_MOVED)
            event->moved = (uint32_t)es_decode_varint(&moved);
    }
    return moved.bad ? es_fail(-EBADMSG, "the moved times are wrong") : 0;
}

static int load_columns(struct es_decoder *d, const struct es_stored *columns, uint64_t set)
{
    for (int id = 1; id < ES_COLUMNS; id++) {
        if (!(set >> id & 1))
            continue;
        int r = es_decode_column(&columns[id], es_column_cap((unsigned)id, d->n), &d->column[id], &d->owned[id]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int decode_all(struct es_decoder *d, const struct es_stored *columns, unsigned fields)
{
    int r = load_columns(d, columns, es_block_columns(fields));
    if (r < 0 || (r = decode_refs(d)) < 0 || (r = decode_times(d)) < 0 || (r = decode_pids(d)) < 0 || (r = decode_kinds(d)) < 0)
        return r;
    if (fields & ES_F_FUN)
        r = es_decode_funs(d);
    if (r == 0 && (fields & (ES_F_CAUSE | ES_F_PEER | ES_F_HASH | ES_F_CORR)))
        r = es_decode_causes(d, fields);
    if (r == 0 && (fields & ES_F_PEER))
        r = es_decode_peers(d);
    if (r == 0 && (fields & (ES_F_HASH | ES_F_CORR)))
        r = es_decode_messages(d, fields);
    if (r == 0 && (fields & ES_F_NUM))
        r = es_decode_nums(d);
    if (r == 0 && (fields & (ES_F_PAYLOAD | ES_FIELD_STATES)))
        r = es_decode_payloads(d, fields);
    return r;
}

int es_block_decode(const struct es_stored *columns, const struct es_block_info *info, unsigned fields, struct es_decoded *ret)
{
    if (info->events == 0 || info->events > ES_BLOCK_EVENTS)
        return es_fail(-EBADMSG, "a block of %u events", info->events);
    struct es_decoder d = {.info = info, .n = info->events};
    if (ret->room < d.n) {
        free(ret->events);
        ret->room = (ret->events = malloc(d.n * sizeof *d.events)) ? d.n : 0;
    }
    d.events = ret->events;
    int r = d.events ? decode_all(&d, columns, fields) : -ENOMEM;
    if (r < 0) {
        decoder_fini(&d);
        return r;
    }
    ret->n = d.n;
    if (fields & (ES_F_PAYLOAD | ES_FIELD_STATES)) {
        ret->payloads = d.owned[ES_C_PAYLOADS];
        ret->states = d.owned[ES_C_STATES];
        d.owned[ES_C_PAYLOADS] = d.owned[ES_C_STATES] = NULL;
    }
    decoder_fini(&d);
    return 0;
}

void es_decoded_fini(struct es_decoded *decoded)
{
    free(decoded->events);
    free(decoded->payloads);
    free(decoded->states);
    *decoded = (struct es_decoded){0};
}

int es_block_decode_pids(const struct es_stored *columns, const struct es_block_info *info, struct es_pid_count **ret_pids,
                         size_t *ret_n)
{
    struct es_decoder d = {.info = info, .n = info->events};
    int r = d.n == 0 || d.n > ES_BLOCK_EVENTS ? es_fail(-EBADMSG, "a block of %u events", d.n)
                                              : load_columns(&d, columns, (uint64_t)1 << ES_C_REFS | (uint64_t)1 << ES_C_COUNTS);
    if (r == 0)
        r = decode_refs(&d);
    struct es_pid_count *pids = r == 0 ? malloc((d.n_refs + 1) * sizeof *pids) : NULL;
    if (r == 0 && !pids)
        r = -ENOMEM;
    size_t n = 0;
    for (uint32_t i = 0; r == 0 && i < d.n_refs; i++)
        if (d.counts[i])
            pids[n++] = (struct es_pid_count){d.refs[i], d.counts[i]};
    decoder_fini(&d);
    if (r < 0)
        return r;
    *ret_pids = pids;
    *ret_n = n;
    return 0;
}
