/* SPDX-License-Identifier: MIT */
/* The JSON of an event: exact texts, and hostile content that must still be JSON. */
#include "shop.h"

static void is_json(struct es_query *query, uint64_t seq, bool erlang, const char *expected)
{
    const struct es_event *event;
    struct es_text out = {0};
    assert_ok(es_query_event(query, seq, &event));
    es_query_event_json(query, event, erlang, &out);
    assert_string_equal(out.bytes, expected);
    es_text_fini(&out);
}

#define HEAD(seq, time, kind) "{\"seq\":" #seq ",\"time\":-57646075123456" #time ",\"kind\":\"" kind "\""
#define WALL(time) ",\"wall\":176986950130000" #time "}"

static void exact(void **state)
{
    (void)state;
    shop_begin();
    shop_message(5, 6, 42);
    shop_payload();
    es_write_list(&shop_term, 1);
    es_write_tuple(&shop_term, 2);
    shop_write_atom("key");
    es_write_list(&shop_term, 1);
    es_write_int(&shop_term, 'a');
    es_write_nil(&shop_term);
    es_write_nil(&shop_term);
    struct es_event call = shop_fun(ES_K_CALL, 6, "Elixir.Shop.Cart", "-add/2-fun-0-");
    call.flags = ES_E_CALLBACK | ES_E_CUT;
    call.thread = 3;
    shop_add(call);
    shop_payload();
    es_write_binary(&shop_term, "a\"b\n", 4);
    shop_add(shop_fun(ES_K_RETURN, 6, "Elixir.Shop.Cart", "-add/2-fun-0-"));
    shop_add((struct es_event){.kind = ES_K_GC_MINOR_END,
                               .pid = shop_pid(6),
                               .num = {1, 2, 3, 4, 5, UINT64_MAX},
                               .flags = ES_E_MOVED,
                               .moved = 7});
    shop_add((struct es_event){.kind = ES_K_REGISTER, .pid = shop_pid(6), .peer = shop_atom("Elixir.Shop.Cart")});
    shop_add((struct es_event){.kind = ES_K_SPAWNED,
                               .pid = shop_pid(7),
                               .peer = shop_pid(6),
                               .module = shop_atom("gen_server"),
                               .function = shop_atom("init_it"),
                               .arity = 6,
                               .cause_state = ES_CAUSE_LOST});
    shop_add((struct es_event){.kind = ES_K_NOTICE});
    shop_add((struct es_event){.kind = ES_K_SEND_DEAD,
                               .pid = shop_pid(6),
                               .peer = shop_atom("odd name"),
                               .corr = 0xab,
                               .flags = ES_E_NO_PAYLOAD});
    assert_ok(es_store_name(shop_store, shop_atom("Elixir.Shop.Cart"), shop_pid(6), SHOP_START + 5500, INT64_MAX));
    assert_ok(es_store_name(shop_store, shop_atom("till"), shop_pid(5), INT64_MIN, INT64_MAX));
    shop_end();
    struct es_query *query = shop_open();
    is_json(
        query, 1, false,
        HEAD(1, 7890,
             "send") ",\"pid\":\"<0.5.0>\",\"name\":\"till\",\"peer\":\"<0.6.0>\",\"module\":null,\"function\":null,"
                     "\"arity\":null,\"cause\":null,\"parent\":null,\"payload\":\"{:order, "
                     "42}\",\"hash\":\"000000000000002b\"" WALL(0000));
    is_json(query, 2, true,
            HEAD(2, 6890,
                 "deliver") ",\"pid\":\"<0.6.0>\",\"name\":null,\"peer\":\"<0.5.0>\",\"module\":null,\"function\":null,"
                            "\"arity\":null,\"cause\":1,\"parent\":null,\"payload\":\"{order,42}\",\"peer_name\":"
                            "\"till\",\"cause_state\":\"paired\","
                            "\"hash\":\"000000000000002b\"" WALL(1000));
    is_json(
        query, 3, false,
        HEAD(3, 5890,
             "call") ",\"pid\":\"<0.6.0>\",\"name\":null,\"peer\":null,\"module\":\"Shop.Cart\","
                     "\"function\":\"-add/2-fun-0-\",\"arity\":2,\"cause\":null,\"parent\":null,\"payload\":\"[{:key, "
                     "'a'}]\",\"flags\":[\"cut\",\"callback\"],"
                     "\"thread\":3" WALL(2000));
    is_json(
        query, 4, true,
        "{\"seq\":4,\"time\":-576460751234564890,\"kind\":\"return\",\"pid\":\"<0.6.0>\",\"name\":null,\"peer\":null,"
        "\"module\":\"'Elixir.Shop.Cart'\",\"function\":\"-add/2-fun-0-\",\"arity\":2,\"cause\":null,\"parent\":3,"
        "\"payload\":\"<<\\\"a\\\\\\\"b\\\\n\\\">>\"" WALL(3000));
    is_json(query, 5, false,
            "{\"seq\":5,\"time\":-576460751234563890,\"kind\":\"gc_minor_end\",\"pid\":\"<0.6.0>\",\"name\":null,"
            "\"peer\":null,"
            "\"module\":null,\"function\":null,\"arity\":null,\"cause\":null,\"parent\":null,\"payload\":null,"
            "\"flags\":[\"moved\"],\"moved\":7,"
            "\"numbers\":{\"heap_size\":1,\"heap_block_size\":2,\"old_heap_size\":3,\"stack_size\":4,\"mbuf_size\":5,"
            "\"bin_vheap_size\":18446744073709551615}" WALL(4000));
    is_json(
        query, 6, false,
        "{\"seq\":6,\"time\":-576460751234562890,\"kind\":\"register\",\"pid\":\"<0.6.0>\",\"name\":null,\"peer\":"
        "\"Shop.Cart\","
        "\"module\":null,\"function\":null,\"arity\":null,\"cause\":null,\"parent\":null,\"payload\":null" WALL(5000));
    is_json(query, 7, false,
            "{\"seq\":7,\"time\":-576460751234561890,\"kind\":\"spawned\",\"pid\":\"<0.7.0>\",\"name\":null,\"peer\":"
            "\"<0.6.0>\","
            "\"module\":\"gen_server\",\"function\":\"init_it\",\"arity\":6,\"cause\":null,\"parent\":null,\"payload\":"
            "null,"
            "\"peer_name\":\"Shop.Cart\",\"cause_state\":\"lost\"" WALL(6000));
    is_json(query, 8, false,
            "{\"seq\":8,\"time\":-576460751234560890,\"kind\":\"notice\",\"pid\":null,\"name\":null,\"peer\":null,"
            "\"module\":null,"
            "\"function\":null,\"arity\":null,\"cause\":null,\"parent\":null,\"payload\":null" WALL(7000));
    is_json(query, 9, true,
            "{\"seq\":9,\"time\":-576460751234559890,\"kind\":\"send_dead\",\"pid\":\"<0.6.0>\",\"name\":\"'Elixir."
            "Shop.Cart'\","
            "\"peer\":\"'odd "
            "name'\",\"module\":null,\"function\":null,\"arity\":null,\"cause\":null,\"parent\":null,\"payload\":null,"
            "\"flags\":[\"no_payload\"],\"corr\":\"00000000000000ab\"" WALL(8000));
    es_query_close(query);
}

static void exported(struct es_query *query, enum es_export to, const char *command)
{
    FILE *reader = popen(command, "w");
    assert_non_null(reader);
    assert_ok(es_query_export(query, &(struct es_export_request){.to = to, .filter = shop_filter()}, reader));
    assert_int_equal(pclose(reader), 0);
}

/* Whatever bytes are recorded, each line is JSON: read by Python. */
static void always_json(void **state)
{
    (void)state;
    uint64_t dice = 99;
    shop_begin();
    es_ref odd = es_ref_make(ES_REF_ATOM, 3), other = es_ref_make(ES_REF_OTHER, 4);
    assert_ok(es_store_define(shop_store, odd, "a\"\\\n\xff\x01", 6));
    assert_ok(es_store_define(shop_store, other, "\xff\x00garbage", 9));
    for (int i = 0; i < 3000; i++) {
        struct es_event event = {0};
        do {
            dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            event.kind = (uint8_t)(dice >> 40) % ES_KIND_MAX;
        } while (es_kind_table[event.kind].family == ES_FAM_INTERNAL);
        unsigned fields = es_kind_table[event.kind].fields;
        event.pid = i % 3 ? shop_pid(3) : odd;
        event.peer = fields & ES_F_PEER ? (i % 2 ? other : dice) : 0;
        event.module = fields & ES_F_FUN ? (i % 2 ? odd : dice | 1) : 0;
        event.function = fields & ES_F_FUN ? (i % 5 ? odd : dice) : 0;
        event.flags = (uint8_t)(dice >> 50);
        if (fields & ES_F_CAUSE)
            event.cause_state = (uint8_t)(dice >> 20) % ES_CAUSE_MAX;
        if (event.cause_state == ES_CAUSE_PAIRED)
            event.cause = shop_seq ? 1 + (dice >> 30) % shop_seq : 0;
        if (fields & ES_F_PAYLOAD) {
            shop_payload();
            for (int k = 0; k < (int)(dice >> 33) % 60; k++)
                es_write_u8(&shop_term, (uint8_t)(dice >> (k % 50)));
        }
        shop_add(event);
    }
    shop_end();
    struct es_query *query = shop_open();
    exported(query, ES_EXPORT_JSONL,
             "python3 -c 'import json, sys\nn = [json.loads(l)[\"seq\"] for l in sys.stdin.buffer]\n"
             "sys.exit(n != list(range(1, 3001)))'");
    exported(query, ES_EXPORT_PERFETTO,
             "python3 -c 'import json, sys\njson.load(sys.stdin.buffer)[\"traceEvents\"][2000]'");
    exported(query, ES_EXPORT_ETF, "cat >/dev/null");
    struct es_cut_request cut = {
        .path = shop_file("part.scope"), .since = SHOP_START + 1000 * SHOP_STEP, .until = INT64_MAX};
    assert_ok(es_query_cut(query, &cut));
    es_query_close(query);
    assert_ok(es_query_open(shop_file("part.scope"), &query));
    exported(query, ES_EXPORT_JSONL,
             "python3 -c 'import json, sys\nsys.exit(len([json.loads(l) for l in sys.stdin.buffer]) != 2000)'");
    es_query_close(query);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {TEST(exact), TEST(always_json)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
