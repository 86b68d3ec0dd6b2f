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

/* In the block that is at hand. False where it is not there, or nothing is known. */
static bool walk_here(struct es_query *query, const struct es_walk *walk, uint64_t *ret_seq)
{
    const struct es_event *event;
    uint64_t first, last, seq = walk->seq;
    if (!es_query_block_around(query, seq, &first, &last))
        return false;
    while (walk->back ? seq-- > first : seq++ < last) {
        if (es_query_stored(query, seq, &event) < 0)
            return false;
        if ((walk->pid == ES_REF_NONE || event->pid == walk->pid) &&
            (walk->kinds == 0 || (walk->kinds >> event->kind & 1))) {
            *ret_seq = seq;
            return true;
        }
    }
    return false;
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
    if ((walk->back && walk->seq <= 1) || walk_here(query, walk, ret_seq))
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
    struct es_state_at at;
    *ret_seq = 0;
    if (walk->back && walk->seq <= 1)
        return 0;
    struct es_seq_range before = {1, walk->seq - 1}, behind = {walk->seq + 1, UINT64_MAX};
    int rc = walk->back ? es_recording_change_last(query->recording, walk->pid, before, &at)
                        : es_recording_change_first(query->recording, walk->pid, behind, &at);
    if (rc == 0)
        *ret_seq = at.seq;
    return rc == -ENOENT ? 0 : rc;
}
