/* SPDX-License-Identifier: MIT */
/* Which units of events that belong together are kept: a pure function of what all of them know. */
#ifndef ES_CAPTURE_SAMPLE_H
#define ES_CAPTURE_SAMPLE_H

#include "capture/draft.h"
#include "wire/term.h"

#define ES_SAMPLE_ALL 65536u

static inline uint32_t es_sample_now(const struct es_session *s)
{
    return atomic_load_explicit(&s->arena.head->limits.sample, memory_order_relaxed);
}

static inline bool es_sample_keeps(uint32_t sample, uint64_t unit)
{
    return (es_hash_mix(0x5eed, unit) >> 24 & 0xffff) < sample;
}

/* Whether calls, lines, scheduling and memory of this process are kept. */
static inline bool es_sample_keeps_process(const struct es_session *s, ERL_NIF_TERM pid)
{
    uint32_t sample = es_sample_now(s);
    return ES_LIKELY(sample >= ES_SAMPLE_ALL) || es_sample_keeps(sample, pid);
}

#endif
