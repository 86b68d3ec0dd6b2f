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

/* The last version at or before a time: its number, 0 where there is none. */
static size_t version_at(const struct es_version_info *list, size_t n, int64_t at)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (list[middle].time <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

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
    const struct es_version_info *list = NULL;
    size_t n = 0;
    int rc = es_query_versions(query, pid, &list, &n);
    if (rc < 0)
        return rc;
    struct es_state state = {.pid = pid, .at = at, .number = version_at(list, n, at), .of = n};
    if (state.number == 0)
        return es_state_unknown(query, pid, at);
    state.version = list[state.number - 1];
    state.shown = state.number;
    while (state.shown > 0 && (list[state.shown - 1].flags & ES_E_STATE_MISSED))
        state.shown--;
    rc = fill(query, state.shown ? &list[state.shown - 1] : NULL, &state);
    if (rc == 0)
        *ret_state = state;
    return rc;
}

/* ---- after an event ------------------------------------------------------------------------------------------------ */

/* The last version at or before an event; seq 0: there is none. */
static int last_version(struct es_query *query, es_ref pid, uint64_t seq, struct es_version_info *ret_info)
{
    struct es_state_at at;
    *ret_info = (struct es_version_info){.seq = 0};
    int rc = es_recording_change_last(query->recording, pid, (struct es_seq_range){1, seq}, &at);
    return rc == 0 ? es_query_version_info(query, at.seq, ret_info) : rc == -ENOENT ? 0 : rc;
}

int es_query_state_after(struct es_query *query, es_ref pid, uint64_t seq, struct es_state *ret_state)
{
    struct es_version_info shown = {0};
    int rc = es_query_version_info(query, seq, &shown);
    struct es_state state = {.pid = pid, .at = shown.time};
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

/* How many versions were made up to an event. */
static size_t count_until(const uint64_t *list, size_t n, uint64_t seq)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (list[middle] <= seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int es_query_state_number(struct es_query *query, struct es_state *state)
{
    const uint64_t *list = NULL;
    size_t n = 0;
    int rc = es_query_version_places(query, state->pid, &list, &n);
    if (rc < 0)
        return rc;
    state->of = n;
    state->number = count_until(list, n, state->version.seq);
    state->shown = state->shown_seq ? count_until(list, n, state->shown_seq) : 0;
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
