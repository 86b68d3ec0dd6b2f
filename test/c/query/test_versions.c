/* SPDX-License-Identifier: MIT */
/* Numbers of versions against a list of all, in recordings that grow and lose their beginning; and which callback made a version. */
#include "shop.h"

#include "query/version_index.h"

enum { PROCESSES = 40, MOST = 120000 };

static uint32_t made_by[MOST]; /* each event: the process whose version it is, 0: no version */
static uint64_t seed;

static uint64_t below(uint64_t n)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (seed >> 33) % n;
}

/* Of a process that often changes, or seldom; some of its events leave the state as it was. */
static void tell(unsigned n)
{
    while (n-- > 0) {
        uint32_t pid = (uint32_t)(below(3) ? 1 + below(5) : 1 + below(PROCESSES));
        struct es_event event = shop_fun(ES_K_STATE, pid, "Elixir.Shop.Cart", "handle_cast");
        if (below(4) == 0)
            event.kind = ES_K_CALL;
        else if (below(5) == 0)
            event.flags = ES_E_STATE_SAME;
        if (event.kind == ES_K_STATE && !event.flags)
            es_write_int(shop_payload(), (int64_t)shop_seq + 1);
        uint64_t seq = shop_add(event);
        made_by[seq] = event.kind == ES_K_STATE && !event.flags ? pid : 0;
        if (es_store_group_full(shop_store))
            assert_ok(es_store_keyframe(shop_store, "k", 1));
    }
    assert_ok(es_store_commit(shop_store, NULL));
}

static void check(struct es_query *query, uint32_t pid, uint64_t until)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(es_query_recording(query), &blocks);
    uint64_t number = 0, of = 0, version = 0;
    struct es_state state;
    for (uint64_t seq = blocks[0].first_seq; seq <= blocks[n - 1].last_seq; seq++) {
        of += made_by[seq] == pid;
        if (made_by[seq] == pid && seq <= until) {
            number++;
            version = seq;
        }
    }
    int rc = es_query_state(query, shop_pid(pid), SHOP_START + (int64_t)(until - 1) * SHOP_STEP, &state);
    assert_int_equal(rc, number ? 0 : -ENODATA);
    es_error_clear();
    if (rc < 0)
        return;
    struct es_reader bytes;
    struct es_token token;
    es_reader_init(&bytes, state.bytes, state.len);
    assert_int_equal(es_token_next(&bytes, &token), 0);
    assert_true(token.type == ES_TOK_INT && (uint64_t)token.integer == version);
    assert_int_equal(state.number, number);
    assert_int_equal(state.of, of);
    assert_int_equal(state.version.seq, version);
    assert_true(state.version.function == shop_atom("handle_cast"));
    state.number = state.of = 0;
    assert_ok(es_query_state_number(query, &state));
    assert_true(state.number == number && state.of == of && state.shown == number);
    es_state_fini(&state);
}

static void check_some(struct es_query *query, int rounds)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(es_query_recording(query), &blocks);
    for (int i = 0; i < rounds; i++)
        check(query, 1 + (uint32_t)below(PROCESSES),
              blocks[0].first_seq + below(blocks[n - 1].last_seq - blocks[0].first_seq + 1));
}

/* Small blocks become parts of others; with a bound that lets the index know one process at a time. */
static void while_it_grows(void **state)
{
    (void)state;
    shop_begin();
    seed = 1;
    tell(3000);
    struct es_query *query = shop_open(), *small = shop_open();
    es_version_index_bound(small, 64);
    for (int i = 0; i < 12; i++) {
        check_some(query, 20);
        check_some(small, 10);
        tell((unsigned)(i == 6 ? 70000 : 1 + below(3000))); /* what is known is not all there is */
        if (i % 3 == 1)
            continue;
        assert_ok(es_query_refresh(query));
        assert_ok(es_query_refresh(small));
    }
    assert_true(es_version_index_bytes(small) < es_version_index_bytes(query));
    es_query_close(small);
    es_query_close(query);
    shop_end();
}

static void without_its_beginning(void **state)
{
    (void)state;
    struct es_store_options options = {.path = shop_path, .max_events = 20000};
    assert_ok(es_store_create(&options, &shop_store));
    shop_seq = 0;
    shop_now = SHOP_START;
    shop_n_atoms = 0;
    seed = 2;
    tell(2000);
    struct es_query *query = shop_open();
    const struct es_block_info *blocks = NULL;
    for (int i = 0; i < 30; i++) {
        check_some(query, 10);
        tell((unsigned)(1 + below(3000)));
        assert_ok(es_query_refresh(query));
    }
    assert_true(es_recording_blocks(es_query_recording(query), &blocks) > 0 && blocks[0].first_seq > 1);
    es_query_close(query);
    shop_end();
}

/* ---- callbacks ----------------------------------------------------------------------------------------------------- */

static uint64_t call(const char *function, uint64_t message)
{
    struct es_event event = shop_fun(ES_K_CALL, 5, "Elixir.Shop.Cart", function);
    if (message) {
        event.flags = ES_E_CALLBACK;
        event.cause = message;
        event.cause_state = ES_CAUSE_PAIRED;
    }
    return shop_add(event);
}
static uint64_t back(const char *function) { return shop_add(shop_fun(ES_K_RETURN, 5, "Elixir.Shop.Cart", function)); }
static uint64_t version(const char *function)
{
    struct es_event event = shop_fun(ES_K_STATE, 5, "Elixir.Shop.Cart", function);
    es_write_int(shop_payload(), (int64_t)shop_seq);
    return shop_add(event);
}

static void assert_made_by(uint64_t seq, uint64_t by_call, uint64_t message)
{
    struct es_query *query = shop_open();
    struct es_state state;
    assert_ok(es_query_state(query, shop_pid(5), SHOP_START + (int64_t)(seq - 1) * SHOP_STEP, &state));
    assert_int_equal(state.version.seq, seq);
    assert_int_equal(state.cause.call, by_call);
    assert_int_equal(state.cause.deliver, message);
    assert_int_equal(state.cause.send, message ? message - 1 : 0);
    assert_true(state.cause.from == (message ? shop_pid(9) : ES_REF_NONE));
    es_state_fini(&state);
    es_query_close(query);
}

static void callbacks(void **state)
{
    (void)state;
    uint64_t message, by, seq[8], made[8], of[8];
    shop_begin();
    shop_process(5, INT64_MIN, INT64_MAX, "cart");

    message = shop_message(9, 5, 1); /* with calls in it, one of them without an end */
    by = call("handle_cast", message);
    call("total", 0), call("price", 0), back("price"), call("log", 0), back("total");
    back("handle_cast");
    seq[0] = version("handle_cast"), made[0] = by, of[0] = message;

    uint64_t outer =
        shop_message(9, 5, 2); /* from within another of its kind: the one that handles the message made it */
    uint64_t outer_call = call("handle_cast", outer);
    call("handle_cast", 0), back("handle_cast");
    seq[1] = version("handle_cast"), made[1] = outer_call, of[1] = outer;
    back("handle_cast");
    seq[2] = version("handle_cast"), made[2] = outer_call, of[2] = outer;

    by = call("init", 0), back("init"); /* for no message */
    seq[3] = version("init"), made[3] = by, of[3] = 0;

    message = shop_message(9, 5, 3); /* a return of another process stands between */
    by = call("handle_cast", message);
    back("handle_cast");
    shop_add(shop_fun(ES_K_RETURN, 6, "Elixir.Shop.Cart", "handle_cast"));
    seq[4] = version("handle_cast"), made[4] = 0, of[4] = 0;

    call("total", 0); /* its end belongs to nothing known: the call before is closed by it */
    message = shop_message(9, 5, 4);
    by = call("handle_cast", message);
    back("total"), back("handle_cast");
    seq[5] = version("handle_cast"), made[5] = 0, of[5] = 0;

    message = shop_message(9, 5, 5); /* something may be missing in it */
    by = call("handle_cast", message);
    assert_ok(es_store_loss(shop_store, ES_K_RETURN, 1, shop_now, shop_now, "ring full"));
    shop_add((struct es_event){.kind = ES_K_NOTICE});
    back("handle_cast");
    seq[6] = version("handle_cast"), made[6] = 0, of[6] = 0;

    message = shop_message(9, 5, 6); /* and not any more */
    by = call("handle_cast", message), back("handle_cast");
    seq[7] = version("handle_cast"), made[7] = by, of[7] = message;
    shop_end();
    for (int i = 0; i < 8; i++)
        assert_made_by(seq[i], made[i], of[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {TEST(while_it_grows), TEST(without_its_beginning), TEST(callbacks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
