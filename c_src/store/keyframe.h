/* SPDX-License-Identifier: MIT */
/* A keyframe as the engine makes it at the beginning of each group: what the engine itself needs to take over (sends under way, mailboxes, links),
 * and the world, which readers need. docs/format.md has the layout. */
#ifndef ES_STORE_KEYFRAME_H
#define ES_STORE_KEYFRAME_H

#include <stddef.h>
#include <stdint.h>

#include "store/buf.h"

struct es_keyframe_part {
    const uint8_t *bytes;
    size_t len;
};
struct es_keyframe_parts {
    struct es_keyframe_part own;   /* the engine's own, see engine/frame.c */
    struct es_keyframe_part world; /* es_world_save(); len 0: left out, because it did not fit */
};

/* Appends. -ENOMEM. */
int es_keyframe_join(const struct es_keyframe_parts *parts, struct es_buf *buf);
/* Pointers into `bytes`. Where len is 0 (the first group) both are empty. -EBADMSG. */
int es_keyframe_split(const uint8_t *bytes, size_t len, struct es_keyframe_parts *ret_parts);

#endif
