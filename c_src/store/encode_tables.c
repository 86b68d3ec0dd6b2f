/* SPDX-License-Identifier: MIT */
/* Numbering of references and functions in a block, and the order of process. */
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

/* Marks what the range uses; the batch's tables hold more where the range is only its newest part. */
static void mark_used(const struct es_encoder *e, uint32_t *refs, uint32_t *funs)
{
    const struct es_batch *batch = e->batch;
    for (uint32_t i = e->range.from; i < e->range.to; i++) {
        const struct es_staged *row = &batch->events[i];
        unsigned fields = es_kind_table[row->kind].fields;
        refs[row->pid] = 1;
        if (fields & ES_F_PEER)
            refs[row->peer] = 1;
        if (fields & ES_F_FUN)
            funs[row->fun] = 1;
    }
    for (uint32_t i = 0; i < batch->n_funs; i++)
        if (funs[i])
            refs[batch->funs[i].module] = refs[batch->funs[i].function] = 1;
}

static int number_refs(struct es_encoder *e, uint32_t *numbers)
{
    const struct es_batch *batch = e->batch;
    e->sort.len = e->sort_other.len = 0;
    if (es_buf_reserve(&e->sort, batch->n_refs * sizeof(struct es_sort)) < 0 ||
        es_buf_reserve(&e->sort_other, batch->n_refs * sizeof(struct es_sort)) < 0)
        return -ENOMEM;
    struct es_sort *sort = (struct es_sort *)(void *)e->sort.bytes;
    uint32_t n = 0;
    for (uint32_t i = 0; i < batch->n_refs; i++)
        if (numbers[i])
            sort[n++] = (struct es_sort){batch->refs[i], i};
    sort = radix_sort(sort, (struct es_sort *)(void *)e->sort_other.bytes, n);
    struct es_buf *column = &e->raw[ES_C_REFS];
    if (es_buf_reserve(column, n * (size_t)ES_VARINT_MAX) < 0)
        return -ENOMEM;
    uint8_t *at = column->bytes;
    uint64_t before = 0;
    for (uint32_t i = 0; i < n; i++) {
        numbers[sort[i].number] = i;
        at = es_put_varint(at, sort[i].key - before);
        before = sort[i].key;
    }
    column->len = (size_t)(at - column->bytes);
    e->n_refs = n;
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

static int count_pids(struct es_encoder *e, const uint32_t *refs, uint32_t *counts)
{
    memset(counts, 0, e->n_refs * sizeof *counts);
    for (uint32_t i = e->range.from; i < e->range.to; i++)
        counts[refs[e->batch->events[i].pid]]++;
    struct es_buf *column = &e->raw[ES_C_COUNTS];
    if (es_buf_reserve(column, e->n_refs * (size_t)ES_VARINT_MAX) < 0)
        return -ENOMEM;
    uint8_t *at = column->bytes;
    for (uint32_t i = 0; i < e->n_refs; i++)
        at = es_put_varint(at, counts[i]);
    column->len = (size_t)(at - column->bytes);
    return 0;
}

static void order_rows(struct es_encoder *e, const uint32_t *refs, const uint32_t *funs, uint32_t *starts)
{
    const uint32_t *counts = (const uint32_t *)(void *)e->counts.bytes;
    for (uint32_t i = 0, sum = 0; i < e->n_refs; i++) {
        starts[i] = sum;
        sum += counts[i];
    }
    for (uint32_t i = e->range.from; i < e->range.to; i++) {
        const struct es_staged *from = &e->batch->events[i];
        uint32_t at = starts[refs[from->pid]]++;
        struct es_staged *row = &e->rows[at];
        unsigned fields = es_kind_table[from->kind].fields;
        e->order[at] = i - e->range.from;
        *row = *from;
        row->pid = refs[from->pid];
        if (fields & ES_F_PEER)
            row->peer = refs[from->peer];
        if (fields & ES_F_FUN)
            row->fun = funs[from->fun];
    }
}

int es_encode_tables(struct es_encoder *e)
{
    uint32_t *refs, *funs, *counts, *starts;
    if (u32_array(&e->ref_number, e->batch->n_refs, &refs) < 0 ||
        u32_array(&e->fun_number, e->batch->n_funs, &funs) < 0)
        return -ENOMEM;
    memset(refs, 0, e->batch->n_refs * sizeof *refs);
    memset(funs, 0, e->batch->n_funs * sizeof *funs);
    mark_used(e, refs, funs);
    if (number_refs(e, refs) < 0 || number_funs(e, funs, refs) < 0 || u32_array(&e->counts, e->n_refs, &counts) < 0 ||
        u32_array(&e->starts, e->n_refs, &starts) < 0 || count_pids(e, refs, counts) < 0)
        return -ENOMEM;
    order_rows(e, refs, funs, starts);
    return 0;
}
