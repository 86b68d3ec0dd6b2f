/* SPDX-License-Identifier: MIT */
/* From an event in order to an event of the recording; see core.h. */
#include "engine/core.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "engine/take.h"

#define SHORTEST_WAIT_US 20u
#define LONGEST_WAIT_US 2000u
#define MARK_EVERY 256u

int es_core_init(struct es_core *core, struct es_store *store, uint64_t ticks_ms)
{
    memset(core, 0, sizeof *core);
    core->store = store;
    core->next_seq = 1;
    core->first_time = INT64_MAX;
    core->last_time = core->last_seen = INT64_MIN;
    core->ticks_ms = ticks_ms ? ticks_ms : 1;
    core->shortest_wait = ticks_ms * SHORTEST_WAIT_US / 1000;
    core->longest_wait = ticks_ms * LONGEST_WAIT_US / 1000;
    es_names_init(&core->names, store);
    es_processes_init(&core->processes, store);
    es_world_init(&core->world,
                  &(struct es_world_text){.atom = es_names_text, .context = &core->names, .node = core->names.node});
    es_links_init(&core->links);
    return es_pairs_init(&core->pairs, &core->processes);
}

void es_core_fini(struct es_core *core)
{
    es_hold_fini(&core->hold);
    es_mails_fini(&core->mails);
    es_world_fini(&core->world);
    es_links_fini(&core->links);
    es_timers_fini(&core->timers);
    es_states_fini(&core->states);
    es_pairs_fini(&core->pairs);
    es_processes_fini(&core->processes);
    es_names_fini(&core->names);
}

/* ---- into the store ------------------------------------------------------------------------------------------------ */

int es_core_emit(struct es_core *core, struct es_proc *proc, struct es_event *event)
{
    int64_t stamped = event->time, least = core->last_time, time = stamped;
    if (event->cause)
        least++;
    if (time < least && core->last_time != INT64_MIN)
        time = least; /* one that waited: time never runs backwards along the numbers */
    event->seq = core->next_seq;
    if (__builtin_expect(time != event->time, 0)) {
        uint64_t moved = (uint64_t)time - (uint64_t)event->time;
        event->moved = moved > UINT32_MAX ? UINT32_MAX : (uint32_t)moved;
        event->flags |= ES_E_MOVED;
        event->time = time;
        core->moved++;
    }
    if (es_ref_class_of(event->peer) == ES_REF_OTHER) {
        int r = es_names_use(&core->names, event->peer);
        if (r < 0)
            return r;
    }
    if (event->site) {
        int r = es_names_use(&core->names, event->site);
        if (r < 0)
            return r;
    }
    int r = es_store_event(core->store, event);
    if (r < 0)
        return r;
    if (es_world_feed(&core->world, event) < 0)
        return es_fail(-ENOMEM, "no memory for the processes");
    core->next_seq++;
    core->full = core->limit_seq && core->next_seq >= core->limit_seq;
    core->late += (event->flags & ES_E_LATE) != 0;
    if (proc) {
        if (event->seq % ES_LATENCY_EVERY == 0 && core->latency.map)
            es_latency_note(&core->latency, stamped);
        proc->last_time = time;
        if (event->seq - proc->marks[0].seq > MARK_EVERY) {
            proc->marks[1] = proc->marks[0];
            proc->marks[0] = (struct es_proc_mark){event->seq, stamped - core->pairs.paused};
        }
    }
    core->last_time = time > core->last_time ? time : core->last_time;
    core->first_time = time < core->first_time ? time : core->first_time;
    return 0;
}

/* ---- what comes in ------------------------------------------------------------------------------------------------- */

int es_core_take(struct es_core *core, struct es_input *in)
{
    if (in->key > core->last_key)
        core->last_key = in->key;
    if (core->last_seen != INT64_MIN && in->time - core->last_seen > ES_PAUSE_NS)
        core->pairs.paused += in->time - core->last_seen - ES_PAUSE_NS;
    if (in->time > core->last_seen)
        core->last_seen = in->time;
    in->paused = core->pairs.paused;
    if (core->hold.n > 0 && core->last_key >= core->hold.next) {
        int r = es_hold_release(core, core->last_key);
        if (r < 0)
            return r;
    }
    struct es_proc *proc = NULL;
    if (es_ref_class_of(in->view.pid) == ES_REF_PID && !(proc = es_proc_meet(&core->processes, in->view.pid)))
        return es_fail(-ENOMEM, "no memory for the processes");
    if (proc && proc->held > 0) {
        if (in->view.kind == ES_K_REGISTER || in->view.kind == ES_K_UNREGISTER) { /* others use the name from now on */
            struct es_event event;
            es_take_event(in, &event);
            int r = es_take_note(core, &event, true);
            in->noted = true;
            if (r < 0)
                return r;
        }
        bool may_wait = in->view.kind == ES_K_DELIVER || in->view.kind == ES_K_SPAWNED || in->view.kind == ES_K_EXIT;
        return es_hold_push(core, proc, in, may_wait ? es_core_wait(core) : 0);
    }
    return es_take(core, proc, in, false, NULL);
}

int es_core_again(struct es_core *core, struct es_input *in, bool last, bool *ret_waits)
{
    struct es_proc *proc = es_proc_meet(&core->processes, in->view.pid);
    *ret_waits = false;
    return proc ? es_take(core, proc, in, last, ret_waits) : es_fail(-ENOMEM, "no memory for the processes");
}

int es_core_reached(struct es_core *core, uint64_t key)
{
    if (key > core->last_key && key != UINT64_MAX)
        core->last_key = key;
    return core->hold.n > 0 && key >= core->hold.next ? es_hold_release(core, key) : 0;
}

int es_core_note(struct es_core *core, unsigned kind, int64_t time, const uint8_t *payload, size_t len)
{
    struct es_event event = {.time = time, .kind = (uint8_t)kind, .payload = payload, .payload_len = (uint32_t)len};
    return es_core_emit(core, NULL, &event);
}

/* ---- before a commit ----------------------------------------------------------------------------------------------- */

static int count(struct es_core *core, const char *name, uint64_t *counter)
{
    int r = *counter ? es_store_count(core->store, name, *counter) : 0;
    *counter = 0;
    return r;
}

/* Counters "NAME.paired", "NAME.lost" … */
static int count_states(struct es_core *core, const char *name, uint64_t by_state[ES_CAUSE_MAX])
{
    int r = 0;
    by_state[ES_CAUSE_NONE] = 0;
    for (unsigned i = ES_CAUSE_NONE + 1; r == 0 && i < ES_CAUSE_MAX; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s.%s", name, es_cause_names[i]);
        r = count(core, text, &by_state[i]);
    }
    return r;
}

int es_core_flush(struct es_core *core)
{
    int r = es_processes_flush(&core->processes);
    const struct {
        const char *name;
        uint64_t *by_state;
    } all[] = {{"pairs", core->causes},
               {"handled", core->handled},
               {"replies", core->replies},
               {"exits", core->exits},
               {"timers", core->fired}};
    for (size_t i = 0; r == 0 && i < sizeof all / sizeof *all; i++)
        r = count_states(core, all[i].name, all[i].by_state);
    if (r == 0)
        r = es_latency_flush(&core->latency, core->store);
    if (r == 0)
        r = count(core, "sends.undelivered", &core->pairs.undelivered);
    if (r == 0)
        r = count(core, "sends.evicted", &core->pairs.evicted);
    if (r == 0)
        r = count(core, "deliveries.evicted", &core->mails.evicted);
    if (r == 0)
        r = count(core, "events.late", &core->late);
    return r == 0 ? count(core, "events.moved", &core->moved) : r;
}
