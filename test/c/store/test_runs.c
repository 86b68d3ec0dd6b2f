/* SPDX-License-Identifier: MIT */
/* Single events, and those of one process in a block, against the stream that was written. */
#include "scope.h"

#include "store/reader_inner.h"

static void check_event(struct es_recording *rec, const struct scope_stream *stream, uint64_t seq)
{
    struct es_event must = scope_event(stream, seq);
    struct es_run_event is;
    struct es_run_origin origin;
    es_ref pid = 1;
    uint8_t kind = 0;
    int64_t time = 0;
    assert_ok(es_recording_owner(rec, seq, &pid, &kind));
    assert_true(pid == must.pid && kind == must.kind);
    assert_ok(es_recording_time_of(rec, seq, &time));
    assert_true(time == must.time);
    if (must.pid == ES_REF_NONE)
        return;
    assert_ok(es_recording_run_event(rec, seq, must.pid, &is));
    assert_true(is.seq == seq && is.kind == must.kind && is.flags == must.flags && is.cause == must.cause &&
                is.cause_state == must.cause_state && is.module == must.module && is.function == must.function &&
                is.arity == must.arity);
    assert_ok(es_recording_run_origin(rec, seq, must.pid, &origin));
    assert_true(origin.peer == must.peer);
    assert_int_equal(origin.kind, must.cause ? scope_event(stream, must.cause).kind : ES_K_NONE);
    assert_int_equal(es_recording_run_event(rec, seq, must.pid + 1, &is), -ENOENT);
    es_error_clear();
}

/* All events of the block's processes, no more and no fewer. */
static void check_block(struct es_recording *rec, const struct scope_stream *stream, size_t block)
{
    const struct es_block_info *blocks;
    struct es_pid_count *pids;
    size_t n, events = 0;
    struct es_block_run run;
    es_recording_blocks(rec, &blocks);
    uint64_t first = blocks[block].first_seq, last = blocks[block].last_seq;
    assert_ok(es_recording_block_pids(rec, block, &pids, &n));
    for (size_t i = 0; i < n; i++) {
        assert_ok(es_recording_run(rec, block, pids[i].pid, &run));
        for (size_t k = 0; k < run.n; k++) {
            assert_true(run.events[k].seq >= first && run.events[k].seq <= last);
            assert_true(k == 0 || run.events[k].seq > run.events[k - 1].seq);
            assert_true(scope_event(stream, run.events[k].seq).pid == pids[i].pid);
        }
        events += run.n;
    }
    assert_int_equal(events, last - first + 1);
    free(pids);
    assert_ok(es_recording_run(rec, block, es_ref_pid(12345678, 9), &run));
    assert_int_equal(run.n, 0);
}

static void check_all(struct es_recording *rec, const struct scope_stream *stream, uint64_t last, int rounds)
{
    const struct es_block_info *blocks;
    uint64_t seq;
    size_t n = es_recording_blocks(rec, &blocks);
    check_block(rec, stream, random_below(n));
    for (int i = 0; i < rounds; i++) {
        check_event(rec, stream, 1 + random_below(last));
        uint64_t asked = 1 + random_below(last);
        if (stream->wild)
            continue;
        int64_t time = scope_event(stream, asked).time;
        assert_ok(es_recording_seq_at(rec, time, &seq));
        assert_int_equal(seq, asked);
        assert_int_equal(es_recording_seq_at(rec, time - 1, &seq), asked > 1 ? 0 : -ENOENT);
        assert_true(asked == 1 || seq == asked - 1);
    }
    assert_true(rec->keeping.bytes <= rec->keeping.bound || rec->keeping.n == 1);
    assert_int_equal(es_recording_time_of(rec, last + 1, &(int64_t){0}), -ENOENT);
    es_error_clear();
}

static void random_events(const struct scope_stream *stream)
{
    struct es_store *store;
    struct es_recording *rec;
    struct es_store_options options = scope_options();
    uint64_t n = getenv("ES_TEST_FEW") ? 70000 : 140000;
    assert_ok(es_store_create(&options, &store));
    scope_add(store, stream, 1, n);
    assert_ok(es_store_close(store, NULL));
    assert_ok(es_recording_open(scope_path, &rec));
    check_all(rec, stream, n, 1000);
    es_recording_close(rec);
    assert_ok(es_recording_open(scope_path, &rec));
    rec->keeping.bound = 2 << 20; /* not all of them fit */
    check_all(rec, stream, n, 200);
    check_all(rec, stream, n, 200);
    es_recording_close(rec);
}

static void of_a_system(void **state)
{
    (void)state;
    random_events(&(struct scope_stream){random_start(), false, 40});
}

static void of_any_value(void **state)
{
    (void)state;
    random_events(&(struct scope_stream){random_start(), true, 40});
}

/* By an index that is older than the file, and by a new one. */
static void while_it_grows(void **state)
{
    (void)state;
    struct scope_stream stream = {random_start(), false, 40};
    struct es_store *store;
    struct es_recording *rec;
    const struct es_block_info *blocks;
    struct es_store_options options = scope_options();
    uint64_t n = 0;
    assert_ok(es_store_create(&options, &store));
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 6; i++) {
            uint64_t more = 1 + random_below(4000);
            scope_add(store, &stream, n + 1, n + more);
            n += more;
            assert_ok(es_store_commit(store, NULL));
        }
        if (round == 0)
            assert_ok(es_recording_open(scope_path, &rec));
        size_t n_blocks = es_recording_blocks(rec, &blocks);
        check_all(rec, &stream, blocks[n_blocks - 1].last_seq, 200);
        if (round % 2)
            assert_ok(es_recording_refresh(rec));
    }
    es_store_abandon(store);
    es_recording_close(rec);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scope_setup, scope_teardown)
    const struct CMUnitTest tests[] = {T(of_a_system), T(of_any_value), T(while_it_grows)};
    return cmocka_run_group_tests_name("store runs", tests, NULL, NULL);
}
