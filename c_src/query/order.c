/* SPDX-License-Identifier: MIT */
/* Which of two events came first, as far as one could know of the other. Looked for from both ends at once; where that
 * takes too long, one walk over all that lies between decides. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/graph.h"

#define BUDGET 1000u /* edges */
#define NO_EDGE UINT32_MAX

struct mark {      /* of a process, in one direction */
    uint32_t time; /* of the search: marks of others do not count */
    uint32_t event;
    uint32_t edge; /* by which it was reached, NO_EDGE: it is where the search began */
};

/* The next edge of a process to look at. */
struct front {
    uint32_t key, at, stop; /* at: place in the list of edges; edges up to event `stop` were looked at before */
};

struct side {
    struct mark *marks;
    struct front heap[2 * BUDGET + 4];
    size_t n;
};

struct search {
    const struct es_graph *g;
    bool maybe; /* edges count that may be none */
    uint32_t from, from_process, to, to_process;
    uint32_t time;
    struct side ahead, back;
    uint32_t meeting; /* process */
};

/* ---- fronts: the earliest event first when looking ahead, the latest first when looking back ----------------------- */

static void push_front(struct side *side, struct front front)
{
    size_t i = side->n++;
    for (; i > 0 && front.key < side->heap[(i - 1) / 2].key; i = (i - 1) / 2)
        side->heap[i] = side->heap[(i - 1) / 2];
    side->heap[i] = front;
}

static struct front pop_front(struct side *side)
{
    struct front top = side->heap[0], last = side->heap[--side->n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < side->n; i = child) {
        if (child + 1 < side->n && side->heap[child + 1].key < side->heap[child].key)
            child++;
        if (side->heap[child].key >= last.key)
            break;
        side->heap[i] = side->heap[child];
    }
    side->heap[i] = last;
    return top;
}

static bool is_marked(const struct search *s, const struct side *side, uint32_t process)
{
    return side->marks[process].time == s->time;
}

static const struct es_edge *out_edge(const struct search *s, uint32_t at) { return &s->g->edges[s->g->out[at]]; }
static const struct es_edge *in_edge(const struct search *s, uint32_t at) { return &s->g->edges[s->g->in[at]]; }

static bool counts(const struct search *s, const struct es_edge *edge)
{
    return s->maybe || !(edge->via & ES_EDGE_MAYBE);
}

static void queue_ahead(struct search *s, uint32_t process, uint32_t at, uint32_t stop)
{
    if (at < s->g->out_at[process + 1] && out_edge(s, at)->from_event < stop && out_edge(s, at)->from_event < s->to)
        push_front(&s->ahead, (struct front){out_edge(s, at)->from_event, at, stop});
}

static void queue_back(struct search *s, uint32_t process, uint32_t at, uint32_t stop)
{
    if (at > s->g->in_at[process] && in_edge(s, at - 1)->to_event > stop && in_edge(s, at - 1)->to_event > s->from)
        push_front(&s->back, (struct front){UINT32_MAX - in_edge(s, at - 1)->to_event, at, stop});
}

/* True where both sides met. */
static bool reach_ahead(struct search *s, uint32_t process, uint32_t event, uint32_t edge)
{
    struct mark *mark = &s->ahead.marks[process];
    uint32_t stop = is_marked(s, &s->ahead, process) ? mark->event : UINT32_MAX;
    if (event >= stop)
        return false;
    *mark = (struct mark){s->time, event, edge};
    s->meeting = process;
    if (is_marked(s, &s->back, process) && s->back.marks[process].event >= event)
        return true;
    uint32_t low = s->g->out_at[process], high = s->g->out_at[process + 1];
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (out_edge(s, middle)->from_event < event)
            low = middle + 1;
        else
            high = middle;
    }
    queue_ahead(s, process, low, stop);
    return false;
}

static bool reach_back(struct search *s, uint32_t process, uint32_t event, uint32_t edge)
{
    struct mark *mark = &s->back.marks[process];
    uint32_t stop = is_marked(s, &s->back, process) ? mark->event : 0;
    if (event <= stop)
        return false;
    *mark = (struct mark){s->time, event, edge};
    s->meeting = process;
    if (is_marked(s, &s->ahead, process) && s->ahead.marks[process].event <= event)
        return true;
    uint32_t low = s->g->in_at[process], high = s->g->in_at[process + 1];
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (in_edge(s, middle)->to_event <= event)
            low = middle + 1;
        else
            high = middle;
    }
    queue_back(s, process, low, stop);
    return false;
}

static bool step_ahead(struct search *s)
{
    struct front front = pop_front(&s->ahead);
    const struct es_edge *edge = out_edge(s, front.at);
    queue_ahead(s, edge->from, front.at + 1, front.stop);
    return counts(s, edge) && edge->to_event <= s->to && reach_ahead(s, edge->to, edge->to_event, s->g->out[front.at]);
}

static bool step_back(struct search *s)
{
    struct front front = pop_front(&s->back);
    const struct es_edge *edge = in_edge(s, front.at - 1);
    queue_back(s, edge->to, front.at - 1, front.stop);
    return counts(s, edge) && edge->from_event >= s->from &&
           reach_back(s, edge->from, edge->from_event, s->g->in[front.at - 1]);
}

/* ---- all that lies between ----------------------------------------------------------------------------------------- */

static size_t first_edge_behind(const struct es_graph *g, uint32_t event)
{
    size_t low = 0, high = g->n_edges;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (g->edges[middle].to_event <= event)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* When each process can first have known of it: edges are sorted by where they lead, and lead forward. */
static bool walk(struct search *s)
{
    const struct es_graph *g = s->g;
    struct mark *marks = s->ahead.marks;
    memset(marks, 0xff, g->n_processes * sizeof *marks);
    marks[s->from_process] = (struct mark){s->time, s->from, NO_EDGE};
    uint32_t maybe = s->maybe ? 0 : ES_EDGE_MAYBE;
    for (size_t i = first_edge_behind(g, s->from); i < g->n_edges && g->edges[i].to_event <= s->to; i++) {
        const struct es_edge *edge = &g->edges[i];
        if (marks[edge->from].event > edge->from_event || marks[edge->to].event <= edge->to_event || edge->via & maybe)
            continue;
        marks[edge->to] = (struct mark){s->time, edge->to_event, (uint32_t)i};
        if (edge->to == s->to_process)
            break;
    }
    s->meeting = s->to_process;
    s->back.marks[s->to_process] = (struct mark){s->time, s->to, NO_EDGE};
    return marks[s->to_process].event <= s->to;
}

static bool search(struct search *s)
{
    s->time++;
    s->ahead.n = s->back.n = 0;
    if (s->from > s->to)
        return false;
    reach_ahead(s, s->from_process, s->from, NO_EDGE);
    if (reach_back(s, s->to_process, s->to, NO_EDGE))
        return true;
    for (uint32_t i = 0; i < BUDGET; i += 2) {
        if (s->ahead.n == 0 || s->back.n == 0)
            return false;
        if (step_ahead(s))
            return true;
        if (step_back(s))
            return true;
    }
    return walk(s);
}

/* ---- ends: deliveries are no acts of their process ----------------------------------------------------------------- */

static uint32_t next_act(const struct es_graph *g, uint32_t event, uint32_t until)
{
    uint32_t number = g->who[event - 1] & ES_WHO_NUMBER;
    for (uint32_t i = event + 1; i <= until; i++)
        if ((g->who[i - 1] & ~ES_WHO_LATE) == number)
            return i;
    return 0;
}

/* Where the search begins: the act itself, or the handling of a delivery. False: there is none. */
static bool set_from(struct search *s, uint32_t event, uint32_t until)
{
    s->from = event;
    s->from_process = s->g->who[event - 1] & ES_WHO_NUMBER;
    if (!(s->g->who[event - 1] & ES_WHO_DELIVERY))
        return true;
    const struct es_delivery *delivery = es_graph_delivery(s->g, event);
    s->from = delivery ? delivery->handler : 0;
    if (s->from == 0 && s->maybe)
        s->from = next_act(s->g, event, until);
    return s->from != 0;
}

static bool set_to(struct search *s, uint32_t event)
{
    s->to = event;
    if (s->g->who[event - 1] & ES_WHO_DELIVERY) {
        const struct es_delivery *delivery = es_graph_delivery(s->g, event);
        s->to = delivery ? delivery->source : 0;
    }
    if (s->to == 0)
        return false;
    s->to_process = s->g->who[s->to - 1] & ES_WHO_NUMBER;
    return true;
}

/* ---- the path ------------------------------------------------------------------------------------------------------ */

struct path {
    uint64_t *seqs;
    size_t n, room;
};

static bool add_to_path(const struct es_graph *g, struct path *path, uint32_t event)
{
    uint64_t seq = g->first + event - 1;
    if (path->n > 0 && path->seqs[path->n - 1] == seq)
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

static bool add_edge_to_path(const struct es_graph *g, struct path *path, const struct es_edge *edge)
{
    uint32_t via = edge->via & ~ES_EDGE_MAYBE;
    return add_to_path(g, path, edge->from_event) && (!via || add_to_path(g, path, g->deliveries[via - 1].event)) &&
           add_to_path(g, path, edge->to_event);
}

/* From the first event to the meeting: the edges are found from their end, so they are counted first. */
static bool add_first_half(const struct search *s, struct path *path)
{
    size_t n = 0;
    for (uint32_t p = s->meeting; s->ahead.marks[p].edge != NO_EDGE; p = s->g->edges[s->ahead.marks[p].edge].from)
        n++;
    uint32_t *edges = malloc((n + 1) * sizeof *edges);
    if (!edges)
        return false;
    size_t i = n;
    for (uint32_t p = s->meeting; i > 0; p = s->g->edges[edges[i]].from)
        edges[--i] = s->ahead.marks[p].edge;
    bool added = true;
    for (; added && i < n; i++)
        added = add_edge_to_path(s->g, path, &s->g->edges[edges[i]]);
    free(edges);
    return added;
}

static bool add_second_half(const struct search *s, struct path *path)
{
    for (uint32_t p = s->meeting; s->back.marks[p].edge != NO_EDGE;) {
        const struct es_edge *edge = &s->g->edges[s->back.marks[p].edge];
        if (!add_edge_to_path(s->g, path, edge))
            return false;
        p = edge->to;
    }
    return true;
}

static int make_path(const struct search *s, uint32_t first, uint32_t last, struct es_order_answer *ret)
{
    struct path path = {0};
    if (!add_to_path(s->g, &path, first) || !add_to_path(s->g, &path, s->from) || !add_first_half(s, &path) ||
        !add_second_half(s, &path) || !add_to_path(s->g, &path, s->to) || !add_to_path(s->g, &path, last)) {
        free(path.seqs);
        return es_fail(-ENOMEM, "no memory for a path of events");
    }
    ret->path = path.seqs;
    ret->n_path = path.n;
    return 0;
}

/* ---- the answer ---------------------------------------------------------------------------------------------------- */

static size_t count_strange(const struct es_graph *g, uint32_t from, uint32_t to)
{
    size_t bounds[2];
    for (int k = 0; k < 2; k++) {
        size_t low = 0, high = g->n_strange;
        uint32_t event = k ? to : from;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (g->strange[middle] <= event)
                low = middle + 1;
            else
                high = middle;
        }
        bounds[k] = low;
    }
    return bounds[1] - bounds[0];
}

/* Could the first have led to the second? 1, 0, -ENOMEM. */
static int leads(struct search *s, uint32_t first, uint32_t last, struct es_order_answer *ret)
{
    const struct es_delivery *delivery = es_graph_delivery(s->g, last);
    if (delivery && delivery->source == first) {
        s->from = s->to = first;
        s->meeting = s->from_process = s->to_process = s->g->who[first - 1] & ES_WHO_NUMBER;
        s->ahead.marks[s->meeting].edge = s->back.marks[s->meeting].edge = NO_EDGE;
    } else if (!set_to(s, last) || !set_from(s, first, s->to) || !search(s)) {
        return 0;
    }
    int rc = make_path(s, first, last, ret);
    return rc < 0 ? rc : 1;
}

static int decide(struct search *s, uint32_t first, uint32_t last, struct es_order_answer *ret)
{
    bool late = (s->g->who[first - 1] | s->g->who[last - 1]) & ES_WHO_LATE;
    s->maybe = false;
    int rc = leads(s, first, last, ret);
    if (rc == 1)
        ret->order = late ? ES_ORDER_POSSIBLY_BEFORE : ES_ORDER_BEFORE;
    if (rc != 0)
        return rc;
    s->maybe = true;
    bool open_end = s->g->who[first - 1] & ES_WHO_DELIVERY;
    if (s->g->n_maybe == 0 && !open_end)
        return 0;
    rc = leads(s, first, last, ret);
    if (rc == 1)
        ret->order = ES_ORDER_POSSIBLY_BEFORE;
    return rc;
}

/* Marks of earlier searches do not count, so that the memory is cleared once. */
static struct search *take_search(struct es_graph *g)
{
    struct search *s = g->scratch;
    if (s)
        return s;
    s = calloc(1, sizeof *s + 2 * (size_t)g->n_processes * sizeof(struct mark));
    if (!s)
        return NULL;
    s->g = g;
    s->ahead.marks = (struct mark *)(s + 1);
    s->back.marks = s->ahead.marks + g->n_processes;
    g->scratch = s;
    return s;
}

static int answer(struct es_graph *g, uint32_t first, uint32_t last, struct es_order_answer *ret)
{
    bool nobody = g->who[first - 1] == ES_WHO_NOBODY;
    if (nobody || g->who[last - 1] == ES_WHO_NOBODY)
        return es_fail(-EINVAL, "event %llu is nothing that a process did: it has no place in their order",
                       (unsigned long long)g->first - 1 + (nobody ? first : last));
    ret->unknown = count_strange(g, first, last);
    struct search *s = take_search(g);
    int rc = s ? decide(s, first, last, ret) : es_fail(-ENOMEM, "no memory to compare events");
    return rc < 0 ? rc : 0;
}

int es_query_before(struct es_query *query, uint64_t a, uint64_t b, struct es_order_answer *ret_answer)
{
    static const enum es_order turned[] = {ES_ORDER_SAME,       ES_ORDER_AFTER,          ES_ORDER_BEFORE,
                                           ES_ORDER_CONCURRENT, ES_ORDER_POSSIBLY_AFTER, ES_ORDER_POSSIBLY_BEFORE};
    struct es_graph *g;
    struct es_order_answer found = {.order = a == b ? ES_ORDER_SAME : ES_ORDER_CONCURRENT};
    uint64_t first = a < b ? a : b, last = a < b ? b : a;
    int rc = es_query_graph(query, first, last, &g);
    if (rc == 0 && a != b)
        rc = answer(g, (uint32_t)(first - g->first + 1), (uint32_t)(last - g->first + 1), &found);
    if (rc < 0)
        return rc;
    if (a > b)
        found.order = turned[found.order];
    *ret_answer = found;
    return 0;
}

const char *const es_order_names[] = {"same", "before", "after", "concurrent", "possibly before", "possibly after"};
