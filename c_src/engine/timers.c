/* SPDX-License-Identifier: MIT */
/* Timers; see timers.h. */
#include "engine/timers.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "engine/core.h"

#define MS INT64_C(1000000)
#define DUE_MAX_MS (INT64_C(1) << 40)

void es_timers_fini(struct es_timers *timers)
{
    free(timers->timers);
    timers->timers = NULL;
}

static struct es_timer *places_of(const struct es_timers *timers, uint64_t hash)
{
    return &timers->timers[es_hash_mix(hash, 1) % (ES_TIMERS / ES_TIMER_WAYS) * ES_TIMER_WAYS];
}

/* [Time, To | …]; false where it does not begin so. Options may make the time an absolute one: then it is not known when it is due. */
static bool read_arguments(const struct es_core *core, const struct es_event *event, struct es_timer *timer)
{
    struct es_reader r;
    struct es_token token;
    es_reader_init(&r, event->payload, event->payload_len);
    if (es_token_next(&r, &token) < 0 || token.type != ES_TOK_LIST || token.count < 3 ||
        es_token_next(&r, &token) < 0 || token.type != ES_TOK_INT || token.integer < 0 || token.integer > DUE_MAX_MS)
        return false;
    timer->due = event->time - event->moved + token.integer * MS;
    if (es_token_next(&r, &token) < 0)
        return false;
    timer->to = token.type == ES_TOK_PID ? es_ref_pid((uint32_t)token.number, token.serial)
                                         : es_names_atom(&core->names, &token);
    return timer->to != 0;
}

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

int es_timers_set(struct es_core *core, const struct es_event *event)
{
    struct es_timers *timers = &core->timers;
    struct es_timer timer = {.hash = event->hash, .seq = event->seq};
    if (!event->hash || has_options(event) || !read_arguments(core, event, &timer))
        return 0;
    if (!timers->timers && !(timers->timers = calloc(ES_TIMERS, sizeof *timers->timers)))
        return es_fail(-ENOMEM, "no memory for timers");
    struct es_timer *places = places_of(timers, timer.hash), *oldest = places;
    for (uint32_t i = 0; i < ES_TIMER_WAYS; i++)
        if (places[i].seq < oldest->seq)
            oldest = &places[i];
    if (oldest->hash == timer.hash && oldest->seq && oldest->due + ES_TIMER_LATE_NS > event->time) {
        oldest->to = 0; /* too many of one content: which of them fires is not known until all are over */
        oldest->due = oldest->due > timer.due ? oldest->due : timer.due;
        oldest->seq = event->seq;
        return 0;
    }
    *oldest = timer;
    return 0;
}

static bool may_go_to(const struct es_core *core, const struct es_timer *timer, es_ref pid, int64_t time)
{
    es_ref before = 0;
    if (timer->to == pid || timer->to == 0)
        return true;
    return es_ref_class_of(timer->to) == ES_REF_ATOM &&
           (es_processes_whereis(&core->processes, timer->to, time, &before) == pid || before == pid);
}

void es_timers_fired(struct es_core *core, const struct es_input *in, struct es_finding *finding)
{
    if (!core->timers.timers || !in->view.hash)
        return;
    struct es_timer *places = places_of(&core->timers, in->view.hash), *found = NULL;
    unsigned n = 0;
    for (uint32_t i = 0; i < ES_TIMER_WAYS; i++) {
        struct es_timer *timer = &places[i];
        bool crowd = timer->to == 0;
        if (!timer->seq || timer->hash != in->view.hash || !may_go_to(core, timer, in->view.pid, in->time))
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
