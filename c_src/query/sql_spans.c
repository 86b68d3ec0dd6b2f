/* SPDX-License-Identifier: MIT */
/* Spans: calls with their ends, in order of the ends. Which call an end ends, and which are open, is
 * es_query_parent()'s and es_query_call()'s to say; here they are only put together. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/sql.h"
#include "query/sql_places.h"

struct es_sql_spans {
    struct es_sql_scan *scan;
    struct es_cursor *cursor;
    struct es_pending begun; /* struct es_sql_span by seq */
    size_t at;               /* in begun, when all events were seen */
    bool ended;
};

int es_sql_spans_open(struct es_sql_scan *scan, struct es_sql_spans **ret_spans)
{
    struct es_sql_spans *spans = calloc(1, sizeof *spans);
    if (!spans)
        return -ENOMEM;
    spans->scan = scan;
    spans->begun.size = sizeof(struct es_sql_span);
    *ret_spans = spans;
    uint64_t kinds = UINT64_C(1) << ES_K_CALL | UINT64_C(1) << ES_K_RETURN | UINT64_C(1) << ES_K_EXCEPTION;
    /* What is asked for are beginnings; ends lie behind them, and spans of other modules in them. */
    struct es_sql_ask asked = scan->ask;
    scan->ask.seq_to = UINT64_MAX >> 1;
    scan->ask.time_to = INT64_MAX;
    scan->ask.module = NULL;
    int rc = es_sql_events(scan, kinds, ES_F_FUN, &spans->cursor);
    scan->ask = asked;
    return rc;
}

void es_sql_spans_close(struct es_sql_spans *spans)
{
    if (!spans)
        return;
    es_cursor_close(spans->cursor);
    es_pending_fini(&spans->begun);
    free(spans);
}

const struct es_sql_span *es_sql_spans_find(struct es_sql_spans *spans, uint64_t seq)
{
    return es_pending_find(&spans->begun, seq);
}

static bool is_past(const struct es_sql_spans *spans, const struct es_event *event)
{
    const struct es_sql_ask *ask = &spans->scan->ask;
    return event->seq > ask->seq_to || event->time > ask->time_to;
}

static int begin_span(struct es_sql_spans *spans, const struct es_event *event, es_sql_on_begin begin, void *context)
{
    struct es_query *query = spans->scan->sql->query;
    if (es_query_call(query, event->seq) == ES_CALL_ALONE)
        return 0;
    uint64_t parent = es_query_parent(query, event);
    if (is_past(spans, event) && !es_pending_find(&spans->begun, parent)) /* nobody's time is spent in it */
        return 0;
    struct es_sql_span *span = es_pending_place(&spans->begun, event->seq);
    if (!span)
        return -ENOMEM;
    *span = (struct es_sql_span){.seq = event->seq,
                                 .parent = parent,
                                 .time = event->time,
                                 .pid = event->pid,
                                 .module = event->module,
                                 .function = event->function,
                                 .arity = event->arity,
                                 .callback = event->flags & ES_E_CALLBACK};
    if (begin)
        begin(spans, span, context);
    return 0;
}

/* 1 where a span that is asked for ends here. */
static int end_span(struct es_sql_spans *spans, const struct es_event *event, struct es_sql_span *ret)
{
    uint64_t call = es_query_parent(spans->scan->sql->query, event);
    if (call == 0 || es_pending_take(&spans->begun, call, ret) < 0)
        return 0;
    ret->end_seq = event->seq;
    ret->end_time = event->time;
    ret->end_kind = event->kind;
    struct es_sql_span *outer = es_pending_find(&spans->begun, ret->parent);
    if (outer)
        outer->inner += ret->end_time - ret->time;
    return 1;
}

static int next_open(struct es_sql_spans *spans, struct es_sql_span *ret)
{
    for (struct es_sql_span *span; (span = es_pending_walk(&spans->begun, &spans->at)) != NULL;)
        if (es_query_call(spans->scan->sql->query, span->seq) == ES_CALL_OPEN) {
            *ret = *span;
            return 1;
        }
    return 0;
}

int es_sql_spans_next(struct es_sql_spans *spans, es_sql_on_begin begin, void *context, struct es_sql_span *ret_span)
{
    const struct es_event *event = NULL;
    int rc = 0;
    while (!spans->ended && (rc = es_sql_next(spans->scan->sql, spans->cursor, &event)) > 0) {
        rc = event->kind == ES_K_CALL ? begin_span(spans, event, begin, context) : end_span(spans, event, ret_span);
        if (rc != 0)
            return rc;
        if (is_past(spans, event) && spans->begun.n == 0)
            break;
    }
    spans->ended = true;
    return rc < 0 ? rc : next_open(spans, ret_span);
}

/* ---- the table ----------------------------------------------------------------------------------------------------- */

static int open_spans(struct es_sql_scan *scan)
{
    struct es_sql_spans *spans = NULL;
    int rc = es_sql_spans_open(scan, &spans);
    scan->state = spans;
    return rc;
}

static int next_span(struct es_sql_scan *scan)
{
    struct es_sql_span span;
    struct es_sql_row *row = &scan->row;
    int rc = es_sql_spans_next(scan->state, NULL, NULL, &span);
    if (rc <= 0)
        return rc;
    row->present = 0;
    row->time = span.time;
    row->id = (int64_t)span.seq;
    es_sql_put(row, ES_SPAN_SEQ, (int64_t)span.seq);
    es_sql_put(row, ES_SPAN_TIME, span.time);
    es_sql_put(row, ES_SPAN_PID, (int64_t)span.pid);
    es_sql_put(row, ES_SPAN_NAME, (int64_t)span.pid);
    es_sql_put(row, ES_SPAN_MODULE, (int64_t)span.module);
    es_sql_put(row, ES_SPAN_FUNCTION, (int64_t)span.function);
    es_sql_put(row, ES_SPAN_ARITY, span.arity);
    es_sql_put(row, ES_SPAN_CALLBACK, span.callback);
    es_sql_put(row, ES_SPAN_ARGUMENTS, (int64_t)span.seq);
    if (span.parent)
        es_sql_put(row, ES_SPAN_PARENT, (int64_t)span.parent);
    if (span.end_kind == ES_K_NONE)
        return 1;
    es_sql_put(row, ES_SPAN_END_SEQ, (int64_t)span.end_seq);
    es_sql_put(row, ES_SPAN_END_TIME, span.end_time);
    es_sql_put(row, ES_SPAN_DURATION, span.end_time - span.time);
    es_sql_put(row, ES_SPAN_SELF, span.end_time - span.time - span.inner);
    es_sql_put(row, ES_SPAN_OUTCOME, span.end_kind);
    es_sql_put(row, ES_SPAN_RESULT, (int64_t)span.end_seq);
    return 1;
}

static void close_spans(struct es_sql_scan *scan) { es_sql_spans_close(scan->state); }

const struct es_sql_source es_sql_span_source = {open_spans, next_span, close_spans};
