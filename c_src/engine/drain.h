/* SPDX-License-Identifier: MIT */
/* The rings of a session as a source of events in order. A look tells what is published and up to which stamp nothing older can come any
 * more (the watermark); a run hands all below it to the core, smallest stamp first. */
#ifndef ES_ENGINE_DRAIN_H
#define ES_ENGINE_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/clock.h"
#include "engine/core.h"
#include "wire/arena.h"

#define ES_NOWHERE UINT64_MAX

struct es_foresight {
    uint64_t at; /* a position between `next` and `scanned`, or one before */
    uint32_t n;  /* records from `next` up to there */
};

struct es_source { /* a ring, as read */
    struct es_ring *ring;
    uint32_t index, generation;
    bool used; /* a thread has written to it once */
    uint16_t thread;
    uint64_t next;                 /* first record not handed on: all before it was */
    struct es_foresight far, near; /* see foresee.c */
    uint64_t scanned;              /* up to here it was looked at for definitions and for its shape */
    uint64_t committed;            /* all before it is in the file */
    uint64_t bad_at, bad_to;       /* what is between makes no sense; ES_NOWHERE: all does */
    uint64_t bound;                /* nothing with a smaller stamp will be published */
    uint64_t last_stamp;           /* of what was scanned */
    uint64_t key;                  /* place in the order of the record at `next`: its stamp, but never falling */
    uint64_t told[ES_KIND_MAX];    /* losses the recording tells already */
    uint64_t ahead;                /* of them that matter for pairing: in records that are scanned, but not handed on */
    uint64_t loss_from;            /* stamp from which on such are lost, as those records say; ES_NOWHERE: none are */
    uint64_t untold_from;          /* the same of losses that only the counters know yet */
    uint32_t malformed;
};

struct es_drain {
    struct es_arena *arena;
    struct es_core *core;
    struct es_clock_map clock;
    struct es_source *sources;
    uint32_t n;
    uint32_t *heap, n_heap;  /* sources with something below the watermark, the smallest key first */
    uint64_t margin;         /* 10 us in ticks */
    uint64_t watermark;      /* everything below can be given its place */
    uint64_t given;          /* everything below has it: who comes now is late */
    uint64_t unclaimed_told; /* losses of threads without a ring */
    uint64_t losing_from;    /* the smallest loss_from or untold_from of all */
    uint64_t first_seen;     /* our stamp when events waited for a first calibration */
    bool wall_known, uncalibrated;
};

/* What a record says before it is read as a whole. */
struct es_peek {
    uint64_t stamp;
    uint32_t size;
    uint8_t kind;
};
static inline struct es_peek es_peek_at(const struct es_source *source, uint64_t position)
{
    const struct es_record *record = (const struct es_record *)(const void *)es_ring_at(source->ring, position);
    return (struct es_peek){.stamp = record->stamp, .size = record->size, .kind = record->kind};
}
/* `latest`: nobody can have stamped later than that yet. */
static inline bool es_peek_is_sound(const struct es_peek *peek, uint64_t left, uint64_t latest)
{
    return left >= sizeof(struct es_record) && peek->size >= sizeof(struct es_record) && peek->size <= left &&
           peek->size <= ES_RECORD_MAX && peek->size % 8 == 0 && peek->kind != ES_K_NONE && peek->kind < ES_KIND_MAX &&
           peek->stamp <= latest;
}

int es_drain_init(struct es_drain *drain, struct es_arena *arena, struct es_core *core);
void es_drain_fini(struct es_drain *drain);

/* Looks at all rings. `all`: nobody writes any more, the watermark is behind everything. */
int es_drain_look(struct es_drain *drain, bool all);

/* Hands on what is below the watermark, about `max` records at most; *ret_more: there is more. */
int es_drain_run(struct es_drain *drain, uint32_t max, bool *ret_more);

/* Greatest part of a ring, in 1/256, that is read but not given back, and whether any of it is. */
unsigned es_drain_unreleased(const struct es_drain *drain, bool *ret_any);

/* After a commit: gives the memory back to the writers. `positions` were committed. */
void es_drain_release(struct es_drain *drain);

/* ---- order.c: which record is next ---- */
void es_order_build(struct es_drain *drain);
/* The source with the smallest key, and *ret_until: up to here its records come before all others'. NULL: nothing is left. */
struct es_source *es_order_first(const struct es_drain *drain, uint64_t *ret_until);
/* The key of the first source changed; `gone`: it has nothing left below the watermark. */
void es_order_changed(struct es_drain *drain, bool gone);

/* ---- foresee.c: what the next records of a ring will need ---- */
void es_foresee(const struct es_drain *drain, struct es_source *source);

/* ---- gap.c: what is missing (gap.h: the rest of it) ---- */
int es_gap_lost(struct es_drain *drain, struct es_source *source, const struct es_record_view *view);
int es_gap_malformed(struct es_drain *drain, struct es_source *source);
/* A record of losses lies ahead. */
void es_gap_scanned(struct es_source *source, const struct es_record_view *view);
/* After a look: from where on messages are being lost. What the counters say and no record yet was lost behind all that is published. */
void es_gap_look(struct es_drain *drain);
/* What the rings' counters say and no record told, at the end. */
int es_gap_rest(struct es_drain *drain);
int es_gap_unclaimed(struct es_drain *drain, uint64_t since);

/* ---- facts.c: what the VM says of itself ---- */
int es_vm_facts(struct es_core *core, const uint8_t *term, size_t len);

#endif
