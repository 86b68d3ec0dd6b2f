/* SPDX-License-Identifier: MIT */
/* The places of probes in woven code, as their definitions tell: {es_site, Key, Module, Function, Arity, Line, Clause, Names}. */
#include "query/site.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

#define ELEMENTS 8

static bool read_int(struct es_reader *r, uint32_t max, uint32_t *ret)
{
    struct es_token token;
    if (es_token_next(r, &token) < 0 || token.type != ES_TOK_INT || token.integer < 0 || token.integer > max)
        return false;
    *ret = (uint32_t)token.integer;
    return true;
}

static bool skip(struct es_reader *r, unsigned n)
{
    while (n > 0 && es_term_skip(r) == 0)
        n--;
    return n == 0;
}

int es_site_read(struct es_query *query, es_ref ref, struct es_site *ret)
{
    struct es_reader r;
    struct es_token token;
    size_t len = 0;
    const uint8_t *term = ref ? es_recording_define(query->recording, ref, &len) : NULL;
    if (!term)
        return -ENOENT;
    struct es_site site = {0};
    es_reader_init(&r, term, len);
    bool fits = es_token_next(&r, &token) == 0 && token.type == ES_TOK_TUPLE && token.count == ELEMENTS &&
                skip(&r, 5) && read_int(&r, INT32_MAX, &site.line) && read_int(&r, UINT16_MAX, &site.clause) &&
                es_token_next(&r, &token) == 0;
    if (!fits)
        return -EBADMSG;
    if (token.type == ES_TOK_LIST) {
        site.n_names = token.count;
        site.names = r;
    }
    *ret = site;
    return 0;
}

/* A whole term of the reader. */
static bool take(struct es_reader *r, const uint8_t **ret_at, size_t *ret_len)
{
    const uint8_t *at = r->at;
    if (es_term_skip(r) < 0)
        return false;
    *ret_at = at;
    *ret_len = (size_t)(r->at - at);
    return true;
}

int es_bound_open(struct es_query *query, const struct es_event *event, struct es_bound *ret)
{
    struct es_site site;
    struct es_token token;
    *ret = (struct es_bound){0};
    int rc = event->kind == ES_K_LINE ? es_site_read(query, event->site, &site) : -ENOENT;
    if (rc < 0 || event->payload_len == 0)
        return rc;
    es_reader_init(&ret->values, event->payload, event->payload_len);
    if (es_token_next(&ret->values, &token) < 0 || token.type != ES_TOK_LIST)
        return 0;
    ret->names = site.names;
    ret->left = token.count < site.n_names ? token.count : site.n_names;
    return 0;
}

bool es_bound_next(struct es_bound *bound, struct es_bound_variable *ret)
{
    struct es_token name;
    if (bound->left == 0 || es_token_next(&bound->names, &name) < 0 || name.type != ES_TOK_ATOM ||
        !take(&bound->values, &ret->value, &ret->value_len))
        return false;
    bound->left--;
    ret->name = (const char *)name.bytes;
    ret->name_len = name.len;
    return true;
}

bool es_query_print_site(struct es_query *query, const struct es_event *event, bool erlang, struct es_text *out)
{
    struct es_site site;
    struct es_bound bound;
    struct es_bound_variable variable;
    if (!event->site || es_site_read(query, event->site, &site) < 0)
        return false;
    es_text_printf(out, ":%u", site.line);
    if (event->kind != ES_K_LINE || event->payload_len == 0 || es_bound_open(query, event, &bound) < 0)
        return true;
    for (const char *before = " "; es_bound_next(&bound, &variable); before = ", ") {
        es_text_puts(out, before);
        es_text_add(out, variable.name, variable.name_len);
        es_text_puts(out, " = ");
        es_query_print_term(query, variable.value, variable.value_len, erlang, out);
    }
    return true;
}
