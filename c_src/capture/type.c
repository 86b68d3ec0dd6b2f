/* SPDX-License-Identifier: MIT */
/* Types of terms in emulators that have more of them than erl_nif.h; see type.h. */
#include "capture/type.h"

#include <stdlib.h>

#define OTP_RECORDS 29

bool es_type_may_be_other;
static ERL_NIF_TERM nil;

void es_type_load(ErlNifEnv *env)
{
    ErlNifSysInfo info;
    enif_system_info(&info, sizeof info);
    es_type_may_be_other = atoi(info.otp_release) >= OTP_RECORDS;
    nil = enif_make_list(env, 0);
}

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
    return enif_compare(term, nil) > 0 ? ERL_NIF_TERM_TYPE_BITSTRING : ES_TYPE_OTHER;
}
