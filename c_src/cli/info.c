/* SPDX-License-Identifier: MIT */
/* `elixirscope info`: what a recording holds. */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/nodes.h"

static const char help[] =
    "elixirscope info - what a recording holds\n"
    "\n"
    "Usage: elixirscope info [OPTION]... FILE.scope\n"
    "\n"
    "Shows what was recorded, when, on which node and versions, how many processes and events of which kinds, how "
    "large it\n"
    "is, and what is missing: losses, gaps, steps of the overhead budget, damaged blocks, unpaired messages.\n"
    "\n"
    "Options:\n"
    "  --verify    read every block and check its checksum\n"
    "  --json      one JSON object\n"
    "  --help      this text\n"
    "\n"
    "Examples:\n"
    "  elixirscope info shop.scope\n"
    "  elixirscope info --json shop.scope | jq .losses.total\n"
    "\n"
    "Exit codes:\n"
    "  0 success, 1 failure (no such file, not a recording, damage found by --verify), 2 wrong usage\n";

enum { OPT_VERIFY = ES_OPT_LAST };

struct value {
    char text[512];
};

/* A copy of a metadata value, `absent` where there is none. */
static const char *meta(struct es_query *query, const char *key, struct value *value, const char *absent)
{
    const char *found = es_recording_meta(es_query_recording(query), key);
    snprintf(value->text, sizeof value->text, "%s", found ? found : absent);
    return value->text;
}

static void set_meta(json_t *object, const char *name, struct es_query *query, const char *key)
{
    const char *value = es_recording_meta(es_query_recording(query), key);
    json_object_set_new(object, name, value ? json_string(value) : json_null());
}

static json_t *kinds_json(const uint64_t counts[ES_KIND_MAX])
{
    json_t *object = json_object();
    for (unsigned kind = 0; kind < ES_KIND_MAX; kind++)
        if (counts[kind])
            json_object_set_new(object, es_kind_table[kind].name, json_integer((json_int_t)counts[kind]));
    return object;
}

static int add_meta(const char *key, const char *value, void *context)
{
    json_object_set_new(context, key, json_string(value));
    return 0;
}

static int add_counter(const char *name, uint64_t value, void *context)
{
    if (strncmp(name, "engine.latency.", 15) == 0)
        return 0; /* told by "engine" */
    json_object_set_new(context, name, json_integer((json_int_t)value));
    return 0;
}

static json_t *losses_json(struct es_query *query, const struct es_info *info)
{
    json_t *ranges = json_array();
    const struct es_loss *losses = NULL;
    size_t n = es_recording_losses(es_query_recording(query), &losses);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(ranges,
                              json_pack("{s:s, s:I, s:I, s:I, s:s}", "kind",
                                        losses[i].kind < ES_KIND_MAX ? es_kind_table[losses[i].kind].name : "unknown",
                                        "count", (json_int_t)losses[i].count, "from", (json_int_t)losses[i].from, "to",
                                        (json_int_t)losses[i].to, "why", losses[i].why ? losses[i].why : ""));
    return json_pack("{s:I, s:o, s:o}", "total", (json_int_t)info->losses, "by_kind", kinds_json(info->losses_by_kind),
                     "ranges", ranges);
}

static json_t *json_causes(const uint64_t counts[ES_CAUSE_MAX])
{
    json_t *causes = json_object();
    for (unsigned i = 1; i < ES_CAUSE_MAX; i++)
        json_object_set_new(causes, es_cause_names[i], json_integer((json_int_t)counts[i]));
    return causes;
}

static json_t *engine_json(const struct es_info *info)
{
    const struct es_info_latency *latency = &info->latency;
    if (latency->events == 0)
        return json_pack("{s:n}", "latency_ns");
    return json_pack("{s:{s:I, s:I, s:I, s:I}}", "latency_ns", "p50", (json_int_t)latency->p50, "p99",
                     (json_int_t)latency->p99, "max", (json_int_t)latency->max, "events", (json_int_t)latency->events);
}

static json_t *info_json(struct es_query *query, const char *path, const struct es_info *info)
{
    json_t *object = json_pack("{s:s, s:{s:I, s:o}, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "file", path, "events",
                               "total", (json_int_t)info->events, "by_kind", kinds_json(info->by_kind), "processes",
                               (json_int_t)info->processes, "losses", losses_json(query, info), "gaps",
                               (json_int_t)info->gaps, "budget_steps", (json_int_t)info->budget_steps, "notices",
                               (json_int_t)info->notices, "bytes", (json_int_t)info->bytes, "blocks",
                               (json_int_t)info->blocks, "damaged_blocks", (json_int_t)info->damaged);
    static const char *const same[] = {"node", "otp", "erts", "elixir", "end_reason", "command", "level", "trigger"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        set_meta(object, same[i], query, same[i]);
    json_object_set_new(object, "duration_ns", json_integer(info->events ? info->last_time - info->first_time : 0));
    json_object_set_new(object, "first_time", info->events ? json_integer(info->first_time) : json_null());
    json_object_set_new(object, "last_time", info->events ? json_integer(info->last_time) : json_null());
    json_object_set_new(object, "started_wall_ns",
                        info->events ? json_integer(es_query_wall(query, info->first_time)) : json_null());
    json_object_set_new(object, "live", json_boolean(info->live));
    json_object_set_new(object, "closed", json_boolean(info->closed));
    json_t *counters = json_object(), *facts = json_object();
    es_recording_each_counter(es_query_recording(query), add_counter, counters);
    es_recording_each_meta(es_query_recording(query), add_meta, facts);
    json_object_set_new(object, "causes", json_causes(info->pairs));
    json_object_set_new(object, "handled", json_causes(info->handled));
    json_object_set_new(object, "replies", json_causes(info->replies));
    json_object_set_new(object, "timers", json_causes(info->timers));
    json_object_set_new(object, "exits", json_causes(info->exits));
    json_t *nodes = es_nodes_json(query);
    if (nodes)
        json_object_set_new(object, "nodes", nodes);
    json_object_set_new(object, "engine", engine_json(info));
    json_object_set_new(object, "counters", counters);
    json_object_set_new(object, "meta", facts);
    return object;
}

static void row(const char *label, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void row(const char *label, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("  %s%-11s%s ", es_cli_style(stdout, ES_STYLE_DIM), label, es_cli_style(stdout, ES_STYLE_NONE));
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

static void print_kinds(const struct es_info *info)
{
    struct es_cli_buf count;
    for (unsigned kind = 0; kind < ES_KIND_MAX; kind++)
        if (info->by_kind[kind])
            printf("    %s%-17s%s %15s  %5.1f %%\n", es_cli_family_style(stdout, kind), es_kind_table[kind].name,
                   es_cli_style(stdout, ES_STYLE_NONE), es_cli_count(info->by_kind[kind], &count),
                   100.0 * (double)info->by_kind[kind] / (double)info->events);
}

static void print_missing(const struct es_info *info)
{
    struct es_cli_buf count;
    const char *warn = es_cli_style(stdout, ES_STYLE_YELLOW), *good = es_cli_style(stdout, ES_STYLE_GREEN),
               *none = es_cli_style(stdout, ES_STYLE_NONE);
    if (info->losses == 0)
        row("losses", "%snone%s", good, none);
    else
        row("losses", "%s%s events in %" PRIu64 " gaps%s", warn, es_cli_count(info->losses, &count), info->gaps, none);
    for (unsigned kind = 0; kind < ES_KIND_MAX; kind++)
        if (info->losses_by_kind[kind])
            printf("    %-17s %15s lost\n", es_kind_table[kind].name, es_cli_count(info->losses_by_kind[kind], &count));
    if (info->budget_steps)
        row("budget", "%s%" PRIu64 " steps%s: `events --kind budget` shows them", warn, info->budget_steps, none);
    if (info->damaged)
        row("damage", "%s%" PRIu64 " blocks cannot be read%s", warn, info->damaged, none);
}

static void print_causes(const char *label, const char *what, const uint64_t counts[ES_CAUSE_MAX])
{
    uint64_t all = 0;
    for (unsigned i = 1; i < ES_CAUSE_MAX; i++)
        all += counts[i];
    if (!all)
        return;
    struct es_cli_buf count;
    row(label, "%s %s, %.2f %% paired", es_cli_count(all, &count), what,
        100.0 * (double)counts[ES_CAUSE_PAIRED] / (double)all);
    for (unsigned i = ES_CAUSE_PAIRED; i < ES_CAUSE_MAX; i++)
        if (counts[i])
            printf("    %-17s %15s\n", es_cause_names[i], es_cli_count(counts[i], &count));
}

static void print_info(struct es_query *query, const char *path, const struct es_info *info)
{
    struct es_cli_buf a, b, c;
    struct value node, otp, elixir, command, end;
    printf("%s%s%s\n", es_cli_style(stdout, ES_STYLE_BOLD), path, es_cli_style(stdout, ES_STYLE_NONE));
    bool has_elixir = strcmp(meta(query, "elixir", &elixir, "undefined"), "undefined") != 0;
    if (es_query_nodes(query) > 0)
        es_nodes_print(query);
    else
        row("node", "%s, OTP %s%s%s", meta(query, "node", &node, "unknown"), meta(query, "otp", &otp, "unknown"),
            has_elixir ? ", Elixir " : "", has_elixir ? elixir.text : "");
    if (meta(query, "command", &command, "")[0])
        row("command", "%s", command.text);
    if (info->events)
        row("recorded", "%s, for %s%s", es_cli_wall(es_query_wall(query, info->first_time), &a),
            es_cli_duration(info->last_time - info->first_time, &b), info->live ? " (live: still being recorded)" : "");
    if (meta(query, "end_reason", &end, "")[0])
        row("ended", "%s", end.text);
    else if (!info->live && !info->closed)
        row("ended", "%sits writer died; the last moments may be missing (elixirscope recover)%s",
            es_cli_style(stdout, ES_STYLE_YELLOW), es_cli_style(stdout, ES_STYLE_NONE));
    row("size", "%s in %s blocks%s%.2f B an event", es_cli_bytes(info->bytes, &a), es_cli_count(info->blocks, &b), ", ",
        info->events ? (double)info->bytes / (double)info->events : 0.0);
    row("processes", "%s", es_cli_count(info->processes, &a));
    row("events", "%s%s", es_cli_count(info->events, &c), "");
    print_kinds(info);
    print_causes("causes", "deliveries and first events", info->pairs);
    print_causes("handled", "callbacks for messages", info->handled);
    print_causes("replies", "of the deliveries are replies", info->replies);
    print_causes("timers", "of the deliveries are timers' messages", info->timers);
    print_causes("exits", "exits by a linked process's signal", info->exits);
    if (info->latency.events)
        row("latency", "%s, p99 %s, at most %s from an event to its cause",
            es_cli_duration((int64_t)info->latency.p50, &a), es_cli_duration((int64_t)info->latency.p99, &b),
            es_cli_duration((int64_t)info->latency.max, &c));
    print_missing(info);
}

static int show(struct es_query *query, const char *path, bool json, bool verify)
{
    if (verify && es_recording_verify(es_query_recording(query)) < 0)
        return es_cli_failure("info");
    struct es_info info;
    if (es_query_info(query, &info) < 0)
        return es_cli_failure("info");
    if (json) {
        json_t *object = info_json(query, path, &info);
        json_dumpf(object, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        putchar('\n');
        json_decref(object);
    } else {
        print_info(query, path, &info);
    }
    return ES_EXIT_OK;
}

int es_cmd_info(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, ES_OPT_JSON},
                                            {"verify", no_argument, NULL, OPT_VERIFY},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    bool json = false, verify = false;
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (option) {
        case ES_OPT_JSON: json = true; break;
        case OPT_VERIFY: verify = true; break;
        case 'h': return es_cli_help(help);
        default: return es_cli_usage("info", "wrong option");
        }
    }
    if (argc - optind != 1)
        return es_cli_usage("info", "one recording is needed, %d were given", argc - optind);
    int code = ES_EXIT_OK;
    struct es_query *query = es_cli_open("info", argv[optind], &code);
    if (!query)
        return code;
    code = show(query, argv[optind], json, verify);
    es_query_close(query);
    return es_cli_finish("info", code);
}
