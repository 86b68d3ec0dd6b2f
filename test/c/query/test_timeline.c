/* SPDX-License-Identifier: MIT */
/* A timeline is what a plain count of all events gives, at any zoom, with little memory, and where blocks cannot be read. */
#include <sqlite3.h>
#include <time.h>

#include "query/timeline_index.h"
#include "shop.h"

#define LANES 9u
#define WIDTH_MAX 700u
#define QUANTUM 64 /* times are multiples of it, so that many stand on the edge of a pixel */

static uint64_t seed;

static uint64_t next_random(uint64_t below)
{
    seed += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = seed;
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (x ^ x >> 31) % below;
}

struct noted {
    int64_t time;
    uint64_t seq;
    es_ref pid;
    unsigned kind;
};
static struct noted *noted;
static size_t n_noted;

/* Bursts, pauses of many sizes (some longer than 32 bits of ns), many events at one time; process 1 does half of it. */
static void make(size_t n, bool pauses)
{
    static const uint8_t kinds[] = {ES_K_SEND, ES_K_TIMEOUT, ES_K_RETURN,         ES_K_SPAWN,
                                    ES_K_IN,   ES_K_OUT,     ES_K_MEMORY,         ES_K_CRASH,
                                    ES_K_MARK, ES_K_STATE,   ES_K_GC_MINOR_START, ES_K_GC_MINOR_END};
    noted = realloc(noted, n * sizeof *noted);
    n_noted = n;
    shop_begin();
    for (size_t i = 0; i < n; i++) {
        bool rare = next_random(100) == 0;
        uint32_t pid = next_random(2) ? 1 : (uint32_t)(1 + next_random(LANES - 1));
        unsigned kind = rare ? kinds[next_random(sizeof kinds)] : kinds[next_random(3)];
        uint64_t pause = next_random(1000);
        uint64_t more = pause < 500 ? 0 : pause < 998 ? next_random(3000) : next_random(pauses ? 400000000 : 50000);
        shop_now += (int64_t)(more / QUANTUM * QUANTUM) - SHOP_STEP;
        noted[i] = (struct noted){shop_now, i + 1, shop_pid(pid), kind};
        shop_add((struct es_event){.kind = (uint8_t)kind, .pid = shop_pid(pid)});
        if (i % 50000 == 49999)
            assert_ok(es_store_commit(shop_store, NULL));
    }
    shop_end();
}

/* The order that the documentation gives: errors, critical kinds, others; only the class is checked here. */
static int class_of(unsigned kind)
{
    return kind == ES_K_NONE                            ? 0
           : es_kind_table[kind].family == ES_FAM_ERROR ? 3
           : es_kind_table[kind].critical               ? 2
                                                        : 1;
}

static unsigned family_of(unsigned kind)
{
    switch (es_kind_table[kind].family) {
    case ES_FAM_PROCESS: return ES_TL_PROCESS;
    case ES_FAM_MESSAGE: return ES_TL_MESSAGE;
    case ES_FAM_CALL: return ES_TL_CALL;
    case ES_FAM_STATE: return ES_TL_STATE;
    case ES_FAM_SCHEDULING: return ES_TL_SCHEDULING;
    case ES_FAM_MEMORY: return ES_TL_MEMORY;
    case ES_FAM_ERROR: return ES_TL_ERROR;
    default: return ES_TL_OTHER;
    }
}

struct plain {
    uint32_t counts[ES_TL_FAMILIES], n;
    uint64_t seq;
    int class;
};
static struct plain plain[LANES + 1][WIDTH_MAX], found[LANES + 1][WIDTH_MAX];

static void count_plainly(const struct es_timeline_request *request, const struct es_timeline *answer)
{
    unsigned __int128 span = (uint64_t)answer->until - (uint64_t)answer->since;
    memset(plain, 0, sizeof plain);
    for (size_t i = 0; i < n_noted; i++) {
        const struct noted *e = &noted[i];
        bool unread = false;
        for (size_t h = 0; h < answer->n_holes; h++)
            unread |= e->time >= answer->holes[h].from && e->time <= answer->holes[h].to;
        if (unread || e->time < answer->since || e->time >= answer->until)
            continue;
        for (size_t lane = 0; lane < request->n_lanes; lane++) {
            if (request->lanes[lane] != e->pid)
                continue;
            uint64_t px =
                (uint64_t)((unsigned __int128)((uint64_t)e->time - (uint64_t)answer->since) * request->width / span);
            struct plain *p = &plain[lane][px];
            p->counts[family_of(e->kind)]++;
            p->seq = p->n++ ? 0 : e->seq;
            p->class = class_of(e->kind) > p->class ? class_of(e->kind) : p->class;
        }
    }
}

static void check(struct es_query *query, const struct es_timeline_request *request)
{
    const struct es_timeline *answer;
    assert_ok(es_query_timeline(query, request, &answer));
    count_plainly(request, answer);
    memset(found, 0, sizeof found);
    assert_int_equal(answer->first[0], 0);
    assert_int_equal(answer->first[request->n_lanes], answer->n_runs);
    for (size_t lane = 0; lane < request->n_lanes; lane++) {
        uint32_t free_from = 0;
        for (uint32_t r = answer->first[lane]; r < answer->first[lane + 1]; r++) {
            assert_true(answer->at[r] >= free_from && answer->width[r] > 0);
            free_from = answer->at[r] + answer->width[r];
            assert_true(free_from <= request->width);
            for (uint32_t px = answer->at[r]; px < free_from; px++) {
                struct plain *p = &found[lane][px];
                memcpy(p->counts, answer->counts[r], sizeof p->counts);
                for (unsigned f = 0; f < ES_TL_FAMILIES; f++)
                    p->n += p->counts[f];
                p->seq = answer->seq[r];
                p->class = class_of(answer->strongest[r]);
            }
        }
        assert_memory_equal(found[lane], plain[lane], request->width * sizeof plain[lane][0]);
    }
}

static void check_many(struct es_query *query, int windows)
{
    es_ref lanes[LANES + 1];
    for (uint32_t i = 0; i < LANES + 1; i++)
        lanes[i] = shop_pid(LANES + 1 - i); /* one that never lived among them */
    int64_t first = noted[0].time, last = noted[n_noted - 1].time;
    for (int i = 0; i < windows; i++) {
        uint64_t span = (uint64_t)(last - first) >> next_random(40);
        int64_t since = first - 1000 + (int64_t)next_random((uint64_t)(last - first) + 2000);
        size_t skip = i > 0 ? next_random(LANES) : 0;
        struct es_timeline_request request = {.lanes = lanes + skip,
                                              .n_lanes = i > 0 ? 1 + next_random(LANES + 1 - skip) : LANES + 1,
                                              .since = i == 0 ? INT64_MIN : since,
                                              .until = i == 0 ? INT64_MAX : since + 1 + (int64_t)span,
                                              .width = 1 + (uint32_t)next_random(WIDTH_MAX)};
        if (i > 0 && i % 2) {
            uint64_t px = span / request.width / QUANTUM + 1;
            request.since = first + (since - first) / QUANTUM * QUANTUM;
            request.until = request.since + (int64_t)(px * QUANTUM * request.width);
        }
        check(query, &request);
    }
}

static int windows(void) { return getenv("ES_TEST_FEW") ? 40 : 150; }

static void test_any_window(void **state)
{
    (void)state;
    make(200000, false);
    struct es_query *query = shop_open();
    check_many(query, windows());
    es_query_close(query);
}

static void test_little_memory_and_long_times(void **state)
{
    (void)state;
    make(200000, true);
    struct es_query *query = shop_open();
    check_many(query, 1);
    size_t most = query->lanes->bytes, largest = 0;
    for (size_t i = 0; i < query->lanes->n; i++)
        largest = query->lanes->blocks[i].bytes > largest ? query->lanes->blocks[i].bytes : largest;
    query->lanes->limit = most / 5; /* about a block */
    check_many(query, windows());
    assert_true(query->lanes->bytes <= query->lanes->limit + largest);
    es_query_close(query);
}

static void test_damaged_blocks_are_said(void **state)
{
    (void)state;
    make(200000, false);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(shop_path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "DELETE FROM columns WHERE id / 64 = (SELECT id FROM blocks ORDER BY id LIMIT 1 OFFSET 1)",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    struct es_query *query = shop_open();
    es_ref pid = shop_pid(1);
    struct es_timeline_request request = {&pid, 1, INT64_MIN, INT64_MAX, 100};
    const struct es_timeline *answer;
    assert_ok(es_query_timeline(query, &request, &answer));
    assert_int_equal(answer->n_holes, 1);
    assert_true(answer->holes[0].events > 0);
    es_query_close(query);
}

/* in, rest, in again at known pixels of 10 ns; a collection that spans two pixels. */
static void test_running(void **state)
{
    static const struct {
        int64_t at;
        uint8_t kind;
    } did[] = {{0, ES_K_TIMEOUT},       {15, ES_K_IN},   {45, ES_K_OUT},     {62, ES_K_GC_MINOR_START},
               {71, ES_K_GC_MINOR_END}, {95, ES_K_EXIT}, {119, ES_K_TIMEOUT}};
    static const uint8_t expected[] = {0, 3, 1, 1, 3, 2, 6, 6, 2, 2, 0, 0};
    (void)state;
    shop_begin();
    for (size_t i = 0; i < sizeof did / sizeof did[0]; i++) {
        shop_now = SHOP_START + did[i].at;
        shop_add((struct es_event){.kind = did[i].kind, .pid = shop_pid(1)});
    }
    shop_end();
    struct es_query *query = shop_open();
    es_ref pid = shop_pid(1);
    struct es_timeline_request request = {&pid, 1, SHOP_START, SHOP_START + 120, 12};
    const struct es_timeline *answer;
    uint8_t flags[12] = {0};
    assert_ok(es_query_timeline(query, &request, &answer));
    for (size_t r = 0; r < answer->n_runs; r++)
        memset(flags + answer->at[r], answer->flags[r], answer->width[r]);
    assert_memory_equal(flags, expected, sizeof flags);
    request.since += 30; /* what it was doing before counts */
    request.width = 9;
    assert_ok(es_query_timeline(query, &request, &answer));
    assert_int_equal(answer->at[0], 0);
    assert_int_equal(answer->flags[0], ES_TL_RAN);
    es_query_close(query);
}

static void test_bad_requests(void **state)
{
    (void)state;
    make(100, false);
    struct es_query *query = shop_open();
    es_ref pid = shop_pid(1);
    const struct es_timeline *answer;
    struct es_timeline_request bad[] = {{&pid, 0, 0, 1, 10},
                                        {&pid, 1, 0, 1, 0},
                                        {&pid, 1, 5, 5, 10},
                                        {&pid, 1, 0, 1, UINT32_MAX},
                                        {&pid, SIZE_MAX, 0, 1, 1}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(es_query_timeline(query, &bad[i], &answer), -EINVAL);
    struct es_timeline_request wide = {&pid, 1, INT64_MIN + 1, INT64_MAX - 1, 7};
    assert_ok(es_query_timeline(query, &wide, &answer));
    es_query_close(query);
}

int main(void)
{
    const char *given = getenv("ES_TEST_SEED");
    seed = given ? strtoull(given, NULL, 10) : (uint64_t)getpid() * 7919 + (uint64_t)time(NULL);
    printf("seed %" PRIu64 "\n", seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_any_window, shop_setup, shop_teardown),
        cmocka_unit_test_setup_teardown(test_little_memory_and_long_times, shop_setup, shop_teardown),
        cmocka_unit_test_setup_teardown(test_damaged_blocks_are_said, shop_setup, shop_teardown),
        cmocka_unit_test_setup_teardown(test_running, shop_setup, shop_teardown),
        cmocka_unit_test_setup_teardown(test_bad_requests, shop_setup, shop_teardown),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(noted);
    return failed;
}
