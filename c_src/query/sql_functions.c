/* SPDX-License-Identifier: MIT */
/* Table functions that count: histogram, top, timeline. What would take a row for each event takes one for
 * each block of them where the index tells. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/sql.h"
#include "query/sql_places.h"

#define BUCKETS_MAX 100000

struct counts {
    struct es_sql_groups groups;
    size_t at;
    uint64_t all, limit;
    int64_t from, step, bucket, buckets; /* timeline */
    bool plain;                          /* not counted apart */
};

/* ---- arguments ----------------------------------------------------------------------------------------------------- */

static int read_by(const char *by, const struct es_sql_column **ret)
{
    const struct es_sql_table *events = &es_sql_specs[0];
    for (size_t i = 0; i < events->n_columns; i++) {
        const struct es_sql_column *c = &events->columns[i];
        bool fits = es_sql_can_count(c->field) || c->field == ES_SQL_F_PEER || c->field == ES_SQL_F_PEER_NAME;
        if (fits && by && sqlite3_stricmp(c->name, by) == 0) {
            *ret = c;
            return 0;
        }
    }
    return es_fail(-EINVAL,
                   "cannot count by '%s': it is one of kind, family, pid, name, peer, peer_name, module, function, "
                   "arity, thread, cause_state",
                   by ? by : "NULL");
}

/* A kind, or a family of kinds; nothing: all. */
static int read_of(const char *of, uint64_t *ret_kinds)
{
    uint64_t kinds = 0;
    for (unsigned kind = 1; of && kind < ES_KIND_MAX; kind++)
        if (es_kind_table[kind].family != ES_FAM_INTERNAL &&
            (strcmp(es_kind_table[kind].name, of) == 0 || strcmp(es_family_names[es_kind_table[kind].family], of) == 0))
            kinds |= UINT64_C(1) << kind;
    if (of && !kinds)
        return es_fail(-EINVAL, "there is no kind and no family of events called '%s'", of);
    *ret_kinds = kinds;
    return 0;
}

static struct counts *new_counts(struct es_sql_scan *scan)
{
    struct counts *counts = calloc(1, sizeof *counts);
    scan->state = counts;
    return counts;
}

static void close_counts(struct es_sql_scan *scan)
{
    struct counts *counts = scan->state;
    if (!counts)
        return;
    es_sql_groups_fini(&counts->groups);
    free(counts);
}

/* ---- histogram and top ---------------------------------------------------------------------------------------------- */

/* Most first; then by value, so that the order is the same each time. */
static int by_events(const void *a, const void *b)
{
    const struct es_sql_group *x = a, *y = b;
    if (x->events != y->events)
        return x->events > y->events ? -1 : 1;
    return x->key[0] < y->key[0] ? -1 : x->key[0] > y->key[0];
}

static int count(struct es_sql_scan *scan, size_t by_column, size_t of_column)
{
    struct counts *counts = new_counts(scan);
    struct es_sql_counting counting = {.n_keys = 1};
    int rc = counts ? read_by(es_sql_text_argument(scan, by_column, NULL), &counting.keys[0]) : -ENOMEM;
    if (rc == 0)
        rc = read_of(es_sql_text_argument(scan, of_column, NULL), &counting.kinds);
    if (rc == 0)
        rc = es_sql_count(scan, &counting, &counts->groups);
    if (rc < 0)
        return rc;
    scan->as = counting.keys[0]->show;
    for (size_t i = 0; i < counts->groups.n; i++)
        counts->all += counts->groups.groups[i].events;
    if (counts->groups.n)
        qsort(counts->groups.groups, counts->groups.n, sizeof *counts->groups.groups, by_events);
    counts->limit = counts->groups.n;
    return 0;
}

static int open_histogram(struct es_sql_scan *scan) { return count(scan, ES_HISTOGRAM_BY, ES_HISTOGRAM_OF); }

static int open_top(struct es_sql_scan *scan)
{
    int64_t n = es_sql_integer_argument(scan, ES_TOP_N, 10);
    int rc = count(scan, ES_TOP_BY, ES_TOP_OF);
    struct counts *counts = scan->state;
    if (rc == 0 && n < 0)
        return es_fail(-EINVAL, "top() gives %lld rows: at least 0 are needed", (long long)n);
    if (rc == 0 && (uint64_t)n < counts->limit)
        counts->limit = (uint64_t)n;
    return rc;
}

/* value, events, share, from a column on: the same in both. */
static int next_group(struct es_sql_scan *scan, size_t column)
{
    struct counts *counts = scan->state;
    if (counts->at >= counts->limit)
        return 0;
    const struct es_sql_group *group = &counts->groups.groups[counts->at++];
    scan->row.present = 0;
    scan->row.id = (int64_t)scan->number;
    if (group->present & 1)
        es_sql_put(&scan->row, column, group->key[0]);
    es_sql_put(&scan->row, column + 1, (int64_t)group->events);
    es_sql_put_double(&scan->row, column + 2, (double)group->events / (double)counts->all);
    return 1;
}

static int next_of_histogram(struct es_sql_scan *scan) { return next_group(scan, ES_HISTOGRAM_VALUE); }

static int next_of_top(struct es_sql_scan *scan)
{
    const struct counts *counts = scan->state;
    int rc = next_group(scan, ES_TOP_VALUE);
    if (rc > 0)
        es_sql_put(&scan->row, ES_TOP_RANK, (int64_t)counts->at);
    return rc;
}

const struct es_sql_source es_sql_histogram_source = {open_histogram, next_of_histogram, close_counts};
const struct es_sql_source es_sql_top_source = {open_top, next_of_top, close_counts};

/* ---- timeline ------------------------------------------------------------------------------------------------------ */

#define WINDOW(group) ((group)->key[ES_SQL_KEYS - 1])

static int by_window(const void *a, const void *b)
{
    const struct es_sql_group *x = a, *y = b;
    if (WINDOW(x) != WINDOW(y))
        return WINDOW(x) < WINDOW(y) ? -1 : 1;
    return by_events(a, b);
}

static int measure(struct es_sql_scan *scan, struct counts *counts)
{
    int64_t first = 0, last = 0;
    counts->buckets = es_sql_integer_argument(scan, ES_TIMELINE_BUCKETS, 0);
    if (counts->buckets < 1 || counts->buckets > BUCKETS_MAX)
        return es_fail(-EINVAL, "timeline() has 1 to %d buckets, not %lld", BUCKETS_MAX, (long long)counts->buckets);
    if (!es_query_span(scan->sql->query, &first, &last)) {
        counts->buckets = 0;
        return 0;
    }
    uint64_t step = ((uint64_t)last - (uint64_t)first) / (uint64_t)counts->buckets + 1;
    counts->from = first;
    counts->step = step > INT64_MAX ? INT64_MAX : (int64_t)step;
    return 0;
}

static int open_timeline(struct es_sql_scan *scan)
{
    struct counts *counts = new_counts(scan);
    const char *by = es_sql_text_argument(scan, ES_TIMELINE_BY, NULL);
    struct es_sql_counting counting = {.n_keys = by ? 1 : 0};
    int rc = counts ? measure(scan, counts) : -ENOMEM;
    if (rc == 0 && by)
        rc = read_by(by, &counting.keys[0]);
    if (rc == 0)
        rc = read_of(es_sql_text_argument(scan, ES_TIMELINE_OF, NULL), &counting.kinds);
    if (rc < 0 || counts->buckets == 0)
        return rc;
    scan->as = counting.keys[0] ? counting.keys[0]->show : ES_SHOW_TEXT;
    counts->plain = !by;
    counting.from = counts->from;
    counting.step = counts->step;
    counting.windows = counts->buckets;
    rc = es_sql_count(scan, &counting, &counts->groups);
    if (rc == 0 && counts->groups.n)
        qsort(counts->groups.groups, counts->groups.n, sizeof *counts->groups.groups, by_window);
    return rc;
}

static void put_bucket(struct es_sql_scan *scan, int64_t bucket, uint64_t events)
{
    const struct counts *counts = scan->state;
    scan->row.present = 0;
    scan->row.id = (int64_t)scan->number;
    es_sql_put(&scan->row, ES_TIMELINE_BUCKET, bucket);
    es_sql_put(&scan->row, ES_TIMELINE_TIME, (int64_t)((uint64_t)counts->from + (uint64_t)(bucket * counts->step)));
    es_sql_put(&scan->row, ES_TIMELINE_END_TIME,
               (int64_t)((uint64_t)counts->from + (uint64_t)((bucket + 1) * counts->step)));
    es_sql_put(&scan->row, ES_TIMELINE_EVENTS, (int64_t)events);
}

/* Buckets without events are rows too, where nothing is counted apart. */
static int next_bucket(struct es_sql_scan *scan)
{
    struct counts *counts = scan->state;
    const struct es_sql_group *group = counts->at < counts->groups.n ? &counts->groups.groups[counts->at] : NULL;
    if (counts->plain) {
        if (counts->bucket >= counts->buckets)
            return 0;
        bool has = group && WINDOW(group) == counts->bucket;
        counts->at += has;
        put_bucket(scan, counts->bucket++, has ? group->events : 0);
        return 1;
    }
    if (!group)
        return 0;
    counts->at++;
    put_bucket(scan, WINDOW(group), group->events);
    if (group->present & 1)
        es_sql_put(&scan->row, ES_TIMELINE_VALUE, group->key[0]);
    return 1;
}

const struct es_sql_source es_sql_timeline_source = {open_timeline, next_bucket, close_counts};
