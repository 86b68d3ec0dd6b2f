/* SPDX-License-Identifier: MIT */
/* From fields of events to values of SQLite. Texts of names and processes are made once and lent: of ten
 * million rows most say the same. */
#include <stdlib.h>
#include <string.h>

#include "query/fields.h"
#include "query/site.h"
#include "query/sql.h"
#include "wire/term.h"

#define WORDS_MAX (1u << 20) /* of one kind; beyond that they are made each time */

unsigned es_sql_field_needs(unsigned field)
{
    switch (field) {
    case ES_SQL_F_PEER:
    case ES_SQL_F_PEER_NAME: return ES_F_PEER;
    case ES_SQL_F_MODULE:
    case ES_SQL_F_FUNCTION:
    case ES_SQL_F_MAKER:
    case ES_SQL_F_ARITY: return ES_F_FUN;
    case ES_SQL_F_CAUSE:
    case ES_SQL_F_CAUSE_STATE: return ES_F_CAUSE;
    case ES_SQL_F_PAYLOAD:
    case ES_SQL_F_BYTES: return ES_F_PAYLOAD | ES_F_CAUSE;
    case ES_SQL_F_LINE: return ES_F_SITE;
    case ES_SQL_F_HASH: return ES_F_HASH;
    case ES_SQL_F_CORR: return ES_F_CORR;
    default: return 0;
    }
}

/* ---- events -------------------------------------------------------------------------------------------------------- */

static struct es_sql_value number(int64_t value) { return (struct es_sql_value){value, ES_SHOW_INTEGER, true}; }

static int64_t name_of(struct es_sql *sql, es_ref pid, int64_t time)
{
    return es_ref_class_of(pid) == ES_REF_PID ? (int64_t)es_query_name(sql->query, pid, time) : 0;
}

static struct es_sql_value wall_of(struct es_sql *sql, const struct es_event *event)
{
    int64_t wall = es_query_wall(sql->query, event->time);
    return (struct es_sql_value){wall, ES_SHOW_INTEGER, wall != INT64_MIN};
}

static struct es_sql_value line_of(struct es_sql *sql, const struct es_event *event)
{
    struct es_site site = {0};
    bool known = event->site && es_site_read(sql->query, event->site, &site) == 0;
    return (struct es_sql_value){site.line, ES_SHOW_INTEGER, known};
}

static struct es_sql_value end_of(struct es_sql *sql, const struct es_event *event)
{
    enum es_call call = es_query_call(sql->query, event->seq);
    return (struct es_sql_value){(int64_t)(intptr_t)(call == ES_CALL_ENDED ? "ended" : "open"), ES_SHOW_TEXT,
                                 call != ES_CALL_ALONE};
}

#define CALLBACK_NEAR 256 /* events */

/* The call that made a state: it is open still, or has just returned. */
uint64_t es_sql_maker(struct es_sql *sql, const struct es_event *state)
{
    uint64_t parent = es_query_parent(sql->query, state);
    struct es_event asked = *state; /* looking at others may move it */
    for (uint64_t seq = asked.seq - 1; parent == 0 && seq > 0 && asked.seq - seq < CALLBACK_NEAR; seq--) {
        const struct es_event *event = es_sql_event(sql, seq, ES_F_FUN);
        if (!event || event->pid != asked.pid || event->kind == ES_K_DELIVER)
            continue;
        if (!es_is_call_end(event->kind) || event->module != asked.module || event->function != asked.function)
            break;
        struct es_event end = *event;
        parent = es_query_parent(sql->query, &end);
        break;
    }
    return parent;
}

/* What is 0 where there is none. */
static uint64_t plain_value(struct es_sql *sql, const struct es_event *event, unsigned field)
{
    switch (field) {
    case ES_SQL_F_PID: return event->pid;
    case ES_SQL_F_NAME: return (uint64_t)name_of(sql, event->pid, event->time);
    case ES_SQL_F_PEER: return event->peer;
    case ES_SQL_F_PEER_NAME: return (uint64_t)name_of(sql, event->peer, event->time);
    case ES_SQL_F_MODULE: return event->module;
    case ES_SQL_F_FUNCTION: return event->function;
    case ES_SQL_F_CAUSE: return event->cause;
    case ES_SQL_F_CAUSE_STATE: return event->cause_state;
    case ES_SQL_F_PARENT: return es_query_parent(sql->query, event);
    case ES_SQL_F_MAKER: return es_sql_maker(sql, event);
    case ES_SQL_F_VERSION: return es_sql_version(sql, event);
    case ES_SQL_F_BYTES: return event->payload_len;
    case ES_SQL_F_FLAGS: return es_flags_of(event);
    case ES_SQL_F_MOVED: return event->flags & ES_E_MOVED ? event->moved : 0;
    case ES_SQL_F_THREAD: return event->thread;
    case ES_SQL_F_HASH: return event->hash;
    case ES_SQL_F_CORR: return event->corr;
    default: return 0;
    }
}

struct es_sql_value es_sql_event_value(struct es_sql *sql, const struct es_event *event,
                                       const struct es_sql_column *column)
{
    switch (column->field) {
    case ES_SQL_F_SEQ: return number((int64_t)event->seq);
    case ES_SQL_F_TIME: return number(event->time);
    case ES_SQL_F_KIND: return (struct es_sql_value){event->kind, column->show, true};
    case ES_SQL_F_ARITY: return (struct es_sql_value){event->arity, ES_SHOW_INTEGER, event->module != ES_REF_NONE};
    case ES_SQL_F_WALL: return wall_of(sql, event);
    case ES_SQL_F_LINE: return line_of(sql, event);
    case ES_SQL_F_PAYLOAD: return (struct es_sql_value){(int64_t)event->seq, column->show, true};
    case ES_SQL_F_CALLBACK:
        return number((event->flags & ES_E_CALLBACK) && event->kind != ES_K_SEND && event->kind != ES_K_DELIVER);
    case ES_SQL_F_END: return end_of(sql, event);
    case ES_SQL_F_CHANGED: return number((event->flags & ES_E_STATE_SAME) == 0);
    case ES_SQL_F_CAPTURED: return number((event->flags & ES_E_STATE_MISSED) == 0);
    default: {
        uint64_t value = plain_value(sql, event, column->field);
        return (struct es_sql_value){(int64_t)value, column->show, value != 0};
    }
    }
}

/* ---- words --------------------------------------------------------------------------------------------------------- */

static void print_function(struct es_query *query, es_ref function, struct es_text *out)
{
    size_t len = 0;
    const uint8_t *text =
        es_ref_class_of(function) == ES_REF_ATOM ? es_recording_define(query->recording, function, &len) : NULL;
    if (text)
        es_text_add(out, (const char *)text, len);
    else
        es_query_print_ref(query, function, true, out);
}

static void print_value(struct es_sql *sql, const struct es_sql_value *value, bool erlang)
{
    struct es_text *out = &sql->scratch;
    es_text_clear(out);
    es_text_puts(out, "");
    if (value->show == ES_SHOW_WHO)
        es_query_print_who(sql->query, (es_ref)value->value, erlang, out);
    else if (value->show == ES_SHOW_FUNCTION)
        print_function(sql->query, (es_ref)value->value, out);
    else
        es_query_print_ref(sql->query, (es_ref)value->value, erlang, out);
}

const struct es_sql_word *es_sql_word(struct es_sql *sql, const struct es_sql_value *value, bool erlang)
{
    struct es_refmap *map = &sql->words[erlang][value->show];
    uint64_t *known = es_refmap_find(map, (uint64_t)value->value);
    if (known)
        return (const struct es_sql_word *)(uintptr_t)*known;
    if (map->n >= WORDS_MAX || !value->value)
        return NULL;
    print_value(sql, value, erlang);
    struct es_sql_word *word = sql->scratch.failed ? NULL : malloc(sizeof *word + sql->scratch.len + 1);
    uint64_t *place = word ? es_refmap_place(map, (uint64_t)value->value) : NULL;
    if (!place) {
        free(word);
        return NULL;
    }
    word->len = sql->scratch.len;
    memcpy(word->bytes, sql->scratch.bytes ? sql->scratch.bytes : "", word->len);
    word->bytes[word->len] = '\0';
    *place = (uint64_t)(uintptr_t)word;
    return word;
}

static void give_word(sqlite3_context *context, struct es_sql *sql, const struct es_sql_value *value, bool erlang)
{
    const struct es_sql_word *word = es_sql_word(sql, value, erlang);
    if (word) {
        sqlite3_result_text(context, word->bytes, (int)word->len, SQLITE_STATIC);
        return;
    }
    print_value(sql, value, erlang);
    sqlite3_result_text(context, sql->scratch.bytes, (int)sql->scratch.len, SQLITE_TRANSIENT);
}

/* ---- terms --------------------------------------------------------------------------------------------------------- */

/* The part of {First, Second} that is asked for; the whole where it is no such tuple. */
static void find_part(const struct es_event *event, unsigned show, const uint8_t **ret, size_t *ret_len)
{
    struct es_reader r;
    struct es_token token;
    const uint8_t *from;
    *ret = event->payload;
    *ret_len = event->payload_len;
    es_reader_init(&r, event->payload, event->payload_len);
    if (show == ES_SHOW_TERM || es_token_next(&r, &token) < 0 || token.type != ES_TOK_TUPLE || token.count != 2)
        return;
    for (unsigned i = 0; i < (show == ES_SHOW_FIRST ? 1u : 2u); i++) {
        from = r.at;
        if (es_term_skip(&r) < 0)
            return;
        *ret = from;
        *ret_len = (size_t)(r.at - from);
    }
}

static void give_term(sqlite3_context *context, struct es_sql_scan *scan, const struct es_sql_value *value)
{
    struct es_sql *sql = scan->sql;
    const struct es_event *event = scan->event;
    if (!event || event->seq != (uint64_t)value->value)
        event = es_sql_event(sql, (uint64_t)value->value, ES_F_PAYLOAD);
    if (!event || event->payload_len == 0) {
        sqlite3_result_null(context);
        return;
    }
    es_text_clear(&sql->scratch);
    if (value->show == ES_SHOW_TERM)
        es_query_print_payload(sql->query, event, scan->ask.erlang, &sql->scratch);
    else {
        const uint8_t *part;
        size_t len;
        find_part(event, value->show, &part, &len);
        es_query_print_term(sql->query, part, len, scan->ask.erlang, &sql->scratch);
    }
    if (sql->scratch.failed)
        sqlite3_result_error_nomem(context);
    else
        sqlite3_result_text64(context, sql->scratch.bytes, sql->scratch.len, SQLITE_TRANSIENT, SQLITE_UTF8);
}

/* ---- to SQLite ------------------------------------------------------------------------------------------------------- */

static void give_static(sqlite3_context *context, const char *text)
{
    sqlite3_result_text(context, text, (int)strlen(text), SQLITE_STATIC);
}

static void give_hash(sqlite3_context *context, uint64_t hash)
{
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
    sqlite3_result_text(context, text, 16, SQLITE_TRANSIENT);
}

static void give_flags(sqlite3_context *context, unsigned flags)
{
    char text[128] = "";
    es_flags_print(flags, text, sizeof text);
    sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
}

static void give_real(sqlite3_context *context, int64_t bits)
{
    double real;
    memcpy(&real, &bits, sizeof real);
    sqlite3_result_double(context, real);
}

void es_sql_result(sqlite3_context *context, struct es_sql_scan *scan, const struct es_sql_value *value)
{
    uint64_t v = (uint64_t)value->value;
    if (!value->present) {
        sqlite3_result_null(context);
        return;
    }
    switch (value->show) {
    case ES_SHOW_INTEGER: sqlite3_result_int64(context, value->value); break;
    case ES_SHOW_REAL: give_real(context, value->value); break;
    case ES_SHOW_HASH: give_hash(context, v); break;
    case ES_SHOW_KIND: give_static(context, es_kind_table[v % ES_KIND_MAX].name); break;
    case ES_SHOW_FAMILY: give_static(context, es_family_names[es_kind_table[v % ES_KIND_MAX].family]); break;
    case ES_SHOW_CAUSE: give_static(context, es_cause_names[v % ES_CAUSE_MAX]); break;
    case ES_SHOW_FLAGS: give_flags(context, (unsigned)v); break;
    case ES_SHOW_TERM:
    case ES_SHOW_FIRST:
    case ES_SHOW_SECOND: give_term(context, scan, value); break;
    case ES_SHOW_TEXT: sqlite3_result_text(context, (const char *)(uintptr_t)v, -1, SQLITE_TRANSIENT); break;
    default: give_word(context, scan->sql, value, scan->ask.erlang);
    }
}
