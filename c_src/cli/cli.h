/* SPDX-License-Identifier: MIT */
/* What the sub-commands share: the table of commands, messages, options that several have, numbers for people, progress. */
#ifndef ES_CLI_CLI_H
#define ES_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "query/query.h"
#include "term/text.h"

enum { ES_EXIT_OK = 0, ES_EXIT_FAILURE = 1, ES_EXIT_USAGE = 2 };

struct es_command {
    const char *name, *summary;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit code */
};
extern const struct es_command es_commands[]; /* ends with a NULL name */

/*  symbol    name      summary */
/* clang-format off */
#define ES_COMMANDS(C)                                                                                                       \
    C(record, "record", "start a command that runs a BEAM and record it")                                                    \
    C(attach, "attach", "record a node that is running already")                                                             \
    C(import, "import", "make a recording from dbg trace-port files")                                                        \
    C(recover, "recover", "take over a capture whose recorder died")                                                         \
    C(mark, "mark", "put a mark into a live recording")                                                                      \
    C(weave, "weave", "weave probes into modules of a node that is being recorded")                                          \
    C(unweave, "unweave", "bring woven modules back to what they were")                                                      \
    C(info, "info", "what a recording holds")                                                                                \
    C(events, "events", "list events")                                                                                       \
    C(ps, "ps", "list processes")                                                                                            \
    C(snapshot, "snapshot", "every process at a moment: state, mailbox, what it waits for; the supervision tree")             \
    C(timeline, "timeline", "draw what processes did over time")                                                             \
    C(flow, "flow", "messages between two processes, with their latencies")                                                  \
    C(source, "source", "the source of a woven module, and how often its lines were reached")                             \
    C(find, "find", "the moments at which something holds")                                                                  \
    C(sql, "sql", "ask a recording in SQL")                                                                                  \
    C(state, "state", "the state of a process at any moment, its versions, what changed")                                    \
    C(why, "why", "what led to an event or a failure")                                                                       \
    C(leads_to, "leads-to", "what an event led to")                                                                          \
    C(order, "order", "which of two events came before the other")                                                           \
    C(calls, "calls", "how long functions took, and in what")                                                                \
    C(dag, "dag", "a recording as a graph without cycles: causes, processes, states, calls, values") \
    C(export, "export", "write events as JSON lines, a Perfetto trace, or Erlang terms")                                     \
    C(replay, "replay", "play a recording: step by event, message, state; state and stack beside it")                        \
    C(cut, "cut", "copy a part of a recording into a new one")                                                               \
    C(merge, "merge", "put recordings of several nodes together, on one clock")                                             \
    C(save, "save", "copy a live recording")                                                                                 \
    C(doctor, "doctor", "what works on this machine, and how to mend what does not")
/* clang-format on */

#define C(symbol, name, summary) int es_cmd_##symbol(int argc, char **argv);
ES_COMMANDS(C)
#undef C

/* "elixirscope CMD: message" and a pointer to --help on stderr; returns ES_EXIT_USAGE. */
int es_cli_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The chain of causes and the hint on stderr; returns ES_EXIT_FAILURE. */
int es_cli_failure(const char *command);

/* Prints a help text (in colours on a terminal); returns ES_EXIT_OK. */
int es_cli_help(const char *text);

/* ---- output ----------------------------------------------------------------------------------------------------- */
enum es_style {
    ES_STYLE_NONE,
    ES_STYLE_BOLD,
    ES_STYLE_DIM,
    ES_STYLE_RED,
    ES_STYLE_GREEN,
    ES_STYLE_YELLOW,
    ES_STYLE_BLUE,
    ES_STYLE_MAGENTA,
    ES_STYLE_CYAN
};
/* Escape sequence of a style, "" where `out` is no terminal, NO_COLOR is set or TERM is dumb. */
const char *es_cli_style(FILE *out, enum es_style style);
const char *es_cli_family_style(FILE *out, unsigned kind);
enum es_style es_cli_family(unsigned kind); /* the style of a kind of event */

struct es_cli_buf {
    char text[48];
};
const char *es_cli_count(uint64_t n, struct es_cli_buf *buf);    /* 1,234,567 */
const char *es_cli_bytes(uint64_t n, struct es_cli_buf *buf);    /* 12.3 MB */
const char *es_cli_duration(int64_t ns, struct es_cli_buf *buf); /* 1.234 s */
const char *es_cli_wall(int64_t ns, struct es_cli_buf *buf);     /* 2026-01-31 14:25:01.123 local time */

/* Appends a cell of a table: as much as fits into `width` columns, filled up with spaces, and one more. */
void es_cli_cell(struct es_text *out, const struct es_text *cell, size_t width);
/* How many columns a pid takes: more where there are several nodes. */
size_t es_cli_pid_width(const struct es_query *query);
/* Takes spaces off the end. */
void es_cli_trim(struct es_text *out);
/* An event as a line: sequence number, time since `start`, process, kind, what it was about. */
struct es_cli_line {
    struct es_query *query;
    bool erlang;
    int64_t start;
};
const char *es_cli_arrow(unsigned kind); /* "-> " or "<- " before the other process, "" */
void es_cli_event_line(const struct es_cli_line *line, const struct es_event *event, struct es_text *out);

/* Ends `text` with a newline, writes and clears it. False where writing failed (a closed pipe ends quietly). */
bool es_cli_flush(struct es_text *text, FILE *out);
/* Closes standard output; ES_EXIT_FAILURE with a message where not all could be written. */
int es_cli_finish(const char *command, int code);

/* ---- progress and interruption ------------------------------------------------------------------------------------ */
/* True once SIGINT or SIGTERM came; long readers stop and keep what they have. */
bool es_cli_interrupted(void);
void es_cli_catch_signals(void);
void es_cli_forget_interruption(void); /* a prompt goes on after Ctrl-C */

struct es_progress {
    const char *label;
    int64_t started, shown;
    bool terminal, json;
};
void es_progress_start(struct es_progress *progress, const char *label);
int es_progress_tick(double done, void *progress); /* for the `tick` of query.h */
void es_progress_end(struct es_progress *progress);

/* ---- options -------------------------------------------------------------------------------------------------------- */
/* Parsers answer 0, or -EINVAL with a cause. */
int es_cli_parse_count(const char *text, uint64_t *ret);      /* 100, 10k, 5M */
int es_cli_parse_size(const char *text, uint64_t *ret);       /* 100, 64kB, 200MB, 2GiB */
int es_cli_parse_duration(const char *text, int64_t *ret_ns); /* 30s, 500ms, 2m, 1h */
int es_cli_parse_notation(const char *text, bool *ret_erlang);
int es_cli_parse_kinds(const char *text, uint64_t *ret_kinds); /* "send,deliver", families too: "message" */

/* Opens the recording named by the one positional argument; on failure prints and gives the exit code in *ret_code. */
struct es_query *es_cli_open(const char *command, const char *path, int *ret_code);

/* The filters `events` and `export` share. */
enum {
    ES_OPT_PID = 1000,
    ES_OPT_NAME,
    ES_OPT_KIND,
    ES_OPT_MODULE,
    ES_OPT_SINCE,
    ES_OPT_UNTIL,
    ES_OPT_TEXT,
    ES_OPT_LIMIT,
    ES_OPT_REVERSE,
    ES_OPT_FOLLOW,
    ES_OPT_JSON,
    ES_OPT_NOTATION,
    ES_OPT_AFTER,
    ES_OPT_NODE,
    ES_OPT_LAST
};
struct es_cli_filter {
    const char *who[64]; /* pids and names, resolved when the recording is open */
    size_t n_who;
    const char *since, *until, *node;
    struct es_filter filter;
    es_ref *pids;
};
#define ES_CLI_FILTER_OPTIONS                                                                               \
    {"pid", required_argument, NULL, ES_OPT_PID}, {"name", required_argument, NULL, ES_OPT_NAME},           \
        {"kind", required_argument, NULL, ES_OPT_KIND}, {"module", required_argument, NULL, ES_OPT_MODULE}, \
        {"since", required_argument, NULL, ES_OPT_SINCE}, {"until", required_argument, NULL, ES_OPT_UNTIL}, \
        {"text", required_argument, NULL, ES_OPT_TEXT}, {"limit", required_argument, NULL, ES_OPT_LIMIT},   \
        {"after", required_argument, NULL, ES_OPT_AFTER}, {"node", required_argument, NULL, ES_OPT_NODE},   \
    {                                                                                                       \
        "reverse", no_argument, NULL, ES_OPT_REVERSE                                                        \
    }
extern const char es_cli_filter_help[];

void es_cli_filter_init(struct es_cli_filter *filter);
/* Takes one option. 1: taken, 0: not a filter option, -EINVAL with a cause. */
int es_cli_filter_option(struct es_cli_filter *filter, int option, const char *argument);
/* Resolves names, pids and times against the recording. -ENOENT, -EINVAL, -ERANGE with a cause. */
int es_cli_filter_resolve(struct es_cli_filter *filter, struct es_query *query);
void es_cli_filter_fini(struct es_cli_filter *filter);

#endif
