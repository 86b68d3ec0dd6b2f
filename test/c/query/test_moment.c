/* SPDX-License-Identifier: MIT */
/* Worlds of a recording of several groups, asked for in any order, are those that all events up to the moment make; also where a keyframe
 * is damaged: then one group more is read, and the answer says so. */
#include <sqlite3.h>

#include "shop.h"

#include "store/keyframe.h"
#include "store/world.h"

#define EVENTS 40000u
#define GROUP 10000u
#define PIDS 40u

static struct es_event events[EVENTS + 1]; /* by sequence number */

static uint64_t seed = 88172645463325252u;
static uint32_t dice(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((seed >> 16) % n);
}

static struct es_event random_event(void)
{
    static const uint8_t kinds[] = {ES_K_SEND,  ES_K_DELIVER, ES_K_LINK,   ES_K_UNLINK,
                                    ES_K_STATE, ES_K_CALL,    ES_K_RETURN, ES_K_SPAWNED};
    struct es_event event = {.kind = kinds[dice(sizeof kinds)], .pid = shop_pid(100 + dice(PIDS))};
    unsigned fields = es_kind_table[event.kind].fields;
    if (dice(60) == 0)
        event.kind = ES_K_EXIT;
    else if (fields & ES_F_PEER)
        event.peer = shop_pid(100 + dice(PIDS));
    if (event.kind != ES_K_EXIT && fields & ES_F_FUN) {
        event.module = shop_atom("Elixir.Shop.Cart");
        event.function = shop_atom(dice(2) ? "add" : "remove");
        event.arity = 2;
    }
    if (event.kind == ES_K_SEND || event.kind == ES_K_DELIVER || event.kind == ES_K_STATE)
        event.hash = dice(1000) + 1;
    if (event.kind == ES_K_SEND && dice(4) == 0) {
        event.flags = ES_E_REQUEST;
        event.corr = dice(100) + 1;
    }
    if (event.kind == ES_K_STATE) {
        shop_payload();
        es_write_int(&shop_term, dice(100000));
    }
    return event;
}

/* What was written, kept: time and length as the store got them. */
static void write_event(struct es_world *world)
{
    struct es_event event = random_event();
    event.time = shop_now;
    uint32_t len = shop_term.at ? (uint32_t)(shop_term.at - shop_bytes) : 0;
    event.seq = shop_add(event);
    event.payload_len = len;
    events[event.seq] = event;
    assert_int_equal(es_world_feed(world, &event), 0);
}

static void write_keyframe(const struct es_world *world)
{
    struct es_buf saved = {0}, frame = {0};
    assert_int_equal(es_world_save(world, &saved), 0);
    assert_int_equal(es_keyframe_join(&(struct es_keyframe_parts){.world = {saved.bytes, saved.len}}, &frame), 0);
    assert_ok(es_store_keyframe(shop_store, frame.bytes, frame.len));
    es_buf_fini(&saved);
    es_buf_fini(&frame);
}

static int record(void **state)
{
    struct es_world world;
    int rc = shop_setup(state);
    if (rc < 0)
        return rc;
    es_world_init(&world, NULL);
    shop_begin();
    for (unsigned i = 0; i < EVENTS; i++) {
        if (i > 0 && i % GROUP == 0)
            write_keyframe(&world);
        write_event(&world);
        if (i % 300 == 0)
            assert_ok(es_store_commit(shop_store, NULL));
    }
    shop_end();
    es_world_fini(&world);
    return 0;
}

/* `found` is what the events up to `seq` make; `gap` aside. */
static void compare(const struct es_world *found, uint64_t seq)
{
    struct es_world expected, copy = *found;
    struct es_buf a = {0}, b = {0};
    es_world_init(&expected, NULL);
    for (uint64_t i = 1; i <= seq; i++)
        assert_int_equal(es_world_feed(&expected, &events[i]), 0);
    copy.gap_seq = 0;
    assert_int_equal(es_world_save(&expected, &a), 0);
    assert_int_equal(es_world_save(&copy, &b), 0);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.bytes, b.bytes, a.len);
    es_world_fini(&expected);
    es_buf_fini(&a);
    es_buf_fini(&b);
}

static void any_moment(void **state)
{
    (void)state;
    struct es_query *query = shop_open();
    const struct es_world *world;
    uint64_t damaged;
    for (unsigned i = 0; i < 200; i++) { /* near and far, forwards and backwards */
        uint64_t seq = i % 3 ? 1 + dice(EVENTS) : 1 + i * (EVENTS / 200);
        assert_ok(es_query_world(query, seq, &world, &damaged));
        assert_int_equal(damaged, 0);
        assert_int_equal(world->gap_seq, 0);
        compare(world, seq);
    }
    assert_int_equal(es_query_world(query, EVENTS + 1, &world, &damaged), -ERANGE);
    es_error_clear();
    es_query_close(query);
}

/* Step by step, as one who looks at events does: over the beginnings of groups too. */
static void backwards(void **state)
{
    (void)state;
    struct es_query *query = shop_open();
    const struct es_world *world;
    uint64_t damaged;
    for (uint64_t seq = EVENTS, step; seq > 0; seq -= step < seq ? step : 1) {
        step = seq % GROUP < 10 || seq < 20 ? 1 : 1 + dice(60);
        assert_ok(es_query_world(query, seq, &world, &damaged));
        assert_int_equal(damaged, 0);
        if (dice(20) == 0 || seq < 5 || seq % GROUP < 3)
            compare(world, seq);
        if (dice(60) == 0) { /* and forwards again */
            assert_ok(es_query_world(query, seq + dice((uint32_t)(EVENTS - seq) + 1), &world, &damaged));
            compare(world, world->seq);
        }
    }
    es_query_close(query);
}

/* One process alone is told as it is among all. */
static void one_process(void **state)
{
    (void)state;
    struct es_query *query = shop_open(), *other = shop_open();
    for (unsigned i = 0; i < 60; i++) {
        uint64_t seq = 1 + dice(EVENTS);
        es_ref pid = shop_pid(100 + dice(PIDS));
        struct es_moment *all, *one;
        const struct es_moment_row *row = NULL;
        assert_ok(es_query_moment(query, seq, &all));
        assert_ok(es_query_moment_of(other, seq, pid, &one));
        for (size_t k = 0; k < all->n; k++)
            row = all->rows[k].pid == pid ? &all->rows[k] : row;
        assert_int_equal(one->n, row != NULL);
        assert_int_equal(one->time, all->time);
        if (row) {
            const struct es_moment_row *found = &one->rows[0];
            assert_true(found->pid == pid && found->name == row->name && found->status == row->status);
            assert_true(found->waits_for == row->waits_for && found->inside_seq == row->inside_seq);
            assert_true(found->mail_known == row->mail_known && found->links_whole == row->links_whole);
            assert_int_equal(es_world_mail_count(found->proc), es_world_mail_count(row->proc));
        }
        es_moment_free(all);
        es_moment_free(one);
    }
    es_query_close(query);
    es_query_close(other);
}

static void moments_of_times(void **state)
{
    (void)state;
    struct es_query *query = shop_open();
    uint64_t seq;
    assert_ok(es_query_seq_at(query, events[1].time - 1, &seq));
    assert_int_equal(seq, 0);
    for (uint64_t i = 1; i <= EVENTS; i += 37) {
        assert_ok(es_query_seq_at(query, events[i].time, &seq));
        assert_int_equal(seq, i);
        assert_ok(es_query_seq_at(query, events[i].time + SHOP_STEP - 1, &seq));
        assert_int_equal(seq, i);
    }
    assert_ok(es_query_seq_at(query, INT64_MAX, &seq));
    assert_int_equal(seq, EVENTS);
    es_query_close(query);
}

static void a_damaged_keyframe(void **state)
{
    (void)state;
    sqlite3 *db;
    const struct es_world *world;
    uint64_t damaged;
    assert_int_equal(sqlite3_open(shop_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE groups SET hash = hash + 1 WHERE id = 3", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    struct es_query *query = shop_open();
    uint64_t seq = 2 * GROUP + 500;
    assert_ok(es_query_world(query, seq, &world, &damaged));
    assert_int_equal(damaged, 1);
    compare(world, seq);
    assert_ok(es_query_world(query, seq + GROUP, &world, &damaged));
    compare(world, seq + GROUP);
    es_query_close(query);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_moment), cmocka_unit_test(backwards),
                                       cmocka_unit_test(one_process), cmocka_unit_test(moments_of_times),
                                       cmocka_unit_test(a_damaged_keyframe)};
    return cmocka_run_group_tests(tests, record, shop_teardown);
}
