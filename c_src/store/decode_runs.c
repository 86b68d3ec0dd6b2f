/* SPDX-License-Identifier: MIT */
/* From the columns of a block to the events of one process; see runs.h. What the columns say of those before it is passed over. */
#include <errno.h>

#include "base/error.h"
#include "store/gaps.h"
#include "store/runs.h"

static int wrong(void) { return es_fail(-EBADMSG, "the events of a process are wrong"); }

static bool is_whole(const struct es_decoder *d)
{
    return d->column[ES_C_KINDS].len == d->n && d->column[ES_C_FLAGS].len == d->n &&
           d->column[ES_C_STEPS].len == d->n && d->column[ES_C_STEPS_HIGH].len == d->n;
}

struct es_run_place es_run_find(const struct es_decoder *d, es_ref pid)
{
    uint32_t from = 0, to = d->n_refs;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (d->refs[middle] < pid)
            from = middle + 1;
        else
            to = middle;
    }
    return from < d->n_refs && d->refs[from] == pid
               ? (struct es_run_place){.first = d->places[from], .n = d->counts[from]}
               : (struct es_run_place){0};
}

/* ---- what lies before a run ---------------------------------------------------------------------------------------- */

/* How many of the first events have a function, a peer, a cause. */
struct counts {
    uint32_t funs, peers, causes;
};
#define COUNT_BITS 20 /* more than events in a block */
#define COUNT_MASK ((1u << COUNT_BITS) - 1)

static int count_before(const struct es_decoder *d, uint32_t first, struct counts *ret)
{
    uint64_t weights[256], sum = 0;
    const uint8_t *kinds = d->column[ES_C_KINDS].bytes;
    for (unsigned kind = 0; kind < 256; kind++) {
        unsigned fields = kind < ES_KIND_MAX ? es_kind_table[kind].fields : 0;
        weights[kind] = kind >= ES_KIND_MAX
                            ? (uint64_t)1 << (3 * COUNT_BITS)
                            : (uint64_t) !!(fields & ES_F_FUN) | (uint64_t) !!(fields & ES_PEER_COLUMN) << COUNT_BITS |
                                  (uint64_t) !!(fields & ES_F_CAUSE) << (2 * COUNT_BITS);
    }
    for (uint32_t k = 0; k < first; k++) {
        if (weights[kinds[k]] >> (3 * COUNT_BITS))
            return wrong();
        sum += weights[kinds[k]];
    }
    *ret = (struct counts){(uint32_t)sum & COUNT_MASK, (uint32_t)(sum >> COUNT_BITS) & COUNT_MASK,
                           (uint32_t)(sum >> (2 * COUNT_BITS)) & COUNT_MASK};
    return 0;
}

/* ---- a run --------------------------------------------------------------------------------------------------------- */

static int read_heads(const struct es_decoder *d, struct es_run_place place, struct es_run_event *events)
{
    const uint8_t *low = d->column[ES_C_STEPS].bytes + place.first,
                  *high = d->column[ES_C_STEPS_HIGH].bytes + place.first,
                  *kinds = d->column[ES_C_KINDS].bytes + place.first,
                  *flags = d->column[ES_C_FLAGS].bytes + place.first;
    uint32_t at = 0;
    for (uint32_t i = 0; i < place.n; i++) {
        at += es_decode_step(low[i], high[i]);
        if (at >= d->n || kinds[i] >= ES_KIND_MAX)
            return wrong();
        events[i] = (struct es_run_event){.seq = d->info->first_seq + at, .kind = kinds[i], .flags = flags[i]};
    }
    return 0;
}

static int read_funs(const struct es_decoder *d, uint32_t before, struct es_run_event *events, uint32_t n)
{
    struct es_reader calls = es_decode_reader(d, ES_C_CALLS);
    struct es_predict p;
    es_predict_start(&p);
    es_decode_skip(&calls, before);
    for (uint32_t i = 0; i < n; i++) {
        unsigned kind = events[i].kind;
        if (!(es_kind_table[kind].fields & ES_F_FUN))
            continue;
        uint64_t code = es_decode_varint(&calls), fun = code ? code - 1 : es_predict_fun(&p, kind);
        if (calls.bad || fun >= d->n_funs)
            return wrong();
        es_predict_saw_fun(&p, kind, (uint32_t)fun);
        events[i].module = d->refs[d->funs[fun].module];
        events[i].function = d->refs[d->funs[fun].function];
        events[i].arity = (uint16_t)d->funs[fun].arity;
    }
    return 0;
}

static int read_causes(const struct es_decoder *d, uint32_t before, struct es_run_event *events, uint32_t n)
{
    struct es_raw column = d->column[ES_C_CAUSE_STATES];
    struct es_gap_reader gaps = {es_decode_reader(d, ES_C_CAUSES), es_decode_reader(d, ES_C_CAUSE_BITS),
                                 es_decode_reader(d, ES_C_CAUSE_RARE), 0, 0};
    uint32_t paired = 0;
    if (column.len < before)
        return wrong();
    for (uint32_t i = 0; i < before; i++)
        paired += column.bytes[i] == ES_CAUSE_PAIRED;
    es_gap_skip(&gaps, paired);
    struct es_reader states;
    es_reader_init(&states, column.bytes + before, column.len - before);
    for (uint32_t i = 0; i < n; i++) {
        if (!(es_kind_table[events[i].kind].fields & ES_F_CAUSE))
            continue;
        events[i].cause_state = es_decode_u8(&states);
        uint64_t back = events[i].cause_state == ES_CAUSE_PAIRED ? (uint64_t)es_gap_get(&gaps) : 0;
        if (events[i].cause_state >= ES_CAUSE_MAX || back >= events[i].seq ||
            (back == 0 && events[i].cause_state == ES_CAUSE_PAIRED))
            return wrong();
        events[i].cause = back ? events[i].seq - back : 0;
    }
    return states.bad || gaps.classes.bad || gaps.bits.bad || gaps.rare.bad ? wrong() : 0;
}

int es_run_decode(const struct es_decoder *d, struct es_run_place *place, struct es_run_event *events)
{
    struct counts before;
    int r = is_whole(d) ? count_before(d, place->first, &before) : wrong();
    if (r == 0)
        r = read_heads(d, *place, events);
    if (r == 0)
        r = read_funs(d, before.funs, events, place->n);
    if (r == 0)
        r = read_causes(d, before.causes, events, place->n);
    place->peers = r == 0 ? before.peers : 0;
    return r;
}

/* ---- peers --------------------------------------------------------------------------------------------------------- */

int es_run_owner(const struct es_decoder *d, uint32_t event, es_ref *ret_pid, uint8_t *ret_kind)
{
    const uint8_t *low = d->column[ES_C_STEPS].bytes, *high = d->column[ES_C_STEPS_HIGH].bytes;
    for (uint32_t i = 0, k = 0; is_whole(d) && i < d->n_refs; i++) {
        uint32_t at = 0, end = k + d->counts[i];
        for (; k < end && at <= event; k++) {
            at += es_decode_step(low[k], high[k]);
            if (at != event)
                continue;
            *ret_pid = d->refs[i];
            *ret_kind = d->column[ES_C_KINDS].bytes[k];
            return *ret_kind < ES_KIND_MAX ? 0 : wrong();
        }
        k = end;
    }
    return wrong();
}

/* A peer that is whoever did the event at a place of the block: who that is is looked for at the end. */
#define BY_PLACE 0x80000000u

static uint32_t causer_of(const struct es_decoder *d, const struct es_run_event *event)
{
    return event->cause < d->info->first_seq ? ES_NOTHING : BY_PLACE | (uint32_t)(event->cause - d->info->first_seq);
}

int es_run_peer(const struct es_decoder *d, struct es_run_place place, const struct es_run_event *events, uint32_t i,
                struct es_run_peer *ret_peer)
{
    struct es_reader peers = es_decode_reader(d, ES_C_PEERS);
    struct es_predict p;
    uint64_t peer = ES_NOTHING;
    es_predict_start(&p);
    es_decode_skip(&peers, place.peers);
    for (uint32_t k = 0; k <= i; k++) {
        if (!(es_kind_table[events[k].kind].fields & ES_PEER_COLUMN))
            continue;
        uint64_t code = es_decode_varint(&peers);
        peer = code == 0   ? es_predict_peer(&p, events[k].kind, causer_of(d, &events[k]))
               : code == 1 ? p.receiver
                           : code - 2;
        if (peers.bad || peer >= ES_NOTHING || (code > 1 && peer >= d->n_refs))
            return wrong();
        es_predict_saw_peer(&p, events[k].kind, (uint32_t)peer);
    }
    *ret_peer = (struct es_run_peer){0};
    if (!(es_kind_table[events[i].kind].fields & ES_F_PEER))
        return 0;
    if (peer & BY_PLACE)
        ret_peer->event = d->info->first_seq + (peer & ~(uint64_t)BY_PLACE);
    else
        ret_peer->ref = d->refs[peer];
    return 0;
}
