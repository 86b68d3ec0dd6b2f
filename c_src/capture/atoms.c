/* SPDX-License-Identifier: MIT */
/* Makes the atoms of atoms.h when the library is loaded. */
#include "capture/atoms.h"

struct es_atoms es_am;

void es_atoms_load(ErlNifEnv *env)
{
#define A(name, text) es_am.name = enif_make_atom(env, text);
    ES_ATOMS(A)
#undef A
}
