/* SPDX-License-Identifier: MIT */
/* Which exits are errors. */
#include <string.h>

#include "query/sql.h"
#include "wire/term.h"

static bool is_atom(struct es_sql *sql, const struct es_token *token, const char *text)
{
    size_t len = token->len;
    const uint8_t *utf8 = token->type == ES_TOK_ATOM ? token->bytes : NULL;
    if (token->type == ES_TOK_ATOM_REF)
        utf8 = es_recording_define(sql->query->recording, es_ref_make(ES_REF_ATOM, token->word), &len);
    return utf8 && len == strlen(text) && memcmp(utf8, text, len) == 0;
}

/* normal, shutdown, {shutdown, _}; noproc and the like are errors. */
bool es_sql_is_error(struct es_sql *sql, const struct es_event *event)
{
    struct es_reader r;
    struct es_token token;
    if (event->kind != ES_K_EXIT)
        return true;
    es_reader_init(&r, event->payload, event->payload_len);
    if (event->payload_len == 0 || es_token_next(&r, &token) < 0)
        return false; /* nobody knows */
    if (token.type != ES_TOK_TUPLE)
        return !is_atom(sql, &token, "normal") && !is_atom(sql, &token, "shutdown");
    return token.count != 2 || es_token_next(&r, &token) < 0 || !is_atom(sql, &token, "shutdown");
}
