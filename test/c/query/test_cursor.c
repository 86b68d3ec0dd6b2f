/* SPDX-License-Identifier: MIT */
/* Every filter, in both directions, against a plain loop over the same events; live recordings; damaged
 * blocks. */
#include "shop.h"

#include <sqlite3.h>

#define EVENTS 150000u
#define PIDS 40u

static const char *const modules[] = {"Elixir.Shop.Cart", "Elixir.Shop.Catalog", "gen_server", "Elixir.Shop"};
static const char *const functions[] = {"add", "handle_call", "init", "total"};

/* What the plain loop knows of an event. */
struct told {
    enum es_kind kind;
    uint32_t pid, module, function;
    int64_t time, number; /* number: of the payload, -1: none */
    uint64_t cause;
};
static struct told told[EVENTS + 1];

static uint64_t dice_state;
static uint32_t dice(uint32_t n)
{
    dice_state = dice_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(dice_state >> 33) % n;
}

/* Process 7 appears late, process 8 once. */
static uint32_t dice_pid(uint64_t seq)
{
    return seq == 100000 ? 8 : seq > 140000 && dice(10) == 0 ? 7 : 10 + dice(PIDS);
}

static void add(uint64_t seq)
{
    static const enum es_kind kinds[] = {ES_K_SEND,         ES_K_DELIVER, ES_K_CALL, ES_K_RETURN,
                                         ES_K_GC_MINOR_END, ES_K_EXIT,    ES_K_STATE};
    struct told *t = &told[seq];
    *t = (struct told){
        .kind = kinds[dice(7)], .pid = dice_pid(seq), .module = dice(4), .function = dice(4), .number = -1};
    struct es_event event = {.kind = (uint8_t)t->kind, .pid = shop_pid(t->pid)};
    unsigned fields = es_kind_table[t->kind].fields;
    if (fields & ES_F_FUN) {
        event.module = shop_atom(modules[t->module]);
        event.function = shop_atom(functions[t->function]);
    }
    if (fields & ES_F_PEER)
        event.peer = shop_pid(1);
    if (t->kind == ES_K_DELIVER && seq > 1) {
        t->cause = seq - 1 - dice(seq < 80000 ? (uint32_t)seq - 1 : 80000);
        if (told[t->cause].kind != ES_K_SEND)
            t->cause = 0;
        event.cause = t->cause;
        event.cause_state = t->cause ? ES_CAUSE_PAIRED : ES_CAUSE_UNKNOWN;
        event.flags = ES_E_NO_PAYLOAD;
        t->number = t->cause ? told[t->cause].number : -1;
    } else if ((fields & ES_F_PAYLOAD) && dice(4)) {
        t->number = dice(2000);
        shop_payload();
        es_write_tuple(&shop_term, 2);
        es_write_atom(&shop_term, "n", 1);
        es_write_int(&shop_term, t->number);
    }
    shop_now += dice(100) == 0 ? 100000 : 0;
    t->time = shop_now;
    assert_int_equal(shop_add(event), seq);
}

static int make(void **state)
{
    if (shop_setup(state) < 0)
        return -1;
    shop_begin();
    dice_state = 42;
    for (uint64_t seq = 1; seq <= EVENTS; seq++) {
        add(seq);
        if (seq % 20000 == 0)
            assert_ok(es_store_commit(shop_store, NULL));
    }
    assert_ok(es_store_name(shop_store, shop_atom("till"), shop_pid(7), INT64_MIN, INT64_MAX));
    shop_end();
    return 0;
}

/* ---- the plain loop ------------------------------------------------------------------------------------------------ */

static bool has_fun(const struct told *t) { return es_kind_table[t->kind].fields & ES_F_FUN; }

static bool module_fits(const struct told *t, const char *asked)
{
    const char *name = modules[t->module];
    size_t len = strlen(asked);
    if (strncmp(name, "Elixir.", 7) == 0)
        name += 7;
    return has_fun(t) && (asked[len - 1] == '*' ? strncmp(name, asked, len - 1) == 0 : strcmp(name, asked) == 0);
}

static bool text_fits(const struct told *t, const struct es_filter *f)
{
    char all[256] = "";
    if (t->pid == 7)
        strcat(all, "till");
    if (has_fun(t)) {
        bool elixir = strncmp(modules[t->module], "Elixir.", 7) == 0;
        if (f->erlang)
            sprintf(all + strlen(all), "\n%s%s%s:%s/0", elixir ? "'" : "", modules[t->module], elixir ? "'" : "",
                    functions[t->function]);
        else
            sprintf(all + strlen(all), "\n%s%s.%s/0", elixir ? "" : ":", modules[t->module] + (elixir ? 7 : 0),
                    functions[t->function]);
    }
    if (t->number >= 0)
        sprintf(all + strlen(all), f->erlang ? "\n{n,%d}" : "\n{:n, %d}", (int)t->number);
    return strstr(all, f->text) != NULL;
}

static bool fits(uint64_t seq, const struct es_filter *f)
{
    const struct told *t = &told[seq];
    bool asked = f->n_pids == 0;
    for (size_t i = 0; i < f->n_pids; i++)
        asked = asked || f->pids[i] == shop_pid(t->pid);
    return asked && (f->kinds == 0 || (f->kinds >> t->kind & 1)) && (!f->module || module_fits(t, f->module)) &&
           t->time >= f->since && t->time < f->until && seq > f->after_seq &&
           (f->before_seq == 0 || seq < f->before_seq) && (!f->text || text_fits(t, f));
}

static void check_event(const struct es_event *event, uint64_t seq, const struct es_filter *f)
{
    const struct told *t = &told[seq];
    assert_int_equal(event->seq, seq);
    assert_int_equal(event->kind, t->kind);
    assert_int_equal(event->time, t->time);
    assert_int_equal(event->pid, shop_pid(t->pid));
    assert_int_equal(event->cause, t->cause);
    if (f->no_payload || t->number < 0) {
        assert_int_equal(event->payload_len, 0);
        return;
    }
    struct es_reader r;
    struct es_token token;
    es_reader_init(&r, event->payload, event->payload_len);
    for (int i = 0; i < 3; i++)
        assert_int_equal(es_token_next(&r, &token), 0);
    assert_int_equal(token.integer, t->number);
    assert_false(event->flags & ES_E_NO_PAYLOAD);
}

static uint64_t check(struct es_query *query, struct es_filter filter)
{
    uint64_t n = 0;
    filter.since = filter.since ? filter.since : INT64_MIN; /* no event is at 0 */
    filter.until = filter.until ? filter.until : INT64_MAX;
    for (int reverse = 0; reverse < 2; reverse++) {
        struct es_cursor *cursor;
        const struct es_event *event;
        filter.reverse = reverse;
        n = 0;
        assert_ok(es_cursor_open(query, &filter, &cursor));
        for (uint64_t i = 1; i <= EVENTS && (filter.limit == 0 || n < filter.limit); i++) {
            uint64_t seq = reverse ? EVENTS + 1 - i : i;
            if (!fits(seq, &filter))
                continue;
            int rc = es_cursor_next(cursor, &event);
            if (rc != 1)
                fail_msg("event %" PRIu64 " is missing: %d %s", seq, rc, es_error_text());
            check_event(event, seq, &filter);
            n++;
        }
        assert_int_equal(es_cursor_next(cursor, &event), 0);
        assert_int_equal(es_cursor_next(cursor, &event), 0);
        es_cursor_close(cursor);
    }
    return n;
}

#define KIND(k) (UINT64_C(1) << ES_K_##k)

static void filters(void **state)
{
    (void)state;
    static const es_ref none[] = {UINT64_C(0x1000000000000005)};
    const es_ref late[] = {shop_pid(7)}, once[] = {shop_pid(8)},
                 many[] = {shop_pid(30), shop_pid(7), shop_pid(11), shop_pid(30)};
    int64_t middle = told[EVENTS / 2].time;
    struct es_query *query = shop_open();
#define F(...) check(query, (struct es_filter){__VA_ARGS__})
    assert_int_equal(F(.limit = 0), EVENTS);
    assert_int_equal(F(.limit = 10), 10);
    assert_int_equal(F(.limit = 10, .no_payload = true), 10);
    assert_true(F(.kinds = KIND(EXIT)) > 1000);
    assert_true(F(.kinds = KIND(SEND) | KIND(DELIVER), .limit = 30000) == 30000);
    assert_int_equal(F(.kinds = KIND(MARK)), 0);
    assert_true(F(.pids = late, .n_pids = 1) > 100);
    assert_int_equal(F(.pids = once, .n_pids = 1), 1);
    assert_int_equal(F(.pids = none, .n_pids = 1), 0);
    assert_true(F(.pids = many, .n_pids = 4) > 1000);
    assert_true(F(.pids = many, .n_pids = 4, .kinds = KIND(STATE), .no_payload = true) > 100);
    assert_true(F(.module = "Shop.Cart") > 1000);
    assert_true(F(.module = "Shop.C*") > 2000);
    assert_true(F(.module = "Shop*") > F(.module = "Shop.*"));
    assert_true(F(.module = "gen_server", .kinds = KIND(RETURN)) > 100);
    assert_int_equal(F(.module = "Shop.Car"), 0);
    assert_true(F(.since = middle) > 1000);
    assert_int_equal(F(.since = middle, .until = middle + 1), 1);
    assert_int_equal(F(.since = middle, .until = middle), 0);
    assert_true(F(.until = middle) > 1000);
    assert_int_equal(F(.since = told[EVENTS].time + 1), 0);
    assert_int_equal(F(.until = told[1].time), 0);
    assert_int_equal(F(.until = told[1].time + 1), 1);
    assert_int_equal(F(.after_seq = 70000, .before_seq = 70005), 4);
    assert_int_equal(F(.after_seq = EVENTS), 0);
    assert_int_equal(F(.after_seq = EVENTS + 5), 0);
    assert_int_equal(F(.before_seq = 1), 0);
    assert_int_equal(F(.before_seq = 2), 1);
    assert_int_equal(F(.after_seq = 65530, .before_seq = 65550), 19);
    assert_true(F(.text = "{:n, 1999}") > 10);
    assert_true(F(.text = "{n,1999}", .erlang = true) > 10);
    assert_int_equal(F(.text = "{n,1999}"), 0);
    assert_true(F(.text = "till") > 100);
    assert_true(F(.text = "Shop.Cart.add") > 100);
    assert_true(F(.text = ":gen_server.add/0", .limit = 7) == 7);
    assert_true(F(.text = "'Elixir.Shop.Cart':add", .erlang = true, .kinds = KIND(CALL)) > 10);
    assert_int_equal(F(.text = "nowhere"), 0);
#undef F
    es_query_close(query);
}

static void many_at_random(void **state)
{
    (void)state;
    static const char *const some_modules[] = {NULL, NULL, "Shop.Cart", "gen_server", "Shop.*", "Nothing*"};
    struct es_query *query = shop_open();
    dice_state = 7;
    for (int i = 0; i < 60; i++) {
        es_ref pids[3] = {shop_pid(dice(60)), shop_pid(dice(60)), shop_pid(7)};
        struct es_filter f = shop_filter();
        f.pids = pids;
        f.n_pids = dice(4);
        f.kinds = dice(2) ? 0 : (uint64_t)dice(1u << 30) << 1;
        f.module = some_modules[dice(6)];
        f.since = dice(2) ? INT64_MIN : told[1 + dice(EVENTS)].time;
        f.until = dice(2) ? INT64_MAX : told[1 + dice(EVENTS)].time;
        f.after_seq = dice(2) ? 0 : dice(EVENTS);
        f.before_seq = dice(2) ? 0 : dice(EVENTS);
        f.limit = dice(2) ? 0 : 1 + dice(1000);
        f.no_payload = dice(2);
        check(query, f);
    }
    es_query_close(query);
}

static void single_events(void **state)
{
    (void)state;
    struct es_query *query = shop_open();
    struct es_filter all = shop_filter();
    const struct es_event *event;
    dice_state = 3;
    for (int i = 0; i < 300; i++) {
        uint64_t seq = i < 2 ? (i ? EVENTS : 1) : 1 + dice(i % 2 ? EVENTS : 100);
        assert_ok(es_query_event(query, seq, &event));
        check_event(event, seq, &all);
    }
    assert_int_equal(es_query_event(query, 0, &event), -ENOENT);
    assert_int_equal(es_query_event(query, EVENTS + 1, &event), -ENOENT);
    assert_non_null(strstr(es_error_text(), "150001"));
    assert_int_equal(es_query_event(query, UINT64_MAX, &event), -ENOENT);
    es_query_close(query);
}

/* ---- what changes or breaks under a reader -------------------------------------------------------------------------- */

static void damaged_blocks_are_passed_over(void **state)
{
    (void)state;
    struct es_query *query = shop_open();
    const struct es_block_info *blocks;
    size_t n = es_recording_blocks(es_query_recording(query), &blocks);
    assert_true(n >= 3);
    struct es_block_info broken = blocks[1];
    es_query_close(query);
    sqlite3 *db;
    char sql[128];
    assert_int_equal(sqlite3_open(shop_path, &db), SQLITE_OK);
    snprintf(sql, sizeof sql, "UPDATE columns SET data = zeroblob(length(data)) WHERE id / 64 = %" PRIu64, broken.id);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    query = shop_open();
    for (int reverse = 0; reverse < 2; reverse++) {
        for (int narrow = 0; narrow < 2; narrow++) {
            struct es_filter f = shop_filter();
            f.reverse = reverse;
            f.kinds = narrow ? UINT64_MAX : 0;
            struct es_cursor *cursor;
            const struct es_event *event;
            uint64_t count = 0;
            assert_ok(es_cursor_open(query, &f, &cursor));
            for (int rc; (rc = es_cursor_next(cursor, &event)) != 0; count++) {
                assert_int_equal(rc, 1);
                assert_true(event->seq < broken.first_seq || event->seq > broken.last_seq);
            }
            assert_int_equal(count, EVENTS - broken.events);
            es_cursor_close(cursor);
        }
    }
    const uint64_t *ids;
    const struct es_event *event;
    assert_int_equal(es_recording_damaged(es_query_recording(query), &ids), 1);
    assert_int_equal(ids[0], broken.id);
    assert_int_equal(es_query_event(query, broken.first_seq, &event), -EBADMSG);
    assert_ok(es_query_event(query, broken.first_seq - 1, &event));
    es_query_close(query);
}

/* The reader goes on where it was, while small blocks come and are merged. */
static void follows_a_live_recording(void **state)
{
    (void)state;
    shop_begin();
    assert_ok(es_store_commit(shop_store, NULL));
    struct es_query *query = shop_open();
    struct es_filter filter = shop_filter();
    struct es_cursor *cursor;
    const struct es_event *event;
    uint64_t next = 1;
    assert_ok(es_cursor_open(query, &filter, &cursor));
    assert_int_equal(es_cursor_next(cursor, &event), 0);
    for (int round = 0; round < 60; round++) {
        uint64_t before = shop_seq;
        for (int i = 0; i < (round == 30 ? 66000 : 200); i++)
            shop_message(10, 11, i);
        if (round == 8)
            assert_int_equal(es_cursor_next(cursor, &event), 0); /* not committed yet */
        assert_ok(es_store_commit(shop_store, NULL));
        assert_ok(es_query_refresh(query));
        uint64_t until = round % 3 == 0 ? (before + shop_seq) / 2 : shop_seq; /* sometimes it is left inside a block */
        for (; next <= until; next++) {
            if (es_cursor_next(cursor, &event) != 1)
                fail_msg("event %" PRIu64 " does not come: %s", next, es_error_text());
            assert_int_equal(event->seq, next);
            assert_true(event->payload_len > 0);
        }
        if (until == shop_seq)
            assert_int_equal(es_cursor_next(cursor, &event), 0);
    }
    shop_end();
    assert_ok(es_query_refresh(query));
    for (; next <= shop_seq; next++)
        assert_int_equal(es_cursor_next(cursor, &event), 1);
    assert_int_equal(es_cursor_next(cursor, &event), 0);
    es_cursor_close(cursor);
    es_query_close(query);
}

static void an_empty_recording(void **state)
{
    (void)state;
    shop_begin();
    shop_end();
    struct es_query *query = shop_open();
    struct es_cursor *cursor;
    const struct es_event *event;
    for (int reverse = 0; reverse < 2; reverse++) {
        struct es_filter filter = shop_filter();
        filter.reverse = reverse;
        assert_ok(es_cursor_open(query, &filter, &cursor));
        assert_int_equal(es_cursor_next(cursor, &event), 0);
        es_cursor_close(cursor);
    }
    struct es_info info;
    assert_ok(es_query_info(query, &info));
    assert_int_equal(info.events + info.blocks + info.processes + info.losses, 0);
    assert_true(info.closed && !info.live);
    es_query_close(query);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(filters, make, shop_teardown),
        cmocka_unit_test_setup_teardown(many_at_random, make, shop_teardown),
        cmocka_unit_test_setup_teardown(single_events, make, shop_teardown),
        cmocka_unit_test_setup_teardown(damaged_blocks_are_passed_over, make, shop_teardown),
        cmocka_unit_test_setup_teardown(follows_a_live_recording, shop_setup, shop_teardown),
        cmocka_unit_test_setup_teardown(an_empty_recording, shop_setup, shop_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
