/* SPDX-License-Identifier: MIT */
/* Which send of one node a delivery on another comes from. A delivery from another node does not say who sent it. So messages are compared by
 * content: what is the same on both sides in one way only is a pair. Of messages that are all alike, those of one sender to one receiver
 * arrive in the order in which they were sent: they are pairs where only one way to lay both rows side by side is possible, by what was
 * recorded when, and by the clocks. What may be otherwise stays unknown. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/merge.h"

#define GRACE_NS INT64_C(2000000000)      /* a message is not longer under way */
#define WALL_SLACK_NS INT64_C(1000000000) /* what wall clocks may be wrong by */
#define LATE_NS INT64_C(10000000)         /* a send may be stamped so long after it left */

struct group { /* messages of one content, of which one may be another's; in the order of their recordings */
    struct es_cross **sends, **deliveries;
    size_t n_sends, n_deliveries;
};
struct entry {
    uint64_t key;
    es_ref receiver;
    uint32_t at;
};
struct side { /* messages without a partner, by content, then receiver */
    struct entry *entries;
    struct es_cross **room;
    size_t n;
};

/* ---- holes --------------------------------------------------------------------------------------------------------- */

static bool is_lossy(const struct es_merge *merge, const struct es_cross *cross, bool send)
{
    const struct es_merge_rec *rec = &merge->recs[cross->rec];
    for (size_t i = 0; i < rec->n_holes; i++) {
        const struct es_merge_hole *hole = &rec->holes[i];
        if ((send ? hole->sends : hole->deliveries) && cross->time >= hole->from && cross->time <= hole->to)
            return true;
    }
    return false;
}

static bool any_lossy(const struct group *g)
{
    bool lossy = false;
    for (size_t i = 0; i < g->n_sends; i++)
        lossy |= (g->sends[i]->flags & ES_X_LOSSY) != 0;
    for (size_t i = 0; i < g->n_deliveries; i++)
        lossy |= (g->deliveries[i]->flags & ES_X_LOSSY) != 0;
    return lossy;
}

/* ---- pairs --------------------------------------------------------------------------------------------------------- */

static void make_pair(struct es_merge *merge, struct es_cross *send, struct es_cross *delivery)
{
    send->pair_seq = delivery->seq;
    send->pair_rec = delivery->rec;
    send->partner = (uint32_t)(delivery - merge->deliveries.list);
    delivery->pair_seq = send->seq;
    delivery->pair_rec = send->rec;
    delivery->partner = (uint32_t)(send - merge->sends.list);
}

static void doubt(const struct group *g)
{
    for (size_t i = 0; i < g->n_deliveries; i++)
        g->deliveries[i]->flags |= ES_X_DOUBTFUL;
}

/* ---- two rows side by side ----------------------------------------------------------------------------------------- */

int64_t es_merge_slack(const struct es_merge *merge, const struct es_cross *a, unsigned rec)
{
    int64_t x = merge->recs[a->rec].fit.uncertainty, y = merge->recs[rec].fit.uncertainty;
    bool known = x >= 0 && y >= 0 && x < WALL_SLACK_NS / 4 && y < WALL_SLACK_NS / 4;
    return known ? 2 * (x + y) + LATE_NS : WALL_SLACK_NS;
}

static int64_t slack(const struct es_merge *merge, const struct es_cross *a, const struct es_cross *b)
{
    return es_merge_slack(merge, a, b->rec);
}

/* From when on, in common time, what this process does is recorded. */
static int64_t covered_from(const struct es_merge *merge, const struct es_cross *cross, bool *ret_born)
{
    const struct es_merge_rec *rec = &merge->recs[cross->rec];
    const struct es_process *process = es_merge_process(rec, es_ref_on_node(cross->who, 0));
    *ret_born = process && process->spawned != INT64_MIN && process->spawned >= rec->first;
    return es_clock_map(&rec->fit, *ret_born ? process->spawned : rec->first);
}

/* Sends that may have arrived before deliveries were recorded. */
static size_t unseen_sends(const struct es_merge *merge, const struct group *g)
{
    bool born;
    int64_t from = covered_from(merge, g->deliveries[0], &born);
    size_t n = 0;
    while (n < g->n_sends &&
           es_merge_time(merge, g->sends[n]) <= es_merge_later(from, slack(merge, g->sends[n], g->deliveries[0])))
        n++;
    return born ? 0 : n;
}

/* Deliveries of what may have been sent before sends were recorded. */
static size_t unsent_deliveries(const struct es_merge *merge, const struct group *g)
{
    bool born;
    int64_t from = covered_from(merge, g->sends[0], &born);
    size_t n = 0;
    while (n < g->n_deliveries && es_merge_time(merge, g->deliveries[n]) <= es_merge_later(from, GRACE_NS))
        n++;
    return born ? 0 : n;
}

/* What is sent to a name arrives where the receiver has it from the first delivery to the last. */
static bool has_address(const struct es_merge *merge, const struct group *g, const struct es_cross *send)
{
    const struct es_merge_rec *rec = &merge->recs[g->deliveries[0]->rec];
    es_ref pid = es_ref_on_node(g->deliveries[0]->who, 0);
    if (send->flags & ES_X_DIRECT || !send->name)
        return send->flags & ES_X_DIRECT;
    return es_merge_atom(rec, es_query_name(rec->query, pid, g->deliveries[0]->time)) == send->name &&
           es_merge_atom(rec, es_query_name(rec->query, pid, g->deliveries[g->n_deliveries - 1]->time)) == send->name;
}

static bool is_connected(const struct es_merge *merge, const struct group *g)
{
    return !merge->recs[g->sends[0]->rec].went && !merge->recs[g->deliveries[0]->rec].went;
}

/* A send must be among the deliveries when its receiver got anything long after it: a mailbox is one queue. */
static bool must_arrive(const struct es_merge *merge, const struct group *g, const struct es_cross *send)
{
    const struct es_merge_rec *rec = &merge->recs[g->deliveries[0]->rec];
    const uint64_t *heard = es_refmap_find(&rec->heard, es_ref_on_node(g->deliveries[0]->who, 0));
    return heard && is_connected(merge, g) && has_address(merge, g, send) &&
           es_clock_map(&rec->fit, (int64_t)*heard) >
               es_merge_later(es_merge_time(merge, send), GRACE_NS + slack(merge, send, g->deliveries[0]));
}

/* The first `skip_sends` sends were not seen to arrive, or the first `skip_deliveries` deliveries not seen to be sent. */
static bool is_possible(const struct es_merge *merge, const struct group *g, size_t skip_sends, size_t skip_deliveries)
{
    const struct es_merge_rec *rec = &merge->recs[g->sends[0]->rec];
    size_t s = skip_sends, d = skip_deliveries;
    for (; s < g->n_sends && d < g->n_deliveries; s++, d++) {
        int64_t sent = es_merge_time(merge, g->sends[s]), got = es_merge_time(merge, g->deliveries[d]);
        int64_t wrong = slack(merge, g->sends[s], g->deliveries[d]);
        if (es_merge_later(got, wrong) < sent || got > es_merge_later(sent, GRACE_NS + wrong))
            return false;
    }
    for (; d < g->n_deliveries; d++) /* sent after the other recording had ended */
        if (es_merge_later(es_merge_time(merge, g->deliveries[d]), slack(merge, g->sends[0], g->deliveries[d])) <
            es_clock_map(&rec->fit, rec->last))
            return false;
    return s >= g->n_sends || !must_arrive(merge, g, g->sends[s]); /* they rise, so the first tells */
}

static bool has_one_sender(const struct group *g)
{
    for (size_t i = 1; i < g->n_sends; i++)
        if (g->sends[i]->who != g->sends[0]->who || g->sends[i]->rec != g->sends[0]->rec)
            return false;
    return true;
}

/* Emulators do not tell of every send to another node (one in some thousand is missing, when the sender had to wait), messages to a name that
 * nobody has are lost, and those under way when a connection breaks. So rows are the same only where there are as many on both sides, and
 * there is nothing before or behind them that may be part of one alone. */
static bool is_closed(const struct es_merge *merge, const struct group *g, size_t before)
{
    const struct es_merge_rec *rec = &merge->recs[g->deliveries[0]->rec];
    const struct es_cross *last = g->sends[g->n_sends - 1];
    return before == 0 && g->n_sends == g->n_deliveries &&
           es_clock_map(&rec->fit, rec->last) >
               es_merge_later(es_merge_time(merge, last), GRACE_NS + slack(merge, last, g->deliveries[0]));
}

static void pair_rows(struct es_merge *merge, const struct group *g)
{
    size_t skip_s = unseen_sends(merge, g), skip_d = unsent_deliveries(merge, g), found = 0, s = 0, d = 0;
    bool single = g->n_sends == 1 && g->n_deliveries == 1;
    if (!single && !is_closed(merge, g, skip_s + skip_d)) {
        doubt(g);
        return;
    }
    for (size_t i = 0; i <= skip_s + skip_d; i++) {
        size_t try_s = i <= skip_s ? i : 0, try_d = i <= skip_s ? 0 : i - skip_s;
        if (!is_possible(merge, g, try_s, try_d))
            continue;
        found++;
        s = try_s;
        d = try_d;
    }
    if (found != 1) {
        doubt(g);
        return;
    }
    for (; s < g->n_sends && d < g->n_deliveries; s++, d++)
        make_pair(merge, g->sends[s], g->deliveries[d]);
}

/* ---- groups -------------------------------------------------------------------------------------------------------- */

static bool fits(const struct es_cross *send, const struct es_cross *delivery)
{
    return send->to == ES_REF_NONE || send->to == delivery->who;
}

/* All of one content from one node to another, to one receiver as far as that is known. Without clocks: what bounds them. */
static void pair_group(struct es_merge *merge, const struct group *g)
{
    if (g->n_sends == 0 || g->n_deliveries == 0)
        return;
    bool single = g->n_sends == 1 && g->n_deliveries == 1 && fits(g->sends[0], g->deliveries[0]);
    unsigned both = single ? g->sends[0]->flags & g->deliveries[0]->flags : 0;
    if (both & ES_X_WHOLE && (both & ES_X_UNIQUE || !merge->clocks))
        make_pair(merge, g->sends[0], g->deliveries[0]);
    else if (merge->clocks && has_one_sender(g) && !any_lossy(g))
        pair_rows(merge, g);
    else
        doubt(g);
}

/* Where the receiver of some sends is not known, there may be but one. */
static bool is_of_one_receiver(const struct group *g)
{
    for (size_t i = 1; i < g->n_deliveries; i++)
        if (g->deliveries[i]->who != g->deliveries[0]->who)
            return false;
    for (size_t i = 0; i < g->n_sends; i++)
        if (!fits(g->sends[i], g->deliveries[0]))
            return false;
    return true;
}

static void pair_by_receiver(struct es_merge *merge, const struct group *g)
{
    if (g->n_sends == 0 || g->n_deliveries == 0)
        return;
    if (is_of_one_receiver(g)) {
        pair_group(merge, g);
        return;
    }
    if (g->sends[0]->to == ES_REF_NONE) {
        doubt(g);
        return;
    }
    for (size_t s = 0, d = 0; s < g->n_sends && d < g->n_deliveries;) { /* both are in order of receivers */
        es_ref to = g->sends[s]->to, who = g->deliveries[d]->who;
        struct group part = {.sends = g->sends + s, .deliveries = g->deliveries + d};
        for (; to <= who && s < g->n_sends && g->sends[s]->to == to; s++)
            part.n_sends++;
        for (; who <= to && d < g->n_deliveries && g->deliveries[d]->who == who; d++)
            part.n_deliveries++;
        pair_group(merge, &part);
    }
}

/* ---- by content ---------------------------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    if (x->receiver != y->receiver)
        return x->receiver < y->receiver ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* `whole`: by content, of those whose content is known; else by what is never cut. */
static int sort_side(struct side *side, const struct es_crosses *crosses, bool sends, bool whole)
{
    if (!side->entries) {
        side->entries = malloc((crosses->n + 1) * sizeof *side->entries);
        side->room = malloc((crosses->n + 1) * sizeof(struct es_cross *));
        if (!side->entries || !side->room)
            return es_fail(-ENOMEM, "no memory for the messages between the nodes");
    }
    side->n = 0;
    for (size_t i = 0; i < crosses->n; i++) {
        const struct es_cross *cross = &crosses->list[i];
        uint64_t key = whole ? cross->key : cross->head;
        if (key && cross->pair_seq == 0 && !(cross->flags & ES_X_SYSTEM))
            side->entries[side->n++] = (struct entry){key, sends ? cross->to : cross->who, (uint32_t)i};
    }
    if (side->n > 1)
        qsort(side->entries, side->n, sizeof *side->entries, by_key);
    return 0;
}

/* From `at` on, those with this key; gives the place behind them. */
static size_t take_key(struct side *side, size_t at, uint64_t key, const struct es_crosses *crosses, size_t *ret_n)
{
    *ret_n = 0;
    for (; at < side->n && side->entries[at].key == key; at++)
        side->room[(*ret_n)++] = &crosses->list[side->entries[at].at];
    return at;
}

static bool has_cut(const struct group *g)
{
    for (size_t i = 0; i < g->n_sends; i++)
        if (!(g->sends[i]->flags & ES_X_WHOLE))
            return true;
    for (size_t i = 0; i < g->n_deliveries; i++)
        if (!(g->deliveries[i]->flags & ES_X_WHOLE))
            return true;
    return false;
}

static void pair_sides(struct es_merge *merge, struct side *sends, struct side *deliveries, bool whole)
{
    for (size_t s = 0, d = 0; s < sends->n && d < deliveries->n;) {
        uint64_t x = sends->entries[s].key, y = deliveries->entries[d].key, key = x < y ? x : y;
        struct group g = {.sends = sends->room, .deliveries = deliveries->room};
        s = take_key(sends, s, key, &merge->sends, &g.n_sends);
        d = take_key(deliveries, d, key, &merge->deliveries, &g.n_deliveries);
        if (whole || has_cut(&g))
            pair_by_receiver(merge, &g);
    }
}

static void forget(const struct es_merge *merge, struct es_crosses *crosses, bool sends)
{
    for (size_t i = 0; i < crosses->n; i++) {
        struct es_cross *cross = &crosses->list[i];
        cross->pair_seq = 0;
        cross->flags = (uint8_t)((cross->flags & ~(ES_X_DOUBTFUL | ES_X_LOSSY)) |
                                 (is_lossy(merge, cross, sends) ? ES_X_LOSSY : 0));
    }
}

int es_merge_pair(struct es_merge *merge)
{
    struct side sends = {0}, deliveries = {0};
    int rc = 0;
    forget(merge, &merge->sends, true);
    forget(merge, &merge->deliveries, false);
    for (int whole = 1; rc == 0 && whole >= 0; whole--) {
        rc = sort_side(&sends, &merge->sends, true, whole);
        if (rc == 0)
            rc = sort_side(&deliveries, &merge->deliveries, false, whole);
        if (rc == 0 && (whole || merge->clocks))
            pair_sides(merge, &sends, &deliveries, whole);
    }
    free(sends.entries);
    free(sends.room);
    free(deliveries.entries);
    free(deliveries.room);
    return rc;
}

/* ---- why there is none --------------------------------------------------------------------------------------------- */

static bool is_covered(const struct es_merge *merge, const struct es_cross *delivery)
{
    int64_t time = es_merge_time(merge, delivery);
    for (size_t k = 0; k < merge->n; k++) {
        const struct es_merge_rec *rec = &merge->recs[k];
        if (rec->number != merge->recs[delivery->rec].number && rec->sends &&
            time >= es_clock_map(&rec->fit, rec->first) && time <= es_clock_map(&rec->fit, rec->last))
            return true;
    }
    return false;
}

unsigned es_merge_cause(const struct es_merge *merge, const struct es_cross *delivery)
{
    if (delivery->flags & ES_X_SYSTEM)
        return ES_CAUSE_EXTERNAL;
    if (delivery->flags & ES_X_LOSSY)
        return ES_CAUSE_LOST;
    if (!(delivery->flags & ES_X_DOUBTFUL) && !is_covered(merge, delivery))
        return ES_CAUSE_UNTRACED;
    return ES_CAUSE_UNKNOWN;
}
