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

static const struct {
    const char *name;
    int (*ask)(struct es_query *);
} questions[] = {
    {"open and info", ask_info}, {"open and first 50 events", ask_first}, {"open and last 50 events", ask_last}};

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
