/* SPDX-License-Identifier: MIT */
/* An event as one line for people. */
#include <inttypes.h>

#include "cli/cli.h"

static void add_who(const struct es_cli_line *line, es_ref pid, int64_t time, struct es_text *out)
{
    es_query_print_ref(line->query, pid, line->erlang || es_ref_class_of(pid) == ES_REF_PID, out);
    es_ref name = es_query_name(line->query, pid, time);
    if (name != ES_REF_NONE) {
        es_text_puts(out, " ");
        es_query_print_ref(line->query, name, line->erlang, out);
    }
}

/* Pads to a column; text may hold multi-byte characters, which count as one. */
static void pad(struct es_text *out, size_t from, size_t width)
{
    size_t columns = 0;
    for (size_t i = from; i < out->len; i++)
        columns += ((unsigned char)out->bytes[i] & 0xc0) != 0x80;
    for (; columns < width; columns++)
        es_text_puts(out, " ");
}

const char *es_cli_arrow(unsigned kind)
{
    switch (kind) {
    case ES_K_SEND:
    case ES_K_SEND_DEAD:
    case ES_K_SPAWN:
    case ES_K_LINK:
    case ES_K_UNLINK: return "-> ";
    case ES_K_DELIVER:
    case ES_K_SPAWNED:
    case ES_K_GETTING_LINKED:
    case ES_K_GETTING_UNLINKED: return "<- ";
    default: return "";
    }
}

static void add_subject(const struct es_cli_line *line, const struct es_event *event, struct es_text *out)
{
    bool at_site = false;
    if (event->peer != ES_REF_NONE) {
        es_text_puts(out, es_cli_arrow(event->kind));
        add_who(line, event->peer, event->time, out);
        es_text_puts(out, " ");
    }
    if (event->module != ES_REF_NONE) {
        es_query_print_fun(line->query, event, line->erlang, out);
        at_site = es_query_print_site(line->query, event, line->erlang, out);
        es_text_puts(out, " ");
    }
    if (event->kind == ES_K_STATE && (event->flags & ES_E_STATE_SAME))
        es_text_puts(out, "unchanged");
    else if (event->kind == ES_K_STATE && (event->flags & ES_E_STATE_MISSED))
        es_text_puts(out, "changed, not captured");
    if (event->payload_len > 0 && !(at_site && event->kind == ES_K_LINE))
        es_query_print_term(line->query, event->payload, event->payload_len, line->erlang, out);
    if (es_kind_table[event->kind].fields & ES_F_NUM)
        for (unsigned i = 0; i < ES_NUMS; i++)
            es_text_printf(out, "%s%s %" PRIu64, i ? ", " : "", es_gc_num_names[i], event->num[i]);
    if (event->cause)
        es_text_printf(out, " <- %" PRIu64, event->cause);
    else if (event->cause_state > ES_CAUSE_EXTERNAL)
        es_text_printf(out, " <- ? (%s)", es_cause_names[event->cause_state]);
}

void es_cli_event_line(const struct es_cli_line *line, const struct es_event *event, struct es_text *out)
{
    const char *dim = es_cli_style(stdout, ES_STYLE_DIM), *none = es_cli_style(stdout, ES_STYLE_NONE);
    int64_t since = event->time - line->start;
    es_text_printf(out, "%s%8" PRIu64 " +%" PRId64 ".%09" PRId64 "%s ", dim, event->seq, since / 1000000000,
                   since % 1000000000, none);
    size_t from = out->len;
    if (event->pid != ES_REF_NONE)
        add_who(line, event->pid, event->time, out);
    pad(out, from, 30);
    es_text_printf(out, " %s%-10s%s ", es_cli_family_style(stdout, event->kind), es_kind_table[event->kind].name, none);
    add_subject(line, event, out);
    while (out->len > 0 && out->bytes[out->len - 1] == ' ')
        out->bytes[--out->len] = '\0';
}
