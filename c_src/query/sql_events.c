/* SPDX-License-Identifier: MIT */
/* The rows of tables that are events: walked through with a cursor, or, where only columns with few values are
 * looked at, counted first and handed out group by group. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/sql.h"

struct events {
    struct es_cursor *cursor;
    /* the functions that are asked for by name */
    struct es_refmap functions; /* 1: it is, 2: it is not */
    /* counted: */
    struct es_sql_groups groups;
    const struct es_sql_column *keys[ES_SQL_KEYS];
    size_t n_keys, group;
    uint64_t given; /* of the group */
};

/* ---- walking ------------------------------------------------------------------------------------------------------- */

/* A module as people write it in code, where a filter can find it: of plain letters. */
static const char *plain_module(const struct es_sql_ask *ask, char *copy, size_t room)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.@";
    size_t len = ask->module ? strlen(ask->module) : 0, skip = len > 1 && ask->module[0] == '\'' ? 1 : 0;
    if (len == 0 || len >= room || (skip && ask->module[len - 1] != '\''))
        return NULL;
    memcpy(copy, ask->module + skip, len - 2 * skip);
    copy[len - 2 * skip] = '\0';
    return copy[0] && strspn(copy, letters) == strlen(copy) ? copy : NULL;
}

int es_sql_events(struct es_sql_scan *scan, uint64_t kinds, unsigned fields, struct es_cursor **ret_cursor)
{
    const struct es_sql_ask *ask = &scan->ask;
    char module[256];
    struct es_filter filter = {.pids = ask->pids,
                               .n_pids = ask->n_pids,
                               .kinds = kinds,
                               .module = plain_module(ask, module, sizeof module),
                               .since = ask->time_from,
                               .until = ask->time_to == INT64_MAX ? INT64_MAX : ask->time_to + 1,
                               .after_seq = ask->seq_from ? ask->seq_from - 1 : 0,
                               .before_seq = ask->seq_to + 1,
                               .reverse = ask->reverse,
                               .no_payload = !(fields & ES_F_PAYLOAD),
                               .fields = fields | ES_NO_FIELDS};
    return es_cursor_open(scan->sql->query, &filter, ret_cursor);
}

int es_sql_next(struct es_sql *sql, struct es_cursor *cursor, const struct es_event **ret_event)
{
    if ((++sql->ticks & 1023) == 0) {
        int rc = es_sql_tick(sql);
        if (rc < 0)
            return rc;
    }
    return es_cursor_next(cursor, ret_event);
}

const struct es_event *es_sql_event(struct es_sql *sql, uint64_t seq, unsigned fields)
{
    struct es_recording *recording = sql->query->recording;
    bool inside =
        sql->block && seq >= sql->block_first && seq <= sql->block_last && (sql->block_fields & fields) == fields;
    if (!inside) {
        const struct es_block_info *blocks = NULL;
        size_t n = es_recording_blocks(recording, &blocks), i = es_query_block_of(sql->query, seq);
        if (sql->block)
            es_block_unref(recording, sql->block);
        sql->block = NULL;
        if (i == n || blocks[i].first_seq > seq ||
            es_block_get_fields(recording, i, fields | ES_NO_FIELDS, &sql->block) < 0) {
            es_error_clear();
            sql->block = NULL;
            return NULL;
        }
        sql->block_first = blocks[i].first_seq;
        sql->block_last = blocks[i].last_seq;
        sql->block_fields = fields;
    }
    if (seq - sql->block_first >= sql->block->n)
        return NULL;
    sql->filled = sql->block->events[seq - sql->block_first];
    if (fields & ES_F_PAYLOAD)
        es_query_fill(sql->query, &sql->filled, &sql->state);
    return &sql->filled;
}

static unsigned needed_fields(const struct es_sql_scan *scan)
{
    unsigned fields = scan->table->picks ? ES_F_PAYLOAD : 0;
    for (size_t i = 0; i < scan->table->n_columns; i++)
        if (es_sql_uses(&scan->ask, i))
            fields |= es_sql_field_needs(scan->table->columns[i].field);
    return fields | (scan->ask.function ? ES_F_FUN : 0);
}

static bool function_fits(struct es_sql_scan *scan, struct events *events, const struct es_event *event)
{
    if (!scan->ask.function)
        return true;
    if (event->function == ES_REF_NONE)
        return false;
    uint64_t *known = es_refmap_place(&events->functions, event->function);
    if (known && *known)
        return *known == 1;
    struct es_sql_value value = {(int64_t)event->function, ES_SHOW_FUNCTION, true};
    const struct es_sql_word *word = es_sql_word(scan->sql, &value, false);
    bool fits = !word || strcmp(word->bytes, scan->ask.function) == 0; /* without memory SQLite tells */
    if (known)
        *known = fits ? 1 : 2;
    return fits;
}

static int walk(struct es_sql_scan *scan, struct events *events)
{
    for (;;) {
        int rc = es_sql_next(scan->sql, events->cursor, &scan->event);
        if (rc <= 0)
            return rc;
        if ((scan->table->picks && !scan->table->picks(scan->sql, scan->event)) ||
            !function_fits(scan, events, scan->event))
            continue;
        if (scan->ask.skip == 0)
            return 1;
        scan->ask.skip--;
    }
}

/* ---- handing out groups ---------------------------------------------------------------------------------------------- */

struct sorting {
    struct es_sql_scan *scan;
    const struct events *events;
};
static _Thread_local const struct sorting *sorting;

static int compare_texts(const struct es_sql_value *a, const struct es_sql_value *b)
{
    const struct es_sql_word *x = NULL, *y = NULL;
    const char *p = NULL, *q = NULL;
    switch (a->show) {
    case ES_SHOW_INTEGER: return a->value < b->value ? -1 : a->value > b->value;
    case ES_SHOW_KIND:
        p = es_kind_table[a->value % ES_KIND_MAX].name;
        q = es_kind_table[b->value % ES_KIND_MAX].name;
        break;
    case ES_SHOW_FAMILY:
        p = es_family_names[es_kind_table[a->value % ES_KIND_MAX].family];
        q = es_family_names[es_kind_table[b->value % ES_KIND_MAX].family];
        break;
    case ES_SHOW_CAUSE:
        p = es_cause_names[a->value % ES_CAUSE_MAX];
        q = es_cause_names[b->value % ES_CAUSE_MAX];
        break;
    default:
        x = es_sql_word(sorting->scan->sql, a, sorting->scan->ask.erlang);
        y = es_sql_word(sorting->scan->sql, b, sorting->scan->ask.erlang);
        p = x ? x->bytes : "";
        q = y ? y->bytes : "";
    }
    return strcmp(p, q);
}

static struct es_sql_value key_value(const struct events *events, const struct es_sql_group *group, size_t key)
{
    return (struct es_sql_value){group->key[key], events->keys[key]->show, group->present >> key & 1};
}

/* As SQLite orders: NULL first, numbers by value, texts by their bytes. */
static int by_order(const void *a, const void *b)
{
    const struct es_sql_ask *ask = &sorting->scan->ask;
    const struct events *events = sorting->events;
    for (size_t i = 0; i < ask->n_order; i++) {
        const struct es_sql_column *column = &sorting->scan->table->columns[ask->order[i].column];
        size_t key = 0;
        while (events->keys[key] != column)
            key++;
        struct es_sql_value x = key_value(events, a, key), y = key_value(events, b, key);
        int order = x.present && y.present ? compare_texts(&x, &y) : x.present - y.present;
        if (order)
            return ask->order[i].descending ? -order : order;
    }
    return 0;
}

static int count(struct es_sql_scan *scan, struct events *events)
{
    struct es_sql_counting counting = {.kinds = scan->ask.kinds};
    for (size_t i = 0; i < scan->table->n_columns; i++)
        if (es_sql_uses(&scan->ask, i) && scan->table->columns[i].field)
            counting.keys[counting.n_keys++] = &scan->table->columns[i];
    memcpy(events->keys, counting.keys, sizeof events->keys);
    events->n_keys = counting.n_keys;
    int rc = es_sql_count(scan, &counting, &events->groups);
    if (rc < 0)
        return rc;
    sorting = &(struct sorting){scan, events};
    if (scan->ask.n_order && events->groups.n > 1)
        qsort(events->groups.groups, events->groups.n, sizeof *events->groups.groups, by_order);
    sorting = NULL;
    scan->event = NULL;
    return 0;
}

/* A number for the first event of a group that is the same in each run and that no other group has: SQLite
 * tells rows apart by it that several runs give (OR). There are few groups then, of kinds and processes. */
static int64_t group_id(struct es_sql_scan *scan, struct events *events, const struct es_sql_group *group)
{
    uint64_t id = 0;
    for (size_t i = 0; i < events->n_keys && scan->ask.n_order == 0; i++) {
        struct es_refmap *numbers = &scan->sql->pid_numbers;
        bool is_pid = events->keys[i]->field == ES_SQL_F_PID;
        uint64_t *number = is_pid && group->key[i] ? es_refmap_place(numbers, (uint64_t)group->key[i]) : NULL;
        if (number && !*number)
            *number = numbers->n;
        id |= is_pid ? (number ? *number << 32 : 0) : (uint64_t)group->key[i] << 56;
    }
    return (int64_t)id;
}

static void show_group(struct es_sql_scan *scan, struct events *events, const struct es_sql_group *group)
{
    scan->row.present = 0;
    for (size_t i = 0, key = 0; i < scan->table->n_columns; i++) {
        if (!es_sql_uses(&scan->ask, i) || !scan->table->columns[i].field)
            continue;
        if (group->present >> key & 1)
            es_sql_put(&scan->row, i, group->key[key]);
        key++;
    }
    events->given = 0;
    scan->row.id = group_id(scan, events, group);
}

static int next_of_groups(struct es_sql_scan *scan, struct events *events)
{
    for (;;) {
        if (events->group == events->groups.n)
            return 0;
        struct es_sql_group *group = &events->groups.groups[events->group];
        uint64_t has = scan->ask.distinct && group->events ? 1 : group->events;
        if (events->given == 0)
            show_group(scan, events, group);
        uint64_t skip = scan->ask.skip < has - events->given ? scan->ask.skip : has - events->given;
        events->given += skip;
        scan->row.id += (int64_t)skip;
        scan->ask.skip -= skip;
        if (events->given < has) {
            events->given++;
            scan->row.id++;
            return 1;
        }
        events->group++;
        events->given = 0;
    }
}

/* ---- the source ---------------------------------------------------------------------------------------------------- */

static int open_events(struct es_sql_scan *scan)
{
    struct events *events = calloc(1, sizeof *events);
    if (!events)
        return -ENOMEM;
    scan->state = events;
    if (scan->ask.counted)
        return count(scan, events);
    return es_sql_events(scan, scan->ask.kinds, needed_fields(scan), &events->cursor);
}

static int next_event(struct es_sql_scan *scan)
{
    struct events *events = scan->state;
    return events->cursor ? walk(scan, events) : next_of_groups(scan, events);
}

static void close_events(struct es_sql_scan *scan)
{
    struct events *events = scan->state;
    if (!events)
        return;
    es_cursor_close(events->cursor);
    es_refmap_fini(&events->functions);
    es_sql_groups_fini(&events->groups);
    free(events);
}

const struct es_sql_source es_sql_event_source = {open_events, next_event, close_events};
