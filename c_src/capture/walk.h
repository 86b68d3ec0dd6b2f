/* SPDX-License-Identifier: MIT */
/* Writing a live term into a record, in place and within budgets, secrets left out. */
#ifndef ES_CAPTURE_WALK_H
#define ES_CAPTURE_WALK_H

#include "capture/budget.h"

/* Writes the term as the payload of the event and sets ES_R_CUT and ES_R_REDACTED as it turns out. */
void es_walk(struct es_draft *d, ERL_NIF_TERM term, const struct es_budget *budget);

/* Terms that are to be written as a list, though they are none yet. */
struct es_terms {
    const ERL_NIF_TERM *at;
    uint64_t secret; /* bit i: at[i] is not to be written */
    uint32_t n;
    uint32_t done; /* so many are written already, and so is the list's header */
};

/* Writes those not written yet, of which there is one at least, and the list's end. `count` is where the list has its count. */
void es_walk_terms(struct es_draft *d, const struct es_terms *terms, uint8_t *count, const struct es_budget *budget);

/* The same as es_walk(), and gives the content hash of the term. 0: unknown. */
uint64_t es_walk_hash(struct es_draft *d, ERL_NIF_TERM term, const struct es_budget *budget);

/* The content hash of the tuple that these terms would make. */
uint64_t es_hash_tuple(struct es_draft *d, const ERL_NIF_TERM *elements, uint32_t arity);

/* The content hash alone: nothing is written, and no event needs to have begun. */
uint64_t es_hash_term(struct es_draft *d, ERL_NIF_TERM term);

#endif
