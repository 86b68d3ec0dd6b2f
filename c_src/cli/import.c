/* SPDX-License-Identifier: MIT */
/* `elixirscope import`: makes a recording from dbg trace-port files. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <string.h>

#include "cli/cli.h"
#include "engine/engine.h"

static const char help[] = "elixirscope import - make a recording from dbg trace-port files\n"
                           "\n"
                           "Usage: elixirscope import [-o FILE.scope] TRACE\n"
                           "\n"
                           "Reads what dbg:trace_port(file, ...) wrote: a plain file, or a wrapped set, of which any "
                           "file can be named. What the trace does\n"
                           "not hold (senders of received messages, times without the timestamp flag) is unknown in "
                           "the recording too, and said to be.\n"
                           "\n"
                           "Options:\n"
                           "  -o, --output FILE    the recording (default: TRACE with .scope behind it)\n"
                           "  --overwrite          replace it\n"
                           "  --json               a JSON object about what was read\n"
                           "  --help               this text\n"
                           "\n"
                           "Examples:\n"
                           "  elixirscope import /tmp/trace.bin -o trace.scope\n"
                           "\n"
                           "Exit codes:\n"
                           "  0 success, 1 failure (nothing in the file could be read as a trace), 2 wrong usage\n";

enum { OPT_OVERWRITE = ES_OPT_LAST };

static int report(const char *trace, const char *output, const struct es_import_report *done, bool json)
{
    if (json) {
        json_t *object = json_pack("{s:s, s:s, s:I, s:I, s:I, s:b}", "trace", trace, "file", output, "events",
                                   (json_int_t)done->events, "skipped", (json_int_t)done->skipped, "dropped",
                                   (json_int_t)done->dropped, "truncated", done->truncated);
        json_dumpf(object, stdout, JSON_ENSURE_ASCII);
        putchar('\n');
        json_decref(object);
        return ES_EXIT_OK;
    }
    struct es_cli_buf events, skipped;
    printf("%s: %s events", output, es_cli_count(done->events, &events));
    if (done->skipped)
        printf(", %s entries of unknown form were left out", es_cli_count(done->skipped, &skipped));
    if (done->dropped)
        printf(", %" PRIu64 " had been dropped by the trace port", done->dropped);
    printf("%s\n", done->truncated ? "; the trace ends in the middle of an entry" : "");
    return ES_EXIT_OK;
}

int es_cmd_import(int argc, char **argv)
{
    static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                            {"overwrite", no_argument, NULL, OPT_OVERWRITE},
                                            {"json", no_argument, NULL, ES_OPT_JSON},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct es_store_options store = {0};
    bool json = false;
    for (int option; (option = getopt_long(argc, argv, "ho:", options, NULL)) != -1;) {
        switch (option) {
        case 'o': store.path = optarg; break;
        case OPT_OVERWRITE: store.overwrite = true; break;
        case ES_OPT_JSON: json = true; break;
        case 'h': return es_cli_help(help);
        default: return es_cli_usage("import", "wrong option");
        }
    }
    if (argc - optind != 1)
        return es_cli_usage("import", "one trace file is needed, %d were given", argc - optind);
    char output[PATH_MAX];
    if (!store.path) {
        snprintf(output, sizeof output, "%s.scope", argv[optind]);
        store.path = output;
    }
    struct es_import_report done = {0};
    if (es_engine_import(argv[optind], &store, &done) < 0)
        return es_cli_failure("import");
    return es_cli_finish("import", report(argv[optind], store.path, &done, json));
}
