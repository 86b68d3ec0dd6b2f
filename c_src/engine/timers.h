/* SPDX-License-Identifier: MIT */
/* Timers that were set by erlang:send_after, until their message is delivered. They have no reference in their message, so they are told by
 * content, receiver and due time; that one was cancelled is not seen, so where several may have fired none is named. */
#ifndef ES_ENGINE_TIMERS_H
#define ES_ENGINE_TIMERS_H

#include "engine/names.h"
#include "engine/process.h"
#include "store/event.h"

#define ES_TIMERS (1u << 14) /* remembered; newer ones take the places of older ones of the same kind of content */
#define ES_TIMER_WAYS 8u     /* places of one content */
#define ES_TIMER_LATE_NS INT64_C(1000000000) /* that a message comes after its timer was due, at most */

struct es_timer {
    uint64_t hash, seq; /* of the message; of the call, 0: a free place */
    es_ref to;          /* a process or a name; 0: several, of which it is not known where and when they fire */
    int64_t due;        /* ns */
};

struct es_timers {
    struct es_timer *timers; /* ES_TIMERS places, or NULL */
};

struct es_core;
struct es_finding;
struct es_input;

void es_timers_fini(struct es_timers *timers);

/* A call of erlang:send_after(Time, To, Message, …) with its number. -ENOMEM. */
int es_timers_set(struct es_core *core, const struct es_event *event);
/* A delivery by the VM's own timers: leaves `finding` as it is where none was seen being set. */
void es_timers_fired(struct es_core *core, const struct es_input *in, struct es_finding *finding);

#endif
