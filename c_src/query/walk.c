/* SPDX-License-Identifier: MIT */
/* Steps of one who walks through a recording: to the next event of a kind or process, to the next change of a state. */
#include <errno.h>

#include "base/error.h"
#include "query/inner.h"

int es_query_peek(struct es_query *query, uint64_t seq, struct es_event *ret_event)
{
    const struct es_event *stored;
    int rc = es_query_stored(query, seq, &stored);
    if (rc < 0)
        return rc;
    *ret_event = *stored;
    if (ret_event->kind != ES_K_STATE)
        es_query_fill(query, ret_event, NULL);
    return 0;
}

bool es_query_block_around(struct es_query *query, uint64_t seq, uint64_t *ret_first, uint64_t *ret_last)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(query->recording, &blocks), i = es_query_block_of(query, seq);
    if (i == n || blocks[i].first_seq > seq)
        return false;
    *ret_first = blocks[i].first_seq;
    *ret_last = blocks[i].last_seq;
    return true;
}

int es_query_walk(struct es_query *query, const struct es_walk *walk, uint64_t *ret_seq)
{
    struct es_filter filter = {.pids = &walk->pid,
                               .n_pids = walk->pid != ES_REF_NONE,
                               .kinds = walk->kinds,
                               .since = INT64_MIN,
                               .until = INT64_MAX,
                               .after_seq = walk->back ? 0 : walk->seq,
                               .before_seq = walk->back ? walk->seq : 0,
                               .reverse = walk->back,
                               .no_payload = true,
                               .fields = ES_NO_FIELDS};
    struct es_cursor *cursor;
    const struct es_event *event;
    *ret_seq = 0;
    if (walk->back && walk->seq <= 1)
        return 0;
    int rc = es_cursor_open(query, &filter, &cursor);
    if (rc < 0)
        return rc;
    rc = es_cursor_next(cursor, &event);
    if (rc > 0)
        *ret_seq = event->seq;
    es_cursor_close(cursor);
    return rc < 0 ? rc : 0;
}

int es_query_walk_state(struct es_query *query, const struct es_walk *walk, uint64_t *ret_seq)
{
    struct es_state_at at = {.seq = walk->seq};
    int rc = 0;
    *ret_seq = 0;
    do {
        if (walk->back && at.seq <= 1)
            return 0;
        rc = walk->back
                 ? es_recording_state_find(query->recording, walk->pid, (struct es_seq_range){1, at.seq - 1}, &at)
                 : es_recording_state_next(query->recording, walk->pid, (struct es_seq_range){at.seq + 1, UINT64_MAX},
                                           &at);
    } while (rc == 0 && (at.flags & ES_E_STATE_SAME));
    if (rc == 0)
        *ret_seq = at.seq;
    return rc == -ENOENT ? 0 : rc;
}
