/* SPDX-License-Identifier: MIT */
/* Calls are closed from the innermost on, so that each is the last of its function then and leaves that chain in
 * one step. */
#include "query/stack.h"

#include <errno.h>
#include <stdlib.h>

#include "wire/term.h"

void es_stack_init(struct es_stack *stack) { *stack = (struct es_stack){.spare = ES_NO_FRAME}; }

void es_stack_fini(struct es_stack *stack)
{
    es_refmap_fini(&stack->tops);
    es_refmap_fini(&stack->calls);
    free(stack->frames);
    es_stack_init(stack);
}

uint32_t es_stack_top(const struct es_stack *stack, es_ref pid)
{
    const uint64_t *top = es_refmap_find(&stack->tops, pid);
    return top ? (uint32_t)(*top - 1) : ES_NO_FRAME;
}

static uint64_t key_of(const struct es_frame *f)
{
    uint64_t key =
        es_hash_mix(es_hash_mix(es_hash_mix((unsigned)f->arity << 1 | f->woven, f->pid), f->module), f->function);
    return key ? key : 1;
}

static struct es_frame frame_of(const struct es_event *event)
{
    return (struct es_frame){.seq = event->seq,
                             .time = event->time,
                             .pid = event->pid,
                             .module = event->module,
                             .function = event->function,
                             .arity = event->arity,
                             .callback = event->flags & ES_E_CALLBACK,
                             .woven = es_is_woven(event)};
}

static bool is_of(const struct es_frame *frame, const struct es_frame *other)
{
    return frame->pid == other->pid && frame->module == other->module && frame->function == other->function &&
           frame->arity == other->arity && frame->woven == other->woven;
}

/* A number for a new frame; ES_NO_FRAME without memory. */
static uint32_t take_number(struct es_stack *stack)
{
    if (stack->spare != ES_NO_FRAME) {
        uint32_t frame = stack->spare;
        stack->spare = stack->frames[frame].below;
        return frame;
    }
    if (stack->n == stack->room) {
        uint32_t room = stack->room ? stack->room * 2 : 1024;
        struct es_frame *frames = realloc(stack->frames, room * sizeof *frames);
        if (!frames)
            return ES_NO_FRAME;
        stack->frames = frames;
        stack->room = room;
    }
    return stack->n++;
}

/* Callbacks are called from the behaviour's loop. */
static void doubt_callbacks_below(struct es_stack *stack, uint32_t frame)
{
    for (uint32_t i = stack->frames[frame].below; i != ES_NO_FRAME && !stack->frames[i].doubtful;
         i = stack->frames[i].below)
        stack->frames[i].doubtful = true;
}

int es_stack_call(struct es_stack *stack, const struct es_event *call, uint32_t *ret_frame)
{
    if (stack->max && stack->open >= stack->max)
        return -E2BIG;
    struct es_frame f = frame_of(call);
    uint64_t *top = es_refmap_place(&stack->tops, call->pid);
    uint64_t *last = es_refmap_place(&stack->calls, key_of(&f));
    uint32_t frame = top && last ? take_number(stack) : ES_NO_FRAME;
    if (frame == ES_NO_FRAME)
        return -ENOMEM;
    f.below = (uint32_t)(*top - 1);
    f.same = (uint32_t)(*last - 1);
    stack->frames[frame] = f;
    *top = *last = (uint64_t)frame + 1;
    stack->open++;
    if (call->flags & ES_E_CALLBACK)
        doubt_callbacks_below(stack, frame);
    *ret_frame = frame;
    return 0;
}

/* Its number is free from then on. */
static void close_top(struct es_stack *stack, uint64_t *top, bool ended, const struct es_stack_user *user)
{
    uint32_t frame = (uint32_t)(*top - 1);
    struct es_frame *f = &stack->frames[frame];
    uint64_t *last = es_refmap_find(&stack->calls, key_of(f));
    *last = (uint64_t)(uint32_t)(f->same + 1);
    *top = (uint64_t)(uint32_t)(f->below + 1);
    stack->open--;
    user->closed(stack, frame, ended, user->context);
    if (stack->reuse) {
        f->below = stack->spare;
        stack->spare = frame;
    }
}

/* The innermost open call that this event is of; ES_NO_FRAME: never called here, or another function with the same hash. */
static uint32_t innermost(const struct es_stack *stack, const struct es_event *event)
{
    struct es_frame f = frame_of(event);
    const uint64_t *last = es_refmap_find(&stack->calls, key_of(&f));
    return last && *last && is_of(&stack->frames[*last - 1], &f) ? (uint32_t)(*last - 1) : ES_NO_FRAME;
}

uint32_t es_stack_end(struct es_stack *stack, const struct es_event *end, const struct es_stack_user *user)
{
    uint64_t *top = es_refmap_find(&stack->tops, end->pid);
    uint32_t ended = top ? innermost(stack, end) : ES_NO_FRAME;
    if (ended == ES_NO_FRAME)
        return ES_NO_FRAME;
    while (*top - 1 != ended)
        close_top(stack, top, false, user);
    close_top(stack, top, true, user);
    return ended;
}

/* Whose `try` caught something: of the calls that have one, the innermost whose first is not later. */
static uint32_t catcher(const struct es_stack *stack, uint32_t top, const struct es_event *caught)
{
    struct es_frame f = frame_of(caught);
    uint32_t at = top;
    while (at != ES_NO_FRAME && !(stack->frames[at].token && stack->frames[at].token <= caught->corr))
        at = stack->frames[at].below;
    return at != ES_NO_FRAME && is_of(&stack->frames[at], &f) ? at : ES_NO_FRAME;
}

uint32_t es_stack_inside(struct es_stack *stack, const struct es_event *event, const struct es_stack_user *user)
{
    uint64_t *top = es_refmap_find(&stack->tops, event->pid);
    bool by_token = event->kind == ES_K_CAUGHT && event->corr;
    if (!top || !*top)
        return ES_NO_FRAME;
    uint32_t at = by_token ? catcher(stack, (uint32_t)(*top - 1), event) : innermost(stack, event);
    if (at == ES_NO_FRAME)
        return ES_NO_FRAME;
    while (*top - 1 != at)
        close_top(stack, top, false, user);
    if (event->kind == ES_K_TRY && !stack->frames[at].token)
        stack->frames[at].token = event->corr;
    return at;
}

static void settle(struct es_stack *stack, uint64_t *top, const struct es_stack_user *user)
{
    while (*top)
        close_top(stack, top, false, user);
}

void es_stack_settle(struct es_stack *stack, es_ref pid, const struct es_stack_user *user)
{
    uint64_t *top = es_refmap_find(&stack->tops, pid);
    if (top)
        settle(stack, top, user);
}

void es_stack_settle_all(struct es_stack *stack, const struct es_stack_user *user)
{
    for (size_t i = 0; i < stack->tops.room; i++)
        if (stack->tops.slots[i].key)
            settle(stack, &stack->tops.slots[i].value, user);
}
