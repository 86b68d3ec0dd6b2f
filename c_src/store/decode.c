/* SPDX-License-Identifier: MIT */
/* From the columns of a block back to events: what all events have. */
#include "store/decode.h"

#include <errno.h>

#include "base/error.h"
#include "store/gaps.h"

#define BIT(id) ((uint64_t)1 << (id))
#define COMMON                                                                                           \
    (BIT(ES_C_TIMES) | BIT(ES_C_TIME_BITS) | BIT(ES_C_TIME_RARE) | BIT(ES_C_THREADS) | BIT(ES_C_STEPS) | \
     BIT(ES_C_STEPS_HIGH) | BIT(ES_C_REFS) | BIT(ES_C_COUNTS) | BIT(ES_C_KINDS) | BIT(ES_C_FLAGS) | BIT(ES_C_MOVED))
#define CAUSES (BIT(ES_C_CAUSE_STATES) | BIT(ES_C_CAUSES) | BIT(ES_C_CAUSE_BITS) | BIT(ES_C_CAUSE_RARE))

/* Most raw bytes a column can have, by event, or by reference where it is a table of these. */
static const uint8_t max_bytes[ES_COLUMNS] = {
    [ES_C_TIMES] = 1,       [ES_C_TIME_BITS] = 4,    [ES_C_TIME_RARE] = 10, [ES_C_THREADS] = 3,
    [ES_C_STEPS] = 1,       [ES_C_STEPS_HIGH] = 1,   [ES_C_REFS] = 10,      [ES_C_COUNTS] = 3,
    [ES_C_FUNS] = 15,       [ES_C_KINDS] = 1,        [ES_C_FLAGS] = 1,      [ES_C_CALLS] = 5,
    [ES_C_PEERS] = 5,       [ES_C_CAUSE_STATES] = 1, [ES_C_CAUSES] = 1,     [ES_C_CAUSE_BITS] = 4,
    [ES_C_CAUSE_RARE] = 10, [ES_C_MESSAGES] = 1,     [ES_C_HASHES] = 8,     [ES_C_CORRS] = 8,
    [ES_C_NUMS] = 60,       [ES_C_MOVED] = 5,        [ES_C_LENGTHS] = 5,    [ES_C_OWNERS] = 10,
    [ES_C_VERSIONS] = 1,    [ES_C_PLACES] = 3,       [ES_C_SIZES] = 15,     [ES_C_STATE_HASHES] = 8,
};

size_t es_column_cap(unsigned id, uint32_t n)
{
    if (id == ES_C_PAYLOADS || id >= ES_C_CHUNKS)
        return ES_BLOCK_PAYLOAD;
    if (id == ES_C_REFS || id == ES_C_COUNTS)
        n = n < ES_BLOCK_REFS / 4 ? n * 4 : ES_BLOCK_REFS;
    return (size_t)max_bytes[id] * n + 16;
}

uint64_t es_block_columns(unsigned fields)
{
    uint64_t set = COMMON;
    if (fields & ES_F_FUN)
        set |= BIT(ES_C_FUNS) | BIT(ES_C_CALLS);
    if (fields & ES_PEER_COLUMN)
        set |= BIT(ES_C_PEERS) | CAUSES;
    if (fields & ES_F_CAUSE)
        set |= CAUSES;
    if (fields & (ES_F_HASH | ES_F_CORR))
        set |= BIT(ES_C_MESSAGES) | BIT(ES_C_HASHES) | BIT(ES_C_CORRS) | BIT(ES_C_STATE_HASHES) | CAUSES;
    if (fields & ES_F_NUM)
        set |= BIT(ES_C_NUMS);
    if (fields & (ES_F_PAYLOAD | ES_FIELD_LENGTHS))
        set |= BIT(ES_C_LENGTHS) | BIT(ES_C_VERSIONS) | BIT(ES_C_SIZES);
    if (fields & ES_F_PAYLOAD)
        set |= BIT(ES_C_PAYLOADS);
    return set;
}

struct es_decoder *es_decoder_new(void)
{
    struct es_decoder *d = calloc(1, sizeof *d);
    if (d && !(d->zstd = ZSTD_createDCtx())) {
        free(d);
        return NULL;
    }
    return d;
}

void es_decoder_free(struct es_decoder *d)
{
    if (!d)
        return;
    ZSTD_freeDCtx(d->zstd);
    for (size_t i = 0; i < ES_COLUMNS; i++)
        es_buf_fini(&d->memory[i]);
    es_buf_fini(&d->arrays);
    es_buf_fini(&d->tables);
    es_buf_fini(&d->lanes);
    free(d);
}

/* Decompresses into the memory of the column. Payloads are copied there even where they are stored raw: events will point to them. */
static int load_column(struct es_decoder *d, const struct es_stored *stored, unsigned id)
{
    struct es_buf *memory = &d->memory[id];
    if (stored->raw_len > es_column_cap(id, d->n))
        return es_fail(-EBADMSG, "column %u is too long", id);
    if (stored->raw_len == 0)
        return 0;
    if (!stored->data)
        return es_fail(-EBADMSG, "column %u was not read", id);
    if (stored->codec == ES_CODEC_RAW && stored->raw_len != stored->len)
        return es_fail(-EBADMSG, "the length of column %u is wrong", id);
    if (stored->codec == ES_CODEC_RAW && id != ES_C_PAYLOADS) {
        d->column[id] = (struct es_raw){stored->data, stored->len};
        return 0;
    }
    memory->len = 0;
    if (es_buf_reserve(memory, stored->raw_len) < 0)
        return es_fail(-ENOMEM, "no memory for a column");
    size_t len = stored->raw_len;
    if (stored->codec == ES_CODEC_RAW)
        memcpy(memory->bytes, stored->data, len);
    else if (stored->codec == ES_CODEC_CONST && stored->len == 1)
        memset(memory->bytes, stored->data[0], len);
    else if (stored->codec == ES_CODEC_ZSTD)
        len = ZSTD_decompressDCtx(d->zstd, memory->bytes, stored->raw_len, stored->data, stored->len);
    else
        len = 0;
    d->column[id] = (struct es_raw){memory->bytes, len};
    return len == stored->raw_len ? 0 : es_fail(-EBADMSG, "column %u cannot be decompressed", id);
}

int es_decode_load(struct es_decoder *d, const struct es_stored_block *stored, uint64_t set)
{
    d->info = &stored->info;
    d->n = stored->info.events;
    d->n_refs = d->n_funs = 0;
    for (unsigned id = 0; id < ES_COLUMNS; id++)
        d->column[id] = (struct es_raw){(const uint8_t *)"", 0};
    if (d->n == 0 || d->n > ES_BLOCK_EVENTS)
        return es_fail(-EBADMSG, "a block of %u events", d->n);
    int r = 0;
    for (unsigned id = 1; r == 0 && id < ES_COLUMNS; id++)
        if (set >> id & 1)
            r = load_column(d, &stored->column[id], id);
    return r;
}

/* Cuts the arrays out of one piece of memory that is kept from block to block. */
int es_decode_arrays(struct es_decoder *d)
{
    uint32_t **words[] = {&d->order, &d->pid, &d->peer, &d->fun, &d->cause, &d->same_hash, &d->same_corr};
    size_t n_words = sizeof words / sizeof words[0], n = d->n;
    d->arrays.len = 0;
    if (es_buf_reserve(&d->arrays, n * (n_words * 4 + 2 * 8 + 2 + 3)) < 0)
        return es_fail(-ENOMEM, "no memory to decode a block");
    uint8_t *at = d->arrays.bytes;
    d->back = (uint64_t *)(void *)at;
    at += n * 8;
    d->time = (uint64_t *)(void *)at;
    at += n * 8;
    for (size_t i = 0; i < n_words; i++, at += n * 4)
        *words[i] = (uint32_t *)(void *)at;
    d->thread = (uint16_t *)(void *)at;
    at += n * 2;
    d->kind = at;
    d->flags = at + n;
    d->cause_state = at + 2 * n;
    return 0;
}

static int make_tables(struct es_decoder *d)
{
    size_t refs = d->column[ES_C_COUNTS].len + 1, funs = d->column[ES_C_FUNS].len / 3 + 1;
    d->tables.len = 0;
    if (es_buf_reserve(&d->tables, refs * (sizeof *d->refs + 3 * sizeof *d->counts) + funs * sizeof *d->funs) < 0)
        return es_fail(-ENOMEM, "no memory to decode a block");
    d->refs = (es_ref *)(void *)d->tables.bytes;
    d->counts = (uint32_t *)(d->refs + refs);
    d->places = d->counts + refs;
    d->funs = (struct es_fun *)(d->places + 2 * refs);
    return 0;
}

static int decode_refs(struct es_decoder *d)
{
    struct es_reader refs = es_decode_reader(d, ES_C_REFS), counts = es_decode_reader(d, ES_C_COUNTS);
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

static int decode_threads(struct es_decoder *d)
{
    struct es_reader threads = es_decode_reader(d, ES_C_THREADS);
    for (uint32_t i = 0; i < d->n; i++)
        d->thread[i] = (uint16_t)es_decode_varint(&threads);
    return threads.bad ? es_fail(-EBADMSG, "the threads of events are incomplete") : 0;
}

/* The order of process, and from it the pids of events: as many places as events, and none twice, is all of them. */
static int decode_order(struct es_decoder *d)
{
    struct es_raw low = d->column[ES_C_STEPS], high = d->column[ES_C_STEPS_HIGH];
    bool bad = low.len != d->n || high.len != d->n;
    memset(d->pid, 0xff, d->n * sizeof *d->pid);
    for (uint32_t i = 0, k = 0; !bad && i < d->n_refs; i++) {
        uint32_t place = 0;
        for (uint32_t end = k + d->counts[i]; !bad && k < end; k++) {
            place += es_decode_step(low.bytes[k], high.bytes[k]);
            bad = place >= d->n || d->pid[place] != ES_NOTHING;
            d->order[k] = place;
            d->pid[bad ? 0 : place] = i;
        }
    }
    return bad ? es_fail(-EBADMSG, "the processes of events are wrong") : 0;
}

static int decode_kinds(struct es_decoder *d)
{
    struct es_raw kinds = d->column[ES_C_KINDS], flags = d->column[ES_C_FLAGS];
    if (kinds.len != d->n || flags.len != d->n)
        return es_fail(-EBADMSG, "the kinds of events are wrong");
    for (uint32_t k = 0; k < d->n; k++) {
        if (kinds.bytes[k] >= ES_KIND_MAX)
            return es_fail(-EBADMSG, "an event has kind %u", kinds.bytes[k]);
        d->kind[d->order[k]] = kinds.bytes[k];
        d->flags[d->order[k]] = flags.bytes[k];
    }
    return 0;
}

int es_decode_order(struct es_decoder *d)
{
    int r = es_decode_arrays(d);
    if (r == 0)
        r = make_tables(d);
    if (r == 0)
        r = decode_refs(d);
    if (r == 0)
        r = decode_order(d);
    return r == 0 ? decode_kinds(d) : r;
}

int es_decode_times(const struct es_decoder *d, bool wide, void *ret_times)
{
    struct es_raw classes = d->column[ES_C_TIMES], bits = d->column[ES_C_TIME_BITS];
    struct es_gap_columns gaps = {classes.bytes, bits.bytes, classes.len, bits.len,
                                  es_decode_reader(d, ES_C_TIME_RARE)};
    bool whole = wide ? es_gap_sums(gaps, d->n, true, ret_times) : es_gap_sums(gaps, d->n, false, ret_times);
    uint64_t last = wide ? ((uint64_t *)ret_times)[d->n - 1] : ((uint32_t *)ret_times)[d->n - 1];
    if (!whole || (uint64_t)d->info->first_time + last != (uint64_t)d->info->last_time)
        return es_fail(-EBADMSG, "the times are wrong");
    return 0;
}

/* Everything that is known so far, event by event. */
static int write_events(struct es_decoder *d, unsigned fields)
{
    int r = es_decode_times(d, true, d->time);
    for (uint32_t i = 0; r == 0 && i < d->n; i++) {
        unsigned has = es_kind_table[d->kind[i]].fields & fields;
        struct es_event *event = &d->events[i];
        *event = (struct es_event){.seq = d->info->first_seq + i,
                                   .time = (int64_t)((uint64_t)d->info->first_time + d->time[i]),
                                   .kind = d->kind[i],
                                   .flags = d->flags[i],
                                   .thread = d->thread[i],
                                   .pid = d->refs[d->pid[i]]};
        if (has & ES_F_FUN) {
            const struct es_fun *fun = &d->funs[d->fun[i]];
            event->module = d->refs[fun->module];
            event->function = d->refs[fun->function];
            event->arity = (uint16_t)fun->arity;
        }
        if (has & ES_F_PEER)
            event->peer = d->refs[d->peer[i]];
        if (has & ES_F_SITE)
            event->site = d->refs[d->peer[i]];
        if (has & ES_F_CAUSE) {
            event->cause_state = d->cause_state[i];
            event->cause = d->back[i] ? event->seq - d->back[i] : 0;
        }
    }
    return r;
}

static int decode_all(struct es_decoder *d, unsigned fields)
{
    int r = es_decode_order(d);
    if (r == 0)
        r = decode_threads(d);
    if (r == 0 && (fields & ES_F_FUN))
        r = es_decode_funs(d);
    if (r == 0 && (fields & (ES_F_CAUSE | ES_PEER_COLUMN | ES_F_HASH | ES_F_CORR)))
        r = es_decode_causes(d);
    if (r == 0 && (fields & ES_PEER_COLUMN))
        r = es_decode_peers(d);
    if (r == 0)
        r = write_events(d, fields);
    if (r == 0)
        r = es_decode_moved(d);
    if (r == 0 && (fields & (ES_F_HASH | ES_F_CORR)))
        r = es_decode_messages(d, fields);
    if (r == 0 && (fields & ES_F_NUM))
        r = es_decode_nums(d);
    if (r == 0 && (fields & (ES_F_PAYLOAD | ES_FIELD_LENGTHS)))
        r = es_decode_payloads(d, fields);
    return r;
}

/* Payloads are pointed to by the events, so that their memory goes with these: it is lent to the decoder. */
static void lend_payloads(struct es_decoder *d, struct es_decoded *decoded)
{
    struct es_buf payloads = d->memory[ES_C_PAYLOADS];
    d->memory[ES_C_PAYLOADS] = decoded->payloads;
    decoded->payloads = payloads;
}

int es_block_decode(struct es_decoder *d, const struct es_stored_block *stored, unsigned fields, struct es_decoded *ret)
{
    ret->n = 0;
    if (ret->room < stored->info.events && stored->info.events <= ES_BLOCK_EVENTS) {
        free(ret->events);
        ret->events = malloc(stored->info.events * sizeof *ret->events);
        ret->room = ret->events ? stored->info.events : 0;
        if (!ret->events)
            return es_fail(-ENOMEM, "no memory for events");
    }
    d->events = ret->events;
    lend_payloads(d, ret);
    int r = es_decode_load(d, stored, es_block_columns(fields));
    if (r == 0)
        r = decode_all(d, fields);
    lend_payloads(d, ret);
    if (r == 0)
        ret->n = d->n;
    return r;
}

void es_decoded_fini(struct es_decoded *decoded)
{
    free(decoded->events);
    es_buf_fini(&decoded->payloads);
    *decoded = (struct es_decoded){0};
}

int es_decode_refs(struct es_decoder *d, const struct es_stored_block *stored, uint64_t set)
{
    int r = es_decode_load(d, stored, set);
    if (r == 0)
        r = make_tables(d);
    return r == 0 ? decode_refs(d) : r;
}

int es_block_decode_pids(struct es_decoder *d, const struct es_stored_block *stored, struct es_pids *ret)
{
    int r = es_decode_refs(d, stored, BIT(ES_C_REFS) | BIT(ES_C_COUNTS));
    if (r < 0)
        return r;
    struct es_pids pids = {malloc((d->n_refs + 1) * sizeof *pids.pids), 0};
    if (!pids.pids)
        return es_fail(-ENOMEM, "no memory for processes");
    for (uint32_t i = 0; i < d->n_refs; i++)
        if (d->counts[i])
            pids.pids[pids.n++] = (struct es_pid_count){d->refs[i], d->counts[i]};
    *ret = pids;
    return 0;
}
