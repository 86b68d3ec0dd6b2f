/* SPDX-License-Identifier: MIT */
/* The world at a moment: the keyframe before it, and the events from there. The last two worlds are kept, so that the next question, which
 * is often about a moment nearby, goes on from one of them. Who walks backwards gets a keyframe of his own, a little before where he is. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/nodes.h"
#include "store/keyframe.h"

#define KEPT 2
#define BACK 8192u /* events before a moment that one walking backwards is given a keyframe at */

struct es_worlds {
    struct kept {
        struct es_world world;
        uint64_t begin, seq; /* first event of its group; the last event it knows. begin 0: a free place */
        uint64_t damaged, used;
    } kept[KEPT];
    struct {
        struct es_buf bytes;
        uint64_t begin, seq, damaged; /* seq 0: there is none */
    } back;
    uint64_t clock;
};

static void drop(struct kept *kept)
{
    if (kept->begin)
        es_world_fini(&kept->world);
    kept->begin = 0;
}

void es_worlds_free(struct es_worlds *worlds)
{
    for (size_t i = 0; worlds && i < KEPT; i++)
        drop(&worlds->kept[i]);
    if (worlds)
        es_buf_fini(&worlds->back.bytes);
    free(worlds);
}

/* ---- where to begin ------------------------------------------------------------------------------------------------ */

static void init(struct es_query *query, struct kept *kept)
{
    es_world_init(&kept->world, &(struct es_world_text){.atom = query->print[0].atoms,
                                                        .context = query->print[0].context,
                                                        .node = query->node,
                                                        .node_of = query->n_nodes ? es_nodes_of : NULL});
    kept->damaged = 0;
}

/* Loads the keyframe of the group of `seq`. 1: there is a world in it; 0: there is none, or it is damaged. */
static int load(struct es_query *query, uint64_t seq, struct kept *kept)
{
    struct es_keyframe frame;
    struct es_keyframe_parts parts;
    init(query, kept);
    kept->begin = 1;
    kept->seq = 0;
    int rc = es_recording_keyframe(query->recording, seq, &frame);
    if (rc == -EBADMSG || rc == -ENOENT) {
        es_error_clear();
        return 0;
    }
    if (rc < 0)
        return rc;
    kept->begin = frame.first_seq ? frame.first_seq : 1;
    kept->seq = kept->begin - 1;
    rc = es_keyframe_split(frame.bytes, frame.len, &parts);
    if (rc == 0 && parts.world.len)
        rc = es_world_load(&kept->world, parts.world.bytes, parts.world.len);
    if (rc == -ENOMEM)
        return es_fail(rc, "no memory for the processes of a moment");
    return rc == 0 && (parts.world.len > 0 || frame.len == 0);
}

/* The first event of the group before the one that begins with `first`; 0: there is none. */
static uint64_t group_before(struct es_query *query, uint64_t first)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(query->recording, &blocks), i = es_query_block_of(query, first);
    if (i == 0 || i >= n + 1 || n == 0)
        return 0;
    return blocks[i - 1].last_seq < first ? blocks[i - 1].first_seq : 0;
}

/* The nearest keyframe that can be read; where there is none, an empty world at the beginning of the recording. */
static int begin(struct es_query *query, uint64_t seq, struct kept *kept)
{
    uint64_t passed = 0;
    for (uint64_t at = seq;;) {
        int rc = load(query, at, kept);
        if (rc == 1) {
            kept->damaged += passed;
            return 0;
        }
        uint64_t first = kept->begin, before = rc == 0 ? group_before(query, first) : 0;
        if (rc < 0 || before == 0) {
            es_world_fini(&kept->world);
            init(query, kept);
            if (rc < 0)
                return rc;
            const struct es_block_info *blocks = NULL;
            kept->begin = es_recording_blocks(query->recording, &blocks) ? blocks[0].first_seq : 1;
            kept->seq = kept->begin - 1;
            kept->damaged = passed + 1;
            es_world_gap(&kept->world, kept->begin);
            return 0;
        }
        es_world_fini(&kept->world);
        passed++;
        at = before;
    }
}

/* ---- from there on ------------------------------------------------------------------------------------------------- */

/* What a world looks at, of the kinds that this block has. */
static unsigned wanted_fields(const struct es_block_info *block)
{
    unsigned fields = 0;
    for (unsigned kind = 0; kind < ES_KIND_MAX; kind++)
        fields |= block->kinds[kind] ? es_kind_table[kind].fields & ~(unsigned)ES_F_PAYLOAD : 0;
    if (block->kinds[ES_K_CENSUS])
        return fields | ES_F_PAYLOAD;
    return block->kinds[ES_K_STATE] ? fields | ES_FIELD_LENGTHS : fields;
}

static int feed_block(struct es_query *query, size_t index, uint64_t seq, struct kept *kept)
{
    const struct es_block_info *blocks = NULL;
    es_recording_blocks(query->recording, &blocks);
    struct es_block *block;
    int rc = es_block_get_fields(query->recording, index, wanted_fields(&blocks[index]), &block);
    if (rc == -EBADMSG || rc == -ENOENT) {
        es_error_clear();
        kept->damaged++;
        kept->seq = blocks[index].last_seq < seq ? blocks[index].last_seq : seq;
        es_world_gap(&kept->world, kept->seq);
        return 0;
    }
    if (rc < 0)
        return rc;
    uint64_t first = blocks[index].first_seq, from = kept->seq + 1 > first ? kept->seq + 1 - first : 0;
    for (size_t i = from; rc == 0 && i < block->n && block->events[i].seq <= seq; i++) {
        rc = es_world_feed(&kept->world, &block->events[i]);
        kept->seq = block->events[i].seq;
    }
    es_block_unref(query->recording, block);
    return rc < 0 ? es_fail(rc, "no memory for the processes of a moment") : 0;
}

static int feed(struct es_query *query, uint64_t seq, struct kept *kept)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(query->recording, &blocks);
    int rc = 0;
    for (size_t i = es_query_block_of(query, kept->seq + 1); rc == 0 && i < n && blocks[i].first_seq <= seq; i++)
        rc = feed_block(query, i, seq, kept);
    return rc;
}

/* First event of the group that `seq` is in. */
static int group_of(struct es_query *query, uint64_t seq, uint64_t *ret_first)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(query->recording, &blocks), i = es_query_block_of(query, seq);
    if (i == n || blocks[i].first_seq > seq)
        return es_fail(-ERANGE, "event %llu is not in the recording", (unsigned long long)seq);
    uint64_t group = blocks[i].group;
    while (i > 0 && blocks[i - 1].group == group)
        i--;
    *ret_first = blocks[i].first_seq;
    return 0;
}

/* A kept world from which it is nearer than from the keyframe; else the place to use again. */
static struct kept *choose(struct es_worlds *worlds, uint64_t first, uint64_t seq)
{
    struct kept *best = NULL, *oldest = &worlds->kept[0];
    for (size_t i = 0; i < KEPT; i++) {
        struct kept *kept = &worlds->kept[i];
        if (kept->begin && kept->seq <= seq && kept->seq + 1 >= first && (!best || kept->seq > best->seq))
            best = kept;
        if (!kept->begin || (oldest->begin && kept->used < oldest->used))
            oldest = kept;
    }
    if (best)
        return best;
    drop(oldest);
    return oldest;
}

/* ---- backwards ----------------------------------------------------------------------------------------------------- */

/* Was the moment just behind this one asked for? */
static bool walks_back(const struct es_worlds *worlds, uint64_t seq)
{
    for (size_t i = 0; i < KEPT; i++)
        if (worlds->kept[i].begin && worlds->kept[i].seq > seq && worlds->kept[i].seq - seq <= BACK)
            return true;
    return false;
}

/* 1: the world was made from what was saved a little before; 0: nothing was. */
static int load_back(struct es_query *query, uint64_t seq, struct kept *kept)
{
    struct es_worlds *worlds = query->worlds;
    if (worlds->back.seq == 0 || worlds->back.seq > seq || seq - worlds->back.seq > 2 * BACK)
        return 0;
    init(query, kept);
    if (es_world_load(&kept->world, worlds->back.bytes.bytes, worlds->back.bytes.len) < 0) {
        es_world_fini(&kept->world);
        es_error_clear();
        return 0;
    }
    kept->begin = worlds->back.begin;
    kept->seq = worlds->back.seq;
    kept->damaged = worlds->back.damaged;
    return 1;
}

static int save_back(struct es_query *query, uint64_t seq, struct kept *kept)
{
    struct es_worlds *worlds = query->worlds;
    int rc = seq > BACK && kept->seq < seq - BACK ? feed(query, seq - BACK, kept) : 0;
    worlds->back.seq = 0;
    worlds->back.bytes.len = 0;
    if (rc < 0 || kept->seq == 0 || es_world_save(&kept->world, &worlds->back.bytes) < 0)
        return rc;
    worlds->back.begin = kept->begin;
    worlds->back.seq = kept->seq;
    worlds->back.damaged = kept->damaged;
    return 0;
}

static int begin_anew(struct es_query *query, uint64_t seq, bool back, struct kept *kept)
{
    int rc = back ? load_back(query, seq, kept) : 0;
    if (rc == 0)
        rc = begin(query, seq, kept);
    else
        return rc < 0 ? rc : 0;
    return rc == 0 && back ? save_back(query, seq, kept) : rc;
}

int es_query_world(struct es_query *query, uint64_t seq, const struct es_world **ret_world, uint64_t *ret_damaged)
{
    uint64_t first = 0;
    if (!query->worlds && !(query->worlds = calloc(1, sizeof *query->worlds)))
        return es_fail(-ENOMEM, "no memory for the processes of a moment");
    int rc = group_of(query, seq, &first);
    if (rc < 0)
        return rc;
    bool back = walks_back(query->worlds, seq);
    struct kept *kept = choose(query->worlds, first, seq);
    if (!kept->begin)
        rc = begin_anew(query, seq, back, kept);
    if (rc == 0)
        rc = feed(query, seq, kept);
    if (rc < 0) {
        drop(kept);
        return rc;
    }
    kept->used = ++query->worlds->clock;
    *ret_world = &kept->world;
    *ret_damaged = kept->damaged;
    return 0;
}

/* ---- moments ------------------------------------------------------------------------------------------------------- */

/* How many of the block's events are at or before this time; all of them where it cannot be read. */
static int count_until(struct es_query *query, size_t index, int64_t time, size_t *ret_n)
{
    const struct es_block_info *blocks = NULL;
    es_recording_blocks(query->recording, &blocks);
    struct es_block *block;
    int rc = es_block_get_fields(query->recording, index, 0, &block);
    *ret_n = blocks[index].events;
    if (rc == -EBADMSG || rc == -ENOENT) {
        es_error_clear();
        return 0;
    }
    if (rc < 0)
        return rc;
    size_t from = 0, to = block->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (block->events[middle].time <= time)
            from = middle + 1;
        else
            to = middle;
    }
    *ret_n = from;
    es_block_unref(query->recording, block);
    return 0;
}

int es_query_seq_at(struct es_query *query, int64_t time, uint64_t *ret_seq)
{
    const struct es_block_info *blocks = NULL;
    size_t from = 0, to = es_recording_blocks(query->recording, &blocks), n = 0;
    while (from < to) { /* the first block that begins later */
        size_t middle = from + (to - from) / 2;
        if (blocks[middle].first_time <= time)
            from = middle + 1;
        else
            to = middle;
    }
    if (from == 0) {
        *ret_seq = 0;
        return 0;
    }
    int rc = count_until(query, from - 1, time, &n);
    *ret_seq = blocks[from - 1].first_seq + n - (n > 0);
    return rc;
}
