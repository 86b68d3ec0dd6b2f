/* SPDX-License-Identifier: MIT */
/* Timers; see timers.h. */
#include "engine/timers.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "engine/core.h"

#define MS INT64_C(1000000)
#define DUE_MAX_MS (INT64_C(1) << 40)
#define UNKNOWN_DUE INT64_MAX

void es_timers_fini(struct es_timers *timers)
{
    free(timers->timers);
    *timers = (struct es_timers){0};
}

static struct es_timer *places_of(const struct es_timers *timers, uint64_t key)
{
    return &timers->timers[es_hash_mix(key, 1) % (ES_TIMERS / ES_TIMER_WAYS) * ES_TIMER_WAYS];
}

static bool is_over(const struct es_timer *timer, int64_t now)
{
    return timer->seq == 0 || (timer->due != UNKNOWN_DUE && now - timer->due > ES_TIMER_LATE_NS);
}

static int make_room(struct es_timers *timers)
{
    if (!timers->timers && !(timers->timers = calloc(ES_TIMERS, sizeof *timers->timers)))
        return es_fail(-ENOMEM, "no memory for timers");
    return 0;
}

/* A place for a timer with this key: one that is over, else the oldest. */
static struct es_timer *new_place(const struct es_timers *timers, uint64_t key, int64_t now)
{
    struct es_timer *places = places_of(timers, key), *oldest = places;
    for (uint32_t i = 0; i < ES_TIMER_WAYS; i++) {
        if (is_over(&places[i], now))
            return &places[i];
        if (places[i].seq < oldest->seq)
            oldest = &places[i];
    }
    return oldest;
}

/* ---- setting ------------------------------------------------------------------------------------------------------- */

/* `abs` as an option is rare, and its list is not empty. */
static bool has_options(const struct es_event *event)
{
    struct es_reader r;
    struct es_token token;
    if (event->arity < 4)
        return false;
    es_reader_init(&r, event->payload, event->payload_len);
    if (es_token_next(&r, &token) < 0 || es_term_skip(&r) < 0 || es_term_skip(&r) < 0 || es_term_skip(&r) < 0)
        return true;
    return es_token_next(&r, &token) < 0 || token.type != ES_TOK_NIL;
}

/* [Time, To | …]; false where it does not begin so. Options may make the time an absolute one: then it is not known when it is due. */
static bool read_arguments(const struct es_core *core, const struct es_event *event, struct es_timer *timer)
{
    struct es_reader r;
    struct es_token token;
    es_reader_init(&r, event->payload, event->payload_len);
    timer->due = UNKNOWN_DUE;
    if (es_token_next(&r, &token) < 0 || token.type != ES_TOK_LIST || token.count < 3 || es_token_next(&r, &token) < 0)
        return false;
    if (token.type == ES_TOK_INT && token.integer >= 0 && token.integer <= DUE_MAX_MS && !has_options(event))
        timer->due = event->time - event->moved + token.integer * MS;
    if (es_token_next(&r, &token) < 0)
        return false;
    timer->to = token.type == ES_TOK_PID ? es_ref_pid((uint32_t)token.number, token.serial)
                                         : es_names_atom(&core->names, &token);
    return timer->to != 0;
}

static int set_by_content(struct es_timers *timers, const struct es_timer *timer, int64_t now)
{
    if (timer->due == UNKNOWN_DUE)
        return 0;
    int r = make_room(timers);
    if (r < 0)
        return r;
    struct es_timer *place = new_place(timers, timer->key, now);
    if (is_over(place, now)) {
        *place = *timer;
    } else if (place->key == timer->key) {
        place->to = 0; /* too many of one content: which of them fires is not known until all are over */
        place->due = place->due > timer->due ? place->due : timer->due;
        place->seq = timer->seq;
    } else {
        *place = *timer;
        timers->forgot = true;
    }
    return 0;
}

int es_timers_set(struct es_core *core, struct es_proc *proc, const struct es_event *event)
{
    struct es_timer timer = {.key = event->hash, .seq = event->seq};
    bool whole = read_arguments(core, event, &timer);
    if (es_names_word(&core->names, event->function) == ES_W_START_TIMER) {
        proc->timer_seq = event->seq;
        proc->timer_due = timer.due;
        return 0;
    }
    return whole ? set_by_content(&core->timers, &timer, event->time) : 0;
}

int es_timers_started(struct es_core *core, struct es_proc *proc, const struct es_event *event)
{
    struct es_timers *timers = &core->timers;
    struct es_timer timer = {.seq = proc->timer_seq, .due = proc->timer_due, .to = proc->pid};
    if (event->module != core->names.word_ref[ES_W_ERLANG] ||
        es_names_word(&core->names, event->function) != ES_W_START_TIMER)
        return 0;
    proc->timer_seq = 0;
    if (event->kind != ES_K_RETURN || event->payload_len == 0)
        return 0;
    int r = make_room(timers);
    if (r < 0)
        return r;
    timer.key = es_timer_kind(event->payload, event->payload_len);
    struct es_timer *place = new_place(timers, timer.key, event->time);
    timers->forgot = timers->forgot || !is_over(place, event->time);
    timers->started = true;
    *place = timer;
    if (core->hold.n > 0)
        core->hold.next = 0; /* its message may be here already */
    return 0;
}

/* ---- firing -------------------------------------------------------------------------------------------------------- */

static struct es_timer_told told(const uint8_t *payload, size_t len)
{
    struct es_reader r;
    struct es_token token;
    struct es_timer_told none = {0, 0};
    es_reader_init(&r, payload, len);
    if (len == 0 || es_token_next(&r, &token) < 0 || token.type != ES_TOK_TUPLE || token.count != 3 ||
        es_term_skip(&r) < 0)
        return none;
    const uint8_t *reference = r.at, *rest;
    if (es_token_next(&r, &token) < 0 || token.type != ES_TOK_REF)
        return none;
    rest = r.at;
    if (es_term_skip(&r) < 0)
        return none;
    return (struct es_timer_told){es_timer_kind(reference, (size_t)(rest - reference)),
                                  es_timer_kind(rest, (size_t)(r.at - rest))};
}

struct es_timer_told es_timers_told(const struct es_event *event) { return told(event->payload, event->payload_len); }

static bool may_go_to(const struct es_core *core, const struct es_timer *timer, es_ref pid, int64_t time)
{
    es_ref before = 0;
    if (timer->to == pid || timer->to == 0)
        return true;
    return es_ref_class_of(timer->to) == ES_REF_ATOM &&
           (es_processes_whereis(&core->processes, timer->to, time, &before) == pid || before == pid);
}

static void find_by_content(struct es_core *core, const struct es_input *in, struct es_finding *finding)
{
    struct es_timer *places = places_of(&core->timers, in->view.hash), *found = NULL;
    unsigned n = 0;
    for (uint32_t i = 0; i < ES_TIMER_WAYS; i++) {
        struct es_timer *timer = &places[i];
        bool crowd = timer->to == 0;
        if (!timer->seq || timer->key != in->view.hash || !may_go_to(core, timer, in->view.pid, in->time))
            continue;
        bool early = timer->due > in->time + MS && !crowd, late = in->time - timer->due > ES_TIMER_LATE_NS;
        if (early || late) {
            finding->state = ES_CAUSE_UNKNOWN; /* one like it was set unseen, or it was cancelled, or clocks deceive */
            timer->seq = late ? 0 : timer->seq;
            continue;
        }
        found = timer;
        n += crowd ? 2 : 1;
    }
    if (n == 1 && ES_IN_DOUBT(&core->pairs, in->time - core->pairs.paused)) {
        finding->state = ES_CAUSE_LOST; /* another one like it may have been set unseen */
    } else if (n == 1) {
        finding->state = ES_CAUSE_PAIRED;
        finding->cause = found->seq;
        found->seq = 0;
    } else if (n > 1) {
        finding->state = ES_CAUSE_UNKNOWN;
    }
}

static struct es_timer *find_by_reference(const struct es_timers *timers, uint64_t key)
{
    struct es_timer *places = timers->timers ? places_of(timers, key) : NULL;
    for (uint32_t i = 0; places && i < ES_TIMER_WAYS; i++)
        if (places[i].seq && places[i].key == key)
            return &places[i];
    return NULL;
}

bool es_timers_fired(struct es_core *core, const struct es_input *in, struct es_finding *finding)
{
    struct es_timers *timers = &core->timers;
    struct es_timer_told told_by = told(in->view.payload, in->view.payload_len);
    struct es_timer *timer = told_by.key ? find_by_reference(timers, told_by.key) : NULL;
    if (timer) {
        finding->state = ES_CAUSE_PAIRED;
        finding->cause = timer->seq;
        timer->seq = 0;
        return true;
    }
    if (timers->timers && in->view.hash)
        find_by_content(core, in, finding);
    if (!told_by.key || !timers->started || finding->state != ES_CAUSE_EXTERNAL)
        return true;
    bool lost = ES_IN_DOUBT(&core->pairs, in->time - core->pairs.paused);
    finding->state = lost ? ES_CAUSE_LOST : timers->forgot ? ES_CAUSE_EVICTED : ES_CAUSE_UNTRACED;
    return false;
}

/* ---- keeping and replaying ----------------------------------------------------------------------------------------- */

void es_timers_each(const struct es_timers *timers, int64_t now,
                    void (*each)(const struct es_timer *timer, void *context), void *context)
{
    for (uint32_t i = 0; timers->timers && i < ES_TIMERS; i++)
        if (!is_over(&timers->timers[i], now))
            each(&timers->timers[i], context);
}

int es_timers_restore(struct es_timers *timers, const struct es_timer *timer)
{
    int r = make_room(timers);
    if (r < 0)
        return r;
    *new_place(timers, timer->key, INT64_MIN / 2) = *timer;
    timers->started = true;
    return 0;
}

void es_timers_confirm(struct es_timers *timers, const struct es_event *event)
{
    uint64_t keys[] = {event->hash, es_timers_told(event).key};
    for (size_t k = 0; timers->timers && k < sizeof keys / sizeof *keys; k++) {
        struct es_timer *places = places_of(timers, keys[k]);
        for (uint32_t i = 0; i < ES_TIMER_WAYS; i++)
            if (places[i].seq == event->cause)
                places[i].seq = 0;
    }
}
