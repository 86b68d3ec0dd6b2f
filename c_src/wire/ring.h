/* SPDX-License-Identifier: MIT */
/* A single-producer single-consumer ring of records in shared memory. Positions are absolute 64-bit byte counts; the data is mapped
 * twice in a row, so that every record lies in one piece. The writer never waits: a full ring counts what is lost, by kind. */
#ifndef ES_WIRE_RING_H
#define ES_WIRE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/event.h"

#define ES_RING_MIN (UINT64_C(256) << 10)
#define ES_CACHE_LINE 64

enum es_ring_class { ES_RING_SCHEDULER = 1, ES_RING_OTHER = 2 };

/* The ring's first page. Each line has one writer. */
struct es_ring_head {
    uint64_t size; /* of the data, a power of two */
    uint32_t class, pad0;
    _Atomic uint32_t claimed;    /* 1: a thread writes here; 0: free (its last thread is gone, positions stay) */
    _Atomic uint32_t generation; /* incremented at each claim */
    _Atomic uint32_t thread;     /* scheduler id, 0 for dirty and foreign threads */
    _Alignas(ES_CACHE_LINE) _Atomic uint64_t head; /* writer: end of what is published */
    _Atomic uint32_t busy;   /* writer: 1 from before an event's stamp until it is published (6-engine.md, busy word) */
    _Atomic uint64_t events; /* writer: events published */
    _Atomic uint64_t nanos;  /* writer: ticks spent in the NIF, extrapolated from every 64th event */
    _Alignas(ES_CACHE_LINE) _Atomic uint64_t tail;              /* engine: all before it is committed */
    _Alignas(ES_CACHE_LINE) _Atomic uint64_t lost[ES_KIND_MAX]; /* writer: dropped since the arena was made, by kind */
};

struct es_ring { /* one process's view */
    struct es_ring_head *head;
    uint8_t *data; /* 2 * size bytes of address space */
    uint64_t size;
    /* writer's own */
    uint64_t pos; /* = head->head */
    uint64_t tail_seen;
    uint64_t lost_since; /* stamp of the first loss not yet told by a LOST record, 0: none */
    uint64_t lost_last;  /* stamp of the last one */
    uint64_t lost_told[ES_KIND_MAX];
};

/* ---- writer: one thread ------------------------------------------------------------------------------------------- */

/* An event is written so: es_ring_begin(), take the stamp, es_ring_reserve(), fill the record, es_ring_append(), es_ring_end().
 * Several records may be reserved and appended between one begin and end; stamps within a ring never fall. */

/* To be called by a thread that has just claimed the ring: goes on where its last writer ended. */
void es_ring_resume(struct es_ring *ring);

/* Room for records of together at most `max` bytes in one piece, or NULL where the ring is full: the caller then counts with
 * es_ring_lose(). Kinds that are not critical leave the last eighth of the ring alone. The memory is the caller's until es_ring_end().
 * After losses a LOST record is written first; where there is no room for both, there is none. */
struct es_record *es_ring_reserve(struct es_ring *ring, unsigned kind, uint32_t max);

/* The same for kinds that are not critical, in line where there is room without asking how far the reader is. */
static inline struct es_record *es_ring_reserve_inline(struct es_ring *ring, unsigned kind, uint32_t max)
{
    uint64_t used = ring->pos - ring->tail_seen, limit = ring->size - (ring->size >> 3), need = (uint64_t)max + 7;
    if (__builtin_expect(ring->lost_since == 0 && used <= limit && need <= limit - used, 1))
        return (struct es_record *)(void *)(ring->data + (ring->pos & (ring->size - 1)));
    return es_ring_reserve(ring, kind, max);
}

/* Appends `size` bytes at the reserved place to what will be seen at the next es_ring_end(); size is a multiple of 8. */
static inline void es_ring_append(struct es_ring *ring, uint32_t size) { ring->pos += size; }

static inline void es_ring_begin(struct es_ring *ring)
{
    atomic_store_explicit(&ring->head->busy, 1, memory_order_relaxed);
#if defined(__x86_64__)
    atomic_signal_fence(
        memory_order_seq_cst); /* the order of the program is enough here, see 10 us of margin in the engine */
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}
static inline void es_ring_end(struct es_ring *ring)
{
    atomic_store_explicit(&ring->head->head, ring->pos, memory_order_release);
    atomic_store_explicit(&ring->head->busy, 0, memory_order_release);
}

/* Counts an event of `kind` with this stamp as lost. */
void es_ring_lose(struct es_ring *ring, unsigned kind, uint64_t stamp);

/* ---- reader: the engine ------------------------------------------------------------------------------------------- */

/* End of what is published, and in *ret_busy whether the writer may be about to publish an older stamp than now. The end is the other
 * side's word: where it lies more than `size` behind the position read so far, or is no multiple of 8, the ring is malformed. */
static inline uint64_t es_ring_published(const struct es_ring *ring, bool *ret_busy)
{
    *ret_busy = atomic_load_explicit(&ring->head->busy, memory_order_acquire) != 0;
    return atomic_load_explicit(&ring->head->head, memory_order_acquire);
}
static inline const uint8_t *es_ring_at(const struct es_ring *ring, uint64_t pos)
{
    return ring->data + (pos & (ring->size - 1));
}
static inline void es_ring_release(struct es_ring *ring, uint64_t pos)
{
    atomic_store_explicit(&ring->head->tail, pos, memory_order_release);
}

#endif
