/* SPDX-License-Identifier: MIT */
/* What begins with one event of a process and ends with another: garbage collections, and running. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/sql.h"
#include "query/sql_places.h"

#define KIND(k) (UINT64_C(1) << ES_K_##k)

struct begun {
    uint64_t pid;
    uint64_t seq;
    int64_t time;
    uint64_t num[ES_NUMS];
    es_ref module, function;
    uint16_t arity, thread;
    uint8_t kind;
};

struct pairs {
    struct es_cursor *cursor;
    struct es_pending begun; /* struct begun by pid */
    size_t at;
    bool ended;
};

/* Ends behind what is asked for belong to it. */
static int open_pairs(struct es_sql_scan *scan, uint64_t kinds, unsigned fields)
{
    struct pairs *pairs = calloc(1, sizeof *pairs);
    scan->state = pairs;
    if (!pairs)
        return -ENOMEM;
    pairs->begun.size = sizeof(struct begun);
    struct es_sql_ask asked = scan->ask;
    scan->ask.seq_to = UINT64_MAX >> 1;
    scan->ask.time_to = INT64_MAX;
    scan->ask.module = NULL;
    int rc = es_sql_events(scan, kinds, fields, &pairs->cursor);
    scan->ask = asked;
    return rc;
}

static void close_pairs(struct es_sql_scan *scan)
{
    struct pairs *pairs = scan->state;
    if (!pairs)
        return;
    es_cursor_close(pairs->cursor);
    es_pending_fini(&pairs->begun);
    free(pairs);
}

static int begin_pair(struct es_sql_scan *scan, const struct es_event *event)
{
    struct pairs *pairs = scan->state;
    if (event->pid == ES_REF_NONE || event->seq > scan->ask.seq_to || event->time > scan->ask.time_to)
        return 0;
    struct begun *begun = es_pending_place(&pairs->begun, event->pid);
    if (!begun)
        return -ENOMEM;
    *begun = (struct begun){.pid = event->pid,
                            .seq = event->seq,
                            .time = event->time,
                            .module = event->module,
                            .function = event->function,
                            .arity = event->arity,
                            .thread = event->thread,
                            .kind = event->kind};
    memcpy(begun->num, event->num, sizeof begun->num);
    return 0;
}

/* All that is asked for has ended. */
static bool is_over(const struct es_sql_scan *scan, const struct es_event *event)
{
    const struct pairs *pairs = scan->state;
    return pairs->begun.n == 0 && (event->seq > scan->ask.seq_to || event->time > scan->ask.time_to);
}

/* The columns that begin both tables: seq, end_seq, time, end_time, duration, pid, name. */
static void put_pair(struct es_sql_row *row, const struct begun *begun, const struct es_event *end)
{
    row->present = 0;
    row->time = begun->time;
    row->id = (int64_t)begun->seq;
    es_sql_put(row, ES_GC_SEQ, (int64_t)begun->seq);
    es_sql_put(row, ES_GC_TIME, begun->time);
    es_sql_put(row, ES_GC_PID, (int64_t)begun->pid);
    es_sql_put(row, ES_GC_NAME, (int64_t)begun->pid);
    if (!end)
        return;
    es_sql_put(row, ES_GC_END_SEQ, (int64_t)end->seq);
    es_sql_put(row, ES_GC_END_TIME, end->time);
    es_sql_put(row, ES_GC_DURATION, end->time - begun->time);
}

/* ---- garbage collections ------------------------------------------------------------------------------------------- */

static int open_gc(struct es_sql_scan *scan)
{
    return open_pairs(scan, KIND(GC_MINOR_START) | KIND(GC_MINOR_END) | KIND(GC_MAJOR_START) | KIND(GC_MAJOR_END),
                      ES_F_NUM);
}

static void put_gc(struct es_sql_row *row, const struct begun *begun, const struct es_event *end)
{
    put_pair(row, begun, end);
    es_sql_put(row, ES_GC_GENERATION, (int64_t)(intptr_t)(begun->kind == ES_K_GC_MINOR_START ? "minor" : "major"));
    uint64_t before = begun->num[0] + begun->num[2], after = end->num[0] + end->num[2];
    es_sql_put(row, ES_GC_RECLAIMED, (int64_t)(before - after));
    for (size_t i = 0; i < ES_NUMS; i++) {
        es_sql_put(row, ES_GC_BEFORE + i, (int64_t)begun->num[i]);
        es_sql_put(row, ES_GC_AFTER + i, (int64_t)end->num[i]);
    }
}

/* An end without its start, or of the other generation, is no pair. */
static int next_gc(struct es_sql_scan *scan)
{
    struct pairs *pairs = scan->state;
    const struct es_event *event = NULL;
    struct begun begun;
    int rc;
    while ((rc = es_sql_next(scan->sql, pairs->cursor, &event)) > 0) {
        bool starts = event->kind == ES_K_GC_MINOR_START || event->kind == ES_K_GC_MAJOR_START;
        if (starts)
            rc = begin_pair(scan, event);
        else if (es_pending_take(&pairs->begun, event->pid, &begun) == 0 && begun.kind + 1 == event->kind) {
            put_gc(&scan->row, &begun, event);
            return 1;
        }
        if (rc < 0)
            return rc;
        if (is_over(scan, event))
            return 0;
    }
    return rc;
}

const struct es_sql_source es_sql_gc_source = {open_gc, next_gc, close_pairs};

/* ---- running ------------------------------------------------------------------------------------------------------- */

static int open_runs(struct es_sql_scan *scan) { return open_pairs(scan, KIND(IN) | KIND(OUT), ES_F_FUN); }

static void put_fun(struct es_sql_row *row, size_t column, const struct es_event *at)
{
    if (at->module == ES_REF_NONE)
        return;
    es_sql_put(row, column, (int64_t)at->module);
    es_sql_put(row, column + 1, (int64_t)at->function);
    es_sql_put(row, column + 2, at->arity);
}

static int put_run(struct es_sql_row *row, const struct begun *begun, const struct es_event *end)
{
    struct es_event from = {.module = begun->module, .function = begun->function, .arity = begun->arity};
    put_pair(row, begun, end);
    if (begun->thread)
        es_sql_put(row, ES_RUN_THREAD, begun->thread);
    put_fun(row, ES_RUN_MODULE, &from);
    if (end)
        put_fun(row, ES_RUN_END_MODULE, end);
    return 1;
}

/* One that runs when it begins to run again: its end was not seen. */
static int see_in(struct es_sql_scan *scan, const struct es_event *event)
{
    struct pairs *pairs = scan->state;
    struct begun before;
    bool lost = es_pending_take(&pairs->begun, event->pid, &before) == 0;
    int rc = begin_pair(scan, event);
    return rc < 0 || !lost ? rc : put_run(&scan->row, &before, NULL);
}

static int next_run(struct es_sql_scan *scan)
{
    struct pairs *pairs = scan->state;
    const struct es_event *event = NULL;
    struct begun begun, *open;
    int rc = 0;
    while (!pairs->ended && (rc = es_sql_next(scan->sql, pairs->cursor, &event)) > 0) {
        if (event->kind == ES_K_IN)
            rc = see_in(scan, event);
        else
            rc = es_pending_take(&pairs->begun, event->pid, &begun) == 0 ? put_run(&scan->row, &begun, event) : 0;
        if (rc != 0)
            return rc;
        if (is_over(scan, event))
            break;
    }
    pairs->ended = true;
    if (rc < 0 || !(open = es_pending_walk(&pairs->begun, &pairs->at)))
        return rc < 0 ? rc : 0;
    return put_run(&scan->row, open, NULL);
}

const struct es_sql_source es_sql_run_source = {open_runs, next_run, close_pairs};
