/* SPDX-License-Identifier: MIT */
/* The edges of a cone from replies to what shows that they were taken. Where that is in another block, it is looked for there when the turn of
 * that block comes: such a pending has a process and the edge of a handling. */
#include <errno.h>

#include "base/error.h"
#include "query/cone.h"
#include "query/replies.h"

/* The reply of a process may have come in a block before: that is found out when its turn comes. */
static int push_reply_of(struct es_cone *cone, es_ref pid, uint64_t seq, const struct es_caused *from)
{
    struct es_pending pending = {.caused = {seq, from->seq, ES_EDGE_HANDLING, false, from->depth + 1}, .pid = pid};
    return es_cone_push(cone, &pending);
}

static int get_replies(struct es_cone *cone, size_t block, struct es_index_part **ret_part,
                       const struct es_replies **ret_replies)
{
    int rc = es_index_part_get(cone->query, block, ret_part);
    return rc < 0 ? rc : es_replies_get(cone->query, *ret_part, ret_replies);
}

/* Replies that this act shows to be taken. */
int es_cone_push_replies(struct es_cone *cone, const struct es_indexed *event, const struct es_caused *caused)
{
    struct es_index_part *part;
    const struct es_replies *replies;
    size_t block = es_query_block_of(cone->query, event->seq);
    int rc = es_goes_on(event->kind) ? get_replies(cone, block, &part, &replies) : -ENOENT;
    if (rc < 0)
        return rc == -ENOENT ? 0 : rc;
    uint32_t at = (uint32_t)(event->seq - part->first);
    const struct es_reply *reply = es_replies_by_act(replies, at), *end = replies->by_act + replies->n_taken;
    for (; rc == 0 && reply && reply < end && reply->act == at; reply++)
        rc = es_cone_push_event(cone, part->first + reply->delivery, caused, ES_EDGE_HANDLING, false);
    bool first = replies->firsts[part->list[at]] == at;
    return rc == 0 && first && block > 0 ? push_reply_of(cone, event->pid, part->first - 1, caused) : rc;
}

/* Replies that no act behind them in this block shows to be taken; or, where there is no such act, those before. */
int es_cone_find_reply(struct es_cone *cone, struct es_pending *pending)
{
    const struct es_block_info *blocks = NULL;
    struct es_index_part *part;
    const struct es_replies *replies;
    const struct es_caused caused = pending->caused;
    struct es_caused act = {.seq = caused.from, .depth = caused.depth - 1};
    size_t block = es_query_block_of(cone->query, caused.seq);
    uint64_t seq = 0;
    bool goes_on;
    int rc = es_replies_first(cone->query, block, pending->pid, &seq, &goes_on);
    if (rc == 0 && es_index_may_have(cone->query, block, pending->pid))
        rc = get_replies(cone, block, &part, &replies);
    else
        part = NULL;
    const struct es_reply *reply;
    uint32_t at = 0;
    while (rc == 0 && part && (reply = es_replies_open(part, pending->pid, &at)))
        rc = es_cone_push_event(cone, part->first + reply->delivery, &act, ES_EDGE_HANDLING, false);
    bool over = seq || block == 0 || block + ES_REPLY_BEHIND <= es_query_block_of(cone->query, caused.from);
    es_recording_blocks(cone->query->recording, &blocks);
    if (rc == -EBADMSG || rc == -ENOENT)
        rc = 0;
    return rc < 0 || over ? rc : push_reply_of(cone, pending->pid, blocks[block - 1].last_seq, &act);
}

/* What shows that a reply was taken; where that is not in this block, those behind are looked at when their turn comes. */
int es_cone_push_taken(struct es_cone *cone, const struct es_indexed *event, const struct es_caused *caused)
{
    struct es_index_part *part;
    const struct es_replies *replies;
    size_t block = es_query_block_of(cone->query, event->seq);
    bool may_be = event->kind == ES_K_DELIVER && event->flags & ES_E_REPLY;
    int rc = may_be ? get_replies(cone, block, &part, &replies) : -ENOENT;
    if (rc < 0)
        return rc == -ENOENT ? 0 : rc;
    const struct es_reply *reply = es_replies_of(replies, (uint32_t)(event->seq - part->first));
    if (reply && reply->act != ES_REPLY_OPEN)
        return es_cone_push_event(cone, part->first + reply->act, caused, ES_EDGE_HANDLING, false);
    bool behind = block + 1 < cone->query->index->n_blocks;
    return reply && behind ? push_reply_of(cone, event->pid, part->first + part->n, caused) : 0;
}

int es_cone_find_taken(struct es_cone *cone, struct es_pending *pending)
{
    const struct es_block_info *blocks = NULL;
    const struct es_caused caused = pending->caused;
    struct es_caused delivery = {.seq = caused.from, .depth = caused.depth - 1};
    size_t n = es_recording_blocks(cone->query->recording, &blocks), block = es_query_block_of(cone->query, caused.seq);
    uint64_t seq;
    bool goes_on;
    int rc = es_replies_first(cone->query, block, pending->pid, &seq, &goes_on);
    if (rc < 0 || seq)
        return rc < 0 || !goes_on ? rc : es_cone_push_event(cone, seq, &delivery, ES_EDGE_HANDLING, false);
    bool over = block + 1 >= n || block >= es_query_block_of(cone->query, caused.from) + ES_REPLY_BEHIND;
    return over ? 0 : push_reply_of(cone, pending->pid, blocks[block + 1].first_seq, &delivery);
}
