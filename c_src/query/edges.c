/* SPDX-License-Identifier: MIT */
/* Makes the edges of a block from its part, and finds what they have in other blocks. Each edge is added when the event it
 * leads to is reached, so that they are sorted. */
#include "query/edges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/replies.h"

struct making {
    struct es_index_part *part;
    struct es_edges *edges;
    uint16_t *caused;                      /* events that have a cause */
    size_t n_caused, n_outside, n_handled; /* outside: before the block */
    uint16_t *handler;                     /* of each delivery: the act that handles it, 0: none here */
    uint32_t at_reply, at_taken;           /* in `list` and `by_act` of the replies */
};

void es_edges_free(struct es_edges *edges)
{
    if (!edges)
        return;
    free(edges->incoming);
    free(edges->numbers);
    free(edges->later);
    free(edges->out);
    free(edges->in);
    free(edges->ends);
    free(edges->slots);
    free(edges);
}

/* ---- processes ----------------------------------------------------------------------------------------------------- */

uint32_t es_edges_number(struct es_index *index, es_ref pid)
{
    uint64_t *place = es_refmap_place(&index->numbers, pid);
    if (!place)
        return UINT32_MAX;
    if (*place == 0) {
        if (index->n_numbers == index->room_pids) {
            size_t room = index->room_pids ? index->room_pids * 2 : 1024;
            es_ref *pids = realloc(index->pids_by_number, room * sizeof *pids);
            if (!pids)
                return UINT32_MAX;
            index->pids_by_number = pids;
            index->room_pids = room;
        }
        index->pids_by_number[index->n_numbers] = pid;
        *place = ++index->n_numbers;
    }
    return (uint32_t)(*place - 1);
}

/* ---- edges --------------------------------------------------------------------------------------------------------- */

static bool is_delivery(const struct es_index_part *part, uint32_t i) { return part->kinds[i] == ES_K_DELIVER; }

static uint8_t late_flag(unsigned flags) { return flags & ES_E_LATE ? ES_EDGE_LATE : 0; }

/* The first act of the receiver that has the delivery as its cause. */
static void find_handlers(struct making *m)
{
    const struct es_index_part *part = m->part;
    for (size_t k = 0; k < m->n_caused; k++) {
        uint32_t i = m->caused[k], back = part->back[i];
        if (back <= i && !is_delivery(part, i) && is_delivery(part, i - back) &&
            part->list[i] == part->list[i - back] && !m->handler[i - back]) {
            m->handler[i - back] = (uint16_t)i;
            m->n_handled++;
        }
    }
}

/* From the cause of event `last`, a delivery or an act, to `to`. */
static void add_way(struct making *m, uint32_t last, uint32_t to, unsigned flags)
{
    struct es_index_part *part = m->part;
    struct es_edges *edges = m->edges;
    uint32_t back = part->back[last];
    flags |= late_flag(part->flags[last] | part->flags[to]);
    if (back > last) {
        edges->incoming[edges->n_incoming++] = (struct es_incoming){.from = part->first + last - back,
                                                                    .via = last == to ? 0 : part->first + last,
                                                                    .number = ES_INCOMING_OPEN,
                                                                    .to_at = (uint16_t)to,
                                                                    .flags = (uint8_t)flags};
        return;
    }
    uint32_t from = last - back;
    if (!es_index_part_is_own(part, from) || is_delivery(part, from) || part->list[from] == part->list[to])
        return;
    edges->ways[edges->n++] = (struct es_way){.from = (uint16_t)from,
                                              .to = (uint16_t)to,
                                              .via = (uint16_t)last,
                                              .from_list = part->list[from],
                                              .to_list = part->list[to],
                                              .flags = (uint8_t)(flags | late_flag(part->flags[from]))};
}

/* Of a reply: nothing in this block says whether it was taken. */
static void add_open(struct making *m, uint32_t i)
{
    struct es_index_part *part = m->part;
    if (!part->back[i])
        return;
    m->edges->open[m->edges->n_open++] =
        (struct es_open_edge){.origin = {.from = part->first + i - part->back[i],
                                         .number = ES_INCOMING_OPEN,
                                         .to_at = (uint16_t)i,
                                         .flags = (uint8_t)(ES_EDGE_UNHANDLED | late_flag(part->flags[i]))}};
}

/* Those before an event that are no replies are passed over. */
static const struct es_reply *next_reply(const struct es_reply *list, uint32_t n, uint32_t *at, uint32_t i, bool by_act)
{
    while (*at < n && (by_act ? list[*at].act : list[*at].delivery) < i)
        ++*at;
    return *at < n && (by_act ? list[*at].act : list[*at].delivery) == i ? &list[(*at)++] : NULL;
}

static void add_delivery(struct making *m, uint32_t i)
{
    const struct es_replies *replies = m->part->replies;
    const struct es_reply *reply = next_reply(replies->list, replies->n, &m->at_reply, i, false);
    if (reply && reply->act == ES_REPLY_OPEN)
        add_open(m, i);
    else if (!reply && !m->handler[i])
        add_way(m, i, i, ES_EDGE_UNHANDLED);
}

static void add_act(struct making *m, uint32_t i)
{
    struct es_index_part *part = m->part;
    const struct es_replies *replies = part->replies;
    const struct es_reply *reply;
    uint32_t back = part->back[i];
    while ((reply = next_reply(replies->by_act, replies->n_taken, &m->at_taken, i, true)))
        if (part->back[reply->delivery])
            add_way(m, reply->delivery, i, 0);
    bool handles = back <= i && is_delivery(part, i - back);
    if (back && !handles)
        add_way(m, i, i, 0);
    else if (back && m->handler[i - back] == i && part->back[i - back])
        add_way(m, i - back, i, 0);
}

/* Events that end edges: those with a cause, and those that show that a reply was taken. */
static void add_all(struct making *m)
{
    const struct es_index_part *part = m->part;
    const struct es_replies *replies = part->replies;
    for (size_t k = 0; k <= m->n_caused; k++) {
        uint32_t i = k < m->n_caused ? m->caused[k] : part->n;
        while (m->at_taken < replies->n_taken && replies->by_act[m->at_taken].act < i)
            add_act(m, replies->by_act[m->at_taken].act);
        if (i == part->n || !es_index_part_is_own(part, i))
            continue;
        if (is_delivery(part, i))
            add_delivery(m, i);
        else
            add_act(m, i);
    }
}

/* Events that have a cause: without branches, for nothing says which will be next. */
static bool find_caused(struct making *m)
{
    const struct es_index_part *part = m->part;
    m->caused = malloc((part->n + 1) * sizeof *m->caused);
    if (!m->caused)
        return false;
    for (uint32_t i = 0; i < part->n; i++) {
        m->caused[m->n_caused] = (uint16_t)i;
        m->n_caused += part->back[i] != 0;
        m->n_outside += part->back[i] > i;
    }
    return true;
}

/* Each event that has a cause ends one edge at most; where it is a delivery that is handled, its edge ends in what handles it. */
static bool allocate(struct making *m)
{
    struct es_edges *edges = m->edges;
    const struct es_replies *replies = m->part->replies;
    size_t n_open = replies->n - replies->n_taken, n_ways = m->n_caused - m->n_handled;
    size_t bytes = m->n_outside * sizeof *edges->incoming + n_open * sizeof *edges->open + n_ways * sizeof *edges->ways;
    edges->incoming = malloc(bytes + 1);
    if (!edges->incoming)
        return false;
    edges->open = (struct es_open_edge *)(void *)(edges->incoming + m->n_outside);
    edges->ways = (struct es_way *)(void *)(edges->open + n_open);
    m->part->bytes += sizeof *edges + bytes;
    return true;
}

static bool make_edges(struct making *m)
{
    m->handler = calloc(m->part->n, sizeof *m->handler);
    if (!m->edges || !m->handler || !find_caused(m) || !(m->part->replies || es_replies_make(m->part)))
        return false;
    find_handlers(m);
    if (!allocate(m))
        return false;
    add_all(m);
    return true;
}

bool es_edges_make(struct es_index_part *part)
{
    struct making m = {.part = part, .edges = calloc(1, sizeof *m.edges)};
    bool made = make_edges(&m);
    free(m.handler);
    free(m.caused);
    if (made)
        part->edges = m.edges;
    else
        es_edges_free(m.edges);
    return made;
}

/* Blocks side by side have mostly the same processes, and both have them in order. */
static const struct es_index_part *neighbour(const struct es_index *index, size_t block)
{
    const struct es_index_part *before = block > 0 ? index->parts[block - 1] : NULL,
                               *behind = block + 1 < index->n_blocks ? index->parts[block + 1] : NULL;
    return before && before->edges && before->edges->numbers   ? before
           : behind && behind->edges && behind->edges->numbers ? behind
                                                               : NULL;
}

static bool number_lists(struct es_query *query, struct es_index_part *part)
{
    const struct es_index_part *known = neighbour(query->index, part->block);
    uint32_t *numbers = malloc((part->n_lists + 1) * sizeof *numbers), at = 0;
    bool numbered = numbers != NULL;
    for (uint32_t k = 0; numbered && k < part->n_lists; k++) {
        es_ref pid = part->lists[k].pid;
        while (known && at < known->n_lists && known->lists[at].pid < pid)
            at++;
        if (known && at < known->n_lists && known->lists[at].pid == pid) {
            numbers[k] = known->edges->numbers[at];
            continue;
        }
        numbers[k] = pid != ES_REF_NONE ? es_edges_number(query->index, pid) : UINT32_MAX;
        numbered = pid == ES_REF_NONE || numbers[k] != UINT32_MAX;
    }
    if (!numbered) {
        free(numbers);
        return false;
    }
    part->edges->numbers = numbers;
    es_index_part_count(query, part, part->n_lists * sizeof *numbers);
    return true;
}

int es_edges_get(struct es_query *query, size_t block, struct es_index_part **ret_part)
{
    struct es_index_part *part;
    int rc = es_index_part_get(query, block, &part);
    if (rc < 0)
        return rc;
    uint64_t before = part->bytes;
    bool made = part->edges || es_edges_make(part);
    query->index->bytes += part->bytes - before;
    if (!made || (!part->edges->numbers && !number_lists(query, part)))
        return es_fail(-ENOMEM, "no memory to see what led to what");
    *ret_part = part;
    return 0;
}

/* ---- other blocks -------------------------------------------------------------------------------------------------- */

/* One step: the delivery's cause in place of the delivery, or the process of an act. False: that was not all. */
static bool look_up(struct es_query *query, const struct es_index_part *part, struct es_incoming *x)
{
    struct es_indexed event;
    es_ref to = part->lists[part->list[x->to_at]].pid;
    int rc = es_index_event(query, x->from, &event);
    x->number = ES_INCOMING_NOTHING;
    if (rc < 0)
        es_error_clear();
    if (rc < 0 || event.pid == ES_REF_NONE)
        return true;
    x->flags |= late_flag(event.flags);
    if (event.kind == ES_K_DELIVER) {
        if (x->via || x->flags & ES_EDGE_UNHANDLED || event.pid != to || event.cause == 0)
            return true;
        x->via = x->from;
        x->from = event.cause;
        x->number = ES_INCOMING_OPEN;
        return false;
    }
    uint32_t number = event.pid != to ? es_edges_number(query->index, event.pid) : UINT32_MAX;
    if (number < ES_INCOMING_NOTHING)
        x->number = number;
    return true;
}

bool es_incoming_resolve(struct es_query *query, const struct es_index_part *part, struct es_incoming *x,
                         uint64_t since)
{
    while (x->number == ES_INCOMING_OPEN) {
        if (x->from < since)
            return false;
        look_up(query, part, x);
    }
    return x->number != ES_INCOMING_NOTHING && x->from >= since;
}

int es_open_edge_resolve(struct es_query *query, const struct es_index_part *part, struct es_open_edge *open)
{
    struct es_indexed act = {0};
    if (open->looked)
        return 0;
    int rc = es_replies_taken(query, part->first + open->origin.to_at, &open->act);
    if (rc == 0 && open->act)
        rc = es_index_event(query, open->act, &act);
    if (rc < 0)
        return rc;
    open->looked = true;
    if (open->act) {
        open->origin.flags &= (uint8_t)~ES_EDGE_UNHANDLED;
        open->origin.flags |= late_flag(act.flags);
    }
    return 0;
}

/* Handlings in another block of this one's deliveries. */
static void note_later(struct es_index_part *part, const struct es_lates *lates, uint16_t later)
{
    for (size_t i = 0; i < lates->n; i++) {
        uint64_t at = lates->list[i].cause - part->first;
        if (at < part->n && !lates->list[i].delivery && !part->edges->later[at])
            part->edges->later[at] = later;
    }
}

/* What could not be read handled nothing, as far as is known. */
static int lates_of(struct es_query *query, size_t block, const struct es_lates **ret_lates)
{
    static const struct es_lates none = {NULL, 0};
    int rc = es_index_lates(query, block, ret_lates);
    if (rc != -EBADMSG && rc != -ENOENT)
        return rc;
    es_error_clear();
    *ret_lates = &none;
    return 0;
}

int es_edges_look_later(struct es_query *query, struct es_index_part *part, size_t last)
{
    struct es_edges *edges = part->edges;
    if (!edges->later) {
        edges->later = calloc(part->n, sizeof *edges->later);
        if (!edges->later)
            return es_fail(-ENOMEM, "no memory to see what led to what");
        es_index_part_count(query, part, part->n * sizeof *edges->later);
    }
    size_t next = part->block + edges->looked + 1;
    if (next <= last)
        es_index_read(query, &(struct es_index_wish){.first = next, .n = last + 1 - next, .lates = true});
    while (part->block + edges->looked < last && edges->looked < UINT16_MAX) {
        const struct es_lates *lates;
        int rc = lates_of(query, part->block + edges->looked + 1, &lates);
        if (rc < 0)
            return rc;
        note_later(part, lates, (uint16_t)++edges->looked);
    }
    return 0;
}

static uint64_t handler_here(const struct es_index_part *part, uint32_t at)
{
    for (uint32_t i = at + 1; i < part->n; i++)
        if (part->back[i] == i - at && part->list[i] == part->list[at] && part->kinds[i] != ES_K_DELIVER)
            return part->first + i;
    return 0;
}

int es_edges_handler(struct es_query *query, const struct es_indexed *delivery, size_t last, uint64_t *ret_seq)
{
    const struct es_block_info *blocks = NULL;
    size_t block = es_query_block_of(query, delivery->seq);
    struct es_index_part *part;
    int rc = es_index_part_get(query, block, &part);
    if (rc < 0)
        return rc;
    *ret_seq = handler_here(part, (uint32_t)(delivery->seq - part->first));
    if (*ret_seq == 0) {
        rc = es_replies_taken(query, delivery->seq, ret_seq);
        if (rc < 0)
            return rc;
    }
    es_recording_blocks(query->recording, &blocks);
    while (*ret_seq == 0 && block++ < last) {
        const struct es_lates *lates;
        rc = lates_of(query, block, &lates);
        if (rc < 0)
            return rc;
        for (size_t i = 0; i < lates->n; i++) { /* not in order of their numbers */
            uint64_t seq = blocks[block].first_seq + lates->list[i].at;
            if (lates->list[i].cause == delivery->seq && !lates->list[i].delivery && (!*ret_seq || seq < *ret_seq))
                *ret_seq = seq;
        }
    }
    return 0;
}
