/* SPDX-License-Identifier: MIT */
/* From the columns of a block to the events of some processes: only what is in order of process is looked at, and of that only their part. */
#include <errno.h>

#include "base/error.h"
#include "store/decode.h"

#define BIT(id) ((uint64_t)1 << (id))
#define TABLES (BIT(ES_C_REFS) | BIT(ES_C_COUNTS))
#define EVENTS (TABLES | BIT(ES_C_STEPS) | BIT(ES_C_STEPS_HIGH) | BIT(ES_C_KINDS))

uint64_t es_block_lane_columns(const struct es_lanes_request *request)
{
    return TABLES | (request->n ? EVENTS : 0) | (request->times ? ES_TIME_COLUMNS : 0);
}

void es_block_lanes_fini(struct es_block_lanes *lanes)
{
    free(lanes->starts);
    free(lanes->places);
    free(lanes->kinds);
    free(lanes->times);
    *lanes = (struct es_block_lanes){0};
}

/* ---- times --------------------------------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) uint64_t time_at(const void *times, bool wide, uint32_t i)
{
    return wide ? ((const uint64_t *)times)[i] : ((const uint32_t *)times)[i];
}

/* Those of the part, since that of its first. False where they fall. */
static inline __attribute__((always_inline)) bool cut_times(void *times, bool wide, struct es_block_part part)
{
    uint64_t base = time_at(times, wide, part.first);
    bool falls = false;
    for (uint32_t i = 0; part.first > 0 && i < part.n; i++) {
        uint64_t time = time_at(times, wide, part.first + i) - base;
        if (wide)
            ((uint64_t *)times)[i] = time;
        else
            ((uint32_t *)times)[i] = (uint32_t)time;
    }
    for (uint32_t i = 1; i < part.n; i++)
        falls |= time_at(times, wide, i) < time_at(times, wide, i - 1);
    return !falls;
}

static int decode_times(struct es_decoder *d, struct es_block_part part, struct es_block_lanes *lanes)
{
    lanes->wide = (uint64_t)d->info->last_time - (uint64_t)d->info->first_time > UINT32_MAX;
    lanes->times = malloc(d->n * (lanes->wide ? sizeof(uint64_t) : sizeof(uint32_t)));
    int r = lanes->times ? es_decode_times(d, lanes->wide, lanes->times) : es_fail(-ENOMEM, "no memory for times");
    if (r < 0)
        return r;
    bool rise = lanes->wide ? cut_times(lanes->times, true, part) : cut_times(lanes->times, false, part);
    return rise ? 0 : es_fail(-EBADMSG, "the times run backwards");
}

/* ---- events -------------------------------------------------------------------------------------------------------- */

/* Where the events of a process begin in order of process, and how many there are. */
struct run {
    uint32_t first, n;
};

static struct run find_run(const struct es_decoder *d, es_ref pid)
{
    uint32_t from = 0, to = d->n_refs;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (d->refs[middle] < pid)
            from = middle + 1;
        else
            to = middle;
    }
    return from < d->n_refs && d->refs[from] == pid ? (struct run){d->places[from], d->counts[from]} : (struct run){0};
}

/* Those of the run that are in the part; the number of them, or -EBADMSG. */
static int64_t put_run(const struct es_decoder *d, struct run run, struct es_block_part part,
                       struct es_block_lanes *lanes, uint32_t at)
{
    const uint8_t *low = d->column[ES_C_STEPS].bytes + run.first, *high = d->column[ES_C_STEPS_HIGH].bytes + run.first,
                  *kinds = d->column[ES_C_KINDS].bytes + run.first;
    uint32_t place = 0, n = 0;
    bool bad = false;
    for (uint32_t k = 0; k < run.n; k++) {
        uint32_t step = es_decode_step(low[k], high[k]);
        place += step;
        bad |= place >= d->n || (step == 0 && k > 0) || kinds[k] >= ES_KIND_MAX;
        lanes->places[at + n] = (uint16_t)(place - part.first);
        lanes->kinds[at + n] = kinds[k];
        n += place >= part.first && place - part.first < part.n;
    }
    return bad ? es_fail(-EBADMSG, "the processes of events are wrong") : (int64_t)n;
}

static int decode_runs(struct es_decoder *d, const struct es_lanes_request *request, struct es_block_part part,
                       struct es_block_lanes *lanes)
{
    struct run *runs = malloc(request->n * sizeof *runs);
    size_t room = 1; /* what is not in the part is written too, over and over */
    int64_t n = runs ? 0 : es_fail(-ENOMEM, "no memory for lanes");
    for (uint32_t i = 0, sum = 0; i < d->n_refs; sum += d->counts[i++])
        d->places[i] = sum;
    for (size_t i = 0; n == 0 && i < request->n; i++) {
        runs[i] = find_run(d, request->pids[i]);
        room += runs[i].n;
    }
    lanes->places = malloc(room * sizeof *lanes->places);
    lanes->kinds = malloc(room);
    if (n == 0 && (!lanes->places || !lanes->kinds))
        n = es_fail(-ENOMEM, "no memory for lanes");
    uint32_t at = 0;
    for (size_t i = 0; n >= 0 && i < request->n; i++) {
        lanes->starts[i] = at;
        n = put_run(d, runs[i], part, lanes, at);
        at += n > 0 ? (uint32_t)n : 0;
    }
    lanes->starts[request->n] = at;
    free(runs);
    return n < 0 ? (int)n : 0;
}

static int decode(struct es_decoder *d, const struct es_lanes_request *request, struct es_block_part part,
                  struct es_block_lanes *lanes)
{
    struct es_raw kinds = d->column[ES_C_KINDS], low = d->column[ES_C_STEPS], high = d->column[ES_C_STEPS_HIGH];
    if (part.first >= d->n || part.n == 0 || part.n > d->n - part.first)
        return es_fail(-EBADMSG, "a block of %u events has no part at %u", d->n, part.first);
    if (request->n && (kinds.len != d->n || low.len != d->n || high.len != d->n))
        return es_fail(-EBADMSG, "the processes of events are wrong");
    lanes->starts = calloc(request->n + 1, sizeof *lanes->starts);
    int r = lanes->starts ? 0 : es_fail(-ENOMEM, "no memory for lanes");
    if (r == 0 && request->n)
        r = decode_runs(d, request, part, lanes);
    return r == 0 && request->times ? decode_times(d, part, lanes) : r;
}

int es_block_decode_lanes(struct es_decoder *d, const struct es_stored_block *stored,
                          const struct es_lanes_request *request, struct es_block_part part, struct es_block_lanes *ret)
{
    struct es_block_lanes lanes = {0};
    int r = es_decode_refs(d, stored, es_block_lane_columns(request));
    if (r == 0)
        r = decode(d, request, part, &lanes);
    if (r < 0)
        es_block_lanes_fini(&lanes);
    else
        *ret = lanes;
    return r;
}
