/* SPDX-License-Identifier: MIT */
/* Full rings: what is lost is told exactly, and deliveries whose send may be lost are never given another's. */
#include "sim.h"

#define RING (UINT64_C(1) << 20)

static void now(struct sim *sim)
{
    sim->real = true;
    for (uint32_t i = 0; i < SIM_THREADS; i++)
        sim->threads[i].at = 0;
}

static void steps(struct sim *sim, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        sim_step(sim);
}

static bool is_drained(const struct world *world)
{
    for (uint32_t i = 0; i < SIM_THREADS; i++)
        if (atomic_load(&world->arena.rings[i].head->tail) != atomic_load(&world->arena.rings[i].head->head))
            return false;
    return true;
}

static uint64_t counter(const struct world *world, unsigned kind)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < world->arena.n_rings; i++)
        sum += atomic_load(&world->arena.rings[i].head->lost[kind]);
    return sum;
}

/* Sums of the losses, and of the GAP events, are what the writers counted. */
static uint64_t check_losses(struct world *world)
{
    const struct es_loss *losses;
    size_t n = es_recording_losses(world->recording, &losses);
    uint64_t told[ES_KIND_MAX] = {0}, all = 0;
    for (size_t i = 0; i < n; i++) {
        told[losses[i].kind] += losses[i].count;
        assert_true(losses[i].from <= losses[i].to);
    }
    for (unsigned kind = 0; kind < ES_KIND_MAX; kind++) {
        assert_int_equal(told[kind], counter(world, kind));
        all += told[kind];
    }
    assert_true((n > 0) == (world_count(world, ES_K_GAP) > 0));
    return all;
}

static void run(const char *name, uint64_t seed, uint32_t repeat)
{
    struct world world;
    struct sim sim;
    world_open(&world, name, SIM_THREADS, RING);
    sim_open(&sim, &world, seed, 0, 20);
    now(&sim);
    sim.repeat = repeat;
    world_fork(&world);
    for (int i = 0; i < 4; i++) {
        steps(&sim, 2000);
        while (!is_drained(&world))
            pause_ms(1);
        kill(world.engine, SIGSTOP); /* the engine sleeps, the rings fill up */
        uint64_t before = sim.lost;
        while (sim.lost < before + 500)
            steps(&sim, 100);
        kill(world.engine, SIGCONT);
    }
    while (!is_drained(&world))
        pause_ms(1);
    steps(&sim, 5000);
    kill(world.engine, SIGSTOP); /* what is lost last is not told by any record */
    for (uint64_t before = sim.lost; sim.lost < before + 100;)
        steps(&sim, 100);
    world_stop(&world);
    kill(world.engine, SIGCONT);
    assert_int_equal(world_wait(&world), ES_END_STOPPED);
    world_read(&world);
    world_check_order(&world);
    assert_int_equal(check_losses(&world), sim.lost);
    uint64_t written = 0;
    for (uint32_t i = 0; i < SIM_THREADS; i++)
        written += sim.threads[i].written;
    uint64_t own = world_count(&world, ES_K_GAP), words = 1 + SIM_THREADS * (5 + SIM_NAMES);
    assert_int_equal(world.n - own, written - words); /* nothing more is missing, nothing is there twice */
    struct sim_result result = sim_check(&world);
    /* Where equal messages are under way between the same two, and some were lost, one may be taken for its twin. */
    assert_true(repeat ? result.wrong * 200 <= result.paired : result.wrong == 0);
    assert_true(result.unpaired[ES_CAUSE_LOST] > 0);
    assert_int_equal(result.unpaired[ES_CAUSE_LATE], 0);
    if (getenv("VERBOSE"))
        fprintf(stderr, "%s: paired %lu lost %lu unknown %lu untraced %lu\n", name, result.paired,
                result.unpaired[ES_CAUSE_LOST], result.unpaired[ES_CAUSE_UNKNOWN], result.unpaired[ES_CAUSE_UNTRACED]);
    assert_true(result.paired > 0);
    sim_close(&sim);
    world_close(&world);
}

static void test_different(void **state)
{
    (void)state;
    run("lost", 1, 0);
}
static void test_repeated(void **state)
{
    (void)state;
    for (uint32_t repeat = 1; repeat < 5; repeat++)
        run("lost_repeated", 20 + repeat, repeat);
}

/* Threads that find no ring count together. */
static void test_unclaimed(void **state)
{
    (void)state;
    struct world world;
    struct sim sim;
    world_open(&world, "unclaimed", SIM_THREADS, RING);
    sim_open(&sim, &world, 5, 0, 20000);
    steps(&sim, 10);
    atomic_store(&world.arena.head->unclaimed_lost, 4711);
    sim_close(&sim);
    world_run(&world);
    world_read(&world);
    const struct es_loss *losses;
    assert_int_equal(es_recording_losses(world.recording, &losses), 1);
    assert_int_equal(losses[0].count, 4711);
    assert_int_equal(losses[0].kind, ES_K_NONE);
    assert_int_equal(world_count(&world, ES_K_GAP), 1);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_different),
        cmocka_unit_test(test_repeated),
        cmocka_unit_test(test_unclaimed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
