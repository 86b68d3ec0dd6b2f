/* SPDX-License-Identifier: MIT */
/* Walks through the events that pass a filter, in either direction. Its place is a sequence number and not a
 * block: the blocks of a live recording change under it. Only blocks that may have such events are read, and
 * payloads only of those that do have some. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/match.h"

struct es_cursor {
    struct es_query *query;
    struct es_match match;
    uint64_t next; /* sequence number to look at */
    uint64_t given;
    bool ended;             /* nothing can lie behind */
    struct es_block *block; /* what is being walked, NULL: none */
    uint64_t first, last;   /* of it */
    bool whole;             /* it has all that was asked for, not only what the filter needs */
    struct es_event event;  /* the answer where it is not the stored event */
    struct es_buf state;    /* its payload, where it is a state */
    const struct es_event *found;
};

int es_cursor_open(struct es_query *query, const struct es_filter *filter, struct es_cursor **ret_cursor)
{
    struct es_cursor *cursor = calloc(1, sizeof *cursor);
    if (!cursor)
        return es_fail(-ENOMEM, "no memory to read events");
    cursor->query = query;
    int rc = es_match_init(&cursor->match, query, filter);
    if (rc < 0) {
        es_cursor_close(cursor);
        return es_fail(rc, "no memory for a filter");
    }
    cursor->next = !filter->reverse ? filter->after_seq + 1 : filter->before_seq ? filter->before_seq - 1 : UINT64_MAX;
    *ret_cursor = cursor;
    return 0;
}

static void leave_block(struct es_cursor *cursor)
{
    if (cursor->block)
        es_block_unref(cursor->query->recording, cursor->block);
    cursor->block = NULL;
}

void es_cursor_close(struct es_cursor *cursor)
{
    if (!cursor)
        return;
    leave_block(cursor);
    es_buf_fini(&cursor->state);
    es_match_fini(&cursor->match);
    free(cursor);
}

/* ---- from block to block ------------------------------------------------------------------------------------------- */

static void step_over(struct es_cursor *cursor, uint64_t first, uint64_t last)
{
    bool reverse = cursor->match.filter.reverse;
    cursor->ended = reverse ? first <= 1 : last == UINT64_MAX;
    cursor->next = reverse ? first - 1 : last + 1;
}

/* The block to look at next; the number of blocks where there is none (now). */
static size_t find_block(struct es_cursor *cursor, const struct es_block_info **ret_blocks)
{
    size_t n = es_recording_blocks(cursor->query->recording, ret_blocks);
    if (cursor->ended || n == 0)
        return n;
    size_t i = es_query_block_of(cursor->query, cursor->next);
    if (!cursor->match.filter.reverse)
        return i;
    if (i < n && (*ret_blocks)[i].first_seq <= cursor->next)
        return i;
    return i > 0 ? i - 1 : n;
}

/* Does what the blocks say of time and sequence leave nothing behind this one? */
static bool is_beyond(const struct es_cursor *cursor, const struct es_block_info *block)
{
    const struct es_filter *f = &cursor->match.filter;
    if (f->reverse)
        return block->last_time < f->since || block->last_seq <= f->after_seq;
    return block->first_time >= f->until || (f->before_seq && block->first_seq >= f->before_seq);
}

static unsigned wanted_fields(const struct es_cursor *cursor)
{
    unsigned fields = cursor->match.filter.fields ? cursor->match.filter.fields : ES_ALL_FIELDS;
    if (fields & ES_F_PAYLOAD)
        fields |= ES_F_CAUSE; /* a delivery's is there */
    return (cursor->match.filter.no_payload ? fields & ~(unsigned)ES_F_PAYLOAD : fields) |
           es_match_fields(&cursor->match);
}

/* 1 with a block to walk, 0 at the end. */
static int enter_block(struct es_cursor *cursor)
{
    for (;;) {
        const struct es_block_info *blocks = NULL;
        size_t n = es_recording_blocks(cursor->query->recording, &blocks), i = find_block(cursor, &blocks);
        if (i >= n || is_beyond(cursor, &blocks[i]))
            return 0;
        uint64_t first = blocks[i].first_seq, last = blocks[i].last_seq;
        if (!es_match_block(&cursor->match, i, &blocks[i])) {
            step_over(cursor, first, last);
            continue;
        }
        cursor->whole = !es_match_is_narrow(&cursor->match) || wanted_fields(cursor) == es_match_fields(&cursor->match);
        int rc = es_block_get_fields(cursor->query->recording, i,
                                     cursor->whole ? wanted_fields(cursor) : es_match_fields(&cursor->match),
                                     &cursor->block);
        if (rc == 0 && cursor->block->n == last - first + 1) {
            cursor->first = first;
            cursor->last = last;
            return 1;
        }
        leave_block(cursor);
        if (rc < 0 && rc != -EBADMSG && rc != -ENOENT) /* damaged, or dropped since: passed over */
            return rc;
        es_error_clear();
        step_over(cursor, first, last);
    }
}

/* Reads what the events of this block have beyond the columns the filter needs. */
static int read_whole(struct es_cursor *cursor)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(cursor->query->recording, &blocks),
           i = es_query_block_of(cursor->query, cursor->first);
    leave_block(cursor);
    cursor->whole = true;
    if (i == n || blocks[i].first_seq > cursor->first)
        return -ENOENT;
    int rc = es_block_get_fields(cursor->query->recording, i, wanted_fields(cursor), &cursor->block);
    cursor->first = blocks[i].first_seq; /* small blocks are merged while a recording is live */
    cursor->last = blocks[i].last_seq;
    if (rc == 0 && cursor->block->n != cursor->last - cursor->first + 1)
        rc = -EBADMSG;
    return rc;
}

/* ---- from event to event ------------------------------------------------------------------------------------------- */

/* The stored event at `next`, which passes the filter. 1, or 0 where it does not, or -ENOENT, -EBADMSG where
 * it cannot be read. */
static int look(struct es_cursor *cursor)
{
    const struct es_event *stored = &cursor->block->events[cursor->next - cursor->first];
    if (!es_match_head(&cursor->match, stored))
        return 0;
    if (!cursor->whole) {
        int rc = read_whole(cursor);
        if (rc < 0)
            return rc;
        stored = &cursor->block->events[cursor->next - cursor->first];
    }
    cursor->found = stored;
    bool is_elsewhere = stored->kind == ES_K_STATE || (stored->kind == ES_K_DELIVER && stored->payload_len == 0);
    if (!cursor->match.filter.no_payload && is_elsewhere) {
        cursor->event = *stored;
        cursor->found = &cursor->event;
        es_query_fill(cursor->query, &cursor->event, &cursor->state);
    }
    return es_match_text(&cursor->match, cursor->found);
}

int es_cursor_next(struct es_cursor *cursor, const struct es_event **ret_event)
{
    const struct es_filter *f = &cursor->match.filter;
    while (f->limit == 0 || cursor->given < f->limit) {
        bool inside = cursor->block && !cursor->ended && cursor->next >= cursor->first && cursor->next <= cursor->last;
        if (!inside) {
            leave_block(cursor);
            int rc = enter_block(cursor);
            if (rc <= 0)
                return rc;
            if (f->reverse && cursor->next > cursor->last)
                cursor->next = cursor->last;
            else if (!f->reverse && cursor->next < cursor->first)
                cursor->next = cursor->first;
        }
        int rc = look(cursor);
        if (rc < 0) {
            leave_block(cursor);
            if (rc != -EBADMSG && rc != -ENOENT)
                return rc;
            es_error_clear();
            step_over(cursor, cursor->first, cursor->last);
            continue;
        }
        step_over(cursor, cursor->next, cursor->next);
        if (rc > 0) {
            cursor->given++;
            *ret_event = cursor->found;
            return 1;
        }
    }
    return 0;
}
