/* SPDX-License-Identifier: MIT */
/* The clock of one node on another's, from messages made of a known offset and known times under way. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "query/merge_clock.h"

#define N 2000
#define SECOND INT64_C(1000000000)
#define BASE INT64_C(-576460750000000000) /* monotonic times are mostly negative */

static struct es_clock_bound bounds[N];
static size_t n_bounds;
static uint64_t seed = 1;

static uint64_t number(uint64_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (seed >> 33) % below;
}

/* A message at own time `at`, when the offset is `offset`, that was `under_way` for so long. */
static void add(int64_t at, int64_t offset, int64_t under_way, bool out)
{
    /* in: sent at at + offset - under_way; out: arrives at at + offset + under_way */
    bounds[n_bounds++] = (struct es_clock_bound){at, out ? offset + under_way : offset - under_way, out};
}

static struct es_clock_fit solve(const struct es_clock_hint *hint)
{
    static const struct es_clock_hint none = {0};
    struct es_clock_fit fit;
    assert_int_equal(es_clock_solve(bounds, n_bounds, hint ? hint : &none, &fit), 0);
    return fit;
}

static int64_t offset_at(const struct es_clock_fit *fit, int64_t at) { return es_clock_map(fit, at) - at; }

/* No delivery before its send. */
static void assert_all_hold(const struct es_clock_fit *fit)
{
    for (size_t i = 0; i < n_bounds; i++) {
        int64_t offset = offset_at(fit, bounds[i].at);
        if (bounds[i].most)
            assert_true(offset <= bounds[i].offset + 1);
        else
            assert_true(offset >= bounds[i].offset - 1);
    }
}

static void assert_near(int64_t value, int64_t wanted, int64_t apart)
{
    if (value < wanted - apart || value > wanted + apart)
        fail_msg("%lld is not %lld ± %lld", (long long)value, (long long)wanted, (long long)apart);
}

static int reset(void **state)
{
    (void)state;
    n_bounds = 0;
    seed = 1;
    return 0;
}

static void one_offset(void **state)
{
    (void)state;
    int64_t offset = 8601249, shortest[2] = {INT64_MAX, INT64_MAX};
    for (int i = 0; i < N; i++) {
        int64_t under_way = 20000 + (int64_t)number(5000000);
        bool out = number(2);
        shortest[out] = under_way < shortest[out] ? under_way : shortest[out];
        add(BASE + i * SECOND / 100, offset, under_way, out);
    }
    struct es_clock_fit fit = solve(NULL);
    assert_int_equal(fit.n, 1);
    assert_int_equal(fit.how, ES_CLOCK_HOW_MESSAGES);
    assert_int_equal(fit.contradictions, 0);
    assert_int_equal(fit.bounds[0] + fit.bounds[1], N);
    assert_true(fit.pieces[0].drift == 0);
    assert_near(fit.uncertainty, (shortest[0] + shortest[1]) / 2, 1);
    assert_near(offset_at(&fit, BASE), offset, fit.uncertainty);
    assert_all_hold(&fit);
}

/* 30 µs under way, 50 ppm for 20 s: a millisecond, so that no single offset holds. */
static void drifting_clock(void **state)
{
    (void)state;
    for (int i = 0; i < N; i++) {
        int64_t at = i * SECOND / 100;
        add(BASE + at, 5000000 + at / 20000, 30000 + (int64_t)number(200000), i % 2);
    }
    struct es_clock_fit fit = solve(NULL);
    assert_int_equal(fit.n, 1);
    assert_int_equal(fit.contradictions, 0);
    assert_near((int64_t)(fit.pieces[0].drift * 1e9), 50000, 5000);
    for (int i = 0; i < N; i += 100)
        assert_near(offset_at(&fit, BASE + i * SECOND / 100), 5000000 + i * SECOND / 100 / 20000, fit.uncertainty);
    assert_near(fit.uncertainty, 40000, 20000);
    assert_all_hold(&fit);
}

/* Somebody sets the clock back by 10 ms in the middle. */
static void adjusted_clock(void **state)
{
    (void)state;
    for (int i = 0; i < N; i++)
        add(BASE + i * SECOND / 100, i < N / 2 ? 5000000 : -5000000, 30000 + (int64_t)number(200000), i % 2);
    struct es_clock_fit fit = solve(NULL);
    assert_int_equal(fit.n, 2);
    assert_int_equal(fit.contradictions, 0);
    assert_near(offset_at(&fit, BASE), 5000000, fit.uncertainty);
    assert_near(offset_at(&fit, BASE + (N - 1) * SECOND / 100), -5000000, fit.uncertainty);
    assert_all_hold(&fit);
}

/* A few sends are written down up to 5 ms after they left, when their deliveries are there already. */
static void late_sends(void **state)
{
    for (int drift = 0; drift < 2; drift++) {
        reset(state);
        int late = 0;
        for (int i = 0; i < N; i++) {
            int64_t at = i * SECOND / 100;
            bool is_late = i % 250 == 17;
            late += is_late;
            add(BASE + at, 5000000 + drift * at / 20000,
                is_late ? -500000 - (int64_t)number(4500000) : 30000 + (int64_t)number(200000), i % 2);
        }
        struct es_clock_fit fit = solve(NULL);
        assert_int_equal(fit.n, 1);
        assert_int_equal(fit.contradictions, late);
        for (int i = 0; i < N; i += 100)
            assert_near(offset_at(&fit, BASE + i * SECOND / 100), 5000000 + drift * (i * SECOND / 100 / 20000),
                        fit.uncertainty + 1);
        assert_near(fit.uncertainty, 35000, 30000);
    }
}

/* Bounds that no clock satisfies: said, and not an endless search. */
static void nonsense(void **state)
{
    (void)state;
    for (int i = 0; i < N; i++)
        add(BASE + i * 1000, 0, -1000000 - (int64_t)number(1000000), i % 2);
    struct es_clock_fit fit = solve(NULL);
    assert_int_equal(fit.n, 1);
    assert_true(fit.contradictions > N / 2);
    assert_true(fit.uncertainty > 1000000);
}

static void one_direction(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        add(BASE + i * SECOND, 7000, 100 + (int64_t)number(100), false);
    struct es_clock_fit fit = solve(&(struct es_clock_hint){.wall = 50000, .has_wall = true});
    assert_int_equal(fit.how, ES_CLOCK_HOW_ONE_WAY);
    assert_int_equal(offset_at(&fit, BASE), 50000); /* possible, so it is believed */
    assert_int_equal(fit.uncertainty, -1);
    fit = solve(&(struct es_clock_hint){.wall = -50000, .has_wall = true});
    assert_near(offset_at(&fit, BASE), 6850, 50); /* messages would arrive before they were sent */
    assert_all_hold(&fit);
    fit = solve(NULL);
    assert_all_hold(&fit);
}

static void no_messages(void **state)
{
    (void)state;
    struct es_clock_fit fit = solve(&(struct es_clock_hint){.wall = -123, .has_wall = true});
    assert_int_equal(fit.how, ES_CLOCK_HOW_WALL);
    assert_int_equal(offset_at(&fit, BASE), -123);
    fit = solve(NULL);
    assert_int_equal(offset_at(&fit, BASE), 0);
}

/* A few messages in any order, the widest numbers there are. */
static void extremes(void **state)
{
    (void)state;
    add(INT64_MAX, INT64_MAX, 0, false);
    add(INT64_MIN, INT64_MIN, 0, true);
    add(0, 0, 0, true);
    add(0, 0, 0, false);
    struct es_clock_fit fit = solve(NULL);
    assert_true(fit.n >= 1);
    es_clock_map(&fit, INT64_MIN);
    es_clock_map(&fit, INT64_MAX);
}

/* Against all offsets tried one after the other: the band is exactly what they leave. */
static void small_bands(void **state)
{
    for (int round = 0; round < 200; round++) {
        reset(state);
        seed = (uint64_t)round + 7;
        int64_t offset = (int64_t)number(100) - 50, least = INT64_MIN, most = INT64_MAX;
        for (int i = 0; i < 6; i++)
            add((int64_t)number(1000), offset, (int64_t)number(40), i % 2);
        for (int64_t tried = -200; tried <= 200; tried++) {
            bool holds = true;
            for (size_t i = 0; i < n_bounds; i++)
                holds = holds && (bounds[i].most ? tried <= bounds[i].offset : tried >= bounds[i].offset);
            if (holds) {
                least = least == INT64_MIN ? tried : least;
                most = tried;
            }
        }
        struct es_clock_fit fit = solve(NULL);
        assert_true(fit.pieces[0].drift == 0);
        assert_near(2 * offset_at(&fit, 0), least + most, 2);
        assert_near(2 * fit.uncertainty, most - least, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_offset, reset),     cmocka_unit_test_setup(drifting_clock, reset),
        cmocka_unit_test_setup(adjusted_clock, reset), cmocka_unit_test_setup(late_sends, reset),
        cmocka_unit_test_setup(nonsense, reset),       cmocka_unit_test_setup(one_direction, reset),
        cmocka_unit_test_setup(no_messages, reset),    cmocka_unit_test_setup(extremes, reset),
        cmocka_unit_test_setup(small_bands, reset)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
