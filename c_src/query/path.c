/* SPDX-License-Identifier: MIT */
/* Open addressing over numbers: the keys are the paths themselves. */
#include "query/path.h"

#include <errno.h>
#include <stdlib.h>

#include "wire/term.h"

static size_t slot_of(const struct es_paths *paths, const struct es_call_path *path)
{
    uint64_t hash = es_hash_mix(es_hash_mix(es_hash_mix(path->below, path->module), path->function), path->arity);
    size_t slot = (size_t)hash & (paths->n_slots - 1);
    for (; paths->slots[slot]; slot = (slot + 1) & (paths->n_slots - 1)) {
        const struct es_call_path *other = &paths->list[paths->slots[slot] - 1];
        if (other->below == path->below && other->module == path->module && other->function == path->function &&
            other->arity == path->arity)
            break;
    }
    return slot;
}

static int grow(struct es_paths *paths)
{
    size_t room = paths->room ? paths->room * 2 : 256;
    struct es_call_path *list = realloc(paths->list, room * sizeof *list);
    if (!list)
        return -ENOMEM;
    paths->list = list;
    uint32_t *slots = calloc(room * 2, sizeof *slots);
    if (!slots)
        return -ENOMEM;
    free(paths->slots);
    paths->slots = slots;
    paths->n_slots = room * 2;
    paths->room = room;
    for (size_t i = 0; i < paths->n; i++)
        slots[slot_of(paths, &list[i])] = (uint32_t)i + 1;
    return 0;
}

int es_paths_find(struct es_paths *paths, uint32_t below, const struct es_event *call, uint32_t *ret_path)
{
    struct es_call_path path = {
        .below = below, .module = call->module, .function = call->function, .arity = call->arity};
    if (paths->n == paths->room && grow(paths) < 0)
        return -ENOMEM;
    size_t slot = slot_of(paths, &path);
    if (!paths->slots[slot] && paths->n == ES_PATHS_MAX && below != ES_PATH_NONE) {
        *ret_path = below;
        return 0;
    }
    if (!paths->slots[slot]) {
        paths->list[paths->n++] = path;
        paths->slots[slot] = (uint32_t)paths->n;
    }
    *ret_path = paths->slots[slot] - 1;
    return 0;
}

void es_paths_fini(struct es_paths *paths)
{
    free(paths->list);
    free(paths->slots);
    *paths = (struct es_paths){0};
}
