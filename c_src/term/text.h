/* SPDX-License-Identifier: MIT */
/* A growing text, and terms printed into it. */
#ifndef ES_TERM_TEXT_H
#define ES_TERM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct es_text {
    char *bytes; /* always NUL-terminated once something was added; owned */
    size_t len, room;
    bool failed; /* out of memory: further adds do nothing */
};
void es_text_fini(struct es_text *text);
void es_text_clear(struct es_text *text); /* keeps the memory */
void es_text_add(struct es_text *text, const char *bytes, size_t len);
void es_text_puts(struct es_text *text, const char *string);
void es_text_int(struct es_text *text, int64_t value); /* decimal: what most of a text is made of */
void es_text_uint(struct es_text *text, uint64_t value);
void es_text_printf(struct es_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* As a JSON string, with its quotes; invalid UTF-8 becomes U+FFFD. */
void es_text_json(struct es_text *text, const char *bytes, size_t len);

/* Looks an atom reference up; NULL where unknown. Text is UTF-8, `len` bytes. */
typedef const uint8_t *(*es_atom_lookup)(uint64_t word, size_t *ret_len, void *context);

/* A node of a merged recording: its pids print as <label.1.2>, those of the first as <0.1.2>. */
struct es_print_node {
    const char *name, *label;
    size_t name_len, label_len;
    uint32_t creation; /* 0: any */
};

struct es_print {
    bool erlang;      /* else Elixir */
    bool arguments;   /* the term is a list of arguments: never shown as characters or keywords */
    size_t max_bytes; /* of output, 0 = unlimited; then ends with … */
    es_atom_lookup atoms;
    void *context;
    /* Pids of this node (and of nonode@nohost) print as <0.1.2>, others as <name@host.1.2>; NULL: every
     * node. */
    const char *local_node;
    size_t local_node_len;
    const struct es_print_node *nodes; /* of a merged recording, instead of local_node */
    size_t n_nodes;
};
/* The number of this node among `nodes`, -1: it is none of them. */
int es_print_node_of(const struct es_print *print, const uint8_t *name, size_t len, uint32_t creation);
void es_print_node_label(const struct es_print_node *node, struct es_text *out);
/* Prints one term. Malformed bytes (also bytes behind the term) print as #Malformed<…> and give -EBADMSG;
 * -ENOMEM. Never recurses on input. Cuts print as what they are: Elixir `…+9312 more`, binaries
 * `<<"prefix"…5000 bytes>>` (the bytes that are missing), `#Redacted`, `#State` (kept elsewhere); the same in
 * Erlang notation. */
int es_term_print(const uint8_t *bytes, size_t len, const struct es_print *print, struct es_text *out);

/* Turns a recorded term into plain ETF with version byte 131: atom references become atoms, a cut becomes
 * {'$cut', Type, Size, HashHex, Prefix} (Size is {at_least, N} where it is a lower bound), a cut list gets it
 * as its last element (proper), a cut map under the key '$cut', a cut tuple as its last element (the arity is
 * then that of what is there). -EBADMSG, nothing added. */
int es_term_to_etf(const uint8_t *bytes, size_t len, const struct es_print *print, struct es_text *out);

/* Quotes an atom if its notation needs it. */
void es_print_atom(const uint8_t *utf8, size_t len, bool erlang, struct es_text *out);
/* The same for the name of a function, as it stands behind its module. */
void es_print_atom_name(const uint8_t *utf8, size_t len, bool erlang, struct es_text *out);

#endif
