/* SPDX-License-Identifier: MIT */
/* Terms on several lines, and tagged JSON: by hand, and read back by the machine's own erl and elixir. */
#include "terms.h"

#include <unistd.h>

#include "term/layout.h"
#include "term/tagged.h"

static void laid_out(const char *text, const struct es_layout *layout, struct es_text *out)
{
    struct parsed p = parsed(text);
    es_text_clear(out);
    es_layout_print(&p.tree, 0, layout, out);
    parsed_free(&p);
}

static void by_hand(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"#{a => 1}", "%{a: 1}", "#{a => 1}"},
        {"#{name => \"assam\", left => 19998, list => [a, b]}",
         "%{\n  name: \"assam\",\n  left: 19998,\n  list: [:a, :b]\n}",
         "#{\n  name => <<\"assam\">>,\n  left => 19998,\n  list => [a,b]\n}"},
        {"{waiting, #{name => \"assam\", left => 19998}}", "{:waiting, %{\n  name: \"assam\",\n  left: 19998\n}}",
         "{waiting,#{\n  name => <<\"assam\">>,\n  left => 19998\n}}"},
        {"[{size, 1}, {colour, \"a rather long one\"}]", "[\n  size: 1,\n  colour: \"a rather long one\"\n]",
         "[\n  {size,1},\n  {\n    colour,\n    <<\"a rather long one\">>\n  }\n]"},
        {"[-100, -101, -102, -103, -104, -105, -106]", "[\n  -100, -101, -102, -103,\n  -104, -105, -106\n]",
         "[\n  -100, -101, -102, -103,\n  -104, -105, -106\n]"},
        {"#{'__struct__' => 'Elixir.Shop.Item', name => \"assam\", price => 499}",
         "%Shop.Item{\n  name: \"assam\",\n  price: 499\n}",
         "#{\n  '__struct__' => 'Elixir.Shop.Item',\n  name => <<\"assam\">>,\n  price => 499\n}"},
        {"[\"a text that is long\", {b, \"another one\"} | c]",
         "[\n  \"a text that is long\",\n  {:b, \"another one\"}\n  | :c\n]",
         "[\n  <<\"a text that is long\">>,\n  {b,<<\"another one\">>}\n  | c\n]"},
        {"#{\"key one\" => \"assam tea\", ~rest:7}", "%{\n  \"key one\" => \"assam tea\",\n  …+7 more\n}",
         "#{\n  <<\"key one\">> => <<\"assam tea\">>,\n  …+7 more\n}"},
    };
    struct es_text out = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int erlang = 0; erlang < 2; erlang++) {
            struct es_layout layout = {.print = erlang ? &test_erlang : &test_elixir, .width = 27};
            laid_out(cases[i][0], &layout, &out);
            if (strcmp(out.bytes, cases[i][1 + erlang]) != 0)
                fail_msg("%s\nsays\n%s\nexpected\n%s", cases[i][0], out.bytes, cases[i][1 + erlang]);
        }
    es_text_fini(&out);
}

/* Marks have no width, and do not change what is on which line. */
static void marked(void **state)
{
    (void)state;
    struct parsed p = parsed("#{a => {1, 2}, b => 3}");
    struct es_layout_mark marks[] = {{es_tree_element(&p.tree, es_tree_field(&p.tree, 0, "a"), 1), "<", ">"},
                                     {es_tree_field(&p.tree, 0, "b"), "[[", "]]"}};
    struct es_layout layout = {.print = &test_elixir, .width = 20, .marks = marks, .n_marks = 2};
    struct es_text out = {0};
    es_layout_print(&p.tree, 0, &layout, &out);
    assert_string_equal(out.bytes, "%{a: {1, <2>}, b: [[3]]}");
    es_text_fini(&out);
    parsed_free(&p);
}

/* On one line it is what es_term_print() says; on many it is the same but for blanks. */
static void same_text(void **state)
{
    (void)state;
    int rounds = getenv("ES_TEST_FEW") ? 200 : 2000;
    for (int i = 0; i < rounds; i++) {
        struct bytes b = {0};
        struct es_tree tree;
        struct es_text wide = {0}, narrow = {0}, plain = {0};
        const struct es_print *print = below(2) ? &test_erlang : &test_elixir;
        struct es_layout layout = {.print = print, .width = 1000000};
        put_random(&b, 5);
        assert_int_equal(es_tree_read(&tree, b.at, b.len, print), 0);
        es_tree_print(&tree, 0, print, &plain);
        es_layout_print(&tree, 0, &layout, &wide);
        assert_string_equal(wide.bytes, plain.bytes);
        layout.width = 10 + below(80);
        es_layout_print(&tree, 0, &layout, &narrow);
        size_t at = 0;
        for (size_t k = 0; k <= plain.len; k++) {
            while (narrow.bytes[at] == ' ' || narrow.bytes[at] == '\n')
                at++;
            if (plain.bytes[k] == ' ')
                continue;
            if (plain.bytes[k] != narrow.bytes[at++])
                fail_msg("%s\nis laid out as\n%s", plain.bytes, narrow.bytes);
        }
        es_text_fini(&wide);
        es_text_fini(&narrow);
        es_text_fini(&plain);
        es_tree_fini(&tree);
        free(b.at);
    }
}

/* Random terms, laid out narrowly, are evaluated by erl to what their bytes decode to. */
static void erlang_reads_it(void **state)
{
    (void)state;
    char file[] = "/tmp/es_layout_XXXXXX", command[512];
    FILE *f = fdopen(mkstemp(file), "w");
    for (int i = 0; i < 300; i++) {
        struct bytes b = {0};
        struct es_tree tree;
        struct es_text text = {0};
        struct es_layout layout = {.print = &test_erlang, .width = 10 + below(60)};
        put_random(&b, 5);
        assert_int_equal(es_tree_read(&tree, b.at, b.len, &test_erlang), 0);
        es_layout_print(&tree, 0, &layout, &text);
        fputs("{<<131", f);
        for (size_t k = 0; k < b.len; k++)
            fprintf(f, ",%u", b.at[k]);
        fprintf(f, ">>,\n%s}.\n", text.bytes);
        es_text_fini(&text);
        es_tree_fini(&tree);
        free(b.at);
    }
    fclose(f);
    snprintf(command, sizeof command,
             "erl -noshell -eval '{ok, L} = file:consult(\"%s\"), 300 = length(L), "
             "[true = (binary_to_term(B) =:= T) || {B, T} <- L], halt(0).'",
             file);
    assert_int_equal(system(command), 0);
    remove(file);
}

static void tagged(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"1", "1"},
        {"-9007199254740991", "-9007199254740991"},
        {"9007199254740992", "{\"t\":\"integer\",\"v\":\"9007199254740992\"}"},
        {"1.0", "{\"t\":\"float\",\"v\":1.0}"},
        {"true", "true"},
        {"nil", "null"},
        {"ok", "{\"t\":\"atom\",\"v\":\"ok\"}"},
        {"\"a \\ text\"", "\"a \\\\ text\""},
        {"[]", "[]"},
        {"[1, [2], \"x\"]", "[1,[2],\"x\"]"},
        {"[1 | 2]", "{\"t\":\"improper\",\"v\":[1],\"tail\":2}"},
        {"[1 | {2}]", "{\"t\":\"improper\",\"v\":[1],\"tail\":{\"t\":\"tuple\",\"v\":[2]}}"},
        {"{}", "{\"t\":\"tuple\",\"v\":[]}"},
        {"{ok, {1}}", "{\"t\":\"tuple\",\"v\":[{\"t\":\"atom\",\"v\":\"ok\"},{\"t\":\"tuple\",\"v\":[1]}]}"},
        {"#{}", "{\"t\":\"map\",\"v\":[]}"},
        {"#{1 => #{2 => []}, \"b\" => {}}",
         "{\"t\":\"map\",\"v\":[[1,{\"t\":\"map\",\"v\":[[2,[]]]}],[\"b\",{\"t\":\"tuple\",\"v\":[]}]]}"},
        {"#{'__struct__' => 'Elixir.A', n => 2}",
         "{\"t\":\"struct\",\"name\":\"Elixir.A\",\"v\":[[{\"t\":\"atom\",\"v\":\"n\"},2]]}"},
        {"#{{1} => [{2}]}", "{\"t\":\"map\",\"v\":[[{\"t\":\"tuple\",\"v\":[1]},[{\"t\":\"tuple\",\"v\":[2]}]]]}"},
        {"[1, ~rest:3]", "{\"t\":\"list\",\"v\":[1],\"rest\":{\"t\":\"cut\",\"of\":\"list\",\"size\":3}}"},
        {"{1, ~rest:3}",
         "{\"t\":\"tuple\",\"v\":[1],\"arity\":4,\"rest\":{\"t\":\"cut\",\"of\":\"tuple\",\"size\":3}}"},
        {"#{1 => 2, ~rest:3}", "{\"t\":\"map\",\"v\":[[1,2]],\"rest\":{\"t\":\"cut\",\"of\":\"map\",\"size\":3}}"},
        {"~any", "{\"t\":\"cut\",\"of\":\"any\",\"size\":null}"},
        {"[~redacted]", "[{\"t\":\"redacted\"}]"},
        {"\"\xff\x01\x02\x03\"", "{\"t\":\"binary\",\"v\":\"/wECAw==\"}"},
    };
    struct es_text out = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct parsed p = parsed(cases[i][0]);
        es_text_clear(&out);
        es_tagged_print(&p.tree, 0, &test_elixir, &out);
        assert_string_equal(out.bytes, cases[i][1]);
        parsed_free(&p);
    }
    es_text_fini(&out);
}

static void tagged_leaves(void **state)
{
    (void)state;
    static const uint8_t
        pid[] = {ES_T_NEW_PID, ES_T_SMALL_ATOM_UTF8, 3, 'a', '@', 'b', 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 5},
        ref[] = {ES_T_NEWER_REF, 0, 2, ES_T_SMALL_ATOM_UTF8, 3, 'a', '@', 'b', 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2},
        bits[] = {ES_T_BIT_BINARY, 0, 0, 0, 2, 3, 1, 0xe0},
        fun[] = {ES_T_EXPORT, ES_T_SMALL_ATOM_UTF8, 1, 'm', ES_T_SMALL_ATOM_UTF8, 1, 'f', ES_T_SMALL_INT, 2};
    static const struct {
        const uint8_t *bytes;
        size_t len;
        const char *json;
    } cases[] = {
        {pid, sizeof pid, "{\"t\":\"pid\",\"v\":\"<0.7.1>\",\"node\":\"a@b\",\"id\":7,\"serial\":1,\"creation\":5}"},
        {ref, sizeof ref, "{\"t\":\"ref\",\"v\":\"#Ref<0.2.1>\",\"node\":\"a@b\",\"ids\":[1,2],\"creation\":5}"},
        {bits, sizeof bits, "{\"t\":\"bitstring\",\"bits\":11,\"v\":\"AeA=\"}"},
        {fun, sizeof fun, "{\"t\":\"export\",\"v\":\"fun m:f/2\",\"module\":\"m\",\"function\":\"f\",\"arity\":2}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct es_tree tree;
        struct es_text out = {0};
        assert_int_equal(es_tree_read(&tree, cases[i].bytes, cases[i].len, &test_elixir), 0);
        es_tagged_print(&tree, 0, &test_elixir, &out);
        assert_string_equal(out.bytes, cases[i].json);
        es_text_fini(&out);
        es_tree_fini(&tree);
    }
}

/* Another reader of JSON finds it well formed, whatever the term. */
static void tagged_is_json(void **state)
{
    (void)state;
    if (system("python3 -c 'import json'") != 0)
        skip();
    FILE *f = popen("python3 -c 'import json,sys\nfor line in sys.stdin: json.loads(line)'", "w");
    for (int i = 0; i < 1000; i++) {
        struct bytes b = {0};
        struct es_tree tree;
        struct es_text out = {0};
        put_random(&b, 5);
        assert_int_equal(es_tree_read(&tree, b.at, b.len, &test_elixir), 0);
        es_tagged_print(&tree, 0, &test_elixir, &out);
        fprintf(f, "%s\n", out.bytes);
        es_text_fini(&out);
        es_tree_fini(&tree);
        free(b.at);
    }
    assert_int_equal(pclose(f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_hand),       cmocka_unit_test(marked),
                                       cmocka_unit_test(same_text),     cmocka_unit_test(erlang_reads_it),
                                       cmocka_unit_test(tagged),        cmocka_unit_test(tagged_leaves),
                                       cmocka_unit_test(tagged_is_json)};
    seed_random();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
