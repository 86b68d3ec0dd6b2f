/* SPDX-License-Identifier: MIT */
/* What a state machine's answer asks for, as far as it says which message comes next. */
#ifndef ES_ENGINE_ACTIONS_H
#define ES_ENGINE_ACTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/names.h"
#include "store/event.h"

enum es_postponed { ES_POSTPONED_NOT, ES_POSTPONED, ES_POSTPONED_UNKNOWN };

#define ES_ACTION_TIMERS 4u
struct es_actions {
    uint8_t postponed; /* enum es_postponed: whether the event that it was called for comes again */
    uint8_t n_timers;
    bool any_timer;                    /* others may have been set too */
    uint64_t timers[ES_ACTION_TIMERS]; /* es_timer_kind() of those that were set, or taken back */
};

/* The end of a callback. Where it is not known what it says, all of this may be. */
void es_actions_read(const struct es_names *names, const struct es_event *event, struct es_actions *ret_actions);
/* Nothing is known of it. */
#define ES_ACTIONS_UNKNOWN ((struct es_actions){.postponed = ES_POSTPONED_UNKNOWN, .any_timer = true})

/* state_timeout, timeout or {timeout, Name}, encoded: names it. Never 0. */
static inline uint64_t es_timer_kind(const uint8_t *term, size_t len)
{
    uint64_t kind = es_hash_bytes(term, len, 0);
    return kind ? kind : 1;
}

#endif
