/* SPDX-License-Identifier: MIT */
/* libelixirscope: what can be asked of a recording. Knows nothing of who asks: results are plain structs,
 * text is made by the printers of term/ and by the askers. One thread per es_query. All times are Erlang
 * monotonic nanoseconds. */
#ifndef ES_QUERY_QUERY_H
#define ES_QUERY_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "store/event.h"
#include "store/reader.h"

struct es_query;

/* Errors as es_recording_open(). */
int es_query_open(const char *path, struct es_query **ret_query);
void es_query_close(struct es_query *query);
struct es_recording *es_query_recording(struct es_query *query);

/* ---- time ---------------------------------------------------------------------------------------------------------- */
/* "123456789" absolute ns, "+1.5s" from the start, "-200ms" from the end, "40%", or wall clock ("2026-01-31
 * 14:25:01.5", "14:25:01" on the day the recording began or the next, ISO 8601 with zone; local where there
 * is none). Units ns us ms s m h. -EINVAL with a cause; -ERANGE where it lies outside the recording (says its
 * span). */
int es_query_time(struct es_query *query, const char *text, int64_t *ret_time);
/* ns since 1970; INT64_MIN where the recording does not know it (metadata "wall_offset_ns": wall clock minus
 * monotonic time, ns, as text). */
int64_t es_query_wall(struct es_query *query, int64_t time);

/* ---- info ---------------------------------------------------------------------------------------------------------- */
struct es_info {
    uint64_t events, by_kind[ES_KIND_MAX], losses, losses_by_kind[ES_KIND_MAX];
    uint64_t processes, gaps, budget_steps, notices;
    uint64_t bytes, blocks, damaged; /* stored bytes of all blocks; damaged ones among those read so far */
    uint64_t pairs[ES_CAUSE_MAX];    /* deliveries and first events by what is known of their cause */
    uint64_t handled[ES_CAUSE_MAX];  /* callbacks that handle a message, likewise */
    int64_t first_time, last_time;
    bool live, closed;
};
int es_query_info(struct es_query *query, struct es_info *ret_info);

/* ---- events -------------------------------------------------------------------------------------------------------- */
struct es_filter {
    const es_ref *pids;
    size_t n_pids;                  /* any of these; 0 = all */
    uint64_t kinds;                 /* set of 1 << es_kind, 0 = all */
    const char *module;             /* "MyApp.Cart", "my_mod", with a final '*' a prefix; NULL = all */
    int64_t since, until;           /* [since, until); INT64_MIN, INT64_MAX = no bound */
    uint64_t after_seq, before_seq; /* exclusive; 0 = no bound */
    const char *text;               /* printed payload, name or function contains it */
    bool erlang;                    /* notation in which `text` is looked for */
    uint64_t limit;                 /* 0 = none */
    bool reverse;
    bool no_payload; /* do not read payloads */
    unsigned fields; /* set of es_field that will be looked at, others may be 0; 0 = all */
};
struct es_cursor;
int es_cursor_open(struct es_query *query, const struct es_filter *filter, struct es_cursor **ret_cursor);
/* 1 and the event (valid until the next call), 0 at the end, negative errno. On a live recording the end may
 * move: call again after es_query_refresh(). Damaged blocks are passed over and counted. A deliver whose
 * payload is in its cause gets it from there. */
int es_cursor_next(struct es_cursor *cursor, const struct es_event **ret_event);
void es_cursor_close(struct es_cursor *cursor);
int es_query_refresh(struct es_query *query);

/* The event with this sequence number; -ENOENT. Valid until the next call. */
int es_query_event(struct es_query *query, uint64_t seq, const struct es_event **ret_event);

/* ---- processes ----------------------------------------------------------------------------------------------------- */
struct es_ps_row {
    const struct es_process *process;
    uint64_t events; /* in the whole recording */
    uint64_t memory; /* bytes, as last sampled or as the census found it; 0 = unknown */
    bool alive;
};
/* Processes alive at `at` (INT64_MAX: all that ever lived), by time of spawn. free(*ret_rows). */
int es_query_ps(struct es_query *query, int64_t at, struct es_ps_row **ret_rows, size_t *ret_n);

/* Registered name of a process at a time, or the last it had before; ES_REF_NONE. INT64_MAX: its last one. */
es_ref es_query_name(struct es_query *query, es_ref pid, int64_t at);
/* The process with this name or "<0.1.2>" / "0.1.2" / "#PID<0.1.2>"; several over time: all of them. free().
 * -ENOENT says what is near. */
int es_query_pids(struct es_query *query, const char *text, es_ref **ret_pids, size_t *ret_n);

/* ---- text ---------------------------------------------------------------------------------------------------------- */
/* What a printed reference or term looks like; `erlang` false: Elixir. Appends to `out`. A reference to an
 * atom is a name and stands as in code: Shop.Cart, cart (without Elixir's colon). */
struct es_text; /* term/text.h */
void es_query_print_ref(struct es_query *query, es_ref ref, bool erlang, struct es_text *out);
void es_query_print_term(struct es_query *query, const uint8_t *bytes, size_t len, bool erlang, struct es_text *out);
/* The payload of an event, nothing where it has none; arguments as a list, also where they could be
 * characters or keywords. */
void es_query_print_payload(struct es_query *query, const struct es_event *event, bool erlang, struct es_text *out);
/* "MyApp.Cart.add/2" or "'Elixir.MyApp.Cart':add/2" */
void es_query_print_fun(struct es_query *query, const struct es_event *event, bool erlang, struct es_text *out);

/* The span a call ends or an event runs in: sequence number of the innermost open call of the same process, 0
 * = none known. Derived, not stored. */
uint64_t es_query_parent(struct es_query *query, const struct es_event *event);

/* ---- states ---------------------------------------------------------------------------------------------------------
 * A version of a process's state is what a callback left behind, or somebody put in its place from outside
 * (sys:replace_state). Callbacks that left it as it was make none. */
struct es_version_info {
    uint64_t seq; /* of its event */
    int64_t time;
    uint64_t hash;
    es_ref module, function; /* the callback */
    uint8_t arity, flags;    /* set of es_event_flag: cut, redacted, missed: it changed, but was not captured */
};
/* All versions of a process, in order; number 1 is the first of the list. Valid until 64 other processes were asked for, or
 * refresh. -ENOMEM. */
int es_query_versions(struct es_query *query, es_ref pid, const struct es_version_info **ret_list, size_t *ret_n);
/* Its bytes: -ENODATA where it was not captured. Valid until the next event is asked for. */
int es_query_version_bytes(struct es_query *query, const struct es_version_info *version, const uint8_t **ret_bytes,
                           size_t *ret_len);

/* What made a version. Sequence numbers, 0 where unknown. */
struct es_version_cause {
    uint64_t call;    /* the callback's call */
    uint64_t deliver; /* the message it handled, as it was delivered */
    uint64_t send;    /* and sent */
    es_ref from;      /* its sender */
    bool replaced;    /* from outside */
};
int es_query_version_cause(struct es_query *query, const struct es_version_info *version,
                           struct es_version_cause *ret_cause);

enum es_state_known {
    ES_STATE_CAPTURED, /* this is the state */
    ES_STATE_CUT,      /* parts of it, each marked where it was cut */
    ES_STATE_REDACTED, /* whole but for secrets */
    ES_STATE_MISSED,   /* it changed at `since` and was not captured: this is the last version that was */
    ES_STATE_DOUBTFUL, /* it may have changed since: events were lost, or left out by the overhead budget */
    ES_STATE_KNOWN_MAX
};
extern const char *const es_state_known_names[ES_STATE_KNOWN_MAX];

struct es_state {
    es_ref pid;
    int64_t at, since;              /* the moment asked for; time of the version in force */
    uint64_t number, of;            /* of that version, from 1; how many there are in all */
    uint8_t known;                  /* enum es_state_known */
    uint64_t lost;                  /* DOUBTFUL: calls and returns that were lost since; 0: the budget's doing */
    struct es_version_info version; /* in force */
    uint64_t shown;                 /* number of the version that the bytes are of; 0: none was captured */
    int64_t exited;                 /* INT64_MAX: it lived then */
    struct es_version_cause cause;
    uint8_t *bytes; /* owned */
    size_t len;
};
/* The state of a process at a time. -ENOENT: it did not live yet; -ENODATA: no state is known of it then; both with
 * causes that say why, as far as the recording knows. After its exit: its last one. */
int es_query_state(struct es_query *query, es_ref pid, int64_t at, struct es_state *ret_state);
void es_state_fini(struct es_state *state);

/* Which of several processes (of one name, over time) is meant by a time: that which lived then, else the last one
 * before, else the first. */
es_ref es_query_pid_at(struct es_query *query, const es_ref *pids, size_t n, int64_t at);

/* Since when a part of the state is what it is at a time: back from version to version as long as its hash is the same.
 * `tick` (may be NULL) gets 0..1 and stops it by returning non-zero (-EINTR). Errors as es_query_state(), and those of
 * the path. */
struct es_part_request {
    es_ref pid;
    int64_t at;
    const char *path;
    bool erlang;    /* notation of messages */
    uint64_t limit; /* versions to look at, 0: all */
    int (*tick)(double done, void *context);
    void *context;
};
struct es_part {
    uint64_t number; /* the version that set it, or the oldest looked at */
    struct es_version_info version;
    struct es_version_cause cause;
    bool first;      /* it was so in the first version there is */
    bool limited;    /* the limit was reached: it may be older */
    bool unsure;     /* cut or redacted: it may have changed since */
    uint64_t missed; /* that many versions just before were not captured: one of them may have set it */
};
int es_query_part(struct es_query *query, const struct es_part_request *request, struct es_part *ret_part);

/* How terms of this recording are printed; for term/tree.h and what builds on it. */
const struct es_print *es_query_print(struct es_query *query, bool erlang);

/* ---- parts and exports --------------------------------------------------------------------------------------------- */
/* Copies what lies in [since, until) with all it needs into a new recording. Progress: `tick` (may be NULL)
 * gets 0..1 and stops it by returning non-zero. */
struct es_cut_request {
    const char *path;
    int64_t since, until;
    bool overwrite;
    int (*tick)(double done, void *context);
    void *context;
};
int es_query_cut(struct es_query *query, const struct es_cut_request *request);

enum es_export { ES_EXPORT_JSONL, ES_EXPORT_PERFETTO, ES_EXPORT_ETF };
struct es_export_request {
    enum es_export to;
    struct es_filter filter;
    bool erlang;
    int (*tick)(double done, void *context);
    void *context;
};
int es_query_export(struct es_query *query, const struct es_export_request *request, FILE *out);
/* One event as a JSON object (no newline): the stable contract of docs/cli.md. */
void es_query_event_json(struct es_query *query, const struct es_event *event, bool erlang, struct es_text *out);

/* ---- find ---------------------------------------------------------------------------------------------------------- */
/* Moments at which an expression holds (docs/find.md): `kind = state and name = cart and state.total > 100`. */
struct es_find;
struct es_find_request {
    const char *expression;
    bool erlang;                 /* notation in which names and terms are compared */
    int64_t from;                /* look from this time on, or back from it; INT64_MIN: from the beginning or the end */
    uint64_t from_seq;           /* behind this event, or before it; 0: no bound */
    bool reverse;                /* backwards */
    uint64_t limit;              /* 0 = none */
    bool (*stop)(void *context); /* asked now and then; may be NULL */
    void *context;
};
/* -EINVAL: the expression is wrong, says where and what there is instead. */
int es_find_open(struct es_query *query, const struct es_find_request *request, struct es_find **ret_find);
/* 1 and the next event for which it holds, with the fields that the expression needs (valid until the next call), 0 at the end; -EINTR (`stop` said so). */
int es_find_next(struct es_find *find, const struct es_event **ret_event);
/* How often a part of a term that was asked for had been cut or redacted: the comparison was taken as one that does
 * not hold. */
uint64_t es_find_undecided(const struct es_find *find);
void es_find_close(struct es_find *find);

/* ---- SQL ----------------------------------------------------------------------------------------------------------- */
/* SQLite's SELECT over tables that are made from the recording as they are read (docs/sql.md). Nothing can be
 * written, attached or loaded. One statement at a time; a live recording is read as it is when the statement
 * begins. */
struct es_sql;
struct es_sql_options {
    bool erlang;                 /* notation of terms and names where a query asks for none */
    int64_t timeout_ns;          /* of one statement, from its first step; 0 = none */
    uint64_t memory;             /* bytes that SQLite may use in the whole process; 0 = no limit */
    bool (*stop)(void *context); /* asked now and then while a statement runs; may be NULL */
    void *context;
};
int es_sql_open(struct es_query *query, const struct es_sql_options *options, struct es_sql **ret_sql);
void es_sql_close(struct es_sql *sql);

/* Makes the first statement of `text` the current one; *ret_rest (may be NULL) is what follows it. 1, or 0
 * where there is none (spaces, comments). -EINVAL: wrong, says where and what there is instead; -EPERM: it
 * would do more than read. */
int es_sql_begin(struct es_sql *sql, const char *text, const char **ret_rest);
/* 1 with a row, 0 at the end. -ETIMEDOUT, -EINTR (`stop` said so), -ENOMEM, -EINVAL … */
int es_sql_step(struct es_sql *sql);
/* Ends the current statement; es_sql_begin() does so too. */
void es_sql_finish(struct es_sql *sql);

size_t es_sql_columns(struct es_sql *sql);
const char *es_sql_column(struct es_sql *sql, size_t column); /* its name */
enum es_sql_type { ES_SQL_NULL, ES_SQL_INTEGER, ES_SQL_REAL, ES_SQL_TEXT, ES_SQL_BLOB };
struct es_sql_cell {
    enum es_sql_type type;
    int64_t integer;
    double real;
    const char *text; /* text and blob; valid until the next step */
    size_t len;
};
void es_sql_cell(struct es_sql *sql, size_t column, struct es_sql_cell *ret_cell);

/* What can be asked for: tables and table functions, their columns, functions. -ENOENT behind the last one. */
struct es_sql_table_info {
    const char *name, *meaning;
    size_t columns;
};
struct es_sql_column_info {
    const char *name, *type, *unit, *meaning;
    bool argument; /* of a table function, or a setting: not in SELECT * */
};
int es_sql_table(size_t table, struct es_sql_table_info *ret_info);
int es_sql_table_column(size_t table, size_t column, struct es_sql_column_info *ret_info);
/* Names of our own scalar functions with their arguments, NULL-terminated. */
extern const char *const es_sql_functions[];

#endif
