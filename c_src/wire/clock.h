/* SPDX-License-Identifier: MIT */
/* The stamp counter both sides read: the invariant cycle counter where the machine has one (17 ns against 98-112 for
 * enif_monotonic_time on OTP 25), CLOCK_MONOTONIC in nanoseconds elsewhere. The arena says which one a session uses. */
#ifndef ES_WIRE_CLOCK_H
#define ES_WIRE_CLOCK_H

#include <stdint.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

enum es_clock { ES_CLOCK_OS = 1, ES_CLOCK_COUNTER = 2 };

/* The best clock of this machine: ES_CLOCK_COUNTER only where the counter is invariant and synchronous over cores. */
enum es_clock es_clock_detect(void);

/* Nominal ticks a second of a clock, measured over about 2 ms for ES_CLOCK_COUNTER. */
uint64_t es_clock_rate(enum es_clock clock);

static inline uint64_t es_clock_os(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline uint64_t es_clock_now(enum es_clock clock)
{
#if defined(__x86_64__)
    if (clock == ES_CLOCK_COUNTER)
        return __rdtsc();
#elif defined(__aarch64__)
    if (clock == ES_CLOCK_COUNTER) {
        uint64_t ticks;
        __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(ticks));
        return ticks;
    }
#endif
    (void)clock;
    return es_clock_os();
}

#endif
