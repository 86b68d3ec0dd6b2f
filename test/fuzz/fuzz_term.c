/* SPDX-License-Identifier: MIT */
/* Fuzzes the reading of terms: tokens stay within the bytes, a whole term is the same for both ways of
 * reading it, and what can be written again reads back as the same token. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/term.h"

#define CHECK(condition)                                                    \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                        \
        }                                                                   \
    } while (0)

static uint64_t sink;

static void touch(const uint8_t *bytes, size_t len, const uint8_t *from, const uint8_t *end)
{
    if (!bytes)
        return;
    CHECK(bytes >= from && len <= (size_t)(end - bytes));
    for (size_t i = 0; i < len; i++)
        sink += bytes[i];
}

static bool write_again(const struct es_token *t, struct es_writer *w)
{
    switch (t->type) {
    case ES_TOK_INT: es_write_int(w, t->integer); return true;
    case ES_TOK_FLOAT: es_write_float(w, t->real); return true;
    case ES_TOK_ATOM: es_write_atom(w, (const char *)t->bytes, t->len); return !t->latin1;
    case ES_TOK_ATOM_REF: es_write_atom_ref(w, t->word); return true;
    case ES_TOK_TUPLE: es_write_tuple(w, t->count); return true;
    case ES_TOK_LIST: es_write_list(w, t->count); return true;
    case ES_TOK_NIL: es_write_nil(w); return true;
    case ES_TOK_MAP: es_write_map(w, t->count); return true;
    case ES_TOK_BINARY: es_write_binary(w, t->bytes, t->len); return t->bits == 8;
    case ES_TOK_CUT: es_write_cut(w, &t->cut); return true;
    default: return false;
    }
}

static void same(const struct es_token *a, const struct es_token *b)
{
    CHECK(a->type == b->type && a->count == b->count && a->word == b->word && a->integer == b->integer);
    CHECK(memcmp(&a->real, &b->real, sizeof a->real) == 0);
    CHECK(a->cut.type == b->cut.type && a->cut.flags == b->cut.flags && a->cut.size == b->cut.size &&
          a->cut.hash == b->cut.hash);
    CHECK(a->cut.prefix_len == b->cut.prefix_len);
    if (a->type == ES_TOK_ATOM || a->type == ES_TOK_BINARY)
        CHECK(a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0);
    if (a->type == ES_TOK_CUT)
        CHECK(memcmp(a->cut.prefix, b->cut.prefix, a->cut.prefix_len) == 0);
}

static void write_and_read(const struct es_token *token)
{
    static uint8_t memory[1 << 20];
    struct es_writer w;
    struct es_reader r;
    struct es_token again;
    es_writer_init(&w, memory, sizeof memory);
    if (!write_again(token, &w) || w.full)
        return;
    es_reader_init(&r, memory, (size_t)(w.at - memory));
    CHECK(es_token_next(&r, &again) == 0 && es_reader_left(&r) == 0);
    same(token, &again);
}

static void read_tokens(const uint8_t *bytes, size_t len)
{
    struct es_reader r;
    struct es_token token;
    es_reader_init(&r, bytes, len);
    const uint8_t *end = r.end;
    while (es_token_next(&r, &token) == 0) {
        CHECK(r.at > bytes && r.at <= end);
        touch(token.bytes, token.len, bytes, end);
        touch(token.node.text, token.node.len, bytes, end);
        touch(token.cut.prefix, token.cut.prefix_len, bytes, end);
        CHECK(token.n_ids <= 5);
        write_and_read(&token);
    }
    CHECK(r.bad);
}

/* Passes a term by recursion: the plain definition that es_term_skip() must agree with. */
static bool pass(struct es_reader *r, unsigned depth, bool *ret_rest)
{
    struct es_token token;
    if (es_token_next(r, &token) < 0)
        return false;
    *ret_rest = token.type == ES_TOK_CUT && (token.cut.flags & ES_CUT_REST);
    uint64_t inside = token.type == ES_TOK_TUPLE    ? token.count
                      : token.type == ES_TOK_LIST   ? (uint64_t)token.count + 1
                      : token.type == ES_TOK_MAP    ? (uint64_t)token.count * 2
                      : token.type == ES_TOK_EXPORT ? 3
                                                    : 0;
    if (inside > 0 && depth == ES_TERM_DEPTH_MAX)
        return false;
    bool rest = false;
    for (uint64_t i = 0; i < inside && !(rest && token.type == ES_TOK_TUPLE); i++)
        if (!pass(r, depth + 1, &rest))
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct es_reader by_skip, by_tokens;
    bool rest;
    read_tokens(bytes, len);
    es_reader_init(&by_skip, bytes, len);
    es_reader_init(&by_tokens, bytes, len);
    bool skipped = es_term_skip(&by_skip) == 0;
    CHECK(skipped == pass(&by_tokens, 0, &rest));
    CHECK(!skipped || by_skip.at == by_tokens.at);
    es_reader_init(&by_skip, bytes, len);
    sink += es_reader_varint(&by_skip);
    sink += es_hash_bytes(bytes, len, sink);
    return 0;
}
