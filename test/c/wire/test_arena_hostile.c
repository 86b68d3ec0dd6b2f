/* SPDX-License-Identifier: MIT */
/* Opening what somebody else has made: wrong kinds of files, wrong owners and modes, heads that lie. */
#include "check.h"

#define NOBODY 65534u

struct place {
    char *dir, arena[128], other[128];
};

static int make_place(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    place->dir = new_place();
    snprintf(place->arena, sizeof place->arena, "%s/arena", place->dir);
    snprintf(place->other, sizeof place->other, "%s/other", place->dir);
    struct es_arena_plan plan = {.schedulers = 2, .scheduler_bytes = ES_RING_MIN, .owner = (uid_t)-1};
    struct es_arena arena;
    assert_int_equal(es_arena_create(place->arena, &plan, &arena), 0);
    assert_int_equal(es_arena_redact(&arena, ES_REDACT_KEY, "secret"), 0);
    es_arena_close(&arena);
    *state = place;
    return 0;
}

static int remove_place(void **state)
{
    struct place *place = *state;
    drop_place(place->dir);
    free(place);
    return 0;
}

static int try_open(const char *path)
{
    struct es_arena arena = {.fd = -77};
    int rc = es_arena_open(path, &arena);
    if (rc == 0)
        es_arena_close(&arena);
    else
        assert_int_equal(arena.fd, -77); /* untouched */
    return rc;
}

static void links_and_other_files_are_refused(void **state)
{
    struct place *place = *state;
    assert_int_equal(try_open(place->arena), 0);
    assert_int_equal(symlink(place->arena, place->other), 0);
    assert_int_equal(try_open(place->other), -ELOOP);
    unlink(place->other);
    assert_int_equal(link(place->arena, place->other), 0);
    assert_int_equal(try_open(place->arena), -EPERM); /* a second name may be in anybody's hands */
    unlink(place->other);
    assert_int_equal(try_open(place->other), -ENOENT);
    assert_int_equal(try_open(place->dir), -EISDIR);
    assert_int_equal(mkfifo(place->other, 0600), 0);
    assert_int_equal(try_open(place->other), -EPERM);
    assert_int_equal(try_open("/dev/null"), -EPERM);
    assert_int_equal(try_open(place->arena), 0);
}

static void only_proc_paths_may_be_links(void **state)
{
    struct place *place = *state;
    char path[128];
    int fd = open(place->arena, O_RDWR | O_CLOEXEC);
    snprintf(path, sizeof path, "/proc/%d/fd/%d", getpid(), fd);
    assert_int_equal(try_open(path), 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    assert_int_equal(try_open(path), 0);
    snprintf(path, sizeof path, "/proc/self/task/%d/fd/%d", getpid(), fd);
    assert_int_equal(try_open(path), -ELOOP);
    snprintf(path, sizeof path, "/proc/../proc/self/fd/%d", fd);
    assert_int_equal(try_open(path), -ELOOP);
    close(fd);
    assert_int_equal(try_open(path), -ENOENT);
    int zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", zero);
    assert_int_equal(try_open(path), -EPERM);
    close(zero);
}

static void modes_and_owners_count(void **state)
{
    struct place *place = *state;
    static const mode_t modes[] = {0640, 0604, 0666, 0644, 0700, 04600};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        assert_int_equal(chmod(place->arena, modes[i]), 0);
        assert_int_equal(try_open(place->arena), -EPERM);
    }
    assert_int_equal(chmod(place->arena, 0600), 0);
    assert_int_equal(try_open(place->arena), 0);
}

static int open_as_nobody(void *context) { return setresuid(NOBODY, NOBODY, NOBODY) < 0 ? 99 : -try_open(context); }

static void root_makes_arenas_for_others(void **state)
{
    struct place *place = *state;
    if (geteuid() != 0) {
        skip();
        return;
    }
    assert_int_equal(chmod(place->dir, 0755), 0);
    assert_int_equal(exit_code(in_child(open_as_nobody, place->arena)), EACCES);
    assert_int_equal(chown(place->arena, NOBODY, (gid_t)-1), 0);
    assert_int_equal(exit_code(in_child(open_as_nobody, place->arena)), 0);
    assert_int_equal(try_open(place->arena), 0);
    assert_int_equal(chown(place->arena, 1, (gid_t)-1), 0);
    assert_int_equal(chmod(place->arena, 0666), 0); /* readable for them, but somebody else's */
    assert_int_equal(exit_code(in_child(open_as_nobody, place->arena)), EPERM);
}

static void change(const char *path, size_t offset, uint64_t value, size_t n)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, &value, n, (off_t)offset), n);
    close(fd);
}

static void a_hole_is_refused(void **state)
{
    struct place *place = *state;
    struct stat st;
    int fd = open(place->arena, O_RDWR | O_CLOEXEC);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, st.st_size - 65536, 65536), 0);
    assert_int_equal(try_open(place->arena), -EBADMSG); /* where the file system is full, writing there would kill */
    assert_int_equal(posix_fallocate(fd, 0, st.st_size), 0);
    assert_int_equal(try_open(place->arena), 0);
    close(fd);
}

static void wrong_sizes_are_refused(void **state)
{
    struct place *place = *state;
    struct stat st;
    assert_int_equal(stat(place->arena, &st), 0);
    const off_t sizes[] = {0, 1, 4096, 16384, st.st_size - 4096, st.st_size - 1, st.st_size + 1, st.st_size + 4096};
    int fd = open(place->arena, O_RDWR | O_CLOEXEC);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_int_equal(ftruncate(fd, sizes[i]), 0);
        assert_int_equal(try_open(place->arena), -EBADMSG);
    }
    close(fd);
}

#define HEAD(field) offsetof(struct es_arena_head, field), sizeof(((struct es_arena_head *)0)->field)

static void lying_heads_are_refused(void **state)
{
    struct place *place = *state;
    struct es_arena_head head;
    int fd = open(place->arena, O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(fd, &head, sizeof head, 0), sizeof head);
    close(fd);
    const struct {
        size_t offset, n;
        uint64_t bad;
    } lies[] = {
        {HEAD(magic), 0},
        {HEAD(version), ES_ARENA_VERSION + 1},
        {HEAD(version), 0},
        {HEAD(clock), 0},
        {HEAD(clock), 3},
        {HEAD(clock_rate), 0},
        {HEAD(page), 0},
        {HEAD(page), 8192},
        {HEAD(size), 0},
        {HEAD(size), head.size + 4096},
        {HEAD(size), UINT64_MAX},
        {HEAD(n_rings), 0},
        {HEAD(n_rings), 1},
        {HEAD(n_rings), 3},
        {HEAD(n_rings), ES_RINGS_MAX + 1},
        {HEAD(n_rings), UINT32_MAX},
        {HEAD(n_redact), ES_REDACT_MAX + 1},
        {HEAD(redact[0].len), 0},
        {HEAD(redact[0].len), ES_REDACT_TEXT + 1},
        {HEAD(redact[0].kind), 0},
        {HEAD(redact[0].kind), 9},
        {HEAD(ring[0].offset), 0},
        {HEAD(ring[0].offset), head.ring[0].offset + 8},
        {HEAD(ring[1].offset), head.ring[0].offset},
        {HEAD(ring[1].offset), UINT64_MAX - 4095},
        {HEAD(ring[0].size), 0},
        {HEAD(ring[0].size), ES_RING_MIN / 2},
        {HEAD(ring[0].size), ES_RING_MIN * 2},
        {HEAD(ring[1].size), ES_RING_MIN * 2},
        {HEAD(ring[1].size), UINT64_C(1) << 63},
        {HEAD(ring[1].size), ES_RING_MIN + 1},
        {HEAD(ring[0].class), 0},
        {HEAD(ring[0].class), 3},
        {HEAD(ring[0].class), ES_RING_OTHER},
    };
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        uint64_t good = 0;
        memcpy(&good, (const uint8_t *)&head + lies[i].offset, lies[i].n);
        change(place->arena, lies[i].offset, lies[i].bad, lies[i].n);
        assert_int_equal(try_open(place->arena), -EBADMSG);
        change(place->arena, lies[i].offset, good, lies[i].n);
        assert_int_equal(try_open(place->arena), 0);
    }
}

static void lying_rings_are_refused(void **state)
{
    struct place *place = *state;
    size_t ring = (sizeof(struct es_arena_head) + 4095) / 4096 * 4096 + 4096 + ES_RING_MIN; /* the second */
    if (sysconf(_SC_PAGESIZE) != 4096) {
        skip();
        return;
    }
    size_t head_at = ring + offsetof(struct es_ring_head, head), tail_at = ring + offsetof(struct es_ring_head, tail);
    const struct {
        uint64_t head, tail;
        int rc;
    } positions[] = {
        {0, 0, 0},
        {4096, 8, 0},
        {ES_RING_MIN, 0, 0},
        {UINT64_MAX - 7, UINT64_MAX - 4095, 0},
        {ES_RING_MIN + 8, 0, -EBADMSG},
        {0, 8, -EBADMSG},
        {12, 8, -EBADMSG},
        {16, 4, -EBADMSG},
        {UINT64_MAX, 0, -EBADMSG},
    };
    for (size_t i = 0; i < sizeof positions / sizeof positions[0]; i++) {
        change(place->arena, head_at, positions[i].head, 8);
        change(place->arena, tail_at, positions[i].tail, 8);
        assert_int_equal(try_open(place->arena), positions[i].rc);
    }
    change(place->arena, head_at, 0, 8);
    change(place->arena, tail_at, 0, 8);
    change(place->arena, ring, ES_RING_MIN * 2, 8);
    assert_int_equal(try_open(place->arena), -EBADMSG);
}

/* Any byte of the head may be anything: opening never crashes, and refusing leaves no mapping and no
 * descriptor. */
static void random_heads_do_no_harm(void **state)
{
    struct place *place = *state;
    uint64_t seed = 4711, refused = 0;
    size_t fds = count_entries("/proc/self/fd");
    for (int i = 0; i < 3000; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1;
        size_t offset = i % 2 ? (seed >> 33) % 256 : offsetof(struct es_arena_head, ring) + (seed >> 33) % 72;
        uint8_t before;
        int fd = open(place->arena, O_RDWR | O_CLOEXEC);
        assert_int_equal(pread(fd, &before, 1, (off_t)offset), 1);
        change(place->arena, offset, seed >> 20, 1);
        refused += try_open(place->arena) < 0;
        change(place->arena, offset, before, 1);
        close(fd);
    }
    assert_true(refused > 500 && refused < 3000);
    assert_int_equal(try_open(place->arena), 0);
    assert_int_equal(count_entries("/proc/self/fd"), fds);
    assert_int_equal(count_lines_with("/proc/self/maps", place->dir), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, remove_place)
    const struct CMUnitTest tests[] = {
        TEST(links_and_other_files_are_refused),
        TEST(only_proc_paths_may_be_links),
        TEST(modes_and_owners_count),
        TEST(root_makes_arenas_for_others),
        TEST(a_hole_is_refused),
        TEST(wrong_sizes_are_refused),
        TEST(lying_heads_are_refused),
        TEST(lying_rings_are_refused),
        TEST(random_heads_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
