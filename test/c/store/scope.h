/* SPDX-License-Identifier: MIT */
/* What the tests of the store share: places for files, random events that can be told again from their sequence number, comparison. */
#ifndef ES_TEST_STORE_SCOPE_H
#define ES_TEST_STORE_SCOPE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "store/reader.h"

static uint64_t random_state;
static inline uint64_t random_next(void)
{
    uint64_t z = (random_state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}
static inline uint64_t random_below(uint64_t n) { return random_next() % n; }

/* A seed that is printed, or the one in ES_SEED. */
static inline uint64_t random_start(void)
{
    const char *given = getenv("ES_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 1000003u ^ (uint64_t)getpid();
    print_message("ES_SEED=%llu\n", (unsigned long long)seed);
    random_state = seed;
    return seed;
}

/* A directory for one test, and a path in it. */
static char scope_dir[64], scope_path[128];
static inline int scope_setup(void **state)
{
    (void)state;
    strcpy(scope_dir, "/tmp/es_store_XXXXXX");
    if (!mkdtemp(scope_dir))
        return -1;
    snprintf(scope_path, sizeof scope_path, "%s/test.scope", scope_dir);
    es_error_clear();
    return 0;
}
static inline int scope_teardown(void **state)
{
    char command[256];
    (void)state;
    snprintf(command, sizeof command, "chmod -R u+w %s; rm -rf %s", scope_dir, scope_dir);
    return system(command);
}

#define assert_ok(expression)                                                          \
    do {                                                                               \
        int result_ = (expression);                                                    \
        if (result_ < 0)                                                               \
            fail_msg("%s: %s (%s)", #expression, strerror(-result_), es_error_text()); \
    } while (0)

static const uint8_t scope_session[] = "sixteen bytes id"; /* and its end */
static inline struct es_store_options scope_options(void)
{
    struct es_store_options options = {.path = scope_path};
    memcpy(options.session, scope_session, sizeof options.session);
    return options;
}

/* Events of a stream: each follows from (seed, seq) alone, so that a test can tell it again. `wild` takes values from the whole range of
 * each field; else they are those of a system that runs. */
struct scope_stream {
    uint64_t seed;
    bool wild;
    uint32_t max_payload;
};

struct scope_dice {
    uint64_t state;
};
static inline uint64_t scope_roll(struct scope_dice *dice, uint64_t n)
{
    uint64_t before = random_state;
    random_state = dice->state;
    uint64_t value = random_next();
    dice->state = random_state;
    random_state = before;
    return n ? value % n : value;
}

static inline unsigned scope_kind(struct scope_dice *dice)
{
    for (;;) {
        unsigned kind = (unsigned)scope_roll(dice, ES_KIND_MAX);
        if (es_kind_table[kind].family != ES_FAM_INTERNAL)
            return kind;
    }
}

static inline es_ref scope_ref(struct scope_dice *dice, enum es_ref_class class, bool wild)
{
    if (wild && scope_roll(dice, 2))
        return scope_roll(dice, 8) ? scope_roll(dice, 0) : UINT64_MAX;
    return class == ES_REF_PID ? es_ref_pid((uint32_t)scope_roll(dice, 200), 1)
                               : es_ref_make(class, 64 * scope_roll(dice, 100) + 11);
}

/* Everything but the payload's bytes. `depth`: how many causes back it looks for something to repeat. */
static inline struct es_event scope_head(const struct scope_stream *s, uint64_t seq, int depth)
{
    struct scope_dice dice = {s->seed ^ seq * UINT64_C(0x2545f4914f6cdd1d)};
    struct es_event e = {.seq = seq, .kind = (uint8_t)scope_kind(&dice)};
    unsigned fields = es_kind_table[e.kind].fields;
    e.pid = scope_ref(&dice, ES_REF_PID, s->wild);
    e.time = s->wild ? (int64_t)scope_roll(&dice, 0) : (int64_t)(seq * 1000 + scope_roll(&dice, 1000));
    e.flags = (uint8_t)scope_roll(&dice, 256);
    e.thread = (uint16_t)scope_roll(&dice, s->wild ? 65536 : 3);
    if (e.flags & ES_E_MOVED)
        e.moved = (uint32_t)scope_roll(&dice, 0);
    if (fields & ES_F_PEER)
        e.peer = scope_ref(&dice, ES_REF_PID, s->wild);
    if (fields & ES_F_FUN) {
        e.module = scope_ref(&dice, ES_REF_ATOM, s->wild);
        e.function = scope_ref(&dice, ES_REF_ATOM, s->wild);
        e.arity = (uint16_t)scope_roll(&dice, s->wild ? 65536 : 6);
    }
    if (fields & ES_F_HASH)
        e.hash = scope_roll(&dice, 4) ? scope_roll(&dice, 0) : 0;
    if (fields & ES_F_CORR)
        e.corr = scope_roll(&dice, 2) ? scope_roll(&dice, 0) : 0;
    for (unsigned i = 0; (fields & ES_F_NUM) && i < ES_NUMS; i++)
        e.num[i] = s->wild ? scope_roll(&dice, 0) : scope_roll(&dice, 100000);
    if (fields & ES_F_CAUSE) {
        e.cause_state = (uint8_t)scope_roll(&dice, ES_CAUSE_MAX);
        if (e.cause_state == ES_CAUSE_PAIRED && seq == 1)
            e.cause_state = ES_CAUSE_UNKNOWN;
        if (e.cause_state == ES_CAUSE_PAIRED)
            e.cause = seq - 1 - scope_roll(&dice, scope_roll(&dice, 2) || seq < 300 ? seq - 1 : 200);
    }
    if (e.cause && depth > 0 && scope_roll(&dice, 4)) {
        struct es_event cause = scope_head(s, e.cause, depth - 1);
        if (fields & ES_F_PEER)
            e.peer = cause.pid;
        if ((fields & ES_F_HASH) && scope_roll(&dice, 8))
            e.hash = cause.hash;
        if ((fields & ES_F_CORR) && scope_roll(&dice, 8))
            e.corr = cause.corr;
    }
    if ((fields & ES_F_PAYLOAD) && scope_roll(&dice, 3))
        e.payload_len =
            (uint32_t)scope_roll(&dice, scope_roll(&dice, 16) ? s->max_payload / 16 + 1 : s->max_payload + 1);
    return e;
}

/* Valid until the next call. */
static inline struct es_event scope_event(const struct scope_stream *s, uint64_t seq)
{
    static uint8_t bytes[1 << 20];
    struct es_event e = scope_head(s, seq, 2);
    struct scope_dice dice = {s->seed + seq};
    uint64_t word = scope_roll(&dice, 0);
    for (uint32_t i = 0; i < e.payload_len; i++)
        bytes[i] = (uint8_t)(i % 7 ? word >> (i % 8 * 8) : i);
    if (e.payload_len)
        e.payload = bytes;
    return e;
}

static inline void scope_assert_same(const struct es_event *is, const struct es_event *must)
{
    struct es_event a = *is, b = *must;
    assert_int_equal(a.payload_len, b.payload_len);
    if (b.payload_len)
        assert_memory_equal(a.payload, b.payload, b.payload_len);
    a.payload = b.payload = NULL;
#define SAME(field)                                                                          \
    if (a.field != b.field)                                                                  \
        fail_msg("event %llu (%s): " #field " is %llx, not %llx", (unsigned long long)b.seq, \
                 es_kind_table[b.kind].name, (unsigned long long)a.field, (unsigned long long)b.field);
    SAME(seq)
    /* clang-format off */
    SAME(kind) SAME(time) SAME(flags) SAME(cause_state) SAME(arity) SAME(thread) SAME(pid) SAME(peer) SAME(module)
        SAME(function) SAME(hash) SAME(corr) SAME(cause) SAME(moved)
    /* clang-format on */
#undef SAME
            assert_memory_equal(a.num, b.num, sizeof a.num);
}

static inline void scope_add(struct es_store *store, const struct scope_stream *s, uint64_t from, uint64_t to)
{
    for (uint64_t seq = from; seq <= to; seq++) {
        struct es_event e = scope_event(s, seq);
        size_t bytes;
        es_store_pending(store, &bytes);
        if (bytes > ES_STORE_BATCH_BYTES)
            assert_ok(es_store_commit(store, NULL));
        assert_ok(es_store_event(store, &e));
    }
}

/* The bytes of a state event, which stand apart. Valid until the next call. */
static inline struct es_event scope_whole(struct es_recording *rec, const struct es_event *event)
{
    static struct es_buf bytes;
    struct es_event e = *event;
    if (e.kind != ES_K_STATE || e.payload_len == 0)
        return e;
    assert_null(e.payload);
    bytes.len = 0;
    assert_ok(es_recording_state_read(rec, e.seq, &bytes));
    assert_int_equal(bytes.len, e.payload_len);
    e.payload = bytes.bytes;
    return e;
}

/* All events of the recording are those of the stream from `first` on, without a hole; how many there are. */
static inline uint64_t scope_check_events(struct es_recording *rec, const struct scope_stream *s, uint64_t first)
{
    const struct es_block_info *blocks;
    uint64_t seq = first;
    size_t n = es_recording_blocks(rec, &blocks);
    for (size_t i = 0; i < n; i++) {
        struct es_block *block;
        assert_int_equal(blocks[i].first_seq, seq);
        assert_ok(es_block_get(rec, i, &block));
        assert_int_equal(block->n, blocks[i].events);
        uint64_t kinds[ES_KIND_MAX] = {0};
        for (size_t j = 0; j < block->n; j++) {
            struct es_event must = scope_event(s, seq++);
            struct es_event is = scope_whole(rec, &block->events[j]);
            scope_assert_same(&is, &must);
            kinds[must.kind]++;
        }
        assert_int_equal(blocks[i].first_time, block->events[0].time);
        assert_int_equal(blocks[i].last_time, block->events[block->n - 1].time);
        assert_int_equal(blocks[i].last_seq, seq - 1);
        assert_memory_equal(kinds, blocks[i].kinds, sizeof kinds);
        es_block_unref(rec, block);
    }
    return seq - first;
}

#endif
