/* SPDX-License-Identifier: MIT */
/* Terms without terms in them, and the walk they are written by. */
#ifndef ES_CAPTURE_LEAF_H
#define ES_CAPTURE_LEAF_H

#include "capture/hash.h"
#include "capture/walk.h"

struct es_walk {
    struct es_draft *d;
    uint8_t *soft; /* the budget of bytes ends here; there is room for one leaf and the ends of all frames behind it */
    uint32_t depth, max_depth, max_elements;
    uint32_t work;  /* terms that may still be visited */
    uint32_t cells; /* list cells that may still be counted */
    uint32_t cuts;  /* written so far */
    uint32_t memo;  /* number of this walk, where it remembers terms; else 0 */
    bool redacted;
    bool hash_cut; /* something was left out before the hash had its terms */
    struct es_hash hash;
};

#define ES_LEAF_MAX 640u /* bytes that a leaf may take beyond the budget */

void es_leaf_atom(struct es_walk *w, ERL_NIF_TERM atom);
void es_leaf_integer(struct es_walk *w, ERL_NIF_TERM integer);
void es_leaf_float(struct es_walk *w, ERL_NIF_TERM number);
void es_leaf_bits(struct es_walk *w, ERL_NIF_TERM bits);
void es_leaf_fun(struct es_walk *w, ERL_NIF_TERM fun);
void es_leaf_pid(struct es_walk *w, ERL_NIF_TERM pid);
void es_leaf_port(struct es_walk *w, ERL_NIF_TERM port);
void es_leaf_ref(struct es_walk *w, ERL_NIF_TERM ref);
void es_leaf_cut(struct es_walk *w, enum es_cut_type type, uint64_t size, unsigned flags);
void es_leaf_redacted(struct es_walk *w);

#endif
