/* SPDX-License-Identifier: MIT */
/* The middle of the engine: takes events in order, one after the other, finds out what caused each, and gives it to the store with its
 * sequence number. It does not know where events come from: rings (run.c) and trace files (import.c) end here. */
#ifndef ES_ENGINE_CORE_H
#define ES_ENGINE_CORE_H

#include "engine/handle.h"
#include "engine/exits.h"
#include "engine/hold.h"
#include "engine/latency.h"
#include "engine/links.h"
#include "engine/names.h"
#include "engine/pair.h"
#include "engine/process.h"
#include "engine/state.h"
#include "engine/timers.h"
#include "store/store.h"
#include "store/world.h"

/* An event in its place in the order. `view.payload` is valid until the call returns. */
struct es_input {
    struct es_record_view view;
    uint64_t key;   /* place in the order, in ticks; rises but for late events */
    int64_t time;   /* Erlang monotonic ns */
    int64_t paused; /* of it, how long nothing happened at all; set by es_core_take() */
    uint16_t thread;
    uint8_t flags; /* ES_E_LATE or 0 */
    bool noted;    /* the name it gives or takes is known already: it waited since */
};

struct es_core {
    struct es_store *store;
    struct es_names names;
    struct es_processes processes;
    struct es_pairs pairs;
    struct es_states states;
    struct es_hold hold;
    struct es_mails mails;
    struct es_latency latency;
    struct es_world world; /* what readers find at the beginning of each group */
    struct es_links links;
    struct es_timers timers;
    uint64_t next_seq;                    /* of the next event */
    uint64_t last_key;                    /* the order has come so far */
    int64_t last_seen;                    /* time of the last event that was taken */
    int64_t first_time, last_time;        /* smallest and greatest given; INT64_MAX, INT64_MIN: none yet */
    uint64_t shortest_wait, longest_wait; /* ticks: bounds of how long a delivery waits for its send */
    uint64_t skew, ticks_ms;              /* ticks: largest seen, of a send behind its delivery; in a millisecond */
    bool messages;                        /* sends are recorded: one was seen */
    bool by_content;                      /* deliveries do not say who sent them */
    uint64_t limit_seq;                   /* stop when this number would be given; 0 = never */
    bool full;                            /* that is reached: nothing more is taken */
    uint32_t seen;                        /* set of es_trigger: kinds of events that were met */
    /* Not yet given to the store's counters. `causes`: of deliveries and first events, the others of parts of them or of other events. */
    uint64_t causes[ES_CAUSE_MAX], handled[ES_CAUSE_MAX], replies[ES_CAUSE_MAX], exits[ES_CAUSE_MAX],
        fired[ES_CAUSE_MAX], late, moved;
};

/* `ticks_ms`: of the order's keys in a millisecond. */
int es_core_init(struct es_core *core, struct es_store *store, uint64_t ticks_ms);
void es_core_fini(struct es_core *core);

/* The next event. */
int es_core_take(struct es_core *core, struct es_input *in);

/* All events before `key` were given: deliveries that waited for their send until then wait no longer. */
int es_core_reached(struct es_core *core, uint64_t key);

/* An event of the recorder itself, at `time`: NOTICE, GAP … */
int es_core_note(struct es_core *core, unsigned kind, int64_t time, const uint8_t *payload, size_t len);

/* Gives counters and processes to the store; before each commit. */
int es_core_flush(struct es_core *core);

/* Used by hold.c: an event that has waited. With `last` it waits no longer, else *ret_waits says whether it still has to. */
int es_core_again(struct es_core *core, struct es_input *in, bool last, bool *ret_waits);

/* Sends and deliveries (message.c). */
struct es_finding { /* what is known of an event's cause */
    uint8_t state;  /* enum es_cause */
    uint64_t cause;
    es_ref sender; /* whom it is from */
};
int es_message_sent(struct es_core *core, struct es_proc *proc, struct es_input *in, struct es_event *event);
/* *ret_waits: its send may still come. */
int es_message_delivered(struct es_core *core, struct es_proc *proc, const struct es_input *in, bool last,
                         struct es_finding *ret_finding, bool *ret_waits);
int es_message_emitted(struct es_core *core, struct es_proc *proc, const struct es_input *in,
                       const struct es_event *event);

#endif
