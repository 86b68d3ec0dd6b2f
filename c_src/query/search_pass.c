/* SPDX-License-Identifier: MIT */
/* Blocks that a side need not look at, while it has reached few processes. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/search.h"

#define FEW 32u          /* processes */
#define READ_AT_ONCE 16u /* blocks */

/* Kinds of events that edges begin in, and those that they end in. */
#define BEGIN                                                                                                          \
    (UINT64_C(1) << ES_K_SEND | UINT64_C(1) << ES_K_SEND_DEAD | UINT64_C(1) << ES_K_SPAWN | UINT64_C(1) << ES_K_EXIT | \
     UINT64_C(1) << ES_K_CALL)
#define END \
    (UINT64_C(1) << ES_K_DELIVER | UINT64_C(1) << ES_K_SPAWNED | UINT64_C(1) << ES_K_EXIT | UINT64_C(1) << ES_K_CALL)

/* Edges begin and end in events of the processes that they lead from and to. */
static bool is_anybody_in(const struct es_search *s, const struct es_side *side)
{
    for (size_t i = 0; i < side->n; i++) {
        es_ref pid = s->query->index->pids_by_number[side->set[i]];
        uint64_t kinds = 0;
        if (!es_index_may_have(s->query, side->block, pid))
            continue;
        int rc = es_recording_block_kinds(s->query->recording, side->block, pid, &kinds);
        if (rc < 0)
            es_error_clear(); /* what is wrong with it shows when it is read */
        if (rc < 0 || kinds & (side->back ? END : BEGIN))
            return true;
    }
    return false;
}

static bool has_reached(const struct es_search *s, const struct es_side *side, es_ref pid, uint64_t seq)
{
    const uint64_t *number = es_refmap_find(&s->query->index->numbers, pid);
    return number && *number && es_side_is_in(side, (uint32_t)(*number - 1), seq);
}

/* Is an event in a block before an act of a process that was reached, or the delivery of what one sent? What is in a block that was passed by is
 * not. 1, 0, negative errno. */
static int is_reached(const struct es_search *s, const struct es_side *side, uint64_t seq)
{
    struct es_indexed event = {.cause = seq, .kind = ES_K_DELIVER};
    for (int steps = 0; steps < 2 && event.kind == ES_K_DELIVER; steps++) {
        uint64_t at = event.cause;
        if (at < s->from || side->passed[es_query_block_of(s->query, at)] == side->passing)
            return 0;
        int rc = es_index_event(s->query, at, &event);
        if (rc == -EBADMSG || rc == -ENOENT)
            es_error_clear();
        if (rc < 0)
            return rc == -EBADMSG || rc == -ENOENT ? 0 : rc;
    }
    return has_reached(s, side, event.pid, event.seq);
}

static int gets_anything(struct es_search *s, const struct es_side *side)
{
    const struct es_lates *lates;
    size_t left = s->end - s->first + 1, n = s->n_passed < READ_AT_ONCE ? s->n_passed : READ_AT_ONCE;
    n = n < left ? n : left;
    if (n > 1)
        es_index_read(s->query, &(struct es_index_wish){.first = side->block, .n = n, .lates = true});
    int rc = es_index_lates(s->query, side->block, &lates);
    for (size_t i = 0; rc == 0 && i < lates->n; i++)
        rc = is_reached(s, side, lates->list[i].cause);
    return rc;
}

int es_search_pass(struct es_search *s, struct es_side *side)
{
    const struct es_index *index = s->query->index;
    if (!side->passed)
        side->passed = calloc(index->n_blocks, sizeof *side->passed);
    if (!side->passed)
        return es_fail(-ENOMEM, "no memory to compare events");
    if (index->parts[side->block] || side->over || side->n > FEW || is_anybody_in(s, side))
        return 0;
    int rc = side->back ? 0 : gets_anything(s, side);
    if (rc == -EBADMSG || rc == -ENOENT) { /* what is wrong with it shows when it is read */
        es_error_clear();
        return 0;
    }
    if (rc != 0)
        return rc < 0 ? rc : 0;
    s->n_passed++;
    side->passed[side->block] = side->passing;
    side->work += side->n;
    return 1;
}
