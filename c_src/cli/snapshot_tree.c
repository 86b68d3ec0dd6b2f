/* SPDX-License-Identifier: MIT */
/* The supervision tree of a moment: supervisors whose own parent is none, with all below; then who is not supervised. Where processes were
 * chosen: each of them, with all below. */
#include <stdlib.h>

#include "cli/snapshot.h"

#define DEPTH_MAX 64u

struct tree {
    const struct es_snapshot *view;
    FILE *out;
    const struct es_moment_row **children; /* rows by supervisor, then as they were */
    size_t n;
    uint64_t written;
    bool chosen; /* rows of the view are not all */
    bool cut;    /* the limit was reached */
    struct es_text line, prefix;
    bool ok;
};

static int by_supervisor(const void *a, const void *b)
{
    const struct es_moment_row *x = *(const struct es_moment_row *const *)a,
                               *y = *(const struct es_moment_row *const *)b;
    if (x->supervisor != y->supervisor)
        return x->supervisor < y->supervisor ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* The first child of this supervisor in `children`. */
static size_t first_child(const struct tree *tree, es_ref pid)
{
    size_t from = 0, to = tree->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (tree->children[middle]->supervisor < pid)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static void add_process(struct tree *tree, const struct es_moment_row *row)
{
    struct es_text *out = &tree->line;
    if (row->name)
        es_query_print_ref(tree->view->query, row->name, tree->view->erlang, out);
    else
        es_snapshot_fun(tree->view, &row->initial, out);
    es_text_printf(out, " %s", es_cli_style(tree->out, ES_STYLE_DIM));
    es_query_print_ref(tree->view->query, row->pid, true, out);
    es_text_puts(out, es_cli_style(tree->out, ES_STYLE_NONE));
    if (es_status_names[row->status])
        es_text_printf(out, " %s", es_status_names[row->status]);
    if (row->waits_for) {
        es_text_puts(out, " for ");
        es_snapshot_who(tree->view, row->waits_for, out);
    }
    if (row->proc && row->mail_known && es_world_mail_count(row->proc) > 0) {
        es_text_puts(out, ", mail ");
        es_snapshot_mail(row, out);
    }
    if (tree->view->state && row->proc && row->proc->state_seq) {
        es_text_puts(out, "  ");
        es_snapshot_state(tree->view, row, out);
    }
}

static bool write_row(struct tree *tree, const struct es_moment_row *row, const char *branch)
{
    tree->cut = tree->cut || (tree->view->limit && tree->written >= tree->view->limit);
    if (tree->cut)
        return false;
    es_text_add(&tree->line, tree->prefix.bytes ? tree->prefix.bytes : "", tree->prefix.len);
    es_text_puts(&tree->line, branch);
    if (row->is_supervisor)
        es_text_puts(&tree->line, es_cli_style(tree->out, ES_STYLE_BOLD));
    add_process(tree, row);
    es_text_puts(&tree->line, es_cli_style(tree->out, ES_STYLE_NONE));
    tree->ok = es_cli_flush(&tree->line, tree->out);
    tree->written++;
    return tree->ok;
}

/* Recursion has an end: no tree of supervisors is so deep, only a damaged recording may say so. */
static void write_below(struct tree *tree, es_ref pid, unsigned depth)
{
    size_t before = tree->prefix.len;
    for (size_t i = first_child(tree, pid);
         tree->ok && !tree->cut && i < tree->n && tree->children[i]->supervisor == pid; i++) {
        const struct es_moment_row *row = tree->children[i];
        bool last = i + 1 == tree->n || tree->children[i + 1]->supervisor != pid;
        if (!write_row(tree, row, last ? "└─ " : "├─ "))
            return;
        es_text_puts(&tree->prefix, last ? "   " : "│  ");
        if (row->is_supervisor && depth < DEPTH_MAX)
            write_below(tree, row->pid, depth + 1);
        tree->prefix.len = before;
    }
}

static void write_roots(struct tree *tree)
{
    for (size_t i = 0; tree->ok && i < tree->view->n; i++) {
        const struct es_moment_row *row = tree->view->rows[i];
        if (!tree->chosen && (!row->is_supervisor || row->supervisor))
            continue;
        if (write_row(tree, row, ""))
            write_below(tree, row->pid, 0);
    }
}

static void write_others(struct tree *tree)
{
    bool any = false;
    for (size_t i = 0; tree->ok && i < tree->view->n; i++) {
        const struct es_moment_row *row = tree->view->rows[i];
        if (row->is_supervisor || row->supervisor)
            continue;
        if (!any)
            fprintf(tree->out, "\n%sNot supervised%s\n", es_cli_style(tree->out, ES_STYLE_BOLD),
                    es_cli_style(tree->out, ES_STYLE_NONE));
        any = true;
        if (!write_row(tree, row, "  "))
            return;
    }
}

bool es_snapshot_tree(const struct es_snapshot *view, FILE *out)
{
    const struct es_moment *moment = view->moment;
    struct tree tree = {.view = view, .out = out, .n = moment->n, .chosen = view->n < moment->n, .ok = true};
    tree.children = malloc((moment->n + 1) * sizeof *tree.children);
    if (!tree.children)
        return false;
    for (size_t i = 0; i < moment->n; i++)
        tree.children[i] = &moment->rows[i];
    qsort(tree.children, tree.n, sizeof *tree.children, by_supervisor);
    write_roots(&tree);
    if (!tree.chosen)
        write_others(&tree);
    if (tree.ok && tree.cut)
        fprintf(out, "… and more\n");
    es_text_fini(&tree.line);
    es_text_fini(&tree.prefix);
    free(tree.children);
    return tree.ok;
}
