/* SPDX-License-Identifier: MIT */
/* From events to what is known of each process; see world.h. */
#include "store/world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/world_inner.h"

#define BIT(kind) (UINT64_C(1) << (kind))

/* What a process does itself, as opposed to what happens to it or is said of it. */
#define OWN_KINDS                                                                                                      \
    (BIT(ES_K_SPAWN) | BIT(ES_K_SPAWNED) | BIT(ES_K_REGISTER) | BIT(ES_K_UNREGISTER) | BIT(ES_K_LINK) |                \
     BIT(ES_K_UNLINK) | BIT(ES_K_SEND) | BIT(ES_K_SEND_DEAD) | BIT(ES_K_TIMEOUT) | BIT(ES_K_CALL) | BIT(ES_K_RETURN) | \
     BIT(ES_K_EXCEPTION) | BIT(ES_K_STATE) | BIT(ES_K_TAIL) | BIT(ES_K_TRY) | BIT(ES_K_CAUGHT) | BIT(ES_K_TAKEN) |     \
     BIT(ES_K_LINE))

void es_world_init(struct es_world *world, const struct es_world_text *text)
{
    memset(world, 0, sizeof *world);
    world->text = text ? *text : (struct es_world_text){0};
    world->first = world->last = world->free = world->free_frame = world->free_link = ES_TABLE_NONE;
    world->time = INT64_MIN;
}

void es_world_fini(struct es_world *world)
{
    for (uint32_t i = 0; i < world->used; i++)
        free(es_world_at(world, i)->mail);
    for (uint32_t i = 0; i * ES_WORLD_CHUNK < world->used; i++)
        free(world->chunks[i]);
    free(world->chunks);
    free(world->funs);
    free(world->frames);
    free(world->link);
    es_table_fini(&world->by_pid);
    es_table_fini(&world->fun_of);
    es_table_fini(&world->link_of);
    memset(world, 0, sizeof *world);
}

/* ---- who lives ----------------------------------------------------------------------------------------------------- */

static int new_place(struct es_world *world, uint32_t *ret_place)
{
    if (world->free != ES_TABLE_NONE) {
        *ret_place = world->free;
        world->free = es_world_at(world, world->free)->next;
        return 0;
    }
    if (world->used % ES_WORLD_CHUNK == 0) {
        uint32_t n = world->used / ES_WORLD_CHUNK;
        struct es_world_proc **chunks = realloc(world->chunks, (n + 1) * sizeof *chunks);
        if (!chunks)
            return -ENOMEM;
        world->chunks = chunks;
        chunks[n] = aligned_alloc(64, ES_WORLD_CHUNK * sizeof **chunks);
        if (!chunks[n])
            return -ENOMEM;
    }
    *ret_place = world->used++;
    es_world_at(world, *ret_place)->mail = NULL;
    return 0;
}
_Static_assert(sizeof(struct es_world_proc) % 64 == 0, "a process begins at a cache line");

struct es_world_proc *es_world_add(struct es_world *world, es_ref pid)
{
    uint32_t place;
    if (world->n == ES_WORLD_PROCESSES || new_place(world, &place) < 0)
        return NULL;
    struct es_world_proc *proc = es_world_at(world, place);
    *proc = (struct es_world_proc){.pid = pid,
                                   .frame = ES_TABLE_NONE,
                                   .link = ES_TABLE_NONE,
                                   .link_last = ES_TABLE_NONE,
                                   .monitor = ES_TABLE_NONE,
                                   .next = ES_TABLE_NONE,
                                   .prev = world->last};
    if (es_table_put(&world->by_pid, pid, place) < 0)
        return NULL;
    if (world->last != ES_TABLE_NONE)
        es_world_at(world, world->last)->next = place;
    else
        world->first = place;
    world->last = place;
    world->n++;
    return proc;
}

int es_world_bury(struct es_world *world, es_ref pid, uint64_t exit_seq)
{
    if (world->grave_n == ES_WORLD_GRAVES) {
        const struct es_world_grave *oldest = &world->graves[world->grave_first];
        if (es_table_get(&world->by_pid, oldest->pid) == ES_WORLD_PROCESSES + world->grave_first)
            es_table_remove(&world->by_pid, oldest->pid);
        world->grave_first = (world->grave_first + 1) % ES_WORLD_GRAVES;
        world->grave_n--;
    }
    uint32_t at = (world->grave_first + world->grave_n++) % ES_WORLD_GRAVES;
    world->graves[at] = (struct es_world_grave){pid, exit_seq};
    return es_table_put(&world->by_pid, pid, ES_WORLD_PROCESSES + at);
}

static int leave(struct es_world *world, struct es_world_proc *proc, uint64_t exit_seq)
{
    uint32_t place = es_table_get(&world->by_pid, proc->pid);
    es_world_no_calls(world, proc);
    es_world_no_links(world, proc);
    es_world_no_monitors(world, proc);
    es_world_no_mail(world, proc);
    if (proc->prev != ES_TABLE_NONE)
        es_world_at(world, proc->prev)->next = proc->next;
    else
        world->first = proc->next;
    if (proc->next != ES_TABLE_NONE)
        es_world_at(world, proc->next)->prev = proc->prev;
    else
        world->last = proc->prev;
    es_ref pid = proc->pid;
    proc->pid = 0;
    proc->next = world->free;
    world->free = place;
    world->n--;
    world->recent = NULL;
    return es_world_bury(world, pid, exit_seq);
}

const struct es_world_proc *es_world_find(const struct es_world *world, es_ref pid)
{
    uint32_t place = es_table_get(&world->by_pid, pid);
    return place < ES_WORLD_PROCESSES ? es_world_at(world, place) : NULL;
}

void es_world_foresee_process(const struct es_world *world, es_ref pid)
{
    uint32_t place = es_table_get(&world->by_pid, pid);
    if (place < ES_WORLD_PROCESSES)
        __builtin_prefetch(es_world_at(world, place), 1);
}

const struct es_world_proc *es_world_next(const struct es_world *world, const struct es_world_proc *before)
{
    uint32_t place = before ? before->next : world->first;
    return place == ES_TABLE_NONE ? NULL : es_world_at(world, place);
}

/* The process, made where it was never met. 0 and NULL where it is dead, or one too many. `born`: of the dead another may be born with the
 * same pid. */
static int meet(struct es_world *world, es_ref pid, bool born, struct es_world_proc **ret_proc)
{
    uint32_t place = es_table_get(&world->by_pid, pid);
    *ret_proc = NULL;
    if (place < ES_WORLD_PROCESSES) {
        *ret_proc = es_world_at(world, place);
        return 0;
    }
    if (place != ES_TABLE_NONE && !born)
        return 0;
    world->untracked += world->n == ES_WORLD_PROCESSES;
    *ret_proc = es_world_add(world, pid);
    return *ret_proc || world->n == ES_WORLD_PROCESSES ? 0 : -ENOMEM;
}

/* ---- messages ------------------------------------------------------------------------------------------------------ */

/* The delivery (or timeout) that this callback handles, where that is known. */
static uint64_t handled(const struct es_event *call)
{
    return call->flags & ES_E_CALLBACK && call->cause_state == ES_CAUSE_PAIRED ? call->cause : 0;
}

static void end_wait(struct es_world_proc *proc)
{
    proc->wait_corr = proc->wait_seq = proc->wait_peer = 0;
    proc->wait_time = 0;
}

/* It does something: so it waits no longer, and the reply it waited for is out of the mailbox. */
static void goes_on(struct es_world *world, struct es_world_proc *proc)
{
    end_wait(proc);
    if (proc->reply_seq)
        es_world_mail_one(world, proc, proc->reply_seq, 0);
    proc->reply_seq = 0;
}

/* Who answers a request has taken it out of the mailbox. */
static void send(struct es_world *world, struct es_world_proc *proc, const struct es_event *event)
{
    proc->sent++;
    if (!event->corr)
        return;
    if (event->flags & ES_E_REQUEST) {
        proc->wait_corr = event->corr;
        proc->wait_seq = event->seq;
        proc->wait_time = event->time;
        proc->wait_peer = event->peer;
    } else if (proc->mail_n > 0) {
        es_world_mail_one(world, proc, 0, event->corr);
    }
}

static int deliver(struct es_world *world, struct es_world_proc *proc, const struct es_event *event)
{
    proc->received++;
    proc->flags |= ES_WP_WOKEN;
    if (proc->wait_corr && proc->wait_corr == event->corr) {
        end_wait(proc);
        proc->reply_seq = event->seq;
    }
    return es_world_mail_push(world, proc, &(struct es_world_mail){event->seq, event->corr, event->time});
}

/* ---- calls --------------------------------------------------------------------------------------------------------- */

static void handle(struct es_world *world, struct es_world_proc *proc, const struct es_event *event)
{
    uint64_t seq = handled(event);
    proc->flags |= ES_WP_BEHAVIOUR;
    if (seq) {
        proc->flags |= ES_WP_HANDLES;
        es_world_mail_until(world, proc, seq);
    } else if (event->cause_state != ES_CAUSE_NONE) { /* one was handled, and nobody knows which */
        proc->flags |= ES_WP_AT_MOST;
    }
}

/* Calls count as open where they are sure to end in sight: those of callbacks, and those of functions whose ends are recorded. */
static int call(struct es_world *world, struct es_world_proc *proc, const struct es_event *event)
{
    int64_t fun = es_world_fun(world, event->module, event->function, event->arity);
    bool callback = event->flags & ES_E_CALLBACK, woven = event->flags & ES_E_WOVEN;
    if (fun < 0)
        return (int)fun;
    if (callback)
        handle(world, proc, event);
    if (!callback && !woven && !world->funs[fun].ends)
        return 0;
    return es_world_call(
        world, proc,
        &(struct es_world_frame){.seq = event->seq, .fun = (uint32_t)fun, .callback = callback, .woven = woven});
}

static int end_of_call(struct es_world *world, struct es_world_proc *proc, const struct es_event *event)
{
    int64_t fun = es_world_fun(world, event->module, event->function, event->arity);
    bool woven = event->flags & ES_E_WOVEN || event->kind == ES_K_TAIL;
    if (!woven)
        proc->end_seq = event->seq;
    if (fun <= 0)
        return (int)fun;
    world->funs[fun].ends = world->funs[fun].ends || !woven;
    es_world_return(world, proc, (uint32_t)fun, woven);
    return 0;
}

static int exception(struct es_world *world, struct es_world_proc *proc, const struct es_event *event)
{
    int64_t fun = es_world_fun(world, event->module, event->function, event->arity);
    if (fun <= 0)
        return (int)fun;
    if (event->kind == ES_K_TRY)
        es_world_try(world, proc, (uint32_t)fun, event->corr);
    else
        es_world_caught(world, proc, (uint32_t)fun, event->corr);
    return 0;
}

static void taken(struct es_world *world, struct es_world_proc *proc, const struct es_event *event)
{
    proc->flags |= ES_WP_TAKES;
    if (event->cause)
        es_world_mail_one(world, proc, event->cause, 0);
    else
        proc->flags |= ES_WP_AT_MOST;
}

/* ---- all kinds ----------------------------------------------------------------------------------------------------- */

static int set_fun(struct es_world *world, uint32_t *fun, const struct es_event *event)
{
    int64_t place = event->module ? es_world_fun(world, event->module, event->function, event->arity) : 0;
    if (place > 0)
        *fun = (uint32_t)place;
    return place < 0 ? (int)place : 0;
}

static int spawn(struct es_world *world, const struct es_event *event)
{
    struct es_world_proc *child;
    if (es_ref_class_of(event->peer) != ES_REF_PID)
        return 0;
    int r = meet(world, event->peer, false, &child); /* its own first event raises one whose pid was another's */
    if (r < 0 || !child)
        return r;
    child->flags |= ES_WP_BORN;
    child->spawn_seq = event->seq;
    child->parent = event->pid;
    return set_fun(world, &child->fun, event);
}

static int spawned(struct es_world *world, struct es_world_proc *proc, const struct es_event *event)
{
    proc->flags |= ES_WP_BORN;
    if (!proc->spawn_seq)
        proc->spawn_seq = event->seq;
    if (!proc->parent)
        proc->parent = event->peer;
    return proc->fun ? 0 : set_fun(world, &proc->fun, event);
}

static void state(struct es_world_proc *proc, const struct es_event *event)
{
    if (event->flags & ES_E_STATE_MISSED) {
        proc->flags |= ES_WP_STATE_LOST;
        return;
    }
    if (event->flags & ES_E_STATE_SAME && proc->state_seq && !(proc->flags & ES_WP_STATE_LOST))
        return;
    proc->flags &= ~(uint32_t)ES_WP_STATE_LOST;
    proc->state_seq = event->seq;
    proc->state_time = event->time;
    proc->state_hash = event->hash;
    proc->state_len = event->payload_len;
    proc->state_flags = event->flags;
}

static void collected(struct es_world_proc *proc, const struct es_event *event)
{
    proc->heap_seq = event->seq;
    for (unsigned i = 0; i < ES_NUMS; i++)
        proc->heap[i] = event->num[i] > UINT32_MAX ? UINT32_MAX : (uint32_t)event->num[i];
}

static int scheduled(struct es_world *world, struct es_world_proc *proc, const struct es_event *event)
{
    proc->flags = (proc->flags & ~(uint32_t)(ES_WP_IN | ES_WP_WOKEN)) | ES_WP_SCHEDULED;
    if (event->kind == ES_K_IN)
        proc->flags |= ES_WP_IN;
    if (event->module)
        proc->run_seq = event->seq;
    return set_fun(world, &proc->run_fun, event);
}

static int apply(struct es_world *world, struct es_world_proc *proc, const struct es_event *event)
{
    switch (event->kind) {
    case ES_K_SEND:
    case ES_K_SEND_DEAD: send(world, proc, event); return 0;
    case ES_K_DELIVER: return deliver(world, proc, event);
    case ES_K_CALL: return call(world, proc, event);
    case ES_K_RETURN:
    case ES_K_TAIL:
    case ES_K_EXCEPTION: return end_of_call(world, proc, event);
    case ES_K_TRY:
    case ES_K_CAUGHT: return exception(world, proc, event);
    case ES_K_TAKEN: taken(world, proc, event); return 0;
    case ES_K_STATE: state(proc, event); return 0;
    case ES_K_IN:
    case ES_K_OUT: return scheduled(world, proc, event);
    case ES_K_GC_MINOR_END:
    case ES_K_GC_MAJOR_END: collected(proc, event); return 0;
    case ES_K_SPAWN: return spawn(world, event);
    case ES_K_SPAWNED: return spawned(world, proc, event);
    case ES_K_EXIT: return leave(world, proc, event->seq);
    case ES_K_REGISTER: proc->name = event->peer; return 0;
    case ES_K_UNREGISTER: proc->name = proc->name == event->peer ? 0 : proc->name; return 0;
    case ES_K_LINK:
    case ES_K_GETTING_LINKED: return es_world_add_link(world, proc, event->peer);
    case ES_K_UNLINK:
    case ES_K_GETTING_UNLINKED: es_world_drop_link(world, proc, event->peer); return 0;
    case ES_K_CENSUS: return es_world_census(world, proc, event);
    default: return 0;
    }
}

int es_world_feed(struct es_world *world, const struct es_event *event)
{
    world->seq = event->seq;
    world->time = event->time;
    if (event->kind == ES_K_GAP)
        es_world_gap(world, event->seq);
    world->thinned = world->thinned || event->kind == ES_K_BUDGET;
    struct es_world_proc *proc = world->recent;
    if (!proc || proc->pid != event->pid) {
        if (es_ref_class_of(event->pid) != ES_REF_PID)
            return 0;
        int r = meet(world, event->pid, event->kind == ES_K_SPAWNED && !(event->flags & ES_E_LATE), &proc);
        if (r < 0 || !proc)
            return r;
        world->recent = proc;
    }
    proc->events++;
    if (OWN_KINDS >> event->kind & 1 && !(event->flags & ES_E_LATE)) {
        proc->own_seq = event->seq;
        if (event->kind == ES_K_TAKEN && event->cause == proc->reply_seq)
            proc->reply_seq = 0;
        if (proc->wait_corr || proc->reply_seq)
            goes_on(world, proc);
    }
    return apply(world, proc, event);
}
