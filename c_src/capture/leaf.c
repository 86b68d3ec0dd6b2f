/* SPDX-License-Identifier: MIT */
/* Writing leaves; see leaf.h. What the emulator can only encode by itself (references, large integers, bitstrings) goes through
 * enif_term_to_binary(), and never before its size is known to be small or its cost to be bearable. */
#include "capture/leaf.h"

#include <string.h>

#include "capture/refs.h"
#include "capture/secret.h"

#define PREFIX_MIN 64

/* In place of one leaf: the hash does not need what is left out. */
static void put_cut(struct es_walk *w, const struct es_cut *cut)
{
    w->d->at = es_put_cut(w->d->at, cut);
    w->cuts++;
}

void es_leaf_cut(struct es_walk *w, enum es_cut_type type, uint64_t size, unsigned flags)
{
    put_cut(w, &(struct es_cut){.type = (uint8_t)type, .flags = (uint8_t)flags, .size = size});
    w->hash_cut |= w->hash.left > 0;
}

void es_leaf_redacted(struct es_walk *w)
{
    struct es_cut cut = {.type = ES_CUT_REDACTED};
    w->d->at = es_put_cut(w->d->at, &cut);
    w->redacted = true;
}

/* Writes what the emulator makes of the term, where that is at most `max` bytes. */
static bool put_encoded(struct es_walk *w, ERL_NIF_TERM term, size_t max)
{
    ErlNifBinary etf;
    if (!enif_term_to_binary(w->d->env, term, &etf))
        return false;
    bool fits = etf.size - 1 <= max;
    if (fits)
        w->d->at = es_put_bytes(w->d->at, etf.data + 1, etf.size - 1);
    enif_release_binary(&etf);
    return fits;
}

/* ---- atoms and numbers --------------------------------------------------------------------------------------------- */

void es_leaf_atom(struct es_walk *w, ERL_NIF_TERM atom)
{
    es_hash_add(&w->hash, ES_HASH_ATOM, atom);
    if (w->hash_only)
        return;
    if (ES_LIKELY(es_draft_knows(w->d, es_ref_make(ES_REF_ATOM, atom), atom)))
        w->d->at = es_put_atom_ref(w->d->at, atom);
    else if (!put_encoded(w, atom, ES_LEAF_MAX))
        put_cut(w, &(struct es_cut){.type = ES_CUT_ANY});
}

/* Beyond 64 bits: the emulator's hash and encoding take as long as the number is, so large ones are left out. */
static void put_big(struct es_walk *w, ERL_NIF_TERM big)
{
    struct es_session *s = w->d->s;
    ErlNifUInt64 magnitude;
    es_hash_big(&w->hash, s, big);
    if (w->hash_only)
        return;
    if (enif_get_uint64(w->d->env, big, &magnitude))
        w->d->at = es_put_big(w->d->at, magnitude, false);
    else if (enif_compare(big, s->big_max) >= 0 || enif_compare(big, s->big_min) <= 0 ||
             !put_encoded(w, big, ES_LEAF_MAX))
        put_cut(w, &(struct es_cut){.type = ES_CUT_INTEGER});
}

void es_leaf_integer(struct es_walk *w, ERL_NIF_TERM integer)
{
    int64_t value;
    if (ES_UNLIKELY(!es_get_int64(w->d->env, integer, &value))) {
        put_big(w, integer);
        return;
    }
    es_hash_add(&w->hash, ES_HASH_INTEGER, (uint64_t)value);
    w->d->at = es_put_int(w->d->at, value);
}

void es_leaf_float(struct es_walk *w, ERL_NIF_TERM number)
{
    double value = 0;
    uint64_t bits;
    enif_get_double(w->d->env, number, &value);
    memcpy(&bits, &value, sizeof bits);
    es_hash_add(&w->hash, ES_HASH_FLOAT, bits);
    w->d->at = es_put_float(w->d->at, value);
}

/* ---- binaries and bitstrings --------------------------------------------------------------------------------------- */

/* One binary takes a quarter of what is left, so that it does not hide the rest of its term. */
static size_t share(const struct es_walk *w)
{
    size_t quarter = (size_t)(w->soft - w->d->at) / 4;
    return quarter < PREFIX_MIN ? PREFIX_MIN : quarter;
}

static void put_binary(struct es_walk *w, const ErlNifBinary *binary)
{
    struct es_draft *d = w->d;
    size_t max = share(w);
    if (ES_LIKELY(binary->size <= max)) {
        d->at = es_put_be32(es_put_u8(d->at, ES_T_BINARY), (uint32_t)binary->size);
        d->at = es_put_bytes(d->at, binary->data, binary->size);
        return;
    }
    struct es_cut cut = {
        .type = ES_CUT_BINARY, .size = binary->size, .prefix = binary->data, .prefix_len = (uint32_t)max};
    cut.hash = es_hash_bytes(binary->data, max, binary->size);
    put_cut(w, &cut);
}

#define LARGE_BITS 4096 /* bytes that are encoded in no time */

/* A bitstring that is not whole bytes can only be encoded as a whole, however large; the time it takes is made up for, where it was not
 * lost to something else: a small one takes none. */
static void put_bitstring(struct es_walk *w, ERL_NIF_TERM bits)
{
    struct es_draft *d = w->d;
    es_hash_add(&w->hash, ES_HASH_BITS, 0);
    if (w->hash_only)
        return;
    uint64_t before = es_clock_now(d->s->clock);
    const uint8_t *from = d->at;
    bool fits = put_encoded(w, bits, share(w)), large = !fits || d->at - from > LARGE_BITS;
    if (!fits)
        put_cut(w, &(struct es_cut){.type = ES_CUT_BITSTRING});
    uint64_t spent = es_clock_now(d->s->clock) - before;
    if (large && spent > 20 * d->s->ticks_us && !es_takes_its_time(d))
        d->t->slow_until = before + 200 * spent;
}

void es_leaf_bits(struct es_walk *w, ERL_NIF_TERM bits)
{
    ErlNifBinary binary;
    if (!es_binary_may_inspect(w->d)) {
        bool whole = enif_is_binary(w->d->env, bits);
        put_cut(w, &(struct es_cut){.type = whole ? ES_CUT_BINARY : ES_CUT_BITSTRING, .flags = ES_CUT_AT_LEAST});
        w->hash_unknown |= w->hash.on;
    } else if (ES_LIKELY(enif_inspect_binary(w->d->env, bits, &binary))) {
        es_binary_inspected(w->d, bits, &binary);
        if (w->hash.on)
            es_hash_binary(&w->hash, binary.data, binary.size);
        if (!w->hash_only)
            put_binary(w, &binary);
    } else {
        put_bitstring(w, bits);
    }
}

/* ---- funs ---------------------------------------------------------------------------------------------------------- */

/* `fun M:F/A` is encoded. A local fun never is: what it closes over has no bound; its printed form has only its name. */
void es_leaf_fun(struct es_walk *w, ERL_NIF_TERM fun)
{
    char text[512];
    es_hash_add(&w->hash, ES_HASH_FUN, 0);
    if (w->hash_only)
        return;
    int n = enif_snprintf(text, sizeof text, "%T", fun);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    if (len > 4 && memcmp(text, "fun ", 4) == 0 && put_encoded(w, fun, ES_LEAF_MAX))
        return;
    struct es_cut cut = {.type = ES_CUT_FUN, .prefix = (const uint8_t *)text, .prefix_len = (uint32_t)len};
    put_cut(w, &cut);
}

/* ---- pids, ports, references --------------------------------------------------------------------------------------- */

static inline void hash_name(struct es_walk *w, ERL_NIF_TERM name, es_ref local)
{
    if (w->hash.on)
        es_hash_add(&w->hash, ES_HASH_NAME, es_hash_of_name(name, local));
}

static void put_node(struct es_walk *w)
{
    struct es_draft *d = w->d;
    if (ES_LIKELY(es_draft_knows(d, es_ref_make(ES_REF_ATOM, d->s->node), d->s->node)))
        d->at = es_put_atom_ref(d->at, d->s->node);
    else
        d->at = es_put_bytes(d->at, d->s->node_etf + 1, d->s->node_etf_len);
}

void es_leaf_pid(struct es_walk *w, ERL_NIF_TERM pid)
{
    struct es_draft *d = w->d;
    es_ref ref = es_ref_of_local(d->env, d->t, pid);
    hash_name(w, pid, ref);
    if (w->hash_only)
        return;
    if (ES_UNLIKELY(!ref)) {
        if (!put_encoded(w, pid, ES_LEAF_MAX))
            put_cut(w, &(struct es_cut){.type = ES_CUT_ANY});
        return;
    }
    d->at = es_put_u8(d->at, ES_T_NEW_PID);
    put_node(w);
    d->at = es_put_be32(d->at, es_ref_pid_number(ref));
    d->at = es_put_be32(d->at, es_ref_pid_serial(ref));
    d->at = es_put_be32(d->at, d->s->creation);
}

void es_leaf_port(struct es_walk *w, ERL_NIF_TERM port)
{
    struct es_draft *d = w->d;
    es_ref ref = es_ref_of_local(d->env, d->t, port);
    hash_name(w, port, ref);
    if (w->hash_only)
        return;
    if (ES_UNLIKELY(!ref)) {
        if (!put_encoded(w, port, ES_LEAF_MAX))
            put_cut(w, &(struct es_cut){.type = ES_CUT_ANY});
        return;
    }
    d->at = es_put_u8(d->at, ES_T_V4_PORT);
    put_node(w);
    d->at = es_put_be32(d->at, (uint32_t)(es_ref_value(ref) >> 32));
    d->at = es_put_be32(d->at, (uint32_t)es_ref_value(ref));
    d->at = es_put_be32(d->at, d->s->creation);
}

/* Of this node: the name is replaced by its atom. */
static void put_ref(struct es_walk *w, const uint8_t *etf, size_t len)
{
    struct es_draft *d = w->d;
    size_t node = d->s->node_etf_len;
    if (len > 3 + node && *etf == ES_T_NEWER_REF && memcmp(etf + 3, d->s->node_etf + 1, node) == 0) {
        d->at = es_put_bytes(d->at, etf, 3);
        put_node(w);
        etf += 3 + node;
        len -= 3 + node;
    }
    d->at = es_put_bytes(d->at, etf, len);
}

void es_leaf_ref(struct es_walk *w, ERL_NIF_TERM ref)
{
    ErlNifBinary etf;
    hash_name(w, ref, 0);
    if (w->hash_only)
        return;
    if (!enif_term_to_binary(w->d->env, ref, &etf)) {
        put_cut(w, &(struct es_cut){.type = ES_CUT_ANY});
        return;
    }
    if (etf.size <= ES_LEAF_MAX / 2)
        put_ref(w, etf.data + 1, etf.size - 1);
    else
        put_cut(w, &(struct es_cut){.type = ES_CUT_ANY});
    enif_release_binary(&etf);
}
