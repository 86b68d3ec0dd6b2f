/* SPDX-License-Identifier: MIT */
/* The callback whose end a version of a state stands behind, from the few events between them. It is told only where they leave no doubt: ends
 * and calls match from the inside out, no call or end was lost meanwhile, and the callback handles a message of its own, so that it was not
 * called from within another one. */
#include <errno.h>

#include "base/error.h"
#include "query/holes.h"

#define ENDS 64u /* of calls within the callback, one in the other */

struct search {
    struct es_query *query;
    const struct es_version_info *version;
    struct es_run_event ends[ENDS]; /* those whose calls are to come, going backwards */
    unsigned n;
};

static bool is_same(const struct es_run_event *a, const struct es_run_event *b)
{
    return a->module == b->module && a->function == b->function && a->arity == b->arity;
}

/* 1: it is the callback's call; 0: go on; -EAGAIN: in doubt. */
static int look(struct search *s, const struct es_run_event *event)
{
    if (event->kind == ES_K_EXIT)
        return -EAGAIN;
    if (es_is_call_end(event->kind)) {
        if (s->n == ENDS)
            return -EAGAIN;
        s->ends[s->n++] = *event;
        return 0;
    }
    if (event->kind != ES_K_CALL)
        return 0;
    if (is_same(&s->ends[s->n - 1], event))
        return --s->n == 0;
    for (unsigned i = 0; i < s->n; i++) /* closed by an end that is not its own, or not open then */
        if (is_same(&s->ends[i], event))
            return -EAGAIN;
    return 0;
}

static int walk_back(struct search *s, uint64_t last, struct es_run_event *ret_call)
{
    struct es_block_run run;
    uint64_t first = es_query_parent_from(last);
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(s->query->recording, &blocks), block = es_query_block_of(s->query, last);
    if (block >= n)
        return -EAGAIN;
    do {
        int rc = es_recording_run(s->query->recording, block, s->version->pid, &run);
        if (rc < 0)
            return rc;
        for (size_t i = run.n; i-- > 0;) {
            if (run.events[i].seq > last)
                continue;
            if (run.events[i].seq < first ||
                (s->n == 0 && (run.events[i].seq != last || !es_is_call_end(run.events[i].kind))))
                return -EAGAIN;
            rc = look(s, &run.events[i]);
            *ret_call = run.events[i];
            if (rc != 0)
                return rc;
        }
    } while (s->n > 0 && block-- > 0 && blocks[block].last_seq >= first);
    return -EAGAIN;
}

/* Was nothing lost between the two? */
static bool is_whole(struct es_query *query, uint64_t from, uint64_t to)
{
    const struct es_loss *losses = NULL;
    struct es_holes holes;
    int64_t begin, end;
    if (es_recording_losses(query->recording, &losses) == 0)
        return true;
    if (es_recording_time_of(query->recording, from, &begin) < 0 ||
        es_recording_time_of(query->recording, to, &end) < 0 || es_holes_find(query, ES_KINDS_OF_CALLS, &holes) < 0)
        return false;
    bool whole = es_holes_whole(&holes, begin, end);
    es_holes_fini(&holes);
    return whole;
}

bool es_query_callback_before(struct es_query *query, const struct es_version_info *version,
                              struct es_run_event *ret_call)
{
    struct search search = {.query = query, .version = version};
    struct es_run_event call;
    if (version->seq < 2 || walk_back(&search, version->seq - 1, &call) != 1) {
        es_error_clear();
        return false;
    }
    if (!(call.flags & ES_E_CALLBACK) || call.cause_state != ES_CAUSE_PAIRED || call.module != version->module ||
        call.function != version->function || !is_whole(query, call.seq, version->seq - 1))
        return false;
    *ret_call = call;
    return true;
}
