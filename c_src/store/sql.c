/* SPDX-License-Identifier: MIT */
/* Layout of the tables, statements and errors; see sql.h. */
#include "store/sql.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "store/store.h"

/* docs/format.md explains each. A reader compares these texts with what a file says: a foreign view or trigger is refused. */
const struct es_sql_table es_sql_tables[] = {
    {"table", "meta", "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"},
    {"table", "dict", "CREATE TABLE dict(ref INTEGER PRIMARY KEY, bytes BLOB NOT NULL)"},
    {"table", "processes",
     "CREATE TABLE processes(id INTEGER PRIMARY KEY, pid INTEGER, parent INTEGER, spawned INTEGER, exited INTEGER, "
     "spawn_seq INTEGER, exit_seq INTEGER, name INTEGER, module INTEGER, function INTEGER, arity INTEGER, "
     "reason BLOB, facts BLOB)"},
    {"index", "processes_exited",
     "CREATE INDEX processes_exited ON processes(exited) WHERE exited < 9223372036854775807"},
    {"table", "names",
     "CREATE TABLE names(name INTEGER, pid INTEGER, since INTEGER, until INTEGER, PRIMARY KEY(name, pid, since)) "
     "WITHOUT ROWID"},
    {"table", "blocks",
     "CREATE TABLE blocks(id INTEGER PRIMARY KEY, first_seq INTEGER, events INTEGER, first_time INTEGER, "
     "last_time INTEGER, group_id INTEGER, mini INTEGER, bytes INTEGER, kinds BLOB, hash INTEGER)"},
    {"table", "columns", "CREATE TABLE columns(id INTEGER PRIMARY KEY, hash INTEGER, data BLOB)"},
    {"table", "groups",
     "CREATE TABLE groups(id INTEGER PRIMARY KEY, first_seq INTEGER, first_time INTEGER, raw_len INTEGER, "
     "hash INTEGER, keyframe BLOB)"},
    {"table", "rings",
     "CREATE TABLE rings(ring INTEGER, generation INTEGER, position INTEGER, lost BLOB, "
     "PRIMARY KEY(ring, generation)) WITHOUT ROWID"},
    {"table", "position",
     "CREATE TABLE position(id INTEGER PRIMARY KEY CHECK(id = 1), next_seq INTEGER, last_time INTEGER, "
     "watermark INTEGER, blob BLOB)"},
    {"table", "counters", "CREATE TABLE counters(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID"},
    {"table", "losses",
     "CREATE TABLE losses(id INTEGER PRIMARY KEY, kind INTEGER, count INTEGER, from_time INTEGER, to_time INTEGER, "
     "why TEXT)"},
};
const size_t es_sql_n_tables = sizeof es_sql_tables / sizeof es_sql_tables[0];

static int errno_of_system(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return -ENOSPC;
    case EACCES:
    case EPERM: return -EACCES;
    case EROFS:
    case ENOENT:
    case EMFILE:
    case ENFILE:
    case ENOMEM: return -error;
    default: return -EIO;
    }
}

/* What the system said about the file or its log: SQLite keeps it where a write failed. */
static int system_errno(sqlite3 *db)
{
    int error = sqlite3_system_errno(db);
    sqlite3_file *log = NULL;
    if (error == 0)
        sqlite3_file_control(db, "main", SQLITE_FCNTL_LAST_ERRNO, &error);
    if (error == 0 && sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK && log &&
        log->pMethods)
        log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &error);
    return error;
}

static int errno_of(sqlite3 *db, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_FULL: return -ENOSPC;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
    case SQLITE_SCHEMA:
    case SQLITE_ERROR:
    case SQLITE_MISMATCH: return -EBADMSG;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL: return -EBUSY;
    case SQLITE_READONLY: return -EROFS;
    case SQLITE_PERM:
    case SQLITE_AUTH: return -EACCES;
    case SQLITE_NOMEM: return -ENOMEM;
    case SQLITE_TOOBIG: return -EMSGSIZE;
    case SQLITE_INTERRUPT: return -EINTR;
    default: return db ? errno_of_system(system_errno(db)) : -EIO;
    }
}

int es_sql_error(sqlite3 *db, int rc, const char *doing)
{
    int code = errno_of(db, rc);
    int error = db && ((rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CANTOPEN) ? system_errno(db) : 0;
    if (code == -ENOSPC)
        return es_fail(code, "cannot %s: no space left (%s)", doing, db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
    if (error)
        return es_fail(code, "cannot %s: %s (%s)", doing, db ? sqlite3_errmsg(db) : sqlite3_errstr(rc),
                       strerror(error));
    return es_fail(code, "cannot %s: %s", doing, db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
}

int es_sql_exec(sqlite3 *db, const char *sql)
{
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : es_sql_error(db, rc, sql);
}

int es_sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_statement)
{
    int rc = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_statement, NULL);
    return rc == SQLITE_OK ? 0 : es_sql_error(db, rc, sql);
}

int es_sql_run(sqlite3 *db, sqlite3_stmt *statement, const char *doing)
{
    int rc = sqlite3_step(statement);
    int result = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : es_sql_error(db, rc, doing);
    sqlite3_reset(statement);
    return result;
}

int es_sql_integer(sqlite3 *db, const char *sql, int64_t *ret_value)
{
    sqlite3_stmt *statement;
    int r = es_sql_prepare(db, sql, &statement);
    if (r < 0)
        return r;
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW && sqlite3_column_type(statement, 0) == SQLITE_INTEGER)
        *ret_value = sqlite3_column_int64(statement, 0);
    else
        r = rc == SQLITE_ROW || rc == SQLITE_DONE ? -ENODATA : es_sql_error(db, rc, sql);
    sqlite3_finalize(statement);
    return r;
}

static int check_table(sqlite3_stmt *statement, const struct es_sql_table *table)
{
    sqlite3_bind_text(statement, 1, table->name, -1, SQLITE_STATIC);
    int rc = sqlite3_step(statement), r = 0;
    if (rc == SQLITE_ROW) {
        const char *type = (const char *)sqlite3_column_text(statement, 0);
        const char *sql = (const char *)sqlite3_column_text(statement, 1);
        if (!type || !sql || strcmp(type, table->type) != 0 || strcmp(sql, table->sql) != 0)
            r = es_fail(-EBADMSG, "table %s is not as a recording's should be", table->name);
    } else if (rc == SQLITE_DONE) {
        r = es_fail(-EBADMSG, "table %s is missing", table->name);
    } else {
        r = es_sql_error(sqlite3_db_handle(statement), rc, "read the layout");
    }
    sqlite3_reset(statement);
    return r;
}

static int check_version(const char *path, int64_t version)
{
    if (version == ES_FORMAT_VERSION)
        return 0;
    if (version >= 1 && version < ES_FORMAT_VERSION) {
        es_hint("record it again, or open it with the elixirscope that made it");
        return es_fail(-EPROTONOSUPPORT, "%s was made by an older ElixirScope (format %lld); this one reads format %d",
                       path, (long long)version, ES_FORMAT_VERSION);
    }
    es_hint("open it with the elixirscope that made it, or a newer one");
    return es_fail(-EPROTONOSUPPORT, "%s has format version %lld, this program reads version %d", path,
                   (long long)version, ES_FORMAT_VERSION);
}

int es_sql_check(sqlite3 *db, const char *path)
{
    int64_t id = 0, version = 0;
    int r = es_sql_integer(db, "PRAGMA application_id", &id);
    if (r == 0)
        r = es_sql_integer(db, "PRAGMA user_version", &version);
    if (r < 0)
        return es_fail(r == -ENODATA ? -EBADMSG : r, "cannot read %s", path);
    if (id != ES_APPLICATION_ID)
        return es_fail(-EBADMSG, "%s is not a recording", path);
    r = check_version(path, version);
    if (r < 0)
        return r;
    sqlite3_stmt *statement;
    r = es_sql_prepare(db, "SELECT type, sql FROM main.sqlite_schema WHERE name = ?", &statement);
    for (size_t i = 0; r == 0 && i < es_sql_n_tables; i++)
        r = check_table(statement, &es_sql_tables[i]);
    sqlite3_finalize(statement);
    return r < 0 ? es_fail(r, "%s is damaged", path) : 0;
}
