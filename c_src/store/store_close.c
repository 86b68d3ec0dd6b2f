/* SPDX-License-Identifier: MIT */
/* The end of a recording: one file that needs nothing beside it. */
#include <stdio.h>
#include <time.h>

#include "base/error.h"
#include "store/store_inner.h"

#define VACUUM_BYTES (8u << 20) /* free space in a file that makes it worth writing anew */

/* The last events and the word that it is closed, in one transaction: nobody resumes a recording without its last positions. */
static int commit_end(struct es_store *store, const char *end_reason)
{
    char now[32];
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    snprintf(now, sizeof now, "%lld", (long long)ts.tv_sec * 1000000000 + ts.tv_nsec);
    int r = es_store_seal(store);
    if (r == 0)
        r = es_store_meta(store, "closed", "1");
    if (r == 0)
        r = es_store_meta(store, "ended", now);
    if (r == 0 && end_reason)
        r = es_store_meta(store, "end", end_reason);
    if (r == 0)
        r = es_store_commit(store, NULL);
    store->closed = r == 0;
    return r;
}

/* Into the file with all that is in the log. While others read, the log cannot go: then it stays, empty. */
static void fold_log(struct es_store *store)
{
    int64_t pages = 0, free_pages = 0;
    es_checkpoint_stop(&store->checkpoint);
    sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_busy_timeout(store->db, 200);
    if (sqlite3_exec(store->db, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL) != SQLITE_OK)
        return;
    if (es_sql_integer(store->db, "PRAGMA page_count", &pages) == 0 &&
        es_sql_integer(store->db, "PRAGMA freelist_count", &free_pages) == 0 &&
        free_pages * ES_PAGE_SIZE > VACUUM_BYTES && free_pages > pages / 3)
        sqlite3_exec(store->db, "VACUUM", NULL, NULL, NULL);
}

int es_store_close(struct es_store *store, const char *end_reason)
{
    int r = commit_end(store, end_reason);
    if (r == 0)
        fold_log(store);
    else
        r = es_fail(r, "cannot finish %s", store->path);
    es_store_free(store);
    return r;
}
