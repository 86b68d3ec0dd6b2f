/* SPDX-License-Identifier: MIT */
/* The search for a way from one act to another: who can have heard of the first, and of whom the second can have heard. */
#ifndef ES_QUERY_SEARCH_H
#define ES_QUERY_SEARCH_H

#include "query/edges.h"

/* How far behind the later event a message's handling is looked for, in blocks. Where a message is known to be handled behind
 * the later event, it led to nothing before. */
#define ES_SEARCH_BEHIND 16u

/* The edge by which a process was reached: to the next event on the way, or from the one before. */
struct es_search_step {
    uint64_t next, via; /* 0: where the search began; no delivery */
    uint32_t process;
};
/* Of a process, at one end: ahead, since when it knows of the first event; back, until when the second knows of it. */
struct es_mark {
    uint64_t event;
    struct es_search_step step;
};

struct es_waiting { /* a process whose edges in this block are to be looked at, the nearest first */
    uint64_t event; /* where the next one begins (ahead) or ends (back) */
    uint64_t seen;  /* those from here on (back: up to here) were looked at before; 0: none */
    uint32_t at;    /* the next one: of the part's `out`; back the one before it, of its `in` */
    uint32_t process;
};

struct es_side {
    struct es_mark *marks; /* by process */
    uint64_t *reached;     /* which have one, a bit each: most have none, and this is small */
    uint32_t *set;         /* those */
    size_t n, room;
    struct es_waiting *heap; /* ahead the earliest first, back the latest */
    size_t n_heap, heap_room;
    size_t block;              /* that is being looked at */
    uint64_t *passed, passing; /* by block: the number of the search in which it was passed by; of this one */
    bool busy;                 /* it is */
    bool over;                 /* it is the block that the other side began to look at and did not end */
    bool back;
    uint64_t work; /* edges and processes looked at */
};

struct es_search {
    struct es_query *query;
    uint64_t question;
    bool maybe;     /* edges count that may be none */
    bool saw_maybe; /* there were such */
    uint64_t from, to;
    uint32_t from_process, to_process;
    size_t last_known;       /* block up to which handlings are looked for */
    size_t first, end;       /* blocks that no side has taken yet */
    size_t n_read, n_passed; /* how many were read for this question, and passed by */
    struct es_side ahead, behind;
    uint32_t meeting; /* process */
};

static inline bool es_side_is_marked(const struct es_side *side, uint32_t process)
{
    return process < side->room && side->reached[process / 64] >> (process % 64) & 1;
}

/* Ahead: does the process know of the first event when it does this? Back: does the second know of it? */
static inline bool es_side_is_in(const struct es_side *side, uint32_t process, uint64_t event)
{
    return es_side_is_marked(side, process) &&
           (side->back ? side->marks[process].event >= event : side->marks[process].event <= event);
}

/* May a block be passed by, as no process that the side has reached does anything there, nor gets anything from one? Only its table of processes is
 * read, and ahead which of its events have their causes before it. 1, 0, negative errno. */
int es_search_pass(struct es_search *search, struct es_side *side);

/* The query's own, for questions about events up to `last`. */
int es_search_take(struct es_query *query, uint64_t last, struct es_search **ret_search);
void es_search_free(struct es_search *search);

/* Is there a way from `from` to `to`? 1, 0, negative errno. */
int es_search_run(struct es_search *search);
/* The way that was found, from event `first` to event `last`. 1, -ENOMEM. */
int es_search_path(const struct es_search *search, uint64_t first, uint64_t last, struct es_order_answer *ret);
/* A way of one step. */
int es_search_path_of(const struct es_search *search, uint64_t first, uint64_t last, struct es_order_answer *ret);

#endif
