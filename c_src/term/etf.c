/* SPDX-License-Identifier: MIT */
/* Recorded terms as plain ETF: what has a private tag becomes what any reader of ETF knows; all else is
 * copied as it is. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "term/print.h"

struct frame {
    enum es_token_type type;
    uint64_t left;    /* terms that still belong to it */
    uint32_t written; /* tuples: elements */
    size_t count_at;  /* in the output: its count, or the size of a fun */
    uint8_t count_bytes;
    const uint8_t *end; /* fun: where its terms must end */
};

struct writer {
    struct es_printer p; /* for atoms */
    struct es_reader r;
    size_t depth;
    struct frame frames[ES_TERM_DEPTH_MAX];
};

/* ---- small writers ------------------------------------------------------------------------------------------------- */

static void add_be(struct es_text *out, uint64_t value, unsigned n)
{
    while (n-- > 0) {
        char byte = (char)(value >> (8 * n));
        es_text_add(out, &byte, 1);
    }
}

static void patch_be(struct es_text *out, size_t at, uint64_t value, unsigned n)
{
    for (unsigned i = 0; i < n && !out->failed; i++)
        out->bytes[at + i] = (char)(value >> (8 * (n - 1 - i)));
}

static void add_atom(struct es_text *out, const char *utf8, size_t len)
{
    bool small = len <= UINT8_MAX;
    if (len > UINT16_MAX)
        len = UINT16_MAX;
    add_be(out, small ? ES_T_SMALL_ATOM_UTF8 : ES_T_ATOM_UTF8, 1);
    add_be(out, len, small ? 1 : 2);
    es_text_add(out, utf8, len);
}

static void add_binary(struct es_text *out, const void *bytes, size_t len)
{
    add_be(out, ES_T_BINARY, 1);
    add_be(out, len, 4);
    es_text_add(out, (const char *)bytes, len);
}

static void add_integer(struct es_text *out, uint64_t value)
{
    uint8_t bytes[16];
    struct es_writer w;
    es_writer_init(&w, bytes, sizeof bytes);
    es_write_uint(&w, value);
    es_text_add(out, (const char *)bytes, (size_t)(w.at - bytes));
}

static void add_atom_token(struct writer *w, const struct es_token *token)
{
    char unknown[40];
    size_t len = 0;
    const uint8_t *utf8 = es_token_atom(&w->p, token, &len);
    if (!utf8)
        len = (size_t)snprintf(unknown, sizeof unknown, "#Atom<%llu>", (unsigned long long)token->word);
    add_atom(w->p.out, utf8 ? (const char *)utf8 : unknown, len);
}

/* {'$cut', Type, Size, Hash, Prefix}; Size is {at_least, N} where it is a lower bound. */
static void add_cut(struct writer *w, const struct es_cut *cut)
{
    static const char *const names[ES_CUT_TYPE_MAX] = {"any", "binary", "bitstring", "list",  "tuple",
                                                       "map", "fun",    "integer",   "state", "redacted"};
    struct es_text *out = w->p.out;
    char hash[17];
    add_be(out, ES_T_SMALL_TUPLE, 1);
    add_be(out, 5, 1);
    add_atom(out, "$cut", 4);
    add_atom(out, names[cut->type], strlen(names[cut->type]));
    if (cut->flags & ES_CUT_AT_LEAST) {
        add_be(out, ES_T_SMALL_TUPLE, 1);
        add_be(out, 2, 1);
        add_atom(out, "at_least", 8);
    }
    add_integer(out, cut->size);
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)cut->hash);
    add_binary(out, hash, 16);
    add_binary(out, cut->prefix, cut->prefix_len);
}

/* ---- terms --------------------------------------------------------------------------------------------------------- */

static void add_identifier(struct writer *w, const struct es_token *token)
{
    struct es_text *out = w->p.out;
    struct es_token node = {.type = token->node.text ? ES_TOK_ATOM : ES_TOK_ATOM_REF,
                            .latin1 = token->latin1,
                            .bytes = token->node.text,
                            .len = token->node.len,
                            .word = token->node.word};
    bool wide_port = token->type == ES_TOK_PORT && token->number > UINT32_MAX;
    add_be(out,
           token->type == ES_TOK_PID   ? ES_T_NEW_PID
           : token->type == ES_TOK_REF ? ES_T_NEWER_REF
           : wide_port                 ? ES_T_V4_PORT
                                       : ES_T_NEW_PORT,
           1);
    if (token->type == ES_TOK_REF)
        add_be(out, token->n_ids, 2);
    add_atom_token(w, &node);
    if (token->type == ES_TOK_PID) {
        add_be(out, token->number, 4);
        add_be(out, token->serial, 4);
    } else if (token->type == ES_TOK_PORT) {
        add_be(out, token->number, wide_port ? 8 : 4);
    }
    add_be(out, token->creation, 4);
    for (uint32_t i = 0; token->type == ES_TOK_REF && i < token->n_ids; i++)
        add_be(out, token->ids[i], 4);
}

static int push(struct writer *w, const struct frame *frame)
{
    if (w->depth == ES_TERM_DEPTH_MAX)
        return -EBADMSG;
    w->frames[w->depth++] = *frame;
    return 0;
}

static int open_container(struct writer *w, const struct es_token *token, const uint8_t *start)
{
    struct frame f = {
        .type = token->type, .count_at = w->p.out->len + 1, .count_bytes = *start == ES_T_SMALL_TUPLE ? 1 : 4};
    f.left = token->type == ES_TOK_LIST     ? (uint64_t)token->count + 1
             : token->type == ES_TOK_MAP    ? (uint64_t)token->count * 2
             : token->type == ES_TOK_EXPORT ? 3
                                            : token->count;
    es_text_add(w->p.out, (const char *)start, (size_t)(w->r.at - start));
    return push(w, &f);
}

/* The terms inside a fun are read like others; its size is known when they are written. */
static int open_fun(struct writer *w, const struct es_token *token)
{
    struct frame f = {
        .type = ES_TOK_FUN, .count_at = w->p.out->len + 1, .count_bytes = 4, .end = token->bytes + token->len};
    struct es_reader head = {token->bytes + 26, f.end, false};
    f.left = 4 + (uint64_t)es_reader_be32(&head);
    if (head.bad)
        return -EBADMSG;
    es_text_add(w->p.out, (const char *)token->bytes, 30);
    w->r.at = head.at;
    return push(w, &f);
}

static int add_term(struct writer *w, const struct es_token *token, const uint8_t *start)
{
    switch (token->type) {
    case ES_TOK_TUPLE:
    case ES_TOK_LIST:
    case ES_TOK_MAP:
    case ES_TOK_EXPORT: return open_container(w, token, start);
    case ES_TOK_FUN: return open_fun(w, token);
    case ES_TOK_ATOM:
    case ES_TOK_ATOM_REF: add_atom_token(w, token); return 0;
    case ES_TOK_PID:
    case ES_TOK_PORT:
    case ES_TOK_REF: add_identifier(w, token); return 0;
    case ES_TOK_CUT: add_cut(w, &token->cut); return 0;
    default: es_text_add(w->p.out, (const char *)start, (size_t)(w->r.at - start)); return 0;
    }
}

/* A cut that stands for the rest of the container around it. False where it is a term like others. */
static bool add_rest(struct writer *w, struct frame *f, const struct es_token *token)
{
    if (token->type != ES_TOK_CUT)
        return false;
    if (f->type == ES_TOK_TUPLE && (token->cut.flags & ES_CUT_REST)) {
        patch_be(w->p.out, f->count_at, f->written + 1, f->count_bytes);
        add_cut(w, &token->cut);
    } else if (f->type == ES_TOK_LIST && f->left == 1) {
        patch_be(w->p.out, f->count_at, f->written + 1, f->count_bytes);
        add_cut(w, &token->cut);
        add_be(w->p.out, ES_T_NIL, 1);
    } else if (f->type == ES_TOK_MAP && f->left == 2 && es_reader_left(&w->r) > 0 && *w->r.at == ES_T_NIL) {
        add_atom(w->p.out, "$cut", 4);
        add_cut(w, &token->cut);
        w->r.at++;
    } else {
        return false;
    }
    f->left = 0;
    return true;
}

static int close_frames(struct writer *w)
{
    for (; w->depth > 0 && w->frames[w->depth - 1].left == 0; w->depth--) {
        struct frame *f = &w->frames[w->depth - 1];
        if (f->type != ES_TOK_FUN)
            continue;
        if (w->r.at != f->end)
            return -EBADMSG;
        patch_be(w->p.out, f->count_at, w->p.out->len - f->count_at, 4);
    }
    return 0;
}

static int step(struct writer *w)
{
    struct es_token token;
    const uint8_t *start = w->r.at;
    int rc = es_token_next(&w->r, &token);
    if (rc < 0)
        return rc;
    struct frame *f = w->depth > 0 ? &w->frames[w->depth - 1] : NULL;
    if (!f || !add_rest(w, f, &token)) {
        if (f) {
            f->left--;
            f->written++;
        }
        rc = add_term(w, &token, start);
    }
    return rc < 0 ? rc : close_frames(w);
}

int es_term_to_etf(const uint8_t *bytes, size_t len, const struct es_print *print, struct es_text *out)
{
    struct writer w;
    size_t before = out->len;
    int rc;
    w.p = (struct es_printer){.print = print, .out = out};
    w.depth = 0;
    es_reader_init(&w.r, bytes, len);
    add_be(out, 131, 1);
    do
        rc = step(&w);
    while (rc == 0 && w.depth > 0 && !out->failed);
    es_text_fini(&w.p.scratch);
    if (rc == 0 && es_reader_left(&w.r) > 0)
        rc = -EBADMSG;
    if (rc == 0 && out->failed)
        rc = -ENOMEM;
    if (rc < 0 && out->bytes) {
        out->len = before;
        out->bytes[before] = '\0';
    }
    return rc;
}
