/* SPDX-License-Identifier: MIT */
/* The views of causality and of performance: the same events and edges of happened-before; the second with times, what
 * was waited for, and the path that decided when the focus came. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/cone.h"
#include "query/dag.h"
#include "query/lane.h"
#include "query/replies.h"
#include "wire/term.h"

#define BLOCKS_BEHIND 4u /* looked at for the handling of a message, behind its own */

struct causes {
    struct es_dag_builder *b;
    struct es_dag_events events;
    struct es_refmap node_of; /* sequence number to index + 1 */
    struct es_refmap last;    /* process to index + 1 of its last act */
    struct es_refmap asked;   /* process and correlation to index + 1 of a request */
    struct es_refmap waiting; /* process to index + 1 of its last delivery that is not seen to be handled */
    struct es_clocks *clocks; /* by node, where scheduling is known */
    bool *known;
};

static uint64_t key_of(es_ref pid, uint64_t corr) { return es_hash_mix(pid, corr) | 1; }

static enum es_dag_edge_kind kind_of(unsigned cause, unsigned effect)
{
    switch (es_edge_of(cause, effect)) {
    case ES_EDGE_SPAWN: return ES_DAG_E_SPAWN;
    case ES_EDGE_EXIT: return ES_DAG_E_EXIT;
    case ES_EDGE_HANDLING: return ES_DAG_E_HANDLING;
    case ES_EDGE_TIMER: return ES_DAG_E_TIMER;
    default: return ES_DAG_E_MESSAGE;
    }
}

static struct es_dag_edge *add_edge(struct causes *c, uint32_t from, uint32_t to, enum es_dag_edge_kind kind)
{
    struct es_dag_edge *edge = es_dag_edge(c->b, from, to, kind);
    if (edge)
        es_dag_time(edge, c->events.list[to].time - c->events.list[from].time);
    return edge;
}

/* Is it recorded which callback handles a delivery, near behind it? */
static bool is_handled(struct es_query *query, uint64_t delivery)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(query->recording, &blocks), block = es_query_block_of(query, delivery);
    for (size_t k = block; k < n && k <= block + BLOCKS_BEHIND; k++) {
        const struct es_effect *effects;
        size_t n_effects = 0, low = 0;
        if (es_index_effects(query, k, &effects, &n_effects) < 0) {
            es_error_clear();
            continue;
        }
        for (size_t high = n_effects; low < high;) {
            size_t middle = low + (high - low) / 2;
            if (effects[middle].cause < delivery)
                low = middle + 1;
            else
                high = middle;
        }
        if (low < n_effects && effects[low].cause == delivery)
            return true;
    }
    return false;
}

/* ---- edges --------------------------------------------------------------------------------------------------------- */

/* Is the event the answer to a request that its process sent? */
static bool is_answer(const struct causes *c, const struct es_event *event)
{
    const uint64_t *request = event->corr ? es_refmap_find(&c->asked, key_of(event->pid, event->corr)) : NULL;
    return request && *request;
}

static int add_cause(struct causes *c, uint32_t self)
{
    const struct es_event *event = &c->events.list[self];
    const uint64_t *cause = event->cause ? es_refmap_find(&c->node_of, event->cause) : NULL;
    if (!cause || *cause == 0 || *cause > self)
        return 0;
    enum es_dag_edge_kind kind = kind_of(c->events.list[*cause - 1].kind, event->kind);
    if (kind == ES_DAG_E_MESSAGE && is_answer(c, event))
        kind = ES_DAG_E_REPLY;
    return add_edge(c, (uint32_t)*cause - 1, self, kind) ? 0 : -ENOMEM;
}

static int add_delivery(struct causes *c, uint32_t self)
{
    const struct es_event *event = &c->events.list[self];
    if (is_handled(c->b->query, event->seq))
        return 0;
    uint64_t *waiting = es_refmap_place(&c->waiting, event->pid);
    if (!waiting)
        return -ENOMEM;
    /* each one that is not handled possibly leads to the next act: linked by the node's `level` until then */
    c->b->dag.nodes[self].level = (uint32_t)*waiting;
    *waiting = self + 1;
    return 0;
}

/* What a message that is not seen to be handled leads to: the first act that shows that it, a reply, was taken; else possibly this one. */
static int add_waiting(struct causes *c, uint32_t delivery, uint32_t self, bool *ret_added)
{
    const struct es_event *event = &c->events.list[delivery];
    uint64_t taken = 0;
    int rc = event->flags & ES_E_REPLY ? es_replies_taken(c->b->query, event->seq, &taken) : 0;
    *ret_added = rc == 0 && taken <= c->events.list[self].seq;
    if (!*ret_added)
        return rc;
    struct es_dag_edge *edge = add_edge(c, delivery, self, ES_DAG_E_HANDLING);
    if (!edge)
        return -ENOMEM;
    edge->maybe = taken == 0;
    return 0;
}

/* Messages that came before this act, and of which no callback that handles them is known. */
static int add_possible(struct causes *c, uint32_t self)
{
    uint64_t *waiting = es_refmap_find(&c->waiting, c->events.list[self].pid);
    uint32_t kept = 0, next;
    for (uint32_t i = waiting ? (uint32_t)*waiting : 0; i; i = next) {
        bool added;
        int rc = add_waiting(c, i - 1, self, &added);
        if (rc < 0)
            return rc;
        next = c->b->dag.nodes[i - 1].level;
        c->b->dag.nodes[i - 1].level = added ? 0 : kept;
        kept = added ? kept : i;
    }
    if (waiting)
        *waiting = kept;
    return 0;
}

static int add_act(struct causes *c, uint32_t self)
{
    const struct es_event *event = &c->events.list[self];
    uint64_t *last = es_refmap_place(&c->last, event->pid);
    if (!last)
        return -ENOMEM;
    if (*last && event->kind != ES_K_SPAWNED && !add_edge(c, (uint32_t)*last - 1, self, ES_DAG_E_PROGRAM))
        return -ENOMEM;
    *last = self + 1;
    if (event->kind == ES_K_SEND && event->corr) {
        uint64_t *request = es_refmap_place(&c->asked, key_of(event->pid, event->corr));
        if (!request)
            return -ENOMEM;
        *request = self + 1;
    }
    return add_possible(c, self);
}

static int add_event(struct causes *c, uint32_t self)
{
    const struct es_event *event = &c->events.list[self];
    uint64_t *place = es_refmap_place(&c->node_of, event->seq);
    if (!place || !es_dag_event_node(c->b, event))
        return -ENOMEM;
    *place = self + 1;
    int rc = add_cause(c, self);
    if (rc < 0 || event->pid == ES_REF_NONE)
        return rc;
    return event->kind == ES_K_DELIVER ? add_delivery(c, self) : add_act(c, self);
}

static int add_all(struct causes *c, uint64_t kinds)
{
    int rc = es_dag_pick_caused(c->b, kinds, &c->events);
    for (size_t i = 0; rc == 0 && i < c->events.n; i++)
        rc = add_event(c, (uint32_t)i);
    for (size_t i = 0; i < c->b->dag.n_nodes; i++)
        c->b->dag.nodes[i].level = 0;
    return rc;
}

static uint64_t own_kinds(void)
{
    uint64_t kinds = 0;
    for (unsigned kind = 1; kind < ES_K_DEF; kind++)
        if (es_kind_is_own(kind))
            kinds |= UINT64_C(1) << kind;
    return kinds;
}

static void causes_fini(struct causes *c)
{
    es_refmap_fini(&c->node_of);
    es_refmap_fini(&c->last);
    es_refmap_fini(&c->asked);
    es_refmap_fini(&c->waiting);
    es_dag_events_fini(&c->events);
    free(c->clocks);
    free(c->known);
}

int es_dag_causality(struct es_dag_builder *b)
{
    struct causes c = {.b = b};
    int rc = add_all(&c, own_kinds());
    causes_fini(&c);
    return rc;
}

/* ---- performance: times -------------------------------------------------------------------------------------------- */

static int add_spans(struct causes *c)
{
    struct es_filter filter = {.since = c->events.list[0].time, .until = c->events.list[c->events.n - 1].time};
    struct es_spans *spans;
    struct es_span span;
    filter.until += filter.until < INT64_MAX;
    int rc = es_spans_open(c->b->query, &filter, &spans);
    if (rc < 0)
        return rc;
    while ((rc = es_spans_next(spans, &span)) > 0) {
        const uint64_t *place = es_refmap_find(&c->node_of, span.call);
        if (!place || *place == 0)
            continue;
        struct es_dag_node *node = &c->b->dag.nodes[*place - 1];
        node->total = span.total;
        node->self = span.self;
        node->running = span.running;
        node->runnable = span.runnable;
        node->waiting = span.waiting;
        node->gc = span.gc;
        node->how = span.how;
    }
    es_spans_close(spans);
    return rc;
}

struct lanes {
    struct es_refmap of; /* process to index + 1 */
    struct es_lane *list;
    size_t n, room;
};

static struct es_lane *lane_of(struct lanes *lanes, es_ref pid)
{
    uint64_t *place = es_refmap_place(&lanes->of, pid);
    if (!place)
        return NULL;
    if (*place == 0) {
        if (lanes->n == lanes->room) {
            size_t room = lanes->room ? lanes->room * 2 : 64;
            struct es_lane *list = realloc(lanes->list, room * sizeof *list);
            if (!list)
                return NULL;
            lanes->list = list;
            lanes->room = room;
        }
        es_lane_init(&lanes->list[lanes->n++]);
        *place = lanes->n;
    }
    return &lanes->list[*place - 1];
}

/* When the cause of a delivery was, INT64_MIN: not known. */
static int64_t sent_at(struct causes *c, uint64_t seq)
{
    const struct es_event *send;
    if (es_query_stored(c->b->query, seq, &send) == 0)
        return send->time;
    es_error_clear();
    return INT64_MIN;
}

/* The clocks of each node's process when it happened; walks all events from the first to the last node. */
static int read_clocks(struct causes *c)
{
    struct lanes lanes = {0};
    struct es_cursor *cursor;
    const struct es_event *event;
    struct es_filter filter = {.since = INT64_MIN,
                               .until = INT64_MAX,
                               .after_seq = c->events.list[0].seq - 1,
                               .before_seq = c->events.list[c->events.n - 1].seq + 1,
                               .no_payload = true};
    int rc = es_cursor_open(c->b->query, &filter, &cursor);
    if (rc < 0)
        return rc;
    while ((rc = es_cursor_next(cursor, &event)) > 0) {
        struct es_lane *lane = event->pid && es_kind_is_own(event->kind) ? lane_of(&lanes, event->pid) : NULL;
        const uint64_t *place = es_refmap_find(&c->node_of, event->seq);
        bool asks = lane && event->kind == ES_K_DELIVER && event->cause && es_lane_asks(lane);
        if (lane)
            es_lane_event(lane, event, asks ? sent_at(c, event->cause) : INT64_MIN);
        if (lane && place && *place) {
            c->clocks[*place - 1] = es_lane_clocks(lane, event->time);
            c->known[*place - 1] = true;
        }
    }
    es_cursor_close(cursor);
    es_refmap_fini(&lanes.of);
    free(lanes.list);
    return rc;
}

/* ---- performance: what was waited for ------------------------------------------------------------------------------ */

/* The delivery that an act came of, 0 + 1: index. */
static uint32_t woken_by(const struct causes *c, const struct es_dag_edge *edge)
{
    const struct es_event *from = &c->events.list[edge->from];
    if (from->kind != ES_K_DELIVER || edge->kind != ES_DAG_E_HANDLING)
        return 0;
    return !edge->maybe || is_answer(c, from) ? edge->from + 1 : 0;
}

/* What most of the time between two acts of a process went to. */
static enum es_dag_edge_kind spent(const struct causes *c, const struct es_dag_edge *edge, bool woken, bool scheduling)
{
    const struct es_clocks *from = &c->clocks[edge->from], *to = &c->clocks[edge->to];
    bool known = c->known[edge->from] && c->known[edge->to];
    int64_t gc = known ? to->gc - from->gc : 0;
    if (!scheduling || !known)
        return gc > edge->latency / 2 ? ES_DAG_E_GC : woken ? ES_DAG_E_WAITING : ES_DAG_E_BUSY;
    int64_t running = to->running - from->running - gc, runnable = to->runnable - from->runnable;
    int64_t waiting = to->waiting - from->waiting;
    if (waiting >= running && waiting >= runnable && waiting >= gc && waiting > 0)
        return ES_DAG_E_WAITING;
    if (runnable >= running && runnable >= gc && runnable > 0)
        return ES_DAG_E_RUNNABLE;
    return gc > running ? ES_DAG_E_GC : ES_DAG_E_RUNNING;
}

/* By node, the delivery behind its process's act before that woke it + 1. */
static int name_waits(struct causes *c)
{
    struct es_info info;
    struct es_dag *dag = &c->b->dag;
    uint32_t *woken = calloc(dag->n_nodes + 1, sizeof *woken);
    int rc = es_query_info(c->b->query, &info);
    if (!woken || rc < 0) {
        free(woken);
        return rc < 0 ? rc : -ENOMEM;
    }
    bool scheduling = info.by_kind[ES_K_IN] > 0 && info.by_kind[ES_K_OUT] > 0;
    for (size_t i = 0; i < dag->n_edges; i++) {
        uint32_t by = woken_by(c, &dag->edges[i]);
        if (by > woken[dag->edges[i].to])
            woken[dag->edges[i].to] = by;
    }
    for (size_t i = 0; i < dag->n_edges; i++)
        if (dag->edges[i].kind == ES_DAG_E_PROGRAM)
            dag->edges[i].kind =
                (uint8_t)spent(c, &dag->edges[i], woken[dag->edges[i].to] > dag->edges[i].from + 1, scheduling);
    free(woken);
    return 0;
}

/* From the focus back, each time along the edge that came last: the others had to wait for it. */
static int mark_critical(struct causes *c)
{
    struct es_dag *dag = &c->b->dag;
    uint64_t *place = es_refmap_find(&c->node_of, c->b->request.focus);
    uint32_t *best = calloc(dag->n_nodes + 1, sizeof *best); /* edge + 1 into a node */
    if (!best)
        return -ENOMEM;
    for (uint32_t i = 0; i < dag->n_edges; i++) {
        const struct es_dag_edge *edge = &dag->edges[i];
        bool sure = !edge->maybe || is_answer(c, &c->events.list[edge->from]);
        if (sure && edge->from < edge->to && (!best[edge->to] || edge->from > dag->edges[best[edge->to] - 1].from))
            best[edge->to] = i + 1;
    }
    for (uint32_t node = place && *place ? (uint32_t)*place : 0; node;) {
        uint32_t edge = best[node - 1];
        dag->nodes[node - 1].critical = true;
        if (edge)
            dag->edges[edge - 1].critical = true;
        node = edge ? dag->edges[edge - 1].from + 1 : 0;
    }
    free(best);
    return 0;
}

static bool is_aside(unsigned kind)
{
    return es_kind_table[kind].family == ES_FAM_SCHEDULING || es_kind_table[kind].family == ES_FAM_MEMORY ||
           kind == ES_K_STATE;
}

int es_dag_performance(struct es_dag_builder *b)
{
    struct causes c = {.b = b};
    uint64_t kinds = own_kinds();
    for (unsigned kind = 0; kind < ES_K_DEF; kind++)
        if (is_aside(kind))
            kinds &= ~(UINT64_C(1) << kind);
    int rc = add_all(&c, kinds);
    c.clocks = calloc(c.events.n + 1, sizeof *c.clocks);
    c.known = calloc(c.events.n + 1, sizeof *c.known);
    if (rc == 0 && (!c.clocks || !c.known))
        rc = -ENOMEM;
    if (rc == 0 && c.events.n > 0)
        rc = add_spans(&c);
    if (rc == 0 && c.events.n > 0)
        rc = read_clocks(&c);
    if (rc == 0)
        rc = name_waits(&c);
    if (rc == 0 && b->request.focus)
        rc = mark_critical(&c);
    causes_fini(&c);
    return rc;
}
