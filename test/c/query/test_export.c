/* SPDX-License-Identifier: MIT */
/* What is written for other programs, read by them: Erlang decodes the terms, Python checks the trace. */
#include "shop.h"

/* A small shop: messages, spawn, calls that end, that do not, that are alone, collections, scheduling. */
static int make(void **state)
{
    if (shop_setup(state) < 0)
        return -1;
    shop_begin();
    shop_message(5, 6, 1);
    uint64_t spawn = shop_add((struct es_event){.kind = ES_K_SPAWN,
                                                .pid = shop_pid(5),
                                                .peer = shop_pid(7),
                                                .module = shop_atom("Elixir.Shop.Cart"),
                                                .function = shop_atom("init"),
                                                .arity = 1});
    shop_add((struct es_event){
        .kind = ES_K_SPAWNED, .pid = shop_pid(7), .peer = shop_pid(5), .cause = spawn, .cause_state = ES_CAUSE_PAIRED});
    shop_payload();
    es_write_list(&shop_term, 1);
    es_write_cut(&shop_term, &(struct es_cut){.type = ES_CUT_REDACTED});
    es_write_nil(&shop_term);
    struct es_event outer = shop_fun(ES_K_CALL, 6, "Elixir.Shop.Cart", "handle_call");
    outer.flags = ES_E_CALLBACK | ES_E_REDACTED;
    shop_add(outer);
    shop_add(shop_fun(ES_K_CALL, 6, "Elixir.Shop.Cart", "add"));
    shop_message(6, 5, 2);
    shop_add(shop_fun(ES_K_CALL, 6, "lists", "alone"));
    shop_add((struct es_event){.kind = ES_K_GC_MINOR_START, .pid = shop_pid(6), .num = {1}});
    shop_add((struct es_event){.kind = ES_K_GC_MINOR_END, .pid = shop_pid(6), .num = {1, 2, 3, 4, 5, 6}});
    shop_add(shop_fun(ES_K_RETURN, 6, "Elixir.Shop.Cart", "add"));
    shop_add(shop_fun(ES_K_EXCEPTION, 6, "Elixir.Shop.Cart", "handle_call"));
    struct es_event open = shop_fun(ES_K_CALL, 7, "Elixir.Shop.Cart", "init");
    open.flags = ES_E_CALLBACK;
    shop_add(open);
    for (int i = 0; i < 2; i++) {
        struct es_event in = {.kind = ES_K_IN, .pid = shop_pid(5), .thread = (uint16_t)i},
                        out = {.kind = ES_K_OUT, .pid = shop_pid(5), .thread = (uint16_t)i};
        shop_add(in);
        shop_add(out);
    }
    shop_payload();
    es_write_atom(&shop_term, "killed", 6);
    uint64_t exit = shop_add((struct es_event){.kind = ES_K_EXIT, .pid = shop_pid(7)});
    shop_add((struct es_event){.kind = ES_K_DELIVER,
                               .pid = shop_pid(5),
                               .peer = shop_pid(7),
                               .cause = exit,
                               .cause_state = ES_CAUSE_PAIRED,
                               .flags = ES_E_NO_PAYLOAD});
    shop_add(shop_fun(ES_K_RETURN, 5, "lists", "stray"));
    shop_add((struct es_event){.kind = ES_K_NOTICE});
    assert_ok(es_store_name(shop_store, shop_atom("Elixir.Till"), shop_pid(5), INT64_MIN, INT64_MAX));
    shop_end();
    return 0;
}

static void export_to(enum es_export to, const char *path, struct es_filter filter)
{
    struct es_query *query = shop_open();
    struct es_export_request request = {.to = to, .filter = filter};
    FILE *out = fopen(path, "w");
    assert_ok(es_query_export(query, &request, out));
    assert_int_equal(fclose(out), 0);
    es_query_close(query);
}

/* What a program says of a file; its script lies beside this one. */
static char *told(const char *program, const char *script, const char *path)
{
    static char said[1 << 16];
    char command[1024];
    int dir = (int)(strrchr(__FILE__, '/') - __FILE__);
    snprintf(command, sizeof command, "LC_ALL=C.UTF-8 %s %.*s/%s %s", program, dir, __FILE__, script, path);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    said[fread(said, 1, sizeof said - 1, f)] = '\0';
    assert_int_equal(pclose(f), 0);
    return said;
}

static void erlang_terms(void **state)
{
    (void)state;
    struct es_filter filter = shop_filter();
    filter.kinds = UINT64_C(1) << ES_K_DELIVER | UINT64_C(1) << ES_K_CALL | UINT64_C(1) << ES_K_GC_MINOR_END |
                   UINT64_C(1) << ES_K_NOTICE;
    filter.before_seq = 7;
    export_to(ES_EXPORT_ETF, shop_file("x.etf"), filter);
    assert_string_equal(
        told("escript", "etf.escript", shop_file("x.etf")),
        "[{cause,1},{cause_state,paired},{hash,2},{kind,deliver},{payload,{order,1}},{peer,<<\"<0.5.0>\">>},{peer_name,"
        "'Elixir.Till'},"
        "{pid,<<\"<0.6.0>\">>},{seq,2},{time,-576460751234566890},{wall,1769869501300001000}]\n"
        "[{arity,2},{flags,[redacted,callback]},{function,handle_call},{kind,call},{module,'Elixir.Shop.Cart'},"
        "{payload,[{'$cut',redacted,0,<<\"0000000000000000\">>,<<>>}]},{pid,<<\"<0.6.0>\">>},{seq,5},{time,-"
        "576460751234563890},"
        "{wall,1769869501300004000}]\n"
        "[{arity,2},{function,add},{kind,call},{module,'Elixir.Shop.Cart'},{parent,5},{pid,<<\"<0.6.0>\">>},{seq,6},"
        "{time,-576460751234562890},{wall,1769869501300005000}]\n");
    filter.before_seq = 0;
    filter.after_seq = 10;
    export_to(ES_EXPORT_ETF, shop_file("x.etf"), filter);
    const char *said = told("escript", "etf.escript", shop_file("x.etf"));
    assert_non_null(strstr(said, "{numbers,[{bin_vheap_size,6},{heap_block_size,2},{heap_size,1},{mbuf_size,5},{old_"
                                 "heap_size,3},{stack_size,4}]}"));
    assert_non_null(strstr(said, "[{kind,notice},{seq,"));
}

static void perfetto(void **state)
{
    (void)state;
    export_to(ES_EXPORT_PERFETTO, shop_file("x.json"), shop_filter());
    assert_string_equal(
        told("python3", "perfetto.py", shop_file("x.json")),
        "name <0.5.0> Till\nname <0.6.0>\nname <0.7.0>\nname dirty schedulers\nname recorder\nname scheduler 1\nname "
        "schedulers\nname shop@host\n"
        "X 12\ni 3\nB 1\nE 1\ns 4\nf 4\nb 1\ne 1\n"
        "<0.5.0> Till: send <0.6.0> 1, spawn <0.7.0> Shop.Cart.init/1 1, deliver <0.6.0> 1, deliver <0.7.0> 1\n"
        "<0.6.0>: deliver Till 1, exception Shop.Cart.handle_call/2 8000, Shop.Cart.add/2 6000, send Till 1, "
        "gc_minor_end 1000\n"
        "<0.7.0>: spawned Till 1, exit 1\n"
        "scheduler 1: Till 1000\n");
    struct es_filter some = shop_filter();
    some.kinds = UINT64_C(1) << ES_K_RETURN | UINT64_C(1) << ES_K_SEND;
    export_to(ES_EXPORT_PERFETTO, shop_file("x.json"), some); /* a call's span needs its end alone */
    assert_non_null(strstr(told("python3", "perfetto.py", shop_file("x.json")), "Shop.Cart.add/2 6000"));
}

static void json_lines(void **state)
{
    (void)state;
    char line[4096];
    uint64_t n = 0;
    struct es_query *query = shop_open();
    struct es_filter filter = shop_filter();
    filter.reverse = true;
    export_to(ES_EXPORT_JSONL, shop_file("x.jsonl"), filter);
    FILE *f = fopen(shop_file("x.jsonl"), "r");
    for (; fgets(line, sizeof line, f); n++) {
        const struct es_event *event;
        struct es_text out = {0};
        assert_ok(es_query_event(query, shop_seq - n, &event));
        es_query_event_json(query, event, false, &out);
        line[strcspn(line, "\n")] = '\0';
        assert_string_equal(line, out.bytes);
        es_text_fini(&out);
    }
    assert_int_equal(n, shop_seq);
    fclose(f);
    es_query_close(query);
}

static int stop_at_once(double done, void *context)
{
    ++*(int *)context;
    assert_true(done >= 0 && done <= 1);
    return 1;
}

static void errors(void **state)
{
    (void)state;
    struct es_query *query = shop_open();
    int ticks = 0;
    struct es_export_request request = {.to = ES_EXPORT_JSONL, .filter = shop_filter()};
    FILE *full = fopen("/dev/full", "w");
    if (full) {
        assert_int_equal(es_query_export(query, &request, full), -ENOSPC);
        fclose(full);
    }
    request.tick = stop_at_once;
    request.context = &ticks;
    FILE *out = fopen(shop_file("x.jsonl"), "w");
    assert_int_equal(es_query_export(query, &request, out), -ECANCELED);
    assert_int_equal(ticks, 1);
    fclose(out);
    es_query_close(query);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, shop_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {TEST(erlang_terms), TEST(perfetto), TEST(json_lines), TEST(errors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
