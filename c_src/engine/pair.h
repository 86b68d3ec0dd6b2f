/* SPDX-License-Identifier: MIT */
/* Which send a delivery comes from. Signals between two processes keep their order, so what one sent to another waits in a queue of its
 * own (a "lane"), and a delivery takes the first that has its content. Never a wrong pair: where something was lost, lanes are in doubt
 * until it is certain again that both sides speak of the same message.
 *
 * A lane in doubt becomes certain again by one of these:
 * - a message with a reference of its own (a call, a reply) was paired in it that was sent after the doubt arose;
 * - eight messages in a row, all different, were at its head when they were delivered (had k been lost, the contents would have to repeat
 *   with a period of k);
 * - the receiver got, for certain, a message that anybody sent after an event of the sender that is later than the doubt and the lane's last
 *   delivery: mailboxes are one queue, so all that was under way before has arrived, and nothing of what is later;
 * - nothing happened in it for two seconds. */
#ifndef ES_ENGINE_PAIR_H
#define ES_ENGINE_PAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/process.h"

struct es_sent {
    uint64_t hash, corr, seq; /* seq 0: none */
    int64_t time;             /* by its own stamp */
};

struct es_lane { /* a cache line */
    es_ref from; /* 0: a free place */
    uint64_t to; /* the receiver, or a key made of the content, see es_lane_of_content() */
    struct es_sent first;
    uint32_t next, last;   /* those behind the first, in `nodes`; ES_TABLE_NONE */
    uint32_t epoch, doubt; /* another epoch than es_pairs: in doubt, and what is known of it is in `doubts` */
};

struct es_lane_node {
    struct es_sent sent;
    uint32_t next;
};

struct es_lane_doubt {
    int64_t since;   /* where the doubt is this lane's alone: when it arose */
    int64_t touched; /* its last delivery since, or what it gave up last */
    uint64_t seen[ES_STREAK];
    uint32_t streak, next_free;
};

#define ES_LANES_MAX (1u << 18)
#define ES_NODES_MAX (1u << 20)
#define ES_QUIET_NS INT64_C(2000000000)
#define ES_PAUSE_NS \
    INT64_C(10000000) /* nothing happens for longer only where the whole VM stands still: that is not counted */
#define ES_APART_NS INT64_C(100000) /* events of several processes so far apart did happen in this order */

/* May a message that came at this time be missing, or be another's? Without pauses. */
#define ES_IN_DOUBT(pairs, time) ((pairs)->lost && ((pairs)->losing || (time) < (pairs)->doubt_until))

/* A time `ns` earlier; INT64_MIN stays what it is. */
static inline int64_t es_before(int64_t time, int64_t ns) { return time < INT64_MIN + ns ? INT64_MIN : time - ns; }

struct es_pairs {
    struct es_processes *processes;
    struct es_lane *lanes;
    uint32_t mask, used;
    struct es_lane_node *nodes;
    uint32_t n_nodes, nodes_room, free_node, nodes_used;
    struct es_lane_doubt *doubts;
    uint32_t n_doubts, doubts_room, free_doubt;

    uint32_t epoch;      /* counts the doubts that arose */
    int64_t doubt_time;  /* when the last one was over */
    int64_t doubt_real;  /* the same with pauses */
    int64_t paused;      /* how long nothing happened at all, so far */
    int64_t doubt_until; /* until then new lanes are in doubt too: a lost message may be under way */
    bool losing, lost;   /* messages are being lost now; some were */

    struct es_owner {
        uint64_t corr;
        es_ref pid;
    } * owners;                    /* who waits for a reply with this reference */
    uint64_t undelivered, evicted; /* sends; taken and cleared by who counts */
};

struct es_message {
    es_ref from;
    uint64_t to, hash, corr, seq;
    int64_t time; /* by its own stamp, not as it was moved behind others, and without pauses */
    bool late;
    bool last; /* a delivery that waits no longer for its send */
};

int es_pairs_init(struct es_pairs *pairs, struct es_processes *processes);
void es_pairs_fini(struct es_pairs *pairs);

static inline uint64_t es_lane_of_content(uint64_t hash, uint64_t corr)
{
    return es_hash_mix(es_hash_mix(UINT64_C(0x45), hash), corr) | UINT64_C(0xf) << 60; /* no es_ref has this class */
}

/* A send. `sender` is the process it came from; where the receiver is known only by content, `m->to` is es_lane_of_content() and
 * `address` what it was sent to, else 0. */
int es_pairs_sent(struct es_pairs *pairs, struct es_proc *sender, const struct es_message *m, es_ref address);

enum es_match {
    ES_MATCH_NONE, /* no send has this content */
    ES_MATCH_CERTAIN,
    ES_MATCH_DOUBTFUL, /* there is one, but it may be another's */
};
/* A delivery: looks for its send and takes it out. `sender` may be NULL. */
enum es_match es_pairs_delivered(struct es_pairs *pairs, struct es_proc *sender, struct es_proc *receiver,
                                 const struct es_message *m, struct es_sent *ret_sent);

/* The same where deliveries do not say who sent them (m->from 0): by receiver and content. ret_sent->hash is the sender. Doubtful where
 * several senders sent the same. A send to ES_ANYONE is found by its content alone. */
#define ES_ANYONE UINT64_C(1) /* no es_ref */
int es_pairs_sent_openly(struct es_pairs *pairs, const struct es_message *m);
enum es_match es_pairs_delivered_openly(struct es_pairs *pairs, const struct es_message *m, struct es_sent *ret_sent);

/* What is in the lane of this message, or comes into it soon, is in doubt: a delivery's send was given up and may come after all, or a send
 * may have gone to somebody else. */
int es_pairs_suspect(struct es_pairs *pairs, const struct es_message *m);

/* Something made what the lanes hold doubtful, until this time (with pauses). */
void es_pairs_doubt(struct es_pairs *pairs, int64_t time);
/* Messages are being lost from now on, or no longer; to be followed by es_pairs_doubt() at its end. */
void es_pairs_losing(struct es_pairs *pairs, bool losing);

/* Who owns the reference a reply carries: told by the call, asked by the reply. 0 = unknown. */
int es_pairs_own(struct es_pairs *pairs, uint64_t corr, es_ref pid);
es_ref es_pairs_owner(const struct es_pairs *pairs, uint64_t corr);

/* All that waits, oldest first in each lane: for a keyframe. */
int es_pairs_each(const struct es_pairs *pairs,
                  int (*each)(const struct es_lane *lane, const struct es_sent *sent, void *context), void *context);

/* Replaying a recording: this delivery took the send with number `seq`. */
void es_pairs_confirm(struct es_pairs *pairs, const struct es_message *m, uint64_t seq);

/* ---- lanes of content (content.c): of what was sent to a name or an alias that does not say who gets it ---- */
enum es_match es_content_delivered(struct es_pairs *pairs, struct es_lane *lane, struct es_proc *sender,
                                   const struct es_message *m, struct es_sent *ret_sent);
/* A send was found in the lane of its process: whether an earlier one of the same content may have been meant instead. */
bool es_content_rivals(struct es_pairs *pairs, struct es_lane *lane, struct es_proc *sender, const struct es_message *m,
                       const struct es_sent *sent);

/* ---- lanes (lane.c) ---- */
static inline bool es_lane_is_doubtful(const struct es_pairs *pairs, const struct es_lane *lane)
{
    return lane->epoch != pairs->epoch;
}
struct es_lane *es_pairs_lane(struct es_pairs *pairs, const struct es_proc *sender,
                              const struct es_message *m); /* a new one */
static inline uint32_t es_lane_home(const struct es_pairs *pairs, es_ref from, uint64_t to)
{
    return (uint32_t)(es_table_hash(from ^ (to * UINT64_C(0x9fb21c651e98df25))) >> 3) & pairs->mask;
}
/* The lane will be looked for soon. */
static inline void es_lane_foresee(const struct es_pairs *pairs, es_ref from, uint64_t to)
{
    __builtin_prefetch(&pairs->lanes[es_lane_home(pairs, from, to)]);
}
struct es_lane *es_lane_find(const struct es_pairs *pairs, es_ref from, uint64_t to);
struct es_lane *es_lane_add(struct es_pairs *pairs, es_ref from, uint64_t to); /* NULL: no memory */
void es_lane_remove(struct es_pairs *pairs, struct es_lane *lane);
int es_lane_push(struct es_pairs *pairs, struct es_lane *lane, const struct es_sent *sent);
void es_lane_pop(struct es_pairs *pairs, struct es_lane *lane);
struct es_lane_doubt *es_lane_doubt(struct es_pairs *pairs,
                                    struct es_lane *lane); /* made where it has none; NULL: no memory */
int es_lane_suspect(struct es_pairs *pairs, struct es_lane *lane, int64_t time); /* a doubt of its own begins */
void es_lane_certain(struct es_pairs *pairs, struct es_lane *lane);
/* Makes room: what was sent to the dead, then the oldest sends. */
void es_lanes_sweep(struct es_pairs *pairs, int64_t now);

#endif
