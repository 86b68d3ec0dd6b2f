/* SPDX-License-Identifier: MIT */
/* Whether a session lives, is orphaned or stale, told from real processes that live, die, and wait as
 * zombies. */
#include "check.h"

#include "wire/sessiondir.h"

static char *base;

static int make_base(void **state)
{
    (void)state;
    base = new_place();
    setenv("ELIXIRSCOPE_SHM", base, 1);
    return 0;
}

static int drop_base(void **state)
{
    (void)state;
    drop_place(base);
    return 0;
}

static int wait_forever(void *context)
{
    (void)context;
    for (;;)
        pause();
    return 0;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(exit_code(pid), -SIGKILL);
}

/* A session whose recorder was a process that is gone, with an arena. */
static struct es_session_dir orphan(struct es_arena *ret_arena)
{
    struct es_session_dir dir;
    assert_int_equal(es_session_dir_create((uid_t)-1, &dir), 0);
    pid_t pid = in_child(wait_forever, NULL);
    dir.recorder = pid;
    dir.recorder_start = es_process_start(pid);
    assert_int_equal(es_session_dir_life(&dir), ES_SESSION_LIVE);
    end(pid);
    struct es_arena_plan plan = {.schedulers = 2, .scheduler_bytes = ES_RING_MIN, .owner = (uid_t)-1};
    snprintf(dir.arena, sizeof dir.arena, "%.1000s/arena", dir.path);
    assert_int_equal(es_arena_create(dir.arena, &plan, ret_arena), 0);
    assert_int_equal(es_session_dir_save(&dir), 0);
    return dir;
}

static void start_times_are_those_of_living_processes(void **state)
{
    (void)state;
    uint64_t mine = es_process_start(getpid());
    assert_true(mine > 0);
    pid_t pid = in_child(wait_forever, NULL);
    uint64_t theirs = es_process_start(pid);
    assert_true(theirs >= mine);
    assert_true(es_process_start(1) <= mine);
    kill(pid, SIGKILL);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0); /* dead, and a zombie */
    assert_int_equal(es_process_start(pid), 0);
    assert_int_equal(exit_code(pid), -SIGKILL);
    assert_int_equal(es_process_start(pid), 0);
    assert_int_equal(es_process_start(0), 0);
    assert_int_equal(es_process_start(-1), 0);
    assert_int_equal(es_process_start(INT32_MAX), 0);
}

static int wait_with_a_strange_name(void *context)
{
    prctl(PR_SET_NAME, ") R 1 (x 2", 0, 0, 0);
    char ready = 1;
    if (write(*(int *)context, &ready, 1) != 1)
        return 1;
    return wait_forever(NULL);
}

static void names_of_processes_do_not_confuse(void **state)
{
    (void)state;
    int ends[2];
    char ready = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t plain = in_child(wait_forever, NULL);
    pid_t strange = in_child(wait_with_a_strange_name, &ends[1]);
    assert_int_equal(read(ends[0], &ready, 1), 1);
    assert_true(es_process_start(strange) >= es_process_start(plain));
    assert_true(es_process_start(strange) <= es_process_start(plain) + (uint64_t)sysconf(_SC_CLK_TCK) * 3600);
    end(strange);
    end(plain);
    close(ends[0]);
    close(ends[1]);
}

static void without_anybody_and_anything_it_is_stale(void **state)
{
    (void)state;
    struct es_arena arena;
    struct es_session_dir dir = orphan(&arena);
    assert_int_equal(es_session_dir_life(&dir), ES_SESSION_STALE);
    es_arena_close(&arena);
    unlink(dir.arena);
    assert_int_equal(es_session_dir_life(&dir), ES_SESSION_STALE);
    dir.arena[0] = '\0';
    assert_int_equal(es_session_dir_life(&dir), ES_SESSION_STALE);
}

static void events_that_nobody_has_saved_make_it_orphaned(void **state)
{
    (void)state;
    struct es_arena arena;
    struct es_session_dir dir = orphan(&arena);
    atomic_store(&arena.rings[1].head->head, 4096);
    assert_int_equal(es_session_dir_life(&dir), ES_SESSION_ORPHANED);
    atomic_store(&arena.rings[1].head->tail, 4088);
    assert_int_equal(es_session_dir_life(&dir), ES_SESSION_ORPHANED);
    atomic_store(&arena.rings[1].head->tail, 4096);
    assert_int_equal(es_session_dir_life(&dir), ES_SESSION_STALE);
    atomic_store(&arena.rings[1].head->head, 8192);
    atomic_store(&arena.rings[1].head->tail, 99999); /* an arena that lies has nothing to save */
    assert_int_equal(es_session_dir_life(&dir), ES_SESSION_STALE);
    es_arena_close(&arena);
}

static void a_living_vm_or_engine_makes_it_orphaned(void **state)
{
    (void)state;
    struct es_arena arena;
    struct es_session_dir dir = orphan(&arena);
    pid_t pid = in_child(wait_forever, NULL);
    dir.vm = pid;
    dir.vm_start = es_process_start(pid);
    assert_int_equal(es_session_dir_life(&dir), ES_SESSION_ORPHANED);
    dir.vm_start++; /* the same number, another process */
    assert_int_equal(es_session_dir_life(&dir), ES_SESSION_STALE);
    dir.engine = pid;
    dir.engine_start = es_process_start(pid);
    assert_int_equal(es_session_dir_life(&dir), ES_SESSION_ORPHANED);
    end(pid);
    assert_int_equal(es_session_dir_life(&dir), ES_SESSION_STALE);
    es_arena_close(&arena);
}

static void a_reused_process_id_is_not_the_recorder(void **state)
{
    (void)state;
    struct es_session_dir dir;
    assert_int_equal(es_session_dir_create((uid_t)-1, &dir), 0);
    assert_int_equal(es_session_dir_life(&dir), ES_SESSION_LIVE);
    dir.recorder_start--;
    assert_int_equal(es_session_dir_life(&dir), ES_SESSION_STALE);
}

static void a_recorder_that_waits_as_a_zombie_is_dead(void **state)
{
    (void)state;
    struct es_session_dir dir;
    assert_int_equal(es_session_dir_create((uid_t)-1, &dir), 0);
    pid_t pid = in_child(wait_forever, NULL);
    dir.recorder = pid;
    dir.recorder_start = es_process_start(pid);
    kill(pid, SIGKILL);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(es_session_dir_life(&dir), ES_SESSION_STALE);
    assert_int_equal(exit_code(pid), -SIGKILL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_base, drop_base)
    const struct CMUnitTest tests[] = {
        TEST(start_times_are_those_of_living_processes), TEST(names_of_processes_do_not_confuse),
        TEST(without_anybody_and_anything_it_is_stale),  TEST(events_that_nobody_has_saved_make_it_orphaned),
        TEST(a_living_vm_or_engine_makes_it_orphaned),   TEST(a_reused_process_id_is_not_the_recorder),
        TEST(a_recorder_that_waits_as_a_zombie_is_dead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
