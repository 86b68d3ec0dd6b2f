/* SPDX-License-Identifier: MIT */
/* The versions of a process's state: which there are, what they hold, and what made them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/inner.h"

struct es_versions {
    es_ref pid;
    uint32_t *before; /* how many versions lie before each block, and before the end */
    struct es_version_info *list;
    size_t n, room;
    bool listed;
};

void es_versions_free(struct es_versions *versions)
{
    if (!versions)
        return;
    free(versions->before);
    free(versions->list);
    free(versions);
}

/* ---- how many ------------------------------------------------------------------------------------------------------ */

static int count(struct es_query *query, struct es_versions *versions)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(query->recording, &blocks);
    versions->before = calloc(n + 1, sizeof *versions->before);
    if (!versions->before)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        uint32_t here;
        int rc = es_recording_state_count(query->recording, i, versions->pid, &here);
        if (rc < 0 && rc != -EBADMSG && rc != -ENOENT)
            return rc;
        if (rc < 0)
            es_error_clear();
        versions->before[i + 1] = versions->before[i] + (rc < 0 ? 0 : here);
    }
    return 0;
}

static int get_versions(struct es_query *query, es_ref pid, struct es_versions **ret_versions)
{
    for (size_t i = 0; i < ES_VERSIONS_KEPT; i++)
        if (query->versions[i] && query->versions[i]->pid == pid) {
            *ret_versions = query->versions[i];
            return 0;
        }
    struct es_versions *versions = calloc(1, sizeof *versions);
    if (versions)
        versions->pid = pid;
    int rc = versions ? count(query, versions) : -ENOMEM;
    if (rc < 0) {
        es_versions_free(versions);
        return es_fail(rc, "the versions of a state cannot be read");
    }
    size_t at = query->next_versions++ % ES_VERSIONS_KEPT;
    es_versions_free(query->versions[at]);
    *ret_versions = query->versions[at] = versions;
    return 0;
}

/* ---- one ----------------------------------------------------------------------------------------------------------- */

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

/* The number of the last version at or before an event. */
static int number_at(struct es_query *query, const struct es_versions *versions, uint64_t seq, size_t *ret_number)
{
    const struct es_block_info *blocks = NULL;
    struct es_state_at *list = NULL;
    size_t n = es_recording_blocks(query->recording, &blocks), block = es_query_block_of(query, seq), here = 0;
    if (block == n) {
        *ret_number = versions->before[n];
        return 0;
    }
    *ret_number = versions->before[block];
    if (versions->before[block + 1] == versions->before[block])
        return 0;
    int rc = es_recording_state_list(query->recording, block, versions->pid, &list, &here);
    for (size_t i = 0; i < here && list[i].seq <= seq; i++)
        ++*ret_number;
    free(list);
    if (rc == -EBADMSG || rc == -ENOENT) { /* damaged: those before it are known */
        es_error_clear();
        return 0;
    }
    return rc;
}

/* Where the version with this number is. */
static int find_number(struct es_query *query, const struct es_versions *versions, size_t number,
                       struct es_state_at *ret_at)
{
    const struct es_block_info *blocks = NULL;
    struct es_state_at *list = NULL;
    size_t from = 0, to = es_recording_blocks(query->recording, &blocks), here = 0;
    while (from < to) { /* the first block that ends with it or later */
        size_t middle = from + (to - from) / 2;
        if (versions->before[middle + 1] < number)
            from = middle + 1;
        else
            to = middle;
    }
    int rc = es_recording_state_list(query->recording, from, versions->pid, &list, &here);
    size_t at = number - versions->before[from] - 1;
    if (rc == 0 && at >= here)
        rc = -ENOENT;
    if (rc == 0)
        *ret_at = list[at];
    free(list);
    return rc;
}

int es_version_at(struct es_query *query, es_ref pid, uint64_t seq, struct es_version_at *ret)
{
    const struct es_block_info *blocks = NULL;
    struct es_versions *versions;
    struct es_version_at found = {0};
    int rc = get_versions(query, pid, &versions);
    if (rc < 0)
        return rc;
    found.of = versions->before[es_recording_blocks(query->recording, &blocks)];
    if (seq > 0)
        rc = number_at(query, versions, seq, &found.number);
    if (rc == 0 && found.number > 0)
        rc = es_version_number(query, pid, found.number, &found.version);
    if (rc == 0)
        *ret = found;
    return rc;
}

int es_version_number(struct es_query *query, es_ref pid, size_t number, struct es_version_info *ret_version)
{
    const struct es_block_info *blocks = NULL;
    struct es_versions *versions;
    struct es_state_at at;
    int rc = get_versions(query, pid, &versions);
    if (rc == 0 && (number == 0 || number > versions->before[es_recording_blocks(query->recording, &blocks)]))
        return -ENOENT;
    if (rc == 0)
        rc = find_number(query, versions, number, &at);
    return rc == 0 ? es_query_version_info(query, at.seq, ret_version) : rc;
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

static bool add_version(struct es_versions *versions, const struct es_state_at *at, const struct es_event *event)
{
    if (versions->n == versions->room) {
        size_t room = versions->room ? versions->room * 2 : 64;
        struct es_version_info *list = realloc(versions->list, room * sizeof *list);
        if (!list)
            return false;
        versions->list = list;
        versions->room = room;
    }
    versions->list[versions->n++] = (struct es_version_info){.seq = at->seq,
                                                             .time = event->time,
                                                             .hash = at->hash,
                                                             .module = event->module,
                                                             .function = event->function,
                                                             .arity = (uint8_t)event->arity,
                                                             .flags = event->flags};
    return true;
}

/* Those of a block: of its events only times and functions are needed. */
static int list_block(struct es_query *query, struct es_versions *versions, size_t i, uint64_t first_seq)
{
    struct es_state_at *list = NULL;
    struct es_block *block = NULL;
    size_t n = 0;
    int rc = es_recording_state_list(query->recording, i, versions->pid, &list, &n);
    if (rc == 0 && n > 0)
        rc = es_block_get_fields(query->recording, i, ES_F_FUN, &block);
    for (size_t k = 0; rc == 0 && k < n; k++)
        if (!add_version(versions, &list[k], &block->events[list[k].seq - first_seq]))
            rc = -ENOMEM;
    if (block)
        es_block_unref(query->recording, block);
    free(list);
    if (rc == -EBADMSG || rc == -ENOENT) { /* damaged, or dropped since: passed over */
        es_error_clear();
        return 0;
    }
    return rc;
}

int es_query_versions(struct es_query *query, es_ref pid, const struct es_version_info **ret_list, size_t *ret_n)
{
    const struct es_block_info *blocks = NULL;
    struct es_versions *versions;
    size_t n = es_recording_blocks(query->recording, &blocks);
    int rc = get_versions(query, pid, &versions);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < n && rc == 0 && !versions->listed; i++)
        if (versions->before[i + 1] > versions->before[i])
            rc = list_block(query, versions, i, blocks[i].first_seq);
    if (rc < 0) {
        versions->n = 0;
        return es_fail(rc, "the versions of a state cannot be read");
    }
    versions->listed = true;
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
