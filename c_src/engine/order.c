/* SPDX-License-Identifier: MIT */
/* Which ring's record comes next: a heap of rings by the stamp of their next record. Records of one ring mostly come in runs, so the heap
 * is only touched where one ends. */
#include "engine/drain.h"

static uint64_t key_at(const struct es_drain *drain, uint32_t at) { return drain->sources[drain->heap[at]].key; }

static void sink(struct es_drain *drain, uint32_t at)
{
    for (;;) {
        uint32_t least = at, left = 2 * at + 1, right = left + 1;
        if (left < drain->n_heap && key_at(drain, left) < key_at(drain, least))
            least = left;
        if (right < drain->n_heap && key_at(drain, right) < key_at(drain, least))
            least = right;
        if (least == at)
            return;
        uint32_t moved = drain->heap[at];
        drain->heap[at] = drain->heap[least];
        drain->heap[least] = moved;
        at = least;
    }
}

void es_order_build(struct es_drain *drain)
{
    drain->n_heap = 0;
    for (uint32_t i = 0; i < drain->n; i++) {
        const struct es_source *source = &drain->sources[i];
        if (source->used && (source->next != source->scanned || source->next == source->bad_at) &&
            source->key < drain->watermark)
            drain->heap[drain->n_heap++] = i;
    }
    for (uint32_t i = drain->n_heap / 2; i-- > 0;)
        sink(drain, i);
}

struct es_source *es_order_first(const struct es_drain *drain, uint64_t *ret_until)
{
    if (drain->n_heap == 0)
        return NULL;
    uint64_t until = drain->watermark - 1;
    for (uint32_t at = 1; at <= 2 && at < drain->n_heap; at++)
        until = key_at(drain, at) < until ? key_at(drain, at) : until;
    *ret_until = until;
    return &drain->sources[drain->heap[0]];
}

void es_order_changed(struct es_drain *drain, bool gone)
{
    if (gone)
        drain->heap[0] = drain->heap[--drain->n_heap];
    if (drain->n_heap > 0)
        sink(drain, 0);
}
