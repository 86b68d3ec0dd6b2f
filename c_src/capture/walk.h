/* SPDX-License-Identifier: MIT */
/* Writing a live term into a record, in place and within budgets, secrets left out; and numbers made from terms. */
#ifndef ES_CAPTURE_WALK_H
#define ES_CAPTURE_WALK_H

#include "capture/draft.h"

struct es_budget {
    uint32_t bytes;     /* of payload; 0: none at all */
    uint32_t depth;     /* of nesting */
    uint32_t elements;  /* of one list, tuple or map */
    uint32_t work;      /* terms visited, and cells counted of lists that were cut */
};

/* The budgets of the session as they are now, of a plain payload or of a state. */
struct es_budget es_budget_now(const struct es_draft *d, bool state);

/* What es_draft_plan.payload has to be for a walk with this budget. */
uint32_t es_walk_room(const struct es_budget *budget);

/* Writes the term as the payload of the event and sets ES_R_CUT and ES_R_REDACTED as it turns out. */
void es_walk(struct es_draft *d, ERL_NIF_TERM term, const struct es_budget *budget);

/* Content hash (wire/term.h): the same for a message where it is sent and where it is delivered. 0: unknown. */
uint64_t es_hash_term(struct es_draft *d, ERL_NIF_TERM term);

/* The number of the reference that pairs this message with its request, reply or monitor; 0: there is none. */
uint64_t es_correlate(ErlNifEnv *env, ERL_NIF_TERM message);

#endif
