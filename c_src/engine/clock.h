/* SPDX-License-Identifier: MIT */
/* From stamps to Erlang monotonic time: pieces of straight lines, each of which begins where the one before ended. A time that was given
 * stays right: later calibrations bend what follows, never what was. */
#ifndef ES_ENGINE_CLOCK_H
#define ES_ENGINE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/clock.h"

struct es_clock_point {
    uint64_t stamp;
    int64_t mono;
};
#define ES_CLOCK_AHEAD 16u

struct es_clock_map {
    uint64_t from, until;   /* stamps of the piece in use; until UINT64_MAX: no end known */
    int64_t time;           /* at `from` */
    uint64_t slope;         /* ns a tick, 32 binary places */
    uint64_t frontier;      /* greatest stamp mapped so far */
    uint64_t rate, nominal; /* ns a tick: best known, and what it was said to be */
    struct es_clock_point base, mid,
        known; /* rate is measured from `base` to `known`, the last calibration behind the frontier */
    struct es_clock_point ahead[ES_CLOCK_AHEAD]; /* calibrations that are published, but not reached yet */
    uint32_t n_ahead;
    bool started, exact;        /* exact: stamps are nanoseconds of the system's clock */
    bool measured;              /* rate comes from calibrations */
    uint64_t own_stamp, own_os; /* where our own measurement of the rate began */
};

void es_clock_map_init(struct es_clock_map *map, enum es_clock clock, uint64_t rate);

/* A calibration: Erlang's time was `mono` at `stamp`. In order of stamps; what is not later than the one before is ignored. */
void es_clock_map_add(struct es_clock_map *map, uint64_t stamp, int64_t mono);

/* Both clocks read by ourselves at one moment: gives the rate until calibrations do. */
void es_clock_map_measure(struct es_clock_map *map, uint64_t stamp, uint64_t os);

/* True where what was read back from a file makes sense. */
bool es_clock_map_valid(const struct es_clock_map *map);

void es_clock_map_turn(struct es_clock_map *map, uint64_t stamp); /* goes on to the piece of this stamp */
int64_t es_clock_map_line(const struct es_clock_map *map, uint64_t stamp);

/* Time of a stamp; never falls while stamps rise. */
static inline int64_t es_clock_map_time(struct es_clock_map *map, uint64_t stamp)
{
    if (__builtin_expect(stamp >= map->until, 0))
        es_clock_map_turn(map, stamp);
    if (stamp > map->frontier)
        map->frontier = stamp;
    uint64_t ticks = stamp - map->from;
    if (__builtin_expect(ticks >> 31 == 0 && map->slope >> 33 == 0, 1))
        return map->time + (int64_t)((ticks * map->slope) >> 32);
    return es_clock_map_line(map, stamp);
}

#endif
