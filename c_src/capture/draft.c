/* SPDX-License-Identifier: MIT */
/* Writing and publishing one event; see draft.h. */
#include "capture/draft.h"

#include <string.h>

#include "wire/term.h"

bool es_draft_begin(struct es_draft *d, const struct es_draft_plan *plan)
{
    struct es_ring *ring = d->t->ring;
    es_ring_begin(ring);
    d->stamp = es_clock_now(d->s->clock);
    uint32_t fixed = (uint32_t)sizeof(struct es_record) + 8u * es_kind_table[plan->kind].words;
    d->record = es_ring_reserve(ring, plan->kind, fixed + plan->payload + 8);
    if (ES_UNLIKELY(!d->record)) {
        es_draft_lose(d, plan->kind);
        return false;
    }
    es_draft_head(d, plan);
    return true;
}

void es_draft_lose(struct es_draft *d, uint8_t kind)
{
    es_ring_lose(d->t->ring, kind, d->stamp);
    es_ring_end(d->t->ring);
}

/* ---- definitions --------------------------------------------------------------------------------------------------- */

bool es_draft_define(struct es_draft *d, es_ref ref, ERL_NIF_TERM term, uint64_t key)
{
    struct es_thread *t = d->t;
    if (t->n_pending == ES_PENDING_MAX)
        return false;
    t->pending[t->n_pending++] = (struct es_pending){.ref = ref, .term = term, .key = key};
    es_seen_add(t, key, ES_SEEN_DEFINED);
    return true;
}

/* Latin-1, as older emulators encode atoms, in UTF-8: at most twice as long. */
static size_t utf8_of(uint8_t *to, const uint8_t *text, size_t len)
{
    uint8_t *at = to;
    for (size_t i = 0; i < len; i++) {
        if (text[i] >= 0x80)
            *at++ = (uint8_t)(0xc0 | text[i] >> 6);
        *at++ = text[i] < 0x80 ? text[i] : (uint8_t)(0x80 | (text[i] & 0x3f));
    }
    return (size_t)(at - to);
}

/* The payload of a definition, out of the term in external format: of an atom its text, else the format without its version byte. */
static size_t def_payload(uint8_t *to, es_ref ref, const ErlNifBinary *etf)
{
    struct es_reader r;
    es_reader_init(&r, etf->data + 1, etf->size - 1);
    struct es_token atom = {0};
    if (es_ref_class_of(ref) == ES_REF_ATOM && es_token_next(&r, &atom) == 0 && atom.type == ES_TOK_ATOM) {
        if (atom.latin1)
            return utf8_of(to, atom.bytes, atom.len);
        memcpy(to, atom.bytes, atom.len);
        return atom.len;
    }
    memcpy(to, etf->data + 1, etf->size - 1);
    return etf->size - 1;
}

/* Terms that are defined are atoms, external pids and ports, references, pairs of atoms, and sites: all small. */
static bool append_def(struct es_draft *d, const struct es_pending *p)
{
    ErlNifBinary etf;
    if (!p->ref)
        return true;
    if (!enif_term_to_binary(d->env, p->term, &etf))
        return false;
    struct es_ring *ring = d->t->ring;
    struct es_record *record = es_ring_reserve(ring, ES_K_DEF, (uint32_t)(sizeof *record + 16 + 2 * etf.size));
    if (record) {
        *record = (struct es_record){.kind = ES_K_DEF, .stamp = d->stamp};
        record->word[0] = p->ref;
        uint8_t *payload = (uint8_t *)&record->word[1];
        es_ring_append(ring, es_draft_finish(record, payload + def_payload(payload, p->ref, &etf)));
    }
    enif_release_binary(&etf);
    return record != NULL;
}

bool es_draft_append_defs(struct es_draft *d)
{
    struct es_thread *t = d->t;
    bool all = true;
    for (uint32_t i = 0; i < t->n_pending && all; i++)
        all = append_def(d, &t->pending[i]);
    for (uint32_t i = 0; i < t->n_pending && !all; i++)
        es_seen_forget(t, t->pending[i].key);
    t->n_pending = 0;
    return all;
}

void es_draft_end(struct es_draft *d) { es_draft_end_inline(d); }
