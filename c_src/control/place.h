/* SPDX-License-Identifier: MIT */
/* Where the program's own parts are: the agent's modules (ebin) and the shared object for the VM. */
#ifndef ES_CONTROL_PLACE_H
#define ES_CONTROL_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "wire/sessiondir.h"

#define ES_MODULES_MAX 64
#define ES_MODULE_NAME 64

/* Absolute path of the folder with the agent's modules, and of elixirscope_nif.so: below $ELIXIRSCOPE_HOME where that is set, else beside the
 * program (a build) or in ../lib/elixirscope (installed). -ENOENT with a cause. `room` is PATH_MAX. */
int es_place_ebin(char *ret_path, size_t room);
int es_place_nif(char *ret_path, size_t room);

/* The names of the agent's modules in `ebin`, in the order of loading: the one with the entry points last. How many, or -ENOENT with a cause. */
int es_place_modules(const char *ebin, char ret_names[ES_MODULES_MAX][ES_MODULE_NAME]);

/* A copy of the shared object that a VM of user `owner` ((uid_t)-1: the caller) may map: in the session's directory, or, where that file
 * system forbids executing (containers mount /dev/shm so), in a private directory below /tmp. -EACCES, -ENOSPC … with a cause. */
int es_place_nif_copy(const struct es_session_dir *dir, uid_t owner, char *ret_path, size_t room);

/* Makes `ebin` in the session's directory lead to the modules: a VM that is started with the session finds them there. */
int es_place_ebin_link(const struct es_session_dir *dir, const char *ebin);

/* Removes the copy and all else that a session holds, the directory included. While a VM lives that was started with our boot script, that
 * and the directory stay: init:restart() reads it again. */
void es_place_remove(const struct es_session_dir *dir);

/* Files of a session besides those of wire/sessiondir.h. */
void es_place_control_socket(const struct es_session_dir *dir, char ret_path[108]);
void es_place_boot(const struct es_session_dir *dir, char *ret_path, size_t room); /* without ".boot" */

#endif
