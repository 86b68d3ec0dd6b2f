/* SPDX-License-Identifier: MIT */
/* `elixirscope state --history` and `--diff`: versions one after the other, and what changed between two. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/state.h"
#include "term/layout.h"

#define SHORT_BYTES 40u   /* of a term in a line of the history */
#define SHORT_CHANGES 3u  /* of a version in a line of the history */
#define CHANGE_BYTES 200u /* of a term in a line of --diff */

static struct es_diff_style colours(void)
{
    return (struct es_diff_style){.added = es_cli_style(stdout, ES_STYLE_GREEN),
                                  .removed = es_cli_style(stdout, ES_STYLE_RED),
                                  .changed = es_cli_style(stdout, ES_STYLE_YELLOW),
                                  .unknown = es_cli_style(stdout, ES_STYLE_DIM),
                                  .none = es_cli_style(stdout, ES_STYLE_NONE)};
}

/* ---- history ------------------------------------------------------------------------------------------------------- */

struct history {
    struct es_state_view *view;
    const struct es_version_info *list;
    size_t from, to; /* numbers of the versions to list: [from, to) from 0 */
};

static void short_diff(struct es_state_view *view, const struct es_diff *diff, struct es_text *out)
{
    struct es_print print = *es_query_print(view->query, view->erlang);
    struct es_diff_style style = colours();
    print.max_bytes = SHORT_BYTES;
    for (uint32_t i = 0; i < diff->n_changes && i < SHORT_CHANGES; i++) {
        es_text_puts(out, i ? ", " : "");
        es_diff_print(diff, &diff->changes[i], &print, &style, out);
    }
    if (diff->n_changes > SHORT_CHANGES)
        es_text_printf(out, ", and %u more", diff->n_changes - SHORT_CHANGES);
}

static void json_diff(struct es_state_view *view, const struct es_diff *diff, struct es_text *out)
{
    es_text_puts(out, ",\"changes\":[");
    for (uint32_t i = 0; i < diff->n_changes; i++) {
        es_text_puts(out, i ? "," : "");
        es_diff_json(diff, &diff->changes[i], es_query_print(view->query, view->erlang), out);
    }
    es_text_puts(out, "]");
}

/* What changed since the version before, where both were captured. */
static void add_changes(struct history *h, size_t i, const struct es_state_tree *now, struct es_text *out)
{
    struct es_state_tree before;
    struct es_diff diff;
    if (i == 0 || !now->bytes || es_state_tree_of(h->view, &h->list[i - 1], &before) < 0) {
        es_error_clear();
        if (h->view->json)
            es_text_puts(out, ",\"changes\":null");
        return;
    }
    if (es_diff_make(&before.tree, &now->tree, &diff) == 0) {
        if (h->view->json)
            json_diff(h->view, &diff, out);
        else
            short_diff(h->view, &diff, out);
        es_diff_fini(&diff);
    }
    es_state_tree_fini(&before);
}

static const char *known_of(const struct es_version_info *version)
{
    return version->flags & ES_E_STATE_MISSED ? "missed"
           : version->flags & ES_E_CUT        ? "cut"
           : version->flags & ES_E_REDACTED   ? "redacted"
                                              : "captured";
}

static void add_line(struct history *h, size_t i, struct es_text *out)
{
    struct es_state_view *view = h->view;
    const struct es_version_info *version = &h->list[i];
    struct es_version_cause cause;
    struct es_state_tree now = {0};
    struct es_cli_buf size;
    bool captured = es_state_tree_of(view, version, &now) == 0;
    es_error_clear();
    es_query_version_cause(view->query, version, &cause);
    if (view->json) {
        es_text_printf(out, "{\"version\":%zu,\"time\":%" PRId64 ",\"seq\":%" PRIu64 ",\"known\":\"%s\",\"bytes\":%zu",
                       i + 1, version->time, version->seq, known_of(version), captured ? now.tree.len : (size_t)0);
        es_state_json_cause(view, version, &cause, out);
    } else {
        es_text_printf(out, "%6zu  ", i + 1);
        es_state_print_time(view, version->time, out);
        es_text_printf(out, "  %9s  ", captured ? es_cli_bytes(now.tree.len, &size) : known_of(version));
        es_state_print_cause(view, version, &cause, out);
        es_text_puts(out, "  ");
    }
    add_changes(h, i, &now, out);
    if (view->json)
        es_text_puts(out, "}");
    es_state_tree_fini(&now);
}

static int find_range(struct es_state_view *view, es_ref pid, int64_t at, struct history *h)
{
    size_t n = 0;
    int64_t since = INT64_MIN;
    int rc = es_query_versions(view->query, pid, &h->list, &n);
    if (rc == 0 && view->since)
        rc = es_query_time(view->query, view->since, &since);
    if (rc < 0)
        return rc;
    if (n == 0) {
        struct es_state none;
        return es_query_state(view->query, pid, INT64_MAX, &none); /* says why */
    }
    h->to = n;
    while (h->to > 0 && (view->until ? h->list[h->to - 1].time >= at : h->list[h->to - 1].time > at))
        h->to--;
    while (h->from < h->to && h->list[h->from].time < since)
        h->from++;
    return 0;
}

int es_state_history(struct es_state_view *view, es_ref pid, int64_t at)
{
    struct history h = {.view = view};
    struct es_text line = {0};
    if (find_range(view, pid, at, &h) < 0)
        return es_cli_failure("state");
    /* The list may be replaced while names and causes are looked up. */
    struct es_version_info *copy = malloc((h.to + 1) * sizeof *copy);
    if (!copy) {
        es_fail(-ENOMEM, "no memory for %zu versions", h.to);
        return es_cli_failure("state");
    }
    memcpy(copy, h.list, h.to * sizeof *copy);
    h.list = copy;
    for (size_t k = 0; k < h.to - h.from && (view->limit == 0 || k < view->limit) && !es_cli_interrupted(); k++) {
        add_line(&h, view->reverse ? h.to - 1 - k : h.from + k, &line);
        if (!es_cli_flush(&line, stdout))
            break;
    }
    es_text_fini(&line);
    free(copy);
    return ES_EXIT_OK;
}

/* ---- diff ---------------------------------------------------------------------------------------------------------- */

static int by_node(const void *a, const void *b)
{
    const struct es_layout_mark *x = a, *y = b;
    return x->node < y->node ? -1 : x->node > y->node;
}

/* The new state with what changed in it in colours; on a terminal only. */
static void print_marked(struct es_state_view *view, const struct es_diff *diff, struct es_text *out)
{
    struct es_diff_style style = colours();
    struct es_layout_mark *marks = *style.none ? malloc((diff->n_changes + 1) * sizeof *marks) : NULL;
    size_t n = 0;
    if (!marks)
        return;
    for (uint32_t i = 0; i < diff->n_changes; i++)
        if (diff->changes[i].new_node != ES_NO_NODE && diff->changes[i].op != ES_CHANGE_UNKNOWN)
            marks[n++] =
                (struct es_layout_mark){.node = diff->changes[i].new_node,
                                        .before = diff->changes[i].op == ES_CHANGE_ADDED ? style.added : style.changed,
                                        .after = style.none};
    qsort(marks, n, sizeof *marks, by_node);
    struct es_layout layout = {
        .print = es_query_print(view->query, view->erlang), .width = view->width, .marks = marks, .n_marks = n};
    es_text_puts(out, "\n");
    es_layout_print(diff->to, 0, &layout, out);
    free(marks);
}

static void print_versions(struct es_state_view *view, const struct es_version_info *list, const size_t number[2],
                           struct es_text *out)
{
    struct es_version_cause cause;
    const char *bold = es_cli_style(stdout, ES_STYLE_BOLD), *none = es_cli_style(stdout, ES_STYLE_NONE);
    es_query_version_cause(view->query, &list[number[1] - 1], &cause);
    es_text_printf(out, "%sversion %zu", bold, number[0]);
    es_text_puts(out, ", ");
    es_state_print_time(view, list[number[0] - 1].time, out);
    es_text_printf(out, " \xe2\x86\x92 version %zu, ", number[1]);
    es_state_print_time(view, list[number[1] - 1].time, out);
    es_text_printf(out, "%s, set by ", none);
    es_state_print_cause(view, &list[number[1] - 1], &cause, out);
    es_text_puts(out, "\n");
}

static void print_diff(struct es_state_view *view, const struct es_diff *diff, struct es_text *out)
{
    struct es_print print = *es_query_print(view->query, view->erlang);
    struct es_diff_style style = colours();
    print.max_bytes = CHANGE_BYTES;
    for (uint32_t i = 0; i < diff->n_changes && (view->limit == 0 || i < view->limit); i++) {
        es_text_puts(out, i ? "\n" : "");
        es_diff_print(diff, &diff->changes[i], &print, &style, out);
    }
    if (diff->n_changes == 0)
        es_text_puts(out, "nothing changed");
    print_marked(view, diff, out);
}

static int compare(struct es_state_view *view, const struct es_version_info *list, const size_t number[2],
                   struct es_text *out)
{
    struct es_state_tree trees[2] = {{0}};
    struct es_diff diff;
    int rc = 0;
    for (int i = 0; i < 2 && rc == 0; i++) {
        rc = es_state_tree_of(view, &list[number[i] - 1], &trees[i]);
        if (rc < 0)
            es_fail(rc, "version %zu", number[i]);
    }
    if (rc == 0)
        rc = es_diff_make(&trees[0].tree, &trees[1].tree, &diff);
    if (rc == 0) {
        if (view->json) {
            struct es_version_cause cause;
            es_query_version_cause(view->query, &list[number[1] - 1], &cause);
            es_text_printf(out, "{\"from\":%zu,\"to\":%zu,\"from_time\":%" PRId64 ",\"to_time\":%" PRId64, number[0],
                           number[1], list[number[0] - 1].time, list[number[1] - 1].time);
            es_state_json_cause(view, &list[number[1] - 1], &cause, out);
            json_diff(view, &diff, out);
            es_text_puts(out, "}");
        } else {
            print_versions(view, list, number, out);
            print_diff(view, &diff, out);
        }
        es_diff_fini(&diff);
    }
    es_state_tree_fini(&trees[0]);
    es_state_tree_fini(&trees[1]);
    return rc;
}

int es_state_diff(struct es_state_view *view, es_ref pid, int64_t at)
{
    struct history h = {.view = view};
    struct es_text out = {0};
    int rc = find_range(view, pid, at, &h);
    if (rc == 0 && h.to == 0)
        rc = es_fail(-ENODATA, "no version was recorded until then");
    if (rc == 0 && !view->since && h.to == 1)
        rc = es_fail(-ENODATA, "version 1 is the first: there is none before it");
    if (rc == 0) {
        /* With --since: from the version in force then. */
        size_t before = view->since ? h.from : h.to - 1;
        size_t number[2] = {before > 0 ? before : 1, h.to};
        rc = compare(view, h.list, number, &out);
    }
    if (rc == 0)
        es_cli_flush(&out, stdout);
    es_text_fini(&out);
    return rc < 0 ? es_cli_failure("state") : ES_EXIT_OK;
}
