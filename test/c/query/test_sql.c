/* SPDX-License-Identifier: MIT */
/* SQL over a recording against SQLite's own answers over an ordinary table with the same rows, which this test
 * writes from what it put into the recording. */
#include <sqlite3.h>
#include <time.h>

#include "shop.h"

#define EVENTS 3000

static sqlite3 *truth;
static uint64_t seed;

static uint32_t dice(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((seed >> 16) % n);
}

/* ---- what is recorded ---------------------------------------------------------------------------------------------- */

static const char *const modules[] = {"Elixir.Shop.Cart", "gen_server", "Elixir.Shop.Till", "odd name"};
static const char *const shown_modules[] = {"Shop.Cart", "gen_server", "Shop.Till", "\"odd name\""};
static const char *const functions[] = {"add", "handle_call", "5", "take away"};

static void exec(const char *text)
{
    char *error = NULL;
    if (sqlite3_exec(truth, text, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s: %s", text, error);
}

static const char *name_at(uint32_t pid, int64_t time)
{
    if (pid == 5 && time >= SHOP_START + 100 * SHOP_STEP)
        return time >= SHOP_START + 2000 * SHOP_STEP ? "Shop.Till" : "cart";
    return pid == 6 && time >= SHOP_START + 2500 * SHOP_STEP ? "cart" : NULL;
}

static void insert(const struct es_event *e, int module, int function)
{
    static sqlite3_stmt *s;
    char pid[32], peer[32], payload[32];
    uint32_t number = es_ref_pid_number(e->pid);
    if (!s)
        assert_int_equal(
            sqlite3_prepare_v2(truth, "INSERT INTO events VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)", -1, &s, NULL),
            SQLITE_OK);
    snprintf(pid, sizeof pid, "<0.%u.0>", number);
    snprintf(peer, sizeof peer, "<0.%u.0>", es_ref_pid_number(e->peer));
    snprintf(payload, sizeof payload, "%" PRIu64, e->seq * 7);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    sqlite3_bind_int64(s, 1, (int64_t)e->seq);
    sqlite3_bind_int64(s, 2, e->time);
    sqlite3_bind_text(s, 3, es_kind_table[e->kind].name, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 4, es_family_names[es_kind_table[e->kind].family], -1, SQLITE_STATIC);
    if (e->pid)
        sqlite3_bind_text(s, 5, pid, -1, SQLITE_TRANSIENT);
    if (e->pid && name_at(number, e->time))
        sqlite3_bind_text(s, 6, name_at(number, e->time), -1, SQLITE_STATIC);
    if (e->peer)
        sqlite3_bind_text(s, 7, peer, -1, SQLITE_TRANSIENT);
    if (module >= 0) {
        sqlite3_bind_text(s, 8, shown_modules[module], -1, SQLITE_STATIC);
        sqlite3_bind_text(s, 9, functions[function], -1, SQLITE_STATIC);
        sqlite3_bind_int(s, 10, e->arity);
    }
    if (e->cause)
        sqlite3_bind_int64(s, 11, (int64_t)e->cause);
    if (e->cause_state)
        sqlite3_bind_text(s, 12, es_cause_names[e->cause_state], -1, SQLITE_STATIC);
    if (e->kind != ES_K_DELIVER && es_kind_table[e->kind].fields & ES_F_PAYLOAD && e->seq % 3)
        sqlite3_bind_text(s, 13, payload, -1, SQLITE_TRANSIENT);
    if (e->thread)
        sqlite3_bind_int(s, 14, e->thread);
    assert_int_equal(sqlite3_step(s), SQLITE_DONE);
    if (e->seq == EVENTS) {
        sqlite3_finalize(s);
        s = NULL;
    }
}

static void record_one(void)
{
    static const uint8_t kinds[] = {ES_K_SEND, ES_K_DELIVER, ES_K_MARK, ES_K_LINK, ES_K_TIMEOUT, ES_K_IN, ES_K_OUT};
    struct es_event e = {.kind = kinds[dice(sizeof kinds)], .pid = dice(20) ? shop_pid(5 + dice(5)) : ES_REF_NONE};
    unsigned fields = es_kind_table[e.kind].fields;
    int module = -1, function = 0;
    e.thread = (uint16_t)dice(4);
    if (fields & ES_F_PEER)
        e.peer = shop_pid(5 + dice(9));
    if (fields & ES_F_FUN) {
        module = (int)dice(4);
        function = (int)dice(4);
        e.module = shop_atom(modules[module]);
        e.function = shop_atom(functions[function]);
        e.arity = (uint16_t)dice(3);
    }
    if (e.kind == ES_K_DELIVER) {
        e.cause_state = ES_CAUSE_EXTERNAL;
        e.flags = ES_E_NO_PAYLOAD;
    } else if (fields & ES_F_PAYLOAD && (shop_seq + 1) % 3) {
        shop_payload();
        es_write_int(&shop_term, (int64_t)(shop_seq + 1) * 7);
    }
    e.time = shop_now;
    e.seq = shop_add(e);
    insert(&e, module, function);
    if (dice(3) == 0)
        shop_now -= SHOP_STEP; /* some at the same time */
}

static int make(void **state)
{
    if (shop_setup(state) < 0)
        return -1;
    const char *given = getenv("ES_TEST_SEED");
    seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 2654435761u | 1;
    printf("seed %" PRIu64 "\n", seed);
    assert_int_equal(sqlite3_open(":memory:", &truth), SQLITE_OK);
    exec("CREATE TABLE events(seq INTEGER, time INTEGER, kind TEXT, family TEXT, pid TEXT, name TEXT, peer TEXT, "
         "module TEXT, "
         "function TEXT, arity INTEGER, cause INTEGER, cause_state TEXT, payload TEXT, thread INTEGER)");
    shop_begin();
    for (int i = 0; i < EVENTS; i++) {
        record_one();
        if (i % 700 == 699)
            assert_ok(es_store_keyframe(shop_store, "", 0)); /* a group has blocks of its own */
    }
    es_ref cart = shop_atom("cart"), till = shop_atom("Elixir.Shop.Till");
    assert_ok(
        es_store_name(shop_store, cart, shop_pid(5), SHOP_START + 100 * SHOP_STEP, SHOP_START + 2000 * SHOP_STEP));
    assert_ok(es_store_name(shop_store, till, shop_pid(5), SHOP_START + 2000 * SHOP_STEP, INT64_MAX));
    assert_ok(es_store_name(shop_store, cart, shop_pid(6), SHOP_START + 2500 * SHOP_STEP, INT64_MAX));
    shop_end();
    struct es_query *query = shop_open();
    const struct es_block_info *blocks;
    assert_true(es_recording_blocks(es_query_recording(query), &blocks) > 3);
    es_query_close(query);
    return 0;
}

static int unmake(void **state)
{
    sqlite3_close(truth);
    return shop_teardown(state);
}

/* ---- answers ------------------------------------------------------------------------------------------------------- */

static void add_cell(struct es_text *out, int type, const char *text)
{
    es_text_printf(out, "%d:%s|", type, text ? text : "");
}

/* All rows as text, or what is wrong. */
static void ask_ours(struct es_sql *sql, const char *text, struct es_text *out)
{
    static const int types[] = {SQLITE_NULL, SQLITE_INTEGER, SQLITE_FLOAT, SQLITE_TEXT, SQLITE_BLOB};
    es_text_clear(out);
    es_text_puts(out, "");
    int rc = es_sql_begin(sql, text, NULL);
    while (rc > 0 && (rc = es_sql_step(sql)) > 0) {
        for (size_t i = 0; i < es_sql_columns(sql); i++) {
            struct es_sql_cell cell;
            char number[64];
            es_sql_cell(sql, i, &cell);
            snprintf(number, sizeof number, cell.type == ES_SQL_REAL ? "%.9g" : "%.0f", cell.real);
            if (cell.type == ES_SQL_INTEGER)
                snprintf(number, sizeof number, "%" PRId64, cell.integer);
            bool is_number = cell.type == ES_SQL_INTEGER || cell.type == ES_SQL_REAL;
            add_cell(out, types[cell.type], is_number ? number : cell.text);
        }
        es_text_puts(out, "\n");
    }
    if (rc < 0)
        es_text_printf(out, "error: %s", es_error_text());
}

static void ask_truth(const char *text, struct es_text *out)
{
    sqlite3_stmt *s;
    es_text_clear(out);
    es_text_puts(out, "");
    if (sqlite3_prepare_v2(truth, text, -1, &s, NULL) != SQLITE_OK)
        fail_msg("%s: %s", text, sqlite3_errmsg(truth));
    while (sqlite3_step(s) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(s); i++) {
            char number[64];
            int type = sqlite3_column_type(s, i);
            snprintf(number, sizeof number, "%.9g", sqlite3_column_double(s, i));
            add_cell(out, type, type == SQLITE_FLOAT ? number : (const char *)sqlite3_column_text(s, i));
        }
        es_text_puts(out, "\n");
    }
    sqlite3_finalize(s);
}

static struct es_sql *open_sql(struct es_query *query)
{
    struct es_sql *sql;
    struct es_sql_options options = {.timeout_ns = INT64_C(60000000000)};
    assert_ok(es_sql_open(query, &options, &sql));
    return sql;
}

static void same(struct es_sql *sql, const char *text)
{
    struct es_text ours = {0}, theirs = {0};
    ask_ours(sql, text, &ours);
    ask_truth(text, &theirs);
    if (strcmp(ours.bytes, theirs.bytes) != 0)
        fail_msg("%s\nours:\n%.2000s\ntruth:\n%.2000s", text, ours.bytes, theirs.bytes);
    es_text_fini(&ours);
    es_text_fini(&theirs);
}

/* ---- against SQLite itself ----------------------------------------------------------------------------------------- */

static void edges_of_types(void **state)
{
    (void)state;
    struct es_query *query = shop_open();
    struct es_sql *sql = open_sql(query);
    static const char *const wheres[] = {"seq > 2990.5",
                                         "seq >= 2990.5",
                                         "seq < 5.5",
                                         "seq <= 5.5",
                                         "seq = 5.0",
                                         "seq = 5.5",
                                         "seq = '5'",
                                         "seq = ' 5 '",
                                         "seq > 'x'",
                                         "seq < 'x' AND seq < 4",
                                         "seq = x'05'",
                                         "seq < x'05' AND seq < 4",
                                         "seq = NULL",
                                         "seq > NULL",
                                         "seq < 9e99 AND seq < 3",
                                         "seq > -9e99 AND seq < 3",
                                         "seq > 9e99",
                                         "seq < -1",
                                         "seq <= 0",
                                         "seq >= -5 AND seq <= 2",
                                         "seq > 9223372036854775807",
                                         "seq < -9223372036854775808",
                                         "seq <= 9223372036854775807 AND seq < 3",
                                         "seq BETWEEN 10 AND 12",
                                         "seq IN (3, 1, 2, 3, NULL)",
                                         "seq IN (SELECT seq + 1 FROM events WHERE kind = 'mark' AND seq < 50)",
                                         "seq NOT IN (1, 2) AND seq < 6",
                                         "kind = NULL",
                                         "kind != NULL",
                                         "kind = 5",
                                         "kind = 'MARK'",
                                         "kind = 'mark' COLLATE NOCASE AND seq < 50",
                                         "kind COLLATE NOCASE = 'MARK' AND seq < 50",
                                         "kind != 'mark' AND seq < 20",
                                         "kind IN ('mark', 'in', 'x', NULL) AND seq < 60",
                                         "kind IN ('mark') AND kind = 'in'",
                                         "kind = 'mark' AND kind != 'mark'",
                                         "kind NOT IN ('mark', 'in') AND seq < 20",
                                         "kind > 'mark' AND seq < 20",
                                         "kind LIKE 'm%' AND seq < 50",
                                         "kind = 'pad'",
                                         "kind = ''",
                                         "pid = '<0.5.0>' AND seq < 50",
                                         "pid = '<0.05.0>'",
                                         "pid = '<0.5.0> '",
                                         "pid IS NULL AND seq < 300",
                                         "pid = NULL",
                                         "pid IN ('<0.5.0>', '<0.6.0>', 'x') AND seq < 30",
                                         "pid = '<0.5.0>' AND pid = '<0.6.0>'",
                                         "pid != '<0.5.0>' AND seq < 20",
                                         "pid > '<0.6.0>' AND seq < 20",
                                         "pid = 5",
                                         "pid = '<0.999.0>'",
                                         "name = 'cart' AND seq < 400",
                                         "name = 'Shop.Till' AND seq > 2900",
                                         "name IS NULL AND seq < 10",
                                         "name = 'nobody'",
                                         "name = 'CART' COLLATE NOCASE AND seq < 300",
                                         "name IN ('cart', 'Shop.Till') AND seq > 2950",
                                         "name = pid",
                                         "module = 'Shop.Cart' AND seq < 60",
                                         "module = '\"odd name\"' AND seq < 90",
                                         "module = 'Elixir.Shop.Cart'",
                                         "module = 'Shop.*'",
                                         "module = 'odd name'",
                                         "module = 'gen_server' AND function = '5' AND seq < 300",
                                         "function = 5 AND seq < 100",
                                         "function = '5' AND seq < 100",
                                         "function = 5.0 AND seq < 100",
                                         "function = 'take away' AND seq < 100",
                                         "arity = 2 AND seq < 50",
                                         "arity = '2' AND seq < 50",
                                         "arity IS NULL AND seq < 5",
                                         "payload = 7 AND seq < 50",
                                         "payload > 100 AND seq < 30",
                                         "length(payload) = 2 AND seq < 10",
                                         "cause_state = 'external' AND seq < 30",
                                         "thread = 2 AND seq < 20",
                                         "thread IS NULL AND seq < 20",
                                         "time = -576460751234567890",
                                         "time < -576460751234560000",
                                         "time >= -576460751234567890.0 AND seq < 4",
                                         "seq = 5 OR seq = 7",
                                         "(kind = 'mark' OR pid = '<0.5.0>') AND seq < 30",
                                         "NOT kind = 'mark' AND seq < 9",
                                         "seq IS 5",
                                         "seq IS NOT NULL AND seq < 3",
                                         "seq = 5 AND seq = 5"};
    for (size_t i = 0; i < sizeof wheres / sizeof wheres[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, "SELECT seq, kind, pid, name, module, payload FROM events WHERE %s ORDER BY seq",
                 wheres[i]);
        same(sql, text);
        snprintf(text, sizeof text, "SELECT count(*) FROM events WHERE %s", wheres[i]);
        same(sql, text);
        snprintf(text, sizeof text, "SELECT kind, count(*) FROM events WHERE %s GROUP BY kind", wheres[i]);
        same(sql, text);
    }
    es_sql_close(sql);
    es_query_close(query);
}

static void forms(void **state)
{
    (void)state;
    struct es_query *query = shop_open();
    struct es_sql *sql = open_sql(query);
    static const char *const texts[] = {
        "SELECT count(*), min(seq), max(seq), min(time), max(time) FROM events",
        "SELECT kind, count(*) FROM events WHERE pid IN ('<0.6.0>', '<0.8.0>') AND kind = 'link' OR kind IN ('send', "
        "'link', 'out') "
        "GROUP BY kind ORDER BY kind",
        "SELECT DISTINCT kind FROM events ORDER BY kind",
        "SELECT DISTINCT kind FROM events ORDER BY kind DESC",
        "SELECT DISTINCT kind, pid FROM events ORDER BY pid DESC, kind",
        "SELECT count(DISTINCT pid) FROM events",
        "SELECT kind, pid, count(*) FROM events GROUP BY kind, pid",
        "SELECT family, count(*) FROM events GROUP BY family",
        "SELECT family, kind, count(*) FROM events GROUP BY 1, 2",
        "SELECT pid, count(*) FROM events GROUP BY pid ORDER BY count(*) DESC, pid",
        "SELECT name, count(*) FROM events GROUP BY name",
        "SELECT module, function, arity, count(*) FROM events GROUP BY module, function, arity ORDER BY 1, 2 DESC, 3",
        "SELECT thread, kind, count(*) FROM events GROUP BY thread, kind HAVING count(*) > 10",
        "SELECT kind, count(*), sum(seq), min(time) FROM events GROUP BY kind",
        "SELECT kind, count(*) FROM events WHERE seq BETWEEN 650 AND 2200 GROUP BY kind",
        "SELECT pid, count(*) FROM events WHERE seq > 650 GROUP BY pid",
        "SELECT pid, count(*) FROM events WHERE pid IN ('<0.5.0>', '<0.7.0>') GROUP BY pid",
        "SELECT pid, kind, count(*) FROM events WHERE kind = 'mark' GROUP BY pid",
        "SELECT kind FROM events ORDER BY kind LIMIT 7 OFFSET 500",
        "SELECT pid FROM events ORDER BY pid DESC LIMIT 5 OFFSET 2990",
        "SELECT seq FROM events ORDER BY seq LIMIT 3 OFFSET 698",
        "SELECT seq FROM events ORDER BY seq DESC LIMIT 3 OFFSET 698",
        "SELECT seq FROM events WHERE kind = 'mark' ORDER BY seq DESC LIMIT 3 OFFSET 5",
        "SELECT seq FROM events WHERE module = 'gen_server' ORDER BY seq LIMIT 3 OFFSET 5",
        "SELECT seq FROM events WHERE length(payload) > 3 ORDER BY seq LIMIT 3 OFFSET 5",
        "SELECT seq, time FROM events ORDER BY time DESC, seq DESC LIMIT 20",
        "SELECT seq FROM events ORDER BY time, seq LIMIT 20 OFFSET 100",
        "SELECT seq FROM events ORDER BY time, seq DESC LIMIT 20",
        "SELECT seq FROM events ORDER BY kind, seq LIMIT 20 OFFSET 100",
        "SELECT seq FROM events ORDER BY seq LIMIT 0",
        "SELECT seq FROM events ORDER BY seq LIMIT -1 OFFSET 2995",
        "SELECT seq FROM events ORDER BY seq LIMIT 5 OFFSET 99999",
        "SELECT a.seq, b.seq FROM events a JOIN events b ON b.seq = a.seq + 1 WHERE a.kind = 'mark' AND b.kind = "
        "'mark' ORDER BY 1",
        "SELECT a.seq, (SELECT max(b.seq) FROM events b WHERE b.pid = a.pid AND b.seq < a.seq) FROM events a WHERE "
        "a.kind = 'mark' AND a.seq < 300 ORDER BY 1",
        "SELECT seq, lag(seq) OVER (PARTITION BY pid ORDER BY seq) FROM events WHERE seq < 60 ORDER BY seq",
        "SELECT kind FROM events GROUP BY kind COLLATE NOCASE ORDER BY 1",
        "SELECT count(*) FROM events a, events b WHERE a.seq < 40 AND b.seq < 40",
        "SELECT kind, (SELECT count(*) FROM events b WHERE b.kind = a.kind) FROM events a WHERE seq < 9 ORDER BY seq",
        "SELECT seq FROM events WHERE kind = 'mark' UNION SELECT seq FROM events WHERE kind = 'in' ORDER BY 1 LIMIT 10",
        "SELECT kind, count(*) FROM events GROUP BY kind ORDER BY kind DESC",
        "WITH c AS (SELECT pid, count(*) n FROM events GROUP BY pid) SELECT c.pid, n FROM c WHERE n > 10 ORDER BY 1",
        "SELECT count(*) FROM events WHERE kind = 'mark' OR kind = 'in'",
        "SELECT count(*) FROM events WHERE kind = 'mark' OR pid = '<0.5.0>'",
        "SELECT count(*) FROM events WHERE kind = 'mark' AND pid = '<0.6.0>' OR pid = '<0.5.0>' OR kind IN ('mark', "
        "'out') AND pid = '<0.6.0>'",
        "SELECT kind, pid FROM events WHERE (kind = 'mark' AND pid = '<0.6.0>') OR (kind = 'in' AND pid = '<0.5.0>') "
        "ORDER BY 1, 2",
        "SELECT min(kind), max(pid), count(name) FROM events",
        "SELECT pid, min(seq) FROM events GROUP BY pid ORDER BY pid",
        "SELECT e.kind, count(*) FROM (SELECT 'mark' k UNION ALL SELECT 'in') x JOIN events e ON e.kind = x.k GROUP BY "
        "e.kind",
        "SELECT count(*) FROM events WHERE seq > 1 AND seq > 2 AND seq > 3 AND seq > 4 AND seq > 5 AND seq > 6 AND seq "
        "> 7 AND seq > 8 AND seq > 9 AND seq > 10 AND seq > 11 AND seq > 12 AND "
        "seq > 13 AND seq > 14 AND seq > 15 AND seq > 16 AND seq > 17 AND seq > 18 AND seq > 19 AND seq > 20 AND seq > "
        "21 AND seq > 22 AND seq > 23 AND seq > 24 AND seq > 25 AND seq > 26 "
        "AND seq > 27 AND seq > 28 AND seq > 29 AND seq > 30 AND seq > 31 AND seq > 32 AND seq > 33 AND seq > 34 AND "
        "seq > 35 AND seq > 36 AND seq > 37 AND seq > 38 AND seq > 39 AND seq > 40 "
        "AND seq > 41 AND seq > 42 AND seq > 43 AND seq > 44 AND seq > 45"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        same(sql, texts[i]);
    es_sql_close(sql);
    es_query_close(query);
}

static void add_condition(char *out, size_t room)
{
    static const char *const kinds[] = {"send", "deliver", "mark", "link", "timeout", "in", "out"};
    static const char *const ops[] = {"=", "<", "<=", ">", ">=", "!="};
    switch (dice(8)) {
    case 0: snprintf(out, room, "seq %s %u", ops[dice(6)], dice(EVENTS + 50)); break;
    case 1:
        snprintf(out, room, "time %s %" PRId64, ops[dice(6)], SHOP_START + (int64_t)dice(EVENTS) * SHOP_STEP);
        break;
    case 2: snprintf(out, room, "kind %s '%s'", dice(3) ? "=" : "!=", kinds[dice(7)]); break;
    case 3: snprintf(out, room, "kind IN ('%s', '%s', '%s')", kinds[dice(7)], kinds[dice(7)], kinds[dice(7)]); break;
    case 4: snprintf(out, room, "pid %s '<0.%u.0>'", dice(3) ? "=" : "!=", 4 + dice(7)); break;
    case 5: snprintf(out, room, "pid IN ('<0.%u.0>', '<0.%u.0>')", 4 + dice(7), 4 + dice(7)); break;
    case 6: snprintf(out, room, "name = '%s'", dice(2) ? "cart" : "Shop.Till"); break;
    default: snprintf(out, room, "module = '%s'", shown_modules[dice(4)]);
    }
}

static void random_queries(void **state)
{
    (void)state;
    struct es_query *query = shop_open();
    struct es_sql *sql = open_sql(query);
    static const char *const columns[] = {"kind",  "pid",    "name",   "module",      "function",
                                          "arity", "thread", "family", "cause_state", "peer"};
    int rounds = getenv("ES_TEST_FEW") ? 300 : 2000;
    for (int i = 0; i < rounds; i++) {
        char text[1024], where[512] = "1", part[128];
        for (uint32_t k = dice(4); k > 0; k--) {
            add_condition(part, sizeof part);
            size_t len = strlen(where);
            snprintf(where + len, sizeof where - len, " %s %s", dice(5) ? "AND" : "OR", part);
        }
        const char *a = columns[dice(10)], *b = columns[dice(10)];
        switch (dice(5)) {
        case 0:
            snprintf(
                text, sizeof text,
                "SELECT seq, time, kind, pid, name, payload FROM events WHERE %s ORDER BY seq %s LIMIT %u OFFSET %u",
                where, dice(2) ? "DESC" : "", dice(30), dice(2) ? dice(900) : 0);
            break;
        case 1:
            snprintf(text, sizeof text, "SELECT %s, count(*) FROM events WHERE %s GROUP BY %s ORDER BY %s %s", a, where,
                     a, a, dice(2) ? "DESC" : "");
            break;
        case 2:
            snprintf(text, sizeof text, "SELECT %s, %s, count(*), max(seq) FROM events WHERE %s GROUP BY 1, 2", a, b,
                     where);
            break;
        case 3:
            snprintf(text, sizeof text, "SELECT DISTINCT %s, %s FROM events WHERE %s ORDER BY 1, 2 DESC LIMIT %u", a, b,
                     where, 1 + dice(50));
            break;
        default: snprintf(text, sizeof text, "SELECT count(*), count(%s), min(%s) FROM events WHERE %s", a, b, where);
        }
        same(sql, text);
    }
    es_sql_close(sql);
    es_query_close(query);
}

/* ---- table functions ----------------------------------------------------------------------------------------------- */

static void compare(struct es_sql *sql, const char *ours, const char *theirs)
{
    struct es_text a = {0}, b = {0};
    ask_ours(sql, ours, &a);
    ask_truth(theirs, &b);
    if (strcmp(a.bytes, b.bytes) != 0)
        fail_msg("%s\n%.2000s\n%s\n%.2000s", ours, a.bytes, theirs, b.bytes);
    es_text_fini(&a);
    es_text_fini(&b);
}

static void table_functions(void **state)
{
    (void)state;
    struct es_query *query = shop_open();
    struct es_sql *sql = open_sql(query);
    static const char *const columns[] = {"kind",   "family",   "pid",   "name",   "peer",
                                          "module", "function", "arity", "thread", "cause_state"};
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        char ours[256], theirs[256];
        snprintf(ours, sizeof ours, "SELECT value, events FROM histogram('%s') ORDER BY 1, 2", columns[i]);
        snprintf(theirs, sizeof theirs, "SELECT %s, count(*) FROM events GROUP BY 1 ORDER BY 1, 2", columns[i]);
        compare(sql, ours, theirs);
        snprintf(ours, sizeof ours, "SELECT value, events FROM histogram('%s', 'message') ORDER BY 1, 2", columns[i]);
        snprintf(theirs, sizeof theirs,
                 "SELECT %s, count(*) FROM events WHERE family = 'message' GROUP BY 1 ORDER BY 1, 2", columns[i]);
        compare(sql, ours, theirs);
        snprintf(ours, sizeof ours, "SELECT events FROM top('%s', 2)", columns[i]);
        snprintf(theirs, sizeof theirs, "SELECT count(*) FROM events GROUP BY %s ORDER BY 1 DESC LIMIT 2", columns[i]);
        compare(sql, ours, theirs);
        snprintf(ours, sizeof ours, "SELECT value, sum(events) FROM timeline(13, '%s') GROUP BY 1 ORDER BY 1",
                 columns[i]);
        snprintf(theirs, sizeof theirs, "SELECT %s, count(*) FROM events GROUP BY 1 ORDER BY 1", columns[i]);
        compare(sql, ours, theirs);
    }
    compare(sql, "SELECT sum(share), count(*) FROM histogram('kind')", "SELECT 1.0, count(DISTINCT kind) FROM events");
    struct es_text windows = {0};
    ask_ours(sql, "SELECT time, end_time, events FROM timeline(7)", &windows);
    char *rest = NULL;
    int n = 0;
    for (char *line = strtok_r(windows.bytes, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), n++) {
        int64_t from, to, events;
        char text[256];
        assert_int_equal(sscanf(line, "1:%" SCNd64 "|1:%" SCNd64 "|1:%" SCNd64, &from, &to, &events), 3);
        snprintf(text, sizeof text, "SELECT count(*) FROM events WHERE time >= %" PRId64 " AND time < %" PRId64, from,
                 to);
        struct es_text count = {0};
        ask_truth(text, &count);
        assert_int_equal(strtoll(count.bytes + 2, NULL, 10), events);
        es_text_fini(&count);
    }
    assert_int_equal(n, 7);
    es_text_fini(&windows);
    es_sql_close(sql);
    es_query_close(query);
}

/* ---- only reading -------------------------------------------------------------------------------------------------- */

static void refuses(struct es_sql *sql, const char *text, int code, const char *message)
{
    int rc = es_sql_begin(sql, text, NULL);
    while (rc > 0)
        rc = es_sql_step(sql);
    if (rc != code || !strstr(es_error_text(), message))
        fail_msg("%s: %d (%s) and not %d (%s)", text, rc, es_error_text(), code, message);
    es_error_clear();
}

static void only_reads(void **state)
{
    (void)state;
    struct es_query *query = shop_open();
    struct es_sql *sql = open_sql(query);
    char text[512];
    static const char *const writes[] = {"INSERT INTO events(seq) VALUES(1)",
                                         "UPDATE events SET seq = 1",
                                         "DELETE FROM events",
                                         "DROP TABLE events",
                                         "CREATE TABLE t(a)",
                                         "CREATE TEMP TABLE t(a)",
                                         "CREATE VIEW v AS SELECT 1",
                                         "CREATE TEMP VIEW v AS SELECT 1",
                                         "CREATE INDEX i ON events(seq)",
                                         "CREATE VIRTUAL TABLE t USING fts5(a)",
                                         "CREATE TRIGGER t AFTER INSERT ON events BEGIN SELECT 1; END",
                                         "ALTER TABLE events RENAME TO e",
                                         "PRAGMA journal_mode",
                                         "PRAGMA writable_schema = 1",
                                         "PRAGMA query_only = 0",
                                         "PRAGMA temp_store_directory = '/tmp'",
                                         "PRAGMA hard_heap_limit = 0",
                                         "SELECT load_extension('x')",
                                         "SELECT fts3_tokenizer('x')",
                                         "ANALYZE",
                                         "BEGIN",
                                         "SAVEPOINT s",
                                         "DETACH main",
                                         "SELECT * FROM pragma_database_list",
                                         "VACUUM",
                                         "INSERT INTO sqlite_master VALUES(1,1,1,1,1)",
                                         "DELETE FROM sqlite_master"};
    for (size_t i = 0; i < sizeof writes / sizeof writes[0]; i++)
        refuses(sql, writes[i], -EPERM, "may only read");
    snprintf(text, sizeof text, "ATTACH '%s' AS other", shop_file("other.db"));
    refuses(sql, text, -EPERM, "may only read");
    snprintf(text, sizeof text, "ATTACH '%s' AS other", shop_path);
    refuses(sql, text, -EPERM, "may only read");
    snprintf(text, sizeof text, "VACUUM INTO '%s'", shop_file("copy.db"));
    refuses(sql, text, -EPERM, "may only read");
    assert_int_equal(access(shop_file("other.db"), F_OK), -1);
    assert_int_equal(access(shop_file("copy.db"), F_OK), -1);
    same(sql, "SELECT count(*) FROM events");
    es_sql_close(sql);
    es_query_close(query);
}

static void wrong(void **state)
{
    (void)state;
    struct es_query *query = shop_open();
    struct es_sql *sql = open_sql(query);
    refuses(sql, "SELECT * FROM evnts", -EINVAL, "no such table: evnts");
    assert_int_equal(es_sql_begin(sql, "SELECT * FROM evnts", NULL), -EINVAL);
    assert_non_null(strstr(es_error_hint(), "Did you mean events?"));
    assert_int_equal(es_sql_begin(sql, "SELECT knd FROM events", NULL), -EINVAL);
    assert_non_null(strstr(es_error_text(), "at column 8: no such column: knd"));
    assert_non_null(strstr(es_error_hint(), "Did you mean kind? events has seq, time, kind,"));
    refuses(sql, "SELECT seq,\n  wal(time) FROM events", -EINVAL, "at line 2, column 3: no such function: wal");
    refuses(sql, "SELECT 1 FROM events WHERE", -EINVAL, "incomplete");
    refuses(sql, "SELECT ?", -EINVAL, "parameters");
    refuses(sql, "SELECT * FROM histogram", -EINVAL, "no query solution");
    refuses(sql, "SELECT * FROM histogram('x')", -EINVAL, "cannot count by 'x'");
    refuses(sql, "SELECT * FROM histogram('payload')", -EINVAL, "cannot count by 'payload'");
    refuses(sql, "SELECT * FROM histogram('kind', 'x')", -EINVAL, "called 'x'");
    refuses(sql, "SELECT * FROM timeline(0)", -EINVAL, "buckets");
    refuses(sql, "SELECT * FROM timeline(1000000000)", -EINVAL, "buckets");
    refuses(sql, "SELECT * FROM top('kind', -1)", -EINVAL, "at least 0");
    refuses(sql, "SELECT * FROM flame('<0.99.0>')", -EINVAL, "no process <0.99.0>");
    refuses(sql, "SELECT * FROM edges('x')", -EINVAL, "no DAG 'x'");
    refuses(sql, "SELECT * FROM events('klingon')", -EINVAL, "notation");
    refuses(sql, "SELECT at('noon')", -EINVAL, "time 'noon'");
    assert_int_equal(es_sql_begin(sql, " -- nothing\n ; ", NULL), 0);
    assert_int_equal(es_sql_begin(sql, "", NULL), 0);
    char *deep = malloc(100001);
    memset(deep, '(', 100000);
    deep[100000] = '\0';
    assert_int_equal(es_sql_begin(sql, deep, NULL), -EINVAL);
    free(deep);
    es_sql_close(sql);
    es_query_close(query);
}

static bool always(void *context)
{
    ++*(int *)context;
    return *(int *)context > 3;
}

static void ends(void **state)
{
    (void)state;
    struct es_query *query = shop_open();
    struct es_sql *sql;
    int asked = 0;
    static const char *const endless[] = {
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c",
        "SELECT count(*) FROM events a, events b, events c, events d WHERE a.payload = b.payload || c.payload || "
        "d.payload",
        "SELECT count(*) FROM events a, events b WHERE a.payload || b.payload = 'x'"};
    for (size_t i = 0; i < sizeof endless / sizeof endless[0]; i++) {
        struct es_sql_options brief = {.timeout_ns = 20000000}, stopped = {.stop = always, .context = &asked};
        assert_ok(es_sql_open(query, &brief, &sql));
        refuses(sql, endless[i], -ETIMEDOUT, "longer than it may");
        same(sql, "SELECT count(*) FROM events"); /* goes on */
        es_sql_close(sql);
        asked = 0;
        assert_ok(es_sql_open(query, &stopped, &sql));
        refuses(sql, endless[i], -EINTR, "interrupted");
        es_sql_close(sql);
    }
    struct es_sql_options small = {.memory = 64 << 20};
    assert_ok(es_sql_open(query, &small, &sql));
    refuses(sql, "SELECT group_concat(hex(randomblob(100000))) FROM events", -ENOMEM, "more memory");
    es_sql_close(sql);
    sqlite3_hard_heap_limit64(0);
    es_query_close(query);
}

/* ---- live ---------------------------------------------------------------------------------------------------------- */

static void live(void **state)
{
    (void)state;
    struct es_query *query;
    struct es_text out = {0};
    char before[128];
    strcpy(before, shop_path);
    strcpy(shop_path, shop_file("live.scope"));
    shop_begin();
    for (int i = 0; i < 10; i++)
        shop_message(5, 6, i);
    assert_ok(es_store_commit(shop_store, NULL));
    query = shop_open();
    struct es_sql *sql = open_sql(query);
    ask_ours(sql, "SELECT count(*), max(seq) FROM events", &out);
    assert_string_equal(out.bytes, "1:20|1:20|\n");
    for (int i = 0; i < 10; i++)
        shop_message(5, 6, i);
    assert_ok(es_store_commit(shop_store, NULL));
    ask_ours(sql, "SELECT count(*), max(seq) FROM events", &out);
    assert_string_equal(out.bytes, "1:40|1:40|\n");
    ask_ours(sql, "SELECT kind, count(*) FROM events GROUP BY kind", &out);
    assert_string_equal(out.bytes, "3:deliver|1:20|\n3:send|1:20|\n");
    ask_ours(sql, "SELECT payload, latency, sender, receiver FROM messages WHERE seq = 39", &out);
    assert_string_equal(out.bytes, "3:{:order, 9}|1:1000|3:<0.5.0>|3:<0.6.0>|\n");
    es_sql_close(sql);
    es_query_close(query);
    shop_end();
    es_text_fini(&out);
    strcpy(shop_path, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges_of_types), cmocka_unit_test(forms),
        cmocka_unit_test(random_queries), cmocka_unit_test(table_functions),
        cmocka_unit_test(only_reads),     cmocka_unit_test(wrong),
        cmocka_unit_test(ends),           cmocka_unit_test(live),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}
