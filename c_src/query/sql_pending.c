/* SPDX-License-Identifier: MIT */
/* What waits for its other half; see sql_pending.h. */
#include "query/sql_pending.h"

#include <stdlib.h>
#include <string.h>

static size_t home_of(const struct es_pending *p, uint64_t key)
{
    key *= UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(key ^ key >> 32) & (p->room - 1);
}

static uint64_t *slot(const struct es_pending *p, size_t i) { return (uint64_t *)(void *)(p->slots + i * p->size); }

static size_t probe(const struct es_pending *p, uint64_t key)
{
    size_t i = home_of(p, key);
    while (*slot(p, i) && *slot(p, i) != key)
        i = (i + 1) & (p->room - 1);
    return i;
}

static int grow(struct es_pending *p)
{
    struct es_pending bigger = {.size = p->size, .n = p->n, .room = p->room ? p->room * 2 : 64};
    bigger.slots = calloc(bigger.room, bigger.size);
    if (!bigger.slots)
        return -1;
    for (size_t i = 0; i < p->room; i++)
        if (*slot(p, i))
            memcpy(slot(&bigger, probe(&bigger, *slot(p, i))), slot(p, i), p->size);
    free(p->slots);
    *p = bigger;
    return 0;
}

void *es_pending_place(struct es_pending *p, uint64_t key)
{
    if (p->n * 4 >= p->room * 3 && grow(p) < 0)
        return NULL;
    uint64_t *entry = slot(p, probe(p, key));
    if (!*entry) {
        *entry = key;
        p->n++;
    }
    return entry;
}

void *es_pending_find(const struct es_pending *p, uint64_t key)
{
    if (p->n == 0 || key == 0)
        return NULL;
    uint64_t *entry = slot(p, probe(p, key));
    return *entry ? entry : NULL;
}

int es_pending_take(struct es_pending *p, uint64_t key, void *ret)
{
    uint64_t *entry = es_pending_find(p, key);
    if (!entry)
        return -1;
    memcpy(ret, entry, p->size);
    size_t hole = (size_t)((uint8_t *)entry - p->slots) / p->size, mask = p->room - 1;
    for (size_t i = (hole + 1) & mask; *slot(p, i); i = (i + 1) & mask) {
        if (((i - home_of(p, *slot(p, i))) & mask) < ((i - hole) & mask))
            continue; /* it would stand before its home */
        memcpy(slot(p, hole), slot(p, i), p->size);
        hole = i;
    }
    memset(slot(p, hole), 0, p->size);
    p->n--;
    return 0;
}

void *es_pending_walk(const struct es_pending *p, size_t *at)
{
    while (*at < p->room) {
        uint64_t *entry = slot(p, (*at)++);
        if (*entry)
            return entry;
    }
    return NULL;
}

void es_pending_fini(struct es_pending *p)
{
    free(p->slots);
    *p = (struct es_pending){.size = p->size};
}
