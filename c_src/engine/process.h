/* SPDX-License-Identifier: MIT */
/* The processes that live, and those that died a moment ago: what correlation must know of each, and its row in the recording. Memory
 * follows the number of living processes, not of all that ever lived. Registered names too. */
#ifndef ES_ENGINE_PROCESS_H
#define ES_ENGINE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/names.h"
#include "store/table.h"
#include "store/store.h"

enum es_proc_flag {
    ES_P_SENDS = 1, /* its sends are recorded: one was seen */
    ES_P_DEAD = 2,
    ES_P_DIRTY = 4,      /* its row changed since it was given to the store */
    ES_P_EVICTED = 8,    /* sends of it were forgotten to bound memory */
    ES_P_GUESSED = 16,   /* its initial call is better known from somewhere else */
    ES_P_MAIL_LOST = 64, /* deliveries of it were forgotten to bound memory */
    ES_P_HANDLES = 128,  /* a callback of it was paired with what it handled */
    ES_P_EVENTS = 32,    /* a manager of event handlers: its states are kept by module */
};

/* What was delivered to a process and not handled yet, see handle.h. */
struct es_mail_list {
    uint32_t first, last, n; /* places + 1 in the pool of nodes; 0: none */
};
#define ES_STREAK 8u
#define ES_TIMER_SETS 4u /* kinds; of more, those that were set last */
struct es_mailbox {
    struct es_mail_list waits, postponed; /* postponed: were handled, and come again or may */
    bool gave_up;                         /* something postponed was forgotten */
    bool woven, takes;                    /* probes spoke of its calls; of a message that a receive took */
    struct es_timer_set {                 /* when a state machine's timers were set last, by kind */
        uint64_t kind, seq;
    } set[ES_TIMER_SETS];
    uint64_t set_before;                 /* of all others not later than this, as far as is known */
    uint16_t seen[ES_STREAK];            /* of the streak's contents */
    uint32_t epoch, streak;              /* another epoch than es_pairs: a delivery may be missing in it */
    uint64_t timeout;                    /* since its last callback ended, this `receive … after` did; 0 = none did */
    struct es_handled {                  /* by the callback that was called last */
        uint64_t hash, timer, corr, seq; /* seq 0: not known */
        int64_t time;
        es_ref module, function; /* of the callback */
        uint16_t arity;
        uint32_t open, epoch; /* its calls that have not ended; epoch of es_pairs then */
        uint8_t behaviour;
    } handled;
};

struct es_proc {
    /* The first cache line is all that most events touch; it is asked for before their turn comes, see foresee.c. */
    _Alignas(64) int64_t last_time; /* of its last event */
    int64_t drained;     /* whatever was sent to it and queued before a send of this time has been delivered */
    uint64_t census_seq; /* it was there before: sends to it before this may have arrived unseen */
    struct es_proc_mark {
        uint64_t seq;
        int64_t time;
    } marks[2];             /* two events of it, some time ago: see pair.h, third rule */
    uint32_t contents;      /* its sends that wait under their content */
    uint16_t held;          /* its events that wait */
    uint8_t flags;          /* set of es_proc_flag */
    uint8_t state_name_len; /* gen_statem: the state's name, encoded; 0 = unknown */

    es_ref pid;                  /* 0: a free place */
    es_ref waits_for;            /* whose send the first of those that wait waits for … */
    uint64_t held_key, held_due; /* … its place in the order, and when it has waited long enough */
    int64_t died;                /* by the stamp of its exit */
    uint64_t timer_seq;          /* its call of erlang:start_timer that has not returned; 0 */
    int64_t timer_due;
    uint32_t scan;        /* last scan of the waiting that met it */
    uint32_t index, next; /* its own place; next free one, or next to be dropped */
    uint8_t state_name[30];
    es_ref state_module;              /* whose state the hash is of */
    uint64_t state_hash, state_check; /* fingerprint of its last version, lower and upper half; 0 = none; not known */
    es_ref callback;                  /* module a behaviour runs in it, 0 = unknown */
    es_ref called_module, called_function; /* the callback that gen_server is calling now, 0 = none */
    struct es_mailbox mailbox;
    struct es_process row;
};
_Static_assert(offsetof(struct es_proc, pid) == 64, "what most events touch is one cache line");

#define ES_PROC_CHUNK 1024u
#define ES_PROC_MAX (1u << 20) /* living ones; beyond, those that were quiet longest are forgotten */
#define ES_PROC_GRAVES 8192u   /* the last dead are kept for what was still under way */

struct es_processes {
    struct es_store *store;
    bool replaying; /* what is noted is in the recording already */
    struct es_table by_pid;
    struct es_proc **chunks;
    uint32_t n_chunks, used, free, count,
        hand; /* places used so far, first free, processes known, where forgetting goes on */
    uint32_t graves[ES_PROC_GRAVES];
    uint32_t first_grave, n_graves;
    uint32_t *dirty;
    uint32_t n_dirty, dirty_room;
    struct es_table names; /* atom -> place in `registered` */
    struct es_registered {
        es_ref name, pid, before;
        int64_t changed, gone;
    } * registered; /* gone: since when `pid` has it no longer */
    uint32_t n_registered, registered_room;
};

void es_processes_init(struct es_processes *p, struct es_store *store);
void es_processes_fini(struct es_processes *p);

static inline struct es_proc *es_proc_at(const struct es_processes *p, uint32_t index)
{
    return &p->chunks[index / ES_PROC_CHUNK][index % ES_PROC_CHUNK];
}
/* The process, dead for a moment at most; NULL where it is not known. */
static inline struct es_proc *es_proc_find(const struct es_processes *p, es_ref pid)
{
    uint32_t index = es_table_get(&p->by_pid, pid);
    return index == ES_TABLE_NONE ? NULL : es_proc_at(p, index);
}
/* The same, made where it is not known. NULL: no memory. */
struct es_proc *es_proc_meet(struct es_processes *p, es_ref pid);
/* A process that is born now: one of the same number that died is another. */
struct es_proc *es_proc_born(struct es_processes *p, es_ref pid);
/* It died: its row is given to the store with what reason points to. */
int es_proc_died(struct es_processes *p, struct es_proc *proc);
/* Its row changed. */
int es_proc_touch(struct es_processes *p, struct es_proc *proc);
/* Gives all changed rows to the store; before a commit. */
int es_processes_flush(struct es_processes *p);

/* ---- names: atoms registered for pids ---- */
int es_processes_register(struct es_processes *p, es_ref name, es_ref pid, int64_t time);
int es_processes_unregister(struct es_processes *p, es_ref name, es_ref pid, int64_t time);
/* Whom a message to the name went to at this time: who has it, or was the last to have it, as names that nobody has cannot be sent to.
 * 0: the name is not known. *ret_or: where it changed hands so shortly before that it may have been the one before, that one, else 0. */
es_ref es_processes_whereis(const struct es_processes *p, es_ref name, int64_t time, es_ref *ret_or);

/* ---- what their events say (process_events.c) ---- */
struct es_event;
int es_proc_spawn(struct es_processes *p, struct es_names *names, const struct es_event *event); /* peer = child */
int es_proc_spawned(struct es_processes *p, const struct es_event *event);                       /* pid = child */
int es_proc_census(struct es_processes *p, struct es_names *names, const struct es_event *event);
int es_proc_exit(struct es_processes *p, const struct es_event *event);

#endif
