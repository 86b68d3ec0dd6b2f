/* SPDX-License-Identifier: MIT */
/* Nodes of a merged recording, and the text of pids: <0.1.2> of the recorded (or first) node, <shop@host.1.2> of others. */
#ifndef ES_QUERY_NODES_H
#define ES_QUERY_NODES_H

#include "query/inner.h"

/* Metadata "merged" (how many recordings) and "merged.K.KEY": what recording K said of itself, and how it was put in. */
#define ES_MERGED "merged"

/* Reads the nodes of a recording into query->nodes; none where it is not a merged one. */
int es_nodes_read(struct es_query *query);
void es_nodes_fini(struct es_query *query);

/* The node of a pid, port or reference; -1: none of the recorded ones. For es_world_text. */
int es_nodes_of(const struct es_token *token, void *query);
/* The reference of a pid's token; 0: of a node that was not recorded. */
es_ref es_nodes_pid(const struct es_query *query, const struct es_token *token);

/* What a message to a registered name of a node is sent to: of the first node the name, of others a reference of class OTHER, whose
 * definition is {Name, Node}. */
es_ref es_nodes_address(es_ref name, unsigned node);

/* Does a text begin with a pid between < and >? Its length with both, or 0. */
size_t es_pid_text(const char *text);
/* "<0.1.2>", "0.1.2", "#PID<0.1.2>", "<shop@host.1.2>" … of a node of this recording. */
bool es_read_pid(const struct es_query *query, const char *text, es_ref *ret_pid);
bool es_read_port(const struct es_query *query, const char *text, es_ref *ret_port); /* "#Port<0.1>" */

#endif
