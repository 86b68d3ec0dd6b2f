/* SPDX-License-Identifier: MIT */
/* Which process writes a recording, so that others can tell whether it still lives: pid, its start time, and the boot it belongs to. */
#ifndef ES_STORE_OWNER_H
#define ES_STORE_OWNER_H

#include <stdbool.h>

#define ES_OWNER_TEXT 96
void es_owner_self(char text[ES_OWNER_TEXT]);
bool es_owner_alive(const char *text);

#endif
