/* SPDX-License-Identifier: MIT */
/* What a recording holds, from its index and counters alone. */
#include <errno.h>
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
    if (rc < 0)
        return es_fail(rc, "the counters cannot be read");
    info.damaged = es_recording_damaged(recording, &damaged);
    const char *closed = es_recording_meta(recording, "closed");
    info.closed = closed && strcmp(closed, "1") == 0;
    info.live = es_recording_live(recording);
    *ret_info = info;
    return 0;
}
