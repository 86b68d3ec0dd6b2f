/* SPDX-License-Identifier: MIT */
/* Calls of behaviours' callbacks: what they handle, and the states they return; see take.h. */
#include "engine/take.h"

#include "base/error.h"
#include "engine/server.h"

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
    return es_core_emit(core, proc, &state);
}

/* {timeout, Name} */
static bool is_named_timeout(const struct es_names *names, struct es_reader r, const struct es_token *tuple)
{
    struct es_token token;
    return tuple->type == ES_TOK_TUPLE && tuple->count == 2 && es_token_next(&r, &token) == 0 &&
           es_names_token_word(names, &token) == ES_W_TIMEOUT;
}

/* A state machine's callback without a content hash: its event is a timeout, or it made the event itself. */
static void find_timeout(struct es_core *core, struct es_proc *proc, const struct es_input *in,
                         struct es_finding *finding)
{
    struct es_reader r;
    struct es_token token;
    es_reader_init(&r, in->view.payload, in->view.payload_len);
    finding->state = ES_CAUSE_UNKNOWN;
    if (es_token_next(&r, &token) < 0 || token.type != ES_TOK_LIST || token.count == 0)
        return;
    const uint8_t *kind = r.at;
    struct es_reader behind = r;
    if (es_token_next(&r, &token) < 0 || es_term_skip(&behind) < 0)
        return;
    enum es_word word = es_names_token_word(&core->names, &token);
    if (word == ES_W_INTERNAL || word == ES_W_ENTER)
        finding->state = ES_CAUSE_NONE;
    else if (word == ES_W_TIMEOUT || word == ES_W_STATE_TIMEOUT || is_named_timeout(&core->names, r, &token))
        es_mail_timed(core, proc, in, es_timer_kind(kind, (size_t)(behind.at - kind)), finding);
}

/* Which message a callback was called for, if it was for any. */
static void find_handled(struct es_core *core, struct es_proc *proc, const struct es_input *in,
                         struct es_callback_of of, struct es_finding *finding)
{
    *finding = (struct es_finding){.state = ES_CAUSE_NONE};
    if (in->view.hash)
        es_mail_handled(core, proc, in, of.behaviour, finding);
    else if (of.callback == ES_CB_HANDLE && of.behaviour == ES_B_STATEM)
        find_timeout(core, proc, in, finding);
    else if (of.callback == ES_CB_HANDLE && es_names_word(&core->names, in->view.function) != ES_W_HANDLE_CONTINUE)
        finding->state = ES_CAUSE_UNKNOWN;
}

/* A callback begins: the message that it handles caused it. */
static int take_callback(struct es_core *core, struct es_proc *proc, const struct es_input *in)
{
    struct es_event event;
    es_take_event(in, &event);
    struct es_callback_of of = es_states_callback(&core->states, &core->names, &event);
    struct es_finding finding;
    core->mails.handles = true;
    if (!proc->callback)
        proc->callback = event.module;
    find_handled(core, proc, in, of, &finding);
    event.cause_state = finding.state;
    event.cause = finding.cause;
    core->handled[finding.state]++;
    proc->mailbox.timeout = 0;
    return es_core_emit(core, proc, &event);
}

static int take_return(struct es_core *core, struct es_proc *proc, struct es_input *in)
{
    struct es_event event;
    es_take_event(in, &event);
    struct es_version version = {.what = ES_V_NONE};
    struct es_callback_of of = es_states_callback(&core->states, &core->names, &event);
    event.flags &= (uint8_t)~ES_E_CALLBACK;
    struct es_actions actions = {.postponed = ES_POSTPONED_NOT};
    if (of.callback != ES_CB_NONE) {
        event.flags |= ES_E_CALLBACK;
        if (of.behaviour == ES_B_STATEM)
            es_actions_read(&core->names, &event, &actions);
        int r =
            in->view.kind == ES_K_RETURN ? es_states_read(&core->states, &core->names, proc, &event, of, &version) : 0;
        if (r < 0)
            return r;
    }
    if (version.value) {
        event.payload = version.value;
        event.payload_len = version.value_len;
    }
    es_mail_timers(proc, &actions, core->next_seq);
    int r = es_mail_ended(&core->mails, proc, &event, actions.postponed);
    if (r == 0)
        r = es_core_emit(core, proc, &event);
    return r < 0 || version.what == ES_V_NONE ? r : emit_state(core, proc, &event, &version);
}

/* No callback, or the end of one that answers what none does; a timer that was started. */
static int take_plain_call(struct es_core *core, struct es_proc *proc, struct es_input *in)
{
    struct es_event event;
    es_take_event(in, &event);
    int r = 0;
    if (in->view.kind != ES_K_CALL && proc->mailbox.handled.open)
        r = es_mail_ended(&core->mails, proc, &event, ES_POSTPONED_UNKNOWN);
    if (r == 0)
        r = es_core_emit(core, proc, &event);
    if (r < 0)
        return r;
    if (in->view.kind == ES_K_CALL)
        return event.hash ? es_timers_set(core, proc, &event) : 0;
    return proc->timer_seq ? es_timers_started(core, proc, &event) : 0;
}

/* A function may be woven and be a callback, whose ends the emulator tells: what it handled and its state come with those. */
static int take_woven_call(struct es_core *core, struct es_proc *proc, const struct es_input *in)
{
    struct es_event event;
    es_take_event(in, &event);
    event.flags &= (uint8_t)~ES_E_CALLBACK;
    proc->mailbox.woven = core->mails.woven = true;
    return es_core_emit(core, proc, &event);
}

int es_take_taken(struct es_core *core, struct es_proc *proc, const struct es_input *in)
{
    struct es_finding finding = {.state = ES_CAUSE_UNKNOWN};
    struct es_event event;
    es_take_event(in, &event);
    if (in->view.hash)
        es_mail_taken(core, proc, in, &finding);
    event.cause_state = finding.state;
    event.cause = finding.cause;
    core->handled[finding.state]++;
    return es_core_emit(core, proc, &event);
}

/* Calls, returns and exceptions of all functions. The input stays as it is: whoever holds it frees its payload. */
int es_take_call(struct es_core *core, struct es_proc *proc, const struct es_input *in)
{
    struct es_input shown = *in;
    if (in->view.flags & ES_R_WOVEN)
        return take_woven_call(core, proc, in);
    int r = es_server_translate(&core->states, &core->names, proc, &shown.view);
    if (r < 0)
        return r;
    if (!(shown.view.flags & ES_R_CALLBACK))
        return take_plain_call(core, proc, &shown);
    return shown.view.kind == ES_K_CALL ? take_callback(core, proc, &shown) : take_return(core, proc, &shown);
}
