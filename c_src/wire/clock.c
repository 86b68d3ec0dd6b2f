/* SPDX-License-Identifier: MIT */
/* Which clock this machine can be trusted with, and how fast it ticks. */
#include "wire/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#if defined(__x86_64__)
/* Leaf 0x80000007, EDX bit 8: the counter ticks at one rate in all P-, C- and T-states (Linux: constant_tsc
 * and nonstop_tsc). */
static bool counter_is_invariant(void)
{
    unsigned eax, ebx, ecx, edx;
    if ((unsigned)__get_cpuid_max(0x80000000u, NULL) < 0x80000007u)
        return false;
    __cpuid(0x80000007u, eax, ebx, ecx, edx);
    return (edx & (1u << 8)) != 0;
}

/* The kernel compares the cores' counters at boot and while running, and strikes "tsc" from this list where
 * they differ. Where it does not tell, the processor's word has to do. */
static bool counter_is_synchronous(void)
{
    FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/available_clocksource", "re");
    if (!file)
        return true;
    char word[64];
    bool found = false;
    while (!found && fscanf(file, "%63s", word) == 1)
        found = strcmp(word, "tsc") == 0;
    fclose(file);
    return found;
}
#endif

enum es_clock es_clock_detect(void)
{
#if defined(__x86_64__)
    return counter_is_invariant() && counter_is_synchronous() ? ES_CLOCK_COUNTER : ES_CLOCK_OS;
#elif defined(__aarch64__)
    return ES_CLOCK_COUNTER; /* the architecture's generic timer is both by definition */
#else
    return ES_CLOCK_OS;
#endif
}

#if !defined(__aarch64__)
struct moment {
    uint64_t counter, os;
};

/* Both clocks at one moment: of several tries the one that took least time, as we may be interrupted between
 * the two. */
static struct moment moment_now(void)
{
    struct moment best = {0, 0};
    uint64_t best_width = UINT64_MAX;
    for (int i = 0; i < 16; i++) {
        uint64_t before = es_clock_os();
        uint64_t counter = es_clock_now(ES_CLOCK_COUNTER);
        uint64_t width = es_clock_os() - before;
        if (width < best_width) {
            best_width = width;
            best = (struct moment){counter, before + width / 2};
        }
    }
    return best;
}

static uint64_t counter_rate(void)
{
    struct moment first = moment_now(), last;
    do { /* waits awake: a sleeping core comes back late and gains nothing in 2 ms */
        last = moment_now();
    } while (last.os - first.os < 2000000u);
    return (uint64_t)((double)(last.counter - first.counter) * 1e9 / (double)(last.os - first.os));
}
#else
static uint64_t counter_rate(void)
{
    uint64_t rate;
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(rate));
    return rate;
}
#endif

uint64_t es_clock_rate(enum es_clock clock) { return clock == ES_CLOCK_COUNTER ? counter_rate() : 1000000000u; }
