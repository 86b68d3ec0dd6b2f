/* SPDX-License-Identifier: MIT */
/* Calls one by one: all of them, or the slowest. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/calls.h"

#define ARGUMENTS_SHOWN 300

static void add_arguments(struct es_calls *calls, const struct es_span *span, struct es_text *out)
{
    const struct es_event *event;
    if (es_query_event(calls->query, span->call, &event) < 0)
        es_error_clear(); /* its block is damaged: then there are none */
    else
        es_query_print_payload(calls->query, event, calls->erlang, out);
}

static void add_who(struct es_calls *calls, const struct es_span *span, struct es_text *out)
{
    es_query_print_ref(calls->query, span->pid, true, out);
    es_ref name = es_query_name(calls->query, span->pid, span->begin);
    if (name == ES_REF_NONE)
        return;
    es_text_puts(out, " ");
    es_query_print_ref(calls->query, name, calls->erlang, out);
}

static void print_json(struct es_calls *calls, const struct es_span *span, struct es_text *out)
{
    struct es_text text = {0};
    es_text_printf(out, "{\"call\":%" PRIu64 ",\"end\":", span->call);
    es_text_printf(out, span->end ? "%" PRIu64 : "null", span->end);
    es_text_printf(out, span->parent ? ",\"parent\":%" PRIu64 : ",\"parent\":null", span->parent);
    es_query_print_ref(calls->query, span->pid, true, &text);
    es_text_puts(out, ",\"pid\":");
    es_text_json(out, text.bytes, text.len);
    es_text_clear(&text);
    es_query_print_ref(calls->query, es_query_name(calls->query, span->pid, span->begin), calls->erlang, &text);
    es_text_puts(out, ",\"name\":");
    if (text.len > 0)
        es_text_json(out, text.bytes, text.len);
    else
        es_text_puts(out, "null");
    es_text_puts(out, ",");
    es_calls_json_fun(calls, span->module, span->function, span->arity, out);
    es_text_printf(out, ",\"begin\":%" PRId64, span->begin);
    es_calls_json_ns(out, "total", span->total);
    es_calls_json_ns(out, "self", span->self);
    es_calls_json_ns(out, "running", span->running);
    es_calls_json_ns(out, "runnable", span->runnable);
    es_calls_json_ns(out, "waiting", span->waiting);
    es_calls_json_ns(out, "gc", span->gc);
    es_text_printf(out, ",\"how\":\"%s\",\"depth\":%u,\"recursive\":%s,\"callback\":%s", es_span_end_names[span->how],
                   span->depth, span->inner ? "true" : "false", span->callback ? "true" : "false");
    if (calls->mode == ES_CALLS_SLOW) {
        es_text_clear(&text);
        add_arguments(calls, span, &text);
        es_text_puts(out, ",\"arguments\":");
        if (text.len > 0)
            es_text_json(out, text.bytes, text.len);
        else
            es_text_puts(out, "null");
    }
    es_text_puts(out, "}");
    es_text_fini(&text);
}

/* In ten columns; µ has two bytes and one column. */
static void add_duration(struct es_text *out, int64_t ns)
{
    struct es_cli_buf buf;
    bool micro = ns >= 1000 && ns < 1000000;
    es_text_printf(out, micro ? "%11s" : "%10s", ns < 0 ? "-" : es_cli_duration(ns, &buf));
}

static void print_line(struct es_calls *calls, const struct es_span *span, struct es_text *out)
{
    static const enum es_style styles[] = {ES_STYLE_DIM, ES_STYLE_NONE, ES_STYLE_RED, ES_STYLE_RED, ES_STYLE_YELLOW};
    const char *none = es_cli_style(stdout, ES_STYLE_NONE);
    es_text_printf(out, "%s%8" PRIu64 " %+.6f%s", es_cli_style(stdout, ES_STYLE_DIM), span->call,
                   (double)(span->begin - calls->start) / 1e9, none);
    add_duration(out, span->total);
    add_duration(out, span->self);
    es_text_printf(out, " %s%-9s%s ", es_cli_style(stdout, styles[span->how]), es_span_end_names[span->how], none);
    if (calls->mode == ES_CALLS_LIST)
        for (uint32_t i = 0; i < span->depth && i < 20; i++)
            es_text_puts(out, "  ");
    es_text_puts(out, es_cli_style(stdout, ES_STYLE_BLUE));
    es_calls_add_fun(calls, span->module, span->function, span->arity, out);
    es_text_printf(out, "%s  ", none);
    add_who(calls, span, out);
}

static void print_split(struct es_calls *calls, const struct es_span *span, struct es_text *out)
{
    struct es_cli_buf a, b, c, d;
    struct es_text arguments = {0};
    if (span->running >= 0)
        es_text_printf(out, "\n%37s running %s, runnable %s, waiting %s", "", es_cli_duration(span->running, &a),
                       es_cli_duration(span->runnable, &b), es_cli_duration(span->waiting, &c));
    if (span->gc > 0) {
        es_text_printf(out, span->running >= 0 ? ", " : "\n%37s ", "");
        es_text_printf(out, "collecting %s", es_cli_duration(span->gc, &d));
    }
    add_arguments(calls, span, &arguments);
    if (arguments.len > 0) {
        size_t len = arguments.len < ARGUMENTS_SHOWN ? arguments.len : ARGUMENTS_SHOWN;
        while (len < arguments.len && ((unsigned char)arguments.bytes[len] & 0xc0) == 0x80)
            len--;
        es_text_printf(out, "\n%37s ", "");
        es_text_add(out, arguments.bytes, len);
        es_text_puts(out, len < arguments.len ? "…" : "");
    }
    es_text_fini(&arguments);
}

static bool print_span(struct es_calls *calls, const struct es_span *span, struct es_text *line)
{
    if (calls->json)
        print_json(calls, span, line);
    else
        print_line(calls, span, line);
    if (!calls->json && calls->mode == ES_CALLS_SLOW)
        print_split(calls, span, line);
    return es_cli_flush(line, stdout);
}

static void print_heading(const struct es_calls *calls)
{
    if (!calls->json)
        printf("%s%8s %9s%10s%10s %-9s %s%s\n", es_cli_style(stdout, ES_STYLE_BOLD), "CALL", "AT s", "TOTAL", "SELF",
               "ENDED BY", "FUNCTION, PROCESS", es_cli_style(stdout, ES_STYLE_NONE));
}

int es_calls_list(struct es_calls *calls)
{
    struct es_spans *spans;
    struct es_span span;
    struct es_text line = {0};
    int rc = es_spans_open(calls->query, &calls->filter, &spans);
    if (rc < 0)
        return es_cli_failure("calls");
    print_heading(calls);
    for (uint64_t n = 0; (calls->limit == 0 || n < calls->limit) && !es_cli_interrupted(); n++) {
        rc = es_spans_next(spans, &span);
        if (rc <= 0 || !print_span(calls, &span, &line))
            break;
    }
    es_spans_close(spans);
    es_text_fini(&line);
    return rc < 0 ? es_cli_failure("calls") : ES_EXIT_OK;
}

/* ---- the slowest --------------------------------------------------------------------------------------------------- */

/* The slowest first; of equals the earlier. */
static int by_total(const void *a, const void *b)
{
    const struct es_span *x = a, *y = b;
    if (x->total != y->total)
        return x->total < y->total ? 1 : -1;
    return x->call < y->call ? -1 : x->call > y->call;
}

static void sink(struct es_span *heap, size_t n, size_t i)
{
    for (;;) {
        size_t fastest = i, left = 2 * i + 1;
        for (size_t child = left; child < left + 2 && child < n; child++)
            if (by_total(&heap[child], &heap[fastest]) > 0)
                fastest = child;
        if (fastest == i)
            return;
        struct es_span moved = heap[i];
        heap[i] = heap[fastest];
        heap[fastest] = moved;
        i = fastest;
    }
}

/* Keeps the `limit` slowest, the fastest of them on top of a heap. */
static int gather(struct es_calls *calls, struct es_spans *spans, struct es_span *slowest, size_t *ret_n)
{
    struct es_span span;
    size_t n = 0;
    int rc;
    while ((rc = es_spans_next(spans, &span)) > 0 && !es_cli_interrupted()) {
        if (span.total < 0)
            continue;
        if (n < calls->limit) {
            slowest[n++] = span;
            for (size_t i = n / 2; n == calls->limit && i-- > 0;)
                sink(slowest, n, i);
        } else if (by_total(&span, &slowest[0]) < 0) {
            slowest[0] = span;
            sink(slowest, n, 0);
        }
    }
    *ret_n = n;
    return rc;
}

int es_calls_slow(struct es_calls *calls)
{
    struct es_spans *spans;
    struct es_text line = {0};
    size_t n = 0;
    struct es_span *slowest = malloc(calls->limit * sizeof *slowest);
    if (!slowest || es_spans_open(calls->query, &calls->filter, &spans) < 0) {
        free(slowest);
        return es_cli_failure("calls");
    }
    int rc = gather(calls, spans, slowest, &n);
    es_spans_close(spans);
    qsort(slowest, n, sizeof *slowest, by_total);
    if (rc >= 0)
        print_heading(calls);
    for (size_t i = 0; rc >= 0 && i < n && print_span(calls, &slowest[i], &line); i++)
        ;
    free(slowest);
    es_text_fini(&line);
    return rc < 0 ? es_cli_failure("calls") : ES_EXIT_OK;
}
