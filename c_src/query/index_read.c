/* SPDX-License-Identifier: MIT */
/* Blocks that a question is going to need are read by several threads, each of which takes the next one: the recording is used under a lock,
 * decoding and making parts, which is nearly all of the work, without. What could not be read is read again by who needs it, who then says why. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "query/edges.h"

struct reading {
    struct es_query *query;
    const struct es_index_wish *wish;
    const struct es_block_info *infos;
    struct es_index_part **made; /* by block of the wish; NULL: not made */
    pthread_mutex_t lock;        /* of all that follows, and of the recording */
    size_t next;
};

struct task {
    struct reading *reading;
    unsigned number;
    pthread_t thread;
};

static bool is_missing(const struct es_index *index, const struct es_index_wish *wish, size_t block)
{
    return wish->lates ? !index->lates[block].list : !index->parts[block];
}

/* With the lock, as what follows it; which is given away meanwhile. */
static void read_block(struct reading *r, struct es_lane_reader *reader, size_t block)
{
    const struct es_index_wish *wish = r->wish;
    struct es_index *index = r->query->index;
    struct es_block_causes causes;
    struct es_index_part *part = NULL;
    if (es_lane_reader_load_causes(reader, r->query->recording, block) < 0)
        return;
    pthread_mutex_unlock(&r->lock);
    uint64_t first = r->infos[block].first_seq;
    bool read = es_lane_reader_causes(reader, &causes) == 0 && es_index_lates_note(index, block, &causes, first);
    if (read && (part = es_index_part_make(&causes))) {
        part->first = first;
        part->block = block;
        if (wish->edges)
            es_edges_make(part); /* where there is no memory for them now, they are made later */
    }
    r->made[block - wish->first] = part;
    pthread_mutex_lock(&r->lock);
}

static void read_lates(struct reading *r, struct es_lane_reader *reader, size_t block)
{
    struct es_block_crossing crossing;
    if (es_lane_reader_load_crossing(reader, r->query->recording, block) < 0)
        return;
    pthread_mutex_unlock(&r->lock);
    if (es_lane_reader_crossing(reader, &crossing) == 0)
        es_index_lates_take(r->query->index, block, &crossing, r->infos[block].first_seq);
    pthread_mutex_lock(&r->lock);
}

static void read_all(struct task *t)
{
    struct reading *r = t->reading;
    const struct es_index_wish *wish = r->wish;
    struct es_lane_reader **reader = &r->query->index->readers[t->number];
    if (!*reader)
        *reader = es_lane_reader_new();
    pthread_mutex_lock(&r->lock);
    while (*reader && r->next < wish->first + wish->n) {
        size_t block = r->next++;
        if (!is_missing(r->query->index, wish, block))
            continue;
        if (wish->lates)
            read_lates(r, *reader, block);
        else
            read_block(r, *reader, block);
    }
    pthread_mutex_unlock(&r->lock);
    es_error_clear();
}

static void *run(void *task)
{
    read_all(task);
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

/* Helpers besides the thread that asks. Where one cannot be had the others do its work. */
static unsigned start_helpers(struct reading *r, struct task *tasks)
{
    unsigned most = processors(), n = 0;
    sigset_t all, before;
    most = most < ES_INDEX_THREADS ? most : ES_INDEX_THREADS;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the caller's threads' business */
    while (n + 1 < most && n + 1 < r->wish->n) {
        tasks[n] = (struct task){.reading = r, .number = n + 1};
        if (pthread_create(&tasks[n].thread, NULL, run, &tasks[n]) != 0)
            break;
        n++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return n;
}

void es_index_read(struct es_query *query, const struct es_index_wish *wish)
{
    struct task tasks[ES_INDEX_THREADS], own;
    struct reading r = {.query = query, .wish = wish, .next = wish->first};
    size_t missing = 0;
    for (size_t i = 0; i < wish->n; i++)
        missing += is_missing(query->index, wish, wish->first + i);
    r.made = missing > 1 ? calloc(wish->n, sizeof(struct es_index_part *)) : NULL; /* one is as soon read by who asks */
    if (!r.made)
        return;
    es_recording_blocks(query->recording, &r.infos);
    own = (struct task){.reading = &r};
    pthread_mutex_init(&r.lock, NULL);
    unsigned n = start_helpers(&r, tasks);
    read_all(&own);
    for (unsigned i = 0; i < n; i++)
        pthread_join(tasks[i].thread, NULL);
    pthread_mutex_destroy(&r.lock);
    for (size_t i = 0; i < wish->n; i++)
        if (r.made[i])
            es_index_part_keep(query->index, r.made[i]);
    free(r.made);
}
