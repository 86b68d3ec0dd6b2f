/* SPDX-License-Identifier: MIT */
/* `elixirscope sql`: asks a recording in SQL. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/sql_prompt.h"
#include "wire/clock.h"

static const char help[] =
    "elixirscope sql - ask a recording in SQL\n"
    "\n"
    "Usage: elixirscope sql [OPTION]... FILE.scope [QUERY]\n"
    "\n"
    "Runs QUERY, one or more SELECT statements in SQLite's SQL, over the tables of a recording, finished or live:\n"
    "events, processes, spans, messages, states, state_changes, calls, gc, scheduling, errors, marks, losses, edges;\n"
    "and the table functions histogram(by), top(by, n), timeline(buckets, by), flame(pid). docs/sql.md says what is\n"
    "in them. Without QUERY it reads from standard input; on a terminal with history and completion (.help says "
    "more).\n"
    "A query can only read: it cannot write, open files or load code.\n"
    "\n"
    "Options:\n"
    "  --format FORMAT        table (default), csv or json (one object a line)\n"
    "  --limit N              at most N rows of each statement\n"
    "  --timeout TIME         stop a statement after this long: 30 (seconds, the default), 500ms, 2m; 0: never\n"
    "  --memory SIZE          what a statement may use; default 1GiB\n"
    "  --file FILE            read the statements from FILE, - for standard input\n"
    "  --notation NOTATION    terms and names as 'elixir' (default) or 'erlang'\n"
    "  --help                 this text\n"
    "\n"
    "Examples:\n"
    "  elixirscope sql shop.scope \"SELECT kind, count(*) FROM events GROUP BY kind\"\n"
    "  elixirscope sql shop.scope \"SELECT * FROM top('function', 10, 'call')\"\n"
    "  elixirscope sql shop.scope --format json \"SELECT time, pid, name, reason FROM errors\"\n"
    "  elixirscope sql shop.scope\n"
    "\n"
    "Exit codes:\n"
    "  0 success (also without rows), 1 failure (also of the query), 2 wrong usage\n";

enum { OPT_FORMAT = ES_OPT_LAST, OPT_TIMEOUT, OPT_FILE, OPT_MEMORY };

#define STATEMENTS_MAX (4u << 20) /* bytes of a file of them */

/* ---- running ------------------------------------------------------------------------------------------------------- */

static unsigned terminal_width(FILE *out)
{
    struct winsize size;
    return isatty(fileno(out)) && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static void say(const struct es_rows *rows, uint64_t since)
{
    struct es_cli_buf count, time;
    fprintf(stderr, "%s%s row%s%s, %s%s\n", es_cli_style(stderr, ES_STYLE_DIM), es_cli_count(rows->given, &count),
            rows->given == 1 ? "" : "s", rows->more ? ", there are more" : "",
            es_cli_duration((int64_t)(es_clock_os() - since), &time), es_cli_style(stderr, ES_STYLE_NONE));
}

int es_sql_session_run(struct es_sql_session *session, const char *text, bool talk)
{
    for (;;) {
        uint64_t since = es_clock_os();
        int rc = es_sql_begin(session->sql, text, &text);
        if (rc <= 0)
            return rc;
        struct es_rows rows = {
            .format = session->format, .limit = session->limit, .out = stdout, .width = terminal_width(stdout)};
        rc = es_rows_run(&rows, session->sql);
        es_sql_finish(session->sql);
        fflush(stdout);
        if (rc < 0)
            return rc;
        if (talk)
            say(&rows, since);
    }
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

static int read_all(FILE *in, const char *path, struct es_text *ret)
{
    char part[4096];
    size_t n;
    while ((n = fread(part, 1, sizeof part, in)) > 0) {
        es_text_add(ret, part, n);
        if (ret->len > STATEMENTS_MAX)
            return es_fail(-EFBIG, "%s: more than %u bytes of SQL", path, STATEMENTS_MAX);
    }
    es_text_puts(ret, "");
    return ferror(in) ? es_fail(-EIO, "%s: %s", path, strerror(errno))
                      : (ret->failed ? es_fail(-ENOMEM, "no memory for %s", path) : 0);
}

static int read_file(const char *path, struct es_text *ret)
{
    if (strcmp(path, "-") == 0)
        return read_all(stdin, "standard input", ret);
    FILE *in = fopen(path, "re");
    if (!in)
        return es_fail(-errno, "%s: %s", path, strerror(errno));
    int rc = read_all(in, path, ret);
    fclose(in);
    return rc;
}

/* ---- the command --------------------------------------------------------------------------------------------------- */

struct request {
    struct es_sql_options options;
    struct es_sql_session session;
    const char *file, *path, *text;
};

static int parse_timeout(const char *text, int64_t *ret)
{
    uint64_t seconds;
    if (text[0] && strspn(text, "0123456789") == strlen(text) && es_cli_parse_count(text, &seconds) == 0 &&
        seconds < 1000000000) {
        *ret = (int64_t)seconds * 1000000000;
        return 0;
    }
    return es_cli_parse_duration(text, ret);
}

static int take_option(struct request *request, int option)
{
    switch (option) {
    case OPT_FORMAT: return es_rows_parse_format(optarg, &request->session.format);
    case OPT_TIMEOUT: return parse_timeout(optarg, &request->options.timeout_ns);
    case OPT_MEMORY: return es_cli_parse_size(optarg, &request->options.memory);
    case OPT_FILE: request->file = optarg; return 0;
    case ES_OPT_LIMIT: return es_cli_parse_count(optarg, &request->session.limit);
    default: return es_cli_parse_notation(optarg, &request->options.erlang);
    }
}

static bool is_stopped(void *context)
{
    (void)context;
    return es_cli_interrupted();
}

static int answer(struct request *request)
{
    struct es_text text = {0};
    bool interactive = !request->text && !request->file && isatty(STDIN_FILENO);
    int rc = 0;
    if (interactive) {
        rc = es_sql_prompt(&request->session);
    } else {
        if (!request->text)
            rc = read_file(request->file ? request->file : "-", &text);
        if (rc == 0)
            rc = es_sql_session_run(&request->session, request->text ? request->text : text.bytes,
                                    request->session.format == ES_ROWS_TABLE);
    }
    es_text_fini(&text);
    return rc < 0 ? es_cli_failure("sql") : ES_EXIT_OK;
}

static int run(struct request *request)
{
    int code = ES_EXIT_OK;
    struct es_query *query = es_cli_open("sql", request->path, &code);
    if (!query)
        return code;
    es_cli_catch_signals();
    request->options.stop = is_stopped;
    if (es_sql_open(query, &request->options, &request->session.sql) < 0)
        code = es_cli_failure("sql");
    else
        code = answer(request);
    es_sql_close(request->session.sql);
    const uint64_t *damaged = NULL;
    size_t n_damaged = es_recording_damaged(es_query_recording(query), &damaged);
    if (n_damaged > 0)
        fprintf(stderr, "elixirscope sql: %zu damaged blocks were passed over\n", n_damaged);
    es_query_close(query);
    return code;
}

int es_cmd_sql(int argc, char **argv)
{
    static const struct option options[] = {{"format", required_argument, NULL, OPT_FORMAT},
                                            {"timeout", required_argument, NULL, OPT_TIMEOUT},
                                            {"memory", required_argument, NULL, OPT_MEMORY},
                                            {"file", required_argument, NULL, OPT_FILE},
                                            {"limit", required_argument, NULL, ES_OPT_LIMIT},
                                            {"notation", required_argument, NULL, ES_OPT_NOTATION},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct request request = {.options = {.timeout_ns = INT64_C(30000000000), .memory = UINT64_C(1) << 30}};
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (option == 'h')
            return es_cli_help(help);
        if (option == '?')
            return es_cli_usage("sql", "wrong option");
        if (take_option(&request, option) < 0) {
            es_cli_failure("sql");
            return ES_EXIT_USAGE;
        }
    }
    if (argc == optind)
        return es_cli_usage("sql", "one recording is needed, none was given");
    if (argc - optind > 2)
        return es_cli_usage("sql", "a recording and one text of SQL are needed, %d words were given", argc - optind);
    request.path = argv[optind];
    request.text = argc - optind == 2 ? argv[optind + 1] : NULL;
    if (request.text && request.file)
        return es_cli_usage("sql", "a query and --file exclude each other");
    return es_cli_finish("sql", run(&request));
}
