/* SPDX-License-Identifier: MIT */
/* Reading rings; see drain.h. */
#include "engine/drain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define MARGIN_US 10u /* how long a writer's busy word may stay unseen: see 6-engine.md, the busy word */
#define UNCALIBRATED_MS 1000u
#define FUTURE_MS 1000u /* no stamp lies so far ahead of ours */
#define LAST_STAMP (UINT64_MAX - 1)

int es_drain_init(struct es_drain *drain, struct es_arena *arena, struct es_core *core)
{
    memset(drain, 0, sizeof *drain);
    drain->arena = arena;
    drain->core = core;
    drain->n = arena->n_rings;
    drain->sources = calloc(drain->n, sizeof *drain->sources);
    drain->heap = calloc(drain->n, sizeof *drain->heap);
    if (!drain->sources || !drain->heap) {
        es_drain_fini(drain);
        return es_fail(-ENOMEM, "no memory for the rings");
    }
    es_clock_map_init(&drain->clock, (enum es_clock)arena->head->clock, arena->head->clock_rate);
    drain->margin = arena->head->clock_rate / 1000000 * MARGIN_US;
    drain->losing_from = ES_NOWHERE;
    for (uint32_t i = 0; i < drain->n; i++) {
        uint64_t tail = atomic_load_explicit(&arena->rings[i].head->tail, memory_order_acquire);
        drain->sources[i] = (struct es_source){.ring = &arena->rings[i],
                                               .index = i,
                                               .next = tail,
                                               .scanned = tail,
                                               .committed = tail,
                                               .bad_at = ES_NOWHERE,
                                               .loss_from = ES_NOWHERE,
                                               .untold_from = ES_NOWHERE};
    }
    return 0;
}

void es_drain_fini(struct es_drain *drain)
{
    free(drain->sources);
    free(drain->heap);
    drain->sources = NULL;
    drain->heap = NULL;
}

/* ---- looking ------------------------------------------------------------------------------------------------------- */

static int take_clock(struct es_drain *drain, const struct es_record_view *view)
{
    uint64_t mono = view->num[ES_CLOCK_MONO];
    if (drain->uncalibrated) /* too late: the times that were given have another zero */
        mono = (uint64_t)es_clock_map_line(&drain->clock, view->stamp);
    else
        es_clock_map_add(&drain->clock, view->stamp, (int64_t)mono);
    if (drain->wall_known)
        return 0;
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)(view->num[ES_CLOCK_WALL] - mono));
    drain->wall_known = true;
    return es_store_meta(drain->core->store, "wall_offset_ns", text);
}

/* Words between the VM and us count as soon as they are published: an event may come before the definition it needs. */
static int take_word(struct es_drain *drain, const struct es_record_view *view)
{
    struct es_core *core = drain->core;
    switch (view->kind) {
    case ES_K_DEF: return es_names_define(&core->names, view->peer, view->payload, view->payload_len);
    case ES_K_SOURCE: return es_store_define(core->store, view->peer, view->payload, view->payload_len);
    case ES_K_CLOCK: return take_clock(drain, view);
    case ES_K_MODULE:
        return es_states_module(&core->states, &core->names, view->peer, view->payload, view->payload_len);
    case ES_K_VM: return es_vm_facts(core, view->payload, view->payload_len);
    default: return 0;
    }
}

/* A module's behaviours are told by atoms that are defined behind it in the same publication. */
static bool is_first_pass(unsigned kind) { return kind == ES_K_DEF || kind == ES_K_CLOCK || kind == ES_K_LOST; }
static bool is_second_pass(unsigned kind) { return kind == ES_K_MODULE || kind == ES_K_VM || kind == ES_K_SOURCE; }

static int read_word(struct es_drain *drain, struct es_source *source, uint64_t at, uint64_t end)
{
    struct es_record_view view;
    if (es_record_read(es_ring_at(source->ring, at), end - at, &view) < 0)
        return 0; /* the run will find it */
    if (view.kind == ES_K_LOST)
        es_gap_scanned(source, &view);
    return take_word(drain, &view);
}

/* Passes over what was published since: up to `end`, or where it stops making sense. */
static int scan_again(struct es_drain *drain, struct es_source *source, uint64_t at)
{
    while (at != source->scanned) {
        struct es_peek peek = es_peek_at(source, at);
        if (!es_peek_is_sound(&peek, source->scanned - at, UINT64_MAX))
            break; /* it was, a moment ago: the run will find it */
        int r = is_second_pass(peek.kind) ? read_word(drain, source, at, source->scanned) : 0;
        if (r < 0)
            return r;
        at += peek.size;
    }
    return 0;
}

static int scan(struct es_drain *drain, struct es_source *source, uint64_t end, uint64_t latest)
{
    uint64_t first = source->scanned;
    bool again = false;
    while (source->scanned != end) {
        struct es_peek peek = es_peek_at(source, source->scanned);
        if (!es_peek_is_sound(&peek, end - source->scanned, latest)) {
            source->bad_at = source->scanned;
            source->bad_to = end;
            break;
        }
        again = again || is_second_pass(peek.kind);
        int r = is_first_pass(peek.kind) ? read_word(drain, source, source->scanned, end) : 0;
        if (r < 0)
            return r;
        source->last_stamp = peek.stamp > source->last_stamp ? peek.stamp : source->last_stamp;
        source->scanned += peek.size;
    }
    return again ? scan_again(drain, source, first) : 0;
}

/* The record at `next` decides about the place in the order. */
static void renew_key(struct es_source *source)
{
    if (source->next == source->scanned || source->next == source->bad_at)
        return;
    uint64_t stamp = es_peek_at(source, source->next).stamp;
    if (stamp > source->key && stamp < LAST_STAMP)
        source->key = stamp;
}

static int look_at(struct es_drain *drain, struct es_source *source, uint64_t now)
{
    struct es_ring_head *head = source->ring->head;
    bool busy, claimed = atomic_load_explicit(&head->claimed, memory_order_acquire) != 0;
    source->generation = atomic_load_explicit(&head->generation, memory_order_acquire);
    uint64_t end = es_ring_published(source->ring, &busy);
    source->used = source->used || claimed || source->generation != 0 || end != source->next;
    if (!source->used)
        return 0;
    source->thread = (uint16_t)atomic_load_explicit(&head->thread, memory_order_relaxed);
    bool empty = source->next == source->scanned;
    int r = 0;
    bool behind = (int64_t)(end - source->scanned) < 0, wrong = end % 8 != 0 || end - source->next > source->ring->size;
    if (source->bad_at == ES_NOWHERE && wrong && !behind) {
        source->bad_at = source->scanned;
        source->bad_to = end & ~UINT64_C(7);
    } else if (source->bad_at == ES_NOWHERE && !behind) {
        r = scan(drain, source, end, now + drain->arena->head->clock_rate / 1000 * FUTURE_MS);
    }
    if (empty)
        renew_key(source);
    if (!busy || !claimed || source->bad_at != ES_NOWHERE || behind)
        source->bound = now - drain->margin;
    else if (source->last_stamp > drain->margin && source->last_stamp - drain->margin > source->bound)
        source->bound = source->last_stamp - drain->margin; /* a writer's own stamps never fall */
    return r;
}

/* Events cannot be given a time before the first calibration. It is the first thing that is written; where it is not, somebody else
 * wrote this arena, and a second later our own clock has to do. A VM takes as long as it likes to begin. */
static int wait_for_clock(struct es_drain *drain, uint64_t now, bool all)
{
    if (drain->clock.started)
        return 0;
    for (uint32_t i = 0; drain->first_seen == 0 && i < drain->n; i++)
        if (drain->sources[i].next != drain->sources[i].scanned)
            drain->first_seen = now;
    if (!all &&
        now - (drain->first_seen ? drain->first_seen : now) < drain->arena->head->clock_rate / 1000 * UNCALIBRATED_MS) {
        drain->watermark = 0;
        return 0;
    }
    es_clock_map_add(&drain->clock, now, (int64_t)es_clock_os());
    drain->uncalibrated = true;
    return es_store_meta(drain->core->store, "clock", "uncalibrated");
}

int es_drain_look(struct es_drain *drain, bool all)
{
    enum es_clock clock = (enum es_clock)drain->arena->head->clock;
    uint64_t now = es_clock_now(clock), watermark = now - drain->margin;
    es_clock_map_measure(&drain->clock, now, es_clock_os());
    atomic_thread_fence(memory_order_seq_cst);
    for (uint32_t i = 0; i < drain->n; i++) {
        struct es_source *source = &drain->sources[i];
        int r = look_at(drain, source, now);
        if (r < 0)
            return r;
        if (!source->used)
            source->bound = now - drain->margin; /* who claims it now is younger */
        watermark = source->bound < watermark ? source->bound : watermark;
    }
    drain->watermark = all ? UINT64_MAX : watermark > drain->watermark ? watermark : drain->watermark;
    es_gap_look(drain);
    return wait_for_clock(drain, now, all);
}

/* ---- handing on ---------------------------------------------------------------------------------------------------- */

static int hand_on(struct es_drain *drain, struct es_source *source, struct es_input *in)
{
    const struct es_record_view *view = &in->view;
    if (view->kind == ES_K_LOST)
        return es_gap_lost(drain, source, view);
    if (es_kind_table[view->kind].family == ES_FAM_INTERNAL)
        return 0; /* taken when it was scanned */
    in->key = source->key;
    in->thread = source->thread;
    in->time = es_clock_map_time(&drain->clock, view->stamp);
    in->flags = view->stamp < drain->given ? ES_E_LATE : 0;
    in->noted = false;
    if (__builtin_expect(source->key >= drain->losing_from, 0))
        es_pairs_losing(&drain->core->pairs, true);
    return es_core_take(drain->core, in);
}

static int next_record(struct es_drain *drain, struct es_source *source)
{
    struct es_input in;
    if (source->next == source->bad_at)
        return es_gap_malformed(drain, source);
    if (es_record_read(es_ring_at(source->ring, source->next), source->scanned - source->next, &in.view) < 0) {
        source->bad_at = source->next;
        source->bad_to =
            source->bad_to > source->scanned && source->bad_to != ES_NOWHERE ? source->bad_to : source->scanned;
        return es_gap_malformed(drain, source);
    }
    source->next += in.view.size;
    es_foresee(drain, source);
    return hand_on(drain, source, &in);
}

int es_drain_run(struct es_drain *drain, uint32_t max, bool *ret_more)
{
    struct es_source *source;
    uint64_t until;
    uint32_t n = 0;
    es_order_build(drain);
    while (n < max && !drain->core->full && (source = es_order_first(drain, &until)) != NULL) {
        bool left;
        do {
            int r = next_record(drain, source);
            if (r < 0)
                return r;
            renew_key(source);
            left = source->next != source->scanned || source->next == source->bad_at;
        } while (++n < max && left && source->key <= until && !drain->core->full);
        es_order_changed(drain, !left || source->key >= drain->watermark);
    }
    *ret_more = drain->n_heap > 0;
    if (drain->n_heap > 0 || drain->core->full)
        return 0;
    drain->given = drain->watermark > drain->given && drain->watermark != UINT64_MAX ? drain->watermark : drain->given;
    return es_core_reached(drain->core, drain->watermark);
}

/* ---- giving back --------------------------------------------------------------------------------------------------- */

unsigned es_drain_unreleased(const struct es_drain *drain, bool *ret_any)
{
    unsigned most = 0;
    *ret_any = false;
    for (uint32_t i = 0; i < drain->n; i++) {
        const struct es_source *source = &drain->sources[i];
        uint64_t bytes = source->next - source->committed;
        unsigned part = (unsigned)(bytes / (source->ring->size / 256));
        most = part > most ? part : most;
        *ret_any = *ret_any || bytes > 0;
    }
    return most;
}

void es_drain_release(struct es_drain *drain)
{
    for (uint32_t i = 0; i < drain->n; i++) {
        struct es_source *source = &drain->sources[i];
        if (source->committed == source->next)
            continue;
        source->committed = source->next;
        es_ring_release(source->ring, source->next);
    }
}
