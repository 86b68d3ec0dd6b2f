/* SPDX-License-Identifier: MIT */
/* Spans as rows: what es_spans_next() gives, as `calls` shows it. From the beginning on, whatever is asked for: which calls are open is
 * known only to who saw them begin. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/sql.h"
#include "query/sql_places.h"

/* The time behind which no span can begin that is asked for. */
static int64_t until_of(struct es_sql_scan *scan)
{
    const struct es_sql_ask *ask = &scan->ask;
    const struct es_event *last = NULL;
    int64_t time = ask->time_to;
    if (es_query_stored(scan->sql->query, ask->seq_to, &last) == 0)
        time = last->time < time ? last->time : time;
    else
        es_error_clear();
    return time < INT64_MAX ? time + 1 : INT64_MAX;
}

static int open_spans(struct es_sql_scan *scan)
{
    const struct es_sql_ask *ask = &scan->ask;
    struct es_filter filter = {
        .pids = ask->pids, .n_pids = ask->n_pids, .module = ask->module, .since = INT64_MIN, .until = until_of(scan)};
    struct es_spans *spans = NULL;
    int rc = es_spans_open(scan->sql->query, &filter, &spans);
    scan->state = spans;
    return rc;
}

static void put_known(struct es_sql_row *row, size_t column, int64_t ns)
{
    if (ns >= 0)
        es_sql_put(row, column, ns);
}

static void put_times(struct es_sql_row *row, const struct es_span *span)
{
    put_known(row, ES_SPAN_TOTAL, span->total);
    put_known(row, ES_SPAN_SELF, span->self);
    put_known(row, ES_SPAN_RUNNING, span->running);
    put_known(row, ES_SPAN_RUNNABLE, span->runnable);
    put_known(row, ES_SPAN_WAITING, span->waiting);
    put_known(row, ES_SPAN_GC, span->gc);
    if (span->end == 0)
        return;
    es_sql_put(row, ES_SPAN_END_SEQ, (int64_t)span->end);
    es_sql_put(row, ES_SPAN_END_TIME, span->begin + span->total);
    if (span->how == ES_SPAN_RETURN || span->how == ES_SPAN_EXCEPTION || span->how == ES_SPAN_EXIT)
        es_sql_put(row, ES_SPAN_RESULT, (int64_t)span->end);
}

static void put_span(struct es_sql_row *row, const struct es_span *span)
{
    row->present = 0;
    row->time = span->begin;
    row->id = (int64_t)span->call;
    es_sql_put(row, ES_SPAN_SEQ, (int64_t)span->call);
    es_sql_put(row, ES_SPAN_TIME, span->begin);
    es_sql_put(row, ES_SPAN_PID, (int64_t)span->pid);
    es_sql_put(row, ES_SPAN_NAME, (int64_t)span->pid);
    es_sql_put(row, ES_SPAN_MODULE, (int64_t)span->module);
    es_sql_put(row, ES_SPAN_FUNCTION, (int64_t)span->function);
    es_sql_put(row, ES_SPAN_ARITY, span->arity);
    es_sql_put(row, ES_SPAN_CALLBACK, span->callback);
    es_sql_put(row, ES_SPAN_DEPTH, span->depth);
    es_sql_put(row, ES_SPAN_ARGUMENTS, (int64_t)span->call);
    if (span->parent)
        es_sql_put(row, ES_SPAN_PARENT, (int64_t)span->parent);
    if (span->how != ES_SPAN_UNKNOWN)
        es_sql_put(row, ES_SPAN_OUTCOME, (int64_t)(intptr_t)es_span_end_names[span->how]);
    put_times(row, span);
}

static int next_span(struct es_sql_scan *scan)
{
    const struct es_sql_ask *ask = &scan->ask;
    struct es_query *query = scan->sql->query;
    struct es_span span;
    int rc;
    query->tick = es_sql_tick_query;
    query->tick_context = scan->sql;
    do {
        rc = es_spans_next(scan->state, &span);
    } while (rc > 0 && (span.call < ask->seq_from || span.call > ask->seq_to || span.begin < ask->time_from));
    query->tick = NULL;
    if (rc > 0)
        put_span(&scan->row, &span);
    return rc;
}

static void close_spans(struct es_sql_scan *scan) { es_spans_close(scan->state); }

const struct es_sql_source es_sql_span_source = {open_spans, next_span, close_spans};
