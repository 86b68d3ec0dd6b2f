/* SPDX-License-Identifier: MIT */
/* World keyframes, and where the engine goes on: what take-over needs. */
#include <errno.h>

#include "base/error.h"
#include "store/reader_inner.h"
#include "store/store_inner.h"
#include "wire/term.h"

static int unpack_keyframe(struct es_recording *rec, sqlite3_stmt *s, struct es_keyframe *ret)
{
    uint64_t id = (uint64_t)sqlite3_column_int64(s, 0);
    int64_t raw_len = sqlite3_column_int64(s, 3);
    const void *bytes = sqlite3_column_blob(s, 5);
    size_t len = (size_t)sqlite3_column_bytes(s, 5);
    if (raw_len < 0 || raw_len > ES_ROW_MAX / 2 ||
        (uint64_t)sqlite3_column_int64(s, 4) != es_group_hash(id, bytes, len))
        return es_fail(-EBADMSG, "the keyframe of group %llu is damaged", (unsigned long long)id);
    uint8_t *raw = malloc((size_t)raw_len + 1);
    if (!raw)
        return es_fail(-ENOMEM, "no memory for a keyframe");
    if (raw_len && ZSTD_decompress(raw, (size_t)raw_len, bytes, len) != (size_t)raw_len) {
        free(raw);
        return es_fail(-EBADMSG, "the keyframe of group %llu cannot be decompressed", (unsigned long long)id);
    }
    free(rec->keyframe);
    rec->keyframe = raw;
    *ret = (struct es_keyframe){.group = id,
                                .first_seq = (uint64_t)sqlite3_column_int64(s, 1),
                                .time = sqlite3_column_int64(s, 2),
                                .bytes = raw,
                                .len = (size_t)raw_len};
    return 0;
}

int es_recording_keyframe(struct es_recording *rec, uint64_t seq, struct es_keyframe *ret_keyframe)
{
    sqlite3_stmt *s;
    int r = es_sql_prepare(
        rec->db,
        "SELECT id, first_seq, first_time, raw_len, hash, keyframe FROM main.groups WHERE first_seq <= ? "
        "ORDER BY id DESC LIMIT 1",
        &s);
    if (r < 0)
        return r;
    sqlite3_bind_int64(s, 1, (int64_t)(seq > INT64_MAX ? INT64_MAX : seq));
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        r = unpack_keyframe(rec, s, ret_keyframe);
    else
        r = rc == SQLITE_DONE ? es_fail(-ENOENT, "no keyframe before event %llu", (unsigned long long)seq)
                              : es_sql_error(rec->db, rc, "read a keyframe");
    sqlite3_finalize(s);
    return r;
}

static int read_rings(sqlite3 *db, struct es_store_position *position)
{
    sqlite3_stmt *s;
    int r = es_sql_prepare(db, "SELECT ring, generation, position, lost FROM rings ORDER BY ring, generation", &s);
    if (r < 0)
        return r;
    int rc = SQLITE_DONE;
    while (r == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct es_ring_position *rings = realloc(position->rings, (position->n_rings + 1) * sizeof *rings);
        if (!rings) {
            r = es_fail(-ENOMEM, "no memory for positions");
            break;
        }
        position->rings = rings;
        struct es_ring_position *ring = &rings[position->n_rings++];
        *ring = (struct es_ring_position){.ring = (uint32_t)sqlite3_column_int64(s, 0),
                                          .generation = (uint32_t)sqlite3_column_int64(s, 1),
                                          .position = (uint64_t)sqlite3_column_int64(s, 2)};
        const void *bytes = sqlite3_column_blob(s, 3);
        struct es_reader lost;
        es_reader_init(&lost, bytes ? bytes : "", (size_t)sqlite3_column_bytes(s, 3));
        for (unsigned kind = 0; kind < ES_KIND_MAX && es_reader_left(&lost); kind++)
            ring->lost[kind] = es_reader_varint(&lost);
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = es_sql_error(db, rc, "read the positions of rings");
    sqlite3_finalize(s);
    return r;
}

static int read_blob(sqlite3 *db, struct es_store_position *position)
{
    sqlite3_stmt *s;
    int r = es_sql_prepare(db, "SELECT watermark, blob FROM position", &s);
    if (r < 0)
        return r;
    if (sqlite3_step(s) == SQLITE_ROW) {
        position->watermark = (uint64_t)sqlite3_column_int64(s, 0);
        position->blob_len = (size_t)sqlite3_column_bytes(s, 1);
        position->blob = malloc(position->blob_len + 1);
        if (!position->blob)
            r = es_fail(-ENOMEM, "no memory for the position");
        else if (position->blob_len)
            memcpy(position->blob, sqlite3_column_blob(s, 1), position->blob_len);
    }
    sqlite3_finalize(s);
    return r;
}

int es_store_position(struct es_store *store, struct es_store_position *ret_position)
{
    struct es_store_position position = {.next_seq = store->next_seq, .last_time = store->last_time};
    int r = read_rings(store->db, &position);
    if (r == 0)
        r = read_blob(store->db, &position);
    if (r < 0) {
        free(position.rings);
        free(position.blob);
        return r;
    }
    *ret_position = position;
    return 0;
}
