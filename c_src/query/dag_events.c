/* SPDX-License-Identifier: MIT */
/* Which events a DAG is made of: the first ones of its window, or the nearest to its focus. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/dag.h"

struct es_filter es_dag_filter(const struct es_dag_builder *b)
{
    return (struct es_filter){.pids = b->request.pids,
                              .n_pids = b->request.n_pids,
                              .since = b->request.since,
                              .until = b->request.until,
                              .no_payload = true};
}

int es_dag_keep(struct es_dag_events *events, const struct es_event *event)
{
    if (events->n == events->room) {
        size_t room = events->room ? events->room * 2 : 256;
        struct es_event *list = realloc(events->list, room * sizeof *list);
        if (!list)
            return -ENOMEM;
        events->list = list;
        events->room = room;
    }
    events->list[events->n] = *event;
    events->list[events->n++].payload = NULL;
    return 0;
}

void es_dag_events_fini(struct es_dag_events *events)
{
    free(events->list);
    *events = (struct es_dag_events){0};
}

static int collect(struct es_query *query, const struct es_filter *filter, struct es_dag_events *events)
{
    struct es_cursor *cursor;
    const struct es_event *event;
    int rc = es_cursor_open(query, filter, &cursor);
    if (rc < 0)
        return rc;
    while ((rc = es_cursor_next(cursor, &event)) > 0)
        if (es_dag_keep(events, event) < 0) {
            rc = -ENOMEM;
            break;
        }
    es_cursor_close(cursor);
    return rc;
}

/* ---- how many there are -------------------------------------------------------------------------------------------- */

static int walk(struct es_query *query, const struct es_filter *filter, uint64_t *n)
{
    struct es_cursor *cursor;
    const struct es_event *event;
    int rc = es_cursor_open(query, filter, &cursor);
    if (rc < 0)
        return rc;
    while ((rc = es_cursor_next(cursor, &event)) > 0)
        ++*n;
    es_cursor_close(cursor);
    return rc;
}

/* Blocks that lie within the window say it themselves. */
static int count(struct es_query *query, struct es_filter filter, uint64_t *n)
{
    const struct es_block_info *blocks = NULL;
    size_t n_blocks = es_recording_blocks(query->recording, &blocks);
    *n = 0;
    if (filter.n_pids > 0)
        return walk(query, &filter, n);
    for (size_t i = 0; i < n_blocks; i++) {
        struct es_block_info block = blocks[i];
        if (block.last_time < filter.since || block.first_time >= filter.until)
            continue;
        if (block.first_time >= filter.since && block.last_time < filter.until) {
            for (unsigned kind = 0; kind < ES_KIND_MAX; kind++)
                *n += filter.kinds >> kind & 1 ? block.kinds[kind] : 0;
            continue;
        }
        filter.after_seq = block.first_seq - 1;
        filter.before_seq = block.last_seq + 1;
        int rc = walk(query, &filter, n);
        if (rc < 0)
            return rc;
        n_blocks = es_recording_blocks(query->recording, &blocks);
    }
    return 0;
}

/* ---- near a focus -------------------------------------------------------------------------------------------------- */

static void reverse(struct es_event *list, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        struct es_event event = list[i];
        list[i] = list[n - 1 - i];
        list[n - 1 - i] = event;
    }
}

/* As many before as behind, where there are as many. */
static int collect_around(struct es_dag_builder *b, struct es_filter filter, struct es_dag_events *events)
{
    size_t limit = b->request.limit;
    filter.limit = limit;
    filter.reverse = true;
    filter.before_seq = b->request.focus + 1;
    int rc = collect(b->query, &filter, events);
    size_t before = events->n;
    filter.reverse = false;
    filter.before_seq = 0;
    filter.after_seq = b->request.focus;
    if (rc == 0)
        rc = collect(b->query, &filter, events);
    if (rc < 0)
        return rc;
    size_t behind = events->n - before, half = limit - limit / 2;
    size_t keep = behind < limit - half ? limit - behind : half;
    if (keep > before)
        keep = before;
    memmove(events->list + keep, events->list + before, behind * sizeof *events->list);
    events->n = keep + behind < limit ? keep + behind : limit;
    reverse(events->list, keep);
    return 0;
}

int es_dag_pick(struct es_dag_builder *b, uint64_t kinds, struct es_dag_events *ret_events)
{
    struct es_filter filter = es_dag_filter(b);
    struct es_dag_events events = {0};
    uint64_t all = 0;
    filter.kinds = kinds;
    int rc = count(b->query, filter, &all);
    if (rc == 0 && all > 0 && b->request.focus)
        rc = collect_around(b, filter, &events);
    else if (rc == 0 && all > 0) {
        filter.limit = b->request.limit;
        rc = collect(b->query, &filter, &events);
    }
    if (rc < 0) {
        es_dag_events_fini(&events);
        return rc;
    }
    b->dag.left_nodes = all > events.n ? all - events.n : 0;
    *ret_events = events;
    return 0;
}

/* ---- near a focus by cause ----------------------------------------------------------------------------------------- */

static int by_seq(const void *left, const void *right)
{
    const struct es_event *a = left, *b = right;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static bool is_asked(const struct es_dag_builder *b, uint64_t kinds, const struct es_event *event)
{
    return kinds >> event->kind & 1 && es_dag_has_pid(b, event->pid) && event->time >= b->request.since &&
           event->time < b->request.until;
}

static int add_cone(struct es_dag_builder *b, uint64_t kinds, bool forward, struct es_dag_events *events)
{
    struct es_cone_request request = {.seq = b->request.focus,
                                      .forward = forward,
                                      .limit = b->request.limit / 2 + 1,
                                      .bound = forward ? b->request.until : b->request.since};
    struct es_caused *caused;
    const struct es_event *event;
    size_t n;
    bool cut = false;
    int rc = es_query_cone(b->query, &request, &caused, &n, &cut);
    if (rc < 0)
        return rc;
    b->dag.left_more = b->dag.left_more || cut;
    for (size_t i = forward ? 1 : 0; rc == 0 && i < n; i++) {
        if (es_query_event(b->query, caused[i].seq, &event) < 0) {
            es_error_clear(); /* its block is damaged */
            continue;
        }
        if (is_asked(b, kinds, event))
            rc = es_dag_keep(events, event);
    }
    free(caused);
    return rc;
}

int es_dag_pick_caused(struct es_dag_builder *b, uint64_t kinds, struct es_dag_events *ret_events)
{
    struct es_dag_events events = {0};
    if (b->request.focus == 0)
        return es_dag_pick(b, kinds, ret_events);
    int rc = add_cone(b, kinds, false, &events);
    if (rc == 0)
        rc = add_cone(b, kinds, true, &events);
    if (rc < 0) {
        es_dag_events_fini(&events);
        return rc;
    }
    if (events.n > 0)
        qsort(events.list, events.n, sizeof *events.list, by_seq);
    if (events.n > b->request.limit) { /* one more than a half is asked for in each direction */
        b->dag.left_nodes += events.n - b->request.limit;
        events.n = b->request.limit;
    }
    *ret_events = events;
    return 0;
}
