/* SPDX-License-Identifier: MIT */
/* Lines of woven code and how often they were reached: read once, then handed out by module and line. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/site.h"
#include "query/sql.h"
#include "query/sql_places.h"

struct reached { /* a site */
    es_ref module, site;
    uint32_t line, clause;
    uint64_t hits;
};

struct lines {
    struct es_refmap places; /* site -> place in `all` + 1 */
    struct reached *all;
    size_t n, room, at;
};

static int add(struct lines *lines, struct es_query *query, const struct es_event *event)
{
    struct es_site site = {0};
    uint64_t *place = es_refmap_place(&lines->places, event->site);
    if (!place)
        return -ENOMEM;
    if (*place) {
        lines->all[*place - 1].hits++;
        return 0;
    }
    if (lines->n == lines->room) {
        size_t room = lines->room ? lines->room * 2 : 256;
        struct reached *all = realloc(lines->all, room * sizeof *all);
        if (!all)
            return -ENOMEM;
        lines->all = all;
        lines->room = room;
    }
    if (es_site_read(query, event->site, &site) < 0)
        site = (struct es_site){0};
    lines->all[lines->n] = (struct reached){event->module, event->site, site.line, site.clause, 1};
    *place = ++lines->n;
    return 0;
}

static int by_line(const void *a, const void *b)
{
    const struct reached *x = a, *y = b;
    if (x->module != y->module)
        return x->module < y->module ? -1 : 1;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return (x->clause > y->clause) - (x->clause < y->clause);
}

/* A line may have several probes: it was reached as often as that of them that was reached most. */
static void join(struct lines *lines)
{
    size_t kept = 0;
    qsort(lines->all, lines->n, sizeof *lines->all, by_line);
    for (size_t i = 0; i < lines->n; i++) {
        struct reached *last = kept ? &lines->all[kept - 1] : NULL;
        if (!last || by_line(last, &lines->all[i]) != 0)
            lines->all[kept++] = lines->all[i];
        else if (lines->all[i].hits > last->hits)
            last->hits = lines->all[i].hits;
    }
    lines->n = kept;
}

static int open_lines(struct es_sql_scan *scan)
{
    struct lines *lines = calloc(1, sizeof *lines);
    struct es_cursor *cursor = NULL;
    const struct es_event *event;
    scan->state = lines;
    if (!lines)
        return -ENOMEM;
    int rc = es_sql_events(scan, UINT64_C(1) << ES_K_LINE, ES_F_SITE | ES_F_FUN, &cursor);
    while (rc == 0 && (rc = es_sql_next(scan->sql, cursor, &event)) > 0)
        rc = event->site ? add(lines, scan->sql->query, event) : 0;
    es_cursor_close(cursor);
    if (rc == 0 && lines->n > 0)
        join(lines);
    return rc == -ENOMEM ? es_fail(rc, "no memory for lines") : rc;
}

static int next_line(struct es_sql_scan *scan)
{
    struct lines *lines = scan->state;
    if (lines->at == lines->n)
        return 0;
    const struct reached *line = &lines->all[lines->at++];
    struct es_sql_row *row = &scan->row;
    row->present = 0;
    row->id = (int64_t)lines->at;
    es_sql_put(row, ES_LINE_MODULE, (int64_t)line->module);
    if (line->line)
        es_sql_put(row, ES_LINE_LINE, line->line);
    if (line->clause)
        es_sql_put(row, ES_LINE_CLAUSE, line->clause);
    es_sql_put(row, ES_LINE_HITS, (int64_t)line->hits);
    return 1;
}

static void close_lines(struct es_sql_scan *scan)
{
    struct lines *lines = scan->state;
    if (!lines)
        return;
    es_refmap_fini(&lines->places);
    free(lines->all);
    free(lines);
}

const struct es_sql_source es_sql_line_source = {open_lines, next_line, close_lines};
