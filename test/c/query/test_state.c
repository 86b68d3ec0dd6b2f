/* SPDX-License-Identifier: MIT */
/* States at a moment: versions, what is not known of them, what made them, and since when a part is what it is. */
#include "shop.h"

#include "term/tree.h"

/* #{count => Count, total => Total}, in `version`: not captured where Count is negative. */
static uint64_t version(uint32_t pid, const char *callback, int count, int total)
{
    struct es_event event = shop_fun(ES_K_STATE, pid, "Elixir.Shop.Cart", callback);
    event.hash = (uint64_t)(count * 100 + total + 1);
    if (count < 0) {
        event.flags = ES_E_STATE_MISSED;
        return shop_add(event);
    }
    struct es_writer *w = shop_payload();
    es_write_map(w, 2);
    shop_write_atom("count");
    es_write_int(w, count);
    shop_write_atom("total");
    es_write_int(w, total);
    return shop_add(event);
}

static uint64_t unchanged(uint32_t pid)
{
    struct es_event event = shop_fun(ES_K_STATE, pid, "Elixir.Shop.Cart", "handle_cast");
    event.flags = ES_E_STATE_SAME;
    return shop_add(event);
}

static int64_t time_of(uint64_t seq) { return SHOP_START + (int64_t)(seq - 1) * SHOP_STEP; }

static struct es_query *finish(void)
{
    shop_end();
    return shop_open();
}

static struct es_state state_of(struct es_query *query, uint32_t pid, int64_t at)
{
    struct es_state state;
    assert_ok(es_query_state(query, shop_pid(pid), at, &state));
    return state;
}

static void assert_shows(struct es_query *query, const struct es_state *state, const char *text)
{
    struct es_text out = {0};
    es_query_print_term(query, state->bytes, state->len, true, &out);
    assert_string_equal(out.bytes, text);
    es_text_fini(&out);
}

static void in_force(void **unused)
{
    (void)unused;
    shop_begin();
    shop_process(5, time_of(1), time_of(9), "cart");
    uint64_t first = version(5, "init", 0, 0);
    version(6, "init", 7, 7);
    uint64_t second = version(5, "handle_cast", 1, 10);
    unchanged(5);
    uint64_t third = version(5, "handle_cast", -1, 0);
    uint64_t fourth = version(5, "handle_cast", 2, 30);
    shop_add((struct es_event){.kind = ES_K_NOTICE});
    shop_add((struct es_event){.kind = ES_K_NOTICE});
    shop_add((struct es_event){.kind = ES_K_EXIT, .pid = shop_pid(5)});
    shop_add((struct es_event){.kind = ES_K_NOTICE});
    struct es_query *query = finish();
    static const struct {
        int64_t after; /* of the version */
        int number, known, shown;
        const char *text;
    } cases[] = {{0, 1, ES_STATE_CAPTURED, 1, "#{count => 0,total => 0}"},
                 {1, 1, ES_STATE_CAPTURED, 1, "#{count => 0,total => 0}"},
                 {2 * SHOP_STEP - 1, 1, ES_STATE_CAPTURED, 1, "#{count => 0,total => 0}"},
                 {2 * SHOP_STEP, 2, ES_STATE_CAPTURED, 2, "#{count => 1,total => 10}"},
                 {3 * SHOP_STEP, 2, ES_STATE_CAPTURED, 2, "#{count => 1,total => 10}"},
                 {4 * SHOP_STEP, 3, ES_STATE_MISSED, 2, "#{count => 1,total => 10}"},
                 {5 * SHOP_STEP, 4, ES_STATE_CAPTURED, 4, "#{count => 2,total => 30}"}};
    const uint64_t seqs[] = {0, first, second, third, fourth};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct es_state state = state_of(query, 5, time_of(first) + cases[i].after);
        assert_int_equal(state.number, cases[i].number);
        assert_int_equal(state.of, 4);
        assert_int_equal(state.known, cases[i].known);
        assert_int_equal(state.shown, cases[i].shown);
        assert_int_equal(state.version.seq, seqs[cases[i].number]);
        assert_int_equal(state.since, time_of(seqs[cases[i].number]));
        assert_true(state.exited == INT64_MAX);
        assert_shows(query, &state, cases[i].text);
        es_state_fini(&state);
    }
    struct es_state state = state_of(query, 5, INT64_MAX); /* after its exit: its last one */
    assert_int_equal(state.number, 4);
    assert_true(state.exited == time_of(9));
    es_state_fini(&state);
    es_query_close(query);
}

static void doubts(void **unused)
{
    (void)unused;
    shop_begin();
    uint64_t a = version(5, "init", 1, 1);
    for (int i = 0; i < 20; i++)
        shop_add((struct es_event){.kind = ES_K_NOTICE});
    uint64_t b = version(5, "handle_cast", 2, 2);
    shop_add((struct es_event){.kind = ES_K_NOTICE});
    uint64_t budget = shop_add((struct es_event){.kind = ES_K_BUDGET});
    assert_ok(es_store_loss(shop_store, ES_K_RETURN, 3, time_of(5), time_of(8), "ring full"));
    assert_ok(es_store_loss(shop_store, ES_K_SEND, 9, time_of(1), time_of(b), "ring full")); /* not of callbacks */
    struct es_query *query = finish();
    static const int known[] = {ES_STATE_CAPTURED, ES_STATE_DOUBTFUL, ES_STATE_DOUBTFUL, ES_STATE_CAPTURED,
                                ES_STATE_DOUBTFUL};
    const int64_t at[] = {time_of(4), time_of(6), time_of(b) - 1, time_of(b), time_of(budget)};
    const uint64_t lost[] = {0, 3, 3, 0, 0};
    assert_int_equal(a, 1);
    for (int i = 0; i < 5; i++) {
        struct es_state state = state_of(query, 5, at[i]);
        assert_int_equal(state.known, known[i]);
        assert_int_equal(state.lost, lost[i]);
        es_state_fini(&state);
    }
    es_query_close(query);
}

static void assert_says(int rc, int expected, const char *text)
{
    assert_int_equal(rc, expected);
    if (!strstr(es_error_text(), text))
        fail_msg("'%s' does not say '%s'", es_error_text(), text);
    es_error_clear();
}

static void not_known(void **unused)
{
    (void)unused;
    struct es_state state;
    shop_begin();
    shop_process(5, time_of(2), INT64_MAX, NULL);
    shop_process(6, time_of(1), INT64_MAX, NULL);
    shop_process(7, time_of(1), INT64_MAX, NULL);
    shop_add((struct es_event){.kind = ES_K_NOTICE});
    shop_add((struct es_event){.kind = ES_K_NOTICE});
    version(5, "init", 1, 1);
    shop_add(shop_fun(ES_K_CALL, 7, "Elixir.Shop", "add"));
    version(8, "init", -1, 0);
    struct es_query *query = finish();
    assert_says(es_query_state(query, shop_pid(5), time_of(1), &state), -ENOENT, "it did not live yet");
    assert_says(es_query_state(query, shop_pid(5), time_of(2), &state), -ENODATA,
                "the first version that was recorded");
    assert_says(es_query_state(query, shop_pid(6), INT64_MAX, &state), -ENODATA, "no callback of it was recorded");
    assert_says(es_query_state(query, shop_pid(7), INT64_MAX, &state), -ENODATA, "calls of it were recorded");
    assert_says(es_query_state(query, shop_pid(9), INT64_MAX, &state), -ENODATA, "nothing is known");
    assert_ok(es_query_state(query, shop_pid(8), INT64_MAX, &state)); /* it changed, and that is all */
    assert_int_equal(state.known, ES_STATE_MISSED);
    assert_int_equal(state.shown, 0);
    assert_null(state.bytes);
    es_state_fini(&state);
    es_query_close(query);
}

/* ---- what made it -------------------------------------------------------------------------------------------------- */

static uint64_t cast(uint32_t from, uint32_t to, int number)
{
    struct es_writer *w = shop_payload();
    es_write_tuple(w, 2);
    shop_write_atom("$gen_cast");
    es_write_int(w, number);
    uint64_t send = shop_add((struct es_event){.kind = ES_K_SEND, .pid = shop_pid(from), .peer = shop_pid(to)});
    return shop_add((struct es_event){.kind = ES_K_DELIVER,
                                      .pid = shop_pid(to),
                                      .peer = shop_pid(from),
                                      .cause = send,
                                      .cause_state = ES_CAUSE_PAIRED,
                                      .flags = ES_E_NO_PAYLOAD});
}

/* A callback for a message: its call, return, and version. */
static uint64_t handle(uint32_t pid, int number, uint64_t *ret_call)
{
    struct es_writer *w = shop_payload();
    struct es_event call = shop_fun(ES_K_CALL, pid, "Elixir.Shop.Cart", "handle_cast");
    call.flags = ES_E_CALLBACK;
    call.arity = 2;
    es_write_list(w, 2);
    es_write_int(w, number);
    shop_write_atom("$state");
    es_write_nil(w);
    *ret_call = shop_add(call);
    struct es_event back = shop_fun(ES_K_RETURN, pid, "Elixir.Shop.Cart", "handle_cast");
    back.flags = ES_E_CALLBACK;
    back.arity = 2;
    shop_add(back);
    return version(pid, "handle_cast", number, 0);
}

static struct es_version_cause cause_of(struct es_query *query, uint64_t seq)
{
    const struct es_version_info *list;
    struct es_version_cause cause = {0};
    size_t n;
    assert_ok(es_query_versions(query, shop_pid(5), &list, &n));
    for (size_t i = 0; i < n; i++)
        if (list[i].seq == seq)
            assert_ok(es_query_version_cause(query, &list[i], &cause));
    return cause;
}

static void causes(void **unused)
{
    (void)unused;
    uint64_t calls[3];
    shop_begin();
    uint64_t one = cast(1, 5, 1), two = cast(2, 5, 2), first = handle(5, 1, &calls[0]),
             second = handle(5, 2, &calls[1]);
    cast(1, 5, 3);
    cast(2, 5, 3);
    uint64_t twin = handle(5, 3, &calls[2]), alone = version(5, "handle_cast", 9, 9);
    struct es_query *query = finish();
    struct es_version_cause cause = cause_of(query, first);
    assert_int_equal(cause.call, calls[0]);
    assert_int_equal(cause.deliver, one);
    assert_int_equal(cause.send, one - 1);
    assert_true(cause.from == shop_pid(1) && !cause.replaced);
    cause = cause_of(query, second);
    assert_int_equal(cause.deliver, two);
    cause = cause_of(query, twin); /* two messages say the same: nobody knows which it was */
    assert_int_equal(cause.call, calls[2]);
    assert_int_equal(cause.deliver, 0);
    cause = cause_of(query, alone);
    assert_int_equal(cause.call, 0);
    es_query_close(query);
}

/* ---- parts --------------------------------------------------------------------------------------------------------- */

static struct es_part part_of(struct es_query *query, int64_t at, const char *path, uint64_t limit)
{
    struct es_part part;
    struct es_part_request request = {.pid = shop_pid(5), .at = at, .path = path, .limit = limit};
    assert_ok(es_query_part(query, &request, &part));
    return part;
}

static void parts(void **unused)
{
    (void)unused;
    static const int values[][2] = {{0, 1}, {1, 1}, {0, 1}, {0, 2}, {-1, 0}, {0, 2}, {5, 2}}; /* 0 comes back */
    uint64_t seqs[7];
    shop_begin();
    for (int i = 0; i < 7; i++)
        seqs[i] = version(5, "handle_cast", values[i][0], values[i][1]);
    struct es_query *query = finish();
    struct es_part part = part_of(query, INT64_MAX, ".count", 0);
    assert_int_equal(part.number, 7);
    assert_false(part.first || part.limited || part.unsure || part.missed);
    part = part_of(query, time_of(seqs[5]), ".count", 0);
    assert_int_equal(part.number, 3); /* not 1, though it was so then */
    part = part_of(query, INT64_MAX, ".total", 0);
    assert_int_equal(part.number, 4);
    assert_int_equal(part.version.seq, seqs[3]);
    part = part_of(query, time_of(seqs[2]), ".total", 0);
    assert_true(part.first && part.number == 1);
    part = part_of(query, INT64_MAX, ".total", 2);
    assert_true(part.limited && part.number == 6);
    part = part_of(query, time_of(seqs[4]), ".total", 0); /* in force: one that was not captured */
    assert_true(part.unsure && part.number == 4);
    struct es_part_request wrong = {.pid = shop_pid(5), .at = INT64_MAX, .path = ".price"};
    assert_says(es_query_part(query, &wrong, &part), -ENOENT,
                ".price is not there: the whole is a map with 2 keys: .count .total");
    wrong.path = ".[";
    assert_says(es_query_part(query, &wrong, &part), -EINVAL, "path '.['");
    es_query_close(query);
}

/* One name, three processes. */
static void names(void **unused)
{
    (void)unused;
    shop_begin();
    shop_process(5, INT64_MIN, time_of(3), NULL);
    shop_process(6, time_of(4), time_of(6), NULL);
    shop_process(7, time_of(7), INT64_MAX, NULL);
    for (int i = 0; i < 9; i++)
        shop_add((struct es_event){.kind = ES_K_NOTICE});
    struct es_query *query = finish();
    const es_ref pids[] = {shop_pid(5), shop_pid(6), shop_pid(7)};
    static const uint32_t expected[] = {5, 5, 5, 6, 6, 6, 7, 7};
    for (uint64_t i = 0; i < 8; i++)
        assert_true(es_query_pid_at(query, pids, 3, time_of(i + 1)) == shop_pid(expected[i]));
    assert_true(es_query_pid_at(query, pids, 3, INT64_MAX) == shop_pid(7));
    es_query_close(query);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {TEST(in_force), TEST(doubts), TEST(not_known),
                                       TEST(causes),   TEST(parts),  TEST(names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
