/* SPDX-License-Identifier: MIT */
/* A trace message, {trace, Pid, …} or {trace_ts, Pid, …, Time}, as an event. */
#ifndef ES_ENGINE_DBGTERM_H
#define ES_ENGINE_DBGTERM_H

#include "engine/core.h"

enum es_dbg_clock { ES_DBG_NONE, ES_DBG_WALL, ES_DBG_MONOTONIC };

struct es_dbg {
    struct es_core *core;
    char node[256]; /* of the traced processes, "" while unknown */
    uint32_t creation;
    enum es_dbg_clock clock; /* of the timestamps: that of the first one; others are not comparable and count as none */
    uint8_t cut[32];         /* payload in place of one that is too large */
};

struct es_dbg_event {
    struct es_record_view view; /* payload points into the term */
    bool timed;
    int64_t time;
    uint16_t thread;
};

/* 1 and the event; 0 where the term is something else (sequential traces, events of ports and kinds that have no place in a recording);
 * a negative errno where memory is missing. Never fails on what is in the term. */
int es_dbg_read(struct es_dbg *dbg, const uint8_t *bytes, size_t len, struct es_dbg_event *ret_event);

/* Parts of terms (dbgref.c). */
struct es_slice {
    const uint8_t *at, *end;
};
/* Elements of a tuple: how many, 0 where it is none or has more than `max`. */
uint32_t es_dbg_tuple(struct es_slice term, struct es_slice *ret_elements, uint32_t max);
bool es_dbg_is_atom(struct es_slice term, const char *text);
bool es_dbg_token(struct es_slice term, struct es_token *ret_token);
/* A reference for an atom, a pid, a port or another addressee; 0 for other terms. */
es_ref es_dbg_atom(struct es_dbg *dbg, struct es_slice term);
es_ref es_dbg_ref(struct es_dbg *dbg, struct es_slice term);
/* Hash of the reference that a message carries as a call, reply, 'DOWN' or timer message; 0 = none. */
uint64_t es_dbg_corr(struct es_slice message);

#endif
