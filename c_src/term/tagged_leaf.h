/* SPDX-License-Identifier: MIT */
/* The leaves of tagged JSON. */
#ifndef ES_TERM_TAGGED_LEAF_H
#define ES_TERM_TAGGED_LEAF_H

#include "term/tree.h"

void es_tagged_leaf(const struct es_tree *tree, uint32_t node, const struct es_print *print, struct es_text *out);
/* The text of an atom as a JSON string. */
void es_tagged_atom_text(const struct es_tree *tree, uint32_t node, struct es_text *out);

#endif
