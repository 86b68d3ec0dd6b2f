/* SPDX-License-Identifier: MIT */
/* Growing and closing up; see table.h. */
#include "store/table.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_SIZE 256u
#define LAST_SIZE (1u << 30)

static int grow(struct es_table *table)
{
    uint32_t size = table->mask ? (table->mask + 1) * 2 : FIRST_SIZE;
    struct es_table bigger = {.mask = size - 1, .used = table->used, .shift = 64 - (unsigned)__builtin_ctz(size)};
    bigger.slots = size <= LAST_SIZE ? calloc(size, sizeof *bigger.slots) : NULL;
    if (!bigger.slots)
        return -ENOMEM;
    for (uint32_t i = 0; table->mask && i <= table->mask; i++) {
        if (table->slots[i].key == 0)
            continue;
        uint32_t at = es_table_home(&bigger, table->slots[i].key);
        while (bigger.slots[at].key)
            at = (at + 1) & bigger.mask;
        bigger.slots[at] = table->slots[i];
    }
    free(table->slots);
    *table = bigger;
    return 0;
}

int es_table_put(struct es_table *table, uint64_t key, uint32_t value)
{
    if (key == 0)
        return -EINVAL;
    if (table->mask == 0 || table->used > table->mask / 8 * 5) {
        int r = grow(table);
        if (r < 0)
            return r;
    }
    uint32_t at = es_table_home(table, key);
    while (table->slots[at].key && table->slots[at].key != key)
        at = (at + 1) & table->mask;
    table->used += table->slots[at].key == 0;
    table->slots[at] = (struct es_table_slot){.key = key, .value = value};
    return 0;
}

bool es_table_remove(struct es_table *table, uint64_t key)
{
    if (table->mask == 0 || key == 0)
        return false;
    uint32_t at = es_table_home(table, key);
    while (table->slots[at].key != key) {
        if (table->slots[at].key == 0)
            return false;
        at = (at + 1) & table->mask;
    }
    /* Those behind that can't be found across the hole move into it. */
    for (uint32_t next = (at + 1) & table->mask; table->slots[next].key; next = (next + 1) & table->mask) {
        uint32_t home = es_table_home(table, table->slots[next].key);
        if (((next - home) & table->mask) >= ((next - at) & table->mask)) {
            table->slots[at] = table->slots[next];
            at = next;
        }
    }
    table->slots[at].key = 0;
    table->used--;
    return true;
}

void es_table_fini(struct es_table *table)
{
    free(table->slots);
    *table = (struct es_table){0};
}
