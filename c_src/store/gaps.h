/* SPDX-License-Identifier: MIT */
/* Numbers that are mostly noise of a certain size, such as gaps between times: a byte says the size (its power of two and the next three
 * bits) and compresses well, the lower bits are noise and are kept as they are. Measured against others in docs/format.md. */
#ifndef ES_STORE_GAPS_H
#define ES_STORE_GAPS_H

#include "store/buf.h"
#include "wire/term.h"

#define ES_GAP_RARE 255u /* class of what is negative or does not fit: a zigzag varint in the third column */
#define ES_GAP_LIMIT ((uint64_t)1 << 33)

struct es_gap_writer {
    uint8_t *classes, *bits, *rare; /* where to write next, in columns with room for all; for `bits` 8 bytes more */
    uint64_t pending;
    unsigned n_pending;
};
static inline void es_gap_put(struct es_gap_writer *w, int64_t value)
{
    uint64_t v = (uint64_t)value;
    if (v < 8) {
        *w->classes++ = (uint8_t)v;
        return;
    }
    if (v >= ES_GAP_LIMIT) {
        *w->classes++ = ES_GAP_RARE;
        w->rare = es_put_varint(w->rare, es_zigzag(value));
        return;
    }
    unsigned low = 60u - (unsigned)__builtin_clzll(v); /* bits below the leading one and the three after it */
    *w->classes++ = (uint8_t)((low + 1) * 8 + ((v >> low) & 7));
    w->pending |= (v & (((uint64_t)1 << low) - 1)) << w->n_pending;
    w->n_pending += low;
    es_put_le64(w->bits, w->pending);
    w->bits += w->n_pending / 8;
    w->pending >>= w->n_pending & ~7u;
    w->n_pending &= 7;
}
static inline void es_gap_end(struct es_gap_writer *w)
{
    if (w->n_pending)
        *w->bits++ = (uint8_t)w->pending;
}

struct es_gap_reader {
    struct es_reader classes, bits, rare;
    uint64_t pending;
    unsigned n_pending;
};
static inline int64_t es_gap_get(struct es_gap_reader *r)
{
    unsigned size = r->classes.at < r->classes.end ? *r->classes.at++ : es_reader_u8(&r->classes);
    if (size < 8)
        return (int64_t)size;
    if (size == ES_GAP_RARE)
        return es_unzigzag(es_reader_varint(&r->rare));
    unsigned low = size / 8 - 1;
    while (r->n_pending < low) {
        r->pending |= (uint64_t)(r->bits.at < r->bits.end ? *r->bits.at++ : es_reader_u8(&r->bits)) << r->n_pending;
        r->n_pending += 8;
    }
    uint64_t v = ((uint64_t)(8 | (size & 7)) << low) | (r->pending & (((uint64_t)1 << low) - 1));
    r->pending >>= low;
    r->n_pending -= low;
    return (int64_t)v;
}

#endif
