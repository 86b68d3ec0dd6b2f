/* SPDX-License-Identifier: MIT */
/* Rows of a query as a table for people, CSV, or JSON lines. */
#ifndef ES_CLI_ROWS_H
#define ES_CLI_ROWS_H

#include "cli/cli.h"

enum es_rows_format { ES_ROWS_TABLE, ES_ROWS_CSV, ES_ROWS_JSON };
int es_rows_parse_format(const char *text, enum es_rows_format *ret_format); /* 0, -EINVAL with a cause */

struct es_rows {
    enum es_rows_format format;
    uint64_t limit; /* of rows, 0 = none */
    FILE *out;
    unsigned width; /* columns of the terminal, 0 = do not cut */
    uint64_t given; /* out: rows written */
    bool more;      /* out: there were more than `limit` */
};
/* Runs the statement that es_sql_begin() made and writes its rows. What was written stays, also where it
 * fails. */
int es_rows_run(struct es_rows *rows, struct es_sql *sql);

#endif
