/* SPDX-License-Identifier: MIT */
/* The whole recording as a strip of a few cells. What the index says of a block is enough where the block is shorter than a
 * cell; only of the others the times are read, one a step, so that nobody waits for it. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/inner.h"

#define ERRORS (UINT64_C(1) << ES_K_CRASH | UINT64_C(1) << ES_K_LOG)

struct es_film {
    struct es_query *query;
    uint32_t width;
    int64_t from, to;
    size_t next; /* block */
    struct es_film_cell *cells;
};

static uint32_t cell_at(const struct es_film *film, int64_t time)
{
    if (time <= film->from)
        return 0;
    uint64_t since = (uint64_t)time - (uint64_t)film->from, all = (uint64_t)film->to - (uint64_t)film->from + 1;
    uint64_t at = (uint64_t)((unsigned __int128)since * film->width / (all ? all : UINT64_MAX));
    return at < film->width ? (uint32_t)at : film->width - 1;
}

uint32_t es_film_at(const struct es_film *film, int64_t time) { return cell_at(film, time); }

static void flag(struct es_film *film, int64_t from, int64_t to, uint8_t what)
{
    if (to < film->from || from > film->to)
        return;
    for (uint32_t i = cell_at(film, from); i <= cell_at(film, to); i++)
        film->cells[i].flags |= what;
}

static void add_losses(struct es_film *film)
{
    const struct es_loss *losses = NULL;
    size_t n = es_recording_losses(film->query->recording, &losses);
    for (size_t i = 0; i < n; i++)
        flag(film, losses[i].from, losses[i].to, ES_FILM_LOST);
}

static uint8_t flags_of(unsigned kind)
{
    return ERRORS >> kind & 1 ? ES_FILM_ERROR : kind == ES_K_MARK ? ES_FILM_MARK : kind == ES_K_GAP ? ES_FILM_LOST : 0;
}

static void add_whole(struct es_film *film, const struct es_block_info *block)
{
    struct es_film_cell *cell = &film->cells[cell_at(film, block->first_time)];
    cell->events += block->events;
    for (unsigned kind = 0; kind < ES_KIND_MAX; kind++)
        if (block->kinds[kind])
            cell->flags |= flags_of(kind);
}

static int add_events(struct es_film *film, size_t index, const struct es_block_info *info)
{
    struct es_block *block;
    int rc = es_block_get_fields(film->query->recording, index, ES_NO_FIELDS, &block);
    if (rc == -EBADMSG || rc == -ENOENT) {
        es_error_clear();
        flag(film, info->first_time, info->last_time, ES_FILM_DAMAGED);
        return 0;
    }
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < block->n; i++) {
        struct es_film_cell *cell = &film->cells[cell_at(film, block->events[i].time)];
        cell->events++;
        cell->flags |= flags_of(block->events[i].kind);
    }
    es_block_unref(film->query->recording, block);
    return 0;
}

int es_film_open(struct es_query *query, uint32_t width, struct es_film **ret_film)
{
    if (width == 0 || width > ES_FILM_CELLS)
        return es_fail(-EINVAL, "a film has 1 to %u cells", ES_FILM_CELLS);
    struct es_film *film = calloc(1, sizeof *film);
    struct es_film_cell *cells = calloc(width, sizeof *cells);
    if (!film || !cells) {
        free(film);
        free(cells);
        return es_fail(-ENOMEM, "no memory for a film");
    }
    *film = (struct es_film){.query = query, .width = width, .cells = cells};
    es_query_span(query, &film->from, &film->to);
    add_losses(film);
    *ret_film = film;
    return 0;
}

int es_film_step(struct es_film *film)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(film->query->recording, &blocks);
    for (; film->next < n; film->next++) {
        const struct es_block_info *block = &blocks[film->next];
        if (cell_at(film, block->first_time) == cell_at(film, block->last_time)) {
            add_whole(film, block);
            continue;
        }
        int rc = add_events(film, film->next, block);
        film->next++;
        return rc < 0 ? rc : 1;
    }
    return 0;
}

const struct es_film_cell *es_film_cells(const struct es_film *film) { return film->cells; }

void es_film_close(struct es_film *film)
{
    if (film)
        free(film->cells);
    free(film);
}
