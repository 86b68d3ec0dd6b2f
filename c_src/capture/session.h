/* SPDX-License-Identifier: MIT */
/* The open session and what each thread keeps for it. A thread is "inside" while it uses session memory; closing unmaps that memory
 * only once nobody is. After a thread's first event nothing here allocates, locks or waits. */
#ifndef ES_CAPTURE_SESSION_H
#define ES_CAPTURE_SESSION_H

#include <erl_nif.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/redact.h"
#include "wire/arena.h"
#include "wire/event.h"
#include "wire/ring.h"

#define ES_LIKELY(x) __builtin_expect(!!(x), 1)
#define ES_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define ES_SELDOM __attribute__((cold, noinline))              /* apart from the code that has to stay in the caches */
#define ES_INLINE static inline __attribute__((always_inline)) /* where what it works on is to stay in registers */

#define ES_SEEN_SETS 1024   /* of four ways each, see seen.h */
#define ES_PID_SETS 2048    /* of two ways each, see refs.h */
#define ES_PENDING_MAX 256  /* definitions that one event may bring; further atoms are written as text */
#define ES_MEMO_MAX 512     /* terms that one walk remembers */
#define ES_SCRATCH_MAX 6144 /* bytes of a walk that only hashes */
#define ES_DEPTH_MAX 96     /* nesting that a walk can follow, whatever the settings say */

struct es_session {
    struct es_arena arena;
    uint64_t number; /* counts the sessions of this VM: so threads see that theirs is over */
    enum es_clock clock;
    uint64_t ticks_us;     /* ticks a microsecond */
    ERL_NIF_TERM node;     /* local pids carry this name in payloads: the node's when the session began */
    uint8_t node_etf[264]; /* the same as the emulator encodes it */
    uint32_t node_etf_len, creation;
    ErlNifEnv *env;                /* owns the two terms below; never written to after open */
    ERL_NIF_TERM big_min, big_max; /* integers beyond these are cut: their size is unknown until they are encoded */
    struct es_redact redact;
};

/* What `enabled` looks at. It does not belong to the session's memory: so that question needs no entering. */
struct es_gate {
    _Atomic uint32_t on; /* the session records; head->enabled, as this side set it */
    _Atomic uint32_t n_excluded;
    _Atomic(ERL_NIF_TERM) excluded[ES_EXCLUDED_MAX];
};
extern struct es_gate es_gate;

/* NULL where none is open. To be read through es_session_get(). */
extern _Atomic(struct es_session *) es_session;

/* No membarrier(2) here: every event pays for a fence. */
extern bool es_thread_must_fence;

/* Maps the arena at `path` and makes it the session; `env` is a process's. -EALREADY where one is open, -EBUSY while threads still are
 * in the last one, -ENOTSUP where this emulator's words do not fit our references, or what es_arena_open() says. */
int es_session_open(ErlNifEnv *env, const char *path);

/* Ends the session: no event begins any more, and the arena is unmapped. -ENOENT where none is open; -EBUSY where a thread is still
 * inside: nothing is unmapped then, and this is to be called again. */
int es_session_close(void);

/* Starts and stops recording. */
void es_session_enable(struct es_session *s, bool on);

/* Has a process never recorded, as tracee or as peer. -ENOSPC after ES_EXCLUDED_MAX. */
int es_session_exclude(struct es_session *s, ERL_NIF_TERM pid, es_ref ref);

static inline bool es_gate_excludes(ERL_NIF_TERM pid)
{
    uint32_t n = atomic_load_explicit(&es_gate.n_excluded, memory_order_acquire);
    for (uint32_t i = 0; i < n; i++)
        if (atomic_load_explicit(&es_gate.excluded[i], memory_order_relaxed) == pid)
            return true;
    return false;
}

/* ---- threads ------------------------------------------------------------------------------------------------------- */

struct es_frame { /* a list, tuple or map whose inside is being walked */
    uint8_t kind;
    bool at_value;                /* map: the next term is a value */
    bool secret;                  /* map: that value is a secret; tuple: its second element is */
    uint16_t height;              /* nesting inside, as far as it is known */
    uint32_t left;                /* elements or pairs still to come */
    uint32_t done;                /* written so far */
    uint32_t cuts;                /* when it was opened */
    uint64_t rest;                /* beyond the limit of elements */
    uint8_t *start;               /* where it begins in the record */
    uint8_t *count;               /* where the count belongs once it is known */
    const ERL_NIF_TERM *elements; /* tuple; small map: its keys */
    const ERL_NIF_TERM *values;   /* small map */
    ERL_NIF_TERM self;
    ERL_NIF_TERM term; /* list: what is left of it; map: the value of the key just written */
    ErlNifMapIterator pairs;
};

/* Where a term lies in the record that is being written: met again, it is copied from there. */
struct es_memo {
    ERL_NIF_TERM term;
    uint8_t *start;
    uint32_t len, walk;
    uint16_t height;
};

struct es_pending {
    es_ref ref;
    ERL_NIF_TERM term;
    uint64_t key;
}; /* a definition, written behind the event that needs it */
struct es_known_pid {
    ERL_NIF_TERM word;
    es_ref ref;
};

/* The process that called last, as probes need it. */
struct es_caller {
    ERL_NIF_TERM word;
    es_ref ref;
    uint32_t n_excluded; /* when `excluded` was found out */
    bool excluded;
};

struct es_thread {
    _Atomic uint32_t inside; /* 1 while session memory is in use */
    _Atomic uint32_t taken;  /* 1 while a living thread owns this */
    uint64_t session;        /* number of the session that all below belongs to */
    struct es_ring *ring;    /* NULL: none was free */
    uint32_t n_pending;
    uint32_t until_measured; /* events until time is measured again */
    uint64_t slow_until;     /* stamp until which binaries are not looked into: one had to be copied for us */
    struct es_thread *next;  /* of all there ever were */
    struct es_caller caller;
    struct es_known_pid pids[ES_PID_SETS][2];
    uint64_t seen[ES_SEEN_SETS][4];
    struct es_pending pending[ES_PENDING_MAX];
    struct es_frame frames[ES_DEPTH_MAX];
    uint8_t scratch[ES_SCRATCH_MAX];
    uint32_t walks; /* counts those that use memo */
    struct es_memo memo[ES_MEMO_MAX];
};

extern __thread struct es_thread *es_thread_self;

struct es_thread *es_thread_attach(void);
bool es_thread_claim(struct es_thread *t, struct es_session *s);

/* Whether some thread is inside; exact after es_thread_fence_all(). */
bool es_thread_any_inside(void);

/* Has every running thread pass a memory fence. False where the system can't. */
bool es_thread_fence_all(void);

/* Frees what all threads keep. For good: the library is being unmapped, and nobody is inside. */
void es_thread_forget_all(void);

/* Makes the calling thread inside, until es_thread_leave(). NULL where it is already (a tracer that traces itself), and where there is
 * no memory for it. */
static inline struct es_thread *es_thread_enter(void)
{
    struct es_thread *t = es_thread_self;
    if (ES_UNLIKELY(!t) && !(t = es_thread_attach()))
        return NULL;
    if (ES_UNLIKELY(atomic_load_explicit(&t->inside, memory_order_relaxed)))
        return NULL;
    atomic_store_explicit(&t->inside, 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst); /* closing has all threads fence before it looks */
    return t;
}
static inline void es_thread_leave(struct es_thread *t) { atomic_store_explicit(&t->inside, 0, memory_order_release); }

/* The session, for a thread that is inside. */
static inline struct es_session *es_session_get(void)
{
    if (ES_UNLIKELY(es_thread_must_fence))
        atomic_thread_fence(memory_order_seq_cst);
    return atomic_load_explicit(&es_session, memory_order_acquire);
}

/* Whether the thread has a ring of this session to write to; claims one at first. */
static inline bool es_thread_ready(struct es_thread *t, struct es_session *s)
{
    if (ES_LIKELY(t->session == s->number))
        return t->ring != NULL;
    return es_thread_claim(t, s);
}

#endif
