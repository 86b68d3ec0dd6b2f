/* SPDX-License-Identifier: MIT */
/* A snapshot as one JSON object; docs/cli.md has the fields. */
#include <inttypes.h>

#include "cli/snapshot.h"

struct writer {
    const struct es_snapshot *view;
    struct es_text out, part; /* part: of a value that is being made */
};

static void member(struct writer *w, const char *name) { es_text_printf(&w->out, ",\"%s\":", name); }

static void add_bool(struct writer *w, const char *name, bool value)
{
    member(w, name);
    es_text_puts(&w->out, value ? "true" : "false");
}

static void add_number(struct writer *w, const char *name, int64_t value, bool known)
{
    member(w, name);
    if (known)
        es_text_int(&w->out, value);
    else
        es_text_puts(&w->out, "null");
}

/* What lies in `part`, as a string; null where there is nothing. */
static void add_part(struct writer *w)
{
    if (w->part.len > 0)
        es_text_json(&w->out, w->part.bytes, w->part.len);
    else
        es_text_puts(&w->out, "null");
    es_text_clear(&w->part);
}

static void add_ref(struct writer *w, es_ref ref)
{
    bool bare = es_ref_class_of(ref) != ES_REF_ATOM;
    es_query_print_ref(w->view->query, ref, w->view->erlang || bare, &w->part);
    add_part(w);
}

static void add_string(struct writer *w, const char *name, const char *text)
{
    member(w, name);
    es_text_puts(&w->part, text ? text : "");
    add_part(w);
}

static void add_function(struct writer *w, const struct es_moment_row *row)
{
    if (row->inside_by == ES_AT_UNKNOWN) {
        es_text_puts(&w->out, ",\"function\":null");
        return;
    }
    es_text_puts(&w->out, ",\"function\":{\"name\":");
    es_snapshot_fun(w->view, &row->inside, &w->part);
    add_part(w);
    add_string(w, "by", es_at_names[row->inside_by]);
    add_number(w, "seq", (int64_t)row->inside_seq, row->inside_seq != 0);
    es_text_puts(&w->out, "}");
}

static void add_wait(struct writer *w, const struct es_moment_row *row)
{
    const struct es_world_proc *proc = row->proc;
    if (!proc || !proc->wait_seq) {
        es_text_puts(&w->out, ",\"waiting\":null");
        return;
    }
    es_text_puts(&w->out, ",\"waiting\":{\"for\":");
    add_ref(w, row->waits_for);
    member(w, "sent_to");
    add_ref(w, proc->wait_peer);
    add_number(w, "seq", (int64_t)proc->wait_seq, true);
    add_number(w, "since", proc->wait_time, true);
    add_bool(w, "certain", proc->wait_seq > w->view->moment->world->gap_seq);
    es_text_puts(&w->out, "}");
}

static void add_mailbox(struct writer *w, const struct es_moment_row *row)
{
    const struct es_world_proc *proc = row->proc;
    if (!proc) {
        es_text_puts(&w->out, ",\"mailbox\":null");
        return;
    }
    es_text_printf(&w->out, ",\"mailbox\":{\"known\":%s", row->mail_known ? "true" : "false");
    add_bool(w, "at_most", row->mail_at_most || !row->mail_known);
    add_number(w, "count", (int64_t)es_world_mail_count(proc), true);
    add_number(w, "older", (int64_t)proc->mail_older, true);
    member(w, "messages");
    for (uint32_t i = 0; i < proc->mail_n; i++) {
        const struct es_world_mail *mail = es_world_mail_at(proc, i);
        es_text_printf(&w->out, "%s{\"seq\":%" PRIu64 ",\"time\":%" PRId64 "}", i ? "," : "[", mail->seq, mail->time);
    }
    es_text_puts(&w->out, proc->mail_n ? "]}" : "[]}");
}

static void add_links(struct writer *w, const struct es_moment_row *row)
{
    uint32_t at = row->proc ? row->proc->link : ES_TABLE_NONE;
    es_text_puts(&w->out, ",\"links\":[");
    for (bool first = true; at != ES_TABLE_NONE; first = false) {
        es_text_puts(&w->out, first ? "" : ",");
        add_ref(w, es_world_link_at(w->view->moment->world, &at));
    }
    es_text_printf(&w->out, "],\"links_whole\":%s", row->links_whole ? "true" : "false");
}

/* Whom it monitors now is not known; what a census said of it is, less those that are dead. */
static void add_monitors(struct writer *w, const struct es_moment_row *row)
{
    const struct es_world_proc *proc = row->proc;
    bool told = proc && proc->flags & ES_WP_MONITORS, first = true;
    es_text_puts(&w->out, ",\"monitors\":null,\"monitors_unknown\":\"setting and removing one is not recorded\"");
    if (!told) {
        es_text_puts(&w->out, ",\"census_monitors\":null,\"census_monitors_whole\":false");
        return;
    }
    member(w, "census_monitors");
    es_text_puts(&w->out, "[");
    for (uint32_t at = proc->monitor; at != ES_TABLE_NONE;) {
        es_ref peer = es_world_link_at(w->view->moment->world, &at);
        if (es_ref_class_of(peer) == ES_REF_PID && es_moment_is_dead(w->view->query, w->view->moment, peer))
            continue;
        es_text_puts(&w->out, first ? "" : ",");
        add_ref(w, peer);
        first = false;
    }
    es_text_puts(&w->out, "]");
    add_bool(w, "census_monitors_whole", !(proc->flags & ES_WP_MONITORS_CUT));
}

static void add_state(struct writer *w, const struct es_moment_row *row)
{
    const struct es_world_proc *proc = row->proc;
    bool lost = proc && proc->flags & ES_WP_STATE_LOST;
    if (!proc || (!proc->state_seq && !lost)) {
        es_text_puts(&w->out, ",\"state\":null");
        return;
    }
    bool known = proc->state_seq != 0;
    es_text_printf(&w->out, ",\"state\":{\"current\":%s", lost ? "false" : "true");
    add_number(w, "seq", (int64_t)proc->state_seq, known);
    add_number(w, "since", proc->state_time, known);
    add_number(w, "size", proc->state_len, known);
    if (known)
        es_text_printf(&w->out, ",\"hash\":\"%016" PRIx64 "\"", proc->state_hash);
    else
        es_text_puts(&w->out, ",\"hash\":null");
    if (w->view->state) {
        member(w, "text");
        es_snapshot_state(w->view, row, &w->part);
        add_part(w);
    }
    es_text_puts(&w->out, "}");
}

static void add_heap(struct writer *w, const struct es_world_proc *proc)
{
    if (!proc || !proc->heap_seq) {
        es_text_puts(&w->out, ",\"heap\":null");
        return;
    }
    es_text_printf(&w->out, ",\"heap\":{\"seq\":%" PRIu64, proc->heap_seq);
    for (unsigned i = 0; i < ES_NUMS; i++)
        add_number(w, es_gc_num_names[i], proc->heap[i], true);
    es_text_puts(&w->out, "}");
}

static void add_row(struct writer *w, const struct es_moment_row *row)
{
    const struct es_world_proc *proc = row->proc;
    const struct es_process *process = row->process;
    bool born = process && process->spawned != INT64_MIN;
    es_text_puts(&w->out, "{\"pid\":");
    add_ref(w, row->pid);
    if (es_query_nodes(w->view->query) > 0)
        add_string(w, "node", es_query_node(w->view->query, es_ref_node(row->pid)));
    member(w, "name");
    add_ref(w, row->name);
    member(w, "parent");
    add_ref(w, row->parent);
    member(w, "supervisor");
    add_ref(w, row->supervisor);
    add_bool(w, "is_supervisor", row->is_supervisor);
    member(w, "initial_call");
    es_snapshot_fun(w->view, &row->initial, &w->part);
    add_part(w);
    add_number(w, "spawned", born ? process->spawned : 0, born);
    add_string(w, "status", es_status_names[row->status]);
    add_function(w, row);
    add_wait(w, row);
    add_mailbox(w, row);
    add_links(w, row);
    add_monitors(w, row);
    add_state(w, row);
    add_number(w, "events", proc ? (int64_t)proc->events : 0, proc != NULL);
    add_number(w, "sent", proc ? (int64_t)proc->sent : 0, proc != NULL);
    add_number(w, "received", proc ? (int64_t)proc->received : 0, proc != NULL);
    add_heap(w, proc);
    es_text_puts(&w->out, "}");
}

static void add_head(struct writer *w)
{
    const struct es_moment *moment = w->view->moment;
    int64_t wall = es_query_wall(w->view->query, moment->time);
    es_text_printf(&w->out, "{\"time\":%" PRId64, moment->time);
    add_number(w, "seq", (int64_t)moment->seq, true);
    add_number(w, "wall", wall, wall != INT64_MIN);
    add_number(w, "damaged_blocks", (int64_t)moment->damaged, true);
    add_number(w, "lost_before", (int64_t)moment->world->gap_seq, moment->world->gap_seq != 0);
    add_bool(w, "sampled", moment->world->thinned);
    add_number(w, "alive", (int64_t)moment->n, true);
    member(w, "processes");
    es_text_puts(&w->out, "[");
}

static bool flush(struct writer *w, FILE *out)
{
    bool ok = !w->out.failed && !w->part.failed && fwrite(w->out.bytes, 1, w->out.len, out) == w->out.len;
    es_text_clear(&w->out);
    return ok;
}

bool es_snapshot_json(const struct es_snapshot *view, FILE *out)
{
    struct writer w = {.view = view};
    add_head(&w);
    bool ok = flush(&w, out);
    for (size_t i = 0; ok && i < view->n && (view->limit == 0 || i < view->limit); i++) {
        es_text_puts(&w.out, i ? ",\n" : "\n");
        add_row(&w, view->rows[i]);
        ok = flush(&w, out);
    }
    es_text_puts(&w.out, "]}\n");
    ok = ok && flush(&w, out);
    es_text_fini(&w.out);
    es_text_fini(&w.part);
    return ok;
}
