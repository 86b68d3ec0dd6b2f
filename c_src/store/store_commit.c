/* SPDX-License-Identifier: MIT */
/* The commit: all that waits becomes rows in one transaction; and retention, which drops the oldest groups in the same. */
#include <errno.h>
#include <xxhash.h>

#include "base/error.h"
#include "store/store_inner.h"

#define MERGE 8u            /* so many mini-blocks, each smaller than so many times the newest, become one */
#define LOG_PAGES_WAKE 256  /* pages in the log before the checkpoint thread is woken: 1 MiB */
#define LOG_PAGES_WAIT 8192 /* … before the commit checkpoints itself: the thread does not keep up */

/* The newest events as a mini-block. It takes small ones before it in, so that a quiet system does not leave thousands:
 * returns how many of store->minis it replaces. */
static int encode_mini(struct es_store *store, uint32_t *ret_merged)
{
    uint32_t from = store->committed, merged = 0;
    for (;;) {
        uint32_t size = store->batch.n - from, run = 0;
        while (run + merged < store->n_minis) {
            const struct es_mini *mini = &store->minis[store->n_minis - 1 - merged - run];
            if (mini->to - mini->from >= size * MERGE)
                break;
            run++;
        }
        if (run < MERGE - 1)
            break;
        merged += run;
        from = store->minis[store->n_minis - merged].from;
    }
    *ret_merged = merged;
    return es_block_encode(store->encoder, &store->batch, (struct es_range){from, store->batch.n, true, true},
                           &store->mini);
}

static int write_blocks(struct es_store *store, uint32_t merged, bool mini)
{
    int r = 0;
    if (store->old_first)
        r = es_rows_delete(&store->rows, store->old_first, store->old_last);
    for (size_t i = 0; r == 0 && i < store->n_sealed; i++)
        r = es_rows_insert(&store->rows, &store->sealed[i].image,
                           (struct es_row_place){.id = store->next_block++, .group = store->sealed[i].group});
    if (r == 0 && merged)
        r = es_rows_delete(&store->rows, store->minis[store->n_minis - merged].id, store->minis[store->n_minis - 1].id);
    if (r == 0 && mini)
        r = es_rows_insert(&store->rows, &store->mini,
                           (struct es_row_place){.id = store->next_block++, .group = store->group.id, .mini = true});
    return r;
}

static int write_groups(struct es_store *store)
{
    int r = 0;
    for (size_t at = 0; r == 0 && at < store->groups.len;) {
        struct es_group group;
        uint64_t lengths[2];
        memcpy(&group, store->groups.bytes + at, sizeof group);
        memcpy(lengths, store->groups.bytes + at + sizeof group, sizeof lengths);
        at += sizeof group + sizeof lengths;
        sqlite3_stmt *s = store->sql.group;
        sqlite3_bind_int64(s, 1, (int64_t)group.id);
        sqlite3_bind_int64(s, 2, (int64_t)group.first_seq);
        sqlite3_bind_int64(s, 3, group.first_time);
        sqlite3_bind_int64(s, 4, (int64_t)lengths[0]);
        sqlite3_bind_int64(s, 5, (int64_t)es_group_hash(group.id, store->groups.bytes + at, lengths[1]));
        sqlite3_bind_blob64(s, 6, store->groups.bytes + at, lengths[1], SQLITE_STATIC);
        r = es_sql_run(store->db, s, "write a keyframe");
        at += lengths[1];
    }
    return r;
}

static int write_ring(struct es_store *store, const struct es_ring_position *ring)
{
    uint8_t lost[ES_KIND_MAX * ES_VARINT_MAX], *at = lost;
    for (unsigned kind = 0; kind < ES_KIND_MAX; kind++)
        at = es_put_varint(at, ring->lost[kind]);
    sqlite3_bind_int64(store->sql.ring, 1, ring->ring);
    sqlite3_bind_int64(store->sql.ring, 2, ring->generation);
    sqlite3_bind_int64(store->sql.ring, 3, (int64_t)ring->position);
    sqlite3_bind_blob64(store->sql.ring, 4, lost, (size_t)(at - lost), SQLITE_STATIC);
    return es_sql_run(store->db, store->sql.ring, "write the position of a ring");
}

static int write_position(struct es_store *store, const struct es_store_position *position)
{
    int r = 0;
    for (uint32_t i = 0; position && r == 0 && i < position->n_rings; i++)
        r = write_ring(store, &position->rings[i]);
    if (r < 0)
        return r;
    sqlite3_stmt *s = store->sql.position;
    sqlite3_clear_bindings(s);
    sqlite3_bind_int64(s, 1, (int64_t)store->next_seq);
    sqlite3_bind_int64(s, 2, store->last_time);
    if (position) {
        sqlite3_bind_int64(s, 3, (int64_t)position->watermark);
        sqlite3_bind_blob64(s, 4, position->blob ? position->blob : "", position->blob_len, SQLITE_STATIC);
    }
    return es_sql_run(store->db, s, "write the position");
}

static int write_all(struct es_store *store, const struct es_store_position *position, uint32_t merged)
{
    int r = es_sql_run(store->db, store->sql.begin, "begin a commit");
    if (r == 0)
        r = write_blocks(store, merged, store->batch.n > store->committed);
    if (r == 0)
        r = write_groups(store);
    if (r == 0)
        r = es_facts_write(&store->facts, store->db);
    if (r == 0)
        r = write_position(store, position);
    if (r == 0)
        r = es_store_retain(store);
    return r == 0 ? es_sql_run(store->db, store->sql.commit, "commit") : r;
}

static void committed(struct es_store *store, uint32_t merged)
{
    for (size_t i = 0; i < store->n_sealed; i++)
        es_buf_fini(&store->sealed[i].image.bytes);
    store->n_sealed = 0;
    store->sealed_bytes = 0;
    store->old_first = store->old_last = 0;
    if (store->batch.n > store->committed) {
        store->n_minis -= merged;
        store->minis[store->n_minis++] =
            (struct es_mini){.id = store->next_block - 1,
                             .to = store->batch.n,
                             .from = (uint32_t)(store->mini.first_seq - store->batch.first_seq)};
        store->committed = store->batch.n;
        store->committed_payload = store->batch.payload.len;
    }
    store->committed_seq = store->next_seq;
    es_buf_trim(&store->groups, 1 << 20);
    es_buf_trim(&store->mini.bytes, 1 << 20);
    es_facts_written(&store->facts);
}

/* After a commit: the checkpoint thread is woken when the log has become long, and helped when it does not keep up. */
static void tend_log(struct es_store *store)
{
    if (store->log_pages >= LOG_PAGES_WAIT)
        sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    else if (store->log_pages >= LOG_PAGES_WAKE && store->checkpoint.running)
        es_checkpoint_wake(&store->checkpoint);
}

/* Of what matters in a position when nothing else has changed. An old watermark is as true as a new one. */
static uint64_t position_hash(const struct es_store_position *position)
{
    if (!position)
        return 0;
    uint64_t rings = position->n_rings ? XXH3_64bits(position->rings, position->n_rings * sizeof *position->rings) : 0;
    return XXH3_64bits_withSeed(position->blob ? position->blob : "", position->blob_len, rings) | 1;
}

/* A quiet system costs no writes. */
static bool nothing_to_say(const struct es_store *store, uint64_t hash)
{
    return store->next_seq == store->committed_seq && store->n_sealed == 0 && store->groups.len == 0 &&
           !es_facts_wait(&store->facts) && (hash == 0 || hash == store->position_hash);
}

int es_store_commit(struct es_store *store, const struct es_store_position *position)
{
    uint32_t merged = 0;
    uint64_t next_block = store->next_block, hash = position_hash(position);
    if (nothing_to_say(store, hash))
        return 0;
    int r = store->batch.n == ES_BLOCK_EVENTS ? es_store_seal(store) : 0;
    if (r == 0 && store->batch.n > store->committed)
        r = encode_mini(store, &merged);
    if (r == -E2BIG) { /* states of many processes that have much in common: only together they are small */
        merged = 0;
        r = es_store_seal(store);
    }
    if (r < 0)
        return r;
    r = write_all(store, position, merged);
    if (r < 0) {
        if (!sqlite3_get_autocommit(store->db))
            sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
        store->next_block = next_block;
        return es_fail(r, "cannot commit to %s", store->path);
    }
    committed(store, merged);
    if (hash)
        store->position_hash = hash;
    tend_log(store);
    return 0;
}
