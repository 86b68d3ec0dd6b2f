/* SPDX-License-Identifier: MIT */
/* Releases boot in embedded mode, where -eval comes after all applications. A copy of their boot script that starts the agent right after
 * stdlib catches the applications' start as well. */
#ifndef ES_CONTROL_RELEASE_H
#define ES_CONTROL_RELEASE_H

#include <stddef.h>
#include <stdint.h>

/* Whether `argv` starts a release (`bin/app start` and its like, of mix and of relx): 1 and the boot script it would use with its ".boot",
 * else 0. */
int es_release_boot(char *const *argv, char *ret_boot, size_t room);

/* Writes to `out` a copy of the boot script `boot` that starts the agent. -EBADMSG with a cause where the script is not as expected. */
int es_release_patch(const char *boot, const char *out);

/* The patch itself: a new term, free() it. */
int es_boot_patch(const uint8_t *script, size_t len, uint8_t **ret_script, size_t *ret_len);

#endif
