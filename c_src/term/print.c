/* SPDX-License-Identifier: MIT */
/* Prints a term from front to back with a stack of its own; how lists and maps look was noted by
 * es_shapes_scan(). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "term/print.h"
#include "term/utf8.h"

enum frame_kind { TUPLE, LIST, KEYWORD, MAP, KEYS, STRUCT, SET };

struct frame {
    enum frame_kind kind;
    bool first, at_value, at_tail;
    uint32_t left;      /* elements or pairs */
    uint32_t end, next; /* SET: where the struct around it ends */
};

struct walk {
    struct es_printer p;
    struct es_reader r;
    uint32_t shape; /* index of the next list's or map's */
    size_t depth;
    struct frame frames[ES_TERM_DEPTH_MAX];
};

static void separate(struct walk *w, struct frame *f)
{
    if (!f->first)
        es_text_puts(w->p.out, w->p.print->erlang ? "," : ", ");
    f->first = false;
}

static struct frame *push(struct walk *w, enum frame_kind kind, uint32_t left)
{
    struct frame *f = &w->frames[w->depth++]; /* the scan has refused what is deeper */
    *f = (struct frame){.kind = kind, .first = true, .left = left};
    return f;
}

/* ---- lists of characters: printed whole ---------------------------------------------------------------------------- */

static void print_text_list(struct walk *w, const struct es_shape *shape, uint32_t count)
{
    bool erlang = w->p.print->erlang;
    struct es_quoting quoting = {erlang ? '"' : '\'', erlang, w->p.limit};
    es_text_add(w->p.out, &quoting.delimiter, 1);
    struct es_token token = {0};
    bool number_sign = false; /* held back: Elixir escapes it where '{' follows */
    for (uint32_t i = 0; i <= count && !es_printer_full(&w->p); i++) {
        if (es_token_next(&w->r, &token) < 0)
            break;
        bool is_point = i < count;
        if (number_sign)
            es_text_puts(w->p.out, is_point && token.integer == '{' ? "\\#" : "#");
        number_sign = is_point && token.integer == '#' && !erlang;
        if (is_point && !number_sign)
            es_print_point((uint32_t)token.integer, &quoting, w->p.out);
    }
    es_text_add(w->p.out, &quoting.delimiter, 1);
    if (token.type == ES_TOK_CUT)
        es_print_rest(&w->p, &token.cut);
    w->r.at = w->p.bytes + shape->end;
}

/* ---- opening and closing ------------------------------------------------------------------------------------------- */

static void open_list(struct walk *w, const struct es_token *token)
{
    const struct es_shape *shape = &w->p.shapes.list[w->shape++];
    if (shape->style == ES_SHAPE_TEXT) {
        print_text_list(w, shape, token->count);
        return;
    }
    es_text_puts(w->p.out, "[");
    push(w, shape->style == ES_SHAPE_KEYWORD ? KEYWORD : LIST, token->count);
}

static void open_struct(struct walk *w, const struct es_shape *shape, uint32_t pairs)
{
    struct es_printer *p = &w->p;
    if (es_print_known_struct(p, shape, w->r, pairs)) {
        w->r.at = p->bytes + shape->end;
        w->shape = shape->next;
        return;
    }
    uint32_t members;
    if (es_find_set(p, shape, &w->r, &members)) {
        struct frame *f = push(w, SET, members);
        f->end = shape->end;
        f->next = shape->next;
        w->shape++; /* the members' map */
        es_text_puts(p->out, "MapSet.new([");
        return;
    }
    struct es_reader r = {p->bytes + shape->module, w->r.end, false};
    struct es_token module = {0};
    es_token_next(&r, &module);
    es_text_puts(p->out, "%");
    es_print_atom_token(p, &module);
    es_text_puts(p->out, "{");
    push(w, STRUCT, pairs);
}

static void open_map(struct walk *w, const struct es_token *token)
{
    const struct es_shape *shape = &w->p.shapes.list[w->shape++];
    if (shape->style == ES_SHAPE_STRUCT) {
        open_struct(w, shape, token->count);
        return;
    }
    es_text_puts(w->p.out, w->p.print->erlang ? "#{" : "%{");
    push(w, shape->style == ES_SHAPE_KEYS ? KEYS : MAP, token->count);
}

static void print_term(struct walk *w, const struct es_token *token)
{
    switch (token->type) {
    case ES_TOK_TUPLE:
        es_text_puts(w->p.out, "{");
        push(w, TUPLE, token->count);
        break;
    case ES_TOK_LIST: open_list(w, token); break;
    case ES_TOK_MAP: open_map(w, token); break;
    case ES_TOK_EXPORT: es_print_export(&w->p, &w->r); break;
    default: es_print_leaf(&w->p, token);
    }
}

static void close_frame(struct walk *w)
{
    static const char *const brackets[] = {"}", "]", "]", "}", "}", "}", "])"};
    const struct frame *f = &w->frames[--w->depth];
    es_text_puts(w->p.out, brackets[f->kind]);
    if (f->kind == SET) {
        w->r.at = w->p.bytes + f->end;
        w->shape = f->next;
    }
}

/* ---- one step ------------------------------------------------------------------------------------------------------ */

static void step_list(struct walk *w, struct frame *f, const struct es_token *token)
{
    if (f->left > 0) {
        f->left--;
        separate(w, f);
        print_term(w, token);
        return;
    }
    f->at_tail = true;
    if (token->type == ES_TOK_NIL)
        return;
    if (token->type == ES_TOK_CUT) {
        separate(w, f);
        es_print_rest(&w->p, &token->cut);
        return;
    }
    if (!f->first)
        es_text_puts(w->p.out, w->p.print->erlang ? "|" : " | ");
    print_term(w, token);
}

static void print_key(struct walk *w, const struct es_token *key)
{
    size_t len = 0;
    const uint8_t *text = es_token_atom(&w->p, key, &len);
    es_print_atom_key(text, len, w->p.out); /* the scan has seen that it is known */
}

/* The token is the tuple around a pair: on to its key, and then its value. */
static void step_keyword(struct walk *w, struct frame *f, const struct es_token *token)
{
    if (f->left == 0) {
        step_list(w, f, token);
        return;
    }
    struct es_token key, value;
    f->left--;
    separate(w, f);
    if (es_token_next(&w->r, &key) < 0)
        return;
    print_key(w, &key);
    if (es_token_next(&w->r, &value) == 0)
        print_term(w, &value);
}

static void step_tuple(struct walk *w, struct frame *f, const struct es_token *token)
{
    bool rest = token->type == ES_TOK_CUT && (token->cut.flags & ES_CUT_REST);
    f->left = rest ? 0 : f->left - 1;
    separate(w, f);
    if (rest)
        es_print_rest(&w->p, &token->cut);
    else
        print_term(w, token);
}

/* The value of a pair that only says what was left out is passed over. */
static bool ends_with_cut(struct walk *w, const struct frame *f, const struct es_token *key)
{
    return key->type == ES_TOK_CUT && f->left == 1 && w->r.at < w->r.end && *w->r.at == ES_T_NIL;
}

static void skip_leaf(struct walk *w)
{
    struct es_token token;
    es_token_next(&w->r, &token);
}

/* What the name of a struct says already: __struct__, and __exception__: true. */
static bool is_said(struct walk *w, const struct es_token *key)
{
    struct es_reader ahead = w->r;
    struct es_token value;
    return es_token_is_atom(&w->p, key, "__struct__") ||
           (es_token_is_atom(&w->p, key, "__exception__") && es_token_next(&ahead, &value) == 0 &&
            es_token_is_atom(&w->p, &value, "true"));
}

static void step_key(struct walk *w, struct frame *f, const struct es_token *token)
{
    if (f->kind == STRUCT && is_said(w, token)) {
        f->left--;
        skip_leaf(w);
        return;
    }
    separate(w, f);
    if (ends_with_cut(w, f, token)) {
        f->left--;
        es_print_rest(&w->p, &token->cut);
        skip_leaf(w);
    } else if (f->kind == SET) {
        f->left--;
        f->at_value = true; /* of the member, passed over when its turn comes */
        print_term(w, token);
    } else if (f->kind == MAP) {
        f->at_value = true;
        print_term(w, token);
    } else {
        f->at_value = true;
        print_key(w, token);
    }
}

static void step_value(struct walk *w, struct frame *f, const struct es_token *token)
{
    f->at_value = false;
    if (f->kind != SET)
        f->left--;
    else if (token->type == ES_TOK_NIL)
        return;
    if (f->kind == MAP || f->kind == SET) /* a member of a set has no other value than [] */
        es_text_puts(w->p.out, " => ");
    print_term(w, token);
}

static void step(struct walk *w, struct frame *f)
{
    struct es_token token;
    if (es_token_next(&w->r, &token) < 0) {
        w->depth = 0; /* cannot be: the scan has read it all */
        return;
    }
    if (f->kind == TUPLE)
        step_tuple(w, f, &token);
    else if (f->kind == LIST)
        step_list(w, f, &token);
    else if (f->kind == KEYWORD)
        step_keyword(w, f, &token);
    else if (f->at_value)
        step_value(w, f, &token);
    else
        step_key(w, f, &token);
}

static bool is_done(const struct frame *f)
{
    return f->left == 0 && !f->at_value && (f->at_tail || (f->kind != LIST && f->kind != KEYWORD));
}

static void print_all(struct walk *w)
{
    struct es_token token;
    if (es_token_next(&w->r, &token) < 0)
        return;
    print_term(w, &token);
    while (w->depth > 0 && !es_printer_full(&w->p)) {
        struct frame *f = &w->frames[w->depth - 1];
        if (is_done(f))
            close_frame(w);
        else
            step(w, f);
    }
}

/* ---- the whole ----------------------------------------------------------------------------------------------------- */

static void print_malformed(const uint8_t *bytes, size_t len, struct es_text *out)
{
    es_text_printf(out, "#Malformed<%zu bytes:", len);
    for (size_t i = 0; i < len && i < 16; i++)
        es_text_printf(out, " %02x", bytes[i]);
    es_text_puts(out, len > 16 ? " \xe2\x80\xa6>" : ">");
}

static void cut_output(struct es_printer *p)
{
    if (p->out->len <= p->limit)
        return;
    size_t room = p->limit - p->start;
    size_t keep = p->start + (room > 3 ? room - 3 : 0);
    keep -= es_utf8_torn((const uint8_t *)p->out->bytes + p->start, keep - p->start);
    p->out->len = keep;
    es_text_puts(p->out, "\xe2\x80\xa6");
}

int es_term_print(const uint8_t *bytes, size_t len, const struct es_print *print, struct es_text *out)
{
    struct walk w;
    w.p = (struct es_printer){.print = print, .out = out, .start = out->len, .bytes = bytes};
    w.p.limit = print->max_bytes && print->max_bytes < SIZE_MAX - out->len ? out->len + print->max_bytes : SIZE_MAX;
    w.shape = 0;
    w.depth = 0;
    es_reader_init(&w.r, bytes, len);
    int rc = es_shapes_scan(&w.p, len);
    if (rc == 0)
        print_all(&w);
    else if (rc == -EBADMSG)
        print_malformed(bytes, len, out);
    cut_output(&w.p);
    free(w.p.shapes.list);
    es_text_fini(&w.p.scratch);
    return rc == 0 && out->failed ? -ENOMEM : rc;
}
