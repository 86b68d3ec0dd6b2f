/* SPDX-License-Identifier: MIT */
/* Builds the graph in one walk: each edge is added when the event it leads to is reached, so that they are sorted. A
 * delivery whose handling is not known may have been handled by the receiver's next act, or by any behind it: the
 * edge to the next one says all. */
#include "query/graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

struct waiting { /* a delivery since its receiver's last act */
    uint32_t delivery, next;
};

struct building {
    struct es_query *query;
    struct es_graph *graph;
    uint32_t *heads; /* by process: index + 1 of its last delivery that waits */
    size_t heads_room;
    struct waiting *waiting;
    uint32_t n_waiting, waiting_room, spare;
};

bool es_kind_is_own(unsigned kind)
{
    switch (kind) {
    case ES_K_CENSUS:
    case ES_K_LONG_GC:
    case ES_K_LARGE_HEAP:
    case ES_K_MEMORY:
    case ES_K_LONG_SCHEDULE:
    case ES_K_BUSY_PORT:
    case ES_K_BUSY_DIST_PORT:
    case ES_K_NODE_UP:
    case ES_K_NODE_DOWN:
    case ES_K_MARK:
    case ES_K_NOTICE:
    case ES_K_BUDGET:
    case ES_K_GAP: return false;
    default: return true;
    }
}

/* Room for one more in an array of `size` bytes each. */
static bool grow(void *array, size_t n, size_t *room, size_t size)
{
    if (n < *room)
        return true;
    size_t more = *room ? *room + *room / 2 : 1024;
    void *bigger = realloc(*(void **)array, more * size);
    if (!bigger)
        return false;
    *(void **)array = bigger;
    *room = more;
    return true;
}

static bool number_of(struct building *b, es_ref pid, uint32_t *ret_number)
{
    uint64_t *place = es_refmap_place(&b->graph->number_of, pid);
    if (!place)
        return false;
    if (*place == 0) {
        if (!grow(&b->heads, b->graph->n_processes, &b->heads_room, sizeof *b->heads))
            return false;
        b->heads[b->graph->n_processes] = 0;
        *place = ++b->graph->n_processes;
    }
    *ret_number = (uint32_t)(*place - 1);
    return true;
}

static size_t delivery_place(const struct es_graph *g, uint32_t event)
{
    size_t from = 0, to = g->n_deliveries;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (g->deliveries[middle].event < event)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

const struct es_delivery *es_graph_delivery(const struct es_graph *g, uint32_t event)
{
    size_t i = delivery_place(g, event);
    return i < g->n_deliveries && g->deliveries[i].event == event ? &g->deliveries[i] : NULL;
}

static bool add_edge(struct es_graph *g, uint32_t source, uint32_t event, uint32_t via)
{
    if (!grow(&g->edges, g->n_edges, &g->edges_room, sizeof *g->edges))
        return false;
    const struct es_delivery *delivery = via & ~ES_EDGE_MAYBE ? &g->deliveries[(via & ~ES_EDGE_MAYBE) - 1] : NULL;
    uint32_t late =
        (g->who[source - 1] | g->who[event - 1] | (delivery ? g->who[delivery->event - 1] : 0)) & ES_WHO_LATE;
    g->edges[g->n_edges++] = (struct es_edge){.from_event = source,
                                              .to_event = event,
                                              .from = g->who[source - 1] & ES_WHO_NUMBER,
                                              .to = g->who[event - 1] & ES_WHO_NUMBER,
                                              .via = via | (late ? ES_EDGE_MAYBE : 0)};
    return true;
}

static bool is_strange(const struct es_event *event)
{
    return event->cause_state > ES_CAUSE_EXTERNAL; /* untraced, lost, late, evicted, unknown */
}

static bool add_delivery(struct building *b, const struct es_event *event, uint32_t number)
{
    struct es_graph *g = b->graph;
    uint32_t self = (uint32_t)(event->seq - g->first + 1);
    uint32_t source = event->cause >= g->first ? (uint32_t)(event->cause - g->first + 1) : 0;
    if (is_strange(event)) {
        if (!grow(&g->strange, g->n_strange, &g->strange_room, sizeof *g->strange))
            return false;
        g->strange[g->n_strange++] = self;
    }
    if (source && g->who[source - 1] == ES_WHO_NOBODY)
        source = 0;
    size_t room = b->waiting_room;
    if (!grow(&g->deliveries, g->n_deliveries, &g->deliveries_room, sizeof *g->deliveries) ||
        (!b->spare && !grow(&b->waiting, b->n_waiting, &room, sizeof *b->waiting)))
        return false;
    b->waiting_room = (uint32_t)room;
    g->deliveries[g->n_deliveries++] = (struct es_delivery){.event = self, .source = source};
    uint32_t place = b->spare ? b->spare : ++b->n_waiting;
    if (b->spare)
        b->spare = b->waiting[place - 1].next;
    b->waiting[place - 1] = (struct waiting){(uint32_t)g->n_deliveries, b->heads[number]};
    b->heads[number] = place;
    return true;
}

/* What the event was caused by, where that is stored. */
static bool add_cause(struct building *b, const struct es_event *event, uint32_t number)
{
    struct es_graph *g = b->graph;
    if (event->cause < g->first || event->cause >= event->seq)
        return true;
    uint32_t source = (uint32_t)(event->cause - g->first + 1), self = (uint32_t)(event->seq - g->first + 1);
    uint32_t who = g->who[source - 1];
    if (who == ES_WHO_NOBODY)
        return true;
    if (!(who & ES_WHO_DELIVERY))
        return (who & ES_WHO_NUMBER) == number || add_edge(g, source, self, 0);
    size_t i = delivery_place(g, source);
    struct es_delivery *delivery = &g->deliveries[i];
    if ((who & ES_WHO_NUMBER) != number || delivery->handler)
        return true;
    delivery->handler = self;
    return delivery->source == 0 || (g->who[delivery->source - 1] & ES_WHO_NUMBER) == number ||
           add_edge(g, delivery->source, self, (uint32_t)i + 1);
}

/* The receiver acts: it may have handled what came since. */
static bool add_maybes(struct building *b, uint32_t self, uint32_t number)
{
    struct es_graph *g = b->graph;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a process that has a number has a head */
    uint32_t head = b->heads[number];
    while (head) {
        struct waiting *w = &b->waiting[head - 1];
        const struct es_delivery *delivery = &g->deliveries[w->delivery - 1];
        bool other = delivery->source && (g->who[delivery->source - 1] & ES_WHO_NUMBER) != number;
        if (other && !delivery->handler && !add_edge(g, delivery->source, self, w->delivery | ES_EDGE_MAYBE))
            return false;
        uint32_t next = w->next;
        w->next = b->spare;
        b->spare = head;
        head = next;
    }
    b->heads[number] = 0;
    return true;
}

static bool add_event(struct building *b, const struct es_event *event)
{
    struct es_graph *g = b->graph;
    uint32_t self = (uint32_t)(event->seq - g->first + 1), number = 0;
    g->who[self - 1] = ES_WHO_NOBODY;
    if (event->pid == ES_REF_NONE || !es_kind_is_own(event->kind))
        return true;
    if (!number_of(b, event->pid, &number))
        return false;
    bool is_delivery = event->kind == ES_K_DELIVER;
    g->who[self - 1] = number | (is_delivery ? ES_WHO_DELIVERY : 0) | (event->flags & ES_E_LATE ? ES_WHO_LATE : 0);
    if (is_delivery)
        return add_delivery(b, event, number);
    return (event->cause == 0 || add_cause(b, event, number)) && add_maybes(b, self, number);
}

static int add_block(struct building *b, size_t index, const struct es_block_info *info)
{
    struct es_block *block;
    int rc = es_block_get_fields(b->query->recording, index, ES_F_CAUSE, &block);
    if (rc == -EBADMSG || rc == -ENOENT) { /* what is in it did nothing, as far as is known */
        es_error_clear();
        memset(&b->graph->who[info->first_seq - b->graph->first], 0xff, info->events * sizeof *b->graph->who);
        return 0;
    }
    for (size_t i = 0; rc == 0 && i < block->n; i++)
        if (!add_event(b, &block->events[i]))
            rc = -ENOMEM;
    es_block_unref(b->query->recording, block);
    return rc;
}

/* ---- when all edges are known -------------------------------------------------------------------------------------- */

/* Handling that was found later takes what was only possible out. */
static void drop_maybes(struct es_graph *g)
{
    size_t kept = 0;
    for (size_t i = 0; i < g->n_edges; i++) {
        struct es_edge edge = g->edges[i];
        uint32_t via = edge.via & ~ES_EDGE_MAYBE;
        const struct es_delivery *delivery = via ? &g->deliveries[via - 1] : NULL;
        if (delivery && delivery->handler && delivery->handler != edge.to_event)
            continue;
        g->n_maybe += (edge.via & ES_EDGE_MAYBE) != 0;
        g->edges[kept++] = edge;
    }
    g->n_edges = kept;
}

static int by_source(const void *a, const void *b, void *edges)
{
    const struct es_edge *x = (struct es_edge *)edges + *(const uint32_t *)a,
                         *y = (struct es_edge *)edges + *(const uint32_t *)b;
    return x->from_event < y->from_event ? -1 : x->from_event > y->from_event;
}

static bool make_lists(struct es_graph *g)
{
    size_t n = g->n_processes + 1;
    g->out = malloc((g->n_edges + 1) * sizeof *g->out);
    g->in = malloc((g->n_edges + 1) * sizeof *g->in);
    g->out_at = calloc(n + 1, sizeof *g->out_at);
    g->in_at = calloc(n + 1, sizeof *g->in_at);
    if (!g->out || !g->in || !g->out_at || !g->in_at)
        return false;
    for (size_t i = 0; i < g->n_edges; i++) {
        g->out_at[g->edges[i].from + 2]++;
        g->in_at[g->edges[i].to + 2]++;
    }
    for (size_t p = 2; p <= n; p++) {
        g->out_at[p] += g->out_at[p - 1];
        g->in_at[p] += g->in_at[p - 1];
    }
    for (size_t i = 0; i < g->n_edges; i++) { /* each place moves to the end of its list, where the next begins */
        g->out[g->out_at[g->edges[i].from + 1]++] = (uint32_t)i;
        g->in[g->in_at[g->edges[i].to + 1]++] = (uint32_t)i;
    }
    for (uint32_t p = 0; p < g->n_processes; p++)
        qsort_r(g->out + g->out_at[p], g->out_at[p + 1] - g->out_at[p], sizeof *g->out, by_source, g->edges);
    return true;
}

void es_graph_free(struct es_graph *g)
{
    if (!g)
        return;
    es_refmap_fini(&g->number_of);
    free(g->who);
    free(g->edges);
    free(g->deliveries);
    free(g->strange);
    free(g->out);
    free(g->in);
    free(g->out_at);
    free(g->in_at);
    free(g->scratch);
    free(g);
}

/* ---- which stretch ------------------------------------------------------------------------------------------------- */

static int build(struct es_query *query, size_t from, size_t to, struct es_graph *g)
{
    const struct es_block_info *blocks = NULL;
    struct building b = {.query = query, .graph = g};
    es_recording_blocks(query->recording, &blocks);
    g->first = blocks[from].first_seq;
    g->n = (uint32_t)(blocks[to].last_seq - g->first + 1);
    g->who = malloc(g->n * sizeof *g->who);
    int rc = g->who ? 0 : -ENOMEM;
    for (size_t i = from; rc == 0 && i <= to; i++)
        rc = add_block(&b, i, &blocks[i]);
    free(b.heads);
    free(b.waiting);
    if (rc == 0)
        drop_maybes(g);
    if (rc == 0 && !make_lists(g))
        rc = -ENOMEM;
    return rc;
}

static bool fits(const struct es_block_info *blocks, size_t from, size_t to)
{
    return blocks[to].last_seq - blocks[from].first_seq < ES_GRAPH_EVENTS;
}

/* The blocks that are asked for if they are few and the first ones, else all: the next question is elsewhere. */
static int choose(struct es_query *query, uint64_t from, uint64_t to, size_t *ret_range)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(query->recording, &blocks);
    size_t first = es_query_block_of(query, from), last = es_query_block_of(query, to);
    if (last >= n || blocks[first].first_seq > from)
        return es_fail(-ENOENT, "the recording has no event %llu", (unsigned long long)(last >= n ? to : from));
    bool few = !query->graph && (last - first + 1) * 4 <= n;
    ret_range[0] = few || !fits(blocks, 0, n - 1) ? first : 0;
    ret_range[1] = few || !fits(blocks, 0, n - 1) ? last : n - 1;
    if (!fits(blocks, ret_range[0], ret_range[1]))
        return es_fail(-E2BIG, "between events %llu and %llu lie more than %u others", (unsigned long long)from,
                       (unsigned long long)to, ES_GRAPH_EVENTS);
    return 0;
}

int es_query_graph(struct es_query *query, uint64_t from, uint64_t to, struct es_graph **ret_graph)
{
    struct es_graph *held = query->graph;
    if (held && from >= held->first && to < held->first + held->n) {
        *ret_graph = held;
        return 0;
    }
    size_t range[2] = {0};
    int rc = choose(query, from, to, range);
    if (rc < 0)
        return rc;
    struct es_graph *g = calloc(1, sizeof *g);
    es_graph_free(query->graph);
    query->graph = NULL;
    rc = g ? build(query, range[0], range[1], g) : -ENOMEM;
    if (rc < 0) {
        es_graph_free(g);
        return rc == -ENOMEM ? es_fail(rc, "no memory to see what led to what") : rc;
    }
    query->graph = g;
    *ret_graph = g;
    return 0;
}
