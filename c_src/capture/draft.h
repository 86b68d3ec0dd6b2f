/* SPDX-License-Identifier: MIT */
/* An event on its way into the ring: begun with its stamp, filled in place, and published together with the definitions of all names in
 * it that this ring does not have yet. */
#ifndef ES_CAPTURE_DRAFT_H
#define ES_CAPTURE_DRAFT_H

#include "capture/seen.h"
#include "capture/session.h"
#include "wire/term.h"

struct es_draft {
    ErlNifEnv *env;
    struct es_session *s;
    struct es_thread *t;
    struct es_record *record;
    uint8_t *at; /* next byte of the record */
    uint64_t stamp;
};

struct es_draft_plan {
    uint8_t kind; /* enum es_kind */
    es_ref pid;
    uint32_t payload; /* bytes of payload at most */
};

/* Begins an event: the ring is busy from here to es_draft_end(). False where the ring is full: it is counted as lost, nothing remains
 * to be done. */
bool es_draft_begin(struct es_draft *d, const struct es_draft_plan *plan);

/* The next of the kind's words, in the order of enum es_field. */
static inline void es_draft_word(struct es_draft *d, uint64_t word)
{
    __builtin_memcpy(d->at, &word, sizeof word);
    d->at += sizeof word;
}

/* Publishes the event with its definitions. Where these find no room, it is counted as lost. */
void es_draft_end(struct es_draft *d);

/* ---- the same in line, for events that are to take as long as a few function calls ------------------------------------ */

#define ES_MEASURE_EVERY 64

ES_SELDOM void es_draft_lose(struct es_draft *d, uint8_t kind);
ES_SELDOM bool es_draft_append_defs(struct es_draft *d);

static inline void es_draft_head(struct es_draft *d, const struct es_draft_plan *plan)
{
    *d->record = (struct es_record){.kind = plan->kind, .stamp = d->stamp, .pid = plan->pid};
    d->at = (uint8_t *)d->record->word;
}

/* es_draft_begin() of kinds that are not critical; `words` are the kind's. */
ES_INLINE bool es_draft_begin_inline(struct es_draft *d, const struct es_draft_plan *plan, uint32_t words)
{
    struct es_ring *ring = d->t->ring;
    es_ring_begin(ring);
    d->stamp = es_clock_now(d->s->clock);
    uint32_t fixed = (uint32_t)sizeof(struct es_record) + 8u * words;
    d->record = es_ring_reserve_inline(ring, plan->kind, fixed + plan->payload + 8);
    if (ES_UNLIKELY(!d->record)) {
        es_draft_lose(d, plan->kind);
        return false;
    }
    es_draft_head(d, plan);
    return true;
}

/* Ends a record: its last word is filled up, for which there is always room. */
static inline uint32_t es_draft_finish(struct es_record *record, uint8_t *end)
{
    uint32_t len = (uint32_t)(end - (uint8_t *)record), pad = -len & 7;
    if (pad)
        __builtin_memset(end, 0, 8);
    record->size = len + pad;
    record->flags = (uint8_t)(record->flags | pad);
    return record->size;
}

static inline void es_draft_count(_Atomic uint64_t *counter, uint64_t n) /* one writer: no locked instruction needed */
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}

ES_INLINE void es_draft_end_inline(struct es_draft *d)
{
    struct es_thread *t = d->t;
    struct es_ring *ring = t->ring;
    uint64_t start = ring->pos;
    uint8_t kind = d->record->kind;
    es_ring_append(ring, es_draft_finish(d->record, d->at));
    bool lost = ES_UNLIKELY(t->n_pending > 0) && !es_draft_append_defs(d);
    if (ES_UNLIKELY(lost)) {
        ring->pos = start; /* never a name without its text */
        es_ring_lose(ring, kind, d->stamp);
    }
    es_ring_end(ring);
    es_draft_count(&ring->head->events, !lost);
    if (ES_UNLIKELY(t->until_measured-- == 0)) {
        t->until_measured = ES_MEASURE_EVERY - 1;
        es_draft_count(&ring->head->nanos, (es_clock_now(d->s->clock) - d->stamp) * ES_MEASURE_EVERY);
    }
}

/* Notes that the event uses this reference: its term is defined in the same publication, and the thread remembers `key`. Reference 0: it
 * remembers, as long as all that was noted before is defined. False where no more can be noted. */
bool es_draft_define(struct es_draft *d, es_ref ref, ERL_NIF_TERM term, uint64_t key);

/* Whether the ring has the definition, or will have it with this event. */
static inline bool es_draft_knows(struct es_draft *d, es_ref ref, ERL_NIF_TERM term)
{
    enum es_seen_class class = es_ref_class_of(ref) == ES_REF_ATOM ? ES_SEEN_ATOM : ES_SEEN_OTHER;
    uint64_t key = es_seen_key(class, es_ref_value(ref));
    return ES_LIKELY(es_seen_find(d->t, key) & ES_SEEN_DEFINED) || es_draft_define(d, ref, term, key);
}

#endif
