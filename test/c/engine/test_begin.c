/* SPDX-License-Identifier: MIT */
/* When a recording's time begins: with the VM's first word, however late it comes; where no such word is there, with the system's clock. */
#include "world.h"
#include "writer.h"

#define LATE_MS 1300u /* the engine waits a second for a clock that ought to be there */
#define MONO INT64_C(5000000000000)

static void put_clock(struct writer *w)
{
    struct record clock = {.kind = ES_K_CLOCK};
    clock.num[ES_CLOCK_MONO] = (uint64_t)MONO;
    clock.num[ES_CLOCK_WALL] = UINT64_C(1700000000000000000);
    assert_true(writer_put(w, &clock));
}

static void put_event(struct writer *w, uint32_t n)
{
    assert_true(writer_put(w, &(struct record){.kind = ES_K_OUT, .pid = pid_of(n)}));
}

static void finish(struct world *world, struct writer *w, bool uncalibrated)
{
    writer_leave(w);
    world_stop(world);
    assert_int_equal(world_wait(world), ES_END_STOPPED);
    world_read(world);
    world_check_order(world);
    const char *clock = es_recording_meta(world->recording, "clock");
    assert_int_equal(clock && strcmp(clock, "uncalibrated") == 0, uncalibrated);
}

/* A machine under load takes its time to start a VM. */
static void a_late_vm(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, "begin_late", 1, 1 << 20);
    world_fork(&world);
    pause_ms(LATE_MS);
    struct writer w = writer_claim(&world.arena, 0, 1);
    put_clock(&w);
    put_event(&w, 1);
    finish(&world, &w, false);
    const struct es_event *event = world_find(&world, ES_K_OUT, pid_of(1), 0);
    assert_non_null(event);
    assert_true(event->time >= MONO && event->time - MONO < INT64_C(60000000000));
    world_close(&world);
}

/* Events that have no clock are given one; the VM's, when it comes after all, does not bend it. */
static void a_late_clock(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, "begin_none", 1, 1 << 20);
    world_fork(&world);
    struct writer w = writer_claim(&world.arena, 0, 1);
    uint64_t stamps[4];
    for (uint32_t i = 0; i < 4; i++) {
        stamps[i] = w.at = es_clock_now(w.clock);
        put_event(&w, i + 1);
        pause_ms(i == 0 ? LATE_MS : 30);
        if (i == 1)
            put_clock(&w);
    }
    finish(&world, &w, true);
    for (uint32_t i = 1; i < 4; i++) {
        int64_t ns =
            world_find(&world, ES_K_OUT, pid_of(i + 1), 0)->time - world_find(&world, ES_K_OUT, pid_of(i), 0)->time;
        double truth = (double)(stamps[i] - stamps[i - 1]) * 1e9 / (double)world.arena.head->clock_rate;
        assert_true((double)ns > truth * 0.9 && (double)ns < truth * 1.1);
    }
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_late_vm), cmocka_unit_test(a_late_clock)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
