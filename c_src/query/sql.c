/* SPDX-License-Identifier: MIT */
/* SQL over a recording: a connection to an empty database in memory, in which our tables are. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/sql.h"
#include "wire/clock.h"

static int open_database(struct es_sql *sql)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(":memory:", &sql->db, flags, NULL) != SQLITE_OK)
        return es_fail(-ENOMEM, "SQLite cannot be opened: %s", sql->db ? sqlite3_errmsg(sql->db) : "no memory");
    int rc = es_sql_register_tables(sql);
    if (rc == 0)
        rc = es_sql_register_functions(sql);
    return rc == 0 ? es_sql_guard(sql) : rc;
}

int es_sql_open(struct es_query *query, const struct es_sql_options *options, struct es_sql **ret_sql)
{
    struct es_sql *sql = calloc(1, sizeof *sql);
    if (!sql)
        return es_fail(-ENOMEM, "no memory for SQL");
    sql->query = query;
    sql->options = *options;
    int rc = open_database(sql);
    if (rc < 0) {
        es_sql_close(sql);
        return rc;
    }
    *ret_sql = sql;
    return 0;
}

static void let_go(struct es_sql *sql)
{
    if (sql->block)
        es_block_unref(sql->query->recording, sql->block);
    sql->block = NULL;
}

static void free_words(struct es_refmap *map)
{
    for (size_t i = 0; i < map->room; i++)
        if (map->slots[i].key)
            free((void *)(uintptr_t)map->slots[i].value);
    es_refmap_fini(map);
}

void es_sql_close(struct es_sql *sql)
{
    if (!sql)
        return;
    es_sql_finish(sql);
    sqlite3_close(sql->db);
    let_go(sql);
    for (size_t i = 0; i < ES_SHOW_KINDS; i++) {
        free_words(&sql->words[0][i]);
        free_words(&sql->words[1][i]);
    }
    es_refmap_fini(&sql->pid_numbers);
    es_sql_versions_fini(&sql->versions);
    es_text_fini(&sql->scratch);
    es_buf_fini(&sql->state);
    free(sql);
}

void es_sql_finish(struct es_sql *sql)
{
    sqlite3_finalize(sql->statement);
    sql->statement = NULL;
    let_go(sql);
}

int es_sql_begin(struct es_sql *sql, const char *text, const char **ret_rest)
{
    const char *rest = NULL;
    es_sql_finish(sql);
    es_error_clear();
    int rc = es_query_refresh(sql->query);
    if (rc < 0)
        return rc;
    sql->stopped = 0;
    sql->deadline = sql->options.timeout_ns ? (int64_t)es_clock_os() + sql->options.timeout_ns : 0;
    rc = sqlite3_prepare_v2(sql->db, text, -1, &sql->statement, &rest);
    if (rc != SQLITE_OK)
        return es_sql_refuse(sql, text, rc);
    if (ret_rest)
        *ret_rest = rest;
    if (sql->statement && sqlite3_bind_parameter_count(sql->statement) > 0) {
        es_sql_finish(sql);
        return es_fail(-EINVAL, "a statement cannot have parameters (? or :name) here");
    }
    if (sql->statement && !sqlite3_stmt_readonly(sql->statement)) {
        es_sql_finish(sql);
        return es_sql_refuse(sql, text, SQLITE_AUTH);
    }
    sql->stepped = false;
    return sql->statement ? 1 : 0;
}

static int stopped(struct es_sql *sql)
{
    if (sql->stopped == -EINTR)
        return es_fail(-EINTR, "interrupted");
    es_hint("Give it more time with --timeout, or narrow it: seq, time, kind, pid, name and module are looked up, not "
            "searched for; docs/sql.md says what is fast.");
    return es_fail(-ETIMEDOUT, "stopped after %.3g s: the query takes longer than it may",
                   (double)sql->options.timeout_ns / 1e9);
}

static int failed(struct es_sql *sql, int rc)
{
    es_error_clear();
    switch (rc & 0xff) {
    case SQLITE_INTERRUPT: return stopped(sql);
    case SQLITE_NOMEM: return es_fail(-ENOMEM, "the query needs more memory than it may have");
    case SQLITE_TOOBIG: return es_fail(-E2BIG, "a text of the query is too long");
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return es_fail(-EIO, "what does not fit into memory cannot be put into a temporary file (TMPDIR): %s",
                       sqlite3_errmsg(sql->db));
    default: return es_fail(-EINVAL, "%s", sqlite3_errmsg(sql->db));
    }
}

int es_sql_step(struct es_sql *sql)
{
    if (!sql->statement)
        return 0;
    if (!sql->stepped && sql->options.timeout_ns)
        sql->deadline = (int64_t)es_clock_os() + sql->options.timeout_ns;
    sql->stepped = true;
    int rc = sqlite3_step(sql->statement);
    if (rc == SQLITE_ROW)
        return 1;
    return rc == SQLITE_DONE ? 0 : failed(sql, rc);
}

/* ---- columns ------------------------------------------------------------------------------------------------------- */

size_t es_sql_columns(struct es_sql *sql) { return sql->statement ? (size_t)sqlite3_column_count(sql->statement) : 0; }

const char *es_sql_column(struct es_sql *sql, size_t column)
{
    const char *name = sqlite3_column_name(sql->statement, (int)column);
    return name ? name : "";
}

void es_sql_cell(struct es_sql *sql, size_t column, struct es_sql_cell *ret_cell)
{
    int i = (int)column;
    struct es_sql_cell cell = {ES_SQL_NULL, 0, 0, NULL, 0};
    switch (sqlite3_column_type(sql->statement, i)) {
    case SQLITE_INTEGER:
        cell.type = ES_SQL_INTEGER;
        cell.integer = sqlite3_column_int64(sql->statement, i);
        break;
    case SQLITE_FLOAT:
        cell.type = ES_SQL_REAL;
        cell.real = sqlite3_column_double(sql->statement, i);
        break;
    case SQLITE_TEXT:
        cell.type = ES_SQL_TEXT;
        cell.text = (const char *)sqlite3_column_text(sql->statement, i);
        break;
    case SQLITE_BLOB:
        cell.type = ES_SQL_BLOB;
        cell.text = sqlite3_column_blob(sql->statement, i);
        break;
    default: break;
    }
    if (cell.type == ES_SQL_TEXT || cell.type == ES_SQL_BLOB)
        cell.len = (size_t)sqlite3_column_bytes(sql->statement, i);
    if (!cell.text)
        cell.text = "";
    *ret_cell = cell;
}
