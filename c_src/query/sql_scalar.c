/* SPDX-License-Identifier: MIT */
/* Functions of one value that SQL lacks here: times people can read. */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/error.h"
#include "query/sql.h"
#include "term/path.h"

const char *const es_sql_functions[] = {"wall(time)", "ms(ns)",          "us(ns)", "since(time)",
                                        "at(text)",   "term(seq, path)", NULL};

/* wall(time): '2026-01-31 14:25:01.300123456', local; NULL where the recording does not know it. */
static void on_wall(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct es_sql *sql = sqlite3_user_data(context);
    (void)n;
    if (sqlite3_value_type(values[0]) != SQLITE_INTEGER)
        return;
    int64_t wall = es_query_wall(sql->query, sqlite3_value_int64(values[0]));
    int64_t second = wall / 1000000000, rest = wall % 1000000000;
    if (rest < 0) {
        rest += 1000000000;
        second--;
    }
    time_t seconds = (time_t)second;
    struct tm tm;
    char text[64];
    if (wall == INT64_MIN || !localtime_r(&seconds, &tm))
        return;
    size_t len = strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
    snprintf(text + len, sizeof text - len, ".%09lld", (long long)rest);
    sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
}

static void scale(sqlite3_context *context, sqlite3_value *value, double unit)
{
    if (sqlite3_value_numeric_type(value) == SQLITE_INTEGER || sqlite3_value_numeric_type(value) == SQLITE_FLOAT)
        sqlite3_result_double(context, sqlite3_value_double(value) / unit);
}

static void on_ms(sqlite3_context *context, int n, sqlite3_value **values)
{
    (void)n;
    scale(context, values[0], 1e6);
}

static void on_us(sqlite3_context *context, int n, sqlite3_value **values)
{
    (void)n;
    scale(context, values[0], 1e3);
}

/* since(time): ns from the first event. */
static void on_since(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct es_sql *sql = sqlite3_user_data(context);
    int64_t first, last, distance;
    (void)n;
    if (sqlite3_value_type(values[0]) == SQLITE_INTEGER && es_query_span(sql->query, &first, &last) &&
        !__builtin_sub_overflow(sqlite3_value_int64(values[0]), first, &distance))
        sqlite3_result_int64(context, distance);
}

/* at('+1.5s'): the time that is meant, as --at and --since take it. */
static void on_at(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct es_sql *sql = sqlite3_user_data(context);
    const char *text = (const char *)sqlite3_value_text(values[0]);
    int64_t time;
    (void)n;
    if (!text)
        return;
    if (es_query_time(sql->query, text, &time) == 0) {
        sqlite3_result_int64(context, time);
        return;
    }
    sqlite3_result_error(context, es_error_text(), -1);
    es_error_clear();
}

/* ---- parts of terms -------------------------------------------------------------------------------------------------- */

static void give_node(sqlite3_context *context, const struct es_tree *tree, uint32_t node)
{
    struct es_sql *sql = sqlite3_user_data(context);
    struct es_token token = es_tree_token(tree, node);
    unsigned type = tree->nodes[node].type;
    struct es_text text = {0};
    if (type == ES_N_INT && (token.type == ES_TOK_INT || tree->nodes[node].flags & ES_NODE_BYTE))
        sqlite3_result_int64(context, token.integer);
    else if (type == ES_N_FLOAT)
        sqlite3_result_double(context, token.real);
    else if (type == ES_N_BINARY && (token.bits == 8 || token.len == 0))
        sqlite3_result_text64(context, (const char *)token.bytes, token.len, SQLITE_TRANSIENT, SQLITE_UTF8);
    else if (type != ES_N_CUT) {
        es_tree_print(tree, node, es_query_print(sql->query, sql->options.erlang), &text);
        sqlite3_result_text64(context, text.bytes ? text.bytes : "", text.len, SQLITE_TRANSIENT, SQLITE_UTF8);
    }
    es_text_fini(&text);
}

/* term(seq, '.items[0].price'): that part of the event's payload; NULL where there is none. */
static void on_term(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct es_sql *sql = sqlite3_user_data(context);
    const struct es_print *print = es_query_print(sql->query, sql->options.erlang);
    const char *text = (const char *)sqlite3_value_text(values[1]);
    struct es_path path;
    struct es_tree tree;
    uint32_t node = 0;
    (void)n;
    if (!text || sqlite3_value_type(values[0]) != SQLITE_INTEGER)
        return;
    if (es_path_parse(text, &path) < 0) {
        sqlite3_result_error(context, es_error_text(), -1);
        es_error_clear();
        return;
    }
    const struct es_event *event = es_sql_event(sql, (uint64_t)sqlite3_value_int64(values[0]), ES_F_PAYLOAD);
    if (event && event->payload_len > 0 && es_tree_read(&tree, event->payload, event->payload_len, print) == 0) {
        if (es_path_resolve(&path, &tree, print, &node) == 0)
            give_node(context, &tree, node);
        es_tree_fini(&tree);
    }
    es_error_clear();
    es_path_fini(&path);
}

int es_sql_register_functions(struct es_sql *sql)
{
    static const struct {
        const char *name;
        int arguments;
        void (*function)(sqlite3_context *, int, sqlite3_value **);
    } functions[] = {{"wall", 1, on_wall},   {"ms", 1, on_ms}, {"us", 1, on_us},
                     {"since", 1, on_since}, {"at", 1, on_at}, {"term", 2, on_term}};
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (sqlite3_create_function_v2(sql->db, functions[i].name, functions[i].arguments,
                                       SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, sql,
                                       functions[i].function, NULL, NULL, NULL) != SQLITE_OK)
            return es_fail(-ENOMEM, "no memory for functions");
    return 0;
}
