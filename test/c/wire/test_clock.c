/* SPDX-License-Identifier: MIT */
/* Clocks never run backwards on one thread, rates are those of real counters, memory is counted. */
#include "check.h"

#include "wire/clock.h"
#include "wire/memory.h"

static void a_clock_is_found_and_ticks(void **state)
{
    (void)state;
    enum es_clock clock = es_clock_detect();
    assert_true(clock == ES_CLOCK_OS || clock == ES_CLOCK_COUNTER);
    uint64_t before = es_clock_now(clock);
    for (int i = 0; i < 100000; i++) {
        uint64_t now = es_clock_now(clock);
        assert_true(now >= before);
        before = now;
    }
    assert_int_equal(es_clock_detect(), clock);
}

/* 1 MHz to 100 GHz: wrong by a unit (kHz, ns) fails, the speed of the machine does not matter. */
static void the_rate_is_in_ticks_a_second(void **state)
{
    (void)state;
    assert_int_equal(es_clock_rate(ES_CLOCK_OS), 1000000000);
    if (es_clock_detect() != ES_CLOCK_COUNTER) {
        skip();
        return;
    }
    uint64_t rate = es_clock_rate(ES_CLOCK_COUNTER);
    assert_in_range(rate, 1000000u, 100000000000u);
}

static void available_memory_is_less_than_there_is(void **state)
{
    (void)state;
    uint64_t available = es_memory_available();
    assert_true(available > 0);
    assert_true(available <= (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_is_found_and_ticks),
        cmocka_unit_test(the_rate_is_in_ticks_a_second),
        cmocka_unit_test(available_memory_is_less_than_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
