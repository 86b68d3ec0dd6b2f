/* SPDX-License-Identifier: MIT */
/* SQLite's side of our tables: one module for all of them. They exist by name alone (no CREATE), are read from
 * the first row to the last, and know nothing of what they hold: the specification and the source do. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/sql.h"

struct table {
    sqlite3_vtab base; /* first: SQLite's */
    struct es_sql *sql;
    const struct es_sql_table *table;
};

struct cursor {
    sqlite3_vtab_cursor base; /* first: SQLite's */
    struct es_sql_scan scan;
    const struct es_sql_source *source; /* NULL: not open */
    bool ended;
};

struct registered { /* what a module is given */
    struct es_sql *sql;
    const struct es_sql_table *table;
};

/* ---- tables -------------------------------------------------------------------------------------------------------- */

static void describe(const struct es_sql_table *table, struct es_text *out)
{
    es_text_puts(out, "CREATE TABLE x(");
    for (size_t i = 0; i < table->n_columns; i++) {
        const struct es_sql_column *c = &table->columns[i];
        es_text_printf(out, "%s\"%s\" %s%s", i ? ", " : "", c->name, c->type,
                       c->role >= ES_ROLE_NOTATION ? " HIDDEN" : "");
    }
    /* Rows that are handed out by groups have no seq: nothing may ask for a row's number behind our back. */
    es_text_puts(out, table->source ? ")" : ", PRIMARY KEY(seq)) WITHOUT ROWID");
}

static int on_connect(sqlite3 *db, void *context, int argc, const char *const *argv, sqlite3_vtab **ret, char **error)
{
    const struct registered *registered = context;
    struct es_text text = {0};
    (void)argc, (void)argv, (void)error;
    describe(registered->table, &text);
    int rc = text.failed ? SQLITE_NOMEM : sqlite3_declare_vtab(db, text.bytes);
    es_text_fini(&text);
    struct table *table = rc == SQLITE_OK ? sqlite3_malloc(sizeof *table) : NULL;
    if (!table)
        return rc == SQLITE_OK ? SQLITE_NOMEM : rc;
    *table = (struct table){.sql = registered->sql, .table = registered->table};
    sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
    *ret = &table->base;
    return SQLITE_OK;
}

static int on_disconnect(sqlite3_vtab *base)
{
    sqlite3_free(base);
    return SQLITE_OK;
}

static int on_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    struct table *table = (struct table *)base;
    return es_sql_plan(table->sql, table->table, info);
}

/* ---- cursors ------------------------------------------------------------------------------------------------------- */

static int on_open(sqlite3_vtab *base, sqlite3_vtab_cursor **ret)
{
    struct table *table = (struct table *)base;
    struct cursor *cursor = sqlite3_malloc(sizeof *cursor);
    if (!cursor)
        return SQLITE_NOMEM;
    *cursor = (struct cursor){.scan = {.sql = table->sql, .table = table->table}};
    *ret = &cursor->base;
    return SQLITE_OK;
}

static void end_scan(struct cursor *cursor)
{
    if (cursor->source)
        cursor->source->close(&cursor->scan);
    cursor->source = NULL;
    cursor->scan.state = NULL;
    cursor->scan.event = NULL;
    es_sql_ask_fini(&cursor->scan.ask);
}

static int on_close(sqlite3_vtab_cursor *base)
{
    end_scan((struct cursor *)base);
    sqlite3_free(base);
    return SQLITE_OK;
}

/* What SQLite is told of a failure, and the user through it. */
static int fail(struct cursor *cursor, int code)
{
    sqlite3_free(cursor->base.pVtab->zErrMsg);
    cursor->base.pVtab->zErrMsg = NULL;
    cursor->ended = true;
    if (code == -ENOMEM)
        return SQLITE_NOMEM;
    if (code == -ETIMEDOUT || code == -EINTR)
        return SQLITE_INTERRUPT;
    cursor->base.pVtab->zErrMsg = sqlite3_mprintf("%s", es_error_text()[0] ? es_error_text() : strerror(-code));
    es_error_clear();
    return SQLITE_ERROR;
}

static int on_next(sqlite3_vtab_cursor *base)
{
    struct cursor *cursor = (struct cursor *)base;
    int rc = cursor->source->next(&cursor->scan);
    if (rc < 0)
        return fail(cursor, rc);
    cursor->ended = rc == 0;
    cursor->scan.number++;
    return SQLITE_OK;
}

static int on_filter(sqlite3_vtab_cursor *base, int number, const char *plan, int argc, sqlite3_value **argv)
{
    struct cursor *cursor = (struct cursor *)base;
    struct es_sql_scan *scan = &cursor->scan;
    (void)number;
    end_scan(cursor);
    scan->number = 0;
    cursor->ended = true;
    int rc = es_sql_ask_init(scan, &(struct es_sql_given){plan, argv, argc});
    if (rc < 0)
        return fail(cursor, rc);
    if (scan->ask.empty)
        return SQLITE_OK;
    cursor->source = scan->table->source ? scan->table->source : &es_sql_event_source;
    rc = cursor->source->open(scan);
    return rc < 0 ? fail(cursor, rc) : on_next(base);
}

/* Rows were handed out by groups, as nobody had asked for seq; but where SQLite joins the parts of an OR, it asks for it after all, to
 * tell which rows it had. It does so at each row, before anything else: so the rows begin anew, event by event. */
static int each_event(struct cursor *cursor)
{
    struct es_sql_scan *scan = &cursor->scan;
    if (scan->number != 1)
        return fail(cursor, es_fail(-EINVAL, "a row is asked for its seq that stands for several events"));
    cursor->source->close(scan);
    scan->state = NULL;
    scan->ask.counted = false;
    scan->number = 0;
    int rc = cursor->source->open(scan);
    return rc < 0 ? fail(cursor, rc) : on_next(&cursor->base);
}

static int on_eof(sqlite3_vtab_cursor *base) { return ((struct cursor *)base)->ended; }

static int on_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int i)
{
    struct cursor *cursor = (struct cursor *)base;
    struct es_sql_scan *scan = &cursor->scan;
    const struct es_sql_column *column = &scan->table->columns[i];
    if (column->role == ES_ROLE_SEQ && scan->ask.counted) {
        int rc = each_event(cursor);
        if (rc != SQLITE_OK)
            return rc;
    }
    struct es_sql_value value = {scan->row.value[i], column->show, scan->row.present >> i & 1};
    if (column->role == ES_ROLE_NOTATION)
        value = (struct es_sql_value){(int64_t)(intptr_t)(scan->ask.erlang ? "erlang" : "elixir"), ES_SHOW_TEXT, true};
    else if (column->role > ES_ROLE_NOTATION) {
        if (scan->ask.arguments[i])
            sqlite3_result_value(context, scan->ask.arguments[i]);
        return SQLITE_OK;
    } else if (column->show == ES_SHOW_AS)
        value.show = scan->as;
    else if (scan->event)
        value = es_sql_event_value(scan->sql, scan->event, column);
    else if (column->show == ES_SHOW_NAME && value.present) {
        value.value = (int64_t)es_query_name(scan->sql->query, (es_ref)value.value, scan->row.time);
        value.show = ES_SHOW_REF;
        value.present = value.value != 0;
    }
    es_sql_result(context, scan, &value);
    return SQLITE_OK;
}

static int on_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *ret)
{
    struct es_sql_scan *scan = &((struct cursor *)base)->scan;
    *ret = scan->row.id;
    return SQLITE_OK;
}

/* Without xCreate a table is there by its name alone; without xUpdate it is read-only. */
static const sqlite3_module module = {
    .iVersion = 1,
    .xConnect = on_connect,
    .xBestIndex = on_best_index,
    .xDisconnect = on_disconnect,
    .xOpen = on_open,
    .xClose = on_close,
    .xFilter = on_filter,
    .xNext = on_next,
    .xEof = on_eof,
    .xColumn = on_column,
    .xRowid = on_rowid,
};

int es_sql_register_tables(struct es_sql *sql)
{
    for (size_t i = 0; i < es_sql_n_specs; i++) {
        struct registered *registered = malloc(sizeof *registered);
        if (!registered)
            return es_fail(-ENOMEM, "no memory for a table");
        *registered = (struct registered){sql, &es_sql_specs[i]};
        if (sqlite3_create_module_v2(sql->db, es_sql_specs[i].name, &module, registered, free) != SQLITE_OK)
            return es_fail(-ENOMEM, "no memory for a table");
    }
    return 0;
}
