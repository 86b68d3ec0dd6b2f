/* SPDX-License-Identifier: MIT */
/* Deliveries find their sends: all of them where nothing was lost, and never a wrong one. */
#include "sim.h"

#define RING (UINT64_C(16) << 20)
#define STEPS 40000u

static void check(const char *name, uint64_t seed, uint32_t repeat, uint64_t skew_ns)
{
    struct world world;
    struct sim sim;
    world_open(&world, name, SIM_THREADS, RING);
    uint64_t skew = world.arena.head->clock_rate / 1000000 * skew_ns / 1000;
    sim_open(&sim, &world, seed, skew, 20000);
    sim.repeat = repeat;
    for (uint32_t i = 0; i < STEPS; i++)
        sim_step(&sim);
    sim_close(&sim);
    world_run(&world);
    world_read(&world);
    world_check_order(&world);
    struct sim_result result = sim_check(&world);
    assert_true(sim.delivered > STEPS);
    assert_int_equal(result.wrong, 0);
    assert_int_equal(result.others, 0);
    assert_true(result.external > 0 && result.signals > 0);
    assert_int_equal(result.signals, sim.signals);
    assert_int_equal(result.paired, sim.delivered);
    assert_int_equal(world_counter(&world, "pairs.paired"), sim.delivered + world_count(&world, ES_K_SPAWNED));
    for (size_t i = 0; i < world.n; i++)
        if (world.events[i].kind == ES_K_SPAWNED) {
            const struct es_event *cause = world_event(&world, world.events[i].cause);
            assert_non_null(cause);
            assert_true(cause->kind == ES_K_SPAWN && cause->peer == world.events[i].pid);
        }
    world_close(&world);
}

static void test_different_contents(void **state)
{
    (void)state;
    check("different", 1, 0, 0);
}
static void test_repeated_contents(void **state)
{
    (void)state;
    check("repeated", 2, 3, 0);
}
static void test_skewed_clocks(void **state)
{
    (void)state;
    check("skewed", 3, 0, 200);
}
static void test_skewed_and_repeated(void **state)
{
    (void)state;
    for (uint64_t seed = 10; seed < 16; seed++)
        check("both", seed, 1 + (uint32_t)seed % 4, 100 + 50 * seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_different_contents),
        cmocka_unit_test(test_repeated_contents),
        cmocka_unit_test(test_skewed_clocks),
        cmocka_unit_test(test_skewed_and_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
