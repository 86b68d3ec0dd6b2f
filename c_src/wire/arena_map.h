/* SPDX-License-Identifier: MIT */
/* Between the two halves of the arena: making its file (arena_create.c) and mapping it (arena.c). */
#ifndef ES_WIRE_ARENA_MAP_H
#define ES_WIRE_ARENA_MAP_H

#include "wire/arena.h"

/* Bytes of the arena's head, a multiple of the page size. */
uint64_t es_arena_head_bytes(void);

/* Whether this is /proc/PID/fd/FD (or /proc/self/fd/FD), how a memfd is reached. */
bool es_arena_is_proc_fd(const char *path);

/* Checks and maps the arena in `fd`, which belongs to the arena afterwards; on failure it stays the
 * caller's. */
int es_arena_map(int fd, struct es_arena *ret_arena);

#endif
