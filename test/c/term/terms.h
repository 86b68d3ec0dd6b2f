/* SPDX-License-Identifier: MIT */
/* Terms for tests: written as in Erlang's notation, or at random. A binary is "text", an atom a name or 'name'; `~` is a
 * cut: `~list:5` a list of five elements that was left out, `~redacted`, `~rest:3` at the end of a list, tuple or map. */
#ifndef ES_TEST_TERM_TERMS_H
#define ES_TEST_TERM_TERMS_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/error.h"
#include "term/tree.h"

struct bytes {
    uint8_t *at;
    size_t len, room;
};

static inline void put(struct bytes *b, const void *bytes, size_t len)
{
    if (b->len + len > b->room) {
        b->room = (b->len + len) * 2;
        b->at = realloc(b->at, b->room);
    }
    memcpy(b->at + b->len, bytes, len);
    b->len += len;
}
static inline void put_u8(struct bytes *b, unsigned value) { put(b, &(uint8_t){(uint8_t)value}, 1); }
static inline void put_be32(struct bytes *b, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        put_u8(b, value >> shift & 255);
}
static inline void set_be32(struct bytes *b, size_t at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        b->at[at + (size_t)i] = (uint8_t)(value >> (24 - 8 * i));
}
static inline void put_int(struct bytes *b, int64_t value)
{
    uint8_t bytes[16];
    struct es_writer w;
    es_writer_init(&w, bytes, sizeof bytes);
    es_write_int(&w, value);
    put(b, bytes, (size_t)(w.at - bytes));
}
static inline void put_float(struct bytes *b, double value)
{
    uint8_t bytes[16];
    struct es_writer w;
    es_writer_init(&w, bytes, sizeof bytes);
    es_write_float(&w, value);
    put(b, bytes, (size_t)(w.at - bytes));
}
static inline void put_atom(struct bytes *b, const char *text, size_t len)
{
    put_u8(b, ES_T_SMALL_ATOM_UTF8);
    put_u8(b, (unsigned)len);
    put(b, text, len);
}
static inline void put_binary(struct bytes *b, const void *text, size_t len)
{
    put_u8(b, ES_T_BINARY);
    put_be32(b, (uint32_t)len);
    put(b, text, len);
}
static inline void put_cut(struct bytes *b, const struct es_cut *cut)
{
    uint8_t bytes[256];
    struct es_writer w;
    es_writer_init(&w, bytes, sizeof bytes);
    es_write_cut(&w, cut);
    put(b, bytes, (size_t)(w.at - bytes));
}

/* ---- as text ------------------------------------------------------------------------------------------------------- */

static const char *put_term(struct bytes *b, const char *at);

static inline const char *blanks(const char *at)
{
    while (*at == ' ' || *at == '\n')
        at++;
    return at;
}

static inline const char *put_cut_text(struct bytes *b, const char *at)
{
    static const char *const names[] = {"any", "binary", "bitstring", "list",  "tuple",
                                        "map", "fun",    "integer",   "state", "redacted"};
    struct es_cut cut = {0};
    size_t len = strcspn(at, ":,]} \n");
    for (uint8_t i = 0; i < 10; i++)
        if (strlen(names[i]) == len && strncmp(at, names[i], len) == 0)
            cut.type = i;
    if (at[len] == ':')
        cut.size = strtoull(at + len + 1, (char **)&at, 10);
    else
        at += len;
    put_cut(b, &cut);
    return at;
}

/* Elements up to `close`; `map`: pairs. Gives their number; a rest is written as the format has it. */
static inline const char *put_elements(struct bytes *b, const char *at, char close, uint32_t *ret_n)
{
    uint32_t n = 0;
    bool tailed = false;
    at = blanks(at);
    while (*at != close) {
        if (*at == '|') {
            at = put_term(b, blanks(at + 1));
            tailed = true;
        } else if (strncmp(at, "~rest:", 6) == 0) {
            uint64_t size = strtoull(at + 6, (char **)&at, 10);
            struct es_cut cut = {.type = close == ']' ? ES_CUT_LIST : ES_CUT_TUPLE, .size = size};
            cut.flags = close == ']' ? 0 : ES_CUT_REST;
            put_cut(b, &cut);
            if (close == ']')
                tailed = true;
            else
                n += (uint32_t)size;
        } else {
            at = put_term(b, at);
            n++;
        }
        at = blanks(at);
        if (*at == ',')
            at = blanks(at + 1);
    }
    if (close == ']' && !tailed)
        put_u8(b, ES_T_NIL);
    *ret_n = n;
    return at + 1;
}

static inline const char *put_pairs(struct bytes *b, const char *at, uint32_t *ret_n)
{
    at = blanks(at);
    for (*ret_n = 0; *at != '}'; ++*ret_n) {
        if (strncmp(at, "~rest:", 6) == 0) {
            put_cut(b, &(struct es_cut){.type = ES_CUT_MAP, .size = strtoull(at + 6, (char **)&at, 10)});
            put_u8(b, ES_T_NIL);
        } else {
            at = blanks(put_term(b, at));
            if (strncmp(at, "=>", 2) != 0)
                fail_msg("=> is missing at %s", at);
            at = put_term(b, blanks(at + 2));
        }
        at = blanks(at);
        if (*at == ',')
            at = blanks(at + 1);
    }
    return at + 1;
}

static const char *put_term(struct bytes *b, const char *at)
{
    uint32_t n = 0;
    size_t count_at = b->len + 1, len;
    char *end;
    if (*at == '"' || *at == '\'') {
        len = strcspn(at + 1, *at == '"' ? "\"" : "'");
        (*at == '"' ? (void (*)(struct bytes *, const void *, size_t))put_binary
                    : (void (*)(struct bytes *, const void *, size_t))(void *)put_atom)(b, at + 1, len);
        return at + len + 2;
    }
    if (*at == '~')
        return put_cut_text(b, at + 1);
    if (*at == '{' || *at == '[' || *at == '#') {
        put_u8(b, *at == '{' ? ES_T_LARGE_TUPLE : *at == '[' ? ES_T_LIST : ES_T_MAP);
        put_be32(b, 0);
        at = *at == '#' ? put_pairs(b, at + 2, &n) : put_elements(b, at + 1, *at == '{' ? '}' : ']', &n);
        set_be32(b, count_at, n);
        return at;
    }
    if ((*at >= '0' && *at <= '9') || *at == '-') {
        len = strspn(at, "-0123456789.");
        bool real = memchr(at, '.', len) != NULL;
        if (real)
            put_float(b, strtod(at, &end));
        else
            put_int(b, strtoll(at, &end, 10));
        return end;
    }
    len = strcspn(at, " ,=|]}\n");
    if (len == 0)
        fail_msg("no term at %s", at);
    put_atom(b, at, len);
    return at + len;
}

static inline struct bytes term(const char *text)
{
    struct bytes b = {0};
    const char *end = put_term(&b, text);
    assert_int_equal(*end, 0);
    b.at = realloc(b.at, b.len); /* ends where the term ends: for the sanitizer */
    b.room = b.len;
    return b;
}

static const struct es_print test_elixir = {.erlang = false}, test_erlang = {.erlang = true};

struct parsed {
    struct bytes bytes;
    struct es_tree tree;
};
static inline struct parsed parsed(const char *text)
{
    struct parsed p = {.bytes = term(text)};
    assert_int_equal(es_tree_read(&p.tree, p.bytes.at, p.bytes.len, &test_elixir), 0);
    return p;
}
static inline void parsed_free(struct parsed *p)
{
    es_tree_fini(&p->tree);
    free(p->bytes.at);
}

/* ---- at random ----------------------------------------------------------------------------------------------------- */

static uint64_t test_random = 1;
static inline uint32_t below(uint32_t n)
{
    test_random ^= test_random << 13;
    test_random ^= test_random >> 7;
    test_random ^= test_random << 17;
    return (uint32_t)((test_random >> 11) % n);
}
/* The seed is printed; ES_SEED repeats a run. */
static inline void seed_random(void)
{
    const char *given = getenv("ES_SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    test_random = given ? strtoull(given, NULL, 10) : (uint64_t)now.tv_nsec * 2654435761u + (uint64_t)now.tv_sec;
    test_random += test_random == 0;
    printf("ES_SEED=%llu\n", (unsigned long long)test_random);
}

static inline void put_random_leaf(struct bytes *b)
{
    static const char *const atoms[] = {"ok", "error", "name", "Elixir.Shop.Cart", "odd name", "nil", "true", "left"};
    static const char *const texts[] = {"assam", "darjeeling", "", "peter-1",
                                        "a longer text, as it may stand in a state"};
    const char *text;
    switch (below(7)) {
    case 0: put_int(b, below(5)); break;
    case 1: put_int(b, (int64_t)below(1u << 31) * (below(2) ? -1 : 4000000000)); break;
    case 2: put_float(b, (double)below(1000) / 8); break;
    case 3:
    case 4:
        text = atoms[below(8)];
        put_atom(b, text, strlen(text));
        break;
    default: text = texts[below(5)]; put_binary(b, text, strlen(text));
    }
}

static inline void put_random(struct bytes *b, unsigned depth)
{
    unsigned kind = depth == 0 ? 0 : below(8);
    uint32_t n = below(6);
    char name[16];
    if (kind < 3) {
        put_random_leaf(b);
    } else if (kind == 3) {
        put_u8(b, ES_T_SMALL_TUPLE);
        put_u8(b, n);
        while (n-- > 0)
            put_random(b, depth - 1);
    } else if (kind == 4) { /* a keyword list, some with a key twice */
        put_u8(b, ES_T_LIST);
        put_be32(b, n);
        while (n-- > 0) {
            put_u8(b, ES_T_SMALL_TUPLE);
            put_u8(b, 2);
            put_atom(b, name, (size_t)snprintf(name, sizeof name, "k%u", below(8)));
            put_random(b, depth - 1);
        }
        put_u8(b, ES_T_NIL);
    } else if (kind < 7) {
        bool improper = n > 0 && below(8) == 0;
        put_u8(b, ES_T_LIST);
        put_be32(b, n);
        while (n-- > 0)
            put_random(b, depth - 1);
        if (improper)
            put_random_leaf(b);
        else
            put_u8(b, ES_T_NIL);
    } else {
        uint32_t first = below(3);
        put_u8(b, ES_T_MAP);
        put_be32(b, n);
        for (uint32_t i = 0; i < n; i++) { /* keys are different */
            if (first == 0)
                put_atom(b, name, (size_t)snprintf(name, sizeof name, "f%u", i));
            else if (first == 1)
                put_binary(b, name, (size_t)snprintf(name, sizeof name, "key %u", i));
            else
                put_int(b, (int64_t)i * 3);
            put_random(b, depth - 1);
        }
    }
}

#endif
