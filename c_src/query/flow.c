/* SPDX-License-Identifier: MIT */
/* Messages between two sides, each from its send to the end of the callback that handled it; requests to their replies. One walk over the
 * events of both sides. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/nodes.h"

#define BEHIND 262144u /* events looked at behind the end, for what was under way */
#define KINDS                                                                                 \
    (UINT64_C(1) << ES_K_SEND | UINT64_C(1) << ES_K_SEND_DEAD | UINT64_C(1) << ES_K_DELIVER | \
     UINT64_C(1) << ES_K_TAKEN | UINT64_C(1) << ES_K_CALL | UINT64_C(1) << ES_K_RETURN |      \
     UINT64_C(1) << ES_K_EXCEPTION)

struct walk {
    struct es_query *query;
    const struct es_flow_request *request;
    struct es_flow *flow;
    size_t room;
    struct es_refmap sides;   /* pid or name to SIDE_* */
    struct es_refmap sent;    /* send to its row + 1 */
    struct es_refmap arrived; /* delivery to its row + 1 */
    struct es_refmap open;    /* correlation to the row + 1 of its request */
    struct es_refmap running; /* process to the row + 1 whose callback it is in */
    uint64_t under_way;       /* rows without a delivery */
};
enum { SIDE_FROM = 1, SIDE_TO = 2 };

static unsigned side_of(const struct walk *w, es_ref who)
{
    const uint64_t *side = es_refmap_find(&w->sides, who);
    return side ? (unsigned)*side : 0;
}

static bool is_between(const struct walk *w, es_ref from, es_ref to)
{
    unsigned a = side_of(w, from), b = side_of(w, to);
    return (a & SIDE_FROM && b & SIDE_TO) || (w->request->both && a & SIDE_TO && b & SIDE_FROM);
}

static int add_side(struct walk *w, es_ref who, unsigned side)
{
    uint64_t *place = es_refmap_place(&w->sides, who);
    if (!place)
        return -ENOMEM;
    *place |= side;
    return 0;
}

/* Messages are sent to names too: those that one of the processes had at any time. */
static int add_sides(struct walk *w)
{
    const struct es_flow_request *r = w->request;
    const struct es_name *names = NULL;
    size_t n = es_recording_names(w->query->recording, &names);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < r->n_from; i++)
        rc = add_side(w, r->from[i], SIDE_FROM);
    for (size_t i = 0; rc == 0 && i < r->n_to; i++)
        rc = add_side(w, r->to[i], SIDE_TO);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (names[i].name && side_of(w, names[i].pid))
            rc = add_side(w, es_nodes_address(names[i].name, es_ref_node(names[i].pid)), side_of(w, names[i].pid));
    return rc;
}

static struct es_flow_row *row_of(const struct walk *w, const struct es_refmap *map, uint64_t key)
{
    const uint64_t *place = key ? es_refmap_find(map, key) : NULL;
    return place && *place ? &w->flow->rows[*place - 1] : NULL;
}

static int remember(struct es_refmap *map, uint64_t key, uint64_t place)
{
    uint64_t *at = es_refmap_place(map, key);
    if (!at)
        return -ENOMEM;
    *at = place;
    return 0;
}

/* 0 and NULL where there are too many. */
static int add_row(struct walk *w, struct es_flow_row **ret_row)
{
    struct es_flow *flow = w->flow;
    *ret_row = NULL;
    if (flow->n == ES_FLOW_MAX) {
        flow->cut = true;
        return 0;
    }
    if (flow->n == w->room) {
        size_t room = w->room ? w->room * 2 : 256;
        struct es_flow_row *rows = realloc(flow->rows, room * sizeof *rows);
        if (!rows)
            return -ENOMEM;
        flow->rows = rows;
        w->room = room;
    }
    *ret_row = &flow->rows[flow->n++];
    **ret_row = (struct es_flow_row){0};
    return 0;
}

/* ---- events -------------------------------------------------------------------------------------------------------- */

static struct es_flow_point point_of(const struct es_event *event)
{
    return (struct es_flow_point){event->seq, event->time};
}

static bool is_inside(const struct walk *w, int64_t time)
{
    return time >= w->request->since && time < w->request->until;
}

static int take_send(struct walk *w, const struct es_event *event)
{
    struct es_flow_row *row = row_of(w, &w->open, event->corr);
    if (row && event->corr && !(event->flags & ES_E_REQUEST) && event->seq != row->send.seq && row->reply.seq == 0 &&
        side_of(w, event->pid) == side_of(w, row->to))
        row->reply = point_of(event);
    if (!is_between(w, event->pid, event->peer) || !is_inside(w, event->time))
        return 0;
    int rc = add_row(w, &row);
    if (rc < 0 || !row)
        return rc;
    row->from = event->pid;
    row->to = event->peer;
    row->send = point_of(event);
    row->corr = event->corr;
    row->dead = event->kind == ES_K_SEND_DEAD;
    row->request = event->kind == ES_K_SEND && event->flags & ES_E_REQUEST;
    w->under_way += !row->dead;
    rc = remember(&w->sent, event->seq, w->flow->n);
    return rc == 0 && row->request ? remember(&w->open, event->corr, w->flow->n) : rc;
}

/* A delivery whose send was not met: before `since`, or not recorded. */
static int add_delivered(struct walk *w, const struct es_event *event, struct es_flow_row **ret_row)
{
    const struct es_event *send;
    bool known = event->cause && es_query_stored(w->query, event->cause, &send) == 0;
    int64_t time = known ? send->time : event->time;
    struct es_flow_point sent = known ? point_of(send) : (struct es_flow_point){0};
    es_error_clear();
    *ret_row = NULL;
    if (!is_inside(w, time) || !is_between(w, event->peer, event->pid))
        return 0;
    int rc = add_row(w, ret_row);
    if (rc < 0 || !*ret_row)
        return rc;
    (*ret_row)->from = event->peer;
    (*ret_row)->send = sent;
    (*ret_row)->corr = event->corr;
    (*ret_row)->cause_state = event->cause_state;
    w->under_way++;
    return 0;
}

static int take_delivery(struct walk *w, const struct es_event *event)
{
    struct es_flow_row *row = row_of(w, &w->open, event->corr);
    if (row && row->from == event->pid && row->replied.seq == 0)
        row->replied = point_of(event);
    row = row_of(w, &w->sent, event->cause);
    int rc = row ? 0 : add_delivered(w, event, &row);
    if (rc < 0 || !row || row->deliver.seq)
        return rc;
    row->deliver = point_of(event);
    row->to = event->pid; /* it was sent to a name, maybe */
    w->under_way--;
    return remember(&w->arrived, event->seq, (uint64_t)(row - w->flow->rows) + 1);
}

/* The delivery that a callback handles or a receive took, where that is known. */
static uint64_t handled(const struct es_event *call)
{
    bool handles = call->kind == ES_K_TAKEN || call->flags & ES_E_CALLBACK;
    return handles && call->cause_state == ES_CAUSE_PAIRED ? call->cause : 0;
}

static int take_call(struct walk *w, const struct es_event *event)
{
    struct es_flow_row *row = row_of(w, &w->arrived, handled(event));
    if (!row || row->handle.seq)
        return 0;
    row->handle = point_of(event);
    if (event->kind == ES_K_TAKEN)
        return 0; /* nothing says how long it was at it */
    return remember(&w->running, event->pid, (uint64_t)(row - w->flow->rows) + 1);
}

/* The end of a callback is that of the call it ends. */
static int take_end(struct walk *w, const struct es_event *event)
{
    struct es_flow_row *row = row_of(w, &w->running, event->pid);
    if (!row || !(event->flags & ES_E_CALLBACK) || es_query_parent(w->query, event) != row->handle.seq)
        return 0;
    row->done = point_of(event);
    return remember(&w->running, event->pid, 0);
}

static int take(struct walk *w, const struct es_event *event)
{
    switch (event->kind) {
    case ES_K_SEND:
    case ES_K_SEND_DEAD: return take_send(w, event);
    case ES_K_DELIVER: return take_delivery(w, event);
    case ES_K_TAKEN:
    case ES_K_CALL: return take_call(w, event);
    default: return take_end(w, event);
    }
}

static int walk(struct walk *w, struct es_cursor *cursor)
{
    const struct es_event *event;
    uint64_t last = 0;
    int rc;
    while ((rc = es_cursor_next(cursor, &event)) > 0) {
        if (event->time < w->request->until)
            last = event->seq;
        else if (event->seq > last + BEHIND)
            return 0;
        if ((rc = take(w, event)) < 0)
            return es_fail(rc, "no memory for messages");
        if (w->flow->cut)
            return 0;
    }
    return rc;
}

/* ---- numbers ------------------------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static struct es_flow_point *point_at(struct es_flow_row *row, size_t offset)
{
    return (struct es_flow_point *)((char *)row + offset);
}

struct ends {
    size_t from, to; /* offsets in a row */
};

static void measure(struct es_flow *flow, struct ends ends, int64_t *times, struct es_flow_numbers *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < flow->n; i++) {
        const struct es_flow_point *from = point_at(&flow->rows[i], ends.from), *to = point_at(&flow->rows[i], ends.to);
        if (from->seq && to->seq)
            times[n++] = to->time - from->time;
    }
    if (n == 0)
        return;
    qsort(times, n, sizeof *times, by_value);
    *ret = (struct es_flow_numbers){n, times[(n + 1) / 2 - 1], times[(n * 99 + 99) / 100 - 1], times[n - 1]};
}

static int measure_all(struct es_flow *flow)
{
    int64_t *times = malloc((flow->n + 1) * sizeof *times);
    if (!times)
        return es_fail(-ENOMEM, "no memory for messages");
#define ENDS(from, to) ((struct ends){offsetof(struct es_flow_row, from), offsetof(struct es_flow_row, to)})
    measure(flow, ENDS(send, deliver), times, &flow->latency);
    measure(flow, ENDS(deliver, handle), times, &flow->queue);
    measure(flow, ENDS(handle, done), times, &flow->handling);
    measure(flow, ENDS(send, replied), times, &flow->round);
#undef ENDS
    free(times);
    return 0;
}

static int find_all(struct walk *w, es_ref *pids)
{
    const struct es_flow_request *r = w->request;
    memcpy(pids, r->from, r->n_from * sizeof *pids);
    memcpy(pids + r->n_from, r->to, r->n_to * sizeof *pids);
    struct es_filter filter = {.pids = pids,
                               .n_pids = r->n_from + r->n_to,
                               .kinds = KINDS,
                               .since = r->since,
                               .until = INT64_MAX,
                               .fields = ES_F_PEER | ES_F_CORR | ES_F_CAUSE,
                               .no_payload = true};
    struct es_cursor *cursor;
    if (add_sides(w) < 0)
        return es_fail(-ENOMEM, "no memory for messages");
    int rc = es_cursor_open(w->query, &filter, &cursor);
    if (rc < 0)
        return rc;
    rc = walk(w, cursor);
    es_cursor_close(cursor);
    return rc < 0 ? rc : measure_all(w->flow);
}

int es_query_flow(struct es_query *query, const struct es_flow_request *request, struct es_flow **ret_flow)
{
    struct walk w = {.query = query, .request = request, .flow = calloc(1, sizeof *w.flow)};
    es_ref *pids = malloc((request->n_from + request->n_to + 1) * sizeof *pids);
    int rc = w.flow && pids ? find_all(&w, pids) : es_fail(-ENOMEM, "no memory for messages");
    es_refmap_fini(&w.sides);
    es_refmap_fini(&w.sent);
    es_refmap_fini(&w.arrived);
    es_refmap_fini(&w.open);
    es_refmap_fini(&w.running);
    free(pids);
    if (rc < 0) {
        es_flow_free(w.flow);
        return rc;
    }
    *ret_flow = w.flow;
    return 0;
}

void es_flow_free(struct es_flow *flow)
{
    if (flow)
        free(flow->rows);
    free(flow);
}
