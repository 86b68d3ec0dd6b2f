/* SPDX-License-Identifier: MIT */
/* Two simple views: events in the order of time, and the versions of states. */
#include <errno.h>

#include "base/error.h"
#include "query/dag.h"

#define EVENT_KINDS ((UINT64_C(1) << ES_K_DEF) - 2)

static int add_next(struct es_dag_builder *b, uint32_t from, uint32_t to, enum es_dag_edge_kind kind)
{
    int64_t ns = b->dag.nodes[to].time - b->dag.nodes[from].time;
    struct es_dag_edge *edge = es_dag_edge(b, from, to, kind);
    if (!edge)
        return -ENOMEM;
    es_dag_time(edge, ns);
    return 0;
}

static int add_event(struct es_dag_builder *b, struct es_refmap *last, const struct es_event *event)
{
    uint32_t self = (uint32_t)b->dag.n_nodes;
    uint64_t *before = event->pid ? es_refmap_place(last, event->pid) : NULL;
    if ((event->pid && !before) || !es_dag_event_node(b, event))
        return -ENOMEM;
    int rc = before && *before ? add_next(b, (uint32_t)*before - 1, self, ES_DAG_E_NEXT) : 0;
    bool apart = self > 0 && !(before && *before == self);
    if (rc == 0 && apart)
        rc = add_next(b, self - 1, self, ES_DAG_E_TIME);
    if (before)
        *before = self + 1;
    return rc;
}

int es_dag_temporal(struct es_dag_builder *b)
{
    struct es_dag_events events;
    struct es_refmap last = {0};
    int rc = es_dag_pick(b, EVENT_KINDS, &events);
    if (rc < 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < events.n; i++)
        rc = add_event(b, &last, &events.list[i]);
    es_refmap_fini(&last);
    es_dag_events_fini(&events);
    return rc;
}

/* ---- states -------------------------------------------------------------------------------------------------------- */

/* What made this version: the message that its callback handled, else the callback. */
static uint64_t changed_by(struct es_dag_builder *b, const struct es_event *state)
{
    uint64_t handled = 0, call = es_query_parent(b->query, state);
    bool maybe = false;
    if (call == 0 || es_query_handled(b->query, call, &handled, &maybe) < 0) {
        es_error_clear();
        return call;
    }
    return handled && !maybe ? handled : call;
}

static int add_version(struct es_dag_builder *b, struct es_refmap *last, const struct es_event *state)
{
    const struct es_event *stored;
    uint32_t self = (uint32_t)b->dag.n_nodes;
    uint64_t *before = es_refmap_place(last, state->pid ? state->pid : 1);
    struct es_dag_node *node = es_dag_event_node(b, state);
    if (!before || !node)
        return -ENOMEM;
    node->what = ES_DAG_VERSION;
    if (es_query_event(b->query, state->seq, &stored) == 0)
        node->bytes = stored->payload_len;
    int rc = *before ? add_next(b, (uint32_t)*before - 1, self, ES_DAG_E_CHANGE) : 0;
    if (rc == 0 && *before)
        b->dag.edges[b->dag.n_edges - 1].seq = changed_by(b, state);
    *before = self + 1;
    return rc;
}

int es_dag_state(struct es_dag_builder *b)
{
    struct es_dag_events events;
    struct es_refmap last = {0};
    int rc = es_dag_pick(b, UINT64_C(1) << ES_K_STATE, &events);
    if (rc < 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < events.n; i++)
        rc = add_version(b, &last, &events.list[i]);
    es_refmap_fini(&last);
    es_dag_events_fini(&events);
    return rc;
}
