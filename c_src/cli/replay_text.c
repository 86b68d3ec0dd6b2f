/* SPDX-License-Identifier: MIT */
/* Events as the player shows them: a row of the list, and all of the current one. Terms are printed within a budget. */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "cli/replay.h"
#include "cli/why.h"

#define ROW_BYTES 400u          /* of a term in a row */
#define EVENT_BYTES 4000u       /* of the current event's */
#define SHOWN_STATE (64u << 10) /* a state that is longer is not read for a row */

const char *es_replay_style(enum es_style style)
{
    static const char *const codes[] = {ES_STYLED "A", ES_STYLED "B", ES_STYLED "C", ES_STYLED "D", ES_STYLED "E",
                                        ES_STYLED "F", ES_STYLED "G", ES_STYLED "H", ES_STYLED "I"};
    return codes[style];
}

void es_replay_who(struct es_replay *r, es_ref pid, int64_t time, struct es_text *out)
{
    es_ref name = es_query_name(r->query, pid, time);
    if (name != ES_REF_NONE)
        es_query_print_ref(r->query, name, r->erlang, out);
    else
        es_query_print_ref(r->query, pid, r->erlang || es_ref_class_of(pid) == ES_REF_PID, out);
}

static void print_bounded(struct es_replay *r, const struct es_event *event, size_t bytes, struct es_text *out)
{
    struct es_print print = *es_query_print(r->query, r->erlang);
    print.max_bytes = bytes;
    print.arguments = event->kind == ES_K_CALL || event->kind == ES_K_SPAWN;
    if (event->payload && event->payload_len > 0)
        es_term_print(event->payload, event->payload_len, &print, out);
}

/* Of a state that is not too long: its bytes. */
static void add_state(struct es_replay *r, const struct es_event *event, size_t bytes, struct es_text *out)
{
    const struct es_event *whole;
    struct es_cli_buf size;
    if (event->flags & ES_E_STATE_SAME)
        es_text_puts(out, "unchanged");
    else if (event->flags & ES_E_STATE_MISSED)
        es_text_puts(out, "changed, not captured");
    else if (event->payload_len > SHOWN_STATE)
        es_text_puts(out, es_cli_bytes(event->payload_len, &size));
    else if (es_query_event(r->query, event->seq, &whole) == 0)
        print_bounded(r, whole, bytes, out);
    else
        es_error_clear();
}

/* The message in what behaviours wrap it in, which takes the room that it needs: {'$gen_call', From, Request}. */
static bool add_request(struct es_replay *r, const struct es_event *event, struct es_text *out)
{
    struct es_teller teller = {.query = r->query, .erlang = r->erlang, .max_bytes = ROW_BYTES};
    return (es_kind_table[event->kind].family == ES_FAM_MESSAGE) && event->payload_len > 0 &&
           es_tell_wrapped(&teller, event, out);
}

/* A process that has the name of its module needs it only once in a row. */
static void add_fun(struct es_replay *r, const struct es_event *event, struct es_text *out)
{
    struct es_text module = {0}, fun = {0}, who = {0};
    if (event->pid)
        es_replay_who(r, event->pid, event->time, &who);
    es_query_print_ref(r->query, event->module, r->erlang, &module);
    es_query_print_fun(r->query, event, r->erlang, &fun);
    bool known = event->function && who.len && who.len == module.len && memcmp(who.bytes, module.bytes, who.len) == 0 &&
                 fun.len > module.len + 1;
    if (known)
        es_text_add(out, fun.bytes + module.len + 1, fun.len - module.len - 1);
    else
        es_text_add(out, fun.bytes ? fun.bytes : "", fun.len);
    es_text_puts(out, " ");
    es_text_fini(&module);
    es_text_fini(&fun);
    es_text_fini(&who);
}

static void add_collection(const struct es_event *event, struct es_text *out)
{
    bool begins = event->kind == ES_K_GC_MINOR_START || event->kind == ES_K_GC_MAJOR_START;
    es_text_puts(out, begins ? "begins: " : "ends: ");
    for (unsigned i = 0; i < ES_NUMS; i++)
        es_text_printf(out, "%s%s %" PRIu64, i ? ", " : "", es_gc_num_names[i], event->num[i]);
}

static void add_gap(struct es_replay *r, const struct es_event *event, struct es_text *out)
{
    es_text_puts(out, "events were lost here: ");
    print_bounded(r, event, ROW_BYTES, out);
}

void es_replay_row_text(struct es_replay *r, const struct es_event *event, struct es_text *out)
{
    if (event->kind == ES_K_GAP) {
        add_gap(r, event, out);
        return;
    }
    if (event->peer != ES_REF_NONE) {
        es_text_puts(out, es_cli_arrow(event->kind));
        es_replay_who(r, event->peer, event->time, out);
        es_text_puts(out, " ");
    }
    if (event->module != ES_REF_NONE && event->kind != ES_K_STATE)
        add_fun(r, event, out);
    if (event->kind == ES_K_STATE)
        add_state(r, event, ROW_BYTES, out);
    else if (es_kind_table[event->kind].fields & ES_F_NUM)
        add_collection(event, out);
    else if (!add_request(r, event, out))
        print_bounded(r, event, ROW_BYTES, out);
}

const char *es_replay_kind(unsigned kind)
{
    switch (kind) { /* those that are too long for a column, and told apart by what follows */
    case ES_K_GC_MINOR_START:
    case ES_K_GC_MINOR_END: return "gc_minor";
    case ES_K_GC_MAJOR_START:
    case ES_K_GC_MAJOR_END: return "gc_major";
    case ES_K_GETTING_LINKED: return "linked";
    case ES_K_GETTING_UNLINKED: return "unlinked";
    case ES_K_UNREGISTER: return "unregist.";
    case ES_K_LONG_SCHEDULE: return "long_run";
    case ES_K_BUSY_DIST_PORT: return "busy_dist";
    default: return es_kind_table[kind].name;
    }
}

/* ---- the current event --------------------------------------------------------------------------------------------- */

static void add_who(struct es_replay *r, es_ref pid, struct es_text *out)
{
    es_query_print_ref(r->query, pid, true, out);
    es_ref name = es_query_name(r->query, pid, r->event.time);
    if (name != ES_REF_NONE) {
        es_text_puts(out, " ");
        es_query_print_ref(r->query, name, r->erlang, out);
    }
}

static void add_cause(struct es_replay *r, struct es_text *out)
{
    const struct es_event *event = &r->event;
    struct es_event cause;
    struct es_cli_buf a, b;
    if (event->cause && es_query_peek(r->query, event->cause, &cause) == 0) {
        es_text_printf(out, "%scaused by %s #%s of ", es_replay_style(ES_STYLE_DIM), es_kind_table[cause.kind].name,
                       es_cli_count(event->cause, &a));
        es_replay_who(r, cause.pid, cause.time, out);
        es_text_printf(out, ", %s before%s\n", es_cli_duration(event->time - cause.time, &b),
                       es_replay_style(ES_STYLE_NONE));
    } else if (event->cause_state > ES_CAUSE_PAIRED) {
        es_text_printf(out, "%scause: %s%s\n", es_replay_style(ES_STYLE_DIM), es_cause_names[event->cause_state],
                       es_replay_style(ES_STYLE_NONE));
    }
    es_error_clear();
}

static void add_flags(const struct es_event *event, struct es_text *out)
{
    static const struct {
        uint8_t flag;
        const char *text;
    } flags[] = {{ES_E_CUT, "the term was cut"},
                 {ES_E_REDACTED, "secrets were redacted"},
                 {ES_E_LATE, "it came too late for its place in the order"}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (event->flags & flags[i].flag)
            es_text_printf(out, "%s%s%s\n", es_replay_style(ES_STYLE_YELLOW), flags[i].text,
                           es_replay_style(ES_STYLE_NONE));
}

void es_replay_event_text(struct es_replay *r, struct es_text *out)
{
    const struct es_event *event = &r->event;
    if (r->unreadable_first) {
        es_text_printf(out, "%sEvents %" PRIu64 " to %" PRIu64 " cannot be read: their block is damaged.%s\n",
                       es_replay_style(ES_STYLE_RED), r->unreadable_first, r->unreadable_last,
                       es_replay_style(ES_STYLE_NONE));
        return;
    }
    if (event->pid != ES_REF_NONE) {
        add_who(r, event->pid, out);
        es_text_puts(out, " ");
    }
    es_text_printf(out, "%s%s%s ", es_replay_style(es_cli_family(event->kind)), es_kind_table[event->kind].name,
                   es_replay_style(ES_STYLE_NONE));
    if (event->peer != ES_REF_NONE) {
        es_text_puts(out, es_cli_arrow(event->kind));
        add_who(r, event->peer, out);
    }
    if (event->module != ES_REF_NONE)
        es_query_print_fun(r->query, event, r->erlang, out);
    es_text_puts(out, "\n");
    add_cause(r, out);
    add_flags(event, out);
    if (event->kind == ES_K_STATE)
        add_state(r, event, EVENT_BYTES, out);
    else if (es_kind_table[event->kind].fields & ES_F_NUM)
        add_collection(event, out);
    else
        print_bounded(r, event, EVENT_BYTES, out);
}
