/* SPDX-License-Identifier: MIT */
/* Over the events in order of time, once: what is kept in that order is written, the rest is put in order of process. A cause lies mostly
 * a few events back, so what must be known of it is looked up here, where it is still near. */
#include "store/encode.h"

#define AHEAD 12u /* events: so early is the place of a row asked for */

static inline unsigned fields_of(const struct es_staged *event) { return es_kind_table[event->kind].fields; }

/* Words of the event in batch.words: hash, correlation, numbers, as far as its kind has them. */
struct words {
    uint64_t hash, corr;
    uint32_t nums;
};
static inline struct words words_of(const struct es_batch *batch, const struct es_staged *event)
{
    unsigned fields = fields_of(event);
    const uint64_t *all = (const uint64_t *)(const void *)batch->words.bytes;
    struct words words = {.nums = event->words};
    if (fields & ES_F_HASH)
        words.hash = all[words.nums++];
    if (fields & ES_F_CORR)
        words.corr = all[words.nums++];
    return words;
}

static inline void note_cause(const struct es_encoder *e, const struct es_staged *cause, struct es_row *row)
{
    struct words words = words_of(e->batch, cause);
    row->causer = es_encode_u32(&e->ref_number)[cause->pid];
    row->same = (uint8_t)((words.hash == row->hash ? ES_F_HASH : 0) | (words.corr == row->corr ? ES_F_CORR : 0));
}

static inline void put_row(const struct es_encoder *e, uint32_t index, uint32_t pid, struct es_row *row)
{
    const struct es_staged *event = &e->batch->events[index];
    struct words words = words_of(e->batch, event);
    unsigned fields = fields_of(event);
    *row = (struct es_row){.hash = words.hash,
                           .corr = words.corr,
                           .cause = event->cause,
                           .pid = pid,
                           .causer = ES_NOTHING,
                           .payload = event->payload,
                           .payload_len = event->payload_len,
                           .nums = words.nums,
                           .moved = event->moved,
                           .index = index - e->range.from,
                           .kind = event->kind,
                           .flags = event->flags,
                           .cause_state = event->cause_state};
    if (fields & ES_PEER_COLUMN)
        row->peer = es_encode_u32(&e->ref_number)[event->peer];
    if (fields & ES_F_FUN)
        row->fun = es_encode_u32(&e->fun_number)[event->fun];
    if (event->cause && event->cause <= index - e->range.from)
        note_cause(e, event - event->cause, row);
}

void es_encode_rows(struct es_encoder *e)
{
    const struct es_staged *events = e->batch->events;
    const uint32_t *numbers = es_encode_u32(&e->ref_number);
    uint32_t *next = es_encode_u32(&e->starts);
    int64_t before = events[e->range.from].time;
    for (uint32_t i = e->range.from; i < e->range.to; i++) {
        const struct es_staged *event = &events[i];
        uint32_t pid = numbers[event->pid];
        if (i + AHEAD < e->range.to)
            __builtin_prefetch(&e->rows[next[numbers[event[AHEAD].pid]]], 1);
        es_gap_put(&e->times, (int64_t)((uint64_t)event->time - (uint64_t)before));
        before = event->time;
        e->at[ES_C_THREADS] = es_put_varint(e->at[ES_C_THREADS], event->thread);
        put_row(e, i, pid, &e->rows[next[pid]++]);
    }
}
