/* SPDX-License-Identifier: MIT */
/* The program `elixirscope`: finds the sub-command and runs it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

const struct es_command es_commands[] = {
#define C(symbol, name, summary) {name, summary, es_cmd_##symbol},
    ES_COMMANDS(C)
#undef C
        {NULL, NULL, NULL},
};

static int help(FILE *out)
{
    fprintf(out,
            "%sElixirScope%s records what an Elixir or Erlang system does and plays it back.\n\n"
            "Usage: elixirscope COMMAND [OPTION]... [ARGUMENT]...\n\n"
            "Commands:\n",
            es_cli_style(out, ES_STYLE_BOLD), es_cli_style(out, ES_STYLE_NONE));
    for (const struct es_command *command = es_commands; command->name; command++)
        fprintf(out, "  %s%-9s%s %s\n", es_cli_style(out, ES_STYLE_CYAN), command->name,
                es_cli_style(out, ES_STYLE_NONE), command->summary);
    fprintf(out, "\n`elixirscope COMMAND --help` says more. Begin with:\n"
                 "  elixirscope record -o first.scope -- mix run\n"
                 "  elixirscope events first.scope --limit 50\n\n"
                 "Exit codes: 0 success, 1 failure, 2 wrong usage.\n");
    return ES_EXIT_OK;
}

static int unknown(const char *name)
{
    fprintf(stderr, "elixirscope: there is no command '%s'", name);
    for (const struct es_command *command = es_commands; command->name; command++)
        if (strncmp(command->name, name, 2) == 0) {
            fprintf(stderr, "; did you mean '%s'?", command->name);
            break;
        }
    fprintf(stderr, "\nTry 'elixirscope --help'.\n");
    return ES_EXIT_USAGE;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        help(stderr);
        return ES_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return es_cli_finish("help", help(stdout));
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        printf("elixirscope %s, recording format %d\n", ES_VERSION, ES_FORMAT_VERSION);
        return es_cli_finish("version", ES_EXIT_OK);
    }
    if (strcmp(name, "help") == 0 && argc == 2)
        return es_cli_finish("help", help(stdout));
    char *help_arguments[] = {argc > 2 ? argv[2] : NULL, (char[]){"--help"}, NULL};
    bool wants_help = strcmp(name, "help") == 0;
    if (wants_help)
        name = argv[2];
    for (const struct es_command *command = es_commands; command->name; command++)
        if (strcmp(command->name, name) == 0)
            return wants_help ? command->run(2, help_arguments) : command->run(argc - 1, argv + 1);
    return unknown(name);
}
