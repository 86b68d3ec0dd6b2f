/* SPDX-License-Identifier: MIT */
/* `elixirscope cut` and `elixirscope save`: a part, or the whole, of a recording in a new file; the source may be live. */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <string.h>

#include "base/error.h"
#include "cli/cli.h"
#include "wire/sessiondir.h"

static const char cut_help[] =
    "elixirscope cut - copy a part of a recording into a new one\n"
    "\n"
    "Usage: elixirscope cut [--since TIME] [--until TIME] -o NEW.scope FILE.scope\n"
    "\n"
    "The new recording holds the events from --since on and before --until, with the processes, names and atoms they "
    "need. Its\n"
    "sequence numbers begin at 1; times stay. A cause that lies outside is said to be unknown.\n"
    "\n"
    "Options:\n"
    "  --since TIME         from this time on (see `elixirscope events --help` for TIME)\n"
    "  --until TIME         before this time\n"
    "  -o, --output FILE    the new recording\n"
    "  --overwrite          replace it\n"
    "  --json               a JSON object about the new recording\n"
    "  --help               this text\n"
    "\n"
    "Examples:\n"
    "  elixirscope cut shop.scope --since +10s --until +12s -o crash.scope\n"
    "  elixirscope cut shop.scope --since -5s -o end.scope\n"
    "\n"
    "Exit codes:\n"
    "  0 success, 1 failure, 2 wrong usage\n";

static const char save_help[] =
    "elixirscope save - copy a live recording\n"
    "\n"
    "Usage: elixirscope save [SESSION] -o NEW.scope\n"
    "\n"
    "Copies what a recording that is still being written holds at this moment. SESSION is a session's id (`elixirscope "
    "doctor` lists\n"
    "them) or the path of its recording; it can be left out where only one session lives. The recording goes on.\n"
    "\n"
    "Options:\n"
    "  -o, --output FILE    the copy\n"
    "  --overwrite          replace it\n"
    "  --json               a JSON object about the copy\n"
    "  --help               this text\n"
    "\n"
    "Examples:\n"
    "  elixirscope save -o now.scope\n"
    "\n"
    "Exit codes:\n"
    "  0 success, 1 failure, 2 wrong usage\n";

enum { OPT_OVERWRITE = ES_OPT_LAST };

struct copy {
    const char *command, *since, *until;
    struct es_cut_request request;
    bool json;
};

static int report(const struct copy *copy)
{
    int code = ES_EXIT_OK;
    struct es_query *made = es_cli_open(copy->command, copy->request.path, &code);
    if (!made)
        return code;
    struct es_info info;
    if (es_query_info(made, &info) < 0) {
        code = es_cli_failure(copy->command);
    } else if (copy->json) {
        json_t *object = json_pack("{s:s, s:{s:I}, s:I, s:I}", "file", copy->request.path, "events", "total",
                                   (json_int_t)info.events, "bytes", (json_int_t)info.bytes, "duration_ns",
                                   (json_int_t)(info.last_time - info.first_time));
        json_dumpf(object, stdout, JSON_ENSURE_ASCII);
        putchar('\n');
        json_decref(object);
    } else {
        struct es_cli_buf events, bytes, span;
        printf("%s: %s events of %s, %s\n", copy->request.path, es_cli_count(info.events, &events),
               es_cli_duration(info.events ? info.last_time - info.first_time : 0, &span),
               es_cli_bytes(info.bytes, &bytes));
    }
    es_query_close(made);
    return code;
}

static int make_copy(struct es_query *query, struct copy *copy)
{
    copy->request.since = INT64_MIN;
    copy->request.until = INT64_MAX;
    if ((copy->since && es_query_time(query, copy->since, &copy->request.since) < 0) ||
        (copy->until && es_query_time(query, copy->until, &copy->request.until) < 0))
        return es_cli_failure(copy->command);
    if (copy->request.since >= copy->request.until)
        return es_cli_usage(copy->command, "--since %s does not lie before --until %s", copy->since, copy->until);
    struct es_progress progress;
    es_progress_start(&progress, "copying");
    copy->request.tick = es_progress_tick;
    copy->request.context = &progress;
    int rc = es_query_cut(query, &copy->request);
    es_progress_end(&progress);
    return rc < 0 ? es_cli_failure(copy->command) : report(copy);
}

static int copy_recording(struct copy *copy, const char *source)
{
    int code = ES_EXIT_OK;
    struct es_query *query = es_cli_open(copy->command, source, &code);
    if (!query)
        return code;
    es_cli_catch_signals();
    code = make_copy(query, copy);
    es_query_close(query);
    return code;
}

/* Options of both commands; `since` and `until` only of cut. -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct copy *copy, const char *help)
{
    static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                            {"overwrite", no_argument, NULL, OPT_OVERWRITE},
                                            {"json", no_argument, NULL, ES_OPT_JSON},
                                            {"help", no_argument, NULL, 'h'},
                                            {"since", required_argument, NULL, ES_OPT_SINCE},
                                            {"until", required_argument, NULL, ES_OPT_UNTIL},
                                            {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "ho:", options, NULL)) != -1;) {
        switch (option) {
        case 'o': copy->request.path = optarg; break;
        case OPT_OVERWRITE: copy->request.overwrite = true; break;
        case ES_OPT_JSON: copy->json = true; break;
        case ES_OPT_SINCE: copy->since = optarg; break;
        case ES_OPT_UNTIL: copy->until = optarg; break;
        case 'h': return es_cli_help(help);
        default: return es_cli_usage(copy->command, "wrong option");
        }
    }
    return copy->request.path ? -1 : es_cli_usage(copy->command, "-o FILE is needed");
}

int es_cmd_cut(int argc, char **argv)
{
    struct copy copy = {.command = "cut"};
    int code = parse(argc, argv, &copy, cut_help);
    if (code >= 0)
        return code;
    if (argc - optind != 1)
        return es_cli_usage("cut", "one recording is needed, %d were given", argc - optind);
    return es_cli_finish("cut", copy_recording(&copy, argv[optind]));
}

struct search {
    const char *wanted;
    struct es_session_dir found;
    unsigned n;
};

static int look(const struct es_session_dir *dir, void *context)
{
    struct search *search = context;
    bool fits = search->wanted ? strcmp(dir->id, search->wanted) == 0 || strcmp(dir->recording, search->wanted) == 0
                               : es_session_dir_life(dir) == ES_SESSION_LIVE;
    if (fits) {
        search->found = *dir;
        search->n++;
    }
    return 0;
}

static int find_session(struct search *search)
{
    int rc = es_session_dir_each(look, search);
    if (rc < 0 && rc != -ENOENT)
        return es_fail(rc, "sessions cannot be listed: %s", strerror(-rc));
    if (search->n == 1)
        return 0;
    es_hint("`elixirscope doctor` lists the sessions; a finished recording is copied by `elixirscope cut`.");
    if (search->n > 1)
        return es_fail(-EINVAL, "%u sessions live: name one", search->n);
    return search->wanted ? es_fail(-ENOENT, "there is no session '%s'", search->wanted)
                          : es_fail(-ENOENT, "no session lives");
}

int es_cmd_save(int argc, char **argv)
{
    struct copy copy = {.command = "save"};
    int code = parse(argc, argv, &copy, save_help);
    if (code >= 0)
        return code;
    if (copy.since || copy.until)
        return es_cli_usage("save", "--since and --until belong to `elixirscope cut`");
    if (argc - optind > 1)
        return es_cli_usage("save", "one session can be named, %d were given", argc - optind);
    struct search search = {.wanted = optind < argc ? argv[optind] : NULL};
    if (find_session(&search) < 0)
        return es_cli_failure("save");
    return es_cli_finish("save", copy_recording(&copy, search.found.recording));
}
