/* SPDX-License-Identifier: MIT */
/* Two recordings made by hand, as two emulators would: what one numbers 715 is another atom on the other, and each calls the other's processes
 * by an external pid. */
#include "shop.h"

static char path_a[128], path_b[128], path_c[128];

static int setup(void **state)
{
    if (shop_setup(state) < 0)
        return -1;
    snprintf(path_a, sizeof path_a, "%s/a.scope", shop_dir);
    snprintf(path_b, sizeof path_b, "%s/b.scope", shop_dir);
    snprintf(path_c, sizeof path_c, "%s/c.scope", shop_dir);
    return 0;
}

/* ---- making --------------------------------------------------------------------------------------------------------- */

static uint32_t own_creation;

static void begin(const char *path, const char *node, uint32_t creation)
{
    struct es_store_options options = {.path = path, .session = {(uint8_t)creation}, .overwrite = true};
    char text[24];
    assert_ok(es_store_create(&options, &shop_store));
    own_creation = creation;
    shop_seq = 0;
    shop_n_atoms = 0;
    shop_now = SHOP_START;
    snprintf(text, sizeof text, "%u", creation);
    assert_ok(es_store_meta(shop_store, "node", node));
    assert_ok(es_store_meta(shop_store, "creation", text));
    assert_ok(es_store_meta(shop_store, "os_pid", text));
    assert_ok(es_store_meta(shop_store, "wall_offset_ns", "0"));
    shop_atom(node); /* numbers of atoms are given in order, so they mean something else on each node */
}

static void write_be32(struct es_writer *w, uint32_t value)
{
    uint8_t bytes[] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};
    es_write_bytes(w, bytes, sizeof bytes);
}

static void write_pid(struct es_writer *w, const char *node, uint32_t number, uint32_t creation)
{
    es_write_u8(w, ES_T_NEW_PID);
    es_write_atom(w, node, strlen(node));
    write_be32(w, number);
    write_be32(w, 0);
    write_be32(w, creation);
}

/* A process of another node, as an addressee. */
static es_ref other_pid(const char *node, uint32_t number, uint32_t creation)
{
    uint8_t bytes[128];
    struct es_writer w;
    es_writer_init(&w, bytes, sizeof bytes);
    write_pid(&w, node, number, creation);
    es_ref ref = es_ref_make(ES_REF_OTHER, 1000 + number * 2 + 1);
    assert_ok(es_store_define(shop_store, ref, bytes, (size_t)(w.at - bytes)));
    return ref;
}

static es_ref other_node(const char *node)
{
    uint8_t bytes[128];
    struct es_writer w;
    es_writer_init(&w, bytes, sizeof bytes);
    es_write_atom(&w, node, strlen(node));
    es_ref ref = es_ref_make(ES_REF_OTHER, 77);
    assert_ok(es_store_define(shop_store, ref, bytes, (size_t)(w.at - bytes)));
    return ref;
}

static void named(uint32_t number, const char *name)
{
    shop_process(number, INT64_MIN, INT64_MAX, name);
    assert_ok(es_store_name(shop_store, shop_atom(name), shop_pid(number), SHOP_START, INT64_MAX));
}

/* {hello, Number}, and where `unique` a reference of node a behind it. */
static void payload(int64_t number, bool unique)
{
    shop_payload();
    es_write_tuple(&shop_term, unique ? 3 : 2);
    shop_write_atom("hello");
    es_write_int(&shop_term, number);
    if (!unique)
        return;
    es_write_u8(&shop_term, ES_T_NEWER_REF);
    es_write_bytes(&shop_term, "\0\1", 2);
    es_write_atom(&shop_term, "a@host", 6);
    write_be32(&shop_term, 1);
    write_be32(&shop_term, (uint32_t)number);
}

static uint64_t send_to(uint32_t from, es_ref to, int64_t number, bool unique)
{
    payload(number, unique);
    return shop_add((struct es_event){.kind = ES_K_SEND, .pid = shop_pid(from), .peer = to, .hash = 1 + own_creation});
}

static uint64_t deliver(uint32_t to, const char *node, int64_t number, bool unique)
{
    payload(number, unique);
    return shop_add((struct es_event){.kind = ES_K_DELIVER,
                                      .pid = shop_pid(to),
                                      .peer = other_node(node),
                                      .hash = 7 + own_creation,
                                      .cause_state = ES_CAUSE_EXTERNAL});
}

/* ---- what comes of it ------------------------------------------------------------------------------------------------- */

static struct es_query *merge(void)
{
    struct es_query *queries[2], *made;
    assert_ok(es_query_open(path_a, &queries[0]));
    assert_ok(es_query_open(path_b, &queries[1]));
    assert_ok(es_query_merge(queries, 2, &(struct es_merge_request){.path = path_c, .overwrite = true}));
    es_query_close(queries[0]);
    es_query_close(queries[1]);
    assert_ok(es_query_open(path_c, &made));
    return made;
}

static size_t deliveries(struct es_query *query, struct es_event *ret, size_t room)
{
    struct es_filter filter = shop_filter();
    struct es_cursor *cursor;
    const struct es_event *event;
    size_t n = 0;
    filter.kinds = UINT64_C(1) << ES_K_DELIVER;
    assert_ok(es_cursor_open(query, &filter, &cursor));
    while (es_cursor_next(cursor, &event) > 0 && n < room)
        ret[n++] = *event;
    es_cursor_close(cursor);
    return n;
}

static void assert_printed(struct es_query *query, es_ref ref, const char *wanted)
{
    struct es_text text = {0};
    es_query_print_ref(query, ref, true, &text);
    assert_string_equal(text.bytes, wanted);
    es_text_fini(&text);
}

/* Nothing is before its cause, each process's events are in their order. */
static void assert_in_order(struct es_query *query)
{
    struct es_filter filter = shop_filter();
    struct es_cursor *cursor;
    const struct es_event *event;
    int64_t last = INT64_MIN;
    assert_ok(es_cursor_open(query, &filter, &cursor));
    while (es_cursor_next(cursor, &event) > 0) {
        assert_true(event->cause < event->seq);
        assert_true(event->time >= last);
        last = event->time;
    }
    es_cursor_close(cursor);
}

/* ---- tests ------------------------------------------------------------------------------------------------------------ */

static void messages_both_ways(void **state)
{
    (void)state;
    struct es_event found[4];
    begin(path_a, "a@host", 1);
    send_to(5, other_pid("b@host", 6, 2), 10, true);
    shop_now += 50000;
    deliver(5, "b@host", 11, true);
    named(5, "here");
    shop_end();
    begin(path_b, "b@host", 2);
    shop_atom("something else");
    shop_now += 1000000 + 20000;
    deliver(6, "a@host", 10, true);
    send_to(6, other_pid("a@host", 5, 1), 11, true);
    named(6, "there");
    shop_end();
    struct es_query *query = merge();
    assert_int_equal(deliveries(query, found, 4), 2);
    assert_printed(query, found[0].pid, "<b@host.6.0>");
    assert_printed(query, found[0].peer, "<0.5.0>");
    assert_printed(query, found[1].pid, "<0.5.0>");
    assert_printed(query, found[1].peer, "<b@host.6.0>");
    for (int i = 0; i < 2; i++) {
        const struct es_event *send;
        struct es_text text = {0};
        assert_int_equal(found[i].cause_state, ES_CAUSE_PAIRED);
        assert_ok(es_query_event(query, found[i].cause, &send));
        assert_int_equal(send->kind, ES_K_SEND);
        assert_true(send->pid == found[i].peer && send->peer == found[i].pid);
        es_query_print_payload(query, send, true, &text);
        assert_string_equal(text.bytes, i ? "{hello,11,#Ref<0.11>}" : "{hello,10,#Ref<0.10>}");
        es_text_fini(&text);
    }
    assert_in_order(query);
    /* a's clock: sent at 0, delivered at 51 µs; b's: delivered at 1020, sent at 1021. So it is between -1020 and -970. */
    assert_string_equal(es_query_merged(query, 1, "clock_from"), "messages");
    assert_string_equal(es_query_merged(query, 1, "uncertainty_ns"), "24999");
    assert_string_equal(es_query_merged(query, 1, "offset_ns"), "-995000");
    es_ref *pids = NULL;
    size_t n = 0;
    assert_ok(es_query_pids(query, "b@host.6.0", &pids, &n));
    assert_true(n == 1 && pids[0] == found[0].pid);
    free(pids);
    assert_ok(es_query_pids(query, "there", &pids, &n));
    assert_true(n == 1 && pids[0] == found[0].pid);
    free(pids);
    assert_int_equal(es_query_pids(query, "<c@host.6.0>", &pids, &n), -ENOENT);
    es_query_close(query);
}

/* Each recording has the send behind a delivery that waits for the other's send. */
static void sends_that_are_written_down_late(void **state)
{
    (void)state;
    struct es_event found[4];
    begin(path_a, "a@host", 1);
    deliver(5, "b@host", 21, true);
    shop_add((struct es_event){.kind = ES_K_TIMEOUT, .pid = shop_pid(5)}); /* what it does next has to wait too */
    send_to(4, other_pid("b@host", 6, 2), 20, true);
    shop_end();
    begin(path_b, "b@host", 2);
    deliver(6, "a@host", 20, true);
    shop_add((struct es_event){.kind = ES_K_TIMEOUT, .pid = shop_pid(6)});
    send_to(7, other_pid("a@host", 5, 1), 21, true);
    shop_end();
    struct es_query *query = merge();
    assert_int_equal(deliveries(query, found, 4), 2);
    for (int i = 0; i < 2; i++) {
        const struct es_event *next;
        assert_int_equal(found[i].cause_state, ES_CAUSE_PAIRED);
        for (uint64_t seq = found[i].seq; seq > 0; seq--) { /* its process did nothing before */
            assert_ok(es_query_event(query, seq, &next));
            assert_true(next->kind != ES_K_TIMEOUT || next->pid != found[i].pid);
        }
    }
    struct es_info info;
    assert_ok(es_query_info(query, &info));
    assert_int_equal(info.events, 6);
    assert_in_order(query);
    es_query_close(query);
}

/* Nobody can say which of two senders a message is from. */
static void alike_messages_of_two(void **state)
{
    (void)state;
    struct es_event found[4];
    begin(path_a, "a@host", 1);
    send_to(4, other_pid("b@host", 6, 2), 30, false);
    send_to(5, other_pid("b@host", 6, 2), 30, false);
    shop_end();
    begin(path_b, "b@host", 2);
    shop_now += 50000;
    deliver(6, "a@host", 30, false);
    deliver(6, "a@host", 30, false);
    shop_end();
    struct es_query *query = merge();
    assert_int_equal(deliveries(query, found, 4), 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(found[i].cause, 0);
        assert_int_equal(found[i].cause_state, ES_CAUSE_UNKNOWN);
        assert_printed(query, found[i].peer, "a@host");
    }
    es_query_close(query);
}

/* Of one sender: in their order; but not where some were lost, where one was not told of, or where the recording ended at once. */
static void alike_messages_of_one(void **state)
{
    (void)state;
    enum { ALL, LOST, UNTOLD, ENDED, CASES };
    for (int what = 0; what < CASES; what++) {
        struct es_event found[8];
        uint64_t sent[4] = {0};
        begin(path_a, "a@host", 1);
        shop_process(4, SHOP_START, INT64_MAX, NULL); /* born here, so that nothing is older */
        for (int i = 0; i < (what == UNTOLD ? 3 : 4); i++)
            sent[i] = send_to(4, other_pid("b@host", 6, 2), 40, false);
        shop_end();
        begin(path_b, "b@host", 2);
        shop_now += 50000;
        shop_process(6, shop_now, INT64_MAX, NULL);
        for (int i = 0; i < 4; i++)
            deliver(6, "a@host", 40, false);
        if (what == LOST)
            assert_ok(es_store_loss(shop_store, ES_K_DELIVER, 1, SHOP_START, shop_now, "ring full"));
        if (what != ENDED)
            shop_now += INT64_C(10000000000);
        shop_add((struct es_event){.kind = ES_K_MARK, .pid = shop_pid(5)});
        shop_end();
        struct es_query *query = merge();
        assert_int_equal(deliveries(query, found, 8), 4);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(found[i].cause_state, what == ALL    ? ES_CAUSE_PAIRED
                                                   : what == LOST ? ES_CAUSE_LOST
                                                                  : ES_CAUSE_UNKNOWN);
            assert_int_equal(found[i].cause, what == ALL ? sent[i] : 0);
        }
        assert_string_equal(es_query_merged(query, 1, "clock_from"),
                            what == ALL ? "wall clocks and messages one way" : "wall clocks");
        es_query_close(query);
    }
}

/* The same pids of a node that was started again are other processes. */
static void a_node_that_was_started_again(void **state)
{
    (void)state;
    begin(path_a, "a@host", 1);
    shop_add((struct es_event){.kind = ES_K_MARK, .pid = shop_pid(5)});
    named(5, "one");
    shop_end();
    begin(path_b, "a@host", 2);
    shop_add((struct es_event){.kind = ES_K_MARK, .pid = shop_pid(5)});
    named(5, "one");
    shop_end();
    struct es_query *query = merge();
    es_ref *pids = NULL;
    size_t n = 0;
    assert_ok(es_query_pids(query, "one", &pids, &n));
    assert_int_equal(n, 2);
    assert_printed(query, pids[0], "<0.5.0>");
    assert_printed(query, pids[1], "<a@host#2.5.0>");
    free(pids);
    assert_ok(es_query_pids(query, "<a@host#2.5.0>", &pids, &n));
    assert_int_equal(es_ref_node(pids[0]), 1);
    free(pids);
    es_query_close(query);
}

static void what_is_refused(void **state)
{
    (void)state;
    struct es_query *queries[2];
    struct es_merge_request request = {.path = path_c, .overwrite = true};
    begin(path_a, "a@host", 1);
    shop_add((struct es_event){.kind = ES_K_MARK, .pid = shop_pid(5)});
    shop_end();
    assert_ok(es_query_open(path_a, &queries[0]));
    queries[1] = queries[0];
    assert_int_equal(es_query_merge(queries, 2, &request), -EINVAL);
    assert_int_equal(es_query_merge(queries, 1, &request), -EINVAL);
    begin(path_b, "b@host", 2);
    shop_add((struct es_event){.kind = ES_K_MARK, .pid = shop_pid(5)});
    shop_end();
    assert_ok(es_query_open(path_b, &queries[1]));
    int64_t far = INT64_MAX;
    request.offsets = &far;
    assert_int_equal(es_query_merge(queries, 2, &request), -EINVAL);
    assert_int_equal(access(path_c, F_OK), -1);
    request = (struct es_merge_request){.path = path_b, .overwrite = true};
    assert_int_equal(es_query_merge(queries, 2, &request), -EINVAL);
    es_query_close(queries[0]);
    es_query_close(queries[1]);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, shop_teardown)
    const struct CMUnitTest tests[] = {
        T(messages_both_ways),    T(sends_that_are_written_down_late), T(alike_messages_of_two),
        T(alike_messages_of_one), T(a_node_that_was_started_again),    T(what_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
