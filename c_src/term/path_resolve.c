/* SPDX-License-Identifier: MIT */
/* Following a path through a tree, and what to say where it leads nowhere. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "term/path.h"

#define LISTED 12 /* keys that a message names */

struct walk {
    const struct es_tree *tree;
    const struct es_print *print;
    const struct es_path *path;
};

/* ---- keys that are terms: compared as text, spaces aside ----------------------------------------------------------- */

static bool same_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t i = 0, j = 0;
    for (;;) {
        while (i < a_len && a[i] == ' ')
            i++;
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a path with a step has a text */
        while (j < b_len && b[j] == ' ')
            j++;
        if (i == a_len || j == b_len)
            return i == a_len && j == b_len;
        if (a[i++] != b[j++])
            return false;
    }
}

static bool prints_as(const struct walk *w, uint32_t key, const struct es_path_step *step)
{
    struct es_text text = {0};
    struct es_print print = *w->print;
    const char *asked = w->path->text.bytes + step->at;
    bool same = false;
    print.max_bytes = step->len * 4 + 64; /* what is longer is another */
    for (int erlang = 0; erlang < 2 && !same; erlang++) {
        print.erlang = erlang == 1;
        es_text_clear(&text);
        es_tree_print(w->tree, key, &print, &text);
        same = text.bytes && same_text(text.bytes, text.len, asked, step->len);
    }
    es_text_fini(&text);
    return same;
}

static uint32_t find_printed(const struct walk *w, uint32_t node, const struct es_path_step *step)
{
    const struct es_node *n = &w->tree->nodes[node];
    uint32_t key = node + 1;
    for (uint32_t i = 0; n->type == ES_N_MAP && i < n->count; i++) {
        uint32_t value = w->tree->nodes[key].next;
        if (prints_as(w, key, step))
            return value;
        key = w->tree->nodes[value].next;
    }
    return ES_NO_NODE;
}

/* ---- one step ------------------------------------------------------------------------------------------------------ */

static uint32_t step_index(const struct es_tree *tree, uint32_t node, int64_t index)
{
    const struct es_node *n = &tree->nodes[node];
    if (n->type == ES_N_MAP)
        return es_tree_value(tree, node, es_tree_hash_int(index));
    if (n->type != ES_N_LIST)
        return ES_NO_NODE;
    if (index < 0 && n->flags & (ES_NODE_REST | ES_NODE_IMPROPER))
        return ES_NO_NODE; /* where the end is is not known, or there is none */
    index += index < 0 ? n->count : 0;
    return index >= 0 && index < n->count ? es_tree_element(tree, node, (uint32_t)index) : ES_NO_NODE;
}

static uint32_t take_step(const struct walk *w, uint32_t node, const struct es_path_step *step)
{
    const struct es_tree *tree = w->tree;
    const char *name = w->path->text.bytes ? w->path->text.bytes + step->at : "";
    uint32_t found;
    switch (step->kind) {
    case ES_PATH_INDEX: return step_index(tree, node, step->index);
    case ES_PATH_ELEMENT:
        return tree->nodes[node].type == ES_N_TUPLE && step->index < tree->nodes[node].count
                   ? es_tree_element(tree, node, (uint32_t)step->index)
                   : ES_NO_NODE;
    case ES_PATH_ATOM: return es_tree_value(tree, node, es_tree_hash_atom(name, step->len));
    case ES_PATH_TEXT: return es_tree_value(tree, node, es_tree_hash_binary(name, step->len));
    case ES_PATH_TERM: return find_printed(w, node, step);
    default:
        found = es_tree_value(tree, node, es_tree_hash_atom(name, step->len));
        return found != ES_NO_NODE ? found : es_tree_value(tree, node, es_tree_hash_binary(name, step->len));
    }
}

/* ---- where it leads nowhere ---------------------------------------------------------------------------------------- */

static void list_keys(const struct walk *w, uint32_t node, struct es_text *out)
{
    const struct es_node *n = &w->tree->nodes[node];
    struct es_print print = *w->print;
    uint32_t child = node + 1;
    print.max_bytes = 60;
    for (uint32_t i = 0; i < n->count && i < LISTED; i++) {
        uint32_t key = n->type == ES_N_MAP ? child : child + 1, value = w->tree->nodes[key].next;
        es_text_puts(out, i ? " " : "");
        es_path_print_key(w->tree, key, &print, out);
        child = n->type == ES_N_MAP ? w->tree->nodes[value].next : w->tree->nodes[child].next;
    }
    if (n->count > LISTED)
        es_text_printf(out, " and %u more", n->count - LISTED);
}

/* What stands where the next step was to begin. */
static void describe(const struct walk *w, uint32_t node, struct es_text *out)
{
    const struct es_node *n = &w->tree->nodes[node];
    struct es_print print = *w->print;
    print.max_bytes = 80;
    if (n->type == ES_N_MAP || (n->flags & ES_NODE_KEYED)) {
        es_text_printf(out, "a %s with %u key%s", n->type == ES_N_MAP ? "map" : "list", n->count,
                       n->count == 1 ? "" : "s");
        if (n->count > 0) {
            es_text_puts(out, ": ");
            list_keys(w, node, out);
        }
    } else if (n->type == ES_N_LIST) {
        es_text_printf(out, "a list of %u element%s", n->count, n->count == 1 ? "" : "s");
    } else if (n->type == ES_N_TUPLE) {
        es_text_printf(out, "a tuple of %u element%s", n->count, n->count == 1 ? "" : "s");
    } else {
        es_tree_print(w->tree, node, &print, out);
    }
}

static int leads_nowhere(const struct walk *w, size_t step, uint32_t node)
{
    const struct es_node *n = &w->tree->nodes[node];
    bool cut = n->type == ES_N_CUT || (n->flags & ES_NODE_REST);
    struct es_text whole = {0}, before = {0}, there = {0};
    es_path_print(w->path, step + 1, w->print->erlang, &whole);
    es_path_print(w->path, step, w->print->erlang, &before);
    describe(w, node, &there);
    int rc = es_fail(cut ? -ENODATA : -ENOENT, "%s is not %s: %s is %s%s", whole.bytes ? whole.bytes : "?",
                     cut ? "in what was captured" : "there",
                     step == 0      ? "the whole"
                     : before.bytes ? before.bytes
                                    : "?",
                     there.bytes ? there.bytes : "?", n->flags & ES_NODE_REST ? ", and more that was cut" : "");
    es_text_fini(&whole);
    es_text_fini(&before);
    es_text_fini(&there);
    return rc;
}

int es_path_resolve(const struct es_path *path, const struct es_tree *tree, const struct es_print *print,
                    uint32_t *ret_node)
{
    struct walk w = {tree, print, path};
    uint32_t node = 0;
    for (size_t i = 0; i < path->n; i++) {
        uint32_t found = take_step(&w, node, &path->steps[i]);
        if (found == ES_NO_NODE)
            return leads_nowhere(&w, i, node);
        node = found;
    }
    *ret_node = node;
    return 0;
}
