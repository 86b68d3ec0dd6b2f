/* SPDX-License-Identifier: MIT */
/* The search, block by block. Marks of the blocks seen before are final: what leads into a block from one before it is
 * looked at first (ahead) or last (back). Inside of a block either each edge is looked at once, in order, or, while few
 * processes were reached, only theirs, the nearest event first. */
#include "query/search.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define STEPS 8u /* processes looked at in a row */
#define AT_ONCE 16u
#define READ_AT_ONCE 16u /* blocks */
#define DENSE 24u        /* edges a process that was reached: fewer, and all are looked at in order */

/* ---- memory -------------------------------------------------------------------------------------------------------- */

static void free_side(struct es_side *side)
{
    free(side->marks);
    free(side->reached);
    free(side->set);
    free(side->heap);
    free(side->passed);
}

void es_search_free(struct es_search *s)
{
    if (!s)
        return;
    free_side(&s->ahead);
    free_side(&s->behind);
    free(s);
}

int es_search_take(struct es_query *query, uint64_t last, struct es_search **ret_search)
{
    struct es_index *index = query->index;
    if (!index->search)
        index->search = calloc(1, sizeof *index->search);
    if (!index->search)
        return es_fail(-ENOMEM, "no memory to compare events");
    struct es_search *s = index->search;
    s->query = query;
    s->question++;
    s->n_read = s->n_passed = 0;
    s->behind.back = true;
    s->last_known = es_query_block_of(query, last) + ES_SEARCH_BEHIND;
    if (s->last_known >= index->n_blocks)
        s->last_known = index->n_blocks - 1;
    *ret_search = s;
    return 0;
}

static bool grow(struct es_side *side, uint32_t process)
{
    size_t room = side->room ? side->room : 1024;
    while (room <= process)
        room *= 2;
    struct es_mark *marks = realloc(side->marks, room * sizeof *marks);
    side->marks = marks ? marks : side->marks;
    uint64_t *reached = marks ? realloc(side->reached, room / 8) : NULL;
    side->reached = reached ? reached : side->reached;
    uint32_t *set = reached ? realloc(side->set, room * sizeof *set) : NULL;
    side->set = set ? set : side->set;
    if (!set)
        return false;
    memset(reached + side->room / 64, 0, (room - side->room) / 8);
    side->room = room;
    return true;
}

/* ---- the nearest first --------------------------------------------------------------------------------------------- */

static bool is_nearer(const struct es_side *side, uint64_t a, uint64_t b) { return side->back ? a > b : a < b; }

static bool push(struct es_side *side, struct es_waiting waiting)
{
    if (side->n_heap == side->heap_room) {
        size_t room = side->heap_room ? side->heap_room * 2 : 256;
        struct es_waiting *heap = realloc(side->heap, room * sizeof *heap);
        if (!heap)
            return false;
        side->heap = heap;
        side->heap_room = room;
    }
    size_t i = side->n_heap++;
    for (; i > 0 && is_nearer(side, waiting.event, side->heap[(i - 1) / 2].event); i = (i - 1) / 2)
        side->heap[i] = side->heap[(i - 1) / 2];
    side->heap[i] = waiting;
    return true;
}

static struct es_waiting pop(struct es_side *side)
{
    struct es_waiting top = side->heap[0], last = side->heap[--side->n_heap];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < side->n_heap; i = child) {
        if (child + 1 < side->n_heap && is_nearer(side, side->heap[child + 1].event, side->heap[child].event))
            child++;
        if (!is_nearer(side, side->heap[child].event, last.event))
            break;
        side->heap[i] = side->heap[child];
    }
    side->heap[i] = last;
    return top;
}

/* ---- marks --------------------------------------------------------------------------------------------------------- */

enum reached { REACHED_BEFORE, REACHED_NOW, REACHED_BOTH };

static int reach(struct es_search *s, struct es_side *side, uint32_t process, uint64_t event,
                 struct es_search_step step)
{
    const struct es_side *other = side->back ? &s->ahead : &s->behind;
    if (es_side_is_in(side, process, event))
        return REACHED_BEFORE;
    if (process >= side->room && !grow(side, process))
        return es_fail(-ENOMEM, "no memory to compare events");
    if (!es_side_is_marked(side, process))
        side->set[side->n++] = process;
    side->reached[process / 64] |= UINT64_C(1) << (process % 64);
    side->marks[process] = (struct es_mark){event, step};
    s->meeting = process;
    return es_side_is_in(other, process, event) ? REACHED_BOTH : REACHED_NOW;
}

/* ---- edges --------------------------------------------------------------------------------------------------------- */

/* Does an edge that ends at this place count? 1, 0, negative errno. */
static int counts(struct es_search *s, struct es_index_part *part, unsigned flags, uint16_t to_at)
{
    if (flags == 0)
        return 1;
    s->saw_maybe = true;
    if (!s->maybe || !(flags & ES_EDGE_UNHANDLED))
        return s->maybe;
    int rc = es_edges_look_later(s->query, part, s->last_known);
    if (rc < 0)
        return rc;
    uint16_t later = part->edges->later[to_at];
    return later == 0 || part->block + later > s->last_known;
}

/* An edge as a side sees it: from `near`, which was reached, to `far`. */
struct looked {
    struct es_search_step step; /* `next` is the near event */
    uint32_t far_process;
    uint64_t far;
    uint16_t to_at;
    uint8_t flags;
};

static int take_edge(struct es_search *s, struct es_side *side, struct es_index_part *part, const struct looked *e)
{
    if (side->back ? e->far < s->from : e->far > s->to)
        return REACHED_BEFORE;
    int rc = counts(s, part, e->flags, e->to_at);
    return rc > 0 ? reach(s, side, e->far_process, e->far, e->step) : rc < 0 ? rc : REACHED_BEFORE;
}

/* Edges into the block from those before it. */
static int take_incoming(struct es_search *s, struct es_side *side, struct es_index_part *part)
{
    const struct es_edges *edges = part->edges;
    for (size_t i = 0; i < edges->n_incoming; i++) {
        struct es_incoming *x = &edges->incoming[i];
        uint64_t to = part->first + x->to_at;
        uint32_t process = edges->numbers[part->list[x->to_at]];
        if (to > s->to)
            break;
        if (side->back ? !es_side_is_in(side, process, to)
                       : x->number < ES_INCOMING_NOTHING && !es_side_is_marked(side, x->number))
            continue;
        if (!es_incoming_resolve(s->query, part, x, s->from) ||
            (!side->back && !es_side_is_in(side, x->number, x->from)))
            continue;
        struct looked e = side->back ? (struct looked){{to, x->via, process}, x->number, x->from, x->to_at, x->flags}
                                     : (struct looked){{x->from, x->via, x->number}, process, to, x->to_at, x->flags};
        int rc = take_edge(s, side, part, &e);
        if (rc < 0 || rc == REACHED_BOTH)
            return rc;
    }
    return 0;
}

/* Edges of replies that were taken in blocks behind this one, which ahead are left for it last, back come from it first; and of those of which
 * that is not known. */
static int take_open_edge(struct es_search *s, struct es_side *side, struct es_index_part *part, struct es_open_edge *o)
{
    struct es_incoming *x = &o->origin;
    uint32_t process = part->edges->numbers[part->list[x->to_at]];
    uint64_t delivery = part->first + x->to_at;
    if (side->back ? !es_side_is_marked(side, process)
                   : x->number < ES_INCOMING_NOTHING && !es_side_is_marked(side, x->number))
        return REACHED_BEFORE;
    if (!es_incoming_resolve(s->query, part, x, s->from) || (!side->back && !es_side_is_in(side, x->number, x->from)))
        return REACHED_BEFORE;
    int rc = es_open_edge_resolve(s->query, part, o);
    uint64_t to = o->act ? o->act : delivery, via = o->act ? delivery : 0;
    if (rc < 0 || (side->back && !es_side_is_in(side, process, to)))
        return rc < 0 ? rc : REACHED_BEFORE;
    struct looked e = side->back ? (struct looked){{to, via, process}, x->number, x->from, x->to_at, x->flags}
                                 : (struct looked){{x->from, via, x->number}, process, to, x->to_at, x->flags};
    return take_edge(s, side, part, &e);
}

static int take_open(struct es_search *s, struct es_side *side, struct es_index_part *part)
{
    for (size_t i = 0; i < part->edges->n_open; i++) {
        int rc = take_open_edge(s, side, part, &part->edges->open[i]);
        if (rc < 0 || rc == REACHED_BOTH)
            return rc;
    }
    return 0;
}

/* ---- a block, all its edges in order ------------------------------------------------------------------------------- */

static int take_all(struct es_search *s, struct es_side *side, struct es_index_part *part)
{
    const struct es_edges *edges = part->edges;
    for (size_t k = 0; k < edges->n; k++) {
        const struct es_way *way = &edges->ways[side->back ? edges->n - 1 - k : k];
        uint64_t from = part->first + way->from, to = part->first + way->to,
                 via = way->via == way->to ? 0 : part->first + way->via;
        uint32_t process = edges->numbers[side->back ? way->to_list : way->from_list];
        if (!es_side_is_in(side, process, side->back ? to : from))
            continue;
        uint32_t other = edges->numbers[side->back ? way->from_list : way->to_list];
        struct looked e = side->back ? (struct looked){{to, via, process}, other, from, way->to, way->flags}
                                     : (struct looked){{from, via, process}, other, to, way->to, way->flags};
        int rc = take_edge(s, side, part, &e);
        if (rc < 0 || rc == REACHED_BOTH)
            return rc;
    }
    side->work += edges->n / 8; /* they are looked at one after the other */
    return 0;
}

/* ---- a block, process by process ----------------------------------------------------------------------------------- */

/* Edges of a list that begin (ahead) before an event, or end (back) at it or before: they stand first. */
static uint32_t count_before(const struct es_index_part *part, const struct es_side *side, uint32_t list,
                             uint64_t event)
{
    const struct es_ends *ends = &part->edges->ends[list];
    const struct es_edge *edges = side->back ? part->edges->in : part->edges->out;
    uint32_t low = side->back ? ends[0].in : ends[0].out, high = side->back ? ends[1].in : ends[1].out;
    if (side->back ? event >= part->first + part->n : event <= part->first)
        return side->back ? high : low;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint64_t at = part->first + edges[middle].at;
        if (side->back ? at <= event : at < event)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const struct es_edge *next_edge(const struct es_side *side, const struct es_index_part *part,
                                       const struct es_waiting *w)
{
    return side->back ? &part->edges->in[w->at - 1] : &part->edges->out[w->at];
}

/* Puts a process back with its next edge, unless that was looked at before. */
static bool wait_for_next(struct es_side *side, const struct es_index_part *part, struct es_waiting w)
{
    w.event = part->first + next_edge(side, part, &w)->at;
    return (w.seen && (side->back ? w.event <= w.seen : w.event >= w.seen)) || push(side, w);
}

/* A process that was reached in another block, or where the search began. */
static bool wait_for(struct es_side *side, const struct es_index_part *part, uint32_t process)
{
    struct es_waiting w = {.process = process};
    uint32_t list = es_edges_list(part->edges, process);
    if (list == UINT32_MAX)
        return true;
    const struct es_ends *ends = &part->edges->ends[list];
    w.at = count_before(part, side, list, side->marks[process].event);
    bool any = side->back ? w.at > ends[0].in : w.at < ends[1].out;
    return !any || wait_for_next(side, part, w);
}

/* What is needed of each process lies anywhere: it is fetched for several at once. */
static int wait_for_reached(struct es_side *side, const struct es_index_part *part)
{
    const struct es_edges *edges = part->edges;
    for (size_t first = 0; first < side->n; first += AT_ONCE) {
        size_t end = first + AT_ONCE < side->n ? first + AT_ONCE : side->n;
        for (size_t i = first; i < end; i++)
            __builtin_prefetch(&edges->slots[es_edges_slot(edges, side->set[i])]);
        for (size_t i = first; i < end; i++)
            __builtin_prefetch(&edges->ends[edges->slots[es_edges_slot(edges, side->set[i])]]);
        for (size_t i = first; i < end; i++)
            if (!wait_for(side, part, side->set[i]))
                return es_fail(-ENOMEM, "no memory to compare events");
    }
    return 0;
}

static struct looked looked_at(const struct es_side *side, const struct es_index_part *part, const struct es_edge *e,
                               uint32_t process)
{
    uint16_t to_at = side->back ? e->at : e->other_at;
    uint64_t via = e->via == to_at ? 0 : part->first + e->via;
    return (struct looked){{part->first + e->at, via, process}, e->other, part->first + e->other_at, to_at, e->flags};
}

static int take_nearest(struct es_search *s, struct es_side *side, struct es_index_part *part)
{
    struct es_waiting w = pop(side);
    const struct es_edge *edge = next_edge(side, part, &w);
    struct es_waiting other = {.process = edge->other,
                               .at = edge->next,
                               .seen = es_side_is_marked(side, edge->other) ? side->marks[edge->other].event : 0};
    if (edge->has_next)
        __builtin_prefetch(next_edge(side, part, &other));
    w.at = side->back ? w.at - 1 : w.at + 1;
    side->work++;
    struct looked e = looked_at(side, part, edge, w.process);
    int rc = edge->last || wait_for_next(side, part, w) ? take_edge(s, side, part, &e) : -ENOMEM;
    if (rc == REACHED_NOW)
        rc = !edge->has_next || wait_for_next(side, part, other) ? 0 : -ENOMEM;
    return rc == -ENOMEM ? es_fail(rc, "no memory to compare events") : rc;
}

/* ---- the walk ------------------------------------------------------------------------------------------------------ */

/* Sorting the edges of a block takes longer than looking at each of them once: it is for blocks that questions come back to. */
static int begin_block(struct es_search *s, struct es_side *side, struct es_index_part *part)
{
    struct es_edges *edges = part->edges;
    bool again = edges->asked && edges->asked != s->question;
    int rc = side->back ? take_open(s, side, part) : take_incoming(s, side, part);
    if (rc != 0)
        return rc;
    edges->asked = s->question;
    side->work += side->n + edges->n_incoming / 16;
    if (side->n * DENSE > edges->n || !(edges->out || again))
        return take_all(s, side, part);
    rc = es_edges_sort(s->query, part);
    return rc < 0 ? rc : wait_for_reached(side, part);
}

/* Where a search has come far through blocks that were not read yet it mostly goes on: then the next ones are read together, at most as
 * many as it has seen. Back, edges into a block ask for the one before it. */
static void read_ahead(struct es_search *s, const struct es_side *side)
{
    struct es_index_part **parts = s->query->index->parts;
    size_t left = s->end - s->first, n = s->n_read < READ_AT_ONCE ? s->n_read : READ_AT_ONCE;
    if (parts[side->block] && (!side->back || left == 0 || parts[side->block - 1]))
        return;
    n = n < left ? n : left;
    s->n_read += n + 1;
    if (n > 0 && !side->over)
        es_index_read(s->query, &(struct es_index_wish){
                                    .first = side->back ? side->block - n : side->block, .n = n + 1, .edges = true});
}

/* A step in a block: into it, a process, or out of it. */
static int step(struct es_search *s, struct es_side *side)
{
    struct es_index_part *part; /* asked for each time: the other side may have pushed it out */
    bool first = !side->busy;
    int rc = first ? es_search_pass(s, side) : 0;
    if (rc != 0)
        return rc < 0 ? rc : 0;
    if (first)
        read_ahead(s, side);
    rc = es_edges_get(s->query, side->block, &part);
    side->busy = rc == 0;
    if (rc == -EBADMSG || rc == -ENOENT) { /* what is in it did nothing, as far as is known */
        es_error_clear();
        return 0;
    }
    if (rc < 0)
        return rc;
    if (first)
        return begin_block(s, side, part);
    for (unsigned i = 0; i < STEPS && side->n_heap > 0; i++) {
        rc = take_nearest(s, side, part);
        if (rc != 0)
            return rc;
    }
    if (side->n_heap > 0)
        return 0;
    side->busy = false;
    return side->back ? take_incoming(s, side, part) : take_open(s, side, part);
}

/* Each block is looked at by one of the sides. Where none is left, the one the other side is in may be what this side needs. */
static struct es_side *choose(struct es_search *s)
{
    struct es_side *side = s->ahead.work <= s->behind.work ? &s->ahead : &s->behind;
    if (side->busy)
        return side;
    if (s->first < s->end) {
        side->block = side->back ? --s->end : s->first++;
        return side;
    }
    side->block = (side->back ? &s->ahead : &s->behind)->block;
    side->over = true;
    return side;
}

static int walk(struct es_search *s)
{
    struct es_side *side;
    int rc = 0;
    do {
        side = choose(s);
        rc = step(s, side);
        if (rc == 0 && side->over && !side->busy)
            return 0;
    } while (rc == 0 && (s->first < s->end || s->ahead.busy || s->behind.busy));
    return rc < 0 ? rc : rc == REACHED_BOTH;
}

static void begin_side(struct es_side *side)
{
    for (size_t i = 0; i < side->n; i++)
        side->reached[side->set[i] / 64] = 0;
    side->n = side->n_heap = 0;
    side->passing++;
    side->busy = side->over = false;
    side->work = 0;
}

int es_search_run(struct es_search *s)
{
    begin_side(&s->ahead);
    begin_side(&s->behind);
    int rc = reach(s, &s->ahead, s->from_process, s->from, (struct es_search_step){0});
    if (rc >= 0)
        rc = reach(s, &s->behind, s->to_process, s->to, (struct es_search_step){0});
    if (rc < 0 || rc == REACHED_BOTH)
        return rc < 0 ? rc : 1;
    s->first = es_query_block_of(s->query, s->from);
    s->end = es_query_block_of(s->query, s->to) + 1;
    return walk(s);
}
