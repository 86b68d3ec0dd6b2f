/* SPDX-License-Identifier: MIT */
#include "query/slab.h"

#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define SLAB_BYTES (4 * HUGE_PAGE)
#define ALIGN 16u

struct es_slab {
    size_t used, room, live; /* bytes, bytes, pieces */
    size_t pad;
};
struct piece { /* in front of each */
    struct es_slab *slab;
    size_t pad;
};
_Static_assert(sizeof(struct es_slab) % ALIGN == 0 && sizeof(struct piece) % ALIGN == 0, "what follows is aligned");

static struct es_slab *new_slab(size_t bytes)
{
    size_t room = bytes + sizeof(struct es_slab);
    room = room < SLAB_BYTES ? SLAB_BYTES : (room + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    struct es_slab *slab = aligned_alloc(HUGE_PAGE, room);
    if (!slab)
        return NULL;
#ifdef MADV_HUGEPAGE
    madvise(slab, room, MADV_HUGEPAGE); /* where the system has none, they are small ones */
#endif
    *slab = (struct es_slab){.used = sizeof *slab, .room = room};
    return slab;
}

void *es_slabs_take(struct es_slabs *slabs, size_t bytes)
{
    size_t need = sizeof(struct piece) + (bytes + ALIGN - 1) / ALIGN * ALIGN;
    struct es_slab *slab = slabs->current;
    if (!slab || slab->room - slab->used < need) {
        if (slab && slab->live == 0)
            free(slab);
        slabs->current = NULL;
        slab = new_slab(need);
        if (!slab)
            return NULL;
        slabs->current = slab;
    }
    struct piece *piece = (struct piece *)(void *)((char *)slab + slab->used);
    piece->slab = slab;
    slab->used += need;
    slab->live++;
    return piece + 1;
}

void es_slabs_give(struct es_slabs *slabs, void *memory)
{
    struct es_slab *slab = ((struct piece *)memory - 1)->slab;
    if (--slab->live > 0)
        return;
    if (slab == slabs->current)
        slab->used = sizeof *slab;
    else
        free(slab);
}

void es_slabs_fini(struct es_slabs *slabs)
{
    free(slabs->current);
    slabs->current = NULL;
}
