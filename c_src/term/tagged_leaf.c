/* SPDX-License-Identifier: MIT */
/* Leaves of tagged JSON: plain where JSON says the same, else {"t": type, "v": what people read, …}. */
#include "term/tagged_leaf.h"

#include <string.h>

#include "term/print.h"
#include "term/utf8.h"

#define SAFE_INTEGER ((INT64_C(1) << 53) - 1) /* larger ones lose digits in most readers of JSON */

static void add_base64(const uint8_t *bytes, size_t len, struct es_text *out)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    es_text_puts(out, "\"");
    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        uint32_t word =
            (uint32_t)bytes[i] << 16 | (n > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) | (n > 2 ? (uint32_t)bytes[i + 2] : 0);
        char quad[4] = {letters[word >> 18], letters[word >> 12 & 63], '=', '='};
        if (n > 1)
            quad[2] = letters[word >> 6 & 63];
        if (n > 2)
            quad[3] = letters[word & 63];
        es_text_add(out, quad, 4);
    }
    es_text_puts(out, "\"");
}

/* `"v":` and the node in Erlang's notation. */
static void add_shown(const struct es_tree *tree, uint32_t node, const struct es_print *print, struct es_text *out)
{
    struct es_print how = *print;
    struct es_text text = {0};
    how.erlang = true;
    how.max_bytes = 0;
    es_tree_print(tree, node, &how, &text);
    es_text_puts(out, ",\"v\":");
    es_text_json(out, text.bytes ? text.bytes : "", text.len);
    es_text_fini(&text);
}

/* ---- atoms --------------------------------------------------------------------------------------------------------- */

static void add_token_text(const struct es_tree *tree, const struct es_token *token, struct es_text *out)
{
    struct es_print print = {.atoms = tree->atoms, .context = tree->context};
    struct es_printer p = {.print = &print};
    size_t len = 0;
    const uint8_t *utf8 = es_token_atom(&p, token, &len);
    if (utf8)
        es_text_json(out, (const char *)utf8, len);
    else
        es_text_printf(out, "\"#Atom<%llu>\"", (unsigned long long)token->word);
    es_text_fini(&p.scratch);
}

void es_tagged_atom_text(const struct es_tree *tree, uint32_t node, struct es_text *out)
{
    struct es_token token = es_tree_token(tree, node);
    add_token_text(tree, &token, out);
}

static void add_atom(const struct es_tree *tree, uint32_t node, struct es_text *out)
{
    if (es_tree_is_atom(tree, node, "true"))
        es_text_puts(out, "true");
    else if (es_tree_is_atom(tree, node, "false"))
        es_text_puts(out, "false");
    else if (es_tree_is_atom(tree, node, "nil"))
        es_text_puts(out, "null");
    else {
        es_text_puts(out, "{\"t\":\"atom\",\"v\":");
        es_tagged_atom_text(tree, node, out);
        es_text_puts(out, "}");
    }
}

/* ---- numbers, binaries --------------------------------------------------------------------------------------------- */

static void add_integer(const struct es_token *token, struct es_text *out)
{
    if (token->type == ES_TOK_INT && token->integer >= -SAFE_INTEGER && token->integer <= SAFE_INTEGER) {
        es_text_int(out, token->integer);
        return;
    }
    es_text_puts(out, "{\"t\":\"integer\",\"v\":\"");
    if (token->type == ES_TOK_INT)
        es_text_int(out, token->integer);
    else
        es_print_big(token, true, out);
    es_text_puts(out, "\"}");
}

static void add_float(const struct es_token *token, struct es_text *out)
{
    es_text_puts(out, "{\"t\":\"float\",\"v\":");
    es_print_float(token->real, false, out);
    es_text_puts(out, "}");
}

static void add_binary(const struct es_token *token, struct es_text *out)
{
    bool whole = token->bits == 8 || token->len == 0;
    if (whole && es_utf8_is_text(token->bytes, token->len)) {
        es_text_json(out, (const char *)token->bytes, token->len);
        return;
    }
    if (whole)
        es_text_puts(out, "{\"t\":\"binary\",\"v\":");
    else
        es_text_printf(
            out, "{\"t\":\"bitstring\",\"bits\":%llu,\"v\":", (unsigned long long)(token->len - 1) * 8 + token->bits);
    add_base64(token->bytes, token->len, out);
    es_text_puts(out, "}");
}

/* ---- identifiers, funs --------------------------------------------------------------------------------------------- */

static void add_identifier(const struct es_tree *tree, uint32_t node, const struct es_print *print, struct es_text *out)
{
    struct es_token token = es_tree_token(tree, node);
    struct es_token name = {.type = token.node.text ? ES_TOK_ATOM : ES_TOK_ATOM_REF,
                            .latin1 = token.latin1,
                            .bytes = token.node.text,
                            .len = token.node.len,
                            .word = token.node.word};
    es_text_printf(out, "{\"t\":\"%s\"", token.type == ES_TOK_PID ? "pid" : token.type == ES_TOK_PORT ? "port" : "ref");
    add_shown(tree, node, print, out);
    es_text_puts(out, ",\"node\":");
    add_token_text(tree, &name, out);
    if (token.type == ES_TOK_PORT)
        es_text_printf(out, ",\"id\":\"%llu\"", (unsigned long long)token.number);
    if (token.type == ES_TOK_PID)
        es_text_printf(out, ",\"id\":%llu,\"serial\":%u", (unsigned long long)token.number, token.serial);
    if (token.type == ES_TOK_REF)
        for (uint32_t i = 0; i < token.n_ids; i++)
            es_text_printf(out, "%s%u", i ? "," : ",\"ids\":[", token.ids[i]);
    es_text_printf(out, "%s,\"creation\":%u}", token.type == ES_TOK_REF ? "]" : "", token.creation);
}

static void add_export(const struct es_tree *tree, uint32_t node, const struct es_print *print, struct es_text *out)
{
    const struct es_node *n = &tree->nodes[node];
    struct es_reader r;
    struct es_token part[3] = {{0}};
    es_reader_init(&r, tree->bytes + n->at + 1, n->end - n->at - 1);
    for (int i = 0; i < 3; i++)
        es_token_next(&r, &part[i]); /* they were read once already */
    es_text_puts(out, "{\"t\":\"export\"");
    add_shown(tree, node, print, out);
    es_text_puts(out, ",\"module\":");
    add_token_text(tree, &part[0], out);
    es_text_puts(out, ",\"function\":");
    add_token_text(tree, &part[1], out);
    es_text_printf(out, ",\"arity\":%lld}", (long long)part[2].integer);
}

/* What it is, not what it closes over. */
static void add_fun(const struct es_tree *tree, uint32_t node, const struct es_print *print, struct es_text *out)
{
    es_text_puts(out, "{\"t\":\"fun\"");
    add_shown(tree, node, print, out);
    es_text_puts(out, "}");
}

/* ---- cuts ---------------------------------------------------------------------------------------------------------- */

static void add_cut(const struct es_token *token, struct es_text *out)
{
    static const char *const names[ES_CUT_TYPE_MAX] = {"any", "binary", "bitstring", "list",  "tuple",
                                                       "map", "fun",    "integer",   "state", "redacted"};
    const struct es_cut *cut = &token->cut;
    if (cut->type == ES_CUT_REDACTED) {
        es_text_puts(out, "{\"t\":\"redacted\"}");
        return;
    }
    if (cut->type == ES_CUT_FUN && cut->prefix_len > 0) { /* all that is ever recorded of a closure */
        es_text_puts(out, "{\"t\":\"fun\",\"v\":");
        es_text_json(out, (const char *)cut->prefix, cut->prefix_len);
        es_text_puts(out, "}");
        return;
    }
    es_text_printf(out, "{\"t\":\"cut\",\"of\":\"%s\",\"size\":", names[cut->type]);
    if (cut->size)
        es_text_uint(out, cut->size);
    else
        es_text_puts(out, "null");
    if (cut->flags & ES_CUT_AT_LEAST)
        es_text_puts(out, ",\"at_least\":true");
    if (cut->hash)
        es_text_printf(out, ",\"hash\":\"%016llx\"", (unsigned long long)cut->hash);
    if (cut->prefix_len > 0) {
        es_text_puts(out, ",\"prefix\":");
        add_base64(cut->prefix, cut->prefix_len, out);
    }
    es_text_puts(out, "}");
}

void es_tagged_leaf(const struct es_tree *tree, uint32_t node, const struct es_print *print, struct es_text *out)
{
    struct es_token token = es_tree_token(tree, node);
    switch (tree->nodes[node].type) {
    case ES_N_INT: add_integer(&token, out); break;
    case ES_N_FLOAT: add_float(&token, out); break;
    case ES_N_ATOM: add_atom(tree, node, out); break;
    case ES_N_BINARY: add_binary(&token, out); break;
    case ES_N_PID:
    case ES_N_PORT:
    case ES_N_REF: add_identifier(tree, node, print, out); break;
    case ES_N_EXPORT: add_export(tree, node, print, out); break;
    case ES_N_FUN: add_fun(tree, node, print, out); break;
    default: add_cut(&token, out);
    }
}
