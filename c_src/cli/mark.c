/* SPDX-License-Identifier: MIT */
/* `elixirscope mark`: puts a mark into a live recording, through its recorder. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/cli.h"
#include "cli/control_socket.h"

static const char help[] = "elixirscope mark - put a mark into a live recording\n"
                           "\n"
                           "Usage: elixirscope mark [SESSION] LABEL\n"
                           "\n"
                           "The mark becomes an event of kind mark, with LABEL as its text. SESSION is a session's id "
                           "(`elixirscope doctor` lists them), a node's\n"
                           "name, or the path of a recording; it can be left out where only one session lives. Ends a "
                           "flight recorder that waits for a mark.\n"
                           "\n"
                           "Options:\n"
                           "  --json               a JSON object about the session\n"
                           "  --help               this text\n"
                           "\n"
                           "Examples:\n"
                           "  elixirscope mark 'checkout started'\n"
                           "  elixirscope mark shop@localhost 'deployed 1.4.2'\n"
                           "\n"
                           "Exit codes:\n"
                           "  0 success, 1 failure, 2 wrong usage\n";

int es_cmd_mark(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, ES_OPT_JSON}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    bool json = false;
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (option == 'h')
            return es_cli_help(help);
        if (option != ES_OPT_JSON)
            return es_cli_usage("mark", "wrong option");
        json = true;
    }
    int n = argc - optind;
    if (n < 1 || n > 2 || !*argv[argc - 1])
        return es_cli_usage("mark", "a label is needed, with a session in front of it at most");
    static struct es_session_dir dir;
    char request[ES_CONTROL_LINE], answer[ES_CONTROL_LINE];
    if (snprintf(request, sizeof request, "mark %s", argv[argc - 1]) >= (int)sizeof request)
        return es_cli_usage("mark", "the label is longer than %d bytes", ES_CONTROL_LINE - 6);
    if (es_control_find(n == 2 ? argv[optind] : NULL, &dir) < 0 || es_control_ask(&dir, request, answer) < 0)
        return es_cli_failure("mark");
    if (json)
        printf("{\"session\": \"%s\"}\n", dir.id);
    return es_cli_finish("mark", ES_EXIT_OK);
}
