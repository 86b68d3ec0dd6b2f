/* SPDX-License-Identifier: MIT */
/* Writing the term format (wire/term.h) without looking for the end: whoever calls has made sure of the room, and of eight bytes more: a
 * short token is stored as one word of which the next token takes the rest. */
#ifndef ES_CAPTURE_PUT_H
#define ES_CAPTURE_PUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wire/event.h"
#include "wire/term.h"

static inline uint8_t *es_put_u8(uint8_t *at, uint8_t value)
{
    *at = value;
    return at + 1;
}
static inline uint8_t *es_put_be32(uint8_t *at, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}
static inline uint8_t *es_put_le32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}
static inline uint8_t *es_put_le64(uint8_t *at, uint64_t value)
{
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}
static inline uint8_t *es_put_bytes(uint8_t *at, const void *bytes, size_t len)
{
    memcpy(at, bytes, len);
    return at + len;
}
static inline uint8_t *es_put_atom_ref(uint8_t *at, uint64_t word)
{
    if (__builtin_expect(word <= UINT32_MAX, 1))
        return es_put_le64(at, word << 8 | ES_T_ATOM_REF4) - 3;
    return es_put_le64(es_put_u8(at, ES_T_ATOM_REF8), word);
}
static inline uint8_t *es_put_big(uint8_t *at, uint64_t magnitude, bool negative)
{
    uint8_t n = (uint8_t)(8 - __builtin_clzll(magnitude | 1) / 8);
    *at++ = ES_T_SMALL_BIG;
    *at++ = n;
    *at++ = negative;
    return es_put_le64(at, magnitude) - 8 + n;
}
static inline uint8_t *es_put_int(uint8_t *at, int64_t value)
{
    if (__builtin_expect(value >= INT32_MIN && value <= INT32_MAX, 1)) {
        uint64_t is_byte = 0 - (uint64_t)((uint64_t)value <= UINT8_MAX); /* without a branch, which data would decide */
        uint64_t as_byte = (uint64_t)(uint8_t)value << 8 | ES_T_SMALL_INT;
        uint64_t as_int = (uint64_t)__builtin_bswap32((uint32_t)value) << 8 | ES_T_INT;
        return es_put_le64(at, (as_byte & is_byte) | (as_int & ~is_byte)) - 3 - (3 & is_byte);
    }
    return es_put_big(at, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, value < 0);
}
static inline uint8_t *es_put_float(uint8_t *at, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return es_put_le64(es_put_u8(at, ES_T_NEW_FLOAT), __builtin_bswap64(bits));
}
static inline uint8_t *es_put_tuple(uint8_t *at, uint32_t arity)
{
    if (arity <= UINT8_MAX)
        return es_put_le32(at, arity << 8 | ES_T_SMALL_TUPLE) - 2;
    return es_put_be32(es_put_u8(at, ES_T_LARGE_TUPLE), arity);
}
static inline uint8_t *es_put_list(uint8_t *at, uint32_t count)
{
    return es_put_le64(at, (uint64_t)__builtin_bswap32(count) << 8 | ES_T_LIST) - 3;
}
static inline uint8_t *es_put_cut(uint8_t *at, const struct es_cut *cut)
{
    *at++ = ES_T_CUT;
    *at++ = cut->type;
    *at++ = cut->flags;
    at = es_put_le64(at, cut->size);
    at = es_put_le64(at, cut->hash);
    at = es_put_le32(at, cut->prefix_len);
    return cut->prefix_len ? es_put_bytes(at, cut->prefix, cut->prefix_len) : at;
}

#endif
