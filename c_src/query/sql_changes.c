/* SPDX-License-Identifier: MIT */
/* State changes: versions that differ from the one before, each with the last one captured before it. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/sql.h"
#include "query/sql_places.h"

struct changes {
    struct es_cursor *cursor;
    struct es_refmap captured; /* process to seq of its last captured version */
};

/* What came before is needed from the beginning on. */
static int open_changes(struct es_sql_scan *scan)
{
    struct changes *changes = calloc(1, sizeof *changes);
    scan->state = changes;
    if (!changes)
        return -ENOMEM;
    struct es_sql_ask asked = scan->ask;
    scan->ask.seq_from = 0;
    scan->ask.time_from = INT64_MIN;
    scan->ask.module = NULL;
    int rc = es_sql_events(scan, UINT64_C(1) << ES_K_STATE, ES_F_FUN, &changes->cursor);
    scan->ask = asked;
    return rc;
}

static void put_change(struct es_sql_scan *scan, const struct es_event *event, uint64_t before)
{
    struct es_sql_row *row = &scan->row;
    bool captured = !(event->flags & ES_E_STATE_MISSED);
    row->present = 0;
    row->id = (int64_t)event->seq;
    row->time = event->time;
    es_sql_put(row, ES_CHANGE_SEQ, (int64_t)event->seq);
    es_sql_put(row, ES_CHANGE_TIME, event->time);
    es_sql_put(row, ES_CHANGE_PID, (int64_t)event->pid);
    es_sql_put(row, ES_CHANGE_NAME, (int64_t)event->pid);
    es_sql_put(row, ES_CHANGE_CAPTURED, captured);
    if (event->module != ES_REF_NONE) {
        es_sql_put(row, ES_CHANGE_MODULE, (int64_t)event->module);
        es_sql_put(row, ES_CHANGE_FUNCTION, (int64_t)event->function);
        es_sql_put(row, ES_CHANGE_ARITY, event->arity);
    }
    if (before) {
        es_sql_put(row, ES_CHANGE_BEFORE_SEQ, (int64_t)before);
        es_sql_put(row, ES_CHANGE_BEFORE, (int64_t)before);
    }
    if (captured)
        es_sql_put(row, ES_CHANGE_AFTER, (int64_t)event->seq);
    uint64_t callback = es_sql_uses(&scan->ask, ES_CHANGE_CALLBACK) ? es_sql_maker(scan->sql, event) : 0;
    if (callback)
        es_sql_put(row, ES_CHANGE_CALLBACK, (int64_t)callback);
}

static int next_change(struct es_sql_scan *scan)
{
    struct changes *changes = scan->state;
    const struct es_event *event = NULL;
    int rc;
    while ((rc = es_sql_next(scan->sql, changes->cursor, &event)) > 0) {
        if (event->flags & ES_E_STATE_SAME || event->pid == ES_REF_NONE)
            continue;
        uint64_t *captured = es_refmap_place(&changes->captured, event->pid), before;
        if (!captured)
            return -ENOMEM;
        before = *captured;
        if (!(event->flags & ES_E_STATE_MISSED))
            *captured = event->seq;
        if (event->seq < scan->ask.seq_from || event->time < scan->ask.time_from)
            continue;
        put_change(scan, event, before);
        return 1;
    }
    return rc;
}

static void close_changes(struct es_sql_scan *scan)
{
    struct changes *changes = scan->state;
    if (!changes)
        return;
    es_cursor_close(changes->cursor);
    es_refmap_fini(&changes->captured);
    free(changes);
}

const struct es_sql_source es_sql_change_source = {open_changes, next_change, close_changes};
