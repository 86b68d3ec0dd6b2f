/* SPDX-License-Identifier: MIT */
/* The state of a process at a moment: the version in force, and how much of it is known. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/inner.h"

const char *const es_state_known_names[ES_STATE_KNOWN_MAX] = {"captured", "cut", "redacted", "missed", "doubtful"};

const struct es_process *es_query_process(struct es_query *query, es_ref pid)
{
    const struct es_process *processes = NULL;
    size_t n = es_recording_processes(query->recording, &processes);
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

/* Had the overhead budget taken a step before? It may leave out the calls of whole processes. */
static bool was_thinned(struct es_query *query, int64_t at)
{
    struct es_filter filter = {.kinds = UINT64_C(1) << ES_K_BUDGET,
                               .since = INT64_MIN,
                               .until = at == INT64_MAX ? at : at + 1,
                               .limit = 1,
                               .no_payload = true};
    struct es_cursor *cursor;
    const struct es_event *event;
    if (es_cursor_open(query, &filter, &cursor) < 0)
        return true;
    bool found = es_cursor_next(cursor, &event) != 0;
    es_cursor_close(cursor);
    return found;
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
    if (state->lost > 0 || was_thinned(query, until))
        state->known = ES_STATE_DOUBTFUL;
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

/* Of the version in force, or of the last one before it that was captured. */
static int copy_bytes(struct es_query *query, struct es_state *state)
{
    const uint8_t *bytes;
    struct es_version_info version = state->version;
    size_t number = state->number;
    while (number > 0 && (version.flags & ES_E_STATE_MISSED)) {
        int rc = --number > 0 ? es_version_number(query, state->pid, number, &version) : 0;
        if (rc < 0)
            return rc;
    }
    state->shown = number;
    if (number == 0)
        return 0;
    int rc = es_query_version_bytes(query, &version, &bytes, &state->len);
    if (rc < 0)
        return rc;
    state->bytes = malloc(state->len);
    if (!state->bytes)
        return es_fail(-ENOMEM, "no memory for a state of %zu bytes", state->len);
    memcpy(state->bytes, bytes, state->len);
    return 0;
}

int es_query_state(struct es_query *query, es_ref pid, int64_t at, struct es_state *ret_state)
{
    struct es_version_at found;
    int rc = es_version_at(query, pid, at, &found);
    if (rc < 0)
        return rc;
    const struct es_process *process = es_query_process(query, pid);
    if (found.number == 0)
        return es_state_unknown(query, pid, at);
    struct es_state state = {.pid = pid,
                             .at = at,
                             .since = found.version.time,
                             .number = found.number,
                             .of = found.of,
                             .version = found.version,
                             .exited = process && process->exited <= at ? process->exited : INT64_MAX};
    judge(query, &state);
    rc = copy_bytes(query, &state);
    if (rc == 0)
        rc = es_query_version_cause(query, &state.version, &state.cause);
    if (rc < 0) {
        es_state_fini(&state);
        return rc;
    }
    *ret_state = state;
    return 0;
}

void es_state_fini(struct es_state *state)
{
    free(state->bytes);
    state->bytes = NULL;
    state->len = 0;
}
