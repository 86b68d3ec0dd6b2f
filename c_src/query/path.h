/* SPDX-License-Identifier: MIT */
/* Paths of calls, numbered: a function called in a path is a path. */
#ifndef ES_QUERY_PATH_H
#define ES_QUERY_PATH_H

#include "query/inner.h"

#define ES_PATHS_MAX (UINT32_C(1) << 18)

struct es_paths {
    struct es_call_path *list;
    size_t n, room;
    uint32_t *slots; /* number + 1, by hash; a power of two */
    size_t n_slots;
};

/* The path of `call` in the path `below`; `below` itself where there are too many. -ENOMEM. */
int es_paths_find(struct es_paths *paths, uint32_t below, const struct es_event *call, uint32_t *ret_path);
void es_paths_fini(struct es_paths *paths);

#endif
