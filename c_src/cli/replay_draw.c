/* SPDX-License-Identifier: MIT */
/* The screen: where we are and the film, the events, the state and the process, the line of keys. What does not fit is left out, the panes
 * beside first. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/replay_grid.h"

#define WIDE 100     /* columns from which on the panes stand beside the events; */
#define HALF 72      /* and beside each other below them */
#define TALL 14      /* lines from which on state and process have a pane each */
#define ROWS_MAX 400 /* rows of the list */
#define DETAIL 6     /* lines of the current event below the list */

struct rect {
    int y, x, width, height; /* height 0: it is not there */
};
struct places {
    struct rect list, detail, panes[ES_PANES];
};

/* ---- events -------------------------------------------------------------------------------------------------------- */

/* How the row stands to the current event. */
static const char *relation(const struct es_replay *r, const struct es_event *event)
{
    if (event->seq == r->seq)
        return "> ";
    if (r->event.cause && event->seq == r->event.cause)
        return "^ ";
    return event->cause && event->cause == r->seq ? "v " : "  ";
}

struct columns {
    int time, kind, who;
};

static struct columns columns_of(const struct es_replay *r, int width)
{
    struct columns c = {.time = 9,
                        .kind = width >= 50 ? 9 : 7,
                        .who = width >= 90   ? 24
                               : width >= 60 ? 18
                               : width >= 50 ? 16
                                             : 11};
    for (int64_t s = (r->end - r->start) / 1000000000; s >= 10; s /= 10)
        c.time++;
    return c;
}

static void draw_event(struct es_replay_scene *s, struct rect line, const struct es_event *event)
{
    struct es_replay *r = s->replay;
    struct es_text text = {0};
    struct columns c = columns_of(r, line.width);
    int64_t since = event->time - r->start;
    unsigned base = event->seq == r->seq ? ES_GRID_REVERSE : 0;
    int x = line.x, end = line.x + line.width;
    if (event->seq == r->seq)
        es_grid_fill(s->grid, es_grid_place(line.y, x, line.width, base), L' ');
    x += es_grid_puts(s->grid, es_grid_place(line.y, x, 2, base | ES_STYLE_YELLOW), relation(r, event));
    es_text_printf(&text, "+%" PRId64 ".%06" PRId64, since / 1000000000, since % 1000000000 / 1000);
    es_grid_text(s->grid, es_grid_place(line.y, x, c.time, base | ES_STYLE_DIM), text.bytes ? text.bytes : "",
                 text.len);
    x += c.time + 1;
    es_grid_puts(s->grid, es_grid_place(line.y, x, c.kind, base | es_cli_family(event->kind)),
                 es_replay_kind(event->kind));
    x += c.kind + 1;
    es_text_clear(&text);
    if (event->pid != ES_REF_NONE)
        es_replay_who(r, event->pid, event->time, &text);
    bool ours = event->pid == r->pid && r->pid;
    es_grid_text(s->grid, es_grid_place(line.y, x, c.who, base | (ours ? ES_GRID_BOLD : 0)),
                 text.bytes ? text.bytes : "", text.len);
    x += c.who + 1;
    es_text_clear(&text);
    es_replay_row_text(r, event, &text);
    bool faint = es_cli_family(event->kind) == ES_STYLE_DIM;
    if (x < end)
        es_grid_text(s->grid, es_grid_place(line.y, x, end - x, base | (faint ? ES_STYLE_DIM : 0)),
                     text.bytes ? text.bytes : "", text.len);
    es_text_fini(&text);
}

static void draw_row(struct es_replay_scene *s, struct rect line, const struct es_replay_row *row)
{
    struct es_event event;
    char text[96];
    bool here = s->replay->seq >= row->seq && s->replay->seq <= (row->last ? row->last : row->seq);
    if (row->last == 0 && es_query_peek(s->replay->query, row->seq, &event) == 0) {
        draw_event(s, line, &event);
        return;
    }
    es_error_clear();
    snprintf(text, sizeof text, "  events %" PRIu64 " to %" PRIu64 " cannot be read: a damaged block", row->seq,
             row->last ? row->last : row->seq);
    es_grid_puts(s->grid, es_grid_place(line.y, line.x, line.width, ES_STYLE_RED | (here ? ES_GRID_REVERSE : 0)), text);
}

static void draw_events(struct es_replay_scene *s, struct rect list)
{
    struct es_replay_row rows[ROWS_MAX];
    size_t current, height = list.height < ROWS_MAX ? (size_t)list.height : ROWS_MAX;
    if (height == 0)
        return;
    size_t before = height * 2 / 5, n = es_replay_rows(s->replay, before, height - 1, rows, &current);
    /* fewer behind than fit: more before */
    if (n - current < height - before && n < 2 * height) {
        before = height - (n - current);
        n = es_replay_rows(s->replay, before, height - 1, rows, &current);
    }
    for (size_t i = 0; i < height && i < n; i++)
        draw_row(s, (struct rect){list.y + (int)i, list.x, list.width, 1}, &rows[i]);
}

/* At the end of a line: so many are out of sight. */
static void draw_more(struct es_grid *grid, struct rect line, size_t n, const char *where)
{
    char text[48];
    int len = snprintf(text, sizeof text, " %zu %s ", n, where);
    if (len < line.width)
        es_grid_puts(grid, es_grid_place(line.y, line.x + line.width - len, len, ES_STYLE_DIM), text);
}

static void draw_page(struct es_grid *grid, struct rect to, struct es_replay_page *page)
{
    if (page->scroll >= page->n_lines)
        page->scroll = page->n_lines ? page->n_lines - 1 : 0;
    for (int i = 0; i < to.height && page->scroll + (size_t)i < page->n_lines; i++) {
        const struct es_replay_line *line = &page->lines[page->scroll + (size_t)i];
        char start[3] = {(char)0xff, (char)('A' + line->style), 0};
        struct es_text text = {0};
        es_text_puts(&text, start);
        es_text_add(&text, page->text.bytes + line->at, line->end - line->at);
        es_grid_text(grid, es_grid_place(to.y + i, to.x, to.width, 0), text.bytes ? text.bytes : "", text.len);
        es_text_fini(&text);
    }
    size_t below =
        page->n_lines - page->scroll > (size_t)to.height ? page->n_lines - page->scroll - (size_t)to.height : 0;
    if (to.height > 0 && below)
        draw_more(grid, (struct rect){to.y + to.height - 1, to.x, to.width, 1}, below, "below");
    if (to.height > 1 && page->scroll)
        draw_more(grid, (struct rect){to.y, to.x, to.width, 1}, page->scroll, "above");
}

static void draw_detail(struct es_replay_scene *s, struct rect to)
{
    struct es_replay_page page = {0};
    if (to.height < 1)
        return;
    es_replay_event_text(s->replay, &page.text);
    es_replay_wrap(&page, to.width);
    draw_page(s->grid, to, &page);
    es_replay_page_fini(&page);
}

/* ---- panes --------------------------------------------------------------------------------------------------------- */

static void draw_rule(struct es_replay_scene *s, struct rect to, const char *title, bool focused)
{
    es_grid_fill(s->grid, es_grid_place(to.y, to.x, to.width, ES_STYLE_DIM), es_grid_sign(s->grid, L'─', L'-'));
    if (to.width > 6)
        es_grid_puts(s->grid,
                     es_grid_place(to.y, to.x + 1, to.width - 2, focused ? ES_GRID_BOLD | ES_STYLE_CYAN : ES_GRID_BOLD),
                     title);
}

/* The first change comes into sight where it would not be. */
static void show_change(struct es_replay_page *body, int height)
{
    size_t line = 0;
    if (!body->change || body->scroll)
        return;
    while (line + 1 < body->n_lines && body->lines[line].end <= body->change)
        line++;
    if (line + 1 > (size_t)height)
        body->scroll = line > 2 ? line - 2 : 0;
    body->change = 0;
}

/* What a pane has for its text: below its rule, with a margin. */
static struct rect inside_of(struct rect pane)
{
    int width = pane.width > 3 ? pane.width - 2 : 1;
    return (struct rect){pane.y + 1, pane.x + 1, width, pane.height - 1};
}

static void draw_state(struct es_replay_scene *s, struct rect to)
{
    struct es_replay *r = s->replay;
    struct es_text title = {0};
    struct es_cli_buf number, of;
    struct rect inside = inside_of(to);
    es_replay_state_pages(r, (unsigned)inside.width);
    es_text_puts(&title, r->diff ? " Changes: " : " State: ");
    if (r->pid)
        es_replay_who(r, r->pid, r->event.time, &title);
    if (r->has_state && r->state.number)
        es_text_printf(&title, ", version %s of %s", es_cli_count(r->state.number, &number),
                       es_cli_count(r->state.of, &of));
    es_text_puts(&title, " ");
    draw_rule(s, (struct rect){to.y, to.x, to.width, 1}, r->pid ? title.bytes : " State ", r->focus == ES_PANE_STATE);
    es_text_fini(&title);
    int head = (int)r->head.n_lines, left = inside.height;
    head = head < left / 2 ? head : left / 2;
    draw_page(s->grid, (struct rect){inside.y, inside.x, inside.width, head}, &r->head);
    show_change(&r->body, left - head);
    draw_page(s->grid, (struct rect){inside.y + head, inside.x, inside.width, left - head}, &r->body);
}

static void draw_process(struct es_replay_scene *s, struct rect to)
{
    struct es_replay *r = s->replay;
    struct es_text title = {0};
    struct rect inside = inside_of(to);
    es_replay_process_page(r, (unsigned)inside.width);
    es_text_puts(&title, " ");
    es_query_print_ref(r->query, r->pid, true, &title);
    es_text_puts(&title, " at this moment ");
    draw_rule(s, (struct rect){to.y, to.x, to.width, 1}, r->pid ? title.bytes : " Process ",
              r->focus == ES_PANE_PROCESS);
    es_text_fini(&title);
    draw_page(s->grid, inside, &r->process);
}

/* Beside the events: one above the other, or only one of them. */
static void place_wide(struct rect body, enum es_replay_pane one, struct places *p)
{
    p->list.width = body.width * 3 / 5;
    struct rect side = {body.y, p->list.width + 1, body.width - p->list.width - 1, body.height};
    int state = body.height >= TALL ? side.height * 11 / 20 : 0;
    p->panes[one] = side;
    if (state) {
        p->panes[ES_PANE_STATE] = (struct rect){side.y, side.x, side.width, state};
        p->panes[ES_PANE_PROCESS] = (struct rect){side.y + state, side.x, side.width, side.height - state};
    }
    if (body.height >= TALL + 2) {
        p->list.height -= DETAIL;
        p->detail = (struct rect){p->list.y + p->list.height, 0, p->list.width, DETAIL};
    }
}

/* Below them: one beside the other, or only one of them. */
static void place_below(struct rect body, enum es_replay_pane one, struct places *p)
{
    if (body.height < 8)
        return;
    p->list.height = body.height / 2;
    int y = body.y + p->list.height, height = body.height - p->list.height, left = body.width / 2;
    p->panes[one] = (struct rect){y, 0, body.width, height};
    if (body.width >= HALF) {
        p->panes[ES_PANE_STATE] = (struct rect){y, 0, left, height};
        p->panes[ES_PANE_PROCESS] = (struct rect){y, left + 1, body.width - left - 1, height};
    }
}

static void place(const struct es_replay *r, struct rect body, struct places *p)
{
    enum es_replay_pane one = r->focus == ES_PANE_PROCESS ? ES_PANE_PROCESS : ES_PANE_STATE;
    *p = (struct places){.list = body};
    if (body.width >= WIDE)
        place_wide(body, one, p);
    else
        place_below(body, one, p);
}

/* A line down, beside a pane. */
static void draw_border(struct es_grid *grid, struct rect pane)
{
    for (int i = 0; pane.x > 0 && i < pane.height; i++)
        es_grid_fill(grid, es_grid_place(pane.y + i, pane.x - 1, 1, ES_STYLE_DIM), es_grid_sign(grid, L'│', L'|'));
}

static void draw_body(struct es_replay_scene *s, int y, int height)
{
    struct places p;
    struct es_cli_buf seq;
    char title[64];
    struct es_replay *r = s->replay;
    place(r, (struct rect){y, 0, s->grid->width, height}, &p);
    draw_rule(s, (struct rect){y, 0, p.list.width, 1}, r->only ? " Events of this process " : " Events ",
              r->focus == ES_PANE_LIST);
    draw_events(s, (struct rect){y + 1, 0, p.list.width, p.list.height - 1});
    if (p.detail.height) {
        snprintf(title, sizeof title, " #%s ", es_cli_count(r->seq, &seq));
        draw_rule(s, (struct rect){p.detail.y, 0, p.detail.width, 1}, title, false);
        draw_detail(s, (struct rect){p.detail.y + 1, 1, p.detail.width - 2, p.detail.height - 1});
    }
    draw_border(s->grid, p.panes[ES_PANE_STATE]);
    draw_border(s->grid, p.panes[ES_PANE_PROCESS]);
    if (s->rows_only)
        return;
    if (p.panes[ES_PANE_STATE].height > 1)
        draw_state(s, p.panes[ES_PANE_STATE]);
    if (p.panes[ES_PANE_PROCESS].height > 1)
        draw_process(s, p.panes[ES_PANE_PROCESS]);
}

/* ---- the line of keys ---------------------------------------------------------------------------------------------- */

static void draw_keys(struct es_replay_scene *s, int y)
{
    static const char *const order[] = {"?", "q",     "n", "p", "s", "m", "c", "w", "/",
                                        "g", "Space", "l", "e", "[", ".", "o", "d"};
    int x = 1;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        const struct es_replay_key *key = es_replay_key(order[i]);
        int need = (int)strlen(order[i]) + (key && key->label ? (int)strlen(key->label) : 0) + 3;
        if (!key || !key->label || x + need > s->grid->width)
            continue;
        x += es_grid_puts(s->grid, es_grid_place(y, x, need, ES_GRID_BOLD), order[i]) + 1;
        x += es_grid_puts(s->grid, es_grid_place(y, x, need, ES_STYLE_DIM), key->label) + 2;
    }
}

static void draw_status(struct es_replay_scene *s, int y)
{
    struct es_replay *r = s->replay;
    s->cursor = -1;
    if (s->prompt) {
        int x = 1 + es_grid_puts(s->grid, es_grid_place(y, 1, s->grid->width - 2, ES_GRID_BOLD), s->prompt) + 1;
        size_t len = strlen(s->typed), from = 0;
        while (es_grid_columns(s->typed + from, len - from) > s->grid->width - x - 2 && from < len)
            from++;
        x += es_grid_text(s->grid, es_grid_place(y, x, s->grid->width - x - 1, 0), s->typed + from, len - from);
        s->cursor = x;
    } else if (r->message[0]) {
        es_grid_puts(s->grid, es_grid_place(y, 1, s->grid->width - 2, r->failed ? ES_STYLE_RED : ES_STYLE_YELLOW),
                     r->message);
    } else if (r->view != ES_VIEW_EVENTS) {
        es_grid_puts(s->grid, es_grid_place(y, 1, s->grid->width - 2, ES_STYLE_DIM),
                     r->view == ES_VIEW_HELP ? "Up Down scroll  Esc close" : "Up Down move  Enter choose  Esc close");
    } else {
        draw_keys(s, y);
    }
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

static bool draw_too_small(struct es_replay_scene *s)
{
    char text[96];
    if (s->grid->width >= ES_REPLAY_WIDTH && s->grid->height >= ES_REPLAY_HEIGHT)
        return false;
    snprintf(text, sizeof text, "too small: %dx%d, needs %dx%d", s->grid->width, s->grid->height, ES_REPLAY_WIDTH,
             ES_REPLAY_HEIGHT);
    es_grid_puts(s->grid, es_grid_place(s->grid->height / 2, 0, s->grid->width, 0), text);
    if (s->grid->height > 1)
        es_grid_puts(s->grid, es_grid_place(s->grid->height - 1, 0, s->grid->width, ES_STYLE_DIM), "q quit");
    return true;
}

void es_replay_draw(struct es_replay_scene *s)
{
    int y = 0, height = s->grid->height;
    es_grid_clear(s->grid);
    s->cursor = -1;
    if (draw_too_small(s))
        return;
    if (height >= 14)
        es_replay_draw_title(s, y++);
    es_replay_draw_position(s, y++);
    es_replay_draw_film(s, y++);
    if (s->replay->view == ES_VIEW_EVENTS)
        draw_body(s, y, height - y - 1);
    else
        es_replay_draw_list(s, y, height - y - 1);
    draw_status(s, height - 1);
}
