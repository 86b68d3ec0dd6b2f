/* SPDX-License-Identifier: MIT */
/* Writes events for other programs: JSON lines here, Erlang terms and Perfetto traces in files of their
 * own. */
#include "query/export.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

#define TICK_EVENTS 4096
#define WRITE_BYTES (256u << 10)

static int json_line(struct es_exporter *x, const struct es_event *event)
{
    es_query_event_json(x->query, event, x->request->erlang, &x->out);
    es_text_puts(&x->out, "\n");
    return 0;
}

static const struct es_exporter_type json_lines = {.event = json_line};

static int write_out(struct es_exporter *x, FILE *out, size_t least)
{
    if (x->out.failed)
        return es_fail(-ENOMEM, "no memory to export");
    if (x->out.len < least || x->out.len == 0)
        return 0;
    errno = 0;
    if (fwrite(x->out.bytes, 1, x->out.len, out) != x->out.len)
        return es_fail(errno ? -errno : -EIO, "cannot write the export: %s", strerror(errno ? errno : EIO));
    es_text_clear(&x->out);
    return 0;
}

static int tick(struct es_exporter *x, const struct es_event *event)
{
    if (!x->request->tick)
        return 0;
    double length = (double)x->last - (double)x->first;
    double done = length > 0 ? ((double)event->time - (double)x->first) / length : 0;
    return x->request->tick(done, x->request->context) ? es_fail(-ECANCELED, "the export was stopped") : 0;
}

static int walk(struct es_exporter *x, const struct es_exporter_type *type, FILE *out)
{
    struct es_cursor *cursor;
    struct es_filter filter = x->request->filter;
    const struct es_event *event;
    filter.erlang = x->request->erlang;
    int rc = es_cursor_open(x->query, &filter, &cursor);
    if (rc < 0)
        return rc;
    for (uint64_t n = 0; rc >= 0 && (rc = es_cursor_next(cursor, &event)) > 0; n++) {
        rc = type->event(x, event);
        if (rc >= 0)
            rc = write_out(x, out, WRITE_BYTES);
        if (rc >= 0 && n % TICK_EVENTS == 0)
            rc = tick(x, event);
    }
    es_cursor_close(cursor);
    return rc;
}

int es_query_export(struct es_query *query, const struct es_export_request *request, FILE *out)
{
    struct es_exporter x = {.query = query, .request = request};
    const struct es_exporter_type *type = request->to == ES_EXPORT_JSONL ? &json_lines
                                          : request->to == ES_EXPORT_ETF ? &es_export_etf
                                                                         : &es_export_perfetto;
    es_query_span(query, &x.first, &x.last);
    int rc = type->begin ? type->begin(&x) : 0;
    if (rc >= 0)
        rc = walk(&x, type, out);
    if (rc >= 0 && type->end)
        rc = type->end(&x);
    if (rc >= 0)
        rc = write_out(&x, out, 0);
    if (rc >= 0 && fflush(out) != 0)
        rc = es_fail(-errno, "cannot write the export: %s", strerror(errno));
    if (rc >= 0 && request->tick)
        request->tick(1, request->context);
    if (type->fini)
        type->fini(&x);
    es_text_fini(&x.out);
    return rc;
}
