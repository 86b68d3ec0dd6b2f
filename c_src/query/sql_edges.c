/* SPDX-License-Identifier: MIT */
/* Edges between events: what caused what, and, for the order in time, what a process did after what. A
 * delivery comes from outside whatever its receiver is doing: it is not in its receiver's order. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/sql.h"
#include "query/sql_places.h"

struct edges {
    struct es_cursor *cursor;
    bool temporal;
    struct es_refmap last; /* process to its last event in its own order */
    struct es_event event; /* whose cause is still to be told */
    uint64_t before;
};

static int open_edges(struct es_sql_scan *scan)
{
    const char *dag = es_sql_text_argument(scan, ES_EDGE_DAG, "causality");
    struct edges *edges = calloc(1, sizeof *edges);
    scan->state = edges;
    if (!edges)
        return -ENOMEM;
    edges->temporal = strcmp(dag, "temporal") == 0;
    if (!edges->temporal && strcmp(dag, "causality") != 0)
        return es_fail(-EINVAL, "there is no dag '%s' (there are causality and temporal)", dag);
    uint64_t kinds = 0;
    for (unsigned kind = 0; kind < ES_KIND_MAX; kind++)
        if (es_kind_table[kind].fields & ES_F_CAUSE)
            kinds |= UINT64_C(1) << kind;
    struct es_sql_ask asked = scan->ask;
    if (edges->temporal) { /* what came before is needed from the beginning on */
        scan->ask.seq_from = 0;
        scan->ask.time_from = INT64_MIN;
    }
    int rc = es_sql_events(scan, edges->temporal ? 0 : kinds, ES_F_CAUSE, &edges->cursor);
    scan->ask = asked;
    return rc;
}

static void put_edge(struct es_sql_scan *scan, const struct es_event *event, uint64_t source, const char *kind)
{
    struct es_sql_row *row = &scan->row;
    row->present = 0;
    row->id = (int64_t)(event->seq * 2 + (source != event->cause));
    row->time = event->time;
    es_sql_put(row, ES_EDGE_SOURCE, (int64_t)source);
    es_sql_put(row, ES_EDGE_TARGET, (int64_t)event->seq);
    es_sql_put(row, ES_EDGE_KIND, (int64_t)(intptr_t)kind);
    es_sql_put(row, ES_EDGE_TIME, event->time);
    if (event->pid != ES_REF_NONE)
        es_sql_put(row, ES_EDGE_PID, (int64_t)event->pid);
}

static const char *kind_of(const struct es_event *event)
{
    switch (event->kind) {
    case ES_K_DELIVER: return "message";
    case ES_K_SPAWNED: return "spawn";
    case ES_K_EXIT: return "exit";
    case ES_K_CALL: return "handling";
    default: return "cause";
    }
}

/* The event before it in the order of its process, 0: none known. */
static int step_process(struct edges *edges, const struct es_event *event, uint64_t *ret_before)
{
    *ret_before = 0;
    if (!edges->temporal || event->pid == ES_REF_NONE || event->kind == ES_K_DELIVER)
        return 0;
    uint64_t *last = es_refmap_place(&edges->last, event->pid);
    if (!last)
        return -ENOMEM;
    *ret_before = *last;
    *last = event->seq;
    return 0;
}

static int next_edge(struct es_sql_scan *scan)
{
    struct edges *edges = scan->state;
    const struct es_event *event = NULL;
    uint64_t before;
    int rc;
    if (edges->before) { /* an event with two edges */
        put_edge(scan, &edges->event, edges->before, "program");
        edges->before = 0;
        return 1;
    }
    while ((rc = es_sql_next(scan->sql, edges->cursor, &event)) > 0) {
        rc = step_process(edges, event, &before);
        if (rc < 0)
            return rc;
        if ((!event->cause && !before) || event->seq < scan->ask.seq_from || event->time < scan->ask.time_from)
            continue;
        put_edge(scan, event, event->cause ? event->cause : before, event->cause ? kind_of(event) : "program");
        edges->before = event->cause ? before : 0;
        edges->event = *event;
        return 1;
    }
    return rc;
}

static void close_edges(struct es_sql_scan *scan)
{
    struct edges *edges = scan->state;
    if (!edges)
        return;
    es_cursor_close(edges->cursor);
    es_refmap_fini(&edges->last);
    free(edges);
}

const struct es_sql_source es_sql_edge_source = {open_edges, next_edge, close_edges};
