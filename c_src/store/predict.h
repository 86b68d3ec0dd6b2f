/* SPDX-License-Identifier: MIT */
/* What is likely to come next in one process, from what came before in the same block: a return ends the innermost call, a reply goes to
 * whom the last message came from. Encoder and decoder run the same code; a right guess costs a zero byte, of which many compress to
 * nothing. Changing anything here changes the format. */
#ifndef ES_STORE_PREDICT_H
#define ES_STORE_PREDICT_H

#include <stdint.h>

#include "wire/event.h"

#define ES_NOTHING UINT32_MAX
#define ES_PREDICT_DEPTH 256u

struct es_predict {
    uint32_t depth;            /* of open calls */
    uint32_t returned, out;    /* functions: last one returned from, last one scheduled out in */
    uint32_t sender, receiver; /* references: of the last delivery, of the last send */
    uint32_t delivery, state;  /* events: last of each, that later hashes may repeat */
    uint32_t call[ES_PREDICT_DEPTH];
};

/* At the first event of each process. */
static inline void es_predict_start(struct es_predict *p)
{
    p->depth = 0;
    p->returned = p->out = p->sender = p->receiver = p->delivery = p->state = ES_NOTHING;
}

static inline uint32_t es_predict_fun(const struct es_predict *p, unsigned kind)
{
    switch (kind) {
    case ES_K_RETURN:
    case ES_K_EXCEPTION:
    case ES_K_TAIL:
    case ES_K_TRY:
    case ES_K_CAUGHT:
    case ES_K_TAKEN:
    case ES_K_LINE: return p->depth ? p->call[p->depth - 1] : ES_NOTHING;
    case ES_K_STATE: return p->returned;
    case ES_K_IN: return p->out;
    default: return ES_NOTHING;
    }
}

static inline void es_predict_return(struct es_predict *p, uint32_t fun)
{
    p->returned = fun;
    for (uint32_t i = p->depth, tried = 0; i > 0 && tried < 32; i--, tried++) {
        if (p->call[i - 1] == fun) {
            p->depth = i - 1;
            return;
        }
    }
}

static inline void es_predict_saw_fun(struct es_predict *p, unsigned kind, uint32_t fun)
{
    if (kind == ES_K_CALL) {
        if (p->depth < ES_PREDICT_DEPTH)
            p->call[p->depth++] = fun;
    } else if (kind == ES_K_RETURN || kind == ES_K_EXCEPTION || kind == ES_K_TAIL) {
        es_predict_return(p, fun);
    } else if (kind == ES_K_OUT) {
        p->out = fun;
    }
}

/* `causer`: the process of the event's cause where that is in this block, else ES_NOTHING. */
static inline uint32_t es_predict_peer(const struct es_predict *p, unsigned kind, uint32_t causer)
{
    return causer != ES_NOTHING ? causer : kind == ES_K_SEND ? p->sender : ES_NOTHING;
}

static inline void es_predict_saw_peer(struct es_predict *p, unsigned kind, uint32_t peer)
{
    if (kind == ES_K_DELIVER)
        p->sender = peer;
    else if (kind == ES_K_SEND)
        p->receiver = peer;
}

/* The earlier event whose hash this one probably has: that of its cause, or the state before. */
static inline uint32_t es_predict_hash(const struct es_predict *p, unsigned kind, uint32_t cause)
{
    return cause != ES_NOTHING ? cause : kind == ES_K_STATE ? p->state : ES_NOTHING;
}
/* … whose correlation this one probably has: its cause, or the request it answers. */
static inline uint32_t es_predict_corr(const struct es_predict *p, uint32_t cause)
{
    return cause != ES_NOTHING ? cause : p->delivery;
}
static inline void es_predict_saw_event(struct es_predict *p, unsigned kind, uint32_t event)
{
    if (kind == ES_K_DELIVER)
        p->delivery = event;
    else if (kind == ES_K_STATE)
        p->state = event;
}

/* How a hash and a correlation are given: one byte in MESSAGES. */
enum es_given { ES_GIVEN_ZERO = 0, ES_GIVEN_PREDICTED = 1, ES_GIVEN_BYTES = 2 };

#endif
