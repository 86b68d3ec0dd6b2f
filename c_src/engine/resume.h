/* SPDX-License-Identifier: MIT */
/* What a new engine needs to go on where the old one was when it made its last commit: positions of the rings, a small state of its own,
 * and what was under way, rebuilt from the last keyframe and the events since. */
#ifndef ES_ENGINE_RESUME_H
#define ES_ENGINE_RESUME_H

#include "engine/drain.h"

/* Ends the store's group with a keyframe (frame.c). */
int es_keyframe_make(struct es_core *core);

/* Fills `position` for a commit; its memory belongs to `room` and is used again by the next call. */
struct es_position_room {
    struct es_ring_position *rings;
    uint8_t *blob;
    size_t blob_room;
};
int es_position_make(const struct es_drain *drain, struct es_position_room *room, struct es_store_position *position);
void es_position_fini(struct es_position_room *room);

/* Takes over: `path` is the recording that was resumed. Where its state cannot be read, the events go on all the same, and what was under
 * way stays unknown. */
int es_resume(struct es_drain *drain, const char *path);

/* Rebuilds processes, names and what is under way from the recording (replay.c). -EBADMSG: it makes no sense. */
int es_replay(struct es_core *core, const char *path);
/* What a keyframe holds, into a core that knows the living processes. -EBADMSG, -ENOMEM. */
int es_keyframe_load(struct es_core *core, const uint8_t *bytes, size_t len);

#endif
