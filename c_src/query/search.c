/* SPDX-License-Identifier: MIT */
/* The search, block by block. Marks of the blocks seen before are final: what leads into a block from one before it is
 * looked at first (ahead) or last (back). Inside of a block either each edge is looked at once, in order, or, while few
 * processes were reached, only theirs, the nearest event first. */
#include "query/search.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define DENSE 24u /* edges a process that was reached: fewer, and all are looked at in order */

/* ---- memory -------------------------------------------------------------------------------------------------------- */

static void free_side(struct es_side *side)
{
    free(side->marks);
    free(side->steps);
    free(side->set);
    free(side->heap);
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
    struct es_search_step *steps = marks ? realloc(side->steps, room * sizeof *steps) : NULL;
    side->steps = steps ? steps : side->steps;
    uint32_t *set = steps ? realloc(side->set, room * sizeof *set) : NULL;
    side->set = set ? set : side->set;
    if (!set)
        return false;
    memset(marks + side->room, 0, (room - side->room) * sizeof *marks);
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

static bool is_marked(const struct es_search *s, const struct es_side *side, uint32_t process)
{
    return process < side->room && side->marks[process].time == s->time;
}

/* Ahead: does the process know of the first event when it does this? Back: does the second know of it? */
static bool is_in(const struct es_search *s, const struct es_side *side, uint32_t process, uint64_t event)
{
    return is_marked(s, side, process) &&
           (side->back ? side->marks[process].event >= event : side->marks[process].event <= event);
}

static int reach(struct es_search *s, struct es_side *side, uint32_t process, uint64_t event,
                 struct es_search_step step)
{
    const struct es_side *other = side->back ? &s->ahead : &s->behind;
    if (is_in(s, side, process, event))
        return REACHED_BEFORE;
    if (process >= side->room && !grow(side, process))
        return es_fail(-ENOMEM, "no memory to compare events");
    if (!is_marked(s, side, process))
        side->set[side->n++] = process;
    side->marks[process] = (struct es_mark){event, s->time};
    side->steps[process] = step;
    s->meeting = process;
    return is_in(s, other, process, event) ? REACHED_BOTH : REACHED_NOW;
}

/* ---- edges --------------------------------------------------------------------------------------------------------- */

static bool counts(struct es_search *s, const struct es_index_part *part, unsigned flags, uint16_t later)
{
    if (flags == 0)
        return true;
    s->saw_maybe = true;
    return s->maybe && !(flags & ES_EDGE_UNHANDLED && later && part->block + later <= s->last_known);
}

/* Looks at an edge from a process that was reached. */
static int take_edge(struct es_search *s, struct es_side *side, const struct es_index_part *part,
                     const struct es_edge *e)
{
    uint64_t from = part->first + e->from_at, to = part->first + e->to_at;
    uint64_t via = e->via == e->to_at ? 0 : part->first + e->via;
    if (from < s->from || to > s->to || !counts(s, part, e->flags, e->later))
        return REACHED_BEFORE;
    return side->back ? reach(s, side, e->from, from, (struct es_search_step){to, via, e->to})
                      : reach(s, side, e->to, to, (struct es_search_step){from, via, e->from});
}

/* Edges into the block from those before it. */
static int take_incoming(struct es_search *s, struct es_side *side, struct es_index_part *part)
{
    for (size_t i = 0; i < part->edges->n_incoming; i++) {
        struct es_incoming *x = &part->edges->incoming[i];
        uint64_t to = part->first + x->to_at;
        if (to > s->to)
            break;
        if (side->back ? !is_in(s, side, x->to, to) : is_in(s, side, x->to, to))
            continue;
        if (!es_incoming_resolve(s->query, x, s->from) || (!side->back && !is_in(s, side, x->number, x->from)) ||
            !counts(s, part, x->flags, x->later))
            continue;
        int rc = side->back ? reach(s, side, x->number, x->from, (struct es_search_step){to, x->via, x->to})
                            : reach(s, side, x->to, to, (struct es_search_step){x->from, x->via, x->number});
        if (rc < 0 || rc == REACHED_BOTH)
            return rc;
    }
    return 0;
}

/* ---- a block, all its edges in order ------------------------------------------------------------------------------- */

static int take_all(struct es_search *s, struct es_side *side, const struct es_index_part *part)
{
    const struct es_edges *edges = part->edges;
    for (size_t k = 0; k < edges->n_edges; k++) {
        const struct es_edge *e = &edges->edges[side->back ? edges->n_edges - 1 - k : k];
        if (side->back ? !is_in(s, side, e->to, part->first + e->to_at)
                       : !is_in(s, side, e->from, part->first + e->from_at))
            continue;
        int rc = take_edge(s, side, part, e);
        if (rc < 0 || rc == REACHED_BOTH)
            return rc;
    }
    return 0;
}

/* ---- a block, process by process ----------------------------------------------------------------------------------- */

static bool wait(struct es_search *s, struct es_side *side, const struct es_index_part *part, uint32_t process,
                 uint32_t list)
{
    const uint32_t *at = side->back ? part->edges->in_at : part->edges->out_at;
    uint64_t event = side->marks[process].event, last = part->first + part->n - 1;
    (void)s;
    if (at[list] == at[list + 1])
        return true;
    event = event < part->first ? part->first : event > last ? last : event;
    return push(side, (struct es_waiting){event, process, list});
}

/* Edges of a list that begin (ahead) before an event, or end (back) at it or before: they stand first. */
static uint32_t count_before(const struct es_index_part *part, const struct es_side *side, uint32_t list,
                             uint64_t event)
{
    const struct es_edges *edges = part->edges;
    uint32_t low = side->back ? edges->in_at[list] : edges->out_at[list],
             high = side->back ? edges->in_at[list + 1] : edges->out_at[list + 1];
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        bool before = side->back ? part->first + edges->edges[edges->in[middle]].to_at <= event
                                 : part->first + edges->edges[edges->out[middle]].from_at < event;
        if (before)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int take_edge_and_wait(struct es_search *s, struct es_side *side, const struct es_index_part *part,
                              const struct es_edge *e)
{
    int rc = take_edge(s, side, part, e);
    if (rc != REACHED_NOW)
        return rc;
    bool waits = side->back ? wait(s, side, part, e->from, part->list[e->from_at])
                            : wait(s, side, part, e->to, part->list[e->to_at]);
    return waits ? 0 : es_fail(-ENOMEM, "no memory to compare events");
}

static int take_process(struct es_search *s, struct es_side *side, const struct es_index_part *part,
                        const struct es_waiting *w)
{
    const struct es_edges *edges = part->edges;
    uint32_t at = count_before(part, side, w->list, w->event), end = edges->out_at[w->list + 1];
    int rc = 0;
    if (side->back)
        for (uint32_t k = at; k > edges->in_at[w->list] && rc >= 0 && rc != REACHED_BOTH; k--)
            rc = take_edge_and_wait(s, side, part, &edges->edges[edges->in[k - 1]]);
    else
        for (uint32_t k = at; k < end && rc >= 0 && rc != REACHED_BOTH; k++)
            rc = take_edge_and_wait(s, side, part, &edges->edges[edges->out[k]]);
    return rc;
}

static int take_reached(struct es_search *s, struct es_side *side, const struct es_index_part *part)
{
    side->n_heap = 0;
    for (size_t i = 0; i < side->n; i++) {
        uint32_t list = es_edges_list(part->edges, side->set[i]);
        if (list != UINT32_MAX && !wait(s, side, part, side->set[i], list))
            return es_fail(-ENOMEM, "no memory to compare events");
    }
    while (side->n_heap > 0) {
        struct es_waiting w = pop(side);
        uint64_t event = side->marks[w.process].event;
        if (side->back ? event > w.event && event < part->first + part->n : event < w.event && event >= part->first)
            continue; /* it was looked at from a nearer event on */
        int rc = take_process(s, side, part, &w);
        if (rc < 0 || rc == REACHED_BOTH)
            return rc;
    }
    return 0;
}

/* ---- the walk ------------------------------------------------------------------------------------------------------ */

static int take_block(struct es_search *s, struct es_side *side, size_t block)
{
    struct es_index_part *part;
    int rc = es_edges_get(s->query, block, &part);
    if (rc == -EBADMSG || rc == -ENOENT) { /* what is in it did nothing, as far as is known */
        es_error_clear();
        return 0;
    }
    if (rc == 0 && s->maybe)
        rc = es_edges_look_later(s->query, part, s->last_known);
    if (rc == 0 && !side->back)
        rc = take_incoming(s, side, part);
    if (rc == 0)
        rc = side->n * DENSE > part->edges->n_edges ? take_all(s, side, part) : take_reached(s, side, part);
    if (rc == 0 && side->back)
        rc = take_incoming(s, side, part);
    return rc;
}

int es_search_run(struct es_search *s)
{
    size_t first = es_query_block_of(s->query, s->from), end = es_query_block_of(s->query, s->to) + 1;
    s->time++;
    s->ahead.n = s->behind.n = 0;
    int rc = reach(s, &s->ahead, s->from_process, s->from, (struct es_search_step){0});
    if (rc >= 0)
        rc = reach(s, &s->behind, s->to_process, s->to, (struct es_search_step){0});
    while (rc >= 0 && rc != REACHED_BOTH && first < end)
        rc = s->ahead.n <= s->behind.n ? take_block(s, &s->ahead, first++) : take_block(s, &s->behind, --end);
    return rc < 0 ? rc : rc == REACHED_BOTH;
}

/* ---- the way ------------------------------------------------------------------------------------------------------- */

struct path {
    uint64_t *seqs;
    size_t n, room;
};

static bool add(struct path *path, uint64_t seq)
{
    if (seq == 0)
        return true;
    if (path->n == path->room) {
        size_t room = path->room ? path->room * 2 : 16;
        uint64_t *seqs = realloc(path->seqs, room * sizeof *seqs);
        if (!seqs)
            return false;
        path->seqs = seqs;
        path->room = room;
    }
    path->seqs[path->n++] = seq;
    return true;
}

static bool add_first_half(const struct es_search *s, struct path *path)
{
    size_t start = path->n;
    for (uint32_t p = s->meeting; s->ahead.steps[p].next; p = s->ahead.steps[p].process) {
        const struct es_search_step *step = &s->ahead.steps[p];
        if (!add(path, s->ahead.marks[p].event) || !add(path, step->via) || !add(path, step->next))
            return false;
    }
    for (size_t i = start, k = path->n; i + 1 < k; i++, k--) { /* found from its end */
        uint64_t seq = path->seqs[i];
        path->seqs[i] = path->seqs[k - 1];
        path->seqs[k - 1] = seq;
    }
    return true;
}

static bool add_second_half(const struct es_search *s, struct path *path)
{
    for (uint32_t p = s->meeting; s->behind.steps[p].next; p = s->behind.steps[p].process) {
        const struct es_search_step *step = &s->behind.steps[p];
        if (!add(path, s->behind.marks[p].event) || !add(path, step->via) || !add(path, step->next))
            return false;
    }
    return true;
}

static int give(struct path *path, bool whole, struct es_order_answer *ret)
{
    if (!whole) {
        free(path->seqs);
        return es_fail(-ENOMEM, "no memory for a path of events");
    }
    size_t n = 0; /* an edge may begin where the one before ended */
    for (size_t i = 0; i < path->n; i++)
        if (n == 0 || path->seqs[i] != path->seqs[n - 1])
            path->seqs[n++] = path->seqs[i];
    ret->path = path->seqs;
    ret->n_path = n;
    return 1;
}

int es_search_path(const struct es_search *s, uint64_t first, uint64_t last, struct es_order_answer *ret)
{
    struct path path = {0};
    bool whole = add(&path, first) && add(&path, s->from) && add_first_half(s, &path) && add_second_half(s, &path) &&
                 add(&path, s->to) && add(&path, last);
    return give(&path, whole, ret);
}

int es_search_path_of(const struct es_search *s, uint64_t first, uint64_t last, struct es_order_answer *ret)
{
    struct path path = {0};
    (void)s;
    bool whole = add(&path, first) && add(&path, last);
    return give(&path, whole, ret);
}
