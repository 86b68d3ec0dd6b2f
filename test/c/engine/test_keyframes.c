/* SPDX-License-Identifier: MIT */
/* The world in every keyframe is what all events before it make of an empty one, also where the engine was killed and another took over. */
#include "world.h"

#include "store/keyframe.h"
#include "store/world.h"

#define ROUNDS 4u
#define STEPS 12000u
#define PIDS 200u

static struct dice random_numbers;

static bool has_room(const struct es_ring *ring)
{
    return ring->pos - atomic_load(&ring->head->tail) + 65536 < ring->size / 2;
}

static struct record random_record(void)
{
    struct dice *d = &random_numbers;
    es_ref who = pid_of(dice(d, PIDS)), peer = pid_of(dice(d, PIDS));
    uint32_t function = dice(d, 6);
    struct record record = {.pid = who, .peer = peer, .module = atom_of(1), .function = atom_of(function), .arity = 2};
    switch (dice(d, 12)) {
    case 0: record.kind = ES_K_LINK; break;
    case 1: record.kind = ES_K_UNLINK; break;
    case 2:
        record.kind = ES_K_REGISTER;
        record.peer = atom_of(50 + dice(d, 100));
        break;
    case 3: record.kind = dice(d, 8) ? ES_K_GETTING_LINKED : ES_K_EXIT; break;
    case 4: record.kind = ES_K_CALL; break;
    case 5: record.kind = function < 3 ? ES_K_RETURN : ES_K_CALL; break;
    case 6: record.kind = dice(d, 2) ? ES_K_IN : ES_K_OUT; break;
    case 7:
        record.kind = ES_K_GC_MINOR_END;
        record.num[0] = dice(d, 5000);
        break;
    case 8: record.kind = ES_K_SPAWNED; break;
    default:
        record.kind = ES_K_SEND;
        record.hash = dice(d, 1000) + 1;
        record.corr = dice(d, 4) ? 0 : dice(d, 500) + 1;
    }
    return record;
}

static void write_some(struct writer *w)
{
    for (unsigned i = 0; i < STEPS; i++) {
        struct record record = random_record();
        if (i % 100 == 0)
            pause_ms(1); /* so that the engine commits in between */
        while (!has_room(w->ring))
            pause_ms(1);
        assert_true(writer_put(w, &record));
        if (record.kind == ES_K_SEND && dice(&random_numbers, 4)) { /* most arrive */
            es_ref from = record.pid;
            record.kind = ES_K_DELIVER;
            record.pid = record.peer;
            record.peer = from;
            assert_true(writer_put(w, &record));
        }
    }
}

static bool has_committed(const struct es_ring *ring) { return ring->pos - atomic_load(&ring->head->tail) < 4096; }

/* What all events before this one make of a world. */
static void compare(const struct world *world, const struct es_keyframe *frame)
{
    struct es_world expected, found;
    struct es_keyframe_parts parts;
    struct es_buf saved = {0};
    es_world_init(&expected, NULL);
    es_world_init(&found, NULL);
    for (uint64_t seq = 1; seq < frame->first_seq; seq++)
        assert_int_equal(es_world_feed(&expected, world_event(world, seq)), 0);
    assert_int_equal(es_world_save(&expected, &saved), 0);
    assert_int_equal(es_keyframe_split(frame->bytes, frame->len, &parts), 0);
    assert_int_equal(parts.world.len, saved.len);
    assert_memory_equal(parts.world.bytes, saved.bytes, saved.len);
    assert_int_equal(es_world_load(&found, parts.world.bytes, parts.world.len), 0);
    assert_int_equal(found.n, expected.n);
    assert_true(found.n > PIDS / 2);
    es_world_fini(&expected);
    es_world_fini(&found);
    es_buf_fini(&saved);
}

static void survive_the_engine(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, "keyframes", 1, 4 << 20);
    random_numbers.state = (uint64_t)time(NULL) * UINT64_C(0x9e3779b97f4a7c15) | 1;
    printf("seed %llu\n", (unsigned long long)random_numbers.state);
    world.options.store.group_events = 5000;
    struct writer w = writer_claim(&world.arena, 0, 1);
    writer_clock(&w);
    for (uint32_t i = 0; i < 200; i++)
        writer_define(&w, atom_of(i), "name", 4);
    uint64_t killed[ROUNDS];
    for (unsigned round = 0; round < ROUNDS; round++) {
        world_fork(&world);
        write_some(&w);
        writer_clock(&w);
        if (round + 1 < ROUNDS) { /* in the middle of whatever it does */
            if (round % 2)
                while (!has_committed(w.ring))
                    pause_ms(1);
            kill(world.engine, SIGKILL);
            assert_int_equal(world_wait(&world), -1);
            killed[round] = atomic_load(&w.ring->head->tail);
            world.options.resume = true;
            world.options.store.overwrite = false;
        }
    }
    writer_leave(&w);
    world_stop(&world);
    assert_int_equal(world_wait(&world), ES_END_STOPPED);
    world_read(&world);
    assert_true(killed[ROUNDS - 2] > 0);
    assert_true(world.n >= ROUNDS * STEPS);
    assert_int_equal(world_count(&world, ES_K_GAP), 0);

    const struct es_block_info *blocks;
    size_t n = es_recording_blocks(world.recording, &blocks), frames = 0;
    for (size_t i = 1; i < n; i++) {
        struct es_keyframe frame;
        if (blocks[i].group == blocks[i - 1].group)
            continue;
        assert_int_equal(es_recording_keyframe(world.recording, blocks[i].first_seq, &frame), 0);
        assert_int_equal(frame.first_seq, blocks[i].first_seq);
        compare(&world, &frame);
        frames++;
    }
    printf("%zu keyframes of %zu events\n", frames, world.n);
    assert_true(frames >= 3);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(survive_the_engine)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
