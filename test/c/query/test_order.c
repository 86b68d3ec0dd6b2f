/* SPDX-License-Identifier: MIT */
/* Happens-before on random recordings against the closure of its definition, made by walking along every edge. */
#include "shop.h"

#define EVENTS_MAX 8000
#define WORDS (EVENTS_MAX / 64)

struct truth {
    unsigned kind, pid, late;
    int cause;   /* index of the event, -1: none */
    int handler; /* of a delivery */
    bool own, reply;
    uint64_t certain[WORDS], maybe[WORDS]; /* does it lead to this one? */
};
static struct truth *truth;
static unsigned seed;
static int n_events;
static unsigned n_processes;
static bool with_lates;
static int block_events;

static bool has(const uint64_t *set, uint64_t i) { return set[i / 64] >> (i % 64) & 1; }

static unsigned pick(unsigned n)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 16) % n;
}

static bool calls_have_causes(void) { return es_kind_table[ES_K_CALL].fields & ES_F_CAUSE; }

/* A past event that may cause one of this kind, -1: none was found. */
static int find_cause(int i, unsigned kind, unsigned pid)
{
    for (int tries = 0; i > 0 && tries < 40; tries++) {
        int c = i - 1 - (int)pick((unsigned)(i < 40 ? i : 40));
        unsigned k = truth[c].kind;
        if (kind == ES_K_DELIVER ? k == ES_K_SEND || k == ES_K_EXIT
            : kind == ES_K_CALL  ? k == ES_K_DELIVER && truth[c].pid == pid && !truth[c].reply
                                 : k == ES_K_SPAWN)
            return c;
    }
    return -1;
}

static void make_event(int i)
{
    static const unsigned kinds[] = {ES_K_SEND,   ES_K_SEND,  ES_K_DELIVER,       ES_K_DELIVER,
                                     ES_K_CALL,   ES_K_SPAWN, ES_K_SPAWNED,       ES_K_TIMEOUT,
                                     ES_K_MEMORY, ES_K_EXIT,  ES_K_GC_MINOR_START};
    struct truth *t = &truth[i];
    unsigned kind = kinds[pick(sizeof kinds / sizeof *kinds)];
    *t = (struct truth){
        .kind = kind, .pid = 1 + pick(n_processes), .late = with_lates && pick(60) == 0, .cause = -1, .handler = -1};
    t->own = kind != ES_K_MEMORY;
    t->reply = kind == ES_K_DELIVER && pick(3) == 0;
    bool has_cause = kind == ES_K_DELIVER || kind == ES_K_SPAWNED || (kind == ES_K_CALL && calls_have_causes());
    if (has_cause && pick(8) > 0)
        t->cause = find_cause(i, kind, t->pid);
    if (kind == ES_K_CALL && t->cause >= 0 && truth[t->cause].handler >= 0) /* a message is handled once */
        t->cause = -1;
    if (kind == ES_K_CALL && t->cause >= 0)
        truth[t->cause].handler = i;
    struct es_event event = {.kind = (uint8_t)kind,
                             .pid = shop_pid(t->pid),
                             .peer = shop_pid(1 + pick(n_processes)),
                             .cause = t->cause >= 0 ? (uint64_t)t->cause + 1 : 0,
                             .flags = (uint8_t)((t->late ? ES_E_LATE : 0) | (t->reply ? ES_E_REPLY : 0)),
                             .cause_state = (uint8_t)(t->cause >= 0 ? ES_CAUSE_PAIRED : 0)};
    if (es_kind_table[kind].fields & ES_F_FUN) {
        event.module = shop_atom("Elixir.Shop");
        event.function = shop_atom("f");
    }
    shop_add(event);
}

static void add(int from, int to, bool certain)
{
    for (int w = 0; w < WORDS; w++) {
        truth[from].certain[w] |= certain ? truth[to].certain[w] : 0;
        truth[from].maybe[w] |= truth[to].maybe[w];
    }
    truth[from].certain[to / 64] |= certain ? UINT64_C(1) << (to % 64) : 0;
    truth[from].maybe[to / 64] |= UINT64_C(1) << (to % 64);
}

/* Who waited for a reply has it in its hands when it goes on: when it does anything but give up, be killed, or be scheduled. That is looked
 * for in so many blocks. */
static void take_reply(int i)
{
    for (int k = i + 1; k < n_events && k / block_events <= i / block_events + 16; k++) {
        unsigned kind = truth[k].kind;
        if (truth[k].pid != truth[i].pid || kind == ES_K_DELIVER || kind == ES_K_MEMORY || kind == ES_K_GC_MINOR_START)
            continue;
        if (kind == ES_K_SEND || kind == ES_K_SPAWN || kind == ES_K_CALL)
            truth[i].handler = k;
        return;
    }
}

/* Edges by the definition, closed from the end on. */
static void close_truth(void)
{
    for (int i = n_events - 1; i >= 0; i--) {
        bool delivery = truth[i].kind == ES_K_DELIVER, act = false;
        if (truth[i].reply)
            take_reply(i);
        for (int k = i + 1; truth[i].own && k < n_events; k++) {
            bool next = !act && truth[k].own && truth[k].kind != ES_K_DELIVER && truth[k].pid == truth[i].pid;
            if (next && !(delivery && truth[i].handler >= 0))
                add(i, k, !delivery);
            if (truth[k].cause == i || truth[i].handler == k)
                add(i, k, true);
            act = act || next;
        }
    }
}

static void check_path(const struct es_order_answer *answer, int a, int b)
{
    assert_true(answer->n_path >= 2);
    assert_int_equal(answer->path[0], a + 1);
    assert_int_equal(answer->path[answer->n_path - 1], b + 1);
    bool sure = answer->order == ES_ORDER_BEFORE;
    for (size_t i = 1; i < answer->n_path; i++) {
        const struct truth *from = &truth[answer->path[i - 1] - 1];
        assert_true(answer->path[i - 1] < answer->path[i]);
        assert_true(has(sure ? from->certain : from->maybe, answer->path[i] - 1));
    }
}

/* A late event is not sure to be where it stands: what leads across processes through one is only possible. */
static void check_order(struct es_query *query, int a, int b, unsigned counts[6])
{
    struct es_order_answer answer, back;
    bool certain = has(truth[a].certain, (uint64_t)b), maybe = has(truth[a].maybe, (uint64_t)b);
    assert_ok(es_query_before(query, (uint64_t)a + 1, (uint64_t)b + 1, &answer));
    counts[answer.order]++;
    enum es_order expected = certain ? ES_ORDER_BEFORE : maybe ? ES_ORDER_POSSIBLY_BEFORE : ES_ORDER_CONCURRENT;
    bool weaker = with_lates && certain && answer.order == ES_ORDER_POSSIBLY_BEFORE;
    if (answer.order != expected && !weaker)
        fail_msg("%d %d: %s, expected %s", a + 1, b + 1, es_order_names[answer.order], es_order_names[expected]);
    assert_false(answer.order == ES_ORDER_BEFORE && (truth[a].late || truth[b].late));
    if (answer.n_path > 0)
        check_path(&answer, a, b);
    assert_ok(es_query_before(query, (uint64_t)b + 1, (uint64_t)a + 1, &back));
    counts[back.order]++;
    assert_int_equal(back.order, answer.order == ES_ORDER_BEFORE            ? ES_ORDER_AFTER
                                 : answer.order == ES_ORDER_POSSIBLY_BEFORE ? ES_ORDER_POSSIBLY_AFTER
                                                                            : ES_ORDER_CONCURRENT);
    free(back.path);
    free(answer.path);
}

static void check_recording(struct es_query *query, unsigned counts[6])
{
    bool all = n_events < 400;
    for (int i = 0; i < (all ? n_events * n_events : 20000); i++) {
        int a = all ? i / n_events : (int)pick((unsigned)n_events),
            b = all ? i % n_events : (int)pick((unsigned)n_events);
        struct es_order_answer answer;
        if (a < b && truth[a].own && truth[b].own && i % 701 == 0) { /* the first question reads less than others */
            struct es_query *fresh = shop_open();
            check_order(fresh, a, b, counts);
            es_query_close(fresh);
        } else if (a < b && truth[a].own && truth[b].own) {
            check_order(query, a, b, counts);
        } else if (a != b && !(truth[a].own && truth[b].own))
            assert_int_equal(es_query_before(query, (uint64_t)a + 1, (uint64_t)b + 1, &answer), -EINVAL);
    }
}

static void random_recordings(void **state)
{
    (void)state;
    const char *few = getenv("ES_TEST_FEW");
    unsigned counts[6] = {0}, start = (unsigned)getpid();
    truth = malloc(EVENTS_MAX * sizeof *truth);
    print_message("seed %u\n", start);
    for (unsigned round = 0; round < (few ? 6u : 30u); round++) {
        bool large = round % 6 == 5;
        seed = start + round * 7919;
        n_events = large ? EVENTS_MAX : 260;
        n_processes = large ? 60 + pick(1500) : 9;
        with_lates = round % 6 == 4;
        shop_setup(NULL);
        shop_begin();
        block_events = round % 2 ? large ? 400 : 9 + (int)pick(40) : n_events; /* what leads to what crosses blocks */
        for (int i = 0; i < n_events; i++) {
            if (i > 0 && i % block_events == 0)
                assert_ok(es_store_keyframe(shop_store, "", 0)); /* a group has blocks of its own */
            make_event(i);
        }
        shop_end();
        close_truth();
        struct es_query *query = shop_open();
        check_recording(query, counts);
        es_query_close(query);
        shop_teardown(NULL);
    }
    free(truth);
    for (unsigned i = ES_ORDER_BEFORE; i <= ES_ORDER_POSSIBLY_AFTER; i++)
        assert_true(counts[i] > 0);
}

/* What a person would get wrong: an arrival is not a handling. */
static void arrival_is_not_handling(void **state)
{
    (void)state;
    shop_begin();
    uint64_t send = shop_add((struct es_event){.kind = ES_K_SEND, .pid = shop_pid(1), .peer = shop_pid(2)});
    uint64_t deliver = shop_add((struct es_event){
        .kind = ES_K_DELIVER, .pid = shop_pid(2), .peer = shop_pid(1), .cause = send, .cause_state = ES_CAUSE_PAIRED});
    uint64_t act = shop_add((struct es_event){.kind = ES_K_SEND, .pid = shop_pid(2), .peer = shop_pid(3)});
    uint64_t other = shop_add((struct es_event){.kind = ES_K_SEND, .pid = shop_pid(4), .peer = shop_pid(3)});
    uint64_t strange = shop_add((struct es_event){
        .kind = ES_K_DELIVER, .pid = shop_pid(4), .peer = shop_pid(9), .cause_state = ES_CAUSE_UNTRACED});
    uint64_t last = shop_add((struct es_event){.kind = ES_K_SEND, .pid = shop_pid(4), .peer = shop_pid(3)});
    shop_end();
    struct es_query *query = shop_open();
    struct {
        uint64_t a, b;
        enum es_order order;
        size_t unknown;
    } table[] = {{send, deliver, ES_ORDER_BEFORE, 0},          {deliver, act, ES_ORDER_POSSIBLY_BEFORE, 0},
                 {send, act, ES_ORDER_POSSIBLY_BEFORE, 0},     {act, send, ES_ORDER_POSSIBLY_AFTER, 0},
                 {send, other, ES_ORDER_CONCURRENT, 0},        {other, last, ES_ORDER_BEFORE, 1},
                 {act, last, ES_ORDER_CONCURRENT, 1},          {other, strange, ES_ORDER_CONCURRENT, 1},
                 {strange, last, ES_ORDER_POSSIBLY_BEFORE, 0}, {act, act, ES_ORDER_SAME, 0}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct es_order_answer answer;
        assert_ok(es_query_before(query, table[i].a, table[i].b, &answer));
        assert_string_equal(es_order_names[answer.order], es_order_names[table[i].order]);
        assert_int_equal(answer.unknown, table[i].unknown);
        free(answer.path);
    }
    struct es_order_answer answer;
    assert_int_equal(es_query_before(query, 1, 99, &answer), -ENOENT);
    es_query_close(query);
}

/* One process starts another, as far as the order is concerned. */
static uint64_t lead(uint32_t from, uint32_t to)
{
    struct es_event spawn = shop_fun(ES_K_SPAWN, from, "Elixir.Shop", "f");
    spawn.peer = shop_pid(to);
    uint64_t cause = shop_add(spawn);
    struct es_event spawned = shop_fun(ES_K_SPAWNED, to, "Elixir.Shop", "f");
    spawned.peer = shop_pid(from);
    spawned.cause = cause;
    spawned.cause_state = ES_CAUSE_PAIRED;
    return shop_add(spawned);
}

/* Much happens at both ends, so that neither finds the other soon: with and without a way between them. */
static void long_ways(void **state)
{
    (void)state;
    for (int linked = 0; linked < 2; linked++) {
        shop_begin();
        uint64_t first = lead(1, 2) - 1, last = 0;
        for (int i = 0; i < 3000; i++)
            lead(1 + (uint32_t)i % 2, 2 - (uint32_t)i % 2);
        uint64_t way = linked ? lead(2, 3) : 0;
        for (int i = 0; i < 3000; i++)
            last = lead(3 + (uint32_t)i % 2, 4 - (uint32_t)i % 2);
        shop_end();
        struct es_query *query = shop_open();
        struct es_order_answer answer;
        assert_ok(es_query_before(query, first, last, &answer));
        assert_string_equal(es_order_names[answer.order], linked ? "before" : "concurrent");
        bool found = false;
        for (size_t i = 0; i < answer.n_path; i++)
            found = found || answer.path[i] == way;
        assert_int_equal(found, linked);
        free(answer.path);
        es_query_close(query);
        shop_teardown(NULL);
        shop_setup(NULL);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_recordings), TEST(arrival_is_not_handling),
                                       TEST(long_ways)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
