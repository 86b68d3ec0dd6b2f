/* SPDX-License-Identifier: MIT */
/* What a process did with its time: ran, could have run, waited, collected garbage. Fed with its events in order. */
#ifndef ES_QUERY_LANE_H
#define ES_QUERY_LANE_H

#include "query/inner.h"

/* Sums in ns since an arbitrary moment: only differences mean something. */
struct es_clocks {
    int64_t running, runnable, waiting, gc;
};

enum es_lane_status { ES_LANE_UNKNOWN, ES_LANE_RUNNING, ES_LANE_OFF };

struct es_lane {
    struct es_clocks clocks;
    int64_t since;    /* of its status */
    int64_t woken;    /* OFF: first delivery since, INT64_MIN: none */
    int64_t off;      /* ns that nobody can name yet, see es_lane_event() */
    int64_t gc_since; /* INT64_MIN: it does not collect */
    uint8_t status;
};

void es_lane_init(struct es_lane *lane);
/* Takes one event of the process. From OUT to IN it waited until the first delivery and could have run from then on. Emulators
 * since OTP 21 tell of a delivery when the receiver looks, that is behind the IN: then it waited until that message was sent (`sent`, the
 * time of the delivery's cause; INT64_MIN: not known, then until the IN). Where neither was, it waited if a `receive … after` ended next,
 * else it had been taken off the scheduler. */
void es_lane_event(struct es_lane *lane, const struct es_event *event, int64_t sent);
/* The clocks at `now`, which is not before the last event. */
struct es_clocks es_lane_clocks(const struct es_lane *lane, int64_t now);

/* Is it of use to know when the cause of a delivery was? */
static inline bool es_lane_asks(const struct es_lane *lane) { return lane->status == ES_LANE_RUNNING && lane->off > 0; }

#endif
