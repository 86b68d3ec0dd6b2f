/* SPDX-License-Identifier: MIT */
/* What a world holds besides processes: functions, open calls, links, mailboxes. Each from a pool with a limit. */
#include <errno.h>
#include <stdlib.h>

#include "store/world_inner.h"
#include "wire/term.h"

/* The array with room for one more than `n`; NULL: no memory, and it stays as it is. */
static void *reserve(void *array, uint32_t n, uint32_t *room, size_t size)
{
    if (n < *room)
        return array;
    uint32_t more = *room ? *room * 2 : 64;
    void *grown = realloc(array, more * size);
    if (grown)
        *room = more;
    return grown;
}

/* A place in frames and one in links, of those given back or behind the last. */
static int frame_place(struct es_world *world, uint32_t *ret_at)
{
    *ret_at = world->free_frame;
    if (*ret_at != ES_TABLE_NONE) {
        world->free_frame = world->frames[*ret_at].below;
        return 0;
    }
    struct es_world_frame *frames = reserve(world->frames, world->n_frames, &world->frames_room, sizeof *world->frames);
    if (!frames)
        return -ENOMEM;
    world->frames = frames;
    *ret_at = world->n_frames++;
    return 0;
}

static int link_place(struct es_world *world, uint32_t *ret_at)
{
    *ret_at = world->free_link;
    if (*ret_at != ES_TABLE_NONE) {
        world->free_link = world->link[*ret_at].next;
        return 0;
    }
    struct es_world_link *link = reserve(world->link, world->n_links, &world->links_room, sizeof *world->link);
    if (!link)
        return -ENOMEM;
    world->link = link;
    *ret_at = world->n_links++;
    return 0;
}

/* ---- functions ----------------------------------------------------------------------------------------------------- */

int64_t es_world_fun(struct es_world *world, es_ref module, es_ref function, unsigned arity)
{
    uint64_t key = es_hash_mix(es_hash_mix(arity + 1, module), function);
    uint32_t place = es_table_get(&world->fun_of, key ? key : 1);
    if (place != ES_TABLE_NONE) {
        const struct es_world_fun *fun = &world->funs[place];
        return fun->module == module && fun->function == function && fun->arity == arity ? place : 0;
    }
    if (world->n_funs == ES_WORLD_FUNS)
        return 0;
    struct es_world_fun *funs = reserve(world->funs, world->n_funs + 1, &world->funs_room, sizeof *world->funs);
    if (!funs)
        return -ENOMEM;
    world->funs = funs;
    if (world->n_funs == 0)
        world->funs[world->n_funs++] = (struct es_world_fun){0}; /* 0 is none */
    if (es_table_put(&world->fun_of, key ? key : 1, world->n_funs) < 0)
        return -ENOMEM;
    world->funs[world->n_funs] = (struct es_world_fun){module, function, (uint16_t)arity, false};
    return world->n_funs++;
}

/* ---- open calls ---------------------------------------------------------------------------------------------------- */

int es_world_call(struct es_world *world, struct es_world_proc *proc, const struct es_world_frame *call)
{
    uint32_t at;
    if (proc->depth == ES_WORLD_DEPTH || world->frames_used == ES_WORLD_FRAMES) {
        proc->deeper++;
        return 0;
    }
    if (frame_place(world, &at) < 0)
        return -ENOMEM;
    world->frames[at] = *call;
    world->frames[at].below = proc->frame;
    proc->frame = at;
    proc->depth++;
    world->frames_used++;
    return 0;
}

static void pop(struct es_world *world, struct es_world_proc *proc)
{
    uint32_t at = proc->frame;
    proc->frame = world->frames[at].below;
    proc->depth--;
    world->frames[at].below = world->free_frame;
    world->free_frame = at;
    world->frames_used--;
}

void es_world_return(struct es_world *world, struct es_world_proc *proc, uint32_t fun, bool woven)
{
    uint32_t at = proc->frame;
    if (proc->deeper > 0) {
        if (--proc->deeper == 0)
            proc->flags &= ~(uint32_t)ES_WP_DEEP_TRY;
        return;
    }
    while (at != ES_TABLE_NONE && (world->frames[at].fun != fun || world->frames[at].woven != woven))
        at = world->frames[at].below;
    if (at == ES_TABLE_NONE)
        return; /* its call began before we looked */
    while (proc->frame != at)
        pop(world, proc);
    pop(world, proc);
}

void es_world_no_calls(struct es_world *world, struct es_world_proc *proc)
{
    while (proc->frame != ES_TABLE_NONE)
        pop(world, proc);
    proc->deeper = 0;
    proc->flags &= ~(uint32_t)ES_WP_DEEP_TRY;
}

void es_world_try(struct es_world *world, struct es_world_proc *proc, uint32_t fun, uint64_t token)
{
    struct es_world_frame *frame = proc->frame == ES_TABLE_NONE ? NULL : &world->frames[proc->frame];
    if (proc->deeper > 0)
        proc->flags |= ES_WP_DEEP_TRY;
    else if (frame && frame->woven && frame->fun == fun && !frame->token)
        frame->token = token;
}

/* Whose `try` it was: of the calls that have one, the innermost whose first is not later. Without a token it is told by its function. */
static uint32_t catcher(const struct es_world *world, const struct es_world_proc *proc, uint32_t fun, uint64_t token)
{
    uint32_t at = proc->frame;
    for (; at != ES_TABLE_NONE; at = world->frames[at].below) {
        const struct es_world_frame *frame = &world->frames[at];
        if (frame->woven && (token ? frame->token && frame->token <= token : frame->fun == fun))
            return frame->fun == fun ? at : ES_TABLE_NONE;
    }
    return at;
}

void es_world_caught(struct es_world *world, struct es_world_proc *proc, uint32_t fun, uint64_t token)
{
    if (proc->deeper > 0 && (!token || proc->flags & ES_WP_DEEP_TRY)) {
        es_world_no_calls(world, proc); /* it may be among those that are only counted */
        return;
    }
    uint32_t at = catcher(world, proc, fun, token);
    if (at == ES_TABLE_NONE)
        return;
    proc->deeper = 0;
    proc->flags &= ~(uint32_t)ES_WP_DEEP_TRY;
    while (proc->frame != at)
        pop(world, proc);
}

/* ---- links --------------------------------------------------------------------------------------------------------- */

static uint64_t link_key(es_ref owner, es_ref peer)
{
    uint64_t key = es_hash_mix(es_hash_mix(0x11, owner), peer);
    return key ? key : 1;
}

int es_world_add_link(struct es_world *world, struct es_world_proc *proc, es_ref peer)
{
    uint64_t key = link_key(proc->pid, peer);
    uint32_t at = es_table_get(&world->link_of, key);
    if (peer == 0 || at != ES_TABLE_NONE)
        return 0;
    if (world->link_of.used == ES_WORLD_LINKS) {
        proc->flags |= ES_WP_LINKS_CUT;
        return 0;
    }
    if (link_place(world, &at) < 0)
        return -ENOMEM;
    world->link[at] = (struct es_world_link){proc->pid, peer, ES_TABLE_NONE, proc->link_last};
    if (proc->link_last != ES_TABLE_NONE)
        world->link[proc->link_last].next = at;
    else
        proc->link = at;
    proc->link_last = at;
    proc->links++;
    return es_table_put(&world->link_of, key, at);
}

static void unlink_at(struct es_world *world, struct es_world_proc *proc, uint32_t at)
{
    struct es_world_link *link = &world->link[at];
    es_table_remove(&world->link_of, link_key(link->owner, link->peer));
    if (link->prev != ES_TABLE_NONE)
        world->link[link->prev].next = link->next;
    else
        proc->link = link->next;
    if (link->next != ES_TABLE_NONE)
        world->link[link->next].prev = link->prev;
    else
        proc->link_last = link->prev;
    proc->links--;
    link->next = world->free_link;
    world->free_link = at;
}

void es_world_drop_link(struct es_world *world, struct es_world_proc *proc, es_ref peer)
{
    uint32_t at = es_table_get(&world->link_of, link_key(proc->pid, peer));
    if (at != ES_TABLE_NONE && world->link[at].owner == proc->pid && world->link[at].peer == peer)
        unlink_at(world, proc, at);
}

void es_world_no_links(struct es_world *world, struct es_world_proc *proc)
{
    while (proc->link != ES_TABLE_NONE)
        unlink_at(world, proc, proc->link);
}

/* ---- monitors ------------------------------------------------------------------------------------------------------ */

/* They are in the pool of links, and not looked for: a census tells them once. */
int es_world_add_monitor(struct es_world *world, struct es_world_proc *proc, es_ref peer)
{
    uint32_t at, last = ES_TABLE_NONE;
    for (at = proc->monitor; at != ES_TABLE_NONE; at = world->link[at].next) {
        if (world->link[at].peer == peer)
            return 0;
        last = at;
    }
    if (proc->monitors == ES_WORLD_MONITORS || world->n_links >= ES_WORLD_LINKS) {
        proc->flags |= ES_WP_MONITORS_CUT;
        return 0;
    }
    if (link_place(world, &at) < 0)
        return -ENOMEM;
    world->link[at] = (struct es_world_link){proc->pid, peer, ES_TABLE_NONE, last};
    if (last != ES_TABLE_NONE)
        world->link[last].next = at;
    else
        proc->monitor = at;
    proc->monitors++;
    return 0;
}

void es_world_no_monitors(struct es_world *world, struct es_world_proc *proc)
{
    while (proc->monitor != ES_TABLE_NONE) {
        uint32_t at = proc->monitor;
        proc->monitor = world->link[at].next;
        world->link[at].next = world->free_link;
        world->free_link = at;
    }
    proc->monitors = 0;
}

/* ---- mailboxes ----------------------------------------------------------------------------------------------------- */

static uint32_t most(const struct es_world *world, const struct es_world_proc *proc)
{
    bool many = proc->flags & (ES_WP_BEHAVIOUR | ES_WP_TAKES) && world->mail_n < ES_WORLD_MAILS;
    return many ? ES_WORLD_MAIL : ES_WORLD_MAIL_FEW;
}

static void shift(struct es_world *world, struct es_world_proc *proc)
{
    proc->mail_first = (uint16_t)((proc->mail_first + 1) & (proc->mail_room - 1));
    proc->mail_n--;
    world->mail_n--;
}

static int grow(struct es_world_proc *proc)
{
    uint32_t room = proc->mail_room ? proc->mail_room * 2u : ES_WORLD_MAIL_FEW;
    struct es_world_mail *mail = malloc(room * sizeof *mail);
    if (!mail)
        return -ENOMEM;
    for (uint32_t i = 0; i < proc->mail_n; i++)
        mail[i] = *es_world_mail_at(proc, i);
    free(proc->mail);
    proc->mail = mail;
    proc->mail_room = (uint16_t)room;
    proc->mail_first = 0;
    return 0;
}

int es_world_mail_push(struct es_world *world, struct es_world_proc *proc, const struct es_world_mail *mail)
{
    while (proc->mail_n >= most(world, proc)) {
        shift(world, proc);
        proc->mail_older++;
    }
    if (proc->mail_n == proc->mail_room && grow(proc) < 0)
        return -ENOMEM;
    proc->mail[(proc->mail_first + proc->mail_n) & (proc->mail_room - 1)] = *mail;
    proc->mail_n++;
    world->mail_n++;
    return 0;
}

void es_world_mail_until(struct es_world *world, struct es_world_proc *proc, uint64_t seq)
{
    if (proc->mail_n > 0 && es_world_mail_at(proc, 0)->seq > seq) { /* it is one of those that are only counted */
        if (proc->mail_older > 0)
            proc->mail_older--;
        proc->flags |= proc->mail_older > 0 ? ES_WP_AT_MOST : 0;
        return;
    }
    bool met = false;
    while (proc->mail_n > 0 && es_world_mail_at(proc, 0)->seq <= seq) {
        met = true;
        shift(world, proc);
    }
    if (met || proc->mail_n == 0) {
        proc->mail_older = 0;
        proc->flags &= ~(uint32_t)ES_WP_AT_MOST;
    }
}

void es_world_mail_one(struct es_world *world, struct es_world_proc *proc, uint64_t seq, uint64_t corr)
{
    uint32_t i = proc->mail_n;
    while (i > 0) {
        const struct es_world_mail *mail = es_world_mail_at(proc, i - 1);
        if (seq ? mail->seq == seq : mail->corr == corr)
            break;
        i--;
    }
    if (i == 0) {
        if (seq && proc->mail_older > 0) /* known by its number: so it is among the older */
            proc->mail_older--;
        return;
    }
    for (; i < proc->mail_n; i++)
        proc->mail[(proc->mail_first + i - 1) & (proc->mail_room - 1)] = *es_world_mail_at(proc, i);
    proc->mail_n--;
    world->mail_n--;
}

void es_world_no_mail(struct es_world *world, struct es_world_proc *proc)
{
    world->mail_n -= proc->mail_n;
    proc->mail_n = 0;
    proc->mail_older = 0;
    free(proc->mail);
    proc->mail = NULL;
    proc->mail_room = 0;
}
