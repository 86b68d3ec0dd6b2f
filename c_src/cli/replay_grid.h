/* SPDX-License-Identifier: MIT */
/* A screen in memory. All that comes from a recording gets onto it here, and only as what can be seen: control characters, escape
 * sequences, invalid UTF-8 and marks that turn text around become replacement characters; wide characters take two cells. */
#ifndef ES_CLI_REPLAY_GRID_H
#define ES_CLI_REPLAY_GRID_H

#include <wchar.h>

#include "cli/replay.h"

#define ES_GRID_STYLE 0x0f   /* enum es_style */
#define ES_GRID_REVERSE 0x10 /* beside it */
#define ES_GRID_BOLD 0x20

struct es_grid_cell {
    wchar_t text[3]; /* a character, a mark on it; 0: the right half of a wide one */
    uint8_t style;
};
struct es_grid {
    int width, height;
    bool unicode;
    struct es_grid_cell *cells;
};
int es_grid_init(struct es_grid *grid, int width, int height); /* -ENOMEM */
void es_grid_fini(struct es_grid *grid);
void es_grid_clear(struct es_grid *grid);

struct es_grid_at {
    int y, x, width; /* at most so many columns */
    uint8_t style;   /* before text chooses another */
};
static inline struct es_grid_at es_grid_place(int y, int x, int width, unsigned style)
{
    return (struct es_grid_at){y, x, width, (uint8_t)style};
}
/* A sign, or what stands for it where there is only ASCII. */
static inline wchar_t es_grid_sign(const struct es_grid *grid, wchar_t sign, wchar_t plain)
{
    return grid->unicode ? sign : plain;
}
/* Puts text up to its end or the first newline; where it does not fit, ends with …. Gives the columns used. */
int es_grid_text(struct es_grid *grid, struct es_grid_at at, const char *bytes, size_t len);
int es_grid_puts(struct es_grid *grid, struct es_grid_at at, const char *string);
/* `times` the same one, of one column. */
void es_grid_fill(struct es_grid *grid, struct es_grid_at at, wchar_t what);
/* Changes the style of what is there. */
void es_grid_paint(struct es_grid *grid, struct es_grid_at at);
const struct es_grid_cell *es_grid_cell(const struct es_grid *grid, int y, int x);
/* The screen as lines of text, without styles. */
void es_grid_print(const struct es_grid *grid, struct es_text *out);

/* Columns of a text. */
int es_grid_columns(const char *bytes, size_t len);

#endif
