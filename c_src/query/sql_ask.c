/* SPDX-License-Identifier: MIT */
/* What was planned (sql_plan.c), with the values of this run: ranges, kinds, processes. Values of other types than
 * the column are compared as SQLite would. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/nodes.h"
#include "query/sql.h"

/* ---- values -------------------------------------------------------------------------------------------------------- */

struct bound {
    int64_t from, to;
    bool none;
};

/* An integer column compared with any value, as SQLite does it: numbers by value, texts that are numbers as
 * these, other texts and blobs above all numbers, NULL never. */
static struct bound bound_of(sqlite3_value *value, char op)
{
    struct bound all = {INT64_MIN, INT64_MAX, false}, none = {0, 0, true};
    int type = sqlite3_value_numeric_type(value);
    if (type == SQLITE_NULL)
        return none;
    if (type == SQLITE_TEXT || type == SQLITE_BLOB)
        return op == '<' || op == 'l' ? all : none;
    int64_t low, high; /* the greatest integer not above it, the smallest not below it */
    if (type == SQLITE_FLOAT) {
        double real = sqlite3_value_double(value);
        if (!(real < 9223372036854775807.0))
            return op == '<' || op == 'l' ? all : none;
        if (real < -9223372036854775808.0)
            return op == '>' || op == 'g' ? all : none;
        low = (int64_t)floor(real);
        high = low + (real > floor(real));
    } else
        low = high = sqlite3_value_int64(value);
    switch (op) {
    case '=': return low == high ? (struct bound){low, low, false} : none;
    case '>': return low == INT64_MAX ? none : (struct bound){low + 1, INT64_MAX, false};
    case 'g': return (struct bound){high, INT64_MAX, false};
    case '<': return high == INT64_MIN ? none : (struct bound){INT64_MIN, high - 1, false};
    default: return (struct bound){INT64_MIN, low, false};
    }
}

static void bound_time(struct es_sql_ask *ask, const struct bound *b)
{
    ask->empty |= b->none;
    ask->time_from = b->from > ask->time_from ? b->from : ask->time_from;
    ask->time_to = b->to < ask->time_to ? b->to : ask->time_to;
    ask->empty |= ask->time_from > ask->time_to;
}

static void bound_seq(struct es_sql_ask *ask, const struct bound *b)
{
    uint64_t from = b->from > 0 ? (uint64_t)b->from : 0;
    ask->empty |= b->none || b->to < 0;
    ask->seq_from = from > ask->seq_from ? from : ask->seq_from;
    ask->seq_to = (uint64_t)b->to < ask->seq_to ? (uint64_t)b->to : ask->seq_to;
    ask->empty |= ask->seq_from > ask->seq_to;
}

/* ---- kinds --------------------------------------------------------------------------------------------------------- */

#define NO_KINDS (UINT64_C(1) << ES_K_PAD) /* never in a recording */

static uint64_t kinds_of(sqlite3_value *value)
{
    const char *text = (const char *)sqlite3_value_text(value);
    for (unsigned kind = 0; text && kind < ES_KIND_MAX; kind++)
        if (strcmp(es_kind_table[kind].name, text) == 0)
            return UINT64_C(1) << kind;
    return 0;
}

static void restrict_kinds(struct es_sql_ask *ask, uint64_t kinds)
{
    ask->kinds = ask->kinds ? ask->kinds & kinds : kinds;
    ask->empty |= ask->kinds == 0;
    ask->kinds = ask->kinds ? ask->kinds : NO_KINDS;
}

/* ---- processes ----------------------------------------------------------------------------------------------------- */

static int by_ref(const void *a, const void *b)
{
    es_ref x = *(const es_ref *)a, y = *(const es_ref *)b;
    return x < y ? -1 : x > y;
}

struct pids {
    es_ref *pids;
    size_t n, room;
};

static int add_pid(struct pids *set, es_ref pid)
{
    if (set->n == set->room) {
        size_t room = set->room ? set->room * 2 : 8;
        es_ref *pids = realloc(set->pids, room * sizeof *pids);
        if (!pids)
            return -ENOMEM;
        set->pids = pids;
        set->room = room;
    }
    set->pids[set->n++] = pid;
    return 0;
}

/* The process or port that is printed exactly so. */
static es_ref ref_of(struct es_query *query, const char *text)
{
    struct es_text again = {0};
    es_ref ref = ES_REF_NONE;
    if (!es_read_pid(query, text, &ref) && !es_read_port(query, text, &ref))
        return ES_REF_NONE;
    es_query_print_ref(query, ref, true, &again);
    if (!again.bytes || strcmp(again.bytes, text) != 0)
        ref = ES_REF_NONE;
    es_text_fini(&again);
    return ref;
}

static int add_pid_value(const struct es_sql_scan *scan, struct pids *set, sqlite3_value *value)
{
    const char *text = (const char *)sqlite3_value_text(value);
    es_ref ref = text ? ref_of(scan->sql->query, text) : ES_REF_NONE;
    return ref ? add_pid(set, ref) : 0;
}

/* Processes that ever had this name. */
static int add_name_value(struct es_sql_scan *scan, struct pids *set, sqlite3_value *value)
{
    const char *text = (const char *)sqlite3_value_text(value);
    const struct es_name *names = NULL;
    size_t n = es_recording_names(scan->sql->query->recording, &names);
    int rc = 0;
    for (size_t i = 0; text && rc == 0 && i < n; i++) {
        struct es_sql_value name = {(int64_t)names[i].name, ES_SHOW_REF, true};
        const struct es_sql_word *word = es_sql_word(scan->sql, &name, scan->ask.erlang);
        if (word && strcmp(word->bytes, text) == 0)
            rc = add_pid(set, names[i].pid);
    }
    return rc;
}

/* Both sets are asked for: what is in one and the other. */
static void restrict_pids(struct es_sql_ask *ask, struct pids *set)
{
    size_t n = 0;
    if (set->n > 1)
        qsort(set->pids, set->n, sizeof *set->pids, by_ref);
    for (size_t i = 0; i < set->n; i++)
        if ((n == 0 || set->pids[n - 1] != set->pids[i]) &&
            (ask->n_pids == 0 || bsearch(&set->pids[i], ask->pids, ask->n_pids, sizeof *ask->pids, by_ref)))
            set->pids[n++] = set->pids[i];
    free(ask->pids);
    ask->pids = set->pids;
    ask->n_pids = n;
    ask->empty |= n == 0;
}

/* ---- asking -------------------------------------------------------------------------------------------------------- */

static void ask_many(struct es_sql_scan *scan, sqlite3_value *list, unsigned role)
{
    struct es_sql_ask *ask = &scan->ask;
    struct pids set = {0};
    uint64_t kinds = 0;
    sqlite3_value *value = NULL;
    int rc = sqlite3_vtab_in_first(list, &value);
    for (; rc == SQLITE_OK && value; rc = sqlite3_vtab_in_next(list, &value)) {
        if (role == ES_ROLE_KIND)
            kinds |= kinds_of(value);
        else
            add_pid_value(scan, &set, value);
    }
    if (role == ES_ROLE_KIND)
        restrict_kinds(ask, kinds);
    else
        restrict_pids(ask, &set);
}

static void ask_kind(struct es_sql_ask *ask, sqlite3_value *value, char op)
{
    uint64_t kinds = kinds_of(value);
    ask->empty |= sqlite3_value_type(value) == SQLITE_NULL;
    restrict_kinds(ask, op == '!' ? ~kinds : kinds);
}

static int ask_pids(struct es_sql_scan *scan, sqlite3_value *value, unsigned role)
{
    struct pids set = {0};
    int rc = role == ES_ROLE_PID ? add_pid_value(scan, &set, value) : add_name_value(scan, &set, value);
    restrict_pids(&scan->ask, &set);
    return rc;
}

static int ask_text(char **place, sqlite3_value *value)
{
    const char *text = (const char *)sqlite3_value_text(value);
    if (!text || *place)
        return 0;
    *place = strdup(text);
    return *place ? 0 : -ENOMEM;
}

static int ask_one(struct es_sql_scan *scan, const char *letters, sqlite3_value *value)
{
    struct es_sql_ask *ask = &scan->ask;
    unsigned role = (unsigned)(letters[0] - 'a'), column = (unsigned)(letters[2] - 'A');
    struct bound bound;
    if (letters[0] == 'z') {
        ask->skip = sqlite3_value_int64(value) > 0 ? (uint64_t)sqlite3_value_int64(value) : 0;
        return 0;
    }
    switch (role) {
    case ES_ROLE_SEQ:
    case ES_ROLE_TIME:
        bound = bound_of(value, letters[1]);
        (role == ES_ROLE_SEQ ? bound_seq : bound_time)(ask, &bound);
        return 0;
    case ES_ROLE_KIND:
    case ES_ROLE_PID:
        if (letters[1] == 'i')
            ask_many(scan, value, role);
        else if (role == ES_ROLE_KIND)
            ask_kind(ask, value, letters[1]);
        else
            return ask_pids(scan, value, role);
        return 0;
    case ES_ROLE_NAME: return ask_pids(scan, value, role);
    case ES_ROLE_MODULE: return ask_text(&ask->module, value);
    case ES_ROLE_FUNCTION: return ask_text(&ask->function, value);
    default:
        if (!ask->arguments[column])
            ask->arguments[column] = sqlite3_value_dup(value);
        return ask->arguments[column] ? 0 : -ENOMEM;
    }
}

static int read_notation(struct es_sql_scan *scan, const struct es_sql_given *given)
{
    const char *letters = given->plan;
    for (int i = 0; i < given->n; i++, letters += 3) {
        if (letters[0] - 'a' != ES_ROLE_NOTATION)
            continue;
        const char *text = (const char *)sqlite3_value_text(given->values[i]);
        if (!text || (strcmp(text, "elixir") != 0 && strcmp(text, "erlang") != 0))
            return es_fail(-EINVAL, "notation is 'elixir' or 'erlang', not '%s'", text ? text : "NULL");
        scan->ask.erlang = strcmp(text, "erlang") == 0;
    }
    return 0;
}

static void read_order(struct es_sql_ask *ask, const char *rest)
{
    ask->reverse = rest[1] == 'R';
    ask->counted = rest[1] == 'C' || rest[1] == 'D';
    ask->distinct = rest[1] == 'D';
    for (rest += 2; ask->counted && *rest != ':' && ask->n_order < ES_SQL_ARGUMENTS; rest += 2)
        ask->order[ask->n_order++] = (struct es_sql_order){(uint8_t)(rest[0] - 'A'), rest[1] == '-'};
    rest = strchr(rest, ':');
    ask->used = rest ? strtoull(rest + 1, NULL, 16) : 0;
}

int es_sql_ask_init(struct es_sql_scan *scan, const struct es_sql_given *given)
{
    scan->ask = (struct es_sql_ask){
        .seq_to = UINT64_MAX >> 1, .time_from = INT64_MIN, .time_to = INT64_MAX, .erlang = scan->sql->options.erlang};
    read_order(&scan->ask, given->plan + 3 * given->n);
    int rc = read_notation(scan, given); /* names are looked for as they are shown */
    for (int i = 0; rc == 0 && i < given->n; i++)
        rc = ask_one(scan, given->plan + 3 * i, given->values[i]);
    if (rc == 0 && scan->table->kinds)
        restrict_kinds(&scan->ask, scan->table->kinds);
    return rc;
}

void es_sql_ask_fini(struct es_sql_ask *ask)
{
    for (size_t i = 0; i < ES_SQL_COLUMNS; i++)
        sqlite3_value_free(ask->arguments[i]);
    free(ask->pids);
    free(ask->module);
    free(ask->function);
    *ask = (struct es_sql_ask){0};
}

const char *es_sql_text_argument(const struct es_sql_scan *scan, size_t column, const char *otherwise)
{
    sqlite3_value *value = scan->ask.arguments[column];
    const char *text = value ? (const char *)sqlite3_value_text(value) : NULL;
    return text ? text : otherwise;
}

int64_t es_sql_integer_argument(const struct es_sql_scan *scan, size_t column, int64_t otherwise)
{
    sqlite3_value *value = scan->ask.arguments[column];
    return value && sqlite3_value_type(value) != SQLITE_NULL ? sqlite3_value_int64(value) : otherwise;
}
