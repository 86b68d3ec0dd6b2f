/* SPDX-License-Identifier: MIT */
/* How processes influenced each other, in a stretch of the recording: which event led to which of another process.
 * Events are numbered from 1 within the stretch. What a process does one after the other is not stored: it follows
 * from the numbers. A delivery is no act of its receiver: what it leads to is the event that handles it. */
#ifndef ES_QUERY_GRAPH_H
#define ES_QUERY_GRAPH_H

#include "query/inner.h"

#define ES_GRAPH_EVENTS \
    (UINT32_C(1) << 24) /* most that a graph covers: about 11 bytes each, where 1 in 6 is a delivery */

#define ES_WHO_NOBODY UINT32_MAX /* nothing that a process did: a sample, a mark, a notice */
#define ES_WHO_DELIVERY (UINT32_C(1) << 31)
#define ES_WHO_LATE (UINT32_C(1) << 30) /* it came after its place in the order was given away */
#define ES_WHO_NUMBER (ES_WHO_LATE - 1)

#define ES_EDGE_MAYBE (UINT32_C(1) << 31)

/* From an act of one process to an act of another; sorted by `to_event`. */
struct es_edge {
    uint32_t from_event, to_event;
    uint32_t from, to; /* numbers of the processes */
    uint32_t via;      /* index + 1 in `deliveries`, 0: none; ES_EDGE_MAYBE: it may have led to it */
};

struct es_delivery {
    uint32_t event, source, handler; /* 0: unknown, or outside of the stretch */
};

struct es_graph {
    uint64_t first; /* sequence number of event 1 */
    uint32_t n;
    uint32_t *who;              /* of event i + 1: number of its process and ES_WHO_… */
    struct es_refmap number_of; /* process to number + 1 */
    uint32_t n_processes;
    struct es_edge *edges;
    size_t n_edges, n_maybe, edges_room;
    struct es_delivery *deliveries; /* by event */
    size_t n_deliveries, deliveries_room;
    uint32_t *strange; /* deliveries whose origin is not known, though it should be */
    size_t n_strange, strange_room;
    uint32_t *out, *in;       /* edges from and to each process, by event: indices */
    uint32_t *out_at, *in_at; /* where those of a process begin; n_processes + 1 of them */
    void *scratch;            /* of order.c, kept from question to question; free() */
};

/* The graph of the blocks that hold [from, to], or of more. -E2BIG where that is too much. Valid until the next call. */
int es_query_graph(struct es_query *query, uint64_t from, uint64_t to, struct es_graph **ret_graph);
void es_graph_free(struct es_graph *graph);

/* The delivery with this number; NULL: it is none. */
const struct es_delivery *es_graph_delivery(const struct es_graph *graph, uint32_t event);

/* A kind that is an act of its process, or reaches it: not what others observed of it. */
bool es_kind_is_own(unsigned kind);

#endif
