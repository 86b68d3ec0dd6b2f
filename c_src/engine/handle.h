/* SPDX-License-Identifier: MIT */
/* Which delivery a callback handles. Behaviours take their mailbox in order, so it is the first delivery with the content that the callback
 * was called for; those before it were taken by a receive inside of an earlier callback. A message may be handled again: a gen_statem
 * postpones it, which its answer says, and all handlers of a gen_event get one event. Where an equal message waits too, it is not known
 * which of the two it is. Where deliveries were lost or forgotten, equal messages could be taken for each other: until it is certain again
 * that nothing is missing in a mailbox, only a message with a reference of its own is told. */
#ifndef ES_ENGINE_HANDLE_H
#define ES_ENGINE_HANDLE_H

#include "engine/actions.h"
#include "engine/process.h"
#include "engine/state.h"
#include "store/event.h"

struct es_core;
struct es_input;
struct es_finding;

struct es_mail {
    uint64_t hash, corr, seq;
    uint64_t timer,
        started; /* of a message of erlang:start_timer: es_timer_kind() of what it was told, and its call; 0 */
    int64_t time;
    uint32_t next; /* place + 1 */
    bool reply;    /* what its receiver waited for then: taken by now, whatever was seen of that */
};

#define ES_MAILS_MAX (1u << 18) /* of all mailboxes together */
#define ES_MAILBOX_MAX 16384u   /* of one */
#define ES_MAILBOX_PLAIN_MAX \
    16u /* of a process that neither runs a behaviour nor was seen in woven code, but may be yet */
#define ES_MAILBOX_UNHANDLED_MAX 512u /* while no callback was seen at all: none may be recorded */

struct es_mails {
    struct es_mail *nodes;
    uint32_t n, room, free; /* free: place + 1 */
    uint32_t used;
    bool delivers, handles; /* a delivery was seen; a callback */
    bool woven;             /* a probe was: processes that run no behaviour may tell what they take */
    uint64_t known_from;    /* what state machines answered before is not known: an engine was replaced */
    uint64_t evicted;       /* taken and cleared by who counts */
};

void es_mails_fini(struct es_mails *mails);

/* A delivery that has its number. -ENOMEM. */
int es_mail_delivered(struct es_mails *mails, struct es_processes *processes, struct es_proc *proc,
                      const struct es_event *event);
/* A `receive … after` that waited in vain. */
void es_mail_timeout(struct es_processes *processes, const struct es_event *event);
/* A callback with a content hash: finds the delivery it handles, and takes it out. `behaviour`: enum es_behaviour. */
void es_mail_handled(struct es_core *core, struct es_proc *proc, const struct es_input *in, unsigned behaviour,
                     struct es_finding *ret_finding);
/* A receive in woven code took a message with this content hash: finds its delivery, and takes it out. */
void es_mail_taken(struct es_core *core, struct es_proc *proc, const struct es_input *in,
                   struct es_finding *ret_finding);
/* A state machine's callback for a timeout of this kind: the same. A timeout of no time at all is no message: ES_CAUSE_NONE. */
void es_mail_timed(struct es_core *core, struct es_proc *proc, const struct es_input *in, uint64_t timer,
                   struct es_finding *ret_finding);
/* A function returned or failed: where it is the callback that was called last, whether what it handled comes again. -ENOMEM. */
int es_mail_ended(struct es_mails *mails, struct es_proc *proc, const struct es_event *event, uint8_t postponed);
/* The answer of a state machine's callback, as event number `seq`: timers of these kinds that were started before are over. */
void es_mail_timers(struct es_proc *proc, const struct es_actions *actions, uint64_t seq);
/* The process has ended. */
void es_mail_clear(struct es_mails *mails, struct es_proc *proc);
/* Replaying a recording: a callback and what it handled. */
void es_mail_confirm(struct es_mails *mails, struct es_proc *proc, const struct es_event *event);
/* The same of a message that a receive took. */
void es_mail_confirm_taken(struct es_mails *mails, struct es_proc *proc, const struct es_event *event);

/* All that waits, in order: for a keyframe. `queue`: one of these. */
enum es_mail_queue { ES_MAIL_WAITS, ES_MAIL_POSTPONED };
typedef void es_mail_each(const struct es_proc *proc, const struct es_mail *mail, enum es_mail_queue queue,
                          void *context);
int es_mails_each(const struct es_mails *mails, const struct es_processes *processes, es_mail_each *each,
                  void *context); /* gives their number */
int es_mail_restore(struct es_mails *mails, struct es_proc *proc, const struct es_mail *mail, enum es_mail_queue queue);
/* Something that waited is not known any more. */
void es_mail_forgotten(struct es_proc *proc);

#endif
