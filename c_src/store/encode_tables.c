/* SPDX-License-Identifier: MIT */
/* Numbering of references and functions in a block, and where the events of each process begin. */
#include <errno.h>

#include "store/encode.h"

static int u32_array(struct es_buf *buf, size_t n, uint32_t **ret_array)
{
    buf->len = 0;
    if (es_buf_reserve(buf, n * sizeof(uint32_t) + 1) < 0)
        return -ENOMEM;
    *ret_array = (uint32_t *)(void *)buf->bytes;
    return 0;
}

/* Least significant byte first; bytes that are the same in all keys cost nothing but a look. */
static struct es_sort *radix_sort(struct es_sort *from, struct es_sort *to, uint32_t n)
{
    uint32_t counts[8][256] = {0};
    for (uint32_t i = 0; i < n; i++)
        for (unsigned b = 0; b < 8; b++)
            counts[b][(from[i].key >> (8 * b)) & 255]++;
    for (unsigned b = 0; b < 8; b++) {
        if (n == 0 || counts[b][(from[0].key >> (8 * b)) & 255] == n)
            continue;
        uint32_t at[256], sum = 0;
        for (unsigned v = 0; v < 256; v++) {
            at[v] = sum;
            sum += counts[b][v];
        }
        for (uint32_t i = 0; i < n; i++)
            to[at[(from[i].key >> (8 * b)) & 255]++] = from[i];
        struct es_sort *sorted = to;
        to = from;
        from = sorted;
    }
    return from;
}

struct used {              /* by numbers in the batch */
    uint32_t *refs, *funs; /* 1: used */
    uint32_t *counts;      /* events of a reference */
    uint64_t *kinds;       /* events of a kind */
};

/* Marks what the range uses; the batch's tables hold more where the range is only its newest part. */
static void mark_used(const struct es_encoder *e, struct used used)
{
    const struct es_batch *batch = e->batch;
    for (uint32_t i = e->range.from; i < e->range.to; i++) {
        const struct es_staged *row = &batch->events[i];
        unsigned fields = es_kind_table[row->kind].fields;
        used.kinds[row->kind]++;
        used.counts[row->pid]++;
        if (fields & ES_PEER_COLUMN)
            used.refs[row->peer] = 1;
        if (fields & ES_F_FUN)
            used.funs[row->fun] = 1;
    }
    for (uint32_t i = 0; i < batch->n_funs; i++)
        if (used.funs[i])
            used.refs[batch->funs[i].module] = used.refs[batch->funs[i].function] = 1;
}

/* References in use, ascending. */
static struct es_sort *sort_refs(struct es_encoder *e, const uint32_t *used, const uint32_t *counts)
{
    const struct es_batch *batch = e->batch;
    e->sort.len = e->sort_other.len = 0;
    if (es_buf_reserve(&e->sort, batch->n_refs * sizeof(struct es_sort)) < 0 ||
        es_buf_reserve(&e->sort_other, batch->n_refs * sizeof(struct es_sort)) < 0)
        return NULL;
    struct es_sort *sort = (struct es_sort *)(void *)e->sort.bytes;
    uint32_t n = 0;
    for (uint32_t i = 0; i < batch->n_refs; i++)
        if (used[i] || counts[i])
            sort[n++] = (struct es_sort){batch->refs[i], i};
    e->n_refs = n;
    return radix_sort(sort, (struct es_sort *)(void *)e->sort_other.bytes, n);
}

static int number_refs(struct es_encoder *e, uint32_t *numbers, const uint32_t *counts)
{
    const struct es_sort *sort = sort_refs(e, numbers, counts);
    struct es_buf *refs = &e->raw[ES_C_REFS], *events = &e->raw[ES_C_COUNTS];
    uint32_t *starts, sum = 0;
    if (!sort || es_buf_reserve(refs, e->n_refs * (size_t)ES_VARINT_MAX) < 0 ||
        es_buf_reserve(events, e->n_refs * (size_t)ES_VARINT_MAX) < 0 || u32_array(&e->starts, e->n_refs, &starts) < 0)
        return -ENOMEM;
    uint8_t *at = refs->bytes, *at_events = events->bytes;
    uint64_t before = 0;
    for (uint32_t i = 0; i < e->n_refs; i++) {
        uint32_t count = counts[sort[i].number];
        numbers[sort[i].number] = i;
        at = es_put_varint(at, sort[i].key - before);
        at_events = es_put_varint(at_events, count);
        before = sort[i].key;
        starts[i] = sum;
        sum += count;
    }
    refs->len = (size_t)(at - refs->bytes);
    events->len = (size_t)(at_events - events->bytes);
    return 0;
}

static int number_funs(struct es_encoder *e, uint32_t *numbers, const uint32_t *refs)
{
    const struct es_batch *batch = e->batch;
    struct es_buf *column = &e->raw[ES_C_FUNS];
    if (es_buf_reserve(column, batch->n_funs * 3 * (size_t)ES_VARINT_MAX) < 0)
        return -ENOMEM;
    uint8_t *at = column->bytes;
    uint32_t n = 0;
    for (uint32_t i = 0; i < batch->n_funs; i++) {
        if (!numbers[i])
            continue;
        const struct es_fun *fun = &batch->funs[i];
        at = es_put_varint(at, refs[fun->module]);
        at = es_put_varint(at, refs[fun->function]);
        at = es_put_varint(at, fun->arity);
        numbers[i] = n++;
    }
    column->len = (size_t)(at - column->bytes);
    e->n_funs = n;
    return 0;
}

int es_encode_tables(struct es_encoder *e, uint64_t ret_kinds[ES_KIND_MAX])
{
    uint32_t *refs, *funs, *counts;
    size_t n_refs = e->batch->n_refs, n_funs = e->batch->n_funs;
    if (u32_array(&e->ref_number, n_refs, &refs) < 0 || u32_array(&e->fun_number, n_funs, &funs) < 0 ||
        u32_array(&e->counts, n_refs, &counts) < 0)
        return -ENOMEM;
    memset(refs, 0, n_refs * sizeof *refs);
    memset(funs, 0, n_funs * sizeof *funs);
    memset(counts, 0, n_refs * sizeof *counts);
    e->raw[ES_C_REFS].len = e->raw[ES_C_FUNS].len = e->raw[ES_C_COUNTS].len = 0;
    memset(ret_kinds, 0, ES_KIND_MAX * sizeof *ret_kinds);
    mark_used(e, (struct used){refs, funs, counts, ret_kinds});
    return number_refs(e, refs, counts) < 0 || number_funs(e, funs, refs) < 0 ? -ENOMEM : 0;
}
