/* SPDX-License-Identifier: MIT */
/* Starting the user's command with the agent in the first VM that comes up. */
#ifndef ES_CONTROL_LAUNCH_H
#define ES_CONTROL_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct es_launch {
    char *const *argv;   /* ends with NULL */
    const char *session; /* directory of the session, with `ebin` in it */
    const char *nif;
    const char *boot; /* patched boot script without ".boot", NULL: none */
};

/* Starts it in the caller's process group, on its terminal. -ENOENT and others of execvp(3) with a cause: then nothing
 * was started. */
int es_launch(const struct es_launch *launch, pid_t *ret_pid);

/* Whether a process that the command left behind may still become a VM of the session: it has the session in its environment. */
bool es_launch_leftovers(const char *session);

/* The value of ERL_AFLAGS for it, behind or before (where they end in -extra) those the user has: `user` may be NULL. free() it; NULL: no
 * memory. */
char *es_launch_flags(const struct es_launch *launch, const char *user);

#endif
