/* SPDX-License-Identifier: MIT */
/* What `why`, `leads-to` and `order` share: events told to people. */
#ifndef ES_CLI_WHY_H
#define ES_CLI_WHY_H

#include "cli/cli.h"

struct es_teller {
    struct es_query *query;
    bool json, erlang;
    size_t width;     /* columns of a line */
    int64_t zero;     /* time that moments are told relative to */
    size_t max_bytes; /* of a printed term; 0: no bound */
};

/* Columns of the terminal, COLUMNS where it is no terminal, else 120. */
size_t es_tell_width(void);
/* "<0.1.2> Shop.Cart" */
void es_tell_who(struct es_teller *teller, es_ref pid, int64_t time, struct es_text *out);
/* What an event is, in words: "sent to <0.1.2> Shop.Cart: {:add, 1}". Messages of behaviours without their wrapping. */
void es_tell_event(struct es_teller *teller, const struct es_event *event, struct es_text *out);
/* A message without what behaviours wrap it in: "call Request", "cast Request", "reply Reply". False: it is none of these, nothing was
 * added. The other one gives any message. */
bool es_tell_wrapped(struct es_teller *teller, const struct es_event *event, struct es_text *out);
void es_tell_message(struct es_teller *teller, const struct es_event *event, struct es_text *out);
/* Adds what fits into `columns` from the first line of `text`, with … where it was cut; returns the columns used. */
size_t es_tell_cut(struct es_text *out, const struct es_text *text, size_t columns);
/* The functions of a stack trace in the reason of an exit or in a crash report, "Shop.Cart.add/2 (lib/cart.ex:12)",
 * a line each; at most `max`. */
void es_tell_stack(struct es_teller *teller, const struct es_event *event, unsigned max, struct es_text *out);

/* From SEQ, PID or NAME to an event: the event; the process's exit, else its last event. `first`: its first event. */
int es_tell_find(struct es_query *query, const char *what, bool first, uint64_t *ret_seq);

#endif
