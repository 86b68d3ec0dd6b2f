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

/* All gaps of a column at once: several times as fast, as it looks ahead. */
struct es_gap_columns {
    const uint8_t *classes, *bits;
    size_t n_classes, n_bits; /* bytes */
    struct es_reader rare;
};
/* The sum of the gaps up to each, as 32 or (`wide`) 64 bits, of the first `n`. False where they are incomplete. `wide` is to be a constant. */
static inline __attribute__((always_inline)) bool es_gap_sums(struct es_gap_columns c, uint32_t n, bool wide, void *to)
{
    uint64_t at = 0, sum = 0; /* at: bit */
    if (c.n_classes < n)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        unsigned size = c.classes[i], power = size >> 3, normal = power > 0, low = power - normal;
        uint64_t value;
        if (size == ES_GAP_RARE) {
            value = (uint64_t)es_unzigzag(es_reader_varint(&c.rare));
        } else {
            uint64_t window = 0;
            if (at / 8 + sizeof window <= c.n_bits)
                window = es_get_le64(c.bits + at / 8);
            else
                for (size_t byte = at / 8; byte < c.n_bits; byte++)
                    window |= (uint64_t)c.bits[byte] << (8 * (byte - at / 8));
            value = (uint64_t)(normal << 3 | (size & 7)) << low | (window >> (at & 7) & (((uint64_t)1 << low) - 1));
            at += low;
        }
        sum += value;
        if (wide)
            ((uint64_t *)to)[i] = sum;
        else
            ((uint32_t *)to)[i] = (uint32_t)sum;
    }
    return !c.rare.bad && at <= (uint64_t)c.n_bits * 8;
}

#endif
