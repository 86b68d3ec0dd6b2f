/* SPDX-License-Identifier: MIT */
/* The growing text: adding, numbers, JSON strings, UTF-8. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "term/text.h"
#include "term/utf8.h"

static void adding(void **state)
{
    (void)state;
    struct es_text text = {0};
    char *expected = calloc(1, 200000);
    for (int i = 0; i < 3000; i++) {
        char piece[64];
        int n = snprintf(piece, sizeof piece, "%d,%s", i, i % 3 ? "" : "a longer piece of text than the others ");
        strcat(expected, piece);
        if (i % 2)
            es_text_printf(&text, "%s", piece);
        else
            es_text_add(&text, piece, (size_t)n);
    }
    assert_int_equal(text.len, strlen(expected));
    assert_string_equal(text.bytes, expected);
    char *memory = text.bytes;
    es_text_clear(&text);
    assert_string_equal(text.bytes, "");
    es_text_puts(&text, "x");
    assert_ptr_equal(text.bytes, memory);
    es_text_fini(&text);
    assert_null(text.bytes);
    free(expected);
}

static void one_long_piece(void **state)
{
    (void)state;
    struct es_text text = {0};
    char *long_piece = malloc(100001);
    memset(long_piece, 'z', 100000);
    long_piece[100000] = '\0';
    es_text_puts(&text, "<");
    es_text_printf(&text, "%s>", long_piece);
    assert_int_equal(text.len, 100002);
    assert_string_equal(text.bytes + 100000, "z>");
    es_text_fini(&text);
    free(long_piece);
}

static void numbers(void **state)
{
    (void)state;
    struct es_text text = {0};
    es_text_int(&text, INT64_MIN);
    es_text_puts(&text, " ");
    es_text_int(&text, INT64_MAX);
    es_text_puts(&text, " ");
    es_text_uint(&text, UINT64_MAX);
    es_text_puts(&text, " ");
    es_text_int(&text, 0);
    es_text_int(&text, -7);
    assert_string_equal(text.bytes, "-9223372036854775808 9223372036854775807 18446744073709551615 0-7");
    es_text_fini(&text);
}

/* Every code point comes back; what is none is refused. */
static void utf8(void **state)
{
    (void)state;
    char bytes[4];
    uint32_t back;
    for (uint32_t point = 0; point <= 0x10ffff; point++) {
        size_t n = es_utf8_put(point, bytes);
        bool surrogate = point >= 0xd800 && point < 0xe000;
        assert_int_equal(es_utf8_next((uint8_t *)bytes, n, &back), surrogate ? 0 : n);
        if (!surrogate)
            assert_int_equal(back, point);
        for (size_t cut = 1; cut < n; cut++) {
            assert_int_equal(es_utf8_next((uint8_t *)bytes, cut, &back), 0);
            assert_int_equal(es_utf8_torn((uint8_t *)bytes, cut), cut);
        }
        assert_int_equal(es_utf8_torn((uint8_t *)bytes, n), 0);
    }
    static const char *const none[] = {"\x80",
                                       "\xbf",
                                       "\xc0\x80",
                                       "\xc1\xbf",
                                       "\xe0\x9f\xbf",
                                       "\xf0\x8f\xbf\xbf",
                                       "\xf4\x90\x80\x80",
                                       "\xf5\x80\x80\x80",
                                       "\xff",
                                       "\xc3\x28"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_int_equal(es_utf8_next((const uint8_t *)none[i], strlen(none[i]), &back), 0);
}

static void json_text(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
        const char *json;
    } table[] = {
        {"", 0, "\"\""},
        {"plain", 5, "\"plain\""},
        {"a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\""},
        {"\n\r\t\b\f\x1b\x7f", 7, "\"\\n\\r\\t\\u0008\\u000c\\u001b\\u007f\""},
        {"a\0b", 3, "\"a\\u0000b\""},
        {"żó", 4, "\"żó\""},
        {"\xf0\x9f\x98\x80", 4, "\"\xf0\x9f\x98\x80\""},
        {"\xff", 1, "\"\xef\xbf\xbd\""},
        {"a\xc5", 2, "\"a\xef\xbf\xbd\""},
        {"\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* a surrogate */
        {"\xc0\x80", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""},                 /* overlong */
        {"\xe2\x80\xa8", 3, "\"\\u2028\""},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct es_text out = {0};
        es_text_json(&out, table[i].text, table[i].len);
        assert_string_equal(out.bytes, table[i].json);
        es_text_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(adding), cmocka_unit_test(one_long_piece),
                                       cmocka_unit_test(numbers), cmocka_unit_test(utf8), cmocka_unit_test(json_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
