/* SPDX-License-Identifier: MIT */
/* What the files of `elixirscope state` share. */
#ifndef ES_CLI_STATE_H
#define ES_CLI_STATE_H

#include "cli/cli.h"
#include "term/diff.h"
#include "term/tree.h"

struct es_state_view {
    struct es_query *query;
    const char *who, *at, *since, *until, *path;
    bool json, erlang, history, diff, reverse;
    uint64_t limit;
    int64_t start; /* of the recording */
    unsigned width;
};

/* A version's contents as a tree. */
struct es_state_tree {
    uint8_t *bytes; /* a copy: owned */
    struct es_tree tree;
};
int es_state_tree_read(struct es_state_view *view, const uint8_t *bytes, size_t len, struct es_state_tree *ret_tree);
int es_state_tree_of(struct es_state_view *view, const struct es_version_info *version, struct es_state_tree *ret_tree);
void es_state_tree_fini(struct es_state_tree *tree);

/* One state; with a part where `part` is not NULL (`node` is its). The line is not ended. */
struct es_state_shown {
    const struct es_state *state;
    const struct es_part *part;
    const struct es_tree *tree; /* NULL: none was captured */
    uint32_t node;
};
void es_state_print(struct es_state_view *view, const struct es_state_shown *shown, struct es_text *out);
void es_state_print_json(struct es_state_view *view, const struct es_state_shown *shown, struct es_text *out);

/* `handle_call({:reserve, 2}) from <0.1.2> peter`: what made a version. */
void es_state_print_cause(struct es_state_view *view, const struct es_version_info *version,
                          const struct es_version_cause *cause, struct es_text *out);
/* The members "cause" and "set_by" of JSON, with a comma before. */
void es_state_json_cause(struct es_state_view *view, const struct es_version_info *version,
                         const struct es_version_cause *cause, struct es_text *out);
void es_state_print_who(struct es_state_view *view, es_ref pid, int64_t at, struct es_text *out);
void es_state_print_time(struct es_state_view *view, int64_t time, struct es_text *out);

/* --history, --diff. Give exit codes. */
int es_state_history(struct es_state_view *view, es_ref pid, int64_t at);
int es_state_diff(struct es_state_view *view, es_ref pid, int64_t at);

#endif
