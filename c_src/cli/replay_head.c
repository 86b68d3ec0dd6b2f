/* SPDX-License-Identifier: MIT */
/* The lines at the top: which recording, where in it, the film. */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "cli/replay_grid.h"

static void draw_right(struct es_grid *grid, int y, int from, const char *text, unsigned style)
{
    int n = es_grid_columns(text, strlen(text));
    if (from + n + 2 <= grid->width)
        es_grid_puts(grid, es_grid_place(y, grid->width - n - 1, n, style), text);
}

void es_replay_draw_title(struct es_replay_scene *s, int y)
{
    struct es_replay *r = s->replay;
    struct es_text text = {0};
    struct es_cli_buf events, span, wall;
    const char *node = es_recording_meta(es_query_recording(r->query), "node"), *file = strrchr(r->path, '/');
    int64_t began = es_query_wall(r->query, r->start);
    es_text_printf(&text, " %s%s%s", es_replay_style(ES_STYLE_BOLD), file ? file + 1 : r->path,
                   es_replay_style(ES_STYLE_DIM));
    if (node)
        es_text_printf(&text, "  %s", node);
    if (began != INT64_MIN)
        es_text_printf(&text, "  %.19s", es_cli_wall(began, &wall));
    int used = es_grid_text(s->grid, es_grid_place(y, 0, s->grid->width, 0), text.bytes ? text.bytes : "", text.len);
    es_text_clear(&text);
    es_text_printf(&text, "%s%s events, %s", r->live ? "live, " : "", es_cli_count(r->last - r->first + 1, &events),
                   es_cli_duration(r->end - r->start, &span));
    draw_right(s->grid, y, used, text.bytes ? text.bytes : "", ES_STYLE_DIM);
    es_text_fini(&text);
}

static double percent(const struct es_replay *r)
{
    return r->end > r->start ? (double)(r->event.time - r->start) * 100 / (double)(r->end - r->start) : 0;
}

void es_replay_draw_position(struct es_replay_scene *s, int y)
{
    struct es_replay *r = s->replay;
    struct es_text text = {0};
    struct es_cli_buf seq, wall;
    int64_t since = r->event.time - r->start, clock = es_query_wall(r->query, r->event.time);
    es_text_printf(&text, " %s+%" PRId64 ".%09" PRId64 " s%s   #%s", es_replay_style(ES_STYLE_BOLD), since / 1000000000,
                   since % 1000000000, es_replay_style(ES_STYLE_NONE), es_cli_count(r->seq, &seq));
    es_text_printf(&text, " of %s   %.1f %%", es_cli_count(r->last, &seq), percent(r));
    if (clock != INT64_MIN && s->grid->width >= 90)
        es_text_printf(&text, "   %s%s%s", es_replay_style(ES_STYLE_DIM), es_cli_wall(clock, &wall) + 11,
                       es_replay_style(ES_STYLE_NONE));
    int used = es_grid_text(s->grid, es_grid_place(y, 0, s->grid->width, 0), text.bytes ? text.bytes : "", text.len);
    es_text_clear(&text);
    es_text_printf(&text, "%s%s%s x%g",
                   r->only   ? "only this process  "
                   : r->held ? "held  "
                             : "",
                   r->follow ? "following  " : "", r->playing ? "playing" : "paused", es_replay_speed(r));
    draw_right(s->grid, y, used, text.bytes ? text.bytes : "", r->playing ? ES_STYLE_GREEN : ES_STYLE_DIM);
    es_text_fini(&text);
}

static wchar_t film_sign(const struct es_grid *grid, const struct es_film_cell *cell, uint64_t most)
{
    static const wchar_t blocks[] = L"▁▂▃▄▅▆▇█", plain[] = L"..::==##";
    if (cell->flags & ES_FILM_DAMAGED)
        return L'#';
    if (cell->flags & ES_FILM_ERROR)
        return L'!';
    if (cell->flags & ES_FILM_LOST)
        return L'?';
    if (cell->flags & ES_FILM_MARK)
        return es_grid_sign(grid, L'◆', L'*');
    if (cell->events == 0)
        return es_grid_sign(grid, L'─', L'-');
    return (grid->unicode ? blocks : plain)[most > 1 ? cell->events * 7 / most : 7];
}

static unsigned film_style(const struct es_film_cell *cell, bool played)
{
    if (cell->flags & (ES_FILM_DAMAGED | ES_FILM_ERROR))
        return ES_STYLE_RED;
    if (cell->flags)
        return ES_STYLE_YELLOW;
    return played ? ES_STYLE_BLUE : ES_STYLE_DIM;
}

void es_replay_draw_film(struct es_replay_scene *s, int y)
{
    const struct es_film_cell *cells = s->film ? es_film_cells(s->film) : NULL;
    uint64_t most = 1;
    if (!cells)
        return;
    int here = (int)es_film_at(s->film, s->replay->event.time), width = s->grid->width - 2;
    for (int x = 0; x < width; x++)
        most = cells[x].events > most ? cells[x].events : most;
    for (int x = 0; x < width; x++)
        es_grid_fill(s->grid, es_grid_place(y, x + 1, 1, film_style(&cells[x], x <= here)),
                     film_sign(s->grid, &cells[x], most));
    es_grid_paint(s->grid, es_grid_place(y, here + 1, 1, ES_GRID_REVERSE));
}
