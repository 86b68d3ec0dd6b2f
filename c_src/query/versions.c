/* SPDX-License-Identifier: MIT */
/* The versions of a process's state: which there are, what they hold, and what made them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/version_index.h"

/* Those of a process that was asked for all of them. */
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

/* ---- one ----------------------------------------------------------------------------------------------------------- */

int es_query_version_info(struct es_query *query, es_ref pid, const struct es_version_seen *seen,
                          struct es_version_info *ret_info)
{
    struct es_run_event event;
    int64_t time = 0;
    int rc = es_recording_run_event(query->recording, seen->seq, pid, &event);
    if (rc == 0)
        rc = es_recording_time_of(query->recording, seen->seq, &time);
    if (rc < 0)
        return es_fail(rc, "event %llu cannot be read", (unsigned long long)seen->seq);
    *ret_info = (struct es_version_info){.seq = seen->seq,
                                         .time = time,
                                         .hash = seen->hash,
                                         .pid = pid,
                                         .module = event.module,
                                         .function = event.function,
                                         .arity = (uint8_t)event.arity,
                                         .flags = event.flags};
    return 0;
}

/* The last of a process's versions in a block that is at or before an event: how many are there up to it. */
static int last_in(struct es_query *query, es_ref pid, size_t block, uint64_t seq, struct es_version_seen *ret_seen,
                   size_t *ret_n)
{
    struct es_version_seen *list = NULL;
    size_t n = 0;
    int rc = es_recording_state_list(query->recording, block, pid, &list, &n);
    *ret_n = 0;
    while (rc == 0 && *ret_n < n && list[*ret_n].seq <= seq)
        *ret_seen = list[(*ret_n)++];
    free(list);
    return rc;
}

/* In the block that holds the event, else in the one before that has any. What is damaged, or was dropped since, is passed over. */
static int find_version(struct es_query *query, es_ref pid, uint64_t seq, struct es_version_at *found)
{
    struct es_version_block at = {.block = es_query_block_of(query, seq) + 1};
    size_t here = 0;
    while (here == 0) {
        int rc = at.block > 0 ? es_version_block_before(query, pid, at.block - 1, &at) : -ENOENT;
        if (rc < 0) {
            found->number = 0;
            return rc;
        }
        rc = last_in(query, pid, at.block, seq, &found->seen, &here);
        if (rc < 0 && rc != -EBADMSG && rc != -ENOENT)
            return rc;
        if (rc < 0)
            es_error_clear();
        found->number = at.before + here;
    }
    return 0;
}

int es_version_at(struct es_query *query, es_ref pid, uint64_t seq, struct es_version_at *ret)
{
    struct es_version_at found = {0};
    struct es_version_block last;
    int rc = es_version_block_before(query, pid, SIZE_MAX, &last);
    if (rc == 0) {
        found.of = last.until;
        rc = find_version(query, pid, seq, &found);
    }
    if (rc == 0 || rc == -ENOENT)
        *ret = found;
    return rc == -ENOENT ? 0 : rc;
}

int es_version_number(struct es_query *query, es_ref pid, uint64_t number, struct es_version_seen *ret_seen)
{
    struct es_version_block at;
    struct es_version_seen *list = NULL;
    size_t n = 0;
    int rc = es_version_block_of(query, pid, number, &at);
    if (rc == 0)
        rc = es_recording_state_list(query->recording, at.block, pid, &list, &n);
    if (rc == 0 && number - at.before > n)
        rc = -ENOENT;
    if (rc == 0)
        *ret_seen = list[number - at.before - 1];
    free(list);
    return rc;
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

static bool add_version(struct es_versions *versions, const struct es_version_seen *seen, const struct es_event *event)
{
    if (versions->n == versions->room) {
        size_t room = versions->room ? versions->room * 2 : 64;
        struct es_version_info *list = realloc(versions->list, room * sizeof *list);
        if (!list)
            return false;
        versions->list = list;
        versions->room = room;
    }
    versions->list[versions->n++] = (struct es_version_info){.seq = seen->seq,
                                                             .time = event->time,
                                                             .hash = seen->hash,
                                                             .pid = event->pid,
                                                             .module = event->module,
                                                             .function = event->function,
                                                             .arity = (uint8_t)event->arity,
                                                             .flags = event->flags};
    return true;
}

/* Those of a block: of its events only times and functions are needed. */
static int list_block(struct es_query *query, struct es_versions *versions, size_t i, uint64_t first_seq)
{
    struct es_version_seen *list = NULL;
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

static int list_all(struct es_query *query, struct es_versions *versions)
{
    const struct es_block_info *blocks = NULL;
    struct es_version_block at = {0};
    es_recording_blocks(query->recording, &blocks);
    int rc;
    while ((rc = es_version_block_of(query, versions->pid, at.until + 1, &at)) == 0)
        if ((rc = list_block(query, versions, at.block, blocks[at.block].first_seq)) < 0)
            return rc;
    return rc == -ENOENT ? 0 : rc;
}

int es_query_versions(struct es_query *query, es_ref pid, const struct es_version_info **ret_list, size_t *ret_n)
{
    struct es_versions *versions = NULL;
    for (size_t i = 0; i < ES_VERSIONS_KEPT && !versions; i++)
        if (query->versions[i] && query->versions[i]->pid == pid)
            versions = query->versions[i];
    if (!versions) {
        versions = calloc(1, sizeof *versions);
        if (versions)
            versions->pid = pid;
        int rc = versions ? list_all(query, versions) : -ENOMEM;
        if (rc < 0) {
            es_versions_free(versions);
            return es_fail(rc, "the versions of a state cannot be read");
        }
        size_t at = query->next_versions++ % ES_VERSIONS_KEPT;
        es_versions_free(query->versions[at]);
        query->versions[at] = versions;
    }
    *ret_list = versions->list;
    *ret_n = versions->n;
    return 0;
}

/* ---- contents ------------------------------------------------------------------------------------------------------ */

int es_query_version_bytes(struct es_query *query, const struct es_version_info *version, const uint8_t **ret_bytes,
                           size_t *ret_len)
{
    if (version->flags & ES_E_STATE_MISSED)
        return es_fail(-ENODATA, "this version was not captured");
    query->state.len = 0;
    int rc = es_recording_state_read_of(query->recording, version->pid, version->seq, &query->state);
    if (rc < 0)
        return rc;
    if (query->state.len == 0)
        return es_fail(-ENODATA, "this version has no contents");
    *ret_bytes = query->state.bytes;
    *ret_len = query->state.len;
    return 0;
}
