/* SPDX-License-Identifier: MIT */
/* Recordings of several nodes as one: whether they fit together, and the steps of it. */
#include "query/merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "query/made.h"

#define RECORDINGS_MAX 64u

int es_merge_tick(const struct es_merge *merge, double done)
{
    const struct es_merge_request *request = merge->request;
    return request->tick && request->tick(done, request->context) ? es_fail(-ECANCELED, "it was stopped") : 0;
}

const char *es_query_merged(struct es_query *query, size_t k, const char *key)
{
    char name[128];
    snprintf(name, sizeof name, ES_MERGED ".%zu.%s", k, key);
    return es_recording_meta(query->recording, name);
}

size_t es_query_merged_count(struct es_query *query)
{
    const char *text = es_recording_meta(query->recording, ES_MERGED);
    unsigned long n = text ? strtoul(text, NULL, 10) : 0;
    return n <= RECORDINGS_MAX ? n : 0;
}

/* ---- whether they fit together ------------------------------------------------------------------------------------- */

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool is_same_meta(const struct es_merge_rec *a, const struct es_merge_rec *b, const char *key)
{
    char text[256];
    const char *x = es_recording_meta(a->query->recording, key);
    snprintf(text, sizeof text, "%s", x ? x : "");
    const char *y = es_recording_meta(b->query->recording, key);
    return x && y && strcmp(text, y) == 0;
}

/* A node that was started again has another creation; one without a name has none. */
static bool is_same_node(const struct es_merge_rec *a, const struct es_merge_rec *b)
{
    return a->creation && a->creation == b->creation && strcmp(a->node, b->node) == 0 && strchr(a->node, '@') &&
           strcmp(a->node, "nonode@nohost") != 0 && is_same_meta(a, b, "os_pid");
}

static int check_pair(const struct es_merge_rec *a, const struct es_merge_rec *b)
{
    const char *first = a->query->path, *second = b->query->path;
    if (is_same_file(first, second))
        return es_fail(-EINVAL, "%s is given twice", second);
    if (is_same_meta(a, b, "session"))
        return es_fail(-EINVAL, "%s and %s are copies of one recording", first, second);
    if (is_same_node(a, b) && a->first <= b->last && b->first <= a->last) {
        es_hint("One node's recordings can be put together when one begins after the other has ended.");
        return es_fail(-EINVAL, "%s and %s are of the same node, %s, at the same time", first, second, a->node);
    }
    return 0;
}

/* Within a range that nothing overflows in: 146 years around zero. */
static bool is_usual(int64_t time) { return time >= INT64_MIN / 2 && time <= INT64_MAX / 2; }

static int check_times(const struct es_merge *merge, const struct es_merge_rec *rec)
{
    int64_t offset = merge->request->offsets && rec->rec > 0 ? merge->request->offsets[rec->rec - 1] : 0;
    if (!is_usual(rec->first) || !is_usual(rec->last))
        return es_fail(-EINVAL, "the times of %s are none", rec->query->path);
    if (!is_usual(offset) || !is_usual(rec->first + offset) || !is_usual(rec->last + offset))
        return es_fail(-EINVAL, "with an offset of %lld ns the times of %s are none", (long long)offset,
                       rec->query->path);
    return 0;
}

static int check(const struct es_merge *merge)
{
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < merge->n; k++) {
        const struct es_merge_rec *rec = &merge->recs[k];
        if (is_same_file(rec->query->path, merge->request->path))
            rc = es_fail(-EINVAL, "%s is one of the recordings themselves", merge->request->path);
        if (rc == 0 && es_recording_meta(rec->query->recording, ES_MERGED)) {
            es_hint("Give all recordings that it was made of, and the new one, at once.");
            rc = es_fail(-EINVAL, "%s is merged already", rec->query->path);
        }
        if (rc == 0)
            rc = check_times(merge, rec);
        for (size_t i = 0; rc == 0 && i < k; i++)
            rc = check_pair(&merge->recs[i], rec);
    }
    return rc;
}

/* ---- preparing ----------------------------------------------------------------------------------------------------- */

static void set_up(struct es_merge *merge, size_t k, struct es_query *query)
{
    struct es_merge_rec *rec = &merge->recs[k];
    const char *creation = es_recording_meta(query->recording, "creation");
    *rec = (struct es_merge_rec){.query = query, .rec = (unsigned)k, .number = merge->nodes, .identity = k == 0};
    rec->node = query->node ? query->node : "unknown";
    rec->node_hash = es_hash_bytes(rec->node, strlen(rec->node), 3);
    rec->creation = creation ? (uint32_t)strtoul(creation, NULL, 10) : 0;
    if (!es_query_span(query, &rec->first, &rec->last))
        rec->first = rec->last = 0;
    for (size_t i = 0; i < k; i++)
        if (is_same_node(&merge->recs[i], rec))
            rec->number = merge->recs[i].number;
    merge->nodes += rec->number == merge->nodes;
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(query->recording, &blocks);
    for (size_t i = 0; i < n; i++)
        merge->all += blocks[i].events;
}

static int index_processes(struct es_merge_rec *rec)
{
    const struct es_process *processes = NULL;
    size_t n = es_recording_processes(rec->query->recording, &processes);
    for (size_t i = 0; i < n; i++) {
        uint64_t *place = processes[i].pid ? es_refmap_place(&rec->processes, processes[i].pid) : NULL;
        if (processes[i].pid && !place)
            return es_fail(-ENOMEM, "no memory for the processes");
        if (place && *place == 0)
            *place = i + 1;
    }
    return 0;
}

const struct es_process *es_merge_process(const struct es_merge_rec *rec, es_ref pid)
{
    const struct es_process *processes = NULL;
    const uint64_t *place = es_refmap_find(&rec->processes, pid);
    return place && *place <= es_recording_processes(rec->query->recording, &processes) ? &processes[*place - 1] : NULL;
}

static void fini(struct es_merge *merge)
{
    for (size_t k = 0; k < merge->n; k++) {
        struct es_merge_rec *rec = &merge->recs[k];
        struct es_refmap *maps[] = {&rec->atoms,  &rec->others,    &rec->places, &rec->corrs,
                                    &rec->unborn, &rec->processes, &rec->heard};
        for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++)
            es_refmap_fini(maps[i]);
        free(rec->addresses);
        free(rec->holes);
        free(rec->seqs.runs);
        es_merge_free(rec);
    }
    for (size_t i = 0; i < merge->atoms.n; i++)
        free(merge->atoms.list[i].text);
    free(merge->atoms.list);
    es_refmap_fini(&merge->atoms.by_text);
    es_refmap_fini(&merge->atoms.taken);
    es_refmap_fini(&merge->defined);
    es_buf_fini(&merge->term);
    es_buf_fini(&merge->gap);
    es_buf_fini(&merge->fact);
    es_buf_fini(&merge->state);
    free(merge->sends.list);
    free(merge->deliveries.list);
    free(merge->recs);
}

/* ---- the steps ----------------------------------------------------------------------------------------------------- */

static int check_clocks(const struct es_merge *merge)
{
    for (size_t k = 0; k < merge->n; k++) {
        const struct es_merge_rec *rec = &merge->recs[k];
        if (!is_usual(es_clock_map(&rec->fit, rec->first)) || !is_usual(es_clock_map(&rec->fit, rec->last)))
            return es_fail(-EINVAL, "the clock of %s cannot be put on that of %s", rec->query->path,
                           merge->recs[0].query->path);
    }
    return 0;
}

/* Pairs that nothing else can be say how the clocks lie; then times tell of more pairs, and these of the clocks. */
static int find_pairs(struct es_merge *merge)
{
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < merge->n; k++)
        rc = es_merge_collect(merge, &merge->recs[k]);
    for (int round = 0; rc == 0 && round < 2; round++) {
        merge->clocks = round > 0;
        rc = es_merge_pair(merge);
        if (rc == 0)
            rc = es_merge_clocks(merge);
    }
    if (rc == 0)
        rc = check_clocks(merge);
    return rc == 0 ? es_merge_exits(merge) : rc;
}

static int write_all(struct es_merge *merge)
{
    int rc = es_merge_atoms(merge);
    if (rc == 0)
        rc = find_pairs(merge);
    if (rc == 0)
        rc = es_merge_copy(merge);
    return rc == 0 ? es_merge_facts(merge) : rc;
}

static int make(struct es_merge *merge)
{
    int rc = es_made_create(merge->request->path, merge->request->overwrite, &merge->store);
    if (rc < 0)
        return rc;
    rc = write_all(merge);
    if (rc == 0)
        rc = es_store_close(merge->store, "merged");
    else
        es_store_abandon(merge->store);
    if (rc < 0)
        es_made_remove(merge->request->path);
    return rc;
}

int es_query_merge(struct es_query *const *queries, size_t n, const struct es_merge_request *request)
{
    struct es_merge merge = {.request = request, .next = 1, .last_time = INT64_MIN};
    if (n < 2 || n > RECORDINGS_MAX)
        return es_fail(-EINVAL, "from 2 to %u recordings can be merged, not %zu", RECORDINGS_MAX, n);
    merge.recs = calloc(n, sizeof *merge.recs);
    if (!merge.recs)
        return es_fail(-ENOMEM, "no memory to merge");
    for (; merge.n < n; merge.n++)
        set_up(&merge, merge.n, queries[merge.n]);
    int rc = check(&merge);
    for (size_t k = 0; rc == 0 && k < n; k++)
        rc = index_processes(&merge.recs[k]);
    if (rc == 0)
        rc = make(&merge);
    if (rc == 0 && request->tick)
        request->tick(1, request->context);
    fini(&merge);
    return rc < 0 ? es_fail(rc, "cannot merge to %s", request->path) : 0;
}
