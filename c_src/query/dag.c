/* SPDX-License-Identifier: MIT */
/* Views of a recording as graphs without cycles: their table, and what is the same for all. */
#include "query/dag.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define LIMIT 500u
#define LIMIT_MAX 1000000u

const struct es_dag_view_info es_dag_views[ES_DAG_VIEWS] = {
    [ES_DAG_TEMPORAL] = {"temporal", "events", "next in time, of all and of each process"},
    [ES_DAG_INTERACTION] = {"interaction", "processes over time", "spawn, message, request, link, monitor, exit"},
    [ES_DAG_STATE] = {"state", "versions of states", "changed by a message or call"},
    [ES_DAG_CODE] = {"code", "calls", "caller to callee, tail call, exception"},
    [ES_DAG_DATA] = {"data", "values", "the same value seen again"},
    [ES_DAG_PERFORMANCE] = {"performance", "events with their times", "what was waited for, and the critical path"},
    [ES_DAG_CAUSALITY] = {"causality", "events", "happened before"},
};
static int (*const builders[ES_DAG_VIEWS])(struct es_dag_builder *) = {
    [ES_DAG_TEMPORAL] = es_dag_temporal,   [ES_DAG_INTERACTION] = es_dag_interaction,
    [ES_DAG_STATE] = es_dag_state,         [ES_DAG_CODE] = es_dag_code,
    [ES_DAG_DATA] = es_dag_data,           [ES_DAG_PERFORMANCE] = es_dag_performance,
    [ES_DAG_CAUSALITY] = es_dag_causality,
};
const char *const es_dag_what_names[] = {"event", "process", "state", "call", "value"};
const char *const es_dag_edge_names[] = {"time",  "next",    "program",  "message",   "handling",  "spawn",
                                         "exit",  "timer",   "reply",    "request",   "link",      "monitor",
                                         "later", "change",  "call",     "tail call", "exception", "value",
                                         "busy",  "running", "runnable", "waiting",   "gc"};
_Static_assert(sizeof es_dag_edge_names / sizeof *es_dag_edge_names == ES_DAG_E_KINDS, "each kind has a name");

int es_dag_view_by_name(const char *name)
{
    for (int i = 0; i < ES_DAG_VIEWS; i++)
        if (strcmp(name, es_dag_views[i].name) == 0)
            return i;
    return es_fail(-ENOENT, "there is no DAG '%s': temporal, interaction, state, code, data, performance, causality",
                   name);
}

/* ---- nodes and edges ----------------------------------------------------------------------------------------------- */

struct es_dag_node *es_dag_node(struct es_dag_builder *b)
{
    struct es_dag *dag = &b->dag;
    if (dag->n_nodes == b->nodes_room) {
        size_t room = b->nodes_room ? b->nodes_room * 2 : 256;
        struct es_dag_node *nodes = realloc(dag->nodes, room * sizeof *nodes);
        if (!nodes)
            return NULL;
        dag->nodes = nodes;
        b->nodes_room = room;
    }
    struct es_dag_node *node = &dag->nodes[dag->n_nodes++];
    *node = (struct es_dag_node){
        .total = -1, .self = -1, .running = -1, .runnable = -1, .waiting = -1, .gc = -1, .count = 1};
    return node;
}

struct es_dag_edge *es_dag_edge(struct es_dag_builder *b, uint32_t from, uint32_t to, enum es_dag_edge_kind kind)
{
    struct es_dag *dag = &b->dag;
    if (dag->n_edges == b->edges_room) {
        size_t room = b->edges_room ? b->edges_room * 2 : 256;
        struct es_dag_edge *edges = realloc(dag->edges, room * sizeof *edges);
        if (!edges)
            return NULL;
        dag->edges = edges;
        b->edges_room = room;
    }
    struct es_dag_edge *edge = &dag->edges[dag->n_edges++];
    *edge = (struct es_dag_edge){.from = from, .to = to, .kind = (uint8_t)kind, .count = 1};
    return edge;
}

struct es_dag_node *es_dag_event_node(struct es_dag_builder *b, const struct es_event *event)
{
    struct es_dag_node *node = es_dag_node(b);
    if (!node)
        return NULL;
    node->seq = node->last = event->seq;
    node->time = event->time;
    node->pid = event->pid;
    node->module = event->module;
    node->function = event->function;
    node->arity = event->arity;
    node->kind = event->kind;
    node->flags = event->flags;
    return node;
}

struct es_dag_edge *es_dag_sum(struct es_dag_builder *b, uint32_t from, uint32_t to, enum es_dag_edge_kind kind)
{
    uint64_t key = (uint64_t)(from + 1) << 36 | (uint64_t)to << 8 | kind;
    uint64_t *place = es_refmap_place(&b->edge_of, key);
    if (!place)
        return NULL;
    if (*place)
        return &b->dag.edges[*place - 1];
    struct es_dag_edge *edge = es_dag_edge(b, from, to, kind);
    if (edge) {
        edge->count = 0;
        *place = b->dag.n_edges;
    }
    return edge;
}

void es_dag_time(struct es_dag_edge *edge, int64_t latency)
{
    if (latency < 0)
        return;
    edge->timed++;
    if (!__builtin_add_overflow(edge->latency, latency, &edge->latency) && latency > edge->max)
        edge->max = latency;
}

bool es_dag_has_pid(const struct es_dag_builder *b, es_ref pid)
{
    for (size_t i = 0; i < b->request.n_pids; i++)
        if (b->request.pids[i] == pid)
            return true;
    return b->request.n_pids == 0;
}

/* ---- order --------------------------------------------------------------------------------------------------------- */

struct placed {
    struct es_dag_node node;
    uint32_t was;
};

static int by_place(const void *left, const void *right)
{
    const struct placed *a = left, *b = right;
    if (a->node.level != b->node.level)
        return a->node.level < b->node.level ? -1 : 1;
    if (a->node.seq != b->node.seq)
        return a->node.seq < b->node.seq ? -1 : 1;
    if (a->node.at != b->node.at)
        return a->node.at < b->node.at ? -1 : 1;
    return a->was < b->was ? -1 : a->was > b->was;
}

static int by_ends(const void *left, const void *right)
{
    const struct es_dag_edge *a = left, *b = right;
    if (a->to != b->to)
        return a->to < b->to ? -1 : 1;
    if (a->from != b->from)
        return a->from < b->from ? -1 : 1;
    return a->kind < b->kind ? -1 : a->kind > b->kind;
}

static int put_in_order(struct es_dag *dag)
{
    struct placed *placed = malloc((dag->n_nodes + 1) * sizeof *placed);
    uint32_t *now = malloc((dag->n_nodes + 1) * sizeof *now);
    if (!placed || !now) {
        free(placed);
        free(now);
        return -ENOMEM;
    }
    for (size_t i = 0; i < dag->n_nodes; i++)
        placed[i] = (struct placed){dag->nodes[i], (uint32_t)i};
    qsort(placed, dag->n_nodes, sizeof *placed, by_place);
    for (size_t i = 0; i < dag->n_nodes; i++) {
        dag->nodes[i] = placed[i].node;
        now[placed[i].was] = (uint32_t)i;
    }
    size_t n = 0;
    for (size_t i = 0; i < dag->n_edges; i++) {
        struct es_dag_edge edge = dag->edges[i];
        edge.from = now[edge.from];
        edge.to = now[edge.to];
        if (edge.from < edge.to)
            dag->edges[n++] = edge;
    }
    dag->left_edges += dag->n_edges - n;
    dag->n_edges = n;
    if (n > 0)
        qsort(dag->edges, n, sizeof *dag->edges, by_ends);
    free(placed);
    free(now);
    return 0;
}

/* ---- the question -------------------------------------------------------------------------------------------------- */

int es_query_dag(struct es_query *query, const struct es_dag_request *request, struct es_dag *ret_dag)
{
    struct es_dag_builder b = {.query = query, .request = *request, .dag = {.view = request->view}};
    const struct es_event *event;
    if ((unsigned)request->view >= ES_DAG_VIEWS)
        return es_fail(-EINVAL, "there is no such DAG");
    if (request->limit > LIMIT_MAX)
        return es_fail(-EINVAL, "a DAG has at most %u nodes", LIMIT_MAX);
    if (request->limit == 0)
        b.request.limit = LIMIT;
    int rc = request->focus ? es_query_event(query, request->focus, &event) : 0;
    if (rc == 0)
        rc = builders[request->view](&b);
    if (rc == 0)
        rc = put_in_order(&b.dag);
    es_refmap_fini(&b.edge_of);
    if (rc < 0) {
        es_dag_fini(&b.dag);
        return rc == -ENOMEM ? es_fail(rc, "no memory for a DAG") : rc;
    }
    *ret_dag = b.dag;
    return 0;
}

void es_dag_fini(struct es_dag *dag)
{
    free(dag->nodes);
    free(dag->edges);
    *dag = (struct es_dag){0};
}

void es_query_dag_value(struct es_query *query, const struct es_dag_node *node, bool erlang, struct es_text *out)
{
    const struct es_event *event;
    if (es_query_event(query, node->seq, &event) < 0) {
        es_error_clear();
        return;
    }
    if (node->what != ES_DAG_VALUE)
        es_query_print_payload(query, event, erlang, out);
    else if (node->at < event->payload_len && node->bytes <= event->payload_len - node->at)
        es_query_print_term(query, event->payload + node->at, (size_t)node->bytes, erlang, out);
}
