/* SPDX-License-Identifier: MIT */
/* What a query wants of a table, before its values are known; sql_ask.c reads it then. The plan is a text: letters
 * for each value that SQLite will bring, then what is done without values. Where the rows are events, what is taken
 * over is exact, so that SQLite checks nothing again; elsewhere it only spares work, and SQLite checks all. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "query/sql.h"

#define VALUES_MAX 40
#define PLAN_MAX (VALUES_MAX * 3 + 64)

/* ---- planning ------------------------------------------------------------------------------------------------------ */

struct planning {
    struct es_sql *sql;
    const struct es_sql_table *table;
    sqlite3_index_info *info;
    char text[PLAN_MAX];
    size_t len;
    int n_values;
    uint64_t pinned; /* columns that one or few values are asked of */
    bool exact;      /* all that was asked for is taken over, exactly */
    bool unique;     /* one event at most */
    double part;     /* of the rows that is left */
    int limit, offset;
};

static char op_of(unsigned char op)
{
    switch (op) {
    case SQLITE_INDEX_CONSTRAINT_EQ: return '=';
    case SQLITE_INDEX_CONSTRAINT_GT: return '>';
    case SQLITE_INDEX_CONSTRAINT_GE: return 'g';
    case SQLITE_INDEX_CONSTRAINT_LT: return '<';
    case SQLITE_INDEX_CONSTRAINT_LE: return 'l';
    case SQLITE_INDEX_CONSTRAINT_NE: return '!';
    default: return 0;
    }
}

/* Does this role take this kind of comparison? */
static bool takes(unsigned role, char op)
{
    switch (role) {
    case ES_ROLE_SEQ:
    case ES_ROLE_TIME: return op != '!';
    case ES_ROLE_KIND: return op == '=' || op == '!';
    case ES_ROLE_PLAIN: return false;
    default: return op == '=';
    }
}

static bool is_text(unsigned role) { return role >= ES_ROLE_KIND && role <= ES_ROLE_FUNCTION; }

static void add_value(struct planning *p, int i, const char *letters, bool exact)
{
    p->info->aConstraintUsage[i].argvIndex = ++p->n_values;
    p->info->aConstraintUsage[i].omit = exact;
    memcpy(p->text + p->len, letters, 3);
    p->len += 3;
}

static void narrow(struct planning *p, unsigned role, char op)
{
    if (op == '!')
        return;
    p->part *= role == ES_ROLE_SEQ || role == ES_ROLE_TIME ? (op == '=' ? 1e-6 : 0.3)
               : role == ES_ROLE_KIND                      ? 0.1
               : role == ES_ROLE_FUNCTION                  ? 0.5
                                                           : 0.02;
    p->unique |= role == ES_ROLE_SEQ && op == '=';
}

static int take_column(struct planning *p, int i)
{
    const struct sqlite3_index_constraint *c = &p->info->aConstraint[i];
    const struct es_sql_column *column = &p->table->columns[c->iColumn];
    char op = op_of(c->op);
    bool events = !p->table->source, hidden = column->role >= ES_ROLE_NOTATION;
    if (!op || !takes(column->role, op) ||
        (is_text(column->role) && sqlite3_stricmp(sqlite3_vtab_collation(p->info, i), "BINARY") != 0)) {
        p->exact = false;
        return column->role == ES_ROLE_NEEDED ? SQLITE_CONSTRAINT : SQLITE_OK;
    }
    if (!c->usable || p->n_values == VALUES_MAX) { /* its value comes from a table that is read later, or too many */
        p->exact = false;
        return hidden ? SQLITE_CONSTRAINT : SQLITE_OK;
    }
    bool many = op == '=' && (column->role == ES_ROLE_KIND || column->role == ES_ROLE_PID) &&
                sqlite3_vtab_in(p->info, i, -1) && sqlite3_vtab_in(p->info, i, 1);
    bool exact = hidden || (events && column->role <= ES_ROLE_PID);
    p->exact &= exact;
    p->pinned |= exact && op == '=' ? UINT64_C(1) << c->iColumn : 0;
    add_value(p, i, (char[]){(char)('a' + column->role), many ? 'i' : op, (char)('A' + c->iColumn)}, exact);
    narrow(p, column->role, op);
    return SQLITE_OK;
}

static int take_constraints(struct planning *p)
{
    uint64_t needed = 0;
    p->limit = p->offset = -1;
    for (int i = 0; i < p->info->nConstraint; i++) {
        const struct sqlite3_index_constraint *c = &p->info->aConstraint[i];
        int rc = SQLITE_OK;
        if (c->op == SQLITE_INDEX_CONSTRAINT_LIMIT)
            p->limit = c->usable ? i : -1;
        else if (c->op == SQLITE_INDEX_CONSTRAINT_OFFSET)
            p->offset = c->usable ? i : -1;
        else if (c->iColumn < 0)
            p->exact = false;
        else
            rc = take_column(p, i);
        if (rc != SQLITE_OK)
            return rc;
        if (c->iColumn >= 0 && c->usable)
            needed |= UINT64_C(1) << c->iColumn;
    }
    for (size_t i = 0; i < p->table->n_columns; i++)
        if (p->table->columns[i].role == ES_ROLE_NEEDED && !(needed >> i & 1))
            return SQLITE_CONSTRAINT;
    return SQLITE_OK;
}

/* Events come in order of seq, and of time. 1: that is what is asked for, -1: against it, 0: another order. */
static int natural_order(const struct planning *p)
{
    const sqlite3_index_info *info = p->info;
    for (int i = 0; i < info->nOrderBy; i++) {
        int column = info->aOrderBy[i].iColumn;
        unsigned role = column < 0 ? ES_ROLE_PLAIN : p->table->columns[column].role;
        if (info->aOrderBy[i].desc != info->aOrderBy[0].desc || (role != ES_ROLE_TIME && role != ES_ROLE_SEQ))
            return 0;
        if (role == ES_ROLE_SEQ) /* no two events have the same: what follows does not matter */
            break;
    }
    return info->nOrderBy == 0 ? 1 : info->aOrderBy[0].desc ? -1 : 1;
}

/* May rows that are equal in all columns that are used come together, as groups? */
static bool can_count(const struct planning *p)
{
    uint64_t used = p->info->colUsed;
    size_t n = 0;
    if (p->table->source || p->table->picks)
        return false;
    for (size_t i = 0; i < 64; i++) {
        if (!(used >> i & 1))
            continue;
        if (i >= p->table->n_columns)
            return false;
        const struct es_sql_column *c = &p->table->columns[i];
        if (c->role == ES_ROLE_NOTATION)
            continue;
        if (!es_sql_can_count(c->field) || ++n > ES_SQL_KEYS)
            return false;
    }
    for (int i = 0; i < p->info->nOrderBy; i++)
        if (p->info->aOrderBy[i].iColumn < 0 || !(used >> p->info->aOrderBy[i].iColumn & 1))
            return false;
    return p->info->nOrderBy > 0 ? p->info->nOrderBy <= (int)ES_SQL_KEYS : (used & ~p->pinned) == 0;
}

static void add_char(struct planning *p, char c) { p->text[p->len++] = c; }

static void plan_order(struct planning *p)
{
    if (can_count(p)) {
        add_char(p, ';');
        add_char(p, sqlite3_vtab_distinct(p->info) >= 2 ? 'D' : 'C');
        for (int i = 0; i < p->info->nOrderBy; i++) {
            add_char(p, (char)('A' + p->info->aOrderBy[i].iColumn));
            add_char(p, p->info->aOrderBy[i].desc ? '-' : '+');
        }
        p->info->orderByConsumed = p->info->nOrderBy > 0;
        return;
    }
    int order = natural_order(p);
    add_char(p, ';');
    add_char(p, order < 0 ? 'R' : 'F');
    p->info->orderByConsumed = p->info->nOrderBy > 0 && order != 0;
    if (!p->exact || (p->info->nOrderBy > 0 && order == 0))
        p->limit = p->offset = -1;
}

int es_sql_plan(struct es_sql *sql, const struct es_sql_table *table, sqlite3_index_info *info)
{
    struct planning p = {.sql = sql, .table = table, .info = info, .exact = true, .part = 1};
    int rc = take_constraints(&p);
    if (rc != SQLITE_OK)
        return rc;
    if (table->source)
        p.limit = p.offset = -1;
    size_t values_end = p.len;
    plan_order(&p);
    if (table->source)
        info->orderByConsumed = 0;
    if (p.offset >= 0 && p.n_values < VALUES_MAX) {
        memmove(p.text + values_end + 3, p.text + values_end, p.len - values_end);
        size_t len = p.len;
        p.len = values_end;
        add_value(&p, p.offset, "zoA", true);
        p.len = len + 3;
    }
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(sql->query->recording, &blocks);
    double events = n ? (double)(blocks[n - 1].last_seq - blocks[0].first_seq + 1) : 1,
           rows = events * table->rows * p.part;
    info->estimatedRows = rows < 1 ? 1 : (sqlite3_int64)rows;
    info->estimatedCost = p.unique ? 200 : 1000 + rows + (double)n * 500 * (p.part < 1 ? p.part : 1);
    info->idxFlags = p.unique && !table->source ? SQLITE_INDEX_SCAN_UNIQUE : 0;
    info->idxStr = sqlite3_mprintf("%.*s:%llx", (int)p.len, p.text, info->colUsed);
    info->needToFreeIdxStr = 1;
    return info->idxStr ? SQLITE_OK : SQLITE_NOMEM;
}
