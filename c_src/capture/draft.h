/* SPDX-License-Identifier: MIT */
/* An event on its way into the ring: begun with its stamp, filled in place, and published together with the definitions of all names in
 * it that this ring does not have yet. */
#ifndef ES_CAPTURE_DRAFT_H
#define ES_CAPTURE_DRAFT_H

#include "capture/seen.h"
#include "capture/session.h"
#include "wire/term.h"

struct es_draft {
    ErlNifEnv *env;
    struct es_session *s;
    struct es_thread *t;
    struct es_record *record;
    uint8_t *at; /* next byte of the record */
    uint64_t stamp;
};

struct es_draft_plan {
    uint8_t kind; /* enum es_kind */
    es_ref pid;
    uint32_t payload; /* bytes of payload at most */
};

/* Begins an event: the ring is busy from here to es_draft_end(). False where the ring is full: it is counted as lost, nothing remains
 * to be done. */
bool es_draft_begin(struct es_draft *d, const struct es_draft_plan *plan);

/* The next of the kind's words, in the order of enum es_field. */
static inline void es_draft_word(struct es_draft *d, uint64_t word)
{
    __builtin_memcpy(d->at, &word, sizeof word);
    d->at += sizeof word;
}

/* Publishes the event with its definitions. Where these find no room, it is counted as lost. */
void es_draft_end(struct es_draft *d);

/* Notes that the event uses this reference: its term is defined in the same publication. False where no more can be noted. */
bool es_draft_define(struct es_draft *d, es_ref ref, ERL_NIF_TERM term, uint64_t key);

/* Whether the ring has the definition, or will have it with this event. */
static inline bool es_draft_knows(struct es_draft *d, es_ref ref, ERL_NIF_TERM term)
{
    enum es_seen_class class = es_ref_class_of(ref) == ES_REF_ATOM ? ES_SEEN_ATOM : ES_SEEN_OTHER;
    uint64_t key = es_seen_key(class, es_ref_value(ref));
    return ES_LIKELY(es_seen_find(d->t, key) & ES_SEEN_DEFINED) || es_draft_define(d, ref, term, key);
}

#endif
