/* SPDX-License-Identifier: MIT */
/* The panes beside the events: the state of the process with what changed in it, and what the process is doing. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/replay.h"
#include "cli/state.h"
#include "cli/why.h"
#include "term/layout.h"

#define LAID_OUT (256u << 10) /* a longer state is not laid out nor compared, but printed as far as */
#define PRINTED 16000u        /* this; and one longer than */
#define READ (8u << 20)       /* this is not even read */
#define CHANGES_SHOWN 200u
#define CHANGE_BYTES 300u
#define MAIL_SHOWN 20u
#define MAIL_BYTES 300u
#define LINKS_SHOWN 40u

static const char *style(enum es_style s) { return es_replay_style(s); }

/* ---- state --------------------------------------------------------------------------------------------------------- */

static struct es_state_view view_of(struct es_replay *r, unsigned width)
{
    return (struct es_state_view){.query = r->query, .erlang = r->erlang, .start = r->start, .width = width};
}

static void add_head(struct es_replay *r, struct es_text *out)
{
    struct es_state_view view = view_of(r, 0);
    struct es_cli_buf age, size;
    const struct es_state *state = &r->state;
    es_text_puts(out, style(ES_STYLE_DIM));
    if (state->version.seq == r->seq)
        es_text_puts(out, "new with this event");
    else
        es_text_printf(out, "since %s ago", es_cli_duration(r->event.time - state->since, &age));
    es_text_printf(out, ", %s, by ", es_cli_bytes(state->len, &size));
    es_state_print_cause(&view, &state->version, &state->cause, out);
    es_text_printf(out, "%s\n", style(ES_STYLE_NONE));
}

static void add_doubts(const struct es_replay *r, struct es_text *out)
{
    const struct es_state *state = &r->state;
    es_text_puts(out, style(ES_STYLE_YELLOW));
    if (state->known == ES_STATE_MISSED && state->shown_seq)
        es_text_puts(out, "It changed then, and was not captured: this is the last version that was.\n");
    else if (state->known == ES_STATE_MISSED)
        es_text_puts(out, "Not captured, nor was any version before.\n");
    else if (state->known == ES_STATE_CUT)
        es_text_puts(out, "Parts of it were cut.\n");
    else if (state->known == ES_STATE_REDACTED)
        es_text_puts(out, "Secrets in it were redacted.\n");
    else if (state->known == ES_STATE_DOUBTFUL && state->lost)
        es_text_printf(out, "It may have changed since: %" PRIu64 " calls or returns were lost.\n", state->lost);
    else if (state->known == ES_STATE_DOUBTFUL)
        es_text_puts(out, "It may have changed since: the overhead budget had left out events.\n");
    if (r->moment && r->moment->damaged)
        es_text_puts(out, "It may have changed since: damaged blocks were passed over.\n");
    if (state->exited != INT64_MAX)
        es_text_puts(out, "The process has exited: this was its last state.\n");
    es_text_puts(out, style(ES_STYLE_NONE));
}

/* The version before the one that is shown, where it was captured and is not too long. */
static bool read_before(struct es_replay *r, struct es_state_tree *before)
{
    struct es_state_view view = view_of(r, 0);
    struct es_version_info version;
    const uint8_t *bytes;
    size_t len;
    bool read = r->state.shown_seq && es_query_version_before(r->query, r->pid, r->state.shown_seq, &version) == 0 &&
                es_query_version_bytes(r->query, &version, &bytes, &len) == 0 && len <= LAID_OUT &&
                es_state_tree_read(&view, bytes, len, before) == 0;
    es_error_clear();
    return read;
}

static int by_node(const void *a, const void *b)
{
    const struct es_layout_mark *x = a, *y = b;
    return (x->node > y->node) - (x->node < y->node);
}

/* What is new or another in this version, as marks for the layout. free(). */
static struct es_layout_mark *marks_of(const struct es_diff *diff, size_t *ret_n)
{
    struct es_layout_mark *marks = malloc((diff->n_changes + 1) * sizeof *marks);
    size_t n = 0, kept = 0;
    for (uint32_t i = 0; marks && i < diff->n_changes; i++) {
        const struct es_change *change = &diff->changes[i];
        bool added = change->op == ES_CHANGE_ADDED;
        if (change->new_node != ES_NO_NODE && (added || change->op == ES_CHANGE_CHANGED))
            marks[n++] = (struct es_layout_mark){change->new_node, style(added ? ES_STYLE_GREEN : ES_STYLE_YELLOW),
                                                 style(ES_STYLE_NONE)};
    }
    if (n > 0)
        qsort(marks, n, sizeof *marks, by_node);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || marks[kept - 1].node != marks[i].node)
            marks[kept++] = marks[i];
    *ret_n = kept;
    return marks;
}

static void add_diff(struct es_replay *r, const struct es_diff *diff, struct es_text *out)
{
    struct es_print print = *es_query_print(r->query, r->erlang);
    struct es_diff_style colours = {style(ES_STYLE_GREEN), style(ES_STYLE_RED), style(ES_STYLE_YELLOW),
                                    style(ES_STYLE_DIM), style(ES_STYLE_NONE)};
    print.max_bytes = CHANGE_BYTES;
    for (uint32_t i = 0; i < diff->n_changes && i < CHANGES_SHOWN; i++) {
        es_diff_print(diff, &diff->changes[i], &print, &colours, out);
        es_text_puts(out, "\n");
    }
    if (diff->n_changes > CHANGES_SHOWN)
        es_text_printf(out, "and %" PRIu32 " more changes\n", diff->n_changes - CHANGES_SHOWN);
}

/* What was taken away is in no layout. */
static void add_removed(struct es_replay *r, const struct es_diff *diff, struct es_text *out)
{
    struct es_print print = *es_query_print(r->query, r->erlang);
    struct es_diff_style colours = {.removed = style(ES_STYLE_RED), .none = style(ES_STYLE_NONE)};
    unsigned shown = 0;
    print.max_bytes = CHANGE_BYTES;
    for (uint32_t i = 0; i < diff->n_changes && shown < CHANGES_SHOWN; i++)
        if (diff->changes[i].op == ES_CHANGE_REMOVED) {
            es_text_puts(out, "\n");
            es_diff_print(diff, &diff->changes[i], &print, &colours, out);
            shown++;
        }
}

static void lay_out(struct es_replay *r, const struct es_tree *now, const struct es_diff *diff,
                    struct es_replay_page *page)
{
    size_t n = 0, from = page->text.len;
    struct es_layout_mark *marks = diff ? marks_of(diff, &n) : NULL;
    struct es_layout layout = {
        .print = es_query_print(r->query, r->erlang), .width = r->made.width, .marks = marks, .n_marks = n};
    es_layout_print(now, 0, &layout, &page->text);
    const char *first = n > 0 && page->text.bytes ? strstr(page->text.bytes + from, ES_STYLED) : NULL;
    page->change = first ? (size_t)(first - page->text.bytes) : 0;
    free(marks);
    if (diff)
        add_removed(r, diff, &page->text);
}

static void show_tree(struct es_replay *r, struct es_replay_page *page)
{
    struct es_state_view view = view_of(r, r->made.width);
    struct es_state_tree now = {0}, before = {0};
    struct es_diff diff;
    if (es_state_tree_read(&view, r->state.bytes, r->state.len, &now) < 0) {
        es_text_puts(&page->text, es_error_text());
        es_error_clear();
        return;
    }
    bool compared = read_before(r, &before) && es_diff_make(&before.tree, &now.tree, &diff) == 0;
    if (r->diff && compared) {
        es_text_printf(&page->text, "%sfrom the version before:%s\n", style(ES_STYLE_DIM), style(ES_STYLE_NONE));
        add_diff(r, &diff, &page->text);
    } else if (r->diff) {
        es_text_puts(&page->text, "There is no version before that was captured and is not too long to compare.");
    } else {
        lay_out(r, &now.tree, compared ? &diff : NULL, page);
    }
    if (compared)
        es_diff_fini(&diff);
    if (before.bytes)
        es_state_tree_fini(&before);
    es_state_tree_fini(&now);
}

static void show_long(struct es_replay *r, struct es_text *out)
{
    struct es_print print = *es_query_print(r->query, r->erlang);
    struct es_cli_buf size;
    print.max_bytes = PRINTED;
    es_text_printf(out, "%s%s: only its beginning is printed here; `elixirscope state` prints all of it.%s\n",
                   style(ES_STYLE_YELLOW), es_cli_bytes(r->state.len, &size), style(ES_STYLE_NONE));
    if (r->state.len <= READ)
        es_term_print(r->state.bytes, r->state.len, &print, out);
}

/* The body is made anew only where it is another version: it may be long. */
static void make_body(struct es_replay *r, unsigned width)
{
    struct es_replay_page *page = &r->body;
    uint64_t version = r->has_state ? r->state.version.seq : 0;
    bool same = r->made.has && r->made.pid == r->pid && r->made.version == version && r->made.width == width &&
                r->made.diff == r->diff;
    if (same && version)
        return;
    es_text_clear(&page->text);
    page->scroll = page->change = 0;
    r->made.has = true;
    r->made.pid = r->pid;
    r->made.version = version;
    r->made.width = width;
    r->made.diff = r->diff;
    if (!r->has_state)
        es_text_printf(&page->text, "%s%s%s", style(ES_STYLE_DIM), r->no_state.len ? r->no_state.bytes : "",
                       style(ES_STYLE_NONE));
    else if (r->state.bytes && r->state.len <= LAID_OUT)
        show_tree(r, page);
    else if (r->state.bytes)
        show_long(r, &page->text);
    es_replay_wrap(page, (int)width);
}

void es_replay_state_pages(struct es_replay *r, unsigned width)
{
    es_replay_fill(r);
    es_text_clear(&r->head.text);
    if (r->has_state) {
        add_head(r, &r->head.text);
        add_doubts(r, &r->head.text);
    }
    es_replay_wrap(&r->head, (int)width);
    make_body(r, width);
}

/* ---- what it is doing ---------------------------------------------------------------------------------------------- */

static void add_fun(struct es_replay *r, const struct es_world_fun *fun, struct es_text *out)
{
    struct es_event event = {.kind = ES_K_CALL, .module = fun->module, .function = fun->function, .arity = fun->arity};
    es_query_print_fun(r->query, &event, r->erlang, out);
}

static void add_label(const char *label, struct es_text *out)
{
    es_text_printf(out, "%s%-9s%s", style(ES_STYLE_DIM), label, style(ES_STYLE_NONE));
}

static void add_status(struct es_replay *r, const struct es_moment_row *row, struct es_text *out)
{
    const char *status = es_status_names[row->status];
    if (status) {
        add_label("status", out);
        es_text_printf(out, "%s\n", status);
    }
    if (!row->inside.module)
        return;
    add_label(row->inside_by == ES_AT_INITIAL ? "runs" : "in", out);
    add_fun(r, &row->inside, out);
    es_text_puts(out, "\n");
}

static void add_wait(struct es_replay *r, const struct es_moment_row *row, struct es_text *out)
{
    struct es_cli_buf since, seq;
    if (!row->proc || !row->proc->wait_seq)
        return;
    add_label("waits", out);
    es_text_puts(out, "for ");
    es_replay_who(r, row->waits_for ? row->waits_for : row->proc->wait_peer, r->event.time, out);
    es_text_printf(out, ", for %s (#%s)\n", es_cli_duration(r->event.time - row->proc->wait_time, &since),
                   es_cli_count(row->proc->wait_seq, &seq));
}

static void add_stack(struct es_replay *r, const struct es_moment_row *row, struct es_text *out)
{
    const struct es_world *world = r->moment->world;
    struct es_cli_buf seq;
    uint32_t at = row->proc ? row->proc->frame : ES_TABLE_NONE;
    add_label("stack", out);
    if (row->proc && row->proc->deeper > 0)
        es_text_printf(out, "%" PRIu32 " deeper calls are not known one by one\n         ", row->proc->deeper);
    if (at == ES_TABLE_NONE)
        es_text_printf(out, "%sno open call is known%s\n", style(ES_STYLE_DIM), style(ES_STYLE_NONE));
    for (bool first = true; at != ES_TABLE_NONE; at = world->frames[at].below, first = false) {
        const struct es_world_frame *frame = &world->frames[at];
        es_text_puts(out, first ? "" : "         ");
        add_fun(r, &world->funs[frame->fun], out);
        es_text_printf(out, " %s#%s%s%s\n", style(ES_STYLE_DIM), es_cli_count(frame->seq, &seq),
                       frame->seq < world->gap_seq ? ", may be over: events were lost since" : "",
                       style(ES_STYLE_NONE));
    }
}

static void add_message(struct es_replay *r, const struct es_world_mail *mail, struct es_text *out)
{
    struct es_event event;
    struct es_cli_buf age, seq;
    struct es_teller teller = {.query = r->query, .erlang = r->erlang, .max_bytes = MAIL_BYTES};
    es_text_printf(out, "  %s#%s, %s ago%s ", style(ES_STYLE_DIM), es_cli_count(mail->seq, &seq),
                   es_cli_duration(r->event.time - mail->time, &age), style(ES_STYLE_NONE));
    if (es_query_peek(r->query, mail->seq, &event) == 0)
        es_tell_message(&teller, &event, out);
    es_error_clear();
    es_text_puts(out, "\n");
}

static void add_mailbox(struct es_replay *r, const struct es_moment_row *row, struct es_text *out)
{
    const struct es_world_proc *proc = row->proc;
    struct es_cli_buf count;
    uint64_t n = proc ? es_world_mail_count(proc) : 0;
    add_label("mailbox", out);
    if (!proc || (!row->mail_known && n > 0)) {
        es_text_printf(out, "%snot known: what it handles is not recorded%s\n", style(ES_STYLE_DIM),
                       style(ES_STYLE_NONE));
        return;
    }
    if (n == 0) {
        es_text_puts(out, "empty\n");
        return;
    }
    es_text_printf(out, "%s%s message%s\n", row->mail_at_most ? "at most " : "", es_cli_count(n, &count),
                   n == 1 ? "" : "s");
    if (proc->mail_older)
        es_text_printf(out, "  %s%s before these%s\n", style(ES_STYLE_DIM), es_cli_count(proc->mail_older, &count),
                       style(ES_STYLE_NONE));
    for (uint32_t i = 0; i < proc->mail_n && i < MAIL_SHOWN; i++)
        add_message(r, es_world_mail_at(proc, i), out);
    if (proc->mail_n > MAIL_SHOWN)
        es_text_printf(out, "  %sand %u more%s\n", style(ES_STYLE_DIM), proc->mail_n - MAIL_SHOWN,
                       style(ES_STYLE_NONE));
}

static void add_links(struct es_replay *r, const struct es_moment_row *row, struct es_text *out)
{
    const struct es_world *world = r->moment->world;
    uint32_t at = row->proc ? row->proc->link : ES_TABLE_NONE;
    add_label("links", out);
    if (at == ES_TABLE_NONE)
        es_text_puts(out, row->links_whole ? "none" : "none is known");
    for (unsigned n = 0; at != ES_TABLE_NONE; n++) {
        es_ref peer = es_world_link_at(world, &at);
        if (n >= LINKS_SHOWN) {
            es_text_printf(out, " and %u more", row->proc->links - n);
            break;
        }
        es_text_puts(out, n ? ", " : "");
        es_replay_who(r, peer, r->event.time, out);
    }
    if (row->proc && row->proc->links && !row->links_whole)
        es_text_puts(out, ", and others that are not known");
    es_text_puts(out, "\n");
}

static void add_facts(struct es_replay *r, const struct es_moment_row *row, struct es_text *out)
{
    struct es_cli_buf a, b, c;
    if (row->parent) {
        add_label("parent", out);
        es_replay_who(r, row->parent, r->event.time, out);
        es_text_puts(out, "\n");
    }
    if (row->proc) {
        add_label("so far", out);
        es_text_printf(out, "%s events, %s sent, %s received\n", es_cli_count(row->proc->events, &a),
                       es_cli_count(row->proc->sent, &b), es_cli_count(row->proc->received, &c));
    }
}

static void add_process(struct es_replay *r, struct es_text *out)
{
    const struct es_moment_row *row = es_replay_row(r);
    if (r->pid == ES_REF_NONE)
        es_text_puts(out, "This event is of no process.");
    else if (!r->moment)
        es_text_puts(out, "What it was doing cannot be read here.");
    else if (!row)
        es_text_puts(out, "It does not live at this moment.");
    if (!row)
        return;
    if (r->moment->damaged)
        es_text_printf(out, "%sDamaged blocks were passed over: some of this may be out of date.%s\n",
                       style(ES_STYLE_YELLOW), style(ES_STYLE_NONE));
    add_status(r, row, out);
    add_wait(r, row, out);
    add_stack(r, row, out);
    add_mailbox(r, row, out);
    add_links(r, row, out);
    add_facts(r, row, out);
}

void es_replay_process_page(struct es_replay *r, unsigned width)
{
    es_replay_fill(r);
    es_text_clear(&r->process.text);
    add_process(r, &r->process.text);
    es_replay_wrap(&r->process, (int)width);
}
