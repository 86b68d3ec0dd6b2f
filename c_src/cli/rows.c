/* SPDX-License-Identifier: MIT */
/* Rows of a query, written as they come. A table takes its widths from its first rows. */
#include "cli/rows.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define MEASURED 500 /* rows that are looked at for the widths */
#define NARROWEST 8

int es_rows_parse_format(const char *text, enum es_rows_format *ret_format)
{
    static const char *const names[] = {"table", "csv", "json"};
    for (unsigned i = 0; i < 3; i++)
        if (strcmp(text, names[i]) == 0) {
            *ret_format = (enum es_rows_format)i;
            return 0;
        }
    return es_fail(-EINVAL, "the format is 'table', 'csv' or 'json', not '%s'", text);
}

/* ---- cells --------------------------------------------------------------------------------------------------------- */

/* The shortest text that reads back as the same number. */
static void add_real(struct es_text *out, double real)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, real);
        if (strtod(text, NULL) == real)
            break;
    }
    es_text_puts(out, text);
}

static void add_hex(struct es_text *out, const struct es_sql_cell *cell)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < cell->len; i++) {
        char pair[2] = {digits[(unsigned char)cell->text[i] >> 4], digits[cell->text[i] & 15]};
        es_text_add(out, pair, 2);
    }
}

static void add_plain(struct es_text *out, const struct es_sql_cell *cell)
{
    switch (cell->type) {
    case ES_SQL_NULL: break;
    case ES_SQL_INTEGER: es_text_int(out, cell->integer); break;
    case ES_SQL_REAL: add_real(out, cell->real); break;
    case ES_SQL_TEXT: es_text_add(out, cell->text, cell->len); break;
    case ES_SQL_BLOB: add_hex(out, cell); break;
    }
}

/* ---- JSON and CSV -------------------------------------------------------------------------------------------------- */

static void add_json(struct es_text *out, const struct es_sql_cell *cell)
{
    if (cell->type == ES_SQL_NULL || (cell->type == ES_SQL_REAL && !isfinite(cell->real)))
        es_text_puts(out, "null");
    else if (cell->type == ES_SQL_TEXT)
        es_text_json(out, cell->text, cell->len);
    else if (cell->type == ES_SQL_BLOB) {
        es_text_puts(out, "\"");
        add_hex(out, cell);
        es_text_puts(out, "\"");
    } else
        add_plain(out, cell);
}

static void add_json_row(struct es_sql *sql, struct es_text *out)
{
    size_t n = es_sql_columns(sql);
    for (size_t i = 0; i < n; i++) {
        struct es_sql_cell cell;
        const char *name = es_sql_column(sql, i);
        es_sql_cell(sql, i, &cell);
        es_text_puts(out, i ? "," : "{");
        es_text_json(out, name, strlen(name));
        es_text_puts(out, ":");
        add_json(out, &cell);
    }
    es_text_puts(out, "}");
}

/* RFC 4180; NULL is nothing, an empty text is "". */
static void add_csv(struct es_text *out, const char *text, size_t len)
{
    bool quote = len == 0;
    for (size_t i = 0; i < len && !quote; i++)
        quote = strchr("\",\r\n", text[i]) != NULL;
    if (!quote) {
        es_text_add(out, text, len);
        return;
    }
    es_text_puts(out, "\"");
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"')
            es_text_puts(out, "\"");
        es_text_add(out, &text[i], 1);
    }
    es_text_puts(out, "\"");
}

static void add_csv_row(struct es_sql *sql, bool head, struct es_text *out)
{
    size_t n = es_sql_columns(sql);
    for (size_t i = 0; i < n; i++) {
        struct es_sql_cell cell;
        es_text_puts(out, i ? "," : "");
        if (head) {
            add_csv(out, es_sql_column(sql, i), strlen(es_sql_column(sql, i)));
            continue;
        }
        es_sql_cell(sql, i, &cell);
        if (cell.type == ES_SQL_TEXT)
            add_csv(out, cell.text, cell.len);
        else
            add_plain(out, &cell);
    }
    es_text_puts(out, "\r");
}

/* ---- tables -------------------------------------------------------------------------------------------------------- */

struct column {
    size_t width;
    bool text; /* else numbers, to the right */
};

struct sheet {
    struct es_rows *rows;
    struct es_sql *sql;
    size_t n;
    struct column *columns;
    struct es_text kept; /* cells of the first rows, each ended by NUL */
    uint64_t n_kept;
    bool measured;
    struct es_text line;
};

static size_t columns_of(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* Nothing of a recording reaches the terminal as a control character. */
static void add_printable(struct es_text *out, const struct es_sql_cell *cell)
{
    if (cell->type == ES_SQL_NULL) {
        es_text_puts(out, "-");
        return;
    }
    size_t from = out->len;
    if (cell->type == ES_SQL_REAL)
        es_text_printf(out, "%.10g", cell->real);
    else
        add_plain(out, cell);
    for (size_t i = from; i < out->len && out->bytes; i++) {
        unsigned char c = (unsigned char)out->bytes[i];
        bool c1 = c == 0xc2 && i + 1 < out->len && (unsigned char)out->bytes[i + 1] < 0xa0;
        if (c < 0x20 || c == 0x7f)
            out->bytes[i] = ' ';
        else if (c1)
            out->bytes[i] = out->bytes[i + 1] = ' ';
    }
}

static void add_field(struct es_text *out, const char *text, const struct column *column, bool last)
{
    size_t has = columns_of(text), shown = has < column->width ? has : column->width, at = 0;
    bool cut = has > column->width;
    if (!column->text)
        for (size_t i = shown; i < column->width; i++)
            es_text_puts(out, " ");
    for (size_t n = 0; text[at]; at++) {
        n += ((unsigned char)text[at] & 0xc0) != 0x80;
        if (n > shown - cut)
            break;
    }
    es_text_add(out, text, at);
    es_text_puts(out, cut ? "…" : "");
    if (column->text && !last)
        for (size_t i = shown; i < column->width; i++)
            es_text_puts(out, " ");
    es_text_puts(out, last ? "" : "  ");
}

/* The widest give way first. */
static void fit(struct sheet *sheet)
{
    size_t total = 2 * (sheet->n - 1);
    for (size_t i = 0; i < sheet->n; i++)
        total += sheet->columns[i].width;
    while (sheet->rows->width && total > sheet->rows->width) {
        struct column *widest = NULL;
        for (size_t i = 0; i < sheet->n; i++)
            if (sheet->columns[i].text && (!widest || sheet->columns[i].width > widest->width))
                widest = &sheet->columns[i];
        if (!widest || widest->width <= NARROWEST)
            return;
        widest->width--;
        total--;
    }
}

static bool write_head(struct sheet *sheet)
{
    FILE *out = sheet->rows->out;
    es_text_puts(&sheet->line, es_cli_style(out, ES_STYLE_BOLD));
    for (size_t i = 0; i < sheet->n; i++)
        add_field(&sheet->line, es_sql_column(sheet->sql, i), &sheet->columns[i], i + 1 == sheet->n);
    es_text_puts(&sheet->line, es_cli_style(out, ES_STYLE_NONE));
    return es_cli_flush(&sheet->line, out);
}

/* Writes what was kept. False where the reader had enough. */
static bool write_kept(struct sheet *sheet)
{
    const char *at = sheet->kept.bytes;
    if (!sheet->measured) {
        sheet->measured = true;
        fit(sheet);
        if (!write_head(sheet))
            return false;
    }
    for (uint64_t row = 0; row < sheet->n_kept; row++) {
        for (size_t i = 0; i < sheet->n; i++, at += strlen(at) + 1)
            add_field(&sheet->line, at, &sheet->columns[i], i + 1 == sheet->n);
        if (!es_cli_flush(&sheet->line, sheet->rows->out))
            return false;
    }
    es_text_clear(&sheet->kept);
    sheet->n_kept = 0;
    return true;
}

static bool add_row(struct sheet *sheet)
{
    for (size_t i = 0; i < sheet->n; i++) {
        struct es_sql_cell cell;
        size_t from = sheet->kept.len;
        es_sql_cell(sheet->sql, i, &cell);
        add_printable(&sheet->kept, &cell);
        es_text_add(&sheet->kept, "", 1);
        if (sheet->kept.failed)
            return false;
        if (sheet->measured)
            continue;
        size_t width = columns_of(sheet->kept.bytes + from);
        if (width > sheet->columns[i].width)
            sheet->columns[i].width = width;
        sheet->columns[i].text |= cell.type == ES_SQL_TEXT || cell.type == ES_SQL_BLOB;
    }
    sheet->n_kept++;
    return sheet->n_kept < MEASURED && !sheet->measured ? true : write_kept(sheet);
}

static int open_sheet(struct sheet *sheet)
{
    sheet->n = es_sql_columns(sheet->sql);
    sheet->columns = calloc(sheet->n ? sheet->n : 1, sizeof *sheet->columns);
    if (!sheet->columns)
        return es_fail(-ENOMEM, "no memory for a table");
    for (size_t i = 0; i < sheet->n; i++)
        sheet->columns[i].width = columns_of(es_sql_column(sheet->sql, i));
    return 0;
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

static bool write_row(struct sheet *sheet)
{
    struct es_rows *rows = sheet->rows;
    if (rows->format == ES_ROWS_TABLE)
        return add_row(sheet);
    if (rows->format == ES_ROWS_JSON)
        add_json_row(sheet->sql, &sheet->line);
    else
        add_csv_row(sheet->sql, false, &sheet->line);
    return es_cli_flush(&sheet->line, rows->out);
}

static int run(struct sheet *sheet)
{
    struct es_rows *rows = sheet->rows;
    int rc;
    if (rows->format == ES_ROWS_CSV) {
        add_csv_row(sheet->sql, true, &sheet->line);
        if (!es_cli_flush(&sheet->line, rows->out))
            return 0;
    }
    while ((rc = es_sql_step(sheet->sql)) > 0) {
        rows->more = rows->limit && rows->given == rows->limit;
        if (rows->more || !write_row(sheet))
            break;
        rows->given++;
    }
    if (rows->format == ES_ROWS_TABLE && (sheet->n_kept > 0 || (rc >= 0 && sheet->n > 0)))
        write_kept(sheet);
    return rc < 0 ? rc : sheet->line.failed || sheet->kept.failed ? es_fail(-ENOMEM, "no memory for a row") : 0;
}

int es_rows_run(struct es_rows *rows, struct es_sql *sql)
{
    struct sheet sheet = {.rows = rows, .sql = sql};
    rows->given = 0;
    rows->more = false;
    int rc = open_sheet(&sheet);
    if (rc == 0)
        rc = run(&sheet);
    free(sheet.columns);
    es_text_fini(&sheet.kept);
    es_text_fini(&sheet.line);
    return rc;
}
