/* SPDX-License-Identifier: MIT */
/* Which delivery a callback handles. Behaviours take their mailbox in order, so it is the first delivery with the content that the callback
 * was called for; those before it were taken by a receive inside of an earlier callback. A message may be handled again, where a gen_statem
 * postponed it or several handlers get one event. Where deliveries were lost, equal messages could be taken for each other: until it is
 * certain again that nothing is missing in a mailbox, only a message with a reference of its own is told. */
#ifndef ES_ENGINE_HANDLE_H
#define ES_ENGINE_HANDLE_H

#include "engine/process.h"
#include "store/event.h"

struct es_core;
struct es_input;
struct es_finding;

struct es_mail {
    uint64_t hash, corr, seq;
    int64_t time;
    uint32_t next; /* place + 1 */
};

#define ES_MAILS_MAX (1u << 18)      /* of all mailboxes together */
#define ES_MAILBOX_MAX 4096u         /* of one */
#define ES_MAILBOX_UNHANDLED_MAX 64u /* while no callback was seen at all: none may be recorded */

struct es_mails {
    struct es_mail *nodes;
    uint32_t n, room, free; /* free: place + 1 */
    uint32_t used;
    bool delivers, handles; /* a delivery was seen; a callback that says what it handles */
    uint64_t evicted;       /* taken and cleared by who counts */
};

void es_mails_fini(struct es_mails *mails);

/* A delivery that has its number. -ENOMEM. */
int es_mail_delivered(struct es_mails *mails, struct es_processes *processes, struct es_proc *proc,
                      const struct es_event *event);
/* A `receive … after` that waited in vain. */
void es_mail_timeout(struct es_processes *processes, const struct es_event *event);
/* A callback with a content hash: finds the delivery it handles, and takes it out. */
void es_mail_handled(struct es_core *core, struct es_proc *proc, const struct es_input *in,
                     struct es_finding *ret_finding);
/* The process has ended. */
void es_mail_clear(struct es_mails *mails, struct es_proc *proc);
/* Replaying a recording: a callback and what it handled. */
void es_mail_confirm(struct es_mails *mails, struct es_proc *proc, const struct es_event *event);

#endif
