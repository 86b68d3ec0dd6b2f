/* SPDX-License-Identifier: MIT */
/* Writing a live term into a record, in place and within budgets, secrets left out. */
#ifndef ES_CAPTURE_WALK_H
#define ES_CAPTURE_WALK_H

#include "capture/draft.h"

struct es_budget {
    uint32_t bytes;    /* of payload; 0: none at all */
    uint32_t depth;    /* of nesting */
    uint32_t elements; /* of one list, tuple or map */
    uint32_t work;     /* terms visited, and cells counted of lists that were cut */
};

/* The budgets of the session as they are now, of a plain payload or of a state. */
struct es_budget es_budget_now(const struct es_draft *d, bool state);

/* What es_draft_plan.payload has to be for a walk with this budget. */
uint32_t es_walk_room(const struct es_budget *budget);

/* Writes the term as the payload of the event and sets ES_R_CUT and ES_R_REDACTED as it turns out. */
void es_walk(struct es_draft *d, ERL_NIF_TERM term, const struct es_budget *budget);

/* The same, and gives the content hash of the term. */
uint64_t es_walk_hash(struct es_draft *d, ERL_NIF_TERM term, const struct es_budget *budget);

#endif
