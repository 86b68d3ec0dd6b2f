/* SPDX-License-Identifier: MIT */
/* `elixirscope ps`: the processes of a recording, all or those alive at a time. */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static const char help[] =
    "elixirscope ps - list processes\n"
    "\n"
    "Usage: elixirscope ps [OPTION]... FILE.scope\n"
    "\n"
    "Lists every process that lived during the recording, or those alive at a time: name, parent, initial call, spawn "
    "and\n"
    "exit, number of events, memory where it was sampled. '-' stands for before the recording, or unknown.\n"
    "\n"
    "Options:\n"
    "  --at TIME              only processes alive then (see `elixirscope events --help` for TIME)\n"
    "  --sort KEY             spawn (default), events, memory, name\n"
    "  --node NODE            only processes of this node, in a merged recording\n"
    "  --limit N              at most N processes\n"
    "  --notation NOTATION    'elixir' (default) or 'erlang'\n"
    "  --json                 one JSON object a line\n"
    "  --help                 this text\n"
    "\n"
    "Examples:\n"
    "  elixirscope ps shop.scope --sort events --limit 20\n"
    "  elixirscope ps shop.scope --at +2s --json\n"
    "\n"
    "Exit codes:\n"
    "  0 success, 1 failure, 2 wrong usage\n";

enum { OPT_AT = ES_OPT_LAST, OPT_SORT };

struct view {
    struct es_query *query;
    bool json, erlang;
    const char *at, *sort, *node;
    uint64_t limit;
    int64_t start;
};

static struct es_query *sorting; /* for comparing names in qsort */

static int by_events(const void *a, const void *b)
{
    const struct es_ps_row *x = a, *y = b;
    return (x->events < y->events) - (x->events > y->events);
}
static int by_memory(const void *a, const void *b)
{
    const struct es_ps_row *x = a, *y = b;
    return (x->memory < y->memory) - (x->memory > y->memory);
}
static int by_name(const void *a, const void *b)
{
    const struct es_ps_row *x = a, *y = b;
    if (!x->process->name || !y->process->name)
        return (x->process->name == 0) - (y->process->name == 0);
    struct es_text left = {0}, right = {0};
    es_query_print_ref(sorting, x->process->name, false, &left);
    es_query_print_ref(sorting, y->process->name, false, &right);
    int order = strcmp(left.bytes ? left.bytes : "", right.bytes ? right.bytes : "");
    es_text_fini(&left);
    es_text_fini(&right);
    return order;
}

static const struct {
    const char *key;
    int (*compare)(const void *, const void *);
} sorts[] = {{"spawn", NULL}, {"events", by_events}, {"memory", by_memory}, {"name", by_name}};

static void add_ref(struct view *view, es_ref ref, struct es_text *out)
{
    if (ref == ES_REF_NONE)
        es_text_puts(out, "-");
    else
        es_query_print_ref(view->query, ref, view->erlang || es_ref_class_of(ref) == ES_REF_PID, out);
}

static void add_call(struct view *view, const struct es_process *process, struct es_text *out)
{
    struct es_event call = {
        .kind = ES_K_SPAWN, .module = process->module, .function = process->function, .arity = process->arity};
    if (process->module == ES_REF_NONE)
        es_text_puts(out, "-");
    else
        es_query_print_fun(view->query, &call, view->erlang, out);
}

/* A quoted JSON string of what `add` prints, or null. */
static void json_member(struct es_text *out, const char *name, const struct es_text *value, bool present)
{
    es_text_printf(out, ",\"%s\":", name);
    if (present && value->len > 0)
        es_text_json(out, value->bytes, value->len);
    else
        es_text_puts(out, "null");
}

static void json_number(struct es_text *out, const char *name, int64_t value, bool present)
{
    if (present)
        es_text_printf(out, ",\"%s\":%" PRId64, name, value);
    else
        es_text_printf(out, ",\"%s\":null", name);
}

static void print_json(struct view *view, const struct es_ps_row *row, struct es_text *out)
{
    const struct es_process *process = row->process;
    struct es_text value = {0};
    add_ref(view, process->pid, &value);
    es_text_puts(out, "{\"pid\":");
    es_text_json(out, value.bytes, value.len);
    if (es_query_nodes(view->query) > 0) {
        const char *node = es_query_node(view->query, es_ref_node(process->pid));
        es_text_puts(out, ",\"node\":");
        es_text_json(out, node ? node : "", node ? strlen(node) : 0);
    }
    es_text_clear(&value);
    add_ref(view, process->name, &value);
    json_member(out, "name", &value, process->name != ES_REF_NONE);
    es_text_clear(&value);
    add_ref(view, process->parent, &value);
    json_member(out, "parent", &value, process->parent != ES_REF_NONE);
    es_text_clear(&value);
    add_call(view, process, &value);
    json_member(out, "initial_call", &value, process->module != ES_REF_NONE);
    bool born = process->spawned != INT64_MIN, died = process->exited != INT64_MAX;
    json_number(out, "spawned", process->spawned, born);
    json_number(out, "exited", process->exited, died);
    json_number(out, "spawn_seq", (int64_t)process->spawn_seq, process->spawn_seq != 0);
    json_number(out, "exit_seq", (int64_t)process->exit_seq, process->exit_seq != 0);
    es_text_clear(&value);
    if (process->reason_len > 0)
        es_query_print_term(view->query, process->reason, process->reason_len, view->erlang, &value);
    json_member(out, "reason", &value, process->reason_len > 0);
    es_text_clear(&value);
    if (process->facts_len > 0)
        es_query_print_term(view->query, process->facts, process->facts_len, view->erlang, &value);
    json_member(out, "facts", &value, process->facts_len > 0);
    json_number(out, "events", (int64_t)row->events, true);
    json_number(out, "memory", (int64_t)row->memory, row->memory != 0);
    es_text_printf(out, ",\"alive\":%s}", row->alive ? "true" : "false");
    es_text_fini(&value);
}

static void add_time(struct view *view, int64_t time, bool known, struct es_text *out)
{
    if (known)
        es_text_printf(out, "%+11.6f", (double)(int64_t)((uint64_t)time - (uint64_t)view->start) / 1e9);
    else
        es_text_printf(out, "%11s", "-");
}

static void print_row(struct view *view, const struct es_ps_row *row, struct es_text *out)
{
    const struct es_process *process = row->process;
    struct es_text cell = {0};
    struct es_cli_buf number;
    es_text_puts(out, row->alive ? "" : es_cli_style(stdout, ES_STYLE_DIM));
    add_ref(view, process->pid, &cell);
    es_cli_cell(out, &cell, es_cli_pid_width(view->query));
    es_text_clear(&cell);
    add_ref(view, process->name, &cell);
    es_cli_cell(out, &cell, 28);
    es_text_clear(&cell);
    add_ref(view, process->parent, &cell);
    es_cli_cell(out, &cell, es_cli_pid_width(view->query));
    es_text_clear(&cell);
    add_call(view, process, &cell);
    es_cli_cell(out, &cell, 36);
    add_time(view, process->spawned, process->spawned != INT64_MIN, out);
    es_text_puts(out, " ");
    add_time(view, process->exited, process->exited != INT64_MAX, out);
    es_text_printf(out, " %10s", es_cli_count(row->events, &number));
    es_text_printf(out, " %9s", row->memory ? es_cli_bytes(row->memory, &number) : "-");
    if (process->reason_len > 0) {
        es_text_puts(out, "  ");
        es_text_clear(&cell);
        es_query_print_term(view->query, process->reason, process->reason_len, view->erlang, &cell);
        es_cli_cell(out, &cell, 40);
    }
    es_cli_trim(out);
    es_text_puts(out, row->alive ? "" : es_cli_style(stdout, ES_STYLE_NONE));
    es_text_fini(&cell);
}

static int sort_rows(struct view *view, struct es_ps_row *rows, size_t n)
{
    for (size_t i = 0; i < sizeof sorts / sizeof *sorts; i++)
        if (strcmp(sorts[i].key, view->sort) == 0) {
            sorting = view->query;
            if (sorts[i].compare)
                qsort(rows, n, sizeof *rows, sorts[i].compare);
            return ES_EXIT_OK;
        }
    return es_cli_usage("ps", "--sort is spawn, events, memory or name, not '%s'", view->sort);
}

static int list(struct view *view)
{
    struct es_info info;
    int64_t at = INT64_MAX;
    struct es_ps_row *rows = NULL;
    size_t n = 0;
    if (es_query_info(view->query, &info) < 0 || (view->at && es_query_time(view->query, view->at, &at) < 0) ||
        es_query_ps(view->query, at, &rows, &n) < 0)
        return es_cli_failure("ps");
    view->start = info.first_time;
    int code = sort_rows(view, rows, n), node = view->node ? es_query_node_by_name(view->query, view->node) : 0;
    if (node < 0)
        code = es_cli_failure("ps");
    struct es_text line = {0};
    if (code == ES_EXIT_OK && !view->json)
        printf("%s%-*s %-28s %-*s %-36s %11s %11s %10s %9s%s\n", es_cli_style(stdout, ES_STYLE_BOLD),
               (int)es_cli_pid_width(view->query), "PID", "NAME", (int)es_cli_pid_width(view->query), "PARENT",
               "INITIAL CALL", "SPAWNED s", "EXITED s", "EVENTS", "MEMORY", es_cli_style(stdout, ES_STYLE_NONE));
    uint64_t shown = 0;
    for (size_t i = 0; code == ES_EXIT_OK && i < n && (view->limit == 0 || shown < view->limit); i++) {
        if (view->node && es_ref_node(rows[i].process->pid) != (unsigned)node)
            continue;
        shown++;
        if (view->json)
            print_json(view, &rows[i], &line);
        else
            print_row(view, &rows[i], &line);
        if (!es_cli_flush(&line, stdout))
            break;
    }
    es_text_fini(&line);
    free(rows);
    return code;
}

int es_cmd_ps(int argc, char **argv)
{
    static const struct option options[] = {{"at", required_argument, NULL, OPT_AT},
                                            {"sort", required_argument, NULL, OPT_SORT},
                                            {"node", required_argument, NULL, ES_OPT_NODE},
                                            {"limit", required_argument, NULL, ES_OPT_LIMIT},
                                            {"notation", required_argument, NULL, ES_OPT_NOTATION},
                                            {"json", no_argument, NULL, ES_OPT_JSON},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct view view = {.sort = "spawn"};
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        int rc = 0;
        switch (option) {
        case OPT_AT: view.at = optarg; break;
        case OPT_SORT: view.sort = optarg; break;
        case ES_OPT_NODE: view.node = optarg; break;
        case ES_OPT_LIMIT: rc = es_cli_parse_count(optarg, &view.limit); break;
        case ES_OPT_NOTATION: rc = es_cli_parse_notation(optarg, &view.erlang); break;
        case ES_OPT_JSON: view.json = true; break;
        case 'h': return es_cli_help(help);
        default: return es_cli_usage("ps", "wrong option");
        }
        if (rc < 0) {
            es_cli_failure("ps");
            return ES_EXIT_USAGE;
        }
    }
    if (argc - optind != 1)
        return es_cli_usage("ps", "one recording is needed, %d were given", argc - optind);
    int code = ES_EXIT_OK;
    view.query = es_cli_open("ps", argv[optind], &code);
    if (!view.query)
        return code;
    code = list(&view);
    es_query_close(view.query);
    return es_cli_finish("ps", code);
}
