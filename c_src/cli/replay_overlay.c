/* SPDX-License-Identifier: MIT */
/* What lies over the events: the processes, a story, the help. */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "cli/replay_grid.h"
#include "cli/why.h"

#define HELP_TWO 160 /* columns from which on the help has two */

static void draw_heading(struct es_replay_scene *s, int y, const char *text)
{
    es_grid_fill(s->grid, es_grid_place(y, 0, s->grid->width, ES_STYLE_DIM), es_grid_sign(s->grid, L'─', L'-'));
    es_grid_puts(s->grid, es_grid_place(y, 1, s->grid->width - 2, ES_GRID_BOLD | ES_STYLE_CYAN), text);
}

/* ---- processes ----------------------------------------------------------------------------------------------------- */

static const struct es_moment_row *row_of(const struct es_replay *r, es_ref pid)
{
    for (size_t i = 0; i < r->everyone->n; i++)
        if (r->everyone->rows[i].pid == pid)
            return &r->everyone->rows[i];
    return NULL;
}

static void add_status(struct es_replay *r, const struct es_moment_row *row, struct es_text *out)
{
    struct es_event call = {
        .kind = ES_K_CALL, .module = row->inside.module, .function = row->inside.function, .arity = row->inside.arity};
    es_text_puts(out, es_status_names[row->status] ? es_status_names[row->status] : "");
    if (row->waits_for) {
        es_text_puts(out, " for ");
        es_replay_who(r, row->waits_for, r->event.time, out);
    }
    if (row->mail_known && row->proc && es_world_mail_count(row->proc))
        es_text_printf(out, "%s%s%" PRIu64 " in mailbox", out->len ? ", " : "", row->mail_at_most ? "at most " : "",
                       es_world_mail_count(row->proc));
    if (call.module) {
        es_text_puts(out, out->len ? ", in " : "in ");
        es_query_print_fun(r->query, &call, r->erlang, out);
    }
}

static void draw_process(struct es_replay_scene *s, int y, size_t i)
{
    struct es_replay *r = s->replay;
    const struct es_moment_row *row = row_of(r, r->listed[i]);
    struct es_text text = {0};
    unsigned base = i == r->selected ? ES_GRID_REVERSE : 0;
    int width = s->grid->width, name = width >= 90 ? 30 : width / 3;
    if (base)
        es_grid_fill(s->grid, es_grid_place(y, 0, width, base), L' ');
    es_query_print_ref(r->query, r->listed[i], true, &text);
    es_grid_text(s->grid, es_grid_place(y, 1, 13, base | ES_STYLE_DIM), text.bytes ? text.bytes : "", text.len);
    es_text_clear(&text);
    if (row && row->name)
        es_query_print_ref(r->query, row->name, r->erlang, &text);
    es_grid_text(s->grid, es_grid_place(y, 15, name, base), text.bytes ? text.bytes : "", text.len);
    es_text_clear(&text);
    if (row)
        add_status(r, row, &text);
    es_grid_text(s->grid, es_grid_place(y, 16 + name, width - 17 - name, base), text.bytes ? text.bytes : "", text.len);
    es_text_fini(&text);
}

/* ---- a story ------------------------------------------------------------------------------------------------------- */

static void draw_moment(struct es_replay_scene *s, int y, size_t i)
{
    struct es_replay *r = s->replay;
    const struct es_caused *caused = &r->story[i];
    struct es_teller teller = {.query = r->query, .erlang = r->erlang, .max_bytes = 400};
    struct es_event event;
    struct es_text text = {0};
    struct es_cli_buf buf;
    unsigned base = i == r->selected ? ES_GRID_REVERSE : 0;
    int width = s->grid->width;
    if (base)
        es_grid_fill(s->grid, es_grid_place(y, 0, width, base), L' ');
    if (es_query_peek(r->query, caused->seq, &event) < 0) {
        es_error_clear();
        es_grid_puts(s->grid, es_grid_place(y, 1, width - 2, base | ES_STYLE_RED), "it cannot be read");
        return;
    }
    int64_t ns = event.time - r->event.time;
    es_text_printf(&text, "%s%s",
                   i == 0   ? ""
                   : ns < 0 ? "-"
                            : "+",
                   i == 0 ? "here" : es_cli_duration(ns < 0 ? -ns : ns, &buf));
    es_grid_text(s->grid, es_grid_place(y, 1, 10, base | ES_STYLE_DIM), text.bytes ? text.bytes : "", text.len);
    es_grid_puts(s->grid, es_grid_place(y, 12, 9, base | es_cli_family(event.kind)),
                 i == 0 ? "" : es_edge_names[caused->edge]);
    es_text_clear(&text);
    if (event.pid)
        es_replay_who(r, event.pid, event.time, &text);
    es_grid_text(s->grid, es_grid_place(y, 22, 22, base | ES_GRID_BOLD), text.bytes ? text.bytes : "", text.len);
    es_text_clear(&text);
    es_text_puts(&text, caused->maybe ? "possibly " : "");
    es_tell_event(&teller, &event, &text);
    es_grid_text(s->grid, es_grid_place(y, 45, width - 46, base), text.bytes ? text.bytes : "", text.len);
    es_text_fini(&text);
}

/* ---- lists --------------------------------------------------------------------------------------------------------- */

static void draw_selection(struct es_replay_scene *s, int y, int height)
{
    struct es_replay *r = s->replay;
    size_t rows = height > 0 ? (size_t)height : 0, from = r->selected >= rows / 2 ? r->selected - rows / 2 : 0;
    if (from + rows > r->n_listed)
        from = r->n_listed > rows ? r->n_listed - rows : 0;
    for (size_t i = 0; i < rows && from + i < r->n_listed; i++) {
        if (r->view == ES_VIEW_PROCESSES)
            draw_process(s, y + (int)i, from + i);
        else
            draw_moment(s, y + (int)i, from + i);
    }
}

/* ---- help ---------------------------------------------------------------------------------------------------------- */

static size_t draw_help_line(struct es_replay_scene *s, int y, int x, const struct es_replay_key *key)
{
    int width = s->grid->width / (s->grid->width >= HELP_TWO ? 2 : 1) - 2;
    if (!key->keys) {
        es_grid_puts(s->grid, es_grid_place(y, x, width, ES_GRID_BOLD), key->help);
        return 1;
    }
    es_grid_puts(s->grid, es_grid_place(y, x + 2, 16, ES_STYLE_CYAN), key->keys);
    es_grid_puts(s->grid, es_grid_place(y, x + 18, width - 18, 0), key->help);
    return 1;
}

static size_t count_keys(void)
{
    size_t n = 0;
    while (es_replay_keys[n].help)
        n++;
    return n;
}

/* In two columns where there is room for them. */
static void draw_help(struct es_replay_scene *s, int y, int height)
{
    size_t n = count_keys(), rows = height > 0 ? (size_t)height : 0, columns = s->grid->width >= HELP_TWO ? 2 : 1;
    size_t a_column = (n + columns - 1) / columns;
    s->replay->n_listed = a_column > rows ? a_column - rows + 1 : 1; /* places it can be moved to */
    if (s->replay->selected >= s->replay->n_listed)
        s->replay->selected = s->replay->n_listed - 1;
    for (size_t i = 0; i < n; i++) {
        size_t line = i % a_column, column = i / a_column;
        if (line >= s->replay->selected && line - s->replay->selected < rows)
            draw_help_line(s, y + (int)(line - s->replay->selected), 1 + (int)column * s->grid->width / 2,
                           &es_replay_keys[i]);
    }
}

void es_replay_draw_list(struct es_replay_scene *s, int y, int height)
{
    struct es_replay *r = s->replay;
    struct es_cli_buf seq;
    char title[256];
    if (r->view == ES_VIEW_PROCESSES)
        snprintf(title, sizeof title,
                 " %zu of %zu processes that live now; typing filters%s%s; Enter holds, Esc closes ", r->n_listed,
                 r->everyone->n, *r->filter ? ": " : "", r->filter);
    else if (r->view == ES_VIEW_STORY)
        snprintf(title, sizeof title, " %s #%s%s; Enter goes there, Esc closes ",
                 r->story_forward ? "What came of" : "What led to",
                 es_cli_count(r->n_listed ? r->story[0].seq : r->seq, &seq), r->story_cut ? " (there is more)" : "");
    else
        snprintf(title, sizeof title, " Keys; arrows scroll, Esc closes ");
    draw_heading(s, y, title);
    if (r->view == ES_VIEW_HELP)
        draw_help(s, y + 1, height - 1);
    else
        draw_selection(s, y + 1, height - 1);
}
