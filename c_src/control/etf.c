/* SPDX-License-Identifier: MIT */
/* Reading plain terms from agent and node; see etf.h. */
#include "control/etf.h"

#include <string.h>

static bool spoil(struct es_reader *r)
{
    r->bad = true;
    r->at = r->end;
    return false;
}

static bool next(struct es_reader *r, struct es_token *ret_token)
{
    if (r->bad || es_token_next(r, ret_token) < 0)
        return spoil(r);
    return true;
}

bool es_etf_version(struct es_reader *r) { return es_reader_u8(r) == 131 && !r->bad ? true : spoil(r); }

bool es_etf_tuple(struct es_reader *r, uint32_t *ret_arity)
{
    struct es_token token;
    if (!next(r, &token) || token.type != ES_TOK_TUPLE)
        return spoil(r);
    *ret_arity = token.count;
    return true;
}

bool es_etf_list(struct es_reader *r, uint32_t *ret_count)
{
    struct es_token token;
    if (!next(r, &token))
        return false;
    if (token.type == ES_TOK_NIL) {
        *ret_count = 0;
        return true;
    }
    if (token.type != ES_TOK_LIST)
        return spoil(r);
    *ret_count = token.count;
    return true;
}

bool es_etf_int(struct es_reader *r, int64_t *ret)
{
    struct es_token token;
    if (!next(r, &token) || token.type != ES_TOK_INT)
        return spoil(r);
    *ret = token.integer;
    return true;
}

/* Copies at most room - 1 bytes and never the half of a UTF-8 character. */
static void copy_text(char *to, size_t room, const uint8_t *bytes, size_t len)
{
    size_t n = len < room - 1 ? len : room - 1;
    if (n < len)
        while (n > 0 && (bytes[n] & 0xc0) == 0x80)
            n--;
    if (n > 0)
        memcpy(to, bytes, n);
    to[n] = '\0';
}

bool es_etf_atom(struct es_reader *r, char *ret_text, size_t room)
{
    struct es_token token;
    if (!next(r, &token) || token.type != ES_TOK_ATOM)
        return spoil(r);
    copy_text(ret_text, room, token.bytes, token.len);
    return true;
}

bool es_etf_is_atom(struct es_reader *r, const char *text)
{
    struct es_reader look = *r;
    char atom[256];
    if (look.bad || !es_etf_atom(&look, atom, sizeof atom) || strcmp(atom, text) != 0)
        return false;
    *r = look;
    return true;
}

bool es_etf_text(struct es_reader *r, char *ret_text, size_t room)
{
    struct es_token token;
    if (!next(r, &token))
        return false;
    switch (token.type) {
    case ES_TOK_BINARY:
    case ES_TOK_STRING:
    case ES_TOK_ATOM:
        copy_text(ret_text, room, token.bytes, token.type == ES_TOK_STRING ? token.count : token.len);
        return true;
    case ES_TOK_NIL: /* the empty string */ ret_text[0] = '\0'; return true;
    default: return spoil(r);
    }
}

bool es_etf_map(struct es_reader *r, es_etf_pair each, void *context)
{
    struct es_token token;
    if (!next(r, &token) || token.type != ES_TOK_MAP)
        return spoil(r);
    for (uint32_t i = 0; i < token.count; i++) {
        struct es_reader look = *r;
        char key[256];
        bool named = es_etf_atom(&look, key, sizeof key);
        if (es_term_skip(r) < 0)
            return spoil(r);
        struct es_reader value = *r;
        if (es_term_skip(r) < 0)
            return spoil(r);
        value.end = r->at;
        if (named)
            each(key, &value, context);
    }
    return true;
}

void es_etf_put_atom(struct es_writer *w, const char *text) { es_write_atom(w, text, strlen(text)); }
void es_etf_put_text(struct es_writer *w, const char *text) { es_write_binary(w, text, strlen(text)); }
