/* SPDX-License-Identifier: MIT */
/* Bending the line; see clock.h. */
#include "engine/clock.h"

#include <string.h>

#define ONE 4294967296.0         /* 1.0 with 32 binary places */
#define LIMIT (INT64_C(1) << 61) /* no time lies beyond: 73 years */
#define CLOSE_NS 1e6             /* calibrations nearer to each other say nothing about the rate */
#define RATE_NS 50e6             /* two so far apart do */
#define BASE_NS 30e9             /* the rate is that of the last 30 to 60 s */
#define BEND_NS 100e6            /* a deviation is made good within this, if it is small */
#define OWN_NS 5000000u          /* our own measurement counts from 5 ms on */

__extension__ typedef unsigned __int128 wide;

static int64_t within(int64_t time) { return time > LIMIT ? LIMIT : time < -LIMIT ? -LIMIT : time; }

/* `ticks` times `slope` in ns, or the limit. */
static int64_t span(uint64_t ticks, uint64_t slope)
{
    wide ns = ((wide)ticks * slope) >> 32;
    return ns > (wide)LIMIT ? LIMIT : (int64_t)ns;
}

int64_t es_clock_map_line(const struct es_clock_map *map, uint64_t stamp)
{
    if (stamp >= map->from)
        return within(map->time + span(stamp - map->from, map->slope));
    return within(map->time - span(map->from - stamp, map->slope));
}

static double per_tick(uint64_t slope) { return (double)slope / ONE; }

/* A slope that does not run backwards nor run away, whatever a calibration says. */
static uint64_t sane(double slope, double rate)
{
    double least = rate / 2, most = rate * 2;
    slope = slope >= least ? slope : least; /* also where it is no number */
    return (uint64_t)((slope <= most ? slope : most) * ONE);
}

/* How far the time at `stamp` is behind what the last calibration says. Differences first: a double has too few places for the times. */
static double deviation(const struct es_clock_map *map, uint64_t stamp, int64_t time)
{
    double ticks = stamp >= map->known.stamp ? (double)(stamp - map->known.stamp) : -(double)(map->known.stamp - stamp);
    return (double)(map->known.mono - time) + ticks * per_tick(map->rate);
}

/* The piece that begins at `stamp`, where the line has come to `time`. */
static void plan(struct es_clock_map *map, uint64_t stamp, int64_t time)
{
    double rate = per_tick(map->rate);
    map->from = stamp;
    map->time = within(time);
    if (map->n_ahead > 0) {
        const struct es_clock_point *next = &map->ahead[0];
        map->slope = sane((double)(next->mono - map->time) / (double)(next->stamp - stamp), rate);
        map->until = next->stamp;
        return;
    }
    double off = deviation(map, stamp, map->time);
    map->slope = map->rate;
    map->until = UINT64_MAX;
    if (off > -1.0 && off < 1.0)
        return;
    double most = (off < 0 ? -off : off) * 2;
    double ticks = (most > BEND_NS ? most : BEND_NS) / rate;
    map->slope = sane(rate + off / ticks, rate);
    if (ticks < 1e18 && (uint64_t)ticks < UINT64_MAX - stamp)
        map->until = stamp + (uint64_t)ticks;
}

static void learn_rate(struct es_clock_map *map)
{
    double nominal = per_tick(map->nominal), ticks = (double)(map->known.stamp - map->base.stamp);
    if (ticks * nominal < RATE_NS)
        return;
    map->rate = sane((double)(map->known.mono - map->base.mono) / ticks, nominal);
    map->measured = true;
    if ((double)(map->known.stamp - map->mid.stamp) * nominal > BASE_NS) {
        map->base = map->mid;
        map->mid = map->known;
    }
}

static void reached(struct es_clock_map *map, struct es_clock_point point)
{
    map->known = point;
    learn_rate(map);
}

void es_clock_map_turn(struct es_clock_map *map, uint64_t stamp)
{
    while (stamp >= map->until && map->until != UINT64_MAX) {
        uint64_t from = map->until;
        int64_t time = es_clock_map_line(map, from);
        while (map->n_ahead > 0 && map->ahead[0].stamp <= from) {
            reached(map, map->ahead[0]);
            memmove(map->ahead, map->ahead + 1, --map->n_ahead * sizeof map->ahead[0]);
        }
        plan(map, from, time);
    }
}

/* Bends from the last stamp on that was mapped. */
static void plan_again(struct es_clock_map *map)
{
    uint64_t stamp = map->frontier > map->from ? map->frontier : map->from;
    plan(map, stamp, es_clock_map_line(map, stamp));
}

void es_clock_map_init(struct es_clock_map *map, enum es_clock clock, uint64_t rate)
{
    *map = (struct es_clock_map){.exact = clock != ES_CLOCK_COUNTER, .until = UINT64_MAX};
    double ticks = rate < 1000000 || map->exact ? 1e9 : rate > UINT64_C(100000000000) ? 1e11 : (double)rate;
    map->nominal = map->rate = map->slope = (uint64_t)(1e9 / ticks * ONE);
}

void es_clock_map_add(struct es_clock_map *map, uint64_t stamp, int64_t mono)
{
    struct es_clock_point point = {.stamp = stamp, .mono = within(mono)};
    if (!map->started) {
        map->started = true;
        map->base = map->mid = map->known = point;
        map->from = stamp;
        map->time = point.mono;
        return;
    }
    const struct es_clock_point *last = map->n_ahead ? &map->ahead[map->n_ahead - 1] : &map->known;
    if (stamp <= last->stamp || (double)(stamp - last->stamp) * per_tick(map->rate) < CLOSE_NS)
        return;
    if (stamp > map->frontier && stamp > map->from) {
        if (map->n_ahead < ES_CLOCK_AHEAD)
            map->n_ahead++;
        map->ahead[map->n_ahead - 1] = point;
        if (map->n_ahead > 1)
            return;
    } else {
        reached(map, point);
    }
    plan_again(map);
}

void es_clock_map_measure(struct es_clock_map *map, uint64_t stamp, uint64_t os)
{
    if (map->exact || map->measured)
        return;
    if (map->own_os == 0) {
        map->own_stamp = stamp;
        map->own_os = os;
    }
    if (os < map->own_os + OWN_NS || stamp <= map->own_stamp)
        return;
    map->rate = sane((double)(os - map->own_os) / (double)(stamp - map->own_stamp), per_tick(map->nominal));
    if (map->started && map->n_ahead == 0)
        plan_again(map);
}

bool es_clock_map_valid(const struct es_clock_map *map)
{
    bool ok = map->n_ahead <= ES_CLOCK_AHEAD && map->until > map->from && map->time == within(map->time) &&
              map->nominal > 0 && map->nominal <= UINT64_C(1000) << 32 && map->rate > map->nominal / 4 &&
              map->rate <= map->nominal * 2 && map->slope > map->rate / 16 && map->slope <= map->rate * 16;
    uint64_t before = map->from;
    for (uint32_t i = 0; ok && i < map->n_ahead; i++) {
        ok = map->ahead[i].stamp > before && map->ahead[i].mono == within(map->ahead[i].mono);
        before = map->ahead[i].stamp;
    }
    return ok && map->known.mono == within(map->known.mono) &&
           (map->n_ahead == 0 || map->until == map->ahead[0].stamp) && map->base.stamp <= map->known.stamp &&
           map->mid.stamp <= map->known.stamp;
}
