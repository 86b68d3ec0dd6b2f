/* SPDX-License-Identifier: MIT */
/* Writing the term format: what is written is what an emulator would write, reads back, and never passes the
 * end. */
#include "check.h"

#include "wire/event.h"
#include "wire/term.h"

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static uint8_t memory[70000];
static struct es_writer writer;

static void expect_bytes(const uint8_t *bytes, size_t len)
{
    assert_false(writer.full);
    assert_int_equal(writer.at - memory, len);
    assert_memory_equal(memory, bytes, len);
    es_writer_init(&writer, memory, sizeof memory);
}

static void as_an_emulator_writes_it(void **state)
{
    (void)state;
    es_writer_init(&writer, memory, sizeof memory);
    es_write_int(&writer, 200);
    expect_bytes(BYTES(97, 200));
    es_write_int(&writer, 256);
    expect_bytes(BYTES(98, 0, 0, 1, 0));
    es_write_int(&writer, -5);
    expect_bytes(BYTES(98, 255, 255, 255, 251));
    es_write_int(&writer, INT64_MIN);
    expect_bytes(BYTES(110, 8, 1, 0, 0, 0, 0, 0, 0, 0, 128));
    es_write_int(&writer, INT64_C(2147483648));
    expect_bytes(BYTES(110, 4, 0, 0, 0, 0, 128));
    es_write_uint(&writer, UINT64_C(9223372036854775808));
    expect_bytes(BYTES(110, 8, 0, 0, 0, 0, 0, 0, 0, 0, 128));
    es_write_uint(&writer, 7);
    expect_bytes(BYTES(97, 7));
    es_write_float(&writer, 1.5);
    expect_bytes(BYTES(70, 63, 248, 0, 0, 0, 0, 0, 0));
    es_write_atom(&writer, "\xc3\xa9", 2);
    expect_bytes(BYTES(119, 2, 195, 169));
    es_write_atom_ref(&writer, 0x04030201);
    expect_bytes(BYTES(224, 1, 2, 3, 4));
    es_write_atom_ref(&writer, es_ref_make(ES_REF_ATOM, UINT64_C(0x0504030201)));
    expect_bytes(BYTES(225, 1, 2, 3, 4, 5, 0, 0, 0));
    es_write_binary(&writer, "hey", 3);
    expect_bytes(BYTES(109, 0, 0, 0, 3, 'h', 'e', 'y'));
    es_write_binary(&writer, NULL, 0);
    expect_bytes(BYTES(109, 0, 0, 0, 0));
    es_write_tuple(&writer, 255);
    expect_bytes(BYTES(104, 255));
    es_write_tuple(&writer, 256);
    expect_bytes(BYTES(105, 0, 0, 1, 0));
    es_write_list(&writer, 3);
    expect_bytes(BYTES(108, 0, 0, 0, 3));
    es_write_nil(&writer);
    expect_bytes(BYTES(106));
    es_write_map(&writer, 70000);
    expect_bytes(BYTES(116, 0, 1, 17, 112));
    struct es_cut cut = {ES_CUT_BINARY, ES_CUT_AT_LEAST, 513, UINT64_C(0x0203040506070809), (const uint8_t *)"abc", 3};
    es_write_cut(&writer, &cut);
    expect_bytes(BYTES(226, ES_CUT_BINARY, ES_CUT_AT_LEAST, 1, 2, 0, 0, 0, 0, 0, 0, 9, 8, 7, 6, 5, 4, 3, 2, 3, 0, 0, 0,
                       'a', 'b', 'c'));
}

static void long_atoms(void **state)
{
    (void)state;
    static char text[UINT16_MAX + 1];
    memset(text, 'x', sizeof text);
    const size_t lengths[] = {0, 255, 256, 1020, UINT16_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct es_reader r;
        struct es_token token;
        es_writer_init(&writer, memory, sizeof memory);
        es_write_atom(&writer, text, lengths[i]);
        assert_false(writer.full);
        es_reader_init(&r, memory, (size_t)(writer.at - memory));
        assert_int_equal(es_token_next(&r, &token), 0);
        assert_int_equal(token.type, ES_TOK_ATOM);
        assert_int_equal(token.len, lengths[i]);
        assert_int_equal(es_reader_left(&r), 0);
    }
    es_writer_init(&writer, memory, sizeof memory);
    es_write_atom(&writer, text, UINT16_MAX + 1);
    assert_true(writer.full);
}

static void integers_come_back(void **state)
{
    (void)state;
    uint64_t value = 1;
    for (int i = 0; i < 5000; i++) {
        value = value * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        int64_t number = (int64_t)value >> (i % 64);
        struct es_reader r;
        struct es_token token;
        es_writer_init(&writer, memory, sizeof memory);
        es_write_int(&writer, number);
        es_reader_init(&r, memory, (size_t)(writer.at - memory));
        assert_int_equal(es_token_next(&r, &token), 0);
        assert_int_equal(token.type, ES_TOK_INT);
        assert_true(token.integer == number);
        es_writer_init(&writer, memory, sizeof memory);
        es_write_uint(&writer, value);
        es_reader_init(&r, memory, (size_t)(writer.at - memory));
        assert_int_equal(es_token_next(&r, &token), 0);
        assert_int_equal(token.type, value > INT64_MAX ? ES_TOK_BIG : ES_TOK_INT);
    }
}

static void write_some_of_all(struct es_writer *w)
{
    struct es_cut cut = {
        .type = ES_CUT_LIST, .flags = ES_CUT_REST, .size = 5, .prefix = (const uint8_t *)"pre", .prefix_len = 3};
    es_write_tuple(w, 5);
    es_write_list(w, 2);
    es_write_int(w, 1);
    es_write_int(w, -100000);
    es_write_cut(w, &cut);
    es_write_map(w, 1);
    es_write_atom(w, "key", 3);
    es_write_atom_ref(w, UINT64_C(1) << 40);
    es_write_binary(w, "bytes", 5);
    es_write_uint(w, UINT64_MAX);
    es_write_float(w, 0.5);
}

/* Whatever the room: either all is there, or `full` is set; what lies behind the end is never touched. */
static void nothing_is_written_behind_the_end(void **state)
{
    (void)state;
    es_writer_init(&writer, memory, sizeof memory);
    write_some_of_all(&writer);
    size_t needed = (size_t)(writer.at - memory);
    struct es_reader r;
    es_reader_init(&r, memory, needed);
    assert_int_equal(es_term_skip(&r), 0);
    assert_int_equal(es_reader_left(&r), 0);
    for (size_t room = 0; room <= needed; room++) {
        uint8_t *end = (uint8_t *)at_the_edge(memory, room) + room; /* the next byte faults */
        es_writer_init(&writer, end - room, room);
        write_some_of_all(&writer);
        assert_int_equal(writer.full, room < needed);
        assert_true(writer.at <= writer.end);
        if (room == needed)
            assert_memory_equal(end - room, memory, needed);
    }
    es_writer_init(&writer, memory, 3);
    es_write_binary(&writer, "long", 4);
    es_write_u8(&writer, 1); /* would fit, but the term is broken already */
    assert_ptr_equal(writer.at, memory);
    assert_true(writer.full);
}

/* Hashes travel between versions of writer and reader: they are part of the format. */
static void hashes_are_fixed(void **state)
{
    (void)state;
    const char *text = "The quick brown fox";
    uint64_t expected = es_hash_mix(7, 19);
    uint64_t words[3] = {0};
    memcpy(words, text, 19);
    for (int i = 0; i < 3; i++)
        expected = es_hash_mix(expected, words[i]);
    assert_true(es_hash_bytes(text, 19, 7) == expected);
    assert_true(es_hash_bytes("abc", 3, 0) == UINT64_C(0xf85fb743fe21e286));
    assert_true(es_hash_bytes(NULL, 0, 1) == es_hash_mix(1, 0));
    char zeros[32] = {0};
    for (size_t a = 0; a < 32; a++)
        for (size_t b = 0; b < a; b++)
            assert_true(es_hash_bytes(zeros, a, 1) != es_hash_bytes(zeros, b, 1));
    for (size_t i = 0; i < 19; i++) { /* every byte counts, wherever the bytes begin */
        char copy[24] = "x";
        memcpy(copy + 1, text, 19);
        assert_true(es_hash_bytes(copy + 1, 19, 7) == expected);
        copy[1 + i] ^= 1;
        assert_true(es_hash_bytes(copy + 1, 19, 7) != expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_an_emulator_writes_it), cmocka_unit_test(long_atoms),
        cmocka_unit_test(integers_come_back),       cmocka_unit_test(nothing_is_written_behind_the_end),
        cmocka_unit_test(hashes_are_fixed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
