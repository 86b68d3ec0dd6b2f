/* SPDX-License-Identifier: MIT */
/* What a recording holds, from its index and counters alone. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/inner.h"

/* Counters "pairs.paired", "pairs.external", "handled.lost" …: the second word is the name of what is known. */
static void add_counter(const char *name, const char *first, uint64_t value, uint64_t counts[ES_CAUSE_MAX])
{
    size_t len = strlen(first);
    for (unsigned i = 0; strncmp(name, first, len) == 0 && i < ES_CAUSE_MAX; i++)
        if (strcmp(name + len, es_cause_names[i]) == 0)
            counts[i] += value;
}

static int add_pairs(const char *name, uint64_t value, void *context)
{
    struct es_info *info = context;
    add_counter(name, "pairs.", value, info->pairs);
    add_counter(name, "handled.", value, info->handled);
    add_counter(name, "replies.", value, info->replies);
    add_counter(name, "timers.", value, info->timers);
    add_counter(name, "exits.", value, info->exits);
    return 0;
}

static void add_blocks(struct es_query *query, struct es_info *info)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(query->recording, &blocks);
    info->blocks = n;
    for (size_t i = 0; i < n; i++) {
        info->events += blocks[i].events;
        info->bytes += blocks[i].bytes;
        for (unsigned kind = 0; kind < ES_KIND_MAX; kind++)
            info->by_kind[kind] += blocks[i].kinds[kind];
    }
    info->gaps = info->by_kind[ES_K_GAP];
    info->budget_steps = info->by_kind[ES_K_BUDGET];
    info->notices = info->by_kind[ES_K_NOTICE];
    es_query_span(query, &info->first_time, &info->last_time);
}

/* ---- how long events were under way -------------------------------------------------------------------------------- */

#define SIZES 128u
static const char latency_name[] = "engine.latency.";

struct sizes {
    struct size {
        uint64_t limit, events;
    } at[SIZES];
    size_t n;
    uint64_t events;
};

static int add_size(const char *name, uint64_t value, void *context)
{
    struct sizes *sizes = context;
    if (strncmp(name, latency_name, sizeof latency_name - 1) != 0 || sizes->n == SIZES || value > UINT64_MAX / SIZES)
        return 0;
    sizes->at[sizes->n++] = (struct size){strtoull(name + sizeof latency_name - 1, NULL, 10), value};
    sizes->events += value;
    return 0;
}

static int by_limit(const void *a, const void *b)
{
    const struct size *x = a, *y = b;
    return (x->limit > y->limit) - (x->limit < y->limit);
}

/* Below it are this part of all, in hundredths. */
static uint64_t part(const struct sizes *sizes, uint64_t hundredths)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < sizes->n; i++) {
        sum += sizes->at[i].events;
        if ((double)sum * 100 >= (double)sizes->events * (double)hundredths)
            return sizes->at[i].limit;
    }
    return 0;
}

static int add_latency(struct es_recording *recording, struct es_info_latency *ret_latency)
{
    struct sizes sizes = {.n = 0};
    int rc = es_recording_each_counter(recording, add_size, &sizes);
    if (rc < 0 || sizes.events == 0)
        return rc;
    qsort(sizes.at, sizes.n, sizeof *sizes.at, by_limit);
    *ret_latency = (struct es_info_latency){part(&sizes, 50), part(&sizes, 99), part(&sizes, 100), sizes.events};
    return 0;
}

int es_query_info(struct es_query *query, struct es_info *ret_info)
{
    struct es_info info = {0};
    struct es_recording *recording = query->recording;
    const struct es_process *processes = NULL;
    const struct es_loss *losses = NULL;
    const uint64_t *damaged = NULL;
    add_blocks(query, &info);
    info.processes = es_recording_processes(recording, &processes);
    size_t n = es_recording_losses(recording, &losses);
    for (size_t i = 0; i < n; i++) {
        info.losses += losses[i].count;
        if (losses[i].kind < ES_KIND_MAX)
            info.losses_by_kind[losses[i].kind] += losses[i].count;
    }
    int rc = es_recording_each_counter(recording, add_pairs, &info);
    if (rc == 0)
        rc = add_latency(recording, &info.latency);
    if (rc < 0)
        return es_fail(rc, "the counters cannot be read");
    info.damaged = es_recording_damaged(recording, &damaged);
    const char *closed = es_recording_meta(recording, "closed");
    info.closed = closed && strcmp(closed, "1") == 0;
    info.live = es_recording_live(recording);
    *ret_info = info;
    return 0;
}
