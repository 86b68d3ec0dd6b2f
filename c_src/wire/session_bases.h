/* SPDX-License-Identifier: MIT */
/* Where session directories are looked for: BASE/elixirscope-UID/ID. */
#ifndef ES_WIRE_SESSION_BASES_H
#define ES_WIRE_SESSION_BASES_H

#include <stddef.h>

#include "wire/sessiondir.h"

#define ES_SESSION_USER_PREFIX "elixirscope-"

struct es_session_bases {
    const char *path[3];
    size_t n;
};

/* In order of preference; ELIXIRSCOPE_SHM in the environment stands for all. Valid until the environment
 * changes. */
void es_session_bases(struct es_session_bases *ret_bases);

/* Whether `name` is elixirscope-UID, and which user it is. */
bool es_session_user(const char *name, uid_t *ret_uid);

/* Whether this can be the name of a session. */
bool es_session_id_is_sane(const char *id);

/* Reads the session in the directory `path`. -ENOENT, -EPERM, -ELOOP, -EBADMSG. */
int es_session_load_path(const char *path, struct es_session_dir *ret_dir);

#endif
