/* SPDX-License-Identifier: MIT */
/* The cone of an event, the nearest in time first: so each event is looked at after all that it led to, and a limit
 * leaves out the farthest. A process's act before is looked for in other blocks only when its turn comes. */
#include "query/cone.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/index_part.h"

#define READ_AT_ONCE 32u /* blocks */

const char *const es_edge_names[] = {"none", "program", "message", "handling", "spawn",
                                     "exit", "timer",   "reply",   "call",     "waiting"};

enum es_edge_kind es_edge_of(unsigned cause, unsigned effect)
{
    if (effect == ES_K_SPAWNED)
        return ES_EDGE_SPAWN;
    if (cause == ES_K_EXIT)
        return ES_EDGE_EXIT;
    if (cause == ES_K_DELIVER || cause == ES_K_TIMEOUT)
        return ES_EDGE_HANDLING;
    return cause == ES_K_CALL ? ES_EDGE_TIMER : ES_EDGE_MESSAGE;
}

/* ---- the queue ----------------------------------------------------------------------------------------------------- */

/* Of the same place, events before those that are yet to be found. */
static bool is_nearer(const struct es_cone *cone, const struct es_pending *a, const struct es_pending *b)
{
    if (a->caused.seq != b->caused.seq)
        return cone->request->forward ? a->caused.seq < b->caused.seq : a->caused.seq > b->caused.seq;
    return !a->pid && b->pid;
}

int es_cone_push(struct es_cone *cone, const struct es_pending *pending)
{
    if (cone->n_heap == cone->heap_room) {
        size_t room = cone->heap_room ? cone->heap_room * 2 : 256;
        struct es_pending *heap = realloc(cone->heap, room * sizeof *heap);
        if (!heap)
            return -ENOMEM;
        cone->heap = heap;
        cone->heap_room = room;
    }
    size_t i = cone->n_heap++;
    for (; i > 0 && is_nearer(cone, pending, &cone->heap[(i - 1) / 2]); i = (i - 1) / 2)
        cone->heap[i] = cone->heap[(i - 1) / 2];
    cone->heap[i] = *pending;
    return 0;
}

bool es_cone_pop(struct es_cone *cone, struct es_pending *ret)
{
    if (cone->n_heap == 0)
        return false;
    *ret = cone->heap[0];
    struct es_pending last = cone->heap[--cone->n_heap];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < cone->n_heap; i = child) {
        if (child + 1 < cone->n_heap && is_nearer(cone, &cone->heap[child + 1], &cone->heap[child]))
            child++;
        if (!is_nearer(cone, &cone->heap[child], &last))
            break;
        cone->heap[i] = cone->heap[child];
    }
    if (cone->n_heap > 0)
        cone->heap[i] = last;
    return true;
}

int es_cone_push_event(struct es_cone *cone, uint64_t seq, const struct es_caused *from, enum es_edge_kind edge,
                       bool maybe)
{
    struct es_pending pending = {.caused = {seq, from->seq, (uint8_t)edge, maybe, from->depth + 1}};
    return es_cone_push(cone, &pending);
}

/* ---- the events found ---------------------------------------------------------------------------------------------- */

static bool is_outside(const struct es_cone *cone, const struct es_caused *caused)
{
    const struct es_cone_request *r = cone->request;
    const struct es_block_info *blocks = NULL;
    const struct es_event *event;
    if (r->bound == INT64_MIN || r->bound == INT64_MAX)
        return false;
    size_t n = es_recording_blocks(cone->query->recording, &blocks), i = es_query_block_of(cone->query, caused->seq);
    if (i == n)
        return true;
    if (r->forward ? blocks[i].last_time < r->bound : blocks[i].first_time >= r->bound)
        return false;
    if (r->forward ? blocks[i].first_time >= r->bound : blocks[i].last_time < r->bound)
        return true;
    if (es_query_stored(cone->query, caused->seq, &event) < 0)
        return true;
    return r->forward ? event->time >= r->bound : event->time < r->bound;
}

int es_cone_add(struct es_cone *cone, const struct es_caused *caused)
{
    uint64_t *seen = es_refmap_place(&cone->seen, caused->seq);
    if (!seen)
        return -ENOMEM;
    if (*seen)
        return 0;
    if (is_outside(cone, caused) || (cone->request->limit && cone->n >= cone->request->limit)) {
        cone->cut = true;
        return 0;
    }
    if (cone->n == cone->room) {
        size_t room = cone->room ? cone->room * 2 : 64;
        struct es_caused *events = realloc(cone->events, room * sizeof *events);
        if (!events)
            return -ENOMEM;
        cone->events = events;
        cone->room = room;
    }
    cone->events[cone->n++] = *caused;
    *seen = cone->n;
    return 1;
}

int es_cone_finish(struct es_cone *cone, int rc, struct es_caused **ret_events, size_t *ret_n, bool *ret_cut)
{
    free(cone->heap);
    es_refmap_fini(&cone->seen);
    if (rc < 0) {
        free(cone->events);
        return rc == -ENOMEM ? es_fail(rc, "no memory for causes") : rc;
    }
    *ret_events = cone->events;
    *ret_n = cone->n;
    *ret_cut = cone->cut;
    return 0;
}

/* ---- backwards ----------------------------------------------------------------------------------------------------- */

static int push_act(struct es_cone *cone, es_ref pid, uint64_t seq, const struct es_caused *from)
{
    struct es_pending pending = {.caused = {seq, from->seq, ES_EDGE_PROGRAM, false, from->depth + 1}, .pid = pid};
    return seq ? es_cone_push(cone, &pending) : 0;
}

static int push_handled(struct es_cone *cone, const struct es_indexed *event, const struct es_caused *caused)
{
    uint64_t handled = 0;
    bool maybe = false;
    if (event->cause || event->kind != ES_K_CALL || !(event->flags & ES_E_CALLBACK))
        return 0;
    int rc = es_query_handled(cone->query, event->seq, &handled, &maybe);
    if (rc < 0 || handled == 0)
        return rc == -EBADMSG ? 0 : rc;
    return es_cone_push_event(cone, handled, caused, ES_EDGE_HANDLING, maybe);
}

static int look_back(struct es_cone *cone, const struct es_caused *caused)
{
    struct es_indexed event, cause;
    int rc = es_index_event(cone->query, caused->seq, &event);
    if (rc < 0 || (cone->request->depth && caused->depth >= cone->request->depth))
        return rc == -EBADMSG ? 0 : rc;
    if (event.cause && es_index_event(cone->query, event.cause, &cause) == 0)
        rc = es_cone_push_event(cone, event.cause, caused, es_edge_of(cause.kind, event.kind), false);
    if (rc == 0)
        rc = push_handled(cone, &event, caused);
    if (rc == 0)
        rc = es_cone_push_replies(cone, &event, caused);
    bool first = event.kind == ES_K_SPAWNED || event.kind == ES_K_DELIVER || event.pid == ES_REF_NONE;
    return rc < 0 || first ? rc : push_act(cone, event.pid, event.seq - 1, caused);
}

/* The act is in this block, or its turn comes again with the block before. */
static int find_act_before(struct es_cone *cone, struct es_pending *pending)
{
    const struct es_block_info *blocks = NULL;
    uint64_t seq;
    int rc = es_index_last_here(cone->query, pending->pid, ES_ROW_ACTS, pending->caused.seq, &seq);
    if (rc < 0)
        return rc;
    if (seq) {
        pending->caused.seq = seq;
        pending->pid = ES_REF_NONE;
        return es_cone_push(cone, pending);
    }
    es_recording_blocks(cone->query->recording, &blocks);
    size_t i = es_query_block_of(cone->query, pending->caused.seq);
    if (i == 0)
        return 0;
    pending->caused.seq = blocks[i - 1].last_seq;
    return es_cone_push(cone, pending);
}

/* ---- forwards ------------------------------------------------------------------------------------------------------ */

/* Of calls, those that set a timer: no callback does. */
static bool can_cause(const struct es_indexed *event)
{
    unsigned kind = event->kind;
    return kind == ES_K_SEND || kind == ES_K_SEND_DEAD || kind == ES_K_SPAWN || kind == ES_K_EXIT ||
           kind == ES_K_DELIVER || (kind == ES_K_CALL && !(event->flags & ES_E_CALLBACK)) || kind == ES_K_TIMEOUT;
}

static size_t first_effect(const struct es_effect *effects, size_t n, uint64_t cause)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (effects[middle].cause < cause)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int push_effect(struct es_cone *cone, const struct es_caused *caused, uint64_t effect)
{
    struct es_indexed cause, to;
    int rc = es_index_event(cone->query, caused->seq, &cause);
    if (rc == 0)
        rc = es_index_event(cone->query, effect, &to);
    /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): rc is 0: both were found */
    return rc < 0 ? rc : es_cone_push_event(cone, effect, caused, es_edge_of(cause.kind, to.kind), false);
}

static int push_effects(struct es_cone *cone, const struct es_caused *caused, size_t block)
{
    const struct es_effect *effects;
    size_t n;
    int rc = es_index_effects(cone->query, block, &effects, &n);
    for (size_t i = rc < 0 ? 0 : first_effect(effects, n, caused->seq); rc == 0 && i < n; i++) {
        if (effects[i].cause != caused->seq)
            break;
        uint64_t effect = effects[i].effect;
        rc = push_effect(cone, caused, effect);
        if (rc == 0) /* another block may have been asked for since */
            rc = es_index_effects(cone->query, block, &effects, &n);
    }
    return rc;
}

static int look_ahead(struct es_cone *cone, const struct es_caused *caused)
{
    struct es_indexed event;
    int rc = es_index_event(cone->query, caused->seq, &event);
    if (rc < 0 || (cone->request->depth && caused->depth >= cone->request->depth))
        return rc == -EBADMSG ? 0 : rc;
    cone->may_lead = cone->may_lead || can_cause(&event);
    if (can_cause(&event))
        rc = push_effects(cone, caused, es_query_block_of(cone->query, caused->seq));
    if (rc == 0)
        rc = es_cone_push_taken(cone, &event, caused);
    if (rc < 0 || event.kind == ES_K_DELIVER || event.pid == ES_REF_NONE || event.kind == ES_K_EXIT)
        return rc;
    return push_act(cone, event.pid, event.seq + 1, caused);
}

static int find_act_behind(struct es_cone *cone, struct es_pending *pending)
{
    const struct es_block_info *blocks = NULL;
    uint64_t seq;
    int rc = es_index_first_here(cone->query, pending->pid, ES_ROW_ACTS, pending->caused.seq, &seq);
    if (rc < 0)
        return rc;
    if (seq) {
        pending->caused.seq = seq;
        pending->pid = ES_REF_NONE;
        return es_cone_push(cone, pending);
    }
    size_t n = es_recording_blocks(cone->query->recording, &blocks),
           i = es_query_block_of(cone->query, pending->caused.seq);
    if (i + 1 >= n)
        return 0;
    pending->caused.seq = blocks[i + 1].first_seq;
    return es_cone_push(cone, pending);
}

/* Of a block into which nothing is known to lead no more is read than which of its events have their causes before it; and a walk that came
 * through many of these mostly goes on: the next ones are read together. */
static void read_ahead(struct es_cone *cone, size_t block)
{
    struct es_index *index = cone->query->index;
    size_t n = cone->n_read < READ_AT_ONCE ? cone->n_read : READ_AT_ONCE, left = index->n_blocks - block;
    struct es_index_part *part;
    if (index->lates[block].list)
        return;
    if (cone->n_heap > 0 && cone->heap[0].pid && es_index_may_have(cone->query, block, cone->heap[0].pid)) {
        if (es_index_part_get(cone->query, block, &part) < 0)
            es_error_clear(); /* which is said when something in it is looked at */
        return;
    }
    n = n < left ? n : left;
    cone->n_read += n + 1;
    es_index_read(cone->query, &(struct es_index_wish){.first = block, .n = n, .lates = true});
}

/* Effects in block `block` of events found in blocks before it. */
static int enter_block(struct es_cone *cone, size_t block)
{
    const struct es_block_info *blocks = NULL;
    const struct es_lates *lates = NULL;
    es_recording_blocks(cone->query->recording, &blocks);
    read_ahead(cone, block);
    int rc = es_index_lates(cone->query, block, &lates);
    for (size_t i = 0; rc == 0 && i < lates->n; i++) {
        const uint64_t *found = es_refmap_find(&cone->seen, lates->list[i].cause);
        if (!found || *found == 0)
            continue;
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): what was found was put there */
        struct es_caused cause = cone->events[*found - 1];
        if (!cone->request->depth || cause.depth < cone->request->depth)
            rc = push_effect(cone, &cause, blocks[block].first_seq + lates->list[i].at);
    }
    return rc == -EBADMSG || rc == -ENOENT ? 0 : rc;
}

/* ---- the walk ------------------------------------------------------------------------------------------------------ */

static bool is_full(struct es_cone *cone)
{
    if (!cone->request->limit || cone->n < cone->request->limit)
        return false;
    cone->cut = cone->cut || cone->n_heap > 0;
    return true;
}

static int take(struct es_cone *cone, struct es_pending *pending)
{
    bool forward = cone->request->forward;
    if (pending->pid && pending->caused.edge == ES_EDGE_HANDLING)
        return forward ? es_cone_find_taken(cone, pending) : es_cone_find_reply(cone, pending);
    if (pending->pid)
        return forward ? find_act_behind(cone, pending) : find_act_before(cone, pending);
    int rc = es_cone_add(cone, &pending->caused);
    if (rc <= 0)
        return rc;
    return forward ? look_ahead(cone, &pending->caused) : look_back(cone, &pending->caused);
}

static int walk(struct es_cone *cone)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(cone->query->recording, &blocks);
    size_t block = es_query_block_of(cone->query, cone->request->seq);
    struct es_pending pending = {.caused = {.seq = cone->request->seq}};
    int rc = es_cone_push(cone, &pending);
    while (rc == 0 && !is_full(cone)) {
        bool behind = cone->n_heap == 0 ? cone->may_lead : cone->heap[0].caused.seq > blocks[block].last_seq;
        if (cone->request->forward && behind && block + 1 < n && blocks[block + 1].first_time < cone->request->bound) {
            rc = enter_block(cone, ++block);
            continue;
        }
        if (!es_cone_pop(cone, &pending))
            break;
        rc = take(cone, &pending);
    }
    return rc;
}

int es_query_cone(struct es_query *query, const struct es_cone_request *request, struct es_caused **ret_events,
                  size_t *ret_n, bool *ret_cut)
{
    struct es_cone cone = {.query = query, .request = request};
    struct es_indexed event;
    int rc = es_index_event(query, request->seq, &event);
    if (rc < 0)
        return es_fail(rc, "event %llu %s", (unsigned long long)request->seq,
                       rc == -ENOENT ? "is not in the recording" : "cannot be read");
    return es_cone_finish(&cone, walk(&cone), ret_events, ret_n, ret_cut);
}
