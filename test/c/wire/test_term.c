/* SPDX-License-Identifier: MIT */
/* Reading the term format: every tag as an emulator wrote it, every truncation, nesting, cuts. */
#include "check.h"

#include <locale.h>

#include "wire/event.h"
#include "wire/term.h"

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})
#define NODE 100, 0, 13, 'n', 'o', 'n', 'o', 'd', 'e', '@', 'n', 'o', 'h', 'o', 's', 't'

static struct es_token token_of(const uint8_t *bytes, size_t len)
{
    struct es_reader r;
    struct es_token token;
    es_reader_init(&r, at_the_edge(bytes, len), len);
    assert_int_equal(es_token_next(&r, &token), 0);
    return token;
}

/* A token's bytes are all of `len`: with one less, it is refused, and nothing behind the end is touched. */
static struct es_token whole_token(const uint8_t *bytes, size_t len)
{
    struct es_reader r;
    struct es_token token = {.count = 4711};
    for (size_t cut = 0; cut < len; cut++) {
        es_reader_init(&r, at_the_edge(bytes, cut), cut);
        assert_int_equal(es_token_next(&r, &token), -EBADMSG);
        assert_true(r.bad);
        assert_int_equal(token.count, 4711); /* untouched */
    }
    es_reader_init(&r, at_the_edge(bytes, len), len);
    assert_int_equal(es_token_next(&r, &token), 0);
    assert_int_equal(es_reader_left(&r), 0);
    return token;
}

static void expect_int(const uint8_t *bytes, size_t len, int64_t value)
{
    struct es_token token = whole_token(bytes, len);
    assert_int_equal(token.type, ES_TOK_INT);
    assert_true(token.integer == value);
    assert_int_equal(token.negative, value < 0);
}

static void integers(void **state)
{
    (void)state;
    expect_int(BYTES(97, 200), 200);
    expect_int(BYTES(98, 255, 255, 255, 251), -5);
    expect_int(BYTES(98, 128, 0, 0, 0), INT32_MIN);
    expect_int(BYTES(110, 8, 1, 0, 0, 0, 0, 0, 0, 0, 128), INT64_MIN);
    expect_int(BYTES(110, 8, 0, 255, 255, 255, 255, 255, 255, 255, 127), INT64_MAX);
    expect_int(BYTES(110, 10, 1, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0), -5);
    expect_int(BYTES(110, 0, 1), 0);
    expect_int(BYTES(111, 0, 0, 0, 1, 0, 9), 9);
    struct es_token token = whole_token(BYTES(110, 8, 0, 0, 0, 0, 0, 0, 0, 0, 128));
    assert_int_equal(token.type, ES_TOK_BIG);
    assert_int_equal(token.len, 8);
    assert_int_equal(token.bytes[7], 128);
    assert_false(token.negative);
    token = whole_token(BYTES(110, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0, 64));
    assert_int_equal(token.type, ES_TOK_BIG);
    assert_true(token.negative);
    assert_int_equal(token.len, 9);
}

static void floats(void **state)
{
    (void)state;
    struct es_token token = whole_token(BYTES(70, 63, 248, 0, 0, 0, 0, 0, 0));
    assert_int_equal(token.type, ES_TOK_FLOAT);
    assert_true(token.real == 1.5);
    uint8_t old[32] = "c1.50000000000000000000e+00";
    setlocale(LC_ALL, "de_DE.UTF-8"); /* must not matter, where it is installed */
    token = whole_token(old, sizeof old);
    assert_int_equal(token.type, ES_TOK_FLOAT);
    assert_true(token.real == 1.5);
    static const char *const bad[] = {"cnan", "cinf", "c1.5x", "c", "c0x1p3", "c1e999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct es_reader r;
        uint8_t bytes[32] = {0};
        memcpy(bytes, bad[i], strlen(bad[i]));
        es_reader_init(&r, bytes, sizeof bytes);
        assert_int_equal(es_token_next(&r, &token), -EBADMSG);
    }
    struct es_reader r;
    es_reader_init(&r, BYTES(70, 127, 240, 0, 0, 0, 0, 0, 0)); /* infinity */
    assert_int_equal(es_token_next(&r, &token), -EBADMSG);
}

static void expect_atom(const uint8_t *bytes, size_t len, bool latin1, const char *text)
{
    struct es_token token = whole_token(bytes, len);
    assert_int_equal(token.type, ES_TOK_ATOM);
    assert_int_equal(token.latin1, latin1);
    assert_int_equal(token.len, strlen(text));
    assert_memory_equal(token.bytes, text, token.len);
}

static void atoms(void **state)
{
    (void)state;
    expect_atom(BYTES(100, 0, 2, 'o', 'k'), true, "ok");
    expect_atom(BYTES(115, 2, 'o', 'k'), true, "ok");
    expect_atom(BYTES(118, 0, 2, 195, 169), false, "\xc3\xa9");
    expect_atom(BYTES(119, 2, 195, 169), false, "\xc3\xa9");
    expect_atom(BYTES(119, 0), false, "");
    struct es_token token = whole_token(BYTES(224, 1, 2, 3, 4));
    assert_int_equal(token.type, ES_TOK_ATOM_REF);
    assert_int_equal(token.word, 0x04030201);
    token =
        whole_token(BYTES(225, 1, 2, 3, 4, 5, 6, 7, 0x38)); /* the class bits of a whole reference are passed over */
    assert_int_equal(token.type, ES_TOK_ATOM_REF);
    assert_true(token.word == UINT64_C(0x0807060504030201));
}

static void containers(void **state)
{
    (void)state;
    struct es_token token = whole_token(BYTES(104, 2));
    assert_int_equal(token.type, ES_TOK_TUPLE);
    assert_int_equal(token.count, 2);
    token = whole_token(BYTES(105, 255, 255, 255, 255));
    assert_int_equal(token.type, ES_TOK_TUPLE);
    assert_int_equal(token.count, UINT32_MAX);
    assert_int_equal(whole_token(BYTES(106)).type, ES_TOK_NIL);
    token = whole_token(BYTES(107, 0, 2, 97, 98));
    assert_int_equal(token.type, ES_TOK_STRING);
    assert_int_equal(token.count, 2);
    assert_memory_equal(token.bytes, "ab", 2);
    token = whole_token(BYTES(108, 0, 0, 1, 0));
    assert_int_equal(token.type, ES_TOK_LIST);
    assert_int_equal(token.count, 256);
    token = whole_token(BYTES(116, 0, 0, 0, 1));
    assert_int_equal(token.type, ES_TOK_MAP);
    assert_int_equal(token.count, 1);
    assert_int_equal(whole_token(BYTES(113)).type, ES_TOK_EXPORT);
}

static void binaries(void **state)
{
    (void)state;
    struct es_token token = whole_token(BYTES(109, 0, 0, 0, 3, 'h', 'e', 'y'));
    assert_int_equal(token.type, ES_TOK_BINARY);
    assert_int_equal(token.bits, 8);
    assert_memory_equal(token.bytes, "hey", 3);
    token = whole_token(BYTES(77, 0, 0, 0, 1, 3, 160));
    assert_int_equal(token.type, ES_TOK_BINARY);
    assert_int_equal(token.bits, 3);
    assert_int_equal(token.len, 1);
    struct es_reader r;
    es_reader_init(&r, BYTES(77, 0, 0, 0, 1, 9, 160));
    assert_int_equal(es_token_next(&r, &token), -EBADMSG);
    es_reader_init(&r, BYTES(77, 0, 0, 0, 1, 0, 160));
    assert_int_equal(es_token_next(&r, &token), -EBADMSG);
    es_reader_init(&r, BYTES(77, 0, 0, 0, 0, 3));
    assert_int_equal(es_token_next(&r, &token), -EBADMSG);
}

static void pids_and_ports(void **state)
{
    (void)state;
    struct es_token token = whole_token(BYTES(88, NODE, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 7));
    assert_int_equal(token.type, ES_TOK_PID);
    assert_int_equal(token.node.len, 13);
    assert_memory_equal(token.node.text, "nonode@nohost", 13);
    assert_true(token.latin1);
    assert_int_equal(token.number, 9);
    assert_int_equal(token.serial, 2);
    assert_int_equal(token.creation, 7);
    token = whole_token(BYTES(103, 119, 1, 'n', 0, 0, 0, 9, 0, 0, 0, 2, 3));
    assert_int_equal(token.type, ES_TOK_PID);
    assert_int_equal(token.creation, 3);
    token = whole_token(BYTES(88, 224, 7, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 7));
    assert_null(token.node.text);
    assert_int_equal(token.node.word, 7);
    token = whole_token(BYTES(89, NODE, 0, 0, 0, 5, 0, 0, 0, 1));
    assert_int_equal(token.type, ES_TOK_PORT);
    assert_int_equal(token.number, 5);
    token = whole_token(BYTES(102, NODE, 0, 0, 0, 5, 1));
    assert_int_equal(token.creation, 1);
    token = whole_token(BYTES(120, NODE, 1, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1));
    assert_true(token.number == UINT64_C(0x0100000000000005));
    struct es_reader r;
    es_reader_init(&r, BYTES(88, 97, 1, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 7)); /* the node is no atom */
    assert_int_equal(es_token_next(&r, &token), -EBADMSG);
}

static void references(void **state)
{
    (void)state;
    struct es_token token =
        whole_token(BYTES(90, 0, 3, NODE, 0, 0, 0, 1, 0, 3, 68, 123, 70, 236, 0, 1, 28, 20, 87, 53));
    assert_int_equal(token.type, ES_TOK_REF);
    assert_int_equal(token.n_ids, 3);
    assert_int_equal(token.creation, 1);
    assert_int_equal(token.ids[0], 0x0003447b);
    assert_int_equal(token.ids[2], 0x1c145735);
    token = whole_token(BYTES(114, 0, 1, 119, 1, 'n', 2, 0, 0, 0, 8));
    assert_int_equal(token.creation, 2);
    assert_int_equal(token.ids[0], 8);
    token = whole_token(BYTES(101, 119, 1, 'n', 0, 0, 0, 8, 2));
    assert_int_equal(token.creation, 2);
    assert_int_equal(token.n_ids, 1);
    assert_int_equal(token.ids[0], 8);
    struct es_reader r;
    es_reader_init(&r, BYTES(90, 0, 0, 119, 1, 'n', 0, 0, 0, 1));
    assert_int_equal(es_token_next(&r, &token), -EBADMSG);
    es_reader_init(&r, BYTES(90, 0, 6, 119, 1, 'n', 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5,
                             5, 6, 6, 6, 6));
    assert_int_equal(es_token_next(&r, &token), -EBADMSG);
}

static void funs(void **state)
{
    (void)state;
    const uint8_t fun[] = {112,  0,   0,   0,   72,  1,   240, 139, 138, 215, 14, 99,  0,  176, 98,
                           187,  242, 245, 136, 137, 122, 106, 0,   0,   0,   0,  0,   0,  0,   0,
                           100,  0,   4,   'w', 'g', 'e', 'n', 97,  0,   98,  7,  132, 92, 86,  88,
                           NODE, 0,   0,   0,   9,   0,   0,   0,   0,   0,   0,  0,   0};
    struct es_token token = whole_token(fun, sizeof fun);
    assert_int_equal(token.type, ES_TOK_FUN);
    assert_int_equal(token.len, sizeof fun);
    assert_memory_equal(token.bytes, fun, sizeof fun);
    static const uint32_t sizes[] = {0, 3, 4, 28};
    for (size_t i = 0; i < 4; i++) {
        uint8_t bad[64] = {112, 0, 0, 0, (uint8_t)sizes[i]};
        struct es_reader r;
        es_reader_init(&r, bad, sizeof bad);
        assert_int_equal(es_token_next(&r, &token), -EBADMSG);
    }
}

static void cuts(void **state)
{
    (void)state;
    const uint8_t bytes[] = {
        226, ES_CUT_BINARY, ES_CUT_AT_LEAST, 1, 2, 0, 0, 0, 0, 0, 0, 9, 8, 7, 6, 5, 4, 3, 2, 3, 0, 0, 0, 'a', 'b', 'c'};
    struct es_token token = whole_token(bytes, sizeof bytes);
    assert_int_equal(token.type, ES_TOK_CUT);
    assert_int_equal(token.cut.type, ES_CUT_BINARY);
    assert_int_equal(token.cut.flags, ES_CUT_AT_LEAST);
    assert_int_equal(token.cut.size, 513);
    assert_true(token.cut.hash == UINT64_C(0x0203040506070809));
    assert_int_equal(token.cut.prefix_len, 3);
    assert_memory_equal(token.cut.prefix, "abc", 3);
    assert_int_equal(sizeof bytes, ES_CUT_BYTES + 3);
    uint8_t bad[ES_CUT_BYTES] = {226, ES_CUT_TYPE_MAX};
    struct es_reader r;
    es_reader_init(&r, bad, sizeof bad);
    assert_int_equal(es_token_next(&r, &token), -EBADMSG);

    uint8_t two[1 + 2 + 2 * ES_CUT_BYTES] = {104, 2, 226, ES_CUT_REDACTED};
    two[2 + ES_CUT_BYTES] = 226;
    two[2 + ES_CUT_BYTES + 1] = ES_CUT_MAP;
    assert_int_equal(es_term_cuts(two, sizeof two), 1 << ES_CUT_REDACTED | 1 << ES_CUT_MAP);
    assert_int_equal(es_term_cuts(two, 2 + ES_CUT_BYTES + 1), 1 << ES_CUT_REDACTED);
    assert_int_equal(es_term_cuts((const uint8_t[]){109, 0, 0, 0, 1, 226}, 6), 0); /* a byte like a mark, in a binary */
    assert_int_equal(es_term_cuts(bad, sizeof bad), 0);
    assert_int_equal(es_term_cuts("", 0), 0);
}

/* Every first byte there is: the known ones were read above, the rest is refused. */
static void unknown_tags_are_refused(void **state)
{
    (void)state;
    static const uint8_t known[] = {70,  77,  88,  89,  90,  97,  98,  99,  100, 101, 102, 103, 104, 105, 106, 107,
                                    108, 109, 110, 111, 112, 113, 114, 115, 116, 118, 119, 120, 224, 225, 226};
    for (int tag = 0; tag < 256; tag++) {
        if (memchr(known, tag, sizeof known))
            continue;
        uint8_t bytes[64] = {(uint8_t)tag};
        struct es_reader r;
        struct es_token token;
        es_reader_init(&r, bytes, sizeof bytes);
        assert_int_equal(es_token_next(&r, &token), -EBADMSG);
        es_reader_init(&r, bytes, sizeof bytes);
        assert_int_equal(es_term_skip(&r), -EBADMSG);
    }
}

/* ---- whole terms ----------------------------------------------------------------------------------------- */

static void expect_skip(const uint8_t *bytes, size_t len, size_t term)
{
    struct es_reader r;
    const uint8_t *copy = at_the_edge(bytes, len);
    es_reader_init(&r, copy, len);
    assert_int_equal(es_term_skip(&r), 0);
    assert_ptr_equal(r.at, copy + term);
    for (size_t cut = 0; cut < term; cut++) {
        es_reader_init(&r, at_the_edge(bytes, cut), cut);
        assert_int_equal(es_term_skip(&r), -EBADMSG);
    }
}

#define REST(type) 226, type, ES_CUT_REST, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0

static void terms_are_passed_whole(void **state)
{
    (void)state;
    expect_skip(BYTES(97, 1, 97, 2), 2);
    expect_skip(BYTES(104, 2, 97, 1, 97, 2, 106), 6);
    expect_skip(BYTES(104, 0, 106), 2);
    expect_skip(BYTES(116, 0, 0, 0, 0, 106), 5);
    expect_skip(BYTES(108, 0, 0, 0, 2, 97, 1, 100, 0, 1, 97, 106, 97), 12);
    expect_skip(BYTES(108, 0, 0, 0, 1, 100, 0, 1, 97, 100, 0, 1, 98), 13);
    expect_skip(BYTES(108, 0, 0, 0, 0, 106, 97), 6);
    expect_skip(BYTES(116, 0, 0, 0, 2, 97, 1, 104, 1, 106, 97, 2, 116, 0, 0, 0, 1, 106, 106, 0), 19);
    expect_skip(BYTES(113, 119, 5, 'l', 'i', 's', 't', 's', 119, 3, 'm', 'a', 'p', 97, 2, 97), 15);
    expect_skip(BYTES(104, 3, 104, 2, 104, 1, 106, 106, 106, 106, 97), 10);
}

static void a_cut_ends_its_tuple_only(void **state)
{
    (void)state;
    expect_skip(BYTES(105, 0, 0, 4, 0, 97, 1, REST(ES_CUT_TUPLE), 106), 7 + ES_CUT_BYTES);
    expect_skip(BYTES(104, 2, 104, 9, REST(ES_CUT_TUPLE), 97, 5, 106), 4 + ES_CUT_BYTES + 2);
    expect_skip(
        BYTES(104, 2, 226, ES_CUT_TUPLE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 106, 97),
        2 + ES_CUT_BYTES + 1);
    expect_skip(BYTES(108, 0, 0, 0, 1, 106, REST(ES_CUT_LIST), 97), 6 + ES_CUT_BYTES);    /* a list's tail */
    expect_skip(BYTES(116, 0, 0, 0, 1, REST(ES_CUT_MAP), 106, 97), 5 + ES_CUT_BYTES + 1); /* a map's last pair */
    expect_skip(BYTES(REST(ES_CUT_TUPLE), 106), ES_CUT_BYTES);
}

/* `depth` tuples of one element, the innermost holding NIL. */
static int skip_nested(size_t depth)
{
    size_t len = 2 * depth + 1;
    uint8_t *bytes = malloc(len);
    for (size_t i = 0; i < depth; i++) {
        bytes[2 * i] = ES_T_SMALL_TUPLE;
        bytes[2 * i + 1] = 1;
    }
    bytes[len - 1] = ES_T_NIL;
    struct es_reader r;
    es_reader_init(&r, bytes, len);
    int rc = es_term_skip(&r);
    assert_true(rc < 0 || es_reader_left(&r) == 0);
    free(bytes);
    return rc;
}

static void depth_is_bounded(void **state)
{
    (void)state;
    assert_int_equal(skip_nested(ES_TERM_DEPTH_MAX), 0);
    assert_int_equal(skip_nested(ES_TERM_DEPTH_MAX + 1), -EBADMSG);
    assert_int_equal(skip_nested(1000000), -EBADMSG);
}

/* ---- bytes ----------------------------------------------------------------------------------------------- */

static void numbers_of_both_orders(void **state)
{
    (void)state;
    const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct es_reader r;
    es_reader_init(&r, bytes, 8);
    assert_true(es_reader_be64(&r) == UINT64_C(0x0102030405060708));
    es_reader_init(&r, bytes, 8);
    assert_true(es_reader_le64(&r) == UINT64_C(0x0807060504030201));
    es_reader_init(&r, bytes, 8);
    assert_int_equal(es_reader_be16(&r), 0x0102);
    assert_int_equal(es_reader_le32(&r), 0x06050403);
    assert_int_equal(es_reader_u8(&r), 7);
    assert_false(r.bad);
    assert_int_equal(es_reader_be32(&r), 0);
    assert_true(r.bad);
    assert_int_equal(es_reader_u8(&r), 0); /* bad stays bad, though a byte is left */
    assert_null(es_reader_take(&r, 0));
    es_reader_init(&r, NULL, 0);
    assert_non_null(es_reader_take(&r, 0));
    assert_null(es_reader_take(&r, SIZE_MAX));
}

static void expect_varint(const uint8_t *bytes, size_t len, uint64_t value)
{
    struct es_reader r;
    for (size_t cut = 0; cut < len; cut++) {
        es_reader_init(&r, at_the_edge(bytes, cut), cut);
        assert_int_equal(es_reader_varint(&r), 0);
        assert_true(r.bad);
    }
    es_reader_init(&r, at_the_edge(bytes, len), len);
    assert_true(es_reader_varint(&r) == value);
    assert_false(r.bad);
    assert_int_equal(es_reader_left(&r), 0);
}

static void varints(void **state)
{
    (void)state;
    expect_varint(BYTES(0), 0);
    expect_varint(BYTES(127), 127);
    expect_varint(BYTES(128, 1), 128);
    expect_varint(BYTES(255, 255, 255, 255, 255, 255, 255, 255, 255, 1), UINT64_MAX);
    struct es_reader r;
    es_reader_init(&r, BYTES(255, 255, 255, 255, 255, 255, 255, 255, 255, 2)); /* 65 bits */
    assert_int_equal(es_reader_varint(&r), 0);
    assert_true(r.bad);
    es_reader_init(&r, BYTES(128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 0)); /* 11 bytes */
    assert_int_equal(es_reader_varint(&r), 0);
    assert_true(r.bad);
}

static void tokens_need_no_alignment(void **state)
{
    (void)state;
    uint8_t bytes[32] = {0, 225, 1, 0, 0, 0, 0, 0, 0, 0};
    assert_int_equal(token_of(bytes + 1, 9).word, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers),
        cmocka_unit_test(floats),
        cmocka_unit_test(atoms),
        cmocka_unit_test(containers),
        cmocka_unit_test(binaries),
        cmocka_unit_test(pids_and_ports),
        cmocka_unit_test(references),
        cmocka_unit_test(funs),
        cmocka_unit_test(cuts),
        cmocka_unit_test(unknown_tags_are_refused),
        cmocka_unit_test(terms_are_passed_whole),
        cmocka_unit_test(a_cut_ends_its_tuple_only),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(numbers_of_both_orders),
        cmocka_unit_test(varints),
        cmocka_unit_test(tokens_need_no_alignment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
