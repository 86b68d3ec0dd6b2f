/* SPDX-License-Identifier: MIT */
/* Sums of spans: by function, with the spread of their durations, or by path. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/inner.h"
#include "query/path.h"

/* Durations in classes of at most 1/64 of their size, from 0 to 2^63 ns. */
#define FINE 6u
#define CLASSES ((64u - FINE) << FINE)
#define SPREADS_MAX 4096u /* functions; of more than these the p99 is their maximum */

struct spread {
    uint32_t counts[CLASSES];
};

struct profile {
    struct es_profile_row *rows;
    size_t n, room;
    struct spread **spreads; /* by row; NULL: none */
    struct es_paths functions;
};

static unsigned class_of(uint64_t ns)
{
    unsigned bits = 64u - (unsigned)__builtin_clzll(ns | 1);
    if (bits <= FINE)
        return (unsigned)ns;
    return ((bits - FINE) << FINE) | (unsigned)(ns >> (bits - FINE - 1) & ((1u << FINE) - 1));
}

/* The largest duration of a class. */
static int64_t top_of(unsigned class)
{
    unsigned shift = class >> FINE;
    if (shift == 0)
        return (int64_t) class;
    uint64_t base = (UINT64_C(1) << FINE | (class & ((1u << FINE) - 1))) << (shift - 1);
    return (int64_t)(base + (UINT64_C(1) << (shift - 1)) - 1);
}

static int64_t p99_of(const struct es_profile_row *row, const struct spread *spread)
{
    uint64_t rest = row->timed / 100, above = 0;
    if (!spread || row->timed == 0)
        return row->max;
    for (unsigned class = CLASSES; class -- > 0;) {
        above += spread->counts[class];
        if (above > rest)
            return top_of(class) < row->max ? top_of(class) : row->max;
    }
    return row->max;
}

/* ---- adding -------------------------------------------------------------------------------------------------------- */

static int grow(struct profile *p, size_t n)
{
    if (n > p->room) {
        size_t room = n < 256 ? 256 : n * 2;
        struct es_profile_row *rows = realloc(p->rows, room * sizeof *rows);
        if (rows)
            p->rows = rows;
        struct spread **spreads = realloc(p->spreads, room * sizeof(void *));
        if (spreads)
            p->spreads = spreads;
        if (!rows || !spreads)
            return -ENOMEM;
        p->room = room;
    }
    for (; p->n < n; p->n++) {
        p->rows[p->n] = (struct es_profile_row){.below = ES_PATH_NONE};
        p->spreads[p->n] = NULL;
    }
    return 0;
}

static void add_clock(int64_t *sum, int64_t value)
{
    if (value < 0 || *sum < 0)
        *sum = -1;
    else
        *sum += value;
}

static void add_span(struct profile *p, uint32_t i, const struct es_span *span, bool outermost)
{
    struct es_profile_row *row = &p->rows[i];
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): there are as many rows as paths */
    row->count++;
    row->ends[span->how]++;
    if (span->how == ES_SPAN_UNKNOWN || span->how == ES_SPAN_OPEN)
        return;
    row->timed++;
    row->self += span->self > 0 ? span->self : 0;
    row->max = span->total > row->max ? span->total : row->max;
    if (!outermost)
        return;
    row->total += span->total;
    add_clock(&row->running, span->running);
    add_clock(&row->runnable, span->runnable);
    add_clock(&row->waiting, span->waiting);
    add_clock(&row->gc, span->gc);
}

static int add_to_function(struct profile *p, const struct es_span *span)
{
    struct es_event call = {.module = span->module, .function = span->function, .arity = span->arity};
    uint32_t i;
    if (es_paths_find(&p->functions, ES_PATH_NONE, &call, &i) < 0 || grow(p, (size_t)i + 1) < 0)
        return -ENOMEM;
    p->rows[i].module = span->module;
    p->rows[i].function = span->function;
    p->rows[i].arity = span->arity;
    add_span(p, i, span, !span->inner);
    if (span->how == ES_SPAN_UNKNOWN || span->how == ES_SPAN_OPEN || i >= SPREADS_MAX)
        return 0;
    if (!p->spreads[i] && !(p->spreads[i] = calloc(1, sizeof **p->spreads)))
        return -ENOMEM;
    p->spreads[i]->counts[class_of((uint64_t)span->total)]++;
    return 0;
}

static int add_to_path(struct profile *p, struct es_spans *spans, const struct es_span *span)
{
    const struct es_call_path *paths;
    size_t n = es_spans_path(spans, &paths), before = p->n;
    if (grow(p, n) < 0)
        return -ENOMEM;
    for (size_t i = before; i < n; i++) {
        p->rows[i].below = paths[i].below;
        p->rows[i].module = paths[i].module;
        p->rows[i].function = paths[i].function;
        p->rows[i].arity = paths[i].arity;
    }
    add_span(p, span->path, span, true);
    return 0;
}

static int add_all(struct profile *p, struct es_spans *spans, enum es_profile by)
{
    struct es_span span;
    int rc;
    while ((rc = es_spans_next(spans, &span)) > 0) {
        rc = by == ES_PROFILE_PATHS ? add_to_path(p, spans, &span) : add_to_function(p, &span);
        if (rc < 0)
            return es_fail(rc, "no memory for sums of calls");
    }
    return rc;
}

/* ---- the whole ----------------------------------------------------------------------------------------------------- */

static int by_total(const void *a, const void *b)
{
    const struct es_profile_row *x = a, *y = b;
    if (x->total != y->total)
        return x->total < y->total ? 1 : -1;
    return (x->count < y->count) - (x->count > y->count);
}

int es_query_profile(struct es_query *query, const struct es_filter *filter, enum es_profile by,
                     struct es_profile_row **ret_rows, size_t *ret_n)
{
    struct es_spans *spans;
    struct profile p = {0};
    int rc = es_spans_open(query, filter, &spans);
    if (rc < 0)
        return rc;
    rc = add_all(&p, spans, by);
    es_spans_close(spans);
    for (size_t i = 0; i < p.n; i++) {
        p.rows[i].p99 = p99_of(&p.rows[i], p.spreads[i]);
        free(p.spreads[i]);
    }
    free(p.spreads);
    es_paths_fini(&p.functions);
    if (rc < 0) {
        free(p.rows);
        return rc;
    }
    if (by == ES_PROFILE_FUNCTIONS && p.n > 1)
        qsort(p.rows, p.n, sizeof *p.rows, by_total);
    *ret_rows = p.rows;
    *ret_n = p.n;
    return 0;
}
