/* SPDX-License-Identifier: MIT */
/* Makes the part of a block. Its columns are in order of process already, so that nothing has to be sorted. */
#include "query/index_part.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/edges.h"
#include "query/replies.h"

void es_index_part_free(struct es_index_part *part)
{
    if (!part)
        return;
    free(part->lists);
    free(part->places);
    free(part->effects);
    es_replies_free(part->replies);
    es_edges_free(part->edges);
    free(part);
}

static bool allocate(struct es_index_part *part, const struct es_block_causes *causes)
{
    const uint8_t *kinds = causes->kinds + causes->first, *states = causes->states + causes->first;
    size_t n = causes->n;
    uint32_t strange = 0;
    for (size_t i = 0; i < causes->n_refs; i++)
        part->n_lists += causes->counts[i] > 0;
    for (size_t i = 0; i < n; i++)
        strange += kinds[i] == ES_K_DELIVER && states[i] > ES_CAUSE_EXTERNAL;
    part->n_strange = strange;
    size_t bytes = part->n_lists * sizeof *part->lists + n * (sizeof *part->back + sizeof *part->list + 2) +
                   part->n_strange * sizeof *part->strange;
    part->bytes = sizeof *part + bytes;
    part->lists = malloc(bytes + 1);
    if (!part->lists)
        return false;
    part->back = (uint32_t *)(void *)(part->lists + part->n_lists);
    part->list = (uint16_t *)(void *)(part->back + n);
    part->strange = part->list + n;
    part->kinds = (uint8_t *)(part->strange + part->n_strange);
    part->flags = part->kinds + n;
    return true;
}

static void fill_events(struct es_index_part *part, const struct es_block_causes *causes, const uint16_t *list_of)
{
    const uint64_t *far = causes->back + causes->first;
    const uint32_t *owners = causes->owners + causes->first;
    const uint8_t *states = causes->states + causes->first;
    uint32_t n = part->n, *back = part->back;
    uint16_t *list = part->list;
    memcpy(part->kinds, causes->kinds + causes->first, n);
    memcpy(part->flags, causes->flags + causes->first, n);
    for (uint32_t i = 0; i < n; i++)
        back[i] = far[i] <= UINT32_MAX ? (uint32_t)far[i] : 0;
    for (uint32_t i = 0; i < n; i++)
        list[i] = list_of[owners[i]];
    for (uint32_t i = 0, strange = 0; strange < part->n_strange; i++)
        if (part->kinds[i] == ES_K_DELIVER && states[i] > ES_CAUSE_EXTERNAL)
            part->strange[strange++] = (uint16_t)i;
}

struct es_index_part *es_index_part_make(const struct es_block_causes *causes)
{
    struct es_index_part *part = calloc(1, sizeof *part);
    uint16_t *list_of = malloc((causes->n_refs + 1) * sizeof *list_of);
    if (part)
        part->n = causes->n;
    if (!part || !list_of || !allocate(part, causes)) {
        free(list_of);
        es_index_part_free(part);
        return NULL;
    }
    for (size_t i = 0, list = 0; i < causes->n_refs; i++) {
        list_of[i] = (uint16_t)list;
        if (causes->counts[i] > 0)
            part->lists[list++] = (struct es_index_part_list){.pid = causes->refs[i]};
    }
    fill_events(part, causes, list_of);
    free(list_of);
    return part;
}

/* ---- lists --------------------------------------------------------------------------------------------------------- */

/* Events are counted by list and row, and so sorted. What no process did is in no row. */
bool es_index_part_make_places(struct es_index_part *part)
{
    uint32_t(*ends)[2] = malloc((part->n_lists + 1) * sizeof *ends);
    uint16_t *places = malloc((part->n + 1) * sizeof *places);
    if (!ends || !places) {
        free(ends);
        free(places);
        return false;
    }
    for (uint32_t i = 0; i < part->n; i++)
        part->lists[part->list[i]].n[part->kinds[i] == ES_K_DELIVER] += es_index_part_is_own(part, i);
    for (uint32_t k = 0, at = 0; k < part->n_lists; k++) {
        struct es_index_part_list *list = &part->lists[k];
        ends[k][ES_ROW_ACTS] = list->at = at;
        ends[k][ES_ROW_DELIVERIES] = at += list->n[ES_ROW_ACTS];
        at += list->n[ES_ROW_DELIVERIES];
    }
    for (uint32_t i = 0; i < part->n; i++)
        if (es_index_part_is_own(part, i))
            places[ends[part->list[i]][part->kinds[i] == ES_K_DELIVER]++] = (uint16_t)i;
    free(ends);
    part->places = places;
    part->bytes += part->n * sizeof *places;
    return true;
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
        free(part->effects);
        part->effects = NULL;
        part->n_effects = 0;
        return false;
    }
    part->bytes += part->n_effects * sizeof *part->effects;
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

/* ---- causes in blocks before --------------------------------------------------------------------------------------- */

static bool allocate_lates(struct es_lates *lates, size_t n)
{
    lates->list = malloc((n + 1) * sizeof *lates->list);
    return lates->list != NULL;
}

bool es_index_lates_note(struct es_index *index, size_t block, const struct es_block_causes *causes, uint64_t first)
{
    struct es_lates *lates = &index->lates[block];
    const uint64_t *back = causes->back + causes->first;
    const uint8_t *kinds = causes->kinds + causes->first;
    size_t n = 0;
    if (lates->list)
        return true;
    for (uint32_t i = 0; i < causes->n; i++)
        n += back[i] > i;
    if (!allocate_lates(lates, n))
        return false;
    for (uint32_t i = 0; lates->n < n; i++)
        if (back[i] > i)
            lates->list[lates->n++] = (struct es_late){first + i - back[i], i, kinds[i] == ES_K_DELIVER};
    return true;
}

bool es_index_lates_take(struct es_index *index, size_t block, const struct es_block_crossing *crossing, uint64_t first)
{
    struct es_lates *lates = &index->lates[block];
    if (lates->list)
        return true;
    if (!allocate_lates(lates, crossing->n))
        return false;
    for (uint32_t k = 0; k < crossing->n; k++) {
        uint32_t at = crossing->at[k] - crossing->first;
        lates->list[lates->n++] =
            (struct es_late){first + at - crossing->back[k], at, crossing->kinds[k] == ES_K_DELIVER};
    }
    return true;
}

int es_index_lates(struct es_query *query, size_t block, const struct es_lates **ret_lates)
{
    const struct es_block_info *blocks = NULL;
    struct es_index *index = query->index;
    struct es_block_crossing crossing = {0};
    if (block >= index->n_blocks)
        return -ENOENT;
    es_recording_blocks(query->recording, &blocks);
    if (!index->lates[block].list) {
        if (!index->readers[0] && !(index->readers[0] = es_lane_reader_new()))
            return es_fail(-ENOMEM, "no memory for an index of events");
        int rc = es_lane_reader_load_crossing(index->readers[0], query->recording, block);
        if (rc == 0)
            rc = es_lane_reader_crossing(index->readers[0], &crossing);
        if (rc == -EBADMSG)
            es_recording_block_damaged(query->recording, block);
        if (rc < 0)
            return rc;
        if (!es_index_lates_take(index, block, &crossing, blocks[block].first_seq))
            return es_fail(-ENOMEM, "no memory for an index of events");
    }
    *ret_lates = &index->lates[block];
    return 0;
}
