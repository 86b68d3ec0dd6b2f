/* SPDX-License-Identifier: MIT */
/* The call an event runs in, derived from calls and their ends. Looked for in the part of the recording
 * around the event: PART events, and as many before and behind it. A call counts as open when its end is
 * found, for most calls are recorded without their ends; of a behaviour's callback, which always ends, also
 * when nothing says that it is over. Whatever is in doubt has no parent. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/holes.h"
#include "query/stack.h"

#define PART 65536u /* events */

struct es_parents {
    uint64_t part;
    uint64_t *parent; /* of event part * PART + 1 + i */
    uint8_t *call;    /* enum es_call, of those that are calls */
};

/* What is known of a frame in the end. */
struct fate {
    uint32_t real; /* this or the nearest call below that is known to be open here */
    bool open, ended;
};

struct build {
    struct es_query *query;
    uint64_t from, to;     /* the events that are asked for */
    es_ref pid;            /* only this process is, ES_REF_NONE: all are */
    bool done;             /* and what follows cannot change the answer */
    struct es_holes holes; /* where calls or their ends were lost */
    int64_t unread;        /* time up to which a block could not be read */
    int64_t now;
    struct es_stack stack;
    struct fate *fates; /* of the stack's frames */
    uint32_t room;
    uint32_t *frame_of; /* of each event asked for */
};

void es_parents_free(struct es_parents *parents)
{
    if (!parents)
        return;
    free(parents->parent);
    free(parents->call);
    free(parents);
}

/* ---- open calls ---------------------------------------------------------------------------------------------------- */

/* A call whose inner calls may be missing can't be told from one of those. One of woven code that has no end was unwound. */
static void closed(struct es_stack *stack, uint32_t frame, bool ended, void *context)
{
    struct build *b = context;
    const struct es_frame *f = &stack->frames[frame];
    bool whole = f->time > b->unread && es_holes_whole(&b->holes, f->time, b->now);
    b->fates[frame].ended = b->fates[frame].open = (ended || f->woven) && whole;
}

/* Callbacks, and calls of woven code, that were running when their process, or what is looked at, came to its end. */
static void settled(struct es_stack *stack, uint32_t frame, bool ended, void *context)
{
    struct build *b = context;
    const struct es_frame *f = &stack->frames[frame];
    (void)ended;
    b->fates[frame].open =
        (f->callback || f->woven) && !f->doubtful && f->time > b->unread && es_holes_whole(&b->holes, f->time, b->now);
}

static int push(struct build *b, const struct es_event *event)
{
    uint32_t frame;
    int rc = es_stack_call(&b->stack, event, &frame);
    if (rc < 0)
        return rc;
    if (b->room < b->stack.room) {
        struct fate *fates = realloc(b->fates, b->stack.room * sizeof *fates);
        if (!fates)
            return -ENOMEM;
        b->fates = fates;
        b->room = b->stack.room;
    }
    b->fates[frame] = (struct fate){.real = ES_NO_FRAME};
    return 0;
}

static int add_event(struct build *b, const struct es_event *event)
{
    if (event->pid == ES_REF_NONE || event->kind == ES_K_DELIVER) /* a delivery comes from outside, whatever runs */
        return 0;
    b->now = event->time;
    uint32_t frame;
    if (es_is_call_end(event->kind)) {
        frame = es_stack_end(&b->stack, event, &(struct es_stack_user){closed, b});
        if (frame != ES_NO_FRAME && !b->fates[frame].ended)
            frame = ES_NO_FRAME;
    } else if (event->kind != ES_K_CALL && es_is_woven(event)) {
        frame = es_stack_inside(&b->stack, event, &(struct es_stack_user){closed, b});
    } else {
        frame = es_stack_top(&b->stack, event->pid);
    }
    if (event->seq >= b->from && event->seq <= b->to) {
        b->frame_of[event->seq - b->from] = frame;
        b->done = b->pid != ES_REF_NONE && (frame == ES_NO_FRAME || es_is_call_end(event->kind));
    }
    if (event->kind == ES_K_EXIT)
        es_stack_settle(&b->stack, event->pid, &(struct es_stack_user){settled, b});
    return event->kind == ES_K_CALL ? push(b, event) : 0;
}

/* ---- a part -------------------------------------------------------------------------------------------------------- */

static int add_block(struct build *b, size_t index, uint64_t from, uint64_t to)
{
    struct es_block *block;
    int rc = es_block_get_fields(b->query->recording, index, ES_F_FUN | ES_F_CORR, &block);
    if (rc == -EBADMSG || rc == -ENOENT) {
        es_error_clear();
        const struct es_block_info *blocks = NULL;
        es_recording_blocks(b->query->recording, &blocks);
        b->unread = blocks[index].last_time;
        return 0;
    }
    for (size_t i = 0; rc == 0 && i < block->n; i++)
        if (block->events[i].seq >= from && block->events[i].seq <= to)
            rc = add_event(b, &block->events[i]);
    es_block_unref(b->query->recording, block);
    return rc;
}

/* The same of one process; where something cannot be read, the way over all events says what that means. */
static int add_run(struct build *b, size_t index, uint64_t from, uint64_t to)
{
    struct es_block_run run;
    int rc = es_recording_run(b->query->recording, index, b->pid, &run);
    for (size_t i = 0; rc == 0 && !b->done && i < run.n; i++) {
        const struct es_run_event *e = &run.events[i];
        struct es_event event = {.seq = e->seq,
                                 .kind = e->kind,
                                 .flags = e->flags,
                                 .pid = b->pid,
                                 .module = e->module,
                                 .function = e->function,
                                 .arity = e->arity};
        if (e->seq >= from && e->seq <= to)
            rc = add_event(b, &event);
    }
    return rc;
}

static bool has_calls(const struct es_block_info *block)
{
    return block->kinds[ES_K_CALL] + block->kinds[ES_K_RETURN] + block->kinds[ES_K_EXCEPTION] > 0;
}

/* Where no call lies around, nothing has to be read. */
static int walk(struct build *b, uint64_t from, uint64_t to)
{
    const struct es_block_info *blocks = NULL;
    size_t first = es_query_block_of(b->query, from), n = es_recording_blocks(b->query->recording, &blocks);
    bool any = false;
    for (size_t i = first; i < n && blocks[i].first_seq <= to && !any; i++)
        any = has_calls(&blocks[i]);
    int rc = 0;
    for (size_t i = first; any && rc == 0 && !b->done && i < n && blocks[i].first_seq <= to; i++)
        rc = b->pid == ES_REF_NONE ? add_block(b, i, from, to) : add_run(b, i, from, to);
    return rc;
}

static void resolve(struct build *b, struct es_parents *parents)
{
    b->now = INT64_MAX;
    es_stack_settle_all(&b->stack, &(struct es_stack_user){settled, b});
    for (uint32_t i = 0; i < b->stack.n; i++) { /* those below come first */
        const struct es_frame *f = &b->stack.frames[i];
        struct fate *fate = &b->fates[i];
        fate->real = fate->open ? i : f->below == ES_NO_FRAME ? ES_NO_FRAME : b->fates[f->below].real;
        if (f->seq >= b->from && f->seq <= b->to)
            parents->call[f->seq - b->from] = fate->ended ? ES_CALL_ENDED : fate->open ? ES_CALL_OPEN : ES_CALL_ALONE;
    }
    for (uint64_t i = 0; i <= b->to - b->from; i++) {
        uint32_t real = b->frame_of[i] == ES_NO_FRAME ? ES_NO_FRAME : b->fates[b->frame_of[i]].real;
        parents->parent[i] = real == ES_NO_FRAME ? 0 : b->stack.frames[real].seq;
    }
}

static int build_part(struct build *b, struct es_parents *parents)
{
    size_t n = (size_t)(b->to - b->from + 1);
    parents->parent = malloc(n * sizeof *parents->parent);
    parents->call = calloc(n, 1);
    b->frame_of = malloc(n * sizeof *b->frame_of);
    int rc = parents->parent && parents->call && b->frame_of ? es_holes_find(b->query, ES_KINDS_OF_CALLS, &b->holes)
                                                             : -ENOMEM;
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < n; i++)
        b->frame_of[i] = ES_NO_FRAME;
    uint64_t first = es_query_parent_from(b->from), last = (parents->part + 2) * PART;
    const struct es_process *process = b->pid == ES_REF_NONE ? NULL : es_query_process(b->query, b->pid);
    if (process && process->spawn_seq > first && process->spawn_seq <= b->from)
        first = process->spawn_seq;
    rc = walk(b, first, last);
    if (rc == 0)
        resolve(b, parents);
    return rc;
}

static struct es_parents *make(struct build *b)
{
    es_stack_init(&b->stack);
    struct es_parents *parents = calloc(1, sizeof *parents);
    if (parents)
        parents->part = (b->from - 1) / PART;
    if (parents && build_part(b, parents) < 0) {
        es_parents_free(parents);
        parents = NULL;
    }
    es_stack_fini(&b->stack);
    es_holes_fini(&b->holes);
    free(b->fates);
    free(b->frame_of);
    return parents;
}

static struct es_parents *make_part(struct es_query *query, uint64_t part)
{
    struct build b = {
        .query = query, .from = part * PART + 1, .to = (part + 1) * PART, .unread = INT64_MIN, .now = INT64_MIN};
    return make(&b);
}

static bool can_have_part(uint64_t seq) { return seq > 0 && seq <= UINT64_MAX - 2 * PART; }

uint64_t es_query_parent_from(uint64_t seq)
{
    uint64_t part = (seq - 1) / PART;
    return part > 0 ? (part - 1) * PART + 1 : 1;
}

/* The part that this event lies in; NULL where it cannot be read. The last two are kept. */
static const struct es_parents *part_of(struct es_query *query, uint64_t seq)
{
    if (!can_have_part(seq))
        return NULL;
    uint64_t part = (seq - 1) / PART;
    struct es_parents **kept = query->parents;
    if (kept[0] && kept[0]->part == part)
        return kept[0];
    struct es_parents *found = kept[1];
    if (!found || found->part != part) {
        found = make_part(query, part);
        if (!found)
            return NULL;
        es_parents_free(kept[1]);
    }
    kept[1] = kept[0];
    kept[0] = found;
    return found;
}

uint64_t es_query_parent(struct es_query *query, const struct es_event *event)
{
    const struct es_parents *parents = part_of(query, event->seq);
    return parents ? parents->parent[(event->seq - 1) % PART] : 0;
}

/* Times are not read, so that it is not asked whether something was lost meanwhile: where anything was, all events are looked at. */
uint64_t es_query_parent_of(struct es_query *query, es_ref pid, uint64_t seq)
{
    const struct es_loss *losses = NULL;
    const struct es_parents *kept = query->parents[0];
    bool is_kept = kept && seq > 0 && kept->part == (seq - 1) / PART;
    struct build b = {.query = query, .from = seq, .to = seq, .pid = pid, .unread = INT64_MIN, .now = INT64_MIN};
    struct es_parents *found = NULL;
    if (can_have_part(seq) && !is_kept && es_recording_losses(query->recording, &losses) == 0)
        found = make(&b);
    es_error_clear();
    uint64_t parent = found ? found->parent[0] : es_query_parent(query, &(struct es_event){.seq = seq});
    es_parents_free(found);
    return parent;
}

enum es_call es_query_call(struct es_query *query, uint64_t seq)
{
    const struct es_parents *parents = part_of(query, seq);
    return parents ? (enum es_call)parents->call[(seq - 1) % PART] : ES_CALL_ALONE;
}
