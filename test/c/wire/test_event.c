/* SPDX-License-Identifier: MIT */
/* The table of kinds and the reading of records. */
#include "check.h"

static void kinds_have_names_families_and_words(void **state)
{
    (void)state;
    for (int kind = 0; kind < ES_KIND_MAX; kind++) {
        const struct es_kind_info *info = &es_kind_table[kind];
        assert_non_null(info->name);
        assert_true(info->family < ES_FAM_MAX);
        assert_non_null(es_family_names[info->family]);
        assert_int_equal(es_kind_by_name(info->name), info->family == ES_FAM_INTERNAL ? -1 : kind);
    }
    assert_int_equal(es_kind_table[ES_K_SEND].words, 3);
    assert_int_equal(es_kind_table[ES_K_CALL].words, 3);
    assert_int_equal(es_kind_table[ES_K_CENSUS].words, 3);
    assert_int_equal(es_kind_table[ES_K_GC_MINOR_END].words, ES_NUMS);
    assert_int_equal(es_kind_table[ES_K_LOST].words, 0);
    assert_true(es_kind_table[ES_K_EXIT].critical);
    assert_false(es_kind_table[ES_K_SEND].critical);
    assert_int_equal(es_kind_by_name("no such kind"), -1);
    assert_int_equal(es_kind_by_name(""), -1);
    for (int i = 0; i < ES_NUMS; i++)
        assert_non_null(es_gc_num_names[i]);
}

static void references_keep_their_parts(void **state)
{
    (void)state;
    es_ref pid = es_ref_pid(0x0fffffff, ES_REF_SERIAL_MAX);
    assert_int_equal(es_ref_class_of(pid), ES_REF_PID);
    assert_int_equal(es_ref_pid_number(pid), 0x0fffffff);
    assert_int_equal(es_ref_pid_serial(pid), ES_REF_SERIAL_MAX);
    assert_int_equal(es_ref_node(pid), 0);
    es_ref elsewhere = es_ref_on_node(pid, ES_REF_NODES - 1);
    assert_int_equal(es_ref_node(elsewhere), ES_REF_NODES - 1);
    assert_int_equal(es_ref_class_of(elsewhere), ES_REF_PID);
    assert_int_equal(es_ref_pid_number(elsewhere), 0x0fffffff);
    assert_int_equal(es_ref_pid_serial(elsewhere), ES_REF_SERIAL_MAX);
    assert_true(es_ref_on_node(elsewhere, 0) == pid);
    es_ref port = es_ref_make(ES_REF_PORT, UINT64_MAX);
    assert_int_equal(es_ref_class_of(port), ES_REF_PORT);
    assert_true(es_ref_value(port) == ES_REF_VALUE_MASK);
}

/* A record of `kind` with `payload` bytes behind its words, word i being 1000 + i. */
static size_t build(uint8_t *bytes, uint8_t kind, const char *payload)
{
    struct es_record record = {.kind = kind, .arity = 7, .stamp = 77, .pid = es_ref_pid(5, 0)};
    size_t words = es_kind_table[kind].words, len = strlen(payload), pad = (8 - len % 8) % 8;
    record.size = (uint32_t)(sizeof record + 8 * words + len + pad);
    record.flags = (uint8_t)(ES_R_CUT | pad);
    memcpy(bytes, &record, sizeof record);
    for (size_t i = 0; i < words; i++) {
        uint64_t word = 1000 + i;
        memcpy(bytes + sizeof record + 8 * i, &word, 8);
    }
    memcpy(bytes + sizeof record + 8 * words, payload, len);
    return record.size;
}

static void a_record_is_read_back_whole(void **state)
{
    (void)state;
    uint8_t bytes[256] = {0};
    struct es_record_view view;
    size_t size = build(bytes, ES_K_SEND, "hello term");
    assert_int_equal(es_record_read(at_the_edge(bytes, size), size, &view), 0);
    assert_int_equal(view.kind, ES_K_SEND);
    assert_int_equal(view.arity, 7);
    assert_int_equal(view.size, size);
    assert_int_equal(view.stamp, 77);
    assert_true(view.pid == es_ref_pid(5, 0));
    assert_int_equal(view.peer, 1000);
    assert_int_equal(view.hash, 1001);
    assert_int_equal(view.corr, 1002);
    assert_int_equal(view.payload_len, 10);
    assert_memory_equal(view.payload, "hello term", 10);
    assert_true(view.flags & ES_R_CUT);
    assert_int_equal(view.module, 0);

    size = build(bytes, ES_K_SPAWN, "");
    assert_int_equal(es_record_read(bytes, sizeof bytes, &view), 0);
    assert_int_equal(view.peer, 1000);
    assert_int_equal(view.module, 1001);
    assert_int_equal(view.function, 1002);
    assert_int_equal(view.payload_len, 0);
    assert_int_equal(view.hash, 0);

    size = build(bytes, ES_K_GC_MAJOR_END, "");
    assert_int_equal(es_record_read(bytes, size, &view), 0);
    for (uint64_t i = 0; i < ES_NUMS; i++)
        assert_int_equal(view.num[i], 1000 + i);
}

static int read_changed(const uint8_t *good, size_t len, size_t offset, uint64_t value, size_t n)
{
    uint8_t bytes[256];
    struct es_record_view view;
    memcpy(bytes, good, len);
    memcpy(bytes + offset, &value, n);
    return es_record_read(at_the_edge(bytes, len), len, &view);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    uint8_t good[256] = {0};
    struct es_record_view view = {.stamp = 42};
    size_t size = build(good, ES_K_SEND, "12345");
    for (size_t len = 0; len < size; len++)
        assert_int_equal(es_record_read(at_the_edge(good, len), len, &view), -EBADMSG);
    assert_int_equal(view.stamp, 42); /* untouched */
    assert_int_equal(read_changed(good, size, 0, size, 4), 0);
    static const uint32_t sizes[] = {
        0, 8, 16, 23, 24, 40, 52, 55, 57, 64, ES_RECORD_MAX + 8, UINT32_MAX, UINT32_MAX - 7};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        assert_int_equal(read_changed(good, size, 0, sizes[i], 4), -EBADMSG);
    static const uint8_t kinds[] = {ES_K_NONE, ES_KIND_MAX, 63, 64, 255};
    for (size_t i = 0; i < sizeof kinds; i++)
        assert_int_equal(read_changed(good, size, 4, kinds[i], 1), -EBADMSG);
    assert_int_equal(read_changed(good, size, 4, ES_K_TIMEOUT, 1), -EBADMSG); /* has no payload */
    size = build(good, ES_K_EXIT, "");
    assert_int_equal(read_changed(good, size, 5, 1, 1), -EBADMSG); /* padding of nothing */
}

static void padding_may_hold_anything(void **state)
{
    (void)state;
    uint8_t bytes[256] = {0};
    struct es_record_view view;
    size_t size = build(bytes, ES_K_PAD, "any bytes");
    assert_int_equal(es_record_read(bytes, size, &view), 0);
    assert_int_equal(view.size, size);
    assert_int_equal(view.payload_len, 0);
}

static void the_largest_record_is_read(void **state)
{
    (void)state;
    uint8_t *bytes = calloc(1, ES_RECORD_MAX + 8);
    struct es_record record = {.size = ES_RECORD_MAX, .kind = ES_K_LOG};
    struct es_record_view view;
    memcpy(bytes, &record, sizeof record);
    assert_int_equal(es_record_read(bytes, ES_RECORD_MAX, &view), 0);
    assert_int_equal(view.payload_len, ES_RECORD_MAX - sizeof record);
    record.size += 8;
    memcpy(bytes, &record, sizeof record);
    assert_int_equal(es_record_read(bytes, ES_RECORD_MAX + 8, &view), -EBADMSG);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_have_names_families_and_words), cmocka_unit_test(references_keep_their_parts),
        cmocka_unit_test(a_record_is_read_back_whole),         cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(padding_may_hold_anything),           cmocka_unit_test(the_largest_record_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
