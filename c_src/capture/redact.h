/* SPDX-License-Identifier: MIT */
/* The rules for secrets, copied out of the arena and hashed. What they say is decided here, before a byte leaves the VM. */
#ifndef ES_CAPTURE_REDACT_H
#define ES_CAPTURE_REDACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/arena.h"

#define ES_REDACT_SLOTS 512

struct es_redact {
    uint64_t lengths[3];            /* by enum es_redact_kind: bit n: there is a rule of n bytes; 0: there is none */
    uint16_t slot[ES_REDACT_SLOTS]; /* by hash of kind and text: number of a rule, from 1 */
    struct es_redact_rule rule[ES_REDACT_MAX];
};

/* Takes the rules of an arena's head. */
void es_redact_init(struct es_redact *redact, const struct es_arena_head *head);

/* Whether there is a rule of this kind for a text of `len` bytes at all: cheap, to be asked first. */
static inline bool es_redact_may(const struct es_redact *redact, enum es_redact_kind kind, size_t len)
{
    return len <= ES_REDACT_TEXT && ((redact->lengths[kind] >> len) & 1);
}

/* Whether a rule of this kind has this text: keys without case, structs exactly. */
bool es_redact_match(const struct es_redact *redact, enum es_redact_kind kind, const void *text, size_t len);

#endif
