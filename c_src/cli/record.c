/* SPDX-License-Identifier: MIT */
/* `elixirscope record`: starts a command and records the VM that comes up in it. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/cli.h"
#include "cli/supervise.h"
#include "control/launch.h"
#include "control/place.h"
#include "control/release.h"

static const char help[] =
    "elixirscope record - start a command that runs a BEAM and record it\n"
    "\n"
    "Usage: elixirscope record [OPTION]... [--] COMMAND [ARGUMENT]...\n"
    "\n"
    "Runs COMMAND as it is (mix, iex, elixir, erl, escript, rebar3, a release, a script that starts one of them) and "
    "records the first\n"
    "Erlang VM that comes up, from before its first line of user code. COMMAND has the terminal; messages of the "
    "recorder go to standard\n"
    "error. The recording ends with COMMAND, and --json then prints one line to standard error.\n"
    "\n"
    "Options:\n" ES_CAPTURE_HELP
    "  --children             VMs started by the first one are recorded too, into FILE-2.scope, FILE-3.scope …\n"
    "  --budget PCT | off     recording thins itself out above this share of CPU time (default off)\n"
    "  --quiet                only warnings and errors\n"
    "  --json                 the result as a JSON object\n"
    "  --help                 this text\n"
    "\n"
    "Examples:\n"
    "  elixirscope record -- mix test\n"
    "  elixirscope record -o shop.scope -- iex -S mix\n"
    "  elixirscope record --trace calls:MyApp.Cart --trace messages -- mix run\n"
    "  elixirscope record --keep 60s --on crash -- bin/my_app start\n"
    "\n"
    "Exit codes:\n"
    "  that of COMMAND (128 + N where signal N ended it); 1 where the recorder failed or COMMAND started no Erlang VM, "
    "and it says so;\n"
    "  2 wrong usage\n";

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct es_capture *capture)
{
    static const struct option options[] = {
        ES_CAPTURE_OPTIONS, {"children", no_argument, NULL, ES_CAPTURE_CHILDREN}, {NULL, 0, NULL, 0}};
    es_capture_init(capture, "record");
    for (int option; (option = getopt_long(argc, argv, "+ho:", options, NULL)) != -1;) {
        if (option == 'h')
            return es_cli_help(help);
        if (option == '?' || option == ':')
            return es_cli_usage("record", "wrong option");
        if (es_capture_option(capture, option, optarg) < 0)
            return es_cli_failure("record"), ES_EXIT_USAGE;
    }
    if (optind >= argc)
        return es_cli_usage("record", "a command is needed");
    return es_capture_check(capture) < 0 ? (es_cli_failure("record"), ES_EXIT_USAGE) : -1;
}

/* A release gets a boot script that starts the agent before the applications; without one it is recorded from when it has booted. */
static bool prepare_boot(const struct es_recorder *recorder, char *const *command, char boot[PATH_MAX])
{
    char theirs[PATH_MAX], ours[PATH_MAX + 8];
    if (!es_release_boot(command, theirs, sizeof theirs))
        return false;
    es_place_boot(&recorder->dir, boot, PATH_MAX);
    snprintf(ours, sizeof ours, "%s.boot", boot);
    if (es_release_patch(theirs, ours) == 0)
        return true;
    es_recorder_warn(recorder, "%s: the recording begins when the release has booted", es_error_text());
    es_error_clear();
    return false;
}

static int launch(struct es_recorder *recorder, char *const *command)
{
    char boot[PATH_MAX];
    bool release = prepare_boot(recorder, command, boot);
    struct es_launch start = {
        .argv = command, .session = recorder->dir.path, .nif = recorder->nif, .boot = release ? boot : NULL};
    int rc = es_place_ebin_link(&recorder->dir, recorder->ebin);
    return rc < 0 ? rc : es_launch(&start, &recorder->command);
}

static int command_code(const struct es_recorder *recorder)
{
    return WIFSIGNALED(recorder->status) ? 128 + WTERMSIG(recorder->status) : WEXITSTATUS(recorder->status);
}

/* Before the summary: what is worth saying of how the command ended. */
static void say_how_it_ended(const struct es_recorder *recorder)
{
    if (WIFSIGNALED(recorder->status) && recorder->n_tracks > 0)
        es_recorder_warn(recorder, "the %s was killed by signal %d (%s); all that was recorded until then is kept",
                         recorder->tracks[0]->dir.vm == recorder->command ? "VM" : "command",
                         WTERMSIG(recorder->status), strsignal(WTERMSIG(recorder->status)));
    if (recorder->refused > 0)
        es_recorder_warn(recorder,
                         "%u more Erlang VM%s started by the command and not recorded (--children records those that "
                         "the first one starts)",
                         recorder->refused, recorder->refused == 1 ? " was" : "s were");
}

static int run(struct es_recorder *recorder, char *const *command)
{
    struct termios terminal;
    bool has_terminal = tcgetattr(STDIN_FILENO, &terminal) == 0;
    if (es_recorder_catch_signals() < 0 || launch(recorder, command) < 0)
        return es_cli_failure("record");
    es_recorder_tell(recorder, "recording into %s", recorder->capture->file);
    es_recorder_run(recorder);
    int code = command_code(recorder);
    if (has_terminal && WIFSIGNALED(recorder->status)) { /* a shell that was killed leaves the terminal raw */
        signal(SIGTTOU, SIG_IGN);
        tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal);
    }
    bool none = recorder->n_tracks == 0;
    if (none && !recorder->failed) {
        es_recorder_warn(recorder, "the command ended without starting an Erlang VM%s",
                         code ? "" : ": nothing was recorded");
        return code ? code : ES_EXIT_FAILURE;
    }
    say_how_it_ended(recorder);
    return code;
}

int es_cmd_record(int argc, char **argv)
{
    static struct es_capture capture;
    static struct es_recorder recorder;
    int code = parse(argc, argv, &capture);
    if (code >= 0)
        return code;
    char *const *command = argv + optind;
    const char *slash = strrchr(command[0], '/');
    if (es_capture_output(&capture, slash ? slash + 1 : command[0]) < 0 ||
        es_recorder_open(&recorder, &capture, (uid_t)-1) < 0)
        return es_cli_failure("record");
    code = run(&recorder, command);
    es_recorder_close(&recorder);
    if (recorder.failed && code == 0)
        code = ES_EXIT_FAILURE;
    return es_cli_finish("record", code);
}
