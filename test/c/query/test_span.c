/* SPDX-License-Identifier: MIT */
/* Spans from scripted events: how calls end, what their processes did meanwhile, what cannot be known. */
#include "shop.h"

static uint64_t call(uint32_t pid, const char *function)
{
    return shop_add(shop_fun(ES_K_CALL, pid, "Elixir.Shop", function));
}
static uint64_t back(uint32_t pid, const char *function)
{
    return shop_add(shop_fun(ES_K_RETURN, pid, "Elixir.Shop", function));
}
static uint64_t plain(unsigned kind, uint32_t pid)
{
    struct es_event event = shop_fun((enum es_kind)kind, pid, "Elixir.Shop", "f");
    if (!(es_kind_table[kind].fields & ES_F_FUN))
        event.module = event.function = ES_REF_NONE;
    return shop_add(event);
}

static struct es_span spans[100000];
static size_t n_spans;

static void read_spans(const struct es_filter *filter)
{
    struct es_query *query = shop_open();
    struct es_spans *iterator;
    n_spans = 0;
    assert_ok(es_spans_open(query, filter, &iterator));
    int rc;
    while ((rc = es_spans_next(iterator, &spans[n_spans])) > 0)
        n_spans++;
    assert_ok(rc);
    es_spans_close(iterator);
    es_query_close(query);
}

static const struct es_span *span_of(uint64_t seq)
{
    for (size_t i = 0; i < n_spans; i++)
        if (spans[i].call == seq)
            return &spans[i];
    fail_msg("no span begins with event %llu", (unsigned long long)seq);
    return NULL;
}

static void check(uint64_t seq, enum es_span_end how, int64_t steps, uint64_t parent)
{
    const struct es_span *span = span_of(seq);
    assert_string_equal(es_span_end_names[span->how], es_span_end_names[how]);
    assert_int_equal(span->total, steps < 0 ? -1 : steps * SHOP_STEP);
    assert_int_equal(span->parent, parent);
}

static uint64_t woven(enum es_kind kind, const char *function, uint64_t token)
{
    struct es_event event = shop_fun(kind, 1, "Elixir.Shop", function);
    event.flags |= kind == ES_K_CALL || kind == ES_K_RETURN ? ES_E_WOVEN : 0;
    event.corr = token;
    return shop_add(event);
}

/* A tail call's frame makes room for the next; a token says which call of several with the same function caught. */
static void woven_ends(void **state)
{
    (void)state;
    shop_begin();
    uint64_t outer = woven(ES_K_CALL, "f", 0);
    woven(ES_K_TRY, "f", 10);
    uint64_t inner = woven(ES_K_CALL, "f", 0);
    woven(ES_K_TRY, "f", 20);
    woven(ES_K_TRY, "f", 21);
    uint64_t tail = woven(ES_K_CALL, "g", 0);
    woven(ES_K_TAIL, "g", 0);
    uint64_t next = woven(ES_K_CALL, "h", 0);
    woven(ES_K_CAUGHT, "f", 20); /* of the inner one: it goes on */
    uint64_t again = woven(ES_K_CALL, "f", 0);
    woven(ES_K_CAUGHT, "f", 10); /* the inner one is unwound too */
    uint64_t last = woven(ES_K_CALL, "h", 0);
    woven(ES_K_LINE, "f", 0); /* a catch that no probe tells of */
    woven(ES_K_RETURN, "f", 0);
    shop_end();
    struct es_filter filter = shop_filter();
    read_spans(&filter);
    check(tail, ES_SPAN_TAIL, 1, inner);
    check(next, ES_SPAN_UNWOUND, 1, inner);
    check(again, ES_SPAN_UNWOUND, 1, inner);
    check(inner, ES_SPAN_UNWOUND, 8, outer);
    check(last, ES_SPAN_UNWOUND, 1, outer);
    check(outer, ES_SPAN_RETURN, 13, 0);
}

/* A callback that is woven is called twice, once by each who tells; an exception that the emulator tells is of its own call. */
static void woven_and_traced(void **state)
{
    (void)state;
    shop_begin();
    struct es_event callback = shop_fun(ES_K_CALL, 1, "Elixir.Shop", "handle_call");
    callback.flags |= ES_E_CALLBACK;
    uint64_t traced = shop_add(callback), told = woven(ES_K_CALL, "handle_call", 0);
    callback.kind = ES_K_EXCEPTION;
    shop_add(callback);
    shop_end();
    struct es_filter filter = shop_filter();
    read_spans(&filter);
    check(told, ES_SPAN_UNWOUND, 1, traced);
    check(traced, ES_SPAN_EXCEPTION, 2, 0);
}

static void ends(void **state)
{
    (void)state;
    shop_begin();
    uint64_t a = call(1, "a"), b = call(1, "b"), moment = call(1, "no end is ever recorded"), c = call(1, "c");
    shop_add(shop_fun(ES_K_EXCEPTION, 1, "Elixir.Shop", "c"));
    back(1, "b");
    uint64_t lost = call(1, "b");
    back(1, "a");
    uint64_t outer = call(2, "a"), inner = call(2, "b");
    plain(ES_K_EXIT, 2);
    uint64_t open = call(3, "a");
    back(4, "a"); /* began before the recording */
    plain(ES_K_TIMEOUT, 4);
    shop_end();
    struct es_filter filter = shop_filter();
    read_spans(&filter);
    assert_int_equal(n_spans, 8);
    check(a, ES_SPAN_RETURN, 7, 0);
    check(b, ES_SPAN_RETURN, 4, a);
    check(moment, ES_SPAN_UNKNOWN, -1, b);
    check(c, ES_SPAN_EXCEPTION, 1, b);
    check(lost, ES_SPAN_UNKNOWN, -1, a);
    check(outer, ES_SPAN_EXIT, 2, 0);
    check(inner, ES_SPAN_EXIT, 1, outer);
    check(open, ES_SPAN_OPEN, 2, 0);
    assert_int_equal(span_of(b)->self, 3 * SHOP_STEP);
    assert_int_equal(span_of(a)->self, -1); /* a call in it has no end */
    es_ref pid = shop_pid(2);
    filter.pids = &pid;
    filter.n_pids = 1;
    read_spans(&filter);
    assert_int_equal(n_spans, 2);
}

static void bounds(void **state)
{
    (void)state;
    shop_begin();
    uint64_t before = call(1, "a");
    int64_t since = shop_now;
    uint64_t inside = call(1, "b");
    int64_t until = shop_now;
    uint64_t behind = call(1, "c");
    back(1, "c");
    back(1, "b");
    back(1, "a");
    shop_end();
    struct es_filter filter = shop_filter();
    filter.since = since;
    filter.until = until;
    read_spans(&filter);
    assert_int_equal(n_spans, 1);
    check(inside, ES_SPAN_RETURN, 3, 0);
    assert_int_equal(spans[0].self, 2 * SHOP_STEP); /* what lies behind the bound counts all the same */
    assert_true(before < behind);
}

/* A loss of calls leaves all that spans it in doubt. */
static void losses(void **state)
{
    (void)state;
    shop_begin();
    uint64_t around = call(1, "a"), whole = call(1, "b");
    back(1, "b");
    assert_ok(es_store_loss(shop_store, ES_K_RETURN, 1, shop_now, shop_now + 10, "ring full"));
    shop_now += 100;
    back(1, "a");
    shop_end();
    struct es_filter filter = shop_filter();
    read_spans(&filter);
    check(around, ES_SPAN_UNKNOWN, -1, 0);
    check(whole, ES_SPAN_RETURN, 1, around);
}

static void times(void **state)
{
    (void)state;
    shop_begin();
    uint64_t a = call(1, "a");     /* 0: runs */
    plain(ES_K_OUT, 1);            /* 1: off */
    plain(ES_K_DELIVER, 2);        /* 2: another's */
    plain(ES_K_DELIVER, 1);        /* 3: could run */
    plain(ES_K_TIMEOUT, 2);        /* 4 */
    plain(ES_K_IN, 1);             /* 5: runs */
    uint64_t b = call(1, "b");     /* 6 */
    plain(ES_K_GC_MINOR_START, 1); /* 7 */
    plain(ES_K_GC_MINOR_END, 1);   /* 8 */
    plain(ES_K_OUT, 1);            /* 9: off */
    plain(ES_K_IN, 1);             /* 10: runs, and had waited: */
    plain(ES_K_TIMEOUT, 1);        /* 11 */
    back(1, "b");                  /* 12 */
    plain(ES_K_OUT, 1);            /* 13: off */
    plain(ES_K_IN, 1);             /* 14: taken off, nothing came */
    back(1, "a");                  /* 15 */
    shop_end();
    struct es_filter filter = shop_filter();
    read_spans(&filter);
    check(a, ES_SPAN_RETURN, 15, 0);
    check(b, ES_SPAN_RETURN, 6, a);
    const struct es_span *outer = span_of(a), *inner = span_of(b);
    assert_int_equal(outer->running, 9 * SHOP_STEP);
    assert_int_equal(outer->runnable, 3 * SHOP_STEP);
    assert_int_equal(outer->waiting, 3 * SHOP_STEP);
    assert_int_equal(outer->gc, SHOP_STEP);
    assert_int_equal(inner->running, 5 * SHOP_STEP);
    assert_int_equal(inner->runnable, 0);
    assert_int_equal(inner->waiting, SHOP_STEP);
}

static void delivered(uint32_t pid, uint64_t cause)
{
    shop_add((struct es_event){.kind = ES_K_DELIVER,
                               .pid = shop_pid(pid),
                               .cause = cause,
                               .cause_state = cause ? ES_CAUSE_PAIRED : ES_CAUSE_EXTERNAL});
}

static uint64_t sent(uint32_t pid)
{
    return shop_add((struct es_event){.kind = ES_K_SEND, .pid = shop_pid(pid), .peer = shop_pid(1)});
}

/* Deliveries that are told behind the `in`, when the receiver looks: it waited until the message was sent. */
static void told_late(void **state)
{
    (void)state;
    shop_begin();
    uint64_t early = sent(2);
    uint64_t a = call(1, "a"); /* 0: runs */
    plain(ES_K_OUT, 1);        /* 1: off */
    plain(ES_K_TIMEOUT, 2);    /* 2 */
    uint64_t send = sent(2);   /* 3: what it waits for */
    plain(ES_K_TIMEOUT, 2);    /* 4 */
    plain(ES_K_IN, 1);         /* 5: could run for two steps */
    delivered(1, send);        /* 6 */
    plain(ES_K_OUT, 1);        /* 7: off */
    plain(ES_K_IN, 1);         /* 8: that message was there before: it did not wait */
    delivered(1, early);       /* 9 */
    plain(ES_K_OUT, 1);        /* 10: off */
    plain(ES_K_IN, 1);         /* 11 */
    delivered(1, 0);           /* 12: from outside, at an unknown time: waited all the while */
    back(1, "a");              /* 13 */
    shop_end();
    struct es_filter filter = shop_filter();
    read_spans(&filter);
    check(a, ES_SPAN_RETURN, 13, 0);
    assert_int_equal(span_of(a)->waiting, (2 + 1) * SHOP_STEP);
    assert_int_equal(span_of(a)->runnable, (2 + 1) * SHOP_STEP);
    assert_int_equal(span_of(a)->running, 7 * SHOP_STEP);
}

/* Random programs of several processes against a stack kept by hand. */
static void random_programs(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    struct open {
        uint64_t seq, parent;
        int64_t begin, inside;
        unsigned fun;
    } open[8][64];
    unsigned depth[8] = {0}, seed = (unsigned)getpid();
    static struct expected {
        uint64_t seq, parent;
        int64_t total, self;
        uint8_t how;
    } expected[100000];
    size_t n = 0;
    print_message("seed %u\n", seed);
    shop_begin();
    for (int i = 0; i < 70000; i++) {
        seed = seed * 1103515245u + 12345u;
        unsigned pid = seed >> 16 & 7, what = seed >> 20 & 15, fun = (seed >> 24) % 5;
        if (depth[pid] == 64 || (what < 7 && depth[pid] > 0)) {
            struct open *o = &open[pid][--depth[pid]];
            int64_t total = shop_now - o->begin;
            expected[n++] = (struct expected){o->seq, o->parent, total, total - o->inside,
                                              what == 0 ? ES_SPAN_EXCEPTION : ES_SPAN_RETURN};
            if (depth[pid] > 0)
                open[pid][depth[pid] - 1].inside += total;
            shop_add(shop_fun(what == 0 ? ES_K_EXCEPTION : ES_K_RETURN, pid + 1, "Elixir.Shop", names[o->fun]));
        } else if (what < 14) {
            uint64_t parent = depth[pid] ? open[pid][depth[pid] - 1].seq : 0;
            open[pid][depth[pid]++] = (struct open){shop_seq + 1, parent, shop_now, 0, fun};
            call(pid + 1, names[fun]);
        } else {
            plain(ES_K_TIMEOUT, pid + 1);
        }
    }
    shop_end();
    struct es_filter filter = shop_filter();
    read_spans(&filter);
    size_t ended = 0;
    for (size_t i = 0; i < n_spans && spans[i].how != ES_SPAN_OPEN; i++) {
        assert_true(ended < n);
        const struct expected *e = &expected[ended++];
        assert_int_equal(spans[i].call, e->seq);
        assert_int_equal(spans[i].parent, e->parent);
        assert_int_equal(spans[i].how, e->how);
        assert_int_equal(spans[i].total, e->total);
        assert_int_equal(spans[i].self, e->self);
    }
    assert_int_equal(ended, n);
    assert_true(n > 10000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {TEST(ends),   TEST(woven_ends), TEST(woven_and_traced), TEST(bounds),
                                       TEST(losses), TEST(times),      TEST(told_late),        TEST(random_programs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
