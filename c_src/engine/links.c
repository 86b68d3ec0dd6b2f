/* SPDX-License-Identifier: MIT */
/* Links; see links.h. */
#include "engine/links.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "wire/term.h"

void es_links_init(struct es_links *links) { *links = (struct es_links){.free = ES_TABLE_NONE}; }

void es_links_fini(struct es_links *links)
{
    free(links->ends);
    es_table_fini(&links->pairs);
    es_table_fini(&links->firsts);
    es_links_init(links);
}

static uint64_t key_of(es_ref a, es_ref b)
{
    uint64_t key = a < b ? es_hash_mix(es_hash_mix(1, a), b) : es_hash_mix(es_hash_mix(1, b), a);
    return key ? key : 1;
}

/* The first end of the pair; ES_TABLE_NONE. */
static uint32_t find(const struct es_links *links, es_ref a, es_ref b)
{
    uint32_t place = es_table_get(&links->pairs, key_of(a, b));
    if (place == ES_TABLE_NONE)
        return place;
    es_ref x = links->ends[place].pid, y = links->ends[place + 1].pid;
    return (x == a && y == b) || (x == b && y == a) ? place : ES_TABLE_NONE;
}

static uint32_t new_pair(struct es_links *links)
{
    uint32_t place = links->free;
    if (place != ES_TABLE_NONE) {
        links->free = links->ends[place].next;
        return place;
    }
    if (links->n == links->room) {
        uint32_t room = links->room ? links->room * 2 : 512;
        struct es_link_end *ends = realloc(links->ends, room * sizeof *ends);
        if (!ends)
            return ES_TABLE_NONE;
        links->ends = ends;
        links->room = room;
    }
    links->n += 2;
    return links->n - 2;
}

static int put_end(struct es_links *links, uint32_t place, es_ref pid)
{
    uint32_t next = es_table_get(&links->firsts, pid);
    links->ends[place] = (struct es_link_end){.pid = pid, .next = next, .before = ES_TABLE_NONE};
    if (next != ES_TABLE_NONE)
        links->ends[next].before = place;
    return es_table_put(&links->firsts, pid, place);
}

static void take_end(struct es_links *links, uint32_t place)
{
    const struct es_link_end *end = &links->ends[place];
    if (end->next != ES_TABLE_NONE)
        links->ends[end->next].before = end->before;
    if (end->before != ES_TABLE_NONE)
        links->ends[end->before].next = end->next;
    else if (end->next != ES_TABLE_NONE)
        es_table_put(&links->firsts, end->pid, end->next); /* replaces: needs no memory */
    else
        es_table_remove(&links->firsts, end->pid);
}

static void drop(struct es_links *links, uint32_t place)
{
    place &= ~1u;
    es_table_remove(&links->pairs, key_of(links->ends[place].pid, links->ends[place + 1].pid));
    take_end(links, place);
    take_end(links, place + 1);
    links->ends[place].next = links->free;
    links->free = place;
    links->used--;
}

int es_links_add(struct es_links *links, es_ref a, es_ref b)
{
    if (es_ref_class_of(a) != ES_REF_PID || es_ref_class_of(b) != ES_REF_PID || a == b ||
        es_table_get(&links->pairs, key_of(a, b)) != ES_TABLE_NONE)
        return 0;
    if (links->used >= ES_LINKS_MAX) {
        es_links_fini(links);
        links->forgot = true;
    }
    uint32_t place = new_pair(links);
    if (place == ES_TABLE_NONE || put_end(links, place, a) < 0 || put_end(links, place + 1, b) < 0 ||
        es_table_put(&links->pairs, key_of(a, b), place) < 0)
        return es_fail(-ENOMEM, "no memory for links");
    links->used++;
    return 0;
}

void es_links_remove(struct es_links *links, es_ref a, es_ref b)
{
    uint32_t place = links->used ? find(links, a, b) : ES_TABLE_NONE;
    if (place != ES_TABLE_NONE)
        drop(links, place);
}

struct es_killer es_links_killer(const struct es_links *links, const struct es_death *death)
{
    struct es_killer killer = {0};
    if (death->normal)
        return killer;
    for (uint32_t at = es_table_get(&links->firsts, death->pid); at != ES_TABLE_NONE; at = links->ends[at].next) {
        const struct es_link_end *other = &links->ends[at ^ 1];
        if (!other->exit_seq || other->time > death->time)
            continue;
        if (!death->reason || !other->reason) {
            killer.possible = true;
        } else if (other->reason == death->reason) {
            killer.seq = other->exit_seq;
            killer.n++;
        }
    }
    return killer;
}

void es_links_died(struct es_links *links, const struct es_death *death)
{
    uint32_t next = es_table_get(&links->firsts, death->pid);
    while (next != ES_TABLE_NONE) {
        uint32_t at = next;
        struct es_link_end *end = &links->ends[at];
        next = end->next;
        if (death->normal || links->ends[at ^ 1].exit_seq) {
            drop(links, at);
            continue;
        }
        end->exit_seq = death->seq;
        end->time = death->time;
        end->reason = death->reason;
    }
}

void es_links_each(const struct es_links *links, void (*each)(es_ref a, es_ref b, void *context), void *context)
{
    for (uint32_t i = 0; links->pairs.mask && i <= links->pairs.mask; i++) {
        const struct es_table_slot *slot = &links->pairs.slots[i];
        const struct es_link_end *pair = slot->key ? &links->ends[slot->value] : NULL;
        if (pair && !pair[0].exit_seq && !pair[1].exit_seq)
            each(pair[0].pid, pair[1].pid, context);
    }
}
