/* SPDX-License-Identifier: MIT */
/* Reading and printing paths; see path.h. */
#include "term/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "term/print.h"
#include "term/utf8.h"

void es_path_fini(struct es_path *path) { es_text_fini(&path->text); }

struct parsing {
    const char *start, *at;
    struct es_path *path;
};

static int wrong(const struct parsing *p, const char *what)
{
    es_hint("A path looks like .items[3].price; keys: [\"key\"], [:atom]; {0} is a tuple's first element.");
    return es_fail(-EINVAL, "path '%s': %s at byte %zu", p->start, what, (size_t)(p->at - p->start));
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '@' ||
           c == '?' || c == '!' || (unsigned char)c >= 0x80;
}

/* Begins a step; what is added to the text until end_step() is its name. */
static struct es_path_step *begin_step(struct parsing *p, enum es_path_kind kind)
{
    struct es_path_step *step = &p->path->steps[p->path->n];
    *step = (struct es_path_step){.kind = (uint8_t)kind, .at = p->path->text.len};
    return step;
}

static int end_step(struct parsing *p)
{
    struct es_path_step *step = &p->path->steps[p->path->n++];
    step->len = p->path->text.len - step->at;
    return p->path->text.failed ? -ENOMEM : 0;
}

static void add(struct parsing *p, const char *bytes, size_t len) { es_text_add(&p->path->text, bytes, len); }

/* The inside of quotes, up to and with the closing one. */
static int read_quoted(struct parsing *p)
{
    static const char escapes[] = "n\nt\tr\re\033s 0";
    char quote = *p->at++;
    for (; *p->at && *p->at != quote; p->at++) {
        if (*p->at != '\\') {
            add(p, p->at, 1);
            continue;
        }
        if (!*++p->at)
            break;
        const char *known = strchr(escapes, *p->at);
        bool letter = known && (known - escapes) % 2 == 0;
        add(p, letter ? known + 1 : p->at, 1);
    }
    return *p->at++ == quote ? 0 : (p->at--, wrong(p, "the closing quote is missing"));
}

static int read_field(struct parsing *p)
{
    begin_step(p, ES_PATH_FIELD);
    if (*p->at == '"' || *p->at == '\'') {
        int rc = read_quoted(p);
        return rc < 0 ? rc : end_step(p);
    }
    const char *from = p->at;
    while (is_name_byte(*p->at))
        p->at++;
    if (p->at == from)
        return wrong(p, "a name is missing");
    add(p, from, (size_t)(p->at - from));
    return end_step(p);
}

/* Behind the last byte of a key: its bracket is `]`, those inside it and in quotes are its own. */
static const char *end_of_key(const char *at)
{
    size_t depth = 0;
    char quote = 0;
    for (; *at; at++) {
        if (quote) {
            if (*at == '\\' && at[1])
                at++;
            else if (*at == quote)
                quote = 0;
        } else if (*at == '"' || *at == '\'') {
            quote = *at;
        } else if (strchr("[{(", *at)) {
            depth++;
        } else if (strchr("]})", *at) && depth-- == 0) {
            return *at == ']' ? at : NULL;
        }
    }
    return NULL;
}

static bool read_integer(const char *text, const char *end, int64_t *ret)
{
    char *stop;
    bool sign = *text == '-';
    if (text[sign] < '0' || text[sign] > '9')
        return false;
    errno = 0;
    *ret = strtoll(text, &stop, 10);
    return stop == end && errno == 0;
}

static bool is_bare(const char *text, const char *end)
{
    for (const char *at = text; at < end; at++)
        if (!is_name_byte(*at) && !(*at == '.' && *text >= 'A' && *text <= 'Z'))
            return false;
    return text < end && !(*text >= '0' && *text <= '9');
}

/* A quoted text that ends where the key ends. */
static int read_quoted_key(struct parsing *p, enum es_path_kind kind, const char *end)
{
    begin_step(p, kind);
    int rc = read_quoted(p);
    if (rc < 0)
        return rc;
    bool erlang = p->at + 2 == end && strncmp(p->at, ">>", 2) == 0;
    if (p->at != end && !erlang)
        return wrong(p, "']' is missing behind the key");
    return end_step(p);
}

static int read_key(struct parsing *p, const char *end)
{
    int64_t index;
    bool colon = *p->at == ':';
    if (*p->at == '"')
        return read_quoted_key(p, ES_PATH_TEXT, end);
    if (strncmp(p->at, "<<\"", 3) == 0 && end[-1] == '>') {
        p->at += 2;
        return read_quoted_key(p, ES_PATH_TEXT, end);
    }
    if (*p->at == '\'' || (colon && p->at[1] == '"')) {
        p->at += colon;
        return read_quoted_key(p, ES_PATH_ATOM, end);
    }
    if (read_integer(p->at, end, &index)) {
        begin_step(p, ES_PATH_INDEX)->index = index;
    } else if (is_bare(p->at + colon, end) || (colon && p->at + 1 < end)) {
        bool module = !colon && *p->at >= 'A' && *p->at <= 'Z' && strncmp(p->at, "Elixir.", 7) != 0;
        begin_step(p, ES_PATH_ATOM);
        add(p, "Elixir.", module ? 7 : 0);
        add(p, p->at + colon, (size_t)(end - p->at - colon));
    } else {
        begin_step(p, ES_PATH_TERM);
        add(p, p->at, (size_t)(end - p->at));
    }
    p->at = end;
    return end_step(p);
}

static int read_bracket(struct parsing *p)
{
    const char *end = end_of_key(p->at);
    if (!end)
        return wrong(p, "']' is missing");
    const char *last = end;
    while (*p->at == ' ')
        p->at++;
    while (last > p->at && last[-1] == ' ')
        last--;
    if (p->at >= last)
        return wrong(p, "a key or an index is missing");
    int rc = read_key(p, last);
    p->at = end + 1;
    return rc;
}

static int read_element(struct parsing *p)
{
    const char *end = strchr(p->at, '}');
    int64_t index;
    if (!end || !read_integer(p->at, end, &index) || index < 0)
        return wrong(p, "the number of a tuple's element, from 0, and '}' are missing");
    begin_step(p, ES_PATH_ELEMENT)->index = index;
    p->at = end + 1;
    return end_step(p);
}

static int read_step(struct parsing *p)
{
    bool first = p->path->n == 0;
    if (p->path->n == ES_PATH_STEPS_MAX)
        return wrong(p, "it has too many steps");
    char c = *p->at++;
    if (c == '[')
        return read_bracket(p);
    if (c == '{')
        return read_element(p);
    if (c == '.')
        return *p->at == '[' || *p->at == '{' ? 0 : read_field(p);
    p->at--;
    return first && (is_name_byte(c) || c == '"') ? read_field(p) : wrong(p, "'.', '[' or '{' is missing");
}

int es_path_parse(const char *text, struct es_path *ret_path)
{
    struct parsing p = {.start = text, .at = text, .path = ret_path};
    ret_path->n = 0;
    ret_path->text = (struct es_text){0};
    int rc = 0;
    if (strcmp(text, ".") != 0)
        while (rc == 0 && *p.at)
            rc = read_step(&p);
    if (rc < 0)
        es_path_fini(ret_path);
    return rc;
}

/* ---- printing ------------------------------------------------------------------------------------------------------ */

/* Reads back as the same field, and not as the beginning of something else. */
static bool is_plain(const char *utf8, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!is_name_byte(utf8[i]))
            return false;
    size_t used;
    for (size_t i = 0; i < len; i += used) {
        uint32_t point;
        used = es_utf8_next((const uint8_t *)utf8 + i, len - i, &point);
        if (used == 0 || (point >= 0x80 && !es_name_point(point)))
            return false;
    }
    return len > 0;
}

static void print_quoted(const char *utf8, size_t len, struct es_text *out)
{
    struct es_quoting quoting = {'"', false, SIZE_MAX};
    es_text_puts(out, "\"");
    es_print_quoted((const uint8_t *)utf8, len, &quoting, out);
    es_text_puts(out, "\"");
}

static void print_atom_key(const char *utf8, size_t len, bool erlang, struct es_text *out)
{
    if (is_plain(utf8, len)) {
        es_text_puts(out, ".");
        es_text_add(out, utf8, len);
        return;
    }
    es_text_puts(out, "[");
    es_print_atom((const uint8_t *)utf8, len, erlang, out);
    es_text_puts(out, "]");
}

void es_path_print(const struct es_path *path, size_t n, bool erlang, struct es_text *out)
{
    for (size_t i = 0; i < n && i < path->n; i++) {
        const struct es_path_step *step = &path->steps[i];
        const char *name = path->text.bytes ? path->text.bytes + step->at : "";
        switch (step->kind) {
        case ES_PATH_INDEX: es_text_printf(out, "[%lld]", (long long)step->index); break;
        case ES_PATH_ELEMENT: es_text_printf(out, "{%lld}", (long long)step->index); break;
        case ES_PATH_FIELD:
        case ES_PATH_ATOM: print_atom_key(name, step->len, erlang, out); break;
        case ES_PATH_TEXT:
            es_text_puts(out, "[");
            print_quoted(name, step->len, out);
            es_text_puts(out, "]");
            break;
        default:
            es_text_puts(out, "[");
            es_text_add(out, name, step->len);
            es_text_puts(out, "]");
        }
    }
    if (n == 0)
        es_text_puts(out, ".");
}

void es_path_print_key(const struct es_tree *tree, uint32_t key, const struct es_print *print, struct es_text *out)
{
    struct es_text scratch = {0};
    size_t len = 0;
    const uint8_t *atom = es_tree_atom(tree, key, &scratch, &len);
    struct es_token token = es_tree_token(tree, key);
    struct es_print whole = *print;
    whole.max_bytes = 0;
    if (atom) {
        print_atom_key((const char *)atom, len, print->erlang, out);
    } else if (token.type == ES_TOK_BINARY && token.bits == 8 && es_utf8_is_text(token.bytes, token.len)) {
        es_text_puts(out, "[");
        print_quoted((const char *)token.bytes, token.len, out);
        es_text_puts(out, "]");
    } else {
        es_text_puts(out, "[");
        es_tree_print(tree, key, &whole, out);
        es_text_puts(out, "]");
    }
    es_text_fini(&scratch);
}
