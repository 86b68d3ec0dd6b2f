/* SPDX-License-Identifier: MIT */
/* The events of all recordings in one order: each recording's in their own order, a delivery behind its send, else by time. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/merge.h"
#include "store/keyframe.h"

#define KEYFRAME_MAX (30u << 20)

static int64_t minus(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }

/* ---- sequence numbers ---------------------------------------------------------------------------------------------- */

static int note_seq(struct es_merge_seqs *seqs, uint64_t old, uint64_t new)
{
    struct es_merge_seq *last = seqs->n ? &seqs->runs[seqs->n - 1] : NULL;
    if (last && last->old + last->n == old && last->new + last->n == new) {
        last->n++;
        return 0;
    }
    if (seqs->n == seqs->room || !seqs->runs) {
        size_t room = seqs->room ? seqs->room * 2 : 256;
        struct es_merge_seq *runs = realloc(seqs->runs, room * sizeof *runs);
        if (!runs)
            return es_fail(-ENOMEM, "no memory for the order of the events");
        seqs->runs = runs;
        seqs->room = room;
    }
    seqs->runs[seqs->n++] = (struct es_merge_seq){old, new, 1};
    return 0;
}

uint64_t es_merge_seq(const struct es_merge_rec *rec, uint64_t old)
{
    size_t from = 0, to = rec->seqs.n; /* the first run that begins behind it */
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (rec->seqs.runs[middle].old <= old)
            from = middle + 1;
        else
            to = middle;
    }
    const struct es_merge_seq *run = from > 0 ? &rec->seqs.runs[from - 1] : NULL;
    if (run && old - run->old < run->n)
        return run->new + (old - run->old);
    const uint64_t *stray = old ? es_refmap_find(&rec->strays, old) : NULL;
    return stray ? *stray : 0;
}

/* ---- where each recording is --------------------------------------------------------------------------------------- */

static const struct es_event *head_of(const struct es_merge_rec *rec)
{
    return rec->held ? &rec->held->events[rec->at] : NULL;
}

/* A block that cannot be read is a loss. */
static int note_damage(struct es_merge *merge, struct es_merge_rec *rec, const struct es_block_info *block)
{
    int rc = 0;
    es_error_clear();
    rec->damaged++;
    for (unsigned kind = 0; rc == 0 && kind < ES_KIND_MAX; kind++)
        if (block->kinds[kind] > 0)
            rc = es_store_loss(merge->store, kind, block->kinds[kind], es_clock_map(&rec->fit, block->first_time),
                               es_clock_map(&rec->fit, block->last_time), "damaged block");
    rec->done = block->last_seq;
    return rc;
}

/* The next block with events; none at the end. */
static int next_block(struct es_merge *merge, struct es_merge_rec *rec)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(rec->query->recording, &blocks);
    int rc = 0;
    if (rec->held)
        es_block_unref(rec->query->recording, rec->held);
    rec->held = NULL;
    rec->at = 0;
    while (rc == 0 && !rec->held && rec->block < n) {
        rc = es_block_get(rec->query->recording, rec->block, &rec->held);
        if (rc == -EBADMSG)
            rc = note_damage(merge, rec, &blocks[rec->block]);
        else if (rc == 0 && rec->held->n == 0) {
            es_block_unref(rec->query->recording, rec->held);
            rec->held = NULL;
        }
        rec->block++;
    }
    return rc;
}

struct crosses {
    struct es_crosses *all;
    size_t first, end, *next;
};

/* Events come in their order but for those that were held. */
static struct es_cross *cross_at(const struct crosses *crosses, uint64_t seq)
{
    struct es_cross *list = crosses->all->list;
    size_t from = crosses->first, to = *crosses->next;
    if (to > from && list[to - 1].seq >= seq) {
        while (from < to) {
            size_t middle = from + (to - from) / 2;
            if (list[middle].seq < seq)
                from = middle + 1;
            else
                to = middle;
        }
        return list[from].seq == seq ? &list[from] : NULL;
    }
    while (*crosses->next < crosses->end && list[*crosses->next].seq < seq)
        ++*crosses->next;
    return *crosses->next < crosses->end && list[*crosses->next].seq == seq ? &list[*crosses->next] : NULL;
}

struct es_cross *es_merge_delivery(struct es_merge *merge, struct es_merge_rec *rec, uint64_t seq)
{
    return cross_at(&(struct crosses){&merge->deliveries, rec->first_delivery, rec->end_delivery, &rec->next_delivery},
                    seq);
}

struct es_cross *es_merge_send(struct es_merge *merge, struct es_merge_rec *rec, uint64_t seq)
{
    return cross_at(&(struct crosses){&merge->sends, rec->first_send, rec->end_send, &rec->next_send}, seq);
}

static int set_head(struct es_merge *merge, struct es_merge_rec *rec)
{
    int rc = rec->held && rec->at < rec->held->n ? 0 : next_block(merge, rec);
    if (rc == 0 && rec->held)
        rec->next_time = es_clock_map(&rec->fit, rec->held->events[rec->at].time);
    return rc;
}

static int advance(struct es_merge *merge, struct es_merge_rec *rec)
{
    rec->done = head_of(rec)->seq;
    rec->at++;
    return set_head(merge, rec);
}

struct es_cross *es_merge_waits(struct es_merge *merge, struct es_merge_rec *rec, const struct es_event *event)
{
    struct es_cross *delivery = event->kind == ES_K_DELIVER ? es_merge_delivery(merge, rec, event->seq) : NULL;
    if (!delivery || !delivery->pair_seq)
        return NULL;
    const struct es_merge_rec *from = &merge->recs[delivery->pair_rec];
    bool held = from->held_back.n > 0 && es_merge_seq(from, delivery->pair_seq) == 0;
    return from->done < delivery->pair_seq || held ? delivery : NULL;
}

/* Heads that are behind one that is held are held too. */
static int pass_held(struct es_merge *merge, struct es_merge_rec *rec)
{
    int rc = 0;
    while (rc == 0 && rec->held && es_merge_must_hold(rec, head_of(rec))) {
        rc = es_merge_hold(rec, head_of(rec));
        rc = rc == 0 ? advance(merge, rec) : rc;
    }
    return rc == -E2BIG ? 0 : rc; /* then it comes before what it should come behind: that is given up */
}

/* What the earliest of those that wait for each other waits for is not its cause. */
static void tear(struct es_merge *merge, struct es_merge_rec *rec, const struct es_event *event)
{
    struct es_cross *torn = es_merge_waits(merge, rec, event);
    if (!torn)
        return;
    torn->pair_seq = 0;
    torn->flags = (uint8_t)((torn->flags & ~ES_X_EXIT) | ES_X_DOUBTFUL);
    merge->torn++;
}

static int tear_held(struct es_merge *merge)
{
    for (size_t k = 0; k < merge->n; k++)
        for (size_t i = 0; i < merge->recs[k].held_back.n; i++) {
            const struct es_event *event;
            int rc = es_query_stored(merge->recs[k].query, merge->recs[k].held_back.seqs[i], &event);
            if (rc < 0)
                return es_fail(rc, "an event that waits cannot be read");
            if (es_merge_waits(merge, &merge->recs[k], event)) {
                tear(merge, &merge->recs[k], event);
                return 1;
            }
        }
    return 0;
}

/* The recording with the next event, and that event's number where it was held. 0 at the end. */
static int choose(struct es_merge *merge, struct es_merge_rec **ret_rec, uint64_t *ret_held)
{
    for (;;) {
        struct es_merge_rec *best = NULL, *waiting = NULL;
        int rc = es_merge_release(merge, ret_rec, ret_held);
        if (rc < 0 || *ret_held)
            return rc < 0 ? rc : 1;
        for (size_t k = 0; k < merge->n; k++) {
            struct es_merge_rec *rec = &merge->recs[k];
            if ((rc = pass_held(merge, rec)) < 0)
                return rc;
            if (!rec->held)
                continue;
            struct es_merge_rec **first = es_merge_waits(merge, rec, head_of(rec)) ? &waiting : &best;
            if (!*first || rec->next_time < (*first)->next_time)
                *first = rec;
        }
        *ret_rec = best;
        if (best)
            return 1;
        if (!waiting) {
            rc = tear_held(merge);
            if (rc <= 0)
                return rc;
            continue;
        }
        rc = es_merge_hold(waiting, head_of(waiting));
        if (rc == -E2BIG)
            tear(merge, waiting, head_of(waiting));
        else if (rc < 0 || (rc = advance(merge, waiting)) < 0)
            return rc;
    }
}

/* ---- one event ----------------------------------------------------------------------------------------------------- */

static void set_cross_cause(struct es_merge *merge, const struct es_cross *delivery, struct es_event *event)
{
    const struct es_merge_rec *from = &merge->recs[delivery->pair_rec];
    event->cause = delivery->pair_seq ? es_merge_seq(from, delivery->pair_seq) : 0;
    event->cause_state = (uint8_t)(event->cause ? ES_CAUSE_PAIRED : es_merge_cause(merge, delivery));
    if (event->cause)
        event->peer = delivery->flags & ES_X_EXIT ? delivery->to : merge->sends.list[delivery->partner].who;
}

static void set_own_cause(struct es_merge *merge, struct es_merge_rec *rec, struct es_event *event)
{
    if (!event->cause)
        return;
    uint64_t cause = es_merge_seq(rec, event->cause);
    if (!cause) {
        es_query_fill(rec->query, event, &merge->state);
        event->cause_state = ES_CAUSE_UNKNOWN;
    }
    event->cause = cause;
}

static void count_cause(struct es_merge *merge, const struct es_event *event)
{
    if (event->cause_state >= ES_CAUSE_MAX)
        return;
    if (event->kind == ES_K_DELIVER || event->kind == ES_K_SPAWNED)
        merge->pairs[event->cause_state]++;
    else if (event->kind == ES_K_CALL || event->kind == ES_K_TAKEN)
        merge->handled[event->cause_state]++;
}

static int map_refs(struct es_merge *merge, struct es_merge_rec *rec, struct es_event *event)
{
    es_ref *refs[] = {&event->pid, &event->peer, &event->site, &event->module, &event->function};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof refs / sizeof refs[0]; i++)
        rc = es_merge_ref(merge, rec, *refs[i], refs[i]);
    /* what is sent to a bare name goes to the sender's own node */
    bool named = event->kind == ES_K_SEND || event->kind == ES_K_SEND_DEAD;
    if (rc < 0 || !named || es_ref_class_of(event->peer) != ES_REF_ATOM || rec->number == 0)
        return rc;
    return es_merge_own_name(merge, rec, event->peer, &event->peer);
}

/* Not before what it comes after; where that was so, it says by how much it was moved. */
static void set_time(struct es_merge *merge, const struct es_merge_rec *rec, struct es_event *event)
{
    int64_t stored = es_clock_map(&rec->fit, event->time), least = merge->last_time;
    int64_t stamp =
        event->flags & ES_E_MOVED ? es_clock_map(&rec->fit, minus(event->time, (int64_t)event->moved)) : stored;
    if (event->cause && least < INT64_MAX)
        least++;
    event->time = merge->next == 1 || stored > least ? stored : least;
    uint64_t moved = event->time > stamp ? (uint64_t)event->time - (uint64_t)stamp : 0;
    event->moved = moved > UINT32_MAX ? UINT32_MAX : (uint32_t)moved;
    event->flags = (uint8_t)(moved ? event->flags | ES_E_MOVED : event->flags & ~ES_E_MOVED);
    merge->moved += event->time > stored;
    merge->last_time = event->time;
}

static int make_event(struct es_merge *merge, struct es_merge_rec *rec, struct es_event *event)
{
    struct es_cross *delivery = event->kind == ES_K_DELIVER ? es_merge_delivery(merge, rec, event->seq) : NULL;
    struct es_cross *send = event->kind == ES_K_SEND ? es_merge_send(merge, rec, event->seq) : NULL;
    const struct es_merge_address *address = send && send->pair_seq ? es_merge_address(merge, rec, event->peer) : NULL;
    es_ref receiver = address && address->is_alias ? merge->deliveries.list[send->partner].who : ES_REF_NONE;
    const uint64_t *corr = es_refmap_find(&rec->corrs, event->corr);
    if (event->kind == ES_K_STATE)
        es_query_fill(rec->query, event, &merge->state);
    if (!delivery)
        set_own_cause(merge, rec, event);
    int rc = map_refs(merge, rec, event);
    if (delivery)
        set_cross_cause(merge, delivery, event);
    if (receiver)
        event->peer = receiver;
    if (corr)
        event->corr = *corr;
    count_cause(merge, event);
    if (rc == 0)
        rc = es_merge_term(merge, rec, &merge->term, &event->payload, &event->payload_len);
    if (rc == 0 && event->kind == ES_K_GAP)
        rc = es_merge_gap(merge, rec, event);
    event->seq = merge->next;
    set_time(merge, rec, event);
    return rc;
}

/* ---- into the store ------------------------------------------------------------------------------------------------ */

static int begin_group(struct es_merge *merge)
{
    struct es_buf world = {0}, frame = {0};
    int rc = es_world_save(&merge->world, &world);
    struct es_keyframe_parts parts = {.world = {world.bytes, world.len <= KEYFRAME_MAX ? world.len : 0}};
    if (rc == 0)
        rc = es_keyframe_join(&parts, &frame);
    if (rc == 0)
        rc = es_store_keyframe(merge->store, frame.bytes, frame.len);
    else
        rc = es_fail(rc, "no memory for a keyframe");
    es_buf_fini(&world);
    es_buf_fini(&frame);
    return rc;
}

static int put_event(struct es_merge *merge, const struct es_event *event)
{
    size_t bytes;
    int rc = es_store_group_full(merge->store) ? begin_group(merge) : 0;
    es_store_pending(merge->store, &bytes);
    if (rc == 0 && bytes > ES_STORE_BATCH_BYTES)
        rc = es_store_commit(merge->store, NULL);
    if (rc == 0)
        rc = es_store_event(merge->store, event);
    if (rc == 0 && es_world_feed(&merge->world, event) < 0)
        rc = es_fail(-ENOMEM, "no memory for the processes");
    merge->next += rc == 0;
    return rc;
}

static int copy_event(struct es_merge *merge, struct es_merge_rec *rec)
{
    struct es_event event = *head_of(rec);
    uint64_t old = event.seq;
    int rc = make_event(merge, rec, &event);
    if (rc == 0)
        rc = put_event(merge, &event);
    if (rc == 0)
        rc = note_seq(&rec->seqs, old, event.seq);
    return rc == 0 ? advance(merge, rec) : rc;
}

static int copy_held(struct es_merge *merge, struct es_merge_rec *rec, uint64_t seq)
{
    const struct es_event *stored;
    int rc = es_query_stored(rec->query, seq, &stored);
    if (rc < 0)
        return es_fail(rc, "an event that waits cannot be read");
    struct es_event event = *stored;
    rc = make_event(merge, rec, &event);
    if (rc == 0)
        rc = put_event(merge, &event);
    uint64_t *stray = rc == 0 ? es_refmap_place(&rec->strays, seq) : NULL;
    if (rc == 0 && !stray)
        return es_fail(-ENOMEM, "no memory for the order of the events");
    if (stray)
        *stray = event.seq;
    return rc;
}

static void find_ends(struct es_merge *merge)
{
    size_t send = 0, delivery = 0;
    for (size_t k = 0; k < merge->n; k++) {
        struct es_merge_rec *rec = &merge->recs[k];
        rec->first_send = rec->next_send = send;
        while (send < merge->sends.n && merge->sends.list[send].rec == k)
            send++;
        rec->end_send = send;
        rec->first_delivery = rec->next_delivery = delivery;
        while (delivery < merge->deliveries.n && merge->deliveries.list[delivery].rec == k)
            delivery++;
        rec->end_delivery = delivery;
    }
}

int es_merge_copy(struct es_merge *merge)
{
    struct es_merge_rec *rec;
    uint64_t held;
    int rc = 0;
    es_world_init(&merge->world,
                  &(struct es_world_text){.atom = es_merge_text, .context = merge, .node_of = es_merge_node_of});
    find_ends(merge);
    for (size_t k = 0; rc == 0 && k < merge->n; k++)
        rc = set_head(merge, &merge->recs[k]);
    for (uint64_t n = 0; rc == 0; n++) {
        rc = choose(merge, &rec, &held);
        if (rc <= 0)
            break;
        rc = held ? copy_held(merge, rec, held) : copy_event(merge, rec);
        if (rc == 0 && n % 4096 == 0)
            rc = es_merge_tick(merge, 0.3 + 0.7 * (double)n / (double)(merge->all ? merge->all : 1));
    }
    for (size_t k = 0; k < merge->n; k++) {
        if (merge->recs[k].held)
            es_block_unref(merge->recs[k].query->recording, merge->recs[k].held);
        merge->recs[k].held = NULL;
    }
    es_world_fini(&merge->world);
    return rc;
}
