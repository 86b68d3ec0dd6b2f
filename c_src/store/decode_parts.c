/* SPDX-License-Identifier: MIT */
/* What some questions need of a block, without its events: lanes, causes, processes, a time. */
#include <errno.h>

#include "base/error.h"
#include "store/decode.h"
#include "store/gaps.h"

#define TIMES (ES_COLUMN_BIT(ES_C_TIMES) | ES_COLUMN_BIT(ES_C_TIME_BITS) | ES_COLUMN_BIT(ES_C_TIME_RARE))
#define CAUSES                                                                                        \
    (ES_COLUMN_BIT(ES_C_CAUSE_STATES) | ES_COLUMN_BIT(ES_C_CAUSES) | ES_COLUMN_BIT(ES_C_CAUSE_BITS) | \
     ES_COLUMN_BIT(ES_C_CAUSE_RARE))

/* ---- lanes --------------------------------------------------------------------------------------------------------- */

void es_block_lanes_fini(struct es_block_lanes *lanes)
{
    free(lanes->pids);
    free(lanes->times);
    free(lanes->places);
    free(lanes->kinds);
    *lanes = (struct es_block_lanes){0};
}

static int make_lanes(struct es_decoder *d, struct es_block_lanes *lanes)
{
    lanes->pids = malloc((d->n_refs + 1) * sizeof *lanes->pids);
    lanes->times = malloc(d->n * sizeof *lanes->times);
    lanes->places = malloc(d->n * sizeof *lanes->places);
    lanes->kinds = malloc(d->n);
    return lanes->pids && lanes->times && lanes->places && lanes->kinds
               ? 0
               : es_fail(-ENOMEM, "no memory for the lanes of a block");
}

static int fill_lanes(struct es_decoder *d, struct es_block_lanes *lanes)
{
    struct es_gap_reader gaps = {es_decode_reader(d, ES_C_TIMES), es_decode_reader(d, ES_C_TIME_BITS),
                                 es_decode_reader(d, ES_C_TIME_RARE), 0, 0};
    uint64_t time = (uint64_t)d->info->first_time;
    for (uint32_t i = 0; i < d->n; i++) /* `back` is not needed by lanes: times in order of time */
        d->back[i] = time += (uint64_t)es_gap_get(&gaps);
    if (gaps.classes.bad || gaps.bits.bad || gaps.rare.bad || (int64_t)time != d->info->last_time)
        return es_fail(-EBADMSG, "the times are wrong");
    for (uint32_t k = 0; k < d->n; k++)
        lanes->times[k] = (int64_t)d->back[d->order[k]];
    memcpy(lanes->places, d->order, d->n * sizeof *lanes->places);
    memcpy(lanes->kinds, d->column[ES_C_KINDS].bytes, d->n);
    for (uint32_t i = 0; i < d->n_refs; i++)
        if (d->counts[i])
            lanes->pids[lanes->n_pids++] = (struct es_pid_count){d->refs[i], d->counts[i]};
    lanes->n = d->n;
    return 0;
}

int es_block_decode_lanes(struct es_decoder *d, const struct es_stored_block *stored, struct es_block_lanes *ret)
{
    struct es_block_lanes lanes = {0};
    int r = es_decode_load(d, stored, es_block_columns(0));
    if (r == 0)
        r = es_decode_order(d);
    if (r == 0)
        r = make_lanes(d, &lanes);
    if (r == 0)
        r = fill_lanes(d, &lanes);
    if (r < 0)
        es_block_lanes_fini(&lanes);
    else
        *ret = lanes;
    return r;
}

/* ---- causes -------------------------------------------------------------------------------------------------------- */

uint64_t es_block_cause_columns(void) { return (es_block_columns(0) & ~(TIMES | ES_COLUMN_BIT(ES_C_MOVED))) | CAUSES; }

int es_block_decode_causes(struct es_decoder *d, const struct es_stored_block *stored, struct es_block_causes *ret)
{
    int r = es_decode_load(d, stored, es_block_cause_columns());
    if (r == 0)
        r = es_decode_order(d);
    if (r < 0)
        return r;
    memset(d->back, 0, d->n * sizeof *d->back);
    memset(d->cause_state, ES_CAUSE_NONE, d->n);
    r = es_decode_causes(d);
    if (r < 0)
        return r;
    *ret = (struct es_block_causes){.n_refs = d->n_refs,
                                    .refs = d->refs,
                                    .counts = d->counts,
                                    .first = 0,
                                    .n = d->n,
                                    .stored = d->n,
                                    .order = d->order,
                                    .owners = d->pid,
                                    .kinds = d->kind,
                                    .flags = d->flags,
                                    .states = d->cause_state,
                                    .back = d->back};
    return 0;
}

uint64_t es_block_strange_columns(void) { return ES_COLUMN_BIT(ES_C_KINDS) | ES_COLUMN_BIT(ES_C_CAUSE_STATES); }

int es_block_count_strange(struct es_decoder *d, const struct es_stored_block *stored, uint32_t *ret_n)
{
    int r = es_decode_load(d, stored, es_block_strange_columns());
    if (r < 0)
        return r;
    struct es_reader states = es_decode_reader(d, ES_C_CAUSE_STATES);
    struct es_raw kinds = d->column[ES_C_KINDS];
    uint32_t n = 0;
    for (size_t k = 0; k < kinds.len; k++) {
        if (kinds.bytes[k] >= ES_KIND_MAX)
            return es_fail(-EBADMSG, "an event has kind %u", kinds.bytes[k]);
        if (!(es_kind_table[kinds.bytes[k]].fields & ES_F_CAUSE))
            continue;
        bool strange = es_decode_u8(&states) > ES_CAUSE_EXTERNAL;
        n += strange && kinds.bytes[k] == ES_K_DELIVER;
    }
    *ret_n = n;
    return states.bad ? es_fail(-EBADMSG, "the causes of events are wrong") : 0;
}

/* ---- processes, times ---------------------------------------------------------------------------------------------- */

int es_block_decode_pids(struct es_decoder *d, const struct es_stored_block *stored, struct es_pids *ret)
{
    int r = es_decode_refs(d, stored, ES_COLUMN_BIT(ES_C_REFS) | ES_COLUMN_BIT(ES_C_COUNTS));
    if (r < 0)
        return r;
    struct es_pids pids = {malloc((d->n_refs + 1) * sizeof *pids.pids), 0};
    if (!pids.pids)
        return es_fail(-ENOMEM, "no memory for processes");
    for (uint32_t i = 0; i < d->n_refs; i++)
        if (d->counts[i])
            pids.pids[pids.n++] = (struct es_pid_count){d->refs[i], d->counts[i]};
    *ret = pids;
    return 0;
}

/* Kinds are in order of process, so that the counts of those before say where they are. */
int es_block_decode_kinds(struct es_decoder *d, const struct es_stored_block *stored, es_ref pid, uint64_t *ret_kinds)
{
    int r = es_decode_refs(d, stored, ES_KINDS_COLUMNS);
    if (r < 0)
        return r;
    struct es_raw kinds = d->column[ES_C_KINDS];
    uint64_t found = 0;
    uint32_t at = 0, i = 0;
    for (; i < d->n_refs && d->refs[i] != pid; i++)
        at += d->counts[i];
    if (kinds.len != d->n)
        return es_fail(-EBADMSG, "the kinds of events are wrong");
    for (uint32_t end = i < d->n_refs ? at + d->counts[i] : at; at < end; at++)
        found |= kinds.bytes[at] < ES_KIND_MAX ? (uint64_t)1 << kinds.bytes[at] : 0;
    *ret_kinds = found;
    return 0;
}

int es_block_find_time(struct es_decoder *d, const struct es_stored_block *stored, int64_t time, uint32_t *ret_event)
{
    int r = es_decode_load(d, stored, ES_TIME_COLUMNS);
    if (r < 0)
        return r;
    struct es_gap_reader gaps = {es_decode_reader(d, ES_C_TIMES), es_decode_reader(d, ES_C_TIME_BITS),
                                 es_decode_reader(d, ES_C_TIME_RARE), 0, 0};
    uint64_t at = (uint64_t)d->info->first_time;
    uint32_t found = ES_NOTHING;
    for (uint32_t i = 0; i < d->n; i++) {
        at += (uint64_t)es_gap_get(&gaps);
        found = (int64_t)at <= time ? i : found;
    }
    if (gaps.classes.bad || gaps.bits.bad || gaps.rare.bad || (int64_t)at != d->info->last_time)
        return es_fail(-EBADMSG, "the times are wrong");
    *ret_event = found;
    return found == ES_NOTHING ? -ENOENT : 0;
}
