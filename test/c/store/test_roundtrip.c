/* SPDX-License-Identifier: MIT */
/* What goes in comes out: every kind and field, through mini-blocks, merged ones and whole ones. */
#include "scope.h"

static const struct es_block_info *blocks_of(struct es_recording *rec, size_t *ret_n)
{
    const struct es_block_info *blocks;
    *ret_n = es_recording_blocks(rec, &blocks);
    return blocks;
}

/* Writes `n` events with commits at random places, closes, and reads them back. */
static void round_trip(const struct scope_stream *stream, uint64_t n)
{
    struct es_store *store;
    struct es_recording *rec;
    struct es_store_options options = scope_options();
    options.overwrite = true;
    assert_ok(es_store_create(&options, &store));
    for (uint64_t seq = 1; seq <= n;) {
        uint64_t to = seq + random_below(random_below(4) ? 300 : 40000);
        scope_add(store, stream, seq, to < n ? to : n);
        seq = to + 1;
        if (random_below(2))
            assert_ok(es_store_commit(store, NULL));
    }
    assert_ok(es_store_close(store, NULL));
    assert_ok(es_recording_open(scope_path, &rec));
    assert_int_equal(scope_check_events(rec, stream, 1), n);
    assert_ok(es_recording_verify(rec));
    assert_false(es_recording_live(rec));
    es_recording_close(rec);
}

static void events_of_a_system(void **state)
{
    (void)state;
    struct scope_stream stream = {random_start(), false, 200};
    round_trip(&stream, 200000);
}

static void events_of_any_value(void **state)
{
    (void)state;
    struct scope_stream stream = {random_start(), true, 100};
    round_trip(&stream, 150000);
}

static void large_payloads(void **state)
{
    (void)state;
    struct scope_stream stream = {random_start(), false, 1 << 20};
    round_trip(&stream, 3000);
}

static void few_events(void **state)
{
    (void)state;
    struct scope_stream stream = {random_start(), false, 50};
    for (uint64_t n = 0; n < 12; n++)
        round_trip(&stream, n);
}

static void no_payload_is_too_long(void **state)
{
    (void)state;
    struct es_store *store;
    struct es_store_options options = scope_options();
    struct es_event e = {.seq = 1, .kind = ES_K_MARK, .payload_len = 8u << 20};
    uint8_t *bytes = calloc(1, e.payload_len);
    assert_ok(es_store_create(&options, &store));
    e.payload = bytes;
    assert_ok(es_store_event(store, &e));
    e.seq = 2;
    e.payload_len++;
    assert_int_equal(es_store_event(store, &e), -EMSGSIZE);
    assert_ok(es_store_close(store, NULL));
    struct es_recording *rec;
    struct es_block *block;
    assert_ok(es_recording_open(scope_path, &rec));
    assert_ok(es_block_get(rec, 0, &block));
    assert_int_equal(block->n, 1);
    assert_int_equal(block->events[0].payload_len, 8u << 20);
    assert_memory_equal(block->events[0].payload, bytes, 8u << 20);
    es_block_unref(rec, block);
    es_recording_close(rec);
    free(bytes);
}

static void wrong_events_are_refused(void **state)
{
    (void)state;
    struct es_store *store;
    struct es_store_options options = scope_options();
    assert_ok(es_store_create(&options, &store));
    const struct es_event wrong[] = {
        {.seq = 2, .kind = ES_K_MARK},
        {.seq = 0, .kind = ES_K_MARK},
        {.seq = 1, .kind = ES_K_NONE},
        {.seq = 1, .kind = ES_K_DEF},
        {.seq = 1, .kind = ES_KIND_MAX},
        {.seq = 1, .kind = 255},
        {.seq = 1, .kind = ES_K_DELIVER, .cause_state = ES_CAUSE_PAIRED},
        {.seq = 1, .kind = ES_K_DELIVER, .cause_state = ES_CAUSE_PAIRED, .cause = 1},
        {.seq = 1, .kind = ES_K_DELIVER, .cause_state = ES_CAUSE_UNKNOWN, .cause = 1},
        {.seq = 1, .kind = ES_K_DELIVER, .cause_state = ES_CAUSE_MAX},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(es_store_event(store, &wrong[i]), -EINVAL);
    assert_int_equal(es_store_pending(store, NULL), 0);
    es_store_abandon(store);
}

/* Any set of fields gives exactly these, the rest is 0. */
static void fields_alone(void **state)
{
    (void)state;
    struct scope_stream stream = {random_start(), false, 60};
    struct es_store *store;
    struct es_recording *rec;
    struct es_store_options options = scope_options();
    assert_ok(es_store_create(&options, &store));
    scope_add(store, &stream, 1, 5000);
    assert_ok(es_store_close(store, NULL));
    assert_ok(es_recording_open(scope_path, &rec));
    for (unsigned fields = 0; fields < 128; fields++) {
        struct es_block *block;
        assert_ok(es_block_get_fields(rec, 0, fields, &block));
        for (size_t i = 0; i < block->n; i++) {
            struct es_event must = scope_event(&stream, i + 1);
            if (!(fields & ES_F_PEER))
                must.peer = 0;
            if (!(fields & ES_F_FUN))
                must.module = must.function = must.arity = 0;
            if (!(fields & ES_F_HASH))
                must.hash = 0;
            if (!(fields & ES_F_CORR))
                must.corr = 0;
            if (!(fields & ES_F_NUM))
                memset(must.num, 0, sizeof must.num);
            if (!(fields & ES_F_PAYLOAD))
                must.payload_len = 0;
            if (!(fields & ES_F_CAUSE))
                must.cause = must.cause_state = 0;
            struct es_event is = scope_whole(rec, &block->events[i]);
            scope_assert_same(&is, &must);
        }
        es_block_unref(rec, block);
    }
    es_recording_close(rec);
}

static void pids_of_blocks(void **state)
{
    (void)state;
    struct scope_stream stream = {random_start(), false, 20};
    struct es_store *store;
    struct es_recording *rec;
    struct es_store_options options = scope_options();
    size_t n_blocks;
    assert_ok(es_store_create(&options, &store));
    scope_add(store, &stream, 1, 70000);
    assert_ok(es_store_close(store, NULL));
    assert_ok(es_recording_open(scope_path, &rec));
    blocks_of(rec, &n_blocks);
    assert_int_equal(n_blocks, 2);
    for (size_t i = 0; i < n_blocks; i++) {
        struct es_pid_count *pids;
        struct es_block *block;
        size_t n;
        uint64_t sum = 0;
        assert_ok(es_recording_block_pids(rec, i, &pids, &n));
        assert_ok(es_block_get_fields(rec, i, 0, &block));
        for (size_t j = 0; j < n; j++) {
            assert_true(j == 0 || pids[j].pid > pids[j - 1].pid);
            uint32_t events = 0;
            for (size_t k = 0; k < block->n; k++)
                events += block->events[k].pid == pids[j].pid;
            assert_int_equal(events, pids[j].events);
            sum += events;
        }
        assert_int_equal(sum, block->n);
        es_block_unref(rec, block);
        free(pids);
    }
    es_recording_close(rec);
}

/* More blocks held than the cache has room for. */
static void many_blocks_held(void **state)
{
    (void)state;
    struct scope_stream stream = {random_start(), false, 1 << 20};
    struct es_store *store;
    struct es_recording *rec;
    struct es_store_options options = scope_options();
    struct es_block *held[64];
    size_t n;
    assert_ok(es_store_create(&options, &store));
    scope_add(store, &stream, 1, 3000);
    assert_ok(es_store_close(store, NULL));
    assert_ok(es_recording_open(scope_path, &rec));
    const struct es_block_info *blocks = blocks_of(rec, &n);
    assert_in_range(n, 6, 64);
    for (size_t i = 0; i < n; i++)
        assert_ok(es_block_get(rec, i, &held[i]));
    for (size_t i = 0; i < n; i++) {
        struct es_event must = scope_event(&stream, blocks[i].first_seq);
        struct es_event is = scope_whole(rec, &held[i]->events[0]);
        scope_assert_same(&is, &must);
        es_block_unref(rec, held[i]);
    }
    es_recording_close(rec);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scope_setup, scope_teardown)
    const struct CMUnitTest tests[] = {T(events_of_a_system), T(events_of_any_value),    T(large_payloads),
                                       T(few_events),         T(no_payload_is_too_long), T(wrong_events_are_refused),
                                       T(fields_alone),       T(pids_of_blocks),         T(many_blocks_held)};
    return cmocka_run_group_tests_name("store round trip", tests, NULL, NULL);
}
