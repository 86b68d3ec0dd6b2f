/* SPDX-License-Identifier: MIT */
/* One ring, one thread: wrapping, fullness, the critical reserve, exact losses, hostile positions. */
#include "check.h"

/* Writes one record of `kind`, `size` bytes, the number in each word; false (and counted as lost) where there
 * is no room. */
static bool write_one(struct es_ring *ring, unsigned kind, uint32_t size, uint64_t number)
{
    es_ring_begin(ring);
    struct es_record *record = es_ring_reserve(ring, kind, size);
    if (record) {
        *record = (struct es_record){.size = size, .kind = (uint8_t)kind, .stamp = number, .pid = number};
        for (uint32_t i = 0; i < (size - sizeof *record) / 8; i++)
            record->word[i] = number;
        es_ring_append(ring, size);
    } else {
        es_ring_lose(ring, kind, number);
    }
    es_ring_end(ring);
    return record != NULL;
}

static void read_one(struct es_ring *ring, uint64_t *pos, struct es_record_view *view)
{
    bool busy;
    uint64_t end = es_ring_published(ring, &busy);
    assert_true(end > *pos && end - *pos <= ring->size);
    assert_false(busy);
    assert_int_equal(es_record_read(es_ring_at(ring, *pos), end - *pos, view), 0);
    *pos += view->size;
}

static uint64_t payload_word(const struct es_record_view *view, size_t i)
{
    uint64_t word;
    assert_true(8 * i + 8 <= view->payload_len);
    memcpy(&word, view->payload + 8 * i, 8);
    return word;
}

static void records_wrap_in_one_piece(void **state)
{
    (void)state;
    struct es_arena arena = one_ring();
    struct es_ring *ring = &arena.rings[0];
    uint64_t pos = 0, straddled = 0;
    for (uint64_t n = 1; n <= 20000; n++) {
        uint32_t size = (uint32_t)(48 + 8 * (n * 7 % 101));
        assert_true(write_one(ring, ES_K_SEND, size, n));
        straddled += (pos & (ring->size - 1)) + size > ring->size;
        struct es_record_view view;
        read_one(ring, &pos, &view);
        assert_int_equal(view.stamp, n);
        assert_int_equal(view.size, size);
        assert_int_equal(view.peer, n);
        for (size_t i = 0; i < view.payload_len / 8; i++)
            assert_int_equal(payload_word(&view, i), n);
        es_ring_release(ring, pos);
    }
    assert_true(pos > 20 * ring->size);
    assert_true(straddled > 10);
    es_arena_close(&arena);
}

static void the_last_eighth_is_for_critical_kinds(void **state)
{
    (void)state;
    struct es_arena arena = one_ring();
    struct es_ring *ring = &arena.rings[0];
    uint64_t n = 0;
    while (write_one(ring, ES_K_SEND, 64, ++n))
        ;
    assert_int_equal(ring->pos, ring->size - ring->size / 8);
    assert_false(write_one(ring, ES_K_STATE, 48, n));
    uint64_t written = ring->pos;
    assert_true(write_one(ring, ES_K_EXIT, 64, n)); /* and with it the record of what was lost */
    assert_int_equal(ring->pos, written + 64 + 24 + 8 + 2 * 16);
    while (write_one(ring, ES_K_EXIT, 64, n))
        ;
    assert_true(ring->size - ring->pos < 64);
    assert_false(write_one(ring, ES_K_SEND, 48, n));
    es_arena_close(&arena);
}

static void expect_lost(const struct es_record_view *view, size_t pairs, const uint64_t (*expected)[2])
{
    assert_int_equal(view->kind, ES_K_LOST);
    assert_int_equal(view->payload_len, 8 + 16 * pairs);
    for (size_t i = 0; i < pairs; i++) {
        assert_int_equal(payload_word(view, 1 + 2 * i), expected[i][0]);
        assert_int_equal(payload_word(view, 2 + 2 * i), expected[i][1]);
    }
}

static void losses_are_exact_and_told_first(void **state)
{
    (void)state;
    struct es_arena arena = one_ring();
    struct es_ring *ring = &arena.rings[0];
    uint64_t n = 0, pos;
    while (write_one(ring, ES_K_SEND, 64, ++n))
        ;
    uint64_t first = n, full = ring->pos;
    for (int i = 0; i < 41; i++)
        assert_false(write_one(ring, ES_K_SEND, 64, ++n));
    for (int i = 0; i < 17; i++)
        assert_false(write_one(ring, ES_K_DELIVER, 64, ++n));
    assert_int_equal(atomic_load(&ring->head->lost[ES_K_SEND]), 42);
    assert_int_equal(atomic_load(&ring->head->lost[ES_K_DELIVER]), 17);
    assert_int_equal(ring->pos, full);

    es_ring_release(ring, full);
    pos = full;
    assert_true(write_one(ring, ES_K_SEND, 64, n + 1));
    assert_true(write_one(ring, ES_K_SEND, 64, n + 2));
    struct es_record_view view;
    read_one(ring, &pos, &view);
    expect_lost(&view, 2, (const uint64_t[][2]){{ES_K_SEND, 42}, {ES_K_DELIVER, 17}});
    assert_int_equal(payload_word(&view, 0), first);
    assert_int_equal(view.stamp, n); /* between the last loss and the next record */
    for (uint64_t i = 1; i <= 2; i++) {
        read_one(ring, &pos, &view);
        assert_int_equal(view.kind, ES_K_SEND);
        assert_int_equal(view.stamp, n + i);
    }
    assert_int_equal(pos, ring->pos); /* told once */

    es_ring_begin(ring);
    es_ring_lose(ring, ES_K_CALL, n + 3); /* a second time only what is new */
    es_ring_end(ring);
    assert_true(write_one(ring, ES_K_SEND, 64, n + 4));
    read_one(ring, &pos, &view);
    expect_lost(&view, 1, (const uint64_t[][2]){{ES_K_CALL, 1}});
    assert_int_equal(payload_word(&view, 0), n + 3);
    es_arena_close(&arena);
}

/* All kinds lost at once: the record of losses is as large as it gets. */
static void losses_of_all_kinds_fit(void **state)
{
    (void)state;
    struct es_arena arena = one_ring();
    struct es_ring *ring = &arena.rings[0];
    for (unsigned kind = 0; kind < ES_KIND_MAX + 5; kind++) /* those beyond the table are counted as "none" */
        for (unsigned i = 0; i <= kind; i++)
            es_ring_lose(ring, kind, 1 + kind);
    assert_true(write_one(ring, ES_K_SEND, 64, 100));
    uint64_t pos = 0, beyond = 0;
    for (unsigned kind = ES_KIND_MAX; kind < ES_KIND_MAX + 5; kind++)
        beyond += kind + 1;
    struct es_record_view view;
    read_one(ring, &pos, &view);
    uint64_t expected[ES_KIND_MAX][2];
    for (unsigned kind = 0; kind < ES_KIND_MAX; kind++) {
        expected[kind][0] = kind;
        expected[kind][1] = kind + 1 + (kind == 0 ? beyond : 0);
    }
    expect_lost(&view, ES_KIND_MAX, (const uint64_t(*)[2])expected);
    es_arena_close(&arena);
}

static void without_room_for_both_nothing_is_written(void **state)
{
    (void)state;
    struct es_arena arena = one_ring();
    struct es_ring *ring = &arena.rings[0];
    while (write_one(ring, ES_K_EXIT, 64, 5))
        ;
    uint64_t full = ring->pos;
    es_ring_release(ring, 64); /* room for the record alone, not for the losses before it */
    assert_null(es_ring_reserve(ring, ES_K_EXIT, 64));
    assert_int_equal(ring->pos, full);
    es_ring_release(ring, 128);
    es_ring_lose(ring, ES_K_SEND, 6); /* a second kind: its count needs room too */
    assert_null(es_ring_reserve(ring, ES_K_EXIT, 80));
    assert_int_equal(ring->pos, full);
    assert_non_null(es_ring_reserve(ring, ES_K_EXIT, 64));
    assert_int_equal(ring->pos, full + 64);
    es_arena_close(&arena);
}

static void several_records_between_begin_and_end(void **state)
{
    (void)state;
    struct es_arena arena = one_ring();
    struct es_ring *ring = &arena.rings[0];
    es_ring_begin(ring);
    bool busy;
    for (uint64_t i = 1; i <= 3; i++) {
        struct es_record *record = es_ring_reserve(ring, ES_K_TIMEOUT, 1000);
        *record = (struct es_record){.size = 24, .kind = ES_K_TIMEOUT, .stamp = i};
        es_ring_append(ring, 24);
        assert_int_equal(es_ring_published(ring, &busy), 0); /* not before the end */
        assert_true(busy);
    }
    es_ring_end(ring);
    assert_int_equal(es_ring_published(ring, &busy), 72);
    assert_false(busy);
    uint64_t pos = 0;
    struct es_record_view view;
    for (uint64_t i = 1; i <= 3; i++) {
        read_one(ring, &pos, &view);
        assert_int_equal(view.stamp, i);
    }
    es_arena_close(&arena);
}

static void a_request_larger_than_the_ring_is_refused(void **state)
{
    (void)state;
    struct es_arena arena = one_ring();
    struct es_ring *ring = &arena.rings[0];
    uint32_t size = (uint32_t)ring->size;
    assert_null(es_ring_reserve(ring, ES_K_SEND, size));
    assert_null(es_ring_reserve(ring, ES_K_SEND, size - size / 8 + 1));
    assert_non_null(es_ring_reserve(ring, ES_K_SEND, size - size / 8));
    assert_non_null(es_ring_reserve(ring, ES_K_EXIT, size));
    assert_null(es_ring_reserve(ring, ES_K_EXIT, size + 1));
    assert_null(es_ring_reserve(ring, ES_K_EXIT, UINT32_MAX));
    es_arena_close(&arena);
}

/* The tail is another process's word. Whatever it says, the writer stays within the ring. */
static void a_hostile_tail_only_stops_the_writer(void **state)
{
    (void)state;
    struct es_arena arena = one_ring();
    struct es_ring *ring = &arena.rings[0];
    uint64_t n = 0;
    while (write_one(ring, ES_K_SEND, 64, ++n))
        ;
    const uint64_t tails[] = {ring->pos + 8, UINT64_MAX, UINT64_MAX - 7, UINT64_C(1) << 63, ring->pos + ring->size};
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        es_ring_release(ring, tails[i]);
        assert_null(es_ring_reserve(ring, ES_K_SEND, 64));
        assert_null(es_ring_reserve(ring, ES_K_EXIT, UINT32_MAX));
    }
    es_ring_release(ring, 0);
    uint8_t *last = (uint8_t *)es_ring_reserve(ring, ES_K_EXIT, 4096);
    assert_true(last >= ring->data && last + 4096 <= ring->data + 2 * ring->size);
    es_arena_close(&arena);
}

static void the_next_thread_goes_on_where_the_last_ended(void **state)
{
    (void)state;
    struct es_arena arena = one_ring();
    struct es_ring *ring = &arena.rings[0];
    assert_true(write_one(ring, ES_K_SEND, 64, 1));
    es_ring_begin(ring);
    assert_non_null(es_ring_reserve(ring, ES_K_SEND, 64));
    es_ring_append(ring, 64); /* never published */
    es_ring_release(ring, 64);
    es_ring_resume(ring);
    assert_int_equal(ring->pos, 64);
    assert_int_equal(ring->tail_seen, 64);

    char path[64];
    struct es_arena second;
    snprintf(path, sizeof path, "/proc/self/fd/%d", arena.fd);
    assert_int_equal(es_arena_open(path, &second), 0);
    assert_true(write_one(&second.rings[0], ES_K_SEND, 64, 2));
    struct es_record_view view;
    uint64_t pos = 64;
    read_one(ring, &pos, &view);
    assert_int_equal(view.stamp, 2);
    es_arena_close(&second);
    es_arena_close(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_wrap_in_one_piece),
        cmocka_unit_test(the_last_eighth_is_for_critical_kinds),
        cmocka_unit_test(losses_are_exact_and_told_first),
        cmocka_unit_test(losses_of_all_kinds_fit),
        cmocka_unit_test(without_room_for_both_nothing_is_written),
        cmocka_unit_test(several_records_between_begin_and_end),
        cmocka_unit_test(a_request_larger_than_the_ring_is_refused),
        cmocka_unit_test(a_hostile_tail_only_stops_the_writer),
        cmocka_unit_test(the_next_thread_goes_on_where_the_last_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
