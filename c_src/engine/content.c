/* SPDX-License-Identifier: MIT */
/* Sends that are known by their content alone: to an alias whose owner is not known, to a name that changes hands, and in traces that do not
 * tell who sent what arrives. In such a lane a send's `hash` is what it was sent to, or who sent it, for the content is in the lane's key. */
#include <errno.h>

#include "base/error.h"
#include "engine/pair.h"

struct test {
    bool (*fits)(const struct es_pairs *pairs, const struct es_sent *sent, es_ref who);
    es_ref who;
};

/* May have been sent to this process: an alias may be anybody's, a name's owner may have become known since. */
static bool may_reach(const struct es_pairs *pairs, const struct es_sent *sent, es_ref receiver)
{
    es_ref other, owner = es_ref_class_of(sent->hash) == ES_REF_ATOM
                              ? es_processes_whereis(pairs->processes, sent->hash, INT64_MAX, &other)
                              : 0;
    return owner == 0 || owner == receiver;
}

static bool is_from(const struct es_pairs *pairs, const struct es_sent *sent, es_ref sender)
{
    (void)pairs;
    return sender == 0 || sent->hash == sender;
}

/* The first that fits, and whether all that fit have the same address; NULL. */
static const struct es_sent *find(const struct es_pairs *pairs, const struct es_lane *lane, struct test test,
                                  bool *ret_same)
{
    const struct es_sent *found = NULL, *sent = &lane->first;
    *ret_same = true;
    for (uint32_t node = lane->next;; node = pairs->nodes[node].next) {
        bool fits = sent->seq && test.fits(pairs, sent, test.who);
        *ret_same = *ret_same && (!fits || !found || sent->hash == found->hash);
        found = found || !fits ? found : sent;
        if (node == ES_TABLE_NONE)
            return found;
        sent = &pairs->nodes[node].sent;
    }
}

/* Takes `found` out: those before it move back by one, then the head goes. */
static struct es_sent take(struct es_pairs *pairs, struct es_lane *lane, const struct es_sent *found)
{
    struct es_sent taken = *found, moved = lane->first;
    if (found != &lane->first) {
        lane->first = taken;
        for (uint32_t node = lane->next;; node = pairs->nodes[node].next) {
            struct es_sent *here = &pairs->nodes[node].sent, held = *here;
            *here = moved;
            moved = held;
            if (here == found)
                break;
        }
    }
    es_lane_pop(pairs, lane);
    return taken;
}

enum es_match es_content_delivered(struct es_pairs *pairs, struct es_lane *lane, struct es_proc *sender,
                                   const struct es_message *m, struct es_sent *ret_sent)
{
    bool same;
    const struct es_sent *found = find(pairs, lane, (struct test){may_reach, m->to}, &same);
    if (!found || (m->corr == 0 && !m->last)) /* its own send may still come, and look just the same */
        return ES_MATCH_NONE;
    const struct es_lane *direct = es_lane_find(pairs, m->from, m->to);
    bool doubtful = es_lane_is_doubtful(pairs, lane) || (direct && es_lane_is_doubtful(pairs, direct)) || m->late;
    bool certain = m->corr != 0 || (same && !doubtful);
    *ret_sent = take(pairs, lane, found);
    sender->contents--;
    if (lane->first.seq == 0)
        es_lane_remove(pairs, lane);
    return certain ? ES_MATCH_CERTAIN : ES_MATCH_DOUBTFUL;
}

/* It is not known which of the two sends came, nor which will come next. */
bool es_content_rivals(struct es_pairs *pairs, struct es_lane *lane, struct es_proc *sender, const struct es_message *m,
                       const struct es_sent *sent)
{
    const struct es_sent *found;
    bool same, rivals = false;
    while ((found = find(pairs, lane, (struct test){may_reach, m->to}, &same)) != NULL && found->seq < sent->seq) {
        struct es_sent rival = take(pairs, lane, found);
        sender->contents--;
        pairs->undelivered++;
        rivals = rivals || rival.time >= es_before(sent->time, ES_QUIET_NS);
    }
    if (lane->first.seq == 0)
        es_lane_remove(pairs, lane);
    if (rivals)
        es_pairs_suspect(pairs, m);
    return rivals;
}

/* ---- deliveries without a sender ----------------------------------------------------------------------------------- */

int es_pairs_sent_openly(struct es_pairs *pairs, const struct es_message *m)
{
    struct es_message by = *m;
    by.from = m->to;
    by.to = es_lane_of_content(m->hash, m->corr);
    struct es_lane *lane = es_lane_find(pairs, by.from, by.to);
    if (!lane && !(lane = es_pairs_lane(pairs, NULL, &by)))
        return es_fail(-ENOMEM, "no memory for messages under way");
    struct es_sent sent = {.hash = m->from, .corr = m->corr, .seq = m->seq, .time = m->time};
    return es_lane_push(pairs, lane, &sent) < 0 ? es_fail(-ENOMEM, "no memory for messages under way") : 0;
}

enum es_match es_pairs_delivered_openly(struct es_pairs *pairs, const struct es_message *m, struct es_sent *ret_sent)
{
    struct es_lane *lane = es_lane_find(pairs, m->to, es_lane_of_content(m->hash, m->corr));
    bool same;
    if (!lane)
        lane = es_lane_find(pairs, ES_ANYONE, es_lane_of_content(m->hash, m->corr));
    if (!lane)
        return ES_MATCH_NONE;
    const struct es_sent *found = find(pairs, lane, (struct test){is_from, m->from}, &same);
    if (!found)
        return ES_MATCH_NONE;
    bool certain = same && !es_lane_is_doubtful(pairs, lane);
    *ret_sent = take(pairs, lane, found);
    if (lane->first.seq == 0)
        es_lane_remove(pairs, lane);
    return certain ? ES_MATCH_CERTAIN : ES_MATCH_DOUBTFUL;
}
