/* SPDX-License-Identifier: MIT */
/* `elixirscope events`: lists events, of a finished recording or following a live one. */
#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/cli.h"

static const char help_head[] =
    "elixirscope events - list events\n"
    "\n"
    "Usage: elixirscope events [OPTION]... FILE.scope\n"
    "\n"
    "Prints the events of a recording in their order: sequence number, time from the start, process, kind, what it was "
    "about. A\n"
    "line that ends with a number after '<-' was caused by the event with that number (a delivery by its send).\n"
    "\n"
    "Options:\n"
    "  --follow               wait for more events of a live recording, until it ends\n"
    "  --json                 one JSON object a line; the fields are in docs/cli.md\n"
    "  --notation NOTATION    terms as 'elixir' (default) or 'erlang'\n"
    "  --help                 this text\n"
    "\n";
static const char help_tail[] = "\n"
                                "Examples:\n"
                                "  elixirscope events shop.scope --limit 50\n"
                                "  elixirscope events shop.scope --name cart --kind message --since 40% --until +2.5s\n"
                                "  elixirscope events shop.scope --kind crash,exit --reverse --limit 5\n"
                                "  elixirscope events live.scope --follow --kind state\n"
                                "\n"
                                "Exit codes:\n"
                                "  0 success (also where nothing matched), 1 failure, 2 wrong usage\n";

struct view {
    struct es_query *query;
    bool json, follow;
    struct es_cli_line line;
};

/* Waits for more of a live recording. True where there may be some. */
static bool wait_for_more(struct view *view)
{
    if (!view->follow || es_cli_interrupted())
        return false;
    bool live = es_recording_live(es_query_recording(view->query));
    fflush(stdout);
    struct timespec poll_interval = {0, 50000000};
    if (live)
        nanosleep(&poll_interval, NULL);
    if (es_query_refresh(view->query) < 0)
        return false;
    view->follow = live; /* when it has ended: one more look, then no more */
    return true;
}

static int list(struct view *view, struct es_cursor *cursor)
{
    struct es_text line = {0};
    int rc = 0;
    for (;;) {
        const struct es_event *event = NULL;
        rc = es_cursor_next(cursor, &event);
        if (rc == 0 && wait_for_more(view))
            continue;
        if (rc <= 0 || es_cli_interrupted())
            break;
        if (view->json)
            es_query_event_json(view->query, event, view->line.erlang, &line);
        else
            es_cli_event_line(&view->line, event, &line);
        if (!es_cli_flush(&line, stdout))
            break;
    }
    es_text_fini(&line);
    return rc < 0 ? es_cli_failure("events") : ES_EXIT_OK;
}

static int run(struct view *view, struct es_cli_filter *filter)
{
    struct es_info info;
    struct es_cursor *cursor = NULL;
    if (es_query_info(view->query, &info) < 0 || es_cli_filter_resolve(filter, view->query) < 0 ||
        es_cursor_open(view->query, &filter->filter, &cursor) < 0)
        return es_cli_failure("events");
    view->line.start = info.first_time;
    view->line.query = view->query;
    int code = list(view, cursor);
    es_cursor_close(cursor);
    const uint64_t *damaged = NULL;
    size_t n_damaged = es_recording_damaged(es_query_recording(view->query), &damaged);
    if (n_damaged > 0)
        fprintf(stderr, "elixirscope events: %zu damaged blocks were passed over\n", n_damaged);
    return code;
}

static int show_help(void)
{
    char text[sizeof help_head + 2048 + sizeof help_tail];
    snprintf(text, sizeof text, "%s%s%s", help_head, es_cli_filter_help, help_tail);
    return es_cli_help(text);
}

int es_cmd_events(int argc, char **argv)
{
    static const struct option options[] = {ES_CLI_FILTER_OPTIONS,
                                            {"follow", no_argument, NULL, ES_OPT_FOLLOW},
                                            {"json", no_argument, NULL, ES_OPT_JSON},
                                            {"notation", required_argument, NULL, ES_OPT_NOTATION},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct view view = {0};
    struct es_cli_filter filter;
    es_cli_filter_init(&filter);
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        int rc = es_cli_filter_option(&filter, option, optarg);
        if (rc == 1)
            continue;
        switch (rc < 0 ? rc : option) {
        case ES_OPT_FOLLOW: view.follow = true; break;
        case ES_OPT_JSON: view.json = true; break;
        case ES_OPT_NOTATION: rc = es_cli_parse_notation(optarg, &view.line.erlang); break;
        case 'h': return show_help();
        default:
            if (rc == 0)
                return es_cli_usage("events", "wrong option");
        }
        if (rc < 0) {
            es_cli_failure("events");
            return ES_EXIT_USAGE;
        }
    }
    if (argc - optind != 1)
        return es_cli_usage("events", "one recording is needed, %d were given", argc - optind);
    if (view.follow && filter.filter.reverse)
        return es_cli_usage("events", "--follow and --reverse exclude each other");
    int code = ES_EXIT_OK;
    view.query = es_cli_open("events", argv[optind], &code);
    if (!view.query)
        return code;
    es_cli_catch_signals();
    code = run(&view, &filter);
    es_cli_filter_fini(&filter);
    es_query_close(view.query);
    return es_cli_finish("events", code);
}
