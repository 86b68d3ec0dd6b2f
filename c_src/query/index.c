/* SPDX-License-Identifier: MIT */
/* Keeps the parts of the blocks asked for last, and answers from them. */
#include "query/index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/search.h"

void es_index_free(struct es_index *index)
{
    if (!index)
        return;
    for (size_t i = 0; i < index->n_blocks; i++)
        es_index_part_free(index->parts[i]);
    for (size_t i = 0; i < index->n_blocks; i++)
        free(index->lates[i].list);
    for (size_t i = 0; i < ES_INDEX_THREADS; i++)
        es_lane_reader_free(index->readers[i]);
    es_refmap_fini(&index->numbers);
    free(index->parts);
    free(index->strange);
    free(index->pids);
    free(index->pids_by_number);
    free(index->lates);
    es_search_free(index->search);
    free(index);
}

uint64_t es_index_bytes(const struct es_query *query) { return query->index ? query->index->bytes : 0; }

/* ---- keeping parts ------------------------------------------------------------------------------------------------- */

static void drop_oldest(struct es_index *index)
{
    size_t oldest = index->n_blocks;
    for (size_t i = 0; i < index->n_blocks; i++)
        if (index->parts[i] && (oldest == index->n_blocks || index->parts[i]->used < index->parts[oldest]->used))
            oldest = i;
    index->bytes -= index->parts[oldest]->bytes;
    es_index_part_free(index->parts[oldest]);
    index->parts[oldest] = NULL;
}

void es_index_part_count(struct es_query *query, struct es_index_part *part, size_t bytes)
{
    part->bytes += bytes;
    query->index->bytes += bytes;
}

void es_index_part_keep(struct es_index *index, struct es_index_part *part)
{
    while (index->bytes > 0 && index->bytes + part->bytes > ES_INDEX_BYTES)
        drop_oldest(index);
    index->parts[part->block] = part;
    index->bytes += part->bytes;
    part->used = ++index->clock;
}

static int load_part(struct es_query *query, size_t block)
{
    const struct es_block_info *blocks = NULL;
    struct es_block_causes causes;
    struct es_index *index = query->index;
    int rc = es_recording_block_causes(query->recording, block, &causes);
    if (rc < 0)
        return rc;
    struct es_index_part *part = es_index_part_make(&causes);
    if (!part)
        return es_fail(-ENOMEM, "no memory for an index of events");
    es_recording_blocks(query->recording, &blocks);
    part->first = blocks[block].first_seq;
    part->block = block;
    if (!es_index_lates_note(index, block, &causes, part->first)) {
        es_index_part_free(part);
        return es_fail(-ENOMEM, "no memory for an index of events");
    }
    es_index_part_keep(index, part);
    return 0;
}

static int make_index(struct es_query *query, size_t n_blocks)
{
    struct es_index *index = calloc(1, sizeof *index);
    if (index)
        index->parts = calloc(n_blocks + 1, sizeof(struct es_index_part *));
    if (index)
        index->lates = calloc(n_blocks + 1, sizeof *index->lates);
    if (!index || !index->parts || !index->lates) {
        if (index)
            free(index->parts);
        free(index);
        return es_fail(-ENOMEM, "no memory for an index of events");
    }
    index->n_blocks = n_blocks;
    query->index = index;
    return 0;
}

int es_index_part_get(struct es_query *query, size_t block, struct es_index_part **ret_part)
{
    const struct es_block_info *blocks = NULL;
    size_t n = query->index ? query->index->n_blocks : es_recording_blocks(query->recording, &blocks);
    if (block >= n)
        return -ENOENT;
    int rc = query->index ? 0 : make_index(query, n);
    if (rc == 0 && !query->index->parts[block])
        rc = load_part(query, block);
    if (rc < 0)
        return rc;
    *ret_part = query->index->parts[block];
    (*ret_part)->used = ++query->index->clock;
    return 0;
}

int es_index_part_places(struct es_query *query, struct es_index_part *part)
{
    if (part->places)
        return 0;
    uint64_t before = part->bytes;
    if (!es_index_part_make_places(part))
        return es_fail(-ENOMEM, "no memory for an index of events");
    query->index->bytes += part->bytes - before;
    return 0;
}

/* ---- questions ----------------------------------------------------------------------------------------------------- */

int es_index_event(struct es_query *query, uint64_t seq, struct es_indexed *ret)
{
    struct es_index_part *part;
    int rc = es_index_part_get(query, es_query_block_of(query, seq), &part);
    if (rc < 0)
        return rc;
    if (seq < part->first || seq - part->first >= part->n)
        return -ENOENT;
    uint32_t i = (uint32_t)(seq - part->first);
    *ret = (struct es_indexed){.seq = seq,
                               .cause = part->back[i] ? seq - part->back[i] : 0,
                               .pid = es_index_part_is_own(part, i) ? part->lists[part->list[i]].pid : ES_REF_NONE,
                               .kind = part->kinds[i],
                               .flags = part->flags[i]};
    return 0;
}

const struct es_index_part_list *es_index_part_find(const struct es_index_part *part, es_ref pid)
{
    size_t low = 0, high = part->n_lists;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (part->lists[middle].pid < pid)
            low = middle + 1;
        else
            high = middle;
    }
    return low < part->n_lists && part->lists[low].pid == pid ? &part->lists[low] : NULL;
}

/* Several are asked for in the same block, one after the other. */
static bool read_pids(struct es_query *query, size_t block)
{
    struct es_index *index = query->index;
    if (index->pids && index->pids_block == block)
        return true;
    free(index->pids);
    index->pids = NULL;
    if (es_recording_block_pids(query->recording, block, &index->pids, &index->n_pids) < 0) {
        es_error_clear();
        return false;
    }
    index->pids_block = block;
    return true;
}

bool es_index_may_have(struct es_query *query, size_t block, es_ref pid)
{
    const struct es_index *index = query->index;
    size_t low = 0;
    if (index->parts[block] || !read_pids(query, block))
        return true; /* what is wrong with it shows when it is read */
    for (size_t high = index->n_pids; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (index->pids[middle].pid < pid)
            low = middle + 1;
        else
            high = middle;
    }
    return low < index->n_pids && index->pids[low].pid == pid;
}

/* How many events of a row lie before event `i`. */
static uint32_t count_before(const uint16_t *places, uint32_t n, uint64_t i)
{
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (places[middle] < i)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct wanted {
    es_ref pid;
    enum es_row row;
    uint64_t seq;
    bool back;
};

static int look_here(struct es_query *query, size_t block, const struct wanted *what, uint64_t *ret_seq)
{
    const struct es_block_info *blocks = NULL;
    struct es_index_part *part;
    *ret_seq = 0;
    size_t n = es_recording_blocks(query->recording, &blocks);
    if (what->pid == ES_REF_NONE || block >= n)
        return 0;
    int rc = query->index ? 0 : make_index(query, n);
    if (rc < 0)
        return rc;
    rc = es_index_may_have(query, block, what->pid) ? es_index_part_get(query, block, &part) : -ENOENT;
    if (rc == -ENOENT || rc == -EBADMSG) {
        es_error_clear();
        return 0;
    }
    if (rc < 0)
        return rc;
    const struct es_index_part_list *list = es_index_part_find(part, what->pid);
    if (!list)
        return 0;
    rc = es_index_part_places(query, part);
    if (rc < 0)
        return rc;
    const uint16_t *places = part->places + list->at + (what->row == ES_ROW_DELIVERIES ? list->n[ES_ROW_ACTS] : 0);
    uint64_t i = what->seq < part->first ? 0 : what->seq - part->first + what->back;
    uint32_t before = count_before(places, list->n[what->row], i);
    if (what->back ? before > 0 : before < list->n[what->row])
        *ret_seq = part->first + places[before - what->back];
    return 0;
}

int es_index_last_here(struct es_query *query, es_ref pid, enum es_row row, uint64_t seq, uint64_t *ret_seq)
{
    return look_here(query, es_query_block_of(query, seq), &(struct wanted){pid, row, seq, true}, ret_seq);
}

int es_index_first_here(struct es_query *query, es_ref pid, enum es_row row, uint64_t seq, uint64_t *ret_seq)
{
    return look_here(query, es_query_block_of(query, seq), &(struct wanted){pid, row, seq, false}, ret_seq);
}

int es_index_last(struct es_query *query, es_ref pid, enum es_row row, uint64_t seq, uint64_t *ret_seq)
{
    const struct es_block_info *blocks = NULL;
    const struct wanted what = {pid, row, seq, true};
    size_t n = es_recording_blocks(query->recording, &blocks), i = es_query_block_of(query, seq);
    *ret_seq = 0;
    if (n == 0 || seq == 0)
        return 0;
    for (i = i < n ? i + 1 : n; i-- > 0;) {
        int rc = look_here(query, i, &what, ret_seq);
        if (rc < 0 || *ret_seq)
            return rc;
    }
    return 0;
}

int es_index_first(struct es_query *query, es_ref pid, enum es_row row, uint64_t seq, uint64_t *ret_seq)
{
    const struct es_block_info *blocks = NULL;
    const struct wanted what = {pid, row, seq, false};
    size_t n = es_recording_blocks(query->recording, &blocks);
    *ret_seq = 0;
    for (size_t i = es_query_block_of(query, seq); i < n; i++) {
        int rc = look_here(query, i, &what, ret_seq);
        if (rc < 0 || *ret_seq)
            return rc;
    }
    return 0;
}

int es_index_effects(struct es_query *query, size_t block, const struct es_effect **ret_effects, size_t *ret_n)
{
    struct es_index_part *part;
    int rc = es_index_part_get(query, block, &part);
    if (rc < 0)
        return rc;
    if (!part->effects) {
        uint64_t before = part->bytes;
        if (!es_index_part_make_effects(part))
            return es_fail(-ENOMEM, "no memory for an index of events");
        query->index->bytes += part->bytes - before;
    }
    *ret_effects = part->effects;
    *ret_n = part->n_effects;
    return 0;
}
