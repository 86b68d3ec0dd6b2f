/* SPDX-License-Identifier: MIT */
/* `elixirscope timeline`: what processes did over time, as a drawing or as JSON. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/cli.h"

static const char help[] =
    "elixirscope timeline - draw what processes did over time\n"
    "\n"
    "Usage: elixirscope timeline [OPTION]... FILE.scope\n"
    "\n"
    "A line a process, a column a part of the time. The higher a block the more events; its colour is that of the "
    "strongest\n"
    "of them (an error before an exit, an exit before a message). '!' stands for an error, 'x' for an exit, '_' for "
    "running\n"
    "on a scheduler without any event. The line below them says where events were lost ('?') or cannot be read ('#').\n"
    "\n"
    "Options:\n"
    "  --since TIME           from this time on (see `elixirscope events --help` for TIME)\n"
    "  --until TIME           before this time\n"
    "  --width N              columns, or with --json pixels; by default what fits the terminal, or 2000\n"
    "  --lanes N              the N processes with most events (default 20)\n"
    "  --pid PID              this process; can be given several times\n"
    "  --name NAME            the process or processes with this name; likewise\n"
    "  --json                 one JSON object; the fields are in docs/cli.md\n"
    "  --help                 this text\n"
    "\n"
    "Examples:\n"
    "  elixirscope timeline shop.scope\n"
    "  elixirscope timeline shop.scope --since +2s --until +2.5s --name cart --name Shop.Inventory\n"
    "  elixirscope timeline shop.scope --lanes 100 --width 2000 --json\n"
    "\n"
    "Exit codes:\n"
    "  0 success, 1 failure, 2 wrong usage\n";

enum { OPT_WIDTH = ES_OPT_LAST, OPT_LANES };
#define LABEL 30
#define WHO_MAX 64

struct view {
    struct es_query *query;
    const char *since, *until, *who[WHO_MAX];
    size_t n_who;
    uint64_t width, n_lanes;
    bool json, unicode;
    es_ref *lanes;
    struct es_timeline_request request;
    const struct es_timeline *answer;
    int64_t start; /* of the recording */
};

/* ---- lanes --------------------------------------------------------------------------------------------------------- */

static int by_events(const void *a, const void *b)
{
    const struct es_ps_row *x = a, *y = b;
    return (x->events < y->events) - (x->events > y->events);
}

static int take_busiest(struct view *view)
{
    struct es_ps_row *rows = NULL;
    size_t n = 0;
    int rc = es_query_ps(view->query, INT64_MAX, &rows, &n);
    if (rc < 0)
        return rc;
    if (n > 0)
        qsort(rows, n, sizeof *rows, by_events);
    n = n < view->n_lanes ? n : (size_t)view->n_lanes;
    view->lanes = malloc((n + 1) * sizeof *view->lanes);
    for (size_t i = 0; view->lanes && i < n; i++)
        view->lanes[i] = rows[i].process->pid;
    free(rows);
    view->request.n_lanes = n;
    if (!view->lanes)
        return es_fail(-ENOMEM, "no memory for %zu lanes", n);
    return n ? 0 : es_fail(-ENOENT, "the recording has no process");
}

static int take_named(struct view *view)
{
    for (size_t i = 0; i < view->n_who; i++) {
        es_ref *pids = NULL;
        size_t n = 0, have = view->request.n_lanes;
        int rc = es_query_pids(view->query, view->who[i], &pids, &n);
        if (rc < 0)
            return rc;
        es_ref *lanes = realloc(view->lanes, (have + n) * sizeof *lanes);
        if (lanes) {
            memcpy(lanes + have, pids, n * sizeof *lanes);
            view->lanes = lanes;
            view->request.n_lanes = have + n;
        }
        free(pids);
        if (!lanes)
            return es_fail(-ENOMEM, "no memory for %zu lanes", have + n);
    }
    return 0;
}

static void add_label(struct view *view, es_ref pid, struct es_text *out)
{
    es_ref name = es_query_name(view->query, pid, INT64_MAX);
    es_query_print_ref(view->query, pid, true, out);
    if (name != ES_REF_NONE) {
        es_text_puts(out, " ");
        es_query_print_ref(view->query, name, false, out);
    }
}

/* ---- drawing ------------------------------------------------------------------------------------------------------- */

static const char *const unicode_blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
static const char *const ascii_blocks[] = {".", ".", ":", ":", "=", "=", "#", "#"};

static uint64_t events_of(const struct es_timeline *t, size_t run)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < ES_TL_FAMILIES; i++)
        n += t->counts[run][i];
    return n;
}

/* Heights grow with the number of digits: 1 event is seen beside 1000. */
static unsigned height_of(uint64_t n, uint64_t most)
{
    unsigned bits = 64u - (unsigned)__builtin_clzll(n), all = 64u - (unsigned)__builtin_clzll(most);
    return all > 1 ? (bits - 1) * 7 / (all - 1) : 0;
}

static const char *sign_of(const struct view *view, size_t run, uint64_t most)
{
    const struct es_timeline *t = view->answer;
    uint64_t n = events_of(t, run);
    if (n == 0)
        return t->flags[run] & ES_TL_RAN ? "_" : " ";
    if (t->counts[run][ES_TL_ERROR])
        return "!";
    if (t->strongest[run] == ES_K_EXIT)
        return "x";
    return (view->unicode ? unicode_blocks : ascii_blocks)[height_of(n, most)];
}

static void draw_lane(struct view *view, size_t lane, uint64_t most, struct es_text *out)
{
    const struct es_timeline *t = view->answer;
    uint32_t px = 0;
    struct es_text label = {0};
    add_label(view, view->lanes[lane], &label);
    es_text_printf(out, "%-*.*s ", LABEL, LABEL, label.bytes ? label.bytes : "");
    es_text_fini(&label);
    for (uint32_t r = t->first[lane]; r < t->first[lane + 1]; r++) {
        for (; px < t->at[r]; px++)
            es_text_puts(out, " ");
        const char *style = es_cli_family_style(stdout, t->strongest[r]), *sign = sign_of(view, r, most);
        es_text_puts(out, style);
        for (; px < t->at[r] + t->width[r]; px++)
            es_text_puts(out, sign);
        es_text_puts(out, *style ? es_cli_style(stdout, ES_STYLE_NONE) : "");
    }
}

static uint32_t pixel_at(const struct view *view, int64_t time)
{
    const struct es_timeline *t = view->answer;
    if (time <= t->since)
        return 0;
    if (time >= t->until)
        return view->request.width;
    unsigned __int128 since = (uint64_t)time - (uint64_t)t->since;
    return (uint32_t)(since * view->request.width / ((uint64_t)t->until - (uint64_t)t->since));
}

static bool mark(struct view *view, char *line, int64_t from, int64_t to, char sign)
{
    if (to < view->answer->since || from >= view->answer->until)
        return false;
    for (uint32_t px = pixel_at(view, from); px <= pixel_at(view, to) && px < view->request.width; px++)
        line[px] = sign;
    return true;
}

/* A line of what is not there, where anything is missing in the window. */
static void draw_holes(struct view *view, struct es_text *out)
{
    const struct es_loss *losses = NULL;
    size_t n = es_recording_losses(es_query_recording(view->query), &losses);
    char *line = malloc(view->request.width + 1);
    bool any = false;
    if (!line)
        return;
    memset(line, ' ', view->request.width);
    for (size_t i = 0; i < n; i++)
        any |= mark(view, line, losses[i].from, losses[i].to, '?');
    for (size_t i = 0; i < view->answer->n_holes; i++)
        any |= mark(view, line, view->answer->holes[i].from, view->answer->holes[i].to, '#');
    if (any) {
        es_text_printf(out, "%s%-*s ", es_cli_style(stdout, ES_STYLE_YELLOW), LABEL, "lost or unreadable");
        es_text_add(out, line, view->request.width);
        es_text_printf(out, "%s\n", es_cli_style(stdout, ES_STYLE_NONE));
    }
    free(line);
}

static void draw_axis(struct view *view, struct es_text *out)
{
    char label[32];
    unsigned step = 20;
    double span = (double)((uint64_t)view->answer->until - (uint64_t)view->answer->since);
    double since = (double)(view->answer->since - view->start);
    es_text_printf(out, "%s%-*s ", es_cli_style(stdout, ES_STYLE_DIM), LABEL, "seconds from the start");
    for (unsigned px = 0; px < view->request.width; px += step) {
        int n = snprintf(label, sizeof label, "|%.6f", (since + span * px / view->request.width) / 1e9);
        if (px + (unsigned)n <= view->request.width)
            es_text_printf(out, "%-*.*s", px + step <= view->request.width ? (int)step : n, (int)step, label);
    }
    es_text_printf(out, "%s", es_cli_style(stdout, ES_STYLE_NONE));
}

static void draw(struct view *view)
{
    struct es_text out = {0};
    uint64_t most = 1;
    for (size_t r = 0; r < view->answer->n_runs; r++)
        most = events_of(view->answer, r) > most ? events_of(view->answer, r) : most;
    bool going = true;
    for (size_t lane = 0; going && lane < view->request.n_lanes; lane++) {
        draw_lane(view, lane, most, &out);
        going = es_cli_flush(&out, stdout);
    }
    draw_holes(view, &out);
    draw_axis(view, &out);
    if (going)
        es_cli_flush(&out, stdout);
    es_text_fini(&out);
}

/* ---- JSON ---------------------------------------------------------------------------------------------------------- */

static const char *const family_names[ES_TL_FAMILIES] = {"process",    "message", "call",  "state",
                                                         "scheduling", "memory",  "error", "other"};

static void json_run(const struct es_timeline *t, size_t r, struct es_text *out)
{
    es_text_printf(out, "{\"at\":%" PRIu32 ",\"width\":%" PRIu32 ",\"counts\":{", t->at[r], t->width[r]);
    const char *comma = "";
    for (unsigned i = 0; i < ES_TL_FAMILIES; i++)
        if (t->counts[r][i]) {
            es_text_printf(out, "%s\"%s\":%" PRIu32, comma, family_names[i], t->counts[r][i]);
            comma = ",";
        }
    es_text_puts(out, "},\"strongest\":");
    if (t->strongest[r])
        es_text_printf(out, "\"%s\"", es_kind_table[t->strongest[r]].name);
    else
        es_text_puts(out, "null");
    if (t->seq[r])
        es_text_printf(out, ",\"seq\":%" PRIu64, t->seq[r]);
    es_text_printf(out, ",\"ran\":%s,\"rested\":%s,\"collected\":%s}", t->flags[r] & ES_TL_RAN ? "true" : "false",
                   t->flags[r] & ES_TL_RESTED ? "true" : "false", t->flags[r] & ES_TL_COLLECTED ? "true" : "false");
}

static void json_lane(struct view *view, size_t lane, struct es_text *out)
{
    const struct es_timeline *t = view->answer;
    struct es_text text = {0};
    es_query_print_ref(view->query, view->lanes[lane], true, &text);
    es_text_puts(out, lane ? ",{\"pid\":" : "{\"pid\":");
    es_text_json(out, text.bytes ? text.bytes : "", text.len);
    es_text_puts(out, ",\"name\":");
    es_text_clear(&text);
    es_ref name = es_query_name(view->query, view->lanes[lane], INT64_MAX);
    if (name != ES_REF_NONE) {
        es_query_print_ref(view->query, name, false, &text);
        es_text_json(out, text.bytes ? text.bytes : "", text.len);
    } else {
        es_text_puts(out, "null");
    }
    es_text_fini(&text);
    es_text_puts(out, ",\"runs\":[");
    for (uint32_t r = t->first[lane]; r < t->first[lane + 1]; r++) {
        es_text_puts(out, r > t->first[lane] ? "," : "");
        json_run(t, r, out);
    }
    es_text_puts(out, "]}");
}

static void json_holes(struct view *view, struct es_text *out)
{
    const struct es_timeline *t = view->answer;
    const struct es_loss *losses = NULL;
    size_t n = es_recording_losses(es_query_recording(view->query), &losses);
    const char *comma = "";
    es_text_puts(out, "],\"losses\":[");
    for (size_t i = 0; i < n; i++) {
        if (losses[i].to < t->since || losses[i].from >= t->until || losses[i].kind >= ES_KIND_MAX)
            continue;
        es_text_printf(out, "%s{\"kind\":\"%s\",\"count\":%" PRIu64 ",\"from\":%" PRId64 ",\"to\":%" PRId64 "}", comma,
                       es_kind_table[losses[i].kind].name, losses[i].count, losses[i].from, losses[i].to);
        comma = ",";
    }
    es_text_puts(out, "],\"damaged\":[");
    for (size_t i = 0; i < t->n_holes; i++)
        es_text_printf(out, "%s{\"from\":%" PRId64 ",\"to\":%" PRId64 ",\"events\":%" PRIu64 "}", i ? "," : "",
                       t->holes[i].from, t->holes[i].to, t->holes[i].events);
    es_text_puts(out, "]}");
}

static void print_json(struct view *view)
{
    struct es_text out = {0};
    es_text_printf(&out, "{\"since\":%" PRId64 ",\"until\":%" PRId64 ",\"width\":%" PRIu32 ",\"lanes\":[",
                   view->answer->since, view->answer->until, view->request.width);
    for (size_t lane = 0; lane < view->request.n_lanes; lane++)
        json_lane(view, lane, &out);
    json_holes(view, &out);
    es_cli_flush(&out, stdout);
    es_text_fini(&out);
}

/* ---- the command --------------------------------------------------------------------------------------------------- */

static bool is_utf8(void)
{
    setlocale(LC_CTYPE, "");
    return strcasecmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static uint32_t width_of(const struct view *view)
{
    struct winsize size;
    if (view->width)
        return view->width > UINT32_MAX ? UINT32_MAX : (uint32_t)view->width;
    if (view->json)
        return 2000;
    bool known = isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > LABEL + 11;
    return known ? size.ws_col - LABEL - 1 : 120 - LABEL - 1;
}

static int show(struct view *view)
{
    struct es_info info;
    struct es_timeline_request *request = &view->request;
    *request = (struct es_timeline_request){.since = INT64_MIN, .until = INT64_MAX, .width = width_of(view)};
    if (es_query_info(view->query, &info) < 0 ||
        (view->since && es_query_time(view->query, view->since, &request->since) < 0) ||
        (view->until && es_query_time(view->query, view->until, &request->until) < 0) ||
        (view->n_who ? take_named(view) : take_busiest(view)) < 0)
        return es_cli_failure("timeline");
    request->lanes = view->lanes;
    if (es_query_timeline(view->query, request, &view->answer) < 0)
        return es_cli_failure("timeline");
    view->start = info.first_time;
    view->unicode = is_utf8();
    if (view->json)
        print_json(view);
    else
        draw(view);
    return ES_EXIT_OK;
}

static int parse(int argc, char **argv, struct view *view)
{
    static const struct option options[] = {{"since", required_argument, NULL, ES_OPT_SINCE},
                                            {"until", required_argument, NULL, ES_OPT_UNTIL},
                                            {"width", required_argument, NULL, OPT_WIDTH},
                                            {"lanes", required_argument, NULL, OPT_LANES},
                                            {"pid", required_argument, NULL, ES_OPT_PID},
                                            {"name", required_argument, NULL, ES_OPT_NAME},
                                            {"json", no_argument, NULL, ES_OPT_JSON},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        int rc = 0;
        switch (option) {
        case ES_OPT_SINCE: view->since = optarg; break;
        case ES_OPT_UNTIL: view->until = optarg; break;
        case OPT_WIDTH: rc = es_cli_parse_count(optarg, &view->width); break;
        case OPT_LANES: rc = es_cli_parse_count(optarg, &view->n_lanes); break;
        case ES_OPT_PID:
        case ES_OPT_NAME:
            if (view->n_who == WHO_MAX)
                return es_cli_usage("timeline", "at most %d processes can be named", WHO_MAX);
            view->who[view->n_who++] = optarg;
            break;
        case ES_OPT_JSON: view->json = true; break;
        case 'h': return es_cli_help(help);
        default: return es_cli_usage("timeline", "wrong option");
        }
        if (rc < 0) {
            es_cli_failure("timeline");
            return ES_EXIT_USAGE;
        }
    }
    if (view->n_lanes == 0)
        return es_cli_usage("timeline", "--lanes is at least 1");
    return argc - optind == 1 ? -1 : es_cli_usage("timeline", "one recording is needed, %d were given", argc - optind);
}

int es_cmd_timeline(int argc, char **argv)
{
    struct view view = {.n_lanes = 20};
    int code = parse(argc, argv, &view);
    if (code >= 0)
        return code;
    view.query = es_cli_open("timeline", argv[optind], &code);
    if (!view.query)
        return code;
    code = show(&view);
    free(view.lanes);
    es_query_close(view.query);
    return es_cli_finish("timeline", code);
}
