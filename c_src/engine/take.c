/* SPDX-License-Identifier: MIT */
/* What each kind of event becomes: its cause, its event in the recording, and what is known from then on; see take.h. */
#include "engine/take.h"

#include "base/error.h"
#include "engine/engine.h"

/* ---- events that have a cause -------------------------------------------------------------------------------------- */

static int emit_caused(struct es_core *core, struct es_proc *proc, struct es_event *event,
                       const struct es_finding *finding)
{
    event->cause_state = finding->state;
    event->cause = finding->cause;
    core->causes[finding->state]++;
    return es_core_emit(core, proc, event);
}

/* What a delivery or a first event waits for is not there: `ret_waits` NULL: it begins to wait. */
static int begin_wait(struct es_core *core, struct es_proc *proc, struct es_input *in, bool *ret_waits)
{
    if (!ret_waits)
        return es_hold_push(core, proc, in, es_core_wait(core));
    *ret_waits = true;
    return 0;
}

static int take_delivery(struct es_core *core, struct es_proc *proc, struct es_input *in, bool last, bool *ret_waits)
{
    struct es_finding finding;
    bool waits;
    int r = es_message_delivered(core, proc, in, last, &finding, &waits);
    if (r < 0 || waits)
        return r < 0 ? r : begin_wait(core, proc, in, ret_waits);
    struct es_event event;
    es_take_event(in, &event);
    event.peer = finding.sender;
    if (event.corr && event.peer != event.pid) {
        const struct es_world_proc *receiver = es_world_find(&core->world, event.pid);
        bool waits_for = receiver && receiver->wait_corr == event.corr;
        event.flags |= waits_for ? ES_E_REPLY : 0;
        core->replies[finding.state] += waits_for || es_pairs_owner(&core->pairs, event.corr) == event.pid;
    }
    r = emit_caused(core, proc, &event, &finding);
    return r < 0 ? r : es_mail_delivered(&core->mails, &core->processes, proc, &event);
}

/* The first event of a process, caused by its parent's. */
static int take_spawned(struct es_core *core, struct es_proc *proc, struct es_input *in, bool last, bool *ret_waits)
{
    struct es_event event;
    es_take_event(in, &event);
    struct es_finding finding = {.state = ES_CAUSE_EXTERNAL};
    if (proc->row.spawn_seq) {
        finding = (struct es_finding){.state = ES_CAUSE_PAIRED, .cause = proc->row.spawn_seq};
    } else if (es_ref_class_of(event.peer) == ES_REF_PID) {
        const struct es_proc *parent = es_proc_find(&core->processes, event.peer);
        if (parent && !last)
            return begin_wait(core, proc, in, ret_waits);
        bool lost = core->pairs.lost && (core->pairs.losing || in->time - in->paused < core->pairs.doubt_until);
        finding.state = lost ? ES_CAUSE_LOST : parent ? ES_CAUSE_UNKNOWN : ES_CAUSE_UNTRACED;
    }
    int r = emit_caused(core, proc, &event, &finding);
    return r < 0 ? r : es_proc_spawned(&core->processes, &event);
}

/* ---- all kinds ----------------------------------------------------------------------------------------------------- */

static int take_send(struct es_core *core, struct es_proc *proc, struct es_input *in)
{
    struct es_event event;
    es_take_event(in, &event);
    int r = es_message_sent(core, proc, in, &event);
    if (r == 0)
        r = es_core_emit(core, proc, &event);
    if (r == 0)
        r = es_message_emitted(core, proc, in, &event);
    if (core->hold.n > 0)
        es_hold_poke(core, event.pid, es_ref_class_of(in->view.peer) == ES_REF_PID ? in->view.peer : 0);
    return r;
}

/* A signal of another process may have killed it. */
static int take_exit(struct es_core *core, struct es_proc *proc, struct es_input *in, bool last, bool *ret_waits)
{
    struct es_finding finding;
    struct es_event event;
    bool waits;
    es_take_event(in, &event);
    struct es_death death = es_exit_death(core, &event);
    es_exit_cause(core, &death, &finding, &waits);
    if (waits && !last)
        return begin_wait(core, proc, in, ret_waits);
    event.cause = finding.cause;
    event.cause_state = finding.state;
    core->exits[finding.state]++;
    int r = es_core_emit(core, proc, &event);
    if (r < 0)
        return r;
    death.seq = event.seq;
    es_links_died(&core->links, &death);
    if (core->hold.n > 0 && !death.normal)
        core->hold.next = 0; /* another exit may wait for this one */
    es_mail_clear(&core->mails, proc);
    return es_proc_exit(&core->processes, &event);
}

static int note_census(struct es_core *core, const struct es_event *event)
{
    int r = es_proc_census(&core->processes, &core->names, event);
    return r < 0 ? r : es_exit_links(core, event);
}

int es_take_note(struct es_core *core, const struct es_event *event, bool has_proc)
{
    switch (event->kind) {
    case ES_K_SPAWN:
        if (core->hold.n > 0)
            es_hold_poke(core, event->pid, event->peer);
        return es_ref_class_of(event->peer) == ES_REF_PID ? es_proc_spawn(&core->processes, &core->names, event) : 0;
    case ES_K_TIMEOUT: es_mail_timeout(&core->processes, event); return 0;
    case ES_K_CENSUS: return has_proc ? note_census(core, event) : 0;
    case ES_K_LINK:
    case ES_K_UNLINK:
    case ES_K_GETTING_LINKED:
    case ES_K_GETTING_UNLINKED: return es_exit_links(core, event);
    case ES_K_REGISTER: return es_processes_register(&core->processes, event->peer, event->pid, event->time);
    case ES_K_UNREGISTER: return es_processes_unregister(&core->processes, event->peer, event->pid, event->time);
    case ES_K_CRASH: core->seen |= ES_ON_CRASH; return 0;
    case ES_K_LOG: core->seen |= ES_ON_ERROR; return 0;
    case ES_K_MARK: core->seen |= ES_ON_MARK; return 0;
    case ES_K_BUDGET:
        es_pairs_doubt(&core->pairs, event->time);
        return 0; /* what is recorded changes, not at once for all */
    default: return 0;
    }
}

int es_take_other(struct es_core *core, struct es_proc *proc, struct es_input *in)
{
    struct es_event event;
    es_take_event(in, &event);
    int r = es_core_emit(core, proc, &event);
    return r < 0 || in->noted ? r : es_take_note(core, &event, proc != NULL);
}

int es_take(struct es_core *core, struct es_proc *proc, struct es_input *in, bool last, bool *ret_waits)
{
    if (!proc)
        return es_take_other(core, proc, in);
    switch (in->view.kind) {
    case ES_K_SEND: return take_send(core, proc, in);
    case ES_K_DELIVER: return take_delivery(core, proc, in, last, ret_waits);
    case ES_K_SPAWNED: return take_spawned(core, proc, in, last, ret_waits);
    case ES_K_EXIT: return take_exit(core, proc, in, last, ret_waits);
    case ES_K_CALL:
    case ES_K_RETURN:
    case ES_K_EXCEPTION: return es_take_call(core, proc, in);
    case ES_K_TAKEN: return es_take_taken(core, proc, in);
    default: return es_take_other(core, proc, in);
    }
}
