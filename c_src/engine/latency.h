/* SPDX-License-Identifier: MIT */
/* How long events were under way: from their stamp in the VM, behind which they are published at once, until they had their place in the
 * order and their cause. Of every 64th event, while the VM runs. */
#ifndef ES_ENGINE_LATENCY_H
#define ES_ENGINE_LATENCY_H

#include "engine/clock.h"
#include "store/store.h"

#define ES_LATENCY_EVERY 64u /* a power of two */
#define ES_LATENCY_SIZES 112u

struct es_latency {
    const struct es_clock_map *map; /* NULL: not looked at */
    enum es_clock clock;
    uint32_t counts[ES_LATENCY_SIZES]; /* not yet given to the store; sizes a quarter of a power of two apart */
};

/* An event of this time, Erlang monotonic ns, has its place now. */
void es_latency_note(struct es_latency *latency, int64_t time);

/* Into the counters "engine.latency.N": events that took less than N ns, and not less than the next smaller one says. */
int es_latency_flush(struct es_latency *latency, struct es_store *store);

#endif
