/* SPDX-License-Identifier: MIT */
/* A short visit to a running node as a hidden C node: connect, ask, leave. */
#ifndef ES_CONTROL_CNODE_H
#define ES_CONTROL_CNODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/term.h"

struct es_cnode;

/* Where the cookie comes from, first that is given: `cookie`, `file`, $RELEASE_COOKIE, ~/.erlang.cookie. */
struct es_cookie_source {
    const char *cookie, *file;
};

/* Joins the node `name` ("app@host", or "app" for this host). With a cause that tells apart: no port mapper, unknown node (says which are
 * known), a node that does not answer, a refused cookie. */
int es_cnode_connect(const char *name, const struct es_cookie_source *cookie, struct es_cnode **ret_node);
void es_cnode_close(struct es_cnode *node);
const char *es_cnode_name(const struct es_cnode *node); /* of the node we joined, whole */
int es_cnode_fd(const struct es_cnode *node);           /* for poll(2), while an answer is awaited */

struct es_call {
    const char *module, *function;
    const char *arguments; /* the list of them, encoded, without a version byte */
    size_t len;
};

/* Calls a function there. 0 and a reader on the result (valid until the next call), -ETIMEDOUT, -ECONNRESET, or -EREMOTEIO where the call
 * raised; with a cause. */
int es_cnode_call(struct es_cnode *node, const struct es_call *call, struct es_reader *ret_result);

/* The same in two halves, for callers that must do other things meanwhile. es_cnode_answer(): 1 and the result, 0 where none came in time. */
int es_cnode_ask(struct es_cnode *node, const struct es_call *call);
int es_cnode_answer(struct es_cnode *node, int timeout_ms, struct es_reader *ret_result);

#endif
