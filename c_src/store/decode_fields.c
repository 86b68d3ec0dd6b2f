/* SPDX-License-Identifier: MIT */
/* From the columns of a block back to events: what only some kinds have. */
#include <errno.h>

#include "base/error.h"
#include "store/decode.h"
#include "store/gaps.h"
#include "store/stored_states.h"

int es_decode_fun_table(struct es_decoder *d)
{
    struct es_reader r = es_decode_reader(d, ES_C_FUNS);
    while (es_reader_left(&r)) {
        uint64_t module = es_decode_varint(&r), function = es_decode_varint(&r), arity = es_decode_varint(&r);
        if (r.bad || module >= d->n_refs || function >= d->n_refs || arity > UINT16_MAX)
            return es_fail(-EBADMSG, "the table of functions is wrong");
        d->funs[d->n_funs++] = (struct es_fun){(uint32_t)module, (uint32_t)function, (uint32_t)arity};
    }
    return 0;
}

int es_decode_funs(struct es_decoder *d)
{
    int result = es_decode_fun_table(d);
    if (result < 0)
        return result;
    struct es_reader calls = es_decode_reader(d, ES_C_CALLS);
    struct es_predict p;
    es_predict_start(&p);
    uint32_t pid = ES_NOTHING;
    for (uint32_t k = 0; k < d->n; k++) {
        if (!(es_decode_fields(d, k) & ES_F_FUN))
            continue;
        uint32_t i = d->order[k];
        if (d->pid[i] != pid) {
            pid = d->pid[i];
            es_predict_start(&p);
        }
        uint64_t code = es_decode_varint(&calls);
        uint64_t fun = code ? code - 1 : es_predict_fun(&p, d->kind[i]);
        if (calls.bad || fun >= d->n_funs)
            return es_fail(-EBADMSG, "the functions of events are wrong");
        d->fun[i] = (uint32_t)fun;
        es_predict_saw_fun(&p, d->kind[i], (uint32_t)fun);
    }
    return 0;
}

int es_decode_causes(struct es_decoder *d)
{
    struct es_reader states = es_decode_reader(d, ES_C_CAUSE_STATES);
    struct es_gap_reader gaps = {es_decode_reader(d, ES_C_CAUSES), es_decode_reader(d, ES_C_CAUSE_BITS),
                                 es_decode_reader(d, ES_C_CAUSE_RARE), 0, 0};
    memset(d->cause, 0xff, d->n * sizeof *d->cause);
    for (uint32_t k = 0; k < d->n; k++) {
        if (!(es_decode_fields(d, k) & ES_F_CAUSE))
            continue;
        uint32_t i = d->order[k];
        uint8_t state = es_decode_u8(&states);
        uint64_t back = state == ES_CAUSE_PAIRED ? (uint64_t)es_gap_get(&gaps) : 0;
        if (states.bad || state >= ES_CAUSE_MAX || back >= d->info->first_seq + i ||
            (state == ES_CAUSE_PAIRED && back == 0))
            return es_fail(-EBADMSG, "the causes of events are wrong");
        if (back && back <= i)
            d->cause[i] = i - (uint32_t)back;
        d->cause_state[i] = state;
        d->back[i] = back;
    }
    if (gaps.classes.bad || gaps.bits.bad || gaps.rare.bad)
        return es_fail(-EBADMSG, "the causes of events are incomplete");
    return 0;
}

int es_decode_peers(struct es_decoder *d)
{
    struct es_reader peers = es_decode_reader(d, ES_C_PEERS);
    struct es_predict p;
    es_predict_start(&p);
    uint32_t pid = ES_NOTHING;
    for (uint32_t k = 0; k < d->n; k++) {
        if (!(es_decode_fields(d, k) & ES_PEER_COLUMN))
            continue;
        uint32_t i = d->order[k];
        if (d->pid[i] != pid) {
            pid = d->pid[i];
            es_predict_start(&p);
        }
        uint32_t causer = d->cause[i] == ES_NOTHING ? ES_NOTHING : d->pid[d->cause[i]];
        uint64_t code = es_decode_varint(&peers);
        uint64_t peer = code == 0 ? es_predict_peer(&p, d->kind[i], causer) : code == 1 ? p.receiver : code - 2;
        if (peers.bad || peer >= d->n_refs)
            return es_fail(-EBADMSG, "the peers of events are wrong");
        d->peer[i] = (uint32_t)peer;
        es_predict_saw_peer(&p, d->kind[i], (uint32_t)peer);
    }
    return 0;
}

int es_decode_moved(struct es_decoder *d)
{
    struct es_reader moved = es_decode_reader(d, ES_C_MOVED);
    const uint8_t *flags = d->column[ES_C_FLAGS].bytes;
    for (uint32_t k = 0; k < d->n; k++)
        if (flags[k] & ES_E_MOVED)
            d->events[d->order[k]].moved = (uint32_t)es_decode_varint(&moved);
    return moved.bad ? es_fail(-EBADMSG, "the moved times are wrong") : 0;
}

/* What is given in bytes goes into the event, what is repeated is noted. */
static int read_messages(struct es_decoder *d)
{
    struct es_reader codes = es_decode_reader(d, ES_C_MESSAGES), hashes = es_decode_reader(d, ES_C_HASHES),
                     corrs = es_decode_reader(d, ES_C_CORRS), states = es_decode_reader(d, ES_C_STATE_HASHES);
    struct es_predict p;
    es_predict_start(&p);
    uint32_t pid = ES_NOTHING;
    for (uint32_t k = 0; k < d->n; k++) {
        if (!(es_decode_fields(d, k) & (ES_F_HASH | ES_F_CORR)))
            continue;
        uint32_t i = d->order[k];
        if (d->pid[i] != pid) {
            pid = d->pid[i];
            es_predict_start(&p);
        }
        unsigned code = es_decode_u8(&codes), hash = code & 3, corr = code >> 2;
        if (hash == ES_GIVEN_BYTES)
            d->events[i].hash = es_reader_le64(d->kind[i] == ES_K_STATE ? &states : &hashes);
        else if (hash == ES_GIVEN_PREDICTED)
            d->same_hash[i] = es_predict_hash(&p, d->kind[i], d->cause[i]);
        if (corr == ES_GIVEN_BYTES)
            d->events[i].corr = es_reader_le64(&corrs);
        else if (corr == ES_GIVEN_PREDICTED)
            d->same_corr[i] = es_predict_corr(&p, d->cause[i]);
        if (codes.bad || hashes.bad || corrs.bad || states.bad || hash > ES_GIVEN_BYTES || corr > ES_GIVEN_BYTES)
            return es_fail(-EBADMSG, "the hashes of events are wrong");
        es_predict_saw_event(&p, d->kind[i], i);
    }
    return 0;
}

int es_decode_messages(struct es_decoder *d, unsigned fields)
{
    if (d->column[ES_C_MESSAGES].len == 0)
        return 0;
    memset(d->same_hash, 0xff, d->n * sizeof *d->same_hash);
    memset(d->same_corr, 0xff, d->n * sizeof *d->same_corr);
    int r = read_messages(d);
    if (r < 0)
        return r;
    /* What is repeated always stands earlier in time, so that one walk in that order resolves chains. */
    for (uint32_t i = 0; i < d->n; i++) {
        if (d->same_hash[i] != ES_NOTHING)
            d->events[i].hash = d->events[d->same_hash[i]].hash;
        if (d->same_corr[i] != ES_NOTHING)
            d->events[i].corr = d->events[d->same_corr[i]].corr;
    }
    if ((fields & (ES_F_HASH | ES_F_CORR)) == (ES_F_HASH | ES_F_CORR))
        return 0;
    for (uint32_t i = 0; i < d->n; i++)
        *(fields & ES_F_HASH ? &d->events[i].corr : &d->events[i].hash) = 0;
    return 0;
}

int es_decode_nums(struct es_decoder *d)
{
    struct es_reader nums = es_decode_reader(d, ES_C_NUMS);
    uint64_t before[ES_NUMS] = {0};
    uint32_t pid = ES_NOTHING;
    if (es_reader_left(&nums) == 0)
        return 0;
    for (uint32_t k = 0; k < d->n; k++) {
        if (!(es_decode_fields(d, k) & ES_F_NUM))
            continue;
        uint32_t i = d->order[k];
        if (d->pid[i] != pid)
            memset(before, 0, sizeof before);
        pid = d->pid[i];
        for (unsigned j = 0; j < ES_NUMS; j++)
            d->events[i].num[j] = before[j] += (uint64_t)es_unzigzag(es_decode_varint(&nums));
    }
    return nums.bad ? es_fail(-EBADMSG, "the numbers of events are wrong") : 0;
}

/* The bytes of a state are not here: put together they may be a thousand times as many. */
static int decode_state_length(struct es_sizes *sizes, struct es_event *event)
{
    struct es_size size;
    int r = es_sizes_next(sizes, &size);
    if (r == 0)
        event->payload_len = (uint32_t)size.full;
    return r;
}

/* Their lengths alone where the payloads are not asked for. */
int es_decode_payloads(struct es_decoder *d, unsigned fields)
{
    struct es_reader lengths = es_decode_reader(d, ES_C_LENGTHS), payloads = es_decode_reader(d, ES_C_PAYLOADS);
    struct es_sizes sizes = {es_decode_reader(d, ES_C_VERSIONS), es_decode_reader(d, ES_C_SIZES), ES_NO_SIZE};
    uint32_t pid = ES_NOTHING;
    for (uint32_t k = 0; k < d->n; k++) {
        if (!(es_decode_fields(d, k) & ES_F_PAYLOAD))
            continue;
        struct es_event *event = &d->events[d->order[k]];
        if (d->kind[d->order[k]] == ES_K_STATE) {
            if (d->pid[d->order[k]] != pid)
                sizes.full = ES_NO_SIZE;
            pid = d->pid[d->order[k]];
            if (decode_state_length(&sizes, event) < 0)
                return -EBADMSG;
            continue;
        }
        uint64_t len = es_decode_varint(&lengths);
        if (lengths.bad || len > ES_BLOCK_PAYLOAD)
            return es_fail(-EBADMSG, "the lengths of payloads are wrong");
        event->payload_len = (uint32_t)len;
        if (len == 0 || !(fields & ES_F_PAYLOAD))
            continue;
        event->payload = es_reader_take(&payloads, len);
        if (!event->payload)
            return es_fail(-EBADMSG, "payloads are incomplete");
    }
    return 0;
}
