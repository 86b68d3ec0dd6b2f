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
    uint64_t replies[ES_CAUSE_MAX];  /* of the deliveries: those with the reference of a request of their receiver */
    uint64_t timers[ES_CAUSE_MAX];   /* of the deliveries: messages of the VM's timers */
    uint64_t exits[ES_CAUSE_MAX];    /* exits for whose cause there is anything to say */
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
