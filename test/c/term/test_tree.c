/* SPDX-License-Identifier: MIT */
/* Trees: what they hold, which hashes are equal, and that any prefix of a term is refused. */
#include "terms.h"

static uint64_t hash_of(const char *text)
{
    struct parsed p = parsed(text);
    uint64_t hash = p.tree.nodes[0].hash;
    parsed_free(&p);
    return hash;
}

static void shape(void **state)
{
    (void)state;
    struct parsed p = parsed("{cart, [1, 2.5, \"three\"], #{a => 1, \"b\" => {}}, []}");
    const struct es_tree *t = &p.tree;
    assert_int_equal(t->nodes[0].type, ES_N_TUPLE);
    assert_int_equal(t->nodes[0].count, 4);
    assert_int_equal(t->nodes[0].next, t->n);
    uint32_t list = es_tree_element(t, 0, 1), map = es_tree_element(t, 0, 2), last = es_tree_element(t, 0, 3);
    assert_true(es_tree_is_atom(t, es_tree_element(t, 0, 0), "cart"));
    assert_int_equal(t->nodes[list].count, 3);
    assert_float_equal(es_tree_token(t, es_tree_element(t, list, 1)).real, 2.5, 0);
    assert_int_equal(es_tree_element(t, list, 3), ES_NO_NODE);
    assert_int_equal(t->nodes[map].count, 2);
    assert_int_equal(es_tree_token(t, es_tree_field(t, map, "a")).integer, 1);
    assert_int_equal(t->nodes[es_tree_value(t, map, es_tree_hash_binary("b", 1))].type, ES_N_TUPLE);
    assert_int_equal(es_tree_field(t, map, "b"), ES_NO_NODE);
    assert_int_equal(t->nodes[last].type, ES_N_LIST);
    assert_int_equal(es_tree_first(t, last), ES_NO_NODE);
    assert_int_equal(es_tree_element(t, 0, 4), ES_NO_NODE);
    parsed_free(&p);
}

static void flags(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned flags;
    } cases[] = {
        {"[{a, 1}, {b, 2}]", ES_NODE_KEYED | ES_NODE_KEYWORD},
        {"[{a, 1}, {\"b\", 2}]", ES_NODE_KEYED},
        {"[{'Elixir.A', 1}]", ES_NODE_KEYED},
        {"[{a, 1}, {b}]", 0},
        {"[{a, 1}, 2]", 0},
        {"[{1, 2}]", 0},
        {"[]", 0},
        {"[{a, 1} | b]", ES_NODE_IMPROPER},
        {"[{a, 1}, ~rest:3]", ES_NODE_KEYED | ES_NODE_KEYWORD | ES_NODE_REST | ES_NODE_UNSURE},
        {"[{a, ~binary:3}]", ES_NODE_KEYED | ES_NODE_KEYWORD | ES_NODE_UNSURE},
        {"{1, ~rest:3}", ES_NODE_REST | ES_NODE_UNSURE},
        {"#{a => 1}", ES_NODE_ATOM_KEYS},
        {"#{a => 1, 2 => 3}", 0},
        {"#{'__struct__' => 'Elixir.Shop.Cart', a => 1}", ES_NODE_ATOM_KEYS | ES_NODE_STRUCT},
        {"#{'__struct__' => cart, a => 1}", ES_NODE_ATOM_KEYS},
        {"#{'__struct__' => 'Elixir.Shop.Cart', 1 => 1}", 0},
        {"#{a => 1, ~rest:4}", ES_NODE_ATOM_KEYS | ES_NODE_REST | ES_NODE_UNSURE},
        {"~redacted", ES_NODE_UNSURE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct parsed p = parsed(cases[i].text);
        if (p.tree.nodes[0].flags != cases[i].flags)
            fail_msg("%s: flags %x, not %x", cases[i].text, p.tree.nodes[0].flags, cases[i].flags);
        parsed_free(&p);
    }
}

static void equal_hashes(void **state)
{
    (void)state;
    static const uint8_t string[] = {ES_T_STRING, 0, 3, 1, 2, 3}, latin[] = {ES_T_ATOM, 0, 2, 0xe9, 'a'},
                         big[] = {ES_T_SMALL_BIG, 1, 0, 7},
                         padded[] = {ES_T_SMALL_BIG, 10, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0};
    static const uint8_t plain[] = {ES_T_SMALL_BIG, 9, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    struct es_tree a, b;
    assert_true(hash_of("#{a => 1, b => 2, c => {3}}") == hash_of("#{c => {3}, a => 1, b => 2}"));
    assert_int_equal(es_tree_read(&a, string, sizeof string, &test_elixir), 0);
    assert_true(a.nodes[0].hash == hash_of("[1, 2, 3]"));
    assert_int_equal(a.nodes[0].count, 3);
    assert_int_equal(es_tree_token(&a, es_tree_element(&a, 0, 2)).integer, 3);
    es_tree_fini(&a);
    assert_int_equal(es_tree_read(&a, latin, sizeof latin, &test_elixir), 0);
    assert_true(a.nodes[0].hash == hash_of("'\xc3\xa9\x61'"));
    es_tree_fini(&a);
    assert_int_equal(es_tree_read(&a, big, sizeof big, &test_elixir), 0);
    assert_true(a.nodes[0].hash == hash_of("7"));
    es_tree_fini(&a);
    assert_int_equal(es_tree_read(&a, padded, sizeof padded, &test_elixir), 0);
    assert_int_equal(es_tree_read(&b, plain, sizeof plain, &test_elixir), 0);
    assert_true(a.nodes[0].hash == b.nodes[0].hash);
    es_tree_fini(&a);
    es_tree_fini(&b);
}

static void different_hashes(void **state)
{
    (void)state;
    static const char *const texts[] = {"1",
                                        "-1",
                                        "1.0",
                                        "\"1\"",
                                        "'1'",
                                        "[1]",
                                        "{1}",
                                        "[]",
                                        "{}",
                                        "#{}",
                                        "\"\"",
                                        "''",
                                        "[1, 2]",
                                        "[2, 1]",
                                        "{1, 2}",
                                        "[1 | 2]",
                                        "[[1], 2]",
                                        "[[1, 2]]",
                                        "[{1, 2}]",
                                        "#{1 => 2}",
                                        "#{2 => 1}",
                                        "#{1 => 2, 3 => 4}",
                                        "#{1 => 4, 3 => 2}",
                                        "#{1 => #{2 => 3}}",
                                        "#{1 => 1}",
                                        "#{2 => 2}",
                                        "[1, ~rest:2]",
                                        "[1, ~rest:3]",
                                        "{1, ~rest:2}",
                                        "#{1 => 2, ~rest:1}",
                                        "~list:3",
                                        "~map:3",
                                        "~redacted",
                                        "\"a\"",
                                        "\"a \"",
                                        "a",
                                        "b",
                                        "0.0",
                                        "-0.0",
                                        "[[], []]",
                                        "[[[]]]",
                                        "9007199254740993",
                                        "9007199254740992",
                                        "#{a => #{}}",
                                        "#{a => []}"};
    size_t n = sizeof texts / sizeof texts[0];
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++)
            if (hash_of(texts[i]) == hash_of(texts[j]))
                fail_msg("%s and %s have one hash", texts[i], texts[j]);
}

/* Random terms: two readings agree; nodes tile their parents; each prefix is refused, and so is a byte more. */
static void random_terms(void **state)
{
    (void)state;
    int rounds = getenv("ES_TEST_FEW") ? 200 : 2000;
    for (int i = 0; i < rounds; i++) {
        struct bytes b = {0};
        struct es_tree tree;
        put_random(&b, 5);
        assert_int_equal(es_tree_read(&tree, b.at, b.len, &test_elixir), 0);
        assert_int_equal(tree.nodes[0].next, tree.n);
        assert_int_equal(tree.nodes[0].end, b.len);
        for (uint32_t node = 0; node < tree.n; node++) {
            const struct es_node *n = &tree.nodes[node];
            uint32_t children = 0;
            for (uint32_t c = es_tree_first(&tree, node); c != ES_NO_NODE; c = es_tree_after(&tree, node, c)) {
                assert_true(tree.nodes[c].at > n->at && tree.nodes[c].end <= n->end);
                children++;
            }
            assert_int_equal(children, n->count * (n->type == ES_N_MAP ? 2 : 1) + !!(n->flags & ES_NODE_IMPROPER));
            struct es_tree alone; /* a subtree read by itself is the same */
            assert_int_equal(es_tree_read(&alone, b.at + n->at, n->end - n->at, &test_elixir), 0);
            assert_true(alone.nodes[0].hash == n->hash && alone.nodes[0].flags == n->flags);
            es_tree_fini(&alone);
        }
        es_tree_fini(&tree);
        for (size_t len = 0; len < b.len; len += 1 + b.len / 40) {
            uint8_t *cut = malloc(len ? len : 1);
            memcpy(cut, b.at, len);
            assert_int_equal(es_tree_read(&tree, cut, len, &test_elixir), -EBADMSG);
            free(cut);
        }
        put_u8(&b, ES_T_NIL);
        assert_int_equal(es_tree_read(&tree, b.at, b.len, &test_elixir), -EBADMSG);
        free(b.at);
    }
}

static void deep(void **state)
{
    (void)state;
    struct es_tree tree;
    for (uint32_t depth = ES_TERM_DEPTH_MAX; depth <= ES_TERM_DEPTH_MAX + 1; depth++) {
        struct bytes b = {0};
        for (uint32_t i = 0; i < depth; i++) {
            put_u8(&b, ES_T_SMALL_TUPLE);
            put_u8(&b, 1);
        }
        put_u8(&b, ES_T_NIL);
        assert_int_equal(es_tree_read(&tree, b.at, b.len, &test_elixir), depth > ES_TERM_DEPTH_MAX ? -EBADMSG : 0);
        if (depth <= ES_TERM_DEPTH_MAX)
            es_tree_fini(&tree);
        free(b.at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(shape),        cmocka_unit_test(flags),
                                       cmocka_unit_test(equal_hashes), cmocka_unit_test(different_hashes),
                                       cmocka_unit_test(random_terms), cmocka_unit_test(deep)};
    seed_random();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
