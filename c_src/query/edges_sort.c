/* SPDX-License-Identifier: MIT */
/* The edges of a block by process, so that a search that has reached a few processes looks at theirs alone. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/edges.h"

/* Memory to sort edges with. */
struct sorting {
    uint32_t *starts;                 /* of the edges of each event; then of each list, how far it was walked */
    uint16_t *by_start;               /* edges, in order of their beginnings */
    uint16_t *in_by_end, *out_by_end; /* in order of their ends, as they stand in `in` and `out` */
};

/* Where the edges of each list begin, from how many it has. */
static void sum_ends(const struct es_index_part *part)
{
    const struct es_edges *edges = part->edges;
    struct es_ends *ends = edges->ends;
    for (size_t k = 0; k < edges->n; k++) {
        ends[edges->ways[k].from_list + 1].out++;
        ends[edges->ways[k].to_list + 1].in++;
    }
    for (uint32_t k = 1; k <= part->n_lists; k++) {
        ends[k].out += ends[k - 1].out;
        ends[k].in += ends[k - 1].in;
    }
}

static struct es_edge edge_of(const struct es_index_part *part, const struct es_way *f, bool out)
{
    uint16_t at = out ? f->from : f->to, other = out ? f->to : f->from;
    return (struct es_edge){.other = part->edges->ends[part->list[other]].number,
                            .at = at,
                            .other_at = other,
                            .via = f->via,
                            .flags = f->flags};
}

/* Where a search goes on from each edge. Edges are taken in order of their other end, so that each list is walked once. */
static void find_next(const struct es_index_part *part, const uint16_t *sorted, uint32_t *at, bool out)
{
    const struct es_ends *ends = part->edges->ends;
    struct es_edge *edges = out ? part->edges->out : part->edges->in;
    for (uint32_t k = 0; k < part->n_lists; k++) {
        at[k] = out ? ends[k].out : ends[k].in;
        uint32_t end = out ? ends[k + 1].out : ends[k + 1].in;
        if (at[k] < end)
            /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it was made */
            edges[out ? end - 1 : at[k]].last = true;
    }
    for (size_t k = 0; k < part->edges->n; k++) {
        struct es_edge *edge = &edges[sorted[k]];
        uint32_t list = part->list[edge->other_at], first = out ? ends[list].out : ends[list].in,
                 end = out ? ends[list + 1].out : ends[list + 1].in;
        while (at[list] < end && (out ? edges[at[list]].at < edge->other_at : edges[at[list]].at <= edge->other_at))
            at[list]++;
        edge->next = (uint16_t)at[list];
        edge->has_next = out ? at[list] < end : at[list] > first;
    }
}

/* Ways are in order of their ends already; of their beginnings they are after walking the events. */
static void fill_lists(const struct es_index_part *part, struct sorting *sorting)
{
    struct es_edges *edges = part->edges;
    uint32_t *starts = sorting->starts;
    for (size_t k = 0; k < edges->n; k++) {
        uint32_t place = edges->ends[edges->ways[k].to_list].in++;
        edges->in[place] = edge_of(part, &edges->ways[k], false);
        sorting->in_by_end[k] = (uint16_t)place;
        starts[edges->ways[k].from + 1]++;
    }
    for (uint32_t i = 0; i < part->n; i++)
        starts[i + 1] += starts[i];
    for (size_t k = 0; k < edges->n; k++)
        sorting->by_start[starts[edges->ways[k].from]++] = (uint16_t)k;
    for (size_t k = 0; k < edges->n; k++) {
        uint16_t which = sorting->by_start[k];
        const struct es_way *f = &edges->ways[which];
        uint32_t place = edges->ends[f->from_list].out++;
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it was made */
        edges->out[place] = edge_of(part, f, true);
        sorting->out_by_end[which] = (uint16_t)place;
    }
    for (uint32_t k = part->n_lists; k > 0; k--) { /* each beginning has moved to that of the next list */
        edges->ends[k].out = edges->ends[k - 1].out;
        edges->ends[k].in = edges->ends[k - 1].in;
    }
    edges->ends[0].out = edges->ends[0].in = 0;
    find_next(part, sorting->out_by_end, starts, true);
    for (size_t k = 0; k < edges->n; k++)
        sorting->by_start[k] = sorting->in_by_end[sorting->by_start[k]];
    find_next(part, sorting->by_start, starts, false);
}

static void fill_slots(const struct es_index_part *part)
{
    struct es_edges *edges = part->edges;
    for (uint32_t k = 0; k < part->n_lists; k++) {
        edges->ends[k].number = edges->numbers[k];
        if (part->lists[k].pid == ES_REF_NONE)
            continue;
        uint32_t i = es_edges_slot(edges, edges->numbers[k]);
        while (edges->slots[i])
            i = (i + 1) & (edges->n_slots - 1);
        edges->slots[i] = k + 1;
    }
}

static bool allocate(const struct es_index_part *part)
{
    struct es_edges *edges = part->edges;
    edges->n_slots = 64;
    while (edges->n_slots < part->n_lists * 2)
        edges->n_slots *= 2;
    edges->out = malloc((edges->n + 1) * sizeof *edges->out);
    edges->in = malloc((edges->n + 1) * sizeof *edges->in);
    edges->ends = calloc(part->n_lists + 2, sizeof *edges->ends);
    edges->slots = calloc(edges->n_slots, sizeof *edges->slots);
    return edges->out && edges->in && edges->ends && edges->slots;
}

static void drop(struct es_edges *edges)
{
    free(edges->out);
    free(edges->in);
    free(edges->ends);
    free(edges->slots);
    edges->out = edges->in = NULL;
    edges->ends = NULL;
    edges->slots = NULL;
}

int es_edges_sort(struct es_query *query, struct es_index_part *part)
{
    struct es_edges *edges = part->edges;
    if (edges->out)
        return 0;
    struct sorting sorting = {
        calloc(part->n + part->n_lists + 1, sizeof *sorting.starts), calloc(edges->n + 1, sizeof *sorting.by_start),
        calloc(edges->n + 1, sizeof *sorting.in_by_end), calloc(edges->n + 1, sizeof *sorting.out_by_end)};
    bool made = sorting.starts && sorting.by_start && sorting.in_by_end && sorting.out_by_end && allocate(part);
    if (made) {
        fill_slots(part);
        sum_ends(part);
        fill_lists(part, &sorting);
        es_index_part_count(query, part,
                            edges->n * 2 * sizeof *edges->out + edges->n_slots * sizeof *edges->slots +
                                part->n_lists * sizeof *edges->ends);
    } else {
        drop(edges);
    }
    free(sorting.starts);
    free(sorting.by_start);
    free(sorting.in_by_end);
    free(sorting.out_by_end);
    return made ? 0 : es_fail(-ENOMEM, "no memory to see what led to what");
}
