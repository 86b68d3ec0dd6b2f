/* SPDX-License-Identifier: MIT */
/* What a recording knows besides events, where to go on, and what kind of file it is. */
#include <fcntl.h>

#include "scope.h"

static struct es_store *create(void)
{
    struct es_store *store;
    struct es_store_options options = scope_options();
    assert_ok(es_store_create(&options, &store));
    return store;
}

static struct es_recording *reopen(struct es_store *store)
{
    struct es_recording *rec;
    assert_ok(es_store_close(store, NULL));
    assert_ok(es_recording_open(scope_path, &rec));
    return rec;
}

static void definitions(void **state)
{
    (void)state;
    struct es_store *store = create();
    size_t len;
    for (uint64_t i = 1; i <= 5000; i++) {
        char text[32];
        snprintf(text, sizeof text, "atom_%llu", (unsigned long long)i);
        assert_ok(es_store_define(store, es_ref_make(ES_REF_ATOM, i), text, strlen(text)));
        if (i % 1000 == 0)
            assert_ok(es_store_commit(store, NULL));
    }
    assert_ok(es_store_define(store, es_ref_make(ES_REF_ATOM, 7), "atom_7", 6));
    assert_ok(es_store_define(store, es_ref_make(ES_REF_OTHER, 9), "", 0));
    assert_int_equal(es_store_define(store, 0, "x", 1), -EINVAL);
    struct es_recording *rec = reopen(store);
    for (int round = 0; round < 2; round++) {
        for (uint64_t i = 1; i <= 5000; i++) {
            char text[32];
            snprintf(text, sizeof text, "atom_%llu", (unsigned long long)i);
            const uint8_t *bytes = es_recording_define(rec, es_ref_make(ES_REF_ATOM, i), &len);
            assert_non_null(bytes);
            assert_int_equal(len, strlen(text));
            assert_memory_equal(bytes, text, len);
        }
    }
    assert_non_null(es_recording_define(rec, es_ref_make(ES_REF_OTHER, 9), &len));
    assert_int_equal(len, 0);
    assert_null(es_recording_define(rec, es_ref_make(ES_REF_ATOM, 5001), &len));
    assert_null(es_recording_define(rec, 0, &len));
    es_recording_close(rec);
}

static void processes(void **state)
{
    (void)state;
    struct es_store *store = create();
    struct es_process made[50];
    for (int i = 0; i < 50; i++) {
        made[i] = (struct es_process){.pid = es_ref_pid((uint32_t)i, 2),
                                      .parent = es_ref_pid(1, 0),
                                      .spawned = 1000 - i,
                                      .exited = INT64_MAX,
                                      .spawn_seq = (uint64_t)i,
                                      .module = 64,
                                      .function = 65,
                                      .arity = 3};
        made[i].facts = (const uint8_t *)"facts";
        made[i].facts_len = (uint32_t)(i % 6);
        assert_ok(es_store_process(store, &made[i]));
        assert_int_equal(made[i].id, i + 1);
        if (i == 20)
            assert_ok(es_store_commit(store, NULL));
    }
    for (int i = 0; i < 50; i += 5) { /* some are in the file by now, some not */
        made[i].exited = 5000 + i;
        made[i].exit_seq = 77;
        made[i].reason = (const uint8_t *)"reason";
        made[i].reason_len = 6;
        made[i].facts = NULL; /* keeps what was said before */
        made[i].name = es_ref_make(ES_REF_ATOM, 99);
        assert_ok(es_store_process(store, &made[i]));
    }
    struct es_recording *rec = reopen(store);
    const struct es_process *all;
    assert_int_equal(es_recording_processes(rec, &all), 50);
    for (int i = 0; i < 50; i++) {
        const struct es_process *p = &all[49 - i], *must = &made[i]; /* by time of spawn */
        assert_int_equal(p->id, must->id);
        assert_int_equal(p->pid, must->pid);
        assert_int_equal(p->parent, must->parent);
        assert_int_equal(p->spawned, must->spawned);
        assert_int_equal(p->exited, must->exited);
        assert_int_equal(p->spawn_seq, must->spawn_seq);
        assert_int_equal(p->exit_seq, must->exit_seq);
        assert_int_equal(p->name, must->name);
        assert_int_equal(p->module, 64);
        assert_int_equal(p->function, 65);
        assert_int_equal(p->arity, 3);
        assert_int_equal(p->facts_len, i % 6);
        assert_memory_equal(p->facts, "facts", (size_t)i % 6);
        assert_int_equal(p->reason_len, i % 5 ? 0 : 6);
        if (i % 5 == 0)
            assert_memory_equal(p->reason, "reason", 6);
    }
    es_recording_close(rec);
}

static void names(void **state)
{
    (void)state;
    struct es_store *store = create();
    es_ref name = es_ref_make(ES_REF_ATOM, 5), a = es_ref_pid(1, 0), b = es_ref_pid(2, 0);
    assert_ok(es_store_name(store, name, a, 100, INT64_MAX));
    assert_ok(es_store_commit(store, NULL));
    assert_ok(es_store_name(store, name, a, 100, 200));
    assert_ok(es_store_name(store, name, b, 300, INT64_MAX));
    assert_ok(es_store_name(store, name, b, 300, 400));
    assert_ok(es_store_name(store, name, a, 500, INT64_MAX));
    assert_ok(es_store_name(store, name + 1, b, INT64_MIN, 250));
    struct es_recording *rec = reopen(store);
    const struct es_name *all;
    const struct es_name must[] = {
        {name + 1, b, INT64_MIN, 250}, {name, a, 100, 200}, {name, b, 300, 400}, {name, a, 500, INT64_MAX}};
    assert_int_equal(es_recording_names(rec, &all), 4);
    assert_memory_equal(all, must, sizeof must);
    es_recording_close(rec);
}

struct told {
    unsigned n;
    char text[4096];
};
static int tell_counter(const char *name, uint64_t value, void *context)
{
    struct told *told = context;
    told->n++;
    snprintf(told->text + strlen(told->text), sizeof told->text - strlen(told->text), "%s=%llu ", name,
             (unsigned long long)value);
    return 0;
}
static int tell_meta(const char *key, const char *value, void *context)
{
    struct told *told = context;
    told->n++;
    snprintf(told->text + strlen(told->text), sizeof told->text - strlen(told->text), "%s=%s ", key, value);
    return 0;
}
static int stop_at_once(const char *key, const char *value, void *context)
{
    (void)key;
    (void)value;
    ++*(int *)context;
    return 7;
}

static void counters_losses_meta(void **state)
{
    (void)state;
    struct es_store *store = create();
    for (int i = 0; i < 1000; i++) {
        assert_ok(es_store_count(store, "pairs.paired", 2));
        assert_ok(es_store_count(store, i % 2 ? "odd" : "even", 1));
        if (i % 100 == 0)
            assert_ok(es_store_commit(store, NULL));
    }
    assert_int_equal(es_store_count(store, "", 1), -EINVAL);
    assert_ok(es_store_loss(store, ES_K_SEND, 12, -5, 99, "ring full"));
    assert_ok(es_store_loss(store, ES_K_CALL, 1, 7, 8, NULL));
    assert_int_equal(es_store_loss(store, ES_KIND_MAX, 1, 7, 8, NULL), -EINVAL);
    assert_ok(es_store_meta(store, "node", "a@b"));
    assert_ok(es_store_meta(store, "node", "c@d"));
    assert_ok(es_store_meta(store, "empty", ""));
    struct es_recording *rec = reopen(store);
    struct told told = {0};
    assert_ok(es_recording_each_counter(rec, tell_counter, &told));
    assert_string_equal(told.text, "even=500 odd=500 pairs.paired=2000 ");
    const struct es_loss *losses;
    assert_int_equal(es_recording_losses(rec, &losses), 2);
    assert_int_equal(losses[0].kind, ES_K_SEND);
    assert_int_equal(losses[0].count, 12);
    assert_int_equal(losses[0].from, -5);
    assert_int_equal(losses[0].to, 99);
    assert_string_equal(losses[0].why, "ring full");
    assert_string_equal(losses[1].why, "");
    assert_string_equal(es_recording_meta(rec, "node"), "c@d");
    assert_string_equal(es_recording_meta(rec, "empty"), "");
    assert_string_equal(es_recording_meta(rec, "closed"), "1");
    assert_null(es_recording_meta(rec, "nothing"));
    assert_null(es_recording_meta(rec, "end"));
    memset(&told, 0, sizeof told);
    assert_ok(es_recording_each_meta(rec, tell_meta, &told));
    assert_non_null(strstr(told.text, "node=c@d "));
    assert_non_null(strstr(told.text, "session=7369787465656e206279746573206964 "));
    int calls = 0;
    assert_int_equal(es_recording_each_meta(rec, stop_at_once, &calls), 7);
    assert_int_equal(calls, 1);
    es_recording_close(rec);
}

static void positions(void **state)
{
    (void)state;
    struct es_store *store = create();
    struct es_store_position position;
    assert_ok(es_store_position(store, &position));
    assert_int_equal(position.next_seq, 1);
    assert_int_equal(position.n_rings, 0);
    assert_int_equal(position.blob_len, 0);
    free(position.blob);
    struct es_ring_position rings[3] = {{.ring = 0, .generation = 1, .position = 100},
                                        {.ring = 0, .generation = 2, .position = UINT64_MAX},
                                        {.ring = 511, .generation = 1, .position = 1}};
    rings[1].lost[ES_K_SEND] = 5;
    rings[1].lost[ES_KIND_MAX - 1] = UINT64_MAX;
    struct scope_stream stream = {1, false, 10};
    scope_add(store, &stream, 1, 10);
    assert_ok(es_store_commit(
        store, &(struct es_store_position){
                   .watermark = UINT64_MAX, .rings = rings, .n_rings = 3, .blob = "clock", .blob_len = 5}));
    rings[0].position = 101;
    scope_add(store, &stream, 11, 12);
    assert_ok(es_store_commit(
        store,
        &(struct es_store_position){.watermark = 42, .rings = rings, .n_rings = 1, .blob = "clocks", .blob_len = 6}));
    assert_ok(es_store_commit(store, NULL)); /* changes no position */
    es_store_abandon(store);

    struct es_store_options options = scope_options();
    assert_ok(es_store_resume(&options, &store));
    assert_ok(es_store_position(store, &position));
    assert_int_equal(position.next_seq, 13);
    assert_int_equal(position.last_time, scope_event(&stream, 12).time);
    assert_int_equal(position.watermark, 42);
    assert_int_equal(position.blob_len, 6);
    assert_memory_equal(position.blob, "clocks", 6);
    assert_int_equal(position.n_rings, 3);
    assert_memory_equal(position.rings, rings, sizeof rings);
    free(position.rings);
    free(position.blob);
    es_store_abandon(store);
}

static void keyframes(void **state)
{
    (void)state;
    struct es_store_options options = scope_options();
    struct es_store *store;
    struct scope_stream stream = {2, false, 10};
    options.group_events = 100;
    assert_ok(es_store_create(&options, &store));
    assert_false(es_store_group_full(store));
    for (uint64_t group = 0; group < 5; group++) {
        char frame[64];
        scope_add(store, &stream, group * 100 + 1, group * 100 + 99);
        assert_false(es_store_group_full(store));
        scope_add(store, &stream, group * 100 + 100, group * 100 + 100);
        assert_true(es_store_group_full(store));
        snprintf(frame, sizeof frame, "world after %llu", (unsigned long long)group * 100 + 100);
        assert_ok(es_store_keyframe(store, frame, strlen(frame)));
        assert_false(es_store_group_full(store));
        if (group == 2)
            assert_ok(es_store_commit(store, NULL));
    }
    assert_ok(es_store_close(store, NULL));
    struct es_recording *rec;
    struct es_keyframe frame;
    assert_ok(es_recording_open(scope_path, &rec));
    assert_ok(es_recording_keyframe(rec, 100, &frame));
    assert_int_equal(frame.len, 0);
    assert_int_equal(frame.group, 1);
    assert_ok(es_recording_keyframe(rec, 201, &frame));
    assert_int_equal(frame.first_seq, 201);
    assert_int_equal(frame.time, scope_event(&stream, 200).time);
    assert_int_equal(frame.len, 15);
    assert_memory_equal(frame.bytes, "world after 200", 15);
    assert_ok(es_recording_keyframe(rec, UINT64_MAX, &frame));
    assert_memory_equal(frame.bytes, "world after 500", 15);
    assert_int_equal(es_recording_keyframe(rec, 0, &frame), -ENOENT);
    const struct es_block_info *blocks;
    size_t n = es_recording_blocks(rec, &blocks);
    assert_int_equal(n, 5);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(blocks[i].group, i + 1);
        assert_int_equal(blocks[i].first_seq, i * 100 + 1);
    }
    es_recording_close(rec);
}

static mode_t mode_of(const char *suffix)
{
    char path[256];
    struct stat st;
    snprintf(path, sizeof path, "%s%s", scope_path, suffix);
    return stat(path, &st) == 0 ? st.st_mode & 0777 : 0;
}

static void files_are_private_and_few(void **state)
{
    (void)state;
    mode_t before = umask(0);
    struct es_store *store = create();
    umask(before);
    assert_int_equal(mode_of(""), 0600);
    assert_int_equal(mode_of("-wal"), 0600);
    assert_int_equal(mode_of("-shm"), 0600);
    assert_ok(es_store_close(store, "because"));
    assert_int_equal(mode_of(""), 0600);
    assert_int_equal(mode_of("-wal"), 0);
    assert_int_equal(mode_of("-shm"), 0);
    assert_int_equal(mode_of("-journal"), 0);
    struct es_recording *rec;
    assert_ok(es_recording_open(scope_path, &rec));
    assert_string_equal(es_recording_meta(rec, "end"), "because");
    assert_int_equal(mode_of("-wal"), 0);
    es_recording_close(rec);
}

static void write_file(const char *text)
{
    FILE *file = fopen(scope_path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void remove_beside(const char *suffix)
{
    char path[256];
    snprintf(path, sizeof path, "%s%s", scope_path, suffix);
    unlink(path);
}

static void what_is_not_replaced(void **state)
{
    (void)state;
    struct es_store *store = create(), *other;
    struct es_store_options options = scope_options();
    assert_int_equal(es_store_create(&options, &other), -EEXIST);
    options.overwrite = true;
    assert_int_equal(es_store_create(&options, &other), -EBUSY); /* we live */
    assert_int_equal(es_store_resume(&options, &other), -EBUSY);
    assert_ok(es_store_close(store, NULL));
    assert_int_equal(es_store_resume(&options, &other), -ESTALE); /* finished */
    assert_ok(es_store_create(&options, &other));
    es_store_abandon(other);
    options.session[3] ^= 1;
    assert_int_equal(es_store_resume(&options, &other), -ESTALE); /* another session's */
    unlink(scope_path);
    assert_int_equal(es_store_resume(&options, &other), -ENOENT);
    for (int beside_old_log = 1; beside_old_log >= 0; beside_old_log--) {
        write_file("my only copy of something else, longer than the head of a database: "
                   "0123456789012345678901234567890123456789012345678901234567890123456789");
        assert_int_equal(es_store_create(&options, &other), -EEXIST);
        remove_beside("-wal");
        remove_beside("-shm");
    }
    assert_int_equal(es_store_resume(&options, &other), -EBADMSG);
    unlink(scope_path);
    write_file("");
    assert_int_equal(es_store_create(&options, &other), -EEXIST);
    unlink(scope_path);
    assert_int_equal(symlink("/dev/null", scope_path), 0);
    assert_int_equal(es_store_create(&options, &other), -EEXIST);
    options.path = "/nowhere/at/all.scope";
    assert_int_equal(es_store_create(&options, &other), -ENOENT);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scope_setup, scope_teardown)
    const struct CMUnitTest tests[] = {T(definitions),
                                       T(processes),
                                       T(names),
                                       T(counters_losses_meta),
                                       T(positions),
                                       T(keyframes),
                                       T(files_are_private_and_few),
                                       T(what_is_not_replaced)};
    return cmocka_run_group_tests_name("store facts", tests, NULL, NULL);
}
