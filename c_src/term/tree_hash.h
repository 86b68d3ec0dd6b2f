/* SPDX-License-Identifier: MIT */
/* Content hashes of nodes. */
#ifndef ES_TERM_TREE_HASH_H
#define ES_TERM_TREE_HASH_H

#include "term/tree.h"

/* Notes the kind of an atom, too. */
uint64_t es_node_hash_leaf(const struct es_tree *tree, struct es_node *node, const struct es_token *token);

/* Of a composed node: begin, each child (a map: adds up its pairs), end. */
static inline uint64_t es_node_hash_begin(unsigned type)
{
    return type == ES_N_MAP ? 0 : es_hash_mix(UINT64_C(0x2545f4914f6cdd1d), type);
}
static inline uint64_t es_node_hash_next(uint64_t hash, uint64_t child)
{
    return es_hash_mix(hash, child + UINT64_C(0x9e3779b97f4a7c15));
}
static inline uint64_t es_node_hash_pair(uint64_t key, uint64_t value)
{
    uint64_t hash = es_hash_mix(es_hash_mix(key, UINT64_C(0xd6e8feb86659fd93)), value + 1);
    return es_hash_mix(hash ^ (hash << 29), key);
}
static inline uint64_t es_node_hash_end(const struct es_node *node, uint64_t hash)
{
    unsigned how = node->flags & (ES_NODE_REST | ES_NODE_IMPROPER);
    return es_hash_mix(es_hash_mix(hash, (uint64_t)node->type << 8 | how), node->count);
}

#endif
