/* SPDX-License-Identifier: MIT */
/* Lays a tree out with a stack of its own. A node is first tried on one line; where that does not fit, its children are
 * laid out one by one. */
#include "term/layout.h"

#include <string.h>

#include "term/print.h"

#define TAB 2u
#define INDENT_MAX 80u /* deeper nesting is not shifted further */

enum how {
    LINES, /* a child a line */
    FILL,  /* as many on a line as fit */
    HUG,   /* all on the line it began on, the last one opens */
    ONE,   /* one line: it fits, but has marks inside */
};

struct frame {
    uint32_t node, child, left; /* children before the rest or tail; pairs count twice */
    uint32_t shown;             /* the node it began with: a set's members are in another */
    uint8_t how;
    bool value, some, keyword, set, said;
    unsigned indent;
};

struct laying {
    const struct es_tree *tree;
    const struct es_layout *layout;
    struct es_print print;
    struct es_text *out, scratch;
    size_t line, hidden; /* where the line begins, in out; bytes of marks on it */
    size_t depth;
    struct frame frames[ES_TERM_DEPTH_MAX];
};

static bool elixir(const struct laying *l) { return !l->print.erlang; }

/* ---- columns ------------------------------------------------------------------------------------------------------- */

static size_t columns(const char *bytes, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)bytes[i] & 0xc0) != 0x80;
    return n;
}

static size_t column(const struct laying *l)
{
    return l->out->bytes ? columns(l->out->bytes + l->line, l->out->len - l->line) - l->hidden : 0;
}

static void new_line(struct laying *l, unsigned indent)
{
    static const char spaces[INDENT_MAX + TAB + 1] =
        "                                                                                  ";
    es_text_puts(l->out, "\n");
    l->line = l->out->len;
    l->hidden = 0;
    for (unsigned left = l->layout->indent; left > 0; left -= left < INDENT_MAX ? left : INDENT_MAX)
        es_text_add(l->out, spaces, left < INDENT_MAX ? left : INDENT_MAX);
    es_text_add(l->out, spaces, indent < INDENT_MAX ? indent : INDENT_MAX);
}

/* ---- marks --------------------------------------------------------------------------------------------------------- */

/* The first mark at or behind a node. */
static const struct es_layout_mark *mark_from(const struct laying *l, uint32_t node)
{
    size_t low = 0, high = l->layout->n_marks;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (l->layout->marks[middle].node < node)
            low = middle + 1;
        else
            high = middle;
    }
    return low < l->layout->n_marks ? &l->layout->marks[low] : NULL;
}

static const struct es_layout_mark *mark_of(const struct laying *l, uint32_t node)
{
    const struct es_layout_mark *mark = mark_from(l, node);
    return mark && mark->node == node ? mark : NULL;
}

static bool has_marks_inside(const struct laying *l, uint32_t node)
{
    const struct es_layout_mark *mark = mark_from(l, node + 1);
    return mark && mark->node < l->tree->nodes[node].next;
}

static void add_hidden(struct laying *l, const char *text)
{
    es_text_puts(l->out, text ? text : "");
    l->hidden += text ? columns(text, strlen(text)) : 0;
}

/* ---- what fits ----------------------------------------------------------------------------------------------------- */

/* Prints the node into scratch; true where it fits behind the column. */
static bool fits(struct laying *l, uint32_t node, size_t from)
{
    const struct es_node *n = &l->tree->nodes[node];
    size_t room = from + 1 < l->layout->width ? l->layout->width - from - 1 : 0;
    if (n->next - node > l->layout->width * 4)
        return false;
    struct es_print print = l->print;
    print.max_bytes = room * 4 + 16;
    es_text_clear(&l->scratch);
    es_tree_print(l->tree, node, &print, &l->scratch);
    return l->scratch.bytes && l->scratch.len <= room * 4 && columns(l->scratch.bytes, l->scratch.len) <= room;
}

static bool is_leaf(const struct es_node *n)
{
    return (n->type != ES_N_TUPLE && n->type != ES_N_LIST && n->type != ES_N_MAP) ||
           (n->count == 0 && !(n->flags & (ES_NODE_REST | ES_NODE_IMPROPER)));
}

static bool is_struct(const struct laying *l, uint32_t node)
{
    return elixir(l) && (l->tree->nodes[node].flags & ES_NODE_STRUCT);
}

/* Lists of characters, dates and the like have no other form than that on one line. */
static bool is_one_piece(struct laying *l, uint32_t node)
{
    const struct es_node *n = &l->tree->nodes[node];
    struct es_print print = l->print;
    if (is_leaf(n))
        return true;
    bool characters =
        n->type == ES_N_LIST && n->next - node == n->count + 1 && l->tree->nodes[node + 1].type == ES_N_INT;
    bool known = is_struct(l, node) && n->next - node <= 64;
    if (!characters && !known)
        return false;
    print.max_bytes = 12;
    es_text_clear(&l->scratch);
    es_tree_print(l->tree, node, &print, &l->scratch);
    const char *text = l->scratch.bytes ? l->scratch.bytes : "";
    return characters ? *text != '[' : *text != '%' && strncmp(text, "MapSet", 6) != 0;
}

/* ---- opening ------------------------------------------------------------------------------------------------------- */

static enum how how_to(const struct laying *l, uint32_t node)
{
    const struct es_node *n = &l->tree->nodes[node];
    if (n->flags & (ES_NODE_REST | ES_NODE_IMPROPER))
        return LINES;
    bool numbers = n->type == ES_N_LIST, flat = n->type == ES_N_TUPLE && n->count <= 4;
    uint32_t child = node + 1;
    for (uint32_t i = 0; i < n->count && (numbers || flat); i++) {
        const struct es_node *c = &l->tree->nodes[child];
        numbers = numbers && (c->type == ES_N_INT || c->type == ES_N_FLOAT);
        flat = flat && (i + 1 == n->count ? !is_leaf(c) : is_leaf(c) && c->end - c->at < 24);
        child = c->next;
    }
    return numbers ? FILL : flat ? HUG : LINES;
}

/* The map with the members of an Elixir set; ES_NO_NODE: it is none. */
static uint32_t set_members(const struct laying *l, uint32_t node)
{
    if (!es_tree_is_atom(l->tree, es_tree_field(l->tree, node, "__struct__"), "Elixir.MapSet"))
        return ES_NO_NODE;
    uint32_t map = es_tree_field(l->tree, node, "map");
    return map != ES_NO_NODE && l->tree->nodes[map].type == ES_N_MAP ? map : ES_NO_NODE;
}

static void open_struct(struct laying *l, struct frame *f)
{
    uint32_t members = set_members(l, f->node);
    if (members != ES_NO_NODE) {
        f->node = members;
        f->child = es_tree_first(l->tree, members);
        f->left = l->tree->nodes[members].count * 2;
        f->set = true;
        es_text_puts(l->out, "MapSet.new([");
        return;
    }
    es_text_puts(l->out, "%");
    es_tree_print(l->tree, es_tree_field(l->tree, f->node, "__struct__"), &l->print, l->out);
    es_text_puts(l->out, "{");
    f->said = true;
}

static void open_node(struct laying *l, uint32_t node, enum how how, unsigned indent)
{
    const struct es_node *n = &l->tree->nodes[node];
    struct frame *f = &l->frames[l->depth++]; /* the tree is no deeper */
    *f = (struct frame){.node = node,
                        .shown = node,
                        .child = es_tree_first(l->tree, node),
                        .left = n->type == ES_N_MAP ? n->count * 2 : n->count,
                        .how = (uint8_t)how,
                        .keyword = elixir(l) && n->type == ES_N_LIST && (n->flags & ES_NODE_KEYWORD),
                        .indent = indent};
    if (is_struct(l, node))
        open_struct(l, f);
    else
        es_text_puts(l->out, n->type == ES_N_TUPLE ? "{" : n->type == ES_N_LIST ? "[" : elixir(l) ? "%{" : "#{");
}

/* ---- one node ------------------------------------------------------------------------------------------------------ */

static void add_after(struct laying *l, uint32_t node)
{
    const struct es_layout_mark *mark = mark_of(l, node);
    if (mark)
        add_hidden(l, mark->after);
}

static void lay(struct laying *l, uint32_t node, enum how around, unsigned indent)
{
    const struct es_layout_mark *mark = mark_of(l, node);
    bool marks = has_marks_inside(l, node);
    if (mark)
        add_hidden(l, mark->before);
    bool whole = is_one_piece(l, node), one = !whole && (around == ONE || fits(l, node, column(l)));
    if (!whole && (!one || marks)) {
        open_node(l, node, one ? ONE : how_to(l, node), indent);
        return;
    }
    es_tree_print(l->tree, node, &l->print, l->out);
    add_after(l, node);
}

static void close_node(struct laying *l)
{
    struct frame *f = &l->frames[--l->depth];
    const struct es_node *n = &l->tree->nodes[f->node];
    if ((f->how == LINES || f->how == FILL) && f->some)
        new_line(l, f->indent);
    es_text_puts(l->out, f->set ? "])" : n->type == ES_N_LIST ? "]" : "}");
    add_after(l, f->shown);
}

/* Before the next child or pair. */
static void separate(struct laying *l, struct frame *f)
{
    bool lines = f->how == LINES || (f->how == FILL && (!f->some || !fits(l, f->child, column(l) + 2)));
    if (f->some)
        es_text_puts(l->out, lines || l->print.erlang ? "," : ", ");
    if (f->some && f->how == FILL && !lines && l->print.erlang)
        es_text_puts(l->out, " ");
    if (lines)
        new_line(l, f->indent + TAB);
    f->some = true;
}

static uint32_t next_child(const struct laying *l, struct frame *f)
{
    uint32_t child = f->child;
    f->child = es_tree_after(l->tree, f->node, child);
    return child;
}

static void add_key(struct laying *l, uint32_t key, bool as_name)
{
    size_t len = 0;
    const uint8_t *name = as_name ? es_tree_atom(l->tree, key, &l->scratch, &len) : NULL;
    const struct es_layout_mark *mark = mark_of(l, key);
    if (mark)
        add_hidden(l, mark->before);
    if (name)
        es_print_atom_key(name, len, l->out);
    else
        es_tree_print(l->tree, key, &l->print, l->out);
    if (!name)
        es_text_puts(l->out, " => ");
    if (mark)
        add_hidden(l, mark->after);
}

/* What the name of a struct says already. */
static bool is_said(const struct laying *l, const struct frame *f)
{
    uint32_t value = l->tree->nodes[f->child].next;
    return f->said &&
           (es_tree_is_atom(l->tree, f->child, "__struct__") ||
            (es_tree_is_atom(l->tree, f->child, "__exception__") && es_tree_is_atom(l->tree, value, "true")));
}

static void lay_pair(struct laying *l, struct frame *f)
{
    f->left -= 2;
    if (is_said(l, f)) {
        next_child(l, f);
        next_child(l, f);
        return;
    }
    separate(l, f);
    uint32_t key = next_child(l, f), value = next_child(l, f);
    if (f->set) {
        lay(l, key, f->how, f->indent + TAB);
        return;
    }
    add_key(l, key, elixir(l) && (l->tree->nodes[f->node].flags & ES_NODE_ATOM_KEYS));
    lay(l, value, f->how, f->indent + TAB);
}

static void lay_child(struct laying *l, struct frame *f)
{
    f->left--;
    separate(l, f);
    uint32_t child = next_child(l, f);
    unsigned indent = f->how == HUG ? f->indent : f->indent + TAB;
    if (f->keyword) {
        add_key(l, child + 1, true);
        lay(l, l->tree->nodes[child + 1].next, f->how, indent);
    } else {
        lay(l, child, f->how, indent);
    }
}

/* The rest that was cut, or the tail of an improper list. */
static void lay_rest(struct laying *l, struct frame *f)
{
    const struct es_node *n = &l->tree->nodes[f->node];
    struct es_printer p = {.print = &l->print, .out = l->out, .limit = SIZE_MAX};
    if (n->flags & ES_NODE_REST) {
        struct es_token cut = es_tree_token(l->tree, f->child);
        separate(l, f);
        es_print_rest(&p, &cut.cut);
        f->child = ES_NO_NODE;
        return;
    }
    if (f->how == LINES)
        new_line(l, f->indent + TAB);
    es_text_puts(l->out, f->how == LINES ? "| " : l->print.erlang ? "|" : " | ");
    lay(l, next_child(l, f), f->how, f->indent + TAB);
}

static void step(struct laying *l)
{
    struct frame *f = &l->frames[l->depth - 1];
    if (f->left == 0 && f->child == ES_NO_NODE)
        close_node(l);
    else if (f->left == 0)
        lay_rest(l, f);
    else if (l->tree->nodes[f->node].type == ES_N_MAP)
        lay_pair(l, f);
    else
        lay_child(l, f);
}

void es_layout_print(const struct es_tree *tree, uint32_t node, const struct es_layout *layout, struct es_text *out)
{
    struct laying l;
    l.tree = tree;
    l.layout = layout;
    l.print = *layout->print;
    l.print.max_bytes = 0;
    l.out = out;
    l.scratch = (struct es_text){0};
    l.depth = 0;
    l.hidden = 0;
    l.line = out->len;
    while (l.line > 0 && out->bytes[l.line - 1] != '\n')
        l.line--;
    lay(&l, node, LINES, 0);
    while (l.depth > 0 && !out->failed)
        step(&l);
    es_text_fini(&l.scratch);
}
