/* SPDX-License-Identifier: MIT */
/* What cone.c and story.c share: the events found so far, and a queue of those to look at, the nearest first. */
#ifndef ES_QUERY_CONE_H
#define ES_QUERY_CONE_H

#include "query/index.h"

/* An event that waits to be looked at; with a process: its nearest act on this side of `caused.seq`, yet to be found. */
struct es_pending {
    struct es_caused caused;
    es_ref pid;
};

struct es_cone {
    struct es_query *query;
    const struct es_cone_request *request;
    struct es_pending *heap;
    size_t n_heap, heap_room;
    struct es_refmap seen; /* sequence number to index + 1 in `events`, 0: not there */
    struct es_caused *events;
    size_t n, room;
    size_t n_read;      /* blocks of which nothing was known and that were read for it */
    bool cut, may_lead; /* may_lead: something in it may have effects in blocks to come */
};

int es_cone_push(struct es_cone *cone, const struct es_pending *pending);
int es_cone_push_event(struct es_cone *cone, uint64_t seq, const struct es_caused *from, enum es_edge_kind edge,
                       bool maybe);
/* The nearest one. False: there is none. */
bool es_cone_pop(struct es_cone *cone, struct es_pending *ret);
/* Notes an event. 1: it is new and within bounds; 0: it is not; -ENOMEM. */
int es_cone_add(struct es_cone *cone, const struct es_caused *caused);
/* Gives the events away, or frees them where `rc` is negative; then frees the rest. */
int es_cone_finish(struct es_cone *cone, int rc, struct es_caused **ret_events, size_t *ret_n, bool *ret_cut);

/* ---- replies (cone_replies.c) ------------------------------------------------------------------------------------- */
/* Back: the replies that an act shows to be taken; and those of blocks before. */
int es_cone_push_replies(struct es_cone *cone, const struct es_indexed *event, const struct es_caused *caused);
int es_cone_find_reply(struct es_cone *cone, struct es_pending *pending);
/* Ahead: the act that shows that a delivery was taken; and in blocks behind. */
int es_cone_push_taken(struct es_cone *cone, const struct es_indexed *event, const struct es_caused *caused);
int es_cone_find_taken(struct es_cone *cone, struct es_pending *pending);

/* ---- doings (doing.c): what a process was doing ------------------------------------------------------------------ */
/* The last act of a process before `seq` that is neither a garbage collection nor scheduling nor a report; 0: none. */
int es_doing_act(struct es_query *query, es_ref pid, uint64_t seq, struct es_indexed *ret);

/* The callback that runs at `seq`, else the last one that had ended before and its end; 0: none. */
struct es_doing {
    uint64_t open, ended, end;
};
int es_doing_callback(struct es_query *query, es_ref pid, uint64_t seq, struct es_doing *ret);
bool es_doing_is_terminate(struct es_query *query, uint64_t call);
/* Does a behaviour end after this end of a callback? It does after an exception, and where {stop, …} was returned. */
bool es_doing_is_last(struct es_query *query, uint64_t end);

/* The request that a process waits for an answer to at `seq`; 0: none. And where it was delivered. */
int es_doing_request(struct es_query *query, es_ref pid, uint64_t seq, uint64_t *ret_send, uint64_t *ret_delivery);
/* Is the delivery an answer to a request of its receiver? */
int es_doing_is_reply(struct es_query *query, uint64_t delivery, bool *ret_is);
/* The first event of a process, where it was started during the recording; else 0. */
uint64_t es_doing_birth(struct es_query *query, es_ref pid);

/* The edge that leads from one kind of event to another that has it as its stored cause. */
enum es_edge_kind es_edge_of(unsigned cause, unsigned effect);

#endif
