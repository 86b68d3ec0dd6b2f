/* SPDX-License-Identifier: MIT */
/* Reading a term into nodes, with a stack of its own; hashes and flags of a node are made when its last child is
 * there. */
#include "term/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "term/tree_hash.h"

struct frame {
    uint32_t node;
    uint64_t left; /* terms that still belong to it */
    uint64_t hash; /* of the children so far */
    uint64_t key;  /* map: hash of the key whose value is next */
    bool keyed, keyword, atom_keys, has_module, unsure, module_next;
};

struct reading {
    struct es_tree *tree;
    struct es_reader r;
    size_t depth;
    uint64_t struct_hash; /* of the key __struct__ */
    struct frame frames[ES_TERM_DEPTH_MAX];
};

static struct es_node *add_node(struct es_tree *tree, enum es_node_type type)
{
    if (tree->n == tree->room) {
        size_t room = tree->room ? (size_t)tree->room * 2 : 64;
        struct es_node *nodes = room < UINT32_MAX ? realloc(tree->nodes, room * sizeof *nodes) : NULL;
        if (!nodes)
            return NULL;
        tree->nodes = nodes;
        tree->room = (uint32_t)room;
    }
    struct es_node *node = &tree->nodes[tree->n++];
    *node = (struct es_node){.type = (uint8_t)type, .next = tree->n};
    return node;
}

/* ---- what a child tells its parent --------------------------------------------------------------------------------- */

static bool is_key(const struct es_node *node) { return node->type == ES_N_ATOM && node->atom == ES_ATOM_PLAIN; }

/* Does an element of a list look like one of a keyword list? Looks no further than at the pair's key. */
static void look_at_pair(struct reading *s, struct frame *f, uint32_t node)
{
    const struct es_node *pair = &s->tree->nodes[node];
    bool fits = pair->type == ES_N_TUPLE && pair->count == 2 && !(pair->flags & ES_NODE_REST);
    unsigned key = fits ? pair[1].type : ES_N_CUT;
    f->keyed = f->keyed && (key == ES_N_ATOM || key == ES_N_BINARY);
    f->keyword = f->keyword && f->keyed && is_key(pair + 1);
}

static void take_in_map(struct reading *s, struct frame *f, uint32_t node)
{
    const struct es_node *child = &s->tree->nodes[node];
    if (f->left % 2 == 1) { /* of what is left, after this one */
        f->key = child->hash;
        f->atom_keys = f->atom_keys && is_key(child);
        f->module_next = f->atom_keys && child->hash == s->struct_hash;
        return;
    }
    f->hash += es_node_hash_pair(f->key, child->hash);
    f->has_module = f->has_module || (f->module_next && child->atom == ES_ATOM_MODULE);
    s->tree->nodes[f->node].count++;
}

/* A node is whole: its parent learns of it. */
static void take_child(struct reading *s, uint32_t node)
{
    if (s->depth == 0)
        return;
    struct frame *f = &s->frames[s->depth - 1];
    struct es_node *parent = &s->tree->nodes[f->node];
    f->left--;
    f->unsure = f->unsure || (s->tree->nodes[node].flags & ES_NODE_UNSURE);
    if (parent->type == ES_N_MAP) {
        take_in_map(s, f, node);
        return;
    }
    f->hash = es_node_hash_next(f->hash, s->tree->nodes[node].hash);
    if (parent->type == ES_N_LIST && f->left == 0) { /* a tail that is no empty list */
        parent->flags |= s->tree->nodes[node].type == ES_N_CUT ? ES_NODE_REST : ES_NODE_IMPROPER;
        return;
    }
    parent->count++;
    if (parent->type == ES_N_LIST && f->keyed)
        look_at_pair(s, f, node);
}

/* ---- opening and closing ------------------------------------------------------------------------------------------- */

static void close_node(struct reading *s)
{
    struct frame *f = &s->frames[--s->depth];
    struct es_node *node = &s->tree->nodes[f->node];
    node->end = (uint32_t)(s->r.at - s->tree->bytes);
    node->next = s->tree->n;
    if (f->unsure)
        node->flags |= ES_NODE_UNSURE;
    if (node->type == ES_N_LIST && f->keyed && node->count > 0 && !(node->flags & ES_NODE_IMPROPER))
        node->flags |= ES_NODE_KEYED | (f->keyword ? ES_NODE_KEYWORD : 0);
    if (node->type == ES_N_MAP && f->atom_keys && s->tree->n > f->node + 1)
        node->flags |= ES_NODE_ATOM_KEYS | (f->has_module ? ES_NODE_STRUCT : 0);
    node->hash = es_node_hash_end(node, f->hash);
    take_child(s, f->node);
}

static int open_node(struct reading *s, enum es_node_type type, uint64_t left)
{
    if (s->depth == ES_TERM_DEPTH_MAX)
        return -EBADMSG;
    s->frames[s->depth++] = (struct frame){.node = s->tree->n - 1,
                                           .left = left,
                                           .hash = es_node_hash_begin(type),
                                           .keyed = type == ES_N_LIST,
                                           .keyword = type == ES_N_LIST,
                                           .atom_keys = type == ES_N_MAP};
    return 0;
}

/* Three terms that make one leaf. */
static int read_export(struct reading *s)
{
    struct es_token part[3];
    for (int i = 0; i < 3; i++)
        if (es_token_next(&s->r, &part[i]) < 0)
            return -EBADMSG;
    bool atoms = (part[0].type == ES_TOK_ATOM || part[0].type == ES_TOK_ATOM_REF) &&
                 (part[1].type == ES_TOK_ATOM || part[1].type == ES_TOK_ATOM_REF);
    return atoms && part[2].type == ES_TOK_INT ? 0 : -EBADMSG;
}

/* A list that is encoded as bytes: its elements are nodes like others. */
static int read_string(struct reading *s, const struct es_token *token, uint32_t list)
{
    uint64_t hash = es_node_hash_begin(ES_N_LIST);
    for (uint32_t i = 0; i < token->count; i++) {
        struct es_node *node = add_node(s->tree, ES_N_INT);
        if (!node)
            return -ENOMEM;
        node->flags = ES_NODE_BYTE;
        node->at = (uint32_t)(token->bytes + i - s->tree->bytes);
        node->end = node->at + 1;
        node->hash = es_tree_hash_int(token->bytes[i]);
        hash = es_node_hash_next(hash, node->hash);
    }
    struct es_node *node = &s->tree->nodes[list];
    node->count = token->count;
    node->next = s->tree->n;
    node->hash = es_node_hash_end(node, hash);
    return 0;
}

/* A closure is recorded as a cut that names it: for all there is to know, that is the fun. */
static bool is_closure(const struct es_token *token)
{
    return token->type == ES_TOK_CUT && token->cut.type == ES_CUT_FUN && token->cut.prefix_len > 0;
}

static enum es_node_type type_of(const struct es_token *token)
{
    static const uint8_t types[] = {
        [ES_TOK_INT] = ES_N_INT,     [ES_TOK_BIG] = ES_N_INT,   [ES_TOK_FLOAT] = ES_N_FLOAT,
        [ES_TOK_ATOM] = ES_N_ATOM,   [ES_TOK_PID] = ES_N_PID,   [ES_TOK_ATOM_REF] = ES_N_ATOM,
        [ES_TOK_TUPLE] = ES_N_TUPLE, [ES_TOK_LIST] = ES_N_LIST, [ES_TOK_NIL] = ES_N_LIST,
        [ES_TOK_STRING] = ES_N_LIST, [ES_TOK_MAP] = ES_N_MAP,   [ES_TOK_BINARY] = ES_N_BINARY,
        [ES_TOK_PORT] = ES_N_PORT,   [ES_TOK_REF] = ES_N_REF,   [ES_TOK_EXPORT] = ES_N_EXPORT,
        [ES_TOK_FUN] = ES_N_FUN,     [ES_TOK_CUT] = ES_N_CUT,
    };
    return is_closure(token) ? ES_N_FUN : types[token->type];
}

/* ---- one term ------------------------------------------------------------------------------------------------------ */

/* An element that stands for all remaining ones of the node around it. False where it is a term like others. */
static bool is_rest(const struct reading *s, const struct es_token *token)
{
    if (s->depth == 0 || token->type != ES_TOK_CUT)
        return false;
    const struct frame *f = &s->frames[s->depth - 1];
    unsigned parent = s->tree->nodes[f->node].type;
    return (parent == ES_N_TUPLE && (token->cut.flags & ES_CUT_REST)) ||
           (parent == ES_N_MAP && f->left == 2 && es_reader_left(&s->r) > 0 && *s->r.at == ES_T_NIL);
}

/* The node of the rest is there already. */
static void take_rest(struct reading *s, const struct es_node *rest)
{
    struct frame *f = &s->frames[s->depth - 1];
    struct es_node *parent = &s->tree->nodes[f->node];
    if (parent->type == ES_N_MAP)
        s->r.at++; /* the NIL in the place of a value */
    parent->flags |= ES_NODE_REST;
    f->unsure = true;
    f->left = 0;
    f->hash =
        parent->type == ES_N_MAP ? f->hash + es_node_hash_pair(rest->hash, 0) : es_node_hash_next(f->hash, rest->hash);
}

/* The tail of a proper list is no node. */
static bool is_end_of_list(struct reading *s, const struct es_token *token)
{
    if (s->depth == 0 || token->type != ES_TOK_NIL)
        return false;
    struct frame *f = &s->frames[s->depth - 1];
    if (s->tree->nodes[f->node].type != ES_N_LIST || f->left != 1)
        return false;
    f->left = 0;
    return true;
}

static int take_leaf(struct reading *s, uint32_t index, const struct es_token *token)
{
    struct es_node *node = &s->tree->nodes[index];
    bool rest = is_rest(s, token);
    int rc = token->type == ES_TOK_EXPORT ? read_export(s) : 0;
    node->end = (uint32_t)(s->r.at - s->tree->bytes);
    if (token->type == ES_TOK_STRING)
        rc = read_string(s, token, index);
    else if (rc == 0)
        node->hash = es_node_hash_leaf(s->tree, node, token);
    if (rc < 0)
        return rc;
    node = &s->tree->nodes[index];
    if (node->type == ES_N_CUT)
        node->flags |= ES_NODE_UNSURE;
    if (rest)
        take_rest(s, node);
    else
        take_child(s, index);
    return 0;
}

static int read_term(struct reading *s)
{
    struct es_token token;
    uint32_t at = (uint32_t)(s->r.at - s->tree->bytes);
    int rc = es_token_next(&s->r, &token);
    if (rc < 0)
        return rc;
    if (!is_end_of_list(s, &token)) {
        uint32_t index = s->tree->n;
        struct es_node *node = add_node(s->tree, type_of(&token));
        if (!node)
            return -ENOMEM;
        node->at = at;
        if (token.type == ES_TOK_TUPLE)
            rc = open_node(s, ES_N_TUPLE, token.count);
        else if (token.type == ES_TOK_MAP)
            rc = open_node(s, ES_N_MAP, (uint64_t)token.count * 2);
        else if (token.type == ES_TOK_LIST)
            rc = open_node(s, ES_N_LIST, (uint64_t)token.count + 1);
        else
            rc = take_leaf(s, index, &token);
    }
    while (rc == 0 && s->depth > 0 && s->frames[s->depth - 1].left == 0)
        close_node(s);
    return rc;
}

int es_tree_read(struct es_tree *tree, const uint8_t *bytes, size_t len, const struct es_print *print)
{
    struct reading s;
    *tree = (struct es_tree){.bytes = bytes, .len = len, .atoms = print->atoms, .context = print->context};
    s.tree = tree;
    s.depth = 0;
    s.struct_hash = es_tree_hash_atom("__struct__", 10);
    es_reader_init(&s.r, bytes, len);
    tree->bytes = s.r.at;
    int rc = len < UINT32_MAX ? 0 : -EBADMSG;
    do
        rc = rc == 0 ? read_term(&s) : rc;
    while (rc == 0 && s.depth > 0);
    if (rc == 0 && es_reader_left(&s.r) > 0)
        rc = -EBADMSG;
    if (rc < 0)
        es_tree_fini(tree);
    return rc;
}

void es_tree_fini(struct es_tree *tree)
{
    free(tree->nodes);
    tree->nodes = NULL;
    tree->n = tree->room = 0;
}
