/* SPDX-License-Identifier: MIT */
/* Session directories: made, saved, found, removed; what is refused because somebody else may have put it
 * there. */
#include "check.h"

#include <sched.h>

#include "wire/sessiondir.h"

#define NOBODY 65534u

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

static struct es_session_dir create(void)
{
    struct es_session_dir dir;
    assert_int_equal(es_session_dir_create((uid_t)-1, &dir), 0);
    return dir;
}

static char *own_parent(void)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/elixirscope-%u", base, (unsigned)geteuid());
    return path;
}

static char *text_of(const struct es_session_dir *dir)
{
    static char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/session", dir->path);
    return path;
}

static void expect_mode(const char *path, mode_t mode)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
}

static void expect_same(const struct es_session_dir *a, const struct es_session_dir *b)
{
    assert_string_equal(a->id, b->id);
    assert_string_equal(a->path, b->path);
    assert_string_equal(a->arena, b->arena);
    assert_string_equal(a->socket, b->socket);
    assert_string_equal(a->recording, b->recording);
    assert_string_equal(a->node, b->node);
    assert_int_equal(a->recorder, b->recorder);
    assert_int_equal(a->engine, b->engine);
    assert_int_equal(a->vm, b->vm);
    assert_true(a->recorder_start == b->recorder_start && a->engine_start == b->engine_start &&
                a->vm_start == b->vm_start);
    assert_true(a->created == b->created);
}

static void a_new_session_is_private_and_complete(void **state)
{
    (void)state;
    umask(0);
    struct es_session_dir dir = create(), read;
    umask(022);
    expect_mode(own_parent(), 0700);
    expect_mode(dir.path, 0700);
    expect_mode(text_of(&dir), 0600);
    assert_int_equal(strncmp(dir.path, own_parent(), strlen(own_parent())), 0);
    assert_string_equal(strrchr(dir.path, '/') + 1, dir.id);
    assert_string_equal(strrchr(dir.socket, '/'), "/agent.sock");
    assert_int_equal(dir.recorder, getpid());
    assert_int_equal(dir.recorder_start, es_process_start(getpid()));
    assert_int_equal(es_session_dir_life(&dir), ES_SESSION_LIVE);
    assert_int_equal(es_session_dir_load(dir.id, &read), 0);
    expect_same(&read, &dir);
    struct es_session_dir second = create(); /* within the same second, by the same process */
    assert_string_not_equal(second.path, dir.path);
    assert_int_equal(count_entries(dir.path), 1);
}

static void all_that_is_saved_is_read_back(void **state)
{
    (void)state;
    struct es_session_dir dir = create(), read;
    snprintf(dir.arena, sizeof dir.arena, "%.1000s/arena", dir.path);
    strcpy(dir.recording, "/tmp/a b%3D=\n\x01\x7fünd \"so\".scope");
    strcpy(dir.node, "app@host.example");
    dir.engine = 4711;
    dir.vm = INT32_MAX;
    dir.engine_start = UINT64_MAX;
    dir.vm_start = 1;
    dir.created = 1;
    assert_int_equal(es_session_dir_save(&dir), 0);
    assert_int_equal(es_session_dir_load(dir.path, &read), 0);
    expect_same(&read, &dir);
    assert_int_equal(count_entries(dir.path), 1);
    expect_mode(text_of(&dir), 0600);
    strcpy(dir.arena, "/proc/4711/fd/9");
    assert_int_equal(es_session_dir_save(&dir), 0);
    memset(dir.recording + 1, '\n', sizeof dir.recording - 2); /* as long as it can get */
    memset(dir.node, '%', sizeof dir.node - 1);
    assert_int_equal(es_session_dir_save(&dir), 0);
    assert_int_equal(es_session_dir_load(dir.id, &read), 0);
    expect_same(&read, &dir);
}

static void paths_as_people_write_them(void **state)
{
    (void)state;
    struct es_session_dir dir = create(), read;
    char written[PATH_MAX + 32];
    snprintf(written, sizeof written, "%s//", dir.path);
    assert_int_equal(es_session_dir_load(written, &read), 0);
    assert_string_equal(read.path, dir.path);
    char here[PATH_MAX];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(base), 0);
    snprintf(written, sizeof written, "%s", dir.path + strlen(base) + 1);
    int rc = es_session_dir_load(written, &read);
    assert_int_equal(chdir(here), 0);
    assert_int_equal(rc, 0);
    assert_string_equal(read.path, dir.path);
    static const char *const absent[] = {"20990101-000000-1", "", "..", "/", "a/b", "/tmp", "-x", "no such id", "///"};
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
        assert_int_equal(es_session_dir_load(absent[i], &read), -ENOENT);
}

/* ---- broken texts ---------------------------------------------------------------------------------------- */

static void write_text(const struct es_session_dir *dir, const char *text, size_t len)
{
    int fd = open(text_of(dir), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, text, len), len);
    close(fd);
}

static size_t read_text(const struct es_session_dir *dir, char *text, size_t size)
{
    int fd = open(text_of(dir), O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, text, size - 1);
    assert_true(n > 0);
    text[n] = '\0';
    close(fd);
    return (size_t)n;
}

/* The text with its first `from` replaced by `to`. */
static int load_with(const struct es_session_dir *dir, const char *from, const char *to)
{
    char good[8192], bad[16384];
    size_t len = read_text(dir, good, sizeof good);
    const char *at = strstr(good, from);
    assert_non_null(at);
    int n = snprintf(bad, sizeof bad, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
    write_text(dir, bad, (size_t)n);
    struct es_session_dir read = {.vm = -77};
    int rc = es_session_dir_load(dir->path, &read);
    assert_true(rc == 0 || read.vm == -77); /* untouched on failure */
    write_text(dir, good, len);
    return rc;
}

static void broken_texts_are_refused(void **state)
{
    (void)state;
    struct es_session_dir dir = create(), read;
    strcpy(dir.recording, "/tmp/r.scope");
    assert_int_equal(es_session_dir_save(&dir), 0);
    assert_int_equal(load_with(&dir, "vm=0\n", "vm=0\nlater=unknown key\n"), 0);
    static const char *const changes[][2] = {
        {"elixirscope-session=1", "elixirscope-session=2"},
        {"vm=0\n", ""},
        {"vm=0", "vm=0\nvm=0"},
        {"vm=0", "vm=-1"},
        {"vm=0", "vm=2147483648"},
        {"vm=0", "vm="},
        {"vm=0", "vm=1x"},
        {"vm=0", "vm"},
        {"vm_start=0", "vm_start=18446744073709551616"},
        {"vm_start=0", "vm_start=99999999999999999999999"},
        {"recording=/tmp", "recording=tmp"},
        {"recording=/tmp", "recording=/%00"},
        {"recording=/tmp", "recording=/%0"},
        {"recording=/tmp", "recording=/%zz"},
        {"recording=/tmp", "recording=/\t"},
        {"arena=", "arena=/etc/passwd"},
        {"arena=", "arena=/proc/1/fd/1/../../x"},
        {"id=", "id=x"},
        {"node=", "node=\x01"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
        assert_int_equal(load_with(&dir, changes[i][0], changes[i][1]), -EBADMSG);
    char arena[PATH_MAX + 32];
    snprintf(arena, sizeof arena, "arena=%s/../arena", dir.path);
    assert_int_equal(load_with(&dir, "arena=", arena), -EBADMSG);
    snprintf(arena, sizeof arena, "arena=%s/arena", dir.path);
    assert_int_equal(load_with(&dir, "arena=", arena), 0);

    char text[8192];
    size_t len = read_text(&dir, text, sizeof text);
    for (size_t cut = 0; cut < len; cut++) {
        write_text(&dir, text, cut);
        assert_int_equal(es_session_dir_load(dir.path, &read), -EBADMSG);
    }
    char *huge = calloc(1, 1 << 20);
    memset(huge, 'x', 1 << 20);
    memcpy(huge, text, len);
    write_text(&dir, huge, 1 << 20);
    free(huge);
    assert_int_equal(es_session_dir_load(dir.path, &read), -EBADMSG);
    assert_int_equal(es_session_dir_load(dir.id, &read), -EBADMSG);
    unlink(text_of(&dir));
    assert_int_equal(symlink("/etc/passwd", text_of(&dir)), 0);
    assert_int_equal(es_session_dir_load(dir.path, &read), -EBADMSG);
    unlink(text_of(&dir));
    assert_int_equal(mkfifo(text_of(&dir), 0600), 0);
    assert_int_equal(es_session_dir_load(dir.path, &read), -EBADMSG);
    unlink(text_of(&dir));
    assert_int_equal(es_session_dir_load(dir.path, &read), -ENOENT);
}

/* ---- parents of others ----------------------------------------------------------------------------------- */

static void unsafe_parents_are_refused(void **state)
{
    (void)state;
    struct es_session_dir dir = create(), other;
    char elsewhere[300];
    assert_int_equal(chmod(own_parent(), 0750), 0);
    assert_int_equal(es_session_dir_create((uid_t)-1, &other), -EPERM);
    assert_int_equal(es_session_dir_load(dir.path, &other), -EPERM);
    assert_int_equal(es_session_dir_save(&dir), -EPERM);
    assert_int_equal(es_session_dir_remove(&dir), -EPERM);
    assert_int_equal(chmod(own_parent(), 0700), 0);
    assert_int_equal(chmod(dir.path, 0701), 0);
    assert_int_equal(es_session_dir_load(dir.path, &other), -EPERM);
    assert_int_equal(chmod(dir.path, 0700), 0);
    assert_int_equal(es_session_dir_load(dir.path, &other), 0);

    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", base);
    assert_int_equal(rename(own_parent(), elsewhere), 0);
    assert_int_equal(symlink(elsewhere, own_parent()), 0);
    assert_int_equal(es_session_dir_create((uid_t)-1, &other), -ELOOP);
    assert_int_equal(es_session_dir_load(dir.path, &other), -ELOOP);
    assert_int_equal(es_session_dir_load(dir.id, &other), -ELOOP);
    assert_int_equal(es_session_dir_save(&dir), -ELOOP);
    assert_int_equal(es_session_dir_remove(&dir), -ELOOP);
    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere/%s/session", base, dir.id);
    assert_int_equal(access(elsewhere, F_OK), 0);
}

static void a_parent_of_somebody_else_is_refused(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        skip();
        return;
    }
    struct es_session_dir dir = create(), other;
    assert_int_equal(chown(own_parent(), NOBODY, (gid_t)-1), 0);
    assert_int_equal(es_session_dir_create((uid_t)-1, &other), -EPERM);
    assert_int_equal(es_session_dir_load(dir.path, &other), -EPERM);
    assert_int_equal(chown(own_parent(), 0, (gid_t)-1), 0);
    assert_int_equal(chown(dir.path, NOBODY, (gid_t)-1), 0);
    assert_int_equal(es_session_dir_load(dir.path, &other), -EPERM);
}

static int make_one(void *context)
{
    (void)context;
    struct es_session_dir dir;
    if (setresuid(NOBODY, NOBODY, NOBODY) < 0)
        return 99;
    return -es_session_dir_create((uid_t)-1, &dir);
}

static int count_one(const struct es_session_dir *dir, void *context)
{
    (void)dir;
    ++*(int *)context;
    return 0;
}

static int read_as_nobody(void *context)
{
    struct es_session_dir read;
    if (setresuid(NOBODY, NOBODY, NOBODY) < 0)
        return 99;
    const struct es_session_dir *dir = context;
    int n = 0, rc = es_session_dir_each(count_one, &n);
    if (rc < 0 || n != 2)
        return 100 + n;
    return -es_session_dir_load(dir->path, &read);
}

static void root_makes_and_sees_sessions_of_others(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        skip();
        return;
    }
    struct es_session_dir dir, read;
    assert_int_equal(chmod(base, 01777), 0);
    assert_int_equal(es_session_dir_create(NOBODY, &dir), 0);
    struct stat st;
    assert_int_equal(stat(text_of(&dir), &st), 0);
    assert_int_equal(st.st_uid, NOBODY);
    assert_int_equal(stat(dir.path, &st), 0);
    assert_int_equal(st.st_uid, NOBODY);
    assert_int_equal(exit_code(in_child(make_one, NULL)), 0);
    assert_int_equal(exit_code(in_child(read_as_nobody, &dir)), 0);
    struct es_session_dir mine = create();
    assert_int_equal(exit_code(in_child(read_as_nobody, &mine)), EPERM);
    int n = 0;
    assert_int_equal(es_session_dir_each(count_one, &n), 0);
    assert_int_equal(n, 3);
    assert_int_equal(es_session_dir_load(dir.id, &read), 0);
    assert_int_equal(es_session_dir_save(&read), 0);
    assert_int_equal(stat(text_of(&dir), &st), 0);
    assert_int_equal(st.st_uid, NOBODY); /* still theirs */
    assert_int_equal(es_session_dir_remove(&read), 0);
}

/* ---- all of them ----------------------------------------------------------------------------------------- */

struct seen {
    uint64_t created[8];
    int n, stop_at;
};

static int note(const struct es_session_dir *dir, void *context)
{
    struct seen *seen = context;
    seen->created[seen->n++] = dir->created;
    return seen->n == seen->stop_at ? 42 : 0;
}

static void all_are_told_oldest_first(void **state)
{
    (void)state;
    static const uint64_t ages[] = {300, 100, 400, 200};
    for (int i = 0; i < 4; i++) {
        struct es_session_dir dir = create();
        dir.created = ages[i];
        assert_int_equal(es_session_dir_save(&dir), 0);
    }
    struct es_session_dir broken = create();
    write_text(&broken, "nonsense", 8);
    char stranger[300];
    snprintf(stranger, sizeof stranger, "%s/elixirscope-%u/.hidden", base, (unsigned)geteuid());
    assert_int_equal(mkdir(stranger, 0700), 0);
    struct seen seen = {.stop_at = -1};
    assert_int_equal(es_session_dir_each(note, &seen), 0);
    assert_int_equal(seen.n, 4);
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(seen.created[i], 100 * (i + 1));
    seen = (struct seen){.stop_at = 2};
    assert_int_equal(es_session_dir_each(note, &seen), 42);
    assert_int_equal(seen.n, 2);
    setenv("ELIXIRSCOPE_SHM", "/no/such/place", 1);
    seen = (struct seen){.stop_at = -1};
    assert_int_equal(es_session_dir_each(note, &seen), 0);
    assert_int_equal(seen.n, 0);
}

/* ---- removing -------------------------------------------------------------------------------------------- */

static void touch(const char *dir, const char *name)
{
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static void removing_takes_what_is_ours(void **state)
{
    (void)state;
    struct es_session_dir dir = create(), other = create();
    touch(dir.path, "arena");
    touch(dir.path, "agent.sock");
    touch(dir.path, ".session-4711");
    assert_int_equal(es_session_dir_remove(&dir), 0);
    assert_int_equal(access(dir.path, F_OK), -1);
    assert_int_equal(es_session_dir_remove(&dir), 0); /* is gone */
    assert_int_equal(access(own_parent(), F_OK), 0);
    touch(other.path, "notes.txt");
    assert_int_equal(es_session_dir_remove(&other), -ENOTEMPTY);
    assert_int_equal(count_entries(other.path), 1);
    char notes[PATH_MAX + 16];
    snprintf(notes, sizeof notes, "%s/notes.txt", other.path);
    assert_int_equal(unlink(notes), 0);
    assert_int_equal(es_session_dir_remove(&other), 0);
    assert_int_equal(count_entries(base), 0); /* nothing at all is left */
}

/* ---- where ----------------------------------------------------------------------------------------------- */

static void unusable_bases_are_passed_over(void **state)
{
    (void)state;
    struct es_session_dir dir;
    setenv("ELIXIRSCOPE_SHM", "/no/such/place", 1);
    assert_int_equal(es_session_dir_create((uid_t)-1, &dir), -ENOENT);
    setenv("ELIXIRSCOPE_SHM", "/proc", 1);
    assert_true(es_session_dir_create((uid_t)-1, &dir) < 0);
    char long_base[200];
    snprintf(long_base, sizeof long_base, "%s/%0100d", base, 0);
    assert_int_equal(mkdir(long_base, 0700), 0);
    setenv("ELIXIRSCOPE_SHM", long_base, 1);
    assert_int_equal(es_session_dir_create((uid_t)-1, &dir), -ENAMETOOLONG); /* no socket could be there */
    assert_int_equal(count_entries(long_base), 0);
}

/* In a world of its own where /dev/shm cannot be written. */
static int create_without_shm(void *context)
{
    const char *runtime = context;
    struct es_session_dir dir;
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return 99;
    if (mount(runtime, "/mnt", NULL, MS_BIND, NULL) < 0 || mount("none", "/dev/shm", "tmpfs", MS_RDONLY, NULL) < 0)
        return 99;
    unsetenv("ELIXIRSCOPE_SHM");
    setenv("XDG_RUNTIME_DIR", "/mnt", 1);
    if (es_session_dir_create((uid_t)-1, &dir) < 0 || strncmp(dir.path, "/mnt/elixirscope-", 17) != 0)
        return 1;
    if (mount("none", "/mnt", "tmpfs", MS_RDONLY, NULL) < 0 || mount("none", "/tmp", "tmpfs", 0, NULL) < 0)
        return 99;
    if (es_session_dir_create((uid_t)-1, &dir) < 0 || strncmp(dir.path, "/tmp/elixirscope-", 17) != 0)
        return 2;
    return 0;
}

static void the_next_base_serves_where_shared_memory_does_not(void **state)
{
    (void)state;
    int code = geteuid() == 0 ? exit_code(in_child(create_without_shm, base)) : 99;
    if (code == 99) {
        skip(); /* no right to mount */
        return;
    }
    assert_int_equal(code, 0);
    assert_int_equal(count_entries(base), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_base, drop_base)
    const struct CMUnitTest tests[] = {
        TEST(a_new_session_is_private_and_complete),
        TEST(all_that_is_saved_is_read_back),
        TEST(paths_as_people_write_them),
        TEST(broken_texts_are_refused),
        TEST(unsafe_parents_are_refused),
        TEST(a_parent_of_somebody_else_is_refused),
        TEST(root_makes_and_sees_sessions_of_others),
        TEST(all_are_told_oldest_first),
        TEST(removing_takes_what_is_ours),
        TEST(unusable_bases_are_passed_over),
        TEST(the_next_base_serves_where_shared_memory_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
