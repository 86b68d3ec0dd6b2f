/* SPDX-License-Identifier: MIT */
/* What recordings know besides events, of all of them: processes, names, losses, metadata, counters. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "query/made.h"
#include "query/merge.h"

/* ---- processes ----------------------------------------------------------------------------------------------------- */

/* The same process in another recording of its node: before this one, or behind it. */
static const struct es_process *again(const struct es_merge *merge, const struct es_merge_rec *rec, es_ref pid,
                                      bool behind)
{
    const struct es_process *found = NULL;
    for (size_t k = 0; k < merge->n && !found; k++) {
        const struct es_merge_rec *other = &merge->recs[k];
        if (other != rec && other->number == rec->number &&
            (behind ? other->first > rec->first : other->first < rec->first))
            found = es_merge_process(other, pid);
    }
    return found;
}

static int64_t map_time(const struct es_merge_rec *rec, int64_t time)
{
    return time == INT64_MIN || time == INT64_MAX ? time : es_clock_map(&rec->fit, time);
}

static int map_fact(struct es_merge *merge, struct es_merge_rec *rec, struct es_buf *buf, const uint8_t **bytes,
                    uint32_t *len)
{
    return *bytes ? es_merge_term(merge, rec, buf, bytes, len) : 0;
}

static int copy_process(struct es_merge *merge, struct es_merge_rec *rec, const struct es_process *stored)
{
    struct es_process p = *stored;
    if (again(merge, rec, p.pid, true)) /* the later recording knows how it went on */
        return 0;
    const struct es_process *before = again(merge, rec, p.pid, false);
    if (before && p.spawned == INT64_MIN)
        p.spawned = before->spawned;
    es_ref *refs[] = {&p.pid, &p.parent, &p.name, &p.module, &p.function};
    int rc = 0;
    p.id = 0;
    p.spawned = map_time(rec, p.spawned);
    p.exited = map_time(rec, p.exited);
    p.spawn_seq = p.spawn_seq ? es_merge_seq(rec, p.spawn_seq) : 0;
    p.exit_seq = p.exit_seq ? es_merge_seq(rec, p.exit_seq) : 0;
    for (size_t i = 0; rc == 0 && i < sizeof refs / sizeof refs[0]; i++)
        rc = es_merge_ref(merge, rec, *refs[i], refs[i]);
    if (rc == 0)
        rc = map_fact(merge, rec, &merge->term, &p.reason, &p.reason_len);
    if (rc == 0)
        rc = map_fact(merge, rec, &merge->state, &p.facts, &p.facts_len);
    return rc == 0 ? es_store_process(merge->store, &p) : rc;
}

static int copy_processes(struct es_merge *merge, struct es_merge_rec *rec)
{
    const struct es_process *processes = NULL;
    size_t n = es_recording_processes(rec->query->recording, &processes);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        size_t bytes;
        rc = copy_process(merge, rec, &processes[i]);
        es_store_pending(merge->store, &bytes);
        if (rc == 0 && bytes > ES_STORE_BATCH_BYTES)
            rc = es_store_commit(merge->store, NULL);
    }
    return rc;
}

static int copy_names(struct es_merge *merge, struct es_merge_rec *rec)
{
    const struct es_name *names = NULL;
    size_t n = es_recording_names(rec->query->recording, &names);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct es_name name = names[i];
        rc = es_merge_ref(merge, rec, name.name, &name.name);
        if (rc == 0)
            rc = es_merge_ref(merge, rec, name.pid, &name.pid);
        if (rc == 0)
            rc = es_store_name(merge->store, name.name, name.pid, map_time(rec, name.since), map_time(rec, name.until));
    }
    return rc;
}

static int copy_losses(struct es_merge *merge, struct es_merge_rec *rec)
{
    const struct es_loss *losses = NULL;
    size_t n = es_recording_losses(rec->query->recording, &losses);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = es_store_loss(merge->store, losses[i].kind, losses[i].count, map_time(rec, losses[i].from),
                           map_time(rec, losses[i].to), losses[i].why);
    return rc;
}

/* ---- metadata ------------------------------------------------------------------------------------------------------ */

struct metas {
    struct es_merge *merge;
    struct es_merge_rec *rec;
};

/* All that a recording says of itself under its number; what the first says, as the whole's too, but for what a store says of its file. */
static int copy_meta(const char *key, const char *value, void *context)
{
    static const char *const own[] = {"writer", "session",    "closed", "created", "ended",
                                      "end",    "end_reason", "kinds",  "warning", "duration_ns"};
    struct metas *metas = context;
    char name[128];
    bool kept = true;
    if (strcmp(key, "kinds") == 0 || strcmp(key, "writer") == 0 || strlen(key) > 64)
        return 0;
    snprintf(name, sizeof name, ES_MERGED ".%u.%s", metas->rec->rec, key);
    int rc = es_store_meta(metas->merge->store, name, value);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        kept = kept && strcmp(key, own[i]) != 0;
    return rc == 0 && kept && metas->rec->rec == 0 ? es_store_meta(metas->merge->store, key, value) : rc;
}

static int put_number(struct es_merge *merge, unsigned rec, const char *key, int64_t value)
{
    char name[64], text[24];
    snprintf(name, sizeof name, ES_MERGED ".%u.%s", rec, key);
    snprintf(text, sizeof text, "%" PRId64, value);
    return es_store_meta(merge->store, name, text);
}

/* How its clock was found; drift in ns a second. */
static int put_clock(struct es_merge *merge, const struct es_merge_rec *rec)
{
    const struct es_clock_fit *fit = &rec->fit;
    char name[64];
    const struct {
        const char *key;
        int64_t value;
    } facts[] = {{"number", rec->number},
                 {"offset_ns", (int64_t)((uint64_t)es_clock_map(fit, rec->first) - (uint64_t)rec->first)},
                 {"uncertainty_ns", fit->uncertainty},
                 {"drift_ns_s", (int64_t)(fit->pieces[0].drift * 1e9)},
                 {"lines", (int64_t)fit->n},
                 {"messages_in", (int64_t)fit->bounds[0]},
                 {"messages_out", (int64_t)fit->bounds[1]},
                 {"contradictions", (int64_t)fit->contradictions},
                 {"deliveries", (int64_t)rec->to_all},
                 {"deliveries_paired", (int64_t)rec->to_paired},
                 {"damaged_blocks", (int64_t)rec->damaged},
                 {"first_time", es_clock_map(fit, rec->first)},
                 {"last_time", es_clock_map(fit, rec->last)}};
    snprintf(name, sizeof name, ES_MERGED ".%u.clock_from", rec->rec);
    int rc = es_store_meta(merge->store, name, es_clock_how_names[fit->how]);
    snprintf(name, sizeof name, ES_MERGED ".%u.file", rec->rec);
    if (rc == 0)
        rc = es_store_meta(merge->store, name, rec->query->path);
    for (size_t i = 0; rc == 0 && i < sizeof facts / sizeof facts[0]; i++)
        rc = put_number(merge, rec->rec, facts[i].key, facts[i].value);
    return rc;
}

/* ---- counters ------------------------------------------------------------------------------------------------------ */

static int copy_counter(const char *name, uint64_t value, void *context)
{
    struct metas *metas = context;
    if (strncmp(name, "pairs.", 6) == 0 || strncmp(name, "handled.", 8) == 0 || strncmp(name, "retention.", 10) == 0)
        return 0;
    return es_store_count(metas->merge->store, name, value);
}

static int put_sums(struct es_merge *merge)
{
    char n[24];
    snprintf(n, sizeof n, "%zu", merge->n);
    int rc = es_store_meta(merge->store, ES_MERGED, n);
    if (rc == 0)
        rc = es_store_meta(merge->store, "end_reason", "merged");
    if (rc == 0)
        rc = es_made_count(merge->store, "pairs", merge->pairs);
    if (rc == 0)
        rc = es_made_count(merge->store, "handled", merge->handled);
    if (rc == 0 && merge->torn)
        rc = es_store_count(merge->store, "merge.torn", merge->torn);
    if (rc == 0 && merge->moved)
        rc = es_store_count(merge->store, "merge.moved", merge->moved);
    if (rc == 0 && merge->sends.left + merge->deliveries.left)
        rc = es_store_count(merge->store, "merge.left", merge->sends.left + merge->deliveries.left);
    return rc;
}

static int copy_source(es_ref ref, void *context)
{
    const struct metas *to = context;
    es_ref mapped;
    return es_merge_ref(to->merge, to->rec, ref, &mapped);
}

int es_merge_facts(struct es_merge *merge)
{
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < merge->n; k++) {
        struct es_merge_rec *rec = &merge->recs[k];
        struct metas metas = {merge, rec};
        rc = copy_processes(merge, rec);
        if (rc == 0)
            rc = copy_names(merge, rec);
        if (rc == 0)
            rc = copy_losses(merge, rec);
        if (rc == 0)
            rc = es_recording_each_meta(rec->query->recording, copy_meta, &metas);
        if (rc == 0)
            rc = es_recording_each_counter(rec->query->recording, copy_counter, &metas);
        if (rc == 0)
            rc = es_query_each_source(rec->query, copy_source, &metas);
        if (rc == 0)
            rc = put_clock(merge, rec);
    }
    return rc == 0 ? put_sums(merge) : rc;
}
