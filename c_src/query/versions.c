/* SPDX-License-Identifier: MIT */
/* The versions of a process's state: which there are, what they hold, and what made them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/inner.h"

struct es_versions {
    es_ref pid;
    struct es_version_info *list;
    size_t n, room;
};

void es_versions_free(struct es_versions *versions)
{
    if (!versions)
        return;
    free(versions->list);
    free(versions);
}

static bool add_version(struct es_versions *versions, const struct es_event *event)
{
    if (versions->n == versions->room) {
        size_t room = versions->room ? versions->room * 2 : 64;
        struct es_version_info *list = realloc(versions->list, room * sizeof *list);
        if (!list)
            return false;
        versions->list = list;
        versions->room = room;
    }
    versions->list[versions->n++] = (struct es_version_info){.seq = event->seq,
                                                             .time = event->time,
                                                             .hash = event->hash,
                                                             .module = event->module,
                                                             .function = event->function,
                                                             .arity = (uint8_t)event->arity,
                                                             .flags = event->flags};
    return true;
}

/* Reads them from the recording. */
static int read_versions(struct es_query *query, es_ref pid, struct es_versions *versions)
{
    struct es_filter filter = {.pids = &pid,
                               .n_pids = 1,
                               .kinds = UINT64_C(1) << ES_K_STATE,
                               .since = INT64_MIN,
                               .until = INT64_MAX,
                               .no_payload = true};
    struct es_cursor *cursor;
    const struct es_event *event;
    int rc = es_cursor_open(query, &filter, &cursor);
    if (rc < 0)
        return rc;
    while ((rc = es_cursor_next(cursor, &event)) > 0)
        if (!(event->flags & ES_E_STATE_SAME) && !add_version(versions, event)) {
            rc = -ENOMEM;
            break;
        }
    es_cursor_close(cursor);
    return rc;
}

int es_query_versions(struct es_query *query, es_ref pid, const struct es_version_info **ret_list, size_t *ret_n)
{
    struct es_versions *versions = NULL;
    for (size_t i = 0; i < ES_VERSIONS_KEPT && !versions; i++)
        if (query->versions[i] && query->versions[i]->pid == pid)
            versions = query->versions[i];
    if (!versions) {
        versions = calloc(1, sizeof *versions);
        int rc = versions ? read_versions(query, pid, versions) : -ENOMEM;
        if (rc < 0) {
            es_versions_free(versions);
            return es_fail(rc, "the versions of a state cannot be read");
        }
        versions->pid = pid;
        size_t at = query->next_versions++ % ES_VERSIONS_KEPT;
        es_versions_free(query->versions[at]);
        query->versions[at] = versions;
    }
    *ret_list = versions->list;
    *ret_n = versions->n;
    return 0;
}

/* ---- only which there are ------------------------------------------------------------------------------------------- */

struct es_changed {
    es_ref pid;
    uint64_t *list;
    size_t n, room;
};

void es_changed_free(struct es_changed *changed)
{
    if (changed)
        free(changed->list);
    free(changed);
}

static bool add_place(struct es_changed *changed, uint64_t seq)
{
    if (changed->n == changed->room) {
        size_t room = changed->room ? changed->room * 2 : 64;
        uint64_t *list = realloc(changed->list, room * sizeof *list);
        if (!list)
            return false;
        changed->list = list;
        changed->room = room;
    }
    changed->list[changed->n++] = seq;
    return true;
}

static int read_places(struct es_query *query, es_ref pid, struct es_changed *changed)
{
    struct es_seq_range range = {1, UINT64_MAX};
    struct es_state_at at;
    int rc;
    while ((rc = es_recording_change_first(query->recording, pid, range, &at)) == 0) {
        if (!add_place(changed, at.seq))
            return -ENOMEM;
        range.from = at.seq + 1;
    }
    return rc == -ENOENT ? 0 : rc;
}

int es_query_version_places(struct es_query *query, es_ref pid, const uint64_t **ret_list, size_t *ret_n)
{
    struct es_changed *changed = NULL;
    for (size_t i = 0; i < ES_CHANGED_KEPT && !changed; i++)
        if (query->changed[i] && query->changed[i]->pid == pid)
            changed = query->changed[i];
    if (!changed) {
        changed = calloc(1, sizeof *changed);
        int rc = changed ? read_places(query, pid, changed) : -ENOMEM;
        if (rc < 0) {
            es_changed_free(changed);
            return es_fail(rc, "the versions of a state cannot be read");
        }
        changed->pid = pid;
        size_t at = query->next_changed++ % ES_CHANGED_KEPT;
        es_changed_free(query->changed[at]);
        query->changed[at] = changed;
    }
    *ret_list = changed->list;
    *ret_n = changed->n;
    return 0;
}

int es_query_version_info(struct es_query *query, uint64_t seq, struct es_version_info *ret_info)
{
    const struct es_event *event;
    int rc = es_query_stored(query, seq, &event);
    if (rc < 0)
        return es_fail(rc, "event %llu cannot be read", (unsigned long long)seq);
    *ret_info = (struct es_version_info){.seq = event->seq,
                                         .time = event->time,
                                         .hash = event->hash,
                                         .module = event->module,
                                         .function = event->function,
                                         .arity = (uint8_t)event->arity,
                                         .flags = event->flags};
    return 0;
}

/* ---- contents ------------------------------------------------------------------------------------------------------ */

int es_query_version_bytes(struct es_query *query, const struct es_version_info *version, const uint8_t **ret_bytes,
                           size_t *ret_len)
{
    if (version->flags & ES_E_STATE_MISSED)
        return es_fail(-ENODATA, "this version was not captured");
    query->state.len = 0;
    int rc = es_recording_state_read(query->recording, version->seq, &query->state);
    if (rc < 0)
        return rc;
    if (query->state.len == 0)
        return es_fail(-ENODATA, "this version has no contents");
    *ret_bytes = query->state.bytes;
    *ret_len = query->state.len;
    return 0;
}
