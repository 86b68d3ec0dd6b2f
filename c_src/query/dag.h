/* SPDX-License-Identifier: MIT */
/* What the builders of DAGs share. A builder adds nodes and edges in any order; dag.c puts them in order, and leaves
 * out what would lead backwards: only a recording that contradicts itself has such edges. */
#ifndef ES_QUERY_DAG_H
#define ES_QUERY_DAG_H

#include "query/inner.h"

struct es_dag_builder {
    struct es_query *query;
    struct es_dag_request request; /* its limit is set */
    struct es_dag dag;
    size_t nodes_room, edges_room;
    struct es_refmap edge_of; /* of es_dag_sum() */
};

/* A new node or edge, zeroed but for unknown durations and a count of 1; valid until the next one. NULL: no memory. */
struct es_dag_node *es_dag_node(struct es_dag_builder *b);
struct es_dag_edge *es_dag_edge(struct es_dag_builder *b, uint32_t from, uint32_t to, enum es_dag_edge_kind kind);
/* A node that is an event. */
struct es_dag_node *es_dag_event_node(struct es_dag_builder *b, const struct es_event *event);
/* The edge of this kind between two nodes, made with count 0 where it was not there. At most 2^28 nodes. */
struct es_dag_edge *es_dag_sum(struct es_dag_builder *b, uint32_t from, uint32_t to, enum es_dag_edge_kind kind);
void es_dag_time(struct es_dag_edge *edge, int64_t latency); /* adds a latency; negative: unknown */

bool es_dag_has_pid(const struct es_dag_builder *b, es_ref pid); /* no pids asked for: any */

/* ---- which events (dag_events.c) ----------------------------------------------------------------------------------- */
/* Events in order, without payloads. */
struct es_dag_events {
    struct es_event *list;
    size_t n, room;
};
/* Of these kinds, the first ones within the window or those nearest to the focus, at most `limit`; the others are
 * counted as left out. */
int es_dag_pick(struct es_dag_builder *b, uint64_t kinds, struct es_dag_events *ret_events);
/* With a focus: what led to it, and what it led to. */
int es_dag_pick_caused(struct es_dag_builder *b, uint64_t kinds, struct es_dag_events *ret_events);
int es_dag_keep(struct es_dag_events *events, const struct es_event *event);
void es_dag_events_fini(struct es_dag_events *events);

/* A filter of the request's window and processes. */
struct es_filter es_dag_filter(const struct es_dag_builder *b);

/* ---- builders ------------------------------------------------------------------------------------------------------ */
int es_dag_temporal(struct es_dag_builder *b);
int es_dag_interaction(struct es_dag_builder *b);
int es_dag_state(struct es_dag_builder *b);
int es_dag_code(struct es_dag_builder *b);
int es_dag_data(struct es_dag_builder *b);
int es_dag_performance(struct es_dag_builder *b);
int es_dag_causality(struct es_dag_builder *b);

#endif
