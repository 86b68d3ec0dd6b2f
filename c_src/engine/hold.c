/* SPDX-License-Identifier: MIT */
/* Waiting; see hold.h. */
#include "engine/hold.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/core.h"

struct es_held {
    struct es_input in; /* view.payload is our copy */
    uint64_t due, wait; /* due 0: waits only for those before it */
    uint32_t place;     /* of its process: it stays where it is while something of it waits */
};

void es_hold_fini(struct es_hold *hold)
{
    for (uint32_t i = 0; i < hold->n; i++)
        free((void *)(uintptr_t)hold->items[i].in.view.payload);
    free(hold->items);
    *hold = (struct es_hold){0};
}

static int grow(struct es_hold *hold)
{
    uint32_t room = hold->room ? hold->room * 2 : 64;
    struct es_held *items = realloc(hold->items, room * sizeof *items);
    if (!items)
        return -ENOMEM;
    hold->items = items;
    hold->room = room;
    return 0;
}

static es_ref waits_for(const struct es_core *core, const struct es_input *in)
{
    return in->view.kind == ES_K_EXIT ? es_exit_waits_for(core, in->view.pid, in->time) : in->view.peer;
}

static void note_first(const struct es_core *core, struct es_proc *proc, const struct es_held *held)
{
    proc->waits_for = waits_for(core, &held->in);
    proc->held_key = held->in.key;
    proc->held_due = held->due;
}

int es_hold_push(struct es_core *core, struct es_proc *proc, const struct es_input *in, uint64_t wait)
{
    struct es_hold *hold = &core->hold;
    while (hold->n >= ES_HELD_MAX || (hold->n > 0 && hold->bytes >= ES_HELD_BYTES)) {
        hold->items[0].due = 0; /* the oldest has waited long enough */
        int r = es_hold_release(core, core->last_key);
        if (r < 0)
            return r;
    }
    uint8_t *payload = malloc(in->view.payload_len + 1);
    if (!payload || (hold->n == hold->room && grow(hold) < 0)) {
        free(payload);
        return es_fail(-ENOMEM, "no memory for events that wait");
    }
    struct es_held *held = &hold->items[hold->n++];
    *held = (struct es_held){.in = *in, .due = wait ? in->key + wait : 0, .wait = wait, .place = proc->index};
    memcpy(payload, in->view.payload, in->view.payload_len);
    held->in.view.payload = payload;
    hold->bytes += in->view.payload_len;
    if (proc->held++ == 0)
        note_first(core, proc, held);
    if (wait && (hold->n == 1 || held->due < hold->next))
        hold->next = held->due;
    /* Its definition is behind us when a new engine goes on. */
    return es_ref_class_of(in->view.peer) == ES_REF_OTHER ? es_names_use(&core->names, in->view.peer) : 0;
}

bool es_hold_has_exit(const struct es_hold *hold, es_ref pid, int64_t time)
{
    for (uint32_t i = 0; i < hold->n; i++) {
        const struct es_input *in = &hold->items[i].in;
        if (in->view.pid == pid && in->view.kind == ES_K_EXIT && in->time <= time)
            return true;
    }
    return false;
}

void es_hold_poke(struct es_core *core, es_ref from, es_ref to)
{
    const struct es_proc *proc = to ? es_proc_find(&core->processes, to) : NULL;
    if (!to || (proc && proc->held > 0 && proc->waits_for == from))
        core->hold.next = 0;
}

/* Whether those that it waits for wait for each other, and all have waited long enough: so it would be for ever. */
static bool is_in_circle(const struct es_core *core, es_ref pid, es_ref other, uint64_t key)
{
    for (uint32_t i = 0; i <= core->hold.n; i++) {
        const struct es_proc *proc = es_proc_find(&core->processes, other);
        if (other == pid)
            return true;
        if (!proc || proc->held == 0 || proc->held_due > key)
            return false;
        other = proc->waits_for;
    }
    return false; /* of others: one of them will be given up */
}

/* Whether it may wait no longer. Where what it waits for waits itself, that has to be decided first. */
static bool is_over(const struct es_core *core, const struct es_held *held, uint64_t key)
{
    if (held->due == 0 || key == UINT64_MAX)
        return true;
    if (key < held->due)
        return false;
    const struct es_proc *other = es_proc_find(&core->processes, waits_for(core, &held->in));
    if (!other || other->held == 0 || other->held_key > held->in.key + held->wait)
        return true;
    return is_in_circle(core, held->in.view.pid, other->pid, key);
}

/* Looks at one that is the first of its process: 0 and *ret_waits, or an error. */
static int look(struct es_core *core, struct es_held *held, struct es_proc *proc, uint64_t key, bool *ret_waits)
{
    struct es_hold *hold = &core->hold;
    bool over = is_over(core, held, key);
    if (proc && proc->held > 0) {
        proc->held--;
        proc->held_due = UINT64_MAX; /* of the next one, which was not looked at yet */
    }
    int r = es_core_again(core, &held->in, over, ret_waits);
    if (r < 0 || !*ret_waits)
        return r;
    uint64_t then = held->due > key ? held->due : key + held->wait / 2 + 1;
    hold->next = then < hold->next ? then : hold->next;
    hold->overdue = hold->overdue || held->due <= key;
    if (proc) {
        proc->held++;
        proc->scan = hold->scan;
        note_first(core, proc, held);
    }
    return 0;
}

static void keep(struct es_hold *hold, uint32_t i, uint32_t kept)
{
    if (i != kept)
        hold->items[kept] = hold->items[i];
}

static int scan(struct es_core *core, uint64_t key)
{
    struct es_hold *hold = &core->hold;
    uint32_t kept = 0, n = hold->n;
    int r = 0;
    hold->scan++;
    hold->next = UINT64_MAX;
    hold->overdue = false;
    for (uint32_t i = 0; i < n; i++) {
        struct es_proc *proc = es_proc_at(&core->processes, hold->items[i].place);
        if (proc->scan == hold->scan && key != UINT64_MAX) { /* most are: it stays behind another one of its process */
            keep(hold, i, kept++);
            continue;
        }
        struct es_held held = hold->items[i];
        bool waits = true;
        if (r == 0)
            r = look(core, &held, proc, key, &waits);
        if (waits) {
            hold->items[kept++] = held;
            continue;
        }
        hold->bytes -= held.in.view.payload_len;
        free((void *)(uintptr_t)held.in.view.payload);
    }
    hold->n = kept;
    return r;
}

int es_hold_release(struct es_core *core, uint64_t key)
{
    struct es_hold *hold = &core->hold;
    uint32_t n;
    int r;
    do {
        n = hold->n;
        r = scan(core, key);
    } while (r == 0 && hold->n > 0 && (hold->next == 0 || (hold->overdue && hold->n < n)));
    return r;
}

/* ---- for a new engine ---------------------------------------------------------------------------------------------- */

size_t es_hold_size(const struct es_hold *hold) { return sizeof hold->n + hold->n * sizeof *hold->items + hold->bytes; }

void es_hold_save(const struct es_hold *hold, struct es_writer *w)
{
    es_write_bytes(w, &hold->n, sizeof hold->n);
    for (uint32_t i = 0; i < hold->n; i++) {
        es_write_bytes(w, &hold->items[i], sizeof hold->items[i]);
        es_write_bytes(w, hold->items[i].in.view.payload, hold->items[i].in.view.payload_len);
    }
}

int es_hold_load(struct es_core *core, struct es_reader *r)
{
    uint32_t n = es_reader_le32(r);
    for (uint32_t i = 0; i < n; i++) {
        struct es_held held;
        const uint8_t *bytes = es_reader_take(r, sizeof held);
        if (!bytes)
            return -EBADMSG;
        memcpy(&held, bytes, sizeof held);
        held.in.view.payload = es_reader_take(r, held.in.view.payload_len);
        struct es_proc *proc = es_ref_class_of(held.in.view.pid) == ES_REF_PID && held.in.view.kind < ES_KIND_MAX
                                   ? es_proc_meet(&core->processes, held.in.view.pid)
                                   : NULL;
        if (!held.in.view.payload || !proc || core->hold.n >= ES_HELD_MAX)
            return -EBADMSG;
        int rc = es_hold_push(core, proc, &held.in, held.due ? held.wait : 0);
        if (rc < 0)
            return rc;
    }
    return r->bad ? -EBADMSG : 0;
}
