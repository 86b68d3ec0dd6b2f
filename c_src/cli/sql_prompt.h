/* SPDX-License-Identifier: MIT */
/* `elixirscope sql` in conversation. */
#ifndef ES_CLI_SQL_PROMPT_H
#define ES_CLI_SQL_PROMPT_H

#include "cli/rows.h"

struct es_sql_session {
    struct es_sql *sql;
    enum es_rows_format format;
    uint64_t limit;
};
/* Runs all statements of `text`, with a line on their rows and time on stderr where `talk`. 0, or the first
 * failure's negative errno, with its cause. */
int es_sql_session_run(struct es_sql_session *session, const char *text, bool talk);
/* Reads statements and dot commands from the terminal until its end. */
int es_sql_prompt(struct es_sql_session *session);

#endif
