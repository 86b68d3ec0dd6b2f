/* SPDX-License-Identifier: MIT */
/* The offset between two clocks; see merge_clock.h. Numbers are taken relative to the first bound, so that they are exact as doubles. */
#include "query/merge_clock.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/error.h"

#define DRIFT_MAX 0.011    /* of an emulator that corrects its clock */
#define DRIFT_USUAL 0.0005 /* of a machine's clock that is corrected by the system */
#define STEPS 200

const char *const es_clock_how_names[ES_CLOCK_HOW_MAX] = {"same clock", "given", "messages", "wall clocks",
                                                          "wall clocks and messages one way"};

static int64_t minus(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }
static int64_t plus(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }

/* ---- the bounds that count: corners of a hull ---------------------------------------------------------------------- */

struct point {
    double t, v;
};
struct hull {
    struct point *points;
    size_t n;
};
struct band {
    struct hull least, most; /* of lower bounds the upper hull, of upper ones the lower hull */
    int64_t t0, v0;
};

/* Is b on or inside of the line from a to c? `side` 1: an upper hull. */
static bool is_inside(struct point a, struct point b, struct point c, int side)
{
    double cross = (b.t - a.t) * (c.v - a.v) - (b.v - a.v) * (c.t - a.t);
    return side > 0 ? cross >= 0 : cross <= 0;
}

static void add_point(struct hull *hull, struct point p, int side)
{
    struct point *last = hull->n ? &hull->points[hull->n - 1] : NULL;
    if (last && last->t == p.t) {
        if (side > 0 ? last->v >= p.v : last->v <= p.v)
            return;
        hull->n--;
    }
    while (hull->n >= 2 && is_inside(hull->points[hull->n - 2], hull->points[hull->n - 1], p, side))
        hull->n--;
    hull->points[hull->n++] = p;
}

static int band_init(struct band *band, const struct es_clock_bound *bounds, size_t n)
{
    *band = (struct band){.t0 = bounds[0].at, .v0 = bounds[0].offset};
    band->least.points = malloc((n + 1) * sizeof(struct point));
    band->most.points = malloc((n + 1) * sizeof(struct point));
    if (!band->least.points || !band->most.points)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        struct point p = {(double)minus(bounds[i].at, band->t0), (double)minus(bounds[i].offset, band->v0)};
        add_point(bounds[i].most ? &band->most : &band->least, p, bounds[i].most ? -1 : 1);
    }
    return 0;
}

static void band_fini(struct band *band)
{
    free(band->least.points);
    free(band->most.points);
}

/* ---- lines of a given drift ---------------------------------------------------------------------------------------- */

/* Where such a line must pass at time t at least, and at most. */
static double floor_at(const struct band *band, double drift, double t)
{
    double best = -INFINITY;
    for (size_t i = 0; i < band->least.n; i++)
        best = fmax(best, band->least.points[i].v + drift * (t - band->least.points[i].t));
    return best;
}

static double ceiling_at(const struct band *band, double drift, double t)
{
    double best = INFINITY;
    for (size_t i = 0; i < band->most.n; i++)
        best = fmin(best, band->most.points[i].v + drift * (t - band->most.points[i].t));
    return best;
}

/* Room for lines of this drift; negative: there is none. Concave in the drift. */
static double room_of(const struct band *band, double drift)
{
    return ceiling_at(band, drift, 0) - floor_at(band, drift, 0);
}

static double widest(const struct band *band)
{
    double from = -DRIFT_MAX, to = DRIFT_MAX;
    for (int i = 0; i < STEPS; i++) {
        double a = from + (to - from) / 3, b = to - (to - from) / 3;
        if (room_of(band, a) < room_of(band, b))
            from = a;
        else
            to = b;
    }
    return (from + to) / 2;
}

/* The drift nearest to `to` of which there are lines. */
static double edge(const struct band *band, double inside, double to)
{
    if (room_of(band, to) >= 0)
        return to;
    for (int i = 0; i < STEPS; i++) {
        double middle = (inside + to) / 2;
        if (room_of(band, middle) >= 0)
            inside = middle;
        else
            to = middle;
    }
    return inside;
}

/* How high (sign 1) or low (-1) any line can pass at t. Concave, or convex, in the drift. */
static double extreme_at(const struct band *band, double t, double from, double to, int sign)
{
    for (int i = 0; i < STEPS; i++) {
        double a = from + (to - from) / 3, b = to - (to - from) / 3;
        bool rises =
            sign > 0 ? ceiling_at(band, a, t) < ceiling_at(band, b, t) : floor_at(band, a, t) > floor_at(band, b, t);
        if (rises)
            from = a;
        else
            to = b;
    }
    return sign > 0 ? ceiling_at(band, (from + to) / 2, t) : floor_at(band, (from + to) / 2, t);
}

/* ---- one line ------------------------------------------------------------------------------------------------------ */

struct line {
    bool holds;
    double drift, at_begin; /* offset relative to v0 at t0 */
    double doubt;           /* half the width where it is widest */
};

static double width_at(const struct band *band, double t, double low, double high)
{
    return extreme_at(band, t, low, high, 1) - extreme_at(band, t, low, high, -1);
}

/* No drift where none is needed: the clocks of most machines are as good as that in the time of a recording. */
static void find_line(const struct band *band, double end, struct line *ret)
{
    *ret = (struct line){.drift = 0};
    double room = room_of(band, 0);
    if (room < 0) {
        ret->drift = widest(band);
        room = room_of(band, ret->drift);
        if (room < 0)
            return;
    }
    ret->holds = true;
    double least = floor_at(band, ret->drift, 0), most = ceiling_at(band, ret->drift, 0);
    ret->at_begin = isinf(least) ? most : isinf(most) ? least : least + (most - least) / 2;
    ret->doubt = isinf(room) ? -1 : room / 2;
    if (ret->drift != 0 && !isinf(room)) {
        double low = edge(band, ret->drift, -DRIFT_MAX), high = edge(band, ret->drift, DRIFT_MAX);
        ret->doubt = fmax(width_at(band, 0, low, high), width_at(band, end, low, high)) / 2;
    }
}

/* ---- all bounds ---------------------------------------------------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
    const struct es_clock_bound *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

static int try_line(const struct es_clock_bound *bounds, size_t n, struct line *ret, struct es_clock_piece *ret_piece)
{
    struct band band;
    int rc = band_init(&band, bounds, n);
    if (rc == 0) {
        find_line(&band, (double)minus(bounds[n - 1].at, bounds[0].at), ret);
        *ret_piece = (struct es_clock_piece){
            .from = band.t0, .offset = plus(band.v0, llround(ret->holds ? ret->at_begin : 0)), .drift = ret->drift};
    }
    band_fini(&band);
    return rc;
}

/* The longest run of bounds from the first on that one line satisfies. */
static int longest(const struct es_clock_bound *bounds, size_t n, struct line *line, struct es_clock_piece *piece,
                   size_t *ret_n)
{
    size_t good = 1, bad = n + 1;
    struct line tried;
    struct es_clock_piece made;
    int rc = try_line(bounds, 1, line, piece);
    for (size_t step = 2; rc == 0 && good + 1 < bad;) {
        size_t next = bad > n ? (step < n ? step : n) : good + (bad - good) / 2;
        rc = try_line(bounds, next, &tried, &made);
        if (rc == 0 && tried.holds) {
            good = next;
            *line = tried;
            *piece = made;
            if (next == n)
                break;
        } else {
            bad = next;
        }
        step = next * 2;
    }
    *ret_n = good;
    return rc;
}

static uint64_t count_broken(const struct es_clock_fit *fit, const struct es_clock_bound *bounds, size_t n)
{
    uint64_t broken = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t offset = minus(es_clock_map(fit, bounds[i].at), bounds[i].at);
        bool beyond = bounds[i].most ? offset > bounds[i].offset : offset < bounds[i].offset;
        broken +=
            beyond && minus(offset, bounds[i].offset) != 1 && minus(offset, bounds[i].offset) != -1; /* rounding */
    }
    return broken;
}

/* Nothing holds: the offset that breaks as few as any does, from the middle of what is asked for. */
static void give_up(const struct es_clock_bound *bounds, size_t n, struct es_clock_fit *fit)
{
    int64_t least = INT64_MIN, most = INT64_MAX;
    for (size_t i = 0; i < n; i++) {
        if (bounds[i].most && bounds[i].offset < most)
            most = bounds[i].offset;
        if (!bounds[i].most && bounds[i].offset > least)
            least = bounds[i].offset;
    }
    fit->n = 1;
    fit->pieces[0] = (struct es_clock_piece){.from = bounds[0].at, .offset = plus(most, minus(least, most) / 2)};
    fit->uncertainty = plus(minus(least, most) / 2, 1);
}

static int solve_pieces(const struct es_clock_bound *bounds, size_t n, struct es_clock_fit *fit)
{
    double doubt = 0;
    for (size_t at = 0, used = 0; at < n; at += used) {
        struct line line;
        if (fit->n == ES_CLOCK_PIECES) {
            give_up(bounds, n, fit);
            return 0;
        }
        int rc = longest(bounds + at, n - at, &line, &fit->pieces[fit->n], &used);
        if (rc < 0)
            return rc;
        fit->n++;
        doubt = line.doubt > doubt ? line.doubt : doubt;
    }
    fit->uncertainty = (int64_t)ceil(doubt);
    return 0;
}

/* All bounds hold for one line, with no more drift than is usual. */
static int solve_plain(const struct es_clock_bound *bounds, size_t n, struct es_clock_fit *fit, bool *ret_done)
{
    struct line line;
    int rc = try_line(bounds, n, &line, &fit->pieces[0]);
    *ret_done = rc == 0 && line.holds && fabs(line.drift) <= DRIFT_USUAL;
    fit->n = *ret_done;
    fit->uncertainty = (int64_t)ceil(line.doubt);
    return rc;
}

static int solve_both_ways(const struct es_clock_bound *bounds, size_t n, struct es_clock_fit *fit)
{
    bool done;
    size_t n_kept = 0;
    int rc = solve_plain(bounds, n, fit, &done);
    if (rc < 0 || done)
        return rc;
    struct es_clock_bound *kept = malloc((n + 1) * sizeof *kept);
    rc = kept ? es_clock_believe(bounds, n, kept, &n_kept) : -ENOMEM;
    if (rc == 0)
        rc = solve_pieces(kept, n_kept, fit);
    free(kept);
    return rc;
}

/* Messages of one direction, or none: the wall clocks as far as these allow. */
static void solve_one_way(const struct es_clock_bound *bounds, size_t n, const struct es_clock_hint *hint,
                          struct es_clock_fit *fit)
{
    int64_t offset = hint->has_wall ? hint->wall : n > 0 ? bounds[0].offset : 0;
    for (size_t i = 0; i < n; i++)
        if (bounds[i].most ? bounds[i].offset < offset : bounds[i].offset > offset)
            offset = bounds[i].offset;
    es_clock_fixed(offset, n > 0 ? ES_CLOCK_HOW_ONE_WAY : ES_CLOCK_HOW_WALL, fit);
    fit->uncertainty = -1;
}

int es_clock_solve(struct es_clock_bound *bounds, size_t n, const struct es_clock_hint *hint,
                   struct es_clock_fit *ret_fit)
{
    uint64_t sides[2] = {0, 0};
    int rc = 0;
    for (size_t i = 0; i < n; i++)
        sides[bounds[i].most]++;
    *ret_fit = (struct es_clock_fit){.how = ES_CLOCK_HOW_MESSAGES};
    if (n > 0)
        qsort(bounds, n, sizeof *bounds, by_time);
    if (sides[0] == 0 || sides[1] == 0)
        solve_one_way(bounds, n, hint, ret_fit);
    else
        rc = solve_both_ways(bounds, n, ret_fit);
    ret_fit->bounds[0] = sides[0];
    ret_fit->bounds[1] = sides[1];
    if (rc < 0)
        return es_fail(rc, "no memory for the clocks");
    ret_fit->contradictions = count_broken(ret_fit, bounds, n);
    return 0;
}

void es_clock_fixed(int64_t offset, enum es_clock_how how, struct es_clock_fit *ret_fit)
{
    *ret_fit = (struct es_clock_fit){.n = 1, .how = (uint8_t)how, .uncertainty = how == ES_CLOCK_HOW_SAME ? 0 : -1};
    ret_fit->pieces[0].offset = offset;
}

int64_t es_clock_map(const struct es_clock_fit *fit, int64_t time)
{
    size_t i = fit->n - 1;
    while (i > 0 && fit->pieces[i].from > time)
        i--;
    const struct es_clock_piece *piece = &fit->pieces[i];
    int64_t drifted = piece->drift != 0 ? llround(piece->drift * (double)minus(time, piece->from)) : 0;
    return plus(plus(time, piece->offset), drifted);
}
