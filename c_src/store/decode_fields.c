/* SPDX-License-Identifier: MIT */
/* From the columns of a block back to events: what only some kinds have. */
#include <errno.h>

#include "base/error.h"
#include "store/decode.h"
#include "store/gaps.h"

static unsigned fields_of(const struct es_decoder *d, uint32_t k)
{
    return es_kind_table[d->column[ES_C_KINDS].bytes[k]].fields;
}

static int decode_fun_table(struct es_decoder *d)
{
    struct es_reader r = es_decode_reader(d, ES_C_FUNS);
    d->funs = malloc((es_reader_left(&r) / 3 + 1) * sizeof *d->funs);
    if (!d->funs)
        return -ENOMEM;
    while (es_reader_left(&r)) {
        uint64_t module = es_decode_varint(&r), function = es_decode_varint(&r), arity = es_decode_varint(&r);
        if (r.bad || module >= d->n_refs || function >= d->n_refs || arity > UINT16_MAX)
            return es_fail(-EBADMSG, "the table of functions is wrong");
        d->funs[d->n_funs].module = (uint32_t)module;
        d->funs[d->n_funs].function = (uint32_t)function;
        d->funs[d->n_funs++].arity = (uint32_t)arity;
    }
    return 0;
}

int es_decode_funs(struct es_decoder *d)
{
    int result = decode_fun_table(d);
    if (result < 0)
        return result;
    struct es_reader calls = es_decode_reader(d, ES_C_CALLS);
    struct es_predict p;
    es_predict_start(&p);
    uint32_t pid = ES_NOTHING;
    for (uint32_t k = 0; k < d->n; k++) {
        struct es_event *event = &d->events[d->order[k]];
        if (d->pids[d->order[k]] != pid) {
            pid = d->pids[d->order[k]];
            es_predict_start(&p);
        }
        if (!(fields_of(d, k) & ES_F_FUN))
            continue;
        uint64_t code = es_decode_varint(&calls);
        uint64_t fun = code ? code - 1 : es_predict_fun(&p, event->kind);
        if (calls.bad || fun >= d->n_funs)
            return es_fail(-EBADMSG, "the functions of events are wrong");
        event->module = d->refs[d->funs[fun].module];
        event->function = d->refs[d->funs[fun].function];
        event->arity = (uint16_t)d->funs[fun].arity;
        es_predict_saw_fun(&p, event->kind, (uint32_t)fun);
    }
    return 0;
}

int es_decode_causes(struct es_decoder *d, unsigned fields)
{
    struct es_reader states = es_decode_reader(d, ES_C_CAUSE_STATES);
    struct es_gap_reader gaps = {es_decode_reader(d, ES_C_CAUSES), es_decode_reader(d, ES_C_CAUSE_BITS),
                                 es_decode_reader(d, ES_C_CAUSE_RARE), 0, 0};
    d->causes = malloc(d->n * sizeof *d->causes);
    if (!d->causes)
        return -ENOMEM;
    memset(d->causes, 0xff, d->n * sizeof *d->causes);
    for (uint32_t k = 0; k < d->n; k++) {
        if (!(fields_of(d, k) & ES_F_CAUSE))
            continue;
        uint32_t i = d->order[k];
        struct es_event *event = &d->events[i];
        uint8_t state = es_decode_u8(&states);
        uint64_t back = state == ES_CAUSE_PAIRED ? (uint64_t)es_gap_get(&gaps) : 0;
        if (states.bad || state >= ES_CAUSE_MAX || back >= event->seq || (state == ES_CAUSE_PAIRED && back == 0))
            return es_fail(-EBADMSG, "the causes of events are wrong");
        if (back && back <= i)
            d->causes[i] = i - (uint32_t)back;
        if (fields & ES_F_CAUSE) {
            event->cause_state = state;
            event->cause = back ? event->seq - back : 0;
        }
    }
    return gaps.classes.bad || gaps.bits.bad || gaps.rare.bad ? es_fail(-EBADMSG, "the causes of events are incomplete") : 0;
}

int es_decode_peers(struct es_decoder *d)
{
    struct es_reader peers = es_decode_reader(d, ES_C_PEERS);
    struct es_predict p;
    es_predict_start(&p);
    uint32_t pid = ES_NOTHING;
    for (uint32_t k = 0; k < d->n; k++) {
        uint32_t i = d->order[k];
        if (d->pids[i] != pid) {
            pid = d->pids[i];
            es_predict_start(&p);
        }
        if (!(fields_of(d, k) & ES_F_PEER))
            continue;
        unsigned kind = d->events[i].kind;
        uint32_t causer = d->causes[i] == ES_NOTHING ? ES_NOTHING : d->pids[d->causes[i]];
        uint64_t code = es_decode_varint(&peers);
        uint64_t peer = code == 0 ? es_predict_peer(&p, kind, causer) : code == 1 ? p.receiver : code - 2;
        if (peers.bad || peer >= d->n_refs)
            return es_fail(-EBADMSG, "the peers of events are wrong");
        d->events[i].peer = d->refs[peer];
        es_predict_saw_peer(&p, kind, (uint32_t)peer);
    }
    return 0;
}

struct sources { uint32_t hash, corr; }; /* of an event: the earlier one it repeats, ES_NOTHING where it does not */

static int read_messages(struct es_decoder *d, struct sources *sources)
{
    struct es_reader codes = es_decode_reader(d, ES_C_MESSAGES), hashes = es_decode_reader(d, ES_C_HASHES),
                     corrs = es_decode_reader(d, ES_C_CORRS);
    struct es_predict p;
    es_predict_start(&p);
    uint32_t pid = ES_NOTHING;
    for (uint32_t k = 0; k < d->n; k++) {
        if (!(fields_of(d, k) & (ES_F_HASH | ES_F_CORR)))
            continue;
        uint32_t i = d->order[k];
        struct es_event *event = &d->events[i];
        if (d->pids[i] != pid) {
            pid = d->pids[i];
            es_predict_start(&p);
        }
        unsigned code = es_decode_u8(&codes), hash = code & 3, corr = code >> 2;
        if (hash == ES_GIVEN_BYTES)
            event->hash = es_reader_le64(&hashes);
        if (corr == ES_GIVEN_BYTES)
            event->corr = es_reader_le64(&corrs);
        sources[i].hash = hash == ES_GIVEN_PREDICTED ? es_predict_hash(&p, event->kind, d->causes[i]) : ES_NOTHING;
        sources[i].corr = corr == ES_GIVEN_PREDICTED ? es_predict_corr(&p, d->causes[i]) : ES_NOTHING;
        if (codes.bad || hashes.bad || corrs.bad || hash > ES_GIVEN_BYTES || corr > ES_GIVEN_BYTES)
            return es_fail(-EBADMSG, "the hashes of events are wrong");
        es_predict_saw_event(&p, event->kind, i);
    }
    return 0;
}

int es_decode_messages(struct es_decoder *d, unsigned fields)
{
    struct sources *sources = malloc(d->n * sizeof *sources);
    if (!sources)
        return -ENOMEM;
    memset(sources, 0xff, d->n * sizeof *sources);
    int r = read_messages(d, sources);
    /* What is repeated always stands earlier in time, so that one walk in that order resolves chains. */
    for (uint32_t i = 0; r == 0 && i < d->n; i++) {
        if (sources[i].hash != ES_NOTHING)
            d->events[i].hash = d->events[sources[i].hash].hash;
        if (sources[i].corr != ES_NOTHING)
            d->events[i].corr = d->events[sources[i].corr].corr;
    }
    for (uint32_t i = 0; r == 0 && i < d->n; i++) {
        if (!(fields & ES_F_HASH))
            d->events[i].hash = 0;
        if (!(fields & ES_F_CORR))
            d->events[i].corr = 0;
    }
    free(sources);
    return r;
}

int es_decode_nums(struct es_decoder *d)
{
    struct es_reader nums = es_decode_reader(d, ES_C_NUMS);
    uint64_t before[ES_NUMS] = {0};
    uint32_t pid = ES_NOTHING;
    for (uint32_t k = 0; k < d->n; k++) {
        if (!(fields_of(d, k) & ES_F_NUM))
            continue;
        uint32_t i = d->order[k];
        if (d->pids[i] != pid)
            memset(before, 0, sizeof before);
        pid = d->pids[i];
        for (unsigned j = 0; j < ES_NUMS; j++)
            d->events[i].num[j] = before[j] += (uint64_t)es_unzigzag(es_decode_varint(&nums));
    }
    return nums.bad ? es_fail(-EBADMSG, "the numbers of events are wrong") : 0;
}

int es_decode_payloads(struct es_decoder *d, unsigned fields)
{
    struct es_reader lengths = es_decode_reader(d, ES_C_LENGTHS), payloads = es_decode_reader(d, ES_C_PAYLOADS),
                     states = es_decode_reader(d, ES_C_STATES);
    for (uint32_t k = 0; k < d->n; k++) {
        if (!(fields_of(d, k) & ES_F_PAYLOAD))
            continue;
        struct es_event *event = &d->events[d->order[k]];
        uint64_t len = es_decode_varint(&lengths);
        bool state = event->kind == ES_K_STATE;
        if (lengths.bad || len > ES_BLOCK_PAYLOAD)
            return es_fail(-EBADMSG, "the lengths of payloads are wrong");
        if (len == 0 || (!state && !(fields & ES_F_PAYLOAD)))
            continue;
        event->payload = es_reader_take(state ? &states : &payloads, len);
        event->payload_len = (uint32_t)len;
        if (!event->payload)
            return es_fail(-EBADMSG, "payloads are incomplete");
    }
    return 0;
}
