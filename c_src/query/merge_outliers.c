/* SPDX-License-Identifier: MIT */
/* Bounds that cannot be believed: an emulator may write down a send when it has left already, so that its delivery is stamped before it. These
 * are few, and each contradicts many others. They are looked for in short stretches, in which a clock does not drift. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "query/merge_clock.h"

#define STRETCHES 64u
#define STRETCH_MIN 16u
#define FEWEST 8u /* of fewer bounds none is left out */
#define SHARE 50u /* of a stretch, at most one in so many is left out */

struct edge { /* where one bound begins or ceases to hold, as the offset rises */
    double at;
    bool most;
};
struct stretch {
    const struct es_clock_bound *bounds;
    size_t n;
    double t, middle; /* of its bounds; of the offsets that most of them allow */
    bool known;
};
struct field { /* bounds as numbers that are exact as doubles */
    int64_t t0, v0;
    double drift;
    struct edge *edges;
};

static double time_of(const struct field *f, const struct es_clock_bound *bound)
{
    return (double)(int64_t)((uint64_t)bound->at - (uint64_t)f->t0);
}

static double value_of(const struct field *f, const struct es_clock_bound *bound)
{
    return (double)(int64_t)((uint64_t)bound->offset - (uint64_t)f->v0) - f->drift * time_of(f, bound);
}

/* Those that are satisfied from here on come first: an offset that is both a least and a most one satisfies both. */
static int by_place(const void *a, const void *b)
{
    const struct edge *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->most - y->most;
}

/* The offsets that as many bounds as possible allow; gives how many do not. */
static size_t find_middle(const struct field *f, struct stretch *s, double *ret_from, double *ret_to)
{
    size_t sides[2] = {0, 0}, best;
    for (size_t i = 0; i < s->n; i++) {
        f->edges[i] = (struct edge){value_of(f, &s->bounds[i]), s->bounds[i].most};
        sides[s->bounds[i].most]++;
    }
    qsort(f->edges, s->n, sizeof *f->edges, by_place);
    size_t holding = best = sides[1];
    *ret_from = -INFINITY;
    *ret_to = s->n ? f->edges[0].at : INFINITY;
    for (size_t i = 0; i < s->n; i++) {
        holding = f->edges[i].most ? holding - 1 : holding + 1;
        if (holding > best) {
            best = holding;
            *ret_from = f->edges[i].at;
            *ret_to = i + 1 < s->n ? f->edges[i + 1].at : INFINITY;
        }
    }
    s->known = sides[0] > 0 && sides[1] > 0 && !isinf(*ret_from) && !isinf(*ret_to);
    s->middle = s->known ? *ret_from + (*ret_to - *ret_from) / 2 : 0;
    return s->n - best;
}

static size_t cut_up(const struct field *f, const struct es_clock_bound *bounds, size_t n, struct stretch *stretches)
{
    size_t length = (n + STRETCHES - 1) / STRETCHES, made = 0;
    length = length < STRETCH_MIN ? STRETCH_MIN : length;
    for (size_t at = 0; at < n; at += length) {
        struct stretch *s = &stretches[made++];
        *s = (struct stretch){.bounds = bounds + at, .n = n - at < length ? n - at : length};
        s->t = time_of(f, &s->bounds[s->n / 2]);
    }
    return made;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The drift that is in the middle of those between any two stretches. */
static double usual_drift(const struct stretch *stretches, size_t n)
{
    double drifts[STRETCHES * STRETCHES / 2];
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++)
            if (stretches[i].known && stretches[k].known && stretches[k].t > stretches[i].t)
                drifts[found++] = (stretches[k].middle - stretches[i].middle) / (stretches[k].t - stretches[i].t);
    qsort(drifts, found, sizeof *drifts, by_value);
    return found > 0 ? drifts[found / 2] : 0;
}

/* Copies what is to be believed of one stretch. */
static size_t keep(const struct field *f, struct stretch *s, struct es_clock_bound *kept)
{
    double from, to;
    size_t wrong = find_middle(f, s, &from, &to), n = 0;
    bool few = s->known && s->n >= FEWEST && wrong <= (s->n / SHARE ? s->n / SHARE : 1);
    for (size_t i = 0; i < s->n; i++) {
        double value = value_of(f, &s->bounds[i]);
        bool holds = s->bounds[i].most ? value >= to : value <= from;
        if (holds || !few)
            kept[n++] = s->bounds[i];
    }
    return n;
}

int es_clock_believe(const struct es_clock_bound *bounds, size_t n, struct es_clock_bound *kept, size_t *ret_n)
{
    struct stretch stretches[STRETCHES];
    struct field f = {.t0 = bounds[0].at, .v0 = bounds[0].offset, .edges = malloc((n + 1) * sizeof *f.edges)};
    double from, to;
    if (!f.edges)
        return -ENOMEM;
    size_t made = cut_up(&f, bounds, n, stretches);
    for (size_t i = 0; i < made; i++)
        find_middle(&f, &stretches[i], &from, &to);
    f.drift = usual_drift(stretches, made);
    *ret_n = 0;
    for (size_t i = 0; i < made; i++)
        *ret_n += keep(&f, &stretches[i], kept + *ret_n);
    free(f.edges);
    return 0;
}
