/* SPDX-License-Identifier: MIT */
/* What the files of `elixirscope snapshot` share: what is shown, and the texts of its parts. */
#ifndef ES_CLI_SNAPSHOT_H
#define ES_CLI_SNAPSHOT_H

#include "cli/cli.h"

struct es_snapshot {
    struct es_query *query;
    const struct es_moment *moment;
    const struct es_moment_row **rows; /* those to be shown, in order */
    size_t n;
    uint64_t limit; /* of rows that are written one by one; 0: none */
    bool erlang, state;
    int64_t start; /* of the recording */
};

/* Texts of parts of a row; nothing where there is nothing to say. */
void es_snapshot_who(const struct es_snapshot *view, es_ref pid, struct es_text *out); /* pid and name */
void es_snapshot_fun(const struct es_snapshot *view, const struct es_world_fun *fun, struct es_text *out);
void es_snapshot_mail(const struct es_moment_row *row, struct es_text *out);
void es_snapshot_state(const struct es_snapshot *view, const struct es_moment_row *row, struct es_text *out);

/* The row of a process among all, NULL where it does not live. */
const struct es_moment_row *es_snapshot_find(const struct es_snapshot *view, es_ref pid);

/* False where writing failed. */
bool es_snapshot_json(const struct es_snapshot *view, FILE *out);
bool es_snapshot_tree(const struct es_snapshot *view, FILE *out);

#endif
