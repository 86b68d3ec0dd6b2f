/* SPDX-License-Identifier: MIT */
/* Functions of one value that SQL lacks here: times people can read. */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/error.h"
#include "query/sql.h"

const char *const es_sql_functions[] = {"wall(time)", "ms(ns)", "us(ns)", "since(time)", "at(text)", NULL};

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

int es_sql_register_functions(struct es_sql *sql)
{
    static const struct {
        const char *name;
        void (*function)(sqlite3_context *, int, sqlite3_value **);
    } functions[] = {{"wall", on_wall}, {"ms", on_ms}, {"us", on_us}, {"since", on_since}, {"at", on_at}};
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (sqlite3_create_function_v2(sql->db, functions[i].name, 1,
                                       SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, sql,
                                       functions[i].function, NULL, NULL, NULL) != SQLITE_OK)
            return es_fail(-ENOMEM, "no memory for functions");
    return 0;
}
