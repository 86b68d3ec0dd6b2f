/* SPDX-License-Identifier: MIT */
#include "cli/replay_grid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "term/utf8.h"

#define REPLACEMENT 0xfffd

int es_grid_init(struct es_grid *grid, int width, int height)
{
    struct es_grid_cell *cells = calloc((size_t)width * (size_t)height + 1, sizeof *cells);
    if (!cells)
        return es_fail(-ENOMEM, "no memory for a screen");
    *grid = (struct es_grid){.width = width, .height = height, .unicode = true, .cells = cells};
    es_grid_clear(grid);
    return 0;
}

void es_grid_fini(struct es_grid *grid)
{
    free(grid->cells);
    grid->cells = NULL;
}

void es_grid_clear(struct es_grid *grid)
{
    for (int i = 0; i < grid->width * grid->height; i++)
        grid->cells[i] = (struct es_grid_cell){.text = {L' '}};
}

const struct es_grid_cell *es_grid_cell(const struct es_grid *grid, int y, int x)
{
    return &grid->cells[y * grid->width + x];
}

/* ---- characters ---------------------------------------------------------------------------------------------------- */

struct character {
    uint32_t point;
    int columns; /* 0: a mark on the one before; -1: a change of style, which is `point` */
    size_t len;
};

/* What can be shown of the bytes here; there is at least one. */
static struct character next_character(const char *bytes, size_t len)
{
    struct character c = {.point = REPLACEMENT, .columns = 1, .len = 1};
    if ((unsigned char)bytes[0] == 0xff && len > 1 && bytes[1] >= 'A' && bytes[1] <= 'A' + ES_STYLE_CYAN)
        return (struct character){(uint32_t)(bytes[1] - 'A'), -1, 2};
    uint32_t point;
    size_t taken = es_utf8_next((const uint8_t *)bytes, len, &point);
    if (taken == 0)
        return c;
    c.len = taken;
    if (point == '\t')
        point = ' ';
    int columns =
        point < 0x20 || (point >= 0x7f && point < 0xa0) || es_is_deceptive(point) ? -1 : wcwidth((wchar_t)point);
    if (columns >= 0) {
        c.point = point;
        c.columns = columns;
    }
    return c;
}

int es_grid_columns(const char *bytes, size_t len)
{
    int columns = 0;
    while (len > 0) {
        struct character c = next_character(bytes, len);
        columns += c.columns > 0 ? c.columns : 0;
        bytes += c.len;
        len -= c.len;
    }
    return columns;
}

static wchar_t shown(const struct es_grid *grid, uint32_t point)
{
    if (grid->unicode || point < 0x80)
        return (wchar_t)point;
    return point == 0x2192 ? L'>' : point == 0x2190 ? L'<' : point == 0x2026 ? L'~' : L'?';
}

/* The cell before gets a mark. */
static void combine(struct es_grid *grid, int y, int x, uint32_t point)
{
    struct es_grid_cell *cell = x > 0 ? &grid->cells[y * grid->width + x - 1] : NULL;
    if (cell && cell->text[0] == 0 && x > 1)
        cell--;
    if (cell && grid->unicode && cell->text[0] != L' ' && cell->text[1] == 0)
        cell->text[1] = (wchar_t)point;
}

static void put(struct es_grid *grid, int y, int x, const struct character *c, uint8_t style)
{
    struct es_grid_cell *cell = &grid->cells[y * grid->width + x];
    *cell = (struct es_grid_cell){.text = {shown(grid, c->point)}, .style = style};
    if (c->columns == 2 && grid->unicode)
        cell[1] = (struct es_grid_cell){.style = style};
    else if (c->columns == 2)
        cell[1] = (struct es_grid_cell){.text = {L' '}, .style = style};
}

/* ---- text ---------------------------------------------------------------------------------------------------------- */

int es_grid_text(struct es_grid *grid, struct es_grid_at at, const char *bytes, size_t len)
{
    static const struct character ellipsis = {0x2026, 1, 3};
    int used = 0;
    uint8_t style = at.style;
    if (at.y < 0 || at.y >= grid->height || at.x < 0)
        return 0;
    if (at.width > grid->width - at.x)
        at.width = grid->width - at.x;
    while (len > 0 && *bytes != '\n') {
        struct character c = next_character(bytes, len);
        if (c.columns == -1)
            style = c.point == ES_STYLE_NONE ? at.style : (uint8_t)((at.style & ~ES_GRID_STYLE) | c.point);
        else if (c.columns == 0)
            combine(grid, at.y, at.x + used, c.point);
        else if (used + c.columns <= at.width) {
            put(grid, at.y, at.x + used, &c, style);
            used += c.columns;
        } else {
            if (at.width > 0)
                put(grid, at.y, at.x + at.width - 1, &ellipsis, style);
            return at.width;
        }
        bytes += c.len;
        len -= c.len;
    }
    return used;
}

int es_grid_puts(struct es_grid *grid, struct es_grid_at at, const char *string)
{
    return es_grid_text(grid, at, string, strlen(string));
}

void es_grid_fill(struct es_grid *grid, struct es_grid_at at, wchar_t what)
{
    struct character c = {(uint32_t)what, 1, 1};
    for (int x = at.x; x < at.x + at.width && x < grid->width && at.y >= 0 && at.y < grid->height; x++)
        put(grid, at.y, x, &c, at.style);
}

void es_grid_paint(struct es_grid *grid, struct es_grid_at at)
{
    for (int x = at.x; x < at.x + at.width && x < grid->width && at.y >= 0 && at.y < grid->height; x++)
        grid->cells[at.y * grid->width + x].style |= at.style;
}

void es_grid_print(const struct es_grid *grid, struct es_text *out)
{
    char bytes[4];
    for (int y = 0; y < grid->height; y++) {
        for (int x = 0; x < grid->width; x++) {
            const struct es_grid_cell *cell = es_grid_cell(grid, y, x);
            for (int i = 0; i < 2 && cell->text[i]; i++)
                es_text_add(out, bytes, es_utf8_put((uint32_t)cell->text[i], bytes));
        }
        es_cli_trim(out);
        es_text_puts(out, "\n");
    }
}

/* ---- pages --------------------------------------------------------------------------------------------------------- */

static bool add_line(struct es_replay_page *page, struct es_replay_line line)
{
    if (page->n_lines == page->room) {
        size_t room = page->room ? page->room * 2 : 64;
        struct es_replay_line *lines = realloc(page->lines, room * sizeof *lines);
        if (!lines)
            return false;
        page->lines = lines;
        page->room = room;
    }
    page->lines[page->n_lines++] = line;
    return true;
}

/* Where a line that is too long ends: behind its last blank, if that leaves half of it; else here. */
static size_t break_at(const char *bytes, size_t from, size_t here)
{
    for (size_t at = here; at > from + (here - from) / 2; at--)
        if (bytes[at - 1] == ' ')
            return at;
    return here;
}

static uint8_t style_at(const char *bytes, size_t from, size_t to, uint8_t style)
{
    for (; from + 1 < to; from++)
        if ((unsigned char)bytes[from] == 0xff)
            style = (uint8_t)(bytes[from + 1] - 'A');
    return style;
}

void es_replay_wrap(struct es_replay_page *page, int width)
{
    const char *bytes = page->text.bytes;
    size_t len = page->text.len, at = 0;
    struct es_replay_line line = {0};
    int used = 0;
    page->n_lines = 0;
    while (at < len) {
        struct character c = next_character(bytes + at, len - at);
        bool ends = bytes[at] == '\n', full = !ends && c.columns > 0 && used > 0 && used + c.columns > width;
        if (ends || full) {
            line.end = ends ? at : break_at(bytes, line.at, at);
            if (!add_line(page, line))
                return;
            line.style = style_at(bytes, line.at, line.end, line.style);
            line.at = at = line.end + ends;
            used = 0;
            continue;
        }
        used += c.columns > 0 ? c.columns : 0;
        at += c.len;
    }
    line.end = len;
    if (line.end > line.at)
        add_line(page, line);
}

void es_replay_page_fini(struct es_replay_page *page)
{
    es_text_fini(&page->text);
    free(page->lines);
    page->lines = NULL;
    page->n_lines = page->room = 0;
}
