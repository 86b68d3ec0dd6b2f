/* SPDX-License-Identifier: MIT */
/* Which events stand around the current one: all there are, or those of one process. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/replay.h"

#define OWN_MORE 256u   /* events of a process that are looked up at once */
#define OWN_MAX 100000u /* and kept */

/* ---- of one process ------------------------------------------------------------------------------------------------ */

/* The first that is not before the current event. */
static size_t own_at(const struct es_replay_own *own, uint64_t seq)
{
    size_t from = 0, to = own->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (own->seqs[middle] < seq)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static int read_own(struct es_replay *r, struct es_filter *filter, uint64_t *seqs, size_t *ret_n)
{
    struct es_cursor *cursor;
    const struct es_event *event;
    filter->pids = &r->own.pid;
    filter->n_pids = 1;
    filter->since = INT64_MIN;
    filter->until = INT64_MAX;
    filter->limit = OWN_MORE;
    filter->no_payload = true;
    filter->fields = ES_F_CAUSE;
    int rc = es_cursor_open(r->query, filter, &cursor);
    if (rc < 0)
        return rc;
    *ret_n = 0;
    while ((rc = es_cursor_next(cursor, &event)) > 0)
        seqs[(*ret_n)++] = event->seq;
    es_cursor_close(cursor);
    return rc;
}

static int own_room(struct es_replay_own *own)
{
    if (own->room - own->n >= OWN_MORE)
        return 0;
    size_t room = own->room ? own->room * 2 : 4 * OWN_MORE;
    uint64_t *seqs = realloc(own->seqs, room * sizeof *seqs);
    if (!seqs)
        return es_fail(-ENOMEM, "no memory for events");
    own->seqs = seqs;
    own->room = room;
    return 0;
}

static int extend(struct es_replay *r, bool back)
{
    struct es_replay_own *own = &r->own;
    uint64_t more[OWN_MORE];
    size_t n = 0;
    struct es_filter filter = {.reverse = back};
    if (back)
        filter.before_seq = own->n ? own->seqs[0] : r->seq;
    else
        filter.after_seq = own->n ? own->seqs[own->n - 1] : r->seq - 1;
    int rc = own_room(own);
    if (rc == 0 && !(back && filter.before_seq <= 1))
        rc = read_own(r, &filter, more, &n);
    if (rc < 0)
        return rc;
    if (back) {
        memmove(own->seqs + n, own->seqs, own->n * sizeof *own->seqs);
        for (size_t i = 0; i < n; i++)
            own->seqs[i] = more[n - 1 - i];
        own->from_first = n < OWN_MORE;
    } else {
        memcpy(own->seqs + own->n, more, n * sizeof *more);
        own->to_last = n < OWN_MORE;
    }
    own->n += n;
    return 0;
}

int es_replay_own(struct es_replay *r, size_t before, size_t after, size_t *ret_at)
{
    struct es_replay_own *own = &r->own;
    bool outside =
        own->n == 0 || (r->seq < own->seqs[0] && !own->from_first) || (r->seq > own->seqs[own->n - 1] && !own->to_last);
    if (own->pid != r->pid || outside || own->n > OWN_MAX) {
        own->pid = r->pid;
        own->n = 0;
        own->from_first = own->to_last = false;
    }
    int rc = 0;
    while (rc == 0 && !own->to_last && own->n - own_at(own, r->seq) <= after)
        rc = extend(r, false);
    while (rc == 0 && !own->from_first && own_at(own, r->seq) < before)
        rc = extend(r, true);
    *ret_at = own_at(own, r->seq);
    return rc;
}

static size_t own_rows(struct es_replay *r, size_t before, size_t after, struct es_replay_row *rows,
                       size_t *ret_current)
{
    size_t at, n = 0;
    if (es_replay_own(r, before, after, &at) < 0) {
        es_replay_fail(r);
        *ret_current = 0;
        rows[0] = (struct es_replay_row){.seq = r->seq};
        return 1;
    }
    size_t from = at > before ? at - before : 0;
    bool here = at < r->own.n && r->own.seqs[at] == r->seq;
    for (size_t i = from; i < at; i++)
        rows[n++] = (struct es_replay_row){.seq = r->own.seqs[i]};
    *ret_current = n; /* the current event may be another's */
    rows[n++] = (struct es_replay_row){.seq = r->seq};
    for (size_t i = at + here; i < r->own.n && n <= *ret_current + after; i++)
        rows[n++] = (struct es_replay_row){.seq = r->own.seqs[i]};
    return n;
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

static struct es_replay_row row_of(struct es_replay *r, uint64_t seq)
{
    struct es_event event;
    struct es_replay_row row = {.seq = seq};
    if (es_query_peek(r->query, seq, &event) == 0)
        return row;
    es_error_clear();
    if (!es_query_block_around(r->query, seq, &row.seq, &row.last))
        row.seq = row.last = seq;
    return row;
}

static uint64_t end_of(const struct es_replay_row *row) { return row->last ? row->last : row->seq; }

size_t es_replay_rows(struct es_replay *r, size_t before, size_t after, struct es_replay_row *rows, size_t *ret_current)
{
    if (r->only)
        return own_rows(r, before, after, rows, ret_current);
    struct es_replay_row current = row_of(r, r->seq);
    size_t have = 0, n;
    for (uint64_t seq = current.seq; have < before && seq > r->first; have++) {
        rows[before - 1 - have] = row_of(r, seq - 1);
        seq = rows[before - 1 - have].seq;
    }
    memmove(rows, rows + before - have, have * sizeof *rows);
    *ret_current = have;
    rows[have] = current;
    for (n = have + 1; n <= have + after && end_of(&rows[n - 1]) < r->last; n++)
        rows[n] = row_of(r, end_of(&rows[n - 1]) + 1);
    return n;
}
