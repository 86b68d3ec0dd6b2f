/* SPDX-License-Identifier: MIT */
/* Time by call stack: a tree of functions, in which each span is added to the node of its stack. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/sql.h"
#include "query/sql_places.h"
#include "wire/term.h"

#define NODES_MAX (1u << 20)
#define ROOT 0u

struct node {
    uint32_t above; /* the node it is called from; ROOT: none */
    uint32_t depth;
    es_ref module, function;
    uint16_t arity;
    uint64_t spans;
    int64_t duration, inner;
};

struct flame {
    struct node *nodes; /* 0 is the root */
    uint32_t n, room, at;
    struct es_refmap places; /* hash of a node to its index */
    int failed;
    struct es_text stack;
};

/* ---- the tree ------------------------------------------------------------------------------------------------------ */

static int add_node(struct flame *f, const struct node *node)
{
    if (f->n == f->room) {
        uint32_t room = f->room ? f->room * 2 : 256;
        struct node *nodes = f->n < NODES_MAX ? realloc(f->nodes, room * sizeof *nodes) : NULL;
        if (!nodes)
            return f->n < NODES_MAX ? -ENOMEM : es_fail(-E2BIG, "there are more than %u stacks", NODES_MAX);
        f->nodes = nodes;
        f->room = room;
    }
    f->nodes[f->n++] = *node;
    return 0;
}

static bool is_same(const struct node *a, const struct node *b)
{
    return a->above == b->above && a->module == b->module && a->function == b->function && a->arity == b->arity;
}

/* Index of the function's node below another, made where there is none. 0: it cannot be. */
static uint32_t node_of(struct flame *f, uint32_t above, const struct es_sql_span *span)
{
    struct node node = {.above = above,
                        .depth = f->nodes[above].depth + 1,
                        .module = span->module,
                        .function = span->function,
                        .arity = span->arity};
    uint64_t key = es_hash_mix(es_hash_mix(es_hash_mix(above + 1, node.module), node.function), node.arity);
    for (;;) {
        uint64_t *place = es_refmap_place(&f->places, key ? key : 1);
        if (place && *place && is_same(&f->nodes[*place], &node))
            return (uint32_t)*place;
        if (place && *place) { /* another with the same hash */
            key = es_hash_mix(key, 1);
            continue;
        }
        f->failed = place ? add_node(f, &node) : -ENOMEM;
        if (f->failed < 0)
            return ROOT;
        *place = f->n - 1;
        return f->n - 1;
    }
}

static void on_begin(struct es_sql_spans *spans, struct es_sql_span *span, void *context)
{
    struct flame *f = context;
    const struct es_sql_span *outer = es_sql_spans_find(spans, span->parent);
    if (f->failed == 0)
        span->tag = node_of(f, outer ? (uint32_t)outer->tag : ROOT, span);
}

static int fill(struct es_sql_scan *scan, struct flame *f)
{
    struct es_sql_spans *spans = NULL;
    struct es_sql_span span;
    int rc = es_sql_spans_open(scan, &spans);
    while (rc == 0 && f->failed == 0) {
        rc = es_sql_spans_next(spans, on_begin, f, &span);
        if (rc <= 0)
            break;
        rc = 0;
        if (span.end_kind == ES_K_NONE)
            continue;
        struct node *node = &f->nodes[span.tag];
        node->spans++;
        node->duration += span.end_time - span.time;
        node->inner += span.inner;
    }
    es_sql_spans_close(spans);
    return f->failed < 0 ? f->failed : rc;
}

/* ---- the table ----------------------------------------------------------------------------------------------------- */

static int ask_process(struct es_sql_scan *scan)
{
    const char *who = es_sql_text_argument(scan, ES_FLAME_PID, NULL);
    return who ? es_query_pids(scan->sql->query, who, &scan->ask.pids, &scan->ask.n_pids) : 0;
}

static int open_flame(struct es_sql_scan *scan)
{
    struct flame *f = calloc(1, sizeof *f);
    scan->state = f;
    if (!f)
        return -ENOMEM;
    f->at = 1;
    int rc = ask_process(scan);
    if (rc == 0)
        rc = add_node(f, &(struct node){0});
    return rc < 0 ? rc : fill(scan, f);
}

static void print_fun(struct es_sql_scan *scan, const struct node *node, struct es_text *out)
{
    struct es_event event = {.module = node->module, .function = node->function, .arity = node->arity};
    es_query_print_fun(scan->sql->query, &event, scan->ask.erlang, out);
}

static int print_stack(struct es_sql_scan *scan, struct flame *f, uint32_t i)
{
    uint32_t depth = f->nodes[i].depth, *path = malloc(depth * sizeof *path);
    if (!path)
        return -ENOMEM;
    for (uint32_t k = depth; k-- > 0; i = f->nodes[i].above)
        path[k] = i;
    es_text_clear(&f->stack);
    for (uint32_t k = 0; k < depth; k++) {
        es_text_puts(&f->stack, k ? ";" : "");
        print_fun(scan, &f->nodes[path[k]], &f->stack);
    }
    free(path);
    return f->stack.failed ? -ENOMEM : 0;
}

static int next_node(struct es_sql_scan *scan)
{
    struct flame *f = scan->state;
    struct es_sql_row *row = &scan->row;
    while (f->at < f->n && f->nodes[f->at].spans == 0) /* only open spans */
        f->at++;
    if (f->at >= f->n)
        return 0;
    const struct node *node = &f->nodes[f->at];
    int rc = print_stack(scan, f, f->at++);
    row->present = 0;
    row->id = (int64_t)scan->number;
    es_sql_put(row, ES_FLAME_STACK, (int64_t)(intptr_t)f->stack.bytes);
    es_sql_put(row, ES_FLAME_DEPTH, node->depth);
    es_sql_put(row, ES_FLAME_MODULE, (int64_t)node->module);
    es_sql_put(row, ES_FLAME_FUNCTION, (int64_t)node->function);
    es_sql_put(row, ES_FLAME_ARITY, node->arity);
    es_sql_put(row, ES_FLAME_SPANS, (int64_t)node->spans);
    es_sql_put(row, ES_FLAME_DURATION, node->duration);
    es_sql_put(row, ES_FLAME_SELF, node->duration - node->inner);
    return rc < 0 ? rc : 1;
}

static void close_flame(struct es_sql_scan *scan)
{
    struct flame *f = scan->state;
    if (!f)
        return;
    free(f->nodes);
    es_refmap_fini(&f->places);
    es_text_fini(&f->stack);
    free(f);
}

const struct es_sql_source es_sql_flame_source = {open_flame, next_node, close_flame};
