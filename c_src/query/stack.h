/* SPDX-License-Identifier: MIT */
/* The open calls of each process, as far as calls and their ends tell: one shadow stack for all that asks "in
 * which call". An end closes the innermost open call of its function; calls above that one have no recorded
 * end: those of woven code were unwound by an exception. Of a function that is woven and traced by the emulator at once both calls are open, and
 * each end is of one of them. Frames are numbered, so that who uses a stack can keep more about each of them. */
#ifndef ES_QUERY_STACK_H
#define ES_QUERY_STACK_H

#include "query/inner.h"

#define ES_NO_FRAME UINT32_MAX

struct es_frame {
    uint64_t seq;
    int64_t time;
    es_ref pid, module, function;
    uint32_t below; /* the call it was made in, ES_NO_FRAME: none is open */
    uint32_t same;  /* an earlier open call of the same function by the same process */
    uint16_t arity;
    bool callback;
    bool woven;     /* told by probes */
    uint64_t token; /* of the first `try` in it, 0: none yet; later ones are larger, and those in calls above it too */
    bool doubtful;  /* a callback above which another began: it ends, seen here, or has lost its end */
};

struct es_stack {
    struct es_frame *frames;
    uint32_t n, room; /* numbers given so far */
    uint32_t spare;   /* of those that may be given again, linked by `below`; ES_NO_FRAME: none */
    bool reuse;       /* numbers of closed calls are given again */
    uint32_t max;     /* open calls, 0: no bound */
    uint32_t open;
    struct es_refmap tops;  /* process to number of its innermost call + 1 */
    struct es_refmap calls; /* hash of process and function to number of the last such call + 1 */
};

/* Told of each call that is closed, innermost first; `ended`: by its own end, else by the end of one below it, or of
 * its process. */
struct es_stack_user {
    void (*closed)(struct es_stack *stack, uint32_t frame, bool ended, void *context);
    void *context;
};

void es_stack_init(struct es_stack *stack);
void es_stack_fini(struct es_stack *stack);

/* The innermost open call, ES_NO_FRAME where there is none. */
uint32_t es_stack_top(const struct es_stack *stack, es_ref pid);

/* A call begins. -ENOMEM; -E2BIG where more than `max` are open. */
int es_stack_call(struct es_stack *stack, const struct es_event *call, uint32_t *ret_frame);

/* A call ends, and with it those above it. Gives the one that ended; ES_NO_FRAME: it began before we looked, nothing
 * was closed. */
uint32_t es_stack_end(struct es_stack *stack, const struct es_event *end, const struct es_stack_user *user);

/* Another event of woven code: it happens in the innermost call of its function, so calls above that one are over. Gives that call,
 * ES_NO_FRAME: it began before we looked. */
uint32_t es_stack_inside(struct es_stack *stack, const struct es_event *event, const struct es_stack_user *user);

/* The process ends, or looking at it does: all its calls are closed. */
void es_stack_settle(struct es_stack *stack, es_ref pid, const struct es_stack_user *user);
void es_stack_settle_all(struct es_stack *stack, const struct es_stack_user *user);

#endif
