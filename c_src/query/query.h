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
#include "store/world.h"

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
    struct es_info_latency {         /* ns, from an event in the VM until it had its place and its cause */
        uint64_t p50, p99, max;      /* at most so long; a fifth too much, as sizes are counted */
        uint64_t events;             /* that were looked at; 0: none, as of an import */
    } latency;
    int64_t first_time, last_time;
    bool live, closed;
};
int es_query_info(struct es_query *query, struct es_info *ret_info);

/* ---- nodes --------------------------------------------------------------------------------------------------------- */
/* Nodes of a recording that was merged from several, which es_ref_node() of a pid or port counts; 0: it is of one node alone. */
size_t es_query_nodes(const struct es_query *query);
/* The name of a node, made unlike all others: shop@host, shop@host#2. NULL where it has none. */
const char *es_query_node(const struct es_query *query, unsigned node);
int es_query_node_by_name(const struct es_query *query, const char *name); /* -ENOENT says which there are */

/* ---- events -------------------------------------------------------------------------------------------------------- */
struct es_filter {
    const es_ref *pids;
    size_t n_pids;                  /* any of these; 0 = all */
    unsigned node;                  /* processes of the node with this number less 1; 0 = all */
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

/* ---- walking -------------------------------------------------------------------------------------------------------- */
/* For those who walk through a recording event by event. */

/* As es_query_event(), but of a state only the length of its bytes, which costs nothing. -ENOENT, -EBADMSG (its block is
 * damaged), without causes. The payload is valid until the next event is asked for. */
int es_query_peek(struct es_query *query, uint64_t seq, struct es_event *ret_event);
/* First and last event of the block that an event is in; false where there is none. */
bool es_query_block_around(struct es_query *query, uint64_t seq, uint64_t *ret_first, uint64_t *ret_last);

struct es_walk {
    uint64_t seq; /* from this event */
    bool back;
    es_ref pid;     /* to one of this process; ES_REF_NONE: of any */
    uint64_t kinds; /* set of 1 << es_kind, 0: any */
};
/* The nearest such event; *ret_seq 0: there is none. Damaged blocks are passed over. */
int es_query_walk(struct es_query *query, const struct es_walk *walk, uint64_t *ret_seq);
/* The nearest event that changed the state of `pid`; `kinds` is not used. */
int es_query_walk_state(struct es_query *query, const struct es_walk *walk, uint64_t *ret_seq);

/* ---- film ------------------------------------------------------------------------------------------------------------ */
/* The whole recording, from its first event to its last, as a strip of cells of equal time. Filled step by step: a step reads at
 * most one block. Valid until es_query_refresh(). */
#define ES_FILM_CELLS 10000u
enum es_film_flag {
    ES_FILM_ERROR = 1, /* a crash or an error was logged */
    ES_FILM_MARK = 2,
    ES_FILM_LOST = 4,   /* events were lost */
    ES_FILM_DAMAGED = 8 /* what is here cannot be read */
};
struct es_film_cell {
    uint64_t events;
    uint8_t flags; /* set of es_film_flag */
};
struct es_film;
int es_film_open(struct es_query *query, uint32_t width, struct es_film **ret_film);
int es_film_step(struct es_film *film); /* 1: there is more to do, 0: it is whole, negative errno */
const struct es_film_cell *es_film_cells(const struct es_film *film);
uint32_t es_film_at(const struct es_film *film, int64_t time); /* the cell of a time */
void es_film_close(struct es_film *film);

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
/* The process with this name or "<0.1.2>" / "0.1.2" / "#PID<0.1.2>" / "<shop@host.1.2>"; several over time: all of them. free().
 * -ENOENT says what is near. */
int es_query_pids(struct es_query *query, const char *text, es_ref **ret_pids, size_t *ret_n);

/* ---- timeline ------------------------------------------------------------------------------------------------------ */
/* What processes did in a window, pixel by pixel: pixel i of `width` begins at since + i * (until - since) / width, rounded up. Counts
 * are exact at any zoom. A window costs what its pixels cost, once the blocks it touches were read for the first time. */
enum es_timeline_family {
    ES_TL_PROCESS,
    ES_TL_MESSAGE,
    ES_TL_CALL,
    ES_TL_STATE,
    ES_TL_SCHEDULING,
    ES_TL_MEMORY,
    ES_TL_ERROR,
    ES_TL_OTHER, /* of the node, the user, the recorder */
    ES_TL_FAMILIES
};
enum es_timeline_flag { /* none of the first two: unknown, no scheduling was recorded before, in the blocks the window touches */
                        ES_TL_RAN = 1,      /* ran on a scheduler at some time in the pixel */
                        ES_TL_RESTED = 2,   /* did not, at some time in it */
                        ES_TL_COLLECTED = 4 /* collected garbage */
};
#define ES_TIMELINE_CELLS (4u << 20) /* most lanes * width */
struct es_timeline_request {
    const es_ref *lanes; /* processes */
    size_t n_lanes;
    int64_t since, until; /* INT64_MIN, INT64_MAX: from the first event, to the last */
    uint32_t width;       /* pixels */
};
struct es_timeline_hole {
    int64_t from, to; /* both in it */
    uint64_t events;
};
/* Runs of equal pixels, those with nothing in them left out; lane i has runs first[i] up to first[i + 1], from left to right. Arrays of
 * little-endian numbers, as a page takes them. */
struct es_timeline {
    int64_t since, until;
    size_t n_lanes, n_runs;
    uint32_t *first;                    /* n_lanes + 1 */
    uint32_t *at, *width;               /* n_runs: first pixel, and how many that are alike */
    uint32_t (*counts)[ES_TL_FAMILIES]; /* events in each of these pixels */
    uint64_t *seq;                      /* of the event, where a run is one pixel with one event; else 0 */
    uint8_t *strongest;             /* enum es_kind: errors first, then critical kinds, then the others; 0: no event */
    uint8_t *flags;                 /* set of es_timeline_flag */
    struct es_timeline_hole *holes; /* damaged blocks: what was there is unknown */
    size_t n_holes;
};
/* -EINVAL (no lanes, no pixels, too many, an empty window). Valid until the next question of this kind: the memory is used again. */
int es_query_timeline(struct es_query *query, const struct es_timeline_request *request,
                      const struct es_timeline **ret_timeline);

/* ---- a moment ------------------------------------------------------------------------------------------------------ */
/* The last event at or before this time; 0 where there is none. */
int es_query_seq_at(struct es_query *query, int64_t time, uint64_t *ret_seq);

/* What was known of all processes after event `seq` (at most the last one): from the keyframe before it and the
 * events up to it, at most a group's; a little later costs a little. *ret_damaged: blocks on the way that cannot
 * be read; then what is older than world->gap_seq may be over. -ERANGE: dropped by retention. Valid until the
 * next question of this kind. */
int es_query_world(struct es_query *query, uint64_t seq, const struct es_world **ret_world, uint64_t *ret_damaged);

enum es_status {
    ES_STATUS_UNKNOWN,
    ES_STATUS_RUNNING,  /* scheduled in */
    ES_STATUS_RUNNABLE, /* scheduled out, and a message came since */
    ES_STATUS_WAITING,  /* for a reply; or scheduled out and no message came since (one that was preempted looks so
                           too, for an instant) */
    ES_STATUS_MAX
};
extern const char *const es_status_names[ES_STATUS_MAX]; /* of UNKNOWN: NULL */

enum es_at { /* how it is known what function a process is in */
             ES_AT_UNKNOWN,
             ES_AT_SCHEDULED, /* its last `in` or `out` */
             ES_AT_CALL,      /* its innermost open call */
             ES_AT_INITIAL    /* nothing else is known */
};
extern const char *const es_at_names[ES_AT_INITIAL + 1]; /* of UNKNOWN: NULL */

struct es_moment_row {
    es_ref pid, name, parent;
    const struct es_process *process;    /* NULL: its events alone say that it lives */
    const struct es_world_proc *proc;    /* NULL: the recording has no event of it up to here */
    struct es_world_fun initial, inside; /* initial call; the function it is in */
    uint64_t inside_seq;                 /* the event that says so, 0: the initial call */
    es_ref supervisor;                   /* its parent, where that lives and is a supervisor */
    es_ref waits_for;          /* process it waits for, where that is known; proc->wait_peer is what it was sent to */
    uint8_t status, inside_by; /* enum es_status, enum es_at */
    bool is_supervisor, links_whole, mail_known, mail_at_most;
};
/* Every process alive after event `seq`, by time of spawn. free with es_moment_free(); `world` and all `proc` are
 * valid as long as es_query_world()'s. Links are whole where all are known. The mailbox (es_world_mail_count() of
 * proc) is what was delivered and is not known as handled: mail_known where the process runs a behaviour's loop
 * and what it handles is recorded, or a receive of it is woven, else only what it answered is taken off. mail_at_most: it may be less, as events were lost or a
 * callback has ended since, in which a `receive` may have taken some. What one in the callback that runs took is
 * never known. */
struct es_moment {
    uint64_t seq, damaged;
    int64_t time;
    const struct es_world *world;
    struct es_moment_row *rows;
    size_t n;
};
int es_query_moment(struct es_query *query, uint64_t seq, struct es_moment **ret_moment);
/* The same of one process alone: n is 0 where it does not live then. Supervisors are not told. */
int es_query_moment_of(struct es_query *query, uint64_t seq, es_ref pid, struct es_moment **ret_moment);
/* Whether the process is known to have ended by then, or to have been another that had this pid before. */
bool es_moment_is_dead(struct es_query *query, const struct es_moment *moment, es_ref pid);
void es_moment_free(struct es_moment *moment);

/* ---- messages between two sides ------------------------------------------------------------------------------------ */
struct es_flow_request {
    const es_ref *from, *to; /* processes of either side */
    size_t n_from, n_to;
    bool both;            /* the other way too */
    int64_t since, until; /* of the send (of the delivery, where that is not known); INT64_MIN, INT64_MAX = no bound */
};
/* An event in the life of a message; seq 0: not known. `time` means nothing then. */
struct es_flow_point {
    uint64_t seq;
    int64_t time;
};
struct es_flow_row {
    es_ref from, to;
    struct es_flow_point send, deliver;
    struct es_flow_point handle, done;   /* the callback that handled it, and that callback's end */
    struct es_flow_point reply, replied; /* the send with its correlation back, and that one's delivery */
    uint64_t corr;
    uint8_t cause_state; /* of the delivery, where it has no send */
    bool request;        /* a call, whose sender waits for the reply */
    bool dead;           /* nobody was there to get it */
};
/* Nanoseconds, of those rows that have both ends; n 0: of none. */
struct es_flow_numbers {
    uint64_t n;
    int64_t p50, p99, max;
};
struct es_flow {
    struct es_flow_row *rows; /* by send, or delivery */
    size_t n;
    bool cut; /* there are more than ES_FLOW_MAX */
    struct es_flow_numbers latency /* send to delivery */, queue /* delivery to its callback */,
        handling /* callback to its end */, round /* request to the reply's delivery */;
};
#define ES_FLOW_MAX 1000000u
/* free with es_flow_free(). What happens to messages behind `until` is looked for as far as 262,144 events. */
int es_query_flow(struct es_query *query, const struct es_flow_request *request, struct es_flow **ret_flow);
void es_flow_free(struct es_flow *flow);

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
/* Of an event of woven code where it was, and which variables were bound there: ":42", ":42 total = 7, qty = 2". False, and nothing is
 * appended, where the event has no place or that is not known. */
bool es_query_print_site(struct es_query *query, const struct es_event *event, bool erlang, struct es_text *out);

/* ---- source of woven modules ----------------------------------------------------------------------------------------- */
struct es_source_line { /* that was reached */
    uint32_t line;
    uint64_t hits, last_seq; /* the event of its last hit */
};
struct es_source {
    char *path, *text; /* "": not in the recording; a text without a path is abstract code, printed as Erlang */
    size_t text_len;
    struct es_source_line *lines;
    size_t n; /* by line */
};
/* Of the module ("MyApp.Cart", "my_mod", ":my_mod"), with what was reached before the event `before_seq` (0: in all). -ENOENT with the
 * modules that there are. es_source_fini() it. */
int es_query_source(struct es_query *query, const char *module, uint64_t before_seq, struct es_source *ret_source);
void es_source_fini(struct es_source *source);

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
    es_ref pid;
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
    uint64_t shown_seq;             /* its event */
    int64_t exited;                 /* INT64_MAX: it lived then */
    struct es_version_cause cause;
    uint8_t *bytes; /* owned */
    size_t len;
};
/* The state of a process at a time. -ENOENT: it did not live yet; -ENODATA: no state is known of it then; both with
 * causes that say why, as far as the recording knows. After its exit: its last one. */
int es_query_state(struct es_query *query, es_ref pid, int64_t at, struct es_state *ret_state);
/* The same right after event `seq`, quick: what counts versions (`number`, `of`, `shown`) is 0 until es_query_state_number() was asked for
 * it. -ENODATA without a cause where none is known: es_query_state() says why. */
int es_query_state_after(struct es_query *query, es_ref pid, uint64_t seq, struct es_state *ret_state);
int es_query_state_number(struct es_query *query, struct es_state *state);
/* The version before event `seq`; -ENOENT without a cause where there is none. */
int es_query_version_before(struct es_query *query, es_ref pid, uint64_t seq, struct es_version_info *ret_info);
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
/* ---- spans --------------------------------------------------------------------------------------------------------- */
enum es_span_end {
    ES_SPAN_UNKNOWN, /* its end was not recorded, or it was lost */
    ES_SPAN_RETURN,
    ES_SPAN_EXCEPTION,
    ES_SPAN_EXIT,    /* its process exited in it */
    ES_SPAN_OPEN,    /* it was running when the recording ended */
    ES_SPAN_TAIL,    /* a tail call: the call that follows took its place; only of woven code, as the next */
    ES_SPAN_UNWOUND, /* an exception passed through it, before the event that its end is */
    ES_SPAN_ENDS
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
struct es_call_path {
    uint32_t below;
    uint16_t arity;
    es_ref module, function;
};
size_t es_spans_path(const struct es_spans *spans, const struct es_call_path **ret_paths);

/* Sums of spans by function or by path. `total` counts recursion once. */
struct es_profile_row {
    es_ref module, function;
    uint16_t arity;
    uint32_t below;                         /* by path: index of the row of the path below, ES_PATH_NONE */
    uint64_t count;                         /* calls */
    uint64_t timed;                         /* of these, calls whose end is known: the sums and times are theirs */
    uint64_t ends[ES_SPAN_ENDS];            /* by enum es_span_end */
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
 * from its handling on, not from its arrival. A reply that its process waited for (ES_E_REPLY) is there from the next thing on that the process
 * does, unless that is a timeout or its exit; what is scheduled, collected or done to it meanwhile says nothing. Blocks are read as the search comes to them. A message whose handling is not known
 * within a million events behind the later event may have been handled before it: then it is only possible. -ENOENT; -EBADMSG where
 * one of them cannot be read; -EINVAL where one is nothing that a process did. */
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
    bool maybe;     /* it is not certain that it did; of this edge alone */
    uint32_t depth; /* edges from where it begins */
};
struct es_cone_request {
    uint64_t seq;
    bool forward;
    uint32_t depth; /* at most so many edges; 0: no bound */
    uint64_t limit; /* at most so many events, the nearest in time; 0: no bound but memory */
    int64_t bound;  /* no events before this time, or at or behind it when forward */
};
/* All events that led to one, or that it led to: what was sent, started, handled, and what each process had done before.
 * Messages whose handling is not known lead nowhere, unlike in es_query_before(). The nearest in time first.
 * *ret_cut: there are more. free(*ret_events). -ENOENT. */
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

/* Puts recordings of several nodes together into one, on the clock of the first. Messages between the nodes are paired and say how the
 * clocks lie; docs/merge.md. */
struct es_merge_request {
    const char *path; /* of the result */
    bool overwrite;
    const int64_t *offsets; /* by hand, in ns, one for each recording but the first; NULL: to be found */
    int (*tick)(double done, void *context);
    void *context;
};
/* What is said of recording `k` of a merged one: metadata "merged.k.KEY"; NULL where nothing is. */
const char *es_query_merged(struct es_query *query, size_t k, const char *key);
size_t es_query_merged_count(struct es_query *query);
/* -EINVAL: they cannot be put together, says why. `n` from 2 to 64. */
int es_query_merge(struct es_query *const *queries, size_t n, const struct es_merge_request *request);

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
