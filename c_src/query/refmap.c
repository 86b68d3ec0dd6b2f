/* SPDX-License-Identifier: MIT */
/* Open addressing with linear probing; never shrinks, keys are never taken out. */
#include <stdlib.h>

#include "query/inner.h"

static size_t slot_of(uint64_t key, size_t room)
{
    key *= UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(key ^ key >> 32) & (room - 1);
}

static struct es_refmap_slot *probe(const struct es_refmap *map, uint64_t key)
{
    size_t i = slot_of(key, map->room);
    while (map->slots[i].key && map->slots[i].key != key)
        i = (i + 1) & (map->room - 1);
    return &map->slots[i];
}

static bool grow(struct es_refmap *map)
{
    struct es_refmap bigger = {.room = map->room ? map->room * 2 : 64, .n = map->n};
    bigger.slots = calloc(bigger.room, sizeof *bigger.slots);
    if (!bigger.slots)
        return false;
    for (size_t i = 0; i < map->room; i++)
        if (map->slots[i].key)
            *probe(&bigger, map->slots[i].key) = map->slots[i];
    free(map->slots);
    *map = bigger;
    return true;
}

uint64_t *es_refmap_place(struct es_refmap *map, uint64_t key)
{
    if (map->n * 4 >= map->room * 3 && !grow(map))
        return NULL;
    struct es_refmap_slot *slot = probe(map, key);
    if (!slot->key) {
        slot->key = key;
        map->n++;
    }
    return &slot->value;
}

uint64_t *es_refmap_find(const struct es_refmap *map, uint64_t key)
{
    if (map->room == 0 || key == 0)
        return NULL;
    struct es_refmap_slot *slot = probe(map, key);
    return slot->key ? &slot->value : NULL;
}

void es_refmap_fini(struct es_refmap *map)
{
    free(map->slots);
    *map = (struct es_refmap){0};
}
