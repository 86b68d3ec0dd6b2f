/* SPDX-License-Identifier: MIT */
/* Who killed whom: only a linked process that died before with the same reason, and whose signal was not survived. */
#include "world.h"

#include "engine/links.h"

static struct es_death death(uint32_t i, uint64_t seq, uint64_t reason)
{
    return (struct es_death){.pid = pid_of(i), .seq = seq, .reason = reason};
}

static void expect_killer(const struct es_links *links, struct es_death death, unsigned n, uint64_t seq)
{
    struct es_killer killer = es_links_killer(links, &death);
    assert_int_equal(killer.n, n);
    assert_int_equal(killer.seq, seq);
    assert_false(killer.possible);
}

static void died(struct es_links *links, struct es_death death) { es_links_died(links, &death); }

static void a_chain(void **state)
{
    (void)state;
    struct es_links links;
    es_links_init(&links);
    assert_int_equal(es_links_add(&links, pid_of(1), pid_of(2)), 0);
    assert_int_equal(es_links_add(&links, pid_of(2), pid_of(1)), 0); /* both ends say so */
    assert_int_equal(es_links_add(&links, pid_of(2), pid_of(3)), 0);
    assert_int_equal(es_links_add(&links, pid_of(1), pid_of(1)), 0);
    assert_int_equal(es_links_add(&links, pid_of(1), es_ref_make(ES_REF_PORT, 5)), 0);
    assert_int_equal(links.used, 2);
    expect_killer(&links, death(1, 10, 7), 0, 0);
    died(&links, death(1, 10, 7));
    expect_killer(&links, death(2, 11, 8), 0, 0); /* of something else */
    expect_killer(&links, death(2, 11, 7), 1, 10);
    died(&links, death(2, 11, 7));
    expect_killer(&links, death(3, 12, 7), 1, 11);
    died(&links, death(3, 12, 7));
    assert_int_equal(links.used, 0);
    es_links_fini(&links);
}

static void what_is_survived(void **state)
{
    (void)state;
    struct es_links links;
    es_links_init(&links);
    assert_int_equal(es_links_add(&links, pid_of(1), pid_of(2)), 0);
    assert_int_equal(es_links_add(&links, pid_of(3), pid_of(2)), 0);
    assert_int_equal(es_links_add(&links, pid_of(4), pid_of(2)), 0);
    died(&links, death(1, 10, 7));
    es_links_remove(&links, pid_of(2), pid_of(1)); /* it traps exits */
    expect_killer(&links, death(2, 20, 7), 0, 0);
    struct es_death normal = {.pid = pid_of(3), .seq = 30, .reason = 9, .normal = true};
    died(&links, normal);
    expect_killer(&links, death(2, 40, 9), 0, 0);
    died(&links, death(4, 50, 0)); /* its reason was cut */
    struct es_death last = death(2, 60, 7);
    struct es_killer killer = es_links_killer(&links, &last);
    assert_true(killer.possible);
    assert_int_equal(killer.n, 0);
    died(&links, last);
    assert_int_equal(links.used, 0);
    es_links_fini(&links);
}

static void two_that_fit(void **state)
{
    (void)state;
    struct es_links links;
    es_links_init(&links);
    assert_int_equal(es_links_add(&links, pid_of(1), pid_of(2)), 0);
    assert_int_equal(es_links_add(&links, pid_of(1), pid_of(3)), 0);
    assert_int_equal(es_links_add(&links, pid_of(2), pid_of(3)), 0);
    died(&links, death(1, 10, 7));
    expect_killer(&links, death(2, 11, 7), 1, 10);
    died(&links, death(2, 11, 7));
    struct es_death last = death(3, 12, 7);
    assert_int_equal(es_links_killer(&links, &last).n, 2);
    es_links_fini(&links);
}

/* Against a plain matrix of who is linked. */
static void many(void **state)
{
    (void)state;
    enum { N = 40 };
    bool linked[N][N] = {{false}};
    struct es_links links;
    struct dice d = {12345};
    es_links_init(&links);
    for (int i = 0; i < 20000; i++) {
        uint32_t a = dice(&d, N), b = dice(&d, N), what = dice(&d, 10);
        if (what < 5 && a != b) {
            assert_int_equal(es_links_add(&links, pid_of(a), pid_of(b)), 0);
            linked[a][b] = linked[b][a] = true;
        } else if (what < 9) {
            es_links_remove(&links, pid_of(a), pid_of(b));
            linked[a][b] = linked[b][a] = false;
        } else {
            struct es_death normal = {.pid = pid_of(a), .seq = 1, .reason = 2, .normal = true};
            died(&links, normal);
            for (uint32_t k = 0; k < N; k++)
                linked[a][k] = linked[k][a] = false;
        }
        uint32_t n = 0;
        for (uint32_t x = 0; x < N; x++)
            for (uint32_t y = 0; y < x; y++)
                n += linked[x][y];
        assert_int_equal(links.used, n);
    }
    for (uint32_t x = 1; x < N; x++) {
        expect_killer(&links, death(x, 100 + x, 5), 0, 0);
    }
    died(&links, death(0, 50, 5));
    for (uint32_t x = 1; x < N; x++)
        expect_killer(&links, death(x, 100 + x, 5), linked[0][x], linked[0][x] ? 50 : 0);
    es_links_fini(&links);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain),
        cmocka_unit_test(what_is_survived),
        cmocka_unit_test(two_that_fit),
        cmocka_unit_test(many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
