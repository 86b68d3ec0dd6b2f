/* SPDX-License-Identifier: MIT */
/* Retention: the oldest groups go, whole, when a limit is passed. */
#include <errno.h>

#include "base/error.h"
#include "store/store_inner.h"

#define GROUPS_A_COMMIT 4 /* dropped at most, so that no commit becomes long */

struct oldest {
    uint64_t id, first_seq, next_seq;
    int64_t until;
    bool alone;
};

/* The oldest group, and where the one after it begins. */
static int find_oldest(struct es_store *store, struct oldest *ret)
{
    sqlite3_stmt *s = store->sql.oldest;
    struct oldest oldest = {.alone = true};
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        oldest.id = (uint64_t)sqlite3_column_int64(s, 0);
        oldest.first_seq = (uint64_t)sqlite3_column_int64(s, 1);
        rc = sqlite3_step(s);
        oldest.alone = rc != SQLITE_ROW;
        oldest.next_seq = oldest.alone ? 0 : (uint64_t)sqlite3_column_int64(s, 1);
        oldest.until = oldest.alone ? INT64_MIN : sqlite3_column_int64(s, 2);
    }
    int r = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : es_sql_error(store->db, rc, "find the oldest group");
    sqlite3_reset(s);
    if (r == 0)
        *ret = oldest;
    return r;
}

static int used_bytes(struct es_store *store, uint64_t *ret_bytes)
{
    int rc = sqlite3_step(store->sql.used_pages);
    if (rc == SQLITE_ROW)
        *ret_bytes = (uint64_t)sqlite3_column_int64(store->sql.used_pages, 0) * ES_PAGE_SIZE;
    sqlite3_reset(store->sql.used_pages);
    return rc == SQLITE_ROW ? 0 : es_sql_error(store->db, rc, "measure the file");
}

static int is_over(struct es_store *store, const struct oldest *oldest, bool *ret_over)
{
    const struct es_store_options *o = &store->options;
    uint64_t bytes = 0;
    int r = o->max_bytes ? used_bytes(store, &bytes) : 0;
    if (r < 0)
        return r;
    bool old = o->max_age_ns && oldest->until != INT64_MIN && store->last_time > oldest->until &&
               (uint64_t)store->last_time - (uint64_t)oldest->until > o->max_age_ns;
    *ret_over = old || (o->max_events && store->next_seq - oldest->first_seq > o->max_events) ||
                (o->max_bytes && bytes > o->max_bytes - o->max_bytes / 16);
    return 0;
}

/* One statement with up to two integers. */
static int run_with(struct es_store *store, const char *sql, int64_t first, int64_t second)
{
    sqlite3_stmt *s;
    int r = es_sql_prepare(store->db, sql, &s);
    if (r < 0)
        return r;
    sqlite3_bind_int64(s, 1, first);
    sqlite3_bind_int64(s, 2, second);
    r = es_sql_run(store->db, s, "drop an old group");
    sqlite3_finalize(s);
    return r;
}

static int first_block_after(struct es_store *store, uint64_t group, int64_t *ret_block)
{
    sqlite3_stmt *s;
    int r = es_sql_prepare(store->db, "SELECT id FROM blocks WHERE group_id > ? ORDER BY id LIMIT 1", &s);
    if (r < 0)
        return r;
    sqlite3_bind_int64(s, 1, (int64_t)group);
    int rc = sqlite3_step(s);
    *ret_block = rc == SQLITE_ROW ? sqlite3_column_int64(s, 0) : (int64_t)store->next_block;
    r = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : es_sql_error(store->db, rc, "find the blocks of a group");
    sqlite3_finalize(s);
    return r;
}

static int drop(struct es_store *store, const struct oldest *oldest)
{
    int64_t block = 0;
    int r = first_block_after(store, oldest->id, &block);
    if (r == 0 && block > 0)
        r = es_rows_delete(&store->rows, 0, (uint64_t)block - 1);
    if (r == 0)
        r = run_with(store, "DELETE FROM groups WHERE id = ?1 AND ?2 = 0", (int64_t)oldest->id, 0);
    if (r == 0)
        r = run_with(store, "DELETE FROM processes WHERE exited < ?1 AND exited < 9223372036854775807 AND ?2 = 0",
                     oldest->until, 0);
    if (r == 0)
        r = run_with(store, "DELETE FROM names WHERE until < ?1 AND ?2 = 0", oldest->until, 0);
    if (r == 0)
        r = run_with(store, "DELETE FROM losses WHERE to_time < ?1 AND ?2 = 0", oldest->until, 0);
    if (r == 0)
        r = run_with(store,
                     "INSERT INTO counters VALUES('retention.events', ?1), ('retention.groups', ?2) "
                     "ON CONFLICT(name) DO UPDATE SET value = value + excluded.value",
                     (int64_t)(oldest->next_seq - oldest->first_seq), 1);
    return r;
}

int es_store_retain(struct es_store *store)
{
    const struct es_store_options *o = &store->options;
    if (!o->max_events && !o->max_bytes && !o->max_age_ns)
        return 0;
    for (int i = 0; i < GROUPS_A_COMMIT; i++) {
        struct oldest oldest = {0};
        bool over = false;
        int r = find_oldest(store, &oldest);
        if (r < 0 || oldest.alone)
            return r;
        r = is_over(store, &oldest, &over);
        if (r < 0 || !over)
            return r;
        r = drop(store, &oldest);
        if (r < 0)
            return r;
    }
    return 0;
}
