/* SPDX-License-Identifier: MIT */
/* Blocks as rows; see rows.h. */
#include "store/rows.h"

#include <errno.h>
#include <xxhash.h>

#include "base/error.h"
#include "wire/term.h"

#define PACKED_MAX 512u /* larger columns get a row of their own */
#define PACK_MAX (ES_COLUMNS * (2 + 2 * ES_VARINT_MAX + 8 + PACKED_MAX))
#define OUTSIDE 0x80u /* in the pack's codec byte: the bytes are in a row of their own, here is its checksum */

static int64_t row_id(uint64_t block, unsigned column) { return (int64_t)(block * 64 + column); }

static uint64_t row_hash(const void *bytes, size_t len, int64_t id)
{
    return XXH3_64bits_withSeed(bytes, len, (uint64_t)id);
}

int es_rows_open(sqlite3 *db, struct es_rows *rows)
{
    *rows = (struct es_rows){.db = db};
    int r = es_sql_prepare(db, "INSERT INTO blocks VALUES(?,?,?,?,?,?,?,?,?,?)", &rows->block);
    if (r == 0)
        r = es_sql_prepare(db, "INSERT INTO columns VALUES(?,?,?)", &rows->column);
    if (r == 0)
        r = es_sql_prepare(db, "DELETE FROM blocks WHERE id BETWEEN ? AND ?", &rows->delete_blocks);
    if (r == 0)
        r = es_sql_prepare(db, "DELETE FROM columns WHERE id BETWEEN ? AND ?", &rows->delete_columns);
    return r;
}

void es_rows_close(struct es_rows *rows)
{
    sqlite3_finalize(rows->block);
    sqlite3_finalize(rows->column);
    sqlite3_finalize(rows->delete_blocks);
    sqlite3_finalize(rows->delete_columns);
    es_buf_fini(&rows->pack);
}

static uint64_t info_hash(const struct es_block_info *info, bool mini, const uint8_t *kinds, size_t len)
{
    uint64_t fields[] = {
        info->id, info->first_seq, info->events, (uint64_t)info->first_time, (uint64_t)info->last_time, info->group,
        mini,     info->bytes};
    uint8_t bytes[sizeof fields], *at = bytes;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        at = es_put_le64(at, fields[i]);
    return XXH3_64bits_withSeed(kinds, len, XXH3_64bits(bytes, sizeof bytes));
}

static int insert_column(struct es_rows *rows, int64_t id, const void *bytes, size_t len)
{
    sqlite3_bind_int64(rows->column, 1, id);
    sqlite3_bind_int64(rows->column, 2, (int64_t)row_hash(bytes, len, id));
    sqlite3_bind_blob64(rows->column, 3, bytes, len, SQLITE_STATIC);
    return es_sql_run(rows->db, rows->column, "write a column");
}

static int pack_column(struct es_rows *rows, const struct es_image *image, const struct es_column *c, uint64_t block)
{
    const uint8_t *bytes = image->bytes.bytes + c->at;
    bool outside = c->len > PACKED_MAX;
    if (es_buf_reserve(&rows->pack, 2 + 2 * ES_VARINT_MAX + 8 + PACKED_MAX) < 0)
        return es_fail(-ENOMEM, "no memory to write a block");
    uint8_t *at = rows->pack.bytes + rows->pack.len;
    *at++ = c->id;
    *at++ = (uint8_t)(c->codec | (outside ? OUTSIDE : 0));
    at = es_put_varint(at, c->raw_len);
    at = es_put_varint(at, c->len);
    if (outside) {
        at = es_put_le64(at, row_hash(bytes, c->len, row_id(block, c->id)));
    } else {
        memcpy(at, bytes, c->len);
        at += c->len;
    }
    rows->pack.len = (size_t)(at - rows->pack.bytes);
    return outside ? insert_column(rows, row_id(block, c->id), bytes, c->len) : 0;
}

static int insert_info(struct es_rows *rows, const struct es_image *image, struct es_row_place place)
{
    uint8_t kinds[ES_KIND_MAX * 2 * ES_VARINT_MAX], *at = kinds;
    for (unsigned kind = 0; kind < ES_KIND_MAX; kind++) {
        if (image->kinds[kind]) {
            at = es_put_varint(at, kind);
            at = es_put_varint(at, image->kinds[kind]);
        }
    }
    size_t len = (size_t)(at - kinds);
    struct es_block_info info = {.id = place.id,
                                 .first_seq = image->first_seq,
                                 .events = image->events,
                                 .group = place.group,
                                 .first_time = image->first_time,
                                 .last_time = image->last_time,
                                 .bytes = image->bytes.len + rows->pack.len};
    sqlite3_stmt *s = rows->block;
    sqlite3_bind_int64(s, 1, (int64_t)info.id);
    sqlite3_bind_int64(s, 2, (int64_t)info.first_seq);
    sqlite3_bind_int64(s, 3, info.events);
    sqlite3_bind_int64(s, 4, info.first_time);
    sqlite3_bind_int64(s, 5, info.last_time);
    sqlite3_bind_int64(s, 6, (int64_t)info.group);
    sqlite3_bind_int(s, 7, place.mini);
    sqlite3_bind_int64(s, 8, (int64_t)info.bytes);
    sqlite3_bind_blob64(s, 9, kinds, len, SQLITE_STATIC);
    sqlite3_bind_int64(s, 10, (int64_t)info_hash(&info, place.mini, kinds, len));
    return es_sql_run(rows->db, s, "write a block");
}

int es_rows_insert(struct es_rows *rows, const struct es_image *image, struct es_row_place place)
{
    rows->pack.len = 0;
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < image->n_columns; i++)
        r = pack_column(rows, image, &image->columns[i], place.id);
    if (r == 0)
        r = insert_column(rows, row_id(place.id, ES_C_PACK), rows->pack.bytes, rows->pack.len);
    return r == 0 ? insert_info(rows, image, place) : r;
}

int es_rows_delete(struct es_rows *rows, uint64_t first_id, uint64_t last_id)
{
    sqlite3_bind_int64(rows->delete_blocks, 1, (int64_t)first_id);
    sqlite3_bind_int64(rows->delete_blocks, 2, (int64_t)last_id);
    int r = es_sql_run(rows->db, rows->delete_blocks, "drop blocks");
    if (r < 0)
        return r;
    sqlite3_bind_int64(rows->delete_columns, 1, row_id(first_id, 0));
    sqlite3_bind_int64(rows->delete_columns, 2, row_id(last_id, 63));
    return es_sql_run(rows->db, rows->delete_columns, "drop columns");
}

static int read_kinds(const uint8_t *bytes, size_t len, struct es_block_info *info)
{
    struct es_reader r;
    es_reader_init(&r, bytes, len);
    uint64_t sum = 0;
    while (es_reader_left(&r)) {
        uint64_t kind = es_reader_varint(&r), count = es_reader_varint(&r);
        if (r.bad || kind >= ES_KIND_MAX || count > info->events)
            return -EBADMSG;
        info->kinds[kind] = count;
        sum += count;
    }
    return sum == info->events ? 0 : -EBADMSG;
}

int es_rows_info(sqlite3_stmt *s, struct es_block_info *ret_info, bool *ret_mini)
{
    struct es_block_info info = {.id = (uint64_t)sqlite3_column_int64(s, 0),
                                 .first_seq = (uint64_t)sqlite3_column_int64(s, 1)};
    int64_t events = sqlite3_column_int64(s, 2);
    info.first_time = sqlite3_column_int64(s, 3);
    info.last_time = sqlite3_column_int64(s, 4);
    info.group = (uint64_t)sqlite3_column_int64(s, 5);
    bool mini = sqlite3_column_int64(s, 6) != 0;
    info.bytes = (uint64_t)sqlite3_column_int64(s, 7);
    const uint8_t *kinds = sqlite3_column_blob(s, 8);
    size_t len = (size_t)sqlite3_column_bytes(s, 8);
    ret_info->id = info.id;
    if (events < 1 || events > ES_BLOCK_EVENTS || info.first_seq < 1 || info.first_seq > INT64_MAX ||
        info.id > INT64_MAX / 64 || !kinds || len > ES_KIND_MAX * 2 * ES_VARINT_MAX)
        return es_fail(-EBADMSG, "block %llu has impossible facts", (unsigned long long)info.id);
    info.events = (uint32_t)events;
    info.last_seq = info.first_seq + info.events - 1;
    if ((uint64_t)sqlite3_column_int64(s, 9) != info_hash(&info, mini, kinds, len) || read_kinds(kinds, len, &info) < 0)
        return es_fail(-EBADMSG, "block %llu: the checksum of its row is wrong", (unsigned long long)info.id);
    *ret_info = info;
    *ret_mini = mini;
    return 0;
}

struct row {
    int64_t id;
    size_t cap;
    uint64_t hash;
};

/* Appends the bytes of row `id`, at most `cap`, to `memory` and tells their hash. The statement is reset on return. */
static int load_row(sqlite3_stmt *column, struct row *row, struct es_buf *memory)
{
    int64_t id = row->id;
    sqlite3_bind_int64(column, 1, id);
    int rc = sqlite3_step(column), r = 0;
    if (rc == SQLITE_DONE) {
        r = -ENOENT;
    } else if (rc != SQLITE_ROW) {
        r = es_sql_error(sqlite3_db_handle(column), rc, "read a column");
    } else {
        const void *bytes = sqlite3_column_blob(column, 1);
        size_t len = (size_t)sqlite3_column_bytes(column, 1);
        row->hash = row_hash(bytes, len, id);
        if (len > row->cap || row->hash != (uint64_t)sqlite3_column_int64(column, 0))
            r = es_fail(-EBADMSG, "block %llu, column %llu: wrong checksum", (unsigned long long)id / 64,
                        (unsigned long long)id % 64);
        else if (es_buf_add(memory, bytes, len) < 0)
            r = es_fail(-ENOMEM, "no memory to read a block");
    }
    sqlite3_reset(column);
    return r;
}

struct found {
    size_t at;
    uint64_t hash;
    bool outside;
};

static int read_pack(struct es_stored_block *stored, struct found *found)
{
    struct es_reader r;
    es_reader_init(&r, stored->memory.bytes, stored->memory.len);
    while (es_reader_left(&r)) {
        unsigned id = es_reader_u8(&r), codec = es_reader_u8(&r);
        uint64_t raw_len = es_reader_varint(&r), len = es_reader_varint(&r);
        if (r.bad || id == 0 || id >= ES_COLUMNS || raw_len > es_column_cap(id, ES_BLOCK_EVENTS) || len > raw_len)
            break;
        struct es_stored *s = &stored->column[id];
        *s = (struct es_stored){.len = len, .raw_len = (uint32_t)raw_len, .codec = (uint8_t)(codec & ~OUTSIDE)};
        found[id] = (struct found){.at = (size_t)(r.at - stored->memory.bytes), .outside = codec & OUTSIDE};
        if (codec & OUTSIDE)
            found[id].hash = es_reader_le64(&r);
        else
            es_reader_take(&r, len);
    }
    return r.bad || es_reader_left(&r)
               ? es_fail(-EBADMSG, "block %llu: its pack is malformed", (unsigned long long)stored->info.id)
               : 0;
}

int es_rows_load(sqlite3_stmt *column, uint64_t set, struct es_stored_block *stored)
{
    uint64_t block = stored->info.id;
    struct found found[ES_COLUMNS] = {0};
    struct row pack = {.id = row_id(block, ES_C_PACK), .cap = PACK_MAX};
    memset(stored->column, 0, sizeof stored->column);
    stored->memory.len = 0;
    int r = load_row(column, &pack, &stored->memory);
    if (r == 0)
        r = read_pack(stored, found);
    for (unsigned id = 1; r == 0 && id < ES_COLUMNS; id++) {
        if (!found[id].outside || !(set >> id & 1))
            continue;
        struct row row = {.id = row_id(block, id), .cap = stored->column[id].len};
        found[id].at = stored->memory.len;
        r = load_row(column, &row, &stored->memory);
        if (r == -ENOENT || (r == 0 && (row.hash != found[id].hash || stored->memory.len - found[id].at != row.cap)))
            r = es_fail(-EBADMSG, "block %llu, column %u: not the bytes that were written", (unsigned long long)block,
                        id);
    }
    for (unsigned id = 1; r == 0 && id < ES_COLUMNS; id++) { /* only now: the memory has moved while it grew */
        if (found[id].outside && !(set >> id & 1))
            stored->column[id] = (struct es_stored){.raw_len = stored->column[id].raw_len};
        else
            stored->column[id].data = stored->memory.bytes + found[id].at;
    }
    return r;
}
