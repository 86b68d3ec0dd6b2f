/* SPDX-License-Identifier: MIT */
/* Broken and foreign files: an error or the truth, never a crash and never a lie. */
#include <fcntl.h>
#include <sys/wait.h>

#include "scope.h"

#define EVENTS 20000u

static struct scope_stream stream = {0, false, 60};
static uint8_t *original;
static size_t original_len;

static void save(const char *path, const uint8_t *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
}

static uint8_t *load(const char *path, size_t *ret_len)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    uint8_t *bytes = malloc((size_t)st.st_size + 1);
    assert_int_equal(read(fd, bytes, (size_t)st.st_size), st.st_size);
    close(fd);
    *ret_len = (size_t)st.st_size;
    return bytes;
}

static struct es_store *write_recording(void)
{
    struct es_store *store;
    struct es_store_options options = scope_options();
    options.group_events = 1500;
    options.overwrite = true;
    assert_ok(es_store_create(&options, &store));
    for (uint64_t seq = 1; seq <= EVENTS; seq++) {
        struct es_process process = {.pid = es_ref_pid((uint32_t)seq, 0),
                                     .spawned = (int64_t)seq,
                                     .exited = INT64_MAX,
                                     .facts = (const uint8_t *)"facts",
                                     .facts_len = 5};
        scope_add(store, &stream, seq, seq);
        if (seq % 100 == 0) {
            assert_ok(es_store_process(store, &process));
            assert_ok(es_store_define(store, es_ref_make(ES_REF_ATOM, seq), "an atom", 7));
            assert_ok(es_store_name(store, es_ref_make(ES_REF_ATOM, seq), process.pid, 1, INT64_MAX));
            assert_ok(es_store_loss(store, ES_K_SEND, 1, 1, 2, "why"));
        }
        if (es_store_group_full(store))
            assert_ok(es_store_keyframe(store, "a keyframe that says something", 30));
        if (seq % 700 == 0)
            assert_ok(es_store_commit(store, NULL));
    }
    assert_ok(es_store_count(store, "some counter", 1));
    return store;
}

static int make_recording(void **state)
{
    scope_setup(state);
    stream.seed = random_start();
    assert_ok(es_store_close(write_recording(), NULL));
    original = load(scope_path, &original_len);
    return 0;
}

static int drop_recording(void **state)
{
    free(original);
    return scope_teardown(state);
}

static int ignore_meta(const char *key, const char *value, void *context)
{
    *(size_t *)context += strlen(key) + strlen(value);
    return 0;
}
static int ignore_counter(const char *name, uint64_t value, void *context)
{
    *(size_t *)context += strlen(name) + value % 2;
    return 0;
}

/* The bytes of a state may be damaged where the event is not. */
static bool read_state(struct es_recording *rec, struct es_event *event)
{
    static struct es_buf bytes;
    bytes.len = 0;
    int r = es_recording_state_read(rec, event->seq, &bytes);
    event->payload = bytes.bytes;
    assert_true(r == 0 || r == -EBADMSG);
    return r == 0;
}

/* Every event that is given is the right one. How many were. */
static uint64_t check_blocks(struct es_recording *rec)
{
    const struct es_block_info *blocks;
    uint64_t given = 0;
    size_t n = es_recording_blocks(rec, &blocks);
    for (size_t i = 0; i < n; i++) {
        struct es_block *block;
        struct es_pid_count *pids;
        size_t n_pids;
        if (es_recording_block_pids(rec, i, &pids, &n_pids) == 0)
            free(pids);
        if (es_block_get(rec, i, &block) < 0)
            continue;
        assert_int_equal(block->n, blocks[i].events);
        for (size_t j = 0; j < block->n; j++) {
            struct es_event must = scope_event(&stream, blocks[i].first_seq + j), is = block->events[j];
            if (is.kind == ES_K_STATE && is.payload_len && !read_state(rec, &is))
                continue;
            scope_assert_same(&is, &must);
            given++;
        }
        es_block_unref(rec, block);
    }
    return given;
}

static void read_tables(struct es_recording *rec)
{
    size_t sum = 0, len;
    const struct es_process *processes;
    const struct es_name *names;
    const struct es_loss *losses;
    struct es_keyframe frame;
    size_t n = es_recording_processes(rec, &processes);
    for (size_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < processes[i].facts_len; j++)
            sum += processes[i].facts[j];
    n = es_recording_names(rec, &names);
    for (size_t i = 0; i < n; i++)
        sum += es_recording_define(rec, names[i].name, &len) ? len : 0;
    n = es_recording_losses(rec, &losses);
    for (size_t i = 0; i < n; i++)
        sum += strlen(losses[i].why);
    es_recording_each_meta(rec, ignore_meta, &sum);
    es_recording_each_counter(rec, ignore_counter, &sum);
    if (es_recording_keyframe(rec, EVENTS, &frame) == 0 && frame.len)
        assert_memory_equal(frame.bytes, "a keyframe that says something", frame.len);
    assert_true(sum < SIZE_MAX / 2);
}

/* Opens and reads all there is. `ret_errors` tells whether anything was said to be wrong. */
static uint64_t read_all(bool *ret_errors)
{
    struct es_recording *rec;
    const uint64_t *damaged;
    es_error_clear();
    int r = es_recording_open(scope_path, &rec);
    *ret_errors = r < 0;
    if (r < 0) {
        assert_true(es_error_text()[0] != '\0');
        return 0;
    }
    uint64_t given = check_blocks(rec);
    if (given != EVENTS) /* known without a look at everything */
        assert_true(es_recording_damaged(rec, &damaged) > 0);
    read_tables(rec);
    r = es_recording_verify(rec);
    assert_true(r == 0 || es_error_text()[0] != '\0');
    *ret_errors = r < 0;
    if (es_recording_damaged(rec, &damaged) > 0)
        assert_true(r < 0);
    if (r == 0)
        assert_int_equal(given, EVENTS);
    es_recording_close(rec);
    return given;
}

static void bit_flips(void **state)
{
    (void)state;
    unsigned found = 0, whole = 0, closed = 0;
    for (int round = 0; round < 500; round++) {
        bool errors;
        size_t at = random_below(original_len);
        uint8_t bit = (uint8_t)(1u << random_below(8));
        original[at] ^= bit;
        save(scope_path, original, original_len);
        uint64_t given = read_all(&errors);
        found += errors;
        whole += given == EVENTS;
        closed += given == 0;
        if (given != EVENTS)
            assert_true(errors);
        original[at] ^= bit;
    }
    print_message("500 flips: %u noticed, all events still there after %u, none after %u\n", found, whole, closed);
    assert_true(found > 250); /* most of the file are columns, and these have checksums */
    assert_true(closed < 50);
}

static void overwritten_places(void **state)
{
    (void)state;
    uint8_t *bytes = malloc(original_len);
    for (int round = 0; round < 100; round++) {
        bool errors;
        size_t at = random_below(original_len), len = random_below(random_below(2) ? 64 : 20000);
        memcpy(bytes, original, original_len);
        for (size_t i = at; i < at + len && i < original_len; i++)
            bytes[i] = (uint8_t)random_next();
        save(scope_path, bytes, original_len);
        if (read_all(&errors) != EVENTS)
            assert_true(errors);
    }
    free(bytes);
}

/* Pages that took each other's place. */
static void exchanged_pages(void **state)
{
    (void)state;
    uint8_t *bytes = malloc(original_len);
    size_t page = (size_t)original[16] << 8 | original[17], pages = original_len / page;
    for (int round = 0; round < 100; round++) {
        bool errors;
        size_t a = 1 + random_below(pages - 1), b = 1 + random_below(pages - 1);
        memcpy(bytes, original, original_len);
        memcpy(bytes + a * page, original + b * page, page);
        if (round % 2)
            memcpy(bytes + b * page, original + a * page, page);
        save(scope_path, bytes, original_len);
        if (read_all(&errors) != EVENTS)
            assert_true(errors);
    }
    free(bytes);
}

static void truncated(void **state)
{
    (void)state;
    for (int round = 0; round < 60; round++) {
        bool errors;
        size_t len = round < 20 ? (size_t)round * 30 : random_below(original_len);
        save(scope_path, original, len);
        read_all(&errors);
        assert_true(errors);
    }
}

/* A page of the index of blocks is gone: what is before and behind it is still read, and the hole is told. */
static void a_hole_in_the_index(void **state)
{
    (void)state;
    struct es_store *store;
    struct es_store_options options = scope_options();
    struct es_recording *rec;
    const struct es_block_info *blocks;
    const uint64_t *damaged;
    char command[512];
    unsigned page = 0;
    options.overwrite = true;
    assert_ok(es_store_create(&options, &store));
    for (uint64_t seq = 1; seq <= EVENTS; seq += 50) {
        scope_add(store, &stream, seq, seq + 49);
        assert_ok(es_store_keyframe(store, "frame", 5));
    }
    assert_ok(es_store_close(store, NULL));
    snprintf(command, sizeof command,
             "sqlite3 %s \"select pageno from dbstat where name='blocks' and pagetype='leaf' order by path limit 1 "
             "offset 3\"",
             scope_path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%u", &page), 1);
    pclose(pipe);
    size_t len;
    uint8_t *bytes = load(scope_path, &len);
    memset(bytes + (size_t)(page - 1) * ((size_t)bytes[16] << 8 | bytes[17]), 0xff, 8);
    save(scope_path, bytes, len);
    free(bytes);
    assert_ok(es_recording_open(scope_path, &rec));
    size_t n = es_recording_blocks(rec, &blocks);
    assert_in_range(n, EVENTS / 50 / 2, EVENTS / 50 - 10);
    assert_int_equal(blocks[0].first_seq, 1);
    assert_int_equal(blocks[n - 1].last_seq, EVENTS);
    assert_int_equal(check_blocks(rec), n * 50);
    assert_true(es_recording_damaged(rec, &damaged) > 0);
    assert_int_equal(es_recording_verify(rec), -EBADMSG);
    assert_non_null(strstr(es_error_text(), "are missing"));
    es_recording_close(rec);
}

/* A crash's file and its log, with a wrong bit in one of them. */
static void flips_in_a_log(void **state)
{
    (void)state;
    char log[200], index[200];
    size_t file_len, log_len;
    snprintf(log, sizeof log, "%s-wal", scope_path);
    snprintf(index, sizeof index, "%s-shm", scope_path);
    es_store_abandon(write_recording());
    uint8_t *file = load(scope_path, &file_len), *bytes = load(log, &log_len);
    unsigned less = 0;
    for (int round = 0; round < 100; round++) {
        struct es_recording *rec;
        size_t at = random_below(log_len);
        uint8_t bit = (uint8_t)(1u << random_below(8));
        bytes[at] ^= bit;
        save(scope_path, file, file_len);
        save(log, bytes, log_len);
        unlink(index);
        if (es_recording_open(scope_path, &rec) == 0) {
            uint64_t given = check_blocks(rec);
            assert_true(given <= EVENTS);
            assert_int_equal(given % 700, 0); /* whole commits or nothing of them */
            less += given < EVENTS / 700 * 700;
            es_recording_close(rec);
        }
        bytes[at] ^= bit;
    }
    print_message("100 flips in the log: %u times events at the end were gone\n", less);
    free(file);
    free(bytes);
}

static void foreign_files(void **state)
{
    (void)state;
    struct es_recording *rec;
    char command[512];
    assert_int_equal(es_recording_open("/nowhere/x.scope", &rec), -ENOENT);
    assert_int_equal(es_recording_open(scope_dir, &rec), -EBADMSG);
    assert_int_equal(es_recording_open("/dev/zero", &rec), -EBADMSG);
    save(scope_path, (const uint8_t *)"", 0);
    assert_int_equal(es_recording_open(scope_path, &rec), -EBADMSG);
    save(scope_path, (const uint8_t *)"SQLite format 3", 16);
    assert_int_equal(es_recording_open(scope_path, &rec), -EBADMSG);
    unlink(scope_path);
    snprintf(command, sizeof command, "sqlite3 %s 'create table t(x); insert into t values(1)'", scope_path);
    assert_int_equal(system(command), 0);
    es_error_clear();
    assert_int_equal(es_recording_open(scope_path, &rec), -EBADMSG);
    assert_non_null(strstr(es_error_text(), "is not a recording"));
}

/* Our marks, but tables that are not ours: nothing of a foreign schema is run. */
static void foreign_tables(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "drop table names",
        "drop table meta; create view meta as with recursive r(x) as (select 1 union all select x + 1 from r) select x "
        "as key, x as value from r",
        "alter table blocks add column more",
        "drop table columns; create table columns(id integer primary key, hash integer, data blob default "
        "(zeroblob(1e9)))",
    };
    struct es_recording *rec;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        char command[1024];
        save(scope_path, original, original_len);
        snprintf(command, sizeof command, "sqlite3 %s '%s'", scope_path, changes[i]);
        assert_int_equal(system(command), 0);
        assert_int_equal(es_recording_open(scope_path, &rec), -EBADMSG);
    }
}

static void a_newer_version(void **state)
{
    (void)state;
    struct es_recording *rec;
    char command[256], must[64];
    snprintf(command, sizeof command, "sqlite3 %s 'pragma user_version = %d'", scope_path, ES_FORMAT_VERSION + 1);
    assert_int_equal(system(command), 0);
    es_error_clear();
    assert_int_equal(es_recording_open(scope_path, &rec), -EPROTONOSUPPORT);
    snprintf(must, sizeof must, "format version %d", ES_FORMAT_VERSION + 1);
    assert_non_null(strstr(es_error_text(), must));
    assert_non_null(strstr(es_error_hint(), "newer"));
}

static void an_older_version(void **state)
{
    (void)state;
    struct es_recording *rec;
    char command[256];
    snprintf(command, sizeof command, "sqlite3 %s 'pragma user_version = 1'", scope_path);
    assert_int_equal(system(command), 0);
    es_error_clear();
    assert_int_equal(es_recording_open(scope_path, &rec), -EPROTONOSUPPORT);
    assert_non_null(strstr(es_error_text(), "was made by an older ElixirScope (format 1); this one reads format 2"));
    assert_non_null(strstr(es_error_hint(), "record it again"));
}

/* The same version, but a kind of event that we do not have, or have otherwise. */
static void other_kinds(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "update meta set value = value || \" 60:teleport:3\" where key = \"kinds\"",
        "update meta set value = replace(value, \"11:send:\", \"11:sent:\") where key = \"kinds\"",
        "update meta set value = replace(value, \"1:spawn:23\", \"1:spawn:21\") where key = \"kinds\"",
    };
    struct es_recording *rec;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        char command[1024];
        save(scope_path, original, original_len);
        snprintf(command, sizeof command, "sqlite3 %s '%s'", scope_path, changes[i]);
        assert_int_equal(system(command), 0);
        assert_int_equal(es_recording_open(scope_path, &rec), -EPROTONOSUPPORT);
    }
}

enum seen { SEEN_ALL, SEEN_PART, SEEN_WARNING = 4, SEEN_NOTHING = 100 };

/* Runs in a child that may not write: root is no test of permissions. */
static int read_as_nobody(void)
{
    struct es_recording *rec;
    if ((geteuid() == 0 && setuid(65534) < 0) || es_recording_open(scope_path, &rec) < 0)
        return SEEN_NOTHING;
    int warning = es_recording_meta(rec, "warning") ? SEEN_WARNING : 0;
    uint64_t given = check_blocks(rec);
    es_recording_close(rec);
    return warning + (given == EVENTS ? SEEN_ALL : SEEN_PART);
}

static int in_read_only_directory(void)
{
    char command[512];
    snprintf(command, sizeof command, "chmod 0555 %s; chmod 0444 %s*", scope_dir, scope_path);
    assert_int_equal(system(command), 0);
    if (geteuid() == 0) {
        snprintf(command, sizeof command, "chown -R 65534 %s", scope_dir);
        assert_int_equal(system(command), 0);
    }
    pid_t child = fork();
    if (child == 0)
        _exit(read_as_nobody());
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void finished_in_a_read_only_directory(void **state)
{
    (void)state;
    assert_int_equal(in_read_only_directory(), SEEN_ALL);
}

/* Left by a crash, in a directory where no index of the log can be made: the file alone is read, and that is said. */
static void crashed_in_a_read_only_directory(void **state)
{
    (void)state;
    char command[512];
    es_store_abandon(write_recording());
    snprintf(command, sizeof command, "rm %s-shm", scope_path);
    assert_int_equal(system(command), 0);
    assert_int_equal(in_read_only_directory(), SEEN_PART + SEEN_WARNING);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_recording, drop_recording)
    const struct CMUnitTest tests[] = {T(bit_flips),
                                       T(overwritten_places),
                                       T(exchanged_pages),
                                       T(truncated),
                                       T(a_hole_in_the_index),
                                       T(flips_in_a_log),
                                       T(foreign_files),
                                       T(foreign_tables),
                                       T(a_newer_version),
                                       T(an_older_version),
                                       T(other_kinds),
                                       T(finished_in_a_read_only_directory),
                                       T(crashed_in_a_read_only_directory)};
    return cmocka_run_group_tests_name("store damage", tests, NULL, NULL);
}
