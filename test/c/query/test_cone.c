/* SPDX-License-Identifier: MIT */
/* Cones on random recordings of several blocks against a walk along every edge, and the index they are made from. */
#include "query/index_part.h"
#include "shop.h"

#define EVENTS 150000
#define PROCESSES 300

static struct {
    uint8_t kind;
    uint32_t pid, cause, before, behind; /* before, behind: acts of the same process; 0: none */
    uint32_t taken;                      /* of a reply: the act that shows it; 0: none does */
} * truth;
static unsigned seed;

static unsigned pick(unsigned n)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 8) % n;
}

/* Who waited for a reply has it when it goes on, unless it gives up or is killed. */
static void take_replies(void)
{
    static uint32_t next[PROCESSES + 1];
    memset(next, 0, sizeof next);
    for (uint32_t i = EVENTS; i > 0; i--) {
        uint32_t *act = &next[truth[i].pid];
        bool goes_on = *act && (truth[*act].kind == ES_K_SEND || truth[*act].kind == ES_K_SPAWN);
        if (truth[i].taken)
            truth[i].taken = goes_on ? *act : 0;
        if (truth[i].kind != ES_K_DELIVER && truth[i].kind != ES_K_MEMORY)
            *act = i;
    }
}

/* Causes reach from one event to whole blocks back; some processes rest for long. */
static void make_recording(void)
{
    static uint32_t last[PROCESSES + 1];
    memset(last, 0, sizeof last);
    shop_begin();
    for (uint32_t i = 1; i <= EVENTS; i++) {
        static const uint8_t kinds[] = {ES_K_SEND, ES_K_DELIVER, ES_K_SPAWN, ES_K_TIMEOUT, ES_K_EXIT, ES_K_MEMORY};
        truth[i].kind = kinds[pick(6)];
        truth[i].pid = 1 + (pick(50) ? pick(20) : pick(PROCESSES));
        truth[i].cause = truth[i].before = truth[i].behind = truth[i].taken = 0;
        bool reply = truth[i].kind == ES_K_DELIVER && pick(3) == 0;
        if (truth[i].kind == ES_K_DELIVER)
            for (int tries = 0; tries < 5 && !truth[i].cause; tries++) {
                uint32_t reach = pick(4) ? 50 : 100000, c = i > reach ? i - 1 - pick(reach) : 0;
                truth[i].cause = c && (truth[c].kind == ES_K_SEND || truth[c].kind == ES_K_EXIT) ? c : 0;
            }
        else if (truth[i].kind != ES_K_MEMORY) {
            truth[i].before = last[truth[i].pid];
            truth[truth[i].before].behind = i;
            last[truth[i].pid] = i;
        }
        truth[i].taken = reply ? UINT32_MAX : 0;
        shop_add((struct es_event){.kind = truth[i].kind,
                                   .flags = reply ? ES_E_REPLY : 0,
                                   .pid = shop_pid(truth[i].pid),
                                   .cause = truth[i].cause,
                                   .cause_state = truth[i].cause ? ES_CAUSE_PAIRED : 0});
    }
    shop_end();
    take_replies();
}

static void check_index(struct es_query *query)
{
    for (int i = 0; i < 3000; i++) {
        uint32_t seq = 1 + pick(EVENTS);
        struct es_indexed event;
        uint64_t found;
        assert_ok(es_index_event(query, seq, &event));
        assert_int_equal(event.kind, truth[seq].kind);
        assert_int_equal(event.cause, truth[seq].cause);
        assert_int_equal(event.pid, truth[seq].kind == ES_K_MEMORY ? ES_REF_NONE : shop_pid(truth[seq].pid));
        if (truth[seq].kind == ES_K_MEMORY || truth[seq].kind == ES_K_DELIVER)
            continue;
        assert_ok(es_index_last(query, event.pid, ES_ROW_ACTS, seq - 1, &found));
        assert_int_equal(found, truth[seq].before);
        assert_ok(es_index_first(query, event.pid, ES_ROW_ACTS, seq + 1, &found));
        assert_int_equal(found, truth[seq].behind);
    }
    assert_in_range(es_index_bytes(query), 1, ES_INDEX_BYTES);
}

/* Events whose causes are in blocks before: read alone, and with all of the block. */
static void check_lates(struct es_query *query, bool alone)
{
    const struct es_block_info *blocks = NULL;
    size_t n_blocks = es_recording_blocks(es_query_recording(query), &blocks);
    for (size_t k = 0; k < n_blocks; k++) {
        struct es_index_part *part;
        const struct es_lates *lates;
        if (!alone || k == 0)
            assert_ok(es_index_part_get(query, k, &part));
        assert_ok(es_index_lates(query, k, &lates));
        size_t n = 0;
        for (uint64_t seq = blocks[k].first_seq; seq <= blocks[k].last_seq; seq++)
            n += truth[seq].cause && truth[seq].cause < blocks[k].first_seq;
        assert_int_equal(lates->n, n);
        for (size_t i = 0; i < n; i++) {
            uint64_t seq = blocks[k].first_seq + lates->list[i].at;
            assert_in_range(seq, blocks[k].first_seq, blocks[k].last_seq);
            assert_int_equal(lates->list[i].cause, truth[seq].cause);
            assert_int_equal(lates->list[i].delivery, truth[seq].kind == ES_K_DELIVER);
        }
    }
}

/* Marks what led to (or came of) an event, as all walks do that have no limit. */
static void mark(uint8_t *in, uint32_t seq, bool forward)
{
    memset(in, 0, EVENTS + 1);
    in[seq] = 1;
    if (!forward) {
        for (uint32_t i = seq; i > 0; i--)
            if (in[i] || (truth[i].taken && in[truth[i].taken]))
                in[i] = in[truth[i].before] = in[truth[i].cause] = 1;
    } else {
        for (uint32_t i = seq; i <= EVENTS; i++) {
            in[i] = in[i] || (truth[i].cause && in[truth[i].cause]) ||
                    (truth[i].before && in[truth[i].before] && truth[truth[i].before].kind != ES_K_EXIT);
            if (in[i] && truth[i].taken)
                in[truth[i].taken] = 1;
        }
    }
    in[0] = 0;
}

static void check_cone(struct es_query *query, uint8_t *in, bool forward)
{
    uint32_t seq = 1 + pick(EVENTS), limit = pick(2) ? 1000 : 50;
    struct es_cone_request request = {
        .seq = seq, .forward = forward, .limit = limit, .bound = forward ? INT64_MAX : INT64_MIN};
    struct es_caused *events = NULL;
    size_t n = 0;
    bool cut;
    assert_ok(es_query_cone(query, &request, &events, &n, &cut));
    mark(in, seq, forward);
    uint32_t at = seq, marked = 0;
    for (size_t i = 0; i < n; i++) { /* the nearest in time first, and none left out */
        while (at > 0 && at <= EVENTS && !in[at])
            at = forward ? at + 1 : at - 1;
        assert_int_equal(events[i].seq, at);
        if (i > 0)
            assert_true(in[events[i].from]);
        at = forward ? at + 1 : at - 1;
    }
    for (uint32_t i = 1; i <= EVENTS; i++)
        marked += in[i];
    assert_int_equal(n, marked < limit ? marked : limit);
    if (marked > limit)
        assert_true(cut);
    free(events);
}

static void random_cones(void **state)
{
    (void)state;
    const char *few = getenv("ES_TEST_FEW");
    truth = calloc(EVENTS + 1, sizeof *truth);
    uint8_t *in = malloc(EVENTS + 1);
    seed = (unsigned)getpid();
    print_message("seed %u\n", seed);
    make_recording();
    struct es_query *query = shop_open();
    check_lates(query, true);
    es_query_close(query);
    query = shop_open();
    check_lates(query, false);
    check_index(query);
    for (int i = 0; i < (few ? 20 : 200); i++)
        check_cone(query, in, i % 2);
    es_query_close(query);
    free(in);
    free(truth);
}

static void depth_and_bound(void **state)
{
    (void)state;
    shop_begin();
    for (int i = 0; i < 20; i++)
        shop_add((struct es_event){.kind = ES_K_TIMEOUT, .pid = shop_pid(1)});
    shop_end();
    struct es_query *query = shop_open();
    struct es_cone_request requests[] = {{.seq = 20, .depth = 3, .bound = INT64_MIN},
                                         {.seq = 20, .bound = SHOP_START + 15 * SHOP_STEP},
                                         {.seq = 5, .forward = true, .depth = 2, .bound = INT64_MAX},
                                         {.seq = 5, .forward = true, .bound = SHOP_START + 8 * SHOP_STEP},
                                         {.seq = 20, .bound = INT64_MIN}};
    static const size_t expected[] = {4, 5, 3, 4, 20};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct es_caused *events = NULL;
        size_t n = 0;
        bool cut;
        assert_ok(es_query_cone(query, &requests[i], &events, &n, &cut));
        assert_int_equal(n, expected[i]);
        free(events);
    }
    struct es_caused *events = NULL;
    size_t n = 0;
    bool cut;
    struct es_cone_request none = {.seq = 21};
    assert_int_equal(es_query_cone(query, &none, &events, &n, &cut), -ENOENT);
    assert_int_equal(es_query_story(query, &none, &events, &n, &cut), -ENOENT);
    es_query_close(query);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {TEST(random_cones), TEST(depth_and_bound)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
