/* SPDX-License-Identifier: MIT */
/* An index of each block: arrays by event, lists of events by process, causes in order. */
#include "query/index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/graph.h"

/* Events of one process in one row: a part of `places`. */
struct list {
    es_ref pid;
    uint32_t at[2], n[2]; /* by enum es_row */
};

struct part {
    struct part *next; /* of those kept */
    uint64_t first, used, bytes;
    uint32_t n;
    struct small {
        uint16_t thread;
        uint8_t kind, flags;
        uint32_t list; /* of its process, UINT32_MAX: none */
        uint32_t back; /* its cause is so many events before it, 0: none */
    } * events;
    struct list *lists; /* by pid */
    size_t n_lists;
    uint32_t *places; /* of events, by list and row, ascending */
    struct es_effect *effects;
    size_t n_effects;
};

struct es_index {
    struct part *parts;
    struct part *last; /* asked for last */
    uint64_t bytes, clock;
};

static void free_part(struct part *part)
{
    free(part->events);
    free(part->lists);
    free(part->places);
    free(part->effects);
    free(part);
}

void es_index_free(struct es_index *index)
{
    if (!index)
        return;
    while (index->parts) {
        struct part *part = index->parts;
        index->parts = part->next;
        free_part(part);
    }
    free(index);
}

uint64_t es_index_bytes(const struct es_query *query) { return query->index ? query->index->bytes : 0; }

/* ---- making a part ------------------------------------------------------------------------------------------------- */

static enum es_row row_of(unsigned kind) { return kind == ES_K_DELIVER ? ES_ROW_DELIVERIES : ES_ROW_ACTS; }

static bool has_row(const struct es_event *event) { return event->pid != ES_REF_NONE && es_kind_is_own(event->kind); }

static int by_pid(const void *a, const void *b)
{
    const struct list *x = a, *y = b;
    return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static int by_cause(const void *a, const void *b)
{
    const struct es_effect *x = a, *y = b;
    if (x->cause != y->cause)
        return x->cause < y->cause ? -1 : 1;
    return x->effect < y->effect ? -1 : x->effect > y->effect;
}

static const struct list *find_list(const struct part *part, es_ref pid)
{
    struct list key = {.pid = pid};
    return part->n_lists ? bsearch(&key, part->lists, part->n_lists, sizeof key, by_pid) : NULL;
}

/* The place in `lists` of this process, made where it was not there; UINT32_MAX without memory. */
static uint32_t list_of(struct part *part, struct es_refmap *map, size_t *room, es_ref pid)
{
    uint64_t *place = es_refmap_place(map, pid);
    if (!place)
        return UINT32_MAX;
    if (*place == 0) {
        if (part->n_lists == *room) {
            size_t more = *room ? *room * 2 : 64;
            struct list *lists = realloc(part->lists, more * sizeof *lists);
            if (!lists)
                return UINT32_MAX;
            part->lists = lists;
            *room = more;
        }
        part->lists[part->n_lists] = (struct list){.pid = pid, .at = {(uint32_t)part->n_lists}};
        *place = ++part->n_lists;
    }
    return (uint32_t)(*place - 1);
}

/* Lists were numbered as they appeared, and stand in order of their processes now; `at` still says which was which. */
static bool renumber(struct part *part)
{
    uint32_t *place = malloc((part->n_lists + 1) * sizeof *place);
    if (!place)
        return false;
    for (uint32_t k = 0; k < part->n_lists; k++)
        place[part->lists[k].at[0]] = k;
    for (uint32_t i = 0; i < part->n; i++)
        if (part->events[i].list != UINT32_MAX)
            part->events[i].list = place[part->events[i].list];
    free(place);
    return true;
}

/* Processes of the block with how many events each has. */
static bool make_lists(struct part *part, const struct es_event *events)
{
    struct es_refmap map = {0};
    bool made = true;
    size_t room = 0;
    for (uint32_t i = 0; made && i < part->n; i++) {
        part->events[i].list = UINT32_MAX;
        if (!has_row(&events[i]))
            continue;
        part->events[i].list = list_of(part, &map, &room, events[i].pid);
        made = part->events[i].list != UINT32_MAX;
        if (made)
            part->lists[part->events[i].list].n[row_of(events[i].kind)]++;
    }
    es_refmap_fini(&map);
    if (made && part->n_lists > 0)
        qsort(part->lists, part->n_lists, sizeof *part->lists, by_pid);
    return made && renumber(part);
}

static void fill_lists(struct part *part)
{
    uint32_t at = 0;
    for (size_t k = 0; k < part->n_lists; k++)
        for (unsigned row = 0; row < 2; row++) {
            part->lists[k].at[row] = at;
            at += part->lists[k].n[row];
            part->lists[k].n[row] = 0;
        }
    for (uint32_t i = 0; i < part->n; i++) {
        if (part->events[i].list == UINT32_MAX)
            continue;
        struct list *list = &part->lists[part->events[i].list];
        enum es_row row = row_of(part->events[i].kind);
        part->places[list->at[row] + list->n[row]++] = i;
    }
}

static bool make_effects(struct part *part, const struct es_event *events)
{
    for (uint32_t i = 0; i < part->n; i++)
        part->n_effects += part->events[i].back != 0;
    part->effects = malloc((part->n_effects + 1) * sizeof *part->effects);
    if (!part->effects)
        return false;
    size_t n = 0;
    for (uint32_t i = 0; i < part->n; i++)
        if (part->events[i].back)
            part->effects[n++] = (struct es_effect){events[i].cause, events[i].seq};
    if (n > 1)
        qsort(part->effects, n, sizeof *part->effects, by_cause);
    return true;
}

static struct part *make_part(const struct es_event *events, uint32_t n)
{
    struct part *part = calloc(1, sizeof *part);
    if (!part)
        return NULL;
    part->first = events[0].seq;
    part->n = n;
    part->events = malloc(n * sizeof *part->events);
    part->places = malloc(n * sizeof *part->places);
    bool made = part->events && part->places;
    for (uint32_t i = 0; made && i < n; i++) {
        uint64_t back = events[i].cause && events[i].cause < events[i].seq ? events[i].seq - events[i].cause : 0;
        part->events[i] = (struct small){.thread = events[i].thread,
                                         .kind = events[i].kind,
                                         .flags = events[i].flags,
                                         .back = back <= UINT32_MAX ? (uint32_t)back : 0};
    }
    made = made && make_lists(part, events);
    if (made)
        fill_lists(part);
    if (!made || !make_effects(part, events)) {
        free_part(part);
        return NULL;
    }
    part->bytes = n * (sizeof *part->events + sizeof *part->places) + part->n_lists * sizeof *part->lists +
                  part->n_effects * sizeof *part->effects;
    return part;
}

/* ---- keeping parts ------------------------------------------------------------------------------------------------- */

static void drop_oldest(struct es_index *index)
{
    struct part **oldest = &index->parts;
    for (struct part **at = &index->parts; *at; at = &(*at)->next)
        if ((*at)->used < (*oldest)->used)
            oldest = at;
    struct part *part = *oldest;
    *oldest = part->next;
    index->bytes -= part->bytes;
    if (index->last == part)
        index->last = NULL;
    free_part(part);
}

static struct part *find_part(struct es_index *index, uint64_t seq)
{
    struct part *part = index->last;
    if (!part || seq < part->first || seq - part->first >= part->n)
        for (part = index->parts; part && (seq < part->first || seq - part->first >= part->n); part = part->next)
            ;
    return part;
}

static int load_part(struct es_query *query, size_t block, struct part **ret_part)
{
    struct es_block *decoded;
    int rc = es_block_get_fields(query->recording, block, ES_F_CAUSE, &decoded);
    if (rc < 0)
        return rc;
    struct part *part = decoded->n ? make_part(decoded->events, (uint32_t)decoded->n) : NULL;
    es_block_unref(query->recording, decoded);
    if (!part)
        return es_fail(-ENOMEM, "no memory for an index of events");
    struct es_index *index = query->index;
    while (index->parts && index->bytes + part->bytes > ES_INDEX_BYTES)
        drop_oldest(index);
    part->next = index->parts;
    index->parts = part;
    index->bytes += part->bytes;
    *ret_part = part;
    return 0;
}

static int get_part(struct es_query *query, size_t block, struct part **ret_part)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(query->recording, &blocks);
    if (block >= n)
        return -ENOENT;
    if (!query->index && !(query->index = calloc(1, sizeof *query->index)))
        return es_fail(-ENOMEM, "no memory for an index of events");
    struct part *part = find_part(query->index, blocks[block].first_seq);
    int rc = part ? 0 : load_part(query, block, &part);
    if (rc < 0)
        return rc;
    part->used = ++query->index->clock;
    query->index->last = part;
    *ret_part = part;
    return 0;
}

/* ---- questions ----------------------------------------------------------------------------------------------------- */

int es_index_event(struct es_query *query, uint64_t seq, struct es_indexed *ret)
{
    struct part *part;
    int rc = get_part(query, es_query_block_of(query, seq), &part);
    if (rc < 0)
        return rc;
    if (seq < part->first || seq - part->first >= part->n)
        return -ENOENT;
    const struct small *event = &part->events[seq - part->first];
    *ret = (struct es_indexed){.seq = seq,
                               .cause = event->back ? seq - event->back : 0,
                               .pid = event->list == UINT32_MAX ? ES_REF_NONE : part->lists[event->list].pid,
                               .thread = event->thread,
                               .kind = event->kind,
                               .flags = event->flags};
    return 0;
}

/* Is the process in the block? The index answers where it is kept, else the block's table of processes. */
static bool may_have(struct es_query *query, size_t block, es_ref pid)
{
    const struct es_block_info *blocks = NULL;
    struct es_pid_count *counts = NULL;
    size_t n = 0, low = 0;
    es_recording_blocks(query->recording, &blocks);
    if (query->index && find_part(query->index, blocks[block].first_seq))
        return true;
    if (es_recording_block_pids(query->recording, block, &counts, &n) < 0) {
        es_error_clear();
        return true; /* what is wrong with it shows when it is read */
    }
    for (size_t high = n; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (counts[middle].pid < pid)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < n && counts[low].pid == pid;
    free(counts);
    return found;
}

/* How many events of the list lie before event `i`. */
static uint32_t count_before(const struct part *part, const struct list *list, enum es_row row, uint64_t i)
{
    const uint32_t *places = part->places + list->at[row];
    uint32_t low = 0, high = list->n[row];
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (places[middle] < i)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int look_here(struct es_query *query, size_t block, struct es_indexed *what, bool back, uint64_t *ret_seq)
{
    struct part *part;
    *ret_seq = 0;
    int rc = may_have(query, block, what->pid) ? get_part(query, block, &part) : -ENOENT;
    if (rc == -ENOENT || rc == -EBADMSG) {
        es_error_clear();
        return 0;
    }
    if (rc < 0)
        return rc;
    const struct list *list = find_list(part, what->pid);
    enum es_row row = row_of(what->kind);
    if (!list)
        return 0;
    uint64_t i = what->seq < part->first ? 0 : what->seq - part->first + back;
    uint32_t before = count_before(part, list, row, i);
    if (back ? before > 0 : before < list->n[row])
        *ret_seq = part->first + part->places[list->at[row] + before - back];
    return 0;
}

static struct es_indexed what_of(es_ref pid, enum es_row row, uint64_t seq)
{
    return (struct es_indexed){.pid = pid, .seq = seq, .kind = row == ES_ROW_DELIVERIES ? ES_K_DELIVER : ES_K_CALL};
}

int es_index_last_here(struct es_query *query, es_ref pid, enum es_row row, uint64_t seq, uint64_t *ret_seq)
{
    struct es_indexed what = what_of(pid, row, seq);
    return look_here(query, es_query_block_of(query, seq), &what, true, ret_seq);
}

int es_index_first_here(struct es_query *query, es_ref pid, enum es_row row, uint64_t seq, uint64_t *ret_seq)
{
    struct es_indexed what = what_of(pid, row, seq);
    return look_here(query, es_query_block_of(query, seq), &what, false, ret_seq);
}

int es_index_last(struct es_query *query, es_ref pid, enum es_row row, uint64_t seq, uint64_t *ret_seq)
{
    const struct es_block_info *blocks = NULL;
    struct es_indexed what = what_of(pid, row, seq);
    size_t n = es_recording_blocks(query->recording, &blocks), i = es_query_block_of(query, seq);
    *ret_seq = 0;
    if (n == 0 || seq == 0)
        return 0;
    for (i = i < n ? i + 1 : n; i-- > 0;) {
        int rc = look_here(query, i, &what, true, ret_seq);
        if (rc < 0 || *ret_seq)
            return rc;
    }
    return 0;
}

int es_index_first(struct es_query *query, es_ref pid, enum es_row row, uint64_t seq, uint64_t *ret_seq)
{
    const struct es_block_info *blocks = NULL;
    struct es_indexed what = what_of(pid, row, seq);
    size_t n = es_recording_blocks(query->recording, &blocks);
    *ret_seq = 0;
    for (size_t i = es_query_block_of(query, seq); i < n; i++) {
        int rc = look_here(query, i, &what, false, ret_seq);
        if (rc < 0 || *ret_seq)
            return rc;
    }
    return 0;
}

int es_index_effects(struct es_query *query, size_t block, const struct es_effect **ret_effects, size_t *ret_n)
{
    struct part *part;
    int rc = get_part(query, block, &part);
    if (rc < 0)
        return rc;
    *ret_effects = part->effects;
    *ret_n = part->n_effects;
    return 0;
}
