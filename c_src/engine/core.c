/* SPDX-License-Identifier: MIT */
/* From an event in order to an event of the recording; see core.h. */
#include "engine/core.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "engine/engine.h"
#include "engine/server.h"

#define SHORTEST_WAIT_US 20u
#define LONGEST_WAIT_US 2000u
#define MARK_EVERY 256u

int es_core_init(struct es_core *core, struct es_store *store, uint64_t ticks_ms)
{
    memset(core, 0, sizeof *core);
    core->store = store;
    core->next_seq = 1;
    core->first_time = INT64_MAX;
    core->last_time = core->last_seen = INT64_MIN;
    core->ticks_ms = ticks_ms ? ticks_ms : 1;
    core->shortest_wait = ticks_ms * SHORTEST_WAIT_US / 1000;
    core->longest_wait = ticks_ms * LONGEST_WAIT_US / 1000;
    es_names_init(&core->names, store);
    es_processes_init(&core->processes, store);
    es_world_init(&core->world,
                  &(struct es_world_text){.atom = es_names_text, .context = &core->names, .node = core->names.node});
    es_links_init(&core->links);
    return es_pairs_init(&core->pairs, &core->processes);
}

void es_core_fini(struct es_core *core)
{
    es_hold_fini(&core->hold);
    es_mails_fini(&core->mails);
    es_world_fini(&core->world);
    es_links_fini(&core->links);
    es_timers_fini(&core->timers);
    es_states_fini(&core->states);
    es_pairs_fini(&core->pairs);
    es_processes_fini(&core->processes);
    es_names_fini(&core->names);
}

/* ---- into the store ------------------------------------------------------------------------------------------------ */

/* Gives the event its number and its time: not before what it comes after, nor before any other that has its number already. */
static int emit(struct es_core *core, struct es_proc *proc, struct es_event *event)
{
    int64_t stamped = event->time, least = core->last_time, time = stamped;
    if (event->cause)
        least++;
    if (time < least && core->last_time != INT64_MIN)
        time = least; /* one that waited: time never runs backwards along the numbers */
    event->seq = core->next_seq;
    if (__builtin_expect(time != event->time, 0)) {
        uint64_t moved = (uint64_t)time - (uint64_t)event->time;
        event->moved = moved > UINT32_MAX ? UINT32_MAX : (uint32_t)moved;
        event->flags |= ES_E_MOVED;
        event->time = time;
        core->moved++;
    }
    if (es_ref_class_of(event->peer) == ES_REF_OTHER) {
        int r = es_names_use(&core->names, event->peer);
        if (r < 0)
            return r;
    }
    int r = es_store_event(core->store, event);
    if (r < 0)
        return r;
    if (es_world_feed(&core->world, event) < 0)
        return es_fail(-ENOMEM, "no memory for the processes");
    core->next_seq++;
    core->full = core->limit_seq && core->next_seq >= core->limit_seq;
    core->late += (event->flags & ES_E_LATE) != 0;
    if (proc) {
        proc->last_time = time;
        if (event->seq - proc->marks[0].seq > MARK_EVERY) {
            proc->marks[1] = proc->marks[0];
            proc->marks[0] = (struct es_proc_mark){event->seq, stamped - core->pairs.paused};
        }
    }
    core->last_time = time > core->last_time ? time : core->last_time;
    core->first_time = time < core->first_time ? time : core->first_time;
    return 0;
}

/* Field by field: to clear the whole first, as an initializer does, takes longer than all of this. */
static inline void event_of(const struct es_input *in, struct es_event *event)
{
    const struct es_record_view *view = &in->view;
    event->seq = 0;
    event->time = in->time;
    event->kind = view->kind;
    event->flags = (uint8_t)(((view->flags >> 3) & 15) | in->flags);
    event->cause_state = ES_CAUSE_NONE;
    event->arity = view->arity;
    event->thread = in->thread;
    event->pid = view->pid;
    event->peer = view->peer;
    event->module = view->module;
    event->function = view->function;
    event->hash = view->hash;
    event->corr = view->corr;
    event->cause = 0;
    event->moved = 0;
    memcpy(event->num, view->num, sizeof event->num);
    event->payload = view->payload;
    event->payload_len = view->payload_len;
}
_Static_assert(ES_R_CUT >> 3 == ES_E_CUT && ES_R_REDACTED >> 3 == ES_E_REDACTED &&
                   ES_R_NO_PAYLOAD >> 3 == ES_E_NO_PAYLOAD && ES_R_CALLBACK >> 3 == ES_E_CALLBACK,
               "flags of records become flags of events by a shift");

/* ---- events that have a cause -------------------------------------------------------------------------------------- */

static int emit_caused(struct es_core *core, struct es_proc *proc, struct es_event *event,
                       const struct es_finding *finding)
{
    event->cause_state = finding->state;
    event->cause = finding->cause;
    core->causes[finding->state]++;
    return emit(core, proc, event);
}

static uint64_t wait_of(const struct es_core *core)
{
    uint64_t wait = core->skew * 2;
    if (wait > core->longest_wait)
        wait = core->longest_wait;
    return wait > core->shortest_wait ? wait : core->shortest_wait;
}

/* What a delivery or a first event waits for is not there: `ret_waits` NULL: it begins to wait. */
static int begin_wait(struct es_core *core, struct es_proc *proc, struct es_input *in, bool *ret_waits)
{
    if (!ret_waits)
        return es_hold_push(core, proc, in, wait_of(core));
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
    event_of(in, &event);
    event.peer = finding.sender;
    if (event.corr && es_pairs_owner(&core->pairs, event.corr) == event.pid && event.peer != event.pid)
        core->replies[finding.state]++;
    r = emit_caused(core, proc, &event, &finding);
    return r < 0 ? r : es_mail_delivered(&core->mails, &core->processes, proc, &event);
}

/* The first event of a process, caused by its parent's. */
static int take_spawned(struct es_core *core, struct es_proc *proc, struct es_input *in, bool last, bool *ret_waits)
{
    struct es_event event;
    event_of(in, &event);
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

/* ---- callbacks ----------------------------------------------------------------------------------------------------- */

static int emit_state(struct es_core *core, struct es_proc *proc, const struct es_event *value,
                      const struct es_version *version)
{
    struct es_event state = {
        .time = value->time,
        .kind = ES_K_STATE,
        .flags = version->flags,
        .arity = value->arity,
        .thread = value->thread,
        .pid = value->pid,
        .module = value->module,
        .function = value->function,
        .hash = version->hash,
        .payload = version->state,
        .payload_len = version->state_len,
    };
    if (version->what != ES_V_NEW)
        state.payload_len = 0;
    state.flags |= value->flags & ES_E_LATE;
    return emit(core, proc, &state);
}

/* A callback without a content hash: whether it was called for a message all the same, of which nothing else is known. */
static bool is_for_message(const struct es_core *core, const struct es_event *event, struct es_callback_of of)
{
    struct es_reader r;
    struct es_token token;
    if (of.callback != ES_CB_HANDLE || of.behaviour != ES_B_STATEM)
        return of.callback == ES_CB_HANDLE && es_names_word(&core->names, event->function) != ES_W_HANDLE_CONTINUE;
    es_reader_init(&r, event->payload, event->payload_len);
    if (es_token_next(&r, &token) < 0 || token.type != ES_TOK_LIST || es_token_next(&r, &token) < 0)
        return true;
    enum es_word type = es_names_token_word(&core->names, &token);
    return type != ES_W_INTERNAL && type != ES_W_ENTER;
}

/* A callback begins: the message that it handles caused it. */
static int take_callback(struct es_core *core, struct es_proc *proc, const struct es_input *in)
{
    struct es_event event;
    event_of(in, &event);
    struct es_callback_of of = es_states_callback(&core->states, &core->names, &event);
    struct es_finding finding = {.state = ES_CAUSE_NONE};
    core->mails.handles = true;
    if (!proc->callback)
        proc->callback = event.module;
    if (event.hash)
        es_mail_handled(core, proc, in, of.behaviour, &finding);
    else if (is_for_message(core, &event, of))
        finding.state = ES_CAUSE_UNKNOWN;
    event.cause_state = finding.state;
    event.cause = finding.cause;
    core->handled[finding.state]++;
    proc->mailbox.timeout = 0;
    return emit(core, proc, &event);
}

static int take_return(struct es_core *core, struct es_proc *proc, struct es_input *in)
{
    struct es_event event;
    event_of(in, &event);
    struct es_version version = {.what = ES_V_NONE};
    struct es_callback_of of = es_states_callback(&core->states, &core->names, &event);
    event.flags &= (uint8_t)~ES_E_CALLBACK;
    enum es_postponed postponed = ES_POSTPONED_NOT;
    if (of.callback != ES_CB_NONE) {
        event.flags |= ES_E_CALLBACK;
        if (of.behaviour == ES_B_STATEM)
            postponed = es_states_postponed(&core->names, &event);
        int r =
            in->view.kind == ES_K_RETURN ? es_states_read(&core->states, &core->names, proc, &event, of, &version) : 0;
        if (r < 0)
            return r;
    }
    if (version.value) {
        event.payload = version.value;
        event.payload_len = version.value_len;
    }
    int r = es_mail_ended(&core->mails, proc, &event, postponed);
    if (r == 0)
        r = emit(core, proc, &event);
    return r < 0 || version.what == ES_V_NONE ? r : emit_state(core, proc, &event, &version);
}

/* ---- all kinds ----------------------------------------------------------------------------------------------------- */

static int take_send(struct es_core *core, struct es_proc *proc, struct es_input *in)
{
    struct es_event event;
    event_of(in, &event);
    int r = es_message_sent(core, proc, in, &event);
    if (r == 0)
        r = emit(core, proc, &event);
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
    event_of(in, &event);
    struct es_death death = es_exit_death(core, &event);
    es_exit_cause(core, &death, &finding, &waits);
    if (waits && !last)
        return begin_wait(core, proc, in, ret_waits);
    event.cause = finding.cause;
    event.cause_state = finding.state;
    core->exits[finding.state]++;
    int r = emit(core, proc, &event);
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

/* What an event changes in what is known of processes. */
static int note_event(struct es_core *core, const struct es_event *event, bool has_proc)
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
    case ES_K_CALL: return event->hash && !(event->flags & ES_E_CALLBACK) ? es_timers_set(core, event) : 0;
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

static int take_other(struct es_core *core, struct es_proc *proc, struct es_input *in)
{
    struct es_event event;
    event_of(in, &event);
    int r = emit(core, proc, &event);
    return r < 0 || in->noted ? r : note_event(core, &event, proc != NULL);
}

/* No callback, or the end of one that answers what none does. */
static int take_plain_call(struct es_core *core, struct es_proc *proc, struct es_input *in)
{
    if (in->view.kind != ES_K_CALL && proc->mailbox.handled.open) {
        struct es_event event;
        event_of(in, &event);
        int r = es_mail_ended(&core->mails, proc, &event, ES_POSTPONED_UNKNOWN);
        if (r < 0)
            return r;
    }
    return take_other(core, proc, in);
}

/* Calls, returns and exceptions of all functions. The input stays as it is: whoever holds it frees its payload. */
static int take_call(struct es_core *core, struct es_proc *proc, const struct es_input *in)
{
    struct es_input shown = *in;
    int r = es_server_translate(&core->states, &core->names, proc, &shown.view);
    if (r < 0)
        return r;
    if (!(shown.view.flags & ES_R_CALLBACK))
        return take_plain_call(core, proc, &shown);
    return shown.view.kind == ES_K_CALL ? take_callback(core, proc, &shown) : take_return(core, proc, &shown);
}

static int take(struct es_core *core, struct es_proc *proc, struct es_input *in, bool last, bool *ret_waits)
{
    if (!proc)
        return take_other(core, proc, in);
    switch (in->view.kind) {
    case ES_K_SEND: return take_send(core, proc, in);
    case ES_K_DELIVER: return take_delivery(core, proc, in, last, ret_waits);
    case ES_K_SPAWNED: return take_spawned(core, proc, in, last, ret_waits);
    case ES_K_EXIT: return take_exit(core, proc, in, last, ret_waits);
    case ES_K_CALL:
    case ES_K_RETURN:
    case ES_K_EXCEPTION: return take_call(core, proc, in);
    default: return take_other(core, proc, in);
    }
}

int es_core_take(struct es_core *core, struct es_input *in)
{
    if (in->key > core->last_key)
        core->last_key = in->key;
    if (core->last_seen != INT64_MIN && in->time - core->last_seen > ES_PAUSE_NS)
        core->pairs.paused += in->time - core->last_seen - ES_PAUSE_NS;
    if (in->time > core->last_seen)
        core->last_seen = in->time;
    in->paused = core->pairs.paused;
    if (core->hold.n > 0 && core->last_key >= core->hold.next) {
        int r = es_hold_release(core, core->last_key);
        if (r < 0)
            return r;
    }
    struct es_proc *proc = NULL;
    if (es_ref_class_of(in->view.pid) == ES_REF_PID && !(proc = es_proc_meet(&core->processes, in->view.pid)))
        return es_fail(-ENOMEM, "no memory for the processes");
    if (proc && proc->held > 0) {
        if (in->view.kind == ES_K_REGISTER || in->view.kind == ES_K_UNREGISTER) { /* others use the name from now on */
            struct es_event event;
            event_of(in, &event);
            int r = note_event(core, &event, true);
            in->noted = true;
            if (r < 0)
                return r;
        }
        bool may_wait = in->view.kind == ES_K_DELIVER || in->view.kind == ES_K_SPAWNED || in->view.kind == ES_K_EXIT;
        return es_hold_push(core, proc, in, may_wait ? wait_of(core) : 0);
    }
    return take(core, proc, in, false, NULL);
}

int es_core_again(struct es_core *core, struct es_input *in, bool last, bool *ret_waits)
{
    struct es_proc *proc = es_proc_meet(&core->processes, in->view.pid);
    *ret_waits = false;
    return proc ? take(core, proc, in, last, ret_waits) : es_fail(-ENOMEM, "no memory for the processes");
}

int es_core_reached(struct es_core *core, uint64_t key)
{
    if (key > core->last_key && key != UINT64_MAX)
        core->last_key = key;
    return core->hold.n > 0 && key >= core->hold.next ? es_hold_release(core, key) : 0;
}

int es_core_note(struct es_core *core, unsigned kind, int64_t time, const uint8_t *payload, size_t len)
{
    struct es_event event = {.time = time, .kind = (uint8_t)kind, .payload = payload, .payload_len = (uint32_t)len};
    return emit(core, NULL, &event);
}

/* ---- before a commit ----------------------------------------------------------------------------------------------- */

static int count(struct es_core *core, const char *name, uint64_t *counter)
{
    int r = *counter ? es_store_count(core->store, name, *counter) : 0;
    *counter = 0;
    return r;
}

/* Counters "NAME.paired", "NAME.lost" … */
static int count_states(struct es_core *core, const char *name, uint64_t by_state[ES_CAUSE_MAX])
{
    int r = 0;
    by_state[ES_CAUSE_NONE] = 0;
    for (unsigned i = ES_CAUSE_NONE + 1; r == 0 && i < ES_CAUSE_MAX; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s.%s", name, es_cause_names[i]);
        r = count(core, text, &by_state[i]);
    }
    return r;
}

int es_core_flush(struct es_core *core)
{
    int r = es_processes_flush(&core->processes);
    const struct {
        const char *name;
        uint64_t *by_state;
    } all[] = {{"pairs", core->causes},
               {"handled", core->handled},
               {"replies", core->replies},
               {"exits", core->exits},
               {"timers", core->fired}};
    for (size_t i = 0; r == 0 && i < sizeof all / sizeof *all; i++)
        r = count_states(core, all[i].name, all[i].by_state);
    if (r == 0)
        r = count(core, "sends.undelivered", &core->pairs.undelivered);
    if (r == 0)
        r = count(core, "sends.evicted", &core->pairs.evicted);
    if (r == 0)
        r = count(core, "deliveries.evicted", &core->mails.evicted);
    if (r == 0)
        r = count(core, "events.late", &core->late);
    return r == 0 ? count(core, "events.moved", &core->moved) : r;
}
