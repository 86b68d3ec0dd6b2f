/* SPDX-License-Identifier: MIT */
/* Hashes of leaves: of what they say, not of how they are encoded. */
#include "term/tree_hash.h"

#include <string.h>

#include "term/print.h"
#include "term/utf8.h"

#define SEED(type) (UINT64_C(0x60bee2bee120fc15) * ((uint64_t)(type) + 1))

uint64_t es_tree_hash_atom(const void *utf8, size_t len) { return es_hash_bytes(utf8, len, SEED(ES_N_ATOM)); }
uint64_t es_tree_hash_binary(const void *bytes, size_t len) { return es_hash_bytes(bytes, len, SEED(ES_N_BINARY)); }
uint64_t es_tree_hash_int(int64_t value) { return es_hash_mix(SEED(ES_N_INT), (uint64_t)value); }

static enum es_atom_kind kind_of(const uint8_t *utf8, size_t len)
{
    if (len <= 7 || memcmp(utf8, "Elixir.", 7) != 0)
        return ES_ATOM_PLAIN;
    return es_atom_is_alias(utf8, len) ? ES_ATOM_MODULE : ES_ATOM_ELIXIR;
}

static uint64_t hash_latin1(const uint8_t *text, size_t len, uint8_t *ret_kind)
{
    char utf8[2 * UINT16_MAX];
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += es_utf8_put(text[i], utf8 + n);
    *ret_kind = (uint8_t)kind_of((const uint8_t *)utf8, n);
    return es_tree_hash_atom(utf8, n);
}

/* An atom that is not known has a hash of its own. */
static uint64_t hash_atom(const struct es_tree *tree, const struct es_token *token, uint8_t *ret_kind)
{
    size_t len = token->len;
    const uint8_t *utf8 = token->bytes;
    if (token->type == ES_TOK_ATOM && token->latin1)
        return hash_latin1(utf8, len, ret_kind);
    if (token->type == ES_TOK_ATOM_REF)
        utf8 = tree->atoms ? tree->atoms(token->word, &len, tree->context) : NULL;
    *ret_kind = (uint8_t)(utf8 ? kind_of(utf8, len) : ES_ATOM_UNKNOWN);
    return utf8 ? es_tree_hash_atom(utf8, len) : es_hash_mix(SEED(ES_N_ATOM) + 1, token->word);
}

static uint64_t hash_node(const struct es_tree *tree, const struct es_token *token)
{
    uint8_t kind;
    struct es_token atom = (struct es_token){.type = token->node.text ? ES_TOK_ATOM : ES_TOK_ATOM_REF,
                                             .latin1 = token->latin1,
                                             .bytes = token->node.text,
                                             .len = token->node.len,
                                             .word = token->node.word};
    return hash_atom(tree, &atom, &kind);
}

static uint64_t hash_identifier(const struct es_tree *tree, const struct es_node *node, const struct es_token *token)
{
    uint64_t hash = es_hash_mix(hash_node(tree, token), SEED(node->type));
    hash = es_hash_mix(hash, token->number);
    hash = es_hash_mix(hash, (uint64_t)token->serial << 32 | token->creation);
    uint32_t n = token->n_ids; /* leading zeros say nothing */
    while (n > 0 && token->ids[n - 1] == 0)
        n--;
    for (uint32_t i = 0; i < n; i++)
        hash = es_hash_mix(hash, token->ids[i]);
    return hash;
}

static uint64_t hash_big(const struct es_token *token)
{
    size_t len = token->len;
    while (len > 0 && token->bytes[len - 1] == 0)
        len--;
    return es_hash_bytes(token->bytes, len, SEED(ES_N_INT) + 1 + token->negative);
}

static uint64_t hash_bits(const struct es_token *token)
{
    if (token->bits == 8 || token->len == 0)
        return es_tree_hash_binary(token->bytes, token->len);
    uint64_t whole = es_hash_bytes(token->bytes, token->len - 1, SEED(ES_N_BINARY) + token->bits);
    return es_hash_mix(whole, (uint64_t)token->bytes[token->len - 1] >> (8 - token->bits));
}

static uint64_t hash_cut(const struct es_cut *cut)
{
    uint64_t hash = es_hash_bytes(cut->prefix, cut->prefix_len, SEED(ES_N_CUT) + cut->type);
    return es_hash_mix(es_hash_mix(hash, cut->size), cut->hash ^ cut->flags);
}

/* Its three terms, each as a leaf. */
static uint64_t hash_export(const struct es_tree *tree, const struct es_node *node)
{
    struct es_reader r;
    struct es_token part;
    uint8_t kind;
    uint64_t hash = SEED(ES_N_EXPORT);
    es_reader_init(&r, tree->bytes + node->at + 1, node->end - node->at - 1);
    for (int i = 0; i < 3 && es_token_next(&r, &part) == 0; i++)
        hash = es_hash_mix(hash, part.type == ES_TOK_INT ? (uint64_t)part.integer : hash_atom(tree, &part, &kind));
    return hash;
}

uint64_t es_node_hash_leaf(const struct es_tree *tree, struct es_node *node, const struct es_token *token)
{
    uint64_t bits;
    switch (token->type) {
    case ES_TOK_INT: return es_tree_hash_int(token->integer);
    case ES_TOK_BIG: return hash_big(token);
    case ES_TOK_FLOAT: memcpy(&bits, &token->real, sizeof bits); return es_hash_mix(SEED(ES_N_FLOAT), bits);
    case ES_TOK_ATOM:
    case ES_TOK_ATOM_REF: return hash_atom(tree, token, &node->atom);
    case ES_TOK_BINARY: return hash_bits(token);
    case ES_TOK_PID:
    case ES_TOK_PORT:
    case ES_TOK_REF: return hash_identifier(tree, node, token);
    case ES_TOK_FUN: return es_hash_bytes(token->bytes, token->len, SEED(ES_N_FUN));
    case ES_TOK_EXPORT: return hash_export(tree, node);
    case ES_TOK_CUT: return hash_cut(&token->cut);
    default: return es_node_hash_end(node, es_node_hash_begin(node->type)); /* composed ones without children */
    }
}
