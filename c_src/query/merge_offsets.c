/* SPDX-License-Identifier: MIT */
/* Each recording's clock on that of the first, from the messages between them: nodes are put in one after the other, each time the one that
 * the messages with those that are in tell most about. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/merge.h"

struct bounds {
    struct es_clock_bound *list;
    size_t n;
};

static int64_t minus(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }

/* Before the clocks are known, only messages that nothing else can be; where there are none, all that look like pairs. */
static bool is_good(const struct es_merge *merge, const struct es_cross *delivery, bool all)
{
    return delivery->pair_seq && (all || merge->clocks || delivery->flags & ES_X_UNIQUE);
}

/* What the messages between `rec` and those that are in say. */
static void gather(const struct es_merge *merge, const bool *in, const struct es_merge_rec *rec, bool all,
                   struct bounds *ret)
{
    ret->n = 0;
    for (size_t i = 0; i < merge->deliveries.n; i++) {
        const struct es_cross *delivery = &merge->deliveries.list[i], *send = &merge->sends.list[delivery->partner];
        if (!is_good(merge, delivery, all))
            continue;
        if (delivery->rec == rec->rec && in[send->rec])
            ret->list[ret->n++] =
                (struct es_clock_bound){delivery->time, minus(es_merge_time(merge, send), delivery->time) + 1, false};
        else if (send->rec == rec->rec && in[delivery->rec])
            ret->list[ret->n++] =
                (struct es_clock_bound){send->time, minus(es_merge_time(merge, delivery), send->time) - 1, true};
    }
}

static bool has_both(const struct bounds *bounds)
{
    bool sides[2] = {false, false};
    for (size_t i = 0; i < bounds->n; i++)
        sides[bounds->list[i].most] = true;
    return sides[0] && sides[1];
}

static struct es_clock_hint hint_of(const struct es_merge *merge, const struct es_merge_rec *rec)
{
    const struct es_query *first = merge->recs[0].query, *own = rec->query;
    return (struct es_clock_hint){.wall = minus(own->wall_offset, first->wall_offset),
                                  .has_wall = first->has_wall && own->has_wall};
}

static int solve(struct es_merge *merge, const bool *in, const struct es_merge_rec *rec, struct es_clock_fit *ret)
{
    struct bounds bounds = {.list = malloc((merge->deliveries.n + 1) * sizeof(struct es_clock_bound))};
    struct es_clock_hint hint = hint_of(merge, rec);
    if (!bounds.list)
        return es_fail(-ENOMEM, "no memory for the clocks");
    gather(merge, in, rec, false, &bounds);
    if (!has_both(&bounds))
        gather(merge, in, rec, true, &bounds);
    int rc = es_clock_solve(bounds.list, bounds.n, &hint, ret);
    free(bounds.list);
    return rc;
}

static bool is_better(const struct es_clock_fit *a, const struct es_clock_fit *b)
{
    if ((a->how == ES_CLOCK_HOW_MESSAGES) != (b->how == ES_CLOCK_HOW_MESSAGES))
        return a->how == ES_CLOCK_HOW_MESSAGES;
    if (a->uncertainty != b->uncertainty && a->uncertainty >= 0 && b->uncertainty >= 0)
        return a->uncertainty < b->uncertainty;
    return a->bounds[0] + a->bounds[1] > b->bounds[0] + b->bounds[1];
}

/* One that is known without messages: by hand, or as the clock of a node that is in. */
static bool is_known(struct es_merge *merge, const bool *in, struct es_merge_rec *rec)
{
    if (merge->request->offsets) {
        es_clock_fixed(merge->request->offsets[rec->rec - 1], ES_CLOCK_HOW_GIVEN, &rec->fit);
        return true;
    }
    for (size_t k = 0; k < merge->n; k++)
        if (in[k] && merge->recs[k].number == rec->number) {
            rec->fit = merge->recs[k].fit;
            rec->fit.how = k == 0 ? ES_CLOCK_HOW_SAME : rec->fit.how;
            return true;
        }
    return false;
}

static int put_in(struct es_merge *merge, bool *in)
{
    struct es_merge_rec *best = NULL;
    struct es_clock_fit found, tried;
    for (size_t k = 1; k < merge->n; k++) {
        if (in[k])
            continue;
        if (is_known(merge, in, &merge->recs[k])) {
            in[k] = true;
            return 0;
        }
        int rc = solve(merge, in, &merge->recs[k], &tried);
        if (rc < 0)
            return rc;
        if (!best || is_better(&tried, &found)) {
            best = &merge->recs[k];
            found = tried;
        }
    }
    if (best) {
        best->fit = found;
        in[best->rec] = true;
    }
    return 0;
}

static void count_given(struct es_merge *merge)
{
    for (size_t i = 0; i < merge->deliveries.n; i++) {
        const struct es_cross *delivery = &merge->deliveries.list[i], *send = &merge->sends.list[delivery->partner];
        if (!delivery->pair_seq)
            continue;
        bool broken = es_merge_time(merge, delivery) < es_merge_time(merge, send);
        struct es_merge_rec *rec = &merge->recs[delivery->rec ? delivery->rec : send->rec];
        if (rec->fit.how != ES_CLOCK_HOW_GIVEN)
            continue;
        rec->fit.bounds[delivery->rec == 0]++;
        rec->fit.contradictions += broken;
    }
}

int es_merge_clocks(struct es_merge *merge)
{
    bool in[ES_REF_NODES] = {true};
    int rc = 0;
    es_clock_fixed(0, ES_CLOCK_HOW_SAME, &merge->recs[0].fit);
    for (size_t i = 1; rc == 0 && i < merge->n; i++)
        rc = put_in(merge, in);
    if (rc == 0 && merge->request->offsets && merge->clocks)
        count_given(merge);
    return rc;
}
