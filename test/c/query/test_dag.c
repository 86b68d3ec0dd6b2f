/* SPDX-License-Identifier: MIT */
/* The seven DAGs: of a recording whose events and edges are written down here, and without cycles on random ones. */
#include <time.h>

#include "shop.h"

static const char secret[] = "0123456789-unique-bytes-to-be-followed-!";
#define SECRET 40

enum { A = 1, B = 2, C = 3 };

static uint64_t add(unsigned kind, uint32_t pid, struct es_event rest)
{
    rest.kind = (uint8_t)kind;
    rest.pid = shop_pid(pid);
    rest.cause_state = rest.cause ? ES_CAUSE_PAIRED : 0;
    if (es_kind_table[kind].fields & ES_F_FUN) {
        rest.module = shop_atom("Elixir.Shop");
        rest.function = rest.function ? rest.function : shop_atom("f");
        rest.arity = 2;
    }
    return shop_add(rest);
}

static void pair(const char *tag)
{
    es_write_tuple(&shop_term, 2);
    shop_write_atom(tag);
    es_write_binary(&shop_term, secret, SECRET);
}

static void message(const char *tag)
{
    shop_payload();
    pair(tag);
}

static void arguments(const char *tag)
{
    shop_payload();
    es_write_list(&shop_term, 1);
    pair(tag);
    es_write_nil(&shop_term);
}

static void word(const char *text)
{
    shop_payload();
    shop_write_atom(text);
}

static void holding_secret(void)
{
    shop_payload();
    es_write_tuple(&shop_term, 1);
    es_write_binary(&shop_term, secret, SECRET);
}

#define CB .flags = ES_E_CALLBACK
#define E(...) ((struct es_event){__VA_ARGS__})

/* A starts B and sends it the bytes; B asks C to store them; C ends; B, linked to it, hears of it. */
static void record_shop(void)
{
    shop_begin();
    add(ES_K_SPAWN, A, E(.peer = shop_pid(B)));               /* 1 */
    add(ES_K_SPAWNED, B, E(.peer = shop_pid(A), .cause = 1)); /* 2 */
    message("put");
    add(ES_K_SEND, A, E(.peer = shop_pid(B)));                /* 3 */
    add(ES_K_DELIVER, B, E(.peer = shop_pid(A), .cause = 3)); /* 4 */
    arguments("put");
    add(ES_K_CALL, B, E(CB, .cause = 4)); /* 5 */
    message("store");
    add(ES_K_SEND, B, E(.peer = shop_pid(C), .corr = 77));                /* 6 */
    add(ES_K_DELIVER, C, E(.peer = shop_pid(B), .corr = 77, .cause = 6)); /* 7 */
    word("noreply");
    add(ES_K_RETURN, B, E(CB)); /* 8 */
    word("empty");
    add(ES_K_STATE, B, E(CB)); /* 9 */
    arguments("store");
    add(ES_K_CALL, C, E(CB, .cause = 7)); /* 10 */
    word("ok");
    add(ES_K_SEND, C, E(.peer = shop_pid(B), .corr = 77)); /* 11 */
    word("reply");
    add(ES_K_RETURN, C, E(CB)); /* 12 */
    holding_secret();
    add(ES_K_STATE, C, E(CB));                                             /* 13 */
    add(ES_K_DELIVER, B, E(.peer = shop_pid(C), .corr = 77, .cause = 11)); /* 14 */
    add(ES_K_LINK, B, E(.peer = shop_pid(C)));                             /* 15 */
    word("killed");
    add(ES_K_EXIT, C, E(0));                                   /* 16 */
    add(ES_K_DELIVER, B, E(.peer = shop_pid(C), .cause = 16)); /* 17 */
    word("down");
    add(ES_K_CALL, B, E(CB, .cause = 17)); /* 18 */
    word("noreply");
    add(ES_K_RETURN, B, E(CB));                                      /* 19 */
    add(ES_K_STATE, B, E(.flags = ES_E_CALLBACK | ES_E_STATE_SAME)); /* 20 */
    shop_end();
}

static struct es_query *query;
static struct es_dag dag;

static void ask(struct es_dag_request request)
{
    es_dag_fini(&dag);
    if (request.since == 0 && request.until == 0) {
        request.since = INT64_MIN;
        request.until = INT64_MAX;
    }
    assert_ok(es_query_dag(query, &request, &dag));
    for (size_t i = 0; i < dag.n_edges; i++) {
        assert_true(dag.edges[i].from < dag.edges[i].to);
        assert_true(dag.edges[i].to < dag.n_nodes);
    }
}

struct expected {
    uint64_t from, to;
    unsigned kind;
    bool maybe;
};

/* Edges between events: all of these, and no others. */
static void check_edges(const struct expected *expected, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned found = 0;
        for (size_t k = 0; k < dag.n_edges; k++) {
            const struct es_dag_edge *edge = &dag.edges[k];
            found += dag.nodes[edge->from].seq == expected[i].from && dag.nodes[edge->to].seq == expected[i].to &&
                     edge->kind == expected[i].kind && edge->maybe == expected[i].maybe;
        }
        if (found != 1)
            fail_msg("%" PRIu64 " -> %" PRIu64 " %s: found %u times", expected[i].from, expected[i].to,
                     es_dag_edge_names[expected[i].kind], found);
    }
    assert_int_equal(dag.n_edges, n);
}
#define CHECK(...)                                        \
    do {                                                  \
        const struct expected list_[] = {__VA_ARGS__};    \
        check_edges(list_, sizeof list_ / sizeof *list_); \
    } while (0)

static void open_shop(void)
{
    record_shop();
    assert_ok(es_query_open(shop_path, &query));
}

static void close_shop(void)
{
    es_dag_fini(&dag);
    es_query_close(query);
}

static void causality_has_each_edge(void **state)
{
    (void)state;
    open_shop();
    ask((struct es_dag_request){.view = ES_DAG_CAUSALITY});
    assert_int_equal(dag.n_nodes, 20);
    const unsigned p = ES_DAG_E_PROGRAM, m = ES_DAG_E_MESSAGE, h = ES_DAG_E_HANDLING, x = ES_DAG_E_EXIT;
    CHECK({1, 3, p, 0}, {2, 5, p, 0}, {5, 6, p, 0}, {6, 8, p, 0}, {8, 9, p, 0}, {9, 15, p, 0}, {15, 18, p, 0},
          {18, 19, p, 0}, {19, 20, p, 0}, {10, 11, p, 0}, {11, 12, p, 0}, {12, 13, p, 0}, {13, 16, p, 0},
          {1, 2, ES_DAG_E_SPAWN, 0}, {3, 4, m, 0}, {4, 5, h, 0}, {6, 7, m, 0}, {7, 10, h, 0},
          {11, 14, ES_DAG_E_REPLY, 0}, {14, 15, h, 1}, {16, 17, x, 0}, {17, 18, h, 0});
    close_shop();
}

/* What the window does not show of a message's handling is not said to be unknown. */
static void handling_outside_of_the_window_is_no_guess(void **state)
{
    (void)state;
    open_shop();
    ask((struct es_dag_request){.view = ES_DAG_CAUSALITY, .limit = 9});
    assert_int_equal(dag.n_nodes, 9);
    assert_int_equal(dag.left_nodes, 11);
    for (size_t i = 0; i < dag.n_edges; i++)
        assert_false(dag.edges[i].maybe);
    close_shop();
}

static void temporal_is_the_order_of_time(void **state)
{
    const struct es_dag_edge *edge;
    (void)state;
    open_shop();
    ask((struct es_dag_request){.view = ES_DAG_TEMPORAL});
    assert_int_equal(dag.n_nodes, 20);
    for (uint32_t i = 1; i < 20; i++) {
        unsigned found = 0;
        for (edge = dag.edges; edge < dag.edges + dag.n_edges; edge++)
            found += edge->from == i - 1 && edge->to == i && edge->latency == SHOP_STEP;
        assert_int_equal(found, 1);
    }
    ask((struct es_dag_request){.view = ES_DAG_TEMPORAL, .focus = 10, .limit = 4});
    assert_int_equal(dag.n_nodes, 4);
    assert_int_equal(dag.nodes[0].seq, 9);
    assert_int_equal(dag.nodes[3].seq, 12);
    assert_int_equal(dag.left_nodes, 16);
    ask((struct es_dag_request){.view = ES_DAG_TEMPORAL, .focus = 20, .limit = 4});
    assert_int_equal(dag.nodes[0].seq, 17);
    ask((struct es_dag_request){.view = ES_DAG_TEMPORAL, .focus = 1, .limit = 4});
    assert_int_equal(dag.nodes[3].seq, 4);
    ask((struct es_dag_request){
        .view = ES_DAG_TEMPORAL, .since = SHOP_START + 2 * SHOP_STEP, .until = SHOP_START + 5 * SHOP_STEP});
    assert_int_equal(dag.n_nodes, 3);
    assert_int_equal(dag.nodes[0].seq, 3);
    es_ref pid = shop_pid(A);
    ask((struct es_dag_request){.view = ES_DAG_TEMPORAL, .pids = &pid, .n_pids = 1});
    assert_int_equal(dag.n_nodes, 2);
    CHECK({1, 3, ES_DAG_E_NEXT, 0});
    close_shop();
}

static const struct es_dag_edge *dealing(uint32_t from, unsigned phase, uint32_t to, unsigned kind)
{
    for (size_t i = 0; i < dag.n_edges; i++) {
        const struct es_dag_node *f = &dag.nodes[dag.edges[i].from], *t = &dag.nodes[dag.edges[i].to];
        if (f->pid == shop_pid(from) && t->pid == shop_pid(to) && t->phase == phase && dag.edges[i].kind == kind)
            return &dag.edges[i];
    }
    fail_msg("no %s from %u to %u", es_dag_edge_names[kind], from, to);
    return NULL;
}

static void processes_that_deal_with_each_other_get_phases(void **state)
{
    (void)state;
    open_shop();
    ask((struct es_dag_request){.view = ES_DAG_INTERACTION});
    assert_int_equal(dag.n_nodes, 4);
    assert_int_equal(dag.n_edges, 6);
    assert_int_equal(dealing(A, 1, B, ES_DAG_E_SPAWN)->count, 1);
    assert_int_equal(dealing(A, 1, B, ES_DAG_E_MESSAGE)->latency, SHOP_STEP);
    const struct es_dag_edge *request = dealing(B, 1, C, ES_DAG_E_REQUEST);
    assert_int_equal(request->count, 1);
    assert_int_equal(request->latency, 8 * SHOP_STEP); /* until the answer was there */
    dealing(B, 1, C, ES_DAG_E_LINK);
    dealing(C, 2, B, ES_DAG_E_EXIT);
    dealing(B, 2, B, ES_DAG_E_LATER);
    es_ref pid = shop_pid(A);
    ask((struct es_dag_request){.view = ES_DAG_INTERACTION, .pids = &pid, .n_pids = 1});
    assert_int_equal(dag.n_nodes, 2);
    ask((struct es_dag_request){.view = ES_DAG_INTERACTION, .limit = 2});
    assert_int_equal(dag.n_nodes, 2);
    assert_int_equal(dag.left_nodes, 1); /* C */
    assert_true(dag.left_edges >= 2);
    close_shop();
}

static void states_say_what_changed_them(void **state)
{
    (void)state;
    open_shop();
    ask((struct es_dag_request){.view = ES_DAG_STATE});
    assert_int_equal(dag.n_nodes, 3);
    CHECK({9, 20, ES_DAG_E_CHANGE, 0});
    assert_int_equal(dag.edges[0].seq, 17);
    assert_true(dag.nodes[2].flags & ES_E_STATE_SAME);
    assert_true(dag.nodes[1].bytes > SECRET);
    close_shop();
}

static void values_are_followed(void **state)
{
    struct es_text text = {0};
    (void)state;
    open_shop();
    ask((struct es_dag_request){.view = ES_DAG_DATA});
    const unsigned v = ES_DAG_E_VALUE;
    CHECK({3, 5, v, 0}, {5, 6, v, 0}, {6, 10, v, 0}, {10, 13, v, 0});
    es_query_dag_value(query, &dag.nodes[dag.n_nodes - 1], true, &text);
    assert_non_null(strstr(text.bytes, secret));
    es_text_fini(&text);
    ask((struct es_dag_request){.view = ES_DAG_DATA, .focus = 13});
    CHECK({3, 5, v, 0}, {5, 6, v, 0}, {6, 10, v, 0}, {10, 13, v, 0});
    struct es_dag_request nothing = {.view = ES_DAG_DATA, .since = INT64_MIN, .until = INT64_MAX, .focus = 1};
    struct es_dag none;
    assert_int_equal(es_query_dag(query, &nothing, &none), -ENOENT);
    close_shop();
}

static void the_critical_path_is_what_came_last(void **state)
{
    static const uint64_t path[] = {1, 3, 4, 5, 6, 7, 10, 11, 12};
    (void)state;
    open_shop();
    ask((struct es_dag_request){.view = ES_DAG_PERFORMANCE, .focus = 12});
    size_t n = 0;
    for (size_t i = 0; i < dag.n_nodes; i++) {
        if (!dag.nodes[i].critical)
            continue;
        assert_true(n < sizeof path / sizeof *path);
        assert_int_equal(dag.nodes[i].seq, path[n++]);
    }
    assert_int_equal(n, sizeof path / sizeof *path);
    for (size_t i = 0; i < dag.n_nodes; i++)
        if (dag.nodes[i].seq == 5)
            assert_int_equal(dag.nodes[i].total, 3 * SHOP_STEP);
    for (size_t i = 0; i < dag.n_edges; i++) /* B did nothing until the message came */
        if (dag.nodes[dag.edges[i].from].seq == 2 && dag.nodes[dag.edges[i].to].seq == 5)
            assert_int_equal(dag.edges[i].kind, ES_DAG_E_WAITING);
    close_shop();
}

/* f calls g; g's end and f's end have these values; 0: an exception. */
static void nested(int inner, int outer)
{
    static const char *const values[] = {"badarg", "one", "two"};
    es_ref g = shop_atom("g");
    word("arg");
    add(ES_K_CALL, A, E(0));
    word("arg");
    add(ES_K_CALL, A, E(.function = g));
    word(values[inner]);
    add(inner ? ES_K_RETURN : ES_K_EXCEPTION, A, E(.function = g));
    word(values[outer]);
    add(outer ? ES_K_RETURN : ES_K_EXCEPTION, A, E(0));
}

static void calls_stand_below_their_callers(void **state)
{
    (void)state;
    shop_begin();
    nested(1, 2);
    nested(1, 1);
    nested(0, 0);
    shop_end();
    assert_ok(es_query_open(shop_path, &query));
    ask((struct es_dag_request){.view = ES_DAG_CODE});
    assert_int_equal(dag.n_nodes, 6);
    CHECK({1, 2, ES_DAG_E_CALL, 0}, {5, 6, ES_DAG_E_TAIL, 1}, {9, 10, ES_DAG_E_FAIL, 0});
    ask((struct es_dag_request){.view = ES_DAG_CODE, .limit = 2, .focus = 6});
    assert_int_equal(dag.nodes[0].seq, 5);
    assert_int_equal(dag.nodes[1].seq, 6);
    assert_int_equal(dag.left_nodes, 4);
    close_shop();
}

static void bad_questions_are_answered(void **state)
{
    struct es_dag none;
    (void)state;
    open_shop();
    assert_int_equal(es_dag_view_by_name("data"), ES_DAG_DATA);
    assert_int_equal(es_dag_view_by_name("tree"), -ENOENT);
    assert_non_null(strstr(es_error_text(), "causality"));
    struct es_dag_request outside = {.view = ES_DAG_CODE, .since = INT64_MIN, .until = INT64_MAX, .focus = 21};
    assert_int_equal(es_query_dag(query, &outside, &none), -ENOENT);
    es_ref nobody = shop_pid(99);
    for (unsigned view = 0; view < ES_DAG_VIEWS; view++) {
        ask((struct es_dag_request){.view = view, .pids = &nobody, .n_pids = 1});
        assert_int_equal(dag.n_nodes, 0);
    }
    close_shop();
}

/* ---- random recordings --------------------------------------------------------------------------------------------- */

static unsigned seed;

static unsigned pick(unsigned n)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 16) % n;
}

static void add_random(uint64_t seq)
{
    static const unsigned kinds[] = {ES_K_SEND,           ES_K_SEND,        ES_K_DELIVER, ES_K_DELIVER, ES_K_CALL,
                                     ES_K_RETURN,         ES_K_SPAWN,       ES_K_SPAWNED, ES_K_LINK,    ES_K_EXIT,
                                     ES_K_STATE,          ES_K_IN,          ES_K_OUT,     ES_K_TIMEOUT, ES_K_MEMORY,
                                     ES_K_GC_MINOR_START, ES_K_GC_MINOR_END};
    unsigned kind = kinds[pick(sizeof kinds / sizeof *kinds)];
    unsigned fields = es_kind_table[kind].fields;
    struct es_event event = {.peer = shop_pid(1 + pick(5)), .flags = pick(2) ? ES_E_CALLBACK : 0};
    if (fields & ES_F_CAUSE && seq > 1 && pick(6) > 0)
        event.cause = seq - 1 - pick(seq > 30 ? 30 : (unsigned)seq - 1);
    if (fields & ES_F_CORR)
        event.corr = pick(4);
    if (fields & ES_F_PAYLOAD && pick(3))
        message(pick(2) ? "a" : "b");
    add(kind, 1 + pick(5), event);
}

static void random_recordings_have_no_cycles(void **state)
{
    (void)state;
    seed = (unsigned)time(NULL) ^ (unsigned)getpid();
    print_message("seed %u\n", seed);
    for (int round = 0; round < 12; round++) {
        uint64_t n = 20 + pick(600);
        shop_begin();
        for (uint64_t i = 1; i <= n; i++)
            add_random(i);
        shop_end();
        assert_ok(es_query_open(shop_path, &query));
        for (unsigned view = 0; view < ES_DAG_VIEWS; view++) {
            ask((struct es_dag_request){.view = view, .limit = 100000});
            assert_int_equal(dag.left_edges, 0); /* none had to be turned away */
            ask((struct es_dag_request){.view = view, .limit = 1 + pick(50)});
            struct es_dag_request near = {.view = view,
                                          .limit = 1 + pick(50),
                                          .since = INT64_MIN,
                                          .until = INT64_MAX,
                                          .focus = 1 + pick((unsigned)n)};
            struct es_dag around;
            int rc = es_query_dag(query, &near, &around);
            if (rc == 0) {
                assert_true(around.n_nodes <= near.limit);
                es_dag_fini(&around);
            } else { /* nothing to follow in the focus */
                assert_int_equal(rc, -ENOENT);
                assert_int_equal(view, ES_DAG_DATA);
            }
        }
        close_shop();
        unlink(shop_path);
    }
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, shop_setup, shop_teardown)
    const struct CMUnitTest tests[] = {
        T(causality_has_each_edge),
        T(handling_outside_of_the_window_is_no_guess),
        T(temporal_is_the_order_of_time),
        T(processes_that_deal_with_each_other_get_phases),
        T(states_say_what_changed_them),
        T(values_are_followed),
        T(the_critical_path_is_what_came_last),
        T(calls_stand_below_their_callers),
        T(bad_questions_are_answered),
        T(random_recordings_have_no_cycles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
