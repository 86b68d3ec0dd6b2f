/* SPDX-License-Identifier: MIT */
/* The writer is killed at any moment and another goes on: nothing that was committed is lost, nothing is there twice. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "scope.h"

#define ROUNDS 20

struct shared {
    volatile uint64_t committed;
};

/* Writes on from where the file says, until it is killed. The position of ring 0 is how many events were taken out of it. */
static void write_until_killed(const struct scope_stream *stream, struct shared *shared)
{
    struct es_store *store;
    struct es_store_options options = scope_options();
    struct es_store_position position;
    options.group_events = 30000;
    int r = access(scope_path, F_OK) < 0 ? es_store_create(&options, &store) : es_store_resume(&options, &store);
    if (r < 0 || es_store_position(store, &position) < 0)
        _exit(1);
    uint64_t taken = position.n_rings ? position.rings[0].position : 0;
    if (taken + 1 != position.next_seq || position.next_seq <= shared->committed)
        _exit(2);
    for (;;) {
        struct es_event e = scope_event(stream, taken + 1);
        if (es_store_event(store, &e) < 0)
            _exit(3);
        taken++;
        if (es_store_group_full(store) && es_store_keyframe(store, &taken, sizeof taken) < 0)
            _exit(4);
        if (random_below(700) == 0) {
            struct es_ring_position ring = {.position = taken};
            struct es_store_position now = {.rings = &ring, .n_rings = 1};
            if (es_store_commit(store, &now) < 0)
                _exit(5);
            shared->committed = taken;
        }
    }
}

static uint64_t check_file(const struct scope_stream *stream, uint64_t committed)
{
    struct es_recording *rec;
    assert_ok(es_recording_open(scope_path, &rec));
    assert_false(es_recording_live(rec));
    assert_null(es_recording_meta(rec, "warning"));
    uint64_t n = scope_check_events(rec, stream, 1);
    assert_true(n >= committed);
    es_recording_close(rec);
    return n;
}

static void killed_at_any_moment(void **state)
{
    (void)state;
    struct scope_stream stream = {random_start(), false, 100};
    struct shared *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t n = 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t enough = shared->committed + 1;
        random_next();
        pid_t writer = fork();
        if (writer == 0)
            write_until_killed(&stream, shared);
        struct timespec wait = {0, (long)random_below(60000000)};
        while (shared->committed < enough && waitpid(writer, NULL, WNOHANG) == 0)
            nanosleep(&(struct timespec){0, 100000}, NULL);
        nanosleep(&wait, NULL);
        kill(writer, SIGKILL);
        int status;
        waitpid(writer, &status, 0);
        if (WIFEXITED(status))
            fail_msg("round %d: the writer ended with %d", round, WEXITSTATUS(status));
        if (round % 3 == 0) /* sometimes someone looks before the next writer comes */
            n = check_file(&stream, shared->committed);
    }
    n = check_file(&stream, shared->committed);
    print_message("%llu events over %d kills\n", (unsigned long long)n, ROUNDS);

    struct es_store *store;
    struct es_store_options options = scope_options();
    assert_ok(es_store_resume(&options, &store));
    scope_add(store, &stream, n + 1, n + 1000);
    assert_ok(es_store_close(store, NULL));
    assert_int_equal(check_file(&stream, n), n + 1000);
    munmap(shared, 4096);
}

/* The open block is rebuilt from its mini-blocks: after the next whole block none of them is left. */
static void minis_become_one_block(void **state)
{
    (void)state;
    struct scope_stream stream = {random_start(), false, 100};
    struct es_store_options options = scope_options();
    struct es_store *store;
    assert_ok(es_store_create(&options, &store));
    uint64_t seq = 1;
    for (int i = 0; i < 200; i++) {
        uint64_t to = seq + random_below(40);
        scope_add(store, &stream, seq, to);
        assert_ok(es_store_commit(store, NULL));
        seq = to + 1;
        if (i % 50 == 49) {
            struct es_recording *rec;
            const struct es_block_info *blocks;
            es_store_abandon(store);
            assert_int_equal(check_file(&stream, seq - 1), seq - 1);
            assert_ok(es_recording_open(scope_path, &rec));
            assert_in_range(es_recording_blocks(rec, &blocks), 2, 60);
            es_recording_close(rec);
            assert_ok(es_store_resume(&options, &store));
        }
    }
    assert_ok(es_store_close(store, NULL));
    struct es_recording *rec;
    const struct es_block_info *blocks;
    assert_ok(es_recording_open(scope_path, &rec));
    assert_int_equal(es_recording_blocks(rec, &blocks), 1);
    assert_int_equal(scope_check_events(rec, &stream, 1), seq - 1);
    es_recording_close(rec);
}

/* What was given but not committed is not in the file; the one that goes on gives it again. */
static void uncommitted_is_gone(void **state)
{
    (void)state;
    struct scope_stream stream = {random_start(), false, 100};
    struct es_store_options options = scope_options();
    struct es_store_position position;
    struct es_store *store;
    assert_ok(es_store_create(&options, &store));
    scope_add(store, &stream, 1, 70000);
    assert_ok(es_store_commit(store, NULL));
    scope_add(store, &stream, 70001, 140000);
    assert_int_equal(es_store_pending(store, NULL), 70000);
    es_store_abandon(store);
    assert_int_equal(check_file(&stream, 70000), 70000);
    assert_ok(es_store_resume(&options, &store));
    assert_ok(es_store_position(store, &position));
    free(position.blob);
    assert_int_equal(position.next_seq, 70001);
    scope_add(store, &stream, 70001, 80000);
    assert_ok(es_store_close(store, NULL));
    assert_int_equal(check_file(&stream, 80000), 80000);
}

/* The log is lost with the crash: what is in the file is told, with a warning. */
static void without_its_log(void **state)
{
    (void)state;
    struct scope_stream stream = {random_start(), false, 100};
    struct es_store_options options = scope_options();
    struct es_store *store;
    char command[512];
    assert_ok(es_store_create(&options, &store));
    scope_add(store, &stream, 1, 1000);
    assert_ok(es_store_commit(store, NULL));
    es_store_abandon(store);
    snprintf(command, sizeof command, "sqlite3 %s 'pragma wal_checkpoint(passive)' > /dev/null; rm -f %s-wal %s-shm",
             scope_path, scope_path, scope_path);
    assert_int_equal(system(command), 0);
    struct es_recording *rec;
    assert_ok(es_recording_open(scope_path, &rec));
    assert_non_null(es_recording_meta(rec, "warning"));
    assert_non_null(strstr(es_recording_meta(rec, "warning"), "missing"));
    assert_int_equal(scope_check_events(rec, &stream, 1), 1000);
    es_recording_close(rec);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scope_setup, scope_teardown)
    const struct CMUnitTest tests[] = {T(killed_at_any_moment), T(minis_become_one_block), T(uncommitted_is_gone),
                                       T(without_its_log)};
    return cmocka_run_group_tests_name("store crash", tests, NULL, NULL);
}
