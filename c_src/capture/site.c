/* SPDX-License-Identifier: MIT */
/* The parts of a site that are seldom looked at; see site.h. */
#include "capture/site.h"

#define NAMES_MAX 255

bool es_site_is_whole(ErlNifEnv *env, const struct es_site *site)
{
    int n;
    int64_t line, clause;
    const ERL_NIF_TERM *e;
    ERL_NIF_TERM name, names = site->names;
    if (!es_get_tuple(env, site->term, &n, &e) || n != ES_SITE_ELEMENTS || !es_get_int64(env, e[5], &line) ||
        line < 0 || line > INT32_MAX || !es_get_int64(env, e[6], &clause) || clause < 0 || clause > UINT16_MAX)
        return false;
    for (unsigned i = 0; i < NAMES_MAX && es_get_cell(env, names, &name, &names); i++)
        if (!es_site_is_atom(env, name))
            return false;
    return es_is_nil(env, names);
}
