/* SPDX-License-Identifier: MIT */
/* `elixirscope snapshot`: every process alive at a moment. */
#include "cli/snapshot.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static const char help[] =
    "elixirscope snapshot - every process at a moment\n"
    "\n"
    "Usage: elixirscope snapshot [OPTION]... FILE.scope\n"
    "\n"
    "Shows the processes that were alive at a moment of the recording, by time of spawn: whether each ran or waited, "
    "in\n"
    "which function, for whose reply it waited since when, how many messages lay in its mailbox, and its state.\n"
    "\n"
    "Options:\n"
    "  --at TIME              the moment (default: the end); see `elixirscope events --help` for TIME\n"
    "  --event SEQ            right after the event with this sequence number, instead of --at\n"
    "  --tree                 draw the supervision tree, with --pid or --name what is below these\n"
    "  --node NODE            only processes of this node, in a merged recording\n"
    "  --pid PID              only this process; may be given again\n"
    "  --name NAME            only the process registered as NAME; may be given again\n"
    "  --sort KEY             spawn (default), mailbox, wait (longest first), state (largest first), events, name\n"
    "  --limit N              at most N processes\n"
    "  --state                print the states, cut to a line\n"
    "  --notation NOTATION    terms as 'elixir' (default) or 'erlang'\n"
    "  --json                 one JSON object; the fields are in docs/cli.md\n"
    "  --help                 this text\n"
    "\n"
    "STATUS is known where scheduling was recorded (--level full), or where a process waits for a reply. MAIL is how "
    "many\n"
    "messages were delivered and not handled; '?': some were delivered, and what the process did with them is not "
    "recorded;\n"
    "'<' before a number: it may be less, as something was lost. '-' stands for nothing, or unknown.\n"
    "\n"
    "Examples:\n"
    "  elixirscope snapshot shop.scope --at +2.5s\n"
    "  elixirscope snapshot shop.scope --at 14:25:01.5 --tree\n"
    "  elixirscope snapshot shop.scope --sort wait --limit 10\n"
    "  elixirscope snapshot shop.scope --name cart --state --json\n"
    "\n"
    "Exit codes:\n"
    "  0 success, 1 failure, 2 wrong usage\n";

enum { OPT_AT = ES_OPT_LAST, OPT_EVENT, OPT_TREE, OPT_STATE, OPT_SORT };

struct request {
    const char *at, *sort;
    uint64_t event;
    bool json, tree;
    struct es_cli_filter who;
};

/* ---- parts of a row ------------------------------------------------------------------------------------------------ */

const struct es_moment_row *es_snapshot_find(const struct es_snapshot *view, es_ref pid)
{
    for (size_t i = 0; pid && i < view->moment->n; i++)
        if (view->moment->rows[i].pid == pid)
            return &view->moment->rows[i];
    return NULL;
}

void es_snapshot_who(const struct es_snapshot *view, es_ref pid, struct es_text *out)
{
    es_query_print_ref(view->query, pid, true, out);
    es_ref name = es_query_name(view->query, pid, view->moment->time);
    if (name) {
        es_text_puts(out, " ");
        es_query_print_ref(view->query, name, view->erlang, out);
    }
}

void es_snapshot_fun(const struct es_snapshot *view, const struct es_world_fun *fun, struct es_text *out)
{
    struct es_event event = {.kind = ES_K_CALL, .module = fun->module, .function = fun->function, .arity = fun->arity};
    es_query_print_fun(view->query, &event, view->erlang, out);
}

void es_snapshot_mail(const struct es_moment_row *row, struct es_text *out)
{
    uint64_t count = row->proc ? es_world_mail_count(row->proc) : 0;
    struct es_cli_buf number;
    if (!row->proc || (!row->mail_known && count > 0))
        es_text_puts(out, row->proc ? "?" : "-");
    else
        es_text_printf(out, "%s%s", row->mail_at_most && count ? "<" : "", es_cli_count(count, &number));
}

void es_snapshot_state(const struct es_snapshot *view, const struct es_moment_row *row, struct es_text *out)
{
    const struct es_event *event;
    if (!row->proc || !row->proc->state_seq)
        return;
    if (es_query_event(view->query, row->proc->state_seq, &event) < 0)
        es_error_clear();
    else
        es_query_print_payload(view->query, event, view->erlang, out);
}

/* ---- a table ------------------------------------------------------------------------------------------------------- */

static void add_or_dash(struct es_text *out, struct es_text *cell, size_t width)
{
    if (cell->len == 0)
        es_text_puts(cell, "-");
    es_cli_cell(out, cell, width);
    es_text_clear(cell);
}

static void add_right(struct es_text *out, struct es_text *cell, size_t width)
{
    for (size_t i = cell->len; i < width; i++)
        es_text_puts(out, " ");
    es_text_add(out, cell->bytes ? cell->bytes : "", cell->len);
    es_text_clear(cell);
}

static const char *status_style(unsigned status)
{
    static const enum es_style styles[ES_STATUS_MAX] = {ES_STYLE_DIM, ES_STYLE_GREEN, ES_STYLE_YELLOW, ES_STYLE_NONE};
    return es_cli_style(stdout, styles[status]);
}

static void add_wait(const struct es_snapshot *view, const struct es_moment_row *row, struct es_text *out)
{
    struct es_cli_buf since;
    const struct es_world_proc *proc = row->proc;
    if (!proc || !proc->wait_seq)
        return;
    if (row->waits_for)
        es_snapshot_who(view, row->waits_for, out);
    else
        es_query_print_ref(view->query, proc->wait_peer, view->erlang, out);
    es_text_printf(out, " for %s", es_cli_duration(view->moment->time - proc->wait_time, &since));
}

static void add_state(const struct es_snapshot *view, const struct es_moment_row *row, struct es_text *out)
{
    struct es_cli_buf number;
    const struct es_world_proc *proc = row->proc;
    if (!proc || (!proc->state_seq && !(proc->flags & ES_WP_STATE_LOST)))
        return;
    if (proc->state_seq) {
        es_text_printf(out, "%s, ", es_cli_bytes(proc->state_len, &number));
        es_text_printf(out, "%s old", es_cli_duration(view->moment->time - proc->state_time, &number));
    }
    if (proc->flags & ES_WP_STATE_LOST)
        es_text_puts(out, proc->state_seq ? ", changed since, not captured" : "not captured");
    else if (view->state) {
        es_text_puts(out, "  ");
        es_snapshot_state(view, row, out);
    }
}

static void add_row(const struct es_snapshot *view, const struct es_moment_row *row, struct es_text *out)
{
    struct es_text cell = {0};
    es_query_print_ref(view->query, row->pid, true, &cell);
    add_or_dash(out, &cell, es_cli_pid_width(view->query));
    es_query_print_ref(view->query, row->name, view->erlang, &cell);
    add_or_dash(out, &cell, 28);
    es_text_puts(out, status_style(row->status));
    es_text_puts(&cell, es_status_names[row->status] ? es_status_names[row->status] : "");
    add_or_dash(out, &cell, 8);
    es_text_puts(out, es_cli_style(stdout, ES_STYLE_NONE));
    es_text_puts(&cell, row->inside_by == ES_AT_INITIAL ? "(" : "");
    es_snapshot_fun(view, &row->inside, &cell);
    es_text_puts(&cell, row->inside_by == ES_AT_INITIAL ? ")" : "");
    add_or_dash(out, &cell, 36);
    es_snapshot_mail(row, &cell);
    add_right(out, &cell, 6);
    es_text_puts(out, "  ");
    add_wait(view, row, &cell);
    add_or_dash(out, &cell, 44);
    add_state(view, row, &cell);
    add_or_dash(out, &cell, view->state ? 200 : 40);
    es_cli_trim(out);
    es_text_fini(&cell);
}

static bool print_table(const struct es_snapshot *view)
{
    struct es_text line = {0};
    bool ok = true;
    printf("%s%-*s %-28s %-8s %-36s %6s  %-44s %s%s\n", es_cli_style(stdout, ES_STYLE_BOLD),
           (int)es_cli_pid_width(view->query), "PID", "NAME", "STATUS", "IN", "MAIL", "WAITS FOR", "STATE",
           es_cli_style(stdout, ES_STYLE_NONE));
    for (size_t i = 0; ok && i < view->n && (view->limit == 0 || i < view->limit); i++) {
        add_row(view, view->rows[i], &line);
        ok = es_cli_flush(&line, stdout);
    }
    if (ok && view->limit && view->n > view->limit) {
        struct es_cli_buf number;
        printf("… and %s more\n", es_cli_count(view->n - view->limit, &number));
    }
    es_text_fini(&line);
    return ok;
}

/* ---- what moment it is --------------------------------------------------------------------------------------------- */

static void print_totals(const struct es_snapshot *view)
{
    uint64_t by_status[ES_STATUS_MAX] = {0}, waits = 0, mail = 0, boxes = 0, supervisors = 0;
    struct es_cli_buf a, b;
    for (size_t i = 0; i < view->n; i++) {
        const struct es_moment_row *row = view->rows[i];
        uint64_t count = row->proc && row->mail_known ? es_world_mail_count(row->proc) : 0;
        by_status[row->status]++;
        waits += row->proc && row->proc->wait_seq;
        supervisors += row->is_supervisor;
        mail += count;
        boxes += count > 0;
    }
    printf("%s process%s, %s of them supervisors", es_cli_count(view->n, &a), view->n == 1 ? "" : "es",
           es_cli_count(supervisors, &b));
    for (unsigned s = ES_STATUS_RUNNING; s < ES_STATUS_MAX; s++)
        if (by_status[s])
            printf(", %s %s", es_cli_count(by_status[s], &a), es_status_names[s]);
    if (waits)
        printf(", %s for a reply", es_cli_count(waits, &a));
    if (mail)
        printf("; %s messages in %s mailboxes", es_cli_count(mail, &a), es_cli_count(boxes, &b));
    putchar('\n');
}

static void print_doubts(const struct es_moment *moment)
{
    const char *yellow = es_cli_style(stdout, ES_STYLE_YELLOW), *none = es_cli_style(stdout, ES_STYLE_NONE);
    if (moment->damaged)
        printf("%s%" PRIu64 " damaged blocks before this moment were passed over: some of this may be out of date%s\n",
               yellow, moment->damaged, none);
    else if (moment->world->gap_seq)
        printf("%sevents were lost before event %" PRIu64 ": what is older may be out of date%s\n", yellow,
               moment->world->gap_seq, none);
    if (moment->world->thinned)
        printf("%sto keep within the overhead budget not all messages were recorded%s\n", yellow, none);
}

static void print_head(const struct es_snapshot *view)
{
    const struct es_moment *moment = view->moment;
    struct es_cli_buf buf;
    int64_t since = moment->time - view->start, wall = es_query_wall(view->query, moment->time);
    printf("%sAt +%" PRId64 ".%09" PRId64 " s%s", es_cli_style(stdout, ES_STYLE_BOLD), since / 1000000000,
           since % 1000000000, es_cli_style(stdout, ES_STYLE_NONE));
    if (wall != INT64_MIN)
        printf(", %s", es_cli_wall(wall, &buf));
    printf(", after event %s\n", es_cli_count(moment->seq, &buf));
    print_totals(view);
    print_doubts(moment);
    putchar('\n');
}

/* ---- which rows ---------------------------------------------------------------------------------------------------- */

static struct es_query *sorting; /* for comparing names in qsort */

static int descending(uint64_t a, uint64_t b) { return (a < b) - (a > b); }
#define ROW(pointer) (*(const struct es_moment_row *const *)(pointer))

static uint64_t mail_of(const struct es_moment_row *row)
{
    return row->proc && row->mail_known ? es_world_mail_count(row->proc) : 0;
}
static int by_mailbox(const void *a, const void *b) { return descending(mail_of(ROW(a)), mail_of(ROW(b))); }
static uint64_t wait_of(const struct es_moment_row *row) /* a smaller number waits longer */
{
    return row->proc && row->proc->wait_seq ? UINT64_MAX - row->proc->wait_seq : 0;
}
static int by_wait(const void *a, const void *b) { return descending(wait_of(ROW(a)), wait_of(ROW(b))); }
static uint64_t state_of(const struct es_moment_row *row)
{
    return row->proc && row->proc->state_seq ? (uint64_t)row->proc->state_len + 1 : 0;
}
static int by_state(const void *a, const void *b) { return descending(state_of(ROW(a)), state_of(ROW(b))); }
static int by_events(const void *a, const void *b)
{
    const struct es_world_proc *x = ROW(a)->proc, *y = ROW(b)->proc;
    return descending(x ? x->events : 0, y ? y->events : 0);
}
static int by_name(const void *a, const void *b)
{
    const struct es_moment_row *x = ROW(a), *y = ROW(b);
    if (!x->name || !y->name)
        return (x->name == 0) - (y->name == 0);
    struct es_text left = {0}, right = {0};
    es_query_print_ref(sorting, x->name, false, &left);
    es_query_print_ref(sorting, y->name, false, &right);
    int order = strcmp(left.bytes ? left.bytes : "", right.bytes ? right.bytes : "");
    es_text_fini(&left);
    es_text_fini(&right);
    return order;
}

static const struct {
    const char *key;
    int (*compare)(const void *, const void *);
} sorts[] = {{"spawn", NULL},     {"mailbox", by_mailbox}, {"wait", by_wait},
             {"state", by_state}, {"events", by_events},   {"name", by_name}};

static int sort_rows(struct es_snapshot *view, const char *key)
{
    for (size_t i = 0; i < sizeof sorts / sizeof *sorts; i++)
        if (strcmp(sorts[i].key, key) == 0) {
            sorting = view->query;
            if (sorts[i].compare)
                qsort(view->rows, view->n, sizeof *view->rows, sorts[i].compare);
            return ES_EXIT_OK;
        }
    return es_cli_usage("snapshot", "--sort is spawn, mailbox, wait, state, events or name, not '%s'", key);
}

static bool is_wanted(const struct es_filter *filter, es_ref pid)
{
    for (size_t i = 0; i < filter->n_pids; i++)
        if (filter->pids[i] == pid)
            return true;
    return filter->n_pids == 0 && (!filter->node || es_ref_node(pid) + 1 == filter->node);
}

static int choose_rows(struct es_snapshot *view, const struct es_cli_filter *who)
{
    view->rows = malloc((view->moment->n + 1) * sizeof *view->rows);
    if (!view->rows)
        return es_fail(-ENOMEM, "no memory for %zu processes", view->moment->n);
    for (size_t i = 0; i < view->moment->n; i++)
        if (is_wanted(&who->filter, view->moment->rows[i].pid))
            view->rows[view->n++] = &view->moment->rows[i];
    if (view->n == 0 && who->n_who > 0)
        return es_fail(-ENOENT, "%s%s was not alive at that moment; `elixirscope ps` says when it was", who->who[0],
                       who->n_who > 1 ? " and the others" : "");
    return 0;
}

/* ---- the command --------------------------------------------------------------------------------------------------- */

static int find_seq(struct es_query *query, const struct request *request, uint64_t *ret_seq)
{
    int64_t time = 0;
    const struct es_event *event;
    if (request->event) {
        *ret_seq = request->event;
        return es_query_event(query, request->event, &event);
    }
    int rc = es_query_time(query, request->at ? request->at : "100%", &time);
    return rc < 0 ? rc : es_query_seq_at(query, time, ret_seq);
}

static int show(struct es_snapshot *view, const struct request *request)
{
    if (choose_rows(view, &request->who) < 0)
        return es_cli_failure("snapshot");
    int code = sort_rows(view, request->sort);
    if (code != ES_EXIT_OK)
        return code;
    if (request->json) {
        es_snapshot_json(view, stdout);
        return ES_EXIT_OK;
    }
    print_head(view);
    if (request->tree)
        es_snapshot_tree(view, stdout);
    else
        print_table(view);
    return ES_EXIT_OK;
}

static int run(struct es_snapshot *view, struct request *request)
{
    uint64_t seq = 0;
    struct es_info info;
    struct es_moment *moment = NULL;
    if (es_query_info(view->query, &info) < 0 || es_cli_filter_resolve(&request->who, view->query) < 0 ||
        find_seq(view->query, request, &seq) < 0 || es_query_moment(view->query, seq, &moment) < 0)
        return es_cli_failure("snapshot");
    view->start = info.first_time;
    view->moment = moment;
    int code = show(view, request);
    free(view->rows);
    es_moment_free(moment);
    return code;
}

/* 1: taken, 0: unknown, negative: wrong. */
static int take_option(struct es_snapshot *view, struct request *request, int option)
{
    int rc = 0;
    switch (option) {
    case OPT_AT: request->at = optarg; break;
    case OPT_EVENT: rc = es_cli_parse_count(optarg, &request->event); break;
    case OPT_TREE: request->tree = true; break;
    case OPT_STATE: view->state = true; break;
    case OPT_SORT: request->sort = optarg; break;
    case ES_OPT_PID:
    case ES_OPT_NAME:
    case ES_OPT_NODE: rc = es_cli_filter_option(&request->who, option, optarg); break;
    case ES_OPT_LIMIT: rc = es_cli_parse_count(optarg, &view->limit); break;
    case ES_OPT_NOTATION: rc = es_cli_parse_notation(optarg, &view->erlang); break;
    case ES_OPT_JSON: request->json = true; break;
    default: return 0;
    }
    return rc < 0 ? rc : 1;
}

int es_cmd_snapshot(int argc, char **argv)
{
    static const struct option options[] = {{"at", required_argument, NULL, OPT_AT},
                                            {"event", required_argument, NULL, OPT_EVENT},
                                            {"tree", no_argument, NULL, OPT_TREE},
                                            {"state", no_argument, NULL, OPT_STATE},
                                            {"sort", required_argument, NULL, OPT_SORT},
                                            {"pid", required_argument, NULL, ES_OPT_PID},
                                            {"name", required_argument, NULL, ES_OPT_NAME},
                                            {"node", required_argument, NULL, ES_OPT_NODE},
                                            {"limit", required_argument, NULL, ES_OPT_LIMIT},
                                            {"notation", required_argument, NULL, ES_OPT_NOTATION},
                                            {"json", no_argument, NULL, ES_OPT_JSON},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct es_snapshot view = {0};
    struct request request = {.sort = "spawn"};
    es_cli_filter_init(&request.who);
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (option == 'h')
            return es_cli_help(help);
        int rc = take_option(&view, &request, option);
        if (rc == 0)
            return es_cli_usage("snapshot", "wrong option");
        if (rc < 0) {
            es_cli_failure("snapshot");
            return ES_EXIT_USAGE;
        }
    }
    if (argc - optind != 1)
        return es_cli_usage("snapshot", "one recording is needed, %d were given", argc - optind);
    if (request.at && request.event)
        return es_cli_usage("snapshot", "--at and --event exclude each other");
    if (request.json && request.tree)
        return es_cli_usage("snapshot", "--tree and --json exclude each other: JSON has a field 'supervisor'");
    int code = ES_EXIT_OK;
    view.query = es_cli_open("snapshot", argv[optind], &code);
    if (!view.query)
        return code;
    code = run(&view, &request);
    es_cli_filter_fini(&request.who);
    es_query_close(view.query);
    return es_cli_finish("snapshot", code);
}
