/* SPDX-License-Identifier: MIT */
/* States of behaviours' processes, out of what their callbacks return. */
#ifndef ES_ENGINE_STATE_H
#define ES_ENGINE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/names.h"
#include "engine/process.h"
#include "store/event.h"
#include "store/table.h"

enum es_behaviour { ES_B_SERVER = 1, ES_B_STATEM = 2, ES_B_EVENT = 4 };

struct es_states {
    struct es_table modules; /* module -> set of es_behaviour */
    uint8_t *scratch;        /* the payloads made here, valid until the next one */
    size_t room;
};

void es_states_fini(struct es_states *states);

/* Room for `len` bytes in scratch. -ENOMEM. */
int es_states_reserve(struct es_states *states, size_t len);

/* A module and the list of its behaviours' names, a term. */
int es_states_module(struct es_states *states, const struct es_names *names, es_ref module, const uint8_t *term,
                     size_t len);

/* What kind of callback a function is. */
enum es_callback {
    ES_CB_NONE,
    ES_CB_INIT,
    ES_CB_HANDLE,
    ES_CB_CHANGE,
    ES_CB_REPLACE, /* of a behaviour itself: sys:replace_state/2, from outside */
    ES_CB_OTHER
};
struct es_callback_of {
    uint8_t callback, behaviour;
};
struct es_callback_of es_states_callback(const struct es_states *states, const struct es_names *names,
                                         const struct es_event *event);

enum es_version_what { ES_V_NONE, ES_V_NEW, ES_V_SAME, ES_V_MISSED };
struct es_version {
    uint8_t what, flags;  /* enum es_version_what; flags of the state's event */
    uint64_t hash, check; /* XXH3-128 of the encoded state: its lower half goes with the event */
    const uint8_t *state; /* the new version */
    uint32_t state_len;
    const uint8_t *value; /* what remains of the value, with a mark in the state's place */
    uint32_t value_len;
};
/* Reads the value that a callback returned and notes the version with its process. `what` is ES_V_NONE where it brings none. -ENOMEM. */
int es_states_read(struct es_states *states, const struct es_names *names, struct es_proc *proc,
                   const struct es_event *event, struct es_callback_of of, struct es_version *ret_version);

#endif
