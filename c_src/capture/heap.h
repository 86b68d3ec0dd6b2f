/* SPDX-License-Identifier: MIT */
/* Lists, tuples and small maps, looked into. The functions of erl_nif.h for that cost more than what they read: a message of 25 terms
 * needs 30 such calls. How these terms lie in memory is the emulator's own affair: when the library is loaded, terms that it has made
 * are looked into both ways. Where one differs, all is asked. */
#ifndef ES_CAPTURE_HEAP_H
#define ES_CAPTURE_HEAP_H

#include "capture/type.h"

/* Do this emulator's lists, tuples and small maps lie as it is assumed here? */
extern bool es_heap_known;

/* The first word of a map that is a tuple of keys and as many values, in the order of the keys. */
extern ERL_NIF_TERM es_flat_map;

void es_heap_load(ErlNifEnv *env);

/* A small map: its keys and their values. */
struct es_flat {
    const ERL_NIF_TERM *keys, *values;
    uint32_t n;
};

static inline bool es_word_is_boxed(ERL_NIF_TERM term) { return (term & 0x3) == 0x2; }
static inline const ERL_NIF_TERM *es_heap_at(ERL_NIF_TERM term)
{
    return (const ERL_NIF_TERM *)(term & ~(ERL_NIF_TERM)0x7); /* the third bit tells literals on some systems */
}

static inline bool es_heap_is_tuple(ERL_NIF_TERM term)
{
    return es_word_is_boxed(term) && (*es_heap_at(term) & 0x3f) == 0;
}
static inline bool es_heap_is_flat(ERL_NIF_TERM term)
{
    return es_word_is_boxed(term) && *es_heap_at(term) == es_flat_map;
}

static inline bool es_get_cell(ErlNifEnv *env, ERL_NIF_TERM list, ERL_NIF_TERM *ret_head, ERL_NIF_TERM *ret_tail)
{
    if (__builtin_expect(!es_heap_known, 0))
        return enif_get_list_cell(env, list, ret_head, ret_tail);
    if (!es_word_is_cell(list))
        return false;
    *ret_head = es_heap_at(list)[0];
    *ret_tail = es_heap_at(list)[1];
    return true;
}

static inline bool es_get_tuple(ErlNifEnv *env, ERL_NIF_TERM term, int *ret_arity, const ERL_NIF_TERM **ret_elements)
{
    if (__builtin_expect(!es_heap_known, 0))
        return enif_get_tuple(env, term, ret_arity, ret_elements);
    if (!es_heap_is_tuple(term))
        return false;
    *ret_arity = (int)(*es_heap_at(term) >> 6);
    *ret_elements = es_heap_at(term) + 1;
    return true;
}

/* False where the term is no small map, or may be one that has to be asked. */
static inline bool es_get_flat(ERL_NIF_TERM map, struct es_flat *ret_flat)
{
    if (__builtin_expect(!es_heap_known, 0) || !es_heap_is_flat(map))
        return false;
    const ERL_NIF_TERM *at = es_heap_at(map);
    *ret_flat = (struct es_flat){.keys = es_heap_at(at[2]) + 1, .values = at + 3, .n = (uint32_t)at[1]};
    return true;
}

/* The value of an atom in a map; false where it has none. */
static inline bool es_get_value(ErlNifEnv *env, ERL_NIF_TERM map, ERL_NIF_TERM atom, ERL_NIF_TERM *ret_value)
{
    struct es_flat flat;
    if (__builtin_expect(!es_get_flat(map, &flat), 0))
        return enif_get_map_value(env, map, atom, ret_value);
    for (uint32_t i = 0; i < flat.n; i++) {
        if (flat.keys[i] == atom) {
            *ret_value = flat.values[i];
            return true;
        }
    }
    return false;
}

static inline ErlNifTermType es_heap_type_of(ErlNifEnv *env, ERL_NIF_TERM term)
{
    if (__builtin_expect(es_heap_known, 1) && es_word_is_boxed(term)) {
        if (es_heap_is_tuple(term))
            return ERL_NIF_TERM_TYPE_TUPLE;
        if (es_heap_is_flat(term))
            return ERL_NIF_TERM_TYPE_MAP;
    }
    return es_type_of(env, term);
}

#endif
