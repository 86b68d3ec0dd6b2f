/* SPDX-License-Identifier: MIT */
/* Types of terms: what is assumed of words, and emulators that have more types than erl_nif.h; see type.h. */
#include "capture/type.h"

#include <stdlib.h>

#include "capture/atoms.h"

#define OTP_RECORDS 29

bool es_type_may_be_other, es_words_known;
ERL_NIF_TERM es_nil;

/* ---- words --------------------------------------------------------------------------------------------------------- */

/* Of an integer and its negative: told to be small only if they are made of their words as assumed. */
static bool integer_fits(ErlNifEnv *env, int64_t value)
{
    int64_t both[] = {value, -value, value - 1, 1 - value};
    for (size_t i = 0; i < sizeof both / sizeof *both; i++) {
        ERL_NIF_TERM word = enif_make_int64(env, both[i]);
        if (es_word_is_small(word) && es_word_small(word) != both[i])
            return false;
        if (llabs(both[i]) < 1 << 24 && !es_word_is_small(word))
            return false;
        if (es_word_is_atom(word) || es_word_is_cell(word))
            return false;
    }
    return true;
}

static bool integers_fit(ErlNifEnv *env)
{
    bool fit = integer_fits(env, 0);
    for (int bit = 0; bit < 63; bit++)
        fit = fit && integer_fits(env, INT64_C(1) << bit) && integer_fits(env, (INT64_C(1) << bit) + 12345);
    return fit;
}

static bool atoms_fit(void)
{
    const ERL_NIF_TERM *word = (const ERL_NIF_TERM *)(const void *)&es_am;
    bool fit = true;
    for (size_t i = 0; i < sizeof es_am / sizeof *word; i++)
        fit = fit && es_word_is_atom(word[i]);
    return fit;
}

static bool is_asked(ERL_NIF_TERM term)
{
    return !es_word_is_small(term) && !es_word_is_atom(term) && !es_word_is_cell(term);
}

/* Terms of all other types that can be made here. */
static bool others_fit(ErlNifEnv *env)
{
    ErlNifPid self;
    ERL_NIF_TERM binary, one = enif_make_int(env, 1), other[10];
    bool known = enif_self(env, &self) && enif_make_new_binary(env, 100, &binary);
    if (!known)
        return false;
    size_t n = 0;
    other[n++] = self.pid;
    other[n++] = binary;
    other[n++] = enif_make_sub_binary(env, binary, 1, 80);
    other[n++] = enif_make_tuple2(env, one, one);
    other[n++] = enif_make_tuple(env, 0);
    other[n++] = enif_make_new_map(env);
    other[n++] = enif_make_double(env, 1.5);
    other[n++] = enif_make_ref(env);
    other[n++] = enif_make_uint64(env, UINT64_MAX);
    other[n++] = es_nil;
    for (size_t i = 0; i < n; i++)
        known = known && is_asked(other[i]);
    ERL_NIF_TERM cell = enif_make_list1(env, one);
    return known && es_word_is_cell(cell) && !es_word_is_small(cell) && !es_word_is_atom(cell) &&
           es_nil == enif_make_list(env, 0);
}

void es_type_load(ErlNifEnv *env)
{
    ErlNifSysInfo info;
    enif_system_info(&info, sizeof info);
    es_type_may_be_other = atoi(info.otp_release) >= OTP_RECORDS;
    es_nil = enif_make_list(env, 0);
    es_words_known = sizeof(ERL_NIF_TERM) == 8 && integers_fit(env) && atoms_fit() && others_fit(env);
}

/* ---- types --------------------------------------------------------------------------------------------------------- */

/* The frequent ones first. A bitstring of whole bytes is a binary; any other one comes behind the empty list in the order of all terms,
 * where everything unknown so far comes before it. */
ErlNifTermType es_type_ask(ErlNifEnv *env, ERL_NIF_TERM term)
{
    if (enif_is_atom(env, term))
        return ERL_NIF_TERM_TYPE_ATOM;
    if (enif_is_number(env, term))
        return enif_term_type(env, term);
    if (enif_is_tuple(env, term))
        return ERL_NIF_TERM_TYPE_TUPLE;
    if (enif_is_list(env, term))
        return ERL_NIF_TERM_TYPE_LIST;
    if (enif_is_binary(env, term))
        return ERL_NIF_TERM_TYPE_BITSTRING;
    if (enif_is_pid(env, term))
        return ERL_NIF_TERM_TYPE_PID;
    if (enif_is_map(env, term))
        return ERL_NIF_TERM_TYPE_MAP;
    if (enif_is_ref(env, term))
        return ERL_NIF_TERM_TYPE_REFERENCE;
    if (enif_is_fun(env, term))
        return ERL_NIF_TERM_TYPE_FUN;
    if (enif_is_port(env, term))
        return ERL_NIF_TERM_TYPE_PORT;
    return enif_compare(term, es_nil) > 0 ? ERL_NIF_TERM_TYPE_BITSTRING : ES_TYPE_OTHER;
}
