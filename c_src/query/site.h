/* SPDX-License-Identifier: MIT */
/* Where in its source an event of woven code happened, and which variables it brought. */
#ifndef ES_QUERY_SITE_H
#define ES_QUERY_SITE_H

#include "query/inner.h"
#include "wire/term.h"

struct es_site {
    uint32_t line;
    uint32_t clause; /* 0, or the clause from 1 on whose body begins here */
    uint32_t n_names;
    struct es_reader names; /* that many atoms */
};

/* -ENOENT: the event has none, or its definition is not in the recording; -EBADMSG. Valid as long as the query. */
int es_site_read(struct es_query *query, es_ref ref, struct es_site *ret);

/* The variables bound at a line, in order, as far as their values were recorded. */
struct es_bound {
    struct es_reader names, values;
    uint32_t left;
};
struct es_bound_variable {
    const char *name; /* UTF-8; of atoms that an old emulator encodes, Latin-1 */
    size_t name_len;
    const uint8_t *value; /* a term */
    size_t value_len;
};
/* As es_site_read(). `event` with its payload, which must last. */
int es_bound_open(struct es_query *query, const struct es_event *event, struct es_bound *ret);
bool es_bound_next(struct es_bound *bound, struct es_bound_variable *ret);

#endif
