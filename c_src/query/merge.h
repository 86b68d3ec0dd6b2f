/* SPDX-License-Identifier: MIT */
/* Inside of es_query_merge(): what the files merge_*.c share. First all recordings are looked through for messages to each other (merge_collect.c),
 * these are paired (merge_pair.c) and say how the clocks lie (merge_clock.c); then the events are put in one order (merge_copy.c). */
#ifndef ES_QUERY_MERGE_H
#define ES_QUERY_MERGE_H

#include "query/merge_clock.h"
#include "query/nodes.h"
#include "query/stack.h"
#include "store/store.h"
#include "store/world.h"

#define ES_CROSS_MAX (1u << 23) /* sends and deliveries between the nodes that are paired; later ones are not */

enum es_cross_flag {
    ES_X_WHOLE = 1,     /* its content is known, and was not cut */
    ES_X_UNIQUE = 2,    /* a reference is in it: no other message is the same */
    ES_X_DIRECT = 4,    /* a send to a pid */
    ES_X_SYSTEM = 8,    /* a delivery that no process sent: the emulator's own words */
    ES_X_EXIT = 16,     /* a delivery that an exit caused: `pair_seq` is that exit */
    ES_X_DOUBTFUL = 32, /* more than one send could be it */
    ES_X_LOSSY = 64,    /* events were lost around it */
};

struct es_cross {  /* a send to another node, or a delivery from one */
    uint64_t seq;  /* in its recording */
    int64_t time;  /* of its own stamp, on its own clock */
    uint64_t key;  /* what is the same at both ends: content and nodes */
    uint64_t head; /* the same of what is never cut */
    es_ref who;    /* whose event it is, as in the result */
    es_ref to;     /* of sends: the receiver, as in the result; 0: known by its name or alias only */
    es_ref name;   /* then: the name, as in the result */
    uint64_t corr;
    uint64_t pair_seq; /* of its partner; 0: none */
    uint32_t partner;  /* place of it */
    uint16_t rec, pair_rec;
    uint8_t flags;
};
struct es_crosses {
    struct es_cross *list; /* by recording, then sequence number */
    size_t n, room;
    uint64_t left; /* that did not fit */
};

struct es_merge_seqs { /* sequence numbers of a recording that stay next to each other */
    struct es_merge_seq {
        uint64_t old, new, n;
    } * runs;
    size_t n, room;
};

struct es_merge_hole { /* when messages may be missing, on the own clock */
    int64_t from, to;
    bool sends, deliveries;
};

/* What the reference of an addressee or a sender's node means, of class OTHER. */
struct es_merge_address {
    es_ref to;     /* a process, */
    es_ref name;   /* or a registered name, as in the result */
    uint64_t node; /* hash of its node's name; 0: of no recorded node */
    bool is_node, is_alias;
    bool other; /* of another node than the recording's */
};

/* Events that have to wait while others of their recording go on, see merge_hold.c. */
struct es_merge_held {
    uint64_t *seqs; /* ascending */
    size_t n, room;
    struct es_refmap events; /* sequence number to 1: it waits */
    struct es_refmap pids;   /* to how many events of this process wait */
};

struct es_merge_rec {
    struct es_query *query;
    struct es_clock_fit fit;
    unsigned number, rec; /* of its node; its own */
    const char *node;
    uint64_t node_hash;
    uint32_t creation;
    int64_t first, last; /* times of the first and last event */
    bool sends, went;    /* it has sends; a connection broke */
    bool identity;       /* references to atoms stay as they are */
    struct es_refmap atoms, others, places, corrs, unborn, processes;
    struct es_refmap heard; /* process to the time of the last delivery to it */
    struct es_merge_address *addresses;
    size_t n_addresses, addresses_room;
    struct es_merge_hole *holes;
    size_t n_holes;
    struct es_merge_seqs seqs;
    struct es_refmap strays; /* old to new sequence number, of events that were held */
    struct es_merge_held held_back;
    uint64_t done;    /* sequence number up to which all was copied */
    size_t block, at; /* where copying is */
    struct es_block *held;
    int64_t next_time; /* of the event there, as in the result */
    size_t first_send, first_delivery, next_send, next_delivery, end_send, end_delivery; /* places among the crosses */
    uint64_t damaged, to_paired, to_all; /* deliveries to it from other nodes */
};

struct es_merge {
    const struct es_merge_request *request;
    struct es_merge_rec *recs;
    size_t n;
    unsigned nodes;
    struct es_crosses sends, deliveries;
    bool clocks; /* are known */
    struct es_store *store;
    struct es_world world;
    struct es_merge_atoms {
        struct es_refmap by_text; /* hash of the text to place + 1 */
        struct es_refmap taken;   /* references that are in use, to place + 1 */
        struct es_merge_atom {
            es_ref ref;
            uint8_t *text;
            size_t len;
        } * list;
        size_t n, room;
        uint64_t fresh;
    } atoms;
    struct es_refmap defined; /* references of class OTHER that are defined */
    struct es_buf term, gap, fact, state;
    uint64_t next;
    int64_t last_time;
    uint64_t events, all, moved, torn; /* torn: pairs that contradicted the order */
    uint64_t pairs[ES_CAUSE_MAX], handled[ES_CAUSE_MAX];
};

/* ---- references and terms (merge_refs.c) ---- */
int es_merge_atoms(struct es_merge *merge); /* gives all atoms of all recordings one numbering */
/* As in the result. `ret` may be where `ref` was. -ENOMEM, or that of the store: definitions are written as they are met. */
int es_merge_ref(struct es_merge *merge, struct es_merge_rec *rec, es_ref ref, es_ref *ret);
/* A term as in the result; valid until the next call with this buffer. */
int es_merge_term(struct es_merge *merge, struct es_merge_rec *rec, struct es_buf *buf, const uint8_t **bytes,
                  uint32_t *len);
/* A gap's event: its payload says from when to when. After es_merge_term(). */
int es_merge_gap(struct es_merge *merge, struct es_merge_rec *rec, struct es_event *event);
/* A registered name (as in the result) of the recording's own node, as an addressee. */
int es_merge_own_name(struct es_merge *merge, struct es_merge_rec *rec, es_ref name, es_ref *ret);
const struct es_merge_address *es_merge_address(struct es_merge *merge, struct es_merge_rec *rec, es_ref ref);
es_ref es_merge_atom(const struct es_merge_rec *rec, es_ref atom); /* one that is defined */
/* Any: one without a definition gets a number of its own. */
int es_merge_map_atom(struct es_merge *merge, struct es_merge_rec *rec, es_ref atom, es_ref *ret);
es_ref es_merge_pid(const struct es_merge *merge, const struct es_merge_rec *rec, const struct es_token *token);

/* Of the result, for es_world_text; `context` is the merge. */
const uint8_t *es_merge_text(uint64_t word, size_t *ret_len, void *context);
int es_merge_node_of(const struct es_token *token, void *context);

/* The row of a process, by its reference in the recording; NULL where it has none. */
const struct es_process *es_merge_process(const struct es_merge_rec *rec, es_ref pid);

/* ---- messages between the nodes ---- */
int es_merge_collect(struct es_merge *merge, struct es_merge_rec *rec);
int es_merge_pair(struct es_merge *merge);   /* with the clocks as they are known so far */
int es_merge_clocks(struct es_merge *merge); /* from the pairs */
int es_merge_exits(struct es_merge *merge);  /* deliveries that exits caused; correlations. Once, at the end */
/* A time so much later; times of hostile files end where numbers do. */
static inline int64_t es_merge_later(int64_t time, int64_t ns) { return time > INT64_MAX - ns ? INT64_MAX : time + ns; }
static inline int64_t es_merge_time(const struct es_merge *merge, const struct es_cross *cross)
{
    return es_clock_map(&merge->recs[cross->rec].fit, cross->time);
}
/* How far the times of two events in different recordings may be wrong. */
int64_t es_merge_slack(const struct es_merge *merge, const struct es_cross *a, unsigned rec);
unsigned es_merge_cause(const struct es_merge *merge,
                        const struct es_cross *delivery); /* enum es_cause, of one without partner */

/* ---- writing ---- */
int es_merge_copy(struct es_merge *merge);
int es_merge_facts(struct es_merge *merge);
/* The cross of an event; NULL: it is none. */
struct es_cross *es_merge_send(struct es_merge *merge, struct es_merge_rec *rec, uint64_t seq);
struct es_cross *es_merge_delivery(struct es_merge *merge, struct es_merge_rec *rec, uint64_t seq);
/* The delivery, where its send is still to come. */
struct es_cross *es_merge_waits(struct es_merge *merge, struct es_merge_rec *rec, const struct es_event *event);
bool es_merge_must_hold(const struct es_merge_rec *rec, const struct es_event *event); /* behind one that is held */
int es_merge_hold(struct es_merge_rec *rec, const struct es_event *event);             /* -E2BIG: too many are */
/* One that waits no longer; 0 where there is none. */
int es_merge_release(struct es_merge *merge, struct es_merge_rec **ret_rec, uint64_t *ret_seq);
void es_merge_free(struct es_merge_rec *rec);
uint64_t es_merge_seq(const struct es_merge_rec *rec, uint64_t old); /* 0: was not copied */
int es_merge_tick(const struct es_merge *merge, double done);

#endif
