/* SPDX-License-Identifier: MIT */
/* Which functions were traced with their ends: a call of one that was not says nothing of how long it took. */
#include <errno.h>

#include "base/error.h"
#include "query/inner.h"
#include "wire/term.h"

static uint64_t key_of(const struct es_event *event)
{
    uint64_t key = es_hash_mix(es_hash_mix(event->arity, event->module), event->function);
    return key ? key : 1;
}

static int add_block(struct es_query *query, size_t index)
{
    struct es_block *block;
    int rc = es_block_get_fields(query->recording, index, ES_F_FUN, &block);
    if (rc == -EBADMSG || rc == -ENOENT) { /* damaged or dropped: what is in it is not asked for either */
        es_error_clear();
        return 0;
    }
    if (rc < 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < block->n; i++)
        if (es_is_call_end(block->events[i].kind) && !es_is_woven(&block->events[i]) &&
            !es_refmap_place(&query->ended, key_of(&block->events[i])))
            rc = es_fail(-ENOMEM, "no memory for functions");
    es_block_unref(query->recording, block);
    return rc;
}

static int find_ended(struct es_query *query)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(query->recording, &blocks);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (blocks[i].kinds[ES_K_RETURN] + blocks[i].kinds[ES_K_EXCEPTION] > 0)
            rc = add_block(query, i);
    query->ended_ready = rc == 0;
    return rc;
}

int es_query_has_ends(struct es_query *query, const struct es_event *call)
{
    if (es_is_woven(call))
        return 1; /* or it ends by an exception, which is told by those below it */
    int rc = query->ended_ready ? 0 : find_ended(query);
    if (rc < 0)
        return rc;
    return es_refmap_find(&query->ended, key_of(call)) != NULL;
}
