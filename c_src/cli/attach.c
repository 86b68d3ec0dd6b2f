/* SPDX-License-Identifier: MIT */
/* `elixirscope attach`: joins a running node, sends the agent there, records, and takes it out again. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/cli.h"
#include "cli/supervise.h"
#include "control/inject.h"

#define START_WAIT_MS 20000

static const char help[] =
    "elixirscope attach - record a node that is running already\n"
    "\n"
    "Usage: elixirscope attach [OPTION]... NODE\n"
    "\n"
    "Joins NODE (app@host, or app for this host) as a hidden node with its cookie, starts recording, and takes "
    "everything out again at\n"
    "the end: Ctrl-C, --for, a limit, or the end of the node. The node must run on this machine, as the same user "
    "(root may record any).\n"
    "\n"
    "Options:\n" ES_CAPTURE_HELP "  --for TIME             ends after this time, e.g. 30s\n"
    "  --cookie COOKIE        the node's cookie (others on this machine can see arguments: better a file)\n"
    "  --cookie-file FILE     file with the cookie (default: $RELEASE_COOKIE, then ~/.erlang.cookie)\n"
    "  --budget PCT | off     recording thins itself out above this share of CPU time (default 5)\n"
    "  --quiet                only warnings and errors\n"
    "  --json                 the result as a JSON object\n"
    "  --help                 this text\n"
    "\n"
    "Examples:\n"
    "  elixirscope attach shop@localhost --for 30s\n"
    "  elixirscope attach --cookie-file /var/lib/rabbitmq/.erlang.cookie --level messages_only rabbit\n"
    "  elixirscope attach --keep 200MB --on crash,error my_app@10.0.0.5\n"
    "\n"
    "Exit codes:\n"
    "  0 recorded, and nothing is left in the node; 1 failure; 2 wrong usage\n";

enum { OPT_COOKIE = ES_OPT_LAST + 500, OPT_COOKIE_FILE };

struct attach {
    struct es_capture capture;
    struct es_recorder recorder;
    struct es_cookie_source cookie;
    const char *node;
    bool modules_are_theirs;
};

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct attach *attach)
{
    static const struct option options[] = {ES_CAPTURE_OPTIONS,
                                            {"for", required_argument, NULL, ES_CAPTURE_FOR},
                                            {"cookie", required_argument, NULL, OPT_COOKIE},
                                            {"cookie-file", required_argument, NULL, OPT_COOKIE_FILE},
                                            {NULL, 0, NULL, 0}};
    es_capture_init(&attach->capture, "attach");
    attach->capture.budget = 5;
    for (int option; (option = getopt_long(argc, argv, "ho:", options, NULL)) != -1;) {
        int rc = es_capture_option(&attach->capture, option, optarg);
        if (rc < 0)
            return es_cli_failure("attach"), ES_EXIT_USAGE;
        if (rc > 0)
            continue;
        switch (option) {
        case OPT_COOKIE: attach->cookie.cookie = optarg; break;
        case OPT_COOKIE_FILE: attach->cookie.file = optarg; break;
        case 'h': return es_cli_help(help);
        default: return es_cli_usage("attach", "wrong option");
        }
    }
    if (argc - optind != 1)
        return es_cli_usage("attach", "the name of one node is needed, %d were given", argc - optind);
    attach->node = argv[optind];
    return es_capture_check(&attach->capture) < 0 ? (es_cli_failure("attach"), ES_EXIT_USAGE) : -1;
}

/* Sends modules and asks the agent to start; it then comes to our socket. */
static int bring_agent(struct attach *attach, struct es_cnode *node)
{
    struct es_recorder *recorder = &attach->recorder;
    struct es_inject_start start = {
        .socket = recorder->dir.socket, .ebin = recorder->ebin, .nif = recorder->nif, .wait_ms = START_WAIT_MS};
    int rc = es_inject_reachable(node, recorder->nif);
    if (rc == 0)
        rc = es_inject_load(node, recorder->ebin);
    if (rc < 0)
        return rc;
    attach->modules_are_theirs = rc == 1;
    return es_inject_start(node, &start);
}

/* The agent unloads itself; what it ran in the last moment can only be purged from outside. */
static void tidy_node(struct attach *attach)
{
    struct es_cnode *node;
    struct es_recorder *recorder = &attach->recorder;
    bool alive = recorder->n_tracks == 0 || es_track_vm_lives(recorder->tracks[0]);
    if (attach->modules_are_theirs || !alive)
        return;
    if (es_cnode_connect(attach->node, &attach->cookie, &node) == 0) {
        int left = es_inject_unload(node, recorder->ebin);
        if (left != 0)
            es_recorder_warn(recorder,
                             "modules of the agent are still loaded in the node: a process there holds on to them");
        es_cnode_close(node);
    }
    es_error_clear();
}

static int attach_and_run(struct attach *attach, struct es_cnode *node)
{
    struct es_recorder *recorder = &attach->recorder;
    if (es_recorder_catch_signals() < 0 || bring_agent(attach, node) < 0) {
        es_recorder_fail(recorder);
        es_cnode_close(node);
    } else {
        recorder->node = node;
        es_recorder_tell(recorder, "recording into %s; Ctrl-C ends it", attach->capture.file);
        es_recorder_run(recorder);
    }
    tidy_node(attach);
    es_recorder_close(recorder);
    return recorder->failed ? ES_EXIT_FAILURE : ES_EXIT_OK;
}

int es_cmd_attach(int argc, char **argv)
{
    static struct attach attach;
    struct es_cnode *node;
    struct es_node_facts facts;
    char name[128];
    int code = parse(argc, argv, &attach);
    if (code >= 0)
        return code;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(attach.node, "@/"), attach.node);
    if (es_capture_output(&attach.capture, name) < 0)
        return es_cli_failure("attach");
    int rc = es_cnode_connect(attach.node, &attach.cookie, &node);
    if (rc < 0)
        return es_cli_failure("attach");
    rc = es_inject_inspect(node, &facts);
    if (rc == 0)
        rc = es_recorder_open(&attach.recorder, &attach.capture, facts.uid == geteuid() ? (uid_t)-1 : facts.uid);
    if (rc < 0) {
        es_cnode_close(node);
        return es_cli_failure("attach");
    }
    return es_cli_finish("attach", attach_and_run(&attach, node));
}
