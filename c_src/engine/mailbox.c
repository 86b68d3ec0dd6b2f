/* SPDX-License-Identifier: MIT */
/* Mailboxes and what is kept of them; see handle.h. What is handled is found in handle.c. */
#include "engine/mailbox.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "engine/timers.h"

void es_mails_fini(struct es_mails *mails)
{
    free(mails->nodes);
    *mails = (struct es_mails){0};
}

/* ---- nodes --------------------------------------------------------------------------------------------------------- */

static uint32_t new_node(struct es_mails *mails)
{
    uint32_t place = mails->free;
    if (place) {
        mails->free = es_mail_at(mails, place)->next;
        return place;
    }
    if (mails->n == mails->room) {
        uint32_t room = mails->room ? mails->room * 2 : 1024;
        struct es_mail *nodes = realloc(mails->nodes, room * sizeof *nodes);
        if (!nodes)
            return 0;
        mails->nodes = nodes;
        mails->room = room;
    }
    return ++mails->n;
}

int es_mail_push(struct es_mails *mails, struct es_mail_list *list, const struct es_mail *mail)
{
    uint32_t place = new_node(mails);
    if (!place)
        return es_fail(-ENOMEM, "no memory for mailboxes");
    *es_mail_at(mails, place) = *mail;
    es_mail_at(mails, place)->next = 0;
    if (list->last)
        es_mail_at(mails, list->last)->next = place;
    else
        list->first = place;
    list->last = place;
    list->n++;
    mails->used++;
    return 0;
}

void es_mail_drop_after(struct es_mails *mails, struct es_mail_list *list, uint32_t before)
{
    uint32_t *link = before ? &es_mail_at(mails, before)->next : &list->first, place = *link;
    *link = es_mail_at(mails, place)->next;
    if (list->last == place)
        list->last = before;
    list->n--;
    es_mail_at(mails, place)->next = mails->free;
    mails->free = place;
    mails->used--;
}

static void clear(struct es_mails *mails, struct es_mail_list *list)
{
    while (list->first)
        es_mail_drop_after(mails, list, 0);
}

void es_mail_clear(struct es_mails *mails, struct es_proc *proc)
{
    clear(mails, &proc->mailbox.waits);
    clear(mails, &proc->mailbox.postponed);
}

/* ---- bounds -------------------------------------------------------------------------------------------------------- */

void es_mail_forgotten(struct es_proc *proc) { proc->flags |= ES_P_MAIL_LOST; }

/* Moves the newer half of what waits into other nodes. */
static void move_newer(struct es_mails *to, const struct es_mails *from, struct es_proc *proc)
{
    struct es_mail_list old = proc->mailbox.waits;
    uint32_t place = old.first, older = (old.n + 1) / 2;
    proc->mailbox.gave_up |= proc->mailbox.postponed.n > 0;
    to->evicted += older + proc->mailbox.postponed.n;
    proc->mailbox.postponed = proc->mailbox.waits = (struct es_mail_list){0};
    if (old.n == 0)
        return;
    es_mail_forgotten(proc);
    for (; older > 0; older--)
        place = es_mail_at(from, place)->next;
    for (; place; place = es_mail_at(from, place)->next)
        es_mail_push(to, &proc->mailbox.waits, es_mail_at(from, place)); /* there is room for all */
}

/* All mailboxes give up the older half of what they hold; those of processes that were forgotten are gone as a whole. */
static int make_room(struct es_mails *mails, const struct es_processes *processes)
{
    struct es_mails to = *mails;
    to.nodes = malloc(mails->room * sizeof *to.nodes);
    if (!to.nodes)
        return es_fail(-ENOMEM, "no memory for mailboxes");
    to.n = to.free = to.used = 0;
    for (uint32_t i = 0; i < processes->used; i++)
        move_newer(&to, mails, es_proc_at(processes, i));
    free(mails->nodes);
    *mails = to;
    return 0;
}

/* ---- what comes in ------------------------------------------------------------------------------------------------- */

/* Only behaviours' processes say what they handle, and woven code what it takes. */
static bool is_kept(const struct es_mails *mails, const struct es_proc *proc)
{
    return (proc->callback != 0 || mails->woven) && !(proc->flags & ES_P_DEAD);
}

static uint32_t most_of(const struct es_mails *mails, const struct es_proc *proc)
{
    if ((proc->callback && mails->handles) || proc->mailbox.takes)
        return ES_MAILBOX_MAX;
    return proc->callback || proc->mailbox.woven ? ES_MAILBOX_UNHANDLED_MAX : ES_MAILBOX_PLAIN_MAX;
}

int es_mail_delivered(struct es_mails *mails, struct es_processes *processes, struct es_proc *proc,
                      const struct es_event *event)
{
    struct es_mail_list *waits = &proc->mailbox.waits;
    mails->delivers = true;
    if (!is_kept(mails, proc))
        return 0;
    if (mails->used >= ES_MAILS_MAX && make_room(mails, processes) < 0)
        return -ENOMEM;
    while (waits->n >= most_of(mails, proc)) {
        es_mail_drop_after(mails, waits, 0);
        es_mail_forgotten(proc);
        mails->evicted++;
    }
    struct es_mail mail = {.hash = event->hash,
                           .corr = event->corr,
                           .seq = event->seq,
                           .time = event->time,
                           .reply = event->flags & ES_E_REPLY};
    if (es_ref_class_of(event->peer) == ES_REF_ATOM) {
        mail.timer = es_timers_told(event).kind;
        mail.started = event->cause;
    }
    return es_mail_push(mails, waits, &mail);
}

int es_mail_postpone(struct es_mails *mails, struct es_mailbox *box, const struct es_mail *mail)
{
    if (box->postponed.n >= ES_MAILBOX_MAX || mails->used >= ES_MAILS_MAX) {
        box->gave_up = true;
        mails->evicted++;
        return 0;
    }
    return es_mail_push(mails, &box->postponed, mail);
}

void es_mail_timeout(struct es_processes *processes, const struct es_event *event)
{
    struct es_proc *proc = es_proc_find(processes, event->pid);
    if (proc)
        proc->mailbox.timeout = event->seq;
}

/* ---- keeping ------------------------------------------------------------------------------------------------------- */

int es_mails_each(const struct es_mails *mails, const struct es_processes *processes, es_mail_each *each, void *context)
{
    int n = 0;
    for (uint32_t i = 0; i < processes->used; i++) {
        const struct es_proc *proc = es_proc_at(processes, i);
        const struct es_mail_list *lists[] = {&proc->mailbox.waits, &proc->mailbox.postponed};
        if (proc->pid == 0)
            continue;
        for (unsigned queue = ES_MAIL_WAITS; queue <= ES_MAIL_POSTPONED; queue++)
            for (uint32_t place = lists[queue]->first; place; place = es_mail_at(mails, place)->next, n++)
                each(proc, es_mail_at(mails, place), (enum es_mail_queue)queue, context);
    }
    return n;
}

int es_mail_restore(struct es_mails *mails, struct es_proc *proc, const struct es_mail *mail, enum es_mail_queue queue)
{
    struct es_mail_list *list = queue == ES_MAIL_WAITS ? &proc->mailbox.waits : &proc->mailbox.postponed;
    if (mails->used >= ES_MAILS_MAX || list->n >= ES_MAILBOX_MAX) {
        es_mail_forgotten(proc);
        return 0;
    }
    return es_mail_push(mails, list, mail);
}
