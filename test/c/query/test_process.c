/* SPDX-License-Identifier: MIT */
/* Processes over time, their names, looking them up, and what `info` sums up. */
#include "shop.h"

#define AT(n) (SHOP_START + (n)*SHOP_STEP)

/* 1 is the root; 5 is cart from 10 to 20, then till; 6 is cart from 30 on; 7 is never named. */
static int make(void **state)
{
    if (shop_setup(state) < 0)
        return -1;
    shop_begin();
    for (int i = 0; i < 50; i++) {
        uint64_t seq = i % 2 ? 0 : shop_message(5, 6, i);
        if (!seq)
            shop_add(shop_fun(ES_K_CALL, 7, "Elixir.Shop.Cart", "add"));
    }
    shop_payload();
    es_write_map(&shop_term, 2);
    shop_write_atom("heap");
    es_write_list(&shop_term, 1);
    es_write_int(&shop_term, 1);
    es_write_nil(&shop_term);
    shop_write_atom("memory");
    es_write_int(&shop_term, 5000);
    uint8_t facts[128];
    uint32_t facts_len = (uint32_t)(shop_term.at - shop_bytes);
    memcpy(facts, shop_bytes, facts_len);
    shop_term.at = NULL;
    struct es_process root = {
        .pid = shop_pid(1), .spawned = INT64_MIN, .exited = INT64_MAX, .facts = facts, .facts_len = facts_len};
    assert_ok(es_store_process(shop_store, &root));
    shop_process(5, AT(2), AT(40), "till");
    shop_process(6, AT(5), INT64_MAX, "cart");
    shop_process(7, AT(7), AT(7) + 1, NULL);
    es_ref cart = shop_atom("cart"), till = shop_atom("Elixir.Shop.Till"), odd = shop_atom("odd name");
    assert_ok(es_store_name(shop_store, cart, shop_pid(5), AT(10), AT(20)));
    assert_ok(es_store_name(shop_store, till, shop_pid(5), AT(20), INT64_MAX));
    assert_ok(es_store_name(shop_store, cart, shop_pid(6), AT(30), INT64_MAX));
    assert_ok(es_store_name(shop_store, odd, shop_pid(1), INT64_MIN, INT64_MAX));
    for (int i = 0; i < 2; i++) {
        shop_payload();
        es_write_map(&shop_term, 1);
        shop_write_atom("memory");
        es_write_int(&shop_term, 100 * (i + 1));
        shop_add((struct es_event){.kind = ES_K_MEMORY, .pid = shop_pid(6)});
    }
    assert_ok(es_store_loss(shop_store, ES_K_SEND, 12, AT(3), AT(4), "ring full"));
    assert_ok(es_store_loss(shop_store, ES_K_CALL, 30, AT(3), AT(4), "ring full"));
    assert_ok(es_store_count(shop_store, "pairs.paired", 25));
    assert_ok(es_store_count(shop_store, "pairs.lost", 2));
    assert_ok(es_store_count(shop_store, "pairs.unknown", 1));
    assert_ok(es_store_count(shop_store, "other.lost", 9));
    shop_end();
    return 0;
}

static void names_over_time(void **state)
{
    (void)state;
    struct es_query *query = shop_open();
    es_ref cart = shop_atom("cart"), till = shop_atom("Elixir.Shop.Till");
    static const int64_t none = 0;
    struct {
        uint32_t pid;
        int64_t at;
        es_ref name;
    } table[] = {{5, AT(9), none},
                 {5, AT(10), cart},
                 {5, AT(19), cart},
                 {5, AT(20), till},
                 {5, AT(1000), till},
                 {5, INT64_MAX, till},
                 {6, AT(29), none},
                 {6, AT(30), cart},
                 {6, INT64_MIN, none},
                 {7, AT(30), none},
                 {1, INT64_MIN, shop_atom("odd name")},
                 {99, AT(1), none}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        assert_int_equal(es_query_name(query, shop_pid(table[i].pid), table[i].at), table[i].name);
    assert_int_equal(es_query_name(query, ES_REF_NONE, AT(1)), ES_REF_NONE);
    es_query_close(query);
}

static void alive_at(struct es_query *query, int64_t at, const char *expected)
{
    struct es_ps_row *rows;
    size_t n;
    char list[64] = "";
    assert_ok(es_query_ps(query, at, &rows, &n));
    for (size_t i = 0; i < n; i++)
        sprintf(list + strlen(list), "%u%s ", es_ref_pid_number(rows[i].process->pid), rows[i].alive ? "" : "x");
    assert_string_equal(list, expected);
    free(rows);
}

static void ps(void **state)
{
    (void)state;
    struct es_query *query = shop_open();
    alive_at(query, INT64_MAX, "1 5x 6 7x ");
    alive_at(query, AT(0), "1 ");
    alive_at(query, AT(2), "1 5 ");
    alive_at(query, AT(7), "1 5 6 7 ");
    alive_at(query, AT(7) + 1, "1 5 6 ");
    alive_at(query, AT(40), "1 6 ");
    struct es_ps_row *rows;
    size_t n;
    assert_ok(es_query_ps(query, INT64_MAX, &rows, &n));
    assert_int_equal(rows[0].events, 0);
    assert_int_equal(rows[0].memory, 5000); /* from the census */
    assert_int_equal(rows[1].events, 25);
    assert_int_equal(rows[1].memory, 0);
    assert_int_equal(rows[2].events, 27);
    assert_int_equal(rows[2].memory, 200); /* the last sample */
    assert_int_equal(rows[3].events, 25);
    free(rows);
    assert_ok(es_query_ps(query, AT(75), &rows, &n));
    assert_int_equal(rows[1].memory, 100);
    free(rows);
    es_query_close(query);
}

static void finds(struct es_query *query, const char *text, const char *expected)
{
    es_ref *pids;
    size_t n;
    char list[64] = "";
    assert_ok(es_query_pids(query, text, &pids, &n));
    for (size_t i = 0; i < n; i++)
        sprintf(list + strlen(list), "%u ", es_ref_pid_number(pids[i]));
    assert_string_equal(list, expected);
    free(pids);
}

static void finds_nothing(struct es_query *query, const char *text, const char *message)
{
    es_ref *pids = NULL;
    size_t n = 0;
    es_error_clear();
    assert_int_equal(es_query_pids(query, text, &pids, &n), -ENOENT);
    assert_string_equal(es_error_text(), message);
    assert_null(pids);
}

static void look_up(void **state)
{
    (void)state;
    struct es_query *query = shop_open();
    finds(query, "<0.5.0>", "5 ");
    finds(query, "0.5.0", "5 ");
    finds(query, "#PID<0.6.0>", "6 ");
    finds(query, "cart", "5 6 ");
    finds(query, ":cart", "5 6 ");
    finds(query, "Shop.Till", "5 ");
    finds(query, "Elixir.Shop.Till", "5 ");
    finds(query, "'Elixir.Shop.Till'", "5 ");
    finds(query, ":\"odd name\"", "1 ");
    finds(query, "odd name", "1 ");
    finds_nothing(query, "card", "the recording has no process card; near it: cart");
    finds_nothing(query, "till", "the recording has no process till; near it: Shop.Till");
    finds_nothing(query, "Shop.Tilll", "the recording has no process Shop.Tilll; near it: Shop.Till");
    finds_nothing(query, "something else", "the recording has no process something else");
    finds_nothing(query, "", "the recording has no process ");
    finds_nothing(query, "<0.8.0>",
                  "the recording has no process <0.8.0>; near it: <0.7.0>, <0.6.0>, <0.5.0>, <0.1.0>");
    finds_nothing(query, "0.5.1", "the recording has no process 0.5.1; near it: <0.7.0>, <0.6.0>, <0.5.0>, <0.1.0>");
    finds_nothing(query, "<0.5.0", "the recording has no process <0.5.0");
    finds_nothing(query, "0.99999999999.0", "the recording has no process 0.99999999999.0");
    char *name = malloc(100001);
    memset(name, 'c', 100000);
    name[100000] = '\0';
    es_ref *pids;
    size_t n;
    assert_int_equal(es_query_pids(query, name, &pids, &n), -ENOENT);
    free(name);
    es_query_close(query);
}

static void info(void **state)
{
    (void)state;
    struct es_query *query = shop_open();
    struct es_info got;
    assert_ok(es_query_info(query, &got));
    assert_int_equal(got.events, 77);
    assert_int_equal(got.by_kind[ES_K_SEND], 25);
    assert_int_equal(got.by_kind[ES_K_DELIVER], 25);
    assert_int_equal(got.by_kind[ES_K_CALL], 25);
    assert_int_equal(got.by_kind[ES_K_MEMORY], 2);
    assert_int_equal(got.losses, 42);
    assert_int_equal(got.losses_by_kind[ES_K_CALL], 30);
    assert_int_equal(got.processes, 4);
    assert_int_equal(got.pairs[ES_CAUSE_PAIRED], 25);
    assert_int_equal(got.pairs[ES_CAUSE_LOST], 2);
    assert_int_equal(got.pairs[ES_CAUSE_UNKNOWN], 1);
    assert_int_equal(got.first_time, AT(0));
    assert_int_equal(got.last_time, AT(76));
    assert_int_equal(got.blocks, 1);
    assert_true(got.bytes > 0);
    assert_true(got.closed && !got.live);
    es_query_close(query);
    assert_int_equal(es_query_open(shop_file("none.scope"), &query), -ENOENT);
    assert_non_null(strstr(es_error_text(), "none.scope"));
}

static void prints(struct es_query *query, es_ref ref, const char *elixir, const char *erlang)
{
    for (int i = 0; i < 2; i++) {
        struct es_text out = {0};
        es_text_puts(&out, "|");
        es_query_print_ref(query, ref, i, &out);
        assert_string_equal(out.bytes + 1, i ? erlang : elixir);
        es_text_fini(&out);
    }
}

static void references(void **state)
{
    (void)state;
    struct es_query *query = shop_open();
    prints(query, ES_REF_NONE, "", "");
    prints(query, es_ref_pid(77, 3), "#PID<0.77.3>", "<0.77.3>");
    prints(query, es_ref_make(ES_REF_PORT, 9), "#Port<0.9>", "#Port<0.9>");
    prints(query, shop_atom("cart"), "cart", "cart");
    prints(query, shop_atom("Elixir.Shop.Till"), "Shop.Till", "'Elixir.Shop.Till'");
    prints(query, shop_atom("odd name"), "\"odd name\"", "'odd name'");
    prints(query, es_ref_make(ES_REF_ATOM, 5), "#Atom<5>", "#Atom<5>");
    prints(query, es_ref_make(ES_REF_OTHER, 255), "#Other<ff>", "#Other<ff>");
    prints(query, UINT64_MAX, "#Other<fffffffffffffff>", "#Other<fffffffffffffff>");
    es_query_close(query);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, shop_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {TEST(names_over_time), TEST(ps), TEST(look_up), TEST(info), TEST(references)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
