/* SPDX-License-Identifier: MIT */
/* The view of code: calls with their ends, each below the call it was made in. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/dag.h"
#include "query/index.h"

/* Spans come in the order of their ends: the best so far are kept, the others are let go when twice as many are there. */
struct ranked {
    struct es_span span;
    uint64_t distance;
};
struct spans {
    struct ranked *list;
    size_t n;
    uint64_t all, focus;
};

static uint64_t distance(const struct es_span *span, uint64_t focus)
{
    if (focus == 0)
        return span->call;
    if (span->call > focus)
        return span->call - focus;
    if (span->end == 0 || span->end >= focus)
        return focus - span->call < 2 ? 0 : 1; /* the focus is in it */
    return focus - span->end;
}

static int by_distance(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    if (a->distance != b->distance)
        return a->distance < b->distance ? -1 : 1;
    return a->span.call < b->span.call ? -1 : a->span.call > b->span.call;
}

static void prune(struct spans *spans, size_t limit)
{
    if (spans->n > 0)
        qsort(spans->list, spans->n, sizeof *spans->list, by_distance);
    spans->n = spans->n < limit ? spans->n : limit;
}

static int read_spans(struct es_dag_builder *b, struct spans *spans)
{
    struct es_filter filter = es_dag_filter(b);
    struct es_spans *walk;
    size_t limit = b->request.limit;
    spans->list = malloc(2 * limit * sizeof *spans->list);
    if (!spans->list)
        return -ENOMEM;
    int rc = es_spans_open(b->query, &filter, &walk);
    if (rc < 0)
        return rc;
    while ((rc = es_spans_next(walk, &spans->list[spans->n].span)) > 0) {
        spans->list[spans->n].distance = distance(&spans->list[spans->n].span, spans->focus);
        spans->all++;
        if (++spans->n == 2 * limit)
            prune(spans, limit);
    }
    es_spans_close(walk);
    prune(spans, limit);
    b->dag.left_nodes = spans->all - spans->n;
    return rc;
}

static int add_span(struct es_dag_builder *b, const struct es_span *span)
{
    struct es_dag_node *node = es_dag_node(b);
    if (!node)
        return -ENOMEM;
    node->what = ES_DAG_CALL;
    node->kind = ES_K_CALL;
    node->seq = span->call;
    node->last = span->end ? span->end : span->call;
    node->time = span->begin;
    node->pid = span->pid;
    node->module = span->module;
    node->function = span->function;
    node->arity = span->arity;
    node->flags = span->callback ? ES_E_CALLBACK : 0;
    node->how = span->how;
    node->total = span->total;
    node->self = span->self;
    node->running = span->running;
    node->runnable = span->runnable;
    node->waiting = span->waiting;
    node->gc = span->gc;
    return 0;
}

/* Returned at once, and the same: nothing that was recorded tells a tail call from `x = f(), x`. */
static bool is_tail(struct es_dag_builder *b, const struct es_dag_node *caller, const struct es_dag_node *callee)
{
    const struct es_event *inner, *outer;
    uint64_t next = 0;
    if (caller->how != ES_SPAN_RETURN || callee->how != ES_SPAN_RETURN ||
        es_index_first(b->query, callee->pid, ES_ROW_ACTS, callee->last + 1, &next) < 0 || next != caller->last ||
        es_query_stored(b->query, callee->last, &inner) < 0 || es_query_stored(b->query, caller->last, &outer) < 0) {
        es_error_clear();
        return false;
    }
    return inner->payload_len > 0 && inner->payload_len == outer->payload_len &&
           memcmp(inner->payload, outer->payload, inner->payload_len) == 0;
}

static int add_edge(struct es_dag_builder *b, uint32_t from, uint32_t to)
{
    const struct es_dag_node *caller = &b->dag.nodes[from], *callee = &b->dag.nodes[to];
    bool failed = caller->how == ES_SPAN_EXCEPTION && callee->how == ES_SPAN_EXCEPTION,
         tail = is_tail(b, caller, callee);
    int64_t ns = callee->time - caller->time;
    struct es_dag_edge *edge = es_dag_edge(b, from, to, failed ? ES_DAG_E_FAIL : tail ? ES_DAG_E_TAIL : ES_DAG_E_CALL);
    if (!edge)
        return -ENOMEM;
    edge->maybe = tail;
    es_dag_time(edge, ns);
    return 0;
}

static int add_all(struct es_dag_builder *b, const struct spans *spans)
{
    struct es_refmap node_of = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < spans->n; i++) {
        uint64_t *place = es_refmap_place(&node_of, spans->list[i].span.call);
        rc = place ? add_span(b, &spans->list[i].span) : -ENOMEM;
        if (place)
            *place = i + 1;
    }
    for (size_t i = 0; rc == 0 && i < spans->n; i++) {
        const uint64_t *parent =
            spans->list[i].span.parent ? es_refmap_find(&node_of, spans->list[i].span.parent) : NULL;
        if (parent)
            rc = add_edge(b, (uint32_t)*parent - 1, (uint32_t)i);
    }
    es_refmap_fini(&node_of);
    return rc;
}

int es_dag_code(struct es_dag_builder *b)
{
    struct spans spans = {.focus = b->request.focus};
    int rc = read_spans(b, &spans);
    if (rc == 0)
        rc = add_all(b, &spans);
    free(spans.list);
    return rc;
}
