/* SPDX-License-Identifier: MIT */
/* The call an event runs in, derived from calls and their ends. Looked for in the part of the recording
 * around the event: PART events, and as many before and behind it. A call counts as open when its end is
 * found, for most calls are recorded without their ends; of a behaviour's callback, which always ends, also
 * when nothing says that it is over. Whatever is in doubt has no parent. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/inner.h"
#include "wire/term.h"

#define PART 65536u /* events */
#define NO_FRAME UINT32_MAX

struct frame {
    uint64_t seq;
    int64_t time;
    es_ref module, function;
    uint32_t below; /* the call it was made in, NO_FRAME: none */
    uint32_t same;  /* an earlier call of the same function by the same process */
    uint32_t real;  /* this or the nearest call below that is known to be open here */
    uint16_t arity;
    bool callback, open, ended, doubtful, gone;
};

struct es_parents {
    uint64_t part;
    uint64_t *parent; /* of event part * PART + 1 + i */
    uint8_t *call;    /* enum es_call, of those that are calls */
};

struct hole {
    int64_t from, to;
};

struct build {
    struct es_query *query;
    uint64_t from, to;  /* the events that are asked for */
    struct hole *holes; /* where calls or their ends were lost, in order, apart from each other */
    size_t n_holes;
    int64_t unread; /* time up to which a block could not be read */
    struct frame *frames;
    uint32_t n, room;
    struct es_refmap tops;  /* process to index of its innermost call + 1 */
    struct es_refmap calls; /* hash of process and function to index of the last such call + 1 */
    uint32_t *frame_of;     /* of each event asked for */
};

void es_parents_free(struct es_parents *parents)
{
    if (!parents)
        return;
    free(parents->parent);
    free(parents->call);
    free(parents);
}

/* ---- losses: a call whose inner calls may be missing can't be told from one of those ------------------------------- */

static int by_from(const void *a, const void *b)
{
    const struct hole *x = a, *y = b;
    return x->from < y->from ? -1 : x->from > y->from;
}

static int find_holes(struct build *b)
{
    const struct es_loss *losses = NULL;
    size_t n = es_recording_losses(b->query->recording, &losses);
    b->unread = INT64_MIN;
    if (n == 0)
        return 0;
    b->holes = malloc(n * sizeof *b->holes);
    if (!b->holes)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (losses[i].kind == ES_K_NONE || losses[i].kind == ES_K_CALL ||
            es_is_call_end(losses[i].kind)) /* NONE: nobody knows of what kind */
            b->holes[b->n_holes++] = (struct hole){losses[i].from, losses[i].to};
    qsort(b->holes, b->n_holes, sizeof *b->holes, by_from);
    size_t kept = 0;
    for (size_t i = 0; i < b->n_holes; i++) {
        if (kept == 0 || b->holes[i].from > b->holes[kept - 1].to)
            b->holes[kept++] = b->holes[i];
        else if (b->holes[i].to > b->holes[kept - 1].to)
            b->holes[kept - 1].to = b->holes[i].to;
    }
    b->n_holes = kept;
    return 0;
}

static bool is_whole(const struct build *b, int64_t from, int64_t to)
{
    size_t low = 0, high = b->n_holes; /* the first that begins behind `to` */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (b->holes[middle].from <= to)
            low = middle + 1;
        else
            high = middle;
    }
    return from > b->unread && (low == 0 || b->holes[low - 1].to < from);
}

/* ---- open calls of a process ---------------------------------------------------------------------------------------- */

static uint64_t *last_call(struct build *b, const struct es_event *event)
{
    uint64_t key = es_hash_mix(es_hash_mix(es_hash_mix(event->arity, event->pid), event->module), event->function);
    return es_refmap_place(&b->calls, key ? key : 1);
}

static int push(struct build *b, uint64_t *top, const struct es_event *event)
{
    uint64_t *last = last_call(b, event);
    if (!last)
        return -ENOMEM;
    if (b->n == b->room) {
        uint32_t room = b->room ? b->room * 2 : 1024;
        struct frame *frames = realloc(b->frames, room * sizeof *frames);
        if (!frames)
            return -ENOMEM;
        b->frames = frames;
        b->room = room;
    }
    b->frames[b->n] = (struct frame){.seq = event->seq,
                                     .time = event->time,
                                     .module = event->module,
                                     .function = event->function,
                                     .arity = event->arity,
                                     .below = (uint32_t)(*top - 1),
                                     .same = (uint32_t)(*last - 1),
                                     .callback = event->flags & ES_E_CALLBACK};
    /* Callbacks are called from the behaviour's loop: one that lies below either ends, seen here, or has lost
     * its end. */
    for (uint32_t i = (uint32_t)(*top - 1); (event->flags & ES_E_CALLBACK) && i != NO_FRAME && !b->frames[i].doubtful;
         i = b->frames[i].below)
        b->frames[i].doubtful = true;
    *top = *last = ++b->n;
    return 0;
}

/* The call that ends here leaves the stack, and with it those above that have no recorded end. NO_FRAME: it
 * began before we looked. */
static uint32_t pop(struct build *b, uint64_t *top, const struct es_event *event)
{
    uint64_t *last = last_call(b, event);
    if (!last)
        return NO_FRAME;
    while (*last && b->frames[*last - 1].gone)
        *last = (uint32_t)(b->frames[*last - 1].same + 1);
    if (*last == 0)
        return NO_FRAME;
    uint32_t i = (uint32_t)(*last - 1), above = (uint32_t)(*top - 1);
    struct frame *f = &b->frames[i];
    if (f->module != event->module || f->function != event->function || f->arity != event->arity)
        return NO_FRAME; /* another function with the same hash */
    for (; above != NO_FRAME && above != i; above = b->frames[above].below)
        b->frames[above].gone = true;
    f->gone = true;
    f->open = f->ended = is_whole(b, f->time, event->time);
    *top = (uint32_t)(f->below + 1);
    return f->open ? i : NO_FRAME;
}

/* At the end of a process, or of what is looked at: callbacks that were running. */
static void settle(struct build *b, uint64_t *top, int64_t now)
{
    for (uint32_t i = (uint32_t)(*top - 1); i != NO_FRAME; i = b->frames[i].below) {
        struct frame *f = &b->frames[i];
        f->open = f->callback && !f->doubtful && is_whole(b, f->time, now);
        f->gone = true;
    }
    *top = 0;
}

static int add_event(struct build *b, const struct es_event *event)
{
    bool calls = event->kind == ES_K_CALL || es_is_call_end(event->kind);
    if (event->pid == ES_REF_NONE || event->kind == ES_K_DELIVER) /* a delivery comes from outside, whatever runs */
        return 0;
    uint64_t *top = calls ? es_refmap_place(&b->tops, event->pid) : es_refmap_find(&b->tops, event->pid);
    if (!top)
        return calls ? -ENOMEM : 0;
    uint32_t frame = es_is_call_end(event->kind) ? pop(b, top, event) : (uint32_t)(*top - 1);
    if (event->seq >= b->from && event->seq <= b->to)
        b->frame_of[event->seq - b->from] = frame;
    if (event->kind == ES_K_EXIT)
        settle(b, top, event->time);
    return event->kind == ES_K_CALL ? push(b, top, event) : 0;
}

/* ---- a part -------------------------------------------------------------------------------------------------------- */

static int add_block(struct build *b, size_t index, uint64_t from, uint64_t to)
{
    struct es_block *block;
    int rc = es_block_get_fields(b->query->recording, index, ES_F_FUN, &block);
    if (rc == -EBADMSG || rc == -ENOENT) {
        es_error_clear();
        const struct es_block_info *blocks = NULL;
        es_recording_blocks(b->query->recording, &blocks);
        b->unread = blocks[index].last_time;
        return 0;
    }
    for (size_t i = 0; rc == 0 && i < block->n; i++)
        if (block->events[i].seq >= from && block->events[i].seq <= to)
            rc = add_event(b, &block->events[i]);
    es_block_unref(b->query->recording, block);
    return rc;
}

static bool has_calls(const struct es_block_info *block)
{
    return block->kinds[ES_K_CALL] + block->kinds[ES_K_RETURN] + block->kinds[ES_K_EXCEPTION] > 0;
}

/* Where no call lies around, nothing has to be read. */
static int walk(struct build *b, uint64_t from, uint64_t to)
{
    const struct es_block_info *blocks = NULL;
    size_t first = es_query_block_of(b->query, from), n = es_recording_blocks(b->query->recording, &blocks);
    bool any = false;
    for (size_t i = first; i < n && blocks[i].first_seq <= to && !any; i++)
        any = has_calls(&blocks[i]);
    int rc = 0;
    for (size_t i = first; any && rc == 0 && i < n && blocks[i].first_seq <= to; i++)
        rc = add_block(b, i, from, to);
    return rc;
}

static void resolve(struct build *b, struct es_parents *parents)
{
    for (size_t i = 0; i < b->tops.room; i++)
        if (b->tops.slots[i].key)
            settle(b, &b->tops.slots[i].value, INT64_MAX);
    for (uint32_t i = 0; i < b->n; i++) { /* those below come first */
        struct frame *f = &b->frames[i];
        f->real = f->open ? i : f->below == NO_FRAME ? NO_FRAME : b->frames[f->below].real;
        if (f->seq >= b->from && f->seq <= b->to)
            parents->call[f->seq - b->from] = f->ended ? ES_CALL_ENDED : f->open ? ES_CALL_OPEN : ES_CALL_ALONE;
    }
    for (uint64_t i = 0; i < PART; i++) {
        uint32_t real = b->frame_of[i] == NO_FRAME ? NO_FRAME : b->frames[b->frame_of[i]].real;
        parents->parent[i] = real == NO_FRAME ? 0 : b->frames[real].seq;
    }
}

static int build_part(struct build *b, struct es_parents *parents)
{
    parents->parent = malloc(PART * sizeof *parents->parent);
    parents->call = calloc(PART, 1);
    b->frame_of = malloc(PART * sizeof *b->frame_of);
    int rc = parents->parent && parents->call && b->frame_of ? find_holes(b) : -ENOMEM;
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < PART; i++)
        b->frame_of[i] = NO_FRAME;
    rc = walk(b, b->from > PART ? b->from - PART : 1, b->to + PART);
    if (rc == 0)
        resolve(b, parents);
    return rc;
}

static struct es_parents *make_part(struct es_query *query, uint64_t part)
{
    struct build b = {.query = query, .from = part * PART + 1, .to = (part + 1) * PART};
    struct es_parents *parents = calloc(1, sizeof *parents);
    if (parents)
        parents->part = part;
    if (parents && build_part(&b, parents) < 0) {
        es_parents_free(parents);
        parents = NULL;
    }
    es_refmap_fini(&b.tops);
    es_refmap_fini(&b.calls);
    free(b.holes);
    free(b.frames);
    free(b.frame_of);
    return parents;
}

/* The part that this event lies in; NULL where it cannot be read. The last two are kept. */
static const struct es_parents *part_of(struct es_query *query, uint64_t seq)
{
    if (seq == 0 || seq > UINT64_MAX - 2 * PART)
        return NULL;
    uint64_t part = (seq - 1) / PART;
    struct es_parents **kept = query->parents;
    if (kept[0] && kept[0]->part == part)
        return kept[0];
    struct es_parents *found = kept[1];
    if (!found || found->part != part) {
        found = make_part(query, part);
        if (!found)
            return NULL;
        es_parents_free(kept[1]);
    }
    kept[1] = kept[0];
    kept[0] = found;
    return found;
}

uint64_t es_query_parent(struct es_query *query, const struct es_event *event)
{
    const struct es_parents *parents = part_of(query, event->seq);
    return parents ? parents->parent[(event->seq - 1) % PART] : 0;
}

enum es_call es_query_call(struct es_query *query, uint64_t seq)
{
    const struct es_parents *parents = part_of(query, seq);
    return parents ? (enum es_call)parents->call[(seq - 1) % PART] : ES_CALL_ALONE;
}
