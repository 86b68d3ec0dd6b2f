/* SPDX-License-Identifier: MIT */
/* The term format: Erlang's External Term Format (without the leading 131) with two private tags, and its bounded reader and writer.
 *
 *   ES_T_ATOM_REF4  u32 word            an atom by reference: es_ref_value() of an es_ref of class ATOM (little endian)
 *   ES_T_ATOM_REF8  u64 word
 *   ES_T_CUT        u8 type, u8 flags, u64 size, u64 hash, u32 n, n bytes   (little endian)
 *
 * A cut stands where something was left out: for one whole term; as the tail of a list: for its remaining elements; as the last
 * key of a map (its value is NIL): for the remaining pairs, counted in the map's arity as one pair; as the last element of
 * a tuple with ES_CUT_REST: for all remaining elements (the tuple's arity stays the true one).
 * size: bytes of a binary, elements of a list, tuple or map that were left out, 0 where unknown. n bytes: a binary's beginning. */
#ifndef ES_WIRE_TERM_H
#define ES_WIRE_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum es_etf_tag {
    ES_T_NEW_FLOAT = 70,
    ES_T_BIT_BINARY = 77,
    ES_T_COMPRESSED = 80,
    ES_T_NEW_PID = 88,
    ES_T_NEW_PORT = 89,
    ES_T_NEWER_REF = 90,
    ES_T_SMALL_INT = 97,
    ES_T_INT = 98,
    ES_T_FLOAT = 99,
    ES_T_ATOM = 100,
    ES_T_REF = 101,
    ES_T_PORT = 102,
    ES_T_PID = 103,
    ES_T_SMALL_TUPLE = 104,
    ES_T_LARGE_TUPLE = 105,
    ES_T_NIL = 106,
    ES_T_STRING = 107,
    ES_T_LIST = 108,
    ES_T_BINARY = 109,
    ES_T_SMALL_BIG = 110,
    ES_T_LARGE_BIG = 111,
    ES_T_NEW_FUN = 112,
    ES_T_EXPORT = 113,
    ES_T_NEW_REF = 114,
    ES_T_SMALL_ATOM = 115,
    ES_T_MAP = 116,
    ES_T_FUN = 117,
    ES_T_ATOM_UTF8 = 118,
    ES_T_SMALL_ATOM_UTF8 = 119,
    ES_T_V4_PORT = 120,
    ES_T_ATOM_REF4 = 224,
    ES_T_ATOM_REF8 = 225,
    ES_T_CUT = 226,
};

enum es_cut_type {
    ES_CUT_ANY,
    ES_CUT_BINARY,
    ES_CUT_BITSTRING,
    ES_CUT_LIST,
    ES_CUT_TUPLE,
    ES_CUT_MAP,
    ES_CUT_FUN,
    ES_CUT_INTEGER,
    ES_CUT_STATE,    /* not cut, but kept elsewhere: the state in a callback's arguments or return value */
    ES_CUT_REDACTED, /* a secret: size and hash are 0 */
    ES_CUT_TYPE_MAX
};
enum es_cut_flag {
    ES_CUT_AT_LEAST = 1 /* size is a lower bound */,
    ES_CUT_REST = 2 /* stands for all remaining elements */
};

struct es_cut {
    uint8_t type, flags;
    uint64_t size, hash;
    const uint8_t *prefix; /* binaries: the beginning; funs: text such as #Fun<mod.1.2> */
    uint32_t prefix_len;
};
#define ES_CUT_BYTES 23u /* encoded, without prefix */

/* ---- reader: hostile bytes in, tokens out -------------------------------------------------------------------------- */

/* All reading of foreign bytes goes through this. After a failed read `bad` is set, further reads give zeros. */
struct es_reader {
    const uint8_t *at, *end;
    bool bad;
};
static inline void es_reader_init(struct es_reader *r, const void *bytes, size_t len)
{
    r->at = bytes ? (const uint8_t *)bytes : (const uint8_t *)"";
    r->end = r->at + len;
    r->bad = false;
}
static inline size_t es_reader_left(const struct es_reader *r) { return (size_t)(r->end - r->at); }
/* n bytes, or NULL and bad. */
static inline const uint8_t *es_reader_take(struct es_reader *r, size_t n)
{
    const uint8_t *at = r->at;
    if (r->bad || n > es_reader_left(r)) {
        r->bad = true;
        return NULL;
    }
    r->at += n;
    return at;
}
static inline uint8_t es_reader_u8(struct es_reader *r)
{
    const uint8_t *at = es_reader_take(r, 1);
    return at ? *at : 0;
}
uint16_t es_reader_be16(struct es_reader *r);
uint32_t es_reader_be32(struct es_reader *r);
uint64_t es_reader_be64(struct es_reader *r);
uint32_t es_reader_le32(struct es_reader *r);
uint64_t es_reader_le64(struct es_reader *r);
uint64_t es_reader_varint(struct es_reader *r); /* LEB128, at most 10 bytes */

enum es_token_type {
    ES_TOK_INT,      /* fits 64 bits, whatever its tag: value in `integer` */
    ES_TOK_BIG,      /* does not: bytes = magnitude, little endian; negative */
    ES_TOK_FLOAT,    /* value in `real` */
    ES_TOK_ATOM,     /* bytes = UTF-8 text, not checked (from Latin-1 tags: Latin-1, `latin1` set, for `node` too) */
    ES_TOK_ATOM_REF, /* `word`: es_ref_value() of an es_ref of class ATOM */
    ES_TOK_TUPLE,    /* `count` elements follow */
    ES_TOK_LIST,     /* `count` elements and a tail follow (tail NIL: a proper list) */
    ES_TOK_NIL,
    ES_TOK_STRING, /* list of `count` bytes, in `bytes` */
    ES_TOK_MAP,    /* `count` pairs follow */
    ES_TOK_BINARY, /* bytes; bits of the last byte in `bits` (8 for whole binaries) */
    ES_TOK_PID,    /* node atom token follows in `node`; number, serial, creation */
    ES_TOK_PORT,
    ES_TOK_REF,    /* ids[n_ids] (least significant first) and creation */
    ES_TOK_EXPORT, /* module, function, arity: three terms follow */
    ES_TOK_FUN, /* bytes = the whole NEW_FUN_EXT from its tag on, unchecked inside; its terms are inside, not tokens of their own */
    ES_TOK_CUT, /* cut */
};

struct es_token {
    enum es_token_type type;
    uint32_t count;
    int64_t integer;
    double real;
    bool negative, latin1;
    uint8_t bits;
    const uint8_t *bytes;
    size_t len;
    uint64_t word;
    struct {
        const uint8_t *text;
        size_t len;
        uint64_t word;
    } node; /* text NULL: an atom reference in word */
    uint64_t number;
    uint32_t serial, creation, n_ids, ids[5];
    struct es_cut cut;
};

#define ES_TERM_DEPTH_MAX 4096 /* deeper terms are malformed: nothing here recurses on foreign input */

/* The next token. 0, or -EBADMSG: also for COMPRESSED and the old FUN, which nothing we record from writes, and for floats that are
 * not finite. The reader does not check that counts are followed by as many terms: es_term_skip() does. */
int es_token_next(struct es_reader *r, struct es_token *ret_token);

/* Passes one whole term. 0 or -EBADMSG. Bounded stack (32 KiB), linear time. */
int es_term_skip(struct es_reader *r);

/* Which marks stand in it: a set of 1 << es_cut_type, of all up to where the bytes stop making sense. */
uint32_t es_term_cuts(const void *bytes, size_t len);

/* ---- writer: into memory with an end ------------------------------------------------------------------------------- */
struct es_writer {
    uint8_t *at, *end;
    bool full; /* something did not fit: the result is not to be used */
};
static inline void es_writer_init(struct es_writer *w, void *bytes, size_t len)
{
    w->at = (uint8_t *)bytes;
    w->end = w->at + len;
    w->full = false;
}
static inline size_t es_writer_left(const struct es_writer *w) { return (size_t)(w->end - w->at); }
void es_write_bytes(struct es_writer *w, const void *bytes, size_t len);
void es_write_u8(struct es_writer *w, uint8_t value);
void es_write_int(struct es_writer *w, int64_t value);
void es_write_uint(struct es_writer *w, uint64_t value);
void es_write_float(struct es_writer *w, double value);
void es_write_atom(struct es_writer *w, const char *utf8, size_t len);
void es_write_atom_ref(struct es_writer *w, uint64_t word); /* an es_ref of class ATOM or its value */
void es_write_binary(struct es_writer *w, const void *bytes, size_t len);
void es_write_tuple(struct es_writer *w, uint32_t arity);
void es_write_list(struct es_writer *w, uint32_t count);
void es_write_nil(struct es_writer *w);
void es_write_map(struct es_writer *w, uint32_t pairs);
void es_write_cut(struct es_writer *w, const struct es_cut *cut);

/* ---- hashes --------------------------------------------------------------------------------------------------------
 * The content hash is built token by token in walking order over at most ES_HASH_NODES terms, from the live term in the VM; it pairs a
 * send with its delivery and does not depend on budgets. Never computed over redacted values. */
#define ES_HASH_NODES 64
static inline uint64_t es_hash_mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9fb21c651e98df25);
    return h ^ (h >> 32);
}
uint64_t es_hash_bytes(const void *bytes, size_t len, uint64_t seed);

#endif
