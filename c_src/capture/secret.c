/* SPDX-License-Identifier: MIT */
/* Names of secrets, and the one way to look into a binary; see secret.h. */
#include "capture/secret.h"

#include "capture/atoms.h"
#include "capture/heap.h"
#include "wire/clock.h"

static bool matches(const struct es_draft *d, ERL_NIF_TERM atom, enum es_redact_kind kind)
{
    char text[ES_REDACT_TEXT + 2];
    int len = enif_get_atom(d->env, atom, text, sizeof text, ERL_NIF_LATIN1); /* with its NUL; 0 where it is longer */
    return len > 0 && es_redact_match(&d->s->redact, kind, text, (size_t)len - 1);
}

bool es_secret_atom(struct es_draft *d, ERL_NIF_TERM atom)
{
    uint64_t key = es_seen_key(ES_SEEN_SECRET, atom);
    if (es_seen_find(d->t, es_seen_key(ES_SEEN_ATOM, atom)) & ES_SEEN_PLAIN)
        return false;
    if (es_seen_find(d->t, key))
        return true;
    bool secret = matches(d, atom, ES_REDACT_KEY);
    if (secret)
        es_seen_add(d->t, key, ES_SEEN_YES);
    else
        es_seen_add(d->t, es_seen_key(ES_SEEN_ATOM, atom), ES_SEEN_PLAIN);
    return secret;
}

static bool secret_struct_name(struct es_draft *d, ERL_NIF_TERM atom)
{
    uint64_t key = es_seen_key(ES_SEEN_STRUCT, atom);
    unsigned known = es_seen_find(d->t, key);
    if (ES_LIKELY(known))
        return known == ES_SEEN_YES;
    bool secret = matches(d, atom, ES_REDACT_STRUCT);
    es_seen_add(d->t, key, secret ? ES_SEEN_YES : ES_SEEN_PLAIN);
    return secret;
}

static bool secret_binary(struct es_draft *d, ERL_NIF_TERM term)
{
    ErlNifBinary binary;
    if (!es_binary_may_inspect(d) || !enif_inspect_binary(d->env, term, &binary))
        return false;
    es_binary_inspected(d, term, &binary);
    return es_redact_match(&d->s->redact, ES_REDACT_KEY, binary.data, binary.size);
}

static bool secret_charlist(struct es_draft *d, ERL_NIF_TERM list)
{
    char text[ES_REDACT_TEXT];
    size_t len = 0;
    ERL_NIF_TERM head;
    int character;
    for (; es_get_cell(d->env, list, &head, &list); text[len++] = (char)character)
        if (len == sizeof text || !enif_get_int(d->env, head, &character) || character <= 0 || character > 127)
            return false;
    return len > 0 && es_redact_match(&d->s->redact, ES_REDACT_KEY, text, len);
}

bool es_secret_other(struct es_draft *d, ERL_NIF_TERM key)
{
    switch (es_type_of(d->env, key)) {
    case ERL_NIF_TERM_TYPE_ATOM: return es_secret_atom(d, key);
    case ERL_NIF_TERM_TYPE_BITSTRING: return secret_binary(d, key);
    case ERL_NIF_TERM_TYPE_LIST: return secret_charlist(d, key);
    default: return false;
    }
}

bool es_secret_struct_slowly(struct es_draft *d, ERL_NIF_TERM map)
{
    ERL_NIF_TERM module;
    return es_get_value(d->env, map, es_am.struct_, &module) && enif_is_atom(d->env, module) &&
           secret_struct_name(d, module);
}

/* A copy lies elsewhere each time it is made: only if a second look gives another address was the first one a copy, and the time not
 * lost to something else. At most 1 % of the time is then spent on such binaries. */
void es_binary_inspected_large(struct es_draft *d, ERL_NIF_TERM term, const ErlNifBinary *binary)
{
    uint64_t spent = es_clock_now(d->s->clock) - d->stamp;
    if (spent < 20 * d->s->ticks_us || es_takes_its_time(d))
        return;
    ErlNifBinary again;
    if (enif_inspect_binary(d->env, term, &again) && again.data != binary->data)
        d->t->slow_until = d->stamp + 200 * spent;
}
