/* SPDX-License-Identifier: MIT */
/* Which delivery a callback handles; see handle.h. */
#include "engine/handle.h"

#include "engine/core.h"
#include "engine/mailbox.h"

/* ---- doubt --------------------------------------------------------------------------------------------------------- */

static bool is_doubtful(const struct es_pairs *pairs, const struct es_mailbox *box)
{
    return pairs->lost && box->epoch != pairs->epoch;
}

/* Another one of this content waits behind it: which of the two it is says nothing about what is missing. */
static bool has_twin(const struct es_mails *mails, const struct es_mail *mail)
{
    for (uint32_t at = mail->next; at; at = es_mail_at(mails, at)->next)
        if (es_mail_at(mails, at)->hash == mail->hash)
            return true;
    return false;
}

/* One more at the head, and different from those before it: had some been lost before them, all of these would have to come again. */
static bool makes_streak(struct es_mailbox *box, uint64_t hash)
{
    for (uint32_t i = 0; i < box->streak; i++)
        if (box->seen[i] == (uint16_t)hash)
            box->streak = 0;
    box->seen[box->streak++] = (uint16_t)hash;
    return box->streak == ES_STREAK;
}

/* Nothing is missing in the mailbox any more, once its owner has come to a message that must be this one and came after the losses, or has
 * found several in a row at the head. */
static bool is_certain(const struct es_pairs *pairs, struct es_proc *proc, const struct es_mail *mail, bool at_head)
{
    struct es_mailbox *box = &proc->mailbox;
    bool lost = is_doubtful(pairs, box);
    if (!lost && !(proc->flags & ES_P_MAIL_LOST))
        return true;
    bool after = !lost || !ES_IN_DOUBT(pairs, mail->time - pairs->paused);
    if (!after || !at_head)
        box->streak = 0;
    if (after && (mail->corr || (at_head && makes_streak(box, mail->hash)))) {
        box->epoch = pairs->epoch;
        box->streak = 0;
        proc->flags &= (uint8_t)~ES_P_MAIL_LOST;
        return true;
    }
    return mail->corr != 0;
}

static uint8_t explain(const struct es_core *core, const struct es_proc *proc, const struct es_input *in)
{
    if (in->flags & ES_E_LATE)
        return ES_CAUSE_LATE;
    if (is_doubtful(&core->pairs, &proc->mailbox))
        return ES_CAUSE_LOST;
    if ((proc->flags & ES_P_MAIL_LOST) || proc->mailbox.gave_up)
        return ES_CAUSE_EVICTED;
    bool was_there = proc->census_seq && !(proc->flags & ES_P_HANDLES); /* so was its mailbox */
    return !core->mails.delivers || was_there ? ES_CAUSE_UNTRACED : ES_CAUSE_UNKNOWN;
}

/* ---- where it may be ----------------------------------------------------------------------------------------------- */

struct places { /* of a content; + 1, 0: nowhere */
    uint32_t waits, before;
    uint32_t postponed, before_postponed, n_postponed;
};

static struct places find(const struct es_mails *mails, const struct es_mailbox *box, uint64_t hash)
{
    struct places p = {0};
    for (p.waits = box->waits.first; p.waits && es_mail_at(mails, p.waits)->hash != hash;
         p.waits = es_mail_at(mails, p.waits)->next)
        p.before = p.waits;
    uint32_t before = 0;
    for (uint32_t at = box->postponed.first; at; before = at, at = es_mail_at(mails, at)->next) {
        if (es_mail_at(mails, at)->hash != hash)
            continue;
        p.postponed = at;
        p.before_postponed = before;
        p.n_postponed++;
    }
    return p;
}

static void note_handled(struct es_core *core, struct es_proc *proc, const struct es_input *in,
                         const struct es_mail *mail)
{
    struct es_handled *handled = &proc->mailbox.handled;
    handled->hash = in->view.hash;
    handled->timer = mail->timer;
    handled->corr = mail->corr;
    handled->seq = mail->seq;
    handled->time = mail->time;
    handled->module = in->view.module;
    handled->function = in->view.function;
    handled->arity = in->view.arity;
    handled->open = 1;
    handled->epoch = core->pairs.epoch;
}

static bool is_same(const struct es_handled *handled, es_ref module, es_ref function, uint16_t arity)
{
    return handled->module == module && handled->function == function && handled->arity == arity;
}

/* ---- cases --------------------------------------------------------------------------------------------------------- */

/* A callback that is called by another one is told of the same message, or of none. */
static bool is_nested(struct es_core *core, struct es_mailbox *box, const struct es_input *in,
                      struct es_finding *finding)
{
    struct es_handled *handled = &box->handled;
    if (!handled->open || handled->epoch != core->pairs.epoch)
        return false;
    handled->open += is_same(handled, in->view.module, in->view.function, in->view.arity);
    *finding = (struct es_finding){.state = ES_CAUSE_UNKNOWN, .sender = in->view.pid};
    if (in->view.hash && handled->hash == in->view.hash && handled->seq)
        *finding = (struct es_finding){ES_CAUSE_PAIRED, handled->seq, in->view.pid};
    return true;
}

/* handle_info(timeout, _) after gen_server's own receive has waited in vain. */
static bool is_timeout(const struct es_core *core, const struct es_mailbox *box, const struct es_input *in)
{
    struct es_reader r;
    struct es_token token;
    if (!box->timeout || es_names_word(&core->names, in->view.function) != ES_W_HANDLE_INFO)
        return false;
    es_reader_init(&r, in->view.payload, in->view.payload_len);
    return es_token_next(&r, &token) == 0 && token.type == ES_TOK_LIST && es_token_next(&r, &token) == 0 &&
           es_names_token_word(&core->names, &token) == ES_W_TIMEOUT;
}

/* Another handler of a gen_event gets what the one before got, unless an equal event waits. */
static bool is_for_next_handler(const struct es_mailbox *box, unsigned behaviour, uint64_t hash)
{
    return behaviour == ES_B_EVENT && box->handled.hash == hash && box->handled.seq;
}

/* It is this one, of the mailbox; those before it were taken by the process itself. */
static void take_waiting(struct es_core *core, struct es_proc *proc, uint32_t place, struct es_finding *finding,
                         struct es_mail *ret_mail)
{
    struct es_mailbox *box = &proc->mailbox;
    *ret_mail = *es_mail_at(&core->mails, place);
    bool lost = is_doubtful(&core->pairs, box);
    if ((lost || (proc->flags & ES_P_MAIL_LOST)) && !ret_mail->corr && has_twin(&core->mails, ret_mail)) {
        finding->state = lost ? ES_CAUSE_LOST : ES_CAUSE_EVICTED;
        box->streak = 0;
        return;
    }
    bool certain = is_certain(&core->pairs, proc, ret_mail, place == box->waits.first);
    while (box->waits.first != place)
        es_mail_drop_after(&core->mails, &box->waits, 0);
    es_mail_drop_after(&core->mails, &box->waits, 0);
    proc->flags |= ES_P_HANDLES;
    finding->state = !certain ? lost ? ES_CAUSE_LOST : ES_CAUSE_EVICTED : ES_CAUSE_PAIRED;
    if (certain && box->gave_up && !ret_mail->corr)
        finding->state = ES_CAUSE_EVICTED; /* or it is one that was postponed and forgotten */
}

static void look(struct es_core *core, struct es_proc *proc, const struct es_input *in, unsigned behaviour,
                 struct es_finding *finding, struct es_mail *ret_mail)
{
    struct es_mailbox *box = &proc->mailbox;
    struct places p = find(&core->mails, box, in->view.hash);
    bool next_handler = is_for_next_handler(box, behaviour, in->view.hash);
    *ret_mail = (struct es_mail){.seq = 0};
    finding->state = ES_CAUSE_UNKNOWN;
    if ((p.waits != 0) + p.n_postponed + next_handler > 1)
        return; /* more than one that it may be */
    if (next_handler) {
        *ret_mail = (struct es_mail){.corr = box->handled.corr, .seq = box->handled.seq, .time = box->handled.time};
        finding->state = is_doubtful(&core->pairs, box) && !ret_mail->corr ? ES_CAUSE_LOST : ES_CAUSE_PAIRED;
    } else if (p.postponed) {
        *ret_mail = *es_mail_at(&core->mails, p.postponed);
        finding->state = is_doubtful(&core->pairs, box) && !ret_mail->corr ? ES_CAUSE_LOST : ES_CAUSE_PAIRED;
        es_mail_drop_after(&core->mails, &box->postponed, p.before_postponed);
    } else if (p.waits) {
        take_waiting(core, proc, p.waits, finding, ret_mail);
    } else {
        finding->state = explain(core, proc, in);
    }
}

void es_mail_handled(struct es_core *core, struct es_proc *proc, const struct es_input *in, unsigned behaviour,
                     struct es_finding *ret_finding)
{
    struct es_mailbox *box = &proc->mailbox;
    struct es_mail mail = {.seq = box->timeout, .time = in->time};
    if (is_nested(core, box, in, ret_finding))
        return;
    *ret_finding = (struct es_finding){.state = ES_CAUSE_PAIRED, .sender = in->view.pid};
    if (!is_timeout(core, box, in))
        look(core, proc, in, behaviour, ret_finding, &mail);
    else if (is_doubtful(&core->pairs, box))
        ret_finding->state = ES_CAUSE_LOST;
    ret_finding->cause = ret_finding->state == ES_CAUSE_PAIRED ? mail.seq : 0;
    note_handled(core, proc, in, &mail);
    box->handled.behaviour = (uint8_t)behaviour;
    box->handled.seq = ret_finding->cause;
}

/* ---- woven code ---------------------------------------------------------------------------------------------------- */

/* A receive may leave messages in front of the one it takes. Replies among these were taken by code that is not woven: their receiver has
 * gone on since. */
static void drop_replies(struct es_mails *mails, struct es_mailbox *box, uint64_t until)
{
    for (uint32_t at = box->waits.first, before = 0, next; at && es_mail_at(mails, at)->seq < until; at = next) {
        next = es_mail_at(mails, at)->next;
        if (es_mail_at(mails, at)->reply)
            es_mail_drop_after(mails, &box->waits, before);
        else
            before = at;
    }
}

void es_mail_taken(struct es_core *core, struct es_proc *proc, const struct es_input *in,
                   struct es_finding *ret_finding)
{
    struct es_mailbox *box = &proc->mailbox;
    box->takes = core->mails.woven = true;
    struct places p = find(&core->mails, box, in->view.hash);
    *ret_finding = (struct es_finding){.state = ES_CAUSE_UNKNOWN, .sender = in->view.pid};
    if (!p.waits) {
        ret_finding->state = explain(core, proc, in);
        return;
    }
    struct es_mail mail = *es_mail_at(&core->mails, p.waits);
    bool lost = is_doubtful(&core->pairs, box), doubt = lost || (proc->flags & ES_P_MAIL_LOST);
    bool twin = doubt && !mail.corr && has_twin(&core->mails, &mail);
    bool certain = !twin && is_certain(&core->pairs, proc, &mail, p.waits == box->waits.first);
    ret_finding->state = certain ? ES_CAUSE_PAIRED : lost ? ES_CAUSE_LOST : ES_CAUSE_EVICTED;
    if (twin)
        return;
    es_mail_drop_after(&core->mails, &box->waits, p.before);
    drop_replies(&core->mails, box, mail.seq);
    proc->flags |= ES_P_HANDLES;
    ret_finding->cause = certain ? mail.seq : 0;
}

/* ---- timeouts of state machines ------------------------------------------------------------------------------------ */

/* The one that was started last: by then the one before was handled, or thrown away with its message. They may fire in another order. */
static uint32_t newest_of(const struct es_mails *mails, const struct es_mail_list *list, uint64_t timer,
                          uint32_t *ret_before)
{
    uint32_t found = 0, before = 0;
    for (uint32_t at = list->first; at; before = at, at = es_mail_at(mails, at)->next)
        if (es_mail_at(mails, at)->timer == timer &&
            (!found || es_mail_at(mails, at)->started >= es_mail_at(mails, found)->started)) {
            found = at;
            *ret_before = before;
        }
    return found;
}

enum again { NOT_AGAIN, AGAIN, PERHAPS };

/* Whether a timer of this kind was set again since this one was started: then its message was thrown away. */
static enum again is_set_again(const struct es_mails *mails, const struct es_mailbox *box, const struct es_mail *mail)
{
    uint64_t before = box->set_before > mails->known_from ? box->set_before : mails->known_from;
    for (uint32_t i = 0; i < ES_TIMER_SETS; i++)
        if (mail->started && box->set[i].kind == mail->timer && box->set[i].seq > mail->started)
            return AGAIN;
    return mail->started > before ? NOT_AGAIN : PERHAPS;
}

static void look_timed(struct es_core *core, struct es_proc *proc, const struct es_input *in, uint64_t timer,
                       struct es_finding *finding, struct es_mail *ret_mail)
{
    struct es_mailbox *box = &proc->mailbox;
    uint32_t before = 0, waits = newest_of(&core->mails, &box->waits, timer, &before),
             postponed = newest_of(&core->mails, &box->postponed, timer, &before);
    enum again again = waits ? is_set_again(&core->mails, box, es_mail_at(&core->mails, waits)) : AGAIN;
    *ret_mail = (struct es_mail){.timer = timer};
    finding->state = ES_CAUSE_UNKNOWN;
    if (again == NOT_AGAIN && !postponed) {
        take_waiting(core, proc, waits, finding, ret_mail);
    } else if (again == AGAIN && postponed) {
        *ret_mail = *es_mail_at(&core->mails, postponed);
        finding->state = ES_CAUSE_PAIRED;
        es_mail_drop_after(&core->mails, &box->postponed, before);
    } else if (again == AGAIN) {
        uint8_t why = explain(core, proc, in);
        finding->state = why == ES_CAUSE_UNKNOWN ? ES_CAUSE_NONE : why; /* of no time */
    }
}

void es_mail_timed(struct es_core *core, struct es_proc *proc, const struct es_input *in, uint64_t timer,
                   struct es_finding *ret_finding)
{
    struct es_mail mail;
    if (is_nested(core, &proc->mailbox, in, ret_finding))
        return;
    *ret_finding = (struct es_finding){.sender = in->view.pid};
    look_timed(core, proc, in, timer, ret_finding, &mail);
    ret_finding->cause = ret_finding->state == ES_CAUSE_PAIRED ? mail.seq : 0;
    note_handled(core, proc, in, &mail);
    proc->mailbox.handled.behaviour = ES_B_STATEM;
    proc->mailbox.handled.seq = ret_finding->cause;
}

static void set_timer(struct es_mailbox *box, uint64_t kind, uint64_t seq)
{
    struct es_timer_set *place = &box->set[0];
    for (uint32_t i = 0; i < ES_TIMER_SETS && place->kind != kind; i++)
        if (box->set[i].kind == kind || box->set[i].seq < place->seq)
            place = &box->set[i];
    if (place->kind != kind && place->seq > box->set_before)
        box->set_before = place->seq;
    *place = (struct es_timer_set){kind, seq};
}

void es_mail_timers(struct es_proc *proc, const struct es_actions *actions, uint64_t seq)
{
    if (actions->any_timer)
        proc->mailbox.set_before = seq;
    for (uint32_t i = 0; i < actions->n_timers; i++)
        set_timer(&proc->mailbox, actions->timers[i], seq);
}

/* ---- ends ---------------------------------------------------------------------------------------------------------- */

int es_mail_ended(struct es_mails *mails, struct es_proc *proc, const struct es_event *event, uint8_t postponed)
{
    struct es_handled *handled = &proc->mailbox.handled;
    if (!handled->open || !is_same(handled, event->module, event->function, event->arity))
        return 0;
    proc->mailbox.timeout = 0;
    if (--handled->open > 0 || postponed == ES_POSTPONED_NOT || !handled->seq || handled->behaviour != ES_B_STATEM)
        return 0;
    struct es_mail mail = {.hash = handled->hash,
                           .corr = handled->corr,
                           .seq = handled->seq,
                           .timer = handled->timer,
                           .time = handled->time};
    return es_mail_postpone(mails, &proc->mailbox, &mail);
}

/* ---- replaying ----------------------------------------------------------------------------------------------------- */

void es_mail_confirm(struct es_mails *mails, struct es_proc *proc, const struct es_event *event)
{
    struct es_mailbox *box = &proc->mailbox;
    box->timeout = 0;
    mails->handles |= event->hash != 0;
    if (!event->cause)
        return;
    struct es_mail mail = {0};
    while (box->waits.first && es_mail_at(mails, box->waits.first)->seq <= event->cause) {
        mail = *es_mail_at(mails, box->waits.first);
        es_mail_drop_after(mails, &box->waits, 0);
    }
    uint32_t before = 0;
    for (uint32_t at = box->postponed.first; at; before = at, at = es_mail_at(mails, at)->next)
        if (es_mail_at(mails, at)->seq == event->cause) {
            mail = *es_mail_at(mails, at);
            es_mail_drop_after(mails, &box->postponed, before);
            break;
        }
    box->handled = (struct es_handled){.hash = event->hash,
                                       .timer = mail.seq == event->cause ? mail.timer : 0,
                                       .corr = mail.seq == event->cause ? mail.corr : 0,
                                       .seq = event->cause,
                                       .time = event->time,
                                       .module = event->module,
                                       .function = event->function,
                                       .arity = event->arity,
                                       .open = 1,
                                       .epoch = 0};
    proc->flags |= ES_P_HANDLES;
}

void es_mail_confirm_taken(struct es_mails *mails, struct es_proc *proc, const struct es_event *event)
{
    struct es_mailbox *box = &proc->mailbox;
    box->woven = box->takes = mails->woven = true;
    uint32_t before = 0;
    for (uint32_t at = box->waits.first; event->cause && at; before = at, at = es_mail_at(mails, at)->next)
        if (es_mail_at(mails, at)->seq == event->cause) {
            es_mail_drop_after(mails, &box->waits, before);
            proc->flags |= ES_P_HANDLES;
            break;
        }
    drop_replies(mails, box, event->cause);
}
