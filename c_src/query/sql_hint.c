/* SPDX-License-Identifier: MIT */
/* Why a statement is wrong: what SQLite says, where in the text, and what there is instead. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "query/sql.h"

#define WORD_MAX 64

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned d = a < b ? a : b;
    return d < c ? d : c;
}

/* How many letters have to change, case aside. */
static unsigned edits(const char *a, const char *b)
{
    unsigned row[WORD_MAX + 1];
    size_t n = strlen(a), m = strlen(b);
    if (n > WORD_MAX || m > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= m; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned change = diagonal + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
            diagonal = row[j];
            row[j] = least(change, row[j] + 1, row[j - 1] + 1);
        }
    }
    return row[m];
}

struct nearest {
    const char *asked, *name;
    unsigned distance;
};

static void consider(struct nearest *nearest, const char *name)
{
    unsigned distance = edits(nearest->asked, name);
    if (distance < nearest->distance && distance <= 1 + strlen(nearest->asked) / 3) {
        nearest->distance = distance;
        nearest->name = name;
    }
}

static bool mentions(const char *text, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = text; (at = strcasestr(at, word)) != NULL; at += len) {
        bool begins = at == text || !(isalnum((unsigned char)at[-1]) || at[-1] == '_');
        if (begins && !(isalnum((unsigned char)at[len]) || at[len] == '_'))
            return true;
    }
    return false;
}

static void hint_table(const char *asked)
{
    struct nearest nearest = {asked, NULL, WORD_MAX};
    struct es_text list = {0};
    for (size_t i = 0; i < es_sql_n_specs; i++) {
        consider(&nearest, es_sql_specs[i].name);
        es_text_printf(&list, "%s%s", i ? ", " : "", es_sql_specs[i].name);
    }
    const char *all = list.bytes ? list.bytes : "";
    if (nearest.name)
        es_hint("Did you mean %s? There are: %s.", nearest.name, all);
    else
        es_hint("There are: %s.", all);
    es_text_fini(&list);
}

/* Columns of the tables that the text speaks of. */
static void hint_column(const char *text, const char *asked)
{
    const char *dot = strrchr(asked, '.');
    struct nearest nearest = {dot ? dot + 1 : asked, NULL, WORD_MAX};
    struct es_text list = {0};
    for (size_t i = 0; i < es_sql_n_specs; i++) {
        const struct es_sql_table *table = &es_sql_specs[i];
        if (!mentions(text, table->name))
            continue;
        es_text_printf(&list, "%s%s has", list.len ? "; " : "", table->name);
        for (size_t k = 0; k < table->n_columns; k++) {
            consider(&nearest, table->columns[k].name);
            es_text_printf(&list, "%s%s", k ? ", " : " ", table->columns[k].name);
        }
    }
    const char *all = list.bytes ? list.bytes : "a text is written with single quotes, and columns need a table (FROM)";
    if (nearest.name)
        es_hint("Did you mean %s? %s.", nearest.name, all);
    else
        es_hint("%s.", all);
    es_text_fini(&list);
}

static void hint_function(const char *asked)
{
    struct nearest nearest = {asked, NULL, WORD_MAX};
    struct es_text list = {0};
    for (size_t i = 0; es_sql_functions[i]; i++)
        es_text_printf(&list, "%s%s", i ? ", " : "", es_sql_functions[i]);
    static const char *const names[] = {
        "wall",    "ms",    "us",           "since",        "at",     "count", "sum",    "avg",
        "min",     "max",   "total",        "group_concat", "substr", "instr", "length", "round",
        "abs",     "upper", "lower",        "coalesce",     "ifnull", "iif",   "printf", "format",
        "replace", "trim",  "json_extract", "row_number",   "lag",    "lead",  "rank"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        consider(&nearest, names[i]);
    if (nearest.name)
        es_hint("Did you mean %s? Beside SQLite's own functions there are: %s.", nearest.name, list.bytes);
    else
        es_hint("Beside SQLite's own functions there are: %s.", list.bytes);
    es_text_fini(&list);
}

static const char *behind(const char *message, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(message, prefix, len) == 0 ? message + len : NULL;
}

static void add_hint(const char *text, const char *message)
{
    const char *name;
    if ((name = behind(message, "no such table: ")) || (name = behind(message, "'")))
        hint_table(name);
    else if ((name = behind(message, "no such column: ")))
        hint_column(text, name);
    else if ((name = behind(message, "no such function: ")))
        hint_function(name);
    else if (behind(message, "no query solution"))
        es_hint("A table function needs its arguments: histogram('kind'), top('pid', 10), timeline(100).");
    else if (behind(message, "near ") || behind(message, "incomplete input"))
        es_hint("Try: SELECT kind, count(*) FROM events GROUP BY kind");
}

/* ", at line 2, column 7" */
static void print_place(const char *text, int offset, char *out, size_t room)
{
    int line = 1, column = 1;
    if (offset < 0 || (size_t)offset > strlen(text)) {
        *out = '\0';
        return;
    }
    for (int i = 0; i < offset; i++) {
        line += text[i] == '\n';
        column = text[i] == '\n' ? 1 : column + ((text[i] & 0xc0) != 0x80);
    }
    if (strchr(text, '\n'))
        snprintf(out, room, " at line %d, column %d", line, column);
    else
        snprintf(out, room, " at column %d", column);
}

int es_sql_refuse(struct es_sql *sql, const char *text, int rc)
{
    char place[64];
    const char *message = sqlite3_errmsg(sql->db);
    es_error_clear();
    if ((rc & 0xff) == SQLITE_AUTH || strstr(message, " may not be ") || behind(message, "cannot create") ||
        behind(message, "not authorized")) {
        es_hint("Only SELECT (also WITH ... SELECT, and EXPLAIN QUERY PLAN) over the tables of a recording.");
        return es_fail(-EPERM, "a query may only read the recording%s%s", rc == SQLITE_AUTH ? "" : ": ",
                       rc == SQLITE_AUTH ? "" : message);
    }
    if ((rc & 0xff) == SQLITE_NOMEM)
        return es_fail(-ENOMEM, "no memory for the query");
    if ((rc & 0xff) == SQLITE_INTERRUPT)
        return es_fail(sql->stopped ? sql->stopped : -EINTR, "interrupted");
    add_hint(text, message);
    print_place(text, sqlite3_error_offset(sql->db), place, sizeof place);
    return es_fail(-EINVAL, "the query is wrong%s: %s", place, message);
}
