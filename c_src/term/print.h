/* SPDX-License-Identifier: MIT */
/* What the files of the printer share. Printing takes two passes over the tokens, none of which recurses:
 * es_shapes_scan() validates the whole term and notes how each list and map is to look; es_term_print() then
 * writes from front to back, never looking ahead. */
#ifndef ES_TERM_PRINT_H
#define ES_TERM_PRINT_H

#include "term/text.h"
#include "wire/term.h"

enum es_shape_style {
    ES_SHAPE_PLAIN,
    ES_SHAPE_TEXT,    /* list: characters */
    ES_SHAPE_KEYWORD, /* list: pairs whose keys are atoms */
    ES_SHAPE_KEYS,    /* map: all keys are atoms */
    ES_SHAPE_STRUCT,  /* map: all keys are atoms, and __struct__ names a module */
};

/* One for each list and map of a term, in the order of their tokens. */
struct es_shape {
    uint32_t end;    /* offset behind the list or map */
    uint32_t next;   /* index of the first shape behind it */
    uint32_t module; /* STRUCT: offset of the value of __struct__ */
    uint8_t style;
};

struct es_shapes {
    struct es_shape *list;
    size_t n, room;
};

struct es_printer {
    const struct es_print *print;
    struct es_text *out;
    size_t start, limit; /* of out->len; the limit is SIZE_MAX where there is none */
    const uint8_t *bytes;
    struct es_shapes shapes;
    struct es_text scratch; /* text of an atom that had to be converted */
};

/* 0, -EBADMSG (also where bytes follow the term) or -ENOMEM. Shapes are only made for Elixir's structs and
 * keywords where `print` says so. */
int es_shapes_scan(struct es_printer *p, size_t len);

/* True once all that fits was printed. */
static inline bool es_printer_full(const struct es_printer *p) { return p->out->len > p->limit || p->out->failed; }

/* ---- atoms (atom.c) ------------------------------------------------------------------------------------------------ */
/* UTF-8 of an ATOM or ATOM_REF token, valid until the next call; NULL for others and where a reference is
 * unknown. */
const uint8_t *es_token_atom(struct es_printer *p, const struct es_token *token, size_t *ret_len);
bool es_token_is_atom(struct es_printer *p, const struct es_token *token, const char *text);
bool es_atom_is_alias(const uint8_t *utf8, size_t len);                       /* Elixir.MyApp.Cart */
void es_print_atom_key(const uint8_t *utf8, size_t len, struct es_text *out); /* `name: ` of Elixir */
void es_print_atom_token(struct es_printer *p, const struct es_token *token);

/* ---- strings (string.c) -------------------------------------------------------------------------------------------- */
/* The inside of a quoted text; `delimiter` is escaped. Stops at `limit` bytes of `out`. */
struct es_quoting {
    char delimiter;
    bool erlang;
    size_t limit;
};
void es_print_quoted(const uint8_t *utf8, size_t len, const struct es_quoting *quoting, struct es_text *out);
void es_print_point(uint32_t point, const struct es_quoting *quoting, struct es_text *out);
bool es_charlist_printable(uint32_t point, bool erlang);
void es_print_binary(struct es_printer *p, const struct es_token *token);
void es_print_cut(struct es_printer *p, const struct es_cut *cut);
void es_print_rest(struct es_printer *p, const struct es_cut *cut); /* `…+9312 more` inside brackets */

/* ---- numbers (number.c) -------------------------------------------------------------------------------------------- */
void es_print_float(double value, bool erlang, struct es_text *out);
void es_print_big(const struct es_token *token, bool erlang, struct es_text *out);

/* ---- leaves (leaf.c) ----------------------------------------------------------------------------------------------- */
/* Prints a token that has no terms inside. */
void es_print_leaf(struct es_printer *p, const struct es_token *token);
/* The three terms behind an EXPORT token. */
void es_print_export(struct es_printer *p, struct es_reader *r);

/* ---- well-known structs of Elixir (struct.c) ----------------------------------------------------------------------- */
/* Prints a whole date, time or range; `r` stands behind the map's token. False where it is none, nothing was
 * printed then. */
bool es_print_known_struct(struct es_printer *p, const struct es_shape *shape, struct es_reader r, uint32_t pairs);
/* Finds the map of a MapSet's members; sets `r` to its first key. `ret_shape`: index of that map's shape,
 * from `first`. */
bool es_find_set(struct es_printer *p, const struct es_shape *shape, struct es_reader *r, uint32_t *ret_members);

#endif
