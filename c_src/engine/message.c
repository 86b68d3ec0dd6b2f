/* SPDX-License-Identifier: MIT */
/* Where a message goes, and where one comes from. */
#include "engine/core.h"

#define SKEW_MAX_NS INT64_C(1000000)
#define CLOCKS_APART_NS INT64_C(1000) /* where it was not seen yet how far */

/* ---- sends --------------------------------------------------------------------------------------------------------- */

static bool skip_atom(struct es_reader *r)
{
    switch (es_reader_u8(r)) {
    case ES_T_ATOM_REF4: return es_reader_take(r, 4) != NULL;
    case ES_T_ATOM_REF8: return es_reader_take(r, 8) != NULL;
    case ES_T_SMALL_ATOM_UTF8: return es_reader_take(r, es_reader_u8(r)) != NULL;
    default: return false;
    }
}

/* An atom, or gen_event's: a pid. */
static bool skip_label(struct es_reader *r)
{
    struct es_reader pid = *r;
    if (es_reader_u8(&pid) != ES_T_NEW_PID)
        return skip_atom(r);
    *r = pid;
    return skip_atom(r) && es_reader_take(r, 12) != NULL;
}

/* A call, {Label, {Pid, Tag}, Request}, whose Pid is the sender: then the reference in Tag is the sender's own, and a reply sent to it
 * goes to the sender. Read by hand, as every call passes here. */
static bool is_own_call(const struct es_input *in)
{
    struct es_reader r;
    es_reader_init(&r, in->view.payload, in->view.payload_len);
    if (es_reader_u8(&r) != ES_T_SMALL_TUPLE || es_reader_u8(&r) != 3 || !skip_label(&r) ||
        es_reader_u8(&r) != ES_T_SMALL_TUPLE || es_reader_u8(&r) != 2 || es_reader_u8(&r) != ES_T_NEW_PID ||
        !skip_atom(&r))
        return false;
    uint32_t number = es_reader_be32(&r), serial = es_reader_be32(&r);
    return !r.bad && es_ref_pid(number, serial) == in->view.pid;
}

/* The alias a reply is sent to is the reference it carries; references are numbered alike in both places. */
static bool is_alias_of(es_ref peer, uint64_t corr) { return corr && peer == es_ref_make(ES_REF_OTHER, corr | 1); }

struct route {
    es_ref to, maybe; /* 0: only its content tells; maybe: or this one */
    es_ref address;   /* then: what it was sent to, a name rather than a pair with one */
    bool remote;      /* nobody here will get it */
};

static struct route by_name(const struct es_core *core, es_ref name, int64_t time)
{
    struct route route = {.address = name};
    route.to = es_processes_whereis(&core->processes, name, time, &route.maybe);
    return route;
}

static struct route by_other(struct es_core *core, const struct es_input *in)
{
    const struct es_other *other = es_names_other(&core->names, in->view.peer);
    if (other && other->address == ES_ADDRESS_REMOTE)
        return (struct route){.remote = true};
    if (other && other->address == ES_ADDRESS_NAME)
        return by_name(core, other->name, in->time);
    es_ref owner = is_alias_of(in->view.peer, in->view.corr) ? es_pairs_owner(&core->pairs, in->view.corr) : 0;
    return (struct route){.to = owner, .address = in->view.peer};
}

static struct route find_route(struct es_core *core, const struct es_input *in)
{
    switch (es_ref_class_of(in->view.peer)) {
    case ES_REF_PID: return (struct route){.to = in->view.peer};
    case ES_REF_ATOM: return by_name(core, in->view.peer, in->time);
    case ES_REF_OTHER: return by_other(core, in);
    default: return (struct route){.remote = true}; /* a port: what it gets are no messages */
    }
}

int es_message_sent(struct es_core *core, struct es_proc *proc, struct es_input *in, struct es_event *event)
{
    core->messages = true;
    proc->flags |= ES_P_SENDS;
    if (in->view.corr && is_own_call(in)) {
        event->flags |= ES_E_REQUEST;
        int r = es_ref_class_of(in->view.peer) == ES_REF_OTHER
                    ? 0 /* of another node: its reply comes from there */
                    : es_pairs_own(&core->pairs, in->view.corr, in->view.pid);
        if (r < 0)
            return r;
    }
    struct route route = find_route(core, in);
    bool is_reply = route.to && is_alias_of(in->view.peer, in->view.corr);
    if (is_reply) { /* an alias is used for one reply: it is told by its owner, and its definition is not needed */
        es_names_forget(&core->names, in->view.peer);
        event->peer = in->view.peer = route.to;
    }
    return 0;
}

int es_message_emitted(struct es_core *core, struct es_proc *proc, const struct es_input *in,
                       const struct es_event *event)
{
    struct route route = find_route(core, in);
    if (route.remote)
        return 0;
    struct es_message m = {.from = event->pid,
                           .to = route.to,
                           .hash = event->hash,
                           .corr = event->corr,
                           .seq = event->seq,
                           .time = in->time - in->paused,
                           .late = in->flags & ES_E_LATE};
    if (core->by_content) {
        m.to = route.to ? route.to : ES_ANYONE;
        return es_pairs_sent_openly(&core->pairs, &m);
    }
    if (!route.to) {
        m.to = es_lane_of_content(m.hash, m.corr);
        return es_pairs_sent(&core->pairs, proc, &m, route.address);
    }
    int r = es_pairs_sent(&core->pairs, proc, &m, 0);
    if (r == 0 && route.maybe)
        r = es_pairs_suspect(&core->pairs, &m);
    m.to = route.maybe;
    return r == 0 && route.maybe ? es_pairs_suspect(&core->pairs, &m) : r;
}

/* ---- deliveries ---------------------------------------------------------------------------------------------------- */

static bool in_doubt(const struct es_core *core, int64_t time)
{
    return ES_IN_DOUBT(&core->pairs, time - core->pairs.paused);
}

/* The last thing that comes from a process: so nothing that it sent is still under way. What it sent to names and aliases would have been
 * found by its content. It may have died while this one waited, which is too late. */
static bool is_exit_signal(const struct es_core *core, const struct es_proc *sender, const struct es_input *in)
{
    int64_t apart = CLOCKS_APART_NS + (int64_t)(core->skew * 1000000 / core->ticks_ms);
    return sender && sender->died <= in->time + apart && (sender->flags & ES_P_DEAD) && sender->row.exit_seq &&
           !(sender->flags & ES_P_EVICTED) && !es_lane_find(&core->pairs, sender->pid, in->view.pid);
}

/* {'EXIT', Sender, Reason}: the signal of a link, or of exit/2, which is not traced. No send has to be looked for. */
static bool is_exit_message(const struct es_core *core, const struct es_input *in)
{
    struct es_reader r;
    struct es_token token;
    es_reader_init(&r, in->view.payload, in->view.payload_len);
    return in->view.payload_len > 0 && es_token_next(&r, &token) == 0 && token.type == ES_TOK_TUPLE &&
           token.count == 3 && es_token_next(&r, &token) == 0 &&
           es_names_token_word(&core->names, &token) == ES_W_EXIT && es_token_next(&r, &token) == 0 &&
           token.type == ES_TOK_PID && es_ref_pid((uint32_t)token.number, token.serial) == in->view.peer;
}

/* No send fits. What a dead process causes are its exit signals; else it is said why nothing is known. */
static void explain(struct es_core *core, const struct es_proc *sender, const struct es_input *in,
                    struct es_finding *finding)
{
    bool doubt = in_doubt(core, in->time);
    finding->state = ES_CAUSE_UNKNOWN;
    if (in->flags & ES_E_LATE) {
        finding->state = ES_CAUSE_LATE;
    } else if (doubt) {
        finding->state = ES_CAUSE_LOST;
    } else if (is_exit_signal(core, sender, in)) {
        *finding = (struct es_finding){ES_CAUSE_PAIRED, sender->row.exit_seq, sender->pid};
    } else if (in->view.peer && (!sender || !(sender->flags & ES_P_SENDS) || is_exit_message(core, in))) {
        finding->state = ES_CAUSE_UNTRACED;
    } else if (sender->flags & ES_P_EVICTED) {
        finding->state = ES_CAUSE_EVICTED;
    }
}

/* Whether the send may still come: it would, of a process that lives, were it not lost. */
static bool may_come(const struct es_core *core, const struct es_proc *sender, const struct es_input *in)
{
    return sender && !core->pairs.losing && !(in->flags & ES_E_LATE) &&
           !((sender->flags & ES_P_DEAD) && sender->held == 0);
}

/* A send is stamped behind its delivery: so far apart are the clocks. */
static void note_skew(struct es_core *core, int64_t ns)
{
    uint64_t skew = ns > 0 ? (uint64_t)(ns < SKEW_MAX_NS ? ns : SKEW_MAX_NS) * core->ticks_ms / 1000000 + 1 : 0;
    if (skew > core->skew)
        core->skew = skew;
}

int es_message_delivered(struct es_core *core, struct es_proc *proc, const struct es_input *in, bool last,
                         struct es_finding *ret_finding, bool *ret_waits)
{
    *ret_finding = (struct es_finding){.state = ES_CAUSE_EXTERNAL, .sender = in->view.peer};
    bool anonymous = core->by_content && in->view.peer == 0;
    *ret_waits = false;
    if (in->view.peer && in->view.peer == core->names.word_ref[ES_W_CLOCK_SERVICE]) {
        *ret_waits = !es_timers_fired(core, in, ret_finding) && !last;
        core->fired[ret_finding->state] += !*ret_waits;
        return 0;
    }
    if (es_ref_class_of(in->view.peer) != ES_REF_PID && !anonymous)
        return 0;
    struct es_proc *sender = es_proc_find(&core->processes, in->view.peer);
    last = last || !(anonymous || may_come(core, sender, in));
    struct es_message m = {.from = in->view.peer,
                           .to = in->view.pid,
                           .hash = in->view.hash,
                           .corr = in->view.corr,
                           .seq = core->next_seq,
                           .time = in->time - in->paused,
                           .late = in->flags & ES_E_LATE,
                           .last = last};
    struct es_sent sent;
    switch (core->by_content ? es_pairs_delivered_openly(&core->pairs, &m, &sent)
                             : es_pairs_delivered(&core->pairs, sender, proc, &m, &sent)) {
    case ES_MATCH_CERTAIN:
        note_skew(core, sent.time - m.time);
        *ret_finding = (struct es_finding){ES_CAUSE_PAIRED, sent.seq, core->by_content ? sent.hash : in->view.peer};
        return 0;
    case ES_MATCH_DOUBTFUL:
        ret_finding->state = in->flags & ES_E_LATE ? ES_CAUSE_LATE
                             : core->pairs.lost    ? ES_CAUSE_LOST
                                                   : ES_CAUSE_UNKNOWN;
        return 0;
    case ES_MATCH_NONE: break;
    }
    *ret_waits = !last;
    if (!last)
        return 0;
    explain(core, sender, in, ret_finding);
    /* With a reference of its own, as what process_info/1 sends, it cannot be taken for another message. */
    bool ambiguous = ret_finding->state == ES_CAUSE_UNKNOWN && m.corr == 0 && !core->by_content;
    return ambiguous ? es_pairs_suspect(&core->pairs, &m) : 0;
}
