/* SPDX-License-Identifier: MIT */
/* Blocks are read by several threads, each of which takes the next one that is missing: the recording and the index are used under a lock,
 * decoding and summing up, which is nearly all of the work, without. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "query/timeline_index.h"

#define TEXT_MAX 2048u

struct reading {
    struct es_query *query;
    struct es_lane_index *index;
    const struct es_lanes_wish *wish;
    const struct es_block_info *infos;
    pthread_mutex_t lock; /* of all that follows, and of query and index */
    size_t next, n;       /* blocks */
    uint64_t clock;       /* what was used since is of this reading */
    bool full;
    int code; /* of the first thread that failed, and what it said */
    char text[TEXT_MAX], hint[TEXT_MAX];
};

/* One thread's. */
struct task {
    struct reading *reading;
    unsigned number;
    pthread_t thread;
    size_t block;
    es_ref *missing;
    size_t n_missing;
};

/* Explanations are a thread's own: the one that asked is told. */
static void fail(struct reading *r, int code)
{
    if (r->code == 0) {
        r->code = code;
        snprintf(r->text, sizeof r->text, "%s", es_error_text());
        snprintf(r->hint, sizeof r->hint, "%s", es_error_hint());
    }
    es_error_clear();
}

/* The next block of which lanes are missing. False: there is none, or no more is to be read. */
static bool find_block(struct task *t)
{
    struct reading *r = t->reading;
    const struct es_lane_pids pids = r->wish->pids;
    while (r->code == 0 && !r->full && r->next < r->n) {
        size_t at = r->next++;
        struct es_lane_block *block = &r->index->blocks[at];
        if (!es_lanes_touched(&r->infos[at], r->wish->since, r->wish->until))
            continue;
        block->used = ++r->index->clock;
        t->block = at;
        t->n_missing = 0;
        for (size_t i = 0; !block->damaged && i < pids.n; i++)
            if (!es_lanes_known(block, pids.pids[i]))
                t->missing[t->n_missing++] = pids.pids[i];
        if (t->n_missing > 0)
            return true;
        r->full = !es_lanes_fit(r->index, r->clock);
    }
    return false;
}

/* With the lock, as all that follows; which is given away meanwhile. */
static int read_lanes(struct task *t, struct es_lane_reader *reader)
{
    struct reading *r = t->reading;
    struct es_lane_block *block = &r->index->blocks[t->block];
    struct es_lanes_request request = {t->missing, t->n_missing};
    struct es_block_lanes read = {0};
    struct es_lane_part all;
    int rc = es_lane_reader_load(reader, r->query->recording, t->block);
    if (rc < 0)
        return rc;
    pthread_mutex_unlock(&r->lock);
    rc = es_lane_reader_decode(reader, &request, &read);
    pthread_mutex_lock(&r->lock);
    if (rc == 0)
        rc = es_lanes_take(r->index, block, t->n_missing, &read, &all);
    if (rc < 0)
        return rc;
    pthread_mutex_unlock(&r->lock);
    es_lanes_fill(block, (struct es_lane_pids){t->missing, t->n_missing}, &read, all);
    pthread_mutex_lock(&r->lock);
    return 0;
}

static int read_block(struct task *t)
{
    struct reading *r = t->reading;
    struct es_lane_block *block = &r->index->blocks[t->block];
    struct es_lane_reader **reader = &r->index->readers[t->number];
    if (!*reader && !(*reader = es_lane_reader_new()))
        return es_fail(-ENOMEM, "no memory for a timeline");
    int rc = read_lanes(t, *reader);
    if (rc == -EBADMSG)
        es_recording_block_damaged(r->query->recording, t->block);
    if (rc == -EBADMSG || rc == -ENOENT) { /* damaged, or dropped since */
        block->damaged = true;
        es_error_clear();
        rc = 0;
    }
    if (rc < 0 || block->damaged)
        es_lanes_drop(r->index, block);
    if (rc == 0 && !es_lanes_fit(r->index, r->clock))
        r->full = true;
    return rc;
}

/* `found`: a block was found for it already. */
static void read_all(struct task *t, bool found)
{
    struct reading *r = t->reading;
    pthread_mutex_lock(&r->lock);
    while (found || find_block(t)) {
        int rc = read_block(t);
        if (rc < 0)
            fail(r, rc);
        found = false;
    }
    pthread_mutex_unlock(&r->lock);
}

static void *run(void *task)
{
    read_all(task, false);
    return NULL;
}

static unsigned processors(void)
{
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return (unsigned)CPU_COUNT(&set);
#endif
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (unsigned)n : 1;
}

static bool start(struct task *t, size_t n_pids)
{
    t->missing = malloc((n_pids + 1) * sizeof *t->missing);
    if (t->missing && pthread_create(&t->thread, NULL, run, t) == 0)
        return true;
    free(t->missing);
    return false;
}

/* Helpers for the blocks behind the first: more of them than blocks are of no use. Where one cannot be had the others do its work. */
static unsigned start_helpers(struct reading *r, struct task *tasks)
{
    unsigned most = processors(), n = 0;
    sigset_t all, before;
    most = most < ES_LANE_THREADS ? most : ES_LANE_THREADS;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the caller's threads' business */
    bool started = true;
    size_t next = r->next; /* of that which is shared from the first helper on */
    for (size_t i = next; started && i < r->n && n + 1 < most; i++) {
        if (!es_lanes_touched(&r->infos[i], r->wish->since, r->wish->until))
            continue;
        tasks[n] = (struct task){.reading = r, .number = n + 1};
        started = start(&tasks[n], r->wish->pids.n);
        n += started;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return n;
}

static void read_together(struct reading *r, struct task *own)
{
    struct task helpers[ES_LANE_THREADS];
    unsigned n = start_helpers(r, helpers);
    read_all(own, true);
    for (unsigned i = 0; i < n; i++) {
        pthread_join(helpers[i].thread, NULL);
        free(helpers[i].missing);
    }
}

int es_lanes_read(struct es_query *query, const struct es_lanes_wish *wish, size_t from, size_t *ret_to)
{
    struct reading r = {.query = query, .index = query->lanes, .wish = wish, .next = from};
    struct task own = {.reading = &r, .missing = malloc((wish->pids.n + 1) * sizeof *own.missing)};
    if (!own.missing)
        return es_fail(-ENOMEM, "no memory for a timeline");
    r.n = es_recording_blocks(query->recording, &r.infos);
    r.clock = r.index->clock + 1;
    pthread_mutex_init(&r.lock, NULL);
    if (find_block(&own))
        read_together(&r, &own);
    pthread_mutex_destroy(&r.lock);
    free(own.missing);
    if (r.code < 0) {
        if (r.hint[0])
            es_hint("%s", r.hint);
        return es_fail(r.code, "%s", r.text);
    }
    *ret_to = r.next;
    return 0;
}
