/* SPDX-License-Identifier: MIT */
/* `elixirscope weave` and `elixirscope unweave`: probes into modules of a node that is being recorded, and out again. */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "cli/cli.h"
#include "cli/control_socket.h"
#include "control/control.h"

#define LOOK_MS 20

static const char weave_help[] =
    "elixirscope weave - weave probes into modules of a node that is being recorded\n"
    "\n"
    "Usage: elixirscope weave [OPTION]... NODE MODULE...\n"
    "\n"
    "Compiles each MODULE (a name, or a prefix that ends in '*') anew with probes at entries, returns, tail calls, "
    "lines and "
    "variables, and\n"
    "loads it, without a stop of the node; modules that are loaded later too. `unweave`, and the end of the recording, "
    "bring "
    "back what was.\n"
    "NODE is a node's name, a session's id or the path of its recording: `record` or `attach` must be at work on it.\n"
    "\n"
    "Options:\n"
    "  --depth DEPTH        what probes tell: calls (the default), lines, or values of variables too\n"
    "  --yes-really         allows '*'\n"
    "  --json               the result as a JSON object: added by this, woven, refused, held (counts), lines (about "
    "single modules)\n"
    "  --help               this text\n"
    "\n"
    "Examples:\n"
    "  elixirscope weave shop@localhost Shop.Cart --depth values\n"
    "  elixirscope weave shop@localhost 'Shop.*'\n"
    "\n"
    "Exit codes:\n"
    "  0 success, 1 failure, or no module could be woven, 2 wrong usage\n";

static const char unweave_help[] =
    "elixirscope unweave - bring modules back to what they were before they were woven\n"
    "\n"
    "Usage: elixirscope unweave [OPTION]... NODE MODULE...\n"
    "       elixirscope unweave [OPTION]... NODE --all\n"
    "\n"
    "A module whose code from before is still in use stays woven until it is not, and is named, with the processes in "
    "its "
    "way. So does one\n"
    "that makes funs: tables may hold such of its code from before, which would fail when they are called.\n"
    "\n"
    "Options:\n"
    "  --all                every module that is woven\n"
    "  --force              also modules that make funs: only where no table holds one of them\n"
    "  --json               the result as a JSON object: woven, refused, held (counts), lines (about single modules)\n"
    "  --help               this text\n"
    "\n"
    "Examples:\n"
    "  elixirscope unweave shop@localhost Shop.Cart\n"
    "  elixirscope unweave shop@localhost --all\n"
    "\n"
    "Exit codes:\n"
    "  0 success, 1 failure, or some stay woven, 2 wrong usage\n";

struct wish {
    const char *command;
    struct es_weave weave;
    bool all, force, yes_really, json;
    struct es_session_dir dir;
};

/* ---- options ------------------------------------------------------------------------------------------------------- */

enum { OPT_DEPTH = ES_OPT_LAST + 600, OPT_ALL, OPT_FORCE, OPT_REALLY };

static const struct option weave_options[] = {{"depth", required_argument, NULL, OPT_DEPTH},
                                              {"yes-really", no_argument, NULL, OPT_REALLY},
                                              {"json", no_argument, NULL, ES_OPT_JSON},
                                              {"help", no_argument, NULL, 'h'},
                                              {NULL, 0, NULL, 0}};
static const struct option unweave_options[] = {{"all", no_argument, NULL, OPT_ALL},
                                                {"force", no_argument, NULL, OPT_FORCE},
                                                {"json", no_argument, NULL, ES_OPT_JSON},
                                                {"help", no_argument, NULL, 'h'},
                                                {NULL, 0, NULL, 0}};

/* -1, or the exit code to end with. */
static int read_options(int argc, char **argv, struct wish *wish)
{
    bool weave = strcmp(wish->command, "weave") == 0;
    for (int option; (option = getopt_long(argc, argv, "h", weave ? weave_options : unweave_options, NULL)) != -1;)
        switch (option) {
        case OPT_DEPTH:
            if (es_depth_parse(optarg, &wish->weave.depth) < 0)
                return es_cli_failure(wish->command), ES_EXIT_USAGE;
            break;
        case OPT_ALL: wish->all = true; break;
        case OPT_FORCE: wish->force = true; break;
        case OPT_REALLY: wish->yes_really = true; break;
        case ES_OPT_JSON: wish->json = true; break;
        case 'h': return es_cli_help(weave ? weave_help : unweave_help);
        default: return es_cli_usage(wish->command, "wrong option");
        }
    if (optind == argc)
        return es_cli_usage(wish->command, "the name of a node is needed");
    for (int i = optind + 1; i < argc && wish->weave.n < ES_WEAVE_MAX; i++)
        wish->weave.modules[wish->weave.n++] = argv[i];
    if (argc - optind - 1 > ES_WEAVE_MAX)
        return es_cli_usage(wish->command, "more than %d modules", ES_WEAVE_MAX);
    if (wish->all == (wish->weave.n > 0))
        return es_cli_usage(wish->command, weave ? "a module is needed" : "modules are needed, or --all");
    return es_weave_check(&wish->weave, wish->yes_really || !weave) < 0 ? (es_cli_failure(wish->command), ES_EXIT_USAGE)
                                                                        : -1;
}

/* ---- asking -------------------------------------------------------------------------------------------------------- */

static int send_wish(const struct wish *wish, long long *ret_before)
{
    char line[ES_CONTROL_LINE], answer[ES_CONTROL_LINE];
    int n = wish->all || strcmp(wish->command, "unweave") == 0
                ? snprintf(line, sizeof line, "unweave%s", wish->force ? " --force" : "")
                : snprintf(line, sizeof line, "weave %s", es_depth_names[wish->weave.depth]);
    for (size_t i = 0; i < wish->weave.n && n < (int)sizeof line; i++)
        n += snprintf(line + n, sizeof line - (size_t)n, " %s", wish->weave.modules[i]);
    if (n >= (int)sizeof line)
        return es_fail(-E2BIG, "the names are longer than %d bytes together", ES_CONTROL_LINE);
    int rc = es_control_ask(&wish->dir, line, answer);
    if (rc == 0)
        *ret_before = strtoll(answer, NULL, 10);
    return rc;
}

static int64_t member(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* How far it is. A new reference. */
static json_t *ask(const struct wish *wish)
{
    char answer[ES_CONTROL_LINE];
    if (es_control_ask(&wish->dir, "weaving", answer) < 0)
        return NULL;
    json_error_t error;
    json_t *object = json_loads(answer, 0, &error);
    if (!object)
        es_fail(-EBADMSG, "the recorder of session %s answers what is no JSON: %s", wish->dir.id, error.text);
    return object;
}

/* Waits until it is done; Ctrl-C ends the waiting, not the weaving. */
static json_t *wait_for(const struct wish *wish, long long before)
{
    struct es_progress progress;
    int64_t most = 1;
    es_progress_start(&progress, wish->command);
    for (;;) {
        json_t *object = ask(wish);
        int64_t waiting = object ? member(object, "waiting") : 0;
        most = waiting > most ? waiting : most;
        bool done = !object || (member(object, "answered") > before && waiting == 0);
        if (done || es_progress_tick(1.0 - (double)waiting / (double)most, &progress)) {
            es_progress_end(&progress);
            return object;
        }
        json_decref(object);
        struct timespec pause = {.tv_nsec = LOOK_MS * 1000000};
        nanosleep(&pause, NULL);
    }
}

static int print(const struct wish *wish, const json_t *object)
{
    if (wish->json) {
        json_dumpf(object, stdout, JSON_ENSURE_ASCII);
        putchar('\n');
    } else {
        const json_t *lines = json_object_get(object, "lines");
        for (size_t i = 0; i < json_array_size(lines); i++)
            printf("%s\n", json_string_value(json_array_get(lines, i)));
        if (es_cli_interrupted())
            printf("%lld are waiting to be woven; it goes on\n", (long long)member(object, "waiting"));
        printf("%lld woven, %lld refused, %lld not brought back yet\n", (long long)member(object, "woven"),
               (long long)member(object, "refused"), (long long)member(object, "held"));
    }
    bool good = strcmp(wish->command, "weave") == 0
                    ? member(object, "added") > 0 || json_array_size(json_object_get(object, "lines")) == 0
                    : member(object, "held") == 0;
    return es_cli_finish(wish->command, good ? ES_EXIT_OK : ES_EXIT_FAILURE);
}

static int run(int argc, char **argv, struct wish *wish)
{
    int code = read_options(argc, argv, wish);
    long long before;
    if (code >= 0)
        return code;
    es_cli_catch_signals();
    if (es_control_find(argv[optind], &wish->dir) < 0 || send_wish(wish, &before) < 0)
        return es_cli_failure(wish->command);
    json_t *object = wait_for(wish, before);
    if (!object)
        return es_cli_failure(wish->command);
    code = print(wish, object);
    json_decref(object);
    return code;
}

int es_cmd_weave(int argc, char **argv)
{
    static struct wish wish = {.command = "weave"};
    return run(argc, argv, &wish);
}

int es_cmd_unweave(int argc, char **argv)
{
    static struct wish wish = {.command = "unweave"};
    return run(argc, argv, &wish);
}
