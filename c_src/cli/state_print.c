/* SPDX-License-Identifier: MIT */
/* A state for people and as JSON. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "cli/state.h"
#include "term/layout.h"
#include "term/tagged.h"

#define MESSAGE_BYTES 80 /* of a message in a line */

/* ---- parts --------------------------------------------------------------------------------------------------------- */

void es_state_print_time(struct es_state_view *view, int64_t time, struct es_text *out)
{
    es_text_printf(out, "%+.6f s", (double)(time - view->start) / 1e9);
}

void es_state_print_who(struct es_state_view *view, es_ref pid, int64_t at, struct es_text *out)
{
    es_ref name = es_query_name(view->query, pid, at);
    es_query_print_ref(view->query, pid, true, out);
    if (name != ES_REF_NONE) {
        es_text_puts(out, " ");
        es_query_print_ref(view->query, name, view->erlang, out);
    }
}

static bool name_of(struct es_state_view *view, es_ref function, const char **ret_text, size_t *ret_len)
{
    const uint8_t *text = es_recording_define(es_query_recording(view->query), function, ret_len);
    *ret_text = (const char *)text;
    return text != NULL;
}

/* The message a callback handled, as it was given to it. False where that is not known, or there is none. */
static bool print_message(struct es_state_view *view, uint64_t seq, size_t max_bytes, struct es_text *out)
{
    const struct es_event *call;
    struct es_tree tree;
    struct es_print print = *es_query_print(view->query, view->erlang);
    const char *name;
    size_t len;
    if (seq == 0 || es_query_event(view->query, seq, &call) < 0 || call->payload_len == 0 ||
        !name_of(view, call->function, &name, &len) ||
        es_tree_read(&tree, call->payload, call->payload_len, &print) < 0) {
        es_error_clear();
        return false;
    }
    bool first = call->arity <= 2 || (len == 11 && memcmp(name, "handle_call", 11) == 0);
    uint32_t node = es_tree_element(&tree, 0, first ? 0 : 1); /* a state machine is given the event's type before */
    print.max_bytes = max_bytes;
    if (node != ES_NO_NODE)
        es_tree_print(&tree, node, &print, out);
    es_tree_fini(&tree);
    return node != ES_NO_NODE;
}

void es_state_print_cause(struct es_state_view *view, const struct es_version_info *version,
                          const struct es_version_cause *cause, struct es_text *out)
{
    const char *name;
    size_t len;
    if (cause->replaced) {
        es_text_puts(out, "sys:replace_state, from outside");
        return;
    }
    if (name_of(view, version->function, &name, &len))
        es_text_add(out, name, len);
    es_text_puts(out, "(");
    if (!print_message(view, cause->call, MESSAGE_BYTES, out))
        es_text_puts(out, "\xe2\x80\xa6");
    es_text_puts(out, ")");
    if (cause->from == ES_REF_NONE)
        return;
    es_text_puts(out, " from ");
    es_state_print_who(view, cause->from, version->time, out);
}

static void print_known(struct es_state_view *view, const struct es_state *state, struct es_text *out)
{
    const char *yellow = es_cli_style(stdout, ES_STYLE_YELLOW), *none = es_cli_style(stdout, ES_STYLE_NONE);
    switch (state->known) {
    case ES_STATE_CUT: es_text_printf(out, "%sparts of it were cut%s\n", yellow, none); break;
    case ES_STATE_REDACTED: es_text_printf(out, "%ssecrets in it were redacted%s\n", yellow, none); break;
    case ES_STATE_MISSED:
        es_text_printf(out, "%sit changed then, and was not captured; ", yellow);
        if (state->shown)
            es_text_printf(out, "this is version %" PRIu64 ", the last one that was%s\n", state->shown, none);
        else
            es_text_printf(out, "nor was any version before%s\n", none);
        break;
    case ES_STATE_DOUBTFUL:
        es_text_printf(out, "%sit may have changed since: ", yellow);
        if (state->lost)
            es_text_printf(out, "%" PRIu64 " calls or returns of all processes were lost in that time%s\n", state->lost,
                           none);
        else
            es_text_printf(out, "the overhead budget had left out events%s\n", none);
        break;
    default: break;
    }
    (void)view;
}

static void print_exit(struct es_state_view *view, const struct es_state *state, struct es_text *out)
{
    const struct es_process *processes = NULL;
    size_t n = es_recording_processes(es_query_recording(view->query), &processes);
    struct es_text reason = {0};
    if (state->exited == INT64_MAX)
        return;
    for (size_t i = 0; i < n; i++)
        if (processes[i].pid == state->pid && processes[i].reason_len > 0)
            es_query_print_term(view->query, processes[i].reason, processes[i].reason_len, view->erlang, &reason);
    es_text_puts(out, "its last one: it exited at ");
    es_state_print_time(view, state->exited, out);
    if (reason.len > 0)
        es_text_printf(out, ": %.200s", reason.bytes);
    es_text_puts(out, "\n");
    es_text_fini(&reason);
}

static void print_part(struct es_state_view *view, const struct es_part *part, struct es_text *out)
{
    es_text_printf(out, "%s %s version %" PRIu64 ", ", view->path,
                   part->first     ? "as it was in"
                   : part->limited ? "as it was already in"
                                   : "was set in",
                   part->number);
    es_state_print_time(view, part->version.time, out);
    es_text_puts(out, ", by ");
    es_state_print_cause(view, &part->version, &part->cause, out);
    if (part->missed)
        es_text_printf(out, "; %" PRIu64 " versions before it were not captured and may have set it", part->missed);
    if (part->unsure)
        es_text_puts(out, "; parts were cut or not captured: it may have changed since");
    es_text_puts(out, "\n");
}

/* ---- the whole ----------------------------------------------------------------------------------------------------- */

void es_state_print(struct es_state_view *view, const struct es_state_shown *shown, struct es_text *out)
{
    const struct es_state *state = shown->state;
    const char *bold = es_cli_style(stdout, ES_STYLE_BOLD), *dim = es_cli_style(stdout, ES_STYLE_DIM),
               *none = es_cli_style(stdout, ES_STYLE_NONE);
    struct es_layout layout = {.print = es_query_print(view->query, view->erlang), .width = view->width};
    es_text_puts(out, bold);
    es_state_print_who(view, state->pid, state->at, out);
    es_text_printf(out, "%s  version %" PRIu64 " of %" PRIu64 ", since ", none, state->number, state->of);
    es_state_print_time(view, state->since, out);
    es_text_printf(out, ", %sset by ", dim);
    es_state_print_cause(view, &state->version, &state->cause, out);
    es_text_printf(out, "%s\n", none);
    print_known(view, state, out);
    print_exit(view, state, out);
    if (shown->part)
        print_part(view, shown->part, out);
    if (shown->tree)
        es_layout_print(shown->tree, shown->node, &layout, out);
    else if (out->len > 0)
        out->len--; /* no more lines follow */
}

/* ---- JSON ---------------------------------------------------------------------------------------------------------- */

static void add_text(struct es_text *out, const char *key, const struct es_text *value)
{
    es_text_printf(out, ",\"%s\":", key);
    if (value->len > 0)
        es_text_json(out, value->bytes, value->len);
    else
        es_text_puts(out, "null");
}

static void add_seq(struct es_text *out, const char *key, uint64_t seq)
{
    es_text_printf(out, seq ? ",\"%s\":%" PRIu64 : ",\"%s\":null", key, seq);
}

static void add_ref(struct es_state_view *view, struct es_text *out, const char *key, es_ref ref)
{
    struct es_text value = {0};
    es_query_print_ref(view->query, ref, view->erlang || es_ref_class_of(ref) == ES_REF_PID, &value);
    add_text(out, key, &value);
    es_text_fini(&value);
}

void es_state_json_cause(struct es_state_view *view, const struct es_version_info *version,
                         const struct es_version_cause *cause, struct es_text *out)
{
    struct es_text value = {0};
    struct es_event call = {
        .kind = ES_K_CALL, .module = version->module, .function = version->function, .arity = version->arity};
    add_seq(out, "cause", cause->deliver ? cause->deliver : cause->call);
    es_query_print_fun(view->query, &call, view->erlang, &value);
    es_text_printf(out, ",\"set_by\":{\"origin\":\"%s\"", cause->replaced ? "outside" : "callback");
    add_text(out, "function", &value);
    es_text_clear(&value);
    print_message(view, cause->call, 0, &value);
    add_text(out, "message", &value);
    add_seq(out, "call", cause->call);
    add_seq(out, "deliver", cause->deliver);
    add_seq(out, "send", cause->send);
    add_ref(view, out, "from", cause->from);
    add_ref(view, out, "from_name", cause->from ? es_query_name(view->query, cause->from, version->time) : ES_REF_NONE);
    es_text_puts(out, "}");
    es_text_fini(&value);
}

static void add_part(struct es_state_view *view, const struct es_part *part, struct es_text *out)
{
    es_text_puts(out, ",\"path\":");
    es_text_json(out, view->path, strlen(view->path));
    es_text_printf(out, ",\"set\":{\"version\":%" PRIu64 ",\"time\":%" PRId64 ",\"seq\":%" PRIu64, part->number,
                   part->version.time, part->version.seq);
    es_state_json_cause(view, &part->version, &part->cause, out);
    es_text_printf(out, ",\"first\":%s,\"limited\":%s,\"unsure\":%s,\"missed\":%" PRIu64 "}",
                   part->first ? "true" : "false", part->limited ? "true" : "false", part->unsure ? "true" : "false",
                   part->missed);
}

void es_state_print_json(struct es_state_view *view, const struct es_state_shown *shown, struct es_text *out)
{
    const struct es_state *state = shown->state;
    int64_t first = 0, last = 0;
    struct es_info info;
    if (state->at == INT64_MAX && es_query_info(view->query, &info) == 0)
        last = info.last_time;
    struct es_text value = {0};
    (void)first;
    es_query_print_ref(view->query, state->pid, true, &value);
    es_text_puts(out, "{\"pid\":");
    es_text_json(out, value.bytes ? value.bytes : "", value.len);
    add_ref(view, out, "name", es_query_name(view->query, state->pid, state->at));
    es_text_printf(out,
                   ",\"time\":%" PRId64 ",\"version\":%" PRIu64 ",\"versions\":%" PRIu64 ",\"since\":%" PRId64
                   ",\"seq\":%" PRIu64 ",\"known\":\"%s\"",
                   state->at == INT64_MAX ? last : state->at, state->number, state->of, state->since,
                   state->version.seq, es_state_known_names[state->known]);
    add_seq(out, "shown", state->shown);
    if (state->lost)
        es_text_printf(out, ",\"lost\":%" PRIu64, state->lost);
    if (state->exited != INT64_MAX)
        es_text_printf(out, ",\"exited\":%" PRId64, state->exited);
    add_ref(view, out, "module", state->version.module);
    es_state_json_cause(view, &state->version, &state->cause, out);
    if (shown->part)
        add_part(view, shown->part, out);
    es_text_clear(&value);
    if (shown->tree)
        es_tree_print(shown->tree, shown->node, es_query_print(view->query, view->erlang), &value);
    add_text(out, "state", &value);
    es_text_puts(out, ",\"term\":");
    if (shown->tree)
        es_tagged_print(shown->tree, shown->node, es_query_print(view->query, view->erlang), out);
    else
        es_text_puts(out, "null");
    es_text_puts(out, "}");
    es_text_fini(&value);
}
