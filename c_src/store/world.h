/* SPDX-License-Identifier: MIT */
/* What is known of each living process at a moment, from the events up to it: the engine feeds a world while it records and keeps it in
 * keyframes, readers load a keyframe and feed the events behind it. Only small columns of events are looked at, payloads of CENSUS
 * excepted. Memory follows the processes that live, with a limit on everything that could pile up. Nothing is guessed: what is older than
 * the last loss of events (`gap_seq`) may be over without our knowing. */
#ifndef ES_STORE_WORLD_H
#define ES_STORE_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/buf.h"
#include "store/event.h"
#include "store/table.h"

#define ES_WORLD_PROCESSES (1u << 20) /* more are counted as `untracked` */
#define ES_WORLD_GRAVES 1024u         /* the last dead, so that late events do not raise them */
#define ES_WORLD_DEPTH 256u           /* open calls of one process */
#define ES_WORLD_MAIL 1024u           /* unhandled deliveries that are known one by one, of a behaviour's process … */
#define ES_WORLD_MONITORS 64u         /* of one process */
#define ES_WORLD_MAIL_FEW 2u          /* … and of others, of which nobody says what they handled */

enum es_world_flag {
    ES_WP_BORN = 1,            /* its spawn was recorded */
    ES_WP_CENSUS = 2,          /* it was there before, and was asked who it is */
    ES_WP_BEHAVIOUR = 4,       /* a callback was seen: it runs a behaviour's loop */
    ES_WP_HANDLES = 8,         /* which deliveries it handled is known */
    ES_WP_AT_MOST = 16,        /* but for some: what counts as unhandled may be less */
    ES_WP_LINKS_CUT = 32,      /* it has links that are not known */
    ES_WP_IN = 64,             /* scheduled in, and not out since */
    ES_WP_SCHEDULED = 128,     /* `in` or `out` were seen */
    ES_WP_WOKEN = 256,         /* a delivery came since it was scheduled out */
    ES_WP_STATE_LOST = 512,    /* the state changed after `state.seq`, and was not captured */
    ES_WP_MONITORS = 1024,     /* a census said whom it monitored then … */
    ES_WP_MONITORS_CUT = 2048, /* … but for some */
    ES_WP_TAKES = 4096,        /* a receive of it is woven: it says what it takes */
    ES_WP_DEEP_TRY = 8192,     /* a `try` began in one of the calls beyond ES_WORLD_DEPTH */
};

struct es_world_fun {
    es_ref module, function;
    uint16_t arity;
    bool ends; /* ends of its calls are recorded: one was seen */
};

struct es_world_mail { /* a delivery that is not known as handled */
    uint64_t seq, corr;
    int64_t time;
};

struct es_world_frame { /* an open call */
    uint64_t seq;
    uint64_t token; /* of the first `try` in it, 0: none yet; later ones are larger, and those in calls above it too */
    uint32_t fun, below; /* place in the world's frames, ES_TABLE_NONE: none */
    bool callback, woven;
};

struct es_world_link { /* or a monitor */
    es_ref owner, peer;
    uint32_t next, prev; /* of its owner's */
};

struct es_world_proc {
    es_ref pid; /* 0: a free place */
    uint64_t events, sent, received;
    uint64_t own_seq;   /* its last event but deliveries and those that happen to it */
    uint64_t reply_seq; /* the reply it waited for was delivered; 0: taken, or there is none */
    uint64_t wait_corr; /* of the request it waits for; 0: none */
    uint32_t flags;     /* set of es_world_flag */
    uint16_t mail_room, mail_first, mail_n, depth;

    struct es_world_mail *mail; /* a ring; see es_world_mail_at() */
    uint64_t mail_older;        /* before those in it */
    es_ref parent, name;
    uint64_t spawn_seq;          /* of the SPAWN or SPAWNED; 0: before the recording */
    uint64_t run_seq;            /* of the last `in` or `out` that said where it is */
    uint64_t end_seq;            /* of the last end of a call */
    uint32_t fun, run_fun;       /* initial call, and where it was scheduled, in the world's functions; 0: unknown */
    uint32_t frame;              /* innermost open call, ES_TABLE_NONE */
    uint32_t deeper;             /* open calls beyond ES_WORLD_DEPTH */
    uint32_t link, link_last;    /* first and last of its links, ES_TABLE_NONE */
    uint32_t links, next, prev;  /* how many; neighbours in the order in which they came */
    uint32_t monitor;            /* first of its monitors at the census, ES_TABLE_NONE */
    uint32_t state_len, heap[6]; /* heap: numbers of the last end of a collection, in words, see es_gc_num_names */
    uint8_t state_flags;         /* set of es_event_flag, of the version */
    uint8_t monitors;            /* how many */
    uint64_t heap_seq;           /* 0: no collection was seen */
    uint64_t state_seq, state_hash, wait_seq;
    int64_t state_time, wait_time;
    es_ref wait_peer; /* as it was sent: may be a name */
};

/* Texts of atoms, and the recorded node's name (NULL or "": every pid counts as its own): for CENSUS alone. In a merged recording `node_of`
 * says which node a pid or port is of, -1: none of them. */
struct es_token;
struct es_world_text {
    const uint8_t *(*atom)(uint64_t word, size_t *ret_len, void *context);
    void *context;
    const char *node;
    int (*node_of)(const struct es_token *token, void *context);
};

struct es_world_grave {
    es_ref pid;
    uint64_t exit_seq;
};

struct es_world {
    struct es_world_text text;
    uint64_t seq; /* of the last event it was fed */
    int64_t time;
    uint64_t gap_seq; /* of the last GAP */
    bool thinned;     /* a BUDGET step was met: from then on some messages may not be recorded at all */
    uint64_t untracked;
    uint32_t n; /* processes that live */
    uint32_t first, last;

    struct es_world_proc *recent; /* of the last event */
    struct es_table by_pid;       /* place in chunks; from ES_WORLD_PROCESSES on: in graves */
    struct es_world_proc **chunks;
    uint32_t used, free;
    struct es_world_grave graves[ES_WORLD_GRAVES];
    uint32_t grave_first, grave_n;

    struct es_table fun_of; /* hash -> place in funs */
    struct es_world_fun *funs;
    uint32_t n_funs, funs_room;
    struct es_world_frame *frames;
    uint32_t n_frames, frames_room, free_frame, frames_used;
    struct es_table link_of; /* hash of owner and peer -> place in link */
    struct es_world_link *link;
    uint32_t n_links, links_room, free_link;
    uint32_t mail_n; /* of all processes */
};

void es_world_init(struct es_world *world, const struct es_world_text *text);
void es_world_fini(struct es_world *world);

/* The next event. 0, or -ENOMEM: then the world is to be thrown away. */
int es_world_feed(struct es_world *world, const struct es_event *event);

/* The process will be looked for soon: first its place, some events later itself. */
static inline void es_world_foresee(const struct es_world *world, es_ref pid) { es_table_foresee(&world->by_pid, pid); }
void es_world_foresee_process(const struct es_world *world, es_ref pid);

/* Events before this one were passed over: nothing older is certain. */
static inline void es_world_gap(struct es_world *world, uint64_t seq)
{
    if (seq > world->gap_seq)
        world->gap_seq = seq;
}

/* A living process, NULL where there is none. Valid until the next event. */
const struct es_world_proc *es_world_find(const struct es_world *world, es_ref pid);
/* Living processes in the order in which they came: `before` NULL gives the first; NULL behind the last. */
const struct es_world_proc *es_world_next(const struct es_world *world, const struct es_world_proc *before);

/* Delivery `i` of those known one by one, the oldest first; i < proc->mail_n. */
static inline const struct es_world_mail *es_world_mail_at(const struct es_world_proc *proc, uint32_t i)
{
    return &proc->mail[(proc->mail_first + i) & (proc->mail_room - 1u)];
}
/* Links of a process, the oldest first: the place of the first is proc->link, ES_TABLE_NONE is behind the last. The same of what it
 * monitored at the census, each once, from proc->monitor on: it may have taken away some since, and set others. */
static inline es_ref es_world_link_at(const struct es_world *world, uint32_t *at)
{
    const struct es_world_link *link = &world->link[*at];
    *at = link->next;
    return link->peer;
}
/* All that was delivered and is not known as handled. */
static inline uint64_t es_world_mail_count(const struct es_world_proc *proc) { return proc->mail_older + proc->mail_n; }

/* Bytes from which es_world_load() makes the same world. -ENOMEM. */
int es_world_save(const struct es_world *world, struct es_buf *buf);
/* Into a world that was initialized and never fed. -EBADMSG where the bytes are none of es_world_save(), -ENOMEM; it must be thrown away
 * then. Memory is bounded by the limits above. */
int es_world_load(struct es_world *world, const uint8_t *bytes, size_t len);

#endif
