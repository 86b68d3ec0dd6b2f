/* SPDX-License-Identifier: MIT */
/* Options that several commands share, and their values: counts, sizes, durations, kinds, filters. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/cli.h"

struct suffix {
    const char *text;
    double factor;
};

/* A number with one of `suffixes`; the suffix "" is the plain number. */
static int parse_scaled(const char *text, const struct suffix *suffixes, double *ret)
{
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || errno || !(value >= 0) || value > 1e18)
        return -EINVAL;
    for (; suffixes->text; suffixes++)
        if (strcasecmp(end, suffixes->text) == 0) {
            *ret = value * suffixes->factor;
            return *ret <= 9e18 ? 0 : -EINVAL;
        }
    return -EINVAL;
}

int es_cli_parse_count(const char *text, uint64_t *ret)
{
    static const struct suffix suffixes[] = {{"", 1}, {"k", 1e3}, {"m", 1e6}, {"g", 1e9}, {NULL, 0}};
    double value;
    if (parse_scaled(text, suffixes, &value) < 0)
        return es_fail(-EINVAL, "'%s' is not a count (examples: 500, 10k, 5M)", text);
    *ret = (uint64_t)value;
    return 0;
}

int es_cli_parse_size(const char *text, uint64_t *ret)
{
    static const struct suffix suffixes[] = {
        {"", 1},          {"b", 1},   {"k", 1e3},  {"kb", 1e3},           {"kib", 1024}, {"m", 1e6}, {"mb", 1e6},
        {"mib", 1048576}, {"g", 1e9}, {"gb", 1e9}, {"gib", 1073741824.0}, {"tb", 1e12},  {NULL, 0}};
    double value;
    if (parse_scaled(text, suffixes, &value) < 0)
        return es_fail(-EINVAL, "'%s' is not a size (examples: 64kB, 200MB, 2GiB)", text);
    *ret = (uint64_t)value;
    return 0;
}

int es_cli_parse_duration(const char *text, int64_t *ret_ns)
{
    static const struct suffix suffixes[] = {{"ns", 1},   {"us", 1e3},   {"ms", 1e6},   {"s", 1e9},
                                             {"m", 60e9}, {"min", 60e9}, {"h", 3600e9}, {NULL, 0}};
    double value;
    if (parse_scaled(text, suffixes, &value) < 0)
        return es_fail(-EINVAL, "'%s' is not a duration (examples: 30s, 500ms, 2m, 1h)", text);
    *ret_ns = (int64_t)value;
    return 0;
}

int es_cli_parse_notation(const char *text, bool *ret_erlang)
{
    if (strcmp(text, "erlang") != 0 && strcmp(text, "elixir") != 0)
        return es_fail(-EINVAL, "--notation is 'erlang' or 'elixir', not '%s'", text);
    *ret_erlang = strcmp(text, "erlang") == 0;
    return 0;
}

static uint64_t kinds_of(const char *name)
{
    int kind = es_kind_by_name(name);
    if (kind >= 0)
        return UINT64_C(1) << kind;
    uint64_t kinds = 0;
    for (unsigned k = 1; k < ES_KIND_MAX; k++)
        if (es_kind_table[k].family != ES_FAM_INTERNAL && strcmp(es_family_names[es_kind_table[k].family], name) == 0)
            kinds |= UINT64_C(1) << k;
    return kinds;
}

static int unknown_kind(const char *name)
{
    char list[1024] = "";
    size_t len = 0;
    for (unsigned k = 1; k < ES_KIND_MAX; k++)
        if (es_kind_table[k].family != ES_FAM_INTERNAL)
            len += (size_t)snprintf(list + len, sizeof list - len, " %s", es_kind_table[k].name);
    es_hint("Kinds:%s. Families of kinds do too: process, message, call, state, scheduling, memory, node, error, user, "
            "recorder.",
            list);
    return es_fail(-EINVAL, "there is no kind of event called '%s'", name);
}

int es_cli_parse_kinds(const char *text, uint64_t *ret_kinds)
{
    char copy[512];
    if (strlen(text) >= sizeof copy)
        return es_fail(-EINVAL, "the list of kinds is too long");
    strcpy(copy, text);
    uint64_t kinds = 0;
    char *rest = NULL;
    for (char *name = strtok_r(copy, ", ", &rest); name; name = strtok_r(NULL, ", ", &rest)) {
        uint64_t more = kinds_of(name);
        if (!more)
            return unknown_kind(name);
        kinds |= more;
    }
    if (!kinds)
        return es_fail(-EINVAL, "the list of kinds is empty");
    *ret_kinds |= kinds;
    return 0;
}

struct es_query *es_cli_open(const char *command, const char *path, int *ret_code)
{
    struct es_query *query = NULL;
    if (es_query_open(path, &query) < 0) {
        *ret_code = es_cli_failure(command);
        return NULL;
    }
    return query;
}

const char es_cli_filter_help[] =
    "Filters:\n"
    "  --pid PID          events of this process, <0.123.0> or 0.123.0; may be given again\n"
    "  --name NAME        events of the process registered as NAME; may be given again\n"
    "  --node NODE        events of processes of this node, in a merged recording\n"
    "  --kind KIND,...    kinds (send, deliver, spawn, exit, call, return, state ...) or families (message, process "
    "...)\n"
    "  --module MODULE    events of functions of MODULE; 'MyApp.*' is a prefix\n"
    "  --since TIME       from this time on\n"
    "  --until TIME       before this time\n"
    "  --text TEXT        events whose payload, name or function contains TEXT when printed\n"
    "  --limit N          at most N events\n"
    "  --after SEQ        events behind this sequence number\n"
    "  --reverse          last event first\n"
    "\n"
    "TIME is nanoseconds of Erlang monotonic time, +1.5s from the start, -200ms from the end, a percentage (40%),\n"
    "or wall clock (14:25:01, '2026-01-31 14:25:01.5'). Units: ns us ms s m h.\n";

void es_cli_filter_init(struct es_cli_filter *filter)
{
    *filter = (struct es_cli_filter){.filter = {.since = INT64_MIN, .until = INT64_MAX}};
}

int es_cli_filter_option(struct es_cli_filter *filter, int option, const char *argument)
{
    int rc = 0;
    switch (option) {
    case ES_OPT_PID:
    case ES_OPT_NAME:
        if (filter->n_who == sizeof filter->who / sizeof *filter->who)
            return es_fail(-EINVAL, "more than %zu processes were named", filter->n_who);
        filter->who[filter->n_who++] = argument;
        break;
    case ES_OPT_KIND: rc = es_cli_parse_kinds(argument, &filter->filter.kinds); break;
    case ES_OPT_MODULE: filter->filter.module = argument; break;
    case ES_OPT_SINCE: filter->since = argument; break;
    case ES_OPT_UNTIL: filter->until = argument; break;
    case ES_OPT_NODE: filter->node = argument; break;
    case ES_OPT_TEXT: filter->filter.text = argument; break;
    case ES_OPT_LIMIT: rc = es_cli_parse_count(argument, &filter->filter.limit); break;
    case ES_OPT_AFTER: rc = es_cli_parse_count(argument, &filter->filter.after_seq); break;
    case ES_OPT_REVERSE: filter->filter.reverse = true; break;
    default: return 0;
    }
    return rc < 0 ? rc : 1;
}

static int add_pids(struct es_cli_filter *filter, struct es_query *query, const char *who)
{
    es_ref *found = NULL;
    size_t n = 0;
    int rc = es_query_pids(query, who, &found, &n);
    if (rc < 0)
        return rc;
    es_ref *all = realloc(filter->pids, (filter->filter.n_pids + n) * sizeof *all);
    if (!all) {
        free(found);
        return es_fail(-ENOMEM, "out of memory");
    }
    memcpy(all + filter->filter.n_pids, found, n * sizeof *all);
    free(found);
    filter->pids = all;
    filter->filter.pids = all;
    filter->filter.n_pids += n;
    return 0;
}

int es_cli_filter_resolve(struct es_cli_filter *filter, struct es_query *query)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < filter->n_who; i++)
        rc = add_pids(filter, query, filter->who[i]);
    int node = rc == 0 && filter->node ? es_query_node_by_name(query, filter->node) : -1;
    if (node >= 0)
        filter->filter.node = (unsigned)node + 1;
    else if (rc == 0 && filter->node)
        rc = node;
    if (rc == 0 && filter->since)
        rc = es_query_time(query, filter->since, &filter->filter.since);
    if (rc == 0 && filter->until)
        rc = es_query_time(query, filter->until, &filter->filter.until);
    if (rc == 0 && filter->filter.since > filter->filter.until)
        rc = es_fail(-EINVAL, "--since %s lies behind --until %s", filter->since, filter->until);
    return rc;
}

void es_cli_filter_fini(struct es_cli_filter *filter) { free(filter->pids); }
