/* SPDX-License-Identifier: MIT */
/* `elixirscope calls`: calls with their ends: listed, the slowest, summed by function, as a tree, as folded stacks. */
#include "cli/calls.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#include "base/error.h"

static const char help[] =
    "elixirscope calls - how long functions took, and in what\n"
    "\n"
    "Usage: elixirscope calls [OPTION]... FILE.scope\n"
    "\n"
    "Shows the calls that were recorded, put together with their ends: duration, time outside of other recorded calls\n"
    "(self), how it ended (return, exception, exit of its process, open, unknown). Durations need ends: callbacks of\n"
    "behaviours have them, other functions where they were recorded with `--trace returns:...`. Of calls without ends "
    "only\n"
    "the number is known.\n"
    "\n"
    "One of:\n"
    "  --list                 each call, in the order of their ends (default)\n"
    "  --slow N               the N that took longest, with their arguments\n"
    "  --top                  by function: number, total and self time, average, largest, 99th percentile\n"
    "  --tree                 by path of calls: number, total and self time\n"
    "  --flame                folded stacks, `a;b;c MICROSECONDS` of self time, for flame graph programs\n"
    "\n"
    "Options:\n"
    "  --module MODULE        only functions of MODULE; 'MyApp.*' is a prefix\n"
    "  --pid PID, --name NAME only calls of this process; may be given again\n"
    "  --since TIME           only calls that begin at this time or later (see `elixirscope events --help` for TIME)\n"
    "  --until TIME           only calls that begin before this time\n"
    "  --limit N              at most N lines\n"
    "  --notation NOTATION    'elixir' (default) or 'erlang'\n"
    "  --json                 one JSON object a line; the fields are in docs/cli.md\n"
    "  --help                 this text\n"
    "\n"
    "Where scheduling was recorded, the time is split into running, runnable (it could have run, and had to wait for "
    "a\n"
    "scheduler) and waiting; where garbage collections were, their time is shown. '-' stands for unknown.\n"
    "\n"
    "Examples:\n"
    "  elixirscope calls shop.scope --top --limit 20\n"
    "  elixirscope calls shop.scope --slow 10 --module 'Shop.*'\n"
    "  elixirscope calls shop.scope --flame | flamegraph.pl > shop.svg\n"
    "\n"
    "Exit codes:\n"
    "  0 success, 1 failure, 2 wrong usage\n";

enum { OPT_LIST = ES_OPT_LAST, OPT_SLOW, OPT_TOP, OPT_TREE, OPT_FLAME };

void es_calls_add_fun(struct es_calls *calls, es_ref module, es_ref function, unsigned arity, struct es_text *out)
{
    struct es_event call = {.kind = ES_K_CALL, .module = module, .function = function, .arity = (uint16_t)arity};
    es_query_print_fun(calls->query, &call, calls->erlang, out);
}

static void json_ref(struct es_calls *calls, es_ref ref, struct es_text *out)
{
    struct es_text text = {0};
    es_query_print_ref(calls->query, ref, calls->erlang, &text);
    es_text_json(out, text.bytes ? text.bytes : "", text.len);
    es_text_fini(&text);
}

void es_calls_json_fun(struct es_calls *calls, es_ref module, es_ref function, unsigned arity, struct es_text *out)
{
    es_text_puts(out, "\"module\":");
    json_ref(calls, module, out);
    es_text_puts(out, ",\"function\":");
    size_t len = 0;
    const uint8_t *name = es_recording_define(es_query_recording(calls->query), function, &len);
    if (name)
        es_text_json(out, (const char *)name, len);
    else
        json_ref(calls, function, out);
    es_text_printf(out, ",\"arity\":%u", arity);
}

void es_calls_json_ns(struct es_text *out, const char *key, int64_t ns)
{
    if (ns < 0)
        es_text_printf(out, ",\"%s\":null", key);
    else
        es_text_printf(out, ",\"%s\":%" PRId64, key, ns);
}

static int run(struct es_calls *calls, struct es_cli_filter *filter)
{
    struct es_info info;
    if (es_query_info(calls->query, &info) < 0 || es_cli_filter_resolve(filter, calls->query) < 0)
        return es_cli_failure("calls");
    calls->start = info.first_time;
    calls->filter = filter->filter;
    switch (calls->mode) {
    case ES_CALLS_LIST: return es_calls_list(calls);
    case ES_CALLS_SLOW: return es_calls_slow(calls);
    default: return es_calls_sums(calls);
    }
}

static int take_mode(struct es_calls *calls, enum es_calls_mode mode)
{
    if (calls->mode != ES_CALLS_LIST)
        return es_fail(-1, "--slow, --top, --tree and --flame exclude each other");
    calls->mode = mode;
    return 0;
}

static int take_option(struct es_calls *calls, struct es_cli_filter *filter, int option)
{
    switch (option) {
    case OPT_LIST: return 0;
    case OPT_SLOW: {
        int rc = es_cli_parse_count(optarg, &calls->limit);
        if (rc == 0 && (calls->limit == 0 || calls->limit > 100000))
            rc = es_fail(-1, "--slow takes a number from 1 to 100000");
        return rc < 0 ? rc : take_mode(calls, ES_CALLS_SLOW);
    }
    case OPT_TOP: return take_mode(calls, ES_CALLS_TOP);
    case OPT_TREE: return take_mode(calls, ES_CALLS_TREE);
    case OPT_FLAME: return take_mode(calls, ES_CALLS_FLAME);
    case ES_OPT_LIMIT: return es_cli_parse_count(optarg, &calls->limit);
    case ES_OPT_JSON: calls->json = true; return 0;
    case ES_OPT_NOTATION: return es_cli_parse_notation(optarg, &calls->erlang);
    default: return es_cli_filter_option(filter, option, optarg) < 0 ? -1 : 0;
    }
}

int es_cmd_calls(int argc, char **argv)
{
    static const struct option options[] = {{"list", no_argument, NULL, OPT_LIST},
                                            {"slow", required_argument, NULL, OPT_SLOW},
                                            {"top", no_argument, NULL, OPT_TOP},
                                            {"tree", no_argument, NULL, OPT_TREE},
                                            {"flame", no_argument, NULL, OPT_FLAME},
                                            {"module", required_argument, NULL, ES_OPT_MODULE},
                                            {"pid", required_argument, NULL, ES_OPT_PID},
                                            {"name", required_argument, NULL, ES_OPT_NAME},
                                            {"since", required_argument, NULL, ES_OPT_SINCE},
                                            {"until", required_argument, NULL, ES_OPT_UNTIL},
                                            {"limit", required_argument, NULL, ES_OPT_LIMIT},
                                            {"notation", required_argument, NULL, ES_OPT_NOTATION},
                                            {"json", no_argument, NULL, ES_OPT_JSON},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct es_calls calls = {0};
    struct es_cli_filter filter;
    es_cli_filter_init(&filter);
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (option == 'h')
            return es_cli_help(help);
        if (option == '?')
            return es_cli_usage("calls", "wrong option");
        if (take_option(&calls, &filter, option) < 0) {
            es_cli_failure("calls");
            return ES_EXIT_USAGE;
        }
    }
    if (argc - optind != 1)
        return es_cli_usage("calls", "one recording is needed, %d were given", argc - optind);
    int code = ES_EXIT_OK;
    calls.query = es_cli_open("calls", argv[optind], &code);
    if (!calls.query)
        return code;
    es_cli_catch_signals();
    code = run(&calls, &filter);
    es_cli_filter_fini(&filter);
    es_query_close(calls.query);
    return es_cli_finish("calls", code);
}
