/* SPDX-License-Identifier: MIT */
/* Steps through a recording against a list of its events; the state after each event; the film against counts made by hand. */
#include <sqlite3.h>

#include "shop.h"

#define EVENTS 3000u
#define PIDS 12u
#define WIDTH 37u

static struct {
    uint8_t kind, flags;
    es_ref pid;
    int64_t time;
} events[EVENTS + 1]; /* by sequence number */

static uint64_t seed = 88172645463325252u;
static uint32_t dice(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((seed >> 16) % n);
}

static struct es_event random_state(uint32_t pid)
{
    struct es_event event = shop_fun(ES_K_STATE, pid, "Elixir.Shop.Cart", "handle_call");
    uint32_t number = dice(1000);
    event.hash = number + 1;
    if (dice(3) == 0) {
        event.flags = ES_E_STATE_SAME;
    } else if (dice(8) == 0) {
        event.flags = ES_E_STATE_MISSED;
    } else {
        shop_payload();
        es_write_int(&shop_term, number);
    }
    return event;
}

static struct es_event random_event(void)
{
    static const uint8_t kinds[] = {ES_K_SEND, ES_K_DELIVER, ES_K_CALL, ES_K_RETURN, ES_K_IN, ES_K_OUT};
    uint32_t pid = 100 + dice(PIDS - 2) * (dice(20) > 0); /* the first is seldom, two never do anything */
    if (dice(4) == 0)
        return random_state(pid);
    struct es_event event = {.kind = kinds[dice(sizeof kinds)], .pid = shop_pid(pid)};
    static const uint8_t rare[] = {ES_K_MARK, ES_K_CRASH, ES_K_LOG, ES_K_GAP};
    if (dice(400) == 0)
        event.kind = rare[dice(sizeof rare)];
    if (es_kind_table[event.kind].fields & ES_F_PEER)
        event.peer = shop_pid(100 + dice(PIDS));
    return event;
}

static int record(void **state)
{
    int rc = shop_setup(state);
    if (rc < 0)
        return rc;
    shop_begin();
    for (unsigned i = 0; i < EVENTS; i++) {
        if (dice(100) == 0)
            shop_now += 300 * SHOP_STEP; /* a pause */
        struct es_event event = random_event();
        int64_t time = shop_now;
        uint64_t seq = shop_add(event);
        events[seq].kind = event.kind;
        events[seq].flags = event.flags;
        events[seq].pid = event.pid;
        events[seq].time = time;
        if (i % 500 == 499)
            assert_ok(es_store_commit(shop_store, NULL));
    }
    shop_end();
    return 0;
}

/* ---- steps --------------------------------------------------------------------------------------------------------- */

static bool fits(uint64_t seq, const struct es_walk *walk)
{
    return (walk->pid == ES_REF_NONE || events[seq].pid == walk->pid) &&
           (walk->kinds == 0 || (walk->kinds >> events[seq].kind & 1));
}

static uint64_t expected(const struct es_walk *walk)
{
    if (walk->back) {
        for (uint64_t seq = walk->seq; --seq > 0;)
            if (fits(seq, walk))
                return seq;
        return 0;
    }
    for (uint64_t seq = walk->seq + 1; seq <= EVENTS; seq++)
        if (fits(seq, walk))
            return seq;
    return 0;
}

static void to_events(void **state)
{
    (void)state;
    struct es_query *query = shop_open();
    uint64_t found, none = 0;
    for (unsigned i = 0; i < 2000; i++) {
        struct es_walk walk = {
            .seq = 1 + dice(EVENTS), .back = dice(2), .pid = dice(3) ? shop_pid(100 + dice(PIDS)) : ES_REF_NONE};
        if (dice(2))
            walk.kinds = UINT64_C(1) << ES_K_SEND | UINT64_C(1) << ES_K_DELIVER;
        if (dice(20) == 0)
            walk.seq = dice(2) ? 1 : EVENTS;
        assert_ok(es_query_walk(query, &walk, &found));
        assert_int_equal(found, expected(&walk));
        none += found == 0;
    }
    assert_true(none > 10);
    es_query_close(query);
}

static void to_states(void **state)
{
    (void)state;
    struct es_query *query = shop_open();
    uint64_t found;
    for (unsigned i = 0; i < 1000; i++) {
        struct es_walk walk = {.seq = 1 + dice(EVENTS),
                               .back = dice(2),
                               .pid = shop_pid(100 + dice(PIDS)),
                               .kinds = UINT64_C(1) << ES_K_STATE};
        struct es_walk next = walk;
        assert_ok(es_query_walk_state(query, &walk, &found));
        while ((next.seq = expected(&next)) > 0 && (events[next.seq].flags & ES_E_STATE_SAME))
            ;
        assert_int_equal(found, next.seq);
    }
    es_query_close(query);
}

/* ---- states -------------------------------------------------------------------------------------------------------- */

/* Events have times of their own here: the state after an event is that at its time. */
static void state_after(void **unused)
{
    (void)unused;
    struct es_query *query = shop_open();
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t seq = 1 + dice(EVENTS);
        es_ref pid = shop_pid(100 + dice(PIDS));
        struct es_state at, after;
        int a = es_query_state(query, pid, events[seq].time, &at);
        int b = es_query_state_after(query, pid, seq, &after);
        assert_true(a == b || (a < 0 && b == -ENODATA));
        es_error_clear();
        if (a < 0)
            continue;
        assert_ok(es_query_state_number(query, &after));
        assert_true(at.number == after.number && at.of == after.of && at.shown == after.shown &&
                    at.known == after.known && at.shown_seq == after.shown_seq);
        assert_true(at.version.seq == after.version.seq && at.version.hash == after.version.hash &&
                    at.since == after.since);
        assert_int_equal(at.len, after.len);
        if (at.len)
            assert_memory_equal(at.bytes, after.bytes, at.len);
        struct es_version_info before;
        struct es_state earlier;
        int c = es_query_version_before(query, pid, at.version.seq, &before);
        assert_int_equal(c, at.number > 1 ? 0 : -ENOENT);
        if (c == 0 && es_query_state(query, pid, at.since - 1, &earlier) == 0) {
            assert_true(before.seq == earlier.version.seq && earlier.number == at.number - 1);
            es_state_fini(&earlier);
        }
        es_state_fini(&at);
        es_state_fini(&after);
    }
    es_query_close(query);
}

/* ---- the film ------------------------------------------------------------------------------------------------------ */

static uint8_t flags_of(unsigned kind)
{
    return kind == ES_K_CRASH || kind == ES_K_LOG ? ES_FILM_ERROR
           : kind == ES_K_MARK                    ? ES_FILM_MARK
           : kind == ES_K_GAP                     ? ES_FILM_LOST
                                                  : 0;
}

static void film(void **state)
{
    (void)state;
    struct es_query *query = shop_open();
    static const uint32_t widths[] = {1, 2, WIDTH, 200, 5000};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        struct es_film *strip;
        struct es_film_cell *cells = calloc(widths[i], sizeof *cells);
        int64_t span = events[EVENTS].time - events[1].time + 1;
        assert_ok(es_film_open(query, widths[i], &strip));
        while (es_film_step(strip) > 0)
            ;
        for (uint64_t seq = 1; seq <= EVENTS; seq++) {
            int64_t cell = (events[seq].time - events[1].time) * widths[i] / span;
            cells[cell].events++;
            cells[cell].flags |= flags_of(events[seq].kind);
            assert_int_equal(es_film_at(strip, events[seq].time), cell);
        }
        for (uint32_t x = 0; x < widths[i]; x++) {
            assert_int_equal(es_film_cells(strip)[x].events, cells[x].events);
            assert_int_equal(es_film_cells(strip)[x].flags, cells[x].flags);
        }
        free(cells);
        es_film_close(strip);
    }
    struct es_film *none;
    assert_int_equal(es_film_open(query, 0, &none), -EINVAL);
    assert_int_equal(es_film_open(query, ES_FILM_CELLS + 1, &none), -EINVAL);
    es_error_clear();
    es_query_close(query);
}

/* ---- damage -------------------------------------------------------------------------------------------------------- */

static void damaged(void **state)
{
    (void)state;
    struct es_query *query = shop_open();
    const struct es_block_info *blocks;
    size_t n = es_recording_blocks(es_query_recording(query), &blocks);
    struct es_block_info broken = blocks[n / 2];
    es_query_close(query);
    sqlite3 *db;
    char sql[128];
    assert_int_equal(sqlite3_open(shop_path, &db), SQLITE_OK);
    snprintf(sql, sizeof sql, "UPDATE columns SET data = zeroblob(length(data)) WHERE id / 64 = %" PRIu64, broken.id);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    query = shop_open();
    struct es_event event;
    uint64_t first, last, found;
    assert_int_equal(es_query_peek(query, broken.first_seq, &event), -EBADMSG);
    es_error_clear();
    assert_true(es_query_block_around(query, broken.first_seq, &first, &last));
    assert_true(first == broken.first_seq && last == broken.last_seq);
    assert_false(es_query_block_around(query, EVENTS + 1, &first, &last));
    struct es_walk walk = {.seq = n > 1 ? broken.first_seq - 1 : 1};
    assert_ok(es_query_walk(query, &walk, &found));
    assert_int_equal(found, broken.last_seq < EVENTS ? broken.last_seq + 1 : 0);
    struct es_film *strip;
    assert_ok(es_film_open(query, 5000, &strip));
    while (es_film_step(strip) > 0)
        ;
    assert_true(es_film_cells(strip)[es_film_at(strip, broken.first_time)].flags & ES_FILM_DAMAGED);
    es_film_close(strip);
    es_query_close(query);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(to_events), cmocka_unit_test(to_states),
                                       cmocka_unit_test(state_after), cmocka_unit_test(film),
                                       cmocka_unit_test(damaged)};
    return cmocka_run_group_tests(tests, record, shop_teardown);
}
