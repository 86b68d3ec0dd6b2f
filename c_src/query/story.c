/* SPDX-License-Identifier: MIT */
/* The story of an event: of all that led to it, what a person would ask for next. Backwards: a failure, the call it
 * happened in, the message that was handled, its sender, the call that sent it, … Forwards: what was sent and started
 * while it was handled, and what came of that. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/cone.h"

#define INSIDE_MAX 400u /* acts of one callback that are followed */
#define WAITERS_MAX 8u  /* processes that wait for one another */

static int push(struct es_cone *story, uint64_t seq, const struct es_caused *from, enum es_edge_kind edge)
{
    struct es_pending pending = {.caused = {seq, from->seq, (uint8_t)edge, false, from->depth + 1}};
    return seq ? es_cone_push(story, &pending) : 0;
}

static int push_maybe(struct es_cone *story, uint64_t seq, const struct es_caused *from, enum es_edge_kind edge)
{
    struct es_pending pending = {.caused = {seq, from->seq, (uint8_t)edge, true, from->depth + 1}};
    return seq ? es_cone_push(story, &pending) : 0;
}

/* ---- backwards ----------------------------------------------------------------------------------------------------- */

static int push_handled(struct es_cone *story, const struct es_indexed *call, const struct es_caused *from)
{
    uint64_t handled = 0;
    bool maybe = false;
    int rc = es_query_handled(story->query, call->seq, &handled, &maybe);
    if (rc < 0)
        return rc == -EBADMSG ? 0 : rc;
    if (handled)
        return (maybe ? push_maybe : push)(story, handled, from, ES_EDGE_HANDLING);
    struct es_indexed before; /* init: the process was started for it */
    rc = es_doing_act(story->query, call->pid, call->seq, &before);
    while (rc == 0 && before.seq && !(before.flags & ES_E_CALLBACK) && before.kind != ES_K_SPAWNED)
        rc = es_doing_act(story->query, call->pid, before.seq, &before);
    return rc == 0 && before.kind == ES_K_SPAWNED ? push(story, before.seq, from, ES_EDGE_PROGRAM) : rc;
}

/* Of a process that is no behaviour: what woke it, else how it began. */
static int push_plain(struct es_cone *story, const struct es_indexed *event, const struct es_caused *from)
{
    struct es_indexed before;
    uint64_t delivery = 0;
    bool reply = false;
    int rc = es_doing_act(story->query, event->pid, event->seq, &before);
    if (rc == 0 && before.kind == ES_K_TIMEOUT)
        return push(story, before.seq, from, ES_EDGE_PROGRAM);
    if (rc == 0)
        rc = es_index_last(story->query, event->pid, ES_ROW_DELIVERIES, event->seq - 1, &delivery);
    if (rc == 0 && delivery)
        rc = es_doing_is_reply(story->query, delivery, &reply);
    if (rc == 0 && delivery && !reply)
        return push_maybe(story, delivery, from, ES_EDGE_HANDLING);
    uint64_t birth = rc == 0 ? es_doing_birth(story->query, event->pid) : 0;
    return birth < event->seq ? push(story, birth, from, ES_EDGE_PROGRAM) : rc;
}

/* Something done in a callback, or sent by its behaviour right after. */
static int push_doing(struct es_cone *story, const struct es_indexed *event, const struct es_caused *from)
{
    struct es_doing moment;
    int rc = es_doing_callback(story->query, event->pid, event->seq, &moment);
    if (rc < 0)
        return rc;
    if (moment.open)
        return push(story, moment.open, from, ES_EDGE_CALL);
    if (moment.ended && event->kind == ES_K_SEND)
        return push(story, moment.ended, from, ES_EDGE_REPLY);
    return push_plain(story, event, from);
}

/* Whom the process waited for, and what that one was busy with. */
static int push_waiting(struct es_cone *story, es_ref pid, const struct es_caused *from)
{
    uint64_t at = from->seq, send, delivery;
    struct es_caused link = *from;
    for (unsigned i = 0; i < WAITERS_MAX; i++) {
        struct es_indexed received;
        struct es_doing moment;
        int rc = es_doing_request(story->query, pid, at, &send, &delivery);
        if (rc < 0 || send == 0)
            return rc;
        rc = push(story, send, &link, ES_EDGE_PROGRAM);
        if (rc < 0 || delivery == 0 || es_index_event(story->query, delivery, &received) < 0)
            return rc;
        rc = es_doing_callback(story->query, received.pid, at, &moment);
        if (rc < 0 || moment.open == 0)
            return rc;
        rc = push(story, moment.open, &link, ES_EDGE_WAITING);
        if (rc < 0)
            return rc;
        link = (struct es_caused){moment.open, link.seq, ES_EDGE_WAITING, false, link.depth + 1};
        pid = received.pid;
    }
    return 0;
}

/* Another's exit that came while the call ran may be why it failed. */
static int push_signals(struct es_cone *story, const struct es_indexed *event, uint64_t call,
                        const struct es_caused *from)
{
    uint64_t at = event->seq - 1, found = 0;
    for (unsigned i = 0; i < 16 && at > call; i++) {
        struct es_indexed delivery, cause;
        int rc = es_index_last(story->query, event->pid, ES_ROW_DELIVERIES, at, &found);
        if (rc < 0 || found <= call)
            return rc;
        if (es_index_event(story->query, found, &delivery) == 0 && delivery.cause &&
            es_index_event(story->query, delivery.cause, &cause) == 0 && cause.kind == ES_K_EXIT)
            return push_maybe(story, found, from, ES_EDGE_HANDLING);
        at = found - 1;
    }
    return 0;
}

static int push_call(struct es_cone *story, const struct es_indexed *event, const struct es_caused *from)
{
    struct es_doing moment;
    struct es_indexed before;
    int rc = es_doing_callback(story->query, event->pid, event->seq, &moment);
    if (rc < 0 || moment.open == 0)
        return rc;
    rc = push(story, moment.open, from, ES_EDGE_CALL);
    if (rc == 0 && event->kind != ES_K_RETURN)
        rc = push_signals(story, event, moment.open, from);
    if (rc == 0)
        rc = es_doing_act(story->query, event->pid, event->seq, &before);
    if (rc == 0 && before.kind == ES_K_TIMEOUT && before.seq > moment.open)
        rc = push(story, before.seq, from, ES_EDGE_PROGRAM);
    return rc;
}

/* A callback returned and went on living: it was told to exit from outside. Then the signal, where it was delivered. */
static int push_told(struct es_cone *story, const struct es_indexed *event, uint64_t since,
                     const struct es_caused *from)
{
    uint64_t delivery = 0;
    int rc = es_index_last(story->query, event->pid, ES_ROW_DELIVERIES, event->seq - 1, &delivery);
    return rc == 0 && delivery > since ? push_maybe(story, delivery, from, ES_EDGE_HANDLING) : rc;
}

/* An exit, or a report of one: the exception, or what the last callback returned, or the call it died in. */
static int push_failure(struct es_cone *story, const struct es_indexed *event, const struct es_caused *from)
{
    struct es_doing moment;
    uint64_t at = event->seq;
    for (unsigned i = 0; i < 8; i++) {
        int rc = es_doing_callback(story->query, event->pid, at, &moment);
        if (rc < 0)
            return rc;
        if (moment.open)
            return push_call(story, event, from);
        if (!moment.ended)
            return push_plain(story, event, from);
        if (!es_doing_is_terminate(story->query, moment.ended))
            return es_doing_is_last(story->query, moment.end) ? push(story, moment.end, from, ES_EDGE_PROGRAM)
                                                              : push_told(story, event, moment.end, from);
        at = moment.ended;
    }
    return 0;
}

static int push_cause(struct es_cone *story, const struct es_indexed *event, const struct es_caused *from)
{
    struct es_indexed cause;
    if (!event->cause || es_index_event(story->query, event->cause, &cause) < 0)
        return 0;
    return push(story, event->cause, from, es_edge_of(cause.kind, event->kind));
}

static int look_back(struct es_cone *story, const struct es_indexed *event, const struct es_caused *from)
{
    if (event->pid == ES_REF_NONE)
        return 0;
    switch (event->kind) {
    case ES_K_DELIVER:
    case ES_K_SPAWNED: return push_cause(story, event, from);
    case ES_K_EXIT:
    case ES_K_CRASH:
    case ES_K_LOG: return event->cause ? push_cause(story, event, from) : push_failure(story, event, from);
    case ES_K_EXCEPTION:
    case ES_K_RETURN: return push_call(story, event, from);
    case ES_K_STATE: { /* made by what the callback returned */
        struct es_doing moment;
        int rc = es_doing_callback(story->query, event->pid, event->seq, &moment);
        return rc < 0 ? rc : push(story, moment.open ? moment.open : moment.ended, from, ES_EDGE_CALL);
    }
    case ES_K_TIMEOUT: {
        int rc = push_waiting(story, event->pid, from);
        struct es_doing moment = {0};
        if (rc == 0)
            rc = es_doing_callback(story->query, event->pid, event->seq, &moment);
        if (rc < 0 || moment.open)
            return rc < 0 ? rc : push(story, moment.open, from, ES_EDGE_CALL);
        return moment.ended ? 0 : push(story, es_doing_birth(story->query, event->pid), from, ES_EDGE_PROGRAM);
    }
    case ES_K_CALL:
        if (event->flags & ES_E_CALLBACK)
            return push_handled(story, event, from);
        return push_doing(story, event, from);
    default: return push_doing(story, event, from);
    }
}

/* ---- forwards ------------------------------------------------------------------------------------------------------ */

static int push_effects(struct es_cone *story, uint64_t cause, const struct es_caused *from)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(story->query->recording, &blocks), n_effects;
    size_t first = es_query_block_of(story->query, cause);
    for (size_t k = first; k < n && k < first + 4 && blocks[k].first_time < story->request->bound; k++) {
        const struct es_effect *effects;
        int rc = es_index_effects(story->query, k, &effects, &n_effects);
        for (size_t i = 0; rc == 0 && i < n_effects && effects[i].cause <= cause; i++) {
            struct es_indexed to, of;
            uint64_t effect = effects[i].effect;
            if (effects[i].cause != cause || es_index_event(story->query, effect, &to) < 0 ||
                es_index_event(story->query, cause, &of) < 0)
                continue;
            rc = push(story, effect, from, es_edge_of(of.kind, to.kind));
            if (rc == 0)
                rc = es_index_effects(story->query, k, &effects, &n_effects);
        }
        if (rc < 0 && rc != -EBADMSG)
            return rc;
    }
    return 0;
}

/* The callback that handles a delivery: the first of its receiver that fits. */
static int push_handler(struct es_cone *story, const struct es_indexed *delivery, const struct es_caused *from)
{
    struct es_indexed act = {.seq = delivery->seq};
    for (unsigned i = 0; i < INSIDE_MAX; i++) {
        uint64_t next, handled = 0;
        bool maybe = false;
        int rc = es_index_first(story->query, delivery->pid, ES_ROW_ACTS, act.seq + 1, &next);
        if (rc < 0 || next == 0 || es_index_event(story->query, next, &act) < 0)
            return rc;
        if (act.kind != ES_K_CALL || !(act.flags & ES_E_CALLBACK))
            continue;
        rc = es_query_handled(story->query, next, &handled, &maybe);
        if (rc < 0)
            return rc;
        if (handled == delivery->seq)
            return (maybe ? push_maybe : push)(story, next, from, ES_EDGE_HANDLING);
    }
    return 0;
}

static bool is_worth_telling(unsigned kind)
{
    return kind == ES_K_SEND || kind == ES_K_SEND_DEAD || kind == ES_K_SPAWN || kind == ES_K_EXCEPTION ||
           kind == ES_K_EXIT || kind == ES_K_STATE;
}

/* What was done in a callback, and by its behaviour until the next one. */
static int push_inside(struct es_cone *story, const struct es_indexed *call, const struct es_caused *from)
{
    uint64_t at = call->seq;
    bool ended = false;
    for (unsigned i = 0; i < INSIDE_MAX; i++) {
        struct es_indexed act;
        int rc = es_index_first(story->query, call->pid, ES_ROW_ACTS, at + 1, &at);
        if (rc < 0 || at == 0 || es_index_event(story->query, at, &act) < 0)
            return rc;
        bool callback = act.flags & ES_E_CALLBACK;
        if (act.kind == ES_K_CALL && callback && ended && !es_doing_is_terminate(story->query, at))
            return 0;
        ended = ended || (es_is_call_end(act.kind) && callback);
        if (is_worth_telling(act.kind))
            rc = push(story, at, from, act.kind == ES_K_SEND && ended ? ES_EDGE_REPLY : ES_EDGE_CALL);
        if (rc < 0 || act.kind == ES_K_EXIT)
            return rc;
    }
    return 0;
}

/* A new process: its first callback. */
static int push_first_callback(struct es_cone *story, const struct es_indexed *spawned, const struct es_caused *from)
{
    uint64_t at = spawned->seq;
    for (unsigned i = 0; i < 32; i++) {
        struct es_indexed act;
        int rc = es_index_first(story->query, spawned->pid, ES_ROW_ACTS, at + 1, &at);
        if (rc < 0 || at == 0 || es_index_event(story->query, at, &act) < 0)
            return rc;
        if (act.kind == ES_K_CALL && act.flags & ES_E_CALLBACK)
            return push(story, at, from, ES_EDGE_PROGRAM);
    }
    return 0;
}

static int look_ahead(struct es_cone *story, const struct es_indexed *event, const struct es_caused *from)
{
    switch (event->kind) {
    case ES_K_DELIVER: return push_handler(story, event, from);
    case ES_K_SPAWNED: return push_first_callback(story, event, from);
    case ES_K_CALL:
    case ES_K_EXCEPTION: return push_inside(story, event, from);
    case ES_K_SEND:
    case ES_K_SPAWN:
    case ES_K_EXIT: return push_effects(story, event->seq, from);
    default: return 0;
    }
}

/* ---- the walk ------------------------------------------------------------------------------------------------------ */

static int tell(struct es_cone *story, const struct es_caused *caused)
{
    struct es_indexed event;
    if (story->request->depth && caused->depth >= story->request->depth) {
        story->cut = true;
        return 0;
    }
    int rc = es_index_event(story->query, caused->seq, &event);
    if (rc < 0)
        return rc == -EBADMSG ? 0 : rc;
    return story->request->forward ? look_ahead(story, &event, caused) : look_back(story, &event, caused);
}

int es_query_story(struct es_query *query, const struct es_cone_request *request, struct es_caused **ret_events,
                   size_t *ret_n, bool *ret_cut)
{
    struct es_cone story = {.query = query, .request = request};
    struct es_pending pending = {.caused = {.seq = request->seq}};
    struct es_indexed event;
    int rc = es_index_event(query, request->seq, &event);
    if (rc < 0)
        return es_fail(rc, "event %llu %s", (unsigned long long)request->seq,
                       rc == -ENOENT ? "is not in the recording" : "cannot be read");
    rc = es_cone_push(&story, &pending);
    while (rc == 0 && es_cone_pop(&story, &pending)) {
        rc = es_cone_add(&story, &pending.caused);
        if (rc == 1)
            rc = tell(&story, &pending.caused);
        if (story.request->limit && story.n >= story.request->limit) {
            story.cut = story.cut || story.n_heap > 0;
            break;
        }
    }
    return es_cone_finish(&story, rc, ret_events, ret_n, ret_cut);
}
