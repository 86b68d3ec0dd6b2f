/* SPDX-License-Identifier: MIT */
/* What a process was doing at an event: found by walking back through its acts, as far as is worth it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/cone.h"
#include "wire/term.h"

#define ACTS_MAX 20000u /* looked at for one answer */

static bool is_aside(unsigned kind)
{
    unsigned family = es_kind_table[kind].family;
    return family == ES_FAM_MEMORY || family == ES_FAM_SCHEDULING || family == ES_FAM_ERROR || family == ES_FAM_STATE;
}

static int act_before(struct es_query *query, es_ref pid, uint64_t seq, struct es_indexed *ret)
{
    uint64_t found = 0;
    *ret = (struct es_indexed){0};
    int rc = seq > 1 ? es_index_last(query, pid, ES_ROW_ACTS, seq - 1, &found) : 0;
    return rc == 0 && found ? es_index_event(query, found, ret) : rc;
}

int es_doing_act(struct es_query *query, es_ref pid, uint64_t seq, struct es_indexed *ret)
{
    int rc = act_before(query, pid, seq, ret);
    while (rc == 0 && ret->seq && is_aside(ret->kind))
        rc = act_before(query, pid, ret->seq, ret);
    return rc;
}

int es_doing_callback(struct es_query *query, es_ref pid, uint64_t seq, struct es_doing *ret)
{
    struct es_indexed act = {.seq = seq};
    uint32_t depth = 0;
    *ret = (struct es_doing){0};
    for (uint32_t i = 0; i < ACTS_MAX; i++) {
        int rc = act_before(query, pid, act.seq, &act);
        if (rc < 0 || act.seq == 0)
            return rc;
        if (!(act.flags & ES_E_CALLBACK) || act.kind == ES_K_STATE)
            continue;
        if (act.kind == ES_K_CALL && depth == 0) {
            ret->open = act.seq;
            return 0;
        }
        if (ret->ended)
            return 0;
        if (act.kind == ES_K_CALL) {
            depth--;
            ret->ended = depth == 0 ? act.seq : 0;
        } else if (es_is_call_end(act.kind)) {
            ret->end = depth == 0 ? act.seq : ret->end;
            depth++;
        }
    }
    return 0;
}

bool es_doing_is_terminate(struct es_query *query, uint64_t call)
{
    const struct es_event *event;
    size_t len = 0;
    if (es_query_stored(query, call, &event) < 0)
        return false;
    const uint8_t *name = es_recording_define(query->recording, event->function, &len);
    return name && len == 9 && memcmp(name, "terminate", 9) == 0;
}

bool es_doing_is_last(struct es_query *query, uint64_t end)
{
    const struct es_event *event;
    struct es_reader r;
    struct es_token token;
    if (es_query_stored(query, end, &event) < 0 || event->kind != ES_K_RETURN || event->payload_len == 0)
        return true;
    es_reader_init(&r, event->payload, event->payload_len);
    if (es_token_next(&r, &token) < 0)
        return true;
    if (token.type == ES_TOK_TUPLE && es_token_next(&r, &token) < 0)
        return true;
    return es_query_is_atom(query, &token, "stop") || es_query_is_atom(query, &token, "stop_and_reply") ||
           es_query_is_atom(query, &token, "ignore") || es_query_is_atom(query, &token, "error");
}

/* ---- requests ------------------------------------------------------------------------------------------------------ */

/* Where a send was delivered before `until`; 0. */
static int delivery_of(struct es_query *query, uint64_t send, uint64_t until, uint64_t *ret_delivery)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(query->recording, &blocks);
    *ret_delivery = 0;
    for (size_t k = es_query_block_of(query, send); k < n && blocks[k].first_seq <= until && !*ret_delivery; k++) {
        const struct es_effect *effects;
        size_t n_effects, low = 0;
        int rc = es_index_effects(query, k, &effects, &n_effects);
        if (rc < 0)
            return rc == -EBADMSG ? 0 : rc;
        for (size_t high = n_effects; low < high;) {
            size_t middle = low + (high - low) / 2;
            if (effects[middle].cause < send)
                low = middle + 1;
            else
                high = middle;
        }
        if (low < n_effects && effects[low].cause == send && effects[low].effect <= until)
            *ret_delivery = effects[low].effect;
    }
    return 0;
}

/* A delivery with this reference between two events of a process. */
static int answer_between(struct es_query *query, es_ref pid, const struct es_event *send, uint64_t until, bool *ret_is)
{
    uint64_t at = send->seq + 1, corr = send->corr;
    *ret_is = false;
    for (uint32_t i = 0; i < ACTS_MAX && !*ret_is; i++) {
        const struct es_event *event;
        uint64_t found = 0;
        int rc = es_index_first(query, pid, ES_ROW_DELIVERIES, at, &found);
        if (rc < 0 || found == 0 || found >= until)
            return rc;
        if (es_query_stored(query, found, &event) == 0)
            *ret_is = event->corr == corr;
        at = found + 1;
    }
    return 0;
}

int es_doing_request(struct es_query *query, es_ref pid, uint64_t seq, uint64_t *ret_send, uint64_t *ret_delivery)
{
    struct es_indexed act;
    const struct es_event *stored;
    bool answered = false;
    *ret_send = *ret_delivery = 0;
    int rc = es_doing_act(query, pid, seq, &act);
    if (rc < 0 || act.seq == 0 || act.kind != ES_K_SEND || es_query_stored(query, act.seq, &stored) < 0)
        return rc;
    struct es_event send = *stored;
    if (send.corr == 0)
        return 0;
    rc = answer_between(query, pid, &send, seq, &answered);
    if (rc < 0 || answered)
        return rc;
    *ret_send = send.seq;
    return delivery_of(query, send.seq, seq, ret_delivery);
}

int es_doing_is_reply(struct es_query *query, uint64_t delivery, bool *ret_is)
{
    const struct es_event *event;
    *ret_is = false;
    if (es_query_stored(query, delivery, &event) < 0 || event->corr == 0)
        return 0;
    uint64_t corr = event->corr;
    es_ref pid = event->pid;
    struct es_indexed act = {.seq = delivery};
    for (uint32_t i = 0; i < 200 && !*ret_is; i++) {
        int rc = es_doing_act(query, pid, act.seq, &act);
        if (rc < 0 || act.seq == 0)
            return rc;
        if (act.kind == ES_K_SEND && es_query_stored(query, act.seq, &event) == 0)
            *ret_is = event->corr == corr;
    }
    return 0;
}

uint64_t es_doing_birth(struct es_query *query, es_ref pid)
{
    const struct es_process *processes = NULL;
    size_t n = es_recording_processes(query->recording, &processes);
    for (size_t i = 0; i < n; i++) {
        struct es_indexed event;
        uint64_t seq = 0;
        if (processes[i].pid != pid || processes[i].spawn_seq == 0)
            continue;
        if (es_index_first(query, pid, ES_ROW_ACTS, processes[i].spawn_seq, &seq) < 0 || seq == 0 ||
            es_index_event(query, seq, &event) < 0)
            return 0;
        return event.kind == ES_K_SPAWNED ? seq : 0;
    }
    return 0;
}

/* ---- states and crashes -------------------------------------------------------------------------------------------- */

int es_query_state_before(struct es_query *query, es_ref pid, uint64_t seq, uint64_t *ret_seq)
{
    struct es_indexed act = {.seq = seq};
    *ret_seq = 0;
    for (uint32_t i = 0; i < ACTS_MAX; i++) {
        int rc = act_before(query, pid, act.seq, &act);
        if (rc < 0 || act.seq == 0)
            return rc;
        if (act.kind == ES_K_STATE && !(act.flags & ES_E_STATE_SAME)) {
            *ret_seq = act.seq;
            return 0;
        }
    }
    return 0;
}

/* normal, shutdown, {shutdown, _}: nothing failed. */
static bool is_planned(struct es_query *query, const struct es_event *exit)
{
    struct es_reader r;
    struct es_token token;
    es_reader_init(&r, exit->payload, exit->payload_len);
    if (exit->payload_len == 0 || es_token_next(&r, &token) < 0)
        return true;
    if (token.type == ES_TOK_TUPLE && (token.count != 2 || es_token_next(&r, &token) < 0))
        return false;
    return es_query_is_atom(query, &token, "normal") || es_query_is_atom(query, &token, "shutdown");
}

static int find_failed(struct es_query *query, const struct es_filter *filter, uint64_t *ret_seq)
{
    struct es_cursor *cursor;
    const struct es_event *event;
    *ret_seq = 0;
    int rc = es_cursor_open(query, filter, &cursor);
    if (rc < 0)
        return rc;
    while (*ret_seq == 0 && (rc = es_cursor_next(cursor, &event)) > 0)
        if (event->kind == ES_K_CRASH || !is_planned(query, event))
            *ret_seq = event->seq;
    es_cursor_close(cursor);
    return rc < 0 ? rc : 0;
}

/* A process reports its crash and exits then. */
static int exit_behind(struct es_query *query, uint64_t *seq)
{
    const struct es_event *crash;
    if (es_query_stored(query, *seq, &crash) < 0 || crash->pid == ES_REF_NONE)
        return 0;
    es_ref pid = crash->pid;
    uint64_t next = *seq;
    for (unsigned i = 0; i < 64; i++) {
        struct es_indexed event;
        int rc = es_index_first(query, pid, ES_ROW_ACTS, next + 1, &next);
        if (rc < 0 || next == 0 || es_index_event(query, next, &event) < 0)
            return rc;
        if (event.kind == ES_K_EXIT) {
            *seq = next;
            return 0;
        }
    }
    return 0;
}

int es_query_crash(struct es_query *query, bool first, uint64_t *ret_seq)
{
    struct es_filter filter = {
        .kinds = UINT64_C(1) << ES_K_CRASH, .since = INT64_MIN, .until = INT64_MAX, .reverse = !first};
    uint64_t seq = 0;
    int rc = find_failed(query, &filter, &seq);
    if (rc == 0 && seq)
        rc = exit_behind(query, &seq);
    filter.kinds = UINT64_C(1) << ES_K_EXIT;
    if (rc == 0 && seq == 0)
        rc = find_failed(query, &filter, &seq);
    if (rc == 0 && seq == 0)
        rc = es_fail(-ENOENT, "nothing crashed: there is no crash report, and no exit that was not planned");
    if (rc == 0)
        *ret_seq = seq;
    return rc;
}
