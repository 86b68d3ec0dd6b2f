/* SPDX-License-Identifier: MIT */
/* An emulator may write down a send when it has left already. Then the order in which a recording has the events of different processes is not
 * quite the true one, and two recordings may wait for each other: each for a send that the other has behind a delivery that waits. So such a
 * delivery is held back, with what its process does next and what comes of that, while the others go on. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/merge.h"

#define HELD_MAX 65536u

static bool is_set(const struct es_refmap *map, uint64_t key)
{
    const uint64_t *value = key ? es_refmap_find(map, key) : NULL;
    return value && *value;
}

bool es_merge_must_hold(const struct es_merge_rec *rec, const struct es_event *event)
{
    const struct es_merge_held *held = &rec->held_back;
    return held->n > 0 && (is_set(&held->pids, event->pid) || is_set(&held->events, event->cause));
}

int es_merge_hold(struct es_merge_rec *rec, const struct es_event *event)
{
    struct es_merge_held *held = &rec->held_back;
    if (held->n == HELD_MAX)
        return -E2BIG;
    if (held->n == held->room) {
        size_t room = held->room ? held->room * 2 : 64;
        uint64_t *seqs = realloc(held->seqs, room * sizeof *seqs);
        if (!seqs)
            return -ENOMEM;
        held->seqs = seqs;
        held->room = room;
    }
    uint64_t *waits = es_refmap_place(&held->events, event->seq);
    uint64_t *pid = waits && event->pid ? es_refmap_place(&held->pids, event->pid) : NULL;
    if (!waits || (event->pid && !pid))
        return -ENOMEM;
    if (pid)
        ++*pid;
    *es_refmap_find(&held->events, event->seq) = 1;
    held->seqs[held->n++] = event->seq;
    return 0;
}

static void take_out(struct es_merge_rec *rec, size_t at, const struct es_event *event)
{
    struct es_merge_held *held = &rec->held_back;
    uint64_t *pid = event->pid ? es_refmap_find(&held->pids, event->pid) : NULL;
    if (pid)
        --*pid;
    *es_refmap_find(&held->events, event->seq) = 0;
    for (; at + 1 < held->n; at++)
        held->seqs[at] = held->seqs[at + 1];
    held->n--;
}

/* The first whose process has none before it, and whose cause is there. */
static int find_free(struct es_merge *merge, struct es_merge_rec *rec, uint64_t *ret_seq)
{
    struct es_merge_held *held = &rec->held_back;
    struct es_refmap passed = {0};
    int rc = 0;
    *ret_seq = 0;
    for (size_t i = 0; rc == 0 && *ret_seq == 0 && i < held->n; i++) {
        const struct es_event *event;
        rc = es_query_stored(rec->query, held->seqs[i], &event);
        uint64_t *before = rc == 0 && event->pid ? es_refmap_place(&passed, event->pid) : NULL;
        if (rc < 0)
            break;
        bool waits = (before && *before) || is_set(&held->events, event->cause) || es_merge_waits(merge, rec, event);
        if (before)
            *before = 1;
        if (waits)
            continue;
        *ret_seq = event->seq;
        take_out(rec, i, event);
    }
    es_refmap_fini(&passed);
    return rc < 0 ? es_fail(rc, "an event that waits cannot be read") : 0;
}

int es_merge_release(struct es_merge *merge, struct es_merge_rec **ret_rec, uint64_t *ret_seq)
{
    int rc = 0;
    *ret_seq = 0;
    for (size_t k = 0; rc == 0 && *ret_seq == 0 && k < merge->n; k++) {
        *ret_rec = &merge->recs[k];
        if (merge->recs[k].held_back.n > 0)
            rc = find_free(merge, &merge->recs[k], ret_seq);
    }
    return rc;
}

void es_merge_free(struct es_merge_rec *rec)
{
    free(rec->held_back.seqs);
    es_refmap_fini(&rec->held_back.events);
    es_refmap_fini(&rec->held_back.pids);
    es_refmap_fini(&rec->strays);
}
