/* SPDX-License-Identifier: MIT */
/* Reading the term format: foreign bytes in, tokens out. Every length is checked in es_reader_take() and
 * nowhere else; nothing recurses on what is read. */
#include "wire/term.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "wire/event.h"

/* ---- bytes ----------------------------------------------------------------------------------------------- */

static inline uint64_t big_endian(struct es_reader *r, size_t n)
{
    const uint8_t *at = es_reader_take(r, n);
    uint64_t value = 0;
    for (size_t i = 0; at && i < n; i++)
        value = value << 8 | at[i];
    return value;
}

static inline uint64_t little_endian(struct es_reader *r, size_t n)
{
    const uint8_t *at = es_reader_take(r, n);
    uint64_t value = 0;
    for (size_t i = n; at && i-- > 0;)
        value = value << 8 | at[i];
    return value;
}

uint16_t es_reader_be16(struct es_reader *r) { return (uint16_t)big_endian(r, 2); }
uint32_t es_reader_be32(struct es_reader *r) { return (uint32_t)big_endian(r, 4); }
uint64_t es_reader_be64(struct es_reader *r) { return big_endian(r, 8); }
uint32_t es_reader_le32(struct es_reader *r) { return (uint32_t)little_endian(r, 4); }
uint64_t es_reader_le64(struct es_reader *r) { return little_endian(r, 8); }

uint64_t es_reader_varint(struct es_reader *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint64_t byte = es_reader_u8(r);
        if (r->bad || (shift == 63 && byte > 1))
            break;
        value |= (byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    r->bad = true;
    return 0;
}

/* ---- parts of tokens ------------------------------------------------------------------------------------- */

static void read_bytes(struct es_reader *r, size_t len, struct es_token *token)
{
    token->bytes = es_reader_take(r, len);
    token->len = len;
}

/* An atom of any tag; false where the tag is another. */
static bool read_atom(struct es_reader *r, uint8_t tag, struct es_token *token)
{
    token->type = ES_TOK_ATOM;
    switch (tag) {
    case ES_T_ATOM:
    case ES_T_SMALL_ATOM:
        token->latin1 = true;
        read_bytes(r, tag == ES_T_ATOM ? es_reader_be16(r) : es_reader_u8(r), token);
        return true;
    case ES_T_ATOM_UTF8:
    case ES_T_SMALL_ATOM_UTF8:
        read_bytes(r, tag == ES_T_ATOM_UTF8 ? es_reader_be16(r) : es_reader_u8(r), token);
        return true;
    case ES_T_ATOM_REF4:
    case ES_T_ATOM_REF8:
        token->type = ES_TOK_ATOM_REF;
        token->word = (tag == ES_T_ATOM_REF4 ? es_reader_le32(r) : es_reader_le64(r)) & ES_REF_VALUE_MASK;
        return true;
    default: return false;
    }
}

static void read_node(struct es_reader *r, struct es_token *token)
{
    struct es_token atom = {0};
    if (!read_atom(r, es_reader_u8(r), &atom))
        r->bad = true;
    token->node.text = atom.bytes;
    token->node.len = atom.len;
    token->node.word = atom.word;
    token->latin1 = atom.latin1;
}

static void read_pid(struct es_reader *r, uint8_t tag, struct es_token *token)
{
    token->type = ES_TOK_PID;
    read_node(r, token);
    token->number = es_reader_be32(r);
    token->serial = es_reader_be32(r);
    token->creation = tag == ES_T_PID ? es_reader_u8(r) : es_reader_be32(r);
}

static void read_port(struct es_reader *r, uint8_t tag, struct es_token *token)
{
    token->type = ES_TOK_PORT;
    read_node(r, token);
    token->number = tag == ES_T_V4_PORT ? es_reader_be64(r) : es_reader_be32(r);
    token->creation = tag == ES_T_PORT ? es_reader_u8(r) : es_reader_be32(r);
}

static void read_reference(struct es_reader *r, uint8_t tag, struct es_token *token)
{
    token->type = ES_TOK_REF;
    token->n_ids = tag == ES_T_REF ? 1 : es_reader_be16(r);
    read_node(r, token);
    if (token->n_ids == 0 || token->n_ids > sizeof token->ids / sizeof token->ids[0]) {
        token->n_ids = 0;
        r->bad = true;
    }
    if (tag == ES_T_REF) { /* the oldest tag has the creation behind the number */
        token->ids[0] = es_reader_be32(r);
        token->creation = es_reader_u8(r);
        return;
    }
    token->creation = tag == ES_T_NEW_REF ? es_reader_u8(r) : es_reader_be32(r);
    for (uint32_t i = 0; i < token->n_ids; i++)
        token->ids[i] = es_reader_be32(r);
}

/* Magnitude and sign; what fits into 64 bits becomes a plain integer (its bytes stay readable). */
static void read_big(struct es_reader *r, uint8_t tag, struct es_token *token)
{
    size_t len = tag == ES_T_SMALL_BIG ? es_reader_u8(r) : es_reader_be32(r);
    token->negative = es_reader_u8(r) != 0;
    read_bytes(r, len, token);
    token->type = ES_TOK_BIG;
    if (!token->bytes)
        return;
    uint64_t magnitude = 0;
    for (size_t i = len; i-- > 0;) {
        if (magnitude >> 56)
            return;
        magnitude = magnitude << 8 | token->bytes[i];
    }
    if (magnitude > (uint64_t)INT64_MAX + token->negative)
        return;
    token->type = ES_TOK_INT;
    token->integer = (int64_t)(token->negative ? 0 - magnitude : magnitude);
    token->negative = token->integer < 0;
}

/* 31 bytes of "%.20e", filled up with zeros. The number is read as in locale "C", whatever the program has
 * set. */
static double read_old_float(struct es_reader *r)
{
    const uint8_t *text = es_reader_take(r, 31);
    locale_t plain = text ? newlocale(LC_ALL_MASK, "C", (locale_t)0) : (locale_t)0;
    if (!plain)
        return 0; /* nothing there; the "C" locale itself always is */
    char copy[32] = "", *end;
    memcpy(copy, text, 31);
    bool plausible = strspn(copy, " 0123456789+-.eE") == strlen(copy);
    double value = strtod_l(copy, &end, plain);
    if (!plausible || end == copy || *end)
        r->bad = true;
    freelocale(plain);
    return value;
}

static void read_float(struct es_reader *r, uint8_t tag, struct es_token *token)
{
    token->type = ES_TOK_FLOAT;
    if (tag == ES_T_FLOAT) {
        token->real = read_old_float(r);
    } else {
        uint64_t bits = es_reader_be64(r);
        memcpy(&token->real, &bits, sizeof bits);
    }
    if (!isfinite(token->real))
        r->bad = true; /* Erlang has neither infinities nor NaN */
}

static void read_binary(struct es_reader *r, uint8_t tag, struct es_token *token)
{
    token->type = ES_TOK_BINARY;
    token->bits = 8;
    uint32_t len = es_reader_be32(r);
    if (tag == ES_T_BIT_BINARY) {
        token->bits = es_reader_u8(r);
        if (token->bits > 8 || (token->bits == 0) != (len == 0))
            r->bad = true;
    }
    read_bytes(r, len, token);
}

/* The whole encoded fun, its tag included: so it can be copied as it is. */
static void read_fun(struct es_reader *r, struct es_token *token)
{
    const uint8_t *start = r->at - 1;
    uint32_t size = es_reader_be32(r); /* counts itself */
    token->type = ES_TOK_FUN;
    if (size < 29 || !es_reader_take(r, size - 4)) {
        r->bad = true;
        return;
    }
    token->bytes = start;
    token->len = 1 + (size_t)size;
}

static void read_cut(struct es_reader *r, struct es_token *token)
{
    token->type = ES_TOK_CUT;
    token->cut.type = es_reader_u8(r);
    token->cut.flags = es_reader_u8(r);
    token->cut.size = es_reader_le64(r);
    token->cut.hash = es_reader_le64(r);
    token->cut.prefix_len = es_reader_le32(r);
    token->cut.prefix = es_reader_take(r, token->cut.prefix_len);
    if (token->cut.type >= ES_CUT_TYPE_MAX)
        r->bad = true;
}

static void read_counted(struct es_token *token, enum es_token_type type, uint32_t count)
{
    token->type = type;
    token->count = count;
}

static void read_integer(struct es_token *token, int64_t value)
{
    token->type = ES_TOK_INT;
    token->integer = value;
    token->negative = value < 0;
}

static void read_string(struct es_reader *r, struct es_token *token)
{
    read_counted(token, ES_TOK_STRING, es_reader_be16(r));
    read_bytes(r, token->count, token);
}

/* ---- tokens ---------------------------------------------------------------------------------------------- */

static void read_token(struct es_reader *r, uint8_t tag, struct es_token *token)
{
    switch (tag) {
    case ES_T_SMALL_INT: read_integer(token, es_reader_u8(r)); break;
    case ES_T_INT: read_integer(token, (int32_t)es_reader_be32(r)); break;
    case ES_T_SMALL_BIG:
    case ES_T_LARGE_BIG: read_big(r, tag, token); break;
    case ES_T_NEW_FLOAT:
    case ES_T_FLOAT: read_float(r, tag, token); break;
    case ES_T_SMALL_TUPLE: read_counted(token, ES_TOK_TUPLE, es_reader_u8(r)); break;
    case ES_T_LARGE_TUPLE: read_counted(token, ES_TOK_TUPLE, es_reader_be32(r)); break;
    case ES_T_NIL: token->type = ES_TOK_NIL; break;
    case ES_T_LIST: read_counted(token, ES_TOK_LIST, es_reader_be32(r)); break;
    case ES_T_MAP: read_counted(token, ES_TOK_MAP, es_reader_be32(r)); break;
    case ES_T_STRING: read_string(r, token); break;
    case ES_T_BINARY:
    case ES_T_BIT_BINARY: read_binary(r, tag, token); break;
    case ES_T_PID:
    case ES_T_NEW_PID: read_pid(r, tag, token); break;
    case ES_T_PORT:
    case ES_T_NEW_PORT:
    case ES_T_V4_PORT: read_port(r, tag, token); break;
    case ES_T_REF:
    case ES_T_NEW_REF:
    case ES_T_NEWER_REF: read_reference(r, tag, token); break;
    case ES_T_EXPORT: token->type = ES_TOK_EXPORT; break;
    case ES_T_NEW_FUN: read_fun(r, token); break;
    case ES_T_CUT: read_cut(r, token); break;
    default: /* ES_T_COMPRESSED and ES_T_FUN too: no emulator we read from writes them inside a term */
        if (!read_atom(r, tag, token))
            r->bad = true;
    }
}

/* On failure the token means nothing. */
static int next_token(struct es_reader *r, struct es_token *token)
{
    uint8_t tag = es_reader_u8(r);
    *token = (struct es_token){0};
    if (!r->bad)
        read_token(r, tag, token);
    return r->bad ? -EBADMSG : 0;
}

int es_token_next(struct es_reader *r, struct es_token *ret_token)
{
    struct es_token token;
    int rc = next_token(r, &token);
    if (rc == 0)
        *ret_token = token;
    return rc;
}

/* ---- whole terms ----------------------------------------------------------------------------------------- */

/* Terms that are inside a token, each of which takes at least one byte. */
static uint64_t terms_inside(const struct es_token *token)
{
    switch (token->type) {
    case ES_TOK_TUPLE: return token->count;
    case ES_TOK_LIST: return (uint64_t)token->count + 1;
    case ES_TOK_MAP: return (uint64_t)token->count * 2;
    case ES_TOK_EXPORT: return 3;
    default: return 0;
    }
}

/* Bytes of a term that has none inside, where its first bytes say so; 0: to be read as a token. Most terms are such. */
static size_t leaf_size(const struct es_reader *r)
{
    const uint8_t *at = r->at;
    size_t left = es_reader_left(r), size = 0;
    if (left < 5)
        return 0;
    switch (at[0]) {
    case ES_T_SMALL_INT: size = 2; break;
    case ES_T_INT:
    case ES_T_ATOM_REF4: size = 5; break;
    case ES_T_ATOM_REF8: size = 9; break;
    case ES_T_NIL: size = 1; break;
    case ES_T_SMALL_ATOM_UTF8: size = 2 + (size_t)at[1]; break;
    case ES_T_STRING: size = 3 + ((size_t)at[1] << 8 | at[2]); break;
    case ES_T_BINARY: size = 5 + ((size_t)at[1] << 24 | (size_t)at[2] << 16 | (size_t)at[3] << 8 | at[4]); break;
    default: return 0;
    }
    return size <= left ? size : 0;
}

#define TUPLE_BIT (UINT64_C(1) << 63) /* a count of what remains in a tuple, which a cut may end early */

int es_term_skip(struct es_reader *r)
{
    uint64_t remaining[ES_TERM_DEPTH_MAX];
    size_t depth = 0;
    do {
        struct es_token token;
        size_t leaf = leaf_size(r);
        if (leaf > 0) {
            r->at += leaf;
            if (depth > 0)
                remaining[depth - 1]--;
            while (depth > 0 && (remaining[depth - 1] & ~TUPLE_BIT) == 0)
                depth--;
            continue;
        }
        int rc = next_token(r, &token);
        if (rc < 0)
            return rc;
        if (depth > 0) {
            uint64_t *open = &remaining[depth - 1];
            bool ends = token.type == ES_TOK_CUT && (token.cut.flags & ES_CUT_REST) && (*open & TUPLE_BIT);
            *open = ends ? 0 : *open - 1;
        }
        uint64_t inside = terms_inside(&token);
        if (inside > 0) {
            if (depth == ES_TERM_DEPTH_MAX) {
                r->bad = true;
                return -EBADMSG;
            }
            remaining[depth++] = inside | (token.type == ES_TOK_TUPLE ? TUPLE_BIT : 0);
        }
        while (depth > 0 && (remaining[depth - 1] & ~TUPLE_BIT) == 0)
            depth--;
    } while (depth > 0);
    return 0;
}

uint32_t es_term_cuts(const void *bytes, size_t len)
{
    struct es_reader r;
    struct es_token token;
    uint32_t cuts = 0;
    es_reader_init(&r, bytes, len);
    while (es_reader_left(&r) > 0) {
        size_t leaf = leaf_size(&r);
        r.at += leaf;
        if (leaf == 0 && next_token(&r, &token) < 0)
            break;
        if (leaf == 0 && token.type == ES_TOK_CUT)
            cuts |= UINT32_C(1) << token.cut.type;
    }
    return cuts;
}
