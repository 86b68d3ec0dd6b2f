/* SPDX-License-Identifier: MIT */
/* Reading while another process writes: what is there is whole and right at every moment, also by an index that is old. */
#include <sys/mman.h>
#include <sys/wait.h>

#include "scope.h"

#define EVENTS 400000u

struct shared {
    volatile uint64_t committed;
    volatile bool created, wait, go_on;
};

static void write_all(const struct scope_stream *stream, struct shared *shared)
{
    struct es_store *store;
    struct es_store_options options = scope_options();
    options.group_events = 50000;
    if (es_store_create(&options, &store) < 0)
        _exit(1);
    shared->created = true;
    for (uint64_t seq = 1; seq <= EVENTS; seq++) {
        struct es_event e = scope_event(stream, seq);
        struct es_process process = {.pid = e.pid, .spawned = (int64_t)seq, .exited = INT64_MAX};
        if (es_store_event(store, &e) < 0 || (seq % 1000 == 0 && es_store_process(store, &process) < 0))
            _exit(2);
        if (es_store_group_full(store) && es_store_keyframe(store, "frame", 5) < 0)
            _exit(3);
        if (random_below(500) == 0 || seq == EVENTS) {
            if (es_store_commit(store, NULL) < 0)
                _exit(4);
            shared->committed = seq;
        }
    }
    while (shared->wait && !shared->go_on)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    _exit(es_store_close(store, "done") < 0 ? 5 : 0);
}

static pid_t start(const struct scope_stream *stream, struct shared *shared)
{
    pid_t writer = fork();
    if (writer == 0)
        write_all(stream, shared);
    while (!shared->created)
        nanosleep(&(struct timespec){0, 100000}, NULL);
    return writer;
}

static void end(pid_t writer)
{
    int status;
    assert_int_equal(waitpid(writer, &status, 0), writer);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static struct shared *share(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* Blocks are without holes, and one of them, chosen at random, has the right events. */
static uint64_t look(struct es_recording *rec, const struct scope_stream *stream)
{
    const struct es_block_info *blocks;
    size_t n = es_recording_blocks(rec, &blocks);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(blocks[i].first_seq, i ? blocks[i - 1].last_seq + 1 : 1);
    if (n == 0)
        return 0;
    struct es_block *block;
    size_t i = random_below(2) ? n - 1 : random_below(n);
    assert_ok(es_block_get(rec, i, &block));
    assert_int_equal(block->n, blocks[i].events);
    for (size_t j = 0; j < block->n; j++) {
        struct es_event must = scope_event(stream, blocks[i].first_seq + j);
        struct es_event is = scope_whole(rec, &block->events[j]);
        scope_assert_same(&is, &must);
    }
    es_block_unref(rec, block);
    return blocks[n - 1].last_seq;
}

static void while_it_is_written(void **state)
{
    (void)state;
    struct scope_stream stream = {random_start(), false, 60};
    struct shared *shared = share();
    struct es_recording *rec;
    unsigned looks = 0, grew = 0;
    uint64_t seen = 0;
    shared->wait = true;
    pid_t writer = start(&stream, shared);
    assert_ok(es_recording_open(scope_path, &rec));
    assert_true(es_recording_live(rec));
    while (seen < EVENTS) {
        uint64_t committed = shared->committed;
        if (random_below(8)) /* else the index grows old: mini-blocks that it names are merged meanwhile */
            assert_ok(es_recording_refresh(rec));
        uint64_t last = look(rec, &stream);
        assert_true(last >= seen);
        if (last > seen)
            grew++;
        seen = last;
        looks++;
        if (looks % 10 == 0) {
            const struct es_process *processes;
            assert_ok(es_recording_refresh(rec));
            size_t n = es_recording_processes(rec, &processes);
            assert_in_range(n, committed / 1000, EVENTS / 1000);
            for (size_t i = 0; i < n; i++)
                assert_int_equal(processes[i].spawned, (i + 1) * 1000);
        }
    }
    print_message("%u looks, %u saw new events\n", looks, grew);
    assert_int_equal(scope_check_events(rec, &stream, 1), EVENTS);
    assert_true(es_recording_live(rec));
    shared->go_on = true;
    end(writer);
    assert_false(es_recording_live(rec));
    assert_string_equal(es_recording_meta(rec, "end"), "done");
    assert_ok(es_recording_refresh(rec));
    assert_int_equal(scope_check_events(rec, &stream, 1), EVENTS);
    es_recording_close(rec);
    assert_ok(es_recording_open(scope_path, &rec));
    assert_ok(es_recording_verify(rec));
    es_recording_close(rec);
    munmap(shared, 4096);
}

/* One file, with nothing beside it. */
static bool is_alone(void)
{
    char log[200], index[200];
    snprintf(log, sizeof log, "%s-wal", scope_path);
    snprintf(index, sizeof index, "%s-shm", scope_path);
    return access(scope_path, F_OK) == 0 && access(log, F_OK) < 0 && access(index, F_OK) < 0;
}

/* A reader that stays for long keeps the writer neither from committing nor from closing. */
static void a_reader_that_stays(void **state)
{
    (void)state;
    struct scope_stream stream = {random_start(), false, 60};
    struct shared *shared = share();
    struct es_recording *rec;
    struct es_block *block;
    const struct es_block_info *blocks;
    pid_t writer = start(&stream, shared);
    assert_ok(es_recording_open(scope_path, &rec));
    while (es_recording_blocks(rec, &blocks) == 0)
        assert_ok(es_recording_refresh(rec));
    struct es_block_info first = blocks[0];
    assert_ok(es_block_get(rec, 0, &block));
    end(writer);
    for (size_t i = 0; i < block->n; i++) {
        struct es_event must = scope_event(&stream, first.first_seq + i);
        struct es_event is = scope_whole(rec, &block->events[i]);
        scope_assert_same(&is, &must);
    }
    es_block_unref(rec, block);
    assert_ok(es_block_get_fields(rec, 0, ES_F_FUN, &block)); /* by the old index: that block is part of another now */
    assert_int_equal(block->n, first.events);
    assert_int_equal(block->events[0].seq, first.first_seq);
    es_block_unref(rec, block);
    es_recording_close(rec);
    assert_true(is_alone()); /* what the writer could not do, the last reader did */
    assert_ok(es_recording_open(scope_path, &rec));
    assert_int_equal(scope_check_events(rec, &stream, 1), EVENTS);
    es_recording_close(rec);
    munmap(shared, 4096);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scope_setup, scope_teardown)
    const struct CMUnitTest tests[] = {T(while_it_is_written), T(a_reader_that_stays)};
    return cmocka_run_group_tests_name("store live", tests, NULL, NULL);
}
