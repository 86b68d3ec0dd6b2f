/* SPDX-License-Identifier: MIT */
/* The tables of SQL and their columns: the one place that says what each is. docs/sql.md, the prompt's .schema
 * and completion are made from it. */
#include "query/sql.h"

#include <errno.h>

#define I "INTEGER"
#define T "TEXT"
#define R "REAL"
#define COLUMNS(array) (array), sizeof(array) / sizeof(array)[0]
#define KIND(k) (UINT64_C(1) << ES_K_##k)

#define C_SEQ                                                                                              \
    {                                                                                                      \
        "seq", I, "", "sequence number, from 1, without holes", ES_ROLE_SEQ, ES_SHOW_INTEGER, ES_SQL_F_SEQ \
    }
#define C_TIME                                                                                 \
    {                                                                                          \
        "time", I, "ns", "Erlang monotonic time", ES_ROLE_TIME, ES_SHOW_INTEGER, ES_SQL_F_TIME \
    }
#define C_KIND                                                                                             \
    {                                                                                                      \
        "kind", T, "", "what happened: send, deliver, call ...", ES_ROLE_KIND, ES_SHOW_KIND, ES_SQL_F_KIND \
    }
#define C_PID                                                                                       \
    {                                                                                               \
        "pid", T, "", "the process it happened to, <0.1.2>", ES_ROLE_PID, ES_SHOW_WHO, ES_SQL_F_PID \
    }
#define C_NAME                                                                                       \
    {                                                                                                \
        "name", T, "", "its name then, or its last before", ES_ROLE_NAME, ES_SHOW_REF, ES_SQL_F_NAME \
    }
#define C_MODULE                                                                                \
    {                                                                                           \
        "module", T, "", "module of the function", ES_ROLE_MODULE, ES_SHOW_REF, ES_SQL_F_MODULE \
    }
#define C_FUNCTION                                                                                      \
    {                                                                                                   \
        "function", T, "", "the function's name", ES_ROLE_FUNCTION, ES_SHOW_FUNCTION, ES_SQL_F_FUNCTION \
    }
#define C_ARITY                                                                                   \
    {                                                                                             \
        "arity", I, "", "its number of arguments", ES_ROLE_PLAIN, ES_SHOW_INTEGER, ES_SQL_F_ARITY \
    }
#define C_PARENT                                                                                          \
    {                                                                                                     \
        "parent", I, "", "seq of the innermost call open in the process", ES_ROLE_PLAIN, ES_SHOW_INTEGER, \
            ES_SQL_F_PARENT                                                                               \
    }
#define C_CAUSE                                                                                               \
    {                                                                                                         \
        "cause", I, "", "seq of the event on another process that caused it", ES_ROLE_PLAIN, ES_SHOW_INTEGER, \
            ES_SQL_F_CAUSE                                                                                    \
    }
#define C_WALL                                                                                  \
    {                                                                                           \
        "wall", I, "ns", "wall clock since 1970", ES_ROLE_PLAIN, ES_SHOW_INTEGER, ES_SQL_F_WALL \
    }
#define C_NOTATION                                                                                                     \
    {                                                                                                                  \
        "notation", T, "", "of terms and names in this query: 'elixir' or 'erlang'", ES_ROLE_NOTATION, ES_SHOW_TEXT, 0 \
    }
#define C_PAYLOAD(name, meaning)                                            \
    {                                                                       \
        name, T, "", meaning, ES_ROLE_PLAIN, ES_SHOW_TERM, ES_SQL_F_PAYLOAD \
    }

/* clang-format off */
static const struct es_sql_column event_columns[] = {
    C_SEQ, C_TIME, C_KIND,
    {"family", T, "", "family of the kind: message, process, call ...", ES_ROLE_PLAIN, ES_SHOW_FAMILY, ES_SQL_F_KIND},
    C_PID, C_NAME,
    {"peer", T, "", "the other side: a process, port or name", ES_ROLE_PLAIN, ES_SHOW_WHO, ES_SQL_F_PEER},
    {"peer_name", T, "", "its name, where it is a process", ES_ROLE_PLAIN, ES_SHOW_REF, ES_SQL_F_PEER_NAME},
    C_MODULE, C_FUNCTION, C_ARITY, C_CAUSE,
    {"cause_state", T, "", "what is known of the cause: paired, external, lost ...", ES_ROLE_PLAIN, ES_SHOW_CAUSE, ES_SQL_F_CAUSE_STATE},
    C_PARENT,
    C_PAYLOAD("payload", "the term: message, arguments, value, reason, state"),
    {"bytes", I, "B", "recorded size of the payload", ES_ROLE_PLAIN, ES_SHOW_INTEGER, ES_SQL_F_BYTES},
    {"flags", T, "", "cut, redacted, no_payload, callback, late, moved, state_same, state_missed, woven; with commas", ES_ROLE_PLAIN, ES_SHOW_FLAGS, ES_SQL_F_FLAGS},
    {"moved", I, "ns", "by which time was moved to stay behind its cause", ES_ROLE_PLAIN, ES_SHOW_INTEGER, ES_SQL_F_MOVED},
    {"thread", I, "", "scheduler, from 1", ES_ROLE_PLAIN, ES_SHOW_INTEGER, ES_SQL_F_THREAD},
    {"line", I, "", "in the source, of woven code: line, try, caught, taken", ES_ROLE_PLAIN, ES_SHOW_INTEGER, ES_SQL_F_LINE},
    {"hash", T, "", "content of the whole term, 16 hexadecimal digits", ES_ROLE_PLAIN, ES_SHOW_HASH, ES_SQL_F_HASH},
    {"corr", T, "", "what a call and its reply have in common", ES_ROLE_PLAIN, ES_SHOW_HASH, ES_SQL_F_CORR},
    C_WALL, C_NOTATION};

static const struct es_sql_column call_columns[] = {
    C_SEQ, C_TIME, C_PID, C_NAME, C_MODULE, C_FUNCTION, C_ARITY,
    {"callback", I, "", "1: of a behaviour", ES_ROLE_PLAIN, ES_SHOW_INTEGER, ES_SQL_F_CALLBACK},
    {"outcome", T, "", "what is known of its end: 'ended', 'open'; NULL: nothing", ES_ROLE_PLAIN, ES_SHOW_TEXT, ES_SQL_F_END},
    C_PARENT, C_PAYLOAD("arguments", "list of arguments"), C_NOTATION};

static const struct es_sql_column state_columns[] = {
    C_SEQ, C_TIME, C_PID, C_NAME, C_MODULE, C_FUNCTION, C_ARITY,
    {"callback", I, "", "seq of the call that made it", ES_ROLE_PLAIN, ES_SHOW_INTEGER, ES_SQL_F_MAKER},
    {"version", I, "", "its number, from 1, as `state --history` counts; the same as before where unchanged", ES_ROLE_PLAIN, ES_SHOW_INTEGER, ES_SQL_F_VERSION},
    {"changed", I, "", "0: as before", ES_ROLE_PLAIN, ES_SHOW_INTEGER, ES_SQL_F_CHANGED},
    {"captured", I, "", "0: changed, but not captured", ES_ROLE_PLAIN, ES_SHOW_INTEGER, ES_SQL_F_CAPTURED},
    C_PAYLOAD("state", "the state; NULL where unchanged or not captured"),
    {"bytes", I, "B", "its recorded size", ES_ROLE_PLAIN, ES_SHOW_INTEGER, ES_SQL_F_BYTES},
    {"hash", T, "", "its content, 16 hexadecimal digits", ES_ROLE_PLAIN, ES_SHOW_HASH, ES_SQL_F_HASH},
    C_NOTATION};

static const struct es_sql_column error_columns[] = {
    C_SEQ, C_TIME, C_KIND, C_PID, C_NAME, C_MODULE, C_FUNCTION, C_ARITY, C_PARENT,
    C_PAYLOAD("reason", "the report, exception or reason"), C_WALL, C_NOTATION};

static const struct es_sql_column mark_columns[] = {
    C_SEQ, C_TIME, C_PID, C_NAME,
    {"label", T, "", "the mark's label", ES_ROLE_PLAIN, ES_SHOW_FIRST, ES_SQL_F_PAYLOAD},
    {"meta", T, "", "what was given with it", ES_ROLE_PLAIN, ES_SHOW_SECOND, ES_SQL_F_PAYLOAD},
    C_WALL, C_NOTATION};

#define S_PID(meaning) {"pid", T, "", meaning, ES_ROLE_PID, ES_SHOW_WHO, 0}
#define S_NAME {"name", T, "", "its name then, or its last before", ES_ROLE_NAME, ES_SHOW_NAME, 0}
#define S_MODULE {"module", T, "", "module of the function", ES_ROLE_MODULE, ES_SHOW_REF, 0}
#define S_FUNCTION {"function", T, "", "the function's name", ES_ROLE_FUNCTION, ES_SHOW_FUNCTION, 0}
#define S_ARITY {"arity", I, "", "its number of arguments", ES_ROLE_PLAIN, ES_SHOW_INTEGER, 0}
#define S_SEQ(meaning) {"seq", I, "", meaning, ES_ROLE_SEQ, ES_SHOW_INTEGER, 0}
#define S_TIME(meaning) {"time", I, "ns", meaning, ES_ROLE_TIME, ES_SHOW_INTEGER, 0}
#define S_INT(name, unit, meaning) {name, I, unit, meaning, ES_ROLE_PLAIN, ES_SHOW_INTEGER, 0}
#define S_SHOW(name, show, meaning) {name, T, "", meaning, ES_ROLE_PLAIN, show, 0}
#define S_REAL(name, meaning) {name, R, "", meaning, ES_ROLE_PLAIN, ES_SHOW_REAL, 0}
#define S_NEEDED(name, type, meaning) {name, type, "", meaning, ES_ROLE_NEEDED, ES_SHOW_TEXT, 0}
#define S_OPTION(name, type, meaning) {name, type, "", meaning, ES_ROLE_ARGUMENT, ES_SHOW_TEXT, 0}
#define S_TERM(name, meaning) S_SHOW(name, ES_SHOW_TERM, meaning)

static const struct es_sql_column span_columns[] = {
    S_SEQ("seq of the call"), S_INT("end_seq", "", "seq of the event that ended it; NULL: it is open, or its end is not known"),
    S_TIME("when it began"), S_INT("end_time", "ns", "when it ended"), S_INT("total", "ns", "how long it took, so far where it is open"),
    S_INT("self", "ns", "total without the spans made in it"), S_INT("running", "ns", "of total, on a scheduler; NULL: scheduling was not recorded"),
    S_INT("runnable", "ns", "of total, waiting for a scheduler"), S_INT("waiting", "ns", "of total, waiting for a message or a time"),
    S_INT("gc", "ns", "of running, collecting garbage; NULL: that was not recorded"), S_PID("process"), S_NAME, S_MODULE, S_FUNCTION, S_ARITY,
    S_INT("callback", "", "1: of a behaviour"), S_SHOW("outcome", ES_SHOW_TEXT, "'return', 'exception', 'exit' (its process exited in it), 'open', of woven code 'tail' and 'unwound' (by an exception); NULL: not known"),
    S_INT("parent", "", "seq of the span it was made in"), S_INT("depth", "", "spans it lies in"), S_TERM("arguments", "list of arguments"),
    S_TERM("result", "value, or {class, reason}, or the reason of the exit"), C_NOTATION};
static const struct es_sql_column message_columns[] = {
    S_SEQ("seq of the send; NULL: it was not recorded"), S_TIME("when it was sent"),
    S_INT("deliver_seq", "", "seq of the delivery; NULL: none was seen"), S_INT("delivered", "ns", "when it entered the mailbox"),
    S_INT("latency", "ns", "delivered - time"),
    S_INT("handled_seq", "", "seq of the callback's call that handled it, or of the receive that took it; NULL: not known"), S_INT("handled", "ns", "when that was"),
    S_INT("queued", "ns", "handled - delivered"), S_SHOW("sender", ES_SHOW_WHO, "process, or other origin"),
    S_SHOW("sender_name", ES_SHOW_REF, "its name then"), S_SHOW("receiver", ES_SHOW_WHO, "process, port or name it was sent to"),
    S_SHOW("receiver_name", ES_SHOW_REF, "its name then"), S_INT("dead", "", "1: nobody was there"),
    S_SHOW("cause_state", ES_SHOW_CAUSE, "of the delivery: paired, external, untraced ..."),
    S_SHOW("hash", ES_SHOW_HASH, "content, 16 hexadecimal digits"), S_SHOW("corr", ES_SHOW_HASH, "what a call and its reply have in common"),
    S_TERM("payload", "the message"), C_NOTATION};

static const struct es_sql_column change_columns[] = {
    S_SEQ("seq of the new version"), S_TIME("when it was seen"), S_PID("process"), S_NAME, S_MODULE, S_FUNCTION, S_ARITY,
    S_INT("callback", "", "seq of the call that made it"), S_INT("before_seq", "", "seq of the last captured version before"),
    S_TERM("before", "that version"), S_TERM("after", "the new version; NULL where it was not captured"),
    S_INT("captured", "", "0: changed, but not captured"), C_NOTATION};

static const struct es_sql_column gc_columns[] = {
    S_SEQ("seq of the start"), S_INT("end_seq", "", "seq of the end"), S_TIME("when it began"), S_INT("end_time", "ns", "when it ended"),
    S_INT("duration", "ns", "end_time - time"), S_PID("process"), S_NAME, S_SHOW("generation", ES_SHOW_TEXT, "'minor' or 'major'"),
    S_INT("reclaimed", "words", "heap and old heap before minus after"),
    S_INT("heap_size_before", "words", "heap_size at the start"), S_INT("heap_block_size_before", "words", "heap_block_size at the start"),
    S_INT("old_heap_size_before", "words", "old_heap_size at the start"), S_INT("stack_size_before", "words", "stack_size at the start"),
    S_INT("mbuf_size_before", "words", "mbuf_size at the start"), S_INT("bin_vheap_size_before", "words", "bin_vheap_size at the start"),
    S_INT("heap_size_after", "words", "heap_size at the end"), S_INT("heap_block_size_after", "words", "heap_block_size at the end"),
    S_INT("old_heap_size_after", "words", "old_heap_size at the end"), S_INT("stack_size_after", "words", "stack_size at the end"),
    S_INT("mbuf_size_after", "words", "mbuf_size at the end"), S_INT("bin_vheap_size_after", "words", "bin_vheap_size at the end"),
    C_NOTATION};

static const struct es_sql_column run_columns[] = {
    S_SEQ("seq of in"), S_INT("end_seq", "", "seq of out; NULL: it runs, or its end was not recorded"), S_TIME("when it began to run"),
    S_INT("end_time", "ns", "when it stopped"), S_INT("duration", "ns", "end_time - time"), S_PID("process"), S_NAME,
    S_INT("thread", "", "scheduler, from 1"), S_MODULE, S_FUNCTION, S_ARITY, S_SHOW("end_module", ES_SHOW_REF, "where it stopped"),
    S_SHOW("end_function", ES_SHOW_FUNCTION, "where it stopped"), S_INT("end_arity", "", "where it stopped"), C_NOTATION};

static const struct es_sql_column edge_columns[] = {
    S_INT("source", "", "seq of the event that came before, or the first of the process, state or value"), {"target", I, "", "seq of the event behind it", ES_ROLE_SEQ, ES_SHOW_INTEGER, 0},
    S_SHOW("kind", ES_SHOW_TEXT, "message, handling, spawn, program (order of one process), call, value ..."), S_TIME("of the target"),
    S_SHOW("source_pid", ES_SHOW_WHO, "process of the source"), S_PID("process of the target"),
    S_INT("possibly", "", "1: it is not certain"), S_INT("critical", "", "1: on the critical path to the focus (performance)"),
    S_INT("events", "", "how many it stands for"), S_INT("latency", "ns", "their sum, where known"), S_INT("by", "", "seq of what changed the state, or of the first of these events"),
    S_OPTION("dag", T, "one of: temporal, interaction, state, code, data, performance, causality (the default)"),
    S_OPTION("nodes", I, "at most so many nodes, up to 1,000,000; without it, one of more than 100,000 is refused"),
    S_OPTION("focus", I, "the nodes nearest to this event"), C_NOTATION};
static const struct es_sql_column process_columns[] = {
    S_PID("process"), S_SHOW("name", ES_SHOW_REF, "current or last registered name"), S_SHOW("parent", ES_SHOW_WHO, "who spawned it"),
    S_SHOW("initial_call", ES_SHOW_TEXT, "what it runs"), S_INT("spawned", "ns", "NULL: before the recording"), S_INT("exited", "ns", "NULL: it lives"),
    S_INT("spawn_seq", "", "seq of its first event"), S_INT("exit_seq", "", "seq of its exit"), S_SHOW("reason", ES_SHOW_TEXT, "of its exit"),
    S_SHOW("facts", ES_SHOW_TEXT, "what was known at its spawn, or when it was found"), S_INT("events", "", "in the whole recording"),
    S_INT("memory", "B", "as last sampled"), S_INT("alive", "", "1: at the end"), C_NOTATION};

static const struct es_sql_column line_columns[] = {
    S_MODULE, S_INT("line", "", "in its source"), S_INT("clause", "", "the clause of a function, fun, case … whose body begins here, from 1; else NULL"),
    S_INT("hits", "", "how often it was reached")};

static const struct es_sql_column loss_columns[] = {
    S_SHOW("kind", ES_SHOW_TEXT, "of the lost events; NULL: nobody knows"), S_INT("events", "", "how many"), S_INT("time", "ns", "not before"),
    S_INT("end_time", "ns", "not after"), S_SHOW("why", ES_SHOW_TEXT, "why")};

#define BY "kind, family, pid, name, peer, peer_name, module, function, arity, thread, cause_state"
static const struct es_sql_column histogram_columns[] = {
    {"value", "", "", "of the column asked for", ES_ROLE_PLAIN, ES_SHOW_AS, 0}, S_INT("events", "", "how many have it"),
    S_REAL("share", "of all that were counted, 0 to 1"), S_NEEDED("by", T, "one of: " BY), S_OPTION("of", T, "kind or family of the events")};

static const struct es_sql_column top_columns[] = {
    S_INT("rank", "", "from 1"), {"value", "", "", "of the column asked for", ES_ROLE_PLAIN, ES_SHOW_AS, 0}, S_INT("events", "", "how many have it"),
    S_REAL("share", "of all that were counted, 0 to 1"), S_NEEDED("by", T, "one of: " BY), S_OPTION("n", I, "how many rows, 10"),
    S_OPTION("of", T, "kind or family of the events")};

static const struct es_sql_column timeline_columns[] = {
    S_INT("bucket", "", "from 0"), S_INT("time", "ns", "where it begins"), S_INT("end_time", "ns", "where the next one begins"),
    {"value", "", "", "of the column asked for; NULL where none was", ES_ROLE_PLAIN, ES_SHOW_AS, 0}, S_INT("events", "", "in the bucket"),
    S_NEEDED("buckets", I, "how many, up to 100,000"), S_OPTION("by", T, "a column to count apart: " BY), S_OPTION("of", T, "kind or family of the events")};

static const struct es_sql_column flame_columns[] = {
    S_SHOW("stack", ES_SHOW_TEXT, "functions from the outermost, with semicolons"), S_INT("depth", "", "from 1"), S_MODULE, S_FUNCTION, S_ARITY,
    S_INT("spans", "", "ended spans with this stack"), S_INT("total", "ns", "of all of them"), S_INT("self", "ns", "without the spans made in them"),
    {"pid", T, "", "of this process alone", ES_ROLE_ARGUMENT, ES_SHOW_TEXT, 0}};

const struct es_sql_table es_sql_specs[] = {
    {"events", "every event, in its order", NULL, 0, 1, COLUMNS(event_columns), NULL},
    {"processes", "every process that lived", &es_sql_process_source, 0, 0.001, COLUMNS(process_columns), NULL},
    {"spans", "calls, each with its end and what its process did in it", &es_sql_span_source, 0, 0.2, COLUMNS(span_columns), NULL},
    {"messages", "what was sent or delivered", &es_sql_message_source, 0, 0.3, COLUMNS(message_columns), NULL},
    {"states", "states of behaviours, after each callback", NULL, KIND(STATE), 0.1, COLUMNS(state_columns), NULL},
    {"state_changes", "states that differ from the one before", &es_sql_change_source, 0, 0.1, COLUMNS(change_columns), NULL},
    {"calls", "every recorded call, also without its end", NULL, KIND(CALL), 0.3, COLUMNS(call_columns), NULL},
    {"gc", "garbage collections, start and end", &es_sql_gc_source, 0, 0.1, COLUMNS(gc_columns), NULL},
    {"scheduling", "from where a process began to run to where it stopped", &es_sql_run_source, 0, 0.2, COLUMNS(run_columns), NULL},
    {"lines", "lines of woven code that were reached", &es_sql_line_source, 0, 0.0001, COLUMNS(line_columns), NULL},
    {"errors", "crash and error reports, exceptions, exits that are not normal", NULL, KIND(LOG) | KIND(CRASH) | KIND(EXCEPTION) | KIND(EXIT), 0.01, COLUMNS(error_columns), es_sql_is_error},
    {"marks", "marks of the user", NULL, KIND(MARK), 0.0001, COLUMNS(mark_columns), NULL},
    {"losses", "events that are missing", &es_sql_loss_source, 0, 0.0001, COLUMNS(loss_columns), NULL},
    {"edges", "edges(dag, nodes, focus): which event came of which", &es_sql_edge_source, 0, 0.4, COLUMNS(edge_columns), NULL},
    {"histogram", "histogram(by, of): how many events have each value, most first", &es_sql_histogram_source, 0, 0.0001, COLUMNS(histogram_columns), NULL},
    {"top", "top(by, n, of): the most frequent values", &es_sql_top_source, 0, 0.0001, COLUMNS(top_columns), NULL},
    {"timeline", "timeline(buckets, by, of): events over time", &es_sql_timeline_source, 0, 0.0001, COLUMNS(timeline_columns), NULL},
    {"flame", "flame(pid): time spent by call stack", &es_sql_flame_source, 0, 0.001, COLUMNS(flame_columns), NULL},
};
/* clang-format on */
const size_t es_sql_n_specs = sizeof es_sql_specs / sizeof es_sql_specs[0];

int es_sql_table(size_t table, struct es_sql_table_info *ret_info)
{
    if (table >= es_sql_n_specs)
        return -ENOENT;
    const struct es_sql_table *t = &es_sql_specs[table];
    *ret_info = (struct es_sql_table_info){t->name, t->meaning, t->n_columns};
    return 0;
}

int es_sql_table_column(size_t table, size_t column, struct es_sql_column_info *ret_info)
{
    if (table >= es_sql_n_specs || column >= es_sql_specs[table].n_columns)
        return -ENOENT;
    const struct es_sql_column *c = &es_sql_specs[table].columns[column];
    *ret_info = (struct es_sql_column_info){c->name, c->type, c->unit, c->meaning, c->role >= ES_ROLE_NOTATION};
    return 0;
}
