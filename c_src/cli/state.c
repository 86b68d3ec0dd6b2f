/* SPDX-License-Identifier: MIT */
/* `elixirscope state`: the state of a process at any moment, its versions, and what changed between them. */
#include "cli/state.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"
#include "term/path.h"

static const char help[] =
    "elixirscope state - the state of a process at any moment\n"
    "\n"
    "Usage: elixirscope state [OPTION]... FILE.scope PID|NAME\n"
    "       elixirscope state [OPTION]... --at - FILE.scope\n"
    "\n"
    "Prints the state that an OTP process (GenServer, Agent, gen_statem ...) had at a time: the version in force, "
    "since\n"
    "when, and which callback and message made it. What was cut, redacted or not captured is said. Without --at it is\n"
    "the last one; after a crash that is the state it happened in.\n"
    "\n"
    "Options:\n"
    "  --at TIME              the state at this time (see `elixirscope events --help` for TIME); '-': reads lines\n"
    "                         'PID|NAME TIME' from standard input and answers each with a JSON object\n"
    "  --path PATH            only this part, and which version set it last: '.items[3].price', '.stock[\"tea\"]',\n"
    "                         '[:key]', '{0}' for the first element of a tuple\n"
    "  --history              one line a version: number, time, what made it, size, what changed\n"
    "  --diff                 what changed: from the version at --since, else from the one before, to the one at --at\n"
    "  --since TIME           versions from this time on\n"
    "  --until TIME           versions before this time\n"
    "  --limit N              at most N versions; with --path, look back through at most N\n"
    "  --reverse              last version first\n"
    "  --width N              columns (default: the terminal's, else 100)\n"
    "  --notation NOTATION    'elixir' (default) or 'erlang'\n"
    "  --json                 one JSON object a line; the fields are in docs/cli.md\n"
    "  --help                 this text\n"
    "\n"
    "Examples:\n"
    "  elixirscope state shop.scope Shop.Stock --at +2s\n"
    "  elixirscope state shop.scope '<0.151.0>' --history --limit 20\n"
    "  elixirscope state shop.scope Shop.Stock --diff --since +1s --at +2s\n"
    "  elixirscope state shop.scope Shop.Stock --path '.stock[\"assam\"].left'\n"
    "\n"
    "Exit codes:\n"
    "  0 success, 1 failure (also where no state is known), 2 wrong usage\n";

enum { OPT_AT = ES_OPT_LAST, OPT_PATH, OPT_HISTORY, OPT_DIFF, OPT_WIDTH };

/* ---- trees --------------------------------------------------------------------------------------------------------- */

int es_state_tree_read(struct es_state_view *view, const uint8_t *bytes, size_t len, struct es_state_tree *ret_tree)
{
    uint8_t *copy = malloc(len ? len : 1);
    if (!copy)
        return es_fail(-ENOMEM, "no memory for a state of %zu bytes", len);
    memcpy(copy, bytes, len);
    int rc = es_tree_read(&ret_tree->tree, copy, len, es_query_print(view->query, view->erlang));
    if (rc < 0) {
        free(copy);
        return es_fail(rc, "the recorded state is malformed");
    }
    ret_tree->bytes = copy;
    return 0;
}

int es_state_tree_of(struct es_state_view *view, const struct es_version_info *version, struct es_state_tree *ret_tree)
{
    const uint8_t *bytes;
    size_t len;
    int rc = es_query_version_bytes(view->query, version, &bytes, &len);
    return rc < 0 ? rc : es_state_tree_read(view, bytes, len, ret_tree);
}

void es_state_tree_fini(struct es_state_tree *tree)
{
    es_tree_fini(&tree->tree);
    free(tree->bytes);
    tree->bytes = NULL;
}

/* ---- one state ----------------------------------------------------------------------------------------------------- */

static int find_part(struct es_state_view *view, const struct es_state *state, const struct es_tree *tree,
                     struct es_state_shown *shown, struct es_part *part)
{
    struct es_path path;
    struct es_progress progress;
    struct es_part_request request = {.pid = state->pid,
                                      .at = state->at,
                                      .path = view->path,
                                      .erlang = view->erlang,
                                      .limit = view->limit,
                                      .tick = es_progress_tick,
                                      .context = &progress};
    int rc = es_path_parse(view->path, &path);
    if (rc < 0)
        return rc;
    rc = es_path_resolve(&path, tree, es_query_print(view->query, view->erlang), &shown->node);
    es_path_fini(&path);
    if (rc < 0)
        return rc;
    es_progress_start(&progress, "looking back");
    rc = es_query_part(view->query, &request, part);
    es_progress_end(&progress);
    shown->part = part;
    return rc;
}

static int show(struct es_state_view *view, const struct es_state *state, struct es_text *out)
{
    struct es_state_tree tree = {0};
    struct es_part part;
    struct es_state_shown shown = {.state = state};
    int rc = 0;
    if (state->bytes) {
        rc = es_state_tree_read(view, state->bytes, state->len, &tree);
        shown.tree = &tree.tree;
        if (rc == 0 && view->path)
            rc = find_part(view, state, &tree.tree, &shown, &part);
    } else if (view->path) {
        rc = es_fail(-ENODATA, "none of its versions until then was captured");
    }
    if (rc == 0 && view->json)
        es_state_print_json(view, &shown, out);
    else if (rc == 0)
        es_state_print(view, &shown, out);
    es_state_tree_fini(&tree);
    return rc;
}

/* Who is meant, and when. Without a time: at its end. */
static int resolve(struct es_state_view *view, es_ref *ret_pid, int64_t *ret_at)
{
    es_ref *pids = NULL;
    size_t n = 0;
    const char *when = view->at ? view->at : view->until;
    *ret_at = INT64_MAX;
    if (when && es_query_time(view->query, when, ret_at) < 0)
        return -EINVAL;
    int rc = es_query_pids(view->query, view->who, &pids, &n);
    if (rc < 0)
        return rc;
    *ret_pid = es_query_pid_at(view->query, pids, n, *ret_at);
    if (n > 1 && !view->json) {
        struct es_text pid = {0};
        es_query_print_ref(view->query, *ret_pid, true, &pid);
        fprintf(stderr, "%zu processes were called %s; this is %s. --at or a pid chooses another.\n", n, view->who,
                pid.bytes ? pid.bytes : "?");
        es_text_fini(&pid);
    }
    free(pids);
    return 0;
}

static int answer(struct es_state_view *view, struct es_text *out)
{
    struct es_state state;
    es_ref pid = ES_REF_NONE;
    int64_t at;
    int rc = resolve(view, &pid, &at);
    if (rc == 0)
        rc = es_query_state(view->query, pid, at, &state);
    if (rc < 0)
        return rc;
    rc = show(view, &state, out);
    es_state_fini(&state);
    return rc;
}

/* ---- many questions ------------------------------------------------------------------------------------------------ */

static void print_error(const char *who, const char *at, struct es_text *out)
{
    const char *why = es_error_text();
    es_text_clear(out);
    es_text_puts(out, "{\"process\":");
    es_text_json(out, who, strlen(who));
    es_text_puts(out, ",\"at\":");
    es_text_json(out, at, strlen(at));
    es_text_puts(out, ",\"error\":");
    es_text_json(out, why, strlen(why));
    es_text_puts(out, "}");
    es_error_clear();
}

/* "WHO TIME": the time begins behind the first blank, as names have none that people would write here. */
static int answer_lines(struct es_state_view *view)
{
    struct es_text out = {0};
    char *line = NULL;
    size_t room = 0;
    bool going = true;
    view->json = true;
    while (going && getline(&line, &room, stdin) > 0 && !es_cli_interrupted()) {
        line[strcspn(line, "\r\n")] = '\0';
        size_t len = strcspn(line, " \t");
        if (*line == '\0')
            continue;
        view->at = line[len] ? line + len + 1 + strspn(line + len + 1, " \t") : "";
        line[len] = '\0';
        view->who = line;
        if (answer(view, &out) < 0)
            print_error(view->who, view->at, &out);
        going = es_cli_flush(&out, stdout);
    }
    free(line);
    es_text_fini(&out);
    return ES_EXIT_OK;
}

/* ---- the command --------------------------------------------------------------------------------------------------- */

static int run(struct es_state_view *view)
{
    struct es_info info;
    struct es_text out = {0};
    es_ref pid = ES_REF_NONE;
    int64_t at;
    if (es_query_info(view->query, &info) < 0)
        return es_cli_failure("state");
    view->start = info.first_time;
    if (!view->who)
        return answer_lines(view);
    if (view->history || view->diff) {
        if (resolve(view, &pid, &at) < 0)
            return es_cli_failure("state");
        return view->history ? es_state_history(view, pid, at) : es_state_diff(view, pid, at);
    }
    int rc = answer(view, &out);
    if (rc == 0)
        es_cli_flush(&out, stdout);
    es_text_fini(&out);
    return rc < 0 ? es_cli_failure("state") : ES_EXIT_OK;
}

static unsigned terminal_width(void)
{
    struct winsize size;
    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20 ? size.ws_col
                                                                                                      : 100;
}

static int parse_width(const char *text, unsigned *ret)
{
    char *end;
    unsigned long width = strtoul(text, &end, 10);
    if (end == text || *end || width < 20 || width > 10000)
        return es_fail(-EINVAL, "--width is a number from 20 to 10000, not '%s'", text);
    *ret = (unsigned)width;
    return 0;
}

static int take_option(struct es_state_view *view, int option)
{
    switch (option) {
    case OPT_AT: view->at = optarg; return 0;
    case OPT_PATH: view->path = optarg; return 0;
    case OPT_HISTORY: view->history = true; return 0;
    case OPT_DIFF: view->diff = true; return 0;
    case OPT_WIDTH: return parse_width(optarg, &view->width);
    case ES_OPT_SINCE: view->since = optarg; return 0;
    case ES_OPT_UNTIL: view->until = optarg; return 0;
    case ES_OPT_LIMIT: return es_cli_parse_count(optarg, &view->limit);
    case ES_OPT_REVERSE: view->reverse = true; return 0;
    case ES_OPT_NOTATION: return es_cli_parse_notation(optarg, &view->erlang);
    case ES_OPT_JSON: view->json = true; return 0;
    default: return 1;
    }
}

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct es_state_view *view)
{
    static const struct option options[] = {{"at", required_argument, NULL, OPT_AT},
                                            {"path", required_argument, NULL, OPT_PATH},
                                            {"history", no_argument, NULL, OPT_HISTORY},
                                            {"diff", no_argument, NULL, OPT_DIFF},
                                            {"width", required_argument, NULL, OPT_WIDTH},
                                            {"since", required_argument, NULL, ES_OPT_SINCE},
                                            {"until", required_argument, NULL, ES_OPT_UNTIL},
                                            {"limit", required_argument, NULL, ES_OPT_LIMIT},
                                            {"reverse", no_argument, NULL, ES_OPT_REVERSE},
                                            {"notation", required_argument, NULL, ES_OPT_NOTATION},
                                            {"json", no_argument, NULL, ES_OPT_JSON},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (option == 'h')
            return es_cli_help(help);
        int rc = take_option(view, option);
        if (rc > 0)
            return es_cli_usage("state", "wrong option");
        if (rc < 0)
            return es_cli_failure("state"), ES_EXIT_USAGE;
    }
    bool lines = view->at && strcmp(view->at, "-") == 0;
    if (argc - optind != (lines ? 1 : 2))
        return es_cli_usage("state",
                            lines ? "with --at - one recording is needed, %d arguments were given"
                                  : "a recording and a process are needed, %d arguments were given",
                            argc - optind);
    if (view->history && view->diff)
        return es_cli_usage("state", "--history and --diff exclude each other");
    if (lines && (view->history || view->diff))
        return es_cli_usage("state", "--at - answers with states, not with --history or --diff");
    if (view->at && view->until)
        return es_cli_usage("state", "--at and --until exclude each other");
    view->who = lines ? NULL : argv[optind + 1];
    return -1;
}

int es_cmd_state(int argc, char **argv)
{
    struct es_state_view view = {.width = terminal_width()};
    int code = parse(argc, argv, &view);
    if (code >= 0)
        return code;
    view.query = es_cli_open("state", argv[optind], &code);
    if (!view.query)
        return code;
    es_cli_catch_signals();
    code = run(&view);
    es_query_close(view.query);
    return es_cli_finish("state", code);
}
