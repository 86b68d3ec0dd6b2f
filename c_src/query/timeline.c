/* SPDX-License-Identifier: MIT */
/* A window of a timeline. Blocks are walked in order of time, as many at once as may be in memory; within these lane by lane, pixel by
 * pixel, with the largest sums that end before the pixel does. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/timeline_index.h"

/* The pixel a lane is in, and what it has seen of it. */
struct lane {
    uint32_t px, n; /* n: events in it */
    uint32_t counts[ES_TL_FAMILIES];
    uint64_t seq;
    unsigned rank;
    uint8_t doing, before; /* in the pixel; when it began */
};

struct window {
    struct es_query *query;
    const struct es_timeline_request *request;
    struct es_timeline *answer;
    int64_t since, until;
    int64_t *edges; /* width + 1: where pixels begin */
    double scale;   /* pixels a nanosecond */
    struct lane *lanes;
    uint32_t *lane_of; /* of each run */
    size_t room;       /* for runs */
    size_t parts;      /* how often lanes began anew */
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
    if (a->n_runs + more <= w->room)
        return 0;
    size_t room = (a->n_runs + more) * 2;
    bool ok = grow(&a->at, room, sizeof *a->at) && grow(&a->width, room, sizeof *a->width) &&
              grow(&a->counts, room, sizeof *a->counts) && grow(&a->seq, room, sizeof *a->seq) &&
              grow(&a->strongest, room, 1) && grow(&a->flags, room, 1) && grow(&w->lane_of, room, sizeof *w->lane_of);
    w->room = ok ? room : w->room;
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

static void add_run(struct window *w, size_t lane, const struct lane *l, uint32_t width)
{
    struct es_timeline *a = w->answer;
    uint8_t flags = flags_of(l->before, l->doing), strongest = (uint8_t)es_kind_of_rank(l->rank);
    uint64_t seq = l->n == 1 ? l->seq : 0;
    size_t k = a->n_runs, last = k - 1;
    if (k > 0 && w->lane_of[last] == lane && a->at[last] + a->width[last] == l->px && a->flags[last] == flags &&
        a->strongest[last] == strongest && !seq && !a->seq[last] &&
        memcmp(a->counts[last], l->counts, sizeof l->counts) == 0) {
        a->width[last] += width;
        return;
    }
    a->at[k] = l->px;
    a->width[k] = width;
    a->flags[k] = flags;
    a->strongest[k] = strongest;
    a->seq[k] = seq;
    memcpy(a->counts[k], l->counts, sizeof l->counts);
    w->lane_of[k] = (uint32_t)lane;
    a->n_runs = k + 1;
}

/* Leaves the pixel the lane is in for pixel `px`; between the two the lane goes on as it was. Needs room for two runs. */
static void go_to(struct window *w, size_t lane, uint32_t px)
{
    struct lane *l = &w->lanes[lane];
    uint32_t next = l->px + 1;
    if (l->n > 0 || flags_of(l->before, 0))
        add_run(w, lane, l, 1);
    *l = (struct lane){.px = next, .before = es_doing_then(l->before, l->doing) & (ES_DO_MASK | ES_DO_GC_MASK)};
    if (px > next && flags_of(l->before, 0))
        add_run(w, lane, l, px - next);
    l->px = px;
} /* NOLINT(clang-analyzer-unix.Malloc): all it has is the window's, or its answer's */

/* ---- events -------------------------------------------------------------------------------------------------------- */

struct part { /* the events of one process in one block */
    const struct es_lane_block *block;
    const struct es_lane_node *nodes;
    size_t first, n;
};

static void add_counts(struct lane *l, uint64_t counts)
{
    for (unsigned i = 0; i < ES_TL_FAMILIES; i++)
        l->counts[i] += (uint32_t)((counts >> (8 * i)) & 255);
}

/* The largest sum that begins at event i and ends before `end`. */
static const struct es_lane_node *node_at(const struct part *p, size_t i, uint64_t end, size_t *ret_n)
{
    if (i % ES_LEAF_EVENTS)
        return NULL;
    size_t leaf = i / ES_LEAF_EVENTS, leaves = p->n / ES_LEAF_EVENTS, branch = i / ES_BRANCH_EVENTS;
    if (leaf >= leaves || p->nodes[leaf].last >= end)
        return NULL;
    const struct es_lane_node *node = &p->nodes[leaves + branch];
    bool large = i % ES_BRANCH_EVENTS == 0 && branch < p->n / ES_BRANCH_EVENTS && node->last < end;
    *ret_n = large ? ES_BRANCH_EVENTS : ES_LEAF_EVENTS;
    return large ? node : &p->nodes[leaf];
}

/* Adds events from i on that lie before `end`; gives the first that does not. */
static size_t add_until(const struct part *p, size_t i, uint64_t end, struct lane *l)
{
    const struct es_kind_sum *sums = es_kind_sums();
    const struct es_lane_block *block = p->block;
    uint64_t counts = 0;
    unsigned pending = 0, rank = l->rank;
    size_t from = i, n = 0;
    if (l->n == 0)
        l->seq = block->first_seq + block->places[p->first + i];
    while (i < p->n) {
        const struct es_lane_node *node = node_at(p, i, end, &n);
        uint64_t more;
        unsigned other;
        uint8_t doing;
        if (node) {
            more = node->counts;
            other = node->rank;
            doing = node->doing;
        } else {
            if (es_lane_time(block, p->first + i) >= end)
                break;
            const struct es_kind_sum *sum = &sums[block->kinds[p->first + i]];
            n = 1;
            more = sum->counts;
            other = sum->rank;
            doing = sum->doing;
        }
        if (pending + n > 255) { /* a byte a family */
            add_counts(l, counts);
            counts = pending = 0;
        }
        counts += more;
        pending += (unsigned)n;
        rank = other > rank ? other : rank;
        if (doing)
            l->doing = es_doing_then(l->doing, doing);
        i += n;
    }
    add_counts(l, counts);
    l->rank = rank;
    l->n += (uint32_t)(i - from);
    return i;
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

/* The first event at or after `since`. */
static size_t find_start(const struct part *p, uint64_t since)
{
    size_t from = 0, to = p->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (es_lane_time(p->block, p->first + middle) < since)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static uint64_t since_base(const struct es_lane_block *block, int64_t time)
{
    return time > block->base ? (uint64_t)time - (uint64_t)block->base : 0;
}

static void walk(struct window *w, size_t lane, const struct part *p)
{
    const struct es_lane_block *block = p->block;
    uint64_t until = since_base(block, w->until);
    struct lane *l = &w->lanes[lane];
    size_t i = block->base < w->since ? find_start(p, since_base(block, w->since)) : 0;
    if (i > 0) { /* only what it was doing matters of the time before the window */
        struct lane past = {0};
        struct part all = *p;
        all.n = i;
        add_until(&all, 0, UINT64_MAX, &past);
        l->before = es_doing_then(l->before, past.doing) & (ES_DO_MASK | ES_DO_GC_MASK);
    }
    while (i < p->n && es_lane_time(block, p->first + i) < until) {
        int64_t time = (int64_t)((uint64_t)block->base + es_lane_time(block, p->first + i));
        uint32_t px = pixel_of(w, time, l->px);
        if (px != l->px)
            go_to(w, lane, px);
        uint64_t end = since_base(block, w->edges[px + 1]);
        size_t next = add_until(p, i, end, l);
        if (next == i) /* a file that lies about times */
            break;
        i = next;
    }
}

/* ---- blocks -------------------------------------------------------------------------------------------------------- */

static bool find_part(const struct es_lane_block *block, es_ref pid, struct part *ret)
{
    size_t from = 0, n = block->n_pids;
    if (n == 0)
        return false;
    while (n > 1) {
        size_t half = n / 2;
        from = block->pids[from + half] <= pid ? from + half : from;
        n -= half;
    }
    if (block->pids[from] != pid)
        return false;
    const struct es_lane_start *start = &block->starts[from];
    *ret = (struct part){block, block->nodes + start->node, start->event, start[1].event - start->event};
    return true;
}

static bool is_touched(const struct window *w, const struct es_block_info *block)
{
    return block->last_time >= w->since && block->first_time < w->until;
}

/* Blocks `from` to `to`; `last`: the window ends with them. */
static int walk_blocks(struct window *w, size_t from, size_t to, bool last)
{
    const struct es_lane_index *index = w->query->lanes;
    const struct es_timeline_request *request = w->request;
    const struct es_block_info *infos = NULL;
    es_recording_blocks(w->query->recording, &infos);
    w->parts++;
    for (size_t lane = 0; lane < request->n_lanes; lane++) {
        int rc = reserve(w, 2);
        for (size_t b = from; rc == 0 && b < to; b++) {
            struct part part;
            if (!is_touched(w, &infos[b]) || !find_part(&index->blocks[b], request->lanes[lane], &part))
                continue;
            size_t pixels = part.n < request->width ? part.n : request->width;
            rc = reserve(w, 2 * pixels + 2);
            if (rc == 0)
                walk(w, lane, &part);
        }
        if (rc < 0)
            return rc;
        if (last)
            go_to(w, lane, request->width);
    }
    return 0;
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
    struct es_lane_index *index = w->query->lanes;
    const struct es_block_info *infos = NULL;
    size_t n = es_recording_blocks(w->query->recording, &infos), from = 0;
    uint64_t clock = index->clock + 1;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (!is_touched(w, &infos[i]))
            continue;
        rc = es_lanes_need(w->query, i);
        if (rc == 0 && index->blocks[i].damaged)
            rc = add_hole(w, &infos[i]);
        if (rc == 0 && !es_lanes_fit(index, clock)) {
            rc = walk_blocks(w, from, i + 1, false);
            from = i + 1;
            clock = index->clock + 1;
        }
    }
    return rc == 0 ? walk_blocks(w, from, n, true) : rc;
}

/* ---- the whole ----------------------------------------------------------------------------------------------------- */

/* Elements to the places where their lanes have them. */
static int reorder(void *array, size_t size, const uint32_t *places, size_t n)
{
    uint8_t *old = *(uint8_t **)array, *new = malloc((n + 1) * size);
    if (!new)
        return es_fail(-ENOMEM, "no memory for a timeline");
    for (size_t i = 0; i < n; i++)
        memcpy(new + places[i] * size, old + i * size, size);
    free(old);
    *(uint8_t **)array = new;
    return 0;
}

/* Where several parts were walked their runs follow each other; of one lane they are in order already. */
static int order_runs(struct window *w)
{
    struct es_timeline *a = w->answer;
    size_t n = a->n_runs;
    a->first = calloc(w->request->n_lanes + 2, sizeof *a->first);
    if (!a->first)
        return es_fail(-ENOMEM, "no memory for a timeline");
    for (size_t i = 0; i < n; i++)
        a->first[w->lane_of[i] + 1]++;
    for (size_t lane = 0; lane < w->request->n_lanes; lane++)
        a->first[lane + 1] += a->first[lane];
    if (w->parts == 1)
        return 0;
    uint32_t *places = malloc((n + 1) * sizeof *places), *next = malloc((w->request->n_lanes + 1) * sizeof *next);
    int rc = places && next ? 0 : es_fail(-ENOMEM, "no memory for a timeline");
    if (rc == 0) {
        memcpy(next, a->first, w->request->n_lanes * sizeof *next);
        for (size_t i = 0; i < n; i++)
            places[i] = next[w->lane_of[i]]++;
        if (reorder(&a->at, sizeof *a->at, places, n) < 0 || reorder(&a->width, sizeof *a->width, places, n) < 0 ||
            reorder(&a->counts, sizeof *a->counts, places, n) < 0 || reorder(&a->seq, sizeof *a->seq, places, n) < 0 ||
            reorder(&a->strongest, 1, places, n) < 0 || reorder(&a->flags, 1, places, n) < 0)
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
    for (uint32_t i = 0; i <= width; i++)
        w->edges[i] = (int64_t)((uint64_t)w->since + (uint64_t)((i * span + width - 1) / width));
    return 0;
}

int es_query_timeline(struct es_query *query, const struct es_timeline_request *request,
                      struct es_timeline **ret_timeline)
{
    struct window w = {.query = query, .request = request, .answer = calloc(1, sizeof *w.answer)};
    int rc = w.answer ? set_window(&w) : es_fail(-ENOMEM, "no memory for a timeline");
    if (rc == 0)
        rc = make_edges(&w);
    if (rc == 0)
        rc = es_lanes_align(query);
    if (rc == 0)
        rc = walk_all(&w);
    if (rc == 0)
        rc = order_runs(&w);
    free(w.edges);
    free(w.lanes);
    free(w.lane_of);
    if (rc < 0) {
        es_timeline_free(w.answer);
        return rc;
    }
    w.answer->since = w.since;
    w.answer->until = w.until;
    w.answer->n_lanes = request->n_lanes;
    *ret_timeline = w.answer;
    return 0;
}

void es_timeline_free(struct es_timeline *timeline)
{
    if (!timeline)
        return;
    free(timeline->first);
    free(timeline->at);
    free(timeline->width);
    free(timeline->counts);
    free(timeline->seq);
    free(timeline->strongest);
    free(timeline->flags);
    free(timeline->holes);
    free(timeline);
}
