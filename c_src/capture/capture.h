/* SPDX-License-Identifier: MIT */
/* What the files of the NIF share: the session, what each thread keeps, and the event being written. One rule rules all of it: nothing
 * here may stop, slow down or end the program it lives in. No lock, no waiting, no allocation after a thread's first event. */
#ifndef ES_CAPTURE_CAPTURE_H
#define ES_CAPTURE_CAPTURE_H

#include <erl_nif.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/arena.h"
#include "wire/event.h"
#include "wire/ring.h"
#include "wire/term.h"

#define ES_LIKELY(x) __builtin_expect(!!(x), 1)
#define ES_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Limits of an int, of a list, of a stack: fixed, so that a thread's memory is. */
#define ES_DEPTH_MAX 96       /* frames of one walk; deeper terms are cut whatever the settings say */
#define ES_SEEN_SETS 1024     /* of four ways each */
#define ES_PIDS 2048          /* pairs of a word and its reference, two ways a set */
#define ES_PENDING_MAX 256    /* definitions that one event may bring; further atoms are written as text */
#define ES_ATOM_BYTES 1024    /* of the longest atom (255 characters) in UTF-8, with its header */

/* ---- atoms the NIF knows by name --------------------------------------------------------------------------------- */
#define ES_ATOMS(A)                                                                                                         \
    A(trace, "trace") A(discard, "discard") A(remove, "remove") A(trace_status, "trace_status")                             \
    A(ok, "ok") A(error, "error") A(true_, "true") A(false_, "false") A(undefined, "undefined") A(lost, "lost")             \
    A(send, "send") A(send_dead, "send_to_non_existing_process") A(receive, "receive") A(call, "call")                      \
    A(return_from, "return_from") A(exception_from, "exception_from") A(spawn, "spawn") A(spawned, "spawned")               \
    A(exit, "exit") A(register_, "register") A(unregister, "unregister") A(link, "link") A(unlink, "unlink")                \
    A(getting_linked, "getting_linked") A(getting_unlinked, "getting_unlinked") A(in, "in") A(out, "out")                   \
    A(in_exiting, "in_exiting") A(out_exiting, "out_exiting") A(out_exited, "out_exited")                                   \
    A(gc_minor_start, "gc_minor_start") A(gc_minor_end, "gc_minor_end") A(gc_major_start, "gc_major_start")                 \
    A(gc_major_end, "gc_major_end") A(extra, "extra") A(match_spec_result, "match_spec_result")                             \
    A(es_callback, "es_callback") A(timeout, "timeout") A(clock_service, "clock_service") A(struct_, "__struct__")          \
    A(gen_call, "$gen_call") A(down, "DOWN") A(alias, "alias") A(io_request, "io_request") A(io_reply, "io_reply")          \
    A(reply, "reply") A(noreply, "noreply") A(stop, "stop") A(next_state, "next_state") A(keep_state, "keep_state")         \
    A(repeat_state, "repeat_state") A(keep_state_and_data, "keep_state_and_data")                                           \
    A(repeat_state_and_data, "repeat_state_and_data") A(stop_and_reply, "stop_and_reply") A(init, "init")                   \
    A(init_it, "init_it") A(handle_call, "handle_call") A(handle_cast, "handle_cast") A(handle_info, "handle_info")         \
    A(handle_continue, "handle_continue") A(handle_event, "handle_event") A(terminate, "terminate")                         \
    A(code_change, "code_change") A(payload_bytes, "payload_bytes") A(state_bytes, "state_bytes") A(max_depth, "max_depth") \
    A(max_elements, "max_elements") A(work, "work") A(sample, "sample") A(deliver_payload, "deliver_payload")               \
    A(events, "events") A(nanos, "nanos") A(threads, "threads") A(full, "full") A(already, "already") A(busy, "busy")       \
    A(closed, "closed") A(layout, "layout") A(einval, "einval") A(other, "other")

#define A(name, text) ERL_NIF_TERM name;
struct es_atoms { ES_ATOMS(A) };
#undef A
extern struct es_atoms es_am; /* the same words for every thread and for ever */

/* ---- secrets ------------------------------------------------------------------------------------------------------- */
struct es_redact {
    uint64_t key_lengths;           /* bit n: there is a rule with n bytes; 0: none at all */
    uint64_t struct_lengths;
    uint16_t slot[512];             /* by hash of kind and text: index + 1 of a rule */
    uint32_t n_rules;
    struct es_redact_rule rule[ES_REDACT_MAX]; /* a copy that nobody else can change */
};

/* ---- the session --------------------------------------------------------------------------------------------------- */
struct es_session {
    struct es_arena arena;
    uint64_t number;                /* counts the sessions of this VM: threads see that theirs is over */
    enum es_clock clock;
    bool fence;                     /* no membarrier(2): each event pays a fence */
    uint64_t ticks_us;              /* ticks a microsecond */
    ERL_NIF_TERM node;              /* local pids carry this name in payloads */
    uint8_t node_etf[264];          /* as the emulator encodes it */
    uint32_t node_etf_len, creation;
    ErlNifEnv *env;                 /* owns the terms below; never written to after open */
    ERL_NIF_TERM big_min, big_max;  /* integers beyond these are cut */
    _Atomic uint32_t n_excluded;
    _Atomic(ERL_NIF_TERM) excluded[ES_EXCLUDED_MAX];
    struct es_redact redact;
};

/* The open session, NULL where there is none. Only for a thread that is inside (es_thread_enter). */
extern _Atomic(struct es_session *) es_session;

/* ---- threads ------------------------------------------------------------------------------------------------------- */
enum es_frame_kind { ES_FRAME_TUPLE, ES_FRAME_LIST, ES_FRAME_MAP };

struct es_frame {                   /* a list, tuple or map whose inside is being walked */
    enum es_frame_kind kind;
    bool at_value;                  /* of a map: its next term is a value */
    bool secret;                    /* that value is a secret */
    bool proper;
    uint32_t left;                  /* elements or pairs still to be written */
    uint32_t done;                  /* written */
    uint64_t rest;                  /* beyond the limit */
    uint8_t *count;                 /* where the count belongs once it is known */
    const ERL_NIF_TERM *elements;   /* tuple */
    ERL_NIF_TERM tail;              /* list: what is left of it; map: the value that belongs to the key just written */
    ErlNifMapIterator pairs;
};

struct es_pending {                 /* a definition to be written behind the event that needs it */
    es_ref ref;
    ERL_NIF_TERM term;
};

struct es_known_pid { uint64_t word; es_ref ref; };

struct es_thread {
    _Atomic uint32_t inside;        /* 1 while session memory is in use */
    _Atomic uint32_t taken;         /* 1 while a living thread owns this */
    uint64_t session;               /* number of the session the rest belongs to */
    struct es_ring *ring;           /* NULL: none was free */
    uint32_t until_measure;         /* events until time is measured again */
    uint32_t n_pending;
    uint64_t slow_until;            /* stamp until which binaries are not looked into: one had to be copied */
    struct es_thread *next;         /* all there ever were; set once */
    struct es_known_pid pids[ES_PIDS];
    uint64_t seen[ES_SEEN_SETS][4];
    struct es_pending pending[ES_PENDING_MAX];
    struct es_frame frames[ES_DEPTH_MAX];
};

extern __thread struct es_thread *es_thread_self;

/* Marks the calling thread as inside: until es_thread_leave() the session is not unmapped. NULL where there is no memory for it, and
 * where the thread is inside already. */
struct es_thread *es_thread_attach(void);
static inline struct es_thread *es_thread_enter(void)
{
    struct es_thread *t = es_thread_self;
    if (ES_UNLIKELY(!t) && !(t = es_thread_attach()))
        return NULL;
    if (ES_UNLIKELY(atomic_load_explicit(&t->inside, memory_order_relaxed)))
        return NULL;
    atomic_store_explicit(&t->inside, 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst); /* es_session_close() does the fence for us, with membarrier(2) */
    struct es_session *s = atomic_load_explicit(&es_session, memory_order_acquire);
    if (ES_UNLIKELY(!s || s->fence))
        atomic_thread_fence(memory_order_seq_cst);
    return t;
}
static inline void es_thread_leave(struct es_thread *t)
{
    atomic_store_explicit(&t->inside, 0, memory_order_release);
}

/* Releases the thread's ring when the thread ends; called by session.c alone when a thread ends on its own. */
void es_thread_release(struct es_thread *t);

/* Makes sure that the thread writes to a ring of this session; false where none was free. Inside only. */
bool es_thread_claim(struct es_thread *t, struct es_session *s);
static inline bool es_thread_ready(struct es_thread *t, struct es_session *s)
{
    if (ES_LIKELY(t->session == s->number))
        return t->ring != NULL;
    return es_thread_claim(t, s);
}

/* ---- opening and closing ------------------------------------------------------------------------------------------- */

/* Maps the arena at `path` and makes it the session. `env` belongs to a process. -EALREADY where one is open, -EBUSY while the last
 * one is still being left, -ENOTSUP where the emulator's words do not fit our references, or what es_arena_open() says. */
int es_session_open(ErlNifEnv *env, const char *path);

/* Ends the session: no new event begins; unmaps once no thread is inside. 0 (also where none is open) or -EBUSY: call again. */
int es_session_close(void);

/* Whether a process with this word is never recorded. */
static inline bool es_session_excludes(struct es_session *s, ERL_NIF_TERM pid)
{
    uint32_t n = atomic_load_explicit(&s->n_excluded, memory_order_acquire);
    for (uint32_t i = 0; i < n; i++)
        if (atomic_load_explicit(&s->excluded[i], memory_order_relaxed) == pid)
            return true;
    return false;
}

/* ---- the event being written (draft.c) ----------------------------------------------------------------------------- */
struct es_budget { uint32_t bytes, depth, elements, work; };

struct es_draft {
    ErlNifEnv *env;
    struct es_session *s;
    struct es_thread *t;
    struct es_record *record;
    uint8_t *at;                    /* next byte of the record */
    uint64_t start;                 /* the ring's position where the record begins */
    uint64_t stamp;
    uint64_t words;                 /* atoms and processes... see es_draft_word */
};
#endif
