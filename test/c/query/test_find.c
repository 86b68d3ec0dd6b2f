/* SPDX-License-Identifier: MIT */
/* find: expressions against what was recorded by hand. */
#include "shop.h"

static struct es_query *query;

static void state_of(uint32_t pid, unsigned flags, int64_t total, const char *status)
{
    struct es_event event = shop_fun(ES_K_STATE, pid, "Elixir.Shop.Cart", "handle_call");
    event.flags = (uint8_t)flags;
    shop_payload();
    es_write_map(&shop_term, 3);
    shop_write_atom("total");
    es_write_int(&shop_term, total);
    shop_write_atom("status");
    shop_write_atom(status);
    shop_write_atom("items");
    es_write_list(&shop_term, 1);
    es_write_map(&shop_term, 1);
    shop_write_atom("name");
    es_write_binary(&shop_term, "tea", 3);
    es_write_nil(&shop_term);
    if (flags)
        shop_term.at = NULL;
    shop_add(event);
}

static int make(void **state)
{
    if (shop_setup(state) < 0)
        return -1;
    shop_begin();
    state_of(5, 0, 50, "open");             /* 1 */
    state_of(5, 0, 150, "paid");            /* 2 */
    state_of(6, 0, 200, "open");            /* 3 */
    state_of(5, ES_E_STATE_SAME, 0, "x");   /* 4: as 2 */
    state_of(5, ES_E_STATE_MISSED, 0, "x"); /* 5 */
    shop_message(5, 6, 7);                  /* 6 and 7: {order, 7} */
    shop_payload();
    es_write_list(&shop_term, 2);
    es_write_int(&shop_term, 1);
    es_write_float(&shop_term, 2.5);
    es_write_nil(&shop_term);
    shop_add(shop_fun(ES_K_CALL, 5, "Elixir.Shop.Cart", "add")); /* 8 */
    shop_payload();
    es_write_binary(&shop_term, "paid", 4);
    shop_add(shop_fun(ES_K_RETURN, 5, "Elixir.Shop.Cart", "add")); /* 9 */
    shop_payload();
    shop_write_atom("normal");
    shop_add((struct es_event){.kind = ES_K_EXIT, .pid = shop_pid(5)}); /* 10 */
    shop_payload();
    es_write_tuple(&shop_term, 2);
    shop_write_atom("Elixir.Shop.Error");
    es_write_nil(&shop_term);
    shop_add((struct es_event){.kind = ES_K_EXIT, .pid = shop_pid(6)}); /* 11 */
    shop_payload();
    struct es_cut cut = {.type = ES_CUT_BINARY, .size = 5000, .prefix = (const uint8_t *)"abc", .prefix_len = 3};
    es_write_tuple(&shop_term, 2);
    shop_write_atom("mark");
    es_write_cut(&shop_term, &cut);
    shop_add((struct es_event){.kind = ES_K_MARK, .pid = shop_pid(7)}); /* 12 */
    assert_ok(es_store_name(shop_store, shop_atom("cart"), shop_pid(5), SHOP_START, INT64_MAX));
    assert_ok(
        es_store_name(shop_store, shop_atom("Elixir.Shop.Till"), shop_pid(6), SHOP_START + 6 * SHOP_STEP, INT64_MAX));
    shop_end();
    query = shop_open();
    return 0;
}

static int unmake(void **state)
{
    es_query_close(query);
    return shop_teardown(state);
}

static void list(struct es_find_request *request, char *out)
{
    struct es_find *find;
    const struct es_event *event;
    int rc;
    *out = '\0';
    if (es_find_open(query, request, &find) < 0)
        fail_msg("%s: %s", request->expression, es_error_text());
    while ((rc = es_find_next(find, &event)) > 0)
        sprintf(out + strlen(out), "%" PRIu64 " ", event->seq);
    assert_int_equal(rc, 0);
    es_find_close(find);
}

static void finds(const char *expression, const char *expected)
{
    char out[256];
    struct es_find_request request = {.expression = expression, .from = INT64_MIN};
    list(&request, out);
    if (strcmp(out, expected) != 0)
        fail_msg("%s: %s, expected %s", expression, out, expected);
}

static void expressions(void **state)
{
    (void)state;
    finds("kind = state", "1 2 3 4 5 ");
    finds("kind = :state", "1 2 3 4 5 ");
    finds("kind = \"state\"", "1 2 3 4 5 ");
    finds("family = message", "6 7 ");
    finds("kind != state and seq < 9", "6 7 8 ");
    finds("kind in (send, deliver)", "6 7 ");
    finds("kind not in (send, deliver, state)", "8 9 10 11 12 ");
    finds("not kind in (send, deliver, state) and not kind = call", "9 10 11 12 ");
    finds("state.total > 100", "2 3 4 ");
    finds("kind = state and name = cart and state.total > 100", "2 4 ");
    finds("state.total >= 150 and state.total <= 150", "2 4 ");
    finds("state.total = 150.0", "2 4 ");
    finds("state.total in (50, 200)", "1 3 ");
    finds("state.total != 50", "2 3 4 ");
    finds("not state.total = 50 and kind = state", "2 3 4 5 ");
    finds("state.status = open", "1 3 ");
    finds("state.status = :open", "1 3 ");
    finds("state.status = \"open\"", "");
    finds("state[:status] = paid", "2 4 ");
    finds("state.items[0].name = tea", "1 2 3 4 ");
    finds("state.items[0].name = \"tea\"", "1 2 3 4 ");
    finds("state.items[0].name = :tea", "");
    finds("state.items[1].name", "");
    finds("state.items[0].name ~ e", "1 2 3 4 ");
    finds("state ~ paid", "2 4 ");
    finds("state.nothing = 1", "");
    finds("state.nothing != 1", "");
    finds("args[0] = 1", "8 ");
    finds("args[1] > 2", "8 ");
    finds("args[0] < args[1]", "8 ");
    finds("result = paid", "9 ");
    finds("result = :paid", "");
    finds("payload{0} = order", "6 7 ");
    finds("message{1} = 7 and kind = deliver", "7 ");
    finds("reason = normal", "10 ");
    finds("reason != normal", "11 ");
    finds("reason{0} = Shop.Error", "11 ");
    finds("reason", "10 11 ");
    finds("payload ~ order", "6 7 ");
    finds("pid = <0.6.0>", "3 7 11 ");
    finds("pid = #PID<0.6.0>", "3 7 11 ");
    finds("pid = \"<0.6.0>\"", "3 7 11 ");
    finds("pid in (<0.6.0>, <0.7.0>)", "3 7 11 12 ");
    finds("peer = <0.6.0>", "6 ");
    finds("pid<0", "");
    finds("name = Shop.Till", "7 11 ");
    finds("name = Shop.Till or name = cart and kind = exit", "7 10 11 ");
    finds("(name = Shop.Till or name = cart) and kind = exit", "10 11 ");
    finds("peer_name = cart", "7 ");
    finds("name ~ Till", "7 11 ");
    finds("module = Shop.Cart and function = add", "8 9 ");
    finds("arity = 2 && kind = call || kind = mark", "8 12 ");
    finds("cause", "7 ");
    finds("cause = 6", "7 ");
    finds("cause_state = paired", "7 ");
    finds("flags ~ state_same", "4 ");
    finds("bytes > 0 and kind = mark", "12 ");
    finds("time < +2us", "1 2 ");
    finds("time <= +2us and time > +1us", "3 ");
    finds("time = +2us", "3 ");
    finds("time >= -1us", "11 12 ");
    finds("seq=5 or seq  =7", "5 7 ");
    finds("seq in (1, 3)", "1 3 ");
    finds("seq > 1_0", "11 12 ");
    finds("kind = state and kind = exit", "");
    finds("time > -576460751234567890 and seq < 3", "2 ");
}

static void directions(void **state)
{
    (void)state;
    char out[256];
    struct es_find_request request = {.expression = "state.total > 100", .from = INT64_MIN, .reverse = true};
    list(&request, out);
    assert_string_equal(out, "4 3 2 ");
    request.limit = 1;
    list(&request, out);
    assert_string_equal(out, "4 ");
    request.from = SHOP_START + 2 * SHOP_STEP;
    list(&request, out);
    assert_string_equal(out, "3 ");
    request.reverse = false;
    request.from = SHOP_START + 2 * SHOP_STEP + 1;
    list(&request, out);
    assert_string_equal(out, "4 ");
    request.from = INT64_MIN;
    request.from_seq = 2;
    list(&request, out);
    assert_string_equal(out, "3 ");
    request.reverse = true;
    request.from_seq = 4;
    list(&request, out);
    assert_string_equal(out, "3 ");
}

/* A cut part, and a state that was not captured, decide nothing. */
static void undecided(void **state)
{
    (void)state;
    struct es_find *find;
    const struct es_event *event;
    struct es_find_request request = {.expression = "payload{1} = abc or state.total > 1000", .from = INT64_MIN};
    assert_ok(es_find_open(query, &request, &find));
    assert_int_equal(es_find_next(find, &event), 0);
    assert_int_equal(es_find_undecided(find), 2);
    es_find_close(find);
}

static void refuses(const char *expression, const char *message)
{
    struct es_find *find = NULL;
    struct es_find_request request = {.expression = expression, .from = INT64_MIN};
    es_error_clear();
    int rc = es_find_open(query, &request, &find);
    if (rc != -EINVAL || !strstr(es_error_text(), message))
        fail_msg("%s: %d (%s), expected %s", expression, rc, es_error_text(), message);
    assert_null(find);
}

static void wrong(void **state)
{
    (void)state;
    refuses("", "at column 1: a field is needed here, such as kind or state.total, not the end");
    refuses("knd = 1", "at column 1: there is no field knd");
    refuses("kind = sttae", "at column 8: there is no such kind or family of events: sttae");
    refuses("family in (message, x)", "at column 21: there is no such kind or family of events: x");
    refuses("kind =", "at column 7: a value is needed here, not the end");
    refuses("kind = state kind", "at column 14: here `and`, `or` or the end is needed, not kind");
    refuses("(kind = state", "at column 14: a closing parenthesis is needed here, not the end");
    refuses("kind in state", "at column 9: behind `in` a list is needed");
    refuses("kind in (state", "at column 15: the list needs a comma");
    refuses("kind not = state", "at column 10: behind a field `not` is followed by `in`");
    refuses("name = \"cart", "at column 8: a quote is not closed");
    refuses("state.items[0 = 1", "a bracket is not closed");
    refuses("kind = $", "at column 8: this does not belong here: $");
    refuses("seq > 10parsecs", "one of the units");
    refuses("pid = <0.5", "");
    refuses("time > 10parsecs", "");
    char deep[1000];
    memset(deep, '(', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    refuses(deep, "nested too deep");
    memset(deep, 0, sizeof deep);
    for (int i = 0; i < 200; i++)
        strcat(deep, "not ");
    refuses(deep, "nested too deep");
    char *wide = calloc(1, 100000);
    for (size_t i = 0; i < 9000; i++)
        memcpy(wide + i * 10, "seq=1 and ", 10);
    refuses(wide, "bytes");
    free(wide);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(expressions), cmocka_unit_test(directions),
                                       cmocka_unit_test(undecided), cmocka_unit_test(wrong)};
    return cmocka_run_group_tests(tests, make, unmake);
}
