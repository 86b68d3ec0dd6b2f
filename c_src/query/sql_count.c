/* SPDX-License-Identifier: MIT */
/* Counting events by fields that have few values. The index of blocks knows kinds and processes: where nothing
 * else is asked for, only blocks at the edges of what is asked for are read. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/sql.h"
#include "wire/term.h"

#define GROUPS_MAX (8u << 20)

bool es_sql_can_count(unsigned field)
{
    switch (field) {
    case ES_SQL_F_KIND:
    case ES_SQL_F_PID:
    case ES_SQL_F_NAME:
    case ES_SQL_F_MODULE:
    case ES_SQL_F_FUNCTION:
    case ES_SQL_F_ARITY:
    case ES_SQL_F_CAUSE_STATE:
    case ES_SQL_F_THREAD: return true;
    default: return false;
    }
}

void es_sql_groups_fini(struct es_sql_groups *groups)
{
    free(groups->groups);
    free(groups->places);
    *groups = (struct es_sql_groups){0};
}

/* ---- groups -------------------------------------------------------------------------------------------------------- */

struct work {
    struct es_sql_scan *scan;
    const struct es_sql_counting *counting;
    struct es_sql_groups *groups;
    struct es_sql_group now; /* keys of the event at hand */
    size_t last;             /* where the last one went */
};

static bool same(const struct es_sql_group *a, const struct es_sql_group *b)
{
    return a->present == b->present && memcmp(a->key, b->key, sizeof a->key) == 0;
}

static size_t place_of(const struct es_sql_groups *groups, const struct es_sql_group *group)
{
    uint64_t hash = group->present;
    for (size_t i = 0; i < ES_SQL_KEYS; i++)
        hash = es_hash_mix(hash, (uint64_t)group->key[i]);
    size_t place = (size_t)(hash ^ hash >> 29) & (groups->n_places - 1);
    while (groups->places[place] && !same(&groups->groups[groups->places[place] - 1], group))
        place = (place + 1) & (groups->n_places - 1);
    return place;
}

static int grow(struct es_sql_groups *groups)
{
    size_t room = groups->room ? groups->room * 2 : 64;
    if (groups->n >= GROUPS_MAX)
        return es_fail(-E2BIG,
                       "there are more than %u different values to count; ask for a part (seq, time, kind, pid)",
                       GROUPS_MAX);
    struct es_sql_group *bigger = realloc(groups->groups, room * sizeof *bigger);
    if (!bigger)
        return -ENOMEM;
    groups->groups = bigger;
    uint32_t *places = calloc(room * 2, sizeof *places);
    if (!places)
        return -ENOMEM;
    free(groups->places);
    groups->places = places;
    groups->room = room;
    groups->n_places = room * 2;
    for (size_t i = 0; i < groups->n; i++)
        groups->places[place_of(groups, &groups->groups[i])] = (uint32_t)i + 1;
    return 0;
}

static int add_now(struct work *w, uint64_t events)
{
    struct es_sql_groups *groups = w->groups;
    if (w->last < groups->n && same(&groups->groups[w->last], &w->now)) {
        groups->groups[w->last].events += events;
        return 0;
    }
    if (groups->n == groups->room) {
        int rc = grow(groups);
        if (rc < 0)
            return rc;
    }
    size_t place = place_of(groups, &w->now);
    if (!groups->places[place]) {
        groups->groups[groups->n] = w->now;
        groups->groups[groups->n].events = 0;
        groups->places[place] = (uint32_t)++groups->n;
    }
    w->last = groups->places[place] - 1;
    groups->groups[w->last].events += events;
    return 0;
}

/* ---- keys ---------------------------------------------------------------------------------------------------------- */

static unsigned first_of_family(unsigned kind)
{
    unsigned first = 0;
    while (es_kind_table[first].family != es_kind_table[kind].family)
        first++;
    return first;
}

static int64_t window_of(const struct es_sql_counting *counting, int64_t time)
{
    int64_t window = (int64_t)(((uint64_t)time - (uint64_t)counting->from) / (uint64_t)counting->step);
    return window < counting->windows ? window : counting->windows - 1;
}

static int add_event(struct work *w, const struct es_event *event, uint64_t events)
{
    const struct es_sql_counting *counting = w->counting;
    w->now.present = 0;
    for (size_t i = 0; i < counting->n_keys; i++) {
        struct es_sql_value value = es_sql_event_value(w->scan->sql, event, counting->keys[i]);
        if (value.show == ES_SHOW_FAMILY)
            value.value = first_of_family((unsigned)value.value);
        w->now.key[i] = value.present ? value.value : 0;
        w->now.present = (uint8_t)(w->now.present | value.present << i);
    }
    if (counting->step)
        w->now.key[ES_SQL_KEYS - 1] = window_of(counting, event->time);
    return add_now(w, events);
}

static unsigned needed_fields(const struct es_sql_counting *counting)
{
    unsigned fields = 0;
    for (size_t i = 0; i < counting->n_keys; i++)
        fields |= es_sql_field_needs(counting->keys[i]->field);
    return fields;
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

/* Events one by one, within what is asked for. */
static int add_events(struct work *w)
{
    struct es_cursor *cursor;
    const struct es_event *event = NULL;
    int rc = es_sql_events(w->scan, w->counting->kinds, needed_fields(w->counting), &cursor);
    if (rc < 0)
        return rc;
    while ((rc = es_sql_next(w->scan->sql, cursor, &event)) > 0) {
        rc = add_event(w, event, 1);
        if (rc < 0)
            break;
    }
    es_cursor_close(cursor);
    return rc;
}

/* The same within a block. */
static int add_part(struct work *w, uint64_t first, uint64_t last)
{
    struct es_sql_ask *ask = &w->scan->ask;
    uint64_t from = ask->seq_from, to = ask->seq_to;
    ask->seq_from = first > from ? first : from;
    ask->seq_to = last < to ? last : to;
    int rc = add_events(w);
    ask->seq_from = from;
    ask->seq_to = to;
    return rc;
}

static int add_kinds(struct work *w, const struct es_block_info *block)
{
    int rc = 0;
    for (unsigned kind = 0; rc == 0 && kind < ES_KIND_MAX; kind++) {
        struct es_event event = {.kind = (uint8_t)kind, .time = block->first_time};
        if (block->kinds[kind] && (w->counting->kinds == 0 || w->counting->kinds >> kind & 1))
            rc = add_event(w, &event, block->kinds[kind]);
    }
    return rc;
}

static bool wants_pid(const struct es_sql_ask *ask, es_ref pid)
{
    size_t from = 0, to = ask->n_pids;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (ask->pids[middle] < pid)
            from = middle + 1;
        else
            to = middle;
    }
    return ask->n_pids == 0 || (from < ask->n_pids && ask->pids[from] == pid);
}

static int add_pids(struct work *w, size_t index, const struct es_block_info *block)
{
    struct es_pid_count *counts = NULL;
    size_t n = 0;
    int rc = es_recording_block_pids(w->scan->sql->query->recording, index, &counts, &n);
    if (rc == -EBADMSG || rc == -ENOENT) { /* damaged, or dropped since */
        es_error_clear();
        return 0;
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct es_event event = {.pid = counts[i].pid, .time = block->first_time};
        if (wants_pid(&w->scan->ask, counts[i].pid))
            rc = add_event(w, &event, counts[i].events);
    }
    free(counts);
    return rc;
}

/* ---- what the index tells ------------------------------------------------------------------------------------------ */

enum index_use { INDEX_NONE, INDEX_KINDS, INDEX_PIDS };

static enum index_use use_of_index(const struct work *w)
{
    const struct es_sql_counting *counting = w->counting;
    const struct es_sql_ask *ask = &w->scan->ask;
    bool kinds = ask->n_pids == 0, pids = counting->kinds == 0;
    if (ask->module || ask->function)
        return INDEX_NONE;
    for (size_t i = 0; i < counting->n_keys; i++) {
        kinds &= counting->keys[i]->field == ES_SQL_F_KIND;
        pids &= counting->keys[i]->field == ES_SQL_F_PID;
    }
    return kinds ? INDEX_KINDS : pids ? INDEX_PIDS : INDEX_NONE;
}

static bool lies_inside(const struct work *w, const struct es_block_info *block)
{
    const struct es_sql_ask *ask = &w->scan->ask;
    const struct es_sql_counting *counting = w->counting;
    return block->first_seq >= ask->seq_from && block->last_seq <= ask->seq_to && block->first_time >= ask->time_from &&
           block->last_time <= ask->time_to &&
           (!counting->step || window_of(counting, block->first_time) == window_of(counting, block->last_time));
}

static bool touches(const struct work *w, const struct es_block_info *block)
{
    const struct es_sql_ask *ask = &w->scan->ask;
    return block->last_seq >= ask->seq_from && block->first_seq <= ask->seq_to && block->last_time >= ask->time_from &&
           block->first_time <= ask->time_to;
}

static int add_blocks(struct work *w, enum index_use use)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(w->scan->sql->query->recording, &blocks);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = es_sql_tick(w->scan->sql);
        if (rc < 0 || !touches(w, &blocks[i]))
            continue;
        if (!lies_inside(w, &blocks[i]))
            rc = add_part(w, blocks[i].first_seq, blocks[i].last_seq);
        else
            rc = use == INDEX_KINDS ? add_kinds(w, &blocks[i]) : add_pids(w, i, &blocks[i]);
    }
    return rc;
}

int es_sql_count(struct es_sql_scan *scan, const struct es_sql_counting *counting, struct es_sql_groups *ret_groups)
{
    struct work w = {.scan = scan, .counting = counting, .groups = ret_groups};
    enum index_use use = use_of_index(&w);
    bool reverse = scan->ask.reverse;
    scan->ask.reverse = false;
    int rc = use == INDEX_NONE ? add_events(&w) : add_blocks(&w, use);
    scan->ask.reverse = reverse;
    return rc;
}
