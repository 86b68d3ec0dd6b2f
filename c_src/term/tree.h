/* SPDX-License-Identifier: MIT */
/* A recorded term as a tree: nodes in the order in which they stand in the term, so that the children of a node
 * follow it, and each node knows where its subtree ends. Nodes have a hash of their content, by which subtrees are
 * compared: of a map it does not depend on the order of its keys, of an integer or atom not on how it is encoded. */
#ifndef ES_TERM_TREE_H
#define ES_TERM_TREE_H

#include "term/text.h"
#include "wire/term.h"

enum es_node_type {
    ES_N_INT, /* of any size */
    ES_N_FLOAT,
    ES_N_ATOM,
    ES_N_BINARY, /* bitstrings too */
    ES_N_TUPLE,  /* `count` elements */
    ES_N_LIST,   /* `count` elements; the empty list too */
    ES_N_MAP,    /* `count` pairs: a key, its value, the next key … */
    ES_N_PID,
    ES_N_PORT,
    ES_N_REF,
    ES_N_FUN, /* of a closure only its identity is recorded, by which it is compared */
    ES_N_EXPORT,
    ES_N_CUT, /* something was left out here, see es_tree_token() */
};
enum es_node_flag {
    ES_NODE_UNSURE = 1,   /* has cuts inside, or is one: equal hashes do not prove that it is equal */
    ES_NODE_REST = 2,     /* one more child behind the others: the cut that stands for the remaining ones */
    ES_NODE_IMPROPER = 4, /* list: one more child behind the others: its tail */
    ES_NODE_KEYED = 8, /* list: all elements are pairs that begin with an atom or a binary (none where it is empty) */
    ES_NODE_KEYWORD = 16,   /* list: all elements are pairs that begin with an atom which is no module of Elixir */
    ES_NODE_ATOM_KEYS = 32, /* map: all keys are such atoms (none where it is empty) */
    ES_NODE_STRUCT = 64,    /* map: of these one is __struct__, which names a module of Elixir */
    ES_NODE_BYTE = 128,     /* an integer in a list that is encoded as bytes */
};

enum es_atom_kind { ES_ATOM_UNKNOWN /* its text is */, ES_ATOM_PLAIN, ES_ATOM_ELIXIR /* Elixir.… */, ES_ATOM_MODULE };
struct es_node {
    uint8_t type, flags; /* enum es_node_type, set of es_node_flag */
    uint8_t atom;        /* of atoms: enum es_atom_kind; MODULE: a name of a module that Elixir prints as such */
    uint32_t at, end;    /* the bytes of the term [at, end) */
    uint32_t count;      /* elements, or pairs; 0 for leaves */
    uint32_t next;       /* the node behind the subtree; children begin behind the node itself */
    uint64_t hash;
};
#define ES_NO_NODE UINT32_MAX

struct es_tree {
    const uint8_t *bytes; /* borrowed */
    size_t len;
    es_atom_lookup atoms; /* may be NULL */
    void *context;
    struct es_node *nodes; /* owned; the first is the whole term */
    uint32_t n, room;
};

/* Reads a term of `len` bytes, which must stay where they are. `print` says how atoms are looked up (nothing else
 * of it is used). 0, -EBADMSG where it is no whole term (then nothing has to be freed), -ENOMEM. Linear time;
 * memory of at most 32 bytes a byte of the term. */
int es_tree_read(struct es_tree *tree, const uint8_t *bytes, size_t len, const struct es_print *print);
void es_tree_fini(struct es_tree *tree);

/* The first child; the child behind it. ES_NO_NODE at the end. */
uint32_t es_tree_first(const struct es_tree *tree, uint32_t node);
uint32_t es_tree_after(const struct es_tree *tree, uint32_t parent, uint32_t child);
/* An element of a tuple or list, from 0. ES_NO_NODE where there is none. Walks over those before. */
uint32_t es_tree_element(const struct es_tree *tree, uint32_t node, uint32_t index);
/* The extra child of a node with ES_NODE_REST or ES_NODE_IMPROPER. */
uint32_t es_tree_rest(const struct es_tree *tree, uint32_t node);
/* Value of a key of a map, or of a list's pair, by the content hash of the key. */
uint32_t es_tree_value(const struct es_tree *tree, uint32_t node, uint64_t key_hash);
/* The same by the text of a key that is an atom. */
uint32_t es_tree_field(const struct es_tree *tree, uint32_t node, const char *name);

/* A leaf's content; of a composed node its head. */
struct es_token es_tree_token(const struct es_tree *tree, uint32_t node);
/* Text of an atom, UTF-8; `scratch` is used where it had to be converted. NULL where it is none, or unknown. */
const uint8_t *es_tree_atom(const struct es_tree *tree, uint32_t node, struct es_text *scratch, size_t *ret_len);
bool es_tree_is_atom(const struct es_tree *tree, uint32_t node, const char *text);

/* Hashes of leaves made without a term. */
uint64_t es_tree_hash_atom(const void *utf8, size_t len);
uint64_t es_tree_hash_binary(const void *bytes, size_t len);
uint64_t es_tree_hash_int(int64_t value);

/* Prints a node as es_term_print() prints it alone. */
int es_tree_print(const struct es_tree *tree, uint32_t node, const struct es_print *print, struct es_text *out);

#endif
