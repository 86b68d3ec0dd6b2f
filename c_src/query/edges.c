/* SPDX-License-Identifier: MIT */
/* Makes the edges of a block from its part, and finds what they have in other blocks. Each edge is added when the event it
 * leads to is reached, so that they are sorted. */
#include "query/edges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define NO_PLACE UINT32_MAX

/* An edge before it is known how many stand before it. */
struct found {
    uint16_t from, to, via;
    uint8_t flags;
};

struct making {
    struct es_index_part *part;
    struct es_edges *edges;
    struct found *found; /* by to */
    size_t n;
    uint16_t *caused; /* events that have a cause */
    size_t n_caused;
    uint32_t *handler; /* of each delivery: the act that handles it, NO_PLACE: none here */
};

void es_edges_free(struct es_edges *edges)
{
    if (!edges)
        return;
    free(edges->incoming);
    free(edges->slots);
    free(edges->out);
    free(edges->in);
    free(edges->order);
    free(edges->ends);
    free(edges->later);
    free(edges);
}

/* ---- processes ----------------------------------------------------------------------------------------------------- */

uint32_t es_edges_number(struct es_index *index, es_ref pid)
{
    uint64_t *place = es_refmap_place(&index->numbers, pid);
    if (!place)
        return UINT32_MAX;
    if (*place == 0)
        *place = ++index->n_numbers;
    return (uint32_t)(*place - 1);
}

static bool number_lists(struct es_index *index, struct es_index_part *part, struct es_edges *edges)
{
    edges->n_slots = 64;
    while (edges->n_slots < part->n_lists * 2)
        edges->n_slots *= 2;
    edges->slots = calloc(edges->n_slots, sizeof *edges->slots);
    edges->ends = calloc(part->n_lists + 2, sizeof *edges->ends);
    if (!edges->slots || !edges->ends)
        return false;
    for (uint32_t k = 0; k < part->n_lists; k++) {
        edges->ends[k].number = UINT32_MAX;
        if (part->lists[k].pid == ES_REF_NONE)
            continue;
        uint32_t number = es_edges_number(index, part->lists[k].pid);
        if (number == UINT32_MAX)
            return false;
        edges->ends[k].number = number;
        uint32_t i = es_edges_slot(edges, number);
        while (edges->slots[i])
            i = (i + 1) & (edges->n_slots - 1);
        edges->slots[i] = k + 1;
    }
    return true;
}

/* ---- edges --------------------------------------------------------------------------------------------------------- */

static bool is_delivery(const struct es_index_part *part, uint32_t i) { return part->kinds[i] == ES_K_DELIVER; }

static uint8_t late_flag(unsigned flags) { return flags & ES_E_LATE ? ES_EDGE_LATE : 0; }

/* The first act of the receiver that has the delivery as its cause. */
static void find_handlers(struct making *m)
{
    const struct es_index_part *part = m->part;
    memset(m->handler, 0xff, part->n * sizeof *m->handler);
    for (size_t k = 0; k < m->n_caused; k++) {
        uint32_t i = m->caused[k], back = part->back[i];
        if (back <= i && !is_delivery(part, i) && is_delivery(part, i - back) &&
            part->list[i] == part->list[i - back] && m->handler[i - back] == NO_PLACE)
            m->handler[i - back] = i;
    }
}

/* From the cause of event `last`, a delivery or an act, to `to`. */
static void add_way(struct making *m, uint32_t last, uint32_t to, unsigned flags)
{
    struct es_index_part *part = m->part;
    struct es_edges *edges = m->edges;
    uint32_t back = part->back[last], number = edges->ends[part->list[to]].number;
    flags |= late_flag(part->flags[last] | part->flags[to]);
    if (back > last) {
        edges->incoming[edges->n_incoming++] = (struct es_incoming){.from = part->first + last - back,
                                                                    .via = last == to ? 0 : part->first + last,
                                                                    .number = ES_INCOMING_OPEN,
                                                                    .to = number,
                                                                    .to_at = (uint16_t)to,
                                                                    .flags = (uint8_t)flags};
        return;
    }
    uint32_t from = last - back;
    if (!es_index_part_is_own(part, from) || is_delivery(part, from) || part->list[from] == part->list[to])
        return;
    m->found[m->n++] = (struct found){.from = (uint16_t)from,
                                      .to = (uint16_t)to,
                                      .via = (uint16_t)last,
                                      .flags = (uint8_t)(flags | late_flag(part->flags[from]))};
}

static void add_event(struct making *m, uint32_t i)
{
    struct es_index_part *part = m->part;
    uint32_t back = part->back[i];
    if (is_delivery(part, i)) {
        if (m->handler[i] == NO_PLACE)
            add_way(m, i, i, ES_EDGE_UNHANDLED);
        return;
    }
    bool handles = back <= i && is_delivery(part, i - back);
    if (!handles)
        add_way(m, i, i, 0);
    else if (m->handler[i - back] == i && part->back[i - back])
        add_way(m, i - back, i, 0);
}

/* Events that have a cause: without branches, for nothing says which will be next. */
static bool find_caused(struct making *m)
{
    const struct es_index_part *part = m->part;
    m->caused = malloc((part->n + 1) * sizeof *m->caused);
    if (!m->caused)
        return false;
    for (uint32_t i = 0; i < part->n; i++) {
        m->caused[m->n_caused] = (uint16_t)i;
        m->n_caused += part->back[i] != 0;
    }
    return true;
}

static bool make_edges(struct making *m)
{
    struct es_index_part *part = m->part;
    struct es_edges *edges = m->edges;
    if (!find_caused(m))
        return false;
    m->found = malloc((m->n_caused + 1) * sizeof *m->found);
    m->handler = malloc(part->n * sizeof *m->handler);
    edges->incoming = malloc((m->n_caused + 1) * sizeof *edges->incoming);
    if (!m->found || !m->handler || !edges->incoming)
        return false;
    find_handlers(m);
    for (size_t k = 0; k < m->n_caused; k++)
        if (es_index_part_is_own(part, m->caused[k]))
            add_event(m, m->caused[k]);
    struct es_incoming *incoming = realloc(edges->incoming, (edges->n_incoming + 1) * sizeof *incoming);
    edges->incoming = incoming ? incoming : edges->incoming;
    return true;
}

/* ---- by process ---------------------------------------------------------------------------------------------------- */

/* Memory to sort edges with. */
struct sorting {
    uint32_t *starts;     /* of the edges of each event; then of each list, how far it was walked */
    uint16_t *by_start;   /* edges, in order of their beginnings */
    uint16_t *out_by_end; /* in order of their ends, as they stand in `out` */
};

/* Where the edges of each list begin, from how many it has. */
static void sum_ends(const struct making *m)
{
    struct es_ends *ends = m->edges->ends;
    for (size_t k = 0; k < m->n; k++) {
        ends[m->part->list[m->found[k].from] + 1].out++;
        ends[m->part->list[m->found[k].to] + 1].in++;
    }
    for (uint32_t k = 1; k <= m->part->n_lists; k++) {
        ends[k].out += ends[k - 1].out;
        ends[k].in += ends[k - 1].in;
    }
}

static struct es_edge edge_of(const struct making *m, const struct found *f, bool out)
{
    uint16_t at = out ? f->from : f->to, other = out ? f->to : f->from;
    return (struct es_edge){.other = m->edges->ends[m->part->list[other]].number,
                            .at = at,
                            .other_at = other,
                            .via = f->via,
                            .flags = f->flags};
}

/* Where a search goes on from each edge. Edges are taken in order of their other end, so that each list is walked once. */
static void find_next(const struct making *m, const uint16_t *sorted, uint32_t *at, bool out)
{
    const struct es_index_part *part = m->part;
    const struct es_ends *ends = m->edges->ends;
    struct es_edge *edges = out ? m->edges->out : m->edges->in;
    for (uint32_t k = 0; k < part->n_lists; k++) {
        at[k] = out ? ends[k].out : ends[k].in;
        uint32_t end = out ? ends[k + 1].out : ends[k + 1].in;
        if (at[k] < end)
            edges[out ? end - 1 : at[k]].last = true;
    }
    for (size_t k = 0; k < m->n; k++) {
        struct es_edge *edge = &edges[sorted[k]];
        uint32_t list = part->list[edge->other_at], first = out ? ends[list].out : ends[list].in,
                 end = out ? ends[list + 1].out : ends[list + 1].in;
        while (at[list] < end && (out ? edges[at[list]].at < edge->other_at : edges[at[list]].at <= edge->other_at))
            at[list]++;
        edge->next = (uint16_t)at[list];
        edge->has_next = out ? at[list] < end : at[list] > first;
    }
}

/* Those found are in order of their ends already; of their beginnings they are after walking the events. */
static void fill_lists(const struct making *m, struct sorting *sorting)
{
    const struct es_index_part *part = m->part;
    struct es_edges *edges = m->edges;
    uint32_t *starts = sorting->starts;
    for (size_t k = 0; k < m->n; k++) {
        uint32_t place = edges->ends[part->list[m->found[k].to]].in++;
        edges->in[place] = edge_of(m, &m->found[k], false);
        edges->order[k] = (uint16_t)place;
        starts[m->found[k].from + 1]++;
    }
    for (uint32_t i = 0; i < part->n; i++)
        starts[i + 1] += starts[i];
    for (size_t k = 0; k < m->n; k++)
        sorting->by_start[starts[m->found[k].from]++] = (uint16_t)k;
    for (size_t k = 0; k < m->n; k++) {
        uint16_t which = sorting->by_start[k];
        const struct found *f = &m->found[which];
        uint32_t place = edges->ends[part->list[f->from]].out++;
        edges->out[place] = edge_of(m, f, true);
        sorting->out_by_end[which] = (uint16_t)place;
    }
    for (uint32_t k = part->n_lists; k > 0; k--) { /* each beginning has moved to that of the next list */
        edges->ends[k].out = edges->ends[k - 1].out;
        edges->ends[k].in = edges->ends[k - 1].in;
    }
    edges->ends[0].out = edges->ends[0].in = 0;
    find_next(m, sorting->out_by_end, starts, true);
    for (size_t k = 0; k < m->n; k++)
        sorting->by_start[k] = edges->order[sorting->by_start[k]];
    find_next(m, sorting->by_start, starts, false);
}

static bool make_lists(const struct making *m)
{
    struct es_edges *edges = m->edges;
    struct sorting sorting = {calloc(m->part->n + m->part->n_lists + 1, sizeof *sorting.starts),
                              malloc((m->n + 1) * sizeof *sorting.by_start),
                              malloc((m->n + 1) * sizeof *sorting.out_by_end)};
    edges->n = m->n;
    edges->out = malloc((m->n + 1) * sizeof *edges->out);
    edges->in = malloc((m->n + 1) * sizeof *edges->in);
    edges->order = malloc((m->n + 1) * sizeof *edges->order);
    bool made = sorting.starts && sorting.by_start && sorting.out_by_end && edges->out && edges->in && edges->order;
    if (made) {
        sum_ends(m);
        fill_lists(m, &sorting);
    }
    free(sorting.starts);
    free(sorting.by_start);
    free(sorting.out_by_end);
    return made;
}

int es_edges_get(struct es_query *query, size_t block, struct es_index_part **ret_part)
{
    struct es_index_part *part;
    int rc = es_index_part_get(query, block, &part);
    if (rc < 0)
        return rc;
    *ret_part = part;
    if (part->edges)
        return 0;
    struct making m = {.part = part, .edges = calloc(1, sizeof *m.edges)};
    bool made = m.edges && number_lists(query->index, part, m.edges) && make_edges(&m) && make_lists(&m);
    free(m.handler);
    free(m.found);
    free(m.caused);
    if (!made) {
        es_edges_free(m.edges);
        return es_fail(-ENOMEM, "no memory to see what led to what");
    }
    part->edges = m.edges;
    es_index_part_count(query, part,
                        m.n * (2 * sizeof *m.edges->out + 2) + m.edges->n_incoming * sizeof *m.edges->incoming +
                            m.edges->n_slots * 4 + part->n_lists * sizeof *m.edges->ends);
    return 0;
}

/* ---- other blocks -------------------------------------------------------------------------------------------------- */

/* One step: the delivery's cause in place of the delivery, or the process of an act. False: that was not all. */
static bool look_up(struct es_query *query, struct es_incoming *x)
{
    struct es_indexed event;
    int rc = es_index_event(query, x->from, &event);
    x->number = ES_INCOMING_NOTHING;
    if (rc < 0)
        es_error_clear();
    if (rc < 0 || event.pid == ES_REF_NONE)
        return true;
    uint32_t number = es_edges_number(query->index, event.pid);
    x->flags |= late_flag(event.flags);
    if (event.kind == ES_K_DELIVER) {
        if (x->via || x->flags & ES_EDGE_UNHANDLED || number != x->to || event.cause == 0)
            return true;
        x->via = x->from;
        x->from = event.cause;
        x->number = ES_INCOMING_OPEN;
        return false;
    }
    if (number != x->to && number < ES_INCOMING_NOTHING)
        x->number = number;
    return true;
}

bool es_incoming_resolve(struct es_query *query, struct es_incoming *x, uint64_t since)
{
    while (x->number == ES_INCOMING_OPEN) {
        if (x->from < since)
            return false;
        look_up(query, x);
    }
    return x->number != ES_INCOMING_NOTHING && x->from >= since;
}

static size_t first_late(const struct es_lates *lates, uint64_t cause)
{
    size_t low = 0, high = lates->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (lates->list[middle].cause < cause)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Handlings in another block of this one's deliveries. */
static void note_later(struct es_index_part *part, const struct es_lates *lates, uint16_t later)
{
    for (size_t i = first_late(lates, part->first); i < lates->n; i++) {
        uint64_t at = lates->list[i].cause - part->first;
        if (at >= part->n)
            break;
        if (!part->edges->later[at])
            part->edges->later[at] = later;
    }
}

/* What could not be read handled nothing, as far as is known. */
static int lates_of(struct es_query *query, size_t block, const struct es_lates **ret_lates)
{
    static const struct es_lates none = {NULL, 0};
    int rc = es_index_lates(query, block, ret_lates);
    if (rc != -EBADMSG && rc != -ENOENT)
        return rc;
    es_error_clear();
    *ret_lates = &none;
    return 0;
}

int es_edges_look_later(struct es_query *query, struct es_index_part *part, size_t last)
{
    struct es_edges *edges = part->edges;
    if (!edges->later) {
        edges->later = calloc(part->n, sizeof *edges->later);
        if (!edges->later)
            return es_fail(-ENOMEM, "no memory to see what led to what");
        es_index_part_count(query, part, part->n * sizeof *edges->later);
    }
    while (part->block + edges->looked < last && edges->looked < UINT16_MAX) {
        const struct es_lates *lates;
        int rc = lates_of(query, part->block + edges->looked + 1, &lates);
        if (rc < 0)
            return rc;
        note_later(part, lates, (uint16_t)++edges->looked);
    }
    return 0;
}

static uint64_t handler_here(const struct es_index_part *part, uint32_t at)
{
    const struct es_index_part_list *list = &part->lists[part->list[at]];
    for (uint32_t k = 0; k < list->n[ES_ROW_ACTS]; k++) {
        uint32_t i = part->places[list->at + k];
        if (i > at && part->back[i] == i - at)
            return part->first + i;
    }
    return 0;
}

int es_edges_handler(struct es_query *query, const struct es_indexed *delivery, size_t last, uint64_t *ret_seq)
{
    const struct es_block_info *blocks = NULL;
    size_t block = es_query_block_of(query, delivery->seq);
    struct es_index_part *part;
    int rc = es_index_part_get(query, block, &part);
    if (rc < 0)
        return rc;
    *ret_seq = handler_here(part, (uint32_t)(delivery->seq - part->first));
    es_recording_blocks(query->recording, &blocks);
    while (*ret_seq == 0 && block++ < last) {
        const struct es_lates *lates;
        rc = lates_of(query, block, &lates);
        if (rc < 0)
            return rc;
        size_t i = first_late(lates, delivery->seq);
        if (i < lates->n && lates->list[i].cause == delivery->seq)
            *ret_seq = blocks[block].first_seq + lates->list[i].at;
    }
    return 0;
}
