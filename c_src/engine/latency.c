/* SPDX-License-Identifier: MIT */
#include "engine/latency.h"

#include <inttypes.h>
#include <stdio.h>

#define LEAST 10u /* binary places: what is less than a microsecond is one size */

static unsigned size_of(uint64_t ns)
{
    if (ns >> LEAST == 0)
        return 0;
    unsigned top = 63u - (unsigned)__builtin_clzll(ns),
             size = (top - LEAST) * 4 + (unsigned)((ns >> (top - 2)) & 3) + 1;
    return size < ES_LATENCY_SIZES ? size : ES_LATENCY_SIZES - 1;
}

static uint64_t limit_of(unsigned size)
{
    return size == 0 ? UINT64_C(1) << LEAST : (uint64_t)(5 + (size - 1) % 4) << (LEAST - 2 + (size - 1) / 4);
}

void es_latency_note(struct es_latency *latency, int64_t time)
{
    int64_t now = es_clock_map_line(latency->map, es_clock_now(latency->clock));
    latency->counts[size_of(now > time ? (uint64_t)(now - time) : 0)]++;
}

int es_latency_flush(struct es_latency *latency, struct es_store *store)
{
    int r = 0;
    for (unsigned i = 0; r == 0 && i < ES_LATENCY_SIZES; i++) {
        char name[48];
        if (latency->counts[i] == 0)
            continue;
        snprintf(name, sizeof name, "engine.latency.%" PRIu64, limit_of(i));
        r = es_store_count(store, name, latency->counts[i]);
        latency->counts[i] = 0;
    }
    return r;
}
