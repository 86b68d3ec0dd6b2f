/* SPDX-License-Identifier: MIT */
/* The options that `record` and `attach` share, and what they come to. */
#ifndef ES_CLI_CAPTURE_OPTIONS_H
#define ES_CLI_CAPTURE_OPTIONS_H

#include <getopt.h>
#include <limits.h>

#include "control/control.h"
#include "control/session.h"
#include "engine/engine.h"

#define ES_SPECS_MAX 64

struct es_capture {
    const char *command; /* "record" or "attach", for messages */
    const char *output;  /* as given, or NULL */
    char file[PATH_MAX]; /* absolute path of the recording */
    bool overwrite, json, quiet, children, yes_really, level_given;
    enum es_level level;
    const char *traces[ES_SPECS_MAX]; /* as given; read at the end, since --yes-really may follow */
    size_t n_traces;
    struct es_spec specs[ES_SPECS_MAX];
    size_t n_specs;
    struct es_weave weave;
    struct es_session_options session;
    struct es_redaction redact[ES_REDACT_MAX];
    struct es_engine_options engine; /* limits, keep_*, on */
    double budget;                   /* percent, 0 = none */
    int64_t for_ns;                  /* attach: 0 = until it is stopped */
};

enum {
    ES_CAPTURE_FIRST = 2000,
    ES_CAPTURE_LEVEL = ES_CAPTURE_FIRST,
    ES_CAPTURE_TRACE,
    ES_CAPTURE_WEAVE,
    ES_CAPTURE_DEPTH,
    ES_CAPTURE_LIMIT,
    ES_CAPTURE_FOR,
    ES_CAPTURE_KEEP,
    ES_CAPTURE_ON,
    ES_CAPTURE_BUDGET,
    ES_CAPTURE_RING,
    ES_CAPTURE_REDACT,
    ES_CAPTURE_REDACT_STRUCT,
    ES_CAPTURE_NO_REDACTION,
    ES_CAPTURE_PAYLOAD,
    ES_CAPTURE_STATE,
    ES_CAPTURE_REALLY,
    ES_CAPTURE_CHILDREN,
    ES_CAPTURE_OVERWRITE,
    ES_CAPTURE_JSON,
    ES_CAPTURE_QUIET
};
#define ES_CAPTURE_OPTIONS                                                                                          \
    {"output", required_argument, NULL, 'o'}, {"level", required_argument, NULL, ES_CAPTURE_LEVEL},                 \
        {"trace", required_argument, NULL, ES_CAPTURE_TRACE}, {"limit", required_argument, NULL, ES_CAPTURE_LIMIT}, \
        {"weave", required_argument, NULL, ES_CAPTURE_WEAVE}, {"depth", required_argument, NULL, ES_CAPTURE_DEPTH}, \
        {"keep", required_argument, NULL, ES_CAPTURE_KEEP}, {"on", required_argument, NULL, ES_CAPTURE_ON},         \
        {"budget", required_argument, NULL, ES_CAPTURE_BUDGET},                                                     \
        {"ring-size", required_argument, NULL, ES_CAPTURE_RING},                                                    \
        {"redact", required_argument, NULL, ES_CAPTURE_REDACT},                                                     \
        {"redact-struct", required_argument, NULL, ES_CAPTURE_REDACT_STRUCT},                                       \
        {"no-default-redaction", no_argument, NULL, ES_CAPTURE_NO_REDACTION},                                       \
        {"payload", required_argument, NULL, ES_CAPTURE_PAYLOAD},                                                   \
        {"state", required_argument, NULL, ES_CAPTURE_STATE}, {"yes-really", no_argument, NULL, ES_CAPTURE_REALLY}, \
        {"overwrite", no_argument, NULL, ES_CAPTURE_OVERWRITE}, {"json", no_argument, NULL, ES_CAPTURE_JSON},       \
        {"quiet", no_argument, NULL, ES_CAPTURE_QUIET},                                                             \
    {                                                                                                               \
        "help", no_argument, NULL, 'h'                                                                              \
    }
#define ES_CAPTURE_HELP                                                                                                \
    "  -o, --output FILE      the recording (default: NAME-YYYYmmdd-HHMMSS.scope)\n"                                   \
    "  --overwrite            replace it\n"                                                                            \
    "  --level LEVEL          minimal        process life, exits, crashes, log events of level error\n"                \
    "                         states_only    minimal and the states of the application's behaviours\n"                 \
    "                         messages_only  minimal and all messages\n"                                               \
    "                         balanced       states, messages, long collections and schedules (the default)\n"         \
    "                         full           balanced and states of OTP's own, scheduling, garbage collection, "       \
    "memory\n"                                                                                                         \
    "  --trace SPEC           adds one thing, with --level minimal unless a level is given; may be given again:\n"     \
    "                         messages, processes, scheduling, gc, calls:MODULE[.FUNCTION[/ARITY]],\n"                 \
    "                         returns:MODULE.FUNCTION[/ARITY], states:MODULE, pid:<0.123.0>, name:NAME\n"              \
    "  --weave MODULE         weaves probes into a module, or into all that a name ending in '*' begins; may be "      \
    "given "                                                                                                           \
    "again\n"                                                                                                          \
    "  --depth DEPTH          what they tell: calls (the default), lines, or values of variables too\n"                \
    "  --yes-really           allows calls:* and --weave '*'\n"                                                        \
    "  --limit KEY=VALUE      ends the recording at events=1M, size=2GB, time=60s or rate=200k/s; may be given "       \
    "again\n"                                                                                                          \
    "  --keep 60s | 200MB     keeps only the last of it\n"                                                             \
    "  --on WHAT,...          flight recorder: crash, error or mark makes it keep what --keep (60s) holds, and end\n"  \
    "  --payload BYTES        kept of each message, argument list, value or reason (default 1kB, 0 = none)\n"          \
    "  --state BYTES          kept of each state (default 64kB); 'unlimited': as much as an event can hold, 512 KiB\n" \
    "  --redact KEY           values under this key are never recorded; may be given again\n"                          \
    "  --redact-struct MODULE the same for a struct of this module\n"                                                  \
    "  --no-default-redaction leaves out: password passwd secret token authorization api_key apikey access_token\n"    \
    "                         refresh_token private_key cookie credit_card cvv\n"                                      \
    "  --ring-size BYTES      shared memory of each scheduler (default 16MiB to 64MiB)\n"

void es_capture_init(struct es_capture *capture, const char *command);
/* Takes one option. 1: taken; 0: it is not one of these; -EINVAL with a cause. */
int es_capture_option(struct es_capture *capture, int option, const char *argument);
/* After the last option: reads the specs, fills in defaults. -EINVAL, -EPERM with a cause. */
int es_capture_check(struct es_capture *capture);
/* Finds the name of the recording (from `name` where none was given) and proves that it can be written there. -EEXIST, -EACCES, -EROFS, … */
int es_capture_output(struct es_capture *capture, const char *name);

#endif
