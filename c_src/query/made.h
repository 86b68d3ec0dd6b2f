/* SPDX-License-Identifier: MIT */
/* Recordings that are made from others: begun, counted, and removed where that failed. */
#ifndef ES_QUERY_MADE_H
#define ES_QUERY_MADE_H

#include <stdbool.h>

#include "query/query.h"
#include "store/store.h"

/* A new recording with a session number of its own. -EIO, or what es_store_create() says. */
int es_made_create(const char *path, bool overwrite, struct es_store **ret_store);

/* Counters "WHAT.STATE" of each state of a cause that was met. */
int es_made_count(struct es_store *store, const char *what, const uint64_t counts[ES_CAUSE_MAX]);

/* The file and what SQLite has beside it. */
void es_made_remove(const char *path);

#endif
