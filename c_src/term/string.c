/* SPDX-License-Identifier: MIT */
/* Quoted texts, binaries, and the marks where something was left out. */
#include <string.h>

#include "term/print.h"
#include "term/utf8.h"

#define PIECE 4096 /* bytes between two looks at the limit */

static void print_escape(uint32_t point, bool erlang, struct es_text *out)
{
    if (erlang)
        es_text_printf(out, point < 0x100 ? "\\%03o" : "\\x{%X}", point);
    else if (point == 0)
        es_text_puts(out, "\\0");
    else
        es_text_printf(out, point < 0x100 ? "\\x%02X" : point < 0x10000 ? "\\u%04X" : "\\u{%X}", point);
}

void es_print_point(uint32_t point, const struct es_quoting *quoting, struct es_text *out)
{
    char utf8[4], letter = es_escape_letter(point, quoting->erlang);
    if (letter)
        es_text_printf(out, "\\%c", letter);
    else if (point == 0x7f)
        es_text_puts(out, "\\d");
    else if (point == (uint32_t)quoting->delimiter)
        es_text_printf(out, "\\%c", quoting->delimiter);
    else if (!es_printable(point, quoting->erlang) || es_is_deceptive(point))
        print_escape(point, quoting->erlang, out);
    else
        es_text_add(out, utf8, es_utf8_put(point, utf8));
}

/* How many bytes from here on stand for themselves. */
static size_t plain_run(const uint8_t *utf8, size_t len, const struct es_quoting *quoting)
{
    size_t n = 0;
    while (n < len && n < PIECE && utf8[n] >= 0x20 && utf8[n] < 0x7f && utf8[n] != (uint8_t)quoting->delimiter &&
           utf8[n] != '\\' && utf8[n] != '#')
        n++;
    return n;
}

void es_print_quoted(const uint8_t *utf8, size_t len, const struct es_quoting *quoting, struct es_text *out)
{
    for (size_t i = 0; i < len && out->len <= quoting->limit;) {
        uint32_t point = 0;
        size_t n = plain_run(utf8 + i, len - i, quoting);
        if (n > 0) {
            es_text_add(out, (const char *)utf8 + i, n);
            i += n;
            continue;
        }
        n = es_utf8_next(utf8 + i, len - i, &point);
        if (n == 0)
            print_escape(utf8[i], quoting->erlang, out);
        else if (point == '#' && !quoting->erlang && i + 1 < len && utf8[i + 1] == '{')
            es_text_puts(out, "\\#");
        else
            es_print_point(point, quoting, out);
        i += n ? n : 1;
    }
}

/* Elixir calls only ASCII a charlist. */
bool es_charlist_printable(uint32_t point, bool erlang)
{
    return erlang ? es_printable(point, true) : point < 0x7f && es_printable(point, false);
}

/* Is all of it text? `ret_ascii` says whether it needs Erlang's /utf8. */
static bool is_text(const uint8_t *bytes, size_t len, bool erlang, bool *ret_ascii)
{
    *ret_ascii = true;
    for (size_t i = 0; i < len;) {
        uint32_t point;
        size_t n = es_utf8_next(bytes + i, len - i, &point);
        if (n == 0 || !es_printable(point, erlang))
            return false;
        *ret_ascii = *ret_ascii && point < 0x80;
        i += n;
    }
    return true;
}

static void print_text(struct es_printer *p, const uint8_t *bytes, size_t len)
{
    struct es_quoting quoting = {'"', p->print->erlang, p->limit};
    es_text_puts(p->out, "\"");
    es_print_quoted(bytes, len, &quoting, p->out);
    es_text_puts(p->out, "\"");
}

static void print_numbers(struct es_printer *p, const uint8_t *bytes, size_t len, unsigned bits)
{
    bool erlang = p->print->erlang;
    for (size_t i = 0; i < len && !es_printer_full(p); i++) {
        bool partial = i + 1 == len && bits < 8;
        es_text_puts(p->out, i == 0 ? "" : erlang ? "," : ", ");
        es_text_uint(p->out, partial ? bytes[i] >> (8 - bits) : bytes[i]);
        if (partial)
            es_text_printf(p->out, erlang ? ":%u" : "::size(%u)", bits);
    }
}

void es_print_binary(struct es_printer *p, const struct es_token *token)
{
    bool ascii, erlang = p->print->erlang;
    bool text = token->bits == 8 && is_text(token->bytes, token->len, erlang, &ascii);
    if (text && !erlang) {
        print_text(p, token->bytes, token->len);
        return;
    }
    es_text_puts(p->out, "<<");
    if (text && token->len > 0)
        print_text(p, token->bytes, token->len);
    else
        print_numbers(p, token->bytes, token->len, token->bits);
    es_text_puts(p->out, text && !ascii ? "/utf8>>" : ">>");
}

/* ---- cuts ---------------------------------------------------------------------------------------------------------- */

static void print_amount(struct es_printer *p, const struct es_cut *cut, const char *unit)
{
    es_text_puts(p->out, "\xe2\x80\xa6");
    if (cut->size > 0)
        es_text_printf(p->out, "%s%llu %s", cut->flags & ES_CUT_AT_LEAST ? "at least " : "",
                       (unsigned long long)cut->size, unit);
}

void es_print_rest(struct es_printer *p, const struct es_cut *cut)
{
    bool secret = cut->type == ES_CUT_REDACTED;
    es_text_puts(p->out, secret ? "#Redacted" : "\xe2\x80\xa6");
    if (cut->size > 0 && !secret)
        es_text_printf(p->out, "+%llu %s", (unsigned long long)cut->size,
                       cut->flags & ES_CUT_AT_LEAST ? "or more" : "more");
}

static void print_cut_binary(struct es_printer *p, const struct es_cut *cut)
{
    struct es_cut rest = *cut;
    size_t torn = es_utf8_torn(cut->prefix, cut->prefix_len);
    bool ascii = true;
    es_text_puts(p->out, "<<");
    if (is_text(cut->prefix, cut->prefix_len - torn, p->print->erlang, &ascii) && cut->prefix_len > torn) {
        print_text(p, cut->prefix, cut->prefix_len - torn);
        rest.size += rest.size ? torn : 0;
        if (!ascii && p->print->erlang)
            es_text_puts(p->out, "/utf8");
    } else if (cut->prefix_len > 0) {
        print_numbers(p, cut->prefix, cut->prefix_len, 8);
        es_text_puts(p->out, p->print->erlang ? "," : ", ");
    }
    print_amount(p, &rest, "bytes");
    es_text_puts(p->out, ">>");
}

static void print_cut_brackets(struct es_printer *p, const struct es_cut *cut, const char *open, const char *close)
{
    es_text_puts(p->out, open);
    es_print_rest(p, cut);
    es_text_puts(p->out, close);
}

void es_print_cut(struct es_printer *p, const struct es_cut *cut)
{
    struct es_quoting quoting = {'"', p->print->erlang, p->limit};
    switch (cut->type) {
    case ES_CUT_BINARY:
    case ES_CUT_BITSTRING: print_cut_binary(p, cut); break;
    case ES_CUT_LIST: print_cut_brackets(p, cut, "[", "]"); break;
    case ES_CUT_TUPLE: print_cut_brackets(p, cut, "{", "}"); break;
    case ES_CUT_MAP: print_cut_brackets(p, cut, p->print->erlang ? "#{" : "%{", "}"); break;
    case ES_CUT_FUN:
        if (cut->prefix_len > 0)
            es_print_quoted(cut->prefix, cut->prefix_len, &quoting, p->out);
        else
            es_text_puts(p->out, p->print->erlang ? "#Fun<\xe2\x80\xa6>" : "#Function<\xe2\x80\xa6>");
        break;
    case ES_CUT_INTEGER:
        es_text_puts(p->out, "#Integer<");
        print_amount(p, cut, "bytes");
        es_text_puts(p->out, ">");
        break;
    case ES_CUT_STATE: es_text_puts(p->out, "#State"); break;
    case ES_CUT_REDACTED: es_text_puts(p->out, "#Redacted"); break;
    default: es_text_puts(p->out, "\xe2\x80\xa6");
    }
}
