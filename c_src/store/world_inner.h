/* SPDX-License-Identifier: MIT */
/* What the files of a world share; see world.h. */
#ifndef ES_STORE_WORLD_INNER_H
#define ES_STORE_WORLD_INNER_H

#include "store/world.h"

#define ES_WORLD_CHUNK 1024u
#define ES_WORLD_FUNS (1u << 16)
#define ES_WORLD_FRAMES (1u << 20)
#define ES_WORLD_LINKS (1u << 22)
#define ES_WORLD_MAILS (1u << 20) /* of all processes; beyond, each keeps a few */

static inline struct es_world_proc *es_world_at(const struct es_world *world, uint32_t place)
{
    return &world->chunks[place / ES_WORLD_CHUNK][place % ES_WORLD_CHUNK];
}

/* ---- processes (world.c) ---- */
/* NULL: no memory, or too many. */
struct es_world_proc *es_world_add(struct es_world *world, es_ref pid);
int es_world_bury(struct es_world *world, es_ref pid, uint64_t exit_seq);

/* ---- what can grow (world_parts.c); -ENOMEM ---- */
/* Place of the function, made where it is not known; 0 where there are too many. Negative: no memory. */
int64_t es_world_fun(struct es_world *world, es_ref module, es_ref function, unsigned arity);
int es_world_call(struct es_world *world, struct es_world_proc *proc, const struct es_world_frame *call);
/* The innermost open call of this function ends, and with it those above. Of a function that is woven and traced both are open. */
void es_world_return(struct es_world *world, struct es_world_proc *proc, uint32_t fun, bool woven);
/* A `try` begins in the innermost call. */
void es_world_try(struct es_world *world, struct es_world_proc *proc, uint32_t fun, uint64_t token);
/* It caught an exception: calls above the one it is in are over. */
void es_world_caught(struct es_world *world, struct es_world_proc *proc, uint32_t fun, uint64_t token);
void es_world_no_calls(struct es_world *world, struct es_world_proc *proc);

int es_world_add_link(struct es_world *world, struct es_world_proc *proc, es_ref peer);
void es_world_drop_link(struct es_world *world, struct es_world_proc *proc, es_ref peer);
void es_world_no_links(struct es_world *world, struct es_world_proc *proc);
/* The next of what a census says it monitors. */
int es_world_add_monitor(struct es_world *world, struct es_world_proc *proc, es_ref peer);
void es_world_no_monitors(struct es_world *world, struct es_world_proc *proc);

int es_world_mail_push(struct es_world *world, struct es_world_proc *proc, const struct es_world_mail *mail);
/* It took this delivery, and so all before it. */
void es_world_mail_until(struct es_world *world, struct es_world_proc *proc, uint64_t seq);
/* It took this one, not in turn: by its number, or by the newest with this correlation. */
void es_world_mail_one(struct es_world *world, struct es_world_proc *proc, uint64_t seq, uint64_t corr);
void es_world_no_mail(struct es_world *world, struct es_world_proc *proc);

/* ---- what a census says (world_census.c) ---- */
int es_world_census(struct es_world *world, struct es_world_proc *proc, const struct es_event *event);

#endif
