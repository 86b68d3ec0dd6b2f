/* SPDX-License-Identifier: MIT */
/* Opening a recording, its metadata, and the index of its blocks. */
#include "store/reader.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/error.h"
#include "store/kinds.h"
#include "store/owner.h"
#include "store/reader_inner.h"

#define BLOCKS_MAX (1u << 24) /* a file with more is not believed */

static int prepare(struct es_recording *rec)
{
    int r = es_sql_prepare(rec->db, "SELECT value FROM main.meta WHERE key = ?", &rec->sql.meta);
    if (r == 0)
        r = es_sql_prepare(rec->db, ES_COLUMN_SELECT, &rec->sql.column);
    if (r == 0)
        r = es_sql_prepare(rec->db, "SELECT bytes FROM main.dict WHERE ref = ?", &rec->sql.define);
    if (r == 0)
        r = es_sql_prepare(rec->db, "BEGIN", &rec->sql.begin);
    if (r == 0)
        r = es_sql_prepare(rec->db, "END", &rec->sql.end);
    if (r == 0)
        r = es_sql_prepare(rec->db, ES_BLOCK_SELECT "WHERE id >= ? ORDER BY id LIMIT 1", &rec->sql.around);
    return r;
}

static void note_warning(struct es_recording *rec, const char *warning, bool had_log)
{
    const char *closed = es_recording_meta(rec, "closed");
    bool finished = closed && strcmp(closed, "1") == 0;
    if (!warning && !finished && !had_log && !es_recording_live(rec))
        warning =
            "its writer did not finish it and its write-ahead log is not beside it: the last seconds may be missing";
    if (warning)
        snprintf(rec->warning, sizeof rec->warning, "%s", warning);
}

int es_recording_open(const char *path, struct es_recording **ret_recording)
{
    struct es_recording *rec = calloc(1, sizeof *rec);
    char log[4100];
    struct stat st;
    const char *warning = NULL;
    if (!rec)
        return -ENOMEM;
    bool had_log = snprintf(log, sizeof log, "%s-wal", path) < (int)sizeof log && stat(log, &st) == 0;
    rec->path = strdup(path);
    rec->keeping.bound = ES_KEPT_BYTES;
    rec->decoder = es_decoder_new();
    int r = rec->path && rec->decoder ? es_sql_open_reader(path, &rec->db, &warning) : -ENOMEM;
    if (r == 0)
        r = es_sql_check(rec->db, path);
    if (r == 0)
        r = prepare(rec);
    if (r < 0) {
        es_recording_close(rec);
        return r;
    }
    const char *kinds = es_recording_meta(rec, "kinds");
    r = kinds ? es_kinds_check(kinds) : es_fail(-EBADMSG, "it does not say its kinds of events");
    if (r < 0) {
        es_recording_close(rec);
        return es_fail(r, "cannot read %s", path);
    }
    note_warning(rec, warning, had_log);
    rec->was_live = es_recording_live(rec);
    *ret_recording = rec;
    return 0;
}

/* A recording that was finished while we read it could not be made one file: its writer leaves that to the last reader. */
static void settle(const struct es_recording *rec)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(rec->path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK)
        sqlite3_exec(db, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
    sqlite3_close(db);
}

void es_recording_close(struct es_recording *rec)
{
    if (!rec)
        return;
    const char *closed = rec->was_live ? es_recording_meta(rec, "closed") : NULL;
    bool finished = closed && strcmp(closed, "1") == 0;
    for (size_t i = 0; i < ES_CACHED_BLOCKS; i++) {
        if (rec->cached[i]) {
            es_decoded_fini(&rec->cached[i]->decoded);
            free(rec->cached[i]);
        }
    }
    es_decoded_fini(&rec->spare);
    es_reader_states_fini(&rec->states);
    es_keeping_fini(&rec->keeping);
    free(rec->run.events);
    free(rec->own.states);
    es_decoder_free(rec->decoder);
    for (size_t i = 0; i < rec->n_defines; i++)
        free(rec->defines[i].bytes);
    es_reader_drop_tables(rec);
    es_map_fini(&rec->define_place);
    es_buf_fini(&rec->stored.memory);
    free(rec->defines);
    free(rec->blocks);
    free(rec->damaged);
    free(rec->keyframe);
    free(rec->meta);
    sqlite3_finalize(rec->sql.meta);
    sqlite3_finalize(rec->sql.column);
    sqlite3_finalize(rec->sql.define);
    sqlite3_finalize(rec->sql.begin);
    sqlite3_finalize(rec->sql.end);
    sqlite3_finalize(rec->sql.around);
    sqlite3_close(rec->db);
    if (finished)
        settle(rec);
    free(rec->path);
    free(rec);
}

const char *es_recording_meta(struct es_recording *rec, const char *key)
{
    if (strcmp(key, "warning") == 0)
        return rec->warning[0] ? rec->warning : NULL;
    sqlite3_bind_text(rec->sql.meta, 1, key, -1, SQLITE_STATIC);
    const char *value =
        sqlite3_step(rec->sql.meta) == SQLITE_ROW ? (const char *)sqlite3_column_text(rec->sql.meta, 0) : NULL;
    free(rec->meta);
    rec->meta = value ? strdup(value) : NULL;
    sqlite3_reset(rec->sql.meta);
    return rec->meta;
}

int es_recording_each_meta(struct es_recording *rec, int (*each)(const char *key, const char *value, void *context),
                           void *context)
{
    struct es_buf rows = {0};
    int r = rec->warning[0] ? each("warning", rec->warning, context) : 0;
    if (r == 0)
        r = es_reader_pairs(rec, "SELECT key, value FROM main.meta ORDER BY key", &rows);
    for (size_t at = 0; r == 0 && at < rows.len;) {
        const char *key = (const char *)rows.bytes + at, *value = key + strlen(key) + 1;
        at += strlen(key) + strlen(value) + 2;
        r = each(key, value, context);
    }
    es_buf_fini(&rows);
    return r;
}

bool es_recording_live(struct es_recording *rec)
{
    const char *closed = es_recording_meta(rec, "closed");
    if (!closed || strcmp(closed, "0") != 0)
        return false;
    const char *writer = es_recording_meta(rec, "writer");
    return writer && es_owner_alive(writer);
}

int es_reader_note_damaged(struct es_recording *rec, uint64_t block)
{
    for (size_t i = 0; i < rec->n_damaged; i++)
        if (rec->damaged[i] == block)
            return 0;
    if (rec->n_damaged == rec->damaged_room) {
        size_t room = rec->damaged_room ? rec->damaged_room * 2 : 16;
        uint64_t *damaged = realloc(rec->damaged, room * sizeof *damaged);
        if (!damaged)
            return -ENOMEM;
        rec->damaged = damaged;
        rec->damaged_room = room;
    }
    rec->damaged[rec->n_damaged++] = block;
    return 0;
}

size_t es_recording_damaged(struct es_recording *rec, const uint64_t **ret_block_ids)
{
    *ret_block_ids = rec->damaged;
    return rec->n_damaged;
}

static int add_block(struct es_recording *rec, const struct es_block_info *info)
{
    if (rec->n_blocks == rec->blocks_room) {
        size_t room = rec->blocks_room ? rec->blocks_room * 2 : 64;
        struct es_block_info *blocks = rec->n_blocks < BLOCKS_MAX ? realloc(rec->blocks, room * sizeof *blocks) : NULL;
        if (!blocks)
            return es_fail(-ENOMEM, "no memory for the index of blocks");
        rec->blocks = blocks;
        rec->blocks_room = room;
    }
    rec->blocks[rec->n_blocks++] = *info;
    return 0;
}

struct index_walk {
    uint64_t from, until;
    bool backward;
};

/* Blocks with ids in [from, until), in order or against it. Rows whose order or checksum is wrong are noted and left out. */
static int load_blocks(struct es_recording *rec, const struct index_walk *walk)
{
    sqlite3_stmt *s;
    int r = es_sql_prepare(rec->db,
                           walk->backward ? ES_BLOCK_SELECT "WHERE id >= ? AND id < ? ORDER BY id DESC"
                                          : ES_BLOCK_SELECT "WHERE id >= ? AND id < ? ORDER BY id",
                           &s);
    if (r < 0)
        return r;
    sqlite3_bind_int64(s, 1, (int64_t)walk->from);
    sqlite3_bind_int64(s, 2, (int64_t)walk->until);
    int rc = SQLITE_DONE;
    for (bool first = true; r == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW; first = false) {
        struct es_block_info info;
        int64_t id = sqlite3_column_int64(s, 0);
        bool mini = false;
        if (!first && (walk->backward ? id >= rec->last_id : id <= rec->last_id)) {
            r = es_fail(-EBADMSG, "the index of blocks is not in order"); /* a tree that leads back to itself */
            break;
        }
        rec->last_id = id;
        if (es_rows_info(s, &info, &mini) < 0) {
            es_error_clear(); /* it is told by es_recording_damaged() */
            r = es_reader_note_damaged(rec, (uint64_t)id);
            continue;
        }
        if (!mini && !walk->backward)
            rec->first_mini = rec->n_blocks + 1;
        r = add_block(rec, &info);
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = es_sql_error(rec->db, rc, "read the index of blocks");
    sqlite3_finalize(s);
    return r;
}

/* What the damaged place hides from one side may be seen from the other. */
static int load_from_the_end(struct es_recording *rec)
{
    size_t known = rec->n_blocks;
    uint64_t next = known ? rec->blocks[known - 1].id + 1 : 0;
    es_error_clear();
    int r = es_reader_note_damaged(rec, next);
    if (r == 0)
        r = load_blocks(rec, &(struct index_walk){next, INT64_MAX, true});
    if (r == -EBADMSG && rec->n_blocks)
        es_error_clear();
    for (size_t i = known, j = rec->n_blocks; i + 1 < j; i++, j--) {
        struct es_block_info info = rec->blocks[i];
        rec->blocks[i] = rec->blocks[j - 1];
        rec->blocks[j - 1] = info;
    }
    rec->first_mini = known;
    if (r == -ENOMEM)
        return r;
    return rec->n_blocks ? 0 : es_fail(-EBADMSG, "the index of blocks cannot be read");
}

/* Events must come in order and without holes: a row that says otherwise has a right checksum and a wrong place, and what is not there
 * was once. The block that is missing probably had the next number. */
static int check_order(struct es_recording *rec)
{
    size_t kept = 0;
    int r = 0;
    for (size_t i = 0; r == 0 && i < rec->n_blocks; i++) {
        const struct es_block_info *info = &rec->blocks[i], *before = kept ? &rec->blocks[kept - 1] : NULL;
        if (before && info->first_seq <= before->last_seq) {
            r = es_reader_note_damaged(rec, info->id);
            continue;
        }
        if (before && info->first_seq != before->last_seq + 1)
            r = es_reader_note_damaged(rec, before->id + 1);
        rec->blocks[kept++] = *info;
    }
    if (rec->first_mini > kept)
        rec->first_mini = kept;
    rec->n_blocks = kept;
    return r;
}

/* The first and the last event are those that other tables speak of. */
static int check_ends(struct es_recording *rec)
{
    int64_t first = 1, next = 1;
    int r = es_sql_integer(rec->db, "SELECT first_seq FROM main.groups ORDER BY id LIMIT 1", &first);
    if (r == 0)
        r = es_sql_integer(rec->db, "SELECT next_seq FROM main.position WHERE id = 1", &next);
    const struct es_block_info *last = rec->n_blocks ? &rec->blocks[rec->n_blocks - 1] : NULL;
    uint64_t is_first = last ? rec->blocks[0].first_seq : (uint64_t)next,
             is_next = last ? last->last_seq + 1 : (uint64_t)first;
    if (r == 0 && is_first == (uint64_t)first && is_next == (uint64_t)next)
        return 0;
    es_error_clear();
    return es_reader_note_damaged(rec, is_first != (uint64_t)first || !last ? 0 : last->id + 1);
}

/* Blocks before the first mini-block never change: they can only be dropped by retention, from the front. */
static int drop_front(struct es_recording *rec)
{
    int64_t first = INT64_MAX;
    int r = es_sql_integer(rec->db, "SELECT id FROM main.blocks ORDER BY id LIMIT 1", &first);
    if (r < 0 && r != -ENODATA)
        return r;
    size_t gone = 0;
    while (gone < rec->n_blocks && rec->blocks[gone].id < (uint64_t)first)
        gone++;
    if (gone == 0)
        return 0;
    memmove(rec->blocks, rec->blocks + gone, (rec->n_blocks - gone) * sizeof *rec->blocks);
    rec->n_blocks -= gone;
    rec->first_mini = rec->first_mini > gone ? rec->first_mini - gone : 0;
    return 0;
}

static int refresh_blocks(struct es_recording *rec)
{
    int r = es_sql_run(rec->db, rec->sql.begin, "begin to read");
    if (r < 0)
        return r;
    if (rec->n_blocks > rec->first_mini)
        rec->n_blocks = rec->first_mini;
    uint64_t from = rec->n_blocks ? rec->blocks[rec->n_blocks - 1].id + 1 : 0;
    r = drop_front(rec);
    if (r == 0)
        r = load_blocks(rec, &(struct index_walk){from, INT64_MAX, false});
    if (r == -EBADMSG)
        r = load_from_the_end(rec);
    if (r == 0)
        r = check_order(rec);
    if (r == 0)
        r = check_ends(rec);
    int end = es_sql_run(rec->db, rec->sql.end, "end to read");
    rec->blocks_loaded = r == 0;
    return r < 0 ? r : end;
}

int es_recording_refresh(struct es_recording *rec)
{
    int64_t version = 0;
    int r = es_sql_integer(rec->db, "PRAGMA data_version", &version);
    if (r < 0 || (rec->blocks_loaded && version == rec->data_version))
        return r;
    es_reader_drop_tables(rec);
    r = refresh_blocks(rec);
    if (r == 0)
        rec->data_version = version;
    return r;
}

size_t es_recording_blocks(struct es_recording *rec, const struct es_block_info **ret_blocks)
{
    if (!rec->blocks_loaded && refresh_blocks(rec) < 0)
        rec->blocks_loaded = true; /* what could be read is there; es_recording_verify() says what could not */
    *ret_blocks = rec->blocks;
    return rec->n_blocks;
}
