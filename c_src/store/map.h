/* SPDX-License-Identifier: MIT */
/* From a 64-bit key, not 0, to a 32-bit value: open addressing, grows by itself, is cleared but never shrunk by deletions. */
#ifndef ES_STORE_MAP_H
#define ES_STORE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct es_map {
    uint64_t *keys;
    uint32_t *values;
    size_t size, n; /* size: 0 or a power of two */
};

void es_map_fini(struct es_map *map);
void es_map_clear(struct es_map *map);
bool es_map_get(const struct es_map *map, uint64_t key, uint32_t *ret_value);
int es_map_put(struct es_map *map, uint64_t key, uint32_t value); /* -ENOMEM */

#endif
