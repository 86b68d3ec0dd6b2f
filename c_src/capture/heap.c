/* SPDX-License-Identifier: MIT */
/* What is assumed of terms in memory, compared with what the emulator says; see heap.h. */
#include "capture/heap.h"

#include "capture/atoms.h"

#define SMALL_MAP_MAX 32 /* pairs: a larger map is a tree */

bool es_heap_known;
ERL_NIF_TERM es_flat_map;

static bool cells_fit(ErlNifEnv *env)
{
    ERL_NIF_TERM head, tail, one = enif_make_int(env, 1), pair = enif_make_list_cell(env, one, es_am.ok);
    ERL_NIF_TERM list = enif_make_list_cell(env, pair, es_nil);
    bool fit = es_get_cell(env, list, &head, &tail) && head == pair && tail == es_nil;
    return fit && es_get_cell(env, pair, &head, &tail) && head == one && tail == es_am.ok &&
           !es_get_cell(env, es_nil, &head, &tail);
}

static bool tuple_fits(ErlNifEnv *env, unsigned n)
{
    ERL_NIF_TERM made[64];
    for (unsigned i = 0; i < n; i++)
        made[i] = enif_make_uint(env, i * 3);
    ERL_NIF_TERM tuple = enif_make_tuple_from_array(env, made, n);
    int arity, arity_told;
    const ERL_NIF_TERM *elements, *told;
    bool fit = es_get_tuple(env, tuple, &arity, &elements) && enif_get_tuple(env, tuple, &arity_told, &told);
    return fit && arity == arity_told && (n == 0 || elements == told);
}

/* A map {0 => 0, 3 => 1, 6 => 2 ...}. */
static bool make_map(ErlNifEnv *env, unsigned n, ERL_NIF_TERM *ret_map)
{
    ERL_NIF_TERM keys[2 * SMALL_MAP_MAX], values[2 * SMALL_MAP_MAX];
    for (unsigned i = 0; i < n; i++) {
        keys[i] = enif_make_uint(env, i * 3);
        values[i] = enif_make_uint(env, i);
    }
    return enif_make_map_from_arrays(env, keys, values, n, ret_map);
}

static bool map_fits(ErlNifEnv *env, unsigned n)
{
    ERL_NIF_TERM map, value;
    struct es_flat flat;
    if (!make_map(env, n, &map) || !es_get_flat(map, &flat) || flat.n != n)
        return false;
    bool fit = true;
    for (unsigned i = 0; fit && i < n; i++)
        fit = enif_get_map_value(env, map, flat.keys[i], &value) && value == flat.values[i];
    return fit;
}

/* Terms of other types must not look like one of these. */
static bool others_differ(ErlNifEnv *env)
{
    ErlNifPid self;
    ERL_NIF_TERM binary, tree, tuple = enif_make_tuple1(env, es_am.ok);
    if (!enif_self(env, &self) || !enif_make_new_binary(env, 100, &binary) || !make_map(env, SMALL_MAP_MAX + 1, &tree))
        return false;
    ERL_NIF_TERM other[] = {self.pid,
                            binary,
                            enif_make_sub_binary(env, binary, 1, 80),
                            tree,
                            enif_make_double(env, 1.5),
                            enif_make_ref(env),
                            enif_make_uint64(env, UINT64_MAX),
                            enif_make_int64(env, INT64_MIN),
                            enif_make_list1(env, tuple)};
    bool differ = !es_heap_is_flat(tuple);
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        differ = differ && !es_heap_is_tuple(other[i]) && !es_heap_is_flat(other[i]);
    return differ;
}

void es_heap_load(ErlNifEnv *env)
{
    ERL_NIF_TERM map;
#ifdef ES_ASK
    es_words_known = false; /* for tests: as where nothing is as assumed */
#endif
    es_heap_known = es_words_known && make_map(env, 3, &map) && es_word_is_boxed(map);
    if (!es_heap_known)
        return;
    es_flat_map = *es_heap_at(map);
    bool fit = cells_fit(env) && others_differ(env);
    for (unsigned n = 0; n <= SMALL_MAP_MAX; n++)
        fit = fit && tuple_fits(env, n) && map_fits(env, n);
    es_heap_known = fit && tuple_fits(env, 64);
}
