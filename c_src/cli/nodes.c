/* SPDX-License-Identifier: MIT */
/* The nodes of a merged recording: versions, when each was recorded, and how its clock was found. */
#include "cli/nodes.h"

#include <stdlib.h>
#include <string.h>

static const char *text_of(struct es_query *query, size_t k, const char *key)
{
    const char *text = es_query_merged(query, k, key);
    return text ? text : "";
}

static int64_t number_of(struct es_query *query, size_t k, const char *key)
{
    const char *text = es_query_merged(query, k, key);
    return text ? strtoll(text, NULL, 10) : 0;
}

/* ---- JSON ---------------------------------------------------------------------------------------------------------- */

static void set_text(json_t *object, struct es_query *query, size_t k, const char *key)
{
    const char *text = es_query_merged(query, k, key);
    json_object_set_new(object, key, text && *text ? json_string(text) : json_null());
}

static void set_number(json_t *object, struct es_query *query, size_t k, const char *key)
{
    const char *text = es_query_merged(query, k, key);
    int64_t value = number_of(query, k, key);
    bool unknown = !text || (value < 0 && strcmp(key, "uncertainty_ns") == 0);
    json_object_set_new(object, key, unknown ? json_null() : json_integer(value));
}

json_t *es_nodes_json(struct es_query *query)
{
    static const char *const texts[] = {"otp",   "erts",       "elixir", "command",
                                        "level", "end_reason", "file",   "clock_from"};
    static const char *const numbers[] = {"offset_ns",         "uncertainty_ns", "drift_ns_s",     "lines",
                                          "messages_in",       "messages_out",   "contradictions", "deliveries",
                                          "deliveries_paired", "damaged_blocks", "first_time",     "last_time"};
    size_t n = es_query_merged_count(query);
    json_t *nodes = n ? json_array() : NULL;
    for (size_t k = 0; k < n; k++) {
        json_t *object = json_object();
        const char *node = es_query_node(query, (unsigned)number_of(query, k, "number"));
        json_object_set_new(object, "node", node ? json_string(node) : json_null());
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
            set_text(object, query, k, texts[i]);
        for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
            set_number(object, query, k, numbers[i]);
        json_array_append_new(nodes, object);
    }
    return nodes;
}

/* ---- text ---------------------------------------------------------------------------------------------------------- */

static void print_label(const char *label)
{
    printf("    %s%-9s%s ", es_cli_style(stdout, ES_STYLE_DIM), label, es_cli_style(stdout, ES_STYLE_NONE));
}

static void print_uncertainty(struct es_query *query, size_t k)
{
    int64_t uncertainty = number_of(query, k, "uncertainty_ns"), drift = number_of(query, k, "drift_ns_s");
    if (uncertainty < 0)
        printf(", uncertainty unknown");
    else
        printf(" ± %lld ns", (long long)uncertainty);
    if (drift)
        printf(", drifts by %lld ns a second", (long long)drift);
}

static void print_clock(struct es_query *query, size_t k)
{
    struct es_cli_buf in, out;
    const char *warn = es_cli_style(stdout, ES_STYLE_YELLOW), *none = es_cli_style(stdout, ES_STYLE_NONE);
    print_label("clock");
    printf("%+lld ns", (long long)number_of(query, k, "offset_ns"));
    print_uncertainty(query, k);
    printf(" (%s: %s in, %s out)\n", text_of(query, k, "clock_from"),
           es_cli_count((uint64_t)number_of(query, k, "messages_in"), &in),
           es_cli_count((uint64_t)number_of(query, k, "messages_out"), &out));
    int64_t lines = number_of(query, k, "lines"), broken = number_of(query, k, "contradictions");
    if (lines > 1) {
        print_label("");
        printf("%sno one offset and drift holds for all messages: %lld stretches with one each%s\n", warn,
               (long long)lines, none);
    }
    if (broken) {
        print_label("");
        printf("%s%s messages contradict it: their deliveries were moved behind their sends%s\n", warn,
               es_cli_count((uint64_t)broken, &in), none);
    }
}

static void print_messages(struct es_query *query, size_t k)
{
    struct es_cli_buf all, paired;
    if (!number_of(query, k, "deliveries"))
        return;
    print_label("messages");
    printf("%s came from other nodes, of %s the send is known\n",
           es_cli_count((uint64_t)number_of(query, k, "deliveries"), &all),
           es_cli_count((uint64_t)number_of(query, k, "deliveries_paired"), &paired));
}

static void print_node(struct es_query *query, size_t k)
{
    struct es_cli_buf span, since;
    const char *node = es_query_node(query, (unsigned)number_of(query, k, "number")), *elixir;
    int64_t first = number_of(query, k, "first_time"), last = number_of(query, k, "last_time");
    printf("  %s%s%s", es_cli_style(stdout, ES_STYLE_BOLD), node ? node : "unknown",
           es_cli_style(stdout, ES_STYLE_NONE));
    printf("  OTP %s", text_of(query, k, "otp"));
    elixir = text_of(query, k, "elixir"); /* until the next question */
    if (*elixir && strcmp(elixir, "undefined") != 0)
        printf(", Elixir %s", elixir);
    printf(", %s, for %s", es_cli_wall(es_query_wall(query, first), &since), es_cli_duration(last - first, &span));
    const char *end = text_of(query, k, "end_reason");
    printf("%s%s\n", *end ? ", ended: " : "", end);
    if (k > 0)
        print_clock(query, k);
    print_messages(query, k);
}

void es_nodes_print(struct es_query *query)
{
    for (size_t k = 0; k < es_query_merged_count(query); k++)
        print_node(query, k);
}
