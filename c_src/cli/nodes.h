/* SPDX-License-Identifier: MIT */
/* What a merged recording says of the nodes it is of; `info` and `merge` show it. */
#ifndef ES_CLI_NODES_H
#define ES_CLI_NODES_H

#include <jansson.h>

#include "cli/cli.h"

/* An array, an object a recording; NULL where it is not a merged one. */
json_t *es_nodes_json(struct es_query *query);
void es_nodes_print(struct es_query *query);

#endif
