/* SPDX-License-Identifier: MIT */
/* Sends and deliveries; see pair.h. */
#include "engine/pair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define FIRST_LANES 1024u
#define SEARCH_MAX 1024u /* sends looked at beyond the head of a lane */
#define OWNERS (1u << 16)

int es_pairs_init(struct es_pairs *pairs, struct es_processes *processes)
{
    memset(pairs, 0, sizeof *pairs);
    pairs->processes = processes;
    pairs->mask = FIRST_LANES - 1;
    pairs->free_node = pairs->free_doubt = ES_TABLE_NONE;
    pairs->epoch = 1;
    pairs->doubt_time = pairs->doubt_real = pairs->doubt_until = INT64_MIN;
    if (posix_memalign((void **)&pairs->lanes, 64, FIRST_LANES * sizeof *pairs->lanes) != 0)
        return es_fail(-ENOMEM, "no memory for messages under way");
    memset(pairs->lanes, 0, FIRST_LANES * sizeof *pairs->lanes);
    return 0;
}

void es_pairs_fini(struct es_pairs *pairs)
{
    free(pairs->lanes);
    free(pairs->nodes);
    free(pairs->doubts);
    free(pairs->owners);
}

/* ---- doubt --------------------------------------------------------------------------------------------------------- */

void es_pairs_doubt(struct es_pairs *pairs, int64_t time)
{
    pairs->epoch++;
    pairs->doubt_real = time;
    pairs->doubt_time = time - pairs->paused;
    pairs->doubt_until = pairs->doubt_time + ES_QUIET_NS;
}

void es_pairs_losing(struct es_pairs *pairs, bool losing)
{
    if (losing && !pairs->losing)
        pairs->epoch++;
    pairs->losing = losing;
    pairs->lost = pairs->lost || losing;
}

static bool was_born_since(const struct es_proc *proc, int64_t time)
{
    return proc && proc->row.spawned != INT64_MIN && es_before(proc->row.spawned, 10 * ES_APART_NS) > time;
}

/* A message that is not known may be under way between these two. */
static bool begins_in_doubt(const struct es_pairs *pairs, const struct es_proc *sender, const struct es_message *m)
{
    if (!pairs->losing && (m->time >= pairs->doubt_until || was_born_since(sender, pairs->doubt_real)))
        return false;
    return pairs->losing || !was_born_since(es_proc_find(pairs->processes, m->to), pairs->doubt_real);
}

/* The sends of a lane that were made before this one have arrived unseen, or will never arrive. */
static void drop_before(struct es_pairs *pairs, struct es_lane *lane, uint64_t seq)
{
    while (lane->first.seq && lane->first.seq < seq) {
        pairs->undelivered++;
        es_lane_pop(pairs, lane);
    }
}

/* In a lane in doubt what is two seconds old is given up. */
static void drop_older(struct es_pairs *pairs, struct es_lane *lane, struct es_lane_doubt *doubt, int64_t time)
{
    while (lane->first.seq && lane->first.time < time) {
        if (lane->first.time > doubt->touched)
            doubt->touched = lane->first.time;
        pairs->undelivered++;
        es_lane_pop(pairs, lane);
    }
}

/* ---- sends --------------------------------------------------------------------------------------------------------- */

struct es_lane *es_pairs_lane(struct es_pairs *pairs, const struct es_proc *sender, const struct es_message *m)
{
    bool full = pairs->used >= ES_LANES_MAX || pairs->nodes_used >= ES_NODES_MAX;
    if (full || (pairs->used > pairs->mask / 8 * 5 && pairs->mask >= 4095))
        es_lanes_sweep(pairs, m->time);
    struct es_lane *lane = es_lane_add(pairs, m->from, m->to);
    if (lane && begins_in_doubt(pairs, sender, m))
        lane->epoch = pairs->epoch - 1;
    return lane;
}

int es_pairs_sent(struct es_pairs *pairs, struct es_proc *sender, const struct es_message *m, es_ref address)
{
    if (m->from == 0 || m->to == 0)
        return 0;
    struct es_lane *lane = es_lane_find(pairs, m->from, m->to);
    if (lane && pairs->nodes_used >= ES_NODES_MAX) {
        es_lanes_sweep(pairs, m->time);
        lane = es_lane_find(pairs, m->from, m->to);
    }
    if (!lane && !(lane = es_pairs_lane(pairs, sender, m)))
        return es_fail(-ENOMEM, "no memory for messages under way");
    if (m->late && es_lane_suspect(pairs, lane, m->time) < 0)
        return -ENOMEM;
    struct es_sent sent = {.hash = m->hash, .corr = m->corr, .seq = m->seq, .time = m->time};
    if (address) {
        sent.hash = address; /* the content is in the key already */
        sender->contents++;
    }
    return es_lane_push(pairs, lane, &sent) < 0 ? es_fail(-ENOMEM, "no memory for messages under way") : 0;
}

int es_pairs_suspect(struct es_pairs *pairs, const struct es_message *m)
{
    struct es_lane *lane = es_lane_find(pairs, m->from, m->to);
    if (!lane && !(lane = es_pairs_lane(pairs, NULL, m)))
        return es_fail(-ENOMEM, "no memory for messages under way");
    return es_lane_suspect(pairs, lane, m->time);
}

/* ---- deliveries ---------------------------------------------------------------------------------------------------- */

static bool same(const struct es_sent *sent, const struct es_message *m)
{
    return sent->hash == m->hash && sent->corr == m->corr;
}

/* The first send with this content from `seq` on; NULL where there is none near. */
static const struct es_sent *search(const struct es_pairs *pairs, const struct es_lane *lane,
                                    const struct es_message *m, uint64_t seq)
{
    const struct es_sent *sent = &lane->first;
    uint32_t next = lane->next;
    for (uint32_t i = 0; sent->seq && i < SEARCH_MAX; i++) {
        if (sent->seq >= seq && same(sent, m))
            return sent;
        if (next == ES_TABLE_NONE)
            break;
        sent = &pairs->nodes[next].sent;
        next = pairs->nodes[next].next;
    }
    return NULL;
}

/* Takes the send `found` and drops those before it. */
static void take(struct es_pairs *pairs, struct es_lane *lane, const struct es_sent *found, struct es_sent *ret_sent)
{
    *ret_sent = *found;
    drop_before(pairs, lane, ret_sent->seq);
    es_lane_pop(pairs, lane);
}

static int64_t doubt_since(const struct es_pairs *pairs, const struct es_lane_doubt *doubt)
{
    return doubt->since > pairs->doubt_time ? doubt->since : pairs->doubt_time;
}

/* Whether something happened after the doubt arose for certain; times as far apart as that are not a matter of clocks. */
static bool is_since(const struct es_pairs *pairs, const struct es_lane_doubt *doubt, int64_t time)
{
    int64_t since = doubt_since(pairs, doubt);
    return !pairs->losing && (since == INT64_MIN || es_before(time, ES_APART_NS) > since);
}

/* Third rule of pair.h. Gives the event of the sender before which nothing is under way any more, or 0. */
static uint64_t find_drained(const struct es_pairs *pairs, const struct es_lane_doubt *doubt,
                             const struct es_proc *sender, const struct es_proc *receiver)
{
    for (int i = 0; sender && i < 2; i++) {
        const struct es_proc_mark *mark = &sender->marks[i];
        bool after = is_since(pairs, doubt, mark->time) &&
                     (doubt->touched == INT64_MIN || es_before(mark->time, ES_APART_NS) > doubt->touched);
        if (mark->seq && after && mark->time < es_before(receiver->drained, ES_APART_NS))
            return mark->seq;
    }
    return 0;
}

/* Fourth rule: nothing happened in it for a while before what is in it now. */
static bool was_quiet(const struct es_pairs *pairs, const struct es_lane *lane, const struct es_lane_doubt *doubt,
                      int64_t now)
{
    int64_t until = lane->first.seq ? lane->first.time : now;
    return !pairs->losing && until >= pairs->doubt_until && doubt->touched < es_before(until, ES_QUIET_NS);
}

/* Second rule: this message, at the head of its lane, is the eighth different one in a row. */
static bool makes_streak(const struct es_pairs *pairs, struct es_lane_doubt *doubt, const struct es_message *m,
                         const struct es_sent *sent)
{
    for (uint32_t i = 0; i < doubt->streak; i++)
        if (doubt->seen[i] == m->hash)
            doubt->streak = 0;
    if (!is_since(pairs, doubt, sent->time))
        doubt->streak = 0;
    else
        doubt->seen[doubt->streak++] = m->hash;
    return doubt->streak == ES_STREAK;
}

static enum es_match deliver_doubtful(struct es_pairs *pairs, struct es_lane *lane, const struct es_message *m,
                                      struct es_sent *ret_sent)
{
    struct es_lane_doubt *doubt = es_lane_doubt(pairs, lane);
    const struct es_sent *found = doubt ? search(pairs, lane, m, 0) : NULL;
    if (!doubt)
        return ES_MATCH_NONE;
    bool own = m->corr != 0, over = false; /* first rule */
    if (found != &lane->first)
        doubt->streak = 0;
    if (found) {
        take(pairs, lane, found, ret_sent);
        over = own ? is_since(pairs, doubt, ret_sent->time) : makes_streak(pairs, doubt, m, ret_sent);
    }
    doubt->touched = m->time;
    if (over)
        es_lane_certain(pairs, lane);
    if (!found)
        return ES_MATCH_NONE;
    return own ? ES_MATCH_CERTAIN : ES_MATCH_DOUBTFUL;
}

/* Whether the doubt is over before this delivery. */
static bool is_over(struct es_pairs *pairs, struct es_lane *lane, const struct es_proc *sender,
                    const struct es_proc *receiver, int64_t now)
{
    struct es_lane_doubt *doubt = es_lane_doubt(pairs, lane);
    if (!doubt)
        return false;
    drop_older(pairs, lane, doubt, es_before(now, ES_QUIET_NS));
    uint64_t drained = find_drained(pairs, doubt, sender, receiver);
    drop_before(pairs, lane, drained);
    if (!drained && !was_quiet(pairs, lane, doubt, now))
        return false;
    es_lane_certain(pairs, lane);
    return true;
}

/* The receiver was there before the recording: what was sent to it before may have arrived unseen. */
static enum es_match deliver_after_census(struct es_pairs *pairs, struct es_lane *lane, struct es_proc *receiver,
                                          const struct es_message *m, struct es_sent *ret_sent)
{
    int64_t consumed = es_before(m->time, ES_QUIET_NS) > es_before(receiver->drained, 10 * ES_APART_NS)
                           ? es_before(m->time, ES_QUIET_NS)
                           : es_before(receiver->drained, 10 * ES_APART_NS);
    while (lane->first.seq && lane->first.seq < receiver->census_seq && lane->first.time < consumed) {
        pairs->undelivered++;
        es_lane_pop(pairs, lane);
    }
    const struct es_sent *found = search(pairs, lane, m, 0);
    if (!found)
        return ES_MATCH_NONE;
    const struct es_sent *later =
        m->corr == 0 && found->seq < receiver->census_seq ? search(pairs, lane, m, receiver->census_seq) : NULL;
    if (!later) {
        take(pairs, lane, found, ret_sent);
        return ES_MATCH_CERTAIN;
    }
    take(pairs, lane, later, ret_sent); /* one of the two */
    es_lane_suspect(pairs, lane, m->time);
    return ES_MATCH_DOUBTFUL;
}

static enum es_match deliver(struct es_pairs *pairs, struct es_lane *lane, struct es_proc *sender,
                             struct es_proc *receiver, const struct es_message *m, struct es_sent *ret_sent)
{
    if (m->late) /* those behind it may have been delivered before it */
        es_lane_suspect(pairs, lane, m->time);
    if (es_lane_is_doubtful(pairs, lane) && (m->late || !is_over(pairs, lane, sender, receiver, m->time)))
        return deliver_doubtful(pairs, lane, m, ret_sent);
    if (receiver->census_seq > lane->first.seq)
        return deliver_after_census(pairs, lane, receiver, m, ret_sent);
    const struct es_sent *found = lane->first.seq && same(&lane->first, m) ? &lane->first : search(pairs, lane, m, 0);
    if (!found)
        return ES_MATCH_NONE;
    take(pairs, lane, found, ret_sent);
    return ES_MATCH_CERTAIN;
}

static void note_drained(struct es_proc *receiver, const struct es_sent *sent)
{
    if (sent->time > receiver->drained)
        receiver->drained = sent->time;
}

enum es_match es_pairs_delivered(struct es_pairs *pairs, struct es_proc *sender, struct es_proc *receiver,
                                 const struct es_message *m, struct es_sent *ret_sent)
{
    enum es_match match = ES_MATCH_NONE;
    struct es_lane *lane = es_lane_find(pairs, m->from, m->to);
    if (lane) {
        match = deliver(pairs, lane, sender, receiver, m, ret_sent);
        if (lane->first.seq == 0 && !es_lane_is_doubtful(pairs, lane))
            es_lane_remove(pairs, lane);
    }
    if (sender && sender->contents > 0) {
        lane = es_lane_find(pairs, m->from, es_lane_of_content(m->hash, m->corr));
        if (lane && match == ES_MATCH_NONE)
            match = es_content_delivered(pairs, lane, sender, m, ret_sent);
        else if (lane && es_content_rivals(pairs, lane, sender, m, ret_sent))
            match = ES_MATCH_DOUBTFUL;
    }
    if (match == ES_MATCH_CERTAIN)
        note_drained(receiver, ret_sent);
    return match;
}

/* ---- owners of references ------------------------------------------------------------------------------------------ */

static struct es_owner *owner_place(const struct es_pairs *pairs, uint64_t corr)
{
    return &pairs->owners[(es_table_hash(corr) >> 8) & (OWNERS - 1)];
}

int es_pairs_own(struct es_pairs *pairs, uint64_t corr, es_ref pid)
{
    if (!pairs->owners && !(pairs->owners = calloc(OWNERS, sizeof *pairs->owners)))
        return es_fail(-ENOMEM, "no memory for messages under way");
    *owner_place(pairs, corr) = (struct es_owner){.corr = corr, .pid = pid};
    return 0;
}

es_ref es_pairs_owner(const struct es_pairs *pairs, uint64_t corr)
{
    if (!pairs->owners || corr == 0)
        return 0;
    const struct es_owner *owner = owner_place(pairs, corr);
    return owner->corr == corr ? owner->pid : 0;
}

/* ---- keeping and replaying ----------------------------------------------------------------------------------------- */

int es_pairs_each(const struct es_pairs *pairs,
                  int (*each)(const struct es_lane *lane, const struct es_sent *sent, void *context), void *context)
{
    for (uint32_t i = 0; i <= pairs->mask; i++) {
        const struct es_lane *lane = &pairs->lanes[i];
        if (lane->from == 0 || lane->first.seq == 0)
            continue;
        int r = each(lane, &lane->first, context);
        for (uint32_t node = lane->next; r == 0 && node != ES_TABLE_NONE; node = pairs->nodes[node].next)
            r = each(lane, &pairs->nodes[node].sent, context);
        if (r != 0)
            return r;
    }
    return 0;
}

static bool holds(const struct es_pairs *pairs, const struct es_lane *lane, uint64_t seq)
{
    if (lane->first.seq == seq)
        return true;
    for (uint32_t node = lane->next; node != ES_TABLE_NONE; node = pairs->nodes[node].next)
        if (pairs->nodes[node].sent.seq == seq)
            return true;
    return false;
}

void es_pairs_confirm(struct es_pairs *pairs, const struct es_message *m, uint64_t seq)
{
    struct es_lane *lane = es_lane_find(pairs, m->from, m->to);
    struct es_proc *sender = NULL;
    if (!lane || !holds(pairs, lane, seq)) {
        lane = es_lane_find(pairs, m->from, es_lane_of_content(m->hash, m->corr));
        sender = es_proc_find(pairs->processes, m->from);
        if (!lane || !holds(pairs, lane, seq))
            return;
    }
    while (lane->first.seq && lane->first.seq <= seq) {
        if (sender && sender->contents > 0)
            sender->contents--;
        es_lane_pop(pairs, lane);
    }
    if (lane->first.seq == 0)
        es_lane_remove(pairs, lane);
}
