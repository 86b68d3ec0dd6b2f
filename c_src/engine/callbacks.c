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
    es_take_event(in, &event);
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
    return es_core_emit(core, proc, &event);
}

static int take_return(struct es_core *core, struct es_proc *proc, struct es_input *in)
{
    struct es_event event;
    es_take_event(in, &event);
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
        r = es_core_emit(core, proc, &event);
    return r < 0 || version.what == ES_V_NONE ? r : emit_state(core, proc, &event, &version);
}

/* No callback, or the end of one that answers what none does. */
static int take_plain_call(struct es_core *core, struct es_proc *proc, struct es_input *in)
{
    if (in->view.kind != ES_K_CALL && proc->mailbox.handled.open) {
        struct es_event event;
        es_take_event(in, &event);
        int r = es_mail_ended(&core->mails, proc, &event, ES_POSTPONED_UNKNOWN);
        if (r < 0)
            return r;
    }
    return es_take_other(core, proc, in);
}

/* Calls, returns and exceptions of all functions. The input stays as it is: whoever holds it frees its payload. */
int es_take_call(struct es_core *core, struct es_proc *proc, const struct es_input *in)
{
    struct es_input shown = *in;
    int r = es_server_translate(&core->states, &core->names, proc, &shown.view);
    if (r < 0)
        return r;
    if (!(shown.view.flags & ES_R_CALLBACK))
        return take_plain_call(core, proc, &shown);
    return shown.view.kind == ES_K_CALL ? take_callback(core, proc, &shown) : take_return(core, proc, &shown);
}
