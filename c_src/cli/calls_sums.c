/* SPDX-License-Identifier: MIT */
/* Calls summed up: by function, as a tree of paths, as folded stacks. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/calls.h"

struct sums {
    struct es_calls *calls;
    struct es_profile_row *rows;
    size_t n;
    uint32_t *above, *next; /* of a tree: first path in a path, and the next beside it */
    uint64_t printed;
};

static void add_duration(struct es_text *out, int64_t ns)
{
    struct es_cli_buf buf;
    const char *text = ns < 0 ? "-" : es_cli_duration(ns, &buf);
    size_t columns = 0;
    for (const char *at = text; *at; at++)
        columns += ((unsigned char)*at & 0xc0) != 0x80;
    es_text_printf(out, "%*s%s", (int)(columns < 10 ? 10 - columns : 1), "", text);
}

static int64_t average_of(const struct es_profile_row *row)
{
    return row->timed ? row->total / (int64_t)row->timed : -1;
}

static int64_t known(const struct es_profile_row *row, int64_t ns) { return row->timed ? ns : -1; }

static void json_sums(const struct es_profile_row *row, struct es_text *out)
{
    es_text_printf(out, ",\"count\":%" PRIu64 ",\"timed\":%" PRIu64, row->count, row->timed);
    es_calls_json_ns(out, "total", known(row, row->total));
    es_calls_json_ns(out, "self", known(row, row->self));
    es_calls_json_ns(out, "average", average_of(row));
    es_calls_json_ns(out, "max", known(row, row->max));
    es_calls_json_ns(out, "running", known(row, row->running));
    es_calls_json_ns(out, "runnable", known(row, row->runnable));
    es_calls_json_ns(out, "waiting", known(row, row->waiting));
    es_calls_json_ns(out, "gc", known(row, row->gc));
    es_text_puts(out, ",\"ends\":{");
    for (unsigned how = 0; how < ES_SPAN_ENDS; how++)
        es_text_printf(out, "%s\"%s\":%" PRIu64, how ? "," : "", es_span_end_names[how], row->ends[how]);
    es_text_puts(out, "}");
}

static bool may_print(struct sums *s) { return s->calls->limit == 0 || s->printed < s->calls->limit; }

static bool flush(struct sums *s, struct es_text *line)
{
    s->printed++;
    return es_cli_flush(line, stdout);
}

/* ---- by function --------------------------------------------------------------------------------------------------- */

static void print_top(struct sums *s)
{
    struct es_text line = {0};
    if (!s->calls->json)
        printf("%s%10s%10s%10s%10s%10s%10s  %s%s\n", es_cli_style(stdout, ES_STYLE_BOLD), "CALLS", "TOTAL", "SELF",
               "AVERAGE", "LARGEST", "P99", "FUNCTION", es_cli_style(stdout, ES_STYLE_NONE));
    for (size_t i = 0; i < s->n && may_print(s); i++) {
        const struct es_profile_row *row = &s->rows[i];
        struct es_cli_buf count;
        if (s->calls->json) {
            es_text_puts(&line, "{");
            es_calls_json_fun(s->calls, row->module, row->function, row->arity, &line);
            json_sums(row, &line);
            es_calls_json_ns(&line, "p99", known(row, row->p99));
            es_text_puts(&line, "}");
        } else {
            es_text_printf(&line, "%10s", es_cli_count(row->count, &count));
            add_duration(&line, known(row, row->total));
            add_duration(&line, known(row, row->self));
            add_duration(&line, average_of(row));
            add_duration(&line, known(row, row->max));
            add_duration(&line, known(row, row->p99));
            es_text_puts(&line, "  ");
            es_calls_add_fun(s->calls, row->module, row->function, row->arity, &line);
            if (row->ends[ES_SPAN_EXCEPTION] + row->ends[ES_SPAN_UNWOUND] + row->ends[ES_SPAN_EXIT] > 0)
                es_text_printf(&line, "  %s%" PRIu64 " failed%s", es_cli_style(stdout, ES_STYLE_RED),
                               row->ends[ES_SPAN_EXCEPTION] + row->ends[ES_SPAN_UNWOUND] + row->ends[ES_SPAN_EXIT],
                               es_cli_style(stdout, ES_STYLE_NONE));
        }
        if (!flush(s, &line))
            break;
    }
    es_text_fini(&line);
}

/* ---- by path ------------------------------------------------------------------------------------------------------- */

/* The rows from the outermost to `row`; functions that lie below rows that the filter took out keep their place. */
static void add_path(struct sums *s, uint32_t row, struct es_text *out)
{
    uint32_t chain[256];
    size_t n = 0;
    for (; row != ES_PATH_NONE && n < sizeof chain / sizeof *chain; row = s->rows[row].below)
        chain[n++] = row;
    if (row != ES_PATH_NONE)
        es_text_puts(out, s->calls->json ? "\"…\"," : "…;");
    while (n-- > 0) {
        const struct es_profile_row *r = &s->rows[chain[n]];
        struct es_text fun = {0};
        es_calls_add_fun(s->calls, r->module, r->function, r->arity, &fun);
        if (s->calls->json)
            es_text_json(out, fun.bytes ? fun.bytes : "", fun.len);
        else
            es_text_add(out, fun.bytes ? fun.bytes : "", fun.len);
        es_text_puts(out, n == 0 ? "" : s->calls->json ? "," : ";");
        es_text_fini(&fun);
    }
}

static void print_flame(struct sums *s)
{
    struct es_text line = {0};
    for (uint32_t i = 0; i < s->n && may_print(s); i++) {
        const struct es_profile_row *row = &s->rows[i];
        int64_t value = (row->self + 500) / 1000;
        if (row->timed == 0 || value == 0)
            continue;
        es_text_puts(&line, s->calls->json ? "{\"path\":[" : "");
        add_path(s, i, &line);
        es_text_printf(&line, s->calls->json ? "],\"self\":%" PRId64 "}" : " %" PRId64,
                       s->calls->json ? row->self : value);
        if (!flush(s, &line))
            break;
    }
    es_text_fini(&line);
}

static void print_node(struct sums *s, uint32_t i, unsigned depth, struct es_text *line)
{
    const struct es_profile_row *row = &s->rows[i];
    struct es_cli_buf count;
    if (s->calls->json) {
        es_text_puts(line, "{\"path\":[");
        add_path(s, i, line);
        es_text_puts(line, "],");
        es_calls_json_fun(s->calls, row->module, row->function, row->arity, line);
        json_sums(row, line);
        es_text_puts(line, "}");
        return;
    }
    es_text_printf(line, "%10s", es_cli_count(row->count, &count));
    add_duration(line, known(row, row->total));
    add_duration(line, known(row, row->self));
    es_text_printf(line, "  %*s", (int)(depth < 40 ? depth * 2 : 80), "");
    es_calls_add_fun(s->calls, row->module, row->function, row->arity, line);
}

static bool is_empty(const struct sums *s, uint32_t i)
{
    if (s->rows[i].count > 0)
        return false;
    for (uint32_t child = s->above[i]; child != ES_PATH_NONE; child = s->next[child])
        if (s->rows[child].count > 0 || s->above[child] != ES_PATH_NONE)
            return false;
    return true;
}

/* Down into a path, then to the one beside it: paths may be as deep as recursion was. */
static void print_paths(struct sums *s, uint32_t root)
{
    struct es_text line = {0};
    unsigned depth = 0;
    for (uint32_t i = root; i != ES_PATH_NONE && may_print(s);) {
        if (!is_empty(s, i)) {
            print_node(s, i, depth, &line);
            if (!flush(s, &line))
                break;
        }
        if (s->above[i] != ES_PATH_NONE) {
            i = s->above[i];
            depth++;
            continue;
        }
        while (i != ES_PATH_NONE && s->next[i] == ES_PATH_NONE) {
            i = s->rows[i].below;
            depth--;
        }
        i = i == ES_PATH_NONE ? i : s->next[i];
    }
    es_text_fini(&line);
}

static struct es_profile_row *ordering; /* for qsort */
static int by_total(const void *a, const void *b)
{
    const struct es_profile_row *x = &ordering[*(const uint32_t *)a], *y = &ordering[*(const uint32_t *)b];
    if (x->total != y->total)
        return x->total < y->total ? -1 : 1;
    return (x->count > y->count) - (x->count < y->count);
}

/* Puts each path into the list of the one below it, the one with the most time first. */
static bool print_tree(struct sums *s)
{
    uint32_t *order = malloc((s->n + 1) * 3 * sizeof *order), root = ES_PATH_NONE;
    if (!order)
        return false;
    s->above = order + s->n + 1;
    s->next = s->above + s->n + 1;
    for (uint32_t i = 0; i < s->n; i++) {
        order[i] = i;
        s->above[i] = s->next[i] = ES_PATH_NONE;
    }
    ordering = s->rows;
    qsort(order, s->n, sizeof *order, by_total);
    for (size_t k = 0; k < s->n; k++) {
        uint32_t *list = s->rows[order[k]].below == ES_PATH_NONE ? &root : &s->above[s->rows[order[k]].below];
        s->next[order[k]] = *list;
        *list = order[k];
    }
    if (!s->calls->json)
        printf("%s%10s%10s%10s  %s%s\n", es_cli_style(stdout, ES_STYLE_BOLD), "CALLS", "TOTAL", "SELF", "FUNCTION",
               es_cli_style(stdout, ES_STYLE_NONE));
    print_paths(s, root);
    free(order);
    return true;
}

int es_calls_sums(struct es_calls *calls)
{
    struct sums s = {.calls = calls};
    enum es_profile by = calls->mode == ES_CALLS_TOP ? ES_PROFILE_FUNCTIONS : ES_PROFILE_PATHS;
    if (es_query_profile(calls->query, &calls->filter, by, &s.rows, &s.n) < 0)
        return es_cli_failure("calls");
    bool done = true;
    if (calls->mode == ES_CALLS_TOP)
        print_top(&s);
    else if (calls->mode == ES_CALLS_FLAME)
        print_flame(&s);
    else
        done = print_tree(&s);
    free(s.rows);
    return done ? ES_EXIT_OK : es_cli_failure("calls");
}
