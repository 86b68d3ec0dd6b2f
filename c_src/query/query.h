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

/* ---- spans --------------------------------------------------------------------------------------------------------- */
enum es_span_end {
    ES_SPAN_UNKNOWN, /* its end was not recorded, or it was lost */
    ES_SPAN_RETURN,
    ES_SPAN_EXCEPTION,
    ES_SPAN_EXIT, /* its process exited in it */
    ES_SPAN_OPEN, /* it was running when the recording ended */
};
extern const char *const es_span_end_names[];

/* A call with its end. Durations in ns, -1: unknown. */
struct es_span {
    uint64_t call, end, parent; /* sequence numbers; end: of the event that ended it; 0: none known */
    int64_t begin;
    int64_t total;                      /* OPEN: so far */
    int64_t self;                       /* outside of calls that have spans of their own */
    int64_t running, runnable, waiting; /* where scheduling was recorded: together they are `total` */
    int64_t gc;                         /* of `running`, where garbage collections were recorded */
    es_ref pid, module, function;
    uint16_t arity;
    uint8_t how; /* enum es_span_end */
    bool callback;
    bool inner;     /* the same function is open below: recursion */
    uint32_t depth; /* spans it lies in */
    uint32_t path;  /* number of its path, see es_spans_path() */
};

/* Spans that begin in [since, until), of these processes and functions (`pids`, `module`, `since`, `until` of the
 * filter; the rest is not used). They come in the order of their ends. A function of which no end was recorded
 * anywhere has moments only: how UNKNOWN, no durations, and nothing is said to run in it. Memory is bounded by
 * what is open: -E2BIG beyond a million calls. */
struct es_spans;
int es_spans_open(struct es_query *query, const struct es_filter *filter, struct es_spans **ret_spans);
int es_spans_next(struct es_spans *spans, struct es_span *ret_span); /* 1, 0 at the end, negative errno */
void es_spans_close(struct es_spans *spans);

/* A path: a function called in a path. Numbers are dense, a path's `below` has a smaller one; ES_PATH_NONE is the
 * path below the outermost. Beyond a quarter of a million paths, deeper calls count to the path they were made in. */
#define ES_PATH_NONE UINT32_MAX
struct es_path {
    uint32_t below;
    uint16_t arity;
    es_ref module, function;
};
size_t es_spans_path(const struct es_spans *spans, const struct es_path **ret_paths);

/* Sums of spans by function or by path. `total` counts recursion once. */
struct es_profile_row {
    es_ref module, function;
    uint16_t arity;
    uint32_t below;                         /* by path: index of the row of the path below, ES_PATH_NONE */
    uint64_t count;                         /* calls */
    uint64_t timed;                         /* of these, calls whose end is known: the sums and times are theirs */
    uint64_t ends[5];                       /* by enum es_span_end */
    int64_t total, self, max;               /* ns */
    int64_t p99;                            /* ns, at most 2 % too large; by function only */
    int64_t running, runnable, waiting, gc; /* -1: unknown of at least one of them */
};
enum es_profile { ES_PROFILE_FUNCTIONS, ES_PROFILE_PATHS };
/* Functions: by total time, the largest first. Paths: those below stand before those above. free(*ret_rows). */
int es_query_profile(struct es_query *query, const struct es_filter *filter, enum es_profile by,
                     struct es_profile_row **ret_rows, size_t *ret_n);

/* ---- happens-before ------------------------------------------------------------------------------------------------ */
enum es_order {
    ES_ORDER_SAME,
    ES_ORDER_BEFORE, /* a led to b, or could have: b's process knew of it */
    ES_ORDER_AFTER,
    ES_ORDER_CONCURRENT,
    ES_ORDER_POSSIBLY_BEFORE, /* if some message was handled before something else, which is not known */
    ES_ORDER_POSSIBLY_AFTER
};
extern const char *const es_order_names[]; /* "same", "before", … "possibly after" */

struct es_order_answer {
    enum es_order order;
    uint64_t *path; /* sequence numbers from the earlier to the later one, how one led to the other; free() */
    size_t n_path;  /* 0 where they are concurrent */
    size_t unknown; /* messages between them whose sender's event is not known: what these carried is not counted */
};
/* The order of two events. What a process does happens in its order, but for deliveries: a message is there for it
 * from its handling on, not from its arrival. -ENOENT; -EINVAL where one of them is nothing that a process did; -E2BIG
 * where too much lies between them. */
int es_query_before(struct es_query *query, uint64_t a, uint64_t b, struct es_order_answer *ret_answer);

/* ---- causes -------------------------------------------------------------------------------------------------------- */
enum es_edge_kind {
    ES_EDGE_NONE,     /* where it begins */
    ES_EDGE_PROGRAM,  /* the same process did it before */
    ES_EDGE_MESSAGE,  /* sent and delivered */
    ES_EDGE_HANDLING, /* delivered and handled */
    ES_EDGE_SPAWN,
    ES_EDGE_EXIT, /* an exit signal, or a monitor's message */
    ES_EDGE_TIMER,
    ES_EDGE_REPLY,  /* what a callback returned, sent by its behaviour */
    ES_EDGE_CALL,   /* done inside of this call */
    ES_EDGE_WAITING /* stories: whose answer was waited for was busy with this */
};
extern const char *const es_edge_names[]; /* "none", "program", "message" … */

/* An event of a cone or a story. Backwards it led to `from`, forwards `from` led to it; 0: where it begins. */
struct es_caused {
    uint64_t seq, from;
    uint8_t edge;   /* enum es_edge_kind */
    bool maybe;     /* it is not certain that it did */
    uint32_t depth; /* edges from where it begins */
};
struct es_cone_request {
    uint64_t seq;
    bool forward;
    uint32_t depth; /* at most so many edges; 0: no bound */
    uint64_t limit; /* at most so many events, the nearest in time; 0: no bound but memory */
    int64_t bound;  /* no events before this time, or at or behind it when forward */
};
/* All events that led to one, or that it led to, as far as processes knew of them: what each process did before as
 * well. The nearest in time first. *ret_cut: there are more. free(*ret_events). -ENOENT. */
int es_query_cone(struct es_query *query, const struct es_cone_request *request, struct es_caused **ret_events,
                  size_t *ret_n, bool *ret_cut);

/* The few of these that a person wants: a failure, what the process was doing, the message that it handled, who sent
 * it, doing what, … The first is where it begins. */
int es_query_story(struct es_query *query, const struct es_cone_request *request, struct es_caused **ret_events,
                   size_t *ret_n, bool *ret_cut);

/* What a callback handles: the delivery (or timeout) it was called for, 0: not known. Where that is not recorded, the
 * last delivery whose message is the callback's first argument; then *ret_maybe. */
int es_query_handled(struct es_query *query, uint64_t call, uint64_t *ret_seq, bool *ret_maybe);

/* The last state version of a process before an event; 0: none. One that is as before stands for the one that has its
 * text. */
int es_query_state_before(struct es_query *query, es_ref pid, uint64_t seq, uint64_t *ret_seq);

/* Where a question for the cause of a failure begins: the exit of the process of the last (or first) crash report; without one
 * the last (first) exit that was none of normal, shutdown. -ENOENT: nothing failed. */
int es_query_crash(struct es_query *query, bool first, uint64_t *ret_seq);

/* ---- DAGs ---------------------------------------------------------------------------------------------------------- */
/* Seven views of a recording as directed graphs without cycles; docs/dags.md says what each shows. */
enum es_dag_view {
    ES_DAG_TEMPORAL,
    ES_DAG_INTERACTION,
    ES_DAG_STATE,
    ES_DAG_CODE,
    ES_DAG_DATA,
    ES_DAG_PERFORMANCE,
    ES_DAG_CAUSALITY,
    ES_DAG_VIEWS
};
struct es_dag_view_info {
    const char *name, *node, *edge; /* "state", and what its nodes and edges are */
};
extern const struct es_dag_view_info es_dag_views[ES_DAG_VIEWS];
int es_dag_view_by_name(const char *name); /* -ENOENT names those there are */

enum es_dag_what { ES_DAG_EVENT, ES_DAG_PROCESS, ES_DAG_VERSION, ES_DAG_CALL, ES_DAG_VALUE };
extern const char *const es_dag_what_names[]; /* "event", "process", "state", "call", "value" */

struct es_dag_node {
    uint64_t seq, last;                                  /* its first and its last event */
    int64_t time;                                        /* of the first */
    int64_t total, self, running, runnable, waiting, gc; /* ns, of calls; -1: unknown */
    uint64_t count;                                      /* events that it stands for */
    uint64_t bytes;                                      /* recorded size of a state or value, 0: unknown */
    es_ref pid, module, function;
    uint32_t level, phase; /* of processes: the longest way to it; which of its process's nodes it is, from 1 */
    uint32_t at;           /* of values: where it begins in the payload of event `seq`; `bytes` long */
    uint16_t arity;
    uint8_t what, kind, flags, how; /* enum es_dag_what, es_kind, es_event_flag, es_span_end */
    bool critical;                  /* performance: on the critical path to the focus */
};

enum es_dag_edge_kind {
    ES_DAG_E_TIME,    /* the next event of all */
    ES_DAG_E_NEXT,    /* the next event of the same process */
    ES_DAG_E_PROGRAM, /* as ES_EDGE_PROGRAM and so on */
    ES_DAG_E_MESSAGE,
    ES_DAG_E_HANDLING,
    ES_DAG_E_SPAWN,
    ES_DAG_E_EXIT,
    ES_DAG_E_TIMER,
    ES_DAG_E_REPLY,
    ES_DAG_E_REQUEST, /* messages with a reference that the other side answers: a call and its replies */
    ES_DAG_E_LINK,
    ES_DAG_E_MONITOR,
    ES_DAG_E_LATER,  /* the same process, later */
    ES_DAG_E_CHANGE, /* from a state to its next version */
    ES_DAG_E_CALL,
    ES_DAG_E_TAIL,  /* possibly a tail call: the caller returned at once, and the same value */
    ES_DAG_E_FAIL,  /* an exception that the caller ended with too */
    ES_DAG_E_VALUE, /* the same value again */
    ES_DAG_E_BUSY,  /* scheduling was not recorded: running or runnable */
    ES_DAG_E_RUNNING,
    ES_DAG_E_RUNNABLE,
    ES_DAG_E_WAITING,
    ES_DAG_E_GC,
    ES_DAG_E_KINDS
};
extern const char *const es_dag_edge_names[];

struct es_dag_edge {
    uint32_t from, to; /* indices of nodes, from < to */
    uint8_t kind;      /* enum es_dag_edge_kind */
    bool maybe, critical;
    uint64_t count;
    uint64_t timed;       /* of these, those whose latency is known */
    int64_t latency, max; /* ns: sum and largest of these */
    uint64_t seq;         /* state: the message or call that changed it; interaction: its first event; 0: none */
};

struct es_dag_request {
    enum es_dag_view view;
    const es_ref *pids; /* only what these do, and for processes whom they deal with */
    size_t n_pids;
    int64_t since, until; /* [since, until); INT64_MIN, INT64_MAX: no bound */
    uint64_t focus;       /* the nodes nearest to this event, before and behind; 0: the first ones */
    uint32_t limit;       /* nodes; 0: 500 */
};
struct es_dag {
    enum es_dag_view view;
    struct es_dag_node *nodes; /* each behind those with edges to it */
    struct es_dag_edge *edges; /* by `to`, then `from` */
    size_t n_nodes, n_edges;
    uint64_t left_nodes, left_edges; /* within the window, left out for the limit */
    bool left_more;                  /* and more that were not counted */
};
/* -ENOENT where the focus is no event, -ENOMEM, -E2BIG. es_dag_fini() at the end. */
int es_query_dag(struct es_query *query, const struct es_dag_request *request, struct es_dag *ret_dag);
void es_dag_fini(struct es_dag *dag);
/* Prints the value of a node that is one, or the payload of its event. */
void es_query_dag_value(struct es_query *query, const struct es_dag_node *node, bool erlang, struct es_text *out);

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

#endif
