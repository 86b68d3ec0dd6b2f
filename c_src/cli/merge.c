/* SPDX-License-Identifier: MIT */
/* `elixirscope merge`: recordings of several nodes as one. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/nodes.h"

static const char help[] =
    "elixirscope merge - put recordings of several nodes together, on one clock\n"
    "\n"
    "Usage: elixirscope merge [OPTION]... -o NEW.scope FILE.scope FILE.scope...\n"
    "\n"
    "The new recording holds all events of all of them in one order, on the clock of the first. How far the other "
    "clocks are from "
    "it is\n"
    "found from the messages between the nodes: none may arrive before it was sent. A message's delivery on one node "
    "gets its "
    "send on the\n"
    "other as its cause, where that is certain. Processes of the first node are <0.123.0> as before, those of others\n"
    "<shop@host.123.0>. What was found, and how certain it is, is printed, and shown by `elixirscope info`.\n"
    "\n"
    "Options:\n"
    "  -o, --output FILE    the new recording\n"
    "  --overwrite          replace it\n"
    "  --offset NS          what to add to a recording's times, in ns, in place of what the messages say; given once "
    "for\n"
    "                       each recording but the first, or not at all\n"
    "  --json               a JSON object about the new recording\n"
    "  --help               this text\n"
    "\n"
    "Examples:\n"
    "  elixirscope merge -o both.scope shop_a.scope shop_b.scope\n"
    "  elixirscope merge -o both.scope --offset -1500000 shop_a.scope shop_b.scope\n"
    "\n"
    "Exit codes:\n"
    "  0 success, 1 failure, 2 wrong usage\n";

#define FILES_MAX 64

enum { OPT_OVERWRITE = ES_OPT_LAST, OPT_OFFSET };

struct merging {
    struct es_merge_request request;
    int64_t offsets[FILES_MAX];
    size_t n_offsets;
    bool json;
};

static int report_of(struct es_query *made, const struct merging *merging)
{
    struct es_info info;
    if (es_query_info(made, &info) < 0)
        return es_cli_failure("merge");
    if (merging->json) {
        json_t *object = json_pack("{s:s, s:I, s:I, s:I, s:o*}", "file", merging->request.path, "events",
                                   (json_int_t)info.events, "bytes", (json_int_t)info.bytes, "duration_ns",
                                   (json_int_t)(info.last_time - info.first_time), "nodes", es_nodes_json(made));
        json_dumpf(object, stdout, JSON_ENSURE_ASCII);
        putchar('\n');
        json_decref(object);
        return ES_EXIT_OK;
    }
    struct es_cli_buf events, bytes, span;
    printf("%s: %s events of %s, %s\n", merging->request.path, es_cli_count(info.events, &events),
           es_cli_duration(info.events ? info.last_time - info.first_time : 0, &span),
           es_cli_bytes(info.bytes, &bytes));
    es_nodes_print(made);
    return ES_EXIT_OK;
}

static int report(const struct merging *merging)
{
    int code = ES_EXIT_OK;
    struct es_query *made = es_cli_open("merge", merging->request.path, &code);
    if (!made)
        return code;
    code = report_of(made, merging);
    es_query_close(made);
    return code;
}

static int merge_files(struct merging *merging, char **files, size_t n)
{
    struct es_query *queries[FILES_MAX] = {NULL};
    struct es_progress progress;
    int code = ES_EXIT_OK;
    size_t opened = 0;
    while (opened < n && (queries[opened] = es_cli_open("merge", files[opened], &code)))
        opened++;
    if (opened == n) {
        es_cli_catch_signals();
        es_progress_start(&progress, "merging");
        merging->request.tick = es_progress_tick;
        merging->request.context = &progress;
        int rc = es_query_merge(queries, n, &merging->request);
        es_progress_end(&progress);
        code = rc < 0 ? es_cli_failure("merge") : ES_EXIT_OK;
    }
    while (opened > 0)
        es_query_close(queries[--opened]);
    return code == ES_EXIT_OK ? report(merging) : code;
}

static bool parse_offset(const char *text, int64_t *ret)
{
    char *end;
    errno = 0;
    *ret = strtoll(text, &end, 10);
    return *text && *end == '\0' && errno == 0;
}

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct merging *merging)
{
    static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                            {"overwrite", no_argument, NULL, OPT_OVERWRITE},
                                            {"offset", required_argument, NULL, OPT_OFFSET},
                                            {"json", no_argument, NULL, ES_OPT_JSON},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "ho:", options, NULL)) != -1;) {
        switch (option) {
        case 'o': merging->request.path = optarg; break;
        case OPT_OVERWRITE: merging->request.overwrite = true; break;
        case OPT_OFFSET:
            if (merging->n_offsets == FILES_MAX || !parse_offset(optarg, &merging->offsets[merging->n_offsets++]))
                return es_cli_usage("merge", "--offset takes a number of nanoseconds, not '%s'", optarg);
            break;
        case ES_OPT_JSON: merging->json = true; break;
        case 'h': return es_cli_help(help);
        default: return es_cli_usage("merge", "wrong option");
        }
    }
    return merging->request.path ? -1 : es_cli_usage("merge", "-o FILE is needed");
}

int es_cmd_merge(int argc, char **argv)
{
    struct merging merging = {.n_offsets = 0};
    int code = parse(argc, argv, &merging);
    if (code >= 0)
        return code;
    int n = argc - optind;
    if (n < 2 || n > FILES_MAX)
        return es_cli_usage("merge", "from 2 to %d recordings are needed, %d were given", FILES_MAX, n);
    if (merging.n_offsets > 0 && merging.n_offsets != (size_t)n - 1)
        return es_cli_usage("merge", "%zu offsets were given for %d recordings: one is needed for each but the first",
                            merging.n_offsets, n);
    merging.request.offsets = merging.n_offsets > 0 ? merging.offsets : NULL;
    return es_cli_finish("merge", merge_files(&merging, argv + optind, (size_t)n));
}
