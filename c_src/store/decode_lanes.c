/* SPDX-License-Identifier: MIT */
/* From the columns of a block to the events of some processes: only what is in order of process is looked at, and of that only their part. */
#include <errno.h>

#include "base/error.h"
#include "store/decode.h"

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

/* A place to write to, and the part of the block that is wanted. */
struct target {
    struct es_block_lanes *lanes;
    struct es_block_part part;
    uint32_t at;
};

/* The steps of a run as places in the part; those outside are left out. What is in it stands together, so that of the kinds need only be known
 * where they begin. False where a place is not in the block. */
static bool put_places(const struct es_decoder *d, struct run *run, const struct target *to)
{
    const uint8_t *low = d->column[ES_C_STEPS].bytes + run->first,
                  *high = d->column[ES_C_STEPS_HIGH].bytes + run->first;
    uint16_t *places = to->lanes->places + to->at;
    uint32_t place = 0, first = to->part.first, n = to->part.n, skipped = 0, kept = 0;
    if (n == d->n) {
        for (uint32_t k = 0; k < run->n; k++) {
            place += es_decode_step(low[k], high[k]);
            places[k] = (uint16_t)place;
        }
        return place < n;
    }
    for (uint32_t k = 0; k < run->n; k++) {
        place += es_decode_step(low[k], high[k]);
        places[kept] = (uint16_t)(place - first);
        skipped += place < first;
        kept += place - first < n; /* those in front of it wrap around */
    }
    *run = (struct run){run->first + skipped, kept};
    return place < d->n;
}

/* Times are since that of the part's first event. */
static void put_times(const struct es_decoder *d, struct run run, const struct target *to)
{
    const uint64_t *from_wide = d->time + to->part.first;
    const uint32_t *from_narrow = (const uint32_t *)(const void *)d->time + to->part.first;
    const uint16_t *places = to->lanes->places + to->at;
    uint64_t *wides = (uint64_t *)to->lanes->times + to->at;
    uint32_t *narrows = (uint32_t *)to->lanes->times + to->at;
    for (uint32_t k = 0; to->lanes->wide && k < run.n; k++)
        wides[k] = from_wide[places[k]] - from_wide[0];
    for (uint32_t k = 0; !to->lanes->wide && k < run.n; k++)
        narrows[k] = from_narrow[places[k]] - from_narrow[0];
}

static bool put_run(const struct es_decoder *d, struct run run, struct target *to)
{
    if (!put_places(d, &run, to))
        return false;
    const uint8_t *kinds = d->column[ES_C_KINDS].bytes + run.first;
    uint8_t highest = 0;
    for (uint32_t k = 0; k < run.n; k++)
        highest = kinds[k] > highest ? kinds[k] : highest;
    memcpy(to->lanes->kinds + to->at, kinds, run.n);
    put_times(d, run, to);
    to->at += run.n;
    return highest < ES_KIND_MAX;
}

static int make_room(struct es_decoder *d, const struct es_lanes_request *request, const struct run *runs,
                     struct es_block_lanes *lanes)
{
    size_t room = 1 /* one outside may be written */, time = lanes->wide ? sizeof(uint64_t) : sizeof(uint32_t);
    for (size_t i = 0; i < request->n; i++)
        room += runs[i].n;
    d->lanes.len = 0;
    if (es_buf_reserve(&d->lanes, room * (time + sizeof(uint16_t) + 1) + (request->n + 1) * sizeof(uint32_t)) < 0)
        return es_fail(-ENOMEM, "no memory for lanes");
    lanes->times = d->lanes.bytes;
    lanes->starts = (uint32_t *)(void *)(d->lanes.bytes + room * time);
    lanes->places = (uint16_t *)(lanes->starts + request->n + 1);
    lanes->kinds = (uint8_t *)(lanes->places + room);
    return 0;
}

static int put_runs(const struct es_decoder *d, const struct es_lanes_request *request, const struct run *runs,
                    struct target to)
{
    bool good = true;
    for (size_t i = 0; good && i < request->n; i++) {
        to.lanes->starts[i] = to.at;
        good = put_run(d, runs[i], &to);
    }
    to.lanes->starts[request->n] = to.at;
    return good ? 0 : es_fail(-EBADMSG, "the events of a process are wrong");
}

static int decode(struct es_decoder *d, const struct es_lanes_request *request, struct target to)
{
    struct es_raw kinds = d->column[ES_C_KINDS], low = d->column[ES_C_STEPS], high = d->column[ES_C_STEPS_HIGH];
    if (kinds.len != d->n || low.len != d->n || high.len != d->n)
        return es_fail(-EBADMSG, "the processes of events are wrong");
    if (to.part.first >= d->n || to.part.n > d->n - to.part.first)
        return es_fail(-EBADMSG, "a block of %u events has no part at %u", d->n, to.part.first);
    for (uint32_t i = 0, sum = 0; i < d->n_refs; sum += d->counts[i++])
        d->places[i] = sum;
    struct run *runs = malloc((request->n + 1) * sizeof *runs);
    int r = runs ? 0 : es_fail(-ENOMEM, "no memory for lanes");
    for (size_t i = 0; r == 0 && i < request->n; i++)
        runs[i] = find_run(d, request->pids[i]);
    to.lanes->wide = (uint64_t)d->info->last_time - (uint64_t)d->info->first_time > UINT32_MAX;
    if (r == 0)
        r = es_decode_times(d, to.lanes->wide, d->time);
    if (r == 0)
        r = make_room(d, request, runs, to.lanes);
    if (r == 0)
        r = put_runs(d, request, runs, to);
    free(runs);
    return r;
}

int es_block_decode_lanes(struct es_decoder *d, const struct es_stored_block *stored,
                          const struct es_lanes_request *request, struct es_block_part part, struct es_block_lanes *ret)
{
    int r = es_decode_refs(d, stored, ES_LANE_COLUMNS);
    if (r == 0)
        r = es_decode_arrays(d);
    return r == 0 ? decode(d, request, (struct target){ret, part, 0}) : r;
}
