/* SPDX-License-Identifier: MIT */
/* Growing bytes. Room is reserved first, then written without checks: the hot loops reserve once for a whole column. */
#ifndef ES_STORE_BUF_H
#define ES_STORE_BUF_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ES_VARINT_MAX 10u

struct es_buf {
    uint8_t *bytes;
    size_t len, room;
};

int es_buf_grow(struct es_buf *buf, size_t more); /* -ENOMEM */

static inline int es_buf_reserve(struct es_buf *buf, size_t more)
{
    return buf->room - buf->len >= more ? 0 : es_buf_grow(buf, more);
}
static inline void es_buf_fini(struct es_buf *buf)
{
    free(buf->bytes);
    *buf = (struct es_buf){0};
}
int es_buf_add(struct es_buf *buf, const void *bytes, size_t len);
/* Gives memory beyond `keep` back, contents are lost. */
void es_buf_trim(struct es_buf *buf, size_t keep);

/* Writers into room that was reserved: they return the next position. */
static inline uint8_t *es_put_varint(uint8_t *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define ES_LE64(value) __builtin_bswap64(value)
#else
#define ES_LE64(value) (value)
#endif
/* One store, one load: compilers do not see that in a loop over bytes. */
static inline uint8_t *es_put_le64(uint8_t *at, uint64_t value)
{
    value = ES_LE64(value);
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}
static inline uint64_t es_get_le64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return ES_LE64(value);
}
static inline uint64_t es_zigzag(int64_t value) { return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63); }
static inline int64_t es_unzigzag(uint64_t value) { return (int64_t)(value >> 1) ^ -(int64_t)(value & 1); }

#endif
