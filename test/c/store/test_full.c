/* SPDX-License-Identifier: MIT */
/* No space left: a commit says so and loses nothing, the file stays readable, and it goes on when there is space again. */
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "scope.h"

static struct scope_stream stream = {0, false, 2000};

/* Everything that was committed can be read by another. */
static void check_readable(uint64_t committed)
{
    struct es_recording *rec;
    assert_ok(es_recording_open(scope_path, &rec));
    assert_null(es_recording_meta(rec, "warning"));
    assert_int_equal(scope_check_events(rec, &stream, 1), committed);
    es_recording_close(rec);
}

/* Tries again: nothing changes while there is no space. A checkpoint may have made some meanwhile. */
static int commit_five_times(struct es_store *store, size_t waiting)
{
    int r = -ENOSPC;
    for (int i = 0; i < 5 && r == -ENOSPC; i++) {
        assert_int_equal(es_store_pending(store, NULL), waiting);
        r = es_store_commit(store, NULL);
        if (r == -ENOSPC)
            assert_non_null(strstr(es_error_text(), "no space left"));
        else
            assert_ok(r);
        es_error_clear();
    }
    return r;
}

/* Writes until the space ends. Returns how many events are in the file; more wait. */
static uint64_t write_until_full(struct es_store *store, uint64_t *seq)
{
    for (uint64_t committed = *seq - 1;; committed = *seq - 1) {
        scope_add(store, &stream, *seq, *seq + 199);
        *seq += 200;
        assert_ok(es_store_define(store, es_ref_make(ES_REF_ATOM, *seq), "atom", 4));
        assert_ok(es_store_count(store, "added", 200));
        if (commit_five_times(store, 200) < 0)
            return committed;
    }
}

static int look_for(const char *name, uint64_t value, void *context)
{
    if (strcmp(name, "added") == 0)
        *(uint64_t *)context = value;
    return 0;
}
static void check_counter(uint64_t value)
{
    struct es_recording *rec;
    uint64_t found = 0;
    assert_ok(es_recording_open(scope_path, &rec));
    assert_ok(es_recording_each_counter(rec, look_for, &found));
    assert_int_equal(found, value);
    es_recording_close(rec);
}

static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void fills_and_goes_on(void (*more)(void))
{
    struct es_store *store;
    struct es_store_options options = scope_options();
    uint64_t seq = 1;
    stream.seed = random_start();
    assert_ok(es_store_create(&options, &store));
    uint64_t committed = write_until_full(store, &seq);
    assert_true(committed > 1000);
    assert_int_equal(es_store_pending(store, NULL), seq - 1 - committed);
    check_readable(committed);
    more();
    assert_ok(es_store_commit(store, NULL));
    check_readable(seq - 1);
    scope_add(store, &stream, seq, seq + 999);
    seq += 1000;
    assert_ok(es_store_close(store, NULL));
    check_readable(seq - 1);
    check_counter(seq - 1 - 1000);
}

static void lift_limit(void) { limit_file_size(RLIM_INFINITY); }

static void by_size_of_files(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    limit_file_size(3 << 20);
    fills_and_goes_on(lift_limit);
}

static void make_small_disk(void)
{
    pid_t child = fork(); /* may this process mount at all? */
    if (child == 0)
        _exit(unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
              mount("none", scope_dir, "tmpfs", 0, "size=4m") < 0);
    int status;
    waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        skip();
    assert_int_equal(unshare(CLONE_NEWNS), 0);
    assert_int_equal(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    assert_int_equal(mount("none", scope_dir, "tmpfs", 0, "size=4m"), 0);
}

static void grow_disk(void) { assert_int_equal(mount("none", scope_dir, "tmpfs", MS_REMOUNT, "size=64m"), 0); }

static void on_a_small_disk(void **state)
{
    (void)state;
    make_small_disk();
    fills_and_goes_on(grow_disk);
    umount(scope_dir);
}

/* Stopped for good: what was committed stays readable, by those who come later too. */
static void closed_while_full(void **state)
{
    (void)state;
    struct es_store *store;
    struct es_store_options options = scope_options();
    uint64_t seq = 1;
    stream.seed = random_start();
    make_small_disk();
    assert_ok(es_store_create(&options, &store));
    uint64_t committed = write_until_full(store, &seq);
    assert_int_equal(es_store_close(store, "disk full"), -ENOSPC);
    es_error_clear();
    check_readable(committed);
    umount(scope_dir);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scope_setup, scope_teardown)
    const struct CMUnitTest tests[] = {T(by_size_of_files), T(on_a_small_disk), T(closed_while_full)};
    return cmocka_run_group_tests_name("store on a full disk", tests, NULL, NULL);
}
