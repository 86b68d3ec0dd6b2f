/* SPDX-License-Identifier: MIT */
/* A term on several lines: what fits into the width stands on one line, other lists, tuples and maps have an element
 * a line. In both notations; it reads back as the same term where its one-line form does. */
#ifndef ES_TERM_LAYOUT_H
#define ES_TERM_LAYOUT_H

#include "term/tree.h"

/* Text put before and behind a node, of no width: colours. */
struct es_layout_mark {
    uint32_t node;
    const char *before, *after;
};
struct es_layout {
    const struct es_print *print;       /* its max_bytes is not used */
    unsigned width;                     /* columns; a single leaf may be wider */
    unsigned indent;                    /* columns before every line but the first */
    const struct es_layout_mark *marks; /* by rising node */
    size_t n_marks;
};
void es_layout_print(const struct es_tree *tree, uint32_t node, const struct es_layout *layout, struct es_text *out);

#endif
