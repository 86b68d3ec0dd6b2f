/* SPDX-License-Identifier: MIT */
/* Map of 64-bit keys; see map.h. */
#include "store/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t place_of(const struct es_map *map, uint64_t key)
{
    uint64_t hash = key * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(hash ^ (hash >> 32)) & (map->size - 1);
    while (map->keys[at] && map->keys[at] != key)
        at = (at + 1) & (map->size - 1);
    return at;
}

static int grow(struct es_map *map)
{
    struct es_map bigger = {.size = map->size ? map->size * 2 : 64, .n = map->n};
    bigger.keys = calloc(bigger.size, sizeof *bigger.keys);
    bigger.values = malloc(bigger.size * sizeof *bigger.values);
    if (!bigger.keys || !bigger.values) {
        es_map_fini(&bigger);
        return -ENOMEM;
    }
    for (size_t i = 0; i < map->size; i++) {
        if (!map->keys[i])
            continue;
        size_t at = place_of(&bigger, map->keys[i]);
        bigger.keys[at] = map->keys[i];
        bigger.values[at] = map->values[i];
    }
    free(map->keys);
    free(map->values);
    *map = bigger;
    return 0;
}

void es_map_fini(struct es_map *map)
{
    free(map->keys);
    free(map->values);
    *map = (struct es_map){0};
}

void es_map_clear(struct es_map *map)
{
    if (map->n)
        memset(map->keys, 0, map->size * sizeof *map->keys);
    map->n = 0;
}

bool es_map_get(const struct es_map *map, uint64_t key, uint32_t *ret_value)
{
    if (map->size == 0)
        return false;
    size_t at = place_of(map, key);
    if (!map->keys[at])
        return false;
    *ret_value = map->values[at];
    return true;
}

int es_map_put(struct es_map *map, uint64_t key, uint32_t value)
{
    if (map->n * 2 >= map->size && grow(map) < 0)
        return -ENOMEM;
    size_t at = place_of(map, key);
    if (!map->keys[at]) {
        map->keys[at] = key;
        map->n++;
    }
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the values of the larger map */
    map->values[at] = value;
    return 0;
}
