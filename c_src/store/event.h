/* SPDX-License-Identifier: MIT */
/* An event of a recording, as the engine gives it to the store and as readers get it back. */
#ifndef ES_STORE_EVENT_H
#define ES_STORE_EVENT_H

#include <stdint.h>

#include "wire/event.h"

enum es_event_flag {                      /* kept in the recording */
                     ES_E_CUT = 1,        /* the payload is not the whole term */
                     ES_E_REDACTED = 2,   /* something in it was redacted */
                     ES_E_NO_PAYLOAD = 4, /* the payload was left out (budget, or it is in the cause) */
                     ES_E_CALLBACK = 8,   /* call, return, exception of a behaviour's callback */
                     ES_E_REQUEST = 8,    /* send: a call, whose reply its sender may wait for */
                     ES_E_REPLY =
                         8, /* deliver: what its receiver waits for, as it has done nothing since its request */
                     ES_E_LATE = 16,         /* came after its place in the order was given away */
                     ES_E_WOVEN = 32,        /* call, return: told by a probe in woven code */
                     ES_E_STATE_SAME = 32,   /* state: unchanged since the previous version (no payload) */
                     ES_E_STATE_MISSED = 64, /* state: changed, but not captured */
                     ES_E_MOVED =
                         128, /* `time` was moved forward to stay behind its cause; the true stamp is time - moved */
};

enum es_cause {                /* what is known of an event's cause; only kinds with ES_F_CAUSE have other than NONE */
                ES_CAUSE_NONE, /* the kind has no cause on another process */
                ES_CAUSE_PAIRED,   /* `cause` is the sequence number of the event that caused it */
                ES_CAUSE_EXTERNAL, /* from outside: a port, a timer, another node, the emulator itself */
                ES_CAUSE_UNTRACED, /* the other process was not recorded at that time */
                ES_CAUSE_LOST,     /* events of the other side were lost around that time */
                ES_CAUSE_LATE,     /* arrived too late to be paired */
                ES_CAUSE_EVICTED,  /* forgotten to bound memory */
                ES_CAUSE_UNKNOWN,  /* none of these, and no partner */
                ES_CAUSE_MAX
};
extern const char *const es_cause_names[ES_CAUSE_MAX];

struct es_event {
    uint64_t seq;        /* from 1, without holes; (time, seq) is the total order and never contradicts `cause` */
    int64_t time;        /* Erlang monotonic time, ns */
    uint8_t kind, flags; /* enum es_kind; set of es_event_flag */
    uint8_t cause_state; /* enum es_cause */
    uint16_t arity;
    uint16_t thread; /* scheduler id, 0 = dirty or foreign thread */
    es_ref pid, peer, module, function;
    es_ref site; /* of a probe; its definition is {es_site, Key, Module, Function, Arity, Line, Clause, Names} */
    uint64_t hash, corr;
    uint64_t cause; /* sequence number, 0 = none known */
    uint32_t moved; /* ns, see ES_E_MOVED */
    uint64_t num[ES_NUMS];
    const uint8_t *payload; /* the writer copies it; a reader's points into the decoded block */
    uint32_t payload_len;
};

#endif
