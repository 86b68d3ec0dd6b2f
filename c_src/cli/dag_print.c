/* SPDX-License-Identifier: MIT */
/* DAGs as text, JSON, Graphviz and Mermaid. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/dag.h"
#include "term/utf8.h"

#define LABEL_COLUMNS 100

/* ---- labels -------------------------------------------------------------------------------------------------------- */

static void label_event(struct es_dag_print *p, const struct es_dag_node *node, struct es_text *out)
{
    const struct es_event *event;
    if (es_query_event(p->teller.query, node->seq, &event) < 0) {
        es_error_clear();
        return;
    }
    struct es_event copy = *event;
    if (node->pid != ES_REF_NONE) {
        es_tell_who(&p->teller, node->pid, node->time, out);
        es_text_puts(out, " ");
    }
    es_tell_event(&p->teller, &copy, out);
}

static void label_process(struct es_dag_print *p, const struct es_dag_node *node, struct es_text *out)
{
    const struct es_event *event;
    int64_t time = node->time;
    if (es_query_event(p->teller.query, node->last, &event) == 0)
        time = event->time;
    es_error_clear();
    es_tell_who(&p->teller, node->pid, time, out);
    if (node->phase > 1)
        es_text_printf(out, " (phase %u)", node->phase);
}

static void label_call(struct es_dag_print *p, const struct es_dag_node *node, struct es_text *out)
{
    struct es_event call = {
        .kind = ES_K_CALL, .module = node->module, .function = node->function, .arity = node->arity};
    struct es_cli_buf buf;
    es_tell_who(&p->teller, node->pid, node->time, out);
    es_text_puts(out, " ");
    es_query_print_fun(p->teller.query, &call, p->teller.erlang, out);
    if (node->total >= 0)
        es_text_printf(out, " %s", es_cli_duration(node->total, &buf));
    es_text_printf(out, " %s", es_span_end_names[node->how]);
}

static void label_value(struct es_dag_print *p, const struct es_dag_node *node, struct es_text *out)
{
    es_tell_who(&p->teller, node->pid, node->time, out);
    es_text_printf(out, " %s", es_kind_table[node->kind].name);
    if (node->module != ES_REF_NONE) {
        struct es_event call = {
            .kind = ES_K_CALL, .module = node->module, .function = node->function, .arity = node->arity};
        es_text_puts(out, " ");
        es_query_print_fun(p->teller.query, &call, p->teller.erlang, out);
    }
    es_text_puts(out, ": ");
    es_query_dag_value(p->teller.query, node, p->teller.erlang, out);
}

void es_dag_label(struct es_dag_print *p, const struct es_dag_node *node, struct es_text *out)
{
    struct es_text whole = {0};
    switch (node->what) {
    case ES_DAG_PROCESS: label_process(p, node, &whole); break;
    case ES_DAG_CALL: label_call(p, node, &whole); break;
    case ES_DAG_VALUE: label_value(p, node, &whole); break;
    default: label_event(p, node, &whole);
    }
    es_tell_cut(out, &whole, LABEL_COLUMNS);
    es_text_fini(&whole);
}

void es_dag_edge_label(const struct es_dag_edge *edge, struct es_text *out)
{
    struct es_cli_buf buf;
    es_text_printf(out, "%s%s", edge->maybe ? "possibly " : "", es_dag_edge_names[edge->kind]);
    if (edge->count > 1)
        es_text_printf(out, " %" PRIu64 "x", edge->count);
    if (edge->timed > 0)
        es_text_printf(out, " %s", es_cli_duration(edge->latency / (int64_t)edge->timed, &buf));
    if (edge->seq && edge->kind == ES_DAG_E_CHANGE)
        es_text_printf(out, " by #%" PRIu64, edge->seq);
}

/* ---- text ---------------------------------------------------------------------------------------------------------- */

static void print_left(const struct es_dag_print *p)
{
    const struct es_dag *dag = &p->dag;
    struct es_cli_buf buf;
    if (dag->left_nodes > 0)
        printf("… %s%s nodes more: --limit, --since, --until, --focus\n", dag->left_more ? "at least " : "",
               es_cli_count(dag->left_nodes, &buf));
    else if (dag->left_more)
        printf("… there is more: --limit\n");
    if (dag->left_edges > 0)
        printf("… %s edges more\n", es_cli_count(dag->left_edges, &buf));
}

static size_t text_node(struct es_dag_print *p, size_t i, size_t edge, struct es_text *line)
{
    const struct es_dag *dag = &p->dag;
    const struct es_dag_node *node = &dag->nodes[i];
    struct es_text words = {0};
    struct es_cli_buf buf;
    es_text_printf(line, "%4zu%s #%-8" PRIu64 " +%-9s ", i + 1, node->critical ? "*" : " ", node->seq,
                   es_cli_duration(node->time - p->teller.zero, &buf));
    es_dag_label(p, node, &words);
    es_tell_cut(line, &words, p->teller.width > 50 ? p->teller.width - 27 : 30);
    es_text_fini(&words);
    for (; edge < dag->n_edges && dag->edges[edge].to == i; edge++) {
        es_text_printf(line, "\n       %s%s%u ", es_cli_style(stdout, ES_STYLE_DIM),
                       dag->edges[edge].critical ? "* from " : "  from ", dag->edges[edge].from + 1);
        es_dag_edge_label(&dag->edges[edge], line);
        es_text_puts(line, es_cli_style(stdout, ES_STYLE_NONE));
    }
    return edge;
}

void es_dag_print_text(struct es_dag_print *p)
{
    const struct es_dag *dag = &p->dag;
    struct es_text line = {0};
    size_t edge = 0;
    printf("%s%s%s: nodes are %s, edges %s; %zu nodes, %zu edges\n", es_cli_style(stdout, ES_STYLE_BOLD),
           es_dag_views[dag->view].name, es_cli_style(stdout, ES_STYLE_NONE), es_dag_views[dag->view].node,
           es_dag_views[dag->view].edge, dag->n_nodes, dag->n_edges);
    for (size_t i = 0; i < dag->n_nodes && !es_cli_interrupted(); i++) {
        edge = text_node(p, i, edge, &line);
        if (!es_cli_flush(&line, stdout))
            break;
    }
    es_text_fini(&line);
    print_left(p);
}

/* ---- JSON ---------------------------------------------------------------------------------------------------------- */

static void json_ns(struct es_text *out, const char *key, int64_t ns)
{
    if (ns >= 0)
        es_text_printf(out, ",\"%s\":%" PRId64, key, ns);
}

static void json_ref(struct es_dag_print *p, const char *key, es_ref ref, struct es_text *out)
{
    struct es_text text = {0};
    if (ref == ES_REF_NONE)
        return;
    es_query_print_ref(p->teller.query, ref, true, &text);
    es_text_printf(out, ",\"%s\":", key);
    es_text_json(out, text.bytes ? text.bytes : "", text.len);
    es_text_fini(&text);
}

static void json_function(struct es_dag_print *p, const struct es_dag_node *node, struct es_text *out)
{
    struct es_event call = {
        .kind = ES_K_CALL, .module = node->module, .function = node->function, .arity = node->arity};
    struct es_text text = {0};
    if (node->module == ES_REF_NONE)
        return;
    es_query_print_fun(p->teller.query, &call, p->teller.erlang, &text);
    es_text_puts(out, ",\"function\":");
    es_text_json(out, text.bytes ? text.bytes : "", text.len);
    es_text_fini(&text);
}

static void json_what(const struct es_dag_node *node, struct es_text *out)
{
    if (node->what == ES_DAG_PROCESS)
        es_text_printf(out, ",\"phase\":%u,\"level\":%u", node->phase, node->level);
    else
        es_text_printf(out, ",\"event\":\"%s\"", es_kind_table[node->kind].name);
    if (node->bytes)
        es_text_printf(out, ",\"bytes\":%" PRIu64, node->bytes);
    if (node->what == ES_DAG_VERSION)
        es_text_printf(out, ",\"same\":%s,\"missed\":%s", node->flags & ES_E_STATE_SAME ? "true" : "false",
                       node->flags & ES_E_STATE_MISSED ? "true" : "false");
    if (node->what == ES_DAG_CALL)
        es_text_printf(out, ",\"end\":\"%s\"", es_span_end_names[node->how]);
}

static void json_node(struct es_dag_print *p, size_t i, struct es_text *out)
{
    const struct es_dag_node *node = &p->dag.nodes[i];
    struct es_text label = {0};
    es_text_printf(out, "%s{\"id\":%zu,\"what\":\"%s\",\"seq\":%" PRIu64 ",\"last\":%" PRIu64 ",\"time\":%" PRId64,
                   i ? "," : "", i, es_dag_what_names[node->what], node->seq, node->last, node->time);
    json_what(node, out);
    json_ref(p, "pid", node->pid, out);
    json_ref(p, "name", node->pid ? es_query_name(p->teller.query, node->pid, node->time) : ES_REF_NONE, out);
    json_function(p, node, out);
    es_text_printf(out, ",\"count\":%" PRIu64, node->count);
    json_ns(out, "total", node->total);
    json_ns(out, "self", node->self);
    json_ns(out, "running", node->running);
    json_ns(out, "runnable", node->runnable);
    json_ns(out, "waiting", node->waiting);
    json_ns(out, "gc", node->gc);
    if (p->dag.view == ES_DAG_PERFORMANCE)
        es_text_printf(out, ",\"critical\":%s", node->critical ? "true" : "false");
    es_text_puts(out, ",\"label\":");
    es_dag_label(p, node, &label);
    es_text_json(out, label.bytes ? label.bytes : "", label.len);
    es_text_puts(out, "}");
    es_text_fini(&label);
}

static void json_edge(struct es_dag_print *p, size_t i, struct es_text *out)
{
    const struct es_dag_edge *edge = &p->dag.edges[i];
    struct es_text label = {0};
    es_text_printf(out, "%s{\"from\":%u,\"to\":%u,\"kind\":\"%s\",\"possibly\":%s,\"count\":%" PRIu64, i ? "," : "",
                   edge->from, edge->to, es_dag_edge_names[edge->kind], edge->maybe ? "true" : "false", edge->count);
    if (edge->timed > 0)
        es_text_printf(out, ",\"timed\":%" PRIu64 ",\"latency\":%" PRId64 ",\"max\":%" PRId64, edge->timed,
                       edge->latency, edge->max);
    if (edge->seq)
        es_text_printf(out, ",\"seq\":%" PRIu64, edge->seq);
    if (p->dag.view == ES_DAG_PERFORMANCE)
        es_text_printf(out, ",\"critical\":%s", edge->critical ? "true" : "false");
    es_text_puts(out, ",\"label\":");
    es_dag_edge_label(edge, &label);
    es_text_json(out, label.bytes ? label.bytes : "", label.len);
    es_text_puts(out, "}");
    es_text_fini(&label);
}

static void json_time(struct es_text *out, const char *key, int64_t time)
{
    if (time == INT64_MIN || time == INT64_MAX)
        es_text_printf(out, "\"%s\":null,", key);
    else
        es_text_printf(out, "\"%s\":%" PRId64 ",", key, time);
}

void es_dag_print_json(struct es_dag_print *p)
{
    const struct es_dag *dag = &p->dag;
    struct es_text out = {0};
    es_text_printf(&out, "{\"kind\":\"%s\",\"window\":{", es_dag_views[dag->view].name);
    json_time(&out, "since", p->request.since);
    json_time(&out, "until", p->request.until);
    es_text_printf(&out, p->request.focus ? "\"focus\":%" PRIu64 : "\"focus\":null", p->request.focus);
    es_text_printf(&out, "},\"left_out\":{\"nodes\":%" PRIu64 ",\"edges\":%" PRIu64 ",\"more\":%s},\"nodes\":[",
                   dag->left_nodes, dag->left_edges, dag->left_more ? "true" : "false");
    bool writes = es_cli_flush(&out, stdout);
    for (size_t i = 0; writes && i < dag->n_nodes; i++) {
        json_node(p, i, &out);
        writes = es_cli_flush(&out, stdout);
    }
    es_text_puts(&out, "],\"edges\":[");
    writes = writes && es_cli_flush(&out, stdout);
    for (size_t i = 0; writes && i < dag->n_edges; i++) {
        json_edge(p, i, &out);
        writes = es_cli_flush(&out, stdout);
    }
    es_text_puts(&out, "]}");
    if (writes)
        es_cli_flush(&out, stdout);
    es_text_fini(&out);
}

/* ---- Graphviz and Mermaid ------------------------------------------------------------------------------------------ */

/* What cannot stand in a quoted text as it is: Graphviz reads escapes and HTML's entities, Mermaid entities with '#',
 * tags, Markdown and directives. */
static const char *quoted(unsigned char byte, bool mermaid)
{
    switch (byte) {
    case '"': return mermaid ? "#quot;" : "\\\"";
    case '&': return mermaid ? "#amp;" : "&amp;";
    case '\\': return mermaid ? "#92;" : "\\\\";
    case '<': return mermaid ? "#lt;" : NULL;
    case '>': return mermaid ? "#gt;" : NULL;
    case '#': return mermaid ? "#35;" : NULL;
    case '`': return mermaid ? "#96;" : NULL;
    case '%': return mermaid ? "#37;" : NULL;
    case '*': return mermaid ? "#42;" : NULL;
    case '_': return mermaid ? "#95;" : NULL;
    default: return byte < 0x20 || byte == 0x7f ? " " : NULL;
    }
}

static void add_quoted(struct es_text *out, const struct es_text *text, bool mermaid)
{
    for (size_t i = 0; i < text->len;) {
        unsigned char byte = (unsigned char)text->bytes[i];
        const char *instead = quoted(byte, mermaid);
        size_t len = 1;
        if (byte >= 0x80) {
            uint32_t point;
            len = es_utf8_next((const uint8_t *)text->bytes + i, text->len - i, &point);
            instead = len == 0 ? "\xef\xbf\xbd" : NULL;
            len = len ? len : 1;
        }
        if (instead)
            es_text_puts(out, instead);
        else
            es_text_add(out, text->bytes + i, len);
        i += len;
    }
}

static void print_graph(struct es_dag_print *p, bool mermaid)
{
    const struct es_dag *dag = &p->dag;
    struct es_text out = {0}, label = {0};
    bool writes = true;
    for (size_t i = 0; writes && i < dag->n_nodes; i++) {
        es_text_printf(&label, "#%" PRIu64 " ", dag->nodes[i].seq);
        es_dag_label(p, &dag->nodes[i], &label);
        es_text_printf(&out, mermaid ? "  n%zu[\"" : "  n%zu [label=\"", i);
        add_quoted(&out, &label, mermaid);
        es_text_puts(&out, mermaid ? "\"]" : dag->nodes[i].critical ? "\", color=red];" : "\"];");
        writes = es_cli_flush(&out, stdout);
        es_text_clear(&label);
    }
    for (size_t i = 0; writes && i < dag->n_edges; i++) {
        const struct es_dag_edge *edge = &dag->edges[i];
        es_dag_edge_label(edge, &label);
        const char *arrow = edge->critical ? "==>" : edge->maybe ? "-.->" : "-->";
        es_text_printf(&out, "  n%u %s ", edge->from, mermaid ? arrow : "->");
        if (!mermaid)
            es_text_printf(&out, "n%u ", edge->to);
        es_text_puts(&out, mermaid ? "|\"" : "[label=\"");
        add_quoted(&out, &label, mermaid);
        if (mermaid)
            es_text_printf(&out, "\"| n%u", edge->to);
        else
            es_text_printf(&out, "\"%s%s];", edge->maybe ? ", style=dashed" : "", edge->critical ? ", color=red" : "");
        writes = es_cli_flush(&out, stdout);
        es_text_clear(&label);
    }
    es_text_fini(&out);
    es_text_fini(&label);
}

void es_dag_print_dot(struct es_dag_print *p)
{
    const struct es_dag *dag = &p->dag;
    printf("digraph %s {\n  rankdir=LR;\n  node [shape=box];\n", es_dag_views[dag->view].name);
    print_graph(p, false);
    printf("  label=\"%" PRIu64 " nodes, %" PRIu64 " edges left out%s\";\n}\n", dag->left_nodes, dag->left_edges,
           dag->left_more ? ", and more" : "");
}

void es_dag_print_mermaid(struct es_dag_print *p)
{
    const struct es_dag *dag = &p->dag;
    printf("flowchart LR\n%%%% %" PRIu64 " nodes, %" PRIu64 " edges left out%s\n", dag->left_nodes, dag->left_edges,
           dag->left_more ? ", and more" : "");
    print_graph(p, true);
}
