/* SPDX-License-Identifier: MIT */
/* How processes influenced each other in a block: from an act of one to an act of another. What a process does one after
 * the other is not stored: it follows from the numbers. A delivery is no act of its receiver: what it leads to is the event
 * that handles it; where none is known, whatever the receiver does behind it may be. */
#ifndef ES_QUERY_EDGES_H
#define ES_QUERY_EDGES_H

#include "query/index_part.h"

#define ES_EDGE_LATE 1u      /* one of its events came after its place in the order was given away */
#define ES_EDGE_UNHANDLED 2u /* it ends in a delivery whose handling is not in this block */

/* Both ends are in the block. As it stands with one of its processes: what is on the other side. */
struct es_edge {
    uint32_t other;        /* number of that process */
    uint16_t at, other_at; /* events, by place */
    uint16_t via;          /* the delivery it went through, where it ends: there is none */
    uint16_t next; /* in `out`: that process's first edge from other_at on; in `in`: behind its last one up to there */
    uint8_t flags;
    bool has_next; /* else it has none */
    bool last;     /* of its process's edges here: in `out` the last, in `in` the first */
};

#define ES_INCOMING_OPEN UINT32_MAX          /* not looked up yet */
#define ES_INCOMING_NOTHING (UINT32_MAX - 1) /* it leads from nowhere */

/* It begins in a block before this one. */
struct es_incoming {
    uint64_t from, via; /* OPEN: from may be the delivery yet; via 0: none */
    uint32_t number;
    uint16_t to_at;
    uint8_t flags;
};

/* Of a reply whose delivery is in the block: it ends where that was taken, in a block behind this one, or, where nothing shows that, in the
 * delivery, and is unhandled. */
struct es_open_edge {
    struct es_incoming origin; /* to_at: the delivery */
    uint64_t act;              /* 0: nothing shows that it was taken */
    bool looked;
};

/* Of a list of the part. */
struct es_ends {
    uint32_t number;  /* of its process */
    uint32_t out, in; /* where its edges begin, up to those of the next list */
};

/* Both ends are in the block, by place. */
struct es_way {
    uint16_t from, to;
    uint16_t via;                /* the delivery it went through; `to`: there is none, or it ends there */
    uint16_t from_list, to_list; /* of the part */
    uint8_t flags;
};

struct es_edges {
    struct es_way *ways; /* by to */
    size_t n;
    struct es_incoming *incoming; /* by to_at; one memory with `ways` */
    size_t n_incoming;
    struct es_open_edge *open;
    size_t n_open;
    uint32_t
        *numbers; /* of the processes of the part's lists; UINT32_MAX: what no process did; NULL: not looked up yet */
    uint16_t
        *later;     /* of unhandled deliveries, by place: handled so many blocks later, 0: in none that was looked at */
    size_t looked;  /* blocks behind this one that were searched for that */
    uint64_t asked; /* the question that looked at it last, 0: none */

    /* The ways by process: made when another question comes to the block, see es_edges_sort(). */
    struct es_edge *out, *in; /* by list, then by `at`; NULL: not made yet */
    struct es_ends *ends;     /* by list, and one more */
    uint32_t *slots, n_slots; /* a table: number to list + 1 */
};

/* The part with its edges. Errors as es_index_part_get(). */
int es_edges_get(struct es_query *query, size_t block, struct es_index_part **ret_part);
/* Sorts them by process, as long as they are not. Looking at each in turn is cheaper, the first time. */
int es_edges_sort(struct es_query *query, struct es_index_part *part);
/* The part's edges, but for the numbers of processes: what several threads may do at once. False: no memory. */
bool es_edges_make(struct es_index_part *part);
void es_edges_free(struct es_edges *edges);

/* The number of a process; UINT32_MAX without memory. */
uint32_t es_edges_number(struct es_index *index, es_ref pid);

/* The list of a process in a part, UINT32_MAX: it is not there. */
static inline uint32_t es_edges_slot(const struct es_edges *edges, uint32_t number)
{
    return (number * UINT32_C(0x9e3779b1)) >> 7 & (edges->n_slots - 1);
}
static inline uint32_t es_edges_list(const struct es_edges *edges, uint32_t number)
{
    uint32_t i = es_edges_slot(edges, number);
    while (edges->slots[i] && edges->ends[edges->slots[i] - 1].number != number)
        i = (i + 1) & (edges->n_slots - 1);
    return edges->slots[i] - 1;
}

/* Finds where an edge of the part begins, unless that is before `since`. False: there, or nowhere. Other parts may be asked for. */
bool es_incoming_resolve(struct es_query *query, const struct es_index_part *part, struct es_incoming *incoming,
                         uint64_t since);

/* Finds where the edge of a reply ends. */
int es_open_edge_resolve(struct es_query *query, const struct es_index_part *part, struct es_open_edge *open);

/* Notes which of the part's unhandled deliveries are handled in the blocks up to `last`. */
int es_edges_look_later(struct es_query *query, struct es_index_part *part, size_t last);

/* The event that handles a delivery, in its block or one up to `last`; 0: there is none. */
int es_edges_handler(struct es_query *query, const struct es_indexed *delivery, size_t last, uint64_t *ret_seq);

#endif
