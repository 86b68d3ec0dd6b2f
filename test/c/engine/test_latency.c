/* SPDX-License-Identifier: MIT */
/* How long events were under way: never told to be less than it was, and all of them counted. */
#include "engine/latency.h"
#include "world.h"

#define EVENTS 500u

static uint64_t seen, under_way; /* events counted; those of sizes that end at or below 8 ms */

static int count(const char *name, uint64_t value, void *context)
{
    unsigned long long limit;
    (void)context;
    if (sscanf(name, "engine.latency.%llu", &limit) != 1)
        return 0;
    seen += value;
    under_way += limit <= 8000000 ? value : 0;
    return 0;
}

/* Times are the system's clock: the map is a line without a bend. */
static void sizes(void **state)
{
    struct es_store_options options = {.path = "/tmp/es_engine_latency.scope", .overwrite = true};
    struct es_clock_map map;
    struct es_store *store;
    struct es_recording *recording;
    (void)state;
    es_clock_map_init(&map, ES_CLOCK_OS, 0);
    es_clock_map_add(&map, 1, 1);
    assert_int_equal(es_store_create(&options, &store), 0);
    struct es_latency latency = {.map = &map, .clock = ES_CLOCK_OS};
    for (unsigned i = 0; i < EVENTS; i++) {
        es_latency_note(&latency, (int64_t)es_clock_os() - 8000000);
        es_latency_note(&latency, (int64_t)es_clock_os() + 1000000000); /* clocks differ: as if it were at once */
        es_latency_note(&latency, INT64_MIN / 2);
    }
    assert_int_equal(es_latency_flush(&latency, store), 0);
    assert_int_equal(es_latency_flush(&latency, store), 0); /* nothing twice */
    assert_int_equal(es_store_close(store, "stopped"), 0);
    assert_int_equal(es_recording_open(options.path, &recording), 0);
    assert_int_equal(es_recording_each_counter(recording, count, NULL), 0);
    es_recording_close(recording);
    unlink(options.path);
    assert_int_equal(seen, 3 * EVENTS);
    assert_int_equal(under_way, EVENTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sizes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
