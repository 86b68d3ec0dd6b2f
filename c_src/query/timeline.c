/* SPDX-License-Identifier: MIT */
/* A window of a timeline. Blocks are walked in order of time, as many at once as may be in memory; within these lane by lane, pixel by
 * pixel. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/timeline_index.h"

#define FEW 4u /* events that are added one by one */

/* The pixel a lane is in, and what it has seen of it. */
struct lane {
    uint32_t px, n; /* n: events in it */
    uint32_t counts[ES_TL_FAMILIES];
    uint64_t seq;
    const struct es_rank *ranks;
    unsigned rank;
    uint8_t doing, before; /* in the pixel; when it began */
};

struct window {
    struct es_query *query;
    const struct es_timeline_request *request;
    struct es_lane_index *index;
    struct es_timeline *answer; /* in the index */
    int64_t since, until;
    int64_t *edges; /* width + 1: where pixels begin */
    double scale;   /* pixels a nanosecond */
    struct lane *lanes;
    size_t parts; /* how often lanes began anew */
};

/* ---- runs ---------------------------------------------------------------------------------------------------------- */

static bool grow(void *array, size_t room, size_t size)
{
    void *bigger = realloc(*(void **)array, room * size);
    if (bigger)
        *(void **)array = bigger;
    return bigger != NULL;
}

static int reserve(struct window *w, size_t more)
{
    struct es_timeline *a = w->answer;
    if (a->n_runs + more <= w->index->room)
        return 0;
    size_t room = (a->n_runs + more) * 2;
    bool ok = grow(&a->at, room, sizeof *a->at) && grow(&a->width, room, sizeof *a->width) &&
              grow(&a->counts, room, sizeof *a->counts) && grow(&a->seq, room, sizeof *a->seq) &&
              grow(&a->strongest, room, 1) && grow(&a->flags, room, 1) &&
              grow(&w->index->lane_of, room, sizeof *w->index->lane_of);
    w->index->room = ok ? room : w->index->room;
    return ok ? 0 : es_fail(-ENOMEM, "no memory for a timeline");
}

static uint8_t flags_of(uint8_t before, uint8_t doing)
{
    unsigned flags = 0;
    if ((doing & ES_DO_SCHEDULED) || (before & ES_DO_MASK) == ES_DO_ON)
        flags |= ES_TL_RAN;
    if ((doing & ES_DO_SCHEDULED) || (before & ES_DO_MASK) == ES_DO_OFF)
        flags |= ES_TL_RESTED;
    if ((doing & ES_DO_COLLECTED) || (before & ES_DO_GC_MASK) == ES_DO_GC)
        flags |= ES_TL_COLLECTED;
    return (uint8_t)flags;
}

static inline bool is_same(const uint32_t *a, const uint32_t *b)
{
    uint32_t differ = 0;
    for (unsigned f = 0; f < ES_TL_FAMILIES; f++)
        differ |= a[f] ^ b[f];
    return differ == 0;
}

/* Is the run like the last one, which ends where it begins? */
static inline bool goes_on(const struct window *w, size_t lane, const struct lane *l, uint8_t flags)
{
    const struct es_timeline *a = w->answer;
    size_t last = a->n_runs - 1;
    return a->n_runs > 0 && a->at[last] + a->width[last] == l->px && w->index->lane_of[last] == lane &&
           a->flags[last] == flags && a->strongest[last] == l->ranks[l->rank].kind && l->n != 1 && !a->seq[last] &&
           is_same(a->counts[last], l->counts);
}

static void add_run(struct window *w, size_t lane, const struct lane *l, uint32_t width)
{
    struct es_timeline *a = w->answer;
    uint8_t flags = flags_of(l->before, l->doing);
    size_t k = a->n_runs;
    if (goes_on(w, lane, l, flags)) {
        a->width[k - 1] += width;
        return;
    }
    a->at[k] = l->px;
    a->width[k] = width;
    a->flags[k] = flags;
    a->strongest[k] = l->ranks[l->rank].kind;
    a->seq[k] = l->n == 1 ? l->seq : 0;
    memcpy(a->counts[k], l->counts, sizeof l->counts);
    w->index->lane_of[k] = (uint32_t)lane;
    a->n_runs = k + 1;
}

/* Leaves the pixel the lane is in for pixel `px`; between the two the lane goes on as it was. Needs room for two runs. */
static void go_to(struct window *w, size_t lane, uint32_t px)
{
    struct lane *l = &w->lanes[lane];
    uint32_t next = l->px + 1;
    if (l->n > 0 || flags_of(l->before, 0))
        add_run(w, lane, l, 1);
    *l = (struct lane){
        .px = next, .ranks = l->ranks, .before = es_doing_then(l->before, l->doing) & (ES_DO_MASK | ES_DO_GC_MASK)};
    if (px > next && flags_of(l->before, 0))
        add_run(w, lane, l, px - next);
    l->px = px;
} /* NOLINT(clang-analyzer-unix.Malloc): all it has is the window's, or its answer's */

/* ---- events -------------------------------------------------------------------------------------------------------- */

static inline es_counts counts_before(const struct es_lane_part *part, uint32_t i)
{
    const struct es_leaf *leaf = &part->leaves[i / ES_LEAF_EVENTS];
    uint16_t those = (uint16_t)((1u << i % ES_LEAF_EVENTS) - 1);
    return es_counts_load(leaf->before) + es_counts_ones(es_counts_load(leaf->members) & those);
}

/* Adds events one by one. */
static void add_few(const struct es_lane_part *part, uint32_t i, uint32_t end, struct lane *l)
{
    for (; i < end; i++) {
        uint8_t rank = part->ranks[i];
        l->counts[l->ranks[rank].family]++;
        l->rank = rank > l->rank ? rank : l->rank;
        l->doing = es_doing_then(l->doing, l->ranks[rank].doing);
    }
}

/* What events of one leaf, of which some are meant, may add to rank and doing. */
static void add_inner(const struct es_lane_part *part, uint32_t i, uint32_t end, struct lane *l)
{
    const struct es_tip *leaf = &part->tips[i / ES_LEAF_EVENTS];
    const uint8_t *ranks = part->ranks;
    unsigned strongest = l->rank;
    for (uint32_t k = i; k < end && strongest < leaf->rank; k++)
        strongest = ranks[k] > strongest ? ranks[k] : strongest;
    l->rank = strongest;
    for (uint32_t k = i; leaf->doing && k < end; k++)
        l->doing = es_doing_then(l->doing, l->ranks[ranks[k]].doing);
}

/* Rank and doing of the events i to end, with those of whole leaves where these are in between. */
static void add_strength(const struct es_lane_part *part, uint32_t i, uint32_t end, struct lane *l)
{
    uint32_t first = (i + ES_LEAF_EVENTS - 1) / ES_LEAF_EVENTS, last = end / ES_LEAF_EVENTS;
    if (i == 0 && end == part->n) {
        l->rank = part->rank > l->rank ? part->rank : l->rank;
        l->doing = es_doing_then(l->doing, part->doing);
        return;
    }
    if (first > last) {
        add_inner(part, i, end, l);
        return;
    }
    unsigned strongest = l->rank;
    bool did = false;
    for (uint32_t leaf = first; leaf < last; leaf++) {
        strongest = part->tips[leaf].rank > strongest ? part->tips[leaf].rank : strongest;
        did |= part->tips[leaf].doing != 0;
    }
    l->rank = strongest;
    if (i < first * ES_LEAF_EVENTS)
        add_inner(part, i, first * ES_LEAF_EVENTS, l);
    for (uint32_t leaf = first; did && leaf < last; leaf++)
        l->doing = es_doing_then(l->doing, part->tips[leaf].doing);
    if (last * ES_LEAF_EVENTS < end)
        add_inner(part, last * ES_LEAF_EVENTS, end, l);
}

/* Adds the events i to end of the part to the pixel. */
static void add_events(const struct es_lane_part *part, uint32_t i, uint32_t end, struct lane *l)
{
    uint32_t n = end - i;
    if (n < FEW || !part->leaves) {
        add_few(part, i, end, l);
    } else if (n > UINT16_MAX) { /* sums are modulo that */
        add_events(part, i, i + n / 2, l);
        add_events(part, i + n / 2, end, l);
        return;
    } else {
        es_counts c = counts_before(part, end) - counts_before(part, i);
        for (unsigned f = 0; f < ES_TL_FAMILIES; f++)
            l->counts[f] += c[f];
        add_strength(part, i, end, l);
    }
    l->n += n;
}

static uint32_t pixel_of(const struct window *w, int64_t time, uint32_t from)
{
    uint32_t width = w->request->width;
    uint32_t px = from;
    if (from + 1 < width && time >= w->edges[from + 1]) {
        double guess = (double)((uint64_t)time - (uint64_t)w->since) * w->scale;
        px = guess < width ? (uint32_t)guess : width - 1;
    }
    while (px > from && w->edges[px] > time)
        px--;
    while (px + 1 < width && w->edges[px + 1] <= time)
        px++;
    return px;
}

static uint64_t since_first(const struct es_block_info *block, int64_t time)
{
    return time > block->first_time ? (uint64_t)time - (uint64_t)block->first_time : 0;
}

static void walk(struct window *w, size_t lane, const struct es_lane_part *part, const struct es_block_info *block)
{
    struct lane *l = &w->lanes[lane];
    uint32_t i = block->first_time < w->since ? es_lane_until(part, 0, since_first(block, w->since)) : 0,
             n = block->last_time < w->until ? part->n : es_lane_until(part, i, since_first(block, w->until));
    if (i > 0) { /* only what it was doing matters of the time before the window */
        struct lane past = {.ranks = l->ranks};
        if (part->doing && part->leaves)
            add_strength(part, 0, i, &past);
        else if (part->doing)
            add_few(part, 0, i, &past);
        l->before = es_doing_then(l->before, past.doing) & (ES_DO_MASK | ES_DO_GC_MASK);
    }
    while (i < n) {
        int64_t time = (int64_t)((uint64_t)block->first_time + es_lane_time(part, i));
        uint32_t px = pixel_of(w, time, l->px);
        if (px != l->px)
            go_to(w, lane, px);
        uint32_t end = es_lane_until(part, i, since_first(block, w->edges[px + 1]));
        if (end == i) /* a file that lies about times */
            break;
        if (l->n == 0)
            l->seq = block->first_seq + part->places[i];
        add_events(part, i, end, l);
        i = end;
    }
}

/* ---- blocks -------------------------------------------------------------------------------------------------------- */

static bool is_touched(const struct window *w, const struct es_block_info *block)
{
    return es_lanes_touched(block, w->since, w->until);
}

/* Blocks `from` to `to`; `last`: the window ends with them. */
static int walk_blocks(struct window *w, size_t from, size_t to, bool last)
{
    const struct es_lane_index *index = w->query->lanes;
    const struct es_timeline_request *request = w->request;
    const struct es_block_info *infos = NULL;
    int rc = 0;
    es_recording_blocks(w->query->recording, &infos);
    w->parts++;
    for (size_t lane = 0; rc == 0 && lane < request->n_lanes; lane++) {
        rc = reserve(w, 2);
        for (size_t b = from; rc == 0 && b < to; b++) {
            const struct es_lane_part *part =
                is_touched(w, &infos[b]) ? es_lanes_find(&index->blocks[b], request->lanes[lane]) : NULL;
            if (part)
                rc = reserve(w, 2 * (size_t)(part->n < request->width ? part->n : request->width) + 2);
            if (rc == 0 && part)
                walk(w, lane, part, &infos[b]);
        }
        if (rc == 0 && last)
            go_to(w, lane, request->width);
    }
    return rc;
}

static int add_hole(struct window *w, const struct es_block_info *block)
{
    struct es_timeline *a = w->answer;
    if (!grow(&a->holes, a->n_holes + 1, sizeof *a->holes))
        return es_fail(-ENOMEM, "no memory for a timeline");
    a->holes[a->n_holes++] = (struct es_timeline_hole){block->first_time, block->last_time, block->events};
    return 0;
}

static int walk_all(struct window *w)
{
    const struct es_lanes_wish wish = {{w->request->lanes, w->request->n_lanes}, w->since, w->until};
    const struct es_block_info *infos = NULL;
    size_t n = es_recording_blocks(w->query->recording, &infos), from = 0, to = 0;
    int rc = 0;
    do {
        rc = es_lanes_read(w->query, &wish, from, &to);
        for (size_t i = from; rc == 0 && i < to; i++)
            if (is_touched(w, &infos[i]) && w->index->blocks[i].damaged)
                rc = add_hole(w, &infos[i]);
        if (rc == 0)
            rc = walk_blocks(w, from, to, to == n);
        from = to;
    } while (rc == 0 && to < n);
    return rc;
}

/* ---- the whole ----------------------------------------------------------------------------------------------------- */

/* Elements to the places where their lanes have them. */
static int reorder(void *array, size_t size, const uint32_t *places, size_t n)
{
    uint8_t *elements = array, *ordered = malloc((n + 1) * size);
    if (!ordered)
        return es_fail(-ENOMEM, "no memory for a timeline");
    for (size_t i = 0; i < n; i++)
        memcpy(ordered + places[i] * size, elements + i * size, size);
    memcpy(elements, ordered, n * size);
    free(ordered);
    return 0;
}

/* Where several parts were walked their runs follow each other; of one lane they are in order already. */
static int order_runs(struct window *w)
{
    struct es_timeline *a = w->answer;
    size_t n = a->n_runs;
    if (!grow(&a->first, w->request->n_lanes + 2, sizeof *a->first))
        return es_fail(-ENOMEM, "no memory for a timeline");
    memset(a->first, 0, (w->request->n_lanes + 2) * sizeof *a->first);
    for (size_t i = 0; i < n; i++)
        a->first[w->index->lane_of[i] + 1]++;
    for (size_t lane = 0; lane < w->request->n_lanes; lane++)
        a->first[lane + 1] += a->first[lane];
    if (w->parts == 1)
        return 0;
    uint32_t *places = malloc((n + 1) * sizeof *places), *next = malloc((w->request->n_lanes + 1) * sizeof *next);
    int rc = places && next ? 0 : es_fail(-ENOMEM, "no memory for a timeline");
    if (rc == 0) {
        memcpy(next, a->first, w->request->n_lanes * sizeof *next);
        for (size_t i = 0; i < n; i++)
            places[i] = next[w->index->lane_of[i]]++;
        if (reorder(a->at, sizeof *a->at, places, n) < 0 || reorder(a->width, sizeof *a->width, places, n) < 0 ||
            reorder(a->counts, sizeof *a->counts, places, n) < 0 || reorder(a->seq, sizeof *a->seq, places, n) < 0 ||
            reorder(a->strongest, 1, places, n) < 0 || reorder(a->flags, 1, places, n) < 0)
            rc = -ENOMEM;
    }
    free(places);
    free(next);
    return rc;
}

static int set_window(struct window *w)
{
    const struct es_timeline_request *r = w->request;
    int64_t first = 0, last = 0;
    bool any = es_query_span(w->query, &first, &last);
    w->since = r->since == INT64_MIN ? first : r->since;
    w->until = r->until == INT64_MAX ? (any && last < INT64_MAX ? last + 1 : 1) : r->until;
    if (r->n_lanes == 0 || r->width == 0)
        return es_fail(-EINVAL, "a timeline needs a lane and a pixel");
    if (r->n_lanes > ES_TIMELINE_CELLS || r->width > ES_TIMELINE_CELLS / r->n_lanes)
        return es_fail(-EINVAL, "a timeline of %zu lanes and %u pixels is too large", r->n_lanes, r->width);
    if (w->since >= w->until)
        return es_fail(-EINVAL, "the window ends before it begins");
    return 0;
}

static int make_edges(struct window *w)
{
    unsigned __int128 span = (uint64_t)w->until - (uint64_t)w->since, width = w->request->width;
    w->scale = (double)width / (double)(uint64_t)span;
    w->edges = malloc(((size_t)width + 1) * sizeof *w->edges);
    w->lanes = calloc(w->request->n_lanes, sizeof *w->lanes);
    if (!w->edges || !w->lanes)
        return es_fail(-ENOMEM, "no memory for a timeline");
    for (size_t lane = 0; lane < w->request->n_lanes; lane++)
        w->lanes[lane].ranks = es_ranks();
    for (uint32_t i = 0; i <= width; i++)
        w->edges[i] = (int64_t)((uint64_t)w->since + (uint64_t)((i * span + width - 1) / width));
    return 0;
}

int es_query_timeline(struct es_query *query, const struct es_timeline_request *request,
                      const struct es_timeline **ret_timeline)
{
    struct window w = {.query = query, .request = request};
    int rc = set_window(&w);
    if (rc == 0)
        rc = make_edges(&w);
    if (rc == 0)
        rc = es_lanes_align(query);
    if (rc == 0) {
        w.index = query->lanes;
        w.answer = &w.index->answer;
        es_lanes_reset(w.index);
        rc = walk_all(&w);
    }
    if (rc == 0)
        rc = order_runs(&w);
    free(w.edges);
    free(w.lanes);
    if (rc < 0)
        return rc;
    w.answer->since = w.since;
    w.answer->until = w.until;
    w.answer->n_lanes = request->n_lanes;
    *ret_timeline = w.answer;
    return 0;
}
