/* SPDX-License-Identifier: MIT */
/* One event as a JSON object: the stable contract of docs/cli-events.md. */
#include <inttypes.h>
#include <string.h>

#include "query/fields.h"
#include "query/site.h"

static void add_key(struct es_text *out, const char *key)
{
    es_text_puts(out, ",\"");
    es_text_puts(out, key);
    es_text_puts(out, "\":");
}

static void add_text(struct es_text *out, const char *key, const struct es_text *value)
{
    add_key(out, key);
    if (value->len > 0)
        es_text_json(out, value->bytes, value->len);
    else
        es_text_puts(out, "null");
}

static void add_number(struct es_text *out, const char *key, uint64_t value)
{
    add_key(out, key);
    es_text_uint(out, value);
}

static void add_seq(struct es_text *out, const char *key, uint64_t value)
{
    add_key(out, key);
    if (value)
        es_text_uint(out, value);
    else
        es_text_puts(out, "null");
}

/* Hashes are text: most readers of JSON have no integers of 64 bits. */
static void add_hash(struct es_text *out, const char *key, uint64_t value)
{
    static const char hex[] = "0123456789abcdef";
    char text[16];
    if (value == 0)
        return;
    for (int i = 16; i-- > 0; value >>= 4)
        text[i] = hex[value & 15];
    add_key(out, key);
    es_text_json(out, text, sizeof text);
}

static void add_node(struct es_text *out, const char *node)
{
    add_key(out, "node");
    es_text_json(out, node, strlen(node));
}

static void add_always(const struct es_event *event, const struct es_shown *shown, struct es_text *out)
{
    es_text_puts(out, "{\"seq\":");
    es_text_uint(out, event->seq);
    es_text_puts(out, ",\"time\":");
    es_text_int(out, event->time);
    es_text_puts(out, ",\"kind\":\"");
    es_text_puts(out, event->kind < ES_KIND_MAX ? es_kind_table[event->kind].name : "unknown");
    es_text_puts(out, "\"");
    add_text(out, "pid", &shown->pid);
    if (shown->node)
        add_node(out, shown->node);
    add_text(out, "name", &shown->name);
    add_text(out, "peer", &shown->peer);
    add_text(out, "module", &shown->module);
    add_text(out, "function", &shown->function);
    if (shown->has_arity)
        add_number(out, "arity", event->arity);
    else
        es_text_puts(out, ",\"arity\":null");
    add_seq(out, "cause", event->cause);
    add_seq(out, "parent", shown->parent);
    add_text(out, "payload", &shown->payload);
}

static void add_flags(const struct es_shown *shown, struct es_text *out)
{
    if (shown->n_flags == 0)
        return;
    es_text_puts(out, ",\"flags\":[");
    for (size_t i = 0; i < shown->n_flags; i++)
        es_text_printf(out, "%s\"%s\"", i ? "," : "", shown->flags[i]);
    es_text_puts(out, "]");
}

static void add_numbers(const struct es_event *event, struct es_text *out)
{
    if (event->kind >= ES_KIND_MAX || !(es_kind_table[event->kind].fields & ES_F_NUM))
        return;
    es_text_puts(out, ",\"numbers\":{");
    for (size_t i = 0; i < ES_NUMS; i++)
        es_text_printf(out, "%s\"%s\":%" PRIu64, i ? "," : "", es_gc_num_names[i], event->num[i]);
    es_text_puts(out, "}");
}

/* Where in the source, and the variables that were bound there. */
static void add_site(struct es_query *query, const struct es_event *event, bool erlang, struct es_text *out)
{
    struct es_site site;
    struct es_bound bound;
    struct es_bound_variable variable;
    struct es_text value = {0};
    if (es_is_woven(event))
        es_text_puts(out, ",\"woven\":true");
    if (!event->site || es_site_read(query, event->site, &site) < 0)
        return;
    add_number(out, "line", site.line);
    if (site.clause)
        add_number(out, "clause", site.clause);
    if (event->kind != ES_K_LINE || event->payload_len == 0 || es_bound_open(query, event, &bound) < 0)
        return;
    add_key(out, "vars");
    es_text_puts(out, "{");
    for (const char *before = ""; es_bound_next(&bound, &variable); before = ",") {
        es_text_puts(out, before);
        es_text_json(out, variable.name, variable.name_len);
        es_text_puts(out, ":");
        es_text_clear(&value);
        es_query_print_term(query, variable.value, variable.value_len, erlang, &value);
        es_text_json(out, value.bytes, value.len);
    }
    es_text_puts(out, "}");
    es_text_fini(&value);
}

static void add_where_it_exists(const struct es_event *event, const struct es_shown *shown, struct es_text *out)
{
    if (shown->peer_name.len > 0)
        add_text(out, "peer_name", &shown->peer_name);
    if (event->cause_state != ES_CAUSE_NONE && event->cause_state < ES_CAUSE_MAX)
        es_text_printf(out, ",\"cause_state\":\"%s\"", es_cause_names[event->cause_state]);
    add_flags(shown, out);
    if (event->flags & ES_E_MOVED)
        add_number(out, "moved", event->moved);
    if (event->thread)
        add_number(out, "thread", event->thread);
    add_hash(out, "hash", event->hash);
    add_hash(out, "corr", event->corr);
    add_numbers(event, out);
    if (shown->wall == INT64_MIN)
        return;
    add_key(out, "wall");
    es_text_int(out, shown->wall);
}

void es_query_event_json(struct es_query *query, const struct es_event *event, bool erlang, struct es_text *out)
{
    es_shown_fill(query, event, &(struct es_show){.erlang = erlang, .payload = true}, query->shown);
    add_always(event, query->shown, out);
    add_site(query, event, erlang, out);
    add_where_it_exists(event, query->shown, out);
    es_text_puts(out, "}");
}
