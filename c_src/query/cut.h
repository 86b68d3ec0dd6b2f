/* SPDX-License-Identifier: MIT */
/* Inside of es_query_cut(): what cut.c (events) and cut_facts.c (all around them) share. */
#ifndef ES_QUERY_CUT_H
#define ES_QUERY_CUT_H

#include "query/inner.h"
#include "store/store.h"

struct es_run {
    uint64_t old, new, n;
}; /* sequence numbers that stay next to each other */

struct es_cut_work {
    struct es_query *query;
    const struct es_cut_request *request;
    struct es_store *store;
    struct es_run *runs;
    size_t n_runs, runs_room;
    uint64_t next;           /* sequence number to give */
    struct es_refmap refs;   /* references that were defined, or are processes that something speaks of */
    struct es_refmap states; /* processes whose state is in the part */
    struct es_buf state;     /* bytes of the state that is copied */
    uint64_t pairs[ES_CAUSE_MAX], handled[ES_CAUSE_MAX];
};

/* The new sequence number of an old one, 0 where it is not in the part. */
uint64_t es_cut_seq(const struct es_cut_work *work, uint64_t old);

/* Copies what a reference or a term needs to be read. */
int es_cut_ref(struct es_cut_work *work, es_ref ref);
int es_cut_term(struct es_cut_work *work, const uint8_t *bytes, size_t len);

/* Processes, names, losses, metadata and counters, once all events are there. */
int es_cut_facts(struct es_cut_work *work);

#endif
