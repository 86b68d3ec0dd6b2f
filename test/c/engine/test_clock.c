/* SPDX-License-Identifier: MIT */
/* Stamps become times: within a microsecond of the truth, never falling, and final once they were given. */
#include "engine/clock.h"
#include "world.h"

#define RATE UINT64_C(2400000000)
#define US 1000

/* Erlang's time runs a little differently from the counter, and not always by the same amount. */
struct truth {
    double rate;
    uint64_t stamp;
    double mono;
};

static int64_t true_time(const struct truth *truth, uint64_t stamp)
{
    return (int64_t)(truth->mono + (double)(stamp - truth->stamp) * truth->rate);
}

static void change_rate(struct truth *truth, uint64_t stamp, double ppm)
{
    truth->mono = (double)true_time(truth, stamp);
    truth->stamp = stamp;
    truth->rate = 1e9 / (double)RATE * (1 + ppm / 1e6);
}

static void test_follows(void **state)
{
    (void)state;
    struct es_clock_map map;
    struct truth truth = {.stamp = 1000000, .mono = 5e9};
    change_rate(&truth, 1000000, 3);
    es_clock_map_init(&map, ES_CLOCK_COUNTER, RATE + RATE / 1000000 * 8); /* measured 8 ppm wrong */
    es_clock_map_add(&map, 1000000, true_time(&truth, 1000000));
    int64_t before = INT64_MIN, worst = 0;
    uint64_t second = RATE, stamp = 1000000;
    for (int i = 1; i <= 2000; i++) {
        stamp += second / 100;
        int64_t time = es_clock_map_time(&map, stamp), off = time - true_time(&truth, stamp);
        assert_true(time >= before);
        before = time;
        worst = i > 300 && llabs(off) > worst ? llabs(off)
                                              : worst; /* the first second has nothing but the rate it was told */
        if (i % 100 == 0)
            es_clock_map_add(&map, stamp + 17,
                             true_time(&truth, stamp + 17) + (i % 200 ? 90 : -90)); /* a calibration is not exact */
    }
    assert_true(worst <= 1 * US);
}

/* What is known ahead is met exactly. */
static void test_ahead(void **state)
{
    (void)state;
    struct es_clock_map map;
    struct truth truth = {.stamp = 500, .mono = -4e9, .rate = 1e9 / (double)RATE * 1.00002};
    es_clock_map_init(&map, ES_CLOCK_COUNTER, RATE);
    for (uint64_t i = 0; i < 10; i++)
        es_clock_map_add(&map, 500 + i * RATE, true_time(&truth, 500 + i * RATE));
    for (uint64_t stamp = 500; stamp < 500 + 9 * RATE; stamp += RATE / 7)
        assert_true(llabs(es_clock_map_time(&map, stamp) - true_time(&truth, stamp)) <= 5);
}

/* A time that was given is not given again for a later stamp, nor contradicted, whatever calibrations say. */
static void test_never_falls(void **state)
{
    (void)state;
    struct dice d = {4711};
    for (int round = 0; round < 200; round++) {
        struct es_clock_map map;
        es_clock_map_init(&map, round % 2 ? ES_CLOCK_COUNTER : ES_CLOCK_OS, RATE);
        uint64_t stamp = dice(&d, 1000);
        int64_t before = INT64_MIN;
        es_clock_map_add(&map, stamp, -5);
        for (int i = 0; i < 2000; i++) {
            stamp += dice(&d, 4) ? dice(&d, 5000000) : dice(&d, UINT32_MAX);
            if (dice(&d, 5) == 0)
                es_clock_map_add(&map, stamp + dice(&d, 20000000) - 10000000,
                                 (int64_t)((uint64_t)dice(&d, UINT32_MAX) << dice(&d, 33)) * (dice(&d, 2) ? 1 : -1));
            if (dice(&d, 9) == 0)
                es_clock_map_measure(&map, stamp, stamp / 2 + dice(&d, 100000));
            int64_t time = es_clock_map_time(&map, stamp);
            assert_true(time >= before);
            assert_true(es_clock_map_valid(&map));
            before = time;
        }
    }
}

static void test_extremes(void **state)
{
    (void)state;
    static const uint64_t stamps[] = {0, 1, UINT64_MAX, UINT64_MAX - 1, INT64_MAX, 1 << 20};
    static const int64_t monos[] = {0, INT64_MAX, INT64_MIN, -1};
    for (size_t a = 0; a < 6; a++)
        for (size_t b = 0; b < 6; b++)
            for (size_t m = 0; m < 4; m++) {
                struct es_clock_map map;
                es_clock_map_init(&map, ES_CLOCK_COUNTER, stamps[b]);
                es_clock_map_add(&map, stamps[a], monos[m]);
                es_clock_map_add(&map, stamps[b], monos[3 - m]);
                for (size_t s = 0; s < 6; s++)
                    es_clock_map_time(&map, stamps[s]);
                es_clock_map_add(&map, UINT64_MAX, INT64_MAX);
                es_clock_map_time(&map, UINT64_MAX);
                assert_true(map.slope > 0);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_follows),
        cmocka_unit_test(test_ahead),
        cmocka_unit_test(test_never_falls),
        cmocka_unit_test(test_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
