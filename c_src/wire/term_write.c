/* SPDX-License-Identifier: MIT */
/* Writing the term format into memory with an end, and the content hash of bytes. A token that does not fit
 * is not begun. */
#include <string.h>

#include "wire/event.h"
#include "wire/term.h"

static bool room(struct es_writer *w, size_t len)
{
    if (w->full || len > es_writer_left(w))
        w->full = true;
    return !w->full;
}

static void put(struct es_writer *w, const void *bytes, size_t len)
{
    if (len > 0)
        memcpy(w->at, bytes, len);
    w->at += len;
}

static void put_u8(struct es_writer *w, uint64_t value) { *w->at++ = (uint8_t)value; }

static void put_be(struct es_writer *w, uint64_t value, unsigned n)
{
    while (n-- > 0)
        put_u8(w, value >> (8 * n));
}

static void put_le(struct es_writer *w, uint64_t value, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        put_u8(w, value >> (8 * i));
}

void es_write_bytes(struct es_writer *w, const void *bytes, size_t len)
{
    if (room(w, len))
        put(w, bytes, len);
}

void es_write_u8(struct es_writer *w, uint8_t value)
{
    if (room(w, 1))
        put_u8(w, value);
}

static void write_big(struct es_writer *w, uint64_t magnitude, bool negative)
{
    unsigned n = 1;
    while (n < 8 && magnitude >> (8 * n))
        n++;
    if (!room(w, 3 + n))
        return;
    put_u8(w, ES_T_SMALL_BIG);
    put_u8(w, n);
    put_u8(w, negative);
    put_le(w, magnitude, n);
}

void es_write_int(struct es_writer *w, int64_t value)
{
    if (value < INT32_MIN || value > INT32_MAX) {
        write_big(w, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, value < 0);
    } else if (value >= 0 && value <= 255) {
        if (room(w, 2)) {
            put_u8(w, ES_T_SMALL_INT);
            put_u8(w, (uint64_t)value);
        }
    } else if (room(w, 5)) {
        put_u8(w, ES_T_INT);
        put_be(w, (uint64_t)value, 4);
    }
}

void es_write_uint(struct es_writer *w, uint64_t value)
{
    if (value > INT64_MAX)
        write_big(w, value, false);
    else
        es_write_int(w, (int64_t)value);
}

void es_write_float(struct es_writer *w, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (!room(w, 9))
        return;
    put_u8(w, ES_T_NEW_FLOAT);
    put_be(w, bits, 8);
}

void es_write_atom(struct es_writer *w, const char *utf8, size_t len)
{
    bool small = len <= UINT8_MAX;
    if (len > UINT16_MAX)
        w->full = true;
    if (!room(w, len + (small ? 2 : 3)))
        return;
    put_u8(w, small ? ES_T_SMALL_ATOM_UTF8 : ES_T_ATOM_UTF8);
    put_be(w, len, small ? 1 : 2);
    put(w, utf8, len);
}

void es_write_atom_ref(struct es_writer *w, uint64_t word)
{
    word &= ES_REF_VALUE_MASK;
    bool small = word <= UINT32_MAX;
    if (!room(w, small ? 5 : 9))
        return;
    put_u8(w, small ? ES_T_ATOM_REF4 : ES_T_ATOM_REF8);
    put_le(w, word, small ? 4 : 8);
}

void es_write_binary(struct es_writer *w, const void *bytes, size_t len)
{
    if (len > UINT32_MAX)
        w->full = true;
    if (!room(w, 5) || !room(w, 5 + len))
        return;
    put_u8(w, ES_T_BINARY);
    put_be(w, len, 4);
    put(w, bytes, len);
}

static void write_counted(struct es_writer *w, enum es_etf_tag tag, uint32_t count)
{
    if (!room(w, 5))
        return;
    put_u8(w, tag);
    put_be(w, count, 4);
}

void es_write_tuple(struct es_writer *w, uint32_t arity)
{
    if (arity > UINT8_MAX) {
        write_counted(w, ES_T_LARGE_TUPLE, arity);
    } else if (room(w, 2)) {
        put_u8(w, ES_T_SMALL_TUPLE);
        put_u8(w, arity);
    }
}

void es_write_list(struct es_writer *w, uint32_t count) { write_counted(w, ES_T_LIST, count); }
void es_write_map(struct es_writer *w, uint32_t pairs) { write_counted(w, ES_T_MAP, pairs); }
void es_write_nil(struct es_writer *w) { es_write_u8(w, ES_T_NIL); }

void es_write_cut(struct es_writer *w, const struct es_cut *cut)
{
    if (!room(w, ES_CUT_BYTES + (size_t)cut->prefix_len))
        return;
    put_u8(w, ES_T_CUT);
    put_u8(w, cut->type);
    put_u8(w, cut->flags);
    put_le(w, cut->size, 8);
    put_le(w, cut->hash, 8);
    put_le(w, cut->prefix_len, 4);
    put(w, cut->prefix, cut->prefix_len);
}

uint64_t es_hash_bytes(const void *bytes, size_t len, uint64_t seed)
{
    const uint8_t *at = (const uint8_t *)bytes;
    uint64_t h = es_hash_mix(seed, (uint64_t)len), word;
    size_t left = len;
    for (; left >= sizeof word; left -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        h = es_hash_mix(h, word);
    }
    if (left > 0) {
        word = 0;
        memcpy(&word, at, left);
        h = es_hash_mix(h, word);
    }
    return h;
}
