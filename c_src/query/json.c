/* SPDX-License-Identifier: MIT */
/* One event as a JSON object: the stable contract of docs/cli-events.md. */
#include <inttypes.h>

#include "query/fields.h"

static void add_text(struct es_text *out, const char *key, const struct es_text *value)
{
    es_text_printf(out, ",\"%s\":", key);
    if (value->len > 0)
        es_text_json(out, value->bytes, value->len);
    else
        es_text_puts(out, "null");
}

static void add_seq(struct es_text *out, const char *key, uint64_t value)
{
    if (value)
        es_text_printf(out, ",\"%s\":%" PRIu64, key, value);
    else
        es_text_printf(out, ",\"%s\":null", key);
}

/* Hashes are text: most readers of JSON have no integers of 64 bits. */
static void add_hash(struct es_text *out, const char *key, uint64_t value)
{
    if (value)
        es_text_printf(out, ",\"%s\":\"%016" PRIx64 "\"", key, value);
}

static void add_always(const struct es_event *event, const struct es_shown *shown, struct es_text *out)
{
    es_text_printf(out, "{\"seq\":%" PRIu64 ",\"time\":%" PRId64 ",\"kind\":\"%s\"", event->seq, event->time,
                   event->kind < ES_KIND_MAX ? es_kind_table[event->kind].name : "unknown");
    add_text(out, "pid", &shown->pid);
    add_text(out, "name", &shown->name);
    add_text(out, "peer", &shown->peer);
    add_text(out, "module", &shown->module);
    add_text(out, "function", &shown->function);
    if (shown->has_arity)
        es_text_printf(out, ",\"arity\":%u", event->arity);
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

static void add_where_it_exists(const struct es_event *event, const struct es_shown *shown, struct es_text *out)
{
    if (shown->peer_name.len > 0)
        add_text(out, "peer_name", &shown->peer_name);
    if (event->cause_state != ES_CAUSE_NONE && event->cause_state < ES_CAUSE_MAX)
        es_text_printf(out, ",\"cause_state\":\"%s\"", es_cause_names[event->cause_state]);
    add_flags(shown, out);
    if (event->flags & ES_E_MOVED)
        es_text_printf(out, ",\"moved\":%" PRIu32, event->moved);
    if (event->thread)
        es_text_printf(out, ",\"thread\":%u", event->thread);
    add_hash(out, "hash", event->hash);
    add_hash(out, "corr", event->corr);
    add_numbers(event, out);
    if (shown->wall != INT64_MIN)
        es_text_printf(out, ",\"wall\":%" PRId64, shown->wall);
}

void es_query_event_json(struct es_query *query, const struct es_event *event, bool erlang, struct es_text *out)
{
    es_shown_fill(query, event, &(struct es_show){.erlang = erlang, .payload = true}, query->shown);
    add_always(event, query->shown, out);
    add_where_it_exists(event, query->shown, out);
    es_text_puts(out, "}");
}
