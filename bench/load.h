/* SPDX-License-Identifier: MIT */
/* What the loads of bench_engine.c share. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "../test/c/engine/writer.h"

#define RINGS 2u
#define PROCESSES 10000u
#define FUNCTIONS 200u

/* A number below n, the same in every run. */
uint32_t dice(uint32_t n);

static inline es_ref pid_of(uint32_t i) { return es_ref_pid(100 + i, 0); }
static inline es_ref atom_of(uint32_t i) { return es_ref_make(ES_REF_ATOM, 0x1000b + 64u * i); }

struct load {
    const char *name;
    void (*begin)(struct writer *writers); /* clock and what is particular to it; NULL: the clock alone, as it is */
    void (*step)(struct writer *w, uint64_t i);
    uint32_t room; /* bytes that a step needs at most */
};

/* Everything at once (load_all.c): 10,000 processes, half of them servers; a sixth deliveries; 40 bytes of payload on half of the events;
 * calls with returns, callbacks that handle what was delivered, requests and replies, scheduling, collections, spawns and exits; and a
 * hundred versions a second of states of 50 kB with one field changed, at 1.5 M events a second. */
extern const struct load load_all;

#endif
