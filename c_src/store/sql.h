/* SPDX-License-Identifier: MIT */
/* The SQLite side of a recording: layout of the tables, opening with the right settings, and errors as negative errno with a cause. */
#ifndef ES_STORE_SQL_H
#define ES_STORE_SQL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ES_APPLICATION_ID 0x45534350 /* "ESCP" */
#define ES_BUSY_MS 5000
#define ES_PAGE_SIZE 4096
#define ES_ROW_MAX (64 << 20) /* no row of a recording is larger */

struct es_sql_table {
    const char *type, *name, *sql;
};
extern const struct es_sql_table es_sql_tables[];
extern const size_t es_sql_n_tables;

/* `rc` of SQLite as negative errno, with "cannot <doing>: why" as cause. */
int es_sql_error(sqlite3 *db, int rc, const char *doing);
int es_sql_exec(sqlite3 *db, const char *sql);
int es_sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_statement);

/* Runs a statement that gives no rows, and resets it. */
int es_sql_run(sqlite3 *db, sqlite3_stmt *statement, const char *doing);

/* One integer of a query of one row; -ENODATA where there is none. */
int es_sql_integer(sqlite3 *db, const char *sql, int64_t *ret_value);

/* Opens for writing: a file of mode 0600 must exist already (the WAL and its index take its mode over). */
int es_sql_open_writer(const char *path, sqlite3 **ret_db);

/* Opens for reading, whatever is there: live, finished, left behind by a crash, in a read-only directory. `ret_warning` is set to a text
 * where the last seconds may be missing. The settings distrust the file. */
int es_sql_open_reader(const char *path, sqlite3 **ret_db, const char **ret_warning);

/* Is this a recording of a version we know, and are its tables the ones we made? -EBADMSG, -EPROTONOSUPPORT. */
int es_sql_check(sqlite3 *db, const char *path);

#endif
