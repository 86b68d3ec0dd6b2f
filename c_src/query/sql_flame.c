/* SPDX-License-Identifier: MIT */
/* Time by call stack: the sums of spans by path, as `calls --tree` shows them. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/sql.h"
#include "query/sql_places.h"

struct flame {
    struct es_profile_row *rows;
    size_t n, at;
    struct es_text stack;
};

static int ask_process(struct es_sql_scan *scan)
{
    const char *who = es_sql_text_argument(scan, ES_FLAME_PID, NULL);
    return who ? es_query_pids(scan->sql->query, who, &scan->ask.pids, &scan->ask.n_pids) : 0;
}

static int open_flame(struct es_sql_scan *scan)
{
    struct flame *f = calloc(1, sizeof *f);
    struct es_query *query = scan->sql->query;
    scan->state = f;
    if (!f)
        return -ENOMEM;
    int rc = ask_process(scan);
    struct es_filter filter = {
        .pids = scan->ask.pids, .n_pids = scan->ask.n_pids, .since = INT64_MIN, .until = INT64_MAX};
    query->tick = es_sql_tick_query;
    query->tick_context = scan->sql;
    if (rc == 0)
        rc = es_query_profile(query, &filter, ES_PROFILE_PATHS, &f->rows, &f->n);
    query->tick = NULL;
    return rc;
}

/* The path of a row, from the outermost function on. Gives how deep it is, 0 without memory. */
static uint32_t print_stack(struct es_sql_scan *scan, struct flame *f, size_t row)
{
    uint32_t depth = 0, *path;
    for (uint32_t i = (uint32_t)row; i != ES_PATH_NONE; i = f->rows[i].below)
        depth++;
    path = malloc(depth * sizeof *path);
    es_text_clear(&f->stack);
    for (uint32_t i = (uint32_t)row, k = depth; path && k > 0; i = f->rows[i].below)
        path[--k] = i;
    for (uint32_t k = 0; path && k < depth; k++) {
        const struct es_profile_row *r = &f->rows[path[k]];
        struct es_event event = {.module = r->module, .function = r->function, .arity = r->arity};
        es_text_puts(&f->stack, k ? ";" : "");
        es_query_print_fun(scan->sql->query, &event, scan->ask.erlang, &f->stack);
    }
    bool whole = path && !f->stack.failed;
    free(path);
    return whole ? depth : 0;
}

static int next_path(struct es_sql_scan *scan)
{
    struct flame *f = scan->state;
    struct es_sql_row *row = &scan->row;
    while (f->at < f->n && f->rows[f->at].timed == 0) /* only moments and open spans */
        f->at++;
    if (f->at == f->n)
        return 0;
    const struct es_profile_row *r = &f->rows[f->at];
    uint32_t depth = print_stack(scan, f, f->at++);
    row->present = 0;
    row->id = (int64_t)scan->number;
    es_sql_put(row, ES_FLAME_STACK, (int64_t)(intptr_t)f->stack.bytes);
    es_sql_put(row, ES_FLAME_DEPTH, depth);
    es_sql_put(row, ES_FLAME_MODULE, (int64_t)r->module);
    es_sql_put(row, ES_FLAME_FUNCTION, (int64_t)r->function);
    es_sql_put(row, ES_FLAME_ARITY, r->arity);
    es_sql_put(row, ES_FLAME_SPANS, (int64_t)r->timed);
    es_sql_put(row, ES_FLAME_TOTAL, r->total);
    es_sql_put(row, ES_FLAME_SELF, r->self);
    return depth ? 1 : -ENOMEM;
}

static void close_flame(struct es_sql_scan *scan)
{
    struct flame *f = scan->state;
    if (!f)
        return;
    free(f->rows);
    es_text_fini(&f->stack);
    free(f);
}

const struct es_sql_source es_sql_flame_source = {open_flame, next_path, close_flame};
