/* SPDX-License-Identifier: MIT */
/* Telling what is missing. */
#ifndef ES_ENGINE_GAP_H
#define ES_ENGINE_GAP_H

#include "engine/core.h"

struct es_gap {
    int64_t from, to, time;     /* time: of the event that tells it */
    uint64_t lost[ES_KIND_MAX]; /* of kind NONE: it is not known what */
    const char *why;
};

/* Writes the event #{from => T, to => T, lost => #{kind => N}} and the sums; deliveries around it are in doubt from now on. Nothing where
 * nothing is lost. */
int es_gap_tell(struct es_core *core, const struct es_gap *gap);

#endif
