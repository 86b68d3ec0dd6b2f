/* SPDX-License-Identifier: MIT */
/* Tagged JSON: a term for programs, with nothing lost. docs/tagged.md has the format. */
#ifndef ES_TERM_TAGGED_H
#define ES_TERM_TAGGED_H

#include "term/tree.h"

/* Appends a node. `print` names atoms and the recorded node; texts of pids and the like are in Erlang's notation. */
void es_tagged_print(const struct es_tree *tree, uint32_t node, const struct es_print *print, struct es_text *out);

#endif
