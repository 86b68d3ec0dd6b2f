/* SPDX-License-Identifier: MIT */
/* Tagged JSON: composed terms from front to back, with a stack of its own. */
#include "term/tagged.h"

#include "term/tagged_leaf.h"

struct frame {
    uint32_t node, child; /* what is being written; its next child, ES_NO_NODE at the end */
    uint32_t left;        /* children before the rest or the tail */
    bool value, open;     /* map: the next child is a value; a pair is not closed yet */
    bool some, ended;     /* something was written already; the array of children was closed */
    bool plain;           /* nothing but the closing bracket at the end */
};

struct tagging {
    const struct es_tree *tree;
    const struct es_print *print;
    struct es_text *out;
    size_t depth;
    struct frame frames[ES_TERM_DEPTH_MAX];
};

static bool is_struct_key(const struct tagging *t, const struct frame *f)
{
    return (t->tree->nodes[f->node].flags & ES_NODE_STRUCT) && es_tree_is_atom(t->tree, f->child, "__struct__");
}

static void open_struct(struct tagging *t, uint32_t node)
{
    uint32_t module = es_tree_field(t->tree, node, "__struct__");
    es_text_puts(t->out, "{\"t\":\"struct\",\"name\":");
    es_tagged_atom_text(t->tree, module, t->out);
    es_text_puts(t->out, ",\"v\":[");
}

static void open_node(struct tagging *t, uint32_t node)
{
    const struct es_node *n = &t->tree->nodes[node];
    bool tail = n->flags & (ES_NODE_REST | ES_NODE_IMPROPER);
    struct frame *f = &t->frames[t->depth++]; /* the tree is no deeper */
    *f = (struct frame){.node = node,
                        .child = es_tree_first(t->tree, node),
                        .left = n->type == ES_N_MAP ? n->count * 2 : n->count,
                        .plain = n->type == ES_N_LIST && !tail};
    if (f->plain)
        es_text_puts(t->out, "[");
    else if (n->type == ES_N_LIST)
        es_text_puts(t->out, n->flags & ES_NODE_IMPROPER ? "{\"t\":\"improper\",\"v\":[" : "{\"t\":\"list\",\"v\":[");
    else if (n->flags & ES_NODE_STRUCT)
        open_struct(t, node);
    else
        es_text_puts(t->out, n->type == ES_N_TUPLE ? "{\"t\":\"tuple\",\"v\":[" : "{\"t\":\"map\",\"v\":[");
}

static void write_node(struct tagging *t, uint32_t node)
{
    unsigned type = t->tree->nodes[node].type;
    if (type == ES_N_TUPLE || type == ES_N_LIST || type == ES_N_MAP)
        open_node(t, node);
    else
        es_tagged_leaf(t->tree, node, t->print, t->out);
}

static uint32_t next_child(struct tagging *t, struct frame *f)
{
    uint32_t child = f->child;
    f->child = es_tree_after(t->tree, f->node, child);
    return child;
}

static void close_frame(struct tagging *t)
{
    const struct frame *f = &t->frames[--t->depth];
    es_text_puts(t->out, f->plain ? "]" : "}");
}

/* Behind the elements or pairs: the array ends, a rest or tail follows as a member of its own. */
static void end_children(struct tagging *t, struct frame *f)
{
    const struct es_node *n = &t->tree->nodes[f->node];
    uint32_t child = f->child;
    if (!f->plain)
        es_text_puts(t->out, "]");
    if (n->type == ES_N_TUPLE && (n->flags & ES_NODE_REST))
        es_text_printf(t->out, ",\"arity\":%u", es_tree_token(t->tree, f->node).count);
    if (child == ES_NO_NODE) {
        close_frame(t);
        return;
    }
    f->ended = true;
    es_text_puts(t->out, n->flags & ES_NODE_IMPROPER ? ",\"tail\":" : ",\"rest\":");
    write_node(t, child);
}

static void write_in_map(struct tagging *t, struct frame *f)
{
    if (!f->value && is_struct_key(t, f)) { /* the name has said it */
        f->left -= 2;
        next_child(t, f);
        next_child(t, f);
        return;
    }
    es_text_puts(t->out, f->value ? "," : f->some ? ",[" : "[");
    f->value = !f->value;
    f->open = f->some = true;
    f->left--;
    write_node(t, next_child(t, f));
}

static void step(struct tagging *t)
{
    struct frame *f = &t->frames[t->depth - 1];
    if (f->open && !f->value) { /* the value is whole */
        f->open = false;
        es_text_puts(t->out, "]");
    }
    if (f->ended) {
        close_frame(t);
    } else if (f->left == 0) {
        end_children(t, f);
    } else if (t->tree->nodes[f->node].type == ES_N_MAP) {
        write_in_map(t, f);
    } else {
        es_text_puts(t->out, f->some ? "," : "");
        f->some = true;
        f->left--;
        write_node(t, next_child(t, f));
    }
}

void es_tagged_print(const struct es_tree *tree, uint32_t node, const struct es_print *print, struct es_text *out)
{
    struct tagging t;
    t.tree = tree;
    t.print = print;
    t.out = out;
    t.depth = 0;
    write_node(&t, node);
    while (t.depth > 0 && !out->failed)
        step(&t);
}
