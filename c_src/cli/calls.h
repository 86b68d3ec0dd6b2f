/* SPDX-License-Identifier: MIT */
/* What the files of `elixirscope calls` share. */
#ifndef ES_CLI_CALLS_H
#define ES_CLI_CALLS_H

#include "cli/cli.h"

enum es_calls_mode { ES_CALLS_LIST, ES_CALLS_SLOW, ES_CALLS_TOP, ES_CALLS_TREE, ES_CALLS_FLAME };

struct es_calls {
    struct es_query *query;
    enum es_calls_mode mode;
    bool json, erlang;
    uint64_t limit; /* 0: none */
    int64_t start;  /* of the recording */
    struct es_filter filter;
};

/* calls.c: "Shop.Cart.add/2" */
void es_calls_add_fun(struct es_calls *calls, es_ref module, es_ref function, unsigned arity, struct es_text *out);
void es_calls_json_fun(struct es_calls *calls, es_ref module, es_ref function, unsigned arity, struct es_text *out);
void es_calls_json_ns(struct es_text *out, const char *key, int64_t ns); /* -1: null */

int es_calls_list(struct es_calls *calls); /* calls_list.c; exit codes */
int es_calls_slow(struct es_calls *calls);
int es_calls_sums(struct es_calls *calls); /* calls_sums.c */

#endif
