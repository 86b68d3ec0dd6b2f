/* SPDX-License-Identifier: MIT */
/* The inside of the engine's middle, for take.c, callbacks.c and core.c alone: how an event that came in becomes one of the recording. */
#ifndef ES_ENGINE_TAKE_H
#define ES_ENGINE_TAKE_H

#include <string.h>

#include "engine/core.h"

/* Field by field: to clear the whole first, as an initializer does, takes longer than all of this. */
static inline void es_take_event(const struct es_input *in, struct es_event *event)
{
    const struct es_record_view *view = &in->view;
    event->seq = 0;
    event->time = in->time;
    event->kind = view->kind;
    event->flags = (uint8_t)(((view->flags >> 3) & 15) | in->flags | (view->flags & ES_R_WOVEN ? ES_E_WOVEN : 0));
    event->cause_state = ES_CAUSE_NONE;
    event->arity = view->arity;
    event->thread = in->thread;
    event->pid = view->pid;
    event->peer = view->peer;
    event->site = view->site;
    event->module = view->module;
    event->function = view->function;
    event->hash = view->hash;
    event->corr = view->corr;
    event->cause = 0;
    event->moved = 0;
    memcpy(event->num, view->num, sizeof event->num);
    event->payload = view->payload;
    event->payload_len = view->payload_len;
}
_Static_assert(ES_R_CUT >> 3 == ES_E_CUT && ES_R_REDACTED >> 3 == ES_E_REDACTED &&
                   ES_R_NO_PAYLOAD >> 3 == ES_E_NO_PAYLOAD && ES_R_CALLBACK >> 3 == ES_E_CALLBACK,
               "flags of records become flags of events by a shift");

/* An event of a kind that may wait for its cause: `last` and *ret_waits as of es_core_again(); `ret_waits` NULL: it begins to wait. */
int es_take(struct es_core *core, struct es_proc *proc, struct es_input *in, bool last, bool *ret_waits);
/* Calls, returns and exceptions of all functions. The input stays as it is: whoever holds it frees its payload. */
int es_take_call(struct es_core *core, struct es_proc *proc, const struct es_input *in);
/* A message that a receive in woven code took. */
int es_take_taken(struct es_core *core, struct es_proc *proc, const struct es_input *in);
/* An event that no other one causes. */
int es_take_other(struct es_core *core, struct es_proc *proc, struct es_input *in);
/* What an event changes in what is known of processes. */
int es_take_note(struct es_core *core, const struct es_event *event, bool has_proc);

/* ---- core.c ---- */
/* Gives the event its number and its time: not before what it comes after, nor before any other that has its number already. */
int es_core_emit(struct es_core *core, struct es_proc *proc, struct es_event *event);
/* Ticks that an event may wait for its cause. */
static inline uint64_t es_core_wait(const struct es_core *core)
{
    uint64_t wait = core->skew * 2;
    if (wait > core->longest_wait)
        wait = core->longest_wait;
    return wait > core->shortest_wait ? wait : core->shortest_wait;
}

#endif
