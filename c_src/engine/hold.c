/* SPDX-License-Identifier: MIT */
/* Waiting; see hold.h. */
#include "engine/hold.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/core.h"

#define POSTPONED_MAX 8u

struct es_held {
    struct es_input in;      /* view.payload is our copy */
    uint64_t due, wait;      /* due 0: waits only for those before it */
    uint32_t postponed;
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

int es_hold_push(struct es_core *core, struct es_proc *proc, const struct es_input *in, uint64_t wait)
{
    struct es_hold *hold = &core->hold;
    if (hold->n >= ES_HELD_MAX || hold->bytes >= ES_HELD_BYTES) {
        struct es_input again = *in;
        int r = es_hold_release(core, UINT64_MAX);
        return r < 0 ? r : es_core_waited(core, &again);
    }
    uint8_t *payload = malloc(in->view.payload_len + 1);
    if (!payload || (hold->n == hold->room && grow(hold) < 0)) {
        free(payload);
        return es_fail(-ENOMEM, "no memory for events that wait");
    }
    struct es_held *held = &hold->items[hold->n++];
    *held = (struct es_held){.in = *in, .due = wait ? in->key + wait : 0, .wait = wait};
    memcpy(payload, in->view.payload, in->view.payload_len);
    held->in.view.payload = payload;
    hold->bytes += in->view.payload_len;
    proc->held++;
    if (wait && (hold->n == 1 || held->due < hold->next))
        hold->next = held->due;
    /* Its definition is behind us when a new engine goes on. */
    return es_ref_class_of(in->view.peer) == ES_REF_OTHER ? es_names_use(&core->names, in->view.peer) : 0;
}

static bool must_wait(struct es_core *core, struct es_held *held, uint64_t key)
{
    if (held->due == 0 || key == UINT64_MAX)
        return false;
    if (key < held->due)
        return true;
    const struct es_proc *sender = es_proc_find(&core->processes, held->in.view.peer);
    if (!sender || sender->held == 0 || sender->pid == held->in.view.pid || held->postponed++ >= POSTPONED_MAX)
        return false;
    held->due += held->wait / 2 + 1; /* what it waits for waits itself */
    return true;
}

int es_hold_release(struct es_core *core, uint64_t key)
{
    struct es_hold *hold = &core->hold;
    uint32_t kept = 0, n = hold->n, scan = ++hold->scan;
    uint64_t next = UINT64_MAX;
    int r = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct es_held held = hold->items[i];
        struct es_proc *proc = es_proc_find(&core->processes, held.in.view.pid);
        bool blocked = proc && proc->scan == scan && key != UINT64_MAX;
        if (r < 0 || blocked || must_wait(core, &held, key)) {
            if (proc)
                proc->scan = scan;
            if (held.due && held.due < next)
                next = held.due;
            hold->items[kept++] = held;
            continue;
        }
        if (proc && proc->held > 0)
            proc->held--;
        hold->bytes -= held.in.view.payload_len;
        r = es_core_waited(core, &held.in);
        free((void *)(uintptr_t)held.in.view.payload);
    }
    hold->n = kept;
    hold->next = next > key && next - key < core->shortest_wait / 4 ? key + core->shortest_wait / 4 : next;
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
                                   ? es_proc_meet(&core->processes, held.in.view.pid) : NULL;
        if (!held.in.view.payload || !proc || core->hold.n >= ES_HELD_MAX)
            return -EBADMSG;
        int rc = es_hold_push(core, proc, &held.in, held.due ? held.wait : 0);
        if (rc < 0)
            return rc;
    }
    return r->bad ? -EBADMSG : 0;
}
