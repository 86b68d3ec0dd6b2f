/* SPDX-License-Identifier: MIT */
/* The state of a process at a moment: the version in force, and how much of it is known. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/inner.h"

const char *const es_state_known_names[ES_STATE_KNOWN_MAX] = {"captured", "cut", "redacted", "missed", "doubtful"};

/* Rows by pid: the first one of each. */
static bool index_rows(struct es_query *query, const struct es_process *processes, size_t n)
{
    uint64_t nobody = 1;
    for (size_t i = query->rows.n ? n : 0; i < n; i++) {
        uint64_t *row = processes[i].pid ? es_refmap_place(&query->rows, processes[i].pid) : &nobody;
        if (!row) {
            es_refmap_fini(&query->rows);
            return false;
        }
        *row = *row ? *row : i + 1;
    }
    return true;
}

const struct es_process *es_query_process(struct es_query *query, es_ref pid)
{
    const struct es_process *processes = NULL;
    size_t n = es_recording_processes(query->recording, &processes);
    if (index_rows(query, processes, n)) {
        const uint64_t *row = es_refmap_find(&query->rows, pid);
        return row && *row ? &processes[*row - 1] : NULL;
    }
    for (size_t i = 0; i < n; i++)
        if (processes[i].pid == pid)
            return &processes[i];
    return NULL;
}

es_ref es_query_pid_at(struct es_query *query, const es_ref *pids, size_t n, int64_t at)
{
    es_ref best = n > 0 ? pids[0] : ES_REF_NONE;
    int64_t best_spawned = INT64_MIN;
    bool best_lived = false;
    for (size_t i = 0; i < n; i++) {
        const struct es_process *process = es_query_process(query, pids[i]);
        if (!process || process->spawned > at)
            continue;
        bool lived = process->exited > at;
        if (i == 0 || (lived && !best_lived) || (lived == best_lived && process->spawned >= best_spawned)) {
            best = pids[i];
            best_spawned = process->spawned;
            best_lived = lived;
        }
    }
    return best;
}

/* ---- what may have been missed since ------------------------------------------------------------------------------- */

/* Calls and returns that were lost in a time: any of them may have been one of this process's. */
static uint64_t lost_between(struct es_query *query, int64_t from, int64_t to)
{
    const struct es_loss *losses = NULL;
    size_t n = es_recording_losses(query->recording, &losses);
    uint64_t lost = 0;
    for (size_t i = 0; i < n; i++) {
        bool concerns = losses[i].kind == ES_K_NONE || losses[i].kind == ES_K_CALL || losses[i].kind == ES_K_RETURN ||
                        losses[i].kind == ES_K_STATE;
        if (concerns && losses[i].to >= from && losses[i].from <= to)
            lost += losses[i].count;
    }
    return lost;
}

/* When the overhead budget took its first step: it may leave out the calls of whole processes. INT64_MAX: it took none. */
static int64_t thinned_since(struct es_query *query)
{
    struct es_filter filter = {
        .kinds = UINT64_C(1) << ES_K_BUDGET, .since = INT64_MIN, .until = INT64_MAX, .limit = 1, .no_payload = true};
    struct es_cursor *cursor;
    const struct es_event *event;
    if (query->thinned_ready)
        return query->thinned;
    if (es_cursor_open(query, &filter, &cursor) < 0)
        return INT64_MIN;
    int rc = es_cursor_next(cursor, &event);
    query->thinned = rc > 0 ? event->time : rc == 0 ? INT64_MAX : INT64_MIN;
    query->thinned_ready = true;
    es_cursor_close(cursor);
    return query->thinned;
}

static void judge(struct es_query *query, struct es_state *state)
{
    uint8_t flags = state->version.flags;
    int64_t until = state->exited < state->at ? state->exited : state->at;
    state->known = flags & ES_E_STATE_MISSED ? ES_STATE_MISSED
                   : flags & ES_E_CUT        ? ES_STATE_CUT
                   : flags & ES_E_REDACTED   ? ES_STATE_REDACTED
                                             : ES_STATE_CAPTURED;
    if (state->known == ES_STATE_MISSED)
        return;
    state->lost = lost_between(query, state->since, until);
    if (state->lost > 0 || thinned_since(query) <= until)
        state->known = ES_STATE_DOUBTFUL;
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

/* Of version `number`, which `info` is. */
static int copy_bytes(struct es_query *query, const struct es_version_info *info, struct es_state *state)
{
    const uint8_t *bytes;
    int rc = es_query_version_bytes(query, info, &bytes, &state->len);
    if (rc < 0)
        return rc;
    state->bytes = malloc(state->len);
    if (!state->bytes)
        return es_fail(-ENOMEM, "no memory for a state of %zu bytes", state->len);
    memcpy(state->bytes, bytes, state->len);
    return 0;
}

/* `state` has pid, time and version; `shown` is the version that was captured, NULL: none was. */
static int fill(struct es_query *query, const struct es_version_info *shown, struct es_state *state)
{
    const struct es_process *process = es_query_process(query, state->pid);
    state->since = state->version.time;
    state->exited = process && process->exited <= state->at ? process->exited : INT64_MAX;
    state->shown_seq = shown ? shown->seq : 0;
    judge(query, state);
    int rc = shown ? copy_bytes(query, shown, state) : 0;
    if (rc == 0)
        rc = es_query_version_cause(query, &state->version, &state->cause);
    if (rc < 0)
        es_state_fini(state);
    return rc;
}

int es_query_state(struct es_query *query, es_ref pid, int64_t at, struct es_state *ret_state)
{
    struct es_version_at found = {0};
    uint64_t seq = 0;
    int rc = es_recording_seq_at(query->recording, at, &seq);
    if (rc == 0 || rc == -ENOENT)
        rc = es_version_at(query, pid, seq, &found);
    if (rc < 0)
        return rc;
    if (found.number == 0)
        return es_state_unknown(query, pid, at);
    struct es_state state = {.pid = pid, .at = at, .number = found.number, .of = found.of, .shown = found.number};
    struct es_version_seen seen = found.seen;
    struct es_version_info shown;
    while (rc == 0 && state.shown > 0 && (seen.flags & ES_E_STATE_MISSED))
        rc = --state.shown > 0 ? es_version_number(query, pid, state.shown, &seen) : 0;
    if (rc == 0)
        rc = es_query_version_info(query, pid, &found.seen, &state.version);
    shown = state.version;
    if (rc == 0 && state.shown > 0 && state.shown != state.number)
        rc = es_query_version_info(query, pid, &seen, &shown);
    if (rc == 0)
        rc = fill(query, state.shown ? &shown : NULL, &state);
    if (rc == 0)
        *ret_state = state;
    return rc;
}

/* ---- after an event ------------------------------------------------------------------------------------------------ */

/* The last version at or before an event; seq 0: there is none. */
static int last_version(struct es_query *query, es_ref pid, uint64_t seq, struct es_version_info *ret_info)
{
    struct es_state_at at = {0};
    *ret_info = (struct es_version_info){.seq = 0};
    int rc = es_recording_change_last(query->recording, pid, (struct es_seq_range){1, seq}, &at);
    struct es_version_seen seen = {at.seq, at.hash, at.flags};
    return rc == 0 ? es_query_version_info(query, pid, &seen, ret_info) : rc == -ENOENT ? 0 : rc;
}

int es_query_state_after(struct es_query *query, es_ref pid, uint64_t seq, struct es_state *ret_state)
{
    struct es_version_info shown = {0};
    struct es_state state = {.pid = pid};
    int rc = es_recording_time_of(query->recording, seq, &state.at);
    if (rc == 0)
        rc = last_version(query, pid, seq, &shown);
    if (rc < 0)
        return rc;
    if (shown.seq == 0)
        return -ENODATA;
    state.version = shown;
    while (rc == 0 && shown.seq && (shown.flags & ES_E_STATE_MISSED))
        rc = last_version(query, pid, shown.seq - 1, &shown);
    if (rc == 0)
        rc = fill(query, shown.seq ? &shown : NULL, &state);
    if (rc == 0)
        *ret_state = state;
    return rc;
}

int es_query_state_number(struct es_query *query, struct es_state *state)
{
    struct es_version_at version, shown = {0};
    int rc = es_version_at(query, state->pid, state->version.seq, &version);
    if (rc == 0 && state->shown_seq)
        rc = es_version_at(query, state->pid, state->shown_seq, &shown);
    if (rc < 0)
        return rc;
    state->of = version.of;
    state->number = version.number;
    state->shown = shown.number;
    return 0;
}

int es_query_version_before(struct es_query *query, es_ref pid, uint64_t seq, struct es_version_info *ret_info)
{
    int rc = seq > 1 ? last_version(query, pid, seq - 1, ret_info) : -ENOENT;
    return rc == 0 && ret_info->seq == 0 ? -ENOENT : rc;
}

void es_state_fini(struct es_state *state)
{
    free(state->bytes);
    state->bytes = NULL;
    state->len = 0;
}
