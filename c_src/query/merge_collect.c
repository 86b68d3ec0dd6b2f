/* SPDX-License-Identifier: MIT */
/* Looks through one recording for what it says to the others and hears from them, and for when something is missing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/merge_content.h"

#define QUIET_NS INT64_C(2000000000) /* what was sent before is not under way any more */

static const unsigned fields = ES_F_PEER | ES_F_FUN | ES_F_HASH | ES_F_CORR | ES_F_PAYLOAD | ES_F_CAUSE | ES_F_SITE;

/* ---- messages ------------------------------------------------------------------------------------------------------ */

static int add_cross(struct es_crosses *crosses, const struct es_cross *cross)
{
    if (crosses->n == ES_CROSS_MAX) {
        crosses->left++;
        return 0;
    }
    if (crosses->n == crosses->room) {
        size_t room = crosses->room ? crosses->room * 2 : 1024;
        struct es_cross *list = realloc(crosses->list, room * sizeof *list);
        if (!list)
            return es_fail(-ENOMEM, "no memory for the messages between the nodes");
        crosses->list = list;
        crosses->room = room;
    }
    crosses->list[crosses->n++] = *cross;
    return 0;
}

static void set_content(struct es_cross *cross, const struct es_content *content, uint64_t nodes)
{
    cross->key = content->hash ? es_hash_mix(content->hash, nodes) : 0;
    cross->head = es_hash_mix(content->head, nodes);
    cross->flags = (uint8_t)(cross->flags | (content->hash ? ES_X_WHOLE : 0) | (content->unique ? ES_X_UNIQUE : 0));
}

/* Messages of a direction, from node to node, are compared with each other alone. */
static uint64_t direction(uint64_t from, uint64_t to) { return es_hash_mix(es_hash_mix(2, from), to); }

static struct es_cross cross_of(const struct es_merge_rec *rec, const struct es_event *event)
{
    return (struct es_cross){.seq = event->seq,
                             .time = event->time - (event->flags & ES_E_MOVED ? (int64_t)event->moved : 0),
                             .who = es_ref_on_node(event->pid, rec->number),
                             .corr = event->corr,
                             .rec = (uint16_t)rec->rec};
}

static int take_send(struct es_merge *merge, struct es_merge_rec *rec, const struct es_event *event)
{
    const struct es_merge_address *address = es_merge_address(merge, rec, event->peer);
    struct es_content content;
    if (!address)
        return -ENOMEM;
    if (!address->node || !address->other || address->is_node)
        return 0;
    int rc = es_content_read(merge, rec, event, &content);
    if (rc < 0)
        return rc;
    struct es_cross cross = cross_of(rec, event);
    cross.to = address->to;
    cross.name = address->name;
    cross.flags = address->to ? ES_X_DIRECT : 0;
    set_content(&cross, &content, direction(rec->node_hash, address->node));
    return add_cross(&merge->sends, &cross);
}

/* The first message of a process that another node spawned holds its arguments, and nobody sent it. */
static bool is_first_of_spawned(struct es_merge_rec *rec, es_ref pid)
{
    uint64_t *unborn = es_refmap_find(&rec->unborn, pid);
    bool first = unborn && *unborn;
    if (first)
        *unborn = 0;
    return first;
}

static int take_delivery(struct es_merge *merge, struct es_merge_rec *rec, const struct es_event *event)
{
    const struct es_merge_address *from = es_merge_address(merge, rec, event->peer);
    struct es_content content;
    if (!from)
        return -ENOMEM;
    if (!from->node || !from->other || !from->is_node)
        return 0;
    int rc = es_content_read(merge, rec, event, &content);
    if (rc < 0)
        return rc;
    struct es_cross cross = cross_of(rec, event);
    cross.to = content.signal ? content.pid : ES_REF_NONE;
    if (content.system || content.signal || is_first_of_spawned(rec, event->pid))
        cross.flags = ES_X_SYSTEM;
    set_content(&cross, &content, direction(from->node, rec->node_hash));
    if (content.signal)
        cross.head = content.reason;
    rec->to_all += !(cross.flags & ES_X_SYSTEM);
    return add_cross(&merge->deliveries, &cross);
}

static int note_spawned(struct es_merge_rec *rec, const struct es_event *event)
{
    static const char starter[] = "dist_spawn_init";
    size_t len = 0;
    const uint8_t *name = es_recording_define(rec->query->recording, event->function, &len);
    if (!name || len != sizeof starter - 1 || memcmp(name, starter, len) != 0)
        return 0;
    uint64_t *unborn = es_refmap_place(&rec->unborn, event->pid);
    if (!unborn)
        return es_fail(-ENOMEM, "no memory for the processes");
    *unborn = 1;
    return 0;
}

static int take_event(struct es_merge *merge, struct es_merge_rec *rec, const struct es_event *event)
{
    bool other = es_ref_class_of(event->peer) == ES_REF_OTHER;
    uint64_t *heard;
    switch (event->kind) {
    case ES_K_SEND: return other ? take_send(merge, rec, event) : 0;
    case ES_K_DELIVER:
        heard = es_refmap_place(&rec->heard, event->pid);
        if (heard)
            *heard = (uint64_t)event->time;
        if (other)
            return take_delivery(merge, rec, event);
        is_first_of_spawned(rec, event->pid);
        return 0;
    case ES_K_SPAWNED: return other ? note_spawned(rec, event) : 0;
    default: return 0;
    }
}

/* ---- what is missing ----------------------------------------------------------------------------------------------- */

static int add_hole(struct es_merge_rec *rec, const struct es_merge_hole *hole)
{
    struct es_merge_hole *holes = realloc(rec->holes, (rec->n_holes + 1) * sizeof *holes);
    if (!holes)
        return es_fail(-ENOMEM, "no memory for what was lost");
    rec->holes = holes;
    rec->holes[rec->n_holes] = *hole;
    if (hole->from > INT64_MIN + QUIET_NS)
        rec->holes[rec->n_holes].from -= QUIET_NS;
    if (hole->to < INT64_MAX - QUIET_NS)
        rec->holes[rec->n_holes].to += QUIET_NS;
    rec->n_holes++;
    return 0;
}

static int add_losses(struct es_merge_rec *rec)
{
    const struct es_loss *losses = NULL;
    size_t n = es_recording_losses(rec->query->recording, &losses);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        bool send = losses[i].kind == ES_K_SEND, delivery = losses[i].kind == ES_K_DELIVER;
        if (send || delivery)
            rc = add_hole(rec, &(struct es_merge_hole){losses[i].from, losses[i].to, send, delivery});
    }
    return rc;
}

/* From the first step of the overhead budget on, not every message may be there. */
static int add_thinned(struct es_merge_rec *rec, const struct es_block *block)
{
    for (size_t i = 0; i < block->n; i++)
        if (block->events[i].kind == ES_K_BUDGET)
            return add_hole(rec, &(struct es_merge_hole){block->events[i].time, INT64_MAX, true, true});
    return 0;
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

static int collect_block(struct es_merge *merge, struct es_merge_rec *rec, size_t index, bool *thinned)
{
    const struct es_block_info *blocks = NULL;
    struct es_block *block;
    es_recording_blocks(rec->query->recording, &blocks);
    int rc = es_block_get_fields(rec->query->recording, index, fields, &block);
    if (rc == -EBADMSG) {
        es_error_clear();
        return add_hole(rec, &(struct es_merge_hole){blocks[index].first_time, blocks[index].last_time, true, true});
    }
    if (rc < 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < block->n; i++)
        rc = take_event(merge, rec, &block->events[i]);
    if (rc == 0 && blocks[index].kinds[ES_K_BUDGET] && !*thinned) {
        *thinned = true;
        rc = add_thinned(rec, block);
    }
    es_block_unref(rec->query->recording, block);
    return rc;
}

int es_merge_collect(struct es_merge *merge, struct es_merge_rec *rec)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(rec->query->recording, &blocks);
    bool thinned = false;
    int rc = add_losses(rec);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rec->sends |= blocks[i].kinds[ES_K_SEND] > 0;
        rec->went |= blocks[i].kinds[ES_K_NODE_DOWN] > 0;
        bool wanted = blocks[i].kinds[ES_K_SEND] || blocks[i].kinds[ES_K_DELIVER] || blocks[i].kinds[ES_K_SPAWNED] ||
                      blocks[i].kinds[ES_K_BUDGET];
        if (wanted)
            rc = collect_block(merge, rec, i, &thinned);
        merge->events += blocks[i].events;
        if (rc == 0)
            rc = es_merge_tick(merge, 0.3 * (double)merge->events / (double)(merge->all ? merge->all : 1));
    }
    return rc;
}
