/* SPDX-License-Identifier: MIT */
/* Keeps decompressed columns; see kept.h. */
#include "store/kept.h"

#include <errno.h>

#include "base/error.h"
#include "store/reader_inner.h"

static void free_kept(struct es_kept *kept)
{
    for (size_t i = 0; i < ES_COLUMNS; i++)
        es_buf_fini(&kept->decoder.memory[i]);
    es_buf_fini(&kept->decoder.arrays);
    es_buf_fini(&kept->decoder.tables);
    free(kept);
}

void es_keeping_fini(struct es_keeping *keeping)
{
    for (size_t i = 0; i < keeping->n; i++)
        free_kept(keeping->list[i]);
    free(keeping->list);
    *keeping = (struct es_keeping){0};
}

static struct es_kept *find(const struct es_keeping *keeping, const struct es_block_info *info, uint64_t set)
{
    for (size_t i = 0; i < keeping->n; i++) {
        struct es_kept *kept = keeping->list[i];
        if (kept->set == set && kept->info.id == info->id && kept->info.first_seq == info->first_seq &&
            kept->info.events == info->events)
            return kept;
    }
    return NULL;
}

/* What was stored as it is lies in memory that the next block will use. */
static int own_columns(struct es_decoder *d)
{
    for (unsigned id = 0; id < ES_COLUMNS; id++) {
        struct es_raw *column = &d->column[id];
        if (column->len == 0 || column->bytes == d->memory[id].bytes)
            continue;
        d->memory[id].len = 0;
        if (es_buf_add(&d->memory[id], column->bytes, column->len) < 0)
            return es_fail(-ENOMEM, "no memory for a column");
        column->bytes = d->memory[id].bytes;
    }
    return 0;
}

/* Times as they are asked for, instead of the columns that say them. */
static int keep_times(struct es_kept *kept)
{
    struct es_decoder *d = &kept->decoder;
    kept->wide = (uint64_t)d->info->last_time - (uint64_t)d->info->first_time > UINT32_MAX;
    if (es_buf_reserve(&d->arrays, (size_t)d->n * (kept->wide ? sizeof(uint64_t) : sizeof(uint32_t))) < 0)
        return es_fail(-ENOMEM, "no memory for times");
    d->time = (uint64_t *)(void *)d->arrays.bytes;
    int r = es_decode_times(d, kept->wide, d->time);
    for (unsigned id = 0; id < ES_COLUMNS; id++)
        es_buf_fini(&d->memory[id]);
    return r;
}

static int read_columns(struct es_recording *rec, struct es_kept *kept)
{
    struct es_decoder *d = &kept->decoder;
    int r = es_reader_load(rec, &kept->info, kept->set);
    if (r < 0)
        return r;
    d->zstd = rec->decoder->zstd;
    r = kept->set & ES_COLUMN_BIT(ES_C_REFS) ? es_decode_refs(d, &rec->stored, kept->set)
                                             : es_decode_load(d, &rec->stored, kept->set);
    kept->stored = rec->stored.info;
    d->info = &kept->stored;
    if (r == 0)
        r = kept->set == ES_TIME_COLUMNS ? keep_times(kept) : own_columns(d);
    for (uint32_t i = 0, sum = 0; r == 0 && i < d->n_refs; sum += d->counts[i++])
        d->places[i] = sum;
    if (r == 0 && (kept->set & ES_COLUMN_BIT(ES_C_FUNS)))
        r = es_decode_fun_table(d);
    kept->bytes = sizeof *kept + d->arrays.room + d->tables.room;
    for (unsigned id = 0; id < ES_COLUMNS; id++)
        kept->bytes += d->memory[id].room;
    return r;
}

static void drop_oldest(struct es_keeping *keeping)
{
    size_t oldest = 0;
    for (size_t i = 1; i < keeping->n; i++)
        if (keeping->list[i]->used < keeping->list[oldest]->used)
            oldest = i;
    keeping->bytes -= keeping->list[oldest]->bytes;
    free_kept(keeping->list[oldest]);
    keeping->list[oldest] = keeping->list[--keeping->n];
}

static int add(struct es_keeping *keeping, struct es_kept *kept)
{
    while (keeping->n > 0 && keeping->bytes + kept->bytes > ES_KEPT_BYTES)
        drop_oldest(keeping);
    if (keeping->n == keeping->room) {
        size_t room = keeping->room ? keeping->room * 2 : 64;
        struct es_kept **list = realloc(keeping->list, room * sizeof *list);
        if (!list)
            return es_fail(-ENOMEM, "no memory for a block");
        keeping->list = list;
        keeping->room = room;
    }
    keeping->list[keeping->n++] = kept;
    keeping->bytes += kept->bytes;
    return 0;
}

int es_kept_get(struct es_recording *rec, const struct es_block_info *info, uint64_t set,
                const struct es_kept **ret_kept)
{
    struct es_keeping *keeping = &rec->keeping;
    struct es_kept *kept = find(keeping, info, set);
    if (!kept) {
        kept = calloc(1, sizeof *kept);
        if (!kept)
            return es_fail(-ENOMEM, "no memory for a block");
        kept->info = *info;
        kept->set = set;
        int r = read_columns(rec, kept);
        if (r == 0)
            r = add(keeping, kept);
        if (r < 0) {
            free_kept(kept);
            if (r == -EBADMSG)
                es_reader_note_damaged(rec, info->id);
            return r;
        }
    }
    kept->used = ++keeping->clock;
    *ret_kept = kept;
    return 0;
}
