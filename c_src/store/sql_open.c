/* SPDX-License-Identifier: MIT */
/* Opening a recording's file for writing and for reading; see sql.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "store/sql.h"

static int configure(sqlite3 *db)
{
    sqlite3_busy_timeout(db, ES_BUSY_MS);
    sqlite3_extended_result_codes(db, 1);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, ES_ROW_MAX);
    return es_sql_exec(db, "PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY");
}

int es_sql_open_writer(const char *path, sqlite3 **ret_db)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    int r = rc == SQLITE_OK ? configure(db) : es_sql_error(db, rc, "open the file");
    if (r == 0)
        r = es_sql_exec(db, "PRAGMA page_size = 4096; PRAGMA auto_vacuum = NONE; PRAGMA journal_mode = WAL;"
                            "PRAGMA synchronous = NORMAL; PRAGMA secure_delete = OFF; PRAGMA wal_autocheckpoint = 0;"
                            "PRAGMA cache_size = -4096; PRAGMA journal_size_limit = 16777216");
    if (r < 0) {
        sqlite3_close(db);
        return es_fail(r, "cannot write %s", path);
    }
    *ret_db = db;
    return 0;
}

/* file:PATH?immutable=1 with what has a meaning in URIs quoted. malloc'd. */
static char *immutable_uri(const char *path)
{
    static const char hex[] = "0123456789abcdef";
    char *uri = malloc(strlen(path) * 3 + 32);
    if (!uri)
        return NULL;
    char *at = uri + sprintf(uri, "file:");
    for (const char *p = path; *p; p++) {
        if (*p == '?' || *p == '#' || *p == '%') {
            *at++ = '%';
            *at++ = hex[(unsigned char)*p >> 4];
            *at++ = hex[*p & 15];
        } else {
            *at++ = *p;
        }
    }
    strcpy(at, "?immutable=1");
    return uri;
}

/* Is there a plain file to be read? It is not opened here: closing it would take away the locks of a writer in this process. */
static int check_file(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0 || access(path, R_OK) < 0)
        return es_fail(-errno, "cannot open %s: %s", path, strerror(errno));
    return S_ISREG(st.st_mode) ? 0 : es_fail(-EBADMSG, "%s is not a recording", path);
}

static bool has_wal(const char *path)
{
    char *wal = malloc(strlen(path) + 5);
    if (!wal)
        return false;
    sprintf(wal, "%s-wal", path);
    struct stat st;
    bool has = stat(wal, &st) == 0 && st.st_size > 0;
    free(wal);
    return has;
}

static int open_once(const char *name, int flags, sqlite3 **ret_db)
{
    sqlite3 *db = NULL;
    int64_t tables;
    int rc = sqlite3_open_v2(name, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | flags, NULL);
    int r = rc == SQLITE_OK ? configure(db) : es_sql_error(db, rc, "open the file");
    if (r == 0) {
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        r = es_sql_exec(db, "PRAGMA cell_size_check = ON; PRAGMA query_only = ON; PRAGMA cache_size = -4096");
    }
    if (r == 0)
        r = es_sql_integer(db, "SELECT count(*) FROM (SELECT 1 FROM main.sqlite_schema LIMIT 1)", &tables);
    if (r < 0 && (sqlite3_errcode(db) & 0xff) == SQLITE_NOTADB) {
        es_error_clear();
        r = es_fail(-EBADMSG, "it is not a recording");
    }
    if (r < 0) {
        sqlite3_close(db);
        return r;
    }
    *ret_db = db;
    return 0;
}

int es_sql_open_reader(const char *path, sqlite3 **ret_db, const char **ret_warning)
{
    int r = check_file(path);
    if (r < 0)
        return r;
    *ret_warning = NULL;
    bool wal = has_wal(path);
    r = open_once(path, 0, ret_db);
    if (r == 0 || r == -EBADMSG || r == -ENOMEM || r == -EBUSY)
        return r < 0 ? es_fail(r, "cannot read %s", path) : 0;
    /* A file in WAL mode whose companions can neither be read nor made: take the file alone, as it stands. */
    char *uri = immutable_uri(path);
    if (!uri)
        return -ENOMEM;
    es_error_clear();
    r = open_once(uri, SQLITE_OPEN_URI, ret_db);
    free(uri);
    if (r < 0)
        return es_fail(r, "cannot read %s", path);
    if (wal)
        *ret_warning = "its write-ahead log cannot be read here: the last seconds are missing";
    return 0;
}
