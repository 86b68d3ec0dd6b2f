/* SPDX-License-Identifier: MIT */
/* Entries of all processes in order of blocks, each linked to that of the same process before it; see version_index.h. */
#include "query/version_index.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"

struct entry {
    uint32_t process;
    uint32_t before; /* entry + 1, 0: none */
    uint32_t block, until;
};

/* A block that was walked over, and where its entries begin. */
struct walked {
    uint64_t id, first_seq;
    uint32_t events;
    size_t at;
};

struct es_version_index {
    struct es_refmap numbers; /* of processes: number + 1 */
    uint32_t *last;           /* by number: entry + 1 */
    size_t n_numbers, numbers_room;
    struct entry *entries;
    size_t n, room, bound;
    struct walked *blocks;
    size_t n_blocks, blocks_room;
    es_ref only; /* ES_REF_NONE: of all processes */
    bool ready;  /* nothing is to be walked over */
};

void es_version_index_free(struct es_version_index *index)
{
    if (!index)
        return;
    es_refmap_fini(&index->numbers);
    free(index->last);
    free(index->entries);
    free(index->blocks);
    free(index);
}

void es_version_index_refresh(struct es_version_index *index)
{
    if (index)
        index->ready = false;
}

size_t es_version_index_bytes(const struct es_query *query)
{
    return query->version_index ? query->version_index->n * sizeof(struct entry) : 0;
}

static struct es_version_index *get_index(struct es_query *query)
{
    if (!query->version_index) {
        query->version_index = calloc(1, sizeof *query->version_index);
        if (query->version_index)
            query->version_index->bound = ES_VERSION_INDEX_BYTES;
    }
    return query->version_index;
}

void es_version_index_bound(struct es_query *query, size_t bytes)
{
    struct es_version_index *index = get_index(query);
    if (index)
        index->bound = bytes;
}

/* ---- walking over blocks ------------------------------------------------------------------------------------------- */

/* More room for elements of `size`; NULL without memory, `list` stays. */
static void *grow(void *list, size_t *room, size_t size)
{
    size_t more = *room ? *room * 2 : 256;
    void *grown = realloc(list, more * size);
    if (grown)
        *room = more;
    return grown;
}

static uint32_t *last_of(struct es_version_index *index, es_ref pid, uint32_t *ret_number)
{
    uint64_t *number = es_refmap_place(&index->numbers, pid);
    if (!number)
        return NULL;
    if (*number == 0) {
        if (index->n_numbers == index->numbers_room) {
            uint32_t *last = grow(index->last, &index->numbers_room, sizeof *last);
            if (!last)
                return NULL;
            index->last = last;
        }
        index->last[index->n_numbers] = 0;
        *number = ++index->n_numbers;
    }
    *ret_number = (uint32_t)(*number - 1);
    return &index->last[*ret_number];
}

static int add_entry(struct es_version_index *index, uint32_t block, const struct es_pid_count *count)
{
    uint32_t number, *last;
    if (index->n == index->room) {
        struct entry *entries = grow(index->entries, &index->room, sizeof *entries);
        if (!entries)
            return -ENOMEM;
        index->entries = entries;
    }
    if (!(last = last_of(index, count->pid, &number)))
        return -ENOMEM;
    uint32_t before = *last ? index->entries[*last - 1].until : 0;
    index->entries[index->n++] = (struct entry){number, *last, block, before + count->events};
    *last = (uint32_t)index->n;
    return 0;
}

/* What is damaged, or was dropped since, has no versions. */
static int add_block(struct es_query *query, struct es_version_index *index, const struct es_block_info *info)
{
    struct es_pid_count *counts = NULL;
    size_t n = 0;
    if (index->n_blocks == index->blocks_room) {
        struct walked *blocks = grow(index->blocks, &index->blocks_room, sizeof *blocks);
        if (!blocks)
            return -ENOMEM;
        index->blocks = blocks;
    }
    int rc = es_recording_state_counts(query->recording, index->n_blocks, &counts, &n);
    if (rc == -EBADMSG || rc == -ENOENT) {
        es_error_clear();
        rc = 0;
    }
    index->blocks[index->n_blocks] = (struct walked){info->id, info->first_seq, info->events, index->n};
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (counts[i].events > 0 && counts[i].pid != ES_REF_NONE &&
            (index->only == ES_REF_NONE || counts[i].pid == index->only))
            rc = add_entry(index, (uint32_t)index->n_blocks, &counts[i]);
    free(counts);
    index->n_blocks++;
    return rc;
}

/* Forgets blocks from this one on. */
static void cut(struct es_version_index *index, size_t n_blocks)
{
    size_t n = n_blocks < index->n_blocks ? index->blocks[n_blocks].at : index->n;
    while (index->n > n) {
        const struct entry *entry = &index->entries[--index->n];
        index->last[entry->process] = entry->before;
    }
    if (n_blocks < index->n_blocks)
        index->n_blocks = n_blocks;
}

/* How many blocks are still what they were: a live recording's last ones are merged, its first ones dropped, and then all counts change. */
static size_t count_same(const struct es_version_index *index, const struct es_block_info *blocks, size_t n)
{
    size_t same = 0;
    while (same < n && same < index->n_blocks && blocks[same].id == index->blocks[same].id &&
           blocks[same].first_seq == index->blocks[same].first_seq && blocks[same].events == index->blocks[same].events)
        same++;
    return same;
}

static int walk(struct es_query *query, struct es_version_index *index)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(query->recording, &blocks);
    int rc = 0;
    if (index->ready)
        return 0;
    cut(index, count_same(index, blocks, n));
    while (rc == 0 && index->n_blocks < n) {
        rc = add_block(query, index, &blocks[index->n_blocks]);
        if (rc == 0 && index->n * sizeof *index->entries > index->bound && index->only == ES_REF_NONE)
            return -E2BIG;
    }
    index->ready = rc == 0;
    if (rc < 0)
        cut(index, 0);
    return rc;
}

static void forget_all(struct es_version_index *index)
{
    size_t bound = index->bound;
    es_refmap_fini(&index->numbers);
    free(index->last);
    free(index->entries);
    free(index->blocks);
    *index = (struct es_version_index){.bound = bound};
}

static int get_ready(struct es_query *query, es_ref pid, struct es_version_index **ret_index)
{
    struct es_version_index *index = get_index(query);
    int rc = index ? 0 : -ENOMEM;
    if (rc == 0 && index->only != ES_REF_NONE && index->only != pid) {
        forget_all(index);
        index->only = pid;
    }
    if (rc == 0)
        rc = walk(query, index);
    if (rc == -E2BIG) {
        forget_all(index);
        index->only = pid;
        rc = walk(query, index);
    }
    *ret_index = index;
    return rc < 0 ? es_fail(rc, "the versions of a state cannot be counted") : 0;
}

/* ---- questions ----------------------------------------------------------------------------------------------------- */

static const struct entry *last_entry(const struct es_version_index *index, es_ref pid)
{
    const uint64_t *number = es_refmap_find(&index->numbers, pid);
    uint32_t last = number ? index->last[*number - 1] : 0;
    return last ? &index->entries[last - 1] : NULL;
}

static const struct entry *entry_before(const struct es_version_index *index, const struct entry *entry)
{
    return entry->before ? &index->entries[entry->before - 1] : NULL;
}

static int tell(const struct es_version_index *index, const struct entry *entry, struct es_version_block *ret)
{
    const struct entry *before = entry ? entry_before(index, entry) : NULL;
    if (!entry)
        return -ENOENT;
    *ret = (struct es_version_block){entry->block, before ? before->until : 0, entry->until};
    return 0;
}

int es_version_block_before(struct es_query *query, es_ref pid, size_t block, struct es_version_block *ret)
{
    struct es_version_index *index;
    int rc = get_ready(query, pid, &index);
    const struct entry *entry = rc == 0 ? last_entry(index, pid) : NULL;
    while (entry && entry->block > block)
        entry = entry_before(index, entry);
    return rc == 0 ? tell(index, entry, ret) : rc;
}

int es_version_block_of(struct es_query *query, es_ref pid, uint64_t number, struct es_version_block *ret)
{
    struct es_version_index *index;
    int rc = get_ready(query, pid, &index);
    const struct entry *entry = rc == 0 ? last_entry(index, pid) : NULL;
    if (rc == 0 && (number == 0 || !entry || entry->until < number))
        return -ENOENT;
    for (const struct entry *before; entry && (before = entry_before(index, entry)) && before->until >= number;)
        entry = before;
    return rc == 0 ? tell(index, entry, ret) : rc;
}
