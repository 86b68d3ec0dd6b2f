/* SPDX-License-Identifier: MIT */
/* What is missing in a recording is told in it: to whom reads the events (GAP), and as exact sums (losses). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "engine/drain.h"
#include "engine/gap.h"

#define NOTICES_MAX 16u /* a ring that makes no sense again and again is counted, but not always talked of */

static void put_atom(struct es_writer *w, const char *text) { es_write_atom(w, text, strlen(text)); }

/* What pairing needs: where such a record is lost, lanes are in doubt. */
static const uint8_t matter[] = {ES_K_SEND, ES_K_DELIVER, ES_K_SPAWN, ES_K_REGISTER, ES_K_UNREGISTER};

static void doubt(struct es_core *core, const struct es_gap *gap)
{
    bool matters = gap->lost[ES_K_NONE] != 0;
    for (size_t k = 0; k < sizeof matter; k++)
        matters = matters || gap->lost[matter[k]] != 0;
    if (!matters)
        return;
    es_pairs_doubt(&core->pairs, gap->to);
    core->pairs.lost = true;
}

int es_gap_tell(struct es_core *core, const struct es_gap *gap)
{
    uint8_t bytes[4096];
    struct es_writer w;
    uint32_t kinds = 0;
    for (unsigned kind = 0; kind < ES_KIND_MAX; kind++)
        kinds += gap->lost[kind] != 0;
    if (kinds == 0)
        return 0;
    es_writer_init(&w, bytes, sizeof bytes);
    es_write_map(&w, 3);
    put_atom(&w, "from");
    es_write_int(&w, gap->from);
    put_atom(&w, "to");
    es_write_int(&w, gap->to);
    put_atom(&w, "lost");
    es_write_map(&w, kinds);
    for (unsigned kind = 0; kind < ES_KIND_MAX; kind++) {
        if (gap->lost[kind] == 0)
            continue;
        put_atom(&w, kind == ES_K_NONE ? "unknown" : es_kind_table[kind].name);
        es_write_uint(&w, gap->lost[kind]);
        int r = es_store_loss(core->store, kind, gap->lost[kind], gap->from, gap->to, gap->why);
        if (r < 0)
            return r;
    }
    int r = es_core_note(core, ES_K_GAP, gap->time, bytes, (size_t)(w.at - bytes));
    doubt(core, gap);
    return r;
}

static uint64_t counter(const struct es_source *source, unsigned kind)
{
    return atomic_load_explicit(&source->ring->head->lost[kind], memory_order_relaxed);
}

struct loss {
    uint64_t since, lost[ES_KIND_MAX];
};

static struct loss read_loss(const struct es_record_view *view)
{
    struct es_reader r;
    struct loss loss = {0};
    es_reader_init(&r, view->payload, view->payload_len);
    loss.since = es_reader_le64(&r);
    while (es_reader_left(&r) >= 16) {
        uint64_t kind = es_reader_le64(&r), count = es_reader_le64(&r);
        if (kind < ES_KIND_MAX)
            loss.lost[kind] += count;
    }
    loss.since = loss.since < view->stamp ? loss.since : view->stamp;
    return loss;
}

static uint64_t mattering(const uint64_t counts[ES_KIND_MAX])
{
    uint64_t sum = 0;
    for (size_t k = 0; k < sizeof matter; k++)
        sum += counts[matter[k]];
    return sum;
}

void es_gap_scanned(struct es_source *source, const struct es_record_view *view)
{
    struct loss loss = read_loss(view);
    uint64_t sum = mattering(loss.lost);
    if (sum && loss.since < source->loss_from)
        source->loss_from = loss.since;
    source->ahead += sum;
}

static void find_losing(struct es_drain *drain)
{
    uint64_t unclaimed = atomic_load_explicit(&drain->arena->head->unclaimed_lost, memory_order_relaxed);
    drain->losing_from = unclaimed != drain->unclaimed_told ? drain->given : ES_NOWHERE;
    for (uint32_t i = 0; i < drain->n; i++)
        for (int k = 0; k < 2; k++) {
            uint64_t from = k ? drain->sources[i].untold_from : drain->sources[i].loss_from;
            drain->losing_from = from < drain->losing_from ? from : drain->losing_from;
        }
    if (drain->losing_from == ES_NOWHERE)
        es_pairs_losing(&drain->core->pairs, false);
}

void es_gap_look(struct es_drain *drain)
{
    for (uint32_t i = 0; i < drain->n; i++) {
        struct es_source *source = &drain->sources[i];
        uint64_t counted = 0, told = mattering(source->told) + source->ahead;
        for (size_t k = 0; source->used && k < sizeof matter; k++)
            counted += counter(source, matter[k]);
        source->untold_from = source->used && counted != told ? source->last_stamp : ES_NOWHERE;
    }
    find_losing(drain);
}

/* The counters are the truth; a record that claims more is not believed. */
int es_gap_lost(struct es_drain *drain, struct es_source *source, const struct es_record_view *view)
{
    struct loss loss = read_loss(view);
    struct es_gap gap = {.why = "ring full"};
    uint64_t sum = mattering(loss.lost);
    for (unsigned kind = 0; kind < ES_KIND_MAX; kind++) {
        uint64_t most = counter(source, kind) - source->told[kind];
        gap.lost[kind] = loss.lost[kind] < most ? loss.lost[kind] : most;
        source->told[kind] += gap.lost[kind];
    }
    source->ahead -= sum < source->ahead ? sum : source->ahead;
    source->loss_from = source->ahead ? view->stamp : ES_NOWHERE;
    gap.to = gap.time = es_clock_map_time(&drain->clock, view->stamp);
    gap.from = es_clock_map_line(&drain->clock, loss.since);
    int r = es_gap_tell(drain->core, &gap);
    find_losing(drain);
    if (source->key < drain->losing_from)
        es_pairs_losing(&drain->core->pairs, false);
    return r;
}

static int64_t end_time(const struct es_drain *drain)
{
    uint64_t last = 0;
    for (uint32_t i = 0; i < drain->n; i++)
        last = drain->sources[i].last_stamp > last ? drain->sources[i].last_stamp : last;
    return es_clock_map_line(&drain->clock, last > drain->clock.frontier ? last : drain->clock.frontier);
}

int es_gap_rest(struct es_drain *drain)
{
    int64_t end = end_time(drain);
    for (uint32_t i = 0; i < drain->n; i++) {
        struct es_source *source = &drain->sources[i];
        struct es_gap gap = {.from = es_clock_map_line(&drain->clock, source->last_stamp),
                             .to = end,
                             .time = end,
                             .why = "ring full at the end"};
        for (unsigned kind = 0; source->used && kind < ES_KIND_MAX; kind++) {
            uint64_t now = counter(source, kind);
            gap.lost[kind] = now > source->told[kind] ? now - source->told[kind] : 0;
            source->told[kind] += gap.lost[kind];
        }
        int r = es_gap_tell(drain->core, &gap);
        if (r < 0)
            return r;
    }
    return es_gap_unclaimed(drain, drain->clock.frontier);
}

int es_gap_unclaimed(struct es_drain *drain, uint64_t since)
{
    uint64_t now = atomic_load_explicit(&drain->arena->head->unclaimed_lost, memory_order_relaxed);
    if (now <= drain->unclaimed_told || !drain->clock.started)
        return 0;
    int64_t end = end_time(drain);
    struct es_gap gap = {
        .from = es_clock_map_line(&drain->clock, since), .to = end, .time = end, .why = "no ring for a thread"};
    gap.lost[ES_K_NONE] = now - drain->unclaimed_told;
    drain->unclaimed_told = now;
    return es_gap_tell(drain->core, &gap);
}

int es_gap_malformed(struct es_drain *drain, struct es_source *source)
{
    struct es_core *core = drain->core;
    uint64_t bytes = source->bad_to - source->next;
    source->next = source->scanned = source->bad_to;
    source->bad_at = ES_NOWHERE;
    int64_t time = es_clock_map_line(&drain->clock, drain->clock.frontier);
    es_pairs_doubt(&core->pairs, time);
    core->pairs.lost = true;
    int r = es_store_count(core->store, "rings.malformed", 1);
    if (r < 0 || source->malformed++ >= NOTICES_MAX)
        return r;
    char text[128];
    uint8_t term[256];
    struct es_writer w;
    int len =
        snprintf(text, sizeof text, "%" PRIu64 " bytes in ring %" PRIu32 " make no sense: the events in them are lost",
                 bytes, source->index);
    es_writer_init(&w, term, sizeof term);
    es_write_tuple(&w, 2);
    put_atom(&w, "malformed");
    es_write_binary(&w, text, (size_t)len);
    return es_core_note(core, ES_K_NOTICE, time, term, (size_t)(w.at - term));
}
