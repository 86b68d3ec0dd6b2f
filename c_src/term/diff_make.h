/* SPDX-License-Identifier: MIT */
/* What the files that compare terms share. */
#ifndef ES_TERM_DIFF_MAKE_H
#define ES_TERM_DIFF_MAKE_H

#include "term/diff.h"

/* Two nodes to be compared. One is ES_NO_NODE: the other was added or removed; `unknown`: so it seems, but the part
 * where it could be was cut. */
struct es_pair {
    uint32_t step, a, b;
    bool unknown;
};

struct es_pairs_list {
    struct es_pair *list;
    size_t n, room;
};

struct es_diffing {
    struct es_diff *diff;
    const struct es_tree *from, *to;
    struct es_pairs_list found; /* children of the node that is being looked at, in order */
    bool failed;                /* no memory */
};

/* Notes a child to be compared; nothing where both are known to be equal. */
void es_diffing_add(struct es_diffing *d, const struct es_pair *pair, const struct es_step *step);
/* A change of the node itself. */
void es_diffing_change(struct es_diffing *d, enum es_change_op op, const struct es_pair *pair);

/* Compare the children of two nodes of one type. False: they have so little in common that the whole was replaced. */
bool es_diff_lists(struct es_diffing *d, const struct es_pair *pair);
bool es_diff_maps(struct es_diffing *d, const struct es_pair *pair);

#endif
