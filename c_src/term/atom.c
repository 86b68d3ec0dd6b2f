/* SPDX-License-Identifier: MIT */
/* Atoms in both notations: which need quotes, and how they look as names of modules, functions and keys. The
 * rules are those of io_lib:write_atom/1 and of Elixir's Macro.inspect_atom/2. */
#include <string.h>

#include "term/print.h"
#include "term/utf8.h"

/* ---- text of tokens ------------------------------------------------------------------------------------------------ */

static const uint8_t *from_latin1(struct es_printer *p, const uint8_t *latin1, size_t len, size_t *ret_len)
{
    es_text_clear(&p->scratch);
    es_text_add(&p->scratch, "", 0);
    for (size_t i = 0; i < len; i++) {
        char utf8[4];
        es_text_add(&p->scratch, utf8, es_utf8_put(latin1[i], utf8));
    }
    if (p->scratch.failed)
        return NULL;
    *ret_len = p->scratch.len;
    return (const uint8_t *)p->scratch.bytes;
}

const uint8_t *es_token_atom(struct es_printer *p, const struct es_token *token, size_t *ret_len)
{
    if (token->type == ES_TOK_ATOM_REF)
        return p->print->atoms ? p->print->atoms(token->word, ret_len, p->print->context) : NULL;
    if (token->type != ES_TOK_ATOM)
        return NULL;
    if (token->latin1)
        return from_latin1(p, token->bytes, token->len, ret_len);
    *ret_len = token->len;
    return token->bytes;
}

bool es_token_is_atom(struct es_printer *p, const struct es_token *token, const char *text)
{
    size_t len;
    const uint8_t *utf8 = es_token_atom(p, token, &len);
    return utf8 && len == strlen(text) && memcmp(utf8, text, len) == 0;
}

/* ---- Elixir -------------------------------------------------------------------------------------------------------- */

static bool is_one_of(const uint8_t *utf8, size_t len, const char *const *list)
{
    for (; *list; list++)
        if (len == strlen(*list) && memcmp(utf8, *list, len) == 0)
            return true;
    return false;
}

static bool is_digit(uint32_t point) { return point >= '0' && point <= '9'; }

/* A name of letters, digits and '_', with '@' inside where it is allowed, '?' or '!' at its end. */
static bool is_identifier(const uint8_t *utf8, size_t len, bool at)
{
    uint32_t point = 0;
    for (size_t i = 0; i < len;) {
        size_t n = es_utf8_next(utf8 + i, len - i, &point);
        bool starts = i == 0, ends = n > 0 && i + n == len;
        bool fits = n > 0 && (es_name_point(point) || (point == '@' && at && !starts) ||
                              ((point == '?' || point == '!') && !starts && ends));
        if (!fits || (starts && (is_digit(point) || (point >= 0x300 && point < 0x370))))
            return false;
        i += n;
    }
    return len > 0;
}

static bool is_operator(const uint8_t *utf8, size_t len, bool remote)
{
    static const char *const both[] = {"!",   "&",   "*",   "+",   "-",   "/",   "<",   "=",    ">",   "@",
                                       "^",   "|",   "!=",  "&&",  "**",  "++",  "--",  "<-",   "<=",  "<>",
                                       "<~",  "==",  "=~",  ">=",  "|>",  "||",  "~>",  "\\\\", "!==", "&&&",
                                       "+++", "---", "<<<", "<<~", "<~>", "===", ">>>", "|||",  "~>>", NULL};
    static const char *const literal[] = {"%", ".", "->", "..", "{}", "%{}", "...", "..//", "<<>>", NULL};
    static const char *const called[] = {"::", "<|>", "~~~", "^^^", NULL};
    return is_one_of(utf8, len, both) || is_one_of(utf8, len, remote ? called : literal);
}

bool es_atom_is_alias(const uint8_t *utf8, size_t len)
{
    if (len < 8 || memcmp(utf8, "Elixir.", 7) != 0)
        return false;
    bool starts = true;
    for (size_t i = 7; i < len; i++) {
        bool upper = utf8[i] >= 'A' && utf8[i] <= 'Z';
        if (utf8[i] == '.' ? starts : starts ? !upper : utf8[i] >= 0x80 || !es_name_point(utf8[i]))
            return false;
        starts = utf8[i] == '.';
    }
    return !starts;
}

static void add_quoted(const uint8_t *utf8, size_t len, char quote, bool erlang, struct es_text *out)
{
    struct es_quoting quoting = {quote, erlang, SIZE_MAX};
    es_text_add(out, &quote, 1);
    es_print_quoted(utf8, len, &quoting, out);
    es_text_add(out, &quote, 1);
}

static void add_plain(const uint8_t *utf8, size_t len, struct es_text *out)
{
    es_text_add(out, (const char *)utf8, len);
}

static void print_elixir(const uint8_t *utf8, size_t len, struct es_text *out)
{
    static const char *const bare[] = {"nil", "true", "false", "Elixir", "Elixir.Elixir", NULL};
    if (is_one_of(utf8, len, bare)) {
        add_plain(utf8, len, out);
    } else if (es_atom_is_alias(utf8, len)) {
        bool twice = len > 14 && memcmp(utf8 + 7, "Elixir.", 7) == 0; /* would read as the shorter name without it */
        add_plain(utf8 + (twice ? 0 : 7), len - (twice ? 0 : 7), out);
    } else {
        es_text_puts(out, ":");
        if (is_identifier(utf8, len, true) || is_operator(utf8, len, false))
            add_plain(utf8, len, out);
        else
            add_quoted(utf8, len, '"', false, out);
    }
}

void es_print_atom_key(const uint8_t *utf8, size_t len, struct es_text *out)
{
    if (is_identifier(utf8, len, true) || is_operator(utf8, len, false))
        add_plain(utf8, len, out);
    else
        add_quoted(utf8, len, '"', false, out);
    es_text_puts(out, ": ");
}

/* ---- Erlang -------------------------------------------------------------------------------------------------------- */

static bool needs_no_quotes(const uint8_t *utf8, size_t len)
{
    static const char *const reserved[] = {"after",  "and",     "andalso", "band", "begin", "bnot", "bor",
                                           "bsl",    "bsr",     "bxor",    "case", "catch", "cond", "div",
                                           "end",    "fun",     "if",      "let",  "not",   "of",   "or",
                                           "orelse", "receive", "rem",     "try",  "when",  "xor",  NULL};
    uint32_t point;
    for (size_t i = 0, n; i < len; i += n) {
        n = es_utf8_next(utf8 + i, len - i, &point);
        bool lower = (point >= 'a' && point <= 'z') || (point >= 0xdf && point <= 0xff && point != 0xf7);
        bool other = (point >= 'A' && point <= 'Z') || is_digit(point) || point == '_' || point == '@' ||
                     (point >= 0xc0 && point <= 0xde && point != 0xd7);
        if (n == 0 || !(lower || (other && i > 0)))
            return false;
    }
    return len > 0 && !is_one_of(utf8, len, reserved);
}

void es_print_atom(const uint8_t *utf8, size_t len, bool erlang, struct es_text *out)
{
    if (!erlang)
        print_elixir(utf8, len, out);
    else if (needs_no_quotes(utf8, len))
        add_plain(utf8, len, out);
    else
        add_quoted(utf8, len, '\'', true, out);
}

void es_print_atom_name(const uint8_t *utf8, size_t len, bool erlang, struct es_text *out)
{
    uint32_t first = len > 0 ? utf8[0] : 0;
    bool capital = first >= 'A' && first <= 'Z';
    if (erlang)
        es_print_atom(utf8, len, true, out);
    else if ((!capital && is_identifier(utf8, len, false)) || is_operator(utf8, len, true))
        add_plain(utf8, len, out);
    else
        add_quoted(utf8, len, '"', false, out);
}

void es_print_atom_token(struct es_printer *p, const struct es_token *token)
{
    size_t len = 0;
    const uint8_t *utf8 = es_token_atom(p, token, &len);
    if (utf8)
        es_print_atom(utf8, len, p->print->erlang, p->out);
    else
        es_text_printf(p->out, "#Atom<%llu>", (unsigned long long)token->word);
}
