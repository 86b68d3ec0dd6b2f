/* SPDX-License-Identifier: MIT */
/* How long the first questions to a recording take, each in a fresh process state: open, info, first page, last page, one process.
 * Usage: bench_query FILE.scope; prints JSON lines {"name", "median", "unit"} over 9 rounds. */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/query.h"
#include "wire/clock.h"

#define ROUNDS 9

static int page(struct es_query *query, const struct es_filter *filter)
{
    struct es_cursor *cursor;
    int rc = es_cursor_open(query, filter, &cursor);
    if (rc < 0)
        return rc;
    const struct es_event *event;
    for (int i = 0; i < 50 && (rc = es_cursor_next(cursor, &event)) > 0; i++)
        ;
    es_cursor_close(cursor);
    return rc < 0 ? rc : 0;
}

static int ask_info(struct es_query *query)
{
    struct es_info info;
    return es_query_info(query, &info);
}

static int ask_first(struct es_query *query)
{
    struct es_filter filter = {.since = INT64_MIN, .until = INT64_MAX, .limit = 50};
    return page(query, &filter);
}

static int ask_last(struct es_query *query)
{
    struct es_filter filter = {.since = INT64_MIN, .until = INT64_MAX, .limit = 50, .reverse = true};
    return page(query, &filter);
}

static int ask_sql(struct es_query *query, const char *text)
{
    struct es_sql *sql;
    struct es_sql_options options = {0};
    int rc = es_sql_open(query, &options, &sql);
    if (rc < 0)
        return rc;
    rc = es_sql_begin(sql, text, NULL);
    while (rc > 0)
        rc = es_sql_step(sql);
    es_sql_close(sql);
    return rc;
}

static int ask_groups(struct es_query *query)
{
    return ask_sql(query, "SELECT kind, count(*) FROM events GROUP BY kind");
}

static int ask_count(struct es_query *query) { return ask_sql(query, "SELECT count(*) FROM events"); }

static int ask_histogram(struct es_query *query) { return ask_sql(query, "SELECT * FROM histogram('kind')"); }

static int ask_top(struct es_query *query) { return ask_sql(query, "SELECT * FROM top('pid')"); }

static int ask_functions(struct es_query *query) { return ask_sql(query, "SELECT * FROM top('function')"); }

static int ask_timeline(struct es_query *query) { return ask_sql(query, "SELECT * FROM timeline(1000)"); }

static const struct {
    const char *name;
    int (*ask)(struct es_query *);
} questions[] = {{"open and info", ask_info},           {"open and first 50 events", ask_first},
                 {"open and last 50 events", ask_last}, {"SQL: SELECT kind, count(*) GROUP BY kind", ask_groups},
                 {"SQL: SELECT count(*)", ask_count},   {"SQL: histogram('kind')", ask_histogram},
                 {"SQL: top('pid')", ask_top},          {"SQL: top('function')", ask_functions},
                 {"SQL: timeline(1000)", ask_timeline}};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: bench_query FILE.scope\n");
        return 2;
    }
    for (size_t q = 0; q < sizeof questions / sizeof *questions; q++) {
        double took[ROUNDS];
        for (int round = 0; round < ROUNDS; round++) {
            uint64_t before = es_clock_os();
            struct es_query *query;
            if (es_query_open(argv[1], &query) < 0 || questions[q].ask(query) < 0) {
                fprintf(stderr, "bench_query: %s\n", es_error_text());
                return 1;
            }
            es_query_close(query);
            took[round] = (double)(es_clock_os() - before) / 1e6;
        }
        qsort(took, ROUNDS, sizeof *took, by_value);
        printf("{\"name\":\"%s\",\"median\":%.3f,\"unit\":\"ms\"}\n", questions[q].name, took[ROUNDS / 2]);
    }
    return 0;
}
