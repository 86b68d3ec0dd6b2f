/* SPDX-License-Identifier: MIT */
/* `elixirscope recover`: finishes recordings whose recorder and engine died. */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/cli.h"
#include "cli/supervise.h"
#include "control/place.h"

static const char help[] =
    "elixirscope recover - take over a capture whose recorder died\n"
    "\n"
    "Usage: elixirscope recover [OPTION]... [SESSION]\n"
    "\n"
    "Whoever kills the recorder does not lose the recording: its engine finishes it. Where both died, the events that "
    "were published lie in\n"
    "shared memory still: this writes them into the recording, closes it and removes the session. SESSION is one id, "
    "default: all that\n"
    "need it. The next `record` or `attach` does the same by itself.\n"
    "\n"
    "Options:\n"
    "  --list               only says what there is\n"
    "  --discard            throws the session away instead, and leaves its recording as it is; SESSION must be named\n"
    "  --json               one JSON object a session\n"
    "  --help               this text\n"
    "\n"
    "Examples:\n"
    "  elixirscope recover\n"
    "  elixirscope recover --list\n"
    "\n"
    "Exit codes:\n"
    "  0 nothing is left to save, 1 failure, 2 wrong usage\n";

enum { OPT_LIST = ES_OPT_LAST, OPT_DISCARD };

struct work {
    const char *wanted;
    bool list, discard, json;
    unsigned seen;
    bool failed;
};

static const char *const life_names[] = {
    [ES_SESSION_LIVE] = "live", [ES_SESSION_ORPHANED] = "orphaned", [ES_SESSION_STALE] = "stale"};

static void tell(const struct work *work, const struct es_session_dir *dir, const char *result, const char *text)
{
    if (work->json) {
        json_t *object = json_pack("{s:s, s:s, s:s, s:s*}", "session", dir->id, "file", dir->recording, "result",
                                   result, "text", text[0] ? text : NULL);
        json_dumpf(object, stdout, JSON_ENSURE_ASCII);
        putchar('\n');
        json_decref(object);
        return;
    }
    printf("%s  %s%s%s%s%s\n", dir->id, result, dir->node[0] ? "  " : "", dir->node, text[0] ? ": " : "", text);
}

static void rescue(struct work *work, const struct es_session_dir *dir)
{
    char text[2 * PATH_MAX] = "";
    uint64_t events = 0, lost;
    struct es_cli_buf buf;
    switch (es_rescue_session(dir)) {
    case ES_RESCUE_SAVED:
        es_summary_counts(dir->recording, &events, &lost);
        snprintf(text, sizeof text, "%s now has %s events", dir->recording, es_cli_count(events, &buf));
        tell(work, dir, "saved", text);
        break;
    case ES_RESCUE_EMPTY: tell(work, dir, "removed", "it held nothing"); break;
    case ES_RESCUE_LOST:
        snprintf(text, sizeof text, "its rings died with the recorder; %s has what was written before", dir->recording);
        tell(work, dir, "lost", text);
        break;
    case ES_RESCUE_REPLACED: tell(work, dir, "removed", "its recording was replaced by another one since"); break;
    case ES_RESCUE_BUSY: tell(work, dir, "busy", "its engine is finishing the recording"); break;
    case ES_RESCUE_LIVE: tell(work, dir, "live", "its recorder lives"); break;
    case ES_RESCUE_KEPT:
        tell(work, dir, "kept", "all is saved; it holds the boot script of a VM that still runs");
        break;
    case ES_RESCUE_FAILED:
        snprintf(text, sizeof text, "%s; `elixirscope recover --discard %s` gives it up", es_error_text(), dir->id);
        tell(work, dir, "failed", text);
        es_error_clear();
        work->failed = true;
        break;
    }
}

static int each(const struct es_session_dir *dir, void *context)
{
    struct work *work = context;
    if (work->wanted && strcmp(dir->id, work->wanted) != 0)
        return 0;
    enum es_session_life life = es_session_dir_life(dir);
    if (!work->wanted && !work->list && life == ES_SESSION_LIVE)
        return 0;
    work->seen++;
    if (work->list) {
        tell(work, dir, life_names[life], dir->recording);
    } else if (work->discard && life == ES_SESSION_LIVE) {
        tell(work, dir, "live", "its recorder lives: end that instead");
        work->failed = true;
    } else if (work->discard) {
        es_place_remove(dir);
        tell(work, dir, "discarded", "");
    } else {
        rescue(work, dir);
    }
    return 0;
}

int es_cmd_recover(int argc, char **argv)
{
    static const struct option options[] = {{"list", no_argument, NULL, OPT_LIST},
                                            {"discard", no_argument, NULL, OPT_DISCARD},
                                            {"json", no_argument, NULL, ES_OPT_JSON},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct work work = {0};
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (option) {
        case OPT_LIST: work.list = true; break;
        case OPT_DISCARD: work.discard = true; break;
        case ES_OPT_JSON: work.json = true; break;
        case 'h': return es_cli_help(help);
        default: return es_cli_usage("recover", "wrong option");
        }
    }
    if (argc - optind > 1)
        return es_cli_usage("recover", "one session can be named, %d were given", argc - optind);
    work.wanted = optind < argc ? argv[optind] : NULL;
    if (work.discard && !work.wanted)
        return es_cli_usage("recover", "--discard needs the session's id");
    int rc = es_session_dir_each(each, &work);
    if (rc < 0)
        es_fail(rc, "sessions cannot be listed: %s", strerror(-rc));
    if (rc == 0 && work.wanted && work.seen == 0)
        rc = es_fail(-ENOENT, "there is no session '%s'", work.wanted);
    if (rc < 0)
        return es_cli_failure("recover");
    if (work.seen == 0 && !work.json)
        puts(work.list ? "no sessions" : "nothing to recover");
    return es_cli_finish("recover", work.failed ? ES_EXIT_FAILURE : ES_EXIT_OK);
}
