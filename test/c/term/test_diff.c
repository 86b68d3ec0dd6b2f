/* SPDX-License-Identifier: MIT */
/* Differences: by hand, what a line says; at random, that a difference applied to the old term gives the new one, and
 * that a single change is found as one. */
#include "terms.h"

#include "term/diff.h"

static const struct es_diff_style no_style;

static void diff_of(const char *from, const char *to, bool erlang, struct es_text *out)
{
    struct parsed a = parsed(from), b = parsed(to);
    struct es_diff diff;
    assert_int_equal(es_diff_make(&a.tree, &b.tree, &diff), 0);
    es_text_clear(out);
    for (uint32_t i = 0; i < diff.n_changes; i++) {
        es_text_puts(out, i ? "\n" : "");
        es_diff_print(&diff, &diff.changes[i], erlang ? &test_erlang : &test_elixir, &no_style, out);
    }
    es_text_add(out, "", 0);
    es_diff_fini(&diff);
    parsed_free(&a);
    parsed_free(&b);
}

static void by_hand(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"1", "1", ""},
        {"5", "6", ".: 5 → 6 (+1)"},
        {"1", "1.0", ".: 1 → 1.0"},
        {"2.0", "1.5", ".: 2.0 → 1.5 (-0.5)"},
        {"#{a => 1, b => 2}", "#{b => 2, a => 1}", ""},
        {"#{stock => #{\"assam\" => #{left => 19999}}}", "#{stock => #{\"assam\" => #{left => 19998}}}",
         ".stock[\"assam\"].left: 19999 → 19998 (-1)"},
        {"#{r => #{}}", "#{r => #{\"peter-1\" => 1}}", "+ .r[\"peter-1\"]: 1"},
        {"#{r => #{\"x\" => 0}}", "#{r => #{\"x\" => 0, \"peter-1\" => #{n => 2}}}", "+ .r[\"peter-1\"]: %{n: 2}"},
        {"#{a => 1, b => 2}", "#{b => 3}", "- .a: 1\n.b: 2 → 3 (+1)"},
        {"[1, 2, 3]", "[1, 2, 3, 4]", "+ [3]: 4"},
        {"[1, 2, 3]", "[0, 1, 2, 3]", "+ [0]: 0"},
        {"[a, b, c, d]", "[a, c, d, e]", "- [1]: :b\n+ [3]: :e"},
        {"[a, b, c]", "[a, x, c]", "[1]: :b → :x"},
        {"[#{n => 1}, #{n => 2}]", "[#{n => 1}, #{n => 3}]", "[1].n: 2 → 3 (+1)"},
        {"[{a, 1}, {b, 2}]", "[{a, 1}, {b, 3}]", ".b: 2 → 3 (+1)"},
        {"[{a, 1}, {b, 2}]", "[{c, 0}, {a, 1}]", "+ .c: 0\n- .b: 2"},
        {"[{a, 1}, {a, 2}]", "[{a, 1}, {a, 3}]", ".a: 2 → 3 (+1)"},
        {"[]", "[{a, 1}]", "+ .a: 1"},
        {"[1 | 2]", "[1 | 3]", "[|]: 2 → 3 (+1)"},
        {"[1 | 2]", "[1]", ".: [1 | 2] → [1]"},
        {"{idle, #{n => 1}}", "{busy, #{n => 2}}", "{0}: :idle → :busy\n{1}.n: 1 → 2 (+1)"},
        {"{ok, 1}", "{error, 2}", ".: {:ok, 1} → {:error, 2}"},
        {"{ok, 1}", "{ok, 1, 2}", ".: {:ok, 1} → {:ok, 1, 2}"},
        {"#{'__struct__' => 'Elixir.A', n => 1}", "#{'__struct__' => 'Elixir.A', n => 2}", ".n: 1 → 2 (+1)"},
        {"#{'__struct__' => 'Elixir.A', n => 1}", "#{'__struct__' => 'Elixir.B', n => 1}", ".: %A{n: 1} → %B{n: 1}"},
        {"[98, 111, 98]", "[114, 111, 98]", ".: 'bob' → 'rob'"},
        {"\"short\"", "\"shirt\"", ".: \"short\" → \"shirt\""},
        {"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-old-"
         "bbbbbbbbbbbbbbbbbbbbbbbbbbbb\"",
         "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-new-"
         "bbbbbbbbbbbbbbbbbbbbbbbbbbbb\"",
         ".: …\"aaaaaaaaaaa-old-bbbbbbbbbbb\"… → …\"aaaaaaaaaaa-new-bbbbbbbbbbb\"… (at byte 75)"},
        /* cuts: never equal, never changed, where nobody knows */
        {"~list:5", "~list:5", "? .: may differ, it was cut or redacted here"},
        {"~list:5", "~list:6", ".: […+5 more] → […+6 more]"},
        {"~list:5", "~map:5", ".: […+5 more] → %{…+5 more}"},
        {"~list:2", "[1, 2, 3]", ".: […+2 more] → [1, 2, 3]"},
        {"~list:2", "[1, 2]", "? .: may differ, it was cut or redacted here"},
        {"~any", "1", "? .: may differ, it was cut or redacted here"},
        {"#{a => 1, p => ~redacted}", "#{a => 2, p => ~redacted}",
         ".a: 1 → 2 (+1)\n? .p: may differ, it was cut or redacted here"},
        {"[1, 2, ~rest:3]", "[1, 5, ~rest:3]", "? .: may differ, it was cut or redacted here\n[1]: 2 → 5 (+3)"},
        {"[1, ~rest:3]", "[1, 5]", "? .: may differ, it was cut or redacted here"},
        {"#{a => 1, ~rest:2}", "#{a => 1, b => 2}",
         "? .: may differ, it was cut or redacted here\n? .b: may differ, it was cut or redacted here"},
        {"#{a => 1}", "#{a => #{}, ~rest:2}", "? .: may differ, it was cut or redacted here\n.a: 1 → %{}"},
        {"~fun:0", "~fun:0", "? .: may differ, it was cut or redacted here"},
    };
    struct es_text out = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        diff_of(cases[i][0], cases[i][1], false, &out);
        if (strcmp(out.bytes, cases[i][2]) != 0)
            fail_msg("%s -> %s\n  said     %s\n  expected %s", cases[i][0], cases[i][1], out.bytes, cases[i][2]);
    }
    diff_of("#{'odd name' => #{\"k\" => [{a, 1}]}}", "#{'odd name' => #{\"k\" => [{a, 2}]}}", true, &out);
    assert_string_equal(out.bytes, "['odd name'][\"k\"].a: 1 → 2 (+1)");
    es_text_fini(&out);
}

static void as_json(void **state)
{
    (void)state;
    struct parsed a = parsed("#{n => 10, t => \"abcd\"}"), b = parsed("#{n => 7, t => \"abXXd\", new => [1]}");
    struct es_diff diff;
    struct es_text out = {0};
    assert_int_equal(es_diff_make(&a.tree, &b.tree, &diff), 0);
    for (uint32_t i = 0; i < diff.n_changes; i++)
        es_diff_json(&diff, &diff.changes[i], &test_elixir, &out);
    assert_string_equal(
        out.bytes, "{\"path\":\".n\",\"op\":\"changed\",\"old\":\"10\",\"new\":\"7\",\"delta\":-3}"
                   "{\"path\":\".t\",\"op\":\"changed\",\"old\":\"\\\"abcd\\\"\",\"new\":\"\\\"abXXd\\\"\",\"edit\":"
                   "{\"at\":2,\"removed\":1,\"inserted\":2}}"
                   "{\"path\":\".new\",\"op\":\"added\",\"old\":null,\"new\":\"[1]\"}");
    es_text_fini(&out);
    es_diff_fini(&diff);
    parsed_free(&a);
    parsed_free(&b);
}

/* ---- applying ------------------------------------------------------------------------------------------------------ */

static void build(struct bytes *b, const struct es_diff *d, uint32_t node, uint32_t step);

static void copy(struct bytes *b, const struct es_tree *tree, uint32_t node)
{
    const struct es_node *n = &tree->nodes[node];
    if (n->flags & ES_NODE_BYTE)
        put_int(b, tree->bytes[n->at]);
    else
        put(b, tree->bytes + n->at, n->end - n->at);
}

static const struct es_change *change_of(const struct es_diff *d, uint32_t step)
{
    for (uint32_t i = 0; i < d->n_changes; i++)
        if (d->changes[i].step == step)
            return &d->changes[i];
    return NULL;
}

static bool has_steps(const struct es_diff *d, uint32_t parent)
{
    for (uint32_t i = 0; i < d->n_steps; i++)
        if (d->steps[i].parent == parent)
            return true;
    return false;
}

static bool is(const struct es_diff *d, uint32_t step, enum es_change_op op)
{
    const struct es_change *change = change_of(d, step);
    return change && change->op == op;
}

static void build_tuple(struct bytes *b, const struct es_diff *d, uint32_t node, uint32_t parent)
{
    uint32_t child = node + 1;
    put_u8(b, ES_T_LARGE_TUPLE);
    put_be32(b, d->from->nodes[node].count);
    for (uint32_t i = 0; i < d->from->nodes[node].count; i++) {
        uint32_t step = ES_NO_STEP;
        for (uint32_t s = 0; s < d->n_steps; s++)
            if (d->steps[s].parent == parent && d->steps[s].index == i)
                step = s;
        if (step == ES_NO_STEP)
            copy(b, d->from, child);
        else
            build(b, d, child, step);
        child = d->from->nodes[child].next;
    }
}

static void build_map(struct bytes *b, const struct es_diff *d, uint32_t node, uint32_t parent)
{
    uint32_t key = node + 1, n = 0;
    put_u8(b, ES_T_MAP);
    size_t count_at = b->len;
    put_be32(b, 0);
    for (uint32_t i = 0; i < d->from->nodes[node].count; i++) {
        uint32_t value = d->from->nodes[key].next, step = ES_NO_STEP;
        for (uint32_t s = 0; s < d->n_steps; s++) {
            const struct es_tree *tree = d->steps[s].of_old ? d->from : d->to;
            if (d->steps[s].parent == parent && tree->nodes[d->steps[s].key].hash == d->from->nodes[key].hash)
                step = s;
        }
        if (step == ES_NO_STEP || !is(d, step, ES_CHANGE_REMOVED)) {
            copy(b, d->from, key);
            if (step == ES_NO_STEP)
                copy(b, d->from, value);
            else
                build(b, d, value, step);
            n++;
        }
        key = d->from->nodes[value].next;
    }
    for (uint32_t s = 0; s < d->n_steps; s++)
        if (d->steps[s].parent == parent && is(d, s, ES_CHANGE_ADDED)) {
            copy(b, d->to, d->steps[s].key);
            copy(b, d->to, change_of(d, s)->new_node);
            n++;
        }
    set_be32(b, count_at, n);
}

/* Removed ones by their old place, then added ones into their new place, then what changed in its new place. */
static void build_list(struct bytes *b, const struct es_diff *d, uint32_t node, uint32_t parent)
{
    struct slot {
        uint32_t old, step;
    } *slots = malloc(sizeof *slots * (d->from->nodes[node].count + d->n_steps + 1));
    uint32_t n = 0, child = node + 1, tail = ES_NO_STEP;
    for (uint32_t i = 0; i < d->from->nodes[node].count; i++) {
        bool removed = false;
        for (uint32_t s = 0; s < d->n_steps; s++)
            removed = removed || (d->steps[s].parent == parent && d->steps[s].of_old && d->steps[s].index == i);
        if (!removed)
            slots[n++] = (struct slot){child, ES_NO_STEP};
        child = d->from->nodes[child].next;
    }
    for (uint32_t index = 0; index <= n; index++)
        for (uint32_t s = 0; s < d->n_steps; s++) {
            const struct es_step *step = &d->steps[s];
            if (step->parent != parent || step->of_old || step->index != index || step->kind == ES_STEP_TAIL)
                continue;
            if (is(d, s, ES_CHANGE_ADDED)) {
                memmove(&slots[index + 1], &slots[index], (n - index) * sizeof *slots);
                slots[index].old = ES_NO_NODE;
                n++;
            }
            slots[index].step = s;
        }
    put_u8(b, ES_T_LIST);
    put_be32(b, n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t s = slots[i].step, old = slots[i].old;
        if (s == ES_NO_STEP) {
            copy(b, d->from, old);
            continue;
        }
        bool keyed = d->steps[s].kind == ES_STEP_KEY;
        if (keyed) {
            put_u8(b, ES_T_SMALL_TUPLE);
            put_u8(b, 2);
            copy(b, d->to, d->steps[s].key);
        }
        if (old == ES_NO_NODE)
            copy(b, d->to, change_of(d, s)->new_node);
        else
            build(b, d, keyed ? d->from->nodes[old + 1].next : old, s);
    }
    for (uint32_t s = 0; s < d->n_steps; s++)
        if (d->steps[s].parent == parent && d->steps[s].kind == ES_STEP_TAIL)
            tail = s;
    if (tail != ES_NO_STEP)
        build(b, d, es_tree_rest(d->from, node), tail);
    else if (d->from->nodes[node].flags & ES_NODE_IMPROPER)
        copy(b, d->from, es_tree_rest(d->from, node));
    else
        put_u8(b, ES_T_NIL);
    free(slots);
}

static void build(struct bytes *b, const struct es_diff *d, uint32_t node, uint32_t step)
{
    const struct es_change *change = change_of(d, step);
    if (change) {
        assert_int_equal(change->op, ES_CHANGE_CHANGED);
        assert_int_equal(change->old_node, node);
        copy(b, d->to, change->new_node);
    } else if (!has_steps(d, step)) {
        copy(b, d->from, node);
    } else if (d->from->nodes[node].type == ES_N_TUPLE) {
        build_tuple(b, d, node, step);
    } else if (d->from->nodes[node].type == ES_N_MAP) {
        build_map(b, d, node, step);
    } else {
        build_list(b, d, node, step);
    }
}

static void check_apply(const struct es_tree *from, const struct es_tree *to)
{
    struct es_diff diff;
    struct bytes b = {0};
    struct es_tree made;
    struct es_text out = {0}, wanted = {0};
    assert_int_equal(es_diff_make(from, to, &diff), 0);
    assert_true((diff.n_changes == 0) == (from->nodes[0].hash == to->nodes[0].hash));
    build(&b, &diff, 0, ES_NO_STEP);
    assert_int_equal(es_tree_read(&made, b.at, b.len, &test_erlang), 0);
    if (made.nodes[0].hash != to->nodes[0].hash) {
        es_tree_print(&made, 0, &test_erlang, &out);
        es_tree_print(to, 0, &test_erlang, &wanted);
        fail_msg("applied %s\nwanted  %s", out.bytes, wanted.bytes);
    }
    for (uint32_t i = 0; i < diff.n_changes; i++) /* all of it can be printed */
        es_diff_print(&diff, &diff.changes[i], &test_elixir, &no_style, &out);
    es_tree_fini(&made);
    es_diff_fini(&diff);
    es_text_fini(&out);
    free(b.at);
}

/* A copy of the term with some subterms replaced, elements added and left out. */
static void put_mutated(struct bytes *b, const struct es_tree *t, uint32_t node, unsigned odds)
{
    const struct es_node *n = &t->nodes[node];
    bool map = n->type == ES_N_MAP;
    if (below(odds) == 0) {
        put_random(b, 2);
        return;
    }
    if (n->count == 0 || (n->type != ES_N_LIST && n->type != ES_N_TUPLE && !map)) {
        copy(b, t, node);
        return;
    }
    uint32_t child = node + 1, made = 0;
    put_u8(b, map ? ES_T_MAP : n->type == ES_N_LIST ? ES_T_LIST : ES_T_LARGE_TUPLE);
    size_t count_at = b->len;
    put_be32(b, 0);
    for (uint32_t i = 0; i < n->count; i++) {
        bool left_out = below(odds) == 0, extra = !map && below(odds) == 0;
        if (extra) {
            put_random(b, 2);
            made++;
        }
        if (!left_out) {
            if (map)
                copy(b, t, child);
            put_mutated(b, t, map ? t->nodes[child].next : child, odds);
            made++;
        }
        child = map ? t->nodes[t->nodes[child].next].next : t->nodes[child].next;
    }
    if (map && below(odds) == 0) {
        put_atom(b, "brand_new", 9);
        put_random(b, 2);
        made++;
    }
    set_be32(b, count_at, made);
    if (n->flags & ES_NODE_IMPROPER)
        made > 0 ? put_mutated(b, t, child, odds) : put_u8(b, ES_T_NIL);
    else if (n->type == ES_N_LIST)
        put_u8(b, ES_T_NIL);
}

static void applied(void **state)
{
    (void)state;
    int rounds = getenv("ES_TEST_FEW") ? 500 : 5000;
    for (int i = 0; i < rounds; i++) {
        struct bytes a = {0}, b = {0};
        struct es_tree from, to;
        put_random(&a, 5);
        assert_int_equal(es_tree_read(&from, a.at, a.len, &test_erlang), 0);
        if (below(10) == 0)
            put_random(&b, 5);
        else
            put_mutated(&b, &from, 0, 4 + below(30));
        assert_int_equal(es_tree_read(&to, b.at, b.len, &test_erlang), 0);
        check_apply(&from, &to);
        check_apply(&to, &from);
        es_tree_fini(&from);
        es_tree_fini(&to);
        free(a.at);
        free(b.at);
    }
}

/* Long lists of few different elements, with more edits than are looked for in some. */
static void long_lists(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        struct bytes a = {0}, b = {0};
        struct es_tree from, to;
        uint32_t n = 1 + below(400), kinds = 1 + below(40), odds = 2 + below(50), made = 0;
        put_u8(&a, ES_T_LIST);
        put_be32(&a, n);
        put_u8(&b, ES_T_LIST);
        put_be32(&b, 0);
        for (uint32_t k = 0; k < n; k++) {
            int64_t value = 1000 + below(kinds);
            put_int(&a, value);
            if (below(odds) == 0) {
                put_int(&b, 1000 + below(kinds));
                made++;
            }
            if (below(odds) > 0) {
                put_int(&b, value);
                made++;
            }
        }
        set_be32(&b, 1, made);
        put_u8(&a, ES_T_NIL);
        put_u8(&b, ES_T_NIL);
        assert_int_equal(es_tree_read(&from, a.at, a.len, &test_erlang), 0);
        assert_int_equal(es_tree_read(&to, b.at, b.len, &test_erlang), 0);
        check_apply(&from, &to);
        es_tree_fini(&from);
        es_tree_fini(&to);
        free(a.at);
        free(b.at);
    }
}

static bool is_key_of_map(const struct es_tree *tree, uint32_t node)
{
    for (uint32_t map = 0; map < node; map++) {
        bool key = true;
        for (uint32_t c = tree->nodes[map].type == ES_N_MAP ? es_tree_first(tree, map) : ES_NO_NODE; c != ES_NO_NODE;
             c = es_tree_after(tree, map, c), key = !key)
            if (key && node >= c && node < tree->nodes[c].next)
                return true;
    }
    return false;
}

/* One integer somewhere is another one: one change, with both. */
static void single_change(void **state)
{
    (void)state;
    for (int i = 0, done = 0; done < 500 && i < 20000; i++) {
        struct bytes a = {0};
        struct es_tree from, to;
        put_random(&a, 5);
        assert_int_equal(es_tree_read(&from, a.at, a.len, &test_erlang), 0);
        uint32_t node = below(from.n);
        const struct es_node *n = &from.nodes[node];
        bool usable = n->type == ES_N_INT && a.at[n->at] == ES_T_SMALL_INT && !is_key_of_map(&from, node);
        if (usable) {
            struct bytes b = {malloc(a.len), a.len, a.len};
            memcpy(b.at, a.at, a.len);
            b.at[n->at + 1] = 77;
            assert_int_equal(es_tree_read(&to, b.at, b.len, &test_erlang), 0);
            struct es_diff diff;
            assert_int_equal(es_diff_make(&from, &to, &diff), 0);
            assert_int_equal(diff.n_changes, 1);
            assert_int_equal(diff.changes[0].op, ES_CHANGE_CHANGED);
            assert_true(diff.changes[0].new_node <= node); /* it, or what replaced a tuple of nothing else in common */
            es_diff_fini(&diff);
            es_tree_fini(&to);
            free(b.at);
            done++;
        }
        es_tree_fini(&from);
        free(a.at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_hand), cmocka_unit_test(as_json), cmocka_unit_test(applied),
                                       cmocka_unit_test(long_lists), cmocka_unit_test(single_change)};
    seed_random();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
