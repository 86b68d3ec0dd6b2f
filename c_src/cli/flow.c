/* SPDX-License-Identifier: MIT */
/* `elixirscope flow`: messages between two processes, how long each was under way, lay in the mailbox, and was handled. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "cli/cli.h"

static const char help[] =
    "elixirscope flow - messages between two processes\n"
    "\n"
    "Usage: elixirscope flow [OPTION]... FILE.scope A B\n"
    "\n"
    "Lists what process A sent to process B: when, how long it was under way, how long it lay in B's mailbox until a\n"
    "callback handled it, how long that took, and for a call how long A had to wait for the reply. A and B are names "
    "or\n"
    "pids; a name that several processes had one after the other stands for all of them. A line with medians ends the "
    "list.\n"
    "\n"
    "Options:\n"
    "  --both                 what B sent to A too\n"
    "  --since TIME           sent from this time on (see `elixirscope events --help` for TIME)\n"
    "  --until TIME           sent before this time\n"
    "  --limit N              list at most N messages; the last line is about all\n"
    "  --notation NOTATION    terms as 'elixir' (default) or 'erlang'\n"
    "  --json                 one JSON object; the fields are in docs/cli.md\n"
    "  --help                 this text\n"
    "\n"
    "'-' stands for unknown: a message that had not arrived, a process whose handling of messages is not recorded.\n"
    "\n"
    "Examples:\n"
    "  elixirscope flow shop.scope Shop.Checkout Shop.Inventory --limit 20\n"
    "  elixirscope flow shop.scope 0.123.0 cart --since +2s --until +3s --both\n"
    "\n"
    "Exit codes:\n"
    "  0 success (also where there was no message), 1 failure, 2 wrong usage\n";

enum { OPT_BOTH = ES_OPT_LAST };
#define TEXT_WIDTH 60

struct view {
    struct es_query *query;
    const char *since, *until;
    bool json, erlang;
    uint64_t limit;
    int64_t start;
    struct es_flow_request request;
};

/* ---- JSON ---------------------------------------------------------------------------------------------------------- */

static void json_point(struct es_text *out, const char *name, const struct es_flow_point *point)
{
    if (point->seq)
        es_text_printf(out, ",\"%s\":{\"seq\":%" PRIu64 ",\"time\":%" PRId64 "}", name, point->seq, point->time);
    else
        es_text_printf(out, ",\"%s\":null", name);
}

static void json_between(struct es_text *out, const char *name, const struct es_flow_point *from,
                         const struct es_flow_point *to)
{
    if (from->seq && to->seq)
        es_text_printf(out, ",\"%s\":%" PRId64, name, to->time - from->time);
    else
        es_text_printf(out, ",\"%s\":null", name);
}

static void json_ref(const struct view *view, es_ref ref, struct es_text *out)
{
    struct es_text part = {0};
    es_query_print_ref(view->query, ref, view->erlang || es_ref_class_of(ref) != ES_REF_ATOM, &part);
    if (part.len)
        es_text_json(out, part.bytes, part.len);
    else
        es_text_puts(out, "null");
    es_text_fini(&part);
}

static void json_row(const struct view *view, const struct es_flow_row *row, struct es_text *out)
{
    es_text_puts(out, "{\"from\":");
    json_ref(view, row->from, out);
    es_text_puts(out, ",\"to\":");
    json_ref(view, row->to, out);
    es_text_printf(out, ",\"request\":%s,\"dead\":%s", row->request ? "true" : "false", row->dead ? "true" : "false");
    json_point(out, "send", &row->send);
    json_point(out, "deliver", &row->deliver);
    json_point(out, "handle", &row->handle);
    json_point(out, "done", &row->done);
    json_point(out, "reply", &row->reply);
    json_point(out, "replied", &row->replied);
    json_between(out, "latency", &row->send, &row->deliver);
    json_between(out, "queue", &row->deliver, &row->handle);
    json_between(out, "handling", &row->handle, &row->done);
    json_between(out, "round_trip", &row->send, &row->replied);
    es_text_puts(out, "}");
}

static void json_numbers(struct es_text *out, const char *name, const struct es_flow_numbers *numbers)
{
    if (numbers->n)
        es_text_printf(out,
                       ",\"%s\":{\"count\":%" PRIu64 ",\"p50\":%" PRId64 ",\"p99\":%" PRId64 ",\"max\":%" PRId64 "}",
                       name, numbers->n, numbers->p50, numbers->p99, numbers->max);
    else
        es_text_printf(out, ",\"%s\":null", name);
}

static void print_json(const struct view *view, const struct es_flow *flow)
{
    struct es_text line = {0};
    bool ok = true;
    es_text_printf(&line, "{\"count\":%zu,\"cut\":%s", flow->n, flow->cut ? "true" : "false");
    json_numbers(&line, "latency", &flow->latency);
    json_numbers(&line, "queue", &flow->queue);
    json_numbers(&line, "handling", &flow->handling);
    json_numbers(&line, "round_trip", &flow->round);
    es_text_puts(&line, ",\"messages\":[");
    ok = es_cli_flush(&line, stdout);
    size_t n = view->limit && view->limit < flow->n ? (size_t)view->limit : flow->n;
    for (size_t i = 0; ok && i < n; i++) {
        json_row(view, &flow->rows[i], &line);
        es_text_puts(&line, i + 1 < n ? "," : "");
        ok = es_cli_flush(&line, stdout);
    }
    if (ok)
        puts("]}");
    es_text_fini(&line);
}

/* ---- a table ------------------------------------------------------------------------------------------------------- */

static void add_between(struct es_text *out, const struct es_flow_point *from, const struct es_flow_point *to)
{
    struct es_cli_buf buf;
    bool known = from->seq && to->seq;
    const char *text = known ? es_cli_duration(to->time - from->time, &buf) : "-";
    size_t columns = 0;
    for (const char *at = text; *at; at++)
        columns += ((unsigned char)*at & 0xc0) != 0x80;
    for (; columns < 9; columns++)
        es_text_puts(out, " ");
    es_text_puts(out, text);
    es_text_puts(out, " ");
}

static void add_message(const struct view *view, const struct es_flow_row *row, struct es_text *out)
{
    const struct es_event *event;
    struct es_text text = {0};
    uint64_t seq = row->send.seq ? row->send.seq : row->deliver.seq;
    if (es_query_event(view->query, seq, &event) < 0)
        es_error_clear();
    else
        es_query_print_payload(view->query, event, view->erlang, &text);
    es_cli_cell(out, &text, TEXT_WIDTH);
    es_text_fini(&text);
}

static void add_row(const struct view *view, const struct es_flow_row *row, struct es_text *out)
{
    const struct es_flow_point *first = row->send.seq ? &row->send : &row->deliver;
    int64_t since = first->time - view->start;
    es_text_printf(out, "%s%8" PRIu64 " +%" PRId64 ".%09" PRId64 "%s ", es_cli_style(stdout, ES_STYLE_DIM), first->seq,
                   since / 1000000000, since % 1000000000, es_cli_style(stdout, ES_STYLE_NONE));
    if (view->request.both) {
        struct es_text pair = {0};
        es_query_print_ref(view->query, row->from, true, &pair);
        es_text_puts(&pair, " -> ");
        es_query_print_ref(view->query, row->to, true, &pair);
        es_cli_cell(out, &pair, 26);
        es_text_fini(&pair);
    }
    add_between(out, &row->send, &row->deliver);
    add_between(out, &row->deliver, &row->handle);
    add_between(out, &row->handle, &row->done);
    add_between(out, &row->send, &row->replied);
    if (row->dead)
        es_text_printf(out, "%sto nobody%s ", es_cli_style(stdout, ES_STYLE_YELLOW),
                       es_cli_style(stdout, ES_STYLE_NONE));
    else if (!row->deliver.seq)
        es_text_printf(out, "%snot delivered%s ", es_cli_style(stdout, ES_STYLE_YELLOW),
                       es_cli_style(stdout, ES_STYLE_NONE));
    add_message(view, row, out);
    es_cli_trim(out);
}

static void print_numbers(const char *name, const struct es_flow_numbers *numbers)
{
    struct es_cli_buf a, b, c, d;
    if (numbers->n)
        printf("  %-11s p50 %s, p99 %s, max %s (of %s)\n", name, es_cli_duration(numbers->p50, &a),
               es_cli_duration(numbers->p99, &b), es_cli_duration(numbers->max, &c), es_cli_count(numbers->n, &d));
}

static void print_table(const struct view *view, const struct es_flow *flow)
{
    struct es_text line = {0};
    struct es_cli_buf number;
    bool ok = true;
    if (flow->n > 0)
        printf("%s%8s %-11s %s%-9s %9s %9s %9s  %s%s\n", es_cli_style(stdout, ES_STYLE_BOLD), "SEND", "TIME s",
               view->request.both ? "WHO                        " : "", " UNDER WAY", "QUEUED", "HANDLED", "REPLIED",
               "MESSAGE", es_cli_style(stdout, ES_STYLE_NONE));
    for (size_t i = 0; ok && i < flow->n && (view->limit == 0 || i < view->limit); i++) {
        add_row(view, &flow->rows[i], &line);
        ok = es_cli_flush(&line, stdout);
    }
    es_text_fini(&line);
    if (!ok)
        return;
    printf("%s%s%s messages%s\n", es_cli_style(stdout, ES_STYLE_BOLD), es_cli_count(flow->n, &number),
           es_cli_style(stdout, ES_STYLE_NONE), flow->cut ? ", and more: ask for less with --since and --until" : "");
    print_numbers("under way", &flow->latency);
    print_numbers("queued", &flow->queue);
    print_numbers("handled in", &flow->handling);
    print_numbers("replied in", &flow->round);
}

/* ---- the command --------------------------------------------------------------------------------------------------- */

static int resolve_times(struct view *view)
{
    int rc = view->since ? es_query_time(view->query, view->since, &view->request.since) : 0;
    if (rc == 0 && view->until)
        rc = es_query_time(view->query, view->until, &view->request.until);
    if (rc == 0 && view->request.since > view->request.until)
        rc = es_fail(-EINVAL, "--since %s lies behind --until %s", view->since, view->until);
    return rc;
}

static int run(struct view *view, char **who)
{
    struct es_info info;
    struct es_flow *flow = NULL;
    es_ref *from = NULL, *to = NULL;
    int rc = es_query_info(view->query, &info);
    if (rc == 0)
        rc = es_query_pids(view->query, who[0], &from, &view->request.n_from);
    if (rc == 0)
        rc = es_query_pids(view->query, who[1], &to, &view->request.n_to);
    if (rc == 0)
        rc = resolve_times(view);
    view->request.from = from;
    view->request.to = to;
    view->start = info.first_time;
    if (rc == 0)
        rc = es_query_flow(view->query, &view->request, &flow);
    if (rc == 0 && view->json)
        print_json(view, flow);
    else if (rc == 0)
        print_table(view, flow);
    es_flow_free(flow);
    free(from);
    free(to);
    return rc < 0 ? es_cli_failure("flow") : ES_EXIT_OK;
}

/* Like take_option of other commands: 1 taken, 0 unknown, negative: wrong. */
static int take_option(struct view *view, int option)
{
    int rc = 0;
    switch (option) {
    case OPT_BOTH: view->request.both = true; break;
    case ES_OPT_SINCE: view->since = optarg; break;
    case ES_OPT_UNTIL: view->until = optarg; break;
    case ES_OPT_LIMIT: rc = es_cli_parse_count(optarg, &view->limit); break;
    case ES_OPT_NOTATION: rc = es_cli_parse_notation(optarg, &view->erlang); break;
    case ES_OPT_JSON: view->json = true; break;
    default: return 0;
    }
    return rc < 0 ? rc : 1;
}

int es_cmd_flow(int argc, char **argv)
{
    static const struct option options[] = {{"both", no_argument, NULL, OPT_BOTH},
                                            {"since", required_argument, NULL, ES_OPT_SINCE},
                                            {"until", required_argument, NULL, ES_OPT_UNTIL},
                                            {"limit", required_argument, NULL, ES_OPT_LIMIT},
                                            {"notation", required_argument, NULL, ES_OPT_NOTATION},
                                            {"json", no_argument, NULL, ES_OPT_JSON},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct view view = {.request = {.since = INT64_MIN, .until = INT64_MAX}};
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (option == 'h')
            return es_cli_help(help);
        int rc = take_option(&view, option);
        if (rc == 0)
            return es_cli_usage("flow", "wrong option");
        if (rc < 0) {
            es_cli_failure("flow");
            return ES_EXIT_USAGE;
        }
    }
    if (argc - optind != 3)
        return es_cli_usage("flow", "a recording and two processes are needed, %d arguments were given", argc - optind);
    int code = ES_EXIT_OK;
    view.query = es_cli_open("flow", argv[optind], &code);
    if (!view.query)
        return code;
    code = run(&view, argv + optind + 1);
    es_query_close(view.query);
    return es_cli_finish("flow", code);
}
