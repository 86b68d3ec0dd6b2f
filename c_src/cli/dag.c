/* SPDX-License-Identifier: MIT */
/* `elixirscope dag`: a recording as a graph without cycles. */
#include "cli/dag.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

static const char help[] =
    "elixirscope dag - a recording as a graph without cycles\n"
    "\n"
    "Usage: elixirscope dag [OPTION]... FILE.scope KIND\n"
    "\n"
    "KIND is one of\n"
    "  temporal     events; the next in time, of all and of the same process\n"
    "  interaction  processes over time; who started, messaged, asked, linked, monitored, ended whom, how often and "
    "fast\n"
    "  state        versions of states; what changed them\n"
    "  code         calls with their times; callers to callees, possible tail calls, exceptions\n"
    "  data         values; where the same one is seen again: arguments, messages, states, returned values\n"
    "  performance  events with their times; what was waited for; with --focus the critical path to it\n"
    "  causality    events; what happened before what\n"
    "Edges lead from earlier to later. 'possibly' is said where something is likely and not recorded. What was left "
    "out "
    "for\n"
    "the limit is counted.\n"
    "\n"
    "Options:\n"
    "  --pid PID, --name NAME only what this process does (interaction: and whom it deals with); may be given again\n"
    "  --since TIME           only what happens at this time or later (see `elixirscope events --help` for TIME)\n"
    "  --until TIME           only what happens before this time\n"
    "  --focus SEQ            the nodes around this event: nearest in time, for causality and performance by cause,\n"
    "                         for data those with its values\n"
    "  --limit N              at most N nodes (default 500)\n"
    "  --format FORMAT        'text', 'json', 'dot' (Graphviz) or 'mermaid'; default text on a terminal, else json\n"
    "  --notation NOTATION    'elixir' (default) or 'erlang'\n"
    "  --json                 as --format json; the fields are in docs/dags.md\n"
    "  --help                 this text\n"
    "\n"
    "Examples:\n"
    "  elixirscope dag shop.scope interaction --name Elixir.Shop.Cart --format text\n"
    "  elixirscope dag shop.scope performance --focus 17656 --limit 60 --format dot | dot -Tsvg > why.svg\n"
    "  elixirscope dag shop.scope state --name Elixir.Shop.Inventory --format mermaid\n"
    "\n"
    "Exit codes:\n"
    "  0 success, 1 failure, 2 wrong usage\n";

enum { OPT_FOCUS = ES_OPT_LAST, OPT_FORMAT };

static int parse_format(const char *text, enum es_dag_format *ret)
{
    static const char *const names[] = {"text", "json", "dot", "mermaid"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum es_dag_format)i;
            return 0;
        }
    return es_fail(-EINVAL, "'%s' is no format: text, json, dot, mermaid", text);
}

static int parse_focus(const char *text, uint64_t *ret)
{
    char *end;
    errno = 0;
    unsigned long long seq = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || seq == 0)
        return es_fail(-EINVAL, "--focus takes the number of an event, not '%s'", text);
    *ret = seq;
    return 0;
}

static int take_option(struct es_dag_print *p, struct es_cli_filter *filter, int option)
{
    uint64_t n;
    int rc;
    switch (option) {
    case OPT_FOCUS: return parse_focus(optarg, &p->request.focus);
    case OPT_FORMAT: return parse_format(optarg, &p->format);
    case ES_OPT_JSON: p->format = ES_DAG_FORMAT_JSON; return 0;
    case ES_OPT_NOTATION: return es_cli_parse_notation(optarg, &p->teller.erlang);
    case ES_OPT_LIMIT:
        rc = es_cli_parse_count(optarg, &n);
        if (rc == 0 && (n == 0 || n > 1000000))
            rc = es_fail(-EINVAL, "--limit takes a number from 1 to 1000000");
        p->request.limit = rc == 0 ? (uint32_t)n : 0;
        return rc;
    default: return es_cli_filter_option(filter, option, optarg) < 0 ? -1 : 0;
    }
}

static int run(struct es_dag_print *p, struct es_cli_filter *filter)
{
    struct es_info info;
    if (es_query_info(p->teller.query, &info) < 0 || es_cli_filter_resolve(filter, p->teller.query) < 0)
        return es_cli_failure("dag");
    p->teller.zero = info.first_time;
    p->request.pids = filter->filter.pids;
    p->request.n_pids = filter->filter.n_pids;
    p->request.since = filter->filter.since;
    p->request.until = filter->filter.until;
    if (es_query_dag(p->teller.query, &p->request, &p->dag) < 0)
        return es_cli_failure("dag");
    switch (p->format) {
    case ES_DAG_FORMAT_JSON: es_dag_print_json(p); break;
    case ES_DAG_FORMAT_DOT: es_dag_print_dot(p); break;
    case ES_DAG_FORMAT_MERMAID: es_dag_print_mermaid(p); break;
    default: es_dag_print_text(p);
    }
    es_dag_fini(&p->dag);
    return ES_EXIT_OK;
}

int es_cmd_dag(int argc, char **argv)
{
    static const struct option options[] = {{"pid", required_argument, NULL, ES_OPT_PID},
                                            {"name", required_argument, NULL, ES_OPT_NAME},
                                            {"since", required_argument, NULL, ES_OPT_SINCE},
                                            {"until", required_argument, NULL, ES_OPT_UNTIL},
                                            {"focus", required_argument, NULL, OPT_FOCUS},
                                            {"limit", required_argument, NULL, ES_OPT_LIMIT},
                                            {"format", required_argument, NULL, OPT_FORMAT},
                                            {"notation", required_argument, NULL, ES_OPT_NOTATION},
                                            {"json", no_argument, NULL, ES_OPT_JSON},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct es_dag_print p = {.format = isatty(STDOUT_FILENO) ? ES_DAG_FORMAT_TEXT : ES_DAG_FORMAT_JSON};
    struct es_cli_filter filter;
    es_cli_filter_init(&filter);
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (option == 'h')
            return es_cli_help(help);
        if (option == '?')
            return es_cli_usage("dag", "wrong option");
        if (take_option(&p, &filter, option) < 0) {
            es_cli_failure("dag");
            return ES_EXIT_USAGE;
        }
    }
    if (argc - optind != 2)
        return es_cli_usage("dag", "a recording and a kind of DAG are needed");
    int view = es_dag_view_by_name(argv[optind + 1]);
    if (view < 0) {
        es_cli_failure("dag");
        return ES_EXIT_USAGE;
    }
    p.request.view = (enum es_dag_view)view;
    int code = ES_EXIT_OK;
    p.teller.query = es_cli_open("dag", argv[optind], &code);
    if (!p.teller.query)
        return code;
    p.teller.width = es_tell_width();
    es_cli_catch_signals();
    code = run(&p, &filter);
    es_cli_filter_fini(&filter);
    es_query_close(p.teller.query);
    return es_cli_finish("dag", code);
}
