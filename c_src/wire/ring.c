/* SPDX-License-Identifier: MIT */
/* The writer's side of a ring. No lock, no allocation, no system call: this runs on the scheduler threads of
 * somebody else's VM. */
#include "wire/ring.h"

#include <string.h>

#define LOST_BYTES(kinds) (sizeof(struct es_record) + sizeof(struct es_lost) + 16u * (uint64_t)(kinds))

/* A word with a bit for each critical kind: a register instead of a table in memory. */
#define K(symbol, name, family, critical, fields) | ((uint64_t)(critical) << ES_K_##symbol)
static const uint64_t critical_kinds = 0 ES_KINDS(K);
#undef K

/* Whether `need` more bytes fit. What is used may exceed any limit: the tail belongs to another process. */
static inline bool fits(const struct es_ring *ring, uint64_t tail, uint64_t limit, uint64_t need)
{
    uint64_t used = ring->pos - tail;
    return used <= limit && need <= limit - used;
}

static inline bool has_room(struct es_ring *ring, unsigned kind, uint64_t need)
{
    uint64_t kept = (ring->size >> 3) & (((critical_kinds >> (kind & 63)) & 1) - 1); /* 0 for critical kinds */
    uint64_t limit = ring->size - kept;
    if (fits(ring, ring->tail_seen, limit, need))
        return true;
    ring->tail_seen = atomic_load_explicit(&ring->head->tail, memory_order_acquire);
    return fits(ring, ring->tail_seen, limit, need);
}

static inline struct es_record *place(const struct es_ring *ring)
{
    return (struct es_record *)(void *)(ring->data + (ring->pos & (ring->size - 1)));
}

static uint64_t untold(const struct es_ring *ring, unsigned kind)
{
    return atomic_load_explicit(&ring->head->lost[kind], memory_order_relaxed) - ring->lost_told[kind];
}

static void write_lost(struct es_ring *ring, uint64_t size)
{
    struct es_record *record = place(ring);
    *record = (struct es_record){.size = (uint32_t)size, .kind = ES_K_LOST, .stamp = ring->lost_last};
    struct es_lost *lost = (struct es_lost *)(void *)record->word;
    lost->since = ring->lost_since;
    uint64_t room = (size - LOST_BYTES(0)) / 16, n = 0;
    for (unsigned kind = 0; kind < ES_KIND_MAX && n < room; kind++) {
        uint64_t count = untold(ring, kind);
        if (count == 0)
            continue;
        lost->by_kind[n].kind = kind;
        lost->by_kind[n++].count = count;
        ring->lost_told[kind] += count;
    }
    memset(&lost->by_kind[n], 0, (room - n) * 16);
    ring->pos += size;
    ring->lost_since = 0;
}

/* After losses the next record is a LOST record. Where both do not fit, neither is written: so the losses
 * always stand before what was kept after them, and stamps never run backwards within a ring. */
static struct es_record *reserve_after_loss(struct es_ring *ring, unsigned kind, uint64_t need)
{
    if (!has_room(ring, kind, LOST_BYTES(1) + need))
        return NULL; /* the common case while a ring is full: cheap */
    unsigned kinds = 0;
    for (unsigned k = 0; k < ES_KIND_MAX; k++)
        kinds += untold(ring, k) != 0;
    if (!has_room(ring, kind, LOST_BYTES(kinds) + need))
        return NULL;
    write_lost(ring, LOST_BYTES(kinds));
    return place(ring);
}

struct es_record *es_ring_reserve(struct es_ring *ring, unsigned kind, uint32_t max)
{
    uint64_t need = ((uint64_t)max + 7) & ~UINT64_C(7);
    if (__builtin_expect(ring->lost_since != 0, 0))
        return reserve_after_loss(ring, kind, need);
    return __builtin_expect(has_room(ring, kind, need), 1) ? place(ring) : NULL;
}

void es_ring_lose(struct es_ring *ring, unsigned kind, uint64_t stamp)
{
    if (kind >= ES_KIND_MAX)
        kind = ES_K_NONE;
    _Atomic uint64_t *lost = &ring->head->lost[kind];
    atomic_store_explicit(lost, atomic_load_explicit(lost, memory_order_relaxed) + 1, memory_order_relaxed);
    if (ring->lost_since == 0)
        ring->lost_since = stamp ? stamp : 1;
    ring->lost_last = stamp;
}

void es_ring_resume(struct es_ring *ring)
{
    ring->pos = atomic_load_explicit(&ring->head->head, memory_order_acquire);
    ring->tail_seen = atomic_load_explicit(&ring->head->tail, memory_order_acquire);
}
