/* SPDX-License-Identifier: MIT */
/* Paths: what they lead to, how they are printed, and what is said where they lead nowhere. */
#include "terms.h"

#include "term/path.h"

static const char state_text[] =
    "#{id => 7, items => [#{sku => \"tea\", price => 499}, #{sku => \"cup\", price => 900}], \"raw key\" => [1, 2, 3],"
    " opts => [{size, 3}, {\"hot\", yes}], 3 => three, pair => {left, {right, 2.5}}, {a, 1} => tuple_key, 'odd name' "
    "=> 1,"
    " 'Elixir.Shop.Cart' => module, \"b\" => text_b, 1.5 => real, tail => [1, 2 | 3], cut => [1, ~rest:9], secret => "
    "~redacted}";

static char *value_at(const char *text, int *ret_rc)
{
    static struct es_text out;
    struct parsed p = parsed(state_text);
    struct es_path path;
    uint32_t node = 0;
    es_error_clear();
    es_text_clear(&out);
    *ret_rc = es_path_parse(text, &path);
    if (*ret_rc == 0) {
        *ret_rc = es_path_resolve(&path, &p.tree, &test_erlang, &node);
        es_path_fini(&path);
    }
    if (*ret_rc == 0)
        es_tree_print(&p.tree, node, &test_erlang, &out);
    else
        es_text_puts(&out, es_error_text());
    parsed_free(&p);
    return out.bytes;
}

static void leads_to(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {".id", "7"},
        {"id", "7"},
        {"[id]", "7"},
        {"[:id]", "7"},
        {"['id']", "7"},
        {".items[1].price", "900"},
        {".items[-1].sku", "<<\"cup\">>"},
        {"items[0][\"sku\"]", NULL},
        {"[\"raw key\"][2]", "3"},
        {"[<<\"raw key\">>][0]", "1"},
        {".\"raw key\"[0]", "1"},
        {".opts.size", "3"},
        {".opts[:size]", "3"},
        {".opts.hot", "yes"},
        {".opts[\"hot\"]", "yes"},
        {".opts[1]", "{<<\"hot\">>,yes}"},
        {".opts[1]{1}", "yes"},
        {"[3]", "three"},
        {".pair{0}", "left"},
        {".pair{1}{1}", "2.5"},
        {"[{a, 1}]", "tuple_key"},
        {"[{:a, 1}]", "tuple_key"},
        {"[{a,1}]", "tuple_key"},
        {"[:\"odd name\"]", "1"},
        {"['odd name']", "1"},
        {"[Shop.Cart]", "module"},
        {"[Elixir.Shop.Cart]", "module"},
        {".b", "text_b"},
        {"[1.5]", "real"},
        {"[ 3 ]", "three"},
        {".tail[1]", "2"},
        {".cut[0]", "1"},
        {".secret", "#Redacted"},
    };
    int rc;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *value = value_at(cases[i][0], &rc);
        if (cases[i][1] ? rc != 0 || strcmp(value, cases[i][1]) != 0 : rc != -ENOENT)
            fail_msg("%s: %d, %s instead of %s", cases[i][0], rc, value, cases[i][1] ? cases[i][1] : "nothing");
    }
    assert_string_equal(value_at("", &rc), value_at(".", &rc));
    assert_int_equal(rc, 0);
}

static void leads_nowhere(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int rc;
        const char *says;
    } cases[] = {
        {".nope", -ENOENT, ".nope is not there: the whole is a map with 14 keys: .id"},
        {".items[7].price", -ENOENT, ".items[7] is not there: .items is a list of 2 elements"},
        {".items[0].name", -ENOENT, ".items[0].name is not there: .items[0] is a map with 2 keys: .sku .price"},
        {".id.more", -ENOENT, ".id.more is not there: .id is 7"},
        {".pair{2}", -ENOENT, ".pair{2} is not there: .pair is a tuple of 2 elements"},
        {".pair[0]", -ENOENT, ".pair[0] is not there"},
        {".opts.nope", -ENOENT, "a list with 2 keys: .size [\"hot\"]"},
        {".cut[5]", -ENODATA, ".cut[5] is not in what was captured"},
        {".cut[-1]", -ENODATA, ".cut[-1] is not in what was captured"},
        {".secret.password", -ENODATA, ".secret.password is not in what was captured"},
        {".items[-3]", -ENOENT, ".items[-3] is not there"},
        {"[{a, 2}]", -ENOENT, "[{a, 2}] is not there"},
    };
    int rc;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *says = value_at(cases[i].path, &rc);
        if (rc != cases[i].rc || !strstr(says, cases[i].says))
            fail_msg("%s: %d, says '%s'", cases[i].path, rc, says);
    }
}

static void wrong_paths(void **state)
{
    (void)state;
    static const char *const wrong[] = {"..a",      ".a[", ".a[]", ".a{x}", ".a{-1}", ".a{1", "[\"a", ".a b",   "a.",
                                        "[\"a\"x]", ".a]", "{}",   ".a[1}", "'",      "[ ]",  ".[",   "[:\"a]", "\x01"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct es_path path;
        es_error_clear();
        if (es_path_parse(wrong[i], &path) != -EINVAL)
            fail_msg("%s was read", wrong[i]);
        assert_non_null(strstr(es_error_text(), wrong[i]));
    }
    char long_path[400] = "";
    for (int i = 0; i < ES_PATH_STEPS_MAX + 1; i++)
        strcat(long_path, "[1]");
    struct es_path path;
    assert_int_equal(es_path_parse(long_path, &path), -EINVAL);
    long_path[3 * ES_PATH_STEPS_MAX] = '\0';
    assert_int_equal(es_path_parse(long_path, &path), 0);
    es_path_fini(&path);
}

static void printed(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"items[3].price", ".items[3].price", ".items[3].price"},
        {"[:\"odd name\"]{1}", "[:\"odd name\"]{1}", "['odd name']{1}"},
        {"[\"a \\\"b\\\"\"][-1]", "[\"a \\\"b\\\"\"][-1]", "[\"a \\\"b\\\"\"][-1]"},
        {"[Shop.Cart]", "[Shop.Cart]", "['Elixir.Shop.Cart']"},
        {"[{a, 1}].x", "[{a, 1}].x", "[{a, 1}].x"},
        {"", ".", "."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int erlang = 0; erlang < 2; erlang++) {
            struct es_path path, again;
            struct es_text out = {0}, out2 = {0};
            assert_int_equal(es_path_parse(cases[i][0], &path), 0);
            es_path_print(&path, path.n, erlang, &out);
            assert_string_equal(out.bytes, cases[i][1 + erlang]);
            assert_int_equal(es_path_parse(out.bytes, &again), 0); /* and is read again */
            es_path_print(&again, again.n, erlang, &out2);
            assert_string_equal(out.bytes, out2.bytes);
            es_path_fini(&path);
            es_path_fini(&again);
            es_text_fini(&out);
            es_text_fini(&out2);
        }
}

/* Each key of a map, printed as a step, leads to its value. */
static void keys_lead_back(void **state)
{
    (void)state;
    struct parsed p = parsed(state_text);
    uint32_t key = 1;
    for (uint32_t i = 0; i < p.tree.nodes[0].count; i++) {
        uint32_t value = p.tree.nodes[key].next, found = 0;
        for (int erlang = 0; erlang < 2; erlang++) {
            struct es_text out = {0};
            struct es_path path;
            const struct es_print *print = erlang ? &test_erlang : &test_elixir;
            es_path_print_key(&p.tree, key, print, &out);
            assert_int_equal(es_path_parse(out.bytes, &path), 0);
            if (es_path_resolve(&path, &p.tree, print, &found) != 0 || found != value)
                fail_msg("%s does not lead back", out.bytes);
            es_path_fini(&path);
            es_text_fini(&out);
        }
        key = p.tree.nodes[value].next;
    }
    parsed_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(leads_to), cmocka_unit_test(leads_nowhere),
                                       cmocka_unit_test(wrong_paths), cmocka_unit_test(printed),
                                       cmocka_unit_test(keys_lead_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
