/* SPDX-License-Identifier: MIT */
/* Mailboxes; see handle.h. */
#include "engine/handle.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "engine/core.h"

void es_mails_fini(struct es_mails *mails)
{
    free(mails->nodes);
    *mails = (struct es_mails){0};
}

/* ---- nodes --------------------------------------------------------------------------------------------------------- */

static struct es_mail *at(const struct es_mails *mails, uint32_t place) { return &mails->nodes[place - 1]; }

static uint32_t new_node(struct es_mails *mails)
{
    uint32_t place = mails->free;
    if (place) {
        mails->free = at(mails, place)->next;
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

static void drop_first(struct es_mails *mails, struct es_mailbox *box)
{
    uint32_t place = box->first;
    box->first = at(mails, place)->next;
    box->n--;
    if (box->first == 0)
        box->last = 0;
    at(mails, place)->next = mails->free;
    mails->free = place;
    mails->used--;
}

static void evict_first(struct es_mails *mails, struct es_proc *proc)
{
    drop_first(mails, &proc->mailbox);
    proc->flags |= ES_P_MAIL_LOST;
    mails->evicted++;
}

void es_mail_clear(struct es_mails *mails, struct es_proc *proc)
{
    while (proc->mailbox.first)
        drop_first(mails, &proc->mailbox);
}

/* Moves a mailbox's newer half into other nodes. */
static void move_newer(struct es_mails *to, const struct es_mails *from, struct es_proc *proc)
{
    struct es_mailbox *box = &proc->mailbox;
    uint32_t place = box->first, older = (box->n + 1) / 2;
    if (box->n == 0)
        return;
    proc->flags |= ES_P_MAIL_LOST;
    to->evicted += older;
    box->n -= older;
    box->first = box->last = 0;
    for (; older > 0; older--)
        place = at(from, place)->next;
    for (; place; place = at(from, place)->next) {
        to->nodes[to->n++] = *at(from, place);
        to->nodes[to->n - 1].next = 0;
        if (box->last)
            at(to, box->last)->next = to->n;
        else
            box->first = to->n;
        box->last = to->n;
    }
}

/* All mailboxes give up the older half of what they hold; those of processes that were forgotten are gone as a whole. */
static int make_room(struct es_mails *mails, const struct es_processes *processes)
{
    struct es_mails to = *mails;
    to.nodes = malloc(mails->room * sizeof *to.nodes);
    if (!to.nodes)
        return es_fail(-ENOMEM, "no memory for mailboxes");
    to.n = to.free = 0;
    for (uint32_t i = 0; i < processes->used; i++)
        move_newer(&to, mails, es_proc_at(processes, i));
    to.used = to.n;
    free(mails->nodes);
    *mails = to;
    return 0;
}

/* ---- deliveries ---------------------------------------------------------------------------------------------------- */

/* Only behaviours' processes say what they handle. */
static bool is_kept(const struct es_proc *proc) { return proc->callback != 0 && !(proc->flags & ES_P_DEAD); }

int es_mail_delivered(struct es_mails *mails, struct es_processes *processes, struct es_proc *proc,
                      const struct es_event *event)
{
    struct es_mailbox *box = &proc->mailbox;
    mails->delivers = true;
    if (!is_kept(proc))
        return 0;
    if (mails->used >= ES_MAILS_MAX && make_room(mails, processes) < 0)
        return -ENOMEM;
    while (box->n >= (mails->handles ? ES_MAILBOX_MAX : ES_MAILBOX_UNHANDLED_MAX))
        evict_first(mails, proc);
    uint32_t place = new_node(mails);
    if (!place)
        return es_fail(-ENOMEM, "no memory for mailboxes");
    *at(mails, place) =
        (struct es_mail){.hash = event->hash, .corr = event->corr, .seq = event->seq, .time = event->time};
    if (box->last)
        at(mails, box->last)->next = place;
    else
        box->first = place;
    box->last = place;
    box->n++;
    mails->used++;
    return 0;
}

void es_mail_timeout(struct es_processes *processes, const struct es_event *event)
{
    struct es_proc *proc = es_proc_find(processes, event->pid);
    if (proc)
        proc->mailbox.timeout = event->seq;
}

/* ---- callbacks ----------------------------------------------------------------------------------------------------- */

static void remember(struct es_mailbox *box, uint64_t hash, uint64_t seq)
{
    box->handled[box->next_handled++ % ES_HANDLED_KEPT] = (struct es_handled){hash, seq};
}

static uint64_t handled_before(const struct es_mailbox *box, uint64_t hash)
{
    for (uint32_t i = 1; i <= ES_HANDLED_KEPT; i++) {
        const struct es_handled *handled = &box->handled[(box->next_handled - i) % ES_HANDLED_KEPT];
        if (handled->seq && handled->hash == hash)
            return handled->seq;
    }
    return 0;
}

/* Nothing is missing in the mailbox any more, once its owner has come to a message that must be this one and came after the losses, or has
 * found several in a row at the head. */
static bool is_certain(const struct es_pairs *pairs, struct es_mailbox *box, const struct es_mail *mail, bool at_head)
{
    if (!pairs->lost || box->epoch == pairs->epoch)
        return true;
    bool after = !ES_IN_DOUBT(pairs, mail->time - pairs->paused);
    box->streak = after && at_head ? box->streak + 1 : 0;
    if (after && (mail->corr || box->streak >= ES_STREAK)) {
        box->epoch = pairs->epoch;
        box->streak = 0;
        return true;
    }
    return mail->corr != 0;
}

/* Whether a receive waited in vain, and that is what handle_info is told. */
static bool is_timeout(const struct es_core *core, const struct es_mailbox *box, const struct es_input *in)
{
    return box->timeout && es_names_word(&core->names, in->view.function) == ES_W_HANDLE_INFO;
}

static uint8_t explain(const struct es_core *core, const struct es_proc *proc, const struct es_input *in)
{
    if (in->flags & ES_E_LATE)
        return ES_CAUSE_LATE;
    if (core->pairs.lost && proc->mailbox.epoch != core->pairs.epoch)
        return ES_CAUSE_LOST;
    if (proc->flags & ES_P_MAIL_LOST)
        return ES_CAUSE_EVICTED;
    bool was_there = proc->census_seq && !(proc->flags & ES_P_HANDLES); /* so was its mailbox */
    return !core->mails.delivers || was_there ? ES_CAUSE_UNTRACED : ES_CAUSE_UNKNOWN;
}

void es_mail_handled(struct es_core *core, struct es_proc *proc, const struct es_input *in,
                     struct es_finding *ret_finding)
{
    struct es_mails *mails = &core->mails;
    struct es_mailbox *box = &proc->mailbox;
    uint32_t place = box->first;
    mails->handles = true;
    while (place && at(mails, place)->hash != in->view.hash)
        place = at(mails, place)->next;
    *ret_finding = (struct es_finding){.state = ES_CAUSE_PAIRED, .sender = in->view.pid};
    if (place) {
        const struct es_mail mail = *at(mails, place);
        bool certain = is_certain(&core->pairs, box, &mail, place == box->first);
        while (box->first != place)
            drop_first(mails, box);
        drop_first(mails, box);
        remember(box, mail.hash, mail.seq);
        proc->flags |= ES_P_HANDLES;
        if (certain)
            ret_finding->cause = mail.seq;
        else
            ret_finding->state = ES_CAUSE_LOST;
        return;
    }
    uint64_t again = handled_before(box, in->view.hash);
    ret_finding->cause = again ? again : is_timeout(core, box, in) ? box->timeout : 0;
    if (!ret_finding->cause)
        ret_finding->state = explain(core, proc, in);
}

void es_mail_confirm(struct es_mails *mails, struct es_proc *proc, const struct es_event *event)
{
    struct es_mailbox *box = &proc->mailbox;
    box->timeout = 0;
    mails->handles |= event->hash != 0;
    if (!event->cause)
        return;
    while (box->first && at(mails, box->first)->seq <= event->cause)
        drop_first(mails, box);
    remember(box, event->hash, event->cause);
    proc->flags |= ES_P_HANDLES;
}
