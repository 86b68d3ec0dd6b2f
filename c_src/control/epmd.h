/* SPDX-License-Identifier: MIT */
/* Asking the Erlang port mapper which nodes run on a host. */
#ifndef ES_CONTROL_EPMD_H
#define ES_CONTROL_EPMD_H

#include <netinet/in.h>
#include <stddef.h>

#define ES_EPMD_TIMEOUT_MS 3000

/* Port of the mapper: $ERL_EPMD_PORT or 4369. */
int es_epmd_port(void);

/* Port where node `name` (the part before '@') listens. -ECONNREFUSED: no mapper; -ENOENT: it does not know the node; -ETIMEDOUT, -EPROTO. */
int es_epmd_node_port(struct in_addr host, const char *name, int *ret_port);

/* Names of the nodes it knows, separated by ", " (cut at `room`). Errors as above. */
int es_epmd_names(struct in_addr host, char *ret_names, size_t room);

#endif
