/* SPDX-License-Identifier: MIT */
/* Names of secrets, and the one way to look into a binary; see secret.h. */
#include "capture/secret.h"

#include "capture/atoms.h"
#include "wire/clock.h"

bool es_secret_atom(struct es_draft *d, ERL_NIF_TERM atom, enum es_redact_kind kind)
{
    uint64_t key = es_seen_key(kind == ES_REDACT_KEY ? ES_SEEN_KEY : ES_SEEN_STRUCT, atom);
    int known = es_seen_find(d->t, key);
    if (ES_LIKELY(known >= 0))
        return known;
    char text[ES_REDACT_TEXT + 2];
    int len = enif_get_atom(d->env, atom, text, sizeof text, ERL_NIF_LATIN1); /* with its NUL; 0 where it is longer */
    bool secret = len > 0 && es_redact_match(&d->s->redact, kind, text, (size_t)len - 1);
    es_seen_add(d->t, key, secret);
    return secret;
}

bool es_secret_binary(struct es_draft *d, ERL_NIF_TERM term)
{
    ErlNifBinary binary;
    if (!es_binary_may_inspect(d) || !enif_inspect_binary(d->env, term, &binary))
        return false;
    es_binary_inspected(d, term, &binary);
    return es_redact_match(&d->s->redact, ES_REDACT_KEY, binary.data, binary.size);
}

bool es_secret_charlist(struct es_draft *d, ERL_NIF_TERM list)
{
    char text[ES_REDACT_TEXT];
    size_t len = 0;
    ERL_NIF_TERM head;
    int character;
    for (; enif_get_list_cell(d->env, list, &head, &list); text[len++] = (char)character)
        if (len == sizeof text || !enif_get_int(d->env, head, &character) || character <= 0 || character > 127)
            return false;
    return len > 0 && es_redact_match(&d->s->redact, ES_REDACT_KEY, text, len);
}

bool es_secret_struct_slowly(struct es_draft *d, ERL_NIF_TERM map)
{
    ERL_NIF_TERM module;
    return enif_get_map_value(d->env, map, es_am.struct_, &module) && enif_is_atom(d->env, module) &&
           es_secret_atom(d, module, ES_REDACT_STRUCT);
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
