/* SPDX-License-Identifier: MIT */
/* Decoded blocks, a few of them kept. */
#include <errno.h>

#include "base/error.h"
#include "store/reader_inner.h"

#define ALL_FIELDS (ES_F_PEER | ES_F_FUN | ES_F_HASH | ES_F_CORR | ES_F_NUM | ES_F_PAYLOAD | ES_F_CAUSE | ES_F_SITE)

/* The block that took in the one we know from the index: mini-blocks are merged while a recording is live. */
static int find_merged(struct es_recording *rec, const struct es_block_info *info, struct es_block_info *ret_info)
{
    bool mini;
    sqlite3_bind_int64(rec->sql.around, 1, (int64_t)info->id);
    int rc = sqlite3_step(rec->sql.around);
    int r = rc == SQLITE_ROW    ? es_rows_info(rec->sql.around, ret_info, &mini)
            : rc == SQLITE_DONE ? -ENOENT
                                : es_sql_error(rec->db, rc, "find a block");
    sqlite3_reset(rec->sql.around);
    if (r == 0 && ret_info->id == info->id)
        return es_fail(-EBADMSG, "block %llu: its columns are missing", (unsigned long long)info->id);
    if (r == 0 && (ret_info->first_seq > info->first_seq || ret_info->last_seq < info->last_seq))
        r = -ENOENT;
    return r;
}

static int load(struct es_recording *rec, const struct es_block_info *info, uint64_t set,
                struct es_stored_block *stored)
{
    int r = es_sql_run(rec->db, rec->sql.begin, "begin to read");
    if (r < 0)
        return r;
    stored->info = *info;
    r = es_rows_load(rec->sql.column, set, stored);
    if (r == -ENOENT) {
        r = find_merged(rec, info, &stored->info);
        if (r == 0)
            r = es_rows_load(rec->sql.column, set, stored);
    }
    int end = es_sql_run(rec->db, rec->sql.end, "end to read");
    if (r == -ENOENT)
        return es_fail(r, "block %llu was dropped", (unsigned long long)info->id);
    return r < 0 ? r : end;
}

int es_reader_load(struct es_recording *rec, const struct es_block_info *info, uint64_t set)
{
    return load(rec, info, set, &rec->stored);
}

static int check_place(struct es_recording *rec, size_t block, const struct es_block_info **ret_info)
{
    const struct es_block_info *blocks;
    if (block >= es_recording_blocks(rec, &blocks))
        return es_fail(-EINVAL, "there is no block %zu", block);
    *ret_info = &blocks[block];
    return 0;
}

static int damaged(struct es_recording *rec, const struct es_block_info *info, int code)
{
    if (code == -EBADMSG)
        es_reader_note_damaged(rec, info->id);
    return code;
}

int es_recording_block_pids(struct es_recording *rec, size_t block, struct es_pid_count **ret_pids, size_t *ret_n)
{
    const struct es_block_info *info = NULL;
    struct es_pids pids;
    int r = check_place(rec, block, &info);
    if (r < 0)
        return r;
    r = es_reader_load(rec, info, (uint64_t)1 << ES_C_REFS | (uint64_t)1 << ES_C_COUNTS);
    if (r == 0)
        r = es_block_decode_pids(rec->decoder, &rec->stored, &pids);
    if (r < 0)
        return damaged(rec, info, r);
    *ret_pids = pids.pids;
    *ret_n = pids.n;
    return 0;
}

struct es_lane_reader {
    struct es_stored_block stored;
    struct es_decoder *decoder;
    struct es_block_part part;
};

struct es_lane_reader *es_lane_reader_new(void)
{
    struct es_lane_reader *reader = calloc(1, sizeof *reader);
    if (reader && !(reader->decoder = es_decoder_new())) {
        free(reader);
        return NULL;
    }
    return reader;
}

void es_lane_reader_free(struct es_lane_reader *reader)
{
    if (!reader)
        return;
    es_decoder_free(reader->decoder);
    es_buf_fini(&reader->stored.memory);
    free(reader);
}

/* A mini-block that is known from the index may be a part of a larger one by now. */
static int load_for(struct es_lane_reader *reader, struct es_recording *rec, size_t block, uint64_t set)
{
    const struct es_block_info *info = NULL;
    int r = check_place(rec, block, &info);
    if (r == 0)
        r = load(rec, info, set, &reader->stored);
    if (r == 0)
        reader->part =
            (struct es_block_part){(uint32_t)(info->first_seq - reader->stored.info.first_seq), info->events};
    return r;
}

int es_lane_reader_load(struct es_lane_reader *reader, struct es_recording *rec, size_t block)
{
    return load_for(reader, rec, block, ES_LANE_COLUMNS);
}

int es_lane_reader_load_causes(struct es_lane_reader *reader, struct es_recording *rec, size_t block)
{
    return load_for(reader, rec, block, es_block_cause_columns());
}

int es_lane_reader_causes(struct es_lane_reader *reader, struct es_block_causes *ret_causes)
{
    int r = es_block_decode_causes(reader->decoder, &reader->stored, ret_causes);
    if (r < 0)
        return r;
    ret_causes->first = reader->part.first;
    ret_causes->n = reader->part.n;
    return 0;
}

int es_lane_reader_decode(struct es_lane_reader *reader, const struct es_lanes_request *request,
                          struct es_block_lanes *ret_lanes)
{
    return es_block_decode_lanes(reader->decoder, &reader->stored, request, reader->part, ret_lanes);
}

int es_lane_reader_load_crossing(struct es_lane_reader *reader, struct es_recording *rec, size_t block)
{
    return load_for(reader, rec, block, es_block_crossing_columns());
}

int es_lane_reader_crossing(struct es_lane_reader *reader, struct es_block_crossing *ret_crossing)
{
    return es_block_decode_crossing(reader->decoder, &reader->stored, reader->part, ret_crossing);
}

void es_recording_block_damaged(struct es_recording *rec, size_t block)
{
    const struct es_block_info *info = NULL;
    if (check_place(rec, block, &info) == 0)
        es_reader_note_damaged(rec, info->id);
}

int es_recording_block_causes(struct es_recording *rec, size_t block, struct es_block_causes *ret_causes)
{
    const struct es_block_info *info = NULL;
    int r = check_place(rec, block, &info);
    if (r < 0)
        return r;
    r = es_reader_load(rec, info, es_block_cause_columns());
    if (r == 0)
        r = es_block_decode_causes(rec->decoder, &rec->stored, ret_causes);
    if (r < 0)
        return damaged(rec, info, r);
    ret_causes->first = (uint32_t)(info->first_seq - rec->stored.info.first_seq);
    ret_causes->n = info->events;
    return 0;
}

int es_recording_block_kinds(struct es_recording *rec, size_t block, es_ref pid, uint64_t *ret_kinds)
{
    const struct es_block_info *info = NULL;
    int r = check_place(rec, block, &info);
    if (r < 0)
        return r;
    r = es_reader_load(rec, info, ES_KINDS_COLUMNS);
    if (r == 0)
        r = es_block_decode_kinds(rec->decoder, &rec->stored, pid, ret_kinds);
    return r < 0 ? damaged(rec, info, r) : 0;
}

int es_recording_block_strange(struct es_recording *rec, size_t block, uint32_t *ret_n)
{
    const struct es_block_info *info = NULL;
    struct es_block_causes causes;
    int r = check_place(rec, block, &info);
    if (r < 0)
        return r;
    r = es_reader_load(rec, info, es_block_strange_columns());
    if (r == 0 && rec->stored.info.events == info->events) {
        r = es_block_count_strange(rec->decoder, &rec->stored, ret_n);
        return r < 0 ? damaged(rec, info, r) : 0;
    }
    r = es_recording_block_causes(rec, block, &causes); /* of a part of a block: event by event */
    if (r < 0)
        return r;
    *ret_n = 0;
    for (uint32_t i = causes.first; i < causes.first + causes.n; i++)
        *ret_n += causes.kinds[i] == ES_K_DELIVER && causes.states[i] > ES_CAUSE_EXTERNAL;
    return 0;
}

static struct es_cached *find_cached(struct es_recording *rec, const struct es_block_info *info, unsigned fields)
{
    for (size_t i = 0; i < ES_CACHED_BLOCKS; i++) {
        struct es_cached *c = rec->cached[i];
        if (c && c->info.id == info->id && c->info.first_seq == info->first_seq && c->info.events == info->events &&
            c->fields == fields)
            return c;
    }
    return NULL;
}

/* Fresh memory costs more than decoding into it: that of one block is kept for the next. */
static void free_cached(struct es_recording *rec, struct es_cached *cached)
{
    if (cached->decoded.room > rec->spare.room) {
        struct es_decoded smaller = rec->spare;
        rec->spare = cached->decoded;
        cached->decoded = smaller;
    }
    es_decoded_fini(&cached->decoded);
    free(cached);
}

/* Puts it in the place of the one that was not used for longest; where all are in use it lives as long as its holder. */
static void keep(struct es_recording *rec, struct es_cached *cached)
{
    size_t place = ES_CACHED_BLOCKS;
    for (size_t i = 0; i < ES_CACHED_BLOCKS; i++) {
        const struct es_cached *c = rec->cached[i];
        if (!c) {
            place = i;
            break;
        }
        if (c->refs == 0 && (place == ES_CACHED_BLOCKS || c->used < rec->cached[place]->used))
            place = i;
    }
    if (place == ES_CACHED_BLOCKS)
        return;
    if (rec->cached[place])
        free_cached(rec, rec->cached[place]);
    rec->cached[place] = cached;
    cached->kept = true;
}

static int decode(struct es_recording *rec, const struct es_block_info *info, unsigned fields,
                  struct es_cached **ret_cached)
{
    struct es_cached *cached = calloc(1, sizeof *cached);
    if (!cached)
        return es_fail(-ENOMEM, "no memory for a block");
    cached->decoded = rec->spare;
    rec->spare = (struct es_decoded){0};
    int r = es_reader_load(rec, info, es_block_columns(fields));
    if (r == 0)
        r = es_block_decode(rec->decoder, &rec->stored, fields, &cached->decoded);
    if (r < 0) {
        free_cached(rec, cached);
        return r;
    }
    cached->info = *info;
    cached->fields = fields;
    cached->block.events = cached->decoded.events + (info->first_seq - rec->stored.info.first_seq);
    cached->block.n = info->events;
    *ret_cached = cached;
    return 0;
}

int es_block_get_fields(struct es_recording *rec, size_t block, unsigned fields, struct es_block **ret_block)
{
    const struct es_block_info *info = NULL;
    int r = check_place(rec, block, &info);
    if (r < 0)
        return r;
    struct es_cached *cached = find_cached(rec, info, fields);
    if (!cached) {
        r = decode(rec, info, fields, &cached);
        if (r < 0)
            return damaged(rec, info, r);
        keep(rec, cached);
    }
    cached->refs++;
    cached->used = ++rec->clock;
    *ret_block = &cached->block;
    return 0;
}

int es_block_get(struct es_recording *rec, size_t block, struct es_block **ret_block)
{
    return es_block_get_fields(rec, block, ALL_FIELDS, ret_block);
}

void es_block_unref(struct es_recording *rec, struct es_block *block)
{
    struct es_cached *cached = (struct es_cached *)block;
    if (cached && --cached->refs == 0 && !cached->kept)
        free_cached(rec, cached);
}
