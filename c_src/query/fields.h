/* SPDX-License-Identifier: MIT */
/* The fields of an event as JSON and Erlang terms show them: one list, so that both say the same. */
#ifndef ES_QUERY_FIELDS_H
#define ES_QUERY_FIELDS_H

#include "query/inner.h"

struct es_shown {
    struct es_text pid, name, peer, peer_name, module, function, payload; /* empty: there is none */
    const char *flags[9];
    size_t n_flags;
    bool has_arity;
    const char *node; /* in a merged recording */
    uint64_t parent;
    int64_t wall; /* INT64_MIN: unknown */
};

/* Makes the texts; `payload` only where asked for. Reuses the memory of an earlier call; es_shown_fini() at
 * the end. */
struct es_show {
    bool erlang, payload;
};
void es_shown_fill(struct es_query *query, const struct es_event *event, const struct es_show *show,
                   struct es_shown *ret);
void es_shown_fini(struct es_shown *shown);
/* Flags of an event with one bit for each meaning. */
#define ES_FLAG_WOVEN 256u
unsigned es_flags_of(const struct es_event *event);
/* The names of these, with commas. */
void es_flags_print(unsigned flags, char *text, size_t room);

#endif
