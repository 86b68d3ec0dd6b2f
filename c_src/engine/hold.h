/* SPDX-License-Identifier: MIT */
/* Events that wait: a delivery stamped before its send because two cores' clocks differ a little, and what its process did after it. All
 * others go on meanwhile. The wait is some microseconds of stamps, not of our time. */
#ifndef ES_ENGINE_HOLD_H
#define ES_ENGINE_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/process.h"
#include "wire/term.h"

struct es_core;
struct es_input;
struct es_held;

#define ES_HELD_MAX 4096u
#define ES_HELD_BYTES (16u << 20)

struct es_hold {
    struct es_held *items; /* in the order they came */
    uint32_t n, room;
    size_t bytes;  /* of payloads */
    uint64_t next; /* key from which on it is worth looking through them */
    uint32_t scan;
    bool overdue,
        stuck; /* of the last scan: one has waited long enough, but what it waits for waits too; nothing else moves */
};

void es_hold_fini(struct es_hold *hold);

/* Keeps a copy. `wait`: ticks that it may wait for its own cause; 0: it only waits for an earlier event of its process. */
int es_hold_push(struct es_core *core, struct es_proc *proc, const struct es_input *in, uint64_t wait);

/* The order has come to `key`: lets go what has waited long enough, or finds now what it waited for. */
int es_hold_release(struct es_core *core, uint64_t key);

/* Whether this process's exit waits, and happened at or before this time. */
bool es_hold_has_exit(const struct es_hold *hold, es_ref pid, int64_t time);

/* `from` has sent something to `to` (0: to somebody): who waits for that is worth looking at. */
void es_hold_poke(struct es_core *core, es_ref from, es_ref to);

/* What waits belongs to the state that a new engine must find. */
size_t es_hold_size(const struct es_hold *hold);
void es_hold_save(const struct es_hold *hold, struct es_writer *w);
int es_hold_load(struct es_core *core, struct es_reader *r);

#endif
