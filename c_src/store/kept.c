/* SPDX-License-Identifier: MIT */
/* Keeps decompressed columns; see kept.h. */
#include "store/kept.h"

#include <errno.h>

#include "base/error.h"
#include "store/reader_inner.h"

static void free_kept(struct es_kept *kept)
{
    es_buf_fini(&kept->memory);
    free(kept);
}

void es_keeping_fini(struct es_keeping *keeping)
{
    for (size_t i = 0; i < keeping->n; i++)
        free_kept(keeping->list[i]);
    free(keeping->list);
    *keeping = (struct es_keeping){0};
}

static struct es_kept *find(const struct es_keeping *keeping, const struct es_block_info *info, enum es_kept_what what)
{
    for (size_t i = 0; i < keeping->n; i++) {
        struct es_kept *kept = keeping->list[i];
        if (kept->what == what && kept->info.id == info->id && kept->info.first_seq == info->first_seq &&
            kept->info.events == info->events)
            return kept;
    }
    return NULL;
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

static struct es_gap_columns gaps_of(const struct es_decoder *d)
{
    struct es_raw classes = d->column[ES_C_TIMES], bits = d->column[ES_C_TIME_BITS];
    return (struct es_gap_columns){classes.bytes, bits.bytes, classes.len, bits.len,
                                   es_decode_reader(d, ES_C_TIME_RARE)};
}

int64_t es_kept_time(const struct es_kept *kept, uint32_t event)
{
    struct es_gap_columns gaps = gaps_of(&kept->decoder);
    struct es_gap_class classes[ES_GAP_RARE];
    struct es_gap_place place = kept->places[event / ES_KEPT_STEP];
    es_gap_classes(classes);
    es_gap_advance(&gaps, classes, event / ES_KEPT_STEP * ES_KEPT_STEP, event + 1, &place);
    return (int64_t)((uint64_t)kept->stored.first_time + place.sum);
}

static uint32_t last_place(const struct es_kept *kept, int64_t time)
{
    uint32_t low = 0, high = (kept->decoder.n - 1) / ES_KEPT_STEP;
    while (low < high) {
        uint32_t middle = low + (high - low + 1) / 2;
        if ((int64_t)((uint64_t)kept->stored.first_time + kept->places[middle].sum) <= time)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

uint32_t es_kept_until(const struct es_kept *kept, int64_t time)
{
    struct es_gap_columns gaps = gaps_of(&kept->decoder);
    struct es_gap_class classes[ES_GAP_RARE];
    uint32_t at = last_place(kept, time), event = at * ES_KEPT_STEP, n = kept->decoder.n, until = event;
    struct es_gap_place place = kept->places[at];
    es_gap_classes(classes);
    for (; event < n && event < (at + 1) * ES_KEPT_STEP; event++) {
        es_gap_advance(&gaps, classes, event, event + 1, &place);
        if ((int64_t)((uint64_t)kept->stored.first_time + place.sum) <= time)
            until = event + 1;
    }
    return until;
}

static int find_places(struct es_kept *kept)
{
    struct es_gap_columns gaps = gaps_of(&kept->decoder);
    struct es_gap_class classes[ES_GAP_RARE];
    struct es_gap_place place = {0};
    es_gap_classes(classes);
    uint32_t n = kept->decoder.n;
    for (uint32_t i = 0; i < n; i += ES_KEPT_STEP) {
        kept->places[i / ES_KEPT_STEP] = place;
        if (!es_gap_advance(&gaps, classes, i, i + ES_KEPT_STEP < n ? i + ES_KEPT_STEP : n, &place))
            return es_fail(-EBADMSG, "the times are wrong");
    }
    bool right = (uint64_t)kept->stored.first_time + place.sum == (uint64_t)kept->stored.last_time;
    return right ? 0 : es_fail(-EBADMSG, "the times are wrong");
}

/* Memory is cut from the front; what has to be aligned comes first. */
static void *take(struct es_buf *memory, const void *bytes, size_t len)
{
    uint8_t *at = memory->bytes + memory->len;
    if (len && bytes)
        memcpy(at, bytes, len);
    memory->len += len;
    return at;
}

/* From the decoder that serves all blocks to memory of its own, no more than it needs. */
static int take_over(struct es_kept *kept, const struct es_decoder *from)
{
    struct es_decoder *d = &kept->decoder;
    const uint64_t tables = ES_COLUMN_BIT(ES_C_REFS) | ES_COLUMN_BIT(ES_C_COUNTS) | ES_COLUMN_BIT(ES_C_FUNS);
    bool runs = kept->what == ES_KEPT_RUNS;
    size_t n_places = kept->what == ES_KEPT_TIMES ? (from->n + ES_KEPT_STEP - 1) / ES_KEPT_STEP : 0, n = from->n_refs;
    size_t bytes = n_places * sizeof *kept->places + n * sizeof *d->refs + (runs ? 2 * n * sizeof *d->counts : 0) +
                   from->n_funs * sizeof *d->funs;
    for (unsigned id = 0; id < ES_COLUMNS; id++)
        bytes += tables >> id & 1 ? 0 : from->column[id].len;
    if (!(kept->memory.bytes = malloc(bytes + 1)))
        return es_fail(-ENOMEM, "no memory for a block");
    kept->memory.room = bytes + 1;
    d->info = &kept->stored;
    d->n = from->n;
    d->n_refs = from->n_refs;
    d->n_funs = from->n_funs;
    kept->places = take(&kept->memory, NULL, n_places * sizeof *kept->places);
    d->refs = take(&kept->memory, from->refs, n * sizeof *d->refs);
    d->counts = take(&kept->memory, from->counts, runs ? n * sizeof *d->counts : 0);
    d->places = take(&kept->memory, NULL, runs ? n * sizeof *d->places : 0);
    d->funs = take(&kept->memory, from->funs, from->n_funs * sizeof *d->funs);
    for (uint32_t i = 0, sum = 0; runs && i < d->n_refs; sum += d->counts[i++])
        d->places[i] = sum;
    for (unsigned id = 0; id < ES_COLUMNS; id++) {
        size_t len = tables >> id & 1 ? 0 : from->column[id].len;
        d->column[id] = (struct es_raw){take(&kept->memory, from->column[id].bytes, len), len};
    }
    return 0;
}

static int read_columns(struct es_recording *rec, struct es_kept *kept)
{
    static const uint64_t sets[] = {ES_TIME_COLUMNS, ES_RUN_COLUMNS, ES_OWN_STATES_COLUMNS};
    struct es_decoder *d = rec->decoder;
    uint64_t set = sets[kept->what];
    int r = es_reader_load(rec, &kept->info, set);
    if (r == 0)
        r = kept->what == ES_KEPT_TIMES ? es_decode_load(d, &rec->stored, set) : es_decode_refs(d, &rec->stored, set);
    if (r == 0 && kept->what == ES_KEPT_RUNS)
        r = es_decode_fun_table(d);
    if (r == 0 && kept->what == ES_KEPT_STATES)
        r = es_stored_states_chunks(&rec->stored, kept->chunk_at);
    kept->stored = rec->stored.info;
    if (r == 0)
        r = take_over(kept, d);
    return r == 0 && kept->what == ES_KEPT_TIMES ? find_places(kept) : r;
}

/* ---- keeping ------------------------------------------------------------------------------------------------------- */

static size_t bytes_of(const struct es_kept *kept) { return sizeof *kept + kept->memory.room; }

static void drop_oldest(struct es_keeping *keeping)
{
    size_t oldest = 0;
    for (size_t i = 1; i < keeping->n; i++)
        if (keeping->list[i]->used < keeping->list[oldest]->used)
            oldest = i;
    keeping->bytes -= bytes_of(keeping->list[oldest]);
    free_kept(keeping->list[oldest]);
    keeping->list[oldest] = keeping->list[--keeping->n];
}

static int add(struct es_keeping *keeping, struct es_kept *kept)
{
    while (keeping->n > 0 && keeping->bytes + bytes_of(kept) > keeping->bound)
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
    keeping->bytes += bytes_of(kept);
    return 0;
}

int es_kept_get(struct es_recording *rec, const struct es_block_info *info, enum es_kept_what what,
                const struct es_kept **ret_kept)
{
    struct es_keeping *keeping = &rec->keeping;
    struct es_kept *kept = find(keeping, info, what);
    if (!kept) {
        kept = calloc(1, sizeof *kept);
        if (!kept)
            return es_fail(-ENOMEM, "no memory for a block");
        kept->info = *info;
        kept->what = (uint8_t)what;
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
