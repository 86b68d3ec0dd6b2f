/* SPDX-License-Identifier: MIT */
/* `elixirscope why` and `elixirscope leads-to`: what led to an event, and what an event led to. */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/why.h"

static const char why_help[] =
    "elixirscope why - what led to an event or a failure\n"
    "\n"
    "Usage: elixirscope why [OPTION]... FILE.scope SEQ|PID|NAME\n"
    "       elixirscope why [OPTION]... FILE.scope --crash\n"
    "\n"
    "Tells backwards how something came about: the failure, the call it happened in, the message that was handled, "
    "who\n"
    "sent it and in which call, and so on. Of a process (PID or NAME) its exit is meant, or its last event. Each "
    "moment has\n"
    "a number, its distance in time, and the number of its event (#); 'for 3' says which moment it led to, where that "
    "is\n"
    "not the one above. 'possibly' is said where something is likely and not recorded.\n"
    "\n"
    "Options:\n"
    "  --crash[=first]        the last crash (or the first); where nothing reported one, the last exit that was not "
    "planned\n"
    "  --depth N              at most N steps back (default 16; with --full no bound)\n"
    "  --limit N              at most N events (default 60; with --full 1000)\n"
    "  --since TIME           nothing before this time\n"
    "  --full                 every event that the failure could depend on, not only the story\n"
    "  --notation NOTATION    'elixir' (default) or 'erlang'\n"
    "  --json                 one JSON object a line: the event, and `edge`, `from`, `possibly`, `depth`\n"
    "  --help                 this text\n"
    "\n"
    "Examples:\n"
    "  elixirscope why shop.scope --crash\n"
    "  elixirscope why shop.scope Shop.Coupons --depth 6\n"
    "  elixirscope why shop.scope 17656 --full --json\n"
    "\n"
    "Exit codes:\n"
    "  0 success, 1 failure, 2 wrong usage\n";

static const char leads_help[] =
    "elixirscope leads-to - what an event led to\n"
    "\n"
    "Usage: elixirscope leads-to [OPTION]... FILE.scope SEQ|PID|NAME\n"
    "\n"
    "Tells forwards what came of something: who got the message, what its handling sent and started, who heard of an\n"
    "exit, and so on. Of a process (PID or NAME) its exit is meant, or its last event.\n"
    "\n"
    "Options:\n"
    "  --crash[=first]        the last crash (or the first)\n"
    "  --depth N              at most N steps (default 16; with --full no bound)\n"
    "  --limit N              at most N events (default 60; with --full 1000)\n"
    "  --until TIME           nothing at this time or later\n"
    "  --full                 every event that could depend on it\n"
    "  --notation NOTATION    'elixir' (default) or 'erlang'\n"
    "  --json                 one JSON object a line: the event, and `edge`, `from`, `possibly`, `depth`\n"
    "  --help                 this text\n"
    "\n"
    "Examples:\n"
    "  elixirscope leads-to shop.scope 17588\n"
    "  elixirscope leads-to shop.scope --crash --depth 4\n"
    "\n"
    "Exit codes:\n"
    "  0 success, 1 failure, 2 wrong usage\n";

enum { OPT_CRASH = ES_OPT_LAST, OPT_DEPTH, OPT_FULL };

#define STACK_SHOWN 4
#define LANES 8 /* processes that are told apart by how far they are set in */

struct why {
    const char *command;
    bool forward, full, crash, first_crash;
    bool has_depth, has_limit;
    const char *what, *bound;
    struct es_teller teller;
    struct es_cone_request request;
    struct es_caused *events;
    size_t n;
    es_ref lanes[LANES];
    size_t n_lanes;
    size_t told; /* moments that were told before these */
};

/* ---- JSON ---------------------------------------------------------------------------------------------------------- */

static void print_json(struct why *w, const struct es_caused *caused, const struct es_event *event, struct es_text *out)
{
    es_query_event_json(w->teller.query, event, w->teller.erlang, out);
    if (out->failed || out->len == 0)
        return;
    out->bytes[--out->len] = '\0';
    es_text_printf(out, ",\"edge\":\"%s\",\"from\":", es_edge_names[caused->edge]);
    es_text_printf(out, caused->from ? "%" PRIu64 : "null", caused->from);
    es_text_printf(out, ",\"possibly\":%s,\"depth\":%u}", caused->maybe ? "true" : "false", caused->depth);
}

/* ---- a story ------------------------------------------------------------------------------------------------------- */

static size_t lane_of(struct why *w, es_ref pid)
{
    size_t i = 0;
    while (i < w->n_lanes && w->lanes[i] != pid)
        i++;
    if (i == w->n_lanes && i < LANES)
        w->lanes[w->n_lanes++] = pid;
    return i < LANES ? i : LANES - 1;
}

static const char *because(const struct es_caused *caused, bool forward)
{
    switch (caused->edge) {
    case ES_EDGE_WAITING: return "meanwhile ";
    case ES_EDGE_REPLY: return forward ? "then " : "after it ";
    default: return "";
    }
}

static size_t moment_of(const struct why *w, uint64_t seq)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->events[i].seq == seq)
            return i;
    return SIZE_MAX;
}

/* Lines below a moment, set in as it is. */
static void add_notes(struct why *w, struct es_text *notes, size_t indent, struct es_text *out)
{
    const char *dim = es_cli_style(stdout, ES_STYLE_DIM), *none = es_cli_style(stdout, ES_STYLE_NONE);
    for (size_t from = 0; from < notes->len;) {
        size_t to = from;
        while (to < notes->len && notes->bytes[to] != '\n')
            to++;
        struct es_text line = {.bytes = notes->bytes + from, .len = to - from};
        es_text_printf(out, "\n%*s%s", (int)indent, "", dim);
        es_tell_cut(out, &line, w->teller.width > indent + 20 ? w->teller.width - indent : 20);
        es_text_puts(out, none);
        from = to + 1;
    }
}

/* What the process knew when it failed. */
static void note_state(struct why *w, const struct es_event *event, struct es_text *notes)
{
    uint64_t seq = 0;
    const struct es_event *state;
    struct es_cli_buf buf;
    int64_t time = event->time;
    if (es_query_state_before(w->teller.query, event->pid, event->seq, &seq) < 0 || seq == 0 ||
        es_query_event(w->teller.query, seq, &state) < 0) {
        es_error_clear();
        return;
    }
    es_text_printf(notes, "its state, #%" PRIu64 ", for %s: ", seq, es_cli_duration(time - state->time, &buf));
    if (state->payload_len == 0)
        es_text_puts(notes, "(not captured)");
    es_query_print_payload(w->teller.query, state, w->teller.erlang, notes);
    es_text_puts(notes, "\n");
}

static void add_label(struct why *w, size_t i, const struct es_event *event, struct es_text *out)
{
    struct es_cli_buf buf;
    int64_t ns = event->time - w->teller.zero;
    const char *time = es_cli_duration(ns < 0 ? -ns : ns, &buf);
    bool micro = strstr(time, "µ") != NULL;
    es_text_printf(out, "%s%3zu ", es_cli_style(stdout, ES_STYLE_DIM), i + 1 + w->told);
    if (i + w->told == 0)
        es_text_printf(out, "%10s ", "0");
    else
        es_text_printf(out, micro ? "%c%10s " : "%c%9s ", ns < 0 ? '-' : '+', time);
    es_text_printf(out, "%s%*s", es_cli_style(stdout, ES_STYLE_NONE), (int)(2 * lane_of(w, event->pid)), "");
}

/* A callback whose message is a moment of its own needs no arguments. */
static bool has_message(const struct why *w, size_t i)
{
    if (w->forward && w->events[i].edge == ES_EDGE_HANDLING)
        return true;
    for (size_t k = i; !w->forward && k < w->n; k++)
        if (w->events[k].from == w->events[i].seq && w->events[k].edge == ES_EDGE_HANDLING)
            return w->events[i].edge == ES_EDGE_CALL || w->events[i].edge == ES_EDGE_REPLY;
    return false;
}

static void print_moment(struct why *w, size_t i, const struct es_event *event, struct es_text *out)
{
    const struct es_caused *caused = &w->events[i];
    struct es_text who = {0}, words = {0}, end = {0}, notes = {0};
    const char *none = es_cli_style(stdout, ES_STYLE_NONE);
    size_t indent = 15 + 2 * lane_of(w, event->pid), led = moment_of(w, caused->from);
    add_label(w, i, event, out);
    es_tell_who(&w->teller, event->pid, event->time, &who);
    es_text_printf(&words, "%s%s", because(caused, w->forward), caused->maybe ? "possibly " : "");
    struct es_event told = *event;
    if (has_message(w, i))
        told.payload_len = 0;
    es_tell_event(&w->teller, &told, &words);
    es_text_printf(&end, " #%" PRIu64, event->seq);
    if (led != SIZE_MAX && led + 1 != i && (led > 0 || !w->told))
        es_text_printf(&end, w->forward ? " of %zu" : " for %zu", led + 1 + w->told);
    es_text_puts(out, es_cli_style(stdout, ES_STYLE_BOLD));
    size_t used = indent + es_tell_cut(out, &who, 40) + 1 + end.len;
    es_text_printf(out, "%s %s", none, es_cli_family_style(stdout, event->kind));
    es_tell_cut(out, &words, w->teller.width > used + 20 ? w->teller.width - used : 20);
    es_text_printf(out, "%s%s", none, es_cli_style(stdout, ES_STYLE_DIM));
    es_text_add(out, end.bytes, end.len);
    es_text_puts(out, none);
    if (event->kind == ES_K_EXIT || event->kind == ES_K_CRASH)
        es_tell_stack(&w->teller, event, STACK_SHOWN, &notes);
    if (i == 0 && w->n == 1 && event->kind == ES_K_EXIT && !w->forward)
        es_text_puts(&notes, "nothing it did itself led to this: it was told to exit, and by whom is not recorded\n");
    if (event->kind == ES_K_EXCEPTION || (i == 0 && event->kind == ES_K_EXIT && w->n == 1))
        note_state(w, event, &notes);
    add_notes(w, &notes, indent + 2, out);
    es_text_fini(&who);
    es_text_fini(&words);
    es_text_fini(&end);
    es_text_fini(&notes);
}

static void print_heading(struct why *w)
{
    const struct es_event *event;
    struct es_text line = {0};
    struct es_cli_buf buf;
    if (es_query_event(w->teller.query, w->events[0].seq, &event) < 0)
        return;
    int64_t wall = es_query_wall(w->teller.query, event->time), first = w->teller.zero;
    struct es_info info;
    if (es_query_info(w->teller.query, &info) == 0)
        first = info.first_time;
    es_text_printf(&line, "%s of event %" PRIu64 ", %+.6f s from the start",
                   w->forward ? "What came" : "Why: the causes", event->seq, (double)(event->time - first) / 1e9);
    if (wall != INT64_MIN)
        es_text_printf(&line, ", %s", es_cli_wall(wall, &buf));
    es_cli_flush(&line, stdout);
    es_text_fini(&line);
}

/* What came of a failure: who heard of it, and who was started instead. */
static void print_aftermath(struct why *w)
{
    struct es_cone_request request = {
        .seq = w->events[0].seq, .forward = true, .depth = 4, .limit = 16, .bound = INT64_MAX};
    const struct es_event *event;
    struct es_caused *events = NULL;
    size_t n = 0;
    bool cut;
    if (es_query_event(w->teller.query, request.seq, &event) < 0 || event->kind != ES_K_EXIT ||
        es_query_story(w->teller.query, &request, &events, &n, &cut) < 0) {
        es_error_clear();
        return;
    }
    struct es_caused *causes = w->events;
    size_t n_causes = w->n;
    struct es_text line = {0};
    w->events = events;
    w->n = n;
    w->forward = true;
    w->told = n_causes - 1;
    if (n > 1)
        printf("%safterwards:%s\n", es_cli_style(stdout, ES_STYLE_DIM), es_cli_style(stdout, ES_STYLE_NONE));
    for (size_t i = 1; i < n; i++) {
        if (es_query_event(w->teller.query, events[i].seq, &event) < 0)
            continue;
        struct es_event copy = *event;
        print_moment(w, i, &copy, &line);
        if (!es_cli_flush(&line, stdout))
            break;
    }
    es_text_fini(&line);
    w->events = causes;
    w->n = n_causes;
    w->forward = false;
    free(events);
}

/* ---- the command --------------------------------------------------------------------------------------------------- */

static int print_all(struct why *w, bool cut)
{
    struct es_text line = {0};
    const struct es_event *event;
    int rc = es_query_event(w->teller.query, w->events[0].seq, &event);
    w->teller.zero = rc < 0 ? 0 : event->time;
    if (rc == 0 && !w->teller.json)
        print_heading(w);
    for (size_t i = 0; rc == 0 && i < w->n && !es_cli_interrupted(); i++) {
        if (es_query_event(w->teller.query, w->events[i].seq, &event) < 0) {
            es_error_clear(); /* its block is damaged */
            continue;
        }
        struct es_event copy = *event;
        if (w->teller.json)
            print_json(w, &w->events[i], &copy, &line);
        else
            print_moment(w, i, &copy, &line);
        if (!es_cli_flush(&line, stdout))
            break;
    }
    es_text_fini(&line);
    if (rc == 0 && cut && !w->teller.json)
        printf("%s… there is more: --depth, --limit, --%s%s\n", es_cli_style(stdout, ES_STYLE_DIM),
               w->forward ? "until" : "since", es_cli_style(stdout, ES_STYLE_NONE));
    if (rc == 0 && !w->teller.json && !w->forward && !w->full)
        print_aftermath(w);
    return rc < 0 ? es_cli_failure(w->command) : ES_EXIT_OK;
}

static int run(struct why *w)
{
    struct es_query *query = w->teller.query;
    bool cut = false;
    int rc = w->crash ? es_query_crash(query, w->first_crash, &w->request.seq)
                      : es_tell_find(query, w->what, false, &w->request.seq);
    if (rc == 0 && w->bound)
        rc = es_query_time(query, w->bound, &w->request.bound);
    if (rc == 0)
        rc = (w->full ? es_query_cone : es_query_story)(query, &w->request, &w->events, &w->n, &cut);
    int code = rc < 0 ? es_cli_failure(w->command) : w->n == 0 ? ES_EXIT_OK : print_all(w, cut);
    free(w->events);
    return code;
}

static int take_option(struct why *w, int option)
{
    uint64_t n;
    int rc = 0;
    switch (option) {
    case OPT_CRASH:
        w->crash = true;
        w->first_crash = optarg && strcmp(optarg, "first") == 0;
        return !optarg || w->first_crash || strcmp(optarg, "last") == 0 ? 0
                                                                        : es_fail(-1, "--crash=first or --crash=last");
    case OPT_DEPTH:
        rc = es_cli_parse_count(optarg, &n);
        w->has_depth = true;
        w->request.depth = rc < 0 || n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
        return rc;
    case ES_OPT_LIMIT: w->has_limit = true; return es_cli_parse_count(optarg, &w->request.limit);
    case ES_OPT_SINCE:
    case ES_OPT_UNTIL: w->bound = optarg; return 0;
    case OPT_FULL: w->full = true; return 0;
    case ES_OPT_JSON: w->teller.json = true; return 0;
    default: return es_cli_parse_notation(optarg, &w->teller.erlang);
    }
}

static int command(int argc, char **argv, struct why *w)
{
    const struct option options[] = {{"crash", optional_argument, NULL, OPT_CRASH},
                                     {"depth", required_argument, NULL, OPT_DEPTH},
                                     {"limit", required_argument, NULL, ES_OPT_LIMIT},
                                     {w->forward ? "until" : "since", required_argument, NULL, ES_OPT_SINCE},
                                     {"full", no_argument, NULL, OPT_FULL},
                                     {"notation", required_argument, NULL, ES_OPT_NOTATION},
                                     {"json", no_argument, NULL, ES_OPT_JSON},
                                     {"help", no_argument, NULL, 'h'},
                                     {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (option == 'h')
            return es_cli_help(w->forward ? leads_help : why_help);
        if (option == '?')
            return es_cli_usage(w->command, "wrong option");
        if (take_option(w, option) < 0) {
            es_cli_failure(w->command);
            return ES_EXIT_USAGE;
        }
    }
    if (argc - optind != (w->crash ? 1 : 2))
        return es_cli_usage(w->command, "a recording is needed, and %s",
                            w->crash ? "nothing else with --crash" : "an event, a process, or --crash");
    w->what = w->crash ? NULL : argv[optind + 1];
    if (!w->has_depth)
        w->request.depth = w->full ? 0 : 16;
    if (!w->has_limit)
        w->request.limit = w->full ? 1000 : 60;
    int code = ES_EXIT_OK;
    w->teller.query = es_cli_open(w->command, argv[optind], &code);
    if (!w->teller.query)
        return code;
    w->teller.width = es_tell_width();
    es_cli_catch_signals();
    code = run(w);
    es_query_close(w->teller.query);
    return es_cli_finish(w->command, code);
}

int es_cmd_why(int argc, char **argv)
{
    struct why w = {.command = "why", .request = {.bound = INT64_MIN}};
    return command(argc, argv, &w);
}

int es_cmd_leads_to(int argc, char **argv)
{
    struct why w = {.command = "leads-to", .forward = true, .request = {.forward = true, .bound = INT64_MAX}};
    return command(argc, argv, &w);
}
