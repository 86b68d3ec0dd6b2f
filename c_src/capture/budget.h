/* SPDX-License-Identifier: MIT */
/* What one payload may cost: bytes, nesting, elements, work. */
#ifndef ES_CAPTURE_BUDGET_H
#define ES_CAPTURE_BUDGET_H

#include "capture/draft.h"

struct es_budget {
    uint32_t bytes;    /* of payload; 0: none at all */
    uint32_t depth;    /* of nesting */
    uint32_t elements; /* of one list, tuple or map */
    uint32_t work;     /* terms visited, and cells counted of lists that were cut */
};

#define ES_BYTES_MAX (512u << 10)           /* of one payload, whatever the settings say: records end at 1 MiB */
#define ES_FRAME_END (2 * ES_CUT_BYTES + 2) /* bytes that ending one list, tuple or map may take */
#define ES_LEAF_MAX 640u                    /* bytes that a leaf may take beyond the budget */

static inline uint32_t es_at_most(uint64_t value, uint64_t max) { return (uint32_t)(value < max ? value : max); }

/* The budgets of the session as they are now, of a plain payload or of a state. */
static inline struct es_budget es_budget_now(const struct es_draft *d, bool state)
{
    const struct es_limits *limits = &d->s->arena.head->limits;
    uint32_t bytes = atomic_load_explicit(state ? &limits->state_bytes : &limits->payload_bytes, memory_order_relaxed);
    uint64_t elements = atomic_load_explicit(&limits->max_elements, memory_order_relaxed);
    uint64_t work = atomic_load_explicit(&limits->work, memory_order_relaxed);
    elements = elements < 2 ? 2 : elements; /* pairs are judged whole */
    return (struct es_budget){
        .bytes = es_at_most(bytes, es_at_most(d->t->ring->size / 8, ES_BYTES_MAX)),
        .depth = es_at_most(atomic_load_explicit(&limits->max_depth, memory_order_relaxed), ES_DEPTH_MAX),
        .elements = es_at_most(state ? elements * 16 : elements, UINT32_MAX),
        .work = es_at_most(state ? work * 64 : work, UINT32_MAX),
    };
}

/* What es_draft_plan.payload has to be for a walk with this budget. */
static inline uint32_t es_budget_room(const struct es_budget *budget)
{
    return budget->bytes ? budget->bytes + ES_LEAF_MAX + (budget->depth + 1) * ES_FRAME_END : 0;
}

#endif
