/* SPDX-License-Identifier: MIT */
/* An expression of find into words. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/find.h"
#include "query/nodes.h"

int es_find_wrong(const char *text, size_t at, const char *message, const char *what)
{
    size_t column = 1;
    for (size_t i = 0; i < at && text[i]; i++)
        column += ((unsigned char)text[i] & 0xc0) != 0x80;
    return es_fail(-EINVAL, "the expression is wrong at column %zu: %s%s", column, message, what);
}

void es_lexed_fini(struct es_lexed *word)
{
    es_text_fini(&word->text);
    es_text_fini(&word->trail);
}

static char at(const struct es_lexer *l, size_t ahead)
{
    return l->at + ahead < l->len ? l->text[l->at + ahead] : '\0';
}

static bool is_letter(char c) { return isalnum((unsigned char)c) || c == '_' || c == '@' || (unsigned char)c >= 0x80; }

/* ---- quoted -------------------------------------------------------------------------------------------------------- */

static int lex_quoted(struct es_lexer *l, struct es_lexed *word)
{
    char quote = at(l, 0);
    for (l->at++; l->at < l->len && at(l, 0) != quote; l->at++) {
        if (at(l, 0) == '\\' && l->at + 1 < l->len)
            l->at++;
        es_text_add(&word->text, &l->text[l->at], 1);
    }
    if (l->at == l->len)
        return es_find_wrong(l->text, word->at, "a quote is not closed", "");
    l->at++;
    return word->text.failed ? -ENOMEM : 0;
}

/* ---- names and their paths ------------------------------------------------------------------------------------------- */

static bool is_term_field(const char *name)
{
    for (unsigned i = ES_FF_PAYLOAD; i < ES_FF_MAX; i++)
        if (strcmp(es_find_fields[i].name, name) == 0)
            return true;
    return false;
}

/* Up to the bracket that closes the one at hand; texts inside may hold brackets. */
static int pass_bracket(struct es_lexer *l)
{
    size_t from = l->at, depth = 0;
    char quote = '\0';
    for (; l->at < l->len; l->at++) {
        char c = at(l, 0);
        if (quote && c == '\\')
            l->at++;
        else if (quote)
            quote = c == quote ? '\0' : quote;
        else if (c == '"' || c == '\'')
            quote = c;
        else if (c == '[' || c == '{')
            depth++;
        else if ((c == ']' || c == '}') && --depth == 0) {
            l->at++;
            return 0;
        }
    }
    return es_find_wrong(l->text, from, "a bracket is not closed", "");
}

/* A name may end with ? or !, which is no sign then. */
static void pass_letters(struct es_lexer *l)
{
    while (is_letter(at(l, 0)))
        l->at++;
    if ((at(l, 0) == '?' || at(l, 0) == '!') && at(l, 1) != '=')
        l->at++;
}

static int lex_path(struct es_lexer *l, struct es_lexed *word)
{
    size_t from = l->at;
    int rc = 0;
    while (rc == 0 &&
           (at(l, 0) == '[' || at(l, 0) == '{' || (at(l, 0) == '.' && (is_letter(at(l, 1)) || at(l, 1) == '"')))) {
        if (at(l, 0) != '.') {
            rc = pass_bracket(l);
            continue;
        }
        l->at++;
        pass_letters(l);
    }
    es_text_add(&word->trail, l->text + from, l->at - from);
    return rc < 0 ? rc : (word->trail.failed ? -ENOMEM : 0);
}

static int lex_name(struct es_lexer *l, struct es_lexed *word)
{
    size_t from = l->at;
    word->word = ES_W_NAME;
    pass_letters(l);
    es_text_add(&word->text, l->text + from, l->at - from);
    if (word->text.failed)
        return -ENOMEM;
    if (is_term_field(word->text.bytes) && strchr(".[{", at(l, 0)) && at(l, 0)) {
        word->path = 1;
        return lex_path(l, word);
    }
    while (at(l, 0) == '.' && is_letter(at(l, 1))) {
        l->at++;
        pass_letters(l);
    }
    es_text_clear(&word->text);
    es_text_add(&word->text, l->text + from, l->at - from);
    return word->text.failed ? -ENOMEM : 0;
}

/* ---- numbers ------------------------------------------------------------------------------------------------------- */

static double unit_of(const char *text, size_t len)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"ns", 1},  {"us", 1e3}, {"µs", 1e3},   {"ms", 1e6},
                 {"s", 1e9}, {"m", 60e9}, {"min", 60e9}, {"h", 3600e9}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strlen(units[i].name) == len && memcmp(units[i].name, text, len) == 0)
            return units[i].ns;
    return 0;
}

/* A time or a pid is taken as it stands: whoever knows what it is compared with reads it. */
static int lex_time(struct es_lexer *l, struct es_lexed *word)
{
    size_t from = l->at;
    while (is_letter(at(l, 0)) || (at(l, 0) && strchr("+-.:%", at(l, 0))))
        l->at++;
    word->word = ES_W_TIME;
    es_text_clear(&word->text);
    es_text_add(&word->text, l->text + from, l->at - from);
    return word->text.failed ? -ENOMEM : 0;
}

static int lex_number(struct es_lexer *l, struct es_lexed *word)
{
    size_t from = l->at, digits = 0;
    char copy[64], *end;
    word->word = ES_W_NUMBER;
    word->whole = true;
    if (at(l, 0) == '-')
        l->at++;
    for (; isdigit((unsigned char)at(l, 0)) || (at(l, 0) == '_' && digits); l->at++)
        digits++;
    if (at(l, 0) == '.' && isdigit((unsigned char)at(l, 1)))
        for (word->whole = false, l->at++; isdigit((unsigned char)at(l, 0)); l->at++)
            ;
    if ((at(l, 0) == 'e' || at(l, 0) == 'E') &&
        (isdigit((unsigned char)at(l, 1)) || (at(l, 1) == '-' && isdigit((unsigned char)at(l, 2)))))
        for (word->whole = false, l->at += 2; isdigit((unsigned char)at(l, 0)); l->at++)
            ;
    size_t n = 0;
    for (size_t i = from; i < l->at && n < sizeof copy - 1; i++)
        if (l->text[i] != '_')
            copy[n++] = l->text[i];
    copy[n] = '\0';
    if ((at(l, 0) == ':' || at(l, 0) == '%' || at(l, 0) == '-') && at(l, 1) != '=') {
        l->at = from;
        return lex_time(l, word);
    }
    size_t unit_at = l->at;
    while (is_letter(at(l, 0)))
        l->at++;
    es_text_add(&word->text, l->text + from, l->at - from);
    errno = 0;
    word->real = strtod(copy, &end);
    word->integer = word->whole ? strtoll(copy, NULL, 10) : 0;
    if (n == 0 || *end || (errno && word->whole))
        return es_find_wrong(l->text, from, "this is no number: ", word->text.bytes);
    if (l->at == unit_at)
        return word->text.failed ? -ENOMEM : 0;
    double unit = unit_of(l->text + unit_at, l->at - unit_at);
    if (unit == 0 || word->real * unit > 9e18 || word->real * unit < -9e18)
        return es_find_wrong(l->text, unit_at,
                             "a number has one of the units ns us ms s m h, or none: ", word->text.bytes);
    word->unit = word->whole = true;
    word->real *= unit;
    word->integer = (int64_t)word->real;
    return 0;
}

static int lex_pid(struct es_lexer *l, struct es_lexed *word)
{
    size_t from = l->at;
    l->at += strncmp(l->text + l->at, "#PID", 4) == 0 ? 4 : 0;
    size_t len = es_pid_text(l->text + l->at);
    if (len == 0)
        return es_find_wrong(l->text, from, "a pid looks like <0.123.0>", "");
    word->word = ES_W_PID;
    es_text_add(&word->text, l->text + l->at, len);
    l->at += len;
    return word->text.failed ? -ENOMEM : 0;
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

static int lex_sign(struct es_lexer *l, struct es_lexed *word)
{
    static const struct {
        const char *sign;
        enum es_word word;
    } signs[] = {{"==", ES_W_EQUAL}, {"!=", ES_W_UNEQUAL}, {"<>", ES_W_UNEQUAL}, {"<=", ES_W_UP_TO},
                 {"=<", ES_W_UP_TO}, {">=", ES_W_FROM},    {"=~", ES_W_HAS},     {"&&", ES_W_NAME},
                 {"||", ES_W_NAME},  {"=", ES_W_EQUAL},    {"<", ES_W_LESS},     {">", ES_W_MORE},
                 {"~", ES_W_HAS},    {"(", ES_W_OPEN},     {")", ES_W_CLOSE},    {",", ES_W_COMMA}};
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        size_t len = strlen(signs[i].sign);
        if (strncmp(l->text + l->at, signs[i].sign, len) != 0)
            continue;
        word->word = signs[i].word;
        es_text_puts(&word->text, word->word != ES_W_NAME ? signs[i].sign : signs[i].sign[0] == '&' ? "and" : "or");
        l->at += len;
        return word->text.failed ? -ENOMEM : 0;
    }
    char c[2] = {at(l, 0), '\0'};
    return es_find_wrong(l->text, l->at, "this does not belong here: ", c);
}

int es_lex(struct es_lexer *l, struct es_lexed *word)
{
    es_text_clear(&word->text);
    es_text_clear(&word->trail);
    es_text_puts(&word->text, "");
    word->path = 0;
    word->whole = word->unit = false;
    while (isspace((unsigned char)at(l, 0)))
        l->at++;
    word->at = l->at;
    char c = at(l, 0), next = at(l, 1);
    if (l->at >= l->len || c == '\0') {
        word->word = ES_W_END;
        return 0;
    }
    if (c == '"' || c == '\'') {
        word->word = ES_W_TEXT;
        return lex_quoted(l, word);
    }
    if (c == ':' && (is_letter(next) || next == '"')) {
        l->at++;
        int rc = next == '"' ? lex_quoted(l, word) : lex_name(l, word);
        word->word = ES_W_ATOM;
        return rc;
    }
    if ((c == '<' && (isdigit((unsigned char)next) || es_pid_text(l->text + l->at))) ||
        strncmp(l->text + l->at, "#PID<", 5) == 0) {
        if (c == '#' || strcspn(l->text + l->at, ">") < strcspn(l->text + l->at, " \t\n()"))
            return lex_pid(l, word);
        return lex_sign(l, word);
    }
    if (c == '+')
        return lex_time(l, word);
    if (isdigit((unsigned char)c) || (c == '-' && isdigit((unsigned char)next)))
        return lex_number(l, word);
    return is_letter(c) ? lex_name(l, word) : lex_sign(l, word);
}
