/* SPDX-License-Identifier: MIT */
/* A part of a recording is a recording: whole in itself, its events as they were, what lies outside is not
 * claimed. */
#include "shop.h"

#define AT(n) (SHOP_START + (n)*SHOP_STEP)

static int64_t state_time;

static uint64_t state_event(uint32_t pid, int64_t value)
{
    if (value >= 0) {
        shop_payload();
        es_write_tuple(&shop_term, 2);
        shop_write_atom("cart state");
        es_write_int(&shop_term, value);
    }
    struct es_event event = shop_fun(ES_K_STATE, pid, "Elixir.Shop.Cart", "handle_call");
    event.hash = 5;
    event.flags = value < 0 ? ES_E_STATE_SAME : 0;
    return shop_add(event);
}

/* A message each two microseconds; 5 sends, 6 receives; a send at the end of a part is delivered in the
 * next. */
static int make(void **state)
{
    if (shop_setup(state) < 0)
        return -1;
    shop_begin();
    state_event(6, 77); /* 0 */
    for (int i = 0; i < 100; i++)
        shop_message(5, 6, i); /* 1 + 2 i, 2 + 2 i */
    state_time = shop_now;
    state_event(6, -1); /* 201 */
    state_event(6, -1);
    shop_add(shop_fun(ES_K_CALL, 5, "Elixir.Shop.Cart", "add"));
    shop_add(shop_fun(ES_K_RETURN, 5, "Elixir.Shop.Cart", "add"));
    assert_ok(
        es_store_define(shop_store, es_ref_make(ES_REF_OTHER, 3), "\x68\x01\xe0\xcb\x02\x00\x00", 7)); /* {atom 715} */
    assert_ok(es_store_define(shop_store, es_ref_make(ES_REF_ATOM, 715), "other@host", 10));
    shop_add((struct es_event){.kind = ES_K_SEND, .pid = shop_pid(5), .peer = es_ref_make(ES_REF_OTHER, 3)});
    shop_payload();
    es_write_u8(&shop_term, 88); /* a pid whose node is an atom reference */
    es_write_atom_ref(&shop_term, 715);
    es_write_bytes(&shop_term, "\0\0\0\1\0\0\0\2\0\0\0\3", 12);
    shop_add((struct es_event){.kind = ES_K_MARK, .pid = shop_pid(5)});
    struct es_process gone = {.pid = shop_pid(8), .spawned = AT(1), .exited = AT(3)},
                      later = {.pid = shop_pid(9), .spawned = AT(190), .exited = AT(195)};
    struct es_process five = {.pid = shop_pid(5),
                              .parent = shop_pid(1),
                              .spawned = AT(2),
                              .exited = AT(203),
                              .spawn_seq = 3,
                              .exit_seq = 204,
                              .name = shop_atom("late"),
                              .reason = (const uint8_t *)"\x6a",
                              .reason_len = 1};
    struct es_process six = {.pid = shop_pid(6), .spawned = INT64_MIN, .exited = INT64_MAX};
    assert_ok(es_store_process(shop_store, &gone));
    assert_ok(es_store_process(shop_store, &five));
    assert_ok(es_store_process(shop_store, &six));
    assert_ok(es_store_process(shop_store, &later));
    assert_ok(es_store_name(shop_store, shop_atom("early"), shop_pid(5), AT(2), AT(60)));
    assert_ok(es_store_name(shop_store, shop_atom("late"), shop_pid(5), AT(60), INT64_MAX));
    assert_ok(es_store_name(shop_store, shop_atom("never seen"), shop_pid(8), AT(1), AT(3)));
    assert_ok(es_store_loss(shop_store, ES_K_SEND, 3, AT(5), AT(6), "ring full"));
    assert_ok(es_store_loss(shop_store, ES_K_CALL, 4, AT(49), AT(52), "ring full"));
    assert_ok(es_store_meta(shop_store, "otp", "25"));
    assert_ok(es_store_meta(shop_store, "end_reason", "stopped"));
    assert_ok(es_store_count(shop_store, "pairs.paired", 100));
    shop_end();
    return 0;
}

static struct es_query *cut(int64_t since, int64_t until)
{
    struct es_query *whole = shop_open(), *part;
    struct es_cut_request request = {.path = shop_file("part.scope"), .since = since, .until = until};
    assert_ok(es_query_cut(whole, &request));
    es_query_close(whole);
    assert_ok(es_query_open(shop_file("part.scope"), &part));
    assert_ok(es_recording_verify(es_query_recording(part)));
    return part;
}

/* The payload's number, -1 where there is no payload. */
static int64_t number_of(const struct es_event *event)
{
    struct es_reader r;
    struct es_token token = {0};
    es_reader_init(&r, event->payload, event->payload_len);
    for (int i = 0; i < 3; i++)
        if (es_token_next(&r, &token) < 0)
            return -1;
    return token.integer;
}

/* Every event of the part is the one of the whole, with its cause remapped or unknown; returns how many there
 * are. */
static uint64_t same_events(struct es_query *part, uint64_t first)
{
    struct es_query *whole = shop_open();
    struct es_filter all = shop_filter();
    struct es_cursor *cursor;
    const struct es_event *event, *old;
    uint64_t n = 0;
    assert_ok(es_cursor_open(part, &all, &cursor));
    while (es_cursor_next(cursor, &event) > 0) {
        assert_int_equal(event->seq, ++n);
        assert_ok(es_query_event(whole, first + n - 1, &old));
        assert_int_equal(event->time, old->time);
        assert_int_equal(event->kind, old->kind);
        assert_int_equal(event->pid, old->pid);
        assert_int_equal(event->peer, old->peer);
        assert_int_equal(event->hash, old->hash);
        assert_int_equal(number_of(event), old->kind == ES_K_STATE && event->payload_len ? 77 : number_of(old));
        if (old->cause >= first) {
            assert_int_equal(event->cause, old->cause - first + 1);
            assert_int_equal(event->cause_state, ES_CAUSE_PAIRED);
        } else {
            assert_int_equal(event->cause, 0);
            assert_int_equal(event->cause_state, old->cause ? ES_CAUSE_UNKNOWN : old->cause_state);
        }
    }
    es_cursor_close(cursor);
    es_query_close(whole);
    return n;
}

static void middle(void **state)
{
    (void)state;
    struct es_query *part = cut(AT(50), AT(70)); /* from a delivery to a send */
    struct es_info info;
    assert_int_equal(same_events(part, 51), 20);
    assert_ok(es_query_info(part, &info));
    assert_int_equal(info.events, 20);
    assert_int_equal(info.pairs[ES_CAUSE_PAIRED], 9);
    assert_int_equal(info.pairs[ES_CAUSE_UNKNOWN], 1);
    assert_int_equal(info.losses, 4);
    assert_true(info.closed);
    assert_string_equal(es_recording_meta(es_query_recording(part), "otp"), "25");
    assert_string_equal(es_recording_meta(es_query_recording(part), "node"), "shop@host");
    assert_string_equal(es_recording_meta(es_query_recording(part), "end_reason"), "cut");
    assert_int_equal(es_query_wall(part, AT(50)), SHOP_WALL + 50 * SHOP_STEP);
    es_query_close(part);
}

static void processes_and_names(void **state)
{
    (void)state;
    struct es_query *part = cut(AT(50), AT(70));
    const struct es_process *p;
    const struct es_name *names;
    assert_int_equal(es_recording_processes(es_query_recording(part), &p), 2);
    assert_int_equal(p[0].pid, shop_pid(6));
    assert_int_equal(p[1].pid, shop_pid(5));
    assert_int_equal(p[1].spawned, AT(2)); /* true, though before the part */
    assert_int_equal(p[1].spawn_seq, 0);
    assert_true(p[1].exited == INT64_MAX && p[1].exit_seq == 0 && p[1].reason_len == 0); /* not known in it */
    assert_int_equal(p[1].name, shop_atom("late"));
    assert_int_equal(es_recording_names(es_query_recording(part), &names), 2);
    assert_int_equal(es_query_name(part, shop_pid(5), AT(55)), shop_atom("early"));
    assert_int_equal(es_query_name(part, shop_pid(5), AT(65)), shop_atom("late"));
    es_query_close(part);
    shop_teardown(NULL);
    make(NULL);
    part = cut(AT(50), AT(55)); /* before its second name */
    es_recording_processes(es_query_recording(part), &p);
    assert_int_equal(p[1].name, shop_atom("early"));
    assert_int_equal(es_recording_names(es_query_recording(part), &names), 1);
    assert_true(names[0].until == INT64_MAX);
    es_query_close(part);
}

static void states_come_along(void **state)
{
    (void)state;
    struct es_query *part = cut(state_time, INT64_MAX);
    const struct es_event *event;
    assert_int_equal(same_events(part, 202), 6);
    assert_ok(es_query_event(part, 1, &event));
    assert_int_equal(number_of(event), 77);
    assert_false(event->flags & ES_E_STATE_SAME);
    assert_ok(es_query_event(part, 2, &event));
    assert_int_equal(event->payload_len, 0);
    assert_true(event->flags & ES_E_STATE_SAME);
    assert_string_equal(es_recording_meta(es_query_recording(part), "end_reason"), "stopped");
    es_query_close(part);
}

static void prints(struct es_query *part, uint64_t seq, const char *payload, const char *peer)
{
    const struct es_event *event;
    struct es_text out = {0};
    assert_ok(es_query_event(part, seq, &event));
    es_query_print_term(part, event->payload, event->payload_len, true, &out);
    assert_string_equal(event->payload_len ? out.bytes : "", payload);
    es_text_clear(&out);
    es_text_puts(&out, "");
    es_query_print_ref(part, event->peer, true, &out);
    assert_string_equal(out.bytes, peer);
    es_text_fini(&out);
}

/* Everything that is printed in the part needs its definition there. */
static void definitions_come_along(void **state)
{
    (void)state;
    struct es_query *part = cut(AT(50), INT64_MAX);
    prints(part, 1, "{order,24}", "<0.5.0>");
    prints(part, 152, "{'cart state',77}", "");
    prints(part, 156, "", "{other@host}");
    prints(part, 157, "<other@host.1.2>", "");
    struct es_text out = {0};
    const struct es_event *event;
    assert_ok(es_query_event(part, 154, &event));
    es_query_print_fun(part, event, true, &out);
    assert_string_equal(out.bytes, "'Elixir.Shop.Cart':add/2");
    es_text_fini(&out);
    size_t len;
    assert_null(es_recording_define(es_query_recording(part), shop_atom("never seen"), &len));
    es_query_close(part);
}

static void the_whole(void **state)
{
    (void)state;
    struct es_query *part = cut(INT64_MIN, INT64_MAX);
    struct es_info a, b;
    struct es_query *whole = shop_open();
    assert_int_equal(same_events(part, 1), 207);
    assert_ok(es_query_info(part, &a));
    assert_ok(es_query_info(whole, &b));
    assert_memory_equal(a.by_kind, b.by_kind, sizeof a.by_kind);
    assert_memory_equal(a.pairs, b.pairs, sizeof a.pairs);
    assert_int_equal(a.losses, b.losses);
    assert_int_equal(a.processes, b.processes);
    const struct es_process *p;
    es_recording_processes(es_query_recording(part), &p);
    assert_int_equal(p[2].exit_seq, 204);
    assert_int_equal(p[2].reason_len, 1);
    es_query_close(whole);
    es_query_close(part);
}

static int stop_at_once(double done, void *context)
{
    (void)context;
    return done < 1;
}

static void refused(void **state)
{
    (void)state;
    struct es_query *whole = shop_open();
    struct es_cut_request request = {.path = shop_file("part.scope"), .since = AT(5), .until = AT(5)};
    assert_int_equal(es_query_cut(whole, &request), -EINVAL);
    request.until = AT(4);
    assert_int_equal(es_query_cut(whole, &request), -EINVAL);
    request.since = AT(500);
    request.until = INT64_MAX;
    assert_int_equal(es_query_cut(whole, &request), -ERANGE);
    request.since = AT(1) + 1; /* between two events */
    request.until = AT(1) + 2;
    assert_int_equal(es_query_cut(whole, &request), -ERANGE);
    request.since = INT64_MIN;
    request.tick = stop_at_once;
    assert_int_equal(es_query_cut(whole, &request), -ECANCELED);
    assert_int_not_equal(access(request.path, F_OK), 0); /* nothing is left */
    request.tick = NULL;
    request.path = shop_path;
    request.overwrite = true;
    assert_int_equal(es_query_cut(whole, &request), -EINVAL); /* not onto itself */
    request.path = shop_file("part.scope");
    assert_ok(es_query_cut(whole, &request));
    request.overwrite = false;
    es_error_clear();
    assert_int_equal(es_query_cut(whole, &request), -EEXIST);
    assert_int_equal(access(request.path, F_OK), 0); /* the former one stays */
    request.overwrite = true;
    assert_ok(es_query_cut(whole, &request));
    request.path = "/nowhere/part.scope";
    assert_true(es_query_cut(whole, &request) < 0);
    es_query_close(whole);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, shop_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(middle), TEST(processes_and_names), TEST(states_come_along), TEST(definitions_come_along), TEST(the_whole),
        TEST(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
