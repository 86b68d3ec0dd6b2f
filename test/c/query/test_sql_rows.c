/* SPDX-License-Identifier: MIT */
/* Tables of SQL whose rows are put together from several events, against what was written by hand. */
#include "shop.h"

static struct es_query *query;
static struct es_sql *sql;

static void begin_asking(void)
{
    struct es_sql_options options = {.timeout_ns = INT64_C(60000000000)};
    shop_end();
    query = shop_open();
    assert_ok(es_sql_open(query, &options, &sql));
}

static void end_asking(void)
{
    es_sql_close(sql);
    es_query_close(query);
}

/* Rows as "a,b,c" with NULL as -, one a line. */
static void gives(const char *text, const char *expected)
{
    struct es_text out = {0};
    es_text_puts(&out, "");
    int rc = es_sql_begin(sql, text, NULL);
    assert_true(rc == 1 || (printf("%s: %s\n", text, es_error_text()), false));
    while ((rc = es_sql_step(sql)) > 0) {
        for (size_t i = 0; i < es_sql_columns(sql); i++) {
            struct es_sql_cell cell;
            es_sql_cell(sql, i, &cell);
            es_text_puts(&out, i ? "," : "");
            if (cell.type == ES_SQL_INTEGER)
                es_text_int(&out, cell.integer);
            else
                es_text_puts(&out, cell.type == ES_SQL_NULL ? "-" : cell.text);
        }
        es_text_puts(&out, "\n");
    }
    if (rc < 0)
        es_text_printf(&out, "error: %s", es_error_text());
    if (strcmp(out.bytes, expected) != 0)
        fail_msg("%s\n%s\nexpected:\n%s", text, out.bytes, expected);
    es_text_fini(&out);
}

static uint64_t call(enum es_kind kind, uint32_t pid, const char *function)
{
    return shop_add(shop_fun(kind, pid, "Elixir.Shop.Cart", function));
}

/* seq: 1 outer, 2 inner, 3 other process, 4 inner ends, 5 inner again, 6 raises, 7 outer ends, 8 other ends, 9
 * alone, 10 callback that stays open. */
static void spans(void **state)
{
    (void)state;
    shop_begin();
    call(ES_K_CALL, 5, "outer");
    call(ES_K_CALL, 5, "inner");
    call(ES_K_CALL, 6, "outer");
    call(ES_K_RETURN, 5, "inner");
    call(ES_K_CALL, 5, "inner");
    call(ES_K_EXCEPTION, 5, "inner");
    call(ES_K_RETURN, 5, "outer");
    call(ES_K_RETURN, 6, "outer");
    call(ES_K_CALL, 7, "lonely");
    struct es_event open = shop_fun(ES_K_CALL, 8, "Elixir.Shop.Cart", "handle_call");
    open.flags = ES_E_CALLBACK;
    shop_add(open);
    begin_asking();
    gives("SELECT seq, end_seq, total, self, running, pid, function, outcome, parent, callback, depth FROM spans ORDER "
          "BY seq",
          "1,7,6000,3000,-,<0.5.0>,outer,return,-,0,0\n"
          "2,4,2000,2000,-,<0.5.0>,inner,return,1,0,1\n"
          "3,8,5000,5000,-,<0.6.0>,outer,return,-,0,0\n"
          "5,6,1000,1000,-,<0.5.0>,inner,exception,1,0,1\n"
          "9,-,-,-,-,<0.7.0>,lonely,-,-,0,0\n"
          "10,-,0,0,-,<0.8.0>,handle_call,open,-,1,0\n");
    gives("SELECT seq, self FROM spans WHERE seq = 1", "1,3000\n");
    gives("SELECT seq FROM spans WHERE seq BETWEEN 2 AND 4 ORDER BY 1", "2\n3\n");
    gives("SELECT seq, self FROM spans WHERE pid = '<0.5.0>' AND function = 'outer'", "1,3000\n");
    gives("SELECT seq FROM spans WHERE pid = '<0.6.0>' OR pid = '<0.5.0>' ORDER BY 1", "1\n2\n3\n5\n");
    gives("SELECT seq FROM calls WHERE function = 'lonely' OR pid = '<0.5.0>' OR seq > 9 ORDER BY 1",
          "1\n2\n5\n9\n10\n");
    gives("SELECT seq FROM spans WHERE time > at('+3us') ORDER BY 1", "5\n9\n10\n");
    gives("SELECT seq, outcome, parent FROM calls ORDER BY seq",
          "1,ended,-\n2,ended,1\n3,ended,-\n5,ended,1\n9,-,-\n10,open,-\n");
    gives("SELECT stack, depth, spans, total, self FROM flame() ORDER BY stack",
          "Shop.Cart.outer/2,1,2,11000,8000\nShop.Cart.outer/2;Shop.Cart.inner/2,2,2,3000,3000\n");
    gives("SELECT stack, spans, self FROM flame('<0.6.0>')", "Shop.Cart.outer/2,1,5000\n");
    gives("SELECT kind, count(*) FROM errors GROUP BY kind", "exception,1\n");
    end_asking();
}

static void messages(void **state)
{
    (void)state;
    shop_begin();
    shop_message(5, 6, 7); /* 1 and 2 */
    shop_payload();
    es_write_int(&shop_term, 1);
    shop_add((struct es_event){.kind = ES_K_SEND, .pid = shop_pid(5), .peer = shop_atom("till"), .hash = 9}); /* 3 */
    shop_add((struct es_event){.kind = ES_K_SEND_DEAD, .pid = shop_pid(5), .peer = shop_pid(9), .hash = 10}); /* 4 */
    shop_payload();
    es_write_int(&shop_term, 2);
    shop_add((struct es_event){
        .kind = ES_K_DELIVER, .pid = shop_pid(6), .cause_state = ES_CAUSE_EXTERNAL, .hash = 11}); /* 5 */
    shop_message(6, 5, 8);                                                                        /* 6 and 7 */
    assert_ok(es_store_name(shop_store, shop_atom("cart"), shop_pid(6), SHOP_START, INT64_MAX));
    struct es_event handling = shop_fun(ES_K_CALL, 5, "Elixir.Shop.Cart", "handle_info"); /* 8 */
    handling.flags = ES_E_CALLBACK;
    handling.hash = 9;
    handling.cause = 7;
    handling.cause_state = ES_CAUSE_PAIRED;
    shop_add(handling);
    begin_asking();
    gives("SELECT seq, deliver_seq, handled_seq, queued FROM messages WHERE handled_seq IS NOT NULL", "6,7,8,1000\n");
    gives("SELECT term(seq, '{1}') + 1, term(seq, '{0}'), term(seq, '.x'), term(99, '{1}') FROM events WHERE seq = 1",
          "8,:order,-,-\n");
    gives("SELECT seq, deliver_seq, latency, sender, sender_name, receiver, receiver_name, dead, cause_state, payload "
          "FROM messages ORDER BY coalesce(seq, deliver_seq)",
          "1,2,1000,<0.5.0>,-,<0.6.0>,cart,0,paired,{:order, 7}\n"
          "3,-,-,<0.5.0>,-,till,-,0,-,1\n"
          "4,-,-,<0.5.0>,-,<0.9.0>,-,1,-,-\n"
          "-,5,-,-,-,<0.6.0>,cart,0,external,2\n"
          "6,7,1000,<0.6.0>,cart,<0.5.0>,-,0,paired,{:order, 8}\n");
    gives("SELECT seq, deliver_seq FROM messages WHERE seq = 6", "6,7\n");
    gives("SELECT seq FROM messages WHERE seq < 4 ORDER BY 1", "1\n3\n");
    gives("SELECT source, target, kind, source_pid, pid, possibly FROM edges ORDER BY target, source",
          "1,2,message,<0.5.0>,<0.6.0>,0\n1,3,program,<0.5.0>,<0.5.0>,0\n3,4,program,<0.5.0>,<0.5.0>,0\n"
          "2,6,handling,<0.6.0>,<0.6.0>,1\n5,6,handling,<0.6.0>,<0.6.0>,1\n6,7,message,<0.6.0>,<0.5.0>,0\n"
          "4,8,program,<0.5.0>,<0.5.0>,0\n7,8,handling,<0.5.0>,<0.5.0>,0\n");
    gives("SELECT source, kind FROM edges WHERE target = 4", "3,program\n");
    gives("SELECT count(*) FROM edges('causality', 3)", "2\n");
    gives("SELECT DISTINCT kind FROM edges('temporal') ORDER BY 1", "next\ntime\n");
    gives("SELECT kind, events, latency FROM edges('interaction') WHERE kind = 'message' ORDER BY target",
          "message,1,1000\nmessage,1,1000\n");
    gives("SELECT payload FROM events WHERE kind = 'deliver' ORDER BY seq", "{:order, 7}\n2\n{:order, 8}\n");
    gives("SELECT payload FROM events('erlang') WHERE seq = 2", "{order,7}\n");
    gives("SELECT payload FROM events WHERE notation = 'erlang' AND seq = 2", "{order,7}\n");
    end_asking();
}

static void add_state(uint32_t pid, unsigned flags, int64_t value)
{
    struct es_event event = shop_fun(ES_K_STATE, pid, "Elixir.Shop.Cart", "handle_call");
    event.flags = (uint8_t)flags;
    shop_payload();
    es_write_int(&shop_term, value);
    if (flags)
        shop_term.at = NULL;
    shop_add(event);
}

static void changes(void **state)
{
    (void)state;
    shop_begin();
    struct es_event callback = shop_fun(ES_K_CALL, 5, "Elixir.Shop.Cart", "handle_call");
    callback.flags = ES_E_CALLBACK;
    add_state(5, 0, 10); /* 1 */
    shop_add(callback);  /* 2 */
    callback.kind = ES_K_RETURN;
    shop_add(callback);                 /* 3 */
    add_state(5, 0, 11);                /* 4 */
    add_state(5, ES_E_STATE_SAME, 0);   /* 5 */
    add_state(6, 0, 12);                /* 6 */
    add_state(5, ES_E_STATE_MISSED, 0); /* 7 */
    add_state(5, 0, 13);                /* 8 */
    begin_asking();
    gives("SELECT seq, pid, function, callback, before_seq, before, after, captured FROM state_changes ORDER BY seq",
          "1,<0.5.0>,handle_call,-,-,-,10,1\n4,<0.5.0>,handle_call,2,1,10,11,1\n6,<0.6.0>,handle_call,-,-,-,12,1\n"
          "7,<0.5.0>,handle_call,-,4,11,-,0\n8,<0.5.0>,handle_call,-,4,11,13,1\n");
    gives("SELECT seq, before FROM state_changes WHERE seq = 8", "8,11\n");
    gives("SELECT seq, version, changed, captured, state, callback FROM states WHERE pid = '<0.5.0>' ORDER BY seq",
          "1,1,1,1,10,-\n4,2,1,1,11,2\n5,2,0,1,-,-\n7,3,1,0,-,-\n8,4,1,1,13,-\n");
    gives("SELECT seq FROM states WHERE version = 1 ORDER BY seq", "1\n6\n");
    end_asking();
}

static void add_gc(uint32_t pid, enum es_kind kind, uint64_t heap)
{
    shop_add((struct es_event){.kind = (uint8_t)kind, .pid = shop_pid(pid), .num = {heap, 2, 3, 4, 5, 6}});
}

static void collections_and_runs(void **state)
{
    (void)state;
    shop_begin();
    add_gc(5, ES_K_GC_MINOR_END, 1);   /* 1: its start was not seen */
    add_gc(5, ES_K_GC_MINOR_START, 9); /* 2 */
    add_gc(6, ES_K_GC_MAJOR_START, 8); /* 3 */
    add_gc(5, ES_K_GC_MINOR_END, 4);   /* 4 */
    add_gc(6, ES_K_GC_MAJOR_END, 5);   /* 5 */
    add_gc(7, ES_K_GC_MINOR_START, 1); /* 6: never ends */
    call(ES_K_IN, 5, "f");             /* 7 */
    call(ES_K_IN, 6, "g");             /* 8 */
    call(ES_K_OUT, 5, "h");            /* 9 */
    call(ES_K_OUT, 8, "h");            /* 10 */
    call(ES_K_IN, 6, "i");             /* 11: its out was not seen */
    begin_asking();
    gives("SELECT seq, end_seq, duration, pid, generation, reclaimed, heap_size_before, heap_size_after FROM gc ORDER "
          "BY 1",
          "2,4,2000,<0.5.0>,minor,5,9,4\n3,5,2000,<0.6.0>,major,3,8,5\n");
    gives("SELECT seq FROM gc WHERE pid = '<0.6.0>'", "3\n");
    gives("SELECT seq, end_seq FROM gc WHERE seq = 2", "2,4\n");
    gives("SELECT seq, end_seq, duration, pid, function, end_function FROM scheduling ORDER BY seq",
          "7,9,2000,<0.5.0>,f,h\n8,-,-,<0.6.0>,g,-\n11,-,-,<0.6.0>,i,-\n");
    end_asking();
}

static void facts(void **state)
{
    (void)state;
    shop_begin();
    shop_message(5, 6, 1);
    shop_payload();
    es_write_tuple(&shop_term, 2);
    shop_write_atom("begin");
    es_write_int(&shop_term, 5);
    shop_add((struct es_event){.kind = ES_K_MARK, .pid = shop_pid(5)});
    shop_payload();
    shop_write_atom("normal");
    shop_add((struct es_event){.kind = ES_K_EXIT, .pid = shop_pid(5)});
    shop_payload();
    shop_write_atom("killed");
    shop_add((struct es_event){.kind = ES_K_EXIT, .pid = shop_pid(6)});
    shop_payload();
    es_write_tuple(&shop_term, 2);
    shop_write_atom("shutdown");
    shop_write_atom("bye");
    shop_add((struct es_event){.kind = ES_K_EXIT, .pid = shop_pid(7)});
    shop_process(5, SHOP_START, SHOP_START + 3000, "till");
    shop_process(6, INT64_MIN, INT64_MAX, NULL);
    assert_ok(es_store_loss(shop_store, ES_K_SEND, 12, 3, 4, "ring full"));
    assert_ok(es_store_loss(shop_store, ES_K_NONE, 1, 5, 6, "unknown"));
    begin_asking();
    gives("SELECT pid, name, parent, initial_call, since(spawned), since(exited), events, alive FROM processes ORDER "
          "BY pid",
          "<0.5.0>,till,<0.1.0>,Shop.Cart.init/1,0,3000,3,0\n<0.6.0>,-,<0.1.0>,Shop.Cart.init/1,-,-,2,1\n");
    gives("SELECT pid FROM processes WHERE pid = '<0.6.0>'", "<0.6.0>\n");
    gives("SELECT kind, events, time, end_time, why FROM losses ORDER BY time",
          "send,12,3,4,ring full\n-,1,5,6,unknown\n");
    gives("SELECT label, meta FROM marks", ":begin,5\n");
    gives("SELECT kind, pid, reason FROM errors", "exit,<0.6.0>,:killed\n");
    gives("SELECT p.name, e.kind FROM processes p JOIN events e ON e.pid = p.pid WHERE p.name = 'till' ORDER BY e.seq",
          "till,send\ntill,mark\ntill,exit\n");
    end_asking();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(spans, shop_setup, shop_teardown),
        cmocka_unit_test_setup_teardown(messages, shop_setup, shop_teardown),
        cmocka_unit_test_setup_teardown(changes, shop_setup, shop_teardown),
        cmocka_unit_test_setup_teardown(collections_and_runs, shop_setup, shop_teardown),
        cmocka_unit_test_setup_teardown(facts, shop_setup, shop_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
