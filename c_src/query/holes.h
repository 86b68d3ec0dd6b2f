/* SPDX-License-Identifier: MIT */
/* Stretches of time in which events were lost: what spans one is in doubt. */
#ifndef ES_QUERY_HOLES_H
#define ES_QUERY_HOLES_H

#include "query/inner.h"

struct es_hole {
    int64_t from, to;
};
struct es_holes {
    struct es_hole *list; /* in order, apart from each other */
    size_t n;
};

/* Losses of these kinds (set of 1 << es_kind), and those of which nobody knows the kind. -ENOMEM. */
int es_holes_find(struct es_query *query, uint64_t kinds, struct es_holes *ret_holes);
void es_holes_fini(struct es_holes *holes);
/* Was nothing lost in [from, to]? */
bool es_holes_whole(const struct es_holes *holes, int64_t from, int64_t to);

#define ES_KINDS_OF_CALLS                                                                    \
    (UINT64_C(1) << ES_K_CALL | UINT64_C(1) << ES_K_RETURN | UINT64_C(1) << ES_K_EXCEPTION | \
     UINT64_C(1) << ES_K_TAIL | UINT64_C(1) << ES_K_CAUGHT)

#endif
