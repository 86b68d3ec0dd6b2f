/* SPDX-License-Identifier: MIT */
/* Reading plain terms from agent and node into C values: thin steps over wire/term.h. Every step answers false on anything unexpected and
 * leaves the reader bad, so a caller may chain several and look once at the end. */
#ifndef ES_CONTROL_ETF_H
#define ES_CONTROL_ETF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/term.h"

/* The version byte 131 that a whole term starts with. */
bool es_etf_version(struct es_reader *r);

/* A tuple's head; its elements follow. */
bool es_etf_tuple(struct es_reader *r, uint32_t *ret_arity);

/* A list's head. Elements and a tail follow; a list of small integers may come as text instead, then use es_etf_text(). */
bool es_etf_list(struct es_reader *r, uint32_t *ret_count);

bool es_etf_int(struct es_reader *r, int64_t *ret);
bool es_etf_atom(struct es_reader *r, char *ret_text, size_t room);
/* An atom with just this text: an optional step, the reader stays where it is and good if it is something else. */
bool es_etf_is_atom(struct es_reader *r, const char *text);

/* A binary, a string or an atom as NUL-terminated text; too long text is cut at a character's boundary, a NUL inside ends it. */
bool es_etf_text(struct es_reader *r, char *ret_text, size_t room);

/* Passes a map: calls `each` with every atom key and a reader on its value (whole, and nothing behind it). */
typedef void (*es_etf_pair)(const char *key, struct es_reader *value, void *context);
bool es_etf_map(struct es_reader *r, es_etf_pair each, void *context);

/* For writers: an atom, and text as a binary. */
void es_etf_put_atom(struct es_writer *w, const char *text);
void es_etf_put_text(struct es_writer *w, const char *text);

#endif
