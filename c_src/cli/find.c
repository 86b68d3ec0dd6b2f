/* SPDX-License-Identifier: MIT */
/* `elixirscope find`: the moments at which something holds. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "cli/cli.h"

static const char help[] =
    "elixirscope find - the moments at which something holds\n"
    "\n"
    "Usage: elixirscope find [OPTION]... FILE.scope EXPRESSION\n"
    "\n"
    "Prints the events for which EXPRESSION holds, in their order: comparisons of a field with a value, joined by and, "
    "or, "
    "not and\n"
    "parentheses. Fields are those of `events --json`; state, payload, args, message, result and reason reach into "
    "terms.\n"
    "docs/find.md says more.\n"
    "\n"
    "  FIELD = VALUE          also != < <= > >=; ~ VALUE: contains; in (VALUE, ...); not in (...)\n"
    "  FIELD                  it is there\n"
    "  state.items[0].price   a part of the state after the event; args[1], payload{0}.name likewise\n"
    "  VALUE                  10, 1.5, 10ms, cart, :paid, \"text\", <0.123.0>; beside time also +1.5s, 40%, 14:25:01\n"
    "\n"
    "Options:\n"
    "  --next                 only the first\n"
    "  --prev                 backwards, only the first\n"
    "  --from TIME            from this time on, or back from it (see `elixirscope events --help` for TIME)\n"
    "  --after SEQ            behind this event, or before it\n"
    "  --reverse              backwards\n"
    "  --limit N              at most N\n"
    "  --notation NOTATION    names and terms as 'elixir' (default) or 'erlang'\n"
    "  --json                 one JSON object a line, as `events --json`\n"
    "  --help                 this text\n"
    "\n"
    "Examples:\n"
    "  elixirscope find shop.scope 'kind = state and name = cart and state.total > 100' --next\n"
    "  elixirscope find shop.scope 'kind in (crash, exception) or kind = exit and reason != :normal'\n"
    "  elixirscope find shop.scope 'function = handle_call and args[0]{0} = :redeem' --from +2s --limit 5\n"
    "\n"
    "Exit codes:\n"
    "  0 success (also where nothing was found), 1 failure, 2 wrong usage\n";

enum { OPT_NEXT = ES_OPT_LAST, OPT_PREV, OPT_FROM };

struct request {
    struct es_find_request find;
    const char *from;
    bool json;
};

static bool is_stopped(void *context)
{
    (void)context;
    return es_cli_interrupted();
}

static int print_event(const struct es_cli_line *view, bool json, uint64_t seq, struct es_text *line)
{
    const struct es_event *event = NULL;
    int rc = es_query_event(view->query, seq, &event);
    if (rc < 0)
        return rc;
    if (json)
        es_query_event_json(view->query, event, view->erlang, line);
    else
        es_cli_event_line(view, event, line);
    return es_cli_flush(line, stdout) ? 1 : 0;
}

static int list(struct es_find *find, const struct es_cli_line *view, bool json)
{
    const struct es_event *event = NULL;
    struct es_text line = {0};
    int rc;
    while ((rc = es_find_next(find, &event)) > 0) {
        rc = print_event(view, json, event->seq, &line);
        if (rc <= 0)
            break;
    }
    es_text_fini(&line);
    return rc;
}

static int run(struct request *request, struct es_query *query)
{
    struct es_info info;
    struct es_find *find = NULL;
    if (es_query_info(query, &info) < 0)
        return es_cli_failure("find");
    if (request->from && es_query_time(query, request->from, &request->find.from) < 0)
        return es_cli_failure("find");
    int rc = es_find_open(query, &request->find, &find);
    if (rc < 0) {
        es_cli_failure("find");
        return rc == -EINVAL ? ES_EXIT_USAGE : ES_EXIT_FAILURE;
    }
    rc = list(find, &(struct es_cli_line){query, request->find.erlang, info.first_time}, request->json);
    if (es_find_undecided(find) > 0)
        fprintf(stderr,
                "elixirscope find: %" PRIu64
                " times what was asked for had been cut, redacted or not captured, and was taken as not "
                "holding\n",
                es_find_undecided(find));
    es_find_close(find);
    return rc < 0 ? es_cli_failure("find") : ES_EXIT_OK;
}

static int take_option(struct request *request, int option)
{
    struct es_find_request *find = &request->find;
    switch (option) {
    case OPT_NEXT: find->limit = 1; return 0;
    case OPT_PREV:
        find->limit = 1;
        find->reverse = true;
        return 0;
    case OPT_FROM: request->from = optarg; return 0;
    case ES_OPT_AFTER: return es_cli_parse_count(optarg, &find->from_seq);
    case ES_OPT_REVERSE: find->reverse = true; return 0;
    case ES_OPT_LIMIT: return es_cli_parse_count(optarg, &find->limit);
    case ES_OPT_JSON: request->json = true; return 0;
    default: return es_cli_parse_notation(optarg, &find->erlang);
    }
}

int es_cmd_find(int argc, char **argv)
{
    static const struct option options[] = {{"next", no_argument, NULL, OPT_NEXT},
                                            {"prev", no_argument, NULL, OPT_PREV},
                                            {"from", required_argument, NULL, OPT_FROM},
                                            {"after", required_argument, NULL, ES_OPT_AFTER},
                                            {"reverse", no_argument, NULL, ES_OPT_REVERSE},
                                            {"limit", required_argument, NULL, ES_OPT_LIMIT},
                                            {"json", no_argument, NULL, ES_OPT_JSON},
                                            {"notation", required_argument, NULL, ES_OPT_NOTATION},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct request request = {.find = {.from = INT64_MIN, .stop = is_stopped}};
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (option == 'h')
            return es_cli_help(help);
        if (option == '?')
            return es_cli_usage("find", "wrong option");
        if (take_option(&request, option) < 0) {
            es_cli_failure("find");
            return ES_EXIT_USAGE;
        }
    }
    if (argc - optind != 2)
        return es_cli_usage("find", "one recording and one expression (in quotes) are needed, %d words were given",
                            argc - optind);
    request.find.expression = argv[optind + 1];
    int code = ES_EXIT_OK;
    struct es_query *query = es_cli_open("find", argv[optind], &code);
    if (!query)
        return code;
    es_cli_catch_signals();
    code = run(&request, query);
    es_query_close(query);
    return es_cli_finish("find", code);
}
