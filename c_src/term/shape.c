/* SPDX-License-Identifier: MIT */
/* The printer's first pass: checks that the bytes are one term, and notes for each list and map how it is to
 * look. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "term/print.h"

struct frame {
    enum es_token_type type;
    uint64_t left;          /* terms that still belong to it */
    uint32_t shape;         /* lists and maps: its index */
    bool text, pairs, keys; /* still looks like characters, a keyword list, a map with atoms as keys */
    bool in_list;           /* tuple: an element of a list that may be a keyword list */
    bool module_next;       /* map: the next value belongs to __struct__ */
    bool has_module;
};

struct scan {
    struct es_printer *p;
    struct es_reader r;
    uint32_t offset; /* of the token just read */
    size_t depth;
    struct frame frames[ES_TERM_DEPTH_MAX];
};

static int new_shape(struct es_shapes *shapes)
{
    if (shapes->n == shapes->room) {
        size_t room = shapes->room ? shapes->room * 2 : 16;
        struct es_shape *list = realloc(shapes->list, room * sizeof *list);
        if (!list)
            return -ENOMEM;
        shapes->list = list;
        shapes->room = room;
    }
    shapes->list[shapes->n++] = (struct es_shape){0};
    return 0;
}

static bool is_key(struct scan *s, const struct es_token *token)
{
    size_t len;
    const uint8_t *text = es_token_atom(s->p, token, &len);
    return text && !(len > 7 && memcmp(text, "Elixir.", 7) == 0);
}

static bool is_end(const struct es_token *token) { return token->type == ES_TOK_NIL || token->type == ES_TOK_CUT; }

static void in_list(struct scan *s, struct frame *f, const struct es_token *token)
{
    if (f->left == 1) { /* the tail */
        f->text = f->text && is_end(token);
        f->pairs = f->pairs && is_end(token);
        return;
    }
    if (f->text)
        f->text = token->type == ES_TOK_INT && token->integer >= 0 && token->integer <= 0x10ffff &&
                  es_charlist_printable((uint32_t)token->integer, s->p->print->erlang);
    f->pairs = f->pairs && token->type == ES_TOK_TUPLE && token->count == 2;
}

static void in_tuple(struct scan *s, struct frame *f, const struct es_token *token)
{
    if (!f->in_list)
        return;
    struct frame *list = f - 1;
    bool fits = f->left == 2 ? is_key(s, token) : !(token->type == ES_TOK_CUT && (token->cut.flags & ES_CUT_REST));
    list->pairs = list->pairs && fits;
}

static void in_map(struct scan *s, struct frame *f, const struct es_token *token)
{
    if (f->left % 2 == 0) {
        bool rest = token->type == ES_TOK_CUT && f->left == 2 && es_reader_left(&s->r) > 0 && *s->r.at == ES_T_NIL;
        f->keys = f->keys && (rest || is_key(s, token));
        f->module_next = f->keys && es_token_is_atom(s->p, token, "__struct__");
        return;
    }
    size_t len;
    const uint8_t *text = f->module_next ? es_token_atom(s->p, token, &len) : NULL;
    f->module_next = false;
    if (text && es_atom_is_alias(text, len)) {
        f->has_module = true;
        s->p->shapes.list[f->shape].module = s->offset;
    }
}

static int check_export(struct scan *s)
{
    struct es_token module, function, arity;
    if (es_token_next(&s->r, &module) < 0 || es_token_next(&s->r, &function) < 0 || es_token_next(&s->r, &arity) < 0)
        return -EBADMSG;
    bool atoms = (module.type == ES_TOK_ATOM || module.type == ES_TOK_ATOM_REF) &&
                 (function.type == ES_TOK_ATOM || function.type == ES_TOK_ATOM_REF);
    return atoms && arity.type == ES_TOK_INT ? 0 : -EBADMSG;
}

static int open_frame(struct scan *s, const struct es_token *token)
{
    bool is_list = token->type == ES_TOK_LIST, is_map = token->type == ES_TOK_MAP;
    if (token->type == ES_TOK_EXPORT)
        return check_export(s);
    if (!is_list && !is_map && token->type != ES_TOK_TUPLE)
        return 0;
    if (s->depth == ES_TERM_DEPTH_MAX)
        return -EBADMSG;
    struct frame *f = &s->frames[s->depth];
    *f = (struct frame){.type = token->type, .shape = (uint32_t)s->p->shapes.n};
    f->left = is_list ? (uint64_t)token->count + 1 : is_map ? (uint64_t)token->count * 2 : token->count;
    bool arguments = s->p->print->arguments && s->depth == 0;
    f->text = is_list && token->count > 0 && !arguments;
    f->pairs = f->text && !s->p->print->erlang;
    f->keys = is_map && token->count > 0 && !s->p->print->erlang;
    f->in_list = token->type == ES_TOK_TUPLE && s->depth > 0 && s->frames[s->depth - 1].pairs && token->count == 2;
    s->depth++;
    return is_list || is_map ? new_shape(&s->p->shapes) : 0;
}

static void close_frames(struct scan *s)
{
    for (; s->depth > 0 && s->frames[s->depth - 1].left == 0; s->depth--) {
        struct frame *f = &s->frames[s->depth - 1];
        if (f->type == ES_TOK_TUPLE)
            continue;
        struct es_shape *shape = &s->p->shapes.list[f->shape];
        shape->end = (uint32_t)(s->r.at - s->p->bytes);
        shape->next = (uint32_t)s->p->shapes.n;
        shape->style = f->text                    ? ES_SHAPE_TEXT
                       : f->pairs                 ? ES_SHAPE_KEYWORD
                       : f->keys && f->has_module ? ES_SHAPE_STRUCT
                       : f->keys                  ? ES_SHAPE_KEYS
                                                  : ES_SHAPE_PLAIN;
    }
}

static int scan_token(struct scan *s)
{
    struct es_token token;
    s->offset = (uint32_t)(s->r.at - s->p->bytes);
    int rc = es_token_next(&s->r, &token);
    if (rc < 0)
        return rc;
    if (s->depth > 0) {
        struct frame *f = &s->frames[s->depth - 1];
        if (f->type == ES_TOK_LIST)
            in_list(s, f, &token);
        else if (f->type == ES_TOK_TUPLE)
            in_tuple(s, f, &token);
        else
            in_map(s, f, &token);
        bool ends = f->type == ES_TOK_TUPLE && token.type == ES_TOK_CUT && (token.cut.flags & ES_CUT_REST);
        f->left = ends ? 0 : f->left - 1;
    }
    rc = open_frame(s, &token);
    close_frames(s);
    return rc;
}

int es_shapes_scan(struct es_printer *p, size_t len)
{
    struct scan s;
    if (len > UINT32_MAX)
        return -EBADMSG;
    s.p = p;
    s.depth = 0;
    es_reader_init(&s.r, p->bytes, len);
    p->shapes.n = 0;
    do {
        int rc = scan_token(&s);
        if (rc < 0)
            return rc;
    } while (s.depth > 0);
    return es_reader_left(&s.r) == 0 ? 0 : -EBADMSG;
}
