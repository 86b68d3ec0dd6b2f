/* SPDX-License-Identifier: MIT */
/* What the files of SQL share. A table is a specification (sql_tables.c): columns, and a source that makes its
 * rows. SQLite's side is the same for all (sql_module.c); what a query wants of a table arrives as an ask
 * (sql_plan.c). */
#ifndef ES_QUERY_SQL_H
#define ES_QUERY_SQL_H

#include <sqlite3.h>

#include "query/inner.h"
#include "query/sql_pending.h"

/* ---- tables -------------------------------------------------------------------------------------------------------- */

enum es_sql_role { /* what a column is to the planner */
                   ES_ROLE_PLAIN,
                   ES_ROLE_SEQ,
                   ES_ROLE_TIME,
                   ES_ROLE_KIND,
                   ES_ROLE_PID,
                   ES_ROLE_NAME,
                   ES_ROLE_MODULE,
                   ES_ROLE_FUNCTION,
                   ES_ROLE_NOTATION, /* hidden: notation of what is printed */
                   ES_ROLE_NEEDED,   /* hidden: an argument that must be given */
                   ES_ROLE_ARGUMENT  /* hidden: one that may be */
};

enum es_sql_show { /* what a value is, and how it looks */
                   ES_SHOW_INTEGER,
                   ES_SHOW_REAL,     /* bits of a double */
                   ES_SHOW_HASH,     /* 16 hexadecimal digits */
                   ES_SHOW_KIND,     /* a kind's number */
                   ES_SHOW_FAMILY,   /* a kind's number */
                   ES_SHOW_CAUSE,    /* enum es_cause */
                   ES_SHOW_FLAGS,    /* set of es_event_flag */
                   ES_SHOW_WHO,      /* a process, port or name */
                   ES_SHOW_REF,      /* a name of a module or process */
                   ES_SHOW_FUNCTION, /* bare text of an atom */
                   ES_SHOW_NAME,     /* a process: its name at the time of the row */
                   ES_SHOW_TERM,     /* an event's sequence number: its payload */
                   ES_SHOW_FIRST,    /* the same: first element of the tuple */
                   ES_SHOW_SECOND,
                   ES_SHOW_TEXT, /* a string that lives as long as the row */
                   ES_SHOW_AS,   /* as es_sql_scan.as says */
                   ES_SHOW_KINDS
};

enum es_sql_field { /* of an event */
                    ES_SQL_F_NONE,
                    ES_SQL_F_SEQ,
                    ES_SQL_F_TIME,
                    ES_SQL_F_KIND,
                    ES_SQL_F_PID,
                    ES_SQL_F_NAME,
                    ES_SQL_F_PEER,
                    ES_SQL_F_PEER_NAME,
                    ES_SQL_F_MODULE,
                    ES_SQL_F_FUNCTION,
                    ES_SQL_F_ARITY,
                    ES_SQL_F_CAUSE,
                    ES_SQL_F_CAUSE_STATE,
                    ES_SQL_F_PARENT,
                    ES_SQL_F_MAKER, /* of a state: the call that made it */
                    ES_SQL_F_PAYLOAD,
                    ES_SQL_F_BYTES,
                    ES_SQL_F_FLAGS,
                    ES_SQL_F_MOVED,
                    ES_SQL_F_THREAD,
                    ES_SQL_F_HASH,
                    ES_SQL_F_CORR,
                    ES_SQL_F_WALL,
                    ES_SQL_F_CALLBACK,
                    ES_SQL_F_END,
                    ES_SQL_F_CHANGED,
                    ES_SQL_F_VERSION,
                    ES_SQL_F_CAPTURED,
                    ES_SQL_F_LINE
};

struct es_sql_column {
    const char *name, *type, *unit, *meaning;
    uint8_t role, show, field;
};

#define ES_SQL_COLUMNS 28
#define ES_SQL_ARGUMENTS 4

struct es_sql;
struct es_sql_scan;
struct es_sql_source {
    int (*open)(struct es_sql_scan *scan); /* 0; what it made is released by close, also after a failure */
    int (*next)(struct es_sql_scan *scan); /* 1 with a row, 0 at the end, negative errno */
    void (*close)(struct es_sql_scan *scan);
};

struct es_sql_table {
    const char *name, *meaning;
    const struct es_sql_source *source; /* NULL: its rows are events */
    uint64_t kinds;                     /* of these kinds */
    double rows;                        /* as a part of all events, for the planner */
    const struct es_sql_column *columns;
    size_t n_columns;
    bool (*picks)(struct es_sql *sql, const struct es_event *event); /* which of them, by payload; NULL: all */
};
extern const struct es_sql_table es_sql_specs[];
extern const size_t es_sql_n_specs;

/* ---- what a query wants of a table --------------------------------------------------------------------------------- */

struct es_sql_order {
    uint8_t column;
    bool descending;
};

struct es_sql_ask {
    uint64_t used; /* columns */
    uint64_t seq_from, seq_to;
    int64_t time_from, time_to; /* inclusive */
    uint64_t kinds;             /* 0 = all */
    es_ref *pids;               /* sorted, owned */
    size_t n_pids;              /* 0 = all */
    char *module, *function;    /* owned; NULL = all */
    bool erlang, empty, reverse;
    bool counted;  /* only columns with few values: equal rows may come together, in this order: */
    bool distinct; /* and once */
    struct es_sql_order order[ES_SQL_ARGUMENTS];
    size_t n_order;
    uint64_t skip, limit;                     /* limit 0 = none */
    sqlite3_value *arguments[ES_SQL_COLUMNS]; /* of hidden columns, by column; owned, NULL = not given */
};

/* xBestIndex and its counterpart: what was planned, with the values of this run. */
int es_sql_plan(struct es_sql *sql, const struct es_sql_table *table, sqlite3_index_info *info);
struct es_sql_given {
    const char *plan;
    sqlite3_value **values;
    int n;
};
int es_sql_ask_init(struct es_sql_scan *scan, const struct es_sql_given *given);
void es_sql_ask_fini(struct es_sql_ask *ask);
/* Text and integer of a hidden argument; the default where it was not given or is NULL. */
const char *es_sql_text_argument(const struct es_sql_scan *scan, size_t column, const char *otherwise);
int64_t es_sql_integer_argument(const struct es_sql_scan *scan, size_t column, int64_t otherwise);

/* ---- rows ---------------------------------------------------------------------------------------------------------- */

struct es_sql_row {
    int64_t value[ES_SQL_COLUMNS];
    uint64_t present; /* columns that are not NULL */
    int64_t time;     /* for names */
    int64_t id;       /* tells it from all others of its table, whatever else is asked for */
};

struct es_sql_scan {
    struct es_sql *sql;
    const struct es_sql_table *table;
    struct es_sql_ask ask;
    const struct es_event *event; /* the row, where the table's rows are events */
    struct es_sql_row row;        /* else */
    uint64_t number;              /* of the row, from 1 */
    uint8_t as;                   /* what values of ES_SHOW_AS are */
    void *state;                  /* of the source */
};

static inline void es_sql_put(struct es_sql_row *row, size_t column, int64_t value)
{
    row->value[column] = value;
    row->present |= UINT64_C(1) << column;
}
static inline void es_sql_put_double(struct es_sql_row *row, size_t column, double value)
{
    union {
        double real;
        int64_t bits;
    } u = {.real = value};
    es_sql_put(row, column, u.bits);
}
static inline bool es_sql_uses(const struct es_sql_ask *ask, size_t column) { return ask->used >> column & 1; }

struct es_sql_value {
    int64_t value;
    uint8_t show;
    bool present;
};
/* A field of an event; costly ones are made here: parent, name. */
struct es_sql_value es_sql_event_value(struct es_sql *sql, const struct es_event *event,
                                       const struct es_sql_column *column);
/* The call that made a state, 0: not known. Behind what is known of parents, for what was recorded so far. */
uint64_t es_sql_maker(struct es_sql *sql, const struct es_event *state);
/* Columns of blocks that a field needs. */
unsigned es_sql_field_needs(unsigned field);

/* Gives a value to SQLite. */
void es_sql_result(sqlite3_context *context, struct es_sql_scan *scan, const struct es_sql_value *value);
/* The text of a value that is text and takes no payload; valid as long as es_sql. NULL: it is none, or there
 * is no memory. */
struct es_sql_word {
    size_t len;
    char bytes[];
};
const struct es_sql_word *es_sql_word(struct es_sql *sql, const struct es_sql_value *value, bool erlang);

/* ---- events -------------------------------------------------------------------------------------------------------- */

/* Events of these kinds within what is asked for, their `fields` read. */
int es_sql_events(struct es_sql_scan *scan, uint64_t kinds, unsigned fields, struct es_cursor **ret_cursor);
/* es_cursor_next(), interruptible. */
int es_sql_next(struct es_sql *sql, struct es_cursor *cursor, const struct es_event **ret_event);
/* A single event, of which only `fields` are needed. NULL where it cannot be read. Valid until the next call. */
const struct es_event *es_sql_event(struct es_sql *sql, uint64_t seq, unsigned fields);
extern const struct es_sql_source es_sql_event_source;
/* For table errors: a report, an exception, an exit whose reason is neither normal nor a shutdown. */
bool es_sql_is_error(struct es_sql *sql, const struct es_event *event);

/* ---- counting (sql_count.c) ---------------------------------------------------------------------------------------- */

/* How many events there are of each combination of values, from the index of blocks alone where it tells. */

#define ES_SQL_KEYS 4
struct es_sql_group {
    int64_t key[ES_SQL_KEYS];
    uint8_t present; /* keys that are not NULL */
    uint64_t events;
};
struct es_sql_groups {
    struct es_sql_group *groups;
    size_t n, room;
    uint32_t *places; /* hash table of indexes + 1 */
    size_t n_places;
};
struct es_sql_counting {
    uint64_t kinds;                                /* 0 = all */
    const struct es_sql_column *keys[ES_SQL_KEYS]; /* by which fields */
    size_t n_keys;
    int64_t from, step; /* the last key is a window of time, `step` ns long, counted from `from`; step 0: not */
    int64_t windows;
};
bool es_sql_can_count(unsigned field);
int es_sql_count(struct es_sql_scan *scan, const struct es_sql_counting *counting, struct es_sql_groups *ret_groups);
void es_sql_groups_fini(struct es_sql_groups *groups);

/* ---- versions of states (sql_versions.c) ------------------------------------------------------------------------------- */

struct es_sql_versions { /* all 0: nothing is known yet */
    uint64_t *seqs;      /* of state events, in order */
    uint32_t *numbers;   /* of their versions, from 1; 0: before the first */
    size_t n, room;
    struct es_refmap counts; /* process to number of its last version */
    uint64_t next;           /* event to go on with */
};
/* Number of the version that a state event made, or left as it was; 0: none known. */
uint64_t es_sql_version(struct es_sql *sql, const struct es_event *state);
void es_sql_versions_fini(struct es_sql_versions *versions);

/* ---- sources ------------------------------------------------------------------------------------------------------- */
extern const struct es_sql_source es_sql_span_source, es_sql_message_source, es_sql_change_source, es_sql_gc_source,
    es_sql_run_source, es_sql_edge_source, es_sql_process_source, es_sql_loss_source, es_sql_histogram_source,
    es_sql_top_source, es_sql_timeline_source, es_sql_flame_source, es_sql_line_source;

/* ---- the connection ------------------------------------------------------------------------------------------------ */

struct es_sql {
    struct es_query *query;
    struct es_sql_options options;
    sqlite3 *db;
    sqlite3_stmt *statement;
    bool stepped;
    int64_t deadline; /* es_clock_os() ns, 0 = none */
    int stopped;      /* why a statement was stopped: -ETIMEDOUT, -EINTR; 0 */
    unsigned ticks;
    struct es_refmap words[2][ES_SHOW_KINDS]; /* [erlang][show]: reference to its word */
    struct es_text scratch;
    struct es_block *block; /* of es_sql_event() */
    uint64_t block_first, block_last;
    unsigned block_fields;
    struct es_event filled;       /* its answer */
    struct es_buf state;          /* its payload, where it is a state */
    struct es_refmap pid_numbers; /* of processes in counted rows, from 1 */
    struct es_sql_versions versions;
};

/* Read-only, without files, bounded (sql_guard.c). */
int es_sql_guard(struct es_sql *sql);
/* 0, or -ETIMEDOUT, -EINTR: to be called now and then by what takes long. */
int es_sql_tick(struct es_sql *sql);
int es_sql_tick_query(void *sql); /* as es_query.tick */
/* Registers the tables, and our functions (sql_module.c, sql_scalar.c). */
int es_sql_register_tables(struct es_sql *sql);
int es_sql_register_functions(struct es_sql *sql);
/* Why a statement could not be made, with its place in `text` and what there is instead (sql_hint.c). */
int es_sql_refuse(struct es_sql *sql, const char *text, int rc);

#endif
