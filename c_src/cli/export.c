/* SPDX-License-Identifier: MIT */
/* `elixirscope export`: events for other programs. */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/cli.h"

static const char help_head[] =
    "elixirscope export - write events as JSON lines, a Perfetto trace, or Erlang terms\n"
    "\n"
    "Usage: elixirscope export --to FORMAT [OPTION]... FILE.scope\n"
    "\n"
    "Formats:\n"
    "  jsonl       one JSON object a line, as `elixirscope events --json`\n"
    "  perfetto    a JSON trace for ui.perfetto.dev and chrome://tracing\n"
    "  etf         a 4-byte big-endian length and a map in Erlang's external term format, for each event\n"
    "\n"
    "Options:\n"
    "  --to FORMAT            what to write\n"
    "  -o, --output FILE      where to (default: standard output)\n"
    "  --overwrite            replace FILE\n"
    "  --notation NOTATION    terms as 'elixir' (default) or 'erlang'\n"
    "  --help                 this text\n"
    "\n";
static const char help_tail[] =
    "\n"
    "Examples:\n"
    "  elixirscope export --to perfetto -o shop.json shop.scope\n"
    "  elixirscope export --to jsonl --kind message shop.scope | jq -c 'select(.cause != null)'\n"
    "\n"
    "Exit codes:\n"
    "  0 success, 1 failure, 2 wrong usage\n";

enum { OPT_TO = ES_OPT_LAST, OPT_OVERWRITE };

struct order {
    const char *to, *output;
    bool overwrite, erlang;
    struct es_cli_filter filter;
};

static int parse_format(const char *name, enum es_export *ret_format)
{
    static const struct {
        const char *name;
        enum es_export format;
    } formats[] = {{"jsonl", ES_EXPORT_JSONL}, {"perfetto", ES_EXPORT_PERFETTO}, {"etf", ES_EXPORT_ETF}};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (name && strcmp(formats[i].name, name) == 0) {
            *ret_format = formats[i].format;
            return 0;
        }
    return -EINVAL;
}

static FILE *open_output(const struct order *order)
{
    if (!order->output || strcmp(order->output, "-") == 0)
        return stdout;
    FILE *out = fopen(order->output, order->overwrite ? "we" : "wxe");
    if (!out) {
        if (errno == EEXIST)
            es_hint("Give another name, or --overwrite.");
        es_fail(-errno, "%s: %s", order->output, strerror(errno));
    }
    return out;
}

static int write_export(struct es_query *query, struct order *order, enum es_export format)
{
    if (es_cli_filter_resolve(&order->filter, query) < 0)
        return es_cli_failure("export");
    FILE *out = open_output(order);
    if (!out)
        return es_cli_failure("export");
    struct es_progress progress;
    es_progress_start(&progress, "exporting");
    struct es_export_request request = {.to = format,
                                        .filter = order->filter.filter,
                                        .erlang = order->erlang,
                                        .tick = es_progress_tick,
                                        .context = &progress};
    int rc = es_query_export(query, &request, out);
    es_progress_end(&progress);
    if (out != stdout && fclose(out) != 0 && rc == 0)
        rc = es_fail(-EIO, "%s: %s", order->output, strerror(errno));
    if (rc == -ECANCELED || es_cli_interrupted()) {
        fprintf(stderr, "elixirscope export: interrupted; what was written so far is kept\n");
        return ES_EXIT_FAILURE;
    }
    return rc < 0 && rc != -EPIPE ? es_cli_failure("export") : ES_EXIT_OK;
}

static int show_help(void)
{
    char text[sizeof help_head + 2048 + sizeof help_tail];
    snprintf(text, sizeof text, "%s%s%s", help_head, es_cli_filter_help, help_tail);
    return es_cli_help(text);
}

int es_cmd_export(int argc, char **argv)
{
    static const struct option options[] = {ES_CLI_FILTER_OPTIONS,
                                            {"to", required_argument, NULL, OPT_TO},
                                            {"output", required_argument, NULL, 'o'},
                                            {"overwrite", no_argument, NULL, OPT_OVERWRITE},
                                            {"notation", required_argument, NULL, ES_OPT_NOTATION},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct order order = {0};
    es_cli_filter_init(&order.filter);
    for (int option; (option = getopt_long(argc, argv, "ho:", options, NULL)) != -1;) {
        int rc = es_cli_filter_option(&order.filter, option, optarg);
        if (rc == 1)
            continue;
        switch (rc < 0 ? rc : option) {
        case OPT_TO: order.to = optarg; break;
        case 'o': order.output = optarg; break;
        case OPT_OVERWRITE: order.overwrite = true; break;
        case ES_OPT_NOTATION: rc = es_cli_parse_notation(optarg, &order.erlang); break;
        case 'h': return show_help();
        default:
            if (rc == 0)
                return es_cli_usage("export", "wrong option");
        }
        if (rc < 0) {
            es_cli_failure("export");
            return ES_EXIT_USAGE;
        }
    }
    enum es_export format;
    if (argc - optind != 1)
        return es_cli_usage("export", "one recording is needed, %d were given", argc - optind);
    if (parse_format(order.to, &format) < 0)
        return es_cli_usage("export", "--to is jsonl, perfetto or etf, not '%s'", order.to ? order.to : "");
    if (format == ES_EXPORT_ETF && (!order.output || strcmp(order.output, "-") == 0) && isatty(STDOUT_FILENO))
        return es_cli_usage("export", "etf is binary: give -o FILE or a pipe");
    int code = ES_EXIT_OK;
    struct es_query *query = es_cli_open("export", argv[optind], &code);
    if (!query)
        return code;
    es_cli_catch_signals();
    code = write_export(query, &order, format);
    es_cli_filter_fini(&order.filter);
    es_query_close(query);
    return es_cli_finish("export", code);
}
