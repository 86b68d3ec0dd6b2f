/* SPDX-License-Identifier: MIT */
/* From a 64-bit key, not 0, to a 32-bit value: open addressing, whose places are closed up again when a key goes. So it stays as fast
 * after ten million processes that came and went as it was at the first. */
#ifndef ES_STORE_TABLE_H
#define ES_STORE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#define ES_TABLE_NONE UINT32_MAX

struct es_table_slot {
    uint64_t key;
    uint32_t value;
};
struct es_table {
    struct es_table_slot *slots;
    uint32_t mask, used; /* mask 0: nothing allocated yet */
    unsigned shift;      /* 64 - bits of the mask */
};

/* The upper bits of a multiple of the golden ratio: numbers in a row, as pids and atoms are, come to lie apart from each other. */
#define ES_TABLE_GOLDEN UINT64_C(0x9e3779b97f4a7c15)
static inline uint32_t es_table_home(const struct es_table *table, uint64_t key)
{
    return (uint32_t)((key * ES_TABLE_GOLDEN) >> table->shift);
}

static inline uint64_t es_table_hash(uint64_t key) /* for other tables: all its bits are as good */
{
    key *= ES_TABLE_GOLDEN;
    return key ^ (key >> 32);
}

/* The value of the key, or ES_TABLE_NONE. */
static inline uint32_t es_table_get(const struct es_table *table, uint64_t key)
{
    if (table->mask == 0)
        return ES_TABLE_NONE;
    for (uint32_t at = es_table_home(table, key);; at = (at + 1) & table->mask) {
        if (table->slots[at].key == key)
            return table->slots[at].value;
        if (table->slots[at].key == 0)
            return ES_TABLE_NONE;
    }
}

/* The key will be looked for soon. */
static inline void es_table_foresee(const struct es_table *table, uint64_t key)
{
    if (table->mask)
        __builtin_prefetch(&table->slots[es_table_home(table, key)]);
}

int es_table_put(struct es_table *table, uint64_t key, uint32_t value); /* adds or replaces; -ENOMEM */
bool es_table_remove(struct es_table *table, uint64_t key);
void es_table_fini(struct es_table *table);

#endif
