/* SPDX-License-Identifier: MIT */
/* Who a term names; see refs.h. What the emulator packs into a word is its own affair: the numbers come out of its printed form, once
 * for each pid and thread. */
#include "capture/refs.h"

#include <string.h>

#include "capture/heap.h"

/* Passes `prefix` and the number behind it. */
static bool parse(const char **at, const char *prefix, uint64_t *ret_number)
{
    size_t len = strlen(prefix);
    if (strncmp(*at, prefix, len) != 0)
        return false;
    *at += len;
    uint64_t number = 0;
    for (; **at >= '0' && **at <= '9'; ++*at)
        number = number * 10 + (uint64_t)(**at - '0');
    *ret_number = number;
    return true;
}

/* "<0.123.4>" or "#Port<0.5>", of this node. */
static es_ref parse_local(ERL_NIF_TERM term, bool port)
{
    char text[64];
    const char *at = text;
    uint64_t number, serial;
    int n = enif_snprintf(text, sizeof text, "%T", term);
    if (n <= 0 || (size_t)n >= sizeof text)
        return 0;
    if (port)
        return parse(&at, "#Port<0.", &number) && number <= ES_REF_PORT_MASK ? es_ref_make(ES_REF_PORT, number) : 0;
    if (!parse(&at, "<0.", &number) || !parse(&at, ".", &serial) || number >> 28 || serial > ES_REF_SERIAL_MAX)
        return 0;
    return es_ref_pid((uint32_t)number, (uint32_t)serial);
}

es_ref es_ref_of_pid_slowly(ErlNifEnv *env, struct es_thread *t, ERL_NIF_TERM term)
{
    ErlNifPid pid;
    ErlNifPort port;
    es_ref ref = 0;
    if (enif_get_local_pid(env, term, &pid))
        ref = parse_local(term, false);
    else if (enif_get_local_port(env, term, &port))
        ref = parse_local(term, true);
    if (ref) {
        struct es_known_pid *set = t->pids[(term * UINT64_C(0x9e3779b97f4a7c15)) >> 53];
        set[1] = set[0];
        set[0] = (struct es_known_pid){.word = term, .ref = ref};
    }
    return ref;
}

uint64_t es_ref_number(ERL_NIF_TERM ref)
{
    uint64_t low = enif_hash(ERL_NIF_INTERNAL_HASH, ref, 0), high = enif_hash(ERL_NIF_INTERNAL_HASH, ref, 0x5eed);
    uint64_t number = es_hash_mix(low, high << 32 | high >> 32);
    return number ? number : 1;
}

static es_ref other(struct es_draft *d, ERL_NIF_TERM term, uint64_t number)
{
    es_ref ref = es_ref_make(ES_REF_OTHER, number | 1);
    return es_draft_knows(d, ref, term) ? ref : 0;
}

es_ref es_ref_of_peer(struct es_draft *d, ERL_NIF_TERM term)
{
    es_ref ref = es_ref_of_local(d->env, d->t, term);
    if (ref)
        return ref;
    int arity;
    const ERL_NIF_TERM *pair;
    switch (es_type_of(d->env, term)) {
    case ERL_NIF_TERM_TYPE_ATOM: return es_ref_of_atom(d, term);
    case ERL_NIF_TERM_TYPE_PID:
    case ERL_NIF_TERM_TYPE_PORT:
    case ERL_NIF_TERM_TYPE_REFERENCE: return other(d, term, es_ref_number(term));
    case ERL_NIF_TERM_TYPE_TUPLE: /* {Name, Node} */
        if (es_get_tuple(d->env, term, &arity, &pair) && arity == 2 && enif_is_atom(d->env, pair[0]) &&
            enif_is_atom(d->env, pair[1]))
            return other(d, term, es_hash_mix(es_hash_mix(1, pair[0]), pair[1]));
        return 0;
    default: return 0;
    }
}

/* The emulator has other words than names of nodes for who sent something, none with an @ in it. */
es_ref es_ref_of_node(struct es_draft *d, ERL_NIF_TERM node)
{
    char name[256];
    if (node == d->s->node || enif_get_atom(d->env, node, name, sizeof name, ERL_NIF_LATIN1) <= 0 || !strchr(name, '@'))
        return 0;
    return other(d, node, es_hash_mix(2, node));
}
