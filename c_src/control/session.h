/* SPDX-License-Identifier: MIT */
/* The shared memory of a session, made after what the VM said of itself. */
#ifndef ES_CONTROL_SESSION_H
#define ES_CONTROL_SESSION_H

#include "control/agentlink.h"
#include "wire/arena.h"
#include "wire/sessiondir.h"

#define ES_RING_DEFAULT (UINT64_C(64) << 20) /* where memory is plentiful … */
#define ES_RING_DEFAULT_LEAST (UINT64_C(16) << 20)

struct es_redaction {
    enum es_redact_kind kind;
    const char *text;
};
extern const char *const es_redact_default[]; /* keys, ends with NULL */

struct es_session_options {
    uint64_t ring_bytes; /* of a scheduler's ring, 0 = as memory allows: see ES_RING_DEFAULT */
    const struct es_redaction *redact;
    size_t n_redact;
    bool default_redaction;
    int64_t payload_bytes, state_bytes; /* -1 = the arena's defaults */
    bool whole_states;                  /* no limit on a state's elements, depth and terms but the bytes */
};

/* Makes the arena and says in `dir` where it is. With a cause: -ENOSPC where not even the smallest rings fit. `arena->shrunk`: they are
 * smaller than wanted. */
int es_session_arena(struct es_session_dir *dir, const struct es_hello *hello, const struct es_session_options *options,
                     uid_t owner, struct es_arena *ret_arena);

#endif
