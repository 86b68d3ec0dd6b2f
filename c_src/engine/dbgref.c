/* SPDX-License-Identifier: MIT */
/* Who and what the terms of a trace name; see dbgterm.h. */
#include <string.h>

#include "engine/dbgterm.h"

bool es_dbg_token(struct es_slice term, struct es_token *ret_token)
{
    struct es_reader r;
    es_reader_init(&r, term.at, (size_t)(term.end - term.at));
    return es_token_next(&r, ret_token) == 0;
}

uint32_t es_dbg_tuple(struct es_slice term, struct es_slice *ret_elements, uint32_t max)
{
    struct es_reader r;
    struct es_token token;
    es_reader_init(&r, term.at, (size_t)(term.end - term.at));
    if (es_token_next(&r, &token) < 0 || token.type != ES_TOK_TUPLE || token.count > max)
        return 0;
    for (uint32_t i = 0; i < token.count; i++) {
        ret_elements[i].at = r.at;
        if (es_term_skip(&r) < 0)
            return 0;
        ret_elements[i].end = r.at;
    }
    return token.count;
}

bool es_dbg_is_atom(struct es_slice term, const char *text)
{
    struct es_token token;
    return es_dbg_token(term, &token) && token.type == ES_TOK_ATOM && token.len == strlen(text) &&
           memcmp(token.bytes, text, token.len) == 0;
}

/* Atoms of old emulators are in Latin-1. */
static size_t utf8_of(const struct es_token *atom, uint8_t *to)
{
    uint8_t *at = to;
    for (size_t i = 0; i < atom->len; i++) {
        if (atom->bytes[i] >= 0x80)
            *at++ = (uint8_t)(0xc0 | atom->bytes[i] >> 6);
        *at++ = atom->bytes[i] < 0x80 ? atom->bytes[i] : (uint8_t)(0x80 | (atom->bytes[i] & 0x3f));
    }
    return (size_t)(at - to);
}

es_ref es_dbg_atom(struct es_dbg *dbg, struct es_slice term)
{
    struct es_token token;
    uint8_t text[512];
    if (!es_dbg_token(term, &token) || token.type != ES_TOK_ATOM)
        return 0;
    if (!token.latin1)
        return es_names_intern(&dbg->core->names, token.bytes, token.len);
    return token.len <= 255 ? es_names_intern(&dbg->core->names, text, utf8_of(&token, text)) : 0;
}

/* Traced processes are of one node: the first one tells which. */
static bool is_local(struct es_dbg *dbg, const struct es_token *token)
{
    size_t len = token->node.len;
    if (!token->node.text || len == 0 || len >= sizeof dbg->node)
        return false;
    if (!dbg->node[0]) {
        memcpy(dbg->node, token->node.text, len);
        dbg->creation = token->creation;
        es_names_node(&dbg->core->names, token->node.text, len);
    }
    return strlen(dbg->node) == len && memcmp(dbg->node, token->node.text, len) == 0;
}

static es_ref other(struct es_dbg *dbg, struct es_slice term)
{
    size_t len = (size_t)(term.end - term.at);
    es_ref ref = es_ref_make(ES_REF_OTHER, es_hash_bytes(term.at, len, 0) | 1);
    return es_names_define(&dbg->core->names, ref, term.at, len) < 0 ? 0 : ref;
}

es_ref es_dbg_ref(struct es_dbg *dbg, struct es_slice term)
{
    struct es_token token;
    if (!es_dbg_token(term, &token))
        return 0;
    switch (token.type) {
    case ES_TOK_ATOM: return es_dbg_atom(dbg, term);
    case ES_TOK_PID:
        if (is_local(dbg, &token) && token.number >> 28 == 0)
            return es_ref_pid((uint32_t)token.number, token.serial);
        return other(dbg, term);
    case ES_TOK_PORT:
        return is_local(dbg, &token) && token.number >> 60 == 0 ? es_ref_make(ES_REF_PORT, token.number)
                                                                : other(dbg, term);
    case ES_TOK_REF:
    case ES_TOK_TUPLE: return other(dbg, term);
    default: return 0;
    }
}

/* ---- correlation --------------------------------------------------------------------------------------------------- */

/* Of a reference, or of [alias | Reference]. */
static uint64_t number_of(struct es_slice term)
{
    struct es_reader r;
    struct es_token token;
    es_reader_init(&r, term.at, (size_t)(term.end - term.at));
    if (es_token_next(&r, &token) < 0)
        return 0;
    if (token.type == ES_TOK_LIST && (token.count != 1 || es_term_skip(&r) < 0 || es_token_next(&r, &token) < 0))
        return 0;
    if (token.type != ES_TOK_REF)
        return 0;
    uint64_t hash = token.creation;
    for (uint32_t i = 0; i < token.n_ids; i++)
        hash = es_hash_mix(hash, token.ids[i]);
    return hash ? hash : 1;
}

uint64_t es_dbg_corr(struct es_slice message)
{
    struct es_slice part[5], from[2];
    switch (es_dbg_tuple(message, part, 5)) {
    case 2: return number_of(part[0]);
    case 3:
        if (es_dbg_is_atom(part[0], "$gen_call"))
            return es_dbg_tuple(part[1], from, 2) == 2 ? number_of(from[1]) : 0;
        return es_dbg_is_atom(part[0], "timeout") ? number_of(part[1]) : 0;
    case 5: return es_dbg_is_atom(part[0], "DOWN") ? number_of(part[1]) : 0;
    default: return 0;
    }
}
