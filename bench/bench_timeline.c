/* SPDX-License-Identifier: MIT */
/* How long a window of a timeline takes, 100 lanes of 2,000 pixels, at any zoom: cold, asked of a recording that was just opened, and warm, one
 * after the other as who zooms and scrolls asks for them. Lanes with the most events, and any.
 * Usage: bench_timeline FILE.scope; prints JSON lines {"name", "median", "unit"}, where what is called median may be a p99: the name says it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/query.h"
#include "wire/clock.h"

#define LANES 100u
#define WIDTH 2000u
#define ZOOMS 24u /* the narrowest window is 2^-23 of the recording */
#define COLD 72u
#define WARM 400u

struct target {
    const char *path, *name;
    struct es_info info;
    es_ref lanes[LANES];
    size_t n_lanes;
};

/* A number in [1, n], always the same sequence of them. */
static uint64_t pick(uint64_t n)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return 1 + state % n;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int most_first(const void *a, const void *b)
{
    const struct es_ps_row *x = a, *y = b;
    return (x->events < y->events) - (x->events > y->events);
}

static void report(const struct target *target, const char *when, double *took, size_t n)
{
    qsort(took, n, sizeof *took, by_value);
    const struct {
        const char *name;
        double ms;
    } parts[] = {{"median", took[n / 2]}, {"p99", took[n * 99 / 100]}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        printf("{\"name\":\"timeline, %zu lanes of 2,000 pixels, %s, %s: %s\",\"median\":%.3f,\"unit\":\"ms\"}\n",
               target->n_lanes, target->name, when, parts[i].name, parts[i].ms);
}

static int time_window(struct es_query *query, const struct target *target, unsigned zoom, double *ret_ms)
{
    uint64_t span = (uint64_t)(target->info.last_time - target->info.first_time) + 1, part = span >> zoom;
    part = part ? part : 1;
    struct es_timeline_request request = {.lanes = target->lanes, .n_lanes = target->n_lanes, .width = WIDTH};
    request.since = target->info.first_time + (int64_t)(pick(span - part + 1) - 1);
    request.until = request.since + (int64_t)part;
    const struct es_timeline *answer;
    uint64_t before = es_clock_os();
    int rc = es_query_timeline(query, &request, &answer);
    *ret_ms = (double)(es_clock_os() - before) / 1e6;
    return rc;
}

static int bench_cold(const struct target *target)
{
    double took[COLD];
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < COLD; i++) {
        struct es_query *query;
        rc = es_query_open(target->path, &query);
        if (rc < 0)
            return rc;
        rc = time_window(query, target, i % ZOOMS, &took[i]);
        es_query_close(query);
    }
    if (rc == 0)
        report(target, "cold", took, COLD);
    return rc;
}

static int bench_warm(const struct target *target)
{
    double took[WARM];
    struct es_query *query;
    int rc = es_query_open(target->path, &query);
    if (rc < 0)
        return rc;
    rc = time_window(query, target, 0, &took[0]);
    for (unsigned i = 0; rc == 0 && i < WARM; i++)
        rc = time_window(query, target, i ? (unsigned)pick(ZOOMS) - 1 : 0, &took[i]);
    es_query_close(query);
    if (rc == 0)
        report(target, "warm", took, WARM);
    return rc;
}

static int find_target(struct es_query *query, bool busy, struct target *target)
{
    struct es_ps_row *rows = NULL;
    size_t n = 0;
    int rc = es_query_info(query, &target->info);
    if (rc == 0)
        rc = es_query_ps(query, INT64_MAX, &rows, &n);
    if (rc == 0 && busy)
        qsort(rows, n, sizeof *rows, most_first);
    target->n_lanes = n < LANES ? n : LANES;
    for (size_t i = 0; rc == 0 && i < target->n_lanes; i++)
        target->lanes[i] = rows[busy ? i : pick(n) - 1].process->pid;
    free(rows);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: bench_timeline FILE.scope\n");
        return 2;
    }
    for (int busy = 1; busy >= 0; busy--) {
        struct target target = {.path = argv[1], .name = busy ? "the busiest" : "any"};
        struct es_query *query;
        int rc = es_query_open(argv[1], &query);
        if (rc == 0) {
            rc = find_target(query, busy, &target);
            es_query_close(query);
        }
        if (rc == 0 && target.n_lanes > 0)
            rc = bench_cold(&target);
        if (rc == 0 && target.n_lanes > 0)
            rc = bench_warm(&target);
        if (rc < 0) {
            fprintf(stderr, "bench_timeline: %s\n", es_error_text());
            return 1;
        }
    }
    return 0;
}
