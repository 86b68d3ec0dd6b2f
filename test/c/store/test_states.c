/* SPDX-License-Identifier: MIT */
/* Versions of states: each one that was given is found and read again as it was, from blocks small and large, by a reader that comes after
 * or meanwhile, and by a writer that goes on; and they are small. */
#include "scope.h"

#define PROCESSES 12u
#define MOST 3000u

/* What was given, event by event: kept by the test itself. */
struct given {
    es_ref pid;
    uint8_t kind, flags;
    uint64_t hash;
    uint8_t *bytes;
    uint32_t len;
};

struct story {
    struct given *given; /* by seq */
    uint64_t n;
    struct {
        uint8_t bytes[MOST];
        uint32_t len;
        uint64_t hash;
        bool known; /* the last version was captured */
    } now[PROCESSES];
};

static es_ref process(uint64_t i) { return es_ref_pid((uint32_t)(10 + i), 1); }

static void fill(uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)random_next();
}

/* What another process has, so that the two have much in common. */
static bool take_over(struct story *s, unsigned p)
{
    unsigned q = (unsigned)random_below(PROCESSES);
    if (p == 0 || q == p || s->now[q].len < MOST / 2)
        return false;
    memcpy(s->now[p].bytes, s->now[q].bytes, s->now[q].len);
    s->now[p].len = s->now[q].len;
    fill(s->now[p].bytes + random_below(s->now[p].len - 8), random_below(8));
    return true;
}

/* One field, a piece put in or taken out, or all new. */
static void change(struct story *s, unsigned p)
{
    uint8_t *bytes = s->now[p].bytes;
    uint32_t len = s->now[p].len, at = (uint32_t)random_below(len + 1), n = (uint32_t)random_below(40);
    switch (random_below(len == 0 ? 1 : 12)) {
    case 0:
        if (random_below(2) && take_over(s, p))
            break;
        s->now[p].len = (uint32_t)(p == 0 ? random_below(20) : random_below(MOST));
        fill(bytes, s->now[p].len);
        break;
    case 1:
    case 2:
        if (len + n > MOST)
            break;
        memmove(bytes + at + n, bytes + at, len - at);
        fill(bytes + at, n);
        s->now[p].len += n;
        break;
    case 3:
        n = n > len - at ? len - at : n;
        memmove(bytes + at, bytes + at + n, len - at - n);
        s->now[p].len -= n;
        break;
    default: fill(bytes + at, n > len - at ? len - at : n);
    }
}

static struct es_event next_event(struct story *s)
{
    unsigned p = (unsigned)random_below(PROCESSES);
    struct es_event e = {.seq = s->n + 1, .time = (int64_t)(s->n + 1) * 10, .pid = process(p), .kind = ES_K_STATE};
    uint64_t what = random_below(10);
    if (what < 3) {
        e.kind = ES_K_TIMEOUT;
    } else if (what == 3) {
        e.flags = ES_E_STATE_MISSED;
        s->now[p].known = false;
    } else if (what == 4 && s->now[p].known) {
        e.flags = ES_E_STATE_SAME;
        e.hash = s->now[p].hash;
    } else {
        change(s, p);
        e.module = es_ref_make(ES_REF_ATOM, 100 + p % 2);
        e.function = es_ref_make(ES_REF_ATOM, 200);
        e.payload = s->now[p].bytes;
        e.payload_len = s->now[p].len;
        e.hash = s->now[p].hash = random_below(4) ? random_next() : 0;
        s->now[p].known = e.payload_len > 0;
        e.flags = random_below(5) ? 0 : ES_E_CUT;
    }
    struct given *g = &s->given[++s->n];
    *g = (struct given){e.pid, e.kind, e.flags, e.hash, malloc(e.payload_len + 1), e.payload_len};
    if (e.payload_len)
        memcpy(g->bytes, e.payload, e.payload_len);
    return e;
}

static void tell(struct es_store *store, struct story *s, uint64_t n)
{
    while (n-- > 0) {
        struct es_event e = next_event(s);
        assert_ok(es_store_event(store, &e));
        if (random_below(700) == 0)
            assert_ok(es_store_commit(store, NULL));
        if (random_below(9000) == 0)
            assert_ok(es_store_keyframe(store, "keyframe", 8));
    }
}

/* The version that `seq` made, by what was given: 0 where it was not captured. */
static uint64_t told(const struct story *s, uint64_t seq)
{
    es_ref pid = s->given[seq].pid;
    for (; seq > 0; seq--) {
        const struct given *g = &s->given[seq];
        if (g->kind == ES_K_STATE && g->pid == pid && !(g->flags & ES_E_STATE_SAME))
            return g->len > 0 ? seq : 0;
    }
    return 0;
}

static void check_read(struct es_recording *rec, const struct story *s, uint64_t seq)
{
    struct es_buf bytes = {0};
    uint64_t version = told(s, seq);
    int r = es_recording_state_read(rec, seq, &bytes);
    if (s->given[seq].kind != ES_K_STATE) {
        assert_int_equal(r, -EINVAL);
    } else if (version == 0) {
        assert_int_equal(r, -ENODATA);
    } else {
        assert_int_equal(r, 0);
        assert_int_equal(bytes.len, s->given[version].len);
        assert_memory_equal(bytes.bytes, s->given[version].bytes, bytes.len);
    }
    bytes.len = 0;
    assert_int_equal(es_recording_state_read_of(rec, s->given[seq].pid, seq, &bytes), r);
    if (r == 0) {
        assert_int_equal(bytes.len, s->given[version].len);
        assert_memory_equal(bytes.bytes, s->given[version].bytes, bytes.len);
    }
    es_buf_fini(&bytes);
    es_error_clear();
}

/* The versions of a process in the block around an event. */
static void check_list(struct es_recording *rec, const struct story *s, uint64_t around)
{
    es_ref pid = process(random_below(PROCESSES + 1));
    const struct es_block_info *blocks;
    struct es_version_seen *list;
    struct es_pid_count *counts;
    size_t n, n_counts, at = 0, i = 0, n_blocks = es_recording_blocks(rec, &blocks);
    while (i < n_blocks && blocks[i].last_seq < around)
        i++;
    assert_true(i < n_blocks);
    assert_ok(es_recording_state_list(rec, i, pid, &list, &n));
    for (uint64_t seq = blocks[i].first_seq; seq <= blocks[i].last_seq; seq++) {
        const struct given *g = &s->given[seq];
        if (g->kind != ES_K_STATE || g->pid != pid || (g->flags & ES_E_STATE_SAME))
            continue;
        assert_true(at < n);
        assert_int_equal(list[at].seq, seq);
        assert_int_equal(list[at].hash, g->hash);
        assert_int_equal(list[at].flags, g->flags);
        at++;
    }
    assert_int_equal(at, n);
    free(list);
    assert_ok(es_recording_state_counts(rec, i, &counts, &n_counts));
    for (at = 0; at < n_counts && counts[at].pid != pid; at++)
        ;
    assert_int_equal(at < n_counts ? counts[at].events : 0, n);
    free(counts);
}

static void check_find(struct es_recording *rec, const struct story *s, uint64_t seq)
{
    es_ref pid = process(random_below(PROCESSES + 1));
    struct es_seq_range range = {seq - random_below(seq < 3000 ? seq : 3000), seq};
    struct es_state_at at;
    int r = es_recording_state_find(rec, pid, range, &at);
    while (seq >= range.from && seq > 0 && (s->given[seq].pid != pid || s->given[seq].kind != ES_K_STATE))
        seq--;
    assert_int_equal(at.unread, 0);
    if (seq < range.from || seq == 0) {
        assert_int_equal(r, -ENOENT);
        return;
    }
    assert_int_equal(r, 0);
    assert_int_equal(at.seq, seq);
    assert_int_equal(at.len, s->given[seq].len);
    assert_int_equal(at.hash, s->given[seq].hash);
    assert_int_equal(at.flags, s->given[seq].flags);
}

static void check_all(const struct story *s, bool each)
{
    struct es_recording *rec;
    uint64_t seq;
    assert_ok(es_recording_open(scope_path, &rec));
    for (uint64_t i = 1; each && i <= s->n; i++)
        check_read(rec, s, i);
    for (int i = 0; i < 2000; i++) {
        check_read(rec, s, 1 + random_below(s->n));
        check_find(rec, s, 1 + random_below(s->n));
        if (i % 10 == 0)
            check_list(rec, s, 1 + random_below(s->n));
        uint64_t n = random_below(s->n + 1);
        assert_int_equal(es_recording_seq_at(rec, (int64_t)n * 10 + (int64_t)random_below(10), &seq), n ? 0 : -ENOENT);
        assert_true(n == 0 || seq == n);
    }
    assert_int_equal(es_recording_state_read(rec, s->n + 1, NULL), -ENOENT);
    assert_ok(es_recording_verify(rec));
    es_recording_close(rec);
}

static struct story *new_story(uint64_t room)
{
    struct story *s = calloc(1, sizeof *s);
    s->given = calloc(room + 1, sizeof *s->given);
    return s;
}

static void free_story(struct story *s)
{
    for (uint64_t i = 1; i <= s->n; i++)
        free(s->given[i].bytes);
    free(s->given);
    free(s);
}

static void every_version(void **state)
{
    (void)state;
    uint64_t n = getenv("ES_TEST_FEW") ? 20000 : 150000;
    struct story *s = new_story(n);
    struct es_store *store;
    struct es_store_options options = scope_options();
    random_start();
    assert_ok(es_store_create(&options, &store));
    tell(store, s, n);
    assert_ok(es_store_close(store, NULL));
    check_all(s, true);
    free_story(s);
}

/* Small blocks at the end; a writer that takes the open block over; whole blocks in their place. */
static void while_it_grows(void **state)
{
    (void)state;
    struct story *s = new_story(60000);
    struct es_store *store;
    struct es_store_options options = scope_options();
    random_start();
    assert_ok(es_store_create(&options, &store));
    for (int i = 0; i < 6; i++) {
        tell(store, s, 1 + random_below(8000));
        assert_ok(es_store_commit(store, NULL));
        check_all(s, false);
        if (i % 2)
            continue;
        es_store_abandon(store);
        assert_ok(es_store_resume(&options, &store));
    }
    assert_ok(es_store_close(store, NULL));
    check_all(s, true);
    free_story(s);
}

/* By an index that is older than the file: small blocks have become part of others. */
static void by_an_old_index(void **state)
{
    (void)state;
    struct story *s = new_story(30000);
    struct es_store *store;
    struct es_recording *rec;
    const struct es_block_info *blocks;
    struct es_store_options options = scope_options();
    random_start();
    assert_ok(es_store_create(&options, &store));
    tell(store, s, 8000);
    assert_ok(es_store_commit(store, NULL));
    uint64_t known = s->n;
    assert_ok(es_recording_open(scope_path, &rec));
    es_recording_blocks(rec, &blocks);
    for (int i = 0; i < 100; i++) {
        check_read(rec, s, 1 + random_below(known / 2)); /* some blocks are known by what is in them, some are not */
        check_find(rec, s, 1 + random_below(known / 2));
    }
    tell(store, s, 10000);
    assert_ok(es_store_close(store, NULL));
    for (int i = 0; i < 500; i++) {
        check_read(rec, s, 1 + random_below(known));
        check_find(rec, s, 1 + random_below(known));
        check_list(rec, s, 1 + random_below(known));
    }
    es_recording_close(rec);
    free_story(s);
}

static uint64_t size_of_file(void)
{
    struct stat st;
    assert_int_equal(stat(scope_path, &st), 0);
    return (uint64_t)st.st_size;
}

/* 50 kB that cannot be compressed, one field changed at a time, whatever the commits. */
static void ten_thousand_versions(void **state)
{
    (void)state;
    static uint8_t bytes[50000];
    uint64_t versions = getenv("ES_TEST_FEW") ? 2000 : 10000;
    struct es_store *store;
    struct es_store_options options = scope_options();
    random_start();
    for (unsigned commit_every = 1; commit_every <= 10000; commit_every *= 10) {
        options.overwrite = true;
        fill(bytes, sizeof bytes);
        assert_ok(es_store_create(&options, &store));
        for (uint64_t seq = 1; seq <= versions; seq++) {
            fill(bytes + random_below(sizeof bytes / 8) * 8, 8);
            struct es_event e = {.seq = seq,
                                 .time = (int64_t)seq,
                                 .kind = ES_K_STATE,
                                 .pid = process(1),
                                 .payload = bytes,
                                 .payload_len = sizeof bytes};
            assert_ok(es_store_event(store, &e));
            if (seq % commit_every == 0 && (commit_every > 1 || seq < 500))
                assert_ok(es_store_commit(store, NULL));
        }
        assert_ok(es_store_close(store, NULL));
        print_message("%llu bytes\n", (unsigned long long)size_of_file());
        assert_true(size_of_file() <= 1500000);
    }
    struct es_recording *rec;
    struct es_buf is = {0};
    assert_ok(es_recording_open(scope_path, &rec));
    assert_ok(es_recording_state_read(rec, versions, &is));
    assert_int_equal(is.len, sizeof bytes);
    assert_memory_equal(is.bytes, bytes, sizeof bytes);
    es_buf_fini(&is);
    es_recording_close(rec);
}

/* Many processes whose states are alike, also after a commit, when a writer goes on, and for those whose numbers are lower than the lender's. */
static void what_processes_have_in_common(void **state)
{
    (void)state;
    enum { ALIKE = 400, LEN = 20000, ROUNDS = 3 };
    static uint8_t bytes[LEN];
    static uint64_t own[ROUNDS * ALIKE + 1];
    struct es_store *store;
    struct es_store_options options = scope_options();
    random_start();
    fill(bytes, sizeof bytes);
    assert_ok(es_store_create(&options, &store));
    for (uint64_t seq = 1; seq <= ROUNDS * ALIKE; seq++) {
        own[seq] = random_next();
        memcpy(bytes + LEN / 2, &own[seq], sizeof own[seq]);
        struct es_event e = {.seq = seq,
                             .time = (int64_t)seq,
                             .kind = ES_K_STATE,
                             .pid = process(seq * 7 % ALIKE),
                             .module = es_ref_make(ES_REF_ATOM, 100),
                             .payload = bytes,
                             .payload_len = LEN};
        assert_ok(es_store_event(store, &e));
        if (seq == ALIKE / 2 || seq == ALIKE * 3 / 2) {
            assert_ok(es_store_commit(store, NULL));
            es_store_abandon(store);
            assert_ok(es_store_resume(&options, &store));
        }
    }
    assert_ok(es_store_close(store, NULL));
    print_message("%llu bytes\n", (unsigned long long)size_of_file());
    assert_true(size_of_file() < 10 * LEN); /* and not 400 times */
    struct es_recording *rec;
    struct es_buf is = {0};
    assert_ok(es_recording_open(scope_path, &rec));
    for (uint64_t i = 1; i <= ROUNDS * ALIKE; i++) {
        uint64_t seq = i % 2 ? i : 1 + random_below(ROUNDS * ALIKE);
        is.len = 0;
        assert_ok(es_recording_state_read(rec, seq, &is));
        memcpy(bytes + LEN / 2, &own[seq], sizeof own[seq]);
        assert_int_equal(is.len, LEN);
        assert_memory_equal(is.bytes, bytes, LEN);
    }
    es_buf_fini(&is);
    assert_ok(es_recording_verify(rec));
    es_recording_close(rec);
}

/* States that begin alike and go their own ways: put together at a commit they are more than a block may hold. */
static void what_they_no_longer_have(void **state)
{
    (void)state;
    enum { ALIKE = 500, LEN = 20000, ROUNDS = 4 };
    uint8_t *bytes = malloc(ALIKE * LEN), *before = malloc(ALIKE * LEN);
    struct es_store *store;
    struct es_store_options options = scope_options();
    random_start();
    fill(bytes, LEN);
    for (size_t i = 1; i < ALIKE; i++)
        memcpy(bytes + i * LEN, bytes, LEN);
    assert_ok(es_store_create(&options, &store));
    for (uint64_t round = 0, seq = 1; round < ROUNDS; round++) {
        memcpy(before, bytes, ALIKE * LEN);
        for (size_t i = 0; i < ALIKE; i++, seq++) {
            uint8_t *own = bytes + i * LEN;
            if (round > 0 && round < 3)
                fill(own + (round - 1) * LEN * 35 / 100, LEN * 35 / 100);
            fill(own + LEN * 3 / 4 + random_below(LEN / 8), 8);
            struct es_event e = {.seq = seq,
                                 .time = (int64_t)seq,
                                 .kind = ES_K_STATE,
                                 .pid = process(i),
                                 .module = es_ref_make(ES_REF_ATOM, 100),
                                 .payload = own,
                                 .payload_len = LEN};
            assert_ok(es_store_event(store, &e));
        }
        assert_ok(es_store_commit(store, NULL));
    }
    assert_ok(es_store_close(store, NULL));
    struct es_recording *rec;
    struct es_buf is = {0};
    assert_ok(es_recording_open(scope_path, &rec));
    for (size_t i = 0; i < ALIKE; i++)
        for (uint64_t round = ROUNDS - 2; round < ROUNDS; round++) {
            is.len = 0;
            assert_ok(es_recording_state_read(rec, round * ALIKE + i + 1, &is));
            assert_int_equal(is.len, LEN);
            assert_memory_equal(is.bytes, (round == ROUNDS - 1 ? bytes : before) + i * LEN, LEN);
        }
    es_buf_fini(&is);
    assert_ok(es_recording_verify(rec));
    es_recording_close(rec);
    free(bytes);
    free(before);
}

/* A damaged chunk loses the versions in it, and what was borrowed from them, nothing else. */
static void a_damaged_chunk(void **state)
{
    (void)state;
    struct story *s = new_story(30000);
    struct es_store *store;
    struct es_recording *rec;
    struct es_store_options options = scope_options();
    char command[256];
    random_start();
    assert_ok(es_store_create(&options, &store));
    tell(store, s, 30000);
    assert_ok(es_store_close(store, NULL));
    snprintf(command, sizeof command,
             "sqlite3 %s 'update columns set data = zeroblob(length(data)) where id %% 64 = 33'", scope_path);
    assert_int_equal(system(command), 0);
    assert_ok(es_recording_open(scope_path, &rec));
    size_t lost = 0, read = 0;
    const struct es_block_info *blocks;
    for (size_t i = 0, n = es_recording_blocks(rec, &blocks); i < n; i++) {
        struct es_block *block;
        assert_ok(es_block_get(rec, i, &block));
        for (size_t k = 0; k < block->n; k++) {
            struct es_buf bytes = {0};
            uint64_t seq = block->events[k].seq;
            if (block->events[k].payload_len == 0)
                continue;
            int r = es_recording_state_read(rec, seq, &bytes);
            assert_true(r == 0 || r == -EBADMSG);
            lost += r < 0;
            read += r == 0;
            if (r == 0)
                assert_memory_equal(bytes.bytes, s->given[seq].bytes, s->given[seq].len);
            es_buf_fini(&bytes);
        }
        es_block_unref(rec, block);
    }
    assert_true(lost > 0 && read > 2 * lost);
    check_find(rec, s, s->n);
    assert_int_equal(es_recording_verify(rec), -EBADMSG);
    es_recording_close(rec);
    free_story(s);
}

/* Where a block's list of processes cannot be read, a version may have been in it: that is said. */
static void what_was_passed_over(void **state)
{
    (void)state;
    struct es_store *store;
    struct es_recording *rec;
    struct es_state_at at;
    struct es_store_options options = scope_options();
    char command[256];
    assert_ok(es_store_create(&options, &store));
    for (uint64_t seq = 1; seq <= 3; seq++) {
        struct es_event e = {.seq = seq,
                             .time = (int64_t)seq,
                             .kind = ES_K_STATE,
                             .pid = process(seq == 2 ? 2 : 1),
                             .payload = (const uint8_t *)"state",
                             .payload_len = 5};
        assert_ok(es_store_event(store, &e));
        assert_ok(es_store_keyframe(store, "keyframe", 8));
    }
    assert_ok(es_store_close(store, NULL));
    snprintf(command, sizeof command,
             "sqlite3 %s 'update columns set data = zeroblob(length(data)) where id / 64 = (select id from blocks "
             "where first_seq = 2)'",
             scope_path);
    assert_int_equal(system(command), 0);
    assert_ok(es_recording_open(scope_path, &rec));
    assert_ok(es_recording_state_find(rec, process(1), (struct es_seq_range){1, 3}, &at));
    assert_int_equal(at.seq, 3);
    assert_int_equal(at.unread, 0);
    assert_ok(es_recording_state_find(rec, process(1), (struct es_seq_range){1, 2}, &at));
    assert_int_equal(at.seq, 1);
    assert_int_equal(at.unread, 1);
    assert_int_equal(es_recording_state_find(rec, process(2), (struct es_seq_range){1, 3}, &at), -ENOENT);
    assert_int_equal(at.unread, 1);
    es_recording_close(rec);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scope_setup, scope_teardown)
    const struct CMUnitTest tests[] = {T(every_version),
                                       T(while_it_grows),
                                       T(by_an_old_index),
                                       T(ten_thousand_versions),
                                       T(what_processes_have_in_common),
                                       T(what_they_no_longer_have),
                                       T(a_damaged_chunk),
                                       T(what_was_passed_over)};
    return cmocka_run_group_tests_name("store states", tests, NULL, NULL);
}
