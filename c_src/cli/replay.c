/* SPDX-License-Identifier: MIT */
/* `elixirscope replay`: the player on a terminal. */
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/replay_grid.h"

static const char help_head[] =
    "elixirscope replay - play a recording\n"
    "\n"
    "Usage: elixirscope replay [OPTION]... FILE.scope\n"
    "\n"
    "Shows the events of a recording on the terminal, and beside them the process that did the current one: its state\n"
    "right after it with what changed, its open calls, what it waits for, its mailbox. Steps go to the next event, "
    "message\n"
    "or state, forwards and back; jumps to what caused an event or came of it. A live recording can be followed. ? "
    "shows\n"
    "the keys. docs/replay.md shows a screen.\n"
    "\n"
    "Options:\n"
    "  --from TIME            begin at this time (see `elixirscope events --help` for TIME), or at the event with "
    "this\n"
    "                         number (SEQ, or #SEQ)\n"
    "  --pid PID|NAME         keep this process in sight\n"
    "  --notation NOTATION    terms as 'elixir' (default) or 'erlang'\n"
    "  --no-color             no colours; NO_COLOR does so too\n"
    "  --script KEYS          without a terminal: presses these keys, with a blank between them, and prints the "
    "screen.\n"
    "                         '20n' is n twenty times, 'g(+1.5s)' answers what the key asks for, 'wait(2s)' lets time "
    "pass\n"
    "                         while it plays\n"
    "  --size WxH             size of that screen (default 100x30)\n"
    "  --json                 with --script: a JSON object after each key; the fields are in docs/cli.md\n"
    "  --help                 this text\n"
    "\n"
    "Keys:\n";
static const char help_tail[] = "\n"
                                "Examples:\n"
                                "  elixirscope replay shop.scope\n"
                                "  elixirscope replay shop.scope --from 40% --pid Shop.Inventory\n"
                                "  elixirscope replay shop.scope --script '/(kind = crash) c c' --json\n"
                                "\n"
                                "Exit codes:\n"
                                "  0 success, 1 failure, 2 wrong usage, or no terminal\n";

enum { OPT_FROM = ES_OPT_LAST, OPT_NO_COLOR, OPT_SCRIPT, OPT_SIZE };

struct request {
    const char *from, *who;
    bool no_colour, script_given, sized;
    struct es_replay_script script;
};

static int show_help(void)
{
    struct es_text text = {0};
    es_text_puts(&text, help_head);
    for (const struct es_replay_key *key = es_replay_keys; key->help; key++)
        if (key->keys)
            es_text_printf(&text, "  %-22s %s\n", key->keys, key->help);
    es_text_puts(&text, help_tail);
    int code = es_cli_help(text.bytes ? text.bytes : "");
    es_text_fini(&text);
    return code;
}

/* ---- where to begin ------------------------------------------------------------------------------------------------ */

static int hold(struct es_replay *r, const char *who)
{
    es_ref *pids = NULL;
    size_t n = 0;
    int rc = es_query_pids(r->query, who, &pids, &n);
    if (rc < 0)
        return rc;
    es_replay_select(r, es_query_pid_at(r->query, pids, n, r->event.time), true);
    free(pids);
    return 0;
}

static int start(struct es_replay *r, const struct request *request)
{
    if (request->from) {
        es_replay_time(r, request->from);
        if (r->failed)
            return es_fail(-EINVAL, "%s", r->message);
        r->jump = r->n_jumps = 0;
    }
    return request->who ? hold(r, request->who) : 0;
}

static bool is_plain(const struct request *request)
{
    const char *no_color = getenv("NO_COLOR");
    return request->no_colour || (no_color && *no_color);
}

static int play(struct es_query *query, const char *path, const struct request *request, bool erlang)
{
    struct es_replay replay = {.path = path, .erlang = erlang};
    int rc = es_replay_open(&replay, query);
    if (rc == 0)
        rc = start(&replay, request);
    int code = rc < 0                 ? es_cli_failure("replay")
               : request->script.keys ? es_replay_script(&replay, &request->script)
                                      : es_replay_screen(&replay, !is_plain(request));
    es_replay_close(&replay);
    return code;
}

/* ---- the command --------------------------------------------------------------------------------------------------- */

static int parse_size(const char *text, struct es_replay_script *script)
{
    int end = 0;
    if (sscanf(text, "%4dx%4d%n", &script->width, &script->height, &end) != 2 || text[end] ||
        script->width < ES_REPLAY_WIDTH || script->height < ES_REPLAY_HEIGHT || script->width > 1000 ||
        script->height > 400)
        return es_fail(-EINVAL, "--size is WIDTHxHEIGHT from %dx%d to 1000x400, not '%s'", ES_REPLAY_WIDTH,
                       ES_REPLAY_HEIGHT, text);
    return 0;
}

static int take_option(struct request *request, int option, bool *ret_erlang)
{
    switch (option) {
    case OPT_FROM: request->from = optarg; return 0;
    case ES_OPT_PID: request->who = optarg; return 0;
    case OPT_NO_COLOR: request->no_colour = true; return 0;
    case OPT_SCRIPT: request->script.keys = optarg; return 0;
    case OPT_SIZE: request->sized = true; return parse_size(optarg, &request->script);
    case ES_OPT_JSON: request->script.json = true; return 0;
    default: return es_cli_parse_notation(optarg, ret_erlang);
    }
}

static int check(const struct request *request)
{
    if (request->script.json && !request->script.keys)
        return es_cli_usage("replay", "--json prints what --script does");
    if (request->sized && (!request->script.keys || request->script.json))
        return es_cli_usage("replay", "--size is of the screen that --script prints");
    if (!request->script.keys && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
        return es_cli_usage("replay",
                            "this is no terminal; `elixirscope events` prints events, and --script plays without one");
    return ES_EXIT_OK;
}

int es_cmd_replay(int argc, char **argv)
{
    static const struct option options[] = {{"from", required_argument, NULL, OPT_FROM},
                                            {"pid", required_argument, NULL, ES_OPT_PID},
                                            {"notation", required_argument, NULL, ES_OPT_NOTATION},
                                            {"no-color", no_argument, NULL, OPT_NO_COLOR},
                                            {"script", required_argument, NULL, OPT_SCRIPT},
                                            {"size", required_argument, NULL, OPT_SIZE},
                                            {"json", no_argument, NULL, ES_OPT_JSON},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct request request = {.script = {.width = 100, .height = 30}};
    bool erlang = false;
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (option == 'h')
            return show_help();
        if (option == '?')
            return es_cli_usage("replay", "wrong option");
        if (take_option(&request, option, &erlang) < 0) {
            es_cli_failure("replay");
            return ES_EXIT_USAGE;
        }
    }
    if (argc - optind != 1)
        return es_cli_usage("replay", "one recording is needed, %d were given", argc - optind);
    int code = check(&request);
    if (code != ES_EXIT_OK)
        return code;
    struct es_query *query = es_cli_open("replay", argv[optind], &code);
    if (!query)
        return code;
    if (!setlocale(LC_CTYPE, request.script.keys ? "C.UTF-8" : "") && !request.script.keys)
        setlocale(LC_CTYPE, "C");
    code = play(query, argv[optind], &request, erlang);
    es_query_close(query);
    return es_cli_finish("replay", code);
}
