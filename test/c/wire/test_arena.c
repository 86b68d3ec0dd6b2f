/* SPDX-License-Identifier: MIT */
/* Making arenas: where, how large, whose; what is in a new one; redaction rules. */
#include "check.h"

#include <linux/magic.h>
#include <sched.h>
#include <sys/statfs.h>

#define MIB (UINT64_C(1) << 20)
#define NOBODY 65534u

static struct es_arena_plan plan_of(uint32_t schedulers, uint64_t scheduler_bytes, uint32_t others,
                                    uint64_t other_bytes)
{
    return (struct es_arena_plan){.schedulers = schedulers,
                                  .scheduler_bytes = scheduler_bytes,
                                  .others = others,
                                  .other_bytes = other_bytes,
                                  .owner = (uid_t)-1};
}

static char *path_in(const char *place, const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", place, name);
    return path;
}

/* Every byte of all rings can be written: a hole in a full file system would kill us here. */
static void fill(const struct es_arena *arena)
{
    for (uint32_t i = 0; i < arena->n_rings; i++)
        memset(arena->rings[i].data, 0xa5, arena->rings[i].size);
}

static void a_new_arena_is_whole(void **state)
{
    (void)state;
    char *place = new_place();
    struct es_arena_plan plan = plan_of(2, 2 * MIB, 3, MIB);
    struct es_arena arena;
    umask(0777); /* must not matter */
    assert_int_equal(es_arena_create(path_in(place, "arena"), &plan, &arena), 0);
    umask(022);
    struct stat st;
    assert_int_equal(stat(path_in(place, "arena"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, arena.head->size);
    assert_true(st.st_blocks * 512 >= st.st_size);
    assert_false(arena.memfd || arena.shrunk);
    assert_int_equal(arena.n_rings, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(arena.rings[i].size, i < 2 ? 2 * MIB : MIB);
        assert_int_equal(arena.rings[i].head->class, i < 2 ? ES_RING_SCHEDULER : ES_RING_OTHER);
        assert_int_equal(atomic_load(&arena.rings[i].head->claimed), 0);
        memset(arena.rings[i].data, (int)i, 8);
        assert_memory_equal(arena.rings[i].data + arena.rings[i].size, arena.rings[i].data, 8); /* mapped twice */
    }
    assert_memory_equal(arena.head->magic, ES_ARENA_MAGIC, 8);
    assert_int_equal(atomic_load(&arena.head->recorder_pid), getpid());
    assert_int_equal(atomic_load(&arena.head->limits.payload_bytes), 1024);
    assert_int_equal(atomic_load(&arena.head->limits.sample), 65536);
    assert_int_equal(atomic_load(&arena.head->enabled), 0);
    uint8_t zero[16] = {0};
    assert_memory_not_equal(arena.head->id, zero, 16);
    fill(&arena);
    es_arena_close(&arena);
    assert_int_equal(count_lines_with("/proc/self/maps", place), 0);
    drop_place(place);
}

static void both_sides_see_the_same(void **state)
{
    (void)state;
    char *place = new_place();
    struct es_arena_plan plan = plan_of(1, MIB, 1, ES_RING_MIN);
    struct es_arena one, two;
    assert_int_equal(es_arena_create(path_in(place, "arena"), &plan, &one), 0);
    atomic_store(&one.rings[1].head->head, 4096);
    assert_int_equal(es_arena_open(path_in(place, "arena"), &two), 0);
    assert_int_equal(two.n_rings, 2);
    assert_int_equal(two.rings[1].pos, 4096); /* goes on where the last writer ended */
    assert_memory_equal(two.head->id, one.head->id, 16);
    memcpy(one.rings[0].data + MIB - 4, "straddle", 8);
    assert_memory_equal(two.rings[0].data, "ddle", 4);
    atomic_store(&two.head->enabled, 1);
    assert_int_equal(atomic_load(&one.head->enabled), 1);
    es_arena_close(&two);
    es_arena_close(&one);
    drop_place(place);
}

static void impossible_plans_are_refused(void **state)
{
    (void)state;
    const struct es_arena_plan plans[] = {
        plan_of(0, MIB, 0, MIB),
        plan_of(1, MIB + 8, 0, 0),
        plan_of(1, ES_RING_MIN / 2, 0, 0),
        plan_of(1, MIB, 1, 0),
        plan_of(ES_RINGS_MAX + 1, MIB, 0, 0),
        plan_of(UINT32_MAX, MIB, 1, MIB),
        plan_of(1, MIB, UINT32_MAX, MIB),
        plan_of(1, UINT64_C(1) << 41, 0, 0),
    };
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        struct es_arena arena = {.fd = -77};
        assert_int_equal(es_arena_create(NULL, &plans[i], &arena), -EINVAL);
        assert_int_equal(arena.fd, -77);
    }
}

static void what_is_there_is_left_alone(void **state)
{
    (void)state;
    char *place = new_place();
    struct es_arena_plan plan = plan_of(1, ES_RING_MIN, 0, 0);
    struct es_arena arena;
    int fd = open(path_in(place, "there"), O_WRONLY | O_CREAT, 0644);
    assert_int_equal(write(fd, "mine", 4), 4);
    close(fd);
    assert_int_equal(es_arena_create(path_in(place, "there"), &plan, &arena), -EEXIST);
    struct stat st;
    assert_int_equal(stat(path_in(place, "there"), &st), 0);
    assert_int_equal(st.st_size, 4);
    assert_int_equal(symlink("nowhere", path_in(place, "link")), 0);
    assert_int_equal(es_arena_create(path_in(place, "link"), &plan, &arena), -EEXIST);
    assert_int_equal(es_arena_create(path_in(place, "no/such/dir"), &plan, &arena), -ENOENT);
    assert_int_equal(count_entries(place), 2);
    drop_place(place);
}

static void a_cap_shrinks_the_larger_rings_first(void **state)
{
    (void)state;
    char *place = new_place();
    struct es_arena_plan plan = plan_of(2, 4 * MIB, 2, MIB);
    struct es_arena arena;
    plan.max_bytes = 4 * MIB; /* all of 1 MiB would fit, but for the heads */
    assert_int_equal(es_arena_create(path_in(place, "arena"), &plan, &arena), 0);
    assert_true(arena.shrunk && !arena.memfd);
    assert_true(arena.head->size <= plan.max_bytes);
    assert_int_equal(arena.rings[0].size, MIB);
    assert_int_equal(arena.rings[3].size, MIB / 2);
    es_arena_close(&arena);
    unlink(path_in(place, "arena"));
    plan.max_bytes = MIB; /* four times 256 KiB and heads do not fit */
    assert_int_equal(es_arena_create(path_in(place, "arena"), &plan, &arena), -ENOSPC);
    assert_int_equal(es_arena_create(NULL, &plan, &arena), -ENOSPC);
    assert_int_equal(count_entries(place), 0);
    drop_place(place);
}

static int open_of_parent(void *context)
{
    const struct es_arena *arena = context;
    char path[64];
    struct es_arena own;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", getppid(), arena->fd);
    if (es_arena_open(path, &own) < 0 || !own.memfd)
        return 1;
    return memcmp(own.head->id, arena->head->id, 16) == 0 ? 0 : 2;
}

static void a_memfd_is_reached_through_proc(void **state)
{
    (void)state;
    struct es_arena_plan plan = plan_of(1, MIB, 0, 0);
    struct es_arena arena;
    assert_int_equal(es_arena_create(NULL, &plan, &arena), 0);
    assert_true(arena.memfd && !arena.shrunk);
    assert_int_equal(exit_code(in_child(open_of_parent, &arena)), 0);
    assert_int_equal(ftruncate(arena.fd, 4096), -1); /* nobody can pull it away under a mapping */
    es_arena_close(&arena);
}

static void a_disk_is_no_place_for_rings(void **state)
{
    (void)state;
    char name[] = "es-arena-XXXXXX"; /* in the build directory */
    struct statfs fs;
    assert_non_null(mkdtemp(name));
    assert_int_equal(statfs(name, &fs), 0);
    struct es_arena_plan plan = plan_of(1, MIB, 0, 0);
    struct es_arena arena;
    assert_int_equal(es_arena_create(path_in(name, "arena"), &plan, &arena), 0);
    assert_int_equal(arena.memfd, fs.f_type != TMPFS_MAGIC);
    assert_int_equal(count_entries(name), arena.memfd ? 0 : 1);
    es_arena_close(&arena);
    unlink(path_in(name, "arena"));
    rmdir(name);
}

/* ---- small and full file systems ------------------------------------------------------------------------- */

/* A tmpfs of 4 MiB of our own, or NULL where we may not mount. */
static char *tiny_place(void)
{
    if (geteuid() != 0)
        return NULL;
    char *place = new_place();
    if (mount("none", place, "tmpfs", 0, "size=4m,mode=700") == 0)
        return place;
    rmdir(place);
    free(place);
    return NULL;
}

static void drop_tiny(char *place)
{
    assert_int_equal(umount(place), 0);
    drop_place(place);
}

static void too_small_a_file_system_gives_a_memfd(void **state)
{
    (void)state;
    char *place = tiny_place();
    if (!place) {
        skip();
        return;
    }
    struct es_arena_plan plan = plan_of(2, 4 * MIB, 1, MIB);
    struct es_arena arena;
    assert_int_equal(es_arena_create(path_in(place, "arena"), &plan, &arena), 0);
    assert_true(arena.memfd && !arena.shrunk);
    assert_int_equal(count_entries(place), 0);
    fill(&arena);
    es_arena_close(&arena);
    drop_tiny(place);
}

static void what_fits_half_of_a_tiny_one_stays_there(void **state)
{
    (void)state;
    char *place = tiny_place();
    if (!place) {
        skip();
        return;
    }
    struct es_arena_plan plan = plan_of(1, MIB, 1, ES_RING_MIN);
    struct es_arena arena;
    assert_int_equal(es_arena_create(path_in(place, "arena"), &plan, &arena), 0);
    assert_true(!arena.memfd && !arena.shrunk);
    int fd = open(path_in(place, "filler"), O_WRONLY | O_CREAT, 0600);
    char block[65536] = {1};
    while (write(fd, block, sizeof block) > 0)
        ;
    close(fd);
    fill(&arena); /* the file system is full now, and all of the arena is still ours */
    es_arena_close(&arena);
    drop_tiny(place);
}

static void a_foreign_owner_gets_smaller_rings_but_no_memfd(void **state)
{
    (void)state;
    char *place = tiny_place();
    if (!place) {
        skip();
        return;
    }
    struct es_arena_plan plan = plan_of(2, 4 * MIB, 2, MIB);
    struct es_arena arena;
    plan.owner = NOBODY;
    assert_int_equal(es_arena_create(path_in(place, "arena"), &plan, &arena),
                     -EPERM); /* not in somebody else's directory */
    assert_int_equal(chown(place, NOBODY, NOBODY), 0);
    assert_int_equal(es_arena_create(path_in(place, "arena"), &plan, &arena), 0);
    assert_true(arena.shrunk && !arena.memfd);
    assert_true(arena.head->size <= 2 * MIB);
    struct stat st;
    assert_int_equal(fstat(arena.fd, &st), 0);
    assert_int_equal(st.st_uid, NOBODY);
    fill(&arena);
    es_arena_close(&arena);
    unlink(path_in(place, "arena"));
    plan.schedulers = 64;
    assert_int_equal(es_arena_create(path_in(place, "arena"), &plan, &arena), -ENOSPC);
    assert_int_equal(count_entries(place), 0);
    drop_tiny(place);
}

/* ---- redaction ------------------------------------------------------------------------------------------- */

static void redaction_rules_are_kept(void **state)
{
    (void)state;
    struct es_arena arena = one_ring();
    assert_int_equal(es_arena_redact(&arena, ES_REDACT_KEY, "PassWord"), 0);
    assert_int_equal(es_arena_redact(&arena, ES_REDACT_STRUCT, "Elixir.MyApp.Card"), 0);
    assert_int_equal(es_arena_redact(&arena, ES_REDACT_KEY, "password"), 0); /* is there */
    assert_int_equal(arena.head->n_redact, 2);
    assert_int_equal(arena.head->redact[0].len, 8);
    assert_memory_equal(arena.head->redact[0].text, "password", 8);
    assert_memory_equal(arena.head->redact[1].text, "Elixir.MyApp.Card", 17);

    char longest[ES_REDACT_TEXT + 2] = "";
    memset(longest, 'x', ES_REDACT_TEXT);
    assert_int_equal(es_arena_redact(&arena, ES_REDACT_KEY, longest), 0);
    longest[ES_REDACT_TEXT] = 'x';
    assert_int_equal(es_arena_redact(&arena, ES_REDACT_KEY, longest), -EINVAL);
    assert_int_equal(es_arena_redact(&arena, ES_REDACT_KEY, ""), -EINVAL);
    for (int i = 3; i < ES_REDACT_MAX; i++) {
        char key[16];
        snprintf(key, sizeof key, "key%d", i);
        assert_int_equal(es_arena_redact(&arena, ES_REDACT_KEY, key), 0);
    }
    assert_int_equal(es_arena_redact(&arena, ES_REDACT_KEY, "one more"), -ENOSPC);
    atomic_store(&arena.head->enabled, 1);
    assert_int_equal(es_arena_redact(&arena, ES_REDACT_KEY, "late"), -EBUSY);
    es_arena_close(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_arena_is_whole),
        cmocka_unit_test(both_sides_see_the_same),
        cmocka_unit_test(impossible_plans_are_refused),
        cmocka_unit_test(what_is_there_is_left_alone),
        cmocka_unit_test(a_cap_shrinks_the_larger_rings_first),
        cmocka_unit_test(a_memfd_is_reached_through_proc),
        cmocka_unit_test(a_disk_is_no_place_for_rings),
        cmocka_unit_test(too_small_a_file_system_gives_a_memfd),
        cmocka_unit_test(what_fits_half_of_a_tiny_one_stays_there),
        cmocka_unit_test(a_foreign_owner_gets_smaller_rings_but_no_memfd),
        cmocka_unit_test(redaction_rules_are_kept),
    };
    if (geteuid() == 0 && unshare(CLONE_NEWNS) == 0) /* mounts of these tests end with them */
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
