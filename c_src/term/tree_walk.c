/* SPDX-License-Identifier: MIT */
/* Moving about in a tree, and what its nodes say. */
#include <string.h>

#include "term/print.h"
#include "term/tree.h"

uint32_t es_tree_first(const struct es_tree *tree, uint32_t node)
{
    return tree->nodes[node].next > node + 1 ? node + 1 : ES_NO_NODE;
}

uint32_t es_tree_after(const struct es_tree *tree, uint32_t parent, uint32_t child)
{
    uint32_t next = tree->nodes[child].next;
    return next < tree->nodes[parent].next ? next : ES_NO_NODE;
}

uint32_t es_tree_element(const struct es_tree *tree, uint32_t node, uint32_t index)
{
    const struct es_node *n = &tree->nodes[node];
    if ((n->type != ES_N_TUPLE && n->type != ES_N_LIST) || index >= n->count)
        return ES_NO_NODE;
    uint32_t child = node + 1;
    while (index-- > 0)
        child = tree->nodes[child].next;
    return child;
}

uint32_t es_tree_rest(const struct es_tree *tree, uint32_t node)
{
    const struct es_node *n = &tree->nodes[node];
    if (!(n->flags & (ES_NODE_REST | ES_NODE_IMPROPER)))
        return ES_NO_NODE;
    uint32_t child = node + 1;
    uint64_t before = n->type == ES_N_MAP ? (uint64_t)n->count * 2 : n->count;
    while (before-- > 0)
        child = tree->nodes[child].next;
    return child;
}

uint32_t es_tree_value(const struct es_tree *tree, uint32_t node, uint64_t key_hash)
{
    const struct es_node *n = &tree->nodes[node];
    uint32_t child = node + 1;
    if (n->type != ES_N_MAP && !(n->flags & ES_NODE_KEYED))
        return ES_NO_NODE;
    for (uint32_t i = 0; i < n->count; i++) {
        uint32_t key = n->type == ES_N_MAP ? child : child + 1, value = tree->nodes[key].next;
        if (tree->nodes[key].hash == key_hash)
            return value;
        child = n->type == ES_N_MAP ? tree->nodes[value].next : tree->nodes[child].next;
    }
    return ES_NO_NODE;
}

uint32_t es_tree_field(const struct es_tree *tree, uint32_t node, const char *name)
{
    return es_tree_value(tree, node, es_tree_hash_atom(name, strlen(name)));
}

struct es_token es_tree_token(const struct es_tree *tree, uint32_t node)
{
    const struct es_node *n = &tree->nodes[node];
    struct es_token token = {0};
    struct es_reader r;
    if (n->flags & ES_NODE_BYTE) {
        token.type = ES_TOK_INT;
        token.integer = tree->bytes[n->at];
        return token;
    }
    es_reader_init(&r, tree->bytes + n->at, n->end - n->at);
    es_token_next(&r, &token); /* it was read once already */
    return token;
}

const uint8_t *es_tree_atom(const struct es_tree *tree, uint32_t node, struct es_text *scratch, size_t *ret_len)
{
    if (tree->nodes[node].type != ES_N_ATOM)
        return NULL;
    struct es_token token = es_tree_token(tree, node);
    struct es_print print = {.atoms = tree->atoms, .context = tree->context};
    struct es_printer p = {.print = &print, .scratch = *scratch};
    const uint8_t *utf8 = es_token_atom(&p, &token, ret_len);
    *scratch = p.scratch;
    return utf8;
}

bool es_tree_is_atom(const struct es_tree *tree, uint32_t node, const char *text)
{
    return tree->nodes[node].type == ES_N_ATOM && tree->nodes[node].hash == es_tree_hash_atom(text, strlen(text));
}

int es_tree_print(const struct es_tree *tree, uint32_t node, const struct es_print *print, struct es_text *out)
{
    const struct es_node *n = &tree->nodes[node];
    if (!(n->flags & ES_NODE_BYTE))
        return es_term_print(tree->bytes + n->at, n->end - n->at, print, out);
    es_text_uint(out, tree->bytes[n->at]);
    return 0;
}
