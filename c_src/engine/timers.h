/* SPDX-License-Identifier: MIT */
/* Timers that were set, until their message is delivered. What erlang:start_timer sends has the reference that it returned. What
 * erlang:send_after sends has none: such a timer is told by content, receiver and due time; that one was cancelled is not seen, so where
 * several may have fired none is named. */
#ifndef ES_ENGINE_TIMERS_H
#define ES_ENGINE_TIMERS_H

#include "engine/names.h"
#include "engine/process.h"
#include "store/event.h"

#define ES_TIMERS (1u << 16) /* remembered; newer ones take the places of those that are over, then of older ones */
#define ES_TIMER_WAYS 8u     /* places of one key */
#define ES_TIMER_LATE_NS INT64_C(1000000000) /* that a message comes after its timer was due, at most */

struct es_timer {
    uint64_t key, seq; /* hash of the message, or of the reference; of the call, 0: a free place */
    es_ref to;         /* a process or a name; 0: several, of which it is not known where and when they fire */
    int64_t due;       /* ns */
};

struct es_timers {
    struct es_timer *timers; /* ES_TIMERS places, or NULL */
    bool started, forgot;    /* one was started that has a reference; one was forgotten that may fire */
};

struct es_core;
struct es_finding;
struct es_input;

void es_timers_fini(struct es_timers *timers);

/* A call of erlang:send_after(Time, To, Message, …) or start_timer that has its number. -ENOMEM. */
int es_timers_set(struct es_core *core, struct es_proc *proc, const struct es_event *event);
/* The end of a call in a process that has called erlang:start_timer. -ENOMEM. */
int es_timers_started(struct es_core *core, struct es_proc *proc, const struct es_event *event);

/* A delivery by the VM's own timers: leaves `finding` as it is where none was seen being set. False: its call may have returned a moment ago,
 * and will be seen. */
bool es_timers_fired(struct es_core *core, const struct es_input *in, struct es_finding *finding);

/* {timeout, Reference, Told}: what erlang:start_timer sends. */
struct es_timer_told {
    uint64_t key, kind; /* of the reference; es_timer_kind() of Told. 0: it is something else */
};
struct es_timer_told es_timers_told(const struct es_event *event);

/* All that may fire: for a keyframe, in no order. es_timers_restore(): -ENOMEM. */
void es_timers_each(const struct es_timers *timers, int64_t now,
                    void (*each)(const struct es_timer *timer, void *context), void *context);
int es_timers_restore(struct es_timers *timers, const struct es_timer *timer);
/* Replaying a recording: a delivery that was caused by a timer. */
void es_timers_confirm(struct es_timers *timers, const struct es_event *event);

#endif
