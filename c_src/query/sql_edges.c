/* SPDX-License-Identifier: MIT */
/* The edges of the seven DAGs as rows: those that es_query_dag() gives. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/sql.h"
#include "query/sql_places.h"

#define NODES 100000 /* unless more are asked for */
#define NODES_MAX 1000000

struct edges {
    struct es_dag dag;
    size_t at;
};

/* A DAG that is cut must have been asked for: sums over its edges would be wrong. */
static int check_whole(struct es_sql_scan *scan, const struct es_dag *dag)
{
    bool asked = es_sql_text_argument(scan, ES_EDGE_NODES, NULL) != NULL;
    if (asked || (dag->left_nodes == 0 && dag->left_edges == 0 && !dag->left_more))
        return 0;
    return es_fail(
        -E2BIG,
        "this DAG has more than %d nodes; say how many you want, and around which event: edges('%s', 1000, SEQ)", NODES,
        es_dag_views[dag->view].name);
}

static int open_edges(struct es_sql_scan *scan)
{
    struct edges *edges = calloc(1, sizeof *edges);
    scan->state = edges;
    if (!edges)
        return -ENOMEM;
    int view = es_dag_view_by_name(es_sql_text_argument(scan, ES_EDGE_DAG, "causality"));
    int64_t nodes = es_sql_integer_argument(scan, ES_EDGE_NODES, NODES),
            focus = es_sql_integer_argument(scan, ES_EDGE_FOCUS, 0);
    if (view < 0)
        return view;
    if (nodes < 1 || nodes > NODES_MAX || focus < 0)
        return es_fail(-EINVAL, "edges takes 1 to %d nodes, and the number of an event", NODES_MAX);
    struct es_dag_request request = {.view = (enum es_dag_view)view,
                                     .since = INT64_MIN,
                                     .until = INT64_MAX,
                                     .focus = (uint64_t)focus,
                                     .limit = (uint32_t)nodes};
    int rc = es_query_dag(scan->sql->query, &request, &edges->dag);
    return rc == 0 ? check_whole(scan, &edges->dag) : rc;
}

static int next_edge(struct es_sql_scan *scan)
{
    struct edges *edges = scan->state;
    struct es_sql_row *row = &scan->row;
    if (edges->at == edges->dag.n_edges)
        return 0;
    const struct es_dag_edge *edge = &edges->dag.edges[edges->at++];
    const struct es_dag_node *from = &edges->dag.nodes[edge->from], *to = &edges->dag.nodes[edge->to];
    row->present = 0;
    row->id = (int64_t)edges->at;
    row->time = to->time;
    es_sql_put(row, ES_EDGE_SOURCE, (int64_t)from->seq);
    es_sql_put(row, ES_EDGE_TARGET, (int64_t)to->seq);
    es_sql_put(row, ES_EDGE_KIND, (int64_t)(intptr_t)es_dag_edge_names[edge->kind]);
    es_sql_put(row, ES_EDGE_TIME, to->time);
    if (from->pid != ES_REF_NONE)
        es_sql_put(row, ES_EDGE_SOURCE_PID, (int64_t)from->pid);
    if (to->pid != ES_REF_NONE)
        es_sql_put(row, ES_EDGE_PID, (int64_t)to->pid);
    es_sql_put(row, ES_EDGE_POSSIBLY, edge->maybe);
    es_sql_put(row, ES_EDGE_CRITICAL, edge->critical);
    es_sql_put(row, ES_EDGE_EVENTS, (int64_t)edge->count);
    if (edge->timed)
        es_sql_put(row, ES_EDGE_LATENCY, edge->latency);
    if (edge->seq)
        es_sql_put(row, ES_EDGE_BY, (int64_t)edge->seq);
    return 1;
}

static void close_edges(struct es_sql_scan *scan)
{
    struct edges *edges = scan->state;
    if (edges)
        es_dag_fini(&edges->dag);
    free(edges);
}

const struct es_sql_source es_sql_edge_source = {open_edges, next_edge, close_edges};
