/* SPDX-License-Identifier: MIT */
/* Terms without terms in them, and the walk they are written by. */
#ifndef ES_CAPTURE_LEAF_H
#define ES_CAPTURE_LEAF_H

#include "capture/hash.h"
#include "capture/put.h"
#include "capture/type.h"
#include "capture/walk.h"

struct es_walk {
    struct es_draft *d;
    uint8_t *soft; /* the budget of bytes ends here; there is room for one leaf and the ends of all frames behind it */
    uint32_t depth, max_depth, max_elements;
    uint32_t work;  /* terms that may still be visited */
    uint32_t cells; /* list cells that may still be counted */
    uint32_t cuts;  /* written so far */
    uint32_t memo;  /* number of this walk, where it remembers terms; else 0 */
    bool hash_only; /* nothing of it stays */
    bool redacted;
    bool hash_unknown; /* a term that counts could not be looked at */
    bool hash_cut;     /* something was left out before the hash had its terms */
    struct es_hash hash;
};

/* What changes with every leaf, in registers: all else in memory has to be read again after each byte that is written, as far as the
 * compiler can know. */
struct es_pen {
    uint8_t *at;
    uint32_t work;
    struct es_hash hash;
    ErlNifEnv *env; /* these two do not change at all */
    struct es_thread *t;
};

ES_INLINE struct es_pen es_pen_take(const struct es_walk *w)
{
    return (struct es_pen){.at = w->d->at, .work = w->work, .hash = w->hash, .env = w->d->env, .t = w->d->t};
}
ES_INLINE void es_pen_return(struct es_walk *w, const struct es_pen *pen)
{
    w->d->at = pen->at;
    w->work = pen->work;
    w->hash = pen->hash;
}
ES_INLINE bool es_pen_used_up(const struct es_pen *pen, const struct es_walk *w)
{
    return pen->at >= w->soft || pen->work == 0;
}

/* Writes a term that its word tells all about: a small integer, an atom that the ring knows, []. False for others, nothing is written. */
ES_INLINE bool es_pen_leaf(struct es_pen *pen, ERL_NIF_TERM term)
{
    if (ES_UNLIKELY(!es_words_known))
        return false;
    if (es_word_is_small(term)) {
        pen->at = es_put_int(pen->at, es_word_small(term));
        es_hash_leaf(&pen->hash, ES_HASH_INTEGER, (uint64_t)es_word_small(term));
    } else if (es_word_is_atom(term)) {
        if (ES_UNLIKELY(!(es_seen_find(pen->t, es_seen_key(ES_SEEN_ATOM, term)) & ES_SEEN_DEFINED)))
            return false;
        pen->at = es_put_atom_ref(pen->at, term);
        es_hash_leaf(&pen->hash, ES_HASH_ATOM, term);
    } else if (term == es_nil) {
        pen->at = es_put_u8(pen->at, ES_T_NIL);
        es_hash_leaf(&pen->hash, ES_HASH_NIL, 0);
    } else {
        return false;
    }
    pen->work--;
    return true;
}

void es_leaf_atom(struct es_walk *w, ERL_NIF_TERM atom);
void es_leaf_integer(struct es_walk *w, ERL_NIF_TERM integer);
void es_leaf_float(struct es_walk *w, ERL_NIF_TERM number);
void es_leaf_bits(struct es_walk *w, ERL_NIF_TERM bits);
void es_leaf_fun(struct es_walk *w, ERL_NIF_TERM fun);
void es_leaf_pid(struct es_walk *w, ERL_NIF_TERM pid);
void es_leaf_port(struct es_walk *w, ERL_NIF_TERM port);
void es_leaf_ref(struct es_walk *w, ERL_NIF_TERM ref);
ES_SELDOM void es_leaf_cut(struct es_walk *w, enum es_cut_type type, uint64_t size, unsigned flags);
ES_SELDOM void es_leaf_redacted(struct es_walk *w);

#endif
