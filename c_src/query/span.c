/* SPDX-License-Identifier: MIT */
/* Spans: calls and their ends put together while walking through the recording, and what their processes did
 * meanwhile. Only functions with recorded ends are put on the stack; calls of others are moments. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/holes.h"
#include "query/lane.h"
#include "query/match.h"
#include "query/path.h"
#include "query/stack.h"

#define OPEN_MAX (UINT32_C(1) << 20)

const char *const es_span_end_names[] = {"unknown", "return", "exception", "exit", "open", "tail", "unwound"};

/* What is kept of an open call beside its frame. */
struct account {
    struct es_clocks clocks; /* when it began */
    int64_t inside;          /* ns of the spans in it */
    uint32_t path, depth;
    bool asked; /* it passes the filter */
    bool murky; /* the end of a span in it is unknown */
};

struct es_spans {
    struct es_query *query;
    struct es_match match;
    struct es_holes holes;
    struct es_stack stack;
    struct account *accounts; /* of the stack's frames */
    uint32_t room;
    struct es_paths paths;
    struct es_refmap lane_of; /* process to number of its lane + 1 */
    struct es_lane *lanes;
    size_t n_lanes, lanes_room;
    bool scheduling, collections; /* were recorded at all */
    int64_t unread;               /* time up to which a block could not be read */

    uint64_t next;          /* sequence number to look at */
    size_t asked;           /* open calls that pass the filter */
    bool drained;           /* all events were looked at */
    struct es_block *block; /* that is walked, NULL: none */
    uint64_t first;         /* of it */

    const struct es_event *now; /* the event that closes calls; NULL: the end of the recording */
    int64_t end_time;
    struct es_span *ready; /* closed and not given yet */
    size_t n_ready, ready_room, given;
    int failed;
};

/* ---- closing ------------------------------------------------------------------------------------------------------- */

static struct es_span *add_ready(struct es_spans *spans)
{
    if (spans->n_ready == spans->ready_room) {
        size_t room = spans->ready_room ? spans->ready_room * 2 : 64;
        struct es_span *ready = realloc(spans->ready, room * sizeof *ready);
        if (!ready) {
            spans->failed = es_fail(-ENOMEM, "no memory for spans");
            return NULL;
        }
        spans->ready = ready;
        spans->ready_room = room;
    }
    return &spans->ready[spans->n_ready++];
}

/* Does the event that is looked at say how the call ended? `ended`: it is the call's own end. */
static enum es_span_end how_ended(const struct es_spans *spans, const struct es_frame *f, bool ended)
{
    bool whole = f->time > spans->unread && es_holes_whole(&spans->holes, f->time, spans->end_time);
    if (!whole)
        return ES_SPAN_UNKNOWN;
    if (ended)
        return spans->now->kind == ES_K_RETURN ? ES_SPAN_RETURN
               : spans->now->kind == ES_K_TAIL ? ES_SPAN_TAIL
                                               : ES_SPAN_EXCEPTION;
    if (f->woven && spans->now && spans->now->kind != ES_K_EXIT)
        return ES_SPAN_UNWOUND;
    if (spans->now && spans->now->kind != ES_K_EXIT)
        return ES_SPAN_UNKNOWN;
    if (f->callback && f->doubtful)
        return ES_SPAN_UNKNOWN;
    return spans->now ? ES_SPAN_EXIT : ES_SPAN_OPEN;
}

static struct es_lane *lane_of(struct es_spans *spans, es_ref pid)
{
    const uint64_t *place = es_refmap_find(&spans->lane_of, pid);
    return place && *place ? &spans->lanes[*place - 1] : NULL;
}

static void measure(struct es_spans *spans, const struct es_frame *f, const struct account *a, struct es_span *span)
{
    span->total = spans->end_time - f->time;
    span->self = a->murky ? -1 : span->total - a->inside;
    const struct es_lane *lane = lane_of(spans, f->pid);
    if (!lane)
        return;
    struct es_clocks clocks = es_lane_clocks(lane, spans->end_time);
    if (spans->scheduling) {
        span->running = clocks.running - a->clocks.running;
        span->runnable = clocks.runnable - a->clocks.runnable;
        span->waiting = clocks.waiting - a->clocks.waiting;
    }
    if (spans->collections)
        span->gc = clocks.gc - a->clocks.gc;
}

static struct es_span make_span(const struct es_frame *f, const struct account *a)
{
    return (struct es_span){.call = f->seq,
                            .begin = f->time,
                            .total = -1,
                            .self = -1,
                            .running = -1,
                            .runnable = -1,
                            .waiting = -1,
                            .gc = -1,
                            .pid = f->pid,
                            .module = f->module,
                            .function = f->function,
                            .arity = f->arity,
                            .callback = f->callback,
                            .inner = f->same != ES_NO_FRAME,
                            .depth = a->depth,
                            .path = a->path};
}

static void closed(struct es_stack *stack, uint32_t frame, bool ended, void *context)
{
    struct es_spans *spans = context;
    const struct es_frame *f = &stack->frames[frame];
    const struct account *a = &spans->accounts[frame];
    struct es_span span = make_span(f, a);
    span.how = (uint8_t)how_ended(spans, f, ended);
    span.parent = f->below == ES_NO_FRAME ? 0 : stack->frames[f->below].seq;
    if (span.how != ES_SPAN_UNKNOWN) {
        span.end = spans->now ? spans->now->seq : 0;
        measure(spans, f, a, &span);
    }
    if (f->below != ES_NO_FRAME && span.how == ES_SPAN_UNKNOWN)
        spans->accounts[f->below].murky = true;
    else if (f->below != ES_NO_FRAME)
        spans->accounts[f->below].inside += span.total;
    if (!a->asked)
        return;
    spans->asked--;
    struct es_span *place = add_ready(spans);
    if (place)
        *place = span;
}

/* ---- events -------------------------------------------------------------------------------------------------------- */

static int find_lane(struct es_spans *spans, es_ref pid, struct es_lane **ret_lane)
{
    uint64_t *place = es_refmap_place(&spans->lane_of, pid);
    if (place && *place == 0) {
        if (spans->n_lanes == spans->lanes_room) {
            size_t room = spans->lanes_room ? spans->lanes_room * 2 : 256;
            struct es_lane *lanes = realloc(spans->lanes, room * sizeof *lanes);
            if (!lanes)
                return -ENOMEM;
            spans->lanes = lanes;
            spans->lanes_room = room;
        }
        es_lane_init(&spans->lanes[spans->n_lanes]);
        *place = ++spans->n_lanes;
    }
    if (!place)
        return -ENOMEM;
    *ret_lane = &spans->lanes[*place - 1];
    return 0;
}

static int grow_accounts(struct es_spans *spans)
{
    if (spans->room >= spans->stack.room)
        return 0;
    struct account *accounts = realloc(spans->accounts, spans->stack.room * sizeof *accounts);
    if (!accounts)
        return -ENOMEM;
    spans->accounts = accounts;
    spans->room = spans->stack.room;
    return 0;
}

/* A call whose end is not recorded: a moment in the span that is open. */
static int add_moment(struct es_spans *spans, const struct es_event *call)
{
    uint32_t top = es_stack_top(&spans->stack, call->pid);
    struct es_frame f = {.seq = call->seq,
                         .time = call->time,
                         .pid = call->pid,
                         .module = call->module,
                         .function = call->function,
                         .arity = call->arity,
                         .same = ES_NO_FRAME};
    struct account a = {.depth = top == ES_NO_FRAME ? 0 : spans->accounts[top].depth + 1};
    int rc = es_paths_find(&spans->paths, top == ES_NO_FRAME ? ES_PATH_NONE : spans->accounts[top].path, call, &a.path);
    struct es_span *place = rc == 0 && es_match_head(&spans->match, call) ? add_ready(spans) : NULL;
    if (place) {
        *place = make_span(&f, &a);
        place->parent = top == ES_NO_FRAME ? 0 : spans->stack.frames[top].seq;
    }
    return rc;
}

static int begin_call(struct es_spans *spans, const struct es_event *call, const struct es_lane *lane)
{
    int rc = call->flags & ES_E_CALLBACK ? 1 : es_query_has_ends(spans->query, call);
    if (rc <= 0)
        return rc < 0 ? rc : add_moment(spans, call);
    uint32_t frame;
    rc = es_stack_call(&spans->stack, call, &frame);
    if (rc == -E2BIG)
        return es_fail(rc, "more than %u calls are open at once", OPEN_MAX);
    if (rc < 0 || (rc = grow_accounts(spans)) < 0)
        return rc;
    uint32_t below = spans->stack.frames[frame].below;
    struct account *a = &spans->accounts[frame];
    *a = (struct account){.depth = below == ES_NO_FRAME ? 0 : spans->accounts[below].depth + 1,
                          .asked = es_match_head(&spans->match, call)};
    a->clocks = es_lane_clocks(lane, call->time);
    spans->asked += a->asked;
    return es_paths_find(&spans->paths, below == ES_NO_FRAME ? ES_PATH_NONE : spans->accounts[below].path, call,
                         &a->path);
}

/* When a delivered message was sent, INT64_MIN: not known. Mostly that is in the block that is walked. */
static int64_t sent_at(struct es_spans *spans, const struct es_event *delivery)
{
    const struct es_event *send = NULL;
    if (delivery->cause >= spans->first && delivery->cause - spans->first < spans->block->n)
        return spans->block->events[delivery->cause - spans->first].time;
    if (delivery->cause && es_query_stored(spans->query, delivery->cause, &send) == 0)
        return send->time;
    es_error_clear();
    return INT64_MIN;
}

static int take_event(struct es_spans *spans, const struct es_event *event)
{
    struct es_lane *lane = NULL;
    struct es_stack_user user = {closed, spans};
    int rc = find_lane(spans, event->pid, &lane);
    if (rc < 0)
        return rc;
    es_lane_event(lane, event, event->kind == ES_K_DELIVER && es_lane_asks(lane) ? sent_at(spans, event) : INT64_MIN);
    spans->now = event;
    spans->end_time = event->time;
    switch (event->kind) {
    case ES_K_CALL: return begin_call(spans, event, lane);
    case ES_K_TRY:
    case ES_K_CAUGHT:
    case ES_K_TAKEN:
    case ES_K_LINE: es_stack_inside(&spans->stack, event, &user); return spans->failed;
    case ES_K_RETURN:
    case ES_K_TAIL:
    case ES_K_EXCEPTION: es_stack_end(&spans->stack, event, &user); return spans->failed;
    case ES_K_EXIT: es_stack_settle(&spans->stack, event->pid, &user); return spans->failed;
    default: return 0;
    }
}

/* Of the filter: the process alone, for calls of others are not needed, but calls of other modules are. */
static bool is_of_process(const struct es_spans *spans, es_ref pid)
{
    const struct es_filter *f = &spans->match.filter;
    for (size_t i = 0; i < f->n_pids; i++)
        if (f->pids[i] == pid)
            return true;
    return f->n_pids == 0;
}

/* ---- blocks -------------------------------------------------------------------------------------------------------- */

#define KINDS(k) (block->kinds[ES_K_##k])
static bool matters(const struct es_spans *spans, const struct es_block_info *block)
{
    return block->last_time >= spans->match.filter.since &&
           KINDS(CALL) + KINDS(RETURN) + KINDS(EXCEPTION) + KINDS(TAIL) + KINDS(TRY) + KINDS(CAUGHT) + KINDS(LINE) +
                   KINDS(TAKEN) + KINDS(EXIT) + KINDS(IN) + KINDS(OUT) + KINDS(GC_MINOR_START) + KINDS(GC_MAJOR_START) >
               0;
}

/* 1 with a block to walk, 0 at the end. */
static int enter_block(struct es_spans *spans)
{
    struct es_recording *recording = spans->query->recording;
    for (;;) {
        const struct es_block_info *blocks = NULL;
        size_t n = es_recording_blocks(recording, &blocks), i = es_query_block_of(spans->query, spans->next);
        int stop = spans->query->tick ? spans->query->tick(spans->query->tick_context) : 0;
        if (stop < 0)
            return stop;
        if (i >= n || (spans->asked == 0 && blocks[i].first_time >= spans->match.filter.until))
            return 0;
        if (!matters(spans, &blocks[i])) {
            spans->next = blocks[i].last_seq + 1;
            continue;
        }
        unsigned fields = (spans->scheduling ? ES_F_FUN | ES_F_CAUSE : ES_F_FUN) |
                          (blocks[i].kinds[ES_K_TRY] + blocks[i].kinds[ES_K_CAUGHT] ? ES_F_CORR : 0);
        int rc = es_block_get_fields(recording, i, fields, &spans->block);
        if (rc == 0) {
            spans->first = blocks[i].first_seq;
            spans->next = spans->next < spans->first ? spans->first : spans->next;
            return 1;
        }
        spans->block = NULL;
        if (rc != -EBADMSG && rc != -ENOENT)
            return rc;
        es_error_clear();
        spans->unread = blocks[i].last_time;
        spans->next = blocks[i].last_seq + 1;
    }
}

static void leave_block(struct es_spans *spans)
{
    if (spans->block)
        es_block_unref(spans->query->recording, spans->block);
    spans->block = NULL;
}

static void finish(struct es_spans *spans)
{
    int64_t first;
    spans->now = NULL;
    spans->drained = true;
    if (es_query_span(spans->query, &first, &spans->end_time))
        es_stack_settle_all(&spans->stack, &(struct es_stack_user){closed, spans});
}

/* Walks until something is ready. */
static int advance(struct es_spans *spans)
{
    spans->n_ready = spans->given = 0;
    while (spans->n_ready == 0 && !spans->drained) {
        if (!spans->block) {
            int rc = enter_block(spans);
            if (rc < 0)
                return rc;
            if (rc == 0)
                finish(spans);
            continue;
        }
        size_t i = (size_t)(spans->next - spans->first);
        if (i >= spans->block->n) {
            leave_block(spans);
            continue;
        }
        const struct es_event *event = &spans->block->events[i];
        spans->next++;
        if (event->time < spans->match.filter.since || event->pid == ES_REF_NONE || !is_of_process(spans, event->pid))
            continue;
        int rc = take_event(spans, event);
        if (rc < 0)
            return rc == -ENOMEM ? es_fail(rc, "no memory for spans") : rc;
    }
    return spans->failed;
}

int es_spans_next(struct es_spans *spans, struct es_span *ret_span)
{
    if (spans->given == spans->n_ready) {
        int rc = advance(spans);
        if (rc < 0)
            return rc;
    }
    if (spans->given == spans->n_ready)
        return 0;
    *ret_span = spans->ready[spans->given++];
    return 1;
}

/* ---- the whole ----------------------------------------------------------------------------------------------------- */

static void find_families(struct es_spans *spans)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(spans->query->recording, &blocks);
    for (size_t i = 0; i < n; i++) {
        const struct es_block_info *block = &blocks[i];
        spans->scheduling = spans->scheduling || KINDS(IN) + KINDS(OUT) > 0;
        spans->collections = spans->collections || KINDS(GC_MINOR_END) + KINDS(GC_MAJOR_END) > 0;
    }
}

int es_spans_open(struct es_query *query, const struct es_filter *filter, struct es_spans **ret_spans)
{
    struct es_spans *spans = calloc(1, sizeof *spans);
    if (!spans)
        return es_fail(-ENOMEM, "no memory for spans");
    struct es_filter wanted = {.pids = filter->pids,
                               .n_pids = filter->n_pids,
                               .module = filter->module,
                               .since = filter->since,
                               .until = filter->until};
    spans->query = query;
    spans->unread = INT64_MIN;
    spans->next = 1;
    es_stack_init(&spans->stack);
    spans->stack.reuse = true;
    spans->stack.max = OPEN_MAX;
    find_families(spans);
    if (es_match_init(&spans->match, query, &wanted) < 0 ||
        es_holes_find(query, ES_KINDS_OF_CALLS, &spans->holes) < 0) {
        es_spans_close(spans);
        return es_fail(-ENOMEM, "no memory for spans");
    }
    *ret_spans = spans;
    return 0;
}

size_t es_spans_path(const struct es_spans *spans, const struct es_call_path **ret_paths)
{
    *ret_paths = spans->paths.list;
    return spans->paths.n;
}

void es_spans_close(struct es_spans *spans)
{
    if (!spans)
        return;
    leave_block(spans);
    es_match_fini(&spans->match);
    es_holes_fini(&spans->holes);
    es_stack_fini(&spans->stack);
    es_paths_fini(&spans->paths);
    es_refmap_fini(&spans->lane_of);
    free(spans->accounts);
    free(spans->lanes);
    free(spans->ready);
    free(spans);
}
