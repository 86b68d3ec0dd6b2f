/* SPDX-License-Identifier: MIT */
/* Which call an event runs in: nesting, recursion, calls whose ends are not recorded, losses, processes that
 * die in a call. */
#include "shop.h"

#include "query/inner.h"

static uint64_t call(uint32_t pid, const char *function)
{
    return shop_add(shop_fun(ES_K_CALL, pid, "Elixir.Shop", function));
}
static uint64_t back(uint32_t pid, const char *function)
{
    return shop_add(shop_fun(ES_K_RETURN, pid, "Elixir.Shop", function));
}
static uint64_t moment(uint32_t pid)
{
    return shop_add((struct es_event){.kind = ES_K_SEND, .pid = shop_pid(pid), .peer = shop_pid(9)});
}
static uint64_t callback(uint32_t pid, const char *function)
{
    struct es_event event = shop_fun(ES_K_CALL, pid, "Elixir.Shop", function);
    event.flags = ES_E_CALLBACK;
    return shop_add(event);
}

static uint64_t parent(struct es_query *query, uint64_t seq)
{
    const struct es_event *event;
    assert_ok(es_query_event(query, seq, &event));
    uint64_t parent = es_query_parent(query, event);
    struct es_query *other = shop_open(); /* that has not looked at the events around */
    if (event->pid)
        assert_int_equal(es_query_parent_of(other, event->pid, seq), parent);
    es_query_close(other);
    return parent;
}

static struct es_query *finish(void)
{
    shop_end();
    return shop_open();
}

static void nested_calls(void **state)
{
    (void)state;
    shop_begin();
    uint64_t before = moment(1), a = call(1, "a"), other = moment(2), in_a = moment(1), b = call(1, "b"),
             in_b = moment(1);
    uint64_t deliver = shop_add((struct es_event){.kind = ES_K_DELIVER, .pid = shop_pid(1), .peer = shop_pid(2)});
    uint64_t b_ends = back(1, "b"), again = moment(1);
    struct es_event exception = shop_fun(ES_K_EXCEPTION, 1, "Elixir.Shop", "a");
    uint64_t a_ends = shop_add(exception), after = moment(1), nobody = shop_add((struct es_event){.kind = ES_K_NOTICE});
    struct es_query *query = finish();
    struct {
        uint64_t seq, parent;
    } table[] = {{before, 0},  {a, 0},      {other, 0}, {in_a, a},   {b, a},     {in_b, b},
                 {deliver, 0}, {b_ends, b}, {again, a}, {a_ends, a}, {after, 0}, {nobody, 0}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        assert_int_equal(parent(query, table[i].seq), table[i].parent);
    es_query_close(query);
}

static void recursion(void **state)
{
    (void)state;
    shop_begin();
    uint64_t calls[50], ends[50];
    for (int i = 0; i < 50; i++)
        calls[i] = call(1, "fac");
    for (int i = 50; i-- > 0;)
        ends[i] = back(1, "fac");
    struct es_query *query = finish();
    for (int i = 0; i < 50; i++) {
        assert_int_equal(parent(query, calls[i]), i ? calls[i - 1] : 0);
        assert_int_equal(parent(query, ends[i]), calls[i]);
    }
    es_query_close(query);
}

/* Of `x` only calls are recorded: nothing can be said to run in it. */
static void calls_without_ends(void **state)
{
    (void)state;
    shop_begin();
    uint64_t alone = call(1, "x"), after = moment(1), a = call(1, "a"), x = 0, in_x = 0;
    for (int i = 0; i < 1000; i++) {
        x = call(1, "x");
        in_x = moment(1);
    }
    uint64_t end = back(1, "a"), last = moment(1), stray = back(1, "never called");
    struct es_query *query = finish();
    assert_int_equal(parent(query, alone), 0);
    assert_int_equal(parent(query, after), 0);
    assert_int_equal(parent(query, x), a);
    assert_int_equal(parent(query, in_x), a);
    assert_int_equal(parent(query, end), a);
    assert_int_equal(parent(query, last), 0);
    assert_int_equal(parent(query, stray), 0);
    es_query_close(query);
}

/* A callback always ends: one that did not is running still, until its process exits. */
static void callbacks_that_do_not_end(void **state)
{
    (void)state;
    shop_begin();
    uint64_t lost_end = callback(1, "handle_call"), in_doubt = moment(1), next = callback(1, "handle_info"),
             in_next = moment(1);
    uint64_t killed = callback(2, "handle_call"), in_killed = moment(2),
             exit = shop_add((struct es_event){.kind = ES_K_EXIT, .pid = shop_pid(2)});
    uint64_t after_exit = moment(2);
    uint64_t plain = call(3, "plain"), in_plain = moment(3);
    struct es_query *query = finish();
    assert_int_equal(parent(query, in_doubt), 0);
    assert_int_equal(parent(query, next), 0);
    assert_int_equal(parent(query, in_next), next);
    assert_int_equal(parent(query, lost_end), 0);
    assert_int_equal(parent(query, in_killed), killed);
    assert_int_equal(parent(query, exit), killed);
    assert_int_equal(parent(query, after_exit), 0);
    assert_int_equal(parent(query, plain), 0);
    assert_int_equal(parent(query, in_plain), 0);
    es_query_close(query);
}

/* Where calls were lost, what spans the hole is in doubt; what does not is not. */
static void losses(void **state)
{
    (void)state;
    shop_begin();
    uint64_t before = call(1, "a"), in_before = moment(1);
    back(1, "a");
    uint64_t around = call(1, "a"), in_around = moment(1);
    int64_t from = shop_now, to = shop_now + 10;
    shop_now += 100;
    uint64_t end = back(1, "a"), after = call(1, "a"), in_after = moment(1);
    back(1, "a");
    uint64_t open = callback(2, "init"), in_open = moment(2);
    assert_ok(es_store_loss(shop_store, ES_K_RETURN, 3, from, to, "ring full"));
    assert_ok(es_store_loss(shop_store, ES_K_CALL, 3, from + 2, to - 2, "ring full"));
    assert_ok(es_store_loss(shop_store, ES_K_SEND, 3, SHOP_START, shop_now, "ring full")); /* not of calls */
    struct es_query *query = finish();
    assert_int_equal(parent(query, in_before), before);
    assert_int_equal(parent(query, in_around), 0);
    assert_int_equal(parent(query, end), 0);
    assert_int_equal(parent(query, in_after), after);
    assert_int_equal(parent(query, in_open), open);
    assert_true(around > 0);
    es_query_close(query);
}

/* The parts that are looked at overlap: a call may begin in one and end in the next, but not much further. */
static void across_parts(void **state)
{
    (void)state;
    shop_begin();
    for (int i = 0; i < 65000; i++)
        moment(3);
    uint64_t a = call(1, "a"), first = moment(1), b = 0;
    for (int i = 0; i < 60000; i++)
        b = moment(2);
    uint64_t last = moment(1), end = back(1, "a");
    uint64_t long_call = call(1, "long"), in_long = moment(1);
    for (int i = 0; i < 200000; i++)
        moment(2);
    uint64_t long_end = back(1, "long");
    struct es_query *query = finish();
    assert_int_equal(parent(query, first), a);
    assert_int_equal(parent(query, b), 0);
    assert_int_equal(parent(query, last), a);
    assert_int_equal(parent(query, end), a);
    assert_int_equal(parent(query, in_long), 0);
    assert_int_equal(parent(query, long_end), 0);
    assert_int_equal(parent(query, first), a); /* back to a part that was left */
    assert_true(long_call > 0);
    es_query_close(query);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nested_calls), TEST(recursion),   TEST(calls_without_ends), TEST(callbacks_that_do_not_end),
        TEST(losses),       TEST(across_parts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
