/* SPDX-License-Identifier: MIT */
/* Limits: the oldest groups go, what is left is whole, the file does not grow. */
#include "scope.h"

static struct scope_stream stream = {0, false, 400};

struct run {
    struct es_store *store;
    uint64_t seq;
    uint64_t most_bytes, most_events;
};

/* Events up to `to`, a commit each few hundred, a keyframe when the store asks for it, a process that lives for 1000 events. */
static void write_to(struct run *run, uint64_t to)
{
    struct es_process process = {0};
    while (run->seq <= to) {
        if (run->seq % 1000 == 1)
            process = (struct es_process){
                .pid = es_ref_pid((uint32_t)run->seq, 0), .spawned = (int64_t)run->seq * 1000, .exited = INT64_MAX};
        if (run->seq % 1000 == 0)
            process.exited = (int64_t)run->seq * 1000;
        if (run->seq % 1000 < 2)
            assert_ok(es_store_process(run->store, &process));
        scope_add(run->store, &stream, run->seq, run->seq);
        run->seq++;
        if (es_store_group_full(run->store)) {
            uint64_t last = run->seq - 1;
            assert_ok(es_store_keyframe(run->store, &last, sizeof last));
        }
        if (run->seq % 300 == 0) {
            struct stat st;
            assert_ok(es_store_commit(run->store, NULL));
            assert_int_equal(stat(scope_path, &st), 0);
            if ((uint64_t)st.st_size > run->most_bytes)
                run->most_bytes = (uint64_t)st.st_size;
        }
    }
}

/* What is left: an unbroken end of the stream that begins with a keyframe. Its first event. */
static uint64_t check_rest(uint64_t last)
{
    struct es_recording *rec;
    const struct es_block_info *blocks;
    struct es_keyframe frame;
    assert_ok(es_recording_open(scope_path, &rec));
    size_t n = es_recording_blocks(rec, &blocks);
    assert_true(n > 0);
    uint64_t first = blocks[0].first_seq;
    assert_int_equal(scope_check_events(rec, &stream, first), last - first + 1);
    assert_ok(es_recording_keyframe(rec, first, &frame));
    assert_int_equal(frame.first_seq, first);
    assert_int_equal(frame.group, blocks[0].group);
    if (first > 1) {
        assert_int_equal(frame.len, 8);
        assert_int_equal(*(const uint64_t *)(const void *)frame.bytes, first - 1);
        assert_int_equal(es_recording_keyframe(rec, first - 1, &frame), -ENOENT);
    }
    assert_ok(es_recording_verify(rec));
    const struct es_process *processes;
    size_t n_processes = es_recording_processes(rec, &processes);
    for (size_t i = 0; i < n_processes; i++)
        assert_true(processes[i].exited >= scope_event(&stream, first - 1).time);
    assert_in_range(n_processes, (last - first) / 1000, (last - first) / 1000 + 2);
    es_recording_close(rec);
    return first;
}

static uint64_t run_with(struct es_store_options *options, uint64_t events, struct run *run)
{
    stream.seed = random_start();
    *run = (struct run){.seq = 1};
    assert_ok(es_store_create(options, &run->store));
    assert_ok(es_store_define(run->store, es_ref_make(ES_REF_ATOM, 1), "kept", 4));
    write_to(run, events);
    assert_ok(es_store_close(run->store, NULL));
    struct es_recording *rec;
    size_t len;
    assert_ok(es_recording_open(scope_path, &rec));
    assert_non_null(es_recording_define(rec, es_ref_make(ES_REF_ATOM, 1), &len));
    es_recording_close(rec);
    return check_rest(events);
}

static void by_events(void **state)
{
    (void)state;
    struct run run;
    struct es_store_options options = scope_options();
    options.max_events = 40000;
    uint64_t first = run_with(&options, 200000, &run);
    assert_in_range(200001 - first, 40000 - 40000 / 8 - 300, 40000 + 300);
}

static void by_age(void **state)
{
    (void)state;
    struct run run;
    struct es_store_options options = scope_options();
    options.max_age_ns = 30000 * 1000; /* an event each 1000 ns */
    options.group_events = 2000;
    uint64_t first = run_with(&options, 150000, &run);
    assert_in_range(150001 - first, 30000 - 300, 30000 + 2000 + 300);
}

static void by_bytes(void **state)
{
    (void)state;
    struct run run;
    struct es_store_options options = scope_options();
    options.max_bytes = 3 << 20;
    uint64_t first = run_with(&options, 300000, &run);
    struct stat st;
    assert_int_equal(stat(scope_path, &st), 0);
    print_message("at most %llu of %llu bytes, at the end %lld, %llu events kept\n", (unsigned long long)run.most_bytes,
                  (unsigned long long)options.max_bytes, (long long)st.st_size, (unsigned long long)(300001 - first));
    assert_true(run.most_bytes <= options.max_bytes);
    assert_true((uint64_t)st.st_size <= options.max_bytes);
    assert_true((uint64_t)st.st_size >= options.max_bytes / 2);
}

static void without_limits_all_stays(void **state)
{
    (void)state;
    struct run run;
    struct es_store_options options = scope_options();
    options.group_events = 5000;
    stream.seed = random_start();
    run = (struct run){.seq = 1};
    assert_ok(es_store_create(&options, &run.store));
    write_to(&run, 60000);
    assert_ok(es_store_close(run.store, NULL));
    struct es_recording *rec;
    assert_ok(es_recording_open(scope_path, &rec));
    assert_int_equal(scope_check_events(rec, &stream, 1), 60000);
    es_recording_close(rec);
}

/* A reader with an old index is told that a block is gone, not that it is damaged. */
static void dropped_under_a_reader(void **state)
{
    (void)state;
    struct run run = {.seq = 1};
    struct es_store_options options = scope_options();
    struct es_recording *rec;
    struct es_block *block;
    const struct es_block_info *blocks;
    const uint64_t *damaged;
    options.max_events = 10000;
    stream.seed = random_start();
    assert_ok(es_store_create(&options, &run.store));
    write_to(&run, 9000);
    assert_ok(es_recording_open(scope_path, &rec));
    assert_true(es_recording_blocks(rec, &blocks) > 1);
    write_to(&run, 50000);
    assert_int_equal(es_block_get(rec, 0, &block), -ENOENT);
    assert_int_equal(es_recording_damaged(rec, &damaged), 0);
    assert_ok(es_recording_refresh(rec));
    size_t n = es_recording_blocks(rec, &blocks);
    assert_in_range(blocks[0].first_seq, 38000, 42000);
    assert_int_equal(scope_check_events(rec, &stream, blocks[0].first_seq),
                     blocks[n - 1].last_seq - blocks[0].first_seq + 1);
    es_recording_close(rec);
    es_store_abandon(run.store);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scope_setup, scope_teardown)
    const struct CMUnitTest tests[] = {T(by_events), T(by_age), T(by_bytes), T(without_limits_all_stays),
                                       T(dropped_under_a_reader)};
    return cmocka_run_group_tests_name("store retention", tests, NULL, NULL);
}
