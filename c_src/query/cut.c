/* SPDX-License-Identifier: MIT */
/* Copies a part of a recording into a new one. Events keep their times; sequence numbers start anew, causes
 * follow them. What an event refers to outside of the part comes along with it: the payload of a delivery
 * whose send is outside, the state that is "unchanged". */
#include "query/cut.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "query/made.h"

/* ---- sequence numbers ---------------------------------------------------------------------------------------------- */

static int note_seq(struct es_cut_work *work, uint64_t old)
{
    struct es_run *last = work->n_runs ? &work->runs[work->n_runs - 1] : NULL;
    if (last && last->old + last->n == old) {
        last->n++;
        return 0;
    }
    if (work->n_runs == work->runs_room || !work->runs) {
        size_t room = work->runs_room ? work->runs_room * 2 : 16;
        struct es_run *runs = realloc(work->runs, room * sizeof *runs);
        if (!runs)
            return -ENOMEM;
        work->runs = runs;
        work->runs_room = room;
    }
    work->runs[work->n_runs++] = (struct es_run){old, work->next, 1};
    return 0;
}

uint64_t es_cut_seq(const struct es_cut_work *work, uint64_t old)
{
    size_t from = 0, to = work->n_runs; /* the first run that begins behind it */
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (work->runs[middle].old <= old)
            from = middle + 1;
        else
            to = middle;
    }
    const struct es_run *run = from > 0 ? &work->runs[from - 1] : NULL;
    return run && old - run->old < run->n ? run->new + (old - run->old) : 0;
}

/* ---- events -------------------------------------------------------------------------------------------------------- */

/* The state that is "unchanged" since before the part: its last version that was captured. */
static int bring_state(struct es_cut_work *work, struct es_event *event, const struct es_event **ret_held,
                       struct es_cursor **ret_cursor)
{
    struct es_filter filter = {.pids = &event->pid,
                               .n_pids = 1,
                               .kinds = UINT64_C(1) << ES_K_STATE,
                               .since = INT64_MIN,
                               .until = INT64_MAX,
                               .before_seq = event->seq,
                               .reverse = true};
    const struct es_event *before;
    int rc = es_cursor_open(work->query, &filter, ret_cursor);
    while (rc >= 0 && (rc = es_cursor_next(*ret_cursor, &before)) > 0) {
        if (before->flags & ES_E_STATE_SAME)
            continue;
        if (before->payload_len > 0 && !(before->flags & ES_E_STATE_MISSED))
            *ret_held = before;
        break;
    }
    return rc < 0 ? rc : 0;
}

static int copy_state(struct es_cut_work *work, struct es_event *event, struct es_cursor **ret_cursor)
{
    uint64_t *known = event->pid ? es_refmap_place(&work->states, event->pid) : NULL;
    const struct es_event *version = NULL;
    int rc =
        known && *known == 0 && (event->flags & ES_E_STATE_SAME) ? bring_state(work, event, &version, ret_cursor) : 0;
    if (known)
        *known = 1;
    if (!version)
        return rc;
    event->payload = version->payload;
    event->payload_len = version->payload_len;
    event->flags = (uint8_t)((event->flags & ~ES_E_STATE_SAME) | (version->flags & (ES_E_CUT | ES_E_REDACTED)));
    return 0;
}

static void copy_cause(struct es_cut_work *work, struct es_event *event)
{
    if (event->cause) {
        uint64_t cause = es_cut_seq(work, event->cause);
        if (!cause) {
            es_query_fill(work->query, event, &work->state);
            event->cause_state = ES_CAUSE_UNKNOWN;
        }
        event->cause = cause;
    }
    if (event->cause_state >= ES_CAUSE_MAX)
        return;
    if (event->kind == ES_K_DELIVER || event->kind == ES_K_SPAWNED)
        work->pairs[event->cause_state]++;
    else if (event->kind == ES_K_CALL || event->kind == ES_K_TAKEN)
        work->handled[event->cause_state]++;
}

static int copy_refs(struct es_cut_work *work, const struct es_event *event)
{
    const es_ref refs[] = {event->pid, event->peer, event->site, event->module, event->function};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof refs / sizeof refs[0]; i++)
        rc = es_cut_ref(work, refs[i]);
    return rc == 0 ? es_cut_term(work, event->payload, event->payload_len) : rc;
}

static int commit_if_full(struct es_cut_work *work)
{
    size_t bytes;
    es_store_pending(work->store, &bytes);
    return bytes > ES_STORE_BATCH_BYTES ? es_store_commit(work->store, NULL) : 0;
}

static int copy_event(struct es_cut_work *work, const struct es_event *stored)
{
    struct es_event event = *stored;
    struct es_cursor *cursor = NULL; /* holds a state from before the part */
    int rc = note_seq(work, stored->seq);
    if (event.kind == ES_K_STATE)
        es_query_fill(work->query, &event, &work->state);
    if (rc == 0 && event.kind == ES_K_STATE)
        rc = copy_state(work, &event, &cursor);
    copy_cause(work, &event);
    event.seq = work->next;
    if (rc == 0)
        rc = copy_refs(work, &event);
    if (rc == 0)
        rc = commit_if_full(work);
    if (rc == 0)
        rc = es_store_event(work->store, &event);
    if (rc == 0)
        work->next++;
    es_cursor_close(cursor);
    return rc;
}

/* A block that cannot be read is a loss of the part. */
static int note_damage(struct es_cut_work *work, const struct es_block_info *block)
{
    int rc = 0;
    es_error_clear();
    for (unsigned kind = 0; rc == 0 && kind < ES_KIND_MAX; kind++)
        if (block->kinds[kind] > 0)
            rc = es_store_loss(work->store, kind, block->kinds[kind], block->first_time, block->last_time,
                               "damaged block");
    return rc;
}

static int copy_block(struct es_cut_work *work, size_t index)
{
    const struct es_cut_request *request = work->request;
    const struct es_block_info *blocks = NULL;
    struct es_block *block;
    es_recording_blocks(work->query->recording, &blocks);
    int rc = es_block_get(work->query->recording, index, &block);
    if (rc == -EBADMSG)
        return note_damage(work, &blocks[index]);
    if (rc < 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < block->n; i++)
        if (block->events[i].time >= request->since && block->events[i].time < request->until)
            rc = copy_event(work, &block->events[i]);
    es_block_unref(work->query->recording, block);
    return rc;
}

static int copy_events(struct es_cut_work *work)
{
    const struct es_cut_request *request = work->request;
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(work->query->recording, &blocks);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (blocks[i].first_time < request->until && blocks[i].last_time >= request->since)
            rc = copy_block(work, i);
        if (rc == 0 && request->tick && request->tick((double)i / (double)n, request->context))
            rc = es_fail(-ECANCELED, "the copy was stopped");
    }
    bool bounded = request->since != INT64_MIN || request->until != INT64_MAX;
    if (rc == 0 && work->next == 1 && bounded)
        rc = es_fail(-ERANGE, "no event lies in this part");
    return rc;
}

/* ---- the whole ----------------------------------------------------------------------------------------------------- */

static bool is_same_file(struct es_query *query, const char *path)
{
    struct stat a, b;
    return query->path && stat(query->path, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

static int create(struct es_cut_work *work)
{
    const struct es_cut_request *request = work->request;
    if (request->since >= request->until)
        return es_fail(-EINVAL, "the part ends before it begins");
    if (is_same_file(work->query, request->path))
        return es_fail(-EINVAL, "%s is the recording itself", request->path);
    return es_made_create(request->path, request->overwrite, &work->store);
}

int es_query_cut(struct es_query *query, const struct es_cut_request *request)
{
    struct es_cut_work work = {.query = query, .request = request, .next = 1};
    int rc = create(&work);
    if (rc == 0) {
        rc = copy_events(&work);
        if (rc == 0)
            rc = es_cut_facts(&work);
        if (rc == 0)
            rc = es_store_close(work.store, "cut");
        else
            es_store_abandon(work.store);
        if (rc < 0)
            es_made_remove(request->path);
    }
    if (rc == 0 && request->tick)
        request->tick(1, request->context);
    free(work.runs);
    es_refmap_fini(&work.refs);
    es_refmap_fini(&work.states);
    es_buf_fini(&work.state);
    return rc < 0 ? es_fail(rc, "cannot cut to %s", request->path) : 0;
}
