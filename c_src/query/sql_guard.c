/* SPDX-License-Identifier: MIT */
/* What a statement may not do: write, open files, load code, run without end, take all memory. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "query/sql.h"
#include "wire/clock.h"

#define STEPS_A_TICK 20000

/* ---- rights -------------------------------------------------------------------------------------------------------- */

static const char *const denied_functions[] = {"load_extension", "fts3_tokenizer", "readfile",
                                               "writefile",      "edit",           "sqlite_offset"};

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (name && sqlite3_stricmp(name, names[i]) == 0)
            return true;
    return false;
}
#define IS_ONE_OF(name, names) is_one_of((name), (names), sizeof(names) / sizeof((names)[0]))

/* Tables that SQLite brings itself. */
static const char *const foreign_tables[] = {"json_each",          "json_tree",         "pragma_table_info",
                                             "pragma_table_xinfo", "sqlite_master",     "sqlite_schema",
                                             "sqlite_temp_master", "sqlite_temp_schema"};

static bool is_readable(const char *table)
{
    for (size_t i = 0; i < es_sql_n_specs; i++)
        if (table && sqlite3_stricmp(table, es_sql_specs[i].name) == 0)
            return true;
    return !table || !*table || IS_ONE_OF(table, foreign_tables);
}

static int authorize(void *context, int action, const char *a, const char *b, const char *database, const char *inner)
{
    static const char *const pragmas[] = {"table_info", "table_xinfo"};
    (void)context, (void)database, (void)inner;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE: return SQLITE_OK;
    case SQLITE_READ: return is_readable(a) ? SQLITE_OK : SQLITE_DENY;
    case SQLITE_FUNCTION: return IS_ONE_OF(b, denied_functions) ? SQLITE_DENY : SQLITE_OK;
    case SQLITE_PRAGMA: return IS_ONE_OF(a, pragmas) ? SQLITE_OK : SQLITE_DENY;
    default: return SQLITE_DENY;
    }
}

/* ---- time ---------------------------------------------------------------------------------------------------------- */

int es_sql_tick(struct es_sql *sql)
{
    if (sql->options.stop && sql->options.stop(sql->options.context))
        sql->stopped = -EINTR;
    else if (sql->deadline && (int64_t)es_clock_os() > sql->deadline)
        sql->stopped = -ETIMEDOUT;
    return sql->stopped;
}

int es_sql_tick_query(void *sql) { return es_sql_tick(sql); }

static int on_progress(void *context) { return es_sql_tick(context) < 0; }

/* ---- all ----------------------------------------------------------------------------------------------------------- */

static int configure(struct es_sql *sql)
{
    static const struct {
        int limit, value;
    } limits[] = {{SQLITE_LIMIT_ATTACHED, 0},          {SQLITE_LIMIT_LENGTH, 64 << 20},
                  {SQLITE_LIMIT_SQL_LENGTH, 1 << 20},  {SQLITE_LIMIT_EXPR_DEPTH, 200},
                  {SQLITE_LIMIT_COMPOUND_SELECT, 100}, {SQLITE_LIMIT_VDBE_OP, 1 << 20},
                  {SQLITE_LIMIT_COLUMN, 500},          {SQLITE_LIMIT_FUNCTION_ARG, 100},
                  {SQLITE_LIMIT_TRIGGER_DEPTH, 1},     {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000},
                  {SQLITE_LIMIT_VARIABLE_NUMBER, 100}, {SQLITE_LIMIT_WORKER_THREADS, 0}};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        sqlite3_limit(sql->db, limits[i].limit, limits[i].value);
    int rc = sqlite3_db_config(sql->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(sql->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(sql->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(sql->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    if (rc == SQLITE_OK) /* a name in double quotes is a column, never a text in disguise */
        rc = sqlite3_db_config(sql->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    /* Sorting what does not fit into memory goes to files without names. */
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(sql->db, "PRAGMA temp_store = FILE; PRAGMA cache_size = -32768; PRAGMA query_only = ON", NULL,
                          NULL, NULL);
    return rc;
}

/* Tables declare their columns when they are first spoken of, which looks to SQLite like writing: that is done
 * before nothing may be written. Whether the statement makes sense does not matter. */
static void declare(struct es_sql *sql, const char *name)
{
    char text[64];
    sqlite3_stmt *statement = NULL;
    snprintf(text, sizeof text, "SELECT 1 FROM %s", name);
    sqlite3_prepare_v2(sql->db, text, -1, &statement, NULL);
    sqlite3_finalize(statement);
}

int es_sql_guard(struct es_sql *sql)
{
    for (size_t i = 0; i < sizeof foreign_tables / sizeof foreign_tables[0]; i++)
        declare(sql, foreign_tables[i]);
    for (size_t i = 0; i < es_sql_n_specs; i++)
        declare(sql, es_sql_specs[i].name);
    if (configure(sql) != SQLITE_OK || sqlite3_set_authorizer(sql->db, authorize, sql) != SQLITE_OK)
        return es_fail(-EIO, "SQLite cannot be made read-only: %s", sqlite3_errmsg(sql->db));
    if (sql->options.memory)
        sqlite3_hard_heap_limit64((sqlite3_int64)sql->options.memory);
    sqlite3_progress_handler(sql->db, STEPS_A_TICK, on_progress, sql);
    return 0;
}
