/* SPDX-License-Identifier: MIT */
/* `elixirscope source`: a woven module's source with how often each line was reached, and where a moment was in it. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/cli.h"

static const char help[] =
    "elixirscope source - the source of a woven module, and how often its lines were reached\n"
    "\n"
    "Usage: elixirscope source [OPTION]... FILE.scope MODULE\n"
    "\n"
    "Prints the source as it was when the module was woven (--weave, --depth lines or values), with the hits of each "
    "line "
    "up to a moment.\n"
    "A line without a number has no code, or was never reached: these two are not told apart. The line that was "
    "reached "
    "last is marked,\n"
    "and the variables that were bound there are printed behind the source.\n"
    "\n"
    "Options:\n"
    "  --at TIME              up to this time (see `elixirscope events --help` for TIME; default: the end)\n"
    "  --seq N                up to this event; marked is the line that its process was at\n"
    "  --notation NOTATION    terms as 'elixir' (default) or 'erlang'\n"
    "  --json                 one JSON object; the fields are in docs/cli.md\n"
    "  --help                 this text\n"
    "\n"
    "Examples:\n"
    "  elixirscope source shop.scope Shop.Pricing\n"
    "  elixirscope source shop.scope Shop.Pricing --seq 19610\n"
    "\n"
    "Exit codes:\n"
    "  0 success, 1 failure, 2 wrong usage\n";

enum { OPT_AT = ES_OPT_LAST, OPT_SEQ };

struct view {
    struct es_query *query;
    const char *module, *at;
    uint64_t seq;
    bool erlang, json;
    struct es_source source;
    struct es_event here; /* seq 0: none */
    struct es_text site;  /* ":42 total = 7" */
};

/* ---- where it was ---------------------------------------------------------------------------------------------------- */

/* The last line of the module that was reached up to event `seq`; with --seq by its process. */
static int find_here(struct view *view, uint64_t seq)
{
    struct es_filter filter = {.kinds = UINT64_C(1) << ES_K_LINE,
                               .module = *view->module == ':' ? view->module + 1 : view->module,
                               .since = INT64_MIN,
                               .until = INT64_MAX,
                               .before_seq = seq + 1,
                               .reverse = true,
                               .limit = 1};
    const struct es_event *event;
    struct es_cursor *cursor;
    es_ref pid = ES_REF_NONE;
    int rc = 0;
    if (view->seq && (rc = es_query_event(view->query, view->seq, &event)) < 0)
        return rc;
    if (view->seq)
        pid = event->pid;
    if (pid != ES_REF_NONE) {
        filter.pids = &pid;
        filter.n_pids = 1;
    }
    rc = es_cursor_open(view->query, &filter, &cursor);
    if (rc < 0)
        return rc;
    rc = es_cursor_next(cursor, &event);
    if (rc > 0) {
        view->here = *event;
        es_query_print_site(view->query, event, view->erlang, &view->site);
    }
    es_cursor_close(cursor);
    return rc < 0 ? rc : 0;
}

static uint32_t line_of(const struct view *view)
{
    return view->here.seq && view->site.len > 1 ? (uint32_t)strtoul(view->site.bytes + 1, NULL, 10) : 0;
}

static const char *variables_of(const struct view *view)
{
    const char *space = view->here.seq && view->site.len ? strchr(view->site.bytes, ' ') : NULL;
    return space ? space + 1 : "";
}

/* ---- printing -------------------------------------------------------------------------------------------------------- */

/* A line of the text, of which the first `*at` bytes were printed. */
static bool next_line(const struct es_source *source, size_t *at, const char **ret_line, size_t *ret_len)
{
    if (*at >= source->text_len)
        return false;
    const char *line = source->text + *at, *end = memchr(line, '\n', source->text_len - *at);
    *ret_len = end ? (size_t)(end - line) : source->text_len - *at;
    *ret_line = line;
    *at += *ret_len + 1;
    return true;
}

static void print_lines(const struct view *view)
{
    const struct es_source *source = &view->source;
    const char *line = "", *dim = es_cli_style(stdout, ES_STYLE_DIM), *none = es_cli_style(stdout, ES_STYLE_NONE);
    uint32_t here = line_of(view), number = 0;
    size_t at = 0, len = 0, i = 0;
    struct es_cli_buf hits;
    for (bool more; (more = next_line(source, &at, &line, &len)) || i < source->n;) {
        number = more ? number + 1 : source->lines[i].line; /* there may be more lines than text */
        bool reached = i < source->n && source->lines[i].line == number;
        printf("%12s %s %s%5u%s  %.*s\n", reached ? es_cli_count(source->lines[i].hits, &hits) : "",
               here == number ? ">" : " ", dim, number, none, more ? (int)len : 0, line);
        i += reached;
    }
}

/* A terminal obeys control characters, whoever wrote them into the recording. */
static void tame(char *text)
{
    for (; *text; text++)
        if (((unsigned char)*text < ' ' && *text != '\n' && *text != '\t') || *text == 0x7f)
            *text = '?';
}

static void print_text(const struct view *view)
{
    const struct es_source *source = &view->source;
    struct es_text who = {0};
    tame(source->path);
    tame(source->text);
    printf("%s  %s\n", view->module,
           source->text_len == 0 ? "(its source is not in the recording)"
           : !*source->path      ? "(abstract code; its source was not found)"
                                 : source->path);
    printf("%12s\n", "HITS");
    print_lines(view);
    if (view->here.seq) {
        es_query_print_ref(view->query, view->here.pid, view->erlang, &who);
        printf("\nat event %" PRIu64 ", %s: line %u%s%s\n", view->here.seq, who.len ? who.bytes : "?", line_of(view),
               *variables_of(view) ? ", " : "", variables_of(view));
    }
    es_text_fini(&who);
}

static void print_json(const struct view *view)
{
    const struct es_source *source = &view->source;
    struct es_text out = {0}, who = {0};
    es_text_puts(&out, "{\"module\":");
    es_text_json(&out, view->module, strlen(view->module));
    es_text_puts(&out, ",\"path\":");
    es_text_json(&out, source->path, strlen(source->path));
    es_text_puts(&out, ",\"text\":");
    es_text_json(&out, source->text, source->text_len);
    es_text_puts(&out, ",\"lines\":[");
    for (size_t i = 0; i < source->n; i++)
        es_text_printf(&out, "%s{\"line\":%u,\"hits\":%" PRIu64 ",\"last\":%" PRIu64 "}", i ? "," : "",
                       source->lines[i].line, source->lines[i].hits, source->lines[i].last_seq);
    es_text_puts(&out, "],\"here\":");
    if (view->here.seq) {
        es_query_print_ref(view->query, view->here.pid, true, &who);
        es_text_printf(&out, "{\"seq\":%" PRIu64 ",\"time\":%" PRId64 ",\"pid\":", view->here.seq, view->here.time);
        es_text_json(&out, who.bytes, who.len);
        es_text_printf(&out, ",\"line\":%u,\"vars\":", line_of(view));
        es_text_json(&out, variables_of(view), strlen(variables_of(view)));
        es_text_puts(&out, "}");
    } else {
        es_text_puts(&out, "null");
    }
    es_text_puts(&out, "}\n");
    fwrite(out.bytes, 1, out.len, stdout);
    es_text_fini(&out);
    es_text_fini(&who);
}

/* ---- running --------------------------------------------------------------------------------------------------------- */

static int run(struct view *view)
{
    uint64_t seq = view->seq ? view->seq : UINT64_MAX - 1;
    int64_t time;
    int rc = 0;
    if (view->at && (rc = es_query_time(view->query, view->at, &time)) == 0)
        rc = es_query_seq_at(view->query, time, &seq);
    if (rc == 0)
        rc = es_query_source(view->query, view->module, seq + 1, &view->source);
    if (rc == 0)
        rc = find_here(view, seq);
    if (rc < 0)
        return es_cli_failure("source");
    if (view->json)
        print_json(view);
    else
        print_text(view);
    return ES_EXIT_OK;
}

static int read_options(int argc, char **argv, struct view *view)
{
    static const struct option options[] = {{"at", required_argument, NULL, OPT_AT},
                                            {"seq", required_argument, NULL, OPT_SEQ},
                                            {"notation", required_argument, NULL, ES_OPT_NOTATION},
                                            {"json", no_argument, NULL, ES_OPT_JSON},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        int rc = 0;
        switch (option) {
        case OPT_AT: view->at = optarg; break;
        case OPT_SEQ: rc = es_cli_parse_count(optarg, &view->seq); break;
        case ES_OPT_NOTATION: rc = es_cli_parse_notation(optarg, &view->erlang); break;
        case ES_OPT_JSON: view->json = true; break;
        case 'h': return es_cli_help(help);
        default: return es_cli_usage("source", "wrong option");
        }
        if (rc < 0)
            return es_cli_failure("source"), ES_EXIT_USAGE;
    }
    if (argc - optind != 2 || !*argv[optind + 1])
        return es_cli_usage("source", "a recording and a module are needed");
    if (view->at && view->seq)
        return es_cli_usage("source", "--at and --seq exclude each other");
    view->module = argv[optind + 1];
    return -1;
}

int es_cmd_source(int argc, char **argv)
{
    struct view view = {0};
    int code = read_options(argc, argv, &view);
    if (code >= 0)
        return code;
    view.query = es_cli_open("source", argv[optind], &code);
    if (!view.query)
        return code;
    code = run(&view);
    es_source_fini(&view.source);
    es_text_fini(&view.site);
    es_query_close(view.query);
    return es_cli_finish("source", code);
}
