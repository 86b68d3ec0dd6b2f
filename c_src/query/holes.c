/* SPDX-License-Identifier: MIT */
/* Losses as stretches of time that do not touch, to be found by bisection. */
#include "query/holes.h"

#include <errno.h>
#include <stdlib.h>

static int by_from(const void *a, const void *b)
{
    const struct es_hole *x = a, *y = b;
    return x->from < y->from ? -1 : x->from > y->from;
}

static void merge(struct es_holes *holes)
{
    size_t kept = 0;
    for (size_t i = 0; i < holes->n; i++) {
        if (kept == 0 || holes->list[i].from > holes->list[kept - 1].to)
            holes->list[kept++] = holes->list[i];
        else if (holes->list[i].to > holes->list[kept - 1].to)
            holes->list[kept - 1].to = holes->list[i].to;
    }
    holes->n = kept;
}

int es_holes_find(struct es_query *query, uint64_t kinds, struct es_holes *ret_holes)
{
    const struct es_loss *losses = NULL;
    size_t n = es_recording_losses(query->recording, &losses);
    *ret_holes = (struct es_holes){0};
    if (n == 0)
        return 0;
    ret_holes->list = malloc(n * sizeof *ret_holes->list);
    if (!ret_holes->list)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (losses[i].kind == ES_K_NONE || kinds >> losses[i].kind & 1) /* NONE: nobody knows of what kind */
            ret_holes->list[ret_holes->n++] = (struct es_hole){losses[i].from, losses[i].to};
    qsort(ret_holes->list, ret_holes->n, sizeof *ret_holes->list, by_from);
    merge(ret_holes);
    return 0;
}

void es_holes_fini(struct es_holes *holes)
{
    free(holes->list);
    *holes = (struct es_holes){0};
}

bool es_holes_whole(const struct es_holes *holes, int64_t from, int64_t to)
{
    size_t low = 0, high = holes->n; /* the first that begins behind `to` */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (holes->list[middle].from <= to)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 || holes->list[low - 1].to < from;
}
