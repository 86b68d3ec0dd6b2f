/* SPDX-License-Identifier: MIT */
/* The way that a search has found, from the marks of both ends. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/search.h"

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
    for (uint32_t p = s->meeting; s->ahead.marks[p].step.next; p = s->ahead.marks[p].step.process) {
        const struct es_search_step *step = &s->ahead.marks[p].step;
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
    for (uint32_t p = s->meeting; s->behind.marks[p].step.next; p = s->behind.marks[p].step.process) {
        const struct es_search_step *step = &s->behind.marks[p].step;
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
