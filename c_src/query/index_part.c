/* SPDX-License-Identifier: MIT */
/* Makes the part of a block. Its columns are in order of process already, so that nothing has to be sorted. */
#include "query/index_part.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/edges.h"

void es_index_part_free(struct es_index_part *part)
{
    if (!part)
        return;
    free(part->list);
    free(part->kinds);
    free(part->flags);
    free(part->back);
    free(part->lists);
    free(part->places);
    free(part->strange);
    free(part->effects);
    es_edges_free(part->edges);
    free(part);
}

static bool allocate(struct es_index_part *part, const struct es_block_causes *causes)
{
    size_t n = causes->n;
    for (size_t i = 0; i < causes->n_refs; i++)
        part->n_lists += causes->counts[i] > 0;
    for (size_t i = 0; i < n; i++)
        part->n_strange +=
            causes->kinds[causes->first + i] == ES_K_DELIVER && causes->states[causes->first + i] > ES_CAUSE_EXTERNAL;
    part->list = malloc(n * sizeof *part->list);
    part->kinds = malloc(n);
    part->flags = malloc(n);
    part->back = malloc(n * sizeof *part->back);
    part->places = malloc((n + 1) * sizeof *part->places); /* one more: it is written before it is known to count */
    part->lists = calloc(part->n_lists, sizeof *part->lists);
    part->strange = malloc((part->n_strange + 1) * sizeof *part->strange);
    part->bytes = sizeof *part + n * (sizeof *part->list + sizeof *part->back + sizeof *part->places + 2) +
                  part->n_lists * sizeof *part->lists + part->n_strange * sizeof *part->strange;
    return part->list && part->kinds && part->flags && part->back && part->places && part->lists && part->strange;
}

static void fill_events(struct es_index_part *part, const struct es_block_causes *causes)
{
    uint32_t strange = 0;
    memcpy(part->kinds, causes->kinds + causes->first, part->n);
    memcpy(part->flags, causes->flags + causes->first, part->n);
    for (uint32_t i = 0; i < part->n; i++) {
        uint64_t back = causes->back[causes->first + i];
        part->back[i] = back <= UINT32_MAX ? (uint32_t)back : 0;
        if (part->kinds[i] == ES_K_DELIVER && causes->states[causes->first + i] > ES_CAUSE_EXTERNAL)
            part->strange[strange++] = (uint16_t)i;
    }
}

struct filling {
    uint16_t *deliveries; /* of the process; room for one more than there can be */
    uint32_t list, at, count;
};

/* Events of one process in order: acts to the front, deliveries behind them. */
static void fill_list(struct es_index_part *part, const struct es_block_causes *causes, const uint32_t *order,
                      struct filling *filling)
{
    struct es_index_part_list *list = &part->lists[filling->list];
    uint16_t *rows[2] = {part->places + filling->at, filling->deliveries};
    bool somebody = list->pid != ES_REF_NONE;
    for (uint32_t k = 0; k < filling->count; k++) {
        uint32_t i = order[k] - causes->first;
        if (i >= part->n) /* also those before the first one */
            continue;
        part->list[i] = (uint16_t)filling->list;
        unsigned kind = part->kinds[i], row = kind == ES_K_DELIVER;
        rows[row][list->n[row]] = (uint16_t)i;
        list->n[row] += somebody && es_kind_is_own(kind);
    }
    memcpy(rows[0] + list->n[0], filling->deliveries, list->n[1] * sizeof *rows[0]);
    list->at = filling->at;
    filling->at += list->n[0] + list->n[1];
}

struct es_index_part *es_index_part_make(const struct es_block_causes *causes)
{
    struct es_index_part *part = calloc(1, sizeof *part);
    if (!part)
        return NULL;
    part->n = causes->n;
    if (!allocate(part, causes)) {
        es_index_part_free(part);
        return NULL;
    }
    struct filling filling = {.deliveries = malloc((part->n + 1) * sizeof *filling.deliveries)};
    if (!filling.deliveries) {
        es_index_part_free(part);
        return NULL;
    }
    fill_events(part, causes);
    const uint32_t *order = causes->order;
    for (size_t i = 0; i < causes->n_refs; i++) {
        if (causes->counts[i] == 0)
            continue;
        part->lists[filling.list].pid = causes->refs[i];
        filling.count = causes->counts[i];
        fill_list(part, causes, order, &filling);
        order += filling.count;
        filling.list++;
    }
    free(filling.deliveries);
    return part;
}

/* ---- effects ------------------------------------------------------------------------------------------------------- */

static int by_cause(const void *a, const void *b)
{
    const struct es_effect *x = a, *y = b;
    if (x->cause != y->cause)
        return x->cause < y->cause ? -1 : 1;
    return x->effect < y->effect ? -1 : x->effect > y->effect;
}

/* Causes in other blocks are few and come first; those in this one are counted, which sorts them. */
bool es_index_part_make_effects(struct es_index_part *part)
{
    uint32_t *ends = calloc(part->n + 1, sizeof *ends);
    size_t outside = 0;
    for (uint32_t i = 0; i < part->n; i++)
        part->n_effects += part->back[i] != 0;
    part->effects = malloc((part->n_effects + 1) * sizeof *part->effects);
    if (!ends || !part->effects) {
        free(ends);
        return false;
    }
    for (uint32_t i = 0; i < part->n; i++)
        if (part->back[i] > i)
            part->effects[outside++] = (struct es_effect){part->first + i - part->back[i], part->first + i};
        else if (part->back[i])
            ends[i - part->back[i] + 1]++;
    if (outside > 1)
        qsort(part->effects, outside, sizeof *part->effects, by_cause);
    for (uint32_t i = 0, sum = (uint32_t)outside; i <= part->n; i++)
        ends[i] = sum += ends[i];
    for (uint32_t i = 0; i < part->n; i++)
        if (part->back[i] && part->back[i] <= i)
            part->effects[ends[i - part->back[i]]++] =
                (struct es_effect){part->first + i - part->back[i], part->first + i};
    free(ends);
    return true;
}

/* ---- late acts ----------------------------------------------------------------------------------------------------- */

static int by_late_cause(const void *a, const void *b)
{
    const struct es_late *x = a, *y = b;
    if (x->cause != y->cause)
        return x->cause < y->cause ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static bool is_late(const struct es_block_causes *causes, uint32_t i)
{
    return causes->back[causes->first + i] > i && causes->kinds[causes->first + i] != ES_K_DELIVER;
}

static int make_lates(const struct es_block_causes *causes, uint64_t first, struct es_lates *lates)
{
    size_t n = 0;
    for (uint32_t i = 0; i < causes->n; i++)
        n += is_late(causes, i);
    lates->list = malloc((n + 1) * sizeof *lates->list);
    if (!lates->list)
        return es_fail(-ENOMEM, "no memory for an index of events");
    for (uint32_t i = 0; i < causes->n; i++)
        if (is_late(causes, i))
            lates->list[lates->n++] = (struct es_late){first + i - causes->back[causes->first + i], i};
    if (lates->n > 1)
        qsort(lates->list, lates->n, sizeof *lates->list, by_late_cause);
    return 0;
}

int es_index_lates(struct es_query *query, size_t block, const struct es_lates **ret_lates)
{
    const struct es_block_info *blocks = NULL;
    struct es_index *index = query->index;
    struct es_block_causes causes;
    if (block >= index->n_blocks)
        return -ENOENT;
    if (!index->lates && !(index->lates = calloc(index->n_blocks, sizeof *index->lates)))
        return es_fail(-ENOMEM, "no memory for an index of events");
    es_recording_blocks(query->recording, &blocks);
    struct es_lates *lates = &index->lates[block];
    int rc = lates->list ? 0 : es_recording_block_causes(query->recording, block, &causes);
    if (rc == 0 && !lates->list)
        rc = make_lates(&causes, blocks[block].first_seq, lates);
    *ret_lates = lates;
    return rc;
}
