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

/* Passes over the first `n` of a column. */
static inline void es_gap_skip(struct es_gap_reader *r, uint32_t n)
{
    uint64_t bits = 0;
    for (; n > 0 && !r->classes.bad; n--) {
        unsigned size = r->classes.at < r->classes.end ? *r->classes.at++ : es_reader_u8(&r->classes);
        if (size == ES_GAP_RARE)
            es_reader_varint(&r->rare);
        else
            bits += size < 8 ? 0 : size / 8 - 1;
    }
    es_reader_take(&r->bits, bits / 8);
    r->n_pending = (8 - bits % 8) % 8;
    r->pending = r->n_pending ? (uint64_t)es_reader_u8(&r->bits) >> bits % 8 : 0;
}

/* All gaps of a column at once: several times as fast, as it looks ahead. */
struct es_gap_columns {
    const uint8_t *classes, *bits;
    size_t n_classes, n_bits; /* bytes */
    struct es_reader rare;
};
/* What a class says: the number but for its lower bits, which of the next bits these are, and how many. */
struct es_gap_class {
    uint64_t base;
    uint32_t mask, low;
};
static inline void es_gap_classes(struct es_gap_class ret_classes[ES_GAP_RARE])
{
    for (unsigned size = 0; size < ES_GAP_RARE; size++) {
        unsigned low = size < 8 ? 0 : size / 8 - 1;
        ret_classes[size] = (struct es_gap_class){size < 8 ? size : (uint64_t)(8 | (size & 7)) << low,
                                                  (uint32_t)(((uint64_t)1 << low) - 1), low};
    }
}
static inline uint64_t es_gap_last_bits(const uint8_t *bits, size_t n_bits, uint64_t at)
{
    uint64_t window = 0;
    for (size_t byte = at / 8, i = 0; byte + i < n_bits; i++)
        window |= (uint64_t)bits[byte + i] << (8 * i);
    return window >> (at & 7);
}
/* A place between gaps: what they add up to so far, the next bit, and bytes of what is rare. */
struct es_gap_place {
    uint64_t sum, bit;
    size_t rare;
};
/* Over the gaps from number `from` up to `to`; `classes` as es_gap_classes() says. False where they are incomplete. */
static inline bool es_gap_advance(const struct es_gap_columns *c, const struct es_gap_class *classes, uint32_t from,
                                  uint32_t to, struct es_gap_place *place)
{
    struct es_reader rare = c->rare;
    uint64_t sum = place->sum, bit = place->bit, whole = c->n_bits < 8 ? 0 : (c->n_bits - 7) * 8; /* up to here */
    if (to > c->n_classes)
        return false;
    es_reader_take(&rare, place->rare);
    for (uint32_t i = from; i < to; i++) {
        if (c->classes[i] == ES_GAP_RARE) {
            sum += (uint64_t)es_unzigzag(es_reader_varint(&rare));
            continue;
        }
        const struct es_gap_class *class = &classes[c->classes[i]];
        uint64_t window =
            bit < whole ? es_get_le64(c->bits + bit / 8) >> (bit & 7) : es_gap_last_bits(c->bits, c->n_bits, bit);
        sum += class->base + (window & class->mask);
        bit += class->low;
    }
    *place = (struct es_gap_place){sum, bit, (size_t)(rare.at - c->rare.at)};
    return !rare.bad && bit <= (uint64_t)c->n_bits * 8;
}

/* The sum of the gaps up to each, as 32 or (`wide`) 64 bits, of the first `n`. False where they are incomplete. `wide` is to be a constant. */
static inline __attribute__((always_inline)) bool es_gap_sums(struct es_gap_columns c, uint32_t n, bool wide, void *to)
{
    struct es_gap_class classes[ES_GAP_RARE];
    const uint8_t *sizes = c.classes, *bits = c.bits;
    uint64_t at = 0, sum = 0, *wides = to;                                                    /* at: bit */
    uint64_t whole = c.n_bits < sizeof(uint64_t) ? 0 : (c.n_bits - sizeof(uint64_t) + 1) * 8; /* up to here */
    uint32_t *narrows = to;
    if (c.n_classes < n)
        return false;
    es_gap_classes(classes);
    for (uint32_t i = 0; i < n; i++) {
        unsigned size = sizes[i];
        if (size == ES_GAP_RARE) {
            sum += (uint64_t)es_unzigzag(es_reader_varint(&c.rare));
        } else {
            const struct es_gap_class *class = &classes[size];
            uint64_t window =
                at < whole ? es_get_le64(bits + at / 8) >> (at & 7) : es_gap_last_bits(bits, c.n_bits, at);
            sum += class->base + (window & class->mask);
            at += class->low;
        }
        if (wide)
            wides[i] = sum;
        else
            narrows[i] = (uint32_t)sum;
    }
    return !c.rare.bad && at <= (uint64_t)c.n_bits * 8;
}

#endif
