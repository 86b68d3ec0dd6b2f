/* SPDX-License-Identifier: MIT */
/* Paths into a term, such as `.items[3].price`:
 *
 *   .name            the value of the atom `name`, else of the text "name": in maps, structs, keyword lists
 *   ["key"] [:atom]  the value of this key; ['atom'] and [atom] too, [Shop.Cart] for a module
 *   [3]              the element of a list, from 0, from the end where negative; in a map the value of the key 3
 *   {1}              the element of a tuple, from 0
 *   [TERM]           the value of any other key, as it is printed: [{:a, 1}], [<0.1.2>], [1.5]
 *
 * The empty path and "." are the whole term. */
#ifndef ES_TERM_PATH_H
#define ES_TERM_PATH_H

#include "term/tree.h"

#define ES_PATH_STEPS_MAX 64

enum es_path_kind {
    ES_PATH_FIELD,   /* .name */
    ES_PATH_INDEX,   /* [3] */
    ES_PATH_ATOM,    /* [:atom] */
    ES_PATH_TEXT,    /* ["key"] */
    ES_PATH_TERM,    /* [{:a, 1}] */
    ES_PATH_ELEMENT, /* {1} */
};
struct es_path {
    size_t n;
    struct es_path_step {
        uint8_t kind; /* enum es_path_kind */
        int64_t index;
        size_t at, len; /* of a name or key in `text` */
    } steps[ES_PATH_STEPS_MAX];
    struct es_text text;
};

/* -EINVAL with a cause that says where, nothing has to be freed then; -ENOMEM. */
int es_path_parse(const char *text, struct es_path *ret_path);
void es_path_fini(struct es_path *path);

/* The node a path leads to. -ENOENT with a cause that says how far it leads and what is there instead; -ENODATA
 * where that part was cut or redacted, so that nobody knows. `print` is for keys that are terms, and messages. */
int es_path_resolve(const struct es_path *path, const struct es_tree *tree, const struct es_print *print,
                    uint32_t *ret_node);

/* The first `n` steps of a path as text. */
void es_path_print(const struct es_path *path, size_t n, bool erlang, struct es_text *out);

/* One step to a key that is a node, as text. */
void es_path_print_key(const struct es_tree *tree, uint32_t key, const struct es_print *print, struct es_text *out);

#endif
