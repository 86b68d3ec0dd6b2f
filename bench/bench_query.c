/* SPDX-License-Identifier: MIT */
/* How long the first questions to a recording take, each in a fresh process state: open, info, first page, last page, a moment; causes, order and spans; and many
 * questions to one open recording.
 * Usage: bench_query FILE.scope [PART OF A NAME]; prints JSON lines {"name", "median", "unit"} over 9 rounds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

/* Every process in the middle of the recording: as far as can be from a keyframe, half of the time. */
static int ask_moment(struct es_query *query)
{
    int64_t time;
    uint64_t seq;
    struct es_moment *moment;
    int rc = es_query_time(query, "47%", &time);
    if (rc == 0)
        rc = es_query_seq_at(query, time, &seq);
    if (rc == 0)
        rc = es_query_moment(query, seq, &moment);
    if (rc == 0)
        es_moment_free(moment);
    return rc;
}

/* A number in [1, n], always the same sequence of them. */
static uint64_t pick(uint64_t n)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return 1 + state % n;
}

static uint64_t last_event(struct es_query *query)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(es_query_recording(query), &blocks);
    return n ? blocks[n - 1].last_seq : 0;
}

static int cone_of(struct es_query *query, uint64_t seq, bool forward)
{
    struct es_cone_request request = {
        .seq = seq, .limit = 1000, .forward = forward, .bound = forward ? INT64_MAX : INT64_MIN};
    struct es_caused *events = NULL;
    size_t n = 0;
    bool cut;
    int rc = es_query_cone(query, &request, &events, &n, &cut);
    free(events);
    return rc;
}

static int ask_cone(struct es_query *query) { return cone_of(query, last_event(query), false); }

static int ask_sums(struct es_query *query)
{
    struct es_filter filter = {.since = INT64_MIN, .until = INT64_MAX};
    struct es_profile_row *rows = NULL;
    size_t n = 0;
    int rc = es_query_profile(query, &filter, ES_PROFILE_FUNCTIONS, &rows, &n);
    free(rows);
    return rc;
}

static int ask_order(struct es_query *query)
{
    struct es_order_answer answer;
    int rc = es_query_before(query, 1, last_event(query), &answer);
    if (rc < 0) { /* the first or last event may be nothing that a process did */
        es_error_clear();
        return 0;
    }
    free(answer.path);
    return 0;
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
} questions[] = {{"open and info", ask_info},
                 {"open and first 50 events", ask_first},
                 {"open and last 50 events", ask_last},
                 {"open and all processes at a moment", ask_moment},
                 {"open and cone of the last event, 1,000 events", ask_cone},
                 {"open and order of first and last", ask_order},
                 {"open and calls by function", ask_sums},
                 {"SQL: SELECT kind, count(*) GROUP BY kind", ask_groups},
                 {"SQL: SELECT count(*)", ask_count},
                 {"SQL: histogram('kind')", ask_histogram},
                 {"SQL: top('pid')", ask_top},
                 {"SQL: top('function')", ask_functions},
                 {"SQL: timeline(1000)", ask_timeline}};

static int again_cone(struct es_query *query, uint64_t last) { return cone_of(query, pick(last), false); }

static int again_cone_ahead(struct es_query *query, uint64_t last) { return cone_of(query, pick(last), true); }

static int again_order(struct es_query *query, uint64_t last)
{
    struct es_order_answer answer = {0};
    int rc = es_query_before(query, pick(last), pick(last), &answer);
    free(answer.path);
    if (rc < 0) /* samples and marks have no place in the order */
        es_error_clear();
    return 0;
}

/* Whoever did something at a random moment: looked up in another open recording, and not in the time that is measured. */
static struct es_query *aside;
static struct {
    es_ref pid;
    int64_t time;
} chosen;

static int choose_state(uint64_t last)
{
    uint8_t kind;
    uint64_t seq = pick(last);
    int rc = es_recording_owner(es_query_recording(aside), seq, &chosen.pid, &kind);
    return rc == 0 ? es_recording_time_of(es_query_recording(aside), seq, &chosen.time) : rc;
}

/* With its bytes. */
static int again_state(struct es_query *query, uint64_t last)
{
    struct es_state state = {0};
    (void)last;
    if (!chosen.pid)
        return 0;
    if (es_query_state(query, chosen.pid, chosen.time, &state) == 0)
        es_state_fini(&state);
    else /* a process without a state */
        es_error_clear();
    return 0;
}

static const struct {
    const char *name;
    int (*ask)(struct es_query *, uint64_t last);
    int (*choose)(uint64_t last); /* what is asked, before that; NULL: nothing is to be known for it */
} repeated[] = {{"state of a process at a random time", again_state, choose_state},
                {"order of two random events", again_order, NULL},
                {"cone of 1,000 events", again_cone, NULL},
                {"cone of 1,000 events, forwards", again_cone_ahead, NULL}};

static int choose(size_t which, uint64_t last) { return repeated[which].choose ? repeated[which].choose(last) : 0; }

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

#define MOMENTS 40

/* Moments all over the recording, one after the other in one query, as who drags a slider asks for them. */
static int bench_moments(const char *path)
{
    struct es_query *query;
    const struct es_block_info *blocks = NULL;
    double took[MOMENTS];
    uint64_t seed = 88172645463325252u;
    if (es_query_open(path, &query) < 0)
        return -1;
    size_t n = es_recording_blocks(es_query_recording(query), &blocks), rows = 0;
    for (int i = 0; n > 0 && i < MOMENTS; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        uint64_t seq = blocks[0].first_seq + (seed >> 16) % (blocks[n - 1].last_seq - blocks[0].first_seq + 1);
        uint64_t before = es_clock_os();
        struct es_moment *moment;
        if (es_query_moment(query, seq, &moment) < 0)
            return -1;
        took[i] = (double)(es_clock_os() - before) / 1e6;
        rows = moment->n;
        es_moment_free(moment);
    }
    qsort(took, MOMENTS, sizeof *took, by_value);
    printf("{\"name\":\"all %zu processes at a random moment\",\"median\":%.3f,\"max\":%.3f,\"unit\":\"ms\"}\n", rows,
           took[MOMENTS / 2], took[MOMENTS - 1]);
    es_query_close(query);
    return 0;
}

/* Processor time of this process, ns: what others do on the machine is not in it. */
static double own_time(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

#define TIMES_MAX 1000
static double wall[TIMES_MAX], own[TIMES_MAX];

static void print_times(const char *name, size_t n, const char *unit)
{
    qsort(wall, n, sizeof *wall, by_value);
    qsort(own, n, sizeof *own, by_value);
    printf(
        "{\"name\":\"%s\",\"median\":%.2f,\"p99\":%.2f,\"max\":%.2f,\"own\":%.2f,\"own_p99\":%.2f,\"unit\":\"%s\"}\n",
        name, wall[n / 2], wall[n * 99 / 100], wall[n - 1], own[n / 2], own[n * 99 / 100], unit);
}

/* The first question to a recording just opened, each about other events. */
static int fresh(const char *path, size_t which)
{
    enum { TIMES = 100 };
    int rc = 0;
    char name[100];
    for (int i = 0; rc >= 0 && i < TIMES; i++) {
        struct es_query *query;
        rc = choose(which, last_event(aside));
        uint64_t before = es_clock_os();
        double own_before = own_time();
        if (rc < 0 || es_query_open(path, &query) < 0)
            return -1;
        rc = repeated[which].ask(query, last_event(query));
        wall[i] = (double)(es_clock_os() - before) / 1e6;
        own[i] = (own_time() - own_before) / 1e6;
        es_query_close(query);
    }
    snprintf(name, sizeof name, "open and %s", repeated[which].name);
    if (rc >= 0)
        print_times(name, TIMES, "ms");
    return rc;
}

/* Many questions to one open recording. */
static int repeat(const char *path, size_t which)
{
    struct es_query *query;
    char name[100];
    if (es_query_open(path, &query) < 0)
        return -1;
    uint64_t last = last_event(query);
    int rc = last ? 0 : -1;
    for (int i = -200; rc >= 0 && i < TIMES_MAX; i++) { /* the first fill the caches */
        rc = choose(which, last);
        uint64_t before = es_clock_os();
        double own_before = own_time();
        rc = rc < 0 ? rc : repeated[which].ask(query, last);
        if (i < 0)
            continue;
        own[i] = (own_time() - own_before) / 1e3;
        wall[i] = (double)(es_clock_os() - before) / 1e3;
    }
    es_query_close(query);
    snprintf(name, sizeof name, "%s, warm", repeated[which].name);
    if (rc >= 0)
        print_times(name, TIMES_MAX, "us");
    return rc;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: bench_query FILE.scope [PART OF A NAME]\n");
        return 2;
    }
    const char *only = argc == 3 ? argv[2] : "";
    for (size_t q = 0; q < sizeof questions / sizeof *questions; q++) {
        if (!strstr(questions[q].name, only))
            continue;
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
    if (!*only && bench_moments(argv[1]) < 0) {
        fprintf(stderr, "bench_query: %s\n", es_error_text());
        return 1;
    }
    if (es_query_open(argv[1], &aside) < 0) {
        fprintf(stderr, "bench_query: %s\n", es_error_text());
        return 1;
    }
    for (size_t r = 0; r < sizeof repeated / sizeof *repeated; r++)
        if (strstr(repeated[r].name, only) && (fresh(argv[1], r) < 0 || repeat(argv[1], r) < 0)) {
            fprintf(stderr, "bench_query: %s\n", es_error_text());
            return 1;
        }
    es_query_close(aside);
    return 0;
}
