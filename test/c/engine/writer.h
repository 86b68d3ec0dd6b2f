/* SPDX-License-Identifier: MIT */
/* Writes records into an arena as the NIF does: begin, stamp, fill, publish. One writer a thread. */
#ifndef TEST_ENGINE_WRITER_H
#define TEST_ENGINE_WRITER_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/arena.h"
#include "wire/term.h"

struct writer {
    struct es_arena *arena;
    struct es_ring *ring;
    enum es_clock clock;
    int64_t skew;           /* ticks this thread's clock runs ahead */
    uint64_t at;            /* not 0: the time it is, instead of the clock's */
    uint64_t last, written; /* last stamp; events that found room */
};

struct record {
    unsigned kind, flags;
    uint16_t arity;
    es_ref pid, peer, module, function;
    uint64_t hash, corr, num[ES_NUMS];
    const void *payload;
    size_t len;
};

static inline struct writer writer_claim(struct es_arena *arena, uint32_t ring, uint32_t thread)
{
    struct es_ring *r = &arena->rings[ring];
    atomic_store(&r->head->claimed, 1);
    es_ring_resume(r);
    atomic_store(&r->head->thread, thread);
    atomic_fetch_add(&r->head->generation, 1);
    return (struct writer){.arena = arena, .ring = r, .clock = (enum es_clock)arena->head->clock};
}

static inline void writer_leave(struct writer *w)
{
    atomic_store_explicit(&w->ring->head->claimed, 0, memory_order_release);
}

static inline uint64_t *writer_words(uint64_t *at, const struct record *e, unsigned fields)
{
    if (fields & ES_F_PEER)
        *at++ = e->peer;
    if (fields & ES_F_FUN) {
        *at++ = e->module;
        *at++ = e->function;
    }
    if (fields & ES_F_HASH)
        *at++ = e->hash;
    if (fields & ES_F_CORR)
        *at++ = e->corr;
    if (fields & ES_F_NUM) {
        memcpy(at, e->num, sizeof e->num);
        at += ES_NUMS;
    }
    return at;
}

/* A record at the ring's end; NULL where it is full. */
static inline struct es_record *writer_fill(struct writer *w, const struct record *e, uint64_t stamp)
{
    unsigned fields = es_kind_table[e->kind].fields;
    size_t fixed = sizeof(struct es_record) + 8u * es_kind_table[e->kind].words, pad = -e->len & 7;
    struct es_record *record = es_ring_reserve(w->ring, e->kind, (uint32_t)(fixed + e->len + pad));
    if (!record)
        return NULL;
    *record = (struct es_record){.size = (uint32_t)(fixed + e->len + pad),
                                 .kind = (uint8_t)e->kind,
                                 .flags = (uint8_t)(e->flags | pad),
                                 .arity = e->arity,
                                 .stamp = stamp,
                                 .pid = e->pid};
    uint8_t *payload = (uint8_t *)writer_words(record->word, e, fields);
    if (e->len)
        memcpy(payload, e->payload, e->len);
    memset(payload + e->len, 0, pad);
    return record;
}

static inline uint64_t writer_stamp(struct writer *w)
{
    uint64_t stamp = (w->at ? w->at : es_clock_now(w->clock)) + (uint64_t)w->skew;
    w->last = stamp > w->last ? stamp : w->last;
    return w->last;
}

/* Writes the event, and after it `n` more records of the same publication (definitions). */
static inline bool writer_publish(struct writer *w, const struct record *e, const struct record *more, size_t n)
{
    es_ring_begin(w->ring);
    uint64_t stamp = writer_stamp(w), start = w->ring->pos;
    struct es_record *record = writer_fill(w, e, stamp);
    if (record) {
        es_ring_append(w->ring, record->size);
        for (size_t i = 0; record && i < n; i++) {
            record = writer_fill(w, &more[i], stamp);
            if (record)
                es_ring_append(w->ring, record->size);
        }
        if (!record)
            w->ring->pos = start;
    }
    if (!record)
        es_ring_lose(w->ring, e->kind, stamp);
    es_ring_end(w->ring);
    w->written += record != NULL;
    return record != NULL;
}

static inline bool writer_put(struct writer *w, const struct record *e) { return writer_publish(w, e, NULL, 0); }

static inline bool writer_define(struct writer *w, es_ref ref, const void *bytes, size_t len)
{
    return writer_put(w, &(struct record){.kind = ES_K_DEF, .peer = ref, .payload = bytes, .len = len});
}

#define WRITER_MONO_OFFSET INT64_C(576460752303423488) /* Erlang's monotonic time begins far below 0 */

/* A calibration, as the NIF makes it: Erlang's time is the system's minus a constant. */
static inline void writer_clock(struct writer *w)
{
    es_ring_begin(w->ring);
    uint64_t os = 0, stamp = 0, width = UINT64_MAX;
    for (int i = 0; i < 8; i++) {
        uint64_t before = es_clock_os(), now = es_clock_now(w->clock), after = es_clock_os();
        if (after - before < width) {
            width = after - before;
            os = before + width / 2;
            stamp = now;
        }
    }
    struct record e = {.kind = ES_K_CLOCK};
    e.num[ES_CLOCK_MONO] = os - (uint64_t)WRITER_MONO_OFFSET;
    e.num[ES_CLOCK_WALL] = os + UINT64_C(1700000000000000000);
    e.num[ES_CLOCK_ERROR] = width;
    w->last = stamp > w->last ? stamp : w->last;
    struct es_record *record = writer_fill(w, &e, stamp);
    if (record)
        es_ring_append(w->ring, record->size);
    es_ring_end(w->ring);
}

/* An arena in memory with `rings` rings of `bytes` each. */
static inline int writer_arena(struct es_arena *arena, uint32_t rings, uint64_t bytes)
{
    struct es_arena_plan plan = {
        .schedulers = rings, .scheduler_bytes = bytes, .other_bytes = ES_RING_MIN, .owner = (uid_t)-1};
    return es_arena_create(NULL, &plan, arena);
}

#endif
