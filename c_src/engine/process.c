/* SPDX-License-Identifier: MIT */
/* Keeping processes and names; see process.h. */
#include "engine/process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define NAMES_MAX (1u << 18)

void es_processes_init(struct es_processes *p, struct es_store *store)
{
    memset(p, 0, sizeof *p);
    p->store = store;
    p->free = ES_TABLE_NONE;
}

void es_processes_fini(struct es_processes *p)
{
    for (uint32_t i = 0; i < p->n_chunks; i++)
        free(p->chunks[i]);
    free(p->chunks);
    free(p->dirty);
    free(p->registered);
    es_table_fini(&p->by_pid);
    es_table_fini(&p->names);
}

/* ---- places -------------------------------------------------------------------------------------------------------- */

static int add_chunk(struct es_processes *p)
{
    struct es_proc **chunks = realloc(p->chunks, (p->n_chunks + 1) * sizeof *chunks);
    if (!chunks)
        return -ENOMEM;
    p->chunks = chunks;
    if (posix_memalign((void **)&p->chunks[p->n_chunks], 64, ES_PROC_CHUNK * sizeof(struct es_proc)) != 0)
        return -ENOMEM;
    p->n_chunks++;
    return 0;
}

static struct es_proc *new_place(struct es_processes *p)
{
    uint32_t index = p->free;
    if (index != ES_TABLE_NONE) {
        p->free = es_proc_at(p, index)->next;
    } else {
        if (p->used == p->n_chunks * ES_PROC_CHUNK && add_chunk(p) < 0)
            return NULL;
        index = p->used++;
    }
    struct es_proc *proc = es_proc_at(p, index);
    *proc = (struct es_proc){.last_time = INT64_MIN, .drained = INT64_MIN, .index = index, .next = ES_TABLE_NONE};
    return proc;
}

static void drop(struct es_processes *p, struct es_proc *proc)
{
    es_table_remove(&p->by_pid, proc->pid);
    proc->pid = 0;
    proc->flags = 0;
    proc->next = p->free;
    p->free = proc->index;
    p->count--;
}

/* Where more live than memory is meant for: forgets a quiet one, found among a few. */
static int make_room(struct es_processes *p)
{
    struct es_proc *quiet = NULL;
    for (uint32_t tries = 0; tries < 64 || !quiet; tries++) {
        struct es_proc *proc = es_proc_at(p, p->hand++ % p->used);
        if (proc->pid && proc->held == 0 && !(proc->flags & ES_P_DEAD) &&
            (!quiet || proc->last_time < quiet->last_time))
            quiet = proc;
        if (tries > p->used)
            return 0;
    }
    int r = quiet->flags & ES_P_DIRTY ? es_store_process(p->store, &quiet->row) : 0;
    drop(p, quiet);
    return r;
}

struct es_proc *es_proc_meet(struct es_processes *p, es_ref pid)
{
    struct es_proc *proc = es_proc_find(p, pid);
    if (proc)
        return proc;
    if (p->count >= ES_PROC_MAX && make_room(p) < 0)
        return NULL;
    proc = new_place(p);
    if (!proc || es_table_put(&p->by_pid, pid, proc->index) < 0)
        return NULL;
    p->count++;
    proc->pid = pid;
    proc->row = (struct es_process){.pid = pid, .spawned = INT64_MIN, .exited = INT64_MAX};
    return es_proc_touch(p, proc) < 0 ? NULL : proc;
}

struct es_proc *es_proc_born(struct es_processes *p, es_ref pid)
{
    struct es_proc *proc = es_proc_find(p, pid);
    if (!proc || proc->held > 0)
        return es_proc_meet(p, pid);
    if (proc->flags & ES_P_DEAD) {
        proc->pid = 0; /* its grave is dropped in its turn */
        es_table_remove(&p->by_pid, pid);
    } else if (proc->row.spawn_seq) { /* its end was lost */
        if ((proc->flags & ES_P_DIRTY) && es_store_process(p->store, &proc->row) < 0)
            return NULL;
        drop(p, proc);
    }
    return es_proc_meet(p, pid);
}

int es_proc_touch(struct es_processes *p, struct es_proc *proc)
{
    if ((proc->flags & ES_P_DIRTY) || p->replaying)
        return 0;
    if (p->n_dirty == p->dirty_room) {
        uint32_t room = p->dirty_room ? p->dirty_room * 2 : 1024;
        uint32_t *dirty = realloc(p->dirty, room * sizeof *dirty);
        if (!dirty)
            return -ENOMEM;
        p->dirty = dirty;
        p->dirty_room = room;
    }
    proc->flags |= ES_P_DIRTY;
    p->dirty[p->n_dirty++] = proc->index;
    return 0;
}

int es_processes_flush(struct es_processes *p)
{
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < p->n_dirty; i++) {
        struct es_proc *proc = es_proc_at(p, p->dirty[i]);
        if (!(proc->flags & ES_P_DIRTY))
            continue; /* it died since, or its place is another's */
        proc->flags &= (uint8_t)~ES_P_DIRTY;
        r = es_store_process(p->store, &proc->row);
    }
    p->n_dirty = 0;
    return r;
}

/* A grave whose number was given to another process has no pid any more, but still its place. */
static void bury(struct es_processes *p, struct es_proc *proc)
{
    if (p->n_graves == ES_PROC_GRAVES) {
        struct es_proc *oldest = es_proc_at(p, p->graves[p->first_grave]);
        if (oldest->held > 0)
            return; /* `proc` stays until memory is short: this is rare and bounded by what may wait */
        if (oldest->pid)
            es_table_remove(&p->by_pid, oldest->pid);
        oldest->pid = 0;
        oldest->flags = 0;
        oldest->next = p->free;
        p->free = oldest->index;
        p->count--;
        p->first_grave = (p->first_grave + 1) % ES_PROC_GRAVES;
        p->n_graves--;
    }
    p->graves[(p->first_grave + p->n_graves++) % ES_PROC_GRAVES] = proc->index;
}

int es_proc_died(struct es_processes *p, struct es_proc *proc)
{
    bool again = proc->flags & ES_P_DEAD;
    proc->flags = (uint8_t)((proc->flags | ES_P_DEAD) & ~ES_P_DIRTY);
    int r = p->replaying ? 0 : es_store_process(p->store, &proc->row);
    proc->row.reason = NULL;
    proc->row.reason_len = 0;
    if (!again)
        bury(p, proc);
    return r;
}

/* ---- names --------------------------------------------------------------------------------------------------------- */

/* A name keeps its place when nobody has it: as atoms do in the VM. */
static struct es_registered *name_place(struct es_processes *p, es_ref name)
{
    uint32_t place = es_table_get(&p->names, name);
    if (place != ES_TABLE_NONE)
        return &p->registered[place];
    if (p->n_registered == NAMES_MAX)
        return NULL;
    if (p->n_registered == p->registered_room) {
        uint32_t room = p->registered_room ? p->registered_room * 2 : 256;
        struct es_registered *grown = realloc(p->registered, room * sizeof *grown);
        if (!grown)
            return NULL;
        p->registered = grown;
        p->registered_room = room;
    }
    place = p->n_registered;
    p->registered[place] = (struct es_registered){.name = name, .changed = INT64_MIN, .gone = INT64_MIN};
    if (es_table_put(&p->names, name, place) < 0)
        return NULL;
    p->n_registered++;
    return &p->registered[place];
}

/* Whoever looked the name up a moment ago may have found the one before. */
#define CHANGE_NS 1000000

static int store_name(const struct es_processes *p, es_ref name, es_ref pid, int64_t since, int64_t until)
{
    return p->replaying ? 0 : es_store_name(p->store, name, pid, since, until);
}

int es_processes_register(struct es_processes *p, es_ref name, es_ref pid, int64_t time)
{
    if (es_ref_class_of(name) != ES_REF_ATOM || pid == 0)
        return 0;
    struct es_registered *place = name_place(p, name);
    if (!place)
        return p->n_registered == NAMES_MAX ? 0 : es_fail(-ENOMEM, "no memory for names");
    bool has = place->pid && place->gone == INT64_MAX;
    if (has && place->pid == pid)
        return 0;
    if (has)
        store_name(p, name, place->pid, time, time);
    bool soon = place->pid != pid && place->gone > time - CHANGE_NS;
    *place = (struct es_registered){
        .name = name, .pid = pid, .before = place->pid, .changed = soon ? time : INT64_MIN, .gone = INT64_MAX};
    struct es_proc *proc = es_proc_find(p, pid);
    if (proc) {
        proc->row.name = name;
        int r = es_proc_touch(p, proc);
        if (r < 0)
            return r;
    }
    return store_name(p, name, pid, time, INT64_MAX);
}

int es_processes_unregister(struct es_processes *p, es_ref name, es_ref pid, int64_t time)
{
    uint32_t place = es_table_get(&p->names, name);
    if (place == ES_TABLE_NONE || p->registered[place].pid != pid || p->registered[place].gone != INT64_MAX)
        return 0;
    p->registered[place].gone = time;
    return store_name(p, name, pid, time, time);
}

es_ref es_processes_whereis(const struct es_processes *p, es_ref name, int64_t time, es_ref *ret_or)
{
    uint32_t place = es_table_get(&p->names, name);
    *ret_or = 0;
    if (place == ES_TABLE_NONE)
        return 0;
    const struct es_registered *found = &p->registered[place];
    if (found->changed != INT64_MIN && found->changed >= time - CHANGE_NS)
        *ret_or = found->before;
    return found->pid;
}
