/* SPDX-License-Identifier: MIT */
/* What waits for its other half: entries of one size, which begin with their key (not 0). Open addressing with
 * linear probing; what is taken out leaves no trace, so that memory follows what waits and not what came. */
#ifndef ES_QUERY_SQL_PENDING_H
#define ES_QUERY_SQL_PENDING_H

#include <stddef.h>
#include <stdint.h>

struct es_pending {
    size_t size; /* of an entry, a multiple of 8 */
    size_t n, room;
    uint8_t *slots;
};
/* The entry with this key, made with zeros where there was none; NULL without memory. Valid until the next
 * call that makes or takes one. */
void *es_pending_place(struct es_pending *pending, uint64_t key);
void *es_pending_find(const struct es_pending *pending, uint64_t key);
/* Copies the entry to `ret` and takes it out; 0, or -1 where there is none. */
int es_pending_take(struct es_pending *pending, uint64_t key, void *ret);
/* Walks all: *at from 0; NULL at the end. */
void *es_pending_walk(const struct es_pending *pending, size_t *at);
void es_pending_fini(struct es_pending *pending);

#endif
