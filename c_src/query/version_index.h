/* SPDX-License-Identifier: MIT */
/* Where each process has versions of its state, and how many lie before: made in one walk over the recording when it is first asked for, and
 * continued where a live one has grown. */
#ifndef ES_QUERY_VERSION_INDEX_H
#define ES_QUERY_VERSION_INDEX_H

#include "query/inner.h"

#define ES_VERSION_INDEX_BYTES ((size_t)64 << 20) /* of a recording with more it knows one process at a time */

/* A block in which the process has versions: their numbers are `before` + 1 to `until`. */
struct es_version_block {
    size_t block;
    uint64_t before, until;
};
/* The last such block at or before `block`, and the one that has this version. -ENOENT where there is none, -ENOMEM. */
int es_version_block_before(struct es_query *query, es_ref pid, size_t block, struct es_version_block *ret);
int es_version_block_of(struct es_query *query, es_ref pid, uint64_t number, struct es_version_block *ret);

/* For tests: bytes of entries, and another bound than ES_VERSION_INDEX_BYTES. */
size_t es_version_index_bytes(const struct es_query *query);
void es_version_index_bound(struct es_query *query, size_t bytes);

/* The recording may have changed. */
void es_version_index_refresh(struct es_version_index *index);
void es_version_index_free(struct es_version_index *index);

#endif
