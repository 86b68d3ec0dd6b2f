/* SPDX-License-Identifier: MIT */
/* Memory for much that lives about equally long: taken from large pieces, each of which goes when all that was taken from it has gone. Large
 * pieces may be huge pages, which cost a tenth of small ones to get. */
#ifndef ES_QUERY_SLAB_H
#define ES_QUERY_SLAB_H

#include <stddef.h>

struct es_slab;
struct es_slabs { /* all 0: ready */
    struct es_slab *current;
};

/* Aligned to 16 bytes; NULL without memory. */
void *es_slabs_take(struct es_slabs *slabs, size_t bytes);
void es_slabs_give(struct es_slabs *slabs, void *memory);
/* All that was taken has been given back. */
void es_slabs_fini(struct es_slabs *slabs);

#endif
