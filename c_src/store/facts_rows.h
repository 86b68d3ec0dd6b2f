/* SPDX-License-Identifier: MIT */
/* Facts as they wait for their rows. */
#ifndef ES_STORE_FACTS_ROWS_H
#define ES_STORE_FACTS_ROWS_H

#include <stdint.h>

struct es_counter {
    char name[56];
    uint64_t add;
};
struct es_loss_row {
    unsigned kind;
    uint64_t count;
    int64_t from, to;
    char why[40];
};

#endif
