/* SPDX-License-Identifier: MIT */
/* A change as a line for people, and as JSON. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "term/diff.h"
#include "term/path.h"
#include "term/print.h"
#include "term/utf8.h"

#define LONG_TEXT 64u /* bytes; of longer ones only the part that differs is shown */
#define AROUND 12u    /* bytes of what is equal around it */

/* ---- paths --------------------------------------------------------------------------------------------------------- */

static void print_step(const struct es_diff *diff, const struct es_step *step, const struct es_print *print,
                       struct es_text *out)
{
    switch (step->kind) {
    case ES_STEP_KEY: es_path_print_key(step->of_old ? diff->from : diff->to, step->key, print, out); break;
    case ES_STEP_INDEX: es_text_printf(out, "[%u]", step->index); break;
    case ES_STEP_ELEMENT: es_text_printf(out, "{%u}", step->index); break;
    default: es_text_puts(out, "[|]");
    }
}

void es_diff_print_path(const struct es_diff *diff, uint32_t step, const struct es_print *print, struct es_text *out)
{
    uint32_t way[ES_TERM_DEPTH_MAX];
    size_t n = 0;
    for (; step != ES_NO_STEP && n < ES_TERM_DEPTH_MAX; step = diff->steps[step].parent)
        way[n++] = step;
    if (n == 0)
        es_text_puts(out, ".");
    while (n-- > 0)
        print_step(diff, &diff->steps[way[n]], print, out);
}

/* ---- texts and binaries -------------------------------------------------------------------------------------------- */

/* What differs: [at, at + n[0]) of the old one became [at, at + n[1]) of the new one. */
struct edit {
    const uint8_t *bytes[2];
    size_t len[2], at, n[2];
};

static bool is_inside_point(const struct edit *e, size_t at)
{
    return at < e->len[0] && (e->bytes[0][at] & 0xc0) == 0x80;
}

static bool find_edit(const struct es_diff *diff, const struct es_change *change, struct edit *e)
{
    if (change->op != ES_CHANGE_CHANGED || diff->from->nodes[change->old_node].type != ES_N_BINARY ||
        diff->to->nodes[change->new_node].type != ES_N_BINARY)
        return false;
    struct es_token a = es_tree_token(diff->from, change->old_node), b = es_tree_token(diff->to, change->new_node);
    if (a.bits != 8 || b.bits != 8)
        return false;
    *e = (struct edit){.bytes = {a.bytes, b.bytes}, .len = {a.len, b.len}};
    bool text = es_utf8_is_text(a.bytes, a.len) && es_utf8_is_text(b.bytes, b.len);
    size_t least = a.len < b.len ? a.len : b.len, tail = 0;
    while (e->at < least && a.bytes[e->at] == b.bytes[e->at])
        e->at++;
    while (text && e->at > 0 && (is_inside_point(e, e->at) || (e->at < b.len && (b.bytes[e->at] & 0xc0) == 0x80)))
        e->at--;
    while (tail < least - e->at && a.bytes[a.len - 1 - tail] == b.bytes[b.len - 1 - tail])
        tail++;
    while (text && tail > 0 && is_inside_point(e, a.len - tail))
        tail--;
    e->n[0] = a.len - tail - e->at;
    e->n[1] = b.len - tail - e->at;
    return true;
}

static size_t back_to_point(const uint8_t *bytes, size_t at)
{
    for (int i = 0; i < 3 && at > 0 && (bytes[at] & 0xc0) == 0x80; i++)
        at--;
    return at;
}

/* The part of one side that differs, with a little around it. */
static void print_part(const struct edit *e, int side, const struct es_print *print, struct es_text *out)
{
    const uint8_t *bytes = e->bytes[side];
    size_t len = e->len[side], from = e->at > AROUND ? e->at - AROUND : 0, to = e->at + e->n[side] + AROUND;
    from = from < len ? back_to_point(bytes, from) : from;
    to = to < len ? back_to_point(bytes, to) : len;
    uint8_t head[8];
    struct es_text term = {0};
    struct es_writer w;
    es_writer_init(&w, head, sizeof head);
    es_write_u8(&w, ES_T_BINARY);
    for (int shift = 24; shift >= 0; shift -= 8)
        es_write_u8(&w, (uint8_t)((to - from) >> shift));
    es_text_add(&term, (const char *)head, 5);
    es_text_add(&term, (const char *)bytes + from, to - from);
    es_text_puts(out, from > 0 ? "\xe2\x80\xa6" : "");
    if (!term.failed)
        es_term_print((const uint8_t *)term.bytes, term.len, print, out);
    es_text_puts(out, to < len ? "\xe2\x80\xa6" : "");
    es_text_fini(&term);
}

/* ---- numbers ------------------------------------------------------------------------------------------------------- */

/* "-1", "+0.25": what was added; false where these are no numbers of one type. */
static bool print_delta(const struct es_diff *diff, const struct es_change *change, struct es_text *out)
{
    if (change->op != ES_CHANGE_CHANGED)
        return false;
    struct es_token a = es_tree_token(diff->from, change->old_node), b = es_tree_token(diff->to, change->new_node);
    int64_t delta;
    if (a.type == ES_TOK_INT && b.type == ES_TOK_INT && !__builtin_sub_overflow(b.integer, a.integer, &delta)) {
        es_text_int(out, delta);
        return true;
    }
    double real = b.real - a.real;
    if (a.type != ES_TOK_FLOAT || b.type != ES_TOK_FLOAT || !isfinite(real))
        return false;
    es_print_float(real, false, out);
    return true;
}

/* ---- lines --------------------------------------------------------------------------------------------------------- */

static void put(struct es_text *out, const char *string) { es_text_puts(out, string ? string : ""); }

static void print_node(const struct es_tree *tree, uint32_t node, const struct es_print *print, struct es_text *out)
{
    if (node == ES_NO_NODE)
        es_text_puts(out, "?");
    else
        es_tree_print(tree, node, print, out);
}

static void print_changed(const struct es_diff *diff, const struct es_change *change, const struct es_print *print,
                          struct es_text *out)
{
    struct edit edit;
    struct es_text delta = {0};
    if (find_edit(diff, change, &edit) && (edit.len[0] > LONG_TEXT || edit.len[1] > LONG_TEXT)) {
        print_part(&edit, 0, print, out);
        es_text_puts(out, " \xe2\x86\x92 ");
        print_part(&edit, 1, print, out);
        es_text_printf(out, " (at byte %zu)", edit.at);
        return;
    }
    print_node(diff->from, change->old_node, print, out);
    es_text_puts(out, " \xe2\x86\x92 ");
    print_node(diff->to, change->new_node, print, out);
    if (print_delta(diff, change, &delta))
        es_text_printf(out, " (%s%s)", delta.bytes[0] == '-' ? "" : "+", delta.bytes);
    es_text_fini(&delta);
}

void es_diff_print(const struct es_diff *diff, const struct es_change *change, const struct es_print *print,
                   const struct es_diff_style *style, struct es_text *out)
{
    static const char *const signs[ES_CHANGE_OP_MAX] = {"+ ", "- ", "", "? "};
    const char *const colours[ES_CHANGE_OP_MAX] = {style->added, style->removed, style->changed, style->unknown};
    put(out, colours[change->op]);
    es_text_puts(out, signs[change->op]);
    es_diff_print_path(diff, change->step, print, out);
    put(out, colours[change->op] ? style->none : "");
    es_text_puts(out, ": ");
    if (change->op == ES_CHANGE_CHANGED)
        print_changed(diff, change, print, out);
    else if (change->op == ES_CHANGE_ADDED)
        print_node(diff->to, change->new_node, print, out);
    else if (change->op == ES_CHANGE_REMOVED)
        print_node(diff->from, change->old_node, print, out);
    else
        es_text_puts(out, "may differ, it was cut or redacted here");
}

/* ---- JSON ---------------------------------------------------------------------------------------------------------- */

static void json_node(const struct es_tree *tree, uint32_t node, const struct es_print *print, struct es_text *out)
{
    struct es_text text = {0};
    if (node == ES_NO_NODE) {
        es_text_puts(out, "null");
        return;
    }
    es_tree_print(tree, node, print, &text);
    es_text_json(out, text.bytes ? text.bytes : "", text.len);
    es_text_fini(&text);
}

void es_diff_json(const struct es_diff *diff, const struct es_change *change, const struct es_print *print,
                  struct es_text *out)
{
    struct es_text text = {0};
    struct edit edit;
    es_diff_print_path(diff, change->step, print, &text);
    es_text_puts(out, "{\"path\":");
    es_text_json(out, text.bytes ? text.bytes : "", text.len);
    es_text_printf(out, ",\"op\":\"%s\",\"old\":", es_change_op_names[change->op]);
    json_node(diff->from, change->old_node, print, out);
    es_text_puts(out, ",\"new\":");
    json_node(diff->to, change->new_node, print, out);
    es_text_clear(&text);
    if (print_delta(diff, change, &text))
        es_text_printf(out, ",\"delta\":%s", text.bytes);
    if (find_edit(diff, change, &edit))
        es_text_printf(out, ",\"edit\":{\"at\":%zu,\"removed\":%zu,\"inserted\":%zu}", edit.at, edit.n[0], edit.n[1]);
    es_text_puts(out, "}");
    es_text_fini(&text);
}
