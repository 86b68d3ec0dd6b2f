/* SPDX-License-Identifier: MIT */
/* What only recordings have: atom references, cuts, redactions, foreign identifiers; and what must not hurt:
 * depth, length, broken bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "term/text.h"
#include "term/utf8.h"
#include "wire/term.h"

/* ---- building ------------------------------------------------------------------------------------------------------ */

static uint8_t bytes[1 << 16];
static struct es_writer w;

static void begin(void) { es_writer_init(&w, bytes, sizeof bytes); }
static size_t written(void)
{
    assert_false(w.full);
    return (size_t)(w.at - bytes);
}
static void atom(const char *text) { es_write_atom(&w, text, strlen(text)); }
static void binary(const char *text) { es_write_binary(&w, text, strlen(text)); }

struct cut {
    uint8_t type, flags;
    uint64_t size;
    const char *prefix;
};
static void cut(struct cut c)
{
    struct es_cut full = {
        c.type, c.flags, c.size, 0xabcdef, (const uint8_t *)c.prefix, c.prefix ? (uint32_t)strlen(c.prefix) : 0};
    es_write_cut(&w, &full);
}

/* References known here: 1 is cart, 2 is Elixir.MyApp.Cart, 3 is shop@host, 5000000000 is __struct__. */
static const uint8_t *lookup(uint64_t word, size_t *ret_len, void *context)
{
    (void)context;
    const char *text = word == 1            ? "cart"
                       : word == 2          ? "Elixir.MyApp.Cart"
                       : word == 3          ? "shop@host"
                       : word == 5000000000 ? "__struct__"
                                            : NULL;
    if (text)
        *ret_len = strlen(text);
    return (const uint8_t *)text;
}

static void prints(const char *elixir, const char *erlang)
{
    for (int i = 0; i < 2; i++) {
        struct es_text out = {0};
        struct es_print print = {.erlang = i == 1, .atoms = lookup, .local_node = "shop@host", .local_node_len = 9};
        assert_int_equal(es_term_print(bytes, written(), &print, &out), 0);
        assert_string_equal(out.bytes, i ? erlang : elixir);
        es_text_fini(&out);
    }
}

/* ---- references and identifiers ------------------------------------------------------------------------------------ */

static void atom_references(void **state)
{
    (void)state;
    begin();
    es_write_atom_ref(&w, 1);
    prints(":cart", "cart");
    begin();
    es_write_atom_ref(&w, 2);
    prints("MyApp.Cart", "'Elixir.MyApp.Cart'");
    begin();
    es_write_atom_ref(&w, 77);
    prints("#Atom<77>", "#Atom<77>");
    begin();
    es_write_list(&w, 1);
    es_write_tuple(&w, 2);
    es_write_atom_ref(&w, 1);
    es_write_int(&w, 5);
    es_write_nil(&w);
    prints("[cart: 5]", "[{cart,5}]");
    begin();
    es_write_map(&w, 1);
    es_write_atom_ref(&w, 77);
    es_write_int(&w, 5);
    prints("%{#Atom<77> => 5}", "#{#Atom<77> => 5}");
    begin();
    es_write_map(&w, 2);
    es_write_atom_ref(&w, 5000000000);
    es_write_atom_ref(&w, 2);
    es_write_atom_ref(&w, 1);
    es_write_int(&w, 5);
    prints("%MyApp.Cart{cart: 5}", "#{'__struct__' => 'Elixir.MyApp.Cart',cart => 5}");
}

static void put(const char *hex)
{
    for (; *hex; hex += 2) {
        unsigned byte;
        assert_int_equal(sscanf(hex, "%2x", &byte), 1);
        es_write_u8(&w, (uint8_t)byte);
    }
}

static void identifiers(void **state)
{
    (void)state;
    begin();
    put("58e0030000000000007b0000000200000001"); /* NEW_PID with the node as a reference */
    prints("#PID<0.123.2>", "<0.123.2>");
    begin();
    put("58770561406e65740000007b0000000200000001"); /* a@net */
    prints("#PID<a@net.123.2>", "<a@net.123.2>");
    begin();
    put("58770d6e6f6e6f6465406e6f686f73740000007b0000000200000001"); /* nonode@nohost */
    prints("#PID<0.123.2>", "<0.123.2>");
    begin();
    put("58e0630000000000007b0000000200000001"); /* a node nobody knows */
    prints("#PID<#Atom<99>.123.2>", "<#Atom<99>.123.2>");
    begin();
    put("587703613e0a0000007b0000000200000001"); /* a name that is none */
    prints("#PID<a\\>\\n.123.2>", "<a\\>\\n.123.2>");
    begin();
    put("5ae00003"); /* cut short */
    struct es_text out = {0};
    assert_int_equal(es_term_print(bytes, written(), &(struct es_print){0}, &out), -EBADMSG);
    assert_string_equal(out.bytes, "#Malformed<4 bytes: 5a e0 00 03>");
    es_text_fini(&out);
    begin();
    put("5a0003e00300000000000001000000010000000200000003"); /* reference of three words, the least first */
    prints("#Reference<0.3.2.1>", "#Ref<0.3.2.1>");
    begin();
    put("78770561406e6574000000000000000700000001");
    prints("#Port<a@net.7>", "#Port<a@net.7>");
}

/* ---- cuts ---------------------------------------------------------------------------------------------------------- */

static void cuts(void **state)
{
    (void)state;
    static const struct {
        struct cut cut;
        const char *elixir, *erlang;
    } table[] = {
        {{ES_CUT_ANY, 0, 0, NULL}, "…", "…"},
        {{ES_CUT_BINARY, 0, 5000, "prefix"}, "<<\"prefix\"…5000 bytes>>", "<<\"prefix\"…5000 bytes>>"},
        {{ES_CUT_BINARY, 0, 5000, "\xc5\xbc"}, "<<\"ż\"…5000 bytes>>", "<<\"ż\"/utf8…5000 bytes>>"},
        {{ES_CUT_BINARY, 0, 5000, "a\xc5"},
         "<<\"a\"…5001 bytes>>",
         "<<\"a\"…5001 bytes>>"}, /* the torn letter is missing too */
        {{ES_CUT_BINARY, 0, 9, "\xff\x01"}, "<<255, 1, …9 bytes>>", "<<255,1,…9 bytes>>"},
        {{ES_CUT_BINARY, 0, 9, NULL}, "<<…9 bytes>>", "<<…9 bytes>>"},
        {{ES_CUT_BINARY, ES_CUT_AT_LEAST, 9, "x"}, "<<\"x\"…at least 9 bytes>>", "<<\"x\"…at least 9 bytes>>"},
        {{ES_CUT_BITSTRING, 0, 9, "\x01"}, "<<1, …9 bytes>>", "<<1,…9 bytes>>"},
        {{ES_CUT_LIST, 0, 9312, NULL}, "[…+9312 more]", "[…+9312 more]"},
        {{ES_CUT_LIST, ES_CUT_AT_LEAST, 9312, NULL}, "[…+9312 or more]", "[…+9312 or more]"},
        {{ES_CUT_TUPLE, 0, 0, NULL}, "{…}", "{…}"},
        {{ES_CUT_MAP, 0, 7, NULL}, "%{…+7 more}", "#{…+7 more}"},
        {{ES_CUT_FUN, 0, 0, "#Fun<mod.1.2>"}, "#Fun<mod.1.2>", "#Fun<mod.1.2>"},
        {{ES_CUT_FUN, 0, 0, NULL}, "#Function<…>", "#Fun<…>"},
        {{ES_CUT_INTEGER, 0, 4096, NULL}, "#Integer<…4096 bytes>", "#Integer<…4096 bytes>"},
        {{ES_CUT_STATE, 0, 0, NULL}, "#State", "#State"},
        {{ES_CUT_REDACTED, 0, 0, NULL}, "#Redacted", "#Redacted"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        begin();
        cut(table[i].cut);
        prints(table[i].elixir, table[i].erlang);
    }
}

/* The arguments of f(104, 105) are not a text, those of f({a, 1}) are no keywords; what is inside of them may
 * be. */
static void arguments(void **state)
{
    (void)state;
    static const char *const expected[2][3] = {{"[104, 105]", "[104, 105]", "[{:a, 'hi'}]"},
                                               {"[104,105]", "[104,105]", "[{a,\"hi\"}]"}};
    for (int i = 0; i < 6; i++) {
        struct es_text out = {0};
        begin();
        if (i / 2 == 0) {
            put("6b00026869"); /* as a string */
        } else {
            es_write_list(&w, i / 2 == 1 ? 2 : 1);
            if (i / 2 == 1) {
                es_write_int(&w, 104);
                es_write_int(&w, 105);
            } else {
                es_write_tuple(&w, 2);
                atom("a");
                put("6b00026869");
            }
            es_write_nil(&w);
        }
        assert_int_equal(es_term_print(bytes, written(), &(struct es_print){.erlang = i % 2, .arguments = true}, &out),
                         0);
        assert_string_equal(out.bytes, expected[i % 2][i / 2]);
        es_text_fini(&out);
    }
}

static void cut_list(void **state)
{
    (void)state;
    begin();
    es_write_list(&w, 2);
    atom("a");
    cut((struct cut){ES_CUT_TUPLE, 0, 3, NULL}); /* an element, not the rest */
    cut((struct cut){ES_CUT_LIST, 0, 9312, NULL});
    prints("[:a, {…+3 more}, …+9312 more]", "[a,{…+3 more},…+9312 more]");
    begin();
    es_write_list(&w, 2);
    es_write_int(&w, 'h');
    es_write_int(&w, '#');
    cut((struct cut){ES_CUT_LIST, 0, 3, NULL});
    prints("'h#'…+3 more", "\"h#\"…+3 more");
    begin();
    es_write_list(&w, 1);
    es_write_tuple(&w, 2);
    atom("a");
    es_write_int(&w, 1);
    cut((struct cut){ES_CUT_LIST, ES_CUT_AT_LEAST, 3, NULL});
    prints("[a: 1, …+3 or more]", "[{a,1},…+3 or more]");
    begin();
    es_write_list(&w, 0);
    cut((struct cut){ES_CUT_LIST, 0, 3, NULL});
    prints("[…+3 more]", "[…+3 more]");
}

static void cut_tuple_and_map(void **state)
{
    (void)state;
    begin();
    es_write_list(&w, 1);
    es_write_tuple(&w, 5);
    atom("a");
    cut((struct cut){ES_CUT_TUPLE, ES_CUT_REST, 4, NULL});
    es_write_int(&w, 7); /* the tail: what follows the cut is outside of the tuple */
    prints("[{:a, …+4 more} | 7]", "[{a,…+4 more}|7]");
    begin();
    es_write_list(&w, 1);
    es_write_tuple(&w, 2);
    atom("a");
    cut((struct cut){ES_CUT_TUPLE, ES_CUT_REST, 1, NULL});
    es_write_nil(&w);
    prints("[{:a, …+1 more}]", "[{a,…+1 more}]");
    begin();
    es_write_map(&w, 2);
    atom("a");
    es_write_int(&w, 1);
    cut((struct cut){ES_CUT_MAP, 0, 40, NULL});
    es_write_nil(&w);
    prints("%{a: 1, …+40 more}", "#{a => 1,…+40 more}");
    begin();
    es_write_map(&w, 2);
    es_write_int(&w, 1);
    cut((struct cut){ES_CUT_REDACTED, 0, 0, NULL});
    cut((struct cut){ES_CUT_MAP, 0, 0, NULL});
    es_write_nil(&w);
    prints("%{1 => #Redacted, …}", "#{1 => #Redacted,…}");
    begin();
    es_write_map(&w, 3);
    atom("__struct__");
    atom("Elixir.User");
    atom("password");
    cut((struct cut){ES_CUT_REDACTED, 0, 0, NULL});
    cut((struct cut){ES_CUT_MAP, 0, 2, NULL});
    es_write_nil(&w);
    prints("%User{password: #Redacted, …+2 more}", "#{'__struct__' => 'Elixir.User',password => #Redacted,…+2 more}");
    begin();
    es_write_map(&w, 1);
    cut((struct cut){ES_CUT_ANY, 0, 0, NULL}); /* a key with a value of its own */
    es_write_int(&w, 1);
    prints("%{… => 1}", "#{… => 1}");
}

/* Structs with a form of their own, where something is not as it should be, keep the general form. */
static void odd_structs(void **state)
{
    (void)state;
    begin();
    es_write_map(&w, 3);
    atom("__struct__");
    atom("Elixir.Range");
    atom("first");
    es_write_int(&w, 1);
    atom("last");
    cut((struct cut){ES_CUT_INTEGER, 0, 9, NULL});
    prints("%Range{first: 1, last: #Integer<…9 bytes>}",
           "#{'__struct__' => 'Elixir.Range',first => 1,last => #Integer<…9 bytes>}");
    begin();
    es_write_map(&w, 2);
    atom("__struct__");
    atom("Elixir.MapSet");
    atom("map");
    es_write_map(&w, 2);
    es_write_int(&w, 1);
    es_write_nil(&w);
    cut((struct cut){ES_CUT_MAP, 0, 5, NULL});
    es_write_nil(&w);
    prints("MapSet.new([1, …+5 more])", "#{'__struct__' => 'Elixir.MapSet',map => #{1 => [],…+5 more}}");
    begin();
    es_write_map(&w, 2);
    atom("__struct__");
    atom("Elixir.MapSet");
    atom("map");
    es_write_map(&w, 1);
    es_write_int(&w, 1);
    es_write_list(&w, 1);
    es_write_map(&w, 0);
    es_write_nil(&w);
    prints("MapSet.new([1 => [%{}]])", "#{'__struct__' => 'Elixir.MapSet',map => #{1 => [#{}]}}");
    begin();
    es_write_map(&w, 4);
    atom("__struct__");
    atom("Elixir.Date");
    atom("day");
    es_write_int(&w, 40);
    atom("month");
    es_write_int(&w, 1);
    atom("year");
    es_write_int(&w, 2020);
    prints("%Date{day: 40, month: 1, year: 2020}",
           "#{'__struct__' => 'Elixir.Date',day => 40,month => 1,year => 2020}");
}

static void strings_that_deceive(void **state)
{
    (void)state;
    begin();
    binary("a\xe2\x80\xae"
           "b");
    prints("\"a\\u202Eb\"", "<<\"a\\x{202E}b\"/utf8>>");
    begin();
    es_write_binary(&w, "\xff\xfe", 2); /* erl would call it Latin-1 text: bytes are bytes here */
    prints("<<255, 254>>", "<<255,254>>");
    begin();
    es_write_atom(&w, "a\xff", 2); /* not UTF-8 */
    prints(":\"a\\xFF\"", "'a\\377'");
    begin();
    put("6e"
        "04"
        "00"
        "00000000"); /* a big integer that is zero */
    prints("0", "0");
}

/* ---- limits -------------------------------------------------------------------------------------------------------- */

static void ends_at_max_bytes(void **state)
{
    (void)state;
    begin();
    es_write_tuple(&w, 2);
    binary("żółw żółw żółw żółw żółw żółw żółw żółw");
    es_write_list(&w, 3);
    for (int i = 0; i < 3; i++)
        es_write_int(&w, 1000000 + i);
    es_write_nil(&w);
    struct es_text whole = {0}, out = {0};
    es_term_print(bytes, written(), &(struct es_print){0}, &whole);
    for (size_t max = 1; max < whole.len + 3; max++) {
        es_text_clear(&out);
        es_text_puts(&out, "before ");
        assert_int_equal(es_term_print(bytes, written(), &(struct es_print){.max_bytes = max}, &out), 0);
        const char *text = out.bytes + 7;
        size_t len = out.len - 7;
        if (max >= whole.len) {
            assert_string_equal(text, whole.bytes);
            continue;
        }
        assert_true(len <= max || len == 3);
        assert_string_equal(text + len - 3, "…");
        assert_memory_equal(text, whole.bytes, len - 3);
        uint32_t point;
        for (size_t i = 0, n; i < len; i += n)
            assert_true((n = es_utf8_next((const uint8_t *)text + i, len - i, &point)) > 0);
    }
    es_text_fini(&whole);
    es_text_fini(&out);
}

static void depth(void **state)
{
    (void)state;
    for (int too_deep = 0; too_deep < 2; too_deep++) {
        size_t n = ES_TERM_DEPTH_MAX + (too_deep ? 1 : 0);
        struct es_text out = {0}, etf = {0};
        begin();
        for (size_t i = 0; i < n; i++)
            es_write_list(&w, 1);
        es_write_nil(&w);
        for (size_t i = 0; i < n; i++)
            es_write_nil(&w);
        assert_int_equal(es_term_print(bytes, written(), &(struct es_print){0}, &out), too_deep ? -EBADMSG : 0);
        assert_int_equal(es_term_to_etf(bytes, written(), &(struct es_print){0}, &etf), too_deep ? -EBADMSG : 0);
        if (!too_deep) {
            assert_int_equal(out.len, 2 * (n + 1));
            assert_int_equal(etf.len, written() + 1);
        }
        es_text_fini(&out);
        es_text_fini(&etf);
    }
}

static void sample(void)
{
    begin();
    es_write_tuple(&w, 4);
    es_write_map(&w, 2);
    atom("k");
    es_write_list(&w, 2);
    es_write_float(&w, 1.5);
    es_write_int(&w, 1 << 20);
    es_write_nil(&w);
    cut((struct cut){ES_CUT_MAP, 0, 5, "x"});
    es_write_nil(&w);
    binary("text");
    es_write_atom_ref(&w, 1);
    put("71770161770162"
        "6103"); /* fun a:b/3 */
}

/* Cut anywhere, or with a byte too many, a term is malformed and leaves nothing half-made. */
static void broken(void **state)
{
    (void)state;
    sample();
    size_t len = written();
    struct es_text out = {0};
    struct es_print print = {.atoms = lookup};
    for (size_t n = 0; n < len; n++) {
        uint8_t *copy = malloc(n ? n : 1); /* its own memory, so that a sanitizer sees a byte too far */
        memcpy(copy, bytes, n);
        es_text_clear(&out);
        assert_int_equal(es_term_print(copy, n, &print, &out), -EBADMSG);
        assert_memory_equal(out.bytes, "#Malformed<", 11);
        es_text_clear(&out);
        assert_int_equal(es_term_to_etf(copy, n, &print, &out), -EBADMSG);
        assert_int_equal(out.len, 0);
        free(copy);
    }
    es_text_clear(&out);
    assert_int_equal(es_term_print(bytes, len, &print, &out), 0);
    assert_string_equal(out.bytes, "{%{k: [1.5, 1048576], …+5 more}, \"text\", :cart, &:a.b/3}");
    es_write_nil(&w);
    assert_int_equal(es_term_print(bytes, len + 1, &print, &out), -EBADMSG);
    assert_int_equal(es_term_to_etf(bytes, len + 1, &print, &out), -EBADMSG);
    es_text_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(atom_references),
        cmocka_unit_test(identifiers),
        cmocka_unit_test(cuts),
        cmocka_unit_test(arguments),
        cmocka_unit_test(cut_list),
        cmocka_unit_test(cut_tuple_and_map),
        cmocka_unit_test(odd_structs),
        cmocka_unit_test(strings_that_deceive),
        cmocka_unit_test(ends_at_max_bytes),
        cmocka_unit_test(depth),
        cmocka_unit_test(broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
